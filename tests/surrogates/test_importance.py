"""Permutation importance: what a model does not use has none, what it uses has what the algebra says."""

from __future__ import annotations

import numpy as np
import pytest

from ecnas_core.cells import CellTable, enumerate_cells
from ecnas_core.cells.costs import graph_costs
from ecnas_core.surrogates import energy, importance, multilayer_perceptron
from ecnas_core.surrogates.features import composition, works
from ecnas_core.surrogates.lookup import take


@pytest.fixture(scope="module")
def table() -> CellTable:
    return take(enumerate_cells("5V"), np.arange(0, 2532, 9))


def means(found):
    return found.groupby("feature")["increase"].mean()


class TestOfColumns:
    def test_what_is_not_used_does_not_matter(self):
        inputs = np.random.default_rng(0).normal(size=(300, 3))
        found = importance.of_columns(lambda x: 2 * x[:, 0], inputs, 2 * inputs[:, 0], {"a": [0], "b": [1], "c": [2]})
        assert means(found)["b"] == means(found)["c"] == 0
        assert len(found) == 3 * importance.REPEATS

    def test_what_is_used_matters_by_the_mean_distance_of_two_values(self):
        """A perfect linear model errs by |slope| times the mean distance of two independent values: 2/sqrt(pi) sigma."""
        inputs = np.random.default_rng(1).normal(size=(4000, 1))
        found = importance.of_columns(lambda x: 3 * x[:, 0], inputs, 3 * inputs[:, 0], {"a": [0]})
        assert means(found)["a"] == pytest.approx(3 * 2 / np.sqrt(np.pi), rel=0.05)

    def test_columns_of_one_feature_go_together(self):
        inputs = np.random.default_rng(2).normal(size=(200, 1)).repeat(2, axis=1)
        found = importance.of_columns(lambda x: x[:, 0] - x[:, 1], inputs, np.zeros(200), {"both": [0, 1], "one": [0]})
        assert means(found)["both"] == 0
        assert means(found)["one"] > 0.5

    def test_the_seed_decides(self):
        inputs = np.random.default_rng(3).normal(size=(50, 1))
        runs = [
            importance.of_columns(lambda x: x[:, 0], inputs, inputs[:, 0], {"a": [0]}, seed)["increase"].tolist()
            for seed in (0, 0, 1)
        ]
        assert runs[0] == runs[1] != runs[2]


class TestOfCells:
    def test_a_model_of_counts_of_operations_sees_neither_place_nor_wiring(self, table):
        def predict(cells):
            return composition(cells)["n_conv3x3"].astype(float)

        found = means(importance.of_cells(predict, table, predict(table)))
        assert found["place of the operations"] == found["wiring"] == 0
        assert found["operations"] > 0.5

    def test_a_model_of_edges_sees_no_operations(self, table):
        def predict(cells):
            return np.bitwise_count(cells.edge_bits).astype(float)

        found = means(importance.of_cells(predict, table, predict(table)))
        assert found["operations"] == found["place of the operations"] == 0
        assert found["wiring"] > 0.5

    def test_every_cell_that_is_asked_is_a_possible_one(self, table):
        asked = []

        def predict(cells):
            asked.append(cells)
            return np.ones(len(cells))

        importance.of_cells(predict, table, np.ones(len(table)), repeats=1)
        known = set(enumerate_cells("5V").hashes())
        for cells in asked:
            some = take(cells, np.arange(0, len(cells), 40))
            assert set(some.hashes()) <= known
            assert all(graph_costs(int(v), int(e)) for v, e in zip(some.vertices, some.edge_bits, strict=True))
            np.testing.assert_array_equal(cells.vertices, table.vertices)


class TestOfInputs:
    def test_the_sum_knows_which_operation_costs(self, table):
        """Energy is 1 + 5 for each 3x3 convolution: that count alone matters."""
        values = (1 + 5 * composition(table)["n_conv3x3"]) / 1000.0
        model = energy.fit_to(table, values * np.exp(np.random.default_rng(0).normal(0, 0.005, len(table))))
        found = means(importance.of_inputs(model, table, values, repeats=3)) * 1000
        assert list(composition(table)) == list(
            dict.fromkeys(importance.of_inputs(model, table, values, repeats=1)["feature"])
        )
        assert found["n_conv3x3"] > 2
        assert found.drop("n_conv3x3").abs().max() < 0.2

    def test_the_papers_inputs_are_three_kinds(self, table, monkeypatch):
        monkeypatch.setattr(multilayer_perceptron, "EPOCHS", 5)
        some = take(table, np.arange(100))
        model = energy.fit_to(some, works(some)["n_conv3x3"] / 1000 + 0.001, "paper")
        found = importance.of_inputs(model, some, works(some)["n_conv3x3"] / 1000 + 0.001, repeats=1)
        assert found["feature"].tolist() == ["edges", "operations", "trainable_parameters"]
