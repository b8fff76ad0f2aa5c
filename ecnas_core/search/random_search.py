"""Random search."""

from __future__ import annotations

from ecnas_core.search.algorithm import Algorithm, Evaluations, Proposals
from ecnas_core.search.operators import sample

GENERATION = 10


class RandomSearch(Algorithm):
    """Random cells at random budgets, for any number of objectives."""

    name = "RS"
    summary = "takes cells at random: what every other has to beat."
    colour = "#009E73"
    evaluation_s = 4e-4

    def ask(self) -> Proposals:
        """Ten random individuals."""
        genomes = sample(self.problem, GENERATION, self.rng)
        return self._new(genomes, self.rng.integers(0, len(self.problem.setting.budgets), GENERATION))

    def _learn(self, answers: Evaluations) -> None:
        """Nothing is learnt."""
