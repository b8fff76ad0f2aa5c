"""The figures of the Hardware page."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from ecnas_core.analysis.hardware import MEAN, OFFICIAL_DEVICES, Comparison
from ecnas_core.cells import Cell
from ecnas_core.figures.explore import Plane, value
from ecnas_core.figures.explore import cells as counted
from ecnas_core.figures.theme import (
    FRONT,
    HUES,
    SELECTION,
    UNKNOWN,
    axis,
    format_quantity,
    layout,
    marker,
    mix,
    palette,
    readable_on,
)

DEVICES: Final = dict(zip(OFFICIAL_DEVICES, ("#7B5CC4", "#3B7A78", "#648FFF", "#A0522D", *HUES[1:]), strict=False))
OWN_DEVICES: Final = ("#8A8D00", "#7F7F7F", "#44AA99", "#B2912F")
NAMED_OUTLIERS: Final = 2
_NOUNS: Final = {"energy": "energy", "energy_per_image": "energy", "time": "time", "power": "power"}
_WIDE, _HALF, _LOW = 420, 380, 300


def colors(devices: Sequence[str]) -> dict[str, str]:
    """The colour of each device: fixed for the released ones, in turn for the user's own."""
    own = [device for device in devices if device not in DEVICES]
    return DEVICES | {device: OWN_DEVICES[place % len(OWN_DEVICES)] for place, device in enumerate(own)}


def percent(number: float, digits: int = 2) -> str:
    """A percentage for the eye; what is less than a twentieth is written so."""
    if 1e-9 < abs(number) < 0.05:
        return "below 0.05\u00a0%"
    return UNKNOWN if np.isnan(number) else format_quantity(0 if abs(number) < 0.05 else number, "%", digits)


def energy_headline(compared: Comparison, devices: pd.DataFrame) -> str:
    """Where a typical cell costs least, and how many times that elsewhere.

    Args:
        compared: the comparison.
        devices: as ``analysis.hardware.by_device`` gives them.
    """
    shown = compared.view.shown
    cells = f"{len(compared.cells)} cells on {len(devices)} device{'s' * (len(devices) > 1)}"
    if shown.key == "gpu_share":
        by_share = devices.sort_values("mean")
        low, high = by_share.iloc[0], by_share.iloc[-1]
        return (
            f"{cells}: the GPU takes {value(shown, low['mean'])} of the recorded energy on the {low['device']}, "
            f"{value(shown, high['mean'])} on the {high['device']}."
        )
    by_ratio = devices.dropna(subset=["ratio"]).sort_values("ratio")
    least, others = by_ratio.iloc[0]["device"], by_ratio.iloc[1:]
    if others.empty:
        return f"{cells}: the {least}."
    first, *more = [f"{row.ratio:.2f}{{}} on the {row.device}" for row in others.itertuples()]
    told = [first.format(" times as much"), *(text.format("") for text in more)]
    if len(told) > len(OFFICIAL_DEVICES):
        told = [f"{told[0]}, up to {told[-1]}"]
    return f"{cells}: a typical cell takes the least {_NOUNS[shown.key]} on the {least}; {_listed(told)}."


def ranking_headline(compared: Comparison, pairs: pd.DataFrame, turned: pd.DataFrame) -> str:
    """How far the chosen pair's rankings agree, and what the outliers have to do with it.

    Args:
        compared: the comparison.
        pairs: as ``analysis.hardware.ranking`` gives them.
        turned: the same with the outliers switched the other way.
    """
    view = compared.view
    chosen, other = pair_of(pairs, view.a, view.b), pair_of(turned, view.a, view.b)
    if np.isnan(chosen["kendall_tau"]):
        return f"The {view.a} and the {view.b} have {chosen['cells']} cells in common, too few to compare their order."
    switched = "Without" if view.outliers else "With"
    return (
        f"The {view.a} and the {view.b} put {percent(50 * (1 + chosen['kendall_tau']))} of all pairs of "
        f"{chosen['cells']} cells in the same order (Kendall's τ {chosen['kendall_tau']:.3f}; all devices: "
        f"{pairs['kendall_tau'].min():.3f} to {pairs['kendall_tau'].max():.3f}). "
        f"{switched} the {compared.outliers.sum()} outliers τ is {other['kendall_tau']:.3f}, on {other['cells']} cells."
    )


def regret_headline(compared: Comparison, matrix: pd.DataFrame, turned: pd.DataFrame) -> str:
    """What the front found on one device costs more on the other, with and without the outliers.

    Args:
        compared: the comparison.
        matrix: as ``analysis.hardware.regret`` gives it.
        turned: the same with the outliers switched the other way.
    """
    view = compared.view
    chosen, other = ordered_pair(matrix, view.a, view.b), ordered_pair(turned, view.a, view.b)
    if not chosen["front"]:
        return f"The {view.a} and the {view.b} have no cell in common: no front can be carried over."
    switched = "Without" if view.outliers else "With"
    return (
        f"The front found on the {view.a} costs on the {view.b} {percent(chosen['mean_regret'])} more energy than need "
        f"be on average, at most {percent(chosen['max_regret'])}. {switched} the {compared.outliers.sum()} outliers: "
        f"{percent(other['mean_regret'])} and {percent(other['max_regret'])}."
    )


def pair_of(pairs: pd.DataFrame, a: str, b: str) -> pd.Series:
    """The row of two devices in either order."""
    return pairs[pairs["a"].isin([a, b]) & pairs["b"].isin([a, b])].iloc[0]


def ordered_pair(matrix: pd.DataFrame, a: str, b: str) -> pd.Series:
    """The row of two devices in this order."""
    return matrix[(matrix["a"] == a) & (matrix["b"] == b)].iloc[0]


def energies(compared: Comparison, dark: bool, selected: str | None = None) -> Plane:
    """One point a cell and device, the cells in the order of the view (the paper's Figure 3).

    Args:
        compared: the comparison.
        dark: whether the figure stands on the dark background.
        selected: hash of the cell whose card is open.
    """
    shown, places = compared.view.shown, np.arange(1, len(compared.cells) + 1)
    texts = _texts(compared)
    figure = _Drawing()
    for device, color in _drawn(compared):
        values = compared.values[:, compared.devices.index(device)]
        known = np.flatnonzero(~np.isnan(values))
        figure.cells(
            _points(
                places[known],
                values[known],
                marker(_provenance(compared, device), color, dark, 8),
                f"{device} ({len(known)})",
                [texts[row] for row in known],
            ),
            compared.cells["hash"].iloc[known],
        )
    rows, columns = np.nonzero(compared.outliers & ~np.isnan(compared.values))
    if len(rows):
        scores = _column(compared, "outlier_score")[rows, columns]
        extreme = np.argsort(-np.abs(scores), kind="stable")[:NAMED_OUTLIERS]
        named = set(extreme) if shown.key.startswith("energy") else set()
        values = compared.values[rows, columns]
        names = [
            f" {compared.cells['hash'].iloc[row][:8]}, {value(shown, number)} " if place in named else ""
            for place, (row, number) in enumerate(zip(rows, values, strict=True))
        ]
        figure.cells(
            _rings(
                places[rows], values, palette(dark).text, f"outlier ({len(rows)})", [texts[row] for row in rows], names
            ),
            compared.cells["hash"].iloc[rows],
        )
    chosen = np.flatnonzero(compared.cells["hash"] == selected)
    for row in chosen:
        known = np.flatnonzero(~np.isnan(compared.values[row]))
        figure.cells(
            _rings(
                np.full(len(known), places[row]),
                compared.values[row, known],
                SELECTION,
                "open cell",
                [texts[row]] * len(known),
            ),
            compared.cells["hash"].iloc[[row] * len(known)],
        )
    order = "mean of the devices" if compared.view.sort == MEAN else f"value on the {compared.view.sort}"
    return figure.plane(
        {
            **layout(dark, _WIDE),
            "margin": {"l": 64, "r": 16, "t": 34, "b": 44},
            "xaxis": {**axis(f"Cells by rising {order}"), "range": [0, len(places) + 1], "showgrid": False},
            "yaxis": axis(shown.label, shown.unit, compared.view.logarithmic),
        }
    )


def agreement(compared: Comparison, pairs: pd.DataFrame, dark: bool) -> go.Figure:
    """Kendall's tau of every two devices with its interval, the chosen pair outlined.

    Args:
        compared: the comparison.
        pairs: as ``analysis.hardware.ranking`` gives them.
        dark: whether the figure stands on the dark background.
    """
    devices = compared.devices
    z = np.full((len(devices) - 1, len(devices) - 1), np.nan)
    text = [["" for _ in row] for row in z]
    hover = [["" for _ in row] for row in z]
    for pair in pairs.itertuples():
        row, column = devices.index(pair.b) - 1, devices.index(pair.a)
        z[row, column] = pair.kendall_tau
        if not np.isnan(pair.kendall_tau):
            text[row][column] = f"<b>{pair.kendall_tau:.3f}</b><br>{pair.low:.2f} to {pair.high:.2f}"
        hover[row][column] = (
            f"{pair.a}, {pair.b}<br>Kendall's τ {pair.kendall_tau:.3f}, 95 % {pair.low:.3f} to {pair.high:.3f}"
            f"<br>{pair.cells} common cells<extra></extra>"
        )
    known = z[~np.isnan(z)]
    figure = _heat(z, text, hover, devices[:-1], devices[1:], dark, (min(0.5, known.min(initial=0.5)), 1.0))
    places = sorted((devices.index(compared.view.a), devices.index(compared.view.b)))
    _outline(figure, places[0], places[1] - 1)
    figure.update_layout(title={"text": "Kendall's τ and its 95 % interval"})
    return figure


def pair(compared: Comparison, dark: bool, selected: str | None = None) -> Plane:
    """The cells that both devices of the view have, one device against the other.

    Args:
        compared: the comparison.
        dark: whether the figure stands on the dark background.
        selected: hash of the cell whose card is open.
    """
    view, shown, tone = compared.view, compared.view.shown, palette(dark)
    rows, columns = compared.common(view.a, view.b)
    x, y = compared.values[np.ix_(rows, columns)].T
    texts, hashes = _texts(compared), compared.cells["hash"].iloc[rows]
    text = [texts[row] for row in rows]
    figure = _Drawing()
    if len(rows) and view.logarithmic:
        ratio = float(np.median(y / x))
        ends = np.array([x.min(), x.max()])
        figure.line(ends, ratio * ends, tone.muted, "dot", f"{ratio:.2f} times, the median")
    figure.cells(
        _points(x, y, marker(_weaker(compared, view.a, view.b), tone.accent, dark, 8), f"cell ({len(rows)})", text),
        hashes,
    )
    rings = np.flatnonzero(compared.outliers[np.ix_(rows, columns)].any(axis=1))
    if len(rings):
        figure.cells(
            _rings(x[rings], y[rings], tone.text, f"outlier ({len(rings)})", [text[ring] for ring in rings]),
            hashes.iloc[rings],
        )
    _open_cell(figure, hashes, x, y, text, selected)
    return figure.plane(
        {
            **layout(dark, _HALF),
            "margin": {"l": 64, "r": 16, "t": 34, "b": 44},
            "xaxis": {**axis(f"{shown.label} on {view.a}", shown.unit, view.logarithmic), "showgrid": True},
            "yaxis": axis(f"on {view.b}", shown.unit, view.logarithmic),
        }
    )


def describe_pair(compared: Comparison) -> str:
    """What ``pair`` shows, in one sentence.

    Args:
        compared: the comparison.
    """
    view, shown = compared.view, compared.view.shown
    rows, columns = compared.common(view.a, view.b)
    if not len(rows):
        return f"The {view.a} and the {view.b} have no cell in common."
    x, y = compared.values[np.ix_(rows, columns)].T
    ratio = f"; the second takes {np.median(y / x):.2f} times the first, the median" if view.logarithmic else ""
    return (
        f"{shown.label} of {counted(len(rows))} on the {view.a}, {value(shown, x.min())} to "
        f"{value(shown, x.max())}, and on the {view.b}, {value(shown, y.min())} to {value(shown, y.max())}{ratio}."
    )


def describe_leaders(compared: Comparison, shares: pd.DataFrame) -> str:
    """What ``leaders`` shows of the chosen pair, in one sentence.

    Args:
        compared: the comparison.
        shares: as ``analysis.hardware.overlap`` gives them.
    """
    view = compared.view
    chosen = shares[shares["a"].isin([view.a, view.b]) & shares["b"].isin([view.a, view.b]) & (shares["k"] == view.k)]
    if chosen.empty:
        return f"The {view.a} and the {view.b} have fewer than {view.k} cells in common."
    [row] = chosen.to_dict("records")
    return (
        f"{round(row['share'] * view.k)} of the {view.k} leanest cells are the same on the {view.a} and on the "
        f"{view.b}; by chance it would be {row['by_chance'] * view.k:.1f}."
    )


def describe_fronts(compared: Comparison, both: pd.DataFrame) -> str:
    """What ``fronts`` shows, in one sentence.

    Args:
        compared: the comparison.
        both: as ``analysis.hardware.fronts`` gives them.
    """
    view = compared.view
    found = both[both["front"] == view.a]
    if found.empty:
        return f"The {view.a} and the {view.b} have no cell in common."
    return (
        f"The front found on the {view.a}, {counted(len(found))}, and that of the {view.b}, "
        f"{counted((both['front'] == view.b).sum())}, both paid on the {view.b}: the first takes "
        f"{percent(found['regret'].mean())} more than need be on average, at most {percent(found['regret'].max())}."
    )


def leaders(compared: Comparison, shares: pd.DataFrame, dark: bool) -> go.Figure:
    """The share of the k leanest cells that two devices have in common, by k; the chosen pair stands out.

    Args:
        compared: the comparison.
        shares: as ``analysis.hardware.overlap`` gives them.
        dark: whether the figure stands on the dark background.
    """
    view, tone = compared.view, palette(dark)
    lines: list[go.Scatter] = []
    chosen = None
    for (a, b), part in shares.groupby(["a", "b"], sort=False):
        picked = {a, b} == {view.a, view.b}
        line = go.Scatter(
            x=part["k"],
            y=part["share"],
            mode="lines",
            name=f"{a} and {b}" if picked else "the other pairs",
            legendgroup="chosen" if picked else "others",
            showlegend=picked or not any(each.showlegend for each in lines),
            line={"color": tone.accent if picked else tone.muted, "width": 2.5 if picked else 1, "shape": "hvh"},
            opacity=1 if picked else 0.55,
            hovertemplate=f"{a}, {b}<br>%{{y:.0%}} of the %{{x}} leanest<extra></extra>",
        )
        if picked:
            chosen, chance = line, part["by_chance"]
        else:
            lines.append(line)
    if chosen is not None:
        lines.append(
            go.Scatter(
                x=chosen.x,
                y=chance,
                mode="lines",
                name="by chance",
                hoverinfo="skip",
                line={"color": tone.muted, "width": 1.5, "dash": "dot"},
            )
        )
        lines.append(chosen)
    figure = go.Figure(lines, layout(dark, _LOW))
    figure.update_layout(
        margin={"l": 56, "r": 16, "t": 34, "b": 44},
        xaxis={**axis("k leanest cells"), "range": [0.5, 45.5]},
        yaxis={**axis("In common"), "range": [0, 1.04], "tickformat": ".0%"},
    )
    figure.add_vline(x=view.k, line={"color": SELECTION, "width": 1.5})
    return figure


def regrets(compared: Comparison, matrix: pd.DataFrame, dark: bool) -> go.Figure:
    """The mean and the largest extra energy of every front on every other device, the chosen pair outlined.

    Args:
        compared: the comparison.
        matrix: as ``analysis.hardware.regret`` gives it.
        dark: whether the figure stands on the dark background.
    """
    devices = compared.devices
    z = np.full((len(devices), len(devices)), np.nan)
    text = [["" for _ in row] for row in z]
    hover = [["" for _ in row] for row in z]
    for row in matrix.itertuples():
        place = devices.index(row.a), devices.index(row.b)
        z[place] = row.mean_regret
        if row.front:
            text[place[0]][place[1]] = f"<b>{percent(row.mean_regret)}</b><br>{percent(row.max_regret)}"
        hover[place[0]][place[1]] = (
            f"found on {row.a}, paid on {row.b}<br>{row.front} cells on the front, {row.cells} common cells<br>"
            f"extra energy {percent(row.mean_regret)} on average, at most {percent(row.max_regret)}<br>"
            f"hypervolume lost {percent(row.hypervolume_lost)}<extra></extra>"
        )
    known = z[~np.isnan(z)]
    figure = _heat(z, text, hover, devices, devices, dark, (0.0, max(known.max(initial=0), 1.0)))
    _outline(figure, devices.index(compared.view.b), devices.index(compared.view.a))
    figure.update_layout(
        title={"text": "Extra energy: mean over the front, and largest"},
        xaxis_title={"text": "paid on"},
        yaxis_title={"text": "front found on"},
    )
    return figure


def fronts(compared: Comparison, both: pd.DataFrame, dark: bool, selected: str | None = None) -> Plane:
    """The front found on one device beside the other device's own, both at what the other device takes.

    Args:
        compared: the comparison.
        both: as ``analysis.hardware.fronts`` gives them.
        dark: whether the figure stands on the dark background.
        selected: hash of the cell whose card is open.
    """
    view, shown, tone = compared.view, compared.view.shown, palette(dark)
    scale = view.unit_per_kwh
    texts = dict(zip(compared.cells["hash"], _texts(compared), strict=True))
    rows, (_, paid) = compared.common(view.a, view.b)
    cells = compared.cells.iloc[rows].assign(energy=compared.energy_kwh[rows, paid]).dropna()
    symbol = _weaker(compared, view.a, view.b)
    figure = _Drawing()
    figure.cells(
        _points(
            scale * cells["energy"],
            1 - cells["validation_accuracy"],
            {"symbol": "circle", "size": 6, "color": tone.text, "opacity": 0.3, "line": {"width": 0}},
            f"cell ({len(cells)})",
            [texts[digest] for digest in cells["hash"]],
        ),
        cells["hash"],
    )
    own, found = both[both["front"] == view.b], both[both["front"] == view.a]
    extra = found[found["regret"] > 0]
    gaps = np.column_stack([extra["least_b_kwh"], extra["energy_b_kwh"], np.full(len(extra), np.nan)]).ravel()
    if len(extra):
        figure.line(scale * gaps, np.repeat(extra["validation_error"], 3), SELECTION, "solid", "extra energy")
    for device, part, color, size in ((view.b, own, FRONT, 8), (view.a, found, colors(compared.devices)[view.a], 10)):
        text = [
            f"{texts[row.hash]}<br>error {row.validation_error:.4f}<br>on the front of the {device}"
            + (f"<br><b>{percent(row.regret)} more</b> than {row.least_b_hash[:8]}" if row.regret > 0 else "")
            for row in part.itertuples()
        ]
        trace = _points(
            scale * part["energy_b_kwh"],
            part["validation_error"],
            marker(symbol, color, dark, size),
            f"front of the {device} ({len(part)})",
            text,
        )
        if device == view.b:
            trace.update(mode="lines+markers", line={"color": color, "width": 2, "shape": "hv"})
        else:
            trace.marker.update(symbol="circle-open", line={"color": color, "width": 2.5})
        figure.cells(trace, part["hash"])
    cells_text = [texts[digest] for digest in cells["hash"]]
    _open_cell(
        figure,
        cells["hash"],
        scale * cells["energy"].to_numpy(),
        1 - cells["validation_accuracy"].to_numpy(),
        cells_text,
        selected,
    )
    return figure.plane(
        {
            **layout(dark, _HALF),
            "margin": {"l": 64, "r": 16, "t": 54, "b": 44},
            "xaxis": {**axis(f"{shown.label} on {view.b}", shown.unit, view.logarithmic), "showgrid": True},
            "yaxis": {**axis("Validation error", "", log=True), "tickformat": ".2~f"},
        }
    )


class _Drawing:
    """Traces, and which cells their points are."""

    def __init__(self) -> None:
        self._traces: list[go.Scatter] = []
        self._hashes: dict[int, tuple[str, ...]] = {}

    def cells(self, trace: go.Scatter, hashes: pd.Series) -> None:
        trace.unselected = {"marker": {"opacity": trace.marker.opacity or 1}}
        self._hashes[len(self._traces)] = tuple(hashes)
        self._traces.append(trace)

    def line(self, x: npt.ArrayLike, y: npt.ArrayLike, color: str, dash: str, name: str) -> None:
        self._traces.append(
            go.Scatter(
                x=x, y=y, mode="lines", name=name, hoverinfo="skip", line={"color": color, "width": 2, "dash": dash}
            )
        )

    def plane(self, layout: dict[str, Any]) -> Plane:
        return Plane(go.Figure(self._traces, layout | {"dragmode": "pan"}), self._hashes)


def _points(x: npt.ArrayLike, y: npt.ArrayLike, mark: dict[str, Any], name: str, text: list[str]) -> go.Scatter:
    return go.Scatter(
        x=x, y=y, mode="markers", marker=mark, name=name, hovertext=text, hovertemplate="%{hovertext}<extra></extra>"
    )


def _rings(
    x: npt.ArrayLike, y: npt.ArrayLike, color: str, name: str, text: list[str], names: Sequence[str] = ()
) -> go.Scatter:
    ring = {"symbol": "circle-open", "size": 14, "color": color, "line": {"color": color, "width": 1.8}}
    trace = _points(x, y, ring, name, text)
    if any(names):
        middle = (np.min(x) + np.max(x)) / 2
        sides = ["middle left" if place > middle else "middle right" for place in np.asarray(x)]
        trace.update(mode="markers+text", text=list(names), textposition=sides, textfont={"size": 12})
    return trace


def _open_cell(
    figure: _Drawing, hashes: pd.Series, x: npt.ArrayLike, y: npt.ArrayLike, text: list[str], selected: str | None
) -> None:
    for place in np.flatnonzero(hashes == selected):
        figure.cells(
            _rings(np.asarray(x)[[place]], np.asarray(y)[[place]], SELECTION, "open cell", [text[place]]),
            hashes.iloc[[place]],
        )


def _heat(
    z: npt.NDArray[np.float64],
    text: list[list[str]],
    hover: list[list[str]],
    columns: Sequence[str],
    rows: Sequence[str],
    dark: bool,
    limits: tuple[float, float],
) -> go.Figure:
    figure = go.Figure(
        go.Heatmap(
            z=z,
            hovertext=hover,
            x=[_broken(name) for name in columns],
            y=[_broken(name) for name in rows],
            hovertemplate="%{hovertext}",
            zmin=limits[0],
            zmax=limits[1],
            showscale=False,
            xgap=2,
            ygap=2,
            hoverongaps=False,
        ),
        layout(dark, _HALF),
    )
    for row, column in zip(*np.nonzero(~np.isnan(z)), strict=True):
        shade = _on_ramp((z[row, column] - limits[0]) / (limits[1] - limits[0]), dark)
        figure.add_annotation(
            x=int(column), y=int(row), text=text[row][column], showarrow=False, font={"color": readable_on(shade)}
        )
    figure.update_layout(
        margin={"l": 72, "r": 8, "t": 34, "b": 44},
        xaxis={"showline": False, "ticks": "", "showgrid": False, "fixedrange": True},
        yaxis={"showline": False, "ticks": "", "showgrid": False, "fixedrange": True, "autorange": "reversed"},
    )
    return figure


def _on_ramp(share: float, dark: bool) -> str:
    """The colour of the density ramp at a share, 0 to 1, of its length."""
    ramp = palette(dark).density
    place = min(max(share, 0.0), 1.0) * (len(ramp) - 1)
    lower = min(int(place), len(ramp) - 2)
    return mix(ramp[lower + 1], ramp[lower], place - lower)


def _outline(figure: go.Figure, column: int, row: int) -> None:
    figure.add_shape(
        type="rect",
        x0=column - 0.49,
        x1=column + 0.49,
        y0=row - 0.49,
        y1=row + 0.49,
        line={"color": SELECTION, "width": 3},
    )


def _broken(device: str) -> str:
    """A device's name on short lines, for an axis."""
    return "<br>".join(wrap(device, 10))


def _drawn(compared: Comparison) -> list[tuple[str, str]]:
    palette_of = colors(compared.devices)
    return [(device, palette_of[device]) for device in compared.devices]


def _provenance(compared: Comparison, device: str) -> Any:
    return "scaled" if device in compared.own else "measured"


def _weaker(compared: Comparison, *devices: str) -> Any:
    return "scaled" if compared.own & set(devices) else "measured"


def _column(compared: Comparison, name: str) -> npt.NDArray[np.float64]:
    """A column of the records as a matrix, shape (cells, devices)."""
    wide = compared.frame.pivot(index="hash", columns="device", values=name)
    matrix: npt.NDArray[np.float64] = wide.reindex(
        index=compared.cells["hash"], columns=list(compared.devices)
    ).to_numpy(np.float64)
    return matrix


def _texts(compared: Comparison) -> list[str]:
    """What hovering over a cell shows: what it is, and its figure on each device."""
    shown = compared.view.shown
    factors = _column(compared, "energy_factor")
    texts = []
    for row, cell in enumerate(compared.cells.itertuples()):
        lines = [f"<b>{cell.hash[:8]}</b>", Cell.from_bits(cell.vertices, cell.edge_bits, cell.ops or "").to_text()]
        for column, device in enumerate(compared.devices):
            number = compared.values[row, column]
            if not np.isnan(number):
                odd = f", outlier: {factors[row, column]:.2g} times the expected energy"
                line = f"{device}: {value(shown, number)}, {_provenance(compared, device)}"
                lines.append(line + (odd if compared.outliers[row, column] else ""))
        texts.append("<br>".join(lines))
    return texts


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
