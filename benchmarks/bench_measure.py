"""What measuring takes besides the measurement: starting, cancelling, and telling a page how far it is."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ecnas_core import Cell
from ecnas_core.measure.errors import Cancelled
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.runner import measure
from ecnas_core.measure.runs import MEASUREMENT, MeasureRequest, status

CELL = Cell.from_text("1=output(0)")
ON_CPU = Settings(effort="thorough", device="cpu", batch_size=1)
EVENTS = 2000
CANCELLED = 3


def run() -> list[dict[str, object]]:
    """Time to cancel, time to read a run of 2,000 events, memory of a process that only imports the worker."""
    cancels = [_cancel_s() for _ in range(CANCELLED)]
    read_s = _read_s()
    worker_mb, database_mb = (_resident_mb(f"import ecnas_core.{name}") for name in ("measure.worker", "benchmark"))
    return [
        _row("Measure: cancel while it warms up, to the device free, slowest of 3", max(cancels), 0.5, None, "s"),
        _row(f"read a run of {EVENTS:,} events and fold it", read_s, 0.1, None, "s"),
        _row("resident: the measuring process without torch, beside the library", worker_mb, 80, database_mb, "MB"),
    ]


def _cancel_s() -> float:
    asked: list[float] = []

    def emit(event: dict[str, object]) -> None:
        if event.get("phase") == "warm-up":
            asked.append(time.perf_counter())

    try:
        measure(CELL, ON_CPU, emit, lambda: bool(asked))
    except Cancelled:
        return time.perf_counter() - asked[0]
    raise AssertionError("it was not cancelled")


def _read_s() -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        MEASUREMENT.write(path, MeasureRequest.of([CELL], ON_CPU), started=0.0)
        event = {"event": "sample", "cell": 0, "hash": CELL.hash, "power_w": 300.0, "temperature_c": 50.0}
        event |= {"sm_clock_mhz": 1965.0}
        lines = [json.dumps(event | {"t": number / 2, "at": number / 2}) + "\n" for number in range(EVENTS)]
        (path / "events.jsonl").write_text("".join(lines))
        times = []
        for _ in range(20):
            started = time.perf_counter()
            status(MEASUREMENT.read(path), now=EVENTS / 2)
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def _resident_mb(source: str) -> float:
    code = f"import psutil; {source}; print(psutil.Process().memory_info().rss)"
    told = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return int(told.stdout) / 1e6


def _row(name: str, value: float, limit: float, peer: float | None, unit: str) -> dict[str, object]:
    return {"name": name, "value": value, "limit": limit, "peer": peer, "ratio": value / (peer or limit), "unit": unit}
