"""How soon work that is stopped has ended: a download from a server that says nothing, and a query past its limit."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from pathlib import Path

from ecnas_core import Benchmark
from ecnas_core.benchmark import sandbox
from ecnas_core.benchmark.download import DownloadCancelled, download
from ecnas_core.benchmark.sandbox import TimeLimit

TIMES = 3
ENDLESS = "select count(*) from range(1000000000000::bigint)"
LIMIT_S = 0.5


def run() -> list[dict[str, object]]:
    """Time from cancelling a download to its end, and of a query's process beyond its limit of time."""
    return [
        _row("Download: cancel while the server is silent, slowest of 3", max(_cancel_s() for _ in range(TIMES)), 0.5),
        _row("SQL: an endless query past its limit of time, slowest of 3", max(_over_s() for _ in range(TIMES)), 1.5),
    ]


def _cancel_s() -> float:
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent, tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        timer = threading.Timer(LIMIT_S, asked.set)
        timer.start()
        started = time.perf_counter()
        try:
            download("energy_4V9E_4epochs.tfrecord", Path(folder), base_url=url, cancel=asked.is_set)
        except DownloadCancelled:
            return time.perf_counter() - started - LIMIT_S
    raise AssertionError("it was not cancelled")


def _over_s() -> float:
    layout = Benchmark.open().layout
    started = time.perf_counter()
    try:
        sandbox.run(ENDLESS, layout, seconds=LIMIT_S)
    except TimeLimit:
        return time.perf_counter() - started - LIMIT_S
    raise AssertionError("it was not ended")


def _row(name: str, value: float, limit: float) -> dict[str, object]:
    return {"name": name, "value": value, "limit": limit, "peer": None, "ratio": value / limit, "unit": "s"}
