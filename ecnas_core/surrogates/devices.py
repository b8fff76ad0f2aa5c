"""Calibrated devices: the energy of every cell of every space on a device, kept so that the lens can show it.

One Parquet file a device in the user's folder, read through the view ``_devices``; ``Lens.device`` chooses one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ecnas_core.benchmark.ingest import OutputError
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.schema import DEVICES
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import SPACES
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates import transfer
from ecnas_core.surrogates.transfer import FEWEST, TooFewCells

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "devices"
QUANTITIES = ("energy_kwh", "gpu_energy_j")
"""What can be calibrated: facility energy with the PUE 1.59, and that of the GPU alone; each of 4 epochs."""


class UnknownDevice(EcnasError):
    """No device of that name was calibrated."""


def predict(bench: Benchmark, name: str, measured: pd.DataFrame) -> pa.Table:
    """Predict every cell of every space on a device.

    Args:
        bench: the benchmark.
        name: of the device.
        measured: columns ``hash``, ``energy_kwh`` and ``gpu_energy_j`` of 4 epochs of 40,000 images, NaN where not
            known; of at least three different cells one of both.

    Returns:
        The columns ``DEVICES``; a quantity of which fewer than three cells are known is null.

    Raises:
        TooFewCells: of both quantities fewer than three different cells are known.
        InvalidMeasurements: an energy is not positive.
        UnknownCell: no cell of NAS-Bench-101 has one of the hashes.
    """
    known = {
        quantity: measured[["hash", quantity]].dropna().rename(columns={quantity: "energy"}) for quantity in QUANTITIES
    }
    usable = {quantity: rows for quantity, rows in known.items() if rows["hash"].nunique() >= FEWEST}
    if not usable:
        most = max(rows["hash"].nunique() for rows in known.values())
        raise TooFewCells(f"energies of {most} cells of {name} are known, too few; measure at least {FEWEST}")
    cells = max(rows["hash"].nunique() for rows in usable.values())
    return pa.concat_tables(_predict(bench, name, cells, usable, space) for space in SPACES)


def save(bench: Benchmark, name: str, measured: pd.DataFrame) -> Path:
    """Predict every cell on a device and keep it in the user's folder, in the place of an earlier calibration.

    Args:
        bench: the benchmark.
        name: of the device.
        measured: see ``predict``.

    Returns:
        The file, which appears when it is complete.

    Raises:
        OutputError: the folder cannot be written to.
        TooFewCells, InvalidMeasurements, UnknownCell: see ``predict``.
    """
    from ecnas_core.benchmark.build import write_parquet

    table = predict(bench, name, measured)
    try:
        return write_parquet(table, _path(bench, name))
    except OSError as error:
        raise OutputError(
            f"{bench.data / FOLDER}: cannot write ({error.strerror}); check space and permissions"
        ) from error


def remove(bench: Benchmark, name: str) -> None:
    """Forget a calibrated device; its measurements stay, so that ``save`` brings it back.

    Raises:
        UnknownDevice: there is none of that name.
    """
    path = _path(bench, name)
    if not path.is_file():
        known = ", ".join(bench.devices()) or "none"
        raise UnknownDevice(f"no calibrated device is called {name!r}; there are {known}")
    path.unlink()


def _path(bench: Benchmark, name: str) -> Path:
    return bench.data / FOLDER / f"{hashlib.sha256(name.encode()).hexdigest()[:12]}.parquet"


def _predict(bench: Benchmark, name: str, cells: int, known: dict[str, pd.DataFrame], space: str) -> pa.Table:
    # 7V's file has one row a cell, whatever the budget; those of 4V and 5V one a budget.
    once = f" and epochs = {EPOCHS[0]}" if space == "7V" else ""
    places = bench.frame(f"select hash, row from _rows where space = ?{once} order by row", [space])
    columns: dict[str, Any] = {
        "device": [name] * len(places),
        "measured_cells": np.full(len(places), cells),
        "space": [space] * len(places),
        "row": places["row"].to_numpy(),
    }
    for quantity in QUANTITIES:
        ends = {"energy": quantity, "low": f"{quantity}_low", "high": f"{quantity}_high"}
        if quantity in known:
            found = transfer.calibrate(bench, known[quantity], space).predict()
            at = found["hash"].searchsorted(places["hash"])
            columns |= {column: found[end].to_numpy()[at] for end, column in ends.items()}
        else:
            columns |= {column: pa.nulls(len(places), pa.float32()) for column in ends.values()}
    return pa.table(columns).select(DEVICES.names).cast(DEVICES)
