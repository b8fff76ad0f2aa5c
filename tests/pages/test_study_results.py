"""What came of a study, on a page of its own, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ecnas_core.analysis.pareto import knee
from ecnas_core.search import Setting, runner, study_repository
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
session.settle("results")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a few small studies."""
    folder = tmp_path_factory.mktemp("results")
    small = Setting(space="4V")
    three = Setting(space="4V", epochs=None, objectives=(*OBJECTIVES, "training_time"))
    for name, setting, algorithms, trials in (
        ("Small", small, ("SEMOA", "RS"), 3),
        ("Beside", small, ("SEMOA-L",), 2),
        ("Three", three, ("SEMOA-L", "RS"), 2),
        ("Alone", Setting(space="4V", objectives=("validation_error",)), ("RE",), 2),
    ):
        carried_out(Plan.of(setting, algorithms, 40, trials), folder, name)
    return folder


@pytest.fixture(scope="module")
def front(data):
    """The front that all trials of the study Small found, by energy."""
    frame = study_repository.evaluations(runner.find("Small", data))
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


@contextmanager
def restored(*paths: Path) -> Iterator[None]:
    """Whatever befalls files is undone in the end."""
    contents = {path: path.read_bytes() for path in paths}
    try:
        yield
    finally:
        for path, content in contents.items():
            path.write_bytes(content)


def through(page: Results) -> Iterator[str]:
    """Turn from the first section to the last; each has its sentence and its picture, and can be taken along."""
    for name in SECTIONS:
        if page.control("results_section").value != name:
            page.section(name)
        assert page.headline
        charts = page.app.get("plotly_chart")
        assert bool(charts) == (name != "knee")
        assert sum(len(chart.proto.spec) for chart in charts) < MEGABYTE / 2
        assert all(chart.proto.alt for chart in charts)
        labels = {button.proto.label for button in page.app.get("download_button")}
        assert {"Evaluations, CSV", "Evaluations, Parquet", "Summary, JSON", "Report, HTML"} <= labels
        yield name


class TestSections:
    def test_of_one_study(self, show, data, front, as_number):
        page = show()
        assert page.told == {}
        frame = study_repository.evaluations(runner.find("Small", data))
        for name in through(page):
            if name == "front":
                assert marks(page)["x"][1] == pytest.approx(front.iloc[knee(front[OBJECTIVES].to_numpy())]["energy"])
                assert [text.strip("</b>") for text in marks(page)["text"]] == ["r0", "rk", "r1"]
            elif name == "knee":
                assert_cards(page, front)
            elif name == "replay":
                last = int(page.control("replay_generation").max)
                assert page.headline.startswith(f"Generation {last} of {last}: ")
                page.set("replay_generation", 1).works()
                first = frame[(frame["algorithm"] == "SEMOA") & (frame["trial"] == 0) & (frame["generation"] == 0)]
                assert page.headline.startswith(f"Generation 1 of {last}: {len(first)} asked")
                assert trace(page, "search_replay", "before")["x"] == []
            elif name == "energy":
                asked = frame.dropna(subset=["hash"]).drop_duplicates(["hash", "epochs"])
                known = frame[frame["valid"]].drop_duplicates(["hash", "epochs"])
                assert as_number(page.facts["Trainings"][0]) == len(asked) == len(known)
                energy = as_number(page.facts["Training them for real"][0])
                assert energy == pytest.approx(known["energy_kwh"].sum(), rel=5e-3)
                assert "times what the search took" in page.headline or "not known" in page.headline

    def test_of_a_study_beside_another(self, show):
        page = show(studies="Small~Beside")
        assert page.app.multiselect(key="results_algorithms").options == [
            "SEMOA (Small)",
            "RS (Small)",
            "SEMOA-L (Beside)",
        ]
        for name in through(page):
            if name == "hypervolume":
                assert [row[0] for row in page.tables[-1][1:]] == [
                    "SEMOA (Small), RS (Small)",
                    "SEMOA (Small), SEMOA-L (Beside)",
                    "RS (Small), SEMOA-L (Beside)",
                ]

    def test_of_three_objectives(self, show):
        page = show(studies="Three")
        for name in through(page):
            if name == "front":
                page.set("results_pair", "validation_error~training_time").works()
                assert page.figure("search_front")["layout"]["xaxis"]["title"]["text"] == "Validation error"
                assert "bend" not in page.control("results_rule").options

    def test_of_one_objective(self, show):
        page = show(studies="Alone")
        for name in through(page):
            if name == "front":
                assert any(
                    "minimised validation error alone; energy stands beside it" in text
                    for text in page.texts("caption")
                )

    def test_a_link_opens_one(self, show):
        page = show(result_section="table", result_rule="utility")
        assert page.control("results_section").value == "table"
        assert page.told == {"result_section": "table", "result_rule": "utility"}
        assert show(result_section="nonsense", result_rule="best").told == {}

    def test_choices_stay_while_another_section_is_shown(self, show):
        page = show(studies="Small~Beside", result_rule="utility").set("results_algorithms", ["RS (Small)"])
        assert trace(page, "search_front", "RS (Small)")
        page.section("energy").section("knee")
        assert page.control("results_rule").value == "utility"
        assert page.control("results_algorithms").value == ["RS (Small)"]


class TestFront:
    def test_own_weights(self, show):
        page = show(result_rule="weights").set("results_weight_energy", 0).works()
        assert [text.strip("</b>") for text in marks(page)["text"]] == ["r0", "r1, rk"]
        page.set("results_weight_validation_error", 0).works()
        assert "All weights are 0, so all count alike." in page.texts("caption")

    def test_the_open_cell_has_a_ring_and_its_card(self, show, front):
        page = show(result_section="knee").press("results_open_rk").works()
        middle = front.iloc[knee(front[OBJECTIVES].to_numpy())]
        assert page.app.session_state.cell == middle["hash"]
        assert f"Cell {middle['hash'][:8]}" in page.texts("header")
        page.section("front")
        assert trace(page, "search_front", "open cell")["x"] == [pytest.approx(middle["energy"])]

    def test_surfaces_on_demand_and_of_the_best_without_an_algorithm(self, show):
        page = show().set("results_published", False).set("results_spread", True).works()
        names = {each["name"] for each in page.figure("search_front")["data"]}
        assert {"RS, best", "RS, worst"} <= names
        assert not [name for name in names if "published" in name]
        page.set("results_algorithms", []).works()
        assert trace(page, "search_front", "front found")


class TestCompared:
    def test_what_cannot_be_is_named(self, show):
        page = show(studies="Small~Three", result_section="energy")
        assert [info.value for info in page.app.info] == [
            "Three is left out: it minimised energy and validation error and training time."
        ]

    def test_one_algorithm_has_nobody_to_be_compared_with(self, show):
        page = show(studies="Beside", result_section="hypervolume")
        assert any("one algorithm only" in text for text in page.texts("caption"))

    def test_differences(self, show):
        page = show(result_section="difference").set("results_a", "RS").works()
        assert page.control("results_b").value == "SEMOA"
        page.set("results_b", "RS published").works()
        assert "RS published" in page.headline


class TestReplay:
    def test_plays_to_the_end_and_stops_and_pauses(self, show):
        page = show(result_section="replay")
        last = page.control("replay_generation").max
        page.set("replay_generation", last - 2).press("Play").works()
        assert page.app.session_state.replay_playing
        seen = [page.app.session_state.replay_generation]
        while page.app.session_state.replay_playing and len(seen) < 10:
            page.app.run()
            seen.append(page.works().app.session_state.replay_generation)
        assert seen == sorted(seen)
        assert seen[0] < seen[-1] == last
        assert not page.app.session_state.replay_playing
        page.press("Play").press("Pause").works()
        assert not page.app.session_state.replay_playing
        page.set("results_replay", "RS").set("results_replay_trial", 2).works()
        assert page.headline.startswith("Generation ")
        page.section("table").section("replay")
        assert page.control("results_replay_trial").value == 2


class TestFindTheKnee:
    def test_guess_reveal_again(self, show, front):
        page = show(result_section="guess")
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


class TestFiles:
    def test_a_damaged_one_is_named_and_left_out(self, show, data):
        path = next(iter(runner.find("Alone", data).files.values()))
        with restored(path):
            path.write_bytes(b"no Parquet")
            page = show(studies="Alone", result_section="energy")
        assert [warning.value for warning in page.app.warning if path.name in warning.value]

    def test_partly_finished_and_not_at_all(self, show, data):
        paths = list(runner.find("Beside", data).files.values())
        with restored(*paths):
            paths[-1].unlink()
            page = show(studies="Beside")
            assert any("1 of 2 trials have not finished" in text for text in page.texts("caption"))
            for path in paths[:-1]:
                path.unlink()
            page.app.run()
            assert page.works().app.info[0].value.startswith("No trial of Beside has finished")
            assert page.told == {}


def assert_cards(page: Page, front) -> None:
    """The section of the knee shows the ends and the knee of the front."""
    told = " ".join(page.texts("markdown"))
    rows = front.iloc[[0, knee(front[OBJECTIVES].to_numpy()), -1]]
    for digest in rows["hash"]:
        assert digest[:8] in told
    energies = [table[1] for table in page.tables if table[1][0] == "Energy"]
    assert [float(text.split()[0]) for _, text, *_ in energies] == pytest.approx(list(rows["energy"]), rel=1e-2)
    assert [provenance for _, _, provenance, *_ in energies] == ["measured"] * 3


def marks(page: Page) -> dict:
    return trace(page, "search_front", "marks")


def trace(page: Page, chart: str, name: str) -> dict:
    return next(each for each in page.figure(chart)["data"] if each.get("name", "").startswith(name))


def test_report(data, monkeypatch):
    """Outside a page, as another part of the app may want it."""
    from pages.widgets.study_results import report

    monkeypatch.setenv("ECNAS_DATA", str(data))
    page = report(runner.find("Small", data))
    assert page.startswith("<!doctype html>")
    assert json.dumps("Small")[1:-1] in page
