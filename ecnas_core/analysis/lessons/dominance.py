"""Lesson 4: two goals at once; dominance, the front and its knee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecnas_core.analysis import explore, pareto
from ecnas_core.analysis.explore import Picture
from ecnas_core.analysis.lessons.lesson import ChoiceTask, Control, Guide, Lesson, Link, NumberTask
from ecnas_core.analysis.lessons.pictures import in_kwh, picture, role
from ecnas_core.analysis.lessons.told import Told, accuracy, count, kwh, percent, points, told
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens

if TYPE_CHECKING:
    import pandas as pd

SPACE = "7V"
HAND_OF = "4V"
LONGEST = EPOCHS[-1]
LETTERS = "ABCDEFGH"
DEALS = 8
ON_FRONT = (2, 5)
APART = 0.02
"""How far two energies of a hand are apart at least, relatively; accuracies by a tenth of it."""


@dataclass(frozen=True)
class Scene:
    """The cells of a space by a cost and validation error, with the front and its knee."""

    picture: Picture

    @property
    def frame(self) -> pd.DataFrame:
        """The front, with every metric and provenance."""
        return self.picture.front


def scene(bench: Benchmark, settings: Mapping[str, str], lens: Lens) -> Scene:
    """A space in the plane of a cost and validation error.

    Args:
        bench: the benchmark.
        settings: ``space``, ``epochs`` and ``cost`` (a metric).
        lens: how energy is counted.
    """
    space = settings["space"]
    view = View(space=space, epochs=int(settings["epochs"]), x=settings["cost"], lens=in_kwh(lens))
    return Scene(picture(bench, view))


def prediction(bench: Benchmark, lens: Lens) -> NumberTask:
    """How many cells of 7V no other beats."""
    found = picture(bench, View(space=SPACE, epochs=LONGEST, lens=in_kwh(lens)))
    knee, best = role(found, "rk"), role(found, "r1")
    size = len(found.front)
    predicted = int((found.front["accuracy_provenance"] == "predicted").sum())
    return NumberTask(
        question=told(
            "{cells} cells of {space} have a known energy and accuracy at {epochs} epochs. How many of them does no "
            "other cell beat, by being at least as lean and as accurate, and better in one?",
            cells=count(found.both),
            space=SPACE,
            epochs=count(LONGEST),
        ),
        unit="cells",
        answer=float(size),
        within=1.0,
        why=told(
            "{size}, {share} of all; every other cell can be replaced by one of them without losing anything. "
            "{predicted} of them rest on a predicted accuracy. The knee has accuracy {knee} for {less}, the most "
            "accurate one {best} for {most}.",
            size=count(size),
            share=percent(size / found.both, 2),
            predicted=count(predicted),
            knee=accuracy(knee["validation_accuracy"]),
            less=kwh(knee["x"]),
            best=accuracy(best["validation_accuracy"]),
            most=kwh(best["x"]),
        ),
        hint="A cell is beaten as soon as one other is no worse in both.",
        least=1.0,
        most=1e6,
        step=1.0,
    )


def exercise(bench: Benchmark, lens: Lens, deal: int) -> ChoiceTask:
    """Which of eight cells form their front."""
    held = hand(bench, lens, deal)
    points_ = held[["energy", "validation_error"]].to_numpy(np.float64)
    on_front = frozenset(LETTERS[place] for place in pareto.front(points_))
    return ChoiceTask(
        question=told(
            "Eight cells of {space} at {epochs} epochs, by energy and validation accuracy. Which of them form the "
            "front of these eight?",
            space=HAND_OF,
            epochs=count(LONGEST),
        ),
        options={
            letter: told(
                "{letter}: {energy}, {accuracy}",
                letter=letter,
                energy=kwh(row.energy),
                accuracy=accuracy(row.validation_accuracy),
            )
            for letter, row in zip(LETTERS, held.itertuples(), strict=True)
        },
        answer=on_front,
        why=told(
            "{letters}: none of the eight is at least as good in both and better in one.",
            letters=", ".join(sorted(on_front)),
        ),
        whys={letter: _why(place, held) for place, letter in enumerate(LETTERS)},
        many=True,
    )


def hand(bench: Benchmark, lens: Lens, deal: int) -> pd.DataFrame:
    """Eight cells of 4V that the eye can tell apart, two to five of them on their front; the same for the same deal.

    Returns:
        As ``analysis.explore.cells`` gives them, in the order of the letters.
    """
    view = View(space=HAND_OF, epochs=LONGEST, lens=in_kwh(lens))
    every = explore.cells(bench, view).dropna(subset=["energy", "validation_accuracy"]).sort_values("hash")
    chance = np.random.default_rng(deal % DEALS)
    while True:
        held = every.iloc[chance.choice(len(every), len(LETTERS), replace=False)].reset_index(drop=True)
        size = len(pareto.front(held[["energy", "validation_error"]].to_numpy(np.float64)))
        energies, accuracies = np.sort(np.log(held["energy"])), np.sort(held["validation_accuracy"])
        legible = np.diff(energies).min() > APART and np.diff(accuracies).min() > APART / 10
        if ON_FRONT[0] <= size <= ON_FRONT[1] and legible:
            return held


def _why(place: int, held: pd.DataFrame) -> Told:
    """What beats a cell of a hand, by the most energy; or that nothing does."""
    own = held.iloc[place]
    no_worse = (held["energy"] <= own["energy"]) & (held["validation_accuracy"] >= own["validation_accuracy"])
    better = (held["energy"] < own["energy"]) | (held["validation_accuracy"] > own["validation_accuracy"])
    beating = held[no_worse & better]
    if beating.empty:
        return told("{letter} is on the front: whatever is leaner is less accurate.", letter=LETTERS[place])
    first = beating.sort_values("energy").iloc[0]
    return told(
        "{letter} is beaten by {other}, which takes {less} less and is {more} more accurate.",
        letter=LETTERS[place],
        other=LETTERS[int(first.name)],
        less=kwh(own["energy"] - first["energy"]),
        more=points(first["validation_accuracy"] - own["validation_accuracy"]),
    )


LESSON = Lesson(
    number=4,
    title="Two goals at once",
    question="Which network is best, if energy and accuracy both count?",
    introduction=(
        "There is no single best one. A network is out of the running when another is no worse in both and better in "
        "one: it is dominated. What is left is the front. Where it bends most, its knee, one pays least for most."
    ),
    look="Choose a space and a cost. Where would you draw the front?",
    controls=(
        Control("space", "Space", "space", {"4V": "4V", "5V": "5V", "7V": "7V"}),
        Control("epochs", "Epochs", "training budget", {str(epochs): str(epochs) for epochs in EPOCHS[::-1]}),
        Control("cost", "Cost", "objective", {"energy": "Energy", "parameters": "Parameters", "training_time": "Time"}),
    ),
    terms=("dominance", "front", "knee", "extremes", "validation error"),
    deals=DEALS,
    scene=scene,
    prediction=prediction,
    exercise=exercise,
    guide=Guide(
        timing=(
            ("Look: draw the front on paper", 2),
            ("Predict and commit", 1),
            ("The answer", 1),
            ("Find the knee by hand", 3),
            ("Exercise: eight cells", 3),
        ),
        ask=(
            "Is a network that is on no front worthless?",
            "Two of you chose different knees. Who is right, and who decides?",
            "What happens to the front when a third goal is added?",
        ),
        misread=(
            "Being on the front does not make a network good: the leanest is on it, however inaccurate. And the knee "
            "moves with the axes: on logarithmic ones the eye sees another."
        ),
        links=(
            Link("The front of 7V", "explore", {}),
            Link("The front by parameters", "explore", {"x": "parameters"}),
            Link("Searches that look for it", "search"),
        ),
    ),
)
