"""The Carbon page: every control's effect, held against the figures in the Parquet files."""

from __future__ import annotations

import re

import pytest

from ecnas_core.carbon import grid

CLOSE = 6e-3  # figures are written with three significant digits


def knee(truth, space="7V", epochs=108):
    return truth.knee(truth.front(truth.cells(space, epochs)))


def carbon(open_page, **params):
    return open_page("carbon", **params).works()


class TestFootprint:
    def test_opens_with_the_knee_of_7v(self, open_page, truth, as_number):
        page = carbon(open_page)
        cell = knee(truth)
        assert as_number(page.facts["Energy"][0]) == pytest.approx(cell["energy"], rel=CLOSE)
        expected = cell["energy"] * grid("DK").intensity / 1000
        assert as_number(page.facts["Footprint"][0]) == pytest.approx(expected, rel=CLOSE)
        assert as_number(page.headline) == pytest.approx(expected, rel=CLOSE)
        assert "surrogate" in page.facts["Energy"][1]
        assert "63 times as much in Turkmenistan as in Lesotho" in page.headline
        assert not any("An extrapolation" in text for text in page.texts("caption"))
        text = " ".join(page.texts("markdown"))
        for part in ("doi.org/10.1126/science.aaq0216", "iea.org", "eea.europa.eu", "epa.gov"):
            assert part in text
        assert page.params == {}

    def test_space_epochs_and_the_cells_of_the_front(self, open_page, truth, as_number):
        page = carbon(open_page, space="4V")
        for control, value, expected, params in (
            ("carbon_cell", "r0", truth.front(truth.cells("4V")).iloc[0], {"space": "4V", "of": "r0"}),
            ("carbon_cell", "r1", truth.front(truth.cells("4V")).iloc[-1], {"space": "4V", "of": "r1"}),
            ("carbon_cell", "rk", knee(truth, "4V"), {"space": "4V"}),
            ("carbon_epochs", 36, knee(truth, "4V", 36), {"space": "4V", "epochs": "36"}),
            ("carbon_space", "5V", knee(truth, "5V", 36), {"space": "5V", "epochs": "36"}),
        ):
            page.set(control, value).works()
            assert as_number(page.facts["Energy"][0]) == pytest.approx(expected["energy"], rel=CLOSE), value
            assert page.params == params

    def test_trainings_and_images_multiply(self, open_page, truth, as_number):
        page = carbon(open_page, space="4V").set("carbon_trainings", 50).set("carbon_images", 120_000).works()
        kilowatt_hours = 150 * knee(truth, "4V")["energy"]
        assert as_number(page.facts["Energy"][0]) == pytest.approx(kilowatt_hours, rel=CLOSE)
        assert "50 trainings" in page.facts["Energy"][1]
        assert any("An extrapolation" in text for text in page.texts("caption"))
        assert page.params == {"space": "4V", "trainings": "50", "images": "120000"}
        figure, note = page.facts["km in a new car"]
        assert as_number(figure) == pytest.approx(kilowatt_hours * grid("DK").intensity / 1000 / 0.1081, rel=0.06)
        assert "European Environment Agency, 2022" in note

    def test_lens(self, open_page, truth, as_number):
        page = carbon(open_page, space="4V", pue="1.1", grid="ZA")
        energy = knee(truth, "4V")["energy"] / 1.59 * 1.1
        assert as_number(page.facts["Energy"][0]) == pytest.approx(energy, rel=CLOSE)
        expected = energy * grid("ZA").intensity / 1000
        assert as_number(page.facts["Footprint"][0]) == pytest.approx(expected, rel=CLOSE)
        assert page.facts["PUE"][0] == "1.1"
        page.set("lens_scope", "IT").works()
        assert page.facts["PUE"] == ("–", "not counted in the scope IT")
        assert as_number(page.facts["Energy"][0]) == pytest.approx(knee(truth, "4V")["energy"] / 1.59, rel=CLOSE)
        page.set("lens_grid", "BR").works()
        assert "in Brazil" in page.headline
        assert page.params == {"space": "4V", "pue": "1.1", "scope": "IT", "grid": "BR"}
        chosen = next(each for each in page.figure("carbon_atlas")["data"] if each.get("name") == "chosen")
        assert chosen["locations"] == ["BRA"]
        page.set("lens_grid", "CF").works()
        assert page.facts["Footprint"][0] == "–"
        assert page.headline.startswith("No figure for Central African Republic")
        assert page.tables == []

    def test_gpu_alone_is_unknown_in_7v_and_says_what_to_do(self, open_page):
        page = carbon(open_page, scope="GPU")
        assert any("Choose the scope Facility or IT" in text for text in page.texts("info"))
        assert "Footprint" not in page.facts
        page.set("carbon_space", "4V").works()
        assert "Footprint" in page.facts


class TestCells:
    def test_the_open_cell_is_taken_and_pinned_ones_are_offered(self, open_page, truth, as_number):
        cells = truth.cells("5V")
        pinned, linked, opened = (cells.iloc[place] for place in (3, 9, 7))
        page = carbon(open_page, space="5V", of=linked["hash"], tray=pinned["hash"])
        assert as_number(page.facts["Energy"][0]) == pytest.approx(linked["energy"], rel=CLOSE)
        assert f"pinned A, {pinned['hash'][:8]}" in page.control("carbon_cell").options
        page.open(opened["hash"]).works()
        assert as_number(page.facts["Energy"][0]) == pytest.approx(opened["energy"], rel=CLOSE)
        assert page.params == {"space": "5V", "of": opened["hash"], "tray": pinned["hash"]}
        page.set("carbon_cell", "rk").works()
        assert as_number(page.facts["Energy"][0]) == pytest.approx(knee(truth, "5V")["energy"], rel=CLOSE)

    def test_an_artefact_is_marked_and_a_cell_of_a_larger_space_explained(self, open_page, truth):
        every = truth.every_cell("7V", 108)
        page = carbon(open_page, of=every.loc[every["artefact"] & (every["vertices"] == 7), "hash"].iloc[0])
        assert any("artefact" in text for text in page.texts("warning"))
        page.set("carbon_space", "4V").works()
        assert any("is not in the space 4V" in text for text in page.texts("info"))

    def test_what_if(self, open_page, truth, as_number):
        page = carbon(open_page, space="4V", trainings="1000")
        front = truth.front(truth.cells("4V"))
        own = knee(truth, "4V")["energy"]
        rows = {row[0]: row for row in page.tables[0]}
        per_kwh = grid("DK").intensity
        for name, cell in (("r0, least energy", front.iloc[0]), ("r1, best accuracy", front.iloc[-1])):
            assert as_number(rows[name][3]) == pytest.approx((own - cell["energy"]) * per_kwh, rel=CLOSE)
            assert as_number(rows[name][4]) == pytest.approx(cell["validation_accuracy"], abs=6e-5)

    def test_predicted_accuracy_has_its_interval_or_is_said_to_be_unknown(self, open_page, truth):
        cells = truth.cells()
        own = cells[cells["accuracy_provenance"] == "predicted"].iloc[0]
        page = carbon(open_page, of=own["hash"])
        row = page.tables[0][1]
        assert row[4] == f"{own['validation_accuracy']:.4f}"
        low, high = re.search(r"accuracy predicted, 90 % interval (0\.\d{4}) to (0\.\d{4})$", row[5]).groups()
        assert float(low) < own["validation_accuracy"] < float(high)
        row = page.set("lens_predicted", False).works().tables[0][1]
        assert row[4] == "–"
        assert row[5].endswith("accuracy unknown")


@pytest.mark.usefixtures("whole_7v")
def test_table_3_beside_the_paper_and_back(open_page, truth, as_number):
    page = carbon(open_page, section="table", space="4V", of="r1")
    rows = {row[0]: [re.sub(r"(?<=\d)\u202f(?=\d)", "", text) for text in row] for row in page.tables[0]}
    assert rows["5V, GPU days"][1:4] == ["121.109", "121.109", "0.000"]
    assert rows["5V, kWh"][1:4] == ["1970.495", "1970.495", "0.000"]
    assert rows["5V, kgCO2eq"][1:4] == ["252.572", "252.571", "+0.001"]
    assert rows["4V, kWh"][1:5] == ["62.198", "48.931", "+13.267", "+27.1\u202f%"]
    assert rows["4V, kWh"][5].startswith("does not agree")
    assert rows["7V, GPU days"][1:3] == ["–", "14037.058"]
    assert "training times" in rows["7V, GPU days"][5]
    assert rows["7V, kWh"][5].startswith("agrees within 0.2 %")
    assert page.headline.startswith("5 of the 7 numbers")
    assert page.params == {"section": "table", "space": "4V", "of": "r1"}
    assert any("table_3(Benchmark.open())" in code for code in page.texts("code"))
    page.set("carbon_section", "footprint").works()
    front = truth.front(truth.cells("4V"))
    assert as_number(page.facts["Energy"][0]) == pytest.approx(front["energy"].iloc[-1], rel=CLOSE)


class TestLinks:
    def test_a_broken_one_opens_the_default_view(self, open_page):
        page = carbon(open_page, of="zz")
        assert any("The link could not be opened as it is" in text for text in page.texts("warning"))
        assert "Footprint" in page.facts
        assert page.params == {}

    def test_the_view_outlives_other_pages(self, open_page):
        page = carbon(open_page, space="5V", trainings="7").go("scaling").go("carbon").works()
        assert page.params == {"space": "5V", "trainings": "7"}
