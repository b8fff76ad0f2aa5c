"""Lesson 3: which operation costs what; one operation in the place of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecnas_core.analysis.lessons.lesson import ChoiceTask, Control, Guide, Lesson, Link, NotTeachable, NumberTask
from ecnas_core.analysis.lessons.pictures import in_kwh
from ecnas_core.analysis.lessons.told import Told, count, percent, points, told
from ecnas_core.analysis.swap_table import SWAPS, swap_name
from ecnas_core.analysis.swaps import FEW_PAIRS, figure_2, trade_off
from ecnas_core.analysis.swaps_view import SwapsView
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.cells.spaces import Space

if TYPE_CHECKING:
    import pandas as pd

SPACE: Space = "5V"
LONGEST = EPOCHS[-1]
SWAP = "conv3x3_to_maxpool3x3"
DEALS: tuple[tuple[Space, int], ...] = (("5V", 108), ("4V", 108), ("5V", 36), ("4V", 36))
NAMES = {"conv3x3": "3×3 convolution", "conv1x1": "1×1 convolution", "maxpool3x3": "3×3 max-pooling"}
SHORT = {"conv3x3": "3×3", "conv1x1": "1×1", "maxpool3x3": "pooling"}
METRICS = ("parameters", "multiply_adds", "training_time", "energy", "validation_accuracy")


@dataclass(frozen=True)
class Scene:
    """What a swap of all operations of a kind does to the mean cell.

    Attributes:
        swap: its name.
        space: whose cells.
        epochs: the training budget.
        effects: by metric: ``effect`` (a ratio; of accuracy a difference) and ``n_there``, the cells behind it.
    """

    swap: str
    space: str
    epochs: int
    effects: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """One row a metric: ``metric``, ``effect``, ``n_there``."""
        return self.effects.reset_index()


def scene(bench: Benchmark, settings: Mapping[str, str], lens: Lens) -> Scene:
    """A swap in a space.

    Args:
        bench: the benchmark.
        settings: ``swap``, ``space`` and ``epochs``.
        lens: whose scope and correction count.
    """
    space: Space = settings["space"]  # type: ignore[assignment]
    epochs, swap = int(settings["epochs"]), settings["swap"]
    return Scene(swap, space, epochs, _effects(bench, space, epochs, in_kwh(lens), swap))


def prediction(bench: Benchmark, lens: Lens) -> NumberTask:
    """By how much energy falls when parameters all but vanish."""
    found = _effects(bench, SPACE, LONGEST, in_kwh(lens), SWAP)
    effect = found["effect"]
    saved = -float(effect["energy"])
    return NumberTask(
        question=told(
            "In every cell of {space}, all 3×3 convolutions become 3×3 max-poolings. The parameters fall by "
            "{parameters}, the multiply-adds by {multiply_adds}. By how much does the energy fall?",
            space=SPACE,
            parameters=percent(-effect["parameters"], 0),
            multiply_adds=percent(-effect["multiply_adds"], 0),
        ),
        unit="%",
        answer=100 * saved,
        within=0.2,
        why=told(
            "{saved}: far less than the parameters. Energy goes with the training time, which falls by {time}; how "
            "many parameters a cell has says little of how long it takes. Accuracy changes by {accuracy} where known. "
            "Mean over {cells} cells with such a convolution; there and back, as in the paper's Figure 2.{resting}",
            saved=percent(saved),
            time=percent(-effect["training_time"]),
            accuracy=points(effect["validation_accuracy"]),
            cells=count(found["n_there"]["energy"]),
            resting=_resting(bench, SPACE, LONGEST, lens),
        ),
        hint="Energy goes with time, and time does not go with parameters.",
        most=100.0,
        step=1.0,
        slider=True,
    )


def exercise(bench: Benchmark, lens: Lens, deal: int) -> ChoiceTask:
    """Which change of one operation is the best exchange of accuracy for energy."""
    space, epochs = DEALS[deal % len(DEALS)]
    view = SwapsView(space=space, epochs=epochs, section="trade", split="none", lens=in_kwh(lens))
    found = trade_off(bench, view).set_index("swap", drop=False)
    sure = found[(found["n"] >= FEW_PAIRS) & found["saved_per_point"].notna()]
    best = sure.iloc[0]
    return ChoiceTask(
        question=told(
            "You may change one operation of a cell of {space} (trained for {epochs} epochs) and want the most energy "
            "back for each point of accuracy lost. Which change is it, on average?",
            space=space,
            epochs=count(epochs),
        ),
        options={name: _named(row) for name, row in found.sort_index().iterrows()},
        answer=frozenset({best["swap"]}),
        why=told(
            "{swap}: {effect}.{resting}",
            swap=_named(best),
            effect=_exchange(best),
            resting=_resting(bench, space, epochs, lens),
        ),
        whys={
            name: told("{swap}: {effect}.", swap=_named(row), effect=_exchange(row)) for name, row in found.iterrows()
        },
        links=(Link("The exchange of every swap", "swaps", view.to_params()),),
    )


def _effects(bench: Benchmark, space: Space, epochs: int, lens: Lens, swap: str) -> pd.DataFrame:
    frame = figure_2(bench, space, epochs, lens)
    effects = frame[frame["swap"] == swap].set_index("metric")[["effect", "n_there"]].loc[list(METRICS)]
    if np.isnan(effects.loc["energy", "effect"]):
        raise NotTeachable(
            f"no energy of {space} is known under this lens; choose the scope Facility or IT, or another device, in "
            "the lens, or another space where there is a choice"
        )
    return effects


def _resting(bench: Benchmark, space: Space, epochs: int, lens: Lens) -> Told:
    """How many accuracies of a space are predicted; an empty sentence where none is."""
    [row] = bench.rows(
        "select count(*) as cells, count(*) filter (where accuracy_provenance = 'predicted') as predicted "
        f"from {lens.table} where space = ? and epochs = ?",
        [space, epochs],
    )
    if not row["predicted"]:
        return told("")
    return told(
        " The accuracies of {predicted} of the {cells} cells are predicted, the others published.",
        predicted=count(row["predicted"]),
        cells=count(row["cells"]),
    )


def _named(row: pd.Series) -> Told:
    return told("{old} becomes {new}", old=NAMES[row["old"]], new=NAMES[row["new"]])


def _exchange(row: pd.Series) -> Told:
    change = told(
        "energy {energy_moves} by {energy}, accuracy {accuracy_moves} by {accuracy} over {n} pairs of cells",
        energy_moves=_moves(row["energy"]),
        energy=percent(abs(row["energy"])),
        accuracy_moves=_moves(row["accuracy"]),
        accuracy=points(abs(row["accuracy"])),
        n=count(row["n"]),
    )
    if np.isnan(row["saved_per_point"]):
        return told("{change}; it saves no energy at all", change=change)
    if np.isinf(row["saved_per_point"]):
        return told("{change}; it saves energy and loses no accuracy", change=change)
    return told(
        "{change}, which is {per_point} of the energy for a point",
        change=change,
        per_point=percent(row["saved_per_point"]),
    )


def _moves(change: float) -> str:
    return "falls" if change < 0 else "rises"


LESSON = Lesson(
    number=3,
    title="What an operation costs",
    question="Which operation costs what, and does a small network cost little?",
    introduction=(
        "A cell is made of three operations: 3×3 convolutions, 1×1 convolutions and 3×3 max-poolings. Put one in the "
        "place of another, in every cell, and see what changes."
    ),
    look="Try all three swaps. Which bar would you have thought to be the longest?",
    controls=(
        Control(
            "swap",
            "Swap",
            "swap",
            {
                swap_name(swap): " to ".join(SHORT[name] for name in swap_name(swap).split("_to_"))
                for swap in (SWAPS[1], SWAPS[0], SWAPS[2])
            },
        ),
        Control("space", "Space", "space", {"5V": "5V", "4V": "4V", "7V": "7V"}),
        Control("epochs", "Epochs", "training budget", {str(epochs): str(epochs) for epochs in EPOCHS[::-1]}),
    ),
    terms=("operation", "conv3x3", "conv1x1", "maxpool3x3", "swap", "multiply-adds", "parameters"),
    deals=len(DEALS),
    scene=scene,
    prediction=prediction,
    exercise=exercise,
    guide=Guide(
        timing=(
            ("Look: three swaps", 2),
            ("Predict and commit", 2),
            ("The answer, and why", 2),
            ("Exercise", 3),
            ("Which swap would you make in your own network?", 1),
        ),
        ask=(
            "What does a max-pooling have no parameters for, but still need energy for?",
            "Why is the effect of a swap not the same in every cell?",
            "Can a swap both save energy and gain accuracy? Where?",
        ),
        misread=(
            "These are means over a whole space. In one cell the same swap can do the opposite: the page Swaps shows "
            "the spread."
        ),
        links=(
            Link("All swaps, as in the paper's Figure 2", "swaps", {}),
            Link("The spread over cells", "swaps", {"section": "one", "space": SPACE}),
            Link("A walk through the space", "swaps", {"section": "walk"}),
        ),
    ),
)
