"""Pictures of the benchmark that several parts of a lesson look at, computed once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ecnas_core.analysis import explore
from ecnas_core.analysis.explore import Picture
from ecnas_core.analysis.lessons.lesson import NotTeachable
from ecnas_core.analysis.lessons.told import Told, accuracy, told
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.layout import Stamp
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens

if TYPE_CHECKING:
    import pandas as pd


def picture(bench: Benchmark, view: View) -> Picture:
    """The picture of a view, kept until the data changes.

    Raises:
        NotTeachable: no cell has both values.
    """
    found = _picture(bench, view, bench.stamp)
    if not found.both:
        x, y = view.axes
        raise NotTeachable(
            f"no cell of {view.space} has both {x.label.lower()} and {y.label.lower()} under this lens; choose the "
            "scope Facility or IT, or another device, in the lens, or another space where there is a choice"
        )
    return found


def in_kwh(lens: Lens) -> Lens:
    """The lens with energies in kWh."""
    return replace(lens, unit="kWh")


def role(found: Picture, name: str) -> pd.Series:
    """The cell of a front that is ``r0``, ``rk`` or ``r1``; where it has no knee, that is its best end."""
    front = found.front.set_index("role", drop=False)
    return front.loc[name] if name in front.index else found.front.iloc[-1]


def provenance(cell: pd.Series) -> Told:
    """Where the accuracy of a cell is from, with the interval of a predicted one.

    Args:
        cell: of a front whose vertical axis is validation accuracy.
    """
    if cell["accuracy_provenance"] != "predicted":
        return told("{provenance}", provenance=cell["accuracy_provenance"])
    return told(
        "predicted, 90 % interval {low} to {high}",
        low=accuracy(cell["y_low"]),
        high=accuracy(cell["y_high"]),
    )


@lru_cache(maxsize=8)
def _picture(bench: Benchmark, view: View, stamp: Stamp) -> Picture:
    return explore.picture(bench, view)
