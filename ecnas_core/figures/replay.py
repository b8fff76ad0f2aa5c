"""One generation of a trial: its population, from whom it descends, and the front so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from ecnas_core.analysis.metrics import Metric
from ecnas_core.analysis.replay import Replay, Scene
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import axis, format_quantity, layout, palette

MOST_BEFORE: Final = 1_000
_HEIGHT: Final = 420


def headline(scene: Scene, replay: Replay) -> str:
    """What happens in a generation, in plain words."""
    asked = len(scene.population) + scene.infeasible
    new = len(np.intersect1d(scene.front, scene.population))
    lost = f", {scene.infeasible} of them without an answer" if scene.infeasible else ""
    gained = "none is" if not new else "one is" if new == 1 else f"{new} are"
    return (
        f"Generation {scene.generation + 1} of {replay.generations}: {asked} asked{lost}; {gained} on the front, which "
        f"has {len(scene.front)} point{'s' * (len(scene.front) != 1)} after "
        f"{format_quantity(scene.evaluations, digits=None)} evaluations."
    )


def scene_figure(
    replay: Replay, scene: Scene, metrics: Sequence[Metric], truth: npt.NDArray[np.float64], own: str, dark: bool
) -> go.Figure:
    """A generation in the plane of the first two objectives; the axes are the same for all generations.

    Args:
        replay: the trial.
        scene: the generation.
        metrics: the objectives, in the order of the trial's points.
        truth: shape (n, objectives), the true front.
        own: the algorithm's colour.
        dark: whether the figure stands on the dark background.
    """
    x, y = metrics[:2]
    points, colors = replay.points[:, :2], palette(dark)
    stairs = "hv" if len(metrics) == 2 else None
    before = scene.before
    if len(before) > MOST_BEFORE:
        before = before[np.linspace(0, len(before) - 1, MOST_BEFORE).astype(np.int64)]
    lines = np.full((len(scene.descent), 3, 2), np.nan)
    lines[:, :2] = points[scene.descent]
    told = [f"{x.label} {value(x, one)}<br>{y.label} {value(y, other)}" for one, other in points[scene.population]]
    traces = [
        go.Scatter(
            x=truth[:, 0],
            y=truth[:, 1],
            mode="lines" if stairs else "markers",
            name="true front",
            hoverinfo="skip",
            line={"color": colors.muted, "width": 1.5, "dash": "2px,2px", "shape": stairs},
            marker={"color": colors.muted, "size": 4},
        ),
        _dots(points[before], "before", {"color": colors.muted, "size": 5, "opacity": 0.35}),
        go.Scatter(
            x=points[scene.front, 0],
            y=points[scene.front, 1],
            mode="lines+markers" if stairs else "markers",
            name="front so far",
            line={"color": own, "width": 2, "shape": stairs},
            marker={"color": own, "size": 6},
            hoverinfo="skip",
        ),
        go.Scatter(
            x=lines[..., 0].ravel(),
            y=lines[..., 1].ravel(),
            mode="lines",
            name="parent to child",
            hoverinfo="skip",
            line={"color": colors.text, "width": 1},
        ),
        _dots(
            points[scene.population],
            "asked now",
            {"color": colors.paper, "size": 11, "line": {"color": colors.text, "width": 2}},
            told,
        ),
    ]
    figure = go.Figure(traces, layout(dark, _HEIGHT))
    figure.update_layout(
        margin={"l": 64, "r": 16, "t": 40, "b": 44},
        uirevision="replay",
        showlegend=True,
        xaxis={**axis(x.label, x.unit, x.log), "range": _range(points[:, 0], truth[:, 0], x.log), "showgrid": True},
        yaxis={**axis(y.label, y.unit, y.log), "range": _range(points[:, 1], truth[:, 1], y.log), "showgrid": True},
    )
    return figure


def _dots(
    points: npt.NDArray[np.float64], name: str, mark: dict[str, Any], told: Sequence[str] | None = None
) -> go.Scatter:
    return go.Scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="markers",
        name=name,
        marker=mark,
        hovertext=told,
        hovertemplate="%{hovertext}<extra></extra>" if told else None,
        hoverinfo=None if told else "skip",
    )


def _range(values: npt.NDArray[np.float64], others: npt.NDArray[np.float64], log: bool) -> list[float]:
    least, most = float(np.nanmin([np.nanmin(values), others.min()])), float(np.nanmax(values))
    if log and least > 0:
        least, most = math.log10(least), math.log10(most)
    pad = 0.06 * ((most - least) or 1)
    return [least - pad, most + pad]
