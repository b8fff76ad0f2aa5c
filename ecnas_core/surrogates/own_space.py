"""The models of the energy surrogate for a search space of your own: columns of a table in, one target out.

``best`` is the exact Gaussian process, of the target's logarithm where every value is positive; ``paper`` the network
of EC-NAS (section 2.1) on standardised columns. Both have a 90 % conformal interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import conformal, energy, evaluate, importance, matern_process, multilayer_perceptron
from ecnas_core.surrogates import weights as files
from ecnas_core.surrogates.matern_process import MaternProcess
from ecnas_core.surrogates.multilayer_perceptron import Perceptron
from ecnas_core.surrogates.own_table import Encoder, Prepared, Spec, UnusableTable, prepare
from ecnas_core.surrogates.training import Cancel, Progress

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

KIND: Final = "own space"
MOST_ROWS: Final[dict[energy.Model, int]] = {"best": 3_000, "paper": 20_000}
"""What a model learns from at most: drawn at random from more."""
FEWEST_CALIBRATING: Final = 9
CURVE: Final = (0.125, 0.25, 0.5, 1.0)
DRAWS: Final = 3
FEWEST_IN_CURVE: Final = 30
_FEATURES: Final = "columns, texts as levels"


@dataclass(frozen=True, eq=False)
class OwnModel:
    """A trained model.

    Attributes:
        spec: what it learned.
        encoder: how columns become inputs.
        learner: the process or the network.
        centre: shape (d,), taken off the inputs; 0 for the process.
        scale: shape (d,), by which they are divided; 1 for the process.
        middle: of the target, which the network's output is brought back to.
        spread: likewise.
        logarithm: whether the target's logarithm was learned.
        width: half the interval: of ``best`` in predicted standard deviations, of ``paper`` in the target's unit.
        rows: number of rows that it learned from.
    """

    spec: Spec
    encoder: Encoder
    learner: MaternProcess | Perceptron
    centre: Floats
    scale: Floats
    middle: float
    spread: float
    logarithm: bool
    width: float
    rows: int

    @property
    def name(self) -> energy.Model:
        """Best or paper."""
        return "best" if isinstance(self.learner, MaternProcess) else "paper"

    def predict(self, table: pa.Table) -> pd.DataFrame:
        """Predict rows of a table with the features' columns.

        Returns:
            One row a row: ``predicted``, ``low`` and ``high``, the 90 % interval of a new value.

        Raises:
            UnusableTable: a column is missing, of another kind, without a value, or has an unknown level.
        """
        return self.answer(self.encoder.encode(table))

    def answer(self, inputs: Floats) -> pd.DataFrame:
        """As ``predict``, for encoded inputs of shape (n, d)."""
        import pandas as pd

        middle, half = _raw(self, inputs)
        found = {"predicted": middle, "low": middle - half, "high": middle + half}
        return pd.DataFrame({name: np.exp(values) if self.logarithm else values for name, values in found.items()})

    def expect(self, inputs: Floats) -> Floats:
        """What ``answer`` predicts of encoded inputs, without the intervals, which take longest."""
        middle = _middle(self, inputs)
        return np.asarray(np.exp(middle)) if self.logarithm else middle

    def save(self, path: Path) -> Path:
        """Write it to a file, which is returned.

        Raises:
            UnwritableModel: the folder cannot be written to.
        """
        arrays: dict[str, npt.NDArray[Any]] = {"centre": self.centre, "scale": self.scale}
        if isinstance(self.learner, MaternProcess):
            arrays |= self.learner.to_arrays()
        else:
            for number, (weight, bias) in enumerate(self.learner.layers):
                arrays |= {f"weight_{number}": weight, f"bias_{number}": bias}
        facts = {name: getattr(self, name) for name in ("name", "middle", "spread", "logarithm", "width", "rows")}
        spec = {"target": self.spec.target, "unit": self.spec.unit, "levels": list(self.encoder.levels.items())}
        return files.save(path, KIND, _FEATURES, arrays, facts | spec)


@dataclass(frozen=True, eq=False)
class OwnOutcome:
    """A trained model and how well it does.

    Attributes:
        model: trained without the rows that were held out.
        notes: what was left out or drawn, in plain sentences.
        held_out: ``row`` (of the table, from 0), ``value``, ``predicted``, ``low``, ``high``.
        importance: as ``importance.of_columns``.
        curve: ``cells`` (rows learned from), ``initialisation``, ``tau``, ``mae``.
    """

    model: OwnModel
    notes: tuple[str, ...]
    held_out: pd.DataFrame
    importance: pd.DataFrame
    curve: pd.DataFrame


def train(
    table: pa.Table,
    spec: Spec,
    model: energy.Model = "best",
    seed: int = 0,
    progress: Progress = None,
    cancel: Cancel = None,
) -> OwnOutcome:
    """Hold a random fifth of the rows out, learn from the others, judge by the fifth; then the learning curve.

    Args:
        table: rows of the space.
        spec: target and features.
        model: best or paper.
        seed: of the split, of the rows drawn and of the model.
        progress: given each step or epoch of each fit.
        cancel: polled after each of these.

    Raises:
        UnusableTable: the table cannot be learned from as chosen.
        Cancelled: it was to stop.
        UnknownModel: another model.
    """
    energy.check_model(model)
    found = prepare(table, spec)
    notes = []
    if found.left_out:
        notes.append(f"{found.left_out} rows have no value in a chosen column and are left out.")
    learned, judged = evaluate.split(len(found.rows), seed)
    judged = judged[: MOST_ROWS["best"]]
    if len(learned) > MOST_ROWS[model]:
        notes.append(f"Of {len(learned)} rows {MOST_ROWS[model]} are learned from, drawn at random.")
        learned = np.random.default_rng(seed).permutation(learned)[: MOST_ROWS[model]]
    fitted = fit(found, spec, learned, model, seed, "the model", progress, cancel)
    predicted = fitted.answer(found.inputs[judged])
    predicted.insert(0, "row", found.rows[judged])
    predicted.insert(1, "value", found.values[judged])

    def expected(inputs: Floats) -> Floats:
        _stop_if(cancel)
        return fitted.expect(inputs)

    matters = importance.of_columns(
        expected,
        found.inputs[judged],
        found.values[judged],
        found.encoder.columns,
        seed,
    )
    curve = _curve(found, spec, learned, judged, model, progress, cancel)
    return OwnOutcome(fitted, tuple(notes), predicted, matters, curve)


def fit(
    found: Prepared,
    spec: Spec,
    rows: npt.NDArray[np.int64],
    model: energy.Model,
    seed: int,
    part: str = "the model",
    progress: Progress = None,
    cancel: Cancel = None,
) -> OwnModel:
    """Train on some of the prepared rows.

    Args:
        found: the rows.
        spec: what they are of.
        rows: places among them.
        model: best or paper.
        seed: of everything that is drawn.
        part: what is trained, for ``progress``.
        progress: given each step or epoch.
        cancel: polled after each of these.

    Raises:
        UnusableTable: the target is the same in all of these rows.
        Cancelled: it was to stop.
    """
    rows = np.random.default_rng(seed).permutation(rows)
    inputs, values = found.inputs[rows], found.values[rows]
    if values.min() == values.max():
        raise UnusableTable(
            f"the target is {values[0]:g} in all {len(rows)} rows that are learned from; give rows that differ, or "
            "take another seed"
        )
    if model == "best":
        logarithm = bool((found.values > 0).all())
        targets = np.log(values) if logarithm else values
        process = matern_process.fit(inputs, targets, seed, part, progress, cancel)
        width = conformal.quantile(_unseen_errors(process, inputs, targets, cancel))
        none = np.zeros(inputs.shape[1])
        return OwnModel(spec, found.encoder, process, none, none + 1, 0.0, 1.0, logarithm, width, len(rows))
    centre, spread = inputs.mean(axis=0), inputs.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    middle, wide = float(values.mean()), float(values.std()) or 1.0
    kept = max(len(rows) // energy.PAPER_VALIDATION, FEWEST_CALIBRATING)
    standard = (inputs - centre) / scale
    [network] = multilayer_perceptron.train(
        standard[None, kept:], ((values[kept:] - middle) / wide)[None], [seed], part, progress, cancel
    )
    errors = np.abs(values[:kept] - (network.predict(standard[:kept]) * wide + middle))
    width = conformal.quantile(errors)
    return OwnModel(spec, found.encoder, network, centre, scale, middle, wide, False, width, len(rows))


def figures(held_out: pd.DataFrame) -> dict[str, float]:
    """As ``evaluate.figures``; without ``median_relative_error`` where a value is not positive.

    Args:
        held_out: as ``OwnOutcome`` has it.
    """
    told = held_out[["value", "predicted", "low", "high"]].to_numpy(np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        found = evaluate.figures(*told)
    if (told[0] <= 0).any():
        del found["median_relative_error"]
    return found


def load(path: Path) -> OwnModel:
    """Read a model that ``OwnModel.save`` wrote.

    Raises:
        UnreadableModel: the file is missing or damaged, or holds another kind of model.
        OtherFeatures: it is of another version of this project.
    """
    arrays, facts = files.load(path, KIND, _FEATURES)
    encoder = Encoder({name: tuple(levels) for name, levels in facts["levels"]})
    learner: MaternProcess | Perceptron
    if facts["name"] == "best":
        learner = MaternProcess.from_arrays(arrays)
    else:
        count = sum(name.startswith("weight_") for name in arrays)
        learner = Perceptron(tuple((arrays[f"weight_{n}"], arrays[f"bias_{n}"]) for n in range(count)))
    return OwnModel(
        Spec(facts["target"], tuple(encoder.levels), facts["unit"]),
        encoder,
        learner,
        arrays["centre"],
        arrays["scale"],
        facts["middle"],
        facts["spread"],
        facts["logarithm"],
        facts["width"],
        facts["rows"],
    )


def _raw(model: OwnModel, inputs: Floats) -> tuple[Floats, Floats]:
    """The middle and half the width of the intervals, of the target or its logarithm."""
    if isinstance(model.learner, MaternProcess):
        middle, deviation = model.learner.predict(inputs)
        return middle, model.width * deviation
    return _middle(model, inputs), np.full(len(inputs), model.width)


def _middle(model: OwnModel, inputs: Floats) -> Floats:
    if isinstance(model.learner, MaternProcess):
        return model.learner.middle(inputs)
    return model.learner.predict((inputs - model.centre) / model.scale) * model.spread + model.middle


def _stop_if(cancel: Cancel) -> None:
    if cancel is not None and cancel():
        raise Cancelled("the training was stopped; start it again")


def _unseen_errors(process: MaternProcess, inputs: Floats, targets: Floats, cancel: Cancel) -> Floats:
    """In predicted deviations, each row predicted without the tenth of the rows that it is in."""
    errors = np.empty(len(targets))
    places = np.arange(len(targets))
    for fold in range(energy.FOLDS):
        _stop_if(cancel)
        unseen = places % energy.FOLDS == fold
        middle, deviation = process.condition_on(inputs[~unseen], targets[~unseen]).predict(inputs[unseen])
        errors[unseen] = np.abs(targets[unseen] - middle) / deviation
    return errors


def _curve(
    found: Prepared,
    spec: Spec,
    learned: npt.NDArray[np.int64],
    judged: npt.NDArray[np.int64],
    model: energy.Model,
    progress: Progress,
    cancel: Cancel,
) -> pd.DataFrame:
    import pandas as pd

    sizes = sorted({int(len(learned) * share) for share in CURVE if int(len(learned) * share) >= FEWEST_IN_CURVE})
    rows: list[dict[str, Any]] = []
    for size in sizes:
        for draw in range(DRAWS):
            some = np.random.default_rng(draw).permutation(learned)[:size]
            if found.values[some].min() == found.values[some].max():
                continue
            fitted = fit(found, spec, some, model, draw, f"{size} rows, draw {draw + 1}", progress, cancel)
            predicted = fitted.answer(found.inputs[judged])
            told = figures(predicted.assign(value=found.values[judged]))
            rows.append({"cells": size, "initialisation": draw, "tau": told["tau"], "mae": told["mae"]})
    return pd.DataFrame(rows, columns=["cells", "initialisation", "tau", "mae"])
