"""Random genomes, mutation and crossover: whatever comes in, genomes of the same space come out."""

from __future__ import annotations

import numpy as np

from ecnas_core.cells import OPERATIONS
from ecnas_core.search.encoding import CellLookup, Genomes, edge_count
from ecnas_core.search.problem import Problem

EDGE_CHANGES = 2.0
OPERATION_CHANGES = 0.5


def sample(problem: Problem, count: int, rng: np.random.Generator) -> Genomes:
    """Random genomes, in the way that the problem's setting says."""
    draw = sample_uniform if problem.setting.sampling == "uniform" else sample_matrix
    return draw(problem.lookup, count, rng)


def sample_matrix(lookup: CellLookup, count: int, rng: np.random.Generator) -> Genomes:
    """Genomes of uniform bits and operations, as in the paper; many are invalid, and large cells are rare."""
    return Genomes(
        rng.integers(0, 1 << edge_count(lookup.vertices), count, dtype=np.int32),
        rng.integers(0, len(OPERATIONS), (count, lookup.vertices - 2), dtype=np.int8),
    )


def sample_uniform(lookup: CellLookup, count: int, rng: np.random.Generator) -> Genomes:
    """Genomes of cells that are uniform over the space, its vertices without an edge last among the interior ones."""
    return lookup.genomes(rng.integers(0, len(lookup.cells), count, dtype=np.int32))


def mutate(
    genomes: Genomes,
    rng: np.random.Generator,
    edge_changes: float = EDGE_CHANGES,
    operation_changes: float = OPERATION_CHANGES,
) -> Genomes:
    """Flip every bit, and change every operation to another one, with a probability each.

    Args:
        genomes: the parents.
        rng: where chance comes from.
        edge_changes: expected number of bits flipped in a genome, 0 to all.
        operation_changes: expected number of operations changed, 0 to all.

    Returns:
        One child of each parent; by chance it may equal the parent, or be no valid cell.
    """
    edges, interior = edge_count(genomes.vertices), genomes.ops.shape[1]
    flipped = rng.random((len(genomes), edges)) < edge_changes / edges
    changed = rng.random(genomes.ops.shape) < operation_changes / interior
    steps = rng.integers(1, len(OPERATIONS), genomes.ops.shape, dtype=np.int8)
    flips = (flipped.astype(np.int32) << np.arange(edges, dtype=np.int32)).sum(axis=1, dtype=np.int32)
    return Genomes(genomes.edge_bits ^ flips, np.where(changed, (genomes.ops + steps) % len(OPERATIONS), genomes.ops))


def crossover(first: Genomes, second: Genomes, rng: np.random.Generator) -> Genomes:
    """Uniform crossover: every bit and every operation from either parent by the toss of a coin; one child a pair."""
    taken = rng.integers(0, 1 << edge_count(first.vertices), len(first), dtype=np.int32)
    return Genomes(
        first.edge_bits & taken | second.edge_bits & ~taken,
        np.where(rng.random(first.ops.shape) < 0.5, first.ops, second.ops),
    )
