"""The Swaps page on 7V: Figure 2 over all 423,624 cells, first and again, and the swaps of one vertex."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ecnas_core import Benchmark
from ecnas_core.analysis.swaps import distribution, figure_2, trade_off
from ecnas_core.analysis.swaps_view import SwapsView


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer (None) and ratio, value to limit.
    """
    bench, view = Benchmark.open(), SwapsView()
    return [
        _row("Figure 2 of all 7V cells, first time", _seconds(lambda: figure_2(bench)), 3.0),
        _row("Figure 2 of all 7V cells, again", _seconds(lambda: figure_2(bench)), 0.3),
        _row("7V swaps of one vertex, first time", _seconds(lambda: distribution(bench, view)), 3.0),
        _row("7V swaps of one vertex, again", _seconds(lambda: distribution(bench, view)), 0.5),
        _row("7V energy for accuracy, again", _seconds(lambda: trade_off(bench, view)), 0.3),
    ]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(name: str, value: float, limit: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "s", "limit": limit, "peer": None, "ratio": value / limit}


if __name__ == "__main__":
    for figure in run():
        print(figure)
