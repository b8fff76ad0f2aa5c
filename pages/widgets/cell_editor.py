"""The cell editor: draw a cell by mouse, touch or keyboard, and see at once whether it is one and what it costs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

from ecnas_core.cells import MAX_EDGES, MAX_VERTICES, OPERATIONS, Cell, Draft, History, InvalidEdit, Verdict
from ecnas_core.errors import EcnasError
from ecnas_core.figures import theme
from ecnas_core.figures.cell import cell_svg, operations_legend
from pages.widgets import html, tray
from pages.widgets.session import bench, dark

_LONGEST = 20_000
_HERE = Path(__file__)
_HTML = """\
<div class="editor">
  <svg role="group" aria-label="Drawing of the cell"></svg>
  <p class="hint">
    <span class="mouse">Click a vertex to change its operation. To draw an edge, drag from one vertex to another, or
      click the ring of one and then the other. Click an edge to remove it.</span>
    <span class="keys"><kbd>Tab</kbd> or <kbd>arrows</kbd> go to the next vertex, <kbd>Enter</kbd> changes its
      operation, <kbd>E</kbd> begins and ends an edge, <kbd>Delete</kbd> removes the vertex, <kbd>Ctrl Z</kbd>
      undoes.</span>
    <span class="end">Edge from <b></b>: choose the vertex at its other end; the same vertex or <kbd>Esc</kbd> leaves
      it.</span>
  </p>
  <details>
    <summary>Matrix form</summary>
    <table>
      <caption>A vertex a row: its operation, and the vertices that it feeds.</caption>
      <thead></thead>
      <tbody></tbody>
    </table>
  </details>
  <span class="spoken" role="status"></span>
</div>"""

_drawing = st.components.v2.component(
    "cell_editor",
    html=_HTML,
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)

_LABELS = dict(zip(OPERATIONS, ("3×3", "1×1", "pool"), strict=True))
_NAMES = dict(zip(OPERATIONS, ("3×3 convolution", "1×1 convolution", "3×3 max-pool"), strict=True))

_STEPS: dict[str, Callable[..., History]] = {
    "toggle": lambda history, x, y: history.then(history.present.toggle((x, y))),
    "cycle": lambda history, vertex: history.then(history.present.cycle(vertex)),
    "operation": lambda history, x, n: history.then(history.present.with_operation(x, OPERATIONS[n])),
    "add": lambda history: history.then(history.present.add_vertex()),
    "remove": lambda history, vertex: history.then(history.present.remove_vertex(vertex)),
    "draw": lambda history, draft: history.then(draft),
    "undo": lambda history: history.undo(),
    "redo": lambda history: history.redo(),
}


def cell_editor(key: str, templates: Mapping[str, Cell]) -> Cell | None:
    """Show the editor: the drawing, other ways to give a cell, and what is drawn.

    The session keeps the drawing and its history under the key as a `History`. A page that finds none there may put
    one first, such as `History(read(text))` of a link; else the first template is drawn.

    Args:
        key: name in the session.
        templates: cells to begin with, by name.

    Returns:
        The cell drawn, pruned; None while the drawing is no cell.
    """
    state = st.session_state
    if key not in state:
        state[key] = History(next(map(Draft.of, templates.values()), Draft.blank()))
    _receive(key)
    history: History = state[key]
    draft, verdict = history.present, history.present.verdict
    _toolbar(key, history, templates)
    drawing, answer = st.columns([8, 5], gap="large")
    with drawing:
        _drawing(key=_part(key, "drawing"), data=_data(key, draft), on_messages_change=lambda: None)
        html.drawing(operations_legend(dark()))
    with answer:
        _answer(draft, verdict)
    return verdict.cell


def drawn(key: str) -> Draft:
    """What the editor of that name shows; a link carries it as `to_text()`.

    Args:
        key: the editor's name in the session, once it has been shown.
    """
    return st.session_state[key].present


def read(text: str) -> Draft:
    """Read JSON, text or the hash of a cell of the benchmark.

    Args:
        text: as `Draft.parse` takes it.

    Raises:
        EcnasError: it cannot be drawn, or no cell has that hash.
    """
    return Draft.parse(text, lambda digest: bench().query(digest, space="7V").cell)


def _part(key: str, name: str) -> str:
    """The key of a part of the editor, such as a button by its label."""
    return f"{key}_{name.replace(' ', '_').lower()}"


def _take(key: str, step: str, *arguments: Any) -> None:
    """Take a step, after those that the drawing has reported."""
    _receive(key)
    _apply(key, step, *arguments)


def _apply(key: str, step: str, *arguments: Any) -> None:
    with suppress(InvalidEdit):  # asked for before the browser had drawn the step that rules it out
        st.session_state[key] = _STEPS[step](st.session_state[key], *arguments)


def _conversation(key: str) -> dict[str, Any]:
    """With what name the drawing's messages count in this session, and the number of the last one received."""
    return st.session_state.setdefault(_part(key, "conversation"), {"name": secrets.token_hex(4), "received": 0})


def _receive(key: str) -> None:
    """Apply what the drawing has reported: each message once, none that was meant for an earlier session."""
    state, conversation = st.session_state, _conversation(key)
    messages = state.get(_part(key, "drawing"), {}).get("messages")
    if not messages or messages["conversation"] != conversation["name"]:
        return
    for number, step, *arguments in messages["steps"]:
        if number > conversation["received"]:
            conversation["received"] = number
            _apply(key, step, *arguments)


def _data(key: str, draft: Draft) -> dict[str, Any]:
    """What the browser needs to draw."""
    verdict, conversation = draft.verdict, _conversation(key)
    return {
        "conversation": conversation["name"],
        "received": conversation["received"],
        "operations": [
            {
                "label": _LABELS[operation],
                "name": _NAMES[operation],
                "fill": theme.OPERATIONS[operation],
                "ink": theme.readable_on(theme.OPERATIONS[operation]),
            }
            for operation in OPERATIONS
        ],
        "vertices": [
            {
                "operation": OPERATIONS.index(operation) if operation in OPERATIONS else None,
                "dropped": verdict.dropped.get(vertex, ""),
            }
            for vertex, operation in enumerate(draft.ops)
        ],
        "edges": [
            {"x": x, "y": y, "channels": verdict.channels.get((x, y)), "dropped": (x, y) in verdict.dropped_edges}
            for x, y in draft.edges
        ],
    }


def _toolbar(key: str, history: History, templates: Mapping[str, Cell]) -> None:
    draft = history.present
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _button(key, "Undo", "undo", "undo", disabled=not history.past)
        _button(key, "Redo", "redo", "redo", disabled=not history.future)
        _button(key, "Clear", "delete_sweep", "draw", Draft.blank(), disabled=draft == Draft.blank())
        _button(key, "Add vertex", "add_box", "add", disabled=draft.is_full)
        _menu(
            key,
            "Remove vertex",
            "indeterminate_check_box",
            {_called(draft, vertex): ("remove", vertex) for vertex in range(1, draft.vertices - 1)},
        )
        pinned = {f"Pinned {tray.letters()[digest]}: {digest[:8]}": cell for digest, cell in tray.pinned().items()}
        _menu(
            key,
            "Load",
            "category",
            {name: ("draw", Draft.of(cell)) for name, cell in {**templates, **pinned}.items()},
        )
        _paste(key)


def _button(key: str, label: str, icon: str, step: str, *arguments: Any, disabled: bool) -> None:
    st.button(
        label,
        key=_part(key, label),
        icon=f":material/{icon}:",
        type="tertiary",
        disabled=disabled,
        on_click=_take,
        args=(key, step, *arguments),
    )


def _menu(key: str, label: str, icon: str, choices: Mapping[str, tuple[Any, ...]]) -> None:
    """A button that opens a list; each choice is a step with its arguments."""
    name = _part(key, label)

    def chosen() -> None:
        if st.session_state[name] in choices:
            _take(key, *choices[st.session_state[name]])

    st.menu_button(
        label,
        list(choices) or ["none"],
        key=name,
        icon=f":material/{icon}:",
        type="tertiary",
        disabled=not choices,
        on_click=chosen,
    )


def _paste(key: str) -> None:
    state = st.session_state
    text, failure, opened = (_part(key, name) for name in ("pasted", "failure", "paste"))

    def draw() -> None:
        length = len(state[text])
        if length > _LONGEST:
            state[failure] = f"it is {length} characters long; a cell takes at most {_LONGEST}"
            return
        try:
            _take(key, "draw", read(state[text]))
        except EcnasError as error:
            state[failure] = str(error)
        else:
            state[text] = state[failure] = ""
            state[opened] = False

    with st.popover("Paste", icon=":material/content_paste:", type="tertiary", key=opened, on_change="rerun"):
        st.text_area(
            "JSON, text or a hash",
            key=text,
            height=110,
            placeholder='{"matrix": [[...]], "ops": [...]}\nor  1=conv3x3(0) 2=output(1)\nor  32 hexadecimal digits',
        )
        st.button("Draw it", key=_part(key, "Draw it"), on_click=draw)
        if state.get(failure):
            st.error(f"This cannot be drawn: {html.plain(state[failure])}.", icon=":material/error:")


def _answer(draft: Draft, verdict: Verdict) -> None:
    cell = verdict.cell
    if cell is None:
        st.warning(f"Not a cell yet: {html.plain(verdict.message)}.", icon=":material/warning:")
    else:
        st.markdown(f":green[:material/check_circle:] **A valid cell** of the space {cell.space}")
    vertices, edges = draft.vertices - len(verdict.dropped), len(draft.edges) - len(verdict.dropped_edges)
    html.facts(
        [
            ("Vertices", f"{vertices} of {MAX_VERTICES}", _surplus(len(verdict.dropped))),
            ("Edges", f"{edges} of {MAX_EDGES}", _surplus(len(verdict.dropped_edges))),
            ("Parameters", *_cost(cell and cell.trainable_parameters)),
            ("Multiply-adds", *_cost(cell and cell.multiply_adds)),
        ]
    )
    if cell is not None:
        st.caption("NAS-Bench-101 hash")
        st.code(cell.hash, language=None)
    if verdict.pruned:
        words = ", ".join(f"{vertex} ({why})" for vertex, why in verdict.dropped.items())
        plural = "vertices" if len(verdict.dropped) > 1 else "vertex"
        st.markdown(f"**Pruned form**, without {plural} {words}")
        if cell is not None:
            html.drawing(cell_svg(cell, dark(), width=320))


def _surplus(number: int) -> str:
    return f"{number} more, pruned" if number else ""


def _cost(count: int | None) -> tuple[str, str]:
    return theme.format_prefixed(count), "" if count is None else theme.format_quantity(count, digits=None)


def _called(draft: Draft, vertex: int) -> str:
    return f"{vertex}: {_NAMES[draft.ops[vertex]]}"
