"""TFRecord files of EC-NAS-Bench and NAS-Bench-101 become Parquet files in schema RESULTS."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core.benchmark.official import EPOCHS, OFFICIAL, OfficialFile, by_sha256
from ecnas_core.benchmark.progress import Progress
from ecnas_core.benchmark.records import Batch, KnownCells, RecordReader
from ecnas_core.benchmark.schema import RESULTS
from ecnas_core.benchmark.tfrecord import FileError, RecordError, open_file, printable, read_records
from ecnas_core.errors import Cancelled, EcnasError

KNOWN_CELLS = Path(__file__).parents[2] / "data" / "benchmark" / "7V.parquet"
WORKERS = 2
POOL_FROM_BYTES = 20_000_000
_BATCH_RECORDS = 4096
_BATCHES_AHEAD = 2 * WORKERS
_ROW_GROUP_ROWS = 16 * _BATCH_RECORDS
_MAX_REPEATS = 127
_SPLIT_COLUMNS = ["validation_accuracy", "test_accuracy", "train_accuracy", "training_time_s", "energy_kwh", "co2eq_g"]

_Batches = Generator[tuple[pa.RecordBatch, int], None, None]


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        file: the file read.
        records: records in it, rows in the output.
        cells: distinct cells.
        official: whether it is, byte for byte, a file that EC-NAS-Bench released.
        seconds: wall-clock time.
        output: the Parquet file written.
        sha256: of the file read, hexadecimal.
    """

    file: Path
    records: int
    cells: int
    official: bool
    seconds: float
    output: Path
    sha256: str


class OutputError(EcnasError):
    """The Parquet file cannot be written."""

    exit_status = 1


class FileChanged(FileError):
    """The file was written to while it was read."""

    remedy = "ingest it again when it is complete"


class TooManyRepeats(FileError):
    """A cell occurs more often at one budget than the schema can count."""

    remedy = f"at most {_MAX_REPEATS} records of one cell and budget are taken: leave the others out"


class WorkerDied(EcnasError):
    """A worker process ended without an answer."""

    exit_status = 1


def ingest(
    path: Path,
    out_dir: Path,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    *,
    known_cells: Path = KNOWN_CELLS,
) -> IngestReport:
    """Check a TFRecord file and write it as a Parquet file in `<out_dir>/results/`, replacing what stands there.

    An official file keeps its name; a user's own carries the start of its checksum, so that it cannot stand in for one.
    The output appears when all is written; an error, a cancel or Ctrl-C leaves nothing. Rows stand in file order.
    Files from 20 MB are parsed by two worker processes.

    Args:
        path: the file, of EC-NAS-Bench or NAS-Bench-101.
        out_dir: a data folder.
        progress: called a few times a second with what is done.
        cancel: asked as often; True stops the work.
        known_cells: table of cells that saves computing their hashes; it may be missing.

    Returns:
        The report.

    Raises:
        FileError: the file cannot be read.
        RecordError: a record of it is damaged or is not of the benchmark; the first in the file.
        Cancelled: `cancel` said so.
        OutputError: the output cannot be written.
        WorkerDied: a worker process was killed.
    """
    started = time.monotonic()
    with open_file(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        official = _identify(stream, size)
    tabulate = _tabulate_in_pool if size >= POOL_FROM_BYTES else _tabulate
    digest = hashlib.sha256()
    repeats: dict[str, int] = {}
    rows = 0
    with (
        _Output(out_dir / "results") as parquet,
        closing(tabulate(path, official, known_cells, digest.update)) as batches,
    ):
        for batch, bytes_done in batches:
            parquet.write(_count_repeats(path, batch, repeats))
            rows += batch.num_rows
            if progress is not None:
                progress(Progress(bytes_done, size, rows, time.monotonic() - started))
            if cancel is not None and cancel():
                raise Cancelled(f"{printable(path)}: cancelled, nothing was written; start the ingest again")
        sha256 = digest.hexdigest()
        if by_sha256(sha256) != official:
            raise FileChanged(path, "the file changed while it was read")
        parquet.name = f"{Path(official.name).stem if official else f'{printable(path.stem)}-{sha256[:8]}'}.parquet"
    return IngestReport(
        path, rows, len(repeats), official is not None, time.monotonic() - started, parquet.path, sha256
    )


def _identify(stream: BufferedReader, size: int) -> OfficialFile | None:
    """Return which released file it is; only one of a released file's size needs hashing to tell."""
    if size not in {file.bytes for file in OFFICIAL.values()}:
        return None
    return by_sha256(hashlib.file_digest(stream, "sha256").hexdigest())


def _tabulate(
    path: Path, official: OfficialFile | None, known_cells: Path, consume: Callable[[bytes], object]
) -> _Batches:
    """Yield the rows of the file in batches, each with the bytes of the file up to its end."""
    reader = RecordReader(path, official, KnownCells(known_cells))
    for batch in _batches(path, consume):
        yield reader.read(batch), _end(batch)


def _tabulate_in_pool(
    path: Path, official: OfficialFile | None, known_cells: Path, consume: Callable[[bytes], object]
) -> _Batches:
    """As `_tabulate`, in worker processes, a few batches ahead of what is yielded."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(WORKERS, context, _start_worker, (path, official, KnownCells(known_cells)))

    def submitted() -> Iterator[tuple[Future[pa.RecordBatch], int]]:
        end = 0
        try:
            for batch in _batches(path, consume):
                end = _end(batch)
                yield pool.submit(_read_in_worker, batch), end
        except (FileError, RecordError) as error:
            failure: Future[pa.RecordBatch] = Future()
            failure.set_exception(error)
            yield failure, end

    pending: deque[tuple[Future[pa.RecordBatch], int]] = deque()
    try:
        for task in submitted():
            pending.append(task)
            if len(pending) > _BATCHES_AHEAD:
                future, end = pending.popleft()
                yield future.result(), end
        for future, end in pending:
            yield future.result(), end
    except BrokenProcessPool as error:
        raise WorkerDied(
            f"{printable(path)}: a worker process was killed, perhaps for memory; free some and try again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(path: Path, consume: Callable[[bytes], object]) -> Iterator[Batch]:
    """Yield the records in batches; those before a damaged one too, so that the first error of the file is told."""
    batch = Batch(1, 0, [])
    try:
        for number, offset, payload in read_records(path, consume):
            if len(batch.payloads) == _BATCH_RECORDS:
                yield batch
                batch = Batch(number, offset, [])
            batch.payloads.append(payload)
    except RecordError:
        if batch.payloads:
            yield batch
        raise
    yield batch


def _end(batch: Batch) -> int:
    return batch.location(Path(), len(batch.payloads)).offset


def _count_repeats(path: Path, batch: pa.RecordBatch, seen: dict[str, int]) -> pa.RecordBatch:
    """Fill the column `repeat`; `seen` packs the counts of a cell's four budgets into one number, a byte each."""
    repeats = []
    for module_hash, epochs in zip(batch["hash"].to_pylist(), batch["epochs"].to_pylist(), strict=True):
        shift = 8 * EPOCHS.index(epochs)
        packed = seen.get(module_hash, 0) + (1 << shift)
        repeat = packed >> shift & 0xFF
        if repeat > _MAX_REPEATS:
            raise TooManyRepeats(path, f"cell {module_hash} occurs more than {_MAX_REPEATS} times at {epochs} epochs")
        seen[module_hash] = packed
        repeats.append(repeat)
    field = RESULTS.field("repeat")
    return batch.set_column(RESULTS.get_field_index("repeat"), field, pa.array(repeats, field.type))


class _Output:
    """A Parquet file that appears under its name on a clean exit of the context, and not at all on any other.

    Attributes:
        name: what the file is to be called; given before the exit.
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._part = folder / f".{uuid.uuid4().hex}.part"
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []

    @property
    def path(self) -> Path:
        return self._folder / self.name

    def __enter__(self) -> Self:
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        if sum(waiting.num_rows for waiting in self._waiting) >= _ROW_GROUP_ROWS:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
            if self._writer is not None:
                with self._reporting():
                    self._writer.close()
            if kind is None:
                with self._reporting():
                    self._part.replace(self.path)
        finally:
            with suppress(FileNotFoundError, NotADirectoryError):
                self._part.unlink()

    def _flush(self) -> None:
        with self._reporting():
            if self._writer is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(
                    self._part,
                    RESULTS,
                    compression="zstd",
                    use_dictionary=[name for name in RESULTS.names if name not in _SPLIT_COLUMNS],
                    use_byte_stream_split=_SPLIT_COLUMNS,
                )
            self._writer.write_table(pa.Table.from_batches(self._waiting, RESULTS))
        self._waiting.clear()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"{printable(self._folder)}: cannot write ({reason}); check space and permissions"
            ) from error


_reader: RecordReader


def _start_worker(path: Path, official: OfficialFile | None, known_cells: KnownCells) -> None:
    """Prepare a worker: Ctrl-C is the parent's affair, without a parent there is no work, and rows hold no cycles."""
    global _reader
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _reader = RecordReader(path, official, known_cells)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read_in_worker(batch: Batch) -> pa.RecordBatch:
    return _reader.read(batch)
