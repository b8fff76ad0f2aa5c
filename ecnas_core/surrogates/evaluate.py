"""How well the surrogates predict cells that they have not seen: held out at random, several times over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.surrogates import accuracy, energy
from ecnas_core.surrogates.lookup import table_of, take
from ecnas_core.surrogates.training import Cancel, Progress, TooFewResults

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

SEEDS = range(5)
HELD_OUT = 0.2
INITIALISATIONS = 10
SIZES = (250, 500, 1000, 1500, 2000, 2800)
_WH = 1000


def split(n: int, seed: int, held_out: float = HELD_OUT) -> tuple[Places, Places]:
    """Places to learn from and places to judge by, drawn at random; every place is in one of both.

    Args:
        n: how many there are.
        seed: of the draw.
        held_out: which share is judged.
    """
    order = np.random.default_rng(seed).permutation(n)
    judged = int(n * held_out)
    return np.sort(order[judged:]), np.sort(order[:judged])


def figures(values: Floats, predicted: Floats, low: Floats, high: Floats) -> dict[str, float]:
    """What is said of predictions.

    Args:
        values: shape (n,), positive, what was found.
        predicted: shape (n,).
        low: shape (n,), lower bounds of the 90 % intervals.
        high: shape (n,), upper bounds.

    Returns:
        ``tau`` (Kendall's tau-b) and ``tau_squared`` (which the paper prints under the name of tau), ``mae`` and
        ``median_error`` (absolute, in the unit given), ``median_relative_error``, ``bias`` (mean of predicted less
        found), ``coverage`` (share of the values within their interval), ``width`` (median of the intervals').
    """
    from scipy.stats import kendalltau

    tau = float(kendalltau(values, predicted).statistic)
    errors = np.abs(predicted - values)
    return {
        "tau": tau,
        "tau_squared": tau**2,
        "mae": float(errors.mean()),
        "median_error": float(np.median(errors)),
        "median_relative_error": float(np.median(errors / values)),
        "bias": float((predicted - values).mean()),
        "coverage": float(((low <= values) & (values <= high)).mean()),
        "width": float(np.median(high - low)),
    }


def energy_held_out(
    bench: Benchmark,
    model: energy.Model = "best",
    seed: int = 0,
    progress: Progress = None,
    cancel: Cancel = None,
) -> pd.DataFrame:
    """Predict a fifth of the measured cells by a model that learned from the others.

    Args:
        bench: the benchmark.
        model: best or paper.
        seed: of the split and of the model.
        progress: as ``energy.fit`` reports it.
        cancel: polled as there.

    Returns:
        One row a cell that was held out: ``hash``, ``vertices``, ``energy_kwh`` (measured), ``predicted``, ``low`` and
        ``high`` in kWh.

    Raises:
        TooFewResults, Cancelled, UnknownModel: as ``energy.fit``.
    """
    found = energy.measured(bench)
    learned, judged = split(len(found), seed)
    hashes = found["hash"].to_numpy()
    fitted = energy.fit(bench, model, seed, hashes[learned], progress, cancel)
    rows = found.iloc[judged].reset_index(drop=True)
    predicted = fitted.predict(table_of(rows)).rename(columns={"energy_kwh": "predicted"})
    return rows[["hash", "vertices", "energy_kwh"]].join(predicted)


def energy_figures(
    bench: Benchmark,
    model: energy.Model = "best",
    seeds: Iterable[int] = SEEDS,
    progress: Progress = None,
    cancel: Cancel = None,
) -> pd.DataFrame:
    """Judge an energy model on random fifths of the measured cells.

    Args:
        bench: the benchmark.
        model: best or paper.
        seeds: one a split.
        progress: as ``energy.fit`` reports it.
        cancel: polled as there.

    Returns:
        One row a seed: ``seed``, ``judged`` (cells) and ``figures``, in Wh.

    Raises:
        TooFewResults, Cancelled, UnknownModel: as ``energy.fit``.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for seed in seeds:
        found = energy_held_out(bench, model, seed, progress, cancel)
        columns = [found[name].to_numpy() * _WH for name in ("energy_kwh", "predicted", "low", "high")]
        rows.append({"seed": seed, "judged": len(found), **figures(*columns)})
    return pd.DataFrame(rows)


def learning_curve(
    bench: Benchmark,
    model: energy.Model = "paper",
    sizes: Iterable[int] = SIZES,
    initialisations: int = INITIALISATIONS,
    progress: Progress = None,
    cancel: Cancel = None,
) -> pd.DataFrame:
    """Error against the number of cells learned from, as in Figure 1: on one fixed fifth of the measured cells.

    Args:
        bench: the benchmark.
        model: best or paper.
        sizes: numbers of cells; of these the paper's network keeps an eighth for validation.
        initialisations: for each, other cells and another seed.
        progress: as ``energy.fit`` reports it; the networks of one size are trained side by side.
        cancel: polled as there.

    Returns:
        One row a size and initialisation: ``cells``, ``initialisation``, ``tau``, ``mae`` (Wh).

    Raises:
        TooFewResults: a size is less than 80 or more than there are cells to learn from.
        Cancelled, UnknownModel: as ``energy.fit``.
    """
    import pandas as pd

    energy.check_model(model)
    found = energy.measured(bench)
    table = table_of(found)
    values = found["energy_kwh"].to_numpy(np.float64)
    learned, judged = split(len(found), seed=0)
    unseen = take(table, judged)
    rows = []
    for size in sizes:
        if not energy.FEWEST <= size <= len(learned):
            raise TooFewResults(f"{size} cells cannot be learned from; take {energy.FEWEST} to {len(learned)}")
        drawn = [np.random.default_rng(seed).permutation(learned)[:size] for seed in range(initialisations)]
        models: list[energy.EnergyModel]
        if model == "paper":
            models = [*energy.paper_curve(table, values, np.array(drawn), progress, cancel)]
        else:
            models = [
                energy.fit_to(take(table, places), values[places], model, seed, progress, cancel)
                for seed, places in enumerate(drawn)
            ]
        for number, fitted in enumerate(models):
            judgement = figures(values[judged] * _WH, *(fitted.predict(unseen).to_numpy().T * _WH))
            rows.append({"cells": size, "initialisation": number, "tau": judgement["tau"], "mae": judgement["mae"]})
    return pd.DataFrame(rows)


def accuracy_held_out(
    bench: Benchmark,
    seed: int = 0,
    members: int = accuracy.MEMBERS,
    progress: Progress = None,
    cancel: Cancel = None,
) -> pd.DataFrame:
    """Predict a fifth of the cells with published accuracies by networks that learned from the others.

    Args:
        bench: the benchmark.
        seed: of the split and of the networks.
        members: how many networks.
        progress: as ``accuracy.fit`` reports it.
        cancel: polled as there.

    Returns:
        One row a cell that was held out and budget: ``hash``, ``vertices``, ``epochs``, ``sampled`` (whether it is of
        the random sample), ``validation_accuracy`` (published, on the scale of the mean of three trainings),
        ``predicted``, ``low``, ``high``; ``training_time_s``, ``time_predicted``, ``time_low``, ``time_high``; what is
        not published is NaN.

    Raises:
        TooFewResults, Cancelled: as ``accuracy.fit``.
    """
    import pandas as pd

    found = accuracy.published(bench)
    learned, judged = split(len(found.hashes), seed)
    fitted = accuracy.fit(bench, seed, found.hashes[learned], members, progress, cancel)
    unseen = found.take(judged)
    renamed = {"validation_accuracy": "predicted", "training_time_s": "time_predicted"}
    parts = []
    for place, (epochs, predicted) in enumerate(fitted.predict_all(unseen.table).items()):
        rows = {
            "hash": unseen.hashes,
            "vertices": unseen.table.vertices,
            "epochs": epochs,
            "sampled": unseen.sampled,
            "validation_accuracy": unseen.accuracy[:, place],
            "training_time_s": unseen.time_s[:, place],
        }
        parts.append(pd.DataFrame(rows).join(predicted.rename(columns=renamed)))
    return pd.concat(parts, ignore_index=True)


def accuracy_figures(held_out: pd.DataFrame) -> pd.DataFrame:
    """Judge predictions of accuracy and time.

    Args:
        held_out: as ``accuracy_held_out`` makes it, of one split or several.

    Returns:
        One row a budget, quantity and group of cells: ``epochs``, ``quantity`` (validation_accuracy in [0, 1], or
        training_time_s), ``cells`` (all or 7 vertices), ``judged`` and ``figures``. Accuracies are judged on the random
        sample alone, as the other source is chosen by searches; times on both.
    """
    import pandas as pd

    columns = {
        "validation_accuracy": ["validation_accuracy", "predicted", "low", "high"],
        "training_time_s": ["training_time_s", "time_predicted", "time_low", "time_high"],
    }
    rows: list[dict[str, Any]] = []
    for quantity, names in columns.items():
        fair = held_out["sampled"] | (quantity != "validation_accuracy")
        for epochs in EPOCHS:
            for group, chosen in (("all", True), ("7 vertices", held_out["vertices"] == 7)):
                known = held_out[fair & chosen & (held_out["epochs"] == epochs)][names].dropna()
                if len(known) > 1:
                    judgement = figures(*known.to_numpy(np.float64).T)
                    rows.append(
                        {"epochs": epochs, "quantity": quantity, "cells": group, "judged": len(known), **judgement}
                    )
    return pd.DataFrame(rows)
