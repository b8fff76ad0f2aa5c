"""What pages to take along share: figures that need nothing else, and the licences of what is in them."""

from __future__ import annotations

from typing import Final, NamedTuple

import plotly.graph_objects as go

from ecnas_core.benchmark.paper import CITATION

LICENCES: Final = (
    "Figures: EC-NAS-Bench, MIT (c) 2022 Pedram Bakh.; its surrogate, MIT (c) 2022 Raghavendra Selvan; NAS-Bench-101, "
    f"Apache-2.0 (Ying and others 2019). {CITATION}."
)


class Plot(NamedTuple):
    """A figure as HTML, and what it shows, in words, for those who cannot see it."""

    html: str
    told: str


class Plots:
    """Figures as HTML; the first brings plotly's library along, some 5 MB."""

    def __init__(self) -> None:
        self._first = True

    def add(self, figure: go.Figure, told: str) -> Plot:
        """The next figure.

        Args:
            figure: the figure.
            told: what it shows, in words, for those who cannot see it.
        """
        html = figure.to_html(
            full_html=False, include_plotlyjs=self._first, config={"displaylogo": False, "responsive": True}
        )
        self._first = False
        return Plot(html, told)
