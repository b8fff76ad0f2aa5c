"""The Pareto front of points with two or three minimised objectives, its extremes, its knee and its hypervolume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ecnas_core.errors import EcnasError

Points = npt.NDArray[np.float64]
ROUNDING = 1e-12


class InvalidPoints(EcnasError):
    """Points are not finite, or have another number of columns than asked for."""


def front(points: Points) -> npt.NDArray[np.int64]:
    """The non-dominated points, in O(n log n).

    A point dominates another when it is no worse in all objectives and better in one. Of several equal points the
    first one in the input stands for all.

    Args:
        points: shape (n, 2) or (n, 3), all objectives minimised, finite.

    Returns:
        Indices of the front, by rising first objective, then second.

    Raises:
        InvalidPoints: wrong shape, or a value that is not finite.
    """
    import moocore

    points = checked(points)
    chosen = np.flatnonzero(moocore.is_nondominated(points))
    return chosen[np.lexsort(points[chosen].T[::-1])]


def extremes(points: Points) -> tuple[int, ...]:
    """The extremes of a front: for each objective the point that is least in it (r0, r1 of the paper's section 3).

    Args:
        points: a front as ``front`` orders it, shape (n, 2) or (n, 3).

    Returns:
        A position in the front for each objective, of equally good ones the first; nothing for an empty front.

    Raises:
        InvalidPoints: wrong shape, or a value that is not finite.
    """
    points = checked(points)
    return tuple(np.argmin(points, axis=0).tolist()) if len(points) else ()


def knee(points: Points) -> int | None:
    """The knee rk of a front: the point farthest from the chord between its extremes (paper section 3).

    The choice does not depend on the units of the objectives: scaling an axis scales every distance alike. Of points
    equally far the first one is the knee. With three objectives the plane through the three extremes is the chord (Das
    1999: On characterizing the "knee" of the Pareto curve).

    Args:
        points: a front as ``front`` orders it, shape (n, 2) or (n, 3).

    Returns:
        Position in the front, or None when it has fewer than three points, none lies below the chord by more than
        rounding, or three extremes make no plane that falls along every objective.

    Raises:
        InvalidPoints: wrong shape, or a value that is not finite.
    """
    points = checked(points)
    if len(points) < 3:
        return None
    if points.shape[1] == 2:
        along = (points - points[0]) / (points[-1] - points[0])
        return first_best(along[:, 1] - along[:, 0])
    along = unit(points)
    corners = along[list(extremes(points))]
    if np.linalg.matrix_rank(corners) < 3:
        return None
    plane = np.linalg.solve(corners, np.ones(3))
    return first_best(1 - along @ plane) if (plane > 0).all() else None


def hypervolume(points: Points, reference: Sequence[float]) -> float:
    """The area or volume that points with two or three minimised objectives dominate, in O(n log n).

    Args:
        points: shape (n, 2) or (n, 3), finite; those beyond the reference add nothing.
        reference: the worst value of each objective.

    Raises:
        InvalidPoints: wrong shape, a value that is not finite, or another number of objectives in the reference.
    """
    import moocore

    points = checked(points)
    return float(moocore.hypervolume(points, ref=checked_reference(points, reference)))


def checked(points: Points) -> Points:
    """The points as floats, two or three columns of finite values.

    Raises:
        InvalidPoints: they are not.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise InvalidPoints(f"points of shape {points.shape} given; two or three columns are needed")
    if not np.isfinite(points).all():
        raise InvalidPoints("a point is not finite; leave cells without a value out")
    return points


def checked_reference(points: Points, reference: Sequence[float]) -> Points:
    """The reference point, shape (objectives,), one finite value for each column of the points.

    Raises:
        InvalidPoints: it is not.
    """
    worst = np.asarray(reference, dtype=np.float64)
    columns = np.shape(points)[1]
    if worst.shape != (columns,) or not np.isfinite(worst).all():
        raise InvalidPoints(f"reference {reference!r} for {columns} objectives; give one finite worst value for each")
    return worst


def unit(points: Points) -> Points:
    """The points with each objective from 0, its least value among them, to 1, its most; 0 where all are equal."""
    least = points.min(axis=0)
    span = points.max(axis=0) - least
    scaled: Points = (points - least) / np.where(span > 0, span, 1)
    return scaled


def first_best(scores: Points) -> int | None:
    """Position of the highest score, the first of those equal but for rounding; None where none is above rounding."""
    best = scores.max()
    return int(np.argmax(scores >= best - ROUNDING)) if best > ROUNDING else None
