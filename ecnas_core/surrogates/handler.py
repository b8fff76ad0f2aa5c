"""What the process of a training does; ``runs`` says what it can be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core.benchmark.build import write_parquet
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.runs import Context, RunStore
from ecnas_core.surrogates import evaluate, experiment, own_space, runs
from ecnas_core.surrogates.experiment import Experiment
from ecnas_core.surrogates.runs import Curve, Made, OwnPrediction, OwnTraining, Request

if TYPE_CHECKING:
    import pandas as pd


def work(request: Request, context: Context) -> None:
    """Do a run; what it makes stands in its folder.

    Raises:
        Cancelled: it was to stop.
        EcnasError: it cannot be done.
    """
    match request:
        case OwnTraining():
            made = _own_training(request, context)
        case OwnPrediction():
            made = _own_prediction(request, context)
        case _:
            made = _of_the_benchmark(request, context)
    context.emit(made)


def _of_the_benchmark(request: Experiment | Curve, context: Context) -> Made:
    bench = Benchmark.open(context.data, bundled=context.bundled)
    if isinstance(request, Curve):
        found = evaluate.learning_curve(bench, request.model, progress=context.emit, cancel=context.cancelled)
        _write(context, runs.CURVE, found.assign(model=request.model))
        return Made(int(found["cells"].max()), ())
    outcome = experiment.run_experiment(bench, request, context.emit, context.cancelled)
    _write(context, runs.HELD_OUT, outcome.held_out.assign(model=request.model))
    _write(context, runs.IMPORTANCE, outcome.importance)
    outcome.model.save(context.folder / runs.MODEL)
    return Made(outcome.learned, ())


def _own_training(request: OwnTraining, context: Context) -> Made:
    table = pq.read_table(context.folder / runs.TABLE)
    outcome = own_space.train(table, request.spec, request.model, request.seed, context.emit, context.cancelled)
    _write(context, runs.HELD_OUT, outcome.held_out)
    _write(context, runs.IMPORTANCE, outcome.importance)
    _write(context, runs.CURVE, outcome.curve.assign(model=request.model))
    outcome.model.save(context.folder / runs.MODEL)
    return Made(outcome.model.rows, outcome.notes)


def _own_prediction(request: OwnPrediction, context: Context) -> Made:
    table = pq.read_table(context.folder / runs.TABLE)
    model = own_space.load(RunStore(runs.TRAINING, context.data).read(request.run).folder / runs.MODEL)
    predicted = model.predict(table)
    for name in predicted.columns:
        column = f"{model.spec.target} {name}"
        table = table.drop_columns([column]) if column in table.column_names else table
        table = table.append_column(column, pa.array(predicted[name]))
    write_parquet(table, context.folder / f"{runs.PREDICTIONS}.parquet")
    return Made(model.rows, ())


def _write(context: Context, name: str, frame: pd.DataFrame) -> None:
    write_parquet(pa.Table.from_pandas(frame, preserve_index=False), context.folder / f"{name}.parquet")
