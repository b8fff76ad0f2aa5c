"""What training a chosen cell costs, once and in a year, and what it saves against the most accurate cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecnas_core.analysis.choose import Choice

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Saving:
    """A cell against another; positive where it saves.

    Attributes:
        accuracy: how much less accurate it is, as a difference of shares.
        energy: share of the other's energy that it saves.
        parameters: share of the other's parameters.
        energy_kwh: what it saves in a year.
        kgco2eq: what it saves in a year.
    """

    accuracy: float
    energy: float
    parameters: float
    energy_kwh: float
    kgco2eq: float


def table(choice: Choice) -> pd.DataFrame:
    """What the short list and the most accurate cell of all take.

    Returns:
        One row a cell, each once: ``hash``, ``epochs``, ``roles`` (comma-separated; ``reference`` is the most accurate
        of all), ``accuracy``, and of one training ``energy_kwh``, ``kgco2eq`` and ``time_h``, of a year's
        ``energy_kwh_year``, ``kgco2eq_year`` and ``time_h_year``; NaN where unknown.
    """
    import pandas as pd

    cells = pd.concat([choice.shortlist, choice.reference.assign(roles="reference")], ignore_index=True)
    cells["roles"] = cells.groupby(["hash", "epochs"])["roles"].transform(",".join)
    cells = cells.drop_duplicates(["hash", "epochs"])
    trainings = choice.view.task.trainings
    return pd.DataFrame(
        {
            "hash": cells["hash"],
            "epochs": cells["epochs"],
            "roles": cells["roles"],
            "accuracy": cells["accuracy"],
            "energy_kwh": cells["energy_kwh"],
            "kgco2eq": cells["footprint_kgco2eq"] / trainings,
            "time_h": cells["time_h"],
            "energy_kwh_year": cells["energy_kwh"] * trainings,
            "kgco2eq_year": cells["footprint_kgco2eq"],
            "time_h_year": cells["time_h"] * trainings,
        }
    ).reset_index(drop=True)


def saving(choice: Choice, cell: pd.Series, other: pd.Series | None = None) -> Saving:
    """What one cell saves against another in a year.

    Args:
        choice: both are from.
        cell: a row of ``details``.
        other: likewise; by default the most accurate cell of all.
    """
    other = choice.reference.iloc[0] if other is None else other
    return Saving(
        accuracy=float(other["accuracy"] - cell["accuracy"]),
        energy=float(1 - cell["energy_kwh"] / other["energy_kwh"]),
        parameters=float(1 - cell["parameters"] / other["parameters"]),
        energy_kwh=float(other["energy_kwh"] - cell["energy_kwh"]) * choice.view.task.trainings,
        kgco2eq=float(other["footprint_kgco2eq"] - cell["footprint_kgco2eq"]),
    )
