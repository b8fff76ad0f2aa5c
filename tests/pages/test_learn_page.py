"""The Learn page without a browser: predictions are committed, exercises checked, progress kept, links reopened."""

from __future__ import annotations

import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import glossary
from ecnas_core.analysis.lessons import LESSONS
from ecnas_core.carbon import Lens
from ecnas_core.figures.lessons import say
from pages.widgets import html

LENS = Lens()


def plain(text: str) -> str:
    """A text as ``Page.said`` has it."""
    return html.plain(text).replace("\u00a0", " ").replace("\u202f", " ")


@pytest.fixture(scope="module")
def bench() -> Benchmark:
    return Benchmark.open()


@pytest.fixture
def learn(open_page):
    def opened(number: int = 1, **params: str):
        chosen = {"lesson": str(number)} if number != 1 else {}
        return open_page("learn", **chosen, **params).works()

    return opened


def radio(page):
    return next(each for each in page.app.radio if each.key.startswith("lesson_"))


def commit(page, number: int, guess: object):
    """Give a prediction and commit it."""
    key = f"lesson_{number}_guess"
    if number == 5:
        radio(page).set_value(guess)
        page.app.run()
    else:
        page.set(key, guess)
    return page.press(f"lesson_{number}_commit").works()


def a_guess(number: int):
    return {1: 2.0, 2: 40.0, 3: 30.0, 4: 100.0, 5: "device", 6: 20.0}[number]


@pytest.mark.parametrize("number", LESSONS)
class TestEveryLesson:
    def test_the_answer_comes_after_the_prediction(self, learn, bench, number):
        page = learn(number)
        lesson = LESSONS[number]
        task = lesson.prediction(bench, LENS)
        answer = plain(say(task.why))
        assert plain(say(task.question)) in page.said
        assert answer not in page.said
        assert "The exercise comes after your prediction" in page.said
        before = page.alt(f"lesson_{number}_picture")
        commit(page, number, a_guess(number))
        assert answer in page.said
        assert plain(say(lesson.exercise(bench, LENS, 0).question)) in page.said
        assert page.alt(f"lesson_{number}_picture") != before
        assert "0 of 6 lessons done" in page.said
        page.press(f"lesson_{number}_again").works()
        assert answer not in page.said

    def test_a_teacher_s_guide(self, learn, number):
        page = learn(number, section="teacher")
        lesson = LESSONS[number]
        assert all(question in page.said for question in lesson.guide.ask)
        assert [row[0] for row in page.tables[0][1:]] == [what for what, _ in lesson.guide.timing]
        for link in lesson.guide.links:
            assert f"]({link.url()})" in page.said
        labels = {button.proto.label for button in page.app.get("download_button")}
        assert labels == {"Worksheet", "Answer sheet"}


def test_a_number_that_is_near_is_called_that(learn, bench):
    near = 1.5 * LESSONS[4].prediction(bench, LENS).answer
    assert "which is close enough" in commit(learn(4), 4, near).said
    worst = next(iter(LESSONS[5].prediction(bench, LENS).answer))
    assert "and that is so" in commit(learn(5), 5, worst).said


class TestExercise:
    def test_a_wrong_answer_is_told_why_and_a_right_one_counts(self, learn, bench):
        page = commit(learn(2), 2, 60.0)
        task = LESSONS[2].exercise(bench, LENS, 0)
        key = "lesson_2_answer_1"
        assert page.button("lesson_2_check").disabled
        page.set(key, task.mistakes[0].value).press("lesson_2_check").works()
        (warning,) = page.texts("warning")
        assert warning.startswith("Not yet.")
        assert "best of all" in warning
        page.set(key, task.answer).press("lesson_2_check").works()
        assert page.texts("warning") == []
        assert page.app.success[0].value == f"Right. {html.plain(say(task.why))}"
        assert "1 of 6 lessons done" in page.said
        assert page.params == {"lesson": "2"}

    def test_another_one(self, learn, bench):
        page = commit(learn(6, exercise="3"), 6, 9.0)
        assert page.params["exercise"] == "3"
        assert plain(say(LESSONS[6].exercise(bench, LENS, 2).question)) in page.said
        page.press("lesson_6_next").works()
        assert "exercise" not in page.params
        assert plain(say(LESSONS[6].exercise(bench, LENS, 0).question)) in page.said

    def test_several_are_chosen(self, learn, bench):
        page = commit(learn(4), 4, 50.0)
        task = LESSONS[4].exercise(bench, LENS, 0)
        page.set("lesson_4_answer_1", sorted(set(task.options) - task.answer)).press("lesson_4_check").works()
        assert page.texts("warning")[0].count("is beaten by") == len(task.options) - len(task.answer)
        page.set("lesson_4_answer_1", sorted(task.answer)).press("lesson_4_check").works()
        assert page.app.success

    def test_one_is_chosen(self, learn, bench):
        page = commit(learn(3), 3, 5.0)
        task = LESSONS[3].exercise(bench, LENS, 0)
        radio(page).set_value(next(iter(task.answer)))
        page.app.run()
        page.press("lesson_3_check").works()
        assert page.app.success


class TestTheKneeByHand:
    def test_it_is_found_on_the_picture_s_front(self, learn, truth):
        page = learn(4)
        assert "Find the knee by hand" not in page.said
        commit(page, 4, 50.0)
        front = truth.front(truth.cells("4V"))
        page.app.selectbox(key="guess_point").set_value(len(front) - 1)
        page.app.run()
        page.works()
        assert "you would spend more" in page.said
        table = next(table for table in page.tables if table[0][0] == "Knee")
        assert table[1][1].startswith(f"{front['energy'].iloc[-1]:.3f}")


class TestState:
    def test_settings_are_in_the_address(self, learn):
        page = learn(2, space="4V", given_up="2")
        assert page.control("lesson_2_space").value == "4V"
        assert page.params == {"lesson": "2", "space": "4V", "given_up": "2"}
        page.set("lesson_2_cost", "parameters").works()
        assert page.params == {"lesson": "2", "space": "4V", "given_up": "2", "cost": "parameters"}
        assert "accuracy against parameters" in page.headline

    def test_another_lesson_and_back_keeps_settings(self, learn):
        page = learn(2, space="4V").set("learn_number", 3).works()
        assert page.params == {"lesson": "3"}
        page.set("learn_number", 2).works()
        assert page.params == {"lesson": "2", "space": "4V"}

    def test_progress_outlives_a_visit_elsewhere(self, learn):
        page = commit(learn(3), 3, 25.0).go("carbon").works().go("learn").works()
        assert "You said 25.0 %" in page.said

    def test_reset_and_undo(self, learn):
        page = commit(learn(3), 3, 25.0)
        page.press("learn_reset").works()
        assert "You said" not in page.said
        page.press("learn_restore").works()
        assert "You said 25.0 %" in page.said

    def test_a_setting_shows_only_where_it_counts(self, learn):
        page = learn(5)
        with pytest.raises(AssertionError):
            page.control("lesson_5_epochs")
        page.set("lesson_5_carry", "energy").works()
        assert page.control("lesson_5_epochs")
        with pytest.raises(AssertionError):
            page.control("lesson_5_gpu")

    def test_the_lens_moves_the_picture(self, learn):
        page = commit(learn(1), 1, 2.0)
        bars = [trace["y"][0] for trace in page.figure("lesson_1_picture")["data"] if trace.get("orientation") != "h"]
        page.set("lens_pue", 1.0).works()
        after = [trace["y"][0] for trace in page.figure("lesson_1_picture")["data"] if trace.get("orientation") != "h"]
        assert after[:2] == bars[:2]
        assert bars[2] > 0
        assert after[2] == pytest.approx(0)

    def test_what_of_the_lens_does_not_count_is_said(self, learn):
        said = "Whatever else the lens says, this lesson counts facility energy, PUE 1.59; France"
        assert said in learn(scope="IT", grid="FR").said
        assert "Whatever else" not in learn(grid="FR").said
        assert "Whatever else" not in learn(2, scope="IT").said

    def test_a_teacher_s_links_keep_the_lens(self, learn):
        page = learn(section="teacher", grid="FR")
        assert "](explore?grid=FR&space=4V&scope=GPU)" in page.said

    def test_a_scope_without_energy_says_what_to_do(self, learn):
        page = learn(2, scope="GPU")
        assert any("Facility or IT" in text for text in page.texts("info"))
        page.set("lesson_2_space", "4V").works()

    @pytest.mark.parametrize("params", [{"lesson": "9"}, {"lesson": "2", "space": "9V"}, {"section": "x"}])
    def test_a_broken_link_is_told(self, open_page, params):
        page = open_page("learn", **params).works()
        assert any("could not be opened as it is" in text for text in page.texts("warning"))
        assert page.params == {}

    def test_a_clicked_cell_opens_its_card(self, learn, truth):
        page = learn(2, space="4V").open(truth.cells("4V")["hash"].iloc[4]).works()
        assert any(each.value.startswith("Cell ") for each in page.app.header)
        assert page.params["cell"] == truth.cells("4V")["hash"].iloc[4]


class TestGlossary:
    def test_it_is_searched(self, learn):
        page = learn(section="glossary")
        assert f"{len(glossary.search(''))} terms" in page.said
        page.app.text_input(key="glossary_search").set_value("knee")
        page.app.run()
        assert "**knee**: " in page.works().said
        assert "**hypervolume**" not in page.said
        page.app.text_input(key="glossary_search").set_value("no such thing")
        page.app.run()
        assert any("No term has that" in text for text in page.works().texts("info"))
        assert page.params == {"section": "glossary"}

    def test_what_is_typed_is_shown_as_it_is(self, learn):
        page = learn(section="glossary")
        page.app.text_input(key="glossary_search").set_value("PUE` **x**")
        page.app.run()
        assert page.works().texts("info")
