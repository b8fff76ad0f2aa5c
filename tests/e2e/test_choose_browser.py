"""The Choose page as an engineer meets it: limits typed, a cell clicked, a zip taken along."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

NARROW = {"width": 390, "height": 844}


def test_limits_move_the_answer_and_the_picture_is_on_the_first_screen(tab, truth):
    tab.open("/choose", space="5V")
    plot = tab.page.locator(".st-key-choose_plane")
    expect(plot.locator(".js-plotly-plot")).to_be_visible()
    box = plot.bounding_box()
    assert box["y"] + box["height"] <= 800
    tab.type_number("Accuracy on CIFAR-10, at least", "0.92").until_params(space="5V", min_accuracy="0.92")
    count = int((truth.cells("5V")["validation_accuracy"] >= 0.92).sum())
    expect(tab.main.get_by_text(f"{count:,} of 2,532".replace(",", "\u202f"))).to_be_visible()
    tab.type_number("Energy of a training, at most (kWh)", "0.01")
    expect(tab.main.get_by_text("No cell of 5V keeps all limits.")).to_be_visible()
    tab.page.get_by_role("button", name="Relax to this").first.click()
    expect(tab.main.get_by_text("by your weights take cell")).to_be_visible()


def test_the_network_comes_along_as_a_zip(tab, tmp_path):
    tab.open("/choose", space="4V", classes="3")
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="Zip").click()
    assert download.value.suggested_filename.endswith(".zip")
    path = tmp_path / "network.zip"
    path.write_bytes(Path(download.value.path()).read_bytes())
    with zipfile.ZipFile(path) as archive:
        names = {name.rpartition("/")[2]: name for name in archive.namelist()}
        assert {"README.md", "network.py", "train.py", "spec.json"} <= names.keys()
        spec = json.loads(archive.read(names["spec.json"]))
        assert b"CLASSES = 3" in archive.read(names["network.py"])
    assert spec["hash"][:8] in tab.page.get_by_test_id("stMain").locator("strong").first.inner_text()


def test_weights_by_rather_and_by_keyboard(tab):
    tab.open("/choose", space="5V")
    tab.page.get_by_role("tab", name="You care").click()
    rather = tab.page.get_by_role("button", name="Would you rather")
    rather.click()
    answers = tab.page.locator("[class*=st-key-choose_rather_] button")
    expect(answers).to_have_count(2)
    answers.first.click()
    expect(tab.page.get_by_text("1 answer:")).to_be_visible()
    tab.idle()
    tab.page.keyboard.press("Escape")
    expect(rather).to_be_focused()  # given back by the popover, in its own time
    slider = tab.page.get_by_role("slider", name="Little energy")
    slider.focus()
    slider.press("Home")
    tab.until_params(weight_energy="0.0")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_narrow_pages_do_not_scroll_sideways(open_tab, theme):
    tab = open_tab(viewport=NARROW, color_scheme=theme)
    tab.open("/choose", space="4V", trainings="12")
    expect(tab.page.locator(".st-key-choose_plane .js-plotly-plot")).to_be_visible()
    assert tab.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    tab.screenshot(f"choose-narrow-{theme}")
