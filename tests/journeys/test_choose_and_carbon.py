"""Choose and Carbon: a network for given limits, and what its training emits in every country."""

from __future__ import annotations

import json
import re
import zipfile

import pytest
from playwright.sync_api import Locator, expect

from ecnas_core.carbon import grids
from tests.journeys.tab import NARROW, grouped

MAPPED = 211 - 41 + 5  # grids with a figure and an outline, and outlines without a figure
OUTLINES = MAPPED + 1  # the chosen country's outline lies over it


def test_a_network_is_chosen_and_taken_along(tab, truth):
    tab.open("/choose", space="5V")
    plane = tab.chart("choose_plane").shown()
    assert tab.is_on_first_screen(plane.holder)
    tab.accessible()

    tab.page.get_by_role("tab", name="You care").click()
    rather = tab.button(re.compile("Would you rather"))
    rather.click()
    answers = tab.page.locator("[class*=st-key-choose_rather_] button")
    expect(answers).to_have_count(2)
    with tab.running():
        answers.first.click()
    expect(tab.page.get_by_text("1 answer:")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(rather).to_be_focused()
    tab.slide("Little energy", "Home").until_params(weight_energy="0.0")

    tab.page.get_by_role("tab", name="You need").click()
    tab.type("Accuracy on CIFAR-10, at least", "0.92").until_params(space="5V", min_accuracy="0.92")
    count = int((truth.cells("5V")["validation_accuracy"] >= 0.92).sum())
    expect(tab.main.get_by_text(f"{grouped(count)} of {grouped(2532)}")).to_be_visible()
    tab.type("Energy of a training, at most (kWh)", "0.01")
    expect(tab.main.get_by_text("No cell of 5V keeps all limits.")).to_be_visible()
    with tab.running():
        tab.button("Relax to this").first.click()
    expect(tab.main.get_by_text("by your weights take cell")).to_be_visible()

    tab.page.get_by_role("tab", name="You have").click()
    tab.type("Classes", "3").type("Trainings a year", "12").until_params(classes="3", trainings="12")
    with zipfile.ZipFile(tab.save("Zip")) as archive:
        names = {name.rpartition("/")[2]: name for name in archive.namelist()}
        assert {"README.md", "network.py", "train.py", "spec.json"} <= names.keys()
        assert b"CLASSES = 3" in archive.read(names["network.py"])
        chosen = json.loads(archive.read(names["spec.json"]))["hash"]
    assert chosen[:8] in tab.main.locator("strong").first.inner_text()

    tab.look_in("dark").legible().fits(NARROW)


def test_a_footprint_is_seen_in_every_country(tab, open_file, truth):
    cell = truth.cells("4V").iloc[20]
    tab.open("/carbon", space="4V", cell=cell["hash"]).until_params(of=cell["hash"])
    assert float(tab.fact("Energy").inner_text().split()[0]) == pytest.approx(cell["energy"], rel=6e-3)

    atlas = tab.chart("carbon_atlas").shown()
    outlines, bars = atlas.holder.locator(".choroplethlocation"), atlas.holder.locator(".barlayer .point")
    expect(outlines).to_have_count(OUTLINES)
    expect(bars).to_have_count(211)
    widths = outlines.evaluate_all("shapes => shapes.map(each => each.getBoundingClientRect().width)")
    assert max(widths) < 0.9 * atlas.holder.bounding_box()["width"], "a ring that runs the wrong way fills the world"
    assert tab.is_on_first_screen(atlas.holder)
    tab.accessible()

    atlas.press(outline(outlines, "BRA"))
    tab.until_params(space="4V", grid="BR")
    expect(tab.page.get_by_text(re.compile(r"^[\d.]+\skgCO2eq in Brazil\."))).to_be_visible()
    expect(tab.page.get_by_role("combobox", name="Electricity grid")).to_have_value("Brazil")
    dirty = sorted((each for each in grids().values() if each.intensity), key=lambda each: each.intensity)[-15]
    atlas.press(bars.nth(196), up=0.8)
    tab.until_params(space="4V", grid=dirty.code)
    expect(tab.fact("Footprint")).to_contain_text("kgCO2eq")

    figure = tab.save("HTML")
    assert figure.stat().st_size > 100_000
    expect(open_file(figure).locator(".choroplethlocation")).to_have_count(OUTLINES)

    tab.look_in("dark").legible().fits(NARROW)
    tab.choose("Section", "Table 3").until_params(section="table")
    tab.chart("carbon_table").shown()
    tab.fits(NARROW)


def outline(outlines: Locator, code: str) -> Locator:
    """The outline of the country of that code, whose middle must lie on its land."""
    place = outlines.evaluate_all(
        "(shapes, code) => shapes.findIndex(({__data__: of}) => of.loc === code || of.id === code)", code
    )
    return outlines.nth(place)
