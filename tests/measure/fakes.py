"""Devices that this machine does not have: NVML with scripted GPUs, RAPL in a folder, counters, workloads and clocks."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pynvml
import pytest

from ecnas_core.cells import Cell
from ecnas_core.measure.counters import Component, Kind


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


without_driver = pytest.mark.skipif(_has_driver(), reason="this machine has an NVIDIA driver")
"""What only a machine without a driver can show; the fakes show the rest anywhere."""

TINY = Cell([[0, 1], [0, 0]], ["input", "output"])


@dataclass(frozen=True)
class Refused:
    """An answer that is NVML's error of this number."""

    code: int


NOT_SUPPORTED = Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
NO_PERMISSION = Refused(pynvml.NVML_ERROR_NO_PERMISSION)
FUNCTION_NOT_FOUND = Refused(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
LOST = Refused(pynvml.NVML_ERROR_GPU_IS_LOST)


@dataclass
class Board:
    """A scripted GPU: each answer is a value, a ``Refused``, or a function that yields one of both."""

    name: Any = "NVIDIA T4"
    uuid: Any = "GPU-aaaa"
    millijoules: Any = 1_000_000
    milliwatts: Any = 70_000
    temperature: Any = 41
    sm_clock: Any = 1590
    utilisation: Any = 0
    reasons: Any = 0
    processes: Any = ()
    mig: Any = NOT_SUPPORTED
    power_limit: Any = 70_000
    max_sm_clock: Any = 1590
    handle: Any = None
    lost: bool = False
    asked: list[str] = field(default_factory=list)


class FakeNvml:
    """Stands in for the module pynvml.

    Args:
        boards: in NVML's order.
        init: the error that nvmlInit ends in.
    """

    NVMLError = pynvml.NVMLError

    def __init__(self, *boards: Board, init: int | None = None) -> None:
        self.boards = boards
        self.init = init
        self.open = 0

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("NVML_"):
            raise AttributeError(f"the fake has no {name}")
        return getattr(pynvml, name)

    def nvmlInit(self) -> None:
        if self.init is not None:
            raise pynvml.NVMLError(self.init)
        self.open += 1

    def nvmlShutdown(self) -> None:
        assert self.open > 0, "shut down without having been started"
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.65.06"

    def nvmlDeviceGetCount(self) -> int:
        return len(self.boards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Board:
        board = self.boards[index]
        self._answer(board, "handle")
        return board

    def nvmlDeviceGetName(self, board: Board) -> Any:
        return self._answer(board, "name")

    def nvmlDeviceGetUUID(self, board: Board) -> Any:
        return self._answer(board, "uuid")

    def nvmlDeviceGetMigMode(self, board: Board) -> list[int]:
        mode = self._answer(board, "mig")
        return [mode, mode]

    def nvmlDeviceGetTotalEnergyConsumption(self, board: Board) -> int:
        return int(self._answer(board, "millijoules"))

    def nvmlDeviceGetPowerUsage(self, board: Board) -> int:
        return int(self._answer(board, "milliwatts"))

    def nvmlDeviceGetEnforcedPowerLimit(self, board: Board) -> int:
        return int(self._answer(board, "power_limit"))

    def nvmlDeviceGetTemperature(self, board: Board, sensor: int) -> int:
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return int(self._answer(board, "temperature"))

    def nvmlDeviceGetClockInfo(self, board: Board, clock: int) -> int:
        assert clock == pynvml.NVML_CLOCK_SM
        return int(self._answer(board, "sm_clock"))

    def nvmlDeviceGetMaxClockInfo(self, board: Board, clock: int) -> int:
        assert clock == pynvml.NVML_CLOCK_SM
        return int(self._answer(board, "max_sm_clock"))

    def nvmlDeviceGetUtilizationRates(self, board: Board) -> SimpleNamespace:
        return SimpleNamespace(gpu=self._answer(board, "utilisation"), memory=0)

    def nvmlDeviceGetCurrentClocksEventReasons(self, board: Board) -> int:
        return int(self._answer(board, "reasons"))

    def nvmlDeviceGetComputeRunningProcesses(self, board: Board) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(pid=pid, usedGpuMemory=memory, gpuInstanceId=0, computeInstanceId=0)
            for pid, memory in self._answer(board, "processes")
        ]

    def _answer(self, board: Board, what: str) -> Any:
        assert self.open, f"NVML was asked for {what} while it was shut down"
        board.asked.append(what)
        if board.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        scripted = getattr(board, what)
        answer = scripted() if callable(scripted) else scripted
        if isinstance(answer, Refused):
            raise pynvml.NVMLError(answer.code)
        return answer


class Powercap:
    """The kernel's power capping framework in a folder, laid out and linked as in sysfs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "class" / "powercap"
        self.path.mkdir(parents=True)
        self._devices = folder / "devices" / "virtual" / "powercap"
        self.control_type("intel-rapl")

    def control_type(self, name: str) -> None:
        (self._devices / name).mkdir(parents=True)
        (self.path / name).symlink_to(self._devices / name)

    def domain(self, key: str, name: str, microjoules: int = 0, largest: int = 262_143_328_850) -> Path:
        """Add a domain such as ``intel-rapl:0`` (a package) or ``intel-rapl:0:1`` (a part of it); its energy's file."""
        parts = key.split(":")
        folder = self._devices / parts[0]
        for count in range(2, len(parts) + 1):
            folder /= ":".join(parts[:count])
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text(f"{microjoules}\n")
        (folder / "max_energy_range_uj").write_text(f"{largest}\n")
        (self.path / key).symlink_to(folder)
        return folder / "energy_uj"


class Clock:
    """Seconds that pass when told to, and the energy that was taken meanwhile.

    Args:
        idle_w: power while it sleeps; a function of the time, or a number.
    """

    def __init__(self, idle_w: float | Callable[[float], float] = 0.0) -> None:
        self.now = 0.0
        self._idle_w = idle_w
        self._times = [0.0]
        self._joules = [0.0]

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds, self._idle_w(self.now) if callable(self._idle_w) else self._idle_w)

    def advance(self, seconds: float, watts: float) -> None:
        self.now += seconds
        self._times.append(self.now)
        self._joules.append(self._joules[-1] + watts * seconds)

    def joules_at(self, moments: Sequence[float]) -> np.ndarray:
        return np.interp(moments, self._times, self._joules)


class FakeWorkload:
    """Work that takes a known time and power: a step is started at once, and done when synchronised.

    Args:
        clock: whose time passes.
        step_s: of a step; a function of its number from 0, or a number.
        watts: likewise.
        device: ``late`` work is done by ``synchronise``, as on a GPU; else by ``step``.
    """

    def __init__(
        self,
        clock: Clock,
        step_s: float | Callable[[int], float] = 0.1,
        watts: float | Callable[[int], float] = 100.0,
        *,
        late: bool = False,
    ) -> None:
        self.steps = 0
        self.log: list[str] = []
        self._clock = clock
        self._step_s, self._watts = step_s, watts
        self._late = late
        self._pending: list[int] = []

    def step(self) -> None:
        self._pending.append(self.steps)
        self.steps += 1
        self.log.append("step")
        if not self._late:
            self._do()

    def synchronise(self) -> None:
        self.log.append("synchronise")
        self._do()

    def _do(self) -> None:
        for number in self._pending:
            seconds = self._step_s(number) if callable(self._step_s) else self._step_s
            self._clock.advance(seconds, self._watts(number) if callable(self._watts) else self._watts)
        self._pending.clear()


class FakeMeter:
    """A meter of a ``Clock``'s energy.

    Args:
        clock: the time and the true energy.
        name: of its counter.
        component: whose energy it tells.
        kind: of its counter.
        tick_s: the counter changes only at multiples of it: between them its energy is interpolated, and the clock
            goes on, idle, until it has changed after the end of what is asked. None for one that changes always.
        share: of the clock's energy.
        fails: raised instead of an answer.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        name: str = "nvml:0",
        component: Component = "gpu",
        kind: Kind = "counter",
        *,
        tick_s: float | None = None,
        share: float = 1.0,
        fails: Exception | None = None,
    ) -> None:
        self.name: str = name
        self.component: Component = component
        self.kind: Kind = kind
        self.tick_s = tick_s
        self._clock = clock
        self._share = share
        self._fails = fails

    def joules(self, start: float, end: float) -> float:
        if self._fails is not None:
            raise self._fails
        assert self._clock is not None
        assert start < end <= self._clock.now
        if self.tick_s is None:
            before, after = self._clock.joules_at([start, end])
            return float(after - before) * self._share
        last = int(np.ceil(end / self.tick_s))
        if self._clock.now < last * self.tick_s:
            self._clock.sleep(last * self.tick_s - self._clock.now)
        ticks = np.arange(last + 1) * self.tick_s
        before, after = np.interp([start, end], ticks, self._clock.joules_at(ticks.tolist()))
        return float(after - before) * self._share


class ScriptedCounter:
    """A counter that changes as scripted: each look takes the next moment and reading, and sets the clock to it.

    Args:
        clock: that is set.
        script: moments in s with readings in J, or what is raised; the last one stays.
        component: whose energy it counts.
    """

    kind: Kind = "counter"

    def __init__(
        self, clock: Clock, script: Sequence[tuple[float, float] | Exception], component: Component = "gpu"
    ) -> None:
        self.name = f"scripted:{component}"
        self.component: Component = component
        self.closed = False
        self.looks = 0
        self._clock = clock
        self._script = list(script)

    def read(self) -> float:
        assert not self.closed, "read after it was closed"
        entry = self._script[min(self.looks, len(self._script) - 1)]
        self.looks += 1
        if isinstance(entry, Exception):
            raise entry
        self._clock.now, reading = entry
        return reading

    def close(self) -> None:
        self.closed = True
