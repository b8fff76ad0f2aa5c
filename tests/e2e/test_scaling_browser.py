"""The Scaling page in a browser."""

from __future__ import annotations

from playwright.sync_api import expect


def test_a_click_on_a_line_opens_its_card(tab):
    tab.open("/scaling")
    plot = tab.page.locator(".st-key-scaling_ratios .js-plotly-plot")
    expect(plot).to_be_visible()
    point = plot.locator(".scatterlayer .trace").first.locator(".points .point").last
    box = point.bounding_box()
    tab.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.wait_for_function("new URLSearchParams(location.search).has('cell')")
    expect(tab.page.get_by_role("heading", name="Cell ")).to_be_visible()


def test_correction_in_the_lens_reaches_explore(tab):
    tab.open(space="5V")
    before = tab.drawn_values("front")
    tab.page.get_by_text("Correct linear scaling").click()
    tab.until_params(corrected="1")
    after = tab.drawn_values("front")
    assert all(0.85 < now / then < 0.88 for now, then in zip(after, before, strict=True))


def test_on_a_phone_in_the_dark(open_tab):
    viewport = {"width": 390, "height": 844}
    tab = open_tab(viewport=viewport, color_scheme="dark").open("/scaling", quantity="time")
    tab.screenshot("scaling-narrow-dark")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
