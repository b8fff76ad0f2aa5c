"""What lies around each interior vertex of many cells: its distance from the input, what it takes from and feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecnas_core.cells.graph import levels, predecessors, successors
from ecnas_core.cells.spaces import MAX_VERTICES, OPERATIONS
from ecnas_core.cells.table import CellTable

INPUT_OR_OUTPUT = len(OPERATIONS)
SEVERAL = INPUT_OR_OUTPUT + 1
_INTERIOR = MAX_VERTICES - 2


@dataclass(frozen=True, eq=False)
class Surroundings:
    """One value for each interior position and cell, shape (5, rows); meaningless past a cell's last vertex.

    Attributes:
        distance: int8, edges on the longest path from the input, 1..5.
        before: int8, what the vertex takes from: the number of the operation, `INPUT_OR_OUTPUT` for the cell's input
            alone, `SEVERAL` for more than one kind of these.
        after: int8, likewise what it feeds, `INPUT_OR_OUTPUT` standing for the cell's output.
    """

    distance: NDArray[np.int8]
    before: NDArray[np.int8]
    after: NDArray[np.int8]


def surroundings(table: CellTable) -> Surroundings:
    """Return what lies around every interior vertex of the cells of a table."""
    graphs, of_row = table.graphs()
    distance = np.zeros((_INTERIOR, len(graphs)), np.int8)
    before, after = (np.zeros((_INTERIOR, len(graphs)), np.int16) for _ in range(2))
    for number, (vertices, edge_bits) in enumerate(graphs):
        level = levels(vertices, edge_bits)
        taken_from, feeds = predecessors(vertices, edge_bits), successors(vertices, edge_bits)
        for vertex in range(1, vertices - 1):
            distance[vertex - 1, number] = level[vertex]
            before[vertex - 1, number] = _mask(taken_from[vertex], vertices)
            after[vertex - 1, number] = _mask(feeds[vertex], vertices)
    operations = table.operations()
    holding = [_bits_where(operations == number) for number in range(len(OPERATIONS))]
    return Surroundings(distance[:, of_row], *(_kinds(masks[:, of_row], holding) for masks in (before, after)))


def _mask(others: Sequence[int], vertices: int) -> int:
    """Return a bit for each interior position, and the highest for the input or the output."""
    return sum(1 << (_INTERIOR if vertex in (0, vertices - 1) else vertex - 1) for vertex in others)


def _bits_where(held: NDArray[np.bool_]) -> NDArray[np.int16]:
    bits: NDArray[np.int16] = (held << np.arange(_INTERIOR)[:, np.newaxis]).sum(axis=0).astype(np.int16)
    return bits


def _kinds(masks: NDArray[np.int16], holding: Sequence[NDArray[np.int16]]) -> NDArray[np.int8]:
    present = np.stack([*[masks & held != 0 for held in holding], masks >> _INTERIOR != 0])
    return np.where(present.sum(axis=0) == 1, present.argmax(axis=0), SEVERAL).astype(np.int8)
