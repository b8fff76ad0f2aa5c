"""The view of the Carbon page, and trainings of cells against the Parquet files."""

from __future__ import annotations

from functools import cache

import pytest
from msgspec.structs import replace

from ecnas_core import Benchmark
from ecnas_core.analysis import footprint
from ecnas_core.analysis.footprint import CarbonView, UnknownEnergy
from ecnas_core.benchmark import UnknownCell
from ecnas_core.carbon import Lens, grid
from ecnas_core.errors import EcnasError

VIEWS = [
    CarbonView(),
    CarbonView(section="table"),
    CarbonView(space="4V", epochs=12, cell="r1", trainings=1000, images=1_280_000),
    CarbonView(cell="0" * 32, lens=Lens(scope="IT", country=None, g_per_kwh=300.0)),
]


@pytest.fixture(scope="module")
def bench():
    return Benchmark.open()


@pytest.fixture(scope="module")
def front(bench, small):
    """The extremes and the knee of a space at a budget, found once; in 7V among all its cells."""
    return cache(lambda space, epochs: footprint.front(bench if space == "7V" else small, space, epochs))


@pytest.mark.parametrize("view", VIEWS)
def test_a_link_gives_the_view_back(view):
    assert CarbonView.from_params(view.to_params()) == view


def test_defaults_are_left_out_of_the_link():
    assert CarbonView().to_params() == {}
    assert CarbonView(cell="r0", trainings=3).to_params() == {"of": "r0", "trainings": "3"}


@pytest.mark.parametrize(
    "params",
    [
        {"section": "x"},
        {"space": "6V"},
        {"epochs": "5"},
        {"epochs": ""},
        {"of": "r2"},
        {"of": "abc"},
        {"trainings": "0"},
        {"trainings": "1.5"},
        {"trainings": "-1"},
        {"trainings": "9" * 5000},
        {"images": "0"},
        {"images": "²"},
        {"images": "10000000000"},
        {"grid": "XX"},
    ],
)
def test_broken_links_are_named_errors(params):
    with pytest.raises(EcnasError):
        CarbonView.from_params(params)


@pytest.mark.parametrize("view", [VIEWS[2], CarbonView(section="table")])
def test_python_runs(view, capsys):
    exec(compile(view.to_python(), "copied", "exec"), {})
    assert ("TKM" if view.section == "footprint" else "gpu_days") in capsys.readouterr().out


@pytest.mark.parametrize(("space", "epochs"), [("4V", 108), ("5V", 4), ("7V", 108)])
def test_front_is_moocore_s(front, truth, space, epochs):
    expected = truth.front(truth.cells(space, epochs))
    found = front(space, epochs)
    assert found == {
        "r0": expected["hash"].iloc[0],
        "rk": truth.knee(expected)["hash"],
        "r1": expected["hash"].iloc[-1],
    }


def test_footprint_by_hand(small, front, truth):
    view = CarbonView(space="4V", epochs=12, trainings=5, images=80_000, lens=Lens(pue=1.2, country="ZA", unit="Wh"))
    digest = front("4V", 12)["r1"]
    row = footprint.trainings(small, view, [digest]).iloc[0]
    energy = truth.cell(digest, "4V", 12)["energy"] / 1.59 * 1.2 * 5 * 2
    assert row["energy_kwh"] == pytest.approx(energy)
    assert row["kgco2eq"] == pytest.approx(energy * grid("ZA").intensity / 1000)
    assert row["energy_provenance"] == "measured"
    by_country = footprint.countries(small, replace(view, cell="r1")).set_index("code")
    assert by_country.loc["ZA", "kgco2eq"] == pytest.approx(row["kgco2eq"])


@pytest.mark.parametrize(("scope", "expected"), [("IT", "energy"), ("GPU", "gpu_energy_j")])
def test_other_scopes(small, front, truth, scope, expected):
    digest = front("5V", 4)["rk"]
    row = footprint.trainings(small, CarbonView(space="5V", epochs=4, lens=Lens(scope=scope)), [digest]).iloc[0]
    cell = truth.cell(digest, "5V", 4)
    assert row["energy_kwh"] == pytest.approx(cell["energy"] / 1.59 if scope == "IT" else cell[expected] / 3.6e6)


def test_order_is_kept_and_cells_of_other_spaces_left_out(small, front):
    wide = front("7V", 108)["r1"]
    narrow = list(front("4V", 108).values())
    found = footprint.trainings(small, CarbonView(space="4V"), [narrow[2], wide, narrow[0], narrow[2]])
    assert list(found["hash"]) == [narrow[2], narrow[0]]


def test_savings_against_the_front(small, front):
    at_front = front("5V", 108)
    found = footprint.compared(small, CarbonView(space="5V"), at_front["rk"], at_front)
    assert list(found["role"]) == ["rk", "r0", "r1"]
    assert list(found["saved_kgco2eq"]) == pytest.approx(list(found["kgco2eq"].iloc[0] - found["kgco2eq"]))
    assert found["saved_kgco2eq"].iloc[1] > 0 > found["saved_kgco2eq"].iloc[2]


def test_unknown_is_an_error_never_a_number(small, front):
    with pytest.raises(UnknownEnergy, match="GPU"):
        footprint.countries(small, CarbonView(lens=Lens(scope="GPU")))
    with pytest.raises(UnknownCell, match="larger space"):
        footprint.countries(small, CarbonView(space="4V", cell=front("7V", 108)["r1"]))
