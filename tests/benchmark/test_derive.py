"""What follows from the results: on the bundled figures, and on small ones made up for a rule each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark.derive import DERIVED, PREDICTIONS, derive
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.benchmark.schema import CELLS, RESULTS

SMALL, MEDIUM, LARGE = 0, 1, 2
MEASURED_4V, MEASURED_5V, OFFICIAL_7V = (
    "energy_4V9E_4epochs.tfrecord",
    "energy_5V9E_4epochs.tfrecord",
    "energy_7V9E_surrogate.tfrecord",
)


@pytest.fixture(scope="module")
def three_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of one cell of 4, one of 5 and one of 7 vertices."""
    cells = pq.read_table(BUNDLED / "benchmark" / "7V.parquet", columns=CELLS.names)
    places = [cells["space"].to_pylist().index(space) for space in ("4V", "5V", "7V")]
    path = tmp_path_factory.mktemp("cells") / "cells.parquet"
    pq.write_table(cells.take(places).cast(CELLS), path)
    return path


class Made:
    """Derives from made-up results, given by cell, budget, source and further columns."""

    def __init__(self, cells: Path, folder: Path) -> None:
        self.cells, self.folder = cells, folder
        self.hashes = pq.read_table(cells)["hash"].to_pylist()

    def derive(self, *rows: dict[str, Any], name: str = "results.parquet") -> None:
        listed = [
            {"official": True, "repeat": 1, "energy_provenance": "measured", "accuracy_provenance": "published"}
            | {key: value for key, value in row.items() if key != "cell"}
            | {"hash": self.hashes[row["cell"]]}
            for row in rows
        ]
        path = self.folder / name
        pq.write_table(pa.Table.from_pylist(listed, RESULTS), path)
        self.written = derive(self.cells, [path], self.folder / "out")

    def rows(self, space: str) -> list[dict[str, Any]]:
        return pq.read_table(self.folder / "out" / f"{space}.parquet").to_pylist()

    def row(self, space: str, cell: int, epochs: int | None = None) -> dict[str, Any]:
        found = [
            row
            for row in self.rows(space)
            if row["hash"] == self.hashes[cell] and (epochs is None or row["epochs"] == epochs)
        ]
        assert len(found) == 1
        return found[0]


@pytest.fixture
def made(three_cells: Path, tmp_path: Path) -> Made:
    return Made(three_cells, tmp_path)


# On the bundled figures


def test_bundled_results_give_the_bundled_benchmark(tmp_path):
    """From an earlier 7V file as from the table of cells: the derived columns are derived anew."""
    earlier = pq.read_table(BUNDLED / "benchmark" / "7V.parquet")
    some = earlier.filter((earlier["vertices"].to_numpy() <= 5) | (np.arange(len(earlier)) % 200 == 0))
    pq.write_table(some, tmp_path / "7V.parquet")
    results = sorted((BUNDLED / "results").glob("*.parquet"))
    out = tmp_path / "out"
    written = derive(tmp_path / "7V.parquet", results, out)
    assert [path.name for path in written] == list(DERIVED) == [path.name for path in sorted(out.iterdir())]
    for path in written:
        expected = some if path.name == "7V.parquet" else pq.read_table(BUNDLED / "benchmark" / path.name)
        found = pq.read_table(path)
        assert found.schema.names == expected.schema.names
        assert found.equals(expected), path.name


def test_official_table_of_7v_wins_for_the_cells_that_it_holds(tmp_path):
    """A user's folder with a made-up official file, whose energies and accuracies are nobody else's."""
    cells = pq.read_table(BUNDLED / "benchmark" / "7V.parquet", columns=CELLS.names)
    some = cells.filter((cells["vertices"].to_numpy() <= 5) | (np.arange(len(cells)) % 1000 == 0))
    pq.write_table(some.cast(CELLS), tmp_path / "cells.parquet")
    official = sorted((BUNDLED / "results").glob("*.parquet"))
    derive(tmp_path / "cells.parquet", official, tmp_path / "bundled" / "benchmark")
    (tmp_path / "bundled" / "results").symlink_to(BUNDLED / "results")
    bundled = Benchmark(tmp_path / "nothing", tmp_path / "bundled")
    chosen = [
        row["hash"]
        for row in bundled.rows(
            "(select hash from benchmark where space = '7V' and epochs = 108 and accuracy_source = 'ec-nas-search-logs' "
            "order by hash limit 3) union all (select hash from benchmark where space = '7V' and epochs = 108 "
            "and accuracy_provenance = 'predicted' order by hash limit 3) union all "
            "(select hash from benchmark where space = '4V' and epochs = 108 order by hash limit 3)"
        )
    ]
    rows = [
        {
            "hash": digest,
            "epochs": epochs,
            "repeat": repeat,
            "source": OFFICIAL_7V,
            "official": True,
            "energy_kwh": 1000.0 + number + epochs,
            "validation_accuracy": 0.5 + number / 100 + repeat / 1000,
            "test_accuracy": 0.4 + number / 100,
            "training_time_s": 5.0,
            "energy_provenance": "surrogate",
            "accuracy_provenance": "published",
            "time_provenance": "surrogate",
        }
        for number, digest in enumerate(chosen)
        for epochs in (4, 12, 36, 108)
        for repeat in (1, 2, 3)
    ]
    (tmp_path / "user" / "results").mkdir(parents=True)
    mine = tmp_path / "user" / "results" / "energy_7V9E_surrogate.parquet"
    pq.write_table(pa.Table.from_pylist(rows, RESULTS), mine)
    derive(tmp_path / "bundled" / "benchmark" / "7V.parquet", [*official, mine], tmp_path / "user" / "benchmark")
    bench = Benchmark(tmp_path / "user", tmp_path / "bundled")
    assert bench.layout.problems == {}
    for number, digest in enumerate(chosen):
        for epochs in (4, 12, 36, 108):
            entry = bench.query(digest, epochs, "7V")
            assert entry.energy_kwh == 1000.0 + number + epochs
            assert (entry.energy_source, entry.energy_provenance) == (OFFICIAL_7V, "surrogate")
            assert entry.validation_accuracy == pytest.approx(0.5 + number / 100 + 0.002, abs=1e-12)
            assert entry.test_accuracy == pytest.approx(0.4 + number / 100, abs=1e-12)
            assert entry.validation_accuracy_std == pytest.approx(0.001, abs=1e-12)
            assert (entry.accuracy_source, entry.accuracy_repeats) == (OFFICIAL_7V, 3)
    small = bench.query(chosen[-1], 108, "4V")
    assert small.accuracy_source == OFFICIAL_7V
    assert small.energy_kwh == bundled.query(chosen[-1], 108, "4V").energy_kwh, "a space keeps its own energy scale"
    changed = bench.rows("select count(*) as n from benchmark where energy_source = ?", [OFFICIAL_7V])
    assert changed == [{"n": 9 * 4}]
    totals = (
        "select space, epochs, sum(energy_kwh) as energy, sum(validation_accuracy) as accuracy, count(*) as cells "
        "from benchmark where not list_contains($chosen, hash) group by all order by all"
    )
    others, expected = (each.frame(totals, {"chosen": chosen}) for each in (bench, bundled))
    pd.testing.assert_frame_equal(others, expected, rtol=1e-12)
    left = bench.rows("select count(*) as n from results where source = 'ec-nas-surrogate'")
    assert left == [{"n": 4 * (len(some) - 9)}]


# Rules, one at a time


def test_4v_is_the_mean_of_its_repeats_with_their_deviation(made):
    made.derive(
        *(
            {
                "cell": SMALL,
                "epochs": 12,
                "source": MEASURED_4V,
                "repeat": repeat,
                "energy_kwh": energy,
                "training_time_s": 10 * energy,
                "gpu_energy_j": 100 * energy,
                "cpu_energy_j": energy,
            }
            for repeat, energy in enumerate((1.0, 2.0, 6.0), 1)
        )
    )
    row = made.row("4V", SMALL, 12)
    assert (row["energy_kwh"], row["energy_repeats"], row["energy_provenance"]) == (3.0, 3, "measured")
    assert row["energy_kwh_std"] == pytest.approx(7**0.5)
    assert (row["training_time_s"], row["time_provenance"], row["time_source"]) == (30.0, "measured", MEASURED_4V)
    assert row["training_time_s_std"] == pytest.approx(10 * 7**0.5)
    assert (row["gpu_energy_j"], row["cpu_energy_j"]) == (300.0, 3.0)
    assert (row["accuracy_source"], row["accuracy_provenance"], row["energy_artefact"]) == (
        PREDICTIONS,
        "predicted",
        None,
    )
    assert len(made.rows("4V")) == 1
    assert made.rows("5V") == []


def test_5v_is_scaled_from_4_epochs_and_from_nothing_else(made):
    made.derive(
        {
            "cell": MEDIUM,
            "epochs": 4,
            "source": MEASURED_5V,
            "energy_kwh": 2.0,
            "training_time_s": 8.0,
            "gpu_energy_j": 3.0,
            "cpu_energy_j": 1.0,
        },
        {"cell": MEDIUM, "epochs": 12, "source": MEASURED_5V, "energy_kwh": 99.0, "training_time_s": 99.0},
    )
    rows = {row["epochs"]: row for row in made.rows("5V")}
    assert {epochs: row["energy_kwh"] for epochs, row in rows.items()} == {4: 2.0, 12: 6.0, 36: 18.0, 108: 54.0}
    assert {epochs: row["training_time_s"] for epochs, row in rows.items()} == {4: 8.0, 12: 24.0, 36: 72.0, 108: 216.0}
    assert {epochs: row["gpu_energy_j"] for epochs, row in rows.items()} == {4: 3.0, 12: 9.0, 36: 27.0, 108: 81.0}
    assert [rows[epochs]["energy_provenance"] for epochs in (4, 12, 108)] == ["measured", "scaled", "scaled"]
    assert [rows[epochs]["time_provenance"] for epochs in (4, 12, 108)] == ["measured", "scaled", "scaled"]
    assert {row["energy_kwh_std"] for row in rows.values()} == {None}


def test_7v_has_every_cell_with_its_own_properties_and_the_surrogate(made):
    made.derive({"cell": LARGE, "epochs": 4, "source": "ec-nas-search-logs", "validation_accuracy": 0.5})
    rows = made.rows("7V")
    assert [row["hash"] for row in rows] == sorted(made.hashes)
    for row, cell in zip(
        rows, sorted(pq.read_table(made.cells).to_pylist(), key=lambda cell: cell["hash"]), strict=True
    ):
        assert {name: row[name] for name in CELLS.names} == cell
        assert {row[f"official_energy_kwh_{epochs}"] for epochs in (4, 12, 36, 108)} == {None}
    assert made.row("7V", LARGE)["validation_accuracy_4"] == 0.5
    assert made.row("7V", LARGE)["validation_accuracy_12"] is None
    assert made.row("7V", SMALL)["validation_accuracy_4"] is None


RANKED = [
    (OFFICIAL_7V, 3),
    ("energy_5V9E_linscale.tfrecord", 3),
    ("energy_4V9E_linscale.tfrecord", 3),
    ("ec-nas-search-logs", 3),
    ("nasbench101-sample", 1),
    (MEASURED_4V, None),
    (MEASURED_5V, None),
    ("energy_7V9E_4epochs.tfrecord", None),
]


@pytest.mark.parametrize("best", range(len(RANKED)))
def test_accuracy_is_that_of_the_best_source(made, best):
    made.derive(
        *(
            {
                "cell": LARGE,
                "epochs": 36,
                "source": source,
                "validation_accuracy": rank / 10,
                "test_accuracy": rank / 20,
                "accuracy_provenance": f"provenance {rank}",
            }
            for rank, (source, _) in reversed([*enumerate(RANKED)][best:])
        )
    )
    row = made.row("7V", LARGE)
    source, repeats = RANKED[best]
    assert row["accuracy_source_36"] == source
    assert (row["validation_accuracy_36"], row["test_accuracy_36"]) == (best / 10, best / 20)
    assert row["accuracy_repeats_36"] == (repeats or 1)
    assert row["accuracy_provenance_36"] == f"provenance {best}"


def test_means_of_two_sources_are_never_mixed(made):
    made.derive(
        {"cell": LARGE, "epochs": 108, "source": "ec-nas-search-logs", "validation_accuracy": 0.9},
        {
            "cell": LARGE,
            "epochs": 108,
            "source": "nasbench101-sample",
            "validation_accuracy": 0.8,
            "test_accuracy": 0.7,
            "training_time_s": 3.0,
            "time_provenance": "published",
        },
    )
    row = made.row("7V", LARGE)
    assert (row["validation_accuracy_108"], row["test_accuracy_108"]) == (0.9, None)
    assert (row["published_time_s_108"], row["published_time_source_108"]) == (3.0, "nasbench101-sample")


def test_source_without_an_accuracy_does_not_hide_one_that_has_it(made):
    made.derive(
        {"cell": LARGE, "epochs": 108, "source": OFFICIAL_7V, "energy_kwh": 5.0},
        {"cell": LARGE, "epochs": 108, "source": "nasbench101-sample", "validation_accuracy": 0.8},
    )
    row = made.row("7V", LARGE)
    assert (row["validation_accuracy_108"], row["accuracy_source_108"]) == (0.8, "nasbench101-sample")
    assert (row["official_energy_kwh_108"], row["official_energy_source_108"]) == (5.0, OFFICIAL_7V)
    assert row["official_energy_kwh_36"] is None


def test_repeats_are_counted_and_spread_where_the_file_has_them(made):
    made.derive(
        *(
            {
                "cell": SMALL,
                "epochs": 4,
                "source": MEASURED_4V,
                "repeat": repeat,
                "energy_kwh": 1.0,
                "validation_accuracy": accuracy,
                "accuracy_provenance": "measured",
            }
            for repeat, accuracy in enumerate((0.1, 0.2, 0.6), 1)
        )
    )
    row = made.row("4V", SMALL, 4)
    assert row["validation_accuracy"] == pytest.approx(0.3)
    assert row["validation_accuracy_std"] == pytest.approx(0.07**0.5)
    assert (row["accuracy_repeats"], row["accuracy_provenance"]) == (3, "measured")


def test_what_is_not_official_or_of_another_source_changes_nothing(made):
    foreign = {"energy_kwh": 77.0, "validation_accuracy": 0.77, "training_time_s": 77.0, "time_provenance": "published"}
    made.derive(
        {"cell": SMALL, "epochs": 4, "source": MEASURED_4V, "energy_kwh": 1.0},
        *({"cell": SMALL, "epochs": 4, "official": False, "source": source, **foreign} for source, _ in RANKED),
        {"cell": SMALL, "epochs": 4, "source": "somebody.tfrecord", **foreign},
        {"cell": SMALL, "epochs": 4, "source": "energy_4V9E_rtx3090.tfrecord", **foreign},
        {"cell": MEDIUM, "epochs": 4, "official": None, "source": MEASURED_5V, **foreign},
    )
    row = made.row("4V", SMALL, 4)
    assert (row["energy_kwh"], row["energy_repeats"], row["accuracy_provenance"]) == (1.0, 1, "predicted")
    assert row["validation_accuracy_low"] < row["validation_accuracy"] < row["validation_accuracy_high"] < 0.77
    assert made.rows("5V") == []
    assert 77.0 not in made.row("7V", SMALL).values()
    assert 0.77 not in made.row("7V", SMALL).values()


def test_time_that_is_not_published_does_not_pass_for_it(made):
    made.derive(
        {
            "cell": LARGE,
            "epochs": 4,
            "source": OFFICIAL_7V,
            "validation_accuracy": 0.5,
            "training_time_s": 9.0,
            "time_provenance": "surrogate",
        },
    )
    row = made.row("7V", LARGE)
    assert (row["published_time_s_4"], row["published_time_source_4"]) == (None, None)


def test_hash_that_is_no_cell_is_left_out(made):
    made.hashes.append("0" * 32)
    made.derive({"cell": 3, "epochs": 4, "source": MEASURED_4V, "energy_kwh": 1.0, "validation_accuracy": 0.5})
    assert made.rows("4V") == []
    assert len(made.rows("7V")) == 3


@pytest.mark.parametrize("name", ["it's.parquet", "{cells}.parquet", "{results}.parquet", "ä b[c]%.parquet"])
def test_paths_may_have_any_name(three_cells, tmp_path, name):
    folder = tmp_path / name.removesuffix(".parquet")
    folder.mkdir()
    (folder / name).write_bytes(three_cells.read_bytes())
    made = Made(folder / name, folder)
    made.derive({"cell": SMALL, "epochs": 4, "source": MEASURED_4V, "energy_kwh": 1.0}, name=f"results {name}")
    assert made.row("4V", SMALL, 4)["energy_kwh"] == 1.0
    assert len(made.rows("7V")) == 3


def test_many_at_once_leave_whole_files(made, three_cells):
    """Two processes may take an official file in at the same time."""
    made.derive({"cell": SMALL, "epochs": 4, "source": MEASURED_4V, "energy_kwh": 1.0})
    expected = {path.name: pq.read_table(path) for path in made.written}
    with ThreadPoolExecutor(8) as pool:
        results = [made.folder / "results.parquet"]
        runs = [pool.submit(derive, three_cells, results, made.folder / "out") for _ in range(8)]
        assert [[path.name for path in run.result()] for run in runs] == [list(DERIVED)] * 8
    assert {path.name: pq.read_table(path) for path in (made.folder / "out").iterdir()} == expected


def test_failure_leaves_what_was_there_and_nothing_half_written(made, three_cells):
    made.derive({"cell": SMALL, "epochs": 4, "source": MEASURED_4V, "energy_kwh": 1.0})
    before = {path.name: path.read_bytes() for path in (made.folder / "out").iterdir()}
    spoilt = made.folder / "spoilt.parquet"
    spoilt.write_bytes((made.folder / "results.parquet").read_bytes()[:-40])
    for results in ([spoilt], [made.folder / "absent.parquet"]):
        with pytest.raises(duckdb.Error):
            derive(three_cells, results, made.folder / "out")
        assert {path.name: path.read_bytes() for path in (made.folder / "out").iterdir()} == before
