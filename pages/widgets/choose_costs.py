"""What the short list costs, once and in a year, in everyday terms, and against the most accurate cell."""

from __future__ import annotations

import streamlit as st

from ecnas_core.analysis import costs
from ecnas_core.analysis.choose import Choice
from ecnas_core.carbon.equivalents import telling
from ecnas_core.figures import choose as figures
from ecnas_core.figures.carbon import kilograms
from ecnas_core.figures.theme import format_quantity
from pages.widgets import html

_NAMES = figures.ROLE_NAMES | {"reference": "most accurate of all"}


def show(choice: Choice) -> None:
    """The table, and what the saving is like."""
    task = choice.view.task
    trainings = format_quantity(task.trainings, digits=None)
    st.header("What it costs", anchor=False)
    table = costs.table(choice)
    first = choice.shortlist.iloc[0]
    saving = costs.saving(choice, first)
    st.markdown(
        f"**Yours against the most accurate cell of all: {figures.saved(saving)}"
        + (
            f"; {format_quantity(saving.energy_kwh, 'kWh')} and {kilograms(saving.kgco2eq)} less a year."
            if saving.energy_kwh > 0
            else "."
        )
        + "**"
    )
    rows = []
    for row in table.itertuples():
        names = ", ".join(_NAMES[role] for role in row.roles.split(",") if role)
        rows.append(
            [
                f"{row.hash[:8]}, {names}",
                figures.amount("accuracy", row.accuracy),
                figures.amount("energy_kwh", row.energy_kwh),
                kilograms(row.kgco2eq),
                figures.amount("time_h", row.time_h),
                figures.amount("energy_kwh", row.energy_kwh_year),
                kilograms(row.kgco2eq_year),
                figures.amount("time_h", row.time_h_year),
            ]
        )
    a_year = "" if task.trainings == 1 else f" ({trainings} trainings)"
    html.quantities(
        [
            "Cell",
            "Accuracy",
            "Energy, once",
            "Footprint, once",
            "Time, once",
            f"Energy, a year{a_year}",
            "Footprint, a year",
            "Time, a year",
        ],
        rows,
    )
    if saving.kgco2eq > 0:
        _likened(saving.kgco2eq)
    st.caption(
        "Energy and footprint of training alone: not of making the hardware, nor of using the network. Times are of "
        "the benchmark's hardware, 7V's of NAS-Bench-101's, whatever the lens's device."
    )


def _likened(kgco2eq: float) -> None:
    shown = telling(kgco2eq)
    if not shown:
        st.caption("The saving of a year is too little to be likened to anything everyday.")
        return
    st.markdown("**A year's saving is like**")
    html.facts(
        [
            (
                each.label(each.count(kgco2eq)),
                format_quantity(each.count(kgco2eq), digits=2),
                f"{each.kgco2eq:g} kgCO2eq each; {each.source.split(':')[0]}, {each.year}",
            )
            for each in shown
        ]
    )
