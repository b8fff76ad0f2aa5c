"""The model's closed forms against dense linear algebra, scipy and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ecnas_core.surrogates import transfer_model
from ecnas_core.surrogates.transfer_model import Prior, choose, fit, learn

PRIOR = Prior(
    centre=np.array([1.0, -2.0]),
    scale=np.array([0.5, 2.0]),
    slopes=np.array([0.1, -0.05]),
    covariance=np.array([[0.01, 0.002], [0.002, 0.02]]),
    noise=0.04,
)


def simulated(rng, cells, noise=PRIOR.noise):
    """A device drawn from the prior: regressors, log energies by reference."""
    regressors = PRIOR.centre + PRIOR.scale * rng.normal(size=(cells, 2))
    slopes = rng.multivariate_normal(PRIOR.slopes, PRIOR.covariance)
    standardised = (regressors - PRIOR.centre) / PRIOR.scale
    return regressors, 3.0 + standardised @ slopes + noise * rng.normal(size=cells)


def test_by_hand_with_one_slope_that_is_certain():
    """Then the offset is the mean of what is left, and the noise the prior's squares and the cells' by all freedom."""
    prior = Prior(np.zeros(1), np.ones(1), np.array([0.5]), np.array([[1e-18]]), 0.1)
    regressors, target = np.array([[0.0], [2.0], [4.0]]), np.array([1.0, 2.1, 2.9])
    line = fit(prior, regressors, target, np.ones(3))
    rest = target - 0.5 * regressors[:, 0]
    assert line.coefficients == pytest.approx([1.0, 0.5])
    assert line.freedom == 8 + 3 - 1
    assert line.noise**2 == pytest.approx((8 * 0.01 + ((rest - 1.0) ** 2).sum()) / 10)
    middle, half = line.predict(np.array([[10.0]]), np.ones(1))
    assert middle == pytest.approx([6.0])
    assert half == pytest.approx([stats.t.ppf(0.95, 10) * line.noise * np.sqrt(1 + 1 / 3)])


@pytest.mark.parametrize("seed", range(3))
def test_fit_is_the_gaussian_process_with_a_linear_kernel(seed):
    rng = np.random.default_rng(seed)
    regressors, target = simulated(rng, 12)
    weights = rng.uniform(0.3, 1, 12)
    line = fit(PRIOR, regressors, target, weights)
    assert line.used.all()
    design = PRIOR.design(regressors)
    before = np.zeros((3, 3))
    before[0, 0], before[1:, 1:] = 1e4, PRIOR.covariance
    kernel = design @ before @ design.T
    noisy = kernel + PRIOR.noise**2 * np.diag(1 / weights)
    mean = design[:, 1:] @ PRIOR.slopes
    expected = mean + kernel @ np.linalg.solve(noisy, target - mean)
    remaining = np.diag(kernel - kernel @ np.linalg.solve(noisy, kernel))
    middle, half = line.predict(regressors, weights)
    assert middle == pytest.approx(expected, abs=1e-5)
    factor = stats.t.ppf(0.95, line.freedom) * line.noise / PRIOR.noise
    assert half == pytest.approx(factor * np.sqrt(remaining + PRIOR.noise**2 / weights), rel=1e-4)


def test_an_outlier_does_not_count():
    regressors, target = simulated(np.random.default_rng(4), 10)
    spoilt = target.copy()
    spoilt[3] += np.log(3)
    line = fit(PRIOR, regressors, spoilt, np.ones(10))
    assert np.flatnonzero(~line.used).tolist() == [3]
    others = np.arange(10) != 3
    clean = fit(PRIOR, regressors[others], target[others], np.ones(9))
    assert line.coefficients == pytest.approx(clean.coefficients)
    assert (line.noise, line.freedom) == (pytest.approx(clean.noise), clean.freedom)


@pytest.mark.parametrize("cells", [5, 10, 40])
def test_nine_in_ten_are_in_the_interval(cells):
    """Of devices drawn from the prior, whose own noise scatters as the prior lets expect."""
    rng = np.random.default_rng(cells)
    inside = []
    for _ in range(200):
        noise = PRIOR.noise * np.sqrt(transfer_model.PRIOR_CELLS / rng.chisquare(transfer_model.PRIOR_CELLS))
        regressors, target = simulated(rng, cells + 30, noise)
        line = fit(PRIOR, regressors[:cells], target[:cells], np.ones(cells))
        middle, half = line.predict(regressors[cells:], np.ones(30))
        inside.append((np.abs(target[cells:] - middle) <= half).mean())
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)


def test_learning_finds_what_devices_have_in_common():
    rng = np.random.default_rng(0)
    prior = learn([simulated(rng, 200) for _ in range(60)])
    assert prior.centre == pytest.approx(PRIOR.centre, abs=0.1)
    assert prior.scale == pytest.approx(PRIOR.scale, rel=0.05)
    assert prior.slopes == pytest.approx(PRIOR.slopes, abs=0.04)
    assert prior.noise == pytest.approx(PRIOR.noise, rel=0.03)
    spread = np.sqrt(np.trace(PRIOR.covariance) / 2)
    assert np.sqrt(np.diag(prior.covariance)) == pytest.approx([spread, spread], rel=0.2)


def test_devices_that_are_alike_leave_little_doubt():
    rng = np.random.default_rng(1)
    regressors = rng.normal(size=(200, 2))
    alike = [(regressors, 0.3 * regressors[:, 0] + 0.01 * rng.normal(size=200)) for _ in range(4)]
    prior = learn(alike)
    assert prior.slopes / prior.scale == pytest.approx([0.3, 0], abs=0.003)
    assert np.sqrt(np.diag(prior.covariance)).max() < 0.01


@given(st.integers(0, 10**6))
def test_each_choice_lowers_the_mean_variance_most(seed):
    rng = np.random.default_rng(seed)
    regressors = PRIOR.centre + PRIOR.scale * rng.normal(size=(30, 2))
    measured, weights = regressors[:2] + 0.1, np.array([1.0, 0.5])
    strata = rng.integers(0, 6, 30)
    strata[strata == 0] = -1
    chosen = choose(PRIOR, regressors, measured, weights, 3, strata).tolist()
    everything, known = PRIOR.design(regressors), PRIOR.design(measured)
    precision = PRIOR.precision + known.T @ np.diag(weights) @ known
    left = set(np.flatnonzero(strata >= 0).tolist())
    for place in chosen:
        mean_variance = {
            each: np.einsum(
                "ij,jk,ik->",
                everything,
                np.linalg.inv(precision + np.outer(everything[each], everything[each])),
                everything,
            )
            for each in left
        }
        assert place in left
        assert mean_variance[place] == pytest.approx(min(mean_variance.values()), rel=1e-6)
        precision = precision + np.outer(everything[place], everything[place])
        left -= set(np.flatnonzero(strata == strata[place]).tolist())
    assert len(set(strata[chosen])) == 3
