"""Slow work on the user's data: files are fetched and ingested, and the benchmark is derived anew.

What is to be done with one file is one run of ``runs``: its id follows from the file, so that no two processes work on
the same one and a new attempt takes the place of the last.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from ecnas_core.benchmark import catalogue, official
from ecnas_core.benchmark import download as downloads
from ecnas_core.benchmark.intake import take_in
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.benchmark.progress import Progress as Reading
from ecnas_core.errors import EcnasError
from ecnas_core.runs import Context, Ended, Event, Kind, Progress, Run, RunStore, State

FOLDER = Path("jobs")
_TELL_EVERY_S = 0.2
_FIELD = {"download": "name", "ingest": "path", "remove": "file", "restore": "name", "derive": ""}

Phase = Literal["start", "download", "ingest", "derive"]
PHASES: dict[Phase, str] = {
    "start": "Starting",
    "download": "Downloading",
    "ingest": "Reading",
    "derive": "Deriving the benchmark",
}


class Download(msgspec.Struct, frozen=True, tag_field="kind", tag="download"):
    """Fetch an official file, going on where an earlier attempt stopped, and ingest it.

    Attributes:
        name: a key of ``OFFICIAL``.
        base_url: where the files are; by default the environment variable ECNAS_BASE_URL, else the authors' repository.

    Raises:
        UnknownFile: no official file has that name.
    """

    name: str
    base_url: str = msgspec.field(default_factory=official.base_url)

    def __post_init__(self) -> None:
        downloads.official_file(self.name)


class Ingest(msgspec.Struct, frozen=True, tag_field="kind", tag="ingest"):
    """Ingest a TFRecord file.

    Attributes:
        path: of the file.
    """

    path: str


class SetAside(msgspec.Struct, frozen=True, tag_field="kind", tag="remove"):
    """Set an ingested source aside, as ``catalogue.remove``.

    Attributes:
        file: name of its Parquet file.
    """

    file: str


class BringBack(msgspec.Struct, frozen=True, tag_field="kind", tag="restore"):
    """Bring back what was set aside, as ``catalogue.restore``.

    Attributes:
        name: of the folder in ``set-aside``.
    """

    name: str


class Derive(msgspec.Struct, frozen=True, tag_field="kind", tag="derive"):
    """Derive the benchmark anew from the results that are there, as ``catalogue.derive_anew``."""


Request = Download | Ingest | SetAside | BringBack | Derive


class Advance(Event, frozen=True, tag="advance"):
    """How far a job is.

    Attributes:
        phase: what is being done.
        bytes_done: bytes that are fetched or read in this phase.
        bytes_total: bytes of the file; 0 where the phase does not count them.
        bytes_per_second: how fast; 0 while nothing arrives.
        seconds_left: of this phase; None if that cannot be told.
    """

    phase: Phase = "start"
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: float = 0.0
    seconds_left: float | None = None


class Ingested(Event, frozen=True, tag="ingested"):
    """What the ingest of a file brought; see ``IngestReport``."""

    file: str
    records: int
    cells: int
    official: bool
    seconds: float
    sha256: str
    output: str


def subject(request: Request) -> str:
    """The official name, the path or the source that a job is about."""
    match request:
        case Download(name) | BringBack(name):
            return name
        case Ingest(path):
            return path
        case SetAside(file):
            return file
        case _:
            return "benchmark"


def title(request: Request) -> str:
    """What a job does, in a few words."""
    name = Path(subject(request)).name
    match request:
        case Download():
            return f"Download {name}"
        case Ingest():
            return f"Ingest {name}"
        case SetAside():
            return f"Set {name} aside"
        case BringBack():
            return f"Bring back {name}"
        case _:
            return "Derive the benchmark"


def advance(run: Run[Request]) -> Advance:
    """How far a job is, as it said last."""
    return next((each for each in reversed(run.events) if isinstance(each, Advance)), Advance())


def ingested(run: Run[Request]) -> Ingested | None:
    """What the ingest of a job's file brought; None before, and for other jobs."""
    return next((each for each in reversed(run.events) if isinstance(each, Ingested)), None)


def progress(run: Run[Request]) -> Progress:
    """How far a job is."""
    last = advance(run)
    doing = PHASES[last.phase]
    if last.phase == "download" and not last.bytes_per_second:
        doing += ", waiting for the server"
    if last.phase not in ("download", "ingest") or not last.bytes_total:
        return Progress(doing)
    return Progress(doing, last.bytes_done, last.bytes_total, "B", last.bytes_per_second, last.seconds_left)


JOB: Kind[Request] = Kind(
    "job",
    "ecnas_core.benchmark.jobs:JOB",
    "ecnas_core.benchmark.jobs:work",
    FOLDER,
    Request,
    Advance | Ingested | Ended,
    title,
    progress,
    read_old=lambda path: _old(path),
)


def store(data: Path, bundled: Path = BUNDLED) -> RunStore[Request]:
    """The jobs of a user's folder."""
    return RunStore(JOB, data, bundled)


def run_id(request: Request, data: Path) -> str:
    """The id of a job: that of the file it works on."""
    data = data.expanduser().resolve()
    match request:
        case Download(name):
            about = data / "downloads" / downloads.official_file(name).file_name
        case Ingest(path):
            about = Path(path)
        case SetAside(file):
            about = data / "results" / file
        case BringBack(name):
            about = data / "set-aside" / name
        case _:
            about = data / "benchmark"
    about = about.expanduser().resolve()
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", about.name)[:60]
    return f"{slug}-{hashlib.sha256(str(about).encode(errors='surrogateescape')).hexdigest()[:12]}"


def start(request: Request, data: Path, *, bundled: Path = BUNDLED) -> Run[Request]:
    """Begin a job in a process of its own.

    Args:
        request: what it does.
        data: the user's folder.
        bundled: folder of the bundled figures.

    Raises:
        RunRunning: a job is at work on the same file.
        RunError: it cannot be started.
    """
    return store(data, bundled).start(request, run_id(request, data))


def run(request: Download | Ingest, data: Path, draw: Callable[[Advance], object] | None = None) -> Ingested:
    """Fetch or ingest a file here.

    Args:
        request: which.
        data: the user's folder.
        draw: told how far it is.

    Raises:
        RunRunning: a job is at work on the same file.
        EcnasError: it was cancelled or failed.
    """

    def tell(event: Event) -> None:
        if draw is not None and isinstance(event, Advance):
            draw(event)

    report = ingested(store(data).run(request, run_id(request, data), tell))
    assert report is not None, "a job that is done has ingested its file"
    return report


def work(request: Request, context: Context) -> None:
    """Do what a job asks for."""
    data, cancelled = context.data, context.cancelled
    place = {"bundled": context.bundled, "work": context.folder}
    match request:
        case Download(name, base_url):
            context.emit(Advance(phase="download"))
            folder = data / "downloads"
            fetched = downloads.download(
                name, folder, base_url=base_url, progress=_throttled(context, _fetched), cancel=cancelled
            )
            _ingest(fetched.path, context)
        case Ingest(path):
            _ingest(Path(path), context)
        case SetAside(file):
            context.emit(Advance(phase="derive"))
            catalogue.remove(data, file, cancel=cancelled, **place)
        case BringBack(name):
            context.emit(Advance(phase="derive"))
            catalogue.restore(data, name, cancel=cancelled, **place)
        case _:
            context.emit(Advance(phase="derive"))
            catalogue.derive_anew(data, cancel=cancelled, **place)


def _ingest(path: Path, context: Context) -> None:
    size = path.stat().st_size if path.is_file() else 0
    context.emit(Advance(phase="ingest", bytes_total=size))
    report = take_in(
        path,
        context.data,
        _throttled(context, _read),
        context.cancelled,
        bundled=context.bundled,
        work=context.folder,
    )
    context.emit(
        Ingested(
            file=str(report.file),
            records=report.records,
            cells=report.cells,
            official=report.official,
            seconds=round(report.seconds, 3),
            sha256=report.sha256,
            output=str(report.output),
        )
    )


def _fetched(progress: downloads.Progress) -> Advance:
    return Advance(
        phase="download",
        bytes_done=progress.bytes_done,
        bytes_total=progress.bytes_total,
        bytes_per_second=progress.bytes_per_second,
        seconds_left=progress.seconds_left,
    )


def _read(progress: Reading) -> Advance:
    rate = progress.bytes_done / progress.seconds if progress.seconds else 0.0
    left = progress.bytes_total - progress.bytes_done
    return Advance(
        phase="ingest" if left else "derive",
        bytes_done=progress.bytes_done,
        bytes_total=progress.bytes_total,
        bytes_per_second=rate,
        seconds_left=left / rate if rate else None,
    )


def _throttled(context: Context, advanced: Callable[[Any], Advance]) -> Callable[[Any], None]:
    """Record progress a few times a second, and when there is none left to make."""
    recorded_at = float("-inf")

    def record(progress: Any) -> None:
        nonlocal recorded_at
        if progress.bytes_done == progress.bytes_total or time.monotonic() - recorded_at >= _TELL_EVERY_S:
            recorded_at = time.monotonic()
            context.emit(advanced(progress))

    return record


def _old(path: Path) -> Run[Request]:
    """A job that ended under a version before 0.2."""
    folder = path.with_suffix("")
    try:
        found = json.loads(path.read_bytes())
        request: Request = msgspec.convert({"kind": found["kind"], _FIELD[found["kind"]]: found["subject"]}, Request)
        report = found["report"] and {
            "event": "ingested",
            "file": found["subject"],
            "at": found["updated"],
            **found["report"],
        }
        events = (msgspec.convert(report, Ingested),) if report else ()
        state: State = msgspec.convert(found["state"], State)
        started = float(found["started"])
    except (OSError, ValueError, KeyError, TypeError, EcnasError) as error:
        return Run(
            path.stem, folder, None, 0.0, "unreadable", f"{path} cannot be read as a job ({error!r}); dismiss it"
        )
    if state == "running":
        return Run(path.stem, folder, request, started, "died", f"its process was ended from outside; {JOB.remedy}")
    return Run(path.stem, folder, request, started, state, found["error"], events)
