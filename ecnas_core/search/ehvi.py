"""The exact expected hypervolume improvement in two objectives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecnas_core.analysis.pareto import front

Floats = NDArray[np.float64]


def expected_improvement(points: Floats, reference: tuple[float, float], means: Floats, deviations: Floats) -> Floats:
    """By how much a point with independent normal objectives will raise the hypervolume on average.

    The area not dominated yet is cut into upright strips between neighbours on the front. In a strip the improvement is
    a width times a height, which are independent, so its expectation is a product of two one-dimensional ones
    (Emmerich, Yang, Deutz, Wang and Fonseca 2016).

    Args:
        points: (n, 2) what is known, both objectives minimised, finite; n may be 0.
        reference: the worst value of each objective.
        means: (m, 2).
        deviations: (m, 2), at least 0; 0 is an objective that is known exactly.

    Returns:
        (m,) expected improvements, at least 0.
    """
    first, second = points[front(points)].T
    inside = (first < reference[0]) & (second < reference[1])
    first, second = first[inside], second[inside]
    right = np.append(first, reference[0])
    top = np.append(reference[1], second)
    lengths = _expected_below(right, means[:, :1], deviations[:, :1])
    widths = np.diff(lengths, axis=1, prepend=0)
    heights = _expected_below(top, means[:, 1:], deviations[:, 1:])
    found: Floats = (widths * heights).sum(axis=1)
    return np.maximum(found, 0)


def _expected_below(limits: Floats, means: Floats, deviations: Floats) -> Floats:
    """(m, n) expectations of max(limit - X, 0) for normal X."""
    from scipy.special import ndtr

    gaps = limits - means
    scaled = gaps / np.where(deviations > 0, deviations, 1)
    density = np.exp(-0.5 * scaled**2) / np.sqrt(2 * np.pi)
    return np.where(deviations > 0, gaps * ndtr(scaled) + deviations * density, np.maximum(gaps, 0))
