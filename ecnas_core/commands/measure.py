"""What a cell takes on this machine, and what this machine can measure."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.commands.base import BadCell, Command, read_cell, table, with_data

if TYPE_CHECKING:
    from ecnas_core.measure.runs import MeasureEvent, Outcome

_STOPPING = (signal.SIGINT, signal.SIGTERM)


def register(command: Command) -> None:
    """Add ``measure`` and ``doctor``.

    Args:
        command: adds one.
    """
    measure = command(
        "measure",
        _measure,
        "What a cell takes on this machine: energy and time of a step",
        "  python -m ecnas_core measure 043721b9c7fe8c5fad811d47d83132ec --quick\n"
        "  python -m ecnas_core measure cell.json --device cpu --batch-size 8 --json\n"
        "  python -m ecnas_core measure --cells cells.txt --precision bf16 --json",
    )
    measure.add_argument("cell", metavar="CELL", nargs="?", help="a hash, a JSON file, or JSON text")
    measure.add_argument(
        "--cells",
        type=Path,
        metavar="FILE",
        help="many cells, a hash or JSON text a line; those stored already with these settings are left out",
    )
    measure.add_argument("--again", action="store_true", help="with --cells: measure what is stored already too")
    measure.add_argument("--device", default="auto", help="auto (the first GPU, else the CPU), cpu, cuda:0, cuda:1 ...")
    measure.add_argument(
        "--quick", action="store_true", help="about 10 s a cell instead of about 2 min, more where steps are slow"
    )
    measure.add_argument("--inference", action="store_true", help="forward passes instead of train steps")
    measure.add_argument("--batch-size", type=int, metavar="B", help="images a step (default: 256, on the CPU 32)")
    measure.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="fp32", help="default: fp32")
    measure.add_argument("--repeats", type=int, default=8, help="windows that are counted, at least 5 (default: 8)")
    measure.add_argument("--images-per-epoch", type=int, default=40_000, help="default: 40000, as in NAS-Bench-101")
    measure.add_argument("--cifar", type=Path, metavar="FOLDER", help="CIFAR-10's binary version (default: synthetic)")
    measure.add_argument("--time-limit", type=float, default=900, metavar="S", help="seconds a cell (default: 900)")
    with_data(measure)

    command(
        "doctor",
        _doctor,
        "What this machine can measure, and why not",
        "  python -m ecnas_core doctor\n  python -m ecnas_core doctor --json",
    )


def _measure(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.measure.batch import measure_all, read_cells
    from ecnas_core.measure.errors import by_name
    from ecnas_core.measure.protocol import Settings

    if bool(options.cell) == bool(options.cells):
        raise BadCell("name one CELL to measure, or a file of them with --cells FILE")
    bench = Benchmark.open(options.data)

    def known(text: str) -> Cell:
        cell = read_cell(text)
        return cell if isinstance(cell, Cell) else bench.query(cell, space="7V").cell

    cells = read_cells(options.cells, known) if options.cells else [known(options.cell)]
    settings = Settings(
        mode="inference" if options.inference else "train",
        batch_size=options.batch_size,
        precision=options.precision,
        effort="quick" if options.quick else "thorough",
        repeats=options.repeats,
        images_per_epoch=options.images_per_epoch,
        device=options.device,
        images=options.cifar,
        time_limit_s=options.time_limit,
    )

    def tell(event: MeasureEvent) -> None:
        told = _measuring(event, len(cells))
        if told:
            print(told, file=sys.stderr, flush=True)

    with _signals_noted() as stopped:
        outcomes = measure_all(cells, settings, bench, tell, stopped, again=not options.cells or options.again)
    documents = [_document(outcome) | _trainings(outcome.measurement) for outcome in outcomes]
    if options.cell:
        (outcome,) = outcomes
        if outcome.measurement is None:
            raise by_name(outcome.state)(outcome.reason)
        options.status = int(not outcome.succeeded)
        return _measured(bench, outcome)
    options.status = int(len(outcomes) < len(cells) or not all(outcome.succeeded for outcome in outcomes))
    rows = [
        {"hash": outcome.hash, "state": outcome.state}
        | {
            name: getattr(outcome.measurement, name, None)
            for name in ("seconds_per_step", "gpu_energy_j_per_step", "cpu_energy_j_per_step", "gpu_energy_cv", "flags")
        }
        | {"reason": outcome.reason}
        for outcome in outcomes
    ]
    return {"cells": documents}, table(rows)


@contextmanager
def _signals_noted() -> Iterator[Callable[[], bool]]:
    """Whether this process has been asked to stop; meanwhile Ctrl-C and SIGTERM end what is measured and no more."""
    asked: list[int] = []
    before = {each: signal.signal(each, lambda number, _: asked.append(number)) for each in _STOPPING}
    try:
        yield lambda: bool(asked)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _document(outcome: Outcome) -> dict[str, Any]:
    """What became of a cell for JSON."""
    told = msgspec.to_builtins(outcome)
    return {name: told[name] for name in ("hash", "state", "reason", "measurement", "estimate")}


def _measuring(event: MeasureEvent, cells: int) -> str | None:
    """One line on stderr for what happens while a cell is measured."""
    from ecnas_core.measure.runs import NotCounted, Outcome, PhaseBegan, Repeated, Tracked

    where = f"[{event.cell + 1}/{cells}] {event.hash[:8]}"
    match event:
        case PhaseBegan():
            length = f", {event.seconds:.0f} s" if event.seconds else ""
            return f"{where} {event.phase}{length}"
        case Repeated():
            joules = ", ".join(f"{name} {value:.4g} J" for name, value in event.joules_per_step.items())
            energy = f", {joules} a step" if joules else ""
            return f"{where} repeat {event.repeat}/{event.of}: {event.seconds_per_step:.4g} s{energy}"
        case NotCounted():
            return f"{where} {event.component}: {event.reason}"
        case Tracked() if event.failed is not None:
            return f"{where} carbontracker: {event.failed}"
        case Outcome() if cells > 1 or event.succeeded:
            return f"{where} {event.state}{f': {event.reason}' if event.reason else ''}"
    return None


def _trainings(measured: Any) -> dict[str, Any]:
    """A measured train step brought to whole trainings."""
    from ecnas_core.carbon.lens import STORED_PUE

    if measured is None:
        return {}
    trainings = {
        str(epochs): {
            "gpu_energy_j": measured.energy_j("gpu", epochs),
            "cpu_energy_j": measured.energy_j("cpu", epochs),
            "energy_kwh": measured.facility_kwh(epochs, STORED_PUE),
            "training_time_s": measured.seconds_per_epoch * epochs,
        }
        for epochs in EPOCHS
    }
    return {
        "tracker_deviation": measured.tracker_deviation,
        "trainings": trainings if measured.mode == "train" else None,
    }


def _measured(bench: Benchmark, outcome: Outcome) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.benchmark_reference import entries
    from ecnas_core.carbon import Lens
    from ecnas_core.carbon.lens import STORED_PUE
    from ecnas_core.measure.record import FLAGS

    measured, estimate = outcome.measurement, outcome.estimate
    assert measured is not None
    lens = Lens(scope="GPU") if measured.facility_kwh(4, STORED_PUE) is None else Lens()
    rows = entries(bench, measured, lens).to_dict("records")
    document = (
        measured.to_document()
        | _trainings(measured)
        | {
            "beside": {"scope": lens.describe(), "epochs": 4, "entries": rows},
            "estimate": msgspec.to_builtins(estimate),
            "state": outcome.state,
            "reason": outcome.reason,
        }
    )
    lines = [f"{measured.hash}   {measured.device}, {measured.mode}, batch {measured.batch_size}, {measured.precision}"]
    for label, value, unit, cv in (
        ("time", measured.seconds_per_step, "s", measured.seconds_cv),
        ("GPU energy", measured.gpu_energy_j_per_step if measured.on_gpu else None, "J", measured.gpu_energy_cv),
        ("above idle", measured.gpu_net_energy_j_per_step, "J", None),
        ("CPU energy", measured.cpu_energy_j_per_step, "J", measured.cpu_energy_cv),
    ):
        spread = "" if cv is None else f"  (varies by {cv:.1%} over {measured.repeats} repeats)"
        known = "not measured" if value is None else f"{value:.4g} {unit} a step{spread}"
        lines.append(f"{label:>20}  {known}")
    if measured.tracker_deviation is not None:
        lines.append(f"{'carbontracker':>20}  {measured.tracker_deviation:+.1%} of the GPU's counter")
    lines += [f"{flag:>20}  {FLAGS[flag]}" for flag in filter(None, measured.flags.split(","))]
    if estimate:
        lines.append(f"{'estimate':>20}  CPU {estimate.cpu_energy_j_per_step:.3g} J a step; {estimate.assumption}")
    if outcome.reason:
        lines.append(f"{'not stored':>20}  {outcome.reason}")
    if rows:
        lines += ["", f"4 epochs of 40,000 images in kWh, {lens.describe()}", table(rows)]
    return document, "\n".join(lines)


def _doctor(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.measure.doctor import as_json, examine

    findings = examine()
    lines = []
    for name, finding in findings.items():
        lines.append(f"{name:>8}  {'yes' if finding.available else 'no '}  {finding.detail}")
        if finding.remedy:
            lines.append(f"{'':>8}       {finding.remedy}")
    return as_json(findings), "\n".join(lines)
