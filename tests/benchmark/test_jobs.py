"""Jobs in processes of their own: what pages see of them, and what is left when they end in any way."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark import catalogue, download, intake, jobs
from ecnas_core.benchmark.derive import derive
from ecnas_core.benchmark.download import CHUNK_BYTES, UnknownFile
from ecnas_core.benchmark.jobs import BringBack, Download, Ingest, SetAside, advance, ingested
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.errors import EcnasError
from ecnas_core.runs import Run, RunError, RunRunning, RunStore
from ecnas_core.runs.store import RunLock
from tests import stand_in
from tests.stand_in import NAME, StandIn
from tests.waiting import until


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "user"
    yield folder
    for job in jobs.store(folder).all():
        jobs.store(folder).cancel(job)
    until(lambda: not any(job.running for job in jobs.store(folder).all()))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job is done in this process, and ended when its start returns; a second is saved for each and its derivation."""

    def launch(store: RunStore, lock: RunLock) -> Run:
        with suppress(EcnasError):
            store.execute(lock)
        return store.read(lock.folder.name)

    monkeypatch.setattr(RunStore, "launch", launch)
    monkeypatch.setattr(intake, "_derive", lambda cells, results, out, _: derive(cells, results, out))
    monkeypatch.setitem(download.download.__kwdefaults__, "backoff_s", 0.002)


def ingest(path: Path, data: Path, bundled: Path) -> Run:
    return jobs.start(Ingest(str(path)), data, bundled=bundled)


def now(job: Run) -> Run:
    return next(each for each in jobs.store(job.folder.parents[1]).all() if each.id == job.id)


def ended(job: Run) -> Run:
    until(lambda: not now(job).running)
    return now(job)


def process_of(job: Run) -> psutil.Process:
    """The child whose standard output is the job's log."""
    log = job.folder / "log"
    return next(child for child in psutil.Process().children() if Path(f"/proc/{child.pid}/fd/1").resolve() == log)


def visible(data: Path) -> set[str]:
    """Files of the folder without locks, jobs and what lies beside."""
    return {
        str(path.relative_to(data))
        for path in data.rglob("*")
        if path.is_file() and not path.name.startswith(".") and "jobs" not in path.relative_to(data).parts
    }


def fetching(data: Path, bundled: Path, released: StandIn) -> Run:
    """A download that stands still with a part fetched."""
    released.hold_after = 70_000
    job = jobs.start(Download(NAME), data, bundled=bundled)
    until(lambda: advance(now(job)).bytes_done >= CHUNK_BYTES)
    return job


def test_a_download_is_watched_cancelled_terminated_killed_and_goes_on(
    data: Path, bundled: Path, released: StandIn
) -> None:
    job = now(fetching(data, bundled, released))
    assert (job.request, job.state, job.cancelling) == (Download(NAME), "running", False)
    far = advance(job)
    assert far.phase == "download"
    assert CHUNK_BYTES <= far.bytes_done < far.bytes_total == len(released.body)
    assert far.at >= job.started > time.time() - 3600

    with pytest.raises(RunRunning, match=f"the job 'Download {NAME}' is running; wait for it or cancel it"):
        jobs.start(Download(NAME), data, bundled=bundled)
    with pytest.raises(RunRunning):
        ingest(data / "downloads" / NAME, data, bundled)
    with pytest.raises(RunRunning):
        jobs.store(data).dismiss(job.id)

    jobs.store(data).cancel(job)
    assert now(job).cancelling or not now(job).running
    job = ended(job)
    assert (job.state, job.error) == ("cancelled", None)
    part = data / "downloads" / f"{NAME}.part"
    assert visible(data) == {f"downloads/{NAME}.part"}
    assert part.read_bytes() == released.body[: part.stat().st_size]
    kept = [part.stat().st_size]

    again = jobs.start(Download(NAME), data, bundled=bundled)
    assert again.id == job.id
    until(lambda: len(released.asked) == 2)
    process_of(again).send_signal(signal.SIGTERM)
    assert ended(again).state == "cancelled"
    kept.append(part.stat().st_size)

    third = jobs.start(Download(NAME), data, bundled=bundled)
    until(lambda: len(released.asked) == 3)
    process = process_of(third)
    process.kill()
    third = ended(third)
    assert third.state == "died"
    assert third.error.startswith("its process was ended from outside (killed")
    assert third.error.endswith("start it again")
    until(lambda: not process.is_running())  # reaped, not a zombie
    kept.append(part.stat().st_size)

    released.let_go()
    assert ended(jobs.start(Download(NAME), data, bundled=bundled)).state == "done"
    assert released.asked == [None, *(f"bytes={size}-" for size in kept)]
    assert [each.id for each in jobs.store(data).all()] == [job.id]


@pytest.mark.usefixtures("here")
def test_a_download_counts_until_it_is_removed_and_when_it_is_restored(
    data: Path, bundled: Path, released: StandIn
) -> None:
    bench = Benchmark.open(data, bundled=bundled)
    [cell] = stand_in.cells_without_accuracy(1)
    before = bench.query(cell, 108, "5V")
    assert before.accuracy_source != NAME
    job = ended(jobs.start(Download(NAME), data, bundled=bundled))
    assert (job.state, job.error) == ("done", None)
    report = ingested(job)
    assert (report.records, report.cells, report.official) == (4 * stand_in.CELLS, stand_in.CELLS, True)
    assert report.output == str(data / "results" / "energy_5V9E_linscale.parquet")
    assert (data / "downloads" / NAME).read_bytes() == released.body
    assert visible(data) == {f"downloads/{NAME}", "results/energy_5V9E_linscale.parquet"} | {
        f"benchmark/{space}.parquet" for space in ("4V", "5V", "7V")
    }
    after = bench.query(cell, 108, "5V")
    assert after.accuracy_source == NAME
    assert after.validation_accuracy == pytest.approx(stand_in.accuracy(0, 108))
    assert after.energy_kwh == before.energy_kwh

    job = ended(jobs.start(SetAside("energy_5V9E_linscale.parquet"), data, bundled=bundled))
    assert (job.state, ingested(job)) == ("done", None)
    assert bench.query(cell, 108, "5V").accuracy_source != NAME
    [aside] = catalogue.set_aside(data)
    assert ended(jobs.start(BringBack(aside.name), data, bundled=bundled)).state == "done"
    assert bench.query(cell, 108, "5V").accuracy_source == NAME
    assert "no ingested source" in ended(jobs.start(SetAside("none.parquet"), data, bundled=bundled)).error


def test_a_job_beside_another_leaves_no_process(data: Path, bundled: Path, released: StandIn) -> None:
    download = fetching(data, bundled, released)
    job = ended(ingest(stand_in.write_own(released.path.with_name("own.tfrecord")), data, bundled))
    assert (job.state, ingested(job).records) == ("done", 12)
    assert now(download).running
    assert [each.id for each in jobs.store(data).all()] == [download.id, job.id]
    jobs.store(data).cancel(download)
    ended(download)
    until(lambda: not [c for c in psutil.Process().children() if "ecnas_core.runs.worker" in " ".join(_line(c))])
    assert pa.schema(pq.read_schema(ingested(job).output)).names[0] == "hash"
    assert sorted(path.name for path in job.folder.iterdir() if not path.name.startswith(".")) == [
        "events.jsonl",
        "lock",
        "log",
        "request.json",
    ]


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
    job = ended(ingest(path, data, bundled))
    assert (job.state, job.error) == (
        "died",
        "its process broke down (RuntimeError: a defect); start it again",
    )
    assert visible(data) == set()


def test_two_official_files_at_once_both_count(data: Path, bundled: Path, released: StandIn, tmp_path: Path) -> None:
    copies = [tmp_path / name / NAME for name in ("a", "b")]
    for copy in copies:
        copy.parent.mkdir()
        copy.write_bytes(released.body)
    started = [ingest(copy, data, bundled) for copy in copies]
    assert [ended(job).state for job in started] == ["done", "done"]
    assert catalogue.left_behind(Benchmark.open(data, bundled=bundled)) == []
    assert pq.read_metadata(data / "results" / "energy_5V9E_linscale.parquet").num_rows == 4 * stand_in.CELLS


def test_cancel_while_deriving_changes_nothing(data: Path, bundled: Path, released: StandIn) -> None:
    data.mkdir()
    with intake.exclusive_write(data):  # the job comes as far as this and waits
        job = ingest(released.path, data, bundled)
        until(lambda: advance(now(job)).phase == "derive")
        jobs.store(data).cancel(job)
        assert ended(job).state == "cancelled"
    assert visible(data) == set()
    assert list(job.folder.glob(".intake-*")) == []


@pytest.mark.usefixtures("here")
def test_failure_says_what_is_wrong_and_is_dismissed(data: Path, bundled: Path, tmp_path: Path) -> None:
    path = tmp_path / "no.tfrecord"
    path.write_bytes(b"this is no TFRecord file at all, is it")
    job = ended(ingest(path, data, bundled))
    assert job.state == "failed"
    assert "record 1, byte 0" in job.error
    assert "fetch or copy it again" in job.error
    missing = ended(ingest(tmp_path / "missing.tfrecord", data, bundled))
    assert (missing.state, advance(missing).bytes_total) == ("failed", 0)
    assert "missing.tfrecord: there is no such file" in missing.error or "check the path" in missing.error
    jobs.store(data).dismiss(job.id)
    assert [each.id for each in jobs.store(data).all()] == [missing.id]
    assert not job.folder.exists()


@pytest.mark.usefixtures("here")
def test_server_that_refuses_is_told_as_the_download_tells_it(data: Path, bundled: Path, released: StandIn) -> None:
    released.status = 404
    job = ended(jobs.start(Download(NAME), data, bundled=bundled))
    assert (job.state, job.error) == ("failed", f"{released.url}/{NAME} answers 404 Not Found; check the base address")


@pytest.mark.usefixtures("here")
def test_machine_that_is_offline(data: Path, bundled: Path, released: StandIn) -> None:
    job = ended(jobs.start(Download(NAME, "http://127.0.0.1:9"), data, bundled=bundled))
    assert job.state == "failed"
    assert "the server cannot be reached" in job.error
    assert "a new call goes on from there" in job.error


def test_unknown_official_file_is_refused_at_once(data: Path) -> None:
    with pytest.raises(UnknownFile, match="did you mean"):
        jobs.start(Download("energy_7V9E_surogate.tfrecord"), data)
    assert jobs.store(data).all() == []


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written to"):
        ingest(tmp_path / "a", tmp_path / "file", BUNDLED)


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
