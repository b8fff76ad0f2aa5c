"""carbontracker beside a measurement, in a process of its own, and what it assumes of a CPU.

Of carbontracker 2.4.7 the measuring thread is used, without the part around it that looks up the machine's location
over the network. The process is there because carbontracker ends its own when a component is missing. Its totals
include a fixed PUE, which is undone here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, Any

from ecnas_core.errors import EcnasError

SAMPLE_EVERY_S = 0.1
_PATIENCE_S = 30
_JOULES_PER_KWH = 3.6e6


class TrackerFailed(EcnasError):
    """carbontracker does not measure here; the reason is its own."""

    exit_status = 1


@dataclass(frozen=True)
class Reading:
    """What carbontracker measured.

    Attributes:
        energy_j: in J, its PUE undone.
        seconds: between start and stop.
        samples: of power.
        devices: that it measured.
    """

    energy_j: float
    seconds: float
    samples: int
    devices: tuple[str, ...]

    @property
    def power_w(self) -> float:
        """Mean power in W."""
        return self.energy_j / self.seconds


class Tracker:
    """carbontracker's measuring thread on one GPU, in a child process that ends with this one.

    Args:
        gpu: number of the GPU in NVML's order.

    Raises:
        TrackerFailed: it does not start.
    """

    def __init__(self, gpu: int) -> None:
        self._process = _start("gpu", CUDA_VISIBLE_DEVICES=str(gpu))
        self._ask(None)

    def start(self) -> None:
        """Begin to count."""
        self._ask("start")

    def stop(self) -> Reading:
        """Stop, and tell what was counted.

        Raises:
            TrackerFailed: it ended before, or it counted nothing.
        """
        answer = self._ask("stop")
        self.close()
        return Reading(answer["energy_j"], answer["seconds"], answer["samples"], tuple(answer["devices"]))

    def close(self) -> None:
        """End the process."""
        _end(self._process)

    def _ask(self, word: str | None) -> dict[str, Any]:
        return _answer(self._process, word)


def assumed_cpu_power() -> tuple[float, str]:
    """The power in W that carbontracker assumes of this CPU, half of its TDP, and the model's name.

    Raises:
        TrackerFailed: it assumes none here, since it knows no CPU's TDP.
    """
    process = _start("assumed-cpu-power")
    try:
        answer = _answer(process, None)
    finally:
        _end(process)
    return answer["power_w"], answer["cpu"]


def _start(what: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ecnas_core.measure.tracker", what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def _answer(process: subprocess.Popen[str], word: str | None) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    try:
        if word is not None:
            process.stdin.write(word + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        last = (process.stderr.read().strip().splitlines() or ["no word"])[-1][:200]
        status = process.wait(_PATIENCE_S)
        _end(process)
        raise TrackerFailed(f"carbontracker ended with status {status} ({last})")
    answer: dict[str, Any] = json.loads(line)
    if "failed" in answer:
        _end(process)
        raise TrackerFailed(answer["failed"])
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    process.terminate()
    process.wait(_PATIENCE_S)


def _track(say: IO[str]) -> None:
    """Serve ``start`` and ``stop`` from stdin."""
    from carbontracker import constants
    from carbontracker.components.component import create_components
    from carbontracker.loggerutil import Logger
    from carbontracker.tracker import CarbonTrackerThread

    logger = Logger(log_dir=None, verbose=0)
    components = create_components("gpu", pids=[], devices_by_pid=False, logger=logger)
    if not all(component.available() for component in components):
        _say(say, failed="carbontracker finds no GPU that it can measure")
        return
    thread = CarbonTrackerThread(
        components, logger, ignore_errors=False, delete=lambda: None, update_interval=SAMPLE_EVERY_S
    )
    _say(say, ready=True)
    for line in sys.stdin:
        if line == "start\n":
            thread.epoch_start()
            _say(say, started=True)
        else:
            thread.epoch_end()
            (component,) = thread.components
            usages = component.power_usages
            energy_j = float(thread.total_energy_per_epoch().sum()) / constants.PUE_2023 * _JOULES_PER_KWH
            if not energy_j > 0:
                _say(say, failed="carbontracker read no power of the GPU")
                return
            _say(
                say,
                energy_j=energy_j,
                seconds=sum(thread.epoch_times),
                samples=sum(len(usage) for usage in usages),
                devices=component.devices(),
            )


def _assume(say: IO[str]) -> None:
    from carbontracker.components.cpu.generic import GenericCPU

    cpu = GenericCPU(pids=[], devices_by_pid=False)
    cpu.init()
    if not cpu.tdp:
        _say(say, failed="carbontracker assumes no power for this CPU")
        return
    _say(say, power_w=float(cpu.tdp), cpu=cpu.cpu_brand)


def _say(say: IO[str], **answer: Any) -> None:
    print(json.dumps(answer), file=say, flush=True)


def main() -> None:
    """Be the child process; the answers go to what was stdout, everything that carbontracker prints to stderr."""
    say = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable(logging.WARNING)
    if sys.argv[1] == "gpu":
        _track(say)
    else:
        _assume(say)


if __name__ == "__main__":
    main()
