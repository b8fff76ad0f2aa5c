"""The outlines of countries, offline: GeoJSON made once from the npm package world-atlas (Natural Earth, 1:110 m).

``python -m ecnas_core.carbon.countries countries-110m.json`` writes ``data/countries.geojson`` anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.carbon.intensity import grids
from ecnas_core.errors import EcnasError

Position = tuple[float, float]
Feature = dict[str, Any]

OUTLINES = BUNDLED / "countries.geojson"
SOURCE = "world-atlas 2.0.2, countries-110m.json (Natural Earth 1:110m Cultural Vectors)"
LICENCE = "ISC, (c) 2013-2019 Michael Bostock; Natural Earth is in the public domain"
DECIMALS = 1
LEFT_OUT = ("Antarctica", "Fr. S. Antarctic Lands")

_WITHOUT_CODE = ("N. Cyprus", "Somaliland")
_CODES = {
    "Bosnia and Herz.": "BIH",
    "Central African Rep.": "CAF",
    "Côte d'Ivoire": "CIV",
    "Dem. Rep. Congo": "COD",
    "Dominican Rep.": "DOM",
    "Eq. Guinea": "GNQ",
    "Falkland Is.": "FLK",
    "Kosovo": "XKX",
    "Macedonia": "MKD",
    "Namibia": "NAM",
    "S. Sudan": "SSD",
    "Solomon Is.": "SLB",
    "Timor-Leste": "TLS",
    "United States of America": "USA",
    "W. Sahara": "ESH",
    "eSwatini": "SWZ",
}


class InvalidOutlines(EcnasError):
    """A file is no TopoJSON of countries, or names one that is not known here."""


@cache
def outlines() -> dict[str, Feature]:
    """The outlines of the countries at hand by ISO 3166-1 alpha-3 code, or by name where ISO gives none.

    Returns:
        GeoJSON features whose ``id`` is the key; rings run as d3-geo, and so plotly, wants them: exteriors clockwise.
    """
    with OUTLINES.open(encoding="utf-8") as file:
        return {feature["id"]: feature for feature in json.load(file)["features"]}


def collection(features: Iterable[Feature]) -> dict[str, Any]:
    """A GeoJSON collection of features."""
    return {"type": "FeatureCollection", "features": list(features)}


def convert(topology: Mapping[str, Any]) -> dict[str, Any]:
    """Make GeoJSON of a TopoJSON of countries.

    Args:
        topology: TopoJSON whose object ``countries`` has polygons with the property ``name``.

    Returns:
        A GeoJSON collection with ``source`` and ``licence``: coordinates in degrees, rounded; rings keep their
        direction, and those that cross the antimeridian stay whole, as d3-geo cuts them itself. Rings that rounding
        leaves with less than three corners are dropped, but of every country one is kept.

    Raises:
        InvalidOutlines: it is no such TopoJSON, or names a country that is not known here.
    """
    try:
        arcs = [_positions(arc, topology["transform"]) for arc in topology["arcs"]]
        features = [
            _feature(shape, arcs)
            for shape in topology["objects"]["countries"]["geometries"]
            if shape["properties"]["name"] not in LEFT_OUT
        ]
    except (KeyError, IndexError, TypeError) as error:
        raise InvalidOutlines(f"this is no TopoJSON of countries ({error!r}); give countries-110m.json") from None
    features.sort(key=lambda feature: str(feature["id"]))
    return {"type": "FeatureCollection", "source": SOURCE, "licence": LICENCE, "features": features}


def code(name: str) -> str:
    """The alpha-3 code of a country as world-atlas names it; the name itself where ISO gives none.

    Raises:
        InvalidOutlines: no such country is known here.
    """
    if name in _WITHOUT_CODE:
        return name
    known = {grid.country: grid.alpha3 for grid in grids().values()} | _CODES
    if name not in known:
        raise InvalidOutlines(f"no alpha-3 code is known for {name!r}; add it to _CODES in {__name__}")
    return known[name]


def _positions(arc: Sequence[Sequence[int]], transform: Mapping[str, Sequence[float]]) -> list[Position]:
    """The positions of a quantised, delta-encoded arc."""
    (x_scale, y_scale), (x_origin, y_origin) = transform["scale"], transform["translate"]
    x = y = 0
    found = []
    for dx, dy in arc:
        x, y = x + dx, y + dy
        found.append((x * x_scale + x_origin, y * y_scale + y_origin))
    return found


def _feature(shape: Mapping[str, Any], arcs: Sequence[Sequence[Position]]) -> Feature:
    polygons = [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]
    whole = [[_ring(ring, arcs) for ring in polygon] for polygon in polygons]
    rounded = [[small for ring in polygon if len(small := _rounded(ring)) > 3] for polygon in whole]
    kept = [polygon for polygon in rounded if polygon] or whole
    name = shape["properties"]["name"]
    return {
        "type": "Feature",
        "id": code(name),
        "properties": {"name": name},
        "geometry": {"type": "MultiPolygon", "coordinates": kept},
    }


def _ring(indices: Sequence[int], arcs: Sequence[Sequence[Position]]) -> list[Position]:
    """A closed ring of arcs; ~i stands for arc i from its end."""
    found: list[Position] = []
    for index in indices:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        found.extend(arc if not found else arc[1:])
    return found


def _rounded(ring: Sequence[Position]) -> list[Position]:
    found: list[Position] = []
    for longitude, latitude in ring:
        position = (round(longitude, DECIMALS), round(latitude, DECIMALS))
        if not found or position != found[-1]:
            found.append(position)
    return found


def main(arguments: Sequence[str]) -> int:
    """Write the bundled outlines from a TopoJSON file; returns the exit status."""
    if len(arguments) != 1:
        print("usage: python -m ecnas_core.carbon.countries countries-110m.json", file=sys.stderr)
        return 2
    topology = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    text = json.dumps(convert(topology), ensure_ascii=False, separators=(",", ":"))
    OUTLINES.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
