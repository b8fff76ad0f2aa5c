"""How good linear scaling is: what 4V measured at 12, 36 and 108 epochs, by its 4-epoch figures times 3, 9, 27.

The cells differ in the ratio of their energies (0.863 +- 0.040 at 108 epochs) mostly because their short trainings drew
402 to 481 W; in long ones all draw 382 W within 1 %. So energy per second of scaled 4-epoch time predicts a long
training's energy three times better than any ratio of energies, on cells left out and on 5V's own 4-epoch trainings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.carbon.lens import JOULES_PER_KWH, STORED_PUE
from ecnas_core.records import Record, script

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Quantity = Literal["energy", "gpu_energy", "time"]
Start = Literal["4V", "5V"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
COLUMNS = {"energy": "energy_kwh", "gpu_energy": "gpu_energy_j", "time": "training_time_s"}
SCALED_TO = EPOCHS[1:]
MODELS = {
    "linear": "4 epochs times n",
    "constant": "one ratio a budget",
    "by multiply-adds": "a ratio by the cell's multiply-adds",
    "by time": "a ratio by the cell's 4-epoch time",
    "overhead": "a fixed overhead and a rate, a + b × epochs",
    "power": "4-epoch time times one power a budget",
}
_TRAININGS = """
    select
        hash, epochs, count(*) as repeats, {means}
    from results
    where official and source = 'energy_4V9E_4epochs.tfrecord' and energy_provenance = 'measured'
    group by hash, epochs
"""


class ScalingView(Record, frozen=True):
    """What the scaling page shows.

    Attributes:
        quantity: energy, the GPU's energy alone, or training time.
        lens: kept with the link; ratios do not depend on it.
    """

    quantity: Quantity = "energy"
    lens: Lens = Lens()

    def to_python(self) -> str:
        """The source that computes what the page shows."""
        return script(
            "bench = Benchmark.open()",
            "print(ratios(bench, view.quantity))",
            "print(summary(bench, view.quantity))",
            "print(leave_one_out(bench, view.quantity))",
            "print(leave_one_out(bench, view.quantity, start='5V'))",
            uses=[f"{__name__}:{name}" for name in ("leave_one_out", "ratios", "summary")],
            view=self,
        )


def ratios(bench: Benchmark, quantity: Quantity = "energy") -> pd.DataFrame:
    """Measured by linearly scaled, cell by cell and budget by budget.

    Args:
        bench: the benchmark.
        quantity: energy, GPU energy or time.

    Returns:
        One row a cell of 4V and budget beyond 4 epochs: ``hash``, the cell's ``vertices``, ``edge_bits``, ``ops`` and
        ``multiply_adds``, ``epochs``, ``measured`` (mean of the repeats, in kWh, J or s), ``scaled`` (the 4-epoch mean
        times epochs / 4), ``ratio``, ``noise`` (standard deviation of the ratio from the repeats alone),
        ``time_at_4_s`` and ``power_at_4_w`` (IT power) of the 4-epoch trainings.
    """
    column = COLUMNS[quantity]
    means = "avg(energy_kwh) as kwh, avg(training_time_s) as seconds, avg({0}) as value, stddev_samp({0}) as deviation"
    return bench.frame(
        f"with trainings as ({_TRAININGS.format(means=means.format(column))}) "
        "select hash, vertices, edge_bits, coalesce(ops, '') as ops, multiply_adds, trained.epochs, "
        "trained.value as measured, short.value * trained.epochs / 4 as scaled, measured / scaled as ratio, "
        "ratio * sqrt(pow(trained.deviation / trained.value, 2) / trained.repeats "
        "+ pow(short.deviation / short.value, 2) / short.repeats) as noise, "
        f"short.seconds as time_at_4_s, short.kwh / {STORED_PUE} * {JOULES_PER_KWH} / short.seconds as power_at_4_w "
        "from trainings as trained join trainings as short using (hash) join cells using (hash) "
        "where short.epochs = 4 and trained.epochs > 4 order by trained.epochs, hash"
    )


def summary(bench: Benchmark, quantity: Quantity = "energy") -> pd.DataFrame:
    """The ratio of each budget over the cells, and how much of its spread is noise.

    Returns:
        One row a budget: ``epochs``, ``cells``, ``ratio`` (mean), ``overstated`` (mean of scaled by measured, less
        1), ``median``, ``low`` and ``high`` (10 and 90 % of the cells), ``deviation`` (over the cells), ``noise``
        (root mean square of the repeats' part), ``of_cell`` (what remains), ``least``, ``most``.
    """
    import pandas as pd

    rows = []
    for epochs, part in ratios(bench, quantity).groupby("epochs"):
        ratio = part["ratio"]
        deviation = float(ratio.std())
        noise = float(np.sqrt((part["noise"] ** 2).mean()))
        rows.append(
            {
                "epochs": epochs,
                "cells": len(part),
                "ratio": float(ratio.mean()),
                "overstated": float((1 / ratio - 1).mean()),
                "median": float(ratio.median()),
                "low": float(ratio.quantile(0.1)),
                "high": float(ratio.quantile(0.9)),
                "deviation": deviation,
                "noise": noise,
                "of_cell": float(np.sqrt(max(deviation**2 - noise**2, 0.0))),
                "least": float(ratio.min()),
                "most": float(ratio.max()),
            }
        )
    return pd.DataFrame(rows)


def leave_one_out(bench: Benchmark, quantity: Quantity = "energy", start: Start = "4V") -> pd.DataFrame:
    """How far each way of scaling is from what was measured, on cells that it has not seen.

    For each cell a way is fitted to the 90 others, a budget at a time: none (``linear``), their mean ratio
    (``constant``), a straight line through their ratios in the logarithm of multiply-adds or of the 4-epoch time, a
    fixed overhead a in (4-epoch figure - a) / 4 a epoch, or their mean of measured by scaled seconds (``power``, of an
    energy alone: of the time it is ``constant``).

    Args:
        bench: the benchmark.
        quantity: energy, GPU energy or time.
        start: whose 4-epoch figures of the cell left out are scaled: the means of 4V's, to which the ways are fitted,
            or the one training of each cell in 5V, made apart.

    Returns:
        One row a way and budget: ``model``, ``epochs``, ``bias``, ``mean_absolute`` and ``root_mean_square`` error
        relative to the measured value, ``cells``.
    """
    import pandas as pd

    frame = ratios(bench, quantity)
    starts = bench.frame(
        f"select hash, {COLUMNS[quantity]} as value, training_time_s as seconds from benchmark "
        "where space = ? and epochs = 4",
        [start],
    ).set_index("hash")
    rows = []
    for epochs, part in frame.groupby("epochs"):
        factor = float(epochs) / 4
        measured, scaled, seconds, multiply_adds = (
            part[name].to_numpy(np.float64) for name in ("measured", "scaled", "time_at_4_s", "multiply_adds")
        )
        fitted = _Cells(scaled / factor, seconds, multiply_adds)
        unseen = starts.loc[part["hash"]]
        applied = _Cells(unseen["value"].to_numpy(), unseen["seconds"].to_numpy(), multiply_adds)
        for model in MODELS:
            if model == "power" and quantity == "time":
                continue
            error = _predicted(model, factor, measured, fitted, applied) / measured - 1
            rows.append(
                {
                    "model": model,
                    "epochs": epochs,
                    "bias": float(error.mean()),
                    "mean_absolute": float(np.abs(error).mean()),
                    "root_mean_square": float(np.sqrt((error**2).mean())),
                    "cells": len(part),
                }
            )
    return pd.DataFrame(rows)


def components(bench: Benchmark) -> pd.DataFrame:
    """How energy divides between GPU and CPU in 4V, and the mean power.

    Returns:
        One row a cell and budget: ``hash``, ``epochs``, ``multiply_adds``, ``gpu_share`` of the recorded joules (of
        the whole run, start-up included; the CPU's are those of one socket of two), ``gpu_share_two_sockets`` (the
        other socket taken to draw as much), ``power_w`` (IT energy of the training by its time), and as recorded over
        the whole run ``gpu_power_w`` and ``cpu_power_w`` (one socket).
    """
    means = (
        "avg(gpu_energy_j) as gpu_j, avg(cpu_energy_j) as cpu_j, avg(energy_kwh) as kwh, "
        "avg(training_time_s) as seconds, avg(gpu_power_w) as gpu_power_w, avg(cpu_power_w) as cpu_power_w"
    )
    return bench.frame(
        f"with trainings as ({_TRAININGS.format(means=means)}) "
        "select hash, epochs, multiply_adds, gpu_j / (gpu_j + cpu_j) as gpu_share, "
        "gpu_j / (gpu_j + 2 * cpu_j) as gpu_share_two_sockets, "
        f"kwh / {STORED_PUE} * {JOULES_PER_KWH} / seconds as power_w, gpu_power_w, cpu_power_w "
        "from trainings join cells using (hash) order by epochs, hash"
    )


def components_summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Each column of ``components`` over the cells of a budget.

    Returns:
        One row a column and budget: ``quantity``, ``epochs``, ``cells``, ``mean``, ``deviation`` and
        ``correlation`` (Pearson, with the logarithm of multiply-adds).
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "quantity": name,
            "epochs": epochs,
            "cells": len(part),
            "mean": float(part[name].mean()),
            "deviation": float(part[name].std()),
            "correlation": float(part[name].corr(np.log(part["multiply_adds"]))),
        }
        for name in ("gpu_share", "gpu_share_two_sockets", "power_w", "gpu_power_w", "cpu_power_w")
        for epochs, part in frame.groupby("epochs")
    )


def document(bench: Benchmark) -> dict[str, Any]:
    """Ratios and errors of each quantity as one document for JSON."""
    return {
        quantity: {
            "ratios": summary(bench, quantity).to_dict("records"),
            "leave_one_out": leave_one_out(bench, quantity).to_dict("records"),
        }
        for quantity in QUANTITIES
    }


@dataclass(frozen=True)
class _Cells:
    """4-epoch figures by which a way of scaling knows cells: the quantity's value, time in s, multiply-adds."""

    value: Floats
    seconds: Floats
    multiply_adds: Floats

    def columns(self, model: str, factor: float) -> Floats:
        """The regressors of the ratio, shape (cells, coefficients)."""
        ones = np.ones(len(self.value))
        regressors = {
            "constant": [ones],
            "by multiply-adds": [ones, np.log(self.multiply_adds)],
            "by time": [ones, np.log(self.seconds)],
            "overhead": [(1 / factor - 1) / self.value],
        }
        return np.column_stack(regressors[model])


def _predicted(model: str, factor: float, measured: Floats, fitted: _Cells, applied: _Cells) -> Floats:
    """What each cell takes at factor times 4 epochs, by a way fitted to all others."""
    scaled: Floats = factor * applied.value
    if model == "linear":
        return scaled
    if model == "power":
        per_second = measured / (factor * fitted.seconds)
        others: Floats = (per_second.sum() - per_second) / (len(measured) - 1)
        seconds: Floats = factor * applied.seconds
        return others * seconds
    offset = 1 if model == "overhead" else 0
    target = measured / (factor * fitted.value) - offset
    coefficients = _without_each(fitted.columns(model, factor), target)
    ratio: Floats = offset + (applied.columns(model, factor) * coefficients).sum(axis=1)
    return scaled * ratio


def _without_each(design: Floats, target: Floats) -> Floats:
    """The least-squares coefficients with one row left out, for each row; shape (rows, coefficients)."""
    inverse = np.linalg.inv(design.T @ design)
    projected = design @ inverse
    all_rows = inverse @ design.T @ target
    left_out = (target - design @ all_rows) / (1 - (projected * design).sum(axis=1))
    found: Floats = all_rows - left_out[:, None] * projected
    return found
