"""The lens: the scope, PUE, grid and unit in which every energy is shown, and whether linear scaling is corrected."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta

from ecnas_core.benchmark.store import table
from ecnas_core.carbon.intensity import Grid, grid
from ecnas_core.records import InvalidRecord, Param, Record

STORED_PUE = 1.59
JOULES_PER_KWH = 3.6e6

Scope = Literal["facility", "IT", "GPU"]
Unit = Literal["kWh", "Wh", "kgCO2eq"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
UNITS: tuple[Unit, ...] = get_args(Unit)


class Lens(Record, frozen=True):
    """How energy is counted and in which unit.

    Attributes:
        scope: ``facility`` (IT energy times PUE, as EC-NAS stores it), ``IT`` (GPU and CPUs) or ``GPU`` (the
            accelerator alone, known only where its joules were recorded).
        pue: power usage effectiveness of the facility, 1.0 to 3.0; EC-NAS stores 1.59 (paper section 2).
        country: ISO code of the grid, or None when ``g_per_kwh`` is given by hand.
        g_per_kwh: carbon intensity in gCO2eq/kWh, used when ``country`` is None.
        unit: the unit energies are shown in.
        corrected: whether energies and times that are 4-epoch ones times a factor (5V beyond 4 epochs, and the 7V
            surrogate) are brought to what the measured budgets of 4V let expect: 5V's energies to the mean energy per
            second of 4-epoch training time, times and 7V by the mean ratio (``analysis.scaling``).
        predicted: whether accuracies and times that this project's models predict stand in where none is published.
        device: a device calibrated by some measured cells, for which every energy is then predicted
            (``surrogates.devices``); None for the benchmark's own.

    Raises:
        InvalidRecord: scope, PUE, intensity or unit out of range.
        UnknownGrid: no such country.
    """

    scope: Scope = "facility"
    pue: Annotated[float, Meta(ge=1, le=3)] = STORED_PUE
    country: Annotated[str | None, Param("grid", read=lambda text: text if text.isalpha() else None)] = "DK"
    g_per_kwh: Annotated[
        Annotated[float, Meta(ge=0, le=2000)] | None,
        Param("grid", read=lambda text: None if text.isalpha() else float(text)),
    ] = None
    unit: Unit = "kWh"
    corrected: bool = False
    predicted: bool = True
    device: Annotated[str | None, Param("calibrated")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.country is None) == (self.g_per_kwh is None):
            raise InvalidRecord("give either a country or a carbon intensity in g/kWh")
        if self.country is not None:
            grid(self.country)

    @property
    def grid(self) -> Grid | None:
        """The country's grid, or None when the intensity was given by hand."""
        return None if self.country is None else grid(self.country)

    @property
    def intensity(self) -> float:
        """Carbon intensity in gCO2eq per kWh."""
        if self.g_per_kwh is not None:
            return self.g_per_kwh
        assert self.country is not None
        return grid(self.country).intensity

    @property
    def quantity(self) -> str:
        """What the figures are called under this lens: energy, or footprint when the unit is a mass."""
        return "Footprint" if self.unit == "kgCO2eq" else "Energy"

    @property
    def known_without_components(self) -> bool:
        """Whether the scope can be had from a facility energy alone."""
        return self.scope != "GPU"

    def convert(
        self,
        energy_kwh: float | None,
        gpu_energy_j: float | None = None,
        energy_correction: float | None = 1.0,
        gpu_energy_correction: float | None = 1.0,
    ) -> float | None:
        """A stored energy under this lens.

        Args:
            energy_kwh: facility energy with the stored PUE of 1.59, in kWh.
            gpu_energy_j: the accelerator's share, in J.
            energy_correction: the factor by which the lens corrects the first; 1 where nothing was scaled.
            gpu_energy_correction: that of the second.

        Returns:
            The value in the lens's unit; None where the scope needs a component, or the lens a factor, that is unknown.
        """
        kwh = self._kwh(energy_kwh, gpu_energy_j, energy_correction, gpu_energy_correction)
        return None if kwh is None else kwh * self._unit_per_kwh()

    def footprint(
        self,
        energy_kwh: float | None,
        gpu_energy_j: float | None = None,
        energy_correction: float | None = 1.0,
        gpu_energy_correction: float | None = 1.0,
    ) -> float | None:
        """The footprint of a stored energy in this scope, in kgCO2eq; arguments and None as in ``convert``."""
        kwh = self._kwh(energy_kwh, gpu_energy_j, energy_correction, gpu_energy_correction)
        return None if kwh is None else kwh * (self.intensity / 1000)

    @property
    def table(self) -> str:
        """What to select from for figures under this lens; see ``benchmark.store.table``."""
        return table(self.predicted, self.device)

    def energy_sql(self) -> str:
        """The SQL expression of ``convert`` over its arguments, which are columns of the view ``benchmark``."""
        return self._sql(self._unit_per_kwh())

    def footprint_sql(self) -> str:
        """The SQL expression of ``footprint`` over the same columns."""
        return self._sql(self.intensity / 1000)

    def energy_interval_sql(self) -> tuple[str, str]:
        """The SQL expressions of the ends of the 90 % interval of ``energy_sql``; null where it is not predicted."""
        return self._sql(self._unit_per_kwh(), "_low"), self._sql(self._unit_per_kwh(), "_high")

    def footprint_interval_sql(self) -> tuple[str, str]:
        """The SQL expressions of the ends of the 90 % interval of ``footprint_sql``; likewise."""
        return self._sql(self.intensity / 1000, "_low"), self._sql(self.intensity / 1000, "_high")

    def time_sql(self) -> str:
        """The SQL expression of the training time in s over the columns of the view ``benchmark``."""
        return "(training_time_s * time_correction)" if self.corrected else "training_time_s"

    def describe(self) -> str:
        """One line that says what the figures are."""
        scope = {
            "facility": f"facility energy, PUE {self.pue:g}",
            "IT": "IT energy (GPU and CPUs)",
            "GPU": "GPU energy alone",
        }[self.scope]
        where = self.grid
        place = f"{where.country} {where.year}, " if where else ""
        correction = "; linear scaling corrected" if self.corrected else ""
        known = "" if self.predicted else "; without predicted accuracies"
        known += "" if self.device is None else f"; energies predicted for {self.device}"
        return f"{scope}; {place}{self.intensity:.0f} gCO2eq/kWh{correction}{known}"

    def _kwh(
        self,
        energy_kwh: float | None,
        gpu_energy_j: float | None,
        energy_correction: float | None,
        gpu_energy_correction: float | None,
    ) -> float | None:
        gpu = self.scope == "GPU"
        stored, correction = (gpu_energy_j, gpu_energy_correction) if gpu else (energy_kwh, energy_correction)
        if stored is None or (self.corrected and correction is None):
            return None
        kwh = stored / JOULES_PER_KWH if gpu else stored * self._factor()
        return kwh * correction if self.corrected and correction is not None else kwh

    def _sql(self, per_kwh: float, end: str = "") -> str:
        gpu = self.scope == "GPU"
        kwh = f"gpu_energy_j{end} / {JOULES_PER_KWH!r}" if gpu else f"energy_kwh{end} * {self._factor()!r}"
        if self.corrected:
            kwh += f" * {'gpu_energy_correction' if gpu else 'energy_correction'}"
        return f"({kwh} * {per_kwh!r})"

    def _factor(self) -> float:
        return (self.pue if self.scope == "facility" else 1.0) / STORED_PUE

    def _unit_per_kwh(self) -> float:
        return {"kWh": 1.0, "Wh": 1000.0, "kgCO2eq": self.intensity / 1000}[self.unit]
