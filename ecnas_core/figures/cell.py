"""The drawing of a cell, the same everywhere: input left, output right, layers by longest path."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from xml.etree import ElementTree

from ecnas_core.cells import OPERATIONS, Cell, graph
from ecnas_core.figures import theme
from ecnas_core.figures.cell_layout import Box, Layout, Point, Route, Sizes, lay_out, point_on_curve
from ecnas_core.templating import render

_LABELS = dict(zip(OPERATIONS, ("3×3", "1×1", "pool"), strict=True)) | {"input": "in", "output": "out"}
_NAMES = dict(zip(OPERATIONS, ("3×3 convolution", "1×1 convolution", "3×3 max-pool"), strict=True)) | {
    "input": "input",
    "output": "output",
}
_TERMINALS = ("input", "output")

_PADDING = 6.0
_GAPS = (26.0, 60.0)
_ARROW = 6.0
_DIGIT_WIDTH = 5.4
_LABEL_HEIGHT = 11.0
_SHORTEST_LINE = 8.0
_LABEL_PLACES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26)

_THUMBNAIL = Sizes(box_width=13, terminal_width=7, box_height=13, column_gap=11, row_gap=4, lane=4.5, port=2.5)
_THUMBNAIL_SIZE = (150.0, 46.0)


def cell_svg(
    cell: Cell, dark: bool = False, width: float = 420, height: float | None = None, title: str | None = None
) -> str:
    """Draw a cell as one standalone, accessible SVG element on one line.

    Boxes are operations. Where there is room, an edge carries the number of channels that it brings to its target in
    the first cell of the network, whose input has 128; hovering an edge or a box tells more. Dashed edges, those from
    the input, pass a 1×1 convolution that projects the channels.

    Args:
        cell: The cell.
        dark: Whether it stands on the dark background.
        width: Width in pixels; it shrinks where the page is narrower.
        height: Height in pixels, in the middle of which the cell stands; as high as the cell if not given.
        title: The accessible name; the cell's text form if not given.
    """
    layout = lay_out(cell.vertices, cell.edge_bits, _sizes(cell, width))
    view_width = max(width, layout.width + 2 * _PADDING)
    view_height = max(height or 0.0, layout.height + 2 * _PADDING)
    name = " ".join((title or cell.to_text()).split())
    svg = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "role": "img",
            "aria-label": f"{name}. {describe(cell)}",
            "width": _number(width),
            "height": _number(view_height * width / view_width),
            "viewBox": f"0 0 {_number(view_width)} {_number(view_height)}",
            "style": "max-width:100%;height:auto",
            "font-family": theme.FONT.replace('"', "'"),
        },
    )
    ElementTree.SubElement(svg, "title").text = name
    ElementTree.SubElement(svg, "desc").text = describe(cell)
    left, top = (view_width - layout.width) / 2, (view_height - layout.height) / 2
    drawing = ElementTree.SubElement(svg, "g", {"transform": f"translate({_number(left)} {_number(top)})"})
    for route in layout.routes:
        drawing.append(_edge(cell, route, dark))
    for vertex, box in enumerate(layout.boxes):
        drawing.append(_box(cell, vertex, box, dark))
    for route, (x, y) in _label_places(cell, layout):
        drawing.append(_label(str(cell.channels[_narrow_end(cell, route)]), x, y, dark))
    return ElementTree.tostring(svg, encoding="unicode")


def cell_thumbnail(cell: Cell, dark: bool = False) -> str:
    """Draw a cell small and without text, for a column of images in a table.

    Args:
        cell: The cell.
        dark: Whether it stands on the dark background.

    Returns:
        A data URI of an SVG image.
    """
    layout = lay_out(cell.vertices, cell.edge_bits, _THUMBNAIL)
    width, height = _THUMBNAIL_SIZE
    scale = max(1, (layout.height + 2) / height)
    left, top = (width * scale - layout.width) / 2, (height * scale - layout.height) / 2
    svg = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": _number(width),
            "height": _number(height),
            "viewBox": f"0 0 {_number(width * scale)} {_number(height * scale)}",
        },
    )
    drawing = ElementTree.SubElement(svg, "g", {"transform": f"translate({_number(left)} {_number(top)})"})
    for route in layout.routes:
        line = {"d": _path(route), "fill": "none", "stroke": theme.palette(dark).muted, "stroke-width": "1.2"}
        ElementTree.SubElement(drawing, "path", line)
    for box, operation in zip(layout.boxes, cell.ops, strict=True):
        drawing.append(_shape(box, operation, dark))
    return "data:image/svg+xml;base64," + b64encode(ElementTree.tostring(svg)).decode()


def operations_legend(dark: bool = False) -> str:
    """Return the key to the drawings as one line of HTML: a swatch an operation, a dashed line for projections.

    Args:
        dark: Whether it stands on the dark background.
    """
    return render(
        "ecnas_core/figures/templates/operations_legend.html.j2",
        operations=[(_NAMES[operation], theme.OPERATIONS[operation]) for operation in OPERATIONS],
        line=theme.palette(dark).muted,
    )


def describe(cell: Cell) -> str:
    """Say a cell in words, such as "Input feeds 3×3 convolution 1; 3×3 convolution 1 feeds output."."""
    names = [
        _NAMES[operation] if operation in _TERMINALS else f"{_NAMES[operation]} {vertex}"
        for vertex, operation in enumerate(cell.ops)
    ]
    feeds = graph.successors(cell.vertices, cell.edge_bits)
    sentence = "; ".join(f"{names[x]} feeds {', '.join(names[y] for y in fed)}" for x, fed in enumerate(feeds) if fed)
    return sentence[0].upper() + sentence[1:] + "."


def _sizes(cell: Cell, width: float) -> Sizes:
    box_width, terminal_width = 37.0, 28.0
    boxes = 2 * terminal_width + (cell.depth - 1) * box_width
    gap = (width - 2 * _PADDING - boxes) / cell.depth
    return Sizes(
        box_width=box_width,
        terminal_width=terminal_width,
        box_height=26,
        column_gap=min(max(gap, _GAPS[0]), _GAPS[1]),
        row_gap=14,
        lane=13,
        port=6,
    )


def _edge(cell: Cell, route: Route, dark: bool) -> ElementTree.Element:
    color = theme.palette(dark).muted
    group = ElementTree.Element("g", {"class": "edge"})
    ElementTree.SubElement(group, "title").text = _edge_title(cell, route)
    path = _path(route, short=_ARROW - 1)
    ElementTree.SubElement(group, "path", {"d": path, "fill": "none", "stroke": "transparent", "stroke-width": "10"})
    line = {"d": path, "fill": "none", "stroke": color, "stroke-width": "1.5"}
    if route.source == 0:
        line["stroke-dasharray"] = "4 3"
    ElementTree.SubElement(group, "path", line)
    x, y = route.points[-1]
    arrow = f"M{_number(x)} {_number(y)}l{-_ARROW} {-_ARROW / 2}v{_ARROW}z"
    ElementTree.SubElement(group, "path", {"d": arrow, "fill": color})
    return group


def _box(cell: Cell, vertex: int, box: Box, dark: bool) -> ElementTree.Element:
    operation = cell.ops[vertex]
    terminal = operation in _TERMINALS
    group = ElementTree.Element("g", {"class": "vertex"})
    ElementTree.SubElement(group, "title").text = _vertex_title(cell, vertex)
    group.append(_shape(box, operation, dark))
    style = {
        "x": _number(box.left + box.width / 2),
        "y": _number(box.middle + 4.2),
        "text-anchor": "middle",
        "font-size": "12",
        "font-weight": "400" if terminal else "600",
        "fill": theme.palette(dark).text if terminal else theme.readable_on(theme.OPERATIONS[operation]),
    }
    ElementTree.SubElement(group, "text", style).text = _LABELS[operation]
    corner = {"x": _number(box.left + 3.5), "y": _number(box.top + 8.5), "text-anchor": "start", "font-size": "7.5"}
    if terminal:
        corner |= {"x": _number(box.left + box.width / 2), "text-anchor": "middle"}
    ElementTree.SubElement(group, "text", style | corner | {"class": "number"}).text = str(vertex)
    return group


def _shape(box: Box, operation: str, dark: bool) -> ElementTree.Element:
    terminal = operation in _TERMINALS
    colors = theme.palette(dark)
    shape = {
        "x": _number(box.left),
        "y": _number(box.top),
        "width": _number(box.width),
        "height": _number(box.height),
        "rx": _number(box.height / 2 if terminal else box.height / 4),
        "fill": colors.surface if terminal else theme.OPERATIONS[operation],
    }
    if terminal:
        shape |= {"stroke": colors.muted, "stroke-width": "1"}
    return ElementTree.Element("rect", shape)


def _label(text: str, x: float, y: float, dark: bool) -> ElementTree.Element:
    colors = theme.palette(dark)
    style = {
        "class": "channels",
        "x": _number(x),
        "y": _number(y + 3.3),
        "text-anchor": "middle",
        "font-size": "9.5",
        "fill": colors.muted,
        "stroke": colors.paper,
        "stroke-width": "3",
        "paint-order": "stroke",
        "pointer-events": "none",
        "aria-hidden": "true",
    }
    label = ElementTree.Element("text", style)
    label.text = text
    return label


def _narrow_end(cell: Cell, route: Route) -> int:
    """Return the vertex whose channels the edge delivers: the target's, but the output concatenates its sources."""
    return route.source if route.source > 0 and route.target == cell.vertices - 1 else route.target


def _edge_title(cell: Cell, route: Route) -> str:
    source, target = _NAMES[cell.ops[route.source]], _NAMES[cell.ops[route.target]]
    given, taken = cell.channels[route.source], cell.channels[_narrow_end(cell, route)]
    if route.source == 0:
        how = f"{given} channels projected to {taken} by a 1×1 convolution"
    elif taken < given:
        how = f"the first {taken} of {given} channels"
    else:
        how = f"{taken} channels"
    return f"{source} → {target}: {how}"


def _vertex_title(cell: Cell, vertex: int) -> str:
    sources = graph.predecessors(cell.vertices, cell.edge_bits)[vertex]
    channels = cell.channels[vertex]
    if cell.ops[vertex] == "input":
        return f"input: {channels} channels"
    if cell.ops[vertex] == "output":
        joined = " + ".join(str(cell.channels[source]) for source in sources if source)
        parts = [f"concatenation of {joined}"] if "+" in joined else []
        parts += ["sum with the projected input"] if joined and 0 in sources else []
        return "; ".join([f"output: {channels} channels", *parts])
    inputs = f" on the sum of {len(sources)} inputs" if len(sources) > 1 else ""
    return f"{_NAMES[cell.ops[vertex]]}{inputs}: {channels} channels"


def _path(route: Route, short: float = 0.0) -> str:
    """Return the path of a route, ending `short` pixels before the target."""
    (x, y), *_ = route.points
    path = f"M{_number(x)} {_number(y)}"
    for number, ((x0, y0), (x1, y1)) in enumerate(route.curves):
        last = number == len(route.curves) - 1
        end = x1 - short if last else x1
        middle = _number((x0 + end) / 2)
        if number:
            path += f"H{_number(x0)}"
        path += f"C{middle} {_number(y0)} {middle} {_number(y1)} {_number(end)} {_number(y1)}"
    return path


def _label_places(cell: Cell, layout: Layout) -> Iterator[tuple[Route, Point]]:
    """Find where numbers have room on their edges, free of boxes, other edges and other numbers."""
    placed: list[tuple[float, float, float, float]] = []
    samples = {route: list(_samples(route)) for route in layout.routes}
    for route in layout.routes:
        half = len(str(cell.channels[_narrow_end(cell, route)])) * _DIGIT_WIDTH / 2 + 1
        others = [point for other, points in samples.items() if other is not route for point in points]
        for x, y in _candidates(route, half):
            area = (x - half, y - _LABEL_HEIGHT / 2, x + half, y + _LABEL_HEIGHT / 2)
            clear = (
                area[0] > route.points[0][0]
                and area[2] < route.points[-1][0] - _ARROW / 2
                and not any(_inside(point, area) for point in others)
                and not any(_overlap(area, other) for other in placed)
                and not any(_overlap(area, (b.left, b.top, b.left + b.width, b.top + b.height)) for b in layout.boxes)
            )
            if clear:
                placed.append(area)
                yield route, (x, y)
                break


def _candidates(route: Route, half: float) -> Iterator[Point]:
    """Places for a number `2 * half` wide: on a lane, above a short level line, else on a curve."""
    lanes = list(zip(route.points[1:-1:2], route.points[2::2], strict=True))
    yield from (((x0 + x1) / 2, y) for (x0, y), (x1, _) in sorted(lanes, key=lambda lane: lane[0][0] - lane[1][0]))
    for (x0, y0), (x1, y1) in route.curves:
        if abs(y0 - y1) < 1 and x1 - x0 < 2 * half + _ARROW + 2 * _SHORTEST_LINE:
            yield (x0 + x1) / 2, y0 - _LABEL_HEIGHT / 2 - 1.5
    for place in _LABEL_PLACES:
        yield from (point_on_curve(start, end, place) for start, end in route.curves)


def _samples(route: Route) -> Iterator[Point]:
    for start, end in route.curves:
        yield from (point_on_curve(start, end, step / 24) for step in range(25))
    for (x0, y), (x1, _) in zip(route.points[1:-1:2], route.points[2::2], strict=True):
        yield from ((x0 + (x1 - x0) * step / 12, y) for step in range(13))


def _inside(point: Point, area: tuple[float, float, float, float]) -> bool:
    return area[0] <= point[0] <= area[2] and area[1] <= point[1] <= area[3]


def _overlap(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
