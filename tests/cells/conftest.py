from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecnas_core.cells import CellTable

ROOT = Path(__file__).parents[2]
TABLES = (ROOT / "data/cells.parquet", ROOT / "../shared/published/cells.parquet")


@pytest.fixture(scope="session")
def published() -> pa.Table:
    """The published table: hash, vertices, edge_bits, ops and trainable_parameters of all 423,624 cells."""
    for path in TABLES:
        if path.exists():
            columns = ["hash", "vertices", "edge_bits", "ops", "trainable_parameters"]
            return pq.read_table(path, columns=columns).sort_by([("vertices", "ascending"), ("edge_bits", "ascending")])
    pytest.skip("neither data/cells.parquet nor ../shared/published/cells.parquet is there")


@pytest.fixture(scope="session")
def published_cells(published: pa.Table) -> CellTable:
    vertices, edge_bits = published["vertices"].to_numpy(), published["edge_bits"].to_numpy()
    return CellTable.from_digits(vertices, edge_bits, published["ops"].to_pylist())
