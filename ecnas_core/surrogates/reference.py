"""What a cell's energy is known to be before a device is measured: the reference that a device is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis import hardware
from ecnas_core.benchmark.store import Benchmark, check_space
from ecnas_core.cells import CellTable
from ecnas_core.surrogates.features import CONVOLUTIONS, NAMES, Ints, costs
from ecnas_core.surrogates.lookup import look_up
from ecnas_core.surrogates.transfer_model import Prior

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EPOCHS = 4
OF_5V = "5V measurements"
FITTED_AT_MOST = 20_000
"""Cells of a space by which the costs of its energies are fitted."""
_ADDITIVE = (
    *(f"multiply_adds_{name}" for name in (*CONVOLUTIONS, "fixed")),
    *(f"memory_traffic_bytes_{name}" for name in (*NAMES, "fixed")),
    *(f"n_{name}" for name in NAMES),
)
_CELLS = """
    select hash, vertices, edge_bits, ops, energy_kwh, energy_artefact
    from benchmark where space = ? and epochs = ? order by hash
"""


@dataclass(frozen=True, eq=False)
class Cells:
    """Some cells by what the model needs of them.

    Attributes:
        regressors: shape (cells, 4): logarithms of the reference energy in kWh, of what it is as a sum of costs, of
            multiply-adds, of memory traffic in bytes.
        deviation: shape (cells,): standard deviation of the log reference; 0 where it is known, not predicted.
    """

    regressors: Floats
    deviation: Floats

    def weights(self, prior: Prior) -> Floats:
        """The noise's variance by that of each cell, in (0, 1]."""
        weights: Floats = prior.noise**2 / (prior.noise**2 + self.deviation**2)
        return weights

    def take(self, rows: npt.NDArray[np.int64]) -> Cells:
        """Some of the cells."""
        return Cells(self.regressors[rows], self.deviation[rows])


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference energies of a space, facility energies of 4 epochs.

    Attributes:
        space: 4V, 5V or 7V.
        hashes: of all cells of the space, rising.
        cells: of the same order.
        additive: shape (features + 1,): what a cell's energy is fitted as the sum of, in kWh, first for a training as
            such, then for one unit of each feature.
        fit_deviation: standard deviation of log energy around that sum.
    """

    space: str
    hashes: pd.Index
    cells: Cells
    additive: Floats
    fit_deviation: float

    @property
    def known(self) -> Flags:
        """Which cells' references are published figures; the others' are predicted from features."""
        known: Flags = self.cells.deviation == 0
        return known

    def rows(self, hashes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Where these cells stand; -1 for a cell that is not of the space."""
        rows: npt.NDArray[np.int64] = self.hashes.get_indexer(list(hashes)).astype(np.int64)
        return rows

    def of(self, bench: Benchmark, hashes: Sequence[str]) -> Cells:
        """Cells of any space; of those that this one does not have, the reference is predicted from features.

        Raises:
            UnknownCell: no cell of NAS-Bench-101 has one of the hashes.
        """
        rows = self.rows(hashes)
        found = self.cells.take(np.maximum(rows, 0))
        foreign = np.flatnonzero(rows < 0)
        if len(foreign):
            _, table = look_up(bench, [hashes[place] for place in foreign.tolist()])
            found.regressors[foreign], found.deviation[foreign] = self._predicted(table)
        return found

    def _predicted(self, table: CellTable) -> tuple[Floats, Floats]:
        unknown = np.full(len(table), np.nan)
        return _regressors(costs(table), unknown, self.additive), np.full(len(table), self.fit_deviation)


def reference(bench: Benchmark, space: str, without: Iterable[str] = ()) -> Reference:
    """The reference energies of a space.

    4V: the geometric mean of the released devices' energies, each device's level taken off, outliers
    (``analysis.hardware``) left out. 5V: its measurements. 7V: the published surrogate, for all its cells, as a space
    keeps one energy scale. Beside it stands the energy as a sum: what the cell's multiply-adds, memory traffic and
    operations cost, no cost negative, fitted to the space; it smooths the noise of what was measured once. Where the
    published energy is an artefact (not positive, or below the smallest measured one) or missing, the sum
    takes its place.

    Args:
        bench: the benchmark.
        space: 4V, 5V or 7V.
        without: released devices that must not be seen; only 4V has figures of theirs.

    Raises:
        UnknownSpace: another space.
    """
    check_space(space)
    return _reference(bench, bench.stamp, space, frozenset(without) if space == "4V" else frozenset())


def known_devices(bench: Benchmark, space: str, without: str | None = None) -> dict[str, tuple[Floats, Floats]]:
    """What is known of devices against the references of a space, to learn from.

    The released devices' 4V cells, outliers left out; for 4V each against the mean of the others. For 7V also 5V's
    measurements of cells of 5 vertices, the largest that another campaign measured.

    Args:
        bench: the benchmark.
        space: 4V, 5V or 7V.
        without: a device that must not be seen.

    Returns:
        By device the regressors, shape (cells, 4), and log energies by reference, shape (cells,), of cells whose
        reference is a published figure.
    """
    unseen = [] if without is None else [without]
    known = {}
    for device, (hashes, energies) in measured_on(bench, space).items():
        if device == without:
            continue
        of_space = reference(bench, space, [*unseen, device])
        rows = of_space.rows(hashes)
        kept = of_space.known[rows]
        regressors = of_space.cells.regressors[rows[kept]]
        known[device] = regressors, np.log(energies[kept]) - regressors[:, 0]
    return known


def measured_on(bench: Benchmark, space: str, outliers: bool = False) -> dict[str, tuple[list[str], Floats]]:
    """Measured energies that a space's references can be held against.

    Args:
        bench: the benchmark.
        space: 4V, 5V or 7V.
        outliers: whether the released devices' outliers are among them.

    Returns:
        By device the hashes, rising, and facility energies of 4 epochs in kWh; for 7V also those of 5V's cells of 5
        vertices, as ``OF_5V``.
    """
    hashes, devices, energies, outlying = _released(bench, bench.stamp)
    found = {}
    for column, device in enumerate(devices):
        kept = np.flatnonzero(~np.isnan(energies[:, column]) & (outliers | ~outlying[:, column]))
        found[device] = [hashes[row] for row in kept], energies[kept, column]
    if space == "7V":
        frame = bench.frame(
            "select hash, energy_kwh from benchmark where space = '5V' and epochs = ? and vertices = 5 order by hash",
            [EPOCHS],
        )
        found[OF_5V] = frame["hash"].tolist(), frame["energy_kwh"].to_numpy(np.float64)
    return found


@lru_cache(maxsize=16)
def _reference(bench: Benchmark, stamp: object, space: str, without: frozenset[str]) -> Reference:
    if space == "4V":
        return _of_devices(bench, without)
    frame = bench.frame(_CELLS, [space, EPOCHS])
    energies = frame["energy_kwh"].to_numpy(np.float64, copy=True)
    energies[frame["energy_artefact"].notna().to_numpy() | ~(energies > 0)] = np.nan
    return _complete(space, frame, np.log(energies))


def _of_devices(bench: Benchmark, without: frozenset[str]) -> Reference:
    """The mean of the released devices but these."""
    hashes, devices, energies, outlying = _released(bench, bench.stamp)
    judges = [column for column, device in enumerate(devices) if device not in without]
    logs = np.log(np.where(outlying, np.nan, energies)[:, judges])
    frame = bench.frame(_CELLS, ["4V", EPOCHS])
    assert frame["hash"].tolist() == hashes
    return _complete("4V", frame, _means(logs))


def _complete(space: str, frame: pd.DataFrame, logs: Floats) -> Reference:
    """The reference of a space whose log energies are NaN where they are not known."""
    import pandas as pd
    from scipy.optimize import nnls

    found = costs(CellTable.from_digits(frame["vertices"], frame["edge_bits"], frame["ops"].tolist()))
    unknown = np.isnan(logs)
    known = np.flatnonzero(~unknown)
    fitted = known[:: -(-len(known) // FITTED_AT_MOST)]
    relative = _summands(found)[fitted] / np.exp(logs[fitted])[:, None]
    size = relative.mean(axis=0)
    size[size == 0] = 1
    additive = nnls(relative / size, np.ones(len(fitted)))[0] / size
    deviation = float(np.sqrt(np.mean(np.log(relative @ additive) ** 2)))
    cells = Cells(_regressors(found, logs, additive), np.where(unknown, deviation, 0.0))
    return Reference(space, pd.Index(frame["hash"]), cells, additive, deviation)


def _means(logs: Floats) -> Floats:
    """Cell means of log energies, shape (cells, devices): least squares of a cell's plus a device's.

    NaN for a cell that no device has.
    """
    cell, device = np.nonzero(~np.isnan(logs))
    design = np.zeros((len(cell), sum(logs.shape)))
    design[np.arange(len(cell)), cell] = 1
    design[np.arange(len(cell)), len(logs) + device] = 1
    effects = np.linalg.lstsq(design, logs[cell, device], rcond=None)[0]
    means = effects[: len(logs)] + effects[len(logs) :].mean()
    return np.where(np.isnan(logs).all(axis=1), np.nan, means)


@lru_cache(maxsize=2)
def _released(bench: Benchmark, stamp: object) -> tuple[list[str], list[str], Floats, Flags]:
    """Hashes of 4V, rising, the released devices, their energies in kWh and which are outliers, (cells, devices)."""
    compared = hardware.compare(bench)
    columns = np.array([place for place, device in enumerate(compared.devices) if device not in compared.own])
    order = np.argsort(compared.cells["hash"].to_numpy(), kind="stable")
    shown = np.ix_(order, columns)
    hashes = compared.cells["hash"].iloc[order].tolist()
    return hashes, [compared.devices[place] for place in columns], compared.energy_kwh[shown], compared.outliers[shown]


def _regressors(found: dict[str, Ints], log_energies: Floats, additive: Floats) -> Floats:
    """The columns of ``Cells.regressors``; log energies that are NaN are those of the sum."""
    summed = np.log(_summands(found) @ additive)
    energies = np.where(np.isnan(log_energies), summed, log_energies)
    return np.column_stack([energies, summed, np.log(found["multiply_adds"]), np.log(found["memory_traffic_bytes"])])


def _summands(found: dict[str, Ints]) -> Floats:
    ones = np.ones(len(found["multiply_adds"]))
    return np.column_stack([ones, *(found[name] for name in _ADDITIVE)]).astype(np.float64)
