"""The lessons' pictures before and after the answer, their words, and their sheets of paper."""

from __future__ import annotations

import re
from html import unescape
from itertools import product

import numpy as np
import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis.lessons import LESSONS
from ecnas_core.analysis.lessons.lesson import ChoiceTask, NumberTask
from ecnas_core.analysis.lessons.told import Amount, accuracy, count, kwh, percent, points, told
from ecnas_core.carbon import Lens
from ecnas_core.figures import lessons as figures
from ecnas_core.figures.lesson_sheets import sheet

LENS = Lens()
EVERY = pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda lesson: f"lesson {lesson.number}")
OUTSIDE = re.compile(r'(?:src|href)\s*=\s*"(?:https?:)?//(?!app\.test/)|@import|url\(')


@pytest.fixture(scope="module")
def scenes(small):
    """By lesson; those that begin in 7V are in a smaller space."""
    smaller = {2: {"space": "5V"}, 6: {"space": "4V"}}
    return {
        number: lesson.scene(small, lesson.settings(smaller.get(number, {})), LENS)
        for number, lesson in LESSONS.items()
    }


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def test_a_sentence_is_written_out():
    sentence = told(
        "{who}: {energy}, {n} cells, {share}, {sure}, {lost}, {inner}",
        who="SEMOA",
        energy=kwh(0.27345),
        n=count(25822.4),
        share=percent(-0.1768),
        sure=accuracy(0.94),
        lost=points(-0.005),
        inner=told("{x}", x=Amount(1.59)),
    )
    assert plain(figures.say(sentence)) == "SEMOA: 0.273 kWh, 25 822 cells, −17.7 %, 0.9400, −0.50 points, 1.59"


def test_braces_of_foreign_words_stay_as_they_are():
    assert figures.say(told("{device}", device="{x} GPU {}")) == "{x} GPU {}"


@EVERY
def test_pictures_are_drawn(scenes, lesson):
    for dark, revealed in product((False, True), repeat=2):
        drawn = figures.picture(lesson, scenes[lesson.number], dark, revealed=revealed)
        assert drawn.figure.data
        for trace, hashes in drawn.hashes.items():
            assert len(drawn.figure.data[trace].x) == len(hashes)


def test_the_facility_is_not_drawn_before_the_answer(scenes):
    scene = scenes[1]
    before, after = (figures.picture(LESSONS[1], scene, False, revealed=each).figure for each in (False, True))
    assert [bar.name for bar in before.data if bar.orientation is None] == ["GPU"]
    stacked = [bar.y[0] for bar in after.data if bar.orientation is None]
    assert sum(stacked) == pytest.approx(scene.kwh["facility"])
    assert np.cumsum(stacked)[1] == pytest.approx(scene.kwh["IT"])
    assert plain(figures.headline(LESSONS[1], scene, revealed=False)).count("kWh") == 1


@pytest.mark.parametrize("number", [2, 4])
def test_the_front_is_not_drawn_before_the_answer(scenes, number):
    before, after = (
        {
            trace.name.split(",")[0]
            for trace in figures.picture(LESSONS[number], scenes[number], False, revealed=each).figure.data
        }
        for each in (False, True)
    )
    assert after - before >= {"front", "extremes and knee"}


def test_the_energy_of_a_swap_is_not_drawn_before_the_answer(scenes):
    scene = scenes[3]
    before, after = (figures.picture(LESSONS[3], scene, False, revealed=each).figure.data[0] for each in (False, True))
    assert list(before.text)[2:] == ["?", "?"]
    assert list(before.x)[2:] == [0, 0]
    assert list(after.x) == pytest.approx(
        [100 * scene.effects.loc[name, "effect"] for name in ("parameters", "multiply_adds", "training_time", "energy")]
    )


def test_the_second_order_is_not_drawn_before_the_answer(scenes):
    scene = scenes[5]
    before, after = (figures.picture(LESSONS[5], scene, False, revealed=each) for each in (False, True))
    assert set(before.figure.data[0].y) == {0}
    assert before.hashes == {}
    assert sorted(after.figure.data[0].y) == list(range(1, len(scene.x) + 1))
    order = np.argsort(scene.x)
    assert (np.diff(np.asarray(after.figure.data[0].x)[order]) == 1).all()


def test_searches_are_not_drawn_before_the_answer(scenes):
    scene = scenes[6]
    before, after = (figures.picture(LESSONS[6], scene, False, revealed=each).figure.data[0] for each in (False, True))
    assert len(before.x) == 2
    assert len(after.x) == 3 + len(scene.searches)
    assert after.x[-1] == scene.everything_kwh


def test_headlines_have_the_numbers(scenes, truth):
    saved = figures.headline(LESSONS[2], scenes[2], revealed=True)
    assert plain(saved).startswith(f"{100 * scenes[2].saved:.1f} % less energy")
    kept = figures.headline(LESSONS[5], scenes[5], revealed=True)
    assert f"τ {scenes[5].tau:.2f}" in kept
    knee = truth.knee(truth.front(truth.cells("4V")))
    assert f"{knee['validation_error']:.4f}" in figures.headline(LESSONS[4], scenes[4], revealed=True)


def test_what_rests_on_predictions_is_said(scenes, small):
    whole = LESSONS[2].scene(Benchmark.open(), LESSONS[2].settings(), LENS)
    front = whole.picture.front
    resting = figures.resting(whole)
    count_ = int((front["accuracy_provenance"] == "predicted").sum())
    assert count_ > 0
    assert f" {count_} have" in resting or f" {count_} has" in resting
    assert figures.resting(scenes[3]) == ""
    without = LESSONS[2].scene(small, LESSONS[2].settings({"space": "5V"}), Lens(predicted=False))
    assert figures.resting(without) == ""


@pytest.mark.parametrize("lesson", [LESSONS[1], LESSONS[3], LESSONS[4]], ids=["number", "choice", "several"])
def test_sheets_stand_alone_and_the_class_s_has_no_answer(small, lesson):
    settings = lesson.settings()
    worksheet, answers = (
        sheet(lesson, small, settings, LENS, 1, "http://app.test/", answers=each) for each in (False, True)
    )
    tasks = [lesson.prediction(small, LENS), lesson.exercise(small, LENS, 1)]
    for page in (worksheet, answers):
        assert page.count("Plotly.newPlot(") == 1
        assert re.search(r'<div class="plot" role="figure" aria-label="[^"]*\d[^"]*">', page)
        markup = re.sub(r"<script.*?</script>", "", page, flags=re.S)
        assert not OUTSIDE.search(markup)
        for task in tasks:
            assert figures.say(task.question) in unescape(markup)
    shown, told_ = (unescape(re.sub(r"<script.*?</script>", "", page, flags=re.S)) for page in (worksheet, answers))
    for task in tasks:
        assert figures.say(task.why) in told_
        assert figures.say(task.why) not in shown
        if isinstance(task, NumberTask):
            assert all(figures.say(mistake.why) in told_ for mistake in task.mistakes)
        else:
            assert told_.count('class="right"') == sum(
                len(each.answer) for each in tasks if isinstance(each, ChoiceTask)
            )
    assert 'class="right"' not in shown
    assert all(f"http://app.test/{link.page}" in told_ for link in lesson.guide.links)


def test_a_sheet_says_what_of_the_lens_counts(small):
    lens = Lens(scope="GPU", pue=1.2, country="FR")
    page = sheet(LESSONS[1], small, LESSONS[1].settings(), lens, 0, "http://app.test/", answers=True)
    assert "GPU energy alone" not in page
    assert "facility energy, PUE 1.2; France" in page
    assert 'href="http://app.test/carbon?scope=GPU&amp;pue=1.2&amp;grid=FR&amp;space=4V&amp;of=r1"' in page


def test_given_answers_are_written_as_they_were_given(small):
    share = LESSONS[2].prediction(small, LENS)
    assert plain(figures.given_text(share, 30.0)) == "30.0 %"
    best = LESSONS[2].exercise(small, LENS, 0)
    assert figures.given_text(best, 0.94170001) == "0.9417"
    choice = LESSONS[5].prediction(small, LENS)
    assert figures.given_text(choice, ["energy"]) == "By energy, from 4 to 108 epochs"
    assert figures.answer_text(choice) == "By accuracy, from 4 to 108 epochs"
