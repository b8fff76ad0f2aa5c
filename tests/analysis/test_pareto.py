"""Fronts, extremes, knees and hypervolumes against brute force and a sweep of staircases."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecnas_core.analysis.convergence import Staircase
from ecnas_core.analysis.pareto import InvalidPoints, extremes, front, hypervolume, knee, unit
from ecnas_core.errors import EcnasError

UNHURRIED = settings(deadline=None)

coarse = st.integers(-3, 3).map(float)
fine = st.floats(-1e6, 1e6, allow_subnormal=False)
points = st.integers(0, 40).flatmap(lambda n: arrays(np.float64, (n, 2), elements=st.one_of(coarse, fine)))
steps = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=20)
fronts = steps.map(
    lambda each: list(
        zip(accumulate((a for a, _ in each), initial=0), accumulate((-b for _, b in each), initial=0), strict=True)
    )
)
spatial = st.integers(0, 40).flatmap(lambda n: arrays(np.float64, (n, 3), elements=st.one_of(coarse, fine)))
spatial_ties = st.integers(0, 60).flatmap(lambda n: arrays(np.float64, (n, 3), elements=coarse))
ties = st.integers(0, 60).flatmap(lambda n: arrays(np.float64, (n, 2), elements=coarse))


def brute_front(values: np.ndarray) -> list[int]:
    """O(n^2): no other point dominates it, and no equal one stands before it."""
    no_worse = (values[:, None] <= values[None]).all(axis=2)
    dominated = (no_worse & (values[:, None] < values[None]).any(axis=2)).any(axis=0)
    repeated = np.triu(no_worse & no_worse.T, 1).any(axis=0)
    return sorted(np.flatnonzero(~dominated & ~repeated).tolist(), key=lambda i: tuple(values[i]))


def swept_front(values: np.ndarray) -> list[int]:
    """O(n log n) in three objectives: in lexicographic order, what adds nothing to the staircase is dominated."""
    order = np.lexsort((np.arange(len(values)), *values.T[::-1]))
    stairs = Staircase((10, 10))
    return [place for place in order.tolist() if stairs.add(*values[place, 1:].tolist()) > 0]


def swept_hypervolume(values: np.ndarray, reference: list[float]) -> float:
    """The volume in three objectives: each point's gain in the first two, times its depth in the third."""
    stairs = Staircase(reference)
    rising = sorted((point for point in values.tolist() if point[2] < reference[2]), key=lambda point: point[2])
    return sum(stairs.add(first, second) * (reference[2] - third) for first, second, third in rising)


@UNHURRIED
@given(points)
def test_front_is_that_of_brute_force_rises_in_the_first_objective_and_falls_in_the_second(values):
    found = front(values)
    assert found.tolist() == brute_front(values)
    steps = np.diff(values[found], axis=0)
    assert (steps[:, 0] > 0).all()
    assert (steps[:, 1] < 0).all()


@UNHURRIED
@given(ties)
def test_front_with_many_ties_is_that_of_brute_force(values):
    assert front(values).tolist() == brute_front(values)


@UNHURRIED
@given(st.one_of(spatial, spatial_ties))
def test_front_of_three_objectives_is_that_of_brute_force(values):
    assert front(values).tolist() == brute_front(values)


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("decimals", [1, 2, 16])
def test_front_of_twenty_thousand_points_is_that_of_a_sweep(columns, decimals):
    values = np.random.default_rng(columns).standard_normal((20_000, columns)).round(decimals)
    spatial = values if columns == 3 else np.column_stack([values[:, 0], values])
    assert front(values).tolist() == swept_front(spatial)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.empty((0, 2)), []),
        ([[5, 5]], [0]),
        ([[1, 1], [1, 1], [1, 1]], [0]),
        ([[2, 1], [1, 2], [1, 2], [2, 1]], [1, 0]),
        ([[0, 3], [1, 2], [2, 1], [3, 0]], [0, 1, 2, 3]),
        ([[3, 0], [2, 1], [1, 2], [0, 3]], [3, 2, 1, 0]),
        ([[1, 3], [1, 2], [1, 1]], [2]),
        ([[3, 1], [2, 1], [1, 1]], [2]),
        ([[0.0, 1], [-0.0, 1]], [0]),
        ([[1, 1], [2, 2], [0, 3], [3, 0]], [2, 0, 3]),
        ([[-1e308, 1e308], [1e308, -1e308], [0, 0]], [0, 2, 1]),
    ],
    ids=[
        "empty",
        "one",
        "equal",
        "first of equals",
        "all, rising",
        "all, falling",
        "equal first objective",
        "equal second objective",
        "signed zeros",
        "dominated corner",
        "huge",
    ],
)
def test_front_by_hand(values, expected):
    assert front(np.array(values, float)).tolist() == expected


@UNHURRIED
@given(st.one_of(points, spatial, spatial_ties), st.randoms(use_true_random=False))
def test_front_does_not_depend_on_the_order_of_the_points_and_is_the_front_of_itself(values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    chosen = values[front(values)]
    assert np.array_equal(chosen, values[order][front(values[order])])
    assert front(chosen).tolist() == list(range(len(chosen)))


@pytest.mark.parametrize("function", [front, knee, extremes, lambda values: hypervolume(values, (1, 1))])
@pytest.mark.parametrize(
    "values",
    [
        np.zeros(4),
        np.zeros((2, 1)),
        np.zeros((2, 4)),
        np.zeros((2, 2, 2)),
        [[1, np.nan]],
        [[np.inf, 1]],
        [[1, -np.inf, 0], [0, 0, 0]],
    ],
    ids=["one axis", "one column", "four columns", "three axes", "nan", "inf", "-inf"],
)
def test_invalid_points_are_a_named_error(function, values):
    with pytest.raises(InvalidPoints) as raised:
        function(values)
    assert isinstance(raised.value, EcnasError)
    assert ";" in str(raised.value)


@UNHURRIED
@given(fronts)
def test_knee_is_the_first_of_the_points_farthest_below_the_chord(values):
    """By exact fractions of the squared distances."""
    (ax, ay), (bx, by) = values[0], values[-1]
    chord = (bx - ax) ** 2 + (by - ay) ** 2
    below = [(bx - ax) * (ay - y) - (ax - x) * (by - ay) for x, y in values]
    distances = [Fraction(max(each, 0) ** 2, chord) for each in below]
    expected = distances.index(max(distances)) if max(distances) > 0 else None
    assert knee(np.array(values, float)) == expected


@UNHURRIED
@given(fronts, st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(-100, 100))
def test_knee_does_not_depend_on_the_units_nor_on_where_zero_is(values, across, up, offset):
    points = np.array(values, float)
    assert knee(points) == knee(points * [across, up]) == knee(points + offset)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 1], [1, 0]], None),
        ([[0, 1]], None),
        (np.empty((0, 2)), None),
        ([[0, 10], [1, 1], [10, 0]], 1),
        ([[0, 10], [9, 9], [10, 0]], None),
        ([[0, 10], [5, 5], [10, 0]], None),
        ([[0.0, 0.3], [0.1, 0.2], [0.2, 0.1], [0.3, 0.0]], None),
        ([[0, 10], [2, 4], [4, 2], [10, 0]], 1),
        ([[0, 10], [8, 9], [9, 0.5], [10, 0]], 2),
        ([[0, 10e-200], [1e-200, 1e-200], [10e-200, 0]], 1),
    ],
    ids=[
        "two",
        "one",
        "empty",
        "plain",
        "above",
        "on the chord",
        "on the chord but for rounding",
        "first of two",
        "one above, one below",
        "tiny",
    ],
)
def test_knee_by_hand(values, expected):
    assert knee(np.array(values, float)) == expected


@UNHURRIED
@given(st.integers(3, 40), st.floats(-10, 10), st.floats(0.1, 10))
def test_collinear_front_has_no_knee(count, offset, slope):
    first = np.linspace(0, 1, count)
    assert knee(np.column_stack([first, offset - slope * first])) is None


SPHERE = np.array([point for point in product(np.linspace(0, 1, 9), repeat=3) if sum(point) == 1])
"""A lattice of weights; 1 - its square roots is the octant of a sphere that bulges towards the ideal."""


def test_knee_of_three_objectives_is_the_middle_of_a_bulge():
    bulge = 1 - np.sqrt(SPHERE)
    chosen = bulge[front(bulge)]
    assert len(chosen) == len(SPHERE)
    assert sorted(SPHERE[front(bulge)][knee(chosen)]) == [0.25, 0.375, 0.375]
    assert knee(chosen) == knee(chosen * [1e-3, 1, 1e3] + 7)


@pytest.mark.parametrize(
    "values",
    [
        np.empty((0, 3)),
        [[0, 0, 0]],
        [[0, 1, 1], [1, 0, 1]],
        [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
        [[0, 1, 1], [0.5, 0.75, 0.75], [1, 0, 1], [1, 1, 0]],
        [[0, 1, 5], [1, 0.5, 5], [2, 0, 5]],
        [[0, 0, 1], [0.2, 0.2, 0.2], [1, 1, 0]],
        [[0, 3, 4], [1, 0, 2], [1, 1, 1], [5, 3, 0]],
    ],
    ids=[
        "empty",
        "one",
        "two",
        "only extremes",
        "on the plane",
        "one objective constant",
        "two extremes in one",
        "a plane that rises",
    ],
)
def test_no_knee_of_three_objectives(values):
    assert knee(np.array(values, float)) is None


@UNHURRIED
@given(fronts)
def test_extremes_of_two_objectives_are_the_ends(values):
    assert extremes(np.array(values, float)) == (0, len(values) - 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.empty((0, 2)), ()),
        (np.empty((0, 3)), ()),
        ([[3, 4, 5]], (0, 0, 0)),
        ([[0, 2, 2], [1, 0, 3], [1, 3, 0], [2, 0, 2], [3, 2, 0]], (0, 1, 2)),
        ([[0, 3, 1], [0, 4, 0], [2, 0, 0]], (0, 2, 1)),
    ],
    ids=["empty", "empty, three", "one", "ties in a later objective", "ties in the first objective"],
)
def test_extremes_by_hand(values, expected):
    assert extremes(np.array(values, float)) == expected


@pytest.mark.parametrize("decimals", [1, 2, 16])
@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("count", [1, 5, 300])
def test_hypervolume_of_random_points_is_that_of_a_sweep(decimals, columns, count):
    points = np.random.default_rng(count).random((count, columns)).round(decimals)
    reference = [0.9, 0.8, 0.7][:columns]
    spatial = points if columns == 3 else np.column_stack([points, np.zeros(count)])
    expected = swept_hypervolume(spatial, [*reference, 1.0][:3])
    assert hypervolume(points, reference) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@UNHURRIED
@given(
    st.integers(2, 3).flatmap(
        lambda k: arrays(np.int64, st.tuples(st.integers(0, 12), st.just(k)), elements=st.integers(-2, 6))
    )
)
def test_hypervolume_is_the_number_of_unit_boxes_dominated(points):
    """On whole coordinates: a box counts when a point is no greater than its lower corner."""
    size = points.shape[1]
    boxes = [np.array(corner) for corner in product(range(-2, 4), repeat=size)]
    expected = sum(bool((points <= corner).all(axis=1).any()) for corner in boxes)
    assert hypervolume(points.astype(float), (4,) * size) == expected


@pytest.mark.parametrize("columns", [2, 3])
def test_hypervolume_of_nothing(columns):
    assert hypervolume(np.empty((0, columns)), (1.0,) * columns) == 0
    assert hypervolume(np.full((1, columns), 1.0), (1.0,) * columns) == 0
    assert hypervolume(np.full((1, columns), 3.0), (1.0,) * columns) == 0


@pytest.mark.parametrize("reference", [(1,), (1, 1, 1), (1, np.nan), (1, np.inf), 1])
def test_reference_that_does_not_fit_is_a_named_error(reference):
    with pytest.raises(InvalidPoints, match="worst value"):
        hypervolume(np.zeros((1, 2)), reference)


def test_unit_scales_each_objective_to_its_range():
    assert unit(np.array([[2.0, 7], [4, 7], [3, 7]])).tolist() == [[0, 0], [1, 0], [0.5, 0]]
