"""Upper-triangular graphs as bits: bit x + y(y-1)/2 is the edge x -> y, x < y.

So the bits of the edges into y, its predecessors, stand together: a mask of y bits that begins at y(y-1)/2.
Vertex 0 is the input, the last vertex the output. Functions that are cached are for pruned graphs, of which
there are few; `prune` takes graphs of any size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

Matrix = tuple[tuple[int, ...], ...]


def edge_bit(x: int, y: int) -> int:
    """Return the bit, as a number with that one bit set, of the edge x -> y (x < y)."""
    return 1 << (x + y * (y - 1) // 2)


def bits_of(edges: Iterable[tuple[int, int]]) -> int:
    """Return the edge bits of pairs (x, y), x < y."""
    return sum(edge_bit(x, y) for x, y in set(edges))


def predecessor_masks(vertices: int, edge_bits: int) -> list[int]:
    """Return for every vertex y the mask of the x with an edge x -> y."""
    return [edge_bits >> (y * (y - 1) // 2) & ((1 << y) - 1) for y in range(vertices)]


def prune(vertices: int, edge_bits: int) -> tuple[tuple[int, ...], int]:
    """Drop the vertices that lie on no path from input to output.

    Args:
        vertices: number of vertices, at least 2.
        edge_bits: the graph.

    Returns:
        The vertices kept, ascending, and the edge bits among them renumbered 0, 1, ...; no vertex and no edge
        if the output cannot be reached.
    """
    masks = predecessor_masks(vertices, edge_bits)
    from_input = 1
    for y in range(1, vertices):
        if masks[y] & from_input:
            from_input |= 1 << y
    to_output = 1 << (vertices - 1)
    for y in reversed(range(vertices)):
        if to_output >> y & 1:
            to_output |= masks[y]
    on_path = from_input & to_output
    if on_path == (1 << vertices) - 1:
        return tuple(range(vertices)), edge_bits
    if not on_path & 1:
        return (), 0
    kept = tuple(v for v in range(vertices) if on_path >> v & 1)
    pruned = bits_of((x, y) for y in range(len(kept)) for x in range(y) if masks[kept[y]] >> kept[x] & 1)
    return kept, pruned


@cache
def predecessors(vertices: int, edge_bits: int) -> Matrix:
    """Return for every vertex the vertices that it takes from, ascending."""
    masks = predecessor_masks(vertices, edge_bits)
    return tuple(tuple(x for x in range(y) if masks[y] >> x & 1) for y in range(vertices))


@cache
def successors(vertices: int, edge_bits: int) -> Matrix:
    """Return for every vertex the vertices that it feeds, ascending."""
    taken_from = predecessors(vertices, edge_bits)
    return tuple(tuple(y for y in range(vertices) if x in taken_from[y]) for x in range(vertices))


@cache
def adjacency(vertices: int, edge_bits: int) -> Matrix:
    """Return the matrix of 0 and 1, rows the sources."""
    feeds = successors(vertices, edge_bits)
    return tuple(tuple(int(y in feeds[x]) for y in range(vertices)) for x in range(vertices))


@cache
def levels(vertices: int, edge_bits: int) -> tuple[int, ...]:
    """Return for every vertex of a pruned graph the number of edges on the longest path to it from the input."""
    level = [0]
    for taken_from in predecessors(vertices, edge_bits)[1:]:
        level.append(1 + max(level[x] for x in taken_from))
    return tuple(level)


def depth(vertices: int, edge_bits: int) -> int:
    """Return the number of edges on the longest path from input to output."""
    return levels(vertices, edge_bits)[-1]


def width(vertices: int, edge_bits: int) -> int:
    """Return the largest number of interior vertices on one level; 0 where there are none."""
    return max(Counter(levels(vertices, edge_bits)[1:-1]).values(), default=0)
