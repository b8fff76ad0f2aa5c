"""Lesson 2: bigger is not better; where accuracy flattens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from ecnas_core.analysis.explore import Picture
from ecnas_core.analysis.lessons.lesson import Control, Guide, Lesson, Link, Mistake, NumberTask
from ecnas_core.analysis.lessons.pictures import in_kwh, picture, provenance
from ecnas_core.analysis.lessons.told import accuracy, count, kwh, percent, points, told
from ecnas_core.analysis.view import Filters, View
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens

if TYPE_CHECKING:
    import pandas as pd

SPACE = "7V"
LONGEST = EPOCHS[-1]
GIVEN_UP = 0.005
DEALS = 6


@dataclass(frozen=True)
class Scene:
    """A cloud of cells, its best one, and the cheapest that is nearly as good.

    Attributes:
        picture: the cells by cost and validation accuracy.
        given_up: accuracy that is given up.
        best: the most accurate cell.
        enough: the cheapest cell with at most that much less accuracy.
    """

    picture: Picture
    given_up: float
    best: pd.Series
    enough: pd.Series

    @property
    def saved(self) -> float:
        """The share of the best cell's cost that the other one saves."""
        return float(1 - self.enough["x"] / self.best["x"])

    @property
    def frame(self) -> pd.DataFrame:
        """The front, with every metric and provenance."""
        return self.picture.front


def scene(bench: Benchmark, settings: Mapping[str, str], lens: Lens) -> Scene:
    """The cells of a space by a cost and accuracy.

    Args:
        bench: the benchmark.
        settings: ``space``, ``epochs``, ``cost`` (a metric) and ``given_up`` (points of accuracy).
        lens: how energy is counted.
    """
    view = View(
        space=settings["space"],
        epochs=int(settings["epochs"]),
        x=settings["cost"],
        y="validation_accuracy",
        lens=in_kwh(lens),
    )
    return _scene(picture(bench, view), float(settings["given_up"]) / 100)


def prediction(bench: Benchmark, lens: Lens) -> NumberTask:
    """How much energy half a point of accuracy costs at the top of 7V."""
    found = _scene(picture(bench, _view(lens)), GIVEN_UP)
    best, enough = found.best, found.enough
    return NumberTask(
        question=told(
            "The most accurate cell of {space} at {epochs} epochs has validation accuracy {best}. You give up "
            "{points}. How much of its energy do you save with the cheapest cell that is left?",
            space=SPACE,
            epochs=count(LONGEST),
            best=accuracy(best["y"]),
            points=points(GIVEN_UP),
        ),
        unit="%",
        answer=100 * found.saved,
        within=0.2,
        why=told(
            "{saved}: the best cell takes {most} for {best} ({best_is}), the cheapest that is good enough {less} for "
            "{enough} ({enough_is}). The energies are {energy_is} ({lens}); {cells} cells have both values.",
            saved=percent(found.saved),
            most=kwh(best["x"]),
            best=accuracy(best["y"]),
            best_is=provenance(best),
            less=kwh(enough["x"]),
            enough=accuracy(enough["y"]),
            enough_is=provenance(enough),
            energy_is=_energy(found.picture),
            lens=lens.describe(),
            cells=count(found.picture.both),
        ),
        hint="Look at how the front flattens towards its end.",
        most=100.0,
        step=1.0,
        slider=True,
    )


def exercise(bench: Benchmark, lens: Lens, deal: int) -> NumberTask:
    """The best accuracy that a budget of energy buys."""
    view = _view(lens)
    front = picture(bench, view).front
    cheapest, best = front.iloc[0], front.iloc[-1]
    place = deal % DEALS + 1
    limit = float(f"{cheapest['x'] * (best['x'] / cheapest['x']) ** (place / (DEALS + 1)):.2g}")
    within = front[front["x"] <= limit]
    chosen, beyond = within.iloc[-1], front.iloc[len(within)]
    filtered = View(space=SPACE, epochs=LONGEST, lens=view.lens, filters=Filters(ranges=(("energy", -inf, limit),)))
    slips = [
        Mistake(
            float(best["y"]),
            told("That is the best of all, but it takes {energy}, more than you have.", energy=kwh(best["x"])),
        ),
        Mistake(float(cheapest["y"]), told("That is the cheapest cell: you have energy left for a better one.")),
        Mistake(
            float(beyond["y"]),
            told(
                "That is the next cell of the front: it takes {energy}, just more than you have.",
                energy=kwh(beyond["x"]),
            ),
        ),
    ]
    if not np.isnan(chosen["test_accuracy"]):
        slips.append(
            Mistake(
                float(chosen["test_accuracy"]),
                told("That is the right cell, but its test accuracy: cells are chosen by validation accuracy."),
            )
        )
    return NumberTask(
        question=told(
            "You have {limit} for one training of {epochs} epochs in {space}. What is the best validation accuracy "
            "that you can have?",
            limit=kwh(limit),
            epochs=count(LONGEST),
            space=SPACE,
        ),
        unit="",
        answer=float(chosen["y"]),
        within=0.0002,
        why=told(
            "{accuracy} ({sure}), by the cell {hash}, which takes {energy}. The best of all, {best}, would take "
            "{most}.",
            accuracy=accuracy(chosen["y"]),
            sure=provenance(chosen),
            hash=chosen["hash"][:8],
            energy=kwh(chosen["x"]),
            best=accuracy(best["y"]),
            most=kwh(best["x"]),
        ),
        hint="Keep the cells within your energy, and take the best of their front, with four decimals.",
        mistakes=tuple(slips),
        most=1.0,
        step=0.0001,
        links=(Link("The cells within your energy", "explore", filtered.to_params()),),
    )


def _energy(found: Picture) -> str:
    """Where the energies of a front are from."""
    return " and ".join(sorted(found.front["energy_provenance"].unique()))


def _view(lens: Lens) -> View:
    return View(space=SPACE, epochs=LONGEST, y="validation_accuracy", lens=in_kwh(lens))


def _scene(found: Picture, given_up: float) -> Scene:
    front = found.front
    best = front.iloc[-1]
    enough = front[front["y"] >= best["y"] - given_up].iloc[0]
    return Scene(found, given_up, best, enough)


LESSON = Lesson(
    number=2,
    title="Bigger is not better",
    question="Where does accuracy flatten, and what do its last points cost?",
    introduction=(
        "Every point is a network. To the right it costs more, upwards it is more accurate. More cost can mean more "
        "accuracy, but not every costly network is good, and the gain gets smaller."
    ),
    look="Change the cost from energy to parameters to time. Is the most costly network the best one?",
    controls=(
        Control("space", "Space", "space", {"7V": "7V", "5V": "5V", "4V": "4V"}),
        Control("epochs", "Epochs", "training budget", {str(epochs): str(epochs) for epochs in EPOCHS[::-1]}),
        Control("cost", "Cost", "objective", {"energy": "Energy", "parameters": "Parameters", "training_time": "Time"}),
        Control("given_up", "Points given up", "validation accuracy", {"0.5": "0.5", "0.1": "0.1", "1": "1", "2": "2"}),
    ),
    terms=("validation accuracy", "front", "parameters", "training budget", "predicted"),
    deals=DEALS,
    scene=scene,
    prediction=prediction,
    exercise=exercise,
    guide=Guide(
        timing=(
            ("Look: energy, parameters, time", 2),
            ("Predict and commit", 1),
            ("The answer, and why", 2),
            ("Exercise on the page Explore", 4),
            ("When are the last points worth it?", 1),
        ),
        ask=(
            "For which use would you pay for the last half point?",
            "Two trainings of one network differ by some tenths of a point. What does that mean for this question?",
            "Which network is large and bad? What is it made of?",
        ),
        misread=(
            "Flattening is not a law of nature: it is what this search space and this training recipe give. A larger "
            "data set moves the curve."
        ),
        links=(
            Link("All cells by energy and accuracy", "explore", {"y": "validation_accuracy"}),
            Link("All cells by parameters and accuracy", "explore", {"x": "parameters", "y": "validation_accuracy"}),
        ),
    ),
)
