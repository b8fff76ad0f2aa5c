"""carbontracker in its child process: the real one, on this machine and on GPUs made up beneath it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ecnas_core.measure.tracker import Reading, Tracker, TrackerFailed, assumed_cpu_power
from tests.measure.fakes import without_driver

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning", "error::pytest.PytestUnraisableExceptionWarning")

MADE_UP_PYNVML = """\
class NVMLError(Exception):
    pass

def nvmlInit(): pass
def nvmlShutdown(): pass
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetName(handle): return f"Made up {handle}"
def nvmlDeviceGetPowerUsage(handle):
    return POWER
"""


@pytest.fixture
def powered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put two GPUs beneath carbontracker, whose power in mW is this expression of the handle."""

    def put(power: str) -> None:
        (tmp_path / "pynvml.py").write_text(MADE_UP_PYNVML.replace("POWER", power))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return put


def lives_for(beside: Tracker, seconds: float) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        beside._process.wait(seconds)


@without_driver
def test_real_carbontracker_without_a_gpu_fails_with_its_reason():
    with pytest.raises(TrackerFailed, match="carbontracker finds no GPU that it can measure"):
        Tracker(0)


def test_real_carbontracker_reads_the_power_of_the_one_gpu_with_its_pue_undone(powered):
    """GPU 0 takes 100 W and GPU 1 200 W; carbontracker tells the energy times 1.58."""
    powered("100_000 * (handle + 1)")
    beside = Tracker(1)
    beside.start()
    lives_for(beside, 0.5)
    reading = beside.stop()
    assert reading.power_w == pytest.approx(200, rel=1e-9)
    assert reading.seconds >= 0.5
    assert reading.samples >= 1
    assert reading.energy_j == pytest.approx(200 * reading.seconds, rel=1e-9)
    assert reading.devices == ("Made up 1",)
    assert beside._process.returncode is not None, "its process has ended"


def test_carbontracker_that_ends_its_process_is_told_with_status_and_last_word(powered):
    powered("1 / 0")
    beside = Tracker(0)
    with pytest.raises(TrackerFailed, match=r"carbontracker ended with status 70 \(.+\)"):
        beside.start()  # it may end before it has answered, or after
        beside._process.wait(60)
        beside.stop()
    assert beside._process.returncode == 70


def test_power_that_a_gpu_does_not_tell_is_a_failure_and_not_zero(powered):
    powered("(_ for _ in ()).throw(NVMLError())")
    beside = Tracker(0)
    beside.start()
    lives_for(beside, 0.3)
    with pytest.raises(TrackerFailed, match="carbontracker read no power of the GPU"):
        beside.stop()
    assert beside._process.returncode is not None


def test_missing_carbontracker_is_told(tmp_path, monkeypatch):
    (tmp_path / "carbontracker.py").write_text("raise ImportError('there is no carbontracker')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    reason = r"carbontracker ended with status 1 \(ImportError: there is no carbontracker\)"
    with pytest.raises(TrackerFailed, match=reason):
        Tracker(0)
    with pytest.raises(TrackerFailed, match=reason):
        assumed_cpu_power()


def test_process_ends_when_its_parent_does(powered):
    powered("50_000")
    beside = Tracker(0)
    beside.start()
    assert beside._process.stdin is not None
    beside._process.stdin.close()
    assert beside._process.wait(60) == 0
    beside.close()


def test_assumed_power_of_this_cpu_is_positive_and_named():
    power_w, cpu = assumed_cpu_power()
    assert 1 < power_w < 1000
    assert cpu


def test_power_is_energy_by_time():
    assert Reading(300.0, 1.5, 4, ("Made up",)).power_w == 200.0
