"""Regularised evolution for one objective (Real et al. 2019): the oldest dies, not the worst."""

from __future__ import annotations

import numpy as np

from ecnas_core.search.algorithm import Algorithm, Evaluations, Proposals, joined
from ecnas_core.search.operators import mutate, sample
from ecnas_core.search.problem import Problem

POPULATION = 50
TOURNAMENT = 10
CHILDREN = 10
NEW_BUDGET = 0.1
EDGE_CHANGES = 1.0
OPERATION_CHANGES = 1.0


class RegularisedEvolution(Algorithm):
    """A queue of 50 individuals: the best of ten random ones has a child, and the oldest leaves.

    Ten children are made at once, as by ten workers. Sizes and rates are NAS-Bench-101's: 1.0 edges and 1.0 operations
    changed on average. An infeasible child does not enter the queue. Where the search chooses the budget, the first 50
    get random ones, and a child its parent's or, one in ten, a random one.
    """

    name = "RE"
    summary = "lets the oldest die, not the worst."
    colour = None
    objectives = (1,)
    evaluation_s = 1e-3

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._queue: Evaluations | None = None

    def ask(self) -> Proposals:
        """Ten random individuals until 50 are feasible, then ten children."""
        drawn = self.rng.integers(0, len(self.problem.setting.budgets), CHILDREN, dtype=np.int8)
        if self._queue is None or len(self._queue) < POPULATION:
            return self._new(sample(self.problem, CHILDREN, self.rng), drawn)
        rivals = self.rng.random((CHILDREN, POPULATION)).argpartition(TOURNAMENT, axis=1)[:, :TOURNAMENT]
        winners = self._queue.values[rivals, 0].argmin(axis=1)
        parents = self._queue[rivals[np.arange(CHILDREN), winners]]
        renewed = self.rng.random(CHILDREN) < NEW_BUDGET
        genomes = mutate(parents.genomes, self.rng, EDGE_CHANGES, OPERATION_CHANGES)
        return self._new(genomes, np.where(renewed, drawn, parents.budgets), parents.individuals[:, None])

    def _learn(self, answers: Evaluations) -> None:
        feasible = answers[answers.feasible]
        if len(feasible):
            self._queue = (feasible if self._queue is None else joined(self._queue, feasible))[-POPULATION:]
