"""Where the vertices and edges of a cell stand: layers from left to right, few crossings, no edge through a box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise, permutations

from ecnas_core.cells import graph

Point = tuple[float, float]

_CROSSING = 1e6
_ROUNDS = 60


@dataclass(frozen=True)
class Sizes:
    """Lengths of a drawing in pixels.

    `lane` is the distance of an edge that passes a layer from a box or from another such edge; `port` that of two
    edges that end at the same side of a box.
    """

    box_width: float
    terminal_width: float
    box_height: float
    column_gap: float
    row_gap: float
    lane: float
    port: float


@dataclass(frozen=True)
class Box:
    """The box of a vertex, by its left upper corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Vertical middle."""
        return self.top + self.height / 2


@dataclass(frozen=True)
class Route:
    """The way of the edge `source` -> `target`.

    `points` come in pairs: a curve with level ends leads through a gap from the first to the second of a pair, a level
    line through a layer from there to the first of the next.
    """

    source: int
    target: int
    points: tuple[Point, ...]

    @property
    def curves(self) -> tuple[tuple[Point, Point], ...]:
        """Ends of the curves, from left to right."""
        return tuple(zip(self.points[::2], self.points[1::2], strict=True))


@dataclass(frozen=True)
class Layout:
    """A laid out cell; its boxes and routes lie within `width` x `height` pixels."""

    width: float
    height: float
    layers: tuple[int, ...]
    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]


def point_on_curve(start: Point, end: Point, t: float) -> Point:
    """Return the point at `t` (0 to 1) of a route's Bezier curve, whose control points lie level, half-way across."""
    (x0, y0), (x1, y1) = start, end
    middle = (x0 + x1) / 2
    return (
        (1 - t) ** 3 * x0 + 3 * t * (1 - t) * middle + t**3 * x1,
        (1 - t) ** 2 * (1 + 2 * t) * y0 + t**2 * (3 - 2 * t) * y1,
    )


@lru_cache(maxsize=4096)
def lay_out(vertices: int, edge_bits: int, sizes: Sizes) -> Layout:
    """Place a pruned graph: input left, output right, a vertex in the layer of its longest path from the input.

    An edge that skips layers passes each in a lane of its own. Of all orders of boxes and lanes within the layers the
    one with the fewest crossings is taken, and of those the straightest. A box alone in its layer stands on the axis.

    Args:
        vertices: Number of vertices, 2..7.
        edge_bits: The pruned graph.
        sizes: Lengths in pixels.
    """
    level = graph.levels(vertices, edge_bits)
    feeds = graph.successors(vertices, edge_bits)
    layers: list[list[int]] = [[v for v in range(vertices) if level[v] == depth] for depth in range(level[-1] + 1)]
    chains = {(x, y): [x, y] for x in range(vertices) for y in feeds[x]}
    lanes = vertices
    for (x, y), chain in chains.items():
        for depth in range(level[x] + 1, level[y]):
            layers[depth].append(lanes)
            chain.insert(-1, lanes)
            lanes += 1
    links = [link for chain in chains.values() for link in pairwise(chain)]

    rows = _Rows(vertices, sizes)
    heights = rows.straighten(_order(layers, links, rows), links)

    widths = [sizes.terminal_width if depth in (0, level[-1]) else sizes.box_width for depth in range(len(layers))]
    lefts = [sum(widths[:depth]) + depth * sizes.column_gap for depth in range(len(layers))]
    tops = [heights[v] - sizes.box_height / 2 for v in range(vertices)]
    top = min([*tops, *heights.values()])
    bottom = max([heights[v] + sizes.box_height / 2 for v in range(vertices)] + list(heights.values()))
    boxes = tuple(Box(lefts[level[v]], tops[v] - top, widths[level[v]], sizes.box_height) for v in range(vertices))
    leaving = _ports([(chain[0], heights[chain[1]], chain) for chain in chains.values()], heights, sizes)
    arriving = _ports([(chain[-1], heights[chain[-2]], chain) for chain in chains.values()], heights, sizes)
    routes = []
    for edge, chain in chains.items():
        x, y = edge
        points = [(boxes[x].left + boxes[x].width, heights[x] + leaving[edge] - top)]
        for depth, lane in enumerate(chain[1:-1], start=level[x] + 1):
            height = heights[lane] - top
            points += [(lefts[depth], height), (lefts[depth] + widths[depth], height)]
        points.append((boxes[y].left, heights[y] + arriving[edge] - top))
        routes.append(Route(x, y, tuple(points)))
    return Layout(lefts[-1] + widths[-1], bottom - top, level, boxes, tuple(routes))


@dataclass(frozen=True)
class _Rows:
    """Heights within layers; a node below `vertices` is a box, else a lane."""

    vertices: int
    sizes: Sizes

    def heights(self, order: Sequence[int]) -> dict[int, float]:
        """Pack a layer around the axis, or around its only box."""
        offsets = self._offsets(order)
        boxes = [i for i, node in enumerate(order) if node < self.vertices]
        axis = offsets[boxes[0]] if len(boxes) == 1 else offsets[-1] / 2
        return {node: offset - axis for node, offset in zip(order, offsets, strict=True)}

    def weight(self, x: int, y: int) -> float:
        """Return how much a link wants to be level: an edge along its lanes most of all."""
        return (1.0, 0.5, 500.0)[(x >= self.vertices) + (y >= self.vertices)]

    def straighten(self, orders: Sequence[Sequence[int]], links: Iterable[tuple[int, int]]) -> dict[int, float]:
        """Move boxes and lanes towards their neighbours as far as the orders and distances allow."""
        heights = {node: height for order in orders for node, height in self.heights(order).items()}
        neighbours: dict[int, list[tuple[int, float]]] = {node: [] for node in heights}
        for x, y in links:
            neighbours[x].append((y, self.weight(x, y)))
            neighbours[y].append((x, self.weight(x, y)))
        for sweep in range(_ROUNDS):
            for order in orders if sweep % 2 else reversed(orders):
                boxes = [node for node in order if node < self.vertices]
                wishes, weights = [], []
                for node in order:
                    weight = sum(w for _, w in neighbours[node])
                    wishes.append(sum(w * heights[other] for other, w in neighbours[node]) / weight)
                    weights.append(weight)
                    if boxes == [node]:
                        wishes[-1], weights[-1] = 0.0, _CROSSING
                offsets = self._offsets(order)
                shifts = _isotonic([w - o for w, o in zip(wishes, offsets, strict=True)], weights)
                heights.update({n: s + o for n, s, o in zip(order, shifts, offsets, strict=True)})
        return {node: round(height, 3) for node, height in heights.items()}

    def _offsets(self, order: Sequence[int]) -> list[float]:
        offsets = [0.0]
        for above, below in pairwise(order):
            boxes = (above < self.vertices) + (below < self.vertices)
            lane = self.sizes.lane
            distance = (lane, self.sizes.box_height / 2 + lane, self.sizes.box_height + self.sizes.row_gap)[boxes]
            offsets.append(offsets[-1] + distance)
        return offsets


def _order(layers: Sequence[Sequence[int]], links: Iterable[tuple[int, int]], rows: _Rows) -> list[tuple[int, ...]]:
    """Find the orders within the layers with the least total cost, by dynamic programming from layer to layer."""
    into: dict[int, list[tuple[int, int]]] = {}
    depth_of = {node: depth for depth, layer in enumerate(layers) for node in layer}
    for x, y in links:
        into.setdefault(depth_of[y], []).append((x, y))
    best: dict[tuple[int, ...], tuple[float, list[tuple[int, ...]]]] = {tuple(layers[0]): (0.0, [tuple(layers[0])])}
    for depth, layer in enumerate(layers[1:], start=1):
        packed = [(order, cost, path, rows.heights(order)) for order, (cost, path) in best.items()]
        best = {}
        for order in permutations(layer):
            here = rows.heights(order)
            cost, path = min(
                ((cost + _cost(into[depth], before, here, rows), path) for _, cost, path, before in packed),
                key=lambda found: found[0],
            )
            best[order] = cost, [*path, order]
    return min(best.values(), key=lambda found: found[0])[1]


def _cost(links: Sequence[tuple[int, int]], left: dict[int, float], right: dict[int, float], rows: _Rows) -> float:
    spans = [(left[x], right[y]) for x, y in links]
    crossings = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(spans, 2))
    bends = sum(rows.weight(x, y) * (left[x] - right[y]) ** 2 for x, y in links)
    return crossings * _CROSSING + bends


def _isotonic(wishes: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the non-decreasing numbers nearest to the wishes in weighted squares, by pooling adjacent violators."""
    blocks: list[tuple[float, float, int]] = []
    for wish, weight in zip(wishes, weights, strict=True):
        block = (wish, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            mean, mass, count = blocks.pop()
            total = mass + block[1]
            block = ((mean * mass + block[0] * block[1]) / total, total, count + block[2])
        blocks.append(block)
    return [mean for mean, _, count in blocks for _ in range(count)]


def _ports(
    ends: Iterable[tuple[int, float, Sequence[int]]], heights: dict[int, float], sizes: Sizes
) -> dict[tuple[int, int], float]:
    """Return how far from the middle of its box each edge ends: a level one in the middle, others above and below."""
    sides: dict[int, list[tuple[float, tuple[int, int]]]] = {}
    for box, height, chain in ends:
        sides.setdefault(box, []).append((height - heights[box], (chain[0], chain[-1])))
    offsets = {}
    for side in sides.values():
        side.sort()
        level = [rank for rank, (rise, _) in enumerate(side) if abs(rise) < 1]
        centre = level[0] if level else (len(side) - 1) / 2
        furthest = max(centre, len(side) - 1 - centre, 1)
        step = min(sizes.port, (sizes.box_height / 2 - sizes.port / 2) / furthest)
        offsets.update({edge: (rank - centre) * step for rank, (_, edge) in enumerate(side)})
    return offsets
