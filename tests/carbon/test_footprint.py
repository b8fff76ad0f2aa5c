"""Footprints by country against carbontracker's table, and workloads by hand."""

from __future__ import annotations

from importlib.metadata import files

import pandas as pd
import pytest

from ecnas_core.carbon.footprint import Workload, by_country
from ecnas_core.records import InvalidRecord


def test_every_country_of_the_table():
    table = next(each for each in files("carbontracker") if each.name == "carbon-intensities.csv")
    shipped = pd.read_csv(table.locate(), keep_default_na=False).set_index("alpha-2")
    found = by_country(2.5).set_index("code")
    assert len(found) == 212
    intensity = shipped["Carbon intensity of electricity (gCO2eq/kWh)"].astype(float)
    assert found["kgco2eq"].to_dict() == pytest.approx((2.5 * intensity / 1000).to_dict())
    assert found["alpha3"].to_dict() == shipped["Code"].to_dict()
    assert found["kgco2eq"].is_monotonic_increasing


def test_the_gap_is_marked():
    found = by_country(1.0)
    assert list(found.loc[found["artefact"], "code"]) == ["CF"]


@pytest.mark.parametrize(
    ("trainings", "images", "factor", "extrapolated"),
    [(1, 40_000, 1, False), (7, 40_000, 7, False), (1, 1_280_000, 32, True), (10, 20_000, 5, True)],
)
def test_energy_is_linear_in_trainings_and_images(trainings, images, factor, extrapolated):
    load = Workload(trainings, images)
    assert (load.factor, load.is_extrapolated) == (factor, extrapolated)


@pytest.mark.parametrize("load", [(0, 1), (1, 0), (-1, 1), (1_000_001, 1), (1, 1_000_000_001)])
def test_impossible_workloads_are_named_errors(load):
    with pytest.raises(InvalidRecord, match="give a whole number, 1 to"):
        Workload(*load)
