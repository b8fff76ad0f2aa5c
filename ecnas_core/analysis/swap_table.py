"""Which cell becomes which when one operation takes the place of another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import permutations

import numpy as np
import numpy.typing as npt

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import OPERATIONS, CellTable, labelled_graphs
from ecnas_core.cells.spaces import Space
from ecnas_core.cells.surroundings import Surroundings, surroundings

Rows = npt.NDArray[np.int32]
Swap = tuple[int, int]

SHORT_NAMES = tuple(operation.split("-")[0] for operation in OPERATIONS)
SWAPS: tuple[Swap, ...] = ((0, 1), (0, 2), (1, 2))
"""The swaps that the paper prints, each an operation's number and that of the one in its place."""
DIRECTED: tuple[Swap, ...] = tuple(permutations(range(len(OPERATIONS)), 2))


def swap_name(swap: Swap) -> str:
    """A swap's name, for example ``conv3x3_to_conv1x1``."""
    old, new = swap
    return f"{SHORT_NAMES[old]}_to_{SHORT_NAMES[new]}"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Cells that differ in one operation at one vertex, as rows of the space's cells, all of one length.

    Attributes:
        before: int32, the cell with the old operation.
        after: int32, the cell with the new one.
        distance: int8, edges on the longest path from the input to the vertex.
        taken_from: int8, the kind of operation before the vertex, see ``Surroundings``.
        fed: int8, the kind after it.
    """

    before: Rows
    after: Rows
    distance: npt.NDArray[np.int8]
    taken_from: npt.NDArray[np.int8]
    fed: npt.NDArray[np.int8]


class SwapTable:
    """Which cell of a space becomes which by a swap; rows are those of the space's cells by rising hash."""

    def __init__(self, bench: Benchmark, space: Space) -> None:
        vertices, edge_bits, decimals = bench.arrays(
            f"select vertices, edge_bits, coalesce(nullif(ops, ''), '0')::integer from _rows "
            f"where space = ? and epochs = {EPOCHS[0]} order by row",
            [space],
        )
        self.space: Space = space
        self.cells = CellTable(
            vertices.astype(np.int8), edge_bits.astype(np.int32), _base_four(decimals.astype(np.int32))
        )
        self._graphs = labelled_graphs(space)
        self._row_of = np.empty(len(self.cells), np.int32)
        self._row_of[self._graphs.find(self.cells.keys)] = np.arange(len(self.cells), dtype=np.int32)
        self._everywhere: dict[Swap, Rows] = {}
        self._pairs: dict[Swap, Pairs] = {}

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def operations(self) -> npt.NDArray[np.int16]:
        """The operation at each interior position, shape (5, rows)."""
        return self.cells.operations()

    def has(self, operation: int) -> npt.NDArray[np.bool_]:
        """Which cells have an operation."""
        held: npt.NDArray[np.bool_] = (self.operations == operation).any(axis=0)
        return held

    def everywhere(self, swap: Swap) -> Rows:
        """For each cell the row of the one with every old operation replaced; its own row where it has none."""
        if swap not in self._everywhere:
            self._everywhere[swap] = self._find(self.cells.replaced(*swap))
        return self._everywhere[swap]

    def at_one_vertex(self, swap: Swap) -> Pairs:
        """Every cell and vertex with the old operation, and the cell with the new one there."""
        if swap not in self._pairs:
            old, new = swap
            rows = [np.flatnonzero(held).astype(np.int32) for held in self.operations == old]
            after = [
                self._find(_rows_of(self.cells, chosen).replaced(old, new, position))
                for position, chosen in enumerate(rows)
            ]
            around = [
                np.concatenate([values[position, chosen] for position, chosen in enumerate(rows)])
                for values in (self._surroundings.distance, self._surroundings.before, self._surroundings.after)
            ]
            self._pairs[swap] = Pairs(np.concatenate(rows), np.concatenate(after), *around)
        return self._pairs[swap]

    @cached_property
    def _surroundings(self) -> Surroundings:
        return surroundings(self.cells)

    def _find(self, cells: CellTable) -> Rows:
        return self._row_of[self._graphs.find(cells.keys)]


@lru_cache(maxsize=3)
def swap_table(bench: Benchmark, space: Space) -> SwapTable:
    """The swaps of a space, computed once: its cells never change."""
    return SwapTable(bench, space)


def _rows_of(cells: CellTable, rows: Rows) -> CellTable:
    return CellTable(cells.vertices[rows], cells.edge_bits[rows], cells.ops[rows])


def _base_four(decimals: npt.NDArray[np.int32]) -> npt.NDArray[np.int16]:
    """Digits that were read as a decimal number, read as a number of base 4."""
    places = range(5)
    digits = (decimals // 10**place % 10 << 2 * place for place in places)
    number: npt.NDArray[np.int16] = np.sum(list(digits), axis=0).astype(np.int16)
    return number
