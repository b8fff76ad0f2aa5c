"""What this machine can measure, and why not."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ecnas_core.carbon import grids
from ecnas_core.carbon.intensity import MissingTable

POWERCAP = Path("/sys/class/powercap")
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


def examine() -> dict[str, Finding]:
    """Look at the GPU, the CPU's energy counters, the carbon table and the browser, measuring nothing."""
    return {"gpu": _gpu(), "cpu": _cpu(), "carbon": _carbon(), "browser": _browser()}


def as_json(findings: dict[str, Finding]) -> dict[str, dict[str, object]]:
    """The findings as plain dictionaries."""
    return {name: asdict(finding) for name, finding in findings.items()}


def _gpu() -> Finding:
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return Finding(
            False,
            "no NVIDIA driver (libnvidia-ml.so.1 is not there)",
            "install the NVIDIA driver to measure a GPU; everything else works without",
        )
    status = nvml.nvmlInit_v2()
    if status != 0:
        return Finding(False, f"the NVIDIA driver does not start (NVML status {status})", "run nvidia-smi to see why")
    try:
        count = ctypes.c_uint()
        nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
        names = [_device_name(nvml, index) for index in range(count.value)]
    finally:
        nvml.nvmlShutdown()
    found = [name for name in names if name]
    if not found:
        return Finding(False, "the NVIDIA driver finds no GPU that answers", "check the machine with nvidia-smi")
    lost = len(names) - len(found)
    return Finding(True, ", ".join(found) + (f"; {lost} more that do not answer" if lost else ""))


def _device_name(nvml: ctypes.CDLL, index: int) -> str:
    """Name of a device, empty where it does not answer."""
    handle = ctypes.c_void_p()
    name = ctypes.create_string_buffer(96)
    if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0:
        nvml.nvmlDeviceGetName(handle, name, len(name))
    return name.value.decode(errors="replace")


def _cpu() -> Finding:
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs"
    counters = sorted(POWERCAP.glob("*/energy_uj"))
    if not counters:
        return Finding(
            False,
            f"{machine}; no RAPL energy counter under {POWERCAP}",
            "virtual machines and most ARM machines have none; time can be measured all the same",
        )
    readable = [counter for counter in counters if os.access(counter, os.R_OK)]
    if not readable:
        return Finding(
            False,
            f"{machine}; {len(counters)} RAPL counters, none readable by this user",
            f"sudo chmod a+r {POWERCAP}/*/energy_uj",
        )
    return Finding(True, f"{machine}; {len(readable)} RAPL counters")


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
