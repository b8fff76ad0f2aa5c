"""Measures one cell in a child process, from the parent's side: starts it, listens, ends it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ecnas_core.cells import Cell
from ecnas_core.measure.errors import Cancelled, TimeLimit, WorkerDied, by_name
from ecnas_core.measure.protocol import Emit, Settings
from ecnas_core.measure.record import Measurement

ROOT = Path(__file__).resolve().parents[2]
_LISTEN_S = 0.1
_GRACE_S = 3
_PYTHON_ERROR = re.compile(r"^[\w.]*(?:Error|Exception)\b.*", re.MULTILINE)


def measure(
    cell: Cell,
    settings: Settings | None = None,
    emit: Emit = lambda event: None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    command: tuple[str, ...] = ("-m", "ecnas_core.measure.worker"),
) -> Measurement:
    """Measure a cell.

    Args:
        cell: whose network.
        settings: how; thorough training on the first GPU if not given.
        emit: is told every event: device, phase, sample, repeat, carbontracker, result.
        cancelled: asked ten times a second whether to stop.
        command: what Python runs as the worker.

    Returns:
        The measurement.

    Raises:
        Cancelled: ``cancelled`` said so; the device is free again.
        TimeLimit: it took longer than the settings allow.
        WorkerDied: the process ended without a word.
        MeasureError: any other of ``states``, as the worker named it.
    """
    settings = settings or Settings()
    matrix = [[int(entry) for entry in row] for row in cell.matrix]
    request = {"matrix": matrix, "ops": list(cell.ops), "settings": settings.to_document()}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env={**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        try:
            assert process.stdin is not None and process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            deadline = time.monotonic() + settings.time_limit_s
            for event in _events(process.stdout, deadline, settings.time_limit_s, cancelled):
                if event["event"] == "failed":
                    raise by_name(event["state"])(event["reason"])
                emit(event)
                if event["event"] == "result":
                    return Measurement.from_document(event)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
        finally:
            status = _end(process)
        raise WorkerDied(_last_words(status, log))


def _events(
    pipe: IO[bytes], deadline: float, limit_s: float, cancelled: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """The worker's lines until it closes its end."""
    os.set_blocking(pipe.fileno(), False)
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if cancelled():
                raise Cancelled("the measurement was cancelled; the device is free again")
            if time.monotonic() > deadline:
                raise TimeLimit(
                    f"the measurement took longer than {limit_s:g} s; raise the limit or take smaller batches"
                )
            if not selector.select(_LISTEN_S):
                continue
            read = os.read(pipe.fileno(), 1 << 16)
            if not read:
                return
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                yield _event(line)


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or "event" not in event:
        said = line[:80].decode(errors="replace")
        raise WorkerDied(f"the measuring process said what is no event ({said!r}); try it again")
    return event


def _end(process: subprocess.Popen[bytes]) -> int:
    """End the worker and what it started, and wait until they are gone."""
    assert process.stdin is not None and process.stdout is not None
    for kill in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kill)
            process.wait(_GRACE_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    return process.wait()


def _last_words(status: int, log: IO[bytes]) -> str:
    log.seek(0)
    errors = _PYTHON_ERROR.findall(log.read().decode(errors="replace"))
    if errors and status > 0:
        return f"the measuring process broke down ({errors[-1][:300]}); try it again, or measure on another device"
    how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
    return (
        f"the measuring process ended without a word ({how}); want of memory is the usual reason: try a smaller batch"
    )
