"""Searches on one core: evaluations a second, seconds a run, and how much of the true front they find.

Quality is the mean of ten seeds that were not used to choose the default's rates, as what is missing: less is better.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ecnas_core import Benchmark
from ecnas_core.analysis.pareto import hypervolume
from ecnas_core.search import ALGORITHMS, DEFAULT, Problem, Setting, Trial, make, run_trial
from ecnas_core.search.operators import sample_matrix

SEEDS = range(1000, 1010)
EVALUATIONS = 1000
EVALUATIONS_MS_EHVI = 110
BATCH = 100
REFERENCE = (1.0, 0.2)
PEER = "NSGA-II"


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer and ratio, value to peer, or to the limit without a peer.
    """
    bench = Benchmark.open()
    rows = [_loading(bench), _rate(Problem(bench, Setting(space="7V", epochs=None)))]
    five = Problem(bench, Setting(space="5V"))
    found = {name: _trials(name, five) for name in ALGORITHMS if name != "RE"}
    seconds = {name: taken for name, (taken, _) in found.items()}
    for name, taken in seconds.items():
        slow = name == "MS-EHVI"
        count = EVALUATIONS_MS_EHVI if slow else EVALUATIONS
        peer = None if slow or name == PEER else seconds[PEER]
        label = f"{name}: a run of {count:,} evaluations in 5V" + (f" (peer: pymoo's {PEER})" if peer else "")
        rows.append(_row(label, taken, "s", 20.0 if slow else 1.0, peer))
    lost = {name: _lost(five, trials) for name, (_, trials) in found.items()}
    for name in (DEFAULT, "SEMOA", "SH-EMOA", "SMS-EMOA", PEER, "RS"):
        peers = (None, None) if name == PEER else lost[PEER]
        limits = (0.002, 0.2) if name == DEFAULT else (None, None)
        for what, value, limit, peer in zip(("hypervolume", "front's cells"), lost[name], limits, peers, strict=True):
            note = f" (peer: {PEER})" if peer is not None else ""
            rows.append(_row(f"{name}: share of the {what} missed in 5V{note}", value, "", limit, peer))
    return rows + _beside_the_published(bench)


def _loading(bench: Benchmark) -> dict[str, Any]:
    return _row("problem of 7V at 108 epochs", _seconds(lambda: Problem(bench, Setting())), "s", 3.0, None)


def _rate(problem: Problem) -> dict[str, Any]:
    """From genomes to values; the peer is pymoo asking the same table for the same batch."""
    from pymoo.core.evaluator import Evaluator
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem as PymooProblem

    class Asked(PymooProblem):  # type: ignore[misc]
        def _evaluate(self, x: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
            out["F"] = problem.evaluate(genomes[x[:, 0]], x[:, 1])[1]

    rng = np.random.default_rng(0)
    genomes = sample_matrix(problem.lookup, BATCH, rng)
    budgets = rng.integers(0, 4, BATCH, dtype=np.int8)
    asked = Asked(n_var=2, n_obj=2)
    variables = np.column_stack([np.arange(BATCH), budgets])

    def own() -> None:
        for _ in range(200):
            problem.evaluate(genomes, budgets)

    def pymoo() -> None:
        for _ in range(200):
            Evaluator().eval(asked, Population.new(X=variables))

    microseconds = [_seconds(action) / 200 / BATCH * 1e6 for action in (own, pymoo)]
    return _row(
        "evaluation in 7V, batches of 100 (peer: pymoo's evaluator)", microseconds[0], "µs", 5.0, microseconds[1]
    )


def _trials(name: str, problem: Problem, evaluations: int = EVALUATIONS) -> tuple[float, list[Trial]]:
    """Mean seconds, and the trials."""
    count = EVALUATIONS_MS_EHVI if name == "MS-EHVI" else evaluations
    run_trial(make(name, problem, 0), 20)
    started = time.perf_counter()
    trials = [run_trial(make(name, problem, seed), count) for seed in SEEDS]
    return (time.perf_counter() - started) / len(SEEDS), trials


def _lost(problem: Problem, trials: list[Trial]) -> tuple[float, float]:
    """What is missing of the true front's hypervolume and of its cells, as mean shares."""
    true = problem.front()[2]
    whole, cells = hypervolume(true, REFERENCE), {*map(tuple, true)}
    fronts = [trial.answers.values[trial.front()] for trial in trials]
    volume = np.mean([hypervolume(values, REFERENCE) for values in fronts]) / whole
    found = np.mean([len(cells & {*map(tuple, values)}) for values in fronts]) / len(cells)
    return 1 - float(volume), 1 - float(found)


def _beside_the_published(bench: Benchmark) -> list[dict[str, Any]]:
    """The authors' setting: hypervolume below (1 kWh, 0.2) that the first 1,000 evaluations leave, ours and theirs."""
    rows = []
    for space in ("4V", "5V", "7V"):
        setting = Setting(space=space, epochs=None, sampling="matrix", charging="all")
        problem = Problem(bench, setting)
        for published, names in (("SEMOA", (DEFAULT, "SEMOA")), ("RS", ("RS",)), ("MS-EHVI", ("MS-EHVI",))):
            theirs = _published(bench, space, published)
            for name in names:
                _, trials = _trials(name, problem)
                left = [_left(trial.answers.values[trial.front()]) for trial in trials]
                label = f"{name}: left of 1 kWh x 0.2 in {space}, the paper's setting (peer: its {published})"
                rows.append(_row(label, float(np.mean(left)), "kWh", None, theirs))
    return rows


def _published(bench: Benchmark, space: str, algorithm: str) -> float:
    frame = bench.frame(
        "select trial, energy_kwh, 1 - validation_accuracy as error from evaluations "
        "where study = 'ec-nas-published' and space = ? and algorithm = ? and valid and evaluation < ? "
        "and (space <> '7V' or epochs is null or energy_kwh * 4 / epochs > 0.00315)",
        [space, algorithm, EVALUATIONS],
    )
    return float(np.mean([_left(run[["energy_kwh", "error"]].to_numpy()) for _, run in frame.groupby("trial")]))


def _left(values: np.ndarray) -> float:
    return REFERENCE[0] * REFERENCE[1] - hypervolume(values, REFERENCE)


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _row(name: str, value: float, unit: str, limit: float | None, peer: float | None) -> dict[str, Any]:
    against = peer if peer is not None else limit
    ratio = value / against if against else 1.0
    return {"name": name, "value": value, "unit": unit, "limit": limit, "peer": peer, "ratio": ratio}


if __name__ == "__main__":
    for figure in run():
        print(figure)
