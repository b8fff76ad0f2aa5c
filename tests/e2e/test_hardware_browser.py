"""The Hardware page as a visitor meets it, in headless Chromium; numbers are held against the Parquet files."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import expect

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"
BURNT = "256affa4b0191e323796f138db7b1164"
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def by_rtx_3090():
    """The cells by rising energy on the RTX 3090."""
    file = RESULTS / "energy_4V9E_rtx3090.parquet"
    return duckdb.sql(f"select hash, energy_kwh from '{file}' where epochs = 4 order by energy_kwh").df()


def click_point(tab, picture: str, trace: str, number: int) -> None:
    """Click the marker with that number of the first trace whose name begins so."""
    tab.page.mouse.move(2, 2)
    plot = tab.page.locator(f".st-key-hardware_{picture} .js-plotly-plot")
    plot.scroll_into_view_if_needed()
    place = plot.evaluate("(plot, name) => plot.data.findIndex(each => each.name.startsWith(name))", trace)
    box = plot.locator(".scatterlayer .trace").nth(place).locator(".points .point").nth(number).bounding_box()
    tab.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


class TestEnergy:
    def test_a_click_on_a_point_opens_the_cells_card(self, tab, by_rtx_3090):
        tab.open("/hardware", sort="RTX 3090")
        cell = by_rtx_3090["hash"].iloc[40]
        click_point(tab, "energies", "RTX 3090", 40)
        tab.until_params(cell=cell)
        expect(tab.page.get_by_role("heading", name=f"Cell {cell[:8]}")).to_be_visible()
        tab.page.get_by_role("button", name="Close", exact=True).click()
        tab.until_params(cell=None)

    def test_the_ring_of_the_worst_outlier_opens_its_card_and_it_can_be_left_out(self, tab):
        tab.open("/hardware", sort="RTX 3090")
        click_point(tab, "energies", "outlier", 23)
        tab.until_params(cell=BURNT)
        expect(tab.fact("RTX 3090").locator("xpath=following-sibling::small")).to_have_text(
            "mean of 91 cells, 21 outliers"
        )
        tab.page.locator(".st-key-hardware_outliers label").click()
        tab.until_params(outliers="0", cell=BURNT)
        expect(tab.fact("RTX 3090").locator("xpath=following-sibling::small")).to_have_text(
            "mean of 70 cells, 21 outliers"
        )


class TestSections:
    def test_ranking_and_regret(self, tab):
        tab.open("/hardware").choose("Section", "Ranking").until_params(section="ranking")
        expect(tab.fact("Kendall's τ of the pair")).to_have_text("0.718")
        field = tab.page.get_by_role("combobox", name=re.compile("and$"))
        field.click()
        tab.page.get_by_role("option", name="Titan Xp", exact=True).click()
        tab.until_params(section="ranking", b="Titan Xp")
        expect(tab.fact("Kendall's τ of the pair")).to_have_text("0.893")
        tab.choose("Section", "Regret").until_params(section="regret", b="Titan Xp")
        expect(tab.fact("Mean extra energy")).to_have_text("1.3 %")
        click_point(tab, "fronts", "front of the Quadro", 0)
        tab.until_params(cell="043721b9c7fe8c5fad811d47d83132ec")
        tab.screenshot("hardware-regret")

    @pytest.mark.parametrize("section", ["energy", "ranking", "regret"])
    def test_fits_a_phone(self, open_tab, section):
        tab = open_tab(viewport=NARROW, color_scheme="dark").open("/hardware", section=section)
        expect(tab.page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        assert tab.main.evaluate("main => main.scrollWidth <= main.clientWidth")
        tab.screenshot(f"hardware-{section}-390-dark")
