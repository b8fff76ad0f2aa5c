"""One seeded run of one algorithm, charged and recorded question by question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecnas_core.benchmark.official import PROVENANCES
from ecnas_core.records import InvalidRecord
from ecnas_core.search.algorithm import Algorithm, Evaluations, answered, joined
from ecnas_core.search.archive import nondominated
from ecnas_core.search.problem import Outcome, Problem

if TYPE_CHECKING:
    import pandas as pd

QUESTIONS_PER_EVALUATION = 50


class Ended(StrEnum):
    """Why a trial ended."""

    EVALUATIONS = "evaluations"
    EXHAUSTED = "exhausted"
    STALLED = "stalled"
    CANCELLED = "cancelled"


@dataclass(frozen=True, eq=False)
class Progress:
    """What a trial tells after each generation.

    Attributes:
        generation: from 0.
        asked: questions so far.
        charged: evaluations so far: the questions that count.
        answers: those of this generation.
        front: what none of the answers so far dominates, or None.
    """

    generation: int
    asked: int
    charged: int
    answers: Evaluations
    front: Evaluations | None


@dataclass(frozen=True, eq=False)
class Trial:
    """A finished trial: every question in the order asked.

    Attributes:
        algorithm: its name.
        seed: of the trial.
        answers: (n,) questions and what came of them.
        generations: (n,) the generation of each, from 0.
        charged: (n,) whether it counted as an evaluation.
        ended: why it ended: all evaluations made, everything asked, no new questions for long, or cancelled.
    """

    algorithm: str
    seed: int
    answers: Evaluations
    generations: NDArray[np.int32]
    charged: NDArray[np.bool_]
    ended: Ended

    @property
    def evaluations(self) -> int:
        """Number of questions that counted."""
        return int(self.charged.sum())

    def front(self) -> NDArray[np.int64]:
        """The places of the questions whose answers none dominates, ascending in the first objective."""
        feasible = np.flatnonzero(self.answers.feasible)
        return feasible[nondominated(self.answers.values[feasible])]

    def outcomes(self) -> dict[str, int]:
        """How many questions had each outcome."""
        counts = np.bincount(self.answers.outcomes, minlength=len(Outcome))
        return {outcome.name.lower(): int(counts[outcome]) for outcome in Outcome}

    def frame(self, problem: Problem) -> pd.DataFrame:
        """The record as a table.

        Returns:
            One row a question: ``question`` from 0, ``evaluation`` from 0 (a question that is not charged shares the
            last one's number), ``charged``, ``generation``, ``individual``, ``parent``, ``second_parent`` (null where
            there is none), ``epochs``, ``edge_bits`` and ``ops`` of the genome, ``row`` of the cell and ``hash`` (null
            where the graph is invalid), ``outcome``, ``valid`` (whether it is feasible), ``accuracy_provenance`` (null
            where no accuracy is known), and the objectives under their names.
        """
        import pandas as pd

        answers = self.answers
        cells = pd.Series(answers.rows).where(answers.rows >= 0).astype("Int32")
        different = np.unique(answers.rows[answers.rows >= 0])
        hashes = dict(zip(different.tolist(), problem.lookup.hashes(different), strict=True))
        names = dict(enumerate(PROVENANCES))
        known = problem.accuracy_provenances[answers.budgets, answers.rows]
        provenances = np.where(answers.rows >= 0, known, -1)
        parents = pd.DataFrame(answers.parents).where(answers.parents >= 0).astype("Int32")
        columns = {
            "question": np.arange(len(answers), dtype=np.int32),
            "evaluation": np.maximum(np.cumsum(self.charged, dtype=np.int32) - 1, 0),
            "charged": self.charged,
            "generation": self.generations,
            "individual": answers.individuals,
            "parent": parents[0],
            "second_parent": parents[1],
            "epochs": np.array(problem.setting.budgets, np.int16)[answers.budgets],
            "edge_bits": answers.genomes.edge_bits,
            "ops": ["".join(map(str, ops)) for ops in answers.genomes.ops.tolist()],
            "row": cells,
            "hash": [hashes.get(row) for row in answers.rows.tolist()],
            "outcome": [Outcome(outcome).name.lower() for outcome in answers.outcomes.tolist()],
            "valid": answers.feasible,
            "accuracy_provenance": [names.get(place) for place in provenances.tolist()],
        }
        return pd.DataFrame(columns | dict(zip(problem.setting.objectives, answers.values.T, strict=True)))


class Ledger:
    """Which questions count as evaluations.

    ``all``: every one. ``unique``: those about a valid graph at a budget that was not asked for before in the trial.

    Attributes:
        charged: evaluations so far.
    """

    def __init__(self, problem: Problem) -> None:
        self.charged = 0
        self._all = problem.setting.charging == "all"
        self._asked = np.zeros(problem.outcomes.shape, bool)

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left that would count."""
        return not self._all and self.charged == self._asked.size

    def charge(self, answers: Evaluations, most: int) -> tuple[NDArray[np.bool_], Evaluations]:
        """Enter answers until so many evaluations are made; returns those entered and which of them count."""
        if self._all:
            counts = np.ones(len(answers), bool)
        else:
            counts = answers.outcomes != Outcome.INVALID_GRAPH
            counts &= ~self._asked[answers.budgets, answers.rows]
            places = np.flatnonzero(counts)
            questions = answers.rows[places].astype(np.int64) * len(self._asked) + answers.budgets[places]
            _, first = np.unique(questions, return_index=True)
            counts[np.delete(places, first)] = False
        entered = int(np.searchsorted(np.cumsum(counts), most - self.charged)) + 1
        counts, answers = counts[:entered], answers[:entered]
        if not self._all:
            self._asked[answers.budgets[counts], answers.rows[counts]] = True
        self.charged += int(counts.sum())
        return counts, answers


def run_trial(
    algorithm: Algorithm, evaluations: int, on_generation: Callable[[Progress], object] = lambda _: None
) -> Trial:
    """Run a fresh algorithm to the end.

    Args:
        algorithm: with its problem and seed.
        evaluations: how many to make, at least 1, as the problem's setting charges them; questions past the last one
            are not answered.
        on_generation: told the progress after each generation; the trial is cancelled when it returns True.

    Returns:
        The record. It has fewer evaluations than asked for when the whole space was asked, when the algorithm had no
        more questions, or when it asked ``QUESTIONS_PER_EVALUATION`` questions for every evaluation.

    Raises:
        InvalidRecord: not one evaluation.
    """
    if evaluations < 1:
        raise InvalidRecord(f"{evaluations} evaluations given; give at least 1")
    problem = algorithm.problem
    ledger = Ledger(problem)
    lots: list[Evaluations] = []
    counted: list[NDArray[np.bool_]] = []
    asked = 0
    ended = None
    while ended is None:
        answers = answered(problem, algorithm.ask())
        counts, answers = ledger.charge(answers, evaluations)
        if len(answers):
            algorithm.tell(answers)
        lots.append(answers)
        counted.append(counts)
        asked += len(answers)
        cancelled = on_generation(Progress(len(lots) - 1, asked, ledger.charged, answers, algorithm.front())) is True
        if ledger.charged >= evaluations:
            ended = Ended.EVALUATIONS
        elif ledger.exhausted or not len(answers):
            ended = Ended.EXHAUSTED
        elif asked >= QUESTIONS_PER_EVALUATION * evaluations:
            ended = Ended.STALLED
        elif cancelled:
            ended = Ended.CANCELLED
    generations = np.repeat(np.arange(len(lots), dtype=np.int32), [len(lot) for lot in lots])
    return Trial(algorithm.name, algorithm.seed, joined(*lots), generations, np.concatenate(counted), ended)
