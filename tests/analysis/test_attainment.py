"""Attainment surfaces and their differences against their definition on a grid, and against moocore."""

from __future__ import annotations

from itertools import product

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecnas_core.analysis.attainment import LEVELS, difference, surface, surfaces
from ecnas_core.analysis.pareto import InvalidPoints, front, hypervolume
from ecnas_core.errors import EcnasError

UNHURRIED = settings(deadline=None)
REFERENCE = (5, 6)
CORNERS = np.array(list(product(range(-1, 5), range(-1, 6))))
whole = arrays(np.float64, st.tuples(st.integers(0, 8), st.just(2)), elements=st.integers(-1, 7).map(float))
trials = st.lists(whole, min_size=1, max_size=6)


def random_trials(seed: int, count: int, points: int = 40, decimals: int = 16) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random((points, 2)).round(decimals) for _ in range(count)]


def attaining(found: list[np.ndarray]) -> np.ndarray:
    """For each of the corners, how many trials hold a point that is no worse."""
    return np.sum([(points[:, None] <= CORNERS).all(axis=2).any(axis=0) for points in found], axis=0)


def covering(rectangles: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The differences of the rectangles over a place."""
    x_low, x_high, y_low, y_high, value = rectangles.T
    x, y = place
    return value[(x_low <= x) & (x < x_high) & (y_low <= y) & (y < y_high)]


@UNHURRIED
@given(trials)
def test_a_surface_borders_what_so_many_trials_attain(found):
    attained_by = attaining(found)
    for count in range(1, len(found) + 1):
        border = surface(found, count)
        assert front(border).tolist() == list(range(len(border)))
        assert np.array_equal(attaining([border]) == 1, attained_by >= count)


@pytest.mark.parametrize("count", [1, 2, 7, 10])
@pytest.mark.parametrize("decimals", [1, 2, 16])
def test_all_surfaces_as_moocore(count, decimals):
    found = random_trials(count, count, decimals=decimals)
    sets = np.repeat(np.arange(count), [len(points) for points in found])
    expected = moocore.eaf(np.concatenate(found), sets)
    for number, percentile in enumerate(np.unique(expected[:, 2]), start=1):
        corners = expected[expected[:, 2] == percentile, :2]
        assert surface(found, number).tolist() == corners[np.argsort(corners[:, 0])].tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 10])
def test_levels_as_moocore(count):
    found = random_trials(100 + count, count)
    sets = np.repeat(np.arange(count), [len(points) for points in found])
    lines = surfaces(found, (1.0, 1.0))
    for level, share in LEVELS.items():
        expected = moocore.eaf(np.concatenate(found), sets, percentiles=[100 * share])[:, :2]
        line = lines[lines["level"] == level]
        corners = line.iloc[1::2][["x", "y"]].to_numpy()
        assert sorted(map(tuple, corners)) == sorted(map(tuple, expected))


@UNHURRIED
@given(trials)
def test_surfaces_have_the_mean_hypervolume_between_them(found):
    areas = [hypervolume(surface(found, count), REFERENCE) for count in range(1, len(found) + 1)]
    assert areas == sorted(areas, reverse=True)
    assert np.mean(areas) == pytest.approx(np.mean([hypervolume(points, REFERENCE) for points in found]))


@settings(UNHURRIED, max_examples=50)
@given(trials)
def test_lines_are_steps_from_edge_to_edge_that_enclose_the_hypervolume(found):
    lines = surfaces(found, REFERENCE)
    assert list(lines.columns) == ["level", "attained_by", "x", "y"]
    for level, share in LEVELS.items():
        line = lines[lines["level"] == level]
        number = max(1, -(-len(found) * round(share * 4) // 4))
        border = surface(found, number)
        if not len(line):
            assert hypervolume(border, REFERENCE) == 0
            continue
        assert set(line["attained_by"]) == {number}
        x, y = line["x"].to_numpy(), line["y"].to_numpy()
        assert (y[0], x[-1]) == REFERENCE[::-1]
        across, down = np.diff(x), np.diff(y)
        assert (across[::2] == 0).all() and (down[::2] < 0).all()
        assert (down[1::2] == 0).all() and (across[1::2] > 0).all()
        area = (across * (REFERENCE[1] - y[1:])).sum()
        assert area == pytest.approx(hypervolume(border, REFERENCE))


def test_surfaces_by_hand():
    found = [np.array([[1.0, 4], [3, 1]]), np.array([[2.0, 2]]), np.array([[9.0, 9]]), np.empty((0, 2))]
    lines = (
        surfaces(found, (5, 6)).groupby("level", sort=False)[["x", "y"]].apply(lambda line: line.to_numpy().tolist())
    )
    assert dict(lines) == {
        "best": [[1, 6], [1, 4], [2, 4], [2, 2], [3, 2], [3, 1], [5, 1]],
        "first_quartile": [[1, 6], [1, 4], [2, 4], [2, 2], [3, 2], [3, 1], [5, 1]],
        "median": [[2, 6], [2, 4], [3, 4], [3, 2], [5, 2]],
    }
    assert surface(found, 3).tolist() == [[9, 9]]
    assert surface(found, 4).tolist() == []


@UNHURRIED
@given(trials, trials)
def test_difference_is_that_of_the_shares_everywhere(a, b):
    """In the middle of each unit box; where no rectangle lies, the shares are equal."""
    rectangles = difference(a, b, REFERENCE)
    assert ((rectangles["x_low"] < rectangles["x_high"]) & (rectangles["y_low"] < rectangles["y_high"])).all()
    drawn = rectangles.to_numpy()
    shares = attaining(a) / len(a) - attaining(b) / len(b)
    for corner, expected in zip(CORNERS, shares, strict=True):
        here = covering(drawn, corner + 0.5)
        assert here.tolist() == ([] if abs(expected) < 1e-12 else [pytest.approx(expected)])


@pytest.mark.parametrize(("count_a", "count_b"), [(1, 1), (10, 10), (3, 8)])
@pytest.mark.parametrize("decimals", [1, 16])
def test_difference_adds_up_to_that_of_the_mean_hypervolumes(count_a, count_b, decimals):
    a, b = random_trials(1, count_a, decimals=decimals), random_trials(2, count_b, decimals=decimals)
    found = difference(a, b, (0.9, 0.8))
    areas = (found["x_high"] - found["x_low"]) * (found["y_high"] - found["y_low"])
    means = [np.mean([hypervolume(points, (0.9, 0.8)) for points in each]) for each in (a, b)]
    assert (areas * found["difference"]).sum() == pytest.approx(means[0] - means[1], abs=1e-12)
    swapped = difference(b, a, (0.9, 0.8)).to_numpy() * [1, 1, 1, 1, -1]
    assert sorted(swapped.tolist()) == sorted(found.to_numpy().tolist())


def test_difference_as_moocore():
    """In the middle of each of moocore's rectangles, which count trials and may be infinite."""
    a, b = random_trials(3, 6, points=12), random_trials(4, 6, points=12)
    stacked = [np.column_stack([np.concatenate(each), np.repeat(np.arange(6), 12)]) for each in (a, b)]
    expected = moocore.eafdiff(*stacked, rectangles=True)
    found = difference(a, b, (2.0, 2.0))
    low, high = np.minimum(expected[:, :2], 2.0), np.minimum(expected[:, 2:4], 2.0)
    for middle, count in zip((low + high) / 2, expected[:, 4], strict=True):
        assert 6 * covering(found.to_numpy(), middle).sum() == pytest.approx(count, abs=1e-9)


def test_difference_by_hand():
    found = difference([np.array([[1.0, 1]])], [np.array([[2.0, 2]])], (4, 4))
    assert list(found.columns) == ["x_low", "x_high", "y_low", "y_high", "difference"]
    assert sorted(found.to_numpy().tolist()) == [[1, 2, 1, 4, 1], [2, 4, 1, 2, 1]]


def test_equal_algorithms_do_not_differ():
    same = random_trials(5, 4)
    assert not len(difference(same, same[::-1], (1, 1)))
    assert not len(difference(same, [*same, *same], (1, 1)))
    nothing = [np.empty((0, 2))] * 3
    assert not len(difference(nothing, nothing, (1, 1)))


@pytest.mark.parametrize(
    "call",
    [
        lambda: surface([], 1),
        lambda: surface([np.zeros((1, 2))], 0),
        lambda: surface([np.zeros((1, 2))], 2),
        lambda: surfaces([], (1, 1)),
        lambda: surfaces([np.zeros((1, 3))], (1, 1)),
        lambda: surfaces([np.zeros((1, 2))], (1, 1, 1)),
        lambda: surfaces([np.full((1, 2), np.nan)], (1, 1)),
        lambda: difference([], [np.zeros((1, 2))], (1, 1)),
        lambda: difference([np.zeros((1, 2))], [np.zeros((1, 3))], (1, 1)),
    ],
)
def test_what_cannot_be_drawn_is_a_named_error(call):
    with pytest.raises(InvalidPoints, match=";") as raised:
        call()
    assert isinstance(raised.value, EcnasError)
