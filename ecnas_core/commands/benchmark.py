"""What the benchmark knows, and how it comes to know more."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecnas_core import __version__
from ecnas_core.benchmark.official import EPOCHS, base_url
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import SPACES
from ecnas_core.commands.base import Command, read_cell, table, with_data

if TYPE_CHECKING:
    from ecnas_core.benchmark.jobs import Download, Ingest


def register(command: Command) -> None:
    """Add ``info``, ``query``, ``sql``, ``ingest``, ``download`` and ``build-data``.

    Args:
        command: adds one.
    """
    info = command(
        "info",
        _info,
        "Spaces, counts, sources, versions",
        "  python -m ecnas_core info\n  python -m ecnas_core info --json",
    )
    with_data(info)

    query = command(
        "query",
        _query,
        "What the benchmark knows of one cell",
        "  python -m ecnas_core query 043721b9c7fe8c5fad811d47d83132ec --epochs 108 --space 7V\n"
        "  python -m ecnas_core query cell.json --epochs 4 --json\n"
        '  python -m ecnas_core query \'{"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}\'',
    )
    query.add_argument("cell", metavar="CELL", help="a hash, a JSON file, or JSON text")
    query.add_argument("--epochs", type=int, choices=EPOCHS, default=EPOCHS[-1], help="training budget (default: 108)")
    query.add_argument("--space", choices=list(SPACES), help="energy scale (default: the cell's smallest space)")
    with_data(query)

    sql = command(
        "sql",
        _sql,
        "A read-only query over cells, results, benchmark, runs, evaluations, measurements",
        '  python -m ecnas_core sql "select space, count(*) from cells group by space"\n'
        "  python -m ecnas_core sql --json \"select * from benchmark where space = '4V' and epochs = 108\"",
    )
    sql.add_argument("query", metavar="SQL", help="one SELECT; 5 s and 1 GiB at most")
    with_data(sql)

    ingest = command(
        "ingest",
        _ingest,
        "TFRecord files of EC-NAS-Bench or NAS-Bench-101 to Parquet",
        "  python -m ecnas_core ingest energy_7V9E_surrogate.tfrecord\n"
        "  python -m ecnas_core ingest *.tfrecord --data ~/ecnas --json",
    )
    ingest.add_argument("files", metavar="FILE", nargs="+", type=Path)
    with_data(ingest)

    download = command(
        "download",
        _download,
        "Fetch official files (resuming), verify, ingest",
        "  python -m ecnas_core download energy_7V9E_surrogate.tfrecord\n"
        "  python -m ecnas_core download hardware/energy_4V9E_rtx3060.tfrecord --data ~/ecnas",
    )
    download.add_argument("names", metavar="NAME", nargs="+", help="a file of the release, as its README names it")
    download.add_argument(
        "--base-url",
        default=base_url(),
        help="where the files are (default: ECNAS_BASE_URL, else the authors' repository)",
    )
    with_data(download)

    build = command(
        "build-data",
        _build_data,
        "Rebuild the bundled figures from the released files and recovered tables",
        "  python -m ecnas_core build-data ~/ec-nas\n  python -m ecnas_core build-data ~/ec-nas --out /tmp/data",
    )
    build.add_argument("shared", metavar="SHARED", type=Path, help="folder that holds official/ and published/")
    build.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "data", help="default: data/")


def _info(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import platform

    import duckdb

    bench = Benchmark.open(options.data)
    spaces = {
        row.pop("space"): row
        for row in bench.rows(
            "select space, count(*) as cells, "
            "count(*) filter (where accuracy_provenance <> 'predicted') as with_accuracy_at_108_epochs, "
            "count(*) filter (where accuracy_provenance = 'predicted') as predicted_at_108_epochs, "
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
    lines = [
        f"EC-NAS Explorer {__version__}, user's folder {bench.data}",
        "",
        table([{"space": space, **row} for space, row in spaces.items()]),
        "",
        table(sources),
    ]
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
    accuracy = entry.validation_accuracy_low, entry.validation_accuracy_high
    time = entry.training_time_s_low, entry.training_time_s_high
    for label, value, deviation, ends, unit, provenance, source in (
        ("energy", entry.energy_kwh, entry.energy_kwh_std, None, "kWh", entry.energy_provenance, entry.energy_source),
        (
            "validation accuracy",
            entry.validation_accuracy,
            entry.validation_accuracy_std,
            accuracy,
            "",
            entry.accuracy_provenance,
            entry.accuracy_source,
        ),
        ("test accuracy", entry.test_accuracy, None, None, "", entry.accuracy_provenance, entry.accuracy_source),
        (
            "training time",
            entry.training_time_s,
            entry.training_time_s_std,
            time,
            "s",
            entry.time_provenance,
            entry.time_source,
        ),
    ):
        spread = f" ± {deviation:.3g}" if deviation is not None else ""
        if provenance == "predicted" and ends is not None:
            spread = f" ({ends[0]:.6g} to {ends[1]:.6g})"
        known = "unknown" if value is None else f"{value:.6g}{spread} {unit}".rstrip() + f"  ({provenance}, {source})"
        lines.append(f"{label:>20}  {known}")
    if entry.energy_artefact:
        lines.append(f"{'warning':>20}  the surrogate's energy is an artefact: {entry.energy_artefact}")
    lines.append(f"{'parameters':>20}  {entry.trainable_parameters}")
    lines.append(f"{'multiply-adds':>20}  {entry.multiply_adds}")
    return document, "\n".join(lines)


def _sql(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    answer = Benchmark.open(options.data).ask(options.query)
    frame = answer.frame.astype(object).where(answer.frame.notna(), None)
    rows = frame.to_numpy(dtype=object).tolist()
    document = {
        "columns": list(frame.columns),
        "rows": rows,
        "truncated": answer.truncated,
        "seconds": answer.seconds,
    }
    text = table([dict(zip(frame.columns, row, strict=True)) for row in rows]) if len(frame.columns) else ""
    note = f"{len(rows)} rows{' (cut off)' if answer.truncated else ''}, {answer.seconds:.2f} s"
    return document, f"{text}\n{note}" if rows else note


def _ingest(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.benchmark.jobs import Ingest

    return _ingested(options.data, [Ingest(str(path)) for path in options.files])


def _download(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.benchmark.jobs import Download

    return _ingested(options.data, [Download(name, options.base_url) for name in options.names])


def _ingested(data: Path, requests: Sequence[Download | Ingest]) -> tuple[dict[str, Any], str]:
    from ecnas_core.benchmark import jobs
    from ecnas_core.benchmark.progress import terminal_progress

    reports = []
    for request in requests:
        with terminal_progress(Path(jobs.subject(request)).name, sys.stderr) as draw:
            reports.append(jobs.run(request, data, draw))
    files = [{name: getattr(report, name) for name in report.__struct_fields__ if name != "at"} for report in reports]
    lines = [
        f"{report.file}: {report.records} records of {report.cells} cells in {report.seconds:.1f} s, "
        f"{'official' if report.official else 'user-supplied'}, {report.output}"
        for report in reports
    ]
    return {"files": files}, "\n".join(lines)


def _build_data(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.benchmark.build import build_data
    from ecnas_core.surrogates import bundled, evaluation

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    written = build_data(options.shared, options.out, lambda out: bundled.predict(out, tell), tell)
    written += [options.out / bundled.WEIGHTS, *evaluation.build(options.out, tell)]
    sizes = {str(path.relative_to(options.out)): path.stat().st_size for path in written}
    total = sum(sizes.values())
    return {"files": sizes, "bytes": total}, f"{len(sizes)} files, {total / 1e6:.1f} MB in {options.out}"
