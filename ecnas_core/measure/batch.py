"""Many cells, one after the other on one device: each stored as it is done, those that are stored already left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.measure import doctor, runner, store
from ecnas_core.measure.protocol import Emit, Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.states import (
    Cancelled,
    DeviceFailed,
    InvalidSettings,
    MeasureError,
    NoDevice,
    OutOfMemory,
    TimeLimit,
    WorkerDied,
)

_OF_ONE_CELL = (OutOfMemory, TimeLimit, WorkerDied, DeviceFailed)


@dataclass(frozen=True)
class Outcome:
    """What became of one cell.

    Attributes:
        hash: of the cell.
        state: ``measured``, ``skipped`` (it was stored already) or the state of the error.
        measurement: the figures; None where there are none.
        reason: why there are none.
    """

    hash: str
    state: str
    measurement: Measurement | None = None
    reason: str | None = None

    def to_document(self) -> dict[str, Any]:
        """The outcome for JSON."""
        measured = None if self.measurement is None else self.measurement.to_document()
        return {"hash": self.hash, "state": self.state, "reason": self.reason, "measurement": measured}


def read_cells(path: Path, known: Callable[[str], Cell]) -> list[Cell]:
    """The cells of a file: one a line, each a hash or JSON text.

    Args:
        path: the file; empty lines and lines that begin with # do not count.
        known: the cell of a hash.

    Raises:
        InvalidSettings: the file cannot be read or holds no cell.
        EcnasError: a line is no cell.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path} cannot be read ({error}); give a text file with a cell a line") from None
    texts = [line for line in lines if line and not line.startswith("#")]
    if not texts:
        raise InvalidSettings(f"{path} names no cell; write one a line, a hash or JSON text")
    return [Cell.from_json(text) if text.startswith("{") else known(text) for text in texts]


def device_name(settings: Settings) -> str:
    """What the device of the settings is called.

    Args:
        settings: how cells are measured.

    Raises:
        NoDevice: it is not there.
    """
    found = {each.key: each.name for each in doctor.devices()}
    key = next(iter(found)) if settings.device == "auto" else settings.device
    if key not in found:
        there = ", ".join(f"{each} {name}" for each, name in found.items())
        raise NoDevice(f"there is no device {key}; there is {there}")
    return found[key]


def measure_all(
    cells: Iterable[Cell],
    settings: Settings,
    bench: Benchmark,
    emit: Emit = lambda event: None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    again: bool = True,
    measure: Callable[..., Measurement] = runner.measure,
) -> list[Outcome]:
    """Measure cells in order.

    A cell whose network does not fit, takes too long or breaks its process does not stop the others.

    Args:
        cells: whose networks.
        settings: how, for all of them.
        bench: in whose folder the measurements are stored.
        emit: is told every event, with ``cell``, the number of the cell from 0, and ``hash``; ``outcome`` ends a cell.
        cancelled: asked whether to end the measurement of this cell and all that follow.
        again: whether to measure cells that are stored already, with these settings and this device.
        measure: measures one cell.

    Returns:
        What became of each cell, in order, up to where it was cancelled.

    Raises:
        MeasureError: the device cannot be measured at all; what was measured before is stored.
    """
    stored = {} if again else _stored(bench, settings)
    outcomes = []
    for number, cell in enumerate(cells):
        digest = cell.hash

        def tell(event: dict[str, Any], number: int = number, digest: str = digest) -> None:
            emit({**event, "cell": number, "hash": digest})

        if digest in stored:
            outcome = Outcome(digest, "skipped", stored[digest])
        else:
            outcome = _outcome(cell, settings, bench, tell, cancelled, measure)
        tell({"event": "outcome", **outcome.to_document()})
        outcomes.append(outcome)
        if outcome.state == Cancelled.state:
            break
    return outcomes


def _outcome(
    cell: Cell,
    settings: Settings,
    bench: Benchmark,
    tell: Emit,
    cancelled: Callable[[], bool],
    measure: Callable[..., Measurement],
) -> Outcome:
    try:
        measured = measure(cell, settings, tell, cancelled)
    except (Cancelled, *_OF_ONE_CELL) as error:
        return Outcome(cell.hash, error.state, reason=str(error))
    except MeasureError as error:
        tell({"event": "outcome", **Outcome(cell.hash, error.state, reason=str(error)).to_document()})
        raise
    store.save(measured, bench.data)
    return Outcome(cell.hash, "measured", measured)


def _stored(bench: Benchmark, settings: Settings) -> dict[str, Measurement]:
    """The measurements made with these settings on this device, by hash."""
    device = device_name(settings)
    wanted = ("mode", "precision", "effort", "images_per_epoch", "repeats")
    return {
        each.hash: each
        for each in store.measurements(bench)
        if each.device == device
        and all(getattr(each, name) == getattr(settings, name) for name in wanted)
        and each.batch_size == settings.images_per_step(on_gpu=each.on_gpu)
        and (each.images == "synthetic") == (settings.images is None)
    }
