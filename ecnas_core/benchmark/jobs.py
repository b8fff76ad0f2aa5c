"""Slow work on the user's data in processes of their own: started, watched and cancelled from any number of pages.

A job is a file that is fetched or taken in, or a change that lets the benchmark be derived anew. It lives in the folder
``jobs`` of the user's folder: ``<id>.json`` says how far it is, written beside and renamed into place, and the process
holds a lock on ``.<id>.lock`` from before that file is there until it ends. So a job whose lock is free has ended,
whatever its file says, and no process number is ever relied upon.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
import uuid
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import IO, Any, Literal

from ecnas_core.benchmark import background, official
from ecnas_core.benchmark import download as downloads
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.errors import EcnasError

Kind = Literal["download", "ingest", "remove", "restore", "derive"]
State = Literal["running", "done", "failed", "cancelled", "died"]
Phase = Literal["start", "download", "ingest", "derive"]

REQUEST = "request.json"
_LOG = "log"


class JobError(EcnasError):
    """A job cannot be started, cancelled or dismissed."""

    exit_status = 1


class JobRunning(JobError):
    """The same file is being worked on already."""


@dataclass(frozen=True)
class Job:
    """A job at one moment.

    Attributes:
        id: names the file that is worked on; a new job for the same file has the same.
        run: names this attempt.
        kind: what is done.
        subject: the official name, the path or the source that it is done to.
        state: running, done, failed (``error`` says why), cancelled, or died (ended without a word).
        phase: what is done at the moment.
        bytes_done: bytes that are fetched or read in this phase.
        bytes_total: bytes of the file; 0 where the phase does not count them.
        bytes_per_second: how fast; 0 while nothing arrives.
        seconds_left: of this phase; None if that cannot be told.
        records: records read.
        started: when, in s since 1970.
        updated: when the process last said something, in s since 1970.
        error: why it ended without success, and what to do.
        report: what it did: for a file records, cells, official, seconds, sha256 and output.
        folder: where jobs live.
    """

    id: str
    run: str
    kind: Kind
    subject: str
    folder: Path
    state: State = "running"
    phase: Phase = "start"
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: float = 0.0
    seconds_left: float | None = None
    records: int = 0
    started: float = 0.0
    updated: float = 0.0
    error: str | None = None
    report: dict[str, Any] | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.state == "running"

    @property
    def cancelling(self) -> bool:
        """Whether it has been asked to stop and has not yet."""
        return self.running and cancel_marker(self).exists()

    @property
    def work(self) -> Path:
        """The folder of what it has not finished."""
        return self.folder / self.id


def start_download(name: str, data: Path, base_url: str | None = None, *, bundled: Path = BUNDLED) -> Job:
    """Fetch an official file, going on where an earlier job stopped, and take it in.

    Args:
        name: a key of ``OFFICIAL``.
        data: the user's folder.
        base_url: where the files are; by default the environment variable ECNAS_BASE_URL, else the authors' repository.
        bundled: folder of the bundled figures.

    Raises:
        UnknownFile: no official file has that name.
        JobRunning: that file is being fetched or taken in.
        JobError: the job cannot be started.
    """
    file = downloads.official_file(name)
    path = data / "downloads" / file.file_name
    request = {"name": name, "base_url": base_url or official.base_url()}
    return _start("download", name, path, data, bundled, file.bytes, **request)


def start_ingest(path: Path, data: Path, *, bundled: Path = BUNDLED) -> Job:
    """Take a TFRecord file in.

    Args:
        path: the file.
        data: the user's folder.
        bundled: folder of the bundled figures.

    Raises:
        JobRunning: that file is being fetched or taken in.
        JobError: the job cannot be started.
    """
    path = path.expanduser().resolve()
    size = path.stat().st_size if path.is_file() else 0
    return _start("ingest", str(path), path, data, bundled, size, path=str(path))


def start_remove(file: str, data: Path, *, bundled: Path = BUNDLED) -> Job:
    """Set an ingested source aside, as ``catalogue.remove``.

    Args:
        file: name of its Parquet file.
        data: the user's folder.
        bundled: folder of the bundled figures.
    """
    return _start("remove", file, data / "results" / file, data, bundled, file=file)


def start_restore(name: str, data: Path, *, bundled: Path = BUNDLED) -> Job:
    """Bring back what was set aside, as ``catalogue.restore``.

    Args:
        name: of the folder in ``set-aside``.
        data: the user's folder.
        bundled: folder of the bundled figures.
    """
    return _start("restore", name, data / "set-aside" / name, data, bundled, name=name)


def start_derive(data: Path, *, bundled: Path = BUNDLED) -> Job:
    """Derive the benchmark anew from the results that are there, as ``catalogue.derive_anew``."""
    return _start("derive", "benchmark", data / "benchmark", data, bundled)


def jobs(data: Path) -> list[Job]:
    """Every job of a user's folder, running or ended and not dismissed, the oldest first."""
    folder = data / "jobs"
    found = (_read(path) for path in folder.glob("*.json"))
    return sorted((job for job in found if job is not None), key=lambda job: (job.started, job.id))


def cancel(job: Job) -> None:
    """Ask a job to stop; it does within about a second, and leaves nothing but the part of a download to go on from."""
    if job.running:
        cancel_marker(job).touch()


def dismiss(job: Job) -> None:
    """Forget a job that has ended, and what it had not finished but for the part of a download.

    Raises:
        JobRunning: it has not ended.
    """
    with _lock(job.folder, job.id, job.subject):
        shutil.rmtree(job.work, ignore_errors=True)
        _status(job.folder, job.id).unlink(missing_ok=True)


def cancel_marker(job: Job) -> Path:
    """The file whose presence asks this run of the job to stop."""
    return job.work / f"cancel-{job.run}"


def told(folder: Path, job_id: str) -> Job | None:
    """A job as its file tells, whether or not its process still lives; None if there is no such file.

    Args:
        folder: where jobs live.
        job_id: the job.
    """
    path = _status(folder, job_id)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(Job)} - {"folder"}
        return Job(folder=folder, **{name: value for name, value in values.items() if name in known})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError):
        unread = f"{path} cannot be read as a job's file; dismiss it"
        return Job(job_id, "", "ingest", job_id, folder, state="died", error=unread)


def write(job: Job) -> None:
    """Tell how far a job is; only its process does, and ``_start`` before it."""
    told = {name: value for name, value in asdict(job).items() if name != "folder"} | {"updated": time.time()}
    background.write_json(_status(job.folder, job.id), told)


def _start(kind: Kind, subject: str, about: Path, data: Path, bundled: Path, size: int = 0, **request: str) -> Job:
    data = data.expanduser().resolve()
    job_id = _id(about.expanduser().resolve())
    job = Job(job_id, uuid.uuid4().hex, kind, subject, data / "jobs", bytes_total=size, started=time.time())
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        with _lock(job.folder, job.id, subject) as lock:
            shutil.rmtree(job.work, ignore_errors=True)
            job.work.mkdir()
            write(job)
            request |= {"data": str(data), "bundled": str(bundled)}
            background.write_json(job.work / REQUEST, request)
            background.launch("ecnas_core.benchmark.job_worker", [str(job.folder), job.id], lock, job.work / _LOG)
    except OSError as error:
        raise JobError(
            f"the job cannot be started in {job.folder}: {error.strerror}; check space and permissions"
        ) from error
    return job


def _id(about: Path) -> str:
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", about.name)[:60]
    return f"{slug}-{hashlib.sha256(str(about).encode(errors='surrogateescape')).hexdigest()[:12]}"


def _status(folder: Path, job_id: str) -> Path:
    return folder / f"{job_id}.json"


def _lock(folder: Path, job_id: str, subject: str) -> IO[str]:
    """Take the lock of a job; it is free again when this handle and that of the process are closed."""
    handle = background.take_lock(folder / f".{job_id}.lock")
    if handle is None:
        raise JobRunning(f"a job is at work on {subject}; wait for it or cancel it")
    return handle


def _read(path: Path) -> Job | None:
    """A job as it is; None if it has just been dismissed."""
    job = told(path.parent, path.stem)
    if job is None or not job.running or background.is_held(path.parent / f".{path.stem}.lock"):
        return job
    later = told(path.parent, path.stem)
    if later is None or not later.running or later.run != job.run:
        return later
    return _died(later)


def _died(job: Job) -> Job:
    if cancel_marker(job).exists():
        return replace(job, state="cancelled")
    kept = "; what was fetched is kept" if job.kind == "download" else "; nothing has changed"
    return replace(job, state="died", error=f"{background.last_words(job.work / 'log')}{kept}: start it again")
