"""The Pareto front of points with two minimised objectives, its extremes, its knee and its hypervolume."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ecnas_core.errors import EcnasError

Points = npt.NDArray[np.float64]
ROUNDING = 1e-12


class InvalidPoints(EcnasError):
    """Points are not finite or do not have two columns."""


def front(points: Points) -> npt.NDArray[np.int64]:
    """The non-dominated points, in O(n log n).

    A point dominates another when it is no worse in both objectives and better in one. Of several equal points the
    first one in the input stands for all.

    Args:
        points: shape (n, 2), both objectives minimised, finite.

    Returns:
        Indices of the front, by rising first objective.

    Raises:
        InvalidPoints: wrong shape, or a value that is not finite.
    """
    points = _checked(points)
    if not len(points):
        return np.empty(0, np.int64)
    order = np.lexsort((np.arange(len(points)), points[:, 1], points[:, 0]))
    second = points[order, 1]
    best_before = np.concatenate(([np.inf], np.minimum.accumulate(second)[:-1]))
    return order.compress(second < best_before)


def knee(points: Points) -> int | None:
    """The knee rk of a front: the point farthest from the chord between its extremes (paper section 3).

    The choice does not depend on the units of the objectives: scaling an axis scales every distance alike. Of points
    equally far the first one is the knee.

    Args:
        points: a front as ``front`` orders it, shape (n, 2).

    Returns:
        Position in the front, or None when it has fewer than three points or none lies below the chord by more than
        rounding.

    Raises:
        InvalidPoints: wrong shape, or a value that is not finite.
    """
    points = _checked(points)
    if len(points) < 3:
        return None
    along = (points - points[0]) / (points[-1] - points[0])
    below = along[:, 1] - along[:, 0]
    farthest = below.max()
    return int(np.argmax(below >= farthest - ROUNDING)) if farthest > ROUNDING else None


def hypervolume(points: Points, reference: tuple[float, float]) -> float:
    """The area that points with two minimised objectives dominate below a reference point.

    Args:
        points: shape (n, 2), finite; those beyond the reference add nothing.
        reference: the worst value of each objective.
    """
    first, second = points[front(points)].T
    first, second = np.minimum(first, reference[0]), np.minimum(second, reference[1])
    heights = np.concatenate(([reference[1]], second[:-1])) - second
    return float(((reference[0] - first) * heights).sum())


def _checked(points: Points) -> Points:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InvalidPoints(f"points of shape {points.shape} given; two columns are needed")
    if not np.isfinite(points).all():
        raise InvalidPoints("a point is not finite; leave cells without a value out")
    return points
