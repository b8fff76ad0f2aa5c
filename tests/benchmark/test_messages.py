from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.benchmark.messages import Component, Evaluation, InvalidMessage, Metrics, decode
from ecnas_core.errors import EcnasError
from tests.tfrecords import encode

RESULT = Evaluation(108, 1200.5, 0.99, 0.93, 0.92, 0.25, 32.0, 128.0)
METRICS = Metrics(
    "ec-nas",
    RESULT,
    trainable_parameters=8_555_530,
    total_time=1300.25,
    total_energy=0.28,
    gpu=Component((180.0, 20.5), (230_000.0, 21.0), ("NVIDIA TITAN Xp", "spare")),
    cpu=Component((60.0,), (75_000.0,), ("cpu:0",)),
)


def key(number: int, wire: int) -> bytes:
    return bytes([number << 3 | wire])


def double(number: int, value: float) -> bytes:
    return key(number, 1) + struct.pack("<d", value)


def nested(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return key(number, 2) + bytes([len(content)]) + content


def evaluation(epoch: float, accuracy: float, energy: float) -> bytes:
    fields = [double(1, epoch), double(2, 60.0), double(3, 0.1), double(4, accuracy), double(5, 0.3), double(6, energy)]
    return nested(1, b"".join([*fields, double(7, 8.0), double(8, 9.0), nested(9, b"start"), double(11, 1e3)]))


def present(values: Evaluation) -> dict[str, float]:
    return {name: value for name, value in values._asdict().items() if not math.isnan(value)}


def test_the_newer_message_is_read_by_its_field_numbers() -> None:
    gpu = nested(1, double(1, 180.0)) + nested(2, double(1, 9000.0)) + nested(3, nested(1, b"Quadro RTX 6000"))
    cpu = nested(1, double(1, 60.0)) + nested(2, double(1, 3000.0)) + nested(3, nested(1, b"cpu:0"))
    message = b"".join(
        [
            *(evaluation(epoch, epoch / 8, epoch / 100) for epoch in (0.0, 2.0, 4.0)),
            key(2, 0) + b"\xac\x02",
            double(3, 70.0),
            double(4, 0.05),
            double(5, 6.0),
            nested(6, b"2022-01-01"),
            double(8, 130.0),
            nested(9, nested(1, gpu) + nested(2, cpu)),
        ]
    )
    assert decode(message) == Metrics(
        "ec-nas",
        Evaluation(4.0, 60.0, 0.1, 0.5, 0.3, 0.04, 8.0, 9.0),
        trainable_parameters=300,
        total_time=70.0,
        total_energy=0.05,
        gpu=Component((180.0,), (9000.0,), ("Quadro RTX 6000",)),
        cpu=Component((60.0,), (3000.0,), ("cpu:0",)),
    )


def test_the_older_message_is_read_with_a_path_where_the_newer_has_the_energy() -> None:
    fields = [double(1, 108.0), double(2, 1157.7), double(3, 1.0), double(4, 0.934), double(5, 0.928)]
    message = nested(1, b"".join([*fields, nested(6, b"/checkpoints/model")])) + key(2, 0) + b"\x05" + double(3, 2000.0)
    metrics = decode(message)
    assert metrics.benchmark == "nasbench-101"
    assert present(metrics.result) == {
        "current_epoch": 108.0,
        "training_time": 1157.7,
        "train_accuracy": 1.0,
        "validation_accuracy": 0.934,
        "test_accuracy": 0.928,
    }
    assert (metrics.trainable_parameters, metrics.total_time) == (5, 2000.0)
    assert math.isnan(metrics.total_energy)
    assert metrics.gpu == metrics.cpu == Component()


def test_what_is_encoded_is_decoded() -> None:
    start, half = RESULT._replace(current_epoch=0.0, energy=0.0), RESULT._replace(current_epoch=54.0)
    assert decode(encode(METRICS, [start, half], "/checkpoints/model")) == METRICS


@given(st.lists(st.floats(allow_nan=False) | st.just(math.nan), min_size=8, max_size=8), st.booleans())
def test_any_fields_may_be_absent(values: list[float], old: bool) -> None:
    result = Evaluation(*values)
    if old:
        result = result._replace(energy=math.nan, co2eq=math.nan, avg_intensity=math.nan)
    result = result._replace(current_epoch=4.0)
    metrics = decode(encode(Metrics("nasbench-101" if old else "ec-nas", result), checkpoint_path="/model"))
    assert present(metrics.result) == present(result)
    assert metrics.trainable_parameters is None
    assert metrics.benchmark == ("nasbench-101" if math.isnan(result.energy) else "ec-nas")


def test_a_stored_zero_is_not_an_absent_field() -> None:
    metrics = decode(encode(Metrics("ec-nas", Evaluation(energy=0.0), trainable_parameters=0, total_energy=0.0)))
    assert (metrics.result.energy, metrics.trainable_parameters, metrics.total_energy) == (0.0, 0, 0.0)


def test_unknown_fields_are_passed_over() -> None:
    assert decode(encode(METRICS) + b"\xf8\x07\x01" + double(12, math.nan)) == METRICS


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "without evaluations"),
        (double(3, 70.0), "without evaluations"),
        (nested(1, b""), "last evaluation is empty"),
        (evaluation(4.0, 0.5, 0.1) + nested(1, b""), "last evaluation is empty"),
        (b"\x0a\x7f\x00", "not a protobuf message"),
        (b"\xff" * 12, "not a protobuf message"),
        (b"not a message", "not a protobuf message"),
        (evaluation(4.0, math.nan, 0.1), "validation_accuracy is not a number"),
        (evaluation(4.0, 0.5, math.nan), "energy is not a number"),
        (evaluation(4.0, 0.5, 0.1) + double(3, math.nan), "total_time is not a number"),
        (evaluation(4.0, 0.5, 0.1) + double(4, math.nan), "total_energy is not a number"),
        (evaluation(4.0, 0.5, 0.1) + nested(9, nested(1, nested(1, double(1, math.nan)))), "reading is not a number"),
        (evaluation(4.0, 0.5, 0.1) + nested(9, nested(2, nested(2, b""))), "reading is not a number"),
        (evaluation(4.0, 0.5, 0.1) + nested(9, nested(1, nested(3, nested(1, b"\xff")))), "name is not UTF-8"),
    ],
)
def test_what_is_no_such_message_is_refused(message: bytes, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason):
        decode(message)


def test_a_nan_in_an_earlier_evaluation_does_not_matter() -> None:
    assert decode(evaluation(0.0, math.nan, math.nan) + evaluation(4.0, 0.5, 0.1)).result.energy == 0.1


def test_every_cut_of_a_message_is_read_or_refused_by_name() -> None:
    message = encode(METRICS, [RESULT])
    for size in range(len(message)):
        try:
            decode(message[:size])
        except EcnasError as error:
            assert isinstance(error, InvalidMessage)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    try:
        decode(data)
    except EcnasError as error:
        assert isinstance(error, InvalidMessage)
