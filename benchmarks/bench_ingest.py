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
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecnas_core.benchmark.ingest import KNOWN_CELLS, ingest
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.progress import terminal_progress
from ecnas_core.cells import Cell
from tests.tfrecords import write_records

POLL_SECONDS = 0.2
TAGS = [field << 3 | 1 for field in range(1, 7)]
EVALUATION = struct.Struct("<" + len(TAGS) * "Bd")
EVALUATION_START = bytes([1 << 3 | 2, EVALUATION.size])


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
    random = np.random.default_rng(0)
    columns = ["hash", "vertices", "edge_bits", "ops", "trainable_parameters", "surrogate_energy_wh_4_epochs"]
    for batch in pq.ParquetFile(cells).iter_batches(batch_size=4096, columns=columns):
        rows = zip(*(batch[name].to_pylist() for name in columns), strict=True)
        seconds = random.uniform(10, 100, batch.num_rows).astype(np.float32).tolist()
        accuracies = mean_accuracies(random, (batch.num_rows, len(EPOCHS), 3)).tolist()
        for row, seconds_4, accuracies_by_epochs in zip(rows, seconds, accuracies, strict=True):
            module_hash, vertices, edge_bits, ops, parameters, energy_wh_4 = row
            cell = Cell.from_bits(vertices, edge_bits, ops)
            adjacency = "".join(str(edge) for edges in cell.matrix for edge in edges)
            operations = ",".join(cell.ops)
            stated_parameters = b"\x10" + varint(parameters)
            for epochs, shares in zip(EPOCHS, accuracies_by_epochs, strict=True):
                result = (epochs, seconds_4 * epochs / 4, *shares, round(abs(energy_wh_4) / 1000 * epochs / 4, 6))
                half = (epochs / 2, result[1] / 2, *shares, result[-1] / 2)
                start = (0, 0, *shares, result[-1] / epochs)
                encoded = base64.encodebytes(evaluations(start, half, result) + stated_parameters).decode()
                yield json.dumps([module_hash, epochs, adjacency, operations, encoded]).encode()


def mean_accuracies(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return means of three repeats, each a float32 share of the 9,984 images that were validated."""
    repeats = (random.integers(9985, size=(*shape, 3)) / 9984).astype(np.float32)
    means: NDArray[np.float64] = repeats.mean(axis=-1, dtype=np.float64)
    return means


def evaluations(*evaluations: tuple[float, ...]) -> bytes:
    """Return field 1 of the message, repeated: each an evaluation of six doubles behind their tags."""
    return b"".join(
        [EVALUATION_START + EVALUATION.pack(*chain.from_iterable(zip(TAGS, e, strict=True))) for e in evaluations]
    )


def varint(value: int) -> bytes:
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


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
