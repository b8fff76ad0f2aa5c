from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecnas_core.benchmark import ingest as module
from ecnas_core.benchmark.ingest import (
    Cancelled,
    FileChanged,
    OutputError,
    TooManyRepeats,
    WorkerDied,
    ingest,
)
from ecnas_core.benchmark.messages import Component, Evaluation, Metrics, decode
from ecnas_core.benchmark.official import OFFICIAL, OfficialFile
from ecnas_core.benchmark.progress import Progress, terminal_progress
from ecnas_core.benchmark.records import (
    BadBase64,
    BadProtobuf,
    HashMismatch,
    ImpossibleValue,
    InvalidEpochs,
    MatrixNotSquare,
    NotACell,
    NotJson,
    OperationsMismatch,
    ParametersMismatch,
    UnknownOperation,
    WrongFields,
)
from ecnas_core.benchmark.schema import RESULTS
from ecnas_core.benchmark.tfrecord import (
    CorruptPayload,
    EmptyFile,
    FileError,
    FileNotFound,
    NotAFile,
    RecordError,
    read_records,
)
from ecnas_core.cells import Cell
from tests.tfrecords import encode, frame, write_records

SHARED = Path(__file__).parents[2] / "../shared/official"
SHARES_A_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CELL = Cell.from_text("1=conv1x1(0) 2=conv3x3(0,1) 3=output(0,2)")
OTHER = Cell.from_text("1=maxpool3x3(0) 2=output(0,1)")
RESULT = Evaluation(4.0, 77.0, 0.51, 0.5, 0.49, 0.0146, 1.36, 93.0)
GPU = Component((167.5,), (26_197.0,), ("NVIDIA GeForce RTX 3090",))
CPU = Component((55.5,), (8_680.2,), ("cpu:0",))
Ingested = Callable[[str], module.IngestReport]
METRICS = Metrics("ec-nas", RESULT, CELL.trainable_parameters, 156.4, 0.0154, GPU, CPU)


def fields(cell: Cell = CELL, epochs: Any = 4, metrics: Metrics = METRICS, encoded: str | None = None) -> list[Any]:
    adjacency = "".join(str(edge) for row in cell.matrix for edge in row)
    message = encode(metrics._replace(trainable_parameters=cell.trainable_parameters))
    encoded = base64.encodebytes(message).decode() if encoded is None else encoded
    return [cell.hash, epochs, adjacency, ",".join(cell.ops), encoded]


def payload(*arguments: Any, **named: Any) -> bytes:
    return json.dumps(fields(*arguments, **named)).encode()


def result(**changes: float) -> bytes:
    return payload(metrics=METRICS._replace(result=RESULT._replace(**changes)))


def swapped(**changes: Any) -> bytes:
    names = ("hash", "epochs", "adjacency", "operations", "encoded")
    return json.dumps(list((dict(zip(names, fields(), strict=True)) | changes).values())).encode()


def rows(report: module.IngestReport) -> list[dict[str, Any]]:
    return pq.read_table(report.output).to_pylist()


@pytest.fixture(scope="module", autouse=True)
def table_read_once() -> Iterator[None]:
    """The table of all cells is read once, not for each file: nothing changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KnownCells", cache(module.KnownCells))
        yield


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """The report of an official file, ingested once into a folder of its own."""
    return cache(lambda name: ingest(official(name), tmp_path_factory.mktemp("ingested") / "data"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(payloads: Iterable[bytes], name: str = "own.tfrecord") -> Path:
        path = tmp_path / name
        write_records(path, payloads)
        return path

    return write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL_FROM_BYTES", 0)
    monkeypatch.setattr(module, "_BATCH_RECORDS", 10)


@pytest.fixture
def one_worker(pooled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORKERS", 1)


def workers() -> list[psutil.Process]:
    """The processes that multiprocessing has spawned here, but for its resource tracker."""
    alive = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]


def left_over(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.is_file()]


def official(name: str) -> Path:
    path = SHARED / OFFICIAL[name].file_name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


HARDWARE = {
    "hardware/energy_4V9E_quadrortx6000.tfrecord": "Quadro RTX 6000",
    "hardware/energy_4V9E_rtx3060.tfrecord": "RTX 3060",
    "hardware/energy_4V9E_rtx3090.tfrecord": "RTX 3090",
    "hardware/energy_4V9E_titanxp.tfrecord": "Titan Xp",
}
SCALED = ("energy_4V9E_linscale.tfrecord", *HARDWARE)
GIVEN = {
    "energy_4V9E_4epochs.tfrecord": (1092, 91),
    "energy_4V9E_linscale.tfrecord": (364, 91),
    "energy_5V9E_4epochs.tfrecord": (2532, 2532),
    **dict.fromkeys(HARDWARE, (364, 91)),
    "hardware/energy_4V9E_rtx3060.tfrecord": (352, 88),
}


@pytest.mark.parametrize(("name", "records", "cells"), [(name, *counts) for name, counts in GIVEN.items()])
def test_official_files_are_taken_whole(ingested: Ingested, name: str, records: int, cells: int) -> None:
    file = OFFICIAL[name]
    report = ingested(name)
    out = report.output.parents[1]
    assert (report.records, report.cells, report.official) == (records, cells, True)
    assert report.sha256 == file.sha256
    assert report.output == out / "results" / f"{Path(file.file_name).stem}.parquet"
    table = pq.read_table(report.output)
    assert table.schema == RESULTS
    assert left_over(out) == [report.output]
    for row in table.to_pylist():
        scaled = name in SCALED and row["epochs"] != 4
        assert row["source"] == file.file_name
        assert row["official"] is True
        assert row["device"] == HARDWARE.get(name, "Quadro RTX 6000")
        assert row["pue"] == 1.59
        assert row["energy_provenance"] == row["time_provenance"] == ("scaled" if scaled else "measured")
        assert row["accuracy_provenance"] == ("published" if name in SCALED else "measured")
        assert (row["gpu_energy_j"] is None) == (row["cpu_power_w"] is None) == scaled


@pytest.mark.parametrize(
    ("name", "kwh", "days", "kgco2eq"),
    [
        ("energy_5V9E_4epochs.tfrecord", 1970.495, 121.109, 252.572),
        ("energy_4V9E_linscale.tfrecord", 62.198, 3.757, 5.832),
    ],
)
def test_sums_are_those_of_the_paper_s_table_3(
    ingested: Ingested, name: str, kwh: float, days: float, kgco2eq: float
) -> None:
    output = ingested(name).output
    sums = "select 39 * sum(energy_kwh), 39 * sum(training_time_s) / 86400, 39 * sum(co2eq_g) / 1000"
    [found] = duckdb.sql(f"{sums} from '{output}' where epochs = 4").fetchall()
    assert found == pytest.approx((kwh, days, kgco2eq), abs=5e-4)


def test_values_of_one_official_record(ingested: Ingested) -> None:
    report = ingested("energy_4V9E_linscale.tfrecord")
    first, *_, at_108_epochs = rows(report)[:4]
    assert first == {
        "hash": "5529e1779433733d1145e20de5d8604e",
        "epochs": 4,
        "repeat": 1,
        "device": "Quadro RTX 6000",
        "source": "energy_4V9E_linscale.tfrecord",
        "official": True,
        "validation_accuracy": 0.60647036631902063,
        "test_accuracy": 0.599792997042338,
        "train_accuracy": 0.611244668563207,
        "training_time_s": 77.01800537109375,
        "energy_kwh": 0.014624999999999999,
        "pue": 1.59,
        "gpu_energy_j": 26198.427563478894,
        "cpu_energy_j": 8714.9006629371,
        "gpu_power_w": 167.58413333,
        "cpu_power_w": 55.74682187,
        "co2eq_g": 1.363363,
        "carbon_intensity_g_per_kwh": 93.0,
        "energy_provenance": "measured",
        "accuracy_provenance": "published",
        "time_provenance": "measured",
    }
    assert at_108_epochs["energy_kwh"] == pytest.approx(27 * first["energy_kwh"], rel=1e-12)
    assert at_108_epochs["training_time_s"] == pytest.approx(27 * first["training_time_s"], rel=1e-12)


def test_repeats_are_counted_by_cell_and_budget_in_file_order(ingested: Ingested) -> None:
    counts = "select repeat, epochs, count(distinct hash), count(*)"
    output = ingested("energy_4V9E_4epochs.tfrecord").output
    assert duckdb.sql(f"{counts} from '{output}' group by all order by all").fetchall() == [
        (repeat, epochs, 91, 91) for repeat in (1, 2, 3) for epochs in (4, 12, 36, 108)
    ]


@pytest.mark.parametrize(
    ("name", "sockets_named"),
    [
        ("hardware/energy_4V9E_rtx3060.tfrecord", 1.0),
        ("hardware/energy_4V9E_rtx3090.tfrecord", 1.0),
        ("hardware/energy_4V9E_titanxp.tfrecord", 0.5),
        ("energy_4V9E_4epochs.tfrecord", 0.5),
        ("energy_5V9E_4epochs.tfrecord", 0.5),
    ],
)
def test_joules_are_those_of_the_whole_run_and_of_the_sockets_that_are_named(
    ingested: Ingested, name: str, sockets_named: float
) -> None:
    path = official(name)
    totals = [decode(base64.b64decode(json.loads(record.payload)[4])).total_energy for record in read_records(path)]
    for row, total_kwh in zip(rows(ingested(name)), totals, strict=True):
        if row["gpu_energy_j"] is not None:
            cpu_j = total_kwh * 3.6e6 / row["pue"] - row["gpu_energy_j"]
            named = row["cpu_energy_j"] / cpu_j
            assert named == pytest.approx(sockets_named, abs=0.002 if sockets_named == 1 else 0.16)


@pytest.mark.parametrize("name", GIVEN)
def test_a_user_s_copy_of_official_records_is_judged_alike_by_its_power_readings(
    write: Callable[..., Path], out: Path, ingested: Ingested, name: str
) -> None:
    copy = write([record.payload for record in read_records(official(name))][:-1])
    report = ingest(copy, out)
    assert not report.official
    assert report.output.name == f"own-{report.sha256[:8]}.parquet"
    for row, genuine in zip(rows(report), rows(ingested(name)), strict=False):
        assert row["energy_provenance"] == genuine["energy_provenance"]
        assert row["gpu_energy_j"] == genuine["gpu_energy_j"]
        assert row["accuracy_provenance"] == "measured"
        assert row["official"] is False
        one_socket = row["device"] in ("RTX 3060", "RTX 3090")
        assert row["pue"] == (1.59 if one_socket and row["energy_provenance"] == "measured" else None)


def test_a_user_s_own_record_is_measured(write: Callable[..., Path], out: Path) -> None:
    path = write([payload()])
    report = ingest(path, out)
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    [row] = rows(report)
    assert (row["hash"], row["epochs"], row["repeat"], row["source"]) == (CELL.hash, 4, 1, "own.tfrecord")
    assert (row["device"], row["pue"], row["gpu_power_w"], row["cpu_energy_j"]) == ("RTX 3090", 1.59, 167.5, 8680.2)
    assert {row[f"{what}_provenance"] for what in ("energy", "accuracy", "time")} == {"measured"}


def test_without_readings_an_energy_is_still_measured_but_at_an_unknown_pue(
    write: Callable[..., Path], out: Path
) -> None:
    [row] = rows(ingest(write([payload(metrics=METRICS._replace(gpu=Component(), cpu=Component()))]), out))
    assert row["energy_provenance"] == "measured"
    assert [row[name] for name in ("pue", "device", "gpu_energy_j", "cpu_energy_j", "gpu_power_w")] == [None] * 5


def test_readings_of_a_shorter_run_make_a_record_scaled(write: Callable[..., Path], out: Path) -> None:
    scaled = METRICS._replace(result=RESULT._replace(training_time=27 * 77.0))
    [row] = rows(ingest(write([payload(epochs=108, metrics=scaled)]), out))
    assert (row["energy_provenance"], row["time_provenance"], row["accuracy_provenance"]) == (
        "scaled",
        "scaled",
        "measured",
    )
    assert [row[name] for name in ("pue", "gpu_energy_j", "cpu_energy_j", "gpu_power_w", "cpu_power_w")] == [
        1.59,
        *[None] * 4,
    ]


def test_the_older_message_is_published_and_has_no_energy(write: Callable[..., Path], out: Path) -> None:
    old = Metrics("nasbench-101", RESULT._replace(energy=math.nan, co2eq=math.nan, avg_intensity=math.nan))
    message = encode(old._replace(trainable_parameters=CELL.trainable_parameters, total_time=90.0), [], "/model")
    [row] = rows(ingest(write([payload(encoded=base64.b64encode(message).decode())]), out))
    assert (row["time_provenance"], row["accuracy_provenance"]) == ("published", "published")
    assert (row["validation_accuracy"], row["training_time_s"]) == (0.5, 77.0)
    absent = ("energy_kwh", "energy_provenance", "pue", "device", "co2eq_g", "carbon_intensity_g_per_kwh")
    assert [row[name] for name in absent] == [None] * 6


def test_absent_fields_are_null_and_so_is_their_provenance(write: Callable[..., Path], out: Path) -> None:
    [row] = rows(ingest(write([payload(metrics=Metrics("ec-nas", Evaluation(energy=0.1)))]), out))
    assert (row["energy_kwh"], row["energy_provenance"]) == (0.1, "measured")
    absent = ("validation_accuracy", "test_accuracy", "train_accuracy", "training_time_s")
    assert [row[name] for name in (*absent, "accuracy_provenance", "time_provenance")] == [None] * 6


def test_devices_are_named_without_vendor_and_brand(write: Callable[..., Path], out: Path) -> None:
    named = {
        ("NVIDIA Quadro RTX 6000",): "Quadro RTX 6000",
        ("Quadro RTX 6000",): "Quadro RTX 6000",
        ("GeForce RTX 3060",): "RTX 3060",
        ("NVIDIA GeForce RTX 3090",): "RTX 3090",
        ("TITAN Xp",): "Titan Xp",
        ("NVIDIA TITAN Xp",): "Titan Xp",
        ("NVIDIA A100", "NVIDIA A100"): "A100, A100",
        (): None,
    }
    path = write(payload(metrics=METRICS._replace(gpu=GPU._replace(devices=names))) for names in named)
    assert [row["device"] for row in rows(ingest(path, out))] == list(named.values())


def test_a_matrix_with_idle_vertices_counts_as_its_pruned_cell(write: Callable[..., Path], out: Path) -> None:
    adjacency = "0101000000010000"  # vertex 2 takes from nothing, vertex 1 feeds nothing
    bare = Cell.from_bits(2, 1, "")
    record = fields(cell=bare)
    record[2:4] = [adjacency, "input,conv3x3-bn-relu,maxpool3x3,output"]
    assert rows(ingest(write([json.dumps(record).encode()]), out))[0]["hash"] == bare.hash


def test_cells_are_checked_alike_with_and_without_the_table(
    write: Callable[..., Path], out: Path, tmp_path: Path
) -> None:
    path = write([payload(), payload(cell=OTHER)])
    with_table = rows(ingest(path, out))
    assert rows(ingest(path, out, known_cells=tmp_path / "absent.parquet")) == with_table
    wrong = write([swapped(hash=OTHER.hash)], "wrong.tfrecord")
    for known_cells in (module.KNOWN_CELLS, tmp_path / "absent.parquet"):
        with pytest.raises(HashMismatch):
            ingest(wrong, out, known_cells=known_cells)


def square(vertices: int, *edges: tuple[int, int]) -> str:
    return "".join(str(int((x, y) in edges)) for x in range(vertices) for y in range(vertices))


CHAIN = [(vertex, vertex + 1) for vertex in range(7)]
HOSTILE: list[tuple[str, bytes, type[RecordError], str]] = [
    ("text", b"not json", NotJson, "'not json' is not JSON"),
    ("nothing", b"", NotJson, "is not JSON"),
    ("no UTF-8", b"\xff\xfe[]", NotJson, "is not JSON"),
    ("two documents", payload() + b"[]", NotJson, "is not JSON"),
    ("nesting", b"[" * 100_000, NotJson, "is not JSON"),
    ("digits", b"[" + b"9" * 10_000 + b"]", NotJson, "is not JSON"),
    ("an object", b"{}", WrongFields, "a JSON dict where a list is expected"),
    ("null", b"null", WrongFields, "a JSON NoneType"),
    ("no field", b"[]", WrongFields, "fields of types none"),
    ("four fields", json.dumps(fields()[:4]).encode(), WrongFields, "str, int, str, str"),
    ("six fields", json.dumps([*fields(), 1]).encode(), WrongFields, "str, int, str, str, str, int"),
    ("hash a number", swapped(hash=5), WrongFields, "int, int, str, str, str"),
    ("adjacency a list", swapped(adjacency=[0, 1]), WrongFields, "str, int, list, str, str"),
    ("epochs a string", swapped(epochs="4"), WrongFields, "str, str, str, str, str"),
    ("epochs a fraction", swapped(epochs=4.0), WrongFields, "str, float, str, str, str"),
    ("epochs true", swapped(epochs=True), WrongFields, "str, bool, str, str, str"),
    ("epochs 0", swapped(epochs=0), InvalidEpochs, "training budget of 0 epochs"),
    ("epochs -4", swapped(epochs=-4), InvalidEpochs, "4, 12, 36 and 108"),
    ("epochs 10**30", swapped(epochs=10**30), InvalidEpochs, "training budget of 10000"),
    ("matrix not square", swapped(adjacency="0" * 15), MatrixNotSquare, "15 digits, which is no square"),
    ("matrix too small", swapped(adjacency="010001000"), OperationsMismatch, "4 operations for 3 vertices"),
    ("no operations", swapped(operations=""), OperationsMismatch, "1 operations for 4 vertices"),
    ("no matrix", swapped(adjacency=""), OperationsMismatch, "4 operations for 0 vertices"),
    (
        "unknown operation",
        swapped(operations="input,conv5x5-bn-relu,conv3x3-bn-relu,output"),
        UnknownOperation,
        "unknown operation 'conv5x5-bn-relu'; use conv3x3-bn-relu, conv1x1-bn-relu, maxpool3x3",
    ),
    (
        "operation unprintable",
        swapped(operations="input,\n\ud800,maxpool3x3,output"),
        UnknownOperation,
        r"'\\n\\ud800'",
    ),
    ("digit 2", swapped(adjacency=fields()[2].replace("1", "2", 1)), NotACell, "other digits than 0 and 1"),
    ("Arabic digits", swapped(adjacency="٠" * 16), NotACell, "other digits than 0 and 1"),
    ("edge backwards", swapped(adjacency=square(4, (0, 1), (1, 3), (2, 1))), NotACell, "on or below the diagonal"),
    ("no path", swapped(adjacency="0" * 16), NotACell, "no path"),
    ("no input", swapped(operations="output,maxpool3x3,maxpool3x3,output"), NotACell, "must be 'input'"),
    (
        "eight vertices",
        swapped(adjacency=square(8, *CHAIN), operations="input," + "maxpool3x3," * 6 + "output"),
        NotACell,
        "8 vertices",
    ),
    (
        "a matrix of 300 vertices",
        swapped(adjacency="0" * 90_000, operations="input," + "maxpool3x3," * 298 + "output"),
        NotACell,
        "300 vertices, more than 32",
    ),
    ("hash of another cell", swapped(hash=OTHER.hash), HashMismatch, f"{OTHER.hash}' for a cell whose hash is"),
    ("hash in capitals", swapped(hash=CELL.hash.upper()), HashMismatch, CELL.hash),
    ("hash unprintable", swapped(hash="\ud800\n"), HashMismatch, CELL.hash),
    ("base64 cut", swapped(encoded=fields()[4][:-3]), BadBase64, "are not base64"),
    ("base64 with other signs", swapped(encoded="*" + fields()[4]), BadBase64, "are not base64"),
    ("base64 not ASCII", swapped(encoded="é" * 8), BadBase64, "are not base64"),
    ("no message", swapped(encoded=""), BadProtobuf, "without evaluations"),
    ("garbage for a message", swapped(encoded="////"), BadProtobuf, "not a protobuf message"),
    (
        "parameters of another cell",
        swapped(encoded=fields(cell=OTHER)[4]),
        ParametersMismatch,
        f"{OTHER.trainable_parameters} trainable parameters for a cell of {CELL.trainable_parameters}",
    ),
    ("accuracy above 1", result(validation_accuracy=1.5), ImpossibleValue, "validation_accuracy is 1.5"),
    ("accuracy in percent", result(test_accuracy=93.0), ImpossibleValue, "test_accuracy is 93.0"),
    ("accuracy below 0", result(train_accuracy=-0.1), ImpossibleValue, "train_accuracy is -0.1"),
    ("energy below 0", result(energy=-1e-9), ImpossibleValue, "energy is -1e-09"),
    ("energy 0", result(energy=0.0), ImpossibleValue, "energy is 0"),
    ("energy infinite", result(energy=math.inf), ImpossibleValue, "energy is inf"),
    ("time below 0", result(training_time=-1.0), ImpossibleValue, "training_time is -1.0"),
    ("time infinite", result(training_time=math.inf), ImpossibleValue, "training_time is inf"),
    ("carbon below 0", result(co2eq=-math.inf), ImpossibleValue, "co2eq is -inf"),
    ("intensity below 0", result(avg_intensity=-5.0), ImpossibleValue, "avg_intensity is -5.0"),
    (
        "joules below 0",
        payload(metrics=METRICS._replace(cpu=Component((9.0,), (9.0, -1.0), ()))),
        ImpossibleValue,
        "cpu_energy_j is -1.0",
    ),
    (
        "watts infinite",
        payload(metrics=METRICS._replace(gpu=Component((math.inf,), (9.0,), ()))),
        ImpossibleValue,
        "gpu_power_w is inf",
    ),
]


def test_a_record_that_is_wrong_is_told_with_its_place_and_leaves_nothing(
    write: Callable[..., Path], out: Path
) -> None:
    wrong = []
    for name, content, kind, told in HOSTILE:
        path = write([payload(), content, payload()])
        with pytest.raises(RecordError) as caught:
            ingest(path, out)
        message = str(caught.value)
        holds = {
            "kind": type(caught.value) is kind,
            "place": caught.value.where == (path, 2, len(frame(payload()))),
            "start": message.startswith(f"{path}, record 2, byte {len(frame(payload()))}: "),
            "reason": told.replace(r"\\", "\\") in message,
            "remedy": message.endswith(f"; {kind.remedy}"),
            "printable": message.isprintable(),
            "nothing left": left_over(out) == [],
        }
        wrong += [(name, what, message) for what, right in holds.items() if not right]
    assert wrong == []


def test_a_stored_nan_is_refused(write: Callable[..., Path], out: Path) -> None:
    message = bytearray(encode(METRICS))
    energy_key = message.index(b"\x31")
    message[energy_key + 1 : energy_key + 9] = b"\x00\x00\x00\x00\x00\x00\xf8\x7f"
    with pytest.raises(BadProtobuf, match="energy is not a number"):
        ingest(write([payload(encoded=base64.b64encode(message).decode())]), out)


@pytest.mark.parametrize(
    ("contents", "first"),
    [
        ([payload(), result(energy=-1.0), b"text"], (2, ImpossibleValue)),
        ([payload(), b"text", result(energy=-1.0)], (2, NotJson)),
        ([result(energy=-1.0), result(energy=0.0), payload()], (1, ImpossibleValue)),
        ([swapped(encoded="////"), result(energy=-1.0)], (1, BadProtobuf)),
    ],
)
def test_the_first_of_several_errors_is_told(
    write: Callable[..., Path], out: Path, contents: list[bytes], first: tuple[int, type[RecordError]]
) -> None:
    with pytest.raises(RecordError) as caught:
        ingest(write(contents), out)
    assert (caught.value.where.record, type(caught.value)) == first


def test_an_error_of_content_before_a_damaged_record_is_told_first(write: Callable[..., Path], out: Path) -> None:
    path = write([payload(), b"text", payload()])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NotJson):
        ingest(path, out)


@given(data=st.data())
@SHARES_A_FOLDER
def test_any_flipped_bit_is_told_and_leaves_nothing(write: Callable[..., Path], out: Path, data: st.DataObject) -> None:
    damaged = bytearray(write([payload(), payload(cell=OTHER)]).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    path = out.parent / "flipped.tfrecord"
    path.write_bytes(damaged)
    with pytest.raises(RecordError) as caught:
        ingest(path, out, known_cells=out)
    assert caught.value.where.record == (1 if bit // 8 < len(frame(payload())) else 2)
    assert left_over(out) == []


@given(data=st.data())
@SHARES_A_FOLDER
def test_any_truncation_is_told_and_leaves_nothing(write: Callable[..., Path], out: Path, data: st.DataObject) -> None:
    whole = write([payload(), payload(cell=OTHER)]).read_bytes()
    between = len(frame(payload()))
    size = data.draw(st.integers(0, len(whole) - 1).filter(lambda size: size != between))
    path = out.parent / "cut.tfrecord"
    path.write_bytes(whole[:size])
    with pytest.raises(RecordError):
        ingest(path, out, known_cells=out)
    assert left_over(out) == []


def test_a_file_that_is_none_leaves_no_folder(tmp_path: Path, out: Path) -> None:
    (tmp_path / "empty.tfrecord").touch()
    for path, kind in (
        (tmp_path / "absent.tfrecord", FileNotFound),
        (tmp_path, NotAFile),
        (tmp_path / "empty.tfrecord", EmptyFile),
        (tmp_path / ("x" * 300), FileError),
    ):
        with pytest.raises(kind, match=str(path)):
            ingest(path, out)
    assert not out.exists()


def test_a_failed_ingest_keeps_the_output_of_the_one_before(
    write: Callable[..., Path], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write([payload()] * 3)
    before = ingest(path, out).output
    content = before.read_bytes()
    with pytest.raises(Cancelled):
        ingest(path, out, cancel=lambda: True)
    assert left_over(out) == [before]
    assert before.read_bytes() == content
    assert ingest(path, out).output == before
    assert left_over(out) == [before]


def test_a_renamed_official_file_keeps_its_official_name_as_source(tmp_path: Path, out: Path) -> None:
    renamed = tmp_path / "mine.tfrecord"
    renamed.write_bytes(official("energy_4V9E_linscale.tfrecord").read_bytes())
    report = ingest(renamed, out)
    assert report.official
    assert report.output.name == "energy_4V9E_linscale.parquet"
    assert set(pq.read_table(report.output)["source"].to_pylist()) == {"energy_4V9E_linscale.tfrecord"}


def test_a_file_whose_name_is_no_unicode_gives_a_readable_output(write: Callable[..., Path], out: Path) -> None:
    renamed = write([payload()], "own\udcff.tfrecord")
    report = ingest(renamed, out)
    assert report.output.name.startswith("own\\udcff-")
    assert pq.read_table(report.output)["source"].to_pylist() == ["own\\udcff.tfrecord"]


def test_a_file_of_the_name_of_an_official_one_does_not_take_its_place(write: Callable[..., Path], out: Path) -> None:
    genuine = ingest(official("energy_4V9E_linscale.tfrecord"), out)
    other = ingest(write([payload()], "energy_4V9E_linscale.tfrecord"), out)
    assert genuine.output != other.output
    assert sorted(left_over(out)) == sorted([genuine.output, other.output])


@pytest.mark.parametrize("stops_at", [1, 3])
def test_cancel_leaves_nothing(
    write: Callable[..., Path], out: Path, monkeypatch: pytest.MonkeyPatch, stops_at: int
) -> None:
    monkeypatch.setattr(module, "_BATCH_RECORDS", 5)
    monkeypatch.setattr(module, "_ROW_GROUP_ROWS", 5)
    seen: list[Progress] = []
    with pytest.raises(Cancelled, match="nothing was written"):
        ingest(write([payload()] * 20), out, seen.append, lambda: len(seen) == stops_at)
    assert [progress.records for progress in seen] == [5, 10, 15][:stops_at]
    assert left_over(out) == []


def test_ctrl_c_leaves_nothing(write: Callable[..., Path], out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROW_GROUP_ROWS", 1)

    def interrupt(_: Progress) -> None:
        assert len(left_over(out)) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(write([payload()] * 20), out, interrupt)
    assert left_over(out) == []


def test_progress_runs_to_the_end(write: Callable[..., Path], out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_RECORDS", 5)
    seen: list[Progress] = []
    path = write([payload(), payload(cell=OTHER)] * 6)
    size = path.stat().st_size
    ingest(path, out, seen.append)
    ten_records = 5 * len(frame(payload()) + frame(payload(cell=OTHER)))
    assert [(seen_at.bytes_done, seen_at.records) for seen_at in seen[1:]] == [(ten_records, 10), (size, 12)]
    assert {seen_at.bytes_total for seen_at in seen} == {size}
    assert sorted(seen_at.seconds for seen_at in seen) == [seen_at.seconds for seen_at in seen]


def test_a_file_that_changes_meanwhile_is_refused(
    write: Callable[..., Path], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write([payload()])
    claimed = OfficialFile("x.tfrecord", path.stat().st_size, "0" * 64, "4V", "measured", "measured", "measured")
    monkeypatch.setattr(module, "_identify", lambda path, size: claimed)
    with pytest.raises(FileChanged, match="changed while it was read"):
        ingest(path, out)
    assert left_over(out) == []


def test_more_repeats_than_the_schema_counts_are_refused(write: Callable[..., Path], out: Path) -> None:
    assert [row["repeat"] for row in rows(ingest(write([payload()] * 127), out))] == list(range(1, 128))
    with pytest.raises(TooManyRepeats, match=f"{CELL.hash} occurs more than 127 times at 4 epochs"):
        ingest(write([payload()] * 128, "more.tfrecord"), out)


def test_an_output_that_cannot_be_written_is_told(write: Callable[..., Path], out: Path) -> None:
    out.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match=r"cannot write .*; check space and permissions"):
        ingest(write([payload()]), out)
    assert out.read_text() == "a file where the folder should be"


def test_the_output_is_readable_by_whom_the_umask_lets(write: Callable[..., Path], out: Path) -> None:
    before = os.umask(0o022)
    try:
        assert ingest(write([payload()]), out).output.stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_workers_give_the_rows_of_a_single_process(
    write: Callable[..., Path], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write([result(energy=number / 100) for number in range(1, 100)])
    alone = pq.read_table(ingest(path, out).output)
    monkeypatch.setattr(module, "POOL_FROM_BYTES", 0)
    monkeypatch.setattr(module, "_BATCH_RECORDS", 10)
    report = ingest(path, out)
    assert pq.read_table(report.output) == alone
    assert alone["energy_kwh"].to_pylist() == [number / 100 for number in range(1, 100)]
    assert workers() == []


@pytest.mark.usefixtures("one_worker")
def test_the_first_error_of_the_file_comes_back_from_the_workers(write: Callable[..., Path], out: Path) -> None:
    path = write([*[payload()] * 35, result(energy=-1.0), *[payload()] * 20, b"text"])
    damaged = path.read_bytes()
    path.write_bytes(damaged[:-1] + bytes([damaged[-1] ^ 1]))
    with pytest.raises(ImpossibleValue) as caught:
        ingest(path, out, known_cells=out)
    assert caught.value.where == (path, 36, 35 * len(frame(payload())))
    path.write_bytes(frame(payload()) * 35 + damaged[-20:-1] + bytes([damaged[-1] ^ 1]))
    with pytest.raises(CorruptPayload) as caught:
        ingest(path, out, known_cells=out)
    assert caught.value.where.record == 36
    assert left_over(out) == []


@pytest.mark.usefixtures("pooled")
def test_ctrl_c_ends_the_workers_too(write: Callable[..., Path], out: Path) -> None:
    def interrupt(_: Progress) -> None:
        assert len(workers()) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(write([payload()] * 100), out, interrupt, known_cells=out)
    assert left_over(out) == []
    assert workers() == []


@pytest.mark.usefixtures("one_worker")
def test_a_killed_worker_is_told(write: Callable[..., Path], out: Path) -> None:
    def kill(_: Progress) -> None:
        for worker in workers():
            worker.kill()

    with pytest.raises(WorkerDied, match="worker process was killed"):
        ingest(write([payload()] * 1000), out, kill, known_cells=out)
    assert left_over(out) == []
    assert workers() == []


class Terminal:
    """A stream that remembers what is written to it."""

    def __init__(self, is_terminal: bool = True) -> None:
        self.text = ""
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_the_bar_shows_the_end_and_leaves_the_line() -> None:
    terminal = Terminal()
    with terminal_progress("own.tfrecord", terminal) as progress:
        assert progress is not None
        for done in (250_000, 250_001, 1_000_000):
            progress(Progress(done, 1_000_000, done, 1.0))
    assert terminal.text.count("\r") == 2
    assert "own.tfrecord  25% [######..................] 0.2 of 1.0 MB" in terminal.text
    assert "100% [########################] 1.0 of 1.0 MB" in terminal.text
    assert terminal.text.endswith("\n")


def test_there_is_no_bar_where_there_is_no_terminal() -> None:
    pipe = Terminal(is_terminal=False)
    with terminal_progress("own.tfrecord", pipe) as progress:
        assert progress is None
    assert pipe.text == ""


def test_every_error_is_one_of_the_project_s() -> None:
    from ecnas_core.errors import EcnasError

    for kind in (FileError, RecordError, Cancelled, OutputError, WorkerDied, TooManyRepeats):
        assert issubclass(kind, EcnasError)
