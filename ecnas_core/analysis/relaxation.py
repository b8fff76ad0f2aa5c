"""When no cell keeps all limits: which of them exclude each other, and what is the least that must be given up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis.candidates import Candidates, Flags, Floats, all_of, keeps
from ecnas_core.analysis.needs import Needs, Quantity


@dataclass(frozen=True)
class Relaxation:
    """Limits that some cell keeps.

    Attributes:
        limits: the new limit of each quantity that must give way; what a cell has, exactly.
        change: the largest of their relative changes: of an upper limit by how much it grows, of the accuracy by how
            much the error that is allowed grows.
        position: of the cell among the candidates.
    """

    limits: dict[Quantity, float]
    change: float
    position: int


@dataclass(frozen=True)
class Conflict:
    """Why no cell keeps all limits.

    Attributes:
        binding: the smallest sets of limits that no cell keeps together, those of fewest limits first.
        alone: for each limit that would do if it alone gave way, by how much; the least change first.
        nearest: the relaxation with the least largest change; None where no candidate has all values known.
        feasible: how many cells keep each limit by itself.
    """

    binding: tuple[tuple[Quantity, ...], ...]
    alone: tuple[Relaxation, ...]
    nearest: Relaxation | None
    feasible: dict[Quantity, int]


def conflict(candidates: Candidates, needs: Needs) -> Conflict | None:
    """Why no candidate qualifies; None where one does.

    Args:
        candidates: of which one is wanted.
        needs: the limits.
    """
    if candidates.qualifying(needs).any():
        return None
    keeping = candidates.keeping(needs)
    known = all_of([candidates.known, *(~np.isnan(candidates.values[quantity]) for quantity in keeping)])
    alone = [
        found for quantity in keeping if (found := _alone(candidates, needs, quantity, known, keeping)) is not None
    ]
    together = _nearest(candidates, needs, known)
    nearest = min([*([together] if together else []), *alone], key=lambda each: each.change, default=None)
    return Conflict(
        binding=_binding(candidates.known, keeping),
        alone=tuple(sorted(alone, key=lambda each: each.change)),
        nearest=nearest,
        feasible={quantity: int((candidates.known & kept).sum()) for quantity, kept in keeping.items()},
    )


def _binding(known: Flags, keeping: dict[Quantity, Flags]) -> tuple[tuple[Quantity, ...], ...]:
    found: list[tuple[Quantity, ...]] = []
    for size in range(1, len(keeping) + 1):
        for names in combinations(keeping, size):
            if any(set(smaller) <= set(names) for smaller in found):
                continue
            if not all_of([known, *(keeping[name] for name in names)]).any():
                found.append(names)
    return tuple(found)


def _alone(
    candidates: Candidates, needs: Needs, quantity: Quantity, known: Flags, keeping: dict[Quantity, Flags]
) -> Relaxation | None:
    others = all_of([known, *(kept for name, kept in keeping.items() if name != quantity)])
    if not others.any():
        return None
    changes = np.where(others, _changes(candidates, needs)[quantity], np.inf)
    position = int(np.argmin(changes))
    return Relaxation({quantity: float(candidates.values[quantity][position])}, float(changes[position]), position)


def _nearest(candidates: Candidates, needs: Needs, known: Flags) -> Relaxation | None:
    if not known.any():
        return None
    changes = np.stack(list(_changes(candidates, needs).values()))
    worst = np.where(known, changes.max(axis=0), np.inf)
    total = np.where(worst <= worst.min(), np.maximum(changes, 0).sum(axis=0), np.inf)
    position = int(np.argmin(total))
    limits = {
        quantity: float(candidates.values[quantity][position])
        for quantity, limit in needs.limits.items()
        if not keeps(candidates.values[quantity][position], quantity, limit)
    }
    return Relaxation(limits, float(worst[position]), position)


def _changes(candidates: Candidates, needs: Needs) -> dict[Quantity, Floats]:
    """By how much, relatively, each limit must give way for each candidate; negative where it has room."""
    changes: dict[Quantity, npt.NDArray[np.float64]] = {}
    for quantity, limit in needs.limits.items():
        values = candidates.values[quantity]
        changes[quantity] = (1 - values) / (1 - limit) - 1 if quantity == "accuracy" else values / limit - 1
    return changes
