"""The Carbon page: the first answer for the knee of 7V, every redraw after it, Table 3, and what is sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ecnas_core import Benchmark
from ecnas_core.analysis.footprint import CarbonView, compared, front
from ecnas_core.analysis.reduction import table_3
from ecnas_core.carbon import Lens, grids
from ecnas_core.carbon.countries import outlines
from ecnas_core.carbon.footprint import by_country
from ecnas_core.figures.carbon import atlas

REDRAWS = 20


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer (None) and ratio, value to limit.
    """
    bench, view = Benchmark.open(), CarbonView()
    bench.rows("select count(*) as n from cells")
    outlines.cache_clear()
    found: dict[Any, str] = {}
    first = _seconds(lambda: found.update(front(bench, view.space, view.epochs)))
    redraws, megabytes = [], []
    for code in list(grids())[:REDRAWS]:

        def redraw(lens: Lens) -> None:
            own = compared(bench, CarbonView(lens=lens), found["rk"], found).iloc[0]
            text = atlas(by_country(own["energy_kwh"]), lens, dark=False).figure.to_json()
            megabytes.append(len(text) / 1e6)

        redraws.append(_seconds(lambda code=code: redraw(Lens(country=code))))
    return [
        _row("Carbon, front of 7V", first, "s", 1.0),
        _row("Carbon, 95th percentile of redraws", float(np.percentile(redraws, 95)), "s", 0.5),
        _row("Carbon, Table 3", _seconds(lambda: table_3(bench)), "s", 1.0),
        _row("Carbon, largest figure sent", max(megabytes), "MB", 1.0),
    ]


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _row(name: str, value: float, unit: str, limit: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "peer": None, "ratio": value / limit}


if __name__ == "__main__":
    for figure in run():
        print(figure)
