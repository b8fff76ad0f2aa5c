"""The stored studies: as a list to choose from, and what can be done with one."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit, urlunsplit

import pandas as pd
import streamlit as st

from ecnas_core.analysis.metrics import metric
from ecnas_core.search import runner, study_repository
from ecnas_core.search.study import Study
from ecnas_core.search.study_repository import Summary
from pages.widgets import html, problem, study_results, study_setup
from pages.widgets.session import bench

COMPARED_AT_MOST = 4
ROWS_SEEN = 12
ROW_HEIGHT = 36
WIDTHS = {"Name": 160, "State": 70, "Space": 56, "Algorithms": 168, "Objectives": 160, "Trials": 72}  # pixels
POLL_S = 1.0
state = st.session_state


def show() -> None:
    """Show all studies; chosen ones are opened, compared, taken along or deleted."""
    found = study_repository.listing(bench())
    own = [each for each in found if not each.published]
    by_id = {each.id: each for each in found}
    chosen = [by_id[each] for each in state.search_shown if each in by_id]
    _toolbar(own, chosen)
    if any(each.running for each in runner.studies(bench().data)):
        st.fragment(_follow, run_every=POLL_S)([(each.id, each.finished, each.state) for each in found])
    if not own:
        st.info(
            "No study of your own yet: start one under Set up. Below are the authors' published searches.",
            icon=":material/route:",
        )
    _table(found, chosen)
    for folder, reason in runner.problems(bench().data).items():
        st.warning(f"**{html.code(folder.name)} is left out.** {html.sentence(reason)}", icon=":material/warning:")


def _follow(known: list[tuple[str, int, str]]) -> None:
    """Run the page again as soon as the list is another."""
    if [(each.id, each.finished, each.state) for each in study_repository.listing(bench())] != known:
        st.rerun()


def _toolbar(own: list[Summary], chosen: list[Summary]) -> None:
    mine = [each for each in chosen if not each.published]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"{len(own)} {'study' if len(own) == 1 else 'studies'} of yours", anchor=False, width="content")
        label, hindrance = _opens(chosen)
        st.button(
            label,
            key="search_open",
            type="primary",
            icon=":material/open_in_full:",
            disabled=bool(hindrance),
            help=hindrance or None,
            on_click=turn_to,
            args=([each.id for each in chosen],),
        )
        running = any(each.state == "running" for each in mine)
        count = len(mine)
        st.button(
            f"Delete {count}" if count > 1 else "Delete",
            key="search_delete",
            icon=":material/delete:",
            type="tertiary",
            disabled=not mine or running,
            help="Cancel it first." if running else None if mine else "Choose a study of yours in the table.",
            on_click=problem.attempt,
            args=(_delete, [each.id for each in mine]),
        )
        undo()
    if len(mine) == 1 and mine[0].finished:
        study_results.take_along(runner.find(mine[0].id, bench().data))


def _opens(chosen: list[Summary]) -> tuple[str, str]:
    """What the button to open says, and why it cannot be pressed."""
    label = f"Compare {len(chosen)}" if len(chosen) > 1 else "Open the study"
    if not chosen:
        return label, "Choose one to four studies in the table."
    if len(chosen) > COMPARED_AT_MOST:
        return label, f"Choose {COMPARED_AT_MOST} at most."
    if len(chosen) > 1 and any(each.published for each in chosen):
        return label, "The published searches stand beside every study of their space already; open one alone."
    if len({(each.space, each.objectives) for each in chosen}) > 1:
        return label, "These have other spaces or objectives: each space has an energy scale of its own."
    return label, ""


def turn_to(ids: list[str]) -> None:
    """Turn to a study, the others beside it."""
    state.search_section = "study"
    state.search_shown = ids


def _delete(ids: list[str]) -> None:
    for study_id in ids:
        study_repository.delete(runner.find(study_id, bench().data))
        state.search_removed = [*state.get("search_removed", []), study_id]
    state.search_shown = []


def undo() -> None:
    """The button that brings back what was deleted last."""
    removed = [each for each in state.get("search_removed", []) if each in study_repository.removed(bench().data)]
    if removed:
        count = f"{len(removed)} studies" if len(removed) > 1 else "1 study"
        st.button(
            f"Undo: bring back {count}",
            key="search_restore",
            icon=":material/undo:",
            type="tertiary",
            on_click=problem.attempt,
            args=(restore, removed),
        )


def restore(ids: Sequence[str]) -> None:
    """Bring studies back."""
    for study_id in ids:
        study_repository.restore(study_id, bench().data)
    state.search_removed = []
    state.search_shown = list(ids)


def _table(found: list[Summary], chosen: list[Summary]) -> None:
    ids = [each.id for each in found]
    rows = pd.DataFrame(
        {
            "Name": [each.name for each in found],
            "State": [each.state for each in found],
            "Space": [each.space for each in found],
            "Algorithms": [", ".join(each.algorithms) for each in found],
            "Objectives": [_minimised(each) for each in found],
            "Trials": [f"{each.finished} of {each.trials}" for each in found],
            "Evaluations": [each.evaluations for each in found],
            "Begun (UTC)": pd.to_datetime(pd.Series([each.created for each in found], dtype=float), unit="s"),
        }
    )
    key = f"search_table_{hash((tuple(ids), tuple(each.id for each in chosen)))}"

    def picked() -> None:
        state.search_shown = [ids[row] for row in state[key]["selection"]["rows"]]

    st.dataframe(
        rows,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=ROW_HEIGHT * min(len(rows), ROWS_SEEN) + 38,
        column_config={
            **{name: st.column_config.TextColumn(width=width) for name, width in WIDTHS.items()},
            "Evaluations": st.column_config.NumberColumn(format="localized", width=86),
            "Begun (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", width=126),
        },
        on_select=picked,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(each.id) for each in chosen]}},
        key=key,
        placeholder="–",
        alt=f"{len(rows)} studies, the latest first, then the published ones",
    )


def _minimised(summary: Summary) -> str:
    return ", ".join(metric(key, state.lens).label for key in summary.objectives).capitalize()


def menu(study: Study) -> None:
    """What can be done with one study: link to it, repeat, rename and delete it."""
    with st.popover("Copy", icon=":material/content_copy:", type="tertiary"):
        st.caption("Link, which holds whatever the study is called")
        parts = urlsplit(st.context.url or "http://127.0.0.1:8501/search")
        query = urlencode({"section": "study", "study": study.id})
        st.code(urlunsplit((parts.scheme, parts.netloc, parts.path, query, "")), language=None, wrap_lines=True)
        st.caption("The same study in Python and as a command")
        study_setup.copies(study.plan, study.name)
    with st.popover("Manage", icon=":material/edit:", type="tertiary"):
        key = f"search_name_{study.id}"
        state.setdefault(key, study.name)
        st.text_input("Name", key=key)
        st.button("Rename", key="search_rename", on_click=problem.attempt, args=(_rename, study, key))
        st.button(
            "Delete",
            key="search_delete",
            icon=":material/delete:",
            disabled=study.running,
            help="Cancel it first." if study.running else "It can be brought back.",
            on_click=problem.attempt,
            args=(_forget, study),
        )


def _forget(study: Study) -> None:
    """Delete the study that is shown, and turn to the list, where it can be brought back."""
    _delete([study.id])
    state.search_section = "studies"


def _rename(study: Study, key: str) -> None:
    study_repository.rename(study, state[key])
