"""The Explore page: every control's effect, held against the figures in the Parquet files."""

from __future__ import annotations

import math
import random

import pytest

from ecnas_core import Benchmark

FACILITY_TO_IT = 1 / 1.59
CLOSE = 6e-3  # figures are written with three significant digits
ACCURATE = 6e-5  # ratios with four decimals


def cheap_and_good(truth, space="7V", epochs=108):
    return truth.front(truth.cells(space, epochs))


class TestOpening:
    def test_all_cells_of_7v_at_108_epochs(self, open_page, truth, as_number):
        page = open_page().works()
        cells, front = truth.cells(), cheap_and_good(truth)
        knee = truth.knee(front)
        predicted = (cells["accuracy_provenance"] == "predicted").sum()
        assert page.matching == len(cells) == 423_615
        assert page.facts["Matching cells"][1] == "of 423\u202f624 in 7V"
        assert as_number(page.facts["With both values"][0]) == len(cells)
        grouped = f"{predicted:,}".replace(",", "\u202f")
        assert page.facts["With both values"][1] == f"all of them, {grouped} predicted"
        assert page.on_front == len(front)
        for label, cell in (
            ("r0 least energy", front.iloc[0]),
            ("rk knee", knee),
            ("r1 least validation error", front.iloc[-1]),
        ):
            figure, note = page.facts[label]
            assert figure.endswith("kWh")
            assert as_number(figure) == pytest.approx(cell["energy"], rel=CLOSE)
            assert as_number(note) == pytest.approx(cell["validation_error"], abs=ACCURATE)
        assert f"{front.iloc[-1]['energy'] / knee['energy']:.1f} times as much" in page.headline
        assert page.params == {}

    def test_without_what_is_predicted(self, open_page, truth, as_number):
        page = open_page(predicted="0").works()
        cells = truth.cells(predicted=False)
        known = cells["validation_accuracy"].notna().sum()
        assert as_number(page.facts["With both values"][0]) == known == 25_822
        assert as_number(page.facts["With both values"][1]) == len(cells) - known
        assert page.on_front == len(truth.front(cells))
        assert not any("predictions" in text for text in page.texts("caption"))
        assert page.params == {"predicted": "0"}
        page.set("lens_predicted", True).works()
        assert page.params == {}
        assert page.on_front == len(cheap_and_good(truth))
        assert any(text.startswith("The front rests on predictions: of its ") for text in page.texts("caption"))

    def test_purpose_questions_and_sources_are_told(self, open_page):
        page = open_page()
        assert page.app.title[0].value == "Explore"
        text = " ".join(page.texts("markdown") + page.texts("caption"))
        for part in ("Which cell reaches an accuracy for the least energy?", "The knee rk", "arxiv.org/abs/2210.06015",
                     "Apache 2.0", "9 cells are left out"):  # fmt: skip
            assert part in text

    def test_front_is_the_table(self, open_page, truth):
        page = open_page(space="4V")
        front = cheap_and_good(truth, "4V")
        shown = page.app.dataframe[0].value
        assert list(shown["Hash"]) == [digest[:8] for digest in front["hash"]]
        assert list(shown["Energy (kWh)"]) == pytest.approx(list(front["energy"]))
        assert [role for role in shown["Role"] if role] == ["r0", "rk", "r1"]
        assert list(shown["Energy is"].unique()) == ["measured"]


class TestSpaceAndEpochs:
    @pytest.mark.parametrize(("space", "epochs"), [("4V", 4), ("4V", 108), ("5V", 4), ("5V", 36), ("7V", 12)])
    def test_counts_front_and_scale(self, open_page, truth, as_number, space, epochs):
        page = open_page(space="5V", epochs="4").set("explore_space", space).set("explore_epochs", epochs).works()
        cells = truth.cells(space, epochs)
        front = truth.front(cells)
        assert page.matching == len(cells)
        assert page.on_front == len(front)
        assert as_number(page.facts["r0 least energy"][0]) == pytest.approx(front["energy"].iloc[0], rel=CLOSE)
        assert page.trace("front")["x"] == pytest.approx(list(front["energy"]))
        assert page.trace("front")["y"] == pytest.approx(list(front["validation_error"]))
        expected = {"space": space, "epochs": str(epochs)}
        assert page.params == {name: text for name, text in expected.items() if text not in ("7V", "108")}

    def test_a_control_cannot_be_emptied(self, open_page):
        page = open_page(space="4V")
        assert page.control("explore_space").proto.required
        assert page.control("explore_epochs").proto.required


class TestAxes:
    @pytest.mark.parametrize(
        ("x", "y"),
        [
            ("parameters", "test_accuracy"),
            ("validation_accuracy", "training_time"),
            ("multiply_adds", "validation_error"),
            ("test_error", "energy"),
        ],
    )
    def test_front_of_any_two_metrics(self, open_page, truth, x, y):
        page = open_page(space="5V", x=x, y=y).works()
        front = truth.front(truth.cells("5V"), x, y)
        assert page.on_front == len(front)
        assert page.trace("front")["x"] == pytest.approx(list(front[x]))
        assert page.trace("front")["y"] == pytest.approx(list(front[y]))

    def test_a_metric_brings_its_scale(self, open_page):
        page = open_page(space="4V")
        assert page.figure()["layout"]["yaxis"]["type"] == "log"
        page.set("explore_y", "validation_accuracy")
        assert page.figure()["layout"]["yaxis"]["type"] == "linear"
        assert page.params == {"space": "4V", "y": "validation_accuracy"}

    def test_a_scale_can_be_chosen(self, open_page):
        page = open_page(space="4V").set("explore_x_log", False).set("explore_y_log", False).works()
        assert page.figure()["layout"]["xaxis"]["type"] == "linear"
        assert page.figure()["layout"]["yaxis"]["type"] == "linear"
        assert page.params == {"space": "4V", "x_log": "0", "y_log": "0"}
        page.set("explore_x_log", True)
        assert page.params == {"space": "4V", "y_log": "0"}

    def test_one_metric_on_both_axes_is_refused_kindly(self, open_page, truth):
        page = open_page(space="4V").set("explore_y", "energy").works()
        assert page.texts("error") == ["Both axes show energy; choose two different metrics."]
        page.set("explore_y", "test_error").works()
        assert not page.app.error
        assert page.on_front == len(truth.front(truth.cells("4V"), "energy", "test_error"))

    def test_axes_name_metric_and_unit(self, open_page):
        layout = open_page(space="4V", x="multiply_adds").figure()["layout"]
        assert layout["xaxis"]["title"]["text"] == "Multiply-adds (G)"
        assert layout["yaxis"]["title"]["text"] == "Validation error"


class TestFilters:
    @pytest.fixture
    def filtered(self, open_page):
        return lambda **params: open_page(**params).set("explore_filters", True)

    @pytest.mark.parametrize(
        ("control", "low", "high"),
        [("vertices", 3, 4), ("n_conv3x3", 2, 5), ("n_conv1x1", 0, 1), ("n_maxpool3x3", 2, 3)],
    )
    def test_counts_of_vertices_and_operations(self, filtered, truth, control, low, high):
        page = filtered(space="5V").set(f"explore_{control}", (low, high)).works()
        cells = truth.cells("5V")
        cells = cells[cells[control].between(low, high)]
        assert 0 < len(cells) < 2532
        assert page.matching == len(cells)
        assert page.on_front == len(truth.front(cells))
        assert page.params == {"space": "5V", control: f"{low}~{high}"}
        assert page.control("explore_filters").label == "Filters (1)"

    def test_the_toggle_counts_active_filters(self, open_page, truth):
        page = open_page(vertices="2~5", n_conv3x3="1~5", artefacts="1")
        assert page.control("explore_filters").label == "Filters (3)"
        cells = truth.every_cell("7V", 108)
        assert page.matching == ((cells["vertices"] <= 5) & (cells["n_conv3x3"] >= 1)).sum()

    def test_filters_stay_when_their_column_folds(self, filtered, truth):
        page = filtered(space="5V").set("explore_n_conv1x1", (1, 2)).set("explore_ranged", ["energy"])
        page.set("explore_most_energy", 0.5)
        cells = truth.cells("5V")
        expected = (cells["n_conv1x1"].between(1, 2) & (cells["energy"] <= 0.5)).sum()
        assert page.matching == expected
        for shown in (False, False, True, False):
            page.set("explore_filters", shown).works()
            assert page.matching == expected
        page.set("explore_epochs", 36)
        assert page.params["n_conv1x1"] == "1~2"

    @pytest.mark.parametrize(
        ("name", "least", "most"),
        [
            ("energy", 0.2, 0.4),
            ("validation_accuracy", 0.93, None),
            ("parameters", None, 2.5),
            ("training_time", 2000, 4000),
            ("test_error", None, 0.07),
        ],
    )
    def test_ranges_of_metrics(self, filtered, truth, name, least, most):
        page = filtered(space="5V").set("explore_ranged", [name])
        assert page.params == {"space": "5V"}
        if least is not None:
            page.set(f"explore_least_{name}", least)
        if most is not None:
            page.set(f"explore_most_{name}", most)
        cells = truth.cells("5V")
        cells = cells[cells[name].between(least or -math.inf, math.inf if most is None else most)]
        assert 0 < len(cells) < 2532
        assert page.works().matching == len(cells)
        assert page.on_front == len(truth.front(cells))

    def test_two_ranges_narrow_together(self, filtered, truth):
        page = filtered(space="5V").set("explore_ranged", ["energy", "validation_accuracy"])
        page.set("explore_most_energy", 0.6).set("explore_least_validation_accuracy", 0.92)
        cells = truth.cells("5V")
        assert page.matching == ((cells["energy"] <= 0.6) & (cells["validation_accuracy"] >= 0.92)).sum()
        page.set("explore_ranged", ["validation_accuracy"])
        assert page.matching == (cells["validation_accuracy"] >= 0.92).sum()

    def test_a_range_upside_down_is_refused_kindly(self, filtered):
        page = filtered(space="4V").set("explore_ranged", ["energy"])
        page.set("explore_least_energy", 0.5).set("explore_most_energy", 0.2).works()
        assert page.texts("error") == ["The range of energy is empty: 0.5 to 0.2."]
        page.set("explore_most_energy", 0.9).works()
        assert not page.app.error
        assert page.params == {"space": "4V", "range_energy": "0.5~0.9"}

    def test_no_cell_left_says_what_to_do(self, filtered):
        page = filtered(space="4V").set("explore_ranged", ["energy"]).set("explore_most_energy", 0.001).works()
        assert page.headline == "No cell of 4V passes the filters."
        assert page.texts("info") == ["Widen a filter, or press Reset in the filters."]

    def test_provenance_of_energy(self, filtered, truth):
        page = filtered(space="5V").set("explore_energy_provenance", ["measured"]).works()
        assert page.headline == "No cell of 5V passes the filters."
        page.set("explore_epochs", 4).works()
        assert page.matching == len(truth.cells("5V", 4)) == 2532

    @pytest.mark.parametrize("provenance", ["published", "measured"])
    def test_provenance_of_accuracy(self, filtered, truth, provenance):
        page = filtered(space="5V", epochs="4").set("explore_accuracy_provenance", [provenance]).works()
        cells = truth.cells("5V", 4)
        expected = (cells["accuracy_provenance"] == provenance).sum()
        assert expected > 0
        assert page.matching == expected

    def test_artefacts_come_back_marked(self, filtered, truth, as_number):
        page = filtered()
        assert any("9 cells are left out" in text for text in page.texts("caption"))
        page.set("explore_artefacts", True).works()
        assert page.matching == 423_624
        assert page.params == {"artefacts": "1"}
        assert not any("are left out because" in text for text in page.texts("caption"))
        front = truth.front(truth.every_cell("7V", 108))
        assert page.on_front == len(front)
        assert as_number(page.facts["r0 least energy"][0]) == pytest.approx(front["energy"].iloc[0], rel=CLOSE)

    def test_reset_and_undo(self, filtered):
        page = filtered(space="5V").set("explore_vertices", (3, 4)).set("explore_ranged", ["energy"])
        page.set("explore_most_energy", 0.4)
        before, params = page.matching, page.params
        page.press("Reset").works()
        assert page.matching == 2532
        assert page.params == {"space": "5V"}
        page.press("Undo").works()
        assert page.matching == before
        assert page.params == params
        assert "Undo" not in page.buttons()

    def test_reset_empties_the_ranges(self, filtered):
        page = filtered(space="5V", range_energy="0.1~0.4").press("Reset").set("explore_ranged", ["energy"]).works()
        assert page.control("explore_least_energy").value is None
        assert page.control("explore_most_energy").value is None
        assert page.matching == 2532

    def test_undo_after_the_unit_changed(self, filtered):
        page = filtered(space="5V", range_energy="0.2~0.4")
        before = page.matching
        page.press("Reset").set("lens_unit", "Wh").press("Undo").works()
        assert page.control("explore_most_energy").value == pytest.approx(400)
        assert page.matching == before

    def test_a_smaller_space_clamps_the_vertices(self, filtered, truth):
        page = filtered(vertices="3~6").set("explore_space", "4V").works()
        assert page.control("explore_vertices").value == (3, 4)
        cells = truth.cells("4V")
        assert page.matching == (cells["vertices"] >= 3).sum()

    @pytest.mark.parametrize("shown", [True, False])
    def test_a_larger_space_is_seen_in_full(self, open_page, shown):
        page = open_page(space="4V").set("explore_filters", True).set("explore_filters", shown)
        page.set("explore_space", "7V").works()
        assert page.matching == 423_615
        assert page.params == {}


class TestLens:
    def test_it_energy_in_watt_hours(self, open_page, truth, as_number):
        page = open_page(space="5V").set("lens_scope", "IT").set("lens_unit", "Wh").works()
        front = cheap_and_good(truth, "5V")
        factor = 1000 * FACILITY_TO_IT
        assert page.trace("front")["x"] == pytest.approx(list(front["energy"] * factor))
        assert as_number(page.facts["r0 least energy"][0]) == pytest.approx(front["energy"].iloc[0] * factor, rel=CLOSE)
        assert page.params == {"space": "5V", "scope": "IT", "unit": "Wh"}
        assert page.control("lens_pue").disabled

    def test_gpu_energy_where_it_was_recorded(self, open_page, truth):
        page = open_page(space="4V").set("lens_scope", "GPU").works()
        cells = truth.cells("4V")
        front = truth.front(cells.assign(gpu=cells["gpu_energy_j"] / 3.6e6), "gpu", "validation_error")
        assert page.trace("front")["x"] == pytest.approx(list(front["gpu"]))

    def test_gpu_energy_of_7v_is_unknown(self, open_page):
        page = open_page(cell="00005c142e6f48ac74fdcf73e3439874", scope="GPU").works()
        assert page.headline == "423\u202f615 cells of 7V, none with both energy and validation error at 108 epochs."
        assert any("Choose the scope Facility or IT" in text for text in page.texts("info"))
        page.set("lens_scope", "facility").works()
        assert page.matching == 423_615

    def test_pue(self, open_page, truth):
        page = open_page(space="4V").set("lens_pue", 1.1).works()
        front = cheap_and_good(truth, "4V")
        assert page.trace("front")["x"] == pytest.approx(list(front["energy"] / 1.59 * 1.1))
        assert page.params == {"space": "4V", "pue": "1.1"}

    def test_intensity_by_hand(self, open_page, truth):
        page = open_page(space="4V").set("lens_grid", "by hand").set("lens_intensity", 250.0)
        page.set("lens_unit", "kgCO2eq").works()
        front = cheap_and_good(truth, "4V")
        assert page.trace("front")["x"] == pytest.approx(list(front["energy"] * 0.25))
        assert page.figure()["layout"]["xaxis"]["title"]["text"] == "Footprint (kgCO2eq)"
        assert page.params == {"space": "4V", "grid": "250.0", "unit": "kgCO2eq"}

    def test_country(self, open_page):
        page = open_page(space="4V", unit="kgCO2eq")
        danish = page.trace("front")["x"]
        page.set("lens_grid", "PL").works()
        assert page.params == {"space": "4V", "grid": "PL", "unit": "kgCO2eq"}
        words = next(text for text in page.app.sidebar.caption if "Poland" in text.value).value
        assert page.trace("front")["x"][0] > danish[0]
        assert "facility energy, PUE 1.59; Poland" in words

    def test_energy_stays_energy_when_shown_as_a_mass(self, open_page):
        page = open_page(space="4V").set("lens_unit", "kgCO2eq").set("explore_epochs", 36).works()
        assert page.params == {"space": "4V", "epochs": "36", "unit": "kgCO2eq"}
        page.set("lens_unit", "kWh").set("explore_filters", True).set("explore_ranged", ["footprint"]).works()
        assert page.control("explore_ranged").value == ["footprint"]

    @pytest.mark.parametrize(
        ("control", "value", "factor"),
        [("lens_unit", "Wh", 1000), ("lens_scope", "IT", FACILITY_TO_IT), ("lens_pue", 2.0, 2 / 1.59)],
    )
    def test_ranges_of_energy_follow_the_lens(self, open_page, control, value, factor):
        page = open_page(space="5V", range_energy="0.2~0.4").set("explore_filters", True)
        before = page.matching
        page.set(control, value).works()
        assert page.control("explore_least_energy").value == pytest.approx(0.2 * factor)
        assert page.control("explore_most_energy").value == pytest.approx(0.4 * factor)
        assert page.matching == before
        page.set("explore_epochs", 108)
        assert page.control("explore_most_energy").value == pytest.approx(0.4 * factor)

    def test_ranges_of_footprint_follow_the_grid(self, open_page):
        page = open_page(space="5V", grid="100", range_footprint="0.02~0.04").set("explore_filters", True)
        before = page.matching
        page.set("lens_intensity", 300.0).works()
        assert page.control("explore_most_footprint").value == pytest.approx(0.12)
        assert page.matching == before

    def test_ranges_are_converted_once_while_they_are_upside_down(self, open_page):
        page = open_page(space="4V").set("explore_filters", True).set("explore_ranged", ["energy"])
        page.set("explore_least_energy", 0.5).set("explore_most_energy", 0.2)
        page.set("lens_unit", "Wh").set("explore_epochs", 36).set("explore_epochs", 12).works()
        assert page.control("explore_least_energy").value == pytest.approx(500)
        assert page.texts("error") == ["The range of energy is empty: 500 to 200."]

    def test_electricity_that_emits_nothing(self, open_page):
        page = open_page(space="4V", grid="0", unit="kgCO2eq", range_energy="0~1").works()
        assert page.figure()["layout"]["xaxis"]["type"] == "linear"
        page.set("explore_filters", True).set("lens_intensity", 100.0).works()
        page.set("explore_form", "Parallel coordinates").set("lens_intensity", 0.0).works()
        labels = [dimension["label"] for dimension in page.figure("parallel")["data"][0]["dimensions"]]
        assert labels[3:] == ["Validation error", "Training time (s)", "Parameters (M)", "Multiply-adds (G)"]


class TestPicture:
    def test_a_large_space_is_a_density_with_a_sample(self, open_page):
        page = open_page(predicted="0")
        names = [trace.get("name") for trace in page.figure()["data"]]
        assert names[:2] == ["density", "unknown"]
        assert page.trace("sample")
        sizes = [len(chart.proto.spec) for chart in page.app.get("plotly_chart")]
        assert sum(sizes) < 400_000

    def test_a_small_space_is_all_of_its_cells(self, open_page):
        assert len(open_page(space="4V").trace("cells")["x"]) == 91

    def test_area_is_selected_and_cleared(self, open_page, truth):
        page = open_page(space="5V").open(box=(0.2, 0.5, 0.06, 0.08)).works()
        cells = truth.cells("5V")
        inside = cells["energy"].between(0.2, 0.5) & cells["validation_error"].between(0.06, 0.08)
        titles = page.texts("header")
        assert f"Selected: {inside.sum()} cells" in titles
        assert page.params["box"] == "0.2~0.5~0.06~0.08"
        assert len(page.app.dataframe[0].value) == min(inside.sum(), 200)
        page.press("Clear selection").works()
        assert "box" not in page.params
        assert any(title.startswith("The front") for title in page.texts("header"))

    def test_area_without_cells(self, open_page):
        page = open_page(space="5V").open(box=(1e-4, 2e-4, 0.06, 0.08)).works()
        assert "No cell in this area. Drag a box over points, or clear the selection." in page.texts("info")

    @pytest.mark.parametrize(("control", "value"), [("explore_x", "parameters"), ("lens_unit", "Wh")])
    def test_an_area_on_other_axes_is_let_go(self, open_page, control, value):
        page = open_page(space="5V", box="0.2~0.5~0.06~0.08").set(control, value).works()
        assert "box" not in page.params
        assert any(title.startswith("The front") for title in page.texts("header"))

    def test_an_area_stays_while_filters_change(self, open_page, truth):
        page = open_page(space="5V", box="0.2~0.5~0.06~0.08").set("explore_filters", True)
        page.set("explore_n_conv3x3", (1, 1)).works()
        cells = truth.cells("5V")
        inside = cells["energy"].between(0.2, 0.5) & cells["validation_error"].between(0.06, 0.08)
        assert f"Selected: {(inside & (cells['n_conv3x3'] == 1)).sum()} cells" in page.texts("header")


class TestForms:
    def test_parallel_coordinates_of_the_front(self, open_page, truth):
        page = open_page(space="5V").set("explore_form", "Parallel coordinates").works()
        front = cheap_and_good(truth, "5V")
        low, high = front["validation_error"].min(), front["validation_error"].max()
        assert page.alt("parallel").startswith(f"{len(front)} cells by operations and metrics: energy ")
        assert page.alt("parallel").endswith(f", validation error {low:.4f} to {high:.4f}.")
        labels = [dimension["label"] for dimension in page.figure("parallel")["data"][0]["dimensions"]]
        assert labels[:4] == ["conv3×3", "conv1×1", "maxpool", "Energy (kWh)"]
        assert not page.app.dataframe

    def test_parallel_coordinates_of_an_area(self, open_page):
        page = open_page(box="0.2~0.5~0.06~0.08").set("explore_form", "Parallel coordinates").works()
        assert page.alt("parallel").startswith("2\u202f000 cells by operations and metrics")

    def test_the_form_stays_when_the_view_changes(self, open_page):
        page = open_page(space="4V").set("explore_form", "Parallel coordinates").set("explore_y", "energy")
        assert page.app.error
        page.set("explore_y", "test_error").works()
        assert page.control("explore_form").value == "Parallel coordinates"


class TestCard:
    def test_quantities_with_provenance(self, open_page, truth, as_number):
        cell = cheap_and_good(truth, "4V").iloc[3]
        page = open_page(space="4V").open(cell["hash"]).works()
        assert f"Cell {cell['hash'][:8]}" in page.texts("header")
        rows = {label: (figure, note) for label, figure, note in page.tables[0][1:]}
        for label, name, rel in (
            ("Energy", "energy", CLOSE),
            ("Training time", "training_time", CLOSE),
            ("Parameters", "parameters", CLOSE),
            ("Multiply-adds", "multiply_adds", CLOSE),
            ("Validation accuracy", "validation_accuracy", ACCURATE),
            ("Test accuracy", "test_accuracy", ACCURATE),
        ):
            assert as_number(rows[label][0]) == pytest.approx(cell[name], rel=rel), label
        assert rows["Energy"][1].startswith("measured, ± ")
        assert rows["Energy"][1].endswith("over 3 repeats")
        assert rows["Validation accuracy"][1].startswith("published, mean of 3")
        assert rows["Parameters"][1] == "computed from the cell"
        assert page.params["cell"] == cell["hash"]

    def test_rank_among_matching_cells(self, open_page, truth, as_number):
        cells = truth.cells("5V")
        cell = cells.dropna(subset=["validation_error"]).iloc[100]
        page = open_page(space="5V").open(cell["hash"]).works()
        ranks = {row[0]: row[1:] for row in page.tables[1][1:]}
        for label, name in (("Energy", "energy"), ("Validation error", "validation_error")):
            rank, of = ranks[label][0].split(" of ")
            known = cells[name].dropna()
            assert as_number(rank) == 1 + (known < cell[name]).sum()
            assert as_number(of) == len(known)
            worse = (known > cell[name]).sum() / (len(known) - 1)
            assert as_number(ranks[label][1]) == pytest.approx(100 * worse, abs=0.051)

    def test_what_dominates_it(self, open_page, truth):
        cells = truth.cells("5V").dropna(subset=["validation_error"])
        cell = cells.sort_values("validation_error").iloc[-1]
        page = open_page(space="5V").open(cell["hash"]).works()
        pills = page.control(f"dominating_{cell['hash']}")
        assert len(pills.options) == 5
        by_prefix = {digest[:8]: digest for digest in cells["hash"]}
        for option in pills.options:
            better = cells.set_index("hash").loc[by_prefix[option.split(":")[0]]]
            assert better["energy"] <= cell["energy"]
            assert better["validation_error"] <= cell["validation_error"]
        first = by_prefix[pills.options[0].split(":")[0]]
        page.set(f"dominating_{cell['hash']}", first).works()
        assert page.params["cell"] == first

    def test_nothing_dominates_a_cell_of_the_front(self, open_page, truth):
        page = open_page(space="4V").open(truth.knee(cheap_and_good(truth, "4V"))["hash"]).works()
        assert any("it lies on the front" in text for text in page.texts("caption"))

    def test_its_four_budgets(self, open_page, truth):
        digest = cheap_and_good(truth, "4V").iloc[5]["hash"]
        page = open_page(space="4V").open(digest)
        trace = page.figure(f"budgets_{digest}")["data"][0]
        expected = [truth.cell(digest, "4V", epochs) for epochs in (4, 12, 36, 108)]
        assert trace["text"] == ["4", "12", "36", "108"]
        assert trace["x"] == pytest.approx([cell["energy"] for cell in expected])
        assert trace["y"] == pytest.approx([cell["validation_accuracy"] for cell in expected])

    def test_copies_open_the_same_cell(self, open_page, truth):
        import json

        from ecnas_core import Cell

        digest = cheap_and_good(truth, "7V").iloc[10]["hash"]
        page = open_page(epochs="36", scope="IT").open(digest).works()
        copies = page.texts("code")
        as_json = next(text for text in copies if text.startswith("{"))
        assert Cell.from_json(as_json).hash == digest
        assert json.loads(as_json)["ops"][0] == "input"
        assert any(text.count(digest) and "to_module()" in text and "epochs=36" in text for text in copies)
        link = next(text for text in copies if text.startswith("http"))
        assert link.endswith(f"?epochs=36&scope=IT&cell={digest}")

    def test_a_cell_outside_the_space(self, open_page, truth):
        cells = truth.cells()
        digest = cells[cells["vertices"] == 6]["hash"].iloc[0]
        page = open_page(space="4V").open(digest).works()
        assert any("has 6 vertices and is not in the space 4V" in text for text in page.texts("info"))

    def test_an_unknown_accuracy_is_said(self, open_page, truth):
        cells = truth.cells(predicted=False)
        digest = cells[cells["validation_accuracy"].isna()]["hash"].iloc[0]
        page = open_page().open(digest).works()
        rows = {row[0]: row[1:] for row in page.tables[0][1:]}
        entry = Benchmark.open().query(digest, 108, "7V")
        assert rows["Validation accuracy"] == [
            f"{entry.validation_accuracy:.4f}",
            f"predicted, 90 % interval {entry.validation_accuracy_low:.4f} to {entry.validation_accuracy_high:.4f}",
        ]
        assert rows["Training time"][1].startswith("predicted, 90 % interval ")
        page = open_page(predicted="0").open(digest).works()
        rows = {row[0]: row[1:] for row in page.tables[0][1:]}
        assert rows["Validation accuracy"] == ["–", "not published here for this cell"]
        assert rows["Energy"][1] == "surrogate"
        assert "At none of them are both its energy and its accuracy known." in page.texts("caption")

    def test_an_artefact_is_warned_of(self, open_page, truth):
        cells = truth.every_cell("7V", 108)
        page = open_page().open(cells[cells["artefact"]]["hash"].iloc[0]).works()
        assert any("is an artefact" in text for text in page.texts("warning"))

    def test_close(self, open_page, truth):
        digest = cheap_and_good(truth, "4V")["hash"].iloc[0]
        page = open_page(space="4V", cell=digest).press("Close").works()
        assert page.params == {"space": "4V"}
        assert not any(title.startswith("Cell ") for title in page.texts("header"))


class TestTray:
    def test_pin_four_then_no_more(self, open_page, truth):
        front = list(cheap_and_good(truth, "4V")["hash"][:5])
        page = open_page(space="4V", tray="~".join(front[:2]))
        for count, digest in enumerate(front[2:4], start=3):
            page.open(digest).press("Pin to compare").works()
            assert page.params["tray"].split("~") == front[:count]
        page.open(front[4])
        assert page.buttons()["Pin to compare"].disabled
        page.open(front[0]).press("pin")
        assert page.params["tray"].split("~") == front[1:4]
        assert not page.buttons()["Pin to compare"].disabled

    def test_compared_side_by_side(self, open_page, truth, as_number):
        front = cheap_and_good(truth, "5V").iloc[[2, 6, 9]]
        page = open_page(space="5V", tray="~".join(front["hash"])).works()
        table = page.tables[-1]
        assert table[0] == ["5V, 108 epochs", "A", "B", "C"]
        rows = {row[0]: row[1:] for row in table[1:]}
        for label, name, rel in (
            ("Energy", "energy", CLOSE),
            ("Validation error", "validation_error", 2e-3),
            ("Parameters", "parameters", CLOSE),
        ):
            assert [as_number(text) for text in rows[label]] == pytest.approx(list(front[name]), rel=rel)
        assert rows["Energy is"] == ["scaled"] * 3

    def test_the_best_is_bold(self, open_page, truth):
        front = cheap_and_good(truth, "4V").iloc[[1, 8]]
        page = open_page(space="4V", tray="~".join(front["hash"])).works()
        html = next(block for block in page.blocks if "4V, 108 epochs" in block)
        rows = {row.split("</th>")[0]: row for row in html.split("<tr><th scope='row' class=''>")[1:]}
        assert rows["Energy"].count("class='best'") == 1
        assert rows["Energy"].index("class='best'") < rows["Energy"].index("class=''")
        assert rows["Validation accuracy"].index("class=''") < rows["Validation accuracy"].index("class='best'")

    def test_unpin_all_and_undo(self, open_page, truth):
        front = list(cheap_and_good(truth, "4V")["hash"][:3])
        page = open_page(space="4V", tray="~".join(front)).press("Unpin all").works()
        assert page.params == {"space": "4V"}
        assert "Compare" not in page.texts("header")
        page.press("Undo: pin again").works()
        assert page.params["tray"].split("~") == front
        page.press(f"unpin_{front[1]}").works()
        assert page.params["tray"].split("~") == [front[0], front[2]]

    def test_open_from_the_comparison(self, open_page, truth):
        front = list(cheap_and_good(truth, "4V")["hash"][:2])
        page = open_page(space="4V", tray="~".join(front)).press(f"open_{front[1]}").works()
        assert page.params["cell"] == front[1]

    def test_a_cell_of_another_space_has_no_figures(self, open_page, truth):
        cells = truth.cells()
        large = cells[cells["vertices"] == 7]["hash"].iloc[0]
        small = cheap_and_good(truth, "4V")["hash"].iloc[0]
        page = open_page(space="4V", tray=f"{large}~{small}").works()
        rows = {row[0]: row[1:] for row in page.tables[-1][1:]}
        assert rows["Energy"][0] == "–"
        assert rows["Energy is"] == ["unknown", "measured"]

    def test_pinned_cells_are_lettered_in_the_picture(self, open_page, truth):
        front = list(cheap_and_good(truth, "4V")["hash"][:2])
        assert open_page(space="4V", tray="~".join(front)).trace("selected and pinned")["text"] == ["A", "B"]


WALK = {
    "explore_space": ["4V", "5V", "7V"],
    "explore_epochs": [4, 12, 36, 108],
    "explore_x": ["energy", "footprint", "training_time", "parameters", "validation_accuracy", "test_error"],
    "explore_y": ["validation_error", "test_accuracy", "multiply_adds", "energy"],
    "explore_x_log": [True, False],
    "explore_y_log": [True, False],
    "explore_filters": [True, False],
    "explore_form": ["Table", "Parallel coordinates"],
    "explore_drag": ["pans", "selects"],
    "explore_n_conv3x3": [(0, 5), (2, 3), (5, 5)],
    "explore_n_maxpool3x3": [(0, 0), (0, 5)],
    "explore_vertices": [(2, 2), (2, 4), (3, 4)],
    "explore_ranged": [[], ["energy"], ["energy", "test_accuracy"], ["footprint"]],
    "explore_least_energy": [None, 0.0, 0.1, 1e9],
    "explore_most_energy": [None, 0.05, 0.5],
    "explore_most_test_accuracy": [None, 0.9],
    "explore_energy_provenance": [[], ["measured"], ["scaled", "surrogate"]],
    "explore_accuracy_provenance": [[], ["published"], ["measured"]],
    "explore_artefacts": [True, False],
    "lens_scope": ["facility", "IT", "GPU"],
    "lens_unit": ["kWh", "Wh", "kgCO2eq"],
    "lens_grid": ["DK", "PL", "by hand"],
    "lens_intensity": [0.0, 321.0],
}
BUTTONS = ("Reset", "Undo", "Pin to compare", "Unpin all", "Undo: pin again", "Clear selection", "Close")


@pytest.mark.parametrize("seed", range(3))
def test_a_random_walk_over_the_controls_never_fails(open_page, truth, seed):
    draw = random.Random(seed)
    page = open_page(space=draw.choice(["4V", "5V", "7V"]))
    digests = [cheap_and_good(truth, space)["hash"].iloc[3] for space in ("4V", "5V", "7V")]
    trail = []
    for _ in range(15):
        present = [key for key in WALK if key in page.app.session_state and _shown(page, key)]
        step = draw.choice(["control"] * 6 + ["button", "cell", "box"])
        if step == "control":
            key = draw.choice(present)
            trail.append((key, draw.choice(WALK[key])))
            page.set(*trail[-1])
        elif step == "button":
            enabled = [name for name in BUTTONS if name in page.buttons() and not page.buttons()[name].disabled]
            if not enabled:
                continue
            trail.append(("press", draw.choice(enabled)))
            page.press(trail[-1][1])
        elif step == "cell":
            trail.append(("cell", draw.choice(digests)))
            page.open(trail[-1][1])
        else:
            trail.append(("box", (0.05, 0.9, 0.01, 0.2)))
            page.open(box=trail[-1][1])
        assert not page.app.exception, trail


def _shown(page, key):
    try:
        page.control(key)
    except AssertionError:
        return False
    return True
