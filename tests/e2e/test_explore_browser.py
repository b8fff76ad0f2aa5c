"""The Explore page as a visitor meets it, in headless Chromium; every number is held against the Parquet files."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from ecnas_core import Cell

FACILITY_TO_IT = 1 / 1.59
MEGABYTE = 1_000_000
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 390, "height": 844}


def number(text: str) -> float:
    plain = re.sub(r"\u202f", "", text).replace("\u2212", "-")
    return float(re.search(r"-?\d+(\.\d+)?", plain)[0])


def grouped(count: int) -> str:
    """A count as the page writes it, its thin spaces as Playwright compares them."""
    return f"{count:,}".replace(",", " ")


@pytest.fixture(scope="module")
def front_4v(truth):
    return truth.front(truth.cells("4V"))


class TestOpening:
    def test_all_of_7v(self, tab, truth):
        tab.open()
        cells = truth.cells()
        front = truth.front(cells)
        knee = truth.knee(front)
        predicted = int((cells["accuracy_provenance"] == "predicted").sum())
        expect(tab.fact("Matching cells")).to_have_text(grouped(len(cells)))
        expect(tab.fact("With both values")).to_have_text(grouped(len(cells)))
        expect(tab.fact("On the front")).to_have_text(str(len(front)))
        assert number(tab.fact("rk knee").inner_text()) == pytest.approx(knee["energy"], rel=6e-3)
        expect(tab.headline).to_contain_text(f"{grouped(len(cells))} cells, {grouped(predicted)} of them predicted")
        expect(tab.points("front")).to_have_count(len(front))
        assert tab.params == {}

    def test_space_and_epochs(self, tab, truth):
        tab.open(space="4V").choose("Space", "5V").until_params(space="5V")
        tab.choose("Epochs", "4").until_params(space="5V", epochs="4")
        front = truth.front(truth.cells("5V", 4))
        expect(tab.fact("Matching cells")).to_have_text("2 532")
        expect(tab.fact("On the front")).to_have_text(str(len(front)))
        assert number(tab.fact("r0 least energy").inner_text()) == pytest.approx(front["energy"].iloc[0], rel=6e-3)

    def test_a_page_may_be_the_first_thing_a_server_is_asked_for(self, open_tab, start_server):
        with start_server() as address:
            tab = open_tab(at=address).open("/explore", space="4V")
            expect(tab.fact("Matching cells")).to_have_text("91")
            expect(tab.page.get_by_role("radiogroup", name="Scope")).to_be_visible()
            tab.page.close()


class TestFilters:
    def test_counts_follow_sliders_and_ranges(self, tab, truth):
        cells = truth.cells("5V")
        tab.open(space="5V").show_filters()
        slider = tab.page.get_by_role("slider", name="3×3 convolutions — start")
        slider.focus()
        slider.press("ArrowRight")
        tab.until_params(n_conv3x3="1~5")
        expect(tab.fact("Matching cells")).to_have_text(grouped((cells["n_conv3x3"] >= 1).sum()))
        expect(tab.page.get_by_text("Filters (1)")).to_be_visible()
        tab.page.get_by_role("combobox", name="Ranges of").click()
        tab.page.get_by_role("option", name="Energy", exact=True).click()
        tab.page.keyboard.press("Escape")
        tab.type_number("Energy from", "0.3").until_params(range_energy="0.3~inf")
        tab.type_number("to", "0.6").until_params(range_energy="0.3~0.6")
        left = cells[(cells["n_conv3x3"] >= 1) & cells["energy"].between(0.3, 0.6)]
        expect(tab.fact("Matching cells")).to_have_text(grouped(len(left)))
        expect(tab.fact("On the front")).to_have_text(str(len(truth.front(left))))
        expect(tab.page.get_by_text("Filters (2)")).to_be_visible()
        tab.page.get_by_role("button", name="Reset", exact=True).click()
        tab.until_params(n_conv3x3=None, range_energy=None)
        expect(tab.fact("Matching cells")).to_have_text("2 532")

    def test_a_redraw_of_7v_is_light(self, tab, truth):
        tab.open().show_filters()
        received = count_bytes(tab.page)
        slider = tab.page.get_by_role("slider", name="Vertices — end")
        slider.focus()
        slider.press("ArrowLeft")
        tab.until_params(vertices="2~6")
        expect(tab.fact("Matching cells")).to_have_text(grouped((truth.cells()["vertices"] <= 6).sum()))
        assert 10_000 < sum(received) <= MEGABYTE


class TestCellCard:
    def test_a_click_opens_the_card(self, tab, front_4v):
        cell = front_4v.iloc[6]
        tab.open(space="4V").point_at_plot().click_point("front", 6).until_params(cell=cell["hash"])
        page = tab.page
        expect(page.get_by_role("heading", name=f"Cell {cell['hash'][:8]}")).to_be_visible()
        quantities = {
            row.locator("th").inner_text(): row.locator("td").first.inner_text()
            for row in page.locator("table.quantities").first.locator("tbody tr").all()
        }
        assert number(quantities["Energy"]) == pytest.approx(cell["energy"], rel=6e-3)
        assert quantities["Energy"].endswith("kWh")
        assert number(quantities["Validation accuracy"]) == pytest.approx(cell["validation_accuracy"], abs=6e-5)
        assert number(quantities["Parameters"]) == pytest.approx(cell["parameters"], rel=6e-3)
        page.get_by_role("button", name="Copy", exact=True).click()
        code = page.get_by_test_id("stPopoverBody").get_by_test_id("stCode")
        expect(code).to_have_count(4)
        assert Cell.from_json(code.first.inner_text()).hash == cell["hash"]
        assert code.last.inner_text().strip() == f"{tab.address}/explore?space=4V&cell={cell['hash']}"
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Close", exact=True).click()
        tab.until_params(cell=None)

    def test_pinned_cells_are_compared(self, tab, front_4v):
        pinned = front_4v.iloc[[4, 8]]
        tab.open(space="4V", cell=pinned["hash"].iloc[0])
        for position, digest in pinned["hash"].items():
            if tab.params["cell"] != digest:
                tab.point_at_plot().click_point("front", position).until_params(cell=digest)
            tab.page.get_by_role("button", name="Pin to compare").click()
            expect(tab.page.get_by_role("button", name="Unpin").last).to_be_visible()
            tab.idle()
        tab.until_params(tray="~".join(pinned["hash"]))
        table = tab.page.locator("table.quantities").last
        expect(table.locator("thead th")).to_have_text(["4V, 108 epochs", "A", "B"])
        energies = table.get_by_role("row", name=re.compile("^Energy ")).first.locator("td").all_inner_texts()
        assert [number(text) for text in energies] == pytest.approx(list(pinned["energy"]), rel=6e-3)
        sidebar = tab.page.get_by_test_id("stSidebar")
        for digest in pinned["hash"]:
            expect(sidebar.get_by_text(digest[:8])).to_be_visible()


class TestArea:
    def test_a_drag_selects_an_area(self, tab, truth):
        tab.open(space="5V").choose("Dragging", "Drag to select an area")
        tab.page.wait_for_function(
            "document.querySelector('.st-key-picture .js-plotly-plot')?._fullLayout?.dragmode === 'select'"
        )
        tab.idle().point_at_plot().drag(tab.pixel(0.25, 0.09), tab.pixel(0.6, 0.06))
        tab.page.wait_for_function("new URLSearchParams(location.search).has('box')")
        tab.idle()
        x_low, x_high, y_low, y_high = (float(edge) for edge in tab.params["box"].split("~"))
        assert (x_low, x_high) == pytest.approx((0.25, 0.6), rel=0.02)
        assert (y_low, y_high) == pytest.approx((0.06, 0.09), rel=0.02)
        cells = truth.cells("5V")
        inside = cells["energy"].between(x_low, x_high) & cells["validation_error"].between(y_low, y_high)
        assert inside.sum() > 100
        heading = tab.page.get_by_role("heading", name=f"Selected: {inside.sum()} cells")
        expect(heading).to_be_visible()
        tab.page.get_by_role("button", name="Clear selection").click()
        tab.until_params(box=None)
        expect(heading).to_have_count(0)


class TestLinks:
    def test_a_link_reopens_the_same_view(self, open_tab, truth, front_4v):
        params = {
            "space": "4V", "n_conv3x3": "0~1", "scope": "IT", "unit": "Wh", "box": "30~60~0.05~0.2",
            "tray": "~".join(front_4v["hash"][[2, 9]]),
        }  # fmt: skip

        def seen(tab):
            page = tab.page
            return (
                tab.headline.inner_text(),
                page.locator(".facts").all_inner_texts(),
                page.locator("table.quantities").all_inner_texts(),
                page.get_by_role("heading").all_inner_texts(),
                tab.drawn_values("front"),
            )

        first = open_tab().open(**params).choose("Epochs", "36").until_params(epochs="36")
        cells = truth.cells("4V", 36)
        clicked = truth.front(cells[cells["n_conv3x3"] <= 1])["hash"].iloc[2]
        first.point_at_plot().click_point("front", 2).until_params(cell=clicked)
        params |= {"epochs": "36", "cell": clicked}
        second = open_tab(viewport=WIDE)
        second.page.goto(first.page.url)
        second.drawn()
        assert second.params == params
        sidebar = first.page.get_by_test_id("stSidebar").inner_text()
        expect(second.page.get_by_test_id("stSidebar")).to_have_text(sidebar, use_inner_text=True)
        assert seen(second) == seen(first)
        second.show_filters()
        expect(second.page.get_by_role("slider", name="3×3 convolutions — end")).to_have_attribute(
            "aria-valuetext", "1"
        )

    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"space": "9V"}, ["there is no space '9V'"]),
            ({"range_energy": "x"}, ["range_energy='x' is no range"]),
            (
                {"cell": "zzz", "box": "abc"},
                ["A cell of the link is left out", "selected area of the link is left out"],
            ),
        ],
        ids=["space", "range", "cell and area"],
    )
    def test_a_broken_link_is_told(self, tab, params, words):
        tab.open(**params)
        for part in words:
            expect(tab.page.get_by_test_id("stAlert").filter(has_text=part)).to_be_visible()
        expect(tab.fact("Matching cells")).to_have_text("423 615")
        tab.until_params(**dict.fromkeys(params))


class TestDownloads:
    def save(self, tab, label: str) -> Path:
        with tab.page.expect_download() as download:
            tab.page.get_by_role("button", name=label, exact=True).click()
        assert download.value.suggested_filename == f"ec-nas-5V-108-epochs.{label.lower()}"
        return Path(download.value.path())

    def test_tables_hold_the_rows_shown(self, tab, truth):
        tab.open(space="5V", n_conv3x3="1~1", range_energy="100~200", scope="IT", unit="Wh")
        cells = truth.cells("5V")
        watt_hours = cells["energy"] * 1000 * FACILITY_TO_IT
        expected = cells.assign(energy=watt_hours)[(cells["n_conv3x3"] == 1) & watt_hours.between(100, 200)]
        expected = expected.set_index("hash").sort_index()
        expect(tab.fact("Matching cells")).to_have_text(grouped(len(expected)))
        for frame in (pd.read_csv(self.save(tab, "CSV")), pd.read_parquet(self.save(tab, "Parquet"))):
            frame = frame.set_index("hash").sort_index()
            assert list(frame.index) == list(expected.index)
            for name in ("energy", "validation_error", "training_time", "parameters"):
                assert frame[name].to_numpy() == pytest.approx(expected[name].to_numpy(), nan_ok=True), name
            assert set(frame["energy_provenance"]) == {"scaled"}

    def test_of_an_area_its_rows_and_the_figure_alone(self, tab, open_tab, truth):
        tab.open(space="5V", box="0.2~0.4~0.06~0.1")
        cells = truth.cells("5V")
        inside = cells["energy"].between(0.2, 0.4) & cells["validation_error"].between(0.06, 0.1)
        assert set(pd.read_csv(self.save(tab, "CSV"))["hash"]) == set(cells[inside]["hash"])
        file = self.save(tab, "HTML")
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:)?//", text)
        copy = file.with_name("figure.html")
        copy.write_bytes(file.read_bytes())
        alone = open_tab().page
        alone.goto(copy.as_uri())
        expect(alone.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_visible()


class TestLens:
    def test_it_energy_in_watt_hours(self, tab, front_4v):
        tab.open(space="4V").choose("Scope", "IT").until_params(scope="IT")
        tab.choose("Unit", "Wh").until_params(scope="IT", unit="Wh")
        figure = tab.fact("r0 least energy").inner_text()
        assert number(figure) == pytest.approx(front_4v["energy"].iloc[0] * 1000 / 1.59, rel=6e-3)
        assert tab.drawn_values("front") == pytest.approx(list(front_4v["energy"] * 1000 / 1.59))
        expect(tab.plot.locator(".xtitle")).to_have_text("Energy (Wh)")

    def test_footprint_of_another_grid(self, tab, front_4v):
        tab.open(space="4V", unit="kgCO2eq")
        grid = tab.page.get_by_role("combobox", name="Electricity grid")
        grid.click()
        grid.fill("by hand")
        tab.page.get_by_role("option", name="Intensity by hand").click()
        tab.type_number("Intensity (gCO2eq/kWh)", "500").until_params(grid="500.0")
        assert tab.drawn_values("front") == pytest.approx(list(front_4v["energy"] * 0.5))

    def test_gpu_energy_of_7v_is_unknown(self, tab):
        tab.open(scope="GPU")
        note = tab.page.get_by_test_id("stAlert")
        expect(note).to_contain_text("Choose the scope Facility or IT")
        expect(tab.page.get_by_test_id("stException")).to_have_count(0)


class TestEveryone:
    def test_by_keyboard(self, tab):
        tab.open(space="4V")
        page = tab.page
        tab.tab_to(".st-key-explore_space [role=radio]")
        focused = page.locator(":focus-visible")
        expect(focused).to_have_text("4V")
        assert focused.evaluate("element => getComputedStyle(element).boxShadow") != "none"
        page.keyboard.press("ArrowRight")
        expect(page.locator(":focus-visible")).to_have_text("5V")
        page.keyboard.press("Space")
        tab.until_params(space="5V")
        expect(tab.fact("Matching cells")).to_have_text("2 532")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize(("width", "viewport"), [("wide", WIDE), ("narrow", NARROW)])
    def test_on_any_screen_in_any_theme(self, open_tab, truth, width, viewport, scheme):
        cells = list(truth.front(truth.cells())["hash"])
        tab = open_tab(viewport=viewport, color_scheme=scheme)
        tab.open(cell=cells[6], tray="~".join([cells[0], cells[6], cells[-1]]))
        page = tab.page
        background, ink = {"light": ("rgb(255, 255, 255)", "#1B2530"), "dark": ("rgb(18, 23, 29)", "#E2E8EE")}[scheme]
        assert page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor") == background
        page.wait_for_function(
            "ink => document.querySelector('.st-key-picture .js-plotly-plot')?._fullLayout?.font?.color === ink",
            arg=ink,
        )
        tab.screenshot(f"{width}-{scheme}")
        expect(page.get_by_role("heading", name="Compare")).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert tab.main.evaluate("main => main.scrollWidth") <= viewport["width"]
        tall = tab.main.evaluate("main => main.scrollHeight")
        page.set_viewport_size({"width": viewport["width"], "height": tall + 40})
        tab.idle()
        tab.screenshot(f"{width}-{scheme}-card")


def count_bytes(page: Page) -> list[int]:
    """What the page receives from now on, in bytes, over websocket and HTTP."""
    received: list[int] = []
    session = page.context.new_cdp_session(page)

    def frame(event):
        data = event["response"]["payloadData"]
        received.append(len(base64.b64decode(data)) if event["response"]["opcode"] == 2 else len(data))

    session.on("Network.webSocketFrameReceived", frame)
    session.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    session.send("Network.enable")
    return received
