"""What the catalogue lists, and what setting aside and bringing back leave."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark import catalogue, intake, sandbox
from ecnas_core.benchmark.catalogue import AlreadyHere, NotIngested
from ecnas_core.benchmark.ingest import Cancelled, OutputError
from ecnas_core.benchmark.intake import DataBusy, take_in
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.benchmark.official import OFFICIAL
from tests import stand_in
from tests.stand_in import NAME, StandIn

MISSING = {"energy_5V9E_linscale.tfrecord", "energy_7V9E_4epochs.tfrecord", "energy_7V9E_surrogate.tfrecord"}
OUTPUT = "energy_5V9E_linscale.parquet"
DERIVED = {f"benchmark/{space}.parquet" for space in ("4V", "5V", "7V")}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "user"


@pytest.fixture(scope="module")
def taken(bundled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the stand-in has been taken into."""
    folder = tmp_path_factory.mktemp("taken")
    with pytest.MonkeyPatch.context() as patch, stand_in.stand_in(folder, patch) as served:
        take_in(served.path, folder / "user", bundled=bundled)
    return folder / "user"


@pytest.fixture
def official(taken: Path, data: Path, released: StandIn) -> Path:
    """The user's folder with the stand-in taken in."""
    return shutil.copytree(taken, data)


@pytest.fixture
def bench(data: Path, bundled: Path) -> Benchmark:
    return Benchmark.open(data, bundled=bundled)


@pytest.fixture
def accuracy_source(bench: Benchmark) -> Callable[[], str | None]:
    """Where the accuracy of a cell of the stand-in is from at the moment."""
    [cell] = stand_in.cells_without_accuracy(1)
    return lambda: bench.query(cell, 108, "5V").accuracy_source


def visible(data: Path) -> set[str]:
    return {
        str(path.relative_to(data))
        for path in data.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(data).parts)
    }


def own(data: Path, bundled: Path, tmp_path: Path, count: int = 3) -> str:
    """Ingest a file of the user's; the name of its Parquet file comes back."""
    return take_in(stand_in.write_own(tmp_path / "own.tfrecord", count), data, bundled=bundled).output.name


class TestListing:
    def test_bundled_sources_are_those_of_the_parquet_files(self, tmp_path):
        listed = {source.name: source for source in catalogue.sources(Benchmark.open(tmp_path / "none"))}
        counts = duckdb.sql(
            f"select source, count(*), count(distinct hash) from '{BUNDLED}/results/*.parquet' group by source"
        ).fetchall()
        [predicted] = duckdb.sql(
            "select sum(n)::bigint, count(*) filter (where n > 0) from (select "
            + " + ".join(
                f"(validation_accuracy_{epochs} is null or published_time_s_{epochs} is null)::int"
                for epochs in (4, 12, 36, 108)
            )
            + f" as n from '{BUNDLED}/benchmark/7V.parquet')"
        ).fetchall()
        assert {name: (source.records, source.cells) for name, source in listed.items()} == {
            name: (records, cells) for name, records, cells in counts
        } | {"ec-nas-surrogate": (4 * 423_624, 423_624), "ecnas-explorer-accuracy": predicted}
        for name, source in listed.items():
            assert source.official == (name != "ecnas-explorer-accuracy")
            assert source.since is None
            assert (source.origin == "computed") == (source.file is None)
            assert (source.origin == "computed") == (name in ("ec-nas-surrogate", "ecnas-explorer-accuracy"))
            if source.file:
                assert source.bytes == (BUNDLED / "results" / source.file).stat().st_size
        hardware = listed["energy_4V9E_rtx3060.tfrecord"]
        assert (hardware.devices, hardware.energy, hardware.accuracy) == ("RTX 3060", "measured, scaled", "published")
        assert hardware.licence == "MIT, EC-NAS-Bench; Apache-2.0, NAS-Bench-101"
        assert listed["energy_4V9E_4epochs.tfrecord"].licence == "MIT, EC-NAS-Bench"
        assert listed["nasbench101-sample"].licence == "Apache-2.0, NAS-Bench-101"
        assert listed["nasbench101-sample"].checked == "sample published with nasbench-vis, no checksum"

    def test_official_files_here_and_missing(self, tmp_path):
        listed = catalogue.official(Benchmark.open(tmp_path / "none"))
        assert {each.file.name for each in listed} == set(OFFICIAL)
        assert {each.file.name for each in listed if each.here == "missing"} == MISSING
        assert {each.here for each in listed if each.file.name not in MISSING} == {"bundled"}
        assert all(each.adds and each.fetched == 0 for each in listed if each.here == "missing")
        assert (
            next(each.file.bytes for each in listed if each.file.name == "energy_7V9E_surrogate.tfrecord") == 613992864
        )

    def test_ingested_ones_say_what_is_known_of_their_bytes(self, bench, official, data, bundled, tmp_path):
        mine = own(data, bundled, tmp_path)
        listed = {source.file: source for source in catalogue.sources(bench)}
        assert (listed[OUTPUT].origin, listed[OUTPUT].official) == ("ingested", True)
        assert listed[OUTPUT].checked == "official SHA-256, when ingested"
        assert (listed[OUTPUT].records, listed[OUTPUT].cells) == (4 * stand_in.CELLS, stand_in.CELLS)
        assert listed[OUTPUT].since is not None
        assert (listed[mine].name, listed[mine].official, listed[mine].licence) == ("own.tfrecord", False, "your own")
        assert listed[mine].checked == f"own file, SHA-256 begins {mine[-16:-8]}"
        assert {each.file.name: each.here for each in catalogue.official(bench)}[NAME] == "ingested"

    def test_part_of_a_stopped_download_is_counted(self, bench, data):
        (data / "downloads").mkdir(parents=True)
        (data / "downloads" / f"{NAME}.part").write_bytes(b"1234567")
        assert {each.file.name: each.fetched for each in catalogue.official(bench)}[NAME] == 7


class TestGoingBack:
    def test_everything_ingested_is_set_aside_and_comes_back(
        self, bench, data, bundled, released, tmp_path, accuracy_source
    ):
        before = accuracy_source()
        take_in(released.path, data, bundled=bundled)
        mine = own(data, bundled, tmp_path)
        assert accuracy_source() == NAME
        contents = {name: (data / name).read_bytes() for name in visible(data)}
        aside = catalogue.go_back_to_bundled(data)
        assert aside.files == tuple(sorted([OUTPUT, mine]))
        assert accuracy_source() == before != NAME
        assert visible(data) == {f"set-aside/{aside.name}/{name}" for name in contents}
        for name, content in contents.items():
            assert (data / "set-aside" / aside.name / name).read_bytes() == content
        assert all(source.origin != "ingested" for source in catalogue.sources(bench))
        catalogue.restore(data, bundled=bundled)
        assert visible(data) == set(contents)
        assert accuracy_source() == NAME
        assert catalogue.set_aside(data) == []

    def test_nothing_to_set_aside(self, data):
        with pytest.raises(NotIngested, match="the figures are the bundled ones already"):
            catalogue.go_back_to_bundled(data)
        with pytest.raises(NotIngested, match="nothing is set aside"):
            catalogue.restore(data)

    def test_not_while_a_job_changes_the_data(self, data, bundled, tmp_path):
        own(data, bundled, tmp_path)
        held = visible(data)
        with intake.exclusive_write(data), pytest.raises(DataBusy, match="try again when it has ended"):
            catalogue.go_back_to_bundled(data)
        assert visible(data) == held

    def test_runs_and_measurements_stay(self, data, bundled, tmp_path):
        own(data, bundled, tmp_path)
        (data / "runs").mkdir()
        (data / "runs" / "mine.parquet").write_bytes(b"")
        catalogue.go_back_to_bundled(data)
        assert "runs/mine.parquet" in visible(data)


class TestRemoving:
    def test_official_source_leaves_with_the_derived_files(self, official, data, bundled, accuracy_source):
        assert accuracy_source() == NAME
        aside = catalogue.remove(data, OUTPUT, bundled=bundled)
        assert aside.files == (OUTPUT,)
        assert accuracy_source() == "nasbench101-sample"
        assert visible(data) == {f"set-aside/{aside.name}/{name}" for name in {f"results/{OUTPUT}"} | DERIVED}

    def test_one_of_two_official_sources_leaves_the_other_in_force(
        self, bench, official, data, bundled, accuracy_source
    ):
        other = "energy_4V9E_linscale.parquet"
        (data / "results" / other).write_bytes((BUNDLED / "results" / other).read_bytes())
        catalogue.remove(data, other, bundled=bundled)
        assert accuracy_source() == NAME
        assert visible(data) >= DERIVED
        (data / "results" / other).write_bytes((BUNDLED / "results" / other).read_bytes())
        catalogue.remove(data, OUTPUT, bundled=bundled)
        assert accuracy_source() != NAME
        assert visible(data) >= DERIVED
        assert catalogue.left_behind(bench) == []

    def test_own_source_leaves_alone(self, bench, official, data, bundled, tmp_path):
        derived = {name: (data / name).stat().st_mtime_ns for name in DERIVED}
        mine = own(data, bundled, tmp_path)
        catalogue.remove(data, mine, bundled=bundled)
        assert {name: (data / name).stat().st_mtime_ns for name in DERIVED} == derived
        assert mine not in {source.file for source in catalogue.sources(bench)}

    def test_what_is_not_there(self, data, bundled):
        with pytest.raises(NotIngested, match="no ingested source has the file"):
            catalogue.remove(data, "../../other.parquet", bundled=bundled)

    def test_cancelled_removal_changes_nothing(self, official, data, bundled):
        held = visible(data)
        with pytest.raises(Cancelled):
            catalogue.remove(data, OUTPUT, cancel=lambda: True, bundled=bundled)
        assert visible(data) == held

    def test_bringing_back_over_one_that_came_since(self, data, bundled, tmp_path):
        mine = own(data, bundled, tmp_path)
        first = catalogue.remove(data, mine, bundled=bundled)
        own(data, bundled, tmp_path)
        with pytest.raises(AlreadyHere, match=f"{mine} has been ingested again since"):
            catalogue.restore(data, first.name, bundled=bundled)
        catalogue.remove(data, mine, bundled=bundled)
        catalogue.restore(data, first.name, bundled=bundled)
        assert f"results/{mine}" in visible(data)
        assert len(catalogue.set_aside(data)) == 1

    def test_results_deleted_by_hand_are_noticed_and_mended(self, bench, official, data, bundled, accuracy_source):
        assert catalogue.left_behind(bench) == []
        (data / "results" / OUTPUT).unlink()
        assert catalogue.left_behind(bench) == [NAME]
        assert accuracy_source() == NAME
        catalogue.derive_anew(data, bundled=bundled)
        assert catalogue.left_behind(bench) == []
        assert accuracy_source() != NAME


class TestTakingIn:
    def test_failed_derivation_changes_nothing(self, data, bundled, released, monkeypatch):
        def fails(*_: object) -> None:
            raise intake.DeriveFailed("no space")

        monkeypatch.setattr(intake, "_derive", fails)
        with pytest.raises(intake.DeriveFailed):
            take_in(released.path, data, bundled=bundled)
        assert visible(data) == set()
        assert list(data.glob(".intake-*")) == []

    def test_file_in_place_of_the_folder(self, bundled, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot write"):
            own(tmp_path / "file", bundled, tmp_path)


class TestUploads:
    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("mine.tfrecord", "mine.tfrecord"),
            ("../../etc/passwd", "passwd"),
            ("C:\\files\\a.tfrecord", "a.tfrecord"),
            ("..", "upload.tfrecord"),
            ("a\nb\x00.tfrecord", "ab.tfrecord"),
            ("x" * 400 + ".tfrecord", "x" * 141 + ".tfrecord"),
        ],
    )
    def test_lie_in_their_folder_whatever_their_name(self, data, name, kept):
        path = catalogue.keep_upload(name, io.BytesIO(b"content"), data)
        assert path == data / "uploads" / kept
        assert visible(data) == {f"uploads/{kept}"}
        assert path.read_bytes() == b"content"

    def test_interrupted_one_leaves_nothing(self, data):
        class Breaks(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise OSError(5, "Input/output error")

        with pytest.raises(OutputError, match="Input/output error"):
            catalogue.keep_upload("a.tfrecord", Breaks(), data)
        assert visible(data) == set()


class TestColumns:
    @pytest.mark.parametrize("view", sandbox.VIEWS)
    def test_every_column_of_every_view_has_a_meaning(self, bench, view):
        described = bench.rows(f"describe {view}")
        listed = catalogue.columns(bench, view)
        assert [column.name for column in listed] == [row["column_name"] for row in described]
        assert [column.type.upper() for column in listed] == [row["column_type"] for row in described]
        assert all(len(column.meaning) > 5 for column in listed)

    def test_the_views_are_those_of_the_sandbox_and_no_meaning_is_idle(self, bench):
        assert set(catalogue.VIEWS) == set(sandbox.VIEWS)
        named = {column.name for view in catalogue.VIEWS for column in catalogue.columns(bench, view)}
        assert set(catalogue.MEANINGS) == named

    def test_depth_and_width_mean_what_is_said(self):
        rows = pq.read_table(BUNDLED / "benchmark" / "7V.parquet", columns=["ops", "depth", "width", "vertices"])
        straight = next(row for row in rows.to_pylist() if row["width"] == 1 and row["vertices"] == row["depth"] + 1)
        assert len(straight["ops"]) == straight["depth"] - 1
