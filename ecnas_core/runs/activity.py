"""Everything that runs or ran in a user's folder, whatever it is and wherever it was started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from ecnas_core import files
from ecnas_core.runs.run import Progress, Run, UnknownRun
from ecnas_core.runs.store import Kind, RunStore

KINDS = (
    "ecnas_core.benchmark.jobs:JOB",
    "ecnas_core.search.study:STUDY",
    "ecnas_core.surrogates.runs:TRAINING",
    "ecnas_core.measure.runs:MEASUREMENT",
)
"""Where the kinds of runs are declared, as module:name."""


@dataclass(frozen=True)
class Activity:
    """A run of any kind.

    Attributes:
        store: that it belongs to.
        run: as it is.
    """

    store: RunStore[Any]
    run: Run[Any]

    @property
    def kind(self) -> Kind[Any]:
        """What it is."""
        return self.store.kind

    @property
    def title(self) -> str:
        """What it does, in a few words."""
        return self.run.id if self.run.request is None else self.kind.title(self.run.request)

    @property
    def progress(self) -> Progress | None:
        """How far it is; None where it does not run."""
        return self.kind.progress(self.run) if self.run.running else None

    @property
    def can_go(self) -> bool:
        """Whether it has ended and nothing is lost with its folder: all that it made is stored elsewhere."""
        return not self.run.running and not self.kind.keeps_results


def activities(data: Path) -> list[Activity]:
    """Every run of a user's folder, those that run first, then the latest first."""
    stores = [RunStore(resolve_name(path), data) for path in KINDS]
    found = [Activity(store, run) for store in stores for run in store.all()]
    return sorted(found, key=lambda each: (not each.run.running, -each.run.started))


def find(run_id: str, data: Path) -> Activity:
    """The run of an id.

    Raises:
        UnknownRun: there is none.
    """
    for each in activities(data):
        if each.run.id == run_id:
            return each
    raise UnknownRun(f"there is no run {run_id[:60]!r} in {data}; see the command runs for those there are")


def clean(data: Path) -> list[Activity]:
    """Forget every run that has ended and keeps no results, and remove what killed processes left half-written.

    Returns:
        What was forgotten.
    """
    gone = [each for each in activities(data) if each.can_go]
    for each in gone:
        each.store.dismiss(each.run.id)
    for folder in data.glob("*/"):
        files.remove_parts(folder)
    return gone
