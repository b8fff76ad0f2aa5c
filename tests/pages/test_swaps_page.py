"""The Swaps page: every section's numbers, held against the analysis and the Parquet files."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import swaps, walk
from ecnas_core.analysis.swaps_view import SwapsView
from ecnas_core.analysis.view import View

START = "256affa4b0191e323796f138db7b1164"


@pytest.fixture
def bench():
    return Benchmark.open()


class TestAllOfAKind:
    @pytest.mark.usefixtures("whole_7v")
    def test_paper_stands_beside_whatever_a_broken_link_says(self, open_page, as_number):
        page = open_page("swaps", split="colour").works()
        (notice,) = page.texts("warning")
        assert "split='colour' is not possible; take one of none" in notice
        assert page.app.title[0].value == "Swaps"
        assert page.params == {}
        assert "saves 32.2" in page.headline
        rows = {row[0]: row[1:] for row in page.tables[0]}
        for name, here, paper, difference in (
            ("Energy: conv3x3 to conv1x1", -17.68, -17.68, 0.0),
            ("Energy: conv3x3 to maxpool3x3", -32.23, -32.11, -0.12),
            ("Energy: conv1x1 to maxpool3x3", -14.55, -14.55, 0.0),
            ("Parameters: conv3x3 to conv1x1", -77.95, -77.96, 0.01),
            ("Parameters: conv3x3 to maxpool3x3", -96.24, -95.53, -0.71),
            ("Parameters: conv1x1 to maxpool3x3", -13.55, -13.55, 0.0),
        ):
            assert [as_number(text) for text in rows[name][:3]] == pytest.approx([here, paper, difference], abs=0.011)
        assert rows["Validation accuracy: conv3x3 to conv1x1"][0].startswith("−2.91\u202fpoints ± ")
        assert any("standard error" in text for text in page.texts("caption"))

    def test_maps_hold_the_antisymmetric_effects(self, open_page, bench):
        page = open_page("swaps", space="5V").set("swaps_space", "4V").set("swaps_epochs", 36).works()
        assert page.params == {"space": "4V", "epochs": "36"}
        effects = swaps.figure_2(bench, "4V", 36).set_index(["metric", "swap"])["effect"]
        energy, time, accuracy, parameters = page.figure("swaps_figure_2")["data"]
        for drawn, metric in (
            (energy, "energy"),
            (time, "training_time"),
            (accuracy, "validation_accuracy"),
            (parameters, "parameters"),
        ):
            flat = drawn["z"]
            rows = [flat[3 * n : 3 * n + 3] for n in range(3)] if not isinstance(flat[0], list) else flat
            assert rows[0][1] == pytest.approx(100 * effects[metric, "conv3x3_to_conv1x1"])
            assert rows[2][0] == pytest.approx(-100 * effects[metric, "conv3x3_to_maxpool3x3"])
            assert rows[1][1] == 0
        assert "Paper, 7V" not in page.tables[0][0]

    @pytest.mark.usefixtures("whole_7v")
    def test_gpu_energy_of_7v_is_unknown(self, open_page):
        page = open_page("swaps", scope="GPU", split="none").works()
        assert "choose the scope Facility or IT" in page.headline
        page.set("swaps_section", "trade").works()
        assert any("Choose the scope Facility or IT in the lens" in text for text in page.texts("info"))


class TestOneVertex:
    def test_boxes_are_the_quantiles(self, open_page, bench):
        page = open_page("swaps", section="one", space="5V", split="after", swap="conv3x3_to_conv1x1").works()
        view = SwapsView(section="one", space="5V", split="after", swap="conv3x3_to_conv1x1")
        expected = swaps.distribution(bench, view)
        boxes = [trace for trace in page.figure("swaps_one")["data"] if trace["type"] == "box"]
        assert [trace["name"] for trace in boxes] == ["conv3x3 becomes conv1x1", "conv1x1 becomes conv3x3"]
        for trace in boxes:
            rows = expected[(expected["old"] + " becomes " + expected["new"]) == trace["name"]]
            assert trace["x"] == list(rows["group"])
            assert trace["median"] == pytest.approx(list(100 * rows["q50"]))
            assert trace["upperfence"] == pytest.approx(list(100 * rows["q95"]))

    def test_controls_change_the_link(self, open_page):
        page = open_page("swaps", section="one", space="4V").works()
        assert any("fewer than 30 pairs" in text for text in page.texts("warning"))
        page.set("swaps_metric", "footprint").set("swaps_split", "none").set("swaps_absolute", True).works()
        assert page.params == {"section": "one", "space": "4V", "metric": "footprint", "split": "none", "absolute": "1"}
        assert "kgCO2eq" in page.headline

    def test_a_link_opens_it_as_it_was_left(self, open_page):
        params = {
            "section": "one",
            "space": "5V",
            "epochs": "12",
            "metric": "validation_accuracy",
            "split": "before",
            "swap": "conv1x1_to_maxpool3x3",
            "unit": "Wh",
        }
        page = open_page("swaps", **params).works()
        assert page.params == params
        assert page.control("swaps_metric").value == "validation_accuracy"


class TestTradeOff:
    @pytest.mark.usefixtures("whole_7v")
    def test_ranking(self, open_page, bench, as_number):
        page = open_page("swaps", section="trade").works()
        expected = swaps.trade_off(bench, SwapsView()).dropna(subset=["saved_per_point"])
        rows = page.tables[0][1:]
        assert len(rows) == len(expected)
        assert [row[0] for row in rows] == [
            f"{row.old} becomes {row.new}, {row.group}" for row in expected.itertuples()
        ]
        assert [as_number(row[1]) for row in rows] == pytest.approx(list(100 * expected["energy"]), abs=0.051)
        assert rows[0][3] == "no accuracy lost"
        assert sum(len(chart.proto.spec) for chart in page.app.get("plotly_chart")) < 1_000_000
        assert as_number(rows[1][3]) == pytest.approx(100 * expected["saved_per_point"].iloc[1], abs=0.051)
        assert page.headline.startswith("conv1x1 becoming maxpool3x3 (1 from input) saves 8.3")
        known = page.set("lens_predicted", False).works()
        assert known.headline.startswith("conv1x1 becoming maxpool3x3 (1 from input) saves 8.0")


class TestWalk:
    def test_begins_at_the_most_accurate(self, open_page, bench):
        page = open_page("swaps", section="walk", space="4V").works()
        first = walk.start(bench, View(space="4V"))
        assert page.params == {"section": "walk", "space": "4V", "walk": first}
        options = walk.options(bench, View(space="4V"), first)
        saving = (options["d_energy"] < 0).sum()
        assert page.headline.startswith(f"{saving} of {len(options)} steps from here save energy")

    def test_path_of_a_link_and_undo(self, open_page, bench, truth, as_number):
        second = walk.options(bench, View(space="4V"), START)["hash"].iloc[2]
        page = open_page("swaps", section="walk", space="4V", walk=f"{START}~{second}").works()
        energies = [truth.cell(digest, "4V")["energy"] for digest in (START, second)]
        rows = page.tables[-1]
        assert as_number(rows[1][1]) == pytest.approx(energies[0], rel=6e-3)
        assert as_number(rows[2][2]) == pytest.approx(100 * (energies[1] / energies[0] - 1), abs=0.051)
        assert as_number(page.facts["Energy since the start"][0]) == as_number(rows[2][2])
        page.press("Undo").works()
        assert page.params["walk"] == START
        assert page.buttons()["Undo"].disabled

    def test_a_broken_walk_begins_anew(self, open_page, bench):
        for path in (f"{START}~zzz", walk.start(bench, View())):
            page = open_page("swaps", section="walk", space="4V", walk=path).works()
            assert any("begins anew" in text for text in page.texts("warning")), path
            assert page.params["walk"] == walk.start(bench, View(space="4V"))

    def test_the_bare_cell_leads_nowhere(self, open_page):
        page = open_page("swaps", section="walk", space="4V", walk="043721b9c7fe8c5fad811d47d83132ec").works()
        assert page.headline.startswith("No step leads on")

    def test_card_of_the_cell(self, open_page):
        page = open_page("swaps", section="walk", space="4V", walk=START).press("Open card").works()
        assert f"Cell {START[:8]}" in page.texts("header")
        assert page.params["cell"] == START
        (link,) = [code.value for code in page.app.code if code.value.startswith("http")]
        assert parse_qs(urlsplit(link).query) == {name: [value] for name, value in page.params.items()}

    def test_begin_at_the_open_cell(self, open_page):
        page = open_page("swaps", section="walk", space="4V", cell=START).set("swaps_begin", START).works()
        assert page.params["walk"] == START


def test_to_another_page_and_back(open_page):
    page = open_page("swaps", section="one", space="4V", metric="parameters").go("scaling").works()
    assert page.params == {}
    page.go("swaps").works()
    assert page.params == {"section": "one", "space": "4V", "metric": "parameters"}
