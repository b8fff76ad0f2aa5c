"""The row under every figure: the data as CSV and Parquet, the figure as HTML, the view as Python."""

from __future__ import annotations

import io
from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import streamlit as st


def row(name: str, frame: Callable[[], pd.DataFrame], figure: go.Figure, python: str, what: str) -> None:
    """Show the downloads; nothing is computed before a button is pressed.

    Args:
        name: what the files are called, without ending.
        frame: makes the rows behind the figure.
        figure: the figure.
        python: source that computes the same.
        what: which rows the tables hold, for the help text.
    """
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        table(name, frame, what)
        button("HTML", name, ".html", "text/html", lambda: _html(figure), "The interactive figure, self-contained")
        with st.popover("Copy as Python", icon=":material/code:", type="tertiary"):
            st.code(python, language="python")


def table(name: str, frame: Callable[[], pd.DataFrame], what: str) -> None:
    """The two buttons that give rows as CSV and as Parquet.

    Args:
        name: what the files are called, without ending.
        frame: makes the rows.
        what: which rows they are, for the help text.
    """
    button("CSV", name, ".csv", "text/csv", lambda: _csv(frame()), what)
    button("Parquet", name, ".parquet", "application/vnd.apache.parquet", lambda: _parquet(frame()), what)


def button(label: str, name: str, ending: str, mime: str, content: Callable[[], bytes | str], what: str) -> None:
    """A button that makes a file when it is pressed.

    Args:
        label: on the button.
        name: of the file, without its ending.
        ending: of the file, with its dot.
        mime: of the file.
        content: makes it.
        what: is in it, shown on hover.
    """
    st.download_button(
        label,
        content,
        f"{name}{ending}",
        mime,
        key=f"{name}{ending}",
        help=what,
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _csv(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), buffer)
    return buffer.getvalue()


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer, compression="zstd")
    return buffer.getvalue()


def _html(figure: go.Figure) -> bytes:
    return figure.to_html(include_plotlyjs=True, full_html=True).encode()
