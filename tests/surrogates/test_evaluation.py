"""The bundled evaluation: what it holds is what the benchmark measured, of cells that were held out, and small."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from ecnas_core.benchmark.layout import BUNDLED, MissingData
from ecnas_core.cells import Cell
from ecnas_core.surrogates import accuracy, cell_prediction, energy, evaluate, evaluation, experiment
from ecnas_core.surrogates.lookup import look_up


@pytest.fixture(scope="module")
def held_out():
    return evaluation.table(evaluation.HELD_OUT).astype({"hash": "str", "quantity": "str", "model": "str"})


@pytest.mark.parametrize("model", ["best", "paper"])
def test_held_out_energies_are_the_measured_ones_of_the_split(bench, held_out, model):
    measured = energy.measured(bench)
    _, judged = evaluate.split(len(measured), 0)
    own = held_out[(held_out["quantity"] == "energy_kwh") & (held_out["model"] == model)].set_index("hash")
    expected = measured.iloc[judged].set_index("hash")["energy_kwh"]
    assert set(own.index) == set(expected.index)
    np.testing.assert_allclose(own["value"], expected.loc[own.index], rtol=2e-5)


def test_held_out_accuracies_are_the_published_ones_of_the_split(bench, held_out):
    published = accuracy.published(bench)
    _, judged = evaluate.split(len(published.hashes), 0)
    known = ~np.isnan(published.accuracy[judged, 3])
    own = held_out[held_out["quantity"] == "validation_accuracy"].set_index("hash")
    assert set(own.index) == set(published.hashes[judged][known])
    expected = dict(zip(published.hashes, published.accuracy[:, 3], strict=True))
    np.testing.assert_allclose(own["value"], [expected[digest] for digest in own.index], atol=2e-5)


def test_the_figures_are_those_of_the_predictions(held_out):
    """The targets of the surrogates, and the table against the rows that it is of."""
    told = evaluation.table(evaluation.FIGURES)
    own = held_out[(held_out["quantity"] == "validation_accuracy") & held_out["sampled"]]
    row = told[(told["quantity"] == "validation_accuracy") & (told["epochs"] == 108) & (told["cells"] == "all")].iloc[0]
    assert row["tau"] == pytest.approx(kendalltau(own["value"], own["predicted"]).statistic, abs=2e-3)
    assert row["tau"] >= 0.885
    assert row["median_error"] <= 0.0023
    by_model = told[told["kind"] == "energy"].groupby("model")[["tau", "mae", "coverage"]].mean()
    assert by_model.loc["best", "tau"] >= 0.957
    assert by_model.loc["best", "mae"] <= 0.27
    assert by_model.loc["best", "coverage"] == pytest.approx(0.9, abs=0.03)
    assert by_model.loc["paper", "tau"] == pytest.approx(0.953, abs=0.006)
    best = held_out[(held_out["quantity"] == "energy_kwh") & (held_out["model"] == "best")]
    first = told[(told["kind"] == "energy") & (told["model"] == "best") & (told["seed"] == 0)].iloc[0]
    assert experiment.figures(best).iloc[0]["mae"] == pytest.approx(first["mae"], rel=1e-3)


def test_more_cells_help_both_models():
    curve = evaluation.table(evaluation.CURVE).groupby(["model", "cells"])["mae"].mean()
    for model in ("best", "paper"):
        assert curve[model].is_monotonic_decreasing
    assert (curve["best"] < curve["paper"]).all()


def test_it_is_small_and_says_when_it_is_missing(tmp_path):
    assert sum(path.stat().st_size for path in (BUNDLED / evaluation.FOLDER).glob("*.parquet")) < 320_000
    with pytest.raises(MissingData, match="run build-data"):
        evaluation.table(evaluation.CURVE, tmp_path)


def test_the_bundled_energy_model_is_that_of_all_measured_cells(bench):
    measured = energy.measured(bench)
    model = evaluation.energy_model()
    assert model.cells == len(measured)
    _, table = look_up(bench, measured["hash"].head(500))
    away = np.abs(np.log(model.predict(table)["energy_kwh"] / measured["energy_kwh"].head(500)))
    assert away.median() < 0.01


class TestOfOneCell:
    def test_a_measured_cell_stands_beside_its_measurement(self, bench):
        known = energy.measured(bench).iloc[7]
        cell = Cell.from_bits(known["vertices"], known["edge_bits"], known["ops"])
        found, *_ = cell_prediction.of_cell(bench, cell, 4)
        assert (found.known, found.provenance, found.seen) == (known["energy_kwh"], "measured", True)
        assert found.low < found.predicted < found.high
        longer, *_ = cell_prediction.of_cell(bench, cell, 108)
        assert longer.predicted == pytest.approx(27 * found.predicted)
        assert longer.provenance == "surrogate"

    def test_accuracy_and_time_are_those_of_the_view(self, bench):
        [row] = bench.rows(
            "select hash, validation_accuracy::double as a, validation_accuracy_low::double as low, "
            "training_time_s::double as t from benchmark where space = '7V' and epochs = 108 "
            "and accuracy_provenance = 'predicted' and time_provenance = 'predicted' order by hash limit 1"
        )
        _, shown, time = cell_prediction.of_cell(bench, bench.query(row["hash"], space="7V").cell, 108)
        assert (shown.predicted, shown.low, time.predicted) == pytest.approx((row["a"], row["low"], row["t"]))
        assert (shown.known, shown.provenance, shown.seen, time.known) == (None, None, False, None)

    def test_a_published_accuracy_stands_beside_the_prediction(self, bench):
        [row] = bench.rows(
            "select hash, validation_accuracy::double as a from benchmark where space = '7V' and epochs = 108 "
            "and accuracy_provenance = 'published' order by hash limit 1"
        )
        _, shown, _ = cell_prediction.of_cell(bench, bench.query(row["hash"], space="7V").cell, 108)
        assert (shown.known, shown.provenance, shown.seen) == (pytest.approx(row["a"]), "published", True)
