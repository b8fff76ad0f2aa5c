"""Cells by their hashes, as a table to compute features of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.benchmark.store import Benchmark, UnknownCell
from ecnas_core.cells import CellTable

if TYPE_CHECKING:
    import pandas as pd


def look_up(bench: Benchmark, hashes: Iterable[str] | None = None) -> tuple[list[str], CellTable]:
    """Find cells.

    Args:
        bench: the benchmark.
        hashes: NAS-Bench-101 hashes, in any order, repeats allowed; None stands for all cells by rising hash.

    Returns:
        The hashes and, in their order, the cells.

    Raises:
        UnknownCell: no cell has one of the hashes.
    """
    if hashes is None:
        frame = bench.frame("select hash, vertices, edge_bits, ops from cells order by hash")
    else:
        wanted = list(hashes)
        frame = bench.frame(
            "select hash, vertices, edge_bits, ops from cells where hash in (select unnest(?))", [wanted]
        ).set_index("hash")
        missing = [digest for digest in wanted if digest not in frame.index]
        if missing:
            raise UnknownCell(
                f"{len(missing)} of the hashes are none of NAS-Bench-101's, the first is {missing[0]!r}; "
                "check the digits"
            )
        frame = frame.loc[wanted].reset_index()
    return frame["hash"].tolist(), table_of(frame)


def table_of(frame: pd.DataFrame) -> CellTable:
    """The cells of a frame with the columns ``vertices``, ``edge_bits`` and ``ops``, as the view ``cells`` has them."""
    return CellTable.from_digits(frame["vertices"], frame["edge_bits"], frame["ops"].tolist())


def take(table: CellTable, rows: npt.NDArray[np.int64]) -> CellTable:
    """Some of the cells."""
    return CellTable(table.vertices[rows], table.edge_bits[rows], table.ops[rows])
