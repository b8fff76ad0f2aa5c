"""One surrogate trained and judged: what a page starts, what is bundled, what the command line tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
import numpy as np

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates import accuracy, energy, evaluate, importance
from ecnas_core.surrogates.accuracy import AccuracyModel
from ecnas_core.surrogates.energy import EnergyModel
from ecnas_core.surrogates.lookup import look_up
from ecnas_core.surrogates.training import Cancel, Progress

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["energy", "accuracy"]
Quantity = Literal["energy_kwh", "validation_accuracy", "training_time_s"]

KINDS: tuple[Kind, ...] = get_args(Kind)
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
MOST_MEMBERS = accuracy.MEMBERS
FEWEST_WITH_TIMES = 8_000
"""Cells that an accuracy model needs: of so many 4 % have times at all budgets, enough to calibrate their intervals."""
_CELLS_ASKED = 2000
"""Held-out cells by which importances are told; more cost time and change little."""
_ACCURACY_REPEATS = 3
_WH = 1000


class InvalidExperiment(EcnasError):
    """A training is asked for that cannot be."""


class Experiment(msgspec.Struct, frozen=True, tag_field="task", tag="experiment"):
    """What is trained and how.

    Attributes:
        kind: energy or accuracy.
        model: best or paper; of accuracy there is best alone.
        seed: of the split, of the cells drawn and of the model.
        cells: how many of the cells that are not held out it learns from; None stands for all of them.
        members: networks of an accuracy model, 1 to 5.
    """

    kind: Kind = "energy"
    model: energy.Model = "best"
    seed: int = 0
    cells: int | None = None
    members: int = MOST_MEMBERS

    def __post_init__(self) -> None:
        """Hold that it can be.

        Raises:
            InvalidExperiment: it cannot.
            UnknownModel: there is no such energy model.
        """
        energy.check_model(self.model)
        if self.kind not in KINDS:
            raise InvalidExperiment(f"there is no surrogate of {self.kind!r}; take one of {', '.join(KINDS)}")
        if self.kind == "accuracy" and self.model != "best":
            raise InvalidExperiment("the paper has no model of accuracy; take the model best")
        if self.cells is not None and self.cells < self.fewest:
            raise InvalidExperiment(f"{self.cells} cells are too few to learn from; give at least {self.fewest}")
        if not 1 <= self.members <= MOST_MEMBERS:
            raise InvalidExperiment(f"{self.members} networks cannot be trained; take 1 to {MOST_MEMBERS}")
        if self.seed < 0:
            raise InvalidExperiment(f"a seed is not negative as {self.seed} is; take 0 or more")

    @property
    def fewest(self) -> int:
        """The least number of cells that it can learn from."""
        return energy.FEWEST if self.kind == "energy" else FEWEST_WITH_TIMES


@dataclass(frozen=True, eq=False)
class Outcome:
    """A trained model and how well it does.

    Attributes:
        model: trained without the cells that were held out.
        learned: number of cells that it learned from.
        held_out: one row a held-out cell, quantity and budget: ``quantity`` (energy_kwh at 4 epochs,
            validation_accuracy, training_time_s), ``hash``, ``vertices``, ``epochs``, ``sampled`` (False where the
            accuracy is of a cell that a search chose), ``value``, ``predicted``, ``low``, ``high``.
        importance: as ``importance.of_columns``, with ``level``: cell (its parts) or input (what the model is given).
            Of energies in kWh, of accuracies at 108 epochs.
    """

    model: EnergyModel | AccuracyModel
    learned: int
    held_out: pd.DataFrame
    importance: pd.DataFrame


def run_experiment(bench: Benchmark, wanted: Experiment, progress: Progress = None, cancel: Cancel = None) -> Outcome:
    """Hold a random fifth of the known cells out, train on others, predict the fifth.

    Args:
        bench: the benchmark.
        wanted: what is trained.
        progress: as ``energy.fit`` and ``accuracy.fit`` report it.
        cancel: polled as there.

    Raises:
        InvalidExperiment: more cells are asked for than there are.
        Cancelled: it was to stop.
    """
    known = _known(bench, wanted.kind)
    learned, judged = evaluate.split(len(known), wanted.seed)
    if wanted.cells is not None:
        if wanted.cells > len(learned):
            raise InvalidExperiment(
                f"{wanted.cells} cells are more than the {len(learned)} to learn from; ask for fewer"
            )
        learned = np.sort(np.random.default_rng(wanted.seed).permutation(learned)[: wanted.cells])
    if wanted.kind == "energy":
        fitted = energy.fit(bench, wanted.model, wanted.seed, known[learned], progress, cancel)
        return Outcome(fitted, len(learned), *_energy(bench, fitted, known[judged], wanted.seed))
    networks = accuracy.fit(bench, wanted.seed, known[learned], wanted.members, progress, cancel)
    return Outcome(networks, len(learned), *_accuracy(bench, networks, judged, wanted.seed))


def to_learn_from(bench: Benchmark, kind: Kind) -> int:
    """How many cells a model can learn from, those held out left aside."""
    known = len(_known(bench, kind))
    return known - int(known * evaluate.HELD_OUT)


def figures(held_out: pd.DataFrame) -> pd.DataFrame:
    """Judge predictions.

    Args:
        held_out: as ``Outcome`` has it.

    Returns:
        One row a quantity, budget and group of cells (``cells``: all or 7 vertices): ``judged`` and what
        ``evaluate.figures`` says. Energies in Wh. Accuracies are judged on the random sample alone.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for (quantity, epochs), found in held_out.groupby(["quantity", "epochs"], sort=False):
        fair = found[found["sampled"]] if quantity == "validation_accuracy" else found
        for group, chosen in (("all", fair), ("7 vertices", fair[fair["vertices"] == 7])):
            if len(chosen) > 1:
                told = chosen[["value", "predicted", "low", "high"]].to_numpy(np.float64)
                told = told * (_WH if quantity == "energy_kwh" else 1)
                rows.append(
                    {"quantity": quantity, "epochs": epochs, "cells": group, "judged": len(chosen)}
                    | evaluate.figures(*told.T)
                )
    return pd.DataFrame(rows)


def with_operations(bench: Benchmark, held_out: pd.DataFrame) -> pd.DataFrame:
    """Predictions with the number of each operation in the cell: ``n_conv3x3``, ``n_conv1x1``, ``n_maxpool3x3``.

    Args:
        bench: the benchmark.
        held_out: with ``hash``.
    """
    counts = bench.frame(
        "select hash, n_conv3x3, n_conv1x1, n_maxpool3x3 from cells where hash in (select unnest(?))",
        [held_out["hash"].unique().tolist()],
    )
    return held_out.merge(counts, on="hash", how="left")


def _known(bench: Benchmark, kind: Kind) -> Any:
    return energy.measured(bench)["hash"].to_numpy() if kind == "energy" else accuracy.published(bench).hashes


def _energy(bench: Benchmark, model: EnergyModel, hashes: Any, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = energy.measured(bench, hashes)
    _, table = look_up(bench, rows["hash"])
    values = rows["energy_kwh"].to_numpy(np.float64)
    held_out = rows[["hash", "vertices"]].assign(quantity="energy_kwh", epochs=energy.EPOCHS, sampled=True)
    held_out = held_out.assign(value=values).join(model.predict(table).rename(columns={"energy_kwh": "predicted"}))
    by_cell = importance.of_cells(
        lambda cells: model.predict(cells)["energy_kwh"].to_numpy(np.float64), table, values, seed
    )
    return held_out, _levels(by_cell, importance.of_inputs(model, table, values, seed))


def _accuracy(bench: Benchmark, model: AccuracyModel, judged: Any, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    unseen = accuracy.published(bench).take(judged)
    parts = []
    for place, (epochs, predicted) in enumerate(model.predict_all(unseen.table).items()):
        about = {"hash": unseen.hashes, "vertices": unseen.table.vertices, "epochs": epochs}
        for quantity, value, columns in (
            ("validation_accuracy", unseen.accuracy[:, place], ["validation_accuracy", "low", "high"]),
            ("training_time_s", unseen.time_s[:, place], ["training_time_s", "time_low", "time_high"]),
        ):
            told = predicted[columns].set_axis(["predicted", "low", "high"], axis=1)
            own = {"quantity": quantity, "sampled": unseen.sampled, "value": value}
            parts.append(pd.DataFrame({**about, **own}).join(told))
    held_out = pd.concat(parts, ignore_index=True).dropna(subset="value", ignore_index=True)
    longest = unseen.accuracy[:, EPOCHS.index(accuracy.LONGEST)]
    asked = np.flatnonzero(unseen.sampled & ~np.isnan(longest))[:_CELLS_ASKED]
    some = unseen.take(asked)
    by_cell = importance.of_cells(
        lambda cells: model.predict(cells)["validation_accuracy"].to_numpy(np.float64),
        some.table,
        longest[asked],
        seed,
        _ACCURACY_REPEATS,
    )
    return held_out, _levels(by_cell)


def _levels(by_cell: pd.DataFrame, by_input: pd.DataFrame | None = None) -> pd.DataFrame:
    import pandas as pd

    parts = [by_cell.assign(level="cell")]
    if by_input is not None:
        parts.append(by_input.assign(level="input"))
    return pd.concat(parts, ignore_index=True)
