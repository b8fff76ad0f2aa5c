"""Explore: the spaces, filters, areas, the card, the lens, links and screens; numbers are held against the tables."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from ecnas_core import Cell
from tests.journeys.tab import INK, NARROW, WIDE, Tab, grouped, number

WATT_HOURS = 1000 / 1.59  # of IT energy in a kWh of facility energy
MEGABYTE = 1_000_000
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}


@pytest.fixture
def front_4v(truth):
    return truth.front(truth.cells("4V"))


def test_all_cells_of_7v(tab, truth):
    cells = truth.cells()
    front = truth.front(cells)
    predicted = int((cells["accuracy_provenance"] == "predicted").sum())
    tab.open()
    assert tab.params == {}
    expect(tab.fact("Matching cells")).to_have_text(grouped(len(cells)))
    expect(tab.fact("With both values")).to_have_text(grouped(len(cells)))
    expect(tab.fact("On the front")).to_have_text(str(len(front)))
    assert number(tab.fact("rk knee").inner_text()) == pytest.approx(truth.knee(front)["energy"], rel=6e-3)
    expect(tab.headline).to_contain_text(f"{grouped(len(cells))} cells, {grouped(predicted)} of them predicted")
    expect(tab.picture.points("front")).to_have_count(len(front))

    _show_filters(tab)
    with _received(tab.page) as sizes:
        tab.slide("Vertices — end", "ArrowLeft").until_params(vertices="2~6")
        expect(tab.fact("Matching cells")).to_have_text(grouped((cells["vertices"] <= 6).sum()))
    assert 10_000 < sum(sizes) <= MEGABYTE

    tab.choose("Scope", "GPU")
    expect(tab.page.get_by_test_id("stAlert")).to_contain_text("Choose the scope Facility or IT")
    expect(tab.page.get_by_test_id("stException")).to_have_count(0)


def test_cells_are_opened_and_compared_on_every_screen_and_in_every_theme(tab, front_4v):
    tab.open(space="4V")
    page, picture = tab.page, tab.picture
    expect(tab.fact("Matching cells")).to_have_text("91")
    expect(page.get_by_role("radiogroup", name="Scope")).to_be_visible()

    cell = front_4v.iloc[6]
    picture.until_values("front", front_4v["energy"]).click("front", 6)
    tab.until_params(cell=cell["hash"])
    expect(tab.card(cell["hash"])).to_be_visible()
    quantities = {
        row.locator("th").inner_text(): row.locator("td").first.inner_text()
        for row in page.locator("table.quantities").first.locator("tbody tr").all()
    }
    assert number(quantities["Energy"]) == pytest.approx(cell["energy"], rel=6e-3)
    assert quantities["Energy"].endswith("kWh")
    assert number(quantities["Validation accuracy"]) == pytest.approx(cell["validation_accuracy"], abs=6e-5)
    assert number(quantities["Parameters"]) == pytest.approx(cell["parameters"], rel=6e-3)
    with tab.popover("Copy") as copies:
        code = copies.get_by_test_id("stCode")
        expect(code).to_have_count(4)
        assert Cell.from_json(code.first.inner_text()).hash == cell["hash"]
        assert code.last.inner_text().strip() == f"{tab.address}/explore?space=4V&cell={cell['hash']}"
    tab.press("Close").until_params(cell=None)

    pinned = front_4v.iloc[[4, 8]]
    for place, digest in pinned["hash"].items():
        picture.click("front", place)
        tab.until_params(cell=digest).press("Pin to compare")
    tab.until_params(tray="~".join(pinned["hash"]))
    table = page.locator("table.quantities").last
    expect(table.locator("thead th")).to_have_text(["4V, 108 epochs", "A", "B"])
    energies = table.get_by_role("row", name=re.compile("^Energy ")).first.locator("td").all_inner_texts()
    assert [number(text) for text in energies] == pytest.approx(list(pinned["energy"]), rel=6e-3)
    for digest in pinned["hash"]:
        expect(tab.sidebar.get_by_text(digest[:8])).to_be_visible()

    expect(tab.card(pinned["hash"].iloc[1])).to_be_visible()
    for scheme in INK:
        if scheme == "dark":
            tab.look_in(scheme).legible()
        else:
            tab.accessible()
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", PAPER[scheme])
        picture.until_drawn_in(scheme)
        expect(page.get_by_role("heading", name="Compare")).to_be_visible()
        tab.fits(NARROW).fits(WIDE)

    tab.choose("Scope", "IT").choose("Unit", "Wh").until_params(scope="IT", unit="Wh")
    watt_hours = front_4v["energy"] * WATT_HOURS
    assert number(tab.fact("r0 least energy").inner_text()) == pytest.approx(watt_hours[0], rel=6e-3)
    picture.until_values("front", watt_hours)
    expect(picture.plot.locator(".xtitle")).to_have_text("Energy (Wh)")


def test_areas_and_filters_of_5v(tab, truth):
    cells, short = (_in_watt_hours(truth.cells("5V", epochs)) for epochs in (108, 4))
    all_of_them = grouped(len(cells))
    tab.open(space="4V", epochs="4", scope="IT", unit="Wh")
    page, picture = tab.page, tab.picture
    tab.tab_to(".st-key-explore_space [role=radio]")
    focused = page.locator(":focus-visible")
    expect(focused).to_have_text("4V")
    assert focused.evaluate("element => getComputedStyle(element).boxShadow") != "none"
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_text("5V")
    with tab.running():
        page.keyboard.press("Space")
    tab.until_params(space="5V", epochs="4")
    front = truth.front(short)
    expect(tab.fact("Matching cells")).to_have_text(all_of_them)
    expect(tab.fact("On the front")).to_have_text(str(len(front)))
    assert number(tab.fact("r0 least energy").inner_text()) == pytest.approx(front["energy"].iloc[0], rel=6e-3)

    tab.choose("Epochs", "108").choose("Dragging", "Drag to select an area")
    picture.until_values("front", truth.front(cells)["energy"]).until_dragging("select").point_at()
    with tab.running():
        picture.drag(picture.pixel(160, 0.09), picture.pixel(380, 0.06))
    x_low, x_high, y_low, y_high = map(float, tab.until_param("box", 4).split("~"))
    assert (x_low, x_high) == pytest.approx((160, 380), rel=0.02)
    assert (y_low, y_high) == pytest.approx((0.06, 0.09), rel=0.02)
    inside = cells[cells["energy"].between(x_low, x_high) & cells["validation_error"].between(y_low, y_high)]
    assert len(inside) > 100
    heading = page.get_by_role("heading", name=f"Selected: {len(inside)} cells")
    expect(heading).to_be_visible()
    assert set(pd.read_csv(_saved(tab, "CSV"))["hash"]) == set(inside["hash"])
    figure = _saved(tab, "HTML")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:)?//", figure.read_text("utf-8"))
    tab.press("Clear selection").until_params(box=None)
    expect(heading).to_have_count(0)

    _show_filters(tab)
    tab.slide("3×3 convolutions — start", "ArrowRight").until_params(n_conv3x3="1~5")
    expect(tab.fact("Matching cells")).to_have_text(grouped((cells["n_conv3x3"] >= 1).sum()))
    expect(page.get_by_text("Filters (1)")).to_be_visible()
    with tab.running():
        page.get_by_role("combobox", name="Ranges of").click()
        page.get_by_role("option", name="Energy", exact=True).click()
        page.keyboard.press("Escape")
    tab.type("Energy from", "100").until_params(range_energy="100.0~inf")
    tab.type("to", "200").until_params(range_energy="100.0~200.0")
    left = cells[(cells["n_conv3x3"] >= 1) & cells["energy"].between(100, 200)]
    expect(tab.fact("Matching cells")).to_have_text(grouped(len(left)))
    expect(tab.fact("On the front")).to_have_text(str(len(truth.front(left))))
    expect(page.get_by_text("Filters (2)")).to_be_visible()
    expected = left.set_index("hash").sort_index()
    for frame in (pd.read_csv(_saved(tab, "CSV")), pd.read_parquet(_saved(tab, "Parquet"))):
        frame = frame.set_index("hash").sort_index()
        assert list(frame.index) == list(expected.index)
        for name in ("energy", "validation_error", "training_time", "parameters"):
            assert frame[name].to_numpy() == pytest.approx(expected[name].to_numpy(), nan_ok=True), name
        assert set(frame["energy_provenance"]) == {"scaled"}

    tab.press("Reset").until_params(n_conv3x3=None, range_energy=None)
    expect(tab.fact("Matching cells")).to_have_text(all_of_them)


def test_links(open_tab, truth, front_4v):
    params = {
        "space": "4V",
        "n_conv3x3": "0~1",
        "scope": "IT",
        "unit": "Wh",
        "box": "30~60~0.05~0.2",
        "tray": "~".join(front_4v["hash"][[2, 9]]),
    }
    first = open_tab().open(**params).choose("Epochs", "36").until_params(epochs="36")
    cells = truth.cells("4V", 36)
    front = truth.front(cells[cells["n_conv3x3"] <= 1])
    clicked = front["hash"].iloc[2]
    first.picture.until_values("front", front["energy"] * WATT_HOURS).click("front", 2)
    first.until_params(cell=clicked)
    second = open_tab().follow(first.page.url)
    assert second.params == params | {"epochs": "36", "cell": clicked}
    of_first, of_second = (each.page.get_by_test_id("stSidebarUserContent") for each in (first, second))
    expect(of_second).to_have_text(of_first.inner_text(), use_inner_text=True)
    assert _seen(second) == _seen(first)
    _show_filters(second)
    slider = second.page.get_by_role("slider", name="3×3 convolutions — end")
    expect(slider).to_have_attribute("aria-valuetext", "1")


def _in_watt_hours(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with IT energies."""
    return cells.assign(energy=cells["energy"] * WATT_HOURS)


def _show_filters(tab: Tab) -> None:
    with tab.running():
        tab.page.locator(".st-key-explore_filters label").click()
    expect(tab.page.get_by_test_id("stSlider").first).to_be_visible()


def _saved(tab: Tab, label: str) -> Path:
    return tab.save(label, f"ec-nas-5V-108-epochs.{label.lower()}")


def _seen(tab: Tab) -> tuple[object, ...]:
    return (
        tab.headline.inner_text(),
        tab.page.locator(".facts").all_inner_texts(),
        tab.page.locator("table.quantities").all_inner_texts(),
        tab.page.get_by_role("heading").all_inner_texts(),
        tab.picture.values("front"),
    )


@contextmanager
def _received(page: Page) -> Iterator[list[int]]:
    """The sizes of what the page receives while the context lasts, over websocket and HTTP; complete at its end."""
    sizes: list[int] = []
    session = page.context.new_cdp_session(page)

    def frame(event):
        data = event["response"]["payloadData"]
        sizes.append(len(base64.b64decode(data)) if event["response"]["opcode"] == 2 else len(data))

    session.on("Network.webSocketFrameReceived", frame)
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    session.send("Network.enable")
    yield sizes
    session.send("Network.disable")
    session.detach()
