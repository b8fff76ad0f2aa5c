"""The Search page without a browser: set-up, a study in every state, the list, the published searches."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import moocore
import msgspec
import pytest
import streamlit as st

from ecnas_core import Benchmark, files
from ecnas_core.carbon import Lens
from ecnas_core.cli import main
from ecnas_core.runs import Ended
from ecnas_core.runs.run import CANCEL
from ecnas_core.runs.store import LOCK
from ecnas_core.search import Setting, runner, study_repository
from ecnas_core.search import study as studies_
from ecnas_core.search.study import Plan, Study, StudyRequest
from ecnas_core.search.task import Figures, TrialStatus
from pages.widgets import html
from tests import studies
from tests.waiting import until

FOUR = Setting(space="4V")
PLAN = Plan.of(FOUR, ("RS", "SEMOA-L"), 20, 2)
NAME = "Chance against evolution"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of the user's for all tests: the app keeps what it has read of the benchmark under it."""
    return tmp_path_factory.mktemp("user")


@pytest.fixture
def data(user: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder, empty before and after each test."""
    monkeypatch.setenv("ECNAS_DATA", str(user))
    yield user
    for study in runner.studies(user):
        runner.cancel(study)
    until(lambda: not any(study.running for study in runner.studies(user)))
    for path in user.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished study."""
    folder = tmp_path_factory.mktemp("studies")
    studies.carried_out(PLAN, folder, NAME)
    return folder


@pytest.fixture
def finished(data: Path, carried_out: Path) -> Study:
    shutil.copytree(carried_out, data, dirs_exist_ok=True)
    return runner.find(NAME, data)


def by_hand(data: Path, name: str = "By hand", plan: Plan = PLAN, **ended: object) -> Study:
    """The folder of a study that nobody carries out: died, unless told how it ended."""
    folder = data / studies_.FOLDER / studies_.slug(name)
    (folder / studies_.PROGRESS).mkdir(parents=True)
    studies_.STUDY.write(folder, StudyRequest(name, time.time(), plan.to_document()), started=time.time())
    if ended:
        end(folder, **ended)
    return runner.read(folder.name, data)


def end(folder: Path, **ended: object) -> None:
    """Record how a study ended."""
    (folder / "events.jsonl").write_bytes(msgspec.json.encode(Ended(**ended)) + b"\n")


@pytest.fixture
def running(data: Path) -> Iterator[Study]:
    """A study whose lock is held, with one trial of each algorithm half-way."""
    study = by_hand(data)
    files.write_json(study.folder / studies_.FIGURES, asdict(Figures("f", (1.0, 0.2), 0.12, 14, 91, 91)))
    for task, height in zip(PLAN.tasks[:2], (0.06, 0.09), strict=True):
        beat = TrialStatus(
            1,
            10,
            10,
            height,
            ((4, 0.03), (8, height)),
            ((0.2, 0.1), (0.4, 0.07)),
            ("a" * 32, "b" * 32),
            (108, 108),
            0.5,
        )
        files.write_json(study.folder / studies_.PROGRESS / f"{task.algorithm}.{task.seed}.json", asdict(beat))
    lock = files.try_lock(study.folder / LOCK)
    assert lock is not None
    with lock:
        yield study


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Plan, Path, str | None]]:
    """What was asked to be carried out; no process begins."""
    calls: list[tuple[Plan, Path, str | None]] = []

    def start(plan: Plan, data: Path, name: str | None = None) -> SimpleNamespace:
        calls.append((plan, data, name))
        return SimpleNamespace(id="started")

    monkeypatch.setattr(runner, "start", start)
    return calls


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(runner, "resume", lambda study: calls.append(study.id))
    return calls


def choose(page, *ids: str):
    """Choose studies as in the table."""
    page.app.session_state["search_shown"] = list(ids)
    page.app.run()
    return page.works()


def rename(page, study: Study, name: str):
    page.app.text_input(key=f"search_name_{study.id}").set_value(name)
    return page.press("search_rename").works()


class TestSetUp:
    def test_one_press_starts_something_good(self, open_page, data, started):
        page = open_page("search").works()
        assert page.params == {}
        page.press("search_start").works()
        assert started == [(Plan.of(Setting(space="5V"), ("SEMOA-L",), 1000, 5), data, None)]
        assert page.params == {"section": "study", "study": "started"}

    def test_says_what_it_will_take_against_real_trainings(self, open_page, data, truth, as_number):
        """On a machine of which no study is known."""
        st.cache_data.clear()
        page = open_page("search", space="4V", evaluations="40", algorithms="RS~SEMOA-L", trials="10").works()
        cells = truth.cells("4V")
        assert as_number(page.facts["Evaluations"][0]) == 800
        assert as_number(page.facts["Training them for real"][0]) == pytest.approx(
            800 * cells["energy"].mean(), rel=0.05
        )
        days = 800 * cells["training_time"].mean() / 86_400
        assert as_number(page.facts["Time of that"][0]) == pytest.approx(days, rel=0.05)
        before = as_number(page.facts["The search's energy"][0])
        page.set("search_watts", 30.0).works()
        assert as_number(page.facts["The search's energy"][0]) == pytest.approx(2 * before, rel=0.1)
        assert "assuming 30 W a core" in page.facts["The search's energy"][1]

    def test_the_estimate_follows_the_lens(self, open_page, data, truth, as_number):
        page = open_page("search", space="4V", evaluations="40", trials="10", scope="IT", grid="500", unit="kgCO2eq")
        expected = 400 * truth.cells("4V")["energy"].mean() / 1.59 * 500 / 1000
        figure = page.works().facts["Training them for real"][0]
        assert figure.endswith("kgCO2eq")
        assert as_number(figure) == pytest.approx(expected, rel=0.05)

    def test_the_papers_setting_has_its_numbers(self, open_page, data, started):
        page = open_page("search").set("search_preset", "The paper's setting").works()
        page.press("search_start").works()
        [(plan, _, _)] = started
        assert plan.setting == Setting(space="7V", epochs=None, charging="all", sampling="matrix")
        assert plan.evaluations == {"SEMOA": 1010, "SH-EMOA": 143, "MS-EHVI": 110, "RS": 1000}
        assert plan.seeds == tuple(range(10))

    def test_a_change_leaves_the_preset(self, open_page, data):
        page = open_page("search").set("search_preset", "Class demo").works()
        assert page.control("search_algorithms").value == ["RS", "SEMOA-L"]
        assert "91 cells" in page.said
        page.set("search_trials", 3).works()
        assert page.control("search_preset").value is None
        assert "Your own choice of settings." in page.texts("caption")
        page.set("search_preset", "Quick").works()
        assert page.params == {}

    def test_a_link_carries_every_choice(self, open_page, data, started):
        link = {
            "algorithms": "RS~NSGA-II",
            "space": "7V",
            "objectives": "parameters~test_error~energy",
            "epochs": "0",
            "evaluations": "50",
            "own": "RS:70",
            "trials": "2",
            "seed": "9",
            "charging": "all",
            "sampling": "matrix",
            "accuracy": "any",
            "artefacts": "1",
            "bounds": "parameters:1.0:inf",
        }
        page = open_page("search", **link).works()
        assert page.params == link
        page.app.text_input(key="search_name").set_value("  Mine ")
        page.press("search_start").works()
        setting = Setting(
            space="7V",
            objectives=("parameters", "test_error", "energy"),
            bounds=(("parameters", 1.0, float("inf")),),
            epochs=None,
            accuracy="any",
            artefacts=True,
            sampling="matrix",
            charging="all",
        )
        assert started == [(Plan(setting, {"RS": 70, "NSGA-II": 50}, (9, 10)), data, "Mine")]

    def test_a_broken_link_opens_the_default_and_says_so(self, open_page, data):
        missed = []
        for wrong in (
            {"algorithms": "XYZ"},
            {"algorithms": "RE"},
            {"space": "6V"},
            {"objectives": "energy"},
            {"epochs": "5"},
            {"evaluations": "many"},
            {"evaluations": "0"},
            {"trials": "1000"},
            {"seed": "-1"},
            {"own": "RS"},
            {"charging": "none"},
            {"bounds": "energy:2:1"},
            {"section": "x"},
            {"artefacts": "yes"},
            {"own": "RS:0"},
            {"own": "RS:99999999"},
            {"own": "XYZ:5"},
            {"seed": "2147483640"},
        ):
            page = open_page("search", **wrong).works()
            told = any(each.startswith("The link could not be opened as it is") for each in page.texts("warning"))
            if not told or page.params != {}:
                missed.append((wrong, page.texts("warning"), page.params))
        assert not missed

    def test_what_makes_no_search_cannot_be_started(self, open_page, data):
        page = open_page("search").set("search_objectives", ["energy"]).works()
        assert "A front needs two objectives; choose two or three." in page.texts("error")
        assert page.button("search_start").disabled
        assert "copies" not in page.button_keys
        page.set("search_objectives", ["energy", "validation_error"]).set("search_algorithms", []).works()
        assert any(error.startswith("No algorithm given; take some of") for error in page.texts("error"))
        assert page.button("search_start").disabled
        assert "copies" not in page.button_keys

    def test_ms_ehvi_and_three_objectives_do_not_go_together(self, open_page, data):
        page = open_page("search", objectives="energy~validation_error~parameters").works()
        page.set("search_algorithms", ["MS-EHVI"]).works()
        assert page.texts("error") == ["MS-EHVI has two objectives; choose two, or leave it out."]

    def test_a_scope_that_the_space_does_not_know_is_said(self, open_page, data):
        page = open_page("search", space="7V", scope="GPU").works()
        assert "The scope GPU of the lens is not known in 7V" in page.said
        assert page.button("search_start").disabled
        assert page.facts["Training them for real"][0] == "–"
        assert not page.set("search_space", "5V").works().button("search_start").disabled

    def test_bounds_are_set_in_the_popover(self, open_page, data):
        page = open_page("search").set("search_bounded", ["energy"]).works()
        page.set("search_most_energy", 0.5).works()
        assert page.params == {"bounds": "energy:-inf:0.5"}

    def test_each_algorithm_is_explained(self, open_page, data):
        page = open_page("search", algorithms="SEMOA-L~SEMOA~SH-EMOA~MS-EHVI~RS~NSGA-II~SMS-EMOA").works()
        said = next(caption for caption in page.texts("caption") if "**SEMOA-L**" in caption)
        assert len(said.split("  \n")) == 7

    def test_python_and_command_are_the_same_study(self, open_page, data, monkeypatch):
        page = open_page(
            "search",
            algorithms="RS~SEMOA",
            space="4V",
            seed="3",
            charging="all",
            epochs="0",
            evaluations="8",
            trials="1",
        ).works()
        source, line = [each.value for each in page.app.code[:2]]
        names: dict[str, object] = {"__name__": "copied"}
        exec(source, names)
        expected = Plan.of(Setting(space="4V", epochs=None, charging="all"), ("RS", "SEMOA"), 8, 1, 3)
        assert names["plan"] == expected
        monkeypatch.setattr(runner, "Pool", studies.Here)
        interpreter, option, module, *arguments = shlex.split(line)
        assert (interpreter, option, module) == ("python", "-m", "ecnas_core")
        assert main(arguments) == 0
        [study] = runner.studies(data)
        assert study.plan == expected
        assert "The command line cannot say this study" not in page.said

    def test_python_has_bounds_and_lens_which_no_command_can_say(self, open_page, data):
        page = open_page(
            "search", bounds="parameters:1:inf", own="SEMOA-L:50", unit="Wh", objectives="energy~parameters"
        )
        names: dict[str, object] = {"__name__": "copied"}
        exec(page.works().app.code[0].value, names)
        setting = Setting(
            space="5V",
            objectives=("energy", "parameters"),
            bounds=(("parameters", 1.0, float("inf")),),
            lens=Lens(unit="Wh"),
        )
        assert names["plan"] == Plan(setting, {"SEMOA-L": 50}, (0, 1, 2, 3, 4))
        assert any(told.startswith("The command line cannot say this study") for told in page.texts("caption"))
        assert not any("ecnas_core search" in each.value for each in page.app.code)

    def test_what_runs_elsewhere_is_said_and_can_be_watched(self, open_page, running):
        page = open_page("search").works()
        assert "**By hand** is running." in page.said
        assert not page.button("search_start").disabled
        page.press(f"search_watch_{running.id}").works()
        assert page.params == {"section": "study", "study": running.id}

    def test_a_name_that_is_taken_is_refused(self, open_page, data):
        by_hand(data, NAME, state="cancelled", error=None)
        page = open_page("search").works()
        page.app.text_input(key="search_name").set_value(NAME)
        page.press("search_start").works()
        [error] = page.texts("error")
        assert error.startswith(f"There is a study '{NAME}' already")
        assert len(runner.studies(data)) == 1


class TestLive:
    def test_is_watched_renamed_and_cancelled_but_not_deleted(self, open_page, running, as_number):
        page = open_page("search", study=running.id).works()
        said = page.said
        assert "**SEMOA-L has 75.00 % of the true front's hypervolume, RS 50.00 %**" in said
        assert page.facts["Evaluations"] == ("20", "of 80")
        assert page.facts["Trials"] == ("0 of 4", "finished")
        assert page.facts["Evaluations a second"][0] == "40"
        mean = figures_mean()
        assert as_number(page.facts["Training them for real"][0]) == pytest.approx(20 * mean, rel=0.05)
        assert "Trial 1, running: 10 evaluations in 0.5 s" in said
        assert "Trial 2, waiting" in said
        lines = {trace["name"]: trace for trace in page.figure("search_front")["data"] if trace["mode"] == "lines"}
        assert lines["RS"]["x"] == [0.2, 0.4]
        assert lines["RS"]["y"] == [0.1, 0.07]
        growth = {trace["name"]: trace for trace in page.figure("search_growth")["data"]}
        assert growth["SEMOA-L"]["y"] == pytest.approx([0.25, 0.75, 0.75])
        assert page.params == {"section": "study", "study": running.id}

        assert page.button("search_delete").disabled
        rename(page, running, "Another")
        assert runner.find(running.id, running.data).name == "Another"

        page.press("search_cancel").works()
        assert (running.folder / CANCEL).exists()
        assert page.button("search_cancel").disabled
        assert page.facts["Time left"][0] == "cancelling"

        choose(page.set("search_section", "studies"), running.id)
        assert page.button("search_delete").disabled
        assert page.button("search_delete").help == "Cancel it first."

    def test_many_trials_are_bars_without_numbers(self, open_page, data):
        study = by_hand(data, plan=Plan.of(FOUR, ("RS",), 20, 60))
        with files.try_lock(study.folder / LOCK):
            page = open_page("search", study=study.id).works()
        assert page.said.count("class='bar'") == 60
        assert "class='numbered'" not in page.said
        assert "**Starting: the workers read the benchmark**" in page.said

    def test_begins_to_move_with_the_first_word_of_a_worker(self, open_page, data):
        study = by_hand(data)
        with files.try_lock(study.folder / LOCK):
            page = open_page("search", study=study.id).works()
            assert page.facts["Evaluations"] == ("0", "of 80")
            assert "it grows with every evaluation" in str(page.figure("search_growth")["layout"])
            page.press("search_cancel").works()
            assert (study.folder / CANCEL).exists()
            (study.folder / CANCEL).unlink()
            beat = TrialStatus(0, 10, 10, 0.06, ((4, 0.06),), ((0.2, 0.1),), ("a" * 32,), (108,), 0.1)
            files.write_json(study.folder / studies_.PROGRESS / "RS.0.json", asdict(beat))
            page.app.run()
            assert page.works().facts["Evaluations"] == ("10", "of 80")


def figures_mean() -> float:
    """Mean energy of 4V at 108 epochs."""
    [row] = Benchmark.open().rows("select avg(energy_kwh) as mean from benchmark where space = '4V' and epochs = 108")
    return row["mean"]


class TestEnded:
    def test_a_real_study_from_the_button_to_its_results(self, open_page, data):
        page = open_page("search", space="4V", evaluations="15", trials="2", algorithms="RS").works()
        page.press("search_start").works()
        [study] = runner.studies(data)
        assert page.params["study"] == study.id
        until(lambda: not runner.find(study.id, data).running)
        page.app.run()
        assert runner.find(study.id, data).state == "done"
        assert "Summary, JSON" in {each.label for each in page.works().app.get("download_button")}
        assert "search_cancel" not in page.button_keys
        assert "search_resume" not in page.button_keys

    def test_how_it_ended_is_said_and_the_rest_can_be_run(self, open_page, data, resumed):
        missed = []
        for number, (ended, told) in enumerate(
            [
                ({"state": "cancelled", "error": None}, "**Cancelled.** 0 of 4 trials have finished; these are kept."),
                (
                    {"state": "failed", "error": "no cell has an answer; widen the bounds"},
                    "**The search failed.** No cell has an answer; widen the bounds. 0 of 4 trials have finished.",
                ),
                ({}, "**The search died.** Its process was ended from outside"),
            ]
        ):
            study = by_hand(data, f"By hand {number}", **ended)
            page = open_page("search", study=study.id).works()
            if told not in page.said or "nothing to show yet" not in page.said:
                missed.append((told, page.said))
            assert page.button("search_resume").label == "Resume: run the other 4"
            page.press("search_resume").works()
            assert resumed[number:] == [study.id]
        assert not missed

    def test_files_that_are_gone_or_broken_are_said_and_the_others_shown(self, open_page, finished):
        first, second, *_ = (finished.files[task] for task in PLAN.tasks)
        first.unlink()
        page = open_page("search", study=finished.id).works()
        assert "**Files are missing.** 3 of 4 trials have finished" in page.said
        end(finished.folder, state="cancelled")
        page.app.run()
        assert "**Cancelled.** 3 of 4 trials have finished; these are kept." in page.works().said
        assert page.button("search_resume").label == "Resume: run the other 1"
        assert page.app.get("plotly_chart")
        second.write_bytes(b"no parquet")
        page.app.run()
        assert "**1 files cannot be read.**" in page.works().said
        assert page.button("search_resume").label == "Resume: run the other 2"

    def test_nothing_but_broken_files_names_them(self, open_page, finished):
        broken = copy_of(finished, "Broken")
        for path in broken.files.values():
            path.write_bytes(b"no parquet")
        page = open_page("search", study=broken.id).works()
        assert "**4 files cannot be read.**" in page.said
        assert page.said.count("is not a readable Parquet file") >= 4


class TestStudies:
    def test_nothing_of_ones_own_yet(self, open_page, data):
        page = open_page("search", section="studies").works()
        assert "No study of your own yet" in page.said
        table = page.app.dataframe[0].value
        assert list(table["Name"]) == ["Published runs, 4V", "Published runs, 5V", "Published runs, 7V"]
        assert list(table["Trials"]) == ["40 of 40", "40 of 40", "37 of 37"]
        assert page.button("search_open").disabled

    def test_the_latest_is_first_some_are_compared_and_one_opens(self, open_page, finished):
        other = copy_of(finished, "The other")
        by_hand(finished.data, "Wide", Plan.of(Setting(space="5V"), ("RS",), 5, 1), state="cancelled", error=None)
        page = open_page("search", section="studies").works()
        table = page.app.dataframe[0].value
        assert table["Name"][0] == "Wide"
        assert set(table["Name"][1:3]) == {NAME, "The other"}
        assert list(table["State"][:3]) == ["cancelled", "done", "done"]
        assert list(table["Evaluations"][:3]) == [0, 80, 80]

        missed = []
        for beside, reason in (
            ("published-4V", "The published searches stand beside every study"),
            ("wide", "These have other spaces"),
        ):
            button = choose(page, finished.id, beside).button("search_open")
            if not button.disabled or not button.help.startswith(reason):
                missed.append((beside, button.disabled, button.help))
        assert not missed

        assert choose(page, finished.id, other.id).button("search_open").label == "Compare 2"
        choose(page, finished.id)
        assert page.params == {"section": "studies", "study": finished.id}
        assert "Evaluations, Parquet" in {each.label for each in page.app.get("download_button")}
        page.press("search_open").works()
        assert page.params["section"] == "study"
        assert page.control("search_first").value == finished.id
        assert "Wide" in page.control("search_first").options

    def test_a_pair_is_compared_by_button_and_by_link(self, open_page, finished):
        other = copy_of(finished, "The other")
        page = choose(open_page("search", section="studies"), finished.id, other.id).press("search_open").works()
        assert page.params["study"] == f"{finished.id}~{other.id}"
        assert page.control("search_beside").value == [other.id]
        page.set("search_beside", []).works()
        assert page.params["study"] == finished.id
        page = open_page("search", study=f"{other.id}~{finished.id}").works()
        assert page.control("search_first").value == other.id
        assert page.control("search_beside").value == [finished.id]

    def test_four_at_most(self, open_page, data):
        ids = [by_hand(data, f"Study {number}").id for number in range(5)]
        page = choose(open_page("search", section="studies"), *ids)
        assert page.button("search_open").help == "Choose 4 at most."
        assert page.button("search_delete").label == "Delete 5"

    def test_deleted_and_brought_back(self, open_page, finished):
        page = choose(open_page("search", section="studies"), finished.id)
        page.press("search_delete").works()
        assert runner.studies(finished.data) == []
        assert "No study of your own yet" in page.said
        assert page.button("search_restore").label == "Undo: bring back 1 study"
        page.press("search_restore").works()
        [back] = runner.studies(finished.data)
        assert (back, back.finished) == (finished, finished.finished)
        assert page.params["study"] == finished.id

    def test_deleted_while_it_is_looked_at_its_link_brings_it_back(self, open_page, data):
        study = by_hand(data, state="cancelled", error=None)
        page = open_page("search", study=study.id).press("search_delete").works()
        assert page.params == {"section": "studies"}
        page.press("search_restore").works()
        assert runner.find(study.id, data) == study
        study_repository.delete(study)
        page = open_page("search", study=study.id).press("search_restore").works()
        assert page.control("search_first").value == study.id

    def test_renamed_and_a_taken_name_refused(self, open_page, data):
        study, other = (by_hand(data, name, state="cancelled", error=None) for name in ("One", "The other"))
        page = rename(open_page("search", study=study.id), study, "Renamed")
        assert runner.find(study.id, data).name == "Renamed"
        assert "Renamed" in page.control("search_first").options
        rename(page, study, other.name)
        assert any("there is a study" in error.lower() for error in page.texts("error"))
        rename(page, study, " ")
        assert any("is no name" in error for error in page.texts("error"))
        assert runner.find(study.id, data).name == "Renamed"

    def test_a_broken_study_is_reported_and_the_others_are_listed(self, open_page, finished):
        broken = by_hand(finished.data, "Broken")
        (broken.folder / "study.json").write_text("{", encoding="utf-8")
        (finished.data / studies_.FOLDER / "not ours").mkdir()
        page = open_page("search", section="studies").works()
        assert "**`broken` is left out.**" in page.said
        assert page.app.dataframe[0].value["Name"][0] == NAME
        page = open_page("search", study="broken").works()
        assert any("cannot be read as a study" in error for error in page.texts("error"))

    def test_an_unknown_one_is_named_as_it_was_written_and_leads_to_the_list(self, open_page, data):
        page = open_page("search", study="nowhere-1").works()
        assert any(error.startswith("There is no study 'nowhere-1'") for error in page.texts("error"))
        page = open_page("search", study="![a](http://127.0.0.1:9/x.png)").works()
        assert any(html.plain("'![a](http://127.0.0.1:9/x.png)'") in error for error in page.texts("error"))
        page.press("search_all").works()
        assert page.params == {"section": "studies"}


class TestPublished:
    def test_stands_where_there_is_nothing_else(self, open_page, data):
        page = open_page("search", section="study").works()
        assert "No study of your own yet" in page.said
        assert page.control("search_first").value == "published-7V"

    def test_front_hypervolume_and_table_1(self, open_page, data):
        page = open_page("search", study="published-7V").works()
        rows = study_repository.published(Benchmark.open(), "7V")
        semoa = rows[(rows["algorithm"] == "RS") & rows["valid"]].assign(error=1 - rows["validation_accuracy"])
        volumes = sorted(
            moocore.hypervolume(each[["energy_kwh", "error"]].to_numpy(float), ref=[1.0, 0.2])
            for _, each in semoa.groupby("trial")
        )
        median = (volumes[4] + volumes[5]) / 2
        assert f"RS {median:.4g}"[:8] in page.said
        [table] = page.tables
        assert any(row[0] == "RS rk" and row[2].replace("\u202f", "").startswith("310.93") for row in table)
        assert "Of the 48 numbers that the paper prints for its searches" in page.said
        assert len(page.figure("search_front")["data"]) == 8
        assert page.params["study"] == "published-7V"


def copy_of(study: Study, name: str) -> Study:
    """The same study once more, under another name."""
    target = study.folder.with_name(studies_.slug(name))
    shutil.copytree(study.folder, target)
    document = json.loads((target / "study.json").read_text(encoding="utf-8"))
    files.write_json(target / "study.json", document | {"name": name})
    copied = runner.read(target.name, study.data)
    for task, path in study.files.items():
        shutil.copy(path, copied.files[task])
        relabel(copied.files[task], copied.id)
    return runner.read(target.name, study.data)


def relabel(path: Path, study_id: str) -> None:
    """Make the file of a trial that of another study."""
    import pyarrow.parquet as pq

    from ecnas_core.search.task import METADATA

    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[METADATA]) | {"study": study_id}
    pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(told).encode()}), path)
