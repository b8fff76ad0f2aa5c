"""The lessons' pictures and sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecnas_core.analysis.lessons import Lesson, dominance, flattening, operations, scope, search_cost, transfer
from ecnas_core.analysis.lessons.lesson import ChoiceTask, Task, Verdict
from ecnas_core.analysis.lessons.told import Amount, Told
from ecnas_core.figures import explore as planes
from ecnas_core.figures import swaps
from ecnas_core.figures.explore import Plane, value
from ecnas_core.figures.search_live import amount
from ecnas_core.figures.theme import (
    ALGORITHMS,
    EXTREMES,
    FRONT,
    KNEE,
    SELECTION,
    axis,
    format_fixed,
    format_percent,
    format_quantity,
    layout,
    marker,
    mix,
    palette,
)

HEIGHT: Final = 390
PARTS: Final = ("GPU", "CPUs", "Cooling, supply")
HIDDEN: Final = "?"
BELOW: Final = 0.06
"""How much accuracy is shown below the least on the front: what is worse still is cut off."""


def say(told: Told) -> str:
    """A sentence with its numbers written out, plain text."""
    return told.text.format(**{name: _written(part) for name, part in told.parts.items()})


def says(verdict: Verdict) -> str:
    """Why an answer is right or wrong, plain text."""
    return " ".join(map(say, verdict.why))


def answer_text(task: Task) -> str:
    """The right answer alone, plain text."""
    if isinstance(task, ChoiceTask):
        return "; ".join(say(task.options[key]) for key in task.options if key in task.answer)
    return given_text(task, task.answer)


def given_text(task: Task, given: Any) -> str:
    """An answer as it was given, plain text.

    Args:
        task: what it answers.
        given: a number, or the chosen keys.
    """
    if isinstance(task, ChoiceTask):
        return "; ".join(say(task.options[key]) for key in task.options if key in given)
    if 0 < task.most <= 1:
        return format_fixed(given, 4)
    return format_quantity(given, task.unit, None if task.unit in ("cells", "times") else 3)


def picture(lesson: Lesson, scene: Any, dark: bool, *, revealed: bool) -> Plane:
    """The picture of a lesson.

    Args:
        lesson: whose.
        scene: as the lesson computes it.
        dark: whether the figure stands on the dark background.
        revealed: whether it shows the answer; before, it shows what a class can think about.

    Returns:
        The figure, and which of its points are cells.
    """
    return _PICTURES[lesson.number](scene, dark, revealed)


def headline(lesson: Lesson, scene: Any, *, revealed: bool) -> str:
    """What the picture shows, in one sentence, plain text; before the answer without the telling numbers."""
    return _HEADLINES[lesson.number](scene, revealed)


def _scope(scene: scope.Scene, dark: bool, revealed: bool) -> Plane:
    colors = palette(dark)
    kwh = scene.kwh
    heights = (kwh["GPU"], kwh["IT"] - kwh["GPU"], kwh["facility"] - kwh["IT"])
    figure = make_subplots(1, 2, column_widths=[0.45, 0.55], horizontal_spacing=0.2)
    shades = (EXTREMES, mix(EXTREMES, colors.paper, 0.55), mix(colors.muted, colors.paper, 0.55))
    for name, height, shade in list(zip(PARTS, heights, shades, strict=True))[: None if revealed else 1]:
        figure.add_bar(
            x=["training"],
            y=[height],
            name=name,
            width=0.7,
            marker={"color": shade, "line": {"width": 0}},
            text=[f"{name}<br>{format_quantity(height, 'kWh')}"],
            textposition="inside",
            insidetextanchor="middle",
            constraintext="none",
            textangle=0,
            hovertemplate=f"{name}: %{{y:.4g}} kWh<extra></extra>",
            row=1,
            col=1,
        )
    if not revealed:
        figure.add_annotation(
            x="training",
            y=kwh["GPU"],
            text="and on top of it?",
            showarrow=False,
            yanchor="bottom",
            font={"size": 14},
            row=1,
            col=1,
        )
    places = _places(scene)
    own = scene.lens.grid.country if scene.lens.grid else f"{scene.lens.intensity:.0f} gCO2eq/kWh"
    figure.add_bar(
        x=[1000 * each for each in places.values()],
        y=list(places),
        orientation="h",
        marker={
            "color": [SELECTION if name == own else mix(colors.muted, colors.paper, 0.6) for name in places],
            "line": {"width": 0},
        },
        text=[format_quantity(1000 * each) for each in places.values()] if revealed else None,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.4g} gCO2eq<extra></extra>",
        row=1,
        col=2,
    )
    figure.update_layout(layout(dark, HEIGHT) | {"margin": {"l": 56, "r": 48, "t": 20, "b": 44}})
    figure.update_layout(barmode="stack", showlegend=False, bargap=0.3)
    top = 1.08 * kwh["facility"] if revealed else 4 * kwh["GPU"]
    figure.update_yaxes(**axis("Energy", "kWh"), range=[0, top], row=1, col=1)
    figure.update_xaxes(showticklabels=False, ticks="", row=1, col=1)
    figure.update_xaxes(**axis("Footprint", "gCO2eq"), row=1, col=2)
    figure.update_yaxes(showline=False, ticks="", row=1, col=2)
    return Plane(figure, {})


def _scope_headline(scene: scope.Scene, revealed: bool) -> str:
    name = scene.entry.hash[:8]
    if not revealed:
        return f"The GPU takes {format_quantity(scene.kwh['GPU'], 'kWh')} to train the cell {name}. And the rest?"
    return (
        f"The cell {name}, {scene.entry.epochs} epochs: {format_quantity(scene.kwh['GPU'], 'kWh')} at the GPU, "
        f"{format_quantity(scene.kwh['IT'], 'kWh')} with the CPUs, {format_quantity(scene.kwh['facility'], 'kWh')} in "
        f"the facility; measured, PUE {scene.lens.pue:g}."
    )


def _places(scene: scope.Scene) -> dict[str, float]:
    """The footprint in kg on some grids, from the dirtiest to the cleanest, the lens's among them."""
    known = scene.countries[~scene.countries["artefact"]].sort_values("intensity", kind="stable", ignore_index=True)
    chosen = known.iloc[[0, len(known) // 4, len(known) // 2, 3 * len(known) // 4, len(known) - 1]]
    places = dict(zip(chosen["country"], chosen["kgco2eq"], strict=True))
    own = scene.lens.grid.country if scene.lens.grid else f"{scene.lens.intensity:.0f} gCO2eq/kWh"
    places[own] = scene.kwh["facility"] * scene.lens.intensity / 1000
    return dict(sorted(places.items(), key=lambda item: item[1]))


def _flattening(scene: flattening.Scene, dark: bool, revealed: bool) -> Plane:
    shown = scene.picture if revealed else replace(scene.picture, front=scene.picture.front.iloc[:0])
    drawn = planes.plane(shown, dark)
    ends = scene.picture.front["y"].iloc[[0, -1]]
    shown_y = [max(0.0, ends.min() - BELOW), min(1.0, ends.max() + BELOW / 4)]
    drawn.figure.update_layout(
        height=HEIGHT, yaxis={"range": shown_y, "title": {"text": f"Validation accuracy, from {shown_y[0]:.2f} up"}}
    )
    if revealed:
        colors = palette(dark)
        best, enough = scene.best, scene.enough
        for cell, name, shade in ((best, "best", EXTREMES), (enough, "good enough", SELECTION)):
            drawn.figure.add_vline(x=cell["x"], line={"color": shade, "width": 1.5, "dash": "dot"})
            drawn.figure.add_annotation(
                x=np.log10(cell["x"]) if scene.picture.view.logarithmic[0] else cell["x"],
                xref="x",
                yref="paper",
                y=0.12,
                text=name,
                textangle=-90,
                xanchor="right",
                yanchor="bottom",
                showarrow=False,
                font={"color": colors.text, "size": 13},
            )
    return drawn


def _flattening_headline(scene: flattening.Scene, revealed: bool) -> str:
    view = scene.picture.view
    x = view.axes[0]
    if not revealed:
        return (
            f"{planes.cells(scene.picture.both)} of {view.space} at {view.epochs} epochs: accuracy against "
            f"{x.label.lower()}."
        )
    return (
        f"{format_percent(scene.saved)} less {x.label.lower()} for "
        f"{format_fixed(100 * (scene.best['y'] - scene.enough['y']), 2)} points of accuracy: "
        f"{value(x, scene.enough['x'])} instead of {value(x, scene.best['x'])}."
    )


def resting(scene: Any) -> str:
    """What of a picture rests on predictions, with intervals; empty where nothing does."""
    found = getattr(scene, "picture", None)
    return "" if found is None else planes.predicted(found) or ""


_OPERATION_LABELS: Final = {name: label for name, label in swaps.LABELS.items() if name in operations.METRICS}


def _operations(scene: operations.Scene, dark: bool, revealed: bool) -> Plane:
    colors = palette(dark)
    old = scene.swap.split("_to_")[0]
    names = [name for name in operations.METRICS if name != "validation_accuracy"]
    secret = ("training_time", "energy")
    effects = [scene.effects.loc[name, "effect"] for name in names]
    shown = [
        None if name in secret and not revealed else 100 * effect for name, effect in zip(names, effects, strict=True)
    ]
    texts = [HIDDEN if each is None else swaps.change(each / 100) for each in shown]
    figure = go.Figure(
        go.Bar(
            x=[each or 0 for each in shown],
            y=[_OPERATION_LABELS[name] for name in names],
            orientation="h",
            marker={
                "color": [FRONT if name == "energy" else mix(swaps.COLORS[old], colors.paper, 0.75) for name in names],
                "line": {"width": 0},
            },
            text=texts,
            textposition="outside",
            textfont={"size": 14},
            cliponaxis=False,
            hovertemplate="%{y}: %{text}<extra></extra>",
        ),
        layout(dark, HEIGHT - 60),
    )
    known = [100 * each for each in effects if not np.isnan(each)]
    low, high = min(0.0, *known), max(0.0, *known)
    room = 0.5 * (high - low or 1)
    figure.update_layout(
        margin={"l": 110, "r": 24, "t": 20, "b": 44},
        showlegend=False,
        bargap=0.4,
        xaxis=axis("Change of the mean cell", "%")
        | {"range": [low - room, high + room], "zeroline": True, "zerolinecolor": colors.muted},
        yaxis={"autorange": "reversed", "showline": False, "ticks": ""},
    )
    return Plane(figure, {})


def _operations_headline(scene: operations.Scene, revealed: bool) -> str:
    old, new = (operations.NAMES[name] for name in scene.swap.split("_to_"))
    effect = scene.effects["effect"]
    start = f"Every {old} of {scene.space} becomes a {new}: parameters {swaps.change(effect['parameters'])}"
    if not revealed:
        return f"{start}. And the energy?"
    accuracy = swaps.points(effect["validation_accuracy"])
    known = format_quantity(scene.effects["n_there"]["validation_accuracy"], digits=None)
    return (
        f"{start}, energy {swaps.change(effect['energy'])}, time {swaps.change(effect['training_time'])}; accuracy "
        f"{accuracy}, over {known} pairs of cells with a comparable one."
    )


def _dominance(scene: dominance.Scene, dark: bool, revealed: bool) -> Plane:
    shown = scene.picture if revealed else replace(scene.picture, front=scene.picture.front.iloc[:0])
    drawn = planes.plane(shown, dark)
    drawn.figure.update_layout(height=HEIGHT)
    return drawn


def _dominance_headline(scene: dominance.Scene, revealed: bool) -> str:
    view = scene.picture.view
    if not revealed:
        return (
            f"{planes.cells(scene.picture.both)} of {view.space} at {view.epochs} epochs. Lower left is better in both."
        )
    return planes.headline(scene.picture)


def _transfer(scene: transfer.Scene, dark: bool, revealed: bool) -> Plane:
    first, second = _ranks(scene.x), _ranks(scene.y)
    figure = go.Figure(
        go.Scatter(
            x=first,
            y=second if revealed else np.zeros(len(first)),
            mode="markers",
            marker=marker("published" if scene.what == "accuracy" else "measured", EXTREMES, dark, 8),
            showlegend=False,
            cliponaxis=False,
            hovertemplate="place %{x}" + (" and %{y}" if revealed else "") + "<extra></extra>",
        ),
        layout(dark, HEIGHT),
    )
    ends = [1, len(scene.x)]
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        line={"color": palette(dark).muted, "width": 1, "dash": "dot"},
    )
    figure.update_layout(
        margin={"l": 60, "r": 16, "t": 16, "b": 48},
        xaxis=axis(f"Place by {scene.what}: {scene.x_label}") | {"showgrid": True},
        yaxis=axis(f"Place: {scene.y_label}") | {"range": [0, len(scene.x) + 1]},
    )
    if not revealed:
        figure.add_annotation(
            x=np.mean(ends),
            y=np.mean(ends),
            text="How far from this line will they lie?",
            showarrow=False,
            yshift=60,
            font={"size": 14},
        )
    return Plane(figure, {0: scene.hashes} if revealed else {})


def _ranks(values: Any) -> Any:
    places = np.empty(len(values), np.int64)
    places[np.argsort(values, kind="stable")] = np.arange(1, len(values) + 1)
    return places


def _transfer_headline(scene: transfer.Scene, revealed: bool) -> str:
    if not revealed:
        return (
            f"{len(scene.x)} cells in their order by {scene.what}: {scene.x_label}. How does it look on the other side?"
        )
    return (
        f"{format_percent(scene.kept, 0)} of all pairs of {len(scene.x)} cells keep their order by {scene.what} from "
        f"{scene.x_label} to {scene.y_label}: Kendall's τ {format_fixed(scene.tau, 2)}, 95 % interval "
        f"{format_fixed(scene.low, 2)} to {format_fixed(scene.high, 2)}."
    )


def _search_cost(scene: search_cost.Scene, dark: bool, revealed: bool) -> Plane:
    colors = palette(dark)
    bars = [("One training of the knee", scene.knee_kwh, KNEE)]
    if revealed:
        bars += [
            (f"A trial of {row.algorithm}, trained", float(row.kwh), ALGORITHMS[row.algorithm])
            for row in scene.searches.sort_values("kwh").itertuples()
        ]
        bars.append(("What the table did train", scene.table_kwh, mix(colors.muted, colors.paper, 0.7)))
    bars.append(("Every cell at every budget", scene.everything_kwh, mix(colors.muted, colors.paper, 0.7)))
    figure = go.Figure(
        go.Bar(
            x=[kwh for _, kwh, _ in bars],
            y=[name for name, _, _ in bars],
            orientation="h",
            marker={"color": [shade for *_, shade in bars], "line": {"width": 0}},
            text=[amount(kwh) for _, kwh, _ in bars],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        ),
        layout(dark, HEIGHT),
    )
    ends = np.log10([min(kwh for _, kwh, _ in bars), scene.everything_kwh])
    figure.update_layout(
        margin={"l": 170, "r": 80, "t": 16, "b": 44},
        showlegend=False,
        bargap=0.35,
        xaxis=axis("Energy", "kWh", log=True) | {"range": [np.floor(ends[0]) - 0.3, ends[1] + 0.4], "nticks": 6},
        yaxis={"autorange": "reversed", "showline": False, "ticks": ""},
    )
    return Plane(figure, {})


def _search_cost_headline(scene: search_cost.Scene, revealed: bool) -> str:
    whole = amount(scene.everything_kwh)
    if not revealed:
        return (
            f"One training of the knee of {scene.space} takes {amount(scene.knee_kwh)}, all there is {whole}. And a "
            "search?"
        )
    most = scene.searches.sort_values("kwh").iloc[-1]
    return (
        f"A trial of {most['algorithm']} in {scene.space}, trained for real, would take {amount(most['kwh'])}: "
        f"{format_quantity(most['kwh'] / scene.knee_kwh, digits=2)} trainings of the knee; all of the space {whole}."
    )


_PICTURES: Final[Mapping[int, Callable[[Any, bool, bool], Plane]]] = {
    1: _scope,
    2: _flattening,
    3: _operations,
    4: _dominance,
    5: _transfer,
    6: _search_cost,
}
_HEADLINES: Final[Mapping[int, Callable[[Any, bool], str]]] = {
    1: _scope_headline,
    2: _flattening_headline,
    3: _operations_headline,
    4: _dominance_headline,
    5: _transfer_headline,
    6: _search_cost_headline,
}


def _written(part: Amount | str | Told) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Told):
        return say(part)
    if part.form == "percent":
        return format_percent(part.value, part.digits)
    if part.form == "fixed":
        number = format_fixed(part.value, part.digits)
        return f"{number}\u00a0{part.unit}" if part.unit else number
    return format_quantity(part.value, part.unit, None if part.form == "count" else part.digits)
