"""Runs in the background: what their files tell at each moment, and one for real."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecnas_core import Benchmark, Cell
from ecnas_core.measure import runs, store
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.states import DeviceLocked
from ecnas_core.measure.worker import locked
from tests.made_up import LEAN, NO_RAPL, MadeUpRun, measured
from tests.measure import short_phases
from tests.waiting import until

QUICK_ON_CPU = Settings(effort="quick", device="cpu", batch_size=1, repeats=5)
PHASES = ["build", "idle", "warm-up", "calibrate", "repeat", "settle", "idle after"]
KNEE = "3407944b22d4b1d0cccbd8e070424ce4"

WRONG_LINES = [
    "[1]",
    "3",
    '{"x": 1}',
    '{"event": 1}',
    '{"event": "ended", "state": "weird"}',
    '{"event": "ended", "state": "failed", "error": 5}',
    '{"event": "phase", "cell": 0, "at": 1, "t": 1, "phase": "lunch", "seconds": 1}',
    '{"event": "phase", "cell": 7, "at": 1, "t": 1, "phase": "idle", "seconds": 1}',
    '{"event": "phase", "cell": 0, "at": "noon", "t": 1, "phase": "idle", "seconds": 1}',
    '{"event": "sample", "cell": 0, "at": 1, "t": 1}',
    '{"event": "sample", "cell": 0, "at": 1, "t": 1, "power_w": "a", "temperature_c": 1, "sm_clock_mhz": 1}',
    '{"event": "repeat", "cell": 0, "at": 1, "t": 1, "repeat": 1, "seconds_per_step": 1, "joules_per_step": [1]}',
    '{"event": "device", "cell": 0, "at": 1, "t": 1, "name": 7}',
    '{"event": "no counter", "cell": 0, "at": 1, "t": 1, "reason": null}',
    f'{{"event": "outcome", "cell": 0, "at": 1, "hash": "{LEAN}", "state": "measured", "measurement": null}}',
    f'{{"event": "outcome", "cell": 0, "at": 1, "hash": "{LEAN}", "state": "measured", "measurement": {{"x": 1}}}}',
    '{"event": "outcome", "cell": 0, "at": 1, "hash": "a", "state": "died", "measurement": null, "reason": null}',
]


def planned(progress):
    return [(each.name, each.began, each.ended) for each in progress.phases]


class TestProgress:
    def test_before_the_first_event_everything_is_to_come(self, tmp_path):
        run = runs.read(MadeUpRun(tmp_path).folder)
        progress = run.progress(now=run.started)
        assert [each.name for each in progress.phases] == PHASES
        assert progress.seconds_left == pytest.approx(runs.START_S + 6 + 12 + 8 * 8 + 4 + 6)
        assert (progress.cell, progress.outcomes, progress.samples) == (0, (), ())

    def test_phases_begin_and_end(self, tmp_path):
        made = MadeUpRun(tmp_path).device().phase("idle", 9, 6).phase("warm-up", 15.5, 12)
        progress = runs.read(made.folder).progress(now=made.began + 20)
        assert planned(progress)[:3] == [("build", 0.0, 9), ("idle", 9, 15.5), ("warm-up", 15.5, None)]
        assert planned(progress)[3:] == [(name, None, None) for name in PHASES[3:]]
        assert progress.elapsed_s == pytest.approx(20)
        assert progress.seconds_left == pytest.approx(12 - 4.5 + 64 + 4 + 6)
        assert progress.device["name"] == "Made-up H100"

    def test_the_length_of_the_repeats_is_that_of_the_plan(self, tmp_path):
        made = MadeUpRun(tmp_path).device().phase("idle", 9, 6).phase("warm-up", 15, 12).phase("calibrate", 27)
        made.phase("repeat", 28, 70.0)
        progress = runs.read(made.folder).progress(now=made.began + 38)
        assert progress.seconds_left == pytest.approx(60 + 4 + 6)

    def test_a_phase_that_takes_longer_than_planned_leaves_no_negative_time(self, tmp_path):
        made = MadeUpRun(tmp_path).device().phase("idle", 9, 6)
        progress = runs.read(made.folder).progress(now=made.began + 500)
        assert progress.seconds_left == pytest.approx(12 + 64 + 4 + 6)

    def test_without_a_counter_there_is_no_baseline(self, tmp_path):
        made = MadeUpRun(tmp_path, settings=QUICK_ON_CPU).device("A CPU")
        made.tell("no counter", 2, component="cpu", state="no_counter", reason=NO_RAPL)
        made.tell("no counter", 2, component="dram", state="no_counter", reason=NO_RAPL).phase("warm-up", 3, 2)
        progress = runs.read(made.folder).progress(now=made.began + 4)
        assert [each.name for each in progress.phases] == ["build", "warm-up", "calibrate", "repeat"]
        assert progress.notes == (NO_RAPL,)
        assert progress.seconds_left == pytest.approx(1 + 5 * 0.6)

    def test_the_next_cell_begins_anew(self, tmp_path):
        made = MadeUpRun(tmp_path, LEAN, KNEE).device().sample(10, 300.0).repeat(1, 40, 0.1)
        made.outcome("measured", measured())
        first = runs.read(made.folder).progress(now=made.began + 55)
        assert (first.cell, first.elapsed_s) == (0, 50)
        assert first.seconds_left == pytest.approx(runs.START_S + 92), "the second cell is still to come"
        assert all(each.ended is not None for each in first.phases if each.began is not None)
        made.tell("device", 52, cell=1, name="Made-up H100").tell("phase", 60, cell=1, phase="idle", seconds=6)
        second = runs.read(made.folder).progress(now=made.began + 62)
        assert (second.cell, second.samples, second.repeats) == (1, (), ())
        assert [each["state"] for each in second.outcomes] == ["measured"]
        assert second.seconds_left == pytest.approx(4 + 12 + 64 + 4 + 6)


class TestStates:
    def test_while_its_lock_is_held_it_runs(self, tmp_path):
        with MadeUpRun(tmp_path).device().running() as made:
            run = runs.read(made.folder)
            assert (run.state, run.running, run.cancelling) == ("running", True, False)
            runs.cancel(run)
            assert runs.read(made.folder).cancelling
            with pytest.raises(DeviceLocked):
                runs.dismiss(run)
        assert runs.read(made.folder).state == "cancelled"

    def test_without_a_word_it_died(self, tmp_path):
        run = runs.read(MadeUpRun(tmp_path).device().folder)
        assert run.state == "died"
        assert "start it again" in run.error

    @pytest.mark.parametrize(("state", "error"), [("done", None), ("failed", "no GPU; buy one"), ("cancelled", None)])
    def test_its_last_word_counts(self, tmp_path, state, error):
        run = runs.read(MadeUpRun(tmp_path).device().ended(state, error).folder)
        assert (run.state, run.error, run.running) == (state, error, False)

    def test_a_line_that_is_being_written_is_not_read(self, tmp_path):
        made = MadeUpRun(tmp_path).device()
        with (made.folder / "events.jsonl").open("a") as file:
            file.write('{"event": "pha')
        assert [each["event"] for each in runs.read(made.folder).events] == ["device", "phase"]

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "{}", '{"settings": {"mode": "fast"}, "hashes": [], "started": 1}']
    )
    def test_a_request_that_cannot_be_read_is_told_and_can_be_closed(self, tmp_path, text):
        made = MadeUpRun(tmp_path)
        (made.folder / "request.json").write_text(text)
        (run,) = runs.runs(tmp_path)
        assert run.state == "unreadable"
        assert "close it" in run.error
        runs.dismiss(run)
        assert runs.runs(tmp_path) == []

    @pytest.mark.parametrize("line", WRONG_LINES)
    def test_a_line_that_is_no_event_makes_it_unreadable(self, tmp_path, line):
        made = MadeUpRun(tmp_path).device()
        with (made.folder / "events.jsonl").open("a") as file:
            file.write(line + "\n")
        run = runs.read(made.folder)
        assert (run.state, run.events) == ("unreadable", ())
        assert run.progress().outcomes == ()

    def test_one_that_runs_is_not_dismissed_even_if_unreadable(self, tmp_path):
        with MadeUpRun(tmp_path).running() as made:
            (made.folder / "request.json").write_text("[]")
            run = runs.read(made.folder)
            with pytest.raises(DeviceLocked):
                runs.dismiss(run)
        assert made.folder.exists()

    def test_dismissed_twice_and_cancelled_after_that(self, tmp_path):
        """As from two tabs."""
        with MadeUpRun(tmp_path).device().running() as made:
            alive = runs.read(made.folder)
        run = runs.read(made.folder)
        runs.dismiss(run)
        runs.dismiss(run)
        runs.cancel(alive)
        assert not run.folder.exists()

    def test_one_that_goes_while_all_are_listed_is_left_out(self, tmp_path, monkeypatch):
        made = MadeUpRun(tmp_path).device()
        held = runs.background.is_held

        def goes(path):
            runs.shutil.rmtree(made.folder)
            return held(path)

        monkeypatch.setattr(runs.background, "is_held", goes)
        assert runs.runs(tmp_path) == []

    def test_no_folder_no_runs(self, tmp_path):
        assert runs.runs(tmp_path / "none") == []


def once(folder: Path, condition: Callable[[runs.Run], bool]) -> runs.Run:
    """The run as soon as something is true of it."""
    until(lambda: condition(runs.read(folder)))
    return runs.read(folder)


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


def assert_measured_on_this_cpu(found: Measurement, told: list[dict[str, Any]]) -> None:
    """The figures fit each other, the settings and what was told; the last that was told is what became of the cell."""
    events = told[:-1]
    assert (found.batch_size, found.repeats, found.mode) == (1, 5, "train")
    assert found.seconds_per_step_low <= found.seconds_per_step <= found.seconds_per_step_high
    assert found.seconds_per_step > 0
    assert found.seconds_per_step * found.steps_per_repeat >= 0.05, "the window is about filled"
    assert (found.on_gpu, found.gpu_energy_j_per_step, found.driver) == (False, 0.0, None)
    assert found.software.startswith("torch 2.")
    assert "quick" in found.flags.split(",")
    assert found.device == events[0]["name"]
    phases = [each["phase"] for each in events if each["event"] == "phase"]
    assert [each["repeat"] for each in events if each["event"] == "repeat"] == [1, 2, 3, 4, 5]
    result = events[-1]
    assert (result["event"], told[-1]["event"]) == ("result", "outcome")
    assert [each["t"] for each in events] == sorted(each["t"] for each in events)
    if found.cpu_counter is None:
        assert next(each["component"] for each in events if each["event"] == "no counter") == "cpu"
        assert phases == ["build", "warm-up", "calibrate", "repeat"]
        assert found.cpu_energy_j_per_step is found.facility_kwh(4, 1.59) is None
        estimate = result["estimate"]
        assert estimate["cpu_energy_j_per_step"] == pytest.approx(estimate["cpu_power_w"] * found.seconds_per_step)
        assert "not measured" in estimate["assumption"]
    else:
        assert phases == PHASES
        assert found.cpu_energy_j_per_step is not None
        assert found.cpu_energy_j_per_step > 0
        assert "estimate" not in result


@pytest.mark.usefixtures("own_locks")
class TestForReal:
    def test_a_cell_is_measured_stored_and_the_next_cancelled(self, tmp_path, monkeypatch):
        """All of it but the length of the phases: the worker, torch, this machine's counters, carbontracker's guess."""
        launch = runs.background.launch
        monkeypatch.setattr(runs.background, "launch", lambda module, *given: launch(short_phases.NAME, *given))
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        cell = Cell.from_text("1=output(0)")
        run = runs.start([cell, cell], QUICK_ON_CPU, tmp_path)
        assert run.running
        with pytest.raises(DeviceLocked, match="wait for it or cancel it"):
            runs.start([cell], QUICK_ON_CPU, tmp_path)
        once(run.folder, lambda run: run.progress().outcomes)
        runs.cancel(run)
        ended = once(run.folder, lambda run: not run.running)
        assert ended.state == "cancelled"
        assert [each["state"] for each in ended.progress().outcomes] == ["measured", "cancelled"]
        (stored,) = store.measurements(Benchmark(tmp_path, Benchmark.open().bundled))
        assert stored == Measurement.from_document(ended.progress().outcomes[0]["measurement"])
        assert (stored.hash, stored.effort) == (cell.hash, "quick")
        assert_measured_on_this_cpu(stored, [each for each in ended.events if each.get("cell") == 0])
        gone(processes_of(run.folder))
        with locked("cpu"):  # which raises DeviceLocked as long as a process holds the device
            pass

    def test_a_device_that_is_not_there_fails_with_its_reason(self, tmp_path):
        run = runs.start([Cell.from_text("1=output(0)")], Settings(device="cuda:99"), tmp_path)
        ended = once(run.folder, lambda run: not run.running)
        assert ended.state == "failed"
        assert "GPU" in ended.error
        assert ended.progress().outcomes[0]["state"] in ("no_driver", "no_device")

    def test_a_killed_run_has_died_and_leaves_no_process(self, tmp_path):
        run = runs.start([Cell.from_text("1=output(0)")], QUICK_ON_CPU, tmp_path)
        once(run.folder, lambda run: any(each["event"] == "device" for each in run.events))
        (pid,) = processes_of(run.folder)
        children = json.loads(f"[{Path(f'/proc/{pid}/task/{pid}/children').read_text().strip().replace(' ', ',')}]")
        assert children
        os.kill(pid, signal.SIGKILL)
        assert once(run.folder, lambda run: not run.running).state == "died"
        gone(children)
