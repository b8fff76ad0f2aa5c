"""What a training emits in every country of carbontracker's table, and how often it is repeated on how many images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from ecnas_core.carbon.intensity import grids
from ecnas_core.records import Record

if TYPE_CHECKING:
    import pandas as pd

TRAINING_IMAGES = 40_000
TRAININGS_AT_MOST = 1_000_000
IMAGES_AT_MOST = 1_000_000_000

Trainings = Annotated[int, Meta(ge=1, le=TRAININGS_AT_MOST)]
Images = Annotated[int, Meta(ge=1, le=IMAGES_AT_MOST)]


class Workload(Record, frozen=True):
    """How often a cell is trained, and on how many images.

    Attributes:
        trainings: how many times, 1 to a million.
        images: training images in an epoch, 1 to a billion; the benchmark's are the 40,000 of CIFAR-10 that
            NAS-Bench-101 trains on. Energy is taken to be linear in them, which for any other number is an
            extrapolation.

    Raises:
        InvalidRecord: out of range.
    """

    trainings: Trainings = 1
    images: Images = TRAINING_IMAGES

    @property
    def factor(self) -> float:
        """The energy of the workload by that of one training as benchmarked."""
        return self.trainings * self.images / TRAINING_IMAGES

    @property
    def is_extrapolated(self) -> bool:
        """Whether the images are not the benchmark's."""
        return self.images != TRAINING_IMAGES


def by_country(energy_kwh: float) -> pd.DataFrame:
    """The footprint of an energy in every country of carbontracker's table.

    Args:
        energy_kwh: in the scope that is wanted.

    Returns:
        One row a country, by rising footprint: ``code`` and ``alpha3`` (ISO 3166-1), ``country``, ``year`` and
        ``intensity`` (gCO2eq/kWh) of the table, ``kgco2eq``, and ``artefact``, true where the table's intensity is 0.
    """
    import pandas as pd

    rows = [
        {
            "code": grid.code,
            "alpha3": grid.alpha3,
            "country": grid.country,
            "year": grid.year,
            "intensity": grid.intensity,
            "kgco2eq": energy_kwh * grid.intensity / 1000,
            "artefact": grid.is_artefact,
        }
        for grid in grids().values()
    ]
    return pd.DataFrame(rows).sort_values(["intensity", "country"], ignore_index=True)
