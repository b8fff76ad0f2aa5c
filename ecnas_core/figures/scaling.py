"""The figures of the Scaling page."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecnas_core.analysis.scaling import SCALED_TO, Quantity
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.cells import Cell
from ecnas_core.figures.theme import EXTREMES, SELECTION, axis, mix, palette, template

QUANTITY_LABELS: dict[Quantity, str] = {"energy": "Energy", "time": "Training time"}


@dataclass(frozen=True)
class Ratios:
    """Every cell's ratio by budget.

    Attributes:
        figure: the figure.
        hashes: the cell of each trace that is a cell.
    """

    figure: go.Figure
    hashes: dict[int, str]


def headline(summary: pd.DataFrame, quantity: Quantity) -> str:
    """How far linear scaling is off, in one sentence."""
    last = summary.iloc[-1]
    over = 100 * (1 / last["ratio"] - 1)
    return (
        f"Linear scaling overstates {QUANTITY_LABELS[quantity].lower()} at 108 epochs by {over:.1f}\u2009%: measured "
        f"is {last['ratio']:.3f} ± {last['deviation']:.3f} of 27 times the 4-epoch figure, "
        f"over {last['cells']:.0f} cells."
    )


def ratios(frame: pd.DataFrame, summary: pd.DataFrame, quantity: Quantity, dark: bool, selected: str | None) -> Ratios:
    """Measured by linearly scaled, one line a cell, with the mean and its spread.

    Args:
        frame: as ``analysis.scaling.ratios`` gives it.
        summary: as ``analysis.scaling.summary`` gives it.
        quantity: energy or time.
        dark: whether the figure stands on the dark background.
        selected: hash of the cell that stands out.
    """
    colors = palette(dark)
    figure, hashes = go.Figure(), {}
    labels = [str(epochs) for epochs in EPOCHS]
    parts = sorted(frame.groupby("hash"), key=lambda item: item[0] == selected)
    for digest, part in parts:
        first = part.iloc[0]
        text = Cell.from_bits(int(first["vertices"]), int(first["edge_bits"]), first["ops"]).to_text()
        chosen = digest == selected
        hashes[len(figure.data)] = str(digest)
        figure.add_trace(
            go.Scatter(
                x=labels,
                y=[1.0, *part["ratio"]],
                mode="lines+markers",
                line={"color": SELECTION if chosen else mix(colors.muted, colors.paper, 0.5),
                      "width": 2.5 if chosen else 0.8},
                marker={"size": 6 if chosen else 4},
                name=f"cell {str(digest)[:8]}",
                showlegend=chosen,
                hovertemplate=f"{text}<br>%{{x}} epochs: %{{y:.3f}}<br>click for the cell<extra></extra>",
            )
        )  # fmt: skip
    mean = [1.0, *summary["ratio"]]
    for name, column, width in (("± 1 deviation over cells", "deviation", 6), ("± noise of the repeats", "noise", 14)):
        figure.add_trace(
            go.Scatter(
                x=labels[1:],
                y=summary["ratio"],
                mode="markers",
                marker={"size": 1, "color": EXTREMES},
                error_y={"array": summary[column], "thickness": 2 if column == "deviation" else 4, "width": width,
                         "color": EXTREMES if column == "deviation" else mix(EXTREMES, colors.paper, 0.55)},
                name=name,
                hoverinfo="skip",
            )
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=labels,
            y=mean,
            mode="lines+markers",
            line={"color": EXTREMES, "width": 3},
            marker={"size": 9},
            name="mean",
            hovertemplate="mean at %{x} epochs: %{y:.3f}<extra></extra>",
        )
    )
    figure.update_layout(
        template=template(dark),
        height=430,
        margin={"l": 60, "r": 8, "t": 36, "b": 44},
        xaxis={"title": {"text": "Training epochs"}, "type": "category", "showgrid": False},
        yaxis=axis(f"{QUANTITY_LABELS[quantity]}: measured by scaled linearly"),
        shapes=[{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 1, "y1": 1,
                 "line": {"color": colors.muted, "width": 1, "dash": "dot"}}],
    )  # fmt: skip
    return Ratios(figure, hashes)


def components(frame: pd.DataFrame, dark: bool) -> go.Figure:
    """The GPU's share of the joules and the mean power by the cell's multiply-adds, at 4 and at 108 epochs.

    Args:
        frame: as ``analysis.scaling.components`` gives it.
        dark: whether the figure stands on the dark background.
    """
    colors = palette(dark)
    figure = make_subplots(1, 2, horizontal_spacing=0.12)
    shades = {EPOCHS[0]: mix(EXTREMES, colors.paper, 0.45), SCALED_TO[-1]: EXTREMES}
    for epochs, color in shades.items():
        part = frame[frame["epochs"] == epochs]
        for column, (name, scale, unit) in enumerate((("gpu_share", 100, "%"), ("power_w", 1, "W")), start=1):
            figure.add_trace(
                go.Scatter(
                    x=part["multiply_adds"] / 1e9,
                    y=part[name] * scale,
                    mode="markers",
                    name=f"{epochs} epochs",
                    legendgroup=str(epochs),
                    showlegend=column == 1,
                    marker={"size": 7, "color": color, "line": {"color": EXTREMES, "width": 1}},
                    customdata=part["hash"].str[:8],
                    hovertemplate=f"cell %{{customdata}}, {epochs} epochs<br>%{{x:.3g}} G, %{{y:.1f}} {unit}"
                    "<extra></extra>",
                ),
                row=1,
                col=column,
            )
    figure.update_layout(template=template(dark), height=330, margin={"l": 60, "r": 8, "t": 36, "b": 44})
    for column, (title, unit) in enumerate(
        (("GPU's share of the joules", "%"), ("Mean power, GPU and CPU", "W")), start=1
    ):
        figure.update_xaxes(**axis("Multiply-adds", "G", log=True), row=1, col=column)
        figure.update_yaxes(**axis(title, unit), row=1, col=column)
    return figure
