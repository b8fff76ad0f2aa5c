"""The cell editor on a page of its own, without a browser."""

from __future__ import annotations

import json
from html import unescape

import pytest
from streamlit.testing.v1 import AppTest

from ecnas_core.cells import OPERATIONS, Cell
from tests.pages.conftest import TERM

CHAIN = Cell.from_text("1=maxpool3x3(0) 2=output(1)")
DIAMOND = Cell.from_text("1=conv3x3(0) 2=conv1x1(0) 3=output(1,2)")
PRUNED = "1=conv3x3(0) 2=conv3x3(0) 3=output(1)"

SCRIPT = f"""
import streamlit as st
from ecnas_core.cells import Cell, History
from pages.widgets import session
from pages.widgets.cell_editor import cell_editor, drawn, read

session.start()
if "editor" not in st.session_state and "draft" in st.query_params:
    st.session_state.editor = History(read(st.query_params["draft"]))
templates = {{"Least energy": Cell.from_text({CHAIN.to_text()!r}), "Knee": Cell.from_text({DIAMOND.to_text()!r})}}
st.session_state.returned = cell_editor("editor", templates)
st.query_params["draft"] = drawn("editor").to_text()
session.settle("editor")
"""


class Editor:
    def __init__(self, **params: str) -> None:
        self.app = AppTest.from_string(SCRIPT, default_timeout=60)
        for name, value in params.items():
            self.app.query_params[name] = value
        self.sent = 0
        self.run()

    def run(self) -> Editor:
        self.app.run()
        assert not self.app.exception, [element.message for element in self.app.exception]
        return self

    def press(self, label: str) -> Editor:
        next(button for button in self.app.button if button.label == label).click()
        return self.run()

    def select(self, menu: str, option: str) -> Editor:
        next(each for each in self.app.menu_button if each.label == menu).click(option)
        return self.run()

    def paste(self, text: str) -> Editor:
        self.app.text_area[0].set_value(text)
        return self.press("Draw it")

    def report(self, *steps: list, conversation: str | None = None) -> Editor:
        """Report what was done in the drawing, as the browser does."""
        messages = {"conversation": conversation or self.data["conversation"], "steps": list(steps)}
        self.app.session_state["editor_drawing"] = {"messages": messages}
        return self.run()

    @property
    def text(self) -> str:
        return self.app.query_params["draft"]

    @property
    def cell(self) -> Cell | None:
        return self.app.session_state.returned

    @property
    def data(self) -> dict:
        """What the browser is given to draw."""
        (component,) = self.app.get("bidi_component")
        return json.loads(component.proto.json)

    @property
    def answer(self) -> str:
        """Everything that is written beside the drawing."""
        app = self.app
        texts = [element.value for kind in (app.warning, app.markdown, app.caption, app.code) for element in kind]
        blocks = (TERM.sub("", block.value) for block in app.get("html"))
        return unescape(" ".join([*texts, *blocks]))

    def disabled(self) -> set[str]:
        return {button.label for button in (*self.app.button, *self.app.menu_button) if button.disabled}


@pytest.fixture
def editor() -> Editor:
    return Editor()


class TestBeginning:
    def test_the_first_template_is_drawn(self, editor):
        assert (editor.text, editor.cell) == (CHAIN.to_text(), CHAIN)
        assert editor.disabled() == {"Undo", "Redo"}

    def test_a_drawing_of_a_link_invalid_ones_too(self):
        editor = Editor(draft="1=conv3x3() 2=output()")
        assert (editor.text, editor.cell) == ("1=conv3x3() 2=output()", None)


class TestAnswer:
    def test_a_valid_cell(self, editor):
        editor.select("Load", "Knee")
        assert editor.cell == DIAMOND
        answer = editor.answer
        assert "**A valid cell** of the space 4V" in answer and "Pruned" not in answer
        assert DIAMOND.hash in answer
        for label, figure, note in [
            ("Vertices", "4 of 7", ""),
            ("Edges", "4 of 9", ""),
            ("Parameters", "3.47\u00a0M", "3\u202f468\u202f426"),
            ("Multiply-adds", "515\u00a0M", "515\u202f249\u202f152"),
        ]:
            assert f'{label}</span><span class="figure">{figure}</span><small>{note}</small>' in answer
        assert DIAMOND.trainable_parameters == 3_468_426
        assert DIAMOND.multiply_adds == 515_249_152

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1=output()", "Not a cell yet: nothing leaves the input: draw an edge from it."),
            ("1=conv3x3(0) 2=output()", "Not a cell yet: nothing reaches the output: draw an edge to it."),
            (
                "1=conv3x3(0) 2=conv3x3(0,1) 3=conv3x3(0,1,2) 4=output(0,1,2,3)",
                "Not a cell yet: 10 edges lie on paths from input to output: remove 1 of them, 9 are allowed.",
            ),
        ],
    )
    def test_no_cell(self, text, message):
        editor = Editor(draft=text)
        assert editor.cell is None
        assert [warning.value for warning in editor.app.warning] == [message]
        assert not editor.app.code
        assert 'Parameters</span><span class="figure">–</span>' in editor.answer

    def test_what_pruning_drops(self):
        editor = Editor(draft=PRUNED)
        pruned = Cell.from_text("1=conv3x3(0) 2=output(1)")
        assert editor.cell == pruned
        assert "**Pruned form**, without vertex 2 (dead end)" in editor.answer
        assert f'aria-label="{pruned.to_text()}' in editor.answer
        assert 'Vertices</span><span class="figure">3 of 7</span><small>1 more, pruned' in editor.answer
        assert 'Edges</span><span class="figure">2 of 9</span><small>1 more, pruned' in editor.answer
        assert [vertex["dropped"] for vertex in editor.data["vertices"]] == ["", "", "dead end", ""]
        assert editor.data["edges"] == [
            {"x": 0, "y": 1, "channels": 128, "dropped": False},
            {"x": 0, "y": 2, "channels": None, "dropped": True},
            {"x": 1, "y": 3, "channels": 128, "dropped": False},
        ]


class TestToolbar:
    def test_undo_and_redo(self, editor):
        editor.select("Load", "Knee").press("Undo")
        assert (editor.cell, editor.disabled()) == (CHAIN, {"Undo"})
        editor.press("Redo")
        assert (editor.cell, editor.disabled()) == (DIAMOND, {"Redo"})

    def test_clear_add_and_remove(self, editor):
        editor.press("Clear")
        assert editor.text == "1=output()"
        assert editor.disabled() == {"Redo", "Clear", "Remove vertex"}
        for _ in range(5):
            assert "Add vertex" not in editor.disabled()
            editor.press("Add vertex")
        assert editor.text == " ".join(f"{v}=conv3x3()" for v in range(1, 6)) + " 6=output()"
        assert "Add vertex" in editor.disabled()
        editor.select("Remove vertex", "3: 3×3 convolution")
        assert editor.data["vertices"] == [{"operation": op, "dropped": ""} for op in (None, 0, 0, 0, 0, None)]

    def test_cells_of_the_tray(self, editor):
        assert editor.app.menu_button(key="editor_load").options == ["Least energy", "Knee"]
        pinned = Cell.from_text("1=conv3x3(0) 2=conv3x3(1) 3=output(0,2)")
        editor.app.session_state.tray = [pinned.hash]
        editor.run().select("Load", f"Pinned A: {pinned.hash[:8]}")
        assert editor.cell.hash == pinned.hash


class TestPasting:
    @pytest.mark.parametrize(
        "text", [DIAMOND.to_json(), DIAMOND.to_text(), DIAMOND.hash, f" {DIAMOND.hash.upper()}\n", PRUNED]
    )
    def test_json_text_or_a_hash(self, editor, text):
        editor.paste(text)
        assert editor.cell.hash == (DIAMOND if text != PRUNED else Cell.from_text(PRUNED)).hash
        assert not editor.app.error
        assert editor.app.text_area[0].value == ""
        assert editor.press("Undo").cell == CHAIN

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "nothing to read: give JSON"),
            ("hello", "'hello': give JSON"),
            ("0" * 32, "no cell with the hash 00000000000000000000000000000000"),
            ("0" * 31, "31 hexadecimal digits: a hash has 32"),
            (
                '{"matrix": [[0, 1], [1, 0]], "ops": ["input", "output"]}',
                r"matrix\[1\]\[0\] is on or below the diagonal",
            ),
            ("1=conv5x5(0) 2=output(1)", "unknown operation 'conv5x5'"),
        ],
    )
    def test_what_cannot_be_drawn_says_why_and_changes_nothing(self, editor, text, words):
        editor.paste(text)
        (error,) = editor.app.error
        assert error.value.startswith("This cannot be drawn: ") and words in error.value
        assert (editor.cell, editor.app.text_area[0].value) == (CHAIN, text)
        editor.paste(DIAMOND.hash)
        assert (editor.cell.hash, list(editor.app.error)) == (DIAMOND.hash, [])


class TestMessages:
    """What the drawing and the matrix form report; both send the same messages."""

    def test_each_is_applied_once(self, editor):
        editor.report([1, "cycle", 1])
        assert (editor.text, editor.data["received"]) == ("1=conv3x3(0) 2=output(1)", 1)
        assert editor.run().text == "1=conv3x3(0) 2=output(1)"
        editor.report([1, "cycle", 1], [2, "cycle", 1], [3, "toggle", 0, 2])
        assert (editor.text, editor.data["received"]) == ("1=conv1x1(0) 2=output(0,1)", 3)

    def test_all_steps(self, editor):
        editor.report([1, "operation", 1, OPERATIONS.index("conv1x1-bn-relu")])
        assert editor.text == "1=conv1x1(0) 2=output(1)"
        editor.report([2, "toggle", 1, 2])
        assert (editor.text, editor.cell) == ("1=conv1x1(0) 2=output()", None)
        assert editor.report([3, "undo"]).text == "1=conv1x1(0) 2=output(1)"
        assert editor.report([4, "redo"]).text == "1=conv1x1(0) 2=output()"
        assert editor.report([5, "remove", 1]).text == "1=output()"

    def test_they_come_before_a_button_pressed_after_them(self, editor):
        editor.report([1, "cycle", 1])
        steps = [[1, "cycle", 1], [2, "cycle", 1], [3, "toggle", 0, 2]]
        messages = {"conversation": editor.data["conversation"], "steps": steps}
        editor.app.session_state["editor_drawing"] = {"messages": messages}
        assert editor.press("Undo").text == "1=conv1x1(0) 2=output(1)"

    def test_a_vertex_that_is_gone_is_left_alone(self, editor):
        editor.report([1, "remove", 1], [2, "cycle", 1], [3, "toggle", 0, 2], [4, "toggle", 0, 1])
        assert (editor.text, editor.data["received"]) == ("1=output(0)", 4)

    def test_those_of_an_earlier_session_do_not_count(self, editor):
        editor.report([1, "cycle", 1], conversation="another")
        assert (editor.cell, editor.data["received"]) == (CHAIN, 0)
