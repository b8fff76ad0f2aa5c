"""How much energy, accuracy and size matter to somebody: weights, said outright or found by asking "would you rather".

What a cell costs somebody is the weighted sum of its energy, validation error and parameters, each scaled to 0 at its
least and 1 at its most on the front of all cells (energy and error), so that weights mean the same whatever is needed.
With equal weights on energy and error the cell that costs least is the knee of the paper's chord.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from ecnas_core.analysis.pareto import ROUNDING
from ecnas_core.records import LARGEST, InvalidRecord, Param, Record

Floats = npt.NDArray[np.float64]

Weight = Annotated[float, Meta(ge=0, le=LARGEST)]
_STEPS = {False: 201, True: 41}
_TOLERANCE = 0.03
_TRACE = 1e-9


class Weights(Record, frozen=True):
    """What matters how much; only the ratios count.

    Attributes:
        accuracy: at least 0.
        energy: at least 0.
        size: of the network, at least 0.

    Raises:
        InvalidRecord: a weight is negative or no number, or all are 0.
    """

    accuracy: Annotated[Weight, Param("weight_accuracy")] = 1.0
    energy: Annotated[Weight, Param("weight_energy")] = 1.0
    size: Annotated[Weight, Param("weight_size")] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any((self.accuracy, self.energy, self.size)):
            raise InvalidRecord("weights that are all 0 say nothing; give one of more than 0")

    @property
    def shares(self) -> Floats:
        """The weights of energy, error and parameters, which add up to 1."""
        given = np.array([self.energy, self.accuracy, self.size], np.float64)
        given /= given.max()
        shares: Floats = given / given.sum()
        return shares

    @classmethod
    def of(cls, shares: Floats) -> Weights:
        """The weights with these shares of energy, error and parameters."""
        energy, accuracy, size = (float(share) for share in shares)
        return cls(accuracy, energy, size)


@dataclass(frozen=True, eq=False)
class Scale:
    """What 0 and 1 stand for.

    Attributes:
        least: of energy, error and parameters, shape (3,).
        span: from there to the most; 1 where all are equal.
    """

    least: Floats
    span: Floats

    @classmethod
    def of(cls, objectives: Floats) -> Scale:
        """The scale on which the points of a front go from 0 to 1.

        Args:
            objectives: shape (n, 3), at least one point.
        """
        least = objectives.min(axis=0)
        span = objectives.max(axis=0) - least
        return cls(least, np.where(span > 0, span, 1.0))

    def __call__(self, objectives: Floats) -> Floats:
        """Objectives as shares of the scale; beyond 0 and 1 for cells off the front."""
        scaled: Floats = (objectives - self.least) / self.span
        return scaled


@dataclass(frozen=True)
class Answer:
    """One answer: of two cells, which one somebody would rather have.

    Attributes:
        better: scaled objectives of the chosen cell.
        worse: those of the other.
    """

    better: tuple[float, float, float]
    worse: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Belief:
    """What answers tell of somebody's weights.

    Attributes:
        lattice: possible shares of energy, error and parameters, shape (n, 3).
        probability: of each, shape (n,).
    """

    lattice: Floats
    probability: Floats

    @classmethod
    def after(cls, answers: Sequence[Answer], with_size: bool) -> Belief:
        """The belief after some answers, all shares being equally likely before.

        An answer is taken to be wrong now and then where both cells cost nearly the same (a logistic choice, Luce
        1959), so that answers that contradict each other leave something over.

        Args:
            answers: in any order.
            with_size: whether the size may matter at all.
        """
        lattice = _lattice(with_size)
        logs = np.zeros(len(lattice))
        for answer in answers:
            gain = lattice @ (np.array(answer.worse) - np.array(answer.better))
            logs -= np.logaddexp(0, -gain / _TOLERANCE)
        weight = np.exp(logs - logs.max())
        return cls(lattice, weight / weight.sum())

    @property
    def weights(self) -> Weights:
        """The mean weights."""
        return Weights.of(self.probability @ self.lattice)

    def support(self, scaled: Floats) -> Floats:
        """How probable each cell is the one that costs least.

        Args:
            scaled: objectives of the cells, shape (n, 3).

        Returns:
            Probabilities, shape (n,); of equal cells the first has all.
        """
        chosen = least_cost(scaled @ self.lattice.T)
        return np.bincount(chosen, self.probability, minlength=len(scaled)).astype(np.float64)

    def question(self, scaled: Floats) -> tuple[int, int] | None:
        """The two cells whose comparison would tell most: of those that may be the best, the most even pair.

        Args:
            scaled: objectives of the cells, shape (n, 3).

        Returns:
            Their positions, or None where one cell is the best whatever the weights.
        """
        wanted = np.flatnonzero(self.support(scaled) > ROUNDING)
        if len(wanted) < 2:
            return None
        costs = scaled[wanted] @ self.lattice.T
        first, second = np.triu_indices(len(wanted), 1)
        liked = 1 / (1 + np.exp((costs[first] - costs[second]) / _TOLERANCE))
        mean = liked @ self.probability
        certain = (_entropy(liked) * self.probability).sum(axis=1)
        best = int(np.argmax(_entropy(mean) - certain))
        return int(wanted[first[best]]), int(wanted[second[best]])


def cost(scaled: Floats, weights: Weights) -> Floats:
    """What cells cost somebody; the least is the one to choose.

    A trace of every objective is in it, so that of cells that are alike in all that matters the better one is chosen.

    Args:
        scaled: objectives on a ``Scale``, shape (n, 3).
        weights: what matters how much.

    Returns:
        Shape (n,); equal for equal rows.
    """
    energy, error, size = weights.shares + _TRACE
    total: Floats = scaled[:, 0] * energy + scaled[:, 1] * error + scaled[:, 2] * size
    return total


def least_cost(costs: Floats) -> npt.NDArray[np.int64]:
    """The first row, but for rounding, with the least cost in each column."""
    rows: npt.NDArray[np.int64] = np.argmax(costs <= costs.min(axis=0) + ROUNDING, axis=0)
    return rows


def _entropy(share: Floats) -> Floats:
    inside = np.clip(share, ROUNDING, 1 - ROUNDING)
    entropy: Floats = -inside * np.log(inside) - (1 - inside) * np.log(1 - inside)
    return entropy


def _lattice(with_size: bool) -> Floats:
    steps = np.linspace(0, 1, _STEPS[with_size])
    pairs = [
        (energy, size) for energy in steps for size in (steps if with_size else [0.0]) if energy + size <= 1 + 1e-9
    ]
    energy, size = np.array(pairs).T
    return np.column_stack([energy, np.clip(1 - energy - size, 0, 1), size])
