"""Whatever takes time, as every page shows it: how far it is, how it ended, and a button to cancel it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ecnas_core.figures.theme import format_prefixed, format_quantity
from ecnas_core.runs import Progress, Run, RunStore
from pages.widgets import html, problem

STATES = {
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "died": "Died",
    "unreadable": "Unreadable",
}


def cancel_button(store: RunStore[Any], run: Run[Any], key: str) -> None:
    """A button that asks a run to stop.

    Args:
        store: of the run.
        run: one that is running.
        key: of the button.
    """
    st.button(
        "Cancel",
        key=key,
        icon=":material/close:",
        disabled=run.cancelling,
        on_click=problem.attempt,
        args=(store.cancel, run),
    )


def bar(run: Run[Any], progress: Progress) -> None:
    """How far a run is."""
    st.progress(progress.share, text="Cancelling" if run.cancelling else html.plain(pace(progress)))


def outcome(run: Run[Any], title: str = "", kept: str = "") -> None:
    """How a run ended that did not do what it was to.

    Args:
        run: one that has ended.
        title: of the run, Markdown.
        kept: what is left of one that was cancelled or died, a sentence.
    """
    if run.state == "cancelled":
        st.caption(f":material/cancel: {f'{title}: cancelled' if title else 'Cancelled'}. {kept}".rstrip())
    elif run.state in ("failed", "died", "unreadable"):
        heading = f"**{title}: {STATES[run.state].lower()}.** " if title else ""
        reason = html.sentence(run.error or "It ended without a word")
        st.error(f"{heading}{reason} {kept if run.state == 'died' else ''}".rstrip(), icon=":material/error:")


def pace(progress: Progress) -> str:
    """How far and how fast a run is, in words."""
    words = [progress.doing]
    if progress.total and progress.unit != "s":
        done = _amount(progress.done, progress.unit if progress.unit == "B" else "")
        words.append(f"{done} of {_amount(progress.total, progress.unit)}")
    if progress.per_second and progress.per_second >= 1 and progress.unit == "B":
        words.append(f"{_amount(progress.per_second, 'B')}/s")
    if progress.seconds_left is not None and progress.per_second != 0:
        words.append(f"{duration(progress.seconds_left)} left")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """A time to wait, rounded to what people count."""
    unit, length = next(
        ((unit, length) for unit, length in (("h", 3600), ("min", 60)) if seconds >= 2 * length), ("s", 1)
    )
    return format_quantity(max(1.0, seconds / length), unit, None)


def _amount(number: float, unit: str) -> str:
    return format_prefixed(int(number), "B") if unit == "B" else format_quantity(number, unit, None)
