"""A cell: the small graph of operations that a NAS-Bench-101 network repeats nine times."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ecnas_core.cells import graph
from ecnas_core.cells.costs import STEM_CHANNELS, Cost, network_cost, vertex_channels
from ecnas_core.cells.hashing import module_hash
from ecnas_core.cells.spaces import INPUT, MAX_EDGES, MAX_VERTICES, OPERATIONS, OUTPUT, Space, smallest_space
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    from ecnas_core.cells.network import Network

SHORT_NAMES = ("conv3x3", "conv1x1", "maxpool3x3")
_TEXT_VERTEX = re.compile(r"(\d{1,3})=([\w-]+)\((\d{1,3}(?:,\d{1,3})*)\)")


class Reason(StrEnum):
    """Why a description is not that of a cell."""

    MALFORMED = "malformed"
    NOT_SQUARE = "not_square"
    NOT_BINARY = "not_binary"
    NOT_UPPER_TRIANGULAR = "not_upper_triangular"
    OPERATIONS_MISMATCH = "operations_mismatch"
    FIRST_NOT_INPUT = "first_not_input"
    LAST_NOT_OUTPUT = "last_not_output"
    UNKNOWN_OPERATION = "unknown_operation"
    DISCONNECTED = "disconnected"
    TOO_FEW_VERTICES = "too_few_vertices"
    TOO_MANY_VERTICES = "too_many_vertices"
    TOO_MANY_EDGES = "too_many_edges"


class InvalidCell(EcnasError):
    """A description that is not that of a cell.

    Attributes:
        reason: the rule that it breaks.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[InvalidCell], tuple[Reason, str]]:
        return InvalidCell, (self.reason, str(self))


@dataclass(frozen=True, init=False, repr=False)
class Cell:
    """A valid, pruned cell; immutable, and equal to another with the same pruned graph and operations.

    Isomorphic cells may be unequal, but their `hash` is the same.

    As in NAS-Bench-101, vertices that lie on no path from input to output are dropped first, and the limits of 7
    vertices and 9 edges and the known operations are asked of what remains: a larger matrix is valid if its
    pruned form is.

    Attributes:
        vertices: number of vertices with input and output, 2..7.
        edge_bits: the graph; bit x + y(y-1)/2 is the edge x -> y, x < y.
        ops_digits: one digit for each interior vertex, the index in `OPERATIONS`.
    """

    vertices: int
    edge_bits: int
    ops_digits: str

    def __init__(self, matrix: Sequence[Sequence[int]] | NDArray[np.integer], ops: Sequence[str]) -> None:
        """Prune and validate NAS-Bench-101's form of a cell.

        Args:
            matrix: upper-triangular, square, of 0 and 1; rows are the sources.
            ops: one name for each vertex: "input", names of `OPERATIONS`, "output".

        Raises:
            InvalidCell: it is no cell; the reason says why.
        """
        rows = _rows(matrix)
        names = list(ops)
        if len(names) != len(rows):
            _refuse(
                Reason.OPERATIONS_MISMATCH,
                f"{len(names)} operations for {len(rows)} vertices: name one a vertex, with input and output",
            )
        if len(rows) < 2:
            _refuse(Reason.TOO_FEW_VERTICES, "a cell has an input and an output: give at least 2 vertices")
        if names[0] != INPUT:
            _refuse(Reason.FIRST_NOT_INPUT, f"the first operation is {names[0]!r}: it must be {INPUT!r}")
        if names[-1] != OUTPUT:
            _refuse(Reason.LAST_NOT_OUTPUT, f"the last operation is {names[-1]!r}: it must be {OUTPUT!r}")
        edge_bits = graph.bits_of((x, y) for x, row in enumerate(rows) for y, edge in enumerate(row) if edge)
        self._settle(len(rows), edge_bits, names[1:-1])

    @classmethod
    def from_bits(cls, vertices: int, edge_bits: int, ops_digits: str) -> Cell:
        """Prune and validate a cell given as bits and digits.

        Args:
            vertices: number of vertices with input and output.
            edge_bits: bit x + y(y-1)/2 set: edge x -> y, x < y.
            ops_digits: one digit for each interior vertex, the index in `OPERATIONS`.

        Returns:
            The cell.

        Raises:
            InvalidCell: it is no cell; the reason says why.
        """
        vertices, edge_bits = int(vertices), int(edge_bits)
        if vertices < 2:
            _refuse(Reason.TOO_FEW_VERTICES, "a cell has an input and an output: give at least 2 vertices")
        if len(ops_digits) != vertices - 2:
            _refuse(
                Reason.OPERATIONS_MISMATCH,
                f"{len(ops_digits)} digits for {vertices - 2} interior vertices: give one a vertex",
            )
        possible = vertices * (vertices - 1) // 2
        if edge_bits < 0 or edge_bits.bit_length() > possible:
            _refuse(
                Reason.MALFORMED,
                f"edge_bits {edge_bits:#x} does not fit {vertices} vertices: use the low {possible} bits",
            )
        cell = cls.__new__(cls)
        cell._settle(vertices, edge_bits, [_NAMES.get(digit, digit) for digit in ops_digits])
        return cell

    @classmethod
    def from_json(cls, text: str) -> Cell:
        """Read `{"matrix": [[...]], "ops": [...]}`; other keys are ignored.

        Args:
            text: the JSON document.

        Returns:
            The cell.

        Raises:
            InvalidCell: it is not such a document, or no cell.
        """
        remedy = 'give {"matrix": [[...]], "ops": [...]}'
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidCell(Reason.MALFORMED, f"not JSON ({error}): {remedy}") from error
        if not isinstance(document, dict) or not {"matrix", "ops"} <= document.keys():
            _refuse(Reason.MALFORMED, f"not an object with matrix and ops: {remedy}")
        if not isinstance(document["ops"], list):
            _refuse(Reason.MALFORMED, f"ops is not a list: {remedy}")
        return cls(document["matrix"], document["ops"])

    @classmethod
    def from_text(cls, text: str) -> Cell:
        """Read the form that `to_text` writes; any white space may separate the vertices.

        Args:
            text: for example `1=conv3x3(0) 2=maxpool3x3(0,1) 3=output(0,2)`.

        Returns:
            The cell.

        Raises:
            InvalidCell: it is not of that form, or no cell.
        """
        edges: set[tuple[int, int]] = set()
        ops = [INPUT]
        for number, item in enumerate(text.split(), start=1):
            match = _TEXT_VERTEX.fullmatch(item)
            if match is None or int(match[1]) != number:
                _refuse(Reason.MALFORMED, f"{item!r} is not like {number}=conv3x3(0): write NUMBER=OPERATION(SOURCES)")
            ops.append(dict(zip(SHORT_NAMES, OPERATIONS, strict=True)).get(match[2], match[2]))
            edges |= {(int(source), number) for source in match[3].split(",")}
        backward = sorted(edge for edge in edges if edge[0] >= edge[1])
        if backward:
            source, vertex = backward[0]
            _refuse(
                Reason.NOT_UPPER_TRIANGULAR, f"vertex {vertex} takes from {source}: it may take from lower numbers only"
            )
        matrix = [[int((x, y) in edges) for y in range(len(ops))] for x in range(len(ops))]
        return cls(matrix, ops)

    def to_json(self) -> str:
        """Return one line of JSON, `{"matrix": [[...]], "ops": [...]}`, which `from_json` reads."""
        return json.dumps({"matrix": self.matrix, "ops": self.ops})

    def to_text(self) -> str:
        """Return a short readable form, which `from_text` reads.

        Every vertex but the input, number 0, is written NUMBER=OPERATION(SOURCES), in order, with single blanks
        between: `1=conv3x3(0) 2=maxpool3x3(0,1) 3=output(0,2)`.
        """
        names = [*(SHORT_NAMES[int(digit)] for digit in self.ops_digits), OUTPUT]
        sources = graph.predecessors(self.vertices, self.edge_bits)[1:]
        return " ".join(
            f"{number}={name}({','.join(map(str, taken_from))})"
            for number, (name, taken_from) in enumerate(zip(names, sources, strict=True), start=1)
        )

    def to_module(self) -> Network:
        """Return the whole network as a torch module: images (N, 3, 32, 32) to logits (N, 10)."""
        from ecnas_core.cells.network import Network

        return Network(self)

    def __repr__(self) -> str:
        return f"Cell.from_text({self.to_text()!r})"

    @property
    def matrix(self) -> graph.Matrix:
        """Adjacency matrix of 0 and 1; rows are the sources."""
        return graph.adjacency(self.vertices, self.edge_bits)

    @property
    def ops(self) -> tuple[str, ...]:
        """Operation names of all vertices, with "input" and "output"."""
        return (INPUT, *(OPERATIONS[int(digit)] for digit in self.ops_digits), OUTPUT)

    @property
    def edges(self) -> int:
        """Number of edges, 1..9."""
        return self.edge_bits.bit_count()

    @property
    def depth(self) -> int:
        """Number of edges on the longest path from input to output."""
        return graph.depth(self.vertices, self.edge_bits)

    @property
    def width(self) -> int:
        """Largest number of interior vertices at the same longest-path distance from the input."""
        return graph.width(self.vertices, self.edge_bits)

    @property
    def space(self) -> Space:
        """The smallest space that the cell belongs to."""
        return smallest_space(self.vertices)

    @property
    def channels(self) -> tuple[int, ...]:
        """Output channels of every vertex in the first cell of the network, where input and output have 128."""
        return vertex_channels(STEM_CHANNELS, STEM_CHANNELS, self.matrix)

    @property
    def trainable_parameters(self) -> int:
        """Trainable parameters of the whole network, as published in NAS-Bench-101."""
        return self._cost.trainable_parameters

    @property
    def multiply_adds(self) -> int:
        """Multiply-accumulate operations of the convolutions and the dense layer for one 32 x 32 image."""
        return self._cost.multiply_adds

    @property
    def memory_traffic_bytes(self) -> int:
        """Bytes that fp32 inference on one image reads and writes, as `costs.Cost.memory_traffic_bytes` defines it."""
        return self._cost.memory_traffic_bytes

    @cached_property
    def hash(self) -> str:
        """NAS-Bench-101 module hash, 32 hexadecimal digits; the same for isomorphic cells."""
        return module_hash(self.vertices, self.edge_bits, self.ops_digits)

    @cached_property
    def _cost(self) -> Cost:
        return network_cost(self.vertices, self.edge_bits, self.ops_digits)

    def _settle(self, vertices: int, edge_bits: int, interior: Sequence[str]) -> None:
        kept, edge_bits = graph.prune(vertices, edge_bits)
        if not kept:
            _refuse(Reason.DISCONNECTED, "no path leads from input to output: add an edge")
        if len(kept) > MAX_VERTICES:
            _refuse(
                Reason.TOO_MANY_VERTICES,
                f"{len(kept)} vertices lie on paths from input to output: at most {MAX_VERTICES} are allowed",
            )
        if edge_bits.bit_count() > MAX_EDGES:
            _refuse(
                Reason.TOO_MANY_EDGES,
                f"{edge_bits.bit_count()} edges lie on paths from input to output: at most {MAX_EDGES} are allowed",
            )
        names = [interior[v - 1] for v in kept[1:-1]]
        for name in names:
            if name not in OPERATIONS:
                _refuse(Reason.UNKNOWN_OPERATION, f"unknown operation {name!r}: use one of {', '.join(OPERATIONS)}")
        object.__setattr__(self, "vertices", len(kept))
        object.__setattr__(self, "edge_bits", edge_bits)
        object.__setattr__(self, "ops_digits", "".join(str(OPERATIONS.index(name)) for name in names))


_NAMES = {str(digit): name for digit, name in enumerate(OPERATIONS)}


def _rows(matrix: Sequence[Sequence[int]] | NDArray[np.integer]) -> list[list[int]]:
    plain = _plain(matrix)
    if not isinstance(plain, Sequence):
        _refuse(Reason.NOT_SQUARE, "the matrix is not a list of rows: give as many rows as columns")
    plain = [_plain(row) for row in plain]
    if not all(isinstance(row, Sequence) and len(row) == len(plain) for row in plain):
        _refuse(Reason.NOT_SQUARE, "the matrix is not square: give as many columns as rows")
    for x, row in enumerate(plain):
        for y, edge in enumerate(row):
            if edge not in (0, 1):
                _refuse(Reason.NOT_BINARY, f"matrix[{x}][{y}] is {edge!r}: it must be 0 or 1")
            if edge and y <= x:
                _refuse(
                    Reason.NOT_UPPER_TRIANGULAR,
                    f"matrix[{x}][{y}] is on or below the diagonal: edges go to higher vertices",
                )
    return [list(row) for row in plain]


def _plain(values: Any) -> Any:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _refuse(reason: Reason, message: str) -> NoReturn:
    raise InvalidCell(reason, message)
