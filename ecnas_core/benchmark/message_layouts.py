"""Reads many protobuf messages at once, by their layout.

The messages of a large file differ in their numbers, hardly in their fields. So one message of each length is walked,
and where the others of that length have the same tags and lengths in the same places, their numbers stand in the same
places too and are read as arrays. What does not fit, or holds power readings, is left to `messages.decode`, message by
message: the two agree on every message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecnas_core.benchmark.messages import Evaluation, InvalidMessage, Metrics, decode

NUMBERS = (
    *Evaluation._fields,
    "total_time",
    "total_energy",
    "trainable_parameters",
    "gpu_energy_j",
    "cpu_energy_j",
    "gpu_power_w",
    "cpu_power_w",
)
_EVALUATIONS, _PARAMETERS, _POWER = 1, 2, 9
_TOTALS = {3: NUMBERS.index("total_time"), 4: NUMBERS.index("total_energy")}
_VARINT, _FIXED64, _DELIMITED = 0, 1, 2
_LARGE_FIELD = 16
_MORE = 0x80
_MAX_VARINT_BYTES = 4


class Decoded(NamedTuple):
    """Many messages as columns.

    Attributes:
        numbers: one row a message, one column a name in `NUMBERS`; NaN where a field is absent. Power readings are
            summed over devices; none, and a sum of 0, are NaN.
        devices: the GPUs' names.
        suspects: rows, ascending, that `decode` refuses or that may hold a NaN; their numbers mean nothing.
    """

    numbers: NDArray[np.float64]
    devices: list[tuple[str, ...]]
    suspects: list[int]


def decode_all(messages: Sequence[bytes]) -> Decoded:
    """Read messages of both kinds, as `decode` would one by one.

    Args:
        messages: serialised.

    Returns:
        Their numbers.
    """
    numbers = np.full((len(messages), len(NUMBERS)), np.nan)
    devices: list[tuple[str, ...]] = [()] * len(messages)
    suspects: set[int] = set()
    unlike: list[int] = []
    for length, rows in _by_length(messages).items():
        layout = _Layout.of(messages[rows[0]])
        if layout is None:
            unlike += rows
            continue
        block = np.frombuffer(b"".join([messages[row] for row in rows]), np.uint8).reshape(-1, length)
        fits = ~((block ^ layout.template) & layout.fixed_bits).any(axis=1)
        index = np.array(rows)
        unlike += index[~fits].tolist()
        index, block = index[fits], block[fits]
        for column, offset in layout.doubles.items():
            values = np.ascontiguousarray(block[:, offset : offset + 8]).view("<f8")[:, 0]
            numbers[index, column] = values
            suspects.update(index[np.isnan(values)].tolist())
        if layout.parameters:
            groups = [(block[:, at].astype(np.int64) & ~_MORE) << 7 * n for n, at in enumerate(layout.parameters)]
            numbers[index, NUMBERS.index("trainable_parameters")] = sum(groups)
    for row in unlike:
        try:
            metrics = decode(messages[row])
        except InvalidMessage:
            suspects.add(row)
        else:
            numbers[row] = numbers_of(metrics)
            devices[row] = metrics.gpu.devices
    return Decoded(numbers, devices, sorted(suspects))


def numbers_of(metrics: Metrics) -> list[float]:
    """Return a row of `Decoded.numbers`."""
    parameters = metrics.trainable_parameters
    return [
        *metrics.result,
        metrics.total_time,
        metrics.total_energy,
        np.nan if parameters is None else parameters,
        _total(metrics.gpu.joules),
        _total(metrics.cpu.joules),
        _total(metrics.gpu.watts),
        _total(metrics.cpu.watts),
    ]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where in a message what stands.

    Attributes:
        template: the message that was walked.
        fixed_bits: the bits that another message must share to have this layout: tags, lengths, ends of varints.
        doubles: offset of each column of `NUMBERS` that is present.
        parameters: offsets of the bytes of the varint, least significant first; empty if absent.
    """

    template: NDArray[np.uint8]
    fixed_bits: NDArray[np.uint8]
    doubles: dict[int, int]
    parameters: range

    @classmethod
    def of(cls, message: bytes) -> _Layout | None:
        """Walk a message; None if it is malformed, has power readings or anything out of the ordinary."""
        fixed_bits = np.full(len(message), 0xFF, np.uint8)
        totals: dict[int, int] = {}
        result: dict[int, int] = {}
        parameters = range(0)
        try:
            for field, kind, value in _walk(message, range(len(message)), fixed_bits):
                if field == _POWER:
                    return None
                if field == _EVALUATIONS and kind == _DELIMITED:
                    fixed_bits[value.start : value.stop] = 0xFF
                    result = {
                        number - 1: place.start
                        for number, wire, place in _walk(message, value, fixed_bits)
                        if wire == _FIXED64 and number <= len(Evaluation._fields)
                    }
                elif field == _PARAMETERS and kind == _VARINT:
                    parameters = value
                elif field in _TOTALS and kind == _FIXED64:
                    totals[_TOTALS[field]] = value.start
        except (IndexError, ValueError):
            return None
        if not result:
            return None
        return cls(np.frombuffer(message, np.uint8), fixed_bits, result | totals, parameters)


def _walk(message: bytes, part: range, fixed_bits: NDArray[np.uint8]) -> Iterator[tuple[int, int, range]]:
    """Yield field number, wire type and place of each value in a part, and free the bits of the values."""
    at = part.start
    while at < part.stop:
        field, kind = divmod(message[at], 8)
        at += 1
        if not 0 < field < _LARGE_FIELD:
            raise ValueError("a field that the benchmark does not have")
        if kind == _VARINT:
            value = _varint(message, at)
            fixed_bits[value.start : value.stop] = _MORE
        elif kind == _FIXED64:
            value = range(at, at + 8)
            fixed_bits[value.start : value.stop] = 0
        elif kind == _DELIMITED:
            size = _varint(message, at)
            value = range(size.stop, size.stop + _number(message, size))
            fixed_bits[value.start : value.stop] = 0
        else:
            raise ValueError("a wire type that the benchmark does not use")
        at = value.stop
        if at > part.stop:
            raise ValueError("a value that ends behind its message")
        yield field, kind, value


def _varint(message: bytes, start: int) -> range:
    for stop in range(start, start + _MAX_VARINT_BYTES):
        if message[stop] < _MORE:
            return range(start, stop + 1)
    raise ValueError("a number larger than the benchmark has")


def _number(message: bytes, place: range) -> int:
    return sum((message[at] & ~_MORE) << 7 * n for n, at in enumerate(place))


def _by_length(messages: Sequence[bytes]) -> dict[int, list[int]]:
    rows = defaultdict(list)
    for row, message in enumerate(messages):
        rows[len(message)].append(row)
    return rows


def _total(readings: Sequence[float]) -> float:
    """Return the sum over devices, or a reading that is negative; none, and a sum of 0, are no reading."""
    lowest = min(readings, default=0.0)
    return lowest if lowest < 0 else sum(readings) or np.nan
