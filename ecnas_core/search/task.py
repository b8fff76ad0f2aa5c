"""One trial of a study, wherever it runs: what is handed to a worker, what it tells on the way, and what comes back."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecnas_core.analysis.pareto import hypervolume
from ecnas_core.benchmark.schema import EVALUATIONS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.search.algorithm import Evaluations
from ecnas_core.search.catalogue import make
from ecnas_core.search.problem import Problem, Setting
from ecnas_core.search.study import TrialKey
from ecnas_core.search.trial import Ended, Progress, Trial, run_trial

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "ecnas-explorer"
METADATA = b"ecnas_trial"
TELL_EVERY_S = 0.1
_KNOWN = {
    "trainable_parameters": "trainable_parameters",
    "energy_kwh": "energy_kwh",
    "validation_accuracy": "validation_accuracy",
    "test_accuracy": "test_accuracy",
    "training_time_s": "case when time_provenance <> 'predicted' then training_time_s end",
}
_building = threading.Lock()


@dataclass(frozen=True)
class TrialJob:
    """A trial that a worker is to run.

    Attributes:
        study: the study's id.
        task: its algorithm and seed.
        trial: its number in the study.
        evaluations: how many it makes.
        setting: what is searched for.
        data: the user's folder.
        bundled: folder of the bundled figures; None for those beside the worker's own code.
    """

    study: str
    task: TrialKey
    trial: int
    evaluations: int
    setting: Setting
    data: Path
    bundled: Path | None


@dataclass(frozen=True)
class Figures:
    """What a problem is measured by.

    Attributes:
        fingerprint: of all the answers; two machines with the same figures have the same.
        reference: the worst value of each objective for hypervolumes.
        hypervolume: of the true front.
        front: how many cells and budgets the true front has.
        feasible: how many cells and budgets are feasible.
        size: how many there are.
    """

    fingerprint: str
    reference: tuple[float, ...]
    hypervolume: float
    front: int
    feasible: int
    size: int


@dataclass(frozen=True)
class TrialStatus:
    """How far a running trial is.

    Attributes:
        generation: the latest, from 0.
        asked: questions so far.
        evaluations: charged so far.
        hypervolume: so far.
        rises: (evaluations, hypervolume) wherever the hypervolume has risen, to be drawn as steps.
        values: (n, objectives) of the front so far, in the order of the setting's objectives.
        hashes: (n,) of its cells.
        epochs: (n,) of its budgets.
        seconds: since the trial began.
    """

    generation: int
    asked: int
    evaluations: int
    hypervolume: float
    rises: tuple[tuple[int, float], ...]
    values: tuple[tuple[float, ...], ...]
    hashes: tuple[str, ...]
    epochs: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, eq=False)
class Finished:
    """A trial that came to its end.

    Attributes:
        table: every question, columns of ``trial_schema``, with what ``runner.finished_trial`` tells as metadata.
        last: how far it was at its end.
    """

    table: pa.Table
    last: TrialStatus


def run_job(
    order: TrialJob,
    begun: Callable[[Figures], object],
    tell: Callable[[TrialStatus], object],
    cancelled: Callable[[], bool],
) -> Finished | None:
    """Run one trial.

    Args:
        order: which.
        begun: told the figures of the problem before the first question.
        tell: told how far it is, ten times a second at most, and at the end.
        cancelled: asked after each generation.

    Returns:
        The trial, or None when it was cancelled.

    Raises:
        EcnasError: the setting has nothing to search, or the algorithm is not for it.
    """
    bench = Benchmark.open(order.data, bundled=order.bundled)
    with _building:
        problem, figures = _problem(order.data, order.bundled, order.setting, _figures_stamp(bench))
    begun(figures)
    algorithm = make(order.task.algorithm, problem, order.task.seed)
    teller = _Teller(problem, figures.reference, tell)

    def on_generation(progress: Progress) -> bool:
        teller.hear(progress)
        return cancelled()

    trial = run_trial(algorithm, order.evaluations, on_generation)
    seconds = time.perf_counter() - teller.began
    if trial.ended == Ended.CANCELLED:
        return None
    last = teller.beat()
    tell(last)
    told = {
        "study": order.study,
        "algorithm": trial.algorithm,
        "seed": trial.seed,
        "seconds": seconds,
        "evaluations": trial.evaluations,
        "ended": str(trial.ended),
        "outcomes": trial.outcomes(),
        "front": len(trial.front()),
        "hypervolume": volume(trial.answers.values[trial.front()], figures.reference),
        "figures": asdict(figures),
    }
    table = _table(order, problem, trial, bench)
    return Finished(table.replace_schema_metadata({METADATA: json.dumps(told).encode()}), last)


def figures_of(setting: Setting, data: Path, bundled: Path | None) -> Figures:
    """The figures that this machine has for a setting.

    Raises:
        NothingFeasible: none at all.
    """
    bench = Benchmark.open(data, bundled=bundled)
    with _building:
        return _problem(data, bundled, setting, _figures_stamp(bench))[1]


def volume(points: NDArray[np.float64], reference: tuple[float, ...]) -> float:
    """The hypervolume of points with one to three objectives; with one, how far the best is below the reference."""
    if len(reference) == 1:
        return max(0.0, reference[0] - float(points.min())) if len(points) else 0.0
    return hypervolume(points, reference)


def trial_schema(setting: Setting) -> pa.Schema:
    """The columns of a trial's file: those of EVALUATIONS, then what a search alone has.

    ``seed``, ``question`` (from 0), ``charged``, ``generation``, ``parent``, ``second_parent`` (numbers of
    individuals), ``outcome``, ``edge_bits`` and ``ops`` of the genome, ``accuracy_provenance``, and the objectives as
    the lens shows them.
    """
    import pyarrow as pa

    own = [
        ("seed", pa.int64()),
        ("question", pa.int32()),
        ("charged", pa.bool_()),
        ("generation", pa.int32()),
        ("parent", pa.int32()),
        ("second_parent", pa.int32()),
        ("outcome", pa.string()),
        ("edge_bits", pa.int32()),
        ("ops", pa.string()),
        ("accuracy_provenance", pa.string()),
        *((name, pa.float64()) for name in setting.objectives),
    ]
    return pa.schema([*EVALUATIONS, *(pa.field(*each) for each in own)])


@lru_cache(maxsize=2)
def _problem(data: Path, bundled: Path | None, setting: Setting, stamp: object) -> tuple[Problem, Figures]:
    """The problem, built once a process while the figures stay the same."""
    problem = Problem(Benchmark.open(data, bundled=bundled), setting)
    digest = hashlib.sha256(problem.values.tobytes())
    digest.update(problem.outcomes.tobytes())
    reference = problem.reference()
    _, _, values = problem.front()
    feasible = int((problem.outcomes == 0).sum())
    return problem, Figures(
        digest.hexdigest()[:32], reference, volume(values, reference), len(values), feasible, problem.size
    )


def _figures_stamp(bench: Benchmark) -> object:
    """What changes when the answers of the benchmark do; its stamp also does when a trial is stored."""
    return tuple(each for each in bench.stamp if each[0].startswith(("benchmark/", "results/")))


class _Teller:
    """Gathers the generations of a trial into beats."""

    def __init__(self, problem: Problem, reference: tuple[float, ...], tell: Callable[[TrialStatus], object]) -> None:
        self.began = time.perf_counter()
        self._problem = problem
        self._reference = reference
        self._tell = tell
        self._told_at = self.began
        self._hypervolume = 0.0
        self._rises: list[tuple[int, float]] = []
        self._front: Evaluations | None = None
        self._latest: Progress | None = None
        self._hashes: dict[int, str] = {}

    def hear(self, progress: Progress) -> None:
        """Take a generation in; tell if it is time."""
        self._latest = progress
        if progress.front is not None and not self._knows(progress.front):
            self._front = progress.front
            reached = volume(progress.front.values, self._reference)
            if reached > self._hypervolume:
                self._hypervolume = reached
                self._rises.append((progress.charged, reached))
        if time.perf_counter() - self._told_at >= TELL_EVERY_S or progress.generation == 0:
            self._tell(self.beat())
            self._told_at = time.perf_counter()

    def _knows(self, front: Evaluations) -> bool:
        return self._front is not None and np.array_equal(front.values, self._front.values)

    def beat(self) -> TrialStatus:
        """How far the trial is."""
        assert self._latest is not None
        values: tuple[tuple[float, ...], ...] = ()
        rows, budgets = np.empty(0, np.int32), np.empty(0, np.int8)
        if self._front is not None:
            values = tuple(map(tuple, self._front.values.tolist()))
            rows, budgets = self._front.rows, self._front.budgets
        unknown = np.array([row for row in rows.tolist() if row not in self._hashes], np.int64)
        self._hashes.update(zip(unknown.tolist(), self._problem.lookup.hashes(unknown), strict=True))
        budget_epochs = self._problem.setting.budgets
        return TrialStatus(
            self._latest.generation,
            self._latest.asked,
            self._latest.charged,
            self._hypervolume,
            tuple(self._rises),
            values,
            tuple(self._hashes[row] for row in rows.tolist()),
            tuple(budget_epochs[budget] for budget in budgets.tolist()),
            time.perf_counter() - self.began,
        )


def _table(order: TrialJob, problem: Problem, trial: Trial, bench: Benchmark) -> pa.Table:
    """The record of a trial in the columns of its file; what is infeasible has no values."""
    import pyarrow as pa

    setting = problem.setting
    frame = trial.frame(problem)
    hashes = frame["hash"].dropna().unique().tolist()
    columns = ", ".join(f"{sql} as {name}" for name, sql in _KNOWN.items())
    known = bench.frame(
        f"select hash, epochs, {columns} from benchmark where space = '{setting.space}' "
        f"and epochs in ({', '.join(map(str, setting.budgets))}) and hash in (select unnest(?::varchar[]))",
        [hashes],
    )
    frame = frame.merge(known, on=["hash", "epochs"], how="left", validate="many_to_one")
    infeasible = ~frame["valid"].to_numpy(bool)
    frame.loc[infeasible, list(_KNOWN)] = np.nan
    source = frame["accuracy_provenance"]
    taken = source.notna() if setting.accuracy == "any" else source == "published"
    frame.loc[~taken.to_numpy(bool), ["validation_accuracy", "test_accuracy"]] = np.nan
    frame["study"] = order.study
    frame["space"] = setting.space
    frame["algorithm"] = trial.algorithm
    frame["trial"] = order.trial
    frame["seed"] = trial.seed
    frame["co2eq_g"] = np.nan
    frame["source"] = SOURCE
    schema = trial_schema(setting)
    return pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False)
