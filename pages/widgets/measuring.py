"""A measurement that runs in the background: live, from any tab, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ecnas_core.cells import Cell
from ecnas_core.figures import measure as figures
from ecnas_core.figures.theme import config, format_prefixed, format_quantity
from ecnas_core.measure import runs
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.runs import MeasureRequest, Outcome, Status
from ecnas_core.runs import Run
from ecnas_core.templating import render
from pages.widgets import html, measured, problem
from pages.widgets.runs import cancel_button
from pages.widgets.session import bench, dark

POLL_S = 0.5
FAILURES = {
    "cancelled": "Cancelled",
    "device_busy": "The device is busy",
    "device_failed": "The device reported an error",
    "device_locked": "Another measurement has the device",
    "died": "The measuring process died",
    "invalid_settings": "Impossible settings",
    "mig": "The GPU is cut into instances",
    "no_counter": "Nothing counts the device's energy",
    "no_device": "No such device",
    "no_driver": "No NVIDIA driver",
    "no_images": "No CIFAR-10 in the folder",
    "not_stored": "The folder cannot be written to",
    "not_permitted": "The counter must not be read",
    "out_of_memory": "Out of memory",
    "stands_still": "The energy counter stands still",
    "time_limit": "The time limit was reached",
}
state = st.session_state


def latest() -> Run[MeasureRequest] | None:
    """The run that was started last and has not been closed."""
    found = measured.run_store().all()
    return found[-1] if found else None


def start(cells: list[Cell], settings: Settings) -> None:
    """Measure cells, forgetting the runs before, whose measurements stay."""
    store = measured.run_store()
    for run in store.all():
        if not run.running:
            store.dismiss(run.id)
    store.start(MeasureRequest.of(cells, settings))


def show(run: Run[MeasureRequest]) -> None:
    """Show a run: live as long as it lasts, then how it ended."""
    if run.running:
        st.fragment(_watch, run_every=POLL_S)(run.id)
    else:
        _ended(run)


def _watch(name: str) -> None:
    run = next((run for run in measured.run_store().all() if run.id == name), None)
    if run is None or not run.running:
        st.rerun()  # once, to end looking at it and because its measurements are there now
    _live(run, runs.status(run))


def _live(run: Run[MeasureRequest], status: Status) -> None:
    hashes, settings = run.request.hashes, run.request.settings
    count = len(hashes)
    which = f"cell {status.cell + 1} of {count}" if count > 1 else "the cell"
    with st.container(horizontal=True, vertical_alignment="center"):
        device = settings.device if status.device is None else status.device.name
        told = f"**Measuring {which}** `{hashes[status.cell][:8]}` on {html.plain(device)}: {_how(settings)}"
        st.markdown(told, width="stretch")
        cancel_button(measured.run_store(), run, "measure_cancel")
    st.html(render("pages/widgets/templates/timeline.html.j2", stages=figures.stages(status)))
    done, of = len(status.repeats), settings.repeats
    spread = figures.spread(status.repeats)
    left = f"{figures.wait(status.seconds_left)}" if status.seconds_left >= 1 else "a moment"
    html.facts(
        [
            ("Time left", "cancelling" if run.cancelling else left, f"for {count} cells" if count > 1 else ""),
            *_doing(status),
            ("Repeats", f"{done} of {of}", f"vary by {spread}" if spread else ""),
        ]
    )
    picture = figures.repeats(status.repeats, of, dark())
    if status.samples:
        left_column, right = st.columns([3, 2], gap="medium")
        with left_column:
            st.plotly_chart(
                figures.live(status, dark()),
                theme=None,
                config=config("ec-nas-measuring"),
                key="measuring_power",
                alt=figures.describe_live(status),
            )
    else:
        right = st.container()
    with right:
        st.plotly_chart(
            picture,
            theme=None,
            config=config("ec-nas-repeats"),
            key="measuring_repeats",
            alt=f"{done} of {of} repeats{f' vary by {spread}' if spread else ''}.",
        )
    for note in status.notes:
        st.caption(f":material/info: {html.sentence(note)}")


def _doing(status: Status) -> list[tuple[str, str, str]]:
    """What the GPU did last."""
    if not status.samples:
        return []
    sample = status.samples[-1]
    limit = status.device and status.device.power_limit_w
    return [
        ("Power", format_quantity(sample.power_w, "W"), f"limit {format_quantity(limit, 'W')}" if limit else ""),
        ("Temperature", format_quantity(sample.temperature_c, "°C"), ""),
        ("Clock", format_quantity(sample.sm_clock_mhz, "MHz", 4), ", ".join(sample.slowed_by)),
    ]


def _how(settings: Settings) -> str:
    batch = "" if settings.batch_size is None else f", batch {settings.batch_size}"
    return f"{figures.MODES[settings.mode].lower()}{batch}, {settings.precision}, {settings.effort}"


def _ended(run: Run[MeasureRequest]) -> None:
    """How a run ended, and what it measured."""
    hashes = run.request.hashes if run.request is not None else ()
    outcomes = runs.outcomes_of(run)
    done = [each.measurement for each in outcomes if each.state == "measured"]
    failed = [each for each in outcomes if each.state not in ("measured", "cancelled")]
    got = f"{len(done)} of {len(hashes)} measured"
    if run.state == "unreadable":
        got = "its files are not what a measurement writes"
    elif len(hashes) == len(done) == 1:
        got = "measured and stored"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{_called(run)}**: {got}.", width="stretch")
        missing = [digest for digest in hashes if digest not in {each.hash for each in done}]
        if missing:
            label = "Measure again" if not done else f"Measure the other {len(missing)}"
            st.button(
                label,
                key="measure_again",
                icon=":material/refresh:",
                on_click=problem.attempt,
                args=(_again, missing, run.request.settings),
            )
        if len(done) > 1:
            st.button(
                "Compare them",
                key="measure_compare",
                icon=":material/compare:",
                type="tertiary",
                on_click=_compare,
                args=(done,),
            )
        st.button(
            "Close",
            key="measure_close",
            icon=":material/close:",
            type="tertiary",
            on_click=problem.attempt,
            args=(measured.run_store().dismiss, run.id),
        )
    _why(run, failed, len(hashes))
    if len(hashes) > 1 and outcomes:
        _outcomes(outcomes)
    if done:
        measured.card(done[-1])


def _called(run: Run[MeasureRequest]) -> str:
    return {"done": "Done", "failed": "Failed", "cancelled": "Cancelled", "died": "Died", "unreadable": "Unreadable"}[
        run.state
    ]


def _why(run: Run[MeasureRequest], failed: list[Outcome], cells: int) -> None:
    """The named state of what went wrong, with its reason and remedy."""
    if run.state == "unreadable":
        st.error(
            f"**What became of a measurement is not known.** {html.sentence(run.error or '')}", icon=":material/error:"
        )
    elif run.state == "cancelled":
        st.info("Cancelled: the device is free again, and what was measured before is kept.", icon=":material/cancel:")
    elif run.state == "died":
        st.error(f"**{FAILURES['died']}.** {html.sentence(run.error or '')}", icon=":material/error:")
    elif run.state == "failed" and not failed:
        st.error(f"**The measurement could not begin.** {html.sentence(run.error or '')}", icon=":material/error:")
    for each in failed:
        title = FAILURES.get(each.state, "The measurement failed")
        which = f" Cell `{each.hash[:8]}`:" if cells > 1 else ""
        st.error(f"**{title}.**{which} {html.sentence(each.reason or '')}", icon=":material/error:")


def _outcomes(outcomes: Sequence[Outcome]) -> None:
    rows = []
    for each in outcomes:
        found = each.measurement
        rows.append(
            [
                each.hash[:8],
                format_prefixed(found and measured.joules(found), "J"),
                format_prefixed(found and found.seconds_per_step, "s"),
                FAILURES.get(each.state, each.state) if not found else "stable" if found.stable else "unstable",
            ]
        )
    html.quantities(["Cell", "Energy, a step", "Time, a step", ""], rows, notes=True)


def _again(hashes: list[str], settings: Settings) -> None:
    start([bench().query(digest, space="7V").cell for digest in hashes], settings)


def _compare(done: list[Measurement]) -> None:
    measured.choose([each.measurement for each in done])
