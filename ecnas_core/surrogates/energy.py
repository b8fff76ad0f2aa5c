"""The energy of training any cell for 4 epochs, learned from the measured cells of 7V.

``best`` is a sum of what the steps of a training take, none negative (``features.works``), times an exact Gaussian
process over the counts that fix what each step works on (``features.composition``). The sum says what cells beyond the
measured ones need, the process what sums cannot; no prediction is negative. ``paper`` is the network of EC-NAS
(section 2.1): 36 features, GELU, L1 loss. Both learn from measurements alone, never from the published surrogate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from ecnas_core.benchmark.store import Benchmark, UnknownCell
from ecnas_core.cells import CellTable, enumerate_cells
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates import conformal, matern_process, multilayer_perceptron, weights
from ecnas_core.surrogates.features import composition, encoding, works, works_of
from ecnas_core.surrogates.lookup import look_up, table_of
from ecnas_core.surrogates.matern_process import MaternProcess
from ecnas_core.surrogates.multilayer_perceptron import Perceptron
from ecnas_core.surrogates.training import Cancel, Progress, TooFewResults

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Model = Literal["best", "paper"]

MODELS: tuple[Model, ...] = get_args(Model)
SOURCES = ("ec-nas-measured-7v", "energy_7V9E_4epochs.tfrecord")
"""Where 7V's measurements are: the recovered ones, and the official file once it is ingested."""
EPOCHS = 4
FOLDS = 10
FEWEST = 80
PAPER_VALIDATION = 8
"""One in so many of the cells given is kept for validation: of 80 % a tenth of all."""
_WH = 1000
_MEASURED = """
    select hash, vertices, edge_bits, ops, avg(energy_kwh) as energy_kwh from results join cells using (hash)
    where list_contains(?, source) and energy_provenance = 'measured' and epochs = ?
    group by all order by hash
"""


class UnknownModel(EcnasError):
    """A model is none of best and paper."""


class EnergyModel(Protocol):
    """A trained energy model."""

    @property
    def name(self) -> Model:
        """Best or paper."""

    @property
    def cells(self) -> int:
        """Number of measured cells that it was fitted to."""

    def predict(self, table: CellTable) -> pd.DataFrame:
        """Predict cells.

        Args:
            table: pruned cells.

        Returns:
            One row a cell, in their order: ``energy_kwh``, facility energy of a training of 4 epochs on the scale of
            7V's measurements, and ``low`` and ``high``, the 90 % interval of a new measurement, in kWh.
        """

    def save(self, path: Path) -> Path:
        """Write it to a file, which is returned.

        Raises:
            UnwritableModel: the folder cannot be written to.
        """


@dataclass(frozen=True, eq=False)
class BestEnergy:
    """A sum over ``features.works`` times a Gaussian process over ``features.composition``; see ``EnergyModel``.

    Its 90 % interval is conformal: as many predicted standard deviations of log energy as nine in ten of the measured
    cells lay within, each predicted without the tenth of the cells that it is in.

    Attributes:
        summands: shape (works,), kWh for one unit of each of ``features.works``, none negative.
        process: of log energy less the logarithm of the sum.
        width: half the interval in standard deviations.
        cells: number of cells.
    """

    summands: Floats
    process: MaternProcess
    width: float
    cells: int
    name: Model = "best"

    def predict(self, table: CellTable) -> pd.DataFrame:
        """See ``EnergyModel``."""
        return self.predict_counts(composition(table))

    def predict_counts(self, counts: Mapping[str, npt.NDArray[np.int64]]) -> pd.DataFrame:
        """What ``predict`` says of cells that are put together so.

        Args:
            counts: as ``features.composition`` gives them.
        """
        import pandas as pd

        beyond, deviation = self.process.predict(_columns(counts))
        middle = np.log(_columns(works_of(counts)) @ self.summands) + beyond
        half = self.width * deviation
        logs = {"energy_kwh": middle, "low": middle - half, "high": middle + half}
        return pd.DataFrame({name: np.exp(values) for name, values in logs.items()})

    def save(self, path: Path) -> Path:
        """See ``EnergyModel``."""
        return weights.save(
            path,
            f"energy {self.name}",
            _fingerprint(self.name),
            {"summands": self.summands, **self.process.to_arrays()},
            {"width": self.width, "cells": self.cells},
        )


@dataclass(frozen=True, eq=False)
class PaperEnergy:
    """The paper's network; see ``EnergyModel``.

    As published it predicts Wh, can be negative, and sees the order in which a cell's vertices are numbered. Its
    interval, which the paper has not, is as wide for all cells: conformal, by the cells kept for validation.

    Attributes:
        network: from ``features.encoding`` to Wh.
        half: of the interval, in Wh.
        cells: number of cells, those for validation included.
    """

    network: Perceptron
    half: float
    cells: int
    name: Model = "paper"

    def predict(self, table: CellTable) -> pd.DataFrame:
        """See ``EnergyModel``."""
        import pandas as pd

        middle = self.network.predict(encoding(table))
        wh = {"energy_kwh": middle, "low": middle - self.half, "high": middle + self.half}
        return pd.DataFrame({name: values / _WH for name, values in wh.items()})

    def save(self, path: Path) -> Path:
        """See ``EnergyModel``."""
        arrays = {}
        for number, (weight, bias) in enumerate(self.network.layers):
            arrays[f"weight_{number}"], arrays[f"bias_{number}"] = weight, bias
        return weights.save(
            path, f"energy {self.name}", _fingerprint(self.name), arrays, {"half": self.half, "cells": self.cells}
        )


def measured(bench: Benchmark, hashes: Iterable[str] | None = None) -> pd.DataFrame:
    """The measured energies of 7V that a model learns from and is judged by.

    Args:
        bench: the benchmark.
        hashes: the cells that are wanted, in any order; None stands for all that are measured.

    Returns:
        One row a cell by rising hash: ``hash``, ``vertices``, ``edge_bits``, ``ops``, ``energy_kwh`` (facility energy
        of 4 epochs, measured on a Quadro RTX 6000).

    Raises:
        UnknownCell: some of the hashes were not measured.
    """
    frame = bench.frame(_MEASURED, [list(SOURCES), EPOCHS])
    if hashes is None:
        return frame
    wanted = set(hashes)
    missing = sorted(wanted - set(frame["hash"]))
    if missing:
        raise UnknownCell(
            f"{len(missing)} of the hashes have no measured energy in 7V, the first is {missing[0]!r}; leave them out"
        )
    return frame[frame["hash"].isin(wanted)].reset_index(drop=True)


def fit(
    bench: Benchmark,
    model: Model = "best",
    seed: int = 0,
    cells: Iterable[str] | None = None,
    progress: Progress = None,
    cancel: Cancel = None,
) -> EnergyModel:
    """Train an energy model.

    Args:
        bench: the benchmark.
        model: best or paper.
        seed: of everything that is drawn; the same arguments give the same model.
        cells: hashes of the measured cells to learn from; None stands for all.
        progress: given each epoch of ``paper`` (loss in Wh) or step of ``best`` (loss by value, in nats).
        cancel: polled after each of these.

    Raises:
        TooFewResults: fewer than 80 cells.
        Cancelled: it was to stop.
        UnknownCell: some of the hashes were not measured.
        UnknownModel: another model.
    """
    check_model(model)
    frame = measured(bench, cells)
    return fit_to(table_of(frame), frame["energy_kwh"].to_numpy(np.float64), model, seed, progress, cancel)


def fit_to(
    table: CellTable,
    energy_kwh: Floats,
    model: Model = "best",
    seed: int = 0,
    progress: Progress = None,
    cancel: Cancel = None,
) -> EnergyModel:
    """Train an energy model on given energies; see ``fit``.

    Args:
        table: pruned cells, different ones.
        energy_kwh: shape (cells,), positive; of one training budget and scope, whichever.
        model: best or paper.
        seed: of everything that is drawn.
        progress: given each epoch or step.
        cancel: polled after each of these.

    Raises:
        TooFewResults: fewer than 80 cells.
        Cancelled: it was to stop.
        UnknownModel: another model.
    """
    check_model(model)
    if len(table) < FEWEST:
        raise TooFewResults(f"{len(table)} measured cells are too few to learn from; give at least {FEWEST}")
    order = np.random.default_rng(seed).permutation(len(table))
    if model == "paper":
        [fitted] = _fit_paper(table, energy_kwh, [seed], order[None], progress, cancel)
        return fitted
    inputs, work, logs = _columns(composition(table)), _columns(works(table)), np.log(energy_kwh)
    summands = _summands(work, energy_kwh)
    process = matern_process.fit(inputs, logs - np.log(work @ summands), seed, "energy", progress, cancel)
    errors = np.empty(len(logs))
    for fold in range(FOLDS):
        unseen = order[fold::FOLDS]
        seen = np.setdiff1d(order, unseen)
        sums = np.log(work @ _summands(work[seen], energy_kwh[seen]))
        beyond, deviation = process.condition_on(inputs[seen], (logs - sums)[seen]).predict(inputs[unseen])
        errors[unseen] = np.abs((logs - sums)[unseen] - beyond) / deviation
    return BestEnergy(summands, process, conformal.quantile(errors), len(table))


def predict(bench: Benchmark, model: EnergyModel, hashes: Iterable[str] | None = None) -> pd.DataFrame:
    """Predict cells of NAS-Bench-101.

    Args:
        bench: the benchmark.
        model: the model.
        hashes: in any order, repeats allowed; None stands for all 423,624 cells.

    Returns:
        One row a hash, in the order given or by rising hash: ``hash`` and the columns of ``EnergyModel.predict``.

    Raises:
        UnknownCell: no cell has one of the hashes.
    """
    found, table = look_up(bench, hashes)
    frame = model.predict(table)
    frame.insert(0, "hash", found)
    return frame


def load(path: Path) -> EnergyModel:
    """Read a model that ``EnergyModel.save`` wrote.

    Raises:
        UnreadableModel: the file is missing or damaged, or holds another kind of model.
        OtherFeatures: the features are computed otherwise now; fit the model again.
    """
    if weights.kind_of(path) == "energy paper":
        arrays, facts = weights.load(path, "energy paper", _fingerprint("paper"))
        count = len(arrays) // 2
        layers = tuple((arrays[f"weight_{number}"], arrays[f"bias_{number}"]) for number in range(count))
        return PaperEnergy(Perceptron(layers), facts["half"], facts["cells"])
    arrays, facts = weights.load(path, "energy best", _fingerprint("best"))
    return BestEnergy(arrays["summands"], MaternProcess.from_arrays(arrays), facts["width"], facts["cells"])


def check_model(model: str) -> None:
    """Raise UnknownModel unless it is one of ``MODELS``."""
    if model not in MODELS:
        raise UnknownModel(f"there is no energy model {model!r}; take one of {', '.join(MODELS)}")


def paper_curve(
    table: CellTable,
    energy_kwh: Floats,
    orders: npt.NDArray[np.int64],
    progress: Progress = None,
    cancel: Cancel = None,
) -> list[PaperEnergy]:
    """The paper's network from several initialisations, trained side by side.

    Args:
        table: pruned cells.
        energy_kwh: shape (cells,), positive.
        orders: shape (initialisations, n): for each, which cells it is given; the first eighth is for validation.
        progress: given each epoch.
        cancel: polled after each epoch.

    Returns:
        One model an initialisation, whose seeds are 0, 1, ...

    Raises:
        Cancelled: it was to stop.
    """
    return _fit_paper(table, energy_kwh, list(range(len(orders))), orders, progress, cancel)


def _fit_paper(
    table: CellTable,
    energy_kwh: Floats,
    seeds: list[int],
    orders: npt.NDArray[np.int64],
    progress: Progress,
    cancel: Cancel,
) -> list[PaperEnergy]:
    inputs, targets = encoding(table), energy_kwh * _WH
    kept = orders.shape[1] // PAPER_VALIDATION
    training = orders[:, kept:]
    networks = multilayer_perceptron.train(inputs[training], targets[training], seeds, "energy", progress, cancel)
    models = []
    for network, validation in zip(networks, orders[:, :kept], strict=True):
        errors = np.abs(targets[validation] - network.predict(inputs[validation]))
        models.append(PaperEnergy(network, conformal.quantile(errors), orders.shape[1]))
    return models


def _columns(found: Mapping[str, npt.NDArray[Any]]) -> Floats:
    return np.column_stack(list(found.values())).astype(np.float64)


def _summands(work: Floats, energy_kwh: Floats) -> Floats:
    """Those, none negative, whose sums come nearest to the energies in relative terms."""
    from scipy.optimize import nnls

    summands: Floats = nnls(work / energy_kwh[:, None], np.ones(len(work)))[0]
    return summands


@cache
def _fingerprint(model: Model) -> str:
    cells = enumerate_cells("5V")
    return weights.fingerprint(composition(cells) | works(cells) if model == "best" else {"encoding": encoding(cells)})
