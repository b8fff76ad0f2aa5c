"""From the payloads of TFRecords to checked rows of the RESULTS schema.

Two intervals meet in one record of EC-NAS-Bench. Energy, time, carbon and accuracy are those of its last evaluation,
which the paper's tables sum. Watts and joules are means and sums over the whole run, start-up and evaluation passes
included, so they belong to `total_energy`: (GPU J + CPU J) / 3.6e6 x 1.59 is that total to its last digit on the
one-socket machines (RTX 3060, RTX 3090). On the others (Quadro RTX 6000, TITAN Xp) records name one of two sockets,
`cpu:0`, and the identity lacks 20 % or so. In files scaled from 4 epochs the readings stay those of
the 4-epoch run; such rows get none.
"""

from __future__ import annotations

import binascii
import json
import math
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecnas_core.benchmark.messages import UNREAD, Evaluation, InvalidMessage, Metrics, decode
from ecnas_core.benchmark.official import OfficialFile, Provenance
from ecnas_core.benchmark.schema import RESULTS
from ecnas_core.benchmark.tfrecord import FRAME_BYTES, Location, RecordError
from ecnas_core.cells import OPERATIONS, Cell, InvalidCell

EPOCHS = (4, 12, 36, 108)
PUE = 1.59
JOULES_PER_KWH = 3.6e6
MAX_MATRIX_VERTICES = 32
_FIELD_TYPES = [str, int, str, str, str]
_JSON = json.JSONDecoder()
_LARGEST = [1.0 if name.endswith("_accuracy") else sys.float_info.max for name in Evaluation._fields]
_ROW = [name for name in RESULTS.names if name not in ("repeat", "source", "official")]
_VENDOR = re.compile(r"^(NVIDIA )?(GeForce )?")


class NotJson(RecordError):
    """The payload is not a JSON document."""

    remedy = "give a file of EC-NAS-Bench or NAS-Bench-101"


class WrongFields(RecordError):
    """The JSON document is not the five fields of a record."""

    remedy = "a record is [hash, epochs, adjacency, operations, base64 of protobuf]: an integer among four strings"


class InvalidEpochs(RecordError):
    """A training budget that the benchmark does not have."""

    remedy = "the benchmark's budgets are 4, 12, 36 and 108 epochs"


class MatrixNotSquare(RecordError):
    """The adjacency's length is the square of no number of vertices."""

    remedy = "write all rows of the matrix, one digit 0 or 1 an entry"


class OperationsMismatch(RecordError):
    """The matrix has more or fewer vertices than there are operations."""

    remedy = "name one operation a vertex, with input and output"


class UnknownOperation(RecordError):
    """An operation that NAS-Bench-101 does not have."""

    remedy = f"use {', '.join(OPERATIONS)}"


class NotACell(RecordError):
    """The matrix and the operations are no cell of NAS-Bench-101."""

    remedy = "leave the record out or correct it"


class HashMismatch(RecordError):
    """The record's hash is not that of its own matrix and operations."""

    remedy = "correct the hash or the matrix"


class BadBase64(RecordError):
    """The metrics are not base64."""

    remedy = "encode the protobuf message with base64"


class BadProtobuf(RecordError):
    """The metrics are no message of the benchmark."""

    remedy = "encode the message that EC-NAS-Bench or NAS-Bench-101 defines"


class ParametersMismatch(RecordError):
    """The message's trainable parameters are not those of the cell."""

    remedy = "correct the message or the matrix"


class ImpossibleValue(RecordError):
    """A number that such a metric cannot have."""

    remedy = "leave out the field where the value is not known"


class _Refusal(Exception):
    """What is wrong with a payload, before it is known where the record stands."""

    def __init__(self, kind: type[RecordError], reason: str) -> None:
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = reason


class KnownCell(NamedTuple):
    """A row of the table."""

    vertices: int
    edge_bits: int
    ops_digits: str
    trainable_parameters: int


class KnownCells:
    """The table of all cells, sorted by hash, for a look-up in place of the module hash, which takes 0.1 ms.

    A record's cell that stands there as it stands in the record has the table's hash and parameters; of any other the
    hash is computed.
    """

    def __init__(self, path: Path) -> None:
        """Read `cells.parquet` of the project's data; a missing file is an empty table."""
        self._hashes: NDArray[np.bytes_] = np.empty(0, dtype="S32")
        if path.is_file():
            names = ["hash", "ops", "vertices", "edge_bits", "trainable_parameters"]
            with pq.ParquetFile(path, read_dictionary=["ops"]) as file:
                table = file.read(columns=names, use_threads=False).combine_chunks()
            hashes, ops, *numbers = (table[name].chunk(0) for name in names)
            self._hashes = np.array(hashes.cast(pa.binary()).cast(pa.binary(32)).buffers()[1]).view("S32")
            self._ops_digits: list[str] = ops.dictionary.to_pylist()
            self._columns = [_numbers(column) for column in (ops.indices, *numbers)]
            del table, hashes, ops, numbers
            pa.default_memory_pool().release_unused()

    def get(self, module_hash: str) -> KnownCell | None:
        """Return the cell with this hash, or None where the table has none."""
        key = module_hash.encode(errors="replace")
        at = int(np.searchsorted(self._hashes, key))
        if at == len(self._hashes) or self._hashes[at] != key:
            return None
        ops, vertices, edge_bits, parameters = (int(column[at]) for column in self._columns)
        return KnownCell(vertices, edge_bits, self._ops_digits[ops], parameters)


class Batch(NamedTuple):
    """Successive records.

    Attributes:
        number: number in the file of the first of them, from 1.
        offset: the byte at which it begins.
        payloads: what they hold.
    """

    number: int
    offset: int
    payloads: list[bytes]

    def location(self, path: Path, index: int) -> Location:
        """Return where the record at this index begins; the index behind the last gives the batch's end."""
        before = self.payloads[:index]
        return Location(path, self.number + index, self.offset + sum(map(len, before)) + FRAME_BYTES * index)


class RecordReader:
    """Turns the records of one file into rows."""

    def __init__(self, path: Path, official: OfficialFile | None, known_cells: KnownCells) -> None:
        """Read for one file.

        Args:
            path: the file, named in errors and in the column `source`.
            official: which released file it is; None for a user's own.
            known_cells: cells whose hash need not be computed.
        """
        self._path = path
        self._official = official
        self._known = known_cells
        self._trainable_parameters = lru_cache(maxsize=1 << 12)(self._check_cell)

    def read(self, batch: Batch) -> pa.RecordBatch:
        """Check records and tabulate them.

        Args:
            batch: successive records of the file.

        Returns:
            One row a record in schema RESULTS; `repeat`, which depends on the records before, is null.

        Raises:
            RecordError: the first record that is not as it should be.
        """
        rows: list[tuple[Any, ...]] = []
        try:
            rows.extend(map(self._row, batch.payloads))
        except _Refusal as refusal:
            raise refusal.kind(batch.location(self._path, len(rows)), refusal.reason) from refusal
        columns = dict(zip(_ROW, zip(*rows, strict=True), strict=True))
        constants = {"repeat": None, "source": self._path.name, "official": self._official is not None}
        return pa.RecordBatch.from_arrays(
            [
                pa.array(columns[field.name], field.type, from_pandas=True)
                if field.name in columns
                else pa.repeat(pa.scalar(constants[field.name], field.type), len(rows))
                for field in RESULTS
            ],
            schema=RESULTS,
        )

    def _row(self, payload: bytes) -> tuple[Any, ...]:
        """Return the values of the columns `_ROW`; None and NaN become null."""
        module_hash, epochs, adjacency, operations, encoded = _fields(payload)
        parameters = self._trainable_parameters(module_hash, adjacency, operations)
        metrics = _metrics(encoded)
        benchmark, result, stated_parameters, _, total_energy, gpu, _ = metrics
        if stated_parameters != parameters and stated_parameters is not None:
            _refuse(ParametersMismatch, f"{stated_parameters} trainable parameters for a cell of {parameters}")
        _check_result(result)
        _, time, train, validation, test, energy, co2eq, intensity = result
        run = _Run.of(metrics)
        cost: Provenance
        accuracy: Provenance
        if self._official is not None:
            cost, accuracy = self._official.energy_provenance(epochs), self._official.accuracy
        elif benchmark == "nasbench-101":
            cost = accuracy = "published"
        else:
            cost, accuracy = "scaled" if run.is_shorter_than(metrics) else "measured", "measured"
        has_energy = energy == energy
        return (
            module_hash,
            epochs,
            _device(gpu.devices),
            validation,
            test,
            train,
            time,
            energy,
            PUE if has_energy and (self._official or run.has_pue(total_energy)) else None,
            *(run if cost == "measured" else _UNMEASURED),
            co2eq,
            intensity,
            cost if has_energy else None,
            accuracy if validation == validation or test == test or train == train else None,
            cost if time == time else None,
        )

    def _check_cell(self, module_hash: str, adjacency: str, operations: str) -> int:
        """Return the trainable parameters of the cell that these three describe alike."""
        known = self._known.get(module_hash)
        if known is not None and known[:3] == (*_edge_bits(adjacency), _ops_digits(operations)):
            return known.trainable_parameters
        cell = _cell(adjacency, operations)
        if cell.hash != module_hash:
            _refuse(HashMismatch, f"hash {_excerpt(module_hash)} for a cell whose hash is {cell.hash}")
        return cell.trainable_parameters


class _Run(NamedTuple):
    """Readings over the whole run, devices summed; None where there are none."""

    gpu_energy_j: float | None
    cpu_energy_j: float | None
    gpu_power_w: float | None
    cpu_power_w: float | None

    @classmethod
    def of(cls, metrics: Metrics) -> _Run:
        if metrics.gpu is metrics.cpu is UNREAD:
            return _UNMEASURED
        return cls(
            _total("GPU energy", metrics.gpu.joules),
            _total("CPU energy", metrics.cpu.joules),
            _total("GPU power", metrics.gpu.watts),
            _total("CPU power", metrics.cpu.watts),
        )

    def is_shorter_than(self, metrics: Metrics) -> bool:
        """Whether the readings cover less than the times of the record: those were multiplied.

        In all official records that are measured the quotient is at most 1.07, in those that are scaled at least 1.25.
        """
        energy, power = (
            (self.gpu_energy_j, self.gpu_power_w) if self.gpu_power_w else (self.cpu_energy_j, self.cpu_power_w)
        )
        if not energy or not power:
            return False
        covered = 1.15 * energy / power
        return metrics.result.training_time > covered or metrics.total_time > covered

    def has_pue(self, total_energy: float) -> bool:
        """Whether the total is the readings times the PUE, to the rounding of the total and of the mean power."""
        if not self.gpu_energy_j or not self.cpu_energy_j:
            return False
        expected = (self.gpu_energy_j + self.cpu_energy_j) / JOULES_PER_KWH * PUE
        return math.isclose(total_energy, expected, rel_tol=1e-3)


_UNMEASURED = _Run(None, None, None, None)


def _numbers(column: pa.Array) -> NDArray[np.int32]:
    """Copy an Arrow column of integers; its own `to_numpy` imports pandas, 40 MB a process."""
    return np.frombuffer(column.cast(pa.int32()).buffers()[1], dtype=np.int32, count=len(column)).copy()


def _fields(payload: bytes) -> tuple[str, int, str, str, str]:
    try:
        fields = _JSON.decode(payload.decode())
    except (ValueError, RecursionError) as error:
        raise _Refusal(NotJson, f"the payload {_excerpt(payload)} is not JSON") from error
    if not isinstance(fields, list):
        _refuse(WrongFields, f"a JSON {type(fields).__name__} where a list is expected")
    kinds = [type(field) for field in fields]
    if kinds != _FIELD_TYPES:
        _refuse(WrongFields, f"fields of types {', '.join(kind.__name__ for kind in kinds[:6]) or 'none'}")
    module_hash, epochs, adjacency, operations, encoded = fields
    if epochs not in EPOCHS:
        _refuse(InvalidEpochs, f"a training budget of {_excerpt(epochs)} epochs")
    return module_hash, epochs, adjacency, operations, encoded


def _metrics(encoded: str) -> Metrics:
    try:
        data = binascii.a2b_base64(encoded.replace("\n", ""), strict_mode=True)
    except ValueError as error:
        raise _Refusal(BadBase64, f"the metrics {_excerpt(encoded)} are not base64") from error
    try:
        return decode(data)
    except InvalidMessage as error:
        raise _Refusal(BadProtobuf, str(error)) from error


def _cell(adjacency: str, operations: str) -> Cell:
    vertices = math.isqrt(len(adjacency))
    names = operations.split(",")
    if vertices**2 != len(adjacency):
        _refuse(MatrixNotSquare, f"an adjacency of {len(adjacency)} digits, which is no square")
    if len(names) != vertices:
        _refuse(OperationsMismatch, f"{len(names)} operations for {vertices} vertices")
    for name in names[1:-1]:
        if name not in OPERATIONS:
            _refuse(UnknownOperation, f"unknown operation {_excerpt(name)}")
    if vertices > MAX_MATRIX_VERTICES:
        _refuse(NotACell, f"a matrix of {vertices} vertices, more than {MAX_MATRIX_VERTICES}")
    if not set(adjacency) <= {"0", "1"}:
        _refuse(NotACell, f"the adjacency {_excerpt(adjacency)} has other digits than 0 and 1")
    rows = [[int(digit) for digit in adjacency[x * vertices : (x + 1) * vertices]] for x in range(vertices)]
    try:
        return Cell(rows, names)
    except InvalidCell as error:
        raise _Refusal(NotACell, str(error)) from error


@lru_cache(maxsize=1 << 15)
def _edge_bits(adjacency: str) -> tuple[int, int | None]:
    """Return vertices and edges of an upper-triangular matrix of 0 and 1, row by row; None as edges of any other."""
    vertices = math.isqrt(len(adjacency))
    if vertices**2 != len(adjacency) or adjacency.count("0") + adjacency.count("1") != len(adjacency):
        return vertices, None
    ones = [divmod(at, vertices) for at, digit in enumerate(adjacency) if digit == "1"]
    if any(x >= y for x, y in ones):
        return vertices, None
    return vertices, sum(1 << (x + y * (y - 1) // 2) for x, y in ones)


@lru_cache(maxsize=1 << 10)
def _ops_digits(operations: str) -> str | None:
    """Return the digits of comma-separated operations between input and output; None for any other text."""
    first, *interior, last = operations.split(",") if "," in operations else ("", "")
    if (first, last) != ("input", "output") or not set(interior) <= set(OPERATIONS):
        return None
    return "".join(str(OPERATIONS.index(name)) for name in interior)


def _check_result(result: Evaluation) -> None:
    for name, value, largest in zip(Evaluation._fields, result, _LARGEST, strict=True):
        if value < 0 or value > largest:
            _refuse(ImpossibleValue, f"{name} is {value}, which is not within 0..{largest:g}")
    if result.energy == 0:
        _refuse(ImpossibleValue, "energy is 0")


@lru_cache(maxsize=1 << 8)
def _device(names: tuple[str, ...]) -> str | None:
    """Return the GPUs' names without vendor and brand."""
    return ", ".join(_VENDOR.sub("", name).replace("TITAN", "Titan") for name in names) or None


def _excerpt(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse(kind: type[RecordError], reason: str) -> NoReturn:
    raise _Refusal(kind, reason)
