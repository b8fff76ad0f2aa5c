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


def contributions(points: Points) -> Points:
    """The hypervolume that would be lost without each of mutually non-dominated points.

    Args:
        points: (n, k), k of 1 to 3, all minimised, none dominated by or equal to another.

    Returns:
        (n,) contributions, at least 0. The ends of a front of two objectives count infinitely; with three objectives
        the reference is the worst value of each and a tenth of the range.
    """
    if points.shape[1] == 1:
        return np.full(len(points), np.inf)
    import moocore

    reference = np.full(2, np.inf)
    if points.shape[1] == 3:
        reference = points.max(axis=0) + 0.1 * np.maximum(np.ptp(points, axis=0), np.finfo(float).eps)
    found: Points = moocore.hv_contributions(points, ref=reference)
    return found
