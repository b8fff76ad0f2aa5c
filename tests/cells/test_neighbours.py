from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ecnas_core.cells import OPERATIONS, SPACES, Cell, InvalidCell, enumerate_cells, neighbours, steps


def brute_force(cell: Cell, limit: int) -> set[str]:
    changed = []
    for edge in combinations(range(cell.vertices), 2):
        matrix = np.array(cell.matrix)
        matrix[edge] = 1 - matrix[edge]
        changed.append((matrix, cell.ops))
    for vertex in range(1, cell.vertices - 1):
        changed += [(cell.matrix, (*cell.ops[:vertex], name, *cell.ops[vertex + 1 :])) for name in OPERATIONS]
    hashes = set()
    for matrix, ops in changed:
        try:
            neighbour = Cell(matrix, ops)
        except InvalidCell:
            continue
        if neighbour.vertices <= limit:
            hashes.add(neighbour.hash)
    return hashes - {cell.hash}


@pytest.mark.parametrize("space", ["4V", "7V"])
def test_neighbours_of_every_small_cell_are_those_of_brute_force(space):
    for cell in enumerate_cells("4V"):
        found = [neighbour.hash for neighbour in neighbours(cell, space)]
        assert len(found) == len(set(found))
        assert set(found) == brute_force(cell, SPACES[space])


def test_neighbours_of_large_cells():
    table = enumerate_cells("7V")
    for row in np.random.default_rng(2).integers(0, len(table), 40):
        cell = table[row]
        for space, limit in SPACES.items():
            assert {neighbour.hash for neighbour in neighbours(cell, space)} == brute_force(cell, limit)


def test_neighbours_of_a_known_cell():
    cell = Cell.from_text("1=conv3x3(0) 2=output(0,1)")
    assert [neighbour.to_text() for neighbour in neighbours(cell)] == [
        "1=output(0)",
        "1=conv3x3(0) 2=output(1)",
        "1=conv1x1(0) 2=output(0,1)",
        "1=maxpool3x3(0) 2=output(0,1)",
    ]


def test_the_two_vertex_cell_has_no_neighbour():
    assert neighbours(Cell.from_text("1=output(0)")) == []


def test_steps_say_what_was_changed():
    """Doing what a step says gives the cell that it names."""
    cells = enumerate_cells("5V")
    for row in range(0, len(cells), 21):
        cell = cells[row]
        for step in steps(cell, "7V"):
            matrix, ops = np.array(cell.matrix), list(cell.ops)
            if step.kind == "operation":
                (vertex,) = step.vertices
                assert ops[vertex] != step.operation
                ops[vertex] = step.operation
            else:
                assert step.operation is None
                assert matrix[step.vertices] == (0 if step.kind == "edge added" else 1)
                matrix[step.vertices] = 1 - matrix[step.vertices]
            assert Cell(matrix, ops).hash == step.cell.hash
