"""What a study is, and where it lives: some algorithms, each with the same seeds, over one setting.

A study is a run of ``ecnas_core.runs`` under ``studies`` in the user's folder. Besides what every run has there stand
``progress``, a file a trial that says how far it is, and ``figures.json``, what the problem is measured by. Its
finished trials stand with all other evaluations in ``runs``, one Parquet file each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import msgspec

from ecnas_core.errors import EcnasError
from ecnas_core.runs import Ended, Event, Kind, Progress, Run, RunError, State
from ecnas_core.runs.run import CANCEL
from ecnas_core.search.catalogue import ALGORITHMS, UnknownAlgorithm
from ecnas_core.search.problem import Setting

FOLDER = Path("studies")
REMOVED = FOLDER / ".removed"
RUNS = "runs"
PROGRESS = "progress"
FIGURES = "figures.json"
_LONGEST_NAME = 80
_MOST_TRIALS = 1000
_LARGEST_SEED = 2**31 - 1
_LATEST_S = 2**33  # the year 2242


class InvalidPlan(EcnasError):
    """A part of a study's plan is out of its range."""


class FiguresChanged(RunError):
    """The benchmark is not what it was when the study began, or not the same on all machines."""


class TrialKey(NamedTuple):
    """One trial of a study.

    Attributes:
        algorithm: which of ``ALGORITHMS``.
        seed: of all its chance.
    """

    algorithm: str
    seed: int


@dataclass(frozen=True)
class Plan:
    """What a study does.

    Attributes:
        setting: what is searched for.
        evaluations: the algorithms, each with the number of evaluations that a trial of it makes.
        seeds: of the trials of each algorithm, all different, 0 to 2^31 - 1; the place of a seed is the trial's number.

    Raises:
        InvalidPlan: a part out of its range.
        UnknownAlgorithm: no such algorithm.
    """

    setting: Setting
    evaluations: Mapping[str, int]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.evaluations:
            raise InvalidPlan(f"no algorithm given; take some of {', '.join(ALGORITHMS)}")
        for name, count in self.evaluations.items():
            if name not in ALGORITHMS:
                raise UnknownAlgorithm(f"there is no algorithm {name!r}; take one of {', '.join(ALGORITHMS)}")
            if count < 1:
                raise InvalidPlan(f"{count} evaluations given for {name}; give at least 1")
        _check_trials(len(self.seeds))
        if len(set(self.seeds)) < len(self.seeds):
            raise InvalidPlan("a seed is given twice; each trial needs its own")
        for seed in self.seeds:
            if not 0 <= seed <= _LARGEST_SEED:
                raise InvalidPlan(f"the seed {seed} is out of range; take 0 to {_LARGEST_SEED}")

    @classmethod
    def of(cls, setting: Setting, algorithms: tuple[str, ...], evaluations: int, trials: int, seed: int = 0) -> Self:
        """A plan with equally many evaluations for every algorithm and seeds one after the other.

        Args:
            setting: what is searched for.
            algorithms: some of ``ALGORITHMS``; one named twice counts once.
            evaluations: of each trial.
            trials: of each algorithm.
            seed: of the first trial; the others have the next ones.

        Raises:
            InvalidPlan, UnknownAlgorithm: as of ``Plan``.
        """
        _check_trials(trials)
        return cls(setting, dict.fromkeys(algorithms, evaluations), tuple(range(seed, seed + trials)))

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms, in the order given."""
        return tuple(self.evaluations)

    @property
    def tasks(self) -> tuple[TrialKey, ...]:
        """Every trial, the first of each algorithm first."""
        return tuple(TrialKey(name, seed) for seed in self.seeds for name in self.evaluations)

    def to_document(self) -> dict[str, Any]:
        """The plan for JSON, which turns infinite bounds into null."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The plan that ``to_document`` wrote.

        Raises:
            InvalidPlan: it did not.
            EcnasError: a part is out of its range.
        """
        try:
            setting = dict(document["setting"])
            setting["bounds"] = [
                (key, -math.inf if least is None else least, math.inf if most is None else most)
                for key, least, most in setting["bounds"]
            ]
            return msgspec.convert({**document, "setting": setting}, cls)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidPlan(f"no plan of a study ({error})") from error


class StudyRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A study as it is asked for.

    Attributes:
        name: what it is called; no two studies of a folder have the same.
        created: when, in s since 1970.
        plan: what it does, as ``Plan.to_document`` wrote it.
        processes: worker processes; None for one a core.
        scheduler: address of a Dask scheduler whose workers run the trials instead.
    """

    name: str
    created: Annotated[float, msgspec.Meta(ge=0, le=_LATEST_S)]
    plan: dict[str, Any]
    processes: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        Plan.from_document(self.plan)


class Advance(Event, frozen=True, tag="advance"):
    """How far a study is.

    Attributes:
        finished: trials.
        trials: in all.
        evaluations: charged so far, in all trials.
        planned: evaluations of all trials.
    """

    finished: int
    trials: int
    evaluations: int
    planned: int


def _title(request: StudyRequest) -> str:
    return request.name


def _progress(run: Run[StudyRequest]) -> Progress:
    told = [each for each in run.events if isinstance(each, Advance)]
    if not told:
        return Progress("Starting")
    first, last = told[0], told[-1]
    made = last.evaluations - first.evaluations
    left = (last.planned - last.evaluations) * (last.at - first.at) / made if made else None
    return Progress("Searching", last.evaluations, last.planned, "evaluations", seconds_left=left)


STUDY: Kind[StudyRequest] = Kind(
    "study",
    "ecnas_core.search.study:STUDY",
    "ecnas_core.search.runner:work",
    FOLDER,
    StudyRequest,
    Advance | Ended,
    _title,
    _progress,
    set_aside=REMOVED,
    file="study.json",
    remedy="resume it",
    keeps_results=True,
)


@dataclass(frozen=True)
class Study:
    """A study at one moment.

    Attributes:
        id: names it for good; the column ``study`` of its evaluations.
        name: what it is called; no two studies of a folder have the same.
        data: the user's folder.
        plan: what it does.
        created: when, in s since 1970.
        state: running, done, failed (``error`` says why), cancelled, or died (ended without a word).
        error: why it ended without success, and what to do.
        finished: the trials that have a file.
    """

    id: str
    name: str
    data: Path
    plan: Plan
    created: float
    state: State
    error: str | None = None
    finished: frozenset[TrialKey] = field(default=frozenset(), repr=False)

    @property
    def folder(self) -> Path:
        """Where it lives."""
        return self.data / FOLDER / self.id

    @property
    def running(self) -> bool:
        """Whether somebody carries it out."""
        return self.state == "running"

    @property
    def cancelling(self) -> bool:
        """Whether it has been asked to stop and has not yet."""
        return self.running and (self.folder / CANCEL).exists()

    @property
    def missing(self) -> tuple[TrialKey, ...]:
        """The trials that have no file yet; ``runner.resume`` runs them."""
        return tuple(task for task in self.plan.tasks if task not in self.finished)

    @cached_property
    def files(self) -> dict[TrialKey, Path]:
        """The file of every trial, whether or not it is there yet."""
        return {task: self.data / RUNS / f"{self.id}.{task.algorithm}.{task.seed}.parquet" for task in self.plan.tasks}


def study_of(run: Run[StudyRequest]) -> Study | None:
    """The study that a run carries out; None where its request cannot be read."""
    if run.request is None:
        return None
    plan, data = Plan.from_document(run.request.plan), STUDY.data_of(run.folder)
    state: State = "died" if run.state == "unreadable" else run.state
    study = Study(run.id, run.request.name, data, plan, run.request.created, state, run.error)
    finished = frozenset(task for task, file in study.files.items() if file.is_file())
    return replace(study, finished=finished)


def checked_name(name: str) -> str:
    """A name without blanks around it.

    Raises:
        InvalidPlan: nothing, or something unprintable or too long to be a name.
    """
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidPlan(f"{name[:_LONGEST_NAME]!r} is no name; give 1 to {_LONGEST_NAME} printable characters")
    return name


def slug(name: str) -> str:
    """A name in letters, digits and dashes alone."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "study"


def _check_trials(count: int) -> None:
    if not 1 <= count <= _MOST_TRIALS:
        raise InvalidPlan(f"{count} trials given; give 1 to {_MOST_TRIALS}")
