"""Every equivalent has a source and a year; counts by hand."""

from __future__ import annotations

import csv
import datetime
from urllib.parse import urlsplit

import pytest

from ecnas_core.carbon.equivalents import TABLE, InvalidEquivalent, equivalents, parse, telling

HEAD = "key,singular,plural,kgco2eq,source,year,url,note\n"


def test_every_row_is_sourced_dated_and_positive():
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(equivalents()) >= 6
    for row in rows:
        assert all(row.values()), row
        assert float(row["kgco2eq"]) > 0
        assert 2000 <= int(row["year"]) <= datetime.date.today().year
        assert urlsplit(row["url"]).scheme == "https"


def test_they_stand_from_small_to_large_under_names_of_their_own():
    sizes = [each.kgco2eq for each in equivalents()]
    assert sizes == sorted(sizes)
    assert len({each.key for each in equivalents()}) == len(sizes)


@pytest.mark.parametrize(
    ("key", "kgco2eq", "count"),
    [
        ("car_km", 10.81, 100),
        ("streaming", 0.36, 10),
        ("phone", 1.24, 100),
        ("beef", 49.74, 0.5),
        ("tree", 180, 3),
        ("car_year", 9200, 2),
    ],
)
def test_counts_by_hand(key, kgco2eq, count):
    each = next(each for each in equivalents() if each.key == key)
    assert each.count(kgco2eq) == pytest.approx(count)


def test_names_follow_the_number():
    tree = next(each for each in equivalents() if each.key == "tree")
    assert (tree.label(1), tree.label(2)) == ("young tree grown for ten years", "young trees grown for ten years")


def test_only_imaginable_counts_are_told():
    assert [each.key for each in telling(0.04)] == ["phone", "streaming", "car_km"]
    assert [each.key for each in telling(40_000)] == ["tree", "beef", "car_year"]
    assert telling(0) == ()


@pytest.mark.parametrize(
    "row",
    [
        "a,b,c,1,,2020,https://x,n",
        "a,b,c,1,s,,https://x,n",
        "a,b,c,0,s,2020,https://x,n",
        "a,b,c,-1,s,2020,https://x,n",
        "a,b,c,nan,s,2020,https://x,n",
        "a,b,c,inf,s,2020,https://x,n",
        "a,b,c,many,s,2020,https://x,n",
        "a,b",
    ],
)
def test_broken_rows_are_named_errors(row):
    with pytest.raises(InvalidEquivalent, match="a"):
        parse([HEAD, row])
