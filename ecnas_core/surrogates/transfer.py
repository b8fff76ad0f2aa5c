"""Any cell's energy on a device of which a few cells were measured, and which few tell most.

A page or a command measures some cells, calls ``calibrate`` and has the energies of a whole space on that device.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.benchmark.store import Benchmark, UnknownCell
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates.reference import Cells, Reference, known_devices, reference
from ecnas_core.surrogates.transfer_model import REGRESSORS, Line, Prior, choose, fit, learn

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

PROVENANCE = "predicted"
FEWEST = 3


class InvalidMeasurements(EcnasError):
    """What was measured is no table of cells and positive energies."""


class TooFewCells(EcnasError):
    """Fewer different cells were measured than a device can be judged by."""


class InvalidProposal(EcnasError):
    """So many cells cannot be proposed."""


@dataclass(frozen=True, eq=False)
class Transfer:
    """A device, known by some of its cells, ready to predict the others.

    Attributes:
        space: whose cells it predicts.
        k: number of different cells that it rests on, outliers not counted.
        offset: logarithm of the device's energy by the reference, in the unit measured by kWh, at the mean of the
            regressors.
        slopes: by regressor (``REGRESSORS``) with what power of it the ratio of the device's energy to the reference
            changes.
        noise: relative standard deviation of a cell's energy around that, as a deviation of its logarithm.
        outliers: measured cells that are too far from what the others let expect, and do not count.
        notes: what the predictions rest on, in plain sentences.
        line: the model.
        reference: the references of the space.
    """

    space: str
    k: int
    offset: float
    slopes: dict[str, float]
    noise: float
    outliers: tuple[str, ...]
    notes: tuple[str, ...]
    line: Line
    reference: Reference

    def predict(self, hashes: Iterable[str] | None = None) -> pd.DataFrame:
        """Predict cells of the space.

        Args:
            hashes: NAS-Bench-101 hashes, in any order, repeats allowed; None stands for all cells of the space.

        Returns:
            One row a hash, in the order given or by rising hash: ``hash``, ``energy`` (the median), ``low`` and
            ``high`` (the central 90 % of what a measurement as repeatable as those given would show), all positive, in
            the unit and scope of the measured energies, and ``provenance``, which is predicted.

        Raises:
            UnknownCell: some of the hashes are not in the space.
        """
        import pandas as pd

        if hashes is None:
            wanted, cells = self.reference.hashes, self.reference.cells
        else:
            wanted = pd.Index(list(hashes), dtype=self.reference.hashes.dtype)
            rows = self.reference.rows(wanted)
            missing = np.flatnonzero(rows < 0)
            if len(missing):
                raise UnknownCell(
                    f"{len(missing)} of {len(wanted)} hashes are not in the space {self.space}, the first is "
                    f"{wanted[missing[0]]!r}; leave them out or calibrate for a larger space"
                )
            cells = self.reference.cells.take(rows)
        middle, half = predict_logs(self.line, cells)
        return pd.DataFrame(
            {
                "hash": wanted,
                "energy": np.exp(middle),
                "low": np.exp(middle - half),
                "high": np.exp(middle + half),
                "provenance": PROVENANCE,
            }
        )


def calibrate(bench: Benchmark, measured: pd.DataFrame, space: str) -> Transfer:
    """Learn a device from some measured cells.

    Args:
        bench: the benchmark.
        measured: columns ``hash`` and ``energy``: at least three different cells of any space, energies positive, all
            of one training budget, in one unit and scope, whichever; a cell measured several times counts once, with
            the geometric mean.
        space: 4V, 5V or 7V, whose cells are to be predicted.

    Returns:
        The device. The same measurements give the same, whatever their order.

    Raises:
        InvalidMeasurements: a column is missing, or an energy is not finite and positive.
        TooFewCells: fewer than three different cells.
        UnknownCell: no cell of NAS-Bench-101 has one of the hashes.
        UnknownSpace: another space.
    """
    known = reference(bench, space)
    hashes, energies, repeats = _different(measured)
    if len(hashes) < FEWEST:
        raise TooFewCells(f"{len(hashes)} different cells are too few to know a device by; measure at least {FEWEST}")
    cells = known.of(bench, hashes)
    devices = known_devices(bench, space)
    prior = learn(list(devices.values()))
    line = fit_logs(prior, cells, energies)
    outliers = tuple(digest for digest, used in zip(hashes, line.used, strict=True) if not used)
    return Transfer(
        space=space,
        k=int(line.used.sum()),
        offset=float(line.coefficients[0]),
        slopes=dict(zip(REGRESSORS, (line.coefficients[1:] / prior.scale).tolist(), strict=True)),
        noise=line.noise,
        outliers=outliers,
        notes=_notes(known, cells, tuple(devices), len(hashes), len(outliers), repeats),
        line=line,
        reference=known,
    )


def propose(bench: Benchmark, space: str, k: int, measured: Iterable[str] = ()) -> list[str]:
    """Which cells to measure on a new device, so that those of a space are predicted best.

    The space is cut into k strata of equally many cells by reference energy, so that the cells spread over its range,
    and from each comes the cell that most lowers the mean variance of all predictions (I-optimal, greedily). All cells
    with a published reference are candidates.

    Args:
        bench: the benchmark.
        space: 4V, 5V or 7V.
        k: how many cells, at least one.
        measured: hashes of cells of any space that are measured already: they count, and are not proposed again.

    Returns:
        k different hashes, the one that tells most first; the same for the same arguments.

    Raises:
        InvalidProposal: k is less than one or more than the space has unmeasured candidates.
        UnknownCell: no cell of NAS-Bench-101 has one of the hashes.
        UnknownSpace: another space.
    """
    known = reference(bench, space)
    prior = learn(list(known_devices(bench, space).values()))
    done = sorted(set(measured))
    candidates = np.flatnonzero(known.known)
    taken = np.flatnonzero(np.isin(candidates, known.rows(done)))
    most = len(candidates) - len(taken)
    if not 1 <= k <= most:
        raise InvalidProposal(f"{k} cells of {space} cannot be proposed; ask for 1 to {most}")
    places = choose_spread(prior, known.cells.take(candidates), k, known.of(bench, done), taken)
    return [str(digest) for digest in known.hashes[candidates[places]]]


def fit_logs(prior: Prior, cells: Cells, energies: Floats) -> Line:
    """The line of a device by the energies of some cells, in any unit."""
    return fit(prior, cells.regressors, np.log(energies) - cells.regressors[:, 0], cells.weights(prior))


def predict_logs(line: Line, cells: Cells) -> tuple[Floats, Floats]:
    """Log energies of cells, and half the width of their 90 % intervals."""
    middle, half = line.predict(cells.regressors, cells.weights(line.prior))
    return middle + cells.regressors[:, 0], half


def choose_spread(prior: Prior, candidates: Cells, k: int, done: Cells, taken: Places) -> Places:
    """The candidates to measure, as ``propose`` chooses them.

    Args:
        prior: what devices have in common.
        candidates: the cells to choose from, which stand for all to be predicted.
        k: how many to choose, at most as many as are not taken.
        done: the cells that are measured already.
        taken: which candidates are among these.

    Returns:
        Places of the chosen among the candidates, the one that tells most first.
    """
    order = np.argsort(candidates.regressors[:, 0], kind="stable")
    strata = np.empty(len(order), np.int64)
    strata[order] = np.arange(len(order)) * (k + len(taken)) // len(order)
    strata[np.isin(strata, strata[taken])] = -1
    return choose(prior, candidates.regressors, done.regressors, done.weights(prior), k, strata)


def _different(measured: pd.DataFrame) -> tuple[list[str], Floats, int]:
    """The different cells by rising hash, the geometric means of their energies, and how many were repeated."""
    import pandas as pd

    for column in ("hash", "energy"):
        if column not in measured.columns:
            raise InvalidMeasurements(f"the measured cells have no column {column!r}; give hash and energy")
    energies = pd.to_numeric(measured["energy"], errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(energies) & (energies > 0)))
    if len(wrong):
        row = wrong[0]
        raise InvalidMeasurements(
            f"{len(wrong)} of {len(energies)} measured energies are not positive numbers, the first is "
            f"{measured['energy'].iloc[row]!r} of {measured['hash'].iloc[row]!r}; leave such cells out"
        )
    logs = pd.Series(np.log(energies)).groupby(measured["hash"].astype(str).to_numpy(), sort=True)
    means = logs.mean()
    return means.index.tolist(), np.exp(means.to_numpy()), int((logs.size() > 1).sum())


def _notes(
    known: Reference, cells: Cells, devices: tuple[str, ...], measured: int, outliers: int, repeats: int
) -> tuple[str, ...]:
    source = {
        "4V": f"the mean energy of a cell on {', '.join(devices)}",
        "5V": "the energies measured for 5V",
        "7V": "the published surrogate of 7V",
    }[known.space]
    predicted = int((~known.known).sum())
    foreign = int((cells.deviation > 0).sum())
    notes = [
        f"Predicted from {measured} measured cells, {source}, and what the cells compute and move in memory.",
        f"How devices differ is learned from {', '.join(devices)}.",
        "The interval is that of a measurement as repeatable as these.",
    ]
    if known.space != "4V":
        most = 5 if known.space == "7V" else 4
        notes.append(f"Devices were compared on cells of at most {most} vertices; larger ones are an extrapolation.")
    counted = {
        "Measured cells that lie too far from what the others let expect, and do not count": outliers,
        "Measured cells of which the geometric mean of several measurements counts": repeats,
        f"Measured cells without a trustworthy published energy in {known.space}; it is estimated": foreign,
        f"Cells of {known.space} without a trustworthy published energy; it is estimated": predicted,
    }
    notes += [f"{what}: {number}." for what, number in counted.items() if number]
    return tuple(notes)
