"""Surrogates trained in the background: started, watched, cancelled, kept and deleted from any number of pages.

A run lives in a folder of its own under ``surrogates/runs`` in the user's folder: ``request.json`` says what it does,
``events.jsonl`` what has happened, and beside them stands what it made. Its process holds a lock on ``lock`` until it
ends; a run whose lock is free has ended, whatever its events say. A file ``cancel`` asks it to stop.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core.benchmark import background
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates import energy, own_table
from ecnas_core.surrogates.experiment import Experiment, InvalidExperiment
from ecnas_core.surrogates.own_table import Spec
from ecnas_core.surrogates.training import Epoch

if TYPE_CHECKING:
    import pandas as pd

State = Literal["running", "done", "failed", "cancelled", "died", "unreadable"]

FOLDER = Path("surrogates") / "runs"
REMOVED = Path("surrogates") / "set-aside"
HELD_OUT, CURVE, IMPORTANCE, PREDICTIONS = "held_out", "learning_curve", "importance", "predictions"
MODEL = "model.safetensors"
TABLE = "table.parquet"
_LOCK, _REQUEST, _EVENTS, _CANCEL, _LOG = "lock", "request.json", "events.jsonl", "cancel", "log"
_ENDS = ("done", "failed", "cancelled")


class RunError(EcnasError):
    """A run cannot be started, deleted or brought back."""

    exit_status = 1


class RunRunning(RunError):
    """A run is at work."""


class UnknownRun(RunError):
    """There is no such run."""

    exit_status = 2


@dataclass(frozen=True)
class Curve:
    """The learning curve of an energy model.

    Attributes:
        model: best or paper.
    """

    model: energy.Model = "paper"

    def __post_init__(self) -> None:
        """Raise UnknownModel where there is no such model."""
        energy.check_model(self.model)


@dataclass(frozen=True)
class OwnTraining:
    """A model of a table of one's own.

    Attributes:
        name: of the table, for people.
        spec: what of it is learned.
        model: best or paper.
        seed: of everything that is drawn.
    """

    name: str
    spec: Spec
    model: energy.Model = "best"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UnknownModel where there is no such model."""
        energy.check_model(self.model)


@dataclass(frozen=True)
class OwnPrediction:
    """Predictions of a table by the model of a run.

    Attributes:
        name: of the table, for people.
        run: the run whose model predicts.
    """

    name: str
    run: str


Request = Experiment | Curve | OwnTraining | OwnPrediction
TASKS: dict[str, type[Request]] = {
    "experiment": Experiment,
    "curve": Curve,
    "own training": OwnTraining,
    "own prediction": OwnPrediction,
}


@dataclass(frozen=True)
class Run:
    """A run at one moment.

    Attributes:
        id: names it.
        folder: where it lives.
        request: what it does; None where that cannot be read.
        started: when, in s since 1970.
        state: running, done, failed (``error`` says why), cancelled, died (ended without a word), or unreadable (its
            files are not what a run writes).
        error: why it ended without success, and what to do.
        epochs: of its training, oldest first.
        learned: number of cells or rows that it learned from, once that is known.
        notes: what was left out, in plain sentences.
        ended: when, in s since 1970; None if it has not said.
    """

    id: str
    folder: Path
    request: Request | None
    started: float
    state: State
    error: str | None = None
    epochs: tuple[Epoch, ...] = field(default=(), repr=False)
    learned: int | None = None
    notes: tuple[str, ...] = ()
    ended: float | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.state == "running"

    @property
    def cancelling(self) -> bool:
        """Whether it has been asked to stop and has not yet."""
        return self.running and (self.folder / _CANCEL).exists()

    @property
    def model(self) -> Path | None:
        """The file of the model that it made; None if there is none."""
        path = self.folder / MODEL
        return path if path.is_file() else None

    def frame(self, name: str) -> pd.DataFrame:
        """A table that it made.

        Args:
            name: ``held_out``, ``importance``, ``learning_curve`` or ``predictions``.

        Raises:
            UnknownRun: it is not there, or is damaged.
        """
        path = self.folder / f"{name}.parquet"
        try:
            frame: pd.DataFrame = pq.read_table(path).to_pandas()
        except (OSError, pa.ArrowException) as error:
            raise UnknownRun(f"{path} is not there or damaged; train again") from error
        return frame


def start(request: Request, data: Path, table: pa.Table | None = None) -> Run:
    """Begin a run.

    Args:
        request: what it does.
        data: the user's folder.
        table: of ``OwnTraining`` and ``OwnPrediction``.

    Raises:
        RunRunning: a run of this folder is at work.
        RunError: it cannot be started.
    """
    data = data.expanduser().resolve()
    if any(run.running for run in runs(data)):
        raise RunRunning("a training is at work; wait for it or cancel it")
    folder = data / FOLDER / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"
    task = next(name for name, kind in TASKS.items() if isinstance(request, kind))
    try:
        folder.mkdir(parents=True)
        lock = background.take_lock(folder / _LOCK)
        assert lock is not None, "the folder is new"
        with lock:
            if table is not None:
                own_table.save(table, folder / TABLE)
            told = {"task": task, **asdict(request), "started": time.time(), "data": str(data)}
            background.write_json(folder / _REQUEST, told)
            background.launch("ecnas_core.surrogates.run_worker", [str(folder)], lock, folder / _LOG)
    except OSError as error:
        raise RunError(f"{folder} cannot be written to ({error.strerror}); check space and permissions") from error
    return read(folder)


def runs(data: Path) -> list[Run]:
    """Every run of a user's folder, the oldest first."""
    found = []
    for folder in sorted((data / FOLDER).glob("*"), key=lambda folder: folder.name):
        if (folder / _REQUEST).is_file():
            with suppress(FileNotFoundError):  # deleted meanwhile
                found.append(read(folder))
    return found


def find(run_id: str, data: Path) -> Run:
    """The run of that id.

    Raises:
        UnknownRun: there is none.
    """
    for run in runs(data):
        if run.id == run_id:
            return run
    raise UnknownRun(f"there is no training {run_id[:60]!r} in {data}; look at those there are")


def read(folder: Path) -> Run:
    """The run of a folder as it is; unreadable where a file of it is not what a run writes.

    Raises:
        FileNotFoundError: there is none.
    """
    held = background.is_held(folder / _LOCK)  # before the events: a run that ends in between is not taken for dead
    try:
        told = json.loads((folder / _REQUEST).read_text(encoding="utf-8"))
        started, request = float(told["started"]), _request(told)
        events = [_checked(event) for event in background.read_events(folder / _EVENTS)]
    except (ValueError, KeyError, TypeError, AttributeError, InvalidExperiment, energy.UnknownModel):
        reason = f"{folder} cannot be read as a training; delete it"
        return Run(folder.name, folder, None, 0.0, "unreadable", reason)
    state, error = _state(events, held, folder)
    last = events[-1] if events and events[-1]["event"] == "ended" else {}
    return Run(
        folder.name,
        folder,
        request,
        started,
        state,
        error,
        tuple(
            Epoch(*(event[name] for name in ("part", "number", "of", "loss")))
            for event in events
            if event["event"] == "epoch"
        ),
        next((event["learned"] for event in reversed(events) if event["event"] == "made"), None),
        tuple(note for event in events if event["event"] == "made" for note in event["notes"]),
        last.get("at"),
    )


def cancel(run: Run) -> None:
    """Ask a run to stop; it does after the epoch that it is in."""
    if run.running:
        with suppress(FileNotFoundError):  # it has ended and was deleted
            (run.folder / _CANCEL).touch()


def delete(run: Run) -> None:
    """Take a run that has ended out; ``restore`` brings it back, and one that is gone already is no error.

    Raises:
        RunRunning: it has not ended.
        RunError: its folder cannot be moved.
    """
    if background.is_held(run.folder / _LOCK):
        raise RunRunning("the training is at work; cancel it first")
    target = run.folder.parents[2] / REMOVED / run.id
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            run.folder.replace(target)
    except OSError as error:
        raise RunError(f"{run.folder} cannot be moved ({error.strerror}); check its permissions") from error


def restore(run_id: str, data: Path) -> Run:
    """Bring a deleted run back.

    Raises:
        UnknownRun: none of that id was deleted.
        RunError: its folder cannot be moved.
    """
    if run_id not in removed(data):
        raise UnknownRun(f"no training {run_id[:60]!r} was deleted in {data}; look at those there are")
    target = data / FOLDER / run_id
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        (data / REMOVED / run_id).replace(target)
    except OSError as error:
        raise RunError(f"{target} cannot be moved ({error.strerror}); check its permissions") from error
    return read(target)


def removed(data: Path) -> list[str]:
    """The ids of the runs that were deleted and can come back."""
    return sorted(folder.name for folder in (data / REMOVED).glob("*"))


def asked(folder: Path) -> tuple[Request, Path]:
    """What the run of a folder is to do, and the user's folder; its process begins with it."""
    told = json.loads((folder / _REQUEST).read_text(encoding="utf-8"))
    return _request(told), Path(told["data"])


def events_file(folder: Path) -> Path:
    """Where the process of a run tells what happens."""
    return folder / _EVENTS


def is_cancelled(folder: Path) -> bool:
    """Whether a run was asked to stop."""
    return (folder / _CANCEL).exists()


def _request(told: Mapping[str, Any]) -> Request:
    kind = TASKS[told["task"]]
    values = {name: told[name] for name in kind.__dataclass_fields__}
    if kind is OwnTraining:
        spec = values["spec"]
        values["spec"] = Spec(str(spec["target"]), tuple(map(str, spec["features"])), str(spec["unit"]))
    return kind(**values)


def _state(events: list[Mapping[str, Any]], held: bool, folder: Path) -> tuple[State, str | None]:
    last = events[-1] if events else {}
    if last.get("event") == "ended":
        state: State = last["state"]
        return state, last.get("error")
    if held:
        return "running", None
    if is_cancelled(folder):
        return "cancelled", None
    return "died", f"{background.last_words(folder / _LOG)}; start it again"


def _checked(event: Any) -> Mapping[str, Any]:
    """An event that whoever shows it can rely on.

    Raises:
        ValueError: it is none.
        KeyError, TypeError: likewise.
    """
    good = isinstance(event["at"], int | float)
    match event["event"]:
        case "epoch":
            good = good and isinstance(event["part"], str) and isinstance(event["loss"], int | float)
            good = good and type(event["number"]) is type(event["of"]) is int and 1 <= event["number"] <= event["of"]
        case "made":
            good = good and type(event["learned"]) is int and all(isinstance(note, str) for note in event["notes"])
        case "ended":
            good = good and event["state"] in _ENDS and isinstance(event.get("error"), str | None)
        case _:
            good = False
    if not good:
        raise ValueError(f"{str(event)[:80]} is no event of a training")
    checked: Mapping[str, Any] = event
    return checked
