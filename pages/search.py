"""Search: multi-objective searches, started, watched and compared."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from msgspec.structs import replace

from ecnas_core.cells import SPACES
from ecnas_core.errors import EcnasError
from ecnas_core.runs import UnknownRun
from ecnas_core.search import runner, study_repository
from ecnas_core.search.study import Study
from pages.widgets import html, page, problem, session, study_list, study_live, study_results, study_setup
from pages.widgets.study_setup import SearchView

SECTIONS = {"setup": "Set up", "study": "Study", "studies": "All studies"}
PUBLISHED = {f"published-{space}": space for space in SPACES}
COMPARED_WITH_AT_MOST = study_list.COMPARED_AT_MOST - 1
state = st.session_state


def others_running() -> None:
    """Say what is running, wherever it was started."""
    running = [study for study in runner.studies(session.bench().data) if study.running]
    for study in running:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f":material/progress_activity: **{html.plain(study.name)}** is running.", width="content")
            st.button(
                "Watch it",
                key=f"search_watch_{study.id}",
                type="tertiary",
                on_click=study_list.turn_to,
                args=([study.id],),
            )


def study_section() -> dict[str, str]:
    """One study: which, what is beside it, live or what came of it.

    Returns:
        URL parameters of what is chosen about its results.
    """
    own = {study.id: study for study in reversed(runner.studies(session.bench().data))}
    first = next(iter(state.search_shown), next(iter(own), "published-7V"))
    if first not in own and first not in PUBLISHED:
        unknown(first)
        return {}
    names = {study.id: study.name for study in own.values()} | {
        name: f"Published searches, {space}" for name, space in PUBLISHED.items()
    }
    study = own.get(first)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="search_bar"):
        state.search_first = first
        st.selectbox(
            "Study", list(names), format_func=names.__getitem__, key="search_first", width=320, on_change=open_first
        )
        if study is not None:
            others = [] if study.running else beside(study, own)
            study_list.menu(study)
    if not own:
        st.info(
            "No study of your own yet: start one under Set up. Shown are the authors' published searches.",
            icon=":material/info:",
        )
    if study is None:
        study_live.published(PUBLISHED[first])
    elif study.running:
        study_live.show(study)
    else:
        study_live.ended(study)
        if study.finished:
            return study_results.show(study, others)
        st.caption("No trial has finished, so there is nothing to show yet.")
    return {}


def open_first() -> None:
    """Turn to the study that was chosen in the box."""
    state.search_shown = [state.search_first]


def beside(study: Study, own: Mapping[str, Study]) -> list[Study]:
    """Choose up to three others to compare with."""
    setting = study.plan.setting
    fitting = {
        other.id: other
        for other in own.values()
        if other.id != study.id
        and other.finished
        and not other.running
        and (other.plan.setting.space, other.plan.setting.objectives) == (setting.space, setting.objectives)
    }
    state.search_beside = [each for each in state.search_shown[1:] if each in fitting][:COMPARED_WITH_AT_MOST]

    def chosen() -> None:
        state.search_shown = [study.id, *state.search_beside]

    st.multiselect(
        "Compared with",
        list(fitting),
        format_func=lambda key: fitting[key].name,
        key="search_beside",
        max_selections=COMPARED_WITH_AT_MOST,
        on_change=chosen,
        width=300,
        disabled=not fitting,
        placeholder="up to three others" if fitting else "no other like it",
        help="Finished studies of the same space and objectives.",
    )
    return [fitting[each] for each in state.search_beside]


def unknown(study_id: str) -> None:
    """Say that a study is not there, or what is wrong with it; a deleted one can be brought back."""
    data = session.bench().data
    try:
        runner.find(study_id, data)
    except UnknownRun as error:
        broken = {folder.name: reason for folder, reason in runner.problems(data).items()}
        st.error(html.sentence(broken.get(study_id, str(error))), icon=":material/error:")
    if study_id in study_repository.removed(data):
        st.button(
            "It was deleted: bring it back",
            key="search_restore",
            icon=":material/undo:",
            on_click=problem.attempt,
            args=(study_list.restore, [study_id]),
        )
    st.button("See all studies", key="search_all", icon=":material/list:", on_click=to_list)


def to_list() -> None:
    """Turn to the list."""
    state.search_section = "studies"
    state.search_shown = []


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "**A study** runs each algorithm several times, each trial with a seed of its own, in processes of their "
            "own. Every trial asks the benchmark what a cell costs and gives; nothing is trained. A finished trial is "
            "a Parquet file with every question. The same seed gives the same trial, on any number of cores.\n\n"
            "**Front**: what no other evaluation of a trial beats in all objectives. The line is the median attainment "
            "surface: half of the trials have found something at least as good. **Hypervolume**: the area (or volume) "
            "that a front dominates, up to 1 kWh at the facility and an error of 0.2, or the worst feasible value of "
            "another objective; shown as a share of that of the true front, known because the benchmark is a table. "
            "The line is the median over the trials, the band their range; a trial that has not come so far does not "
            "count.\n\n"
            "**Takes about**: from the time an evaluation of each algorithm takes, corrected by the latest studies on "
            "this machine. **The search itself**: the cores' busy time × the assumed power, an estimate, nothing is "
            "measured. **Training them for real**: evaluations × the mean energy of the space's cells at the budgets, "
            "as the lens counts it. A search that looks at lean cells would take less, a front-runner more.\n\n"
            "**Infeasible**: invalid graphs, cells without a published value, artefacts of the surrogate, cells out of "
            "bounds. They are counted, never zero, and never on a front."
        )


def main() -> None:
    """The page."""
    session.through_app()
    view: SearchView = session.from_link("search", SearchView.from_params)
    state.setdefault("search_shown", list(view.studies))
    page.header("Search")
    state.setdefault("search_section", view.section)
    section = st.segmented_control(
        "Section", SECTIONS, format_func=SECTIONS.get, key="search_section", required=True, label_visibility="collapsed"
    )
    problem.show()
    view, results = replace(view, section=section), {}
    try:
        if section == "setup":
            view = replace(view, setup=study_setup.show(view.setup))
            others_running()
        elif section == "study":
            results = study_section()
        else:
            study_list.show()
    except EcnasError as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
    state.search = replace(view, studies=tuple(state.search_shown))
    explained()
    session.publish(state.search.to_params() | results)


main()
