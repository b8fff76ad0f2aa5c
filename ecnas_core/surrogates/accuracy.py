"""Accuracy and training time of every cell at every budget, learned from NAS-Bench-101's published results.

A few graph networks predict, and their mean counts. Everything is on one scale, the mean of NAS-Bench-101's three
trainings of a cell. The large random sample holds one training each, probably the best; it is brought to that scale by
the mean difference on the cells that are in both sources. A few trainings fail (accuracy below 0.8 after 108 epochs):
no model foresees them, so the median error says more than the mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.schema import PREDICTED
from ecnas_core.benchmark.store import Benchmark, UnknownCell, check_epochs
from ecnas_core.cells import CellTable, enumerate_cells
from ecnas_core.surrogates import conformal, graph_network, weights
from ecnas_core.surrogates.conformal import Binned
from ecnas_core.surrogates.graph_network import GraphNetwork, graphs
from ecnas_core.surrogates.lookup import look_up, table_of, take
from ecnas_core.surrogates.training import Cancel, Progress, TooFewResults

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MEANS, SAMPLE = "ec-nas-search-logs", "nasbench101-sample"
MEMBERS = 5
CALIBRATION = 0.1
"""Share of the cells that no network sees: the intervals are calibrated by them."""
BINS = 10
FEWEST = 500
LONGEST = 108
"""The budget whose time the networks predict; those of the others follow from it."""
KIND = "accuracy"
ACCURACY_DECIMALS = 4
TIME_DIGITS = 4
_ROWS_AT_ONCE = 32_768
_ARRAYS = ("laws", "worst", "offsets")
_PUBLISHED = """
    select hash, vertices, edge_bits, ops, epochs, source, validation_accuracy, training_time_s
    from results join cells using (hash) where source in (?, ?) order by hash
"""


@dataclass(frozen=True, eq=False)
class Published:
    """What is published of some cells, on the scale of the mean of three trainings.

    Attributes:
        hashes: by rising hash.
        table: the cells.
        accuracy: shape (cells, 4), validation accuracy at 4, 12, 36 and 108 epochs; NaN where not known.
        time_s: shape (cells, 4), training time in s; NaN where not known.
        sampled: shape (cells,), which accuracies are of the random sample, one training each.
        offsets: shape (4,), what was taken off these: by how much the sample lies above the mean, on average.
    """

    hashes: npt.NDArray[np.object_]
    table: CellTable
    accuracy: Floats
    time_s: Floats
    sampled: Flags
    offsets: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> Published:
        """Some of the cells."""
        return Published(
            self.hashes[rows],
            take(self.table, rows),
            self.accuracy[rows],
            self.time_s[rows],
            self.sampled[rows],
            self.offsets,
        )


def published(bench: Benchmark) -> Published:
    """NAS-Bench-101's accuracies and times that are published for a part of the cells, on one scale.

    Where a cell is in both sources, the mean of three trainings counts.

    Raises:
        TooFewResults: the sample cannot be brought to the scale of the means, as no cell is in both.
    """
    import pandas as pd

    frame = bench.frame(_PUBLISHED, [MEANS, SAMPLE])
    cells = frame.drop_duplicates("hash")[["hash", "vertices", "edge_bits", "ops"]].set_index("hash")
    columns = pd.MultiIndex.from_product([[MEANS, SAMPLE], EPOCHS])
    accuracy, time_s = (
        frame.pivot(index="hash", columns=["source", "epochs"], values=name)
        .reindex(index=cells.index, columns=columns)
        .to_numpy(np.float64)
        .reshape(len(cells), 2, len(EPOCHS))
        for name in ("validation_accuracy", "training_time_s")
    )
    apart = accuracy[:, 1] - accuracy[:, 0]
    if np.isnan(apart).all(axis=0).any():
        raise TooFewResults(
            f"no cell is in both {MEANS} and {SAMPLE} at every budget, so they have no common scale; "
            "restore the bundled figures"
        )
    offsets = np.nanmean(apart, axis=0)
    return Published(
        cells.index.to_numpy(),
        table_of(cells),
        np.where(np.isnan(accuracy[:, 0]), accuracy[:, 1] - offsets, accuracy[:, 0]),
        np.where(np.isnan(time_s[:, 0]), time_s[:, 1], time_s[:, 0]),
        np.isnan(accuracy[:, 0]).all(axis=1),
        offsets,
    )


@dataclass(frozen=True, eq=False)
class AccuracyModel:
    """Trained networks, and intervals calibrated on cells that none of them saw.

    Attributes:
        networks: from ``graph_network.graphs`` to the logarithms of the validation errors at the four budgets and of
            the training time of 108 epochs; their mean counts.
        laws: shape (4, 2), for each budget a and b of its time in s, a + b x that of 108 epochs.
        errors: for each budget the intervals of the log error, by its prediction.
        times: for each budget the intervals of the log time, by its prediction.
        worst: shape (4,), the largest log errors that were learned from: none is predicted to be larger.
        offsets: shape (4,), by how much the random sample lies above the scale of the predictions.
        cells: number of cells that it was fitted to, those for calibration included.
    """

    networks: tuple[GraphNetwork, ...]
    laws: Floats
    errors: tuple[Binned, ...]
    times: tuple[Binned, ...]
    worst: Floats
    offsets: Floats
    cells: int

    def predict(self, table: CellTable, epochs: int = LONGEST) -> pd.DataFrame:
        """Predict cells at one budget.

        Args:
            table: pruned cells.
            epochs: 4, 12, 36 or 108.

        Returns:
            One row a cell, in their order: ``validation_accuracy`` in [0, 1] on the scale of the mean of three
            trainings, ``low`` and ``high``, the 90 % interval of a training; ``training_time_s``, ``time_low`` and
            ``time_high``, the same for NAS-Bench-101's training time in s.

        Raises:
            UnknownEpochs: another budget.
        """
        check_epochs(epochs)
        return self.predict_all(table)[epochs]

    def predict_all(self, table: CellTable) -> dict[int, pd.DataFrame]:
        """Predict cells at all budgets at once; by budget what ``predict`` returns."""
        logs = _mean(self.networks, table)
        return {epochs: self._at(logs, place) for place, epochs in enumerate(EPOCHS)}

    def save(self, path: Path) -> Path:
        """Write it to a file, which is returned.

        Raises:
            UnwritableModel: the folder cannot be written to.
        """
        arrays: dict[str, npt.NDArray[Any]] = {name: getattr(self, name) for name in _ARRAYS}
        for member, network in enumerate(self.networks):
            arrays |= {f"network_{member}.{name}": values for name, values in network.parameters.items()}
        for name in ("errors", "times"):
            for epochs, bins in zip(EPOCHS, getattr(self, name), strict=True):
                arrays |= {f"{name}_{epochs}.{part}": getattr(bins, part) for part in ("edges", "low", "high")}
        facts = {"cells": self.cells, "members": len(self.networks)}
        return weights.save(path, KIND, _fingerprint(), arrays, facts)

    def _at(self, logs: Floats, place: int) -> pd.DataFrame:
        import pandas as pd

        error, time = np.minimum(logs[:, place], self.worst[place]), np.log(_times(logs[:, -1], self.laws[place]))
        (least_error, most_error), (least, most) = (
            self.errors[place].interval(error),
            self.times[place].interval(time),
        )
        return pd.DataFrame(
            {
                "validation_accuracy": 1 - np.exp(error),
                "low": 1 - np.exp(most_error).clip(max=1),
                "high": 1 - np.exp(least_error).clip(max=1),
                "training_time_s": np.exp(time),
                "time_low": np.exp(least),
                "time_high": np.exp(most),
            }
        )


def fit(
    bench: Benchmark,
    seed: int = 0,
    cells: Iterable[str] | None = None,
    members: int = MEMBERS,
    progress: Progress = None,
    cancel: Cancel = None,
) -> AccuracyModel:
    """Train the networks and calibrate their intervals.

    Args:
        bench: the benchmark.
        seed: of everything that is drawn; the same arguments give the same model.
        cells: hashes of the published cells to learn from; None stands for all.
        members: how many networks, at least 1.
        progress: given each epoch of each network, with its loss in standardised units.
        cancel: polled after each epoch.

    Raises:
        TooFewResults: fewer than 500 cells, or too few of them have an accuracy or a time at each budget.
        Cancelled: it was to stop.
        UnknownCell: nothing is published of some of the hashes.
    """
    found = published(bench)
    if cells is not None:
        wanted = set(cells)
        chosen = np.array([digest in wanted for digest in found.hashes])
        missing = sorted(wanted - set(found.hashes))
        if missing:
            raise UnknownCell(
                f"{len(missing)} of the hashes have no published accuracy, the first is {missing[0]!r}; leave them out"
            )
        found = found.take(np.flatnonzero(chosen))
    return fit_to(found, seed, members, progress=progress, cancel=cancel)


def fit_to(
    found: Published,
    seed: int = 0,
    members: int = MEMBERS,
    epochs: int = graph_network.EPOCHS,
    progress: Progress = None,
    cancel: Cancel = None,
) -> AccuracyModel:
    """Train on given results; see ``fit``.

    Args:
        found: the results.
        seed: of everything that is drawn.
        members: how many networks, at least 1.
        epochs: how often a network sees each cell.
        progress: given each epoch of each network.
        cancel: polled after each epoch.

    Raises:
        TooFewResults: fewer than 500 cells, or too few of them have an accuracy or a time at each budget.
        Cancelled: it was to stop.
    """
    if len(found.hashes) < FEWEST:
        raise TooFewResults(f"{len(found.hashes)} cells are too few to learn from; give at least {FEWEST}")
    order = np.random.default_rng(seed).permutation(len(found.hashes))
    kept = int(len(order) * CALIBRATION)
    calibrating, learning = found.take(np.sort(order[:kept])), found.take(np.sort(order[kept:]))
    judged = calibrating.sampled[:, None] & ~np.isnan(calibrating.accuracy)
    timed = ~np.isnan(calibrating.time_s)
    _check_calibrating(judged, "accuracy", len(found.hashes))
    _check_calibrating(timed, "training time", len(found.hashes))
    encoded = graphs(learning.table)
    targets = np.column_stack([np.log(1 - learning.accuracy), np.log(learning.time_s[:, -1])])
    networks = tuple(
        graph_network.train(
            encoded,
            targets,
            seed * members + member,
            f"network {member + 1} of {members}",
            epochs,
            progress,
            cancel,
        )
        for member in range(members)
    )
    laws = np.array([_law(learning.time_s[:, place], learning.time_s[:, -1]) for place in range(len(EPOCHS))])
    logs = _mean(networks, calibrating.table)
    errors, times = [], []
    for place in range(len(EPOCHS)):
        rows = judged[:, place]
        errors.append(conformal.binned(logs[rows, place], np.log(1 - calibrating.accuracy[rows, place]), BINS))
        rows = timed[:, place]
        predicted = np.log(_times(logs[rows, -1], laws[place]))
        times.append(conformal.binned(predicted, np.log(calibrating.time_s[rows, place]), BINS))
    return AccuracyModel(
        networks,
        laws,
        tuple(errors),
        tuple(times),
        np.nanmax(targets[:, : len(EPOCHS)], axis=0),
        found.offsets,
        len(found.hashes),
    )


def predict(
    bench: Benchmark, model: AccuracyModel, hashes: Iterable[str] | None = None, epochs: int = LONGEST
) -> pd.DataFrame:
    """Predict cells of NAS-Bench-101 at one budget.

    Args:
        bench: the benchmark.
        model: the model.
        hashes: in any order, repeats allowed; None stands for all 423,624 cells.
        epochs: 4, 12, 36 or 108.

    Returns:
        One row a hash, in the order given or by rising hash: ``hash`` and the columns of ``AccuracyModel.predict``.

    Raises:
        UnknownCell: no cell has one of the hashes.
        UnknownEpochs: another budget.
    """
    check_epochs(epochs)
    found, table = look_up(bench, hashes)
    frame = model.predict(table, epochs)
    frame.insert(0, "hash", found)
    return frame


def predictions(bench: Benchmark, model: AccuracyModel) -> pa.Table:
    """All cells at all budgets, rounded to what is known, as they are bundled.

    Args:
        bench: the benchmark.
        model: the model.

    Returns:
        One row a cell by rising hash: ``hash`` and the columns of ``schema.PREDICTED``: accuracies to 4 decimals, times
        in s to 4 digits, the bounds rounded outwards to as many.
    """
    hashes, table = look_up(bench)
    columns = [pa.array(hashes, pa.string())]
    for frame in model.predict_all(table).values():
        for name, values in frame.items():
            rounding = {"low": np.floor, "high": np.ceil}.get(str(name).rpartition("_")[2], np.round)
            decimals: Any = ACCURACY_DECIMALS
            if "time" in str(name):
                decimals = TIME_DIGITS - 1 - np.floor(np.log10(values.to_numpy()))
            scale = 10.0**decimals
            columns.append(pa.array(rounding(values.to_numpy() * scale) / scale))
    return pa.table(columns, ["hash", *PREDICTED.names]).cast(pa.schema([("hash", pa.string()), *PREDICTED]))


def load(path: Path) -> AccuracyModel:
    """Read a model that ``AccuracyModel.save`` wrote.

    Raises:
        UnreadableModel: the file is missing or damaged, or holds another kind of model.
        OtherFeatures: the features are computed otherwise now; fit the model again.
    """
    arrays, facts = weights.load(path, KIND, _fingerprint())
    parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, values in arrays.items():
        owner, _, part = name.rpartition(".")
        parts.setdefault(owner, {})[part] = values
    errors, times = (tuple(Binned(**parts[f"{name}_{epochs}"]) for epochs in EPOCHS) for name in ("errors", "times"))
    networks = tuple(GraphNetwork(parts[f"network_{member}"]) for member in range(facts["members"]))
    return AccuracyModel(
        networks=networks, errors=errors, times=times, cells=facts["cells"], **{name: arrays[name] for name in _ARRAYS}
    )


def _check_calibrating(known: Flags, name: str, cells: int) -> None:
    """Raise before anything is trained if the intervals could not be calibrated; known has one column a budget."""
    for epochs, count in zip(EPOCHS, known.sum(axis=0).tolist(), strict=True):
        if count < conformal.fewest():
            raise TooFewResults(
                f"{cells} cells are too few to learn from: of the tenth that calibrates, the {name} at {epochs} epochs "
                f"is published for {count}, and {conformal.fewest()} are needed; give more cells"
            )


def _mean(networks: tuple[GraphNetwork, ...], table: CellTable) -> Floats:
    """The mean of the networks' targets, shape (cells, 5), computed in parts that fit into little memory."""
    parts = []
    for rows in np.array_split(np.arange(len(table)), len(table) // _ROWS_AT_ONCE + 1):
        encoded = graphs(take(table, rows))
        parts.append(np.mean([network.predict(encoded) for network in networks], axis=0))
    return np.concatenate(parts)


def _times(log_longest: Floats, law: Floats) -> Floats:
    times: Floats = law[0] + law[1] * np.exp(log_longest)
    return times


def _law(times: Floats, longest: Floats) -> Floats:
    """The a and b, neither negative, for which a + b x longest comes nearest to the times, in relative terms."""
    from scipy.optimize import nnls

    known = ~(np.isnan(times) | np.isnan(longest))
    design = np.column_stack([np.ones(known.sum()), longest[known]]) / times[known, None]
    law: Floats = nnls(design, np.ones(known.sum()))[0]
    return law


@cache
def _fingerprint() -> str:
    cells = graphs(enumerate_cells("5V"))
    return weights.fingerprint({"nodes": cells.nodes, "edges": cells.edges, "whole": cells.whole})
