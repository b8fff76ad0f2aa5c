"""Algorithms of pymoo: it chooses who has children and who survives, this package's operators make the children."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecnas_core.search.algorithm import NO_PARENT, Algorithm, Evaluations, Individuals, Proposals
from ecnas_core.search.encoding import NO_CELL, Genomes
from ecnas_core.search.operators import crossover, mutate, sample
from ecnas_core.search.problem import Budgets, Problem

CROSSOVER = 0.5
NEW_BUDGET = 0.3
_ROUNDS = 20


class PymooSearch(Algorithm):
    """A genetic algorithm of pymoo's behind the protocol of this package.

    Children that are no valid cell, or the same cell at the same budget as one in the population or a sibling, are made
    again, up to 20 times. Half of them are a uniform crossover of two parents, and all are mutated; where the search
    chooses the budget, three of ten children get a random one and the others their first parent's. An infeasible
    individual violates a constraint.

    Attributes:
        population: size of the population.
        children: how many a generation makes.
    """

    population: int
    children: int

    def __init__(self, problem: Problem, seed: int) -> None:
        from pymoo.core.problem import Problem as Described
        from pymoo.core.termination import NoTermination

        super().__init__(problem, seed)
        self._worst = np.nanmax(problem.values, axis=(0, 1))
        self._pymoo: Any
        self._selection: Any
        self._pymoo, self._selection = self._build()
        described = Described(n_var=2, n_obj=len(problem.setting.objectives), n_ieq_constr=1)
        self._pymoo.setup(described, termination=NoTermination(), seed=seed)
        self._lot: Any = None

    @abstractmethod
    def _build(self) -> tuple[Any, Any]:
        """The algorithm of pymoo and its tournament."""

    def ask(self) -> Proposals:
        """Random individuals, then children of the population."""
        from pymoo.core.population import Population

        budgets = len(self.problem.setting.budgets)
        if self._lot is None:
            questions = self._new(
                sample(self.problem, self.population, self.rng), self.rng.integers(0, budgets, self.population)
            )
        else:
            questions = self._children()
        self._lot = Population.new(X=np.stack([questions.genomes.edge_bits, questions.budgets], axis=1))
        self._lot.set("ops", questions.genomes.ops)
        self._lot.set("individual", questions.individuals)
        return questions

    def _learn(self, answers: Evaluations) -> None:
        lot = self._lot[: len(answers)]
        feasible = answers.feasible[:, None]
        lot.set("F", np.where(feasible, answers.values, self._worst))
        lot.set("G", np.where(feasible, 0.0, 1.0))
        lot.set("question", self._numbered(answers.rows, answers.budgets))
        self._pymoo.tell(infills=lot)

    def _children(self) -> Proposals:
        known = set(self._pymoo.pop.get("question").tolist())
        lots: list[tuple[Genomes, Budgets, Individuals]] = []
        missing = self.children
        for _ in range(_ROUNDS):
            genomes, budgets, parents = self._draw()
            rows = self.problem.lookup.rows(genomes)
            places: list[int] = []
            for place, question in enumerate(self._numbered(rows, budgets).tolist()):
                if rows[place] != NO_CELL and question not in known and len(places) < missing:
                    known.add(question)
                    places.append(place)
            lots.append((genomes[np.array(places, int)], budgets[places], parents[places]))
            missing -= len(places)
            if not missing:
                break
        return self._new(
            Genomes.joined(*(genomes for genomes, _, _ in lots)),
            np.concatenate([budgets for _, budgets, _ in lots]),
            np.concatenate([parents for _, _, parents in lots]),
        )

    def _draw(self) -> tuple[Genomes, Budgets, Individuals]:
        """As many children as a generation makes, valid or not, with their budgets and their parents' numbers."""
        alive, count = self._pymoo.pop, self.children
        pairs = self._selection(
            self._pymoo.problem, alive, count, n_parents=2, to_pop=False, algorithm=self._pymoo, random_state=self.rng
        )
        variables, ops, numbers = alive.get("X"), alive.get("ops"), alive.get("individual").astype(np.int32)
        first, second = (Genomes(variables[each, 0].astype(np.int32), ops[each].astype(np.int8)) for each in pairs.T)
        mixed = self.rng.random(count) < CROSSOVER
        crossed = crossover(first, second, self.rng)
        genomes = Genomes(
            np.where(mixed, crossed.edge_bits, first.edge_bits), np.where(mixed[:, None], crossed.ops, first.ops)
        )
        renewed = self.rng.random(count) < NEW_BUDGET
        drawn = self.rng.integers(0, len(self.problem.setting.budgets), count, dtype=np.int8)
        budgets = np.where(renewed, drawn, variables[pairs[:, 0], 1]).astype(np.int8)
        parents = np.stack([numbers[pairs[:, 0]], np.where(mixed, numbers[pairs[:, 1]], NO_PARENT)], axis=1)
        return mutate(genomes, self.rng), budgets, parents

    def _numbered(self, rows: NDArray[np.int32], budgets: Budgets) -> NDArray[np.int64]:
        """One number for each cell at each budget."""
        numbers: NDArray[np.int64] = budgets.astype(np.int64) * self._asked.shape[1] + rows
        return numbers
