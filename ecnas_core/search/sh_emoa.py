"""SH-EMOA: an evolutionary algorithm whose training budgets grow by successive halving (paper section 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecnas_core.search.algorithm import NO_PARENT, Algorithm, Evaluations, Proposals, joined
from ecnas_core.search.operators import crossover, mutate, sample
from ecnas_core.search.problem import Problem
from ecnas_core.search.selection import survivors

POPULATION = 10
CHILDREN = 48
CROSSOVER = 0.5


class ShEmoa(Algorithm):
    """Many children at the least budget, half as many at each greater one.

    A population of ten has 48 children at the least budget, ten at a time; the best ten of all survive, layer by layer
    and then by hypervolume contribution. They are asked for again at the next budget, have half as many children
    there, and so on to the greatest; then it begins again at the least with the survivors. Parents win a tournament of
    two; half of the children are a uniform crossover of two parents, and all are mutated.

    The published runs end after one such round of 143 questions, with 48, 24, 12, 6 and 3 children on five rungs, two
    of them at 36 epochs; here every budget is one rung.
    """

    name = "SH-EMOA"
    summary = "tries many cells with short trainings and gives only the better half longer ones."
    colour = "#E69F00"
    evaluation_s = 1e-3

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._rung = 0
        self._left = CHILDREN
        self._promoted = False
        self._population: Evaluations | None = None

    def ask(self) -> Proposals:
        """Ten random individuals, the population at the next budget, or up to ten children."""
        if self._population is None:
            return self._new(sample(self.problem, POPULATION, self.rng), self._rung)
        if self._promoted:
            return self._again(self._population, self._rung)
        count = min(POPULATION, self._left)
        first, second = self._tournament(count), self._tournament(count)
        mixed = self.rng.random(count) < CROSSOVER
        numbers, genomes = self._population.individuals, self._population.genomes
        parents = np.stack([numbers[first], np.where(mixed, numbers[second], NO_PARENT)], axis=1)
        children = crossover(genomes[first], genomes[np.where(mixed, second, first)], self.rng)
        return self._new(mutate(children, self.rng), self._rung, parents)

    def _tournament(self, count: int) -> NDArray[np.int64]:
        """The places of so many winners; the population is in order, the best first."""
        assert self._population is not None
        winners: NDArray[np.int64] = self.rng.integers(0, len(self._population), (2, count)).min(axis=0)
        return winners

    def _learn(self, answers: Evaluations) -> None:
        feasible = answers[answers.feasible]
        born = self._population is not None and not self._promoted
        if born and self._population is not None:
            feasible = joined(self._population, feasible)
        self._promoted = False
        self._population = feasible[survivors(feasible.values, POPULATION)] if len(feasible) else None
        if not born:
            return
        self._left -= len(answers)
        if self._left <= 0:
            rungs = len(self.problem.setting.budgets)
            self._rung = (self._rung + 1) % rungs
            self._left = CHILDREN >> self._rung
            self._promoted = rungs > 1
