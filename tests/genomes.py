"""Genomes as tests look at them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecnas_core.search.encoding import Genomes, edge_count


def genes(lot: Genomes) -> NDArray[np.int8]:
    """One column a possible edge, 0 or 1, then one an operation."""
    bits = lot.edge_bits[:, None] >> np.arange(edge_count(lot.vertices), dtype=np.int32) & 1
    return np.hstack([bits.astype(np.int8), lot.ops])
