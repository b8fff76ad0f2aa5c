"""The cells of NAS-Bench-101 against the published table."""

from __future__ import annotations

import numpy as np

from ecnas_core.cells import CellTable

SMALL = 5
LABELLINGS = 2  # of a graph: the hash is the same function of each
EVERY = 200  # of all the others


def test_module_hash_of_every_small_cell_of_every_graph_and_of_a_sample(published, published_cells):
    vertices, edge_bits = published_cells.vertices, published_cells.edge_bits
    firsts = np.r_[True, (np.diff(vertices) != 0) | (np.diff(edge_bits) != 0)]
    starts = np.flatnonzero(firsts)
    number_of_its_graph = np.arange(len(published)) - starts[np.cumsum(firsts) - 1]
    rows = np.flatnonzero(
        (vertices <= SMALL) | (number_of_its_graph < LABELLINGS) | (np.arange(len(published)) % EVERY == 0)
    )
    assert len(rows) > 9_000
    cells = CellTable(vertices[rows], edge_bits[rows], published_cells.ops[rows])
    assert cells.hashes() == published["hash"].take(rows).to_pylist()


def test_trainable_parameters_of_every_cell(published, published_cells):
    assert len(published) == 423_624
    parameters = published_cells.describe()["trainable_parameters"]
    np.testing.assert_array_equal(parameters, published["trainable_parameters"].to_numpy())
