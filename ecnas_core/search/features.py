"""What a surrogate of a search sees of a cell: which sequences of operations lead through it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecnas_core.cells import OPERATIONS
from ecnas_core.search.encoding import Genomes

LONGEST = 3


def path_encoding(genomes: Genomes, longest: int = LONGEST) -> NDArray[np.float64]:
    """Truncated path encoding (White et al. 2021): it is the same for isomorphic cells, and mostly differs for others.

    Args:
        genomes: (n,) of one space; vertices on no path from input to output do not count.
        longest: most operations on a path that is counted.

    Returns:
        (n, 1 + 3 + 9 + ...): for every sequence of up to ``longest`` operations, the empty one first, then in the order
        of digits, 1 where a path from input to output has it, else 0.
    """
    count, output = len(genomes), genomes.vertices - 1
    interior = range(1, output)
    one_hot = np.eye(len(OPERATIONS))[genomes.ops]
    edge = {
        (x, y): (genomes.edge_bits >> (x + y * (y - 1) // 2) & 1)[:, None].astype(np.float64)
        for y in range(1, genomes.vertices)
        for x in range(y)
    }
    reached = {y: edge[0, y] * one_hot[:, y - 1] for y in interior}
    found = [edge[0, output]]
    for length in range(1, longest + 1):
        none = np.zeros((count, len(OPERATIONS) ** length))
        found.append(sum((reached[x] * edge[x, output] for x in interior), none))
        before = {y: sum((reached[x] * edge[x, y] for x in range(1, y)), none) for y in interior}
        reached = {y: (before[y][:, :, None] * one_hot[:, y - 1, None, :]).reshape(count, -1) for y in interior}
    return np.minimum(np.hstack(found), 1)
