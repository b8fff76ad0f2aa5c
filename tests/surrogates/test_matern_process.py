"""A Gaussian process against the textbook's formulas, and laws that it must recover."""

from __future__ import annotations

import numpy as np
import pytest

from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import matern_process
from ecnas_core.surrogates.matern_process import MaternProcess


def law(inputs):
    return 1 + 0.3 * inputs[:, 0] - 0.1 * inputs[:, 1] + 0.2 * np.sin(inputs[:, 0]) * inputs[:, 1]


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    inputs = np.column_stack([rng.integers(0, 6, (600, 2)), rng.integers(0, 4, 600), np.ones(600)]).astype(float)
    return inputs, law(inputs) + rng.normal(0, 0.05, 600)


@pytest.fixture(scope="module")
def fitted(drawn):
    return matern_process.fit(*drawn, seed=0, part="law")


def test_grouped_rows_give_what_every_value_alone_gives(drawn, fitted):
    """The oracle: the posterior of all 600 values by the textbook, without grouping."""
    inputs, values = drawn
    scaled = inputs / fitted.scales

    def covariance(first, second):
        apart = np.sqrt(3) * np.sqrt(((first[:, None] - second) ** 2).sum(axis=2))
        return fitted.variance * (1 + apart) * np.exp(-apart)

    own = covariance(scaled, scaled) + fitted.noise * np.eye(len(values))
    new = np.array([[2.5, 1, 0, 1], [9, 9, 9, 1], [0, 0, 0, 1]])
    across = covariance(new / fitted.scales, scaled)
    means = fitted.mean + across @ np.linalg.solve(own, values - values.mean())
    variances = fitted.variance + fitted.noise - (across * np.linalg.solve(own, across.T).T).sum(axis=1)
    found, deviations = fitted.predict(new)
    assert np.allclose(found, means, atol=1e-5)
    assert np.allclose(deviations**2, variances, atol=1e-5)


def test_a_law_is_recovered(fitted):
    grid = np.array([[x, y, 0, 1] for x in range(6) for y in range(6)], float)
    found, deviations = fitted.predict(grid)
    assert np.abs(found - law(grid)).max() < 0.06
    assert np.sqrt(fitted.noise) == pytest.approx(0.05, rel=0.1)
    assert (deviations >= np.sqrt(fitted.noise)).all()


def test_an_input_that_does_not_matter_has_a_long_scale(fitted):
    assert fitted.scales[2] > 2 * fitted.scales[:2].max()
    assert fitted.scales[3] == np.inf


def test_far_away_it_is_uncertain(fitted):
    near, far = fitted.predict(np.array([[2.0, 2, 0, 1], [200, 200, 0, 1]]))[1]
    assert far > 3 * near


def test_rows_in_any_order_and_repeated(fitted):
    rows = np.array([[5.0, 0, 1, 1], [0, 5, 1, 1], [5, 0, 1, 1]])
    found, _ = fitted.predict(rows)
    assert found[0] == found[2] != found[1]
    assert fitted.predict(rows[::-1])[0].tolist() == found[::-1].tolist()


def test_other_values_with_the_same_scales(drawn, fitted):
    inputs, values = drawn
    same = fitted.condition_on(inputs, values)
    assert np.allclose(same.predict(inputs)[0], fitted.predict(inputs)[0])
    raised = fitted.condition_on(inputs, values + 7)
    assert np.allclose(raised.predict(inputs)[0], fitted.predict(inputs)[0] + 7)


def test_same_again_and_from_arrays(drawn, fitted):
    again = matern_process.fit(*drawn, seed=0, part="law")
    copied = MaternProcess.from_arrays(fitted.to_arrays())
    for other in (again, copied):
        for ours, theirs in zip(fitted.predict(drawn[0]), other.predict(drawn[0]), strict=True):
            assert np.array_equal(ours, theirs)


def test_progress_and_cancelling(drawn):
    told = []
    with pytest.raises(Cancelled, match="stopped after 5 of 40"):
        matern_process.fit(*drawn, seed=0, part="law", progress=told.append, cancel=lambda: len(told) == 5)
    assert [epoch.number for epoch in told] == [1, 2, 3, 4, 5]
    assert told[-1].loss < told[0].loss
    assert told[0].part == "law"
