"""The footprint of training a cell of the benchmark: which cell, how often, on how many images, in which grid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import TYPE_CHECKING, Literal, Self, get_args

from ecnas_core.analysis import explore
from ecnas_core.analysis.view import InvalidView, View, budget
from ecnas_core.benchmark.store import Benchmark, UnknownCell, check_epochs, check_space
from ecnas_core.carbon import Lens
from ecnas_core.carbon.footprint import TRAINING_IMAGES, Workload, by_country

if TYPE_CHECKING:
    import pandas as pd

Section = Literal["footprint", "table"]
Role = Literal["r0", "rk", "r1"]
SECTIONS: tuple[Section, ...] = get_args(Section)
ROLES: tuple[Role, ...] = get_args(Role)
_HASH = re.compile(r"[0-9a-f]{32}")


class UnknownEnergy(InvalidView):
    """The energy of a cell is not known in the scope that is asked for."""


@dataclass(frozen=True)
class CarbonView:
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
    space: str = "7V"
    epochs: int = 108
    cell: str = "rk"
    trainings: int = 1
    images: int = TRAINING_IMAGES
    lens: Lens = field(default_factory=Lens)

    def __post_init__(self) -> None:
        if self.section not in SECTIONS:
            raise InvalidView(f"there is no section {self.section!r}; take one of {', '.join(SECTIONS)}")
        check_space(self.space)
        check_epochs(self.epochs)
        if self.cell not in ROLES and not _HASH.fullmatch(self.cell):
            raise InvalidView(f"{self.cell[:40]!r} is no cell; give a hash, or one of {', '.join(ROLES)}")
        _ = self.workload

    @property
    def workload(self) -> Workload:
        """The trainings and images."""
        return Workload(self.trainings, self.images)

    def to_params(self) -> dict[str, str]:
        """The view as URL parameters, the lens included; defaults are left out."""
        names = {
            "section": "section",
            "space": "space",
            "epochs": "epochs",
            "cell": "of",
            "trainings": "trainings",
            "images": "images",
        }
        return {
            parameter: str(getattr(self, name))
            for name, parameter in names.items()
            if getattr(self, name) != getattr(CarbonView, name)
        } | self.lens.to_params()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The view that ``to_params`` wrote; other parameters are ignored.

        Raises:
            EcnasError: a parameter does not have the form that ``to_params`` writes, or is out of range.
        """
        return cls(
            section=params.get("section", cls.section),  # type: ignore[arg-type]
            space=params.get("space", cls.space),
            epochs=budget(params, cls.epochs),
            cell=params.get("of", cls.cell),
            trainings=_count(params, "trainings", cls.trainings),
            images=_count(params, "images", cls.images),
            lens=Lens.from_params(params),
        )

    def to_python(self) -> str:
        """The source that computes the same in Python."""
        if self.section == "table":
            return (
                "from ecnas_core import Benchmark\n"
                "from ecnas_core.analysis.reduction import table_3\n\n"
                "print(table_3(Benchmark.open()))\n"
            )
        return (
            "from ecnas_core import Benchmark\n"
            "from ecnas_core.analysis.footprint import CarbonView, countries\n"
            "from ecnas_core.carbon import Lens\n\n"
            f"view = {self!r}\n"
            "print(countries(Benchmark.open(), view))\n"
        )


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


def _count(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not text.isascii() or not text.isdigit():
        raise InvalidView(f"{name}={text[:20]!r} is no whole number")
    return int(text[:20])
