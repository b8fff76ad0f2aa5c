"""Choosing a cell: what somebody has, needs and cares for becomes a short list, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ecnas_core.analysis import pareto
from ecnas_core.analysis.candidates import Candidates, Flags, Places, all_of, details, load
from ecnas_core.analysis.needs import ChooseView, Quantity
from ecnas_core.analysis.preferences import Scale, Weights, cost
from ecnas_core.analysis.relaxation import Conflict, conflict
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["preferred", "knee", "cheapest", "best", "safest"]


class NothingKnown(EcnasError):
    """No cell of the space has both an energy and an accuracy under the lens."""


class InvalidTop(EcnasError):
    """A short list cannot have so many cells."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen.

    Attributes:
        view: what was asked for.
        candidates: every cell that could be chosen.
        scale: what weights are of.
        qualifying: which candidates keep all limits.
        front: positions of the qualifying ones that none beats in both energy and accuracy, by rising energy.
        roles: positions of the cells that stand out, by role; a role that no cell has is missing.
        shortlist: these cells, as ``details`` gives them, each once, with ``position``, ``roles`` (comma-separated) and
            ``cost`` (weighted, 0 to 1 over the front of all cells).
        reference: the most accurate of all candidates, whatever is needed, as one row of ``details``.
        conflict: why nothing qualifies; None where something does.
        excluded: how many cells more would qualify if a limit were dropped, by quantity.
    """

    view: ChooseView
    candidates: Candidates
    scale: Scale
    qualifying: Flags
    front: Places
    roles: dict[Role, int]
    shortlist: pd.DataFrame
    reference: pd.DataFrame
    conflict: Conflict | None
    excluded: dict[Quantity, int]


def choose(bench: Benchmark, view: ChooseView, top: int | None = None) -> Choice:
    """Choose cells.

    ``cheapest`` takes the least energy of those that qualify, ``best`` has the highest accuracy, ``knee`` is the knee
    of their front (paper section 3), ``preferred`` costs least under the weights, and ``safest`` costs least under the
    weights when the unfavourable end of every 90 % interval counts, for the limits too.

    Args:
        bench: the benchmark.
        view: what is had, needed and cared for.
        top: at most so many cells in the short list; beyond the roles it is filled with the cells of the front that
            cost least under the weights. None takes the roles alone.

    Returns:
        The choice; with an empty short list and a conflict where nothing qualifies.

    Raises:
        NothingKnown: no candidate has both an energy and an accuracy.
        UnknownDevice: the lens's device is not calibrated.
        InvalidTop: fewer than one.
    """
    return among(bench, load(bench, view.task), view, top)


def among(bench: Benchmark, candidates: Candidates, view: ChooseView, top: int | None = None) -> Choice:
    """``choose`` from candidates that are loaded already."""
    if top is not None and top < 1:
        raise InvalidTop(f"a short list of {top} cells is none; ask for at least 1")
    if not len(candidates.front):
        raise NothingKnown(
            f"no cell of {view.task.space} has both an energy and an accuracy here; take the scope facility or IT (GPU "
            "is known in 4V and 5V alone), or let predicted accuracies count"
        )
    objectives = candidates.objectives()
    scale = Scale.of(objectives[candidates.front])
    qualifying = candidates.qualifying(view.needs)
    inside = np.flatnonzero(qualifying)
    front = inside[pareto.front(objectives[inside, :2])]
    roles = _roles(candidates, view, scale, inside, front)
    costs = cost(scale(objectives[front]), view.weights)
    others = [int(front[place]) for place in np.argsort(costs, kind="stable")] if top else []
    positions = list(dict.fromkeys([*roles.values(), *others]))[:top]
    shortlist = details(bench, candidates, positions).assign(
        position=positions,
        roles=[",".join(role for role in roles if roles[role] == position) for position in positions],
        cost=cost(scale(objectives[positions]), view.weights),
    )
    return Choice(
        view=view,
        candidates=candidates,
        scale=scale,
        qualifying=qualifying,
        front=front,
        roles=roles,
        shortlist=shortlist,
        reference=details(bench, candidates, candidates.front[-1:]),
        conflict=conflict(candidates, view.needs),
        excluded=_excluded(candidates, view, len(inside)),
    )


def preferred(candidates: Candidates, positions: Places, scale: Scale, weights: Weights, worst: bool = False) -> int:
    """The position, of some, of the candidate that costs least under the weights."""
    return int(positions[np.argmin(cost(scale(candidates.objectives(worst)[positions]), weights))])


def _roles(candidates: Candidates, view: ChooseView, scale: Scale, inside: Places, front: Places) -> dict[Role, int]:
    if not len(front):
        return {}
    roles: dict[Role, int] = {"preferred": preferred(candidates, inside, scale, view.weights)}
    knee = pareto.knee(candidates.objectives()[front, :2])
    if knee is not None:
        roles["knee"] = int(front[knee])
    roles |= {"cheapest": int(front[0]), "best": int(front[-1])}
    safe = np.flatnonzero(candidates.qualifying(view.needs, worst=True))
    if len(safe):
        roles["safest"] = preferred(candidates, safe, scale, view.weights, worst=True)
    return roles


def _excluded(candidates: Candidates, view: ChooseView, qualifying: int) -> dict[Quantity, int]:
    keeping = candidates.keeping(view.needs)
    return {
        quantity: int(all_of([candidates.known, *(kept for name, kept in keeping.items() if name != quantity)]).sum())
        - qualifying
        for quantity in keeping
    }
