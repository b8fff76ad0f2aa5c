"""The process of a job: ``jobs`` starts it, hands it the job's lock, and reads what it tells."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecnas_core.benchmark import catalogue, jobs
from ecnas_core.benchmark import download as downloads
from ecnas_core.benchmark.download import DownloadCancelled
from ecnas_core.benchmark.ingest import IngestCancelled, IngestReport
from ecnas_core.benchmark.intake import take_in
from ecnas_core.benchmark.progress import Progress
from ecnas_core.errors import EcnasError

_TELL_EVERY_S = 0.2
_ASK_EVERY_S = 0.05


class _Worker:
    """One job, told as it goes."""

    def __init__(self, job: jobs.Job) -> None:
        self.job = job
        self._marker = jobs.cancel_marker(job)
        self._told_at = self._asked_at = 0.0
        self._cancelled = False
        signal.signal(signal.SIGTERM, self._terminated)

    def cancelled(self) -> bool:
        now = time.monotonic()
        if not self._cancelled and now - self._asked_at >= _ASK_EVERY_S:
            self._asked_at = now
            self._cancelled = self._marker.exists()
        return self._cancelled

    def tell(self, *, at_once: bool = True, **changes: Any) -> None:
        self.job = replace(self.job, **changes)
        now = time.monotonic()
        if at_once or now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            jobs.write(self.job)

    def fetched(self, progress: downloads.Progress) -> None:
        self.tell(
            at_once=False,
            bytes_done=progress.bytes_done,
            bytes_total=progress.bytes_total,
            bytes_per_second=progress.bytes_per_second,
            seconds_left=progress.seconds_left,
        )

    def read(self, progress: Progress) -> None:
        rate = progress.bytes_done / progress.seconds if progress.seconds else 0.0
        left = progress.bytes_total - progress.bytes_done
        self.tell(
            at_once=left == 0,
            phase="ingest" if left else "derive",
            bytes_done=progress.bytes_done,
            bytes_total=progress.bytes_total,
            bytes_per_second=rate,
            seconds_left=left / rate if rate else None,
            records=progress.records,
        )

    def _terminated(self, *_: object) -> None:
        self._cancelled = True


def work(worker: _Worker, request: dict[str, str]) -> dict[str, Any] | None:
    """Do what the job is there for; a file's report comes back."""
    data, bundled = Path(request["data"]), Path(request["bundled"])
    kind, folder = worker.job.kind, worker.job.work
    if kind == "download":
        worker.tell(phase="download")
        fetched = downloads.download(
            request["name"],
            data / "downloads",
            base_url=request["base_url"],
            progress=worker.fetched,
            cancel=worker.cancelled,
        )
        return _ingest(worker, fetched.path, data, bundled)
    if kind == "ingest":
        return _ingest(worker, Path(request["path"]), data, bundled)
    worker.tell(phase="derive")
    if kind == "remove":
        catalogue.remove(data, request["file"], cancel=worker.cancelled, bundled=bundled, work=folder)
    elif kind == "restore":
        catalogue.restore(data, request["name"], cancel=worker.cancelled, bundled=bundled, work=folder)
    else:
        catalogue.derive_anew(data, cancel=worker.cancelled, bundled=bundled, work=folder)
    return None


def _ingest(worker: _Worker, path: Path, data: Path, bundled: Path) -> dict[str, Any]:
    worker.tell(phase="ingest", bytes_done=0, bytes_per_second=0.0, seconds_left=None)
    report = take_in(path, data, worker.read, worker.cancelled, bundled=bundled, work=worker.job.work)
    return _document(report)


def _document(report: IngestReport) -> dict[str, Any]:
    return {
        "records": report.records,
        "cells": report.cells,
        "official": report.official,
        "seconds": report.seconds,
        "sha256": report.sha256,
        "output": report.output.name,
    }


def main() -> None:
    """Do the job whose folder and name are the arguments, and tell how it ended."""
    job = jobs.told(Path(sys.argv[1]), sys.argv[2])
    if job is None:
        return
    request = json.loads((job.work / jobs.REQUEST).read_text(encoding="utf-8"))
    worker = _Worker(job)
    try:
        report = work(worker, request)
    except (DownloadCancelled, IngestCancelled):
        worker.tell(state="cancelled")
    except EcnasError as error:
        worker.tell(state="failed", error=str(error))
    else:
        worker.tell(state="done", report=report, seconds_left=0.0)


if __name__ == "__main__":
    main()
