"""The process of a run: ``runs`` starts it, hands it the run's lock, and reads the events that it writes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.measure.batch import measure_all
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.states import Cancelled, MeasureError


def main() -> None:
    """Measure the cells of the run whose folder is the first argument."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    cells = [Cell.from_json(json.dumps(cell)) for cell in request["cells"]]
    with (folder / "events.jsonl").open("a", encoding="utf-8") as events:

        def emit(event: Mapping[str, Any]) -> None:
            events.write(json.dumps({**event, "at": time.time()}) + "\n")
            events.flush()

        try:
            outcomes = measure_all(
                cells,
                Settings.from_document(request["settings"]),
                Benchmark.open(request["data"]),
                emit,
                (folder / "cancel").exists,
            )
        except MeasureError as error:
            emit({"event": "ended", "state": "failed", "error": str(error)})
            return
        last = outcomes[-1]
        if last.state == Cancelled.state:
            emit({"event": "ended", "state": "cancelled"})
        elif last.ends_all:
            emit({"event": "ended", "state": "failed", "error": last.reason})
        else:
            emit({"event": "ended", "state": "done"})


if __name__ == "__main__":
    main()
