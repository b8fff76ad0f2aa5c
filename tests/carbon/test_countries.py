"""The converter on a made-up topology, and the bundled outlines."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from ecnas_core.carbon import countries, grids
from ecnas_core.carbon.countries import InvalidOutlines, code, collection, convert, outlines

SMALL = 41  # countries of carbontracker's table that are too small for 1:110 m


def topology(geometries: list[dict], arcs: list | None = None) -> dict:
    """Steps of a tenth of a degree from (10, 50); two squares of one degree that share the arc 0, the left and the right."""
    shared, left, right = (
        [[10, 0], [0, 10]],
        [[10, 10], [-10, 0], [0, -10], [10, 0]],
        [[10, 0], [10, 0], [0, 10], [-10, 0]],
    )
    return {
        "type": "Topology",
        "transform": {"scale": [0.1, 0.1], "translate": [10, 50]},
        "arcs": arcs or [shared, left, right],
        "objects": {"countries": {"type": "GeometryCollection", "geometries": geometries}},
    }


def shape(name: str, kind: str, arcs: list) -> dict:
    return {"type": kind, "arcs": arcs, "properties": {"name": name}, "id": "000"}


def unwrapped(ring: list) -> tuple[float, float]:
    """Signed area in square degrees (clockwise is negative), and how far the ring goes round the world."""
    longitudes = [ring[0][0]]
    for (before, _), (after, _) in pairwise(ring):
        longitudes.append(longitudes[-1] + (after - before + 180) % 360 - 180)
    area = sum(longitudes[n] * ring[n + 1][1] - longitudes[n + 1] * ring[n][1] for n in range(len(ring) - 1))
    return area / 2, longitudes[-1] - longitudes[0]


class TestConverter:
    def test_arcs_are_decoded_shared_and_reversed(self):
        made = convert(topology([shape("Denmark", "Polygon", [[~0, ~1]]), shape("Germany", "Polygon", [[0, ~2]])]))
        by_code = {feature["id"]: feature for feature in made["features"]}
        assert by_code["DNK"]["geometry"] == {
            "type": "MultiPolygon",
            "coordinates": [[[(11, 51), (11, 50), (10, 50), (10, 51), (11, 51)]]],
        }
        assert by_code["DEU"]["geometry"]["coordinates"] == [[[(11, 50), (11, 51), (12, 51), (12, 50), (11, 50)]]]
        assert by_code["DEU"]["properties"] == {"name": "Germany"}

    def test_coordinates_are_rounded_and_repeats_dropped(self):
        arcs = [[[0, 0], [1, 0], [99, 0], [0, 101], [-100, 0], [0, -101]]]
        made = topology([shape("Denmark", "Polygon", [[0]])], arcs)
        made["transform"]["scale"] = [0.01, 0.01]
        ring = convert(made)["features"][0]["geometry"]["coordinates"][0][0]
        assert ring == [(10, 50), (11, 50), (11, 51), (10, 51), (10, 50)]

    def test_specks_go_but_of_a_country_something_stays(self):
        square, speck = [[0, 0], [100, 0], [0, 100], [-100, 0], [0, -100]], [[0, 0], [1, 0], [0, 1], [-1, -1]]
        made = topology(
            [shape("Denmark", "MultiPolygon", [[[0]], [[1]]]), shape("Germany", "Polygon", [[1]])], [square, speck]
        )
        made["transform"]["scale"] = [0.01, 0.01]
        denmark, germany = sorted(convert(made)["features"], key=lambda feature: feature["properties"]["name"])
        assert len(denmark["geometry"]["coordinates"]) == 1
        assert len(germany["geometry"]["coordinates"][0][0]) == 4

    def test_antarctica_has_no_grid(self):
        made = convert(topology([shape("Antarctica", "Polygon", [[0, 1]]), shape("Kosovo", "Polygon", [[0, 1]])]))
        assert [feature["id"] for feature in made["features"]] == ["XKX"]

    @pytest.mark.parametrize(
        "broken", [{}, {"arcs": []}, topology([]) | {"objects": {}}, topology([{"type": "Polygon"}])]
    )
    def test_other_json_is_a_named_error(self, broken):
        with pytest.raises(InvalidOutlines, match=r"countries-110m\.json"):
            convert(broken)

    def test_unknown_country_is_a_named_error(self):
        with pytest.raises(InvalidOutlines, match="Atlantis"):
            convert(topology([shape("Atlantis", "Polygon", [[0, 1]])]))

    def test_command(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(countries, "OUTLINES", tmp_path / "out.geojson")
        source = tmp_path / "in.json"
        source.write_text(json.dumps(topology([shape("Denmark", "Polygon", [[0, 1]])])))
        assert countries.main([str(source)]) == 0
        written = json.loads((tmp_path / "out.geojson").read_text(encoding="utf-8"))
        assert [feature["id"] for feature in written["features"]] == ["DNK"]
        assert countries.main([]) == 2
        assert "usage" in capsys.readouterr().err

    def test_names_without_a_code_stay_names(self):
        assert (code("Somaliland"), code("France"), code("W. Sahara")) == ("Somaliland", "FRA", "ESH")


class TestBundledOutlines:
    def test_size_source_and_licence(self):
        assert countries.OUTLINES.stat().st_size <= 300_000
        bundled = json.loads(countries.OUTLINES.read_text(encoding="utf-8"))
        assert "Natural Earth" in bundled["source"]
        assert "ISC" in bundled["licence"]
        assert len(bundled["features"]) == len(outlines()) == 175

    def test_only_small_countries_of_the_table_are_missing(self):
        missing = {grid.country for grid in grids().values() if grid.alpha3 not in outlines()}
        assert len(missing) == SMALL
        assert {"Singapore", "Malta", "Hong Kong", "French Guiana", "Cape Verde", "Mauritius"} <= missing
        assert not missing & {"Luxembourg", "Brunei", "Trinidad and Tobago", "Greenland", "East Timor"}

    def test_only_these_are_drawn_without_a_figure_in_the_table(self):
        assert set(outlines()) - {grid.alpha3 for grid in grids().values()} == {"NAM", "XKX", "N. Cyprus", "Somaliland"}

    def test_names_agree_with_the_codes(self):
        for found, name in {
            "USA": "United States of America",
            "COG": "Congo",
            "COD": "Dem. Rep. Congo",
            "NER": "Niger",
            "NGA": "Nigeria",
            "PRK": "North Korea",
            "KOR": "South Korea",
            "DMA": None,
        }.items():
            assert (outlines()[found]["properties"]["name"] if name else outlines().get(found)) == name

    def test_rings_are_closed_clockwise_and_within_the_world(self):
        for name, feature in outlines().items():
            for polygon in feature["geometry"]["coordinates"]:
                for number, ring in enumerate(polygon):
                    area, round_the_world = unwrapped(ring)
                    assert ring[0] == ring[-1], name
                    assert len(ring) > 3, name
                    assert (area < 0) == (number == 0), f"{name}, ring {number}, runs the wrong way"
                    assert round_the_world == pytest.approx(0, abs=1e-6), name
                    assert all(abs(x) <= 180 and abs(y) <= 90 for x, y in ring), name

    def test_russia_crosses_the_antimeridian_in_one_piece(self):
        mainland = max((polygon[0] for polygon in outlines()["RUS"]["geometry"]["coordinates"]), key=len)
        assert {x > 0 for x, _ in mainland} == {True, False}

    def test_collection(self):
        assert collection([outlines()["FRA"]])["features"][0]["id"] == "FRA"
