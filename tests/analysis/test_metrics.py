"""Every metric against a calculation by hand from the columns of one entry."""

from __future__ import annotations

import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis.metrics import METRICS, UnknownMetric, metric
from ecnas_core.carbon import SCOPES, UNITS, Lens
from ecnas_core.errors import EcnasError

CELL = "03d84046b0ce567b2b59e85903aa2f5f"
GRID = {"country": None, "g_per_kwh": 400.0}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Benchmark(tmp_path_factory.mktemp("user"), Benchmark.open().bundled)


def value(bench, name, lens, space="4V"):
    row = bench.rows(
        f"select {metric(name, lens).sql} as value from benchmark where space = ? and epochs = 108 and hash = ?",
        [space, CELL],
    )
    return row[0]["value"]


def test_the_nine_metrics_in_order():
    assert METRICS == (
        "energy", "footprint", "training_time", "parameters", "multiply_adds", "validation_accuracy",
        "validation_error", "test_accuracy", "test_error",
    )  # fmt: skip
    assert [metric(name, Lens()).key for name in METRICS] == list(METRICS)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("unit", UNITS)
def test_energy_and_footprint_by_hand(bench, scope, unit):
    entry = bench.query(CELL, 108, "4V")
    lens = Lens(scope=scope, unit=unit, pue=1.2, **GRID)
    kwh = {
        "facility": entry.energy_kwh / 1.59 * 1.2,
        "IT": entry.energy_kwh / 1.59,
        "GPU": entry.gpu_energy_j / 3.6e6,
    }[scope]
    assert value(bench, "energy", lens) == pytest.approx(kwh * {"kWh": 1, "Wh": 1000, "kgCO2eq": 0.4}[unit])
    assert value(bench, "footprint", lens) == pytest.approx(kwh * 0.4)


def test_other_metrics_by_hand(bench):
    entry = bench.query(CELL, 108, "4V")
    expected = {
        "training_time": entry.training_time_s,
        "parameters": entry.trainable_parameters / 1_000_000,
        "multiply_adds": entry.multiply_adds / 1_000_000_000,
        "validation_accuracy": entry.validation_accuracy,
        "validation_error": 1 - entry.validation_accuracy,
        "test_accuracy": entry.test_accuracy,
        "test_error": 1 - entry.test_accuracy,
    }
    for name, number in expected.items():
        assert value(bench, name, Lens()) == pytest.approx(number, rel=1e-15), name


def test_gpu_energy_is_unknown_in_7v(bench):
    assert value(bench, "energy", Lens(scope="GPU"), "7V") is None
    assert value(bench, "footprint", Lens(scope="GPU"), "7V") is None


def test_labels_and_units_say_what_the_lens_shows():
    assert metric("energy", Lens()).axis == "Energy (kWh)"
    assert metric("energy", Lens(unit="Wh")).axis == "Energy (Wh)"
    assert metric("energy", Lens(unit="kgCO2eq")).axis == "Footprint (kgCO2eq)"
    assert metric("footprint", Lens(unit="Wh")).axis == "Footprint (kgCO2eq)"
    assert metric("training_time", Lens()).axis == "Training time (s)"
    assert metric("validation_error", Lens()).axis == "Validation error"


def test_direction_and_provenance():
    more = {name for name in METRICS if metric(name, Lens()).better == "more"}
    assert more == {"validation_accuracy", "test_accuracy"}
    provenance = {name: metric(name, Lens()).provenance for name in METRICS}
    assert provenance == {
        "energy": "energy_provenance",
        "footprint": "energy_provenance",
        "training_time": "time_provenance",
        "parameters": None,
        "multiply_adds": None,
        "validation_accuracy": "accuracy_provenance",
        "validation_error": "accuracy_provenance",
        "test_accuracy": "accuracy_provenance",
        "test_error": "accuracy_provenance",
    }


@pytest.mark.parametrize("name", ["", "Energy", "energy_kwh", "energy; drop table x", "\0"])
def test_unknown_metric_is_a_named_error_with_the_choices(name):
    with pytest.raises(UnknownMetric, match="training_time") as raised:
        metric(name, Lens())
    assert isinstance(raised.value, EcnasError)
