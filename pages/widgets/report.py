"""The report of a session, to take along."""

from __future__ import annotations

import streamlit as st

from ecnas_core.analysis.view import View
from ecnas_core.figures import session_report
from ecnas_core.figures.session_report import Session
from ecnas_core.measure import store
from ecnas_core.search import runner
from pages.widgets import downloads, html
from pages.widgets.session import bench

state = st.session_state


def offer() -> None:
    """The choice of what a report has, and the button that makes it."""
    studies = {each.id: each for each in reversed(runner.studies(bench().data)) if each.finished}
    measured = {each.measurement: each for each in store.measurements(bench())}
    pinned = tuple(state.tray)
    choice = state.get("choose_view")
    with st.popover("Report of this session", icon=":material/description:"):
        st.markdown(
            f"Pinned cells: {len(pinned)}; choices: {int(choice is not None)}. With figures and provenance, in one "
            "HTML file that needs nothing else."
        )
        chosen = st.multiselect(
            "Studies",
            studies,
            default=list(studies),
            key="report_studies",
            format_func=lambda each: html.plain(studies[each].name),
            placeholder="none",
        )
        kept = st.multiselect(
            "Measurements",
            measured,
            default=list(measured),
            key="report_measurements",
            format_func=lambda each: html.plain(_named(measured[each].hash, measured[each].device)),
            placeholder="none",
        )
        notes = st.text_area("Notes", key="report_notes", placeholder="your own words, at the top of the report")
        found = Session(
            view=_view(),
            cells=pinned,
            choice=choice,
            studies=tuple(studies[each] for each in chosen),
            measurements=tuple(measured[each] for each in kept),
            notes=notes,
        )
        if found.is_empty:
            st.caption("Nothing to report yet: pin a cell, run a search or measure one first.")
            return
        downloads.button(
            "Report",
            "ec-nas-session",
            ".html",
            "text/html",
            lambda: session_report.report(found, bench()).encode(),
            "One HTML page with figures and provenance, self-contained",
        )


def _view() -> View:
    """The view of the page Explore, or its default, under the lens as it is."""
    seen = state.get("view")
    if seen is None:
        return View(lens=state.lens)
    return View(space=seen.space, epochs=seen.epochs, x=seen.x, y=seen.y, lens=state.lens)


def _named(digest: str, device: str) -> str:
    return f"{digest[:8]} on {device}"
