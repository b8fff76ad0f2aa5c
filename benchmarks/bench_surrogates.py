"""Energy, accuracy and time of cells that were held out, and how long fitting and predicting all cells take."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pyarrow as pa

from ecnas_core import Benchmark
from ecnas_core.benchmark.build import write_parquet
from ecnas_core.surrogates import accuracy, energy, evaluate

Answer = TypeVar("Answer")

CURVE = (500, 1000, 2000, 2800)


def run() -> list[dict[str, Any]]:
    """Measure.

    Returns:
        One row a figure: name, value, unit, limit, peer and ratio, value to peer or else to limit. Energies are means
        over five random fifths of the measured cells, the peer of the best model is the paper's network; its learning
        curve is over ten initialisations. Accuracies and times are of one random fifth of the published cells, on the
        scale of the mean of three trainings. Coverage is off by how many points the 90 % interval misses 90. Seconds
        are of processor time, so that two cores take half of it at best.
    """
    bench = Benchmark.open()
    return [*_of_energy(bench), *_of_curve(bench), *_of_accuracy(bench), *_of_all_cells(bench)]


def _of_energy(bench: Benchmark) -> list[dict[str, Any]]:
    paper, best = (evaluate.energy_figures(bench, model).mean() for model in ("paper", "best"))
    return [
        _row("energy, the paper's network, 1 - tau", 1 - paper["tau"], "", 0.051),
        _row("energy, the paper's network, 1 - tau squared", 1 - paper["tau_squared"], "", 1 - 0.9030),
        _row("energy, best model, 1 - tau", 1 - best["tau"], "", 0.043, 1 - paper["tau"]),
        _row("energy, best model, mean absolute error", best["mae"], "Wh", 0.27, paper["mae"]),
        _row("energy, best model, median width of the interval", best["width"], "Wh", 1.2, paper["width"]),
        _row("energy, best model, coverage off", 100 * abs(best["coverage"] - 0.9), "points", 3.0),
    ]


def _of_curve(bench: Benchmark) -> list[dict[str, Any]]:
    curve = evaluate.learning_curve(bench, "paper", CURVE).groupby("cells")["mae"].mean()
    return [
        _row(f"energy, the paper's network by {cells} cells, mean absolute error", error, "Wh", limit)
        for (cells, error), limit in zip(curve.items(), (1.0, 0.7, 0.5, 0.45), strict=True)
    ]


def _of_accuracy(bench: Benchmark) -> list[dict[str, Any]]:
    found = evaluate.accuracy_figures(evaluate.accuracy_held_out(bench))
    at = found[found["epochs"] == accuracy.LONGEST].set_index(["quantity", "cells"])
    every, largest = (at.loc[("validation_accuracy", group)] for group in ("all", "7 vertices"))
    timed = at.loc[("training_time_s", "all")]
    return [
        _row("accuracy at 108 epochs, 1 - tau", 1 - every["tau"], "", 0.115),
        _row("accuracy at 108 epochs, 7 vertices, 1 - tau", 1 - largest["tau"], "", 0.12),
        _row("accuracy at 108 epochs, median error", every["median_error"], "", 0.0023),
        _row("accuracy at 108 epochs, mean error (failed trainings)", every["mae"], "", 0.006),
        _row("accuracy at 108 epochs, coverage off", 100 * abs(every["coverage"] - 0.9), "points", 2.0),
        _row("accuracy at 108 epochs, median width of the interval", every["width"], "", 0.0125),
        _row("training time of 108 epochs, 1 - tau", 1 - timed["tau"], "", 0.025),
        _row("training time of 108 epochs, median error", 100 * timed["median_relative_error"], "%", 1.0),
    ]


def _of_all_cells(bench: Benchmark) -> list[dict[str, Any]]:
    best, fitting = _timed(lambda: energy.fit(bench))
    _, predicting = _timed(lambda: energy.predict(bench, best))
    _, paper = _timed(lambda: energy.fit(bench, "paper"))
    networks, training = _timed(lambda: accuracy.fit(bench))
    predicted, all_cells = _timed(lambda: accuracy.predictions(bench, networks))
    return [
        _row("energy, fit of the best model", fitting, "CPU s", 15.0),
        _row("energy, fit of the paper's network", paper, "CPU s", 30.0),
        _row("energy, all cells predicted", predicting, "CPU s", 5.0),
        _row("accuracy and time, fit", training, "CPU s", 600.0),
        _row("accuracy and time, all cells at all budgets predicted", all_cells, "CPU s", 300.0),
        _row("accuracy and time, predictions stored, hashes left out", _megabytes(predicted), "MB", 25.0),
    ]


def _megabytes(predicted: pa.Table) -> float:
    with TemporaryDirectory() as folder:
        path = write_parquet(predicted.drop_columns(["hash"]), Path(folder) / "predictions.parquet")
        return path.stat().st_size / 1e6


def _timed(work: Callable[[], Answer]) -> tuple[Answer, float]:
    started = time.process_time()
    return work(), time.process_time() - started


def _row(name: str, value: float, unit: str, limit: float, peer: float | None = None) -> dict[str, Any]:
    value = float(value)
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "limit": limit,
        "peer": None if peer is None else float(peer),
        "ratio": value / float(peer or limit),
    }


if __name__ == "__main__":
    for figure in run():
        print(figure)
