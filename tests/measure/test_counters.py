"""Counters over a matrix of devices and faults, and what a meter makes of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.measure import counters
from ecnas_core.measure.counters import (
    POWERCAP,
    IntegratedPower,
    Meter,
    NvmlEnergy,
    Rapl,
    Unavailable,
    cpu_counters,
    gpu_counter,
)
from ecnas_core.measure.errors import DeviceFailed, NoCounter, NotPermitted, StandsStill
from ecnas_core.measure.nvml import Gpu
from tests.measure.fakes import (
    FUNCTION_NOT_FOUND,
    NO_PERMISSION,
    NOT_SUPPORTED,
    Board,
    Clock,
    FakeNvml,
    Powercap,
    ScriptedCounter,
)

pytestmark = pytest.mark.usefixtures("no_thread_left")


def gpu(board: Board) -> Gpu:
    fake = FakeNvml(board)
    fake.nvmlInit()
    return Gpu(fake, board, 0)


def deny(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """These files are not readable, as for a user who is not root."""
    denied = {path.resolve() for path in paths}
    read = Path.read_text

    def read_text(self: Path, *arguments: Any, **named: Any) -> str:
        if self.resolve() in denied:
            raise PermissionError(13, "Permission denied", str(self))
        return read(self, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_text)


class TestNvml:
    def test_energy_counter_is_in_joules(self):
        board = Board(millijoules=iter([5, 123_456_789, 123_456_790]).__next__)
        counter = gpu_counter(gpu(board))
        assert isinstance(counter, NvmlEnergy)
        assert (counter.name, counter.component, counter.kind) == (
            "nvml:0",
            "gpu",
            "counter",
        )
        assert (counter.read(), counter.read()) == (123456.789, 123456.790)
        counter.close()

    @pytest.mark.parametrize("refused", [NOT_SUPPORTED, FUNCTION_NOT_FOUND, NO_PERMISSION])
    def test_power_is_polled_where_no_energy_counter_is_shown(self, refused):
        device = gpu(Board(millijoules=refused))
        with pytest.raises(NoCounter, match="NVIDIA T4 shows no energy counter"):
            NvmlEnergy(device)
        counter = gpu_counter(device)
        assert isinstance(counter, IntegratedPower)
        assert (counter.name, counter.kind) == ("nvml-power:0", "integrated power")
        counter.close()

    @pytest.mark.parametrize("refused", [NOT_SUPPORTED, FUNCTION_NOT_FOUND, NO_PERMISSION])
    def test_no_counter_where_neither_energy_nor_power_is_told(self, refused):
        with pytest.raises(NoCounter, match="tells neither its energy nor its power; measure on another device"):
            gpu_counter(gpu(Board(millijoules=refused, milliwatts=refused)))

    def test_gpu_lost_in_the_middle_is_a_failed_device(self):
        board = Board()
        counter = gpu_counter(gpu(board))
        board.lost = True
        with pytest.raises(DeviceFailed, match="GPU is lost"):
            counter.read()

    def test_gpu_lost_before_is_a_failed_device(self):
        device = gpu(board := Board())
        board.lost = True
        with pytest.raises(DeviceFailed):
            gpu_counter(device)


class Ramp:
    """A GPU whose power rises evenly with the time that its own answers take."""

    def __init__(self, start_w: float = 20, watts_per_s: float = 50, answer_s: float = 0.03) -> None:
        self.clock = Clock()
        self.start_w, self.watts_per_s, self.answer_s = start_w, watts_per_s, answer_s
        self.answers = 0
        self.asked_enough = threading.Event()
        self.fails: Callable[[], Any] | None = None

    def milliwatts(self) -> Any:
        if self.fails is not None:
            return self.fails()
        self.clock.now += self.answer_s
        self.answers += 1
        if self.answers > 20:
            self.asked_enough.set()
        return round(1000 * (self.start_w + self.watts_per_s * self.clock.now))


class TestIntegratedPower:
    def test_integral_of_a_ramp_is_exact(self):
        ramp = Ramp()
        counter = IntegratedPower(gpu(Board(milliwatts=ramp.milliwatts)), poll_s=0.001, clock=ramp.clock)
        assert counter.read() >= 0
        assert ramp.asked_enough.wait(30)
        counter.close()
        start, end = ramp.answer_s, ramp.clock.now
        truth = ramp.start_w * (end - start) + ramp.watts_per_s * (end**2 - start**2) / 2
        assert counter.read() == pytest.approx(truth, rel=1e-9)

    def test_integral_of_steady_power_is_power_times_time(self):
        ramp = Ramp(watts_per_s=0)
        counter = IntegratedPower(gpu(Board(milliwatts=ramp.milliwatts)), poll_s=0.001, clock=ramp.clock)
        assert ramp.asked_enough.wait(30)
        counter.close()
        assert counter.read() == pytest.approx(20 * ramp.answer_s * (ramp.answers - 1), rel=1e-9)

    def test_reading_asks_the_driver_nothing(self):
        """A meter looks 500 times a second."""
        ramp = Ramp()
        counter = IntegratedPower(gpu(Board(milliwatts=ramp.milliwatts)), poll_s=600, clock=ramp.clock)
        assert [counter.read() for _ in range(50)] == [0.0] * 50
        assert ramp.answers == 1
        counter.close()

    @pytest.mark.parametrize(
        ("code", "state", "reason"),
        [
            (pynvml.NVML_ERROR_GPU_IS_LOST, DeviceFailed, "GPU is lost"),
            (pynvml.NVML_ERROR_NOT_SUPPORTED, NoCounter, "neither its energy nor its power"),
        ],
    )
    def test_power_that_is_no_longer_told_fails_every_later_reading(self, code, state, reason):
        ramp = Ramp()
        counter = IntegratedPower(gpu(Board(milliwatts=ramp.milliwatts)), poll_s=0.001, clock=ramp.clock)
        assert ramp.asked_enough.wait(30)

        def refuse() -> None:
            raise pynvml.NVMLError(code)

        ramp.fails = refuse
        counter._thread.join(30)
        for _ in range(2):
            with pytest.raises(state, match=reason):
                counter.read()
        counter.close()


class TestRapl:
    def test_packages_and_their_memory_each_once(self, powercap: Powercap):
        powercap.control_type("intel-rapl-mmio")
        for package in (0, 1):
            powercap.domain(f"intel-rapl:{package}", f"package-{package}", microjoules=1_000_000 * (package + 1))
            powercap.domain(f"intel-rapl:{package}:0", "core", microjoules=7)
            powercap.domain(f"intel-rapl:{package}:1", "dram", microjoules=250_000 * (package + 1))
        powercap.domain("intel-rapl:2", "psys", microjoules=9_000_000)
        powercap.domain("intel-rapl-mmio:0", "package-0", microjoules=1_000_000)
        found, missing = cpu_counters(powercap.path)
        assert missing == []
        assert [(each.name, each.component, each.read()) for each in found] == [
            ("rapl:package-0", "cpu", 1.0),
            ("rapl:package-1", "cpu", 2.0),
            ("rapl:package-0:dram", "dram", 0.25),
            ("rapl:package-1:dram", "dram", 0.5),
        ]
        assert {each.kind for each in found} == {"counter"}

    def test_package_without_memory(self, powercap: Powercap):
        powercap.domain("intel-rapl:0", "package-0-die-0")
        [found], [missing] = cpu_counters(powercap.path)
        assert (found.name, found.component) == ("rapl:package-0-die-0", "cpu")
        assert (missing.component, missing.state) == ("dram", "no_counter")

    @pytest.mark.parametrize("exists", [True, False])
    def test_no_counter_without_powercap(self, tmp_path: Path, exists):
        folder = tmp_path / "powercap"
        if exists:
            folder.mkdir()
        found, missing = cpu_counters(folder)
        assert found == []
        assert [(each.component, each.state) for each in missing] == [("cpu", "no_counter"), ("dram", "no_counter")]
        assert missing[0].reason == (
            f"no RAPL energy counter under {folder}; virtual machines and most ARM machines have none"
        )

    def test_denied_counter_is_told_with_the_one_command(self, powercap: Powercap, monkeypatch):
        deny(monkeypatch, powercap.domain("intel-rapl:0", "package-0"))
        found, missing = cpu_counters(powercap.path)
        assert found == []
        assert missing[0] == Unavailable(
            "cpu",
            NotPermitted.state,
            f"RAPL's counters are not readable by this user; sudo chmod a+r {POWERCAP}/*/energy_uj grants it until "
            "the next start",
        )
        assert missing[1].state == NoCounter.state

    def test_one_denied_package_leaves_no_half_of_the_cpu(self, powercap: Powercap, monkeypatch):
        powercap.domain("intel-rapl:0", "package-0")
        powercap.domain("intel-rapl:0:0", "dram")
        deny(monkeypatch, powercap.domain("intel-rapl:1", "package-1"))
        found, missing = cpu_counters(powercap.path)
        assert [each.name for each in found] == ["rapl:package-0:dram"]
        assert [(each.component, each.state) for each in missing] == [("cpu", "not_permitted")]

    def test_permission_taken_away_in_the_middle(self, powercap: Powercap, monkeypatch):
        path = powercap.domain("intel-rapl:0", "package-0")
        [counter], _ = cpu_counters(powercap.path)
        deny(monkeypatch, path)
        with pytest.raises(NotPermitted):
            counter.read()

    @pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"\xff?\n")])
    def test_register_that_cannot_be_read_is_a_failed_device(self, powercap: Powercap, spoil):
        path = powercap.domain("intel-rapl:0", "package-0")
        [counter], _ = cpu_counters(powercap.path)
        spoil(path)
        with pytest.raises(DeviceFailed, match="energy_uj"):
            counter.read()

    def test_range_that_is_not_told_is_a_failed_device(self, powercap: Powercap):
        path = powercap.domain("intel-rapl:0", "package-0")
        path.with_name("max_energy_range_uj").write_text("")
        found, missing = cpu_counters(powercap.path)
        assert found == []
        assert (missing[0].component, missing[0].state) == ("cpu", "device_failed")

    def test_wrap_around(self, powercap: Powercap):
        path = powercap.domain("intel-rapl:0", "package-0", microjoules=9_000_000, largest=9_999_999)
        counter = Rapl(powercap.path / "intel-rapl:0", "cpu")
        assert counter.read() == 9.0
        readings = []
        for register in (9_500_000, 500_000, 500_000, 400_000, 0):
            path.write_text(f"{register}\n")
            readings.append(counter.read())
        assert readings == [9.5, 10.5, 10.5, 20.4, 30.0]

    @given(st.lists(st.integers(0, 999), max_size=30), st.integers(0, 999))
    def test_any_number_of_wrap_arounds(self, tmp_path_factory, steps, start):
        powercap = Powercap(tmp_path_factory.mktemp("rapl"))
        path = powercap.domain("intel-rapl:0", "package-0", microjoules=start, largest=999)
        counter = Rapl(powercap.path / "intel-rapl:0", "cpu")
        total = start
        for step in steps:
            total += step
            path.write_text(f"{total % 1000}\n")
            assert counter.read() == pytest.approx(total / 1e6, abs=1e-12)


def metered(script: list[tuple[float, float] | Exception]) -> tuple[Meter, ScriptedCounter]:
    """A meter on a scripted counter, as soon as it has come to the script's end."""
    clock = Clock()
    counter = ScriptedCounter(clock, script)
    meter = Meter(counter, clock=clock, poll_s=0.0005)
    while meter._thread.is_alive() and counter.looks <= len(script):
        meter._thread.join(0.001)
    return meter, counter


class TestMeter:
    #          first look   tick 1       tick 2       tick 3       tick 4
    SCRIPT = ((0.0, 100.0), (0.1, 101.0), (0.2, 103.0), (0.3, 104.0), (0.5, 110.0))

    @pytest.mark.parametrize(
        ("start", "end", "joules"),
        [
            (0.1, 0.2, 2.0),  # between two ticks
            (0.1, 0.5, 9.0),
            (0.15, 0.25, 1.0 + 0.5),  # half of 2 J and half of 1 J
            (0.22, 0.28, 0.6),  # within one tick: 0.06 s at 10 W
            (0.25, 0.4, 0.5 + 3.0),
            (0.0, 0.05, 0.5),
        ],
    )
    def test_between_ticks_power_is_constant(self, start, end, joules):
        meter, _ = metered(list(self.SCRIPT))
        assert meter.joules(start, end) == pytest.approx(joules, abs=1e-12)
        meter.close()

    def test_windows_add_up(self):
        meter, _ = metered(list(self.SCRIPT))
        moments = [0.03, 0.11, 0.2, 0.333, 0.49]
        parts = [meter.joules(a, b) for a, b in pairwise(moments)]
        assert sum(parts) == pytest.approx(meter.joules(0.03, 0.49), abs=1e-12)
        meter.close()

    def test_looks_without_change_are_no_ticks(self):
        script = [(0.0, 5.0), (0.04, 5.0), (0.1, 6.0), (0.15, 6.0), (0.2, 6.0), (0.3, 9.0)]
        meter, _ = metered(script)
        assert meter.tick_s == pytest.approx(0.2)
        assert meter.joules(0.1, 0.2) == pytest.approx(1.5), "the 3 J came evenly since the tick before"
        meter.close()

    def test_tick_is_the_median_time_between_changes(self):
        meter, _ = metered(list(self.SCRIPT))
        assert meter.tick_s == pytest.approx(0.1)  # of 0.1, 0.1 and 0.2; the first look is no change
        meter.close()

    @pytest.mark.parametrize("script", [[(0.0, 1.0)], [(0.0, 1.0), (0.1, 2.0)]])
    def test_tick_is_unknown_before_the_second_change(self, script):
        meter, _ = metered(script)
        assert meter.tick_s is None
        meter.close()

    def test_next_tick_is_waited_for(self):
        clock = Clock()
        counter = ScriptedCounter(clock, [(0.0, 0.0), (0.1, 1.0), (0.3, 7.0)])
        released = threading.Event()
        scripted = counter.read

        def read() -> float:
            if counter.looks == 2:
                released.wait(30)
            return scripted()

        counter.read = read  # type: ignore[method-assign]
        meter = Meter(counter, clock=clock, poll_s=0.0005)
        while counter.looks < 2:
            meter._thread.join(0.001)
        threading.Timer(0.05, released.set).start()
        assert meter.joules(0.1, 0.2) == pytest.approx(3.0), "half of the 6 J of the tick that came afterwards"
        meter.close()

    def test_counter_that_stands_still(self, monkeypatch):
        monkeypatch.setattr(counters, "_TICK_PATIENCE_S", 0.05)
        board = Board(millijoules=42)
        meter = Meter(gpu_counter(gpu(board)))
        start = meter._clock()
        with pytest.raises(StandsStill, match=r"the counter nvml:0 did not move for 0\.05 s; update the driver"):
            meter.joules(start, start + 0.001)
        meter.close()

    def test_counter_that_stops_in_the_middle_is_not_read_as_less(self, monkeypatch):
        monkeypatch.setattr(counters, "_TICK_PATIENCE_S", 0.05)
        clock = Clock()
        moments = iter([(0.0, 0.0), (0.1, 10.0), (0.2, 20.0)])
        counter = ScriptedCounter(clock, list(moments))
        meter = Meter(counter, clock=lambda: clock.now + counter.looks * 1e-4, poll_s=0.0005)
        with pytest.raises(StandsStill):
            meter.joules(0.15, 10.0)
        meter.close()

    @pytest.mark.parametrize("failure", [DeviceFailed("lost"), NotPermitted("denied"), NoCounter("gone")])
    def test_failure_of_the_counter_is_passed_on(self, failure):
        meter, counter = metered([(0.0, 0.0), (0.1, 1.0), failure])
        for end in (0.05, 0.2):
            with pytest.raises(type(failure)) as caught:
                meter.joules(0.0, end)
            assert caught.value is failure
        meter.close()
        assert counter.closed

    def test_counter_that_fails_at_once_makes_no_meter(self):
        with pytest.raises(DeviceFailed):
            Meter(ScriptedCounter(Clock(), [DeviceFailed("lost")]))

    def test_closing_ends_the_thread_and_closes_the_counter(self):
        meter, counter = metered(list(self.SCRIPT))
        assert any(each.name == "meter scripted:gpu" for each in threading.enumerate())
        meter.close()
        assert counter.closed
        assert not any(each.name == "meter scripted:gpu" for each in threading.enumerate())

    def test_meter_of_integrated_power_closes_both_threads_and_keeps_its_flag(self):
        device = gpu(Board(millijoules=NOT_SUPPORTED))
        meter = Meter(gpu_counter(device))
        assert (meter.name, meter.component, meter.kind) == ("nvml-power:0", "gpu", "integrated power")
        meter.close()


def test_cpu_name_is_that_of_the_kernel():
    told = Path("/proc/cpuinfo").read_text()
    assert counters.cpu_name()
    if "model name" in told:
        assert f": {counters.cpu_name()}\n" in told


def test_cpu_without_a_model_name_is_called_by_its_architecture(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda self, **_: "processor\t: 0\nBogoMIPS\t: 50\n")
    monkeypatch.setattr(counters.platform, "machine", lambda: "aarch64")
    assert counters.cpu_name() == "aarch64"


def test_counters_of_this_machine_are_read_or_their_absence_has_a_reason():
    found, missing = cpu_counters()
    assert {each.component for each in found} | {each.component for each in missing} == {"cpu", "dram"}
    assert all(each.reason for each in missing)
