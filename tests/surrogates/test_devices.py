"""Calibrated devices in the lens: what is kept, what the benchmark shows of it, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from ecnas_core.analysis import explore
from ecnas_core.analysis.hardware import OFFICIAL_DEVICES, measured_on
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.ingest import OutputError
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.surrogates import devices
from ecnas_core.surrogates.devices import UnknownDevice
from ecnas_core.surrogates.transfer import TooFewCells, calibrate
from tests.bundle import few_cells

NAME = "NVIDIA O'Hare; drop view benchmark; --"
SIZES = {"4V": 91, "5V": 2532, "7V": 2532}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return Benchmark(tmp_path_factory.mktemp("user"), few_cells(tmp_path_factory.mktemp("bundled") / "data"))


@pytest.fixture(scope="module")
def measured(bench: Benchmark) -> pd.DataFrame:
    """The RTX 3060, of which only the GPU's energy is known."""
    return measured_on(bench, "RTX 3060").assign(energy_kwh=np.nan).dropna(subset="gpu_energy_j")


@pytest.fixture(scope="module")
def kept(bench: Benchmark, measured: pd.DataFrame) -> pd.DataFrame:
    return pq.read_table(devices.save(bench, NAME, measured)).to_pandas()


def test_what_was_measured_is_that_of_the_released_file(bench):
    """Energies stored, joules recorded; without outliers."""
    for device in OFFICIAL_DEVICES:
        found = measured_on(bench, device).set_index("hash")
        stored = bench.frame(
            "select hash, energy_kwh, gpu_energy_j from results where device = ? and epochs = 4 and source like ?",
            [device, f"%{device.replace(' ', '').lower()}.tfrecord"],
        ).set_index("hash")
        assert 60 <= len(found) <= len(stored) <= 91
        shared = stored.loc[found.index]
        known = found["energy_kwh"].notna()
        assert np.allclose(found["energy_kwh"][known], shared["energy_kwh"][known], rtol=1e-12)
        known = found["gpu_energy_j"].notna()
        assert known.sum() >= 60
        assert np.allclose(found["gpu_energy_j"][known], shared["gpu_energy_j"][known], rtol=1e-9)


def test_every_cell_of_every_space_is_predicted(bench, kept, measured):
    assert bench.devices() == [NAME]
    assert set(kept["device"]) == {NAME}
    assert kept["energy_kwh"].isna().all()
    assert (kept["gpu_energy_j_low"] < kept["gpu_energy_j"]).all()
    assert (kept["gpu_energy_j"] < kept["gpu_energy_j_high"]).all()
    assert kept.groupby("space").size().to_dict() == {"4V": 4 * 91, "5V": 4 * 2532, "7V": SIZES["7V"]}
    assert (kept["measured_cells"] == len(measured)).all()


@pytest.mark.parametrize("space", SIZES)
def test_the_lens_shows_each_cell_its_own_prediction(bench, kept, measured, space):
    known = measured.rename(columns={"gpu_energy_j": "energy"})[["hash", "energy"]]
    expected = calibrate(bench, known, space).predict().set_index("hash")
    lens = Lens(scope="GPU", unit="Wh", device=NAME)
    for epochs in (4, 36):
        found = bench.frame(
            f"select hash, {lens.energy_sql()} as energy, {lens.energy_interval_sql()[0]} as low, "
            f"{lens.energy_interval_sql()[1]} as high, energy_kwh, energy_provenance, energy_source, energy_artefact "
            f"from {lens.table} where space = ? and epochs = ?",
            [space, epochs],
        ).set_index("hash")
        assert len(found) == SIZES[space]
        for name in ("energy", "low", "high"):
            wanted = expected[name].loc[found.index] / 3600 * epochs / 4
            assert np.allclose(found[name], wanted, rtol=1e-6), name
        assert found["energy_kwh"].isna().all()
        assert found["energy_artefact"].isna().all()
        assert set(found["energy_provenance"]) == {"predicted"}
        assert set(found["energy_source"]) == {NAME}


def test_facility_energy_of_a_gpu_alone_is_unknown(bench, kept):
    picture = explore.picture(bench, View(space="5V", lens=Lens(device=NAME)))
    assert (picture.both, len(picture.front)) == (0, 0)


def test_front_and_card_are_of_the_device(bench, kept):
    lens = Lens(scope="GPU", device=NAME)
    front = explore.picture(bench, View(space="5V", epochs=4, lens=lens)).front
    entry = bench.query(front["hash"].iloc[0], 4, "5V", device=NAME)
    assert lens.convert(None, entry.gpu_energy_j) == pytest.approx(front["x"].iloc[0], rel=1e-9)
    assert lens.convert(None, entry.gpu_energy_j_low) == pytest.approx(front["x_low"].iloc[0], rel=1e-9)
    assert entry.energy_provenance == "predicted"
    own = bench.query(front["hash"].iloc[0], 4, "5V")
    assert own.energy_provenance == "measured"
    assert own.gpu_energy_j_low is None


def test_corrected_by_the_mean_ratio_of_4v(bench, kept):
    """As for the surrogate's energies: only the energy of 4 epochs is known."""
    ratio = bench.query("043721b9c7fe8c5fad811d47d83132ec", 108, "7V").energy_correction
    lens = Lens(scope="GPU", device=NAME)
    for epochs, factor in ((4, 1), (108, ratio)):
        both = [
            bench.arrays(f"select {each.energy_sql()} as x from {each.table} where space = '5V' and epochs = {epochs}")
            for each in (lens, replace(lens, corrected=True))
        ]
        assert np.allclose(both[1][0] / both[0][0], factor, rtol=1e-9)


def test_url_carries_the_device():
    lens = Lens(device=NAME)
    assert lens.to_params() == {"calibrated": NAME}
    assert Lens.from_params(lens.to_params()) == lens
    assert NAME in lens.describe()


def test_a_device_that_is_not_there_shows_nothing(bench):
    assert bench.rows(f"select count(*) as n from {Lens(device='nobody').table} where space = '4V'") == [{"n": 0}]


def test_too_few_cells(bench, kept, measured):
    with pytest.raises(TooFewCells, match="energies of 2 cells of mine are known, too few; measure at least 3"):
        devices.save(bench, "mine", measured.head(2))
    assert bench.devices() == [NAME]


def test_forgotten_and_made_again(bench, kept, measured):
    devices.save(bench, "other", measured)
    assert bench.devices() == [NAME, "other"]
    devices.remove(bench, "other")
    assert bench.devices() == [NAME]
    with pytest.raises(UnknownDevice, match="no calibrated device is called 'other'"):
        devices.remove(bench, "other")


def test_no_place_to_keep_it(bench, tmp_path, measured):
    (tmp_path / "devices").write_text("in the way")
    with pytest.raises(OutputError, match="devices"):
        devices.save(Benchmark(tmp_path, bench.bundled), "mine", measured)
