"""The chart of any answer to a query: its columns are not known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from msgspec.structs import replace

from ecnas_core.figures.theme import ALGORITHMS, HUES, SYMBOLS, colorscale, format_quantity, layout, marker, palette
from ecnas_core.records import Param, Record

Kind = Literal["scatter", "bar", "line"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
POINTS_AT_MOST: Final = 10_000
BARS_AT_MOST: Final = 60
GROUPS_AT_MOST: Final = 6
ONE_COLOUR: Final = ""

_NAMED_AT_MOST: Final = 2_000
_STEPS_AT_MOST: Final = 30
_LOG_FROM: Final = 100
_LABEL_LETTERS: Final = 40
_TABLE_ROWS: Final = 1_000
_HEIGHT: Final = 380
_UNKNOWN: Final = "unknown"


class Chart(Record, frozen=True):
    """How an answer is drawn.

    Attributes:
        kind: scatter, bar or line; None leaves it to the answer.
        x: column across; None leaves it to the answer.
        y: column up; None leaves it to the answer.
        color: column that the colour tells; empty for one colour, None leaves it to the answer.
    """

    kind: Annotated[Kind | None, Param("chart")] = None
    x: str | None = None
    y: str | None = None
    color: Annotated[str | None, Param("colour")] = None


_UNCHOSEN: Final = Chart()


@dataclass(frozen=True)
class Choices:
    """The columns of an answer by what they can be in a chart.

    Attributes:
        x: across, by kind.
        y: up.
        color: told by colour, by kind.
    """

    x: Mapping[Kind, tuple[str, ...]]
    y: tuple[str, ...]
    color: Mapping[Kind, tuple[str, ...]]


def choices(frame: pd.DataFrame) -> Choices:
    """What the columns of an answer can be in a chart; where ``y`` is empty none can be drawn."""
    numbers = tuple(name for name in frame if _is_number(frame[name]) and np.isfinite(_floats(frame[name])).any())
    times = tuple(name for name in frame if pd.api.types.is_datetime64_any_dtype(frame[name]))
    distinct = {name: _distinct(frame[name]) for name in frame}
    values = tuple(name for name in frame if distinct[name])
    groups = tuple(name for name in values if distinct[name] <= GROUPS_AT_MOST)
    shaded = tuple(name for name in numbers if name not in groups)
    ordered = tuple(name for name in frame if name in numbers + times)
    return Choices(
        {"scatter": ordered, "line": ordered, "bar": values},
        numbers,
        {"scatter": groups + shaded, "line": groups, "bar": groups},
    )


def suggest(frame: pd.DataFrame, wish: Chart = _UNCHOSEN) -> Chart | None:
    """A chart of an answer: what is wished where the columns allow it, else what suits them.

    Two numbers make a scatter, or a line where the first takes few whole values and no colour has two of one; few rows
    that words name, and a number beside words, make bars.

    Args:
        frame: the answer.
        wish: what to keep to.

    Returns:
        The chart with every choice made; None where the answer has nothing to draw.
    """
    can = choices(frame)
    if not can.y or not any(can.x.values()):
        return None
    kind = wish.kind or _suited(frame, can)
    if not can.x[kind]:
        kind = "bar"
    return _with_color(frame, can, _with_axes(can, replace(wish, kind=kind)))


def draw(frame: pd.DataFrame, chart: Chart, dark: bool) -> go.Figure:
    """Draw an answer.

    Args:
        frame: the answer.
        chart: a chart with every choice made, as ``suggest`` gives it.
        dark: whether the figure stands on the dark background.
    """
    shown, _ = _shown(frame, chart)
    figure = go.Figure(layout=layout(dark, _HEIGHT))
    if chart.kind == "scatter" and chart.color and _is_shaded(frame, chart.color):
        figure.add_trace(_shaded(shown, chart, dark))
    else:
        for position, (name, rows) in enumerate(_groups(shown, chart)):
            figure.add_trace(_trace(shown, rows, chart, name, position, dark))
    legend = bool(chart.color) and not _is_shaded(frame, chart.color or "")
    figure.update_layout(
        xaxis=_x_axis(shown, chart),
        yaxis=_axis(str(chart.y) if chart.kind == "scatter" else _y_title(frame, chart), shown[str(chart.y)], chart),
        showlegend=legend,
        margin_t=36 if legend else 12,
        barmode="group",
    )
    return figure


def headline(frame: pd.DataFrame, chart: Chart) -> str:
    """One sentence that says what is drawn, and what is not."""
    shown, lacking = _shown(frame, chart)
    of = f"{_y_title(frame, chart)} by {chart.x}" if chart.kind != "scatter" else f"{chart.y} against {chart.x}"
    words = [of + (f", coloured by {chart.color}" if chart.color else "")]
    number = len(shown)
    unit = {"scatter": "point", "line": "point", "bar": "bar"}[str(chart.kind)]
    words.append(f"{format_quantity(number, digits=None)} {unit}{'' if number == 1 else 's'}")
    if lacking:
        words.append(f"{format_quantity(lacking, digits=None)} rows lack a value")
    whole = _complete(frame, chart)
    merged = _merged(whole, chart) if chart.kind != "scatter" else whole
    if len(merged) > number:
        sampled = "the first" if chart.kind == "bar" else "a sample"
        words.append(f"{sampled} of {format_quantity(len(merged), digits=None)}")
    return "; ".join(words) + "."


def table(frame: pd.DataFrame, dark: bool) -> go.Figure:
    """The first thousand rows as a table, for an answer that has nothing to draw."""
    colors = palette(dark)
    rows = frame.head(_TABLE_ROWS)
    cells = [[str(value) for value in rows[name].tolist()] for name in rows]
    return go.Figure(
        go.Table(
            header={"values": list(rows), "fill_color": colors.surface, "align": "left"},
            cells={"values": cells, "fill_color": colors.paper, "align": "left"},
        ),
        layout=layout(dark, _HEIGHT),
    )


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _floats(column: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    values: np.ndarray[Any, np.dtype[np.float64]] = column.to_numpy(np.float64, na_value=np.nan)
    return values


def _distinct(column: pd.Series[Any]) -> int:
    """How many values; 0 for what cannot stand on an axis: lists, structs, bytes."""
    first = column.dropna().head(1).tolist()
    if first and isinstance(first[0], (list, dict, set, bytes, bytearray, np.ndarray)):
        return 0
    return int(column.nunique())


def _is_shaded(frame: pd.DataFrame, name: str) -> bool:
    return bool(name) and _is_number(frame[name]) and _distinct(frame[name]) > GROUPS_AT_MOST


def _words(can: Choices) -> list[str]:
    return [name for name in can.x["bar"] if name not in can.x["scatter"] and name != "hash"]


def _suited(frame: pd.DataFrame, can: Choices) -> Kind:
    words = _words(can)
    if len(can.y) == 1 or not can.x["scatter"]:
        return "bar"
    if len(frame) <= _STEPS_AT_MOST and any(frame[name].is_unique for name in words):
        return "bar"
    x = next(iter(can.x["scatter"]))
    steps = frame[x].dropna()
    few = 1 < steps.nunique() <= _STEPS_AT_MOST
    whole = not _is_number(steps) or bool((_floats(steps) % 1 == 0).all())
    groups = [name for name in words if name in can.color["line"]][:1]
    return "line" if few and whole and not frame.duplicated([*groups, x]).any() else "scatter"


def _with_axes(can: Choices, wish: Chart) -> Chart:
    kind = wish.kind or "scatter"
    across = can.x[kind]
    y = wish.y if wish.y in can.y else None
    x = wish.x if wish.x in across else None
    if x is None:
        first = _words(can) if kind == "bar" else []
        x = next((name for name in [*first, *across] if name != y and (y or can.y != (name,))), across[0])
    if y is None:
        y = next((name for name in can.y if name != x), can.y[0])
    return Chart(wish.kind, x, y, wish.color)


def _with_color(frame: pd.DataFrame, can: Choices, chart: Chart) -> Chart:
    allowed = can.color[chart.kind or "scatter"]
    if chart.color is not None and (chart.color == ONE_COLOUR or chart.color in allowed):
        return chart
    words = [name for name in _words(can) if name in allowed and name != chart.x and frame[name].nunique() > 1]
    return replace(chart, color=next(iter(words), ONE_COLOUR))


def _complete(frame: pd.DataFrame, chart: Chart) -> pd.DataFrame:
    """The rows with a finite value on both axes."""
    known = frame[str(chart.x)].notna() & np.isfinite(_floats(frame[str(chart.y)]))
    if chart.kind != "bar" and _is_number(frame[str(chart.x)]):
        known &= np.isfinite(_floats(frame[str(chart.x)]))
    return frame[known]


def _merged(frame: pd.DataFrame, chart: Chart) -> pd.DataFrame:
    """One row a place across and colour with the mean up: bars in the answer's order, lines from left to right."""
    by = list(dict.fromkeys(name for name in (chart.x, chart.color) if name))
    if chart.y in by:
        merged = frame[by].drop_duplicates()
    else:
        means = frame.groupby(by, sort=False, dropna=False, observed=True)[chart.y].mean()
        merged = means.reset_index()[[*by, chart.y]]
    return merged.sort_values(chart.x, kind="stable") if chart.kind == "line" else merged


def _shown(frame: pd.DataFrame, chart: Chart) -> tuple[pd.DataFrame, int]:
    """The rows that are drawn, and how many of the answer lack a value."""
    whole = _complete(frame, chart)
    lacking = len(frame) - len(whole)
    if chart.kind == "bar":
        merged = _merged(whole, chart)
        return merged[merged[chart.x].isin(merged[chart.x].drop_duplicates().head(BARS_AT_MOST))], lacking
    rows = _merged(whole, chart) if chart.kind == "line" else whole
    if len(rows) > POINTS_AT_MOST:
        rows = rows.iloc[np.linspace(0, len(rows) - 1, POINTS_AT_MOST).astype(int)]
    return rows, lacking


def _groups(shown: pd.DataFrame, chart: Chart) -> list[tuple[str, pd.DataFrame]]:
    if not chart.color:
        return [("", shown)]
    values = [*sorted(shown[chart.color].dropna().unique().tolist(), key=str)]
    parts = [(str(value), shown[shown[chart.color] == value]) for value in values]
    unknown = shown[shown[chart.color].isna()]
    return [*parts, *([(_UNKNOWN, unknown)] if len(unknown) else [])]


def _trace(all_rows: pd.DataFrame, rows: pd.DataFrame, chart: Chart, name: str, position: int, dark: bool) -> Any:
    colors = palette(dark)
    hue = ALGORITHMS.get(name) or HUES[(position + 2) % len(HUES)]
    if not name or name == _UNKNOWN:
        hue = colors.muted if chart.color else colors.accent
    hover = f"{chart.x} %{{x}}<br>{chart.y} %{{y}}" + (f"<br>{chart.color} {name}" if name else "")
    common: dict[str, Any] = {"name": name, "y": rows[chart.y].to_numpy()}
    if chart.kind == "bar":
        places = {value: place for place, value in enumerate(all_rows[chart.x].drop_duplicates())}
        labels = [_label(value) for value in rows[chart.x].tolist()]
        return go.Bar(
            x=[places[value] for value in rows[chart.x].tolist()],
            customdata=labels,
            marker={"color": hue},
            hovertemplate=hover.replace("%{x}", "%{customdata}") + "<extra></extra>",
            **common,
        )
    is_provenance = str(chart.color).endswith("provenance")
    symbol = next((each for each in SYMBOLS if is_provenance and each == name), None)
    points: dict[str, Any] = (
        marker(symbol, hue, dark, 7) if symbol else {"color": hue, "size": 6 if len(all_rows) < 1_000 else 4}
    )
    named = chart.kind == "scatter" and "hash" in rows and len(all_rows) <= _NAMED_AT_MOST
    if chart.kind == "scatter":
        points["opacity"] = 0.85 if len(all_rows) < 1_000 else 0.5
    return go.Scatter(
        x=rows[chart.x].to_numpy(),
        mode="lines+markers" if chart.kind == "line" else "markers",
        marker=points,
        line={"color": hue, "width": 1.5},
        customdata=rows["hash"].astype(str).str[:8].tolist() if named else None,
        hovertemplate=hover + ("<br>cell %{customdata}" if named else "") + "<extra></extra>",
        **common,
    )


def _shaded(shown: pd.DataFrame, chart: Chart, dark: bool) -> go.Scatter:
    bar = {"title": {"text": chart.color, "side": "right", "font": {"size": 12}}, "len": 0.9, "thickness": 10}
    return go.Scatter(
        x=shown[chart.x].to_numpy(),
        y=shown[chart.y].to_numpy(),
        mode="markers",
        marker={
            "color": _floats(shown[str(chart.color)]),
            "colorscale": colorscale(dark),
            "colorbar": bar | {"outlinewidth": 0},
            "size": 6 if len(shown) < 1_000 else 4,
        },
        hovertemplate=f"{chart.x} %{{x}}<br>{chart.y} %{{y}}<br>{chart.color} %{{marker.color}}<extra></extra>",
    )


def _label(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LABEL_LETTERS else f"{text[: _LABEL_LETTERS - 1]}…"


def _x_axis(shown: pd.DataFrame, chart: Chart) -> dict[str, Any]:
    if chart.kind != "bar":
        return _axis(str(chart.x), shown[str(chart.x)], chart)
    values = shown[chart.x].drop_duplicates().tolist()
    ticks = {"tickmode": "array", "tickvals": list(range(len(values))), "ticktext": [_label(each) for each in values]}
    return {"title": {"text": chart.x}, "showgrid": False, **ticks}


def _y_title(frame: pd.DataFrame, chart: Chart) -> str:
    whole = _complete(frame, chart)
    return f"mean of {chart.y}" if len(_merged(whole, chart)) < len(whole) else str(chart.y)


def _axis(title: str, values: pd.Series[Any], chart: Chart) -> dict[str, Any]:
    """A linear axis, or a logarithmic one where points span two powers of ten and more."""
    text = {"title": {"text": title}}
    if chart.kind == "bar" or not _is_number(values) or values.empty:
        return text
    least, most = float(values.min()), float(values.max())
    if least > 0 and most / least >= _LOG_FROM:
        return text | {"type": "log", "nticks": 6}
    return text
