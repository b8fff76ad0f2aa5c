"""Hypervolume over evaluations against moocore from scratch, and its bands against numpy's quantiles."""

from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecnas_core.analysis.convergence import QUANTILES, Staircase, bands, curves, growth, reached
from ecnas_core.analysis.pareto import InvalidPoints, hypervolume
from ecnas_core.analysis.trials import Trial

UNHURRIED = settings(deadline=None)
REFERENCE = (1.0, 0.9)


def trial(points, number=0, algorithm="RS", evaluation=None) -> Trial:
    points = np.asarray(points, float).reshape(-1, 2)
    numbers = np.arange(len(points)) if evaluation is None else np.array(evaluation)
    return Trial("study", algorithm, number, numbers, points, np.arange(len(points)))


def random_trial(seed: int, length: int, **more) -> Trial:
    rng = np.random.default_rng(seed)
    points = rng.random((length, 2)).round(2)
    points[rng.random(length) < 0.3] = np.nan
    return trial(points, number=seed, **more)


@UNHURRIED
@given(
    st.integers(2, 3).flatmap(
        lambda columns: arrays(
            np.float64,
            st.tuples(st.integers(0, 25), st.just(columns)),
            elements=st.sampled_from([-1.0, 0, 1, 2, 3, 4, 5, np.nan]),
        )
    )
)
def test_growth_is_the_hypervolume_of_all_points_so_far(points):
    reference = (4, 3, 5)[: points.shape[1]]
    feasible = ~np.isnan(points).any(axis=1)
    expected = [hypervolume(points[: n + 1][feasible[: n + 1]], reference) for n in range(len(points))]
    assert growth(points, reference).tolist() == expected


@UNHURRIED
@given(arrays(np.int64, st.tuples(st.integers(0, 30), st.just(2)), elements=st.integers(-2, 6)))
def test_a_staircase_gains_what_the_hypervolume_grows_by(points):
    stairs, before = Staircase((4, 5)), 0.0
    for count, (first, second) in enumerate(points.tolist(), start=1):
        after = hypervolume(points[:count].astype(float), (4, 5))
        assert stairs.add(first, second) == after - before
        before = after


@pytest.mark.parametrize("columns", [2, 3])
def test_growth_as_moocore(columns):
    points = np.random.default_rng(columns).random((200, columns))
    reference = [0.9, 0.8, 0.95][:columns]
    expected = [moocore.hypervolume(points[: n + 1], ref=reference) for n in range(len(points))]
    found = growth(points, reference)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("points", [np.zeros(3), np.zeros((2, 4)), [[0, np.inf]], [[-np.inf, np.nan]]])
def test_growth_of_invalid_points_is_a_named_error(points):
    with pytest.raises(InvalidPoints, match=";"):
        growth(points, (1, 1))
    with pytest.raises(InvalidPoints, match=";"):
        growth(np.zeros((1, 2)), (1, 1, 1))


def test_curves_have_a_row_for_each_charged_evaluation():
    """Individuals that share a number count together; a gap stays a gap."""
    one = trial([[0.5, 0.5], [0.5, 0.4], [0.4, 0.5], [np.nan, 0.1]], evaluation=[0, 3, 3, 4])
    found = curves([one, trial([[0.9, 0.8]], number=7, algorithm="SEMOA")], (1, 1))
    assert found.to_dict("list") == {
        "study": ["study"] * 4,
        "algorithm": ["RS"] * 3 + ["SEMOA"],
        "trial": [0, 0, 0, 7],
        "evaluation": [0, 3, 4, 0],
        "hypervolume": pytest.approx([0.25, 0.35, 0.35, 0.02]),
    }


def test_bands_are_quantiles_over_the_trials_that_have_come_so_far():
    members = [random_trial(seed, length) for seed, length in enumerate([30, 30, 20, 45, 1])]
    found = bands(members, REFERENCE).set_index("evaluation")
    heights = np.full((5, 45), np.nan)
    for row, member in enumerate(members):
        heights[row, : len(member.points)] = growth(member.points, REFERENCE)
    full = found.reindex(range(45)).ffill()
    assert full["trials"].tolist() == (~np.isnan(heights)).sum(axis=0).tolist()
    for name, share in QUANTILES.items():
        assert full[name].to_numpy() == pytest.approx(np.nanquantile(heights, share, axis=0), abs=1e-12)
    assert found.index[-1] == 44
    assert len(found) < 45


def test_bands_do_not_depend_on_the_order_of_trials_and_keep_algorithms_apart():
    members = [random_trial(seed, 40) for seed in range(4)] + [random_trial(9, 40, algorithm="SEMOA")]
    found = bands(members, REFERENCE)
    assert found[found["algorithm"] == "SEMOA"]["trials"].tolist() == [1] * (found["algorithm"] == "SEMOA").sum()
    assert bands(members[3::-1] + members[4:], REFERENCE).equals(found)


def test_trials_that_skip_numbers_keep_their_hypervolume_between_them():
    found = bands([trial([[0.5, 0.5], [0.25, 0.5]], evaluation=[0, 4]), trial([[0.5, 0.5]] * 5, number=1)], (1, 1))
    assert found["evaluation"].tolist() == [0, 4]
    assert found["trials"].tolist() == [2, 2]
    assert found["best"].tolist() == [0.25, 0.375]
    assert found["median"].tolist() == [0.25, 0.3125]


@pytest.mark.parametrize("members", [[], [trial(np.empty((0, 2)))]], ids=["no trials", "no evaluations"])
def test_bands_of_nothing_have_no_rows(members):
    found = bands(members, (1, 1))
    assert len(found) == 0
    assert list(found.columns) == ["study", "algorithm", "evaluation", "trials", *QUANTILES]
    assert len(curves(members, (1, 1))) == 0


def test_a_trial_without_a_feasible_cell_reaches_nothing_and_counts():
    members = [trial([[0.5, 0.5], [0.75, 0.75]]), trial([[np.nan, np.nan]] * 2, number=1)]
    assert reached(members, (1, 1)).drop(columns=["study", "algorithm"]).to_dict("list") == {
        "trial": [0, 1],
        "individuals": [2, 2],
        "feasible": [2, 0],
        "front": [1, 0],
        "hypervolume": [0.25, 0.0],
    }
    assert bands(members, (1, 1))["median"].tolist() == [0.125, 0.125]
