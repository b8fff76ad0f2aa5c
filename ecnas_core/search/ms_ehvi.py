"""MS-EHVI: Bayesian optimisation with mixed surrogates and the expected hypervolume improvement (paper section 3)."""

from __future__ import annotations

import numpy as np

from ecnas_core.analysis.gaussian import Floats
from ecnas_core.search.algorithm import Algorithm, Evaluations, Proposals, joined
from ecnas_core.search.ehvi import expected_improvement
from ecnas_core.search.encoding import Genomes
from ecnas_core.search.features import path_encoding
from ecnas_core.search.operators import mutate, sample
from ecnas_core.search.problem import Budgets, Problem
from ecnas_core.search.squared_exponential_process import SquaredExponentialProcess

INITIAL = 10
CANDIDATES = 500
MOST_FITTED = 300
EXPENSIVE = ("validation_error", "test_error", "training_time", "energy", "footprint", "multiply_adds", "parameters")
_DIGITS = 9


class MsEhvi(Algorithm):
    """A Gaussian process for the expensive objective, the cheap one exact, one question at a time.

    After ten random individuals, each question is the candidate with the greatest exact expected hypervolume
    improvement. Candidates are valid cells that were not asked for before: half are drawn as the setting says, half are
    mutants of the front, at random budgets. The expensive objective is the first of ``EXPENSIVE`` that the problem has;
    the other one of a candidate is taken from the benchmark without a charge, and a candidate of which it is unknown is
    dropped. Of more than 300 answers the process is fitted to the last 300.
    """

    name = "MS-EHVI"
    summary = "models the expensive objective and asks where the front should gain most; slow, for few evaluations."
    colour = "#0072B2"
    objectives = (2,)
    evaluation_s = 6e-5

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        objectives = problem.setting.objectives
        self._expensive = objectives.index(next(key for key in EXPENSIVE if key in objectives))
        self._known: Evaluations | None = None
        self._reference = problem.reference()
        self._epochs = np.array(problem.setting.budgets, np.float64)

    @classmethod
    def seconds(cls, evaluations: int) -> float:
        """The model grows with every evaluation, so it is the square of their number that counts."""
        return cls.evaluation_s * evaluations**2

    def ask(self) -> Proposals:
        """Ten random individuals, or the most promising candidate."""
        budgets = len(self._epochs)
        if self._known is None or len(self._known) < 2:
            return self._new(sample(self.problem, INITIAL, self.rng), self.rng.integers(0, budgets, INITIAL))
        assert self._front is not None
        parents = self._front[self.rng.integers(0, len(self._front), CANDIDATES // 2)]
        drawn = sample(self.problem, CANDIDATES - len(parents), self.rng)
        genomes = Genomes.joined(mutate(parents.genomes, self.rng), drawn)
        at = self.rng.integers(0, budgets, CANDIDATES, dtype=np.int8)
        numbers = np.concatenate([parents.individuals, np.full(len(drawn), -1, np.int32)])
        places = self._fresh(genomes, at)
        cheap = self.problem.raw[at[places], self.problem.lookup.rows(genomes[places]), 1 - self._expensive]
        places, cheap = places[~np.isnan(cheap)], cheap[~np.isnan(cheap)]
        if not len(places):
            return self._unasked(1)
        best = places[[self._improvement(genomes[places], at[places], cheap).argmax()]]
        return self._new(genomes[best], at[best], numbers[best][:, None])

    def _improvement(self, genomes: Genomes, budgets: Budgets, cheap: Floats) -> Floats:
        """Expected improvements, rounded so that equals are equal whatever the linear algebra's last digits."""
        assert self._known is not None
        known = self._known[-MOST_FITTED:]
        process = SquaredExponentialProcess(
            path_encoding(known.genomes), self._epochs[known.budgets], known.values[:, self._expensive]
        )
        mean, deviation = process.predict(path_encoding(genomes), self._epochs[budgets])
        means, deviations = np.empty((len(genomes), 2)), np.zeros((len(genomes), 2))
        means[:, self._expensive], means[:, 1 - self._expensive] = mean, cheap
        deviations[:, self._expensive] = deviation
        reference = self._reference[0], self._reference[1]
        assert self._front is not None
        found = expected_improvement(self._front.values, reference, means, deviations)
        return np.round(found / found.max(), _DIGITS) if found.max() > 0 else found

    def _learn(self, answers: Evaluations) -> None:
        feasible = answers[answers.feasible]
        if len(feasible):
            self._known = feasible if self._known is None else joined(self._known, feasible)
