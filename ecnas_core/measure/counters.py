"""Energy counters: one small interface over NVML's, over integrated power, and over RAPL's.

A counter is read twice and the difference is what the device took in between. Joules throughout. A meter does the
reading: some counters change only ten times a second, so what they showed at a moment is found between two changes.
"""

from __future__ import annotations

import platform
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from ecnas_core.measure.errors import DeviceFailed, MeasureError, NoCounter, NotPermitted, StandsStill
from ecnas_core.measure.nvml import Gpu

Component = Literal["gpu", "cpu", "dram"]
Kind = Literal["counter", "integrated power"]

POWERCAP = Path("/sys/class/powercap")
POLL_S = 0.05
METER_POLL_S = 0.002
_TICK_PATIENCE_S = 1.0
_PERMIT = "sudo chmod a+r {}/*/energy_uj"
_COMPONENTS: dict[str, Component] = {"package": "cpu", "dram": "dram"}


class Counter(Protocol):
    """What counts the energy of one part of the machine.

    Attributes:
        name: what it is, such as ``nvml:0`` or ``rapl:package-0``.
        component: whose energy it counts.
        kind: ``counter`` for one in hardware or driver, ``integrated power`` where power is polled and added up.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def component(self) -> Component: ...  # noqa: D102
    @property
    def kind(self) -> Kind: ...  # noqa: D102

    def read(self) -> float:
        """The energy in J since some fixed moment; never falls."""

    def close(self) -> None:
        """Stop counting and free what it holds."""


class Meter:
    """A counter watched in a thread of its own, so that its energy between any two moments can be told.

    Args:
        counter: what is watched; closed with the meter.
        clock: seconds, monotonic; moments are given in its time.
        poll_s: time between two looks.
    """

    def __init__(
        self, counter: Counter, *, clock: Callable[[], float] = time.perf_counter, poll_s: float = METER_POLL_S
    ) -> None:
        self.name, self.component, self.kind = counter.name, counter.component, counter.kind
        self._counter = counter
        self._clock = clock
        self._poll_s = poll_s
        self._times: list[float] = [clock()]
        self._readings: list[float] = [counter.read()]
        self._failure: MeasureError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name=f"meter {counter.name}")
        self._thread.start()

    @property
    def tick_s(self) -> float | None:
        """The median time between two changes of the counter; None where it has not changed twice."""
        times = list(self._times[1:])
        return statistics.median(b - a for a, b in pairwise(times)) if len(times) > 1 else None

    def joules(self, start: float, end: float) -> float:
        """What the counter counted between two moments, in J; between its changes the power is taken as constant.

        Args:
            start: a moment since the meter was made.
            end: a later one; where the counter has not changed since, a second is waited for it.

        Raises:
            StandsStill: it did not change in that second.
            MeasureError: the counter can no longer be read.
        """
        patience = self._clock() + _TICK_PATIENCE_S
        while self._times[-1] < end and self._failure is None and self._clock() < patience:
            time.sleep(self._poll_s)
        if self._failure is not None:
            raise self._failure
        if self._times[-1] < end:
            raise StandsStill(
                f"the counter {self.name} did not move for {_TICK_PATIENCE_S:g} s; update the driver, or measure on "
                "another device"
            )
        count = len(self._times)
        before, after = np.interp([start, end], self._times[:count], self._readings[:count])
        return float(after - before)

    def close(self) -> None:
        """Stop watching, and close the counter."""
        self._stop.set()
        self._thread.join()
        self._counter.close()

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                reading = self._counter.read()
            except MeasureError as error:
                self._failure = error
                return
            if reading != self._readings[-1]:
                self._readings.append(reading)
                self._times.append(self._clock())


@dataclass(frozen=True)
class Unavailable:
    """Why a component's energy cannot be counted here.

    Attributes:
        component: whose energy.
        state: the reason in one word, a ``state`` of ``states``.
        reason: the reason and the remedy in a sentence.
    """

    component: Component
    state: str
    reason: str


class NvmlEnergy:
    """The energy counter that the driver keeps for a GPU since it was loaded, in steps of 1 mJ (Volta and later)."""

    component: Component = "gpu"
    kind: Kind = "counter"

    def __init__(self, device: Gpu) -> None:
        self.name = f"nvml:{device.index}"
        self._device = device
        self.read()

    def read(self) -> float:
        """The energy in J since the driver was loaded.

        Raises:
            NoCounter: this GPU or its driver has none, or not for this user.
            DeviceFailed: the GPU does not answer.
        """
        millijoules: int | None = self._device.known(self._device.nvml.nvmlDeviceGetTotalEnergyConsumption)
        if millijoules is None:
            raise NoCounter(f"{self._device.name} shows no energy counter; its power is polled instead")
        return millijoules / 1000

    def close(self) -> None:
        """Nothing is held."""


class IntegratedPower:
    """A GPU's power, polled in a thread of its own and added up by the trapezium rule.

    For GPUs without a counter. What happens between two polls is not seen, and the driver may average the power over
    a second: figures from it are flagged.
    """

    component: Component = "gpu"
    kind: Kind = "integrated power"

    def __init__(self, device: Gpu, *, poll_s: float = POLL_S, clock: Callable[[], float] = time.perf_counter) -> None:
        self.name = f"nvml-power:{device.index}"
        self._device = device
        self._clock = clock
        self._joules = 0.0
        self._power_w, self._at = self._now()
        self._stop = threading.Event()
        self._poll_s = poll_s
        self._failure: MeasureError | None = None
        self._thread = threading.Thread(target=self._poll, daemon=True, name=self.name)
        self._thread.start()

    def read(self) -> float:
        """The energy in J from when the counter was made to its last poll.

        Raises:
            NoCounter: the driver does not tell the power.
            DeviceFailed: the GPU does not answer.
        """
        if self._failure is not None:
            raise self._failure
        return self._joules

    def close(self) -> None:
        """Stop polling."""
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self._add()
            except MeasureError as error:
                self._failure = error
                return

    def _add(self) -> None:
        power_w, at = self._now()
        self._joules += (power_w + self._power_w) / 2 * (at - self._at)
        self._power_w, self._at = power_w, at

    def _now(self) -> tuple[float, float]:
        power_w = self._device.sample().power_w
        if power_w is None:
            raise NoCounter(f"{self._device.name} tells neither its energy nor its power; measure on another device")
        return power_w, self._clock()


class Rapl:
    """One RAPL domain under powercap: a register of microjoules that wraps around.

    Args:
        domain: the domain's folder, which holds ``energy_uj``, ``max_energy_range_uj`` and ``name``.
        component: ``cpu`` for a package, ``dram`` for its memory.

    Raises:
        NotPermitted: this user must not read it.
        DeviceFailed: it cannot be read.
    """

    kind: Kind = "counter"

    def __init__(self, domain: Path, component: Component) -> None:
        self.component: Component = component
        self._path = domain / "energy_uj"
        package = domain.with_name(domain.name.rpartition(":")[0]) if component == "dram" else domain
        self.name = f"rapl:{_line(package / 'name')}" + (":dram" if component == "dram" else "")
        self._range = _number(domain / "max_energy_range_uj")
        self._wraps = 0
        self._last = self._register()

    def read(self) -> float:
        """The energy in J since the register was last 0, wrap-arounds counted if it is read at least once in each."""
        register = self._register()
        if register < self._last:
            self._wraps += 1
        self._last = register
        return (self._wraps * (self._range + 1) + register) / 1e6

    def close(self) -> None:
        """Nothing is held."""

    def _register(self) -> int:
        return _number(self._path)


def gpu_counter(device: Gpu) -> Counter:
    """The best counter of a GPU: the driver's own, else integrated power.

    Args:
        device: the GPU.

    Raises:
        NoCounter: the driver tells neither energy nor power.
        DeviceFailed: the GPU does not answer.
    """
    try:
        return NvmlEnergy(device)
    except NoCounter:
        return IntegratedPower(device)


def cpu_counters(powercap: Path = POWERCAP) -> tuple[list[Counter], list[Unavailable]]:
    """The RAPL counters of the CPU packages and of their memory, and why some are missing.

    Args:
        powercap: the folder of the kernel's power capping framework.

    Returns:
        The counters that can be read, and for each component without one the reason.
    """
    domains = _domains(powercap)
    counters: list[Counter] = []
    missing: dict[Component, Unavailable] = {}
    for component in ("cpu", "dram"):
        folders = [folder for folder, of in domains if of == component]
        if not folders:
            reason = f"no RAPL energy counter under {powercap}; virtual machines and most ARM machines have none"
            missing[component] = Unavailable(component, NoCounter.state, reason)
        try:
            found: list[Counter] = [Rapl(folder, component) for folder in folders]
        except MeasureError as error:
            missing[component] = Unavailable(component, error.state, str(error))
        else:
            counters += found
    return counters, list(missing.values())


def cpu_name() -> str:
    """What the CPU calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except FileNotFoundError:
        return platform.machine()
    return platform.machine()


def _domains(powercap: Path) -> list[tuple[Path, Component]]:
    """The folders of the packages (``intel-rapl:0``) and of their memory (``intel-rapl:0:2``), each one once."""
    found = []
    for path in sorted(powercap.glob("*:*/energy_uj")):
        name = _line(path.with_name("name"))
        component = _COMPONENTS.get(name.split("-")[0])
        if component is not None and not path.parent.name.startswith("intel-rapl-mmio"):
            found.append((path.parent, component))
    return found


def _number(path: Path) -> int:
    text = _line(path)
    if not text.isdecimal():
        raise DeviceFailed(f"{path} holds no number ({text[:40]!r})")
    return int(text)


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except PermissionError:
        raise NotPermitted(
            f"RAPL's counters are not readable by this user; {_PERMIT.format(POWERCAP)} grants it until the next start"
        ) from None
    except OSError as error:
        raise DeviceFailed(f"{path} cannot be read ({error.strerror})") from None
