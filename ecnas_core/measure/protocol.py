"""The measuring protocol: idle, warm up, calibrate, repeat, idle; and the arithmetic on what it reads.

It knows counters, a workload and a clock, and no torch, so that every case can be tested without a device.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, get_args

from msgspec import Meta
from msgspec.structs import asdict

from ecnas_core.measure.counters import Component, Kind
from ecnas_core.measure.errors import InvalidSettings, StandsStill
from ecnas_core.records import InvalidRecord, Param, Record

Mode = Literal["train", "inference"]
Precision = Literal["fp32", "tf32", "bf16"]
Effort = Literal["quick", "thorough"]
Emit = Callable[[dict[str, Any]], None]

MODES: tuple[Mode, ...] = get_args(Mode)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
EFFORTS: tuple[Effort, ...] = get_args(Effort)
IMAGES_PER_EPOCH = 40_000
FEWEST_REPEATS = 5
STABLE_CV = 0.03
IDLE_DRIFT = 0.1
_TAIL_TICKS = 2
_CALIBRATION_STEPS = 5


@dataclass(frozen=True)
class Durations:
    """How long the phases of an effort take, in s.

    Attributes:
        idle: of each of the two idle baselines.
        warm_up: before anything is counted.
        window: of one repeat, at least.
        settle: between the work and the second baseline.
    """

    idle: float
    warm_up: float
    window: float
    settle: float


DURATIONS: Mapping[Effort, Durations] = {
    "quick": Durations(idle=1, warm_up=2, window=0.6, settle=1.5),
    "thorough": Durations(idle=6, warm_up=12, window=8, settle=4),
}


class Settings(Record, frozen=True):
    """How a cell is measured.

    Attributes:
        mode: ``train`` (forward, backward, update) or ``inference``.
        batch_size: images a step, 1 to 4096; None stands for 256 on a GPU and 32 on the CPU.
        precision: ``fp32``, ``tf32`` (GPU) or ``bf16`` (autocast).
        effort: ``quick``, about 10 s, or ``thorough``, about 2 min.
        repeats: windows that are counted, at least 5.
        images_per_epoch: images of an epoch that the figures are brought to; 40,000 in NAS-Bench-101.
        device: ``auto`` (the first GPU, else the CPU), ``cpu`` or ``cuda:N``.
        images: folder of CIFAR-10 in its binary version; None for synthetic images.
        time_limit_s: after which a measurement is ended.

    Raises:
        InvalidSettings: a value out of its range.
    """

    mode: Mode = "train"
    batch_size: Annotated[Annotated[int, Meta(ge=1, le=4096)] | None, Param("batch")] = None
    precision: Precision = "fp32"
    effort: Effort = "thorough"
    repeats: Annotated[int, Meta(ge=FEWEST_REPEATS, le=100)] = 8
    images_per_epoch: Annotated[int, Meta(ge=1, le=100_000_000), Param("images")] = IMAGES_PER_EPOCH
    device: str = "auto"
    images: Annotated[Path | None, Param(hidden=True)] = None
    time_limit_s: Annotated[float, Meta(ge=1, le=86_400), Param("limit")] = 900

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except InvalidRecord as error:
            raise InvalidSettings(str(error)) from None
        if self.device not in ("auto", "cpu") and not (
            self.device.startswith("cuda:")
            and self.device[5:].isdecimal()
            and self.device.isascii()
            and len(self.device) < 9
        ):
            raise InvalidSettings(f"there is no device {self.device[:20]!r}; give auto, cpu or cuda:0, cuda:1 ...")
        if self.precision == "tf32" and self.device == "cpu":
            raise InvalidSettings("TF32 is a format of NVIDIA GPUs; give fp32 or bf16 on the CPU")

    @property
    def durations(self) -> Durations:
        """How long the phases take."""
        return DURATIONS[self.effort]

    @property
    def seconds(self) -> float:
        """About how long the phases take together, where a step is short; the start of the process comes on top."""
        each = self.durations
        return 2 * each.idle + each.warm_up + self.repeats * each.window + each.settle

    def images_per_step(self, *, on_gpu: bool) -> int:
        """The batch size, the device's own where none is set.

        Args:
            on_gpu: whether a GPU is measured.
        """
        return self.batch_size or (256 if on_gpu else 32)

    def to_document(self) -> dict[str, Any]:
        """The settings for JSON."""
        images = None if self.images is None else str(self.images.expanduser().resolve())
        return asdict(self) | {"images": images}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The settings that ``to_document`` wrote.

        Raises:
            InvalidSettings: a value out of its range, or a setting that there is not.
        """
        unknown = set(document) - set(cls.__struct_fields__)
        if unknown:
            raise InvalidSettings(f"there is no setting {', '.join(sorted(unknown))}")
        images = document.get("images")
        return cls(**{**document, "images": None if images is None else Path(images)})


class Workload(Protocol):
    """What is measured."""

    def step(self) -> None:
        """Start one step on the device."""

    def synchronise(self) -> None:
        """Wait until the device has done every step."""


class Meter(Protocol):
    """What tells the energy of one component between two moments; ``counters.Meter`` is one.

    Attributes:
        name: of its counter.
        component: whose energy it tells.
        kind: whether a counter or integrated power is behind it.
        tick_s: time between two changes of the counter; None where it has not changed twice.
    """

    name: str
    component: Component
    kind: Kind

    @property
    def tick_s(self) -> float | None: ...  # noqa: D102

    def joules(self, start: float, end: float) -> float:
        """The energy between two moments in J."""


@dataclass(frozen=True)
class Window:
    """One repeat.

    Attributes:
        steps: done in it.
        seconds: that they took.
        joules: by the counter's name, what it counted meanwhile.
    """

    steps: int
    seconds: float
    joules: Mapping[str, float]


@dataclass(frozen=True)
class Readings:
    """What the protocol read.

    Attributes:
        idle_w: by the counter's name, the idle power before and after, in W.
        tick_s: by the counter's name, the time between two changes of it; None where it did not change twice.
        windows: the repeats, in order.
    """

    idle_w: Mapping[str, tuple[float, float]]
    tick_s: Mapping[str, float | None]
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Estimate:
    """A mean over the repeats.

    Attributes:
        mean: of the repeats.
        low: lower end of the 95 % t interval of the mean, 0 at least.
        high: upper end.
        cv: coefficient of variation of the repeats (standard deviation, n - 1, by the mean).
    """

    mean: float
    low: float
    high: float
    cv: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The estimate from at least two values."""
        from scipy.stats import t

        mean, deviation = statistics.fmean(values), statistics.stdev(values)
        half = float(t.ppf(0.975, len(values) - 1)) * deviation / math.sqrt(len(values))
        return cls(mean, max(0.0, mean - half), mean + half, deviation / mean if mean else 0.0)


@dataclass(frozen=True)
class Energy:
    """What one component took for a step.

    Attributes:
        gross_j: J a step.
        net_j: J a step above idle.
        power_w: mean power in the repeats.
        idle_w: mean of the two idle powers.
        idle_drift: by how much the idle power after differs from that before, relative to it.
    """

    gross_j: Estimate
    net_j: float
    power_w: float
    idle_w: float
    idle_drift: float


def run(
    workload: Workload,
    meters: Sequence[Meter],
    settings: Settings,
    emit: Emit,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Readings:
    """Measure a workload.

    The repeats follow each other without a pause, and the work goes on after the last until the meters have changed
    again, so that no idle moment is counted into one.

    Args:
        workload: built and on its device.
        meters: what is read; without any, time alone is measured and there is no idle baseline.
        settings: how long and how often.
        emit: is told every phase as it begins and every repeat once its energy is known.
        clock: seconds, monotonic, that of the meters.
        sleep: waits.

    Returns:
        The readings.

    Raises:
        StandsStill: a counter counted nothing in one of the repeats.
        MeasureError: a counter can no longer be read, or the workload failed.
    """
    durations = settings.durations

    def phase(name: str, seconds: float) -> None:
        emit({"event": "phase", "phase": name, "seconds": seconds})

    def idle_w() -> dict[str, float]:
        started = clock()
        sleep(durations.idle)
        ended = clock()
        return {meter.name: meter.joules(started, ended) / (ended - started) for meter in meters}

    def work(seconds: float) -> int:
        started, steps = clock(), 0
        while not steps or clock() - started < seconds:
            workload.step()
            workload.synchronise()
            steps += 1
        return steps

    before: dict[str, float] = {}
    after: dict[str, float] = {}
    if meters:
        phase("idle", durations.idle)
        workload.synchronise()
        before = idle_w()
    phase("warm-up", durations.warm_up)
    steps = work(durations.warm_up)
    phase("calibrate", 0)
    step_s = _step_seconds(workload, min(_CALIBRATION_STEPS, steps), clock)
    count = max(1, math.ceil(durations.window / step_s))
    emit({"event": "plan", "steps": count, "window_seconds": count * step_s, "repeats": settings.repeats})
    phase("repeat", count * step_s * settings.repeats)
    windows: list[Window] = []

    def close_window(started: float, ended: float) -> None:
        window = Window(count, ended - started, {meter.name: meter.joules(started, ended) for meter in meters})
        windows.append(window)
        emit(
            {
                "event": "repeat",
                "repeat": len(windows),
                "of": settings.repeats,
                "seconds_per_step": window.seconds / count,
                "joules_per_step": {name: joules / count for name, joules in window.joules.items()},
            }
        )

    workload.synchronise()
    moments = [clock()]
    for _ in range(settings.repeats):
        for _ in range(count):
            workload.step()
        workload.synchronise()
        moments.append(clock())
        if len(moments) > 2:
            close_window(moments[-3], moments[-2])
    if meters:
        work(_TAIL_TICKS * max(meter.tick_s or 0.0 for meter in meters))
    close_window(moments[-2], moments[-1])
    for meter in meters:
        if min(window.joules[meter.name] for window in windows) <= 0:
            raise StandsStill(
                f"the counter {meter.name} counted nothing in a repeat of {windows[0].seconds:.1f} s; update the "
                "driver, or measure on another device"
            )
    if meters:
        phase("settle", durations.settle)
        sleep(durations.settle)
        phase("idle after", durations.idle)
        after = idle_w()
    return Readings(
        {meter.name: (before[meter.name], after[meter.name]) for meter in meters},
        {meter.name: meter.tick_s for meter in meters},
        tuple(windows),
    )


def seconds_per_step(readings: Readings) -> Estimate:
    """The time of a step in s, over the repeats."""
    return Estimate.of([window.seconds / window.steps for window in readings.windows])


def energy(readings: Readings, meters: Sequence[Meter], component: Component) -> Energy | None:
    """What a component took for a step, its counters (CPU packages) added up; None where nothing counted it.

    Args:
        readings: what the protocol read.
        meters: what it read them from.
        component: whose energy is meant.
    """
    names = [meter.name for meter in meters if meter.component == component]
    if not names:
        return None
    per_step = [sum(window.joules[name] for name in names) / window.steps for window in readings.windows]
    gross = Estimate.of(per_step)
    before, after = (sum(readings.idle_w[name][when] for name in names) for when in (0, 1))
    idle_w = (before + after) / 2
    seconds = seconds_per_step(readings).mean
    return Energy(
        gross_j=gross,
        net_j=gross.mean - idle_w * seconds,
        power_w=gross.mean / seconds,
        idle_w=idle_w,
        idle_drift=(after - before) / before if before else 0.0,
    )


def is_stable(*estimates: Estimate) -> bool:
    """Whether the repeats of every one of them vary by at most 3 %."""
    return all(estimate.cv <= STABLE_CV for estimate in estimates)


def _step_seconds(workload: Workload, steps: int, clock: Callable[[], float]) -> float:
    started = clock()
    for _ in range(steps):
        workload.step()
    workload.synchronise()
    return (clock() - started) / steps
