"""Stored measurements: one Parquet file each in the user's folder, read through the view ``measurements``."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.states import UnknownMeasurement

FOLDER = "measurements"
REMOVED = ".removed"
_NAME = re.compile(r"[0-9a-f]{12}")


def save(measured: Measurement, data: Path) -> Path:
    """Store a measurement; its file appears when it is complete.

    Args:
        measured: the measurement.
        data: the user's folder.

    Returns:
        The file.

    Raises:
        OSError: the folder cannot be written to.
    """
    import pyarrow as pa

    from ecnas_core.benchmark.build import write_parquet
    from ecnas_core.benchmark.schema import MEASUREMENTS

    folder = data / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return write_parquet(
        pa.Table.from_pylist([asdict(measured)], MEASUREMENTS), folder / f"{measured.measurement}.parquet"
    )


def measurements(bench: Benchmark) -> list[Measurement]:
    """Every stored measurement that this program made, the latest first."""
    rows = bench.rows("select * from measurements where effort is not null order by measured_at desc, measurement")
    return [Measurement.from_document(row) for row in rows]


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
    path.replace(target / path.name)
