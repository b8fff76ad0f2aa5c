"""Home: what this is, the ways in, and one live picture."""

from __future__ import annotations

import streamlit as st

from ecnas_core.analysis import explore, glossary
from ecnas_core.analysis.view import View
from ecnas_core.benchmark import EPOCHS
from ecnas_core.benchmark.layout import Stamp
from ecnas_core.figures import home as figures
from ecnas_core.figures.theme import config
from pages.widgets import chart, html, report, session

EXPLORE = "pages/explore.py"
WAYS = (
    (
        EXPLORE,
        "Explore",
        ":material/scatter_plot:",
        "Every network of the benchmark by what it costs and what it gives. See the front, open a cell, compare.",
    ),
    (
        "pages/learn.py",
        "Teach",
        ":material/school:",
        "Six lessons of ten minutes for a class: predict, see the answer from the data, solve an exercise.",
    ),
    (
        "pages/choose.py",
        "Choose",
        ":material/checklist:",
        "Say what you have and what you need: a short list of lean networks, with code and a model card to take along.",
    ),
)
state = st.session_state


@st.cache_resource(max_entries=16, show_spinner=False)
def picture(view: View, stamp: Stamp) -> explore.Picture:
    """The computed view; `stamp` changes with the data."""
    return explore.picture(session.bench(), view)


def ways() -> None:
    """What one can do here."""
    for target, label, icon, told in WAYS:
        with st.container(gap="xxsmall"):
            st.page_link(target, label=f"**{label}**", icon=icon)
            st.markdown(told)


def opened() -> None:
    """Look at the clicked cell in Explore."""
    if digest := chart.clicked("home_picture", state.home_hashes):
        state.cell, state.home_opened = digest, True


def live() -> None:
    """The picture."""
    st.segmented_control(
        "Training budget (epochs)",
        EPOCHS,
        key="home_epochs",
        default=View().epochs,
        required=True,
        help=glossary.help("training budget"),
    )
    view = View(epochs=state.home_epochs, lens=state.lens)
    with st.spinner("Looking at every cell", show_time=False):
        shown = picture(view, session.bench().stamp)
    told = figures.headline(shown)
    st.markdown(f"**{html.plain(told)}**")
    if not shown.both:
        st.info(
            "Under this lens no energy is known: choose the scope Facility or IT, or another device.",
            icon=":material/info:",
        )
        return
    drawn = figures.picture(shown, session.dark())
    state.home_hashes = drawn.hashes
    st.plotly_chart(
        drawn.figure,
        theme=None,
        config=config("ec-nas"),
        key="home_picture",
        on_select=opened,
        selection_mode="points",
        alt=told,
    )
    st.caption(html.plain(f"{figures.provenance(shown)} Click a cell to look at it in Explore."))


def main() -> None:
    """The page."""
    session.through_app()
    if state.pop("home_opened", False):
        st.switch_page(EXPLORE)
    left, right = st.columns([4, 7], gap="large")
    with left:
        st.title("EC-NAS Explorer", anchor=False)
        st.markdown(
            "What a neural network costs in energy and what it gives in accuracy: measured, published and predicted "
            "figures of the small image classifiers of NAS-Bench-101 and EC-NAS, to explore, to teach and to choose by."
        )
        ways()
        report.offer()
    with right:
        live()
    session.publish({})


main()
