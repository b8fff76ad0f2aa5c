"""The Explore page's redraw on 7V at 108 epochs over 50 random filters: server time and what is sent."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import numpy as np

from ecnas_core import Benchmark
from ecnas_core.analysis.explore import picture
from ecnas_core.analysis.view import COUNTED, Filters, View
from ecnas_core.figures.explore import plane

REDRAWS = 50
_METRIC_RANGES = {"energy": (0.09, 1.2), "parameters": (0.3, 50.0), "validation_error": (0.05, 0.3)}


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer (None) and ratio, value to limit.
    """
    bench, random = Benchmark.open(), Random(0)
    picture(bench, View())
    seconds, megabytes = [], []
    for _ in range(REDRAWS):
        view = View(filters=_filters(random))
        started = time.perf_counter()
        text = plane(picture(bench, view), dark=False).figure.to_json()
        seconds.append(time.perf_counter() - started)
        megabytes.append(len(text) / 1e6)
    return [
        _row("7V redraw, 95th percentile of 50 random filters", float(np.percentile(seconds, 95)), "s", 0.5),
        _row("7V redraw, median of 50 random filters", float(np.median(seconds)), "s", 0.5),
        _row("7V redraw, largest figure sent", max(megabytes), "MB", 1.0),
    ]


def _filters(random: Random) -> Filters:
    counts = []
    for name in random.sample(COUNTED, random.randint(0, 3)):
        low = random.randint(2, 6) if name == "vertices" else random.randint(0, 2)
        counts.append((name, low, random.randint(low, 7 if name == "vertices" else 5)))
    ranges = []
    for name in random.sample(sorted(_METRIC_RANGES), random.randint(0, 2)):
        least, most = sorted(random.uniform(*_METRIC_RANGES[name]) for _ in range(2))
        ranges.append((name, least, most))
    return Filters(counts=tuple(counts), ranges=tuple(ranges))


def _row(name: str, value: float, unit: str, limit: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "peer": None, "ratio": value / limit}


if __name__ == "__main__":
    for figure in run():
        print(figure)
