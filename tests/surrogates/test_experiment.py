"""One surrogate trained and judged: what is held out is never learned from, and figures are what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import accuracy, energy, experiment, importance
from ecnas_core.surrogates.energy import UnknownModel
from ecnas_core.surrogates.experiment import Experiment, InvalidExperiment, figures, run_experiment


@pytest.fixture(scope="module")
def learned():
    """The cells that each model was fitted to, in the order of the fits."""
    return []


@pytest.fixture(scope="module")
def few_permutations():
    """Importances are told by two permutations instead of ten."""
    with pytest.MonkeyPatch.context() as patch:
        for tells in (importance.of_cells, importance.of_inputs):
            patch.setattr(tells, "__defaults__", (0, 2))
        yield


@pytest.fixture(scope="module")
def outcome(bench, learned, few_permutations):
    fit = energy.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(energy, "fit", lambda *given: learned.append(set(given[3])) or fit(*given))
        return run_experiment(bench, Experiment(cells=300, seed=3))


class TestEnergy:
    def test_no_cell_is_learned_from_and_judged(self, outcome, learned):
        assert len(learned[0]) == outcome.learned == 300
        assert learned[0].isdisjoint(outcome.held_out["hash"])

    def test_a_fifth_of_the_measured_cells_is_judged_by_its_measurements(self, bench, outcome):
        measured = energy.measured(bench).set_index("hash")["energy_kwh"]
        assert len(outcome.held_out) == int(len(measured) * 0.2)
        assert outcome.held_out["value"].tolist() == measured.loc[outcome.held_out["hash"]].tolist()
        assert set(outcome.held_out["quantity"]) == {"energy_kwh"}
        assert set(outcome.held_out["epochs"]) == {4}

    def test_it_is_good_with_300_cells_already(self, outcome):
        told = figures(outcome.held_out).set_index("cells").loc["all"]
        assert told["tau"] > 0.93
        assert told["mae"] < 0.6
        assert 0.85 < told["coverage"] <= 0.97

    def test_the_wiring_matters_and_the_place_of_operations_does_not(self, outcome):
        by = outcome.importance.groupby(["level", "feature"])["increase"].mean()
        assert by["cell", "place of the operations"] == pytest.approx(0, abs=1e-9)
        assert by["cell", "wiring"] > by["cell", "operations"] > 0
        assert by["input", "branches"] > by["input", "forks"]

    def test_the_same_seed_gives_the_same(self, bench, outcome, few_permutations):
        again = run_experiment(bench, Experiment(cells=300, seed=3))
        pd.testing.assert_frame_equal(outcome.held_out, again.held_out)
        pd.testing.assert_frame_equal(outcome.importance, again.importance)

    def test_it_can_be_stopped(self, bench):
        with pytest.raises(Cancelled):
            run_experiment(bench, Experiment(cells=100), cancel=lambda: True)


@pytest.fixture(scope="module")
def quick(bench, published, small_networks):
    """Small accuracy networks that see each cell once."""
    fit_to = accuracy.fit_to

    def once(found, seed, members, progress=None, cancel=None):
        return fit_to(found, seed, members, 1, progress, cancel)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accuracy, "fit_to", once)
        patch.setattr(accuracy, "published", lambda *_: published)
        patch.setattr(experiment, "_CELLS_ASKED", 50)
        return run_experiment(bench, Experiment("accuracy", cells=8000, members=1))


class TestAccuracy:
    def test_accuracies_and_times_of_unseen_cells_at_all_budgets(self, published, quick):
        found = quick.held_out
        assert found["hash"].nunique() == int(len(published.hashes) * 0.2)
        assert set(zip(found["quantity"], found["epochs"], strict=True)) >= {
            (name, epochs) for name in ("validation_accuracy", "training_time_s") for epochs in (4, 12, 36, 108)
        }
        assert (found["low"] <= found["predicted"]).all()
        assert (found["predicted"] <= found["high"]).all()
        at = dict(zip(published.hashes, published.accuracy[:, 3], strict=True))
        own = found[(found["quantity"] == "validation_accuracy") & (found["epochs"] == 108)]
        assert own["value"].tolist() == [at[digest] for digest in own["hash"]]

    def test_accuracies_are_judged_on_the_random_sample_alone(self, quick):
        told = figures(quick.held_out)
        own = quick.held_out[(quick.held_out["epochs"] == 108) & quick.held_out["sampled"]]
        own = own[own["quantity"] == "validation_accuracy"]
        row = told[(told["quantity"] == "validation_accuracy") & (told["epochs"] == 108) & (told["cells"] == "all")]
        assert row["judged"].item() == len(own)
        assert row["tau"].item() == pytest.approx(kendalltau(own["value"], own["predicted"]).statistic)


class TestFigures:
    def test_energies_are_told_in_wh(self):
        frame = pd.DataFrame(
            {
                "quantity": "energy_kwh",
                "epochs": 4,
                "hash": ["a", "b", "c"],
                "vertices": [7, 7, 6],
                "sampled": True,
                "value": [0.001, 0.002, 0.003],
                "predicted": [0.002, 0.002, 0.004],
                "low": [0, 0.001, 0.0035],
                "high": [0.003, 0.003, 0.005],
            }
        )
        told = figures(frame).set_index("cells")
        assert told.loc["all", "mae"] == pytest.approx(2 / 3)
        assert told.loc["all", "coverage"] == pytest.approx(2 / 3)
        assert told.loc["7 vertices", "judged"] == 2

    def test_operations_are_joined(self, bench):
        measured = energy.measured(bench).head(20)
        found = experiment.with_operations(bench, measured[["hash"]])
        expected = [sum(digit == "0" for digit in ops) for ops in measured["ops"]]
        assert found["n_conv3x3"].tolist() == expected


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"kind": "colour"}, InvalidExperiment, "energy, accuracy"),
        ({"model": "worst"}, UnknownModel, "best, paper"),
        ({"kind": "accuracy", "model": "paper"}, InvalidExperiment, "no model of accuracy"),
        ({"cells": 10}, InvalidExperiment, "at least 80"),
        ({"kind": "accuracy", "cells": 100}, InvalidExperiment, "at least 8000"),
        ({"members": 9}, InvalidExperiment, "1 to 5"),
        ({"seed": -1}, InvalidExperiment, "0 or more"),
    ],
)
def test_what_cannot_be_is_refused(given, error, said):
    with pytest.raises(error, match=said):
        Experiment(**given)


def test_more_cells_than_there_are_are_refused(bench):
    most = experiment.to_learn_from(bench, "energy")
    assert most == len(energy.measured(bench)) - int(len(energy.measured(bench)) * 0.2)
    with pytest.raises(InvalidExperiment, match=f"{most}"):
        run_experiment(bench, Experiment(cells=most + 1))
    assert np.isfinite(most)
