"""Intervals on errors whose distribution is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.surrogates.conformal import binned, fewest, quantile
from ecnas_core.surrogates.training import TooFewResults


class TestQuantile:
    def test_by_hand(self):
        assert quantile(np.arange(1.0, 10), 0.9) == 9
        assert quantile(np.arange(19.0, 0, -1), 0.9) == 18
        assert quantile(np.array([3.0, 1, 2]), 0.5) == 2

    @given(n=st.integers(9, 300), seed=st.integers(0, 100))
    def test_a_new_error_stays_below_often_enough(self, n, seed):
        """Of n + 1 exchangeable errors each is the new one in turn: the guarantee is a count, no chance in it."""
        errors = np.random.default_rng(seed).normal(size=n + 1)
        below = [errors[place] <= quantile(np.delete(errors, place), 0.9) for place in range(n + 1)]
        assert np.mean(below) >= 0.9 - 1e-12

    @pytest.mark.parametrize(("n", "level"), [(8, 0.9), (0, 0.9), (18, 0.95)])
    def test_too_few(self, n, level):
        with pytest.raises(TooFewResults, match=f"{n} cells are too few .* at least {round(level / (1 - level))}"):
            quantile(np.ones(n), level)


class TestBinned:
    @pytest.mark.parametrize(("level", "least"), [(0.9, 19), (0.8, 9), (0.5, 3)])
    def test_fewest(self, level, least):
        assert fewest(level) == least
        values = np.arange(float(least))
        binned(values, values, 1, level)
        with pytest.raises(TooFewResults):
            binned(values[1:], values[1:], 1, level)

    def test_coverage_where_the_noise_grows_and_leans(self):
        rng = np.random.default_rng(0)
        predictions = rng.uniform(1, 5, 40_000)
        values = predictions + predictions * (rng.exponential(size=40_000) - np.log(2))
        found = binned(predictions[:20_000], values[:20_000], 20)
        low, high = found.interval(predictions[20_000:])
        inside = (low <= values[20_000:]) & (values[20_000:] <= high)
        assert abs(inside.mean() - 0.9) < 0.01
        for least in range(1, 5):
            here = (predictions[20_000:] >= least) & (predictions[20_000:] < least + 1)
            assert abs(inside[here].mean() - 0.9) < 0.02
        ratio = (high - predictions[20_000:]) / predictions[20_000:]
        assert np.median(ratio) == pytest.approx(-np.log(0.05) - np.log(2), rel=0.05)

    def test_few_cells_make_few_bins(self):
        values = np.arange(100.0)
        assert len(binned(values, values + 1, 20).low) == 5
        assert len(binned(values[:37], values[:37] + 1, 20).low) == 1
        with pytest.raises(TooFewResults):
            binned(values[:10], values[:10], 1)

    def test_the_prediction_is_in_its_interval(self):
        values = np.arange(100.0)
        low, high = binned(values, values + 3, 1).interval(values)
        assert (low == values).all()
        assert (high == values + 3).all()

    def test_equal_predictions_make_one_bin(self):
        found = binned(np.zeros(400), np.linspace(-1, 1, 400), 5)
        low, high = found.interval(np.array([-1.0, 0, 1]))
        assert (low[1], high[1]) == pytest.approx((-0.9, 0.9), abs=0.02)
        assert len(found.low) == 1
        assert np.isfinite([low, high]).all()
