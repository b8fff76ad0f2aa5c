"""Energy models: laws they must recover, cells they must not confuse, files, errors, and figures held to a value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from ecnas_core.benchmark import UnknownCell
from ecnas_core.cells import Cell, CellTable, enumerate_cells
from ecnas_core.cells.enumeration import labelled_graphs
from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import energy, multilayer_perceptron, weights
from ecnas_core.surrogates.energy import UnknownModel
from ecnas_core.surrogates.features import composition, encoding, works
from ecnas_core.surrogates.lookup import take
from ecnas_core.surrogates.training import TooFewResults
from ecnas_core.surrogates.weights import OtherFeatures, UnreadableModel

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "published" / "measured_energy_7v.parquet"


@pytest.fixture(scope="module")
def table() -> CellTable:
    return enumerate_cells("5V")


@pytest.fixture(scope="module")
def law(table) -> np.ndarray:
    """Energies that hang on the composition alone, with 2 % of noise."""
    found = composition(table)
    cost = 3 + 4 * found["n_conv3x3"] / found["branches"] + found["n_conv1x1"] + found["projections"]
    return cost * np.exp(np.random.default_rng(0).normal(0, 0.02, len(table))) / 1000


@pytest.fixture(scope="module")
def some(table) -> np.ndarray:
    return np.random.default_rng(1).permutation(len(table))[:500]


@pytest.fixture(scope="module")
def fitted(table, law, some):
    return {
        "best": energy.fit_to(take(table, some), law[some]),
        "paper": energy.fit_to(take(table, some[:160]), law[some[:160]], "paper"),
    }


def others(table: CellTable, some: np.ndarray) -> np.ndarray:
    return np.setdiff1d(np.arange(len(table)), some)


class TestFeatures:
    def test_the_papers_36_by_hand(self):
        cell = Cell.from_bits(4, 0b110101, "02")
        edges = np.zeros((7, 7))
        edges[:4, :4] = cell.matrix
        [found] = encoding(CellTable.from_digits([4], [0b110101], ["02"]))
        assert len(found) == 36
        assert found[:28].tolist() == edges[np.triu_indices(7)].tolist()
        assert found[28:35].tolist() == [1, 3, 4, 5, 0, 0, 0]
        assert found[35] == cell.trainable_parameters / 1e6

    def test_composition_by_hand(self):
        """Input to all; first to second and third; all three to the output; and input to output."""
        matrix = [[0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0] * 5]
        cell = Cell(matrix, ["input", "conv3x3-bn-relu", "maxpool3x3", "conv3x3-bn-relu", "output"])
        found = composition(CellTable.from_digits([5], [cell.edge_bits], [cell.ops_digits]))
        assert {name: int(values[0]) for name, values in found.items()} == {
            "n_conv3x3": 2,
            "n_conv1x1": 0,
            "n_maxpool3x3": 1,
            "projections": 3,
            "additions": 2,
            "sums": 2,
            "forks": 1,
            "residual": 1,
            "branches": 3,
        }

    def test_composition_is_the_same_for_every_numbering(self):
        graphs = labelled_graphs("5V")
        every, of_cells = composition(CellTable.from_keys(graphs.keys)), composition(graphs.cells)
        assert len(graphs.keys) > len(graphs.cells)
        for name, values in of_cells.items():
            assert (every[name] == values[graphs.cell_index]).all()

    def test_works_by_hand(self):
        """Two branches: conv3x3 and conv1x1, both from the input and to the output."""
        matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
        cell = Cell(matrix, ["input", "conv3x3-bn-relu", "conv1x1-bn-relu", "output"])
        found = works(CellTable.from_digits([4], [cell.edge_bits], [cell.ops_digits]))
        assert {name: values[0] for name, values in found.items() if values[0]} == {
            "training": 1,
            "n_conv3x3": 1,
            "n_conv3x3_channels": 0.5,
            "n_conv3x3_squares": 0.25,
            "n_conv1x1": 1,
            "n_conv1x1_channels": 0.5,
            "n_conv1x1_squares": 0.25,
            "projections": 2,
            "projections_channels": 1,
        }


class TestRecovery:
    def test_a_sum_of_works_is_recovered_exactly(self, table):
        """Also far beyond: learned from up to 4 vertices, asked for all of 5."""
        summands = np.random.default_rng(0).uniform(0.0005, 0.002, len(works(table)))
        truth = np.column_stack(list(works(table).values())) @ summands
        learned = np.flatnonzero(table.vertices < 5)
        noisy = truth * np.exp(np.random.default_rng(1).normal(0, 1e-4, len(table)))
        found = energy.fit_to(take(table, learned), noisy[learned]).predict(table)
        assert np.abs(found["energy_kwh"] / truth - 1).median() < 0.01

    def test_a_law_is_recovered_to_its_noise(self, table, law, some, fitted):
        unseen = others(table, some)
        found = fitted["best"].predict(take(table, unseen))
        errors = np.abs(np.log(found["energy_kwh"] / law[unseen]))
        assert np.median(errors) < 0.016

    def test_intervals_cover_what_they_say(self, table, law):
        """Two draws, as one may miss by two points."""
        covered = []
        for seed in range(2, 4):
            drawn = np.random.default_rng(seed).permutation(len(table))
            seen, unseen = drawn[:500], drawn[500:]
            found = energy.fit_to(take(table, seen), law[seen]).predict(take(table, unseen))
            covered.append(((found["low"] <= law[unseen]) & (law[unseen] <= found["high"])).mean())
        assert 0.88 <= np.mean(covered) <= 0.92

    def test_the_paper_learns(self, table, law, some, fitted):
        unseen = others(table, some)
        found = fitted["paper"].predict(take(table, unseen))
        assert kendalltau(found["energy_kwh"], law[unseen]).statistic > 0.75
        assert np.allclose(found["high"] - found["low"], 2 * fitted["paper"].half / 1000)

    def test_best_is_positive_wherever_it_extrapolates(self, fitted):
        """Learned from up to 5 vertices, asked for the steepest continuation."""
        widest = enumerate_cells("7V")
        found = fitted["best"].predict(take(widest, np.arange(0, len(widest), 401)))
        assert (found["low"] > 0).all()
        assert ((found["low"] < found["energy_kwh"]) & (found["energy_kwh"] < found["high"])).all()

    def test_isomorphic_cells_get_equal_predictions(self, fitted):
        graphs = labelled_graphs("5V")
        every, of_cells = (fitted["best"].predict(each) for each in (CellTable.from_keys(graphs.keys), graphs.cells))
        pd.testing.assert_frame_equal(every, of_cells.iloc[graphs.cell_index].reset_index(drop=True))


class TestTraining:
    @pytest.mark.parametrize("model", energy.MODELS)
    def test_same_again_and_another_seed(self, table, law, some, monkeypatch, model):
        monkeypatch.setattr(multilayer_perceptron, "EPOCHS", 20)
        own = some[:100]
        first, again, other = (
            energy.fit_to(take(table, own), law[own], model, seed).predict(take(table, own)) for seed in (0, 0, 1)
        )
        pd.testing.assert_frame_equal(first, again)
        assert not first.equals(other)

    @pytest.mark.parametrize("model", energy.MODELS)
    def test_progress_and_cancelling(self, table, law, some, model):
        told = []
        with pytest.raises(Cancelled):
            energy.fit_to(
                take(table, some[:100]), law[some[:100]], model, progress=told.append, cancel=lambda: len(told) == 3
            )
        assert [epoch.number for epoch in told] == [1, 2, 3]
        assert all(epoch.part == "energy" and np.isfinite(epoch.loss) for epoch in told)

    def test_too_few_and_unknown(self, bench, table, law):
        with pytest.raises(TooFewResults, match="79 measured cells are too few to learn from; give at least 80"):
            energy.fit_to(take(table, np.arange(79)), law[:79])
        with pytest.raises(UnknownModel, match="no energy model 'worst'; take one of best, paper"):
            energy.fit(bench, "worst")


class TestFiles:
    @pytest.mark.parametrize("model", energy.MODELS)
    def test_round_trip(self, fitted, table, tmp_path, model):
        path = fitted[model].save(tmp_path / f"{model}.safetensors")
        loaded = energy.load(path)
        assert (loaded.name, loaded.cells) == (model, fitted[model].cells)
        pd.testing.assert_frame_equal(loaded.predict(table), fitted[model].predict(table))
        assert loaded.save(tmp_path / "again").read_bytes() == path.read_bytes()

    def test_other_features(self, fitted, tmp_path, monkeypatch):
        path = fitted["best"].save(tmp_path / "m")
        monkeypatch.setattr(energy, "_fingerprint", lambda model: "changed")
        with pytest.raises(OtherFeatures, match="which are changed now"):
            energy.load(path)

    def test_another_kind(self, tmp_path):
        path = weights.save(tmp_path / "m", "accuracy", "f", {"a": np.ones(1)}, {})
        with pytest.raises(UnreadableModel, match="is a model 'accuracy'"):
            energy.load(path)


class TestBenchmark:
    @pytest.mark.skipif(not PUBLISHED.exists(), reason="../shared is not there")
    def test_what_is_measured_is_what_was_published(self, bench):
        found = energy.measured(bench).set_index("hash")["energy_kwh"]
        published = pd.read_parquet(PUBLISHED).set_index("hash")["energy_kwh"].sort_index()
        pd.testing.assert_series_equal(found, published, check_dtype=False)

    def test_the_published_surrogate_is_not_seen(self, bench):
        assert len(energy.measured(bench)) == 3535
        assert "ec-nas-surrogate" not in energy.SOURCES

    def test_measured_of_some(self, bench):
        hashes = energy.measured(bench)["hash"]
        assert energy.measured(bench, hashes[[5, 2]])["hash"].tolist() == sorted(hashes[[5, 2]])
        with pytest.raises(UnknownCell, match="1 of the hashes have no measured energy in 7V, the first is 'ff'"):
            energy.measured(bench, ["ff", hashes[0]])

    def test_real_cells(self, bench):
        """Three in ten of the measured cells are enough for what the paper's network has with all."""
        found = energy.measured(bench)
        order = np.random.default_rng(0).permutation(len(found))
        fitted = energy.fit(bench, cells=found["hash"].iloc[order[:1000]])
        assert fitted.cells == 1000
        unseen = found.iloc[order[1000:]]
        predicted = energy.predict(bench, fitted, unseen["hash"])
        assert predicted["hash"].tolist() == unseen["hash"].tolist()
        truth = unseen["energy_kwh"].to_numpy()
        assert kendalltau(predicted["energy_kwh"], truth).statistic > 0.957
        assert np.abs(predicted["energy_kwh"] - truth).mean() < 0.00027
        assert 0.87 < ((predicted["low"] <= truth) & (truth <= predicted["high"])).mean() < 0.93
