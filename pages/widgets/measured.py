"""Stored measurements: the card of one, a table of all, some side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

import pandas as pd
import streamlit as st

from ecnas_core.analysis import beside
from ecnas_core.benchmark import EPOCHS
from ecnas_core.carbon import Lens
from ecnas_core.cells import Cell
from ecnas_core.figures import measure as figures
from ecnas_core.figures.cell import cell_svg, cell_thumbnail
from ecnas_core.figures.theme import config, format_percent, format_prefixed, format_quantity
from ecnas_core.measure import runs, store
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from pages.widgets import downloads, html
from pages.widgets.session import bench, dark

COMPARED_AT_MOST = 4
ROWS_SEEN = 6
ROW_HEIGHT = 38
state = st.session_state


def choose(names: Sequence[str]) -> None:
    """Turn to the results, these measurements chosen."""
    state.measure_section = "results"
    state.measure_chosen = list(names)[:COMPARED_AT_MOST]


def joules(measured: Measurement) -> float | None:
    """The energy of a step of what was measured: the GPU's, or where none took part the CPU's."""
    return measured.gpu_energy_j_per_step if measured.on_gpu else measured.cpu_energy_j_per_step


def card(measured: Measurement) -> None:
    """Show one measurement: in words, in numbers, beside the benchmark, and what it rests on."""
    lens = figures.seen_through(state.lens, measured)
    through = lens or state.lens
    entries = beside.entries(bench(), measured, through)
    st.markdown(f"**{html.plain(figures.headline(measured, entries, through))}**")
    _facts(measured, through, known=lens is not None)
    note = figures.unknown_scope(measured, state.lens)
    if note:
        st.caption(f":material/info: {note}")
    _estimate(measured)
    for flag, meaning in figures.held_against(measured):
        st.caption(f":material/flag: **{flag.capitalize()}**: {meaning}.")
    left, right = st.columns([6, 5], gap="large")
    with left:
        if lens is not None and entries["value"].notna().any():
            _beside(measured, lens)
        elif measured.mode == "inference":
            st.info("The benchmark knows trainings alone: there is nothing to set inference beside.",
                    icon=":material/info:")  # fmt: skip
        else:
            st.info(_nothing_beside(measured, lens is not None), icon=":material/info:")
        if measured.mode == "train":
            st.markdown("**Brought to a whole training**")
            head = ["Epochs", f"{through.quantity}, {figures.SCOPES[through.scope]}", "Time"]
            html.quantities(head, figures.trainings(measured, through))
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


def _facts(measured: Measurement, lens: Lens, *, known: bool) -> None:
    component = "gpu" if measured.on_gpu else "cpu"
    cv = measured.gpu_energy_cv if measured.on_gpu else measured.cpu_energy_cv
    device, images = component.upper(), format_quantity(measured.images_per_epoch, digits=None)
    epoch = "An epoch" if measured.mode == "train" else f"{images} images"
    energy = figures.quantity(figures.energy(measured, lens, 1), lens)
    html.facts(
        [
            (epoch, energy, figures.SCOPES[lens.scope] if known else "energy unknown"),
            ("An image", format_prefixed(measured.per_image_j(component), "J"), f"{device} alone"),
            ("Mean power", format_quantity(_power(measured), "W"), f"{device} alone"),
            ("A step", format_prefixed(measured.seconds_per_step, "s"), f"{measured.batch_size} images"),
            ("Repeats", "stable" if measured.stable else "not stable",
             f"energy varies by {format_percent(cv)}" if cv is not None else
             f"time varies by {format_percent(measured.seconds_cv)}"),
        ]
    )  # fmt: skip


def _estimate(measured: Measurement) -> None:
    """What the CPU's energy is assumed to be, where a run at hand says so."""
    events = (event for run in runs.runs(bench().data) for event in run.events if event["event"] == "result")
    estimate = next((each.get("estimate") for each in events if each["measurement"] == measured.measurement), None)
    if estimate:
        st.warning(
            f"**An estimate, not measured and not stored**: {format_prefixed(estimate['cpu_energy_j_per_step'], 'J')} "
            f"a step, if the {html.plain(estimate['cpu'])} takes {format_quantity(estimate['cpu_power_w'], 'W')} meanwhile. The "
            f"assumption is {html.plain(estimate['assumption'].partition(';')[0])}.",
            icon=":material/straighten:",
        )


def _nothing_beside(measured: Measurement, known: bool) -> str:
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
    st.segmented_control("Beside the benchmark, epochs", EPOCHS, key="measure_beside", required=True)
    epochs = state.measure_beside
    entries = beside.entries(bench(), measured, lens, epochs)
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


def _beside_python(measured: Measurement, lens: Lens, epochs: int) -> str:
    return (
        "from ecnas_core import Benchmark\n"
        "from ecnas_core.analysis import beside\n"
        "from ecnas_core.carbon import Lens\n"
        "from ecnas_core.measure import store\n\n"
        "bench = Benchmark.open()\n"
        f'measured = next(each for each in store.measurements(bench) if each.measurement == "{measured.measurement}")\n'
        f"lens = {lens!r}\n"
        f"print(beside.value(measured, lens, {epochs}))\n"
        f"print(beside.entries(bench, measured, lens, {epochs}))\n"
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
        return json.dumps([each.to_document() for each in found], indent=1)

    forms: dict[str, tuple[str, str, Callable[[], bytes | str]]] = {
        "CSV": (".csv", "text/csv", lambda: frame().to_csv(index=False)),
        "Parquet": (".parquet", "application/vnd.apache.parquet", lambda: frame().to_parquet(index=False)),
        "JSON": (".json", "application/json", document),
    }
    for label, (ending, mime, content) in forms.items():
        st.download_button(
            label,
            content,
            f"{name}{ending}",
            mime,
            key=f"{name}{ending}",
            help=f"{what}, one row each with every column",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )


def results() -> tuple[str, ...]:
    """Show every stored measurement, and the chosen ones: the card of one, or several side by side.

    Returns:
        Names of the chosen measurements.
    """
    found = store.measurements(bench())
    if not found:
        st.info(
            "Nothing is measured yet. Draw a cell under Measure and start: every measurement is kept here.",
            icon=":material/speed:",
        )
        _undo()
        return ()
    by_name = {each.measurement: each for each in found}
    chosen = [name for name in state.setdefault("measure_chosen", list(state.measure.chosen)) if name in by_name]
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
            st.subheader(f"Cell {one.hash[:8]} on {html.plain(one.device)}", anchor=False, width="content")
            if not shown:
                st.caption("the latest; choose others in the table")
        card(one)
    return tuple(each.measurement for each in shown)


def _toolbar(found: list[Measurement], chosen: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"{len(found)} measurement{'s' * (len(found) > 1)}", anchor=False, width="content")
        files("ec-nas-measurements", found, "All measurements")
        label = f"Delete {len(chosen)}" if len(chosen) > 1 else "Delete"
        st.button(label, key="measure_delete", icon=":material/delete:", type="tertiary", disabled=not chosen,
                  help=None if chosen else "Choose rows of the table first.", on_click=_remove,
                  args=(chosen,))  # fmt: skip
        _undo()


def _remove(names: list[str]) -> None:
    for name in names:
        store.remove(name, bench().data)
    state.measure_removed = names
    state.measure_chosen = []


def _undo() -> None:
    removed = state.get("measure_removed", [])
    if removed:
        number = f"{len(removed)} measurement{'s' * (len(removed) > 1)}"
        st.button(f"Undo: bring back {number}", key="measure_restore", icon=":material/undo:", type="tertiary",
                  on_click=_restore)  # fmt: skip


def _restore() -> None:
    state.measure_chosen = state.pop("measure_removed")
    for name in state.measure_chosen:
        store.restore(name, bench().data)


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
            "CV": pd.Series([_cv(each) for each in found], dtype=float),
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


def _cv(measured: Measurement) -> float:
    """The coefficient of variation of what was measured, of time where no energy was."""
    energy = measured.gpu_energy_cv if measured.on_gpu else measured.cpu_energy_cv
    return measured.seconds_cv if energy is None else energy


def compare(shown: Sequence[Measurement]) -> None:
    """Measurements side by side, the least of each figure in bold."""
    st.subheader("Side by side", anchor=False)
    for column, each in zip(st.columns(COMPARED_AT_MOST), shown, strict=False):
        with column:
            st.markdown(f"`{each.hash[:8]}`")
            html.drawing(cell_svg(bench().query(each.hash, EPOCHS[0], "7V").cell, dark(), width=260))
    lens = figures.seen_through(state.lens, *shown)
    through = lens or state.lens
    scope = "no scope known of all" if lens is None else figures.SCOPES[lens.scope]
    figures_of = [
        (f"{through.quantity} of an epoch, {scope}", [figures.energy(each, through, 1) for each in shown],
         lambda value: figures.quantity(value, through)),
        ("Energy, a step", [joules(each) for each in shown], lambda value: format_prefixed(value, "J")),
        ("Time, a step", [each.seconds_per_step for each in shown], lambda value: format_prefixed(value, "s")),
        ("Time, an epoch", [each.seconds_per_epoch for each in shown], figures.wait),
    ]  # fmt: skip
    words = {
        "Mean power": [format_quantity(_power(each), "W") for each in shown],
        "Varies by": [format_percent(_cv(each)) for each in shown],
        "Device": [each.device for each in shown],
        "Step": [f"{figures.MODES[each.mode]}, batch {each.batch_size}" for each in shown],
        "Precision": [each.precision for each in shown],
        "Effort": [each.effort + ("" if each.stable else ", not stable") for each in shown],
        "Measured": [f"{each.measured_at:%Y-%m-%d %H:%M}" for each in shown],
    }
    rows, best = [], []
    for label, values, told in figures_of:
        known = [value for value in values if value is not None]
        rows.append([label, *(told(value) for value in values)])
        best.append(1 + values.index(min(known)) if len(known) == len(values) else -1)
    rows += [[label, *texts] for label, texts in words.items()]
    html.quantities(["", *(each.hash[:8] for each in shown)], rows, best=[*best, *([-1] * len(words))])
