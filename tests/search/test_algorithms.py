from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecnas_core.cells import SPACES
from ecnas_core.search import ALGORITHMS, Outcome, Problem, Trial, Unsupported, make, run_trial
from ecnas_core.search.algorithm import NO_PARENT, answered
from ecnas_core.search.encoding import edge_count
from tests.genomes import genes
from tests.search.conftest import problem_of

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(ALGORITHMS)
MULTI = [name for name in NAMES if name != "RE"]


def problem_for(name: str, **setting) -> Problem:
    return problem_of(**({"objectives": ("validation_error",)} if name == "RE" else {}), **setting)


def run(name: str, seed: int, evaluations: int = 150, **setting) -> tuple[Problem, Trial]:
    problem = problem_for(name, **setting)
    return problem, run_trial(make(name, problem, seed), 25 if name == "MS-EHVI" else evaluations)


def columns(trial: Trial) -> list:
    answers = trial.answers
    return [
        trial.generations.tolist(),
        trial.charged.tolist(),
        genes(answers.genomes).tolist(),
        answers.budgets.tolist(),
        answers.individuals.tolist(),
        answers.parents.tolist(),
        answers.rows.tolist(),
    ]


def dominators(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """By how many of the others each is dominated."""
    as_good = np.array([others[:, place] <= values[:, place, None] for place in range(values.shape[1])])
    better = np.array([others[:, place] < values[:, place, None] for place in range(values.shape[1])])
    return (as_good.all(axis=0) & better.any(axis=0)).sum(axis=1)


@settings(deadline=None, max_examples=3)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["4V", "5V", "7V"]),
    st.sampled_from([None, 108]),
    st.sampled_from(["matrix", "uniform"]),
    st.sampled_from(["all", "unique"]),
)
@pytest.mark.parametrize("name", NAMES)
def test_invariants(name, seed, space, epochs, sampling, charging):
    problem, trial = run(name, seed, 80, space=space, epochs=epochs, sampling=sampling, charging=charging)
    answers, vertices = trial.answers, SPACES[space]
    assert ((answers.genomes.edge_bits >= 0) & (answers.genomes.edge_bits < 2 ** edge_count(vertices))).all()
    assert answers.genomes.ops.shape[1] == vertices - 2
    assert ((answers.genomes.ops >= 0) & (answers.genomes.ops <= 2)).all()
    assert ((answers.budgets >= 0) & (answers.budgets < len(problem.setting.budgets))).all()
    first = np.unique(answers.individuals, return_index=True)[1]
    assert answers.individuals[np.sort(first)].tolist() == list(range(len(first))), "individuals count up"
    for place in range(len(answers)):
        born = np.flatnonzero(answers.individuals == answers.individuals[place])
        assert genes(answers.genomes)[place].tolist() == genes(answers.genomes)[born[0]].tolist()
        parents = answers.parents[place][answers.parents[place] != NO_PARENT]
        assert (parents < answers.individuals[place]).all()
    rows, values, outcomes = problem.evaluate(answers.genomes, answers.budgets)
    assert rows.tolist() == answers.rows.tolist()
    assert np.array_equal(values, answers.values, equal_nan=True)
    assert outcomes.tolist() == answers.outcomes.tolist()
    assert not dominators(answers.values[trial.front()], answers.values[answers.feasible]).any()


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("name", NAMES)
def test_own_front_is_that_of_the_record(name, seed):
    problem = problem_for(name, space="5V", epochs=None, charging="all")
    algorithm = make(name, problem, seed)
    trial = run_trial(algorithm, 25 if name == "MS-EHVI" else 80)
    own = algorithm.front()
    assert np.array_equal(own.values, trial.answers.values[trial.front()])
    steps = np.diff(own.values, axis=0)
    assert (steps[:, 0] > 0).all()
    assert (steps[:, 1:] < 0).all()


@pytest.mark.parametrize("epochs", [None, 108])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_search(name, epochs):
    first, second, other = (run(name, seed, space="5V", epochs=epochs)[1] for seed in (7, 7, 8))
    assert columns(first) == columns(second)
    assert columns(first) != columns(other)


def test_the_same_seed_gives_the_same_search_in_another_process_with_one_thread():
    """What a worker does with one thread for linear algebra is what this process does with as many as it likes."""
    code = (
        "from ecnas_core import Benchmark\n"
        "from ecnas_core.search import Problem, Setting, make, run_trial\n"
        "problem = Problem(Benchmark.open(), Setting(space='5V', epochs=None))\n"
        "for name in ('MS-EHVI', 'NSGA-II', 'SMS-EMOA', 'SEMOA-L'):\n"
        "    print(run_trial(make(name, problem, 5), 50).answers.rows.tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin"},
    )
    problem = problem_of(space="5V", epochs=None)
    here = [
        run_trial(make(name, problem, 5), 50).answers.rows.tolist()
        for name in ("MS-EHVI", "NSGA-II", "SMS-EMOA", "SEMOA-L")
    ]
    assert done.stdout.splitlines() == [str(rows) for rows in here]


def test_searches_do_not_disturb_numpys_global_generator_nor_depend_on_it():
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    first = columns(run("NSGA-II", 3, space="5V")[1])
    assert np.random.get_state()[1].tolist() == before
    np.random.seed(2)
    assert columns(run("NSGA-II", 3, space="5V")[1]) == first


@pytest.mark.parametrize("name", ["RS", "SEMOA", "SEMOA-L", "SH-EMOA", "NSGA-II", "SMS-EMOA"])
def test_three_objectives(name):
    problem = problem_of(space="5V", objectives=("energy", "validation_error", "parameters"))
    trial = run_trial(make(name, problem, 0), 200)
    assert trial.evaluations == 200
    assert trial.answers.values.shape[1] == 3
    assert len(trial.front()) > 5


@pytest.mark.parametrize("name", ["RE", "RS", "SEMOA", "SEMOA-L", "SH-EMOA", "NSGA-II"])
def test_one_objective(name):
    problem = problem_of(space="5V", objectives=("validation_error",))
    trial = run_trial(make(name, problem, 0), 200)
    assert len(trial.front()) == 1
    assert trial.answers.values[trial.front()[0], 0] == np.nanmin(trial.answers.values)


@pytest.mark.parametrize(
    ("name", "objectives"),
    [
        ("RE", ("energy", "validation_error")),
        ("SMS-EMOA", ("validation_error",)),
        ("MS-EHVI", ("validation_error",)),
        ("MS-EHVI", ("energy", "validation_error", "parameters")),
    ],
)
def test_unsupported_problems_are_named_errors(name, objectives):
    with pytest.raises(Unsupported, match="choose another algorithm"):
        make(name, problem_of(space="4V", objectives=objectives), 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_start_without_anything_feasible_is_got_over(name):
    """One cell in sixty is within the bounds, so a first generation often has none."""
    problem = problem_for(name, space="5V", bounds=(("energy", 0.0, 0.3), ("validation_accuracy", 0.89, 1.0)))
    assert (problem.outcomes == Outcome.FEASIBLE).mean() == pytest.approx(1 / 60, abs=0.001)
    seed = next(s for s in range(100) if not answered(problem, make(name, problem, s).ask()).feasible.any())
    trial = run_trial(make(name, problem, seed), 150 if name == "MS-EHVI" else 300)
    assert trial.outcomes()["out_of_bounds"] > 0
    assert trial.answers.feasible.any()
    assert trial.generations[trial.answers.feasible.argmax()] > 0


def test_semoa_asks_its_archive_at_each_new_budget_then_ten_children():
    problem = problem_of(space="5V", epochs=None, sampling="uniform", charging="all")
    trial = run_trial(make("SEMOA", problem, 0), 700)
    answers, generations = trial.answers, trial.generations
    seen: set[int] = set()
    budgets = []
    for generation in range(generations[-1]):
        lot = answers[generations == generation]
        again = set(lot.individuals.tolist()) <= seen
        if generation < 2:
            assert (again, len(lot), set(lot.budgets)) == (False, 10, {0})
        else:
            assert again == (generation % 2 == 0)
            assert len(lot) == 10 or again
            budgets.append(set(lot.budgets.tolist()))
        if again:
            before = answers[generations < generation]
            pooled = before.values[before.feasible]
            best = {
                int(number)
                for number, value in zip(before.individuals[before.feasible], pooled, strict=True)
                if not ((pooled <= value).all(axis=1) & (pooled < value).any(axis=1)).any()
            }
            assert set(lot.individuals.tolist()) <= best
        seen |= set(lot.individuals.tolist())
    cycle = [1, 1, 2, 2, 3, 3, 0, 0]
    assert budgets == [{cycle[place % 8]} for place in range(len(budgets))]


def test_sh_emoa_halves_its_children_at_each_greater_budget():
    problem = problem_of(space="5V", epochs=None, accuracy="any", charging="all")
    trial = run_trial(make("SH-EMOA", problem, 0), 10 + 48 + 10 + 24 + 10 + 12 + 10 + 6)
    answers = trial.answers
    seen, new, again = set(), [0] * 4, [0] * 4
    for number, budget in zip(answers.individuals.tolist(), answers.budgets.tolist(), strict=True):
        (again if number in seen else new)[budget] += 1
        seen.add(number)
    assert new == [58, 24, 12, 6]
    assert again[0] == 0
    assert all(0 < count <= 10 for count in again[1:])


def test_layered_semoa_asks_nothing_twice_and_nothing_invalid():
    problem = problem_of(space="5V", epochs=None, sampling="matrix", charging="all")
    trial = run_trial(make("SEMOA-L", problem, 0), 1000)
    asked = list(zip(trial.answers.rows.tolist(), trial.answers.budgets.tolist(), strict=True))
    assert len(set(asked)) == len(asked) == 1000
    assert trial.outcomes()["invalid_graph"] == 0


def test_ms_ehvi_asks_for_what_it_expects_to_improve_most():
    """With ten cells known, the next ones are better than random ones would be, on average over seeds."""
    problem = problem_of(space="5V")
    ranks = []
    feasible = problem.values[0][problem.outcomes[0] == Outcome.FEASIBLE]
    for seed in range(3):
        trial = run_trial(make("MS-EHVI", problem, seed), 60)
        guided = trial.answers.values[20:][trial.answers.feasible[20:]]
        ranks.append(np.median(dominators(guided, feasible)))
    assert np.mean(ranks) < 0.5 * np.median(dominators(feasible, feasible))
