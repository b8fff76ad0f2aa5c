"""The bundled figures, built anew from the released files and the recovered tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark import build as building
from ecnas_core.benchmark.build import NEEDED, Inconsistent, MissingSources, build_data, write_parquet
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.benchmark.schema import EVALUATIONS, PREDICTED, RESULTS
from ecnas_core.errors import EcnasError

SHARED = BUNDLED.parent / ".." / "shared"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not there")


def parquet_files(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.parquet")}
    return {name: path for name, path in found.items() if not name.startswith(("user/", "surrogates/"))}


def predictions(out: Path) -> pa.Table:
    """The bundled predictions, in the place of some minutes of training."""
    assert Benchmark(out / "user", out).query("043721b9c7fe8c5fad811d47d83132ec").accuracy_provenance != "predicted"
    return pq.read_table(BUNDLED / "benchmark" / "7V.parquet", columns=["hash", *PREDICTED.names])


@pytest.fixture(scope="module")
def some() -> pa.Array:
    """The hashes of every cell of at most 5 vertices and of every 400th larger one."""
    cells = pq.read_table(BUNDLED / "benchmark" / "7V.parquet", columns=["hash", "vertices"])
    return cells["hash"].filter((cells["vertices"].to_numpy() <= 5) | (np.arange(len(cells)) % 400 == 0))


@pytest.fixture(scope="module")
def built(some: pa.Array, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], list[str]]:
    sources, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("built") / "data"
    for path in (SHARED / name for name in ("official", "published")):
        (sources / path.name).mkdir()
        for file in path.iterdir():
            (sources / path.name / file.name).symlink_to(file.resolve())
    cells = sources / "published" / "cells.parquet"
    table = pq.read_table(cells)
    cells.unlink()
    pq.write_table(table.filter(pc.is_in(table["hash"], some)), cells)
    told: list[str] = []
    return out, build_data(sources, out, predictions, told.append), told


@shared
def test_building_anew_gives_the_bundled_figures(built, some):
    out, written, told = built
    expected = parquet_files(BUNDLED)
    assert sorted(written) == sorted(parquet_files(out).values())
    assert parquet_files(out).keys() == expected.keys()
    for name, path in expected.items():
        found, bundled = pq.read_table(out / name), pq.read_table(path)
        if name == "benchmark/7V.parquet":
            bundled = bundled.filter(pc.is_in(bundled["hash"], some))
        assert found.schema.equals(bundled.schema), name
        assert found.equals(bundled), name
    assert [path for path in out.rglob("*") if path.is_file() and path.suffix != ".parquet"] == []
    assert {line for line in told if line.startswith(("results/", "runs/"))} <= expected.keys()


@shared
def test_built_figures_answer(built):
    out, _, _ = built
    bench = Benchmark(out / "user", out)
    assert bench.layout.problems == {}
    assert bench.query("043721b9c7fe8c5fad811d47d83132ec").trainable_parameters == 882_570


def test_bundled_figures_take_at_most_45_megabytes():
    files = [path for path in BUNDLED.rglob("*") if path.is_file() and not path.is_relative_to(BUNDLED / "user")]
    assert sum(path.stat().st_size for path in files) <= 45_000_000


def test_bundled_files_have_the_projects_schemas():
    for name, path in parquet_files(BUNDLED).items():
        expected = {"results": RESULTS, "runs": EVALUATIONS}.get(name.split("/")[0])
        if expected is not None:
            assert pq.read_schema(path).remove_metadata().equals(expected), name


@shared
def test_recovered_tables_are_taken_over_row_by_row():
    accuracy = pq.read_table(SHARED / "published" / "accuracy.parquet").to_pandas()
    for source, expected in accuracy.groupby("source"):
        found = pq.read_table(BUNDLED / "results" / f"{source}.parquet").to_pandas()
        columns = ["hash", "epochs", "validation_accuracy", "test_accuracy", "training_time_s"]
        assert set(found["source"]) == {source}
        assert (
            found[columns]
            .astype({"epochs": "int64"})
            .equals(expected.sort_values(["hash", "epochs"])[columns].reset_index(drop=True).astype({"hash": "str"}))
        )
        assert (found["time_provenance"].notna() == found["training_time_s"].notna()).all()
        assert found["energy_kwh"].isna().all()
    energy = (
        pq.read_table(SHARED / "published" / "measured_energy_7v.parquet").to_pandas().set_index("hash")["energy_kwh"]
    )
    found = pq.read_table(BUNDLED / "results" / "ec-nas-measured-7v.parquet").to_pandas().set_index("hash")
    assert len(found) == len(energy) == 3535
    assert (found["energy_kwh"] == energy[found.index].astype(float)).all()
    assert set(found["epochs"]) == {4}


@shared
def test_published_searches_are_taken_over_row_by_row():
    published = pq.read_table(SHARED / "published" / "search_runs.parquet").to_pandas()
    found = pq.read_table(BUNDLED / "runs" / "ec-nas-published-searches.parquet").to_pandas()
    assert len(found) == len(published)
    keys = ["space", "algorithm", "trial", "evaluation"]
    published = published.rename(columns={"run": "trial"}).assign(space=published["space"].astype(str) + "V")
    assert not published.duplicated(keys).any()
    published, found = (each.sort_values(keys, ignore_index=True) for each in (published, found))
    for name in ("hash", "epochs", "energy_kwh", "validation_accuracy", "valid", "individual", "training_time_s"):
        same = (found[name] == published[name]) | (found[name].isna() & published[name].isna())
        assert same.all(), name
    assert set(found["study"]) == {"ec-nas-published"}


@pytest.mark.parametrize("absent", [*NEEDED, None])
def test_missing_source_is_a_named_error_and_nothing_is_written(tmp_path, absent):
    """Also where files are there that alone would make a benchmark with holes."""
    source, out = tmp_path / "shared", tmp_path / "out"
    for name in set(NEEDED) - {absent} if absent else ():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    with pytest.raises(MissingSources, match="complete") as raised:
        build_data(source, out, predictions)
    assert all(name in str(raised.value) for name in ([absent] if absent else NEEDED))
    assert isinstance(raised.value, EcnasError)
    assert not out.exists()


def test_parameters_that_contradict_the_cells_are_a_named_error(tmp_path):
    columns = ["hash", "vertices", "edge_bits", "ops", "trainable_parameters", "surrogate_energy_wh_4_epochs"]
    small = [("vertices", "<=", 3)]
    table = pq.read_table(BUNDLED / "benchmark" / "7V.parquet", columns=columns, filters=small).slice(0, 3)
    pq.write_table(table, tmp_path / "cells.parquet")
    assert building._cells(tmp_path / "cells.parquet")["space"].to_pylist() == ["4V"] * 3
    parameters = table["trainable_parameters"].to_pylist()
    damaged = pa.array([*parameters[:2], parameters[2] + 1], pa.int32())
    pq.write_table(table.set_column(4, "trainable_parameters", damaged), tmp_path / "cells.parquet")
    with pytest.raises(Inconsistent, match="1 cells have other parameters") as raised:
        building._cells(tmp_path / "cells.parquet")
    assert table["hash"][2].as_py() in str(raised.value)
    assert isinstance(raised.value, EcnasError)


def test_writing_replaces_the_file_in_one_step_and_leaves_no_part(tmp_path, monkeypatch):
    path = write_parquet(pa.table({"x": [1]}), tmp_path / "new" / "x.parquet")
    write_parquet(pa.table({"x": [2]}), path)
    assert pq.read_table(path).to_pydict() == {"x": [2]}

    def fail(table: pa.Table, where: Path, **options: object) -> None:
        Path(where).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(building.pq, "write_table", fail)
    with pytest.raises(OSError, match="no space"):
        write_parquet(pa.table({"x": [3]}), path)
    monkeypatch.undo()
    assert [each.name for each in path.parent.iterdir()] == ["x.parquet"]
    assert pq.read_table(path).to_pydict() == {"x": [2]}
