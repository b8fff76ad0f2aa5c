from __future__ import annotations

import base64
import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ecnas_core.benchmark.ingest import KNOWN_CELLS
from ecnas_core.benchmark.messages import Evaluation, Metrics
from ecnas_core.benchmark.records import Batch, HashMismatch, ImpossibleValue, KnownCells, NotJson, RecordReader
from ecnas_core.benchmark.schema import RESULTS
from ecnas_core.benchmark.tfrecord import RecordError, read_records
from ecnas_core.cells import Cell
from tests.tfrecords import encode, write_records

OPERATIONS = ["input", "conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3", "output"]
EDGES = {(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)}
MESSAGE = encode(Metrics("ec-nas", Evaluation(energy=0.25, validation_accuracy=0.5)))
FILE = Path("own.tfrecord")


def payload(cell: Cell, message: bytes = MESSAGE, **changes: Any) -> bytes:
    adjacency = "".join(str(edge) for row in cell.matrix for edge in row)
    fields = {"hash": cell.hash, "epochs": 4, "adjacency": adjacency, "operations": ",".join(cell.ops)}
    return json.dumps([*(fields | changes).values(), base64.b64encode(message).decode()]).encode()


def relabelled(order: tuple[int, ...]) -> Cell:
    """One cell, its interior vertices in another order; the channels, and so the parameters, depend on it."""
    old = (0, *order, 4)
    return Cell([[int((x, y) in EDGES) for y in old] for x in old], [OPERATIONS[vertex] for vertex in old])


@pytest.fixture(scope="module")
def table() -> KnownCells:
    return KnownCells(KNOWN_CELLS)


@pytest.fixture(scope="module", params=["with the table", "without"])
def known(request: pytest.FixtureRequest, table: KnownCells, tmp_path_factory: pytest.TempPathFactory) -> KnownCells:
    return table if request.param == "with the table" else KnownCells(tmp_path_factory.mktemp("none") / "no.parquet")


def test_the_table_gives_the_cell_of_a_hash(table: KnownCells) -> None:
    columns = ["hash", "vertices", "edge_bits", "ops", "trainable_parameters"]
    rows = pq.read_table(KNOWN_CELLS, columns=columns)
    chosen = np.random.default_rng(0).integers(len(rows), size=300).tolist()
    for module_hash, *cell in zip(*rows.take([0, len(rows) - 1, *chosen]).to_pydict().values(), strict=True):
        assert table.get(module_hash) == tuple(cell)


@pytest.mark.parametrize("other", ["", "0" * 31, "0" * 33, "f" * 32, "\ud800", "é" * 16, "z" * 1_000_000])
def test_the_table_has_no_cell_of_another_hash(table: KnownCells, other: str) -> None:
    assert table.get(other) is None


def test_a_hash_with_something_behind_it_is_another(table: KnownCells) -> None:
    cell = Cell.from_bits(2, 1, "")
    assert table.get(cell.hash) is not None
    for tail in ("\0", " ", "0"):
        assert table.get(cell.hash + tail) is None
        with pytest.raises(HashMismatch):
            RecordReader(FILE, None, table).read(Batch(1, 0, [payload(cell, hash=cell.hash + tail)]))


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_an_isomorphic_matrix_with_the_right_hash_is_taken(known: KnownCells, order: tuple[int, ...]) -> None:
    published, cell = relabelled((1, 2, 3)), relabelled(order)
    message = encode(Metrics("ec-nas", Evaluation(energy=0.25), cell.trainable_parameters))
    reader = RecordReader(FILE, None, known)
    rows = reader.read(Batch(1, 0, [payload(cell, message, hash=published.hash)]))
    assert rows["hash"].to_pylist() == [published.hash]
    with pytest.raises(HashMismatch):
        reader.read(
            Batch(1, 0, [payload(cell, operations=",".join(cell.ops).replace("maxpool3x3", "conv3x3-bn-relu"))])
        )


def test_a_batch_tells_where_its_records_begin(tmp_path: Path) -> None:
    path = tmp_path / "own.tfrecord"
    write_records(path, [b"a" * size for size in (5, 0, 17, 1)])
    records = list(read_records(path))
    batch = Batch(2, records[1].offset, [record.payload for record in records[1:]])
    assert [batch.location(path, index) for index in range(3)] == [(path, *record[:2]) for record in records[1:]]
    assert batch.location(path, 3).offset == path.stat().st_size


def test_rows_keep_the_order_of_messages_of_several_kinds() -> None:
    cell = Cell.from_bits(2, 1, "")
    messages = [
        encode(Metrics("ec-nas", Evaluation(energy=number + 0.5), None if number % 3 else cell.trainable_parameters))
        if number % 2
        else encode(Metrics("nasbench-101", Evaluation(validation_accuracy=number / 100)), checkpoint_path="x" * number)
        for number in range(40)
    ]
    reader = RecordReader(FILE, None, KnownCells(Path("none.parquet")))
    rows = reader.read(Batch(1, 0, [payload(cell, message) for message in messages]))
    assert rows.schema == RESULTS
    assert rows["energy_kwh"].to_pylist() == [number + 0.5 if number % 2 else None for number in range(40)]
    assert rows["validation_accuracy"].to_pylist() == [None if number % 2 else number / 100 for number in range(40)]
    assert rows["energy_provenance"].to_pylist() == [None, "measured"] * 20
    assert rows["accuracy_provenance"].to_pylist() == ["published", None] * 20
    assert rows["repeat"].null_count == 40


@pytest.mark.parametrize("bad", [0, 3, 6])
def test_the_first_wrong_record_of_a_batch_is_told_whatever_is_wrong(bad: int) -> None:
    cell = Cell.from_bits(2, 1, "")
    over = encode(Metrics("ec-nas", Evaluation(energy=0.25, validation_accuracy=1.5)))
    reader = RecordReader(FILE, None, KnownCells(Path("none.parquet")))
    for first, second, kind in ((b"?", payload(cell, over), NotJson), (payload(cell, over), b"?", ImpossibleValue)):
        payloads = [payload(cell)] * bad + [first] + [payload(cell)] * 2 + [second]
        batch = Batch(100, 5000, payloads)
        with pytest.raises(RecordError) as caught:
            reader.read(batch)
        assert type(caught.value) is kind
        assert caught.value.where == batch.location(FILE, bad)


def test_a_file_name_that_is_no_text_is_kept_readable() -> None:
    reader = RecordReader(Path(os.fsdecode(b"\xff\n.tfrecord")), None, KnownCells(Path("none.parquet")))
    rows = reader.read(Batch(1, 0, [payload(Cell.from_bits(2, 1, ""))]))
    assert rows["source"].to_pylist() == [r"\udcff\n.tfrecord"]
