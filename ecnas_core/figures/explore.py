"""The figures of the Explore page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecnas_core.analysis.explore import Picture
from ecnas_core.analysis.metrics import Metric, metric
from ecnas_core.analysis.view import View
from ecnas_core.cells import Cell
from ecnas_core.figures.theme import (
    EXTREMES,
    FRONT,
    KNEE,
    SELECTION,
    SYMBOLS,
    UNKNOWN,
    axis,
    format_quantity,
    marker,
    mix,
    palette,
    template,
)

_WEAKEST_LAST = ("measured", "published", "scaled", "surrogate", "predicted")
_STRIP_TOP = 0.055
_PLANE_BOTTOM = 0.095
_PARALLEL = ("energy", "validation_error", "training_time", "parameters", "multiply_adds")
_COUNTS = {"n_conv3x3": "conv3×3", "n_conv1x1": "conv1×1", "n_maxpool3x3": "maxpool"}


@dataclass(frozen=True)
class Plane:
    """The picture of a view.

    Attributes:
        figure: the figure.
        hashes: for each trace whose points are cells its cells' hashes, by the number of the trace: the browser is
            sent positions, not hashes.
    """

    figure: go.Figure
    hashes: dict[int, tuple[str, ...]]


def value(metric: Metric, number: float | None) -> str:
    """A metric's value for the eye: ratios with fixed decimals, quantities with significant digits and the unit."""
    if number is None or pd.isna(number):
        return UNKNOWN
    if not metric.unit:
        return f"{number:.{metric.digits}f}"
    return format_quantity(number, metric.unit, metric.digits)


def intervals(frame: pd.DataFrame, name: str, shown: Metric) -> list[str]:
    """The 90 % intervals of predicted values on an axis (x or y) for the eye, empty for all others."""
    return [
        "" if pd.isna(low) else f"{value(shown, low)} to {value(shown, high)}"
        for low, high in zip(frame[f"{name}_low"], frame[f"{name}_high"], strict=True)
    ]


def cells(number: int) -> str:
    """A number of cells in words, such as "1 cell"."""
    return f"{_count(number)} cell" + ("" if number == 1 else "s")


def role_name(role: str, view: View) -> str:
    """What r0, rk and r1 are on these axes, for example "least energy"."""
    x, y = view.axes
    if role == "rk":
        return "knee"
    shown = x if role == "r0" else y
    return f"{'least' if shown.better == 'less' else 'best'} {shown.label.lower()}"


def headline(picture: Picture) -> str:
    """One sentence that says what is seen, with its numbers."""
    view = picture.view
    x, y = view.axes
    if not picture.matching:
        return f"No cell of {view.space} passes the filters."
    if not picture.both:
        return (
            f"{cells(picture.matching)} of {view.space}, "
            f"none with both {x.label.lower()} and {y.label.lower()} at {view.epochs} epochs."
        )
    known = (
        cells(picture.both)
        if picture.both == picture.matching
        else f"{_count(picture.both)} of {_count(picture.matching)} cells have a known {_unknown(picture)}"
    )
    if picture.predicted:
        known += f", {_count(picture.predicted)} of them predicted"
    by_role = picture.front.set_index("role")
    if "rk" in by_role.index:
        knee, last = by_role.loc["rk"], by_role.loc["r1"]
        return (
            f"{known}; the knee has {y.label.lower()} {value(y, knee['y'])} at {value(x, knee['x'])}, "
            f"the {role_name('r1', view)}, {value(y, last['y'])}, takes {last['x'] / knee['x']:.1f} times as much."
        )
    if len(picture.front) == 1:
        only = picture.front.iloc[0]
        return f"{known}; one is best in both: {value(x, only['x'])}, {y.label.lower()} {value(y, only['y'])}."
    return f"{known}; {len(picture.front)} of them form the front."


def predicted(picture: Picture) -> str | None:
    """What of the front and the knee rests on predictions, with the knee's interval; None where nothing does."""
    front, axes = picture.front, {"x": picture.view.axes[0], "y": picture.view.axes[1]}
    resting = front[["x_low", "y_low"]].notna()
    count = int(resting.any(axis=1).sum())
    if not count:
        return None
    names = [axes[name[0]].label.lower() for name in resting if resting[name].any()]
    told = (
        f"The front rests on predictions: of its {cells(len(front))} {count} {'has' if count == 1 else 'have'} a "
        f"predicted {' and '.join(names)} (open triangles, with 90 % intervals)."
    )
    for knee in front[front["role"] == "rk"].itertuples():
        ends = [
            f"{axis.label.lower()} between {value(axis, getattr(knee, f'{name}_low'))} and "
            f"{value(axis, getattr(knee, f'{name}_high'))}"
            for name, axis in axes.items()
            if not pd.isna(getattr(knee, f"{name}_low"))
        ]
        told += f" The knee's {' and its '.join(ends)}." if ends else " The knee is no prediction."
    return told


def plane(
    picture: Picture,
    dark: bool,
    *,
    selected: str | None = None,
    marked: pd.DataFrame | None = None,
    box: tuple[float, float, float, float] | None = None,
    names: Mapping[str, str] | None = None,
    select_by_dragging: bool = False,
) -> Plane:
    """All cells as a density, a sample of them as points, the front, its knee and extremes, the cells at hand.

    Args:
        picture: the computed view.
        dark: whether the figure stands on the dark background.
        selected: hash of the cell whose card is open.
        marked: the open cell and those in the tray, as ``analysis.explore.cells`` gives them.
        box: the selected area (x low, x high, y low, y high).
        names: short names of marked cells by hash, written beside them.
        select_by_dragging: whether dragging selects an area; otherwise it pans, and a click selects a point.

    Returns:
        The figure and which cell each of its points is.
    """
    x, y = picture.view.axes
    colors = palette(dark)
    traces: list[go.Scatter | go.Heatmap] = []
    hashes: dict[int, tuple[str, ...]] = {}

    def add(trace: go.Scatter | go.Heatmap, cells: pd.DataFrame | None = None) -> None:
        if cells is not None:
            hashes[len(traces)] = tuple(cells["hash"])
            trace.unselected = {"marker": {"opacity": trace.marker.opacity or 1}, "textfont": {"color": colors.text}}
        traces.append(trace)

    if picture.both > len(picture.sample):
        add(_density(picture))
    if picture.x_only:
        add(_strip(picture))
    if len(picture.sample):
        points = picture.sample
        symbols = _symbols(points, picture.view)
        add(
            go.Scatter(
                x=points["x"].to_numpy(np.float32),
                y=points["y"].to_numpy(np.float32),
                mode="markers",
                name=f"sample of {_count(len(points))}" if len(points) < picture.both else "cells",
                marker={
                    "symbol": symbols[0] if len(set(symbols)) == 1 else symbols,
                    "size": 4 if len(points) < picture.both else 7,
                    "color": colors.text,
                    "opacity": 0.28 if len(points) < picture.both else 0.6,
                    "line": {"width": 0},
                },
                hovertemplate=_hover(x, y),
            ),
            points,
        )
    front = picture.front
    if len(front):
        step = "hv" if x.better == "less" else "vh"
        add(
            go.Scatter(
                x=front["x"],
                y=front["y"],
                mode="lines+markers",
                name=f"front, {cells(len(front))}",
                line={"color": FRONT, "width": 2, "shape": step},
                marker=_markers(front, picture.view, FRONT, dark, 8),
                error_x=_whiskers(front, "x"),
                error_y=_whiskers(front, "y"),
                hovertemplate=_hover(x, y),
            ),
            front,
        )
        named = front[front["role"] != ""]
        shades = {"r0": EXTREMES, "r1": EXTREMES, "rk": KNEE}
        sides = {"r0": "top right", "rk": "bottom left" if x.better == "less" else "top right", "r1": "bottom left"}
        if y.better == "more":
            sides = {"r0": "bottom right", "rk": "top left", "r1": "top left"}
        add(
            go.Scatter(
                x=named["x"],
                y=named["y"],
                mode="markers+text",
                text=[f"<b>{role}</b> {role_name(role, picture.view)}" for role in named["role"]],
                textposition=[sides[role] for role in named["role"]],
                textfont={"size": 13, "color": colors.text},
                name="extremes and knee",
                marker={
                    "symbol": _symbols(named, picture.view),
                    "size": 13,
                    "color": [shades[role] for role in named["role"]],
                    "line": {"color": colors.paper, "width": 1.5},
                },
                hovertemplate=_hover(x, y),
                showlegend=False,
                cliponaxis=False,
            ),
            named,
        )
    if marked is not None and len(marked):
        add(_marked(marked, picture.view, dark, selected, names or {}), marked)
    return Plane(go.Figure(traces, _layout(picture, dark, box, select_by_dragging)), hashes)


def describe_budgets(budgets: pd.DataFrame, view: View) -> str:
    """What ``budget_curve`` shows, in one sentence.

    Args:
        budgets: as ``analysis.explore.budgets`` gives them.
        view: whose lens counts.
    """
    energy, accuracy = metric("energy", view.lens), metric("validation_accuracy", view.lens)
    known = budgets.dropna(subset=["energy", "validation_accuracy"])
    told = [
        f"{value(accuracy, row.validation_accuracy)} for {value(energy, row.energy)} at {row.epochs} epochs"
        for row in known.itertuples()
    ]
    return f"Validation accuracy of this cell: {', '.join(told)}."


def describe_parallel(frame: pd.DataFrame, view: View) -> str:
    """What ``parallel`` shows, in one sentence.

    Args:
        frame: the cells.
        view: whose axes are told.
    """
    ranges = [
        f"{shown.label.lower()} {value(shown, frame[name].min())} to {value(shown, frame[name].max())}"
        for name, shown in zip(("x", "y"), view.axes, strict=True)
    ]
    return f"{cells(len(frame))} by operations and metrics: {', '.join(ranges)}."


def budget_curve(budgets: pd.DataFrame, view: View, dark: bool) -> go.Figure:
    """One cell at its four training budgets: accuracy against energy, with the deviation of repeats."""
    energy = metric("energy", view.lens)
    known = budgets.dropna(subset=["energy", "validation_accuracy"])
    scale = energy_scale(known)
    figure = go.Figure(
        go.Scatter(
            x=known["energy"],
            y=known["validation_accuracy"],
            mode="lines+markers+text",
            text=[f"{epochs}" for epochs in known["epochs"]],
            textposition="top center",
            textfont={"size": 11},
            error_x={"array": known["energy_kwh_std"] * scale, "thickness": 1, "width": 3},
            error_y={"array": known["validation_accuracy_std"], "thickness": 1, "width": 3},
            line={"color": SELECTION, "width": 2},
            marker={
                "symbol": _symbols(known, view),
                "size": 9,
                "color": SELECTION,
                "line": {"color": palette(dark).paper, "width": 1},
            },
            hovertemplate="%{text} epochs<br>%{x:.4g} " + energy.unit + "<br>accuracy %{y:.4f}<extra></extra>",
        ),
        layout={"template": template(dark)},
    )
    figure.update_layout(
        height=210,
        margin={"l": 52, "r": 16, "t": 8, "b": 40},
        showlegend=False,
        xaxis=axis(energy.label, energy.unit, log=True),
        yaxis={**axis("Validation accuracy"), "range": [0, 1.08], "tickformat": ".1f"},
    )
    return figure


def energy_scale(frame: pd.DataFrame) -> pd.Series:
    """The factor from stored kWh to the lens's unit, row by row."""
    return frame["energy"] / frame["energy_kwh"]


def parallel(frame: pd.DataFrame, view: View, dark: bool) -> go.Figure:
    """Parallel coordinates of cells: operation counts and metrics, coloured by the vertical axis of the view."""
    dimensions: list[dict[str, object]] = [
        {
            "label": label,
            "values": [Cell.from_bits(*bits).ops_digits.count(str(digit)) for bits in _bits(frame)],
            "tickvals": list(range(6)),
            "range": [0, 5],
        }
        for digit, label in enumerate(_COUNTS.values())
    ]
    for name in _PARALLEL:
        shown = metric(name, view.lens)
        numbers = frame[name].where(frame[name] > 0).to_numpy(np.float64)
        if np.isnan(numbers).all():
            continue
        logs = np.log10(numbers)
        low, high = np.nanmin(logs), np.nanmax(logs)
        ticks = np.linspace(low, high, 5) if high > low else np.array([low])
        texts = [format_quantity(10**tick) for tick in ticks]
        if np.isnan(logs).any():
            beneath = low - 0.15 * (high - low or 1)
            logs = np.where(np.isnan(logs), beneath, logs)
            ticks, texts = np.array([beneath, *ticks]), ["unknown", *texts]
        dimensions.append({"label": shown.axis, "values": logs, "tickvals": ticks, "ticktext": texts})
    colors = palette(dark)
    shade = frame["y"].to_numpy(np.float64)
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={
                "color": np.nan_to_num(shade, nan=float(np.nanmin(shade))),
                "colorscale": [
                    list(stop) for stop in enumerate((colors.density[-1], mix(colors.density[1], colors.muted, 0.5)))
                ],
            },
            labelfont={"size": 12, "color": colors.text},
            tickfont={"size": 11, "color": colors.text},
            rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
        ),
        layout={"template": template(dark)},
    )
    figure.update_layout(height=330, margin={"l": 48, "r": 76, "t": 48, "b": 16})
    return figure


def _layout(
    picture: Picture, dark: bool, box: tuple[float, float, float, float] | None, select_by_dragging: bool
) -> dict[str, object]:
    view = picture.view
    x, y = view.axes
    x_log, y_log = view.logarithmic
    colors = palette(dark)
    strip = picture.x_only > 0
    layout: dict[str, object] = {
        "template": template(dark),
        "height": 470,
        "margin": {"l": 64, "r": 16, "t": 30, "b": 42},
        "dragmode": "select" if select_by_dragging else "pan",
        "selectdirection": "any",
        "uirevision": repr((view.space, view.epochs, view.x, view.y)),
        "legend": {"itemsizing": "constant"},
        "xaxis": {**axis(x.label, x.unit, x_log), "anchor": "free", "position": 0, "showgrid": True},
        "yaxis": {
            **axis(y.label, y.unit, y_log),
            "domain": [_PLANE_BOTTOM if strip else 0, 1],
            **({} if y.unit or strip else {"tickformat": ".2~f" if y_log else ".3~f"}),
        },
    }
    if box is not None:
        x_low, x_high, y_low, y_high = box
        outline = {"color": SELECTION, "width": 1.5, "dash": "dot"}
        layout["shapes"] = [
            {
                "type": "rect",
                "x0": x_low,
                "x1": x_high,
                "y0": y_low,
                "y1": y_high,
                "line": outline,
                "fillcolor": _translucent(SELECTION, 0.12),
            }
        ]
    if strip:
        layout["yaxis2"] = {
            "domain": [0, _STRIP_TOP],
            "anchor": "x",
            "showticklabels": False,
            "ticks": "",
            "showgrid": False,
            "showline": False,
            "fixedrange": True,
            "range": [0, 1],
        }
        layout["annotations"] = [
            {
                "xref": "paper",
                "yref": "paper",
                "x": 0.004,
                "y": _STRIP_TOP / 2,
                "xanchor": "left",
                "yanchor": "middle",
                "showarrow": False,
                "borderpad": 1,
                "bgcolor": _translucent(colors.paper, 0.75),
                "text": f"{_unknown(picture)} unknown: {cells(picture.x_only)}",
                "font": {"size": 11.5, "color": colors.text},
            }
        ]
    return layout


def _density(picture: Picture) -> go.Heatmap:
    counts = picture.density.astype(np.float64)
    counts[counts == 0] = np.nan
    top = int(picture.density.max()) if picture.density.size else 1
    ticks = [10**power for power in range(len(str(max(top, 1))))]
    return go.Heatmap(
        x=picture.x_edges.astype(np.float32),
        y=picture.y_edges.astype(np.float32),
        z=np.log10(counts).astype(np.float32),
        customdata=picture.density.astype(np.int32),
        name="density",
        hovertemplate="%{customdata} cells<extra></extra>",
        zmin=0,
        zmax=np.log10(max(top, 2)),
        colorbar={
            "title": {"text": "cells", "side": "top", "font": {"size": 11}},
            "x": 1.0,
            "xpad": 4,
            "tickvals": [np.log10(tick) for tick in ticks],
            "ticktext": [_count(tick) for tick in ticks],
        },
    )


def _strip(picture: Picture) -> go.Heatmap:
    counts = picture.x_alone.astype(np.float64)[None, :]
    counts[counts == 0] = np.nan
    return go.Heatmap(
        x=picture.x_edges.astype(np.float32),
        y=[0, 1],
        z=np.log10(counts).astype(np.float32),
        customdata=picture.x_alone.astype(np.int32)[None, :],
        yaxis="y2",
        name="unknown",
        hovertemplate=f"%{{customdata}} cells, {_unknown(picture)} unknown<extra></extra>",
        showscale=False,
        zmin=0,
        zmax=np.log10(max(int(picture.x_alone.max()), 2)),
        opacity=0.75,
    )


def _marked(marked: pd.DataFrame, view: View, dark: bool, selected: str | None, names: Mapping[str, str]) -> go.Scatter:
    x, y = view.axes
    return go.Scatter(
        x=marked["x"],
        y=marked["y"],
        mode="markers+text",
        text=[names.get(digest, "") for digest in marked["hash"]],
        textposition="bottom right",
        textfont={"size": 13, "color": palette(dark).text},
        name="selected and pinned",
        marker={
            "symbol": [f"{symbol}-open" if "open" not in symbol else symbol for symbol in _symbols(marked, view)],
            "size": [19 if digest == selected else 15 for digest in marked["hash"]],
            "color": SELECTION,
            "line": {"color": SELECTION, "width": 3},
        },
        hovertemplate=_hover(x, y),
        cliponaxis=False,
    )


def _markers(cells: pd.DataFrame, view: View, color: str, dark: bool, size: float) -> dict[str, object]:
    each = [marker(name, color, dark, size) for name in _provenances(cells, view)]  # type: ignore[arg-type]
    return {
        "symbol": [one["symbol"] for one in each],
        "color": [one["color"] for one in each],
        "size": size,
        "line": {"color": [one["line"]["color"] for one in each], "width": [one["line"]["width"] for one in each]},
    }


def _whiskers(cells: pd.DataFrame, name: str) -> dict[str, object] | None:
    """The 90 % intervals of predicted values as error bars; None where nothing is predicted."""
    low, high = cells[f"{name}_low"], cells[f"{name}_high"]
    if low.isna().all():
        return None
    return {
        "array": (high - cells[name]).to_numpy(np.float32),
        "arrayminus": (cells[name] - low).to_numpy(np.float32),
        "color": _translucent(FRONT, 0.55),
        "thickness": 1,
        "width": 2,
    }


def _symbols(cells: pd.DataFrame, view: View) -> list[str]:
    return [SYMBOLS[name] for name in _provenances(cells, view)]  # type: ignore[index]


def _provenances(cells: pd.DataFrame, view: View) -> list[str]:
    """The weaker of the provenances of both axes, cell by cell."""
    columns = [shown.provenance for shown in view.axes if shown.provenance]
    if not columns:
        return ["published"] * len(cells)
    weakness = {name: rank for rank, name in enumerate(_WEAKEST_LAST)}
    ranks = pd.concat([cells[column].map(weakness) for column in columns], axis=1).max(axis=1)
    return [_WEAKEST_LAST[int(rank)] for rank in ranks.fillna(weakness["published"])]


def _hover(x: Metric, y: Metric) -> str:
    def line(axis_name: str, shown: Metric) -> str:
        number = f"%{{{axis_name}:.4f}}" if not shown.unit else f"%{{{axis_name}:.4g}} {shown.unit}"
        return f"{shown.label}: {number}"

    return f"{line('x', x)}<br>{line('y', y)}<br>click for the cell<extra></extra>"


def _unknown(picture: Picture) -> str:
    """What the cells that are not in the plane lack."""
    x, y = picture.view.axes
    lacking = y if picture.x_only else x
    names = {"validation_accuracy": "accuracy", "validation_error": "accuracy", "test_error": "test accuracy"}
    return names.get(lacking.key, lacking.label.lower())


def _bits(cells: pd.DataFrame) -> Sequence[tuple[int, int, str]]:
    return list(
        zip(cells["vertices"].tolist(), cells["edge_bits"].tolist(), cells["ops"].fillna("").tolist(), strict=True)
    )


def _count(number: int) -> str:
    return format_quantity(number, digits=None)


def _translucent(color: str, opacity: float) -> str:
    red, green, blue = (int(color[index : index + 2], 16) for index in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
