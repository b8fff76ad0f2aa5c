"""Which files the views are made of: layering, and files that do not belong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark.layout import (
    BUNDLED,
    FOLDERS,
    Layout,
    MissingData,
    default_data_folder,
    scan,
    signature,
)
from ecnas_core.benchmark.schema import EVALUATIONS, MEASUREMENTS, RESULTS
from ecnas_core.errors import EcnasError

SCHEMAS = {"results": RESULTS, "runs": EVALUATIONS, "measurements": MEASUREMENTS}
TABLES = {"results": "results", "runs": "evaluations", "measurements": "measurements"}
PUBLISHED = "energy_4V9E_linscale.parquet"


def write(path: Path, schema: pa.Schema, count: int = 1, **values: object) -> Path:
    """A Parquet file of a schema with the same values in each row, null where none is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table({field.name: pa.array([values.get(field.name)] * count, field.type) for field in schema}), path
    )
    return path


def opened(layout: Layout) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(";\n".join(layout.statements()))
    return connection


def count(layout: Layout, table: str, condition: str = "true") -> int:
    with opened(layout) as connection:
        return connection.execute(f"select count(*) from {table} where {condition}").fetchone()[0]


def test_bundled_figures_are_all_there(tmp_path):
    layout = scan(tmp_path / "absent")
    assert layout.problems == {}
    names = {folder: [path.name for path in paths] for folder, paths in layout.files.items()}
    assert names["benchmark"] == ["4V.parquet", "5V.parquet", "7V.parquet"]
    assert names["runs"] == ["ec-nas-published-searches.parquet"]
    assert names["measurements"] == []
    assert len(names["results"]) == 10
    assert all(path.is_file() and path.is_relative_to(BUNDLED) for path in layout.paths)
    assert len(layout.paths) == 14


def test_data_folder_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ECNAS_DATA", str(tmp_path / "mine"))
    assert default_data_folder() == tmp_path / "mine"
    assert Benchmark.open().data == tmp_path / "mine"
    monkeypatch.setenv("ECNAS_DATA", "~/mine")
    assert default_data_folder() == Path.home() / "mine"
    for unset in ("", None):
        monkeypatch.setenv("ECNAS_DATA", unset) if unset is not None else monkeypatch.delenv("ECNAS_DATA")
        assert default_data_folder() == BUNDLED / "user"


@pytest.mark.parametrize("absent", ["4V.parquet", "5V.parquet", "7V.parquet"])
def test_missing_bundled_figures_are_a_named_error_with_a_remedy(tmp_path, absent):
    (tmp_path / "benchmark").mkdir()
    for name in {"4V.parquet", "5V.parquet", "7V.parquet"} - {absent}:
        (tmp_path / "benchmark" / name).symlink_to(BUNDLED / "benchmark" / name)
    for attempt in (lambda: scan(tmp_path / "user", tmp_path), lambda: Benchmark.open(tmp_path, bundled=tmp_path)):
        with pytest.raises(MissingData, match="build-data") as raised:
            attempt()
        assert absent in str(raised.value)
        assert isinstance(raised.value, EcnasError)


def test_derived_figures_alone_are_enough(tmp_path):
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "benchmark").symlink_to(BUNDLED / "benchmark")
    layout = scan(tmp_path / "user", tmp_path / "bundled")
    assert count(layout, "benchmark") == 4 * (91 + 2532 + 423_624)
    assert count(layout, "results") == 4 * 423_624
    assert count(layout, "evaluations") == count(layout, "runs") == count(layout, "measurements") == 0


def test_files_of_the_user_are_read_beside_the_bundled_ones(tmp_path):
    with opened(scan(tmp_path)) as connection:
        before = [connection.execute(f"select count(*) from {table}").fetchone()[0] for table in TABLES.values()]
    for folder, schema in SCHEMAS.items():
        write(tmp_path / folder / "one.parquet", schema, 3, source="mine")
        write(tmp_path / folder / "two.parquet", schema, 4, source="mine")
    layout = scan(tmp_path)
    assert layout.problems == {}
    with opened(layout) as connection:
        counts = [
            connection.execute(f"select count(*), count(*) filter (where source = 'mine') from {table}").fetchone()
            for table in TABLES.values()
        ]
    assert counts == [(number + 7, 7) for number in before]


def test_views_have_the_columns_of_the_schema_with_and_without_files(tmp_path):
    for files in ("without", "with"):
        with opened(scan(tmp_path)) as connection:
            found = {
                folder: connection.sql(f"from {table} limit 0").to_arrow_table().schema
                for folder, table in TABLES.items()
            }
        for folder, schema in SCHEMAS.items():
            assert found[folder].names == schema.names, (folder, files)
            assert [field.type for field in found[folder]] == [field.type for field in schema], (folder, files)
            write(tmp_path / folder / "a.parquet", schema)


def test_further_columns_and_another_order_do_no_harm(tmp_path):
    for folder, schema in SCHEMAS.items():
        for name in ("a", "b"):
            path = write(tmp_path / folder / f"{name}.parquet", schema, source=name)
            if name == "a":
                table = pq.read_table(path).append_column("note", pa.array(["x"]))
                pq.write_table(table.select(table.column_names[::-1]), path)
    with opened(scan(tmp_path)) as connection:
        for folder, table in TABLES.items():
            query = f"select * from {table} where source in ('a', 'b') order by source"
            found = connection.execute(query).fetchall()
            place = SCHEMAS[folder].get_field_index("source")
            assert [row[place] for row in found] == ["a", "b"], folder
            assert all(value is None for row in found for at, value in enumerate(row) if at != place), folder


def test_file_of_the_user_stands_in_for_the_bundled_one_of_its_name(tmp_path):
    source = "source = 'energy_4V9E_linscale.tfrecord'"
    assert count(scan(tmp_path), "results", source) == 91 * 4
    mine = write(tmp_path / "results" / PUBLISHED, RESULTS, 2, source="energy_4V9E_linscale.tfrecord", official=True)
    layout = scan(tmp_path)
    assert layout.problems == {}
    assert mine in layout.files["results"]
    assert BUNDLED / "results" / PUBLISHED not in layout.files["results"]
    assert count(layout, "results", source) == 2


@pytest.mark.parametrize("official", [[False], [True, False], [None], []], ids=["no", "in part", "unknown", "empty"])
def test_impostor_does_not_stand_in_for_an_official_file(tmp_path, official):
    path = tmp_path / "results" / PUBLISHED
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist([{"official": each} for each in official], RESULTS), path)
    layout = scan(tmp_path)
    assert "rename" in layout.problems[path]
    assert count(layout, "results", "source = 'energy_4V9E_linscale.tfrecord'") == 91 * 4


def test_damaged_pages_do_not_stand_in_for_an_official_file(tmp_path):
    """The footer is whole, so only reading the column tells."""
    content = bytearray((BUNDLED / "results" / PUBLISHED).read_bytes())
    content[4:-8000] = bytes(len(content) - 8004)
    path = tmp_path / "results" / PUBLISHED
    path.parent.mkdir()
    path.write_bytes(content)
    assert list(scan(tmp_path).problems) == [path]


def test_derived_file_of_the_user_stands_in_for_the_bundled_one(tmp_path):
    table = pq.read_table(BUNDLED / "benchmark" / "4V.parquet")
    (tmp_path / "benchmark").mkdir()
    pq.write_table(table.slice(0, 8), tmp_path / "benchmark" / "4V.parquet")
    layout = scan(tmp_path)
    assert layout.problems == {}
    assert count(layout, "benchmark", "space = '4V'") == 8
    assert count(layout, "benchmark", "space = '5V'") == 4 * 2532


def not_parquet(path: Path) -> None:
    path.write_bytes(b"hash,epochs\n1,2\n" * 100)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes((BUNDLED / "results" / PUBLISHED).read_bytes()[:-200])


def damaged_footer(path: Path) -> None:
    content = bytearray((BUNDLED / "results" / PUBLISHED).read_bytes())
    content[-4000:-8] = bytes(3992)
    path.write_bytes(content)


def name_not_in_utf8(path: Path) -> None:
    content = (BUNDLED / "results" / PUBLISHED).read_bytes()
    path.write_bytes(content.replace(b"co2eq_g", b"co2eq\xff\xff"))


def folder_of_that_name(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def other_columns(path: Path) -> None:
    pq.write_table(pa.table({"hash": ["a"], "epochs": pa.array([4], pa.int16())}), path)


def other_kind(path: Path) -> None:
    write(path, EVALUATIONS)


def other_types(path: Path) -> None:
    table = pq.read_table(BUNDLED / "results" / PUBLISHED)
    for name, kind in (("energy_kwh", pa.float32()), ("hash", pa.large_string())):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    pq.write_table(table, path)


SPOILT = {
    not_parquet: "not a readable Parquet file",
    empty: "not a readable Parquet file",
    truncated: "not a readable Parquet file",
    damaged_footer: "not a readable Parquet file",
    name_not_in_utf8: "not a readable Parquet file",
    folder_of_that_name: "not a readable Parquet file",
    dangling: "not a readable Parquet file",
    other_columns: "lacks the columns repeat, device, source, official, validation_accuracy and 14 more",
    other_kind: "lacks the columns repeat, device, official, train_accuracy, pue and 8 more",
    other_types: "has other types in the columns hash, energy_kwh",
}


def test_files_that_do_not_belong_are_told_and_do_no_harm(tmp_path):
    write(tmp_path / "results" / "good.parquet", RESULTS, 5, source="mine")
    paths = {tmp_path / "results" / f"{spoil.__name__}.parquet": spoil for spoil in SPOILT}
    for path, spoil in paths.items():
        spoil(path)
    bench = Benchmark(tmp_path, BUNDLED)
    problems = bench.layout.problems
    assert problems.keys() == paths.keys()
    assert [
        path for path, spoil in paths.items() if SPOILT[spoil] not in problems[path] or "\n" in problems[path]
    ] == []
    assert bench.rows("select count(*) as n from results where source = 'mine'") == [{"n": 5}]
    assert bench.query("043721b9c7fe8c5fad811d47d83132ec").trainable_parameters == 882_570


def test_derived_files_that_do_not_belong_are_told_and_do_no_harm(tmp_path):
    (tmp_path / "benchmark").mkdir()
    for name, content in {"7V": "4V", "4V": "7V", "9V": "4V"}.items():
        shutil.copy(BUNDLED / "benchmark" / f"{content}.parquet", tmp_path / "benchmark" / f"{name}.parquet")
    layout = scan(tmp_path)
    problems = {path.name: reason for path, reason in layout.problems.items()}
    assert problems.keys() == {"4V.parquet", "7V.parquet", "9V.parquet"}
    assert "lacks the columns space, surrogate_energy_wh_4_epochs" in problems["7V.parquet"]
    assert "lacks the columns epochs, energy_kwh" in problems["4V.parquet"]
    assert "is none of 4V.parquet, 5V.parquet, 7V.parquet" in problems["9V.parquet"]
    assert count(layout, "benchmark") == 4 * (91 + 2532 + 423_624)


def test_data_folder_that_is_a_file_is_told_and_does_no_harm(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    bench = Benchmark(path, BUNDLED)
    assert "folder" in bench.layout.problems[path]
    assert bench.query("043721b9c7fe8c5fad811d47d83132ec").trainable_parameters == 882_570
    (tmp_path / "results").write_text("x")
    assert scan(tmp_path).files == scan(tmp_path / "absent").files


def test_files_of_other_kinds_and_unfinished_ones_are_not_looked_at(tmp_path):
    (tmp_path / "results").mkdir()
    for name in (".x.parquet.partial", "x.parquet.part", "notes.txt", "x.PARQUET.bak"):
        (tmp_path / "results" / name).write_text("x")
    assert scan(tmp_path).problems == {}
    assert scan(tmp_path).files == scan(tmp_path / "absent").files
    assert signature(tmp_path) == signature(tmp_path / "absent")


@pytest.mark.parametrize(
    "names",
    [
        (
            "it's here",
            'say "x"',
            "ünï çødé 東京",
            "two  spaces ",
            "a[b]c",
            "q?m",
            "per%cent",
            "back\\slash",
            "semi;colon",
        ),
        ("{results}", "{runs}", "{7V}", "'{4V}'", "{unfolded_7V}", "{}", "-- comment", "$1"),
    ],
)
def test_folders_and_files_may_have_any_name(tmp_path, names):
    folder = tmp_path.joinpath(*names)
    write(folder / "results" / "x.parquet", RESULTS, 2, source="mine")
    write(folder / "runs" / "y.parquet", EVALUATIONS, 3, source="mine", study="s")
    for name in names:
        write(folder / "measurements" / f"{name}.parquet", MEASUREMENTS, 4, source="mine")
    layout = scan(folder)
    assert layout.problems == {}
    with opened(layout) as connection:
        found = [
            connection.execute(f"select count(*) from {table} where source = 'mine'").fetchone()[0]
            for table in ("results", "evaluations", "measurements")
        ]
    assert found == [2, 3, 4 * len(names)]


def test_bundled_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "it's [the] {7V} data"
    folder.symlink_to(BUNDLED)
    assert count(scan(tmp_path, folder), "benchmark", "space = '4V'") == 91 * 4


def test_signature_changes_with_every_change_of_a_file(tmp_path):
    seen = [signature(tmp_path)]
    path = tmp_path / "results" / "x.parquet"

    def changed() -> None:
        assert signature(tmp_path) not in seen
        seen.append(signature(tmp_path))

    write(path, RESULTS, 1)
    changed()
    write(path, RESULTS, 2000, source="overwritten in place")
    changed()
    os.utime(path, ns=(0, 1))
    changed()
    write(path.with_name("other"), RESULTS, 3).replace(path)
    changed()
    path.rename(path.with_name("y.parquet"))
    changed()
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "z.parquet").write_text("")
        changed()
    path.with_name("y.parquet").unlink()
    changed()
    assert signature(tmp_path) == signature(tmp_path)
