"""The one look of every figure: what a colour and a marker mean, the plotly template, and how a number is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

import pandas as pd
import plotly.graph_objects as go

from ecnas_core.search import catalogue

FONT: Final = '"Source Sans", "Source Sans 3", system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif'

FRONT: Final = "#D55E00"
KNEE: Final = "#009E73"
EXTREMES: Final = "#0072B2"
SELECTION: Final = "#CC79A7"

OPERATIONS: Final = {"conv3x3-bn-relu": "#0072B2", "conv1x1-bn-relu": "#56B4E9", "maxpool3x3": "#E69F00"}

HUES: Final = ("#D55E00", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#8A3FFC")
ALGORITHMS: Final = {name: each.colour for name, each in catalogue.ALGORITHMS.items() if each.colour}

Provenance = Literal["measured", "scaled", "surrogate", "published", "predicted"]

SYMBOLS: Final[dict[Provenance, str]] = {
    "measured": "circle",
    "scaled": "circle",
    "published": "square",
    "surrogate": "diamond",
    "predicted": "triangle-up-open",
}

UNKNOWN: Final = "–"
_TITLE_HEIGHT: Final = 28
_NARROW_SPACE: Final = "\u202f"
_NO_BREAK_SPACE: Final = "\u00a0"
_MINUS: Final = "\u2212"
_TIMES_TEN: Final = "\u00d710"
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PREFIXES: Final = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


@dataclass(frozen=True)
class Palette:
    """The neutral colours of one theme, as in `.streamlit/config.toml`.

    `paper` is the background, `surface` a raised one (hover labels), `muted` the lines of a drawing and secondary text,
    `grid` the thin lines, `density` the ramp from few to many.
    """

    paper: str
    surface: str
    text: str
    muted: str
    grid: str
    accent: str
    density: tuple[str, ...]


LIGHT: Final = Palette(
    paper="#FFFFFF",
    surface="#F3F5F8",
    text="#1B2530",
    muted="#5F6E7D",
    grid="#E4E9EE",
    accent="#0072B2",
    density=("#DCECF6", "#A6CFE7", "#5AA6D2", "#0072B2", "#003F63"),
)
DARK: Final = Palette(
    paper="#12171D",
    surface="#1D242D",
    text="#E2E8EE",
    muted="#94A2B1",
    grid="#27303A",
    accent="#1F79B4",
    density=("#10304A", "#0A4F7C", "#0072B2", "#4C9FD0", "#A9D6F0"),
)


def palette(dark: bool) -> Palette:
    """Return the neutral colours of the dark or the light theme."""
    return DARK if dark else LIGHT


def marker(provenance: Provenance, color: str, dark: bool, size: float = 8) -> dict[str, Any]:
    """Return a plotly marker whose shape tells where a value comes from.

    Args:
        provenance: Where the value comes from.
        color: What the point means, as `#RRGGBB` (a role, an algorithm, an operation).
        dark: Whether the figure stands on the dark background.
        size: Diameter in pixels.

    Returns:
        Keyword arguments of `marker=`: filled shapes have a hairline in the background's colour that parts them from
        what lies beneath; scaled is half-tone with an outline; predicted is open.
    """
    paper = palette(dark).paper
    fill, line, width = {
        "scaled": (mix(color, paper, 0.45), color, 1.5),
        "predicted": (color, color, 1.5),
    }.get(provenance, (color, paper, 1.0))
    return {"symbol": SYMBOLS[provenance], "color": fill, "size": size, "line": {"color": line, "width": width}}


def colorscale(dark: bool) -> list[list[float | str]]:
    """Return the density ramp as a plotly colour scale, from few to many, which stand out the most."""
    ramp = palette(dark).density
    return [[step / (len(ramp) - 1), color] for step, color in enumerate(ramp)]


def axis(title: str, unit: str = "", log: bool = False) -> dict[str, Any]:
    """Return keyword arguments of a plotly axis, its title as in "Energy (kWh)".

    Args:
        title: The quantity.
        unit: Its unit; none for a pure number.
        log: Whether the scale is logarithmic.
    """
    text = f"{title} ({unit})" if unit else title
    scale = {"type": "log", "nticks": 4, "minor": {"dtick": "D1", "ticklen": 2, "ticks": "outside"}} if log else {}
    return {"title": {"text": text}, "type": "linear", **scale}


def layout(dark: bool, height: int, title: str = "") -> dict[str, Any]:
    """Return keyword arguments of a plotly layout, the legend below the title, above the axes.

    Args:
        dark: Whether the figure stands on the dark background.
        height: Height in pixels.
        title: What is seen, in one line; none where the page says it.
    """
    legend = {"y": 1 - _TITLE_HEIGHT / height if title else 1}
    return {"template": template(dark), "height": height, "title": {"text": title}, "legend": legend}


def template(dark: bool) -> go.layout.Template:
    """Return the layout that every figure starts from, on a transparent background.

    Args:
        dark: Whether the figure stands on the dark background.
    """
    colors = palette(dark)
    axes = {
        "automargin": True,
        "exponentformat": "none",
        "gridcolor": colors.grid,
        "gridwidth": 1,
        "linecolor": colors.muted,
        "minorloglabels": "complete",
        "separatethousands": True,
        "showline": True,
        "tickcolor": colors.muted,
        "tickfont": {"color": colors.muted, "size": 12},
        "ticklen": 4,
        "ticks": "outside",
        "title": {"font": {"size": 13}, "standoff": 8},
        "zeroline": False,
    }
    colorbar = {"len": 0.6, "outlinewidth": 0, "thickness": 10, "tickfont": {"color": colors.muted, "size": 11}}
    density = {"colorscale": colorscale(dark), "colorbar": colorbar}
    return go.layout.Template(
        layout={
            "annotationdefaults": {"font": {"size": 12}, "arrowcolor": colors.muted, "arrowwidth": 1},
            "colorscale": {"sequential": colorscale(dark)},
            "colorway": list(HUES),
            "font": {"color": colors.text, "family": FONT, "size": 13},
            "hoverlabel": {
                "align": "left",
                "bgcolor": colors.surface,
                "bordercolor": colors.muted,
                "font": {"color": colors.text, "family": FONT, "size": 13},
            },
            "hovermode": "closest",
            "legend": {
                "bgcolor": "rgba(0,0,0,0)",
                "font": {"size": 12},
                "orientation": "h",
                "title": {"text": ""},
                "x": 0,
                "xanchor": "left",
                "xref": "container",
                "y": 1,
                "yanchor": "top",
                "yref": "container",
            },
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colors.muted, "activecolor": colors.accent},
            "margin": {"l": 56, "r": 12, "t": 36, "b": 44},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "separators": f".{_NARROW_SPACE}",
            "title": {
                "font": {"size": 15},
                "pad": {"t": 8},
                "x": 0,
                "xanchor": "left",
                "y": 1,
                "yanchor": "top",
                "yref": "container",
            },
            "xaxis": axes,
            "yaxis": axes,
        },
        data={"heatmap": [density], "histogram2d": [density]},
    )


def config(filename: str = "ec-nas", dragging: bool = False) -> dict[str, Any]:
    """Plotly's options: a mode bar with only image download (at twice the size) and zoom reset, shown on hover.

    Args:
        filename: Name of a downloaded image, without its ending.
        dragging: Whether the bar also offers what dragging does: pan, select or zoom.
    """
    modes = ["pan2d", "select2d", "zoom2d"] if dragging else []
    return {
        "displaylogo": False,
        "modeBarButtons": [[*modes, "toImage", "resetScale2d"]],
        "toImageButtonOptions": {"filename": filename, "format": "png", "scale": 2},
    }


def format_quantity(value: float | None, unit: str = "", digits: int | None = 3) -> str:
    """Write a number for the eye, rounded to what is known: 3 significant digits of 1234567 kWh are "1 230 000 kWh".

    Args:
        value: The number; None, NaN and pandas' missing values are unknown.
        unit: Its unit, set off by a no-break space.
        digits: Significant digits; None writes a count in full, rounded to a whole number.

    Returns:
        The number with narrow no-break spaces for thousands and a true minus, as a power of ten below 0.0001 and from
        a billion on; "–" if it is unknown.
    """
    if value is None or pd.isna(value):
        return UNKNOWN
    return _with_unit(_format_number(float(value), digits), unit)


def format_fixed(number: float | None, digits: int, signed: bool = False) -> str:
    """Write a number with fixed decimals: two of -0.1768, signed, are "−0.18"; what rounds to zero has no sign.

    Args:
        number: The number; None, NaN and pandas' missing values are unknown.
        digits: Decimals.
        signed: Whether a plus is written.
    """
    if number is None or pd.isna(number):
        return UNKNOWN
    written = f"{round(number, digits) + 0.0:{'+' if signed else ''},.{digits}f}"
    return _group(written.lstrip("+") if float(written.replace(",", "")) == 0 else written)


def format_percent(share: float | None, digits: int = 1, signed: bool = False) -> str:
    """Write a share as a percentage with fixed decimals: -0.1768, signed, is "−17.7 %"."""
    if share is None or pd.isna(share):
        return UNKNOWN
    return f"{format_fixed(100 * share, digits, signed)}{_NARROW_SPACE}%"


def format_prefixed(value: float | None, unit: str = "", digits: int = 3) -> str:
    """Write a number with its SI prefix: 3 significant digits of 2694282 are "2.69 M".

    Args:
        value: The number; None, NaN and pandas' missing values are unknown.
        unit: Its unit without a prefix, such as "J" or "Wh"; empty for a count.
        digits: Significant digits.
    """
    if value is None or pd.isna(value):
        return UNKNOWN
    number = float(value)
    if number == 0 or math.isinf(number):
        return _with_unit(_format_number(number, digits), unit)
    power = 3 * (_rounded(number, digits).adjusted() // 3)
    power = min(max(power, min(_PREFIXES)), max(_PREFIXES))
    return _with_unit(_format_number(number / 10.0**power, digits), _PREFIXES[power] + unit)


def mix(color: str, other: str, share: float) -> str:
    """Return the colour that is `share` (0 to 1) of `color` and else `other`; all as `#RRGGBB`."""
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(share * one + (1 - share) * two):02X}" for one, two in pairs)


def contrast_ratio(color: str, other: str) -> float:
    """Return the WCAG 2 contrast of two colours as `#RRGGBB`, from 1 (equal) to 21 (black on white)."""
    darker, lighter = sorted((_luminance(color), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readable_on(color: str) -> str:
    """Return the text colour, dark or white, that stands out most on a fill of `color`."""
    return max((LIGHT.text, LIGHT.paper), key=lambda text: contrast_ratio(text, color))


def _rounded(number: float, digits: int) -> Decimal:
    return Decimal(f"{number:.{digits - 1}e}")


def _format_number(number: float, digits: int | None) -> str:
    if math.isinf(number):
        return "∞" if number > 0 else f"{_MINUS}∞"
    if number == 0:
        return "0"
    if digits is None:
        return _group(f"{round(number):,d}")
    rounded = _rounded(number, digits)
    if -4 <= rounded.adjusted() < 9:
        return _group(f"{rounded:,f}")
    mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
    return _group(mantissa) + _TIMES_TEN + str(int(exponent)).translate(_SUPERSCRIPTS)


def _group(text: str) -> str:
    return text.replace(",", _NARROW_SPACE).replace("-", _MINUS)


def _with_unit(number: str, unit: str) -> str:
    return f"{number}{_NO_BREAK_SPACE}{unit}" if unit else number


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    linear = [(c / 255) / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _channels(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
