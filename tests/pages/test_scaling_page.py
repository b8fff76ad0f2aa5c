"""The Scaling page."""

from __future__ import annotations

import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import scaling


def headline(page):
    return next(text.value for text in page.app.main.markdown if text.value.startswith("**")).strip("*")


def test_energy(open_page, as_number):
    page = open_page("scaling").works()
    assert page.params == {}
    assert headline(page) == (
        "Linear scaling overstates energy at 108 epochs by 15.8\u2009%: measured is 0.863 ± 0.040 of 27 times the "
        "4-epoch figure, over 91 cells."
    )
    ratios = {row[0]: row[1:] for row in page.tables[0][1:]}
    assert ratios["12 epochs"][0] == "0.907"
    assert ratios["36 epochs"][0] == "0.865"
    assert ratios["108 epochs"][:2] == ["0.863", "± 0.040"]
    errors = page.tables[1]
    assert [as_number(row[3]) for row in errors[1:]] == pytest.approx([16.1, 3.9, 3.5])


def test_time(open_page):
    page = open_page("scaling").set("scaling_quantity", "time").works()
    assert page.params == {"quantity": "time"}
    assert "0.977 ± 0.013" in headline(page)


def test_every_cell_is_a_line_and_the_open_one_stands_out(open_page):
    bench = Benchmark.open()
    frame = scaling.ratios(bench)
    chosen = frame["hash"].iloc[5]
    page = open_page("scaling", cell=chosen).works()
    lines = [trace for trace in page.figure("scaling_ratios")["data"] if trace["name"].startswith("cell ")]
    assert len(lines) == 91
    (shown,) = [trace for trace in lines if trace["showlegend"]]
    assert shown["name"] == f"cell {chosen[:8]}"
    assert shown["y"] == pytest.approx([1.0, *frame[frame["hash"] == chosen]["ratio"]])
    assert f"Cell {chosen[:8]}" in page.texts("subheader")
    assert page.params == {"cell": chosen}


def test_a_broken_link_is_told(open_page):
    page = open_page("scaling", quantity="carbon").works()
    (notice,) = page.texts("warning")
    assert "take one of energy, time" in notice
