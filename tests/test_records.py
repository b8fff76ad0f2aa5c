"""Records: checked alike in Python and in links, and written as links, Python and JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest
from msgspec import Meta

from ecnas_core.records import LARGEST, InvalidRecord, OneOf, Param, Record, distinct, script, source, to_json

COLOURS = ("red", "green")


def read_steps(text: str) -> int:
    return len(text)


class Part(Record, frozen=True):
    share: Annotated[float, Meta(ge=0, lt=1), Param("part_share")] = 0.5
    colour: Annotated[str, OneOf(COLOURS)] = "red"


class Whole(Record, frozen=True):
    kind: Literal["a", "b"] = "a"
    budget: Annotated[int, OneOf((4, 12))] = 4
    left_open: Annotated[Annotated[int, OneOf((4, 12))] | None, Param(none="any")] = 4
    count: Annotated[int, Meta(ge=1, le=45)] = 10
    size: Annotated[int, Meta(ge=8, le=512, multiple_of=4)] = 32
    rank: Annotated[int, Meta(ge=1)] = 1
    mass: Annotated[float, Meta(gt=0, le=LARGEST)] | None = None
    sure: bool = False
    maybe: bool | None = None
    note: Annotated[str, Param("words")] = ""
    names: tuple[str, ...] = ()
    once: Annotated[tuple[Annotated[str, OneOf(COLOURS)], ...], Param(read=distinct)] = ()
    kinds: tuple[Literal["a", "b"], ...] = ()
    pairs: tuple[tuple[Annotated[str, OneOf(COLOURS)], float], ...] = ()
    ranges: Annotated[tuple[tuple[str, int, int], ...], Param("range_", keys=("x", "y"))] = ()
    steps: Annotated[int, Param(read=read_steps, write=lambda steps: "i" * steps)] = 0
    kept: Annotated[int, Param(hidden=True)] = 1
    part: Part = Part()
    other: Annotated[str | None, Param("words")] = None


FULL = {
    "kind": "b",
    "budget": "12",
    "left_open": "any",
    "count": "45",
    "mass": "2.5",
    "sure": "1",
    "maybe": "0",
    "names": "x~y~x",
    "once": "green~red",
    "kinds": "a~b",
    "pairs": "red:0.5~green:inf",
    "range_x": "1~2",
    "steps": "iii",
    "part_share": "0.25",
    "colour": "green",
}


def test_a_link_holds_every_type():
    whole = Whole.from_params(FULL | {"kept": "5", "unknown": "x"})
    assert whole == Whole(
        kind="b",
        budget=12,
        left_open=None,
        count=45,
        mass=2.5,
        sure=True,
        maybe=False,
        names=("x", "y", "x"),
        once=("green", "red"),
        kinds=("a", "b"),
        pairs=(("red", 0.5), ("green", float("inf"))),
        ranges=(("x", 1, 2),),
        steps=3,
        part=Part(0.25, "green"),
    )
    assert whole.to_params() == FULL
    assert Whole.from_params({"names": "~x~", "once": "red~red"}) == Whole(names=("x",), once=("red",))


def test_defaults_are_left_out():
    assert Whole().to_params() == {}
    assert Whole.from_params({}) == Whole()
    assert Whole(kept=2).to_params() == {}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "c"}, "kind='c' is not possible; take one of a, b"),
        ({"budget": "04"}, "budget='04' is not possible; take one of 4, 12"),
        ({"left_open": ""}, "left_open='' is not possible; take one of 4, 12"),
        ({"count": "46"}, "count=46 is not possible; give a whole number, 1 to 45"),
        ({"count": "9" * 20}, f"count={'9' * 20} is not possible; give a whole number, 1 to 45"),
        ({"count": "9" * 5000}, f"count='{'9' * 39}… is not possible; give a whole number, 1 to 45"),
        ({"count": "²"}, "count='²' is not possible; give a whole number, 1 to 45"),
        ({"size": "33"}, "size=33 is not possible; give a whole number, 8 to 512 in steps of 4"),
        ({"rank": "0"}, "rank=0 is not possible; give a whole number, at least 1"),
        ({"mass": "nan"}, "mass=nan is not possible; give a number, more than 0"),
        ({"mass": "inf"}, "mass=inf is not possible; give a number, more than 0"),
        ({"sure": "yes"}, "sure='yes' is not possible; write 0 or 1"),
        ({"maybe": ""}, "maybe='' is not possible; write 0 or 1"),
        ({"kinds": ""}, "kinds='' is not possible; take some of a, b"),
        ({"once": "blue"}, "once=('blue',) is not possible; take some of red, green"),
        ({"pairs": "red"}, "pairs='red' is not possible; write (red or green):a number, with ~ between"),
        ({"range_y": "1"}, "range_y='1' is not possible; write it as a whole number~a whole number"),
        ({"part_share": "1"}, "part_share=1.0 is not possible; give a number, 0 and less than 1"),
        ({"colour": "blue"}, "colour='blue' is not possible; take one of red, green"),
    ],
)
def test_a_wrong_link_says_what_would_be_right(params, message):
    with pytest.raises(InvalidRecord) as raised:
        Whole.from_params(params)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "count=0 is not possible; give a whole number, 1 to 45"),
        ({"count": 1.5}, "count=1.5 is not possible; give a whole number, 1 to 45"),
        ({"count": True}, "count=True is not possible; give a whole number, 1 to 45"),
        ({"kind": "c"}, "kind='c' is not possible; take one of a, b"),
        ({"note": 3}, "words=3 is not possible; give a name"),
        ({"kinds": "ab"}, "kinds='ab' is not possible; take some of a, b"),
    ],
)
def test_python_is_checked_as_strictly(wrong, message):
    with pytest.raises(InvalidRecord) as raised:
        Whole(**wrong)
    assert str(raised.value) == message


def test_numbers_of_numpy_become_plain():
    whole = Whole(count=np.int64(7), pairs=(("red", np.float64(0.5)),))
    assert whole == Whole(count=7, pairs=(("red", 0.5),))
    assert (type(whole.count), type(whole.pairs[0][1])) == (int, float)


def test_records_are_values():
    assert hash(Whole(count=5)) == hash(Whole(count=5))
    with pytest.raises(AttributeError):
        Whole().count = 5


def test_source_names_what_differs_from_the_defaults():
    whole = Whole(names=("x",), pairs=(("red", float("-inf")),), part=Part(0.25))
    assert source(whole) == "Whole(names=('x',), pairs=(('red', float('-inf')),), part=Part(share=0.25))"
    assert eval(source(whole), {"Whole": Whole, "Part": Part}) == whole


def test_a_script_imports_what_it_needs():
    text = script("print(pi)", uses=["math:pi", "math:e"], view=Whole(part=Part(0.25)))
    assert text == (
        "from ecnas_core import Benchmark\n"
        "from math import e, pi\n"
        f"from {__name__} import Part, Whole\n\n"
        "view = Whole(part=Part(share=0.25))\n"
        "print(pi)\n"
    )
    assert "Part" not in script(view=Whole(count=5))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float64("nan"), None),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (pd.NA, None),
        (pd.NaT, None),
        (pd.Timestamp("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05+00:00"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (Decimal("1.50"), 1.5),
        (Path("a/b"), "a/b"),
        (("a", 1), ["a", 1]),
        ({4: {np.int64(12): 1}}, {"4": {"12": 1}}),
        (Part(0.25), {"share": 0.25, "colour": "red"}),
    ],
)
def test_json_has_no_numbers_that_are_none(value, read):
    assert json.loads(to_json(value)) == json.loads(to_json([value], indent=1))[0] == read
