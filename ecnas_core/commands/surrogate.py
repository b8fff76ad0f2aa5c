"""Energy and accuracy of any cell, learned from those that are known: train, predict, judge."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.commands.base import Command, table, with_data
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

    from ecnas_core.surrogates.accuracy import AccuracyModel
    from ecnas_core.surrogates.energy import EnergyModel
    from ecnas_core.surrogates.experiment import Experiment
    from ecnas_core.surrogates.training import Epoch

_TOLD = 10


class BadArguments(EcnasError):
    """The action needs an argument that was not given."""


def register(command: Command) -> None:
    """Add ``surrogate``.

    Args:
        command: adds one.
    """
    surrogate = command(
        "surrogate",
        _surrogate,
        "Energy or accuracy of any cell, learned from the known ones: train, predict, judge",
        "  python -m ecnas_core surrogate fit --kind energy\n"
        "  python -m ecnas_core surrogate predict --kind energy --input cells.parquet --output predicted.parquet\n"
        "  python -m ecnas_core surrogate predict --kind accuracy --input cells.parquet --output predicted.parquet\n"
        "  python -m ecnas_core surrogate evaluate --kind energy --model paper --json\n"
        "  python -m ecnas_core surrogate evaluate --kind energy --train some.parquet --input others.parquet",
    )
    surrogate.add_argument("action", choices=("fit", "predict", "evaluate"))
    surrogate.add_argument("--kind", choices=("energy", "accuracy"), required=True)
    surrogate.add_argument(
        "--model", choices=("best", "paper"), default="best", help="paper: its network, of energy alone (default: best)"
    )
    surrogate.add_argument(
        "--train",
        type=Path,
        metavar="X.parquet",
        help="learn from these cells alone: hash; with energy_kwh, or epochs and validation_accuracy, by these values",
    )
    surrogate.add_argument(
        "--input",
        type=Path,
        metavar="X.parquet",
        help="cells to predict or to judge by: hash, of accuracy also epochs",
    )
    surrogate.add_argument(
        "--output",
        type=Path,
        metavar="Y",
        help="predict: the table with the prediction, low and high; fit: the model (default: in the user's folder)",
    )
    surrogate.add_argument(
        "--weights",
        type=Path,
        metavar="M.safetensors",
        help="predict with a model that fit wrote (default: the one in the user's folder, else the bundled one)",
    )
    surrogate.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    surrogate.add_argument(
        "--networks", type=int, default=5, metavar="N", help="of an accuracy model, 1 to 5 (default: 5)"
    )
    with_data(surrogate)


def _surrogate(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.surrogates.experiment import Experiment

    wanted = Experiment(options.kind, options.model, options.seed, members=options.networks)
    bench = Benchmark.open(options.data)
    document, text = {"fit": _fit, "predict": _predict, "evaluate": _evaluate}[options.action](options, wanted, bench)
    return {"action": options.action, "kind": wanted.kind, "model": wanted.model} | document, text


def _fit(options: argparse.Namespace, wanted: Experiment, bench: Benchmark) -> tuple[dict[str, Any], str]:
    from ecnas_core.surrogates import user_cells

    fitted = user_cells.fit(bench, wanted, _train(options), progress=_tell)
    path = fitted.save(options.output or _stored(options))
    return {"output": str(path), "n": fitted.cells}, f"learned from {fitted.cells} cells, {path}"


def _predict(options: argparse.Namespace, wanted: Experiment, bench: Benchmark) -> tuple[dict[str, Any], str]:
    import pyarrow as pa

    from ecnas_core.benchmark.build import write_parquet
    from ecnas_core.surrogates import user_cells

    if options.input is None or options.output is None:
        raise BadArguments("predict needs --input X.parquet with the cells and --output Y.parquet for the predictions")
    cells = user_cells.read(options.input, "hash", *(("epochs",) if wanted.kind == "accuracy" else ()))
    name = user_cells.VALUES[wanted.kind]
    replaced = [column for column in (name, "low", "high") if column in cells.columns]
    model, source = _model(options, wanted, bench)
    predicted = user_cells.predict(bench, model, cells)
    try:
        path = write_parquet(pa.Table.from_pandas(predicted, preserve_index=False), options.output)
    except OSError as error:
        raise BadArguments(f"{options.output}: cannot write ({error.strerror}); name another place") from error
    text = f"{len(predicted)} predictions in {path}, by {source}"
    if replaced:
        text += f"; the input's columns {', '.join(replaced)} are replaced"
    return {"output": str(path), "n": len(predicted), "column": name, "by": source, "replaced": replaced}, text


def _evaluate(options: argparse.Namespace, wanted: Experiment, bench: Benchmark) -> tuple[dict[str, Any], str]:
    from ecnas_core.surrogates import evaluation, experiment, user_cells

    name, train = user_cells.VALUES[wanted.kind], _train(options)
    if options.input is not None:
        cells = user_cells.read(options.input, "hash")
        count, found = user_cells.judge(bench, wanted, cells, train, _tell)
        judged, by = "the cells of the input", []
        if wanted.kind == "accuracy" and "epochs" not in cells.columns:
            judged += ", all budgets together as it has no column epochs"
    elif train is not None:
        raise BadArguments("evaluate with --train needs --input X.parquet with other cells to judge by")
    else:
        outcome = experiment.run_experiment(bench, wanted, _tell)
        rows = experiment.figures(outcome.held_out)
        main = rows[(rows["quantity"] == name) & (rows["cells"] == "all")].iloc[-1]
        scale = 1000 if wanted.kind == "energy" else 1
        count, judged = int(main["judged"]), f"a random fifth, learned from {outcome.learned} others"
        judged += "" if wanted.kind == "energy" else ", 108 epochs"
        in_unit = ("mae", "median_error", "bias", "width")
        found = {key: float(main[key]) / (scale if key in in_unit else 1) for key in _FIGURES}
        by = rows.rename(columns={"tau": "kendall_tau", "tau_squared": "kendall_tau_squared"}).to_dict("records")
        for row in by:
            row |= {"unit": {"energy_kwh": "Wh", "training_time_s": "s"}.get(row["quantity"], "")}
    figures = {f"kendall_{key}" if key.startswith("tau") else key: value for key, value in found.items()}
    unit = user_cells.UNITS[wanted.kind]
    document = {"quantity": name, "unit": unit, "n": count, "judged": judged, **figures, "by": by}
    if wanted.kind == "energy":
        document["paper_kendall_tau_squared"] = evaluation.PRINTED_TAU_SQUARED
    lines = [{"figure": key, "value": value, "unit": _unit(key, unit)} for key, value in figures.items()]
    text = f"{wanted.kind}, {wanted.model}: {count} results of {judged}\n\n{table(lines)}"
    return document, text + (f"\n\n{table(by)}" if by else "")


_FIGURES = ("tau", "tau_squared", "mae", "median_error", "median_relative_error", "bias", "coverage", "width")


def _unit(figure: str, unit: str) -> str:
    return unit if figure in ("mae", "median_error", "bias", "width") else ""


def _train(options: argparse.Namespace) -> pd.DataFrame | None:
    from ecnas_core.surrogates import user_cells

    return None if options.train is None else user_cells.read(options.train, "hash")


def _stored(options: argparse.Namespace) -> Path:
    """Where ``fit`` puts a model and ``predict`` looks for it."""
    path: Path = options.data / "surrogates" / "models" / f"{options.kind}-{options.model}.safetensors"
    return path


def _model(
    options: argparse.Namespace, wanted: Experiment, bench: Benchmark
) -> tuple[EnergyModel | AccuracyModel, str]:
    """The model that predicts, and what it is."""
    from ecnas_core.surrogates import accuracy, bundled, energy, evaluation, user_cells

    stored = options.weights or (_stored(options) if _stored(options).is_file() else None)
    if options.train is not None:
        if options.weights is not None:
            raise BadArguments("--train trains a model and --weights names one; give one of both")
        return user_cells.fit(bench, wanted, _train(options), progress=_tell), f"a model of {options.train}"
    if stored is not None:
        load = energy.load if wanted.kind == "energy" else accuracy.load
        return load(stored), str(stored)
    if wanted.model == "paper":
        return user_cells.fit(bench, wanted, progress=_tell), "the paper's network, trained now"
    return (evaluation.energy_model() if wanted.kind == "energy" else bundled.load()), "the bundled model"


def _tell(epoch: Epoch) -> None:
    """A line on stderr for every tenth of a part."""
    if epoch.number * _TOLD // epoch.of != (epoch.number - 1) * _TOLD // epoch.of:
        print(f"{epoch.part}: {epoch.number} of {epoch.of}, loss {epoch.loss:.4g}", file=sys.stderr, flush=True)
