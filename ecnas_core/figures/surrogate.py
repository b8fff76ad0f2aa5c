"""The figures of the Surrogate page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from ecnas_core.cells import OPERATIONS
from ecnas_core.figures.explore import Plane
from ecnas_core.figures.theme import (
    EXTREMES,
    FRONT,
    axis,
    format_fixed,
    format_percent,
    format_quantity,
    layout,
    marker,
    mix,
    palette,
)
from ecnas_core.figures.theme import (
    OPERATIONS as OPERATION_COLORS,
)
from ecnas_core.surrogates.experiment import Quantity
from ecnas_core.surrogates.runs import MODELS
from ecnas_core.surrogates.training import Epoch

DRAWN_AT_MOST: Final = 1_000
MODEL_COLORS: Final = {"best": EXTREMES, "paper": FRONT}
_TALL, _HALF, _LOW = 430, 330, 250
_LONGEST: Final = 40
_GROUP: Final = {"n_conv3x3": "3×3", "n_conv1x1": "1×1", "n_maxpool3x3": "pool"}
WORDS: Final = {
    "n_conv3x3": "3×3 convolutions",
    "n_conv1x1": "1×1 convolutions",
    "n_maxpool3x3": "max-pools",
    "projections": "projections of the input",
    "additions": "additions",
    "sums": "vertices that add",
    "forks": "vertices that fork",
    "residual": "input to output",
    "branches": "branches into the output",
    "trainable_parameters": "trainable parameters",
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shown:
    """A quantity that is predicted, as the eye reads it; its name and unit may be a user's.

    Attributes:
        name: of the quantity, as an axis is called.
        unit: in which it is shown.
        scale: from the stored value to the shown one.
        complement: whether 1 less the value is shown: of accuracies the error.
        logarithmic: whether its axes are.
    """

    name: str
    unit: str
    scale: float = 1.0
    complement: bool = False
    logarithmic: bool = True

    def values(self, frame: pd.DataFrame, name: str) -> Floats:
        """A column as it is shown; of a complement the bounds change places."""
        if self.complement:
            name = {"low": "high", "high": "low"}.get(name, name)
            return np.asarray(1 - frame[name].to_numpy(np.float64))
        return np.asarray(frame[name].to_numpy(np.float64) * self.scale)

    def axis(self, title: str, logarithmic: bool = False) -> dict[str, Any]:
        """An axis in its unit, which is shown as it is written."""
        return axis(escape(title), escape(self.unit), logarithmic)

    def told(self, number: float) -> str:
        """A number of it for the eye."""
        return format_fixed(number, 4) if self.complement else format_quantity(number, self.unit)


QUANTITIES: Final[dict[Quantity, Shown]] = {
    "energy_kwh": Shown("Energy of 4 epochs", "Wh", 1000),
    "validation_accuracy": Shown("Validation error", "", complement=True),
    "training_time_s": Shown("Training time", "s"),
}


def headline(found: pd.Series, shown: Shown, what: str) -> str:
    """How good predictions are, in one sentence.

    Args:
        found: ``evaluate.figures`` in the shown unit, with ``judged``.
        shown: the quantity.
        what: was predicted, as in "707 measured cells".
    """
    error = f"is on average {format_quantity(found['mae'], shown.unit, 2)} off"
    if shown.complement:
        error = f"is within {format_fixed(found['median_error'], 4)} for half of them"
    begin = f"Of {what}, none of which the model has seen, it"
    if np.isnan(found["tau"]):
        return f"{begin} {error}; in what order it puts them cannot be told, as all are found or predicted alike."
    return (
        f"{begin} puts {format_percent((1 + found['tau']) / 2)} of all pairs "
        f"in the right order (Kendall's τ {found['tau']:.3f}) and {error}."
    )


def scatter(
    held_out: pd.DataFrame, shown: Shown, dark: bool, texts: Sequence[str] = (), difference: bool = False
) -> Plane:
    """Predicted against found, with 90 % intervals (the paper's Figure 1, left).

    Args:
        held_out: ``value``, ``predicted``, ``low``, ``high``; of cells also ``hash``. At most ``DRAWN_AT_MOST`` rows
            are drawn, evenly taken by value.
        shown: the quantity.
        dark: whether the figure stands on the dark background.
        texts: what each row is called on hover; of cells their hash.
        difference: whether the height is what was predicted less what was found.

    Returns:
        The figure, and the cells of its points where there are cells.
    """
    order = np.argsort(held_out["value"].to_numpy(), kind="stable")
    if len(order) > DRAWN_AT_MOST:
        order = order[np.linspace(0, len(order) - 1, DRAWN_AT_MOST).astype(int)]
    some = held_out.iloc[order]
    value, predicted, low, high = (shown.values(some, name) for name in ("value", "predicted", "low", "high"))
    called = [texts[place] for place in order] if texts else some["hash"].str[:8].tolist()
    inside = (low <= value) & (value <= high)
    figure, hashes = go.Figure(), {}

    def told(number: float) -> str:
        return escape(shown.told(number))

    base = value if difference else np.zeros(len(value))
    ends = [float(min(value.min(), predicted.min())), float(max(value.max(), predicted.max()))]
    figure.add_scatter(
        x=ends,
        y=[0, 0] if difference else ends,
        mode="lines",
        name="equal",
        hoverinfo="skip",
        line={"color": palette(dark).muted, "width": 1, "dash": "dot"},
    )
    for chosen, color, name in ((inside, EXTREMES, "within its interval"), (~inside, FRONT, "outside its interval")):
        if not chosen.any():
            continue
        ends_of_each = (low - base)[chosen], (high - base)[chosen], np.full(chosen.sum(), np.nan)
        whiskers = np.column_stack(ends_of_each).ravel()
        figure.add_scatter(
            x=np.repeat(value[chosen], 3),
            y=whiskers,
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            line={"color": mix(color, palette(dark).paper, 0.35), "width": 1},
        )
        hover = [
            "<br>".join((text, f"found {told(v)}", f"predicted {told(p)}", f"90 % interval {told(a)} to {told(b)}"))
            for text, v, p, a, b in zip(
                np.array(called, object)[chosen],
                value[chosen],
                predicted[chosen],
                low[chosen],
                high[chosen],
                strict=True,
            )
        ]
        all_inside = float(held_out["value"].between(held_out["low"], held_out["high"]).mean())
        share = format_percent(all_inside if name == "within its interval" else 1 - all_inside)
        figure.add_scatter(
            x=value[chosen],
            y=(predicted - base)[chosen],
            mode="markers",
            name=f"{name} ({share})",
            marker=marker("predicted", color, dark, 6),
            text=hover,
            hoverinfo="text",
        )
        if "hash" in some.columns:
            hashes[len(figure.data) - 1] = tuple(some["hash"].to_numpy()[chosen].tolist())
    up = shown.axis("Predicted less found") if difference else shown.axis("Predicted", shown.logarithmic)
    figure.update_layout(layout(dark, _TALL), xaxis=shown.axis(f"{shown.name}, found", shown.logarithmic), yaxis=up)
    return Plane(figure, hashes)


def learning_curve(curve: pd.DataFrame, unit: str, dark: bool, things: str = "cells") -> go.Figure:
    """Error against the number of cells learned from (the paper's Figure 1, right): mean and range over the draws.

    Args:
        curve: ``model``, ``cells``, ``initialisation``, ``mae`` in the unit.
        unit: of the error.
        dark: whether the figure stands on the dark background.
        things: what is learned from.
    """
    figure = go.Figure()
    for model, own in curve.groupby("model", sort=True):
        by_size = own.groupby("cells")["mae"].agg(["mean", "min", "max", "count"]).reset_index()
        color = MODEL_COLORS[model]
        figure.add_scatter(
            x=[*by_size["cells"], *by_size["cells"][::-1]],
            y=[*by_size["max"], *by_size["min"][::-1]],
            fill="toself",
            fillcolor=_faint(color),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            mode="lines",
        )
        figure.add_scatter(
            x=by_size["cells"],
            y=by_size["mean"],
            mode="lines+markers",
            name=MODELS[model],
            line={"color": color, "width": 2},
            marker={"color": color, "size": 6},
            text=[
                f"{MODELS[model]}<br>{row.cells} {things}<br>mean of {row.count_} draws: "
                f"{format_quantity(row.mean_, escape(unit))}<br>{format_quantity(row.min_, escape(unit))} to "
                f"{format_quantity(row.max_, escape(unit))}"
                for row in by_size.rename(columns=lambda name: name if name == "cells" else f"{name}_").itertuples()
            ],
            hoverinfo="text",
        )
    sizes = sorted(curve["cells"].unique().tolist())
    figure.update_layout(
        layout(dark, _HALF),
        xaxis=axis(f"{things[0].upper()}{things[1:]} learned from") | {"tickvals": sizes},
        yaxis=axis("Mean absolute error", escape(unit)) | {"rangemode": "tozero"},
    )
    return figure


def describe_learning_curve(curve: pd.DataFrame, unit: str, things: str = "cells") -> str:
    """The picture of ``learning_curve`` in words.

    Args:
        curve: ``model``, ``cells``, ``mae`` in the unit.
        unit: of the error.
        things: what is learned from.
    """
    told = []
    for model, own in curve.groupby("model", sort=True):
        by_size = own.groupby("cells")["mae"].mean()
        first, last = (f"{format_quantity(by_size.iloc[at], unit)} from {by_size.index[at]}" for at in (0, -1))
        told.append(f"{MODELS[model]}: {first} {things}, {last}")
    return f"Mean absolute error by the number of {things} learned from. {'; '.join(told)}"


def errors_by(held_out: pd.DataFrame, shown: Shown, dark: bool) -> go.Figure:
    """Absolute error by the number of vertices and of each operation: median, and the middle half.

    Args:
        held_out: ``value``, ``predicted``, ``vertices`` and ``n_conv3x3``, ``n_conv1x1``, ``n_maxpool3x3``.
        shown: the quantity.
        dark: whether the figure stands on the dark background.
    """
    away = np.abs(shown.values(held_out, "predicted") - shown.values(held_out, "value"))
    figure = go.Figure()
    groups = [("vertices", "vertices", palette(dark).muted)]
    groups += [
        (name, label, OPERATION_COLORS[operation])
        for (name, label), operation in zip(_GROUP.items(), OPERATIONS, strict=True)
    ]
    places: list[int] = []
    numbers: list[str] = []
    begin = 0
    for column, label, color in groups:
        by = pd.Series(away).groupby(held_out[column].to_numpy())
        rows = by.quantile([0.25, 0.5, 0.75]).unstack()
        middle = rows[0.5].to_numpy()
        own = list(range(begin, begin + len(rows)))
        figure.add_scatter(
            x=own,
            y=middle,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": rows[0.75].to_numpy() - middle,
                "arrayminus": middle - rows[0.25].to_numpy(),
                "color": color,
                "thickness": 1.5,
                "width": 4,
            },
            mode="markers",
            marker={"color": color, "size": 8},
            showlegend=False,
            name=label,
            text=[
                f"{number} {label}: {count} cells<br>median error {shown.told(row[0.5])}<br>middle half "
                f"{shown.told(row[0.25])} to {shown.told(row[0.75])}"
                for (number, row), count in zip(rows.iterrows(), by.size(), strict=True)
            ],
            hoverinfo="text",
        )
        figure.add_annotation(
            x=sum(own) / len(own),
            y=0,
            yref="paper",
            yshift=-26,
            text=label,
            showarrow=False,
            yanchor="top",
            font={"color": palette(dark).muted},
        )
        places += own
        numbers += [f"{number}" for number in rows.index]
        begin += len(rows) + 1
    figure.update_layout(
        layout(dark, _HALF),
        xaxis={"showgrid": False, "tickvals": places, "ticktext": numbers, "range": [-0.7, begin - 1.3]},
        yaxis=shown.axis("Absolute error") | {"rangemode": "tozero"},
        margin={"l": 56, "r": 12, "t": 12, "b": 54},
        showlegend=False,
    )
    return figure


def describe_errors_by(held_out: pd.DataFrame, shown: Shown) -> str:
    """The picture of ``errors_by`` in words, by vertices."""
    away = np.abs(shown.values(held_out, "predicted") - shown.values(held_out, "value"))
    by = pd.Series(away).groupby(held_out["vertices"].to_numpy()).median()
    told = ", ".join(f"{shown.told(error)} at {vertices}" for vertices, error in by.items())
    return f"Median absolute error by vertices: {told}; and by the number of each operation"


def importances(found: pd.DataFrame, shown: Shown, dark: bool, words: Mapping[str, str] = WORDS) -> go.Figure:
    """How much the error grows when a feature is exchanged among cells: mean, and deviation over permutations.

    Args:
        found: ``feature``, ``repeat``, ``increase`` as stored.
        shown: the quantity.
        dark: whether the figure stands on the dark background.
        words: what features are called; the others by their own names.
    """
    by = (found["increase"] * shown.scale).groupby(found["feature"]).agg(["mean", "std"]).sort_values("mean")
    names = [words.get(name, escape(name[:_LONGEST])) for name in by.index]
    figure = go.Figure(
        go.Bar(
            x=by["mean"],
            y=list(range(len(by))),
            orientation="h",
            marker={"color": EXTREMES},
            error_x={
                "type": "data",
                "array": by["std"].fillna(0),
                "color": palette(dark).text,
                "thickness": 1,
                "width": 3,
            },
            text=[
                f"{name}: {escape(shown.told(row.mean_))} ± {escape(shown.told(row.std_))}"
                for name, row in zip(names, by.rename(columns=lambda name: f"{name}_").itertuples(), strict=True)
            ],
            hoverinfo="text",
            textposition="none",
        )
    )
    figure.update_layout(
        layout(dark, max(150, 90 + 24 * len(by))),
        xaxis=shown.axis("Increase of the mean absolute error"),
        yaxis={"ticks": "", "showline": False, "tickvals": list(range(len(by))), "ticktext": names},
        bargap=0.35,
        margin={"l": 8, "r": 12, "t": 8, "b": 44},
    )
    return figure


def describe_importances(found: pd.DataFrame, shown: Shown, words: Mapping[str, str] = WORDS, most: int = 3) -> str:
    """The picture of ``importances`` in words: the features that matter most.

    Args:
        found: ``feature``, ``increase`` as stored.
        shown: the quantity.
        words: what features are called; the others by their own names.
        most: how many are named.
    """
    by = (found["increase"] * shown.scale).groupby(found["feature"]).mean().nlargest(most)
    told = ", ".join(f"{words.get(name, name[:_LONGEST])} {shown.told(mean)}" for name, mean in by.items())
    return f"Increase of the mean absolute error when a feature is exchanged, the largest: {told}"


def losses(epochs: Sequence[Epoch], dark: bool) -> go.Figure:
    """The loss of training as it goes, each part a line.

    Args:
        epochs: oldest first.
        dark: whether the figure stands on the dark background.
    """
    figure = go.Figure()
    parts: list[list[Epoch]] = []
    for epoch in epochs:
        if epoch.number == 1 or not parts:
            parts.append([])
        parts[-1].append(epoch)
    for place, part in enumerate(parts):
        present = place == len(parts) - 1
        color = EXTREMES if present else mix(palette(dark).muted, palette(dark).paper, 0.45)
        figure.add_scatter(
            x=[epoch.number for epoch in part],
            y=[epoch.loss for epoch in part],
            mode="lines",
            line={"color": color, "width": 2 if present else 1},
            name=part[0].part,
            showlegend=False,
            hovertemplate=f"{part[0].part}<br>%{{x}} of {part[0].of}: %{{y:.4g}}<extra></extra>",
        )
    most = max((epoch.of for epoch in epochs), default=1)
    figure.update_layout(
        layout(dark, _LOW), xaxis=axis("Epoch") | {"range": [0, most]}, yaxis=axis("Loss"), uirevision="loss"
    )
    return figure


def residuals(held_out: pd.DataFrame, shown: Shown, dark: bool) -> go.Figure:
    """Predicted less found against the prediction.

    Args:
        held_out: ``value``, ``predicted``.
        shown: the quantity.
        dark: whether the figure stands on the dark background.
    """
    predicted = shown.values(held_out, "predicted")
    away = predicted - shown.values(held_out, "value")
    figure = go.Figure()
    hover = "predicted %{x:.4g}<br>off by %{y:.3g}<extra></extra>"
    figure.add_scatter(
        x=predicted,
        y=away,
        mode="markers",
        marker=marker("predicted", EXTREMES, dark, 6),
        showlegend=False,
        hovertemplate=hover,
    )
    figure.add_hline(y=0, line={"color": palette(dark).muted, "width": 1, "dash": "dot"})
    figure.update_layout(layout(dark, _HALF), xaxis=shown.axis("Predicted"), yaxis=shown.axis("Predicted less found"))
    return figure


def describe_residuals(held_out: pd.DataFrame, shown: Shown) -> str:
    """The picture of ``residuals`` in words."""
    away = shown.values(held_out, "predicted") - shown.values(held_out, "value")
    low, middle, high = np.quantile(away, [0.05, 0.5, 0.95])
    return (
        f"Predicted less found: median {shown.told(middle)}, nine of ten from {shown.told(low)} to {shown.told(high)}"
    )


def _faint(color: str) -> str:
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def row_of(figures: pd.DataFrame, **chosen: Any) -> pd.Series:
    """The one row of a table of figures with these values."""
    for name, value in chosen.items():
        figures = figures[figures[name] == value]
    return figures.iloc[0]
