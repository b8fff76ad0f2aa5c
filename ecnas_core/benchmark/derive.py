"""Derive the benchmark's files from the results: what the view ``benchmark`` shows of each space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from ecnas_core import files
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.schema import PREDICTED

_SQL = Path(__file__).with_name("derive.sql")
_OF_ACCURACY = (
    "validation_accuracy",
    "validation_accuracy_std",
    "test_accuracy",
    "accuracy_repeats",
    "accuracy_provenance",
    "accuracy_source",
    "published_time_s",
    "published_time_source",
)
_OF_PREDICTION = ("accuracy", "accuracy_low", "accuracy_high")
DERIVED = ("4V.parquet", "5V.parquet", "7V.parquet")
PREDICTIONS = "ecnas-explorer-accuracy"
"""The source that predicted accuracies and times are from."""


def derive(cells: Path, results: Sequence[Path], out: Path) -> list[Path]:
    """Write the files behind the view ``benchmark``.

    4V and 5V have one row a cell and budget with the view's columns. 7V has one row a cell, what depends on the budget
    in one column each (``validation_accuracy_108``): the view unfolds it without a join.

    Args:
        cells: a Parquet file with the columns ``CELLS``: such a table, or an earlier 7V file.
        results: the Parquet files of the results.
        out: folder to write to, made if absent.

    Returns:
        The files written, each renamed into place when complete.
    """
    out.mkdir(parents=True, exist_ok=True)
    text = _SQL.read_text(encoding="utf-8").format(
        cells=sql_list([cells]),
        results=sql_list(results),
        predicted=", ".join(PREDICTED.names),
        predictions=" union all ".join(map(_predictions, EPOCHS)),
        source=PREDICTIONS,
    )
    with duckdb.connect(":memory:") as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute(text)
        queries = ("from finished('energy_4v')", "from finished('energy_5v')", _wide())
        return [_copy(connection, query, out / name) for query, name in zip(queries, DERIVED, strict=True)]


def sql_list(paths: Sequence[Path]) -> str:
    """Paths as a SQL list of strings."""
    return "[" + ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths) + "]"


def _predictions(epochs: int) -> str:
    columns = ", ".join(f"predicted_{name}_{epochs} as predicted_{name}" for name in _OF_PREDICTION)
    return f"select hash, {epochs}::smallint as epochs, {columns} from cells"


def _wide() -> str:
    columns = ", ".join(
        f"any_value({name}) filter (where epochs = {epochs}) as {name}_{epochs}"
        for epochs in EPOCHS
        for name in _OF_ACCURACY
    )
    energies = ", ".join(
        f"any_value({name}) filter (where epochs = {epochs}) as official_{name}_{epochs}"
        for epochs in EPOCHS
        for name in ("energy_kwh", "energy_source")
    )
    return (
        f"with wide as (select hash, {columns} from accuracies group by hash), "
        f"official as (select hash, {energies} from official_7v group by hash) "
        "select cells.*, wide.* exclude (hash), official.* exclude (hash) "
        "from cells left join wide using (hash) left join official using (hash) order by hash"
    )


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> Path:
    with files.atomic(path) as part:
        connection.execute(
            f"copy ({query}) to '{str(part).replace(chr(39), chr(39) * 2)}' "
            "(format parquet, compression zstd, compression_level 15, row_group_size 61440)"
        )
    return path
