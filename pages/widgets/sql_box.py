"""The SQL box: the public views with their columns, a query, its answer as chart and table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from ecnas_core.benchmark import catalogue
from ecnas_core.benchmark.catalogue import EXAMPLES
from ecnas_core.benchmark.layout import Stamp
from ecnas_core.benchmark.sandbox import SandboxError, SandboxResult
from ecnas_core.figures import answer
from ecnas_core.figures.answer import KINDS, ONE_COLOUR, Chart
from ecnas_core.figures.theme import config, format_quantity
from ecnas_core.records import Param, Record
from pages.widgets import downloads, html, session

FIRST = next(iter(EXAMPLES.values()))
LINK_LETTERS = 4_000
HISTORY_AT_MOST = 20
KIND_LABELS = {"scatter": "Scatter", "bar": "Bars", "line": "Lines"}
state = st.session_state


def _short_enough(sql: str) -> str | None:
    return sql if len(sql) <= LINK_LETTERS else None


class Question(Record, frozen=True):
    """A query and how its answer is drawn.

    Attributes:
        sql: the query; one too long for a link is left out of it.
        chart: what the user chose of the chart; the rest follows from the answer.
    """

    sql: Annotated[str, Param(write=_short_enough)] = FIRST
    chart: Chart = Chart()


class DataView(Record, frozen=True):
    """What the page Data shows.

    Attributes:
        section: where the figures come from, or questions in SQL.
        question: what the SQL box asks.
    """

    section: Literal["sources", "sql"] = "sources"
    question: Question = Question()

    def to_params(self) -> dict[str, str]:
        """The view as URL parameters; defaults, and a question beside the sources, are left out."""
        return {} if self.section == "sources" else super().to_params()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The view that ``to_params`` wrote; a link with a query alone asks it.

        Raises:
            InvalidRecord: there is no such section or chart.
        """
        return super().from_params(({"section": "sql"} if "sql" in params else {}) | {**params})


@dataclass(frozen=True)
class _Answered:
    sql: str
    stamp: Stamp
    result: SandboxResult | None
    error: str


def show(question: Question) -> Question:
    """Show the box with a question and its answer.

    Returns:
        The question as the user has it now.
    """
    asked, wish = state.pop("data_sql_asked", question.sql), state.pop("data_sql_wish", question.chart)
    question = Question(asked, wish if asked == question.sql else Chart())
    if "data_sql_text" not in state:
        state.data_sql_text = question.sql
    state.setdefault("data_sql_history", {})
    editor, schema = st.columns([3, 2], gap="medium")
    with editor:
        _editor()
    with schema:
        _schema()
    if len(question.sql) > LINK_LETTERS:
        st.caption("This query is too long for the address of the page: the link will not reopen it.")
    answered = _answer(question.sql)
    if answered.result is None:
        st.error(html.sentence(answered.error), icon=":material/error:")
        return question
    return replace(question, chart=_answer_shown(question, answered.result))


def _editor() -> None:
    """The query: an example, one of before, or what is typed and run."""
    history: dict[str, str] = state.data_sql_history
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.menu_button(
            "Examples",
            list(EXAMPLES),
            icon=":material/lightbulb:",
            key="data_sql_example",
            on_click=lambda: _ask(EXAMPLES[state.data_sql_example]),
        )
        if history:
            st.menu_button(
                "History",
                list(reversed(history)),
                format_func=lambda text: f"{_short(text)} ({history.get(text, '')})",
                icon=":material/history:",
                help="Queries of this session, the latest first; choose one to run it again.",
                key="data_sql_before",
                on_click=lambda: _ask(state.data_sql_before),
            )
    with st.form("data_sql_form", border=False):
        st.text_area(
            "Query",
            key="data_sql_text",
            height=150,
            label_visibility="collapsed",
            placeholder="select * from benchmark limit 10",
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.form_submit_button(
                "Run",
                icon=":material/play_arrow:",
                type="primary",
                help="Ctrl+Enter",
                on_click=lambda: _ask(state.data_sql_text),
            )
            st.caption("DuckDB SQL, read-only: one query, 5 s, 1 GiB of memory, 100 000 rows.")


def _ask(sql: str) -> None:
    """Have a query run, again if it ran before."""
    state.data_sql_text = state.data_sql_asked = sql
    state.pop("data_sql_answered", None)


def _short(text: str) -> str:
    """The first words of a query, without its comments."""
    words = " ".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).split()
    line = " ".join(words) or text.strip()
    return line if len(line) <= 70 else f"{line[:69]}…"


def _schema() -> None:
    """What can be asked for."""
    view = st.selectbox(
        "Table", list(catalogue.VIEWS), key="data_sql_view", label_visibility="collapsed", persist_state="session"
    )
    st.caption(catalogue.VIEWS[view])
    columns = catalogue.columns(session.bench(), view)
    st.dataframe(
        pd.DataFrame(
            [(column.name, column.meaning, column.type) for column in columns], columns=["Column", "Meaning", "Type"]
        ),
        hide_index=True,
        height=170,
        column_config={"Meaning": st.column_config.TextColumn(width="medium")},
        alt=f"The {len(columns)} columns of {view} with meanings and types",
    )


def _answer(sql: str) -> _Answered:
    """The answer to a query, asked again only when the query or the data changes."""
    stamp = session.bench().stamp
    answered: _Answered | None = state.get("data_sql_answered")
    if answered is None or (answered.sql, answered.stamp) != (sql, stamp):
        with st.spinner("The query runs, for at most 5 s.", show_time=True):
            answered = _run(sql, stamp)
        state.data_sql_answered = answered
        rows = answered.result and len(answered.result.frame)
        history: dict[str, str] = state.data_sql_history
        history.pop(sql, None)
        history[sql] = "failed" if rows is None else _rows(rows)
        while len(history) > HISTORY_AT_MOST:
            history.pop(next(iter(history)))
    return answered


def _run(sql: str, stamp: Stamp) -> _Answered:
    try:
        return _Answered(sql, stamp, session.bench().ask(sql), "")
    except SandboxError as error:
        return _Answered(sql, stamp, None, str(error))


def _rows(number: int) -> str:
    return f"{format_quantity(number, digits=None)} row{'' if number == 1 else 's'}"


def _answer_shown(question: Question, result: SandboxResult) -> Chart:
    """The chart with its controls, the table, and the downloads; what the user chose of the chart comes back."""
    frame = result.frame
    text = [
        _rows(len(frame)),
        f"{len(frame.columns)} column{'' if len(frame.columns) == 1 else 's'}",
        f"{format_quantity(result.seconds * 1000, 'ms', 2)}",
    ]
    if result.truncated:
        text.append("cut off: there are more rows, add a limit or aggregate")
    summary = ", ".join(text)
    if frame.empty:
        st.markdown(f"**{summary}**")
        st.info("No row matches: loosen the conditions after where.", icon=":material/filter_alt:")
        _table(frame)
        return question.chart
    drawn = answer.suggest(frame, question.chart)
    if drawn is None:
        st.markdown(f"**{summary}**")
        _table(frame)
        st.caption("Nothing to draw: a chart needs a column of numbers.")
        _downloads(frame, answer.table(frame, session.dark()), question, None)
        return question.chart
    drawn = _controls(frame, drawn)
    st.markdown(f"**{summary}**: {answer.headline(frame, drawn)}")
    figure = answer.draw(frame, drawn, session.dark())
    st.plotly_chart(
        figure,
        theme=None,
        config=config("ec-nas-answer"),
        key="data_sql_picture",
        alt=answer.headline(frame, drawn),
    )
    _downloads(frame, figure, question, drawn)
    _table(frame)
    return Chart() if drawn == answer.suggest(frame) else drawn


def _controls(frame: pd.DataFrame, drawn: Chart) -> Chart:
    """What is drawn and how; a choice that the columns do not allow gives way."""
    state.data_sql_kind, state.data_sql_x, state.data_sql_y, state.data_sql_color = (
        drawn.kind,
        drawn.x,
        drawn.y,
        drawn.color,
    )
    can = answer.choices(frame)
    kinds = [kind for kind in KINDS if can.x[kind]]

    def chosen() -> None:
        state.data_sql_wish = Chart(state.data_sql_kind, state.data_sql_x, state.data_sql_y, state.data_sql_color)

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="data_sql_controls"):
        st.segmented_control(
            "Chart", kinds, format_func=KIND_LABELS.get, key="data_sql_kind", required=True, on_change=chosen
        )
        st.selectbox("Across", can.x[drawn.kind], key="data_sql_x", on_change=chosen, width=200)
        st.selectbox("Up", can.y, key="data_sql_y", on_change=chosen, width=200)
        st.selectbox(
            "Colour",
            [ONE_COLOUR, *can.color[drawn.kind]],
            key="data_sql_color",
            on_change=chosen,
            width=200,
            format_func=lambda name: name or "one colour",
        )
    return drawn


def _table(frame: pd.DataFrame) -> None:
    st.dataframe(
        _portable(frame),
        hide_index=True,
        height=min(36 * len(frame) + 40, 360),
        key="data_sql_table",
        placeholder="null",
        alt=f"The answer: {_rows(len(frame))}",
    )


def _portable(frame: pd.DataFrame) -> pd.DataFrame:
    """The answer with lists, structs and bytes written out: neither a table cell nor CSV holds them."""
    nested = {
        name: frame[name].map(str, na_action="ignore")
        for name in frame
        if any(
            isinstance(value, (list, dict, bytes)) or hasattr(value, "tolist") for value in frame[name].dropna().head(1)
        )
    }
    nested = {name: column for name, column in nested.items() if frame[name].dtype == object}
    return frame.assign(**nested) if nested else frame


def _downloads(frame: pd.DataFrame, figure: object, question: Question, drawn: Chart | None) -> None:
    python = (
        f'from ecnas_core import Benchmark\n\nframe = Benchmark.open().sql("""\n{question.sql}\n""")\nprint(frame)\n'
    )
    if '"""' in question.sql or "\\" in question.sql:
        python = f"from ecnas_core import Benchmark\n\nframe = Benchmark.open().sql({question.sql!r})\nprint(frame)\n"
    if drawn is not None:
        python += (
            "\nfrom ecnas_core.figures.answer import Chart, draw\n\n"
            f"draw(frame, {drawn!r}, dark=False).write_html('answer.html')\n"
        )
    downloads.row("ec-nas-answer", lambda: _portable(frame), figure, python, "The answer, all rows that were returned")
