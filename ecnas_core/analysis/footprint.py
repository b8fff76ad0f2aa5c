"""The footprint of training a cell of the benchmark: which cell, how often, on how many images, in which grid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from msgspec.structs import replace

from ecnas_core.analysis import explore
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.official import Budget
from ecnas_core.benchmark.store import Benchmark, UnknownCell
from ecnas_core.carbon import Lens
from ecnas_core.carbon.footprint import TRAINING_IMAGES, Images, Trainings, Workload, by_country
from ecnas_core.cells import Space
from ecnas_core.errors import EcnasError
from ecnas_core.records import InvalidRecord, Param, Record, script

if TYPE_CHECKING:
    import pandas as pd

Section = Literal["footprint", "table"]
Role = Literal["r0", "rk", "r1"]
SECTIONS: tuple[Section, ...] = get_args(Section)
ROLES: tuple[Role, ...] = get_args(Role)
_HASH = re.compile(r"[0-9a-f]{32}")


class UnknownEnergy(EcnasError):
    """The energy of a cell is not known in the scope that is asked for."""


class CarbonView(Record, frozen=True):
    """What the Carbon page shows.

    Attributes:
        section: ``footprint`` of a cell, or ``table``: what the benchmark spared (the paper's Table 3).
        space: 4V, 5V or 7V, whose energy scale is meant.
        epochs: the training budget: 4, 12, 36 or 108.
        cell: hash of a cell, or its place on the front of energy and validation error: ``r0`` (least energy), ``rk``
            (the knee), ``r1`` (best accuracy).
        trainings: how many times it is trained.
        images: training images in an epoch.
        lens: how energy is counted, and in which grid.

    Raises:
        EcnasError: a part is unknown or out of range.
    """

    section: Section = "footprint"
    space: Space = "7V"
    epochs: Budget = 108
    cell: Annotated[str, Param("of")] = "rk"
    trainings: Trainings = 1
    images: Images = TRAINING_IMAGES
    lens: Lens = Lens()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell not in ROLES and not _HASH.fullmatch(self.cell):
            raise InvalidRecord(f"{self.cell[:40]!r} is no cell; give a hash, or one of {', '.join(ROLES)}")

    @property
    def workload(self) -> Workload:
        """The trainings and images."""
        return Workload(self.trainings, self.images)

    def to_python(self) -> str:
        """The source that computes the same in Python."""
        if self.section == "table":
            return script("print(table_3(Benchmark.open()))", uses=["ecnas_core.analysis.reduction:table_3"])
        return script("print(countries(Benchmark.open(), view))", uses=[f"{__name__}:countries"], view=self)


def front(bench: Benchmark, space: str, epochs: int, predicted: bool = True) -> dict[Role, str]:
    """The hashes of r0, rk and r1 of a space: ends and knee of the front of facility energy and validation error.

    Cells whose surrogate energy is an artefact are left out, as everywhere; rk is missing where a front has no knee.
    """
    found = explore.front(bench, View(space=space, epochs=epochs, lens=Lens(predicted=predicted)))
    return {role: found.loc[found["role"] == role, "hash"].item() for role in ROLES if (found["role"] == role).any()}


def trainings(bench: Benchmark, view: CarbonView, hashes: Sequence[str]) -> pd.DataFrame:
    """What the view's workload takes with each of some cells.

    Returns:
        One row a cell of the space, in the order given: ``hash``, ``energy_kwh`` (in the lens's scope) and ``kgco2eq``
        (in its grid) of the whole workload, NaN where the scope is unknown; ``validation_accuracy`` and, where it is
        predicted, its 90 % interval (``_low``, ``_high``), of both figures the provenance, and ``energy_artefact``.
        Cells that are not in the space are left out.
    """
    in_kwh = View(space=view.space, epochs=view.epochs, y="validation_accuracy", lens=replace(view.lens, unit="kWh"))
    found = explore.cells(bench, in_kwh, hashes=hashes).set_index("hash")
    found = found.loc[[digest for digest in dict.fromkeys(hashes) if digest in found.index]].reset_index()
    factor = view.workload.factor
    ends = {"y_low": "validation_accuracy_low", "y_high": "validation_accuracy_high"}
    return found.rename(columns=ends).assign(energy_kwh=found["energy"] * factor, kgco2eq=found["footprint"] * factor)[
        [
            "hash",
            "energy_kwh",
            "kgco2eq",
            "validation_accuracy",
            *ends.values(),
            "energy_provenance",
            "accuracy_provenance",
            "energy_artefact",
        ]
    ]


def countries(bench: Benchmark, view: CarbonView) -> pd.DataFrame:
    """The footprint of the view's workload with its cell in every country of carbontracker's table.

    Returns:
        As ``carbon.footprint.by_country``.

    Raises:
        UnknownCell: the cell is not in the space, or the front has no knee.
        UnknownEnergy: its energy is not known in the lens's scope.
    """
    digest: str | None = view.cell
    if view.cell in ROLES:
        digest = front(bench, view.space, view.epochs, view.lens.predicted).get(view.cell)
    found = trainings(bench, view, [digest] if digest else [])
    if found.empty:
        raise UnknownCell(f"the space {view.space} has no cell {view.cell}; take a larger space or another cell")
    energy_kwh = float(found["energy_kwh"].item())
    if isnan(energy_kwh):
        raise UnknownEnergy(
            f"the energy in the scope {view.lens.scope} is not known in {view.space}; take facility or IT"
        )
    return by_country(energy_kwh)


def compared(bench: Benchmark, view: CarbonView, digest: str, others: Mapping[Role, str]) -> pd.DataFrame:
    """A cell beside the ends and the knee of its front, under the view's workload.

    Args:
        bench: the benchmark.
        view: workload and lens.
        digest: hash of the cell.
        others: the front, as ``front`` gives it.

    Returns:
        As ``trainings``, with ``role`` ("" for a cell that is none of them, and the cell itself is first) and
        ``saved_kgco2eq``: what the others save against the cell, negative where they emit more.
    """
    roles = {other: role for role, other in others.items()}
    found = trainings(bench, view, [digest, *others.values()])
    own = found["kgco2eq"].iloc[0] if len(found) and found["hash"].iloc[0] == digest else float("nan")
    return found.assign(role=found["hash"].map(roles).fillna(""), saved_kgco2eq=own - found["kgco2eq"])
