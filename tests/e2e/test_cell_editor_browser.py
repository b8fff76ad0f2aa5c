"""The cell editor in a browser, on a page of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, expect

from ecnas_core.cells import Cell
from tests.e2e import conftest as e2e

CHAIN = Cell.from_text("1=maxpool3x3(0) 2=output(1)")
SCRIPT = f"""
import streamlit as st
from ecnas_core.cells import Cell, History
from pages.widgets import session, style
from pages.widgets.cell_editor import cell_editor, drawn, read

st.set_page_config(layout="wide")
style.apply()
session.start()
st.title("Editor", anchor=False)
if "editor" not in st.session_state and "draft" in st.query_params:
    st.session_state.editor = History(read(st.query_params["draft"]))
cell_editor("editor", {{"Least energy": Cell.from_text({CHAIN.to_text()!r})}})
st.query_params["draft"] = drawn("editor").to_text()
"""
DRAWN = Cell.from_text("1=conv1x1(0) 2=maxpool3x3(0,1) 3=output(1,2)")
SEVEN = "1=conv3x3(0) 2=conv3x3(0,1) 3=conv1x1(1) 4=conv3x3(2) 5=maxpool3x3() 6=output(0,3,4)"
# Where the boxes are, and which edges pass through the box of a vertex that they do not join.
LOOK = """svg => {
  const boxes = [...svg.querySelectorAll(".box")].map(box => box.getBoundingClientRect());
  const through = [...svg.querySelectorAll(".edge")].flatMap(edge => {
    const line = edge.querySelector(".line"), at = svg.getScreenCTM();
    const points = Array.from({length: 60}, (_, step) =>
      line.getPointAtLength(line.getTotalLength() * step / 59).matrixTransform(at));
    const passes = box => points.some(({x, y}) => x > box.left && x < box.right && y > box.top && y < box.bottom);
    const ends = [Number(edge.dataset.x), Number(edge.dataset.y)];
    return boxes.flatMap((box, vertex) => !ends.includes(vertex) && passes(box) ? [`${ends} at ${vertex}`] : []);
  });
  return {boxes: boxes.map(box => box.toJSON()), through};
}"""
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def editor_address(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a page with nothing but the editor runs."""
    folder = tmp_path_factory.mktemp("editor")
    (folder / "editor.py").write_text(SCRIPT, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(folder / "editor.py"), "--server.port", str(port)],
            cwd=e2e.ROOT,
            env=os.environ | {"ECNAS_DATA": str(folder / "user")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        e2e._wait_until_healthy(process, address, folder / "log")
        yield address
    finally:
        e2e._end(process)


class Editor:
    def __init__(self, tab: e2e.Tab, draft: str) -> None:
        self.tab, self.page = tab, tab.page
        self.tab.title = "Editor"
        self.page.goto(f"{self.tab.address}/?{e2e.urlencode({'draft': draft})}")
        expect(self.vertex(0)).to_be_visible()
        self.tab.idle()

    def vertex(self, number: int) -> Locator:
        return self.page.locator(f"[data-vertex='{number}']")

    def box(self, number: int) -> Locator:
        return self.vertex(number).locator(".box")

    def ring(self, number: int) -> Locator:
        return self.vertex(number).locator(".grip")

    def edge(self, x: int, y: int) -> Locator:
        return self.page.locator(f".edge[data-x='{x}'][data-y='{y}']")

    def hint(self, kind: str) -> Locator:
        """The line under the drawing, if it is the one of that kind that is shown."""
        return self.page.locator(f".hint .{kind}").filter(visible=True)

    def press(self, label: str) -> Editor:
        self.page.get_by_role("button", name=label).click()
        return self

    def middle(self, number: int) -> tuple[float, float]:
        """Where the middle of a vertex is on the screen."""
        return self.drawing.evaluate(
            "(svg, number) => { const box = svg.querySelectorAll('.box')[number].getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2] }",
            number,
        )

    def click_edge(self, x: int, y: int) -> Editor:
        """Click the middle of an edge."""
        at = self.edge(x, y).evaluate(
            "edge => { const line = edge.querySelector('.line');"
            " const {x, y} = line.getPointAtLength(line.getTotalLength() / 2).matrixTransform(line.getScreenCTM());"
            " return [x, y] }"
        )
        self.page.mouse.click(*at)
        return self

    @property
    def drawing(self) -> Locator:
        return self.page.get_by_role("group", name="Drawing of the cell")

    def shows(self, draft: str) -> Editor:
        """Wait until this is drawn, and every step acknowledged."""
        self.tab.until_params(draft=draft)
        return self

    @property
    def hash(self) -> Locator:
        return self.page.get_by_test_id("stCode")

    @property
    def focused(self) -> str | None:
        return self.page.evaluate("document.activeElement.shadowRoot?.activeElement?.getAttribute('aria-label')")


@pytest.fixture
def open_editor(open_tab: Callable[..., e2e.Tab], editor_address: str) -> Callable[..., Editor]:
    def open_editor(draft: str = CHAIN.to_text(), **special: object) -> Editor:
        return Editor(open_tab(at=editor_address, **special), draft)

    return open_editor


def test_a_cell_drawn_by_mouse(open_editor):
    editor = open_editor()
    editor.press("Clear").shows("1=output()")
    expect(editor.page.get_by_text("Not a cell yet: nothing leaves the input")).to_be_visible()
    editor.press("Add vertex").shows("1=conv3x3() 2=output()")
    editor.press("Add vertex").shows("1=conv3x3() 2=conv3x3() 3=output()")
    editor.box(1).click()
    editor.box(2).click(click_count=2)
    editor.shows("1=conv1x1() 2=maxpool3x3() 3=output()")
    editor.box(0).click()
    expect(editor.hint("end")).to_contain_text("Edge from the input: choose the vertex at its other end")
    editor.box(1).click()
    editor.tab.drag(editor.middle(2), editor.middle(0))
    editor.tab.drag(editor.middle(1), editor.middle(2))
    editor.ring(1).click()
    editor.box(3).click()
    editor.shows("1=conv1x1(0) 2=maxpool3x3(0,1) 3=output(1)")
    expect(editor.edge(0, 2)).to_have_class("edge projected dropped")
    expect(editor.vertex(2).locator(".word")).to_have_text("dead end")
    editor.tab.drag(editor.middle(2), editor.middle(3))
    editor.shows(DRAWN.to_text())
    expect(editor.hash).to_have_text(DRAWN.hash)
    expect(editor.edge(2, 3).locator(".channels")).to_have_text("64")
    expect(editor.tab.fact("Edges")).to_have_text("5 of 9")
    expect(editor.tab.fact("Vertices")).to_have_text("4 of 7")


def test_an_edge_is_removed_by_a_click_and_comes_back(open_editor):
    editor = open_editor(DRAWN.to_text())
    editor.click_edge(1, 2)
    without = "1=conv1x1(0) 2=maxpool3x3(0) 3=output(1,2)"
    editor.shows(without)
    expect(editor.hash).to_have_text(Cell.from_text(without).hash)
    editor.press("Undo").shows(DRAWN.to_text())
    expect(editor.edge(1, 2)).to_be_attached()
    editor.press("Redo").shows(without)


def test_a_cell_drawn_by_keyboard(open_editor):
    editor = open_editor("1=conv3x3() 2=conv3x3() 3=output()")
    keys = editor.page.keyboard
    editor.page.get_by_role("button", name="Paste").focus()
    keys.press("Tab")
    assert editor.focused == "Input"
    expect(editor.hint("keys")).to_contain_text("Enter changes its operation")
    for key in ("e", "ArrowRight", "Enter", "Enter", "e", "ArrowRight", "e", "Enter", "Enter"):
        keys.press(key)
    assert editor.focused.startswith("Vertex 2, 3×3 max-pool; takes from 1")
    for key in ("e", "Home", " ", "End", "Enter", "ArrowLeft", "Enter", "ArrowLeft", "e", "End", "e"):
        keys.press(key)
    editor.shows(DRAWN.to_text())
    expect(editor.hash).to_have_text(DRAWN.hash)
    assert editor.focused == "Output; takes from 1, 2"


def test_keyboard_undo_delete_and_escape(open_editor):
    editor = open_editor(DRAWN.to_text())
    keys = editor.page.keyboard
    editor.vertex(1).focus()
    keys.press("e")
    expect(editor.hint("end")).to_contain_text("Edge from vertex 1, 1×1 convolution")
    keys.press("Escape")
    expect(editor.hint("end")).to_have_count(0)
    keys.press("Enter")
    editor.shows("1=maxpool3x3(0) 2=maxpool3x3(0,1) 3=output(1,2)")
    keys.press("Control+z")
    editor.shows(DRAWN.to_text())
    keys.press("Delete")
    editor.shows("1=maxpool3x3(0) 2=output(1)")
    assert editor.focused == "Vertex 1, 3×3 max-pool; takes from input; feeds output"
    keys.press("Control+z")
    editor.shows(DRAWN.to_text())
    keys.press("Control+y")
    editor.shows("1=maxpool3x3(0) 2=output(1)")


def test_many_steps_at_once_lose_none(open_editor):
    """Faster than the page answers: every step counts once, and in order."""
    editor = open_editor("1=conv3x3(0) 2=output(1)")
    editor.vertex(1).focus()
    for _ in range(20):
        editor.page.keyboard.press("Enter")
    assert editor.focused.startswith("Vertex 1, 3×3 max-pool")
    editor.shows("1=maxpool3x3(0) 2=output(1)")
    for _ in range(19):
        editor.page.keyboard.press("Control+z")
    editor.shows("1=conv1x1(0) 2=output(1)")
    expect(editor.page.get_by_role("button", name="Undo")).to_be_enabled()


def test_the_matrix_form_by_keyboard(open_editor):
    editor = open_editor("1=conv3x3(0) 2=conv3x3() 3=output(1)")
    keys = editor.page.keyboard
    editor.page.locator("summary").focus()
    keys.press("Enter")
    expect(editor.page.get_by_label("Edge from in to 1")).to_be_checked()
    editor.page.get_by_label("Edge from in to 2").focus()
    keys.press("Space")
    editor.shows("1=conv3x3(0) 2=conv3x3(0) 3=output(1)")
    assert editor.focused == "Edge from in to 2"
    editor.page.get_by_label("Operation of vertex 2").select_option("1×1 convolution")
    editor.page.get_by_label("Edge from 2 to out").check()
    editor.shows("1=conv3x3(0) 2=conv1x1(0) 3=output(1,2)")
    editor.vertex(2).focus()
    keys.press("Enter")
    expect(editor.page.get_by_label("Operation of vertex 2")).to_have_value("3×3 max-pool")


def test_pasting_a_hash(open_editor):
    editor = open_editor()
    field = editor.page.get_by_label("JSON, text or a hash")
    editor.press("Paste")
    field.fill(DRAWN.hash[:-1])
    editor.press("Draw it")
    expect(editor.page.get_by_text("31 hexadecimal digits: a hash has 32, copy it whole")).to_be_visible()
    field.fill(DRAWN.hash)
    editor.press("Draw it")
    expect(editor.hash).to_have_text(DRAWN.hash)
    expect(field).to_be_hidden()
    editor.press("Paste")
    expect(field).to_have_value("")


def test_by_touch(open_editor):
    editor = open_editor(SEVEN, viewport=PHONE, touch=True)
    editor.box(3).tap()
    editor.shows(SEVEN.replace("3=conv1x1", "3=maxpool3x3"))
    editor.ring(4).tap()
    editor.box(5).tap()
    wired = SEVEN.replace("3=conv1x1", "3=maxpool3x3").replace("5=maxpool3x3()", "5=maxpool3x3(4)")
    editor.shows(wired)
    finger = editor.page.context.new_cdp_session(editor.page)
    (x0, y0), (x1, y1) = editor.middle(5), editor.middle(6)
    touch = "Input.dispatchTouchEvent"
    finger.send(touch, {"type": "touchStart", "touchPoints": [{"x": x0, "y": y0}]})
    for share in (0.3, 0.6, 1):
        point = {"x": x0 + (x1 - x0) * share, "y": y0 + (y1 - y0) * share}
        finger.send(touch, {"type": "touchMove", "touchPoints": [point]})
    finger.send(touch, {"type": "touchEnd", "touchPoints": []})
    editor.shows(wired.replace("(0,3,4)", "(0,3,4,5)"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [e2e.WIDE, PHONE], ids=["wide", "narrow"])
def test_every_edge_can_be_seen(open_editor, viewport, scheme):
    """With 7 to 2 vertices and every edge: boxes apart and on the page, and no edge through the box of a third vertex."""
    takes_all = [f"({','.join(map(str, range(vertex)))})" for vertex in range(7)]
    inner = [f"{vertex}=conv3x3{takes_all[vertex]}" for vertex in range(1, 6)]
    editor = open_editor(" ".join([*inner, f"6=output{takes_all[6]}"]), viewport=viewport, color_scheme=scheme)
    editor.tab.screenshot(f"cell-editor-{'wide' if viewport == e2e.WIDE else 'narrow'}-{scheme}")
    for vertices in range(7, 1, -1):
        expect(editor.page.locator(".edge")).to_have_count(vertices * (vertices - 1) // 2)
        seen = editor.drawing.evaluate(LOOK)
        assert seen["through"] == []
        for number, one in enumerate(seen["boxes"]):
            assert one["left"] >= 0 and one["right"] <= viewport["width"]
            assert all(
                other["right"] < one["left"] or one["bottom"] < other["top"] or other["bottom"] < one["top"]
                for other in seen["boxes"][:number]
            )
        if vertices > 2:
            editor.vertex(1).press("Delete")
    assert editor.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_what_pruning_drops_is_grey(open_editor):
    editor = open_editor(SEVEN, color_scheme="dark")
    expect(editor.vertex(5).locator(".word")).to_have_text("unconnected")
    fills = [editor.box(number).evaluate("box => getComputedStyle(box).fill") for number in (4, 5)]
    assert fills == ["rgb(0, 114, 178)", "rgb(18, 23, 29)"]
    editor.tab.screenshot("cell-editor-pruned")
