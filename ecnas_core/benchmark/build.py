"""Build the bundled figures (data/) from the released files and the recovered tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecnas_core import files
from ecnas_core.benchmark.derive import derive
from ecnas_core.benchmark.ingest import ingest
from ecnas_core.benchmark.schema import CELLS, EVALUATIONS, PREDICTED, PRINTED, RESULTS
from ecnas_core.cells import CellTable
from ecnas_core.errors import EcnasError

QUADRO = "Quadro RTX 6000"
SPACE_BY_VERTICES = pa.array([None, None, "4V", "4V", "4V", "5V", "7V", "7V"])
SEARCHES = ("SEMOA", "RS", "SH-EMOA", "MS-EHVI")
TABLE_1 = {"training_time_s": "s", "validation_accuracy": "", "energy_kwh": "kWh", "log10_parameters": ""}
NEEDED = (
    "official/energy_4V9E_4epochs.tfrecord",
    "official/energy_5V9E_4epochs.tfrecord",
    "published/accuracy.parquet",
    "published/cells.parquet",
    "published/measured_energy_7v.parquet",
    "published/paper.json",
    "published/search_runs.parquet",
)


class MissingSources(EcnasError):
    """The folder with the released files and recovered tables is incomplete."""


class Inconsistent(EcnasError):
    """A recovered table contradicts what is computed from the cells themselves."""


def build_data(
    shared: Path, out: Path, predict: Callable[[Path], pa.Table], progress: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """Write every bundled Parquet file.

    Args:
        shared: folder with ``official/*.tfrecord`` and ``published/*.parquet``.
        out: folder to write to, made if absent; files of the same names are replaced.
        predict: given ``out`` when it holds all that is published, returns the columns ``hash`` and ``PREDICTED`` of
            every cell (``surrogates.bundled.predict``).
        progress: told one line before each file.

    Returns:
        The files written.

    Raises:
        MissingSources: a source without which the figures are incomplete is not there; nothing was written.
        Inconsistent: parameters in the table of cells differ from the formula.
    """
    missing = [name for name in NEEDED if not (shared / name).is_file()]
    if missing:
        raise MissingSources(
            f"{shared} lacks {', '.join(missing)}; give the folder that holds official/ and published/, complete"
        )
    published = shared / "published"
    written = []

    def write(name: str, table: pa.Table, schema: pa.Schema) -> None:
        progress(name)
        written.append(write_parquet(table.select(schema.names).cast(schema), out / name))

    for source in sorted((shared / "official").glob("*.tfrecord")):
        progress(f"results/{source.stem}.parquet")
        written.append(ingest(source, out).output)
    for name, table in _accuracies(published / "accuracy.parquet").items():
        write(f"results/{name}.parquet", table, RESULTS)
    write("results/ec-nas-measured-7v.parquet", _measured_7v(published / "measured_energy_7v.parquet"), RESULTS)
    progress("benchmark/")
    cells = _cells(published / "cells.parquet")
    nothing = pa.table(
        [cells["hash"], *(pa.nulls(len(cells), field.type) for field in PREDICTED)], ["hash", *PREDICTED.names]
    )
    _derive(cells, nothing, out)
    written += _derive(cells, predict(out), out)
    write("runs/ec-nas-published-searches.parquet", _searches(published / "search_runs.parquet"), EVALUATIONS)
    write("paper.parquet", _printed(published / "paper.json"), PRINTED)
    return written


def write_parquet(table: pa.Table, path: Path) -> Path:
    """Write a table; its file appears when it is whole."""
    with files.atomic(path) as part:
        pq.write_table(table, part, compression="zstd", compression_level=15, row_group_size=61_440)
    return path


def _derive(cells: pa.Table, predictions: pa.Table, out: Path) -> list[Path]:
    keyed = predictions.set_column(0, "hash", predictions["hash"].cast(cells.schema.field("hash").type))
    joined = cells.join(keyed, "hash").sort_by("hash").select(CELLS.names).cast(CELLS)
    with TemporaryDirectory() as folder:
        return derive(
            write_parquet(joined, Path(folder) / "cells.parquet"),
            sorted((out / "results").glob("*.parquet")),
            out / "benchmark",
        )


def _cells(path: Path) -> pa.Table:
    table = pq.read_table(path).sort_by("hash")
    vertices = table["vertices"].to_numpy()
    cells = CellTable.from_digits(vertices, table["edge_bits"].to_numpy(), table["ops"].to_pylist())
    columns = cells.describe()
    differing = np.flatnonzero(columns["trainable_parameters"] != table["trainable_parameters"].to_numpy())
    if differing.size:
        digest = table["hash"][int(differing[0])].as_py()
        raise Inconsistent(
            f"{path.name}: {differing.size} cells have other parameters than their network, the first is {digest}; "
            "the table is damaged"
        )
    table = table.append_column("space", SPACE_BY_VERTICES.take(pa.array(vertices, pa.int8())))
    for name, values in columns.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.array(values))
    return table


def _accuracies(path: Path) -> dict[str, pa.Table]:
    table = pq.read_table(path)
    tables = {}
    for source in pc.unique(table["source"]).to_pylist():
        part = table.filter(pc.equal(table["source"], source)).sort_by([("hash", "ascending"), ("epochs", "ascending")])
        timed = pc.is_valid(part["training_time_s"])
        tables[source] = _results(
            part,
            accuracy_provenance="published",
            time_provenance=pc.if_else(timed, "published", pa.scalar(None, pa.string())),
        )
    return tables


def _measured_7v(path: Path) -> pa.Table:
    return _results(
        pq.read_table(path).sort_by("hash"),
        epochs=4,
        repeat=1,
        device=QUADRO,
        source="ec-nas-measured-7v",
        pue=1.59,
        energy_provenance="measured",
    )


def _results(table: pa.Table, **columns: object) -> pa.Table:
    for name in RESULTS.names:
        if name in table.column_names:
            continue
        value = columns.get(name, True if name == "official" else None)
        if not isinstance(value, pa.Array | pa.ChunkedArray):
            value = pa.array([value] * len(table), RESULTS.field(name).type)
        table = table.append_column(name, value)
    return table


def _searches(path: Path) -> pa.Table:
    table = pq.read_table(path).sort_by([(name, "ascending") for name in ("space", "algorithm", "run", "evaluation")])
    spaces = pc.binary_join_element_wise(table["space"].cast(pa.string()), "V", "")
    count = len(table)
    return (
        table.drop_columns(["space"])
        .rename_columns([{"run": "trial"}.get(name, name) for name in table.column_names if name != "space"])
        .append_column("space", spaces)
        .append_column("study", pa.array(["ec-nas-published"] * count))
        .append_column("source", pa.array(["ec-nas-published-searches"] * count))
    )


def _printed(path: Path) -> pa.Table:
    """What the paper prints in its Figures 2 and 4 and its Tables 1 and 3."""
    paper = json.loads(path.read_text(encoding="utf-8"))
    swaps = paper["figure_2_operator_swaps_7v"]
    units = {name: {"percent": "%", "absolute": ""}[unit] for name, unit in swaps["unit"].items()}
    table_units = {"gpu_days": "d", "kwh": "kWh", "kgco2eq": "kg"}
    rows = [
        ("figure_2", subject, quantity, value, units[quantity])
        for subject, values in swaps.items()
        if "_to_" in subject
        for quantity, value in values.items()
    ] + [
        ("table_3", space, quantity, value, table_units[quantity])
        for space, values in paper["table_3_reduction"].items()
        for quantity, value in values.items()
    ]
    rows += [
        ("table_1", f"{algorithm} {point}", f"{quantity}{suffix}", value, unit)
        for algorithm in SEARCHES
        for point, pairs in paper["table_1_7v"][algorithm].items()
        for (quantity, unit), pair in zip(TABLE_1.items(), pairs, strict=True)
        for suffix, value in zip(("", "_std"), pair, strict=True)
    ] + [
        ("figure_4", algorithm, "hypervolume", paper["figure_4_hypervolume_7v"][algorithm], "Wh")
        for algorithm in SEARCHES
    ]
    return pa.Table.from_pylist([dict(zip(PRINTED.names, row, strict=True)) for row in rows], schema=PRINTED)
