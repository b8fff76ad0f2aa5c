"""What a browser session remembers, and how the URL carries it."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Mapping
from math import nan
from typing import TypeVar

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from ecnas_core import Benchmark
from ecnas_core.benchmark import UnknownCell
from ecnas_core.carbon import Lens
from ecnas_core.errors import EcnasError
from ecnas_core.records import distinct
from pages.widgets import html

Shown = TypeVar("Shown")

PINNED_AT_MOST = 4
_BROKEN = "The link could not be opened as it is: {}. Shown is the default view."


def bench() -> Benchmark:
    """The benchmark, one instance a process."""
    return Benchmark.open()


def dark() -> bool:
    """Whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"


def through_app() -> None:
    """Begin again at app.py where a link has opened a page before it ever ran.

    A folder named pages makes Streamlit run the page alone until app.py has called ``st.navigation``.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()


def start() -> None:
    """On a session's first run take from the URL the lens, the open cell, the box and the tray; keep all as link."""
    state = st.session_state
    if "lens" in state:
        return
    params = st.query_params.to_dict()
    state.notices = []
    state.link = params
    state.lens = Lens()
    try:
        state.lens = Lens.from_params(params)
    except EcnasError as error:
        state.link = {}
        state.notices.append(_BROKEN.format(html.plain(str(error))))
    state.cell = _known(params.get("cell"))
    state.tray = [digest for digest in distinct(params.get("tray", "")) if _known(digest)][:PINNED_AT_MOST]
    state.box = _box(params.get("box"))


@st.cache_resource(show_spinner=False)
def settle(page: str) -> None:
    """Once a page has been drawn, spare the garbage collector what it loaded.

    Streamlit collects all garbage after every run, which goes through every object of every module otherwise.

    Args:
        page: its title; each page loads modules of its own.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # what is still frozen when the process ends is reported as leaked


def from_link(key: str, parse: Callable[[Mapping[str, str]], Shown]) -> Shown:
    """What a page shows, kept in the session under a key; at first what the link that opened the session says.

    Args:
        key: name in the session.
        parse: makes it of URL parameters, its default of none; raises EcnasError where they are wrong.
    """
    state = st.session_state
    if key not in state:
        try:
            state[key] = parse(state.pop("link", {}))
        except EcnasError as error:
            state[key] = parse({})
            st.warning(_BROKEN.format(html.plain(str(error))), icon=":material/link_off:")
    return state[key]


def publish(params: Mapping[str, str]) -> None:
    """Write a page's state, with the lens and the tray, to the URL."""
    state = st.session_state
    wanted = dict(params) | state.lens.to_params()
    if state.tray:
        wanted["tray"] = "~".join(state.tray)
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def notices() -> None:
    """Show what could not be taken from the URL, once."""
    for notice in st.session_state.notices:
        st.warning(notice, icon=":material/link_off:")
    st.session_state.notices = []


def _known(digest: str | None) -> str | None:
    if not digest:
        return None
    try:
        return bench().query(digest, space="7V").hash
    except UnknownCell as error:
        st.session_state.notices.append(f"A cell of the link is left out: {html.plain(str(error))}.")
        return None


def _box(text: str | None) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    try:
        x_low, x_high, y_low, y_high = (float(part) for part in text.split("~"))
    except ValueError:
        x_low = x_high = y_low = y_high = nan
    if not (x_low <= x_high and y_low <= y_high):
        st.session_state.notices.append("The selected area of the link is left out: it is not two ranges of numbers.")
        return None
    return x_low, x_high, y_low, y_high
