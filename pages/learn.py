"""Learn: six lessons for a class, a glossary, and what helps to teach."""

from __future__ import annotations

import streamlit as st

from ecnas_core.analysis.lessons import LESSONS
from ecnas_core.analysis.lessons.view import SECTIONS, LearnView
from ecnas_core.analysis.view import View
from pages.widgets import card, glossary, lesson, lesson_sheets, lesson_tasks, page, session

SECTION_LABELS = {"lessons": "Lessons", "glossary": "Glossary", "teacher": "For teachers"}
state = st.session_state


def numbered(number: int) -> str:
    """A lesson in the row of lessons, with a mark when it is done."""
    mark = ":material/check: " if lesson_tasks.done(number) else ""
    return f"{mark}{number} {LESSONS[number].title}"


def controls(view: LearnView) -> LearnView:
    """The row at the top, and the view that it describes."""
    state.setdefault("learn_section", view.section)
    state.setdefault("learn_number", view.number)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="learn_controls"):
        st.segmented_control(
            "Section",
            SECTIONS,
            format_func=SECTION_LABELS.get,
            key="learn_section",
            required=True,
            label_visibility="collapsed",
        )
        if state.learn_section == "lessons":
            progress()
    if state.learn_section != "glossary":
        labels = {number: numbered(number) for number in LESSONS}
        st.segmented_control(
            "Lesson",
            list(LESSONS),
            format_func=labels.get,
            key="learn_number",
            required=True,
            label_visibility="collapsed",
            wrap=True,
        )
    number = state.get("learn_number", view.number)
    deals = state.setdefault("learn_deals", {view.number: view.deal})
    settings = state.setdefault("learn_settings", {view.number: view.settings})
    return LearnView(state.learn_section, number, deals.get(number, 1), settings.get(number, ()), state.lens)


def progress() -> None:
    """How far the class is, and the way back to the start."""
    finished = sum(map(lesson_tasks.done, LESSONS))
    st.caption(f"{finished} of {len(LESSONS)} lessons done in this session", width="content")
    if state.learn_guesses or state.learn_answers:
        st.button(
            "Reset",
            key="learn_reset",
            icon=":material/restart_alt:",
            type="tertiary",
            on_click=lesson_tasks.reset,
            help="Forget all predictions and answers.",
        )
    elif "learn_before" in state:
        st.button(
            "Undo: bring them back",
            key="learn_restore",
            icon=":material/undo:",
            type="tertiary",
            on_click=lesson_tasks.restore,
        )


def opened(view: LearnView) -> None:
    """The card of the cell that was clicked in a picture."""
    chosen = view.chosen
    space = chosen.get("space") or session.bench().query(state.cell).space
    epochs = int(chosen.get("epochs", View().epochs))
    st.divider()
    card.show(View(space=space, epochs=epochs, lens=state.lens), state.cell, {})


def main() -> None:
    """The page."""
    session.through_app()
    lesson_tasks.start()
    view = session.from_link("learn_view", LearnView.from_params)
    page.header("Learn")
    view = controls(view)
    if view.section == "glossary":
        glossary.show()
    elif view.section == "teacher":
        st.header(view.lesson.question, anchor=False)
        lesson_sheets.guide(view)
    else:
        view = lesson.show(view)
        state.learn_settings = state.learn_settings | {view.number: view.settings}
        if state.cell:
            opened(view)
    state.learn_view = view
    params = view.to_params()
    if state.cell:
        params["cell"] = state.cell
    session.publish(params)


main()
