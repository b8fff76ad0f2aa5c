"""An exact Gaussian process over counts, of which many cells share a row: quick, smooth and with a variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ecnas_core.analysis.gaussian import Floats, cholesky, squared_distances, whiten
from ecnas_core.surrogates.training import Cancel, Epoch, Progress, tell

STEPS = 40
LEARNING_RATE = 0.1
MOST_ROWS = 900
"""Different rows by which the likelihood is maximised; all of them count in the prediction."""
_TYPICAL_SCALE = 2.0
"""Median of the prior of a length scale, in standard deviations of its input; its logarithm has variance 2."""
_JITTER = 1e-8
_ARRAYS = ("inputs", "counts", "residuals", "scales")


@dataclass(frozen=True, eq=False)
class MaternProcess:
    """A constant plus a Matérn process of smoothness 3/2, its length scales one an input, and noise.

    Attributes:
        inputs: shape (rows, d), the different rows that values are known of.
        counts: shape (rows,), how many values each has.
        residuals: shape (rows,), their means less the constant.
        mean: the constant.
        scales: shape (d,), length scales in units of the inputs; infinite where an input never varied.
        variance: of the process.
        noise: variance of a single value around it.
    """

    inputs: Floats
    counts: Floats
    residuals: Floats
    scales: Floats
    mean: float
    variance: float
    noise: float

    def predict(self, inputs: Floats) -> tuple[Floats, Floats]:
        """The posterior of a new value, noise included.

        Args:
            inputs: shape (n, d); rows that occur often are computed once.

        Returns:
            Shape (n,) means and shape (n,) standard deviations.
        """
        rows, of_input = np.unique(inputs, axis=0, return_inverse=True)
        correlation = self._correlate(rows, self.inputs)
        mean: Floats = self.mean + correlation @ self._solved
        explained = (whiten(self._factor, correlation.T) ** 2).sum(axis=0)
        deviation = np.sqrt(np.maximum(self.variance - explained, 0) + self.noise)
        return mean[of_input.ravel()], deviation[of_input.ravel()]

    def middle(self, inputs: Floats) -> Floats:
        """The means alone, as ``predict`` gives them, which takes much less than the deviations do."""
        rows, of_input = np.unique(inputs, axis=0, return_inverse=True)
        mean: Floats = self.mean + self._correlate(rows, self.inputs) @ self._solved
        return mean[of_input.ravel()]

    def condition_on(self, inputs: Floats, values: Floats) -> MaternProcess:
        """The same process, its scales and variances kept, that knows other values.

        Args:
            inputs: shape (n, d).
            values: shape (n,).
        """
        rows, counts, means, _ = _grouped(inputs, values)
        mean = float(values.mean())
        return MaternProcess(rows, counts, means - mean, self.scales, mean, self.variance, self.noise)

    def to_arrays(self) -> dict[str, Floats]:
        """Everything that ``from_arrays`` needs, to be saved."""
        of_process = {"numbers": np.array([self.mean, self.variance, self.noise])}
        return of_process | {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> MaternProcess:
        """The process whose arrays these are."""
        mean, variance, noise = arrays["numbers"].tolist()
        return cls(**{name: arrays[name] for name in _ARRAYS}, mean=mean, variance=variance, noise=noise)

    @cached_property
    def _factor(self) -> Floats:
        own = self._correlate(self.inputs, self.inputs)
        return cholesky(own, self.noise / self.counts + _JITTER * self.variance)

    @cached_property
    def _solved(self) -> Floats:
        from scipy.linalg import cho_solve

        solved: Floats = cho_solve((self._factor, True), self.residuals)
        return solved

    def _correlate(self, first: Floats, second: Floats) -> Floats:
        apart = np.sqrt(3 * squared_distances(first / self.scales, second / self.scales))
        correlation: Floats = self.variance * (1 + apart) * np.exp(-apart)
        return correlation


def fit(
    inputs: Floats, values: Floats, seed: int, part: str, progress: Progress = None, cancel: Cancel = None
) -> MaternProcess:
    """Fit by the largest marginal likelihood, with a weak prior on the length scales.

    Args:
        inputs: shape (n, d), n at least 2.
        values: shape (n,), not all equal.
        seed: draws the rows of the likelihood where there are more than ``MOST_ROWS``.
        part: what is fitted, for ``progress``.
        progress: given each step; its loss is the negative log posterior by the number of values.
        cancel: polled after each step.

    Raises:
        Cancelled: it was to stop.
    """
    import torch

    rows, counts, means, within = _grouped(inputs, values)
    mean = float(values.mean())
    residuals = means - mean
    spread = float(np.sqrt((np.sum(counts * residuals**2) + within) / len(values)))
    deviations = inputs.std(axis=0)
    units = np.where(deviations > 0, deviations, np.inf)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS])

    z = torch.from_numpy(rows[drawn] / units)
    y = torch.from_numpy(residuals[drawn] / spread)
    n = torch.from_numpy(counts[drawn])
    squares_within = within / spread**2 * float(n.sum()) / len(values)
    log_scales = torch.full((rows.shape[1],), np.log(_TYPICAL_SCALE), dtype=torch.float64, requires_grad=True)
    log_variance = torch.zeros((), dtype=torch.float64, requires_grad=True)
    log_noise = torch.tensor(np.log(0.1), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([log_scales, log_variance, log_noise], lr=LEARNING_RATE)
    for step in range(STEPS):
        scaled = z / log_scales.exp()
        squares = (scaled**2).sum(1)[:, None] + (scaled**2).sum(1) - 2 * scaled @ scaled.T
        apart = (3 * squares.clamp_min(1e-12)).sqrt()
        covariance = log_variance.exp() * (1 + apart) * (-apart).exp()
        factor = torch.linalg.cholesky(covariance + torch.diag(log_noise.exp() / n + _JITTER))
        whitened = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
        loss = (whitened**2).sum() / 2 + factor.diagonal().log().sum()
        loss = loss + ((n.sum() - len(n)) * log_noise + squares_within / log_noise.exp()) / 2
        loss = loss + ((log_scales - np.log(_TYPICAL_SCALE)) ** 2).sum() / 4
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        tell(progress, cancel, Epoch(part, step + 1, STEPS, float(loss.detach()) / float(n.sum())))
    return MaternProcess(
        rows,
        counts,
        residuals,
        units * log_scales.detach().exp().numpy(),
        mean,
        float(log_variance.detach().exp()) * spread**2,
        float(log_noise.detach().exp()) * spread**2,
    )


def _grouped(inputs: Floats, values: Floats) -> tuple[Floats, Floats, Floats, float]:
    """The different rows, how many values each has, their means, and the sum of squares within rows."""
    rows, of_value, counts = np.unique(inputs, axis=0, return_inverse=True, return_counts=True)
    means = np.bincount(of_value.ravel(), values) / counts
    within = float(((values - means[of_value.ravel()]) ** 2).sum())
    return rows.astype(np.float64), counts.astype(np.float64), means, within
