"""The live picture of the home page."""

from __future__ import annotations

from typing import Final

from ecnas_core.analysis.explore import Picture
from ecnas_core.figures import explore
from ecnas_core.figures.explore import Plane, value
from ecnas_core.figures.theme import format_quantity

HEIGHT: Final = 400


def picture(found: Picture, dark: bool) -> Plane:
    """All cells with the front and its knee, lower than on the page Explore and without a scale of density.

    Args:
        found: the computed view.
        dark: whether the figure stands on the dark background.
    """
    drawn = explore.plane(found, dark)
    drawn.figure.update_layout(height=HEIGHT)
    drawn.figure.update_traces(selector={"type": "heatmap"}, showscale=False)
    return drawn


def provenance(found: Picture) -> str:
    """How many cells are shown, and where their energies and accuracies are from, in one or two sentences.

    Args:
        found: the computed view.
    """
    energies = " and ".join(sorted(found.front["energy_provenance"].unique()))
    predicted = format_quantity(found.predicted, digits=None)
    return (
        f"{explore.cells(found.both)} of {found.view.space}; energies: {energies}, {found.view.lens.describe()}; "
        f"accuracies: published but for {predicted} that are predicted."
    )


def headline(found: Picture) -> str:
    """What the last points of accuracy cost, in one sentence.

    Args:
        found: the computed view of energy and validation error.
    """
    by_role = found.front.set_index("role")
    if not {"rk", "r1"} <= set(by_role.index):
        return explore.headline(found)
    knee, best = by_role.loc["rk"], by_role.loc["r1"]
    x, _ = found.view.axes
    gained = 100 * (best["validation_accuracy"] - knee["validation_accuracy"])
    return (
        f"From the knee on, {gained:.1f} points of accuracy cost {best['x'] / knee['x']:.1f} times the "
        f"{x.label.lower()}: {value(x, best['x'])} instead of {value(x, knee['x'])} for one training."
    )
