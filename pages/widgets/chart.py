"""A figure whose points are cells."""

from __future__ import annotations

import streamlit as st

from ecnas_core.figures.explore import Plane
from ecnas_core.figures.theme import config
from pages.widgets import card


def cells(name: str, drawn: Plane, alt: str, *, dragging: bool = False) -> None:
    """Show a figure; a click on a point opens the card of its cell.

    Args:
        name: the figure's key, and after ec-nas what a downloaded image is called.
        drawn: the figure and the cells of its points.
        alt: what the figure shows, in words.
        dragging: whether the mode bar also offers what dragging does.
    """

    def opened() -> None:
        for point in st.session_state[name]["selection"]["points"]:
            hashes = drawn.hashes.get(point["curve_number"])
            if hashes:
                card.open_cell(hashes[point["point_index"]])
                return

    st.plotly_chart(
        drawn.figure,
        theme=None,
        config=config(f"ec-nas-{name.replace('_', '-')}", dragging=dragging),
        key=name,
        on_select=opened,
        selection_mode="points",
        alt=alt,
    )
