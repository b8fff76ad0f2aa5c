"""Measure: what a cell of your own takes on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import explore, footprint, glossary
from ecnas_core.analysis.metrics import metric
from ecnas_core.analysis.view import View
from ecnas_core.benchmark import EPOCHS
from ecnas_core.cells import Cell, Draft, History
from ecnas_core.figures import measure as figures
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import UNKNOWN
from ecnas_core.measure import doctor, runs
from ecnas_core.measure.counters import cpu_name
from ecnas_core.measure.doctor import Device, Finding
from ecnas_core.measure.errors import DeviceFailed, InvalidSettings
from ecnas_core.measure.protocol import EFFORTS, MODES, PRECISIONS, Settings
from ecnas_core.runs import Run
from pages.widgets import calibration, html, measured, measuring, page, problem, session, tray
from pages.widgets.cell_editor import cell_editor, drawn, read
from pages.widgets.measure_view import LISTED_AT_MOST, MeasureView

SECTIONS = {"measure": "Measure", "results": "Results", "device": "This device"}
EDITOR = "measure_editor"
ANSWERED = ("energy", "validation_accuracy", "test_accuracy", "training_time")
FRONTS = ("4V", "7V")
ROLES = {"rk": "the knee", "r0": "least energy", "r1": "best accuracy"}
LABELS = {"train": "Train", "inference": "Inference", "quick": "Quick", "thorough": "Thorough"}
AT_LEAST = (
    " ".join(
        f"{LABELS[effort]}: at least {figures.wait(runs.expected_s(1, Settings(effort=effort)))} a cell."
        for effort in EFFORTS
    )
    + " A step of a CPU may take seconds, and then all takes longer."
)
state = st.session_state


@st.cache_resource(ttl=10, show_spinner=False)
def machine() -> tuple[list[Device], Mapping[str, Finding]]:
    """What can be measured here, and what the doctor finds."""
    try:
        devices = doctor.devices()
    except DeviceFailed as error:
        devices = [Device("cpu", cpu_name(), None, str(error))]
    return devices, doctor.examine()


@st.cache_resource(max_entries=4, show_spinner=False)
def templates(stamp: object) -> dict[str, Cell]:
    """The ends and the knee of the fronts; `stamp` changes with the data."""
    bench = session.bench()
    fronts = {space: footprint.front(bench, space, EPOCHS[-1]) for space in FRONTS}
    return {
        f"{space} {role}, {name}": bench.query(fronts[space][role], space=space).cell
        for space in FRONTS
        for role, name in ROLES.items()
        if role in fronts[space]
    }


def own_drawing() -> Draft | None:
    """What the editor shows; None where that is what it begins with."""
    if EDITOR not in state:
        return None
    draft = drawn(EDITOR)
    return None if draft == Draft.of(next(iter(templates(session.bench().stamp).values()))) else draft


def seeded(name: str, initial: object) -> str:
    """The key of a widget about to be shown, which has a value: its own, or else an initial one."""
    key = f"measure_{name}"
    state.setdefault(key, initial)
    return key


def take_open_cell() -> None:
    """Draw the cell whose card has been opened since."""
    if state.cell and state.cell != state.get("measure_opened"):
        state.measure_opened = state.cell
        draft = read(state.cell)
        state[EDITOR] = state[EDITOR].then(draft) if EDITOR in state else History(draft)


def head(findings: Mapping[str, Finding]) -> None:
    """What this machine can measure, and what to do about what it cannot."""
    lines = []
    for name in ("gpu", "cpu"):
        found = findings[name]
        icon = "check_circle" if found.available else "info"
        remedy = f" {html.sentence(found.remedy)}" if found.remedy else ""
        lines.append(f":material/{icon}: **{name.upper()}** {html.sentence(found.detail)}{remedy}")
    st.caption("  \n".join(lines))


def answer(cell: Cell | None) -> int:
    """What the benchmark knows of the drawn cell, and the budget at which it is asked."""
    budget, known = st.columns([2, 7], gap="medium", vertical_alignment="bottom")
    with budget:
        epochs = st.segmented_control(
            "Epochs",
            EPOCHS,
            key=seeded("epochs", state.measure.epochs),
            required=True,
            help="The training budget at which the benchmark is asked.",
        )
    with known:
        if cell is None:
            st.caption("What the benchmark knows of the cell stands here as soon as it is one.")
        else:
            row = explore.cells(
                session.bench(), View(space=cell.space, epochs=epochs, lens=state.lens), hashes=[cell.hash]
            ).iloc[0]
            html.facts([_fact(metric(name, state.lens), row, cell) for name in ANSWERED])
    return epochs


def _fact(shown: Any, row: Any, cell: Cell) -> tuple[str, str, str]:
    told = value(shown, row[shown.key])
    known = f"{row[shown.provenance]}, {cell.space}" if told != UNKNOWN else "not known here"
    return shown.label, told, known


def controls(devices: list[Device]) -> Settings:
    """The row of settings.

    Raises:
        InvalidSettings: what is chosen cannot be measured.
    """
    given, by_key = state.measure.settings, {device.key: device for device in devices}
    if state.setdefault("measure_device_key", given.device) not in by_key:
        if given.device != Settings().device:
            st.warning(
                f"The link's device {html.plain(given.device)} is not here; chosen is {devices[0].key}.",
                icon=":material/link_off:",
            )
        state.measure_device_key = devices[0].key
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="measure_controls"):
        key = st.selectbox(
            "Device",
            list(by_key),
            key="measure_device_key",
            width=176,
            help=glossary.help("device"),
            format_func=lambda key: f"{key}, {by_key[key].name}",
        )
        mode = st.segmented_control(
            "Mode",
            MODES,
            format_func=LABELS.get,
            key=seeded("mode", given.mode),
            required=True,
            help=html.meanings(("step", "inference")),
        )
        own = Settings().images_per_step(on_gpu=key != "cpu")
        batch = st.number_input(
            "Batch size",
            value=None,
            step=1,
            key=seeded("batch", given.batch_size),
            width=92,
            placeholder=f"{own}",
            help=glossary.help("batch size"),
        )
        offered = [each for each in PRECISIONS if key != "cpu" or each != "tf32"]
        if state.get("measure_precision", given.precision) not in offered:
            state.measure_precision = offered[0]
        precision = st.segmented_control(
            "Precision",
            offered,
            key=seeded("precision", given.precision),
            required=True,
            help=glossary.help("precision"),
        )
        effort = st.segmented_control(
            "Effort", EFFORTS, format_func=LABELS.get, key=seeded("effort", given.effort), required=True, help=AT_LEAST
        )
        with st.popover("More", icon=":material/tune:"):
            repeats = st.number_input(
                "Repeats", step=1, key=seeded("repeats", given.repeats), help=glossary.help("repeat")
            )
            images = st.number_input(
                "Images in an epoch",
                step=10_000,
                key=seeded("images", given.images_per_epoch),
                help="What a step is brought to; 40 000 in NAS-Bench-101.",
            )
            limit = st.number_input("Time limit (s)", step=60.0, format="%g", key=seeded("limit", given.time_limit_s))
            folder = st.text_input(
                "Folder of CIFAR-10",
                key=seeded("folder", str(given.images or "")),
                placeholder="synthetic images",
                help="Its binary version, on this machine. What a step takes does not depend on the images.",
            )
    return Settings(
        mode=mode,
        batch_size=batch,
        precision=precision,
        effort=effort,
        repeats=repeats,
        images_per_epoch=images,
        device=key,
        images=Path(folder) if folder.strip() else None,
        time_limit_s=limit,
    )


def add(digest: str) -> None:
    """Put a cell on the list."""
    state.measure_cells = [*state.measure_cells, digest]


def launch(cell: Cell | None, settings: Settings | None, run: Run[runs.MeasureRequest] | None) -> None:
    """The list, and the button that starts."""
    listed = state.setdefault("measure_cells", list(state.measure.cells))
    cells = [session.bench().query(digest, space="7V").cell for digest in listed] or [cell] * (cell is not None)
    hindrance = (
        "A measurement is running: wait for it, or cancel it."
        if run is not None and run.running
        else "The settings cannot be measured."
        if settings is None
        else ""
        if cells
        else "Draw a cell first."
    )
    what = f"Measure {len(listed)} cell{'s' * (len(listed) > 1)}" if listed else "Measure this cell"
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    if listed:  # sent before the button is, so that no press of it can carry what the list was before
        st.multiselect(
            "On the list, measured in this order", listed, format_func=lambda digest: digest[:8], key="measure_cells"
        )
    with row:
        st.button(
            what,
            key="measure_start",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(hindrance),
            on_click=problem.attempt,
            args=(measuring.start, cells, settings),
        )
        full = len(listed) >= LISTED_AT_MOST
        st.button(
            "Add to the list",
            key="measure_add",
            icon=":material/playlist_add:",
            disabled=cell is None or full or cell.hash in listed,
            on_click=add,
            args=(cell and cell.hash,),
            help=f"{LISTED_AT_MOST} cells are on it, which is all it takes."
            if full
            else "Several cells are measured one after the other.",
        )
        if cell is not None:
            pinned = cell.hash in state.tray
            st.button(
                "Unpin" if pinned else "Pin",
                key="measure_pin",
                icon=":material/keep:",
                type="tertiary",
                disabled=not pinned and tray.is_full(),
                on_click=tray.toggle,
                args=(cell.hash,),
            )
        if hindrance:
            st.caption(hindrance)
        elif settings is not None:
            seconds = runs.expected_s(len(cells), settings)
            st.caption(f"At least {figures.wait(seconds)}; longer where a step takes seconds, as on a CPU.")


def measure(devices: list[Device]) -> tuple[Settings, int]:
    """Draw a cell, start, watch."""
    cell = cell_editor(EDITOR, templates(session.bench().stamp))
    st.space("xsmall")
    epochs = answer(cell)
    settings = None
    try:
        settings = controls(devices)
    except InvalidSettings as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
    run = measuring.latest()
    launch(cell, settings, run)
    if run is not None:
        measuring.show(run)
    return settings or state.measure.settings, epochs


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "**A measurement** runs in a process of its own: the cell's network is built with a fixed seed and one "
            "fixed batch; then an idle baseline, a warm-up, a calibration of the step time, at least five repeats each "
            "of as many steps as fill the window, and a second baseline. Leave the page or close the browser, and it "
            "goes on.\n\n"
            "**Energy** is what the counters say between the beginning and the end of a repeat, the device "
            "synchronised: NVML's energy counter of the GPU (or its power, polled and added up, and flagged), RAPL's "
            "of the CPU packages and their memory. Gross is all of it; above idle, the mean power of both baselines is "
            "taken off.\n\n"
            "**Interval**: 95 % t interval of the mean of the repeats; of GPU and CPU together the ends are added, "
            "which is at least 95 %. **Stable**: time and energies vary by at most "
            "3 % (coefficient of variation). **carbontracker** runs beside it on the same GPU, its fixed PUE undone; "
            "beyond 10 % from the counter it is flagged.\n\n"
            "**A training** is the step scaled up: images in an epoch / batch size × epochs. Evaluation and data "
            "loading are not in it. Facility energy is (GPU + CPU) × PUE of the lens, IT energy without the PUE.\n\n"
            "**Without a counter** the time alone is measured. What carbontracker would assume of a CPU is shown as an "
            "estimate and never stored.\n\n"
            "**This device**: a Bayesian linear model of the logarithm of a cell's energy, learnt on the four released "
            "devices, is brought to yours by the cells that you measured; the proposed cells lower its mean variance "
            "most."
        )


def main() -> None:
    """The page."""
    session.through_app()
    view: MeasureView = session.from_link("measure", MeasureView.from_params)
    if EDITOR not in state and view.draft is not None:
        state[EDITOR] = History(view.draft)
    take_open_cell()
    page.header("Measure")
    devices, findings = machine()
    section = st.segmented_control(
        "Section",
        SECTIONS,
        format_func=SECTIONS.get,
        key=seeded("section", view.section),
        required=True,
        label_visibility="collapsed",
    )
    if section == "measure":
        head(findings)
    problem.show()
    view = replace(view, section=section)
    if section == "measure":
        settings, epochs = measure(devices)
        default = "auto" if settings.device == devices[0].key else settings.device
        view = replace(view, settings=replace(settings, device=default), epochs=epochs)
    elif section == "results":
        view = replace(view, chosen=measured.results())
    else:
        calibration.show(devices[0].name)
    state.measure = replace(
        view,
        draft=own_drawing(),
        beside=state.get("measure_beside", view.beside),
        cells=tuple(state.get("measure_cells", view.cells)),
    )
    explained()
    session.publish(state.measure.to_params())


main()
