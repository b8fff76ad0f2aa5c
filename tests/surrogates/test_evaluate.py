"""Judging: splits that share nothing, figures by hand, and tables of the right shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.surrogates import energy, evaluate
from ecnas_core.surrogates.energy import UnknownModel
from ecnas_core.surrogates.training import TooFewResults


class Line:
    """A model that knows nothing: every cell the same."""

    name, cells = "best", 1

    def predict(self, table):
        import pandas as pd

        return pd.DataFrame({"energy_kwh": 0.015, "low": 0.01, "high": 0.02}, index=range(len(table)))


@given(n=st.integers(5, 500), seed=st.integers(0, 1000))
def test_a_split_shares_nothing_and_leaves_nothing_out(n, seed):
    learned, judged = evaluate.split(n, seed)
    assert sorted([*learned, *judged]) == list(range(n))
    assert len(judged) == n // 5


def test_figures_by_hand():
    values = np.array([1.0, 2, 3, 4])
    predicted = np.array([1.0, 3, 2, 5])
    found = evaluate.figures(values, predicted, predicted - 0.5, predicted + 1)
    assert found["tau"] == pytest.approx(4 / 6)
    assert found["tau_squared"] == pytest.approx(16 / 36)
    assert found["mae"] == 0.75
    assert found["median_error"] == 1
    assert found["median_relative_error"] == pytest.approx((1 / 4 + 1 / 3) / 2)
    assert found["bias"] == 0.25
    assert found["coverage"] == 0.5
    assert found["width"] == 1.5


def test_no_cell_that_is_judged_was_learned_from(bench, monkeypatch):
    learned = []

    def fit(bench, model, seed, cells, progress, cancel):
        learned.append(set(cells))
        return Line()

    monkeypatch.setattr(energy, "fit", fit)
    every = set(energy.measured(bench)["hash"])
    for seed in range(3):
        judged = set(evaluate.energy_held_out(bench, "best", seed)["hash"])
        assert judged.isdisjoint(learned[seed])
        assert judged | learned[seed] == every
        assert len(judged) == 707
    assert learned[0] != learned[1] != learned[2]


def test_energy_figures_in_wh(bench, monkeypatch):
    monkeypatch.setattr(energy, "fit", lambda *_: Line())
    found = evaluate.energy_figures(bench, seeds=[0, 1])
    assert found["seed"].tolist() == [0, 1]
    assert (found["judged"] == 707).all()
    assert np.allclose(found["width"], 10)
    truth = evaluate.energy_held_out(bench, seed=1)["energy_kwh"] * 1000
    assert found["mae"][1] == pytest.approx(np.abs(truth - 15).mean())
    assert found["coverage"][1] == pytest.approx(truth.between(10, 20).mean())


@pytest.mark.parametrize(("model", "sizes"), [("paper", (80, 320)), ("best", (160, 640))])
def test_more_cells_make_less_error(bench, model, sizes):
    found = evaluate.learning_curve(bench, model, sizes, initialisations=2)
    assert found["cells"].tolist() == [sizes[0]] * 2 + [sizes[1]] * 2
    assert found["initialisation"].tolist() == [0, 1, 0, 1]
    means = found.groupby("cells")[["tau", "mae"]].mean()
    assert means["mae"].iloc[1] < 0.8 * means["mae"].iloc[0]
    assert means["tau"].iloc[1] > means["tau"].iloc[0]
    assert found["mae"].nunique() == 4


def test_sizes_and_models_that_there_are_not(bench):
    with pytest.raises(TooFewResults, match="2829 cells cannot be learned from; take 80 to 2828"):
        evaluate.learning_curve(bench, sizes=[2829])
    with pytest.raises(UnknownModel):
        evaluate.learning_curve(bench, "worst")
