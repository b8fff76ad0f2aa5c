"""A trial played again, generation by generation: who was asked, from whom they descend, and the front so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis.pareto import Points, front
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

Places = npt.NDArray[np.int64]
NEEDED = ("generation", "individual", "parent", "second_parent", "charged", "valid")


class NoGenerations(EcnasError):
    """Evaluations do not say to which generation they belong."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One generation; all places are rows of the trial's table.

    Attributes:
        generation: from 0.
        population: feasible cells that were asked for in this generation.
        infeasible: how many of those asked for have no answer.
        before: feasible cells of the generations before.
        front: those of all so far that none dominates, by rising first objective.
        descent: shape (n, 2): a parent and its child in the population, wherever both are feasible.
        evaluations: charged so far.
    """

    generation: int
    population: Places
    infeasible: int
    before: Places
    front: Places
    descent: Places
    evaluations: int


class Replay:
    """A trial to be played again.

    Attributes:
        points: shape (n, objectives): what each question found, NaN where infeasible.
        generations: how many there are.
    """

    def __init__(self, trial: pd.DataFrame, objectives: Sequence[str]) -> None:
        """Read a trial.

        Args:
            trial: its questions in the order asked, with the columns ``NEEDED`` and the objectives.
            objectives: two or three of its columns, minimised.

        Raises:
            NoGenerations: a column is missing, or it holds no question.
        """
        missing = [name for name in (*NEEDED, *objectives) if name not in trial.columns]
        if missing or not len(trial):
            raise NoGenerations(f"the trial has no {', '.join(missing) or 'question'}; replay one of your own studies")
        feasible = trial["valid"].to_numpy(bool)
        self.points: Points = trial[list(objectives)].to_numpy(np.float64, copy=True)
        self.points[~feasible] = np.nan
        self._feasible = feasible
        self._generation = trial["generation"].to_numpy(np.int64)
        self._individual = trial["individual"].to_numpy(np.int64)
        self._parents = trial[["parent", "second_parent"]].fillna(-1).to_numpy(np.int64)
        self._charged = np.cumsum(trial["charged"].to_numpy(bool))
        self.generations = int(self._generation[-1]) + 1

    def at(self, generation: int) -> Scene:
        """One generation.

        Args:
            generation: from 0 to ``generations`` - 1.
        """
        start, end = np.searchsorted(self._generation, [generation, generation + 1]).tolist()
        asked = np.arange(start, end)
        population = asked[self._feasible[asked]]
        so_far = np.flatnonzero(self._feasible[:end])
        best = so_far[front(self.points[so_far])] if len(so_far) else so_far
        return Scene(
            generation,
            population,
            len(asked) - len(population),
            np.flatnonzero(self._feasible[:start]),
            best,
            self._descent(population, end),
            int(self._charged[end - 1]) if end else 0,
        )

    def _descent(self, population: Places, end: int) -> Places:
        """A child's parents as they were last asked for before it; one asked again descends from nobody but itself."""
        last = {
            int(individual): place
            for place, individual in enumerate(self._individual[:end].tolist())
            if self._feasible[place]
        }
        pairs = [
            (last[parent], child)
            for child in population.tolist()
            for parent in dict.fromkeys(self._parents[child].tolist())
            if parent in last and last[parent] < child
        ]
        return np.array(pairs, np.int64).reshape(-1, 2)
