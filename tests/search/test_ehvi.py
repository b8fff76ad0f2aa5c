from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecnas_core.analysis.pareto import hypervolume
from ecnas_core.search.ehvi import expected_improvement
from ecnas_core.search.encoding import Genomes, cell_lookup
from ecnas_core.search.features import path_encoding
from ecnas_core.search.operators import sample_matrix, sample_uniform
from ecnas_core.search.squared_exponential_process import BUDGET_SCALES, NOISES, SCALES, SquaredExponentialProcess

REFERENCE = (1.0, 0.8)
DRAWS = 250_000
unit = st.floats(0, 1)


def improvement(front: np.ndarray, point: np.ndarray) -> float:
    """The definition: what the hypervolume gains."""
    return hypervolume(np.vstack([front, point]), REFERENCE) - hypervolume(front, REFERENCE)


@pytest.mark.parametrize("seed", range(4))
def test_expectation_is_that_of_many_draws(seed):
    rng = np.random.default_rng(seed)
    front = rng.random((rng.integers(0, 7), 2))
    means, deviations = rng.random((3, 2)), rng.uniform(0.05, 0.4, (3, 2))
    found = expected_improvement(front, REFERENCE, means, deviations)
    base = moocore.hypervolume(front, ref=REFERENCE) if len(front) else 0.0
    grid = front[moocore.is_nondominated(front)] if len(front) else front
    for place in range(3):
        draws = rng.normal(means[place], deviations[place], (DRAWS, 2))
        gains = _gains(grid, draws)
        assert found[place] == pytest.approx(gains.mean(), abs=5 * gains.std() / DRAWS**0.5)
    sample = rng.normal(means[0], deviations[0], (50, 2))
    exact = [moocore.hypervolume(np.vstack([front, each]), ref=REFERENCE) - base for each in sample]
    assert _gains(grid, sample) == pytest.approx(exact, abs=1e-12)


def _gains(front: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Gains of many points: the box below each up to the reference, less what the front dominates of it."""
    corner = np.maximum(draws[:, None, :], front[None])
    order = np.argsort(front[:, 0])
    x = np.minimum(corner[:, order, 0], REFERENCE[0])
    y = np.minimum(corner[:, order, 1], REFERENCE[1])
    box = np.prod(np.maximum(np.array(REFERENCE) - draws, 0), axis=1)
    right = np.concatenate([x[:, 1:], np.full((len(draws), 1), REFERENCE[0])], axis=1)
    covered = ((right - x) * (REFERENCE[1] - np.minimum.accumulate(y, axis=1))).sum(axis=1)
    return np.maximum(box - covered, 0)


@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(0, 8), st.just(2)), elements=unit),
    arrays(np.float64, (4, 2), elements=unit),
)
def test_without_deviation_it_is_the_improvement_itself(front, means):
    found = expected_improvement(front, REFERENCE, means, np.zeros((4, 2)))
    assert found == pytest.approx([improvement(front, mean) for mean in means], abs=1e-12)


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(0, 6), st.just(2)), elements=unit), unit, unit, st.floats(0.01, 0.5))
def test_one_exact_objective_is_the_limit_of_a_small_deviation(front, first, second, deviation):
    means = np.array([[first, second]])
    exact = expected_improvement(front, REFERENCE, means, np.array([[0.0, deviation]]))
    nearly = expected_improvement(front, REFERENCE, means, np.array([[1e-9, deviation]]))
    assert exact == pytest.approx(nearly, abs=1e-7)
    assert exact[0] >= 0


def test_path_encoding_by_hand():
    """conv3x3 -> maxpool -> output, and input -> output."""
    lot = Genomes(np.array([0b101101], np.int32), np.array([[0, 2]], np.int8))
    names = [""] + [str(a) for a in range(3)] + [f"{a}{b}" for a in range(3) for b in range(3)]
    encoded = path_encoding(lot, 2)[0]
    assert {name for name, present in zip(names, encoded, strict=True) if present} == {"", "02"}


def paths(genomes: Genomes) -> set[str]:
    cell = next(genomes.cells())
    found = set()

    def walk(vertex: int, sequence: str) -> None:
        for x, y in np.argwhere(cell.matrix):
            if x == vertex:
                if y == cell.vertices - 1:
                    found.add(sequence)
                else:
                    walk(y, sequence + cell.ops_digits[y - 1])

    walk(0, "")
    return found


@given(st.sampled_from(["4V", "5V", "7V"]), st.integers(0, 2**32 - 1))
def test_path_encoding_is_that_of_walking_the_cell(space, seed):
    lookup = cell_lookup(space)
    lot = sample_uniform(lookup, 1, np.random.default_rng(seed))
    columns = [str(np.base_repr(n, 3)).zfill(length) if length else "" for length in range(4) for n in range(3**length)]
    encoded = path_encoding(lot)[0]
    assert {name for name, present in zip(columns, encoded, strict=True) if present} == {
        path for path in paths(lot) if len(path) <= 3
    }


@given(st.integers(0, 2**32 - 1))
def test_path_encoding_does_not_see_vertices_that_are_pruned(seed):
    lookup = cell_lookup("7V")
    lot = sample_matrix(lookup, 20, np.random.default_rng(seed))
    lot = lot[lookup.rows(lot) >= 0]
    assert np.array_equal(path_encoding(lot), path_encoding(lookup.genomes(lookup.rows(lot))))


def test_gaussian_process_is_the_textbooks():
    """Rasmussen and Williams 2006, equations 2.25, 2.26 and 2.30, with explicit inverses, over the whole grid."""
    rng = np.random.default_rng(0)
    features = (rng.random((25, 8)) < 0.4).astype(float)
    epochs = rng.choice([4.0, 12.0, 36.0, 108.0], 25)
    values = features @ rng.normal(size=8) - 0.5 * np.log(epochs) + 0.05 * rng.normal(size=25)
    process = SquaredExponentialProcess(features, epochs, values)

    def kernel(a, ea, b, eb, scale, budget_scale):
        apart = ((a[:, None] - b) ** 2).sum(axis=2)
        return np.exp(-apart / 2 / scale**2 - (np.log(ea)[:, None] - np.log(eb)) ** 2 / 2 / budget_scale**2)

    centred = values - values.mean()
    likelihoods = {}
    for scale in SCALES:
        for budget_scale in BUDGET_SCALES:
            for noise in NOISES:
                covariance = kernel(features, epochs, features, epochs, scale, budget_scale) + noise * np.eye(25)
                variance = centred @ np.linalg.inv(covariance) @ centred / 25
                likelihoods[scale, budget_scale, noise] = (
                    -0.5 * 25 - 0.5 * np.linalg.slogdet(variance * covariance)[1] - 12.5 * np.log(2 * np.pi)
                )
    assert max(likelihoods, key=likelihoods.get) == (process.scale, process.budget_scale, process.noise)
    new, at = (rng.random((6, 8)) < 0.4).astype(float), np.array([4.0, 4, 12, 36, 108, 108])
    covariance = kernel(features, epochs, features, epochs, process.scale, process.budget_scale)
    inverse = np.linalg.inv(covariance + process.noise * np.eye(25))
    cross = kernel(new, at, features, epochs, process.scale, process.budget_scale)
    variance = centred @ inverse @ centred / 25
    mean, deviation = process.predict(new, at)
    assert mean == pytest.approx(values.mean() + cross @ inverse @ centred, rel=1e-6)
    assert deviation**2 == pytest.approx(variance * (1 - np.diag(cross @ inverse @ cross.T)), rel=1e-5, abs=1e-9)


def test_gaussian_process_survives_equal_points_and_values():
    process = SquaredExponentialProcess(np.ones((4, 3)), np.full(4, 108.0), np.full(4, 0.1))
    mean, deviation = process.predict(np.zeros((1, 3)), np.array([108.0]))
    assert mean == pytest.approx([0.1])
    assert np.isfinite(deviation).all()
