"""Data: files brought in while another session explores, and questions in SQL; on a server with an empty folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import expect

from tests import stand_in
from tests.journeys.server import Server, serving
from tests.journeys.tab import NARROW, WIDE, Tab, grouped
from tests.stand_in import NAME, StandIn

BENCHMARK = Path(__file__).resolve().parents[2] / "data" / "benchmark"
VERTICES = "select vertices, count(*) as cells from cells group by all order by all"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """An address on this machine in the place of the official one."""
    with pytest.MonkeyPatch.context() as patch, stand_in.stand_in(tmp_path_factory.mktemp("released"), patch) as served:
        yield served


@pytest.fixture(scope="module")
def own_server(chromium: str, released: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an empty folder of the user's, which downloads from this machine."""
    with serving(tmp_path_factory.mktemp("own_server")) as server:
        yield server


@pytest.fixture
def open_own(open_tab: Callable[..., Tab], own_server: Server) -> Callable[..., Tab]:
    """Open a tab on the own server."""
    return lambda: open_tab(at=own_server)


def test_files_are_brought_in_while_another_session_explores_and_asks(open_own, released, tmp_path):
    """The first page that the server is asked for is not the home page."""
    other = open_own().open("/explore", space="5V", predicted="0")
    expect(other.page.get_by_role("radiogroup", name="Scope")).to_be_visible()
    known, gained = accuracies()
    expect(other.fact("With both values")).to_have_text(grouped(known))

    tab = open_own().open("/data")
    expect(tab.fact("Ingested")).to_have_text("0")
    tab.accessible()
    path = stand_in.write_own(tmp_path / "own.tfrecord")
    tab.page.get_by_test_id("stFileUploaderDropzone").locator("input").set_input_files(path)
    expect(tab.page.get_by_text("own.tfrecord").first).to_be_visible()
    tab.press("Upload and ingest")
    expect(tab.page.get_by_text("12 training results of 3 cells, your own")).to_be_visible()
    expect(tab.fact("Ingested")).to_have_text("1")
    expect(tab.fact("Sources")).to_have_text("13")
    tab.press("Dismiss")
    expect(tab.page.get_by_text("12 training results of 3 cells")).to_have_count(0)
    tab.press("Go back to bundled")
    expect(tab.fact("Ingested")).to_have_text("0")
    expect(tab.button("Bring back")).to_be_visible()

    released.hold_after = 70_000
    with tab.running():
        tab.page.locator(f".st-key-data_get_{NAME.replace('.', '-')}").get_by_role("button").click()
    held = tab.page.get_by_text(re.compile("Downloading, 65.5.kB of"))
    expect(held).to_be_visible()
    other.choose("Epochs", "36").until_params(space="5V", epochs="36")
    tab.reload()
    expect(held).to_be_visible()
    other.go("Activity")
    expect(other.page.get_by_text(f"Download {NAME}")).to_be_visible()
    other.accessible()
    other.go("Explore").until_params(space="5V", epochs="36")
    tab.press("Cancel")
    expect(tab.page.get_by_text("Cancelled. What was fetched is kept.")).to_be_visible()
    released.let_go()
    tab.press("Resume")
    other.choose("Epochs", "12").until_params(space="5V", epochs="12")
    ask_in_sql(other.go("Data"))
    other.go("Explore").until_params(space="5V", epochs="12")
    expect(tab.fact("Official files")).to_have_text("8 of 10")
    other.choose("Epochs", "108").until_params(space="5V", epochs=None)
    expect(other.fact("With both values")).to_have_text(grouped(known + gained))
    for each in (tab, other):
        expect(each.rest().page.get_by_test_id("stException")).to_have_count(0)


def accuracies() -> tuple[int, int]:
    """How many bundled accuracies of 5V at 108 epochs are published, and how many the stand-in adds."""
    hashes = [cell.hash for cell in stand_in.cells_without_accuracy()]
    published = "accuracy_provenance <> 'predicted'"
    [counts] = duckdb.execute(
        f"select count(*) filter ({published}), "
        f"count(*) filter (hash in (select unnest(?)) and (case when {published} then accuracy_source end) is null) "
        f"from '{BENCHMARK}/5V.parquet' where epochs = 108",
        [hashes],
    ).fetchall()
    return counts


def ask_in_sql(tab: Tab) -> None:
    """Query the benchmark and chart the answer, correct a query, and take others from the examples and the history."""
    tab.choose("Section", "SQL")
    chart = tab.chart("data_sql_picture").shown()
    query = tab.page.get_by_role("textbox", name="Query")
    with tab.running():
        query.fill(VERTICES)
        query.press("Control+Enter")
    expect(tab.page.get_by_text("6 rows, 2 columns")).to_be_visible()
    counts = duckdb.sql(f"select count(*) from '{BENCHMARK}/7V.parquet' group by vertices order by vertices").fetchall()
    assert chart.plot.evaluate("plot => Array.from(plot._fullData[0].y)") == [count for (count,) in counts]
    tab.choose("Chart", "Bars").until_params(chart="bar")
    assert chart.plot.evaluate("plot => plot._fullData[0].type") == "bar"

    query.fill("select * from benchmrk")
    tab.press("Run")
    expect(tab.page.get_by_text("did you mean 'benchmark'?")).to_be_visible()
    expect(query).to_have_value("select * from benchmrk")
    tab.button("Examples").click()
    with tab.running():
        tab.page.get_by_text("Energy on four devices").click()
    expect(tab.page.get_by_text("4 rows, 4 columns")).to_be_visible()
    tab.button("History").click()
    with tab.running():
        tab.page.get_by_text("select vertices, count(*)").click()
    tab.until_params(sql=VERTICES)
    expect(tab.page.get_by_text("6 rows, 2 columns")).to_be_visible()

    tab.look_in("dark").accessible().fits(NARROW).fits(WIDE)
