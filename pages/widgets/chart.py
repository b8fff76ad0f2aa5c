"""What is clicked in a figure, and a figure whose points are cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import streamlit as st

from ecnas_core.figures.explore import Plane
from ecnas_core.figures.theme import config
from pages.widgets import card

T = TypeVar("T")


def clicked(key: str, meant: Mapping[int, Sequence[T]]) -> T | None:
    """What the first of the selected points stands for; None where none stands for anything.

    Args:
        key: of the figure.
        meant: what the points of each trace stand for, by the number of the trace.
    """
    for point in st.session_state[key]["selection"]["points"]:
        if meant.get(point["curve_number"]):
            return meant[point["curve_number"]][point["point_index"]]
    return None


def cells(name: str, drawn: Plane, alt: str, *, dragging: bool = False) -> None:
    """Show a figure; a click on a point opens the card of its cell.

    Args:
        name: the figure's key, and after ec-nas what a downloaded image is called.
        drawn: the figure and the cells of its points.
        alt: what the figure shows, in words.
        dragging: whether the mode bar also offers what dragging does.
    """

    def opened() -> None:
        if digest := clicked(name, drawn.hashes):
            card.open_cell(digest)

    st.plotly_chart(
        drawn.figure,
        theme=None,
        config=config(f"ec-nas-{name.replace('_', '-')}", dragging=dragging),
        key=name,
        on_select=opened,
        selection_mode="points",
        alt=alt,
    )
