"""The Hardware page's slowest computations: each section up to its numbers, and the bootstrap beside scipy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec.structs import replace
from scipy.stats import kendalltau

from ecnas_core import Benchmark
from ecnas_core.analysis import hardware, rank
from ecnas_core.analysis.hardware import HardwareView
from ecnas_core.figures import hardware as figures

RUNS = 5
OF_SCIPY = 100
"""Resamples that scipy is given, for its share of the time of all."""


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer (seconds of scipy.stats.kendalltau on every resample, or None)
        and ratio, value to peer or else to limit.
    """
    bench = Benchmark.open()
    compared = hardware.compare(bench)
    rows, columns = compared.common("Quadro RTX 6000", "RTX 3090")
    x, y = compared.ranked[np.ix_(rows, columns)].T
    own = _seconds(lambda: rank.kendall_interval(x, y))
    peer = _seconds(lambda: [kendalltau(np.repeat(x, n), np.repeat(y, n)) for n in rank.resample(len(x), OF_SCIPY)])
    peer *= rank.RESAMPLES / OF_SCIPY
    sent = len(figures.energies(compared, dark=False).figure.to_json()) / 1e6
    return [
        _row("hardware, energies of all devices and their figure", _seconds(lambda: _energies(bench)), "s", 0.5),
        _row(
            "hardware, tau of all pairs with and without outliers", _seconds(lambda: _both(bench, "ranking")), "s", 1.0
        ),
        _row(
            "hardware, regret of all pairs with and without outliers",
            _seconds(lambda: _both(bench, "regret")),
            "s",
            1.0,
        ),
        _row("hardware, 1,000 bootstrap resamples of tau", own, "s", 0.1, peer),
        _row("hardware, largest figure sent", sent, "MB", 1.0),
    ]


def _energies(bench: Benchmark) -> None:
    compared = hardware.compare(bench)
    hardware.by_device(compared)
    figures.energies(compared, dark=False).figure.to_json()


def _both(bench: Benchmark, section: str) -> None:
    view = HardwareView(section=section)
    for each in (view, replace(view, outliers=False)):
        getattr(hardware, section)(hardware.compare(bench, each))


def _seconds(work: Callable[[], object]) -> float:
    """The median time of a few runs."""
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def _row(name: str, value: float, unit: str, limit: float, peer: float | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "peer": peer, "ratio": value / (peer or limit)}


if __name__ == "__main__":
    for figure in run():
        print(figure)
