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


def predict(page, bench, number: int, guess: object, deal: int = 0, lens: Lens = LENS):
    """Commit a prediction, and hold that the answer, the picture and the exercise come only then."""
    lesson = LESSONS[number]
    task = lesson.prediction(bench, lens)
    answer = plain(say(task.why))
    assert plain(say(task.question)) in page.said
    assert answer not in page.said
    assert "The exercise comes after your prediction" in page.said
    before = page.alt(f"lesson_{number}_picture")
    commit(page, number, guess)
    assert answer in page.said
    assert plain(say(lesson.exercise(bench, lens, deal).question)) in page.said
    assert page.alt(f"lesson_{number}_picture") != before
    assert "0 of 6 lessons done" in page.said
    return page


class TestTeachers:
    def test_each_lesson_has_a_guide_and_sheets_under_the_lens(self, learn):
        page = learn(section="teacher", grid="FR")
        assert "](explore?grid=FR&space=4V&scope=GPU)" in page.said
        for number, lesson in LESSONS.items():
            if number != 1:
                page.set("learn_number", number).works()
            assert all(question in page.said for question in lesson.guide.ask), number
            assert [row[0] for row in page.tables[0][1:]] == [what for what, _ in lesson.guide.timing], number
            for link in lesson.guide.links:
                assert f"]({link.under(Lens(country='FR')).url()})" in page.said, number
            labels = {button.proto.label for button in page.app.get("download_button")}
            assert labels == {"Worksheet", "Answer sheet"}, number


class TestExercise:
    def test_a_wrong_answer_is_told_why_and_a_right_one_counts(self, learn, bench):
        page = predict(learn(2), bench, 2, 60.0)
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
        page = predict(learn(6, exercise="3"), bench, 6, 9.0, deal=2)
        assert page.params["exercise"] == "3"
        page.press("lesson_6_next").works()
        assert "exercise" not in page.params
        assert plain(say(LESSONS[6].exercise(bench, LENS, 0).question)) in page.said

    def test_one_is_chosen_and_progress_outlives_a_visit_elsewhere(self, learn, bench):
        page = predict(learn(3), bench, 3, 25.0)
        task = LESSONS[3].exercise(bench, LENS, 0)
        radio(page).set_value(next(iter(task.answer)))
        page.app.run()
        page.press("lesson_3_check").works()
        assert page.app.success
        page.go("scaling").works().go("learn").works()
        assert "You said 25.0 %" in page.said
        page.press("learn_reset").works()
        assert "You said" not in page.said
        page.press("learn_restore").works()
        assert "You said 25.0 %" in page.said

    def test_several_are_chosen_and_the_knee_is_found_by_hand(self, learn, bench, truth):
        page = learn(4)
        assert "Find the knee by hand" not in page.said
        near = 1.5 * LESSONS[4].prediction(bench, LENS).answer
        assert "which is close enough" in predict(page, bench, 4, near).said
        front = truth.front(truth.cells("4V"))
        page.app.selectbox(key="guess_point").set_value(len(front) - 1)
        page.app.run()
        page.works()
        assert "you would spend more" in page.said
        table = next(table for table in page.tables if table[0][0] == "Knee")
        assert table[1][1].startswith(f"{front['energy'].iloc[-1]:.3f}")

        task = LESSONS[4].exercise(bench, LENS, 0)
        page.set("lesson_4_answer_1", sorted(set(task.options) - task.answer)).press("lesson_4_check").works()
        assert page.texts("warning")[0].count("is beaten by") == len(task.options) - len(task.answer)
        page.set("lesson_4_answer_1", sorted(task.answer)).press("lesson_4_check").works()
        assert page.app.success


class TestState:
    def test_settings_and_the_open_cell_are_in_the_address(self, learn, truth):
        page = learn(2, space="4V", given_up="2")
        assert page.control("lesson_2_space").value == "4V"
        assert page.params == {"lesson": "2", "space": "4V", "given_up": "2"}
        page.set("lesson_2_cost", "parameters").works()
        left = {"lesson": "2", "space": "4V", "given_up": "2", "cost": "parameters"}
        assert page.params == left
        assert "accuracy against parameters" in page.headline
        page.set("learn_number", 3).works()
        assert page.params == {"lesson": "3"}
        page.set("learn_number", 2).works()
        assert page.params == left
        digest = truth.cells("4V")["hash"].iloc[4]
        page.open(digest).works()
        assert any(each.value.startswith("Cell ") for each in page.app.header)
        assert page.params == left | {"cell": digest}

    def test_a_setting_shows_only_where_it_counts(self, learn, bench):
        page = learn(5)
        assert "lesson_5_epochs" not in page.control_keys
        page.set("lesson_5_carry", "energy").works()
        assert "lesson_5_epochs" in page.control_keys
        assert "lesson_5_gpu" not in page.control_keys
        worst = next(iter(LESSONS[5].prediction(bench, LENS).answer))
        assert "and that is so" in predict(page, bench, 5, worst).said

    def test_the_lens_moves_the_picture_and_what_of_it_does_not_count_is_said(self, learn, bench):
        page = predict(learn(1, grid="FR"), bench, 1, 2.0, lens=Lens(country="FR"))
        assert "Whatever else" not in page.said
        bars = [trace["y"][0] for trace in page.figure("lesson_1_picture")["data"] if trace.get("orientation") != "h"]
        page.set("lens_pue", 1.0).works()
        after = [trace["y"][0] for trace in page.figure("lesson_1_picture")["data"] if trace.get("orientation") != "h"]
        assert after[:2] == bars[:2]
        assert bars[2] > 0
        assert after[2] == pytest.approx(0)
        page.set("lens_scope", "IT").works()
        assert "Whatever else the lens says, this lesson counts facility energy, PUE 1; France" in page.said
        page.press("lesson_1_again").works()
        assert "The exercise comes after your prediction" in page.said

    def test_a_scope_without_energy_says_what_to_do(self, learn):
        page = learn(2, scope="GPU")
        assert any("Facility or IT" in text for text in page.texts("info"))
        page.set("lesson_2_space", "4V").works()
        assert "Whatever else" not in page.said

    def test_a_broken_link_is_told(self, open_page):
        page = open_page("learn", lesson="2", space="9V").works()
        assert any("could not be opened as it is" in text for text in page.texts("warning"))
        assert page.params == {}


def test_the_glossary_is_searched_and_what_is_typed_shown_as_it_is(learn):
    page = learn(section="glossary")
    assert f"{len(glossary.search(''))} terms" in page.said

    def typed(text):
        page.app.text_input(key="glossary_search").set_value(text)
        page.app.run()
        return page.works()

    assert "**knee**: " in typed("knee").said
    assert "**hypervolume**" not in page.said
    assert any("No term has that" in text for text in typed("no such thing").texts("info"))
    assert page.params == {"section": "glossary"}
    assert typed("PUE` **x**").texts("info")
