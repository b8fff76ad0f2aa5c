"""Linear scaling, recomputed from the records themselves."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import scaling
from ecnas_core.analysis.scaling import InvalidScaling, ScalingView
from ecnas_core.carbon import InvalidLens, Lens

RECORDS = Path(__file__).resolve().parents[2] / "data" / "results" / "energy_4V9E_4epochs.parquet"


@pytest.fixture(scope="module")
def bench():
    return Benchmark.open()


@pytest.fixture(scope="module")
def repeats():
    """Quantity and budget to an array, cells by rising hash, three repeats each."""
    frame = duckdb.sql(f"select * from '{RECORDS}' order by hash, repeat").df()
    return {
        (quantity, epochs): part[column].to_numpy().reshape(-1, 3)
        for quantity, column in (("energy", "energy_kwh"), ("time", "training_time_s"))
        for epochs, part in frame.groupby("epochs")
    }


@pytest.mark.parametrize("quantity", ["energy", "time"])
@pytest.mark.parametrize("epochs", [12, 36, 108])
def test_ratios_and_noise(bench, repeats, quantity, epochs):
    found = scaling.ratios(bench, quantity).query("epochs == @epochs").sort_values("hash")
    long, short = repeats[quantity, epochs], repeats[quantity, 4]
    expected = long.mean(axis=1) / (short.mean(axis=1) * epochs / 4)
    assert found["ratio"].to_numpy() == pytest.approx(expected)
    spread = [part.std(axis=1, ddof=1) / part.mean(axis=1) for part in (long, short)]
    assert found["noise"].to_numpy() == pytest.approx(expected * np.sqrt((spread[0] ** 2 + spread[1] ** 2) / 3))


@pytest.mark.parametrize(
    ("quantity", "epochs", "ratio", "deviation"),
    [
        ("energy", 12, 0.907, 0.032),
        ("energy", 36, 0.865, 0.039),
        ("energy", 108, 0.863, 0.040),
        ("time", 108, 0.977, 0.013),
    ],
)
def test_known_figures(bench, quantity, epochs, ratio, deviation):
    row = scaling.summary(bench, quantity).set_index("epochs").loc[epochs]
    assert row["ratio"] == pytest.approx(ratio, abs=5e-4)
    assert row["deviation"] == pytest.approx(deviation, abs=5e-4)
    assert row["cells"] == 91
    assert row["of_cell"] ** 2 + row["noise"] ** 2 == pytest.approx(row["deviation"] ** 2)
    assert row["least"] < row["ratio"] < row["most"]


@pytest.mark.parametrize("quantity", ["energy", "time"])
def test_errors_on_cells_left_out(bench, repeats, quantity):
    found = scaling.leave_one_out(bench, quantity).set_index(["model", "epochs"])
    time = np.log(repeats["time", 4].mean(axis=1))
    for epochs in (12, 36, 108):
        ratio = repeats[quantity, epochs].mean(axis=1) / (repeats[quantity, 4].mean(axis=1) * epochs / 4)
        errors = {"linear": [], "constant": [], "by time": []}
        for left_out in range(len(ratio)):
            others = np.arange(len(ratio)) != left_out
            slope, height = np.polyfit(time[others], ratio[others], 1)
            for model, guess in (
                ("linear", 1),
                ("constant", ratio[others].mean()),
                ("by time", slope * time[left_out] + height),
            ):
                errors[model].append(guess / ratio[left_out] - 1)
        for model, values in errors.items():
            row = found.loc[(model, epochs)]
            assert row["bias"] == pytest.approx(np.mean(values))
            assert row["mean_absolute"] == pytest.approx(np.abs(values).mean())
            assert row["root_mean_square"] == pytest.approx(np.sqrt(np.mean(np.square(values))))


def test_one_ratio_a_budget_is_nearly_as_good_as_one_by_time_and_far_better_than_none(bench):
    errors = scaling.leave_one_out(bench).query("epochs == 108").set_index("model")["mean_absolute"]
    assert errors["by time"] < errors["constant"] < 1.2 * errors["by time"]
    assert errors["constant"] < errors["linear"] / 4


def test_the_lens_corrects_by_the_mean_ratio(bench):
    ratio = scaling.summary(bench).set_index("epochs")["ratio"]
    rows = bench.rows(
        "select distinct epochs, energy_correction as c from benchmark where space = '5V' order by epochs"
    )
    assert {row["epochs"]: row["c"] for row in rows} == pytest.approx({4: 1.0, **ratio.to_dict()})


def test_components(bench):
    frame = scaling.components(bench)
    assert len(frame) == 4 * 91
    records = duckdb.sql(
        f"select hash, avg(gpu_energy_j) / (avg(gpu_energy_j) + avg(cpu_energy_j)) as share, "
        f"avg(energy_kwh) * 3.6e6 / 1.59 / avg(training_time_s) as power from '{RECORDS}' where epochs = 36 group by hash order by hash"
    ).df()
    part = frame.query("epochs == 36")
    assert part["gpu_share"].to_numpy() == pytest.approx(records["share"].to_numpy())
    assert part["power_w"].to_numpy() == pytest.approx(records["power"].to_numpy())


def test_document_is_complete(bench):
    document = scaling.document(bench)
    assert document["energy"]["ratios"][-1]["ratio"] == pytest.approx(0.863, abs=5e-4)
    assert len(document["time"]["leave_one_out"]) == 9


class TestView:
    @pytest.mark.parametrize("view", [ScalingView(), ScalingView("time", Lens(unit="Wh", country="FR"))])
    def test_round_trip(self, view):
        assert ScalingView.from_params(view.to_params()) == view

    def test_wrong_parameters(self):
        with pytest.raises(InvalidScaling, match="take one of energy, time"):
            ScalingView.from_params({"quantity": "carbon"})
        with pytest.raises(InvalidLens):
            ScalingView.from_params({"scope": "x"})

    def test_python_runs(self, capsys):
        exec(compile(ScalingView("time").to_python(), "copied", "exec"), {})
        assert "of_cell" in capsys.readouterr().out
