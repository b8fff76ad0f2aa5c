"""The Data page as a visitor meets it: bringing data in while others look, and questions in SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import expect

from tests import stand_in
from tests.stand_in import NAME, StandIn

BENCHMARK = Path(__file__).resolve().parents[2] / "data" / "benchmark"
VERTICES = "select vertices, count(*) as cells from cells group by all order by all"
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Iterator[StandIn]:
    with pytest.MonkeyPatch.context() as patch, stand_in.stand_in(tmp_path_factory.mktemp("released"), patch) as served:
        yield served


@pytest.fixture(scope="module")
def own_address(chromium, released, start_server) -> Iterator[str]:
    """A server of these tests' own: its folder of the user's is theirs, and it fetches from 127.0.0.1."""
    with start_server() as address:
        yield address


@pytest.fixture
def open_own(open_tab, own_address) -> Callable:
    return lambda **special: open_tab(at=own_address, **special)


def grouped(count: int) -> str:
    return f"{count:,}".replace(",", " ")


class TestSources:
    def test_uploaded_file_is_listed_and_set_aside(self, open_own, tmp_path):
        tab = open_own().open("/data")
        expect(tab.fact("Ingested")).to_have_text("0")
        path = stand_in.write_own(tmp_path / "own.tfrecord")
        tab.page.get_by_test_id("stFileUploaderDropzone").locator("input").set_input_files(path)
        expect(tab.page.get_by_text("own.tfrecord").first).to_be_visible()
        tab.page.get_by_role("button", name="Upload and ingest").click()
        expect(tab.page.get_by_text("12 training results of 3 cells, your own")).to_be_visible()
        expect(tab.fact("Ingested")).to_have_text("1")
        expect(tab.fact("Sources")).to_have_text("13")
        tab.page.get_by_role("button", name="Dismiss").click()
        expect(tab.page.get_by_text("12 training results of 3 cells")).to_have_count(0)
        tab.page.get_by_role("button", name="Go back to bundled").click()
        expect(tab.fact("Ingested")).to_have_text("0")
        expect(tab.page.get_by_role("button", name="Bring back")).to_be_visible()

    def test_download_while_another_session_explores(self, open_own, released):
        """What is downloaded counts in the other session too, which sees no error and needs no restart."""
        other = open_own().open(space="5V", predicted="0")
        [(known,)] = duckdb.sql(
            f"select count(*) from '{BENCHMARK}/5V.parquet' where epochs = 108 and accuracy_provenance <> 'predicted'"
        ).fetchall()
        expect(other.fact("With both values")).to_have_text(grouped(known))
        tab = open_own().open("/data")
        released.hold_after = 70_000
        tab.page.locator(f".st-key-data_get_{NAME.replace('.', '-')}").get_by_role("button").click()
        expect(tab.page.get_by_text(re.compile("Downloading, 65.5.kB of"))).to_be_visible()
        other.choose("Epochs", "36").until_params(space="5V", epochs="36")
        tab.page.reload()
        expect(tab.page.get_by_text(re.compile("Downloading, 65.5.kB of"))).to_be_visible()
        tab.page.get_by_role("button", name="Cancel").click()
        expect(tab.page.get_by_text("Cancelled. What was fetched is kept.")).to_be_visible()
        released.let_go()
        tab.page.get_by_role("button", name="Resume").click()
        for epochs in ("12", "36"):
            other.choose("Epochs", epochs).until_params(space="5V", epochs=epochs)
        expect(tab.fact("Official files")).to_have_text("8 of 10")
        other.choose("Epochs", "108").until_params(space="5V", epochs=None)
        gained = sum(source is None for source in sources_before())
        expect(other.fact("With both values")).to_have_text(grouped(known + gained))
        for each in (tab, other):
            expect(each.page.get_by_test_id("stException")).to_have_count(0)


def sources_before() -> list[str | None]:
    """Where the bundled accuracies at 108 epochs of the stand-in's cells are from."""
    hashes = [cell.hash for cell in stand_in.cells_without_accuracy()]
    rows = duckdb.execute(
        f"select case when accuracy_provenance <> 'predicted' then accuracy_source end "
        f"from '{BENCHMARK}/5V.parquet' where epochs = 108 and hash in (select unnest(?))",
        [hashes],
    ).fetchall()
    return [row[0] for row in rows]


class TestSql:
    def test_query_chart_and_error(self, open_own):
        tab = open_own().open("/data", section="sql")
        plot = tab.page.locator(".st-key-data_sql_picture .js-plotly-plot")
        expect(plot).to_be_visible()
        box = tab.page.get_by_role("textbox", name="Query")
        box.fill(VERTICES)
        box.press("Control+Enter")
        expect(tab.page.get_by_text("6 rows, 2 columns")).to_be_visible()
        tab.idle()
        truth = [row[0] for row in duckdb.sql(
            f"select count(*) from '{BENCHMARK}/7V.parquet' group by vertices order by vertices").fetchall()]  # fmt: skip
        assert plot.evaluate("plot => Array.from(plot._fullData[0].y)") == truth
        tab.choose("Chart", "Bars").until_params(chart="bar")
        assert plot.evaluate("plot => plot._fullData[0].type") == "bar"
        tab.screenshot("data_sql")
        tab.idle()
        box.fill("select * from benchmrk")
        tab.page.get_by_role("button", name="Run").click()
        expect(tab.page.get_by_text("did you mean 'benchmark'?")).to_be_visible()
        expect(box).to_have_value("select * from benchmrk")
        tab.page.get_by_role("button", name="Examples").click()
        tab.page.get_by_text("Energy on four devices").click()
        expect(tab.page.get_by_text("4 rows, 4 columns")).to_be_visible()
        tab.page.get_by_role("button", name="History").click()
        tab.page.get_by_text("select vertices, count(*)").click()
        tab.until_params(sql=VERTICES)
        expect(tab.page.get_by_text("6 rows, 2 columns")).to_be_visible()

    def test_narrow_and_dark(self, open_own):
        tab = open_own(viewport=NARROW, color_scheme="dark").open("/data", section="sql")
        expect(tab.page.locator(".st-key-data_sql_picture .js-plotly-plot")).to_be_attached()
        width = tab.page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert width <= NARROW["width"]
        tab.screenshot("data_sql_narrow_dark")
