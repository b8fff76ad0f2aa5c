"""The linear algebra of exact Gaussian processes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def squared_distances(first: Floats, second: Floats) -> Floats:
    """Between the rows of (n, d) and of (m, d), shape (n, m), at least 0."""
    squares: Floats = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return squares.clip(min=0)


def cholesky(covariance: Floats, noise: float | Floats) -> Floats:
    """The lower factor of a covariance, shape (n, n), with noise on its diagonal: a number, or shape (n,)."""
    noisy = covariance.copy()
    noisy[np.diag_indices(len(noisy))] += noise
    factor: Floats = np.linalg.cholesky(noisy).astype(np.float64, copy=False)
    return factor


def whiten(factor: Floats, values: Floats) -> Floats:
    """What, multiplied by a lower factor, gives the values: shape (n,) or (n, k)."""
    from scipy.linalg import solve_triangular

    whitened: Floats = solve_triangular(factor, values, lower=True)
    return whitened
