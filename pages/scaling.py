"""Scaling: how good "4 epochs times 27" is."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from ecnas_core.analysis import scaling
from ecnas_core.analysis.scaling import MODELS, QUANTITIES, ScalingView
from ecnas_core.analysis.view import View
from ecnas_core.figures import scaling as figures
from ecnas_core.figures.theme import config
from pages.widgets import card, downloads, html, page, session

state = st.session_state


def open_line() -> None:
    """Open the card of the cell whose line was clicked."""
    for point in state.scaling_ratios["selection"]["points"]:
        digest = state.scaling_hashes.get(point["curve_number"])
        if digest:
            state.cell = digest
            return


def picture(view: ScalingView) -> None:
    """The ratio by budget, cell by cell."""
    bench = session.bench()
    frame, summary = scaling.ratios(bench, view.quantity), scaling.summary(bench, view.quantity)
    headline = figures.headline(summary, view.quantity)
    st.markdown(f"**{headline}**")
    drawn = figures.ratios(frame, summary, view.quantity, session.dark(), state.cell)
    state.scaling_hashes = drawn.hashes
    st.plotly_chart(
        drawn.figure,
        theme=None,
        config=config(f"ec-nas-scaling-{view.quantity}"),
        key="scaling_ratios",
        on_select=open_line,
        selection_mode="points",
        alt=headline,
    )
    downloads.row(f"ec-nas-scaling-{view.quantity}", lambda: frame, drawn.figure, view.to_python(),
                  "One row a cell and budget: measured, scaled, ratio, noise of the repeats")  # fmt: skip
    rows = [
        [f"{row.epochs:.0f} epochs", f"{row.ratio:.3f}", f"± {row.deviation:.3f}", f"± {row.noise:.3f}",
         f"± {row.of_cell:.3f}", f"{row.least:.3f} to {row.most:.3f}", f"{row.cells}"]
        for row in summary.itertuples()
    ]  # fmt: skip
    html.quantities(["Measured by scaled", "Mean", "Over cells", "Noise", "Of the cell", "Range", "Cells"], rows)


def errors(view: ScalingView) -> None:
    """The leave-one-cell-out errors."""
    frame = scaling.leave_one_out(session.bench(), view.quantity)
    st.subheader("Which way of scaling to trust", anchor=False)
    rows = [
        [f"{MODELS[model]}",
         *(f"{100 * row.mean_absolute:.1f}\u2009%" for row in part.itertuples()),
         *(f"{100 * row.root_mean_square:.1f}\u2009%" for row in part.itertuples())]
        for model, part in frame.groupby("model", sort=False)
    ]  # fmt: skip
    epochs = [str(budget) for budget in scaling.SCALED_TO]
    head = ["Error on a cell left out", *(f"mean, {each} epochs" for each in epochs),
            *(f"rms, {each} epochs" for each in epochs)]  # fmt: skip
    html.quantities(head, rows)
    last = frame[frame["epochs"] == scaling.SCALED_TO[-1]].set_index("model")["mean_absolute"]
    st.caption(
        f"One ratio a budget brings the mean error at 108 epochs from {last['linear']:.1%} to {last['constant']:.1%}; "
        f"a ratio that follows the cell's training time comes to {last['by time']:.1%}. The simple one is what the "
        "lens uses when you switch on its correction."
    )


def shares(view: ScalingView) -> None:
    """GPU and CPU, and the power."""
    st.subheader("Where the energy goes", anchor=False)
    frame = scaling.components(session.bench())
    means = frame.groupby("epochs")[["gpu_share", "power_w"]].mean()
    first, last = means.iloc[0], means.iloc[-1]
    told = (
        f"The GPU takes {first['gpu_share']:.0%} of the recorded joules at 4 epochs and {last['gpu_share']:.0%} at "
        f"108; mean power falls from {first['power_w']:.0f} W to {last['power_w']:.0f} W."
    )
    st.markdown(f"**{told}**")
    drawn = figures.components(frame, session.dark())
    st.plotly_chart(drawn, theme=None, config=config("ec-nas-components"), key="scaling_components", alt=told)
    python = (
        "from ecnas_core import Benchmark\nfrom ecnas_core.analysis.scaling import components\n\n"
        "print(components(Benchmark.open()))\n"
    )
    downloads.row("ec-nas-components", lambda: frame, drawn, python, "One row a cell and budget: GPU's share, power")


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "The 91 cells of 4V were trained three times at each of 4, 12, 36 and 108 epochs on a Quadro RTX 6000 "
            "(measured). The benchmark's 5V energies beyond 4 epochs, and the surrogate's of 7V, are the 4-epoch "
            "figure times epochs / 4. The ratio here is the mean of three trainings by that product.\n\n"
            "**Noise** is the part of the spread that the repeats alone explain; **of the cell** is what remains of "
            "the variance.\n\n"
            "**Error on a cell left out**: the ratio is taken from the 90 other cells and applied to this one; mean "
            "absolute and root mean square of (scaled − measured) / measured.\n\n"
            "**The lens's correction** multiplies scaled figures by the mean ratio of their budget. For 5V it carries "
            "4V's ratio to larger cells, for 7V also to another energy scale: an extrapolation. Its uncertainty is "
            "the deviation over cells.\n\n"
            "**Joules by component** cover the whole run, start-up included, and the records name one CPU socket of "
            "the machine: the CPU's share is larger than shown. Power is IT energy by training time."
        )


def main() -> None:
    """The page."""
    session.through_app()
    session.from_link("scaling_view", ScalingView.from_params)
    page.header(
        "Scaling",
        "How far a short training, scaled up, is from the long one.",
        (
            "Is 4 epochs times 27 the energy of 108 epochs?",
            "Does it depend on the cell, or is it noise?",
            "How sure is a corrected figure?",
            "How does the energy divide between GPU and CPU?",
        ),
    )
    if "scaling_quantity" not in state:
        state.scaling_quantity = state.scaling_view.quantity
    st.segmented_control("Quantity", QUANTITIES, format_func=figures.QUANTITY_LABELS.get, key="scaling_quantity",
                         required=True)  # fmt: skip
    view = state.scaling_view = replace(state.scaling_view, quantity=state.scaling_quantity, lens=state.lens)
    picture(view)
    errors(view)
    shares(view)
    params = view.to_params()
    if state.cell:
        st.divider()
        card.show(View(space="4V", lens=state.lens), state.cell)
        params["cell"] = state.cell
    explained()
    session.publish(params)


main()
