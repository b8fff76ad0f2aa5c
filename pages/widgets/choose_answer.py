"""The answer of the Choose page: the short list as cards, or why nothing qualifies and what would."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ecnas_core.analysis.choose import Choice
from ecnas_core.cells import Cell
from ecnas_core.figures import choose as figures
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.theme import format_percent, format_quantity
from pages.widgets import card, choose_needs, html, tray
from pages.widgets.session import dark

ACROSS = 3
state = st.session_state


def shortlist(choice: Choice) -> None:
    """The cells, each with why it is there, what it gives up and how sure it is."""
    st.header("Short list", anchor=False)
    html.drawing(operations_legend(dark()))
    rows = [row for _, row in choice.shortlist.iterrows()]
    for first in range(0, len(rows), ACROSS):
        for column, row in zip(st.columns(ACROSS, gap="medium"), rows[first : first + ACROSS], strict=False):
            with column, st.container(key=f"choose_card_{row['position']}"):
                _card(row, choice)


def conflict(choice: Choice) -> None:
    """Which limits exclude each other, and buttons that relax them."""
    found = choice.conflict
    assert found is not None
    for told in figures.describe_conflict(found, choice.view.needs):
        st.warning(html.plain(told), icon=":material/block:")
    if found.nearest is None:
        st.info(
            "No cell has all of these known. Drop a limit, or let predicted figures count in the lens.",
            icon=":material/info:",
        )
        return
    st.markdown("**What would do**, the least change first")
    offered = [found.nearest, *(each for each in found.alone if each.limits.keys() != found.nearest.limits.keys())]
    for number, relaxation in enumerate(offered):
        st.markdown(
            f"{html.plain(figures.relaxed(relaxation.limits))} ({format_percent(relaxation.change, 0)} more room)"
        )
        st.button(
            "Relax to this",
            icon=":material/open_in_full:",
            key=f"choose_relax_{number}",
            on_click=choose_needs.relax,
            args=(relaxation.limits,),
            help="The least change with which a cell qualifies. Of an accuracy, the error that is allowed grows.",
        )
    kept = ", ".join(
        f"{figures.LABELS[quantity].lower()} {format_quantity(count, digits=None)}"
        for quantity, count in found.feasible.items()
    )
    st.caption(f"Cells that keep each limit by itself: {kept}.")


def funnel(choice: Choice) -> None:
    """How many cells more each limit keeps out."""
    if not choice.excluded:
        return
    told = ", ".join(
        f"{figures.LABELS[quantity].lower()} {format_quantity(count, digits=None)}"
        for quantity, count in sorted(choice.excluded.items(), key=lambda each: -each[1])
    )
    st.caption(f"Cells that would qualify besides, were a limit dropped: {told}.")


def _card(row: pd.Series, choice: Choice) -> None:
    roles = [figures.ROLE_NAMES[role] for role in figures.ROLE_NAMES if role in row["roles"].split(",")]
    cell = Cell.from_bits(int(row["vertices"]), int(row["edge_bits"]), row["ops"])
    timed = row["time_provenance"] if pd.notna(row["time_h"]) else "unknown"
    st.markdown(f"**{', '.join(roles).capitalize()}** · cell `{row['hash'][:8]}`, {row['epochs']} epochs")
    html.drawing(cell_svg(cell, dark(), width=260))
    html.facts(
        [
            ("Accuracy", figures.amount("accuracy", row["accuracy"]), row["accuracy_provenance"]),
            ("Energy", figures.amount("energy_kwh", row["energy_kwh"]), row["energy_provenance"]),
            ("Time", figures.amount("time_h", row["time_h"]), timed),
            ("Parameters", figures.amount("parameters", row["parameters"]), "computed"),
        ]
    )
    st.markdown(
        f"{html.plain(figures.reasons(row))}\n\n**Gives up** {html.plain(figures.gives_up(row, choice))}\n\n"
        f"**How sure** {html.plain(figures.how_sure(row, choice))}"
    )
    digest = row["hash"]
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Open",
            icon=":material/open_in_new:",
            type="tertiary",
            key=f"choose_open_{row['position']}",
            on_click=card.open_cell,
            args=(digest,),
            help="Its card, at the end of the page.",
        )
        st.button(
            "Unpin" if digest in state.tray else "Pin",
            icon=":material/keep:",
            type="tertiary",
            key=f"choose_pin_{row['position']}",
            on_click=tray.toggle,
            args=(digest,),
            disabled=digest not in state.tray and tray.is_full(),
        )
