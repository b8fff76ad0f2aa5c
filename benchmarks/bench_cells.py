"""Speed and memory of `ecnas_core.cells`, on one core.

A row's ratio is its value over the peer's, or over the limit where there is no peer; less is better.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ecnas_core.cells import CellTable, enumerate_cells, labelled_graphs, neighbours

SAMPLE = 5_000
PEAK_MEMORY = """
import resource
from ecnas_core.cells import labelled_graphs
labelled_graphs("7V")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def run() -> list[dict[str, Any]]:
    enumeration = _seconds(lambda: labelled_graphs.__wrapped__("7V"))
    graphs = labelled_graphs("7V")
    sample = CellTable.from_keys(np.random.default_rng(0).choice(graphs.keys, SAMPLE))
    hashing = _seconds(sample.hashes) / SAMPLE
    cells = enumerate_cells("7V")
    description = _seconds(cells.describe)
    some = [cells[row] for row in range(0, len(cells), len(cells) // 100)]
    steps = _seconds(lambda: [neighbours(cell) for cell in some]) / len(some)
    peak = float(subprocess.run([sys.executable, "-c", PEAK_MEMORY], capture_output=True, check=True).stdout)
    return [
        _row(
            "enumerate 7V (peer: module hash of every labelled graph, extrapolated)",
            enumeration,
            "s",
            limit=6,
            peer=hashing * len(graphs.keys),
        ),
        _row("enumerate 7V, peak resident memory of the process", peak, "MB", limit=600),
        _row("describe all 423,624 cells (features and costs)", description, "s", limit=30),
        _row("module hash of one cell", hashing * 1e6, "µs", limit=300),
        _row("neighbours of one 7V cell", steps * 1e3, "ms", limit=20),
    ]


def _row(name: str, value: float, unit: str, *, limit: float, peer: float | None = None) -> dict[str, Any]:
    ratio = value / (limit if peer is None else peer)
    return {"name": name, "value": value, "unit": unit, "limit": limit, "peer": peer, "ratio": ratio}


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    for row in run():
        print(row)
