"""What a model can know of a cell: counts, channels, costs and paths, whatever the numbering of its vertices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecnas_core.cells import OPERATIONS, CellTable
from ecnas_core.cells.costs import STEM_CHANNELS, graph_costs, vertex_channels
from ecnas_core.cells.graph import adjacency, predecessors
from ecnas_core.cells.spaces import INPUT, MAX_VERTICES, OUTPUT
from ecnas_core.cells.table import NO_VERTEX

Ints = NDArray[np.int64]

NAMES = tuple(operation.split("-")[0] for operation in OPERATIONS)
CONVOLUTIONS = NAMES[:2]
COSTS = {"trainable_parameters": CONVOLUTIONS, "multiply_adds": CONVOLUTIONS, "memory_traffic_bytes": NAMES}
"""The costs of a network, each with the operations that have it: pooling has no weights and multiplies nothing."""
WIRING = ("projections", "additions", "sums", "forks", "residual", "branches")
_INPUT, _OUTPUT = len(OPERATIONS), len(OPERATIONS) + 1
_KINDS = (*NAMES, INPUT, OUTPUT)
_PAPER_CODES = (3, 2, 4, 1, 5)
"""By place in ``_KINDS``."""


def costs(table: CellTable) -> dict[str, Ints]:
    """What cells cost, in all and by operation; for one image in inference, summed over the network (``cells.costs``).

    Args:
        table: pruned cells.

    Returns:
        One number a cell: ``edges``, ``depth``, ``width``, ``n_conv3x3``, ``n_conv1x1``, ``n_maxpool3x3`` and the
        totals ``trainable_parameters``, ``multiply_adds``, ``memory_traffic_bytes``, all as ``CellTable.describe``; and
        each of these costs by operation (``multiply_adds_conv3x3``) and of what no operation changes
        (``multiply_adds_fixed``), which add up to the total.
    """
    pairs, of_row = table.graphs()
    found: dict[str, Ints] = {name: column.astype(np.int64) for name, column in table.describe().items()}
    return found | _costs_by_operation(pairs, of_row, table.operations())


def features(table: CellTable) -> dict[str, Ints]:
    """The features of cells, in whole numbers.

    Two numberings of one cell have the same, but that NAS-Bench-101 gives the remainder of a division of channels to
    the first vertices: channels and costs differ by it, by up to 5 % where a single vertex has the operation.

    A convolution is a 3x3 or 1x1 one; the projections of the cell's input are no vertices of their own, and their costs
    stand in ``*_fixed``.

    Args:
        table: pruned cells.

    Returns:
        By name, one number a cell: those of ``costs``;
        ``channels_conv3x3`` ...: output channels of the vertices with that operation in the first cell, summed;
        ``paths``, ``shortest_path`` and ``convolutions_in_line``: how many ways lead from input to output, the edges of
        the shortest, the most convolutions on one;
        ``edges_conv3x3_conv1x1`` ...: edges between vertices of these kinds, input and output included.
    """
    pairs, of_row = table.graphs()
    kinds = table.operations()
    found = costs(table) | _channels(pairs, of_row, kinds)
    found["paths"] = np.array([_paths(*pair) for pair in pairs], np.int64)[of_row]
    found["shortest_path"] = np.array([_shortest_path(*pair) for pair in pairs], np.int64)[of_row]
    edges = np.array([_padded(*pair) for pair in pairs], bool)[of_row]
    at_vertex = kinds_at_vertices(table.vertices, kinds)
    found["convolutions_in_line"] = _convolutions_in_line(edges, at_vertex)
    return found | _edges_by_kinds(edges, at_vertex)


def composition(table: CellTable) -> dict[str, Ints]:
    """What a cell is put together of, in whole numbers that no numbering of its vertices changes.

    All interior vertices of a cell have the same channels but for the remainder of a division: those of its output by
    ``branches``. So these few counts fix what each step of the network works on, whatever the cell's shape.

    Args:
        table: pruned cells.

    Returns:
        By name, one number a cell: ``n_conv3x3``, ``n_conv1x1``, ``n_maxpool3x3``;
        ``projections``: edges from the input to interior vertices, a 1x1 convolution each;
        ``additions``: edges between interior vertices and from the input, beyond the first into each interior vertex;
        ``sums``: interior vertices with more than one edge in;
        ``forks``: interior vertices with more than one edge out;
        ``residual``: 1 where an edge leads from input to output;
        ``branches``: interior vertices that feed the output; 1 where there is none.
    """
    pairs, of_row = table.graphs()
    kinds = table.operations()
    found: dict[str, Ints] = {f"n_{name}": (kinds == number).sum(axis=0) for number, name in enumerate(NAMES)}
    by_graph = np.array([_wiring(*pair) for pair in pairs], np.int64).reshape(len(pairs), len(WIRING))
    return found | {name: by_graph[of_row, column] for column, name in enumerate(WIRING)}


def works(table: CellTable) -> dict[str, NDArray[np.float64]]:
    """What a training has to do, in summands of its energy, by the counts of ``composition``.

    The work of a convolution grows with the square of its channels, the traffic of any step with its channels, and each
    step takes something whatever its channels.

    Args:
        table: pruned cells.

    Returns:
        By name, one number a cell: ``training`` (always 1); the counts of steps of each kind; these by ``branches``,
        with ``_channels`` behind; and the convolutions by the square of it, with ``_squares`` behind.
    """
    return works_of(composition(table))


def works_of(found: Mapping[str, Ints]) -> dict[str, NDArray[np.float64]]:
    """``works`` of cells whose counts are given.

    Args:
        found: as ``composition`` gives them.
    """
    share = 1 / found["branches"]
    work = {"training": np.ones(len(share)), "residual": found["residual"].astype(np.float64)}
    for name in (*(f"n_{operation}" for operation in NAMES), "projections", "additions"):
        work |= {name: found[name].astype(np.float64), f"{name}_channels": found[name] * share}
    return work | {f"n_{name}_squares": found[f"n_{name}"] * share**2 for name in CONVOLUTIONS}


def encoding(table: CellTable) -> NDArray[np.float64]:
    """The 36 features of the paper's energy surrogate (EC-NAS, section 2.1), as its authors' code lays them out.

    Unlike the others they hang on the numbering of the vertices.

    Args:
        table: pruned cells.

    Returns:
        Shape (cells, 36): the upper triangle of the 7 x 7 adjacency matrix with its diagonal, row by row; the seven
        vertices' operations (1 input, 2 conv1x1, 3 conv3x3, 4 maxpool3x3, 5 output, 0 past a cell's last); the
        trainable parameters in millions.
    """
    pairs, of_row = table.graphs()
    rows, columns = np.triu_indices(MAX_VERTICES)
    edges = np.array([_padded(*pair)[rows, columns] for pair in pairs], np.float64).reshape(len(pairs), len(rows))
    codes = np.array([*_PAPER_CODES, 0])[kinds_at_vertices(table.vertices, table.operations())]
    parameters = table.describe()["trainable_parameters"] / 1e6
    return np.column_stack([edges[of_row], codes.T, parameters])


def _wiring(vertices: int, edge_bits: int) -> tuple[int, ...]:
    """The counts of ``WIRING`` of a graph."""
    edges = np.array(adjacency(vertices, edge_bits), np.int64)
    into, out_of = edges[:, 1:-1].sum(axis=0), edges[1:-1].sum(axis=1)
    counted = (
        edges[0, 1:-1].sum(),
        (into - 1).sum(),
        (into > 1).sum(),
        (out_of > 1).sum(),
        edges[0, -1],
        max(edges[1:-1, -1].sum(), 1),
    )
    return tuple(int(count) for count in counted)


def _costs_by_operation(pairs: list[tuple[int, int]], of_row: Ints, kinds: NDArray[np.int16]) -> dict[str, Ints]:
    of_graphs = [graph_costs(*pair) for pair in pairs]
    found = {}
    for name, operations in COSTS.items():
        found[f"{name}_fixed"] = np.array([getattr(fixed, name) for fixed, _ in of_graphs], np.int64)[of_row]
        choices = np.zeros((len(pairs), len(kinds), len(NAMES)), np.int64)
        for row, (_, by_operation) in enumerate(of_graphs):
            for position, options in enumerate(by_operation):
                choices[row, position] = [getattr(cost, name) for cost in options]
        for operation, label in enumerate(operations):
            found[f"{name}_{label}"] = _summed(choices[:, :, operation], of_row, kinds == operation)
    return found


def _channels(pairs: list[tuple[int, int]], of_row: Ints, kinds: NDArray[np.int16]) -> dict[str, Ints]:
    wide = np.zeros((len(pairs), len(kinds)), np.int64)
    for row, pair in enumerate(pairs):
        inner = vertex_channels(STEM_CHANNELS, STEM_CHANNELS, adjacency(*pair))[1:-1]
        wide[row, : len(inner)] = inner
    return {f"channels_{label}": _summed(wide, of_row, kinds == number) for number, label in enumerate(NAMES)}


def _summed(by_position: Ints, of_row: Ints, chosen: NDArray[np.bool_]) -> Ints:
    """Sums over the interior positions that are chosen, without a table of all rows and positions."""
    total = np.zeros(len(of_row), np.int64)
    for position, here in enumerate(chosen):
        total += np.where(here, by_position[of_row, position], 0)
    return total


def _paths(vertices: int, edge_bits: int) -> int:
    ways = [1]
    for taken_from in predecessors(vertices, edge_bits)[1:]:
        ways.append(sum(ways[x] for x in taken_from))
    return ways[-1]


def _shortest_path(vertices: int, edge_bits: int) -> int:
    steps = [0]
    for taken_from in predecessors(vertices, edge_bits)[1:]:
        steps.append(1 + min(steps[x] for x in taken_from))
    return steps[-1]


def _padded(vertices: int, edge_bits: int) -> NDArray[np.bool_]:
    """The adjacency matrix among as many vertices as a cell can have."""
    matrix = np.zeros((MAX_VERTICES, MAX_VERTICES), bool)
    matrix[:vertices, :vertices] = adjacency(vertices, edge_bits)
    return matrix


def kinds_at_vertices(vertices: NDArray[np.int8], kinds: NDArray[np.int16]) -> NDArray[np.int16]:
    """The kind of every vertex, shape (7, cells), by its place in ``_KINDS``; -1 past a cell's last."""
    at_vertex = np.full((MAX_VERTICES, len(vertices)), -1, np.int16)
    at_vertex[0] = _INPUT
    at_vertex[1:-1] = np.where(kinds == NO_VERTEX, -1, kinds)
    at_vertex[vertices.astype(np.int64) - 1, np.arange(len(vertices))] = _OUTPUT
    return at_vertex


def _convolutions_in_line(edges: NDArray[np.bool_], at_vertex: NDArray[np.int16]) -> Ints:
    own = (at_vertex >= 0) & (at_vertex < len(CONVOLUTIONS))
    most = np.zeros(at_vertex.shape, np.int64)
    for y in range(1, MAX_VERTICES):
        before = np.max([np.where(edges[:, x, y], most[x], 0) for x in range(y)], axis=0)
        most[y] = before + own[y]
    longest: Ints = most.max(axis=0)
    return longest


def _edges_by_kinds(edges: NDArray[np.bool_], at_vertex: NDArray[np.int16]) -> dict[str, Ints]:
    found = {
        f"edges_{_KINDS[a]}_{_KINDS[b]}": np.zeros(len(edges), np.int64)
        for a in (_INPUT, *range(len(NAMES)))
        for b in (*range(len(NAMES)), _OUTPUT)
    }
    for y in range(1, MAX_VERTICES):
        for x in range(y):
            for a in (_INPUT, *range(len(NAMES))):
                here = edges[:, x, y] & (at_vertex[x] == a)
                for b in (*range(len(NAMES)), _OUTPUT):
                    found[f"edges_{_KINDS[a]}_{_KINDS[b]}"] += here & (at_vertex[y] == b)
    return found
