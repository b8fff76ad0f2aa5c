"""The Scaling page in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


def test_a_click_on_a_line_opens_its_card(tab, truth):
    energy = {epochs: truth.cells("4V", epochs).set_index("hash")["energy"].sort_index() for epochs in (4, 108)}
    ratio = energy[108] / energy[4]
    lowest = ratio.idxmin()
    tab.open("/scaling")
    plot = tab.page.locator(".st-key-scaling_ratios .js-plotly-plot")
    lines = plot.locator(".scatterlayer .trace:has(.points .point)")
    point = lines.nth(list(ratio.index).index(lowest)).locator(".points .point").last
    box = point.bounding_box()
    tab.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.until_params(cell=lowest)
    expect(tab.page.get_by_role("heading", name=f"Cell {lowest[:8]}")).to_be_visible()


def test_correction_in_the_lens_reaches_explore(tab, truth):
    measured = {epochs: truth.cells("4V", epochs).set_index("hash") for epochs in (4, 108)}
    per_second = (measured[108]["energy"] / (27 * measured[4]["training_time"])).mean()
    cells = truth.cells("5V")
    corrected = truth.front(cells.assign(energy=per_second * cells["training_time"]))["energy"]
    tab.open(space="5V")
    assert tab.drawn_values("front") == pytest.approx(list(truth.front(cells)["energy"]))
    tab.page.get_by_text("Correct linear scaling").click()
    tab.until_params(corrected="1")
    expect(tab.page.get_by_text("linear scaling corrected")).to_be_visible()
    expect(tab.points("front")).to_have_count(len(corrected))
    assert tab.drawn_values("front") == pytest.approx(list(corrected))


def test_on_a_phone_in_the_dark(open_tab):
    viewport = {"width": 390, "height": 844}
    tab = open_tab(viewport=viewport, color_scheme="dark").open("/scaling", quantity="time")
    tab.screenshot("scaling-narrow-dark")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
