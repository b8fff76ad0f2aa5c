"""The cells one step away from a cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from ecnas_core.cells.cell import Cell, InvalidCell
from ecnas_core.cells.graph import edge_bit
from ecnas_core.cells.spaces import OPERATIONS, SPACES, Space

StepKind = Literal["operation", "edge added", "edge removed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One change to a cell and what it makes of it.

    Attributes:
        kind: what is changed.
        vertices: the vertex whose operation changes, or both ends of the edge, numbered from the input, 0.
        operation: the new operation, or None where an edge changes.
        cell: the pruned cell after the change.
    """

    kind: StepKind
    vertices: tuple[int, ...]
    operation: str | None
    cell: Cell


def neighbours(cell: Cell, space: Space = "7V") -> list[Cell]:
    """Return the cells of the `steps` from a cell."""
    return [step.cell for step in steps(cell, space)]


def steps(cell: Cell, space: Space = "7V") -> list[Step]:
    """Return what one edge added or removed, or one interior operation changed, makes of a cell.

    A change may cut vertices off; what remains after pruning is the neighbour.

    Args:
        cell: where to start.
        space: the space that the neighbours must lie in.

    Returns:
        Steps to valid cells, no two isomorphic, none isomorphic to the cell itself; ordered by the cells' (vertices,
        edge_bits, ops_digits).
    """
    found = {cell.hash}
    result = []
    for step in sorted(_all_steps(cell), key=lambda s: (s.cell.vertices, s.cell.edge_bits, s.cell.ops_digits)):
        if step.cell.vertices <= SPACES[space] and step.cell.hash not in found:
            found.add(step.cell.hash)
            result.append(step)
    return result


def _all_steps(cell: Cell) -> Iterator[Step]:
    for edge in combinations(range(cell.vertices), 2):
        kind: StepKind = "edge removed" if cell.edge_bits & edge_bit(*edge) else "edge added"
        try:
            changed = Cell.from_bits(cell.vertices, cell.edge_bits ^ edge_bit(*edge), cell.ops_digits)
        except InvalidCell:
            continue
        yield Step(kind, edge, None, changed)
    for position, own in enumerate(cell.ops_digits):
        for digit, operation in enumerate(OPERATIONS):
            if str(digit) != own:
                ops_digits = cell.ops_digits[:position] + str(digit) + cell.ops_digits[position + 1 :]
                changed = Cell.from_bits(cell.vertices, cell.edge_bits, ops_digits)
                yield Step("operation", (position + 1,), operation, changed)
