"""What a click in a figure stands for."""

from __future__ import annotations

import pytest

from pages.widgets import chart


@pytest.mark.parametrize(
    ("points", "meant"),
    [
        ([], None),
        ([(0, 1)], None),
        ([(0, 1), (2, 1)], "d"),
        ([(2, 0), (3, 0)], "c"),
        ([(1, 0)], None),
    ],
)
def test_the_first_point_that_stands_for_something_counts(monkeypatch, points, meant):
    event = {"points": [{"curve_number": trace, "point_index": place} for trace, place in points]}
    monkeypatch.setattr(chart.st, "session_state", {"plane": {"selection": event}})
    assert chart.clicked("plane", {1: [], 2: ["c", "d"], 3: ["e"]}) == meant


def test_the_place_nought_is_a_place(monkeypatch):
    event = {"points": [{"curve_number": 0, "point_index": 0}]}
    monkeypatch.setattr(chart.st, "session_state", {"front": {"selection": event}})
    assert chart.clicked("front", {0: range(3)}) == 0
