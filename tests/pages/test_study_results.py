"""What came of a study, on a page of its own, without a browser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ecnas_core.analysis.pareto import knee
from ecnas_core.search import Setting, lab, runner
from ecnas_core.search.study import Plan
from pages.widgets.study_results import SECTIONS
from tests.pages.conftest import Page
from tests.studies import carried_out

OBJECTIVES = ["energy", "validation_error"]
MEGABYTE = 1_000_000
SCRIPT = """
import streamlit as st
from ecnas_core.search import runner
from pages.widgets import session, study_results

session.start()
data = session.bench().data
first, *others = [runner.find(name, data) for name in st.query_params.get("studies", "Small").split("~")]
st.session_state.told = study_results.show(first, others)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a few small studies."""
    folder = tmp_path_factory.mktemp("results")
    small = Setting(space="4V")
    for name, setting, algorithms in (
        ("Small", small, ("SEMOA", "RS")),
        ("Beside", small, ("SEMOA-L",)),
        ("Three", Setting(space="4V", epochs=None, objectives=(*OBJECTIVES, "training_time")), ("SEMOA-L", "RS")),
        ("Alone", Setting(space="4V", objectives=("validation_error",)), ("RE",)),
    ):
        carried_out(Plan.of(setting, algorithms, 40, 3), folder, name)
    return folder


@pytest.fixture(scope="module")
def front(data):
    """The front that all trials of the study Small found, by energy."""
    frame = lab.evaluations(runner.find("Small", data))
    frame = frame[frame["valid"]].drop_duplicates(OBJECTIVES)
    energy, error = (frame[name].to_numpy() for name in OBJECTIVES)
    beaten = ((energy[:, None] >= energy) & (error[:, None] >= error)).sum(axis=1) > 1
    return frame[~beaten].sort_values("energy", ignore_index=True)


class Results(Page):
    def __init__(self, **params: str) -> None:
        self.app = AppTest.from_string(SCRIPT, default_timeout=60)
        for name, value in params.items():
            self.app.query_params[name] = value
        self.app.run()
        self.works()

    def section(self, name: str) -> Results:
        self.app.button_group(key="results_section").set_value(name)
        self.app.run()
        self.works()
        return self

    @property
    def told(self) -> dict[str, str]:
        return self.app.session_state.told


@pytest.fixture
def show(data, monkeypatch):
    monkeypatch.setenv("ECNAS_DATA", str(data))
    return Results


class TestSections:
    @pytest.mark.parametrize("studies", ["Small", "Small~Beside", "Three", "Alone"])
    def test_every_one_has_its_sentence_and_its_picture(self, show, studies):
        page = show(studies=studies)
        for name in SECTIONS:
            page.section(name)
            assert page.headline
            charts = page.app.get("plotly_chart")
            assert bool(charts) == (name != "knee")
            assert sum(len(chart.proto.spec) for chart in charts) < MEGABYTE / 2
            assert all(chart.proto.alt for chart in charts)
            labels = {button.proto.label for button in page.app.get("download_button")}
            assert {"Evaluations, CSV", "Evaluations, Parquet", "Summary, JSON", "Report, HTML"} <= labels

    def test_a_link_opens_one(self, show):
        page = show(result_section="table", result_rule="utility")
        assert page.control("results_section").value == "table"
        assert page.told == {"result_section": "table", "result_rule": "utility"}
        assert show().told == {}
        assert show(result_section="nonsense", result_rule="best").told == {}

    def test_choices_stay_while_another_section_is_shown(self, show):
        page = show().set("results_rule", "utility").set("results_algorithms", ["RS"])
        page.section("energy").section("knee")
        assert page.control("results_rule").value == "utility"
        assert page.control("results_algorithms").value == ["RS"]


class TestFront:
    def test_long_names_are_chosen_where_they_are_text_and_none_is_cut_off(self, show):
        page = show(studies="Small~Beside")
        assert page.app.multiselect(key="results_algorithms").options == [
            "SEMOA (Small)",
            "RS (Small)",
            "SEMOA-L (Beside)",
        ]
        assert trace(page.set("results_algorithms", ["RS (Small)"]), "search_front", "RS (Small)")
        page.section("hypervolume").section("knee")
        assert page.control("results_algorithms").value == ["RS (Small)"]

    def test_marks_and_rules(self, show, front):
        page = show()
        assert [text.strip("</b>") for text in trace(page, "search_front", "marks")["text"]] == ["r0", "rk", "r1"]
        middle = front.iloc[knee(front[OBJECTIVES].to_numpy())]
        assert trace(page, "search_front", "marks")["x"][1] == pytest.approx(middle["energy"])
        page.set("results_rule", "weights").set("results_weight_energy", 0).works()
        assert [text.strip("</b>") for text in trace(page, "search_front", "marks")["text"]] == ["r0", "r1, rk"]
        page.set("results_weight_validation_error", 0).works()
        assert "All weights are 0, so all count alike." in page.texts("caption")

    def test_the_open_cell_has_a_ring_and_its_card(self, show, front):
        page = show()
        page.app.session_state.cell = front["hash"].iloc[0]
        page.app.run()
        page.works()
        assert f"Cell {front['hash'].iloc[0][:8]}" in page.texts("header")
        assert trace(page, "search_front", "open cell")["x"] == [pytest.approx(front["energy"].iloc[0])]

    def test_surfaces_on_demand(self, show):
        page = show().set("results_published", False).set("results_spread", True).works()
        names = {each["name"] for each in page.figure("search_front")["data"]}
        assert {"RS, best", "RS, worst"} <= names
        assert not [name for name in names if "published" in name]

    def test_without_an_algorithm_the_best_is_shown(self, show):
        page = show().set("results_algorithms", []).works()
        assert trace(page, "search_front", "front found")

    def test_planes_of_three(self, show):
        page = show(studies="Three").set("results_pair", "validation_error~training_time").works()
        assert page.figure("search_front")["layout"]["xaxis"]["title"]["text"] == "Validation error"
        assert "bend" not in page.control("results_rule").options

    def test_one_objective_says_what_was_added(self, show):
        assert any(
            "minimised validation error alone; energy stands beside it" in text
            for text in show(studies="Alone").texts("caption")
        )


class TestCompared:
    def test_what_cannot_be_is_named(self, show):
        page = show(studies="Small~Three")
        assert [info.value for info in page.app.info] == [
            "Three is left out: it minimised energy and validation error and training time."
        ]

    def test_series_have_their_studys_name(self, show):
        page = show(studies="Small~Beside").section("hypervolume")
        assert [row[0] for row in page.tables[-1][1:]] == [
            "SEMOA (Small), RS (Small)", "SEMOA (Small), SEMOA-L (Beside)", "RS (Small), SEMOA-L (Beside)",
        ]  # fmt: skip

    def test_one_algorithm_has_nobody_to_be_compared_with(self, show):
        page = show(studies="Beside").section("hypervolume")
        assert any("one algorithm only" in text for text in page.texts("caption"))

    def test_differences(self, show):
        page = show().section("difference").set("results_a", "RS").works()
        assert page.control("results_b").value == "SEMOA"
        page.set("results_b", "RS published").works()
        assert "RS published" in page.headline


class TestKnee:
    def test_cards(self, show, front):
        page = show().section("knee")
        told = " ".join(page.texts("markdown"))
        middle = front.iloc[knee(front[OBJECTIVES].to_numpy())]
        for row in (front.iloc[0], middle, front.iloc[-1]):
            assert row["hash"][:8] in told
        energies = [table[1][1] for table in page.tables if table[1][0] == "Energy"]
        assert [float(text.split()[0]) for text in energies] == pytest.approx(
            [front["energy"].iloc[0], middle["energy"], front["energy"].iloc[-1]], rel=1e-2
        )
        assert [table[1][2] for table in page.tables if table[1][0] == "Energy"] == ["measured"] * 3
        page.press("results_open_rk").works()
        assert page.app.session_state.cell == middle["hash"]


class TestReplay:
    def test_slider(self, show, data):
        page = show().section("replay")
        last = int(page.control("replay_generation").max)
        assert page.headline.startswith(f"Generation {last} of {last}: ")
        page.set("replay_generation", 1).works()
        frame = lab.evaluations(runner.find("Small", data))
        first = frame[(frame["algorithm"] == "SEMOA") & (frame["trial"] == 0) & (frame["generation"] == 0)]
        assert page.headline.startswith(f"Generation 1 of {last}: {len(first)} asked")
        assert trace(page, "search_replay", "before")["x"] == []

    def test_plays_to_the_end_and_stops(self, show):
        page = show().section("replay").press("Play").works()
        assert page.app.session_state.replay_playing
        seen = [page.app.session_state.replay_generation]
        for _ in range(60):
            page.app.run()
            page.works()
            seen.append(page.app.session_state.replay_generation)
            if not page.app.session_state.replay_playing:
                break
        assert seen == sorted(seen)
        assert seen[-1] == page.control("replay_generation").max
        assert not page.app.session_state.replay_playing

    def test_pause_and_another_trial(self, show):
        page = show().section("replay").press("Play").press("Pause").works()
        assert not page.app.session_state.replay_playing
        page.set("results_replay", "RS").set("results_replay_trial", 2).works()
        assert page.headline.startswith("Generation ")
        page.section("front").section("replay")
        assert page.control("results_replay_trial").value == 2


class TestFindTheKnee:
    def test_guess_reveal_again(self, show, front):
        page = show().section("guess")
        assert [each["name"] for each in page.figure("guess_front")["data"]] == ["front"]
        assert page.headline.startswith("Where is the knee?")
        page.app.selectbox(key="guess_point").set_value(len(front) - 1)
        page.app.run()
        page.works()
        middle = knee(front[OBJECTIVES].to_numpy())
        scaled = (front[OBJECTIVES] - front[OBJECTIVES].min()) / np.ptp(front[OBJECTIVES], axis=0)
        apart = np.linalg.norm(scaled.iloc[middle] - scaled.iloc[-1])
        assert page.headline == (
            f"The paper's knee is {len(front) - 1 - middle} points away, at a distance of {apart:.3f}: you would spend "
            "more."
        )
        (table,) = (table for table in page.tables if table[1][0] == "Your guess")
        assert [row[0] for row in table[2:]] == ["Chord (the paper's)", "Bend angle", "Utility"]
        assert trace(page, "guess_front", "your guess")["x"] == [pytest.approx(front["energy"].iloc[-1])]
        page.press("Try again").works()
        assert page.headline.startswith("Where is the knee?")
        assert page.control("guess_log").value is False


class TestEnergy:
    def test_facts(self, show, data, as_number):
        page = show().section("energy")
        frame = lab.evaluations(runner.find("Small", data))
        asked = frame.dropna(subset=["hash"]).drop_duplicates(["hash", "epochs"])
        assert as_number(page.facts["Trainings"][0]) == len(asked)
        known = frame[frame["valid"]].drop_duplicates(["hash", "epochs"])
        assert len(known) == len(asked)
        assert as_number(page.facts["Training them for real"][0]) == pytest.approx(known["energy_kwh"].sum(), rel=5e-3)
        assert "times what the search took" in page.headline or "not known" in page.headline


class TestFiles:
    def test_a_damaged_one_is_named_and_left_out(self, show, data):
        study = runner.find("Alone", data)
        path = next(iter(study.files.values()))
        whole = path.read_bytes()
        path.write_bytes(b"no Parquet")
        try:
            page = show(studies="Alone")
            assert [warning.value for warning in page.app.warning if path.name in warning.value]
        finally:
            path.write_bytes(whole)

    def test_none_finished(self, show, data):
        study = runner.find("Beside", data)
        gone = {path: path.read_bytes() for path in study.files.values()}
        for path in gone:
            path.unlink()
        try:
            page = show(studies="Beside")
            assert page.app.info[0].value.startswith("No trial of Beside has finished")
            assert page.told == {}
        finally:
            for path, content in gone.items():
                Path(path).write_bytes(content)

    def test_partly_finished(self, show, data):
        study = runner.find("Beside", data)
        path = list(study.files.values())[-1]
        content = path.read_bytes()
        path.unlink()
        try:
            assert any("1 of 3 trials have not finished" in text for text in show(studies="Beside").texts("caption"))
        finally:
            path.write_bytes(content)


def trace(page: Page, chart: str, name: str) -> dict:
    return next(each for each in page.figure(chart)["data"] if each.get("name", "").startswith(name))


def test_report(data, monkeypatch):
    """Outside a page, as another part of the app may want it."""
    from pages.widgets.study_results import report

    monkeypatch.setenv("ECNAS_DATA", str(data))
    page = report(runner.find("Small", data))
    assert page.startswith("<!doctype html>")
    assert json.dumps("Small")[1:-1] in page
