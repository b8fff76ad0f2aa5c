"""The home page without a browser: what opens first, where it leads, and the report of the session."""

from __future__ import annotations

import re

import pytest

from ecnas_core import Benchmark
from ecnas_core.measure.store import remove, save
from tests.made_up import measured


def front_of(page) -> list[float]:
    """The energies of the front as it is drawn."""
    return next(trace for trace in page.figure("home_picture")["data"] if trace["name"].startswith("front"))["x"]


def links(page) -> dict[str, str]:
    return {link.proto.label.strip("*"): link.proto.page for link in page.app.main.get("page_link")}


class TestOpening:
    def test_it_opens_first_with_the_front_at_any_budget(self, open_page, truth):
        page = open_page("home").works()
        assert [title.value for title in page.app.title] == ["EC-NAS Explorer"]
        assert page.params == {}
        assert links(page) == {"Explore": "explore", "Teach": "learn", "Choose": "choose"}
        assert "Nothing to report yet" in page.said
        assert report_button(page) is None
        front = truth.front(truth.cells())
        assert front_of(page) == pytest.approx(front["energy"].tolist())
        best = front.iloc[-1]["energy"] / truth.knee(front)["energy"]
        assert f"cost {best:.1f} times the energy" in page.headline
        assert page.alt("home_picture").startswith("From the knee on")
        page.set("home_epochs", 4).works()
        assert front_of(page) == pytest.approx(truth.front(truth.cells(epochs=4))["energy"].tolist())

    def test_a_click_leads_to_the_cell_in_explore(self, open_page, truth):
        page = open_page("home")
        knee = truth.knee(truth.front(truth.cells()))["hash"]
        page.app.session_state.home_opened = True
        page.open(knee).works()
        assert any(each.value == f"Cell {knee[:8]}" for each in page.app.header)
        assert page.params["cell"] == knee

    def test_without_any_energy_it_says_what_to_do(self, open_page):
        page = open_page("home", scope="GPU").works()
        assert any("Facility or IT" in text for text in page.texts("info"))
        assert page.params == {"scope": "GPU"}


def report_button(page):
    found = [each for each in page.app.get("download_button") if each.proto.label == "Report"]
    return found[0] if found else None


class TestReport:
    def test_pinned_cells_and_choices(self, open_page, truth):
        digest = truth.cells("4V")["hash"].iloc[3]
        page = open_page("home", tray=digest).works()
        assert "Pinned cells: 1; choices: 0" in page.said
        assert report_button(page)
        page = open_page("choose", space="4V", tray=digest).go("home").works()
        assert "Pinned cells: 1; choices: 1" in page.said

    def test_measurements_are_offered(self, open_page):
        data = Benchmark.open().data
        made = measured("d" * 12, device="GPU *x* <b>")
        save(made, data)
        try:
            page = open_page("home").works()
            kept = page.control("report_measurements")
            assert kept.value == [made.measurement]
            assert not re.search(r"(?<!\\)[*<]", kept.options[0])
            assert report_button(page)
            page.set("report_measurements", []).works()
            assert report_button(page) is None
        finally:
            remove(made.measurement, data)
