"""What a link carries, and what happens when it is broken."""

from __future__ import annotations

import gc

import pytest
import streamlit as st

from ecnas_core.analysis.view import View
from ecnas_core.errors import EcnasError

A_CELL = "00005c142e6f48ac74fdcf73e3439874"


@pytest.fixture
def front(truth):
    return list(truth.front(truth.cells("4V"))["hash"])


def test_what_a_drawn_page_loaded_is_spared_the_collector(open_page):
    import plotly.graph_objects

    gc.unfreeze()
    st.cache_resource.clear()
    open_page("explore").works()
    methods = [each for each in vars(plotly.graph_objects.Figure).values() if gc.is_tracked(each)]
    found = {id(each) for each in gc.get_objects()}
    assert methods
    assert not found & {id(each) for each in methods}


class TestLinks:
    @pytest.mark.parametrize(
        "params",
        [
            {
                "space": "4V",
                "epochs": "4",
                "x": "parameters",
                "y": "test_accuracy",
                "y_log": "1",
                "scope": "GPU",
                "grid": "412.5",
                "unit": "kgCO2eq",
            },
            {
                "space": "5V",
                "x_log": "0",
                "y_log": "0",
                "vertices": "4~5",
                "n_conv3x3": "1~2",
                "n_conv1x1": "0~1",
                "n_maxpool3x3": "0~1",
                "range_energy": "0.1~0.5",
                "range_validation_accuracy": "0.9~inf",
                "range_test_error": "-inf~0.2",
                "range_parameters": "0.3~5.0",
                "energy_provenance": "scaled~measured",
                "accuracy_provenance": "published",
                "corrected": "1",
                "box": "0.2~0.5~0.06~0.08",
            },
            {
                "artefacts": "1",
                "vertices": "2~5",
                "scope": "IT",
                "pue": "1.2",
                "grid": "FR",
                "unit": "Wh",
                "predicted": "0",
            },
        ],
        ids=["axes", "filters", "lens"],
    )
    def test_a_view_opens_as_it_was_left(self, open_page, params):
        page = open_page("explore", **params).works()
        assert not page.app.warning
        assert page.params == params
        before = page.headline, page.facts, page.texts("header")
        page.set("explore_filters", True).works()
        assert page.params == params
        assert (page.headline, page.facts, page.texts("header")) == before

    def test_cell_tray_and_lens(self, open_page, front):
        link = {
            "space": "4V",
            "cell": front[2],
            "tray": "~".join([*front[:3], front[0], *front[3:5]]),
            "scope": "IT",
            "grid": "300",
            "unit": "Wh",
            "epochs": "108",
            "x": "energy",
            "vertices": "2~7",
            "pue": "1.59",
            "utm_source": "mail",
        }
        page = open_page("explore", **link).works()
        assert page.params == {
            "space": "4V",
            "scope": "IT",
            "grid": "300.0",
            "unit": "Wh",
            "cell": front[2],
            "tray": "~".join(front[:4]),
        }
        assert f"Cell {front[2][:8]}" in page.texts("header")
        assert page.tables[-1][0] == ["4V, 108 epochs", "A", "B", "C", "D"]
        for control, value in (("scope", "IT"), ("unit", "Wh"), ("grid", "by hand"), ("intensity", 300)):
            assert page.control(f"lens_{control}").value == value
        assert "IT energy (GPU and CPUs); 300 gCO2eq/kWh" in [text.value for text in page.app.sidebar.caption]

    def test_correction_of_linear_scaling(self, open_page, truth):
        page = open_page("explore", space="5V", corrected="1").works()
        assert page.control("lens_corrected").value is True
        assert page.app.sidebar.caption[0].value.endswith("; linear scaling corrected")
        measured = {epochs: truth.cells("4V", epochs).set_index("hash") for epochs in (4, 108)}
        per_second = (measured[108]["energy"] / (27 * measured[4]["training_time"])).mean()
        cells = truth.cells("5V")
        corrected = truth.front(cells.assign(energy=per_second * cells["training_time"]))["energy"]
        assert page.trace("front")["x"] == pytest.approx(list(corrected), rel=1e-6)
        page.set("lens_corrected", False).works()
        assert page.params == {"space": "5V"}
        scaled = truth.front(cells)["energy"]
        assert page.trace("front")["x"] == pytest.approx(list(scaled), rel=1e-6)

    def test_the_card_says_what_is_corrected(self, open_page, truth, front):
        notes = {}
        for space in ("4V", "5V", "7V"):
            page = open_page("explore", space=space, corrected="1", cell=front[2]).works()
            table = next(table for table in page.tables if table[0][0] == "Quantity")
            notes[space] = {row[0]: row[2] for row in table}
        assert notes["4V"]["Energy"].startswith("measured, ±")
        measured = {epochs: truth.cells("4V", epochs).set_index("hash") for epochs in (4, 108)}
        per_second = (measured[108]["energy"] / (27 * measured[4]["training_time"])).mean()
        cell = truth.cell(front[2], "5V")
        factor = per_second * cell["training_time"] / cell["energy"]
        assert notes["5V"]["Energy"] == f"scaled, corrected by {factor:.3f}"
        assert notes["5V"]["Footprint"] == notes["5V"]["Energy"]
        assert notes["5V"]["Training time"] == "scaled, corrected by 0.977, Quadro RTX 6000"
        assert notes["7V"]["Energy"] == "surrogate, corrected by 0.863"


class TestBrokenLinks:
    @pytest.mark.parametrize(
        ("params", "reason"),
        [
            ({"range_energy": "x"}, r"write it as a number\~a number"),
            ({"scope": "planet"}, "scope='planet' is not possible"),
        ],
        ids=["view", "lens"],
    )
    def test_is_told_once_and_the_default_view_shown(self, open_page, truth, params, reason):
        page, cells = open_page("explore", **params).works(), truth.cells()
        predicted = (cells["accuracy_provenance"] == "predicted").sum()
        (notice,) = page.texts("warning")
        assert notice.startswith("The link could not be opened as it is: ")
        assert reason in notice
        assert notice.endswith(". Shown is the default view.")
        assert page.headline.replace("\u202f", "").startswith(f"{len(cells)} cells, {predicted} of them predicted; ")
        assert page.params == {}
        page.set("explore_space", "4V").works()
        assert not page.app.warning
        assert page.matching == 91

    def test_says_what_is_wrong_with_it(self):
        told = {
            reason: _refusal(params)
            for params, reason in (
                ({"space": "9V"}, "space='9V' is not possible; take one of 4V, 5V, 7V"),
                ({"epochs": "100"}, "epochs='100' is not possible; take one of 4, 12, 36, 108"),
                ({"x": "energy", "y": "energy"}, "choose two different metrics"),
                ({"range_energy": "nan~nan"}, "the range of energy is empty"),
                ({"vertices": "-3~99"}, "give two of 0 to 7"),
                (
                    {"energy_provenance": "guessed"},
                    "energy_provenance='guessed' is not possible; take some of measured",
                ),
                ({"pue": "nan"}, "pue=nan is not possible; give a number, 1 to 3"),
                ({"grid": "XX"}, "no carbon intensity for 'XX'"),
                ({"corrected": "yes"}, "corrected='yes' is not possible; write 0 or 1"),
            )
        }
        assert [reason for reason, message in told.items() if reason not in message] == []

    def test_unknown_cells_are_left_out(self, open_page, front):
        page = open_page("explore", space="4V", cell="zzz", tray=f"zzz~{front[0]}~~{front[1]}").works()
        cell, pinned = page.texts("warning")
        assert cell.startswith("A cell of the link is left out: ")
        assert pinned.startswith("A cell of the link is left out: ")
        assert page.params == {"space": "4V", "tray": "~".join(front[:2])}
        assert page.matching == 91
        unknown = ("0" * 32, A_CELL.upper(), "'; drop view benchmark; --", "<b>x</b>")
        page = open_page("explore", space="4V", tray="~".join(unknown)).works()
        assert len(page.app.warning) == len(unknown)
        assert page.params == {"space": "4V"}

    def test_a_broken_area_is_left_out(self, open_page):
        for box in ("abc", "1~2~3", "1~2~3~4~5", "1~2~3~x", "nan~nan~nan~nan", "5~1~0~1", "0~1~0.9~0.1"):
            page = open_page("explore", space="4V", box=box).works()
            (notice,) = page.texts("warning")
            assert notice == "The selected area of the link is left out: it is not two ranges of numbers.", box
            assert page.params == {"space": "4V"}, box

    def test_an_area_past_the_axes_is_shown(self, open_page, truth):
        for box in ("-inf~inf~-inf~inf", "-5~0.5~0~1"):
            page = open_page("explore", space="4V", box=box).works()
            x_low, x_high, *_ = (float(edge) for edge in box.split("~"))
            inside = truth.cells("4V")["energy"].between(x_low, x_high).sum()
            assert f"Selected: {inside} cells" in page.texts("header")

    def test_counts_no_slider_has_are_brought_into_its_range(self, open_page):
        for params in (
            {"vertices": "0~7", "n_conv3x3": "0~7"},
            {"vertices": "0~1"},
            {"n_maxpool3x3": "6~7"},
            {"vertices": "6~7"},
        ):
            page = open_page("explore", space="4V", **params).works()
            matching = page.facts.get("Matching cells")
            page.set("explore_filters", True).works()
            assert page.facts.get("Matching cells") == matching, params


def _refusal(params):
    """What a link's view or lens says of why it cannot be opened."""
    with pytest.raises(EcnasError) as raised:
        View.from_params(params)
    return str(raised.value)


class TestHostileLinks:
    """What a link says is shown as it was written: no image, formula or icon comes of it."""

    IMAGE = "![a](http://127.0.0.1:9/x.png)"
    MARKS = ("$x$", ":material/home:", "<b>", "**b**")

    @pytest.mark.parametrize(
        ("page", "names", "marks"),
        [
            ("explore", ("cell", "grid"), (IMAGE,)),
            ("explore", ("cell", "grid"), MARKS),
            ("measure", ("draw",), (IMAGE,)),
            ("measure", ("draw",), MARKS),
        ],
        ids=["explore image", "explore marks", "measure image", "measure marks"],
    )
    def test_is_told_without_being_read_as_markdown(self, open_page, page, names, marks):
        shown = open_page(page, **dict.fromkeys(names, " ".join(marks))).works()
        notices = shown.texts("warning")
        assert len(notices) == len(names)
        for notice in notices:
            for mark in marks:
                assert mark not in notice
                assert mark in notice.replace("\\", "").replace("\u2060", "")
