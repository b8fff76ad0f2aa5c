"""Analysis of searches beside moocore: hypervolume over evaluations, attainment, three objectives, Table 1."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import moocore
import numpy as np

from ecnas_core import Benchmark
from ecnas_core.analysis import attainment, compare, convergence, pareto
from ecnas_core.analysis.table1 import table_1
from ecnas_core.analysis.trials import Trial, trials

RUNS = 5
REFERENCE = (1.0, 1.0)


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer (seconds of moocore, or None) and ratio, value to peer or else
        to limit.
    """
    bench = Benchmark.open()
    searches = bench.frame("select * from evaluations where study = 'ec-nas-published' and space = '7V'")
    random = searches[searches["algorithm"] == "RS"]
    found = trials(random)
    fronts = [each.points[each.front] for each in found]
    other = [each.points[each.front] for each in trials(searches[searches["algorithm"] == "SEMOA"])]
    cells = np.random.default_rng(0).random((423_624, 3))
    return [
        _row(
            "search, hypervolume of 10 x 1,000 evaluations with bands",
            _seconds(lambda: convergence.bands(trials(random), REFERENCE)),
            0.3,
            _seconds(lambda: _from_scratch(found)),
        ),
        _row(
            "search, the same of all published 7V searches (100,952 evaluations)",
            _seconds(lambda: convergence.bands(trials(searches), REFERENCE)),
            3.0,
        ),
        _row(
            "search, attainment surfaces of 10 trials",
            _seconds(lambda: attainment.surfaces(fronts, REFERENCE)),
            0.1,
            _seconds(lambda: moocore.eaf(*_stacked(fronts), percentiles=[0, 25, 50, 75, 100])),
        ),
        _row(
            "search, attainment difference of two algorithms",
            _seconds(lambda: attainment.difference(fronts, other, REFERENCE)),
            0.1,
            _seconds(lambda: moocore.eafdiff(*map(_with_sets, (fronts, other)), rectangles=True)),
        ),
        _row(
            "search, comparison of four algorithms' hypervolumes",
            _seconds(lambda: _compared(trials(searches))),
            0.5,
        ),
        _row(
            "search, front of 423,624 cells in three objectives",
            _seconds(lambda: pareto.front(cells)),
            2.0,
            _seconds(lambda: moocore.is_nondominated(cells)),
        ),
        _row(
            "search, hypervolume of 1,000 points in three objectives",
            _seconds(lambda: pareto.hypervolume(cells[:1_000], (1, 1, 1))),
            0.01,
            _seconds(lambda: moocore.hypervolume(cells[:1_000], ref=(1, 1, 1))),
        ),
        _row("search, Table 1 from the published searches", _seconds(lambda: table_1(bench)), 1.0),
    ]


def _from_scratch(found: list[Trial]) -> None:
    """Moocore's hypervolume after each evaluation, of the feasible points so far."""
    for trial in found:
        feasible = trial.feasible
        for place in range(len(trial.points)):
            moocore.hypervolume(trial.points[feasible[feasible <= place]], ref=REFERENCE)


def _compared(found: list[Trial]) -> None:
    table = convergence.reached(found, REFERENCE)
    compare.compare({str(name): each["hypervolume"].to_numpy() for name, each in table.groupby("algorithm")})


def _stacked(fronts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(fronts), np.repeat(np.arange(len(fronts)), [len(each) for each in fronts])


def _with_sets(fronts: list[np.ndarray]) -> np.ndarray:
    return np.column_stack(_stacked(fronts))


def _seconds(work: Callable[[], object]) -> float:
    """The median time of a few runs."""
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def _row(name: str, value: float, limit: float, peer: float | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "s", "limit": limit, "peer": peer, "ratio": value / (peer or limit)}


if __name__ == "__main__":
    for figure in run():
        print(figure)
