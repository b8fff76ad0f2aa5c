"""Many cells, one after the other on one device: each stored as it is done, those that are stored already left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.errors import EcnasError
from ecnas_core.measure import doctor, nvml, runner, store
from ecnas_core.measure.errors import InvalidSettings, MeasureError, NotStored, by_name
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.runs import CpuEstimate, MeasureEvent, MeasureRequest, Outcome, Result
from ecnas_core.runs import Context

Emit = Callable[[MeasureEvent], object]


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
        emit: is told every event; an ``Outcome`` ends a cell.
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
        about: dict[str, Any] = {"cell": number, "hash": cell.hash}
        if cell.hash in stored:
            outcome = Outcome("skipped", stored[cell.hash], **about)
        else:
            outcome = _outcome(cell, settings, bench, about, emit, cancelled, measure)
        emit(outcome)
        outcomes.append(outcome)
        if outcome.ends_all:
            break
    return outcomes


def work(request: MeasureRequest, context: Context) -> None:
    """Do a run of the kind ``runs.MEASUREMENT``.

    Raises:
        MeasureError: as the outcome says that ended all.
    """
    cells = [Cell(**cell) for cell in request.cells]
    bench = Benchmark.open(context.data, bundled=context.bundled)
    last = measure_all(cells, request.settings, bench, context.emit, context.cancelled)[-1]
    if last.ends_all:
        raise by_name(last.state)(last.reason)


def _outcome(
    cell: Cell,
    settings: Settings,
    bench: Benchmark,
    about: Mapping[str, Any],
    emit: Emit,
    cancelled: Callable[[], bool],
    measure: Callable[..., Measurement],
) -> Outcome:
    estimates: list[CpuEstimate | None] = []

    def tell(event: Mapping[str, Any]) -> None:
        told = msgspec.convert({**event, **about}, MeasureEvent)
        if isinstance(told, Result):
            estimates.append(told.estimate)
        emit(told)

    try:
        measured = measure(cell, settings, tell, cancelled)
    except MeasureError as error:
        return Outcome(error.state, reason=str(error), **about)
    estimate = next(iter(estimates), None)
    try:
        store.save(measured, bench.data)
    except NotStored as error:
        return Outcome(error.state, measured, str(error), estimate, **about)
    return Outcome("measured", measured, estimate=estimate, **about)


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
