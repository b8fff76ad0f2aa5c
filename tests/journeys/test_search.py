"""Search: set up, watched, cancelled, compared; what came of a study; studies renamed and deleted."""

from __future__ import annotations

import re

import duckdb
from playwright.sync_api import expect

from tests.journeys.tab import NARROW, WIDE, Tab, number

SHORT = {"algorithms": "RS~SEMOA-L", "space": "4V", "evaluations": "20", "trials": "2"}
LONG = {"algorithms": "MS-EHVI", "space": "5V", "evaluations": "1000", "trials": "4"}
CANCELLED = re.compile(r"Cancelled\. \d of 4 trials")
SECTIONS = ("Front", "Hypervolume", "Difference", "Table 1", "Knee and extremes")
SECOND_ROW, BOX = 88, 16  # where the table on its canvas has its second check box, in pixels

# Notes the generations that are shown while a trial is played, however quickly they go by. The client draws a run of
# the script piece by piece, with "Play" until its end: "Pause" may stand beside it and above what is yet to change.
NOTE_GENERATIONS = """
() => {
  const played = window.played = [];
  new MutationObserver(() => {
    const told = [...document.querySelectorAll("strong")].find(each => each.innerText.startsWith("Generation"));
    const generation = Number(told?.innerText.match(/\\d+/)[0]);
    const shows = name => document.querySelector(`.st-key-replay_${name}`) !== null;
    if (shows("pause") && !shows("play") && played.at(-1) !== generation) played.push(generation);
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}
"""


def start(tab: Tab, name: str, params: dict[str, str]) -> str:
    """Start a study under a name, and give its id."""
    tab.open("/search", **params)
    tab.page.get_by_label("Name", exact=True).fill(name)
    tab.press("Start the search")
    return tab.until_param("study")


def until_finished(tab: Tab) -> None:
    expect(tab.page.get_by_text("The whole study")).to_be_visible()
    tab.rest()


def test_a_search_is_set_up_and_published_ones_are_looked_at(tab):
    tab.open("/search", study="published-5V")
    published = tab.chart("search_front").shown()
    tab.choose("Section", "Set up").until_params(section=None)
    expect(tab.button("Start the search")).to_be_in_viewport()
    expect(tab.fact("Training them for real")).to_be_in_viewport()
    tab.accessible()
    tab.choose("Preset", "The paper's setting").until_params(space="7V", charging="all", sampling="matrix")
    tab.look_in("dark").accessible().fits(NARROW)
    tab.choose("Section", "All studies").until_params(section="studies")
    expect(tab.page.get_by_test_id("stDataFrame")).to_be_visible()
    tab.fits(NARROW).choose("Section", "Study")
    published.shown()
    tab.fits(NARROW)


def test_a_search_is_watched_from_two_sessions_and_cancelled(open_tab):
    tab = open_tab()
    study = start(tab, "Watched", LONG)
    expect(tab.page.get_by_text(re.compile(r"MS-EHVI has [\d.]+\s% of the true front"))).to_be_visible()
    before = evaluations(tab)
    until_more_than(tab, before)
    for key in ("search_front", "search_growth"):
        expect(tab.chart(key).plot.locator(".scatterlayer .trace").first).to_be_visible()
    expect(tab.page.locator(".js-plotly-plot")).to_have_count(2)
    tab.reload()
    expect(tab.button("Cancel")).to_be_visible()
    assert evaluations(tab) >= before

    other = open_tab().open("/search")
    expect(other.page.get_by_text("Watched is running.")).to_be_visible()
    with other.running():
        other.page.locator(f".st-key-search_watch_{study} button").click()
    expect(other.fact("Evaluations a second")).to_be_visible()
    tab.press("Cancel")
    for each in (tab, other):
        expect(each.page.get_by_text(CANCELLED)).to_be_visible()
        expect(each.button(re.compile("^Resume: run the other"))).to_be_visible()


def evaluations(tab: Tab) -> int:
    return int(number(tab.fact("Evaluations").inner_text()))


def until_more_than(tab: Tab, count: int) -> None:
    """Wait until a study that runs has made more evaluations."""
    tab.wait(
        "count => [...document.querySelectorAll('.facts div')].some(each => each.innerText.startsWith('Evaluations\\n')"
        " && Number(each.querySelector('.figure').innerText.replace(/\\D/g, '')) > count)",
        count,
    )


def test_two_searches_at_once_are_looked_into_deleted_and_compared(open_tab):
    tab, other = open_tab(), open_tab()
    start(tab, "Ours", SHORT)
    theirs = start(other, "Theirs", SHORT | {"seed": "7"})
    other.page.close()
    until_finished(tab)
    manage(tab)
    look_through(tab)
    tab.pick("Study", "Theirs").until_params(study=theirs)
    until_finished(tab)

    tab.choose("Section", "All studies")
    table = tab.page.get_by_test_id("stDataFrame")
    expect(table.locator("canvas").first).to_be_visible()
    expect(tab.page.get_by_test_id("stSkeleton")).to_have_count(0)
    box = table.bounding_box()
    with tab.running():
        tab.page.mouse.click(box["x"] + BOX, box["y"] + SECOND_ROW)
    tab.until_param("study", listed=2)
    tab.press("Compare 2")
    until_finished(tab)
    expect(tab.page.get_by_test_id("stMultiSelect").first).to_contain_text("Renamed")
    tab.accessible()
    rows = duckdb.sql(
        "select algorithm, seed, count(*) filter (charged) "
        f"from read_parquet('{tab.save('Evaluations, Parquet')}') group by all"
    ).fetchall()
    assert len(rows) == 4
    assert {charged for *_, charged in rows} == {20}
    report = tab.save("Report, HTML").read_text(encoding="utf-8")
    assert "<html" in report.lower()
    assert "of the true front" in report


def manage(tab: Tab) -> None:
    """Rename the study, delete it and bring it back, by keyboard."""
    tab.button("Manage").press("Enter")
    tab.type("Name", "Renamed")
    tab.press("Rename", by_keyboard=True)
    study = tab.page.get_by_role("combobox", name="Study", exact=True)
    expect(study).to_have_value("Renamed")
    tab.press("Delete", by_keyboard=True)
    tab.press("Undo: bring back 1 study", by_keyboard=True)
    tab.press("Open the study")
    until_finished(tab)
    expect(study).to_have_value("Renamed")


def look_through(tab: Tab) -> None:
    """Open a cell of the front, and go through what came of the study, in the dark and on a phone."""
    tab.chart("search_front").click("marks", 0)
    expect(tab.page.get_by_role("heading", name=re.compile(r"^Cell [0-9a-f]{8}$"))).to_be_visible()
    tab.look_in("dark")
    for section in SECTIONS:
        look_into(tab, section)
    look_into(tab, "Replay")
    play(tab)
    look_into(tab, "Find the knee")
    guess(tab)
    look_into(tab, "Energy")
    tab.fits(WIDE).choose("What came of it", "Front")


def look_into(tab: Tab, section: str) -> None:
    """Turn to a section of the results, which must fit a phone."""
    if section != "Front":
        tab.choose("What came of it", section)
    expect(tab.page.get_by_text("The whole study")).to_be_visible()
    tab.fits(NARROW)


def play(tab: Tab) -> None:
    """Play a trial from its first generation to its last."""
    told = tab.page.locator("strong").filter(has_text="Generation")
    last = int(re.search(r"of (\d+)", told.inner_text())[1])
    tab.slide("Generation", "Home")
    expect(told).to_contain_text(f"Generation 1 of {last}")
    tab.page.evaluate(NOTE_GENERATIONS)
    tab.press("Play")
    expect(told).to_contain_text(f"Generation {last} of {last}")
    expect(tab.button("Play")).to_be_visible()
    expect(tab.button("Pause")).to_have_count(0)
    played = tab.rest().page.evaluate("played")
    assert played == list(range(2, last + 1)) != []


def guess(tab: Tab) -> None:
    """Guess the knee of the front, see it revealed, and begin again."""
    asked = tab.page.get_by_text("Where is the knee?")
    expect(asked).to_be_visible()
    tab.chart("guess_front").click("front", 0)
    expect(tab.page.get_by_text("Your guess", exact=True)).to_be_visible()
    tab.press("Try again")
    expect(asked).to_be_visible()
