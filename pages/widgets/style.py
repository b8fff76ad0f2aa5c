"""What Streamlit's theme options cannot say: a compact header, tabular figures, text that can be read on its ground."""

from __future__ import annotations

import streamlit as st

from ecnas_core.figures.theme import palette

_CSS = """\
<style>
.stAppHeader {{height: 2.4rem; min-height: 2.4rem; background: transparent}}
.stMainBlockContainer {{padding: .9rem 2rem 2rem}}
[data-testid="stSidebarHeader"] {{height: 2.4rem; min-height: 2.4rem; margin-bottom: 0}}
[data-testid="stCaptionContainer"] {{opacity: 1; color: light-dark({light.muted}, {dark.muted})}}
[data-selected="true"] [data-testid="stMarkdownContainer"] p {{color: light-dark({light.text}, {dark.text})}}
.stMarkdown, .js-plotly-plot text {{font-variant-numeric: tabular-nums}}
@media (max-width: 640px) {{.stMainBlockContainer {{padding: 2.4rem .8rem 2rem}}}}
</style>"""


def apply() -> None:
    """Put the style sheet on the page, the same for both themes."""
    st.html(_CSS.format(light=palette(dark=False), dark=palette(dark=True)))
