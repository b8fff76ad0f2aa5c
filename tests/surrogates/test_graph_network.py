"""The graph network: what it sees of a cell, that numbering does not matter, and laws that it learns."""

from __future__ import annotations

import numpy as np
import pytest

from ecnas_core.cells import Cell, CellTable, enumerate_cells
from ecnas_core.cells.enumeration import labelled_graphs
from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import graph_network
from ecnas_core.surrogates.features import features
from ecnas_core.surrogates.graph_network import GraphNetwork, graphs

pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.fixture(scope="module")
def table() -> CellTable:
    return enumerate_cells("5V")


@pytest.fixture(scope="module")
def targets(table):
    """The first hangs on paths, the second on operations and only known of every second cell."""
    found = features(table)
    second = found["n_conv3x3"] - 0.5 * found["n_maxpool3x3"] + 10.0
    second[::2] = np.nan
    return np.column_stack([found["depth"] + 0.5 * found["paths"], second])


@pytest.fixture(scope="module")
def network(small_networks, table, targets):
    return graph_network.train(graphs(table), targets, seed=0, part="law", epochs=10)


def test_a_cell_by_hand():
    """Input to conv3x3 and to maxpool, conv3x3 to maxpool and output, maxpool to output."""
    matrix = [[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    cell = Cell(matrix, ["input", "conv3x3-bn-relu", "maxpool3x3", "output"])
    found = graphs(CellTable.from_digits([4], [cell.edge_bits], [cell.ops_digits]))
    kinds = found.nodes[0, :, :5]
    assert kinds.argmax(axis=1)[:4].tolist() == [3, 0, 2, 4]
    assert kinds.sum(axis=1).tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert (found.edges[0, :4, :4] == matrix).all()
    assert found.edges.sum() == 5
    channels, from_input, to_output, paths_in, paths_out, edges_in, edges_out = found.nodes[0, :4, 5:].T
    assert channels.tolist() == [1, 0.5, 0.5, 1]
    assert np.allclose(from_input * 6, [0, 1, 2, 3])
    assert np.allclose(to_output * 6, [3, 2, 1, 0])
    assert np.allclose(np.expm1(paths_in), [1, 1, 2, 3])
    assert np.allclose(np.expm1(paths_out), [3, 2, 1, 1])
    assert np.allclose(edges_in * 3, [0, 1, 2, 2])
    assert np.allclose(edges_out * 3, [2, 2, 1, 0])
    assert not found.nodes[0, 4:].any()
    assert found.whole[0, -1] == pytest.approx(np.log1p(9 / 4 + 2 / 2))


def test_isomorphic_cells_get_equal_predictions(network):
    """But for the order in which single-precision numbers are added."""
    numbered = labelled_graphs("5V")
    every = network.predict(graphs(CellTable.from_keys(numbered.keys)))
    one = network.predict(graphs(numbered.cells))
    assert np.allclose(every, one[numbered.cell_index], atol=2e-5, rtol=0)


def test_laws_are_learned_where_they_are_known_and_beyond(table, targets, network):
    found = network.predict(graphs(table))
    law = features(table)
    assert np.corrcoef(found[:, 0], targets[:, 0])[0, 1] > 0.99
    unseen = np.isnan(targets[:, 1])
    truth = law["n_conv3x3"] - 0.5 * law["n_maxpool3x3"] + 10.0
    assert np.abs(found[unseen, 1] - truth[unseen]).mean() < 0.15


def test_same_again_and_another_seed(table, targets):
    cells = graphs(table)
    first, again, other = (
        graph_network.train(cells, targets, seed, "law", epochs=1).predict(cells) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_one_by_one_and_none(table, network):
    cells = graphs(table)
    assert np.allclose(network.predict(cells.take(np.array([7]))), network.predict(cells)[7], atol=2e-5)
    assert network.predict(cells.take(np.array([], int))).shape == (0, 2)
    assert GraphNetwork(network.parameters).predict(cells).dtype == np.float64


def test_progress_and_cancelling(table, targets):
    told = []
    with pytest.raises(Cancelled, match="stopped after 2 of 9"):
        graph_network.train(
            graphs(table), targets, 0, "law", epochs=9, progress=told.append, cancel=lambda: len(told) == 2
        )
    assert told[1].loss < told[0].loss
