from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.cells import SPACES
from ecnas_core.search.encoding import NO_CELL, Genomes, cell_lookup, edge_count
from ecnas_core.search.operators import crossover, mutate, sample, sample_matrix, sample_uniform
from tests.genomes import genes
from tests.search.conftest import problem_of

SPACE = st.sampled_from(sorted(SPACES))
SEEDS = st.integers(0, 2**32 - 1)


def assert_encodings(genomes: Genomes, space: str, count: int) -> None:
    vertices = SPACES[space]
    assert len(genomes) == count
    assert genomes.ops.shape == (count, vertices - 2)
    assert ((genomes.edge_bits >= 0) & (genomes.edge_bits < 2 ** edge_count(vertices))).all()
    assert ((genomes.ops >= 0) & (genomes.ops <= 2)).all()


@given(SPACE, SEEDS, st.floats(0, 6), st.floats(0, 2))
def test_children_are_encodings_of_the_same_space(space, seed, edges, operations):
    rng, lookup = np.random.default_rng(seed), cell_lookup(space)
    first, second = sample_matrix(lookup, 7, rng), sample_uniform(lookup, 7, rng)
    for genomes in (first, second, mutate(first, rng, edges, operations), crossover(first, second, rng)):
        assert_encodings(genomes, space, 7)


@given(SPACE, SEEDS)
def test_uniform_samples_are_valid_cells(space, seed):
    lookup = cell_lookup(space)
    assert (lookup.rows(sample_uniform(lookup, 20, np.random.default_rng(seed))) != NO_CELL).all()


@given(SPACE, SEEDS)
def test_crossover_takes_every_gene_from_a_parent(space, seed):
    rng, lookup = np.random.default_rng(seed), cell_lookup(space)
    first, second = sample_matrix(lookup, 5, rng), sample_matrix(lookup, 5, rng)
    child = genes(crossover(first, second, rng))
    assert ((child == genes(first)) | (child == genes(second))).all()


@given(SPACE, SEEDS)
def test_no_change_is_no_change_and_all_is_all(space, seed):
    rng, lookup = np.random.default_rng(seed), cell_lookup(space)
    parents = sample_matrix(lookup, 5, rng)
    assert np.array_equal(genes(mutate(parents, rng, 0, 0)), genes(parents))
    changed = mutate(parents, rng, edge_count(lookup.vertices), lookup.vertices - 2)
    assert (genes(changed) != genes(parents)).all()


@pytest.mark.parametrize("space", ["4V", "5V", "7V"])
def test_mutation_makes_two_changes_of_edges_and_half_of_an_operation_on_average(space):
    rng, lookup = np.random.default_rng(0), cell_lookup(space)
    parents = sample_matrix(lookup, 20_000, rng)
    changes = genes(mutate(parents, rng)) != genes(parents)
    edges = edge_count(lookup.vertices)
    assert changes[:, :edges].sum(axis=1).mean() == pytest.approx(2.0, abs=0.05)
    assert changes[:, edges:].sum(axis=1).mean() == pytest.approx(0.5, abs=0.03)
    each = changes.mean(axis=0)
    assert np.ptp(each[:edges]) < 0.02
    assert np.ptp(each[edges:]) < 0.02


def test_a_changed_operation_becomes_either_other_one_equally_often():
    rng = np.random.default_rng(0)
    parents = sample_matrix(cell_lookup("7V"), 20_000, rng)
    children = mutate(parents, rng, 0, 5)
    steps = (children.ops.astype(int) - parents.ops) % 3
    assert (steps == 1).mean() == pytest.approx(0.5, abs=0.01)
    assert (steps == 2).mean() == pytest.approx(0.5, abs=0.01)


def test_matrix_sampling_hardly_gives_a_large_cell_and_uniform_sampling_mostly_does():
    """0.4 % of the usable cells that uniform bits give have 7 vertices; 85 % of the space's cells do."""
    lookup, rng = cell_lookup("7V"), np.random.default_rng(0)
    shares = []
    for draw in (sample_matrix, sample_uniform):
        rows = lookup.rows(draw(lookup, 100_000, rng))
        shares.append((lookup.cells.vertices[rows[rows != NO_CELL]] == 7).mean())
    assert shares[0] == pytest.approx(0.004, abs=0.001)
    assert shares[1] == pytest.approx((423_624 - 64_542) / 423_624, abs=0.01)


def test_the_setting_says_how_to_sample():
    for sampling, draw in (("matrix", sample_matrix), ("uniform", sample_uniform)):
        problem = problem_of(space="5V", sampling=sampling)
        drawn = sample(problem, 30, np.random.default_rng(5))
        assert np.array_equal(genes(drawn), genes(draw(problem.lookup, 30, np.random.default_rng(5))))
