"""What several files here take: the benchmark without most cells of 7V."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecnas_core import Benchmark
from tests.bundle import few_cells


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled figures with all cells of 4V and 5V and, of 7V, those of 5V alone."""
    return few_cells(tmp_path_factory.mktemp("few") / "data")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, few: Path) -> Benchmark:
    """The benchmark over them, for what does not look at the other cells of 7V; the user has nothing."""
    return Benchmark(tmp_path_factory.mktemp("user"), few)
