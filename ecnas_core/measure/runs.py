"""Measurements in the background: started, watched and cancelled from any number of pages.

A run measures some cells one after the other. It lives in a folder of its own under ``measuring`` in the user's folder:
``request.json`` says what is measured and how, ``events.jsonl`` what has happened. Its process holds a lock on ``lock``
until it ends; a run whose lock is free has ended, whatever its events say. A file ``cancel`` asks it to stop.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Literal

from ecnas_core.benchmark import background
from ecnas_core.cells import Cell
from ecnas_core.measure import store
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.states import DeviceLocked, InvalidSettings, MeasureError

State = Literal["running", "done", "failed", "cancelled", "died", "unreadable"]
FOLDER = "measuring"
START_S = 8.0
_LOCK = "lock"
_REQUEST = "request.json"
_EVENTS = "events.jsonl"
_CANCEL = "cancel"
_LOG = "log"
_ENDS = ("done", "failed", "cancelled")
_PHASES = ("build", "idle", "warm-up", "calibrate", "repeat", "settle", "idle after")


@dataclass(frozen=True)
class Phase:
    """One phase of the protocol on the cell that is measured.

    Attributes:
        name: ``build`` (the process starts, the network is built), ``idle``, ``warm-up``, ``calibrate``, ``repeat``,
            ``settle`` or ``idle after``.
        planned_s: how long it is to take; 0 where that cannot be told.
        began: when, in s since the process of the cell began; None if it has not.
        ended: likewise.
    """

    name: str
    planned_s: float
    began: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        cell: number of the cell that is measured, from 0.
        device: what is known of the device: name, driver, limits.
        phases: of the present cell, those to come included.
        samples: what the GPU did: rows with t, power_w, temperature_c, sm_clock_mhz.
        repeats: rows with repeat, seconds_per_step, joules_per_step of the present cell.
        notes: what could not be counted, and why.
        outcomes: of the cells that have ended, as ``batch.Outcome`` documents.
        elapsed_s: of the present cell.
        seconds_left: of the whole run.
    """

    cell: int
    device: Mapping[str, Any]
    phases: tuple[Phase, ...]
    samples: tuple[Mapping[str, Any], ...]
    repeats: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    outcomes: tuple[Mapping[str, Any], ...]
    elapsed_s: float
    seconds_left: float


@dataclass(frozen=True)
class Run:
    """A run at one moment.

    Attributes:
        id: names it.
        folder: where it lives.
        hashes: of its cells, in order.
        settings: how they are measured.
        started: when, in s since 1970.
        state: running, done, failed (``error`` says why), cancelled, died (ended without a word), or unreadable (its
            files are not what a run writes).
        error: why it ended without success, and what to do.
        events: what has happened, oldest first.
    """

    id: str
    folder: Path
    hashes: tuple[str, ...]
    settings: Settings
    started: float
    state: State
    error: str | None = None
    events: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.state == "running"

    @property
    def cancelling(self) -> bool:
        """Whether it has been asked to stop and has not yet."""
        return self.running and (self.folder / _CANCEL).exists()

    def progress(self, now: float | None = None) -> Progress:
        """How far it is.

        Args:
            now: the time in s since 1970; the present if not given.
        """
        return progress(self.events, len(self.hashes), self.settings, time.time() if now is None else now)


def start(cells: Sequence[Cell], settings: Settings, data: Path) -> Run:
    """Measure cells in the background, each stored as it is done.

    Args:
        cells: whose networks.
        settings: how.
        data: the user's folder.

    Raises:
        DeviceLocked: a run of this folder is at work.
        MeasureError: it cannot be started.
    """
    data = data.expanduser().resolve()
    if any(run.running for run in runs(data)):
        raise DeviceLocked("a measurement is running; wait for it or cancel it")
    folder = data / FOLDER / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"
    request = {
        "cells": [json.loads(cell.to_json()) for cell in cells],
        "hashes": [cell.hash for cell in cells],
        "settings": settings.to_document(),
        "started": time.time(),
        "data": str(data),
    }
    try:
        folder.mkdir(parents=True)
        with _locked(folder) as lock:
            background.write_json(folder / _REQUEST, request)
            background.launch("ecnas_core.measure.run_worker", [str(folder)], lock, folder / _LOG)
    except OSError as error:
        raise MeasureError(f"{folder} cannot be written to ({error.strerror}); check space and permissions") from error
    return read(folder)


def runs(data: Path) -> list[Run]:
    """Every run of a user's folder that was not dismissed, the oldest first."""
    folders = sorted((data / FOLDER).glob("*"), key=lambda folder: folder.name)
    found = []
    for folder in folders:
        if (folder / _REQUEST).is_file():
            with suppress(FileNotFoundError):  # dismissed meanwhile
                found.append(read(folder))
    return found


def read(folder: Path) -> Run:
    """The run of a folder as it is; unreadable where a file of it is not what a run writes.

    Raises:
        FileNotFoundError: there is none.
    """
    # before the events, so that a run that ends in between is not taken for dead
    held = background.is_held(folder / _LOCK)
    try:
        request = json.loads((folder / _REQUEST).read_text(encoding="utf-8"))
        settings = Settings.from_document(request["settings"])
        hashes, started = tuple(request["hashes"]), float(request["started"])
        if not hashes or not all(isinstance(digest, str) for digest in hashes):
            raise ValueError("no hashes")
        events = tuple(_checked(event, hashes) for event in background.read_events(folder / _EVENTS))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSettings):
        reason = f"{folder} cannot be read as a run; close it"
        return Run(folder.name, folder, (), Settings(), 0.0, "unreadable", reason)
    state, error = _state(events, held, folder)
    return Run(folder.name, folder, hashes, settings, started, state, error, events)


def cancel(run: Run) -> None:
    """Ask a run to stop; it does within half a second, and the device is free again."""
    if run.running:
        with suppress(FileNotFoundError):  # it has ended and was dismissed
            (run.folder / _CANCEL).touch()


def dismiss(run: Run) -> None:
    """Forget a run that has ended; what it measured stays, and one that is forgotten already is no error.

    Raises:
        DeviceLocked: it has not ended.
        MeasureError: its folder cannot be removed.
    """
    if background.is_held(run.folder / _LOCK):
        raise DeviceLocked("the measurement is running; cancel it first")
    try:
        shutil.rmtree(run.folder, onerror=_gone_is_fine)
    except OSError as error:
        raise MeasureError(f"{run.folder} cannot be removed ({error.strerror}); check its permissions") from error


def _gone_is_fine(attempt: Callable[..., Any], path: str, failure: Any) -> None:
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]


def progress(events: Iterable[Mapping[str, Any]], cells: int, settings: Settings, now: float) -> Progress:
    """Fold the events of a run.

    Args:
        events: oldest first, each with ``cell`` and, but for the first of all, ``at``, in s since 1970.
        cells: how many are measured.
        settings: how.
        now: the time in s since 1970.
    """
    told = list(events)
    number = max((event["cell"] for event in told if "cell" in event), default=0)
    ended = [event for event in told if event["event"] == "outcome"]
    present = [event for event in told if event.get("cell") == number]
    began_at = present[0]["at"] - present[0].get("t", 0.0) if present else now
    elapsed = max(0.0, now - began_at) if len(ended) <= number else present[-1]["at"] - began_at
    phases = _phases(present, settings, elapsed)
    left = sum(
        max(0.0, each.planned_s - (elapsed - each.began)) if each.began is not None else each.planned_s
        for each in phases
        if each.ended is None
    )
    to_come = cells - number - 1
    of_others = max(0, to_come) * (START_S + settings.seconds)
    done = len(ended) > number
    return Progress(
        cell=number,
        device=next((event for event in reversed(told) if event["event"] == "device"), {}),
        phases=phases,
        samples=tuple(event for event in present if event["event"] == "sample"),
        repeats=tuple(event for event in present if event["event"] == "repeat"),
        notes=tuple(dict.fromkeys(event["reason"] for event in present if event["event"] == "no counter")),
        outcomes=tuple(ended),
        elapsed_s=elapsed,
        seconds_left=of_others + (0.0 if done else left),
    )


def _phases(events: Sequence[Mapping[str, Any]], settings: Settings, elapsed: float) -> tuple[Phase, ...]:
    each = settings.durations
    planned = {
        "build": START_S,
        "idle": each.idle,
        "warm-up": each.warm_up,
        "calibrate": 0.0,
        "repeat": each.window * settings.repeats,
        "settle": each.settle,
        "idle after": each.idle,
    }
    began = {"build": 0.0}
    for event in events:
        if event["event"] == "phase" and event["phase"] != "build":
            began[event["phase"]] = event["t"]
            planned[event["phase"]] = event["seconds"]
    if "warm-up" in began and "idle" not in began:
        for name in ("idle", "settle", "idle after"):
            del planned[name]
    over = any(event["event"] in ("result", "outcome") for event in events)
    names = list(planned)
    last = max(names.index(name) for name in began)
    starts = [began.get(name) for name in names] + [elapsed if over else None]
    ends = [next((later for later in starts[place + 1 :] if later is not None), None) for place in range(len(names))]
    return tuple(
        Phase(name, planned[name], began.get(name), ends[place] if place < last or over else None)
        for place, name in enumerate(names)
    )


def _state(events: Sequence[Mapping[str, Any]], held: bool, folder: Path) -> tuple[State, str | None]:
    last = events[-1] if events else {}
    if last.get("event") == "ended":
        state: State = last["state"]
        return state, last.get("error")
    if held:
        return "running", None
    if (folder / _CANCEL).exists():
        return "cancelled", None
    return "died", f"{background.last_words(folder / _LOG)}; start it again"


_NUMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"phase": ("seconds",), "repeat": ("repeat", "seconds_per_step"), "result": ("t",)}
)
_SAMPLED = ("power_w", "temperature_c", "sm_clock_mhz")


def _checked(event: Any, hashes: Sequence[str]) -> Mapping[str, Any]:
    """An event that the fold and whoever shows it can rely on.

    Raises:
        ValueError: it is none.
        KeyError, TypeError, AttributeError: likewise.
    """
    kind = event["event"]
    good = isinstance(kind, str)
    if kind == "ended":
        good = event["state"] in _ENDS and isinstance(event.get("error"), str | None)
    else:
        place = event["cell"]
        good = type(place) is int and 0 <= place < len(hashes) and _numbers(event, ("at", *_NUMBERS.get(kind, ())))
        good = good and _numbers({"t": 0.0, **event}, ("t",))
        match kind:
            case "phase":
                good = good and event["phase"] in _PHASES and "t" in event
            case "sample":
                known = {name: event[name] for name in _SAMPLED if event[name] is not None}
                good = good and "t" in event and _numbers(known, known) and _words(event.get("slowed_by", ()))
            case "repeat":
                joules = event["joules_per_step"]
                good = good and _numbers(joules, joules.keys())
            case "no counter":
                good = good and _words([event["reason"]])
            case "device":
                limit = event.get("power_limit_w")
                good = good and _words([event["name"]]) and (limit is None or _numbers(event, ("power_limit_w",)))
            case "outcome":
                good = good and event["hash"] == hashes[place] and _words([event["state"]]) and _is_outcome(event)
            case "result":
                good = good and _words([event["measurement"]]) and _is_estimate(event.get("estimate"))
    if not good:
        raise ValueError(f"{str(event)[:80]} is no event of a run")
    checked: Mapping[str, Any] = event
    return checked


def _is_outcome(event: Mapping[str, Any]) -> bool:
    measured = event["measurement"]
    if measured is None:
        return event["state"] != "measured" and isinstance(event["reason"], str | None)
    return store.fault(measured) is None and measured["hash"] == event["hash"]


def _is_estimate(told: Any) -> bool:
    return told is None or (
        _numbers(told, ("cpu_energy_j_per_step", "cpu_power_w")) and _words([told["cpu"], told["assumption"]])
    )


def _numbers(event: Mapping[str, Any], names: Iterable[str]) -> bool:
    return all(isinstance(event[name], int | float) for name in names)


def _words(texts: Iterable[Any]) -> bool:
    return all(isinstance(text, str) for text in texts)


def _locked(folder: Path) -> IO[str]:
    lock = background.take_lock(folder / _LOCK)
    assert lock is not None, "the folder is new"
    return lock
