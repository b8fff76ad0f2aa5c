"""The hypervolume that searches reach, evaluation by evaluation, and its spread over trials."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from ecnas_core.analysis.pareto import Points, checked, checked_reference, hypervolume
from ecnas_core.analysis.trials import Trial, by_algorithm

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = {"worst": 0.0, "first_quartile": 0.25, "median": 0.5, "third_quartile": 0.75, "best": 1.0}


class Staircase:
    """What points with two minimised objectives dominate, grown point by point; a point in O(log n).

    Attributes:
        reference: the worst value of each objective; points beyond it dominate nothing.
    """

    def __init__(self, reference: Sequence[float]) -> None:
        self.reference = float(reference[0]), float(reference[1])
        self._first = [-inf, self.reference[0]]
        self._second = [self.reference[1], -inf]

    def add(self, first: float, second: float) -> float:
        """Take a point in.

        Returns:
            The area that it alone dominates, above 0; 0 where an earlier point is as good in both objectives.
        """
        xs, ys = self._first, self._second
        before = bisect_right(xs, first) - 1
        if ys[before] <= second:
            return 0.0
        start = end = before + 1
        gain, left, top = 0.0, first, ys[before]
        while ys[end] >= second:
            gain += (xs[end] - left) * (top - second)
            left, top = xs[end], ys[end]
            end += 1
        gain += (xs[end] - left) * (top - second)
        xs[start:end], ys[start:end] = [first], [second]
        return gain


def growth(points: Points, reference: Sequence[float]) -> Points:
    """The hypervolume of the first point, of the first two, and so on.

    Two objectives take O(log n) a point; three O(m log m) where the front of m points grows, else O(m).

    Args:
        points: shape (n, 2) or (n, 3), minimised; a row with NaN (an infeasible individual) adds nothing.
        reference: the worst value of each objective; points beyond it add nothing.

    Returns:
        Shape (n,), never falling.

    Raises:
        InvalidPoints: wrong shape, an infinite value, or another number of objectives in the reference.
    """
    points = np.asarray(points, dtype=np.float64)
    unknown = np.isnan(points)
    points = checked(np.where(unknown, 0.0, points))
    worst = checked_reference(points, reference)
    adds = np.flatnonzero(((points < worst) & ~unknown).all(axis=1))
    gains = np.zeros(len(points))
    if points.shape[1] == 2:
        stairs = Staircase(reference)
        gains[adds] = [stairs.add(*pair) for pair in points[adds].tolist()]
    else:
        gains[adds] = _volumes(points[adds], worst)
    return np.cumsum(gains)


def curves(found: Sequence[Trial], reference: Sequence[float]) -> pd.DataFrame:
    """The hypervolume of every trial after each of its evaluations.

    Args:
        found: trials, as ``trials`` splits them.
        reference: the worst value of each objective.

    Returns:
        One row a charged evaluation: ``study``, ``algorithm``, ``trial``, ``evaluation``, ``hypervolume``. Individuals
        that were not charged count with the evaluation that was charged last.

    Raises:
        InvalidPoints: the reference has another number of objectives.
    """
    import pandas as pd

    parts = []
    for trial in found:
        last = np.flatnonzero(np.diff(trial.evaluation, append=-1))
        parts.append(
            pd.DataFrame(
                {
                    "study": trial.study,
                    "algorithm": trial.algorithm,
                    "trial": trial.trial,
                    "evaluation": trial.evaluation[last],
                    "hypervolume": growth(trial.points, reference)[last],
                }
            )
        )
    columns = ["study", "algorithm", "trial", "evaluation", "hypervolume"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def bands(found: Sequence[Trial], reference: Sequence[float]) -> pd.DataFrame:
    """Median, quartiles and range over an algorithm's trials of the hypervolume after each evaluation.

    A trial that has ended, or has not come so far, does not count: ``trials`` tells how many do. Quartiles between
    two trials are interpolated.

    Args:
        found: trials, as ``trials`` splits them.
        reference: the worst value of each objective.

    Returns:
        ``study``, ``algorithm``, ``evaluation``, ``trials``, ``worst``, ``first_quartile``, ``median``,
        ``third_quartile``, ``best``: a row where one of them changes and one at the end, to be drawn as steps.

    Raises:
        InvalidPoints: the reference has another number of objectives.
    """
    import pandas as pd

    names = ["trials", *QUANTILES]
    parts = [
        pd.DataFrame(columns=["study", "algorithm", "evaluation", *names]).astype(
            {"evaluation": np.int64, "trials": np.int64} | dict.fromkeys(QUANTILES, np.float64)
        )
    ]
    for (study, algorithm), members in by_algorithm(found).items():
        curve = curves(members, reference)
        grid = curve.pivot(index="trial", columns="evaluation", values="hypervolume").sort_index(axis=1)
        heights = grid.ffill(axis=1).where(grid.bfill(axis=1).notna()).to_numpy()
        counts, spread = _spread(heights)
        told = np.column_stack([counts, spread.T])
        changes = np.ones(len(told), bool)
        changes[1:-1] = (told[1:-1] != told[:-2]).any(axis=1)
        frame = pd.DataFrame(told[changes], columns=names).astype({"trials": np.int64})
        frame.insert(0, "evaluation", grid.columns.to_numpy(np.int64)[changes])
        frame.insert(0, "algorithm", algorithm)
        frame.insert(0, "study", study)
        parts.append(frame)
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def reached(found: Sequence[Trial], reference: Sequence[float]) -> pd.DataFrame:
    """What each trial has in the end.

    Args:
        found: trials, as ``trials`` splits them.
        reference: the worst value of each objective.

    Returns:
        One row a trial: ``study``, ``algorithm``, ``trial``, ``individuals``, ``feasible``, ``front`` (their numbers)
        and ``hypervolume``.

    Raises:
        InvalidPoints: the reference has another number of objectives.
    """
    import pandas as pd

    rows = [
        {
            "study": trial.study,
            "algorithm": trial.algorithm,
            "trial": trial.trial,
            "individuals": len(trial.points),
            "feasible": len(trial.feasible),
            "front": len(trial.front),
            "hypervolume": hypervolume(trial.points[trial.front], reference),
        }
        for trial in found
    ]
    columns = ["study", "algorithm", "trial", "individuals", "feasible", "front", "hypervolume"]
    return pd.DataFrame(rows, columns=columns)


def _volumes(points: Points, worst: Points) -> list[float]:
    """What each point in turn adds to the volume below three worst values."""
    kept = np.empty((0, 3))
    volumes = []
    for point in points:
        if (kept <= point).all(axis=1).any():
            volumes.append(0.0)
            continue
        volumes.append(float(np.prod(worst - point)) - hypervolume(np.maximum(kept, point), worst.tolist()))
        kept = np.vstack([kept[~(point <= kept).all(axis=1)], point])
    return volumes


def _spread(heights: Points) -> tuple[Points, Points]:
    """How many trials are known in each column, and their quantiles, shape (quantiles, columns)."""
    ordered = np.sort(heights, axis=0)
    counts = (~np.isnan(heights)).sum(axis=0)
    places = np.outer(list(QUANTILES.values()), counts - 1)
    low, columns = np.floor(places).astype(np.int64), np.arange(heights.shape[1])
    high = np.minimum(low + 1, counts - 1)
    below, above = ordered[low, columns], ordered[high, columns]
    return counts, below + (places - low) * (above - below)
