"""Scaling, Swaps and Hardware: from their pictures to cells, and from section to section."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
from playwright.sync_api import expect

from tests.journeys.tab import NARROW, WIDE, Tab

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"
BURNT = START = "256affa4b0191e323796f138db7b1164"
LEANEST = "043721b9c7fe8c5fad811d47d83132ec"


def test_scaling_opens_cells(tab, truth):
    measured = {epochs: truth.cells("4V", epochs).set_index("hash").sort_index() for epochs in (4, 108)}
    ratio = measured[108]["energy"] / measured[4]["energy"]
    lowest = ratio.idxmin()
    tab.open("/scaling").accessible()
    ratios = tab.chart("scaling_ratios").point_at()
    lines = ratios.plot.locator(".scatterlayer .trace:has(.points .point)")
    ratios.press(lines.nth(list(ratio.index).index(lowest)).locator(".points .point").last)
    tab.until_params(cell=lowest)
    expect(tab.card(lowest)).to_be_visible()
    tab.press("Close").choose("Quantity", "Training time").until_params(quantity="time")
    tab.look_in("dark").legible().fits(NARROW).fits(WIDE)


def test_swaps_walks_and_shows_every_section(tab):
    tab.open("/swaps", section="walk", space="4V", walk=START)
    bars = tab.page.locator("[class*=st-key-swaps_steps] .bars .point path")
    steps = tab.chart(f"swaps_steps_1_{START[:8]}").point_at()
    before = bars.count()
    steps.press(bars.nth(2))
    assert tab.until_param("walk", 2).startswith(f"{START}~")
    expect(tab.fact("Energy since the start")).not_to_have_text("0.0\u202f%")
    expect(tab.page.get_by_text("The path so far")).to_be_visible()
    tab.press("Undo").until_params(walk=START)
    expect(bars).to_have_count(before)
    _fits_a_phone(tab)

    tab.choose("Section", "All of a kind").until_params(section=None)
    tab.chart("swaps_figure_2").shown()
    tab.accessible().look_in("dark").legible()
    _fits_a_phone(tab)
    for section, label in (("one", "One vertex"), ("trade", "Energy for accuracy")):
        tab.choose("Section", label).until_params(section=section)
        tab.chart(f"swaps_{section}").shown()
        _fits_a_phone(tab)


def test_hardware_opens_cells_ranks_and_tells_regret(tab):
    file = RESULTS / "energy_4V9E_rtx3090.parquet"
    by_energy = duckdb.sql(f"select hash from '{file}' where epochs = 4 order by energy_kwh").df()["hash"]
    tab.open("/hardware", sort="RTX 3090", outliers="0").accessible().look_in("dark").legible()
    expect(tab.note("RTX 3090")).to_have_text("mean of 70 cells, 21 outliers")
    with tab.running():
        tab.page.locator(".st-key-hardware_outliers label").click()
    tab.until_params(outliers=None)
    expect(tab.note("RTX 3090")).to_have_text("mean of 91 cells, 21 outliers")
    energies = tab.chart("hardware_energies")
    energies.until_drawn_in("dark")
    energies.click("RTX 3090", 40)
    tab.until_params(cell=by_energy[40])
    expect(tab.card(by_energy[40])).to_be_visible()
    tab.press("Close").until_params(cell=None)
    energies.click("outlier", 23)
    tab.until_params(cell=BURNT)
    tab.fits(NARROW).fits(WIDE)

    tab.choose("Section", "Ranking").until_params(section="ranking")
    expect(tab.fact("Kendall's τ of the pair")).to_have_text("0.718")
    tab.pick(re.compile("and$"), "Titan Xp").until_params(section="ranking", b="Titan Xp")
    expect(tab.fact("Kendall's τ of the pair")).to_have_text("0.893")
    tab.fits(NARROW).fits(WIDE)

    tab.choose("Section", "Regret").until_params(section="regret", b="Titan Xp")
    expect(tab.fact("Mean extra energy")).to_have_text("1.3 %")
    tab.chart("hardware_fronts").click("front of the Quadro", 0)
    tab.until_params(cell=LEANEST)
    tab.fits(NARROW).fits(WIDE)


def _fits_a_phone(tab: Tab) -> None:
    """Nothing of the page, nor any option, is beyond the edge of a narrow screen; the wide one is given back."""
    tab.fits(NARROW)
    for option in tab.main.get_by_role("radio").all():
        box = option.bounding_box()
        assert box["x"] + box["width"] <= NARROW["width"]
    tab.fits(WIDE)
