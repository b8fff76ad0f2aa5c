"""SEMOA, the authors' simple evolutionary multi-objective algorithm (paper section 3)."""

from __future__ import annotations

import numpy as np

from ecnas_core.search.algorithm import Algorithm, Evaluations, Proposals
from ecnas_core.search.operators import mutate, sample
from ecnas_core.search.problem import Problem
from ecnas_core.search.selection import ranked_parents

POPULATION = 10


class Semoa(Algorithm):
    """An unbounded archive of non-dominated answers, ten children a generation, budgets in turn.

    Ten random individuals, and ten children of theirs, are trained at the first budget. With every other budget, from
    the least to the greatest and over again, the archive's individuals are asked for at that budget first, then ten
    children. Parents are drawn by linear ranking (pressure 1.9) on the hypervolume contributions in the archive, which
    pools all budgets; a child has 2.0 edges and 0.5 operations changed on average, and may by chance be its parent
    again or invalid.

    The published logs differ in one thing: there every valid cell found so far is asked for again, dominated or not.
    """

    name = "SEMOA"
    summary = "mutates the cells that add most to the front and forgets no good one; the paper's own."
    colour = "#D55E00"
    evaluation_s = 1e-3

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._budget = 0
        self._renewed = True

    def ask(self) -> Proposals:
        """The archive at a new budget, or ten children."""
        if self._front is None:
            return self._new(sample(self.problem, POPULATION, self.rng), self._budget)
        if not self._renewed:
            _, first = np.unique(self._front.individuals, return_index=True)
            return self._again(self._front[first], self._budget)
        places = ranked_parents(self._front.values, POPULATION, self.rng)
        parents = self._front[places]
        return self._new(mutate(parents.genomes, self.rng), self._budget, parents.individuals[:, None])

    def _learn(self, answers: Evaluations) -> None:
        if self._renewed and answers.parents.max() >= 0 and len(self.problem.setting.budgets) > 1:
            self._budget = (self._budget + 1) % len(self.problem.setting.budgets)
            self._renewed = False
        else:
            self._renewed = True
