"""The figures of the Scaling page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecnas_core.analysis.scaling import MODELS, SCALED_TO, Quantity
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.cells import Cell
from ecnas_core.figures.explore import Plane
from ecnas_core.figures.theme import (
    EXTREMES,
    SELECTION,
    axis,
    format_fixed,
    format_percent,
    marker,
    mix,
    palette,
    template,
)

QUANTITY_LABELS: dict[Quantity, str] = {"energy": "Energy", "gpu_energy": "GPU energy", "time": "Training time"}
_NOUNS: dict[Quantity, str] = {"energy": "energy", "gpu_energy": "GPU energy", "time": "training time"}
_LAST = SCALED_TO[-1]
_COMPONENTS = {
    "gpu_share": ("GPU's share of the recorded joules", "%"),
    "gpu_share_two_sockets": ("GPU's share, second socket as the first", "%"),
    "power_w": ("IT power of the training", "W"),
    "gpu_power_w": ("GPU power of the run", "W"),
    "cpu_power_w": ("CPU power of the run, one socket", "W"),
}
_CLICK = "<br>click for the cell<extra></extra>"


def headline(summary: pd.DataFrame, quantity: Quantity) -> str:
    """How far linear scaling is off, in one sentence.

    Args:
        summary: as ``analysis.scaling.summary`` gives it.
        quantity: what is scaled.
    """
    last = summary.iloc[-1]
    return (
        f"Linear scaling overstates {_NOUNS[quantity]} at {_LAST} epochs by "
        f"{format_percent(last['overstated'])}: measured is {last['ratio']:.3f} ± {last['deviation']:.3f} "
        f"of {_LAST // 4} times the 4-epoch figure, over {last['cells']:.0f} cells."
    )


def verdict(errors: pd.DataFrame, apart: pd.DataFrame, quantity: Quantity) -> str:
    """Which way of scaling is the best, by how much, and what the lens takes.

    Args:
        errors: as ``analysis.scaling.leave_one_out`` gives it.
        apart: the same from 5V's 4-epoch trainings.
        quantity: what is scaled.
    """
    mean, other = (
        frame[frame["epochs"] == _LAST].set_index("model")["mean_absolute"].map(format_percent)
        for frame in (errors, apart)
    )
    told = f"Mean error at {_LAST} epochs: {mean['linear']} scaled linearly, {mean['constant']} by one ratio a budget"
    if quantity == "time":
        return (
            f"{told}. A ratio that follows the cell's size or time comes to {mean['by time']}, which is less than two "
            "trainings of one cell differ: the lens takes the one ratio."
        )
    return (
        f"{told}, {mean['by time']} by a ratio that follows the cell's 4-epoch time. The 4-epoch time itself, times "
        f"one power a budget, comes to {mean['power']}; from 5V's own 4-epoch trainings of these cells to "
        f"{other['power']}, where one ratio errs by {other['constant']}. So the lens takes the time where it is known "
        "(5V), and the one ratio where it is not (7V)."
    )


def power_headline(frame: pd.DataFrame, components: pd.DataFrame) -> str:
    """Why the ratio differs from cell to cell, in one sentence.

    Args:
        frame: as ``analysis.scaling.ratios`` gives it, of energy.
        components: as ``analysis.scaling.components`` gives it.
    """
    part = frame[frame["epochs"] == _LAST]
    correlation = np.corrcoef(part["power_at_4_w"], part["ratio"])[0, 1]
    size = np.corrcoef(np.log(part["multiply_adds"]), part["ratio"])[0, 1]
    long = components[components["epochs"] == _LAST]["power_w"]
    return (
        f"The ratio follows the power of the short training (correlation {format_fixed(correlation, 2)}), not the "
        f"cell's size ({format_fixed(size, 2)}): 4 epochs drew {part['power_at_4_w'].min():.0f} to "
        f"{part['power_at_4_w'].max():.0f} W, {_LAST} epochs {long.mean():.0f} ± {long.std():.0f} W, whatever the cell."
    )


def ratios(frame: pd.DataFrame, summary: pd.DataFrame, quantity: Quantity, dark: bool, selected: str | None) -> Plane:
    """Measured by linearly scaled, one line a cell, with the median, the middle of the cells and the repeats' spread.

    Args:
        frame: as ``analysis.scaling.ratios`` gives it.
        summary: as ``analysis.scaling.summary`` gives it.
        quantity: what is scaled.
        dark: whether the figure stands on the dark background.
        selected: hash of the cell that stands out.
    """
    colors = palette(dark)
    figure, hashes = go.Figure(), {}
    labels = [str(epochs) for epochs in EPOCHS]
    low, median, high = ([1.0, *summary[name]] for name in ("low", "median", "high"))
    figure.add_trace(
        go.Scatter(
            x=[*labels, *labels[::-1]],
            y=[*low, *high[::-1]],
            fill="toself",
            fillcolor=mix(colors.accent, colors.paper, 0.22),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            name="middle 80 % of the cells",
        )
    )
    for digest, part in sorted(frame.groupby("hash"), key=lambda item: item[0] == selected):
        chosen = digest == selected
        color = SELECTION if chosen else mix(colors.muted, colors.paper, 0.6)
        hashes[len(figure.data)] = (str(digest),) * len(labels)
        figure.add_trace(
            go.Scatter(
                x=labels,
                y=[1.0, *part["ratio"]],
                mode="lines+markers",
                line={"color": color, "width": 2.5 if chosen else 0.7},
                marker={"size": 7 if chosen else 4, "color": color},
                name=f"cell {str(digest)[:8]}",
                showlegend=chosen,
                hovertemplate=f"{_text(part.iloc[0])}<br>%{{x}} epochs: %{{y:.3f}}{_CLICK}",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=labels,
            y=median,
            mode="lines+markers",
            line={"color": colors.accent, "width": 3},
            marker={"size": 9, "color": colors.accent},
            error_y={"array": [0.0, *summary["noise"]], "thickness": 2, "width": 8, "color": colors.accent},
            name="median, ± what the repeats alone explain",
            hovertemplate="median at %{x} epochs: %{y:.3f}<extra></extra>",
        )
    )
    figure.update_layout(
        template=template(dark),
        height=400,
        margin={"l": 60, "r": 8, "t": 36, "b": 44},
        xaxis={"title": {"text": "Training epochs"}, "type": "category", "showgrid": False},
        yaxis=axis(f"{QUANTITY_LABELS[quantity]}: measured by scaled"),
        shapes=[
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": 1,
                "y1": 1,
                "line": {"color": colors.muted, "width": 1, "dash": "dot"},
            }
        ],
    )
    return Plane(figure, hashes)


def by_power(frame: pd.DataFrame, dark: bool, selected: str | None) -> Plane:
    """The ratio of energies at 108 epochs by the power of the 4-epoch training, and what one power for all would give.

    Args:
        frame: as ``analysis.scaling.ratios`` gives it, of energy.
        dark: whether the figure stands on the dark background.
        selected: hash of the cell that stands out.
    """
    part = frame[frame["epochs"] == _LAST]
    powers = part["power_at_4_w"]
    along = np.linspace(powers.min(), powers.max(), 60)
    chosen = part["hash"] == selected
    colors = [SELECTION if each else EXTREMES for each in chosen]
    figure = go.Figure(
        [
            go.Scatter(
                x=powers,
                y=part["ratio"],
                mode="markers",
                name=f"cells ({len(part)})",
                marker=marker("measured", EXTREMES, dark, 8) | {"color": colors, "size": np.where(chosen, 13, 8)},
                text=[_text(row) for _, row in part.iterrows()],
                hovertemplate=f"%{{text}}<br>%{{x:.0f}} W in 4 epochs<br>ratio %{{y:.3f}}{_CLICK}",
            ),
            go.Scatter(
                x=along,
                y=(part["ratio"] * powers).mean() / along,
                mode="lines",
                name=f"the same power for all at {_LAST} epochs",
                line={"color": palette(dark).muted, "width": 1.5, "dash": "dash"},
                hoverinfo="skip",
            ),
        ]
    )
    figure.update_layout(
        template=template(dark),
        height=340,
        margin={"l": 60, "r": 8, "t": 36, "b": 44},
        xaxis=axis("Mean IT power of the 4-epoch training", "W"),
        yaxis=axis(f"Energy: measured by scaled, {_LAST} epochs"),
    )
    return Plane(figure, {0: tuple(part["hash"])})


def components_headline(summary: pd.DataFrame) -> str:
    """The GPU's share and the power at 4 and 108 epochs, in one sentence.

    Args:
        summary: as ``analysis.scaling.components_summary`` gives it.
    """
    means = summary.pivot(index="quantity", columns="epochs", values="mean")
    first, last = means[EPOCHS[0]], means[_LAST]
    return (
        f"The GPU takes {first['gpu_share_two_sockets']:.0%} of the run's energy in 4 epochs, "
        f"{last['gpu_share_two_sockets']:.0%} in {_LAST} (the second CPU socket taken as the first); the mean power of "
        f"a training falls from {first['power_w']:.0f} to {last['power_w']:.0f} W."
    ).replace("%", "\u202f%")


def components(frame: pd.DataFrame, dark: bool) -> Plane:
    """The GPU's share of the joules and the mean power by the cell's multiply-adds, at 4 and at 108 epochs.

    Args:
        frame: as ``analysis.scaling.components`` gives it.
        dark: whether the figure stands on the dark background.
    """
    figure, hashes = make_subplots(1, 2, horizontal_spacing=0.14), {}
    panels = (
        ("gpu_share_two_sockets", 100, "GPU's share of the energy", "%"),
        ("power_w", 1, "Mean IT power", "W"),
    )
    for epochs, color in ((EPOCHS[0], mix(EXTREMES, palette(dark).paper, 0.4)), (_LAST, EXTREMES)):
        part = frame[frame["epochs"] == epochs]
        for column, (name, scale, _, unit) in enumerate(panels, start=1):
            hashes[len(figure.data)] = tuple(part["hash"])
            figure.add_trace(
                go.Scatter(
                    x=part["multiply_adds"] / 1e9,
                    y=part[name] * scale,
                    mode="markers",
                    name=f"{epochs} epochs",
                    legendgroup=str(epochs),
                    showlegend=column == 1,
                    marker=marker("measured", color, dark, 7),
                    customdata=part["hash"].str[:8],
                    hovertemplate=f"cell %{{customdata}}, {epochs} epochs<br>%{{x:.3g}} G, %{{y:.1f}} {unit}{_CLICK}",
                ),
                row=1,
                col=column,
            )
    figure.update_layout(template=template(dark), height=330, margin={"l": 60, "r": 8, "t": 36, "b": 44})
    for column, (_, _, title, unit) in enumerate(panels, start=1):
        figure.update_xaxes(**axis("Multiply-adds", "G", log=True), row=1, col=column)
        figure.update_yaxes(**axis(title, unit), row=1, col=column)
    return Plane(figure, hashes)


def error_rows(errors: pd.DataFrame, apart: pd.DataFrame) -> list[list[str]]:
    """The table of errors: a way of scaling, its mean and root mean square error at each budget, and at 108 from 5V.

    Args:
        errors: as ``analysis.scaling.leave_one_out`` gives it.
        apart: the same from 5V's 4-epoch trainings.
    """
    rows = []
    for model, part in errors.groupby("model", sort=False):
        shown = pd.concat([part, apart[(apart["model"] == model) & (apart["epochs"] == _LAST)]])
        pairs = zip(shown["mean_absolute"], shown["root_mean_square"], strict=True)
        rows.append([MODELS[str(model)], *(f"{100 * mean:.1f}, {format_percent(rms)}" for mean, rms in pairs)])
    return rows


def component_rows(summary: pd.DataFrame) -> list[list[str]]:
    """The table of shares and powers: each at every budget, and how it goes with multiply-adds at the ends.

    Args:
        summary: as ``analysis.scaling.components_summary`` gives it.
    """
    rows = []
    for name, (label, unit) in _COMPONENTS.items():
        part = summary[summary["quantity"] == name]
        ends = part[part["epochs"].isin((EPOCHS[0], _LAST))]
        scale = 100 if unit == "%" else 1
        spreads = [
            f"{scale * mean:.1f} ± {scale * deviation:.1f}\u00a0{unit}"
            for mean, deviation in zip(part["mean"], part["deviation"], strict=True)
        ]
        rows.append([label, *spreads, *(format_fixed(number, 2) for number in ends["correlation"])])
    return rows


def _text(row: pd.Series) -> str:
    return Cell.from_bits(int(row["vertices"]), int(row["edge_bits"]), row["ops"]).to_text()
