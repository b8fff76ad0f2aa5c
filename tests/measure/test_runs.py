"""Runs in the background: what their files tell at each moment, and one for real."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ecnas_core import Benchmark, Cell
from ecnas_core.measure import store
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.runs import (
    MEASUREMENT,
    START_S,
    CellEvent,
    DeviceFound,
    MeasureRequest,
    NotCounted,
    Outcome,
    PhaseBegan,
    Repeated,
    Result,
    outcomes_of,
)
from ecnas_core.measure.worker import locked
from ecnas_core.runs import Progress, Run, RunRunning, RunStore
from tests.made_up import KNEE, LEAN, NO_RAPL, MadeUpRun, measured
from tests.measure.short_phases import MEASUREMENT as SHORT
from tests.waiting import until

QUICK_ON_CPU = Settings(effort="quick", device="cpu", batch_size=1, repeats=5)
PHASES = ["build", "idle", "warm-up", "calibrate", "repeat", "settle", "idle after"]

WRONG_LINES = [
    "[1]",
    "3",
    '{"x": 1}',
    '{"event": 1}',
    '{"event": "ended", "state": "weird"}',
    '{"event": "ended", "state": "failed", "error": 5}',
    f'{{"event": "phase", "cell": 0, "hash": "{LEAN}", "at": 1, "t": 1, "phase": "lunch", "seconds": 1}}',
    f'{{"event": "phase", "cell": 7, "hash": "{LEAN}", "at": 1, "t": 1, "phase": "idle", "seconds": 1}}',
    f'{{"event": "phase", "cell": 0, "hash": "{LEAN}", "at": "noon", "t": 1, "phase": "idle", "seconds": 1}}',
    f'{{"event": "sample", "cell": 0, "hash": "{LEAN}", "at": 1, "t": 1}}',
    f'{{"event": "sample", "cell": 0, "hash": "{LEAN}", "at": 1, "t": 1, "power_w": "a", "temperature_c": 1, "sm_clock_mhz": 1}}',
    f'{{"event": "repeat", "cell": 0, "hash": "{LEAN}", "at": 1, "t": 1, "repeat": 1, "of": 8, "seconds_per_step": 1, "joules_per_step": [1]}}',
    f'{{"event": "device", "cell": 0, "hash": "{LEAN}", "at": 1, "t": 1, "name": 7}}',
    f'{{"event": "no counter", "cell": 0, "hash": "{LEAN}", "at": 1, "t": 1, "component": "cpu", "state": "no_counter", "reason": null}}',
    f'{{"event": "outcome", "cell": 0, "hash": "{LEAN}", "at": 1, "state": "measured", "measurement": null}}',
    f'{{"event": "outcome", "cell": 0, "hash": "{LEAN}", "at": 1, "state": "measured", "measurement": {{"x": 1}}}}',
    '{"event": "outcome", "cell": 0, "hash": "a", "at": 1, "state": "died", "measurement": null, "reason": null}',
    f'{{"event": "sample", "cell": 0, "hash": "{LEAN}", "at": 1, "power_w": 1, "temperature_c": 1, "sm_clock_mhz": 1}}',
    f'{{"event": "result", "cell": 0, "hash": "{LEAN}", "at": 1, "measurement": "a", "estimate": {{"cpu": "A CPU"}}}}',
    f'{{"event": "phase", "cell": 0, "hash": "{KNEE}", "at": 1, "t": 1, "phase": "idle", "seconds": 1}}',
    json.dumps(
        {"event": "outcome", "cell": 0, "hash": LEAN, "state": "measured"}
        | {"measurement": measured(mode="walk").to_document()}
    ),
    json.dumps(
        {"event": "outcome", "cell": 0, "hash": LEAN, "state": "measured"}
        | {"measurement": measured(hash=KNEE).to_document()}
    ),
]


def planned(status):
    return [(each.name, each.began, each.ended) for each in status.phases]


class TestStatus:
    def test_before_the_first_event_everything_is_to_come(self, tmp_path):
        made = MadeUpRun(tmp_path)
        status = made.status()
        assert [each.name for each in status.phases] == PHASES
        assert status.seconds_left == pytest.approx(START_S + 6 + 12 + 8 * 8 + 4 + 6)
        assert (status.cell, status.device, status.outcomes, status.samples) == (0, None, (), ())
        assert MEASUREMENT.progress(made.read()) == Progress(
            "Cell 1 of 1", 0.0, status.seconds_left, "s", seconds_left=status.seconds_left
        )
        assert MEASUREMENT.title(made.read().request) == "Measure 1 cell"

    def test_phases_begin_and_end(self, tmp_path):
        made = MadeUpRun(tmp_path).device().phase("idle", 9, 6).phase("warm-up", 15.5, 12)
        status = made.status(20)
        assert planned(status)[:3] == [("build", 0.0, 9), ("idle", 9, 15.5), ("warm-up", 15.5, None)]
        assert planned(status)[3:] == [(name, None, None) for name in PHASES[3:]]
        assert status.elapsed_s == pytest.approx(20)
        assert status.seconds_left == pytest.approx(12 - 4.5 + 64 + 4 + 6)
        assert status.device.name == "Made-up H100"

    def test_the_length_of_the_repeats_is_that_of_the_plan(self, tmp_path):
        made = MadeUpRun(tmp_path).device().phase("idle", 9, 6).phase("warm-up", 15, 12).phase("calibrate", 27)
        made.phase("repeat", 28, 70.0)
        status = made.status(38)
        assert status.seconds_left == pytest.approx(60 + 4 + 6)

    def test_a_phase_that_takes_longer_than_planned_leaves_no_negative_time(self, tmp_path):
        made = MadeUpRun(tmp_path).device().phase("idle", 9, 6)
        status = made.status(500)
        assert status.seconds_left == pytest.approx(12 + 64 + 4 + 6)

    def test_without_a_counter_there_is_no_baseline(self, tmp_path):
        made = MadeUpRun(tmp_path, settings=QUICK_ON_CPU).device("A CPU")
        made.tell("no counter", 2, component="cpu", state="no_counter", reason=NO_RAPL)
        made.tell("no counter", 2, component="dram", state="no_counter", reason=NO_RAPL).phase("warm-up", 3, 2)
        status = made.status(4)
        assert [each.name for each in status.phases] == ["build", "warm-up", "calibrate", "repeat"]
        assert status.notes == (NO_RAPL,)
        assert status.seconds_left == pytest.approx(1 + 5 * 0.6)

    def test_the_next_cell_begins_anew(self, tmp_path):
        made = MadeUpRun(tmp_path, LEAN, KNEE).device().sample(10, 300.0).repeat(1, 40, 0.1)
        made.outcome("measured", measured())
        first = made.status(55)
        assert (first.cell, first.elapsed_s) == (0, 50)
        assert MEASUREMENT.progress(made.read()).share == pytest.approx(0.5)
        assert first.seconds_left == pytest.approx(START_S + 92), "the second cell is still to come"
        assert all(each.ended is not None for each in first.phases if each.began is not None)
        made.tell("device", 52, cell=1, name="Made-up H100").tell("phase", 60, cell=1, phase="idle", seconds=6)
        second = made.status(62)
        assert (second.cell, second.samples, second.repeats) == (1, (), ())
        assert [each.state for each in second.outcomes] == ["measured"]
        assert second.seconds_left == pytest.approx(4 + 12 + 64 + 4 + 6)


class TestFiles:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"settings": {"mode": "fast"}, "hashes": ["a"], "cells": [], "started": 1}',
            '{"settings": {"device": 5}, "hashes": ["a"], "cells": [], "started": 1}',
            '{"settings": {}, "hashes": [], "cells": [], "started": 1}',
        ],
    )
    def test_a_request_that_cannot_be_read_is_told(self, tmp_path, text):
        made = MadeUpRun(tmp_path)
        (made.folder / "request.json").write_text(text)
        assert made.read().state == "unreadable"

    @pytest.mark.parametrize("line", WRONG_LINES)
    def test_a_line_that_is_no_event_makes_it_unreadable(self, tmp_path, line):
        made = MadeUpRun(tmp_path).device()
        with (made.folder / "events.jsonl").open("a") as file:
            file.write(line + "\n")
        assert (made.read().state, made.read().events) == ("unreadable", ())

    def test_the_settings_are_read_as_they_were_given(self, tmp_path):
        settings = Settings(images=tmp_path, batch_size=3)
        assert MadeUpRun(tmp_path, settings=settings).read().request.settings == settings


def once(
    store: RunStore[MeasureRequest], run: Run[MeasureRequest], condition: Callable[[Run[MeasureRequest]], object]
) -> Run[MeasureRequest]:
    """The run as soon as something is true of it."""
    until(lambda: condition(store.read(run.id)))
    return store.read(run.id)


def processes_of(folder: Path) -> list[int]:
    """The processes that name a folder, and their children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def gone(pids: list[int]) -> None:
    """Hold that the processes end by themselves."""
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def assert_measured_on_this_cpu(found: Measurement, told: Sequence[CellEvent]) -> None:
    """The figures fit each other, the settings and what was told; the last that was told is what became of the cell."""
    events = told[:-1]
    assert (found.batch_size, found.repeats, found.mode) == (1, 5, "train")
    assert found.seconds_per_step_low <= found.seconds_per_step <= found.seconds_per_step_high
    assert found.seconds_per_step > 0
    assert found.seconds_per_step * found.steps_per_repeat >= 0.05, "the window is about filled"
    assert (found.on_gpu, found.gpu_energy_j_per_step, found.driver) == (False, 0.0, None)
    assert found.software.startswith("torch 2.")
    assert "quick" in found.flags.split(",")
    assert isinstance(events[0], DeviceFound)
    assert found.device == events[0].name
    phases = [each.phase for each in events if isinstance(each, PhaseBegan)]
    assert [each.repeat for each in events if isinstance(each, Repeated)] == [1, 2, 3, 4, 5]
    result = events[-1]
    assert (type(result), type(told[-1])) == (Result, Outcome)
    assert [each.t for each in events] == sorted(each.t for each in events)
    if found.cpu_counter is None:
        assert next(each.component for each in events if isinstance(each, NotCounted)) == "cpu"
        assert phases == ["build", "warm-up", "calibrate", "repeat"]
        assert found.cpu_energy_j_per_step is found.facility_kwh(4, 1.59) is None
        estimate = result.estimate
        assert estimate.cpu_energy_j_per_step == pytest.approx(estimate.cpu_power_w * found.seconds_per_step)
        assert "not measured" in estimate.assumption
    else:
        assert phases == PHASES
        assert found.cpu_energy_j_per_step is not None
        assert found.cpu_energy_j_per_step > 0
        assert result.estimate is None


@pytest.mark.usefixtures("own_locks")
class TestForReal:
    def test_a_cell_is_measured_stored_and_the_next_cancelled(self, tmp_path, monkeypatch):
        """All of it but the length of the phases: the worker, torch, this machine's counters, carbontracker's guess."""
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        cell, at_work = Cell.from_text("1=output(0)"), RunStore(SHORT, tmp_path)
        run = at_work.start(MeasureRequest.of([cell, cell], QUICK_ON_CPU))
        assert run.running
        with pytest.raises(RunRunning, match="wait for it or cancel it"):
            at_work.start(MeasureRequest.of([cell], QUICK_ON_CPU))
        once(at_work, run, outcomes_of)
        at_work.cancel(run)
        ended = once(at_work, run, lambda run: not run.running)
        assert ended.state == "cancelled"
        assert [each.state for each in outcomes_of(ended)] == ["measured", "cancelled"]
        (stored,) = store.measurements(Benchmark(tmp_path, Benchmark.open().bundled))
        assert stored == outcomes_of(ended)[0].measurement
        assert (stored.hash, stored.effort) == (cell.hash, "quick")
        assert_measured_on_this_cpu(
            stored, [each for each in ended.events if isinstance(each, CellEvent) and each.cell == 0]
        )
        gone(processes_of(run.folder))
        with locked("cpu"):  # which raises DeviceLocked as long as a process holds the device
            pass

    def test_a_device_that_is_not_there_fails_with_its_reason(self, tmp_path):
        at_work = RunStore(MEASUREMENT, tmp_path)
        run = at_work.start(MeasureRequest.of([Cell.from_text("1=output(0)")], Settings(device="cuda:99")))
        ended = once(at_work, run, lambda run: not run.running)
        assert ended.state == "failed"
        assert "GPU" in ended.error
        assert outcomes_of(ended)[0].state in ("no_driver", "no_device")

    def test_a_killed_run_has_died_and_leaves_no_process(self, tmp_path):
        at_work = RunStore(MEASUREMENT, tmp_path)
        run = at_work.start(MeasureRequest.of([Cell.from_text("1=output(0)")], QUICK_ON_CPU))
        once(at_work, run, lambda run: run.events)
        (pid,) = processes_of(run.folder)
        children = json.loads(f"[{Path(f'/proc/{pid}/task/{pid}/children').read_text().strip().replace(' ', ',')}]")
        assert children
        os.kill(pid, signal.SIGKILL)
        assert once(at_work, run, lambda run: not run.running).state == "died"
        gone(children)
