"""The process of a run: ``runs`` starts it, hands it the run's lock, and reads the events that it writes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core.benchmark.build import write_parquet
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates import evaluate, experiment, own_space, runs
from ecnas_core.surrogates.experiment import Experiment
from ecnas_core.surrogates.runs import Curve, OwnTraining, Request
from ecnas_core.surrogates.training import Cancel, Epoch, Progress, TrainingCancelled

if TYPE_CHECKING:
    import pandas as pd

Made = tuple[int, tuple[str, ...]]


def main() -> None:
    """Do what is asked for in the folder that is the first argument."""
    folder = Path(sys.argv[1])
    request, data = runs.asked(folder)
    with runs.events_file(folder).open("a", encoding="utf-8") as events:

        def emit(event: str, **told: Any) -> None:
            events.write(json.dumps({"event": event, **told, "at": time.time()}) + "\n")
            events.flush()

        def tell(epoch: Epoch) -> None:
            emit("epoch", part=epoch.part, number=epoch.number, of=epoch.of, loss=epoch.loss)

        try:
            learned, notes = _carry_out(request, folder, data, tell, lambda: runs.is_cancelled(folder))
        except TrainingCancelled:
            emit("ended", state="cancelled")
        except EcnasError as error:
            emit("ended", state="failed", error=str(error))
        else:
            emit("made", learned=learned, notes=notes)
            emit("ended", state="done")


def _carry_out(request: Request, folder: Path, data: Path, tell: Progress, cancel: Cancel) -> Made:
    """Do it, write what it makes into the folder; how much was learned from, and notes."""

    def write(name: str, frame: pd.DataFrame) -> None:
        write_parquet(pa.Table.from_pandas(frame, preserve_index=False), folder / f"{name}.parquet")

    if isinstance(request, Experiment):
        return _experiment(request, folder, Benchmark.open(data), write, tell, cancel)
    if isinstance(request, Curve):
        found = evaluate.learning_curve(Benchmark.open(data), request.model, progress=tell, cancel=cancel)
        write(runs.CURVE, found.assign(model=request.model))
        return int(found["cells"].max()), ()
    table = pq.read_table(folder / runs.TABLE)
    if isinstance(request, OwnTraining):
        outcome = own_space.carry_out(table, request.spec, request.model, request.seed, tell, cancel)
        write(runs.HELD_OUT, outcome.held_out)
        write(runs.IMPORTANCE, outcome.importance)
        write(runs.CURVE, outcome.curve.assign(model=request.model))
        outcome.model.save(folder / runs.MODEL)
        return outcome.model.rows, outcome.notes
    model = own_space.load(runs.find(request.run, data).folder / runs.MODEL)
    predicted = model.predict(table)
    for name in predicted.columns:
        column = f"{model.spec.target} {name}"
        table = table.drop_columns([column]) if column in table.column_names else table
        table = table.append_column(column, pa.array(predicted[name]))
    write_parquet(table, folder / f"{runs.PREDICTIONS}.parquet")
    return model.rows, ()


def _experiment(
    request: Experiment,
    folder: Path,
    bench: Benchmark,
    write: Callable[[str, pd.DataFrame], None],
    tell: Progress,
    cancel: Cancel,
) -> Made:
    outcome = experiment.carry_out(bench, request, tell, cancel)
    write(runs.HELD_OUT, outcome.held_out.assign(model=request.model))
    write(runs.IMPORTANCE, outcome.importance)
    outcome.model.save(folder / runs.MODEL)
    return outcome.learned, ()


if __name__ == "__main__":
    main()
