"""Bend, utility and user's weights against geometry done by hand and against each other."""

from __future__ import annotations

from itertools import accumulate, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecnas_core.analysis.knees import RULES, InvalidWeights, bend_angle, utility, weighted
from ecnas_core.analysis.pareto import InvalidPoints, front, knee
from ecnas_core.errors import EcnasError

UNHURRIED = settings(deadline=None)
steps = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=20)
fronts = steps.map(
    lambda each: np.array(
        list(
            zip(accumulate((a for a, _ in each), initial=0), accumulate((-b for _, b in each), initial=0), strict=True)
        ),
        float,
    )
)
OUTWARD = [[0, 10], [9, 9.5], [9.5, 9], [10, 0]]
STRAIGHT = [[0, 0.3], [0.1, 0.2], [0.2, 0.1], [0.3, 0]]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.empty((0, 2)), None),
        ([[3, 4]], None),
        ([[0, 1], [1, 0]], None),
        (STRAIGHT, None),
        (OUTWARD, None),
        ([[0, 10], [1, 1], [10, 0]], 1),
        ([[0, 10], [2, 4], [4, 2], [10, 0]], 1),
    ],
    ids=["empty", "one", "two", "collinear", "bulging outwards", "plain", "first of two equally good"],
)
def test_edge_cases_of_every_rule(rule, values, expected):
    assert rule(np.array(values, float)) == expected


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@UNHURRIED
@given(fronts, st.sampled_from([0.001, 0.5, 1024.0]), st.integers(-100, 100))
def test_a_knee_is_inside_and_does_not_depend_on_units(rule, values, scale, offset):
    found = rule(values)
    assert found is None or 0 < found < len(values) - 1
    assert rule(values * [scale, 1]) == found
    assert rule(values + offset) == found


@UNHURRIED
@given(fronts)
def test_bend_is_the_sharpest_angle_between_the_lines_to_the_extremes(values):
    """By scalar products, among the points below the chord."""
    scaled = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    to_first, to_last = scaled[0] - scaled, scaled[-1] - scaled
    with np.errstate(invalid="ignore"):
        cosines = (to_first * to_last).sum(axis=1) / np.hypot(*to_first.T) / np.hypot(*to_last.T)
    below = scaled.sum(axis=1) < 1 - 1e-9
    found = bend_angle(values)
    if found is None:
        assert not below.any()
    else:
        assert below[found]
        assert cosines[found] == pytest.approx(cosines[below].max(), abs=1e-9)


def test_bend_and_chord_can_differ():
    """Distances 0.40 and 0.41 below the chord (times the root of 2), bends of 56.7 and 55.1 degrees."""
    values = np.array([[0, 100], [2, 58], [55, 4], [100, 0]], float)
    assert (knee(values), bend_angle(values)) == (2, 1)


def exact_utilities(values: np.ndarray) -> list[float]:
    """Expected marginal utilities from the breaks between all pairs of lines, integrated piece by piece."""
    scaled = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    slopes, offsets = scaled[:, 0] - scaled[:, 1], scaled[:, 1]
    breaks = {0.0, 1.0}
    for i, j in product(range(len(values)), repeat=2):
        if slopes[i] != slopes[j]:
            at = (offsets[j] - offsets[i]) / (slopes[i] - slopes[j])
            if 0 < at < 1:
                breaks.add(at)
    worth = np.zeros(len(values))
    for low, high in zip(sorted(breaks)[:-1], sorted(breaks)[1:], strict=True):
        middle = (low + high) / 2
        order = np.argsort(slopes * middle + offsets)
        best, next_best = order[:2]
        worth[best] += (high - low) * ((slopes[next_best] - slopes[best]) * middle + offsets[next_best] - offsets[best])
    return worth.tolist()


@settings(deadline=None, max_examples=50)
@given(steps.filter(lambda each: 3 <= len(each) <= 8))
def test_utility_is_the_greatest_integral_of_what_its_loss_costs(each):
    values = np.array(
        list(
            zip(accumulate((a for a, _ in each), initial=0), accumulate((-b for _, b in each), initial=0), strict=True)
        ),
        float,
    )
    worth = exact_utilities(values)[1:-1]
    found = utility(values)
    if found is None:
        assert max(worth) < 1e-5
    else:
        assert worth[found - 1] >= max(worth) - 1e-5


def test_utility_prefers_the_point_without_neighbours():
    """Of a crowd none is missed much."""
    crowd = np.array([[0, 10], [0.9, 1.2], [0.95, 1.1], [1, 1], [1.1, 0.9], [5, 0.3], [10, 0]], float)
    assert utility(crowd) != knee(crowd)


@UNHURRIED
@given(fronts)
def test_equal_weights_choose_the_chords_knee(values):
    chord = knee(values)
    if chord is not None:
        assert weighted(values, (1, 1)) == weighted(values, (0.1, 0.1)) == chord


@UNHURRIED
@given(fronts, st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)))
def test_weights_choose_the_least_weighted_sum(values, weights):
    scaled = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    sums = scaled @ weights
    found = weighted(values, weights)
    assert sums[found] == pytest.approx(sums.min(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        (np.empty((0, 2)), (1, 1), None),
        ([[3, 4]], (1, 1), 0),
        ([[0, 1], [1, 0]], (2, 1), 0),
        ([[0, 1], [1, 0]], (1, 2), 1),
        ([[0, 1], [1, 0]], (1, 1), 0),
        (STRAIGHT, (1, 1), 0),
        ([[0, 10], [1, 1], [10, 0]], (1, 0), 0),
        ([[0, 10], [1, 1], [10, 0]], (0, 1e-300), 2),
        ([[0, 10], [1, 1], [10, 0]], (1e300, 1e300), 1),
        ([[0, 1, 1], [0.4, 0.4, 0.4], [1, 0, 1], [1, 1, 0]], (1, 1, 1), 1),
        ([[0, 1, 1], [0.4, 0.4, 0.4], [1, 0, 1], [1, 1, 0]], (0, 0, 9), 3),
    ],
    ids=[
        "empty",
        "one",
        "two",
        "two, the other",
        "two, tie",
        "collinear",
        "energy alone",
        "error alone",
        "huge",
        "three objectives",
        "the third alone",
    ],
)
def test_weights_by_hand(values, weights, expected):
    assert weighted(np.array(values, float), weights) == expected


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1), (-1, 1), (0, 0), (1, np.nan), (np.inf, 1), ()])
def test_invalid_weights_are_a_named_error(weights):
    with pytest.raises(InvalidWeights, match="at least 0") as raised:
        weighted(np.array([[0.0, 1], [1, 0]]), weights)
    assert isinstance(raised.value, EcnasError)


def test_three_objectives():
    """A corner that bulges far towards the ideal, on a coarse plane through the extremes."""
    plane = np.array([point for point in product(np.linspace(0, 1, 5), repeat=3) if sum(point) == 2])
    values = np.vstack([plane, [0.3, 0.35, 0.3]])
    chosen = values[front(values)]
    place = chosen.tolist().index([0.3, 0.35, 0.3])
    assert knee(chosen) == utility(chosen) == weighted(chosen, (1, 1, 1)) == place
    with pytest.raises(InvalidPoints, match="two objectives"):
        bend_angle(chosen)
