"""Explore: every cell of a space, by what it costs and what it gives."""

from __future__ import annotations

from math import inf, isinf

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import explore, glossary
from ecnas_core.analysis.metrics import METRICS, metric
from ecnas_core.analysis.view import COUNTED, Filters, View
from ecnas_core.benchmark import EPOCHS
from ecnas_core.benchmark.official import PROVENANCES
from ecnas_core.carbon import Lens
from ecnas_core.cells import SPACES, Cell
from ecnas_core.figures import explore as figures
from ecnas_core.figures.cell import cell_svg, cell_thumbnail
from ecnas_core.figures.theme import config, format_quantity
from ecnas_core.records import InvalidRecord
from pages.widgets import card, chart, downloads, html, page, session, tray

ROWS_AT_MOST = 200
PARALLEL_AT_MOST = 2_000
COUNT_LABELS = {
    "vertices": "Vertices",
    "n_conv3x3": "3×3 convolutions",
    "n_conv1x1": "1×1 convolutions",
    "n_maxpool3x3": "3×3 max-poolings",
}
COUNT_BOUNDS = {"vertices": (2, 7), "n_conv3x3": (0, 5), "n_conv1x1": (0, 5), "n_maxpool3x3": (0, 5)}
LABELS = {name: metric(name, Lens()).label for name in METRICS}  # apart even where the lens shows energy as footprint
state = st.session_state


@st.cache_resource(max_entries=64, show_spinner=False)
def picture(view: View, files: tuple[int, ...]) -> explore.Picture:
    """The computed view; `files` changes with the data."""
    return explore.picture(session.bench(), view)


def seed(view: View) -> None:
    """Give the widgets the values of a view."""
    state.explore_space = view.space
    state.explore_epochs = view.epochs
    state.explore_x = view.x
    state.explore_y = view.y
    state.explore_x_log, state.explore_y_log = view.logarithmic
    counts = {name: (low, high) for name, low, high in view.filters.counts}
    for name in COUNTED:
        least, most = COUNT_BOUNDS[name]
        most = SPACES[view.space] if name == "vertices" else most
        state[f"explore_{name}"] = tuple(min(max(end, least), most) for end in counts.get(name, (least, most)))
    state.explore_ranged = [name for name, _, _ in view.filters.ranges]
    ranges = {name: ends for name, *ends in view.filters.ranges}
    for name in METRICS:
        ends = (None if isinf(end) else end for end in ranges.get(name, (-inf, inf)))
        state[f"explore_least_{name}"], state[f"explore_most_{name}"] = ends
    state.explore_energy_provenance = list(view.filters.energy_provenance)
    state.explore_accuracy_provenance = list(view.filters.accuracy_provenance)
    state.explore_artefacts = view.filters.artefacts


def natural_scale(axis: str) -> None:
    """Give an axis the scale of its newly chosen metric."""
    state[f"explore_{axis}_log"] = metric(state[f"explore_{axis}"], state.lens).log


def reset_filters() -> None:
    """Look at all cells again, remembering the filters for ``restore_filters``."""
    state.filters_before = state.view
    seed(View(**{name: getattr(state.view, name) for name in ("space", "epochs", "x", "y", "x_log", "y_log")}))


def restore_filters() -> None:
    """Undo ``reset_filters``."""
    before = state.pop("filters_before")
    seed(before)
    keep_ranges(before.lens, state.lens)


def fit_vertices() -> None:
    """Fit the range of vertices to the space just chosen; one that reached the widest cells still does."""
    widest, before = SPACES[state.explore_space], SPACES[state.view.space]
    low, high = state.explore_vertices
    state.explore_vertices = (min(low, widest), widest if high >= before else min(high, widest))


def controls() -> None:
    """The row above the picture."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="controls"):
        st.segmented_control(
            "Space",
            list(SPACES),
            key="explore_space",
            on_change=fit_vertices,
            required=True,
            help=(
                "Cells of at most 4, 5 or 7 vertices. Each space has an energy scale of its own: 4V and 5V were "
                "measured, 7V is the published surrogate. Never compare energies across spaces."
            ),
        )
        st.segmented_control(
            "Epochs", EPOCHS, key="explore_epochs", required=True, help=glossary.help("training budget")
        )
        for axis, label in (("x", "Across"), ("y", "Up")):
            st.selectbox(
                label,
                METRICS,
                format_func=LABELS.get,
                key=f"explore_{axis}",
                on_change=natural_scale,
                args=(axis,),
                width=172,
                help=html.meanings(LABELS.values()),
            )
        with st.popover("Scales"):
            st.checkbox("Logarithmic across", key="explore_x_log")
            st.checkbox("Logarithmic up", key="explore_y_log")
        active = active_filters()
        st.toggle(f"Filters ({active})" if active else "Filters", key="explore_filters")


def filters() -> None:
    """The column that folds away."""
    st.slider(
        "Vertices",
        2,
        SPACES[state.explore_space],
        key="explore_vertices",
        persist_state="session",
        help=glossary.help("vertex"),
    )
    for name in COUNTED[1:]:
        st.slider(
            COUNT_LABELS[name],
            *COUNT_BOUNDS[name],
            key=f"explore_{name}",
            persist_state="session",
            help=glossary.help(name.removeprefix("n_")),
        )
    st.multiselect(
        "Ranges of",
        METRICS,
        format_func=LABELS.get,
        key="explore_ranged",
        persist_state="session",
        placeholder="any metric",
        help="Cells without a value of the metric fall out.",
    )
    for name in state.explore_ranged:
        shown = metric(name, state.lens)
        least, most = st.columns(2)
        least.number_input(
            f"{shown.label} from",
            value=None,
            format="%g",
            step=None,
            key=f"explore_least_{name}",
            placeholder=shown.unit or "0 to 1",
            persist_state="session",
        )
        most.number_input(
            "to",
            value=None,
            format="%g",
            step=None,
            key=f"explore_most_{name}",
            placeholder=shown.unit or "0 to 1",
            persist_state="session",
        )
    st.multiselect(
        "Energy is",
        PROVENANCES[:3],
        key="explore_energy_provenance",
        placeholder="any provenance",
        persist_state="session",
        help=html.meanings(PROVENANCES[:3]),
    )
    st.multiselect(
        "Accuracy is",
        ("published", "measured", "predicted"),
        key="explore_accuracy_provenance",
        placeholder="any, or unknown",
        persist_state="session",
        help=glossary.help("provenance"),
    )
    st.toggle(
        "With artefacts",
        key="explore_artefacts",
        persist_state="session",
        help="Nine cells of 7V have a surrogate energy that is negative or below the smallest measured one.",
    )
    with st.container(horizontal=True):
        st.button("Reset", icon=":material/filter_alt_off:", on_click=reset_filters, type="tertiary")
        if "filters_before" in state:
            st.button("Undo", icon=":material/undo:", on_click=restore_filters, type="tertiary")


def chosen_filters() -> Filters:
    """The filters as the widgets have them."""
    counts = tuple(
        (name, *state[f"explore_{name}"])
        for name in COUNTED
        if not (
            state[f"explore_{name}"][0] <= COUNT_BOUNDS[name][0]
            and state[f"explore_{name}"][1] >= min(COUNT_BOUNDS[name][1], SPACES[state.explore_space])
        )
    )
    ranges = []
    for name in state.explore_ranged:
        least, most = state.get(f"explore_least_{name}"), state.get(f"explore_most_{name}")
        if least is not None or most is not None:
            ranges.append((name, float("-inf") if least is None else least, float("inf") if most is None else most))
    return Filters(
        counts=counts,
        ranges=tuple(ranges),
        energy_provenance=tuple(state.explore_energy_provenance),
        accuracy_provenance=tuple(state.explore_accuracy_provenance),
        artefacts=state.explore_artefacts,
    )


def active_filters() -> int:
    """How many filters are set."""
    try:
        return len(View(filters=chosen_filters()).to_params())
    except InvalidRecord:
        return len(View(filters=state.view.filters).to_params())


def chosen_view() -> View:
    """The view as the widgets have it."""
    scales = {}
    for axis in ("x", "y"):
        log = state[f"explore_{axis}_log"]
        scales[f"{axis}_log"] = None if log == metric(state[f"explore_{axis}"], state.lens).log else log
    return View(
        space=state.explore_space,
        epochs=state.explore_epochs,
        x=state.explore_x,
        y=state.explore_y,
        filters=chosen_filters(),
        lens=state.lens,
        **scales,
    )


def keep_ranges(before: Lens, after: Lens) -> None:
    """Convert the ranges of energy and footprint when the lens changes its unit, scope, PUE or grid."""
    for name, convert in (("energy", Lens.convert), ("footprint", Lens.footprint)):
        one, other = convert(before, 1.0, None), convert(after, 1.0, None)
        for end in ("least", "most"):
            key = f"explore_{end}_{name}"
            if state.get(key) is not None:
                state[key] = None if not one or other is None else state[key] * other / one


def select() -> None:
    """Take a click or a box in the picture."""
    selection = state.picture["selection"]
    if selection["box"]:
        x, y = selection["box"][0]["x"], selection["box"][0]["y"]
        state.box = (min(x), max(x), min(y), max(y))
    elif digest := chart.clicked("picture", state.explore_hashes):
        state.cell = digest


def clear_box() -> None:
    """Unselect the area."""
    state.box = None


def summary(shown: explore.Picture) -> None:
    """The numbers under the picture."""
    view = shown.view
    x, y = view.axes
    count = lambda number: format_quantity(number, digits=None)  # noqa: E731
    both = "all of them" if shown.both == shown.matching else f"{count(shown.matching - shown.both)} lack a value"
    if shown.predicted:
        both += f", {count(shown.predicted)} predicted"
    items = [
        ("Matching cells", count(shown.matching), f"of {count(shown.in_space)} in {view.space}"),
        ("With both values", count(shown.both), both),
        (
            "On the front",
            count(len(shown.front)),
            "non-dominated" if shown.both == shown.matching else "of the cells with both values",
        ),
    ]
    for cell in shown.front[shown.front["role"] != ""].itertuples():
        items.append(
            (
                f"{cell.role} {figures.role_name(cell.role, view)}",
                figures.value(x, cell.x),
                f"{y.label.lower()} {figures.value(y, cell.y)}",
            )
        )
    html.facts(items)
    resting = figures.predicted(shown)
    if resting:
        st.caption(f"{resting} The lens can leave predicted figures out.")
    if shown.artefacts:
        st.caption(
            f"{shown.artefacts} cells are left out because their surrogate energy is an artefact "
            "(negative, or below the smallest measured one); the filters can bring them back."
        )


def table(shown: explore.Picture) -> None:
    """The front, or the cells of the selected area, as a table and as parallel coordinates."""
    view = shown.view
    if state.box:
        number = explore.count(session.bench(), view, state.box)
        frame = explore.cells(session.bench(), view, box=state.box, limit=PARALLEL_AT_MOST)
        name = f"Selected: {figures.cells(number)}"
    else:
        frame, number, name = shown.front, len(shown.front), f"The front, {figures.cells(len(shown.front))}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(name, anchor=False)
        if state.box:
            st.button("Clear selection", icon=":material/close:", type="tertiary", on_click=clear_box)
        form = st.segmented_control(
            "Form",
            ["Table", "Parallel coordinates"],
            default="Table",
            required=True,
            label_visibility="collapsed",
            key="explore_form",
            persist_state="session",
        )
    if frame.empty:
        st.info("No cell in this area. Drag a box over points, or clear the selection.", icon=":material/select:")
        return
    if form == "Table":
        rows = frame.head(ROWS_AT_MOST)
        if number > len(rows):
            st.caption(f"The first {len(rows)} by {view.axes[0].label.lower()}; the downloads hold all of them.")
        cell_table(rows, view)
    else:
        if number > len(frame):
            st.caption(f"The first {len(frame)} by {view.axes[0].label.lower()}.")
        st.plotly_chart(
            figures.parallel(frame, view, session.dark()),
            theme=None,
            config=config("ec-nas-parallel"),
            key="parallel",
            alt=figures.describe_parallel(frame, view),
        )


def cell_table(rows: pd.DataFrame, view: View) -> None:
    """Cells as rows; choosing one opens its card."""
    drawings = [
        cell_thumbnail(Cell.from_bits(*bits), session.dark())
        for bits in zip(rows["vertices"], rows["edge_bits"], rows["ops"].fillna(""), strict=True)
    ]
    names = ["energy", "validation_accuracy", "training_time", "parameters", "multiply_adds"]
    names = list(dict.fromkeys([view.x, view.y, *names]))
    shown = pd.DataFrame({"Cell": drawings, "Hash": rows["hash"].str[:8]})
    if "role" in rows:
        shown.insert(1, "Role", rows["role"])
    formats = {}
    for name in names:
        kind = metric(name, view.lens)
        shown[kind.axis] = rows[name]
        formats[kind.axis] = st.column_config.NumberColumn(
            format=f"%.{kind.digits}f" if not kind.unit else "%.4g", help=glossary.help(kind.label)
        )
    shown["Energy is"] = rows["energy_provenance"]
    shown["Accuracy is"] = rows["accuracy_provenance"].fillna("unknown")
    for name, kind in zip(("x", "y"), view.axes, strict=True):
        if rows[f"{name}_low"].notna().any():
            shown[f"{kind.label}, 90 % interval"] = figures.intervals(rows, name, kind)
    hashes = tuple(rows["hash"])
    key = f"explore_table_{hash((hashes, view))}"

    def opened() -> None:
        chosen = state[key]["selection"]["rows"]
        if chosen:
            state.cell = hashes[chosen[0]]

    st.dataframe(
        shown,
        hide_index=True,
        height=min(38 * len(shown) + 40, 420),
        row_height=38,
        column_config={
            "Cell": st.column_config.ImageColumn(width="small", help=glossary.help("cell")),
            "Energy is": st.column_config.TextColumn(help=glossary.help("provenance")),
            "Accuracy is": st.column_config.TextColumn(help=glossary.help("provenance")),
            **formats,
        },
        on_select=opened,
        selection_mode="single-row",
        key=key,
        placeholder="–",
        alt=f"{len(shown)} cells with their metrics",
    )


def compare(view: View) -> None:
    """The pinned cells side by side, the best of each metric in bold."""
    pinned = tray.pinned()
    if not pinned:
        return
    letters = tray.letters()
    st.header("Compare", anchor=False)
    frame = explore.cells(session.bench(), view, hashes=list(pinned)).set_index("hash")
    for column, (digest, cell) in zip(st.columns(session.PINNED_AT_MOST), pinned.items(), strict=False):
        with column:
            st.markdown(f"**{letters[digest]}** `{digest[:8]}`")
            html.drawing(cell_svg(cell, session.dark(), width=260))
            st.button(
                "Open card",
                key=f"open_{digest}",
                type="tertiary",
                icon=":material/open_in_full:",
                on_click=card.open_cell,
                args=(digest,),
            )
    rows, best = [], []
    for name in METRICS:
        shown = metric(name, view.lens)
        numbers = [frame[name].get(digest, float("nan")) for digest in pinned]
        known = [number for number in numbers if pd.notna(number)]
        rows.append([shown.label, *(figures.value(shown, number) for number in numbers)])
        pick = (min(known) if shown.better == "less" else max(known)) if len(known) > 1 else None
        best.append(1 + numbers.index(pick) if pick is not None else -1)
    for label, column in (("Energy is", "energy_provenance"), ("Accuracy is", "accuracy_provenance")):
        rows.append([label, *(str(frame[column].get(digest) or "unknown") for digest in pinned)])
        best.append(-1)
    html.quantities([f"{view.space}, {view.epochs} epochs", *letters.values()], rows, best=best)


def main() -> None:
    """The page."""
    session.through_app()
    session.from_link("view", View.from_params)
    if "explore_space" not in state:
        seed(state.view)
    axes_before = state.view.axes
    if state.view.lens != state.lens:
        keep_ranges(state.view.lens, state.lens)
        state.view = replace(state.view, lens=state.lens)
    page.header("Explore")
    controls()
    if state.explore_filters:
        aside, main_column = st.columns([1, 3], gap="medium")
        with aside:
            filters()
    else:
        main_column = st.container()
    try:
        view = chosen_view()
    except InvalidRecord as error:
        main_column.error(f"{str(error)[0].upper()}{str(error)[1:]}.", icon=":material/error:")
        st.stop()
    state.view = view
    if view.axes != axes_before:
        state.box = None
    shown = picture(view, session.bench().stamp)
    with main_column:
        st.markdown(f"**{figures.headline(shown)}**")
        if shown.both or shown.x_only:
            plot(shown)
        if not shown.both:
            empty(shown)
    if shown.both:
        summary(shown)
        table(shown)
    if state.cell:
        st.divider()
        card.show(view, state.cell, view.to_params())
    if state.tray:
        st.divider()
        compare(view)
    explained()
    params = view.to_params()
    if state.cell:
        params["cell"] = state.cell
    if state.box:
        params["box"] = "~".join(f"{edge:.6g}" for edge in state.box)
    session.publish(params)


def plot(shown: explore.Picture) -> None:
    """The picture and its downloads."""
    view = shown.view
    letters = tray.letters()
    at_hand = list(dict.fromkeys([*letters, *([state.cell] if state.cell else [])]))
    marked = explore.cells(session.bench(), view, hashes=at_hand).dropna(subset=["x", "y"]) if at_hand else None
    drawn = figures.plane(
        shown,
        session.dark(),
        selected=state.cell,
        marked=marked,
        box=state.box,
        names=letters,
        select_by_dragging=state.get("explore_drag") == "selects",
    )
    state.explore_hashes = drawn.hashes
    st.plotly_chart(
        drawn.figure,
        theme=None,
        config=config(f"ec-nas-{view.space}-{view.epochs}", dragging=True),
        key="picture",
        on_select=select,
        selection_mode=("points", "box"),
        alt=figures.headline(shown),
    )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        offer_downloads(view, drawn)
        st.segmented_control(
            "Dragging",
            ["pans", "selects"],
            format_func={"pans": "Click a cell, drag to pan", "selects": "Drag to select an area"}.get,
            default="pans",
            required=True,
            key="explore_drag",
            label_visibility="collapsed",
            persist_state="session",
        )


def offer_downloads(view: View, drawn: figures.Plane) -> None:
    """The matching or selected cells and the figure, to take along."""
    box = state.box
    what = "The selected cells" if box else "All matching cells"
    downloads.row(
        f"ec-nas-{view.space}-{view.epochs}-epochs",
        lambda: explore.cells(session.bench(), view, box=box),
        drawn.figure,
        view.to_python(),
        f"{what}, one row each, every metric under the lens, with provenance",
    )


def empty(shown: explore.Picture) -> None:
    """Say what to do when there is nothing to draw."""
    view = shown.view
    if not shown.matching:
        st.info("Widen a filter, or press Reset in the filters.", icon=":material/filter_alt:")
    elif not view.lens.known_without_components and view.space == "7V":
        st.info(
            "The energy of the GPU alone is not known in 7V: the surrogate predicts facility energy. "
            "Choose the scope Facility or IT in the lens, or the space 4V or 5V.",
            icon=":material/info:",
        )
    else:
        st.info("No matching cell has a value on both axes: choose another metric or budget.", icon=":material/info:")


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "**Energy** is facility energy as EC-NAS stores it: (GPU + CPU energy) × PUE 1.59, converted by the lens. "
            "4V was measured at all four budgets, three trainings each; 5V at 4 epochs, and scaled linearly beyond; "
            "7V is the published surrogate, for all its cells. Measured energy at 108 epochs is 0.86 ± 0.04 of 27 "
            "times the 4-epoch one (4V), so scaled figures are some 14 % too high. The GPU's joules "
            "cover the whole run, start-up included.\n\n"
            "**Accuracy** is NAS-Bench-101's where it is known: the mean of three trainings for complete official "
            "tables and for cells found in the authors' search logs, one training for the cells of a random sample, "
            "which at 108 epochs lies 0.003 above the mean. Where nothing is published, EC-NAS's own training "
            "counts.\n\n"
            "**The front** holds the cells that no other known cell beats in both; of equal cells the one with the "
            "smallest hash. **r0** and **r1** are its ends. **The knee rk** is its point farthest below the straight "
            "chord from r0 to r1, on linear axes, as in the paper; the units do not matter.\n\n"
            "**Markers** tell the weaker of both provenances: a circle is measured, a square published, a half-tone "
            "circle scaled, a diamond surrogate. The points are a sample that stays the same as filters narrow."
        )


main()
