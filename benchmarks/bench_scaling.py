"""The Scaling page's tables: the first time in a process, and every later one."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from ecnas_core import Benchmark
from ecnas_core.analysis import scaling
from ecnas_core.figures import scaling as figures

REPEATS = 7


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer (None) and ratio, value to limit.
    """
    bench = Benchmark.open()
    seconds, megabytes = [], 0.0
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        frame, summary = scaling.ratios(bench), scaling.summary(bench)
        for start in ("4V", "5V"):
            scaling.leave_one_out(bench, "energy", start)
        scaling.components_summary(scaling.components(bench))
        megabytes = len(figures.ratios(frame, summary, "energy", False, None).figure.to_json()) / 1e6
        seconds.append(time.perf_counter() - started)
    return [
        _row("scaling page, first time", seconds[0], "s", 3.0),
        _row("scaling page, later", median(seconds[1:]), "s", 0.5),
        _row("scaling page, figure sent", megabytes, "MB", 1.0),
    ]


def _row(name: str, value: float, unit: str, limit: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "peer": None, "ratio": value / limit}


if __name__ == "__main__":
    for figure in run():
        print(figure)
