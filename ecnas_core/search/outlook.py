"""What a study is expected to take, before it begins and while it runs."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon.lens import JOULES_PER_KWH
from ecnas_core.search.catalogue import ALGORITHMS
from ecnas_core.search.problem import Setting
from ecnas_core.search.runner import StudyProgress
from ecnas_core.search.study import Plan

START_S: Final = {"4V": 1.5, "5V": 1.5, "7V": 4.0}
"""Seconds until a worker process has imported what it needs and built the problem, on the machine this was made on."""


@dataclass(frozen=True)
class Outlook:
    """What a study is expected to take.

    Attributes:
        trials: how many.
        evaluations: of all trials; where only new questions are charged, no more than there are.
        seconds: until it has ended, on this machine.
        search_kwh: what the processors are assumed to take meanwhile.
        training: the energy of training for real what is evaluated, in kWh; None where the lens's scope is not known
            in the space.
        training_s: the time of it.
    """

    trials: int
    evaluations: int
    seconds: float
    search_kwh: float
    training: float | None
    training_s: float | None

    @property
    def times_less(self) -> float | None:
        """How many times the energy of the search goes into that of the trainings."""
        return None if self.training is None else self.training / self.search_kwh


@dataclass(frozen=True)
class Means:
    """Averages over the cells of a space at some budgets.

    Attributes:
        questions: how many cells and budgets there are.
        kwh: mean energy of a training; None where the lens's scope is not known in the space.
        seconds: mean time of the trainings whose time is known.
        predicted: share of these times that is predicted.
    """

    questions: int
    kwh: float | None
    seconds: float | None
    predicted: float


def means(bench: Benchmark, setting: Setting) -> Means:
    """What the average training of a space takes.

    Args:
        bench: the benchmark.
        setting: space, budgets and lens (whose unit does not matter).
    """
    kwh = replace(setting.lens, unit="kWh")
    budgets = ", ".join(map(str, setting.budgets))
    row = bench.rows(
        f"select count(*) as questions, avg({kwh.energy_sql()}) as kwh, avg({kwh.time_sql()}) as seconds, "
        "count(*) filter (where time_provenance = 'predicted') / greatest(count(training_time_s), 1) as predicted "
        f"from {kwh.table} where space = ? and epochs in ({budgets}) and (energy_artefact is null or ?)",
        [setting.space, setting.artefacts],
    )[0]
    return Means(row["questions"], row["kwh"], row["seconds"], row["predicted"])


def pace(watched: Iterable[StudyProgress]) -> float:
    """How many times longer trials took here than their algorithm says; 1 where none has finished."""
    ratios = [
        trial.seconds / ALGORITHMS[trial.task.algorithm].seconds(trial.evaluations)
        for progress in watched
        for trial in progress.trials
        if trial.state == "finished" and trial.evaluations and trial.seconds
    ]
    return float(statistics.median(ratios)) if ratios else 1.0


def outlook(plan: Plan, average: Means, speed: float, watts: float, cores: int | None = None) -> Outlook:
    """What a study is expected to take before it begins.

    Args:
        plan: what it does.
        average: of the space, as ``means`` gives it.
        speed: as ``pace`` gives it.
        watts: power that one busy core is assumed to draw, in W.
        cores: how many there are; by default this machine's.
    """
    cores = cores or os.cpu_count() or 1
    unique = plan.setting.charging == "unique"
    charged = {name: min(count, average.questions) if unique else count for name, count in plan.evaluations.items()}
    evaluations = sum(charged.values()) * len(plan.seeds)
    lengths = [speed * ALGORITHMS[name].seconds(count) for name, count in charged.items()]
    busy = sum(lengths) * len(plan.seeds)
    workers = min(cores, len(plan.tasks))
    start = START_S[plan.setting.space] * max(1.0, speed)
    return Outlook(
        len(plan.tasks),
        evaluations,
        start + max(busy / workers, *lengths, 0.0),
        energy_kwh(busy + workers * start, watts),
        None if average.kwh is None else evaluations * average.kwh,
        None if average.seconds is None else evaluations * average.seconds,
    )


def energy_kwh(busy_s: float, watts: float) -> float:
    """The energy of cores that are busy for some seconds in all, in kWh, at an assumed power in W each."""
    return busy_s * watts / JOULES_PER_KWH


def seconds_left(progress: StudyProgress, speed: float, cores: int | None = None) -> float:
    """How long a running study is expected to go on, in s.

    Args:
        progress: of the study; its own trials count before the speed given.
        speed: as ``pace`` gives it.
        cores: how many there are; by default this machine's.
    """
    own = [trial for trial in progress.trials if trial.evaluations and trial.seconds]
    if own:
        expected = sum(ALGORITHMS[trial.task.algorithm].seconds(trial.evaluations) for trial in own)
        speed = sum(trial.seconds for trial in own) / expected
    left = [
        speed * (seconds(trial.planned) - seconds(trial.evaluations))
        for trial, seconds in ((trial, ALGORITHMS[trial.task.algorithm].seconds) for trial in progress.trials)
        if trial.state != "finished"
    ]
    longest = max(left, default=0.0)
    return max(sum(left) / min(cores or os.cpu_count() or 1, max(1, len(left))), longest)


def rate(progress: StudyProgress) -> float | None:
    """Evaluations a second of the trials that run now, together; None where none does."""
    running = [trial for trial in progress.trials if trial.state == "running" and trial.seconds > 0]
    return sum(trial.evaluations / trial.seconds for trial in running) if running else None
