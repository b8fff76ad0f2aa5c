from __future__ import annotations

import numpy as np
import pytest

from ecnas_core.cells import SPACES, Cell, CellTable, enumerate_cells, labelled_graphs


@pytest.mark.parametrize(("space", "count"), [("4V", 91), ("5V", 2_532), ("7V", 423_624)])
def test_the_spaces_have_as_many_cells_as_nas_bench_101(space, count):
    cells = enumerate_cells(space)
    assert len(cells) == count
    assert cells.vertices.max() == SPACES[space]
    assert np.all(np.diff(cells.keys) > 0)


@pytest.mark.parametrize("space", ["4V", "5V"])
def test_small_spaces_are_the_published_ones_by_hash(published, space):
    hashes = np.array(published["hash"].to_pylist())[published["vertices"].to_numpy() <= SPACES[space]]
    enumerated = enumerate_cells(space).hashes()
    assert len(set(enumerated)) == len(enumerated)
    assert set(enumerated) == set(hashes)


def test_the_largest_space_is_the_published_one(published_cells):
    graphs = labelled_graphs("7V")
    rows = graphs.find(published_cells.keys)
    np.testing.assert_array_equal(np.sort(rows), np.arange(423_624))


def test_every_labelled_graph_has_the_hash_of_its_cell():
    graphs = labelled_graphs("5V")
    assert len(graphs.keys) == 3_364
    of_cell = np.array(graphs.cells.hashes())
    assert CellTable.from_keys(graphs.keys).hashes() == of_cell[graphs.cell_index].tolist()


def test_labelled_graphs_of_the_largest_space():
    graphs = labelled_graphs("7V")
    assert len(graphs.keys) == 1_293_208
    assert np.all(np.diff(graphs.keys) > 0)
    for row in np.random.default_rng(0).integers(0, len(graphs.keys), 200):
        labelled = CellTable.from_keys(graphs.keys[row : row + 1])[0]
        assert labelled.hash == graphs.cells[graphs.cell_index[row]].hash


def test_what_is_no_labelled_graph_of_the_space_is_not_found():
    small = labelled_graphs("4V")
    strangers = CellTable.from_digits([5, 2, 3, 7], [0b1001000101, 0, 7, 1], ["000", "", "3", "00000"])
    np.testing.assert_array_equal(small.find(strangers.keys), [-1, -1, -1, -1])


def test_descriptions_are_those_of_the_cells():
    table = enumerate_cells("7V")
    rows = np.random.default_rng(1).integers(0, len(table), 500)
    sample = CellTable(table.vertices[rows], table.edge_bits[rows], table.ops[rows])
    described = sample.describe()
    for row, cell in enumerate(sample):
        expected = {
            "edges": cell.edges,
            "n_conv3x3": cell.ops_digits.count("0"),
            "n_conv1x1": cell.ops_digits.count("1"),
            "n_maxpool3x3": cell.ops_digits.count("2"),
            "depth": cell.depth,
            "width": cell.width,
            "trainable_parameters": cell.trainable_parameters,
            "multiply_adds": cell.multiply_adds,
            "memory_traffic_bytes": cell.memory_traffic_bytes,
        }
        assert {name: column[row] for name, column in described.items()} == expected


def test_a_table_is_a_sequence_of_cells():
    cells = list(enumerate_cells("4V"))
    assert len(cells) == 91
    assert cells[0] == Cell([[0, 1], [0, 0]], ["input", "output"])
    assert all(cell.space == "4V" for cell in cells)
