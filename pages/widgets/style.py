"""What Streamlit's theme options cannot say: a compact header and tabular figures."""

from __future__ import annotations

import streamlit as st

_CSS = """\
<style>
.stAppHeader {height: 2.4rem; min-height: 2.4rem; background: transparent}
.stMainBlockContainer {padding: .9rem 2rem 2rem}
[data-testid="stSidebarHeader"] {height: 2.4rem; min-height: 2.4rem; margin-bottom: 0}
.stMarkdown, .js-plotly-plot text {font-variant-numeric: tabular-nums}
@media (max-width: 640px) {.stMainBlockContainer {padding: 2.4rem .8rem 2rem}}
</style>"""


def apply() -> None:
    """Put the style sheet on the page."""
    st.html(_CSS)
