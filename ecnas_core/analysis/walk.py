"""A walk through a space: from a cell one step at a time to a neighbour, and what each step gains and costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ecnas_core.analysis import explore
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell, Step, steps
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd


class BrokenWalk(EcnasError):
    """A walk goes through a cell that is not in the space, or makes a step that is none."""


def describe(step: Step, cell: Cell) -> str:
    """A step in words, for example ``vertex 2: conv3x3 to maxpool3x3`` or ``edge 0-3 removed``.

    Args:
        step: one of the ``steps`` from the cell.
        cell: the cell that it starts from.
    """
    if step.operation is None:
        return f"{step.kind.replace('edge', 'edge {}-{}'.format(*step.vertices))}"
    old = cell.ops[step.vertices[0]]
    return f"vertex {step.vertices[0]}: {old.split('-')[0]} to {step.operation.split('-')[0]}"


def start(bench: Benchmark, view: View) -> str:
    """The hash of the most accurate known cell of a view's space and budget."""
    return str(
        bench.rows(
            f"select hash from {view.lens.table} where space = ? and epochs = ? and validation_accuracy is not null "
            "order by validation_accuracy desc, hash limit 1",
            [view.space, view.epochs],
        )[0]["hash"]
    )


def options(bench: Benchmark, view: View, digest: str) -> pd.DataFrame:
    """Every cell one step away, and what the step changes.

    Args:
        bench: the benchmark.
        view: space, budget and lens.
        digest: hash of the cell to go on from.

    Returns:
        One row a neighbour, by rising change of energy, unknown ones last: ``hash``, ``step``, ``kind``, ``text`` of
        the neighbour, ``energy`` (as the lens shows it), ``validation_accuracy``, ``d_energy`` (ratio to the cell's),
        ``d_accuracy`` (difference; NaN where the accuracies are not of one kind), ``energy_artefact``, provenances.

    Raises:
        UnknownCell: the space has no such cell.
    """
    cell = bench.query(digest, view.epochs, view.space).cell
    found = {step.cell.hash: step for step in steps(cell, view.space)}  # type: ignore[arg-type]
    frame = explore.cells(bench, view, hashes=[digest, *found]).set_index("hash")
    frame["kind_of_accuracy"] = _kind(frame)
    own, frame = frame.loc[digest], frame.drop(index=digest)
    frame["step"] = [describe(found[each], cell) for each in frame.index]
    frame["kind"] = [found[each].kind for each in frame.index]
    frame["text"] = [found[each].cell.to_text() for each in frame.index]
    frame["d_energy"] = frame["energy"] / own["energy"] - 1
    comparable = frame.pop("kind_of_accuracy") == own["kind_of_accuracy"]
    frame["d_accuracy"] = (frame["validation_accuracy"] - own["validation_accuracy"]).where(comparable)
    return frame.sort_values(["d_energy", "step"], na_position="last").reset_index()


def path(bench: Benchmark, view: View, hashes: Sequence[str]) -> pd.DataFrame:
    """The cells of a walk in their order, and the change from each to the next.

    Args:
        bench: the benchmark.
        view: space, budget and lens.
        hashes: the walk, at least one cell.

    Returns:
        One row a cell: ``hash``, ``step`` (how it was reached; empty for the first), ``energy``,
        ``validation_accuracy``, ``d_energy`` and ``d_accuracy`` since the cell before, ``sum_energy`` and
        ``sum_accuracy`` since the first; NaN where accuracies are not of one kind.

    Raises:
        UnknownCell: the space lacks one of the cells.
        BrokenWalk: a cell is not one step away from the one before it.
    """
    cells = [bench.query(digest, view.epochs, view.space).cell for digest in hashes]
    words = [""]
    for before, after in pairwise(cells):
        taken = next((step for step in steps(before, view.space) if step.cell.hash == after.hash), None)  # type: ignore[arg-type]
        if taken is None:
            raise BrokenWalk(f"{after.hash[:8]} is not one step away from {before.hash[:8]}; begin a new walk")
        words.append(describe(taken, before))
    frame = explore.cells(bench, view, hashes=list(dict.fromkeys(hashes))).set_index("hash").loc[list(hashes)]
    frame["step"] = words
    frame["d_energy"] = frame["energy"] / frame["energy"].shift() - 1
    accuracy, kind = frame["validation_accuracy"], _kind(frame)
    frame["d_accuracy"] = accuracy.diff().where(kind == kind.shift())
    frame["sum_energy"] = frame["energy"] / frame["energy"].iloc[0] - 1
    frame["sum_accuracy"] = (accuracy - accuracy.iloc[0]).where(kind == kind.iloc[0])
    return frame.reset_index()


def _kind(cells: pd.DataFrame) -> pd.Series[float]:
    """What makes accuracies comparable: their provenance and how many trainings they average; predicted ones are."""
    kind = 2 * cells["accuracy_repeats"] + (cells["accuracy_provenance"] == "published")
    return kind.mask(cells["accuracy_provenance"] == "predicted", 0)
