"""Other knees of a front than the paper's chord: by bend, by marginal utility, and by what the user values.

An empty front has none. Of a front of one or two points every point is an extreme, so that only the user's weights can
choose. Points on a straight front, and extremes, are no knees. Of equally good points the first one, as ``front``
orders them, is taken. No choice depends on the units of the objectives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType

import numpy as np

from ecnas_core.analysis.pareto import ROUNDING, InvalidPoints, Points, checked, extremes, first_best, knee, unit
from ecnas_core.errors import EcnasError

LATTICE = {2: 1_001, 3: 46}
"""Weights a side of the lattice that utilities are averaged over, by number of objectives."""


class InvalidWeights(EcnasError):
    """Weights are not one non-negative number for each objective, one at least above 0."""


def bend_angle(points: Points) -> int | None:
    """The point where the front bends most, seen from its extremes.

    The angle between the line from the first extreme to the point and the line on to the other extreme, both
    objectives scaled to [0, 1] (Deb and Gupta 2011: Understanding knee points in bicriteria problems, section 3.1).

    Args:
        points: a front as ``front`` orders it, shape (n, 2).

    Returns:
        Position in the front, or None when it has fewer than three points or bends at none.

    Raises:
        InvalidPoints: three objectives, for which the angle has no meaning, or a value that is not finite.
    """
    points = checked(points)
    if points.shape[1] != 2:
        raise InvalidPoints("a bend is between two objectives; take chord, utility or weights for three")
    if len(points) < 3:
        return None
    first, second = unit(points)[1:-1].T
    bends = np.arctan2(1 - second, first) - np.arctan2(second, 1 - first)
    return first_best(np.concatenate(([0.0], bends)))


def utility(points: Points) -> int | None:
    """The point whose loss would cost most on average over all users who add up weighted objectives.

    A user's utility is a weighted sum of the objectives, scaled to [0, 1]; what a point is worth to the users who would
    choose it is how much worse the next one is for them (Branke, Deb, Dierolf and Osswald 2004: Finding knees in
    multi-objective optimization). Weights are a lattice of 1,001 for two objectives and of 1,081 for three.

    Args:
        points: a front as ``front`` orders it, shape (n, 2) or (n, 3).

    Returns:
        Position in the front, or None when it has fewer than three points or every user would choose an extreme.

    Raises:
        InvalidPoints: wrong shape, or a value that is not finite.
    """
    points = checked(points)
    if len(points) < 3:
        return None
    costs = unit(points) @ _weights(points.shape[1]).T
    chosen = costs.argmin(axis=0)
    best, next_best = np.partition(costs, 1, axis=0)[:2]
    worth = np.bincount(chosen, next_best - best, minlength=len(points)) / costs.shape[1]
    worth[list(extremes(points))] = 0
    return first_best(worth)


def weighted(points: Points, weights: Sequence[float]) -> int | None:
    """The point with the least weighted sum of the objectives, each scaled to [0, 1] over the front.

    Equal weights on two objectives choose the chord's knee, wherever there is one.

    Args:
        points: a front as ``front`` orders it, shape (n, 2) or (n, 3).
        weights: what each objective matters to the user, non-negative, in any unit.

    Returns:
        Position in the front, or None when it is empty.

    Raises:
        InvalidPoints: wrong shape, or a value that is not finite.
        InvalidWeights: wrong number, a negative one, one that is not finite, or all 0.
    """
    points = checked(points)
    share = np.asarray(weights, dtype=np.float64)
    if share.shape != points.shape[1:] or not np.isfinite(share).all() or (share < 0).any() or not share.any():
        raise InvalidWeights(
            f"weights {weights!r} for {points.shape[1]} objectives; give a number of at least 0 for each, not all 0"
        )
    if not len(points):
        return None
    cost = unit(points) @ (share / share.max())
    return int(np.argmax(cost <= cost.min() + ROUNDING))


RULES: Mapping[str, Callable[[Points], int | None]] = MappingProxyType(
    {"chord": knee, "bend": bend_angle, "utility": utility}
)
"""The knees that need nothing but the front, by name."""


def _weights(objectives: int) -> Points:
    """All weights of a lattice that add up to 1, shape (n, objectives)."""
    side = LATTICE[objectives]
    bars = np.array(list(combinations(range(side + objectives - 2), objectives - 1)))
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, side + objectives - 2)))
    weights: Points = (np.diff(edges, axis=1) - 1) / (side - 1)
    return weights
