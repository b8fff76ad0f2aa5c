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

from ecnas_core.benchmark.message_layouts import NUMBERS, Decoded, decode_all, numbers_of
from ecnas_core.benchmark.messages import InvalidMessage, decode
from ecnas_core.benchmark.official import EPOCHS, OfficialFile
from ecnas_core.benchmark.schema import RESULTS
from ecnas_core.benchmark.tfrecord import FRAME_BYTES, Location, RecordError, printable
from ecnas_core.cells import OPERATIONS, Cell, InvalidCell

PUE = 1.59
JOULES_PER_KWH = 3.6e6
MAX_MATRIX_VERTICES = 32
_FIELD_TYPES = [str, int, str, str, str]
_JSON = json.JSONDecoder()
_LARGEST = np.array([1.0 if name.endswith("_accuracy") else sys.float_info.max for name in NUMBERS])
_ENERGY, _PARAMETERS = NUMBERS.index("energy"), NUMBERS.index("trainable_parameters")
_READINGS = ("gpu_energy_j", "cpu_energy_j", "gpu_power_w", "cpu_power_w")
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
        if len(key) != self._hashes.itemsize:  # numpy would copy the table, each hash as long as the key
            return None
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
        heads: list[_Head] = []
        failure: _Refusal | None = None
        try:
            heads.extend(map(self._head, batch.payloads))
        except _Refusal as refusal:
            failure = refusal
        decoded = decode_all([head.message for head in heads])
        for row in _suspects(decoded, heads):
            try:
                _check_metrics(heads[row])
            except _Refusal as refusal:
                raise refusal.kind(batch.location(self._path, row), refusal.reason) from refusal
        if failure is not None:
            raise failure.kind(batch.location(self._path, len(heads)), failure.reason) from failure
        return self._table(heads, decoded)

    def _table(self, heads: Sequence[_Head], decoded: Decoded) -> pa.RecordBatch:
        numbers = dict(zip(NUMBERS, decoded.numbers.T, strict=True))
        energy, time = numbers["energy"], numbers["training_time"]
        accuracies = np.stack([numbers[name] for name in NUMBERS if name.endswith("_accuracy")])
        cost, accuracy = self._provenances(heads, numbers)
        unmeasured = cost != "measured"
        columns: dict[str, Any] = {
            "hash": [head.hash for head in heads],
            "epochs": [head.epochs for head in heads],
            "device": [_device(names) for names in decoded.devices],
            "training_time_s": time,
            "energy_kwh": energy,
            "pue": np.where(~np.isnan(energy) & ((self._official is not None) | _has_pue(numbers)), PUE, np.nan),
            "co2eq_g": numbers["co2eq"],
            "carbon_intensity_g_per_kwh": numbers["avg_intensity"],
            "energy_provenance": _where(~np.isnan(energy), cost),
            "accuracy_provenance": _where(np.asarray(~np.isnan(accuracies).all(axis=0)), accuracy),
            # The times beside surrogate energies are NAS-Bench-101's own.
            "time_provenance": _where(~np.isnan(time), np.where(cost == "surrogate", "published", cost)),
        }
        for name in RESULTS.names:
            if name in numbers:
                columns[name] = np.where(unmeasured, np.nan, numbers[name]) if name in _READINGS else numbers[name]
        source = printable(self._path.name) if self._official is None else self._official.file_name
        constants = {"repeat": None, "source": source, "official": self._official is not None}
        return pa.RecordBatch.from_arrays(
            [
                pa.repeat(pa.scalar(constants[field.name], field.type), len(heads))
                if field.name in constants
                else pa.array(columns[field.name], field.type, from_pandas=True)
                for field in RESULTS
            ],
            schema=RESULTS,
        )

    def _provenances(self, heads: Sequence[_Head], numbers: _Columns) -> tuple[_Labels, _Labels]:
        """Return those of energy and time, and of accuracy."""
        if self._official is not None:
            cost = [self._official.energy_provenance(head.epochs) for head in heads]
            return np.array(cost, object), np.full(len(heads), self._official.accuracy, object)
        published = np.isnan(numbers["energy"]) & np.isnan(numbers["total_energy"])
        measured = np.where(_is_scaled(numbers), "scaled", "measured")
        return (
            np.where(published, "published", measured).astype(object),
            np.where(published, "published", "measured").astype(object),
        )

    def _head(self, payload: bytes) -> _Head:
        module_hash, epochs, adjacency, operations, encoded = _fields(payload)
        return _Head(
            module_hash, epochs, self._trainable_parameters(module_hash, adjacency, operations), _message(encoded)
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


_Columns = dict[str, NDArray[np.float64]]
_Labels = NDArray[np.object_]


class _Head(NamedTuple):
    """A payload whose cell is right and whose message is not read yet."""

    hash: str
    epochs: int
    trainable_parameters: int
    message: bytes


def _suspects(decoded: Decoded, heads: Sequence[_Head]) -> list[int]:
    """Return the rows that `_check_metrics` may refuse, ascending: a superset of those that it does."""
    numbers = decoded.numbers
    stated, energy = numbers[:, _PARAMETERS], numbers[:, _ENERGY]
    expected = np.array([head.trainable_parameters for head in heads], np.float64)
    mismatch = (stated != expected) & ~np.isnan(stated)
    impossible = ((numbers < 0) | (numbers > _LARGEST)).any(axis=1) | (energy == 0)
    return sorted({*decoded.suspects, *np.flatnonzero(mismatch | impossible).tolist()})


def _check_metrics(head: _Head) -> None:
    """Read one message by itself and refuse it for the first thing that is wrong with it."""
    try:
        metrics = decode(head.message)
    except InvalidMessage as error:
        raise _Refusal(BadProtobuf, str(error)) from error
    if metrics.trainable_parameters not in (None, head.trainable_parameters):
        _refuse(
            ParametersMismatch,
            f"{metrics.trainable_parameters} trainable parameters for a cell of {head.trainable_parameters}",
        )
    for name, value, largest in zip(NUMBERS, numbers_of(metrics), _LARGEST, strict=True):
        if value < 0 or value > largest:
            _refuse(ImpossibleValue, f"{name} is {value}, which is not within 0..{largest:g}")
    if metrics.result.energy == 0:
        _refuse(ImpossibleValue, "energy is 0")


def _where(known: NDArray[np.bool_], labels: _Labels) -> list[str | None]:
    return [label if is_known else None for is_known, label in zip(known.tolist(), labels.tolist(), strict=True)]


def _is_scaled(numbers: _Columns) -> NDArray[np.bool_]:
    """Tell where the power readings cover less than the times of the record: those were multiplied.

    Over all official records, the longer of the two times is at most 1.07 times what the readings cover where it was
    measured, and at least 1.25 times where it was scaled.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        covered = numbers["gpu_energy_j"] / numbers["gpu_power_w"]
        covered = np.where(np.isnan(covered), numbers["cpu_energy_j"] / numbers["cpu_power_w"], covered)
        return np.fmax(numbers["training_time"], numbers["total_time"]) > 1.15 * covered


def _has_pue(numbers: _Columns) -> NDArray[np.bool_]:
    """Tell where the total is the readings times the PUE, to the rounding of the total and of the mean power."""
    expected = (numbers["gpu_energy_j"] + numbers["cpu_energy_j"]) / JOULES_PER_KWH * PUE
    return np.isclose(numbers["total_energy"], expected, rtol=1e-3, atol=0)


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


def _message(encoded: str) -> bytes:
    try:
        return binascii.a2b_base64(encoded.replace("\n", ""), strict_mode=True)
    except ValueError as error:
        raise _Refusal(BadBase64, f"the metrics {_excerpt(encoded)} are not base64") from error


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


@lru_cache(maxsize=1 << 8)
def _device(names: tuple[str, ...]) -> str | None:
    """Return the GPUs' names without vendor and brand."""
    return ", ".join(_VENDOR.sub("", name).replace("TITAN", "Titan") for name in names) or None


def _excerpt(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse(kind: type[RecordError], reason: str) -> NoReturn:
    raise _Refusal(kind, reason)
