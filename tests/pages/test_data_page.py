"""The Data page: sources and jobs held against the files, the SQL box against DuckDB on the same Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from ecnas_core.benchmark import catalogue, jobs
from ecnas_core.benchmark.catalogue import EXAMPLES
from ecnas_core.benchmark.layout import BUNDLED
from pages.widgets import html
from tests import stand_in
from tests.stand_in import NAME, until

OUTPUT = "energy_5V9E_linscale.parquet"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the user's for one test alone."""
    folder = tmp_path / "user"
    monkeypatch.setenv("ECNAS_DATA", str(folder))
    yield folder
    for job in jobs.jobs(folder):
        jobs.cancel(job)
    until(lambda: not any(job.running for job in jobs.jobs(folder)))


def settled(page, data: Path):
    """The page after every job has ended and it has run again."""
    until(lambda: not any(job.running for job in jobs.jobs(data)))
    page.app.run()
    return page.works()


def labels(page) -> list[str]:
    return [button.label for button in page.app.button]


def progress(page) -> list[str]:
    return [bar.proto.text for bar in page.app.get("progress")]


def sources(page):
    return page.app.dataframe[0].value.set_index("Source")


def ask(page, sql: str):
    """Type a query and run it."""
    page.app.text_area(key="data_sql_text").set_value(sql)
    return page.press("Run")


def answer(page):
    """The rows of the answer, which stand under the columns of a table."""
    return page.app.dataframe[1].value


class TestSources:
    def test_bundled_figures(self, open_page, data):
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
        text = " ".join(page.texts("markdown"))
        assert "`energy_7V9E_surrogate.tfrecord` 614 MB" in text.replace("\u00a0", " ")
        assert labels(page).count("Download") == 3
        assert page.params == {}

    def test_download_from_the_page_counts_without_a_restart(self, open_page, data, released):
        page = open_page("data")
        released.hold_after = 70_000
        page.press(f"data_get_{NAME}").works()
        until(lambda: jobs.jobs(data)[0].bytes_done >= 65_536)
        page.app.run()
        assert f"65.5 kB of {len(released.body) / 1e3:.0f} kB" in progress(page)[0].replace("\u00a0", " ")
        assert progress(page)[0].startswith("Downloading")
        released.let_go()
        settled(page, data)
        assert jobs.jobs(data)[0].state == "done"
        assert page.facts["Official files"][0] == "8 of 10"
        assert sources(page).loc[NAME, "From"] == "Ingested"
        assert sources(page).loc[NAME, "Checked"] == "official SHA-256, when ingested"
        page.go("explore").works()
        [cell] = stand_in.cells_without_accuracy(1)
        page.go("data")
        ask(
            page.set("data_section", "sql"),
            f"select accuracy_source from benchmark where space = '5V' and epochs = 108 and hash = '{cell.hash}'",
        )
        assert answer(page)["accuracy_source"].tolist() == [NAME]

    def test_cancel_and_resume(self, open_page, data, released):
        released.hold_after = 70_000
        page = open_page("data").press(f"data_get_{NAME}")
        until(lambda: jobs.jobs(data)[0].bytes_done >= 65_536)
        page.app.run()
        page.press(f"data_cancel_{jobs.jobs(data)[0].id}")
        settled(page, data)
        assert ":material/cancel: Cancelled. What was fetched is kept." in page.texts("caption")
        assert "65.5 kB of it fetched" in " ".join(page.texts("markdown")).replace("\u00a0", " ")
        released.let_go()
        settled(page.press("Resume"), data)
        assert page.facts["Official files"][0] == "8 of 10"
        assert released.asked[1] == "bytes=65536-"

    def test_failure_is_told_with_another_try(self, open_page, data, released):
        released.status = 404
        page = settled(open_page("data").press(f"data_get_{NAME}"), data)
        assert page.texts("error") == [
            html.plain(f"{released.url}/{NAME} answers 404 Not Found; check the base address.")
        ]
        released.status = 200
        page = settled(page.press("Try again"), data)
        assert page.texts("error") == []
        assert page.facts["Official files"][0] == "8 of 10"

    def test_machine_that_is_offline(self, open_page, data, released, monkeypatch):
        monkeypatch.setenv("ECNAS_BASE_URL", "http://127.0.0.1:9")
        page = settled(open_page("data").press(f"data_get_{NAME}"), data)
        assert "the server cannot be reached" in page.texts("error")[0]
        assert "Try again" in labels(page)
        page.press("Dismiss").works()
        assert page.texts("error") == []
        assert jobs.jobs(data) == []

    def test_file_by_its_path(self, open_page, data, tmp_path):
        path = stand_in.write_own(tmp_path / "own.tfrecord")
        page = open_page("data")
        page.app.text_input(key="data_path").set_value(str(path))
        page = settled(page.press("Ingest"), data)
        done = [
            text for text in page.texts("caption") if "12 training results of 3 cells, your own: in the view" in text
        ]
        assert len(done) == 1
        row = sources(page).loc["own.tfrecord"]
        assert (row["Results"], row["Cells"], row["Licence"], row["Energy"]) == (12, 3, "your own", "measured, scaled")
        assert row["Checked"].startswith("own file, SHA-256 begins")
        page.press("Dismiss").works()
        assert done[0] not in page.texts("caption")

    def test_file_that_is_none(self, open_page, data, tmp_path):
        path = tmp_path / "no.tfrecord"
        path.write_bytes(b"no TFRecord file, however long one looks at it")
        page = open_page("data")
        page.app.text_input(key="data_path").set_value(str(path))
        page = settled(page.press("Ingest"), data)
        assert "record 1, byte 0" in page.texts("error")[0]
        assert {"Try again", "Dismiss"} <= set(labels(page))

    def test_nothing_chosen_is_said(self, open_page, data):
        page = open_page("data").press("Ingest").works()
        assert page.texts("error") == ["No path is given; write the path of a TFRecord file."]
        page = page.press("Upload and ingest").works()
        assert page.texts("error") == ["No file is chosen; choose a TFRecord file first."]

    def test_back_to_bundled_and_undo(self, open_page, data, tmp_path):
        for number in (1, 2):
            jobs.start_ingest(stand_in.write_own(tmp_path / f"own{number}.tfrecord", number), data)
        until(lambda: not any(job.running for job in jobs.jobs(data)))
        page = open_page("data").works()
        assert page.facts["Ingested"][0] == "2"
        page.press("Go back to bundled").works()
        assert page.facts["Ingested"][0] == "0"
        assert not list((data / "results").glob("*.parquet"))
        page = settled(page.press("Bring back"), data)
        assert page.facts["Ingested"][0] == "2"
        [first, _] = sorted(path.name for path in (data / "results").glob("*.parquet"))
        page = settled(page.press(f"data_remove_{first}"), data)
        assert page.facts["Ingested"][0] == "1"
        assert catalogue.set_aside(data)[0].files == (first,)

    def test_results_deleted_by_hand(self, open_page, data, released):
        jobs.start_ingest(released.path, data)
        until(lambda: not any(job.running for job in jobs.jobs(data)))
        (data / "results" / OUTPUT).unlink()
        page = open_page("data").works()
        assert page.texts("warning") == [f"The benchmark still counts {NAME}, whose results are no longer there."]
        page = settled(page.press("Derive it anew"), data)
        assert page.texts("warning") == []


class TestSql:
    def test_opens_with_an_example_its_chart_and_table(self, open_page, data):
        page = open_page("data", section="sql").works()
        truth = duckdb.sql(
            f"select coalesce(validation_accuracy_108, predicted_accuracy_108) as accuracy "
            f"from '{BUNDLED}/benchmark/7V.parquet' where accuracy > 0.94 and surrogate_energy_wh_4_epochs >= 3.15"
        ).df()
        assert len(answer(page)) == len(truth)
        assert sorted(answer(page)["validation_accuracy"]) == pytest.approx(sorted(truth["accuracy"]))
        figure = page.figure("data_sql_picture")
        assert figure["layout"]["xaxis"]["title"]["text"] == "energy_kwh"
        assert sum(len(trace["x"]) for trace in figure["data"]) == len(truth)
        assert page.params == {"section": "sql"}

    def test_query_is_run_and_stands_in_the_link(self, open_page, data):
        sql = "select vertices, count(*) as cells from cells group by vertices order by vertices"
        page = ask(open_page("data", section="sql"), sql).works()
        truth = duckdb.sql(
            f"select vertices, count(*) as cells from '{BUNDLED}/benchmark/7V.parquet' group by all order by all"
        ).df()
        assert answer(page)["cells"].tolist() == truth["cells"].tolist()
        assert page.params == {"section": "sql", "sql": sql}
        assert "6 rows, 2 columns" in " ".join(page.texts("markdown"))
        again = open_page("data", **page.params).works()
        assert again.app.text_area(key="data_sql_text").value == sql
        assert answer(again)["cells"].tolist() == truth["cells"].tolist()
        assert again.go("explore").go("data").works().app.text_area(key="data_sql_text").value == sql

    def test_chart_is_chosen_and_stands_in_the_link(self, open_page, data):
        sql = "select space, epochs, avg(training_time_s) as s, count(*) as n from benchmark group by all order by all"
        page = ask(open_page("data", section="sql"), sql).works()
        assert page.figure("data_sql_picture")["layout"]["yaxis"]["title"]["text"] == "s"
        page.set("data_sql_y", "n").works()
        assert page.figure("data_sql_picture")["layout"]["yaxis"]["title"]["text"] == "n"
        page.set("data_sql_kind", "bar").works()
        bars = page.figure("data_sql_picture")["data"]
        assert {trace["type"] for trace in bars} == {"bar"}
        assert page.params["chart"] == "bar"
        assert page.params["y"] == "n"
        again = open_page("data", **page.params).works()
        assert again.figure("data_sql_picture")["data"] == bars
        page.set("data_sql_kind", "line").set("data_sql_y", "s").works()
        assert "chart" not in page.params or page.params["chart"] == "line"

    @pytest.mark.parametrize(
        ("sql", "told"),
        [
            ("select * from benchmrk", "There is no public table 'benchmrk' (did you mean 'benchmark'?)"),
            ("drop table cells", "DROP is not allowed, nothing can be changed here"),
            ("select energy from benchmark", "Binder Error"),
            ("select * from read_csv('/etc/passwd')", "No table function 'read_csv' is allowed here"),
            ("", "There is no query; write one, such as select \\* from benchmark limit 10"),
            ("select sum(a.epochs) from results a, results b, results c", "The query ran past its 5 s and was ended"),
        ],
    )
    def test_error_is_told_and_the_query_kept(self, open_page, data, sql, told):
        page = ask(open_page("data", section="sql"), sql).works()
        assert page.texts("error")[0].startswith(told)
        assert page.app.text_area(key="data_sql_text").value == sql
        page = ask(page, "select 1 as one, 2 as two").works()
        assert page.texts("error") == []
        assert answer(page).values.tolist() == [[1, 2]]

    def test_answer_that_is_cut_off_says_so(self, open_page, data):
        page = ask(open_page("data", section="sql"), "select hash, epochs from results").works()
        assert "100\u202f000 rows, 2 columns" in " ".join(page.texts("markdown"))
        assert "cut off: there are more rows" in " ".join(page.texts("markdown"))

    def test_answer_without_rows_or_numbers(self, open_page, data):
        page = ask(open_page("data", section="sql"), "select * from cells where vertices = 9").works()
        assert page.texts("info") == ["No row matches: loosen the conditions after where."]
        page = ask(page, "describe benchmark").works()
        assert "Nothing to draw: a chart needs a column of numbers." in page.texts("caption")

    def test_values_of_any_type_are_shown(self, open_page, data):
        sql = (
            "select 1 as n, [1, 2] as list, {'a': 1} as struct, map {'k': 2} as map, 'x'::blob as bytes, "
            "interval 1 day as span, time '10:00' as at, date '2024-01-01' as day, uuid() as id, "
            "'1'::bit as bits, 1.5::decimal(4, 1) as decimal, null as nothing, 2::hugeint as huge, true as flag"
        )
        page = ask(open_page("data", section="sql"), sql).works()
        assert page.texts("error") == []
        assert len(answer(page).columns) == 14

    def test_query_too_long_for_a_link_says_so(self, open_page, data):
        page = ask(open_page("data", section="sql"), f"select 1 as a, 2 as b -- {'x' * 5000}").works()
        assert answer(page).values.tolist() == [[1, 2]]
        assert page.params == {"section": "sql"}
        assert any("too long for the address" in text for text in page.texts("caption"))

    def test_columns_of_a_table_have_meanings(self, open_page, data):
        page = open_page("data", section="sql").set("data_sql_view", "results").works()
        shown = page.app.dataframe[0].value
        schema = pq.read_schema(BUNDLED / "results" / "nasbench101-sample.parquet")
        assert list(shown["Column"]) == schema.names
        assert all(shown["Meaning"])

    def test_copy_as_python_runs(self, open_page, data, tmp_path, monkeypatch):
        page = ask(
            open_page("data", section="sql"), 'select epochs, count(*) as "a""b" from results group by 1'
        ).works()
        [code] = [block.value for block in page.app.code]
        monkeypatch.chdir(tmp_path)
        exec(compile(code, "copied", "exec"), {})
        assert (tmp_path / "answer.html").stat().st_size > 100_000

    def test_broken_links_are_told(self, open_page, data):
        page = open_page("data", section="nothing").works()
        assert "the page Data has no section 'nothing'" in page.texts("warning")[0]
        page = open_page("data", section="sql", chart="pie").works()
        assert "there is no chart 'pie'" in page.texts("warning")[0]
        page = open_page("data", sql="select 1 as a, 2 as b").works()
        assert answer(page).values.tolist() == [[1, 2]]

    def test_history_lists_queries_of_the_session(self, open_page, data):
        page = open_page("data", section="sql")
        ask(page, "select 1 as a")
        ask(page, "select nonsense")
        ask(page, "select 1 as a")
        history = page.app.session_state["data_sql_history"]
        assert list(history.items()) == [
            (next(iter(EXAMPLES.values())), history[next(iter(EXAMPLES.values()))]),
            ("select nonsense", "failed"),
            ("select 1 as a", "1 row"),
        ]
