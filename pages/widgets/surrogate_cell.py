"""One cell, drawn and predicted."""

from __future__ import annotations

import streamlit as st

from ecnas_core.analysis.metrics import Metric, metric
from ecnas_core.benchmark import EPOCHS
from ecnas_core.carbon import Lens
from ecnas_core.cells import Cell
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import UNKNOWN
from ecnas_core.surrogates import cell_prediction
from ecnas_core.surrogates.cell_prediction import CellPrediction
from pages.widgets import html, tray
from pages.widgets.cell_editor import cell_editor
from pages.widgets.session import bench

METRICS = {"energy_kwh": "energy", "validation_accuracy": "validation_accuracy", "training_time_s": "training_time"}
state = st.session_state


def show(key: str, templates: dict[str, Cell], epochs: int) -> int:
    """Show the editor and what is predicted of the drawn cell.

    Args:
        key: name of the editor in the session.
        templates: cells to begin with.
        epochs: budget at first.

    Returns:
        The budget that is chosen.
    """
    cell = cell_editor(key, templates)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        state.setdefault("surrogate_cell_epochs", epochs)
        chosen = st.segmented_control(
            "Epochs", EPOCHS, key="surrogate_cell_epochs", required=True, help="The training budget."
        )
        if cell is not None:
            pinned = cell.hash in state.tray
            st.button(
                "Unpin" if pinned else "Pin",
                key="surrogate_pin",
                icon=":material/keep:",
                type="tertiary",
                disabled=not pinned and tray.is_full(),
                on_click=tray.toggle,
                args=(cell.hash,),
            )
    if cell is None:
        st.caption("What is predicted of the cell stands here as soon as it is one.")
    else:
        _answer(cell, chosen)
    return chosen


def _answer(cell: Cell, epochs: int) -> None:
    found = cell_prediction.of_cell(bench(), cell, epochs)
    rows = []
    for each in found:
        shown = metric(METRICS[each.quantity], state.lens)
        predicted, low, high, known = (
            _told(shown, each, number, state.lens) for number in (each.predicted, each.low, each.high, each.known)
        )
        rows.append([shown.label, predicted, f"{low} to {high}", known, _note(each, epochs)])
    html.quantities(["", "Predicted", "90 % interval", "Benchmark, 7V", ""], rows, notes=True)
    if state.lens.scope == "GPU":
        st.caption(":material/info: Facility energy is predicted; the GPU's share of it is not known.")
    if state.lens.device:
        st.caption(":material/info: Predicted on the benchmark's own device, the Quadro RTX 6000.")
    with st.popover("Copy as Python", icon=":material/code:", type="tertiary"):
        st.code(
            "from ecnas_core import Benchmark, Cell\n"
            "from ecnas_core.surrogates import cell_prediction\n\n"
            f"cell = Cell.from_text({cell.to_text()!r})\n"
            f"for each in cell_prediction.of_cell(Benchmark.open(), cell, {epochs}):\n"
            "    print(each)\n",
            language="python",
        )


def _told(shown: Metric, each: CellPrediction, number: float | None, lens: Lens) -> str:
    if number is None:
        return UNKNOWN
    if each.quantity == "energy_kwh":
        return value(shown, lens.convert(number, None))
    return value(shown, number)


def _note(each: CellPrediction, epochs: int) -> str:
    words = [each.provenance or "not published here"]
    if each.quantity == "energy_kwh" and epochs != EPOCHS[0]:
        words.append(f"4 epochs times {epochs // EPOCHS[0]}")
    if each.seen:
        words.append("the model has seen its measurement" if each.quantity == "energy_kwh" else "the model has seen it")
    return "; ".join(words)
