"""What came of a study, as a visitor meets it, in headless Chromium: clicked, guessed, played, taken along."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e import conftest as e2e

NARROW = {"width": 390, "height": 844}
RUN_MS = 120_000  # processes that begin on two busy cores
STUDY = {"algorithms": "RS~SEMOA-L", "space": "4V", "evaluations": "40", "trials": "3"}
SECTIONS = ("front", "hypervolume", "difference", "table", "knee", "replay", "guess", "energy")


@pytest.fixture(scope="module")
def own_address(chromium, start_server) -> Iterator[str]:
    """A server of these tests' own: its studies are in its folder alone."""
    with start_server() as address:
        yield address


@pytest.fixture(scope="module")
def study(browser, own_address) -> str:
    """The id of a finished study."""
    context = browser.new_context(viewport=e2e.WIDE)
    tab = e2e.Tab(context.new_page(), own_address).open("/search", **STUDY)
    tab.page.get_by_role("button", name="Start the search", exact=True).click()
    expect(tab.page.get_by_text("The whole study")).to_be_visible(timeout=RUN_MS)
    tab.page.wait_for_function("new URLSearchParams(location.search).has('study')")
    found = tab.params["study"]
    context.close()
    return found


@pytest.fixture
def results(open_tab, own_address, study) -> Callable[..., e2e.Tab]:
    """Open a section of the study's results."""

    def opened(section: str, **special: object) -> e2e.Tab:
        tab = open_tab(at=own_address, **special).open("/search", study=study, section="study", result_section=section)
        expect(tab.page.get_by_text("The whole study")).to_be_visible()
        return tab

    return opened


def chart(tab: e2e.Tab, name: str) -> Locator:
    return tab.page.locator(f".st-key-{name} .js-plotly-plot")


def click(tab: e2e.Tab, name: str, trace: str, point: int) -> None:
    """Click a point of a trace."""
    plot = chart(tab, name)
    plot.scroll_into_view_if_needed()
    x, y = plot.evaluate(
        "(plot, [name, at]) => { const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();"
        " const trace = plot._fullData.find(each => each.name === name);"
        " return [box.x + xaxis._offset + xaxis.d2p(trace.x[at]), box.y + yaxis._offset + yaxis.d2p(trace.y[at])] }",
        [trace, point],
    )
    tab.page.mouse.move(x, y)
    tab.page.mouse.click(x, y)


def test_a_click_on_the_front_opens_a_card(results):
    tab = results("front")
    expect(chart(tab, "search_front")).to_be_visible()
    tab.idle().screenshot("search_results")
    click(tab, "search_front", "marks", 0)
    expect(tab.page.get_by_role("heading", name=re.compile(r"^Cell [0-9a-f]{8}$"))).to_be_visible()


def test_the_knee_is_guessed_and_revealed(results):
    tab = results("guess")
    expect(tab.page.get_by_text("Where is the knee?")).to_be_visible()
    click(tab, "guess_front", "front", 0)
    expect(tab.page.get_by_text("Your guess", exact=True)).to_be_visible()
    tab.idle().screenshot("search_find_the_knee")
    tab.page.get_by_role("button", name="Try again", exact=True).click()
    expect(tab.page.get_by_text("Where is the knee?")).to_be_visible()


def test_a_trial_is_played(results):
    tab = results("replay")
    told = tab.page.locator("strong").filter(has_text="Generation")
    last = re.search(r"of (\d+)", told.inner_text())[1]
    tab.page.get_by_role("button", name="Play", exact=True).click()
    pause = tab.page.get_by_role("button", name="Pause", exact=True)
    expect(pause).to_be_visible()
    expect(told).to_contain_text("Generation 2 of")
    expect(pause).to_have_count(0)
    expect(tab.page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    expect(told).to_contain_text(f"Generation {last} of {last}")
    slider = tab.page.get_by_role("slider", name="Generation")
    slider.press("Home")
    expect(told).to_contain_text(f"Generation 1 of {last}")


def test_the_report_is_taken_along(results, tmp_path: Path):
    tab = results("energy")
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="Report, HTML", exact=True).click()
    path = tmp_path / "report.html"
    download.value.save_as(path)
    assert "of the true front" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("section", SECTIONS)
def test_fits_a_phone_in_the_dark(results, section):
    tab = results(section, viewport=NARROW, color_scheme="dark")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    tab.idle().screenshot(f"search_{section}_narrow_dark")
