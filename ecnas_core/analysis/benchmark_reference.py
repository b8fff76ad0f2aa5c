"""A measurement of a step, brought to a whole training and set beside what the benchmark has for the same cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol

from ecnas_core.analysis.hardware import IMAGES_PER_EPOCH, OFFICIAL_DEVICES, SPACE, HardwareView, compare
from ecnas_core.benchmark.store import Benchmark, check_epochs
from ecnas_core.carbon import Lens
from ecnas_core.carbon.lens import JOULES_PER_KWH, STORED_PUE

if TYPE_CHECKING:
    import pandas as pd

_SHORT = 4
_NAMES = {"measured": "measured", "scaled": "4 epochs, scaled", "surrogate": "surrogate"}


class Step(Protocol):
    """A measured training step; ``measure.record.Measurement`` is one."""

    @property
    def hash(self) -> str: ...  # noqa: D102
    @property
    def images_per_epoch(self) -> int: ...  # noqa: D102
    @property
    def mode(self) -> str: ...  # noqa: D102
    @property
    def gpu_energy_j_per_step(self) -> float | None: ...  # noqa: D102
    def energy_j(self, component: Literal["gpu"], epochs: int) -> float | None: ...  # noqa: D102
    def facility_kwh(self, epochs: int, pue: float) -> float | None: ...  # noqa: D102


def value(step: Step, lens: Lens, epochs: int) -> float | None:
    """A measured step's energy for a training of so many epochs, under a lens: the step's, scaled up.

    Args:
        step: the measurement.
        lens: scope, PUE, grid and unit.
        epochs: of the training.

    Returns:
        The energy in the lens's unit; None where the scope needs a component that was not measured, and for the GPU
        scope where no GPU took part.
    """
    return lens.convert(step.facility_kwh(epochs, STORED_PUE), step.energy_j("gpu", epochs) or None)


def comparable(step: Step, lens: Lens, epochs: int) -> float | None:
    """The energy of ``value`` for epochs of 40,000 images, as the benchmark's are, whatever those of the measurement.

    Args:
        step: the measurement.
        lens: scope, PUE, grid and unit.
        epochs: of the training.

    Returns:
        The energy in the lens's unit; None as for ``value``.
    """
    own = value(step, lens, epochs)
    return None if own is None else own * IMAGES_PER_EPOCH / step.images_per_epoch


def energies(steps: Iterable[Step], epochs: int = 4) -> pd.DataFrame:
    """What measured steps tell of trainings as the benchmark's, for calibrating a device.

    Args:
        steps: the measurements.
        epochs: of the trainings.

    Returns:
        One row a measurement: ``hash``, ``energy_kwh`` (facility, PUE 1.59) and ``gpu_energy_j``, NaN where a component
        was not measured.
    """
    import pandas as pd

    gpu = Lens(scope="GPU")
    rows = [(step.hash, comparable(step, Lens(), epochs), comparable(step, gpu, epochs)) for step in steps]
    frame = pd.DataFrame(rows, columns=["hash", "energy_kwh", "gpu_energy_j"])
    return frame.astype({"energy_kwh": float, "gpu_energy_j": float}).assign(
        gpu_energy_j=lambda each: each["gpu_energy_j"] * JOULES_PER_KWH
    )


def entries(bench: Benchmark, step: Step, lens: Lens, epochs: int = 4) -> pd.DataFrame:
    """What the benchmark has for the cell of a measured training step.

    Args:
        bench: the benchmark.
        step: the measurement.
        lens: scope, PUE, grid and unit.
        epochs: 4, 12, 36 or 108.

    Returns:
        One row an entry: ``name``, ``value`` in the lens's unit (NaN where the scope is not known), ``provenance`` and
        ``ratio``, the measured energy (``comparable``) by the entry's. A 4V cell has one row for each of the four
        released devices, their 4-epoch energies times epochs / 4 (as in the released files); each space that holds
        the cell has one more. A measurement of inference has none: the benchmark knows trainings alone.

    Raises:
        UnknownEpochs: another budget.
        UnknownCell: the cell is in no space.
    """
    import pandas as pd

    check_epochs(epochs)
    rows: list[tuple[str, float | None, str | None]] = []
    if step.mode == "train":
        if bench.query(step.hash, epochs).space == SPACE:
            rows += _devices(bench, step.hash, lens, epochs)
        rows += _spaces(bench, step.hash, lens, epochs)
    own = comparable(step, lens, epochs)
    frame = pd.DataFrame(rows, columns=["name", "value", "provenance"]).astype({"value": float})
    return frame.assign(ratio=float("nan") if own is None else own / frame["value"])


def _devices(bench: Benchmark, digest: str, lens: Lens, epochs: int) -> list[tuple[str, float | None, str | None]]:
    frame = compare(bench, HardwareView(lens=lens)).frame
    found = frame[(frame["hash"] == digest) & frame["device"].isin(OFFICIAL_DEVICES)].set_index("device")
    provenance = "measured" if epochs == _SHORT else "scaled"
    return [
        (device, float(found.loc[device, "energy"]) * epochs / _SHORT, provenance)
        for device in OFFICIAL_DEVICES
        if device in found.index
    ]


def _spaces(bench: Benchmark, digest: str, lens: Lens, epochs: int) -> list[tuple[str, float | None, str | None]]:
    found = bench.rows(
        f"select space, energy_provenance, {lens.energy_sql()} as energy from benchmark "
        "where hash = ? and epochs = ? order by space",
        [digest, epochs],
    )
    return [
        (
            f"{row['space']}, {_NAMES.get(row['energy_provenance'], row['energy_provenance'])}",
            row["energy"],
            row["energy_provenance"],
        )
        for row in found
    ]
