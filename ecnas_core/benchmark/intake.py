"""Taking files into the user's folder and out of it; the view ``benchmark`` follows where they are official.

What changes is prepared in a folder of its own and renamed into place at the end: an error, a cancel or a kill before
leaves everything as it was.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ecnas_core import files
from ecnas_core.benchmark import layout
from ecnas_core.benchmark.derive import DERIVED, derive
from ecnas_core.benchmark.ingest import IngestReport, OutputError, ingest
from ecnas_core.benchmark.progress import Progress
from ecnas_core.errors import Cancelled, EcnasError

_POLL_S = 0.1

Cancel = Callable[[], bool] | None


class DataBusy(EcnasError):
    """Another process is changing the same folder."""

    exit_status = 1


class DeriveFailed(EcnasError):
    """The benchmark could not be derived from the results."""

    exit_status = 1


def take_in(
    path: Path,
    data: Path,
    progress: Callable[[Progress], None] | None = None,
    cancel: Cancel = None,
    *,
    bundled: Path = layout.BUNDLED,
    work: Path | None = None,
) -> IngestReport:
    """Ingest a TFRecord file into the user's folder; an official one then counts in the view ``benchmark``.

    A user's own file is in the view ``results`` alone: it may be of another device and another energy scale.

    Args:
        path: the file.
        data: the user's folder.
        progress: as for ``ingest``.
        cancel: as for ``ingest``; it also ends the derivation that follows.
        bundled: folder of the bundled figures.
        work: folder to prepare the change in, on the disk of ``data``; by default ``data``.

    Returns:
        The report of the ingest.

    Raises:
        FileError, RecordError, Cancelled, OutputError, WorkerDied: as ``ingest``.
        DeriveFailed: the benchmark could not follow; nothing has changed.
    """
    with staging(data, work) as stage:
        report = ingest(path, stage, progress, cancel)
        with exclusive_write(data, cancel):
            commit(stage, data, cancel=cancel, bundled=bundled)
    return replace(report, output=data / "results" / report.output.name)


@contextlib.contextmanager
def staging(data: Path, work: Path | None = None) -> Iterator[Path]:
    """A new folder in which to prepare a change of the user's folder; it is gone afterwards.

    Args:
        data: the user's folder, made if absent.
        work: where to make the new one, on the same disk; by default in ``data``.

    Raises:
        OutputError: the folder cannot be written to.
    """
    with contextlib.ExitStack() as stack:
        try:
            data.mkdir(parents=True, exist_ok=True)
            made = _staged(work or data, stack)
        except OSError as error:
            raise OutputError(f"{data}: cannot write ({error.strerror}); check space and permissions") from error
        yield made.resolve()


def _staged(place: Path, stack: contextlib.ExitStack) -> Path:
    """A new folder that goes with the context; those that killed processes left go too."""
    with files.wait_lock(place / ".intake.lock"):
        for left in place.glob(".intake-*/lock"):
            if not files.is_locked(left):
                shutil.rmtree(left.parent)
        made = Path(stack.enter_context(TemporaryDirectory(prefix=".intake-", dir=place)))
        stack.enter_context(files.wait_lock(made / "lock"))
    return made


@contextlib.contextmanager
def exclusive_write(data: Path, cancel: Cancel = None, *, wait: bool = True) -> Iterator[None]:
    """Be the only one to change a user's folder; the system ends this with the process.

    Args:
        data: the user's folder.
        cancel: polled while another process is at it.
        wait: whether to wait for that one.

    Raises:
        DataBusy: another process is at it, and not to be waited for.
        Cancelled: ``cancel`` said so.
    """
    while (lock := files.try_lock(data / ".changing.lock")) is None:
        if not wait:
            raise DataBusy("a job is changing the data at this moment; try again when it has ended, or cancel it")
        _go_on(cancel)
    with lock:
        yield


def commit(
    stage: Path,
    data: Path,
    leaving: Sequence[Path] = (),
    aside: Path | None = None,
    *,
    cancel: Cancel = None,
    bundled: Path = layout.BUNDLED,
    anew: bool = False,
) -> None:
    """Let results arrive in and leave the user's folder, and the derived files follow, within ``exclusive_write``.

    Args:
        stage: folder of ``staging``, what arrives in its ``results``.
        data: the user's folder.
        leaving: results of the user's folder that leave.
        aside: the folder that they go to, and with the last official one the derived files.
        cancel: polled until the files are moved.
        bundled: folder of the bundled figures.
        anew: whether to derive even if no official result arrives or leaves.

    Raises:
        Cancelled: ``cancel`` said so; nothing has changed.
        DeriveFailed: nothing has changed.
    """
    arriving = sorted((stage / "results").glob("*.parquet"))
    moves = {path: data / "results" / path.name for path in arriving}
    if aside is not None:
        moves |= {path: aside / "results" / path.name for path in leaving}
    if anew or any(layout.is_official(path) for path in [*arriving, *leaving]):
        (stage / "results").mkdir(exist_ok=True)
        for path in (data / "results").glob("*.parquet"):
            if path not in leaving and not (stage / "results" / path.name).exists():
                (stage / "results" / path.name).symlink_to(path.resolve())
        results = layout.scan(stage, bundled).files["results"]
        if any(path.is_relative_to(stage) and layout.is_official(path) for path in results):
            _derive(bundled / "benchmark" / "7V.parquet", results, stage / "benchmark", cancel)
            moves |= {stage / "benchmark" / name: data / "benchmark" / name for name in DERIVED}
        elif aside is not None:
            moves |= {path: aside / "benchmark" / path.name for path in (data / "benchmark").glob("*.parquet")}
    _go_on(cancel)
    move(moves)


def move(moves: Mapping[Path, Path]) -> None:
    """Rename files, making the folders they go to.

    Raises:
        OutputError: a folder cannot be written to.
    """
    for source, target in moves.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        except OSError as error:
            raise OutputError(f"{target}: cannot write ({error.strerror}); check space and permissions") from error


def _go_on(cancel: Cancel) -> None:
    if cancel is not None and cancel():
        raise Cancelled("cancelled, nothing has changed; start again when you like")


def _derive(cells: Path, results: tuple[Path, ...], out: Path, cancel: Cancel) -> None:
    """Derive the files; where it can be cancelled, in a process that can be ended at any moment."""
    if cancel is None:
        derive(cells, results, out)
        return
    process = multiprocessing.get_context("spawn").Process(target=derive, args=(cells, results, out), daemon=True)
    process.start()
    try:
        while process.is_alive():
            _go_on(cancel)
            process.join(_POLL_S)
    finally:
        process.kill()
        process.join()
    if process.exitcode:
        raise DeriveFailed(
            f"deriving the benchmark failed (exit status {process.exitcode}), perhaps for memory or space; "
            "free some and try again"
        )
