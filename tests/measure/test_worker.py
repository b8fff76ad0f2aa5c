"""The worker in this process, over scripted GPUs and a made-up workload: what it says, and where each fault ends."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pynvml
import pytest

from ecnas_core.measure import counters, nvml, protocol, tracker, worker
from ecnas_core.measure.errors import (
    DeviceBusy,
    DeviceFailed,
    DeviceLocked,
    InvalidSettings,
    MigDevice,
    NoCounter,
    NoDevice,
    NoDriver,
    OutOfMemory,
    StandsStill,
)
from ecnas_core.measure.protocol import Durations, Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.runs import MeasureEvent
from ecnas_core.measure.tracker import Reading, TrackerFailed
from ecnas_core.measure.worker import Lines, Sampler, locked, refuse_busy
from tests.measure.fakes import NO_PERMISSION, NOT_SUPPORTED, TINY, Board, FakeNvml
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("own_locks", "no_thread_left")

SHORT = Durations(idle=0.01, warm_up=0.01, window=0.02, settle=0.01)
QUICK = Settings(effort="quick", repeats=5)


class FakeStep:
    """Stands in for the workload: a step takes a millisecond, and ``each`` is called in it with its number."""

    made_for: str | None = None
    each: Callable[[int], None] = staticmethod(lambda number: None)

    def __init__(self, cell: Any, settings: Settings, device: str) -> None:
        type(self).made_for = device
        self.batch_size = settings.images_per_step(on_gpu=device != "cpu")
        self.steps = 0

    def step(self) -> None:
        time.sleep(0.001)
        type(self).each(self.steps)
        self.steps += 1

    def synchronise(self) -> None:
        """Nothing is pending."""


class FakeTracker:
    """Stands in for carbontracker's child."""

    made: list[FakeTracker]
    fails: str | None = None
    power_w = 200.0

    def __init__(self, gpu: int) -> None:
        self.gpu = gpu
        self.said: list[str] = []
        type(self).made.append(self)
        self._say("made")

    def start(self) -> None:
        self._say("start")

    def stop(self) -> Reading:
        self._say("stop")
        return Reading(self.power_w * 2, 2.0, 20, ("Made up",))

    def _say(self, word: str) -> None:
        self.said.append(word)
        if word == self.fails:
            raise TrackerFailed("carbontracker ended with status 70 (no word)")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short phases, no torch at work, and no child."""
    monkeypatch.setattr(protocol, "DURATIONS", {"quick": SHORT, "thorough": SHORT})
    monkeypatch.setattr(worker, "_LOOK_EVERY_S", 0)
    monkeypatch.setattr(worker, "_STILL_S", 0.01)
    monkeypatch.setattr(worker, "_SAMPLE_EVERY_S", 0.001)
    monkeypatch.setattr(counters, "_TICK_PATIENCE_S", 5)
    monkeypatch.setattr("ecnas_core.measure.workload.Step", FakeStep)
    monkeypatch.setattr(FakeStep, "each", staticmethod(lambda number: None))
    monkeypatch.setattr(FakeStep, "made_for", None)
    monkeypatch.setattr(tracker, "Tracker", FakeTracker)
    monkeypatch.setattr(FakeTracker, "made", [], raising=False)
    monkeypatch.setattr(worker, "cpu_counters", lambda: ([], []))
    monkeypatch.setattr(tracker, "assumed_cpu_power", lambda: (30.0, "A CPU"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    return


def growing(watts: float) -> Callable[[], int]:
    """A counter in mJ of a GPU with this power."""
    return lambda: int(time.perf_counter() * watts * 1000)


def gpu(**scripted: Any) -> Board:
    return Board(**{"name": "NVIDIA T4", "uuid": "GPU-aaaa", "millijoules": growing(200), **scripted})


def with_gpus(monkeypatch: pytest.MonkeyPatch, *boards: Board, init: int | None = None) -> FakeNvml:
    fake = FakeNvml(*boards, init=init)
    driver = nvml.driver
    monkeypatch.setattr(nvml, "driver", lambda: driver(fake))
    return fake


def measure(
    settings: Settings = QUICK, listen: Callable[[dict[str, Any]], None] = lambda event: None
) -> tuple[Measurement, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []

    def take(line: str) -> None:
        events.append(json.loads(line))
        listen(events[-1])

    document = worker.measure(TINY, settings, Lines(take))
    for event in events:
        msgspec.convert({**event, "cell": 0, "hash": document["hash"]}, MeasureEvent)  # as the batch takes it
    return Measurement.from_document(json.loads(json.dumps(document))), events


def at_first_repeat(act: Callable[[], None]) -> Callable[[dict[str, Any]], None]:
    """Do something when the first repeat has been told, and the second is over."""
    return lambda event: act() if event.get("repeat") == 1 else None


class TestOnGpu:
    def test_what_it_says_and_measures(self, monkeypatch):
        fake = with_gpus(monkeypatch, gpu(milliwatts=190_000, temperature=55, sm_clock=1500))
        found, events = measure()
        assert (found.device, found.device_uuid, found.driver) == ("NVIDIA T4", "GPU-aaaa", "580.65.06")
        assert (found.hash, found.batch_size, found.repeats, found.effort) == (TINY.hash, 256, 5, "quick")
        assert (found.gpu_counter, found.cpu_counter, found.cpu_energy_j_per_step) == ("nvml:0 (counter)", None, None)
        assert found.gpu_energy_j_per_step is not None
        assert found.gpu_energy_j_per_step > 0
        assert found.seconds_per_step >= 0.001
        assert (found.temperature_c, found.temperature_max_c, found.sm_clock_mhz) == (55, 55, 1500)
        assert found.power_limit_w == 70
        assert found.carbontracker_j_per_step == pytest.approx(200 * found.seconds_per_step)
        assert FakeStep.made_for == "cuda"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-aaaa", "torch sees this one only"
        assert fake.open == 0
        told = [each for each in events if each["event"] != "sample"]
        assert told[0]["event"] == "device"
        assert (told[0]["name"], told[0]["power_w"], told[0]["others"]) == ("NVIDIA T4", 190, [])
        assert [each["phase"] for each in told if each["event"] == "phase"] == [
            "build",
            "idle",
            "warm-up",
            "calibrate",
            "repeat",
            "settle",
            "idle after",
        ]
        assert [each["repeat"] for each in told if each["event"] == "repeat"] == [1, 2, 3, 4, 5]
        samples = [each for each in events if each["event"] == "sample"]
        assert samples
        assert {(each["power_w"], each["temperature_c"]) for each in samples} == {(190, 55)}

    def test_carbontracker_is_beside_the_repeats_on_the_same_gpu(self, monkeypatch):
        with_gpus(monkeypatch, gpu(), gpu(name="NVIDIA H100", uuid="GPU-bbbb"))
        said: dict[str, list[str]] = {}

        def listen(event: dict[str, Any]) -> None:
            if FakeTracker.made:
                said[str(event.get("phase") or event.get("repeat") or event["event"])] = list(FakeTracker.made[0].said)

        found, events = measure(Settings(effort="quick", repeats=5, device="cuda:1"), listen)
        assert (found.device, found.device_uuid) == ("NVIDIA H100", "GPU-bbbb")
        [beside] = FakeTracker.made
        assert beside.gpu == 1
        assert said["calibrate"] == ["made"]
        assert said["1"] == said["5"] == ["made", "start"]
        assert said["settle"] == beside.said == ["made", "start", "stop"]
        [told] = [each for each in events if each["event"] == "carbontracker"]
        assert (told["energy_j"], told["seconds"], told["samples"]) == (400.0, 2.0, 20)

    @pytest.mark.parametrize("fails", ["made", "start", "stop"])
    def test_measurement_goes_on_without_carbontracker(self, monkeypatch, fails):
        with_gpus(monkeypatch, gpu())
        monkeypatch.setattr(FakeTracker, "fails", fails)
        found, events = measure()
        assert found.carbontracker_j_per_step is None
        assert "carbontracker missing" in found.flags.split(",")
        [told] = [each for each in events if each["event"] == "carbontracker"]
        assert told["failed"] == "carbontracker ended with status 70 (no word)"
        assert FakeTracker.made[0].said[-1] == fails, "it is not asked again"

    @pytest.mark.parametrize("refused", [NOT_SUPPORTED, NO_PERMISSION])
    def test_gpu_without_energy_counter_is_measured_by_its_power_and_flagged(self, monkeypatch, refused):
        with_gpus(monkeypatch, gpu(millijoules=refused, milliwatts=70_000))
        found, _ = measure()
        assert found.gpu_counter == "nvml-power:0 (integrated power)"
        assert "integrated power" in found.flags.split(",")

    def test_heat_in_the_repeats_is_flagged(self, monkeypatch):
        with_gpus(monkeypatch, gpu(reasons=pynvml.nvmlClocksEventReasonSwThermalSlowdown))
        assert "slowed" in measure()[0].flags.split(",")

    def test_power_limit_is_no_slowing(self, monkeypatch):
        with_gpus(monkeypatch, gpu(reasons=pynvml.nvmlClocksEventReasonSwPowerCap))
        assert "slowed" not in measure()[0].flags.split(",")

    def test_idle_processes_of_others_are_told_and_flagged(self, monkeypatch):
        with_gpus(monkeypatch, gpu(processes=[(os.getppid(), 300_000_000)]))
        found, events = measure()
        assert "busy" in found.flags.split(",")
        [other] = events[0]["others"]
        assert (other["pid"], other["memory_mb"]) == (os.getppid(), 300)

    def test_cpu_is_counted_beside(self, monkeypatch):
        with_gpus(monkeypatch, gpu())
        monkeypatch.setattr(worker, "cpu_counters", lambda: ([Growing("rapl:package-0")], []))
        found, _ = measure()
        assert found.cpu_counter == "rapl:package-0 (counter)"
        assert found.cpu_energy_j_per_step is not None
        assert found.facility_kwh(4, 1.59) is not None

    def test_missing_counter_of_the_cpu_is_told_with_its_reason(self, monkeypatch):
        with_gpus(monkeypatch, gpu())
        missing = counters.Unavailable("cpu", "not_permitted", "RAPL is denied; the remedy")
        monkeypatch.setattr(worker, "cpu_counters", lambda: ([], [missing]))
        _, events = measure()
        [told] = [each for each in events if each["event"] == "no counter"]
        assert (told["component"], told["state"], told["reason"]) == (
            "cpu",
            "not_permitted",
            "RAPL is denied; the remedy",
        )


class Growing:
    """A CPU of 30 W."""

    component = "cpu"
    kind = "counter"

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self) -> float:
        return time.perf_counter() * 30

    def close(self) -> None:
        """Nothing is held."""


class TestFaults:
    """Each ends in its named state, with the driver shut down, the device unlocked and no thread left."""

    @pytest.fixture(autouse=True)
    def device_is_free_afterwards(self) -> Iterator[None]:
        yield
        with locked("GPU-aaaa"), locked("cpu"):
            pass

    def test_counter_of_zero(self, monkeypatch):
        fake = with_gpus(monkeypatch, gpu(millijoules=0))
        monkeypatch.setattr(counters, "_TICK_PATIENCE_S", 0.05)
        with pytest.raises(StandsStill, match="nvml:0"):
            measure()
        assert fake.open == 0

    def test_counter_that_stops_in_the_middle(self, monkeypatch):
        board = gpu()
        with_gpus(monkeypatch, board)
        monkeypatch.setattr(counters, "_TICK_PATIENCE_S", 0.05)

        def stop() -> None:
            board.millijoules = board.millijoules()

        with pytest.raises(StandsStill):
            measure(listen=at_first_repeat(stop))

    def test_gpu_lost_in_the_middle(self, monkeypatch):
        board = gpu()
        fake = with_gpus(monkeypatch, board)

        def lose() -> None:
            board.lost = True

        with pytest.raises(DeviceFailed, match=r"NVIDIA T4 does not answer \(GPU is lost\)"):
            measure(listen=at_first_repeat(lose))
        assert fake.open == 0

    @pytest.mark.parametrize("at", [0, 3])
    def test_want_of_memory(self, monkeypatch, at):
        def each(number: int) -> None:
            if number == at:
                raise OutOfMemory("too large; try a batch of 128")

        monkeypatch.setattr(FakeStep, "each", staticmethod(each))
        with_gpus(monkeypatch, gpu())
        with pytest.raises(OutOfMemory):
            measure()

    def test_no_driver(self, monkeypatch):
        with_gpus(monkeypatch, init=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
        with pytest.raises(NoDriver):
            measure(Settings(device="cuda:0"))

    def test_driver_that_does_not_start(self, monkeypatch):
        with_gpus(monkeypatch, init=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
        with pytest.raises(NoDriver, match="mismatch"):
            measure(Settings(device="cuda:0"))

    @pytest.mark.parametrize(("boards", "device"), [((), "cuda:0"), ((gpu(),), "cuda:1")])
    def test_no_device(self, monkeypatch, boards, device):
        with_gpus(monkeypatch, *boards)
        with pytest.raises(NoDevice):
            measure(Settings(device=device))

    def test_gpu_hidden_from_this_process(self, monkeypatch):
        with_gpus(monkeypatch, gpu())
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        with pytest.raises(NoDevice):
            measure(Settings(device="cuda:0"))

    @pytest.mark.parametrize("device", ["auto", "cuda:0"])
    def test_mig(self, monkeypatch, device):
        with_gpus(monkeypatch, gpu(mig=1))
        with pytest.raises(MigDevice):
            measure(Settings(device=device))

    def test_neither_energy_nor_power(self, monkeypatch):
        with_gpus(monkeypatch, gpu(millijoules=NOT_SUPPORTED, milliwatts=NOT_SUPPORTED))
        with pytest.raises(NoCounter):
            measure()

    def test_busy_gpu(self, monkeypatch):
        with_gpus(monkeypatch, gpu(utilisation=97))
        with pytest.raises(DeviceBusy):
            measure()
        assert FakeStep.made_for is None, "nothing was started on it"

    @pytest.mark.parametrize("device", ["cuda:0", "cpu"])
    def test_locked_device(self, monkeypatch, device):
        with_gpus(monkeypatch, gpu())
        with locked("cpu" if device == "cpu" else "GPU-aaaa"), pytest.raises(DeviceLocked):
            measure(Settings(device=device, effort="quick"))

    def test_another_gpu_is_not_locked(self, monkeypatch):
        with_gpus(monkeypatch, gpu(), gpu(uuid="GPU-bbbb"))
        with locked("GPU-aaaa"):
            assert measure(Settings(device="cuda:1", effort="quick", repeats=5))[0].device_uuid == "GPU-bbbb"

    @pytest.mark.parametrize("boards", [None, ()], ids=["no driver", "no GPU"])
    def test_tf32_where_the_cpu_is_taken(self, monkeypatch, boards):
        with_gpus(monkeypatch, init=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND if boards is None else None)
        with pytest.raises(InvalidSettings, match="TF32 is a format of NVIDIA GPUs and there is none"):
            measure(Settings(precision="tf32", effort="quick"))


class TestOnCpu:
    @pytest.mark.parametrize(
        ("boards", "init", "device"),
        [
            ((), pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "auto"),
            ((), pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "auto"),
            ((), None, "auto"),
            ((gpu(),), None, "cpu"),
        ],
        ids=["no driver", "not started", "no GPU", "asked for"],
    )
    def test_is_taken(self, monkeypatch, boards, init, device):
        with_gpus(monkeypatch, *boards, init=init)
        found, events = measure(Settings(device=device, effort="quick", repeats=5))
        assert (FakeStep.made_for, found.batch_size, found.on_gpu) == ("cpu", 32, False)
        assert (found.gpu_energy_j_per_step, found.device) == (0.0, counters.cpu_name())
        assert events[0] == {"event": "device", "name": counters.cpu_name(), "t": events[0]["t"]}
        assert FakeTracker.made == []

    def test_gpu_is_taken_by_default_where_there_is_one(self, monkeypatch):
        with_gpus(monkeypatch, gpu())
        assert measure()[0].on_gpu

    def test_energy_is_counted_where_it_can_be(self, monkeypatch):
        monkeypatch.setattr(worker, "cpu_counters", lambda: ([Growing("rapl:package-0")], []))
        lines: list[str] = []
        document = worker.measure(TINY, Settings(device="cpu", effort="quick", repeats=5), Lines(lines.append))
        assert "estimate" not in document
        assert document["cpu_energy_j_per_step"] > 0
        assert document["gpu_energy_j_per_step"] == 0.0

    def test_energy_is_assumed_beside_and_never_as_measured_where_it_cannot(self):
        document = worker.measure(TINY, Settings(device="cpu", effort="quick", repeats=5), Lines(lambda line: None))
        estimate = document["estimate"]
        assert (estimate["cpu"], estimate["cpu_power_w"]) == ("A CPU", 30.0)
        assert estimate["cpu_energy_j_per_step"] == 30.0 * document["seconds_per_step"]
        assert "an estimate, not measured" in estimate["assumption"]
        assert document["cpu_energy_j_per_step"] is None
        assert "estimate" not in Measurement.from_document(document).to_document()

    def test_no_estimate_where_nothing_is_assumed(self, monkeypatch):
        def fail() -> tuple[float, str]:
            raise TrackerFailed("carbontracker assumes no power for this CPU")

        monkeypatch.setattr(tracker, "assumed_cpu_power", fail)
        document = worker.measure(TINY, Settings(device="cpu", effort="quick", repeats=5), Lines(lambda line: None))
        assert document["estimate"] is None

    def test_a_counter_that_was_never_fed_is_left_out_with_all_of_its_component(self, monkeypatch):
        still = Growing("rapl:package-1")
        still.read = lambda: 7.0  # type: ignore[method-assign]
        monkeypatch.setattr(worker, "cpu_counters", lambda: ([Growing("rapl:package-0"), still], []))
        found, events = measure(Settings(device="cpu", effort="quick"))
        [told] = [each for each in events if each["event"] == "no counter"]
        assert (told["component"], told["state"]) == ("cpu", "stands_still")
        assert "rapl:package-1 stands still" in told["reason"]
        assert (found.cpu_energy_j_per_step, found.cpu_counter) == (None, None)

    def test_a_counter_that_stops_later_ends_the_measurement(self, monkeypatch):
        stops = Growing("rapl:package-0")
        moments = iter([1.0, 2.0, 3.0])
        stops.read = lambda: next(moments, 4.0)  # type: ignore[method-assign]
        monkeypatch.setattr(worker, "cpu_counters", lambda: ([stops], []))
        monkeypatch.setattr(counters, "_TICK_PATIENCE_S", 0.05)
        with pytest.raises(StandsStill, match="rapl:package-0"):
            measure(Settings(device="cpu", effort="quick"))


class TestRefuseBusy:
    def look(self, **scripted: Any) -> int:
        """How often it was looked whether the GPU is at work."""
        board = gpu(**scripted)
        fake = FakeNvml(board)
        fake.nvmlInit()
        refuse_busy(nvml.gpu(fake, 0))
        return board.asked.count("utilisation")

    @pytest.mark.parametrize("utilisation", [0, 10, NOT_SUPPORTED])
    def test_at_rest(self, utilisation):
        assert self.look(utilisation=utilisation) == 5

    def test_one_busy_moment_suffices(self):
        with pytest.raises(DeviceBusy, match="11% busy"):
            self.look(utilisation=iter([0, 3, 11, 0, 0]).__next__)

    def test_who_is_named(self):
        program = Path(f"/proc/{os.getppid()}/comm").read_text().strip()
        with pytest.raises(DeviceBusy) as caught:
            self.look(utilisation=97, processes=[(os.getppid(), None), (2**22 + 1, 5)])
        assert str(caught.value) == (
            f"NVIDIA T4 is 97% busy with {program} {os.getppid()}, process {2**22 + 1}; wait for it, or measure on "
            "another device"
        )

    def test_nobody_to_be_seen(self):
        with pytest.raises(DeviceBusy, match="busy with a process not shown here"):
            self.look(utilisation=97)


class TestSampler:
    def test_only_what_is_seen_in_the_repeats_is_kept(self):
        fake = FakeNvml(gpu(temperature=55))
        fake.nvmlInit()
        said: list[str] = []
        emit = Lines(said.append)
        with Sampler(nvml.gpu(fake, 0), emit) as sampler:
            until(lambda: len(said) > 3)
            assert sampler.during_repeats == []
            emit({"event": "phase", "phase": "repeat", "seconds": 1})
            until(lambda: sampler.during_repeats)
        assert {each.temperature_c for each in sampler.during_repeats} == {55}
        assert all(json.loads(each)["temperature_c"] == 55 for each in said if "sample" in each)

    def test_gpu_that_is_lost_ends_it(self):
        board = gpu()
        fake = FakeNvml(board)
        fake.nvmlInit()
        device = nvml.gpu(fake, 0)
        board.lost = True
        said: list[str] = []
        with Sampler(device, Lines(said.append)) as sampler:
            sampler._thread.join(30)
            assert not sampler._thread.is_alive()
        assert said == []


class TestLock:
    def test_one_at_a_time(self):
        with locked("a"):
            with pytest.raises(DeviceLocked), locked("a"):
                pass
            with locked("b"):
                pass
        with locked("a"):
            pass

    def test_is_free_after_an_error(self):
        with pytest.raises(KeyError), locked("a"):
            raise KeyError
        with locked("a"):
            pass

    def test_can_be_held_by_any_user_whatever_the_mask(self, own_locks):
        mask = os.umask(0o077)
        try:
            with locked("a"):
                pass
        finally:
            os.umask(mask)
        [path] = own_locks.glob("*.lock")
        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def test_file_that_another_user_left_is_only_read(self, own_locks):
        path = own_locks / "ecnas-measure-a.lock"
        path.touch()
        path.chmod(0o444)
        with locked("a"), pytest.raises(DeviceLocked), locked("a"):
            pass


class TestLines:
    def test_events_are_lines_with_their_time(self):
        said: list[str] = []
        emit = Lines(said.append)
        emit({"event": "phase", "phase": "idle", "seconds": 1})
        emit({"event": "sample", "power_w": None})
        events = [json.loads(each) for each in said]
        assert [each["event"] for each in events] == ["phase", "sample"]
        assert 0 <= events[0]["t"] <= events[1]["t"]
        assert emit.phase == "idle"

    def test_threads_do_not_mix_their_lines(self):
        said: list[str] = []

        def append_slowly(line: str) -> None:
            for character in line:
                said.append(character)

        emit = Lines(lambda line: append_slowly(line + "\n"))
        threads = [
            threading.Thread(target=lambda: [emit({"event": "sample", "text": "x" * 50}) for _ in range(100)])
            for _ in range(4)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        lines = "".join(said).splitlines()
        assert len(lines) == 400
        times = [json.loads(each)["t"] for each in lines]
        assert times == sorted(times)
