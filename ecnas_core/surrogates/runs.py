"""Surrogates trained in the background: what can be asked for, what happens meanwhile, and what is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core.runs import Ended, Event, Kind, Progress, Run, UnknownRun
from ecnas_core.surrogates import energy
from ecnas_core.surrogates.experiment import Experiment
from ecnas_core.surrogates.own_table import Spec
from ecnas_core.surrogates.training import Epoch

if TYPE_CHECKING:
    import pandas as pd

HELD_OUT, CURVE, IMPORTANCE, PREDICTIONS = "held_out", "learning_curve", "importance", "predictions"
MODEL = "model.safetensors"
TABLE = "table.parquet"
MODELS: Final = {"best": "best model", "paper": "the paper's network"}


class Curve(msgspec.Struct, frozen=True, tag_field="task", tag="curve"):
    """The learning curve of an energy model.

    Attributes:
        model: best or paper.
    """

    model: energy.Model = "paper"

    def __post_init__(self) -> None:
        """Raise UnknownModel where there is no such model."""
        energy.check_model(self.model)


class OwnTraining(msgspec.Struct, frozen=True, tag_field="task", tag="own training"):
    """A model of a table of one's own.

    Attributes:
        name: of the table, for people.
        spec: what of it is learned.
        model: best or paper.
        seed: of everything that is drawn.
    """

    name: str
    spec: Spec
    model: energy.Model = "best"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UnknownModel where there is no such model."""
        energy.check_model(self.model)


class OwnPrediction(msgspec.Struct, frozen=True, tag_field="task", tag="own prediction"):
    """Predictions of a table by the model of a run.

    Attributes:
        name: of the table, for people.
        run: the run whose model predicts.
    """

    name: str
    run: str


Request = Experiment | Curve | OwnTraining | OwnPrediction


class Made(Event, frozen=True, tag="made"):
    """What was asked for is there.

    Attributes:
        learned: number of cells or rows that it was learned from.
        notes: what was left out, in plain sentences.
    """

    learned: int
    notes: tuple[str, ...]


def title(request: Request) -> str:
    """What a run does, in a few words that come from no user."""
    match request:
        case Experiment(kind="energy"):
            return f"Energy, {MODELS[request.model]}{_of_cells(request.cells)}, seed {request.seed}"
        case Experiment():
            networks = f"{request.members} network{'s' * (request.members > 1)}"
            return f"Accuracy and time, {networks}{_of_cells(request.cells)}, seed {request.seed}"
        case Curve():
            return f"Learning curve, {MODELS[request.model]}"
        case OwnTraining():
            return f"Own space, {'Gaussian process' if request.model == 'best' else MODELS['paper']}"
    return "Predictions"


def _of_cells(cells: int | None) -> str:
    return "" if cells is None else f", {cells:_} cells".replace("_", "\u202f")


def progress(run: Run[Request]) -> Progress:
    """How far the present part of a training is."""
    told = epochs(run)
    if not told:
        return Progress("Starting")
    last = told[-1]
    return Progress(last.part, last.number, last.of, "epochs")


def epochs(run: Run[Request]) -> list[Epoch]:
    """The epochs of a training, oldest first."""
    return [event for event in run.events if isinstance(event, Epoch)]


def made(run: Run[Request]) -> Made | None:
    """What a run says of what it made; None before it is there."""
    return next((event for event in run.events if isinstance(event, Made)), None)


def model(run: Run[Request]) -> Path | None:
    """The file of the model that a run made; None if there is none."""
    path = run.folder / MODEL
    return path if path.is_file() else None


def frame(run: Run[Request], name: str) -> pd.DataFrame:
    """A table that a run made.

    Args:
        run: the run.
        name: ``held_out``, ``importance``, ``learning_curve`` or ``predictions``.

    Raises:
        UnknownRun: it is not there, or is damaged.
    """
    path = run.folder / f"{name}.parquet"
    try:
        found: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise UnknownRun(f"{path} is not there or damaged; train again") from error
    return found


TRAINING: Kind[Request] = Kind(
    name="training",
    path="ecnas_core.surrogates.runs:TRAINING",
    handler="ecnas_core.surrogates.handler:work",
    folder=Path("surrogates") / "runs",
    requests=Request,
    events=Epoch | Made | Ended,
    title=title,
    progress=progress,
    set_aside=Path("surrogates") / "set-aside",
    one_at_a_time=True,
    keeps_results=True,
)
