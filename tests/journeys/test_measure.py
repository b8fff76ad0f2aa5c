"""Measure: a cell drawn, measured on the CPU, watched, cancelled, listed and deleted; what a link says."""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb
from playwright.sync_api import Locator, expect

from ecnas_core.cells import Cell
from tests.journeys.tab import NARROW, Tab, number

CHAIN, FED_TWICE = "1=maxpool3x3(0) 2=output(1)", "1=maxpool3x3(0) 2=output(0,1)"
POOLED = "043721b9c7fe8c5fad811d47d83132ec"
CPU = {"device": "cpu", "batch": "1"}
FIRST_ROW, BOX = 58, 14  # where the table on its canvas has its first check box, in pixels


def phase(tab: Tab) -> Locator:
    """The phase in which the measurement is."""
    return tab.page.locator(".timeline [aria-current=step] .label")


def test_what_a_link_says_is_shown_as_it_was_written(tab):
    """No image is fetched, no formula set, no icon drawn; by the parser of the browser itself."""
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    hostile = "![a](http://127.0.0.1:9/x.png) $x$ :material/home: :red[b] <b>c</b> *d* http://e.vil www.e.vil a@e.vil"
    tab.open("/measure", draw=hostile, cell=hostile)
    for place, told in enumerate(("of the link is left out", "could not be opened")):
        notice = tab.page.get_by_test_id("stAlert").nth(place)
        expect(notice).to_contain_text(told)
        assert notice.locator("a, img, .katex, em, b, strong, [data-testid=stMarkdownColoredText]").count() == 0
        assert "![a](http://127.0.0.1:9/x.png) $x$" in notice.inner_text().replace("\u2060", "")
    assert not [url for url in asked if ":9/" in url]


def test_cells_are_measured_on_the_cpu_in_two_sessions(open_tab: Callable[..., Tab]):
    """While one session measures, the other draws, and goes through the page."""
    tab = open_tab().open("/measure", draw=CHAIN, list=POOLED, repeats="100", **CPU).accessible()
    tab.press("Add to the list").press("Measure 2 cells")
    expect(tab.page.get_by_role("list", name="Phases")).to_contain_text("Warm up")
    other = open_tab().open("/measure", draw=CHAIN, repeats="5", **CPU)
    for each in (tab, other):
        expect(each.page.get_by_text("Measuring cell 1 of 2")).to_be_visible()
        expect(phase(each)).to_be_visible()
    expect(other.button("Measure this cell")).to_be_disabled()
    tab.press("Cancel")
    for each in (tab, other):
        expect(each.page.get_by_text("Cancelled: the device is free again")).to_be_visible()
        expect(each.page.get_by_text("Cancelled: 0 of 2 measured.")).to_be_visible()
    tab.rest().press("Close")
    expect(tab.button("Measure 2 cells")).to_be_enabled()

    other.rest().press("Measure this cell")
    draw_another(tab)
    list_cells(tab)
    for each in (tab, other):
        done = each.page.get_by_text("Done: measured and stored.")
        expect(phase(each).filter(has_text="Repeats").or_(done)).to_be_visible()
        expect(done).to_be_visible()
        expect(each.button("Cancel")).to_have_count(0)
    expect(other.button("Measure this cell")).to_be_enabled()
    expect(other.fact("A step")).to_have_text(re.compile(r"\d\sm?s"))
    expect(other.page.get_by_text(re.compile(r"Your .* for an epoch of this cell"))).to_be_visible()
    other.rest().press("Close")
    expect(other.page.get_by_text("Done: measured and stored.")).to_have_count(0)

    other.choose("Section", "Results").until_params(section="results")
    count = measurements(other)
    path = other.save(other.page.get_by_role("button", name="Parquet", exact=True).first)
    [(digest, batch, repeats, seconds)] = duckdb.sql(
        f"select hash, batch_size, repeats, seconds_per_step from '{path}' order by measured_at desc limit 1"
    ).fetchall()
    assert (digest, batch, repeats) == (Cell.from_text(CHAIN).hash, 1, 5)
    assert 0 < seconds < 60
    delete_the_latest(other)
    assert measurements(other) == count - 1
    other.press("Undo: bring back 1 measurement", by_keyboard=True)
    assert measurements(other) == count


def draw_another(tab: Tab) -> None:
    """Break the chain, mend it, and feed the output from the input as well."""
    energy = tab.fact("Energy")
    expect(energy).to_have_text(re.compile("kWh"))
    before = energy.inner_text()
    with tab.running():
        tab.page.locator(".edge[data-x='1'][data-y='2']").click()
    expect(tab.page.get_by_text("Not a cell yet: nothing reaches the output")).to_be_visible()
    expect(tab.button("Add to the list")).to_be_disabled()
    tab.until_params(draw="1=maxpool3x3(0) 2=output()").press("Undo")
    tab.page.locator("[data-vertex='0']").focus()
    with tab.running():
        for key in ("e", "End", "Enter"):
            tab.page.keyboard.press(key)
    tab.until_params(draw=FED_TWICE)
    expect(tab.page.get_by_test_id("stCode").first).to_have_text(Cell.from_text(FED_TWICE).hash)
    expect(energy).not_to_have_text(before)


def list_cells(tab: Tab) -> None:
    """Put cells on the list of a section, in the dark and on a phone; the list outlives a reload."""
    tab.look_in("dark").legible().fits(NARROW)
    tab.choose("Section", "Results").until_params(section="results").fits(NARROW)
    tab.choose("Section", "This device").until_params(section="device").fits(NARROW)
    tab.press("Put 5 cells on the list")
    expect(tab.button("Measure 5 cells")).to_be_visible()
    tab.until_param("list", listed=5)
    tab.reload()
    expect(tab.button("Measure 5 cells")).to_be_visible()


def measurements(tab: Tab) -> int:
    """How many measurements are kept."""
    headline = tab.page.get_by_role("heading", name=re.compile(r"^\d+ measurements?$"))
    return int(number(headline.inner_text())) if headline.count() else 0


def delete_the_latest(tab: Tab) -> None:
    """By keyboard, but for the row of the table, which is drawn on a canvas."""
    table = tab.page.get_by_test_id("stDataFrame")
    expect(table.locator("canvas").first).to_be_visible()
    expect(tab.page.get_by_test_id("stSkeleton")).to_have_count(0)
    box = table.bounding_box()
    with tab.running():
        tab.page.mouse.click(box["x"] + BOX, box["y"] + FIRST_ROW)
    tab.until_param("results")
    tab.press("Delete", by_keyboard=True)
