"""The cells that can be chosen for a task, with what a training of each takes there and gives.

Where a task is not the benchmark's, energy and time are brought to it: linearly in the images of an epoch, and linearly
in the multiply-adds of an image, which follow its size and the number of classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from ecnas_core.analysis import hardware, pareto
from ecnas_core.analysis.hardware import UnknownDevice
from ecnas_core.analysis.needs import QUANTITIES, Needs, Quantity, Task
from ecnas_core.benchmark.store import Benchmark, UnknownCell
from ecnas_core.carbon import Lens
from ecnas_core.carbon.footprint import TRAINING_IMAGES
from ecnas_core.cells.costs import CLASSES, IMAGE_SIZE, STACKS, STEM_CHANNELS

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

FEATURES = STEM_CHANNELS * 2 ** (STACKS - 1)
"""What the classifier takes in."""

SECONDS_PER_HOUR = 3600
_PREDICTED: tuple[Quantity, ...] = ("energy_kwh", "footprint_kgco2eq", "time_h", "accuracy")


@dataclass(frozen=True, eq=False)
class Candidates:
    """Every cell, at every budget, that can be chosen; artefacts of the surrogate cannot.

    Attributes:
        task: what they are for.
        places: budget and row in the space's file of each, shape (n, 2).
        values: by quantity, shape (n,); NaN where unknown.
        worst: the same at the unfavourable end of the 90 % interval where a value is predicted.
    """

    task: Task
    places: Places
    values: Mapping[Quantity, Floats]
    worst: Mapping[Quantity, Floats]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def known(self) -> Flags:
        """Which have both an energy and an accuracy, without which none is chosen."""
        return ~(np.isnan(self.values["energy_kwh"]) | np.isnan(self.values["accuracy"]))

    @cached_property
    def front(self) -> Places:
        """Positions of those that none beats in both energy and accuracy, whatever is needed, by rising energy."""
        known = np.flatnonzero(self.known)
        return known[pareto.front(self.objectives()[known, :2])]

    def objectives(self, worst: bool = False) -> Floats:
        """Energy, validation error and parameters, shape (n, 3)."""
        values = self.worst if worst else self.values
        return np.column_stack([values["energy_kwh"], 1 - values["accuracy"], values["parameters"]])

    def keeping(self, needs: Needs, worst: bool = False) -> dict[Quantity, Flags]:
        """Which candidates keep each limit that is set; unknown is not kept.

        Args:
            needs: the limits.
            worst: whether the unfavourable end of an interval must keep it.
        """
        values = self.worst if worst else self.values
        return {quantity: keeps(values[quantity], quantity, limit) for quantity, limit in needs.limits.items()}

    def qualifying(self, needs: Needs, worst: bool = False) -> Flags:
        """Which candidates keep all limits, energy and accuracy being known."""
        return all_of([self.known, *self.keeping(needs, worst).values()])


def all_of(masks: Sequence[Flags]) -> Flags:
    """Where every mask is true."""
    together: Flags = np.logical_and.reduce(masks)
    return together


def keeps(values: Floats, quantity: Quantity, limit: float) -> Flags:
    """Which values of a quantity keep its limit; unknown ones do not."""
    return values >= limit if quantity == "accuracy" else values <= limit


def load(bench: Benchmark, task: Task) -> Candidates:
    """Every candidate for a task, in the order of budgets and rows.

    Args:
        bench: the benchmark.
        task: what is trained, and where.

    Raises:
        UnknownDevice: the lens's device is not calibrated.
    """
    _check_device(bench, task)
    columns = [*QUANTITIES, *(f"{name}_{end}" for name in _PREDICTED for end in ("low", "high"))]
    found = bench.arrays(
        f"select epochs, row, {', '.join(columns)} from ({_select(bench, task)}) where energy_artefact is null "
        "order by epochs, row"
    )
    arrays = dict(zip(("epochs", "row", *columns), found, strict=True))
    places = np.column_stack([arrays["epochs"], arrays["row"]]).astype(np.int64)
    values: dict[Quantity, Floats] = {name: arrays[name] for name in QUANTITIES}
    worst = dict(values)
    for name in _PREDICTED:
        end = arrays[f"{name}_{'low' if name == 'accuracy' else 'high'}"]
        worst[name] = np.where(np.isnan(end), values[name], end)
    return Candidates(task, places, values, worst)


def details(bench: Benchmark, candidates: Candidates, positions: Sequence[int] | Places) -> pd.DataFrame:
    """Some candidates with all that is known of them.

    Args:
        bench: the benchmark.
        candidates: as ``load`` gave them.
        positions: of some of them.

    Returns:
        One row each, in the order given: ``hash``, ``epochs``, ``vertices``, ``edge_bits``, ``ops``; the quantities of
        one training (``footprint_kgco2eq``: of a year), with ``_low`` and ``_high`` where predicted; ``multiply_adds``
        of one image; ``energy_artefact``, ``energy_provenance``, ``accuracy_provenance``, ``time_provenance``,
        ``accuracy_repeats`` and ``validation_accuracy_std``.
    """
    chosen = candidates.places[np.asarray(positions, np.int64)]
    pairs = ", ".join(f"({epochs}, {row})" for epochs, row in chosen.tolist()) or "(null, null)"
    frame = bench.frame(f"select * from ({_select(bench, candidates.task)}) where (epochs, row) in ({pairs})")
    order = {place: number for number, place in enumerate(zip(frame["epochs"], frame["row"], strict=True))}
    rows = [order[epochs, row] for epochs, row in chosen.tolist()]
    return frame.iloc[rows].drop(columns="row").reset_index(drop=True)


def details_of(bench: Benchmark, task: Task, digest: str) -> pd.DataFrame:
    """One cell at the budgets of a task, as ``details`` gives it, artefacts of the surrogate too.

    Raises:
        UnknownCell: the space has no cell of that hash.
        UnknownDevice: the lens's device is not calibrated.
    """
    _check_device(bench, task)
    frame = bench.frame(f"select * from ({_select(bench, task)}) where hash = ? order by epochs", [digest])
    if frame.empty:
        raise UnknownCell(
            f"the space {task.space} has no cell with the hash {digest[:40]}; try a larger space or check it"
        )
    return frame.drop(columns="row")


def _check_device(bench: Benchmark, task: Task) -> None:
    known = bench.devices()
    if task.lens.device not in (None, *known):
        raise UnknownDevice(
            f"the device {str(task.lens.device)[:60]!r} is not calibrated, so no energies on it are known; "
            f"calibrate it, or take one of {', '.join(known) or 'none'}"
        )


def _select(bench: Benchmark, task: Task) -> str:
    lens = replace(task.lens, unit="kWh")
    source = lens.table
    if task.space == hardware.SPACE and lens.device in hardware.OFFICIAL_DEVICES:
        source = _measured(bench, source, lens)
    per_training = f"({task.images / TRAINING_IMAGES!r} * {_multiply_adds(task)} / multiply_adds)"
    energy = {"": lens.energy_sql(), **dict(zip(("_low", "_high"), lens.energy_interval_sql(), strict=True))}
    per_kwh = task.trainings * lens.intensity / 1000
    time = {end: lens.time_sql().replace("training_time_s", f"training_time_s{end}") for end in ("", "_low", "_high")}
    columns = [
        "epochs, row, hash, vertices, edge_bits, ops, energy_artefact",
        *(f"({sql} * {per_training})::double as energy_kwh{end}" for end, sql in energy.items()),
        *(f"({sql} * {per_training} * {per_kwh!r})::double as footprint_kgco2eq{end}" for end, sql in energy.items()),
        *(f"({sql} * {per_training} / {SECONDS_PER_HOUR})::double as time_h{end}" for end, sql in time.items()),
        f"(trainable_parameters + {(FEATURES + 1) * (task.classes - CLASSES)})::double as parameters",
        f"{_multiply_adds(task)}::double as multiply_adds",
        *(f"validation_accuracy{end}::double as accuracy{end}" for end in ("", "_low", "_high")),
        "energy_provenance, accuracy_provenance, time_provenance, accuracy_repeats, validation_accuracy_std",
    ]
    budgets = ", ".join(map(str, task.budgets))
    return f"select {', '.join(columns)} from {source} where space = '{task.space}' and epochs in ({budgets})"


def _multiply_adds(task: Task) -> str:
    scale = (task.image_size / IMAGE_SIZE) ** 2
    return f"((multiply_adds - {FEATURES * CLASSES})::double * {scale!r} + {FEATURES * task.classes})"


def _measured(bench: Benchmark, source: str, lens: Lens) -> str:
    """The rows of a device with its own measurements, linear in the epochs, in the place of predictions."""
    found = hardware.measured_on(bench, str(lens.device))
    energies = ("energy_kwh", "gpu_energy_j")
    values = ", ".join(
        f"('{row.hash}', {', '.join('null' if np.isnan(value) else f'{value!r}::double' for value in row[2:])})"
        for row in found[["hash", *energies]].itertuples()
    )
    own = [f"coalesce(own_{name} * epochs / {hardware.EPOCHS}, {name}) as {name}" for name in energies]
    ends = [
        f"if(own_{name} is null, {name}_{end}, null) as {name}_{end}" for name in energies for end in ("low", "high")
    ]
    counted = energies[lens.scope == "GPU"]
    provenance = (
        f"case when own_{counted} is null then energy_provenance "
        f"when epochs = {hardware.EPOCHS} then 'measured' else 'scaled' end as energy_provenance"
    )
    return (
        f"(select * exclude (own_energy_kwh, own_gpu_energy_j) replace ({', '.join([*own, *ends, provenance])}) "
        f"from {source} left join (values {values}) as own (hash, own_energy_kwh, own_gpu_energy_j) using (hash))"
    )
