from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecnas_core.cells import CellTable

BUNDLED = Path(__file__).parents[2] / "data" / "benchmark" / "7V.parquet"


@pytest.fixture
def uninitialised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are made without what takes most of the time and changes no shape."""
    from torch import nn

    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda module: None)
    monkeypatch.setattr(nn.BatchNorm2d, "reset_parameters", lambda module: None)


@pytest.fixture(scope="session")
def published() -> pa.Table:
    """The published table, as bundled: hash, graph, operations and trainable parameters of all 423,624 cells."""
    columns = ["hash", "vertices", "edge_bits", "ops", "trainable_parameters"]
    return pq.read_table(BUNDLED, columns=columns).sort_by([("vertices", "ascending"), ("edge_bits", "ascending")])


@pytest.fixture(scope="session")
def published_cells(published: pa.Table) -> CellTable:
    vertices, edge_bits = published["vertices"].to_numpy(), published["edge_bits"].to_numpy()
    return CellTable.from_digits(vertices, edge_bits, published["ops"].to_pylist())
