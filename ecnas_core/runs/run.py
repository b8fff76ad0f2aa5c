"""What a run is at one moment, and what happens in it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import msgspec

from ecnas_core.errors import EcnasError

State = Literal["running", "done", "failed", "cancelled", "died", "unreadable"]
Request = TypeVar("Request")

CANCEL = "cancel"


class RunError(EcnasError):
    """A run cannot be started, removed or brought back."""

    exit_status = 1


class RunRunning(RunError):
    """Something has to wait until a run has ended."""


class UnknownRun(RunError):
    """There is no such run."""

    exit_status = 2


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Something that happened in a run.

    Attributes:
        at: when, in s since 1970.
    """

    at: float = msgspec.field(default_factory=time.time)


class Ended(Event, frozen=True, tag="ended"):
    """The end of a run; no event follows.

    Attributes:
        state: how it ended.
        error: why it failed, and what to do.
    """

    state: Literal["done", "failed", "cancelled"]
    error: str | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a run is.

    Attributes:
        doing: what is being done, for people.
        done: how much of it is done.
        total: how much there is to do; None if that cannot be told.
        unit: that both are counted in: ``B`` for bytes, a plural noun, or ``s`` where only time tells.
        per_second: how fast; None if that cannot be told.
        seconds_left: None if that cannot be told.
    """

    doing: str
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    per_second: float | None = None
    seconds_left: float | None = None

    @property
    def share(self) -> float:
        """The part that is done, 0 to 1; 0 if that cannot be told."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


@dataclass(frozen=True)
class Run(Generic[Request]):
    """A run at one moment.

    Attributes:
        id: names it among those of its kind.
        folder: where it lives.
        request: what it does; None where that cannot be read.
        started: when, in s since 1970.
        state: running, done, failed (``error`` says why), cancelled, died (its process ended without a word), or
            unreadable (its files are not what a run writes; no events then).
        error: why it ended without success, and what to do.
        events: what has happened, oldest first.
    """

    id: str
    folder: Path
    request: Request | None
    started: float
    state: State
    error: str | None = None
    events: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.state == "running"

    @property
    def cancelling(self) -> bool:
        """Whether it has been asked to stop and has not yet."""
        return self.running and (self.folder / CANCEL).exists()

    @property
    def ended(self) -> float | None:
        """When it ended, in s since 1970; None if it has not said."""
        last = self.events[-1] if self.events else None
        return last.at if isinstance(last, Ended) else None
