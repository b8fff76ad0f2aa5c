"""Trainings of surrogates in the background: started, live from any tab, listed, deleted and brought back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import streamlit as st

from ecnas_core.figures import surrogate as figures
from ecnas_core.figures.measure import wait
from ecnas_core.figures.theme import config, format_quantity
from ecnas_core.runs import Run, RunStore
from ecnas_core.surrogates import own_table, runs
from ecnas_core.surrogates.runs import OwnPrediction, OwnTraining, Request
from pages.widgets import html, problem
from pages.widgets.runs import STATES, bar, cancel_button, pace
from pages.widgets.session import bench, dark

POLL_S = 0.5
LISTED_AT_MOST = 30
state = st.session_state


def store() -> RunStore[Request]:
    """The trainings of the user's folder."""
    return RunStore(runs.TRAINING, bench().data, bench().bundled)


def start(request: Request, table: pa.Table | None = None) -> None:
    """Begin a run."""
    with_table = None if table is None else lambda folder: own_table.save(table, folder / runs.TABLE)
    state.surrogate_started = store().start(request, prepare=with_table).id


def stored(*kinds: type[Request]) -> list[Run]:
    """The runs of some kinds, the latest first, and those that cannot be read."""
    return [run for run in reversed(store().all()) if run.request is None or isinstance(run.request, kinds)]


def running() -> Run | None:
    """The run that is at work."""
    return next((run for run in store().all() if run.running), None)


def called(request: Request | None) -> str:
    """What a run does, in a few words that come from no user."""
    return "A training that cannot be read" if request is None else runs.TRAINING.title(request)


def live(run: Run) -> None:
    """Show a run as long as it lasts; the page runs again when it ends."""
    st.fragment(_watch, run_every=POLL_S)(run.id)


def _watch(run_id: str) -> None:
    run = next((run for run in store().all() if run.id == run_id), None)
    if run is None or not run.running:
        st.rerun()
    progress, epochs = runs.progress(run), runs.epochs(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{called(run.request)}**", width="stretch")
        cancel_button(store(), run, "surrogate_cancel")
    bar(run, progress)
    if epochs:
        st.plotly_chart(
            figures.losses(epochs, dark()),
            theme=None,
            config=config("ec-nas-loss"),
            key="surrogate_loss",
            alt=f"Loss of training, {pace(progress)}, now {epochs[-1].loss:.4g}",
        )
    else:
        st.caption("The process starts: it takes a few seconds to load torch and the cells.")


def outcome(run: Run) -> None:
    """Say how a run ended that did not do what it was to."""
    if run.state == "cancelled":
        st.info(f"{called(run.request)}: cancelled, nothing is kept but its loss curve.", icon=":material/cancel:")
    elif run.state in ("failed", "died", "unreadable"):
        st.error(
            f"**{called(run.request)}: {STATES[run.state].lower()}.** {html.sentence(run.error or '')}",
            icon=":material/error:",
        )


def listing(found: Sequence[Run], opened: str | None, on_open: Callable[[Run], None], empty: str) -> None:
    """The runs as a list, each with what can be done with it.

    Args:
        found: the latest first.
        opened: id of the one that is shown.
        on_open: opens one.
        empty: what to say where there is none.
    """
    ended = [run for run in found if not run.running]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if ended:
            count = f"{len(ended)} trainings" if len(ended) > 1 else "1 training"
            st.header(f"{count} stored", anchor=False, width="content")
        undo()
    if not ended:
        st.caption(empty)
    for run in ended[:LISTED_AT_MOST]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            mark = ":material/arrow_right:" if run.id == opened else ""
            st.markdown(f"{mark} **{called(run.request)}**{_of(run)}  \n:gray[{_how(run)}]", width="stretch")
            with st.container(horizontal=True, gap="small", width="content"):
                if run.state == "done":
                    st.button(
                        "Open",
                        key=f"surrogate_open_{run.id}",
                        icon=":material/open_in_full:",
                        type="tertiary",
                        on_click=on_open,
                        args=(run,),
                    )
                st.button(
                    "Delete",
                    key=f"surrogate_delete_{run.id}",
                    icon=":material/delete:",
                    type="tertiary",
                    help="It can be brought back.",
                    on_click=problem.attempt,
                    args=(delete, run),
                )


def _of(run: Run) -> str:
    """The names that a user has given, as code."""
    if isinstance(run.request, OwnTraining):
        return f" of {html.code(run.request.spec.target)} from {html.code(run.request.name)}"
    return f" of {html.code(run.request.name)}" if isinstance(run.request, OwnPrediction) else ""


def _how(run: Run) -> str:
    words = [STATES[run.state].lower()]
    made = runs.made(run)
    if made is not None:
        things = "rows" if isinstance(run.request, OwnTraining | OwnPrediction) else "cells"
        words.append(f"learned from {format_quantity(made.learned, digits=None)} {things}")
    if run.ended is not None:
        words.append(wait(max(1.0, run.ended - run.started)))
    if run.state in ("failed", "died"):
        words.append(html.plain(run.error or ""))
    return ", ".join(words)


def delete(run: Run) -> None:
    """Take a run out; ``undo`` brings it back."""
    store().remove(run.id)
    state.surrogate_removed = [*state.get("surrogate_removed", []), run.id]


def undo() -> None:
    """The button that brings back what was deleted last."""
    removed = [each for each in state.get("surrogate_removed", []) if each in store().removed()]
    if removed:
        st.button(
            f"Undo: bring back {len(removed)}",
            key="surrogate_restore",
            icon=":material/undo:",
            type="tertiary",
            on_click=problem.attempt,
            args=(_restore, removed),
        )


def _restore(ids: Sequence[str]) -> None:
    for run_id in ids:
        store().restore(run_id)
    state.surrogate_removed = []
