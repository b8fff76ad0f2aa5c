"""Would you rather: weights found by choosing between two cells at a time."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ecnas_core.analysis import glossary
from ecnas_core.analysis.choose import Choice
from ecnas_core.analysis.preferences import Answer, Belief
from ecnas_core.figures import choose as figures
from ecnas_core.figures.theme import format_percent
from pages.widgets import choose_needs

state = st.session_state


def show(choice: Choice) -> None:
    """Ask which of two cells is preferred, and set the weights by the answers.

    Args:
        choice: between whose front it is.
    """
    answers = state.setdefault("choose_answers", [])
    with st.popover("Would you rather …", icon=":material/compare_arrows:", width="stretch"):
        sized = st.toggle(
            "The size of the network matters too",
            key="choose_sized",
            on_change=_forget,
            help=glossary.help("parameters"),
        )
        scaled = choice.scale(choice.candidates.objectives()[choice.front])
        belief = Belief.after(answers, sized)
        pair = belief.question(scaled) if len(scaled) else None
        if pair is None:
            st.caption("Of these limits' cells one is the best whatever you care for.")
            return
        st.markdown("Which one would you rather have?")
        for which, other in (pair, pair[::-1]):
            st.button(
                _told(choice, which),
                key=f"choose_rather_{int(which == pair[1])}",
                width="stretch",
                on_click=_answer,
                args=(_point(scaled[which]), _point(scaled[other]), sized),
            )
        if not answers:
            st.caption("Three to five answers find your weights.")
            return
        support = belief.support(scaled)
        st.caption(
            f"{len(answers)} answer{'s' * (len(answers) > 1)}: {format_percent(float(support.max()), 0)} of the "
            "weights that fit them choose the same cell."
        )
        st.button("Begin anew", icon=":material/restart_alt:", type="tertiary", key="choose_anew", on_click=_forget)


def _told(choice: Choice, which: int) -> str:
    position = choice.front[which]
    values = {name: values[position] for name, values in choice.candidates.values.items()}
    return (
        f"accuracy {figures.amount('accuracy', values['accuracy'])} for "
        f"{figures.amount('energy_kwh', values['energy_kwh'])}, "
        f"{figures.amount('parameters', values['parameters'])} parameters"
    )


def _point(scaled: np.ndarray) -> tuple[float, float, float]:
    energy, error, size = scaled.tolist()
    return energy, error, size


def _answer(better: tuple[float, float, float], worse: tuple[float, float, float], sized: bool) -> None:
    state.choose_answers = [*state.choose_answers, Answer(better, worse)]
    choose_needs.weigh(Belief.after(state.choose_answers, sized).weights)


def _forget() -> None:
    state.choose_answers = []
