"""Home and Learn: the ways in, lessons from question to exercise, and what a teacher takes along."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from ecnas_core import Benchmark
from ecnas_core.analysis.lessons import LESSONS
from ecnas_core.carbon import Lens
from tests.journeys.tab import NARROW, WIDE, Tab


def test_home_shows_the_front_and_leads_on(tab, truth):
    tab.open("/")
    picture = tab.chart("home_picture").shown()
    assert tab.is_on_first_screen(picture.plot)
    picture.until_values("front", truth.front(truth.cells())["energy"])
    for way in ("Explore", "Teach", "Choose"):
        assert tab.is_on_first_screen(tab.main.get_by_role("link", name=way))
    assert tab.params == {}
    tab.accessible().look_in("dark").legible()
    picture.until_drawn_in("dark")
    tab.fits(NARROW).fits(WIDE)
    tab.lead_on("Explore", "Explore")
    assert tab.params == {}


def test_lessons_are_on_the_first_screen_and_solved_by_keyboard(tab):
    lesson, bench = LESSONS[2], Benchmark.open()
    tab.open("/learn", lesson="2").accessible()
    page = tab.page
    _is_on_first_screen(tab, 2)
    expect(page.get_by_text("The exercise comes after your prediction.")).to_be_visible()
    tab.slide("Your answer (%)", *["ArrowRight"] * 3).press("Commit my prediction", by_keyboard=True)
    expect(page.get_by_text(re.compile(r"You said 3\.00\s%"))).to_be_visible()
    share = lesson.prediction(bench, Lens()).answer
    expect(page.locator("p").filter(has_text=re.compile(rf"^Answer\. {share:.1f}\s%"))).to_be_visible()
    tab.type("Your answer", "0.5").press("Check", by_keyboard=True)
    expect(page.get_by_text(re.compile("Not yet.*That is too little"))).to_be_visible()
    answer = lesson.exercise(bench, Lens(), 0).answer
    tab.type("Your answer", f"{answer:.4f}").press("Check", by_keyboard=True)
    expect(page.get_by_text(re.compile("^Right"))).to_be_visible()
    assert tab.params == {"lesson": "2"}

    _is_on_first_screen(_choose_lesson(tab, 4), 4)
    tab.choose("Space", "5V").choose("Cost", "Parameters")
    tab.until_params(lesson="4", space="5V", cost="parameters")
    expect(page.get_by_text(re.compile("cells of 5V at 108 epochs"))).to_be_visible()
    tab.look_in("dark").legible()
    tab.chart("lesson_4_picture").until_drawn_in("dark")
    for number in (1, 3, 5, 6):
        _is_on_first_screen(_choose_lesson(tab, number), number)


def test_what_a_teacher_takes_along(tab, open_file, truth):
    pinned = list(truth.cells("4V")["hash"].iloc[3:6])
    tab.open("/", tray="~".join(pinned))
    with tab.popover("Report of this session"):
        report = open_file(tab.save("Report"))
    for digest in pinned:
        expect(report.get_by_text(digest)).to_be_visible()
    for table in report.locator(".scroll").all():
        assert table.evaluate("each => each.scrollWidth <= each.clientWidth")
    expect(report.locator(".js-plotly-plot")).to_have_count(1)
    report.emulate_media(media="print")
    assert report.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    report.close()

    tab.lead_on("Teach", "Learn").choose("Section", "For teachers").fits(NARROW).fits(WIDE)
    _choose_lesson(tab, 3)
    for name, words in (("Worksheet", "My answer"), ("Answer sheet", "Often misread")):
        assert words in tab.save(name).read_text(encoding="utf-8")

    _choose_lesson(tab, 2)
    link = tab.page.get_by_role("link", name="All cells by parameters and accuracy")
    assert link.evaluate("link => link.href") == f"{tab.address}/explore?x=parameters&y=validation_accuracy"

    tab.choose("Section", "Glossary").fits(NARROW).type("Search", "usage effectiveness")
    expect(tab.page.get_by_text(re.compile(r"^\d+ terms? with"))).to_be_visible()
    expect(tab.main.locator("li").filter(has_text=re.compile("^PUE: "))).to_be_visible()
    expect(tab.main.locator("li").filter(has_text=re.compile("^knee: "))).to_have_count(0)


def _is_on_first_screen(tab: Tab, number: int) -> None:
    """A lesson shows its picture and asks for a prediction without scrolling, and fits a phone."""
    assert tab.is_on_first_screen(tab.chart(f"lesson_{number}_picture").shown().plot)
    assert tab.is_on_first_screen(tab.button("Commit my prediction"))
    tab.fits(NARROW).fits(WIDE)


def _choose_lesson(tab: Tab, number: int) -> Tab:
    return tab.choose("Lesson", f"{number} {LESSONS[number].title}")
