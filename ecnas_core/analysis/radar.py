"""Table 1 as a radar picture: each metric on an axis of its own, from nothing at the centre to the largest at the rim.

How the paper scales the axes of its Figure 4 is not told and could not be reproduced; this scaling is this project's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

AXES = {
    "energy_kwh": "energy (kWh)",
    "training_time_s": "training time (s)",
    "log10_parameters": "log₁₀ parameters",
    "validation_accuracy": "validation accuracy",
}
"""The axes, clockwise from the top. On all but the last less is better."""


def radar(table: pd.DataFrame) -> pd.DataFrame:
    """Where Table 1's means lie on the axes.

    Args:
        table: as ``table1.summarise`` gives it; series that are compared share the axes.

    Returns:
        The rows of the metrics in ``AXES`` that have a mean, in the order of the axes within each point, with
        ``largest``, the metric's largest mean over all rows (what the rim stands for), and ``length``, the mean as a
        share of it, in [0, 1].
    """
    found = table[table["metric"].isin(list(AXES)) & table["mean"].notna()].copy()
    found["largest"] = found.groupby("metric")["mean"].transform("max")
    found["length"] = (found["mean"] / found["largest"]).where(found["largest"] > 0, 0.0)
    order = found["metric"].map(list(AXES).index)
    return (
        found.assign(axis=order)
        .sort_values(["study", "algorithm", "point", "axis"], kind="stable")
        .drop(columns="axis")
    )
