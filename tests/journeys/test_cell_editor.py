"""The cell editor on the page Measure: a cell drawn by mouse, by keyboard and by touch, and seen on every screen."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from ecnas_core.cells import Cell
from tests.journeys.tab import NARROW, WIDE, Tab, drag

CHAIN = "1=maxpool3x3(0) 2=output(1)"
DRAWN = "1=conv1x1(0) 2=maxpool3x3(0,1) 3=output(1,2)"
HASH = Cell.from_text(DRAWN).hash
SEVEN = "1=conv3x3(0) 2=conv3x3(0,1) 3=conv1x1(1) 4=conv3x3(2) 5=maxpool3x3() 6=output(0,3,4)"
EVERY_EDGE = (
    "1=conv3x3(0) 2=conv3x3(0,1) 3=conv3x3(0,1,2) 4=conv3x3(0,1,2,3) 5=conv3x3(0,1,2,3,4) 6=output(0,1,2,3,4,5)"
)
# Whether the drawing is that of its present width: from the box of the input to that of the output it is symmetrical.
FITTED = """svg => {
  const boxes = [...svg.querySelectorAll(".box")].map(box => box.getBoundingClientRect());
  const {left, right} = svg.getBoundingClientRect();
  return Math.abs(boxes[0].left + boxes.at(-1).right - left - right) < 1;
}"""
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


class Editor:
    """The editor of the page Measure."""

    def __init__(self, tab: Tab, draft: str) -> None:
        self.tab, self.page = tab.open("/measure", draw=draft), tab.page
        self.drawing = self.page.get_by_role("group", name="Drawing of the cell")
        self.hash = self.page.get_by_test_id("stCode")
        expect(self.vertex(0)).to_be_visible()

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

    def middle(self, number: int) -> tuple[float, float]:
        """Where the middle of a vertex is on the screen."""
        return self.drawing.evaluate(
            "(svg, number) => { const box = svg.querySelectorAll('.box')[number].getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2] }",
            number,
        )

    def drag(self, start: int, end: int) -> None:
        drag(self.page, self.middle(start), self.middle(end))

    def click_edge(self, x: int, y: int) -> Editor:
        """Click the middle of an edge."""
        at = self.edge(x, y).evaluate(
            "edge => { const line = edge.querySelector('.line');"
            " const {x, y} = line.getPointAtLength(line.getTotalLength() / 2).matrixTransform(line.getScreenCTM());"
            " return [x, y] }"
        )
        self.page.mouse.click(*at)
        return self

    def press(self, label: str) -> Editor:
        self.tab.press(label)
        return self

    def keys(self, *keys: str) -> Editor:
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def paste(self, text: str) -> Editor:
        """Draw what a text says."""
        self.page.get_by_label("JSON, text or a hash").fill(text)
        return self.press("Draw it")

    def shows(self, draft: str) -> Editor:
        """Wait until this is drawn, and every step acknowledged."""
        self.tab.until_params(draw=draft)
        return self

    def answers(self, cell: str) -> Editor:
        """Wait until the page has answered every step, and names this cell."""
        self.tab.rest()
        expect(self.hash).to_have_text(Cell.from_text(cell).hash)
        return self

    @property
    def focused(self) -> str | None:
        return self.page.evaluate("document.activeElement.shadowRoot?.activeElement?.getAttribute('aria-label')")


def test_a_cell_is_drawn_by_mouse(tab):
    editor = Editor(tab, CHAIN)
    page = tab.page
    editor.press("Clear").shows("1=output()")
    expect(page.get_by_text("Not a cell yet: nothing leaves the input")).to_be_visible()
    editor.press("Add vertex").shows("1=conv3x3() 2=output()")
    editor.press("Add vertex").shows("1=conv3x3() 2=conv3x3() 3=output()")
    editor.box(1).click()
    editor.box(2).click(click_count=2)
    editor.shows("1=conv1x1() 2=maxpool3x3() 3=output()")
    editor.box(0).click()
    expect(editor.hint("end")).to_contain_text("Edge from the input: choose the vertex at its other end")
    editor.box(1).click()
    editor.drag(2, 0)
    editor.drag(1, 2)
    editor.ring(1).click()
    editor.box(3).click()
    editor.shows("1=conv1x1(0) 2=maxpool3x3(0,1) 3=output(1)")
    expect(editor.edge(0, 2)).to_have_class("edge projected dropped")
    expect(editor.vertex(2).locator(".word")).to_have_text("dead end")
    editor.drag(2, 3)
    editor.shows(DRAWN)
    expect(editor.hash).to_have_text(HASH)
    expect(editor.edge(2, 3).locator(".channels")).to_have_text("64")
    expect(tab.fact("Edges")).to_have_text("5 of 9")
    expect(tab.fact("Vertices")).to_have_text("4 of 7")

    without = "1=conv1x1(0) 2=maxpool3x3(0) 3=output(1,2)"
    editor.click_edge(1, 2).shows(without)
    expect(editor.hash).to_have_text(Cell.from_text(without).hash)
    editor.press("Undo").shows(DRAWN)
    expect(editor.edge(1, 2)).to_be_attached()
    editor.press("Redo").shows(without)

    editor.press("Paste").paste(HASH[:-1])
    expect(page.get_by_text("31 hexadecimal digits: a hash has 32, copy it whole")).to_be_visible()
    editor.paste(HASH).shows(DRAWN)
    expect(editor.hash).to_have_text(HASH)
    field = page.get_by_label("JSON, text or a hash")
    expect(field).to_be_hidden()
    editor.press("Paste")
    expect(field).to_have_value("")
    editor.paste(SEVEN).shows(SEVEN)
    tab.look_in("dark")
    expect(editor.vertex(5).locator(".word")).to_have_text("unconnected")
    for vertex, fill in ((4, "rgb(0, 114, 178)"), (5, "rgb(18, 23, 29)")):
        expect(editor.box(vertex)).to_have_css("fill", fill)


def test_a_cell_is_drawn_by_keyboard(tab):
    editor = Editor(tab, "1=conv3x3() 2=conv3x3() 3=output()")
    page = tab.page
    editor.tab.button("Paste").focus()
    editor.keys("Tab")
    assert editor.focused == "Input"
    expect(editor.hint("keys")).to_contain_text("Enter changes its operation")
    editor.keys("e", "ArrowRight", "Enter", "Enter", "e", "ArrowRight", "e", "Enter", "Enter")
    assert editor.focused.startswith("Vertex 2, 3×3 max-pool; takes from 1")
    editor.keys("e", "Home", " ", "End", "Enter", "ArrowLeft", "Enter", "ArrowLeft", "e", "End", "e").shows(DRAWN)
    expect(editor.hash).to_have_text(HASH)
    assert editor.focused == "Output; takes from 1, 2"

    editor.vertex(1).focus()
    editor.keys("e")
    expect(editor.hint("end")).to_contain_text("Edge from vertex 1, 1×1 convolution")
    editor.keys("Escape")
    expect(editor.hint("end")).to_have_count(0)
    editor.keys("Enter").shows(DRAWN.replace("1=conv1x1", "1=maxpool3x3"))
    editor.keys("Control+z").shows(DRAWN)
    editor.keys("Delete").shows(CHAIN)
    assert editor.focused == "Vertex 1, 3×3 max-pool; takes from input; feeds output"
    editor.keys("Control+z").shows(DRAWN)
    editor.keys("Control+y").shows(CHAIN)

    # Faster than the page answers: every step counts once, and in order.
    editor.keys("Enter").shows("1=conv3x3(0) 2=output(1)").keys(*["Enter"] * 20)
    assert editor.focused.startswith("Vertex 1, 3×3 max-pool")
    editor.answers(CHAIN).keys(*["Control+z"] * 19).answers("1=conv1x1(0) 2=output(1)")
    expect(tab.button("Undo")).to_be_enabled()

    editor.press("Add vertex").shows("1=conv1x1(0) 2=conv3x3() 3=output(1)")
    page.locator(".editor summary").focus()
    editor.keys("Enter")
    expect(page.get_by_label("Edge from in to 1")).to_be_checked()
    page.get_by_label("Edge from in to 2").focus()
    editor.keys("Space").shows("1=conv1x1(0) 2=conv3x3(0) 3=output(1)")
    assert editor.focused == "Edge from in to 2"
    page.get_by_label("Operation of vertex 2").select_option("1×1 convolution")
    page.get_by_label("Edge from 2 to out").check()
    editor.shows("1=conv1x1(0) 2=conv1x1(0) 3=output(1,2)")
    editor.vertex(2).focus()
    editor.keys("Enter")
    expect(page.get_by_label("Operation of vertex 2")).to_have_value("3×3 max-pool")


def test_a_cell_is_drawn_by_touch_and_seen_on_every_screen(open_tab):
    editor = Editor(open_tab(viewport=NARROW, touch=True), SEVEN)
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

    tab = open_tab()
    editor = Editor(tab, EVERY_EDGE)
    for vertices in range(7, 1, -1):
        expect(editor.page.locator(".edge")).to_have_count(vertices * (vertices - 1) // 2)
        tab.rest()
        for screen in (WIDE, NARROW):
            tab.fits(screen)
            _check_every_edge_can_be_seen(editor, screen["width"])
        if vertices == 7:
            tab.look_in("dark")
        if vertices > 2:
            editor.vertex(1).press("Delete")


def _check_every_edge_can_be_seen(editor: Editor, width: int) -> None:
    """Boxes are apart and on the page, and no edge goes through the box of a third vertex."""
    editor.tab.wait(FITTED, editor.drawing.element_handle())
    seen = editor.drawing.evaluate(LOOK)
    assert seen["through"] == []
    for number, one in enumerate(seen["boxes"]):
        assert one["left"] >= 0 and one["right"] <= width
        assert all(
            other["right"] < one["left"] or one["bottom"] < other["top"] or other["bottom"] < one["top"]
            for other in seen["boxes"][:number]
        )
