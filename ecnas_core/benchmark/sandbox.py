"""Run one read-only query of a user's in a process of its own.

Two walls, each of which stands without the other. The query's syntax tree may only name the public views, its own
common table expressions, and functions that depend on nothing but their arguments (or the clock or chance). And the
process that runs it can read no file but those behind the views, write none, load nothing, change no setting, and is
ended by the system at its limits of time and memory: DuckDB's own interrupt does not stop every function.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ecnas_core.benchmark.layout import ROOT, Layout
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

VIEWS = ("benchmark", "cells", "evaluations", "measurements", "results", "runs")
MAX_ROWS = 100_000
_LAST_YEAR = 9999
MAX_BYTES = 64 << 20
THREADS = 2
START_SECONDS = 20.0
"""How long the process may take to start, apart from the time limit of the query."""


class SandboxError(EcnasError):
    """A user's query gave no answer."""


class Refused(SandboxError):
    """The query names or does something that is not allowed here; it was not run."""


class QueryFailed(SandboxError):
    """The query is wrong, or its answer cannot be shown."""


class TimeLimit(SandboxError):
    """The query ran too long and was ended."""

    exit_status = 1


class MemoryLimit(SandboxError):
    """The query needed too much memory and was ended."""

    exit_status = 1


@dataclass(frozen=True)
class SandboxResult:
    """The answer to a query.

    Attributes:
        frame: the rows, at most ``max_rows`` of them and 64 MiB.
        truncated: whether there are more rows than the frame holds.
        seconds: how long the query ran, without the start of its process.
    """

    frame: pd.DataFrame
    truncated: bool
    seconds: float


def run(
    text: str, layout: Layout, *, seconds: float = 5.0, memory_bytes: int = 1 << 30, max_rows: int = MAX_ROWS
) -> SandboxResult:
    """Run one query over the public views.

    Args:
        text: a SELECT, WITH, FROM, VALUES, PIVOT ... IN, DESCRIBE, SUMMARIZE or EXPLAIN.
        layout: the files behind the views.
        seconds: wall-clock limit of the query, in s.
        memory_bytes: how much memory the query may take beyond what its process starts with (enforced by the system
            on Linux, by DuckDB elsewhere).
        max_rows: how many rows to return at most.

    Raises:
        Refused: the query is not one that may run here.
        QueryFailed: DuckDB's word on what is wrong with it.
        TimeLimit: it was still running after ``seconds``.
        MemoryLimit: it asked for more than ``memory_bytes``.
    """
    request = {
        "text": text,
        "views": ";\n".join(layout.statements()),
        "paths": [str(path) for path in layout.paths],
        "seconds": seconds,
        "memory_bytes": memory_bytes,
        "max_rows": max_rows,
    }
    with subprocess.Popen(
        [sys.executable, "-B", "-W", "ignore", "-m", "ecnas_core.benchmark.sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=_environment(),
        start_new_session=True,
    ) as process:
        try:
            output, messages = process.communicate(json.dumps(request).encode(), seconds + START_SECONDS)
        except subprocess.TimeoutExpired:
            raise TimeLimit(_past_time(seconds)) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    report = _report(messages)
    if process.returncode or "seconds" not in report:
        raise _failure(process.returncode, report, messages.decode(errors="replace"), seconds, memory_bytes)
    return SandboxResult(_frame(pa.ipc.open_stream(output).read_all()), report["truncated"], report["seconds"])


def _environment() -> dict[str, str]:
    inherited = ("DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "TZ")
    return {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"} | {
        name: os.environ[name] for name in inherited if name in os.environ
    }


def _report(messages: bytes) -> dict[str, Any]:
    """Read what the process says of itself: the last line, if it came that far, is a JSON object."""
    try:
        report = json.loads(messages.splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def _failure(returncode: int, report: dict[str, Any], messages: str, seconds: float, memory_bytes: int) -> SandboxError:
    named = {error.__name__: error for error in (Refused, QueryFailed)}
    if report.get("error") in named:
        return named[report["error"]](report["message"])
    if -returncode in (signal.SIGALRM, signal.SIGXCPU):
        return TimeLimit(_past_time(seconds))
    remedy = "select fewer rows or columns, or aggregate before joining and sorting"
    if report.get("error") == "MemoryLimit" or re.search("bad_alloc|MemoryError|[Cc]annot allocate", messages):
        return MemoryLimit(f"the query needed more than its {memory_bytes / 2**30:.3g} GiB of memory; {remedy}")
    if -returncode == signal.SIGKILL:
        return MemoryLimit(f"the system killed the query, as it does when its memory runs out; {remedy}")
    ending = signal.Signals(-returncode).name if returncode < 0 else f"exit status {returncode}"
    evidence = " ".join([ending, *messages.splitlines()[-1:]])[:200]
    return QueryFailed(f"DuckDB broke down on this query ({evidence}); write it in a simpler way")


def _past_time(seconds: float) -> str:
    return (
        f"the query ran past its {seconds:g} s and was ended; narrow it, "
        "for instance with where space = '4V' and epochs = 108"
    )


def _frame(table: pa.Table) -> pd.DataFrame:
    """Make a frame as DuckDB does: decimals and huge integers as floats, and no column name twice."""
    names: list[str] = []
    for position, field in enumerate(table.schema):
        variants = (f"{field.name}_{number}" for number in count(1))
        names.append(next(name for name in chain([field.name], variants) if name not in names))
        if pa.types.is_decimal(field.type):
            table = table.set_column(position, field.name, table.column(position).cast(pa.float64()))
    table = table.rename_columns(names)
    try:
        frame = table.to_pandas(date_as_object=False)
    except pa.ArrowException as error:
        raise QueryFailed(f"a column cannot be shown ({str(error).splitlines()[0]}); cast it to varchar") from error
    for name in frame.select_dtypes(["datetime", "datetimetz"]):
        if not frame[name].dt.year.dropna().between(1, _LAST_YEAR).all():
            raise QueryFailed(
                f"the column {name} holds an infinite date or one beyond the year 9999; cast it to varchar"
            )
    return frame


# What a query may say.


def check(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Let pass one SELECT, or EXPLAIN of one, that names only what is public.

    Raises:
        Refused: the query may not run here.
        duckdb.Error: it is not SQL.
    """
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        problem = "there is no query" if not statements else f"these are {len(statements)} statements"
        raise Refused(f"{problem}; write one, such as select * from benchmark limit 10")
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        explained = re.match(r"\s*explain\s+(?!analyze\b|\()(.*)", statements[0].query, re.IGNORECASE | re.DOTALL)
        if not explained:
            raise Refused("EXPLAIN takes no ANALYZE, options or brackets here; write explain select ...")
        check(connection, explained[1])
        return
    if kind == duckdb.StatementType.MULTI:
        raise Refused("PIVOT needs its values here, as in pivot cells on vertices in (3, 4) using count(*)")
    if kind != duckdb.StatementType.SELECT:
        raise Refused(
            f"{kind.name.replace('_', ' ')} is not allowed, nothing can be changed here; "
            "write a SELECT (or WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, EXPLAIN SELECT)"
        )
    [(serialized,)] = connection.execute("select json_serialize_sql($1)", [text]).fetchall()
    tree = json.loads(serialized)
    if tree["error"]:
        raise Refused(f"this statement cannot be checked ({tree['error_message']}); write it as a plain SELECT")
    _check(tree["statements"], frozenset())


def _check(node: Any, ctes: frozenset[str]) -> None:
    """Walk a syntax tree with the names of the common table expressions that are in scope."""
    if isinstance(node, list):
        for child in node:
            _check(child, ctes)
    elif isinstance(node, dict):
        _check_name(node, ctes)
        if "cte_map" in node:
            for entry in node["cte_map"]["map"]:
                _check(entry["value"], ctes)
                ctes |= {_fold(entry["key"])}
        for key, child in node.items():
            if key == "right" and node.get("type") == "RECURSIVE_CTE_NODE":
                _check(child, ctes | {_fold(node["cte_name"])})
            elif key != "cte_map":
                _check(child, ctes)


def _check_name(node: dict[str, Any], ctes: frozenset[str]) -> None:
    kind = node.get("class", node.get("type"))
    if isinstance(kind, str) and kind not in NODES:
        if kind == "PARAMETER":
            raise Refused("parameters such as ? and $1 have no value here; write the value itself")
        word = re.sub("(_QUERY)?(_NODE)?$", "", kind).replace("_", " ")
        raise Refused(f"{word} is not allowed in a query; write plain SELECTs")
    if kind == "BASE_TABLE":
        *qualifiers, name = map(_fold, node["qualified_name"]["path"])
        if (not qualifiers and name in ctes) or (qualifiers in QUALIFIERS and name in VIEWS):
            return
        raise Refused(
            f"there is no public table {_quote('.'.join([*qualifiers, name]))}{_close(name, [*VIEWS, *ctes])}; "
            f"the tables are {', '.join(VIEWS)}, and files cannot be read"
        )
    if kind == "TABLE_FUNCTION":
        name = _fold(node["function"]["function_name"])
        if name not in TABLE_FUNCTIONS:
            raise Refused(
                f"no table function {_quote(name)} is allowed here{_close(name, TABLE_FUNCTIONS)}; select from "
                f"{', '.join(VIEWS)}, or from {', '.join(TABLE_FUNCTIONS)} or VALUES"
            )
    if kind in ("FUNCTION", "WINDOW"):
        name = _fold(node["function_name"])
        if name not in FUNCTIONS:
            raise Refused(
                f"no function {_quote(name)} is allowed here{_close(name, FUNCTIONS)}; only functions that depend on "
                "nothing but their arguments are"
            )
    if kind == "SHOW_REF" and node["query"] is None:
        raise Refused(f"the tables are {', '.join(VIEWS)}; describe cells lists the columns of one")


def _fold(name: str) -> str:
    """Lower case as DuckDB compares names: ASCII letters only."""
    return name.lower() if name.isascii() else re.sub("[A-Z]", lambda letter: letter[0].lower(), name)


def _quote(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:60]}...")


def _close(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:60], list(names), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


TABLE_FUNCTIONS = ("generate_series", "range", "unnest")
QUALIFIERS: tuple[list[str], ...] = ([], ["main"], ["memory", "main"])
_STATEMENTS = "SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE"
_TABLES = "BASE_TABLE SUBQUERY JOIN TABLE_FUNCTION EXPRESSION_LIST PIVOT SHOW_REF EMPTY"
_MODIFIERS = "LIMIT_MODIFIER ORDER_MODIFIER DISTINCT_MODIFIER ORDER_DEFAULT ASCENDING DESCENDING"
_EXPRESSIONS = (
    "BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR "
    "POSITIONAL_REFERENCE STAR TYPE WINDOW"
)
NODES = frozenset(f"{_STATEMENTS} {_TABLES} {_MODIFIERS} {_EXPRESSIONS}".split())
FUNCTIONS = frozenset(
    """
    + - * / // % ** ^ & | ~ << >> || && !~~ !~~* ~~ ~~* ~~~ @ @> <@ <-> <=> ^@ -> ->> = != < <= > >=
    !__postfix __between add subtract multiply divide mod xor
    abs acos acosh asin asinh atan atan2 atanh bit_count cbrt ceil ceiling cos cosh cot degrees even exp factorial
    fdiv floor fmod gamma gcd greatest greatest_common_divisor isfinite isinf isnan lcm least
    least_common_multiple lgamma ln log log10 log2 nextafter pi pow power radians random round round_even
    roundbankers sign signbit sin sinh sqrt tan tanh trunc
    ascii bar base64 bin bit_length char_length character_length chr concat concat_ws contains damerau_levenshtein
    editdist3 ends_with format format_bytes formatReadableDecimalSize formatReadableSize from_base64 from_binary
    from_hex hamming hash hex ilike_escape instr jaccard jaro_similarity jaro_winkler_similarity lcase left
    left_grapheme len length length_grapheme levenshtein like_escape lower lpad ltrim md5 md5_number
    md5_number_lower md5_number_upper mismatches nfc_normalize not_ilike_escape not_like_escape octet_length ord
    overlay parse_filename position prefix printf regexp_escape regexp_extract regexp_extract_all
    regexp_full_match regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right
    right_grapheme rpad rtrim sha1 sha256 split split_part starts_with str_split str_split_regex string_split
    string_split_regex string_to_array strip_accents strlen strpos substr substring substring_grapheme suffix
    to_base to_base64 to_binary to_hex translate trim ucase unbin unhex unicode upper url_decode url_encode
    bit_position bitstring decode encode get_bit set_bit
    age ago century current_date current_localtime current_localtimestamp date_add date_diff date_part date_sub
    date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade
    epoch epoch_ms epoch_ns epoch_us era get_current_time get_current_timestamp hour isodow isoyear julian last_day
    make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium
    millisecond minute month monthname nanosecond normalized_interval now quarter second strftime strptime
    time_bucket timezone timezone_hour timezone_minute to_centuries to_days to_decades to_hours to_microseconds
    to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years today
    transaction_timestamp try_strptime week weekday weekofyear year yearweek
    gen_random_uuid uuid uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7
    enum_code enum_first enum_last enum_range enum_range_boundary if nullif switch typeof
    aggregate apply array_aggr array_aggregate array_append array_apply array_cat array_concat array_contains
    array_cosine_distance array_cosine_similarity array_cross_product array_distance array_distinct
    array_dot_product array_extract array_filter array_grade_up array_has array_has_all array_has_any
    array_indexof array_inner_product array_intersect array_length array_negative_dot_product
    array_negative_inner_product array_pop_back array_pop_front array_position array_prepend array_push_back
    array_push_front array_reduce array_resize array_reverse array_reverse_sort array_select array_slice array_sort
    array_to_string array_to_string_comma_default array_transform array_unique array_value array_where array_zip
    element_at equi_width_bins filter flatten generate_series generate_subscripts grade_up list_aggr list_aggregate
    list_any_value list_append list_apply list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor
    list_bool_and list_bool_or list_cat list_concat list_contains list_cosine_distance list_cosine_similarity
    list_count list_distance list_distinct list_dot_product list_element list_entropy list_extract list_filter
    list_first list_grade_up list_has list_has_all list_has_any list_histogram list_indexof list_inner_product
    list_intersect list_kurtosis list_kurtosis_pop list_last list_mad list_max list_median list_min list_mode
    list_negative_dot_product list_negative_inner_product list_pack list_position list_prepend list_product
    list_reduce list_resize list_reverse list_reverse_sort list_select list_sem list_skewness list_slice list_sort
    list_stddev_pop list_stddev_samp list_string_agg list_sum list_transform list_unique list_value list_var_pop
    list_var_samp list_where list_zip range reduce unnest unpivot_list
    cardinality map map_concat map_contains map_contains_entry map_contains_value map_entries map_extract
    map_extract_value map_from_entries map_keys map_values row struct_concat struct_contains struct_extract
    struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_pack struct_position struct_update
    struct_values union_extract union_tag union_value
    array_to_json from_json from_json_strict json json_array json_array_length json_contains json_deep_merge
    json_exists json_extract json_extract_path json_extract_path_text json_extract_string json_group_array
    json_group_object json_group_structure json_insert json_keys json_merge_patch json_object json_pretty
    json_quote json_remove json_replace json_set json_structure json_transform json_transform_strict json_type
    json_valid json_value row_to_json to_json
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last
    arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg
    bool_and bool_or corr count count_if count_star countif covar_pop covar_samp entropy favg first fsum geomean
    geometric_mean group_concat histogram histogram_exact kahan_sum kurtosis kurtosis_pop last list listagg lttb mad
    max max_by mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile sem skewness stddev
    stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg
    cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank rank_dense row_number
    """.casefold().split()
)
"""Functions of their arguments, the clock or chance. Left out: those that read settings, variables, the catalog or
the session, sleep, write a log, plan or run SQL, or take the binary state of an aggregate."""


# The process of the query.


def _serve() -> None:
    """Answer the request on stdin: an Arrow stream on stdout, and as the last line of stderr a report in JSON."""
    request = json.load(sys.stdin)
    sys.setrecursionlimit(20_000)
    report = _answer(request)
    sys.stdout.flush()
    print(json.dumps(report), file=sys.stderr, flush=True)
    os._exit(1 if "error" in report else 0)  # not to wait for DuckDB's threads


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        connection = _open(request)
        _limit(request["seconds"], request["memory_bytes"])
        start = time.perf_counter()
        check(connection, request["text"])
        truncated = _send(connection, request["text"], request["max_rows"])
        return {"truncated": truncated, "seconds": time.perf_counter() - start}
    except (Refused, QueryFailed) as error:
        return {"error": type(error).__name__, "message": str(error)}
    except RecursionError:
        return {"error": "Refused", "message": "the query is nested too deeply; write it in a simpler way"}
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"error": "MemoryLimit"}
    except (duckdb.Error, pa.ArrowException) as error:
        return {"error": "QueryFailed", "message": _told(str(error), request["paths"])}


def _open(request: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": THREADS,
            "memory_limit": f"{request['memory_bytes'] // 2**20}MiB",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        },
    )
    connection.execute(request["views"])
    paths = ", ".join("'" + path.replace("'", "''") + "'" for path in request["paths"])
    connection.execute(f"set allowed_paths = [{paths}]")
    connection.execute(
        "set enable_progress_bar = false; set enable_external_access = false; set lock_configuration = true;"
    )
    return connection


def _limit(seconds: float, memory_bytes: int) -> None:
    """Let the system end this process at its limits: an alarm for the time, a ceiling for memory, no file, no core."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + memory_bytes)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, ceil(time.process_time() + THREADS * seconds) + 1, grace=5)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _lower(limit: int, value: int, grace: int = 0) -> None:
    """Set a limit, never above the one in force; past ``grace`` more the system does not warn but kills."""
    hard = resource.getrlimit(limit)[1]
    soft, hard = (new if hard == resource.RLIM_INFINITY else min(new, hard) for new in (value, value + grace))
    resource.setrlimit(limit, (soft, hard))


def _send(connection: duckdb.DuckDBPyConnection, text: str, max_rows: int) -> bool:
    """Write the answer to stdout, up to the caps; True if there is more of it."""
    rows, size = max_rows, MAX_BYTES
    reader = connection.sql(text).to_arrow_reader(2048)
    with pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as stream:
        for batch in reader:
            sent = batch.slice(0, rows)
            while sent.nbytes > size and sent.num_rows:
                sent = sent.slice(0, sent.num_rows // 2)
            if not sent.num_rows and rows == max_rows > 0 and batch.num_rows:
                raise QueryFailed(f"a row of the answer is larger than {MAX_BYTES >> 20} MiB; select a part of it")
            stream.write_batch(sent)
            rows, size = rows - sent.num_rows, size - sent.nbytes
            if sent.num_rows < batch.num_rows:
                return True
    return False


def _told(message: str, paths: list[str]) -> str:
    """DuckDB's message in one line, without the place in the query, traces, and the paths of this machine."""
    for path in paths:
        message = message.replace(path, Path(path).name)
    message = re.sub(r'Use "SET .*', "", message.split("\n\n")[0])
    return " ".join(message.split())[:500]


if __name__ == "__main__":
    _serve()
