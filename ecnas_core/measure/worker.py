"""The process that measures one cell: a request on stdin, JSON lines on stdout, the device's lock held meanwhile.

It ends when its parent does: stdin is then closed. The last line is a ``result`` or a ``failed`` with the state.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecnas_core import files
from ecnas_core.cells import Cell
from ecnas_core.errors import EcnasError
from ecnas_core.measure import nvml, protocol, record, tracker
from ecnas_core.measure.counters import Counter, Meter, Unavailable, cpu_counters, cpu_name, gpu_counter
from ecnas_core.measure.errors import DeviceBusy, DeviceLocked, InvalidSettings, MeasureError, NoDriver, StandsStill
from ecnas_core.measure.nvml import Gpu, Sample
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import MeasurementContext

BUSY = 0.1
_SAMPLE_EVERY_S = 0.5
_LOOKS = 5
_LOOK_EVERY_S = 0.1
_STILL_S = 0.1


class Lines:
    """Events as JSON lines, from any thread, each with the seconds since the start."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._started = time.perf_counter()
        self.phase = "start"

    def __call__(self, event: dict[str, Any]) -> None:
        """Tell an event."""
        with self._lock:
            self.phase = event["phase"] if event["event"] == "phase" else self.phase
            self._emit(json.dumps({**event, "t": round(time.perf_counter() - self._started, 3)}))


class Sampler:
    """What the GPU does, looked at twice a second and told as it goes."""

    def __init__(self, device: Gpu, emit: Lines) -> None:
        self.during_repeats: list[Sample] = []
        self._device = device
        self._emit = emit
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_EVERY_S):
            try:
                sample = self._device.sample()
            except MeasureError:
                return  # the main thread meets the same error at its next reading
            if self._emit.phase == "repeat":
                self.during_repeats.append(sample)
            self._emit({"event": "sample", **asdict(sample)})


@contextmanager
def locked(device: str) -> Iterator[None]:
    """Hold the lock of a device: one measurement at a time, whoever on this machine starts it.

    Args:
        device: names the very device.

    Raises:
        DeviceLocked: another measurement holds it.
    """
    path = Path(tempfile.gettempdir()) / f"ecnas-measure-{device}.lock"
    try:
        lock = files.try_lock(path)
    except OSError as error:
        raise DeviceLocked(f"the device's lock {path} cannot be had ({error.strerror}); remove it") from None
    if lock is None:
        raise DeviceLocked("another measurement has this device; wait for it or cancel it")
    with lock:
        yield


def measure(cell: Cell, settings: Settings, emit: Lines) -> dict[str, Any]:
    """Measure a cell on the device of the settings.

    Args:
        cell: whose network.
        settings: how.
        emit: is told what happens.

    Returns:
        The measurement as a document, with ``estimate`` where the CPU's energy can only be assumed.

    Raises:
        MeasureError: one of the states in which there is no figure.
    """
    with ExitStack() as stack:
        device = _device(settings, stack)
        if device is None and settings.precision == "tf32":
            raise InvalidSettings("TF32 is a format of NVIDIA GPUs and there is none; give fp32 or bf16 on the CPU")
        stack.enter_context(locked("cpu" if device is None else device.uuid))
        return _on_cpu(cell, settings, emit) if device is None else _on_gpu(cell, settings, emit, device)


def _device(settings: Settings, stack: ExitStack) -> Gpu | None:
    """The GPU of the settings; None for the CPU."""
    if settings.device == "cpu":
        return None
    try:
        driver = stack.enter_context(nvml.driver())
    except NoDriver:
        if settings.device == "auto":
            return None
        raise
    if settings.device == "auto" and not nvml.gpus(driver):
        return None
    return nvml.gpu(driver, 0 if settings.device == "auto" else int(settings.device[5:]))


def _on_gpu(cell: Cell, settings: Settings, emit: Lines, device: Gpu) -> dict[str, Any]:
    others = device.others()
    emit(
        {"event": "device", **device.details(), **asdict(device.sample()), "others": [asdict(each) for each in others]}
    )
    refuse_busy(device)
    os.environ["CUDA_VISIBLE_DEVICES"] = device.uuid
    emit({"event": "phase", "phase": "build", "seconds": 0})
    import torch

    from ecnas_core.measure.workload import Step

    workload = Step(cell, settings, "cuda")
    workload.step()
    workload.synchronise()
    tracked = _Tracked(device.index, emit)
    meters = _meters([gpu_counter(device), *_cpu_counters(emit)])
    with Sampler(device, emit) as sampler, _closing(meters):
        readings = protocol.run(workload, meters, settings, tracked.listening(emit))
    slowed_by = sorted({reason for sample in sampler.during_repeats for reason in sample.slowed_by})
    details = device.details()
    around = MeasurementContext(
        device=device.name,
        software=f"torch {torch.__version__}",
        device_uuid=device.uuid,
        driver=details["driver"],
        power_limit_w=details["power_limit_w"],
        temperatures_c=[each.temperature_c for each in sampler.during_repeats if each.temperature_c is not None],
        sm_clocks_mhz=[each.sm_clock_mhz for each in sampler.during_repeats if each.sm_clock_mhz is not None],
        slowed_by=slowed_by,
        others=bool(others),
        tracker_power_w=None if tracked.reading is None else tracked.reading.power_w,
    )
    return record.measurement(cell.hash, settings, workload.batch_size, readings, meters, around).to_document()


def _on_cpu(cell: Cell, settings: Settings, emit: Lines) -> dict[str, Any]:
    name = cpu_name()
    emit({"event": "device", "name": name})
    emit({"event": "phase", "phase": "build", "seconds": 0})
    import torch

    from ecnas_core.measure.workload import Step

    workload = Step(cell, settings, "cpu")
    meters = _meters(_cpu_counters(emit))
    with _closing(meters):
        readings = protocol.run(workload, meters, settings, emit)
    around = MeasurementContext(device=name, software=f"torch {torch.__version__}")
    measured = record.measurement(cell.hash, settings, workload.batch_size, readings, meters, around)
    return measured.to_document() | ({} if meters else {"estimate": _estimate(measured.seconds_per_step)})


def refuse_busy(device: Gpu) -> None:
    """Raise DeviceBusy where others make the GPU work, looked at over half a second."""
    used = 0.0
    for _ in range(_LOOKS):
        used = max(used, device.sample().utilisation or 0.0)
        time.sleep(_LOOK_EVERY_S)
    if used > BUSY:
        who = (
            ", ".join(f"{each.name or 'process'} {each.pid}" for each in device.others()) or "a process not shown here"
        )
        raise DeviceBusy(f"{device.name} is {used:.0%} busy with {who}; wait for it, or measure on another device")


class _Tracked:
    """carbontracker beside the repeats: started before the first, stopped after the last."""

    def __init__(self, gpu: int, emit: Lines) -> None:
        self.reading: tracker.Reading | None = None
        self._emit = emit
        self._tracker: tracker.Tracker | None = None
        try:
            self._tracker = tracker.Tracker(gpu)
        except tracker.TrackerFailed as error:
            self._failed(error)

    def listening(self, emit: Lines) -> protocol.Emit:
        """Pass events on, starting and stopping where they say so."""

        def tell(event: dict[str, Any]) -> None:
            emit(event)
            if self._tracker is None:
                return
            try:
                if event.get("phase") == "repeat":
                    self._tracker.start()
                elif event["event"] == "repeat" and event["repeat"] == event["of"]:
                    self.reading = self._tracker.stop()
                    self._emit({"event": "carbontracker", **asdict(self.reading)})
            except tracker.TrackerFailed as error:
                self._failed(error)

        return tell

    def _failed(self, error: tracker.TrackerFailed) -> None:
        self._tracker = None
        self._emit({"event": "carbontracker", "failed": str(error)})


def _cpu_counters(emit: Lines) -> list[Counter]:
    """The CPU's counters but for those of a component that stands still, as on some virtual machines."""
    counters, missing = cpu_counters()
    before = [counter.read() for counter in counters]
    time.sleep(_STILL_S)
    still = {each.component: each.name for each, was in zip(counters, before, strict=True) if each.read() == was}
    missing += [
        Unavailable(component, StandsStill.state, f"the counter {name} stands still; this machine does not feed it")
        for component, name in still.items()
    ]
    for each in missing:
        emit({"event": "no counter", **asdict(each)})
    return [counter for counter in counters if counter.component not in still]


def _meters(counters: Sequence[Counter]) -> list[Meter]:
    return [Meter(counter) for counter in counters]


@contextmanager
def _closing(meters: Sequence[Meter]) -> Iterator[None]:
    try:
        yield
    finally:
        for meter in meters:
            meter.close()


def _estimate(seconds_per_step: float) -> dict[str, Any] | None:
    try:
        power_w, cpu = tracker.assumed_cpu_power()
    except tracker.TrackerFailed:
        return None
    return {
        "cpu": cpu,
        "cpu_power_w": power_w,
        "cpu_energy_j_per_step": power_w * seconds_per_step,
        "assumption": "carbontracker's: half of the CPU's TDP, whatever it does; an estimate, not measured",
    }


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    """Measure the cell of the request on stdin."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    say = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    emit = Lines(lambda line: print(line, file=say, flush=True))
    try:
        cell = Cell(request["matrix"], request["ops"])
        emit({"event": "result", **measure(cell, Settings.from_document(request["settings"]), emit)})
    except EcnasError as error:
        state = error.state if isinstance(error, MeasureError) else MeasureError.state
        emit({"event": "failed", "state": state, "reason": str(error)})
    say.close()
    os._exit(0)


if __name__ == "__main__":
    main()
