"""What a study is, and where it lives: some algorithms, each with the same seeds, over one setting.

A study has a folder under ``studies`` in the user's folder. ``study.json`` says what it is, ``progress`` how far its
trials are, ``ended.json`` how it ended. Whoever carries it out holds a lock on ``lock`` until it ends; a study whose
lock is free has ended, whatever its files say. A file ``cancel`` asks it to stop. Its finished trials stand with all
other evaluations in ``runs``, one Parquet file each.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import index
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, get_args

import msgspec

from ecnas_core.benchmark import background
from ecnas_core.carbon import Lens
from ecnas_core.errors import EcnasError
from ecnas_core.search.catalogue import ALGORITHMS, UnknownAlgorithm
from ecnas_core.search.problem import Setting

State = Literal["running", "done", "failed", "cancelled", "died"]
FOLDER = "studies"
RUNS = "runs"
LOCK = "lock"
ENDED = "ended.json"
CANCEL = "cancel"
PROGRESS = "progress"
FIGURES = "figures.json"
_STUDY = "study.json"
_ID = re.compile(r"[a-z0-9-]{1,60}")
_LONGEST_NAME = 80
_MOST_TRIALS = 1000
_LARGEST_SEED = 2**31 - 1
_LATEST_S = 2**33  # the year 2242


class StudyError(EcnasError):
    """A study cannot be started, changed or read."""

    exit_status = 1


class UnknownStudy(StudyError):
    """There is no such study."""

    exit_status = 2


class InvalidPlan(StudyError):
    """A part of a study's plan is out of its range."""

    exit_status = 2


class FiguresChanged(StudyError):
    """The benchmark is not what it was when the study began, or not the same on all machines."""


class Task(NamedTuple):
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
    def tasks(self) -> tuple[Task, ...]:
        """Every trial, the first of each algorithm first."""
        return tuple(Task(name, seed) for seed in self.seeds for name in self.evaluations)

    def to_document(self) -> dict[str, Any]:
        """The plan for JSON."""
        setting = msgspec.to_builtins(self.setting)
        setting["bounds"] = [[key, _finite(least), _finite(most)] for key, least, most in self.setting.bounds]
        return {"setting": setting, "evaluations": dict(self.evaluations), "seeds": list(self.seeds)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The plan that ``to_document`` wrote.

        Raises:
            InvalidPlan: it did not.
            InvalidRecord: a part of the setting is out of its range.
        """
        try:
            setting = dict(document["setting"])
            bounds = tuple(
                (str(key), -math.inf if least is None else float(least), math.inf if most is None else float(most))
                for key, least, most in setting["bounds"]
            )
            setting |= {
                "objectives": tuple(setting["objectives"]),
                "bounds": bounds,
                "lens": Lens(**setting["lens"]),
            }
            evaluations = {name: index(count) for name, count in document["evaluations"].items()}
            return cls(Setting(**setting), evaluations, tuple(map(index, document["seeds"])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidPlan(f"no plan of a study ({error!r})") from error


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
    finished: frozenset[Task] = field(default=frozenset(), repr=False)

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
    def missing(self) -> tuple[Task, ...]:
        """The trials that have no file yet; ``runner.resume`` runs them."""
        return tuple(task for task in self.plan.tasks if task not in self.finished)

    @cached_property
    def files(self) -> dict[Task, Path]:
        """The file of every trial, whether or not it is there yet."""
        return {task: self.data / RUNS / f"{self.id}.{task.algorithm}.{task.seed}.parquet" for task in self.plan.tasks}


def read(folder: Path) -> Study:
    """The study of a folder as it is.

    Raises:
        UnknownStudy: there is none.
        StudyError: its file cannot be read.
    """
    path = folder / _STUDY
    try:
        # before the rest, so that one that ends meanwhile is not taken for dead
        held = background.is_held(folder / LOCK)
        document = json.loads(path.read_text(encoding="utf-8"))
        name, created = str(document["name"]), float(document["created"])
        if not 0 <= created <= _LATEST_S:
            raise ValueError(f"it was created at {created:g} s")
        plan = Plan.from_document(document["plan"])
    except (FileNotFoundError, NotADirectoryError):
        raise UnknownStudy(
            f"there is no study {folder.name[:60]!r} in {folder.parent}; look at those there are"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, EcnasError) as error:
        raise StudyError(f"{path} cannot be read as a study ({error}); repair it or take the folder out") from error
    data = folder.parent.parent
    state, error_told = _state(folder, held)
    study = Study(folder.name, name, data, plan, created, state, error_told)
    finished = frozenset(task for task, file in study.files.items() if file.is_file())
    return Study(folder.name, name, data, plan, created, state, error_told, finished)


def write(folder: Path, name: str, plan: Plan, created: float) -> None:
    """Write down what a study is."""
    background.write_json(folder / _STUDY, {"name": name, "created": created, "plan": plan.to_document()})


def folders(data: Path) -> list[Path]:
    """The folders of all studies, readable or not."""
    return sorted(path.parent for path in (data / FOLDER).glob(f"*/{_STUDY}") if _ID.fullmatch(path.parent.name))


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


def _state(folder: Path, held: bool) -> tuple[State, str | None]:
    if held:
        return "running", None
    try:
        ended = json.loads((folder / ENDED).read_text(encoding="utf-8"))
        if ended["state"] in get_args(State):
            return ended["state"], ended["error"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    if (folder / CANCEL).exists():
        return "cancelled", None
    return "died", "its process was ended from outside (killed, or by a restart of the machine); resume it"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
