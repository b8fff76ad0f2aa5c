"""The benchmark: one in-process DuckDB instance of views over Parquet files."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ecnas_core.benchmark import layout
from ecnas_core.benchmark.layout import Layout, Stamp
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.cells import SPACES, Cell
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

    from ecnas_core.benchmark.sandbox import SandboxResult

Answer = TypeVar("Answer")
_HASH_DIGITS = 32
_HASH = re.compile(r"[0-9a-f]{32}")


class UnknownCell(EcnasError):
    """A cell is not in the space that was asked for."""


class UnknownSpace(EcnasError):
    """A space is none of 4V, 5V and 7V."""


class UnknownEpochs(EcnasError):
    """A training budget is none of 4, 12, 36 and 108 epochs."""


@dataclass(frozen=True)
class Entry:
    """What the benchmark knows of one cell at one training budget; None stands for unknown.

    Energies are facility energies (IT energy times the PUE 1.59, as EC-NAS stores them) in kWh, components in J at
    the devices, accuracies in [0, 1], times in s. ``*_std`` is the standard deviation over repeated trainings,
    ``*_low`` and ``*_high`` are the 90 % interval where the figure is predicted,
    ``*_provenance`` one of measured, scaled, surrogate, published, predicted, ``*_source`` the file it is from.
    ``*_correction`` is the factor that brings a figure which was scaled linearly from 4 epochs to what the measured
    budgets of 4V let expect (``analysis.scaling``); 1 where nothing was scaled.
    """

    space: str
    hash: str
    epochs: int
    vertices: int
    edges: int
    edge_bits: int
    ops: str
    trainable_parameters: int
    multiply_adds: int
    energy_kwh: float | None
    energy_kwh_std: float | None
    energy_kwh_low: float | None
    energy_kwh_high: float | None
    energy_repeats: int | None
    energy_provenance: str | None
    energy_source: str | None
    energy_artefact: str | None
    gpu_energy_j: float | None
    gpu_energy_j_low: float | None
    gpu_energy_j_high: float | None
    cpu_energy_j: float | None
    validation_accuracy: float | None
    validation_accuracy_std: float | None
    validation_accuracy_low: float | None
    validation_accuracy_high: float | None
    test_accuracy: float | None
    accuracy_repeats: int | None
    accuracy_provenance: str | None
    accuracy_source: str | None
    training_time_s: float | None
    training_time_s_std: float | None
    training_time_s_low: float | None
    training_time_s_high: float | None
    time_provenance: str | None
    time_source: str | None
    energy_correction: float | None
    gpu_energy_correction: float | None
    time_correction: float | None

    @property
    def cell(self) -> Cell:
        """The cell itself."""
        return Cell.from_bits(self.vertices, self.edge_bits, self.ops)


_ENTRY_COLUMNS = ", ".join(field.name for field in fields(Entry))


class Benchmark:
    """Read access to the views ``cells``, ``results``, ``benchmark``, ``runs``, ``evaluations``, ``measurements``.

    Safe to use from any number of threads: every call has a cursor of its own. Files that appear in the user's
    folder are seen by the next call.
    """

    def __init__(self, data: Path, bundled: Path) -> None:
        self.data = data
        self.bundled = bundled
        self._lock = threading.Lock()
        self._connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
        self._connection.execute("set global parquet_metadata_cache = true")
        self._signature: Stamp | None = None
        self._indexes: dict[tuple[str, int], tuple[npt.NDArray[np.bytes_], npt.NDArray[np.int64]]] = {}
        self._indexed: Stamp | None = None
        self._made: tuple[str, ...] = ()
        self._damaged: dict[Path, tuple[int, str]] = {}
        self._layout = self._refresh()

    @staticmethod
    def open(data: Path | str | None = None, *, bundled: Path | str | None = None) -> Benchmark:
        """The benchmark over a folder, one instance a process and folder.

        Args:
            data: the user's folder of ingested files, runs and measurements, layered over the bundled figures;
                by default the environment variable ECNAS_DATA, else ``data/user``.
            bundled: another folder of base figures, as ``build-data`` makes it.

        Raises:
            MissingData: the folder of base figures is incomplete.
        """
        user = Path(data).expanduser().resolve() if data else layout.default_data_folder()
        return _open(user, Path(bundled).resolve() if bundled else layout.BUNDLED)

    @property
    def layout(self) -> Layout:
        """The files behind the views now, and those that were left out, with the reasons."""
        return self._refresh()

    @property
    def stamp(self) -> Stamp:
        """A key for caches: it changes whenever the data does."""
        self._refresh()
        return self._signature or ()

    def query(
        self,
        cell: Cell | str,
        epochs: int = 108,
        space: str | None = None,
        *,
        predicted: bool = True,
        device: str | None = None,
    ) -> Entry:
        """One cell at one training budget.

        Args:
            cell: a cell or its NAS-Bench-101 hash.
            epochs: 4, 12, 36 or 108.
            space: 4V, 5V or 7V, whose energy scale is meant; by default the smallest that holds the cell.
            predicted: whether a prediction stands in where no accuracy or time is published.
            device: a calibrated device that energies are predicted for (``surrogates.devices``).

        Raises:
            UnknownCell: no such cell in that space.
            UnknownEpochs: another budget.
            UnknownSpace: another space.
        """
        check_epochs(epochs)
        digest = cell.hash if isinstance(cell, Cell) else cell
        if not _HASH.fullmatch(digest):
            raise UnknownCell(f"{digest!r} is no module hash; give the 32 hexadecimal digits of NAS-Bench-101")
        if space is None:
            known = self.rows("select space from cells where hash = ?", [digest])
            if not known:
                raise UnknownCell(f"no cell of NAS-Bench-101 has the hash {digest}; check the digits")
            space = known[0]["space"]
        check_space(space)
        rows = self.rows(
            f"select {_ENTRY_COLUMNS} from {table(predicted, device)} where space = ? and epochs = ? and hash = ?",
            [space, epochs, digest],
        )
        if not rows:
            raise UnknownCell(f"the space {space} has no cell with the hash {digest}; try a larger space or check it")
        return Entry(**rows[0])

    def lookup(self, hashes: Iterable[str], epochs: int = 108, space: str = "7V") -> pd.DataFrame:
        """Many cells at one training budget and on one space's energy scale.

        Args:
            hashes: NAS-Bench-101 hashes, in any order, repeats allowed.
            epochs: 4, 12, 36 or 108.
            space: 4V, 5V or 7V.

        Returns:
            One row a hash, in the order given, with the columns of the view ``benchmark``.

        Raises:
            UnknownCell: some of the hashes are not in that space.
        """
        check_epochs(epochs)
        check_space(space)
        wanted = list(hashes)
        known, rows = self._index(space, epochs)
        keys = np.array([digest.encode() if len(digest) == _HASH_DIGITS else b"" for digest in wanted], known.dtype)
        places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        missing = np.flatnonzero(known[places] != keys)
        if missing.size:
            raise UnknownCell(
                f"{missing.size} of {len(wanted)} hashes are not in the space {space}, the first is "
                f"{wanted[missing[0]]!r}; leave them out or name a larger space"
            )
        table = pa.table({"hash": pa.array(wanted, pa.string()), "row": rows[places], "n": range(len(wanted))})

        def ask(cursor: duckdb.DuckDBPyConnection) -> pd.DataFrame:
            cursor.register("wanted", table)
            return cursor.execute(
                "select _rows.* exclude (row) replace (wanted.hash as hash) from wanted join _rows using (row) "
                f"where space = '{space}' and epochs = {epochs} order by n"
            ).df()

        return self._ask(ask)

    def sql(self, text: str) -> pd.DataFrame:
        """Run one read-only query of a user's over the public views, in a process of its own.

        Raises:
            SandboxError: the query was refused, failed, or went past the limits of time or memory.
        """
        return self.ask(text).frame

    def ask(self, text: str) -> SandboxResult:
        """Run one read-only query of a user's over the public views, in a process of its own; see ``sandbox.run``."""
        from ecnas_core.benchmark.sandbox import QueryFailed, run

        try:
            return run(text, self.layout)
        except QueryFailed:
            if not self._leave_out_damaged():
                raise
        return self.ask(text)

    def devices(self) -> list[str]:
        """Names of the calibrated devices (``surrogates.devices``)."""
        return [row["device"] for row in self.rows("select distinct device from _devices order by device")]

    def sources(self) -> list[dict[str, Any]]:
        """Where the figures come from: one row a source with its records, cells, devices and provenances."""
        return self.rows(
            "select source, official, count(*) as records, count(distinct hash) as cells, "
            "string_agg(distinct device, ', ' order by device) as devices, "
            "string_agg(distinct energy_provenance, ', ' order by energy_provenance) as energy, "
            "string_agg(distinct accuracy_provenance, ', ' order by accuracy_provenance) as accuracy "
            "from results group by source, official order by source"
        )

    def frame(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> pd.DataFrame:
        """The answer to a query of the project's own, as a DataFrame."""
        return self._ask(lambda cursor: cursor.execute(query, parameters or None).df())

    def rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """The answer to a query of the project's own, as one dictionary a row."""

        def ask(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
            answer = cursor.execute(query, parameters or None)
            names = [column[0] for column in answer.description]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

        return self._ask(ask)

    def arrays(self, query: str, parameters: Sequence[Any] = ()) -> tuple[npt.NDArray[np.float64], ...]:
        """The columns of an answer as float arrays, null as NaN: the quick way for hundreds of thousands of rows."""
        columns = self._ask(lambda cursor: cursor.execute(query, parameters or None).fetchnumpy())
        return tuple(np.ma.filled(np.ma.asarray(column, np.float64), np.nan) for column in columns.values())

    def _index(self, space: str, epochs: int) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.int64]]:
        """The sorted hashes of a space and the rows at which they stand in its file, kept until the data changes.

        Reading the hashes takes longer than all other columns together: whoever looks up once often does again.
        """
        stamp = self.stamp
        with self._lock:
            if self._indexed != stamp:
                self._indexes.clear()
                self._indexed = stamp
            found = self._indexes.get((space, epochs))
        if found is None:
            query = f"select hash, row from _rows where space = '{space}' and epochs = {epochs}"
            table = self._ask(lambda cursor: cursor.sql(query).to_arrow_table())
            digits = table["hash"].cast(pa.binary()).combine_chunks().cast(pa.binary(_HASH_DIGITS)).buffers()[1]
            hashes = np.frombuffer(digits, f"S{_HASH_DIGITS}", len(table))
            order = np.argsort(hashes, kind="stable")
            found = hashes[order], table["row"].to_numpy()[order]
            with self._lock:
                self._indexes[space, epochs] = found
        return found

    def _ask(self, ask: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        """What is asked of a cursor; without the files of the user's that are damaged if it fails for them."""
        try:
            with self._cursor() as cursor:
                return ask(cursor)
        except duckdb.Error:
            if not self._leave_out_damaged():
                raise
        return self._ask(ask)

    def _leave_out_damaged(self) -> bool:
        """Look for damaged files of the user's and leave them out from now on; whether any was found."""
        found = layout.find_damaged(self._layout)
        self._damaged |= {path: (path.stat().st_mtime_ns, reason) for path, reason in found.items()}
        if found:
            self._signature = None
        return bool(found)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        self._refresh()
        cursor = self._connection.cursor()
        cursor.execute("set enable_progress_bar = false")
        return cursor

    def _refresh(self) -> Layout:
        with self._lock:
            while (signature := layout.signature(self.data)) != self._signature:
                damaged = {
                    path: reason
                    for path, (changed, reason) in self._damaged.items()
                    if path.is_file() and path.stat().st_mtime_ns == changed
                }
                self._layout = layout.scan(self.data, self.bundled, damaged)
                try:
                    self._make_views(signature)
                except duckdb.Error:  # a file that another process has deleted meanwhile is no error
                    if layout.signature(self.data) == signature and not self._leave_out_damaged():
                        raise
                else:
                    self._signature = signature
            return self._layout

    def _make_views(self, signature: Stamp) -> None:
        """Make the views that the files changed since the last signature are behind, and those after them."""
        statements = self._layout.statements()
        known = self._made if _of_cells(signature) == _of_cells(self._signature or ()) else ()
        kept = next((place for place, each in enumerate(known) if each != statements[place]), len(known))
        self._made = ()
        self._connection.cursor().execute(";\n".join(statements[kept:]))
        self._made = statements


def _of_cells(signature: Stamp) -> Stamp:
    """The part of the files that hold the cells themselves: one of them is read when the views are made."""
    return tuple(each for each in signature if each[0].startswith("benchmark/"))


@cache
def _open(data: Path, bundled: Path) -> Benchmark:
    return Benchmark(data, bundled)


def table(predicted: bool = True, device: str | None = None) -> str:
    """What to select from for the columns of the view ``benchmark`` and, as ``row``, the place in a space's file.

    Args:
        predicted: whether predictions stand in where no accuracy or time is published.
        device: a calibrated device whose energies stand in for the benchmark's; None for these.
    """
    base = "_rows" if predicted else "_known"
    return base if device is None else f"_on_device('{device.replace(chr(39), chr(39) * 2)}', '{base}')"


def check_epochs(epochs: int) -> None:
    """Raise UnknownEpochs unless the training budget is one of the benchmark's."""
    if epochs not in EPOCHS:
        raise UnknownEpochs(f"the benchmark has no budget of {epochs} epochs; take one of 4, 12, 36, 108")


def check_space(space: str) -> None:
    """Raise UnknownSpace unless the space is one of the benchmark's."""
    if space not in SPACES:
        raise UnknownSpace(f"there is no space {space!r}; take one of {', '.join(SPACES)}")
