"""The Explore page: every control's effect, held against the figures in the Parquet files."""

from __future__ import annotations

import json
import random

import pytest

from ecnas_core import Benchmark, Cell

FACILITY_TO_IT = 1 / 1.59
CLOSE = 6e-3  # figures are written with three significant digits
ACCURATE = 6e-5  # ratios with four decimals
OF_SEVEN = "00005c142e6f48ac74fdcf73e3439874"


def cheap_and_good(truth, space="4V", epochs=108):
    return truth.front(truth.cells(space, epochs))


def front_of(page) -> tuple[list[float], list[float]]:
    drawn = page.trace("front")
    return drawn["x"], drawn["y"]


def holds_front(page, front, x="energy", y="validation_error"):
    """Hold that the picture draws that front."""
    assert page.works().on_front == len(front)
    assert front_of(page) == (pytest.approx(list(front[x])), pytest.approx(list(front[y])))


def rows_of(table) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in table[1:]}


class TestLargestSpace:
    @pytest.mark.usefixtures("whole_7v")
    def test_it_opens_first_and_its_artefacts_come_back_marked(self, open_page, truth, as_number):
        page = open_page("explore").works()
        cells, front = truth.cells(), cheap_and_good(truth, "7V")
        knee = truth.knee(front)
        predicted = (cells["accuracy_provenance"] == "predicted").sum()
        assert page.params == {}
        assert page.app.title[0].value == "Explore"
        text = " ".join(page.texts("markdown") + page.texts("caption"))
        for part in (
            "Which cell reaches an accuracy for the least energy?",
            "The knee rk",
            "arxiv.org/abs/2210.06015",
            "Apache 2.0",
            "9 cells are left out",
            "The front rests on predictions: of its ",
        ):
            assert part in text
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

        every = truth.every_cell("7V", 108)
        artefact = every[every["artefact"]]["hash"].iloc[0]
        page.set("explore_filters", True)
        page.app.session_state.cell = artefact
        page.set("explore_artefacts", True).works()
        assert page.matching == 423_624
        assert page.params == {"artefacts": "1", "cell": artefact}
        assert not any("are left out because" in text for text in page.texts("caption"))
        front = truth.front(every)
        assert page.on_front == len(front)
        assert as_number(page.facts["r0 least energy"][0]) == pytest.approx(front["energy"].iloc[0], rel=CLOSE)
        assert any("is an artefact" in text for text in page.texts("warning"))

    @pytest.mark.usefixtures("whole_7v")
    def test_with_and_without_what_is_predicted(self, open_page, truth, as_number):
        cells = truth.cells(predicted=False)
        digest = cells[cells["validation_accuracy"].isna()]["hash"].iloc[0]
        entry = Benchmark.open().query(digest, 108, "7V")
        page = open_page("explore", cell=digest).works()
        rows = rows_of(page.tables[0])
        assert rows["Validation accuracy"] == [
            f"{entry.validation_accuracy:.4f}",
            f"predicted, 90 % interval {entry.validation_accuracy_low:.4f} to {entry.validation_accuracy_high:.4f}",
        ]
        assert rows["Training time"][1].startswith("predicted, 90 % interval ")

        page.set("lens_predicted", False).works()
        assert page.params == {"cell": digest, "predicted": "0"}
        rows = rows_of(page.tables[0])
        assert rows["Validation accuracy"] == ["–", "not published here for this cell"]
        assert rows["Energy"][1] == "surrogate"
        assert "At none of them are both its energy and its accuracy known." in page.texts("caption")
        known = cells["validation_accuracy"].notna().sum()
        assert as_number(page.facts["With both values"][0]) == known == 25_822
        assert as_number(page.facts["With both values"][1]) == len(cells) - known
        assert page.on_front == len(truth.front(cells))
        assert not any("predictions" in text for text in page.texts("caption"))
        assert [trace.get("name") for trace in page.figure()["data"]][:2] == ["density", "unknown"]
        assert page.trace("sample")
        assert sum(len(chart.proto.spec) for chart in page.app.get("plotly_chart")) < 400_000

    def test_the_gpu_alone_is_unknown_and_smaller_spaces_clamp_the_vertices(self, open_page, truth):
        page = open_page("explore", cell=OF_SEVEN, scope="GPU", vertices="3~6").works()
        assert page.headline.endswith("cells of 7V, none with both energy and validation error at 108 epochs.")
        assert any("Choose the scope Facility or IT" in text for text in page.texts("info"))
        page.set("explore_filters", True).set("explore_space", "4V").works()
        assert page.control("explore_vertices").value == (3, 4)
        assert page.matching == (truth.cells("4V")["vertices"] >= 3).sum()


class TestControls:
    def test_counts_front_and_scale_of_space_and_epochs(self, open_page, truth, as_number):
        page = open_page("explore", space="5V", epochs="4").works()
        assert page.control("explore_space").proto.required
        assert page.control("explore_epochs").proto.required
        for space, epochs in (("5V", 4), ("5V", 36), ("4V", 36), ("4V", 108)):
            if page.control("explore_epochs").value != epochs:
                page.set("explore_epochs", epochs)
            if page.control("explore_space").value != space:
                page.set("explore_space", space)
            cells = truth.cells(space, epochs)
            front = truth.front(cells)
            assert page.matching == len(cells)
            holds_front(page, front)
            assert as_number(page.facts["r0 least energy"][0]) == pytest.approx(front["energy"].iloc[0], rel=CLOSE)
            expected = {"space": space, "epochs": str(epochs)}
            assert page.params == {name: text for name, text in expected.items() if text != "108"}

    def test_a_larger_space_is_seen_in_full_whether_or_not_the_filters_are_shown(self, open_page):
        page = open_page("explore", space="4V").set("explore_filters", True)
        for shown in (True, False):
            if not shown:
                page.set("explore_space", "4V").set("explore_filters", False)
            page.set("explore_space", "5V").works()
            assert page.matching == 2532, shown
            assert page.params == {"space": "5V"}, shown

    def test_axes_their_scales_and_the_table_of_the_front(self, open_page, truth):
        page = open_page("explore", space="4V").works()
        cells, front = truth.cells("4V"), cheap_and_good(truth)
        shown = page.app.dataframe[0].value
        assert list(shown["Hash"]) == [digest[:8] for digest in front["hash"]]
        assert list(shown["Energy (kWh)"]) == pytest.approx(list(front["energy"]))
        assert [role for role in shown["Role"] if role] == ["r0", "rk", "r1"]
        assert list(shown["Energy is"].unique()) == ["measured"]
        assert len(page.trace("cells")["x"]) == 91
        assert [page.figure()["layout"][axis]["type"] for axis in ("xaxis", "yaxis")] == ["log", "log"]

        page.set("explore_y", "test_accuracy").set("explore_x", "multiply_adds")
        layout = page.figure()["layout"]
        assert [layout[axis]["title"]["text"] for axis in ("xaxis", "yaxis")] == ["Multiply-adds (G)", "Test accuracy"]
        assert [layout[axis]["type"] for axis in ("xaxis", "yaxis")] == ["log", "linear"]
        assert page.params == {"space": "4V", "x": "multiply_adds", "y": "test_accuracy"}
        holds_front(page, truth.front(cells, "multiply_adds", "test_accuracy"), "multiply_adds", "test_accuracy")

        chosen = page.params
        page.set("explore_x_log", False).set("explore_y_log", True).works()
        assert [page.figure()["layout"][axis]["type"] for axis in ("xaxis", "yaxis")] == ["linear", "log"]
        assert page.params == chosen | {"x_log": "0", "y_log": "1"}
        page.set("explore_x_log", True)
        assert page.params == chosen | {"y_log": "1"}

        page.set("explore_form", "Parallel coordinates").set("explore_x", "test_accuracy").works()
        assert page.texts("error") == ["Both axes show test_accuracy; choose two different metrics."]
        page.set("explore_y", "energy").works()
        assert not page.app.error
        assert page.control("explore_form").value == "Parallel coordinates"
        holds_front(page, truth.front(cells, "test_accuracy", "energy"), "test_accuracy", "energy")


class TestFilters:
    @pytest.fixture
    def filtered(self, open_page):
        return lambda **params: open_page("explore", **params).set("explore_filters", True)

    def test_counts_narrow_stay_when_their_column_folds_and_come_back(self, filtered, truth):
        page, cells = filtered(space="4V"), truth.cells("4V")
        chosen = {"vertices": (3, 4), "n_conv3x3": (0, 1), "n_conv1x1": (0, 1), "n_maxpool3x3": (1, 2)}
        params = {"space": "4V"}
        for number, (name, ends) in enumerate(chosen.items(), 1):
            page.set(f"explore_{name}", ends)
            before, cells = cells, cells[cells[name].between(*ends)]
            assert 0 < len(cells) < len(before)
            assert page.matching == len(cells)
            holds_front(page, truth.front(cells))
            params[name] = "~".join(map(str, ends))
            assert page.params == params
            assert page.control("explore_filters").label == f"Filters ({number})"
        for shown in (False, False, True):
            page.set("explore_filters", shown).works()
            assert page.matching == len(cells)
        page.press("Reset").works()
        assert page.matching == 91
        assert page.params == {"space": "4V"}
        page.press("Undo").works()
        assert page.matching == len(cells)
        assert page.params == params
        assert "Undo" not in page.buttons()

    def test_ranges_narrow_together(self, filtered, truth):
        ends = [
            ("least", "energy", 0.2),
            ("most", "energy", 0.6),
            ("least", "validation_accuracy", 0.85),
            ("most", "parameters", 8),
            ("least", "training_time", 1500),
            ("most", "test_error", 0.1),
        ]
        page, cells = filtered(space="4V"), truth.cells("4V")
        page.set("explore_ranged", sorted({name for _, name, _ in ends}))
        assert page.params == {"space": "4V"}
        for end, name, value in ends:
            page.set(f"explore_{end}_{name}", value).works()
            before, cells = cells, cells[cells[name] >= value if end == "least" else cells[name] <= value]
            assert 0 < len(cells) < len(before)
            assert page.matching == len(cells)
            assert page.on_front == len(truth.front(cells))
        page.set("explore_ranged", ["validation_accuracy"])
        assert page.matching == (truth.cells("4V")["validation_accuracy"] >= 0.85).sum()

    def test_a_range_that_no_cell_can_be_in_is_told(self, filtered):
        page = filtered(space="4V", range_energy="0~0.001").works()
        assert page.headline == "No cell of 4V passes the filters."
        assert page.texts("info") == ["Widen a filter, or press Reset in the filters."]
        page.set("explore_least_energy", 0.5).works()
        assert page.texts("error") == ["The range of energy is empty: 0.5 to 0.001."]
        page.set("lens_unit", "Wh").set("explore_epochs", 36).works()
        assert page.control("explore_least_energy").value == pytest.approx(500), "converted once"
        assert page.texts("error") == ["The range of energy is empty: 500 to 1."]
        page.set("explore_most_energy", 900.0).works()
        assert not page.app.error
        assert page.params == {"space": "4V", "epochs": "36", "unit": "Wh", "range_energy": "500.0~900.0"}

    def test_cells_that_lack_a_value_are_no_picture(self, open_page, truth):
        cells = truth.cells("5V", 36, predicted=False)
        cells = cells.assign(known=cells["validation_accuracy"].notna())
        every_known = cells.groupby("parameters")["known"].any()
        size = every_known.index[~every_known][0]
        page = open_page("explore", space="5V", epochs="36", predicted="0", range_parameters=f"{size}~{size}").works()
        number = (cells["parameters"] == size).sum()
        assert page.headline.startswith(f"{number} cell")
        assert "No matching cell has a value on both axes: choose another metric or budget." in page.texts("info")

    def test_provenances(self, filtered, truth):
        page = filtered(space="5V").set("explore_energy_provenance", ["measured"]).works()
        assert page.headline == "No cell of 5V passes the filters."
        page.set("explore_epochs", 4).works()
        cells = truth.cells("5V", 4)
        assert page.matching == len(cells) == 2532
        for provenance in ("published", "measured"):
            page.set("explore_accuracy_provenance", [provenance]).works()
            assert page.matching == (cells["accuracy_provenance"] == provenance).sum() > 0

    def test_ranges_follow_the_lens(self, filtered):
        page = filtered(space="4V", grid="100", range_energy="0.2~0.4", range_footprint="0.025~0.039")
        before = page.matching
        assert 0 < before < 91
        energy, footprint = [0.2, 0.4], [0.025, 0.039]
        for control, value, times_energy, times_footprint in (
            ("lens_unit", "Wh", 1000, 1),
            ("lens_pue", 2.0, 2 / 1.59, 2 / 1.59),
            ("lens_scope", "IT", 1 / 2, 1 / 2),
            ("lens_intensity", 300.0, 1, 3),
            ("explore_form", "Parallel coordinates", 1, 1),
        ):
            page.set(control, value).works()
            energy = [times_energy * end for end in energy]
            footprint = [times_footprint * end for end in footprint]
            for name, ends in (("energy", energy), ("footprint", footprint)):
                shown = [page.control(f"explore_{end}_{name}").value for end in ("least", "most")]
                assert shown == pytest.approx(ends), (control, name)
            assert page.matching == before, control

        page.press("Reset").set("explore_ranged", ["energy"]).works()
        assert page.control("explore_least_energy").value is None
        assert page.control("explore_most_energy").value is None
        assert page.matching == 91
        page.set("lens_unit", "kWh").press("Undo").works()
        assert page.control("explore_most_energy").value == pytest.approx(0.4 * FACILITY_TO_IT)
        assert page.matching == before


class TestLens:
    def test_every_control_of_it_moves_the_picture(self, open_page, truth, as_number):
        page = open_page("explore", space="4V").set("lens_pue", 1.1).works()
        cells, front = truth.cells("4V"), cheap_and_good(truth)

        def holds(factor, **params):
            assert page.works().trace("front")["x"] == pytest.approx(list(front["energy"] * factor))
            least = next(figure for label, (figure, _) in page.facts.items() if label.startswith("r0 least "))
            assert as_number(least) == pytest.approx(front["energy"].iloc[0] * factor, rel=CLOSE)
            assert page.params == {"space": "4V"} | params

        holds(1.1 / 1.59, pue="1.1")
        page.set("lens_unit", "kgCO2eq").set("lens_grid", "by hand").set("lens_intensity", 250.0)
        holds(1.1 / 1.59 * 0.25, pue="1.1", unit="kgCO2eq", grid="250.0")
        assert page.figure()["layout"]["xaxis"]["title"]["text"] == "Footprint (kgCO2eq)"
        by_hand = page.trace("front")["x"]
        page.set("lens_grid", "PL").works()
        assert page.params == {"space": "4V", "pue": "1.1", "unit": "kgCO2eq", "grid": "PL"}
        assert any("facility energy, PUE 1.1; Poland" in text.value for text in page.app.sidebar.caption)
        assert page.trace("front")["x"][0] > by_hand[0]
        page.set("lens_unit", "Wh").set("lens_scope", "IT")
        holds(1000 * FACILITY_TO_IT, pue="1.1", unit="Wh", grid="PL", scope="IT")
        assert page.control("lens_pue").disabled
        page.set("lens_scope", "GPU").works()
        front = truth.front(cells.assign(gpu=cells["gpu_energy_j"] / 3600), "gpu", "validation_error")
        holds_front(page, front, "gpu")
        page.set("explore_filters", True).set("explore_ranged", ["footprint"]).works()
        assert page.control("explore_ranged").value == ["footprint"]

    def test_electricity_that_emits_nothing(self, open_page):
        page = open_page("explore", space="4V", grid="0", unit="kgCO2eq", range_energy="0~1").works()
        assert page.figure()["layout"]["xaxis"]["type"] == "linear"
        page.set("explore_filters", True).set("lens_intensity", 100.0).works()
        page.set("explore_form", "Parallel coordinates").set("lens_intensity", 0.0).works()
        labels = [dimension["label"] for dimension in page.figure("parallel")["data"][0]["dimensions"]]
        assert labels[3:] == ["Validation error", "Training time (s)", "Parameters (M)", "Multiply-adds (G)"]


class TestArea:
    BOX = (0.2, 0.5, 0.06, 0.08)

    def test_is_selected_cleared_and_filtered(self, open_page, truth):
        cells, front = truth.cells("5V"), cheap_and_good(truth, "5V")
        page = open_page("explore", space="5V", box="0~9~0~1").works()
        assert "Selected: 2\u202f532 cells" in page.texts("header")
        assert len(page.app.dataframe[0].value) == 200
        page.set("explore_form", "Parallel coordinates").works()
        assert page.alt("parallel").startswith("2\u202f000 cells by operations and metrics")
        assert not page.app.dataframe
        page.press("Clear selection").works()
        assert "box" not in page.params
        low, high = front["validation_error"].min(), front["validation_error"].max()
        assert f"The front, {len(front)} cells" in page.texts("header")
        assert page.alt("parallel").startswith(f"{len(front)} cells by operations and metrics: energy ")
        assert page.alt("parallel").endswith(f", validation error {low:.4f} to {high:.4f}.")
        labels = [dimension["label"] for dimension in page.figure("parallel")["data"][0]["dimensions"]]
        assert labels[:4] == ["conv3×3", "conv1×1", "maxpool", "Energy (kWh)"]

        page.open(box=self.BOX).works()
        inside = cells["energy"].between(0.2, 0.5) & cells["validation_error"].between(0.06, 0.08)
        assert f"Selected: {inside.sum()} cells" in page.texts("header")
        assert page.params["box"] == "0.2~0.5~0.06~0.08"
        page.set("explore_filters", True).set("explore_n_conv3x3", (1, 1)).works()
        assert f"Selected: {(inside & (cells['n_conv3x3'] == 1)).sum()} cells" in page.texts("header")
        page.open(box=(1e-4, 2e-4, 0.06, 0.08)).works()
        assert "No cell in this area. Drag a box over points, or clear the selection." in page.texts("info")

    def test_on_other_axes_it_is_let_go(self, open_page):
        page = open_page("explore", space="4V")
        for control, value in (("explore_x", "parameters"), ("explore_x", "energy"), ("lens_unit", "Wh")):
            assert "box" in page.open(box=self.BOX).params
            page.set(control, value).works()
            assert "box" not in page.params, control
            assert any(title.startswith("The front") for title in page.texts("header")), control


class TestCard:
    def test_of_a_cell_on_the_front_with_everything_known_of_it(self, open_page, truth, as_number):
        cells, cell = truth.cells("4V"), cheap_and_good(truth).iloc[3]
        digest = cell["hash"]
        page = open_page("explore", space="4V").open(digest).works()
        assert page.params == {"space": "4V", "cell": digest}
        assert f"Cell {digest[:8]}" in page.texts("header")
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
        assert any("it lies on the front" in text for text in page.texts("caption"))

        ranks = rows_of(page.tables[1])
        for label, name in (("Energy", "energy"), ("Validation error", "validation_error")):
            rank, of = ranks[label][0].split(" of ")
            assert as_number(rank) == 1 + (cells[name] < cell[name]).sum()
            assert as_number(of) == 91
            worse = (cells[name] > cell[name]).sum() / 90
            assert as_number(ranks[label][1]) == pytest.approx(100 * worse, abs=0.051)

        trace = page.figure(f"budgets_{digest}")["data"][0]
        expected = [truth.cell(digest, "4V", epochs) for epochs in (4, 12, 36, 108)]
        assert trace["text"] == ["4", "12", "36", "108"]
        assert trace["x"] == pytest.approx([cell["energy"] for cell in expected])
        assert trace["y"] == pytest.approx([cell["validation_accuracy"] for cell in expected])

        page.press("Close").works()
        assert page.params == {"space": "4V"}
        assert not any(title.startswith("Cell ") for title in page.texts("header"))

    def test_what_dominates_it_and_copies_that_open_it(self, open_page, truth):
        cells = truth.cells("4V", 36).set_index("hash")
        worst = cells["validation_error"].idxmax()
        page = open_page("explore", space="4V", epochs="36", scope="IT", cell=worst).works()
        pills = page.control(f"dominating_{worst}")
        assert len(pills.options) == 5
        by_prefix = {digest[:8]: digest for digest in cells.index}
        for option in pills.options:
            better = cells.loc[by_prefix[option.split(":")[0]]]
            assert better["energy"] <= cells["energy"][worst]
            assert better["validation_error"] <= cells["validation_error"][worst]
        first = by_prefix[pills.options[0].split(":")[0]]
        page.set(f"dominating_{worst}", first).works()
        assert page.params["cell"] == first
        copies = page.texts("code")
        as_json = next(text for text in copies if text.startswith("{"))
        assert Cell.from_json(as_json).hash == first
        assert json.loads(as_json)["ops"][0] == "input"
        assert any(text.count(first) and "to_module()" in text and "epochs=36" in text for text in copies)
        link = next(text for text in copies if text.startswith("http"))
        assert link.endswith(f"?space=4V&epochs=36&scope=IT&cell={first}")


class TestTray:
    def test_compared_side_by_side_with_what_is_in_no_smaller_space(self, open_page, truth, as_number):
        front, cells = cheap_and_good(truth).iloc[[1, 8]], truth.cells()
        large = cells[cells["vertices"] == 7]["hash"].iloc[0]
        page = open_page("explore", space="4V", tray="~".join([*front["hash"], large]), cell=large).works()
        assert page.trace("selected and pinned")["text"] == ["A", "B"]
        assert any("has 7 vertices and is not in the space 4V" in text for text in page.texts("info"))
        table = page.tables[-1]
        assert table[0] == ["4V, 108 epochs", "A", "B", "C"]
        rows = rows_of(table)
        for label, name, rel in (
            ("Energy", "energy", CLOSE),
            ("Validation error", "validation_error", 2e-3),
            ("Parameters", "parameters", CLOSE),
        ):
            assert [as_number(text) for text in rows[label][:2]] == pytest.approx(list(front[name]), rel=rel)
            assert rows[label][2] == "–"
        assert rows["Energy is"] == ["measured", "measured", "unknown"]
        html = next(block for block in page.blocks if "4V, 108 epochs" in block)
        written = {row.split("</th>")[0]: row for row in html.split("<tr><th scope='row' class=''>")[1:]}
        assert written["Energy"].count("class='best'") == 1
        assert written["Energy"].index("class='best'") < written["Energy"].index("class=''")
        accuracy = written["Validation accuracy"]
        assert accuracy.index("class=''") < accuracy.index("class='best'")

    def test_takes_four_gives_them_back_and_opens_them(self, open_page, truth):
        front = list(cheap_and_good(truth)["hash"][:5])
        page = open_page("explore", space="4V", tray="~".join(front[:4]), cell=front[4]).works()
        assert page.buttons()["Pin to compare"].disabled
        for button, pinned in (
            (f"unpin_{front[2]}", [front[0], front[1], front[3]]),
            ("Pin to compare", [front[0], front[1], front[3], front[4]]),
            ("pin", [front[0], front[1], front[3]]),
        ):
            page.press(button).works()
            assert page.params["tray"].split("~") == pinned, button
        assert not page.buttons()["Pin to compare"].disabled
        page.press("Unpin all").works()
        assert "tray" not in page.params
        assert "Compare" not in page.texts("header")
        page.press("Undo: pin again").works()
        assert page.params["tray"].split("~") == pinned
        page.press(f"open_{front[0]}").works()
        assert page.params["cell"] == front[0]


WALK = {
    "explore_space": ["4V", "5V"],
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
SMALL, LARGE = 14, 2
"""Steps of the walk in the small spaces, and then in 7V, where a step costs five times as much."""


def test_a_random_walk_over_the_controls_never_fails(open_page, truth):
    draw = random.Random(1)
    page = open_page("explore", space="5V").set("explore_filters", True)
    digests = [*(cheap_and_good(truth, space)["hash"].iloc[3] for space in ("4V", "5V")), OF_SEVEN]
    trail = []
    for step in range(SMALL + LARGE):
        if step == SMALL:
            trail.append(("explore_space", "7V"))
            page.set(*trail[-1]).works()
        shown = page.control_keys
        present = [key for key in WALK if key in shown and (step <= SMALL or key != "explore_space")]
        kind = draw.choice(["control"] * 6 + ["button", "cell", "box"])
        if kind == "control":
            key = draw.choice(present)
            trail.append((key, draw.choice(WALK[key])))
            page.set(*trail[-1])
        elif kind == "button":
            enabled = [name for name in BUTTONS if name in page.buttons() and not page.buttons()[name].disabled]
            if not enabled:
                continue
            trail.append(("press", draw.choice(enabled)))
            page.press(trail[-1][1])
        elif kind == "cell":
            trail.append(("cell", draw.choice(digests)))
            page.open(trail[-1][1])
        else:
            trail.append(("box", (0.05, 0.9, 0.01, 0.2)))
            page.open(box=trail[-1][1])
        assert not page.app.exception, trail
