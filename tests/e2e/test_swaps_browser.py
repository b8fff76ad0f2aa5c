"""The Swaps page in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

START = "256affa4b0191e323796f138db7b1164"


def test_a_walk_by_clicks_and_back(tab):
    tab.open("/swaps", section="walk", space="4V", walk=START)
    bars = tab.page.locator("[class*=st-key-swaps_steps] .bars .point path")
    expect(bars.first).to_be_visible()
    before = bars.count()
    box = bars.nth(2).bounding_box()
    tab.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.wait_for_function(
        "start => new URLSearchParams(location.search).get('walk')?.startsWith(start + '~')", arg=START
    )
    tab.idle()
    expect(tab.fact("Energy since the start")).not_to_have_text("0.0\u202f%")
    expect(tab.page.get_by_text("The path so far")).to_be_visible()
    tab.page.get_by_role("button", name="Undo").click()
    tab.until_params(walk=START)
    expect(bars).to_have_count(before)


def test_from_section_to_section_and_page_to_page(tab):
    tab.open("/swaps")
    expect(tab.page.locator(".st-key-swaps_figure_2 .js-plotly-plot")).to_be_visible()
    tab.choose("Section", "One vertex").until_params(section="one")
    expect(tab.page.locator(".st-key-swaps_one .js-plotly-plot")).to_be_visible()
    tab.choose("Section", "Energy for accuracy").until_params(section="trade")
    expect(tab.page.locator(".st-key-swaps_trade .js-plotly-plot")).to_be_visible()
    tab.go("Explore").until_params(section=None)
    tab.go("Swaps").until_params(section="trade")


@pytest.mark.parametrize("section", ["all", "one", "trade", "walk"])
def test_on_a_phone_in_the_dark(open_tab, section):
    viewport = {"width": 390, "height": 844}
    tab = open_tab(viewport=viewport, color_scheme="dark").open("/swaps", section=section, space="4V")
    tab.screenshot(f"swaps-{section}-narrow-dark")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    for option in tab.main.get_by_role("radio").all():
        box = option.bounding_box()
        assert box["x"] + box["width"] <= viewport["width"]
