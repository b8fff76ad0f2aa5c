"""Lesson 1: what the energy of a training counts, and what becomes of it in another hall and on another grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ecnas_core.analysis.lessons.lesson import Control, Guide, Lesson, Link, Mistake, NotTeachable, NumberTask
from ecnas_core.analysis.lessons.pictures import picture, role
from ecnas_core.analysis.lessons.told import Amount, count, fixed, percent, told
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark, Entry
from ecnas_core.carbon import SCOPES, Lens, grid
from ecnas_core.carbon.footprint import by_country
from ecnas_core.carbon.lens import JOULES_PER_KWH, STORED_PUE

if TYPE_CHECKING:
    import pandas as pd

SPACE = "4V"
LONGEST = EPOCHS[-1]
HALL = 1.2
COUNTRIES = ("PL", "FR", "ZA", "SE", "IN", "US")
ROLES = {"r0": "least energy", "rk": "the knee", "r1": "best accuracy"}


@dataclass(frozen=True)
class Scene:
    """One training, counted three ways, and where it could be made.

    Attributes:
        entry: the cell at the budget.
        kwh: its energy in kWh in each scope, under the lens's PUE.
        lens: what counts.
        countries: the footprint of the facility energy everywhere, as ``carbon.footprint.by_country`` gives it.
    """

    entry: Entry
    kwh: Mapping[str, float]
    lens: Lens
    countries: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """One row a scope: ``scope`` and ``energy_kwh``."""
        import pandas as pd

        return pd.DataFrame({"scope": list(self.kwh), "energy_kwh": list(self.kwh.values())})


def scene(bench: Benchmark, settings: Mapping[str, str], lens: Lens) -> Scene:
    """A cell of 4V, whose energy is measured by component.

    Args:
        bench: the benchmark.
        settings: ``of`` (r0, rk or r1) and ``epochs``.
        lens: whose PUE and grid count.
    """
    entry = _entry(bench, settings["of"], int(settings["epochs"]))
    kwh = _scopes(entry, lens)
    return Scene(entry, kwh, lens, by_country(kwh["facility"]))


def prediction(bench: Benchmark, lens: Lens) -> NumberTask:
    """How much the facility takes for each kWh of the GPU, over all cells of 4V at 108 epochs."""
    [row] = bench.rows(
        "select count(*) as cells, sum(energy_kwh) as kwh, sum(gpu_energy_j) as gpu_j from benchmark "
        "where space = ? and epochs = ?",
        [SPACE, LONGEST],
    )
    it = row["kwh"] / STORED_PUE * JOULES_PER_KWH / row["gpu_j"]
    whole = it * lens.pue
    return NumberTask(
        question=told(
            "The meter of the GPU shows 1 kWh. How many kWh has the facility taken meanwhile, with a PUE of {pue}?",
            pue=Amount(lens.pue),
        ),
        unit="kWh",
        answer=whole,
        within=0.1,
        why=told(
            "{whole} kWh: with the CPUs the IT takes {it} kWh, of which the GPU has {share}; cooling and power supply "
            "multiply that by the PUE, {pue}. These are the sums over the {cells} cells of {space} at {epochs} epochs, "
            "measured. The GPU's joules also cover the start-up, the facility's energy is of the training alone.",
            whole=fixed(whole, 2),
            it=fixed(it, 2),
            share=percent(1 / it, 0),
            pue=Amount(lens.pue),
            cells=count(row["cells"]),
            space=SPACE,
            epochs=count(LONGEST),
        ),
        hint="The CPUs take their part, and then everything is multiplied by the PUE.",
        least=1.0,
        most=5.0,
        step=0.1,
        slider=True,
    )


def exercise(bench: Benchmark, lens: Lens, deal: int) -> NumberTask:
    """The footprint of one training in another country and hall."""
    place = grid(COUNTRIES[deal % len(COUNTRIES)])
    entry = _entry(bench, "r1", LONGEST)
    there = replace(lens, scope="facility", pue=HALL, country=place.code, g_per_kwh=None)
    kwh = _scopes(entry, there)
    stored = float(entry.energy_kwh or 0)
    answer = kwh["facility"] * place.intensity
    home = lens.intensity
    return NumberTask(
        question=told(
            "The most accurate cell of {space} ({hash}) is trained once for {epochs} epochs in {country}, at "
            "{intensity} gCO2eq/kWh, in a hall with a PUE of {pue}. What is the footprint of its facility energy? The "
            "benchmark stores {stored} for it, which includes the PUE {stored_pue}.",
            space=SPACE,
            hash=entry.hash[:8],
            epochs=count(LONGEST),
            country=place.country,
            intensity=Amount(place.intensity),
            pue=Amount(HALL),
            stored=Amount(stored, "kWh", 4),
            stored_pue=Amount(STORED_PUE),
        ),
        unit="gCO2eq",
        answer=answer,
        within=0.02,
        why=told(
            "{answer}: {stored} / {stored_pue} is the IT energy, times {pue} that of this hall, {facility}, times "
            "{intensity} gCO2eq/kWh.",
            answer=Amount(answer, "gCO2eq"),
            stored=Amount(stored, "kWh", 4),
            stored_pue=Amount(STORED_PUE),
            pue=Amount(HALL),
            facility=Amount(kwh["facility"], "kWh", 4),
            intensity=Amount(place.intensity),
        ),
        hint="First take the stored PUE out, then put the hall's in, then multiply by the grid's intensity.",
        mistakes=(
            Mistake(
                stored * place.intensity,
                told(
                    "This still has the stored PUE {stored_pue} in it: another hall has another one.",
                    stored_pue=Amount(STORED_PUE),
                ),
            ),
            Mistake(
                stored * HALL * place.intensity,
                told("This counts the cooling twice: the stored energy includes a PUE already, take it out first."),
            ),
            Mistake(kwh["IT"] * place.intensity, told("This is the footprint of the IT alone: the hall adds its PUE.")),
            Mistake(kwh["GPU"] * place.intensity, told("This is the GPU alone: the CPUs and the hall are missing.")),
            Mistake(
                kwh["facility"] * home,
                told("This is the grid of the lens, not that of {country}.", country=place.country),
            ),
            Mistake(answer / 1000, told("The number is right in kgCO2eq: the answer is asked for in grams.")),
        ),
        most=1e7,
        step=1.0,
        links=(Link("This cell on the page Carbon", "carbon", {"space": SPACE, "of": "r1"}).under(lens),),
    )


def _entry(bench: Benchmark, name: str, epochs: int) -> Entry:
    digest = role(picture(bench, View(space=SPACE, epochs=epochs)), name)["hash"]
    return bench.query(digest, epochs, SPACE)


def _scopes(entry: Entry, lens: Lens) -> dict[str, float]:
    if lens.grid is not None and lens.grid.is_artefact:
        raise NotTeachable(
            f"the table's 0 gCO2eq/kWh for {lens.grid.country} is a gap and no figure; choose another grid in the lens"
        )
    known = {
        scope: replace(lens, scope=scope, unit="kWh").convert(entry.energy_kwh, entry.gpu_energy_j) for scope in SCOPES
    }
    return {scope: kwh for scope, kwh in known.items() if kwh is not None}


LESSON = Lesson(
    number=1,
    title="What is counted",
    question="What does the energy of a training count, and what does it not?",
    introduction=(
        "Energy is measured at the GPU and at the CPUs. A data centre takes more: it cools, and converts power. The "
        "PUE says how much more. What a kWh emits depends on the grid it comes from."
    ),
    look="Change the PUE and the grid in the lens, in the sidebar, and watch both bars.",
    controls=(
        Control("of", "Cell of 4V", "knee", {"rk": ROLES["rk"], "r0": ROLES["r0"], "r1": ROLES["r1"]}),
        Control("epochs", "Epochs", "training budget", {str(epochs): str(epochs) for epochs in EPOCHS[::-1]}),
    ),
    terms=("scope", "facility energy", "IT energy", "PUE", "carbon intensity", "footprint"),
    deals=len(COUNTRIES),
    scene=scene,
    prediction=prediction,
    exercise=exercise,
    fixed={"scope": "facility", "device": None},
    guide=Guide(
        timing=(
            ("Look: PUE and grid in the lens", 2),
            ("Predict, each alone, then commit", 2),
            ("The answer, and why", 2),
            ("Exercise in pairs", 3),
            ("Who moved the figure most?", 1),
        ),
        ask=(
            "Who pays for the cooling: the one who trains, or the one who owns the hall?",
            "Making a GPU and a building emits too. In which of these bars is that?",
            "Is it better to train a smaller cell, or the same one on a cleaner grid?",
        ),
        misread=(
            "A training with a small footprint need not have taken little energy: the grid hides it. And a PUE near 1 "
            "says nothing of how much the IT takes."
        ),
        links=(
            Link("Every country on the map", "carbon", {"space": SPACE, "of": "r1"}),
            Link("The same with the GPU alone", "explore", {"space": SPACE, "scope": "GPU"}),
            Link("How energy divides between GPU and CPU", "scaling"),
        ),
    ),
)
