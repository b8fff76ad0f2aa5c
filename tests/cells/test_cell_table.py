"""Replacing operations in many cells at once, held against the cells one by one."""

from __future__ import annotations

import numpy as np
import pytest

from ecnas_core.cells import OPERATIONS, Cell, enumerate_cells


@pytest.fixture(scope="module")
def table():
    return enumerate_cells("5V")


@pytest.mark.parametrize("old", range(3))
@pytest.mark.parametrize("new", range(3))
def test_replaced_everywhere_and_at_one_position(table, old, new):
    everywhere, second = table.replaced(old, new), table.replaced(old, new, 1)
    for row in range(0, len(table), 7):
        cell = table[row]
        swapped = [OPERATIONS[new] if name == OPERATIONS[old] else name for name in cell.ops]
        assert everywhere[row] == Cell(cell.matrix, swapped)
        one = [
            swapped[vertex] if vertex == 2 and vertex < cell.vertices - 1 else name
            for vertex, name in enumerate(cell.ops)
        ]
        assert second[row] == Cell(cell.matrix, one)


def test_operations_by_position(table):
    operations = table.operations()
    assert operations.shape == (5, len(table))
    for row in range(0, len(table), 111):
        digits = [int(digit) for digit in table.ops_digits[row]]
        assert operations[:, row].tolist() == digits + [3] * (5 - len(digits))


def test_graphs_name_each_row(table):
    graphs, of_row = table.graphs()
    assert len(set(graphs)) == len(graphs)
    named = np.array(graphs)[of_row]
    assert named[:, 0].tolist() == table.vertices.tolist()
    assert named[:, 1].tolist() == table.edge_bits.tolist()
