"""The figures of the Swaps page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecnas_core.analysis.metrics import metric
from ecnas_core.analysis.swap_table import SHORT_NAMES
from ecnas_core.analysis.swaps import FEW_PAIRS
from ecnas_core.analysis.swaps_view import SwapsView
from ecnas_core.analysis.view import View
from ecnas_core.cells import OPERATIONS
from ecnas_core.figures import theme
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import FRONT, SELECTION, UNKNOWN, axis, format_fixed, palette, readable_on, template

FIGURE_2 = ("energy", "training_time", "validation_accuracy", "parameters")
COLORS = dict(zip(SHORT_NAMES, (theme.OPERATIONS[operation] for operation in OPERATIONS), strict=True))
TICKS = ("3×3", "1×1", "pool")
LABELS = {
    "energy": "Energy",
    "footprint": "Footprint",
    "training_time": "Training time",
    "validation_accuracy": "Validation accuracy",
    "parameters": "Parameters",
    "multiply_adds": "Multiply-adds",
}
SPLIT_LABELS = {
    "none": "all vertices alike",
    "vertices": "vertices of the cell",
    "position": "distance from the input (edges on the longest path)",
    "before": "what the vertex takes from",
    "after": "what the vertex feeds",
}
_LESS, _MORE = "#0072B2", "#D55E00"


def fine_change(number: float | None) -> str:
    """A relative change to a hundredth of a per cent."""
    return change(number, 2)


def change(number: float | None, digits: int = 1) -> str:
    """A relative change for the eye: -0.1768 is "−17.7 %"."""
    return theme.format_percent(number, digits, signed=True)


def points(number: float | None, digits: int = 2) -> str:
    """A change of accuracy in points, hundredths: -0.0311 is "−3.11 points"."""
    return (
        UNKNOWN
        if number is None or pd.isna(number)
        else format_fixed(100 * number, digits, signed=True) + "\u202fpoints"
    )


def effect(name: str, number: float | None) -> str:
    """A change of a metric in the form that suits it: accuracy in points, everything else in per cent."""
    return points(number) if name == "validation_accuracy" else change(number)


def heat_maps(frame: pd.DataFrame, dark: bool) -> go.Figure:
    """The paper's Figure 2: for energy, time, accuracy and parameters the effect of every swap as a 3 × 3 map.

    Args:
        frame: as ``analysis.swaps.figure_2`` gives it.
        dark: whether the figure stands on the dark background.
    """
    colors = palette(dark)
    figure = make_subplots(
        2,
        2,
        subplot_titles=[_map_title(name) for name in FIGURE_2],
        shared_yaxes=True,
        horizontal_spacing=0.06,
        vertical_spacing=0.2,
    )
    for number, name in enumerate(FIGURE_2):
        effects = np.zeros((3, 3))
        for row in frame[frame["metric"] == name].itertuples():
            old, new = SHORT_NAMES.index(row.old), SHORT_NAMES.index(row.new)
            effects[old, new], effects[new, old] = 100 * row.effect, -100 * row.effect
        digits = 2 if name == "validation_accuracy" else 1
        largest = float(np.abs(effects[~np.isnan(effects)]).max()) or 1.0
        figure.add_trace(
            go.Heatmap(
                x=SHORT_NAMES,
                y=SHORT_NAMES,
                z=effects,
                zmin=-largest,
                zmax=largest,
                colorscale=[[0, _LESS], [0.5, colors.surface], [1, _MORE]],
                showscale=False,
                xgap=2,
                ygap=2,
                hovertemplate=f"{LABELS[name]}<br>%{{y}} replaced by %{{x}}: %{{z:+.2f}} {_unit(name)}<extra></extra>",
            ),
            row=number // 2 + 1,
            col=number % 2 + 1,
        )
        for old, new in np.ndindex(3, 3):
            here = float(effects[old, new])
            known = not np.isnan(here)
            ramp = _LESS if here < 0 else _MORE
            shade = theme.mix(ramp, colors.surface, abs(here) / largest) if known else colors.surface
            figure.add_annotation(
                x=SHORT_NAMES[new],
                y=SHORT_NAMES[old],
                text="0" if old == new else format_fixed(here, digits, signed=True) if known else UNKNOWN,
                showarrow=False,
                font={"size": 13, "color": readable_on(shade)},
                row=number // 2 + 1,
                col=number % 2 + 1,
            )
    figure.update_layout(template=template(dark), height=470, margin={"l": 64, "r": 8, "t": 30, "b": 40})
    bare = {"showgrid": False, "ticks": "", "showline": False, "tickvals": SHORT_NAMES, "ticktext": TICKS}
    figure.update_xaxes(**bare)
    figure.update_yaxes(**bare, autorange="reversed")
    figure.update_annotations(selector={"xref": "paper"}, font={"size": 13})
    for column in (1, 2):
        figure.update_xaxes(title={"text": "… by", "font": {"size": 12}}, row=2, col=column)
    for row in (1, 2):
        figure.update_yaxes(title={"text": "replace …", "font": {"size": 12}}, row=row, col=1)
    return figure


def boxes(frame: pd.DataFrame, view: SwapsView, dark: bool) -> go.Figure:
    """How a metric changes by a swap of one vertex and by its reverse, group by group.

    Args:
        frame: the rows of ``analysis.swaps.distribution`` for the swap and its reverse.
        view: what is shown.
        dark: whether the figure stands on the dark background.
    """
    shown = metric(view.metric, view.lens)
    scale = 100.0 if view.metric == "validation_accuracy" or not view.is_difference else 1.0
    unit = "points" if view.metric == "validation_accuracy" else shown.unit if view.is_difference else "%"
    figure = go.Figure()
    for swap, rows in frame.groupby("swap", sort=False):
        known = rows[rows["n"] > 0]
        old, new = rows["old"].iloc[0], rows["new"].iloc[0]
        color = COLORS[new]
        figure.add_trace(
            go.Box(
                x=known["group"],
                lowerfence=known["q05"] * scale,
                q1=known["q25"] * scale,
                median=known["q50"] * scale,
                q3=known["q75"] * scale,
                upperfence=known["q95"] * scale,
                mean=known["mean"] * scale,
                boxmean=True,
                name=f"{old} becomes {new}",
                line={"color": theme.mix(color, palette(dark).text, 0.8), "width": 1.4},
                fillcolor=theme.mix(color, palette(dark).paper, 0.5),
                offsetgroup=swap,
                hoverinfo="skip",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=known["group"],
                y=known["q95"] * scale,
                mode="markers",
                marker={"opacity": 0, "size": 16},
                customdata=np.column_stack(
                    [known["n"], known["pairs"], known["mean"] * scale, known["q05"] * scale, known["q50"] * scale]
                ),
                hovertemplate=f"{old} becomes {new}, %{{x}}<br>mean %{{customdata[2]:+.3g}} {unit}, median "
                f"%{{customdata[4]:+.3g}}<br>5 % to 95 %: %{{customdata[3]:+.3g}} to %{{y:+.3g}} {unit}"
                "<br>%{customdata[0]:,} of %{customdata[1]:,} pairs known<extra></extra>",
                offsetgroup=swap,
                showlegend=False,
            )
        )
    figure.update_layout(
        template=template(dark),
        height=430,
        boxmode="group",
        scattermode="group",
        hovermode="closest",
        margin={"l": 60, "r": 8, "t": 36, "b": 48},
        xaxis={"title": {"text": SPLIT_LABELS[view.split].capitalize()}, "showgrid": False, "type": "category"},
        yaxis={
            **axis(f"Change of {shown.label.lower()}", unit),
            "zeroline": True,
            "zerolinewidth": 1,
            "zerolinecolor": palette(dark).muted,
        },
    )
    return figure


def trade(frame: pd.DataFrame, view: SwapsView, dark: bool) -> go.Figure:
    """Energy against accuracy of every swap of one vertex: down is saved, left is lost.

    Args:
        frame: as ``analysis.swaps.trade_off`` gives it.
        view: what is shown.
        dark: whether the figure stands on the dark background.
    """
    colors = palette(dark)
    figure = go.Figure()
    for (old, new), rows in frame.groupby(["old", "new"], sort=False):
        few = rows["n"] < FEW_PAIRS
        figure.add_trace(
            go.Scatter(
                x=100 * rows["accuracy"],
                y=100 * rows["energy"],
                error_x={"array": 196 * rows["accuracy_error"], "thickness": 1, "width": 3},
                mode="markers",
                name=f"{old} becomes {new}",
                marker={
                    "color": COLORS[new],
                    "symbol": ["circle-open" if each else "circle" for each in few],
                    "size": 9 + 2 * np.log10(rows["n"]),
                    "line": {"color": COLORS[old], "width": 2.5},
                },
                customdata=np.column_stack([rows["group"], rows["n"], 1.96 * 100 * rows["accuracy_error"]]),
                hovertemplate=f"{old} becomes {new}<br>{SPLIT_LABELS[view.split]}: %{{customdata[0]}}<br>"
                "energy %{y:+.1f} %<br>accuracy %{x:+.2f} ± %{customdata[2]:.2f} points<br>"
                "%{customdata[1]:,} pairs<extra></extra>",
            )
        )
    zero = {"zeroline": True, "zerolinewidth": 1, "zerolinecolor": colors.muted}
    figure.update_layout(
        template=template(dark),
        height=430,
        margin={"l": 60, "r": 8, "t": 52, "b": 48},
        xaxis={**axis("Change of validation accuracy", "points"), **zero},
        yaxis={**axis("Change of energy", "%"), **zero},
    )
    return figure


def step_bars(options: pd.DataFrame, dark: bool) -> go.Figure:
    """Every step from a cell as two bars: change of energy, change of accuracy; each bar is a button.

    Args:
        options: as ``analysis.walk.options`` gives them.
        dark: whether the figure stands on the dark background.
    """
    colors = palette(dark)
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04, column_widths=[0.5, 0.5])
    kinds = {"operation": theme.OPERATIONS["conv1x1-bn-relu"], "edge added": "#999999", "edge removed": "#999999"}
    fill = [kinds[kind] for kind in options["kind"]]
    labels = [
        f"{step} (artefact) " if isinstance(artefact, str) else f"{step} "
        for step, artefact in zip(options["step"], options["energy_artefact"], strict=True)
    ]
    for column, (name, unit, digits) in enumerate((("d_energy", "%", 1), ("d_accuracy", "points", 2)), start=1):
        numbers = 100 * options[name]
        written = [UNKNOWN if pd.isna(number) else format_fixed(number, digits, signed=True) for number in numbers]
        figure.add_trace(
            go.Bar(
                x=numbers.fillna(0),
                y=labels,
                orientation="h",
                marker={"color": fill, "line": {"width": 0}},
                text=written,
                textposition="outside",
                textfont={"size": 11},
                cliponaxis=False,
                hovertemplate=[
                    f"{step}<br>{written} {unit}<br>{text}<br>click to go there<extra></extra>"
                    for step, written, text in zip(options["step"], written, options["text"], strict=True)
                ],
                showlegend=False,
            ),
            row=1,
            col=column,
        )
    figure.update_layout(
        template=template(dark),
        height=90 + 21 * len(options),
        bargap=0.25,
        margin={"l": 8, "r": 8, "t": 8, "b": 44},
        clickmode="event+select",
        dragmode="pan",
    )
    zero = {"zeroline": True, "zerolinewidth": 1, "zerolinecolor": colors.muted, "fixedrange": True}
    for column, (name, title, unit) in enumerate(
        (("d_energy", "Energy", "%"), ("d_accuracy", "Accuracy", "points")), start=1
    ):
        span = _padded_range(100 * options[name])
        figure.update_xaxes(**axis(title, unit), **zero, range=span, row=1, col=column)
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", fixedrange=True, tickfont={"size": 12})
    return figure


def walked(path: pd.DataFrame, view: View, dark: bool) -> go.Figure:
    """The walk so far in the plane of energy and validation error, its cells numbered from 0.

    Args:
        path: as ``analysis.walk.path`` gives it.
        view: whose lens and budget the figures are of.
        dark: whether the figure stands on the dark background.
    """
    energy = metric("energy", view.lens)
    error = metric("validation_error", view.lens)
    path = path.assign(number=range(len(path)))
    known = path.dropna(subset=["energy", "validation_error"])
    figure = go.Figure(
        go.Scatter(
            x=known["energy"],
            y=known["validation_error"],
            mode="lines+markers+text",
            text=known["number"],
            textposition="top center",
            line={"color": SELECTION, "width": 2},
            marker={
                "size": 11,
                "color": [SELECTION] * (len(known) - 1) + [FRONT],
                "line": {"color": palette(dark).paper, "width": 1},
            },
            customdata=known["hash"].str[:8],
            hovertemplate=f"cell %{{customdata}}<br>%{{x:.4g}} {energy.unit}<br>error %{{y:.4f}}<extra></extra>",
        )
    )
    figure.update_layout(
        template=template(dark),
        height=300,
        margin={"l": 60, "r": 16, "t": 12, "b": 44},
        xaxis=axis(energy.label, energy.unit, log=True),
        yaxis=axis(error.label, log=True),
        showlegend=False,
    )
    return figure


def headline_all(frame: pd.DataFrame) -> str:
    """What Figure 2 says, in one sentence."""
    energy = frame[frame["metric"] == "energy"].set_index("swap")
    accuracy = frame[frame["metric"] == "validation_accuracy"].set_index("swap")
    if energy["effect"].isna().all():
        return "The energy of the GPU alone is not known here: choose the scope Facility or IT, or another space."
    most = energy["effect"].idxmin()
    lost = accuracy.loc[most, "effect"]
    at = "" if pd.isna(lost) else f" and changes accuracy by {points(lost)}"
    return (
        f"Putting {energy.loc[most, 'new']} in the place of every {energy.loc[most, 'old']} saves "
        f"{change(-energy.loc[most, 'effect']).lstrip('+')} of the energy{at}."
    )


def headline_one(frame: pd.DataFrame, view: SwapsView) -> str:
    """What the distributions of one swap say, in one sentence."""
    swap = frame[frame["swap"] == view.swap]
    known = swap[swap["n"] > 0]
    shown = metric(view.metric, view.lens)
    if known.empty:
        return f"No pair of cells with a known {shown.label.lower()} differs by this swap at {view.epochs} epochs."
    mean = float(np.average(known["mean"], weights=known["n"]))
    told = value(shown, mean) if view.absolute and view.metric != "validation_accuracy" else effect(view.metric, mean)
    n = theme.format_quantity(int(known["n"].sum()), digits=None)
    return (
        f"One {known['old'].iloc[0]} becoming {known['new'].iloc[0]} changes {shown.label.lower()} by {told} on "
        f"average over {n} pairs of cells."
    )


def headline_trade(frame: pd.DataFrame) -> str:
    """Which swap gives the most energy back, in one sentence."""
    sure = frame[(frame["n"] >= FEW_PAIRS) & frame["saved_per_point"].notna()]
    if sure.empty:
        return "Too few pairs of cells have a known energy and accuracy to tell."
    best = sure.iloc[0]
    where = "" if best["group"] == "all" else f" ({best['group']})"
    back = (
        f"saves {change(-best['energy']).lstrip('+')} of the energy and loses no accuracy"
        if np.isinf(best["saved_per_point"])
        else f"gives back {change(best['saved_per_point']).lstrip('+')} of the energy for each accuracy point lost"
    )
    n = theme.format_quantity(best["n"], digits=None)
    return f"{best['old']} becoming {best['new']}{where} {back}, the best exchange, over {n} pairs."


def headline_walk(path: pd.DataFrame, options: pd.DataFrame) -> str:
    """Where a walk stands and where it could go, in one sentence."""
    here = path.iloc[-1]
    if options.empty:
        return "No step leads on from here: no vertex is left to change, and no edge can be added. Undo the last step."
    saving = options[options["d_energy"] < 0]
    free, unknown = (saving["d_accuracy"] >= 0).sum(), saving["d_accuracy"].isna().sum()
    ahead = (
        f"{len(saving)} of {len(options)} steps from here save energy, {free} of them with no accuracy lost"
        f"{f', {unknown} with unknown accuracy' if unknown else ''}"
    )
    if len(path) == 1:
        return f"{ahead}: click a bar to take the step."
    known = "" if pd.isna(here["sum_accuracy"]) else f" and {points(here['sum_accuracy'])} of accuracy"
    taken = f"{len(path) - 1} step{'' if len(path) == 2 else 's'}"
    return f"After {taken} {change(here['sum_energy'])} energy{known}; {ahead}."


def _map_title(name: str) -> str:
    return f"{'Accuracy' if name == 'validation_accuracy' else LABELS[name]} ({_unit(name)})"


def _unit(name: str) -> str:
    return "points" if name == "validation_accuracy" else "%"


def _padded_range(numbers: pd.Series) -> list[float]:
    low, high = min(0.0, float(numbers.min())), max(0.0, float(numbers.max()))
    if not low < high:
        return [-1.0, 1.0]
    room = 0.34 * (high - low)
    return [low - (room if low < 0 else 0.04 * (high - low)), high + (room if high > 0 else 0.04 * (high - low))]
