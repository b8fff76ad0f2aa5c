"""The Data page: sources and jobs held against the files, the SQL box against DuckDB on the same Parquet files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest

from ecnas_core import files
from ecnas_core.benchmark import catalogue, jobs, layout
from ecnas_core.benchmark.jobs import Advance, Derive, Download, Ingest, Ingested, Request, SetAside
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.runs import Ended, Event
from pages.widgets import html
from tests import stand_in
from tests.bundle import few_cells
from tests.stand_in import NAME, StandIn
from tests.waiting import until

OUTPUT = "energy_5V9E_linscale.parquet"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few_cells(tmp_path_factory.mktemp("small") / "data")


@pytest.fixture
def data(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the user's for one test alone, over the small bundle."""
    folder = tmp_path / "user"
    monkeypatch.setenv("ECNAS_DATA", str(folder))
    monkeypatch.setattr(layout, "BUNDLED", small)
    yield folder
    for job in jobs.store(folder).all():
        jobs.store(folder).cancel(job)
    until(lambda: not any(job.running for job in jobs.store(folder).all()))


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A small stand-in for an official file, and a server that has it."""
    with stand_in.stand_in(tmp_path, monkeypatch) as served:
        yield served


def settled(page, data: Path):
    """The page after every job has ended and it has run again."""
    until(lambda: not any(job.running for job in jobs.store(data).all()))
    page.app.run()
    return page.works()


def labels(page) -> list[str]:
    return [button.label for button in page.app.button]


def said(page, kind: str) -> str:
    """Everything of that kind, no-break spaces as plain ones."""
    return " ".join(page.texts(kind)).replace("\u00a0", " ").replace("\u202f", " ")


def progress(page) -> list[str]:
    return [bar.proto.text.replace("\u00a0", " ") for bar in page.app.get("progress")]


def sources(page):
    return page.app.dataframe[0].value.set_index("Source")


def told(data: Path, request: Request, *events: Event) -> Path:
    """A job's folder, as its process leaves it; nobody works at it."""
    folder = data / "jobs" / jobs.run_id(request, data)
    folder.mkdir(parents=True)
    jobs.JOB.write(folder, request, started=time.time())
    (folder / "events.jsonl").write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    (folder / "lock").touch()
    return folder


def ask(page, sql: str):
    """Type a query and run it."""
    page.app.text_area(key="data_sql_text").set_value(sql)
    return page.press("Run").works()


def answer(page):
    """The rows of the answer, which stand under the columns of a table."""
    return page.app.dataframe[1].value


class TestSources:
    @pytest.mark.usefixtures("whole_7v")
    def test_bundled_figures(self, open_page):
        page = open_page("data").works()
        counts = dict(
            duckdb.sql(f"select source, count(*) from '{BUNDLED}/results/*.parquet' group by source").fetchall()
        )
        table = sources(page)
        found = dict(table["Results"])
        assert 4 * 397_000 < found.pop("ecnas-explorer-accuracy") < 4 * 423_624
        assert found == counts | {"ec-nas-surrogate": 4 * 423_624}
        assert set(table["From"]) == {"Bundled", "Computed"}
        assert page.facts["Official files"] == ("7 of 10", "3 can be downloaded")
        assert page.facts["Sources"][0] == str(len(counts) + 2)
        assert page.facts["Ingested"] == ("0", "bundled figures alone")
        assert "`energy_7V9E_surrogate.tfrecord` 614 MB" in said(page, "markdown")
        assert labels(page).count("Download") == 3
        assert page.params == {}

    def test_nothing_chosen_is_said(self, open_page, data):
        page = open_page("data").press("Ingest").works()
        assert page.texts("error") == ["No path is given; write the path of a TFRecord file."]
        page = page.press("Upload and ingest").works()
        assert page.texts("error") == ["No file is chosen; choose a TFRecord file first."]


class TestJobs:
    def test_from_a_failed_download_to_the_bundled_figures_and_back(self, open_page, data, released, tmp_path):
        """One session, the way a person goes, every job in a process of its own."""
        [cell] = stand_in.cells_without_accuracy(1)
        question = (
            f"select accuracy_source as s from benchmark where epochs = 108 and space = '5V' and hash = '{cell.hash}'"
        )
        page = open_page("data", sql=question).works()
        assert answer(page)["s"].tolist() != [NAME]

        released.status = 404
        settled(page.set("data_section", "sources").press(f"data_get_{NAME}"), data)
        assert page.texts("error") == [
            html.plain(f"{released.url}/{NAME} answers 404 Not Found; check the base address.")
        ]

        released.status = 200
        settled(page.press("Try again"), data)
        assert released.asked == [None, None]
        assert page.facts["Official files"][0] == "8 of 10"
        assert tuple(sources(page).loc[NAME, ["From", "Checked"]]) == ("Ingested", "official SHA-256, when ingested")
        page.go("learn").go("data").set("data_section", "sql").works()
        assert answer(page)["s"].tolist() == [NAME]
        page.set("data_section", "sources").works()

        (data / "results" / OUTPUT).unlink()
        page.app.run()
        assert page.texts("warning") == [f"The benchmark still counts {NAME}, whose results are no longer there."]
        settled(page.press("Derive it anew"), data)
        assert page.texts("warning") == []
        assert page.facts["Official files"][0] == "7 of 10"

        page.app.text_input(key="data_path").set_value(str(stand_in.write_own(tmp_path / "own.tfrecord")))
        settled(page.press("Ingest"), data)
        assert "12 training results of 3 cells, your own: in the view results" in said(page, "caption")
        row = sources(page).loc["own.tfrecord"]
        assert (row["Results"], row["Cells"], row["Licence"], row["Energy"]) == (12, 3, "your own", "measured, scaled")
        assert row["Checked"].startswith("own file, SHA-256 begins")
        assert page.facts["Ingested"][0] == "1"

        [own] = (path.name for path in (data / "results").glob("*.parquet"))
        page.press("Go back to bundled").works()
        assert page.facts["Ingested"][0] == "0"
        assert not list((data / "results").glob("*.parquet"))
        settled(page.press("Bring back"), data)
        assert page.facts["Ingested"][0] == "1"
        settled(page.press(f"data_remove_{own}"), data)
        assert page.facts["Ingested"][0] == "0"
        assert catalogue.set_aside(data)[0].files == (own,)

    def test_how_they_ended_is_said_and_they_are_dismissed(self, open_page, data):
        report = Ingested(file="", records=12, cells=3, official=False, seconds=0.5, sha256="", output="")
        done = Ended(state="done")
        told(data, Download(NAME), Ended(state="failed", error="the server cannot be reached; try again later"))
        told(data, Ingest("/x/no.tfrecord"), Ended(state="failed", error="record 1, byte 0: its length is damaged"))
        told(data, SetAside("switched-off.parquet"))
        told(data, Ingest("/x/stopped.tfrecord"), Ended(state="cancelled"))
        told(data, Ingest("/x/own.tfrecord"), report, done)
        told(data, Ingest("/x/official.tfrecord"), msgspec.structs.replace(report, official=True), done)
        told(data, Derive(), done)
        page = open_page("data").works()
        errors = page.texts("error")
        assert errors[:2] == [
            "The server cannot be reached; try again later.",
            html.plain("Record 1, byte 0: its length is damaged."),
        ]
        assert errors[2].startswith("Its process was ended from outside")
        captions = said(page, "caption")
        for words in (
            "Cancelled. Nothing has changed.",
            "12 training results of 3 cells, your own: in the view results, read in 0.50 s.",
            "12 training results of 3 cells, official: the benchmark counts it, read in 0.50 s.",
            "Done.",
        ):
            assert words in captions
        assert labels(page).count("Try again") == 3
        for left in range(7, 0, -1):
            assert labels(page).count("Dismiss") == len(jobs.store(data).all()) == left
            page.press("Dismiss").works()
        assert page.texts("error") == jobs.store(data).all() == []
        assert "Jobs" not in page.texts("header")

    def test_how_far_they_are(self, open_page, data):
        reading = Advance(phase="ingest", bytes_done=1_000_000, bytes_total=400_000_000)
        fast = msgspec.structs.replace(reading, bytes_per_second=1e6, seconds_left=399.0)
        running = [
            told(data, Download(NAME), Advance(phase="download", bytes_done=65_536, bytes_total=2_000_000)),
            told(data, Ingest("/x/begun.tfrecord"), reading),
            told(data, Ingest("/x/own.tfrecord"), fast),
            told(data, Derive(), Advance(phase="derive")),
        ]
        with ExitStack() as locks:
            for job in running:
                locks.enter_context(files.try_lock(job / "lock"))
            page = open_page("data").works()
            assert set(progress(page)) == {
                "Downloading, waiting for the server, 65.5 kB of 2.00 MB",
                "Reading, 1.00 MB of 400 MB",
                "Reading, 1.00 MB of 400 MB, 1.00 MB/s, 7 min left",
                "Deriving the benchmark",
            }
            assert "Dismiss" not in labels(page)
            cancelled = running[2]
            page.press(f"data_cancel_{cancelled.name}").works()
            assert (cancelled / "cancel").exists()
            assert page.button(f"data_cancel_{cancelled.name}").disabled
            assert "Cancelling" in progress(page)


class TestSql:
    """Every question is asked in a process of its own, which takes a while: one session asks several."""

    def test_opens_with_an_example_its_chart_and_table(self, open_page):
        page = open_page("data", section="sql").works()
        truth = duckdb.sql(
            f"select coalesce(validation_accuracy_108, predicted_accuracy_108) as accuracy "
            f"from '{layout.BUNDLED}/benchmark/7V.parquet' where accuracy > 0.94 and surrogate_energy_wh_4_epochs >= 3.15"
        ).df()
        assert len(answer(page)) == len(truth)
        assert sorted(answer(page)["validation_accuracy"]) == pytest.approx(sorted(truth["accuracy"]))
        figure = page.figure("data_sql_picture")
        assert figure["layout"]["xaxis"]["title"]["text"] == "energy_kwh"
        assert sum(len(trace["x"]) for trace in figure["data"]) == len(truth)
        assert page.params == {"section": "sql"}
        columns = page.set("data_sql_view", "results").works().app.dataframe[0].value
        assert list(columns["Column"]) == pq.read_schema(BUNDLED / "results" / "nasbench101-sample.parquet").names
        assert all(columns["Meaning"])

    def test_question_and_chart_stand_in_the_link(self, open_page):
        sql = "select space, epochs, avg(training_time_s) as s, count(*) as n from benchmark group by all order by all"
        page = open_page("data", sql=sql).works()
        assert page.params == {"section": "sql", "sql": sql}
        assert "12 rows, 4 columns" in said(page, "markdown")
        assert page.figure("data_sql_picture")["layout"]["yaxis"]["title"]["text"] == "s"
        page.set("data_sql_y", "n").works()
        assert page.figure("data_sql_picture")["layout"]["yaxis"]["title"]["text"] == "n"
        page.set("data_sql_kind", "bar").works()
        bars = page.figure("data_sql_picture")["data"]
        assert {trace["type"] for trace in bars} == {"bar"}
        assert (page.params["chart"], page.params["y"]) == ("bar", "n")

        again = open_page("data", **page.params).works()
        assert again.app.text_area(key="data_sql_text").value == sql
        assert answer(again)["n"].tolist() == answer(page)["n"].tolist()
        assert again.figure("data_sql_picture")["data"] == bars
        assert again.go("learn").go("data").works().app.text_area(key="data_sql_text").value == sql

        page.set("data_sql_kind", "line").set("data_sql_y", "s").works()
        assert "chart" not in page.params or page.params["chart"] == "line"

    def test_wrong_ones_are_told_and_kept_until_a_right_one(self, open_page):
        right = "select vertices, count(*) as cells from cells group by vertices order by vertices"
        page = open_page("data", sql=right).works()
        truth = duckdb.sql(
            f"select vertices, count(*) as cells from '{layout.BUNDLED}/benchmark/7V.parquet' group by all order by all"
        ).df()
        missed = []
        for sql, reason in (
            ("select * from benchmrk", "There is no public table 'benchmrk' (did you mean 'benchmark'?)"),
            ("select energy from benchmark", "Binder Error"),
            ("", "There is no query; write one, such as select \\* from benchmark limit 10"),
        ):
            ask(page, sql)
            kept = page.app.text_area(key="data_sql_text").value
            if not page.texts("error")[0].startswith(reason) or kept != sql:
                missed.append((sql, kept, page.texts("error")))
        assert not missed
        ask(page, right)
        assert page.texts("error") == []
        assert answer(page).values.tolist() == truth.values.tolist()
        assert "6 rows, 2 columns" in said(page, "markdown")
        assert list(page.app.session_state["data_sql_history"].items()) == [
            ("select * from benchmrk", "failed"),
            ("select energy from benchmark", "failed"),
            ("", "failed"),
            (right, "6 rows"),
        ]

    def test_answers_that_are_no_short_table_of_numbers(self, open_page):
        page = open_page("data", sql="select hash, epochs from results").works()
        assert "100 000 rows, 2 columns" in said(page, "markdown")
        assert "cut off: there are more rows" in said(page, "markdown")
        ask(page, "select * from cells where vertices = 9")
        assert page.texts("info") == ["No row matches: loosen the conditions after where."]
        ask(page, "describe benchmark")
        assert "Nothing to draw: a chart needs a column of numbers." in page.texts("caption")
        ask(
            page,
            "select 1 as n, [1, 2] as list, {'a': 1} as struct, map {'k': 2} as map, 'x'::blob as bytes, "
            "interval 1 day as span, time '10:00' as at, date '2024-01-01' as day, uuid() as id, "
            "'1'::bit as bits, 1.5::decimal(4, 1) as decimal, null as nothing, 2::hugeint as huge, true as flag",
        )
        assert page.texts("error") == []
        assert len(answer(page).columns) == 14
        ask(page, f"select 1 as a, 2 as b -- {'x' * 5000}")
        assert answer(page).values.tolist() == [[1, 2]]
        assert page.params == {"section": "sql"}
        assert "too long for the address" in said(page, "caption")

    def test_copy_as_python_runs(self, open_page, tmp_path, monkeypatch):
        page = open_page("data", sql='select epochs, count(*) as "a""b" from results group by 1').works()
        [code] = [block.value for block in page.app.code]
        monkeypatch.chdir(tmp_path)
        exec(compile(code, "copied", "exec"), {})
        assert (tmp_path / "answer.html").stat().st_size > 100_000

    def test_broken_links_are_told(self, open_page, data):
        page = open_page("data", section="nothing").works()
        assert "section='nothing' is not possible; take one of sources, sql" in page.texts("warning")[0]
        page = open_page("data", section="sql", chart="pie").works()
        assert "chart='pie' is not possible; take one of scatter, bar, line" in page.texts("warning")[0]
