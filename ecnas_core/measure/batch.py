"""Many cells, one after the other on one device: each stored as it is done, those that are stored already left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.errors import EcnasError
from ecnas_core.measure import doctor, nvml, runner, store
from ecnas_core.measure.protocol import Emit, Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.states import (
    DeviceFailed,
    InvalidSettings,
    MeasureError,
    NotStored,
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
        reason: why there are none, or why they were not stored.
        estimate: of the CPU's energy where nothing counts it, as the worker tells it; never stored.
    """

    hash: str
    state: str
    measurement: Measurement | None = None
    reason: str | None = None
    estimate: Mapping[str, Any] | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the cell's figures are stored."""
        return self.state in ("measured", "skipped")

    @property
    def ends_all(self) -> bool:
        """Whether the cells that follow would meet the same."""
        return not self.succeeded and not any(self.state == error.state for error in _OF_ONE_CELL)

    def to_document(self) -> dict[str, Any]:
        """The outcome for JSON."""
        measured = None if self.measurement is None else self.measurement.to_document()
        return {
            "hash": self.hash,
            "state": self.state,
            "reason": self.reason,
            "measurement": measured,
            "estimate": self.estimate,
        }


def read_cells(path: Path, known: Callable[[str], Cell]) -> list[Cell]:
    """The cells of a file: one a line, each a hash or JSON text, each once.

    Args:
        path: the file; empty lines and lines that begin with # do not count.
        known: the cell of a hash.

    Raises:
        InvalidSettings: the file cannot be read or holds no cell, or a line is none.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidSettings(
            f"{path} cannot be read ({error.strerror}); give a text file with a cell a line"
        ) from None
    except UnicodeDecodeError:
        raise InvalidSettings(f"{path} cannot be read: it is no text; give a text file with a cell a line") from None
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.strip().startswith("#"):
            lines.setdefault(line.strip(), number)
    if not lines:
        raise InvalidSettings(f"{path} names no cell; write one a line, a hash or JSON text")
    cells: dict[str, Cell] = {}
    for line, number in lines.items():
        try:
            cell = Cell.from_json(line) if line.startswith("{") else known(line)
        except EcnasError as error:
            raise InvalidSettings(f"{path}, line {number}: {error}") from None
        cells.setdefault(cell.hash, cell)
    return list(cells.values())


def device_name(settings: Settings) -> str:
    """What the device of the settings is called.

    Args:
        settings: how cells are measured.

    Raises:
        NoDriver, NoDevice, MigDevice: it is not there, or cannot be measured.
    """
    found = {each.key: each.name for each in doctor.devices()}
    key = next(iter(found)) if settings.device == "auto" else settings.device
    if key not in found:
        with nvml.driver() as driver:
            return nvml.gpu(driver, int(key.removeprefix("cuda:"))).name
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

    A cell whose network does not fit, takes too long or breaks its process does not stop the others; a device that
    cannot be measured does.

    Args:
        cells: whose networks.
        settings: how, for all of them.
        bench: in whose folder the measurements are stored.
        emit: is told every event, with ``cell``, the number of the cell from 0, and ``hash``; ``outcome`` ends a cell.
        cancelled: asked whether to end the measurement of this cell and all that follow.
        again: whether to measure cells that are stored already, with these settings and this device.
        measure: measures one cell.

    Returns:
        What became of each cell, in order, up to the one whose outcome ended all.

    Raises:
        NotStored: the folder cannot be written to; nothing has been measured.
        NoDriver, NoDevice, MigDevice: without ``again``, the device is not there.
    """
    store.check(bench.data)
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
        if outcome.ends_all:
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
    estimates: list[Mapping[str, Any] | None] = []

    def heard(event: dict[str, Any]) -> None:
        if event["event"] == "result":
            estimates.append(event.get("estimate"))
        tell(event)

    try:
        measured = measure(cell, settings, heard, cancelled)
    except MeasureError as error:
        return Outcome(cell.hash, error.state, reason=str(error))
    estimate = next(iter(estimates), None)
    try:
        store.save(measured, bench.data)
    except NotStored as error:
        return Outcome(cell.hash, error.state, measured, str(error), estimate)
    return Outcome(cell.hash, "measured", measured, estimate=estimate)


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
