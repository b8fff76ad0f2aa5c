"""The Search page as a visitor meets it, in headless Chromium: real searches, watched, cancelled, compared, taken along."""

from __future__ import annotations

import re

import duckdb
import pytest
from playwright.sync_api import expect

NARROW = {"width": 390, "height": 844}
RUN_MS = 120_000  # processes that begin on two busy cores
LONG = {"algorithms": "MS-EHVI", "space": "5V", "evaluations": "500", "trials": "4"}
SHORT = {"algorithms": "RS~SEMOA-L", "space": "4V", "evaluations": "20", "trials": "2"}
ROW, FIRST_ROW, BOX = 36, 52, 16  # where the table on its canvas has its check boxes, in pixels


def press(tab, name: str | re.Pattern[str]) -> None:
    tab.page.get_by_role("button", name=name, exact=isinstance(name, str)).click()


def start(tab, name: str, params: dict[str, str]) -> None:
    """Start a study under a name."""
    tab.open("/search", **params)
    tab.page.get_by_label("Name", exact=True).fill(name)
    press(tab, "Start the search")
    tab.page.wait_for_function("new URLSearchParams(location.search).has('study')")


def evaluations(tab) -> int:
    return int(tab.fact("Evaluations").inner_text().replace("\u202f", ""))


def until_finished(tab) -> None:
    expect(tab.page.get_by_text("The whole study")).to_be_visible(timeout=RUN_MS)
    tab.idle()


def test_watched_reloaded_seen_elsewhere_cancelled_and_resumed(open_own):
    tab = open_own()
    start(tab, "Long", LONG)
    expect(tab.page.get_by_text(re.compile(r"MS-EHVI has [\d.]+\s% of the true front"))).to_be_visible(timeout=RUN_MS)
    before = evaluations(tab)
    tab.page.wait_for_function(
        "before => Number([...document.querySelectorAll('.facts div')].find(each => each.innerText.startsWith("
        "'Evaluations\\n')).querySelector('.figure').innerText.replace(/\\D/g, '')) > before",
        arg=before,
    )
    expect(tab.page.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_visible()
    expect(tab.page.locator(".js-plotly-plot")).to_have_count(2)
    tab.screenshot("search_running")
    tab.page.reload()
    expect(tab.page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    assert evaluations(tab) >= before
    other = open_own().open("/search")
    expect(other.page.get_by_text("Long is running.")).to_be_visible()
    press(other, "Watch it")
    expect(other.fact("Evaluations a second")).to_be_visible()
    press(tab, "Cancel")
    for each in (tab, other):
        expect(each.page.get_by_text(re.compile(r"Cancelled\. \d of 4 trials"))).to_be_visible(timeout=RUN_MS)
    press(tab, re.compile("^Resume: run the other"))
    expect(tab.page.get_by_role("button", name="Cancel", exact=True)).to_be_visible(timeout=RUN_MS)
    press(tab, "Cancel")
    expect(tab.page.get_by_text(re.compile(r"Cancelled\. \d of 4 trials"))).to_be_visible(timeout=RUN_MS)


def test_two_at_once_in_two_sessions_one_of_them_closed_then_compared_and_taken_along(open_own):
    tab, other = open_own(), open_own()
    start(tab, "Ours", SHORT)
    start(other, "Theirs", SHORT | {"seed": "7"})
    link = other.page.url
    other.page.close()
    until_finished(tab)
    tab.page.goto(link)
    until_finished(tab)
    tab.choose("Section", "All studies").idle()
    table = tab.page.get_by_test_id("stDataFrame")
    for row in range(2):
        choose_row(tab, table, row)
    expect(tab.page.get_by_role("button", name="Compare 2")).to_be_enabled()
    press(tab, "Compare 2")
    until_finished(tab)
    expect(tab.page.get_by_test_id("stMultiSelect").first).to_contain_text(re.compile("Ours|Theirs"))
    tab.screenshot("search_compared")
    with tab.page.expect_download() as begun:
        press(tab, "Evaluations, Parquet")
    rows = duckdb.sql(
        f"select algorithm, seed, count(*) filter (charged) from read_parquet('{begun.value.path()}') group by all"
    ).fetchall()
    assert len(rows) == 4
    assert {row[2] for row in rows} == {20}
    with tab.page.expect_download() as begun:
        press(tab, "Report, HTML")
    assert "<html" in begun.value.path().read_text(encoding="utf-8").lower()


def choose_row(tab, table, row: int) -> None:
    """Check one more row of the table, which is drawn on a canvas."""
    chosen = len(list(filter(None, tab.params.get("study", "").split("~"))))
    if row == 0 and chosen:  # what was looked at before is chosen already
        return
    box = table.bounding_box()
    tab.page.mouse.click(box["x"] + BOX, box["y"] + FIRST_ROW + row * ROW)
    tab.page.wait_for_function(
        "count => (new URLSearchParams(location.search).get('study') || '').split('~').length === count", arg=chosen + 1
    )
    tab.idle()


def test_renamed_deleted_and_brought_back_by_keyboard(open_own):
    tab = open_own()
    start(tab, "To be renamed", SHORT | {"trials": "1"})
    until_finished(tab)
    tab.page.get_by_role("button", name="Manage").press("Enter")
    field = tab.page.get_by_label("Name", exact=True)
    field.fill("Renamed")
    field.press("Enter")
    tab.page.get_by_role("button", name="Rename", exact=True).press("Enter")
    expect(tab.page.get_by_role("combobox", name="Study", exact=True)).to_have_value("Renamed")
    tab.idle()
    if not tab.page.get_by_role("button", name="Delete", exact=True).is_visible():
        tab.page.get_by_role("button", name="Manage").press("Enter")
    tab.page.get_by_role("button", name="Delete", exact=True).press("Enter")
    undo = tab.page.get_by_role("button", name="Undo: bring back 1 study")
    expect(undo).to_be_visible()
    undo.press("Enter")
    press(tab, "Open the study")
    until_finished(tab)
    expect(tab.page.get_by_role("combobox", name="Study", exact=True)).to_have_value("Renamed")


@pytest.mark.parametrize(("name", "params"), [("setup", {}), ("studies", {"section": "studies"}),
                                              ("published", {"study": "published-5V"})])  # fmt: skip
def test_fits_a_phone(open_own, name, params):
    tab = open_own(viewport=NARROW, color_scheme="dark").open("/search", **params)
    expect(tab.page.get_by_test_id("stSkeleton")).to_have_count(0)
    assert tab.main.evaluate("main => main.scrollWidth <= main.clientWidth")
    tab.screenshot(f"search_{name}_390_dark")


def test_set_up_fits_the_first_screen(open_own):
    tab = open_own().open("/search")
    button = tab.page.get_by_role("button", name="Start the search")
    expect(button).to_be_in_viewport()
    expect(tab.fact("Training them for real")).to_be_in_viewport()
    tab.choose("Preset", "The paper's setting").until_params(space="7V", charging="all", sampling="matrix")
    tab.screenshot("search_setup")
