"""Stored measurements: one Parquet file each in the user's folder, read through the view ``measurements``."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.measure.errors import NotStored, UnknownMeasurement
from ecnas_core.measure.protocol import EFFORTS, MODES, PRECISIONS
from ecnas_core.measure.record import FLAGS, Measurement

FOLDER = "measurements"
REMOVED = ".removed"
_NAME = re.compile(r"[0-9a-f]{12}")
_KINDS: Mapping[str, type | tuple[type, ...]] = {"str": str, "bool": bool, "int": int, "float": (int, float)}
_CHOICES = {"mode": MODES, "precision": PRECISIONS, "effort": EFFORTS}
_POSITIVE = ("batch_size", "images_per_epoch", "repeats", "steps_per_repeat", "seconds_per_step")


def check(data: Path) -> None:
    """See that measurements can be stored, before hours are spent on them.

    Args:
        data: the user's folder.

    Raises:
        NotStored: they cannot.
    """
    folder = data / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _not_stored(folder, error) from None


def save(measured: Measurement, data: Path) -> Path:
    """Store a measurement; its file appears when it is complete.

    Args:
        measured: the measurement.
        data: the user's folder.

    Returns:
        The file.

    Raises:
        NotStored: the folder cannot be written to.
    """
    import pyarrow as pa

    from ecnas_core.benchmark.build import write_parquet
    from ecnas_core.benchmark.schema import MEASUREMENTS

    folder = data / FOLDER
    table = pa.Table.from_pylist([asdict(measured)], MEASUREMENTS)
    try:
        return write_parquet(table, folder / f"{measured.measurement}.parquet")
    except OSError as error:
        raise _not_stored(folder, error) from None


def _not_stored(folder: Path, error: OSError) -> NotStored:
    return NotStored(f"{folder} cannot be written to ({error.strerror}); check space and permissions, or name another")


def measurements(bench: Benchmark) -> list[Measurement]:
    """Every stored measurement that this program made, the latest first; what ``left_out`` names is not among them."""
    return [Measurement.from_document(row) for _, row, fault in _rows(bench) if fault is None]


def left_out(bench: Benchmark) -> dict[Path, str]:
    """Files of measurements that are not read, or not all of whose rows are, each with the reason."""
    unreadable = {path: why for path, why in bench.layout.problems.items() if path.parent.name == FOLDER}
    return unreadable | {path: fault for path, _, fault in _rows(bench) if fault is not None}


def fault(document: Mapping[str, Any]) -> str | None:
    """Why a document or a row is no measurement; None where it is one.

    Args:
        document: as ``Measurement.to_document`` or the view ``measurements`` has it.
    """
    for each in fields(Measurement):
        if each.name not in document:
            return f"it has no {each.name}"
        if not _fits(document[each.name], str(each.type)):
            return f"its {each.name} is {_shortened(document[each.name])}"
    for name, choices in _CHOICES.items():
        if document[name] not in choices:
            return f"its {name} is {_shortened(document[name])}; there is {', '.join(choices)}"
    for name in _POSITIVE:
        if not document[name] > 0:
            return f"its {name} is {_shortened(document[name])}"
    unknown = set(filter(None, document["flags"].split(","))) - set(FLAGS)
    return f"it has the flag {_shortened(min(unknown))}" if unknown else None


def _fits(value: object, kind: str) -> bool:
    if value is None:
        return kind.endswith("None")
    name = kind.removesuffix(" | None")
    if name == "datetime":
        return isinstance(value, datetime) or (isinstance(value, str) and _is_time(value))
    if isinstance(value, bool) != (name == "bool") or not isinstance(value, _KINDS[name]):
        return False
    return kind != "float" or math.isfinite(value)  # type: ignore[arg-type]


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _rows(bench: Benchmark) -> list[tuple[Path, dict[str, Any], str | None]]:
    """The rows that have an effort, the latest first, with their files and what is wrong with them."""
    from ecnas_core.benchmark.schema import MEASUREMENTS

    paths = [str(path) for path in bench.layout.files[FOLDER]]
    if not paths:
        return []
    rows = bench.rows(
        f"select {', '.join(MEASUREMENTS.names)}, filename, hash in (select hash from cells) as is_cell "
        "from read_parquet(?, filename = true) where effort is not null order by measured_at desc, measurement",
        [paths],
    )
    return [
        (
            Path(row["filename"]),
            row,
            fault(row) if row["is_cell"] else f"no cell has the hash {_shortened(row['hash'])}",
        )
        for row in rows
    ]


def remove(name: str, data: Path) -> None:
    """Take a measurement out; ``restore`` brings it back.

    Args:
        name: of the measurement.
        data: the user's folder.

    Raises:
        UnknownMeasurement: there is none of that name.
    """
    _move(name, data / FOLDER, data / FOLDER / REMOVED)


def restore(name: str, data: Path) -> None:
    """Bring back a measurement that was removed.

    Args:
        name: of the measurement.
        data: the user's folder.

    Raises:
        UnknownMeasurement: none of that name was removed.
    """
    _move(name, data / FOLDER / REMOVED, data / FOLDER)


def _move(name: str, source: Path, target: Path) -> None:
    path = source / f"{name}.parquet"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise UnknownMeasurement(f"there is no measurement {name[:40]!r} in {source}; look at those that there are")
    target.mkdir(exist_ok=True)
    try:
        path.replace(target / path.name)
    except FileNotFoundError:
        raise UnknownMeasurement(f"the measurement {name} has just been moved; look at those that there are") from None
