"""What the page Surrogate shows."""

from __future__ import annotations

from typing import Annotated, Literal

from ecnas_core.benchmark import EPOCHS
from ecnas_core.benchmark.official import Budget
from ecnas_core.cells import Draft
from ecnas_core.records import Param, Record
from ecnas_core.surrogates.experiment import Quantity
from pages.widgets.cell_editor import read


class SurrogateView(Record, frozen=True):
    """What the page shows.

    Attributes:
        section: how good models are, the prediction of a cell, trainings, or a space of the user's own.
        quantity: what is predicted.
        model: best, paper, or the id of a training.
        epochs: budget of what is judged, and at which a cell is predicted.
        draft: what the editor of a link begins with; None stands for the knee.
        own: id of the training of an own space that is looked at.
    """

    section: Literal["quality", "cell", "train", "own"] = "quality"
    quantity: Quantity = "energy_kwh"
    model: str = "best"
    epochs: Budget = EPOCHS[-1]
    draft: Annotated[Draft | None, Param("draw", read=read, write=Draft.to_text)] = None
    own: str | None = None
