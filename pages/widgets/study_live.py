"""A study as it goes: live from any tab, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from ecnas_core.analysis.table1 import table_1
from ecnas_core.cells import Space
from ecnas_core.figures import search_live as figures
from ecnas_core.figures.search import table_note, table_rows
from ecnas_core.figures.theme import config, format_quantity
from ecnas_core.runs import UnknownRun
from ecnas_core.search import Setting, outlook, runner, study_repository
from ecnas_core.search.runner import StudyProgress, TrialProgress
from ecnas_core.search.study import Study
from ecnas_core.templating import render
from pages.widgets import downloads, html, problem, study_setup
from pages.widgets.session import bench, dark

POLL_S, FIRST_POLL_S = 0.5, 0.25
NUMBERED_AT_MOST = 12


def show(study: Study) -> None:
    """Show a study that is carried out; when it has ended the page runs again."""
    mean, progress = study_setup.averages(study.plan.setting).kwh, runner.progress(study)
    if progress.evaluations:
        st.fragment(_watch, run_every=POLL_S)(study.id, mean)
    else:
        with st.container():  # as a fragment has one, so that what is drawn here is replaced where it stands
            _live(study, progress, mean)
        st.fragment(_await, run_every=FIRST_POLL_S)(study.id)


def _await(study_id: str) -> None:
    """Run the page again as soon as there is something to draw."""
    study = _running(study_id)
    if runner.progress(study).evaluations:
        st.rerun()


def _watch(study_id: str, mean_kwh: float | None) -> None:
    study = _running(study_id)
    _live(study, runner.progress(study), mean_kwh)


def _running(study_id: str) -> Study:
    """The study as it is; once it does not run any more, the page runs again."""
    try:
        study = runner.read(study_id, bench().data)
    except UnknownRun:
        st.rerun()
    if not study.running:
        st.rerun()  # once, to end looking at it and because its trials are there now
    return study


def _live(study: Study, progress: StudyProgress, mean_kwh: float | None) -> None:
    if progress.figures is None:
        told = "Starting: the workers read the benchmark"
    else:
        told = figures.headline(figures.reached(progress), progress.figures.hypervolume)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{told}**", width="stretch")
        st.button(
            "Cancel",
            key="search_cancel",
            icon=":material/close:",
            disabled=study.cancelling,
            on_click=problem.attempt,
            args=(runner.cancel, study),
            help="It stops within half a second; finished trials are kept.",
        )
    _facts(study, progress, mean_kwh)
    pictures(study, progress)
    trials(progress)


def _facts(study: Study, progress: StudyProgress, mean_kwh: float | None) -> None:
    lens, count = study.plan.setting.lens, format_quantity(progress.evaluations, digits=None)
    a_second = outlook.rate(progress)
    left = outlook.seconds_left(progress, study_setup.speed(study.data))
    training = None if mean_kwh is None else mean_kwh * progress.evaluations
    busy = sum(trial.seconds for trial in progress.trials)
    html.facts(
        [
            ("Evaluations", count, f"of {format_quantity(progress.planned, digits=None)}"),
            ("Trials", f"{progress.finished} of {len(progress.trials)}", "finished"),
            ("Evaluations a second", format_quantity(a_second, digits=2), "of the trials that run now"),
            ("Time left", "cancelling" if study.cancelling else figures.duration(max(left, 1.0)), "about"),
            (
                "The search so far",
                figures.energy(outlook.energy_kwh(busy, study_setup.watts()), lens),
                f"assuming {study_setup.watts():g} W a core",
            ),
            ("Training them for real", figures.energy(training, lens), "evaluations × mean cell"),
        ]
    )


def pictures(study: Study, progress: StudyProgress) -> None:
    """The fronts and the hypervolume of all trials so far."""
    setting = study.plan.setting
    found, spread = figures.points(progress, setting), figures.bands(progress)
    whole = progress.figures.hypervolume if progress.figures else None
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(
            figures.front(found, setting.metrics, figures.provenance(setting), dark()),
            theme=None,
            config=config("ec-nas-search-front"),
            key="search_front",
            alt=figures.describe_front(found, setting.metrics),
        )
    with right:
        st.plotly_chart(
            figures.growth(spread, whole, study.plan.evaluations, dark()),
            theme=None,
            config=config("ec-nas-search-hypervolume"),
            key="search_growth",
            alt=f"Hypervolume by evaluations: {figures.headline(figures.reached(progress), whole)}",
        )


def trials(progress: StudyProgress) -> None:
    """How far each trial is."""
    groups: dict[str, list[TrialProgress]] = {}
    for trial in progress.trials:
        groups.setdefault(trial.task.algorithm, []).append(trial)
    st.html(
        render(
            "pages/widgets/templates/trials.html.j2",
            groups=groups,
            numbered_at_most=NUMBERED_AT_MOST,
            color=lambda algorithm: figures.color(algorithm, dark()),
        )
    )


def ended(study: Study) -> None:
    """Say why a study ended before its end or what is wrong with its files, and offer to run what is missing."""
    broken = study_repository.file_problems(study)
    number = len(study.missing) + len(broken)
    if not number and study.state == "done":
        return
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        with st.container(width="stretch"):
            _why(study, broken)
        if number:
            st.button(
                f"Resume: run the other {number}",
                key="search_resume",
                icon=":material/play_arrow:",
                type="primary",
                on_click=problem.attempt,
                args=(runner.resume, study),
            )


def _why(study: Study, broken: Mapping[Path, str]) -> None:
    told = f"{len(study.finished)} of {len(study.plan.tasks)} trials have finished"
    if study.state == "cancelled":
        st.info(f"**Cancelled.** {told}; these are kept.", icon=":material/cancel:")
    elif study.state != "done":
        name = "The search died" if study.state == "died" else "The search failed"
        st.error(f"**{name}.** {html.sentence(study.error or '')} {told}.", icon=":material/error:")
    elif study.missing:
        st.warning(f"**Files are missing.** {told}; the files of the others are gone.", icon=":material/warning:")
    if broken:
        st.warning(
            f"**{len(broken)} files cannot be read.** Resume runs their trials again.", icon=":material/warning:"
        )
    if len(broken) == len(study.finished):  # else the results name them
        for reason in broken.values():
            st.caption(html.sentence(reason))


@st.cache_data(max_entries=3, show_spinner="Reading the published searches")
def _published(stamp: object, space: Space) -> tuple[Any, ...]:  # stamp changes with the data
    return *figures.published(bench(), space), table_1(bench(), space)


def published(space: Space) -> None:
    """Show the authors' searches of a space."""
    found, spread, volumes, table = _published(bench().stamp, space)
    setting = Setting(space, epochs=None)
    counts = spread.groupby("algorithm", sort=False)["evaluation"].max().to_dict()
    st.markdown(f"**{figures.headline(volumes, None)}**")
    st.caption(
        "The authors' own searches, all budgets, energies as EC-NAS stores them, whatever the lens says. "
        "Hypervolume below 1 kWh and an error of 0.2; SEMOA's evaluations count every question to its "
        "archive."
    )
    front = figures.front(found, setting.metrics, figures.provenance(setting), dark())
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(
            front,
            theme=None,
            config=config("ec-nas-published-front"),
            key="search_front",
            alt=figures.describe_front(found, setting.metrics),
        )
        downloads.row(
            f"ec-nas-published-{space}",
            lambda: study_repository.published(bench(), space),
            front,
            f"from ecnas_core import Benchmark\nfrom ecnas_core.search import study_repository\n\n"
            f'print(study_repository.published(Benchmark.open(), "{space}"))',
            "Every evaluation",
        )
    with right:
        growth = figures.growth(spread, None, counts, dark())
        st.plotly_chart(
            growth,
            theme=None,
            config=config("ec-nas-published-hypervolume"),
            key="search_growth",
            alt=f"Hypervolume by evaluations: {figures.headline(volumes, None)}",
        )
        downloads.row(
            f"ec-nas-published-{space}-hypervolume",
            lambda: spread,
            growth,
            f"from ecnas_core import Benchmark\nfrom ecnas_core.figures import search_live\n\n"
            f'front, bands, reached = search_live.published(Benchmark.open(), "{space}")\nprint(bands)',
            "Median, quartiles and range wherever one changes",
        )
    st.markdown("**Ends and knee of the fronts**, as in the paper's Table 1")
    html.quantities(*table_rows(table.assign(name=table["algorithm"])))
    st.caption(table_note(table))
