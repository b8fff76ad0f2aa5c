"""The benchmark without most cells of 7V."""

from __future__ import annotations

import pytest

from ecnas_core import Benchmark
from tests.bundle import few, few_cells, small

__all__ = ["few", "small", "twelfth"]


@pytest.fixture(scope="session")
def twelfth(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """The benchmark with every twelfth of the larger cells of 7V, and its artefacts; the user has nothing."""
    return Benchmark(tmp_path_factory.mktemp("user"), few_cells(tmp_path_factory.mktemp("twelfth") / "data", 12))
