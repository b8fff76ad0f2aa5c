"""Weights: what they mean, and that answers find them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecnas_core.analysis import knees, pareto
from ecnas_core.analysis.preferences import Answer, Belief, Scale, Weights, cost
from ecnas_core.records import InvalidRecord

RNG = np.random.default_rng(5)
CURVE = np.array([[x, 1 / x, 3 - x / 2] for x in np.geomspace(0.2, 5, 30)])


def scaled(points):
    return Scale.of(points)(points)


@settings(max_examples=50, deadline=None)
@given(energy=st.floats(0.01, 5), accuracy=st.floats(0.01, 5))
def test_on_a_front_they_choose_what_the_knee_by_weights_does(energy, accuracy):
    front = CURVE[:, :2]
    expected = knees.weighted(front, (energy, accuracy))
    costs = cost(scaled(CURVE), Weights(accuracy, energy, 0))
    assert costs[expected] == pytest.approx(costs.min(), abs=1e-8)


def test_only_ratios_count_and_shares_are_in_the_order_of_the_objectives():
    assert Weights(1, 2, 1).shares == pytest.approx([0.5, 0.25, 0.25])
    assert Weights(10, 20, 10).shares == pytest.approx(Weights(1, 2, 1).shares)
    assert Weights.of(Weights(1, 2, 1).shares).shares == pytest.approx([0.5, 0.25, 0.25])


def test_of_cells_alike_in_what_matters_the_better_one():
    points = np.array([[2.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.5]])
    assert np.argmin(cost(points, Weights(accuracy=1, energy=0, size=0))) == 2


@pytest.mark.parametrize("weights", [(0, 0, 0), (-1, 1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1)])
def test_weights_that_say_nothing_are_an_error(weights):
    with pytest.raises(InvalidRecord):
        Weights(*weights)


def ask(points, true: Weights, count: int, with_size: bool) -> Belief:
    """Answer questions as somebody with these weights would."""
    answers: list[Answer] = []
    for _ in range(count):
        pair = Belief.after(answers, with_size).question(points)
        if pair is None:
            break
        better, worse = sorted(pair, key=lambda each: cost(points, true)[each])
        answers.append(Answer(tuple(points[better]), tuple(points[worse])))
    return Belief.after(answers, with_size)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.8])
def test_six_answers_find_the_weights_of_energy_and_accuracy(share):
    points = scaled(CURVE)
    true = Weights(1 - share, share, 0)
    belief = ask(points, true, 6, with_size=False)
    assert belief.weights.shares == pytest.approx(true.shares, abs=0.06)
    chosen, best = (cost(points, each).argmin() for each in (belief.weights, true))
    assert cost(points, true)[chosen] - cost(points, true)[best] < 0.02


def test_the_size_is_found_too():
    front = RNG.random((400, 3))
    points = scaled(front[pareto.front(front)])
    true = Weights(0.2, 0.2, 0.6)
    belief = ask(points, true, 12, with_size=True)
    assert belief.weights.shares == pytest.approx(true.shares, abs=0.15)


def test_support_adds_up_and_grows_with_answers():
    points = scaled(CURVE)
    before, after = (ask(points, Weights(1, 1, 0), count, False).support(points) for count in (0, 6))
    assert before.sum() == pytest.approx(1)
    assert after.max() > before.max()


def test_contradictions_leave_something_over():
    points = scaled(CURVE)
    first, second = tuple(points[3]), tuple(points[20])
    belief = Belief.after([Answer(first, second), Answer(second, first)], False)
    assert np.isfinite(belief.probability).all()
    assert belief.probability.sum() == pytest.approx(1)


def test_one_cell_leaves_nothing_to_ask():
    assert Belief.after([], False).question(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])) is None
