"""One measurement: its figures, what they rest on, and what is to be held against them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

from ecnas_core.measure import protocol
from ecnas_core.measure.counters import Component
from ecnas_core.measure.protocol import Energy, Meter, Readings, Settings

SOURCE = "ecnas-explorer"
JOULES_PER_KWH = 3.6e6
TRACKER_DISAGREES = 0.1

FLAGS: Mapping[str, str] = {
    "quick": "short windows: repeat it thoroughly before relying on it",
    "integrated power": "the GPU has no energy counter: its power was polled and added up",
    "unstable": "the repeats vary by more than 3 %",
    "idle drifted": "the idle power after differs from that before by more than 10 %",
    "busy": "other processes held the GPU meanwhile",
    "slowed": "the GPU slowed itself down, for heat or want of power",
    "carbontracker disagrees": "carbontracker and the counter differ by more than 10 %",
    "carbontracker missing": "carbontracker did not measure beside it",
}
"""What can be held against a measurement, each with what it means."""


@dataclass(frozen=True)
class Measurement:
    """One cell measured on one device.

    Energies are J a step at the device, without PUE, the mean over the repeats; ``*_low`` and ``*_high`` bound the
    95 % t interval of the mean, ``*_cv`` is the coefficient of variation of the repeats, ``*_net_*`` is above idle.
    None stands for unknown: nothing counted it. A GPU that took no part has 0 J.

    Attributes:
        measurement: names it.
        measured_at: when, UTC.
        hash: of the cell.
        device: what measured, such as ``NVIDIA H100 80GB HBM3``.
        device_uuid: the very board; None for a CPU.
        driver: of the GPU; None for a CPU.
        software: torch's version.
        mode: ``train`` or ``inference``.
        batch_size: images a step.
        precision: ``fp32``, ``tf32`` or ``bf16``.
        effort: ``quick`` or ``thorough``.
        images: ``synthetic`` or ``cifar-10``.
        images_per_epoch: that an epoch is taken to have.
        repeats: windows counted.
        steps_per_repeat: steps in each.
        carbontracker_j_per_step: of the GPU by carbontracker, its PUE undone.
        gpu_counter: what counted the GPU, and how.
        cpu_counter: likewise for the CPU.
        gpu_tick_s: time between two changes of the GPU's counter.
        temperature_c: mean of the GPU's in the repeats.
        temperature_max_c: its largest.
        sm_clock_mhz: mean clock of the multiprocessors in the repeats.
        power_limit_w: of the board.
        stable: whether time and energies vary by at most 3 % over the repeats.
        flags: keys of ``FLAGS`` that apply, comma-separated.
        source: what wrote it.
    """

    measurement: str
    measured_at: datetime
    hash: str
    device: str
    device_uuid: str | None
    driver: str | None
    software: str
    mode: str
    batch_size: int
    precision: str
    effort: str
    images: str
    images_per_epoch: int
    repeats: int
    steps_per_repeat: int
    seconds_per_step: float
    seconds_per_step_low: float
    seconds_per_step_high: float
    seconds_cv: float
    gpu_energy_j_per_step: float | None
    gpu_energy_j_per_step_low: float | None
    gpu_energy_j_per_step_high: float | None
    gpu_energy_cv: float | None
    gpu_net_energy_j_per_step: float | None
    gpu_power_w: float | None
    gpu_idle_power_w: float | None
    cpu_energy_j_per_step: float | None
    cpu_energy_j_per_step_low: float | None
    cpu_energy_j_per_step_high: float | None
    cpu_energy_cv: float | None
    cpu_net_energy_j_per_step: float | None
    cpu_power_w: float | None
    cpu_idle_power_w: float | None
    dram_energy_j_per_step: float | None
    carbontracker_j_per_step: float | None
    gpu_counter: str | None
    cpu_counter: str | None
    gpu_tick_s: float | None
    temperature_c: float | None
    temperature_max_c: float | None
    sm_clock_mhz: float | None
    power_limit_w: float | None
    stable: bool
    flags: str
    source: str = SOURCE

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU was measured."""
        return self.device_uuid is not None

    @property
    def seconds_per_epoch(self) -> float:
        """Time of an epoch in s, steps times images by batch size."""
        return self.seconds_per_step * self.images_per_epoch / self.batch_size

    def per_image_j(self, component: Component) -> float | None:
        """Energy of a component for one image in J; None if unknown."""
        per_step: float | None = getattr(self, f"{component}_energy_j_per_step")
        return None if per_step is None else per_step / self.batch_size

    def energy_j(self, component: Component, epochs: int = 1) -> float | None:
        """Energy of a component for a training of so many epochs in J, the step's scaled up; None if unknown."""
        per_image = self.per_image_j(component)
        return None if per_image is None else per_image * self.images_per_epoch * epochs

    def facility_kwh(self, epochs: int, pue: float) -> float | None:
        """(GPU + CPU) x PUE for a training in kWh, the scope that EC-NAS stores; None where either is unknown.

        Args:
            epochs: of the training.
            pue: power usage effectiveness.
        """
        gpu_j, cpu_j = self.energy_j("gpu", epochs), self.energy_j("cpu", epochs)
        return None if gpu_j is None or cpu_j is None else (gpu_j + cpu_j) / JOULES_PER_KWH * pue

    @property
    def tracker_deviation(self) -> float | None:
        """How far carbontracker's figure for the GPU lies from the counter's, relative to it; None if unknown."""
        if self.carbontracker_j_per_step is None or not self.gpu_energy_j_per_step:
            return None
        return self.carbontracker_j_per_step / self.gpu_energy_j_per_step - 1

    def to_document(self) -> dict[str, Any]:
        """The measurement for JSON, the time in ISO 8601."""
        return asdict(self) | {"measured_at": self.measured_at.isoformat()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The measurement that ``to_document`` or a row of the view ``measurements`` holds."""
        values = {each.name: document[each.name] for each in fields(cls)}
        at = values["measured_at"]
        return cls(**{**values, "measured_at": datetime.fromisoformat(at) if isinstance(at, str) else at})


@dataclass(frozen=True)
class MeasurementContext:
    """What a measurement took place in.

    Attributes:
        device: name of what measured.
        device_uuid: the very board; None for a CPU.
        driver: of the GPU; None for a CPU.
        software: torch's version.
        power_limit_w: of the board.
        temperatures_c: of the GPU during the repeats.
        sm_clocks_mhz: likewise.
        slowed_by: why the GPU slowed down during them.
        others: whether other processes held the GPU.
        tracker_power_w: mean power of the GPU during them by carbontracker, its PUE undone.
    """

    device: str
    software: str
    device_uuid: str | None = None
    driver: str | None = None
    power_limit_w: float | None = None
    temperatures_c: Sequence[float] = ()
    sm_clocks_mhz: Sequence[float] = ()
    slowed_by: Sequence[str] = ()
    others: bool = False
    tracker_power_w: float | None = None


def measurement(
    digest: str,
    settings: Settings,
    batch_size: int,
    readings: Readings,
    meters: Sequence[Meter],
    around: MeasurementContext,
) -> Measurement:
    """Put a measurement together.

    Args:
        digest: hash of the cell.
        settings: as measured.
        batch_size: images a step.
        readings: what the protocol read.
        meters: what it read them from.
        around: device and conditions.
    """
    seconds = protocol.seconds_per_step(readings)
    gpu, cpu, dram = (protocol.energy(readings, meters, each) for each in ("gpu", "cpu", "dram"))
    on_gpu = around.device_uuid is not None
    stable = protocol.is_stable(seconds, *(each.gross_j for each in (gpu, cpu) if each is not None))
    found = Measurement(
        measurement=uuid.uuid4().hex[:12],
        measured_at=datetime.now(UTC).replace(tzinfo=None, microsecond=0),
        hash=digest,
        device=around.device,
        device_uuid=around.device_uuid,
        driver=around.driver,
        software=around.software,
        mode=settings.mode,
        batch_size=batch_size,
        precision=settings.precision,
        effort=settings.effort,
        images="synthetic" if settings.images is None else "cifar-10",
        images_per_epoch=settings.images_per_epoch,
        repeats=len(readings.windows),
        steps_per_repeat=readings.windows[0].steps,
        seconds_per_step=seconds.mean,
        seconds_per_step_low=seconds.low,
        seconds_per_step_high=seconds.high,
        seconds_cv=seconds.cv,
        **_columns("gpu", gpu, 0.0 if not on_gpu else None),
        **_columns("cpu", cpu, None),
        dram_energy_j_per_step=None if dram is None else dram.gross_j.mean,
        carbontracker_j_per_step=None if around.tracker_power_w is None else around.tracker_power_w * seconds.mean,
        gpu_counter=_names(meters, "gpu"),
        cpu_counter=_names(meters, "cpu"),
        gpu_tick_s=next((readings.tick_s[each.name] for each in meters if each.component == "gpu"), None),
        temperature_c=_mean(around.temperatures_c),
        temperature_max_c=max(around.temperatures_c, default=None),
        sm_clock_mhz=_mean(around.sm_clocks_mhz),
        power_limit_w=around.power_limit_w,
        stable=stable,
        flags="",
    )
    energies = [each for each in (gpu, cpu) if each is not None]
    deviation = found.tracker_deviation
    applies = {
        "quick": settings.effort == "quick",
        "integrated power": any(each.kind == "integrated power" for each in meters),
        "unstable": not stable,
        "idle drifted": any(abs(each.idle_drift) > protocol.IDLE_DRIFT for each in energies),
        "busy": around.others,
        "slowed": bool(around.slowed_by),
        "carbontracker disagrees": deviation is not None and abs(deviation) > TRACKER_DISAGREES,
        "carbontracker missing": on_gpu and around.tracker_power_w is None,
    }
    return Measurement(**{**asdict(found), "flags": ",".join(flag for flag in FLAGS if applies[flag])})


def _columns(component: str, energy: Energy | None, absent: float | None) -> dict[str, Any]:
    gross = None if energy is None else energy.gross_j
    return {
        f"{component}_energy_j_per_step": absent if gross is None else gross.mean,
        f"{component}_energy_j_per_step_low": None if gross is None else gross.low,
        f"{component}_energy_j_per_step_high": None if gross is None else gross.high,
        f"{component}_energy_cv": None if gross is None else gross.cv,
        f"{component}_net_energy_j_per_step": None if energy is None else energy.net_j,
        f"{component}_power_w": None if energy is None else energy.power_w,
        f"{component}_idle_power_w": None if energy is None else energy.idle_w,
    }


def _names(meters: Sequence[Meter], component: Component) -> str | None:
    names = [f"{each.name} ({each.kind})" for each in meters if each.component == component]
    return ", ".join(names) or None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
