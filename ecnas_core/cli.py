"""The command line: every command as text for people and, with ``--json``, as one JSON document for programs."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from ecnas_core import __version__
from ecnas_core.benchmark.layout import default_data_folder
from ecnas_core.benchmark.official import EPOCHS, base_url
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import SPACES, Cell
from ecnas_core.errors import EcnasError

Handler = Callable[[argparse.Namespace], tuple[dict[str, Any], str]]

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class BadCell(EcnasError):
    """An argument is neither a hash nor a cell."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: as after ``python -m ecnas_core``; by default those of the process.

    Returns:
        The exit status: 0 success, 2 bad input, 1 a failure; errors are one line on stderr.
    """
    options = _parser().parse_args(arguments)
    try:
        document, text = options.handler(options)
    except EcnasError as error:
        print(f"ecnas_core {options.command}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"ecnas_core {options.command}: cancelled; nothing half-written is left", file=sys.stderr)
        return 1
    try:
        print(json.dumps(document, default=_jsonable, allow_nan=False) if options.json else text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    status: int = options.status
    return status


def read_cell(text: str) -> Cell | str:
    """A cell from the command line.

    Args:
        text: a module hash, a path of a JSON file, or JSON text.

    Returns:
        The hash as it is, or the cell.

    Raises:
        BadCell: it is none of the three.
        InvalidCell: the matrix and operations make no cell.
    """
    plain = text.strip().lower()
    if len(plain) == 32 and all(digit in "0123456789abcdef" for digit in plain):
        return plain
    if text.lstrip().startswith("{"):
        return Cell.from_json(text)
    path = Path(text)
    try:
        return Cell.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError):
        raise BadCell(
            f"{text!r} is no cell; give a hash of 32 hexadecimal digits, a JSON file, or JSON text "
            '{"matrix": [[...]], "ops": [...]}'
        ) from None


def _digest(text: str) -> str:
    cell = read_cell(text)
    return cell.hash if isinstance(cell, Cell) else cell


def _info(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import platform

    import duckdb

    bench = Benchmark.open(options.data)
    spaces = {
        row.pop("space"): row
        for row in bench.rows(
            "select space, count(*) as cells, count(validation_accuracy) as with_accuracy_at_108_epochs, "
            "any_value(energy_provenance) as energy_provenance, count(energy_artefact) as energy_artefacts "
            "from benchmark where epochs = 108 group by space order by space"
        )
    }
    sources = bench.sources()
    problems = {str(path): reason for path, reason in bench.layout.problems.items()}
    document = {
        "spaces": spaces,
        "sources": sources,
        "problems": problems,
        "versions": {"ecnas_explorer": __version__, "python": platform.python_version(), "duckdb": duckdb.__version__},
        "data": str(bench.data),
    }
    lines = [f"EC-NAS Explorer {__version__}, user's folder {bench.data}", "", _table(
        [{"space": space, **row} for space, row in spaces.items()]
    ), "", _table(sources)]  # fmt: skip
    lines += [f"left out: {path}: {reason}" for path, reason in problems.items()]
    return document, "\n".join(lines)


def _query(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    entry = Benchmark.open(options.data).query(read_cell(options.cell), options.epochs, options.space)
    document = asdict(entry) | {
        "cell": json.loads(entry.cell.to_json()),
        "provenance": {
            "energy": entry.energy_provenance,
            "accuracy": entry.accuracy_provenance,
            "time": entry.time_provenance,
        },
    }
    lines = [f"{entry.cell.to_text()}   {entry.hash}   {entry.space}, {entry.epochs} epochs"]
    for label, value, deviation, unit, provenance, source in (
        ("energy", entry.energy_kwh, entry.energy_kwh_std, "kWh", entry.energy_provenance, entry.energy_source),
        ("validation accuracy", entry.validation_accuracy, entry.validation_accuracy_std, "",
         entry.accuracy_provenance, entry.accuracy_source),
        ("test accuracy", entry.test_accuracy, None, "", entry.accuracy_provenance, entry.accuracy_source),
        ("training time", entry.training_time_s, entry.training_time_s_std, "s", entry.time_provenance,
         entry.time_source),
    ):  # fmt: skip
        spread = f" ± {deviation:.3g}" if deviation is not None else ""
        known = "unknown" if value is None else f"{value:.6g}{spread} {unit}".rstrip() + f"  ({provenance}, {source})"
        lines.append(f"{label:>20}  {known}")
    if entry.energy_artefact:
        lines.append(f"{'warning':>20}  the surrogate's energy is an artefact: {entry.energy_artefact}")
    lines.append(f"{'parameters':>20}  {entry.trainable_parameters}")
    lines.append(f"{'multiply-adds':>20}  {entry.multiply_adds}")
    return document, "\n".join(lines)


def _sql(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.benchmark.sandbox import run

    answer = run(options.query, Benchmark.open(options.data).layout)
    frame = answer.frame.astype(object).where(answer.frame.notna(), None)
    rows = frame.to_numpy(dtype=object).tolist()
    document = {
        "columns": list(frame.columns),
        "rows": _finite(rows),
        "truncated": answer.truncated,
        "seconds": answer.seconds,
    }
    text = _table([dict(zip(frame.columns, row, strict=True)) for row in rows]) if len(frame.columns) else ""
    note = f"{len(rows)} rows{' (cut off)' if answer.truncated else ''}, {answer.seconds:.2f} s"
    return document, f"{text}\n{note}" if rows else note


def _ingest(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.benchmark.intake import take_in
    from ecnas_core.benchmark.progress import terminal_progress

    reports = []
    for path in options.files:
        with terminal_progress(path.name, sys.stderr) as progress:
            reports.append(take_in(path, options.data, progress))
    return _ingested(reports)


def _download(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.benchmark.download import download
    from ecnas_core.benchmark.intake import take_in
    from ecnas_core.benchmark.progress import terminal_progress

    reports = []
    for name in options.names:
        with terminal_progress(f"{name}: download", sys.stderr) as progress:
            fetched = download(name, options.data / "downloads", base_url=options.base_url, progress=progress)
        with terminal_progress(f"{name}: ingest", sys.stderr) as progress:
            reports.append(take_in(fetched.path, options.data, progress))
    return _ingested(reports)


def _ingested(reports: Sequence[Any]) -> tuple[dict[str, Any], str]:
    files = [
        {
            "file": report.file,
            "records": report.records,
            "cells": report.cells,
            "official": report.official,
            "seconds": round(report.seconds, 3),
            "sha256": report.sha256,
            "output": str(report.output),
        }
        for report in reports
    ]
    lines = [
        f"{report.file}: {report.records} records of {report.cells} cells in {report.seconds:.1f} s, "
        f"{'official' if report.official else 'user-supplied'}, {report.output}"
        for report in reports
    ]
    return {"files": files}, "\n".join(lines)


def _swaps(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.swaps import summary

    document = summary(Benchmark.open(options.data), options.space, options.epochs)
    quantities = ("energy", "training_time", "trainable_parameters", "multiply_adds", "validation_accuracy")
    rows = [
        {
            "effect": f"{quantity}, {'difference' if quantity == 'validation_accuracy' else '%'}",
            "swap": swap,
            "here": here,
            "paper": document.get("paper", {}).get(quantity, {}).get(swap),
            "difference": document.get("difference", {}).get(quantity, {}).get(swap),
            "there": document["directed"][quantity][swap],
            "back": document["directed"][quantity]["_to_".join(reversed(swap.split("_to_")))],
            "pairs": document["pairs"][quantity][swap],
        }
        for quantity in quantities
        for swap, here in document[quantity].items()
    ]
    return document, f"{options.space}, {options.epochs} epochs\n\n{_table(rows)}"


def _hardware(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.hardware import summary

    document = summary(Benchmark.open(options.data))
    taus = [
        {"Kendall's tau": device, **{other: 1.0 if other == device else row.get(other) for other in names}}
        for names in [list(document["kendall_tau"])]
        for device, row in document["kendall_tau"].items()
    ]
    lines = [f"{document['space']}, {document['epochs']} epochs, {document['scope']}", "", _table(document["devices"]),
             "", _table(taus)]  # fmt: skip
    lines += [f"left out: {device}: {reason}" for device, reason in document["left_out"].items()]
    return document, "\n".join(lines)


def _scaling(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.scaling import document

    found = document(Benchmark.open(options.data))
    parts = [
        f"{quantity}, measured by scaled linearly\n{_table(told['ratios'])}\n\n"
        f"{quantity}, error on a cell left out\n{_table(told['leave_one_out'])}"
        for quantity, told in found.items()
    ]
    return found, "\n\n".join(parts)


def _footprint(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.footprint import ROLES, CarbonView, countries

    cell = options.cell if options.cell in ROLES else _digest(options.cell)
    view = CarbonView(
        space=options.space, epochs=options.epochs, cell=cell, trainings=options.trainings, images=options.images
    )
    rows = _finite(countries(Benchmark.open(options.data), view).to_dict("records"))
    asked = {name: getattr(view, name) for name in ("space", "epochs", "cell", "trainings", "images")}
    return asked | {"scope": view.lens.describe(), "countries": rows}, _table(rows)


def _search(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.search import DEFAULT, Setting, lab, runner
    from ecnas_core.search.study import Plan

    setting = Setting(
        space=options.space,
        epochs=None if options.epochs == "all" else int(options.epochs),
        accuracy=options.accuracy,
        sampling=options.sampling,
        charging=options.charge,
    )
    algorithms = tuple(options.algorithm or [DEFAULT])
    plan = Plan.of(setting, algorithms, options.evaluations, options.trials, options.seed)
    told = ""

    def tell(progress: runner.StudyProgress) -> None:
        nonlocal told
        line = f"{progress.finished} of {len(progress.trials)} trials, {progress.evaluations} evaluations"
        if line != told:
            told = line
            print(line, file=sys.stderr, flush=True)

    study = runner.run(plan, options.data, options.name, scheduler=options.scheduler, tell=tell)
    document = _finite(lab.document(study))
    rows = [
        {name: row[name] for name in ("algorithm", "seed", "evaluations", "seconds", "hypervolume", "share")}
        | {"front": len(row["front"])}
        for row in document["trials"]
    ]
    means = [
        {"algorithm": name, "trials": told["trials"]}
        | {quantity: told[quantity][0] for quantity in ("evaluations", "seconds", "hypervolume", "share", "front")}
        for name, told in document["summary"].items()
    ]
    return document, f"{study.name} ({study.id})\n\n{_table(rows)}\n\nmeans\n{_table(means)}"


def _table1(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.table1 import as_text, document, table_1

    table = table_1(Benchmark.open(options.data), options.space)
    return _finite(document(table)), _table(as_text(table))


def _table3(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.reduction import table_3

    rows = _finite(table_3(Benchmark.open(options.data)).to_dict("records"))
    return {"rows": rows}, _table(rows)


def _build_data(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.benchmark.build import build_data

    written = build_data(options.shared, options.out, lambda name: print(name, file=sys.stderr))
    sizes = {str(path.relative_to(options.out)): path.stat().st_size for path in written}
    total = sum(sizes.values())
    return {"files": sizes, "bytes": total}, f"{len(sizes)} files, {total / 1e6:.1f} MB in {options.out}"


def _measure(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.measure.batch import measure_all, read_cells
    from ecnas_core.measure.protocol import Settings
    from ecnas_core.measure.states import by_name

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

    def tell(event: dict[str, Any]) -> None:
        told = _measuring(event, len(cells))
        if told:
            print(told, file=sys.stderr, flush=True)

    with _signals_noted() as stopped:
        outcomes = measure_all(cells, settings, bench, tell, stopped, again=not options.cells or options.again)
    documents = [outcome.to_document() | _trainings(outcome.measurement) for outcome in outcomes]
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
    return {"cells": documents}, _table(rows)


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


def _measuring(event: dict[str, Any], cells: int) -> str | None:
    """One line on stderr for what happens while a cell is measured."""
    where = f"[{event['cell'] + 1}/{cells}] {event['hash'][:8]}"
    match event["event"]:
        case "phase":
            length = f", {event['seconds']:.0f} s" if event["seconds"] else ""
            return f"{where} {event['phase']}{length}"
        case "repeat":
            joules = ", ".join(f"{name} {value:.4g} J" for name, value in event["joules_per_step"].items())
            energy = f", {joules} a step" if joules else ""
            return f"{where} repeat {event['repeat']}/{event['of']}: {event['seconds_per_step']:.4g} s{energy}"
        case "no counter":
            return f"{where} {event['component']}: {event['reason']}"
        case "carbontracker" if "failed" in event:
            return f"{where} carbontracker: {event['failed']}"
        case "outcome" if cells > 1 or event["state"] in ("measured", "skipped"):
            return f"{where} {event['state']}{': ' + event['reason'] if event['reason'] else ''}"
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


def _measured(bench: Benchmark, outcome: Any) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.beside import entries
    from ecnas_core.carbon import Lens
    from ecnas_core.carbon.lens import STORED_PUE
    from ecnas_core.measure.record import FLAGS

    measured, estimate = outcome.measurement, outcome.estimate
    lens = Lens(scope="GPU") if measured.facility_kwh(4, STORED_PUE) is None else Lens()
    rows = _finite(entries(bench, measured, lens).to_dict("records"))
    document = (
        measured.to_document()
        | _trainings(measured)
        | {
            "beside": {"scope": lens.describe(), "epochs": 4, "entries": rows},
            "estimate": estimate,
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
        lines.append(
            f"{'estimate':>20}  CPU {estimate['cpu_energy_j_per_step']:.3g} J a step; {estimate['assumption']}"
        )
    if outcome.reason:
        lines.append(f"{'not stored':>20}  {outcome.reason}")
    if rows:
        lines += ["", f"4 epochs of 40,000 images in kWh, {lens.describe()}", _table(rows)]
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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m ecnas_core", description="What neural architectures cost in energy and give.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, handler: Handler, purpose: str, examples: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=purpose,
            description=purpose,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        sub.set_defaults(handler=handler, status=0)
        return sub

    def with_data(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--data",
            type=Path,
            default=default_data_folder(),
            help="folder for what you ingest, search and measure (default: ECNAS_DATA, else data/user)",
        )

    info = command(
        "info", _info, "Spaces, counts, sources, versions",
        "  python -m ecnas_core info\n  python -m ecnas_core info --json",
    )  # fmt: skip
    with_data(info)

    query = command(
        "query", _query, "What the benchmark knows of one cell",
        "  python -m ecnas_core query 043721b9c7fe8c5fad811d47d83132ec --epochs 108 --space 7V\n"
        "  python -m ecnas_core query cell.json --epochs 4 --json\n"
        "  python -m ecnas_core query '{\"matrix\": [[0, 1], [0, 0]], \"ops\": [\"input\", \"output\"]}'",
    )  # fmt: skip
    query.add_argument("cell", metavar="CELL", help="a hash, a JSON file, or JSON text")
    query.add_argument("--epochs", type=int, choices=EPOCHS, default=EPOCHS[-1], help="training budget (default: 108)")
    query.add_argument("--space", choices=list(SPACES), help="energy scale (default: the cell's smallest space)")
    with_data(query)

    sql = command(
        "sql", _sql, "A read-only query over cells, results, benchmark, runs, evaluations, measurements",
        "  python -m ecnas_core sql \"select space, count(*) from cells group by space\"\n"
        "  python -m ecnas_core sql --json \"select * from benchmark where space = '4V' and epochs = 108\"",
    )  # fmt: skip
    sql.add_argument("query", metavar="SQL", help="one SELECT; 5 s and 1 GiB at most")
    with_data(sql)

    swaps = command(
        "swaps", _swaps, "What one operation in the place of another changes (paper Figure 2)",
        "  python -m ecnas_core swaps --space 7V --epochs 108\n"
        "  python -m ecnas_core swaps --space 4V --epochs 4 --json",
    )  # fmt: skip
    swaps.add_argument("--space", choices=list(SPACES), default="7V", help="default: 7V, as in the paper")
    swaps.add_argument("--epochs", type=int, choices=EPOCHS, default=EPOCHS[-1], help="training budget (default: 108)")
    with_data(swaps)

    hardware = command(
        "hardware", _hardware, "The energy of the 4V cells on several GPUs, and how far their rankings agree",
        "  python -m ecnas_core hardware --space 4V\n  python -m ecnas_core hardware --space 4V --json",
    )  # fmt: skip
    hardware.add_argument("--space", choices=["4V"], default="4V", help="the space measured on several GPUs")
    with_data(hardware)

    scaling = command(
        "scaling", _scaling, "How good 4 epochs times 3, 9 and 27 is, from 4V's measurements",
        "  python -m ecnas_core scaling\n  python -m ecnas_core scaling --json",
    )  # fmt: skip
    with_data(scaling)

    footprint = command(
        "footprint", _footprint, "What training a cell emits in every country of carbontracker's table",
        "  python -m ecnas_core footprint rk --space 7V --epochs 108\n"
        "  python -m ecnas_core footprint 043721b9c7fe8c5fad811d47d83132ec --space 4V --trainings 50 --json",
    )  # fmt: skip
    footprint.add_argument("cell", metavar="CELL", help="r0, rk or r1 of the front; or a hash, a JSON file, JSON text")
    footprint.add_argument("--space", choices=list(SPACES), default="7V", help="energy scale (default: 7V)")
    footprint.add_argument("--epochs", type=int, choices=EPOCHS, default=EPOCHS[-1], help="budget (default: 108)")
    footprint.add_argument("--trainings", type=int, default=1, help="how often it is trained (default: 1)")
    footprint.add_argument(
        "--images", type=int, default=40_000, help="training images (default: the benchmark's 40000)"
    )
    with_data(footprint)

    search = command(
        "search", _search, "A study: trials of search algorithms, stored with all evaluations; the same name goes on",
        "  python -m ecnas_core search --space 5V --evaluations 1000 --trials 10\n"
        "  python -m ecnas_core search --algorithm SEMOA-L --algorithm RS --space 7V --epochs all --name mine --json\n"
        "  python -m ecnas_core search --algorithm SEMOA --charge all --sampling matrix --scheduler tcp://host:8786",
    )  # fmt: skip
    search.add_argument(
        "--algorithm", action="append", metavar="A", help="SEMOA-L (default), SEMOA, SH-EMOA, MS-EHVI, RS, NSGA-II, "
        "SMS-EMOA; again for several",
    )  # fmt: skip
    search.add_argument("--space", choices=list(SPACES), default="7V", help="default: 7V")
    search.add_argument("--evaluations", type=int, default=1000, metavar="N", help="of each trial (default: 1000)")
    search.add_argument("--trials", type=int, default=10, metavar="T", help="of each algorithm (default: 10)")
    search.add_argument("--seed", type=int, default=0, metavar="K", help="of the first trial (default: 0)")
    search.add_argument(
        "--epochs", choices=["all", *map(str, EPOCHS)], default=str(EPOCHS[-1]), help="training budget (default: 108)"
    )
    search.add_argument(
        "--charge", choices=["unique", "all"], default="unique", help="what counts: new valid cells, or every query"
    )
    search.add_argument(
        "--accuracy", choices=["published", "any"], default="published", help="any: measured and predicted ones too"
    )
    search.add_argument(
        "--sampling", choices=["uniform", "matrix"], default="uniform", help="over cells, or bits as in the paper"
    )
    search.add_argument("--scheduler", metavar="ADDR", help="of a Dask cluster that runs the trials: tcp://host:8786")
    search.add_argument("--name", help="of the study (default: from its algorithms)")
    with_data(search)

    table1 = command(
        "table1", _table1, "The paper's Table 1 from the authors' published searches, with the difference",
        "  python -m ecnas_core table1\n  python -m ecnas_core table1 --space 5V --json",
    )  # fmt: skip
    table1.add_argument("--space", choices=list(SPACES), default="7V", help="default: 7V, as in the paper")
    with_data(table1)

    table3 = command(
        "table3", _table3, "The paper's Table 3 recomputed, with the difference",
        "  python -m ecnas_core table3\n  python -m ecnas_core table3 --json",
    )  # fmt: skip
    with_data(table3)

    ingest = command(
        "ingest", _ingest, "TFRecord files of EC-NAS-Bench or NAS-Bench-101 to Parquet",
        "  python -m ecnas_core ingest energy_7V9E_surrogate.tfrecord\n"
        "  python -m ecnas_core ingest *.tfrecord --data ~/ecnas --json",
    )  # fmt: skip
    ingest.add_argument("files", metavar="FILE", nargs="+", type=Path)
    with_data(ingest)

    download = command(
        "download", _download, "Fetch official files (resuming), verify, ingest",
        "  python -m ecnas_core download energy_7V9E_surrogate.tfrecord\n"
        "  python -m ecnas_core download hardware/energy_4V9E_rtx3060.tfrecord --data ~/ecnas",
    )  # fmt: skip
    download.add_argument("names", metavar="NAME", nargs="+", help="a file of the release, as its README names it")
    download.add_argument(
        "--base-url",
        default=base_url(),
        help="where the files are (default: ECNAS_BASE_URL, else the authors' repository)",
    )
    with_data(download)

    build = command(
        "build-data", _build_data, "Rebuild the bundled figures from the released files and recovered tables",
        "  python -m ecnas_core build-data ../shared\n  python -m ecnas_core build-data ../shared --out /tmp/data",
    )  # fmt: skip
    build.add_argument("shared", metavar="SHARED", type=Path, help="folder that holds official/ and published/")
    build.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "data", help="default: data/")

    command(
        "doctor", _doctor, "What this machine can measure, and why not",
        "  python -m ecnas_core doctor\n  python -m ecnas_core doctor --json",
    )  # fmt: skip

    measure = command(
        "measure", _measure, "What a cell takes on this machine: energy and time of a step",
        "  python -m ecnas_core measure 043721b9c7fe8c5fad811d47d83132ec --quick\n"
        "  python -m ecnas_core measure cell.json --device cpu --batch-size 8 --json\n"
        "  python -m ecnas_core measure --cells cells.txt --precision bf16 --json",
    )  # fmt: skip
    measure.add_argument("cell", metavar="CELL", nargs="?", help="a hash, a JSON file, or JSON text")
    measure.add_argument(
        "--cells", type=Path, metavar="FILE",
        help="many cells, a hash or JSON text a line; those stored already with these settings are left out",
    )  # fmt: skip
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
    return parser


def _finite(value: Any) -> Any:
    """JSON has neither infinity nor NaN: null stands for them."""
    if isinstance(value, list):
        return [_finite(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(rows[0])
    texts = [names] + [[_cell_text(row[name]) for name in names] for row in rows]
    widths = [max(len(line[index]) for line in texts) for index in range(len(names))]
    numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in names]
    return "\n".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in texts
    )


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _jsonable(value: object) -> object:
    if hasattr(value, "item"):
        value = value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)
