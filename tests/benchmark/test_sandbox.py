from __future__ import annotations

import inspect
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
import psutil
import pytest

from ecnas_core.benchmark import layout as layouts
from ecnas_core.benchmark import sandbox
from ecnas_core.benchmark.sandbox import MemoryLimit, QueryFailed, Refused, SandboxError, SandboxResult, TimeLimit
from tests.waiting import until

ENDLESS = "select count(*) from range(1000000000000::bigint)"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> layouts.Layout:
    return layouts.scan(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module")
def opened(layout: layouts.Layout) -> duckdb.DuckDBPyConnection:
    """The connection of the process, in this one: what it forbids holds without the check."""
    paths = [str(path) for path in layout.paths]
    return sandbox._open({"views": ";\n".join(layout.statements()), "paths": paths, "memory_bytes": 1 << 30})


class Here:
    """In the place of the process of a query: the same answer from this one, without the limits of the system."""

    pid = returncode = 0

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to end."""

    def communicate(self, request: bytes, _: float) -> tuple[bytes, bytes]:
        output = io.TextIOWrapper(io.BytesIO())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", output)
            report = sandbox._answer(json.loads(request))
        self.returncode = 1 if "error" in report else 0
        return output.buffer.getvalue(), json.dumps(report).encode()

    def poll(self) -> int:
        return self.returncode


@pytest.fixture
def here(opened: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are answered in this process, which saves the third of a second that another takes to begin."""
    system = SimpleNamespace(**vars(subprocess) | {"Popen": lambda *_, **__: Here()})
    monkeypatch.setattr(sandbox, "subprocess", system)
    monkeypatch.setattr(sandbox, "_limit", lambda *_: None)
    monkeypatch.setattr(sandbox, "_open", lambda _: opened.cursor())


def rows(result: SandboxResult) -> list[tuple[Any, ...]]:
    return list(result.frame.itertuples(index=False, name=None))


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and any("sandbox" in part for part in child.cmdline())
    ]


def running_query() -> psutil.Process:
    """Wait for a child that has put its limits in force."""
    begun: list[psutil.Process] = []
    until(lambda: begun.extend(each for each in children() if each.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)) or begun)
    return begun[0]


RIGHT = [
    ("select count(*) from cells", [(423_624,)]),
    ("from cells select count(*) where vertices <= 4;", [(91,)]),
    ("-- a comment; with a semicolon\nselect 1 /* ; */ ; -- and one more", [(1,)]),
    ("with small as (select * from main.cells where vertices <= 5) select count(*) from small", [(2_532,)]),
    (
        "with cells as (select 1 as a), b as (select a + 1 as a from cells) from b union all from cells order by a",
        [(1,), (2,)],
    ),
    (
        "with recursive f(n, product) as (select 1, 1 union all select n + 1, product * (n + 1) from f "
        "where n < 5) select max(product) from f",
        [(120,)],
    ),
    (
        "select vertices, count(*) as n from cells group by all having n < 1000 order by vertices",
        [(2, 1), (3, 6), (4, 84)],
    ),
    (
        "select vertices, row_number() over (partition by vertices order by trainable_parameters) as place "
        "from cells where vertices <= 3 qualify place = 1 order by vertices",
        [(2, 1), (3, 1)],
    ),
    (
        "select count(*) from cells join benchmark using (hash) where benchmark.space = '4V' and epochs = 108",
        [(91,)],
    ),
    ("select unnest([3, 1, 2]) as x order by x desc", [(3,), (2,), (1,)]),
    ("select i, j from range(2) t(i), lateral (select i + 10) u(j) order by i", [(0, 10), (1, 11)]),
    ("select list_sum([x * 2 for x in [1, 2, 3] if x > 1])", [(10,)]),
    ("select (select max(vertices) from cells), exists (from cells where vertices = 8)", [(7, False)]),
    ("values (1, 'a'), (2, 'b')", [(1, "a"), (2, "b")]),
    (
        "pivot (from cells where vertices in (3, 4)) on vertices in (3, 4) using count(*) group by space",
        [("4V", 6, 84)],
    ),
    ("select 'abc'.upper(), (date '2024-02-28' + 1)::varchar", [("ABC", "2024-02-29")]),
    ("select sum(i) from range(5) t(i)", [(10.0,)]),
    ("select 1 as a, 2 as a, 3 as a", [(1, 2, 3)]),
    ("select '{\"a\": [1, 2]}'::json->>'$.a[1]', 'abc' similar to 'a.c', 5 between 1 and 6", [("2", True, True)]),
]


def test_right_queries_pass_the_check(opened: duckdb.DuckDBPyConnection) -> None:
    wrong = []
    for text, expected in RIGHT:
        cursor = opened.cursor()
        try:
            sandbox.check(cursor, text)
        except Refused as error:
            wrong.append((text, error))
        else:
            found = cursor.sql(text).fetchall()
            wrong += [] if found == expected else [(text, found)]
    assert wrong == []


@pytest.mark.usefixtures("here")
def test_right_queries_give_right_values(layout: layouts.Layout) -> None:
    results = {text: sandbox.run(text, layout) for text, _ in RIGHT[::4]}
    assert {text: rows(result) for text, result in results.items()} == dict(RIGHT[::4])
    assert not any(result.truncated for result in results.values())
    assert min(result.seconds for result in results.values()) > 0


def test_a_process_gives_the_right_values(layout: layouts.Layout) -> None:
    result = sandbox.run("select count(*) from cells join benchmark using (hash) where benchmark.space = '4V'", layout)
    assert rows(result) == [(4 * 91,)]
    assert not result.truncated
    assert result.seconds > 0


@pytest.mark.usefixtures("here")
def test_describe_summarize_and_explain(layout: layouts.Layout) -> None:
    described = sandbox.run("describe cells", layout).frame
    assert described["column_name"].tolist()[:3] == ["hash", "space", "vertices"]
    summary = sandbox.run("summarize select vertices from cells where vertices <= 4", layout).frame
    assert summary.loc[0, ["column_name", "min", "max", "count"]].tolist() == ["vertices", "2", "4", 91]
    plan = sandbox.run("/* how? */ explain select * from benchmark where hash = 'a'; -- so", layout).frame
    assert "Read Parquet" in plan.loc[0, "explain_value"]


@pytest.mark.usefixtures("here")
def test_plans_of_the_views_name_no_path_of_this_machine(layout: layouts.Layout) -> None:
    everything = " union all by name ".join(f"from {view}" for view in sandbox.VIEWS)
    plan = sandbox.run(f"explain {everything}", layout).frame.loc[0, "explain_value"]
    assert ".parquet" not in plan
    assert layout.bundled.parts[1] + os.sep not in plan


@pytest.mark.usefixtures("here")
def test_values_of_all_kinds(layout: layouts.Layout) -> None:
    frame = sandbox.run(
        """
        select null as nothing, 'nan'::double as nan, '-inf'::float as infinite,
            170141183460469231731687303715884105727::hugeint as huge, 1.25::decimal(9, 2) as decimal,
            interval 14 month as span, timestamp '2024-02-29 12:30:00' as moment, date '9999-12-31' as day,
            timestamptz '2024-02-29 12:30:00+00' as zoned, '\\xFF\\x00'::blob as blob, [1, null] as list,
            {'a': 1, 'b': ['x']} as struct, map {'k': 1} as map, 'é\u4e16' as text, 'b'::enum('a', 'b') as choice,
            time '10:00:00' as clock, 'a52c8b5e-8b0b-4e4c-9d50-6d1a2f4b8c11'::uuid as uuid
        """,
        layout,
    ).frame
    value = frame.iloc[0].to_dict()
    assert value["nothing"] is None
    assert math.isnan(value["nan"])
    assert value["infinite"] == -math.inf
    assert value["huge"] == pytest.approx(2.0**127)
    assert value["decimal"] == 1.25
    assert value["span"] == pd.DateOffset(months=14, days=0, nanoseconds=0)
    assert value["moment"] == datetime(2024, 2, 29, 12, 30)
    assert value["day"] == datetime(9999, 12, 31)
    assert value["zoned"] == pd.Timestamp("2024-02-29 12:30", tz="UTC")
    assert value["blob"] == b"\xff\x00"
    assert value["list"][0] == 1
    assert math.isnan(value["list"][1])
    assert value["struct"]["a"] == 1
    assert value["struct"]["b"].tolist() == ["x"]
    assert value["map"] == [("k", 1)]
    assert value["text"] == "é\u4e16"
    assert value["choice"] == "b"
    assert value["clock"].hour == 10
    assert value["uuid"] == "a52c8b5e-8b0b-4e4c-9d50-6d1a2f4b8c11"
    assert frame["infinite"].dtype == "float32"


@pytest.mark.usefixtures("here")
def test_column_names_are_unique(layout: layouts.Layout) -> None:
    frame = sandbox.run("select 1 as a, 2 as a, 3 as b, 4 as a, 5 as a_1", layout).frame
    assert frame.columns.tolist() == ["a", "a_1", "b", "a_2", "a_1_1"]


@pytest.mark.usefixtures("here")
def test_no_rows_keep_their_columns(layout: layouts.Layout) -> None:
    result = sandbox.run("select hash, vertices from cells where false", layout)
    assert result.frame.columns.tolist() == ["hash", "vertices"]
    assert len(result.frame) == 0
    assert not result.truncated


REFUSED = [
    # files
    ("select * from read_csv('/etc/passwd')", "read_csv"),
    ("select * from read_text('/etc/passwd')", "read_text"),
    ("select content from read_blob(['/etc/passwd'])", "read_blob"),
    ("select * from '/tmp/file.parquet'", "files cannot be read"),
    ("from 'https://example.org/file.csv'", "files cannot be read"),
    ("from glob('/*')", "glob"),
    ("from sniff_csv('/etc/passwd')", "sniff_csv"),
    ("from parquet_metadata('{path}')", "parquet_metadata"),
    ("from read_parquet('{path}')", "read_parquet"),
    ("from parquet_scan('{path}')", "parquet_scan"),
    ('from "{path}"', "files cannot be read"),
    ("describe '{path}'", "files cannot be read"),
    ("summarize from '{path}'", "files cannot be read"),
    # writing, attaching, loading, settings
    ("copy cells to '/tmp/stolen.csv'", "COPY"),
    ("copy (select 1) to '/dev/stdout'", "COPY"),
    ("copy cells from '/etc/passwd'", "COPY"),
    ("export database '/tmp/stolen'", "EXPORT"),
    ("import database '/tmp/stolen'", "PRAGMA"),
    ("attach '/tmp/other.db' as other", "ATTACH"),
    ("detach memory", "DETACH"),
    ("use memory", "SET"),
    ("install httpfs", "LOAD"),
    ("load httpfs", "LOAD"),
    ("set enable_external_access = true", "SET"),
    ("set variable secret = 1", "SET"),
    ("reset memory_limit", "SET"),
    ("pragma database_list", "PRAGMA"),
    ("pragma threads = 64", "PRAGMA|SET"),
    ("call pragma_version()", "CALL"),
    ("vacuum", "VACUUM"),
    ("checkpoint", "CALL"),
    ("begin transaction", "TRANSACTION"),
    # changes
    ("insert into cells values (1)", "INSERT"),
    ("update cells set space = '7V'", "UPDATE"),
    ("delete from cells", "DELETE"),
    ("truncate cells", "DELETE"),
    ("merge into cells using runs on true when matched then delete", "MERGE"),
    ("create table x as select 1", "CREATE"),
    ("create temp table x (a int)", "CREATE"),
    ("create or replace view cells as select 1", "CREATE"),
    ("create macro f(x) as table from read_csv(x)", "CREATE"),
    ("create type t as enum ('a')", "CREATE"),
    ("create secret (type s3)", "CREATE"),
    ("drop view cells", "DROP"),
    ("alter view cells rename to other", "ALTER"),
    ("comment on view cells is 'mine'", "ALTER"),
    ("with x as (delete from cells returning *) select * from x", "DELETE"),
    ("with x as (insert into cells values (1) returning *) select * from x", "INSERT"),
    ("with x as (update cells set space = 'a' returning *) select * from x", "UPDATE"),
    ("select * from (with x as (delete from cells returning *) from x)", "DELETE"),
    # several statements, prepared ones, parameters
    ("select 1; select 2", "2 statements"),
    ("select 1 /* ; */; -- ;\n drop view cells", "2 statements"),
    ("select ';' ; copy cells to '/tmp/x'", "2 statements"),
    ("prepare q as select 1", "PREPARE"),
    ("execute q", "EXECUTE"),
    ("deallocate q", "DROP"),
    ("select ?", "parameters"),
    ("select $path", "parameters"),
    ("", "no query"),
    (" ;; -- nothing", "no query"),
    # SQL in strings, functions that look beyond their arguments
    ("from query('copy cells to ''/tmp/x''')", "query"),
    ("from query_table('cells')", "query_table"),
    ("from query_table(['_files', 'cells'])", "query_table"),
    ("from json_execute_serialized_sql('{{}}')", "json_execute"),
    ("select json_serialize_plan('select * from cells')", "json_serialize_plan"),
    ("select getenv('HOME')", "getenv"),
    ("select system.main.getenv('HOME')", "getenv"),
    ("select 'HOME'.getenv()", "getenv"),
    ("select getvariable('x')", "getvariable"),
    ("select current_setting('allowed_paths')", "current_setting"),
    ("select pg_catalog.pg_get_viewdef(1)", "pg_get_viewdef"),
    ("select write_log('x')", "write_log"),
    ("select sleep_ms(100000)", "sleep_ms"),
    ("select nextval('s')", "nextval"),
    ("select finalize('\\x00'::blob)", "finalize"),
    ("select row_number() over (order by current_setting('home_directory')) from cells", "current_setting"),
    ("select 1 from cells order by getenv('HOME') limit getenv('N')::int", "getenv"),
    ("select list_transform([1], lambda x: getenv('HOME'))", "getenv"),
    ("select columns(c -> getenv(c) = '') from cells", "getenv|->"),
    ("select count(*) filter (where getenv('A') = '') from cells group by rollup (getenv('B'))", "getenv"),
    ("select current_user()", "current_user"),
    ("select version()", "version"),
    # the catalog
    ("select * from duckdb_settings()", "duckdb_settings"),
    ("select sql from duckdb_views()", "duckdb_views"),
    ("select sql from duckdb_views", "duckdb_views"),
    ("select * from information_schema.tables", "information_schema"),
    ("from pg_catalog.pg_views", "pg_catalog"),
    ("from sqlite_master", "sqlite_master"),
    ("from pragma_table_info('cells')", "pragma_table_info"),
    ("show tables", "benchmark, cells"),
    ("show all tables", "benchmark, cells"),
    ("show databases", "benchmark, cells"),
    ("from (show tables)", "benchmark, cells"),
    ("describe", "benchmark, cells"),
    # internal views and other catalogs
    ("from _files", "results"),
    ('select * from memory.main."_files"', "memory.main._files"),
    ('select * from "MEMORY"."MAIN"."DUCKDB_VIEWS"', "duckdb_views"),
    ("from system.main.duckdb_views", "system.main.duckdb_views"),
    ("from temp.cells", "temp.cells"),
    ("from other.cells", "other.cells"),
    # python variables as tables
    ("from layout", "layout"),
    ("from request", "request"),
    # names of common table expressions that do not reach where they are used
    ("with duckdb_views as (select * from duckdb_views) from duckdb_views", "duckdb_views"),
    ("with recursive duckdb_views as (select * from duckdb_views) from duckdb_views", "duckdb_views"),
    ("with recursive v as (select 1 union all from v), w as (from duckdb_views) from w", "duckdb_views"),
    (
        "with recursive duckdb_views as (select sql from duckdb_views union all select '' from duckdb_views) "
        "from duckdb_views",
        "duckdb_views",
    ),
    ("from (with duckdb_views as (select 1) from duckdb_views) a, duckdb_views", "duckdb_views"),
    ("with a as (from b), b as (select 1) from a", "'b'"),
    ("with duckdb_views as (select 1) from main.duckdb_views", "main.duckdb_views"),
    ('with "duc\u212adb_views" as (select 1) from duckdb_views', "duckdb_views"),
    ('with "/etc/passwd" as (select 1) from \'/etc/passwd\' , "/etc/group"', "/etc/group"),
    # hidden places
    ("select (select (select 1 from read_csv('/etc/passwd') limit 1))", "read_csv"),
    ("select * from cells, lateral (from read_text(cells.hash))", "read_text"),
    ("select 1 union all (select 2 except from glob('*'))", "glob"),
    ("select * from cells join 'x.csv' on true", "x.csv"),
    ("select 1 where 1 in (select size from read_blob('/etc/passwd'))", "read_blob"),
    ("pivot (from read_csv('/etc/passwd')) on a in (1) using count(*)", "read_csv"),
    ("unpivot 'x.csv' on a", "x.csv"),
    ("values ((select count(*) from 'x.csv'))", "x.csv"),
    ("from range((select count(*) from 'x.csv'))", "x.csv"),
    ("select * from (from cells using sample 5 rows) where hash in (from 'x.csv')", "x.csv"),
    ("pivot cells on space using count(*)", "PIVOT needs its values"),
    # explain
    ("explain analyze select 1", "EXPLAIN"),
    ("explain (format json) select 1", "EXPLAIN"),
    ("explain delete from cells", "DELETE"),
    ("explain copy cells to '/tmp/x'", "COPY"),
    ("explain from read_csv('/etc/passwd')", "read_csv"),
    # unicode
    ("select\u00a0*\u3000from\u00a0'x.csv'", "x.csv"),
    ("\ufeffcopy cells to '/tmp/x'", "COPY"),
    ("select ｇetenv('a')", "etenv"),
    ('from "cells\u200b"', "cells"),
]


def test_only_what_is_public_passes_the_check(layout: layouts.Layout) -> None:
    connection, wrong = duckdb.connect(), []
    for pattern, reason in REFUSED:
        text = pattern.replace("{path}", str(layout.paths[0])).replace("{{}}", "{}")
        try:
            sandbox.check(connection, text)
        except Refused as refused:
            told = str(refused)
            if not re.search(reason, told) or "\n" in told or len(told) >= 400:
                wrong.append((text, told))
        except duckdb.Error as error:
            wrong.append((text, f"not SQL, so not an attack: {error}"))
        else:
            wrong.append((text, "passes"))
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "select * from read_csv('/etc/passwd')",
        "copy cells to '/tmp/ecnas-sandbox-stolen.csv'",
        "set enable_external_access = true",
        "with x as (delete from cells returning *) select * from x",
        "select 1; select 2",
        "select getenv('HOME')",
    ],
)
@pytest.mark.usefixtures("here")
def test_refusals_reach_the_caller(layout: layouts.Layout, text: str) -> None:
    with pytest.raises(Refused):
        sandbox.run(text, layout)
    assert not list(Path("/tmp").glob("ecnas-sandbox-stolen*"))


def test_the_process_forbids_it_too(opened: duckdb.DuckDBPyConnection, layout: layouts.Layout, tmp_path: Path) -> None:
    texts = [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "from '{other}'",
        "from glob('{folder}/*')",
        "copy (select 1) to '{folder}/stolen.csv'",
        "copy (select 1) to '{path}'",
        "export database '{folder}/stolen'",
        "attach '{folder}/stolen.db' as other",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set allowed_paths = ['/etc/passwd']",
        "set memory_limit = '100GB'",
        "set temp_directory = '{folder}'",
        "pragma enable_profiling = 'json'",
        "set python_enable_replacements = true",
        "from bait",
    ]
    bait = pd.DataFrame({"secret": [1]})
    other = tmp_path / "other.parquet"
    bait.to_parquet(other)
    before = layout.paths[0].stat()
    for pattern in texts:
        text = pattern.format(other=other, folder=tmp_path, path=layout.paths[0])
        try:
            opened.cursor().execute(text).fetchall()
        except duckdb.Error:
            assert list(tmp_path.iterdir()) == [other], text
            assert layout.paths[0].stat() == before, text
        else:
            pytest.fail(f"not forbidden: {text}")


def test_allowed_functions_exist_and_those_that_look_beyond_their_arguments_are_not_among_them() -> None:
    known = duckdb.sql("select lower(function_name), function_type, stability from duckdb_functions()").fetchall()
    assert sandbox.FUNCTIONS - {name for name, _, _ in known} <= {"->"}
    allowed = [(name, kind, stability) for name, kind, stability in known if name in sandbox.FUNCTIONS]
    chance = {"gen_random_uuid", "random", "uuid", "uuidv4", "uuidv7"}
    assert {name for name, _, stability in allowed if stability == "VOLATILE"} == chance
    clock = {"current_date", "get_current_time", "get_current_timestamp", "now", "today", "transaction_timestamp"}
    assert {name for name, _, stability in allowed if stability == "CONSISTENT_WITHIN_QUERY"} == clock
    tables = {name for name, kind, _ in allowed if kind in ("table", "table_macro", "pragma")}
    assert tables == {"generate_series", "histogram", "range", "repeat", "unnest"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("select energy from benchmark", 'Candidate bindings: .*"energy_kwh"'),
        ("select (" + "(" * 3000 + "1" + ")" * 3000 + ")", "depth limit"),
        ("select sum(hash) from cells", "No function matches"),
        ("select union_value(x := 1)", "cast it to varchar"),
        ("select repeat('x', 80000000)", "a row of the answer is larger than 64 MiB"),
    ],
)
@pytest.mark.usefixtures("here")
def test_wrong_queries_fail_with_the_reason(layout: layouts.Layout, text: str, message: str) -> None:
    with pytest.raises(QueryFailed, match=message) as failed:
        sandbox.run(text, layout)
    assert "\n" not in str(failed.value)
    assert "LINE" not in str(failed.value)
    assert "SET " not in str(failed.value)


@pytest.mark.parametrize(
    ("text", "close"), [("from result", "results"), ("select uper('a')", "upper"), ("from rang(3)", "range")]
)
def test_refusals_offer_the_close_name(text: str, close: str) -> None:
    connection = duckdb.connect()
    with pytest.raises(Refused, match=f"did you mean '{close}'"):
        sandbox.check(connection, text)


def test_messages_do_not_name_paths_of_this_machine(tmp_path: Path) -> None:
    gone = tmp_path / "gone.parquet"
    views = f"create view cells as from read_parquet('{gone}')"
    report = sandbox._answer({"text": "from cells", "views": views, "paths": [str(gone)], "memory_bytes": 1 << 30})
    assert report["error"] == "QueryFailed"
    assert "gone.parquet" in report["message"]
    assert str(tmp_path) not in report["message"]


def test_a_query_has_five_seconds_unless_told_otherwise() -> None:
    assert inspect.signature(sandbox.run).parameters["seconds"].default == 5


@pytest.mark.parametrize(
    "text",
    [
        "select levenshtein(repeat('a', 200000), repeat('b', 200000))",  # one call that heeds no interrupt
        "with recursive t as (select 1 as a union all select a + 1 from t) select count(*) from t",
        "select count(*) from cells a, cells b, cells c where a.vertices + b.vertices > c.vertices",
        "select sum(length(regexp_replace(repeat('ab', 1000 + i::int), '(a|b|ab)*c', ''))) from range(1000000) t(i)",
    ],
)
def test_long_queries_are_ended(layout: layouts.Layout, text: str) -> None:
    with pytest.raises(TimeLimit, match=r"past its 0\.1 s"):
        sandbox.run(text, layout, seconds=0.1)
    assert not children()


@pytest.mark.parametrize(
    "text",
    [
        "select repeat('x', 2000000000)",
        "select list(i) from range(1000000000) t(i)",
        "select a.hash, b.hash from cells a, cells b order by a.hash || b.hash desc, b.hash || a.hash",
    ],
)
def test_queries_past_their_memory_are_ended(layout: layouts.Layout, text: str) -> None:
    with pytest.raises(MemoryLimit, match=r"more than its 0\.25 GiB"):
        sandbox.run(text, layout, seconds=30, memory_bytes=1 << 28)


def test_the_default_limit_of_memory(layout: layouts.Layout) -> None:
    with pytest.raises(MemoryLimit, match="more than its 1 GiB"):
        sandbox.run("select list_sum(range(200000000))", layout)
    assert rows(sandbox.run("select count(*) from (select * from cells order by hash)", layout)) == [(423_624,)]


@pytest.mark.usefixtures("here")
def test_many_rows_are_cut(layout: layouts.Layout) -> None:
    result = sandbox.run("select i from range(1000000000000::bigint) t(i)", layout)
    assert result.truncated
    assert result.frame["i"].tolist() == list(range(sandbox.MAX_ROWS))


@pytest.mark.usefixtures("here")
def test_the_cap_of_rows_is_exact(layout: layouts.Layout) -> None:
    results = [sandbox.run("select i from range(4096) t(i)", layout, max_rows=most) for most in (4096, 4095)]
    assert [(len(result.frame), result.truncated) for result in results] == [(4096, False), (4095, True)]


def test_many_bytes_are_cut(layout: layouts.Layout) -> None:
    result = sandbox.run("select repeat('x', 10000) as x from range(10000000)", layout)
    assert result.truncated
    assert 32 << 20 < result.frame["x"].str.len().sum() <= sandbox.MAX_BYTES


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("(" * 100_000, 1),
        ("select '\ud800'", 1),
        ("select " + "[" * 20_000 + "]" * 20_000, 1),
        ("select 1" + " union all select 1" * 20_000, 0.2),
        ("from " + "(from " * 10_000 + "cells" + ")" * 10_000, 1),
    ],
)
def test_monstrous_texts_end_with_a_named_error(layout: layouts.Layout, text: str, seconds: float) -> None:
    with pytest.raises(SandboxError) as ended:
        sandbox.run(text, layout, seconds=seconds)
    assert type(ended.value) in (Refused, QueryFailed, TimeLimit, MemoryLimit)
    assert len(str(ended.value)) < 700


def test_an_end_by_the_system_is_named() -> None:
    """What the process was ended by is its exit status; that of one that was killed is really seen further down."""
    for ending, error, message in [
        (signal.SIGKILL, MemoryLimit, "the system killed"),
        (signal.SIGXCPU, TimeLimit, "past its 60 s"),
        (signal.SIGSEGV, QueryFailed, "broke down .*SIGSEGV"),
    ]:
        failure = sandbox._failure(-ending, {}, "", 60, 1 << 30)
        assert type(failure) is error, ending
        assert re.search(message, str(failure)), ending


def test_an_abort_for_lack_of_memory_is_named() -> None:
    words = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"
    assert isinstance(sandbox._failure(-signal.SIGABRT, {}, words, 5, 1 << 30), MemoryLimit)
    assert isinstance(sandbox._failure(-signal.SIGABRT, {}, "", 5, 1 << 30), QueryFailed)


def test_the_process_holds_no_secret_and_can_write_nothing(
    layout: layouts.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", "hush")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(sandbox.run, ENDLESS, layout, seconds=60)
        process = running_query()
        assert "SOME_API_TOKEN" not in process.environ()
        assert os.getpgid(process.pid) == process.pid
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        soft, hard = process.rlimit(psutil.RLIMIT_CPU)
        assert 60 * sandbox.THREADS < soft < hard < 60 * sandbox.THREADS + 20
        assert process.rlimit(psutil.RLIMIT_AS)[1] < 4 << 30
        process.kill()
        with pytest.raises(MemoryLimit, match="the system killed"):
            answer.result(30)


def test_a_process_that_does_not_start_is_given_up(layout: layouts.Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "START_SECONDS", 0.0)
    with pytest.raises(TimeLimit):
        sandbox.run("select 1", layout, seconds=0.01)
    assert not children()


def test_four_at_once_do_not_disturb_each_other(layout: layouts.Layout) -> None:
    seconds = {
        "select count(*) from cells": 60,
        ENDLESS: 1,
        "select list_sum(range(1000000000))": 60,
        "from 'x.csv'": 60,
    }
    barrier = threading.Barrier(len(seconds))

    def answer(text: str) -> Any:
        barrier.wait()
        try:
            return rows(sandbox.run(text, layout, seconds=seconds[text]))
        except SandboxError as error:
            return type(error)

    with ThreadPoolExecutor(len(seconds)) as pool:
        assert list(pool.map(answer, seconds)) == [[(423_624,)], TimeLimit, MemoryLimit, Refused]
    assert not children()
