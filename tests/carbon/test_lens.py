"""The lens by hand calculation, in Python and in SQL, and through the URL."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecnas_core.carbon import SCOPES, UNITS, Lens, UnknownGrid, grid, grids
from ecnas_core.errors import EcnasError
from ecnas_core.records import InvalidRecord

UNHURRIED = settings(deadline=None)

places = st.one_of(
    st.sampled_from(sorted(grids())).map(lambda code: {"country": code, "g_per_kwh": None}),
    st.floats(0, 2000).map(lambda intensity: {"country": None, "g_per_kwh": intensity}),
    st.integers(0, 2000).map(lambda intensity: {"country": None, "g_per_kwh": intensity}),
)
lenses = st.builds(
    lambda scope, unit, pue, place, corrected: Lens(scope=scope, unit=unit, pue=pue, corrected=corrected, **place),
    st.sampled_from(SCOPES),
    st.sampled_from(UNITS),
    st.one_of(st.floats(1, 3), st.integers(1, 3)),
    places,
    st.booleans(),
)
factors = st.one_of(st.none(), st.floats(0.5, 1.5))
energies = st.one_of(st.none(), st.floats(1e-6, 1e3))
joules = st.one_of(st.none(), st.floats(1, 1e9))


def test_default_shows_what_ec_nas_stores():
    lens = Lens()
    assert (lens.scope, lens.pue, lens.country, lens.unit) == ("facility", 1.59, "DK", "kWh")
    assert lens.convert(0.123456789) == 0.123456789
    assert lens.to_params() == {}


@pytest.mark.parametrize(
    ("lens", "expected"),
    [
        (Lens(), 1.59),
        (Lens(unit="Wh"), 1590.0),
        (Lens(scope="IT"), 1.0),
        (Lens(scope="IT", pue=2.5), 1.0),
        (Lens(pue=1.0), 1.0),
        (Lens(pue=3.0), 3.0),
        (Lens(scope="GPU"), 0.5),
        (Lens(scope="GPU", pue=2.0), 0.5),
        (Lens(scope="GPU", unit="Wh"), 500.0),
        (Lens(country=None, g_per_kwh=200, unit="kgCO2eq"), 0.318),
        (Lens(scope="IT", country=None, g_per_kwh=200, unit="kgCO2eq"), 0.2),
        (Lens(scope="GPU", country=None, g_per_kwh=200, unit="kgCO2eq"), 0.1),
        (Lens(country=None, g_per_kwh=0, unit="kgCO2eq"), 0.0),
        (Lens(country=None, g_per_kwh=0), 1.59),
    ],
)
def test_conversion_by_hand(lens, expected):
    """1.59 kWh at the facility are 1 kWh of IT, of which the GPU took 1.8 MJ, half a kWh."""
    assert lens.convert(1.59, 1.8e6) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(("scope", "expected"), [("facility", 1.59 * 0.9), ("IT", 1.0 * 0.9), ("GPU", 0.5 * 0.8)])
def test_correction_by_hand(scope, expected):
    """The factor of the scope's own figure, and only where the lens corrects."""
    place = {"country": None, "g_per_kwh": 200.0}
    figures = (1.59, 1.8e6, 0.9, 0.8)
    on, off = (Lens(scope, corrected=corrected, **place) for corrected in (True, False))
    assert on.convert(*figures) == pytest.approx(expected, rel=1e-14)
    assert on.footprint(*figures) == pytest.approx(expected * 0.2, rel=1e-14)
    assert off.convert(*figures) == off.convert(*figures[:2]) == on.convert(*figures[:2])
    assert off.footprint(*figures) == on.footprint(*figures[:2])


def test_a_factor_that_is_unknown_leaves_no_number_where_it_is_needed():
    assert Lens(corrected=True).convert(1.0, 1.0, None, 1.0) is None
    assert Lens(corrected=True).footprint(1.0, 1.0, None, 1.0) is None
    assert Lens("GPU", corrected=True).convert(1.0, 3.6e6, None, 1.0) == 1.0
    assert Lens("GPU", corrected=True).convert(1.0, 3.6e6, 1.0, None) is None
    assert Lens().convert(1.0, 1.0, None, None) == 1.0


def test_footprint_is_that_of_the_scope_whatever_the_unit():
    for unit in UNITS:
        place = {"country": None, "g_per_kwh": 500.0, "unit": unit}
        assert Lens(**place).footprint(1.59, 1.8e6) == pytest.approx(0.795, rel=1e-14)
        assert Lens(scope="IT", **place).footprint(1.59, 1.8e6) == pytest.approx(0.5, rel=1e-14)
        assert Lens(scope="GPU", **place).footprint(1.59, 1.8e6) == pytest.approx(0.25, rel=1e-14)


def test_stored_joules_give_the_stored_energy_of_a_record():
    """README of the figures: (GPU J + CPU J) / 3.6e6 x 1.59 is the stored energy in kWh."""
    gpu_j, cpu_j = 203_420.0, 46_716.0
    stored = (gpu_j + cpu_j) / 3.6e6 * 1.59
    assert Lens(scope="IT").convert(stored) == pytest.approx((gpu_j + cpu_j) / 3.6e6)
    assert Lens(scope="GPU").convert(stored, gpu_j) == pytest.approx(gpu_j / 3.6e6)


def test_country_gives_the_intensity():
    assert Lens(country="DK").intensity == grid("DK").intensity
    assert Lens(country="PL").grid == grid("PL")
    assert Lens(country=None, g_per_kwh=12.5).intensity == 12.5
    assert Lens(country=None, g_per_kwh=12.5).grid is None


def test_unknown_energies_stay_unknown():
    for scope in SCOPES:
        assert Lens(scope=scope).convert(None, None) is None
        assert Lens(scope=scope).footprint(None, None) is None
    assert Lens(scope="GPU").convert(1.0, None) is None
    assert Lens(scope="GPU").footprint(1.0, None) is None
    assert Lens(scope="IT").convert(None, 1.0) is None


def test_gpu_scope_alone_needs_components():
    assert [Lens(scope=scope).known_without_components for scope in SCOPES] == [True, True, False]


def test_quantity_and_description_name_what_is_shown():
    assert [Lens(unit=unit).quantity for unit in UNITS] == ["Energy", "Energy", "Footprint"]
    assert (
        Lens().describe()
        == f"facility energy, PUE 1.59; Denmark {grid('DK').year}, {grid('DK').intensity:.0f} gCO2eq/kWh"
    )
    assert Lens(scope="IT", country=None, g_per_kwh=40).describe() == "IT energy (GPU and CPUs); 40 gCO2eq/kWh"
    assert Lens(scope="GPU", country=None, g_per_kwh=40).describe().startswith("GPU energy alone")
    assert Lens(corrected=True).describe() == f"{Lens().describe()}; linear scaling corrected"


@pytest.mark.parametrize(
    "arguments",
    [
        {"scope": "Facility"},
        {"scope": ""},
        {"unit": "J"},
        {"pue": 0.99},
        {"pue": 3.01},
        {"pue": float("nan")},
        {"pue": float("inf")},
        {"country": None},
        {"country": "DK", "g_per_kwh": 100.0},
        {"country": None, "g_per_kwh": -1.0},
        {"country": None, "g_per_kwh": 2001.0},
        {"country": None, "g_per_kwh": float("nan")},
        {"country": None, "g_per_kwh": float("inf")},
    ],
)
def test_invalid_lens_is_a_named_error(arguments):
    with pytest.raises(InvalidRecord):
        Lens(**arguments)


def test_unknown_country_is_a_named_error():
    with pytest.raises(UnknownGrid):
        Lens(country="XX")


def test_lens_cannot_be_changed():
    with pytest.raises(AttributeError):
        Lens().pue = 2.0


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        yield opened


@UNHURRIED
@given(lenses, st.tuples(energies, joules, factors, factors))
def test_sql_expressions_convert_as_python_does(connection, lens, figures):
    found = connection.execute(
        f"select {lens.energy_sql()}, {lens.footprint_sql()} from (select ?::double, ?::double, ?::double, ?::double) "
        "as stored(energy_kwh, gpu_energy_j, energy_correction, gpu_energy_correction)",
        figures,
    ).fetchone()
    expected = lens.convert(*figures), lens.footprint(*figures)
    assert [value is None for value in found] == [value is None for value in expected]
    for value, number in zip(found, expected, strict=True):
        assert value is None or value == pytest.approx(number, rel=1e-14, abs=1e-300)


@UNHURRIED
@given(lenses)
def test_url_round_trips(lens):
    params = lens.to_params()
    assert all(isinstance(value, str) for value in params.values())
    assert Lens.from_params(params) == lens


@UNHURRIED
@given(lenses)
def test_url_leaves_defaults_out(lens):
    default = Lens()
    names = ("scope", "pue", "unit", "corrected")
    expected = {name for name in names if getattr(lens, name) != getattr(default, name)}
    expected |= {"grid"} if (lens.country, lens.g_per_kwh) != (default.country, default.g_per_kwh) else set()
    assert lens.to_params().keys() == expected


def test_url_by_hand():
    assert Lens("IT", 1.2, "PL", None, "Wh").to_params() == {"scope": "IT", "pue": "1.2", "grid": "PL", "unit": "Wh"}
    assert Lens(country=None, g_per_kwh=350.0).to_params() == {"grid": "350.0"}
    assert Lens(corrected=True).to_params() == {"corrected": "1"}
    assert Lens.from_params({"corrected": "0"}) == Lens()
    assert Lens.from_params({"grid": "350", "cell": "x"}) == Lens(country=None, g_per_kwh=350.0)


@pytest.mark.parametrize(
    "params",
    [
        {"scope": "all"},
        {"unit": "kwh"},
        {"pue": ""},
        {"pue": "much"},
        {"pue": "nan"},
        {"pue": "0.5"},
        {"pue": "1e400"},
        {"pue": "1,5"},
        {"grid": ""},
        {"grid": "nan"},
        {"grid": "inf"},
        {"grid": "-1"},
        {"grid": "1e400"},
        {"grid": "dk"},
        {"grid": "²"},
        {"grid": "1;2"},
        {"grid": "D\nK"},
        {"grid": "9" * 5000},
        {"scope": "\0"},
        {"corrected": ""},
        {"corrected": "True"},
        {"corrected": "2"},
        {"corrected": "9" * 5000},
    ],
)
def test_hostile_url_is_a_named_error_of_one_line(params):
    with pytest.raises(EcnasError) as raised:
        Lens.from_params(params)
    assert "\n" not in str(raised.value)


@UNHURRIED
@given(st.dictionaries(st.sampled_from(["scope", "pue", "grid", "unit", "corrected"]), st.text(max_size=12)))
def test_any_text_in_the_url_is_a_lens_or_a_named_error(params):
    try:
        lens = Lens.from_params(params)
    except EcnasError:
        return
    assert Lens.from_params(lens.to_params()) == lens
