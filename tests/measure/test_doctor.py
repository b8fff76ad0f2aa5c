"""What the doctor says on machines that this one is not: a driver made up, counters and browsers in a folder."""

from __future__ import annotations

import json
import os
import stat
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pynvml
import pytest

from ecnas_core.carbon import grids
from ecnas_core.carbon.intensity import MissingTable
from ecnas_core.measure import doctor
from ecnas_core.measure.doctor import Finding, as_json, examine
from tests.measure.fakes import LOST, NOT_SUPPORTED, Board, FakeNvml


def with_driver(monkeypatch: pytest.MonkeyPatch, driver: FakeNvml) -> Finding:
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    finding = examine()["gpu"]
    assert driver.open == 0, "NVML was not shut down"
    return finding


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
        (
            FakeNvml(init=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND),
            False,
            "no NVIDIA driver (libnvidia-ml.so.1 is not there)",
        ),
        (FakeNvml(init=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH), False, "the NVIDIA driver does not start"),
        (FakeNvml(), False, "the NVIDIA driver shows this process no GPU"),
        (FakeNvml(Board(lost=True)), False, "the NVIDIA driver shows this process no GPU"),
        (FakeNvml(Board(name="H100")), True, "H100 (counter)"),
        (FakeNvml(Board(name="H100"), Board(name="T4", uuid="GPU-b")), True, "H100 (counter), T4 (counter)"),
        (FakeNvml(Board(name="M40", millijoules=NOT_SUPPORTED)), True, "M40 (integrated power)"),
        (FakeNvml(Board(name="K1", millijoules=NOT_SUPPORTED, milliwatts=NOT_SUPPORTED)), False, "K1 (no energy)"),
        (FakeNvml(Board(name="A100", mig=1)), False, "A100 (no energy)"),
        (FakeNvml(Board(name="A100", mig=1), Board(name="T4", uuid="GPU-b")), True, "A100 (no energy), T4 (counter)"),
    ],
    ids=[
        "no driver",
        "not started",
        "no device",
        "lost device",
        "one",
        "two",
        "no counter",
        "neither",
        "cut",
        "one cut",
    ],
)
def test_gpu(monkeypatch, no_thread_left, driver, available, detail):
    finding = with_driver(monkeypatch, driver)
    assert finding.available is available
    assert finding.detail == detail if available else finding.detail.startswith(detail)
    assert available or finding.remedy


def test_a_cut_gpu_is_told_with_its_remedy(monkeypatch):
    finding = with_driver(monkeypatch, FakeNvml(Board(name="A100", mig=1)))
    assert "nvidia-smi -mig 0" in finding.remedy


def test_a_gpu_that_fails_is_told(monkeypatch):
    finding = with_driver(monkeypatch, FakeNvml(Board(name="T4", millijoules=LOST)))
    assert not finding.available
    assert "T4" in finding.detail
    assert finding.remedy == "check the machine with nvidia-smi"


def test_devices_are_the_gpus_and_then_the_cpu(monkeypatch, powercap):
    boards = (
        Board(name="H100"),
        Board(name="A100", uuid="GPU-b", mig=1),
        Board(name="M40", uuid="GPU-c", millijoules=NOT_SUPPORTED),
    )
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(*boards))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = doctor.devices(powercap.path)
    assert [(each.key, each.name, each.energy) for each in found[:3]] == [
        ("cuda:0", "H100", "counter"),
        ("cuda:1", "A100", None),
        ("cuda:2", "M40", "integrated power"),
    ]
    assert "MIG" in found[1].reason
    assert (found[3].key, found[3].energy) == ("cpu", None)
    assert "no RAPL" in found[3].reason
    powercap.domain("intel-rapl:0", "package-0")
    assert doctor.devices(powercap.path)[3].energy == "counter"


def test_the_devices_of_a_machine_without_a_driver(monkeypatch, powercap):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(init=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    assert [each.key for each in doctor.devices(powercap.path)] == ["cpu"]


def test_cpu_counters_are_counted(monkeypatch, powercap):
    monkeypatch.setattr(doctor, "POWERCAP", powercap.path)
    absent = examine()["cpu"]
    assert not absent.available, "the control type alone has no counter"
    assert "no RAPL energy counter" in absent.detail
    assert f"{os.cpu_count()} CPUs" in absent.detail
    assert absent.remedy.endswith("time can be measured all the same")
    for number in (0, 1):
        powercap.domain(f"intel-rapl:{number}", f"package-{number}")
    found = examine()["cpu"]
    assert (found.available, found.remedy) == (True, "")
    assert found.detail.endswith("; 2 RAPL energy counters of packages, none of memory")
    powercap.domain("intel-rapl:0:0", "dram")
    assert examine()["cpu"].detail.endswith("; 2 RAPL energy counters of packages")


def test_cpu_counters_that_may_not_be_read_are_told_with_the_command(monkeypatch, powercap):
    monkeypatch.setattr(doctor, "POWERCAP", powercap.path)
    energy = powercap.domain("intel-rapl:0", "package-0")
    read = Path.read_text

    def denied(path: Path, *arguments: Any, **keywords: Any) -> str:
        if path.resolve() == energy.resolve():
            raise PermissionError(13, "Permission denied")
        return read(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "read_text", denied)
    finding = examine()["cpu"]
    assert not finding.available
    assert "not readable by this user" in finding.detail
    assert "sudo chmod a+r" in finding.remedy
    assert "energy_uj" in finding.remedy


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
