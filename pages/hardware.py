"""Hardware: the same cells on different devices."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import glossary, hardware
from ecnas_core.analysis.hardware import Comparison, HardwareView, UnknownDevice, hardware_metric
from ecnas_core.analysis.view import View
from ecnas_core.benchmark import EPOCHS
from ecnas_core.figures import hardware as figures
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import config, format_quantity
from pages.widgets import card, chart, downloads, html, lens_device, page, session

SECTIONS = {"energy": "Energy", "ranking": "Ranking", "regret": "Regret"}
CHOICES = ("section", "metric", "sort", "outliers", "k", "a", "b", "accuracy_epochs")
DEVICES = ("sort", "a", "b")
SLOWER = 1.1
EXPLANATION = """\
**Energies** are those of the four released hardware files at 4 epochs, one measured training a cell and device; the
files' larger budgets are these times 3, 9 and 27. In the scopes Facility and IT the stored energy counts, of the
training alone. The recorded joules of GPU and CPU cover the whole run with its start-up, and on the Quadro RTX 6000
and the Titan Xp they name one CPU socket of two: (GPU + CPU) × 1.59 is on average 0.98 of the stored energy on the
Quadro RTX 6000, 1.10 on the Titan Xp, 1.22 on the RTX 3060 and 1.28 on the RTX 3090. The scope GPU takes the
recorded joules, start-up included. The **GPU share** is GPU / (GPU + CPU) of them, on the two named devices an
upper bound. **Mean power** is energy by training time, in the scope GPU the recorded mean. **Energy per image**
divides by 4 × 40 000 images.

**Your measurements**, marked own, are of training steps: (GPU + CPU joules a step) × 40 000 / batch size × 4
epochs, PUE 1.59, the mean of several, thorough ones before quick ones; another precision than fp32 and another batch
size than 256 make a device of their own; evaluation and data loading are not in them. They are drawn half-tone:
scaled.

**TrialJob by mean**: the mean logarithm over the devices, each device's level taken off, so that a missing device
moves no cell. **Times as much**: the median over the common cells.

**Kendall's τ** (τ-b) is over the cells that both devices have: 1 is the same order, 0 none. The interval reaches
from the 2.5 to the 97.5 % percentile of 1 000 bootstrap resamples of the cells, seeded. **In common** is the share
of one device's k leanest cells that are among the other's.

**Regret**: the front of energy and published validation error is found with one device's energies, on the common
cells. Each of its cells is paid on the other device and set against the least energy there of a cell with at least
that accuracy. The hypervolume's reference point is the largest energy and the largest error of the common cells.

**Outliers**: a median polish (Tukey 1977) of log energy takes off what cell and device explain, what a cell costs
being judged by the released devices. The rest, by its median absolute deviation on the device, is a modified
z-score, and beyond 3.5 an outlier (Iglewicz and Hoaglin 1993). A device with fewer than five cells has none."""
state = st.session_state


@st.cache_resource(max_entries=64, show_spinner=False)
def compared(view: HardwareView, files: tuple[object, ...]) -> Comparison:
    """The comparison of a view; `files` changes with the data."""
    return hardware.compare(session.bench(), view)


@st.cache_resource(max_entries=64, show_spinner=False)
def ranked(view: HardwareView, files: tuple[object, ...]) -> pd.DataFrame:
    """Kendall's tau of every two devices; `files` changes with the data."""
    return hardware.ranking(compared(view, files))


@st.cache_resource(max_entries=64, show_spinner=False)
def regretted(view: HardwareView, files: tuple[object, ...]) -> pd.DataFrame:
    """What each front costs on the other devices; `files` changes with the data."""
    return hardware.regret(compared(view, files))


def seeded(name: str) -> str:
    """The key of a widget about to be shown, which has a value: its own, or else that of the view."""
    key = f"hardware_{name}"
    state.setdefault(key, getattr(state.hardware, name))
    return key


def chosen_view(before: HardwareView) -> HardwareView:
    """The view as the widgets have it; what no widget of the section chooses stays."""
    chosen = {name: state.get(f"hardware_{name}", getattr(before, name)) for name in CHOICES}
    return HardwareView(**chosen, lens=state.lens)


def known_view(view: HardwareView) -> Comparison:
    """Compute a view; one of a device that has no figures is shown with the released devices instead, saying so."""
    try:
        return compared(view, session.bench().stamp)
    except UnknownDevice as error:
        st.warning(f"{html.sentence(str(error))} Shown are other devices.", icon=":material/memory:")
    default = HardwareView()
    released = {name: getattr(default, name) for name in DEVICES}
    for name, device in released.items():
        if f"hardware_{name}" in state:
            state[f"hardware_{name}"] = device
    return compared(replace(view, **released), session.bench().stamp)


def keep_apart(changed: str, other: str) -> None:
    """Swap the two devices where one has just been set to the other."""
    if state[f"hardware_{changed}"] == state[f"hardware_{other}"]:
        state[f"hardware_{other}"] = getattr(state.hardware, changed)


def controls(shown: Comparison) -> None:
    """The row above the picture."""
    section, devices = shown.view.section, list(shown.devices)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="hardware_controls"):
        st.segmented_control("Section", SECTIONS, format_func=SECTIONS.get, key=seeded("section"), required=True)
        if section != "regret":
            labels = {name: hardware_metric(name, state.lens).label for name in hardware.METRICS}
            st.selectbox(
                "Metric",
                hardware.METRICS,
                format_func=labels.get,
                key=seeded("metric"),
                width=172,
                help=html.meanings(("Energy", "Training time", "Power")),
            )
        if section == "energy":
            st.selectbox(
                "Sort by",
                [hardware.MEAN, *devices],
                key=seeded("sort"),
                width=180,
                format_func=lambda name: "Mean of the devices" if name == hardware.MEAN else name,
            )
        else:
            labels = ("Device", "and") if section == "ranking" else ("Front found on", "paid on")
            told = "device" if section == "ranking" else "regret"
            for (name, other), label in zip((("a", "b"), ("b", "a")), labels, strict=True):
                st.selectbox(
                    label,
                    devices,
                    key=seeded(name),
                    on_change=keep_apart,
                    args=(name, other),
                    width=180,
                    help=glossary.help(told),
                )
        if section == "regret":
            st.segmented_control(
                "Accuracy at",
                EPOCHS,
                key=seeded("accuracy_epochs"),
                required=True,
                help="The training budget, in epochs, of the published accuracies.",
            )
        st.toggle(
            f"With outliers ({shown.outliers.sum()})",
            key=seeded("outliers"),
            help=(
                "Records that neither their cell nor their device explains: "
                "the residual of a median polish of log energy "
                "has a modified z-score beyond 3.5. Off leaves them out of everything on this page."
            ),
        )


def energy(shown: Comparison) -> None:
    """Figure 3: every cell on every device."""
    view, metric = shown.view, shown.view.shown
    devices = hardware.by_device(shown)
    headline = figures.energy_headline(shown, devices)
    st.markdown(f"**{html.plain(headline)}**")
    drawn = figures.energies(shown, session.dark(), state.cell)
    chart.cells("hardware_energies", drawn, headline, dragging=True)
    downloads.row(
        "ec-nas-hardware",
        lambda: hardware.records(shown),
        drawn.figure,
        view.to_python(),
        "One row a cell and device with every metric, provenance and outlier score",
    )
    html.facts(
        [
            (
                row.device,
                value(metric, row.mean),
                f"mean of {row.cells} cells"
                + (f", {row.outliers} outlier{'s' * (row.outliers > 1)}" if row.outliers else "")
                + (", from your measurements" if row.own else ""),
            )
            for row in devices.itertuples()
        ]
    )
    st.caption(
        "Measured trainings of 4 epochs, one a cell and device, labelled as in the released files. The RTX 3060 has 88 "
        "of the 91 cells. The paper's Figure 3 shows these energies with the names of the RTX 3060 and the RTX 3090 "
        "swapped in its legend, and its axis cuts the point at 179 Wh off."
    )
    in_lens(shown)
    outliers(shown)


def in_lens(shown: Comparison) -> None:
    """Offer every energy in the app for one of the devices."""
    with st.expander("See all spaces on one of these devices", icon=":material/visibility:"):
        st.markdown(
            "From the cells that were measured on a device, the energies of all 423 624 on it are predicted, with a "
            "90 % interval. The lens then shows them on every page, marked as predicted."
        )
        name = st.selectbox("Device", shown.devices, key="hardware_in_lens", width=320)
        lens_device.offer(name, hardware.measured_on(session.bench(), name))


def outliers(shown: Comparison) -> None:
    """Every outlier by name, the most extreme first."""
    found = hardware.outlying(shown)
    if found.empty:
        return
    metric = shown.view.shown
    left_out = "" if shown.view.outliers else ", left out"
    by_device = ", ".join(f"{number} of the {device}" for device, number in found["device"].value_counts().items())
    slower = (found["time_factor"] > SLOWER).sum()
    with st.expander(f"{len(found)} outliers{left_out}", icon=":material/error:"):
        st.markdown(
            f"{by_device}. {slower} of them also trained over 10 % longer than cell and device let expect; the "
            "releases do not say why."
        )
        html.quantities(
            ["Cell", "Device", metric.axis, "Energy to expected", "Time to expected", "Modified z-score"],
            [
                [
                    row["hash"][:8],
                    row["device"],
                    value(metric, row[metric.key]),
                    *(
                        format_quantity(row[name], digits=3)
                        for name in ("energy_factor", "time_factor", "outlier_score")
                    ),
                ]
                for _, row in found.iterrows()
            ],
        )


def ranking(shown: Comparison) -> None:
    """Whether one device's ranking of the cells is another's."""
    view, stamp = shown.view, session.bench().stamp
    if len(shown.devices) < 2:
        st.info("Only one device has figures; measure cells on another.", icon=":material/memory:")
        return
    pairs, turned = ranked(view, stamp), ranked(replace(view, outliers=not view.outliers), stamp)
    chosen = figures.pair_of(pairs, view.a, view.b)
    headline = figures.ranking_headline(shown, pairs, turned)
    st.markdown(f"**{html.plain(headline)}**")
    left, right = st.columns([6, 7], gap="medium")
    with left:
        figure = figures.agreement(shown, pairs, session.dark())
        st.plotly_chart(
            figure, theme=None, config=config("ec-nas-hardware-ranking"), key="hardware_agreement", alt=headline
        )
        downloads.row(
            "ec-nas-hardware-ranking",
            lambda: pairs,
            figure,
            view.to_python(),
            "One row a pair of devices: Kendall's tau, its interval, common cells",
        )
    with right:
        drawn = figures.pair(shown, session.dark(), state.cell)
        chart.cells("hardware_pair", drawn, figures.describe_pair(shown), dragging=True)
        downloads.row(
            "ec-nas-hardware-pair",
            lambda: (table := hardware.records(shown))[table["device"].isin([view.a, view.b])],
            drawn.figure,
            view.to_python(),
            "One row a cell and device of the chosen pair",
        )
    shares = hardware.overlap(shown)
    of_pair = shares[shares["a"].isin([view.a, view.b]) & shares["b"].isin([view.a, view.b]) & (shares["k"] == view.k)]
    together = [
        (
            f"In both {view.k} leanest",
            f"{round(row.share * view.k)} of {view.k}",
            f"{row.by_chance * view.k:.1f} by chance",
        )
        for row in of_pair.itertuples()
    ]
    closest, farthest = (pairs.loc[at] for at in (pairs["kendall_tau"].idxmax(), pairs["kendall_tau"].idxmin()))
    html.facts(
        [
            (
                "Kendall's τ of the pair",
                f"{chosen['kendall_tau']:.3f}",
                f"95 %: {chosen['low']:.3f} to {chosen['high']:.3f}",
            ),
            ("Common cells", format_quantity(chosen["cells"], digits=None), f"of {len(shown.cells)} in 4V"),
            *together,
            ("Most alike", f"{closest['kendall_tau']:.3f}", f"{closest['a']}, {closest['b']}"),
            ("Least alike", f"{farthest['kendall_tau']:.3f}", f"{farthest['a']}, {farthest['b']}"),
        ]
    )
    st.header("Do the leanest cells stay the leanest?", anchor=False)
    st.slider("k leanest cells", 1, hardware.K_AT_MOST, key=seeded("k"), width=420)
    figure = figures.leaders(shown, shares, session.dark())
    st.plotly_chart(
        figure,
        theme=None,
        config=config("ec-nas-hardware-leaders"),
        key="hardware_leaders",
        alt=figures.describe_leaders(shown, shares),
    )
    downloads.row(
        "ec-nas-hardware-leaders", lambda: shares, figure, view.to_python(), "One row a pair of devices and k"
    )


def regret(shown: Comparison) -> None:
    """What a front costs that was found on another device."""
    view, stamp = shown.view, session.bench().stamp
    if len(shown.devices) < 2:
        st.info("Only one device has figures; measure cells on another.", icon=":material/memory:")
        return
    matrix, turned = regretted(view, stamp), regretted(replace(view, outliers=not view.outliers), stamp)
    chosen = figures.ordered_pair(matrix, view.a, view.b)
    headline = figures.regret_headline(shown, matrix, turned)
    st.markdown(f"**{html.plain(headline)}**")
    left, right = st.columns([6, 7], gap="medium")
    with left:
        figure = figures.regrets(shown, matrix, session.dark())
        st.plotly_chart(
            figure, theme=None, config=config("ec-nas-hardware-regret"), key="hardware_regrets", alt=headline
        )
        downloads.row(
            "ec-nas-hardware-regret",
            lambda: matrix,
            figure,
            view.to_python(),
            "One row an ordered pair of devices: extra energy, hypervolume lost",
        )
    both = hardware.fronts(shown)
    with right:
        drawn = figures.fronts(shown, both, session.dark(), state.cell)
        chart.cells("hardware_fronts", drawn, figures.describe_fronts(shown, both), dragging=True)
        downloads.row(
            "ec-nas-hardware-fronts",
            lambda: both,
            drawn.figure,
            view.to_python(),
            "One row a cell of a front: error, energies, the least energy that would do",
        )
    found = both[both["front"] == view.a]
    html.facts(
        [
            ("Mean extra energy", figures.percent(chosen["mean_regret"]), f"over {len(found)} cells of the front"),
            (
                "Largest extra energy",
                figures.percent(chosen["max_regret"]),
                f"{(found['regret'] > 0).sum()} cells cost more than need be",
            ),
            ("Hypervolume lost", figures.percent(chosen["hypervolume_lost"]), f"of that of {view.b}'s own front"),
            ("Common cells", format_quantity(chosen["cells"], digits=None), f"of {len(shown.cells)} in 4V"),
        ]
    )


def notes(shown: Comparison) -> None:
    """What of the user's measurements is not shown, and why."""
    for device, reason in shown.left_out.items():
        st.info(f"{html.plain(device)} is left out: {reason}.", icon=":material/memory:")
    if shown.unused:
        st.caption(
            f"{shown.unused} of your measurements are not used: they are of cells beyond 4V, no training steps with a "
            "device, a batch size and a duration, or quick ones beside a thorough one."
        )
    if not shown.own:
        st.caption("Training steps of 4V cells that you measure on the page Measure appear here as further devices.")


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(EXPLANATION)


def main() -> None:
    """The page."""
    session.through_app()
    page.header("Hardware")
    shown = known_view(chosen_view(session.from_link("hardware", HardwareView.from_params)))
    state.hardware = view = shown.view
    controls(shown)
    {"energy": energy, "ranking": ranking, "regret": regret}[view.section](shown)
    notes(shown)
    params = view.to_params()
    if state.cell:
        st.divider()
        card.show(View(space=hardware.SPACE, epochs=hardware.EPOCHS, lens=state.lens), state.cell, params)
        params["cell"] = state.cell
    explained()
    session.publish(params)


main()
