"""Lesson 6: what the search itself costs, and why a table or a surrogate saves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecnas_core.analysis.lessons.lesson import Control, Guide, Lesson, Link, Mistake, NumberTask
from ecnas_core.analysis.lessons.pictures import in_kwh, picture, role
from ecnas_core.analysis.lessons.told import Amount, count, kwh, told
from ecnas_core.analysis.reduction import MEASURED_IN_7V, SCALED, UNTRAINED, table_3
from ecnas_core.analysis.table1 import PUBLISHED
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens

if TYPE_CHECKING:
    import pandas as pd

SPACE = "7V"
ALGORITHM = "SEMOA"
LONGEST = EPOCHS[-1]
DEALS = ("5V", "7V", "4V")
_SEARCHES = """
    with asked as (
        select distinct algorithm, trial, hash, epochs from evaluations
        where study = ? and space = ? and valid and hash is not null
    )
    select algorithm, count(distinct trial) as trials, count(*) / trials as trainings, sum({energy}) / trials as kwh
    from asked join (select * from {table} where space = ?) using (hash, epochs)
    group by algorithm order by algorithm
"""


@dataclass(frozen=True)
class Scene:
    """Energies from one training to the training of everything, in kWh.

    Attributes:
        space: what was searched.
        provenance: where the energies are from.
        knee_kwh: one training of the knee at 108 epochs.
        searches: one row a published algorithm: ``algorithm``, ``trials``, ``trainings`` (different cells and budgets
            that a trial asked for) and ``kwh`` (of training them for real), means over the trials.
        table_kwh: what the benchmark did train, 4 epochs of its trained cells.
        everything_kwh: every cell of the space at all four budgets.
    """

    space: str
    provenance: str
    knee_kwh: float
    searches: pd.DataFrame
    table_kwh: float
    everything_kwh: float

    @property
    def frame(self) -> pd.DataFrame:
        """One row a bar: ``what`` and ``energy_kwh``."""
        import pandas as pd

        rows = [
            ("knee", self.knee_kwh),
            *zip(self.searches["algorithm"], self.searches["kwh"], strict=True),
            ("table", self.table_kwh),
            ("everything", self.everything_kwh),
        ]
        return pd.DataFrame(rows, columns=["what", "energy_kwh"])


def scene(bench: Benchmark, settings: Mapping[str, str], lens: Lens) -> Scene:
    """What was searched, and what it would take to train it.

    Args:
        bench: the benchmark.
        settings: ``space``.
        lens: how energy is counted.
    """
    return costs(bench, settings["space"], lens)


def costs(bench: Benchmark, space: str, lens: Lens) -> Scene:
    """The energies of a space under a lens."""
    shown = in_kwh(lens)
    knee = role(picture(bench, View(space=space, epochs=LONGEST, lens=shown)), "rk")
    by_budget = bench.frame(
        f"select epochs, count(*) as cells, sum({shown.energy_sql()}) as kwh from {shown.table} "
        "where space = ? group by epochs order by epochs",
        [space],
    ).set_index("epochs")
    short = by_budget.loc[EPOCHS[0]]
    trained = MEASURED_IN_7V / short["cells"] if space == "7V" else 1.0
    return Scene(
        space=space,
        provenance=str(knee["energy_provenance"]),
        knee_kwh=float(knee["energy"]),
        searches=bench.frame(_SEARCHES.format(energy=shown.energy_sql(), table=shown.table), [PUBLISHED, space, space]),
        table_kwh=float(short["kwh"] * trained),
        everything_kwh=float(by_budget["kwh"].sum()),
    )


def prediction(bench: Benchmark, lens: Lens) -> NumberTask:
    """How many times the training of its result a search by real training takes."""
    found = costs(bench, SPACE, lens)
    search = found.searches.set_index("algorithm").loc[ALGORITHM]
    ratio = float(search["kwh"] / found.knee_kwh)
    return NumberTask(
        question=told(
            "One published trial of {algorithm} in {space} asked for {trainings} different trainings. Had it made them "
            "for real: how many times the energy of training the knee for {epochs} epochs would that have been?",
            algorithm=ALGORITHM,
            space=SPACE,
            trainings=count(search["trainings"]),
            epochs=count(LONGEST),
        ),
        unit="times",
        answer=ratio,
        within=1.0,
        why=told(
            "{ratio} times: {search} for the search, {knee} for the knee. Every cell at every budget would take "
            "{everything}; with the table a search takes the energy of looking up. Means over {trials} trials; "
            "the energies are {energy_is} ({lens}).",
            ratio=Amount(ratio, digits=2),
            search=kwh(search["kwh"]),
            knee=kwh(found.knee_kwh),
            everything=kwh(found.everything_kwh),
            trials=count(search["trials"]),
            lens=lens.describe(),
            energy_is=found.provenance,
        ),
        hint="Every question to the benchmark stands for a training.",
        least=1.0,
        most=1e6,
        step=1.0,
    )


def exercise(bench: Benchmark, lens: Lens, deal: int) -> NumberTask:
    """What scaling, or the surrogate, spared: a line of the paper's Table 3."""
    space = DEALS[deal % len(DEALS)]
    table = table_3(bench)
    line = table[(table["space"] == space) & (table["quantity"] == "kwh")].iloc[0]
    spared, factor = float(line["recomputed"]), int(line["factor"])
    start = spared / factor
    untrained = factor == UNTRAINED
    other = SCALED if untrained else UNTRAINED
    budgets = ", ".join(map(str, EPOCHS))
    longer = ", ".join(map(str, EPOCHS[1:]))
    if untrained:
        question = told(
            "{cells} cells of {space} were never trained: a surrogate tells that {short} epochs of all of them would "
            "take {start}. With energy proportional to epochs, what did it spare not to train them for {budgets} "
            "epochs?",
            cells=count(line["cells"]),
            space=space,
            start=kwh(start),
            budgets=budgets,
            short=count(EPOCHS[0]),
        )
        slip = told("That leaves the {short} epochs out: these cells were not trained at all.", short=count(EPOCHS[0]))
    else:
        question = told(
            "The {cells} cells of {space} were trained for {short} epochs, which took {start}. With energy "
            "proportional to epochs, what did it spare not to train them for {longer} epochs as well?",
            cells=count(line["cells"]),
            space=space,
            start=kwh(start),
            longer=longer,
            short=count(EPOCHS[0]),
        )
        slip = told("That counts the {short} epochs as spared: they were trained.", short=count(EPOCHS[0]))
    return NumberTask(
        question=question,
        unit="kWh",
        answer=spared,
        within=0.012,
        why=told(
            "{spared}: {factor} times {start}. The paper's Table 3 prints {printed}. Facility energy, PUE as stored; "
            "the lens does not touch this table.",
            spared=kwh(spared),
            factor=count(factor),
            start=kwh(start),
            printed=Amount(line["printed"], "kWh", 4),
        ),
        hint="Add the epochs up, and divide by those that the energy is given for.",
        mistakes=(
            Mistake(other * start, slip),
            Mistake(
                LONGEST / EPOCHS[0] * start, told("That is one budget alone, {longest} epochs.", longest=count(LONGEST))
            ),
            Mistake(
                factor * EPOCHS[0] * start,
                told(
                    "You multiplied by the epochs: but the energy is given for {short} of them, not for one.",
                    short=count(EPOCHS[0]),
                ),
            ),
        ),
        most=1e9,
        step=0.1,
        links=(Link("Table 3, recomputed", "carbon", {"section": "table"}).under(lens),),
    )


LESSON = Lesson(
    number=6,
    title="What the search costs",
    question="What does it cost to search, and why does a table or a surrogate save it?",
    introduction=(
        "A search asks how good and how dear a network is, again and again. Asking by training is dear. A table has "
        "trained beforehand, for all searches; a surrogate was trained on a part and tells the rest."
    ),
    look="Choose a space. Every step on the scale is a factor of ten.",
    controls=(Control("space", "Space", "space", {"7V": "7V", "5V": "5V", "4V": "4V"}),),
    terms=("search", "evaluation", "trial", "surrogate", "tabular benchmark", "scaled"),
    deals=len(DEALS),
    scene=scene,
    prediction=prediction,
    exercise=exercise,
    guide=Guide(
        timing=(
            ("Look: three spaces", 2),
            ("Predict and commit", 1),
            ("The answer, and why", 2),
            ("Exercise: a line of Table 3", 4),
            ("Who should pay for a table?", 1),
        ),
        ask=(
            "How many searches must use a table until it has paid for itself?",
            "What does a surrogate not know?",
            "Does cheaper search lead to less energy, or to more searches?",
        ),
        misread=(
            "Table 3 is not what the benchmark cost but what was not spent. And it takes scaling at its word, which "
            "overstates long trainings."
        ),
        links=(
            Link("Table 3 of the paper", "carbon", {"section": "table"}),
            Link("Searches, yours and the published ones", "search"),
            Link("What scaling overstates", "scaling"),
        ),
    ),
)
