from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecnas_core.benchmark import message_layouts
from ecnas_core.benchmark.message_layouts import NUMBERS, decode_all, numbers_of
from ecnas_core.benchmark.messages import Component, Evaluation, InvalidMessage, Metrics, decode
from tests.tfrecords import encode

numbers = st.floats(0, 1e6) | st.just(math.nan)
readings = st.lists(st.floats(0, 1e6), max_size=2).map(tuple)
devices = st.lists(st.sampled_from(["A", "NVIDIA B"]), max_size=2).map(tuple)
unread = st.just(Component())
components = unread | st.builds(Component, readings, readings, devices)
evaluations = st.builds(Evaluation, *[numbers] * len(Evaluation._fields))
parameters = st.none() | st.integers(0, 50_000_000) | st.sampled_from([127, 128, 1 << 21, (1 << 28) - 1, 1 << 28, -1])
new = st.builds(Metrics, st.just("ec-nas"), evaluations, parameters, numbers, numbers, components, components)


def without_energies(evaluation: Evaluation) -> Evaluation:
    return evaluation._replace(energy=math.nan, co2eq=math.nan, avg_intensity=math.nan)


old = st.builds(
    Metrics,
    st.just("nasbench-101"),
    evaluations.map(without_energies),
    parameters,
    numbers,
    st.just(math.nan),
    unread,
    unread,
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    metrics = draw(old | new)
    earlier = draw(st.lists(evaluations, max_size=2))
    if metrics.benchmark == "nasbench-101":
        earlier = [without_energies(evaluation) for evaluation in earlier]
    return encode(metrics, earlier, draw(st.none() | st.text(max_size=4)))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A message with some bytes replaced, or its end cut, or other bytes behind it."""
    data = bytearray(draw(messages()))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data + draw(st.binary(max_size=4)))


def decode_refuses(message: bytes) -> bool:
    try:
        decode(message)
    except InvalidMessage:
        return True
    return False


def double(number: int, value: float) -> bytes:
    return bytes([number << 3 | 1]) + struct.pack("<d", value)


def assert_agrees(data: list[bytes]) -> None:
    decoded = decode_all(data)
    assert decoded.suspects == sorted(set(decoded.suspects))
    for row, message in enumerate(data):
        try:
            metrics = decode(message)
        except InvalidMessage:
            assert row in decoded.suspects
            continue
        if row not in decoded.suspects:
            np.testing.assert_array_equal(decoded.numbers[row], numbers_of(metrics))
            assert decoded.devices[row] == metrics.gpu.devices


def test_no_messages_are_no_rows() -> None:
    decoded = decode_all([])
    assert decoded.numbers.shape == (0, len(NUMBERS))
    assert (decoded.devices, decoded.suspects) == ([], [])


def test_sums_over_devices_and_what_they_are_of() -> None:
    gpu = Component((180.0, 20.0), (9000.0, 1000.0), ("A", "B"))
    message = encode(
        Metrics("ec-nas", Evaluation(energy=0.5), 7, 60.0, 0.6, gpu, Component((50.0,), (0.0,), ("cpu:0",)))
    )
    decoded = decode_all([message])
    row = dict(zip(NUMBERS, decoded.numbers[0].tolist(), strict=True))
    assert {name: value for name, value in row.items() if not math.isnan(value)} == {
        "energy": 0.5,
        "total_time": 60.0,
        "total_energy": 0.6,
        "trainable_parameters": 7.0,
        "gpu_energy_j": 10_000.0,
        "gpu_power_w": 200.0,
        "cpu_power_w": 50.0,
    }
    assert decoded.devices == [("A", "B")]


def test_a_negative_reading_is_not_hidden_in_a_sum() -> None:
    gpu = Component((180.0, 20.0), (-3.0, 5000.0), ("A", "B"))
    row = decode_all([encode(Metrics("ec-nas", Evaluation(energy=0.5), gpu=gpu))]).numbers[0]
    assert row[NUMBERS.index("gpu_energy_j")] == -3.0


@given(st.lists(messages(), max_size=8))
@settings(deadline=None, max_examples=50)
def test_agrees_with_decode_on_messages_of_both_kinds(data: list[bytes]) -> None:
    decoded = decode_all(data)
    assert_agrees(data)
    assert all(decode_refuses(data[row]) for row in decoded.suspects)


@given(messages(), st.data())
@settings(deadline=None, max_examples=50)
def test_agrees_with_decode_on_bytes_that_resemble_a_message(first: bytes, data: st.DataObject) -> None:
    alike = [data.draw(mutated()) for _ in range(data.draw(st.integers(0, 4)))]
    assert_agrees([first, *alike])


@given(messages().filter(len), st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=12))
@settings(deadline=None, max_examples=50)
def test_agrees_with_decode_on_messages_of_one_length(first: bytes, edits: list[tuple[int, int]]) -> None:
    """Each differs from the first in one byte, which may be a tag, a length or a number."""
    alike = []
    for at, byte in edits:
        changed = bytearray(first)
        changed[at % len(first)] = byte
        alike.append(bytes(changed))
    assert_agrees([first, *alike])
    assert_agrees([*alike, first])


def test_the_last_of_a_repeated_field_counts() -> None:
    inner = double(4, 0.1) + double(4, 0.9)
    message = b"\x0a" + bytes([len(inner)]) + inner + double(3, 1.0) + double(3, 2.0) + b"\x10\x05\x10\x06"
    row = dict(zip(NUMBERS, decode_all([message]).numbers[0].tolist(), strict=True))
    assert (row["validation_accuracy"], row["total_time"], row["trainable_parameters"]) == (0.9, 2.0, 6.0)
    assert_agrees([message])


@pytest.mark.parametrize("absent", ["nothing", "energy", "training_time"])
def test_messages_alike_are_read_as_arrays(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the speed, which no test may time, is lost unseen."""

    def never(message: bytes) -> Metrics:
        raise AssertionError("read one by one")

    results = [Evaluation(*[row + column / 10 for column in range(8)]) for row in range(50)]
    if absent != "nothing":
        results = [result._replace(**{absent: math.nan}) for result in results]
    data = [encode(Metrics("ec-nas", result, 1_000_000 + row, 9.0, 8.0)) for row, result in enumerate(results)]
    expected = np.array([numbers_of(decode(message)) for message in data])
    monkeypatch.setattr(message_layouts, "decode", never)
    np.testing.assert_array_equal(decode_all(data).numbers, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: encode(Metrics("ec-nas", Evaluation(energy=0.1))) + double(4, math.nan),
        lambda: b"\x0a\x09" + double(6, math.nan),
        lambda: b"\x0a\x00",
        lambda: b"",
        lambda: b"\xff" * 20,
        lambda: b"\x0a\x05" + double(6, 1.0),
        lambda: b"\x0a\x80\x80\x80\x80\x01" + double(6, 1.0),
    ],
)
def test_what_decode_refuses_is_suspect_beside_sound_messages(make: Callable[[], bytes]) -> None:
    sound = encode(Metrics("ec-nas", Evaluation(energy=0.1)))
    bad = make()
    assert decode_refuses(bad)
    decoded = decode_all([sound, bad, sound])
    assert decoded.suspects == [1]
    assert decoded.numbers[[0, 2], NUMBERS.index("energy")].tolist() == [0.1, 0.1]
