"""How a search writes a cell down: the bits of an upper-triangular matrix and one operation an interior vertex.

A genome has the space's number of vertices; those on no path from input to output do not count, so a genome stands for
a cell of at most so many vertices, and many genomes for one cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ecnas_core.cells import MAX_EDGES, OPERATIONS, SPACES, Cell, CellTable, Space, labelled_graphs
from ecnas_core.cells.graph import edge_bit

Bits = NDArray[np.int32]
Ops = NDArray[np.int8]
Rows = NDArray[np.int32]

NO_CELL = -1


@dataclass(frozen=True, eq=False)
class Genomes:
    """Genomes of one space as columns of one length.

    Attributes:
        edge_bits: (n,), bit x + y(y-1)/2 is the edge x -> y, x < y, over all vertices of the space.
        ops: (n, vertices - 2), for each interior vertex the index in ``OPERATIONS``.
    """

    edge_bits: Bits
    ops: Ops

    @classmethod
    def joined(cls, *parts: Genomes) -> Self:
        """Several lots of genomes one after another."""
        return cls(np.concatenate([each.edge_bits for each in parts]), np.concatenate([each.ops for each in parts]))

    def __len__(self) -> int:
        return len(self.edge_bits)

    def __getitem__(self, chosen: slice | NDArray[np.integer] | NDArray[np.bool_]) -> Genomes:
        return Genomes(self.edge_bits[chosen], self.ops[chosen])

    @property
    def vertices(self) -> int:
        """Number of vertices with input and output, kept or not."""
        return int(self.ops.shape[1]) + 2

    def cells(self) -> Iterator[Cell]:
        """Each as a pruned cell; raises ``InvalidCell`` at one that is none."""
        for bits, ops in zip(self.edge_bits.tolist(), self.ops.tolist(), strict=True):
            yield Cell.from_bits(self.vertices, bits, "".join(map(str, ops)))


class CellLookup:
    """The way from genomes of a space to its cells and back, by tables in memory instead of hashes.

    Attributes:
        space: 4V, 5V or 7V.
        vertices: the most vertices of a cell.
        cells: the cells of the space; a row is the number of a cell there.
    """

    def __init__(self, space: Space) -> None:
        graphs = labelled_graphs(space)
        self.space = space
        self.vertices = SPACES[space]
        self.cells: CellTable = graphs.cells
        self._row = np.append(graphs.cell_index, np.int32(NO_CELL))
        self._kept, pruned = _pruned(self.vertices)
        first = np.searchsorted(graphs.keys, pruned)
        found = graphs.keys[np.minimum(first, len(graphs.keys) - 1)] == pruned
        self._first = np.where(found, first, len(graphs.keys)).astype(np.int32)
        self._kept[~found] = 0
        self._weights = _weights(self.vertices - 2)

    def rows(self, genomes: Genomes) -> Rows:
        """The row of each genome's cell in ``cells``, or ``NO_CELL`` where the graph is invalid.

        Invalid are graphs without a path from input to output or with more than 9 edges on such paths.
        """
        weights = self._weights[self._kept[genomes.edge_bits]]
        found: Rows = self._row[self._first[genomes.edge_bits] + (genomes.ops * weights).sum(axis=1, dtype=np.int32)]
        return found

    def hashes(self, rows: NDArray[np.integer]) -> list[str]:
        """The NAS-Bench-101 module hash of each row, about 10,000 a second."""
        cells = self.cells
        return CellTable(cells.vertices[rows], cells.edge_bits[rows], cells.ops[rows]).hashes()

    def genomes(self, rows: Rows) -> Genomes:
        """A genome of each cell: its interior vertices first, the space's remaining ones without an edge."""
        vertices = self.cells.vertices[rows]
        edge_bits = self.cells.edge_bits[rows]
        last = vertices.astype(np.int32) - 1
        begin = last * (last - 1) // 2
        inner = edge_bits & ((1 << begin) - 1)
        to_output = edge_bits >> begin
        output = self.vertices - 1
        interior = np.arange(self.vertices - 2)
        place = vertices[:, None] - 3 - interior
        digits = self.cells.ops[rows][:, None] >> 2 * np.maximum(place, 0) & 3
        return Genomes(
            (inner | to_output << output * (output - 1) // 2).astype(np.int32),
            np.where(place >= 0, digits, 0).astype(np.int8),
        )


@cache
def cell_lookup(space: Space) -> CellLookup:
    """The lookup of a space; computed once a process."""
    return CellLookup(space)


def edge_count(vertices: int) -> int:
    """Number of possible edges among so many vertices."""
    return vertices * (vertices - 1) // 2


def _pruned(vertices: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """For all upper-triangular graphs: a mask of the interior vertices on a path, and the key of the pruned graph.

    The key is the one of ``CellTable.keys`` with all operations 0; -1 for graphs that are no cell.
    """
    graphs = np.arange(1 << edge_count(vertices), dtype=np.int32)
    incoming = [(graphs >> y * (y - 1) // 2) & ((1 << y) - 1) for y in range(vertices)]
    from_input = np.ones_like(graphs)
    for y in range(1, vertices):
        from_input |= (incoming[y] & from_input != 0).astype(np.int32) << y
    to_output = np.full_like(graphs, 1 << vertices - 1)
    for y in reversed(range(1, vertices)):
        to_output |= incoming[y] * (to_output >> y & 1)
    on_path = from_input & to_output
    connected = on_path & 1 != 0
    kept = (on_path >> 1 & ((1 << vertices - 2) - 1)).astype(np.uint8)
    keys = np.full(len(graphs), -1, np.int64)
    for mask in range(1 << vertices - 2):
        rows = np.flatnonzero((kept == mask) & connected)
        order = [0, *(v + 1 for v in range(vertices - 2) if mask >> v & 1), vertices - 1]
        moved = np.zeros(len(rows), np.int32)
        for x, y in combinations(range(len(order)), 2):
            moved |= (graphs[rows] & edge_bit(order[x], order[y]) != 0) * np.int32(edge_bit(x, y))
        few = np.bitwise_count(moved) <= MAX_EDGES
        size = np.full(few.sum(), len(order), np.int8)
        keys[rows[few]] = CellTable(size, moved[few], np.zeros(len(size), np.int16)).keys
    return kept, keys


def _weights(interior: int) -> NDArray[np.int16]:
    """(2^interior, interior): what one step of an operation counts among the labellings of the kept vertices."""
    table = np.zeros((1 << interior, interior), np.int16)
    for mask in range(len(table)):
        kept = [v for v in range(interior) if mask >> v & 1]
        table[mask, kept] = len(OPERATIONS) ** np.arange(len(kept))[::-1]
    return table
