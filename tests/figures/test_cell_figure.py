from __future__ import annotations

import re
from base64 import b64decode
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ecnas_core.cells import Cell, InvalidCell, graph
from ecnas_core.figures import theme
from ecnas_core.figures.cell import cell_svg, cell_thumbnail, describe, operations_legend
from ecnas_core.figures.cell_layout import Layout, Sizes, lay_out, point_on_curve

SVG = "{http://www.w3.org/2000/svg}"
SIZES = Sizes(box_width=40, terminal_width=30, box_height=26, column_gap=24, row_gap=14, lane=13, port=6)

DIRECT = Cell.from_text("1=output(0)")
CHAIN = Cell.from_text("1=conv3x3(0) 2=conv1x1(1) 3=maxpool3x3(2) 4=conv3x3(3) 5=conv3x3(4) 6=output(5)")
PARALLEL = Cell.from_text("1=conv3x3(0) 2=conv1x1(0) 3=maxpool3x3(0) 4=conv3x3(0) 5=output(0,1,2,3,4)")
SKIPS = Cell.from_text("1=conv3x3(0) 2=conv3x3(0,1) 3=conv3x3(0,2) 4=conv3x3(0,3) 5=output(0,4)")
NINE_EDGES = Cell.from_text("1=conv1x1(0) 2=maxpool3x3(1) 3=conv1x1(0) 4=conv1x1(2,3) 5=maxpool3x3(1,4) 6=output(2,5)")
SUM_AND_JOIN = Cell.from_text("1=conv3x3(0) 2=maxpool3x3(0,1) 3=output(0,1,2)")
CELLS = [DIRECT, CHAIN, PARALLEL, SKIPS, NINE_EDGES, SUM_AND_JOIN]


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    vertices = draw(st.integers(2, 7))
    ops = draw(st.text("012", min_size=vertices - 2, max_size=vertices - 2))
    bits = draw(st.integers(1, 2 ** (vertices * (vertices - 1) // 2) - 1))
    try:
        return Cell.from_bits(vertices, bits, ops)
    except InvalidCell:
        assume(False)
        raise


def laid_out(cell: Cell) -> Layout:
    return lay_out(cell.vertices, cell.edge_bits, SIZES)


def crossings(layout: Layout) -> int:
    """Pairs of curves in the same gap that swap sides."""
    curves = [curve for route in layout.routes for curve in route.curves]
    return sum(
        one[0][0] == two[0][0] and (one[0][1] - two[0][1]) * (one[1][1] - two[1][1]) < 0
        for one, two in combinations(curves, 2)
    )


@given(cells())
def test_layouts(cell: Cell) -> None:
    layout = laid_out(cell)
    every_vertex_and_edge_is_laid_out_in_its_layer(cell, layout)
    boxes_keep_apart_and_inside(layout)
    edges_start_and_end_at_their_boxes_and_pass_no_other(layout)


def every_vertex_and_edge_is_laid_out_in_its_layer(cell: Cell, layout: Layout) -> None:
    assert len(layout.boxes) == cell.vertices
    assert sorted((route.source, route.target) for route in layout.routes) == [
        (x, y) for x, row in enumerate(cell.matrix) for y, fed in enumerate(row) if fed
    ]
    assert layout.layers == graph.levels(cell.vertices, cell.edge_bits)
    lefts = sorted({box.left for box in layout.boxes})
    assert [lefts.index(box.left) for box in layout.boxes] == list(layout.layers)


def boxes_keep_apart_and_inside(layout: Layout) -> None:
    for one, two in combinations(layout.boxes, 2):
        if one.left == two.left:
            assert abs(one.top - two.top) >= SIZES.box_height + SIZES.row_gap - 0.01
    for box in layout.boxes:
        assert box.left >= 0
        assert box.left + box.width <= layout.width
        assert -0.01 <= box.top <= layout.height - box.height + 0.01


def edges_start_and_end_at_their_boxes_and_pass_no_other(layout: Layout) -> None:
    for route in layout.routes:
        source, target = layout.boxes[route.source], layout.boxes[route.target]
        assert route.points[0][0] == source.left + source.width
        assert route.points[-1][0] == target.left
        assert source.top < route.points[0][1] < source.top + source.height
        assert target.top < route.points[-1][1] < target.top + target.height
        way = [point_on_curve(start, end, step / 50) for start, end in route.curves for step in range(51)]
        assert [x for x, _ in way] == sorted(x for x, _ in way)
        for number, box in enumerate(layout.boxes):
            if number not in (route.source, route.target):
                # A level line within a layer lies between the ends of two curves, which are in `way`.
                columns = [y for x, y in way if box.left - 0.01 <= x <= box.left + box.width + 0.01]
                assert all(not box.top - 5 < y < box.top + box.height + 5 for y in columns)


def test_known_layouts() -> None:
    assert laid_out(DIRECT).layers == (0, 1)
    assert laid_out(CHAIN).layers == (0, 1, 2, 3, 4, 5, 6)
    assert laid_out(CHAIN).height == SIZES.box_height
    assert laid_out(PARALLEL).layers == (0, 1, 1, 1, 1, 2)
    assert len({box.middle for box in laid_out(SKIPS).boxes}) == 1
    assert [crossings(laid_out(cell)) for cell in (DIRECT, CHAIN, PARALLEL, SKIPS)] == [0, 0, 0, 0]
    twisted = Cell.from_text("1=conv3x3(0) 2=conv3x3(0) 3=conv3x3(1,2) 4=conv3x3(1,2) 5=output(3,4)")
    assert crossings(laid_out(twisted)) == 1


@given(cells(), st.booleans(), st.sampled_from([160, 420, 900]))
def test_the_drawing_has_every_vertex_and_edge(cell: Cell, dark: bool, width: int) -> None:
    text = cell_svg(cell, dark, width)
    svg = ElementTree.fromstring(text)
    assert "\n" not in text
    assert svg.get("role") == "img"
    assert svg.find(f"{SVG}title").text == cell.to_text()
    assert svg.find(f"{SVG}desc").text == describe(cell)
    vertices = [g for g in svg.iter(f"{SVG}g") if g.get("class") == "vertex"]
    edges = [g for g in svg.iter(f"{SVG}g") if g.get("class") == "edge"]
    labels = {"conv3x3-bn-relu": "3×3", "conv1x1-bn-relu": "1×1", "maxpool3x3": "pool", "input": "in", "output": "out"}
    assert [g.find(f"{SVG}text").text for g in vertices] == [labels[operation] for operation in cell.ops]
    assert [g.find(f"{SVG}rect").get("fill") for g in vertices[1:-1]] == [theme.OPERATIONS[op] for op in cell.ops[1:-1]]
    assert len(edges) == cell.edges
    assert all(g.find(f"{SVG}title").text for g in (*vertices, *edges))
    dashed = [line for line in svg.iter(f"{SVG}path") if line.get("stroke-dasharray")]
    assert len(dashed) == sum(cell.matrix[0])
    _, _, view_width, view_height = map(float, svg.get("viewBox").split())
    assert view_width >= width
    assert float(svg.get("height")) == pytest.approx(view_height * width / view_width, abs=0.02)


def test_titles_tell_the_channels() -> None:
    svg = ElementTree.fromstring(cell_svg(SUM_AND_JOIN))
    assert [title.text for title in svg.iter(f"{SVG}title")][1:] == [
        "input → 3×3 convolution: 128 channels projected to 64 by a 1×1 convolution",
        "input → 3×3 max-pool: 128 channels projected to 64 by a 1×1 convolution",
        "input → output: 128 channels projected to 128 by a 1×1 convolution",
        "3×3 convolution → 3×3 max-pool: 64 channels",
        "3×3 convolution → output: 64 channels",
        "3×3 max-pool → output: 64 channels",
        "input: 128 channels",
        "3×3 convolution: 64 channels",
        "3×3 max-pool on the sum of 2 inputs: 64 channels",
        "output: 128 channels; concatenation of 64 + 64; sum with the projected input",
    ]
    numbers = [text.text for text in svg.iter(f"{SVG}text") if text.get("class") == "channels"]
    assert numbers == ["64", "64", "128", "64", "64", "64"]


def test_an_edge_that_drops_channels_says_so() -> None:
    cell = Cell.from_text("1=conv3x3(0) 2=conv3x3(1) 3=conv3x3(1) 4=conv3x3(1) 5=output(2,3,4)")
    assert cell.channels == (128, 43, 43, 43, 42, 128)
    assert "3×3 convolution → 3×3 convolution: the first 42 of 43 channels" in cell_svg(cell)


def test_a_title_is_escaped_and_kept_on_one_line() -> None:
    hostile = "<script>alert('&')</script>\n\n\"# x\""
    text = cell_svg(DIRECT, title=hostile)
    assert "<script" not in text
    assert "\n" not in text
    svg = ElementTree.fromstring(text)
    assert svg.find(f"{SVG}title").text == "<script>alert('&')</script> \"# x\""
    assert svg.get("aria-label") == "<script>alert('&')</script> \"# x\". Input feeds output."


def test_a_given_height_is_kept_unless_the_cell_is_higher() -> None:
    assert ElementTree.fromstring(cell_svg(CHAIN, width=600, height=200)).get("height") == "200"
    assert float(ElementTree.fromstring(cell_svg(PARALLEL, width=600, height=50)).get("height")) > 100


@pytest.mark.parametrize("cell", CELLS)
def test_drawings_are_deterministic(cell: Cell) -> None:
    first = cell_svg(cell)
    lay_out.cache_clear()
    assert cell_svg(cell) == first


def test_descriptions() -> None:
    assert describe(DIRECT) == "Input feeds output."
    assert describe(SUM_AND_JOIN) == (
        "Input feeds 3×3 convolution 1, 3×3 max-pool 2, output; "
        "3×3 convolution 1 feeds 3×3 max-pool 2, output; 3×3 max-pool 2 feeds output."
    )


@given(cells(), st.booleans())
def test_thumbnails_are_images_without_text_that_fit(cell: Cell, dark: bool) -> None:
    head, _, body = cell_thumbnail(cell, dark).partition(",")
    assert head == "data:image/svg+xml;base64"
    svg = ElementTree.fromstring(b64decode(body))
    assert len(list(svg.iter(f"{SVG}rect"))) == cell.vertices
    assert len(list(svg.iter(f"{SVG}path"))) == cell.edges
    assert not list(svg.iter(f"{SVG}text"))
    _, _, width, height = map(float, svg.get("viewBox").split())
    left, top = map(float, re.findall(r"[-\d.]+", svg.find(f"{SVG}g").get("transform")))
    for rect in svg.iter(f"{SVG}rect"):
        x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        assert 0 <= left + x <= width - w
        assert 0 <= top + y <= height - h


@pytest.mark.parametrize("dark", [False, True])
def test_the_legend_names_every_operation_and_the_projection(dark: bool) -> None:
    legend = ElementTree.fromstring(operations_legend(dark))
    assert [span.find("svg").tail for span in legend] == [
        "3×3 convolution",
        "1×1 convolution",
        "3×3 max-pool",
        "projection (1×1 convolution of the input)",
    ]
    assert [rect.get("fill") for rect in legend.iter("rect")] == list(theme.OPERATIONS.values())
