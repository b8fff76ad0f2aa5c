"""Mann-Whitney, A12 and Holm against scipy, all permutations, and definitions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from ecnas_core.analysis.compare import EXACT_UP_TO, InvalidSamples, a12, compare, effect, holm, mann_whitney
from ecnas_core.errors import EcnasError

UNHURRIED = settings(deadline=None)
few = st.lists(st.integers(0, 3), min_size=1, max_size=5)
numbers = st.lists(st.floats(-100, 100), min_size=1, max_size=12)


def pairs_won(a, b) -> float:
    return sum((x > y) + (x == y) / 2 for x in a for y in b)


@UNHURRIED
@given(few, few)
def test_exact_with_ties_counts_all_ways_to_split_the_values(a, b):
    pooled = a + b
    centre = len(a) * len(b) / 2
    observed = abs(pairs_won(a, b) - centre)
    splits = list(combinations(range(len(pooled)), len(a)))
    far = 0
    for chosen in splits:
        rest = [pooled[place] for place in range(len(pooled)) if place not in chosen]
        far += abs(pairs_won([pooled[place] for place in chosen], rest) - centre) >= observed
    u, p_value = mann_whitney(a, b)
    assert u == pairs_won(a, b)
    assert p_value == pytest.approx(far / len(splits), rel=1e-12)


@UNHURRIED
@given(numbers, numbers)
def test_exact_without_ties_as_scipy(a, b):
    assume(len(set(a + b)) == len(a + b))
    expected = mannwhitneyu(a, b, method="exact")
    u, p_value = mann_whitney(a, b)
    assert u == expected.statistic
    assert p_value == pytest.approx(expected.pvalue, rel=1e-10)


@pytest.mark.parametrize("decimals", [1, 16])
@pytest.mark.parametrize(("n", "m"), [(40, 40), (3, 100), (200, 70)])
def test_large_samples_as_scipy(n, m, decimals):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.3, 1, n).round(decimals), rng.normal(0, 1, m).round(decimals)
    expected = mannwhitneyu(a, b, method="asymptotic")
    u, p_value = mann_whitney(a, b)
    assert (u, p_value) == (expected.statistic, pytest.approx(expected.pvalue, rel=1e-9))


def test_exact_and_normal_meet():
    rng = np.random.default_rng(1)
    half = EXACT_UP_TO // 2
    a, b = rng.normal(0.5, 1, half), rng.normal(0, 1, half)
    assert mann_whitney(a, b)[1] == pytest.approx(mannwhitneyu(a, b, method="asymptotic").pvalue, rel=0.1)
    assert mann_whitney(a, b)[1] == pytest.approx(mannwhitneyu(a, b, method="exact").pvalue, rel=1e-10)


@UNHURRIED
@given(numbers, numbers)
def test_neither_order_nor_direction_nor_scale_changes_the_p_value(a, b):
    u, p_value = mann_whitney(a, b)
    other, same = mann_whitney(b, a)
    assert u + other == len(a) * len(b)
    assert same == pytest.approx(p_value, rel=1e-12)
    assert 0 < p_value <= 1
    assert mann_whitney([-x for x in a], [-x for x in b])[1] == pytest.approx(p_value, rel=1e-12)


def test_ten_trials_that_all_win():
    """2 of the 184,756 ways are as extreme."""
    assert mann_whitney(range(10, 20), range(10)) == (100, pytest.approx(2 / 184_756))


@pytest.mark.parametrize("n", [1, 10, 100])
def test_equal_values_do_not_differ(n):
    assert mann_whitney([0.5] * n, [0.5] * n)[1] == 1
    assert a12([0.5] * n, [0.5] * n) == 0.5


@UNHURRIED
@given(few, few)
def test_a12_is_the_share_of_pairs_won(a, b):
    assert a12(a, b) == pytest.approx(pairs_won(a, b) / (len(a) * len(b)))
    assert a12(a, b) + a12(b, a) == pytest.approx(1)


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.5, "negligible"),
        (0.55, "negligible"),
        (0.56, "small"),
        (0.63, "small"),
        (0.64, "medium"),
        (0.71, "large"),
        (1, "large"),
        (0.45, "negligible"),
        (0.4, "small"),
        (0.3, "medium"),
        (0.0, "large"),
    ],
)
def test_effects_in_words(probability, expected):
    assert effect(probability) == expected


@pytest.mark.parametrize(
    ("given_values", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.4, 0.9], [1, 1, 1]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_holm_by_hand(given_values, expected):
    """The third is Holm's procedure worked through: 4 x 0.005, 3 x 0.01, 2 x 0.03, and no less for 0.04."""
    assert holm(given_values) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_lowers(values):
    corrected = holm(values)
    assert all(after >= before for before, after in zip(values, corrected, strict=True))
    assert all(after <= min(1, before * max(len(values), 1)) for before, after in zip(values, corrected, strict=True))
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_compare_tells_every_pair():
    found = compare({"SEMOA": np.arange(10, 20), "RS": np.arange(10), "NSGA-II": [5.5] * 4}).set_index(["a", "b"])
    assert list(found.index) == [("SEMOA", "RS"), ("SEMOA", "NSGA-II"), ("RS", "NSGA-II")]
    best = found.loc[("SEMOA", "RS")]
    assert (best["trials_a"], best["trials_b"], best["median_a"], best["median_b"]) == (10, 10, 14.5, 4.5)
    assert (best["u"], best["a12"], best["cliffs_delta"], best["effect"]) == (100, 1, 1, "large")
    worse = found.loc[("RS", "NSGA-II")]
    assert (worse["a12"], worse["cliffs_delta"], worse["effect"]) == (0.4, pytest.approx(-0.2), "small")
    assert found["p_holm"].tolist() == pytest.approx(holm(found["p_value"].tolist()))
    assert found["p_holm"].iloc[0] == pytest.approx(3 * 2 / 184_756)


def test_two_samples_are_not_corrected_and_one_has_no_rows():
    found = compare({"a": [1, 2], "b": [3, 4]})
    assert found["p_holm"].tolist() == found["p_value"].tolist() == pytest.approx([1 / 3])
    assert len(compare({"a": [1.0]})) == len(compare({})) == 0
    assert list(compare({}).columns) == list(found.columns)


@pytest.mark.parametrize("values", [[], [np.nan], [1, np.inf], [[1, 2]]])
def test_invalid_samples_are_a_named_error(values):
    for call in (
        lambda: mann_whitney(values, [1]),
        lambda: a12([1], values),
        lambda: compare({"x": [1], "RS": values}),
    ):
        with pytest.raises(InvalidSamples, match=";") as raised:
            call()
        assert isinstance(raised.value, EcnasError)
    assert "RS" in str(raised.value)
