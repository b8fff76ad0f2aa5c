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
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core.benchmark.messages import Evaluation, InvalidMessage, Metrics, decode
from ecnas_core.benchmark.official import OfficialFile, Provenance
from ecnas_core.benchmark.schema import RESULTS
from ecnas_core.benchmark.tfrecord import Location, Record, RecordError
from ecnas_core.cells import OPERATIONS, Cell, InvalidCell

EPOCHS = (4, 12, 36, 108)
PUE = 1.59
JOULES_PER_KWH = 3.6e6
MAX_MATRIX_VERTICES = 32
_DIGITS = {name: str(digit) for digit, name in enumerate(OPERATIONS)}
_LARGEST = {name: 1.0 if name.endswith("_accuracy") else sys.float_info.max for name in Evaluation._fields}
_VENDOR = re.compile(r"^(NVIDIA )?(GeForce )?")


class NotJson(RecordError):
    """The payload is not a JSON document."""

    remedy = "give a file of EC-NAS-Bench or NAS-Bench-101"


class WrongFields(RecordError):
    """The JSON document is not the five fields of a record."""

    remedy = "a record is [module hash, epochs, adjacency, operations, base64 of a protobuf message]"


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


class _Known(NamedTuple):
    vertices: int
    edge_bits: int
    ops_digits: str
    trainable_parameters: int


class KnownCells:
    """The table of all cells, for a look-up in place of the module hash, which takes 0.1 ms.

    A record's cell that stands there as it stands in the record has the table's hash and parameters; of any other the
    hash is computed.
    """

    def __init__(self, path: Path) -> None:
        """Read `cells.parquet` of the project's data; a missing file is an empty table."""
        if path.is_file():
            table = pq.read_table(path, columns=["hash", "vertices", "edge_bits", "ops", "trainable_parameters"])
            hashes = np.array(table["hash"].to_pylist(), dtype="S32")
            order = np.argsort(hashes)
            self._hashes = hashes[order]
            self._vertices = table["vertices"].to_numpy()[order]
            self._edge_bits = table["edge_bits"].to_numpy()[order]
            self._ops = np.array(table["ops"].to_pylist(), dtype="S5")[order]
            self._parameters = table["trainable_parameters"].to_numpy()[order]
        else:
            self._hashes = np.empty(0, dtype="S32")

    def get(self, module_hash: str) -> _Known | None:
        """Return the cell with this hash, or None where the table has none."""
        key = np.bytes_(module_hash, "utf-8", "surrogatepass")
        at = int(np.searchsorted(self._hashes, key))
        if at == len(self._hashes) or self._hashes[at] != key:
            return None
        return _Known(
            int(self._vertices[at]),
            int(self._edge_bits[at]),
            self._ops[at].decode(),
            int(self._parameters[at]),
        )


class RecordReader:
    """Turns the records of one file into rows.

    Attributes:
        path: the file, named in errors and in the column `source`.
        official: which released file it is; None for a user's own.
    """

    def __init__(self, path: Path, official: OfficialFile | None, known_cells: Path) -> None:
        self.path = path
        self.official = official
        self._source = path.name
        self._known = KnownCells(known_cells)
        self._trainable_parameters = lru_cache(maxsize=1 << 12)(self._check_cell)

    def read(self, records: Sequence[Record]) -> pa.RecordBatch:
        """Check records and tabulate them.

        Args:
            records: of the file.

        Returns:
            One row a record in schema RESULTS; `repeat`, which depends on the records before, is null.

        Raises:
            RecordError: the first record that is not as it should be.
        """
        columns = zip(*self._rows(records), strict=True)
        return pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, RESULTS, strict=True)], schema=RESULTS
        )

    def _rows(self, records: Sequence[Record]) -> Iterator[tuple[Any, ...]]:
        for number, offset, payload in records:
            try:
                yield self._row(payload)
            except _Refusal as refusal:
                raise refusal.kind(Location(self.path, number, offset), refusal.reason) from refusal

    def _row(self, payload: bytes) -> tuple[Any, ...]:
        module_hash, epochs, adjacency, operations, encoded = _fields(payload)
        expected_parameters = self._trainable_parameters(module_hash, adjacency, operations)
        metrics = _metrics(encoded)
        if metrics.trainable_parameters not in (None, expected_parameters):
            _refuse(
                ParametersMismatch,
                f"{metrics.trainable_parameters} trainable parameters for a cell of {expected_parameters}",
            )
        _, time, train, validation, test, energy, co2eq, intensity = metrics.result
        _check_result(metrics.result)
        run = _Run.of(metrics)
        cost_provenance, accuracy_provenance = self._provenances(metrics, epochs, run)
        own_run = run if cost_provenance == "measured" else _UNMEASURED
        return (
            module_hash,
            epochs,
            None,
            _device(metrics.gpu.devices),
            self._source,
            self.official is not None,
            validation,
            test,
            train,
            time,
            energy,
            PUE if energy is not None and (self.official or run.has_pue(metrics.total_energy)) else None,
            *own_run,
            co2eq,
            intensity,
            None if energy is None else cost_provenance,
            None if validation is test is train is None else accuracy_provenance,
            None if time is None else cost_provenance,
        )

    def _provenances(self, metrics: Metrics, epochs: int, run: _Run) -> tuple[Provenance, Provenance]:
        if self.official is not None:
            return self.official.energy_provenance(epochs), self.official.accuracy
        if metrics.benchmark == "nasbench-101":
            return "published", "published"
        return "scaled" if run.is_shorter_than(metrics) else "measured", "measured"

    def _check_cell(self, module_hash: str, adjacency: str, operations: str) -> int:
        names = tuple(operations.split(","))
        vertices = math.isqrt(len(adjacency))
        if vertices**2 != len(adjacency):
            _refuse(MatrixNotSquare, f"an adjacency of {len(adjacency)} digits, which is no square")
        if len(names) != vertices:
            _refuse(OperationsMismatch, f"{len(names)} operations for {vertices} vertices")
        for name in names[1:-1]:
            if name not in _DIGITS:
                _refuse(UnknownOperation, f"unknown operation {_excerpt(name)}")
        known = self._known.get(module_hash)
        if known is not None and (names[0], names[-1]) == ("input", "output"):
            digits = "".join([_DIGITS[name] for name in names[1:-1]])
            if known[:3] == (vertices, _edge_bits(adjacency), digits):
                return known.trainable_parameters
        cell = _cell(adjacency, vertices, names)
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
        claimed = max(metrics.result.training_time or 0.0, metrics.total_time or 0.0)
        return claimed > 1.15 * energy / power

    def has_pue(self, total_energy: float | None) -> bool:
        """Whether the total is the readings times the PUE, to the rounding of the total and of the mean power."""
        if not total_energy or not self.gpu_energy_j or not self.cpu_energy_j:
            return False
        expected = (self.gpu_energy_j + self.cpu_energy_j) / JOULES_PER_KWH * PUE
        return math.isclose(total_energy, expected, rel_tol=1e-3)


_UNMEASURED = _Run(None, None, None, None)


def _fields(payload: bytes) -> tuple[str, int, str, str, str]:
    try:
        fields = json.loads(payload.decode())
    except (ValueError, RecursionError) as error:
        raise _Refusal(NotJson, f"the payload {_excerpt(payload)} is not JSON") from error
    if not isinstance(fields, list) or len(fields) != 5:
        size = f"{len(fields)} fields" if isinstance(fields, list) else f"a JSON {type(fields).__name__}"
        _refuse(WrongFields, f"{size} where a list of 5 is expected")
    module_hash, epochs, adjacency, operations, encoded = fields
    for name, value in (
        ("hash", module_hash),
        ("adjacency", adjacency),
        ("operations", operations),
        ("base64", encoded),
    ):
        if type(value) is not str:
            _refuse(WrongFields, f"the {name} is a {type(value).__name__}, not a string")
    if type(epochs) is not int or epochs not in EPOCHS:
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


def _cell(adjacency: str, vertices: int, names: Sequence[str]) -> Cell:
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
def _edge_bits(adjacency: str) -> int | None:
    """Return the edges of an upper-triangular matrix of 0 and 1, written row by row; None for any other."""
    vertices = math.isqrt(len(adjacency))
    if adjacency.count("0") + adjacency.count("1") != len(adjacency):
        return None
    ones = [divmod(at, vertices) for at, digit in enumerate(adjacency) if digit == "1"]
    if any(x >= y for x, y in ones):
        return None
    return sum(1 << (x + y * (y - 1) // 2) for x, y in ones)


def _total(name: str, readings: Sequence[float]) -> float | None:
    """Return the sum; none, and a sum of 0, are no reading."""
    for reading in readings:
        _check_amount(name, reading)
    return sum(readings) or None


def _check_result(result: Evaluation) -> None:
    for name, value in zip(Evaluation._fields, result, strict=True):
        if value is not None and not 0 <= value <= _LARGEST[name]:
            _refuse(ImpossibleValue, f"{name} is {value}, which is not within 0..{_LARGEST[name]:g}")
    if result.energy == 0:
        _refuse(ImpossibleValue, "energy is 0")


def _check_amount(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value < math.inf:
        _refuse(ImpossibleValue, f"{name} is {value}, negative or not finite")


@lru_cache(maxsize=1 << 8)
def _device(names: tuple[str, ...]) -> str | None:
    """Return the GPUs' names without vendor and brand."""
    return ", ".join(_VENDOR.sub("", name).replace("TITAN", "Titan") for name in names) or None


def _excerpt(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse(kind: type[RecordError], reason: str) -> NoReturn:
    raise _Refusal(kind, reason)
