"""The benchmark's first answer, its memory and its look-ups, beside a Python dictionary and a pandas frame."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from ecnas_core import Benchmark
from ecnas_core.benchmark.layout import BUNDLED

HASHES = 10_000
_SAMPLE = f"select hash from cells using sample reservoir({HASHES} rows) repeatable (0)"
FIRST_ANSWER = """
import json, resource, time
import ecnas_core.benchmark.store, pandas
from ecnas_core import Benchmark
started = time.perf_counter()
Benchmark.open().query("043721b9c7fe8c5fad811d47d83132ec", epochs=108, space="7V")
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]))
"""
PEER = """
import json, resource, time
import pandas
started = time.perf_counter()
frame = pandas.read_parquet({path!r}).set_index("hash")
{dictionary}
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]))
"""


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer and ratio, value to peer or else to limit.
    """
    path = str(BUNDLED / "benchmark" / "7V.parquet")
    seconds, megabytes = _child(FIRST_ANSWER)
    pandas_seconds, pandas_megabytes = _child(PEER.format(path=path, dictionary=""))
    dict_seconds, dict_megabytes = _child(PEER.format(path=path, dictionary="entries = frame.to_dict('index')"))
    bench = Benchmark.open()
    hashes = [row["hash"] for row in bench.rows(_SAMPLE)]
    frame = bench.frame("select * from benchmark where space = '7V' and epochs = 108").set_index("hash")
    entries = frame.to_dict("index")
    looked_up = _median(lambda: bench.lookup(hashes))
    return [
        _row("open to first answer (peer: pandas frame)", seconds, "s", 0.15, pandas_seconds),
        _row("open to first answer (peer: dictionary)", seconds, "s", 0.15, dict_seconds),
        _row("resident then (peer: pandas frame)", megabytes, "MB", 300, pandas_megabytes),
        _row("resident then (peer: dictionary)", megabytes, "MB", 300, dict_megabytes),
        _row(
            f"lookup of {HASHES:,} hashes (peer: pandas frame)", looked_up, "s", 0.1, _median(lambda: frame.loc[hashes])
        ),
        _row(
            f"lookup of {HASHES:,} hashes (peer: dictionary)",
            looked_up,
            "s",
            0.1,
            _median(lambda: [entries[each] for each in hashes]),
        ),
    ]


def _child(source: str) -> tuple[float, float]:
    """The best of three runs: seconds and peak resident MB."""
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    ]
    return min(seconds for seconds, _ in runs), min(megabytes for _, megabytes in runs)


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(7):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)


def _row(name: str, value: float, unit: str, limit: float, peer: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "peer": peer, "ratio": value / peer}


if __name__ == "__main__":
    for figure in run():
        print(figure)
