"""What Streamlit's theme options cannot say: a compact header, tabular figures, figures that follow the theme."""

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
.st-key-theme {{position: absolute; width: 0}}
@media (max-width: 640px) {{.stMainBlockContainer {{padding: 2.4rem .8rem 2rem}}}}
</style>"""

# Streamlit changes the theme in the browser alone, while the colours of figures are computed here.
_theme = st.components.v2.component(
    "theme",
    html="<i></i>",
    css="i {color: var(--st-text-color); transition: color 1ms}",
    js="""export default ({parentElement, setTriggerValue}) => {
        parentElement.querySelector("i").ontransitionend = () => setTriggerValue("changed", true)
    }""",
)


def apply() -> None:
    """Put the style sheet on the page, the same for both themes, and draw anew when the theme changes."""
    st.html(_CSS.format(light=palette(dark=False), dark=palette(dark=True)))
    _theme(key="theme", on_changed_change=lambda: None)
