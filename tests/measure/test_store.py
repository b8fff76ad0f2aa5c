"""What is stored is what the view shows, and what is removed comes back."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime

import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark import catalogue
from ecnas_core.measure import store
from ecnas_core.measure.errors import UnknownMeasurement
from tests.made_up import measured

ONE, TWO = "a" * 12, "b" * 12


@pytest.fixture
def bench(tmp_path):
    return Benchmark(tmp_path, Benchmark.open().bundled)


def test_a_measurement_comes_back_as_it_was(bench):
    before = measured(ONE, temperature_c=None, flags="quick,unstable")
    path = store.save(before, bench.data)
    assert path == bench.data / "measurements" / f"{ONE}.parquet"
    assert store.measurements(bench) == [before]
    assert not [each for each in path.parent.iterdir() if each != path], "nothing but the file is left"


def test_the_latest_stands_first(bench):
    early, late = measured(ONE), replace(measured(TWO), measured_at=datetime(2026, 5, 6))
    for each in (early, late):
        store.save(each, bench.data)
    assert store.measurements(bench) == [late, early]


def test_every_column_of_the_view_has_a_meaning(bench):
    columns = catalogue.columns(bench, "measurements")
    assert {each.name for each in columns} >= {
        "gpu_energy_j_per_step",
        "precision",
        "flags",
        "carbontracker_j_per_step",
    }
    assert [each.name for each in columns if not each.meaning] == []


def test_what_is_removed_comes_back(bench):
    for name in (ONE, TWO):
        store.save(measured(name), bench.data)
    store.remove(ONE, bench.data)
    assert [each.measurement for each in store.measurements(bench)] == [TWO]
    assert bench.layout.problems == {}
    store.restore(ONE, bench.data)
    assert {each.measurement for each in store.measurements(bench)} == {ONE, TWO}


def test_what_is_not_there_is_neither_removed_nor_restored(bench):
    store.save(measured(ONE), bench.data)
    names = [TWO, "", "../../" + ONE, ONE.upper(), f"{ONE}.parquet"]
    accepted = []
    for change, name in itertools.product((store.remove, store.restore), names):
        try:
            change(name, bench.data)
            accepted.append((change.__name__, name))
        except UnknownMeasurement as error:
            assert "there is no measurement" in str(error), name
    assert accepted == []
    assert len(store.measurements(bench)) == 1


FOREIGN = {
    "no cell has the hash '00000000000000000000000000000000'": {"hash": "0" * 32},
    "its mode is 'sleep'; there is train, inference": {"mode": "sleep"},
    "its precision is 'fp8'; there is fp32, tf32, bf16": {"precision": "fp8"},
    "it has the flag 'odd'": {"flags": "quick,odd"},
    "its device is None": {"device": None},
    "its batch_size is 0": {"batch_size": 0},
    "its seconds_per_step is nan": {"seconds_per_step": float("nan")},
}


def test_foreign_rows_are_left_out_and_their_files_named(bench):
    store.save(measured(ONE), bench.data)
    expected = {}
    for number, (reason, changes) in enumerate(FOREIGN.items(), start=1):
        expected[store.save(measured(f"{number:012x}", **changes), bench.data)] = reason
    assert [each.measurement for each in store.measurements(bench)] == [ONE]
    assert store.left_out(bench) == expected


def test_a_file_that_cannot_be_read_is_named(bench):
    path = store.save(measured(ONE), bench.data).with_name("odd.parquet")
    path.write_text("no Parquet")
    assert [each.measurement for each in store.measurements(bench)] == [ONE]
    (named,) = store.left_out(bench)
    assert named == path


def test_documents_that_are_no_measurement(bench):
    good = measured(ONE).to_document()
    assert store.fault(good) is None
    assert store.fault({"x": 1}) == "it has no measurement"
    assert store.fault({**good, "measured_at": "yesterday"}) == "its measured_at is 'yesterday'"
    assert store.fault({**good, "gpu_power_w": "much"}) == "its gpu_power_w is 'much'"
    assert store.fault({**good, "stable": 1}) == "its stable is 1"
    assert store.fault({**good, "gpu_power_w": None}) is None
