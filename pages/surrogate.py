"""Surrogate: energy and accuracy of any cell, predicted; how good that is; and models of your own."""

from __future__ import annotations

import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import footprint
from ecnas_core.benchmark import EPOCHS
from ecnas_core.cells import Cell, Draft, History
from pages.widgets import page, problem, session, surrogate_cell, surrogate_own, surrogate_quality
from pages.widgets import surrogate_training as training
from pages.widgets.cell_editor import drawn, read
from pages.widgets.surrogate_view import SurrogateView

SECTIONS = {"quality": "How good", "cell": "Predict a cell", "train": "Train", "own": "Your own space"}
EDITOR = "surrogate_editor"
SPACE = "7V"
ROLES = {"rk": "the knee", "r0": "least energy", "r1": "best accuracy"}
state = st.session_state


@st.cache_resource(max_entries=4, show_spinner=False)
def templates(stamp: object) -> dict[str, Cell]:
    """The knee and the ends of the front; `stamp` changes with the data."""
    bench = session.bench()
    front = footprint.front(bench, SPACE, EPOCHS[-1])
    return {
        f"{SPACE} {role}, {name}": bench.query(front[role], space=SPACE).cell
        for role, name in ROLES.items()
        if role in front
    }


def seed(view: SurrogateView) -> None:
    """Give the widgets that have no value yet the values of a view."""
    for name, given in (
        ("section", view.section),
        ("quantity", view.quantity),
        ("shown", view.model),
        ("epochs", view.epochs),
        ("own", view.own),
    ):
        state.setdefault(f"surrogate_{name}", given)
    if EDITOR not in state and view.draft is not None:
        state[EDITOR] = History(view.draft)


def take_open_cell() -> None:
    """Draw the cell whose card has been opened since."""
    if state.cell and state.cell != state.get("surrogate_opened"):
        state.surrogate_opened = state.cell
        draft = read(state.cell)
        state[EDITOR] = state[EDITOR].then(draft) if EDITOR in state else History(draft)


def own_drawing() -> Draft | None:
    """What the editor shows; None where that is what it begins with."""
    if EDITOR not in state:
        return None
    draft = drawn(EDITOR)
    return None if draft == Draft.of(next(iter(templates(session.bench().stamp).values()))) else draft


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "**Energy, best model**: a sum of what the steps of a training take, none negative, times an exact "
            "Gaussian process (Matérn 3/2) over nine counts of the cell. **The paper's network** (EC-NAS, section "
            "2.1): 36 inputs, GELU, L1 loss, Adam, 200 epochs. Both learn from the 7V cells that were measured at 4 "
            "epochs and are published, never from the published surrogate. What is predicted is facility energy of 4 "
            "epochs on 7V's scale.\n\n"
            "**Accuracy and time**: graph networks over the bare cell, whose mean counts, learned from "
            "NAS-Bench-101's published results. All is on the scale of the mean of three trainings; the random sample "
            "holds one training each and is brought to it by the mean difference on the cells that are in both.\n\n"
            "**Held out** is a random fifth of the known cells, which no model judged here has seen. **Kendall's τ** "
            "is 2 × the share of pairs in the right order less 1; the paper prints τ² under its name.\n\n"
            "**The 90 % interval** is conformal: as wide as the errors on cells that the model had not seen ask for. "
            "So nine in ten new values fall into it, over all cells, not for each single one.\n\n"
            "**Permutation importance** exchanges one feature among the held-out cells at random, several times, and "
            "tells how much the mean error grows. Parts of the cell make possible cells; a single count need not.\n\n"
            "**Training** runs in a process of its own, leaves its model (safetensors), held-out predictions and "
            "importances in your folder, and can be deleted and brought back.\n\n"
            "**Your own space**: the Gaussian process (of the target's logarithm where it is positive throughout), or "
            "the paper's network on standardised columns; texts become one column a level."
        )


def main() -> None:
    """The page."""
    session.through_app()
    view = session.from_link("surrogate_view", SurrogateView.from_params)
    seed(view)
    take_open_cell()
    page.header("Surrogate")
    section = st.segmented_control(
        "Section",
        SECTIONS,
        format_func=SECTIONS.get,
        required=True,
        key="surrogate_section",
        label_visibility="collapsed",
    )
    problem.show()
    view = replace(view, section=section)
    if section == "quality":
        quantity, model, epochs = surrogate_quality.show()
        view = replace(view, quantity=quantity, model=model, epochs=view.epochs if quantity == "energy_kwh" else epochs)
    elif section == "cell":
        view = replace(view, epochs=surrogate_cell.show(EDITOR, templates(session.bench().stamp), view.epochs))
    elif section == "train":
        training.show()
    else:
        view = replace(view, own=surrogate_own.show(state.surrogate_own))
    state.surrogate_view = replace(view, draft=own_drawing())
    explained()
    session.publish(state.surrogate_view.to_params())


main()
