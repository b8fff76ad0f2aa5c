"""The tasks of a lesson: an answer is given, committed or checked, and told why it is right or wrong."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ecnas_core.analysis.lessons.lesson import ChoiceTask, Task
from ecnas_core.analysis.lessons.view import LearnView
from ecnas_core.figures.lessons import answer_text, given_text, say, says
from pages.widgets import html

state = st.session_state


def start() -> None:
    """What a session remembers of the lessons: predictions by lesson, answers and solutions by exercise."""
    state.setdefault("learn_guesses", {})
    state.setdefault("learn_answers", {})
    state.setdefault("learn_solved", {})


def done(number: int) -> bool:
    """Whether a lesson's prediction is committed and one of its exercises solved."""
    return number in state.learn_guesses and bool(state.learn_solved.get(number))


def reset() -> None:
    """Forget everything, remembering it for ``restore``."""
    names = ("learn_guesses", "learn_answers", "learn_solved")
    state.learn_before = {name: state[name] for name in names}
    for name in names:
        state[name] = {}


def restore() -> None:
    """Undo ``reset``."""
    for name, value in state.pop("learn_before").items():
        state[name] = value


def prediction(number: int, task: Task) -> None:
    """Ask for a prediction; once it is committed, show the answer.

    Args:
        number: of the lesson.
        task: what is asked.
    """
    st.markdown(f"**Predict.** {html.plain(say(task.question))}")
    if number not in state.learn_guesses:
        given = _field(task, f"lesson_{number}_guess")
        st.button(
            "Commit my prediction",
            type="primary",
            key=f"lesson_{number}_commit",
            disabled=_is_empty(given),
            on_click=_commit,
            args=(number,),
        )
        return
    guess = state.learn_guesses[number]
    verdict = task.check(guess)
    agreed = "and that is so" if isinstance(task, ChoiceTask) else "which is close enough"
    st.markdown(f"You said {html.plain(given_text(task, guess))}{f', {agreed}' if verdict.right else ''}.")
    st.markdown(f"**Answer.** {html.plain(say(task.why))}")
    st.button(
        "Predict again",
        key=f"lesson_{number}_again",
        icon=":material/replay:",
        type="tertiary",
        on_click=_uncommit,
        args=(number,),
    )


def exercise(view: LearnView, task: Task) -> None:
    """Ask for an answer and check it.

    Args:
        view: the lesson and the number of its exercise.
        task: what is asked.
    """
    number, deal = view.number, view.deal
    if number not in state.learn_guesses:
        st.caption("The exercise comes after your prediction.")
        return
    st.markdown(f"**Exercise {deal}.** {html.plain(say(task.question))}")
    for link in task.links:
        st.markdown(f"[{html.plain(link.label)}]({link.url()})")
    key = f"lesson_{number}_answer_{deal}"
    filled = not _is_empty(_field(task, key))
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Check",
            type="primary",
            key=f"lesson_{number}_check",
            disabled=not filled,
            on_click=_check,
            args=(task, number, deal, key),
        )
        st.button(
            "Another one",
            key=f"lesson_{number}_next",
            icon=":material/skip_next:",
            type="tertiary",
            on_click=_next,
            args=(view,),
        )
    answer = state.learn_answers.get((number, deal))
    if answer is None:
        return
    verdict = task.check(answer)
    why = html.plain(says(verdict))
    if verdict.right:
        st.success(f"Right. {why}", icon=":material/check_circle:")
        return
    given = "" if isinstance(task, ChoiceTask) else f"{html.plain(given_text(task, answer))}: "
    st.warning(f"Not yet. {given}{why}", icon=":material/help:")
    with st.popover("Show the solution", type="tertiary", icon=":material/visibility:"):
        st.markdown(f"**{html.plain(answer_text(task))}**")
        st.markdown(html.plain(say(task.why)))


def _field(task: Task, key: str) -> Any:
    """The widget that a task is answered with, and what it holds."""
    if isinstance(task, ChoiceTask):
        labels = {name: html.plain(say(option)) for name, option in task.options.items()}
        if task.many:
            return st.pills(
                "Your choice",
                labels,
                format_func=labels.get,
                selection_mode="multi",
                key=key,
                label_visibility="collapsed",
                wrap=True,
            )
        chosen = st.radio(
            "Your choice", labels, format_func=labels.get, index=None, key=key, label_visibility="collapsed"
        )
        return [] if chosen is None else [chosen]
    label = f"Your answer ({task.unit})" if task.unit else "Your answer"
    if task.slider:
        return st.slider(label, task.least, task.most, step=task.step, format="%g", key=key)
    return st.number_input(
        label,
        task.least,
        task.most,
        value=None,
        step=task.step,
        format="%g",
        key=key,
        placeholder="a number",
        width=240,
    )


def _is_empty(given: Any) -> bool:
    return given is None or given == []


def _held(key: str) -> Any:
    held = state[key]
    return [held] if isinstance(held, str) else held


def _commit(number: int) -> None:
    state.learn_guesses[number] = _held(f"lesson_{number}_guess")


def _uncommit(number: int) -> None:
    state.learn_guesses.pop(number)


def _check(task: Task, number: int, deal: int, key: str) -> None:
    answer = state.learn_answers[number, deal] = _held(key)
    if task.check(answer).right:
        state.learn_solved.setdefault(number, set()).add(deal)


def _next(view: LearnView) -> None:
    state.learn_deals = state.get("learn_deals", {}) | {view.number: view.deal % view.lesson.deals + 1}
