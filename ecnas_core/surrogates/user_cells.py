"""Tables of cells from outside: to learn from, to predict, to judge by. What the command line works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark, check_epochs
from ecnas_core.errors import EcnasError
from ecnas_core.surrogates import accuracy, energy, evaluate
from ecnas_core.surrogates.accuracy import AccuracyModel, Published
from ecnas_core.surrogates.energy import EnergyModel
from ecnas_core.surrogates.experiment import Experiment, Kind
from ecnas_core.surrogates.lookup import look_up
from ecnas_core.surrogates.training import Cancel, Progress, TooFewResults

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

VALUES: dict[Kind, str] = {"energy": "energy_kwh", "accuracy": "validation_accuracy"}
"""The column that holds what is known, and that a prediction is called."""
UNITS: dict[Kind, str] = {"energy": "kWh", "accuracy": ""}


class UnusableCells(EcnasError):
    """A table of cells lacks a column or holds values that cannot be."""


class SeenCells(EcnasError):
    """A model would be judged by cells that it learned from."""


def read(path: Path, *needed: str) -> pd.DataFrame:
    """A Parquet file of cells.

    Args:
        path: the file.
        needed: columns that it must have.

    Raises:
        UnusableCells: it cannot be read, lacks a column, has no rows, a hash that is none, or epochs that are no
            numbers.
    """
    import pandas as pd

    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    except FileNotFoundError as error:
        raise UnusableCells(f"{path}: there is no such file; name another one") from error
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise UnusableCells(f"{path}: is no readable Parquet file ({reason}); name another one") from error
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise UnusableCells(f"{path}: has no column {missing[0]!r}; it needs {', '.join(needed)}")
    if frame.empty:
        raise UnusableCells(f"{path}: holds no cells; give at least one")
    if not frame["hash"].map(lambda digest: isinstance(digest, str)).all():
        raise UnusableCells(f"{path}: the column 'hash' must hold 32 hexadecimal digits in every row; correct it")
    if "epochs" in frame.columns and not pd.api.types.is_numeric_dtype(frame["epochs"]):
        raise UnusableCells(f"{path}: the column 'epochs' must hold numbers (4, 12, 36 or 108); correct it")
    return frame


def fit(
    bench: Benchmark,
    wanted: Experiment,
    train: pd.DataFrame | None = None,
    without: Sequence[str] = (),
    progress: Progress = None,
    cancel: Cancel = None,
) -> EnergyModel | AccuracyModel:
    """Train a model on all that is known, or on given cells.

    Args:
        bench: the benchmark.
        wanted: kind, model, seed and members.
        train: cells to learn from: ``hash``; with ``energy_kwh`` (of 4 epochs), or ``epochs`` and
            ``validation_accuracy``, by these values, else by those that the benchmark knows (budgets and times that
            are not given too; times that it does not know are the bundled surrogate's). None stands for all it knows.
        without: hashes of cells that are not to be learned from where ``train`` is None.
        progress: given each epoch.
        cancel: polled after each epoch.

    Raises:
        UnusableCells: a value cannot be.
        UnknownCell: a hash is no cell's, or nothing is known of it.
        TooFewResults: there are too few cells.
        Cancelled: it was to stop.
    """
    left = set(without)
    if wanted.kind == "energy":
        hashes, values = _energies(bench, train)
        kept = np.array([digest not in left for digest in hashes])
        _, table = look_up(bench, np.array(hashes)[kept].tolist())
        return energy.fit_to(table, values[kept], wanted.model, wanted.seed, progress, cancel)
    found = _accuracies(bench, train)
    found = found.take(np.flatnonzero([digest not in left for digest in found.hashes]))
    return accuracy.fit_to(found, wanted.seed, wanted.members, progress=progress, cancel=cancel)


def predict(bench: Benchmark, model: EnergyModel | AccuracyModel, cells: pd.DataFrame) -> pd.DataFrame:
    """Predict cells.

    Args:
        bench: the benchmark.
        model: the model.
        cells: ``hash`` and, of accuracy, ``epochs``; other columns stay.

    Returns:
        The same rows with ``energy_kwh`` (facility energy of 4 epochs) or ``validation_accuracy``, ``low`` and
        ``high``, the 90 % interval; columns of these names are replaced.

    Raises:
        UnknownCell: a hash is no cell's.
        UnknownEpochs: the benchmark has no such budget.
    """
    _, table = look_up(bench, cells["hash"])
    if not isinstance(model, AccuracyModel):
        found = model.predict(table)
        return cells.assign(**{name: found[name].to_numpy() for name in found.columns})
    budgets = cells["epochs"].tolist()
    for epochs in sorted(set(budgets)):
        check_epochs(epochs)
    at_all = model.predict_all(table)
    names = ("validation_accuracy", "low", "high")
    wide = np.array([at_all[epochs][list(names)].to_numpy() for epochs in EPOCHS])
    chosen = wide[[EPOCHS.index(epochs) for epochs in budgets], np.arange(len(cells))]
    return cells.assign(**{name: chosen[:, column] for column, name in enumerate(names)})


def judge(
    bench: Benchmark,
    wanted: Experiment,
    cells: pd.DataFrame,
    train: pd.DataFrame | None = None,
    progress: Progress = None,
    cancel: Cancel = None,
) -> tuple[int, dict[str, float]]:
    """Judge a model by cells that it does not learn from.

    Args:
        bench: the benchmark.
        wanted: kind, model, seed and members.
        cells: to judge by, with values as ``fit`` takes them, else those that the benchmark knows.
        train: to learn from, as ``fit`` takes it; None stands for all known cells but ``cells``.
        progress: given each epoch.
        cancel: polled after each epoch.

    Returns:
        How many results were judged, and ``evaluate.figures``, in kWh or [0, 1].

    Raises:
        SeenCells: some cells are to learn from and to judge by.
        TooFewResults: fewer than two results are known of the cells.
    """
    if train is not None:
        seen = sorted(set(cells["hash"]) & set(train["hash"]))
        if seen:
            raise SeenCells(
                f"{len(seen)} of the cells to judge by are learned from, the first is {seen[0]}; take them out of one "
                "of both tables"
            )
    known = _known(bench, wanted.kind, cells)
    if len(known) < 2:
        raise TooFewResults(f"of {len(known)} of the cells a value is known, too few to judge by; give at least 2")
    fitted = fit(bench, wanted, train, cells["hash"].tolist(), progress, cancel)
    name = VALUES[wanted.kind]
    predicted = predict(bench, fitted, known.drop(columns=name))
    columns = [known[name], *(predicted[column] for column in (name, "low", "high"))]
    return len(known), evaluate.figures(*(column.to_numpy(np.float64) for column in columns))


def _known(bench: Benchmark, kind: Kind, cells: pd.DataFrame) -> pd.DataFrame:
    """The results of cells, given or known to the benchmark: hash, for accuracy epochs, and the value."""
    if kind == "energy":
        hashes, values = _energies(bench, cells)
        import pandas as pd

        return pd.DataFrame({"hash": hashes, "energy_kwh": values})
    found = _accuracies(bench, cells, needed=False)
    frame = _long(found)
    if "epochs" not in cells.columns:
        return frame
    for epochs in sorted(set(cells["epochs"].tolist())):
        check_epochs(epochs)
    return frame.merge(cells[["hash", "epochs"]].drop_duplicates(), on=["hash", "epochs"])


def _long(found: Published) -> pd.DataFrame:
    import pandas as pd

    wide = pd.DataFrame(found.accuracy, index=pd.Index(found.hashes, name="hash"), columns=list(EPOCHS))
    long = wide.reset_index().melt("hash", var_name="epochs", value_name="validation_accuracy")
    return long.dropna(ignore_index=True).astype({"epochs": "int64"})


def _energies(bench: Benchmark, given: pd.DataFrame | None) -> tuple[list[str], Floats]:
    if given is None or "energy_kwh" not in given.columns:
        frame = energy.measured(bench, None if given is None else given["hash"])
        return frame["hash"].tolist(), frame["energy_kwh"].to_numpy(np.float64)
    values = _numbers(given, "energy_kwh")
    if not (values > 0).all():
        raise UnusableCells("the column 'energy_kwh' must be positive in every row; leave the others out")
    mean = given.assign(energy_kwh=values).groupby("hash")["energy_kwh"].mean()
    return mean.index.tolist(), mean.to_numpy(np.float64)


def _accuracies(bench: Benchmark, given: pd.DataFrame | None, needed: bool = True) -> Published:
    """What is known of the accuracy of cells; where it is `needed` to learn from, enough of it at each budget."""
    import pandas as pd

    found = accuracy.published(bench)
    if given is None:
        return found
    if "validation_accuracy" not in given.columns:
        wanted = set(given["hash"])
        rows = np.flatnonzero([digest in wanted for digest in found.hashes])
        if len(rows) < len(wanted):
            unknown = sorted(wanted - set(found.hashes))
            raise UnusableCells(
                f"of {len(unknown)} cells no accuracy is published, the first is {unknown[0]}; leave them out, or give "
                "the columns epochs and validation_accuracy"
            )
        return _timed(bench, found.take(rows))
    if "epochs" not in given.columns:
        raise UnusableCells("beside 'validation_accuracy' the table needs a column 'epochs' (4, 12, 36 or 108)")
    values = _numbers(given, "validation_accuracy")
    if not ((values >= 0) & (values < 1)).all():
        raise UnusableCells("the column 'validation_accuracy' must lie in [0, 1); give shares, not per cent")
    for epochs in sorted(set(given["epochs"].tolist())):
        check_epochs(epochs)
    wide = given.assign(validation_accuracy=values).pivot_table(
        index="hash", columns="epochs", values="validation_accuracy", aggfunc="mean"
    )
    hashes, table = look_up(bench, wide.index)
    own = wide.reindex(columns=list(EPOCHS)).to_numpy(np.float64)
    published, times = (
        pd.DataFrame(values, index=found.hashes).reindex(hashes).to_numpy(np.float64)
        for values in (found.accuracy, found.time_s)
    )
    own = np.where(np.isnan(own), published, own)
    fewest = dict(zip(EPOCHS, (~np.isnan(own)).sum(axis=0).tolist(), strict=True))
    lacking = [epochs for epochs, count in fewest.items() if count < accuracy.FEWEST]
    if needed and lacking:
        raise UnusableCells(
            f"at {lacking[0]} epochs the accuracy of {fewest[lacking[0]]} of the cells is given or published; a model "
            f"learns all of 4, 12, 36 and 108, so give at least {accuracy.FEWEST} at each"
        )
    return _timed(
        bench,
        Published(
            np.array(hashes, object),
            table,
            own,
            times,
            np.ones(len(hashes), bool),
            np.zeros(len(EPOCHS)),
        ),
    )


def _timed(bench: Benchmark, found: Published) -> Published:
    """Cells with the bundled surrogate's times where none are published: the networks learn times beside accuracies."""
    path = next(path for path in bench.layout.files["benchmark"] if path.stem == "7V")
    columns = ", ".join(f"predicted_time_s_{epochs}::double" for epochs in EPOCHS)
    frame = bench.frame(
        f"select hash, {columns} from read_parquet(?) where hash in (select unnest(?))",
        [str(path), found.hashes.tolist()],
    )
    predicted = frame.set_index("hash").loc[found.hashes.tolist()].to_numpy(np.float64)
    return replace(found, time_s=np.where(np.isnan(found.time_s), predicted, found.time_s))


def _numbers(given: pd.DataFrame, name: str) -> Floats:
    import pandas as pd

    values: Any = pd.to_numeric(given[name], errors="coerce").to_numpy(np.float64)
    if not np.isfinite(values).all():
        raise UnusableCells(f"the column {name!r} must hold a number in every row; correct or leave out the others")
    numbers: Floats = values
    return numbers
