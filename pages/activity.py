"""Activity: everything that runs or ran in the user's folder, from any page and from the command line."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from ecnas_core.runs import activity
from ecnas_core.runs.activity import Activity
from pages.widgets import html, page, problem, runs, session

POLL_S, IDLE_POLL_S = 0.5, 2.0
LISTED_AT_MOST = 50
LOG_LINES = 40
PAGES = {
    "job": ("pages/data.py", "Data"),
    "study": ("pages/search.py", "Search"),
    "training": ("pages/surrogate.py", "Surrogate"),
    "measurement": ("pages/measure.py", "Measure"),
}
state = st.session_state


def turn_to(each: Activity) -> None:
    """Let the page of a run show it."""
    if each.kind.name == "study":
        state.search_section, state.search_shown = "study", [each.run.id]


def forget() -> None:
    """Forget what has ended and keeps no results."""
    state.activity_forgotten = len(activity.clean(session.bench().data))


def running() -> None:
    """What runs now; the page runs again when one begins or ends."""
    found = [each for each in activity.activities(session.bench().data) if each.run.running]
    before = state.get("activity_running")
    state.activity_running = {(each.run.id, each.run.started) for each in found}
    if before is not None and before != state.activity_running:
        st.rerun()
    st.header(f"{len(found)} running" if found else "Nothing runs", anchor=False)
    if not found:
        st.caption("Downloads, ingests, searches, trainings and measurements show here while they run.")
    for each in found:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{html.plain(each.title)}**  \n:gray[{about(each)}]", width="stretch")
            runs.cancel_button(each.store, each.run, f"activity_cancel_{each.run.id}")
            open_button(each)
        progress = each.progress
        if progress is not None:
            runs.bar(each.run, progress)


def ended(found: list[Activity]) -> None:
    """What has ended, the latest first."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"{len(found)} ended", anchor=False, width="content")
        if any(each.can_go for each in found):
            st.button(
                "Clear finished jobs",
                key="activity_forget",
                icon=":material/cleaning_services:",
                type="tertiary",
                help="Jobs and measurements leave this list; what they fetched, ingested and measured stays. "
                "Studies and trainings hold their results and are deleted on their own pages.",
                on_click=problem.attempt,
                args=(forget,),
            )
        if "activity_forgotten" in state:
            st.caption(f"{state.pop('activity_forgotten')} cleared.")
    for each in found[:LISTED_AT_MOST]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{html.plain(each.title)}**  \n:gray[{about(each)}, {runs.STATES[each.run.state].lower()}]",
                width="stretch",
            )
            open_button(each)
        if each.run.state != "cancelled":
            runs.outcome(each.run)
        log(each)
    if len(found) > LISTED_AT_MOST:
        st.caption(f"The latest {LISTED_AT_MOST} are shown; the command line lists all: python -m ecnas_core runs")


def about(each: Activity) -> str:
    """What a run is and when it was started."""
    if not each.run.started:
        return each.kind.name
    return f"{each.kind.name}, started {datetime.fromtimestamp(each.run.started):%Y-%m-%d %H:%M:%S}"


def open_button(each: Activity) -> None:
    """A button that opens the page of a run."""
    path, name = PAGES[each.kind.name]
    if st.button(
        f"Open in {name}",
        key=f"activity_open_{each.run.id}",
        icon=":material/open_in_full:",
        type="tertiary",
        on_click=turn_to,
        args=(each,),
    ):
        st.switch_page(path)


def log(each: Activity) -> None:
    """What the process of a run that went wrong printed."""
    path = each.run.folder / "log"
    if each.run.state in ("failed", "died") and path.is_file() and path.stat().st_size:
        with st.expander("Log", icon=":material/terminal:"):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            st.code("\n".join(lines[-LOG_LINES:]), language=None)


def main() -> None:
    """The page."""
    session.through_app()
    page.header("Activity")
    problem.show()
    over = [each for each in activity.activities(session.bench().data) if not each.run.running]
    st.fragment(running, run_every=POLL_S if state.get("activity_running") else IDLE_POLL_S)()
    if over:
        ended(over)
    session.publish({})


main()
