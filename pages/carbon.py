"""Carbon: what a training emits, where, and what EC-NAS spared by not training everything."""

from __future__ import annotations

from math import isnan

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import footprint, glossary, reduction
from ecnas_core.analysis.footprint import ROLES, SECTIONS, CarbonView
from ecnas_core.benchmark import EPOCHS
from ecnas_core.benchmark.paper import CITATION
from ecnas_core.carbon import Lens
from ecnas_core.carbon.equivalents import equivalents, telling
from ecnas_core.carbon.footprint import IMAGES_AT_MOST, TRAINING_IMAGES, TRAININGS_AT_MOST, by_country
from ecnas_core.cells import SPACES
from ecnas_core.figures import carbon as figures
from ecnas_core.figures import theme
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.theme import UNKNOWN, format_fixed, format_quantity
from pages.widgets import chart, downloads, html, page, session, tray

SECTION_LABELS = {"footprint": "Footprint", "table": "Table 3"}
ROLE_LABELS = {"r0": "r0, least energy", "rk": "rk, the knee", "r1": "r1, best accuracy"}
VERDICT_LABELS = {
    "agrees": "agrees to the last digit",
    "close": "agrees within 0.2 %",
    "differs": "does not agree",
    "unknown": "",
}
state = st.session_state


@st.cache_resource(max_entries=16, show_spinner=False)
def front(space: str, epochs: int, predicted: bool, stamp: object) -> dict[str, str]:
    """The ends and the knee of a space; `stamp` changes with the data."""
    return footprint.front(session.bench(), space, epochs, predicted)


@st.cache_resource(max_entries=4, show_spinner=False)
def table_3(stamp: object) -> pd.DataFrame:
    """Table 3 recomputed; `stamp` changes with the data."""
    return reduction.table_3(session.bench())


def seed(view: CarbonView) -> None:
    """Give the widgets that have no value yet the values of a view."""
    for name in ("section", "space", "epochs", "cell", "trainings", "images"):
        state.setdefault(f"carbon_{name}", getattr(view, name))


def take_open_cell(view: CarbonView) -> CarbonView:
    """Turn to the cell whose card has been opened since."""
    if not state.cell or state.cell == state.get("carbon_opened"):
        return view
    state.carbon_opened = state.carbon_cell = state.cell
    return replace(view, cell=state.cell)


def cells_offered(view: CarbonView) -> dict[str, str]:
    """The cells to choose from, with their labels: the front's, the pinned ones, the one at hand."""
    at_front = front(view.space, view.epochs, view.lens.predicted, session.bench().stamp)
    offered = {role: ROLE_LABELS[role] for role in ROLES if role in at_front}
    offered |= {digest: f"pinned {letter}, {digest[:8]}" for digest, letter in tray.letters().items()}
    if view.cell not in offered and view.cell not in ROLES:
        offered[view.cell] = f"cell {view.cell[:8]}"
    return offered


def controls(view: CarbonView) -> CarbonView:
    """The row above the picture, and the view that it describes."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="carbon_controls"):
        st.segmented_control("Section", SECTIONS, format_func=SECTION_LABELS.get, key="carbon_section", required=True)
        view = replace(view, section=state.carbon_section, lens=state.lens)
        if view.section == "table":
            return view
        st.segmented_control(
            "Space",
            list(SPACES),
            key="carbon_space",
            required=True,
            help=(
                "Cells of at most 4, 5 or 7 vertices. Each space has an energy scale of its own: 4V and 5V were "
                "measured, 7V is the published surrogate."
            ),
        )
        st.segmented_control(
            "Epochs", EPOCHS, key="carbon_epochs", required=True, help=glossary.help("training budget")
        )
        view = replace(view, space=state.carbon_space, epochs=state.carbon_epochs)
        offered = cells_offered(view)
        if state.carbon_cell not in offered:
            state.carbon_cell = next(iter(offered))
        st.selectbox(
            "Cell",
            offered,
            format_func=offered.get,
            key="carbon_cell",
            width=160,
            help=(
                "r0, rk and r1 of the front of energy and validation error, pinned cells, "
                "or the cell whose card is open."
            ),
        )
        st.number_input(
            "Trainings",
            1,
            TRAININGS_AT_MOST,
            step=1,
            key="carbon_trainings",
            width=92,
            help="How many times it is trained, for example in a search.",
        )
        st.number_input(
            "Images",
            1,
            IMAGES_AT_MOST,
            step=10_000,
            key="carbon_images",
            width=104,
            help=(
                "Training images in an epoch. The benchmark's are 40 000 (CIFAR-10); "
                "other numbers are an extrapolation, "
                "linear in the images."
            ),
        )
    return replace(view, cell=state.carbon_cell, trainings=state.carbon_trainings, images=state.carbon_images)


def training(view: CarbonView) -> None:
    """What the chosen cell's training emits: map, bars, numbers, equivalents, other cells."""
    at_front = front(view.space, view.epochs, view.lens.predicted, session.bench().stamp)
    digest = at_front.get(view.cell, view.cell)
    beside = footprint.compared(session.bench(), view, digest, at_front)
    own = beside.iloc[0]
    if own["hash"] != digest:
        st.info(
            f"The cell `{digest[:8]}` is not in the space {view.space}. Choose a larger space, or another cell.",
            icon=":material/filter_alt_off:",
        )
        return
    if isnan(own["energy_kwh"]):
        st.info(
            f"The energy of the GPU alone is not known in {view.space}: the surrogate predicts facility energy. "
            "Choose the scope Facility or IT in the lens, or the space 4V or 5V.",
            icon=":material/info:",
        )
        return
    by_grid = by_country(own["energy_kwh"])
    headline = figures.headline(by_grid, view.lens, own["energy_kwh"], view.trainings)
    st.markdown(f"**{headline}**")
    atlas(replace(view, cell=digest), by_grid, headline)
    if pd.notna(own["energy_artefact"]):
        st.warning(
            f"The published surrogate's energy of this cell is an artefact ({own['energy_artefact']}): no training can "
            "be believed to cost so little.",
            icon=":material/warning:",
        )
    numbers(view, own, by_grid)
    if not in_gap(view.lens):
        likened(own["kgco2eq"], "The same as")
        what_if(beside)
    cell = session.bench().query(digest, view.epochs, view.space).cell
    with st.expander("The cell", icon=":material/account_tree:"):
        html.drawing(cell_svg(cell, session.dark(), width=440))
        html.drawing(operations_legend(session.dark()))
        st.caption(f"`{cell.to_text()}`, hash `{digest}`")


def in_gap(lens: Lens) -> bool:
    """Whether the lens's grid is a gap of the table, whose 0 g/kWh is no figure."""
    return lens.grid is not None and lens.grid.is_artefact


def choose_grid() -> None:
    """Make the clicked country the lens's."""
    if code := chart.clicked("carbon_atlas", state.carbon_codes):
        state.lens_grid = code
        state.lens = replace(state.lens, country=code, g_per_kwh=None)


def atlas(view: CarbonView, by_grid: pd.DataFrame, headline: str) -> None:
    """Every country on the map and as a bar, with the downloads."""
    drawn = figures.atlas(by_grid, view.lens, session.dark())
    state.carbon_codes = drawn.codes
    name = f"ec-nas-carbon-{view.space}-{view.epochs}"
    st.plotly_chart(
        drawn.figure,
        theme=None,
        config=figures.config(name),
        key="carbon_atlas",
        on_select=choose_grid,
        selection_mode="points",
        alt=f"Map and sorted bars of the footprint in {len(by_grid)} countries. {headline}",
    )
    downloads.row(
        name,
        lambda: by_grid,
        drawn.figure,
        view.to_python(),
        "One row a country: intensity with its year, footprint, and whether the figure is a gap of the table",
    )


def numbers(view: CarbonView, own: pd.Series, by_grid: pd.DataFrame) -> None:
    """The numbers under the picture."""
    lens, cleanest, dirtiest = view.lens, *figures.span(by_grid)
    where = f"{lens.grid.country} {lens.grid.year}, " if lens.grid else "by hand, "
    kgco2eq = UNKNOWN if in_gap(lens) else figures.kilograms(own["kgco2eq"])
    counted = lens.scope == "facility"
    often = f"{format_quantity(view.trainings, digits=None)} training{'s' * (view.trainings > 1)}"
    images = "the benchmark's images" if not view.workload.is_extrapolated else "extrapolated in images"
    html.facts(
        [
            ("Footprint", kgco2eq, f"{where}{lens.intensity:.0f} gCO2eq/kWh"),
            ("Energy", format_quantity(own["energy_kwh"], "kWh"), f"{own['energy_provenance']}; {often}, {images}"),
            ("Cleanest grid", figures.kilograms(cleanest["kgco2eq"]), grid_told(cleanest)),
            ("Dirtiest grid", figures.kilograms(dirtiest["kgco2eq"]), grid_told(dirtiest)),
            (
                "PUE",
                f"{lens.pue:g}" if counted else UNKNOWN,
                "set in the lens, in the sidebar" if counted else f"not counted in the scope {lens.scope}",
            ),
        ]
    )
    if view.workload.is_extrapolated:
        st.caption(
            f"An extrapolation: the energy of an epoch is taken to be linear in its images, the benchmark's being "
            f"{format_quantity(TRAINING_IMAGES, digits=None)} of 32 × 32 pixels. Larger images cost more."
        )
    missing = len(by_grid) - 1 - len(state.carbon_codes[1])
    st.caption(
        f"Grids: the table that carbontracker ships, {len(by_grid)} countries; {missing} of them, small islands and "
        "territories, are only among the bars. Grey: no figure. The table's 0 gCO2eq/kWh for the Central African "
        "Republic is a gap and left out; Namibia and Kosovo are missing in it."
    )


def grid_told(row: pd.Series) -> str:
    """A country with its intensity and year."""
    return f"{row['country']} {row['year']}, {row['intensity']:.0f} gCO2eq/kWh"


def likened(kgco2eq: float, title: str) -> None:
    """A footprint in everyday terms."""
    st.markdown(f"**{title}**")
    shown = telling(kgco2eq)
    if not shown:
        st.caption("Too little, or too much, to be likened to anything everyday.")
        return
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


def what_if(beside: pd.DataFrame) -> None:
    """The cell against the ends and the knee of its front."""
    st.markdown("**What if another cell were trained?**")
    rows = []
    for number, row in enumerate(beside.itertuples()):
        name = ROLE_LABELS.get(row.role, f"cell {row.hash[:8]}")
        accuracy = UNKNOWN if isnan(row.validation_accuracy) else f"{row.validation_accuracy:.4f}"
        known = "unknown" if pd.isna(row.accuracy_provenance) else row.accuracy_provenance
        if known == "predicted":
            known += f", 90 % interval {row.validation_accuracy_low:.4f} to {row.validation_accuracy_high:.4f}"
        saved = "" if number == 0 else figures.kilograms(row.saved_kgco2eq)
        rows.append(
            [
                f"This cell: {name}" if number == 0 else name,
                format_quantity(row.energy_kwh, "kWh"),
                figures.kilograms(row.kgco2eq),
                saved,
                accuracy,
                f"{row.energy_provenance}; accuracy {known}",
            ]
        )
    html.quantities(["", "Energy", "Footprint", "Saved against this cell", "Validation accuracy", ""], rows, notes=True)
    with st.container(horizontal=True, gap="small"):
        for row in beside.iloc[1:].itertuples():
            st.button(
                f"Pin {row.role}",
                icon=":material/keep:",
                type="tertiary",
                key=f"carbon_pin_{row.role}",
                on_click=tray.toggle,
                args=(row.hash,),
                disabled=row.hash in state.tray or tray.is_full(),
            )


def table(view: CarbonView) -> None:
    """Table 3 recomputed beside the paper's."""
    frame = table_3(session.bench().stamp)
    headline = figures.table_headline(frame)
    st.markdown(f"**{headline}**")
    drawn = figures.differences(frame, session.dark())
    st.plotly_chart(drawn, theme=None, config=theme.config("ec-nas-table-3"), key="carbon_table", alt=headline)
    downloads.row(
        "ec-nas-table-3",
        lambda: frame,
        drawn,
        view.to_python(),
        "One row a space and quantity: recomputed, printed, difference, verdict",
    )
    rows = []
    for row in frame.itertuples():
        verdict = VERDICT_LABELS[row.verdict] or missing(row)
        rows.append(
            [
                f"{row.space}, {row.unit}",
                format_fixed(row.recomputed, 3),
                format_fixed(row.printed, 3),
                format_fixed(row.difference, 3, signed=True),
                figures.percent(row.relative),
                f"{verdict}; {row.factor} × {format_quantity(row.cells, digits=None)} cells",
            ]
        )
    html.quantities(["Spared", "Recomputed", "Printed", "Difference", "", ""], rows, notes=True)
    reading(view, frame.set_index(["space", "quantity"]))


def missing(row: pd.Series) -> str:
    """Why a number cannot be compared."""
    return "training times of all cells are not published here" if row.quantity == "gpu_days" else "not in the paper"


def reading(view: CarbonView, frame: pd.DataFrame) -> None:
    """What Table 3 says, in plain words and numbers."""
    spared = frame["recomputed"]
    ours, theirs = (frame[name].map(lambda number: format_fixed(number, 3)) for name in ("recomputed", "printed"))
    measured = reduction.measured_4v(session.bench())
    cells, kwh = reduction.untrained_7v(session.bench())
    tonnes = spared["7V", "kwh"] * view.lens.intensity / 1e6
    html.facts(
        [
            (
                "Spared in 5V",
                format_quantity(spared["5V", "kwh"], "kWh"),
                f"{format_quantity(spared['5V', 'gpu_days'])} GPU days, by scaling 4 epochs",
            ),
            ("Spared in 7V", format_quantity(spared["7V", "kwh"] / 1000, "MWh"), "by the surrogate"),
            (
                "7V in the lens's grid",
                UNKNOWN if in_gap(view.lens) else format_quantity(tonnes, "tCO2eq"),
                f"{view.lens.intensity:.0f} gCO2eq/kWh, facility energy",
            ),
            ("4V, scaled", format_quantity(spared["4V", "kwh"], "kWh"), "39 × its 4-epoch figures"),
            ("4V, measured after all", format_quantity(measured["kwh"], "kWh"), "12, 36 and 108 epochs, mean of 3"),
        ]
    )
    likened(spared["5V", "kgco2eq"], "The footprint that 5V spared, as recorded, is the same as")
    trained = format_quantity(reduction.MEASURED_IN_7V, digits=None)
    st.markdown(
        "**How to read it.** Table 3 does not say what the benchmark cost, but what was *not* spent. In 4V and 5V "
        "every cell was trained for 4 epochs and its figures at 12, 36 and 108 epochs follow by multiplying, so "
        "(12 + 36 + 108) / 4 = 39 times the 4-epoch figures are spared. In 7V the surrogate stands in for the training "
        f"of all cells but the {trained} that it learnt from, so 40 times their 4-epoch energies are spared.\n\n"
        f"- **5V** agrees: {ours['5V', 'gpu_days']} GPU days, {ours['5V', 'kwh']} kWh, "
        f"{ours['5V', 'kgco2eq']} kgCO2eq.\n"
        "- **4V** agrees in GPU days, taken from the first of its three repeats. The same records give "
        f"{ours['4V', 'kwh']} kWh where {theirs['4V', 'kwh']} is printed, and {ours['4V', 'kgco2eq']} kgCO2eq where "
        f"{theirs['4V', 'kgco2eq']} is printed; no other 4-epoch figures of the release give these. 4V was measured at "
        f"all budgets in the end: its trainings at 12, 36 and 108 epochs took {format_fixed(measured['kwh'], 3)} kWh, "
        "so linear scaling claims "
        f"{spared['4V', 'kwh'] / measured['kwh'] - 1:.0%} too much.\n"
        f"- **7V**: {format_quantity(cells, digits=None)} cells have no measurement among the figures at hand and come "
        f"to {format_quantity(kwh, 'kWh', 6)}. The authors trained {trained} cells, more than they published; with all "
        f"of these counted out at the mean, {format_quantity(spared['7V', 'kwh'], 'kWh', 6)} are left. The GPU days "
        "cannot be recomputed: training times are published for some 26\u202f000 cells only."
    )


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "**Footprint** is energy × carbon intensity of the grid. The energy is the benchmark's, in the scope and "
            "with the PUE of the lens: facility energy as EC-NAS stores it is (GPU + CPU energy) × PUE 1.59. It counts "
            "the electricity of the training alone: not making the hardware, nor using the network.\n\n"
            "**Grids** are yearly means by country, from the table that carbontracker ships (Ember and Our World in "
            "Data). A grid's intensity at one hour may be half or twice its yearly mean. Footprints in the released "
            "records are at the intensity of the hour.\n\n"
            "**Trainings and images**: energy × trainings × images / 40 000. More images of the same size take "
            "proportionally longer; that nothing else changes is an assumption.\n\n"
            "**Map**: Natural Earth 1:110m (public domain) by way of world-atlas (ISC), bundled with the app; colours "
            "are logarithmic, bars linear. Borders are as that source draws them.\n\n"
            f"**Table 3** is that of {CITATION}. Facility energies; the lens does not touch them.\n\n"
            "**Equivalents** are rough by nature:\n"
            + "\n".join(
                f"- {each.singular}: {each.kgco2eq:g} kgCO2eq. [{each.source}]({each.url}), {each.year}; {each.note}."
                for each in equivalents()
            )
        )


def main() -> None:
    """The page."""
    session.through_app()
    view = session.from_link("carbon_view", CarbonView.from_params)
    view = take_open_cell(view)
    seed(view)
    page.header("Carbon")
    view = state.carbon_view = controls(view)
    if view.section == "footprint":
        training(view)
    else:
        table(view)
    explained()
    session.publish(view.to_params())


main()
