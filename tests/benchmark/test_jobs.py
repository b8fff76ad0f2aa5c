"""Jobs in processes of their own: what pages see of them, and what is left when they end in any way."""

from __future__ import annotations

import fcntl
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark import background, catalogue, download, intake, job_worker, jobs
from ecnas_core.benchmark.derive import derive
from ecnas_core.benchmark.download import CHUNK_BYTES, UnknownFile
from ecnas_core.benchmark.jobs import Job, JobRunning
from tests import stand_in
from tests.stand_in import NAME, StandIn
from tests.waiting import until


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "user"
    yield folder
    for job in jobs.jobs(folder):
        jobs.cancel(job)
    until(lambda: not any(job.running for job in jobs.jobs(folder)))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job is done in this process, and ended when its start returns; a second is saved for each and its derivation."""

    def launch(module: str, arguments: Sequence[str], lock: IO[str], log: Path) -> None:
        handler = signal.getsignal(signal.SIGTERM)
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        try:
            job_worker.main()
        finally:
            signal.signal(signal.SIGTERM, handler)

    monkeypatch.setattr(background, "launch", launch)
    monkeypatch.setattr(intake, "_derive", lambda cells, results, out, _: derive(cells, results, out))
    monkeypatch.setitem(download.download.__kwdefaults__, "backoff_s", 0.002)


def now(job: Job) -> Job:
    return next(each for each in jobs.jobs(job.folder.parent) if each.id == job.id)


def ended(job: Job) -> Job:
    until(lambda: not now(job).running)
    return now(job)


def process_of(job: Job) -> psutil.Process:
    """The child whose standard output is the job's log."""
    log = job.work / "log"
    return next(child for child in psutil.Process().children() if Path(f"/proc/{child.pid}/fd/1").resolve() == log)


def visible(data: Path) -> set[str]:
    """Files of the folder without locks, jobs and what lies beside."""
    return {
        str(path.relative_to(data))
        for path in data.rglob("*")
        if path.is_file() and not path.name.startswith(".") and "jobs" not in path.relative_to(data).parts
    }


def fetching(data: Path, bundled: Path, released: StandIn) -> Job:
    """A download that stands still with a part fetched."""
    released.hold_after = 70_000
    job = jobs.start_download(NAME, data, bundled=bundled)
    until(lambda: now(job).bytes_done >= CHUNK_BYTES)
    return job


def test_a_download_is_watched_cancelled_terminated_killed_and_goes_on(
    data: Path, bundled: Path, released: StandIn
) -> None:
    job = now(fetching(data, bundled, released))
    assert (job.kind, job.subject, job.phase, job.state) == ("download", NAME, "download", "running")
    assert (job.running, job.cancelling) == (True, False)
    assert CHUNK_BYTES <= job.bytes_done < job.bytes_total == len(released.body)
    assert job.updated >= job.started > time.time() - 3600

    with pytest.raises(JobRunning, match=f"at work on {NAME}; wait for it or cancel it"):
        jobs.start_download(NAME, data, bundled=bundled)
    with pytest.raises(JobRunning):
        jobs.start_ingest(data / "downloads" / NAME, data, bundled=bundled)
    with pytest.raises(JobRunning):
        jobs.dismiss(job)

    jobs.cancel(job)
    assert now(job).cancelling or not now(job).running
    job = ended(job)
    assert (job.state, job.error) == ("cancelled", None)
    part = data / "downloads" / f"{NAME}.part"
    assert visible(data) == {f"downloads/{NAME}.part"}
    assert part.read_bytes() == released.body[: part.stat().st_size]
    kept = [part.stat().st_size]

    again = jobs.start_download(NAME, data, bundled=bundled)
    assert again.id == job.id
    until(lambda: len(released.asked) == 2)
    process_of(again).send_signal(signal.SIGTERM)
    assert ended(again).state == "cancelled"
    kept.append(part.stat().st_size)

    third = jobs.start_download(NAME, data, bundled=bundled)
    until(lambda: len(released.asked) == 3)
    process = process_of(third)
    process.kill()
    third = ended(third)
    assert third.state == "died"
    assert third.error.startswith("its process was ended from outside (killed")
    assert third.error.endswith("what was fetched is kept: start it again")
    until(lambda: not process.is_running())  # reaped, not a zombie
    kept.append(part.stat().st_size)

    released.let_go()
    assert ended(jobs.start_download(NAME, data, bundled=bundled)).state == "done"
    assert released.asked == [None, *(f"bytes={size}-" for size in kept)]
    assert [each.id for each in jobs.jobs(data)] == [job.id]


@pytest.mark.usefixtures("here")
def test_a_download_counts_until_it_is_removed_and_when_it_is_restored(
    data: Path, bundled: Path, released: StandIn
) -> None:
    bench = Benchmark.open(data, bundled=bundled)
    [cell] = stand_in.cells_without_accuracy(1)
    before = bench.query(cell, 108, "5V")
    assert before.accuracy_source != NAME
    job = ended(jobs.start_download(NAME, data, bundled=bundled))
    assert (job.state, job.error) == ("done", None)
    assert {name: job.report[name] for name in ("records", "cells", "official", "output")} == {
        "records": 4 * stand_in.CELLS,
        "cells": stand_in.CELLS,
        "official": True,
        "output": "energy_5V9E_linscale.parquet",
    }
    assert (data / "downloads" / NAME).read_bytes() == released.body
    assert visible(data) == {f"downloads/{NAME}", "results/energy_5V9E_linscale.parquet"} | {
        f"benchmark/{space}.parquet" for space in ("4V", "5V", "7V")
    }
    after = bench.query(cell, 108, "5V")
    assert after.accuracy_source == NAME
    assert after.validation_accuracy == pytest.approx(stand_in.accuracy(0, 108))
    assert after.energy_kwh == before.energy_kwh

    job = ended(jobs.start_remove("energy_5V9E_linscale.parquet", data, bundled=bundled))
    assert (job.state, job.report) == ("done", None)
    assert bench.query(cell, 108, "5V").accuracy_source != NAME
    [aside] = catalogue.set_aside(data)
    assert ended(jobs.start_restore(aside.name, data, bundled=bundled)).state == "done"
    assert bench.query(cell, 108, "5V").accuracy_source == NAME
    assert "no ingested source" in ended(jobs.start_remove("none.parquet", data, bundled=bundled)).error


def test_a_job_beside_another_leaves_no_process(data: Path, bundled: Path, released: StandIn) -> None:
    download = fetching(data, bundled, released)
    job = ended(jobs.start_ingest(stand_in.write_own(released.path.with_name("own.tfrecord")), data, bundled=bundled))
    assert (job.state, job.report["records"]) == ("done", 12)
    assert now(download).running
    assert [each.id for each in jobs.jobs(data)] == [download.id, job.id]
    jobs.cancel(download)
    ended(download)
    until(lambda: not [c for c in psutil.Process().children() if "job_worker" in " ".join(_line(c))])
    assert pa.schema(pq.read_schema(data / "results" / job.report["output"])).names[0] == "hash"
    assert sorted(path.name for path in job.work.iterdir()) == ["log", "request.json"]


def test_process_that_breaks_down_leaves_its_last_words(
    data: Path, bundled: Path, released: StandIn, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "7V.parquet").mkdir()
    path = stand_in.write_own(tmp_path / "own.tfrecord")
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "from ecnas_core.benchmark import download, intake\n"
        "def breaks(*_, **__): raise RuntimeError('a defect')\n"
        "intake.ingest = breaks\n"
    )
    job = ended(jobs.start_ingest(path, data, bundled=bundled))
    assert (job.state, job.error) == (
        "died",
        "its process broke down (RuntimeError: a defect); nothing has changed: start it again",
    )
    assert visible(data) == set()


def test_two_official_files_at_once_both_count(data: Path, bundled: Path, released: StandIn, tmp_path: Path) -> None:
    copies = [tmp_path / name / NAME for name in ("a", "b")]
    for copy in copies:
        copy.parent.mkdir()
        copy.write_bytes(released.body)
    started = [jobs.start_ingest(copy, data, bundled=bundled) for copy in copies]
    assert [ended(job).state for job in started] == ["done", "done"]
    assert catalogue.left_behind(Benchmark.open(data, bundled=bundled)) == []
    assert pq.read_metadata(data / "results" / "energy_5V9E_linscale.parquet").num_rows == 4 * stand_in.CELLS


def test_cancel_while_deriving_changes_nothing(data: Path, bundled: Path, released: StandIn) -> None:
    data.mkdir()
    with intake.changing(data):  # the job comes as far as this and waits
        job = jobs.start_ingest(released.path, data, bundled=bundled)
        until(lambda: now(job).phase == "derive")
        jobs.cancel(job)
        assert ended(job).state == "cancelled"
    assert visible(data) == set()
    assert list(job.work.glob(".intake-*")) == []


@pytest.mark.usefixtures("here")
def test_failure_says_what_is_wrong_and_is_dismissed(data: Path, bundled: Path, tmp_path: Path) -> None:
    path = tmp_path / "no.tfrecord"
    path.write_bytes(b"this is no TFRecord file at all, is it")
    job = ended(jobs.start_ingest(path, data, bundled=bundled))
    assert job.state == "failed"
    assert "record 1, byte 0" in job.error
    assert "fetch or copy it again" in job.error
    missing = ended(jobs.start_ingest(tmp_path / "missing.tfrecord", data, bundled=bundled))
    assert (missing.state, missing.bytes_total) == ("failed", 0)
    assert "missing.tfrecord: there is no such file" in missing.error or "check the path" in missing.error
    jobs.dismiss(job)
    assert [each.id for each in jobs.jobs(data)] == [missing.id]
    assert not job.work.exists()


@pytest.mark.usefixtures("here")
def test_server_that_refuses_is_told_as_the_download_tells_it(data: Path, bundled: Path, released: StandIn) -> None:
    released.status = 404
    job = ended(jobs.start_download(NAME, data, bundled=bundled))
    assert (job.state, job.error) == ("failed", f"{released.url}/{NAME} answers 404 Not Found; check the base address")


@pytest.mark.usefixtures("here")
def test_machine_that_is_offline(data: Path, bundled: Path, released: StandIn) -> None:
    job = ended(jobs.start_download(NAME, data, "http://127.0.0.1:9", bundled=bundled))
    assert job.state == "failed"
    assert "the server cannot be reached" in job.error
    assert "a new call goes on from there" in job.error


def test_unknown_official_file_is_refused_at_once(data: Path) -> None:
    with pytest.raises(UnknownFile, match="did you mean"):
        jobs.start_download("energy_7V9E_surogate.tfrecord", data)
    assert jobs.jobs(data) == []


@pytest.mark.usefixtures("here")
def test_locks_of_a_page_that_looks_do_not_stop_a_start(data: Path, bundled: Path, tmp_path: Path) -> None:
    path = stand_in.write_own(tmp_path / "own.tfrecord")
    job = ended(jobs.start_ingest(path, data, bundled=bundled))
    with (job.folder / f".{job.id}.lock").open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        with pytest.raises(JobRunning):
            jobs.start_ingest(path, data, bundled=bundled)
    assert ended(jobs.start_ingest(path, data, bundled=bundled)).state == "done"


def test_status_that_is_no_job_s_is_told_and_dismissed(data: Path) -> None:
    (data / "jobs").mkdir(parents=True)
    (data / "jobs" / "strange.json").write_text("[1")
    (data / "jobs" / "stranger.json").write_text(json.dumps({"a": 1}))
    found = jobs.jobs(data)
    assert [(job.id, job.state) for job in found] == [("strange", "died"), ("stranger", "died")]
    for job in found:
        assert "dismiss it" in job.error
        jobs.dismiss(job)
    assert jobs.jobs(data) == []


def test_job_of_a_machine_that_was_switched_off(data: Path) -> None:
    """A status file that says running, with neither a process nor a lock file."""
    job = Job("old", "run", "download", NAME, data / "jobs", started=1.0)
    job.folder.mkdir(parents=True)
    jobs.write(job)
    [found] = jobs.jobs(data)
    assert found.state == "died"
    assert "restart of the machine" in found.error


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(jobs.JobError, match="cannot be started"):
        jobs.start_ingest(tmp_path / "a", tmp_path / "file")


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
