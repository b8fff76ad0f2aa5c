"""A lesson: its picture with what can be changed, and beside it to look, to predict, and to do."""

from __future__ import annotations

import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import glossary
from ecnas_core.analysis.lessons.lesson import NotTeachable, Scene, Task
from ecnas_core.analysis.lessons.view import LearnView
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.layout import Stamp
from ecnas_core.carbon import Lens
from ecnas_core.figures import lessons as figures
from ecnas_core.figures.explore import Plane
from pages.widgets import chart, downloads, find_the_knee, html, lesson_sheets, lesson_tasks
from pages.widgets.session import bench, dark

GAME = 4
state = st.session_state


@st.cache_resource(max_entries=32, show_spinner="Computing from the data")
def scene(number: int, settings: tuple[tuple[str, str], ...], lens: Lens, _view: LearnView, stamp: Stamp) -> Scene:
    """What a lesson's picture shows; `stamp` changes with the data."""
    return _view.lesson.scene(bench(), _view.chosen, lens)


@st.cache_resource(max_entries=32, show_spinner="Computing from the data")
def tasks(number: int, deal: int, lens: Lens, _view: LearnView, stamp: Stamp) -> tuple[Task, Task]:
    """A lesson's prediction and exercise; `stamp` changes with the data."""
    lesson = _view.lesson
    return lesson.prediction(bench(), lens), lesson.exercise(bench(), lens, deal - 1)


def controls(view: LearnView) -> tuple[tuple[str, str], ...]:
    """The row above the picture.

    Returns:
        The value of every control that counts.
    """
    chosen = view.chosen
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="lesson_controls"):
        for control in view.lesson.controls:
            if control.needs and chosen[control.needs[0]] not in control.needs[1]:
                continue
            key = f"lesson_{view.number}_{control.key}"
            state.setdefault(key, chosen[control.key])
            labels, told = control.options, glossary.help(control.term)
            if sum(map(len, labels.values())) > 44:
                st.selectbox(control.label, labels, format_func=labels.get, key=key, width=250, help=told)
            else:
                st.segmented_control(control.label, labels, format_func=labels.get, key=key, required=True, help=told)
            chosen[control.key] = state[key]
    return tuple(chosen.items())


def show(view: LearnView) -> LearnView:
    """Show a lesson.

    Args:
        view: which, with what settings and which exercise.

    Returns:
        The view with the settings as they are now.
    """
    lesson = view.lesson
    st.header(lesson.question, anchor=False)
    left, right = st.columns([7, 5], gap="large")
    with left:
        view = replace(view, settings=controls(view))
        counted = lesson.lens(view.lens)
        if counted != view.lens:
            st.caption(f"Whatever else the lens says, this lesson counts {html.plain(counted.describe())}.")
    try:
        shown = scene(view.number, view.settings, view.lens, view, bench().stamp)
        prediction, exercise = tasks(view.number, view.deal, view.lens, view, bench().stamp)
    except NotTeachable as error:
        st.info(html.sentence(str(error)), icon=":material/info:")
        return view
    revealed = view.number in state.learn_guesses
    with left:
        _picture(view, shown, revealed)
    with right:
        st.markdown(lesson.introduction)
        st.markdown(f"**Look.** {lesson.look}")
        lesson_tasks.prediction(view.number, prediction)
        lesson_tasks.exercise(view, exercise)
    if view.number == GAME and revealed:
        _game(view, shown)
    with st.expander("Words of this lesson", icon=":material/dictionary:"):
        for term in lesson.terms:
            st.markdown(f"**{term}**: {html.plain(glossary.help(term))}")
    lesson_sheets.worksheet(view)
    return view


def _picture(view: LearnView, shown: Scene, revealed: bool) -> None:
    told = figures.headline(view.lesson, shown, revealed=revealed)
    st.markdown(f"**{html.plain(told)}**")
    drawn: Plane = figures.picture(view.lesson, shown, dark(), revealed=revealed)
    chart.cells(f"lesson_{view.number}_picture", drawn, told)
    note = figures.resting(shown)
    if revealed and note:
        st.caption(html.plain(note))
    if revealed:
        downloads.row(
            f"ec-nas-lesson-{view.number}",
            lambda: shown.frame,
            drawn.figure,
            view.to_python(),
            "The rows behind the picture",
        )
    else:
        st.caption("The rest of the picture comes with the answer, after your prediction.")


def _game(view: LearnView, shown: Scene) -> None:
    """Find the knee by hand, on the front of the picture."""
    st.header("Find the knee by hand", anchor=False)
    asked: View = shown.picture.view
    find_the_knee.show(repr(("lesson", view.settings, view.lens)), shown.frame, asked.axes)
