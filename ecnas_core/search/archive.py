"""Which of many points none dominates, and what each of them adds to the hypervolume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecnas_core.analysis.pareto import front

Points = NDArray[np.float64]
Places = NDArray[np.int64]


def nondominated(points: Points) -> Places:
    """The points that no other dominates; of several equal ones the first stands for all.

    Args:
        points: (n, k), k of 1 to 3, all minimised, finite.

    Returns:
        Their places, ascending in the first objective, then in the others.
    """
    if points.shape[1] > 1:
        return front(points)
    return np.array([points[:, 0].argmin()] if len(points) else [], np.int64)


def contributions(points: Points, reference: Points | None = None) -> Points:
    """The hypervolume that would be lost without each of mutually non-dominated points.

    Args:
        points: (n, k), k of 1 to 3, all minimised, none dominated by or equal to another.
        reference: (k,) the worst value of each objective; None takes none, so that the ends of a front of two
            objectives count infinitely. With three objectives None takes the worst value of each and a tenth of the
            range.

    Returns:
        (n,) contributions, at least 0.
    """
    if points.shape[1] == 2:
        return _contributions_2d(points, np.full(2, np.inf) if reference is None else reference)
    if points.shape[1] == 1:
        return np.full(len(points), np.inf) if reference is None else np.maximum(reference - points, 0)[:, 0]
    import moocore

    if reference is None:
        reference = points.max(axis=0) + 0.1 * np.maximum(np.ptp(points, axis=0), np.finfo(float).eps)
    found: Points = moocore.hv_contributions(points, ref=reference)
    return found


def _contributions_2d(points: Points, reference: Points) -> Points:
    order = np.lexsort((points[:, 1], points[:, 0]))
    first, second = points[order].T
    right = np.append(first[1:], reference[0])
    above = np.append(reference[1], second[:-1])
    found = np.empty(len(points))
    found[order] = np.maximum(np.minimum(right, reference[0]) - first, 0) * np.maximum(
        np.minimum(above, reference[1]) - second, 0
    )
    return found
