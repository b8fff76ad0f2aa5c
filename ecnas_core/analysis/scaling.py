"""How good linear scaling is: what 4V measured at 12, 36 and 108 epochs, by its 4-epoch figures times 3, 9, 27."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis.view import python_source
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Quantity = Literal["energy", "time"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
COLUMNS = {"energy": "energy_kwh", "time": "training_time_s"}
SCALED_TO = EPOCHS[1:]
SOURCE = "energy_4V9E_4epochs.tfrecord"
MODELS = {
    "linear": "4 epochs times n",
    "constant": "one ratio a budget",
    "by time": "a ratio by the cell's 4-epoch time",
}


class InvalidScaling(EcnasError):
    """A view of the scaling, or its address, is out of range."""


@dataclass(frozen=True)
class ScalingView:
    """What the scaling page shows.

    Attributes:
        quantity: energy or training time.
        lens: kept with the link; ratios do not depend on it.
    """

    quantity: Quantity = "energy"
    lens: Lens = field(default_factory=Lens)

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise InvalidScaling(f"there is no quantity {self.quantity!r}; take one of {', '.join(QUANTITIES)}")

    def to_params(self) -> dict[str, str]:
        """The view as URL parameters, the lens included; defaults are left out."""
        chosen = {} if self.quantity == "energy" else {"quantity": str(self.quantity)}
        return chosen | self.lens.to_params()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The view that ``to_params`` wrote; other parameters are ignored.

        Raises:
            InvalidScaling: another quantity.
            EcnasError: an unknown lens.
        """
        return cls(params.get("quantity", "energy"), Lens.from_params(params))  # type: ignore[arg-type]

    def to_python(self) -> str:
        """The source that computes what the page shows."""
        quantity = python_source(self.quantity)
        return (
            "from ecnas_core import Benchmark\n"
            "from ecnas_core.analysis.scaling import leave_one_out, ratios, summary\n\n"
            "bench = Benchmark.open()\n"
            f"print(ratios(bench, {quantity}))\n"
            f"print(summary(bench, {quantity}))\n"
            f"print(leave_one_out(bench, {quantity}))\n"
        )


def ratios(bench: Benchmark, quantity: Quantity = "energy") -> pd.DataFrame:
    """Measured by linearly scaled, cell by cell and budget by budget.

    Args:
        bench: the benchmark.
        quantity: energy or time.

    Returns:
        One row a cell of 4V and budget: ``hash``, the cell's ``vertices``, ``edge_bits``, ``ops`` and
        ``multiply_adds``, ``epochs``, ``measured`` (mean of three trainings, kWh or s), ``scaled`` (the 4-epoch mean
        times epochs / 4), ``ratio``, ``noise`` (standard deviation of the ratio from the repeats alone).
    """
    column = COLUMNS[quantity]
    return bench.frame(
        f"with short as (select hash, {column} as short, {column}_std as short_std from benchmark "
        "where space = '4V' and epochs = 4) "
        f"select hash, vertices, edge_bits, coalesce(ops, '') as ops, multiply_adds, epochs, {column} as measured, "
        f"short * epochs / 4 as scaled, {column} / (short * epochs / 4) as ratio, "
        f"ratio * sqrt((pow({column}_std / {column}, 2) + pow(short_std / short, 2)) / 3) as noise "
        "from benchmark join short using (hash) "
        "where space = '4V' and epochs > 4 and energy_provenance = 'measured' order by epochs, hash"
    )


def summary(bench: Benchmark, quantity: Quantity = "energy") -> pd.DataFrame:
    """The ratio of each budget over the cells, and how much of its spread is noise.

    Returns:
        One row a budget: ``epochs``, ``cells``, ``ratio`` (mean), ``deviation`` (over the cells), ``noise`` (root
        mean square of the repeats' part), ``of_cell`` (what remains), ``least``, ``most``.
    """
    import pandas as pd

    rows = []
    for epochs, part in ratios(bench, quantity).groupby("epochs"):
        deviation = float(part["ratio"].std())
        noise = float(np.sqrt((part["noise"] ** 2).mean()))
        rows.append(
            {
                "epochs": epochs,
                "cells": len(part),
                "ratio": float(part["ratio"].mean()),
                "deviation": deviation,
                "noise": noise,
                "of_cell": float(np.sqrt(max(deviation**2 - noise**2, 0.0))),
                "least": float(part["ratio"].min()),
                "most": float(part["ratio"].max()),
            }
        )
    return pd.DataFrame(rows)


def leave_one_out(bench: Benchmark, quantity: Quantity = "energy") -> pd.DataFrame:
    """How far each way of scaling is from what was measured, on cells that it has not seen.

    For each cell the ratio is taken from the 90 others: none (``linear``), their mean (``constant``), or a straight
    line through them in the logarithm of the 4-epoch training time (``by time``).

    Returns:
        One row a way and budget: ``model``, ``epochs``, ``bias``, ``mean_absolute`` and ``root_mean_square`` error
        relative to the measured value, ``cells``.
    """
    import pandas as pd

    rows = []
    frame = ratios(bench, quantity)
    short = ratios(bench, "time").query("epochs == 12").set_index("hash")["scaled"] / 3
    for epochs, part in frame.groupby("epochs"):
        ratio = part["ratio"].to_numpy()
        time = np.log(short.loc[part["hash"]].to_numpy())
        predicted = {
            "linear": np.ones(len(ratio)),
            "constant": _others_mean(ratio),
            "by time": _others_line(time, ratio),
        }
        for model, guess in predicted.items():
            error = guess / ratio - 1
            rows.append(
                {
                    "model": model,
                    "epochs": epochs,
                    "bias": float(error.mean()),
                    "mean_absolute": float(np.abs(error).mean()),
                    "root_mean_square": float(np.sqrt((error**2).mean())),
                    "cells": len(ratio),
                }
            )
    return pd.DataFrame(rows)


def components(bench: Benchmark) -> pd.DataFrame:
    """How energy divides between GPU and CPU in 4V, and the mean power.

    Returns:
        One row a cell and budget: ``hash``, ``epochs``, ``multiply_adds``, ``gpu_share`` of the joules of GPU and CPU
        (of the whole run, start-up included), ``power_w``: IT energy of the last evaluation by training time.
    """
    return bench.frame(
        "select hash, epochs, multiply_adds, gpu_energy_j / (gpu_energy_j + cpu_energy_j) as gpu_share, "
        "energy_kwh / 1.59 * 3.6e6 / training_time_s as power_w "
        "from benchmark where space = '4V' and energy_provenance = 'measured' order by epochs, hash"
    )


def document(bench: Benchmark) -> dict[str, Any]:
    """Ratios and errors of energy and time as one document for JSON."""
    return {
        quantity: {
            "ratios": summary(bench, quantity).to_dict("records"),
            "leave_one_out": leave_one_out(bench, quantity).to_dict("records"),
        }
        for quantity in QUANTITIES
    }


def _others_mean(values: Floats) -> Floats:
    found: Floats = (values.sum() - values) / (len(values) - 1)
    return found


def _others_line(x: Floats, y: Floats) -> Floats:
    """For each point the height there of the least-squares line through all others."""
    design = np.column_stack([np.ones_like(x), x])
    hat = design @ np.linalg.solve(design.T @ design, design.T)
    leverage = np.diag(hat)
    residual = (y - hat @ y) / (1 - leverage)
    found: Floats = y - residual
    return found
