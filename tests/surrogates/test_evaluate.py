"""Judging: splits that share nothing, figures by hand, and tables of the right shape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.surrogates import accuracy, energy, evaluate, multilayer_perceptron
from ecnas_core.surrogates.energy import UnknownModel
from ecnas_core.surrogates.training import TooFewResults


class Line:
    """A model that knows nothing: every cell the same."""

    name, cells = "best", 1

    def predict(self, table):
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


@pytest.mark.parametrize("model", energy.MODELS)
def test_more_cells_make_less_error(bench, monkeypatch, model):
    monkeypatch.setattr(multilayer_perceptron, "EPOCHS", 50)  # a quarter of the paper's tells it already
    found = evaluate.learning_curve(bench, model, (80, 320), initialisations=2)
    assert found["cells"].tolist() == [80, 80, 320, 320]
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


class Constant:
    """Networks that know nothing: every cell the same."""

    def predict_all(self, table):
        frame = pd.DataFrame(
            {
                "validation_accuracy": 0.9,
                "low": 0.85,
                "high": 0.92,
                "training_time_s": 100.0,
                "time_low": 90.0,
                "time_high": 200.0,
            },
            index=range(len(table)),
        )
        return dict.fromkeys((4, 12, 36, 108), frame)


def test_no_cell_whose_accuracy_is_judged_was_learned_from(bench, published, monkeypatch):
    learned = []

    def fit(bench, seed, cells, members, progress, cancel):
        learned.append(set(cells))
        return Constant()

    monkeypatch.setattr(accuracy, "fit", fit)
    monkeypatch.setattr(accuracy, "published", lambda _: published)
    for seed in range(2):
        found = evaluate.accuracy_held_out(bench, seed)
        judged = set(found["hash"])
        assert judged.isdisjoint(learned[seed])
        assert judged | learned[seed] == set(published.hashes)
        assert len(judged) == 25_959 // 5
        assert len(found) == 4 * len(judged)
    assert learned[0] != learned[1]


def test_held_out_accuracies_are_those_that_are_published(bench, published, monkeypatch):
    monkeypatch.setattr(accuracy, "fit", lambda *_: Constant())
    found = evaluate.accuracy_held_out(bench)
    rows = np.searchsorted(published.hashes.astype(str), found["hash"].to_numpy(str))
    places = found["epochs"].map({4: 0, 12: 1, 36: 2, 108: 3}).to_numpy()
    assert np.array_equal(found["validation_accuracy"], published.accuracy[rows, places], equal_nan=True)
    assert np.array_equal(found["training_time_s"], published.time_s[rows, places], equal_nan=True)
    assert np.array_equal(found["sampled"], published.sampled[rows])
    assert np.array_equal(found["vertices"], published.table.vertices[rows])
    judged = evaluate.accuracy_figures(found).set_index(["quantity", "epochs", "cells"])
    sampled = found[found["sampled"] & (found["epochs"] == 108)]
    row = judged.loc[("validation_accuracy", 108, "all")]
    assert row["judged"] == len(sampled)
    assert row["mae"] == pytest.approx((sampled["validation_accuracy"] - 0.9).abs().mean())
    assert row["coverage"] == pytest.approx(sampled["validation_accuracy"].between(0.85, 0.92).mean())
    row = judged.loc[("validation_accuracy", 36, "7 vertices")]
    assert row["judged"] == (sampled["vertices"] == 7).sum()
    timed = found[(found["epochs"] == 12) & found["training_time_s"].notna()]
    row = judged.loc[("training_time_s", 12, "all")]
    assert row["median_relative_error"] == pytest.approx((100 / timed["training_time_s"] - 1).abs().median())
    assert ("training_time_s", 12, "7 vertices") not in judged.index
