"""NVIDIA GPUs through NVML: which there are, what they are doing, and under which name every refusal goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ecnas_core.measure.errors import DeviceFailed, MigDevice, NoDevice, NoDriver

Answer = TypeVar("Answer")

_SLOWED_BY = {
    0x08: "hardware slowdown",
    0x20: "thermal limit (software)",
    0x40: "thermal limit (hardware)",
    0x80: "power brake",
}
_POWER_CAP = 0x04


@dataclass(frozen=True)
class Sample:
    """What a GPU did at one moment; None where the driver does not say.

    Attributes:
        power_w: board power in W, on recent GPUs averaged by the driver over about a second.
        temperature_c: of the die in degrees Celsius.
        sm_clock_mhz: clock of the multiprocessors.
        utilisation: share of the last interval with a kernel running, 0 to 1.
        slowed_by: why the clocks are below what was asked for, other than the power limit.
        power_capped: whether the power limit holds the clocks down.
    """

    power_w: float | None
    temperature_c: float | None
    sm_clock_mhz: float | None
    utilisation: float | None
    slowed_by: tuple[str, ...] = ()
    power_capped: bool = False


@dataclass(frozen=True)
class Process:
    """A process that holds memory on a GPU.

    Attributes:
        pid: its number as the driver sees it.
        name: of its program, empty where it cannot be read.
        memory_mb: memory it holds on the GPU; None where the driver does not say.
    """

    pid: int
    name: str
    memory_mb: float | None


class Gpu:
    """One GPU of the machine, as NVML sees it; opened by ``gpu`` and ``gpus``.

    Attributes:
        index: its number in NVML's order.
        name: what it is called.
        uuid: names this very board.
    """

    def __init__(self, nvml: Any, handle: Any, index: int) -> None:
        self.nvml = nvml
        self.handle = handle
        self.index = index
        self.name = _text(nvml.nvmlDeviceGetName(handle))
        self.uuid = _text(nvml.nvmlDeviceGetUUID(handle))

    @property
    def mig_enabled(self) -> bool:
        """Whether MIG has cut it into instances."""
        answer = self.known(self.nvml.nvmlDeviceGetMigMode)
        return answer is not None and answer[0] == 1

    def check(self) -> None:
        """Raise MigDevice where it is cut into instances."""
        if self.mig_enabled:
            raise MigDevice(
                f"{self.name} is cut into instances (MIG), whose energy no counter tells apart; ask its administrator "
                "to switch MIG off (nvidia-smi -mig 0), or measure on another device"
            )

    def sample(self) -> Sample:
        """What it does now."""
        milliwatts = self.known(self.nvml.nvmlDeviceGetPowerUsage)
        rates = self.known(self.nvml.nvmlDeviceGetUtilizationRates)
        reasons = self.known(self.nvml.nvmlDeviceGetCurrentClocksEventReasons) or 0
        return Sample(
            power_w=None if milliwatts is None else milliwatts / 1000,
            temperature_c=self.known(lambda handle: self.nvml.nvmlDeviceGetTemperature(handle, 0)),
            sm_clock_mhz=self.known(lambda handle: self.nvml.nvmlDeviceGetClockInfo(handle, 1)),
            utilisation=None if rates is None else rates.gpu / 100,
            slowed_by=tuple(name for bit, name in _SLOWED_BY.items() if reasons & bit),
            power_capped=bool(reasons & _POWER_CAP),
        )

    def others(self) -> tuple[Process, ...]:
        """The processes on it that are not this one."""
        found = self.known(self.nvml.nvmlDeviceGetComputeRunningProcesses) or []
        return tuple(
            Process(each.pid, _program(each.pid), None if each.usedGpuMemory is None else each.usedGpuMemory / 1e6)
            for each in found
            if each.pid != os.getpid()
        )

    def details(self) -> dict[str, Any]:
        """What a figure measured on it depends on: driver, power limit, clocks; None where the driver does not say."""
        limit = self.known(self.nvml.nvmlDeviceGetEnforcedPowerLimit)
        return {
            "name": self.name,
            "uuid": self.uuid,
            "driver": _text(self.nvml.nvmlSystemGetDriverVersion()),
            "power_limit_w": None if limit is None else limit / 1000,
            "max_sm_clock_mhz": self.known(lambda handle: self.nvml.nvmlDeviceGetMaxClockInfo(handle, 1)),
        }

    def known(self, ask: Callable[[Any], Answer]) -> Answer | None:
        """The driver's answer; None where this device cannot give one, or not to this user.

        Args:
            ask: one of NVML's functions of a device.

        Raises:
            DeviceFailed: the device does not answer.
        """
        try:
            return ask(self.handle)
        except self.nvml.NVMLError as error:
            if error.value in (
                self.nvml.NVML_ERROR_NOT_SUPPORTED,
                self.nvml.NVML_ERROR_NO_PERMISSION,
                self.nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
                self.nvml.NVML_ERROR_NO_DATA,
            ):
                return None
            raise DeviceFailed(f"{self.name} does not answer ({error}); see nvidia-smi") from None


@contextmanager
def driver(nvml: Any = None) -> Iterator[Any]:
    """NVML, started and at the end shut down.

    Args:
        nvml: what stands in for the module pynvml.

    Raises:
        NoDriver: there is no NVIDIA driver, or it does not start.
    """
    if nvml is None:
        import pynvml

        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            raise NoDriver("no NVIDIA driver (libnvidia-ml.so.1 is not there); install it to measure a GPU") from None
        raise NoDriver(f"the NVIDIA driver does not start ({error}); run nvidia-smi to see why") from None
    try:
        yield nvml
    finally:
        nvml.nvmlShutdown()


def gpus(nvml: Any) -> list[Gpu]:
    """The GPUs that answer and that this process may use, in the order that CUDA_VISIBLE_DEVICES gives them.

    As for CUDA, a name in that list that no GPU has ends it.

    Args:
        nvml: what ``driver`` yields.

    Raises:
        DeviceFailed: the driver does not tell how many there are.
    """
    found = []
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        raise DeviceFailed(f"the NVIDIA driver does not answer ({error}); see nvidia-smi") from None
    for index in range(count):
        try:
            found.append(Gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(index), index))
        except nvml.NVMLError:
            continue
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return found
    chosen = []
    for name in filter(None, (part.strip() for part in allowed.split(","))):
        same = [each for each in found if name == str(each.index) or each.uuid.startswith(name)]
        if not same:
            break
        chosen.append(same[0])
    return chosen


def gpu(nvml: Any, number: int) -> Gpu:
    """One of ``gpus``.

    Args:
        nvml: what ``driver`` yields.
        number: its place in that list.

    Raises:
        NoDevice: there is none.
        MigDevice: it is cut into instances.
    """
    found = gpus(nvml)
    if not 0 <= number < len(found):
        there = ", ".join(f"cuda:{place} {each.name}" for place, each in enumerate(found)) or "none that answers"
        raise NoDevice(f"there is no GPU cuda:{number}; there is {there}")
    found[number].check()
    return found[number]


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
