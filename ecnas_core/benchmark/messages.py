"""The protobuf (proto2) messages in which EC-NAS-Bench and NAS-Bench-101 keep the metrics of a training run.

In both, field 1 repeats the evaluations and the last of them is the run's result. They tell apart by field 6 of an
evaluation: a double, the energy, in EC-NAS-Bench; a string, a checkpoint's path, in NAS-Bench-101. Read as the newer
message, such a string is an unknown field and the energy is absent, so one parser serves both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from ecnas_core.errors import EcnasError

Benchmark = Literal["ec-nas", "nasbench-101"]

_DOUBLE = FieldDescriptorProto.TYPE_DOUBLE
_STRING = FieldDescriptorProto.TYPE_STRING
_INT32 = FieldDescriptorProto.TYPE_INT32
_ACCURACIES = ("train_accuracy", "validation_accuracy", "test_accuracy")


class InvalidMessage(EcnasError):
    """Bytes that are none of the two messages."""


class Evaluation(NamedTuple):
    """One evaluation of a network in training; a field that is absent is NaN.

    Attributes:
        current_epoch: epochs trained so far.
        training_time: seconds of training so far.
        train_accuracy: 0..1.
        validation_accuracy: 0..1.
        test_accuracy: 0..1.
        energy: facility energy of the training so far, kWh.
        co2eq: g.
        avg_intensity: carbon intensity of the grid, g/kWh.
    """

    current_epoch: float = math.nan
    training_time: float = math.nan
    train_accuracy: float = math.nan
    validation_accuracy: float = math.nan
    test_accuracy: float = math.nan
    energy: float = math.nan
    co2eq: float = math.nan
    avg_intensity: float = math.nan


class Component(NamedTuple):
    """Readings of the GPUs or of the CPUs over the whole run, one entry a device.

    Attributes:
        watts: mean power.
        joules: energy.
        devices: names.
    """

    watts: tuple[float, ...] = ()
    joules: tuple[float, ...] = ()
    devices: tuple[str, ...] = ()


UNREAD = Component()


class Metrics(NamedTuple):
    """What is read of a message; a double that is absent is NaN.

    Attributes:
        benchmark: which of the two messages it is.
        result: the last evaluation.
        trainable_parameters: of the network; None where absent.
        total_time: seconds of the whole run, with start-up and evaluation.
        total_energy: facility energy of the whole run, kWh.
        gpu: readings of the GPUs over the whole run.
        cpu: the same of the CPU sockets.
    """

    benchmark: Benchmark
    result: Evaluation
    trainable_parameters: int | None = None
    total_time: float = math.nan
    total_energy: float = math.nan
    gpu: Component = UNREAD
    cpu: Component = UNREAD


def decode(data: bytes) -> Metrics:
    """Read either message.

    Args:
        data: the serialised message.

    Returns:
        The last evaluation and the totals.

    Raises:
        InvalidMessage: the bytes are no such message, or one without a result.
    """
    try:
        message = _Metrics.FromString(data)
    except DecodeError as error:
        raise InvalidMessage("not a protobuf message of the benchmark") from error
    evaluations = message.evaluation_data_energy
    if not evaluations:
        raise InvalidMessage("a message without evaluations")
    last = evaluations[-1]
    if not last.ByteSize():
        raise InvalidMessage("a message whose last evaluation is empty")
    result = Evaluation._make(_EVALUATION(last))
    time, energy = message.total_time, message.total_energy
    _refuse_stored_nan(last, Evaluation._fields, result)
    _refuse_stored_nan(message, ("total_time", "total_energy"), (time, energy))
    old = result.energy != result.energy and energy != energy
    parameters = message.trainable_parameters if message.HasField("trainable_parameters") else None
    gpu = cpu = UNREAD
    if message.HasField("avg_power_usages"):
        gpu, cpu = _component(message.avg_power_usages.gpu), _component(message.avg_power_usages.cpu)
    return Metrics("nasbench-101" if old else "ec-nas", result, parameters, time, energy, gpu, cpu)


def _refuse_stored_nan(message: Any, names: Iterable[str], values: Iterable[float]) -> None:
    """Tell a NaN that stands in the message from an absent field, which reads as NaN too."""
    for name, value in zip(names, values, strict=False):
        if value != value and message.HasField(name):
            raise InvalidMessage(f"{name} is not a number")


def _component(message: Any) -> Component:
    devices = tuple([device.value for device in message.devices])
    if not all(isinstance(device, str) for device in devices):
        raise InvalidMessage("a device whose name is not UTF-8")
    watts, joules = (
        tuple([reading.value for reading in readings])
        for readings in (message.avg_power_usages_w, message.avg_power_usages_j)
    )
    if any(map(math.isnan, watts + joules)):
        raise InvalidMessage("a power reading is not a number")
    return Component(watts, joules, devices)


def _build() -> DescriptorPool:
    """Describe the messages; absent doubles read as NaN, so that presence is asked for only where a NaN is seen."""
    file = FileDescriptorProto(name="ecnas.proto", package="ecnas", syntax="proto2")

    def message(name: str, fields: Sequence[tuple[str, int | str]], repeated: Sequence[str] = ()) -> None:
        described = file.message_type.add(name=name)
        for number, (field_name, kind) in enumerate(fields, start=1):
            field = described.field.add(
                name=field_name,
                number=number,
                label=FieldDescriptorProto.LABEL_REPEATED
                if field_name in repeated
                else FieldDescriptorProto.LABEL_OPTIONAL,
            )
            if isinstance(kind, str):
                field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".ecnas.{kind}"
            else:
                field.type = kind
                if kind == _DOUBLE:
                    field.default_value = "nan"

    message("Number", [("value", _DOUBLE)])
    message("Name", [("value", _STRING)])
    readings = [("avg_power_usages_w", "Number"), ("avg_power_usages_j", "Number"), ("devices", "Name")]
    message("Component", readings, repeated=[name for name, _ in readings])
    message("Power", [("gpu", "Component"), ("cpu", "Component")])
    message(
        "Evaluation",
        [
            *((name, _DOUBLE) for name in ("current_epoch", "training_time", *_ACCURACIES)),
            *((name, _DOUBLE) for name in ("energy", "co2eq", "avg_intensity")),
            *((name, _STRING) for name in ("start_emission", "stop_emission")),
            *((f"pred_{name}", _DOUBLE) for name in ("energy", "co2eq", "training_time", "avg_intensity")),
            ("checkpoint_path", _STRING),
        ],
    )
    message(
        "Metrics",
        [
            ("evaluation_data_energy", "Evaluation"),
            ("trainable_parameters", _INT32),
            *((name, _DOUBLE) for name in ("total_time", "total_energy", "total_co2eq")),
            *((name, _STRING) for name in ("start_emission", "stop_emission")),
            ("overall_avg_intensity", _DOUBLE),
            ("avg_power_usages", "Power"),
        ],
        repeated=["evaluation_data_energy"],
    )
    pool = DescriptorPool()
    pool.Add(file)
    return pool


_Metrics = GetMessageClass(_build().FindMessageTypeByName("ecnas.Metrics"))
_EVALUATION = attrgetter(*Evaluation._fields)
