"""How the choice moves when a limit, or the weight of energy against accuracy, moves and everything else is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis import pareto
from ecnas_core.analysis.candidates import Floats, Places
from ecnas_core.analysis.choose import Choice
from ecnas_core.analysis.needs import Quantity
from ecnas_core.analysis.preferences import cost

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Sweep:
    """The preferred cell for every value of what is moved.

    Attributes:
        varied: the quantity whose limit is moved; None for the share of energy in the weights of energy and accuracy.
        now: where it stands; None for a limit that is not set.
        steps: one row a stretch in which the choice stays, by rising value: ``start`` and ``end``, infinite (for the
            accuracy: 0) where the limit may be dropped; ``position`` of the cell among the candidates, and its
            ``energy_kwh``, ``accuracy`` and ``parameters``. Empty where nothing qualifies whatever the value.
    """

    varied: Quantity | None
    now: float | None
    steps: pd.DataFrame

    @property
    def current(self) -> tuple[float, float] | None:
        """The stretch that now lies in; None where there is none, or where nothing qualifies."""
        at = self.now
        if at is None:
            at = 0.0 if self.varied == "accuracy" else np.inf
        inside = self.steps[(self.steps["start"] <= at) & (at <= self.steps["end"])]
        return None if inside.empty else (float(inside["start"].iloc[0]), float(inside["end"].iloc[0]))


def sweep(choice: Choice, varied: Quantity | None) -> Sweep:
    """Move one limit, or the weights, over all values that make a difference.

    Args:
        choice: where everything else stands.
        varied: whose limit is moved; None moves the weights of energy and accuracy, their sum held.
    """
    return _weights(choice) if varied is None else _limit(choice, varied)


def robustness(choice: Choice) -> dict[Quantity | None, tuple[float, float]]:
    """For the weights (None) and each limit that is set, between which values the preferred cell stays."""
    names: tuple[Quantity | None, ...] = (None, *choice.view.needs.limits)
    found = {varied: sweep(choice, varied).current for varied in names}
    return {varied: stretch for varied, stretch in found.items() if stretch is not None}


def _weights(choice: Choice) -> Sweep:
    weights = choice.view.weights
    both = weights.energy + weights.accuracy
    now = weights.energy / both if both else None
    inside = np.flatnonzero(choice.qualifying)
    if not both or not len(inside):
        return Sweep(None, now, _stretches(choice, [], [], []))
    objectives = choice.candidates.objectives()[inside]
    undominated = pareto.front(objectives if weights.size else objectives[:, :2])
    energy, error, size = choice.scale(objectives[undominated]).T
    at_none, slope = both * error + weights.size * size, both * (energy - error)
    shares, chosen = [0.0], [int(np.lexsort((slope, at_none))[0])]
    while True:
        line = chosen[-1]
        flatter = slope < slope[line]
        crossing = np.full(len(slope), np.inf)
        crossing[flatter] = (at_none[flatter] - at_none[line]) / (slope[line] - slope[flatter])
        share = float(crossing.min())
        if share > 1:
            break
        shares.append(share)
        chosen.append(int(np.lexsort((slope, crossing))[0]))
    return Sweep(None, now, _stretches(choice, shares, [*shares[1:], 1.0], inside[undominated[chosen]]))


def _limit(choice: Choice, varied: Quantity) -> Sweep:
    candidates, needs = choice.candidates, choice.view.needs
    values = candidates.values[varied]
    inside = np.flatnonzero(candidates.qualifying(needs.having(varied, None)) & ~np.isnan(values))
    strictness = 1 - values[inside] if varied == "accuracy" else values[inside]
    costs = cost(choice.scale(candidates.objectives()[inside]), choice.view.weights)
    order = np.lexsort((costs, strictness))
    best = np.minimum.accumulate(costs[order]) if len(order) else costs
    records = order[np.flatnonzero(np.diff(best, prepend=np.inf) < 0)]
    reached = values[inside][records]
    if varied == "accuracy":
        starts, ends, records = np.append(reached[1:], 0.0)[::-1], reached[::-1], records[::-1]
    else:
        starts, ends = reached, np.append(reached[1:], np.inf)
    count = len(reached)
    return Sweep(varied, needs.limits.get(varied), _stretches(choice, starts[:count], ends[:count], inside[records]))


def _stretches(choice: Choice, starts: npt.ArrayLike, ends: npt.ArrayLike, positions: npt.ArrayLike) -> pd.DataFrame:
    import pandas as pd

    at: Places = np.asarray(positions, np.int64)
    values = choice.candidates.values
    columns: dict[str, Floats | Places] = {
        "start": np.asarray(starts, np.float64),
        "end": np.asarray(ends, np.float64),
        "position": at,
        **{name: values[name][at] for name in ("energy_kwh", "accuracy", "parameters")},
    }
    return pd.DataFrame(columns)
