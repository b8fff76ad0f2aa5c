"""What the doctor says on machines that this one is not: a driver made up, counters and browsers in a folder."""

from __future__ import annotations

import ctypes
import json
import os
import stat
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from ecnas_core.carbon import grids
from ecnas_core.carbon.intensity import MissingTable
from ecnas_core.measure import doctor
from ecnas_core.measure.doctor import Finding, as_json, examine


class Driver:
    """NVML with devices by name; None is a device that does not answer."""

    def __init__(self, *names: str | bytes | None, init: int = 0) -> None:
        self._names, self._init = names, init
        self.shut_down = False

    def nvmlInit_v2(self) -> int:
        return self._init

    def nvmlShutdown(self) -> int:
        self.shut_down = True
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = len(self._names)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:
        if self._names[index] is None:
            return 15
        handle._obj.value = index + 1
        return 0

    def nvmlDeviceGetName(self, handle: ctypes.c_void_p, name: Any, length: int) -> int:
        given = self._names[handle.value - 1]
        name.value = (given if isinstance(given, bytes) else given.encode())[: length - 1]
        return 0


def with_driver(monkeypatch: pytest.MonkeyPatch, driver: Driver | None) -> Finding:
    def load(name: str) -> Driver:
        assert name == "libnvidia-ml.so.1"
        if driver is None:
            raise OSError("cannot open shared object file")
        return driver

    monkeypatch.setattr(doctor.ctypes, "CDLL", load)
    return examine()["gpu"]


def test_four_findings_that_can_be_written_as_json():
    findings = examine()
    assert list(findings) == ["gpu", "cpu", "carbon", "browser"]
    document = json.loads(json.dumps(as_json(findings)))
    assert document == {
        name: {"available": finding.available, "detail": finding.detail, "remedy": finding.remedy}
        for name, finding in findings.items()
    }
    for finding in findings.values():
        assert finding.detail
        assert finding.available or finding.remedy, "what is missing comes with a remedy"


@pytest.mark.parametrize(
    ("driver", "available", "detail"),
    [
        (None, False, "no NVIDIA driver"),
        (Driver(init=18), False, "NVML status 18"),
        (Driver(), False, "finds no GPU"),
        (Driver(None), False, "finds no GPU that answers"),
        (Driver("NVIDIA H100"), True, "NVIDIA H100"),
        (Driver("NVIDIA H100", "NVIDIA T4"), True, "NVIDIA H100, NVIDIA T4"),
        (Driver(None, "NVIDIA T4"), True, "NVIDIA T4; 1 more that do not answer"),
        (Driver("x" * 200), True, "x" * 95),
        (Driver(b"caf\xe9"), True, "caf\ufffd"),
    ],
    ids=["no driver", "not started", "no device", "lost device", "one", "two", "one lost", "long name", "not UTF-8"],
)
def test_gpu(monkeypatch, driver, available, detail):
    finding = with_driver(monkeypatch, driver)
    assert finding.available is available
    assert finding.detail == detail if available else detail in finding.detail
    assert bool(finding.remedy) is not available
    if driver is not None and not driver._init:
        assert driver.shut_down


def test_gpu_driver_is_shut_down_when_a_call_fails(monkeypatch):
    driver = Driver("NVIDIA T4")
    monkeypatch.setattr(driver, "nvmlDeviceGetName", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        with_driver(monkeypatch, driver)
    assert driver.shut_down


def counters(folder: Path, *names: str) -> list[Path]:
    found = []
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "energy_uj").write_text("1234\n")
        found.append(folder / name / "energy_uj")
    return found


def test_cpu_counters_are_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "POWERCAP", tmp_path / "powercap")
    absent = examine()["cpu"]
    assert not absent.available
    assert "no RAPL energy counter" in absent.detail
    assert f"{os.cpu_count()} CPUs" in absent.detail
    (tmp_path / "powercap" / "intel-rapl").mkdir(parents=True)
    assert not examine()["cpu"].available, "the control type alone has no counter"
    counters(tmp_path / "powercap", "intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0")
    found = examine()["cpu"]
    assert (found.available, found.remedy) == (True, "")
    assert found.detail.endswith("; 3 RAPL counters")


def test_cpu_counters_that_may_not_be_read_are_told_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "POWERCAP", tmp_path)
    paths = counters(tmp_path, "intel-rapl:0", "intel-rapl:1")
    denied = set(paths)
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: Path(path) not in denied)
    finding = examine()["cpu"]
    assert not finding.available
    assert "2 RAPL counters, none readable" in finding.detail
    assert finding.remedy == f"sudo chmod a+r {tmp_path}/*/energy_uj"
    denied.discard(paths[0])
    assert examine()["cpu"].detail.endswith("; 1 RAPL counters")


def test_carbon_table_is_that_of_carbontracker():
    finding = examine()["carbon"]
    assert finding.available
    assert finding.detail == f"carbontracker {version('carbontracker')}, intensities of {len(grids())} countries"


@pytest.mark.parametrize("error", [PackageNotFoundError("carbontracker"), MissingTable("the table is missing")])
def test_missing_carbon_table_is_told_with_a_remedy(monkeypatch, error):
    def fail(*_: str) -> str:
        raise error

    monkeypatch.setattr(doctor, "version" if isinstance(error, PackageNotFoundError) else "grids", fail)
    finding = examine()["carbon"]
    assert not finding.available
    assert "requirements.txt" in finding.remedy


def test_browser_is_found_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    absent = examine()["browser"]
    assert not absent.available
    assert "chromium" in absent.remedy
    browser = tmp_path / "google-chrome"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    found = examine()["browser"]
    assert (found.available, found.detail, found.remedy) == (True, str(browser), "")


def test_examining_starts_no_process_and_needs_no_network(monkeypatch):
    def refuse(*arguments: object, **_: object) -> None:
        raise AssertionError(f"the doctor must not do this: {arguments}")

    monkeypatch.setattr("subprocess.Popen.__init__", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("os.fork", refuse)
    assert len(examine()) == 4
