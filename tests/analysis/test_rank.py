"""Agreement of rankings, against scipy and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import kendalltau

from ecnas_core.analysis.rank import RESAMPLES, kendall_interval, kendall_tau, resample, shared_leaders

few_values = st.integers(0, 4).map(float)
pairs = st.integers(2, 14).flatmap(lambda n: hnp.arrays(np.float64, (2, n), elements=few_values))


@pytest.fixture
def noisy():
    random = np.random.default_rng(3)
    x = random.normal(size=40)
    return x, x + random.normal(scale=0.6, size=40)


class TestKendallTau:
    def test_without_ties(self, noisy):
        assert kendall_tau(*noisy)[0] == pytest.approx(kendalltau(*noisy).statistic, abs=1e-12)

    @settings(deadline=None)
    @given(pairs)
    def test_with_ties_as_scipy(self, values):
        x, y = values
        expected = kendalltau(x, y).statistic
        assert kendall_tau(x, y)[0] == pytest.approx(expected, abs=1e-12, nan_ok=True)

    @pytest.mark.parametrize(("y", "expected"), [([1, 2, 3, 4], 1), ([4, 3, 2, 1], -1), ([5, 5, 5, 5], np.nan)])
    def test_ends_and_nothing_to_rank(self, y, expected):
        assert kendall_tau(np.arange(4.0), np.array(y, float))[0] == pytest.approx(expected, nan_ok=True)

    def test_each_resample_as_scipy_on_the_drawn_things(self, noisy):
        x, y = noisy
        y = np.round(y, 1)
        counts = resample(len(x), 60)
        expected = [kendalltau(np.repeat(x, times), np.repeat(y, times)).statistic for times in counts]
        assert kendall_tau(x, y, counts) == pytest.approx(expected, abs=1e-12)


class TestBootstrap:
    def test_draws_with_replacement_and_a_seed(self):
        counts = resample(12)
        assert counts.shape == (RESAMPLES, 12)
        assert (counts.sum(axis=1) == 12).all()
        assert counts.mean(axis=0) == pytest.approx(np.ones(12), abs=0.15)
        assert (counts == resample(12)).all()
        assert (counts != resample(12, seed=1)).any()

    def test_interval_is_that_of_scipy_on_every_resample(self, noisy):
        x, y = noisy
        taus = [kendalltau(np.repeat(x, times), np.repeat(y, times)).statistic for times in resample(len(x))]
        assert kendall_interval(x, y) == pytest.approx(np.quantile(taus, [0.025, 0.975]), abs=1e-12)

    def test_interval_covers_tau_and_narrows_with_more_things(self):
        random = np.random.default_rng(5)
        widths = []
        for n in (20, 200):
            x = random.normal(size=n)
            y = x + random.normal(size=n)
            low, high = kendall_interval(x, y)
            assert low < kendall_tau(x, y)[0] < high
            widths.append(high - low)
        assert widths[1] < 0.5 * widths[0]

    @pytest.mark.parametrize("n", [0, 1])
    def test_too_few_have_none(self, n):
        assert np.isnan(kendall_interval(np.arange(float(n)), np.arange(float(n)))).all()

    def test_resamples_of_one_thing_alone_do_not_count(self):
        assert kendall_interval(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == (1.0, 1.0)


class TestSharedLeaders:
    def test_as_sets(self, noisy):
        x, y = noisy
        expected = [len(set(np.argsort(x)[:k]) & set(np.argsort(y)[:k])) / k for k in range(1, 31)]
        assert shared_leaders(x, y, 30) == pytest.approx(expected)
        assert shared_leaders(y, x, 30) == pytest.approx(expected)

    def test_no_more_than_there_are(self, noisy):
        x, y = noisy
        shares = shared_leaders(x, y, 45)
        assert len(shares) == 40
        assert shares[-1] == 1

    def test_equal_values_in_the_order_given(self):
        assert list(shared_leaders(np.zeros(3), np.array([2.0, 1.0, 3.0]), 3)) == [0, 1, 1]
