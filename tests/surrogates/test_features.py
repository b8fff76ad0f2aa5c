"""Features of cells against their graphs, one by one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.cells import OPERATIONS, Cell, CellTable, enumerate_cells
from ecnas_core.surrogates.features import costs, features

SHORT = {"input": "input", "output": "output", **{name: name.split("-")[0] for name in OPERATIONS}}


@pytest.fixture(scope="module")
def table() -> CellTable:
    return enumerate_cells("5V")


@pytest.fixture(scope="module")
def found(table):
    return features(table)


def one(cell: Cell) -> dict[str, int]:
    table = CellTable.from_digits([cell.vertices], [cell.edge_bits], [cell.ops_digits])
    return {name: int(values[0]) for name, values in features(table).items()}


def paths_of(cell: Cell) -> list[list[int]]:
    """Every way from input to output, as vertices."""
    ways, whole = [[0]], []
    while ways:
        way = ways.pop()
        if way[-1] == cell.vertices - 1:
            whole.append(way)
        ways += [[*way, y] for y in range(cell.vertices) if cell.matrix[way[-1]][y]]
    return whole


def test_a_chain_by_hand():
    chain = Cell(
        [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], ["input", OPERATIONS[0], OPERATIONS[2], "output"]
    )
    found = one(chain)
    convolution = sum(3 * 9 * c * c * side * side for c, side in ((128, 32), (256, 16), (512, 8)))
    assert found["multiply_adds_conv3x3"] == convolution == 3 * 3 * 150_994_944
    assert found["multiply_adds_conv1x1"] == 0
    assert found["trainable_parameters_conv3x3"] == sum(3 * (9 * c * c + 2 * c) for c in (128, 256, 512))
    pooled = sum(3 * 2 * c * side * side for c, side in ((128, 32), (256, 16), (512, 8)))
    assert found["memory_traffic_bytes_maxpool3x3"] == 4 * pooled
    assert (found["paths"], found["shortest_path"], found["convolutions_in_line"]) == (1, 3, 1)
    assert (found["channels_conv3x3"], found["channels_conv1x1"], found["channels_maxpool3x3"]) == (128, 0, 128)
    edges = {name for name, value in found.items() if name.startswith("edges_") and value}
    assert edges == {"edges_input_conv3x3", "edges_conv3x3_maxpool3x3", "edges_maxpool3x3_output"}


def test_costs_by_operation_add_up_to_those_of_the_cell(table, found):
    for name in ("trainable_parameters", "multiply_adds", "memory_traffic_bytes"):
        parts = sum(values for key, values in found.items() if key.startswith(f"{name}_"))
        assert (parts == found[name]).all()
        assert [getattr(table[row], name) for row in range(0, len(table), 50)] == found[name][::50].tolist()


def test_costs_are_among_the_features(table, found):
    for name, values in costs(table).items():
        assert (values == found[name]).all(), name


def test_paths_and_edges_by_walking(table, found):
    for row in range(0, len(table), 13):
        cell = table[row]
        ways = paths_of(cell)
        convolutions = [sum("conv" in cell.ops[vertex] for vertex in way) for way in ways]
        assert found["paths"][row] == len(ways)
        assert found["shortest_path"][row] == min(map(len, ways)) - 1
        assert found["depth"][row] == max(map(len, ways)) - 1
        assert found["convolutions_in_line"][row] == max(convolutions)
        kinds = [SHORT[name] for name in cell.ops]
        pairs = [(kinds[x], kinds[y]) for x, y in zip(*np.nonzero(cell.matrix), strict=True)]
        for name in (name for name in found if name.startswith("edges_")):
            assert found[name][row] == pairs.count(tuple(name.split("_")[1:])), name
    assert (sum(values for name, values in found.items() if name.startswith("edges_")) == found["edges"]).all()


@given(st.data())
def test_the_numbering_of_vertices_does_not_matter(data):
    table = enumerate_cells("5V")
    cell = table[data.draw(st.integers(0, len(table) - 1))]
    last = cell.vertices - 1
    matrix = np.array(cell.matrix)
    orders = [[0, *inner, last] for inner in permutations(range(1, last))] if last else [[0]]
    orders = [order for order in orders if not np.tril(matrix[np.ix_(order, order)]).any()]
    order = data.draw(st.sampled_from(orders))
    other = Cell(matrix[np.ix_(order, order)], [cell.ops[vertex] for vertex in order])
    assert other.hash == cell.hash
    before, after = one(cell), one(other)
    for name, value in before.items():
        if name.startswith(("trainable", "multiply", "memory", "channels")):
            assert after[name] == pytest.approx(value, rel=0.03), name
        else:
            assert after[name] == value, name
