"""Find the knee yourself: a front without marks, a click, and then what each rule says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from ecnas_core.analysis.knees import RULES
from ecnas_core.analysis.metrics import Metric
from ecnas_core.figures import search as figures
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import config, format_fixed
from ecnas_core.search.results import distance
from pages.widgets import chart, html
from pages.widgets.session import dark

LEAST = 3
state = st.session_state


def show(of: str, front: pd.DataFrame, metrics: Sequence[Metric]) -> None:
    """Show the game.

    Args:
        of: names the front; another one starts a new game.
        front: its points by rising first objective, with the columns ``hash`` and the objectives.
        metrics: the two objectives.
    """
    if len(front) < LEAST:
        st.info(f"The front has {len(front)} points; a knee needs three.", icon=":material/show_chart:")
        return
    if state.get("guess_of") != of:
        state.guess_of = of
        state.guess = None
    x, y = metrics
    guessed: int | None = state.guess
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        logarithmic = st.toggle("Logarithmic axes", key="guess_log", help="The rules look at linear axes.")
        if guessed is not None:
            st.button("Try again", key="guess_again", icon=":material/replay:", on_click=_again)
    if guessed is None:
        headline = (
            f"Where is the knee? Click the point after which {y.label.lower()} is no longer worth the "
            f"{x.label.lower()}."
        )
        drawn = figures.guess(front, metrics, dark(), logarithmic)
    else:
        points = front[[x.key, y.key]].to_numpy(np.float64)
        answers = {name: rule(points) for name, rule in RULES.items()}
        headline = figures.verdict(guessed, answers, points)
        drawn = figures.revealed(front, guessed, answers, metrics, dark(), logarithmic)
    st.markdown(f"**{headline}**")
    st.plotly_chart(
        drawn.figure,
        theme=None,
        config=config("ec-nas-find-the-knee"),
        key="guess_front",
        on_select=partial(_clicked, len(front)) if guessed is None else "ignore",
        selection_mode="points",
        alt=headline,
    )
    if guessed is None:
        with st.popover("Choose without a mouse", icon=":material/keyboard:", type="tertiary"):
            st.selectbox(
                "Point",
                range(len(front)),
                index=None,
                key="guess_point",
                on_change=_chosen,
                format_func=lambda at: (
                    f"{value(x, front[x.key].iloc[at])}, {y.label.lower()} {value(y, front[y.key].iloc[at])}"
                ),
                placeholder="a point of the front",
            )
        return
    _table(guessed, answers, points, metrics)
    st.caption(
        "Distances are between points with both objectives scaled to [0, 1] over the front, so that 1.41 is the most. "
        "No rule is right: each looks for something else, and what a step is worth is for whoever pays for it."
    )


def _table(guessed: int, answers: dict[str, int | None], points: np.ndarray, metrics: Sequence[Metric]) -> None:
    x, y = metrics
    rows = [["Your guess", value(x, points[guessed, 0]), value(y, points[guessed, 1]), "", ""]]
    for rule, place in answers.items():
        name, sought = figures.RULES[rule], f"the point that {figures.SOUGHT[rule]}"
        if place is None:
            rows.append([name, "–", "–", "–", f"{sought}: there is none"])
        else:
            apart = format_fixed(distance(points, guessed, place), 3)
            rows.append([name, value(x, points[place, 0]), value(y, points[place, 1]), apart, sought])
    html.quantities(["Knee", x.label, y.label, "Distance", ""], rows, notes=True)


def _clicked(points: int) -> None:
    place = chart.clicked("guess_front", {0: range(points)})
    if place is not None:
        state.guess = place


def _chosen() -> None:
    state.guess = state.guess_point


def _again() -> None:
    state.guess = None
