"""The search spaces from nothing: every cell once, and every labelled graph with the cell that it is.

A labelled graph is a pruned, upper-triangular graph of at most 9 edges with operations on its interior vertices. Two
of them are the same cell if they differ only in the order of the interior vertices; the one with the least key stands
for the cell, as in NAS-Bench-101's own generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations, product

import numpy as np
from numpy.typing import NDArray

from ecnas_core.cells.graph import edge_bit
from ecnas_core.cells.spaces import MAX_EDGES, OPERATIONS, SPACES, Space
from ecnas_core.cells.table import CellTable, Keys


@dataclass(frozen=True, eq=False)
class LabelledGraphs:
    """Every labelled graph of a space and the cell that it is.

    Attributes:
        cells: the cells of the space, ascending by key.
        keys: int64, ascending, the keys of all labelled graphs.
        cell_index: int32, for each of the keys the row in `cells`.
    """

    cells: CellTable
    keys: Keys
    cell_index: NDArray[np.int32]

    def find(self, keys: Keys) -> NDArray[np.int32]:
        """Return for each key, see `CellTable.keys`, the row of its cell in `cells`, or -1 where there is none."""
        position = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[position] == keys, self.cell_index[position], np.int32(-1))


def enumerate_cells(space: Space) -> CellTable:
    """Return every cell of a space once: 91, 2,532 or 423,624.

    Args:
        space: "4V", "5V" or "7V"; a space includes the smaller ones.

    Returns:
        The cells, ascending by key.
    """
    return labelled_graphs(space).cells


@cache
def labelled_graphs(space: Space) -> LabelledGraphs:
    """Return every labelled graph of a space and the cell that it is; computed once a process.

    Args:
        space: "4V", "5V" or "7V"; a space includes the smaller ones.

    Returns:
        The graphs, for 7V 1,293,208 of them.
    """
    parts = [_labelled_graphs(vertices) for vertices in range(2, SPACES[space] + 1)]
    keys = np.concatenate([keys for keys, _ in parts])
    least_keys = np.concatenate([least for _, least in parts])
    cell_keys = keys[keys == least_keys]
    return LabelledGraphs(CellTable.from_keys(cell_keys), keys, np.searchsorted(cell_keys, least_keys).astype(np.int32))


def _labelled_graphs(vertices: int) -> tuple[Keys, Keys]:
    """Return the keys of the labelled graphs of so many vertices, ascending, and for each the least isomorphic one."""
    graphs = _full_graphs(vertices)
    labellings = np.array(list(product(range(len(OPERATIONS)), repeat=vertices - 2)), np.int16)
    keys = _keys(vertices, graphs, labellings)
    least = keys.copy()
    interior = range(1, vertices - 1)
    for order in permutations(interior):
        moved, upper_triangular = _renumbered(graphs, (0, *order, vertices - 1))
        relabelled = np.empty_like(labellings)
        relabelled[:, [v - 1 for v in order]] = labellings
        rows = np.flatnonzero(upper_triangular)
        least[rows] = np.minimum(least[rows], _keys(vertices, moved[rows], relabelled))
    return keys.ravel(), least.ravel()


def _full_graphs(vertices: int) -> NDArray[np.int32]:
    """Return the edge bits, ascending, of all graphs in which every vertex is on a path from input to output."""
    graphs = np.arange(1 << vertices * (vertices - 1) // 2, dtype=np.int32)
    graphs = graphs[np.bitwise_count(graphs) <= MAX_EDGES]
    for v in range(vertices):
        incoming = sum(edge_bit(x, v) for x in range(v))
        outgoing = sum(edge_bit(v, y) for y in range(v + 1, vertices))
        graphs = graphs[((graphs & incoming != 0) | (v == 0)) & ((graphs & outgoing != 0) | (v == vertices - 1))]
    return graphs


def _renumbered(graphs: NDArray[np.int32], order: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the graphs with vertex v called order[v], and which of them are upper-triangular still."""
    moved = np.zeros_like(graphs)
    upper_triangular = np.ones(len(graphs), bool)
    for x, y in combinations(range(len(order)), 2):
        present = graphs & edge_bit(x, y) != 0
        if order[x] < order[y]:
            moved[present] |= edge_bit(order[x], order[y])
        else:
            upper_triangular &= ~present
    return moved, upper_triangular


def _keys(vertices: int, graphs: NDArray[np.int32], labellings: NDArray[np.int16]) -> Keys:
    """Return the keys of all pairs, (graphs, labellings)."""
    ops = labellings @ (4 ** np.arange(vertices - 2)[::-1])
    shape = len(graphs), len(labellings)
    table = CellTable(
        np.full(shape, vertices, np.int8),
        np.broadcast_to(graphs[:, np.newaxis], shape),
        np.broadcast_to(ops.astype(np.int16), shape),
    )
    return table.keys
