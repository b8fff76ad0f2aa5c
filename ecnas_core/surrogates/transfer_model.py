"""How a device's energies follow from known ones: a Bayesian line in logarithms, robust and in closed form.

log energy = log reference + offset + slopes . regressors + noise. The offset is free, so that units and scopes do not
matter; slopes and noise have a prior learned from devices that are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

REGRESSORS = ("energy", "additive_energy", "multiply_adds", "memory_traffic")
"""Logarithms of: the reference energy, what it is by features alone, and two costs (``reference.Cells``)."""
CONFIDENCE = 0.9
PRIOR_CELLS = 8
"""How many cells the noise of the known devices counts for against a new device's own."""
TAIL = 4
"""Degrees of freedom of the errors by which outliers are told."""
FARTHEST = 4.0
"""Scales of these errors beyond which a cell is an outlier, about 3.5 standard deviations of normal ones."""
_SPREADS = np.geomspace(0.005, 0.4, 40)
_VAGUE = 1e-9
_ROUNDS = 200
_SETTLED = 1e-12
_MAD_TO_SIGMA = 0.6745


@dataclass(frozen=True, eq=False)
class Prior:
    """What devices have in common.

    Attributes:
        centre: shape (regressors,), means of the regressors, from where the offset is counted.
        scale: shape (regressors,), their standard deviations, by which slopes are standardised.
        slopes: shape (regressors,), the mean of the standardised slopes.
        covariance: shape (regressors, regressors), of the standardised slopes.
        noise: standard deviation of log energy around the line.
    """

    centre: Floats
    scale: Floats
    slopes: Floats
    covariance: Floats
    noise: float

    def design(self, regressors: Floats) -> Floats:
        """Regressors as rows (1, standardised regressors), shape (cells, 1 + regressors)."""
        standardised = (regressors - self.centre) / self.scale
        return np.column_stack([np.ones(len(regressors)), standardised])

    @property
    def precision(self) -> Floats:
        """Of offset and slopes by the noise's; nothing is known of the offset."""
        matrix = np.zeros((len(self.slopes) + 1,) * 2)
        matrix[1:, 1:] = self.noise**2 * _inverse(self.covariance)
        return matrix


@dataclass(frozen=True, eq=False)
class Line:
    """A device's line after some of its cells were measured.

    Attributes:
        prior: what it began from.
        coefficients: shape (1 + regressors,), offset and standardised slopes.
        spread: square, their covariance by the noise's variance.
        noise: standard deviation of log energy around the line.
        freedom: degrees of freedom of the noise.
        used: which of the measured cells count, the others being outliers.
    """

    prior: Prior
    coefficients: Floats
    spread: Floats
    noise: float
    freedom: int
    used: Flags

    def predict(self, regressors: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """The median and half the width of the central 90 % interval of log energy by reference.

        Args:
            regressors: shape (cells, regressors).
            weights: shape (cells,), as in ``fit``.
        """
        from scipy.special import stdtrit

        design = self.prior.design(regressors)
        variance = 1 / weights + np.einsum("ij,ij->i", design @ self.spread, design)
        quantile = float(stdtrit(self.freedom, (1 + CONFIDENCE) / 2))
        return design @ self.coefficients, quantile * self.noise * np.sqrt(variance)


def learn(devices: Sequence[tuple[Floats, Floats]]) -> Prior:
    """Learn what devices have in common: a random-effects model of their lines.

    Each device's line is fitted by least squares. Of the slopes' spread between devices, one standard deviation for all
    standardised slopes, the restricted likelihood decides; their mean is the generalised least-squares one (DerSimonian
    and Laird 1986, multivariate). The noise is the root mean square of the devices'.

    Args:
        devices: of each regressors, shape (cells, regressors), and log energies by reference, shape (cells,); more
            cells than coefficients.
    """
    everything = np.concatenate([regressors for regressors, _ in devices])
    centre, scale = everything.mean(axis=0), everything.std(axis=0)
    blank = Prior(centre, scale, np.zeros(len(centre)), np.eye(len(centre)), 1.0)
    lines = [_least_squares(blank.design(regressors), target) for regressors, target in devices]
    noise = float(np.sqrt(np.mean([variance for _, _, variance in lines])))
    slopes = np.array([coefficients[1:] for coefficients, _, _ in lines])
    errors = np.array([noise**2 * inverse[1:, 1:] for _, inverse, _ in lines])
    spread = min(_SPREADS, key=lambda each: _misfit(each, slopes, errors))
    mean, uncertainty = _pooled(spread, slopes, errors)[:2]
    return Prior(centre, scale, mean, spread**2 * np.eye(len(mean)) + uncertainty, noise)


def fit(prior: Prior, regressors: Floats, target: Floats, weights: Floats) -> Line:
    """The line of a device of which some cells are measured.

    Outliers are told by a fit with Student's t errors, which follows the bulk of the cells (Lange, Little and Taylor
    1989): those farther from it than 4 of its scales are left out. With the others the answer is the conjugate one.

    Args:
        prior: what devices have in common.
        regressors: shape (cells, regressors).
        target: shape (cells,), log energy by reference.
        weights: shape (cells,), in (0, 1]: the noise's variance by that of a cell whose reference is itself uncertain.
    """
    design = prior.design(regressors)
    used = _inliers(prior, design, target, weights)
    coefficients, spread, variance = _conjugate(prior, design[used], target[used], weights[used])
    return Line(prior, coefficients, spread, float(np.sqrt(variance)), PRIOR_CELLS + int(used.sum()) - 1, used)


def choose(prior: Prior, regressors: Floats, measured: Floats, weights: Floats, count: int, strata: Places) -> Places:
    """Choose the cells to measure that make the line tell most about all cells.

    I-optimal design (Fedorov 1972), greedily: each cell is the one that lowers the mean variance of all predictions
    most, among those whose stratum has no chosen or measured cell yet. Of equals the first is taken.

    Args:
        prior: what devices have in common.
        regressors: shape (cells, regressors), of the candidates, which stand for all cells.
        measured: shape (n, regressors), regressors of cells that are measured already.
        weights: shape (n,), their weights as in ``fit``.
        count: how many to choose, at most the number of strata that have a candidate.
        strata: shape (cells,), the candidates' strata; negative for a cell that is not to be chosen.

    Returns:
        Places of the chosen among the candidates, best first.
    """
    design = prior.design(regressors)
    moments = design.T @ design / len(design)
    known = prior.design(measured)
    precision = prior.precision + known.T @ (weights[:, None] * known)
    precision[0, 0] += _VAGUE
    spread = _inverse(precision)
    open_strata = strata >= 0
    chosen = []
    for _ in range(count):
        candidates = np.flatnonzero(open_strata)
        towards = design[candidates] @ spread
        lowered = np.einsum("ij,ij->i", towards @ moments, towards)
        lowered /= 1 + np.einsum("ij,ij->i", towards, design[candidates])
        best = int(candidates[np.argmax(lowered)])
        chosen.append(best)
        open_strata &= strata != strata[best]
        step = spread @ design[best]
        spread = spread - np.outer(step, step) / (1 + design[best] @ step)
    return np.array(chosen, np.int64)


def _inverse(matrices: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrices), np.float64)


def _least_squares(design: Floats, target: Floats) -> tuple[Floats, Floats, float]:
    inverse = _inverse(design.T @ design)
    coefficients = inverse @ design.T @ target
    residuals = target - design @ coefficients
    return coefficients, inverse, float(residuals @ residuals / (len(target) - design.shape[1]))


def _pooled(spread: float, slopes: Floats, errors: Floats) -> tuple[Floats, Floats, Floats]:
    """The mean of the slopes, its covariance, and each device's precision."""
    precisions = _inverse(errors + spread**2 * np.eye(slopes.shape[1]))
    uncertainty = _inverse(precisions.sum(axis=0))
    mean: Floats = uncertainty @ np.einsum("dij,dj->i", precisions, slopes)
    return mean, uncertainty, precisions


def _misfit(spread: float, slopes: Floats, errors: Floats) -> float:
    """Twice the negative restricted log likelihood of the spread of slopes between devices."""
    mean, uncertainty, precisions = _pooled(spread, slopes, errors)
    away = slopes - mean
    fitted = np.einsum("di,dij,dj->", away, precisions, away)
    return float(fitted - np.linalg.slogdet(precisions)[1].sum() - np.linalg.slogdet(uncertainty)[1])


def _conjugate(prior: Prior, design: Floats, target: Floats, weights: Floats) -> tuple[Floats, Floats, float]:
    """Coefficients, their covariance by the noise's variance, and that variance."""
    centre = np.concatenate([[0.0], prior.slopes])
    spread = _inverse(prior.precision + design.T @ (weights[:, None] * design))
    change = spread @ design.T @ (weights * (target - design @ centre))
    residuals = target - design @ (centre + change)
    squares = PRIOR_CELLS * prior.noise**2 + weights @ residuals**2 + change @ prior.precision @ change
    return centre + change, spread, float(squares / (PRIOR_CELLS + len(target) - 1))


def _inliers(prior: Prior, design: Floats, target: Floats, weights: Floats) -> Flags:
    away = target - design[:, 1:] @ prior.slopes
    away = (away - np.median(away)) * np.sqrt(weights)
    variance = max(prior.noise, float(np.median(np.abs(away))) / _MAD_TO_SIGMA) ** 2
    before = np.inf
    for _ in range(_ROUNDS):
        trust = (TAIL + 1) / (TAIL + away**2 / variance)
        coefficients, _, variance = _conjugate(prior, design, target, weights * trust)
        away = (target - design @ coefficients) * np.sqrt(weights)
        if abs(variance - before) <= _SETTLED * variance:
            break
        before = variance
    inliers: Flags = np.abs(away) <= FARTHEST * np.sqrt(variance)
    return inliers
