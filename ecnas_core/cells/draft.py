"""A cell while somebody draws it: it may be no cell yet, says why, and every step can be undone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecnas_core.cells.cell import SHORT_NAMES, Cell, InvalidCell, Reason
from ecnas_core.cells.graph import Matrix
from ecnas_core.cells.spaces import INPUT, MAX_EDGES, MAX_VERTICES, OPERATIONS, OUTPUT
from ecnas_core.errors import EcnasError

Edge = tuple[int, int]

UNDO_LIMIT: Final = 100
_DRAWABLE = (Reason.DISCONNECTED, Reason.TOO_MANY_EDGES)
_HASH = re.compile(r"[0-9a-fA-F]{32}")
_TEXT_VERTEX = re.compile(r"(\d{1,3})=([\w-]+)\(((?:\d{1,3}(?:,\d{1,3})*)?)\)")
_LONG_NAMES = dict(zip(SHORT_NAMES, OPERATIONS, strict=True))
_FORMS = 'JSON {"matrix": [[...]], "ops": [...]}, text like 1=conv3x3(0) 2=output(1), or a hash of 32 digits'
_QUOTES = "`'\" \t\r\n"


class InvalidEdit(EcnasError):
    """A step that the drawing does not allow."""


class Dropped(StrEnum):
    """Why pruning drops a vertex: it lies on no path from input to output."""

    UNREACHED = "unreached"
    DEAD_END = "dead end"
    UNCONNECTED = "unconnected"


@dataclass(frozen=True)
class Verdict:
    """What a drawing amounts to; vertices and edges by their numbers in the drawing.

    Attributes:
        cell: the pruned cell; None while the drawing is none.
        reason: the rule that the drawing breaks; None if it is a cell.
        message: that rule in plain words, with the remedy; empty if it is a cell.
        dropped: the vertices that pruning drops, and why; empty while no path leads from input to output.
        dropped_edges: the edges that it drops with them.
        channels: for each edge kept the channels that it brings to its target in the first cell of the network; empty
            while the drawing is no cell.
    """

    cell: Cell | None
    reason: Reason | None
    message: str
    dropped: Mapping[int, Dropped]
    dropped_edges: tuple[Edge, ...]
    channels: Mapping[Edge, int]

    @property
    def pruned(self) -> bool:
        """Whether pruning drops anything."""
        return bool(self.dropped)


@dataclass(frozen=True, init=False)
class Draft:
    """A drawing of 2 to 7 vertices with any edges from lower to higher numbers; immutable.

    More than 9 edges can be drawn, so that one may be drawn before another is removed; the verdict counts them.

    Attributes:
        matrix: upper-triangular adjacency matrix of 0 and 1, rows the sources.
        ops: one name for each vertex: "input", names of `OPERATIONS`, "output".
    """

    matrix: Matrix
    ops: tuple[str, ...]

    def __init__(self, matrix: Sequence[Sequence[int]] | NDArray[np.integer], ops: Sequence[str]) -> None:
        """Take NAS-Bench-101's form, pruned or not.

        Args:
            matrix: upper-triangular, square, of 0 and 1; rows are the sources.
            ops: one name for each vertex: "input", names of `OPERATIONS`, "output".

        Raises:
            InvalidCell: it cannot be drawn; the reason says why.
        """
        try:
            Cell(matrix, ops)
        except InvalidCell as error:
            if error.reason not in (*_DRAWABLE, Reason.TOO_MANY_VERTICES):
                raise
        if len(ops) > MAX_VERTICES:
            raise InvalidCell(
                Reason.TOO_MANY_VERTICES, f"{len(ops)} vertices: at most {MAX_VERTICES} can be drawn, remove some"
            )
        unknown = [name for name in ops[1:-1] if name not in OPERATIONS]
        if unknown:
            raise InvalidCell(
                Reason.UNKNOWN_OPERATION, f"unknown operation {unknown[0]!r}: use one of {', '.join(OPERATIONS)}"
            )
        object.__setattr__(self, "matrix", tuple(tuple(int(edge) for edge in row) for row in matrix))
        object.__setattr__(self, "ops", tuple(ops))

    @classmethod
    def blank(cls) -> Draft:
        """Return an input and an output without an edge."""
        return cls([[0, 0], [0, 0]], [INPUT, OUTPUT])

    @classmethod
    def of(cls, cell: Cell) -> Draft:
        """Return the drawing of a cell."""
        return cls(cell.matrix, cell.ops)

    @classmethod
    def from_edges(cls, ops: Sequence[str], edges: Iterable[Edge]) -> Draft:
        """Return the drawing with these operations and edges.

        Args:
            ops: one name for each vertex: "input", names of `OPERATIONS`, "output".
            edges: pairs (x, y) of vertices, x < y.

        Raises:
            InvalidCell: it cannot be drawn; the reason says why.
        """
        return cls(_matrix(len(ops), edges), ops)

    @classmethod
    def parse(cls, text: str, by_hash: Callable[[str], Cell]) -> Draft:
        """Read what people paste: JSON, text or a hash, in quotes or not.

        Args:
            text: `{"matrix": [[...]], "ops": [...]}`, or what `to_text` of a draft or a cell writes, or the 32
                hexadecimal digits of a module hash. A larger graph is read if its pruned form fits.
            by_hash: returns the cell with a hash of lower-case digits, or raises an error that says that there is none.

        Raises:
            InvalidCell: it is none of these, or cannot be drawn; the reason says why.
        """
        plain = text.strip(_QUOTES)
        if _HASH.fullmatch(plain):
            return cls.of(by_hash(plain.lower()))
        if plain.startswith("{"):
            return cls._from_json(plain)
        if re.match(r"\d+=", plain):
            return cls._from_text(plain)
        if re.fullmatch(r"[0-9a-fA-F]{8,}", plain):
            found = f"{len(plain)} hexadecimal digits: a hash has 32, copy it whole"
        else:
            read = _shortened(plain) if plain else "nothing to read"
            found = f"{read}: give {_FORMS}"
        raise InvalidCell(Reason.MALFORMED, found)

    @classmethod
    def _from_json(cls, text: str) -> Draft:
        try:
            Cell.from_json(text)
        except InvalidCell as error:
            if error.reason not in _DRAWABLE:
                raise
        document = json.loads(text)
        return cls._fitting(document["matrix"], document["ops"])

    @classmethod
    def _from_text(cls, text: str) -> Draft:
        ops, edges = [INPUT], []
        for number, item in enumerate(text.split(), start=1):
            match = _TEXT_VERTEX.fullmatch(item)
            if match is None or int(match[1]) != number:
                raise InvalidCell(
                    Reason.MALFORMED,
                    f"{_shortened(item)} is not like {number}=conv3x3(0): write NUMBER=OPERATION(SOURCES)",
                )
            ops.append(_LONG_NAMES.get(match[2], match[2]))
            edges += [(int(source), number) for source in match[3].split(",") if source]
        return cls._fitting(_matrix(len(ops), edges), ops)

    @classmethod
    def _fitting(cls, matrix: Sequence[Sequence[int]], ops: Sequence[str]) -> Draft:
        """Draw a graph as it is, or what pruning leaves of it where only that can be drawn."""
        try:
            return cls(matrix, ops)
        except InvalidCell:
            return cls.of(Cell(matrix, ops))

    def to_text(self) -> str:
        """Return the form of `Cell.to_text`, in which a vertex here may take from none: `1=conv3x3() 2=output(0)`."""
        names = dict(zip(OPERATIONS, SHORT_NAMES, strict=True))
        return " ".join(
            f"{y}={names.get(self.ops[y], self.ops[y])}({','.join(str(x) for x in range(y) if self.matrix[x][y])})"
            for y in range(1, self.vertices)
        )

    @property
    def vertices(self) -> int:
        """Number of vertices drawn, with input and output, 2..7."""
        return len(self.ops)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges drawn, (x, y) with x < y, sorted."""
        return tuple((x, y) for x, row in enumerate(self.matrix) for y, edge in enumerate(row) if edge)

    @property
    def is_full(self) -> bool:
        """Whether no further vertex can be added."""
        return self.vertices == MAX_VERTICES

    def toggle(self, edge: Edge) -> Draft:
        """Return the drawing with an edge added, or removed if it is there.

        Args:
            edge: two different vertices in any order; an edge always leads from the lower number to the higher.

        Raises:
            InvalidEdit: these are not two vertices of the drawing.
        """
        x, y = sorted(edge)
        if not 0 <= x < y < self.vertices:
            raise InvalidEdit(f"no edge between {x} and {y}: choose two different vertices of 0..{self.vertices - 1}")
        return self.from_edges(self.ops, {*self.edges} ^ {(x, y)})

    def cycle(self, vertex: int) -> Draft:
        """Return the drawing with the next operation at a vertex: conv3x3, conv1x1, maxpool3x3, and round again.

        Raises:
            InvalidEdit: it is no interior vertex.
        """
        self._check_interior(vertex)
        number = (OPERATIONS.index(self.ops[vertex]) + 1) % len(OPERATIONS)
        return self.with_operation(vertex, OPERATIONS[number])

    def with_operation(self, vertex: int, operation: str) -> Draft:
        """Return the drawing with an operation at a vertex.

        Args:
            vertex: an interior vertex.
            operation: one of `OPERATIONS`.

        Raises:
            InvalidEdit: it is no interior vertex.
            InvalidCell: there is no such operation.
        """
        self._check_interior(vertex)
        return Draft(self.matrix, (*self.ops[:vertex], operation, *self.ops[vertex + 1 :]))

    def add_vertex(self) -> Draft:
        """Return the drawing with one more conv3x3, without an edge, before the output.

        Raises:
            InvalidEdit: there are 7 already.
        """
        if self.is_full:
            raise InvalidEdit(f"{MAX_VERTICES} vertices are drawn, as many as are allowed: remove one first")
        last = self.vertices - 1
        edges = [(x, y + (y == last)) for x, y in self.edges]
        return self.from_edges((*self.ops[:-1], OPERATIONS[0], OUTPUT), edges)

    def remove_vertex(self, vertex: int) -> Draft:
        """Return the drawing without an interior vertex and its edges; those above move down by one number.

        Raises:
            InvalidEdit: it is no interior vertex.
        """
        self._check_interior(vertex)
        edges = [(x - (x > vertex), y - (y > vertex)) for x, y in self.edges if vertex not in (x, y)]
        return self.from_edges((*self.ops[:vertex], *self.ops[vertex + 1 :]), edges)

    @cached_property
    def verdict(self) -> Verdict:
        """The cell that is drawn, or why it is none; and what pruning drops."""
        fed, leading = self._fed_from_input(), self._leading_to_output()
        dropped: dict[int, Dropped] = {}
        if self.vertices - 1 in fed:
            for v in range(self.vertices):
                if v not in leading:
                    dropped[v] = Dropped.DEAD_END if v in fed else Dropped.UNCONNECTED
                elif v not in fed:
                    dropped[v] = Dropped.UNREACHED
        dropped_edges = tuple(edge for edge in self.edges if edge[0] in dropped or edge[1] in dropped)
        try:
            cell = Cell(self.matrix, self.ops)
        except InvalidCell as error:
            if error.reason == Reason.DISCONNECTED:
                message = self._disconnected(fed, leading)
            else:
                used = len(self.edges) - len(dropped_edges)
                message = f"{used} edges lie on paths from input to output: remove {used - MAX_EDGES} of them, "
                message += f"{MAX_EDGES} are allowed"
            return Verdict(None, error.reason, message, dropped, dropped_edges, {})
        place = {v: number for number, v in enumerate(v for v in range(self.vertices) if v not in dropped)}
        channels = {
            (x, y): cell.channels[place[x if x and y == self.vertices - 1 else y]]
            for x, y in self.edges
            if (x, y) not in dropped_edges
        }
        return Verdict(cell, None, "", dropped, dropped_edges, channels)

    def _fed_from_input(self) -> set[int]:
        fed = {0}
        for x, y in self.edges:
            if x in fed:
                fed.add(y)
        return fed

    def _leading_to_output(self) -> set[int]:
        leading = {self.vertices - 1}
        for x, y in reversed(self.edges):
            if y in leading:
                leading.add(x)
        return leading

    def _disconnected(self, fed: set[int], leading: set[int]) -> str:
        if len(fed) == 1:
            return "nothing leaves the input: draw an edge from it"
        if len(leading) == 1:
            return "nothing reaches the output: draw an edge to it"
        starts, ends = (", ".join(map(str, sorted(some))) for some in (fed - {0}, leading - {self.vertices - 1}))
        return (
            f"no path leads from input to output: from the input only {starts} can be reached, and the output only "
            f"from {ends}; join them by an edge"
        )

    def _check_interior(self, vertex: int) -> None:
        if not 0 < vertex < self.vertices - 1:
            allowed = f"choose one of 1..{self.vertices - 2}" if self.vertices > 2 else "add one first"
            raise InvalidEdit(f"{vertex} is no interior vertex: {allowed}")


@dataclass(frozen=True)
class History:
    """A drawing with the ones before it and those that were undone; immutable.

    Attributes:
        present: the drawing as it is.
        past: those before, the last one the latest, at most `UNDO_LIMIT`.
        future: those undone, the last one the next to be done again.
    """

    present: Draft
    past: tuple[Draft, ...] = field(default=(), repr=False)
    future: tuple[Draft, ...] = field(default=(), repr=False)

    def then(self, draft: Draft) -> History:
        """Return the history in which a drawing follows the present one; itself if nothing changes."""
        if draft == self.present:
            return self
        return History(draft, (*self.past, self.present)[-UNDO_LIMIT:])

    def undo(self) -> History:
        """Return the history one step back; itself at its beginning."""
        if not self.past:
            return self
        return replace(self, present=self.past[-1], past=self.past[:-1], future=(*self.future, self.present))

    def redo(self) -> History:
        """Return the history with the last step undone done again; itself if there is none."""
        if not self.future:
            return self
        return replace(self, present=self.future[-1], past=(*self.past, self.present), future=self.future[:-1])


def _matrix(vertices: int, edges: Iterable[Edge]) -> list[list[int]]:
    drawn = set(edges)
    outside = sorted((x, y) for x, y in drawn if not 0 <= x < y < vertices)
    if outside:
        x, y = outside[0]
        raise InvalidCell(
            Reason.NOT_UPPER_TRIANGULAR, f"vertex {y} takes from {x}: it may take from lower numbers only"
        )
    return [[int((x, y) in drawn) for y in range(vertices)] for x in range(vertices)]


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
