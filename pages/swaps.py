"""Swaps: what one operation in the place of another saves in energy and costs in accuracy."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import glossary, swaps, walk
from ecnas_core.analysis.metrics import metric
from ecnas_core.analysis.swap_table import SHORT_NAMES, SWAPS, swap_name
from ecnas_core.analysis.swaps_view import SPLITS, SWAP_METRICS, SwapsView
from ecnas_core.analysis.view import View
from ecnas_core.benchmark import EPOCHS
from ecnas_core.benchmark.paper import printed
from ecnas_core.cells import SPACES
from ecnas_core.errors import EcnasError
from ecnas_core.figures import swaps as figures
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import config, format_quantity
from pages.widgets import card, chart, downloads, html, page, session, tray

SECTION_LABELS = {
    "all": "All of a kind",
    "one": "One vertex",
    "trade": "Energy for accuracy",
    "walk": "Walk",
}
SWAP_LABELS = {swap_name(swap): " ↔ ".join(SHORT_NAMES[number] for number in swap) for swap in SWAPS}
SPLIT_LABELS = {
    "none": "nothing",
    "vertices": "the cell's vertices",
    "position": "distance from input",
    "before": "what is before it",
    "after": "what is after it",
}
PAPER_NAMES = {"parameters": "trainable_parameters"}
state = st.session_state


@st.cache_resource(max_entries=16, show_spinner="Swapping operations in every cell")
def figure_2(view: SwapsView, stamp: object) -> pd.DataFrame:
    """The effects of replacing all operations of a kind; `stamp` changes with the data."""
    return swaps.figure_2(session.bench(), view.space, view.epochs, view.lens)


@st.cache_resource(max_entries=32, show_spinner="Swapping one vertex of every cell")
def distribution(view: SwapsView, stamp: object) -> pd.DataFrame:
    """The changes by swaps of one vertex."""
    return swaps.distribution(session.bench(), view)


@st.cache_resource(max_entries=32, show_spinner="Swapping one vertex of every cell")
def trade_off(view: SwapsView, stamp: object) -> pd.DataFrame:
    """Energy against accuracy."""
    return swaps.trade_off(session.bench(), view)


def seed(view: SwapsView) -> None:
    """Give the widgets the values of a view."""
    for name in ("section", "space", "epochs", "metric", "swap", "split"):
        state[f"swaps_{name}"] = getattr(view, name)
    state.swaps_absolute = view.absolute


def controls() -> SwapsView:
    """The row above the picture, and the view that it describes."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="swaps_controls"):
        st.segmented_control(
            "Section", SECTION_LABELS, format_func=SECTION_LABELS.get, key="swaps_section", wrap=True, required=True
        )
        st.segmented_control("Space", list(SPACES), key="swaps_space", required=True, help=glossary.help("space"))
        st.segmented_control("Epochs", EPOCHS, key="swaps_epochs", required=True, help=glossary.help("training budget"))
        if state.swaps_section == "one":
            st.selectbox(
                "Change of",
                SWAP_METRICS,
                format_func=figures.LABELS.get,
                key="swaps_metric",
                width=168,
                persist_state="session",
                help=html.meanings(figures.LABELS[name] for name in SWAP_METRICS),
            )
            st.segmented_control(
                "Swap",
                SWAP_LABELS,
                format_func=SWAP_LABELS.get,
                key="swaps_swap",
                required=True,
                wrap=True,
                persist_state="session",
                help=glossary.help("swap"),
            )
        if state.swaps_section in ("one", "trade"):
            st.selectbox(
                "Split by", SPLITS, format_func=SPLIT_LABELS.get, key="swaps_split", width=176, persist_state="session"
            )
        if state.swaps_section == "one":
            st.toggle(
                "In units",
                key="swaps_absolute",
                persist_state="session",
                help=("Off: per cent of the value before. On: the difference in the metric's own unit."),
            )
    return SwapsView(
        section=state.swaps_section,
        space=state.swaps_space,
        epochs=state.swaps_epochs,
        metric=state.swaps_metric,
        swap=state.swaps_swap,
        absolute=state.swaps_absolute,
        split=state.swaps_split,
        walk=state.swaps_view.walk,
        lens=state.lens,
    )


def picture(figure: object, name: str, alt: str) -> None:
    """A figure at full width."""
    st.plotly_chart(figure, theme=None, config=config(f"ec-nas-swaps-{name}"), key=f"swaps_{name}", alt=alt)


def offer(view: SwapsView, frame: pd.DataFrame, figure: object, what: str) -> None:
    """The downloads under a figure."""
    downloads.row(
        f"ec-nas-swaps-{view.section}-{view.space}-{view.epochs}", lambda: frame, figure, view.to_python(), what
    )


def all_of_a_kind(view: SwapsView) -> None:
    """The paper's Figure 2."""
    frame = figure_2(view, session.bench().stamp)
    headline = figures.headline_all(frame)
    st.markdown(f"**{headline}**")
    drawn = figures.heat_maps(frame, session.dark())
    picture(drawn, "figure_2", headline)
    offer(view, frame, drawn, "One row a metric and swap: the effect, both directions, the pairs behind it")
    paper = printed("figure_2") if view.space == "7V" else {}
    rows = []
    for row in frame[frame["metric"] != "footprint"].itertuples():
        told = paper.get(row.swap, {}).get(PAPER_NAMES.get(row.metric, row.metric))
        if told is not None and row.metric != "validation_accuracy":
            told /= 100
        difference = None if told is None else row.effect - told
        tell = figures.points if row.metric == "validation_accuracy" else figures.fine_change
        error = "" if not row.standard_error else f" ± {100 * row.standard_error:.2f}"
        rows.append(
            [
                f"{figures.LABELS[row.metric]}: {row.old} to {row.new}",
                tell(row.effect) + error,
                "" if told is None else tell(told),
                "" if difference is None else tell(difference),
                tell(row.there),
                tell(row.back),
                f"{format_quantity(min(row.n_there, row.n_back), digits=None)} of "
                f"{format_quantity(row.changing, digits=None)}",
            ]
        )
    head = [
        "Effect",
        "Here",
        "Paper, 7V" if paper else "",
        "Difference" if paper else "",
        "There",
        "Back",
        "Pairs known",
    ]
    html.quantities(head, rows)
    if (frame["n_there"] < frame["changing"]).any():
        st.caption(
            "Accuracy and training time are published for a part of the cells: ± is the standard error of the "
            "estimate for the whole space. The footprint changes by the same per cent as the energy."
        )


def one_vertex(view: SwapsView) -> None:
    """Distributions of the change by one swap and its reverse."""
    frame = distribution(view, session.bench().stamp)
    st.markdown(f"**{figures.headline_one(frame, view)}**")
    names = {view.swap, "_to_".join(reversed(view.swap.split("_to_")))}
    shown = frame[frame["swap"].isin(names)]
    if not shown["n"].any():
        unknown(view)
        return
    drawn = figures.boxes(shown, view, session.dark())
    picture(drawn, "one", figures.headline_one(frame, view))
    offer(view, frame, drawn, "One row a directed swap and group: pairs, mean and quantiles of the change")
    warn_of_few(shown)
    st.markdown("**Means of all six swaps**")
    means = frame.assign(
        told=[
            figures.effect(view.metric, mean) if not view.absolute else value(metric(view.metric, view.lens), mean)
            for mean in frame["mean"]
        ]
    )
    groups = list(dict.fromkeys(frame["group"]))
    rows = [
        [
            f"{part['old'].iloc[0]} becomes {part['new'].iloc[0]}",
            *(part.set_index("group")["told"].get(group, "") for group in groups),
            format_quantity(int(part["n"].sum()), digits=None),
        ]
        for _, part in means.groupby("swap", sort=False)
    ]
    html.quantities([figures.SPLIT_LABELS[view.split].capitalize(), *groups, "Pairs"], rows)


def energy_for_accuracy(view: SwapsView) -> None:
    """Which swap gives the most energy back per lost accuracy point."""
    frame = trade_off(view, session.bench().stamp)
    headline = figures.headline_trade(frame)
    st.markdown(f"**{headline}**")
    if frame.empty:
        unknown(view)
        return
    drawn = figures.trade(frame, view, session.dark())
    picture(drawn, "trade", headline)
    offer(view, frame, drawn, "One row a directed swap and group: changes of energy and accuracy, pairs")
    warn_of_few(frame)
    rows = []
    for row in frame[frame["saved_per_point"].notna()].itertuples():
        infinite = row.saved_per_point == float("inf")
        group = "" if row.group == "all" else f", {row.group}"
        rows.append(
            [
                f"{row.old} becomes {row.new}{group}",
                figures.change(row.energy),
                f"{figures.points(row.accuracy)} ± {196 * row.accuracy_error:.2f}",
                "no accuracy lost" if infinite else figures.change(row.saved_per_point).lstrip("+"),
                format_quantity(row.n, digits=None),
            ]
        )
    html.quantities(["Swaps that save energy, best first", "Energy", "Accuracy", "Saved per point lost", "Pairs"], rows)


def walking(view: SwapsView) -> SwapsView:
    """From a cell step by step to its neighbours."""
    bench = session.bench()
    plane = View(space=view.space, epochs=view.epochs, lens=view.lens)
    try:
        start = view.walk or (walk.start(bench, plane),)
        path = walk.path(bench, plane, start)
    except EcnasError as error:
        st.warning(f"The walk cannot be shown: {html.plain(str(error))}. It begins anew.", icon=":material/route:")
        start = (walk.start(bench, plane),)
        path = walk.path(bench, plane, start)
    here = path.iloc[-1]
    entry = bench.query(here["hash"], view.epochs, view.space, predicted=view.lens.predicted)
    options = walk.options(bench, plane, here["hash"])
    energy, accuracy = metric("energy", view.lens), metric("validation_accuracy", view.lens)
    headline = figures.headline_walk(path, options)
    st.markdown(f"**{headline}**")
    left, right = st.columns([3, 2], gap="large")
    with left:
        key = f"swaps_steps_{len(start)}_{here['hash'][:8]}"

        def go() -> None:
            if digest := chart.clicked(key, dict.fromkeys((0, 1), options["hash"].tolist())):
                state.swaps_view = replace(view, walk=(*start, digest))

        if len(options):
            drawn = figures.step_bars(options, session.dark())
            st.plotly_chart(
                drawn,
                theme=None,
                config=config("ec-nas-steps"),
                key=key,
                on_select=go,
                selection_mode="points",
                alt=headline,
            )
            offer(replace(view, walk=start), options, drawn, "One row a step: the neighbour, its figures, the changes")
    with right:
        begin(view)
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Undo",
                icon=":material/undo:",
                disabled=len(start) < 2,
                on_click=set_walk,
                args=(view, start[:-1]),
                key="swaps_undo",
            )
            st.button(
                "To the start",
                icon=":material/first_page:",
                disabled=len(start) < 2,
                on_click=set_walk,
                args=(view, start[:1]),
                key="swaps_restart",
            )
            st.button(
                "Open card",
                icon=":material/open_in_full:",
                on_click=card.open_cell,
                args=(here["hash"],),
                key="swaps_card",
            )
        html.drawing(cell_svg(entry.cell, session.dark(), width=360))
        html.drawing(operations_legend(session.dark()))
        html.facts(
            [
                (f"{energy.label} now", value(energy, here["energy"]), here["energy_provenance"] or ""),
                ("Accuracy now", value(accuracy, here["validation_accuracy"]), card.accuracy_note(entry, view.lens)),
                ("Energy since the start", figures.change(here["sum_energy"]), f"steps taken: {len(path) - 1}"),
                ("Accuracy since the start", figures.points(here["sum_accuracy"]), f"{view.epochs} epochs"),
            ]
        )
    if len(path) > 1:
        st.markdown("**The path so far**")
        if len(path.dropna(subset=["energy", "validation_error"])) > 1:
            picture(figures.walked(path, plane, session.dark()), "walked", "The walk in the plane of energy and error")
        rows = [
            [
                f"{number}  {row.hash[:8]}  {row.step or 'start'}",
                value(energy, row.energy),
                figures.change(row.d_energy),
                value(accuracy, row.validation_accuracy),
                figures.points(row.d_accuracy),
            ]
            for number, row in enumerate(path.itertuples())
        ]
        html.quantities(["Cell, step", energy.label, "Change", "Accuracy", "Change"], rows)
    return replace(view, walk=start)


def begin(view: SwapsView) -> None:
    """Choose the cell to begin a walk at."""
    at_hand = [*dict.fromkeys([*([state.cell] if state.cell else []), *state.tray])]
    letters = tray.letters()
    names = {digest: f"pinned {letters[digest]}" if digest in letters else "the open card" for digest in at_hand}

    def chosen() -> None:
        digest = (state.swaps_begin or "").strip().lower()
        if not digest:
            return
        try:
            session.bench().query(digest, space=view.space)
        except EcnasError as error:
            state.swaps_refused = str(error)
        else:
            set_walk(view, (digest,))
        state.swaps_begin = None

    st.selectbox(
        "Begin at",
        at_hand,
        format_func=lambda digest: f"{digest[:8]} ({names[digest]})" if digest in names else digest,
        index=None,
        placeholder="paste a hash, or choose a cell at hand",
        accept_new_options=True,
        key="swaps_begin",
        on_change=chosen,
    )
    refused = state.pop("swaps_refused", None)
    if refused:
        st.error(html.sentence(refused), icon=":material/error:")


def set_walk(view: SwapsView, walked: tuple[str, ...]) -> None:
    """Make these cells the walk."""
    state.swaps_view = replace(view, walk=walked)


def warn_of_few(frame: pd.DataFrame) -> None:
    """Say where few pairs stand behind a number."""
    few = frame[frame["n"] < swaps.FEW_PAIRS]
    if len(few):
        st.warning(
            f"{len(few)} of {len(frame)} groups rest on fewer than {swaps.FEW_PAIRS} pairs of cells with known values: "
            "read them with care.",
            icon=":material/warning:",
        )


def unknown(view: SwapsView) -> None:
    """Say what to do where nothing is known."""
    if not view.lens.known_without_components and view.space == "7V":
        st.info(
            "The energy of the GPU alone is not known in 7V. Choose the scope Facility or IT in the lens, or 4V or 5V.",
            icon=":material/info:",
        )
    else:
        st.info(
            "No pair of cells has this metric known on both sides: choose another space or budget.",
            icon=":material/info:",
        )


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "**All of a kind** (paper, Figure 2): every operation A of a cell is replaced by B, in every cell of the "
            "space; f(A→B) is the mean of (new − old) / old, of new − old for accuracy, and a cell without A counts as "
            "no change. The map shows (f(A→B) − f(B→A)) / 2; *there* and *back* are the two sides. Where a metric is "
            "known for some cells only, f is the share of cells that have A times the mean over those known before "
            "and after. The paper's −32.11 % of energy and −95.53 % of parameters for conv3x3 to maxpool3x3 are not "
            "what its definition gives on its own table; the other figures of energy and parameters agree to 0.02.\n\n"
            "**One vertex**: one vertex of one cell changes its operation and all else stays. Boxes show the quartiles "
            "and the median, whiskers 5 % and 95 %, the dashed line the mean. Distance from the input counts the edges "
            "of the longest path. Cells with an artefact of the surrogate are left out here, not above.\n\n"
            "**Accuracies** are compared only where they are of one kind: both the mean of three trainings, or both "
            "single trainings of the random sample, which lie above the mean (by 0.003 at 108 epochs). The cells of "
            "the search logs were chosen by searches, so they are better than average.\n\n"
            "**Energy for accuracy**: the mean saving over the mean loss, over the pairs with both known. Horizontal "
            "lines are 95 % intervals of the mean that treat pairs as independent.\n\n"
            "**Walk**: every change of one operation, and every edge added or removed that leaves a valid cell, after "
            "pruning; cells that are the same up to numbering count once."
        )


def main() -> None:
    """The page."""
    session.through_app()
    session.from_link("swaps_view", SwapsView.from_params)
    if "swaps_section" not in state:
        seed(state.swaps_view)
    page.header("Swaps")
    view = state.swaps_view = controls()
    if view.section == "all":
        all_of_a_kind(view)
    elif view.section == "one":
        one_vertex(view)
    elif view.section == "trade":
        energy_for_accuracy(view)
    else:
        view = walking(view)
    params = view.to_params()
    if state.cell:
        st.divider()
        card.show(View(space=view.space, epochs=view.epochs, lens=view.lens), state.cell, params)
        params["cell"] = state.cell
    explained()
    session.publish(params)


main()
