"""A lesson to print, and what its teacher needs."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import streamlit as st

from ecnas_core.analysis.lessons.lesson import MINUTES
from ecnas_core.analysis.lessons.view import LearnView
from ecnas_core.figures import lesson_sheets as figures
from pages.widgets import downloads, html
from pages.widgets.session import bench


def worksheet(view: LearnView) -> None:
    """The button that gives the lesson on paper, with its present picture and exercise."""
    _button(view, answers=False)


def guide(view: LearnView) -> None:
    """Show what helps to teach a lesson.

    Args:
        view: the lesson, with the settings and the exercise that its sheets have.
    """
    lesson, told = view.lesson, view.lesson.guide
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**Timing, {MINUTES} minutes**")
        html.quantities(["", "Minutes"], [[what, str(minutes)] for what, minutes in told.timing])
        st.markdown("**Pages to show**")
        st.markdown("\n".join(f"- [{html.plain(link.label)}]({link.under(view.lens).url()})" for link in told.links))
        st.markdown("**On paper**")
        st.caption("With the picture and the exercise that the lesson shows now; print them from the browser.")
        with st.container(horizontal=True, gap="small"):
            _button(view, answers=False)
            _button(view, answers=True)
    with right:
        st.markdown("**To ask**")
        st.markdown("\n".join(f"- {question}" for question in told.ask))
        st.markdown("**Often misread**")
        st.markdown(told.misread)
        st.markdown("**Words to know**")
        st.markdown(", ".join(lesson.terms))


def _button(view: LearnView, *, answers: bool) -> None:
    name = "answers" if answers else "worksheet"
    downloads.button(
        "Answer sheet" if answers else "Worksheet",
        f"ec-nas-lesson-{view.number}-{name}",
        ".html",
        "text/html",
        lambda: figures.sheet(
            view.lesson, bench(), view.chosen, view.lens, view.deal - 1, _base(), answers=answers
        ).encode(),
        "One page to print, self-contained" + (", with answers and the guide" if answers else ""),
    )


def _base() -> str:
    """The app's own address, for links that leave it."""
    parts = urlsplit(st.context.url or "http://127.0.0.1:8501/")
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rpartition('/')[0]}/", "", ""))
