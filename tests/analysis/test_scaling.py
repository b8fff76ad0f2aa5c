"""Linear scaling, recomputed from the records themselves."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ecnas_core.analysis import scaling
from ecnas_core.analysis.scaling import MODELS, QUANTITIES, ScalingView
from ecnas_core.benchmark.messages import decode
from ecnas_core.benchmark.tfrecord import read_records
from ecnas_core.carbon import Lens
from ecnas_core.records import InvalidRecord

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "data" / "results" / "energy_4V9E_4epochs.parquet"
OF_5V = ROOT / "data" / "results" / "energy_5V9E_4epochs.parquet"
RELEASED = ROOT.parent / "shared" / "official" / "energy_4V9E_4epochs.tfrecord"
COLUMNS = {"energy": "energy_kwh", "gpu_energy": "gpu_energy_j", "time": "training_time_s"}
BUDGETS = (12, 36, 108)


@pytest.fixture(scope="module")
def computed(small):
    """What a function of ``scaling`` answers, computed once: no test changes it."""
    return cache(lambda name, *asked: getattr(scaling, name)(small, *asked))


@pytest.fixture(scope="module")
def repeats():
    """Quantity and budget to an array, cells by rising hash, three repeats each."""
    frame = duckdb.sql(f"select * from '{RECORDS}' order by hash, repeat").df()
    return {
        (quantity, epochs): part[column].to_numpy().reshape(-1, 3)
        for quantity, column in COLUMNS.items()
        for epochs, part in frame.groupby("epochs")
    }


@pytest.fixture(scope="module")
def cells():
    """The 91 cells by rising hash: their multiply-adds, and the 4-epoch trainings that 5V has of them."""
    return duckdb.sql(
        f"select r.hash, b.multiply_adds, r.energy_kwh as energy, r.gpu_energy_j as gpu_energy, r.training_time_s as time "
        f"from '{OF_5V}' r join '{ROOT / 'data' / 'benchmark' / '4V.parquet'}' b on r.hash = b.hash and b.epochs = 4 "
        "order by r.hash"
    ).df()


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_ratios_and_noise(computed, repeats, quantity):
    seconds = repeats["time", 4].mean(axis=1)
    watts = repeats["energy", 4].mean(axis=1) * 3.6e6 / 1.59 / seconds
    for epochs in BUDGETS:
        found = computed("ratios", quantity).query("epochs == @epochs").sort_values("hash")
        long, short = repeats[quantity, epochs], repeats[quantity, 4]
        expected = long.mean(axis=1) / (short.mean(axis=1) * epochs / 4)
        assert found["ratio"].to_numpy() == pytest.approx(expected)
        spread = [part.std(axis=1, ddof=1) / part.mean(axis=1) for part in (long, short)]
        assert found["noise"].to_numpy() == pytest.approx(expected * np.sqrt((spread[0] ** 2 + spread[1] ** 2) / 3))
        assert found["time_at_4_s"].to_numpy() == pytest.approx(seconds)
        assert found["power_at_4_w"].to_numpy() == pytest.approx(watts)


@pytest.mark.parametrize(
    ("quantity", "epochs", "ratio", "deviation"),
    [
        ("energy", 12, 0.907, 0.032),
        ("energy", 36, 0.865, 0.039),
        ("energy", 108, 0.863, 0.040),
        ("time", 108, 0.977, 0.013),
    ],
)
def test_known_figures(computed, quantity, epochs, ratio, deviation):
    row = computed("summary", quantity).set_index("epochs").loc[epochs]
    assert row["ratio"] == pytest.approx(ratio, abs=5e-4)
    assert row["deviation"] == pytest.approx(deviation, abs=5e-4)
    assert row["cells"] == 91
    assert row["of_cell"] ** 2 + row["noise"] ** 2 == pytest.approx(row["deviation"] ** 2)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_summary_by_numpy(computed, repeats, quantity):
    for row in computed("summary", quantity).itertuples():
        ratio = repeats[quantity, row.epochs].mean(axis=1) / (repeats[quantity, 4].mean(axis=1) * row.epochs / 4)
        assert (row.low, row.median, row.high) == pytest.approx(np.quantile(ratio, [0.1, 0.5, 0.9]))
        assert (row.least, row.most) == pytest.approx((ratio.min(), ratio.max()))
        assert row.overstated == pytest.approx(np.mean(1 / ratio) - 1)


def test_repeats_of_one_cell_differ_by_2_percent_in_energy(repeats):
    """Fact of the figures, and why the repeats cannot explain the ratio's deviation of 4.6 %."""
    spread = [
        repeats["energy", epochs].std(axis=1, ddof=1) / repeats["energy", epochs].mean(axis=1) for epochs in BUDGETS
    ]
    assert np.mean(spread) == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize("start", ["4V", "5V"])
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_errors_on_cells_left_out(computed, repeats, cells, quantity, start):
    """Every way of scaling fitted anew without each cell, by numpy's least squares."""
    found = computed("leave_one_out", quantity, start).set_index(["model", "epochs"])
    own = repeats[quantity, 4].mean(axis=1)
    seconds = repeats["time", 4].mean(axis=1)
    size = np.log(cells["multiply_adds"].to_numpy())
    begun, begun_s = (own, seconds) if start == "4V" else (cells[quantity].to_numpy(), cells["time"].to_numpy())
    checked = set()
    for epochs in BUDGETS:
        times = epochs / 4
        measured = repeats[quantity, epochs].mean(axis=1)
        ratio = measured / (own * times)
        predictions = {model: [] for model in MODELS if model != "power" or quantity != "time"}
        for cell in range(91):
            others = np.arange(91) != cell
            overhead = np.linalg.lstsq(((1 - 1 / times) / own[others])[:, None], 1 - ratio[others], rcond=None)[0][0]
            linear = begun[cell] * times
            guesses = {
                "linear": linear,
                "constant": linear * ratio[others].mean(),
                "by multiply-adds": linear * np.polyval(np.polyfit(size[others], ratio[others], 1), size[cell]),
                "by time": linear
                * np.polyval(np.polyfit(np.log(seconds[others]), ratio[others], 1), np.log(begun_s[cell])),
                "overhead": overhead + (begun[cell] - overhead) * times,
                "power": (measured[others] / (times * seconds[others])).mean() * times * begun_s[cell],
            }
            if start == "4V":
                assert guesses["overhead"] == pytest.approx(linear * (1 - overhead * (1 - 1 / times) / own[cell]))
            for model, values in predictions.items():
                values.append(guesses[model])
        for model, values in predictions.items():
            row, errors = found.loc[(model, epochs)], np.array(values) / measured - 1
            assert row["bias"] == pytest.approx(errors.mean())
            assert row["mean_absolute"] == pytest.approx(np.abs(errors).mean())
            assert row["root_mean_square"] == pytest.approx(np.sqrt((errors**2).mean()))
            assert row["cells"] == 91
            checked.add((model, epochs))
    assert checked == set(found.index)


def mean_errors(computed, quantity, start="4V"):
    return computed("leave_one_out", quantity, start).query("epochs == 108").set_index("model")["mean_absolute"]


@pytest.mark.parametrize("quantity", ["energy", "gpu_energy"])
@pytest.mark.parametrize("start", ["4V", "5V"])
def test_the_4_epoch_time_predicts_energy_far_better_than_any_ratio_of_energies(computed, quantity, start):
    errors = mean_errors(computed, quantity, start)
    assert errors["power"] < 0.5 * errors.drop("power").min()
    assert errors["constant"] < 0.5 * errors["linear"]


def test_of_times_one_ratio_is_as_good_as_the_repeats_let_tell(computed, repeats):
    errors = mean_errors(computed, "time")
    long = repeats["time", 108]
    spread = np.sqrt(np.mean((long.std(axis=1, ddof=1) / long.mean(axis=1)) ** 2))
    assert 0 < errors["constant"] - errors["by time"] < spread


def test_long_trainings_draw_the_same_power(computed, repeats):
    watts = {
        epochs: (repeats["energy", epochs].mean(axis=1) * 3.6e6 / 1.59 / repeats["time", epochs].mean(axis=1))
        for epochs in (4, 108)
    }
    assert (watts[108].mean(), watts[108].std(ddof=1)) == pytest.approx((381.8, 3.75), abs=0.05)
    assert (watts[4].min(), watts[4].max()) == pytest.approx((402.3, 480.8), abs=0.05)
    part = computed("ratios", "energy").query("epochs == 108")
    assert np.corrcoef(part["power_at_4_w"], part["ratio"])[0, 1] == pytest.approx(-0.95, abs=5e-3)


def test_the_lens_corrects_by_what_the_page_shows(small, computed, repeats, cells):
    """5V by the power of the budget, 7V by the mean ratio, times by theirs."""
    ratio, time_ratio = (computed("summary", name).set_index("epochs")["ratio"] for name in ("energy", "time"))
    for epochs in BUDGETS:
        power = (repeats["energy", epochs].mean(axis=1) / (repeats["time", 4].mean(axis=1) * epochs / 4)).mean()
        rows = small.frame(
            "select hash, energy_kwh * energy_correction as energy, time_correction from benchmark "
            "where space = '5V' and epochs = ? and hash in (select hash from cells where space = '4V') order by hash",
            [epochs],
        )
        assert rows["energy"].to_numpy() == pytest.approx(power * cells["time"].to_numpy() * epochs / 4)
        assert rows["time_correction"].unique() == pytest.approx([time_ratio[epochs]])
        seventh = small.rows(
            "select distinct energy_correction as factor from benchmark where space = '7V' and epochs = ?", [epochs]
        )
        assert [row["factor"] for row in seventh] == pytest.approx([ratio[epochs]])


def test_components(computed):
    frame = computed("components")
    assert len(frame) == 4 * 91
    records = duckdb.sql(
        "select hash, avg(gpu_energy_j) as gpu, avg(cpu_energy_j) as cpu, avg(gpu_power_w) as gpu_w, "
        "avg(cpu_power_w) as cpu_w, avg(energy_kwh) * 3.6e6 / 1.59 / avg(training_time_s) as power "
        f"from '{RECORDS}' where epochs = 36 group by hash order by hash"
    ).df()
    part = frame.query("epochs == 36")
    assert part["gpu_share"].to_numpy() == pytest.approx(
        (records["gpu"] / (records["gpu"] + records["cpu"])).to_numpy()
    )
    two = records["gpu"] / (records["gpu"] + 2 * records["cpu"])
    assert part["gpu_share_two_sockets"].to_numpy() == pytest.approx(two.to_numpy())
    for name, column in (("power_w", "power"), ("gpu_power_w", "gpu_w"), ("cpu_power_w", "cpu_w")):
        assert part[name].to_numpy() == pytest.approx(records[column].to_numpy())


def test_components_over_the_cells(computed):
    frame = computed("components")
    summary = scaling.components_summary(frame).set_index(["quantity", "epochs"])
    assert len(summary) == 5 * 4
    part = frame.query("epochs == 4")
    row = summary.loc[("gpu_power_w", 4)]
    assert (row["mean"], row["deviation"]) == pytest.approx((part["gpu_power_w"].mean(), part["gpu_power_w"].std()))
    assert row["correlation"] == pytest.approx(np.corrcoef(np.log(part["multiply_adds"]), part["gpu_power_w"])[0, 1])
    shares = summary.loc["gpu_share_two_sockets"]["mean"]
    assert list(shares.round(2)) == [0.62, 0.66, 0.70, 0.69]


@pytest.mark.skipif(not RELEASED.is_file(), reason="../shared is not there")
def test_the_gpus_part_of_the_released_totals_is_what_the_page_says(computed):
    """The totals are not among the columns: 59 % at 4 epochs, 67 % at 108, 3 to 5 % below the estimate."""
    shares: dict[int, list[float]] = {}
    for record in read_records(RELEASED):
        _, epochs, *_, message = json.loads(record.payload)
        metrics = decode(base64.b64decode(message.replace("\n", "")))
        shares.setdefault(epochs, []).append(sum(metrics.gpu.joules) / (metrics.total_energy * 3.6e6 / 1.59))
    found = {epochs: np.mean(values) for epochs, values in sorted(shares.items())}
    assert (round(found[4], 2), round(found[108], 2)) == (0.59, 0.67)
    estimated = scaling.components_summary(computed("components")).query("quantity == 'gpu_share_two_sockets'")
    for epochs, share in found.items():
        above = estimated.set_index("epochs")["mean"][epochs] / share - 1
        assert 0.025 < above < 0.055


def test_document_is_complete(small):
    document = scaling.document(small)
    assert document.keys() == set(QUANTITIES)
    assert document["energy"]["ratios"][-1]["ratio"] == pytest.approx(0.863, abs=5e-4)
    assert [len(document[name]["leave_one_out"]) for name in QUANTITIES] == [18, 18, 15]
    assert json.loads(json.dumps(document)) == document


class TestView:
    @pytest.mark.parametrize(
        "view", [ScalingView(), ScalingView("time", Lens(unit="Wh", country="FR")), ScalingView("gpu_energy")]
    )
    def test_round_trip(self, view):
        assert ScalingView.from_params(view.to_params()) == view

    def test_wrong_parameters(self):
        with pytest.raises(InvalidRecord, match="take one of energy, gpu_energy, time"):
            ScalingView.from_params({"quantity": "carbon"})
        with pytest.raises(InvalidRecord):
            ScalingView.from_params({"scope": "x"})

    def test_python_runs(self, capsys):
        exec(compile(ScalingView("time").to_python(), "copied", "exec"), {})
        assert "of_cell" in capsys.readouterr().out
