"""Every metric against a calculation by hand from the columns of one entry."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from ecnas_core.analysis.metrics import METRICS, UnknownMetric, metric
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.carbon import SCOPES, UNITS, Lens
from ecnas_core.errors import EcnasError

CELL = "03d84046b0ce567b2b59e85903aa2f5f"
GRID = {"country": None, "g_per_kwh": 400.0}


def value(small, name, lens, space="4V", cell=CELL):
    row = small.rows(
        f"select {metric(name, lens).sql} as value from benchmark where space = ? and epochs = 108 and hash = ?",
        [space, cell],
    )
    return row[0]["value"]


def test_the_nine_metrics_in_order():
    assert METRICS == (
        "energy",
        "footprint",
        "training_time",
        "parameters",
        "multiply_adds",
        "validation_accuracy",
        "validation_error",
        "test_accuracy",
        "test_error",
    )
    assert [metric(name, Lens()).key for name in METRICS] == list(METRICS)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("unit", UNITS)
def test_energy_and_footprint_by_hand(small, scope, unit):
    entry = small.query(CELL, 108, "4V")
    lens = Lens(scope=scope, unit=unit, pue=1.2, **GRID)
    kwh = {
        "facility": entry.energy_kwh / 1.59 * 1.2,
        "IT": entry.energy_kwh / 1.59,
        "GPU": entry.gpu_energy_j / 3.6e6,
    }[scope]
    assert value(small, "energy", lens) == pytest.approx(kwh * {"kWh": 1, "Wh": 1000, "kgCO2eq": 0.4}[unit])
    assert value(small, "footprint", lens) == pytest.approx(kwh * 0.4)


SCALED = "3c325aea3e66b614c829c5169d038b80"
SECONDS = "training_time_s"


@pytest.fixture(scope="module")
def means():
    """The means over the repeats of what 4V measured, straight from the trainings: cells by budgets."""
    trainings = pq.read_table(BUNDLED / "results" / "energy_4V9E_4epochs.parquet").to_pandas()
    return {name: trainings.pivot_table(name, "hash", "epochs") for name in ("energy_kwh", "gpu_energy_j", SECONDS)}


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("scope", SCOPES)
def test_scaled_energies_corrected_by_hand(small, means, scope, corrected):
    """5V at 108 epochs is 27 times a 4-epoch figure; corrected it is what 4V took per second of 27 times its time."""
    table = pq.read_table(BUNDLED / "benchmark" / "5V.parquet", filters=[("hash", "=", SCALED)]).to_pandas()
    row = table[(table["hash"] == SCALED) & (table["epochs"] == 108)].iloc[0]
    kwh, gpu_j, seconds = row["energy_kwh"], row["gpu_energy_j"], row[SECONDS]
    if corrected:
        kwh, gpu_j = (
            seconds * (means[name][108] / (27 * means[SECONDS][4])).mean() for name in ("energy_kwh", "gpu_energy_j")
        )
        seconds = seconds * (means[SECONDS][108] / (27 * means[SECONDS][4])).mean()
    counted = {"facility": kwh / 1.59 * 1.2, "IT": kwh / 1.59, "GPU": gpu_j / 3.6e6}[scope]
    lens = Lens(scope, 1.2, **GRID, corrected=corrected)
    assert value(small, "energy", lens, "5V", SCALED) == pytest.approx(counted, rel=1e-9)
    assert value(small, "footprint", lens, "5V", SCALED) == pytest.approx(counted * 0.4, rel=1e-9)
    assert value(small, "training_time", lens, "5V", SCALED) == pytest.approx(seconds, rel=1e-9)


def test_the_surrogate_corrected_by_hand(small, means):
    """7V has no 4-epoch times of its own: 4V's mean ratio; its times are NAS-Bench-101's and stay."""
    table = pq.read_table(BUNDLED / "benchmark" / "7V.parquet", filters=[("hash", "=", SCALED)]).to_pandas()
    kwh = round(table["surrogate_energy_wh_4_epochs"].iloc[0] / 1000 * 27, 6)
    ratio = (means["energy_kwh"][108] / (27 * means["energy_kwh"][4])).mean()
    for lens, factor in ((Lens(), 1), (Lens(corrected=True), ratio)):
        assert value(small, "energy", lens, "7V", SCALED) == pytest.approx(kwh * factor, rel=1e-6)
        assert value(small, "training_time", lens, "7V", SCALED) == table["published_time_s_108"].iloc[0]
    assert value(small, "energy", Lens("GPU", corrected=True), "7V", SCALED) is None


def test_what_was_measured_is_not_corrected(small):
    for name in ("energy", "footprint", "training_time"):
        for scope in SCOPES:
            off, on = (
                value(small, name, Lens(scope, corrected=corrected), "4V", SCALED) for corrected in (False, True)
            )
            assert off == on


@pytest.mark.parametrize("space", ["4V", "5V", "7V"])
def test_nothing_is_corrected_at_4_epochs(small, space):
    for name in ("energy", "footprint", "training_time"):
        off, on = (metric(name, Lens(corrected=corrected)).sql for corrected in (False, True))
        differing = (
            f"select count(*) as n from benchmark where space = ? and epochs = 4 and {off} is distinct from {on}"
        )
        assert small.rows(differing, [space]) == [{"n": 0}]


def test_other_metrics_by_hand(small):
    entry = small.query(CELL, 108, "4V")
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
        assert value(small, name, Lens()) == pytest.approx(number, rel=1e-15), name


def test_gpu_energy_is_unknown_in_7v(small):
    assert value(small, "energy", Lens(scope="GPU"), "7V") is None
    assert value(small, "footprint", Lens(scope="GPU"), "7V") is None


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
