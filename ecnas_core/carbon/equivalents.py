"""What a footprint is like in everyday terms, each with its source and year: the rows of ``data/equivalents.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import inf

from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.errors import EcnasError

TABLE = BUNDLED / "equivalents.csv"
LEAST_COUNT, MOST_COUNT = 0.01, 100_000


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


def telling(kgco2eq: float) -> tuple[Equivalent, ...]:
    """The equivalents that a footprint is neither a vanishing part of nor an unimaginable number of."""
    return tuple(each for each in equivalents() if LEAST_COUNT <= each.count(kgco2eq) <= MOST_COUNT)


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
            kgco2eq, year = float(row["kgco2eq"]), int(row["year"])
        except ValueError as error:
            raise InvalidEquivalent(f"the equivalent {row['key']!r} has no number: {error}") from None
        if not 0 < kgco2eq < inf:
            raise InvalidEquivalent(f"the equivalent {row['key']!r} emits {kgco2eq}; give kgCO2eq above 0")
        texts = {name: row[name] for name in ("key", "singular", "plural", "source", "url", "note")}
        found.append(Equivalent(kgco2eq=kgco2eq, year=year, **texts))
    return tuple(sorted(found, key=lambda each: each.kgco2eq))
