"""What the page Measure shows."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from ecnas_core.benchmark import EPOCHS
from ecnas_core.benchmark.official import Budget
from ecnas_core.cells import Draft
from ecnas_core.measure.protocol import Settings
from ecnas_core.records import Param, Record, distinct
from pages.widgets.cell_editor import read
from pages.widgets.session import bench

LISTED_AT_MOST: Final = 24


def _listed(text: str) -> tuple[str, ...]:
    return tuple(bench().query(digest, space="7V").hash for digest in distinct(text)[:LISTED_AT_MOST])


class MeasureView(Record, frozen=True):
    """What the page shows.

    Attributes:
        section: measure, results or device.
        draft: what the editor of a link begins with; None stands for the first template.
        epochs: budget of the benchmark's answer.
        beside: budget at which a measurement is set beside the benchmark.
        settings: how cells are measured.
        cells: hashes of the cells on the list.
        chosen: names of the measurements that are looked at.
    """

    section: Literal["measure", "results", "device"] = "measure"
    draft: Annotated[Draft | None, Param("draw", read=read, write=Draft.to_text)] = None
    epochs: Budget = EPOCHS[-1]
    beside: Budget = EPOCHS[0]
    settings: Settings = Settings(effort="quick")
    cells: Annotated[tuple[str, ...], Param("list", read=_listed)] = ()
    chosen: Annotated[tuple[str, ...], Param("results")] = ()
