"""A table of a search space of your own: read, checked, and turned into numbers that a model can learn from."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ecnas_core.analysis import hardware
from ecnas_core.benchmark.build import write_parquet
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates.features import composition, costs
from ecnas_core.surrogates.lookup import table_of

Floats = npt.NDArray[np.float64]
ColumnKind = Literal["numeric", "categorical", "unusable"]

ENDINGS = (".csv", ".parquet")
MOST_BYTES = 100_000_000
MOST_VALUES = 50_000_000
"""Rows by columns: a small Parquet file can hold a table that no memory holds."""
MOST_COLUMNS = 500
MOST_LEVELS = 50
FEWEST_ROWS = 60
LARGEST = 1e100
EXAMPLE = "4V on four GPUs"
EXAMPLE_TARGET, EXAMPLE_UNIT = "energy_wh_titan_xp", "Wh"
_SHOWN = 40
_NO_TEXT = "the file is no text in UTF-8; save it as “CSV UTF-8”"
_EXAMPLE_COSTS = ("depth", "trainable_parameters", "multiply_adds", "memory_traffic_bytes")


class UnusableTable(EcnasError):
    """A table cannot be read, or cannot be learned from or predicted."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its name.
        kind: numeric, categorical (texts of which there are few), or unusable.
        why: what is wrong with an unusable one; empty otherwise.
        missing: number of rows without a finite value.
    """

    name: str
    kind: ColumnKind
    why: str
    missing: int


@dataclass(frozen=True)
class Spec:
    """What of a table is learned.

    Attributes:
        target: the column that is predicted, numeric.
        features: the columns that it is predicted from, at least one, in order.
        unit: of the target, for people.
    """

    target: str
    features: tuple[str, ...]
    unit: str = ""


@dataclass(frozen=True)
class Encoder:
    """How chosen columns become numbers: a numeric one stays as it is, each level of another is 0 or 1.

    Attributes:
        levels: by feature its levels; none for a numeric one.
    """

    levels: dict[str, tuple[str, ...]]

    @property
    def columns(self) -> dict[str, list[int]]:
        """By feature the columns of the inputs that it stands in."""
        places: dict[str, list[int]] = {}
        begun = 0
        for name, levels in self.levels.items():
            places[name] = list(range(begun, begun + max(1, len(levels))))
            begun += max(1, len(levels))
        return places

    def encode(self, table: pa.Table) -> Floats:
        """The inputs, shape (rows, d).

        Raises:
            UnusableTable: a column is missing, of another kind, without a value, or has a level that is not known; or
                they make more than ``MOST_VALUES`` numbers.
        """
        missing = [name for name in self.levels if name not in table.column_names]
        if missing:
            raise UnusableTable(
                f"the table has no column {_quoted(missing[0])}, which the model was trained on; add it"
            )
        width = sum(map(len, self.columns.values()))
        if table.num_rows * width > MOST_VALUES:
            raise UnusableTable(
                f"{table.num_rows} rows of the chosen columns are {width} numbers each, a text being one for each "
                f"that its column holds: more than {MOST_VALUES // 1_000_000} million; leave out rows or texts"
            )
        return np.column_stack([self._column(table, name) for name in self.levels])

    def _column(self, table: pa.Table, name: str) -> Floats:
        levels = self.levels[name]
        if not levels:
            values = _numbers(table[name])
            if values is None:
                raise UnusableTable(f"column {_quoted(name)} must hold numbers, not {table[name].type}; correct it")
            _refuse_gaps(name, ~np.isfinite(values))
            return values
        texts = _texts(table[name])
        if texts is None:
            raise UnusableTable(f"column {_quoted(name)} must hold texts, not {table[name].type}; correct it")
        given = np.array(texts, object)
        _refuse_gaps(name, np.array([text is None for text in texts]))
        unknown = sorted(set(given) - set(levels))
        if unknown:
            raise UnusableTable(
                f"column {_quoted(name)} has {_quoted(unknown[0])}, which the model was not trained on; "
                f"it knows {', '.join(map(_quoted, levels[:5]))}"
            )
        chosen: Floats = (given[:, None] == np.array(levels, object)).astype(np.float64)
        return chosen


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a model learns from.

    Attributes:
        rows: shape (n,), numbers of the table's rows that count, from 0.
        inputs: shape (n, d).
        values: shape (n,), of the target.
        encoder: how the inputs were made.
        left_out: rows without a value in a chosen column.
    """

    rows: npt.NDArray[np.int64]
    inputs: Floats
    values: Floats
    encoder: Encoder
    left_out: int


def read(name: str, content: BinaryIO, size: int) -> pa.Table:
    """Read a CSV (comma, semicolon or tab between values, a line of names first) or Parquet file.

    Args:
        name: of the file; its ending says which it is.
        content: its bytes.
        size: how many.

    Raises:
        UnusableTable: it is too large, neither of both, damaged, or holds no table with names.
    """
    ending = Path(name).suffix.lower()
    if ending not in ENDINGS:
        raise UnusableTable(f"the file must end in .csv or .parquet, not {ending[:_SHOWN] or 'without an ending'}")
    if size > MOST_BYTES:
        raise UnusableTable(
            f"the file has {size / 1e6:.0f} MB, more than {MOST_BYTES / 1e6:.0f}; leave out rows or columns: "
            "a model learns from a few thousand rows"
        )
    try:
        table = _csv(content) if ending == ".csv" else _parquet(content)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise UnusableTable(f"the file is no readable {ending[1:].upper()} ({reason[:200]}); export it anew") from error
    names = table.column_names
    double = sorted({each for each in names if names.count(each) > 1})
    if double:
        raise UnusableTable(f"two columns are called {_quoted(double[0])}; give each a name of its own")
    if not table.num_rows or not names:
        raise UnusableTable("the file holds no rows; give one with a line of column names and rows below it")
    _refuse_size(table.num_rows, len(names))
    return table


def columns(table: pa.Table) -> list[Column]:
    """What each column of a table can be used for."""
    return [_examined(name, table[name]) for name in table.column_names]


def prepare(table: pa.Table, spec: Spec) -> Prepared:
    """Turn the chosen columns into numbers; rows without a value in one of them are left out.

    Raises:
        UnusableTable: a chosen column is unusable, the target is no numeric column or also a feature, or too few rows
            are left.
    """
    by_name = {each.name: each for each in columns(table)}
    if not spec.features:
        raise UnusableTable("no feature is chosen; take at least one column to predict from")
    for name in (spec.target, *spec.features):
        if name not in by_name:
            raise UnusableTable(f"the table has no column {_quoted(name)}; take one of its own")
        if by_name[name].kind == "unusable":
            raise UnusableTable(f"column {_quoted(name)} cannot be used: {by_name[name].why}; leave it out")
    if by_name[spec.target].kind != "numeric":
        raise UnusableTable(f"the target {_quoted(spec.target)} must hold numbers; take another column")
    if spec.target in spec.features:
        raise UnusableTable(f"{_quoted(spec.target)} is the target and a feature at once; take it out of the features")
    complete = np.ones(table.num_rows, bool)
    for name in (spec.target, *spec.features):
        complete &= ~_gaps(table[name], by_name[name].kind)
    rows = np.flatnonzero(complete)
    if len(rows) < FEWEST_ROWS:
        raise UnusableTable(
            f"{len(rows)} rows have a value in every chosen column, too few to learn from and to judge by; give at "
            f"least {FEWEST_ROWS}, or leave out columns with gaps"
        )
    kept = table.take(pa.array(rows))
    levels = {
        name: () if by_name[name].kind == "numeric" else tuple(_levels(_texts(kept[name]) or ()))
        for name in spec.features
    }
    encoder = Encoder(levels)
    values = _numbers(kept[spec.target])
    assert values is not None
    if values.min() == values.max():
        raise UnusableTable(
            f"the target {_quoted(spec.target)} is {values[0]:g} in every complete row; nothing to learn"
        )
    return Prepared(rows, encoder.encode(kept), values, encoder, table.num_rows - len(rows))


def save(table: pa.Table, path: Path) -> Path:
    """Write a table, which is returned as its file.

    Raises:
        UnusableTable: the folder cannot be written to.
    """
    try:
        return write_parquet(table, path)
    except OSError as error:
        raise UnusableTable(f"{path}: cannot write ({error.strerror}); check space and permissions") from error


def example(bench: Benchmark) -> pa.Table:
    """The 4V cells on the four released GPUs: a second space, measured.

    Returns:
        One row a cell by rising hash: ``hash``, its counts (``features.composition``), depth and costs, and its
        facility energy of 4 epochs in Wh on each device; null where it was not measured.
    """
    compared = hardware.compare(bench)
    cells = table_of(compared.cells)
    told: dict[str, Any] = {"hash": compared.cells["hash"].to_numpy(), **composition(cells)}
    told |= {name: values for name, values in costs(cells).items() if name in _EXAMPLE_COSTS}
    for column, device in enumerate(compared.devices):
        if device in hardware.OFFICIAL_DEVICES:
            told[f"energy_wh_{device.lower().replace(' ', '_')}"] = compared.values[:, column] * 1000
    return pa.table(told).sort_by("hash")


def _csv(content: BinaryIO) -> pa.Table:
    first = content.readline(1 << 16)
    content.seek(0)
    delimiter = max(",;\t", key=lambda each: first.count(each.encode()))
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
        table = pyarrow.csv.read_csv(content, parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter))
    except UnicodeDecodeError as error:
        raise UnusableTable(_NO_TEXT) from error
    if pa.binary() in table.schema.types:
        raise UnusableTable(_NO_TEXT)
    return table


def _parquet(content: BinaryIO) -> pa.Table:
    file = pq.ParquetFile(content)
    _refuse_size(file.metadata.num_rows, file.metadata.num_columns)
    plain = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
    return file.read(columns=plain)


def _refuse_size(rows: int, width: int) -> None:
    if width > MOST_COLUMNS:
        raise UnusableTable(f"the table has {width} columns, more than {MOST_COLUMNS}; leave out those you do not need")
    if rows * width > MOST_VALUES:
        raise UnusableTable(
            f"the table has {rows} rows of {width} columns, more than {MOST_VALUES // 1_000_000} million values; leave "
            "out rows or columns"
        )


def _examined(name: str, values: pa.ChunkedArray) -> Column:
    if not name.strip():
        return Column(name, "unusable", "it has no name, as a column of row numbers has none", values.null_count)
    numbers = _numbers(values)
    if numbers is not None:
        finite = numbers[np.isfinite(numbers)]
        why = "it holds no number" if not len(finite) else ""
        if len(finite) and finite.min() == finite.max():
            why = f"it is {finite[0]:g} in every row, which tells nothing"
        elif len(finite) and np.abs(finite).max() > LARGEST:
            why = f"it holds numbers beyond {LARGEST:g}; give them in a larger unit"
        missing = len(numbers) - len(finite)
        return Column(name, "unusable" if why else "numeric", why, missing)
    texts = _texts(values)
    if texts is None:
        return Column(name, "unusable", f"it holds {values.type}, neither numbers nor texts", values.null_count)
    levels = _levels(texts)
    why = ""
    if len(levels) < 2:
        why = "it is the same in every row, which tells nothing" if levels else "it is empty"
    elif len(levels) > MOST_LEVELS:
        why = (
            f"it holds {len(levels)} different texts, such as {_quoted(levels[0])}: more than {MOST_LEVELS} are no "
            "categories; if they are numbers, correct those that are not, and write 0.5, not 0,5"
        )
    return Column(name, "unusable" if why else "categorical", why, sum(text is None for text in texts))


def _gaps(values: pa.ChunkedArray, kind: ColumnKind) -> npt.NDArray[np.bool_]:
    if kind == "numeric":
        numbers = _numbers(values)
        assert numbers is not None
        return ~np.isfinite(numbers)
    return np.array([text is None for text in _texts(values) or ()])


def _numbers(values: pa.ChunkedArray) -> Floats | None:
    """The values as floats, NaN where there is none; None if they are no numbers."""
    kind = values.type
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    ):
        return None
    floats = pc.cast(pc.cast(values, pa.int8()) if pa.types.is_boolean(kind) else values, pa.float64(), safe=False)
    filled: Floats = pc.fill_null(floats, float("nan")).to_numpy().astype(np.float64)
    return filled


def _levels(texts: Iterable[str | None]) -> list[str]:
    return sorted({text for text in texts if text is not None})


def _texts(values: pa.ChunkedArray) -> list[str | None] | None:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _texts(pc.cast(values, kind.value_type))
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    return [text or None for text in values.to_pylist()]


def _refuse_gaps(name: str, gaps: npt.NDArray[np.bool_]) -> None:
    if gaps.any():
        raise UnusableTable(
            f"column {_quoted(name)} has no value in {gaps.sum()} rows, the first is row {int(np.argmax(gaps)) + 1}; "
            "fill or remove them"
        )


def _quoted(text: str | None) -> str:
    return repr(text if text is None or len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def names(found: Sequence[Column], *kinds: ColumnKind) -> list[str]:
    """The names of the columns of some kinds."""
    return [each.name for each in found if each.kind in kinds]
