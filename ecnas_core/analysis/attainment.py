"""Empirical attainment: which region of two minimised objectives a share of an algorithm's trials reaches.

A trial attains a point when it has found one that is no worse in both objectives (Grunert da Fonseca, Fonseca and Hall
2001: Inferential performance assessment of stochastic optimisers and the attainment function). A trial that found
nothing attains nothing, and counts all the same. moocore 0.3.2 computes both too, but never frees an answer, knows no
empty trial, and has differences only where the numbers of trials are equal and something differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis.pareto import InvalidPoints, Points, checked, checked_reference, front

if TYPE_CHECKING:
    import pandas as pd

LEVELS = {"best": 0.0, "first_quartile": 0.25, "median": 0.5, "third_quartile": 0.75, "worst": 1.0}
"""The share of the trials that attain a surface: best, at least one; worst, all."""


def surface(trials: Sequence[Points], attained_by: int) -> Points:
    """The border of what at least so many trials attain.

    Args:
        trials: what each trial found, shape (n, 2) each, minimised, finite; possibly nothing.
        attained_by: number of trials, from 1 to all.

    Returns:
        The border's corners, a front by rising first objective, shape (m, 2); empty where nothing is attained so often.

    Raises:
        InvalidPoints: no trials, a number out of range, other than two objectives, or a value that is not finite.
    """
    if not 1 <= attained_by <= len(trials):
        raise InvalidPoints(f"attained by {attained_by} of {len(trials)} trials; ask for 1 to all of them")
    across, heights = _heights(trials)
    return _corners(across, np.sort(heights, axis=0)[attained_by - 1])


def surfaces(trials: Sequence[Points], reference: Sequence[float]) -> pd.DataFrame:
    """The best, median, quartile and worst attainment surfaces as step lines.

    The median is attained by at least half of the trials, the quartiles by at least one and three quarters, rounded
    up to whole trials.

    Args:
        trials: what each trial found, shape (n, 2) each, minimised, finite; possibly nothing.
        reference: where the lines end: the worst value of each objective that is drawn.

    Returns:
        ``level`` (a key of ``LEVELS``), ``attained_by`` (trials), ``x``, ``y``: the vertices of each level's line in
        order, from the reference's second value down and right to its first; none for a surface beyond the reference.

    Raises:
        InvalidPoints: no trials, other than two objectives, or a value that is not finite.
    """
    import pandas as pd

    if not len(trials):
        raise InvalidPoints("there are no trials to draw; run one first")
    across, heights = _heights(trials)
    ordered = np.sort(heights, axis=0)
    worst = checked_reference(np.empty((0, 2)), reference)
    numbers = [max(1, int(np.ceil(share * len(trials)))) for share in LEVELS.values()]
    lines = [_steps(_corners(across, ordered[attained_by - 1]), worst) for attained_by in numbers]
    lengths = [len(line) for line in lines]
    x, y = np.concatenate(lines).T
    return pd.DataFrame(
        {"level": np.repeat(list(LEVELS), lengths), "attained_by": np.repeat(numbers, lengths), "x": x, "y": y}
    )


def difference(a: Sequence[Points], b: Sequence[Points], reference: Sequence[float]) -> pd.DataFrame:
    """Where one algorithm's trials attain more often than another's.

    Args:
        a: what each trial of one algorithm found, shape (n, 2) each, minimised, finite; possibly nothing.
        b: the same of the other; the number of trials may differ.
        reference: the worst value of each objective that is drawn.

    Returns:
        Rectangles that do not overlap and together cover all places where the shares differ: ``x_low``, ``x_high``,
        ``y_low``, ``y_high``, ``difference`` (share of a's trials less share of b's, in [-1, 1], never 0). Summed over
        them, area times difference is the difference of the mean hypervolumes.

    Raises:
        InvalidPoints: one has no trials, other than two objectives, or a value that is not finite.
    """
    import pandas as pd

    if not (len(a) and len(b)):
        raise InvalidPoints("an algorithm has no trials to compare; run one first")
    worst = checked_reference(np.empty((0, 2)), reference)
    across, heights = _heights([*a, *b])
    inside = across < worst[0]
    edges = np.append(across[inside], worst[0])
    heights = np.minimum(heights[:, inside], worst[1])
    order = np.argsort(heights, axis=0, kind="stable")
    low = np.take_along_axis(heights, order, axis=0)
    high = np.vstack([low[1:], np.full((1, low.shape[1]), worst[1])])
    lead = np.cumsum(np.where(order < len(a), len(b), -len(a)), axis=0)
    return pd.DataFrame(_rectangles(edges, low, high, lead)).assign(
        difference=lambda frame: frame["difference"] / (len(a) * len(b))
    )


def _heights(trials: Sequence[Points]) -> tuple[Points, Points]:
    """The first objectives on any trial's front, rising, and what each trial attains there in the second.

    Returns:
        Shapes (m,) and (trials, m); infinite where a trial attains nothing.
    """
    fronts = [_front(points) for points in trials]
    across = np.unique(np.concatenate([points[:, 0] for points in fronts]))
    heights = np.full((len(fronts), len(across)), np.inf)
    for row, points in enumerate(fronts):
        if len(points):
            before = np.searchsorted(points[:, 0], across, side="right") - 1
            heights[row] = np.where(before >= 0, points[np.maximum(before, 0), 1], np.inf)
    return across, heights


def _front(points: Points) -> Points:
    points = checked(points)
    if points.shape[1] != 2:
        raise InvalidPoints(f"points of {points.shape[1]} objectives given; attainment is drawn for two")
    return points[front(points)]


def _corners(across: Points, heights: Points) -> Points:
    falls = heights < np.concatenate(([np.inf], heights[:-1]))
    return np.column_stack([across[falls], heights[falls]])


def _steps(corners: Points, worst: Points) -> Points:
    x, y = corners[(corners < worst).all(axis=1)].T
    if not len(x):
        return np.empty((0, 2))
    return np.column_stack([np.append(np.repeat(x, 2), worst[0]), np.append(worst[1], np.repeat(y, 2))])


def _rectangles(edges: Points, low: Points, high: Points, lead: npt.NDArray[np.int64]) -> dict[str, Points]:
    """Join equal neighbours, first up each column and then across columns, and leave out where nothing differs."""
    columns, rows = np.nonzero((low < high).T)
    bottom, top, value = low[rows, columns], high[rows, columns], lead[rows, columns]
    first, last = _runs((columns[1:] == columns[:-1]) & (value[1:] == value[:-1]), len(value))
    columns, bottom, top, value = columns[first], bottom[first], top[last], value[first]
    order = np.lexsort((columns, value, top, bottom))
    order = order[value[order] != 0]
    columns, bottom, top, value = columns[order], bottom[order], top[order], value[order]
    together = (columns[1:] == columns[:-1] + 1) & (value[1:] == value[:-1])
    together &= (bottom[1:] == bottom[:-1]) & (top[1:] == top[:-1])
    first, last = _runs(together, len(value))
    return {
        "x_low": edges[columns[first]],
        "x_high": edges[columns[last] + 1],
        "y_low": bottom[first],
        "y_high": top[first],
        "difference": value[first].astype(np.float64),
    }


def _runs(joined: npt.NDArray[np.bool_], count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first and the last place of each run, where ``joined`` tells of each place but the first if it goes on."""
    if not count:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    breaks = np.flatnonzero(~joined)
    return np.append(0, breaks + 1), np.append(breaks, count - 1)
