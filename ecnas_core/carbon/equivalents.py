"""What a footprint is like in everyday terms, each with its source and year: the rows of ``data/equivalents.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.errors import EcnasError

TABLE = BUNDLED / "equivalents.csv"


class InvalidEquivalent(EcnasError):
    """A row of the table of equivalents lacks a part or has an impossible one."""


@dataclass(frozen=True)
class Equivalent:
    """One everyday unit of emissions.

    Attributes:
        key: short name.
        singular: what one of it is called.
        plural: what several of it are called.
        kgco2eq: kgCO2eq a unit; positive.
        source: who published the figure.
        year: of the publication or, where it says so, of the figure.
        url: where it can be read.
        note: what the figure includes.
    """

    key: str
    singular: str
    plural: str
    kgco2eq: float
    source: str
    year: int
    url: str
    note: str

    def count(self, kgco2eq: float) -> float:
        """How many units emit a footprint of so many kgCO2eq."""
        return kgco2eq / self.kgco2eq

    def label(self, count: float) -> str:
        """The name for so many units."""
        return self.singular if count == 1 else self.plural


@cache
def equivalents() -> tuple[Equivalent, ...]:
    """The equivalents, from the smallest to the largest."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return parse(lines)


def parse(lines: Iterable[str]) -> tuple[Equivalent, ...]:
    """Read equivalents from CSV with a head line, in rising order.

    Raises:
        InvalidEquivalent: a row lacks a part, or its figure is not positive.
    """
    found = []
    for row in csv.DictReader(lines):
        missing = [name for name in Equivalent.__dataclass_fields__ if not row.get(name)]
        if missing:
            raise InvalidEquivalent(f"an equivalent ({row.get('key')!r}) lacks {', '.join(missing)}; fill it in")
        try:
            figures = {"kgco2eq": float(row["kgco2eq"]), "year": int(row["year"])}
        except ValueError as error:
            raise InvalidEquivalent(f"the equivalent {row['key']!r} has no number: {error}") from None
        if not figures["kgco2eq"] > 0:
            raise InvalidEquivalent(f"the equivalent {row['key']!r} emits nothing; give kgCO2eq above 0")
        found.append(Equivalent(**(row | figures)))
    return tuple(sorted(found, key=lambda each: each.kgco2eq))
