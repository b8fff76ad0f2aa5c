"""The figures of the Choose page, and its numbers in words."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecnas_core.analysis.choose import Choice, Role
from ecnas_core.analysis.costs import Saving, saving
from ecnas_core.analysis.needs import Needs, Quantity
from ecnas_core.analysis.relaxation import Conflict
from ecnas_core.analysis.sensitivity import Sweep
from ecnas_core.cells import Cell
from ecnas_core.figures.explore import Plane, cells
from ecnas_core.figures.theme import (
    EXTREMES,
    FRONT,
    KNEE,
    SELECTION,
    UNKNOWN,
    Provenance,
    axis,
    colorscale,
    format_fixed,
    format_percent,
    format_quantity,
    layout,
    marker,
    mix,
    palette,
)

ROLE_NAMES: Final[dict[Role, str]] = {
    "preferred": "yours",
    "knee": "knee",
    "cheapest": "cheapest",
    "best": "best",
    "safest": "safest",
}
ROLE_COLORS: Final[dict[Role, str]] = {
    "preferred": SELECTION,
    "knee": KNEE,
    "cheapest": EXTREMES,
    "best": EXTREMES,
    "safest": "#E69F00",
}
LABELS: Final[dict[Quantity, str]] = {
    "energy_kwh": "Energy of a training",
    "footprint_kgco2eq": "Footprint of a year",
    "time_h": "Time of a training",
    "parameters": "Parameters",
    "accuracy": "Accuracy",
}
UNITS: Final[dict[Quantity, str]] = {
    "energy_kwh": "kWh",
    "footprint_kgco2eq": "kgCO2eq",
    "time_h": "h",
    "parameters": "",
    "accuracy": "",
}
SHOWN_SHARE: Final = 0.995
"""Share of the candidates whose error the picture has room for; the least accurate are beyond it."""

Ranges = tuple[tuple[float, float], tuple[float, float]]
_BINS: Final = (120, 90)
_PLANE_HEIGHT, _SWEEP_HEIGHT = 430, 380
_LABEL_ABOVE, _LABEL_HEIGHT, _MARGINS = 26, 22, 110
_MANY = 100_000
_ROOM = 0.8


def amount(quantity: Quantity, value: float | None) -> str:
    """A quantity for the eye, with its unit."""
    if value is None or pd.isna(value):
        return UNKNOWN
    if quantity == "accuracy":
        return format_fixed(value, 4)
    if quantity == "time_h" and value < 1:
        return format_quantity(60 * value, "min")
    if quantity == "parameters":
        return format_quantity(value / 1e6, "M") if value >= _MANY else format_quantity(value, digits=None)
    return format_quantity(value, UNITS[quantity])


def limit(quantity: Quantity, value: float) -> str:
    """A limit in words, such as "at most 0.5 kWh"."""
    return f"{'at least' if quantity == 'accuracy' else 'at most'} {amount(quantity, value)}"


def named(row: pd.Series, choice: Choice) -> str:
    """What a cell of the short list is called: its hash's start, and its budget where it is chosen too."""
    told = f" at {row['epochs']} epochs" if choice.view.task.epochs is None else ""
    return f"{row['hash'][:8]}{told}"


def headline(choice: Choice) -> str:
    """What was chosen, in one sentence with its numbers."""
    if choice.conflict is not None:
        return f"No cell of {choice.view.task.space} keeps all limits."
    row = choice.shortlist.iloc[0]
    total = int(choice.candidates.known.sum())
    qualify = int(choice.qualifying.sum())
    what = "cells and budgets" if choice.view.task.epochs is None else "cells"
    count = (
        f"All {format_quantity(total, digits=None)} {what} qualify"
        if qualify == total
        else f"{format_quantity(qualify, digits=None)} of {format_quantity(total, digits=None)} {what} "
        f"qualif{'ies' if qualify == 1 else 'y'}"
    )
    return (
        f"{count}; by your weights take cell {named(row, choice)}: accuracy {amount('accuracy', row['accuracy'])} for "
        f"{amount('energy_kwh', row['energy_kwh'])} a training. Against the most accurate of all: "
        f"{saved(saving(choice, row))}."
    )


def saved(found: Saving) -> str:
    """A saving against the most accurate cell: "0.4 points of accuracy less, 89 % energy less"."""
    points = 100 * found.accuracy
    accuracy = "the same accuracy" if abs(points) < 0.005 else f"{format_fixed(points, 2)} points of accuracy less"
    if abs(found.energy) < 0.0005:
        return f"{accuracy}, the same energy"
    return f"{accuracy}, {format_percent(abs(found.energy), 0)} energy {'less' if found.energy > 0 else 'more'}"


def reason(role: Role) -> str:
    """Why a cell with that role is in the short list."""
    return {
        "preferred": "costs you least by your weights",
        "knee": "the knee of the cells that qualify: beyond it accuracy gets dear",
        "cheapest": "takes the least energy of all that qualify",
        "best": "has the highest accuracy of all that qualify",
        "safest": "costs you least, and qualifies, at the unfavourable end of every 90 % interval",
    }[role]


def reasons(row: pd.Series) -> str:
    """Why a cell is in the short list."""
    roles = [role for role in ROLE_NAMES if role in row["roles"].split(",")]
    if not roles:
        return "Next best by your weights."
    told = "; ".join(reason(role) for role in roles)
    return f"{told[0].upper()}{told[1:]}."


def gives_up(row: pd.Series, choice: Choice) -> str:
    """What a cell of the short list gives up against the most accurate and the cheapest that qualify."""
    told = []
    values, best, cheapest = choice.candidates.values, choice.roles["best"], choice.roles["cheapest"]
    if row["position"] != best:
        points = 100 * (values["accuracy"][best] - row["accuracy"])
        lost = "less than 0.01" if points < 0.005 else format_fixed(points, 2)
        told.append(f"{lost} points of accuracy to the best that qualifies")
    if row["position"] != cheapest:
        times = row["energy_kwh"] / values["energy_kwh"][cheapest]
        told.append(
            f"{format_fixed(times, 1)} times the energy of the cheapest that qualifies"
            if times >= 2
            else f"{format_percent(times - 1, 0 if times >= 1.01 else 1)} more energy than the cheapest that qualifies"
        )
    return f"{'; '.join(told)}." if told else "Nothing: it is both the best and the cheapest."


def how_sure(row: pd.Series, choice: Choice) -> str:
    """How far a cell's figures can be trusted, and whether they still qualify at their unfavourable ends."""
    accuracy = {
        "published": f"Accuracy published, {_repeats(row)}",
        "measured": f"Accuracy measured, {_repeats(row)}",
        "predicted": f"Accuracy predicted, 90 % interval {format_fixed(row['accuracy_low'], 4)} to "
        f"{format_fixed(row['accuracy_high'], 4)}",
    }[row["accuracy_provenance"]]
    energy = {
        "measured": "energy measured",
        "scaled": "energy scaled from 4 epochs",
        "surrogate": "energy of the published surrogate, without an interval",
        "predicted": f"energy predicted, 90 % interval {amount('energy_kwh', row['energy_kwh_low'])} to "
        f"{amount('energy_kwh', row['energy_kwh_high'])}",
    }[row["energy_provenance"]]
    worst = choice.candidates.worst
    missed = [
        f"{LABELS[quantity].lower()} {amount(quantity, worst[quantity][row['position']])}"
        for quantity, kept in choice.candidates.keeping(choice.view.needs, worst=True).items()
        if not kept[row["position"]]
    ]
    told = f" At the unfavourable ends it misses your limits: {', '.join(missed)}." if missed else ""
    return f"{accuracy}; {energy}.{told}"


def describe_conflict(conflict: Conflict, needs: Needs) -> list[str]:
    """Which limits exclude each other, in sentences."""
    limits = needs.limits
    told = []
    for names in conflict.binding:
        each = " and ".join(f"{LABELS[name].lower()} {limit(name, limits[name])}" for name in names)
        told.append(
            f"No cell keeps this: {each}." if len(names) == 1 else f"No cell keeps all of these, but some each: {each}."
        )
    return told


def relaxed(limits: dict[Quantity, float]) -> str:
    """A relaxation in words."""
    told = " and ".join(f"{LABELS[name].lower()} {limit(name, outward(name, value))}" for name, value in limits.items())
    return f"{told[:1].upper()}{told[1:]}"


def outward(quantity: Quantity, value: float) -> float:
    """A limit that the value keeps, rounded to what people write: three digits up, an accuracy four decimals down."""
    if quantity == "accuracy":
        return float(np.floor(value * 1e4 + 1e-9) / 1e4)
    step = 10.0 ** (np.floor(np.log10(value)) - 2)
    return float(f"{np.ceil(value / step - 1e-9) * step:.3g}")


def stays(varied: Quantity | None, stretch: tuple[float, float]) -> tuple[str, str]:
    """What may move, and between which values the choice stays."""
    low, high = stretch
    if varied is None:
        return "Weight of energy against accuracy", f"{format_percent(low, 0)} to {format_percent(high, 0)}"
    if np.isinf(high):
        return LABELS[varied], f"{amount(varied, low)} or more"
    if varied == "accuracy" and low == 0:
        return LABELS[varied], f"{amount(varied, high)} or less"
    return LABELS[varied], f"{amount(varied, low)} to {amount(varied, high)}"


def plane(choice: Choice, front: pd.DataFrame, dark: bool, selected: str | None = None) -> Plane:
    """All candidates as a density, the limits, the front of those that qualify, the short list and the best of all.

    Args:
        choice: what was chosen.
        front: of those that qualify, as ``analysis.candidates.details`` gives it.
        dark: whether the figure stands on the dark background.
        selected: hash of the cell whose card is open.
    """
    known = choice.candidates.known
    energy = choice.candidates.values["energy_kwh"][known]
    error = 1 - choice.candidates.values["accuracy"][known]
    shown = _range(energy), _range(error[error <= np.quantile(error, SHOWN_SHARE)])
    figure = go.Figure(_density(energy, error, shown, dark))
    hashes: dict[int, tuple[str, ...]] = {}
    colors = palette(dark)

    def add(trace: go.Scatter, rows: pd.DataFrame) -> None:
        hashes[len(figure.data)] = tuple(rows["hash"])
        trace.unselected = {"marker": {"opacity": 1}, "textfont": {"color": colors.text}}
        figure.add_trace(trace)

    if len(front):
        add(_points(front, choice, "front", FRONT, 6, dark, line={"color": FRONT, "width": 1.5, "shape": "hv"}), front)
    reference = choice.reference
    add(_points(reference, choice, "most accurate of all", colors.text, 9, dark), reference)
    shortlist = choice.shortlist.iloc[::-1]
    above = _labels_above(np.log10(1 - shortlist["accuracy"].to_numpy(float)), shown[1])
    for row in range(len(shortlist)):
        cell = shortlist.iloc[[row]]
        roles = [role for role in ROLE_NAMES if role in cell["roles"].item().split(",")]
        if roles:
            label = ", ".join(ROLE_NAMES[role] for role in roles)
            trace = _points(cell, choice, label, ROLE_COLORS[roles[0]], 13, dark)
            trace.showlegend = False
            add(trace, cell)
            figure.add_annotation(
                x=np.log10(cell["energy_kwh"].item()),
                y=np.log10(1 - cell["accuracy"].item()),
                text=f"<b>{label}</b>",
                ax=40 if np.log10(cell["energy_kwh"].item()) < np.interp(_ROOM, (0, 1), shown[0]) else -40,
                ay=above[row],
                bgcolor=colors.paper,
                opacity=0.9,
                borderpad=2,
            )
    if selected is not None and selected in set(front["hash"]):
        here = front[front["hash"] == selected]
        add(_points(here, choice, "open", SELECTION, 18, dark, symbol="circle-open"), here)
    figure.update_layout(
        **layout(dark, _PLANE_HEIGHT),
        clickmode="event+select",
        dragmode="pan",
        xaxis=axis("Energy of a training", "kWh", log=True) | {"range": shown[0]},
        yaxis=axis("Validation error", log=True) | {"range": shown[1]},
        shapes=_limits(choice, shown, dark),
    )
    figure.update_layout(margin={"t": 34})
    return Plane(figure, hashes)


def moved(found: Sweep, dark: bool) -> go.Figure:
    """How energy and accuracy of the preferred cell move with a limit or with the weights, as two staircases.

    Args:
        found: the sweep.
        dark: whether the figure stands on the dark background.
    """
    steps, colors = found.steps, palette(dark)
    ends = _ends(found)
    across = np.column_stack([steps["start"], steps["end"]]).clip(*ends).ravel()
    figure = go.Figure()
    for name, color, which, label in (
        ("energy_kwh", FRONT, "y", "Energy of a training"),
        ("accuracy", EXTREMES, "y2", "Accuracy"),
    ):
        figure.add_trace(
            go.Scatter(
                x=across,
                y=np.repeat(steps[name].to_numpy(), 2),
                yaxis=which,
                mode="lines",
                name=label,
                line={"color": color, "width": 2},
                customdata=np.repeat([amount(name, value) for value in steps[name]], 2),  # type: ignore[arg-type]
                hovertemplate="%{x:.3g}: %{customdata}<extra></extra>",
            )
        )
    title, unit = (
        ("Weight of energy, of energy and accuracy", "%")
        if found.varied is None
        else (f"Limit: {LABELS[found.varied].lower()}", "M" if found.varied == "parameters" else UNITS[found.varied])
    )
    log = found.varied not in (None, "accuracy")
    shapes = []
    if found.now is not None:
        shapes.append(
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": found.now,
                "x1": found.now,
                "y0": 0,
                "y1": 1,
                "line": {"color": SELECTION, "width": 2, "dash": "dot"},
            }
        )
    across_axis = axis(title, unit, log=log) | {"range": np.log10(ends).tolist() if log else list(ends)}
    if log:
        across_axis |= _labelled(*ends, per=1e6 if found.varied == "parameters" else 1)
    if found.varied is None:
        across_axis |= {"tickformat": ".0%", "title": {"text": title}}
    figure.update_layout(
        **layout(dark, _SWEEP_HEIGHT),
        xaxis=across_axis | {"anchor": "y2"},
        yaxis=axis("Energy", "kWh", log=True)
        | {"domain": [0.55, 1]}
        | _labelled(steps["energy_kwh"].min(), steps["energy_kwh"].max()),
        yaxis2=axis("Accuracy") | {"domain": [0, 0.45], "gridcolor": colors.grid},
        shapes=shapes,
        hovermode="x",
    )
    return figure


def moved_headline(found: Sweep) -> str:
    """How often the choice changes and between which values it stays, in one sentence."""
    what = "the weight of energy" if found.varied is None else f"the limit on {LABELS[found.varied].lower()}"
    if found.steps.empty:
        return f"Nothing qualifies, wherever {what} is set."
    count = len(dict.fromkeys(found.steps["position"]))
    told = f"As {what} moves, {cells(count)} {'is' if count == 1 else 'are'} chosen in turn"
    if found.current is None:
        return f"{told}; where it stands now nothing qualifies."
    return f"{told}; the present one stays for {stays(found.varied, found.current)[1]}."


def _repeats(row: pd.Series) -> str:
    repeats = row["accuracy_repeats"]
    return f"mean of {int(repeats)} trainings" if pd.notna(repeats) and repeats > 1 else "a single training"


def _density(energy: np.ndarray, error: np.ndarray, shown: Ranges, dark: bool) -> go.Heatmap:
    edges = [np.linspace(low, high, bins + 1) for (low, high), bins in zip(shown, _BINS, strict=True)]
    counts, _, _ = np.histogram2d(np.log10(energy), np.log10(error), bins=edges)
    with np.errstate(divide="ignore"):
        z = np.where(counts.T > 0, np.log10(counts.T), np.nan)
    return go.Heatmap(
        x=10 ** ((edges[0][1:] + edges[0][:-1]) / 2),
        y=10 ** ((edges[1][1:] + edges[1][:-1]) / 2),
        z=np.round(z, 2),
        colorscale=colorscale(dark),
        showscale=False,
        hoverinfo="skip",
        name="all cells",
    )


def _labels_above(errors: np.ndarray, shown: tuple[float, float]) -> list[float]:
    """How far above its point each label stands, in pixels (negative), so that none covers another.

    Args:
        errors: logarithms of the points' errors.
        shown: those at the lower and the upper end of the picture.
    """
    points = (shown[1] - errors) / (shown[1] - shown[0]) * (_PLANE_HEIGHT - _MARGINS)
    labels = points - _LABEL_ABOVE
    lowest_first = np.argsort(-points, kind="stable")
    for below, label in pairwise(lowest_first):
        labels[label] = min(labels[label], labels[below] - _LABEL_HEIGHT)
    return [float(distance) for distance in labels - points]


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = np.log10(values.min()), np.log10(values.max())
    pad = 0.03 * (high - low) or 0.1
    return float(low - pad), float(high + pad)


def _points(
    rows: pd.DataFrame,
    choice: Choice,
    name: str,
    color: str,
    size: float,
    dark: bool,
    *,
    line: dict[str, object] | None = None,
    symbol: str | None = None,
) -> go.Scatter:
    weakest: list[Provenance] = [
        "predicted" if "predicted" in (row.energy_provenance, row.accuracy_provenance) else row.energy_provenance
        for row in rows.itertuples()
    ]
    shapes = [marker(provenance, color, dark, size) for provenance in weakest]
    interval = (rows["accuracy_high"] - rows["accuracy"]), (rows["accuracy"] - rows["accuracy_low"])
    return go.Scatter(
        x=rows["energy_kwh"],
        y=1 - rows["accuracy"],
        mode="lines+markers" if line else "markers",
        name=name,
        line=line,
        marker={
            "symbol": symbol or [shape["symbol"] for shape in shapes],
            "color": [shape["color"] for shape in shapes],
            "size": size,
            "line": {"color": color if symbol else [shape["line"]["color"] for shape in shapes], "width": 1.5},
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": interval[1].fillna(0),
            "arrayminus": interval[0].fillna(0),
            "color": mix(color, palette(dark).paper, 0.5),
            "thickness": 1,
            "width": 0,
        },
        hovertext=[_hover(row, choice) for _, row in rows.iterrows()],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _hover(row: pd.Series, choice: Choice) -> str:
    cell = Cell.from_bits(int(row["vertices"]), int(row["edge_bits"]), row["ops"])
    return (
        f"<b>{named(row, choice)}</b><br>{cell.to_text()}<br>"
        f"accuracy {amount('accuracy', row['accuracy'])} ({row['accuracy_provenance']})<br>"
        f"{amount('energy_kwh', row['energy_kwh'])} ({row['energy_provenance']})<br>"
        f"{amount('parameters', row['parameters'])} parameters"
    )


def _limits(choice: Choice, shown: Ranges, dark: bool) -> list[dict[str, object]]:
    """The parts of the plane that limits on energy, footprint and accuracy close off."""
    limits = choice.view.needs.limits
    fill = mix(palette(dark).muted, palette(dark).paper, 0.5)
    shapes: list[dict[str, object]] = []
    per_kwh = choice.view.task.trainings * choice.view.task.lens.intensity / 1000
    energies = [
        limits[name] / factor
        for name, factor in (("energy_kwh", 1.0), ("footprint_kgco2eq", per_kwh))
        if name in limits and factor > 0
    ]
    style = {"type": "rect", "fillcolor": fill, "opacity": 0.35, "line": {"width": 0}, "layer": "above"}
    if energies:
        right = 10 ** shown[0][1]
        shapes.append(
            style
            | {"xref": "x", "yref": "paper", "x0": min(energies), "x1": max(right, min(energies)), "y0": 0, "y1": 1}
        )
    if "accuracy" in limits:
        top = 10 ** shown[1][1]
        at = 1 - limits["accuracy"]
        shapes.append(style | {"xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": at, "y1": max(top, at)})
    return shapes


def _labelled(low: float, high: float, per: float = 1) -> dict[str, object]:
    """Labels of a logarithmic axis at a few round values, in multiples of ``per``."""
    values = _ticks(low, high)
    return {"tickmode": "array", "tickvals": values, "ticktext": [f"{value / per:.6g}" for value in values]}


def _ticks(low: float, high: float) -> list[float]:
    """Three to seven round values between two: powers of ten, 1-2-5, or else evenly spaced ones."""
    if low >= high:
        return [low]
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for mantissas in ([1], [1, 2, 5]):
        values = np.outer(decades, mantissas).ravel()
        inside = values[(low <= values) & (values <= high)]
        if len(inside) >= 3:
            return [float(value) for value in inside[:: int(np.ceil(len(inside) / 7))]]
    step = 10.0 ** np.floor(np.log10((high - low) / 3))
    step *= max(mantissa for mantissa in (1, 2, 5) if mantissa * step <= (high - low) / 3)
    return [float(step * count) for count in range(int(np.ceil(low / step)), int(high / step) + 1)]


def _ends(found: Sweep) -> tuple[float, float]:
    """Where the horizontal axis begins and ends."""
    if found.varied is None:
        return 0.0, 1.0
    finite = found.steps[["start", "end"]].to_numpy().ravel()
    finite = finite[np.isfinite(finite) & (finite > 0)]
    finite = np.append(finite, [found.now] if found.now is not None else [])
    if not len(finite):
        return (0.0, 1.0) if found.varied == "accuracy" else (0.1, 10.0)
    low, high = float(finite.min()), float(finite.max())
    if found.varied == "accuracy":
        pad = 0.05 * (high - low) or 0.01
        return low - pad, min(high + pad, 1.0)
    return low / 1.15, high * 1.15
