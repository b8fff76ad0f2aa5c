"""The carbon intensities against the table that carbontracker ships, read by another reader."""

from __future__ import annotations

from importlib.metadata import files

import pandas as pd
import pytest

from ecnas_core.carbon import Grid, UnknownGrid, grid, grids, intensity
from ecnas_core.carbon.intensity import MissingTable
from ecnas_core.errors import EcnasError


@pytest.fixture(scope="module")
def shipped() -> pd.DataFrame:
    table = next(each for each in files("carbontracker") if each.name == "carbon-intensities.csv")
    return pd.read_csv(table.locate(), keep_default_na=False).set_index("alpha-2")


def test_every_country_is_there_with_its_figure(shipped):
    assert shipped.index.is_unique
    assert grids().keys() == set(shipped.index)
    assert len(grids()) == 212
    for code, row in shipped.iterrows():
        intensity = float(row["Carbon intensity of electricity (gCO2eq/kWh)"])
        assert grid(code) == Grid(code, row["Entity"], int(row["Year"]), intensity, row["Code"])


def test_a_grid_without_emissions_is_a_gap_in_the_table():
    assert [each.code for each in grids().values() if each.is_artefact] == ["CF"]


def test_codes_are_two_letters_so_that_no_code_is_taken_for_a_number():
    assert all(len(code) == 2 and code.isascii() and code.isalpha() and code.isupper() for code in grids())


def test_countries_stand_in_the_order_of_their_names():
    names = [each.country for each in grids().values()]
    assert names == sorted(names)


def test_intensities_are_possible():
    assert all(0 <= each.intensity <= 2000 and 1990 <= each.year <= 2100 for each in grids().values())


@pytest.mark.parametrize("code", ["", "dk", "DNK", "XX", "Denmark", "D\0", "12"])
def test_unknown_country_is_a_named_error_with_a_remedy(code):
    with pytest.raises(UnknownGrid) as raised:
        grid(code)
    assert isinstance(raised.value, EcnasError)
    assert repr(code) in str(raised.value)
    assert "two-letter" in str(raised.value)


@pytest.mark.parametrize("folder", [None, "elsewhere"])
def test_missing_table_is_a_named_error_with_a_remedy(monkeypatch, tmp_path, folder):
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path / folder)]})() if folder else None
    monkeypatch.setattr(intensity, "find_spec", lambda name: spec)
    grids.cache_clear()
    try:
        with pytest.raises(MissingTable, match=r"requirements\.txt"):
            grids()
    finally:
        monkeypatch.undo()
        grids.cache_clear()
    assert grid("DK").country == "Denmark"
