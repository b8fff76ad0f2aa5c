"""The protocol with a clock, a workload and meters whose every joule is known; its arithmetic against cases by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.measure import protocol
from ecnas_core.measure.errors import DeviceFailed, InvalidSettings, MeasureError, OutOfMemory, StandsStill
from ecnas_core.measure.protocol import (
    DURATIONS,
    EFFORTS,
    MODES,
    PRECISIONS,
    Durations,
    Estimate,
    Readings,
    Settings,
    Window,
    energy,
    is_stable,
    seconds_per_step,
)
from tests.measure.fakes import Clock, FakeMeter, FakeWorkload

QUICK = Settings(effort="quick", repeats=5)
STEP_S = 0.125
"""A sum of powers of two, as all times here, so that the clock is exact."""
WARM_UP, CALIBRATION, WINDOW = 16, 5, 5
"""Steps of 0.125 s that fill 2 s, that are timed, and that fill 0.6 s."""
FIRST = WARM_UP + CALIBRATION
T_4 = 2.776445
"""Student's t at 0.975 and 4 degrees of freedom, from a printed table."""


def run(
    clock: Clock, workload: FakeWorkload, meters: list[FakeMeter], settings: Settings = QUICK
) -> tuple[Readings, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    readings = protocol.run(workload, meters, settings, events.append, clock=clock, sleep=clock.sleep)
    return readings, events


def names(events: list[dict[str, Any]]) -> list[str]:
    return [str(each.get("phase") or each.get("repeat") or each["event"]) for each in events]


@pytest.mark.parametrize("late", [False, True], ids=["done at once", "done when synchronised"])
def test_steady_work(late):
    """100 W for 0.125 s a step, 10 W idle before and 12 W after."""
    clock = Clock(idle_w=lambda now: 10 if now < 1 else 12)
    meter = FakeMeter(clock)
    readings, _ = run(clock, FakeWorkload(clock, STEP_S, 100, late=late), [meter])
    assert readings.idle_w == {"nvml:0": (10.0, 12.0)}
    assert readings.tick_s == {"nvml:0": None}
    assert readings.windows == (Window(WINDOW, 0.625, {"nvml:0": 62.5}),) * 5
    assert seconds_per_step(readings) == Estimate(0.125, 0.125, 0.125, 0.0)
    found = energy(readings, [meter], "gpu")
    assert found is not None
    assert found.gross_j == Estimate(12.5, 12.5, 12.5, 0.0)
    assert found.idle_w == 11.0
    assert found.net_j == 12.5 - 11.0 * 0.125
    assert found.power_w == 100.0
    assert found.idle_drift == pytest.approx(0.2)


@pytest.mark.parametrize("late", [False, True], ids=["done at once", "done when synchronised"])
def test_repeats_that_rise(late):
    """12.5, 13.75, 15, 16.25 and 17.5 J a step; times rise along, and the power stays."""
    clock = Clock(idle_w=20)
    level = [1.0, 1.1, 1.2, 1.3, 1.4]

    def step_s(number: int) -> float:
        return STEP_S * level[min(max(0, (number - FIRST) // WINDOW), 4)]

    meter = FakeMeter(clock)
    readings, events = run(clock, FakeWorkload(clock, step_s, 100, late=late), [meter])
    found = energy(readings, [meter], "gpu")
    assert found is not None
    deviation = 1.25 * math.sqrt(2.5)
    half = T_4 * deviation / math.sqrt(5)
    assert found.gross_j.mean == pytest.approx(15)
    assert (found.gross_j.low, found.gross_j.high) == pytest.approx((15 - half, 15 + half), rel=1e-6)
    assert found.gross_j.cv == pytest.approx(deviation / 15)
    assert found.net_j == pytest.approx(15 - 20 * 0.15)
    assert found.power_w == pytest.approx(100)
    assert seconds_per_step(readings).mean == pytest.approx(0.15)
    told = [each for each in events if each["event"] == "repeat"]
    assert [each["joules_per_step"]["nvml:0"] for each in told] == pytest.approx([12.5, 13.75, 15, 16.25, 17.5])
    assert [each["seconds_per_step"] for each in told] == pytest.approx([0.125 * each for each in level])


def test_events_in_order():
    clock = Clock(idle_w=10)
    _, events = run(clock, FakeWorkload(clock, STEP_S), [FakeMeter(clock)])
    assert names(events) == [
        "idle",
        "warm-up",
        "calibrate",
        "plan",
        "repeat",
        "1",
        "2",
        "3",
        "4",
        "5",
        "settle",
        "idle after",
    ]
    assert {each["phase"]: each["seconds"] for each in events if each["event"] == "phase"} == {
        "idle": 1,
        "warm-up": 2,
        "calibrate": 0,
        "repeat": 5 * 0.625,
        "settle": 1.5,
        "idle after": 1,
    }
    assert events[3] == {"event": "plan", "steps": 5, "window_seconds": 0.625, "repeats": 5}
    assert all(each["of"] == 5 for each in events if each["event"] == "repeat")
    json.dumps(events)


def test_repeat_is_told_while_the_next_one_has_been_worked_so_that_there_is_no_pause():
    clock = Clock(idle_w=10)
    workload = FakeWorkload(clock, STEP_S)
    worked: list[int] = []

    def emit(event: dict[str, Any]) -> None:
        if event["event"] == "repeat":
            worked.append(workload.steps - FIRST)

    protocol.run(workload, [FakeMeter(clock)], QUICK, emit, clock=clock, sleep=clock.sleep)
    assert worked == [10, 15, 20, 25, 26], "the last one waits for a step of the work that goes on"


def test_work_is_synchronised_before_every_moment():
    clock = Clock(idle_w=10)
    workload = FakeWorkload(clock, STEP_S, late=True)
    run(clock, workload, [FakeMeter(clock)])
    log = " ".join(workload.log).replace("synchronise", "|").replace("step", "-").replace(" ", "")
    assert log == "|" + "-|" * WARM_UP + "-----|" + "|" + "-----|" * 5 + "-|"


@pytest.mark.parametrize(("step_s", "steps"), [(0.625, 1), (0.5, 2), (0.3125, 2), (0.15625, 4), (2**-7, 77), (5.0, 1)])
def test_steps_fill_the_window(step_s, steps):
    clock = Clock()
    readings, _ = run(clock, FakeWorkload(clock, step_s), [FakeMeter(clock)])
    assert {each.steps for each in readings.windows} == {steps}
    assert all(each.seconds >= 0.6 or math.isclose(each.seconds, 0.6) for each in readings.windows)
    assert (steps - 1) * step_s < 0.6


def test_slow_device_takes_no_more_steps_than_it_must():
    """A step of 20 s: one to warm up, one to calibrate, one a repeat, one while the counter is waited for."""
    clock = Clock(idle_w=5)
    workload = FakeWorkload(clock, 20)
    readings, _ = run(clock, workload, [FakeMeter(clock)])
    assert workload.steps == 1 + 1 + 5 + 1
    assert {each.steps for each in readings.windows} == {1}
    workload = FakeWorkload(Clock(), 20)
    run(workload._clock, workload, [])
    assert workload.steps == 1 + 1 + 5


@pytest.mark.parametrize("tick_s", [0.1, 0.02, 0.37])
def test_work_goes_on_until_the_counter_has_changed_so_that_no_idle_is_counted(tick_s):
    """Ticks that fall between the moments: the power is constant, so what is interpolated is exact."""
    clock = Clock(idle_w=10)
    meter = FakeMeter(clock, tick_s=tick_s)
    readings, _ = run(clock, FakeWorkload(clock, STEP_S, 100), [meter])
    assert [each.joules["nvml:0"] for each in readings.windows] == pytest.approx([62.5] * 5)
    assert readings.tick_s == {"nvml:0": tick_s}


def test_the_slowest_counter_says_how_long_work_goes_on():
    clock = Clock(idle_w=10)
    workload = FakeWorkload(clock, STEP_S)
    meters = [
        FakeMeter(clock, "a", tick_s=0.1),
        FakeMeter(clock, "b", "cpu", tick_s=1.0),
        FakeMeter(clock, "c", "dram"),
    ]
    run(clock, workload, meters)
    assert workload.steps == FIRST + 5 * WINDOW + 16, "2 s in steps of 0.125 s"


def test_without_meters_time_alone_is_measured_and_nothing_sleeps():
    clock = Clock()

    def never(seconds: float) -> None:
        raise AssertionError("there is nothing to wait for")

    events: list[dict[str, Any]] = []
    workload = FakeWorkload(clock, STEP_S)
    readings = protocol.run(workload, [], QUICK, events.append, clock=clock, sleep=never)
    assert names(events) == ["warm-up", "calibrate", "plan", "repeat", "1", "2", "3", "4", "5"]
    assert readings == Readings({}, {}, (Window(5, 0.625, {}),) * 5)
    assert workload.steps == FIRST + 5 * WINDOW
    assert seconds_per_step(readings).mean == 0.125
    assert energy(readings, [], "gpu") is None


def test_components_are_kept_apart_and_packages_added_up():
    clock = Clock(idle_w=40)
    meters = [
        FakeMeter(clock, "nvml:0", "gpu", share=0.5),
        FakeMeter(clock, "rapl:package-0", "cpu", share=0.25),
        FakeMeter(clock, "rapl:package-1", "cpu", share=0.125),
    ]
    readings, _ = run(clock, FakeWorkload(clock, STEP_S, 400), meters)
    gpu, cpu = (energy(readings, meters, each) for each in ("gpu", "cpu"))
    assert gpu is not None
    assert cpu is not None
    assert (gpu.gross_j.mean, gpu.power_w, gpu.idle_w) == (25.0, 200.0, 20.0)
    assert (cpu.gross_j.mean, cpu.power_w, cpu.idle_w) == (18.75, 150.0, 15.0)
    assert cpu.net_j == 18.75 - 15 * 0.125
    assert energy(readings, meters, "dram") is None


def test_packages_are_added_up_within_a_repeat_before_the_spread_is_told():
    """What moves from one package to the other is no spread of their sum."""
    windows = tuple(Window(1, 1.0, {"a": 10.0 + shift, "b": 10.0 - shift}) for shift in (-4, -2, 0, 2, 4))
    meters = [FakeMeter(name=name, component="cpu") for name in ("a", "b")]
    found = energy(Readings({"a": (1, 1), "b": (2, 2)}, {}, windows), meters, "cpu")
    assert found is not None
    assert found.gross_j == Estimate(20, 20, 20, 0)
    assert (found.idle_w, found.net_j) == (3, 17)


def test_idle_power_that_was_nothing_before_has_no_drift():
    clock = Clock(idle_w=0)
    meter = FakeMeter(clock)
    readings, _ = run(clock, FakeWorkload(clock, STEP_S), [meter])
    found = energy(readings, [meter], "gpu")
    assert found is not None
    assert (found.idle_drift, found.net_j) == (0.0, found.gross_j.mean)


@pytest.mark.parametrize("dead_from", [0, 3], ids=["always", "from the fourth repeat"])
def test_counter_that_stands_still(dead_from):
    clock = Clock(idle_w=10)
    first = FIRST + dead_from * WINDOW
    workload = FakeWorkload(clock, STEP_S, lambda number: 0 if dead_from == 0 or number >= first else 100)
    with pytest.raises(StandsStill, match=r"the counter nvml:0 counted nothing in a repeat of 0\.6 s; update"):
        run(clock, workload, [FakeMeter(clock)])


def test_one_counter_of_two_that_stands_still():
    clock = Clock(idle_w=10)
    meters = [FakeMeter(clock), FakeMeter(clock, "rapl:package-0:dram", "dram", share=0)]
    with pytest.raises(StandsStill, match="rapl:package-0:dram"):
        run(clock, FakeWorkload(clock, STEP_S), meters)


def test_failing_meter_ends_the_measurement():
    clock = Clock()
    failure = DeviceFailed("lost")
    with pytest.raises(DeviceFailed) as caught:
        run(clock, FakeWorkload(clock, STEP_S), [FakeMeter(clock, fails=failure)])
    assert caught.value is failure


@pytest.mark.parametrize("at", [0, WARM_UP, FIRST + 12], ids=["warm-up", "calibrate", "repeat"])
def test_failing_workload_ends_the_measurement(at):
    clock = Clock()

    def step_s(number: int) -> float:
        if number == at:
            raise OutOfMemory("too large")
        return STEP_S

    with pytest.raises(OutOfMemory):
        run(clock, FakeWorkload(clock, step_s), [FakeMeter(clock)])


class TestEstimate:
    @pytest.mark.parametrize(
        ("values", "quantile"),
        [
            ([10, 11, 12, 13, 14], 2.776445),
            ([10, 11, 12, 13, 14, 15, 16, 17], 2.364624),
            ([3, 5], 12.706205),
            (list(range(1000, 1100)), 1.984217),
        ],
    )
    def test_interval_is_that_of_t(self, values, quantile):
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((each - mean) ** 2 for each in values) / (len(values) - 1))
        half = quantile * deviation / math.sqrt(len(values))
        found = Estimate.of(values)
        assert found.mean == pytest.approx(mean)
        assert found.cv == pytest.approx(deviation / mean)
        assert (found.low, found.high) == pytest.approx((max(0, mean - half), mean + half), rel=1e-6)

    def test_by_hand(self):
        found = Estimate.of([10.0, 11.0, 12.0, 13.0, 14.0])
        assert (found.mean, found.low, found.high) == pytest.approx((12, 10.036757, 13.963243), abs=1e-6)
        assert found.cv == pytest.approx(0.131762, abs=1e-6)

    def test_no_spread_is_no_interval(self):
        assert Estimate.of([7.0] * 5) == Estimate(7.0, 7.0, 7.0, 0.0)
        assert Estimate.of([0.0] * 5) == Estimate(0.0, 0.0, 0.0, 0.0)

    def test_lower_end_is_not_below_nothing(self):
        assert Estimate.of([1.0, 100.0]).low == 0.0

    @pytest.mark.parametrize(
        ("spreads", "stable"),
        [((0.0,), True), ((0.03,), True), ((0.0301,), False), ((0.01, 0.031), False), ((0.03, 0.02, 0.0), True)],
    )
    def test_stable_is_three_percent_at_most(self, spreads, stable):
        assert is_stable(*(Estimate(1, 1, 1, cv) for cv in spreads)) is stable


class TestSettings:
    def test_defaults_are_those_of_the_benchmark(self):
        settings = Settings()
        assert (settings.mode, settings.precision, settings.effort) == ("train", "fp32", "thorough")
        assert (settings.images_per_epoch, settings.repeats, settings.device) == (40_000, 8, "auto")
        assert (settings.images_per_step(on_gpu=True), settings.images_per_step(on_gpu=False)) == (256, 32)

    def test_batch_size_that_is_set_counts_on_both(self):
        settings = Settings(batch_size=7)
        assert (settings.images_per_step(on_gpu=True), settings.images_per_step(on_gpu=False)) == (7, 7)

    @pytest.mark.parametrize(
        "allowed",
        [
            {"batch_size": 1},
            {"batch_size": 4096},
            {"repeats": 5},
            {"repeats": 100},
            {"images_per_epoch": 1},
            {"device": "cpu"},
            {"device": "cuda:0"},
            {"device": "cuda:127"},
            {"precision": "tf32", "device": "cuda:1"},
            {"precision": "bf16", "device": "cpu"},
            {"time_limit_s": 1},
            {"time_limit_s": 86_400},
            {"mode": "inference"},
        ],
    )
    def test_allowed(self, allowed):
        settings = Settings(**allowed)
        assert {name: getattr(settings, name) for name in allowed} == allowed

    @pytest.mark.parametrize(
        ("refused", "reason"),
        [
            ({"mode": "validate"}, "mode='validate' is not possible; take one of train, inference"),
            ({"precision": "fp16"}, "precision='fp16' is not possible; take one of fp32, tf32, bf16"),
            ({"effort": "slow"}, "take one of quick, thorough"),
            ({"batch_size": 0}, "batch=0 is not possible; give a whole number, 1 to 4096"),
            ({"batch_size": 4097}, "give a whole number, 1 to 4096"),
            ({"batch_size": -1}, "give a whole number, 1 to 4096"),
            ({"repeats": 4}, "repeats=4 is not possible; give a whole number, 5 to 100"),
            ({"repeats": 101}, "give a whole number, 5 to 100"),
            ({"images_per_epoch": 0}, "give a whole number, 1 to 100000000"),
            ({"images_per_epoch": 100_000_001}, "give a whole number, 1 to 100000000"),
            ({"device": ""}, "give auto, cpu or cuda:0, cuda:1"),
            ({"device": "cuda"}, "there is no device 'cuda'"),
            ({"device": "cuda:"}, "there is no device"),
            ({"device": "cuda:-1"}, "there is no device"),
            ({"device": "cuda:1.5"}, "there is no device"),
            ({"device": "cuda:12345"}, "there is no device"),
            ({"device": "gpu"}, "there is no device"),
            ({"device": "x" * 500}, "there is no device '" + "x" * 20 + "'"),
            ({"time_limit_s": 0.5}, "give a number, 1 to 86400"),
            ({"time_limit_s": 86_401}, "give a number, 1 to 86400"),
            ({"time_limit_s": math.nan}, "give a number, 1 to 86400"),
            ({"precision": "tf32", "device": "cpu"}, "TF32 is a format of NVIDIA GPUs; give fp32 or bf16 on the CPU"),
        ],
    )
    def test_refused(self, refused, reason):
        with pytest.raises(InvalidSettings) as caught:
            Settings(**refused)
        assert reason in str(caught.value)
        assert caught.value.exit_status == 2
        assert "\n" not in str(caught.value)

    def test_a_folder_of_images_is_that_of_whoever_names_it(self, tmp_path, monkeypatch):
        """The worker runs elsewhere."""
        monkeypatch.chdir(tmp_path)
        assert Settings(images=Path("cifar")).to_document()["images"] == str(tmp_path / "cifar")

    @given(
        st.builds(
            Settings,
            mode=st.sampled_from(MODES),
            batch_size=st.none() | st.integers(1, 4096),
            precision=st.sampled_from(PRECISIONS),
            effort=st.sampled_from(EFFORTS),
            repeats=st.integers(5, 100),
            images_per_epoch=st.integers(1, 100_000_000),
            device=st.sampled_from(["auto", "cuda:0", "cuda:17"]),
            images=st.sampled_from([None, Path("/data/cifar-10-batches-bin"), Path("/data/ cifar")]),
            time_limit_s=st.floats(1, 86_400),
        )
    )
    def test_document_round_trip(self, settings):
        assert Settings.from_document(json.loads(json.dumps(settings.to_document()))) == settings

    def test_document_in_part_leaves_the_rest_as_it_is_by_default(self):
        assert Settings.from_document({"repeats": 6}) == Settings(repeats=6)
        assert Settings.from_document({}) == Settings()

    def test_document_is_checked(self):
        with pytest.raises(InvalidSettings, match="there is no setting batchsize, colour"):
            Settings.from_document({"colour": "red", "batchsize": 3, "repeats": 6})
        with pytest.raises(InvalidSettings, match="repeats"):
            Settings.from_document({"repeats": 1})

    def test_efforts_take_about_as_long_as_they_say(self):
        assert Settings(effort="quick").seconds == pytest.approx(2 * 1 + 2 + 8 * 0.6 + 1.5)
        assert Settings(effort="thorough", repeats=10).seconds == pytest.approx(2 * 6 + 12 + 10 * 8 + 4)
        assert Settings().durations == DURATIONS["thorough"] == Durations(idle=6, warm_up=12, window=8, settle=4)
        assert DURATIONS["thorough"].window >= 5, "the protocol's least window"


def test_every_state_has_a_name_of_its_own():
    from ecnas_core.measure import errors

    kinds = MeasureError.__subclasses__()
    assert len({each.state for each in kinds}) == len(kinds)
    assert MeasureError.state not in {each.state for each in kinds}
    for each in kinds:
        assert errors.by_name(each.state) is each
    assert errors.by_name("failed") is errors.by_name("no such state") is MeasureError
