"""Bundled figures with few cells, for tests to which the others do not matter."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark.layout import BUNDLED


def few_cells(folder: Path, every: int | None = None) -> Path:
    """The bundled figures with few cells in 7V: listing, looking up and deriving take a fraction of a second.

    Args:
        folder: made; its files are links to the bundled ones, but for that of 7V.
        every: besides the cells of 5V, and those whose energy is an artefact, 7V has every so many of the others; None
            stands for none of them.
    """
    others = f"or (file_row_number + 1) % {every} = 0 or surrogate_energy_wh_4_epochs < 3.15" if every else ""
    (folder / "benchmark").mkdir(parents=True)
    for path in (*BUNDLED.iterdir(), *(BUNDLED / "benchmark" / f"{space}.parquet" for space in ("4V", "5V"))):
        if path.name not in ("benchmark", "user"):
            (folder / path.relative_to(BUNDLED)).symlink_to(path)
    duckdb.sql(
        f"copy (select * exclude file_row_number from read_parquet('{BUNDLED}/benchmark/7V.parquet', "
        f"file_row_number = true) where space <> '7V' {others} order by hash) to '{folder}/benchmark/7V.parquet'"
    )
    return folder


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled figures with all cells of 4V and 5V and, of 7V, those of 5V alone."""
    return few_cells(tmp_path_factory.mktemp("few") / "data")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, few: Path) -> Benchmark:
    """The benchmark over them, for what does not look at the other cells of 7V; the user has nothing."""
    return Benchmark(tmp_path_factory.mktemp("user"), few)
