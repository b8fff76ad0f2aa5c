"""The Carbon page as a visitor meets it: the map without a network, clicks that choose a grid, downloads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from ecnas_core.carbon import grids

NARROW = {"width": 390, "height": 844}
MAPPED = 211 - 41 + 5  # grids with a figure and an outline, and outlines without a figure


def countries(tab) -> Locator:
    return tab.page.locator(".st-key-carbon_atlas .choroplethlocation")


def click_country(tab, code: str) -> None:
    """Click the middle of a country, which must be one whose middle lies on its land."""
    across, up = tab.page.evaluate(
        "code => { const shape = Array.from(document.querySelectorAll('.choroplethlocation'))"
        ".find(each => each.__data__.loc === code || each.__data__.id === code);"
        " const box = shape.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] }",
        code,
    )
    tab.page.mouse.move(across, up)
    tab.page.mouse.click(across, up)


def test_map_and_bars_are_drawn_with_no_outside_request(tab):
    tab.open("/carbon", space="4V")
    expect(countries(tab)).to_have_count(MAPPED + 1)  # Denmark's outline lies over it
    expect(tab.page.locator(".st-key-carbon_atlas .barlayer .point")).to_have_count(211)
    sizes = countries(tab).evaluate_all("shapes => shapes.map(each => each.getBoundingClientRect().width)")
    plot = tab.page.locator(".st-key-carbon_atlas").bounding_box()
    assert max(sizes) < 0.9 * plot["width"], "a ring that runs the wrong way fills the world"
    assert plot["y"] + plot["height"] <= 800, "the picture is on the first screen"


def test_a_click_on_the_map_or_a_bar_sets_the_lens(tab):
    tab.open("/carbon", space="4V")
    expect(countries(tab)).to_have_count(MAPPED + 1)
    click_country(tab, "BRA")
    tab.until_params(space="4V", grid="BR")
    expect(tab.page.get_by_text(re.compile(r"^[\d.]+\skgCO2eq in Brazil\."))).to_be_visible()
    expect(tab.page.get_by_role("combobox", name="Electricity grid")).to_have_value("Brazil")
    dirty = sorted((each for each in grids().values() if each.intensity), key=lambda each: each.intensity)[-15]
    bar = tab.page.locator(".st-key-carbon_atlas .barlayer .point").nth(196).bounding_box()
    tab.page.mouse.click(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] * 0.8)
    tab.until_params(space="4V", grid=dirty.code)
    expect(tab.fact("Footprint")).to_contain_text("kgCO2eq")


def test_another_cell_s_open_card_comes_along(tab, truth):
    cell = truth.cells("4V").iloc[20]
    tab.open("/carbon", space="4V", cell=cell["hash"]).until_params(of=cell["hash"])
    energy = float(tab.fact("Energy").inner_text().split()[0])
    assert energy == pytest.approx(cell["energy"], rel=6e-3)


def test_the_downloaded_figure_draws_itself_with_no_network(tab, open_tab):
    tab.open("/carbon", space="4V")
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="HTML").click()
    path = Path(download.value.path())
    assert path.stat().st_size > 100_000
    copy = path.with_suffix(".html")
    copy.write_bytes(path.read_bytes())
    alone = open_tab()
    alone.page.goto(copy.as_uri())
    expect(alone.page.locator(".choroplethlocation")).to_have_count(MAPPED + 1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_narrow_pages_do_not_scroll_sideways(open_tab, theme):
    tab = open_tab(viewport=NARROW, color_scheme=theme)
    for name, params in {"footprint": {}, "table": {"section": "table"}}.items():
        tab.open("/carbon", space="4V", **params)
        expect(tab.page.locator(".js-plotly-plot").first).to_be_visible()
        assert tab.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        tab.screenshot(f"carbon-{name}-narrow-{theme}")
