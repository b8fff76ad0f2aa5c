"""Stored measurements: the card of one, a table of all, some side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

import pandas as pd
import streamlit as st

from ecnas_core.analysis import benchmark_reference, glossary
from ecnas_core.benchmark import EPOCHS
from ecnas_core.carbon import Lens
from ecnas_core.cells import Cell
from ecnas_core.figures import measure as figures
from ecnas_core.figures.cell import cell_svg, cell_thumbnail
from ecnas_core.figures.theme import config, format_percent, format_prefixed, format_quantity
from ecnas_core.measure import runs, store
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.records import to_json
from ecnas_core.runs import RunStore
from pages.widgets import downloads, html, problem
from pages.widgets.session import bench, dark

COMPARED_AT_MOST = 4
ROWS_SEEN = 6
ROW_HEIGHT = 38
state = st.session_state


def run_store() -> RunStore[runs.MeasureRequest]:
    """The runs of the user's folder."""
    return RunStore(runs.MEASUREMENT, bench().data, bench().bundled)


def choose(names: Sequence[str]) -> None:
    """Turn to the results, these measurements chosen."""
    state.measure_section = "results"
    state.measure_chosen = list(names)[:COMPARED_AT_MOST]


def joules(measured: Measurement) -> float | None:
    """The energy of a step of what was measured: the GPU's, or where none took part the CPU's."""
    return measured.gpu_energy_j_per_step if measured.on_gpu else measured.cpu_energy_j_per_step


def card(measured: Measurement) -> None:
    """Show one measurement: in words, in numbers, beside the benchmark, and what it rests on."""
    lens = figures.nearest_supported_lens(state.lens, measured)
    through = lens or state.lens
    entries = benchmark_reference.entries(bench(), measured, through)
    st.markdown(f"**{html.plain(figures.headline(measured, entries, through))}**")
    _facts(measured, lens)
    note = figures.unknown_scope(measured, state.lens)
    if note:
        st.caption(f":material/info: {note}")
    _estimate(measured)
    for flag, meaning in figures.flag_messages(measured):
        st.caption(f":material/flag: **{flag.capitalize()}**: {meaning}.")
    left, right = st.columns([6, 5], gap="large")
    with left:
        if lens is not None and entries["value"].notna().any():
            _beside(measured, lens)
        elif measured.mode == "inference":
            st.info(
                "The benchmark knows trainings alone: there is nothing to set inference beside.", icon=":material/info:"
            )
        else:
            st.info(_nothing_beside(lens is not None), icon=":material/info:")
        if measured.mode == "train":
            st.markdown("**Brought to a whole training**")
            energy = [] if lens is None else [f"{lens.quantity}, {figures.SCOPES[lens.scope]}", "95 % interval"]
            head = ["Epochs", *energy, "Time", *(["95 % interval"] if lens is None else [])]
            html.quantities(head, figures.trainings(measured, lens))
    with right:
        st.markdown("**What was read**")
        html.quantities(["", "Mean", "95 % interval", "Varies by"], figures.numbers(measured))
        with st.expander("Fine print", icon=":material/receipt_long:"):
            html.quantities(["", ""], figures.fine_print(measured), notes=True)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        files(f"ec-nas-measurement-{measured.measurement}", [measured], "This measurement")
        with st.popover("Copy as command, Python", icon=":material/terminal:", type="tertiary"):
            st.caption("The same measurement as a command, and in Python")
            st.code(command(measured), language="bash", wrap_lines=True)
            st.code(python(measured), language="python")


def _facts(measured: Measurement, lens: Lens | None) -> None:
    """The figures in a row; what is not known has none.

    Args:
        measured: the measurement.
        lens: as ``nearest_supported_lens`` gives it.
    """
    component = "gpu" if measured.on_gpu else "cpu"
    device, images = component.upper(), format_quantity(measured.images_per_epoch, digits=None)
    epoch = "An epoch" if measured.mode == "train" else f"{images} images"
    batch = f"{measured.batch_size} image{'s' * (measured.batch_size > 1)}"
    step = ("A step", format_prefixed(measured.seconds_per_step, "s"), batch)
    steady = "stable" if measured.stable else "not stable"
    known = measured.gpu_energy_cv if measured.on_gpu else measured.cpu_energy_cv
    varies = f"{'time' if known is None else 'energy'} varies by {format_percent(figures.variation(measured))}"
    if lens is None:
        image = format_prefixed(measured.seconds_per_step / measured.batch_size, "s")
        told = [(epoch, figures.wait(measured.seconds_per_epoch), "energy unknown"), ("An image", image, ""), step]
    else:
        told = [
            (epoch, figures.quantity(figures.energy(measured, lens, 1), lens), figures.SCOPES[lens.scope]),
            ("An image", format_prefixed(measured.per_image_j(component), "J"), f"{device} alone"),
            ("Mean power", format_quantity(_power(measured), "W"), f"{device} alone"),
            step,
        ]
    html.facts([*told, ("Repeats", steady, varies)])


def _estimate(measured: Measurement) -> None:
    """What the CPU's energy is assumed to be, where a run at hand says so."""
    results = (event for run in run_store().all() for event in run.events if isinstance(event, runs.Result))
    estimate = next((each.estimate for each in results if each.measurement == measured.measurement), None)
    if estimate is not None:
        power, energy = estimate.cpu_power_w, estimate.cpu_energy_j_per_step
        st.warning(
            f"**An estimate, not measured and not stored**: {format_prefixed(energy, 'J')} a step, if the "
            f"{html.plain(estimate.cpu)} takes {format_quantity(power, 'W')} meanwhile. The assumption is "
            f"{html.plain(estimate.assumption.partition(';')[0])}.",
            icon=":material/straighten:",
        )


def _nothing_beside(known: bool) -> str:
    if not known:
        return (
            "Without an energy there is nothing to set beside the benchmark. Measure a GPU, or let RAPL's counters be "
            "read: the lines under Measure say how."
        )
    return (
        "The benchmark does not know this cell's energy in this scope: 7V's surrogate predicts facility energy. Choose "
        "the scope Facility or IT in the lens."
    )


def _beside(measured: Measurement, lens: Lens) -> None:
    state.setdefault("measure_beside", state.measure.beside)
    st.segmented_control(
        "Beside the benchmark, epochs",
        EPOCHS,
        key="measure_beside",
        required=True,
        help=glossary.help("training budget"),
    )
    epochs = state.measure_beside
    entries = benchmark_reference.entries(bench(), measured, lens, epochs)
    figure = figures.beside_benchmark(measured, entries, lens, epochs, dark())
    told = f"The measured energy of {epochs} epochs among {len(entries)} entries of the benchmark"
    st.plotly_chart(figure, theme=None, config=config("ec-nas-measured"), key="measure_beside_picture", alt=told)
    downloads.row(
        f"ec-nas-beside-{measured.measurement}",
        lambda: entries,
        figure,
        _beside_python(measured, lens, epochs),
        "One row an entry of the benchmark: value in the lens's unit, provenance, measured by entry",
    )
    own = figures.own_epoch(measured)
    if own:
        st.caption(f":material/info: {own}")
    if entries["name"].str.startswith("4V").any():
        st.caption("4V's own measurements were made on the Quadro RTX 6000.")


def _beside_python(measured: Measurement, lens: Lens, epochs: int) -> str:
    return (
        "from ecnas_core import Benchmark\n"
        "from ecnas_core.analysis import benchmark_reference\n"
        "from ecnas_core.carbon import Lens\n"
        "from ecnas_core.measure import store\n\n"
        "bench = Benchmark.open()\n"
        f'measured = next(each for each in store.measurements(bench) if each.measurement == "{measured.measurement}")\n'
        f"lens = {lens!r}\n"
        f"print(benchmark_reference.comparable(measured, lens, {epochs}))\n"
        f"print(benchmark_reference.entries(bench, measured, lens, {epochs}))\n"
    )


def _changed(measured: Measurement) -> dict[str, object]:
    """The settings of a measurement that are not the default ones."""
    default = Settings()
    given = {name: getattr(measured, name) for name in ("mode", "precision", "effort", "repeats", "images_per_epoch")}
    changed = {name: value for name, value in given.items() if value != getattr(default, name)}
    return changed | {"batch_size": measured.batch_size} | ({} if measured.on_gpu else {"device": "cpu"})


def command(measured: Measurement) -> str:
    """The command that measures the same."""
    told = {"mode": "--inference", "effort": "--quick"}
    parts = [told.get(name) or f"--{name.replace('_', '-')} {value}" for name, value in _changed(measured).items()]
    images = ["--cifar FOLDER"] if measured.images == "cifar-10" else []
    return " ".join(["python -m ecnas_core measure", measured.hash, *parts, *images])


def python(measured: Measurement) -> str:
    """The source that measures the same."""
    given = [f"{name}={value!r}" for name, value in _changed(measured).items()]
    images = ['images=Path("FOLDER")'] if measured.images == "cifar-10" else []
    return (
        ("from pathlib import Path\n\n" if images else "") + "from ecnas_core import Benchmark\n"
        "from ecnas_core.measure import store\n"
        "from ecnas_core.measure.protocol import Settings\n"
        "from ecnas_core.measure.runner import measure\n\n"
        "bench = Benchmark.open()\n"
        f'cell = bench.query("{measured.hash}").cell\n'
        f"measured = measure(cell, Settings({', '.join([*given, *images])}))\n"
        "store.save(measured, bench.data)\n"
        "print(measured)\n"
    )


def files(name: str, found: Sequence[Measurement], what: str) -> None:
    """Buttons that save measurements as CSV, Parquet and JSON.

    Args:
        name: what the files are called, without ending.
        found: the measurements.
        what: which they are, for the help text.
    """

    def frame() -> pd.DataFrame:
        return pd.DataFrame([asdict(each) for each in found])

    def document() -> str:
        return to_json([each.to_document() for each in found], indent=1)

    forms: dict[str, tuple[str, str, Callable[[], bytes | str]]] = {
        "CSV": (".csv", "text/csv", lambda: frame().to_csv(index=False)),
        "Parquet": (".parquet", "application/vnd.apache.parquet", lambda: frame().to_parquet(index=False)),
        "JSON": (".json", "application/json", document),
    }
    for label, (ending, mime, content) in forms.items():
        downloads.button(label, name, ending, mime, content, f"{what}, one row each with every column")


def results() -> tuple[str, ...]:
    """Show every stored measurement, and the chosen ones: the card of one, or several side by side.

    Returns:
        Names of the chosen measurements.
    """
    _left_out()
    found = store.measurements(bench())
    if not found:
        _tell_missing(())
        st.info(
            "Nothing is measured yet. Draw a cell under Measure and start: every measurement is kept here.",
            icon=":material/speed:",
        )
        _undo()
        return ()
    by_name = {each.measurement: each for each in found}
    _tell_missing(by_name)
    chosen = [name for name in state.measure_chosen if name in by_name]
    _toolbar(found, chosen)
    _table(found, chosen)
    shown = [by_name[name] for name in chosen[:COMPARED_AT_MOST]]
    if len(chosen) > COMPARED_AT_MOST:
        st.caption(f"{len(chosen)} are chosen; the first {COMPARED_AT_MOST} are compared.")
    if len(shown) > 1:
        compare(shown)
    else:
        one = shown[0] if shown else found[0]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.header(f"Cell {one.hash[:8]} on {html.plain(one.device)}", anchor=False, width="content")
            if not shown:
                st.caption("the latest; choose others in the table")
        card(one)
    return tuple(each.measurement for each in shown)


def _tell_missing(there: Collection[str]) -> None:
    """Take what a link chose, and say once what of it is not here."""
    if "measure_chosen" not in state:
        state.measure_chosen = list(state.measure.chosen)
        missing = len(set(state.measure_chosen) - set(there))
        if missing:
            told = "1 measurement of the link is" if missing == 1 else f"{missing} measurements of the link are"
            st.warning(f"{told} not here.", icon=":material/link_off:")


def _toolbar(found: list[Measurement], chosen: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"{len(found)} measurement{'s' * (len(found) > 1)}", anchor=False, width="content")
        files("ec-nas-measurements", found, "All measurements")
        label = f"Delete {len(chosen)}" if len(chosen) > 1 else "Delete"
        st.button(
            label,
            key="measure_delete",
            icon=":material/delete:",
            type="tertiary",
            disabled=not chosen,
            help=None if chosen else "Choose rows of the table first.",
            on_click=problem.attempt,
            args=(_remove, chosen),
        )
        _undo()


def _remove(names: list[str]) -> None:
    state.measure_removed = []
    for name in names:
        store.remove(name, bench().data)
        state.measure_removed.append(name)
    state.measure_chosen = []


def _undo() -> None:
    removed = state.get("measure_removed", [])
    if removed:
        number = f"{len(removed)} measurement{'s' * (len(removed) > 1)}"
        st.button(
            f"Undo: bring back {number}",
            key="measure_restore",
            icon=":material/undo:",
            type="tertiary",
            on_click=problem.attempt,
            args=(_restore,),
        )


def _restore() -> None:
    state.measure_chosen = []
    while removed := state.measure_removed:
        name, *state.measure_removed = removed
        store.restore(name, bench().data)
        state.measure_chosen.append(name)


def _left_out() -> None:
    """Which files are not shown, and why."""
    for path, reason in store.left_out(bench()).items():
        st.warning(f"The file {html.plain(path.name)} is left out: {html.plain(reason)}.", icon=":material/warning:")


def _table(found: list[Measurement], chosen: list[str]) -> None:
    """All measurements as rows; choosing some shows them."""
    names = [each.measurement for each in found]
    cells = bench().lookup([each.hash for each in found], EPOCHS[0])
    drawings = [
        cell_thumbnail(Cell.from_bits(*bits), dark())
        for bits in zip(cells["vertices"], cells["edge_bits"], cells["ops"].fillna(""), strict=True)
    ]
    rows = pd.DataFrame(
        {
            "Cell": drawings,
            "Hash": [each.hash[:8] for each in found],
            "Device": [each.device for each in found],
            "Mode": [figures.MODES[each.mode] for each in found],
            "Precision": [each.precision for each in found],
            "Batch": [each.batch_size for each in found],
            "J a step": pd.Series([joules(each) for each in found], dtype=float),
            "s a step": [each.seconds_per_step for each in found],
            "CV": pd.Series([figures.variation(each) for each in found], dtype=float),
            "Stable": [each.stable for each in found],
            "Effort": [each.effort for each in found],
            "Measured (UTC)": [each.measured_at for each in found],
        }
    )
    key = f"measure_table_{hash((tuple(names), tuple(chosen)))}"

    def picked() -> None:
        state.measure_chosen = [names[row] for row in state[key]["selection"]["rows"]]

    number = st.column_config.NumberColumn(format="%.3g")
    st.dataframe(
        rows,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=ROW_HEIGHT * min(len(rows), ROWS_SEEN) + 40,
        column_config={
            "Cell": st.column_config.ImageColumn(width="small"),
            "J a step": st.column_config.NumberColumn(
                format="%.3g", help="Of the GPU; of the CPU where no GPU took part."
            ),
            "s a step": number,
            "Precision": st.column_config.TextColumn(help=glossary.help("precision")),
            "Batch": st.column_config.Column(help=glossary.help("batch size")),
            "CV": st.column_config.NumberColumn(format="percent", help="Coefficient of variation of the repeats."),
            "Measured (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
        on_select=picked,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [names.index(name) for name in chosen]}},
        key=key,
        placeholder="–",
        alt=f"{len(rows)} measurements, the latest first",
    )


def _power(measured: Measurement) -> float | None:
    """The mean power of what was measured."""
    return measured.gpu_power_w if measured.on_gpu else measured.cpu_power_w


def compare(shown: Sequence[Measurement]) -> None:
    """Measurements side by side, the least of each figure in bold."""
    st.header("Side by side", anchor=False)
    for column, each in zip(st.columns(COMPARED_AT_MOST), shown, strict=False):
        with column:
            st.markdown(f"`{each.hash[:8]}`")
            html.drawing(cell_svg(bench().query(each.hash, EPOCHS[0], "7V").cell, dark(), width=260))
    lens = figures.nearest_supported_lens(state.lens, *shown)
    quantity = (lens or state.lens).quantity
    alike = {
        "mode": len({each.mode for each in shown}) == 1,
        "batch size": len({each.batch_size for each in shown}) == 1,
        "images in an epoch": len({each.images_per_epoch for each in shown}) == 1,
    }
    apart = [name for name, same in alike.items() if not same]
    through = [lens or figures.nearest_supported_lens(state.lens, each) for each in shown]
    energies = [each and figures.energy(one, each, 1) for one, each in zip(shown, through, strict=True)]
    epochs = [format_quantity(each.images_per_epoch, digits=None) for each in shown]
    epoch = "an epoch" if alike["images in an epoch"] else "an epoch of its own"
    scopes = [each and figures.SCOPES[each.scope] for each in through]
    figures_of = [
        (
            f"{quantity} of {epoch}{', ' + scopes[0] if lens else ''}",
            energies,
            [
                figures.quantity(value, each or state.lens) + ("" if lens or not each else f", {scope}")
                for value, each, scope in zip(energies, through, scopes, strict=True)
            ],
        ),
        *(
            (label, values, [told(value) for value in values])
            for label, values, told in (
                ("Energy, a step", [joules(each) for each in shown], lambda value: format_prefixed(value, "J")),
                ("Time, a step", [each.seconds_per_step for each in shown], lambda value: format_prefixed(value, "s")),
                (f"Time, {epoch}", [each.seconds_per_epoch for each in shown], figures.wait),
            )
        ),
    ]
    components = {each.on_gpu for each in shown}
    words = {
        "Mean power": [format_quantity(_power(each), "W") for each in shown],
        "Varies by": [format_percent(figures.variation(each)) for each in shown],
        "Device": [each.device for each in shown],
        "Step": [f"{figures.MODES[each.mode]}, batch {each.batch_size}" for each in shown],
        "Images in an epoch": epochs,
        "Precision": [each.precision for each in shown],
        "Effort": [each.effort + ("" if each.stable else ", not stable") for each in shown],
        "Measured at": [f"{each.measured_at:%Y-%m-%d %H:%M}" for each in shown],
    }
    rows, best = [], []
    for label, values, texts in figures_of:
        rows.append([label, *texts])
        one_kind = not apart and (
            (lens is not None and len(components) == 1) or not label.startswith((quantity, "Energy"))
        )
        known = one_kind and None not in values
        best.append(1 + values.index(min(values)) if known else -1)
    rows += [[label, *texts] for label, texts in words.items()]
    html.quantities(["", *(each.hash[:8] for each in shown)], rows, best=[*best, *([-1] * len(words))])
    if apart:
        st.caption(f":material/info: These differ in {' and '.join(apart)}, so no figure is the least.")
    if lens is None:
        st.caption(":material/info: No scope is known of all: each energy names its own.")
