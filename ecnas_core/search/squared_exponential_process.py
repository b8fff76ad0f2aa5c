"""An exact Gaussian process over cells and training budgets."""

from __future__ import annotations

from itertools import product

import numpy as np

from ecnas_core.analysis.gaussian import Floats, cholesky, squared_distances, whiten

SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)
BUDGET_SCALES = (0.5, 1.0, 2.0, 4.0)
NOISES = (0.001, 0.01, 0.1)
_JITTER = 1e-10


class SquaredExponentialProcess:
    """Squared-exponential over features and over the logarithm of the epochs, with noise.

    Its two length scales and the noise, as a share of the signal's variance, are the grid's best by marginal
    likelihood, and the variance of the signal is the likelihood's maximum for them. A grid, not a gradient: the choice
    is the same whatever the number of threads of the linear algebra.

    Attributes:
        scale: length scale over features.
        budget_scale: length scale over ln(epochs).
        noise: variance of the noise by that of the signal.
    """

    def __init__(self, features: Floats, epochs: Floats, values: Floats) -> None:
        """Fit.

        Args:
            features: (n, f), n at least 2.
            epochs: (n,) training budgets.
            values: (n,) what is to be predicted.
        """
        self._features, self._logs = features, np.log(epochs)
        self._mean = float(values.mean())
        self._centred = values - self._mean
        apart, budgets_apart = squared_distances(features, features), (self._logs[:, None] - self._logs) ** 2
        budget_scales = BUDGET_SCALES if np.ptp(self._logs) else BUDGET_SCALES[:1]
        best = -np.inf
        for scale, budget_scale in product(SCALES, budget_scales):
            correlation = np.exp(-apart / (2 * scale**2) - budgets_apart / (2 * budget_scale**2))
            for noise in NOISES:
                factor = cholesky(correlation, noise + _JITTER)
                solved = whiten(factor, self._centred)
                variance = max(float(solved @ solved) / len(values), np.finfo(float).tiny)
                likelihood = -0.5 * len(values) * np.log(variance) - np.log(np.diag(factor)).sum()
                if likelihood > best:
                    best = likelihood
                    self.scale, self.budget_scale, self.noise = scale, budget_scale, noise
                    self._factor, self._solved, self._variance = factor, solved, variance

    def predict(self, features: Floats, epochs: Floats) -> tuple[Floats, Floats]:
        """The posterior of the values without noise.

        Args:
            features: (m, f).
            epochs: (m,).

        Returns:
            (m,) means and (m,) standard deviations.
        """
        apart = squared_distances(features, self._features)
        budgets_apart = (np.log(epochs)[:, None] - self._logs) ** 2
        correlation = np.exp(-apart / (2 * self.scale**2) - budgets_apart / (2 * self.budget_scale**2))
        whitened = whiten(self._factor, correlation.T)
        mean = self._mean + whitened.T @ self._solved
        deviation = np.sqrt(self._variance * np.maximum(1 - (whitened**2).sum(axis=0), 0))
        return mean, deviation
