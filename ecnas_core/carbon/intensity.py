"""Carbon intensity of electricity by country, from the table that carbontracker ships."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from ecnas_core.errors import EcnasError


class UnknownGrid(EcnasError):
    """A country is not in carbontracker's table."""


class MissingTable(EcnasError):
    """Carbontracker's table of intensities cannot be found."""

    exit_status = 1


@dataclass(frozen=True)
class Grid:
    """The electricity of one country in one year.

    Attributes:
        code: ISO 3166-1 alpha-2 code.
        country: English name.
        year: the year of the figure.
        intensity: gCO2eq per kWh consumed.
        alpha3: ISO 3166-1 alpha-3 code.
    """

    code: str
    country: str
    year: int
    intensity: float
    alpha3: str

    @property
    def is_artefact(self) -> bool:
        """Whether the figure is a gap in the table: no electricity is free of emissions."""
        return self.intensity == 0


@lru_cache(maxsize=1)
def grids() -> dict[str, Grid]:
    """Every country of carbontracker's table by its code, in the order of their names.

    Raises:
        MissingTable: carbontracker is not installed or ships the table elsewhere.
    """
    found = []
    with _table().open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            intensity = row["Carbon intensity of electricity (gCO2eq/kWh)"]
            found.append(Grid(row["alpha-2"], row["Entity"], int(row["Year"]), float(intensity), row["Code"]))
    return {grid.code: grid for grid in sorted(found, key=lambda grid: grid.country)}


def grid(code: str) -> Grid:
    """The grid of a country.

    Args:
        code: ISO 3166-1 alpha-2 code, for example ``DK``.

    Raises:
        UnknownGrid: the table has no such country.
    """
    try:
        return grids()[code]
    except KeyError:
        raise UnknownGrid(f"no carbon intensity for {code!r}; give a two-letter country code or g/kWh") from None


def _table() -> Path:
    spec = find_spec("carbontracker")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "carbon-intensities.csv"
        if path.is_file():
            return path
    raise MissingTable("carbontracker's table of carbon intensities is missing; install requirements.txt")
