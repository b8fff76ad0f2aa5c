"""The cells one step away from a cell."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ecnas_core.cells.cell import Cell, InvalidCell
from ecnas_core.cells.graph import edge_bit
from ecnas_core.cells.spaces import OPERATIONS, SPACES, Space


def neighbours(cell: Cell, space: Space = "7V") -> list[Cell]:
    """Return the cells that one edge added or removed, or one interior operation changed, makes of a cell.

    A change may cut vertices off; what remains after pruning is the neighbour.

    Args:
        cell: where to start.
        space: the space that the neighbours must lie in.

    Returns:
        Valid cells, no two isomorphic, none isomorphic to the cell itself; ordered by (vertices, edge_bits,
        ops_digits).
    """
    found = {cell.hash}
    result = []
    for candidate in sorted(_steps(cell), key=lambda c: (c.vertices, c.edge_bits, c.ops_digits)):
        if candidate.vertices <= SPACES[space] and candidate.hash not in found:
            found.add(candidate.hash)
            result.append(candidate)
    return result


def _steps(cell: Cell) -> Iterator[Cell]:
    for edge in combinations(range(cell.vertices), 2):
        try:
            yield Cell.from_bits(cell.vertices, cell.edge_bits ^ edge_bit(*edge), cell.ops_digits)
        except InvalidCell:
            continue
    for position, own in enumerate(cell.ops_digits):
        for digit in map(str, range(len(OPERATIONS))):
            if digit != own:
                ops_digits = cell.ops_digits[:position] + digit + cell.ops_digits[position + 1 :]
                yield Cell.from_bits(cell.vertices, cell.edge_bits, ops_digits)
