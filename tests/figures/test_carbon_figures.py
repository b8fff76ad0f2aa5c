"""The figures of the Carbon page: what they draw, what they weigh, and that they ask no network."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis.reduction import table_3
from ecnas_core.carbon import Lens, grid, grids
from ecnas_core.carbon.countries import outlines
from ecnas_core.carbon.footprint import by_country
from ecnas_core.figures import carbon as figures
from ecnas_core.figures.theme import FRONT, KNEE, SELECTION

ENERGY = 0.25
REAL = {each.code: each for each in grids().values() if each.intensity > 0}


def trace(atlas: figures.Atlas, name: str):
    return next(each for each in atlas.figure.data if each.name == name)


@pytest.fixture(scope="module")
def countries():
    return by_country(ENERGY)


@pytest.fixture(scope="module")
def atlas(countries):
    return figures.atlas(countries, Lens(), dark=False)


class TestAtlas:
    def test_every_grid_with_a_figure_is_a_bar_and_the_cleanest_comes_first(self, atlas):
        bars = trace(atlas, "sorted")
        expected = sorted(each.intensity * ENERGY / 1000 for each in REAL.values())
        assert list(bars.y) == pytest.approx(expected)
        assert atlas.codes[list(atlas.figure.data).index(bars)][0] == min(REAL, key=lambda code: REAL[code].intensity)

    def test_colours_are_logarithms_and_codes_belong_to_their_countries(self, atlas):
        colored = trace(atlas, "countries")
        codes = atlas.codes[list(atlas.figure.data).index(colored)]
        for code, location, z, text in zip(codes, colored.locations, colored.z, colored.text, strict=True):
            assert location == REAL[code].alpha3
            assert z == pytest.approx(math.log10(REAL[code].intensity))
            assert text.startswith(f"<b>{REAL[code].country}</b>")
        assert len(codes) == 211 - 41
        assert "CF" not in codes

    def test_every_country_is_drawn_once_with_a_figure_or_grey(self, atlas):
        colored, grey = trace(atlas, "countries"), trace(atlas, "no figure")
        assert set(colored.locations) | set(grey.locations) == set(outlines())
        assert set(grey.locations) == {"CAF", "NAM", "XKX", "N. Cyprus", "Somaliland"}
        for each in (colored, grey):
            assert {feature["id"] for feature in each.geojson["features"]} == set(each.locations)

    def test_the_lens_s_country_is_outlined_and_named(self, countries):
        atlas = figures.atlas(countries, Lens(country="BR"), dark=True)
        assert list(trace(atlas, "chosen").locations) == ["BRA"]
        assert trace(atlas, "chosen").marker.line.color == SELECTION
        place = atlas.codes[2].index("BR")
        label = next(note for note in atlas.figure.layout.annotations if "Brazil" in note.text)
        assert (label.x, f"{place + 1} of 211" in label.text) == (place, True)
        rectangle = atlas.figure.layout.shapes[0]
        assert rectangle.y1 == pytest.approx(ENERGY * grid("BR").intensity / 1000)

    def test_a_country_too_small_for_the_map_still_has_its_bar(self, countries):
        atlas = figures.atlas(countries, Lens(country="SG"), dark=False)
        assert [each.name for each in atlas.figure.data] == ["no figure", "countries", "sorted"]
        assert any("Singapore" in note.text for note in atlas.figure.layout.annotations)

    def test_an_intensity_by_hand_is_a_level(self, countries):
        atlas = figures.atlas(countries, Lens(country=None, g_per_kwh=300), dark=False)
        (level,) = atlas.figure.layout.shapes
        assert (level.y0, level.y1) == pytest.approx((ENERGY * 0.3, ENERGY * 0.3))

    def test_a_gap_of_the_table_is_never_marked_as_zero(self, countries):
        atlas = figures.atlas(countries, Lens(country="CF"), dark=False)
        assert "chosen" not in [each.name for each in atlas.figure.data]
        assert not atlas.figure.layout.shapes

    @pytest.mark.parametrize("dark", [False, True])
    def test_weight(self, countries, dark):
        assert len(figures.atlas(countries, Lens(country="RU"), dark).figure.to_json()) < 400_000

    def test_no_layer_of_plotly_s_own_outlines_is_drawn_nor_fetched(self, atlas):
        assert atlas.figure.layout.geo.visible is False
        assert figures.config("x")["topojsonURL"] == figures.NO_OUTLINES
        text, tail = figures.NO_OUTLINES.removeprefix("data:application/json,").split("#")
        assert (json.loads(text), tail) == ({"objects": {}}, "")
        assert json.dumps(figures.NO_OUTLINES) in atlas.figure.to_html(include_plotlyjs=False)
        assert '"scrollZoom": true' in atlas.figure.to_html(include_plotlyjs=False, config={"scrollZoom": True})

    def test_footprints_follow_the_energy(self):
        tenfold = figures.atlas(by_country(10 * ENERGY), Lens(), dark=False)
        once = figures.atlas(by_country(ENERGY), Lens(), dark=False)
        assert list(trace(tenfold, "sorted").y) == pytest.approx([10 * y for y in trace(once, "sorted").y])
        assert list(trace(tenfold, "countries").z) == list(trace(once, "countries").z)


class TestHeadline:
    def test_numbers(self, countries):
        text = figures.headline(countries, Lens(country="ZA"), ENERGY, 1)
        assert f"{ENERGY * grid('ZA').intensity / 1000:.3f}\u00a0kgCO2eq in South Africa." in text
        factor = max(each.intensity for each in REAL.values()) / min(each.intensity for each in REAL.values())
        assert f"{factor:.0f} times as much in Turkmenistan as in Lesotho" in text

    def test_many_trainings_are_told(self, countries):
        assert "for 1\u202f000 trainings in Denmark" in figures.headline(countries, Lens(), ENERGY, 1000)

    def test_by_hand_and_gap(self, countries):
        assert "at 300 gCO2eq/kWh" in figures.headline(countries, Lens(country=None, g_per_kwh=300), ENERGY, 1)
        assert figures.headline(countries, Lens(country="CF"), ENERGY, 1).startswith("No figure for Central African")


class TestDifferences:
    def test_points_are_the_relative_differences(self):
        table = table_3(Benchmark.open())
        figure = figures.differences(table, dark=False)
        known = table[table["verdict"] != "unknown"].iloc[::-1]
        assert list(figure.data[0].x) == pytest.approx(list(100 * known["relative"]))
        colors = dict(zip(figure.data[0].y, figure.data[0].marker.color, strict=True))
        assert (colors["4V, kWh"], colors["5V, kWh"]) == (FRONT, KNEE)
        assert "7V, GPU days" not in colors

    @pytest.mark.parametrize(
        ("share", "text"),
        [
            (0.2711, "+27.1\u202f%"),
            (-0.0782, "\u22127.8\u202f%"),
            (0.00136, "+0.14\u202f%"),
            (1e-7, "0.00\u202f%"),
            (-1e-7, "0.00\u202f%"),
            (float("nan"), "–"),
            (pd.NA, "–"),
        ],
    )
    def test_percent(self, share, text):
        assert figures.percent(share) == text
