"""Which of several samples is greater: Mann-Whitney's test with effect sizes, corrected for many comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb, erfc, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

EXACT_UP_TO = 60
"""Values in both samples together, up to which the test counts all ways to split them."""
EFFECTS = {"negligible": 0.56, "small": 0.64, "medium": 0.71}
"""The A12 below which an effect is called so; beyond the last it is large (Vargha and Delaney 2000, section 4)."""


class InvalidSamples(EcnasError):
    """A sample is empty or holds a value that is not finite."""


def mann_whitney(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> tuple[float, float]:
    """Mann and Whitney's test (1947), two-sided: whether the values of one sample tend to be greater.

    Exact under permutation of the pooled values, ties included, for up to ``EXACT_UP_TO`` of them; the normal
    approximation beyond, corrected for ties and continuity.

    Args:
        a: one sample, at least one value, finite.
        b: the other.

    Returns:
        U, the pairs in which a's value is greater, ties as a half, in [0, len(a) * len(b)]; and the p-value, in (0, 1].

    Raises:
        InvalidSamples: an empty sample or a value that is not finite.
    """
    a, b = _checked(a), _checked(b)
    u = _pairs_won(a, b)
    doubled = _doubled_ranks(np.concatenate([a, b]))
    if len(doubled) <= EXACT_UP_TO:
        return u, _exact(doubled, len(a))
    return u, _normal(u, doubled, len(a))


def a12(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> float:
    """The chance that a value of a is greater than one of b, ties as a half (Vargha and Delaney 2000).

    Args:
        a: one sample, at least one value, finite.
        b: the other.

    Returns:
        In [0, 1]; 0.5 where neither tends to be greater. Cliff's delta is 2 * A12 - 1.

    Raises:
        InvalidSamples: an empty sample or a value that is not finite.
    """
    a, b = _checked(a), _checked(b)
    return _pairs_won(a, b) / (len(a) * len(b))


def effect(probability: float) -> str:
    """An A12 in words: negligible, small, medium or large."""
    distance = 0.5 + abs(probability - 0.5)
    return next((name for name, below in EFFECTS.items() if distance < below), "large")


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number, step down (Holm 1979): the chance of any false one stays below the level.

    Args:
        p_values: one each comparison, in [0, 1].

    Returns:
        The corrected ones in the same order, none below its own.
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = np.minimum(np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)), 1)
    corrected = np.empty_like(given)
    corrected[order] = steps
    return [float(value) for value in corrected]


def compare(samples: Mapping[str, Sequence[float] | Floats]) -> pd.DataFrame:
    """Compare every two samples, such as the hypervolumes of algorithms' trials.

    Args:
        samples: name to values, greater is better.

    Returns:
        One row a pair, in the order of the names: ``a``, ``b``, ``trials_a``, ``trials_b``, ``median_a``,
        ``median_b``, ``u``, ``p_value``, ``p_holm`` (corrected over the pairs), ``a12``, ``cliffs_delta`` (above 0
        where a is better) and ``effect`` in words. No rows for fewer than two samples.

    Raises:
        InvalidSamples: an empty sample or a value that is not finite; the message names it.
    """
    import pandas as pd

    for name, values in samples.items():
        _checked(values, name)
    rows = []
    for a, b in combinations(samples, 2):
        u, p_value = mann_whitney(samples[a], samples[b])
        probability = a12(samples[a], samples[b])
        rows.append(
            {
                "a": a,
                "b": b,
                "trials_a": len(samples[a]),
                "trials_b": len(samples[b]),
                "median_a": float(np.median(samples[a])),
                "median_b": float(np.median(samples[b])),
                "u": u,
                "p_value": p_value,
                "p_holm": p_value,
                "a12": probability,
                "cliffs_delta": 2 * probability - 1,
                "effect": effect(probability),
            }
        )
    names = [
        "a",
        "b",
        "trials_a",
        "trials_b",
        "median_a",
        "median_b",
        "u",
        "p_value",
        "p_holm",
        "a12",
        "cliffs_delta",
        "effect",
    ]
    frame = pd.DataFrame(rows, columns=names)
    frame["p_holm"] = holm(frame["p_value"].tolist())
    return frame


def _checked(values: Sequence[float] | Floats, name: str = "a sample") -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise InvalidSamples(f"{name} is empty or not finite; give at least one number")
    return found


def _pairs_won(a: Floats, b: Floats) -> float:
    ordered = np.sort(b)
    twice = np.searchsorted(ordered, a, side="left") + np.searchsorted(ordered, a, side="right")
    return float(twice.sum() / 2)


def _doubled_ranks(values: Floats) -> npt.NDArray[np.int64]:
    """Twice the mean rank of each value, a whole number."""
    ordered = np.sort(values)
    return np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right") + 1


def _exact(doubled: npt.NDArray[np.int64], taken: int) -> float:
    """The share of all ways to take so many ranks whose sum lies as far from the mean as that of the first ones."""
    ways = np.zeros((taken + 1, int(doubled.sum()) + 1))
    ways[0, 0] = 1
    for rank in doubled.tolist():
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank]
    distance = np.abs(np.arange(ways.shape[1]) - taken * (len(doubled) + 1))
    observed = abs(int(doubled[:taken].sum()) - taken * (len(doubled) + 1))
    return min(1.0, float(ways[taken, distance >= observed].sum() / comb(len(doubled), taken)))


def _normal(u: float, doubled: npt.NDArray[np.int64], taken: int) -> float:
    n, other = len(doubled), len(doubled) - taken
    ties = np.unique(doubled, return_counts=True)[1].astype(np.float64)
    variance = taken * other / 12 * (n + 1 - (ties**3 - ties).sum() / (n * (n - 1)))
    distance = abs(u - taken * other / 2) - 0.5
    return min(1.0, erfc(distance / sqrt(2 * variance))) if variance > 0 and distance > 0 else 1.0
