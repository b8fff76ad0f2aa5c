"""A measured step beside the benchmark: the arithmetic by hand, the entries against the stored figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import benchmark_reference
from ecnas_core.benchmark import UnknownEpochs
from ecnas_core.carbon import Lens

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results" / "*.parquet"
OF_4V = "38e55ad9ee9194f5392fcccb3e54a4c3"
OF_7V = "00005c142e6f48ac74fdcf73e3439874"
DEVICES = ["Quadro RTX 6000", "Titan Xp", "RTX 3060", "RTX 3090"]


@dataclass(frozen=True)
class Step:
    """A step of 256 images, an epoch of 40,000."""

    hash: str = OF_4V
    mode: str = "train"
    images_per_epoch: int = 40_000
    gpu_energy_j_per_step: float | None = 40.0
    cpu_energy_j_per_step: float | None = None

    def energy_j(self, component, epochs):
        joules = getattr(self, f"{component}_energy_j_per_step")
        return None if joules is None else joules * self.images_per_epoch / 256 * epochs

    def facility_kwh(self, epochs, pue):
        gpu, cpu = self.energy_j("gpu", epochs), self.energy_j("cpu", epochs)
        return None if gpu is None or cpu is None else (gpu + cpu) / 3.6e6 * pue


@pytest.mark.parametrize(
    ("step", "lens", "expected"),
    [
        (Step(), Lens(scope="GPU", unit="Wh"), 40 * 156.25 * 4 / 3600),
        (Step(), Lens(), None),
        (Step(cpu_energy_j_per_step=10.0), Lens(), 50 * 156.25 * 4 / 3.6e6 * 1.59),
        (Step(cpu_energy_j_per_step=10.0), Lens(pue=1.2), 50 * 156.25 * 4 / 3.6e6 * 1.2),
        (Step(cpu_energy_j_per_step=10.0), Lens(scope="IT"), 50 * 156.25 * 4 / 3.6e6),
        (Step(gpu_energy_j_per_step=0.0, cpu_energy_j_per_step=10.0), Lens(scope="IT"), 10 * 156.25 * 4 / 3.6e6),
        (Step(gpu_energy_j_per_step=0.0, cpu_energy_j_per_step=10.0), Lens(scope="GPU"), None),
        (Step(gpu_energy_j_per_step=None, cpu_energy_j_per_step=10.0), Lens(), None),
    ],
)
def test_a_step_under_the_lens(step, lens, expected):
    found = benchmark_reference.value(step, lens, 4)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_a_4v_cell_stands_beside_the_four_gpus_and_three_spaces(small):
    step = Step(cpu_energy_j_per_step=10.0)
    found = benchmark_reference.entries(small, step, Lens()).set_index("name")
    assert list(found.index) == [*DEVICES, "4V, measured", "5V, measured", "7V, surrogate"]
    stored = duckdb.sql(
        f"select device, energy_kwh from '{RESULTS}' where hash = '{OF_4V}' and epochs = 4 "
        "and regexp_matches(source, 'quadro|titan|rtx30')"
    ).fetchall()
    energies = dict(stored)
    assert len(stored) == 4
    for device in DEVICES:
        assert found.loc[device, "value"] == pytest.approx(energies[device])
        assert found.loc[device, "provenance"] == "measured"
    own = 50 * 156.25 * 4 / 3.6e6 * 1.59
    assert list(found["ratio"]) == pytest.approx(list(own / found["value"]))


def test_at_108_epochs_the_gpus_are_27_times_the_4_epoch_ones(small):
    short, long = (
        benchmark_reference.entries(small, Step(), Lens(scope="GPU"), epochs).set_index("name") for epochs in (4, 108)
    )
    assert list(long.loc[DEVICES, "value"]) == pytest.approx(list(27 * short.loc[DEVICES, "value"]))
    assert set(long.loc[DEVICES, "provenance"]) == {"scaled"}
    assert list(long.loc[DEVICES, "ratio"]) == pytest.approx(list(short.loc[DEVICES, "ratio"]))
    assert "5V, 4 epochs, scaled" in long.index


def test_a_large_cell_has_the_surrogate_alone_and_no_gpu_share():
    bench = Benchmark.open()
    found = benchmark_reference.entries(bench, Step(hash=OF_7V, cpu_energy_j_per_step=10.0), Lens())
    assert list(found["name"]) == ["7V, surrogate"]
    assert found["value"].iloc[0] == pytest.approx(bench.query(OF_7V, 4).energy_kwh)
    gpu = benchmark_reference.entries(bench, Step(hash=OF_7V), Lens(scope="GPU"))
    assert gpu["value"].isna().all()
    assert gpu["ratio"].isna().all()


def test_epochs_of_another_size_are_brought_to_the_benchmarks(small):
    large = Step(images_per_epoch=50_000, cpu_energy_j_per_step=10.0)
    assert benchmark_reference.value(large, Lens(), 4) == pytest.approx(50 * 50_000 / 256 * 4 / 3.6e6 * 1.59)
    assert benchmark_reference.comparable(large, Lens(), 4) == pytest.approx(50 * 156.25 * 4 / 3.6e6 * 1.59)
    assert benchmark_reference.comparable(Step(), Lens(), 4) is None
    ratios = [
        list(benchmark_reference.entries(small, step, Lens())["ratio"])
        for step in (large, Step(cpu_energy_j_per_step=10.0))
    ]
    assert ratios[0] == pytest.approx(ratios[1])


def test_an_unknown_scope_gives_entries_without_ratio(small):
    found = benchmark_reference.entries(small, Step(), Lens())
    assert found["value"].notna().all()
    assert found["ratio"].isna().all()


def test_inference_has_nothing_to_stand_beside(small):
    assert benchmark_reference.entries(small, Step(mode="inference"), Lens()).empty


def test_an_unknown_budget_is_refused(small):
    with pytest.raises(UnknownEpochs):
        benchmark_reference.entries(small, Step(), Lens(), 5)
