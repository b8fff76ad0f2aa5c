from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecnas_core import Benchmark
from ecnas_core.records import InvalidRecord
from ecnas_core.search import ALGORITHMS, Ended, Outcome, Progress, UnknownAlgorithm, make, run_trial
from ecnas_core.search.algorithm import Algorithm, Evaluations, Proposals
from ecnas_core.search.operators import sample_matrix
from tests.search.conftest import problem_of


class Scripted(Algorithm):
    """Asks random batches of a given size, some of them twice."""

    name = "scripted"

    def __init__(self, problem, seed: int, size: int = 7) -> None:
        super().__init__(problem, seed)
        self.size = size
        self.told: list[int] = []

    def ask(self) -> Proposals:
        genomes = sample_matrix(self.problem.lookup, self.size, self.rng)
        twice = self.rng.integers(0, self.size, self.size)
        return self._new(genomes[twice], self.rng.integers(0, len(self.problem.setting.budgets), self.size)[twice])

    def _learn(self, answers: Evaluations) -> None:
        self.told.append(len(answers))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6),
    st.integers(1, 200),
    st.integers(1, 40),
    st.sampled_from([None, 108]),
    st.sampled_from(["all", "unique"]),
)
def test_charging_arithmetic(seed, evaluations, size, epochs, charging):
    """By a set of what was asked, one question after the other."""
    problem = problem_of(space="4V", epochs=epochs, charging=charging, sampling="matrix")
    algorithm = Scripted(problem, seed, size)
    trial = run_trial(algorithm, evaluations)
    asked, expected = set(), []
    for row, budget, outcome in zip(trial.answers.rows, trial.answers.budgets, trial.answers.outcomes, strict=True):
        question = int(row), int(budget)
        expected.append(charging == "all" or (outcome != Outcome.INVALID_GRAPH and question not in asked))
        asked.add(question)
    assert trial.charged.tolist() == expected
    assert sum(algorithm.told) == len(trial.answers) == len(trial.generations)
    if trial.ended == Ended.EVALUATIONS:
        assert trial.evaluations == evaluations
        assert trial.charged[-1], "nothing is asked after the last evaluation"
    else:
        assert trial.evaluations < evaluations


def test_every_question_counts_when_all_are_charged():
    problem = problem_of(space="5V", charging="all", sampling="matrix")
    trial = run_trial(make("RS", problem, 0), 333)
    assert len(trial.answers) == trial.evaluations == 333
    assert 0 < trial.outcomes()["invalid_graph"] < 333
    assert trial.outcomes()["feasible"] == trial.answers.feasible.sum()
    assert sum(trial.outcomes().values()) == 333


@pytest.mark.parametrize("name", ["SEMOA-L", "MS-EHVI"])
def test_a_space_can_be_exhausted(name):
    problem = problem_of(space="4V")
    trial = run_trial(make(name, problem, 0), 1000)
    assert trial.ended == Ended.EXHAUSTED
    assert trial.evaluations == 91
    assert sorted(set(trial.answers.rows[trial.charged].tolist())) == list(range(91))
    assert sorted(map(tuple, trial.answers.values[trial.front()])) == sorted(map(tuple, problem.front()[2]))


def test_a_search_that_only_repeats_itself_ends():
    class Same(Scripted):
        def ask(self) -> Proposals:
            return self._new(self.problem.lookup.genomes(np.zeros(5, np.int32)), 0)

    trial = run_trial(Same(problem_of(space="4V"), 0), 10)
    assert trial.ended == Ended.STALLED
    assert trial.evaluations == 1


def test_a_search_without_questions_ends():
    class Silent(Scripted):
        def ask(self) -> Proposals:
            return self._new(self.problem.lookup.genomes(np.empty(0, np.int32)), 0)

    trial = run_trial(Silent(problem_of(space="4V"), 0), 10)
    assert trial.ended == Ended.EXHAUSTED
    assert len(trial.answers) == len(trial.front()) == 0
    assert trial.frame(problem_of(space="4V")).empty


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_hook_is_told_every_generation_and_cancels(name):
    problem = problem_of(
        space="5V", objectives=("validation_error",) if name == "RE" else ("energy", "validation_error")
    )
    seen: list[Progress] = []

    def stop_at_third(progress: Progress) -> bool:
        seen.append(progress)
        return len(seen) == 3

    trial = run_trial(make(name, problem, 3), 500, stop_at_third)
    assert trial.ended == Ended.CANCELLED
    assert [each.generation for each in seen] == [0, 1, 2]
    assert [len(each.answers) for each in seen] == np.bincount(trial.generations).tolist()
    assert seen[-1].asked == len(trial.answers)
    assert seen[-1].charged == trial.evaluations
    on_front = trial.answers.values[trial.front()]
    assert np.array_equal(seen[-1].front.values, on_front)


def test_record_as_a_table():
    problem = problem_of(space="5V", epochs=None, sampling="matrix", charging="all")
    trial = run_trial(make("SEMOA", problem, 1), 300)
    frame = trial.frame(problem)
    assert frame["evaluation"].tolist() == list(range(300))
    assert frame["question"].tolist() == list(range(300))
    assert (frame["hash"].isna() == (frame["outcome"] == "invalid_graph")).all()
    assert (frame["valid"] == frame["energy"].notna()).all()
    assert (frame["parent"].dropna() < frame["individual"][frame["parent"].notna()]).all()
    for epochs, found in frame[frame["valid"]].groupby("epochs"):
        told = Benchmark.open().lookup(found["hash"], int(epochs), "5V")
        assert found["energy"].to_numpy() == pytest.approx(told["energy_kwh"].to_numpy())
        assert found["validation_error"].to_numpy() == pytest.approx(1 - told["validation_accuracy"].to_numpy())


def test_record_says_where_each_accuracy_is_from():
    """At 4 epochs 5V has accuracies of NAS-Bench-101 and, for the other cells, the authors' own."""
    problem = problem_of(space="5V", epochs=4, accuracy="any", sampling="matrix", charging="all")
    frame = run_trial(make("RS", problem, 0), 200).frame(problem)
    assert frame["accuracy_provenance"].isna().tolist() == (frame["outcome"] == "invalid_graph").tolist()
    assert set(frame["accuracy_provenance"].dropna()) == {"published", "measured"}
    found = frame[frame["valid"]]
    told = Benchmark.open().lookup(found["hash"], 4, "5V")
    assert found["accuracy_provenance"].tolist() == told["accuracy_provenance"].tolist()


def test_uncharged_questions_share_the_last_evaluations_number():
    problem = problem_of(space="4V", sampling="matrix")
    frame = run_trial(make("RS", problem, 0), 40).frame(problem)
    assert frame["evaluation"].iloc[-1] == 39
    assert frame.groupby("evaluation")["charged"].sum().tolist() == [1] * 40
    assert len(frame) > 40


def test_questions_past_the_last_evaluation_are_not_answered():
    problem = problem_of(space="5V", charging="all")
    algorithm = Scripted(problem, 0, 40)
    assert len(run_trial(algorithm, 100).answers) == 100
    assert algorithm.told == [40, 40, 20]


def test_misuse_is_a_named_error(five):
    with pytest.raises(InvalidRecord):
        run_trial(make("RS", five, 0), 0)
    with pytest.raises(UnknownAlgorithm, match="SEMOA"):
        make("simulated annealing", five, 0)


def test_answers_are_taken_by_place_and_all_columns_follow(five):
    answers = run_trial(make("RS", five, 0), 30).answers
    some = answers[np.array([3, 1])]
    assert some.rows.tolist() == answers.rows[[3, 1]].tolist()
    assert some.genomes.edge_bits.tolist() == answers.genomes.edge_bits[[3, 1]].tolist()
    assert np.array_equal(some.values, answers.values[[3, 1]], equal_nan=True)
    assert some.feasible.tolist() == answers.feasible[[3, 1]].tolist()
