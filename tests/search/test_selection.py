from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecnas_core.analysis.pareto import hypervolume
from ecnas_core.search.archive import contributions, nondominated
from ecnas_core.search.selection import layers, linear_ranking, ranked_parents, survivors

coarse = st.integers(0, 6).map(float)
points = st.integers(1, 25).flatmap(
    lambda n: st.integers(1, 3).flatmap(lambda k: arrays(np.float64, (n, k), elements=coarse))
)


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@given(points)
def test_nondominated_is_that_of_brute_force(values):
    found = nondominated(values)
    for place in range(len(values)):
        beaten = any(dominates(other, values[place]) for other in values)
        repeated = any((values[before] == values[place]).all() for before in range(place))
        assert (place in found) == (not beaten and not repeated)
    assert (np.diff(values[found][:, 0]) >= 0).all()


@given(points)
def test_a_contribution_is_the_hypervolume_lost_without_the_point(values):
    on_front = values[nondominated(values)]
    assume(values.shape[1] > 1)
    reference = on_front.max(axis=0) + 0.1 * np.maximum(np.ptp(on_front, axis=0), np.finfo(float).eps)
    whole = hypervolume(on_front, reference)
    for place, found in enumerate(contributions(on_front)):
        at_an_end = values.shape[1] == 2 and (on_front[place] == on_front.min(axis=0)).any()
        lost = whole - hypervolume(np.delete(on_front, place, axis=0), reference)
        assert found == (np.inf if at_an_end else pytest.approx(lost))


def test_contributions_by_hand():
    found = contributions(np.array([[3.0, 1.0], [1.0, 4.0], [2.0, 2.0]]))
    assert found.tolist() == [np.inf, np.inf, 2.0]
    assert contributions(np.array([[4.0]])).tolist() == [np.inf]


@pytest.mark.parametrize("count", [2, 3, 10, 57])
@pytest.mark.parametrize("pressure", [1.0, 1.5, 1.9, 2.0])
def test_linear_ranking_is_bakers_formula(count, pressure):
    """p(i) = (2 - s) / n + 2 i (s - 1) / (n (n - 1)) for rank i, 0 the worst."""
    expected = [(2 - pressure) / count + 2 * i * (pressure - 1) / (count * (count - 1)) for i in range(count)]
    found = linear_ranking(count, pressure)
    assert found == pytest.approx(expected)
    assert found.sum() == pytest.approx(1)
    assert found[-1] * count == pytest.approx(pressure)


def test_linear_ranking_of_one():
    assert linear_ranking(1).tolist() == [1.0]


def test_parents_are_drawn_by_the_rank_of_their_contribution():
    values = np.array([[0.0, 10.0], [1.0, 6.0], [2.0, 5.5], [4.0, 3.0], [9.0, 0.0]])
    drawn = ranked_parents(values, 200_000, np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=5) / len(drawn)
    chances = linear_ranking(5)
    by_hand = {2: 0, 1: 1, 3: 2}  # contributions (2-1)(10-6)=4, (4-2)(6-5.5)=1, (9-4)(5.5-3)=12.5
    for place, rank in by_hand.items():
        assert shares[place] == pytest.approx(chances[rank], abs=0.005)
    assert shares[[0, 4]].sum() == pytest.approx(chances[3:].sum(), abs=0.005)


def test_ties_are_ranked_at_random():
    values = np.array([[0.0, 10.0], [10.0, 0.0]])
    drawn = np.concatenate([ranked_parents(values, 1, np.random.default_rng(seed)) for seed in range(2000)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.05)


@given(points)
def test_layers_partition_and_each_is_the_front_of_the_rest(values):
    found = layers(values, len(values))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(values)))
    left = np.arange(len(values))
    for layer in found:
        assert layer.tolist() == left[nondominated(values[left])].tolist()
        left = np.setdiff1d(left, layer)
    assert [each.tolist() for each in layers(values, 2)] == [each.tolist() for each in found[:2]]


@given(points, st.integers(1, 30))
def test_survivors_are_of_the_first_layers(values, count):
    kept = survivors(values, count)
    assert len(kept) == len(set(kept.tolist())) == min(count, len(values))
    rank = {place: depth for depth, layer in enumerate(layers(values, len(values))) for place in layer.tolist()}
    ranks = [rank[place] for place in kept.tolist()]
    assert ranks == sorted(ranks)
    dropped = set(range(len(values))) - set(kept.tolist())
    assert all(rank[place] >= ranks[-1] for place in dropped)


def test_of_the_last_layer_the_least_contributor_goes_again_and_again():
    values = np.array([[0.0, 10.0], [1.0, 6.0], [2.0, 5.5], [4.0, 3.0], [9.0, 0.0]])
    assert sorted(survivors(values, 4).tolist()) == [0, 1, 3, 4]
    assert sorted(survivors(values, 3).tolist()) == [0, 3, 4], "(4-1)(10-6)=12 is less than (9-4)(6-3)=15"
