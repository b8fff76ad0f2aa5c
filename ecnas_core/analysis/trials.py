"""From recorded evaluations (schema EVALUATIONS) to the points of each trial, for whatever compares searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis.pareto import Points, front
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

OBJECTIVES = ("energy_kwh", "validation_error")
"""What the paper minimises."""
ERRORS = {"validation_error": "validation_accuracy", "test_error": "test_accuracy"}
KEYS = ("study", "algorithm", "trial")
MARGIN = 0.1


class InvalidEvaluations(EcnasError):
    """Evaluations lack what a comparison needs, or mix energy scales."""


@dataclass(frozen=True)
class Trial:
    """One seeded run of a search.

    Attributes:
        study: the study's name.
        algorithm: the search algorithm.
        trial: its number in the study.
        evaluation: shape (n,): the number of each evaluation, rising; an individual that is not charged shares one.
        points: shape (n, objectives): what each found, minimised; NaN for an infeasible individual.
        rows: shape (n,): the position of each evaluation in the frame that was read.
    """

    study: str
    algorithm: str
    trial: int
    evaluation: npt.NDArray[np.int64]
    points: Points
    rows: npt.NDArray[np.int64]

    @property
    def feasible(self) -> npt.NDArray[np.int64]:
        """Positions of the evaluations that found a point."""
        return np.flatnonzero(~np.isnan(self.points).any(axis=1))

    @property
    def front(self) -> npt.NDArray[np.int64]:
        """Positions of the non-dominated points, by rising first objective; of equal ones the earliest evaluation."""
        feasible = self.feasible
        return feasible[front(self.points[feasible])]


def trials(evaluations: pd.DataFrame, objectives: Sequence[str] = OBJECTIVES, until: int | None = None) -> list[Trial]:
    """Split evaluations by study, algorithm and trial.

    Args:
        evaluations: columns of the schema EVALUATIONS, of one space.
        objectives: two or three columns to minimise; ``validation_error`` and ``test_error`` are 1 - accuracy where
            there is no such column.
        until: leave out evaluations of this number or higher; None keeps all.

    Returns:
        The trials, by study, algorithm and number; one without any feasible evaluation is among them.

    Raises:
        InvalidEvaluations: a column is missing, there are several spaces, or another number of objectives.
    """
    if len(objectives) not in (2, 3):
        raise InvalidEvaluations(f"{len(objectives)} objectives given; name two or three columns")
    stored = [name if name in evaluations.columns else ERRORS.get(name, name) for name in objectives]
    require(evaluations, (*KEYS, "space", "evaluation", "valid", *stored))
    unnamed = [name for name in (*KEYS, "evaluation") if evaluations[name].isna().any()]
    if unnamed:
        raise InvalidEvaluations(f"evaluations without {', '.join(unnamed)} belong to no trial; leave them out")
    spaces = evaluations["space"].unique().tolist()
    if len(spaces) > 1:
        raise InvalidEvaluations(
            f"evaluations of {', '.join(map(str, spaces))} mix energy scales; choose one space for a comparison"
        )
    values = np.column_stack([evaluations[name].to_numpy(np.float64, na_value=np.nan) for name in stored])
    accuracies = [place for place, name in enumerate(stored) if name != objectives[place]]
    values[:, accuracies] = 1 - values[:, accuracies]
    values[~evaluations["valid"].to_numpy(bool)] = np.nan
    number = evaluations["evaluation"].to_numpy(np.int64)
    found = []
    for (study, algorithm, trial), rows in sorted(evaluations.groupby(list(KEYS)).indices.items()):
        rows = rows[np.argsort(number[rows], kind="stable")]
        if until is not None:
            rows = rows[number[rows] < until]
        found.append(Trial(str(study), str(algorithm), int(trial), number[rows], values[rows], rows))
    return found


def require(evaluations: pd.DataFrame, columns: Sequence[str]) -> None:
    """Check that columns are there.

    Raises:
        InvalidEvaluations: one is missing; the message names it.
    """
    missing = [name for name in columns if name not in evaluations.columns]
    if missing:
        raise InvalidEvaluations(f"evaluations lack {', '.join(missing)}; give the columns of the view evaluations")


def by_algorithm(found: Sequence[Trial]) -> dict[tuple[str, str], list[Trial]]:
    """The trials of each study and algorithm."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in found:
        groups.setdefault((trial.study, trial.algorithm), []).append(trial)
    return groups


def reference_point(found: Sequence[Trial]) -> tuple[float, ...]:
    """A reference point that lets every front count: beyond the worst value on any trial's front.

    Args:
        found: trials of all the searches that are to be compared.

    Returns:
        For each objective the worst value on the trials' fronts and a tenth of their range more; where all values are
        equal, a tenth of the value more, or of 1 where it is 0.

    Raises:
        InvalidEvaluations: no trial has a feasible evaluation.
    """
    fronts = [trial.points[trial.front] for trial in found]
    if not sum(map(len, fronts)):
        raise InvalidEvaluations("no trial has found a feasible cell yet; wait for one or loosen the bounds")
    points = np.concatenate(fronts)
    worst, span = points.max(axis=0), np.ptp(points, axis=0)
    span = np.where(span > 0, span, np.where(worst != 0, np.abs(worst), 1))
    return tuple((worst + MARGIN * span).tolist())
