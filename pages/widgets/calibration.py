"""A device known by a few of its cells: which to measure, and what they tell of all the others."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import benchmark_reference, glossary, hardware
from ecnas_core.analysis.hardware import HardwareView
from ecnas_core.carbon import Lens
from ecnas_core.figures import measure as figures
from ecnas_core.figures.theme import config, format_fixed, format_percent
from ecnas_core.measure import store
from ecnas_core.measure.record import Measurement
from ecnas_core.surrogates import transfer
from ecnas_core.surrogates.transfer import FEWEST, Transfer
from pages.widgets import downloads, html, lens_device, problem
from pages.widgets.session import bench, dark

SPACE, EPOCHS = hardware.SPACE, hardware.EPOCHS
PROPOSED = (5, 10, 20)
BETTER = 5
Key = tuple[str, str, int]
state = st.session_state


@st.cache_resource(max_entries=16, show_spinner=False)
def calibrated(measured: tuple[tuple[str, float], ...], files: object) -> Transfer:
    """The device of some hashes and energies; `files` changes with the data."""
    return transfer.calibrate(bench(), pd.DataFrame(measured, columns=["hash", "energy"]), SPACE)


@st.cache_resource(max_entries=16, show_spinner=False)
def proposed(k: int, measured: tuple[str, ...], files: object) -> list[str]:
    """The cells that tell most; `files` changes with the data."""
    return transfer.propose(bench(), SPACE, k, measured)


def show(device: str) -> None:
    """Show which cells to measure on a device, and what the measured ones tell.

    Args:
        device: name of the one that is chosen for measuring.
    """
    by_device = _by_device(store.measurements(bench()))
    chosen = _choose(by_device, device)
    found = by_device.get(chosen, []) if chosen else []
    hashes = {each.hash for each in found}
    _propose(chosen[0] if chosen else device, hashes)
    if len(hashes) < FEWEST:
        st.info(
            f"{len(hashes)} of at least {FEWEST} cells are measured on this device, {BETTER} are better. Measure the "
            f"proposed ones, and the energies of all 91 cells of {SPACE} on it are predicted here.",
            icon=":material/insights:",
        )
        return
    known = _energies(found)
    if known is None:
        st.info(
            "The energy of too few of these measurements is known: without a counter only the time is measured.",
            icon=":material/info:",
        )
        return
    _calibrated(chosen, *known)


def _by_device(found: Iterable[Measurement]) -> dict[Key, list[Measurement]]:
    """The measured training steps by device, precision and batch size."""
    by_device: dict[Key, list[Measurement]] = {}
    for each in found:
        if each.mode == "train":
            by_device.setdefault((each.device, each.precision, each.batch_size), []).append(each)
    return by_device


def _choose(by_device: dict[Key, list[Measurement]], device: str) -> Key | None:
    if not by_device:
        return None
    options = sorted(by_device, key=lambda key: (key[0] != device, -len(by_device[key]), key))
    return st.selectbox(
        "Measured device",
        options,
        format_func=_called,
        key="measure_calibrated",
        width=420,
        help=glossary.help("calibration"),
    )


def _called(key: Key) -> str:
    return f"{key[0]}, {key[1]}, batch {key[2]}"


def _propose(device: str, hashes: set[str]) -> None:
    st.header("Which cells tell most about this device", anchor=False, help=glossary.help("calibration"))
    st.markdown(
        f"These cells of {SPACE}, measured on your {html.plain(device)}, let the energies of all others be "
        "predicted best." + (f" {len(hashes)} measured already count." if hashes else "")
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        k = st.segmented_control("Cells", PROPOSED, default=PROPOSED[0], required=True, key="measure_k")
        st.button(
            f"Put {k} cells on the list",
            key="measure_propose",
            icon=":material/playlist_add:",
            type="primary",
            on_click=problem.attempt,
            args=(_fill, k, tuple(sorted(hashes))),
        )


def _fill(k: int, hashes: tuple[str, ...]) -> None:
    state.measure_cells = proposed(k, hashes, bench().stamp)
    state.measure_section = "measure"


def _energies(found: list[Measurement]) -> tuple[list[Measurement], pd.DataFrame, Lens] | None:
    """The measurements that count, thorough ones where there are any; their energies of 4 epochs; the lens.

    Returns:
        None where under no lens enough of them are known.
    """
    thorough = {each.hash for each in found if each.effort == "thorough"}
    counted = [each for each in found if each.effort == "thorough" or each.hash not in thorough]
    for lens in dict.fromkeys((state.lens, *(replace(state.lens, scope=scope) for scope in ("GPU", "IT")))):
        energies = [benchmark_reference.comparable(each, lens, EPOCHS) for each in counted]
        used = [each for each, energy in zip(counted, energies, strict=True) if energy is not None]
        frame = pd.DataFrame({"hash": [each.hash for each in counted], "energy": energies}).dropna()
        if frame["hash"].nunique() >= FEWEST:
            return used, frame, lens
    return None


def _calibrated(chosen: Key, used: list[Measurement], energies: pd.DataFrame, lens: Lens) -> None:
    stamp = bench().stamp
    device = calibrated(tuple(sorted(energies.itertuples(index=False, name=None))), stamp)
    predicted = device.predict()
    agreement = figures.agreement(predicted, hardware.compare(bench(), HardwareView(lens=lens)).frame)
    doubtful, doubts = figures.doubts(used)
    headline = figures.device_headline(
        chosen[0], predicted, energies, agreement, excluded=device.outliers, doubtful=doubtful
    )
    st.markdown(f"**{html.plain(headline)}**")
    if lens.scope != state.lens.scope:
        st.caption(
            f":material/info: The scope {figures.SCOPES[state.lens.scope]} is not known of these measurements. "
            f"Shown is {figures.SCOPES[lens.scope]}."
        )
    if doubts:
        st.caption(f":material/flag: {doubts} Measure those cells again, thoroughly and with nothing beside.")
    if device.outliers:
        names = ", ".join(f"`{digest[:8]}`" for digest in device.outliers)
        st.caption(f":material/info: Drawn hollow, and not counted: {names}, too far from what the others let expect.")
    if any(map(figures.own_epoch, used)):
        st.caption(":material/info: Some were measured with epochs of other lengths; all are brought to 40 000 images.")
    once = energies.groupby("hash", as_index=False)["energy"].mean()
    figure = figures.device(predicted, once, lens, dark(), device.outliers)
    st.plotly_chart(figure, theme=None, config=config("ec-nas-device"), key="measure_device", alt=headline)
    downloads.row(
        "ec-nas-device",
        lambda: predicted,
        figure,
        _python(chosen, lens),
        f"One row a cell of {SPACE}: predicted energy, 90 % interval",
    )
    html.facts(
        [
            (f"Like the {row.device}", format_fixed(row.kendall_tau, 3), f"Kendall's τ, {row.cells} cells")
            for row in agreement.itertuples()
        ]
        + [("A cell's own spread", format_percent(device.noise), "around what its costs tell")]
    )
    st.caption(" ".join(device.notes))
    lens_device.offer(_called(chosen), benchmark_reference.energies(used))
    st.page_link("pages/hardware.py", label="See it on the page Hardware", icon=":material/memory:")


def _python(chosen: Key, lens: Lens) -> str:
    device, precision, batch = chosen
    return (
        "import pandas as pd\n\n"
        "from ecnas_core import Benchmark\n"
        "from ecnas_core.analysis import benchmark_reference\n"
        "from ecnas_core.carbon import Lens\n"
        "from ecnas_core.measure import store\n"
        "from ecnas_core.surrogates import transfer\n\n"
        "bench = Benchmark.open()\n"
        f"lens = {lens!r}\n"
        "measured = pd.DataFrame(\n"
        f"    [(each.hash, benchmark_reference.comparable(each, lens, {EPOCHS}))\n"
        "     for each in store.measurements(bench)\n"
        "     if (each.device, each.precision, each.batch_size, each.mode)\n"
        f'     == ({device!r}, {precision!r}, {batch}, "train")],\n'
        '    columns=["hash", "energy"],\n'
        ").dropna()\n"
        f'print(transfer.calibrate(bench, measured, "{SPACE}").predict())\n'
    )
