"""Scaling: how good "4 epochs times 27" is."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import glossary, scaling
from ecnas_core.analysis.scaling import QUANTITIES, ScalingView
from ecnas_core.analysis.view import View
from ecnas_core.benchmark import EPOCHS
from ecnas_core.figures import scaling as figures
from pages.widgets import card, chart, downloads, html, page, session

state = st.session_state


@st.cache_resource(max_entries=16, show_spinner=False)
def computed(view: ScalingView, files: tuple[object, ...]) -> tuple[pd.DataFrame, ...]:
    """Ratios, their summary, errors on cells left out, and from 5V's trainings; `files` changes with the data."""
    bench = session.bench()
    return (
        scaling.ratios(bench, view.quantity),
        scaling.summary(bench, view.quantity),
        scaling.leave_one_out(bench, view.quantity),
        scaling.leave_one_out(bench, view.quantity, "5V"),
    )


def python(*calls: str) -> str:
    """The source that prints what functions of the analysis give."""
    names = ", ".join(sorted({call.split("(")[0] for call in calls}))
    printed = "".join(f"print({call})\n" for call in calls)
    return (
        f"from ecnas_core import Benchmark\nfrom ecnas_core.analysis.scaling import {names}\n\n"
        f"bench = Benchmark.open()\n{printed}"
    )


def by_budget(view: ScalingView, frame: pd.DataFrame, summary: pd.DataFrame) -> None:
    """The ratio by budget, cell by cell, and its numbers."""
    headline = figures.headline(summary, view.quantity)
    st.markdown(f"**{headline}**")
    drawn = figures.ratios(frame, summary, view.quantity, session.dark(), state.cell)
    chart.cells("scaling_ratios", drawn, headline)
    downloads.row(
        f"ec-nas-scaling-{view.quantity}",
        lambda: frame,
        drawn.figure,
        view.to_python(),
        "One row a cell and budget: measured, scaled, ratio, noise of the repeats",
    )
    rows = [
        [
            f"{row.epochs:.0f} epochs",
            f"{row.ratio:.3f}",
            f"± {row.deviation:.3f}",
            f"± {row.noise:.3f}",
            f"± {row.of_cell:.3f}",
            f"{row.least:.3f} to {row.most:.3f}",
            f"{row.cells}",
        ]
        for row in summary.itertuples()
    ]
    html.quantities(
        ["Measured by scaled", "Mean", "Over cells", "of it the repeats", "and the rest", "Range", "Cells"], rows
    )
    st.caption("Measured: means of three trainings a cell and budget on a Quadro RTX 6000.")


def errors(view: ScalingView, left_out: pd.DataFrame, apart: pd.DataFrame) -> None:
    """How well each way of scaling does."""
    st.header("Which way of scaling to trust", anchor=False)
    st.markdown(figures.verdict(left_out, apart, view.quantity))
    html.quantities(
        [
            "Error on a cell left out: mean, rms",
            *(f"{epochs} epochs" for epochs in scaling.SCALED_TO),
            f"{scaling.SCALED_TO[-1]} epochs, from 5V",
        ],
        figures.error_rows(left_out, apart),
    )


def power(frame: pd.DataFrame, components: pd.DataFrame) -> None:
    """Why cells differ in the ratio of their energies."""
    st.header("Why cells differ", anchor=False)
    headline = figures.power_headline(frame, components)
    st.markdown(f"**{headline}**")
    drawn = figures.by_power(frame, session.dark(), state.cell)
    chart.cells("scaling_power", drawn, headline)
    downloads.row(
        "ec-nas-scaling-power",
        lambda: frame,
        drawn.figure,
        python("ratios(bench)"),
        "One row a cell and budget: ratio, time and power of the 4-epoch training",
    )


def shares(components: pd.DataFrame) -> None:
    """GPU and CPU, and the power."""
    st.header("Where the energy goes", anchor=False)
    summary = scaling.components_summary(components)
    headline = figures.components_headline(summary)
    st.markdown(f"**{headline}**")
    drawn = figures.components(components, session.dark())
    chart.cells("scaling_components", drawn, headline)
    downloads.row(
        "ec-nas-scaling-components",
        lambda: components,
        drawn.figure,
        python("components(bench)"),
        "One row a cell and budget: the GPU's share, mean powers",
    )
    ends = (EPOCHS[0], EPOCHS[-1])
    html.quantities(
        [
            "Mean ± deviation over the cells",
            *(f"{epochs} epochs" for epochs in EPOCHS),
            *(f"with size, {epochs} epochs" for epochs in ends),
        ],
        figures.component_rows(summary),
    )
    st.caption("With size: the correlation with the logarithm of the cell's multiply-adds.")


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "The 91 cells of 4V were trained three times at each of 4, 12, 36 and 108 epochs on a Quadro RTX 6000 "
            "(measured). The benchmark's 5V energies beyond 4 epochs, and the surrogate's of 7V, are the 4-epoch "
            "figure times epochs / 4. **The ratio** is the mean of a cell's three trainings by that product; the band "
            "holds the middle 80 % of the cells.\n\n"
            "**The repeats** of one cell differ, so two means of three would differ too: their part of the ratio's "
            "deviation is the root mean square over the cells of ratio × √((c² + c₄²) / 3), with c the repeats' "
            "relative deviation at the budget and at 4 epochs. The rest is what remains of the variance.\n\n"
            "**Error on a cell left out**: a way of scaling is fitted to the 90 other cells, budget by budget, and "
            "applied to this one; mean absolute and root mean square of (predicted − measured) / measured. **From "
            "5V**: the same, started from 5V's own 4-epoch training of the cell, one each, made apart. The power "
            "of a budget is the mean over the cells of measured energy by scaled 4-epoch time.\n\n"
            "**The lens's correction** of 5V's energies is 4-epoch time × epochs / 4 × that power, of its times and "
            "of the surrogate's energies the mean ratio of the budget. It carries what 4V measured to larger cells, "
            "and for 7V to another energy scale: an extrapolation. At 4 epochs nothing is corrected, and "
            "provenances stay scaled and surrogate. NAS-Bench-101's times, in 7V, are not scaled.\n\n"
            "**Joules by component** cover the whole run, start-up and evaluation included, which is why the GPU's "
            "energy falls further short of linear than the training's. The records name one CPU socket of two: the "
            "share of the recorded joules is an upper bound, and with the second socket taken as the first it still "
            "lies 3 to 5 % above the GPU's part of the released totals (59 % at 4 epochs, 67 % at 108). IT power is "
            "facility energy of the training / 1.59 by its time."
        )


def main() -> None:
    """The page."""
    session.through_app()
    session.from_link("scaling_view", ScalingView.from_params)
    page.header("Scaling")
    if "scaling_quantity" not in state:
        state.scaling_quantity = state.scaling_view.quantity
    st.segmented_control(
        "Quantity",
        QUANTITIES,
        format_func=figures.QUANTITY_LABELS.get,
        key="scaling_quantity",
        required=True,
        help=glossary.help("linear scaling"),
    )
    view = state.scaling_view = replace(state.scaling_view, quantity=state.scaling_quantity, lens=state.lens)
    stamp = session.bench().stamp
    frame, summary, left_out, apart = computed(replace(view, lens=ScalingView().lens), stamp)
    components = scaling.components(session.bench())
    by_budget(view, frame, summary)
    errors(view, left_out, apart)
    if view.quantity == "energy":
        power(frame, components)
    shares(components)
    params = view.to_params()
    if state.cell:
        st.divider()
        space = session.bench().query(state.cell).space
        card.show(View(space=space, lens=state.lens), state.cell, params)
        params["cell"] = state.cell
    explained()
    session.publish(params)


main()
