"""Every cell of NAS-Bench-101 against the published table."""

from __future__ import annotations

import numpy as np
import pytest

from ecnas_core.cells import CellTable

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_module_hash_of_every_cell(published, published_cells, part):
    size = -(-len(published) // PARTS)
    rows = slice(part * size, (part + 1) * size)
    cells = CellTable(published_cells.vertices[rows], published_cells.edge_bits[rows], published_cells.ops[rows])
    assert cells.hashes() == published["hash"][part * size : (part + 1) * size].to_pylist()


def test_trainable_parameters_of_every_cell(published, published_cells):
    assert len(published) == 423_624
    parameters = published_cells.describe()["trainable_parameters"]
    np.testing.assert_array_equal(parameters, published["trainable_parameters"].to_numpy())
