"""The figures of the Carbon page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from ecnas_core.carbon import Lens
from ecnas_core.carbon.countries import Feature, collection, outlines
from ecnas_core.figures import theme
from ecnas_core.figures.theme import (
    EXTREMES,
    FRONT,
    KNEE,
    SELECTION,
    axis,
    colorscale,
    format_quantity,
    layout,
    mix,
    palette,
    template,
)

NO_OUTLINES: Final = 'data:application/json,{"objects":{}}#'
"""Plotly asks for its own outlines of countries as soon as a map is drawn, needed or not; here it is given none."""

_HEIGHT: Final = 540
_BARS_TOP: Final = 0.25
_MAP_BOTTOM: Final = 0.33
_LABEL_HEIGHT: Final = 0.72
_TICKS: Final = (30, 200, 1000)
_VERDICTS: Final = {"agrees": KNEE, "close": EXTREMES, "differs": FRONT}


class MapFigure(go.Figure):  # type: ignore[misc]
    """A figure with a map that also as a file asks no network for outlines."""

    def to_html(self, *arguments: Any, config: dict[str, Any] | None = None, **options: Any) -> str:
        """As a plotly figure's, with ``NO_OUTLINES``."""
        return str(super().to_html(*arguments, config={"topojsonURL": NO_OUTLINES} | (config or {}), **options))


@dataclass(frozen=True)
class Atlas:
    """Countries on a map and as bars.

    Attributes:
        figure: the figure.
        codes: for each trace whose points are countries their alpha-2 codes, by the number of the trace.
    """

    figure: go.Figure
    codes: dict[int, tuple[str, ...]]


def config(filename: str) -> dict[str, Any]:
    """Plotly's options for a figure with a map."""
    options = theme.config(filename)
    return options | {
        "topojsonURL": NO_OUTLINES,
        "modeBarButtons": [["zoomInGeo", "zoomOutGeo", "resetGeo", "toImage"]],
    }


def kilograms(number: float | None, digits: int = 3) -> str:
    """A footprint for the eye."""
    return format_quantity(number, "kgCO2eq", digits)


def span(countries: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The rows of the cleanest and the dirtiest grid, gaps of the table aside."""
    known = countries[~countries["artefact"]].sort_values("intensity", kind="stable")
    return known.iloc[0], known.iloc[-1]


def headline(countries: pd.DataFrame, lens: Lens, energy_kwh: float, trainings: int) -> str:
    """What is seen, with its numbers.

    Args:
        countries: as ``carbon.footprint.by_country`` gives it.
        lens: the grid that is meant.
        energy_kwh: of all trainings.
        trainings: how many.
    """
    cleanest, dirtiest = span(countries)
    if lens.grid and lens.grid.is_artefact:
        own = f"No figure for {lens.grid.country}: the table's 0 gCO2eq/kWh is a gap"
    else:
        place = f"in {lens.grid.country}" if lens.grid else f"at {lens.intensity:.0f} gCO2eq/kWh"
        often = f" for {format_quantity(trainings, digits=None)} trainings" if trainings > 1 else ""
        own = f"{kilograms(energy_kwh * lens.intensity / 1000)}{often} {place}"
    return (
        f"{own}. The same training emits "
        f"{dirtiest['intensity'] / cleanest['intensity']:.0f} times as much in {dirtiest['country']} as in "
        f"{cleanest['country']}."
    )


def atlas(countries: pd.DataFrame, lens: Lens, dark: bool) -> Atlas:
    """The footprint of one training in every country, on a map and as sorted bars under it.

    Args:
        countries: as ``carbon.footprint.by_country`` gives it.
        lens: its country is outlined on the map and stands out among the bars.
        dark: whether the figure stands on the dark background.
    """
    known = countries[~countries["artefact"]].sort_values("intensity", kind="stable", ignore_index=True)
    drawn = outlines()
    mapped = known[known["alpha3"].isin(drawn)]
    unknown = [feature for key, feature in drawn.items() if key not in set(mapped["alpha3"])]
    ends = [math.log10(known["intensity"].iloc[place]) for place in (0, -1)]
    per_gram = known["kgco2eq"].iloc[-1] / known["intensity"].iloc[-1]
    traces = [
        _without_figure(unknown, dark),
        _colored(mapped, drawn, ends, per_gram, dark),
        _bars(known, ends, dark),
    ]
    codes = {1: tuple(mapped["code"]), 2: tuple(known["code"])}
    chosen = known[known["code"] == lens.country]
    if lens.country and not chosen.empty and chosen["alpha3"].item() in drawn:
        traces.append(_outlined(drawn[chosen["alpha3"].item()]))
    figure = MapFigure(traces, _atlas_layout(known, chosen, lens, per_gram, dark))
    return Atlas(figure, codes)


def differences(table: pd.DataFrame, dark: bool) -> go.Figure:
    """By how many per cent Table 3 recomputed differs from the printed one.

    Args:
        table: as ``analysis.reduction.table_3`` gives it.
        dark: whether the figure stands on the dark background.
    """
    known = table[table["verdict"] != "unknown"].iloc[::-1]
    names = [f"{row.space}, {row.unit}" for row in known.itertuples()]
    shares = 100 * known["relative"]
    pad = 0.35 * (shares.max() - shares.min()) or 1.0
    figure = go.Figure(layout=layout(dark, 64 + 34 * len(known)))
    for name, share, color in zip(names, shares, known["verdict"].map(_VERDICTS), strict=True):
        figure.add_shape(type="line", x0=0, x1=share, y0=name, y1=name, line={"color": color, "width": 3})
    figure.add_trace(
        go.Scatter(
            x=shares,
            y=names,
            mode="markers+text",
            text=[percent(share / 100) for share in shares],
            textposition=["middle left" if share < -1 else "middle right" for share in shares],
            marker={
                "size": 11,
                "color": list(known["verdict"].map(_VERDICTS)),
                "line": {"color": palette(dark).paper, "width": 1},
            },
            customdata=known[["recomputed", "printed", "verdict"]],
            hovertemplate="%{y}<br>recomputed %{customdata[0]:,.3f}, printed %{customdata[1]:,.3f}: %{customdata[2]}"
            "<extra></extra>",
            showlegend=False,
            cliponaxis=False,
        )
    )
    figure.update_layout(
        margin={"t": 8, "r": 64},
        xaxis=axis("Recomputed against printed", "%")
        | {"range": [shares.min() - pad, shares.max() + pad], "zeroline": True, "zerolinecolor": palette(dark).muted},
        yaxis={"showgrid": False, "showline": False, "ticks": ""},
    )
    return figure


def table_headline(table: pd.DataFrame) -> str:
    """How much of Table 3 agrees, in one sentence.

    Args:
        table: as ``analysis.reduction.table_3`` gives it.
    """
    known = table[table["verdict"] != "unknown"]
    agreeing = known["verdict"].isin(["agrees", "close"])
    differing = ", ".join(f"{row.space} in {row.unit}" for row in known[~agreeing].itertuples())
    told = f"{agreeing.sum()} of the {len(known)} numbers of Table 3 that can be recomputed agree within 0.2\u202f%"
    return f"{told}; these do not: {differing}." if differing else f"{told}."


def percent(share: float) -> str:
    """A relative difference for the eye, exact zeros and hundredths of a per cent told apart."""
    digits = 1 if pd.notna(share) and abs(share) >= 0.01 else 2
    return theme.format_percent(share, digits, signed=True)


def _without_figure(features: list[Feature], dark: bool) -> go.Choropleth:
    colors = palette(dark)
    fill = mix(colors.muted, colors.paper, 0.22)
    return go.Choropleth(
        geojson=collection(features),
        featureidkey="id",
        locationmode="geojson-id",
        locations=[feature["id"] for feature in features],
        text=[feature["properties"]["name"] for feature in features],
        z=[0] * len(features),
        colorscale=[[0, fill], [1, fill]],
        showscale=False,
        marker={"line": {"color": colors.muted, "width": 0.6}},
        unselected={"marker": {"opacity": 1}},
        hovertemplate="%{text}: no figure in the table<extra></extra>",
        name="no figure",
    )


def _colored(
    mapped: pd.DataFrame, drawn: dict[str, Feature], ends: list[float], per_gram: float, dark: bool
) -> go.Choropleth:
    colors = palette(dark)
    ticks = [tick for tick in _TICKS if ends[0] <= math.log10(tick) <= ends[1]]
    return go.Choropleth(
        geojson=collection(drawn[code] for code in mapped["alpha3"]),
        featureidkey="id",
        locationmode="geojson-id",
        locations=mapped["alpha3"],
        z=mapped["intensity"].map(math.log10),
        zmin=ends[0],
        zmax=ends[1],
        text=_told(mapped),
        colorscale=colorscale(dark),
        colorbar={
            "title": {"text": "kgCO2eq", "font": {"size": 11}, "side": "top"},
            "tickvals": [math.log10(tick) for tick in ticks],
            "ticktext": [format_quantity(tick * per_gram, digits=2) for tick in ticks],
            "tickfont": {"size": 11, "color": colors.muted},
            "orientation": "h",
            "len": 0.28,
            "tickangle": 0,
            "thickness": 8,
            "x": 0,
            "xanchor": "left",
            "y": _MAP_BOTTOM,
            "yanchor": "bottom",
            "ypad": 0,
            "outlinewidth": 0,
        },
        marker={"line": {"color": colors.paper, "width": 0.5}},
        unselected={"marker": {"opacity": 1}},
        hovertemplate="%{text}<extra></extra>",
        name="countries",
    )


def _bars(known: pd.DataFrame, ends: list[float], dark: bool) -> go.Bar:
    return go.Bar(
        x=list(range(len(known))),
        y=known["kgco2eq"],
        text=_told(known),
        textposition="none",
        marker={
            "color": known["intensity"].map(math.log10),
            "cmin": ends[0],
            "cmax": ends[1],
            "colorscale": colorscale(dark),
            "line": {"width": 0},
        },
        unselected={"marker": {"opacity": 1}},
        hovertemplate="%{text}<extra></extra>",
        name="sorted",
        showlegend=False,
    )


def _outlined(feature: Feature) -> go.Choropleth:
    return go.Choropleth(
        geojson=collection([feature]),
        featureidkey="id",
        locationmode="geojson-id",
        locations=[feature["id"]],
        z=[0],
        colorscale=[[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]],
        showscale=False,
        marker={"line": {"color": SELECTION, "width": 2.5}},
        hoverinfo="skip",
        name="chosen",
    )


def _told(countries: pd.DataFrame) -> list[str]:
    return [
        f"<b>{row.country}</b>: {kilograms(row.kgco2eq)}<br>{row.intensity:.0f} gCO2eq/kWh in {row.year}"
        "<br>click to choose"
        for row in countries.itertuples()
    ]


def _atlas_layout(known: pd.DataFrame, chosen: pd.DataFrame, lens: Lens, per_gram: float, dark: bool) -> dict[str, Any]:
    colors = palette(dark)
    last = len(known) - 1
    highest = known["kgco2eq"].iloc[-1]
    own = lens.intensity * per_gram
    notes = [
        _note(0, 0.12 * highest, known["country"].iloc[0], colors.muted, "left"),
        _note(last, highest, known["country"].iloc[-1], colors.muted, "right"),
    ]
    shapes = []
    if not chosen.empty:
        place = int(chosen.index[0])
        shapes.append(
            {
                "type": "rect",
                "xref": "x",
                "yref": "y",
                "x0": place - 0.9,
                "x1": place + 0.9,
                "y0": 0,
                "y1": own,
                "fillcolor": SELECTION,
                "line": {"width": 0},
            }
        )
        notes = [note for note in notes if note["x"] != place]
        side = "left" if place < last / 2 else "right"
        label = f"<b>{chosen['country'].item()}</b> {kilograms(own)}, {place + 1} of {len(known)}"
        top = max(own, _LABEL_HEIGHT * highest)
        shapes.append(
            {
                "type": "line",
                "xref": "x",
                "yref": "y",
                "x0": place,
                "x1": place,
                "y0": own,
                "y1": top,
                "line": {"color": SELECTION, "width": 1},
            }
        )
        notes.append(_note(place, top, label, colors.text, side))
    elif lens.country is None:
        shapes.append(
            {
                "type": "line",
                "xref": "x domain",
                "yref": "y",
                "x0": 0,
                "x1": 1,
                "y0": own,
                "y1": own,
                "line": {"color": SELECTION, "width": 2},
            }
        )
    return {
        "template": template(dark),
        "height": _HEIGHT,
        "margin": {"l": 52, "r": 8, "t": 4, "b": 22},
        "dragmode": "pan",
        "clickmode": "event+select",
        "bargap": 0,
        "shapes": shapes,
        "annotations": notes,
        "geo": {
            "visible": False,
            "projection": {"type": "natural earth"},
            "lataxis": {"range": [-56, 84]},
            "lonaxis": {"range": [-170, 190]},
            "domain": {"x": [0, 1], "y": [_MAP_BOTTOM, 1]},
            "bgcolor": "rgba(0,0,0,0)",
        },
        "xaxis": {
            "domain": [0, 1],
            "anchor": "y",
            "range": [-1, last + 1],
            "fixedrange": True,
            "showticklabels": False,
            "ticks": "",
            "showgrid": False,
            "title": {"text": f"{len(known)} grids, cleanest to dirtiest", "font": {"size": 12}, "standoff": 4},
        },
        "yaxis": axis("kgCO2eq") | {"domain": [0, _BARS_TOP], "fixedrange": True, "rangemode": "tozero", "nticks": 4},
    }


def _note(place: int, height: float, text: str, color: str, side: str) -> dict[str, Any]:
    return {
        "x": place,
        "y": height,
        "text": text,
        "font": {"color": color, "size": 12},
        "showarrow": False,
        "xanchor": side,
        "yanchor": "bottom",
    }
