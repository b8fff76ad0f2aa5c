"""What this machine can measure, and why not."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ecnas_core.carbon import grids
from ecnas_core.carbon.intensity import MissingTable
from ecnas_core.measure import nvml
from ecnas_core.measure.counters import POWERCAP, Kind, cpu_counters, cpu_name, gpu_counter
from ecnas_core.measure.errors import DeviceFailed, MigDevice, NoCounter, NoDriver
from ecnas_core.measure.nvml import Gpu

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Finding:
    """One thing this machine can or cannot do.

    Attributes:
        available: whether it can.
        detail: what was found.
        remedy: what to do about it; empty when nothing needs doing.
    """

    available: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Device:
    """A device that a cell can be measured on.

    Attributes:
        key: what ``Settings.device`` calls it: ``cuda:0``, ``cpu``.
        name: what it is called.
        energy: how its energy can be had: ``counter`` or ``integrated power``; None if only time can be measured.
        reason: why its energy cannot be had, and what to do.
    """

    key: str
    name: str
    energy: Kind | None
    reason: str = ""


def examine() -> dict[str, Finding]:
    """Look at the GPU, the CPU's energy counters, the carbon table and the browser, measuring nothing."""
    return {"gpu": _gpu(), "cpu": _cpu(), "carbon": _carbon(), "browser": _browser()}


def as_json(findings: dict[str, Finding]) -> dict[str, dict[str, object]]:
    """The findings as plain dictionaries."""
    return {name: asdict(finding) for name, finding in findings.items()}


def devices(powercap: Path = POWERCAP) -> list[Device]:
    """The devices of this machine that a cell can be measured on, GPUs first, the CPU last.

    Args:
        powercap: the folder of the kernel's power capping framework.

    Raises:
        DeviceFailed: a GPU does not answer.
    """
    found = []
    try:
        with nvml.driver() as driver:
            found = [_gpu_device(place, gpu) for place, gpu in enumerate(nvml.gpus(driver))]
    except NoDriver:
        pass
    counters, missing = cpu_counters(powercap)
    packages = [each for each in counters if each.component == "cpu"]
    why_not = next((each.reason for each in missing if each.component == "cpu"), "")
    return [*found, Device("cpu", cpu_name(), "counter" if packages else None, why_not)]


def _gpu_device(place: int, gpu: Gpu) -> Device:
    try:
        gpu.check()
        counter = gpu_counter(gpu)
    except (MigDevice, NoCounter) as error:
        return Device(f"cuda:{place}", gpu.name, None, str(error))
    counter.close()
    return Device(f"cuda:{place}", gpu.name, counter.kind)


def _gpu() -> Finding:
    try:
        with nvml.driver() as driver:
            found = [_gpu_device(place, gpu) for place, gpu in enumerate(nvml.gpus(driver))]
    except NoDriver as error:
        reason, _, remedy = str(error).partition("; ")
        return Finding(False, reason, f"{remedy}; everything else works without")
    except DeviceFailed as error:
        return Finding(False, str(error), "check the machine with nvidia-smi")
    if not found:
        return Finding(
            False, "the NVIDIA driver shows this process no GPU", "check nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
    told = ", ".join(f"{each.name} ({each.energy or 'no energy'})" for each in found)
    remedies = dict.fromkeys(each.reason for each in found if each.energy is None)
    return Finding(any(each.energy for each in found), told, "; ".join(remedies))


def _cpu() -> Finding:
    machine = f"{cpu_name()}, {os.cpu_count()} CPUs"
    counters, missing = cpu_counters(POWERCAP)
    packages = [each for each in counters if each.component == "cpu"]
    if packages:
        memory = "" if any(each.component == "dram" for each in counters) else ", none of memory"
        return Finding(True, f"{machine}; {len(packages)} RAPL energy counters of packages{memory}")
    reason, _, remedy = next(each.reason for each in missing if each.component == "cpu").partition("; ")
    return Finding(False, f"{machine}; {reason}", f"{remedy}; time can be measured all the same")


def _carbon() -> Finding:
    try:
        return Finding(True, f"carbontracker {version('carbontracker')}, intensities of {len(grids())} countries")
    except (PackageNotFoundError, MissingTable) as error:
        return Finding(False, str(error), "pip install -r requirements.txt")


def _browser() -> Finding:
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return Finding(True, path)
    return Finding(
        False,
        "no Chromium or Chrome on the PATH",
        "only the browser tests need one: apt-get install chromium (Debian, Ubuntu) or brew install chromium",
    )
