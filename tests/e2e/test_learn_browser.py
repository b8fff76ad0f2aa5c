"""Learn and Home as a visitor meets them: a lesson from its question to its exercise, sheets on paper, the ways in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ecnas_core import Benchmark
from ecnas_core.analysis.lessons import LESSONS
from ecnas_core.carbon import Lens

NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def share() -> float:
    """What half a point saves, in per cent."""
    return LESSONS[2].prediction(Benchmark.open(), Lens()).answer


def commit(tab):
    tab.page.get_by_role("button", name="Commit my prediction").click()
    expect(tab.page.get_by_text("Answer.", exact=True)).to_be_visible()
    return tab.idle()


def test_a_lesson_by_keyboard_from_its_question_to_its_exercise(tab, share):
    tab.open("/learn", lesson="2")
    page = tab.page
    expect(page.locator(".st-key-lesson_2_picture .js-plotly-plot")).to_be_visible()
    expect(page.get_by_text("The exercise comes after your prediction.")).to_be_visible()
    slider = page.get_by_role("slider", name="Your answer (%)")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    commit(tab)
    expect(page.get_by_text(re.compile(r"You said 3\.00\s%"))).to_be_visible()
    expect(page.locator("p").filter(has_text=re.compile(rf"^Answer\. {share:.1f}\s%"))).to_be_visible()
    answer = LESSONS[2].exercise(Benchmark.open(), Lens(), 0).answer
    field = page.get_by_role("spinbutton", name="Your answer")
    field.fill("0.5")
    field.press("Enter")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text(re.compile("Not yet.*That is too little"))).to_be_visible()
    field.fill(f"{answer:.4f}")
    field.press("Enter")
    tab.idle()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text(re.compile("^Right"))).to_be_visible()
    page.reload()
    tab.idle()
    assert tab.params == {"lesson": "2"}


def test_a_class_changes_the_picture_and_the_link_keeps_it(tab):
    tab.open("/learn", lesson="4").choose("Space", "5V").until_params(lesson="4", space="5V")
    tab.choose("Cost", "Parameters").until_params(lesson="4", space="5V", cost="parameters")
    expect(tab.page.get_by_text(re.compile(r"cells of 5V at 108 epochs"))).to_be_visible()
    tab.page.reload()
    tab.idle()
    expect(tab.page.get_by_role("radiogroup", name="Cost").get_by_role("radio", name="Parameters")).to_be_checked()


def test_every_lesson_is_on_the_first_screen(tab):
    tab.open("/learn")
    for number, lesson in LESSONS.items():
        tab.choose("Lesson", f"{number} {lesson.title}").idle()
        picture = tab.page.locator(f".st-key-lesson_{number}_picture .js-plotly-plot")
        expect(picture).to_be_visible()
        box = picture.bounding_box()
        assert box["y"] + box["height"] <= 800
        button = tab.page.get_by_role("button", name="Commit my prediction").bounding_box()
        assert button["y"] + button["height"] <= 800
        tab.screenshot(f"learn-{number}")


def test_sheets_are_printed_without_a_network(tab, open_tab):
    tab.open("/learn", lesson="3", section="teacher")
    for name, words in (("Worksheet", "My answer"), ("Answer sheet", "Often misread")):
        with tab.page.expect_download() as download:
            tab.page.get_by_role("button", name=name).click()
        path = Path(download.value.path())
        copy = path.with_suffix(".html")
        copy.write_bytes(path.read_bytes())
        alone = open_tab()
        alone.page.goto(copy.as_uri())
        expect(alone.page.locator(".js-plotly-plot .barlayer .point").first).to_be_visible()
        expect(alone.page.get_by_text(words).first).to_be_visible()
        alone.page.emulate_media(media="print")
        assert alone.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        alone.screenshot(f"learn-sheet-{name.split()[0].lower()}")


def test_a_teacher_s_link_opens_the_page_in_its_state(tab):
    tab.open("/learn", lesson="2", section="teacher")
    with tab.page.expect_popup() as opened:
        tab.page.get_by_role("link", name="All cells by parameters and accuracy").click()
    page = opened.value
    expect(page.get_by_role("heading", name="Explore", exact=True)).to_be_visible()
    assert re.search(r"/explore\?x=parameters&y=validation_accuracy$", page.url)
    page.close()


def test_the_glossary_is_searched(tab):
    tab.open("/learn", section="glossary")
    field = tab.page.get_by_label("Search")
    field.fill("usage effectiveness")
    field.press("Enter")
    expect(tab.page.get_by_text(re.compile(r"^\d+ terms? with"))).to_be_visible()
    expect(tab.main.locator("li").filter(has_text=re.compile("^PUE: "))).to_be_visible()
    expect(tab.main.locator("li").filter(has_text=re.compile("^knee: "))).to_have_count(0)


class TestHome:
    def test_it_opens_first_and_fits_on_a_screen(self, tab, truth):
        tab.open("/")
        plot = tab.page.locator(".st-key-home_picture .js-plotly-plot")
        expect(plot).to_be_visible()
        box = plot.bounding_box()
        assert box["y"] + box["height"] <= 800
        front = truth.front(truth.cells())
        drawn = plot.evaluate("plot => Array.from(plot._fullData.find(each => each.name.startsWith('front')).x)")
        assert drawn == pytest.approx(front["energy"].tolist())
        for way in ("Explore", "Teach", "Choose"):
            assert tab.main.get_by_role("link", name=way).bounding_box()["y"] < 800
        assert tab.params == {}
        tab.screenshot("home")

    def test_the_picture_follows_the_theme(self, tab):
        tab.open("/")
        watched = tab.page.locator(".st-key-theme i").element_handle()
        tab.page.wait_for_function("watched => watched.ontransitionend", arg=watched)
        for scheme, ink in (("dark", "#E2E8EE"), ("light", "#1B2530")):
            tab.idle().page.emulate_media(color_scheme=scheme)
            tab.page.wait_for_function(
                "ink => document.querySelector('.st-key-home_picture .js-plotly-plot')?._fullLayout?.font?.color === ink",
                arg=ink,
            )

    def test_its_ways_lead_on(self, tab):
        tab.open("/")
        tab.main.get_by_role("link", name="Teach").click()
        tab.title = "Learn"
        tab.drawn()
        tab.go("Home")
        tab.main.get_by_role("link", name="Explore").click()
        tab.title = "Explore"
        tab.drawn()

    def test_the_report_of_a_pinned_cell_stands_alone(self, tab, open_tab, truth):
        pinned = list(truth.cells("4V")["hash"].iloc[3:6])
        tab.open("/", tray="~".join(pinned))
        tab.page.get_by_role("button", name="Report of this session").click()
        with tab.page.expect_download() as download:
            tab.page.get_by_role("button", name="Report", exact=True).click()
        path = Path(download.value.path())
        copy = path.with_suffix(".html")
        copy.write_bytes(path.read_bytes())
        alone = open_tab()
        alone.page.goto(copy.as_uri())
        for digest in pinned:
            expect(alone.page.get_by_text(digest)).to_be_visible()
        for table in alone.page.locator(".scroll").all():
            assert table.evaluate("each => each.scrollWidth <= each.clientWidth")
        expect(alone.page.locator(".js-plotly-plot")).to_have_count(1)
        alone.screenshot("session-report")


def test_narrow_pages_do_not_scroll_sideways(open_tab):
    tab = open_tab(viewport=NARROW, color_scheme="dark")
    tab.open("/")
    assert tab.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    tab.screenshot("home-narrow")
    tab.open("/learn", lesson="3")
    for section in ("Lessons", "For teachers", "Glossary"):
        tab.choose("Section", section).idle()
        assert tab.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        tab.screenshot(f"learn-narrow-{section.split()[-1].lower()}")
