"""Many pruned cells as columns: their keys, their descriptions, vectorised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecnas_core.cells.cell import Cell
from ecnas_core.cells.costs import graph_costs
from ecnas_core.cells.graph import depth, width
from ecnas_core.cells.hashing import module_hash
from ecnas_core.cells.spaces import MAX_VERTICES, OPERATIONS

Keys = NDArray[np.int64]

_INTERIOR = MAX_VERTICES - 2
_OPS_WIDTH = 2 * _INTERIOR
_EDGES_WIDTH = MAX_VERTICES * (MAX_VERTICES - 1) // 2
NO_VERTEX = len(OPERATIONS)
_COSTS = ("trainable_parameters", "multiply_adds", "memory_traffic_bytes")


@dataclass(frozen=True, eq=False)
class CellTable:
    """Pruned cells as columns of one length.

    Attributes:
        vertices: int8, number of vertices, 2..7.
        edge_bits: int32, bit x + y(y-1)/2 is the edge x -> y, x < y.
        ops: int16, the digits of the interior vertices read as a number of base 4.
    """

    vertices: NDArray[np.int8]
    edge_bits: NDArray[np.int32]
    ops: NDArray[np.int16]

    @classmethod
    def from_digits(cls, vertices: ArrayLike, edge_bits: ArrayLike, ops_digits: Sequence[str]) -> CellTable:
        """Make a table of columns as they stand in Parquet; the cells must be pruned and valid, which is not checked.

        Args:
            vertices: numbers of vertices, 2..7.
            edge_bits: the graphs.
            ops_digits: one digit for each interior vertex, as `Cell.ops_digits`.

        Returns:
            The table.
        """
        codes = [int(digits or "0", 4) for digits in ops_digits]
        return cls(np.asarray(vertices, np.int8), np.asarray(edge_bits, np.int32), np.array(codes, np.int16))

    @classmethod
    def from_keys(cls, keys: Keys) -> CellTable:
        """Make a table of the cells that have these `keys`."""
        return cls(
            vertices=(keys >> (_EDGES_WIDTH + _OPS_WIDTH)).astype(np.int8),
            edge_bits=(keys >> _OPS_WIDTH & ((1 << _EDGES_WIDTH) - 1)).astype(np.int32),
            ops=(keys & ((1 << _OPS_WIDTH) - 1)).astype(np.int16),
        )

    def __len__(self) -> int:
        return len(self.vertices)

    def __getitem__(self, row: int) -> Cell:
        vertices = int(self.vertices[row])
        return Cell.from_bits(vertices, int(self.edge_bits[row]), _digits(vertices, int(self.ops[row])))

    def __iter__(self) -> Iterator[Cell]:
        return (self[row] for row in range(len(self)))

    @property
    def keys(self) -> Keys:
        """int64 numbers, one for each labelled graph, that order as (vertices, edge_bits, ops)."""
        return self._graphs << _OPS_WIDTH | self.ops

    @property
    def ops_digits(self) -> list[str]:
        """One digit for each interior vertex, as `Cell.ops_digits`."""
        return [_digits(*row) for row in zip(self.vertices.tolist(), self.ops.tolist(), strict=True)]

    def hashes(self) -> list[str]:
        """Return the NAS-Bench-101 module hashes, about 10,000 a second."""
        rows = zip(self.vertices.tolist(), self.edge_bits.tolist(), self.ops_digits, strict=True)
        return [module_hash(*row) for row in rows]

    def describe(self) -> dict[str, NDArray[np.integer]]:
        """Return features and costs, the same values as the properties of `Cell`, by the names of the columns.

        Returns:
            edges, n_conv3x3, n_conv1x1, n_maxpool3x3, depth, width (int8); trainable_parameters, multiply_adds,
            memory_traffic_bytes (int64).
        """
        pairs, of_row = self.graphs()
        digits = self.operations()
        columns: dict[str, NDArray[np.integer]] = {
            "edges": np.bitwise_count(self.edge_bits).astype(np.int8),
            "n_conv3x3": (digits == 0).sum(axis=0, dtype=np.int8),
            "n_conv1x1": (digits == 1).sum(axis=0, dtype=np.int8),
            "n_maxpool3x3": (digits == 2).sum(axis=0, dtype=np.int8),
            "depth": np.array([depth(*pair) for pair in pairs], np.int8)[of_row],
            "width": np.array([width(*pair) for pair in pairs], np.int8)[of_row],
        }
        costs = [graph_costs(*pair) for pair in pairs]
        for name in _COSTS:
            total = np.array([getattr(fixed, name) for fixed, _ in costs], np.int64)[of_row]
            choices = np.zeros((_INTERIOR, len(costs), NO_VERTEX + 1), np.int64)
            for row, (_, by_operation) in enumerate(costs):
                for position, options in enumerate(by_operation):
                    choices[position, row, :NO_VERTEX] = [getattr(cost, name) for cost in options]
            for choice, digit in zip(choices, digits, strict=True):
                total += choice[of_row, digit]
            columns[name] = total
        return columns

    def graphs(self) -> tuple[list[tuple[int, int]], NDArray[np.int64]]:
        """Return the different graphs as (vertices, edge_bits), and for each row the number of its graph."""
        graphs, of_row = np.unique(self._graphs, return_inverse=True)
        return [(graph >> _EDGES_WIDTH, graph & ((1 << _EDGES_WIDTH) - 1)) for graph in graphs.tolist()], of_row

    def operations(self) -> NDArray[np.int16]:
        """Return for each interior position (5, rows) the operation's number there, `NO_VERTEX` past a cell's last."""
        places = self._places()
        return np.where(places >= 0, self.ops >> 2 * np.maximum(places, 0) & 3, NO_VERTEX)

    def replaced(self, old: int, new: int, position: int | None = None) -> CellTable:
        """Return the cells with one operation in the place of another; cells without it stay as they are.

        Args:
            old: number of the operation to replace, 0..2.
            new: number of the operation in its place, 0..2.
            position: the only interior position, 0..4, at which to replace it; None replaces it wherever it is.

        Returns:
            One cell a row; the graphs are the same, so the cells are pruned and valid.
        """
        change = np.where(self.operations() == old, new - old, 0) << 2 * np.maximum(self._places(), 0)
        changes = change.sum(axis=0) if position is None else change[position]
        return CellTable(self.vertices, self.edge_bits, (self.ops + changes).astype(np.int16))

    @property
    def _graphs(self) -> Keys:
        return self.vertices.astype(np.int64) << _EDGES_WIDTH | self.edge_bits

    def _places(self) -> NDArray[np.int16]:
        """Return for each interior position (5, rows) the place of its digit in `ops`, negative past a cell's last."""
        return self.vertices.astype(np.int16) - 3 - np.arange(_INTERIOR, dtype=np.int16)[:, np.newaxis]


def _digits(vertices: int, code: int) -> str:
    return "".join(str(code >> 2 * place & 3) for place in reversed(range(vertices - 2)))
