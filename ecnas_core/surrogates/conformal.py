"""Intervals that hold what they say: quantiles of errors on cells that a model has not seen.

Split conformal prediction (Vovk et al. 2005; Lei et al. 2018): the calibrating errors and a new one are exchangeable,
so the new one is below their (n + 1) level-th smallest with at least that probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecnas_core.surrogates.training import TooFewResults

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.9


def quantile(errors: Floats, level: float = CONFIDENCE) -> float:
    """The size of error that a new one stays below.

    Args:
        errors: shape (n,), of cells that the model has not seen.
        level: the probability, in (0, 1).

    Raises:
        TooFewResults: there are too few errors to tell.
    """
    place = int(np.ceil((len(errors) + 1) * level))
    if place > len(errors):
        raise TooFewResults(
            f"{len(errors)} cells are too few for an interval of {level:.0%}; give at least "
            f"{int(np.ceil(level / (1 - level) - 1e-9))}"
        )
    return float(np.partition(errors, place - 1)[place - 1])


def fewest(level: float = CONFIDENCE) -> int:
    """Of how many cells intervals with two tails can be calibrated at least.

    Args:
        level: probability of the interval, in (0, 1).
    """
    return int(np.ceil((1 + level) / (1 - level) - 1e-9))


@dataclass(frozen=True, eq=False)
class Binned:
    """Errors by the size of the prediction, each tail for itself.

    Attributes:
        edges: shape (bins - 1,), rising: the predictions at which bins meet.
        low: shape (bins,), how far below the prediction the interval reaches.
        high: shape (bins,), how far above.
    """

    edges: Floats
    low: Floats
    high: Floats

    def interval(self, predictions: Floats) -> tuple[Floats, Floats]:
        """The bounds of the intervals, shape (n,) each, the prediction always between them."""
        bins = np.searchsorted(self.edges, predictions, side="right")
        return predictions - self.low[bins], predictions + self.high[bins]


def binned(predictions: Floats, values: Floats, bins: int, level: float = CONFIDENCE) -> Binned:
    """Calibrate, in bins of equally many predictions; each tail misses with half of the probability that is left.

    Args:
        predictions: shape (n,), finite, of cells that the model has not seen.
        values: shape (n,), finite, what was found.
        bins: how many at most; fewer where a bin would have too few cells for an interval.
        level: probability of the interval, in (0, 1).

    Raises:
        TooFewResults: there are too few cells for one bin.
    """
    tail, least = (1 + level) / 2, fewest(level)
    wanted = max(least, len(predictions) // bins)
    rising = np.sort(predictions)
    edges, begun = [], 0
    for edge in rising[wanted::wanted]:
        reached = int(np.searchsorted(rising, edge))
        if reached - begun >= least and len(rising) - reached >= least:
            edges.append(float(edge))
            begun = reached
    of_value = np.searchsorted(edges, predictions, side="right")
    errors = [(values - predictions)[of_value == number] for number in range(len(edges) + 1)]
    return Binned(
        np.array(edges),
        np.array([max(quantile(-own, tail), 0.0) for own in errors]),
        np.array([max(quantile(own, tail), 0.0) for own in errors]),
    )
