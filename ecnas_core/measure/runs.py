"""Measurements in the background: what can be asked for, what happens meanwhile, and how far one is.

A run measures some cells one after the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec

from ecnas_core.cells import Cell
from ecnas_core.measure import store
from ecnas_core.measure.errors import DeviceFailed, MeasureError, OutOfMemory, TimeLimit, WorkerDied
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.runs import Ended, Event, Kind, Progress, Run

START_S = 8.0
_OF_ONE_CELL = (OutOfMemory, TimeLimit, WorkerDied, DeviceFailed)
PhaseName = Literal["build", "idle", "warm-up", "calibrate", "repeat", "settle", "idle after"]


class MeasureRequest(msgspec.Struct, frozen=True):
    """Cells to measure, in order.

    Attributes:
        cells: whose networks, as ``Cell.to_json`` writes them.
        hashes: theirs.
        document: how, as ``Settings.to_document`` has it.
    """

    cells: tuple[dict[str, Any], ...]
    hashes: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    document: dict[str, Any] = msgspec.field(name="settings")

    def __post_init__(self) -> None:
        """Raise InvalidSettings or ValidationError where the document holds no settings."""
        Settings.from_document(self.document)

    @classmethod
    def of(cls, cells: Sequence[Cell], settings: Settings) -> Self:
        """The request to measure cells with some settings."""
        documents = tuple(json.loads(cell.to_json()) for cell in cells)
        return cls(documents, tuple(cell.hash for cell in cells), settings.to_document())

    @property
    def settings(self) -> Settings:
        """How the cells are measured."""
        return Settings.from_document(self.document)


class CellEvent(Event, frozen=True, kw_only=True):
    """Something that happened to a cell.

    Attributes:
        cell: its number, from 0.
        hash: its hash.
        t: when, in s since the process that measures it began.
    """

    cell: Annotated[int, msgspec.Meta(ge=0)]
    hash: str
    t: float = 0.0


class DeviceFound(CellEvent, frozen=True, tag="device"):
    """What the cell is measured on.

    Attributes:
        name: of the device.
        power_limit_w: of a GPU, where the driver says.
        others: the other processes on it.
    """

    name: str
    power_limit_w: float | None = None
    others: tuple[dict[str, Any], ...] = ()


class PhaseBegan(CellEvent, frozen=True, tag="phase"):
    """A phase of the protocol begins.

    Attributes:
        phase: which one; in ``build`` the process starts and the network is built.
        seconds: how long it is to take; 0 where that cannot be told.
    """

    phase: PhaseName
    seconds: float
    t: float


class NotCounted(CellEvent, frozen=True, tag="no counter"):
    """The energy of a component is not counted; attributes as of ``counters.Unavailable``."""

    component: str
    state: str
    reason: str


class Planned(CellEvent, frozen=True, tag="plan"):
    """The step was calibrated.

    Attributes:
        steps: of one repeat.
        window_seconds: that they are to take.
        repeats: how many there will be.
    """

    steps: int
    window_seconds: float
    repeats: int


class Sampled(CellEvent, frozen=True, tag="sample"):
    """What the GPU does; attributes as of ``nvml.Sample``."""

    power_w: float | None
    temperature_c: float | None
    sm_clock_mhz: float | None
    t: float
    utilisation: float | None = None
    slowed_by: tuple[str, ...] = ()
    power_capped: bool = False


class Repeated(CellEvent, frozen=True, tag="repeat"):
    """A repeat is over.

    Attributes:
        repeat: its number, from 1.
        of: how many there will be.
        seconds_per_step: that it took.
        joules_per_step: by the counter's name.
    """

    repeat: int
    of: int
    seconds_per_step: float
    joules_per_step: dict[str, float]


class Tracked(CellEvent, frozen=True, tag="carbontracker"):
    """carbontracker measured beside the repeats; attributes as of ``tracker.Reading``.

    Attributes:
        failed: why it did not.
    """

    energy_j: float | None = None
    seconds: float | None = None
    samples: int | None = None
    devices: tuple[str, ...] = ()
    failed: str | None = None


class CpuEstimate(msgspec.Struct, frozen=True):
    """What is assumed of a CPU that nothing counts; never stored.

    Attributes:
        cpu: what it is called.
        cpu_power_w: the power that it is assumed to take.
        cpu_energy_j_per_step: the energy of a step at that power.
        assumption: whose, and what.
    """

    cpu: str
    cpu_power_w: float
    cpu_energy_j_per_step: float
    assumption: str


class Result(CellEvent, frozen=True, tag="result"):
    """The figures are there.

    Attributes:
        measurement: what names them.
        estimate: of the CPU's energy where nothing counts it.
    """

    measurement: str
    estimate: CpuEstimate | None = None


class Outcome(CellEvent, frozen=True, tag="outcome"):
    """What became of a cell.

    Attributes:
        state: ``measured``, ``skipped`` (it was stored already) or the state of the error.
        measurement: the figures; None where there are none.
        reason: why there are none, or why they were not stored.
        estimate: of the CPU's energy where nothing counts it.
    """

    state: str
    measurement: Measurement | None = None
    reason: str | None = None
    estimate: CpuEstimate | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the cell's figures are stored."""
        return self.state in ("measured", "skipped")

    @property
    def ends_all(self) -> bool:
        """Whether the cells that follow would meet the same."""
        return not self.succeeded and not any(self.state == error.state for error in _OF_ONE_CELL)


MeasureEvent = DeviceFound | PhaseBegan | NotCounted | Planned | Sampled | Repeated | Tracked | Result | Outcome


@dataclass(frozen=True)
class Phase:
    """One phase of the protocol on the cell that is measured.

    Attributes:
        name: as ``PhaseBegan`` has it.
        planned_s: how long it is to take; 0 where that cannot be told.
        began: when, in s since the process of the cell began; None if it has not.
        ended: likewise.
    """

    name: PhaseName
    planned_s: float
    began: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Attributes:
        cell: number of the cell that is measured, from 0.
        device: what it is measured on; None until that is known.
        phases: of the present cell, those to come included.
        samples: what the GPU did.
        repeats: of the present cell.
        notes: what could not be counted, and why.
        outcomes: of the cells that have ended.
        elapsed_s: of the present cell.
        seconds_left: of the whole run.
    """

    cell: int
    device: DeviceFound | None
    phases: tuple[Phase, ...]
    samples: tuple[Sampled, ...]
    repeats: tuple[Repeated, ...]
    notes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    elapsed_s: float
    seconds_left: float


def status(run: Run[MeasureRequest], now: float | None = None) -> Status:
    """How far a run is.

    Args:
        run: one that can be read.
        now: the time in s since 1970; the present if not given.
    """
    assert run.request is not None
    now = time.time() if now is None else now
    told = [event for event in run.events if isinstance(event, CellEvent)]
    number = max((event.cell for event in told), default=0)
    outcomes = outcomes_of(run)
    present = [event for event in told if event.cell == number]
    began_at = present[0].at - present[0].t if present else now
    elapsed = max(0.0, now - began_at) if len(outcomes) <= number else present[-1].at - began_at
    phases = _phases(present, run.request.settings, elapsed)
    left = sum(
        max(0.0, each.planned_s - (elapsed - each.began)) if each.began is not None else each.planned_s
        for each in phases
        if each.ended is None
    )
    to_come = len(run.request.hashes) - number - 1
    return Status(
        cell=number,
        device=next((event for event in reversed(told) if isinstance(event, DeviceFound)), None),
        phases=phases,
        samples=tuple(event for event in present if isinstance(event, Sampled)),
        repeats=tuple(event for event in present if isinstance(event, Repeated)),
        notes=tuple(dict.fromkeys(event.reason for event in present if isinstance(event, NotCounted))),
        outcomes=outcomes,
        elapsed_s=elapsed,
        seconds_left=expected_s(to_come, run.request.settings) + (0.0 if len(outcomes) > number else left),
    )


def outcomes_of(run: Run[MeasureRequest]) -> tuple[Outcome, ...]:
    """What became of the cells of a run that have ended."""
    return tuple(event for event in run.events if isinstance(event, Outcome))


def expected_s(cells: int, settings: Settings) -> float:
    """About how long it takes at least to measure so many cells, in s."""
    return cells * (START_S + settings.seconds)


def progress(run: Run[MeasureRequest]) -> Progress:
    """How far a run is, in short."""
    assert run.request is not None
    found, cells = status(run), len(run.request.hashes)
    expected = expected_s(cells, run.request.settings)
    done = max(0.0, expected - found.seconds_left)
    return Progress(f"Cell {found.cell + 1} of {cells}", done, expected, "s", seconds_left=found.seconds_left)


def title(request: MeasureRequest) -> str:
    """What a run measures."""
    return f"Measure {len(request.hashes)} cell{'s' * (len(request.hashes) > 1)}"


def check(request: MeasureRequest, events: Sequence[Any]) -> None:
    """See that events are of the cells that are measured, and outcomes what they say.

    Raises:
        MeasureError: one is not.
    """
    for event in events:
        if isinstance(event, CellEvent) and request.hashes[event.cell : event.cell + 1] != (event.hash,):
            raise MeasureError(f"its cell {event.cell} is not {event.hash[:40]!r}")
        if isinstance(event, Outcome) and not _is_sound(event):
            raise MeasureError(f"the outcome of its cell {event.cell} is none")


def _is_sound(outcome: Outcome) -> bool:
    found = outcome.measurement
    if found is None:
        return outcome.state != "measured"
    return found.hash == outcome.hash and store.fault(found.to_document()) is None


def _phases(events: Sequence[CellEvent], settings: Settings, elapsed: float) -> tuple[Phase, ...]:
    each = settings.durations
    planned: dict[PhaseName, float] = {
        "build": START_S,
        "idle": each.idle,
        "warm-up": each.warm_up,
        "calibrate": 0.0,
        "repeat": each.window * settings.repeats,
        "settle": each.settle,
        "idle after": each.idle,
    }
    began: dict[PhaseName, float] = {"build": 0.0}
    for event in events:
        if isinstance(event, PhaseBegan) and event.phase != "build":
            began[event.phase] = event.t
            planned[event.phase] = event.seconds
    if "warm-up" in began and "idle" not in began:
        for name in ("idle", "settle", "idle after"):
            del planned[name]
    over = any(isinstance(event, Result | Outcome) for event in events)
    names = list(planned)
    last = max(names.index(name) for name in began)
    starts = [began.get(name) for name in names] + [elapsed if over else None]
    ends = [next((later for later in starts[place + 1 :] if later is not None), None) for place in range(len(names))]
    return tuple(
        Phase(name, planned[name], began.get(name), ends[place] if place < last or over else None)
        for place, name in enumerate(names)
    )


MEASUREMENT: Kind[MeasureRequest] = Kind(
    name="measurement",
    path="ecnas_core.measure.runs:MEASUREMENT",
    handler="ecnas_core.measure.batch:work",
    folder=Path("measuring"),
    requests=MeasureRequest,
    events=MeasureEvent | Ended,
    title=title,
    progress=progress,
    one_at_a_time=True,
    check=check,
)
