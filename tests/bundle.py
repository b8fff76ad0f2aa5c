"""Bundled figures with few cells, for tests to which the others do not matter."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ecnas_core.benchmark.layout import BUNDLED


def few_cells(folder: Path) -> Path:
    """The bundled figures, of 7V only the cells of 5V: listing, looking up and deriving take a fraction of a second.

    Args:
        folder: made; its files are links to the bundled ones, but for that of 7V.
    """
    (folder / "benchmark").mkdir(parents=True)
    for name in ("results", "runs", "benchmark/4V.parquet", "benchmark/5V.parquet"):
        (folder / name).symlink_to(BUNDLED / name)
    duckdb.sql(
        f"copy (from '{BUNDLED}/benchmark/7V.parquet' where space <> '7V' order by hash) "
        f"to '{folder}/benchmark/7V.parquet'"
    )
    return folder
