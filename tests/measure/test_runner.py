"""The parent's side of a measurement: scripted workers that end in every way, and what the real one says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest

from ecnas_core.cells import Cell
from ecnas_core.measure import runner
from ecnas_core.measure.errors import (
    Cancelled,
    DeviceLocked,
    MeasureError,
    NoDriver,
    OutOfMemory,
    TimeLimit,
    WorkerDied,
)
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.worker import locked
from tests.measure.fakes import TINY, without_driver
from tests.measure.test_record import on_cpu
from tests.waiting import until

QUICK = Settings(effort="quick", repeats=5, device="cpu", batch_size=1)
SAY = """
import json, os, signal, subprocess, sys, time
def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)
"""
WAITING = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)
say("device", pids=[os.getpid(), child.pid])
time.sleep(600)
"""
REAL_WORKER_THAT_WAITS = """
from ecnas_core.measure import worker
def measure(cell, settings, emit):
    with worker.locked("made-up"):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        emit({"event": "device", "pids": [os.getpid(), child.pid]})
        time.sleep(600)
worker.measure = measure
worker.main()
"""


def scripted(code: str) -> tuple[str, str]:
    return "-c", SAY + dedent(code)


def measure(code: str, settings: Settings = QUICK, **more: Any) -> tuple[Measurement, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    return runner.measure(TINY, settings, events.append, command=scripted(code), **more), events


def gone(pid: int) -> bool:
    """Whether a process has ended; what nobody has asked about since is a zombie."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Pids:
    """Takes a worker's events and remembers the processes that they name."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def __call__(self, event: dict[str, Any]) -> None:
        self.pids += event.get("pids", [])

    def all_gone(self) -> bool:
        return len(self.pids) == 2 and all(gone(pid) for pid in self.pids)


def test_worker_is_told_the_cell_and_the_settings_and_has_a_session_of_its_own():
    cell = Cell([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["input", "conv3x3-bn-relu", "output"])
    settings = Settings(mode="inference", images=Path("/some folder"), batch_size=3)
    events: list[dict[str, Any]] = []
    code = """
    request = json.loads(sys.stdin.readline())
    say("told", request=request, order=os.environ["CUDA_DEVICE_ORDER"], session=os.getsid(0), pid=os.getpid())
    say("failed", state="no_device", reason="enough")
    """
    with pytest.raises(MeasureError, match="enough"):
        runner.measure(cell, settings, events.append, command=scripted(code))
    [told] = events
    assert Cell(told["request"]["matrix"], told["request"]["ops"]) == cell
    assert Settings.from_document(told["request"]["settings"]) == settings
    assert told["order"] == "PCI_BUS_ID", "CUDA counts GPUs as NVML does"
    assert told["session"] == told["pid"]


def test_result_is_a_measurement_and_events_come_in_order():
    document = on_cpu().to_document()
    found, events = measure(
        f"""
        say("phase", phase="build", seconds=0)
        print("to the log", file=sys.stderr)
        say("sample", power_w=None)
        say("result", **json.loads({json.dumps(document)!r}), t=1.5, estimate=None)
        time.sleep(600)
        """
    )
    assert found == Measurement.from_document(document)
    assert [each["event"] for each in events] == ["phase", "sample", "result"]
    assert (events[2]["t"], events[2]["estimate"]) == (1.5, None)


def test_events_may_come_in_pieces_and_may_be_long():
    found, events = measure(
        f"""
        text = json.dumps({{"event": "phase", "phase": "idle", "note": "\\u00e9" * 200_000}})
        for piece in (text[:3], text[3:150_000], text[150_000:] + "\\n" + '{{"event": "sam'):
            sys.stdout.write(piece); sys.stdout.flush(); time.sleep(0.02)
        print('ple"}}')
        say("result", **json.loads({json.dumps(on_cpu().to_document())!r}))
        """
    )
    assert found.hash == TINY.hash
    assert [each["event"] for each in events] == ["phase", "sample", "result"]
    assert events[0]["note"] == "é" * 200_000


@pytest.mark.parametrize("error", MeasureError.__subclasses__(), ids=lambda error: error.state)
def test_failed_state_is_the_error_of_its_name(error):
    with pytest.raises(error) as caught:
        measure(f'say("failed", state="{error.state}", reason="the reason; the remedy"); time.sleep(600)')
    assert type(caught.value) is error
    assert str(caught.value) == "the reason; the remedy"


@pytest.mark.parametrize("state", ["failed", "of a later version"])
def test_other_state_is_a_failure_all_the_same(state):
    with pytest.raises(MeasureError, match="the reason") as caught:
        measure(f'say("failed", state="{state}", reason="the reason")')
    assert type(caught.value) is MeasureError


class TestWorkerThatDies:
    @pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGTERM"])
    def test_by_a_signal(self, name):
        with pytest.raises(WorkerDied, match=rf"ended without a word \(killed by {name}\).*smaller batch"):
            measure(f"os.kill(os.getpid(), signal.{name})")

    def test_by_a_signal_after_an_error_that_was_not_the_end(self):
        with pytest.raises(WorkerDied, match="killed by SIGKILL"):
            measure('print("ValueError: handled", file=sys.stderr, flush=True); os.kill(os.getpid(), signal.SIGKILL)')

    def test_by_a_signal_from_outside_in_the_middle(self):
        events = Pids()

        def tell(event: dict[str, Any]) -> None:
            events(event)
            os.kill(events.pids[0], signal.SIGKILL)

        with pytest.raises(WorkerDied, match="killed by SIGKILL"):
            runner.measure(TINY, QUICK, tell, command=scripted(WAITING))
        until(events.all_gone)

    def test_by_an_error_of_python(self):
        with pytest.raises(WorkerDied) as caught:
            measure('print("UserWarning: no matter", file=sys.stderr); {}["gone"]')
        assert str(caught.value) == (
            "the measuring process broke down (KeyError: 'gone'); try it again, or measure on another device"
        )

    def test_by_an_error_of_python_within_the_real_worker(self):
        """While a thread of it waits for the parent's end."""
        code = """
        from ecnas_core.measure import worker
        def measure(cell, settings, emit):
            time.sleep(0.2)
            raise ZeroDivisionError("a mistake")
        worker.measure = measure
        worker.main()
        """
        with pytest.raises(WorkerDied, match=r"broke down \(ZeroDivisionError: a mistake\)"):
            measure(code)

    def test_by_an_error_of_python_with_many_words(self):
        with pytest.raises(WorkerDied) as caught:
            measure('raise RuntimeError("x" * 10_000 + "\\nmore lines")')
        assert len(str(caught.value)) < 500
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("status", [0, 3])
    def test_with_a_status(self, status):
        with pytest.raises(WorkerDied, match=rf"ended without a word \(status {status}\)"):
            measure(f'say("phase", phase="idle", seconds=1); sys.exit({status})')

    def test_in_the_middle_of_a_word(self):
        with pytest.raises(WorkerDied, match="without a word"):
            measure("""sys.stdout.write('{"event": "result", "measure'); sys.stdout.flush()""")

    def test_before_it_was_told_anything(self, monkeypatch):
        class Dead(subprocess.Popen[bytes]):
            def __init__(self, *arguments: Any, **named: Any) -> None:
                super().__init__(*arguments, **named)
                self.wait(60)

        monkeypatch.setattr(runner.subprocess, "Popen", Dead)
        with pytest.raises(WorkerDied, match="status 5"):
            measure("sys.exit(5)")

    def test_that_says_much_where_nobody_listens_is_not_held_up(self):
        with pytest.raises(OutOfMemory):
            measure('sys.stderr.write("x" * 1_000_000); say("failed", state="out_of_memory", reason="r")')

    @pytest.mark.parametrize(
        "garbage",
        [
            'b"hello\\n"',
            'b"\\xff\\xfe\\x00\\n"',
            'b"[1, 2]\\n"',
            'b"17\\n"',
            'b"{}\\n"',
            'b"\\n"',
            'b"y" * 300 + b"\\n"',
        ],
    )
    def test_by_saying_garbage(self, garbage):
        with pytest.raises(WorkerDied, match=r"said what is no event \('.{0,80}'\)"):
            measure(f"sys.stdout.buffer.write({garbage}); sys.stdout.flush(); time.sleep(600)")


class TestEnds:
    def test_cancel_leaves_no_process(self):
        events = Pids()
        with pytest.raises(Cancelled, match="cancelled; the device is free again"):
            runner.measure(TINY, QUICK, events, lambda: bool(events.pids), command=scripted(WAITING))
        assert gone(events.pids[0])
        until(events.all_gone)

    def test_cancel_of_processes_that_do_not_want_to_end(self, monkeypatch):
        monkeypatch.setattr(runner, "_GRACE_S", 0.2)
        events = Pids()
        code = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" + WAITING  # which the child inherits
        with pytest.raises(Cancelled):
            runner.measure(TINY, QUICK, events, lambda: bool(events.pids), command=scripted(code))
        assert gone(events.pids[0])
        until(events.all_gone)

    def test_cancelled_before_the_worker_says_anything(self):
        with pytest.raises(Cancelled):
            measure("time.sleep(600)", cancelled=lambda: True)

    def test_time_limit(self):
        started = time.monotonic()
        events = Pids()
        settings = Settings(device="cpu", time_limit_s=1)
        with pytest.raises(TimeLimit, match="took longer than 1 s; raise the limit or take smaller batches"):
            runner.measure(TINY, settings, events, command=scripted(WAITING))
        assert time.monotonic() - started >= 1
        until(events.all_gone)

    def test_time_limit_of_a_worker_that_never_falls_silent(self):
        code = 'while True: say("sample", power_w=1.0); time.sleep(0.01)'
        with pytest.raises(TimeLimit):
            measure(code, Settings(device="cpu", time_limit_s=1))

    def test_listener_that_fails_ends_the_worker(self):
        events = Pids()

        def tell(event: dict[str, Any]) -> None:
            events(event)
            raise KeyError("the listener's own")

        with pytest.raises(KeyError, match="the listener's own"):
            runner.measure(TINY, QUICK, tell, command=scripted(WAITING))
        until(events.all_gone)

    def test_death_of_the_parent_ends_the_worker_and_frees_the_device(self, own_locks):
        parent = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys\nfrom ecnas_core.measure import runner\nfrom tests.measure.fakes import TINY\n"
                "runner.measure(TINY, None, lambda event: print(*event['pids'], flush=True), "
                f"command=('-c', {SAY + REAL_WORKER_THAT_WAITS!r}))",
            ],
            stdout=subprocess.PIPE,
            cwd=runner.ROOT,
        )
        assert parent.stdout is not None
        pids = [int(each) for each in parent.stdout.readline().split()]
        assert len(pids) == 2
        with pytest.raises(DeviceLocked), locked("made-up"):
            pass
        parent.kill()
        parent.wait()
        parent.stdout.close()
        until(lambda: all(gone(pid) for pid in pids))
        with locked("made-up"):
            pass

    def test_second_measurement_of_a_device_finds_it_locked_until_the_first_is_cancelled(self, own_locks):
        refused: list[str] = []
        second = 'from ecnas_core.measure import worker\nworker.measure = lambda *_: worker.locked("made-up").__enter__()\nworker.main()'

        def tell(event: dict[str, Any]) -> None:
            with pytest.raises(DeviceLocked) as caught:
                measure(second)
            refused.append(str(caught.value))

        with pytest.raises(Cancelled):
            runner.measure(TINY, QUICK, tell, lambda: bool(refused), command=scripted(REAL_WORKER_THAT_WAITS))
        assert refused == ["another measurement has this device; wait for it or cancel it"]
        with locked("made-up"):
            pass


def answer(request: str, code: str = "") -> tuple[int, list[dict[str, Any]]]:
    """The status of the real worker, after some code, and the lines that it answers a request with."""
    command = [sys.executable, "-c", SAY + "from ecnas_core.measure import worker\n" + dedent(code) + "worker.main()"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=runner.ROOT, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(request)
        process.stdin.flush()
        lines = process.stdout.readlines()
        return process.wait(60), [json.loads(each) for each in lines]


def request(**settings: Any) -> str:
    document = {**Settings(device="cpu").to_document(), **settings}
    return json.dumps({"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"], "settings": document}) + "\n"


class TestRealWorkersWords:
    @pytest.mark.parametrize(
        ("raised", "state"),
        [
            ("ecnas_core.measure.errors.DeviceLocked", "device_locked"),
            ("ecnas_core.measure.errors.MeasureError", "failed"),
            ("ecnas_core.measure.tracker.TrackerFailed", "failed"),
        ],
    )
    def test_error_is_told_by_its_state(self, raised, state):
        code = f"""
        import ecnas_core.measure.errors, ecnas_core.measure.tracker
        def fail(*_):
            raise {raised}("the reason")
        worker.measure = fail
        """
        status, [told] = answer(request(), code)
        assert (status, told["event"], told["state"], told["reason"]) == (0, "failed", state, "the reason")

    def test_settings_are_checked(self):
        _, [told] = answer(request(repeats=2))
        assert (told["state"], told["reason"]) == (
            "invalid_settings",
            "repeats=2 is not possible; give a whole number, 5 to 100",
        )

    def test_cell_is_checked(self):
        _, [told] = answer(request().replace("[[0, 1], [0, 0]]", "[[0, 0], [0, 0]]"))
        assert told["state"] == "failed"
        assert told["reason"]

    def test_result_is_told_and_what_else_is_printed_is_not(self):
        code = """
        def measured(*_):
            print("chatter")
            os.system("echo more chatter")
            return {"seconds_per_step": 0.5}
        worker.measure = measured
        """
        status, [told] = answer(request(), code)
        assert (status, told["event"], told["seconds_per_step"]) == (0, "result", 0.5)


@without_driver
def test_real_worker_without_a_driver(own_locks):
    with pytest.raises(NoDriver, match="no NVIDIA driver"):
        runner.measure(TINY, Settings(device="cuda:0"))
