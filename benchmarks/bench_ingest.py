"""Ingest of a generated file of all 423,624 cells at four budgets, about 700 MB: time, memory, size of the output.

Peak memory is the sum of the proportional set sizes (PSS: resident pages, a shared one counted once) of this process
and its children, polled five times a second while the ingest runs. The peer is the authors' own API, which loads such
a file with TensorFlow every time it starts.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Self

import psutil
import pyarrow.parquet as pq

from ecnas_core.benchmark.ingest import KNOWN_CELLS, ingest
from ecnas_core.benchmark.progress import terminal_progress
from ecnas_core.benchmark.records import EPOCHS
from ecnas_core.benchmark.tfrecord import write_records
from ecnas_core.cells import Cell

POLL_SECONDS = 0.2
EVALUATION = struct.Struct("<" + 6 * "Bd")


def run() -> list[dict[str, Any]]:
    """Generate, ingest and measure.

    Returns:
        One row a figure: name, value, unit, limit, peer (None where there is none), ratio of value to peer or limit.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "generated.tfrecord"
        write_records(file, payloads(KNOWN_CELLS))
        with terminal_progress("ingest", sys.stderr) as progress, PeakMemory() as memory:
            report = ingest(file, Path(folder), progress)
        sizes = {"input": file.stat().st_size / 1e6, "output": report.output.stat().st_size / 1e6}
    name = f"ingest of {report.records:,} records, {sizes['input']:.0f} MB"
    return [
        row(f"{name}: time", report.seconds, "s", 40.0, 64.0),
        row(f"{name}: peak resident memory", memory.peak_mb, "MB", 700.0, 3800.0),
        row(f"{name}: output", sizes["output"], "MB", 80.0, None),
    ]


def row(name: str, value: float, unit: str, limit: float, peer: float | None) -> dict[str, Any]:
    ratio = value / (limit if peer is None else peer)
    return {"name": name, "value": value, "unit": unit, "limit": limit, "peer": peer, "ratio": ratio}


def payloads(cells: Path) -> Iterator[bytes]:
    """Yield records like the released ones: cell by cell, three evaluations, kWh of six digits, float32 times."""
    random = Random(0)
    columns = ["hash", "vertices", "edge_bits", "ops", "trainable_parameters", "surrogate_energy_wh_4_epochs"]
    for batch in pq.ParquetFile(cells).iter_batches(columns=columns):
        for module_hash, vertices, edge_bits, ops, parameters, energy_wh in zip(
            *(batch[name].to_pylist() for name in columns), strict=True
        ):
            cell = Cell.from_bits(vertices, edge_bits, ops)
            adjacency = "".join(str(edge) for edges in cell.matrix for edge in edges)
            operations = ",".join(cell.ops)
            seconds = float32(10 + 90 * random.random())
            for epochs in EPOCHS:
                accuracies = [accuracy(random) for _ in range(3)]
                energy_kwh = round(abs(energy_wh) / 1000 * epochs / 4, 6)
                message = (
                    b"".join(
                        evaluation(epochs * share, seconds * epochs / 4 * share, accuracies, energy_kwh * share)
                        for share in (0.0, 0.5, 1.0)
                    )
                    + b"\x10"
                    + varint(parameters)
                )
                encoded = base64.encodebytes(message).decode()
                yield json.dumps([module_hash, epochs, adjacency, operations, encoded]).encode()


def evaluation(epoch: float, seconds: float, accuracies: list[float], energy_kwh: float) -> bytes:
    """Return field 1 of the message: an evaluation of six doubles, each behind its tag."""
    values = (epoch, seconds, *accuracies, energy_kwh)
    tagged = (part for number, value in enumerate(values, start=1) for part in (number << 3 | 1, value))
    return b"\x0a" + varint(EVALUATION.size) + EVALUATION.pack(*tagged)


def varint(value: int) -> bytes:
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def float32(value: float) -> float:
    narrowed: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return narrowed


def accuracy(random: Random) -> float:
    """Return the mean of three repeats, each a float32 share of the 9,984 images that were validated."""
    return sum(float32(random.randrange(9985) / 9984) for _ in range(3)) / 3


class PeakMemory:
    """The peak of the summed PSS of this process and its children while the context is open, in MB."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._closed = threading.Event()
        self._poller = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> Self:
        self._poller.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._closed.set()
        self._poller.join()

    def _poll(self) -> None:
        process = psutil.Process()
        while not self._closed.wait(POLL_SECONDS):
            resident = sum(map(resident_bytes, [process, *process.children(recursive=True)]))
            self.peak_mb = max(self.peak_mb, resident / 1e6)


def resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


if __name__ == "__main__":
    for figure in run():
        print(figure)
