"""The 4V cells on different devices, against the Parquet files, scipy and moocore."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path

import duckdb
import moocore
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.stats import kendalltau

from ecnas_core import Benchmark
from ecnas_core.analysis import hardware
from ecnas_core.analysis.hardware import HardwareView, UnknownDevice
from ecnas_core.benchmark.schema import MEASUREMENTS
from ecnas_core.carbon import Lens
from ecnas_core.errors import EcnasError
from ecnas_core.records import InvalidRecord, to_json

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"
FILES = {
    "Quadro RTX 6000": "quadrortx6000",
    "Titan Xp": "titanxp",
    "RTX 3060": "rtx3060",
    "RTX 3090": "rtx3090",
}
BURNT, HOT = "256affa4b0191e323796f138db7b1164", "232b900e952d86a83b0ff85c0a22cca0"


@pytest.fixture(scope="module")
def bench(tmp_path_factory, few):
    return Benchmark(tmp_path_factory.mktemp("user"), few)


@pytest.fixture(scope="module")
def compare(bench):
    """The comparison under a view, computed once: no test changes it."""
    compared = cache(lambda view: hardware.compare(bench, view))
    return lambda **changes: compared(HardwareView(**changes))


@pytest.fixture(scope="module")
def released():
    """Every record of the four files at 4 epochs."""
    parts = [
        duckdb.sql(f"select * from '{RESULTS}/energy_4V9E_{file}.parquet' where epochs = 4").df().assign(device=device)
        for device, file in FILES.items()
    ]
    return pd.concat(parts).set_index(["hash", "device"])


@pytest.fixture(scope="module")
def energies(released):
    return released["energy_kwh"].unstack()[list(FILES)]


@pytest.fixture(scope="module")
def error():
    """Published validation error at 108 epochs by hash."""
    folder = RESULTS.parent / "benchmark"
    frame = duckdb.sql(f"select hash, 1 - validation_accuracy as e from '{folder}/4V.parquet' where epochs = 108").df()
    return frame.set_index("hash")["e"]


def wide(compared, values):
    return pd.DataFrame(values, index=compared.cells["hash"], columns=list(compared.devices))


def measured(folder: Path, rows: list[dict], name: str = "measured") -> Path:
    """A file of the user's measurements."""
    base = {
        "measurement": "m",
        "measured_at": datetime(2026, 1, 2),
        "device": "RTX 4090",
        "mode": "train",
        "batch_size": 256,
        "seconds_per_step": 0.1,
        "source": name,
    }
    columns = {
        field.name: pa.array([(base | row).get(field.name) for row in rows], field.type) for field in MEASUREMENTS
    }
    (folder / "measurements").mkdir(parents=True, exist_ok=True)
    path = folder / "measurements" / f"{name}.parquet"
    pq.write_table(pa.table(columns), path)
    return path


class TestEnergies:
    def test_are_those_of_the_four_files(self, compare, energies):
        compared = compare()
        assert compared.devices == tuple(FILES)
        found = wide(compared, compared.energy_kwh).sort_index()
        pd.testing.assert_frame_equal(found, energies, check_names=False)
        assert (compared.values == compared.energy_kwh)[~np.isnan(compared.values)].all()
        assert compared.own == frozenset()
        assert compared.left_out == {}
        assert compared.unused == 0

    def test_counts_means_and_the_leanest(self, compare, energies):
        found = hardware.by_device(compare()).set_index("device")
        assert dict(found["cells"]) == {"Quadro RTX 6000": 91, "Titan Xp": 91, "RTX 3060": 88, "RTX 3090": 91}
        assert list(found["mean"]) == pytest.approx(list(energies.mean()))
        assert list(found["least"]) == pytest.approx(list(energies.min()))
        assert list(found["most"]) == pytest.approx(list(energies.max()))
        ratios = energies.div(energies["RTX 3060"], axis=0).median()
        assert list(found["ratio"]) == pytest.approx(list(ratios))
        assert not found["own"].any()

    @pytest.mark.parametrize(
        ("lens", "expected"),
        [
            (Lens(unit="Wh"), lambda r: r["energy_kwh"] * 1000),
            (Lens(scope="IT"), lambda r: r["energy_kwh"] / 1.59),
            (Lens(pue=1.2), lambda r: r["energy_kwh"] / 1.59 * 1.2),
            (Lens(scope="GPU"), lambda r: r["gpu_energy_j"] / 3.6e6),
            (Lens(unit="kgCO2eq", country=None, g_per_kwh=250), lambda r: r["energy_kwh"] * 0.25),
        ],
        ids=["Wh", "IT", "PUE", "GPU", "kgCO2eq"],
    )
    def test_under_the_lens(self, compare, released, lens, expected):
        compared = compare(lens=lens)
        found = wide(compared, compared.values).stack().dropna()
        assert found.sort_index().to_numpy() == pytest.approx(expected(released).sort_index().to_numpy())

    @pytest.mark.parametrize(
        ("metric", "scope", "expected"),
        [
            ("time", "facility", lambda r: r["training_time_s"]),
            ("power", "facility", lambda r: r["energy_kwh"] * 3.6e6 / r["training_time_s"]),
            ("power", "IT", lambda r: r["energy_kwh"] * 3.6e6 / 1.59 / r["training_time_s"]),
            ("power", "GPU", lambda r: r["gpu_power_w"]),
            ("energy_per_image", "facility", lambda r: r["energy_kwh"] * 3.6e6 / 160_000),
            ("energy_per_image", "GPU", lambda r: r["gpu_energy_j"] / 160_000),
            ("gpu_share", "facility", lambda r: 100 * r["gpu_energy_j"] / (r["gpu_energy_j"] + r["cpu_energy_j"])),
        ],
    )
    def test_other_metrics(self, compare, released, metric, scope, expected):
        compared = compare(metric=metric, lens=Lens(scope=scope))
        found = wide(compared, compared.values).stack().dropna().sort_index()
        assert len(found) == 361
        assert found.to_numpy() == pytest.approx(expected(released).sort_index().to_numpy())

    def test_nothing_was_scaled_that_a_lens_might_correct(self, compare):
        for scope in ("facility", "GPU"):
            plain, corrected = (
                compare(metric=metric, lens=Lens.from_params({"scope": scope} | more))
                for metric, more in (("energy", {}), ("energy", {"corrected": "1"}))
            )
            assert np.array_equal(plain.values, corrected.values, equal_nan=True)

    def test_a_metric_says_its_unit(self, compare):
        shown = {name: HardwareView(metric=name).shown.axis for name in hardware.METRICS}
        assert shown == {
            "energy": "Energy (kWh)",
            "time": "Training time (s)",
            "power": "Mean power (W)",
            "energy_per_image": "Energy per image (J)",
            "gpu_share": "GPU share (%)",
        }

    def test_the_stored_energy_counts_not_the_recorded_joules(self, released):
        """The joules cover the whole run, and on two machines one CPU socket of two: they do not give the energy."""
        recorded = (released["gpu_energy_j"] + released["cpu_energy_j"]) / 3.6e6 * 1.59 / released["energy_kwh"]
        means = recorded.groupby("device").mean().round(2)
        assert dict(means) == {"Quadro RTX 6000": 0.98, "Titan Xp": 1.10, "RTX 3060": 1.22, "RTX 3090": 1.28}


def test_a_4v_without_the_budget_of_the_accuracies_is_compared_all_the_same(tmp_path, few):
    bundled, own = (folder / "benchmark" / "4V.parquet" for folder in (few, tmp_path))
    own.parent.mkdir()
    duckdb.sql(f"copy (select * from '{bundled}' where epochs <= 12) to '{own}'")
    compared = hardware.compare(Benchmark(tmp_path, few))
    assert compared.values.shape == (91, len(FILES))
    assert compared.cells["validation_accuracy"].isna().all()


class TestOrder:
    def test_by_one_device_cells_without_a_figure_last(self, compare, energies):
        compared = compare(sort="RTX 3060")
        known = energies["RTX 3060"].sort_values()
        assert list(compared.cells["hash"])[:88] == list(known.index[:88])
        assert np.isnan(compared.values[88:, 2]).all()

    def test_by_mean_is_by_the_mean_logarithm_with_the_devices_level_taken_off(self, compare, energies):
        logs = np.log(energies)
        expected = (logs - logs.mean()).mean(axis=1).sort_values()
        compared = compare()
        assert list(compared.cells["hash"]) == list(expected.index)
        assert list(compared.frame["hash"].drop_duplicates()) == list(expected.index)

    def test_where_footprints_are_zero_the_axis_is_linear_and_cells_are_still_ranked(self, compare):
        view = HardwareView(lens=Lens(unit="kgCO2eq", country=None, g_per_kwh=0))
        assert not view.logarithmic
        compared = compare(lens=view.lens)
        assert np.nansum(compared.values) == 0
        assert hardware.ranking(compared)["kendall_tau"].tolist() == pytest.approx(
            hardware.ranking(compare())["kendall_tau"].tolist()
        )


class TestRanking:
    @pytest.mark.parametrize(
        ("b", "tau", "cells"), [("Titan Xp", 0.893, 91), ("RTX 3060", 0.896, 88), ("RTX 3090", 0.718, 91)]
    )
    def test_known_values(self, compare, b, tau, cells):
        pairs = hardware.ranking(compare()).set_index(["a", "b"])
        row = pairs.loc[("Quadro RTX 6000", b)]
        assert round(row["kendall_tau"], 3) == tau
        assert row["cells"] == cells

    @pytest.mark.parametrize("changes", [{}, {"outliers": False}, {"metric": "time"}, {"lens": Lens(scope="GPU")}])
    def test_every_pair_as_scipy(self, compare, changes):
        compared = compare(**changes)
        values = wide(compared, compared.values)
        pairs = hardware.ranking(compared)
        assert len(pairs) == 6
        for row in pairs.itertuples():
            known = values[[row.a, row.b]].dropna()
            assert row.cells == len(known)
            assert row.kendall_tau == pytest.approx(kendalltau(known[row.a], known[row.b]).statistic)
            assert row.low < row.kendall_tau < row.high

    def test_does_not_depend_on_order_or_unit(self, compare):
        expected = hardware.ranking(compare())
        for changes in ({"sort": "RTX 3090"}, {"lens": Lens(unit="Wh", pue=1.1)}):
            pd.testing.assert_frame_equal(hardware.ranking(compare(**changes)), expected)

    def test_overlap_as_sets(self, compare, energies):
        shares = hardware.overlap(compare())
        assert set(shares["k"]) == set(range(1, 46))
        for row in shares[shares["k"].isin([1, 10, 45])].itertuples():
            known = energies[[row.a, row.b]].dropna()
            leanest = [set(known[name].nsmallest(row.k).index) for name in (row.a, row.b)]
            assert row.share == pytest.approx(len(leanest[0] & leanest[1]) / row.k)
            assert row.by_chance == pytest.approx(row.k / len(known))


class TestOutliers:
    def test_by_the_rule_in_plain_pandas(self, compare, energies):
        residuals = np.log(energies)
        for _ in range(20):
            residuals = residuals.sub(residuals.median(axis=1), axis=0)
            residuals = residuals - residuals.median()
        scores = 0.6745 * residuals / residuals.abs().median()
        expected = scores.stack()
        expected = expected[expected.abs() > 3.5].sort_values(key=abs, ascending=False)
        found = hardware.outlying(compare())
        assert list(zip(found["hash"], found["device"], strict=True)) == list(expected.index)
        assert list(found["outlier_score"]) == pytest.approx(list(expected))
        assert list(found["energy_factor"]) == pytest.approx([np.exp(residuals.loc[place]) for place in expected.index])

    def test_those_of_the_rtx_3090_took_longer_too(self, compare):
        found = hardware.outlying(compare())
        slower = found[found["time_factor"] > 1.1]
        assert list(slower["device"]) == ["RTX 3090"] * 21

    @pytest.mark.parametrize("scope", ["facility", "IT", "GPU"])
    def test_the_two_known_ones_are_the_most_extreme(self, compare, scope):
        found = hardware.outlying(compare(lens=Lens(scope=scope)))
        assert set(found["device"].head(2)) == {"RTX 3090"}
        if scope != "GPU":
            assert list(found["hash"].head(2)) == [BURNT, HOT]
            assert list(found["energy_kwh"].head(2)) == pytest.approx([0.179, 0.050], abs=5e-4)

    def test_most_of_them_are_of_one_device(self, compare):
        counts = hardware.by_device(compare()).set_index("device")["outliers"]
        assert dict(counts) == {"Quadro RTX 6000": 0, "Titan Xp": 3, "RTX 3060": 0, "RTX 3090": 21}

    def test_left_out_of_everything(self, compare, energies):
        before, after = compare(), compare(outliers=False)
        left = hardware.outlying(before)
        assert len(left) == len(hardware.outlying(after)) == 24
        mask = pd.DataFrame(False, energies.index, energies.columns)
        for row in left.itertuples():
            mask.loc[row.hash, row.device] = True
        pd.testing.assert_frame_equal(wide(after, after.values).sort_index(), energies.mask(mask), check_names=False)
        assert len(hardware.records(before)) == 361
        assert len(hardware.records(after)) == 361 - 24
        pairs = hardware.ranking(after).set_index(["a", "b"])
        assert pairs.loc[("Quadro RTX 6000", "RTX 3090"), "cells"] == 70
        assert pairs.loc[("Quadro RTX 6000", "RTX 3090"), "kendall_tau"] > 0.9
        assert hardware.fronts(after)["hash"].isin(left[left["device"] == "RTX 3090"]["hash"]).sum() == 0


class TestRegret:
    def test_fronts_and_extra_energy(self, compare, energies, error):
        found = hardware.fronts(compare(), "Quadro RTX 6000", "RTX 3090")
        known = energies[["Quadro RTX 6000", "RTX 3090"]].dropna().sort_index()
        for device in known:
            points = np.column_stack([known[device], error[known.index]])
            expected = known.index[moocore.is_nondominated(points, keep_weakly=False)]
            expected = known.loc[expected, device].sort_values().index
            assert list(found[found["front"] == device]["hash"]) == list(expected)
        for row in found.itertuples():
            as_good = known["RTX 3090"][error[known.index] <= error[row.hash]]
            assert row.least_b_kwh == pytest.approx(as_good.min())
            assert row.least_b_hash == as_good.idxmin()
            assert row.regret == pytest.approx(100 * (known.loc[row.hash, "RTX 3090"] / as_good.min() - 1))
        assert (found[found["front"] == "RTX 3090"]["regret"] == 0).all()

    def test_matrix_is_that_of_the_fronts(self, compare, energies, error):
        compared = compare()
        matrix = hardware.regret(compared)
        assert len(matrix) == 12
        for row in matrix.itertuples():
            found = hardware.fronts(compared, row.a, row.b)
            extra = found[found["front"] == row.a]["regret"]
            assert (row.front, row.mean_regret, row.max_regret) == (len(extra), extra.mean(), extra.max())
            known = energies[[row.a, row.b]].dropna()
            reference = [known[row.b].max(), error[known.index].max()]
            areas = [
                moocore.hypervolume(part[["energy_b_kwh", "validation_error"]].to_numpy(), ref=reference)
                for part in (found[found["front"] == row.a], found[found["front"] == row.b])
            ]
            assert row.hypervolume_lost == pytest.approx(100 * (1 - areas[0] / areas[1]), abs=1e-9)
            assert row.hypervolume_lost >= -1e-9

    def test_known_values(self, compare):
        matrix = hardware.regret(compare()).set_index(["a", "b"])
        row = matrix.loc[("Quadro RTX 6000", "RTX 3090")]
        assert (row["front"], round(row["mean_regret"], 2), round(row["max_regret"], 2)) == (17, 14.23, 95.98)
        without = hardware.regret(compare(outliers=False)).set_index(["a", "b"])
        assert without.loc[("Quadro RTX 6000", "RTX 3090"), "max_regret"] == 0

    def test_is_of_energy_whatever_the_metric(self, compare):
        pd.testing.assert_frame_equal(
            hardware.regret(compare(section="regret", metric="time")), hardware.regret(compare())
        )

    def test_accuracy_at_another_budget(self, compare, bench):
        found = hardware.fronts(compare(accuracy_epochs=12))
        known = bench.lookup(found["hash"], 12, "4V")
        assert list(found["validation_error"]) == pytest.approx(list(1 - known["validation_accuracy"]))


class TestOwnMeasurements:
    @pytest.fixture
    def own(self, tmp_path, few, energies):
        """A device of the user's that needs exactly half of the Quadro's energy."""
        joules = energies["Quadro RTX 6000"] / 2 * 3.6e6 / 1.59 / 4 / 40_000 * 256
        rows = [
            {"hash": digest, "gpu_energy_j_per_step": 0.8 * each, "cpu_energy_j_per_step": 0.2 * each}
            for digest, each in joules.items()
        ]
        measured(tmp_path, rows)
        return Benchmark(tmp_path, few)

    def test_are_a_further_device(self, own, energies):
        compared = hardware.compare(own)
        assert compared.devices == (*FILES, "RTX 4090 (own)")
        assert compared.own == {"RTX 4090 (own)"}
        found = wide(compared, compared.values)["RTX 4090 (own)"].sort_index()
        assert found.to_numpy() == pytest.approx(energies["Quadro RTX 6000"].to_numpy() / 2)
        pairs = hardware.ranking(compared).set_index(["a", "b"])
        assert pairs.loc[("Quadro RTX 6000", "RTX 4090 (own)"), "kendall_tau"] == pytest.approx(1)
        assert len(hardware.regret(compared)) == 20
        records = hardware.records(compared)
        assert set(records[records["own"]]["energy_provenance"]) == {"scaled"}
        assert set(records[~records["own"]]["energy_provenance"]) == {"measured"}

    def test_from_a_step_to_four_epochs(self, tmp_path, few):
        measured(
            tmp_path,
            [
                {
                    "hash": HOT,
                    "batch_size": 200,
                    "seconds_per_step": 0.2,
                    "gpu_energy_j_per_step": 40.0,
                    "cpu_energy_j_per_step": 10.0,
                }
            ],
        )
        bench = Benchmark(tmp_path, few)
        for metric, scope, expected in (
            ("energy", "facility", 50 * 40_000 / 200 * 4 / 3.6e6 * 1.59),
            ("energy", "IT", 50 * 40_000 / 200 * 4 / 3.6e6),
            ("energy", "GPU", 40 * 40_000 / 200 * 4 / 3.6e6),
            ("time", "facility", 0.2 * 800),
            ("power", "IT", 50 / 0.2),
            ("power", "GPU", 40 / 0.2),
            ("energy_per_image", "IT", 50 / 200),
            ("gpu_share", "facility", 80),
        ):
            compared = hardware.compare(bench, HardwareView(metric=metric, lens=Lens(scope=scope)))
            found = wide(compared, compared.values)["RTX 4090 (own, batch 200)"].dropna()
            assert dict(found) == {HOT: pytest.approx(expected)}, (metric, scope)

    def test_several_of_one_cell_are_averaged(self, tmp_path, few):
        measured(tmp_path, [{"hash": HOT, "gpu_energy_j_per_step": 30.0, "cpu_energy_j_per_step": 10.0}], "one")
        measured(tmp_path, [{"hash": HOT, "gpu_energy_j_per_step": 20.0, "cpu_energy_j_per_step": 10.0}], "two")
        compared = hardware.compare(Benchmark(tmp_path, few))
        joules = (40 + 30) / 2 * 40_000 / 256 * 4
        found = wide(compared, compared.values).loc[HOT, "RTX 4090 (own)"]
        assert found == pytest.approx(joules / 3.6e6 * 1.59)
        record = compared.frame[compared.frame["own"]].iloc[0]
        assert record["measurements"] == 2

    def test_a_thorough_one_stands_before_the_quick_ones(self, tmp_path, few):
        joules = {"hash": HOT, "cpu_energy_j_per_step": 0.5, "precision": "fp32"}
        measured(tmp_path, [joules | {"gpu_energy_j_per_step": 30.0, "effort": "quick"}], "one")
        bench = Benchmark(tmp_path, few)
        gpu = HardwareView(lens=Lens(scope="GPU"))
        compared = hardware.compare(bench, gpu)
        assert compared.unused == 0
        assert wide(compared, compared.values).loc[HOT, "RTX 4090 (own)"] == pytest.approx(
            30 * 40_000 / 256 * 4 / 3.6e6
        )
        measured(tmp_path, [joules | {"gpu_energy_j_per_step": 40.0, "effort": "thorough"}], "two")
        compared = hardware.compare(bench, gpu)
        assert compared.unused == 1
        assert wide(compared, compared.values).loc[HOT, "RTX 4090 (own)"] == pytest.approx(
            40 * 40_000 / 256 * 4 / 3.6e6
        )

    def test_another_batch_size_is_a_device_of_its_own(self, tmp_path, few):
        joules = {"hash": HOT, "gpu_energy_j_per_step": 30.0, "cpu_energy_j_per_step": 10.0}
        measured(tmp_path, [joules, joules | {"batch_size": 128}])
        compared = hardware.compare(Benchmark(tmp_path, few))
        found = wide(compared, compared.values).loc[HOT]
        assert found["RTX 4090 (own, batch 128)"] == pytest.approx(2 * found["RTX 4090 (own)"])

    def test_another_precision_is_a_device_of_its_own(self, tmp_path, few):
        joules = {"hash": HOT, "cpu_energy_j_per_step": 10.0}
        measured(
            tmp_path,
            [
                joules | {"gpu_energy_j_per_step": 30.0, "precision": "fp32"},
                joules | {"gpu_energy_j_per_step": 10.0, "precision": "bf16"},
            ],
        )
        compared = hardware.compare(Benchmark(tmp_path, few))
        found = wide(compared, compared.values).loc[HOT]
        assert found["RTX 4090 (own)"] == pytest.approx(2 * found["RTX 4090 (own, bf16)"])

    def test_without_the_cpu_there_is_the_gpu_scope_only(self, tmp_path, few):
        readings = {f"CPU {cpu}": cpu for cpu in (None, 0.0, -1.0, float("nan"), float("inf"))}
        names = [f"{device} (own)" for device in readings]
        measured(
            tmp_path,
            [
                {"hash": HOT, "device": device, "gpu_energy_j_per_step": 30.0, "cpu_energy_j_per_step": cpu}
                for device, cpu in readings.items()
            ],
        )
        bench = Benchmark(tmp_path, few)
        for scope in ("facility", "IT"):
            compared = hardware.compare(bench, HardwareView(lens=Lens(scope=scope)))
            assert compared.devices == tuple(FILES)
            assert set(compared.left_out) == set(names)
            assert all("the CPU's energy was not measured" in reason for reason in compared.left_out.values())
            assert compared.unused == 0
        gpu = hardware.compare(bench, HardwareView(lens=Lens(scope="GPU")))
        expected = dict.fromkeys(names, pytest.approx(30 * 40_000 / 256 * 4 / 3.6e6))
        assert dict(wide(gpu, gpu.values).loc[HOT, names]) == expected
        assert gpu.left_out == {}
        timed = hardware.compare(bench, HardwareView(metric="time"))
        assert dict(wide(timed, timed.values).loc[HOT, names]) == dict.fromkeys(
            names, pytest.approx(0.1 * 40_000 / 256 * 4)
        )

    def test_a_training_on_the_cpu_alone(self, tmp_path, few):
        measured(
            tmp_path, [{"hash": HOT, "device": "Ryzen", "gpu_energy_j_per_step": 0.0, "cpu_energy_j_per_step": 70.0}]
        )
        bench = Benchmark(tmp_path, few)
        compared = hardware.compare(bench)
        expected = 70 * 40_000 / 256 * 4 / 3.6e6 * 1.59
        assert wide(compared, compared.values).loc[HOT, "Ryzen (own)"] == pytest.approx(expected)
        gpu = hardware.compare(bench, HardwareView(lens=Lens(scope="GPU")))
        assert "the energy of a GPU was not measured" in gpu.left_out["Ryzen (own)"]

    def test_what_is_no_train_step_of_4v_is_not_used(self, tmp_path, few):
        good = {"hash": HOT, "gpu_energy_j_per_step": 30.0, "cpu_energy_j_per_step": 10.0}
        wrong = [
            {"mode": "inference"},
            {"mode": None},
            {"batch_size": 0},
            {"seconds_per_step": float("nan")},
            {"seconds_per_step": 0.0},
            {"device": None},
            {"hash": "00005c142e6f48ac74fdcf73e3439874"},
        ]
        measured(tmp_path, [good, *(good | change for change in wrong)])
        compared = hardware.compare(Benchmark(tmp_path, few))
        assert compared.unused == len(wrong)
        assert compared.frame["own"].sum() == 1

    def test_a_few_cells_are_not_judged_nor_do_they_move_the_others(self, tmp_path, few, compare):
        joules = {"gpu_energy_j_per_step": 900.0, "cpu_energy_j_per_step": 100.0}
        hashes = list(compare().cells["hash"][:4])
        measured(tmp_path, [{"hash": digest} | joules for digest in hashes])
        compared = hardware.compare(Benchmark(tmp_path, few))
        assert list(hardware.by_device(compared)["outliers"])[-1] == 0
        expected = hardware.outlying(compare())
        pd.testing.assert_frame_equal(hardware.outlying(compared), expected)
        pd.testing.assert_frame_equal(
            hardware.ranking(compared).query("b != 'RTX 4090 (own)'").reset_index(drop=True),
            hardware.ranking(compare()),
        )

    def test_an_odd_one_is_found_and_can_be_left_out(self, tmp_path, few, energies):
        joules = energies["Quadro RTX 6000"] / 2 * 3.6e6 / 1.59 / 4 / 40_000 * 256
        joules *= np.random.default_rng(0).lognormal(0, 0.02, len(joules))
        odd = joules.index[7]
        joules[odd] *= 3
        measured(
            tmp_path,
            [
                {"hash": digest, "gpu_energy_j_per_step": each * 0.9, "cpu_energy_j_per_step": each * 0.1}
                for digest, each in joules.items()
            ],
        )
        bench = Benchmark(tmp_path, few)
        found = hardware.outlying(hardware.compare(bench))
        own = found[found["own"]]
        assert own.iloc[0]["hash"] == odd
        assert own.iloc[0]["energy_factor"] == pytest.approx(3, rel=0.1)
        assert len(found) - len(own) == 24
        without = hardware.compare(bench, HardwareView(outliers=False))
        assert np.isnan(wide(without, without.values).loc[odd, "RTX 4090 (own)"])


class TestView:
    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"section": "ranking", "metric": "time", "k": "25"},
            {"section": "regret", "a": "Titan Xp", "b": "RTX 3060", "accuracy_epochs": "12"},
            {"sort": "RTX 3090", "outliers": "0", "scope": "IT", "unit": "Wh"},
            {"sort": "Some own card (own)", "metric": "gpu_share"},
        ],
        ids=lambda params: "&".join(params),
    )
    def test_through_the_address_and_back(self, params):
        view = HardwareView.from_params(params)
        assert view.to_params() == params
        assert HardwareView.from_params(view.to_params()) == view

    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"section": "prices"}, "energy, ranking, regret"),
            ({"metric": "joy"}, "gpu_share"),
            ({"k": "0"}, "give a whole number, 1 to 45"),
            ({"k": "46"}, "give a whole number, 1 to 45"),
            ({"k": "ten"}, "whole"),
            ({"k": "²"}, "whole"),
            ({"k": "9" * 5000}, "whole"),
            ({"outliers": "no"}, "0 or 1"),
            ({"a": "RTX 3090"}, "two devices"),
            ({"accuracy_epochs": "5"}, "4, 12, 36, 108"),
            ({"scope": "moon"}, "facility"),
        ],
    )
    def test_a_broken_address_says_what_is_wrong(self, params, words):
        with pytest.raises(InvalidRecord, match=words):
            HardwareView.from_params(params)

    @given(
        st.dictionaries(
            st.sampled_from(
                ["section", "metric", "sort", "outliers", "k", "a", "b", "accuracy_epochs", "scope", "pue"]
            ),
            st.one_of(st.text(max_size=8), st.sampled_from(["0", "1", "12", "energy", "regret", "mean", "RTX 3090"])),
        )
    )
    def test_any_address_opens_or_is_refused_by_name(self, params):
        try:
            view = HardwareView.from_params(params)
        except EcnasError:
            return
        assert HardwareView.from_params(view.to_params()) == view

    @pytest.mark.parametrize("changes", [{"sort": "RTX 9090"}, {"a": "RTX 9090"}, {"b": "RTX 9090"}])
    def test_an_unknown_device_is_named_with_those_there_are(self, compare, changes):
        with pytest.raises(
            UnknownDevice, match=r"'RTX 9090'; take one of Quadro RTX 6000, Titan Xp, RTX 3060, RTX 3090"
        ):
            compare(**changes)

    @pytest.mark.parametrize(
        ("section", "answer"),
        [("energy", "by_device"), ("ranking", "ranking"), ("regret", "regret")],
    )
    def test_the_python_of_a_view_computes_it(self, bench, monkeypatch, section, answer):
        view = HardwareView(section=section, a="Titan Xp", outliers=False, lens=Lens(scope="IT", unit="Wh"))
        printed = []
        monkeypatch.setattr(Benchmark, "open", lambda: bench)
        monkeypatch.setattr("builtins.print", printed.append)
        exec(view.to_python(), {})
        expected = getattr(hardware, answer)(hardware.compare(bench, view))
        pd.testing.assert_frame_equal(printed[0], expected)
        assert len(printed) == 2


class TestSummary:
    def test_is_json_with_the_known_figures(self, bench):
        document = json.loads(to_json(hardware.summary(bench)))
        assert (document["space"], document["epochs"], document["unit"]) == ("4V", 4, "kWh")
        devices = {row["device"]: row for row in document["devices"]}
        assert {name: row["cells"] for name, row in devices.items()} == dict.fromkeys(FILES, 91) | {"RTX 3060": 88}
        tau = document["kendall_tau"]
        assert round(tau["Quadro RTX 6000"]["Titan Xp"], 3) == round(tau["Titan Xp"]["Quadro RTX 6000"], 3) == 0.893
        low, high = document["kendall_tau_interval"]["RTX 3060"]["Quadro RTX 6000"]
        assert low < tau["RTX 3060"]["Quadro RTX 6000"] < high
        assert document["common_cells"]["RTX 3090"]["RTX 3060"] == 88
        assert len(document["regret"]) == 12
        assert [row["hash"] for row in document["outliers"][:2]] == [BURNT, HOT]

    def test_cells_have_their_energy_by_device(self, bench, energies):
        document = json.loads(to_json(hardware.summary(bench, HardwareView(sort="RTX 3090", lens=Lens(unit="Wh")))))
        assert len(document["cells"]) == 91
        row = document["cells"][-1]
        assert row["hash"] == BURNT
        assert row["cell"] == "1=conv3x3(0) 2=conv1x1(0,1) 3=output(0,2)"
        assert row["energy"]["RTX 3060"] is None
        assert row["energy"]["RTX 3090"] == pytest.approx(179.256)
        found = {row["hash"]: row["energy"]["Titan Xp"] for row in document["cells"]}
        assert found == pytest.approx(dict(energies["Titan Xp"] * 1000))

    def test_outliers_left_out_are_null(self, bench):
        view = replace(HardwareView(), outliers=False)
        document = json.loads(to_json(hardware.summary(bench, view)))
        assert document["outliers_left_out"]
        burnt = next(row for row in document["cells"] if row["hash"] == BURNT)
        assert burnt["energy"]["RTX 3090"] is None
        assert len(document["outliers"]) == 24
