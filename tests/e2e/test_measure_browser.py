"""The Measure page as a visitor meets it, in headless Chromium: a real measurement on the CPU, and one cancelled."""

from __future__ import annotations

import re

import duckdb
import pytest
from playwright.sync_api import expect

from ecnas_core.cells import Cell
from tests.e2e import conftest as e2e

CHAIN, FED_TWICE = "1=maxpool3x3(0) 2=output(1)", "1=maxpool3x3(0) 2=output(0,1)"
POOLED = "043721b9c7fe8c5fad811d47d83132ec"
NARROW = {"width": 390, "height": 844}
RUN_MS = 180_000  # a process that imports torch on two busy cores
CPU = {"device": "cpu", "batch": "1", "repeats": "5"}


def vertex(tab, number: int):
    return tab.page.locator(f"[data-vertex='{number}']")


def press(tab, name: str) -> None:
    tab.page.get_by_role("button", name=name, exact=True).click()


def section(tab, name: str) -> e2e.Tab:
    tab.choose("Section", name)
    return tab.idle()


def until_free(tab) -> None:
    """Wait until no measurement runs."""
    expect(tab.page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0, timeout=RUN_MS)


def test_a_cell_is_drawn_and_validated(open_own):
    tab = open_own().open("/measure", draw=CHAIN)
    energy = tab.fact("Energy")
    expect(energy).to_have_text(re.compile("kWh"))
    before = energy.inner_text()
    tab.page.locator(".edge[data-x='1'][data-y='2']").click()
    expect(tab.page.get_by_text("Not a cell yet: nothing reaches the output")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Measure this cell")).to_be_disabled()
    tab.until_params(draw="1=maxpool3x3(0) 2=output()")
    press(tab, "Undo")
    vertex(tab, 0).focus()
    for key in ("e", "End", "Enter"):
        tab.page.keyboard.press(key)
    tab.until_params(draw=FED_TWICE)
    expect(tab.page.get_by_test_id("stCode").first).to_have_text(Cell.from_text(FED_TWICE).hash)
    expect(energy).not_to_have_text(before)
    expect(tab.page.get_by_role("button", name="Measure this cell")).to_be_enabled()


def test_what_a_link_says_is_shown_as_it_was_written(open_own):
    """No image is fetched, no formula set, no icon drawn; by the parser of the browser itself."""
    tab = open_own()
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    hostile = "![a](http://127.0.0.1:9/x.png) $x$ :material/home: :red[b] <b>c</b> *d* http://e.vil www.e.vil a@e.vil"
    tab.open("/measure", draw=hostile, cell=hostile)
    for number in (0, 1):
        notice = tab.page.get_by_test_id("stAlert").nth(number)
        expect(notice).to_contain_text("of the link is left out" if number == 0 else "could not be opened")
        assert notice.locator("a, img, .katex, em, b, strong, [data-testid=stMarkdownColoredText]").count() == 0
        assert "![a](http://127.0.0.1:9/x.png) $x$" in notice.inner_text().replace("\u2060", "")
    assert not [url for url in asked if ":9/" in url]


def test_measured_on_the_cpu_seen_from_two_tabs_listed_and_deleted(open_own):
    tab = open_own().open("/measure", draw=CHAIN, **CPU)
    press(tab, "Measure this cell")
    expect(tab.page.get_by_text("Measuring the cell")).to_be_visible()
    expect(tab.page.get_by_role("list", name="Phases")).to_contain_text("Warm up")
    other = open_own().open("/measure")
    expect(other.page.get_by_text("Measuring the cell")).to_be_visible()
    expect(other.page.get_by_role("button", name="Measure this cell")).to_be_disabled()
    tab.page.reload()
    expect(tab.page.get_by_text("Measuring the cell")).to_be_visible()
    expect(tab.page.locator(".timeline [aria-current=step] .label")).to_have_text("Repeats", timeout=RUN_MS)
    tab.screenshot("measure_running")
    for each in (tab, other):
        until_free(each)
        expect(each.page.get_by_text("Done: measured and stored.")).to_be_visible()
        expect(each.page.get_by_role("button", name="Measure this cell")).to_be_enabled()
    expect(tab.fact("A step")).to_have_text(re.compile(r"\d\sm?s"))
    expect(tab.page.get_by_text(re.compile(r"Your .* for an epoch of this cell"))).to_be_visible()
    tab.screenshot("measure_done")
    press(tab, "Close")
    expect(tab.page.get_by_text("Done: measured and stored.")).to_have_count(0)
    section(tab, "Results").until_params(section="results")
    expect(tab.page.get_by_role("heading", name="1 measurement", exact=True)).to_be_visible()
    with tab.page.expect_download() as begun:
        tab.page.get_by_role("button", name="Parquet", exact=True).first.click()
    [(digest, batch, repeats, seconds)] = duckdb.sql(
        f"select hash, batch_size, repeats, seconds_per_step from read_parquet('{begun.value.path()}')"
    ).fetchall()
    assert (digest, batch, repeats) == (Cell.from_text(CHAIN).hash, 1, 5)
    assert 0 < seconds < 60
    delete_and_bring_back(tab)


def delete_and_bring_back(tab) -> None:
    """By keyboard, but for the row of the table, which is drawn on a canvas."""
    box = tab.page.get_by_test_id("stDataFrame").bounding_box()
    tab.page.mouse.click(box["x"] + 14, box["y"] + 58)
    tab.page.wait_for_function("new URLSearchParams(location.search).has('results')")
    tab.idle()
    tab.page.get_by_role("button", name="Delete", exact=True).press("Enter")
    expect(tab.page.get_by_text("Nothing is measured yet.")).to_be_visible()
    tab.page.get_by_role("button", name="Undo: bring back 1 measurement").press("Enter")
    expect(tab.page.get_by_role("heading", name="1 measurement", exact=True)).to_be_visible()


def test_cancelled_and_the_device_is_free_again(open_own):
    tab = open_own().open("/measure", draw=CHAIN, list=POOLED, effort="thorough", **CPU)
    press(tab, "Add to the list")
    press(tab, "Measure 2 cells")
    expect(tab.page.get_by_text("Measuring cell 1 of 2")).to_be_visible()
    expect(tab.page.locator(".timeline [aria-current=step] .label")).to_have_text("Warm up", timeout=RUN_MS)
    press(tab, "Cancel")
    until_free(tab)
    expect(tab.page.get_by_text("Cancelled: the device is free again")).to_be_visible()
    expect(tab.page.get_by_text("Cancelled: 0 of 2 measured.")).to_be_visible()
    press(tab, "Close")
    expect(tab.page.get_by_role("button", name="Measure 2 cells")).to_be_enabled()


def test_the_cells_that_tell_most_go_on_the_list(open_own):
    tab = open_own().open("/measure", section="device")
    press(tab, "Put 5 cells on the list")
    expect(tab.page.get_by_role("button", name="Measure 5 cells")).to_be_visible()
    tab.page.wait_for_function("(new URLSearchParams(location.search).get('list') || '').split('~').length == 5")
    tab.page.reload()
    expect(tab.page.get_by_role("button", name="Measure 5 cells")).to_be_visible()


@pytest.mark.parametrize("name", ["measure", "results", "device"])
def test_fits_a_phone(open_own, name):
    tab = open_own(viewport=NARROW, color_scheme="dark").open("/measure", section=name)
    expect(tab.page.get_by_test_id("stSkeleton")).to_have_count(0)
    assert tab.main.evaluate("main => main.scrollWidth <= main.clientWidth")
    tab.screenshot(f"measure_{name}_390_dark")
