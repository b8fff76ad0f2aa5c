"""Measurements and runs that nobody made, for tests of what shows them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.runs import MEASUREMENT, MeasureRequest, Status, status
from ecnas_core.runs import Run, RunStore

GPU = "Made-up H100"
CPU = "Made-up EPYC"
LEAN, KNEE = "043721b9c7fe8c5fad811d47d83132ec", "3407944b22d4b1d0cccbd8e070424ce4"
NO_RAPL = "no RAPL energy counter under /sys/class/powercap; virtual machines and most ARM machines have none"


def measured(name: str = "a" * 12, **changes: Any) -> Measurement:
    """A thorough training step on a GPU: 32 J and 0.1 s for 256 images; the CPU not counted."""
    values = {
        "measurement": name,
        "measured_at": datetime(2026, 1, 2, 3, 4),
        "hash": LEAN,
        "device": GPU,
        "device_uuid": "GPU-0",
        "driver": "570.1",
        "software": "torch 2.13.0",
        "mode": "train",
        "batch_size": 256,
        "precision": "fp32",
        "effort": "thorough",
        "images": "synthetic",
        "images_per_epoch": 40_000,
        "repeats": 8,
        "steps_per_repeat": 80,
        "seconds_per_step": 0.1,
        "seconds_per_step_low": 0.0995,
        "seconds_per_step_high": 0.1005,
        "seconds_cv": 0.004,
        "gpu_energy_j_per_step": 32.0,
        "gpu_energy_j_per_step_low": 31.8,
        "gpu_energy_j_per_step_high": 32.2,
        "gpu_energy_cv": 0.006,
        "gpu_net_energy_j_per_step": 25.0,
        "gpu_power_w": 320.0,
        "gpu_idle_power_w": 70.0,
        "cpu_energy_j_per_step": None,
        "cpu_energy_j_per_step_low": None,
        "cpu_energy_j_per_step_high": None,
        "cpu_energy_cv": None,
        "cpu_net_energy_j_per_step": None,
        "cpu_power_w": None,
        "cpu_idle_power_w": None,
        "dram_energy_j_per_step": None,
        "carbontracker_j_per_step": 33.6,
        "gpu_counter": "nvml:0 (counter)",
        "cpu_counter": None,
        "gpu_tick_s": 0.1,
        "temperature_c": 52.3,
        "temperature_max_c": 55.0,
        "sm_clock_mhz": 1965.0,
        "power_limit_w": 700.0,
        "stable": True,
        "flags": "",
        "source": "made up",
    }
    return Measurement(**{**values, **changes})


def with_cpu(name: str = "b" * 12, **changes: Any) -> Measurement:
    """The same with 8 J of the CPU."""
    counted = {
        "cpu_energy_j_per_step": 8.0,
        "cpu_energy_j_per_step_low": 7.9,
        "cpu_energy_j_per_step_high": 8.1,
        "cpu_energy_cv": 0.01,
        "cpu_net_energy_j_per_step": 3.0,
        "cpu_power_w": 80.0,
        "cpu_idle_power_w": 50.0,
        "cpu_counter": "rapl:package-0 (counter)",
        "dram_energy_j_per_step": 0.5,
    }
    return measured(name, **{**counted, **changes})


def on_cpu(name: str = "c" * 12, **changes: Any) -> Measurement:
    """A quick training step of 8 images on a CPU that no counter counts: 0.5 s."""
    unknown = dict.fromkeys(
        (
            "device_uuid",
            "driver",
            "gpu_energy_j_per_step_low",
            "gpu_energy_j_per_step_high",
            "gpu_energy_cv",
            "gpu_net_energy_j_per_step",
            "gpu_power_w",
            "gpu_idle_power_w",
            "carbontracker_j_per_step",
            "gpu_counter",
            "gpu_tick_s",
            "temperature_c",
            "temperature_max_c",
            "sm_clock_mhz",
            "power_limit_w",
        )
    )
    here = {
        "device": CPU,
        "gpu_energy_j_per_step": 0.0,
        "batch_size": 8,
        "effort": "quick",
        "flags": "quick",
        "seconds_per_step": 0.5,
        "seconds_per_step_low": 0.49,
        "seconds_per_step_high": 0.51,
    }
    return measured(name, **{**unknown, **here, **changes})


class MadeUpRun:
    """A run that no process works at: its folder is written by hand, its lock held where it is to be running.

    Args:
        data: the user's folder.
        hashes: of the cells.
        settings: of the measurement.
        elapsed: how long ago its first cell began, in s.
    """

    def __init__(self, data: Path, *hashes: str, settings: Settings | None = None, elapsed: float = 60.0) -> None:
        self.store = RunStore(MEASUREMENT, data)
        self.folder = self.store.folder / "1-madeup"
        self.folder.mkdir(parents=True)
        self.hashes = hashes or (LEAN,)
        self.began = time.time() - elapsed
        request = MeasureRequest((), self.hashes, (settings or Settings(device="cuda:0")).to_document())
        MEASUREMENT.write(self.folder, request, started=self.began)

    def read(self) -> Run[MeasureRequest]:
        """The run as it is."""
        return self.store.read(self.folder.name)

    def status(self, elapsed: float = 0.0) -> Status:
        """How far it is, so many seconds after its first cell began."""
        return status(self.read(), self.began + elapsed)

    def tell(self, event: str, t: float = 0.0, cell: int = 0, **more: Any) -> MadeUpRun:
        """Write an event of a cell, t seconds after it began."""
        of_cell = {} if event == "ended" else {"cell": cell, "hash": self.hashes[cell], "t": t}
        with (self.folder / "events.jsonl").open("a") as events:
            events.write(json.dumps({"event": event, **of_cell, **more, "at": self.began + t}) + "\n")
        return self

    def device(self, name: str = GPU) -> MadeUpRun:
        return self.tell("device", name=name, power_limit_w=700.0).tell("phase", phase="build", seconds=0)

    def phase(self, name: str, t: float, seconds: float = 0.0) -> MadeUpRun:
        return self.tell("phase", t, phase=name, seconds=seconds)

    def sample(self, t: float, power_w: float, temperature_c: float = 50.0) -> MadeUpRun:
        return self.tell("sample", t, power_w=power_w, temperature_c=temperature_c, sm_clock_mhz=1965.0, slowed_by=[])

    def repeat(self, number: int, t: float, seconds: float, **joules: float) -> MadeUpRun:
        return self.tell("repeat", t, repeat=number, of=8, seconds_per_step=seconds, joules_per_step=joules)

    def outcome(
        self,
        state: str,
        measurement: Measurement | None = None,
        *,
        cell: int = 0,
        reason: str | None = None,
        estimate: dict[str, Any] | None = None,
    ) -> MadeUpRun:
        """The end of a cell."""
        document = None if measurement is None else measurement.to_document()
        if document is not None:
            self.tell("result", 50.0, cell, **document, estimate=estimate)
        return self.tell("outcome", 50.0, cell, state=state, reason=reason, measurement=document)

    def ended(self, state: str, error: str | None = None) -> MadeUpRun:
        return self.tell("ended", state=state, **({} if error is None else {"error": error}))

    @contextmanager
    def running(self) -> Iterator[MadeUpRun]:
        """While the context lasts, its lock is held."""
        with self.store.hold(self.folder.name):
            yield self
