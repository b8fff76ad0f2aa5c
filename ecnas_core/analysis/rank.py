"""How far two rankings of the same things agree: Kendall's tau-b with a bootstrap interval, and shared leaders."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

RESAMPLES = 1_000
SEED = 0
CONFIDENCE = 0.95


def kendall_tau(x: Floats, y: Floats, counts: Counts | None = None) -> Floats:
    """Kendall's tau-b, also of many resamples at once.

    The numerator is the sum over pairs of the product of their signs, the denominator the geometric mean of the
    numbers of pairs untied in x and in y (Kendall 1945). A thing that a resample holds twice is tied with itself.

    Args:
        x: shape (n,), finite.
        y: shape (n,), finite.
        counts: shape (resamples, n), how often each resample holds each thing; None takes each once.

    Returns:
        Shape (resamples,), or (1,) without counts, each in [-1, 1]; NaN where all values of x or of y are equal.
    """
    weights = np.ones((1, len(x))) if counts is None else counts.astype(np.float64)
    signs_x, signs_y = (np.sign(values[:, None] - values[None, :]) for values in (x, y))
    agreement, untied_x, untied_y = (
        ((weights @ signs) * weights).sum(axis=1) for signs in (signs_x * signs_y, np.abs(signs_x), np.abs(signs_y))
    )
    tau: Floats = np.full(len(weights), np.nan)
    np.divide(agreement, np.sqrt(untied_x * untied_y), out=tau, where=(untied_x > 0) & (untied_y > 0))
    return tau


@lru_cache(maxsize=16)
def resample(n: int, resamples: int = RESAMPLES, seed: int = SEED) -> Counts:
    """Draw n things with replacement, many times.

    Args:
        n: number of things, at least 1.
        resamples: how many times.
        seed: of the random generator.

    Returns:
        Shape (resamples, n), read-only: how often each resample holds each thing; every row sums to n.
    """
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    counts.setflags(write=False)
    return counts


def kendall_interval(x: Floats, y: Floats) -> tuple[float, float]:
    """The percentile bootstrap interval of Kendall's tau-b (Efron and Tibshirani 1993), seeded.

    Args:
        x: shape (n,), finite.
        y: shape (n,), finite.

    Returns:
        The bounds of 95 % of ``RESAMPLES`` resamples of the things; resamples whose values are all equal have no tau
        and do not count; NaN where no resample has one.
    """
    taus = kendall_tau(x, y, resample(len(x))) if len(x) else np.empty(0)
    taus = taus[~np.isnan(taus)]
    if not len(taus):
        return np.nan, np.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(taus, [tail, 1 - tail])
    return float(low), float(high)


def shared_leaders(x: Floats, y: Floats, most: int) -> Floats:
    """Which share of the k things that are least in x are also among the k least in y, for k from 1.

    Args:
        x: shape (n,), finite; of equal values the earlier is taken first.
        y: shape (n,), finite.
        most: the largest k; n where that is less.

    Returns:
        Shape (min(most, n),): the shares, in [0, 1], for k = 1, 2, ...; k / n is what chance gives.
    """
    places = np.empty((2, len(x)), np.int64)
    for row, values in enumerate((x, y)):
        places[row, np.argsort(values, kind="stable")] = np.arange(len(x))
    ks = np.arange(1, min(most, len(x)) + 1)
    shared: Floats = (places.max(axis=0)[None, :] < ks[:, None]).sum(axis=1) / ks
    return shared
