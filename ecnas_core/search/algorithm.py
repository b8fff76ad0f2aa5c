"""What a search algorithm is: it asks questions, is told the answers, and names the front of what it was told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ecnas_core.errors import EcnasError
from ecnas_core.search.archive import nondominated
from ecnas_core.search.encoding import NO_CELL, Genomes, Rows
from ecnas_core.search.problem import Budgets, Outcome, Outcomes, Problem, Values

Individuals = NDArray[np.int32]
NO_PARENT = -1


class Unsupported(EcnasError):
    """An algorithm cannot search this problem."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """What an algorithm asks at once: one generation.

    Attributes:
        genomes: (n,) the cells.
        budgets: (n,) places in the problem's budgets.
        individuals: (n,) numbers of the individuals, from 0 in the order they were made; one asked again, at another
            budget, keeps its number.
        parents: (n, 2) numbers of the individuals that each was made from, ``NO_PARENT`` where there is none.
    """

    genomes: Genomes
    budgets: Budgets
    individuals: Individuals
    parents: Individuals

    def __len__(self) -> int:
        return len(self.budgets)


@dataclass(frozen=True, eq=False)
class Evaluations(Proposals):
    """Proposals with what came of them.

    Attributes:
        rows: (n,) the cells' rows in the problem's lookup, or ``NO_CELL``.
        values: (n, objectives), all minimised; NaN where infeasible.
        outcomes: (n,) an ``Outcome`` each.
    """

    rows: Rows
    values: Values
    outcomes: Outcomes

    def __getitem__(self, chosen: slice | NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        return type(self)(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """(n,) which have values."""
        found: NDArray[np.bool_] = self.outcomes == Outcome.FEASIBLE
        return found


def joined(*parts: Evaluations) -> Evaluations:
    """Several lots of answers one after another."""
    columns = {
        each.name: np.concatenate([getattr(part, each.name) for part in parts])
        for each in fields(Evaluations)
        if each.name != "genomes"
    }
    return Evaluations(genomes=Genomes.joined(*(part.genomes for part in parts)), **columns)


def answered(problem: Problem, questions: Proposals) -> Evaluations:
    """Proposals with the problem's answers."""
    rows, values, outcomes = problem.evaluate(questions.genomes, questions.budgets)
    return Evaluations(
        questions.genomes, questions.budgets, questions.individuals, questions.parents, rows, values, outcomes
    )


class Algorithm(ABC):
    """A search: ``ask``, answer, ``tell``, again and again; all chance comes from its own seeded generator.

    Attributes:
        name: what it is called in records and on pages.
        summary: what it does, as a clause after its name.
        colour: of its marks and lines; None takes the text's.
        objectives: how many it can have.
        evaluation_s: seconds of an evaluation on one core of the machine this was made on.
        problem: what is searched.
        seed: of all chance.
        rng: where all chance comes from.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    colour: ClassVar[str | None]
    objectives: ClassVar[tuple[int, ...]] = (1, 2, 3)
    evaluation_s: ClassVar[float]

    def __init__(self, problem: Problem, seed: int) -> None:
        """Start a search.

        Args:
            problem: what to search.
            seed: of all chance; the same seed gives the same search.

        Raises:
            Unsupported: the algorithm is not for such a problem.
        """
        if len(problem.setting.objectives) not in self.objectives:
            raise Unsupported(f"{self.supported('give')}, or choose another algorithm")
        self.problem = problem
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self._front: Evaluations | None = None
        self._individuals = 0
        self._asked: NDArray[np.bool_] = np.zeros(problem.outcomes.shape, bool)

    @classmethod
    def supported(cls, verb: str) -> str:
        """How many objectives it has, and what to do about it.

        Args:
            verb: what is done to have as many, such as give.
        """
        counts = " or ".join(("one", "two", "three")[count - 1] for count in cls.objectives)
        return f"{cls.name} has {counts} objective{'s' * (cls.objectives[-1] > 1)}; {verb} {counts}"

    @classmethod
    def seconds(cls, evaluations: int) -> float:
        """How long one trial takes on one core of the machine this was made on."""
        return cls.evaluation_s * evaluations

    @abstractmethod
    def ask(self) -> Proposals:
        """The next generation of questions; none when the algorithm has nothing more to ask."""

    def tell(self, answers: Evaluations) -> None:
        """Take the answers to what was asked last, all or, at the end of a trial, the first ones."""
        self._remember(answers)
        self._learn(answers)

    def front(self) -> Evaluations | None:
        """The answers told so far that none dominates, ascending in the first objective; None before the first."""
        return self._front

    @abstractmethod
    def _learn(self, answers: Evaluations) -> None:
        """Use the answers for the next generation."""

    def _remember(self, answers: Evaluations) -> None:
        valid = answers.rows != NO_CELL
        self._asked[answers.budgets[valid], answers.rows[valid]] = True
        feasible = answers[answers.feasible]
        if not len(feasible):
            return
        pool = feasible if self._front is None else joined(self._front, feasible)
        self._front = pool[nondominated(pool.values)]

    def _fresh(self, genomes: Genomes, budgets: Budgets) -> NDArray[np.int64]:
        """The places, ascending, of valid cells at budgets that were not told yet; the first of each."""
        rows = self.problem.lookup.rows(genomes)
        places = np.flatnonzero((rows != NO_CELL) & ~self._asked[budgets, rows])
        questions = budgets[places].astype(np.int64) * self._asked.shape[1] + rows[places]
        _, first = np.unique(questions, return_index=True)
        return places[np.sort(first)]

    def _unasked(self, count: int) -> Proposals:
        """New individuals: up to so many of the cells and budgets that were not told yet, at random."""
        budgets, rows = np.nonzero(~self._asked)
        chosen = self.rng.choice(len(rows), min(count, len(rows)), replace=False)
        return self._new(self.problem.lookup.genomes(rows[chosen].astype(np.int32)), budgets[chosen])

    def _new(
        self, genomes: Genomes, budgets: NDArray[np.integer] | int, parents: Individuals | None = None
    ) -> Proposals:
        """Proposals about new individuals, which get the next numbers."""
        count = len(genomes)
        numbers = np.arange(self._individuals, self._individuals + count, dtype=np.int32)
        self._individuals += count
        given = np.full((count, 2), NO_PARENT, np.int32)
        if parents is not None:
            given[:, : parents.shape[1]] = parents
        return Proposals(genomes, np.broadcast_to(np.asarray(budgets, np.int8), count), numbers, given)

    @staticmethod
    def _again(answers: Evaluations, budget: int) -> Proposals:
        """Proposals about the same individuals at another budget."""
        budgets = np.full(len(answers), budget, np.int8)
        return Proposals(answers.genomes, budgets, answers.individuals, answers.parents)
