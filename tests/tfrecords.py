"""Official files as EC-NAS-Bench and NAS-Bench-101 write them: messages, and records with their checksums."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import google_crc32c

from ecnas_core.benchmark import messages
from ecnas_core.benchmark.messages import UNREAD, Evaluation, Metrics


def write_records(path: Path, payloads: Iterable[bytes]) -> None:
    """Write payloads as a TFRecord file."""
    with path.open("wb") as stream:
        stream.writelines(map(frame, payloads))


def frame(payload: bytes) -> bytes:
    """One record: length, its checksum, the payload, its checksum."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _masked_crc(length), payload, _masked_crc(payload)))


def encode(metrics: Metrics, earlier: Iterable[Evaluation] = (), checkpoint_path: str | None = None) -> bytes:
    """A message of `metrics.benchmark`, which `messages.decode` reads.

    Args:
        metrics: the result and the totals; NAS-Bench-101's message has room for neither energy nor power.
        earlier: evaluations before the result.
        checkpoint_path: stored in the result.
    """
    message = messages._Metrics(
        evaluation_data_energy=[_present(evaluation._asdict()) for evaluation in (*earlier, metrics.result)],
        **_present({name: getattr(metrics, name) for name in ("trainable_parameters", "total_time", "total_energy")}),
    )
    if checkpoint_path is not None and metrics.benchmark == "nasbench-101":
        path = checkpoint_path.encode()
        message.evaluation_data_energy[-1].MergeFromString(b"\x32" + bytes([len(path)]) + path)  # field 6, a string
    elif checkpoint_path is not None:
        message.evaluation_data_energy[-1].checkpoint_path = checkpoint_path
    for component, readings in ((metrics.gpu, "gpu"), (metrics.cpu, "cpu")):
        if component != UNREAD:
            stored = getattr(message.avg_power_usages, readings)
            stored.MergeFrom(
                type(stored)(
                    avg_power_usages_w=[{"value": value} for value in component.watts],
                    avg_power_usages_j=[{"value": value} for value in component.joules],
                    devices=[{"value": value} for value in component.devices],
                )
            )
    return bytes(message.SerializeToString())


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value == value}
