"""The footer: where the figures come from and what made the page."""

from __future__ import annotations

from importlib.metadata import version

import streamlit as st

from ecnas_core import __version__
from pages.widgets import html
from pages.widgets.session import bench


def show() -> None:
    """Sources with licences, the app's and DuckDB's versions, and files that were left out."""
    st.divider()
    st.caption(
        "Figures: [EC-NAS-Bench](https://github.com/saintslab/EC-NAS-Bench) and its surrogate (MIT, © 2022 "
        "Pedram Bakh., © 2022 Raghavendra Selvan; [paper](https://arxiv.org/abs/2210.06015)) and "
        "[NAS-Bench-101](https://github.com/google-research/nasbench) (Apache 2.0; "
        "[paper](https://arxiv.org/abs/1902.09635)). "
        f"EC-NAS Explorer {__version__}, DuckDB {version('duckdb')}, Streamlit {version('streamlit')}."
    )
    problems = bench().layout.problems
    if problems:
        with st.expander(f"{len(problems)} files of your data folder are left out", icon=":material/warning:"):
            for path, reason in problems.items():
                st.markdown(f"{html.code(path.name)}: {html.plain(reason)}")
