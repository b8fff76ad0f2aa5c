from __future__ import annotations

import pickle

import numpy as np
import pytest

from ecnas_core.cells import OPERATIONS, Cell, InvalidCell, Reason
from ecnas_core.errors import EcnasError

CONV3, CONV1, POOL = OPERATIONS
CHAIN = [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
SHORT = [[0, 1], [0, 0]]
FULL_5 = np.triu(np.ones((5, 5), int), 1)


def path(vertices: int) -> np.ndarray:
    return np.eye(vertices, k=1, dtype=int)


def test_a_cell_knows_its_graph_and_operations():
    cell = Cell([[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]], ["input", POOL, CONV1, "output"])
    assert (cell.vertices, cell.edges, cell.edge_bits, cell.ops_digits) == (4, 5, 0b110111, "21")
    assert cell.matrix == ((0, 1, 1, 0), (0, 0, 1, 1), (0, 0, 0, 1), (0, 0, 0, 0))
    assert cell.ops == ("input", POOL, CONV1, "output")
    assert cell == Cell.from_bits(4, 0b110111, "21")
    assert len({cell, Cell.from_bits(4, 0b110111, "21"), Cell.from_bits(4, 0b110111, "20")}) == 2


@pytest.mark.parametrize(
    ("text", "depth", "width", "space"),
    [
        ("1=output(0)", 1, 0, "4V"),
        ("1=conv3x3(0) 2=output(1)", 2, 1, "4V"),
        ("1=conv3x3(0) 2=conv3x3(0) 3=output(1,2)", 2, 2, "4V"),
        ("1=conv3x3(0) 2=conv3x3(1) 3=conv3x3(2) 4=output(0,3)", 4, 1, "5V"),
        ("1=conv3x3(0) 2=conv3x3(0) 3=conv3x3(1) 4=conv1x1(1) 5=output(2,3,4)", 3, 2, "7V"),
        ("1=maxpool3x3(0) 2=conv1x1(0) 3=conv1x1(0) 4=conv1x1(0) 5=conv3x3(1) 6=output(2,3,4,5)", 3, 4, "7V"),
        ("1=conv3x3(0) 2=conv3x3(1) 3=conv3x3(2) 4=conv3x3(3) 5=conv3x3(4) 6=output(5)", 6, 1, "7V"),
    ],
)
def test_depth_width_and_space(text, depth, width, space):
    cell = Cell.from_text(text)
    assert (cell.depth, cell.width, cell.space) == (depth, width, space)


def test_vertices_on_no_path_are_dropped():
    matrix = np.zeros((9, 9), int)
    for x, y in [(0, 3), (3, 8), (0, 2), (1, 8), (4, 5), (3, 6)]:
        matrix[x, y] = 1
    ops = ["input", CONV1, CONV1, POOL, CONV1, CONV3, "no such thing", CONV3, "output"]
    assert Cell(matrix, ops) == Cell(CHAIN, ["input", POOL, "output"])


def test_limits_are_asked_of_the_pruned_cell():
    dangling = np.zeros((12, 12), int)
    dangling[0, 1:11] = 1
    dangling[0, 11] = 1
    assert Cell(dangling, ["input", *[CONV3] * 10, "output"]) == Cell(SHORT, ["input", "output"])


@pytest.mark.parametrize(
    ("matrix", "ops", "reason"),
    [
        ([[0, 1]], ["input"], Reason.NOT_SQUARE),
        ([], [], Reason.TOO_FEW_VERTICES),
        (7, ["input", "output"], Reason.NOT_SQUARE),
        ([0, 1], ["input", "output"], Reason.NOT_SQUARE),
        (np.zeros((2, 2, 2)), ["input", "output"], Reason.NOT_BINARY),
        ([[0, 2], [0, 0]], ["input", "output"], Reason.NOT_BINARY),
        ([[0, "1"], [0, 0]], ["input", "output"], Reason.NOT_BINARY),
        ([[0, float("nan")], [0, 0]], ["input", "output"], Reason.NOT_BINARY),
        ([[0, 1], [1, 0]], ["input", "output"], Reason.NOT_UPPER_TRIANGULAR),
        ([[1, 1], [0, 0]], ["input", "output"], Reason.NOT_UPPER_TRIANGULAR),
        (CHAIN, ["input", "output"], Reason.OPERATIONS_MISMATCH),
        ([[0]], ["input"], Reason.TOO_FEW_VERTICES),
        (CHAIN, [CONV3, CONV3, "output"], Reason.FIRST_NOT_INPUT),
        (CHAIN, ["input", CONV3, CONV3], Reason.LAST_NOT_OUTPUT),
        (CHAIN, ["input", "conv5x5", "output"], Reason.UNKNOWN_OPERATION),
        (CHAIN, ["input", "input", "output"], Reason.UNKNOWN_OPERATION),
        (CHAIN, ["input", None, "output"], Reason.UNKNOWN_OPERATION),
        ([[0, 1, 0], [0, 0, 0], [0, 0, 0]], ["input", CONV3, "output"], Reason.DISCONNECTED),
        ([[0, 0], [0, 0]], ["input", "output"], Reason.DISCONNECTED),
        (path(8), ["input", *[CONV3] * 6, "output"], Reason.TOO_MANY_VERTICES),
        (FULL_5, ["input", *[CONV3] * 3, "output"], Reason.TOO_MANY_EDGES),
    ],
)
def test_what_is_no_cell_is_refused_with_the_reason(matrix, ops, reason):
    with pytest.raises(InvalidCell) as caught:
        Cell(matrix, ops)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)
    assert ": " in str(caught.value)


@pytest.mark.parametrize(
    ("vertices", "edge_bits", "ops_digits", "reason"),
    [
        (1, 0, "", Reason.TOO_FEW_VERTICES),
        (3, 5, "", Reason.OPERATIONS_MISMATCH),
        (3, 5, "3", Reason.UNKNOWN_OPERATION),
        (3, 5, "x", Reason.UNKNOWN_OPERATION),
        (3, 8, "0", Reason.MALFORMED),
        (3, -1, "0", Reason.MALFORMED),
        (3, 1, "0", Reason.DISCONNECTED),
        (8, sum(1 << (x + (x + 1) * x // 2) for x in range(7)), "000000", Reason.TOO_MANY_VERTICES),
        (5, (1 << 10) - 1, "000", Reason.TOO_MANY_EDGES),
    ],
)
def test_bits_that_are_no_cell_are_refused_with_the_reason(vertices, edge_bits, ops_digits, reason):
    with pytest.raises(InvalidCell) as caught:
        Cell.from_bits(vertices, edge_bits, ops_digits)
    assert caught.value.reason == reason


@pytest.mark.parametrize("ten_edges_of_which_one_dangles", [(5, 0b1111111011, "000")])
def test_nine_edges_are_allowed(ten_edges_of_which_one_dangles):
    assert Cell.from_bits(*ten_edges_of_which_one_dangles).edges == 9


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.MALFORMED),
        ("{", Reason.MALFORMED),
        ("[" * 100_000, Reason.MALFORMED),
        ("null", Reason.MALFORMED),
        ('["matrix", "ops"]', Reason.MALFORMED),
        ('{"matrix": [[0, 1], [0, 0]]}', Reason.MALFORMED),
        ('{"matrix": [[0, 1], [0, 0]], "ops": "io"}', Reason.MALFORMED),
        ('{"matrix": null, "ops": ["input", "output"]}', Reason.NOT_SQUARE),
        ('{"matrix": "ab", "ops": ["input", "output"]}', Reason.NOT_SQUARE),
        ('{"matrix": [[0, NaN], [0, 0]], "ops": ["input", "output"]}', Reason.NOT_BINARY),
        ('{"matrix": [[0, [1]], [0, 0]], "ops": ["input", "output"]}', Reason.NOT_BINARY),
        ('{"matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", {}, "output"]}', Reason.UNKNOWN_OPERATION),
    ],
)
def test_json_that_is_no_cell_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidCell) as caught:
        Cell.from_json(text)
    assert caught.value.reason == reason
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.TOO_FEW_VERTICES),
        ("conv3x3", Reason.MALFORMED),
        ("2=conv3x3(0) 1=output(2)", Reason.MALFORMED),
        ("1=conv3x3() 2=output(1)", Reason.MALFORMED),
        ("1=conv3x3(1) 2=output(1)", Reason.NOT_UPPER_TRIANGULAR),
        ("1=conv3x3(0) 2=output(1,9)", Reason.NOT_UPPER_TRIANGULAR),
        ("1=conv3x3(0) 2=conv1x1(1)", Reason.LAST_NOT_OUTPUT),
        ("1=conv7x7(0) 2=output(1)", Reason.UNKNOWN_OPERATION),
    ],
)
def test_text_that_is_no_cell_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidCell) as caught:
        Cell.from_text(text)
    assert caught.value.reason == reason


def test_rows_may_be_arrays_and_names_may_be_full():
    cell = Cell([np.array(row) for row in CHAIN], np.array(["input", CONV1, "output"]))
    assert cell == Cell.from_text(" 1=conv1x1-bn-relu(0)\n2=output(1) ")
    assert cell == Cell(np.array(CHAIN, bool), ("input", CONV1, "output"))


def test_the_forms_are_those_documented():
    cell = Cell.from_bits(4, 0b110111, "02")
    assert cell.to_text() == "1=conv3x3(0) 2=maxpool3x3(0,1) 3=output(1,2)"
    assert cell.to_json() == (
        '{"matrix": [[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]], '
        '"ops": ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]}'
    )


def test_a_cell_is_immutable():
    with pytest.raises(AttributeError):
        Cell(SHORT, ["input", "output"]).vertices = 3


def test_the_error_is_the_projects_and_travels_between_processes():
    error = pickle.loads(pickle.dumps(InvalidCell(Reason.DISCONNECTED, "no path: add an edge")))
    assert isinstance(error, EcnasError)
    assert (error.reason, str(error)) == (Reason.DISCONNECTED, "no path: add an edge")
