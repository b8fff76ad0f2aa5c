"""A search as it goes: its fronts, its hypervolume, its trials in words; and what it is expected to take."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecnas_core.analysis import convergence
from ecnas_core.analysis.attainment import surface
from ecnas_core.analysis.convergence import QUANTILES
from ecnas_core.analysis.metrics import Metric
from ecnas_core.analysis.trials import trials
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.cells import Space
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import (
    ALGORITHMS,
    Provenance,
    axis,
    format_percent,
    format_quantity,
    layout,
    marker,
    palette,
)
from ecnas_core.search import Setting, study_repository
from ecnas_core.search.runner import StudyProgress, TrialProgress

PUBLISHED_OBJECTIVES: Final = ("energy", "validation_error")
PUBLISHED_REFERENCE: Final = (1.0, 0.2)
_FRONT, _GROWTH = 380, 380
_UNLIKE: Final = 5
_BAND: Final = 0.16
_EARLY: Final = 0.02
_BANDS = ["algorithm", "evaluation", "trials", *QUANTILES]


def color(algorithm: str, dark: bool) -> str:
    """The colour of an algorithm; one without a colour of its own is drawn in that of the text."""
    return ALGORITHMS.get(algorithm, palette(dark).text)


def points(progress: StudyProgress, setting: Setting) -> pd.DataFrame:
    """The fronts of all trials: ``algorithm``, ``trial``, ``hash``, ``epochs`` and the objectives under their names."""
    rows = [
        (trial.task.algorithm, trial.trial, digest, epochs, *values)
        for trial in progress.trials
        for digest, epochs, values in zip(trial.hashes, trial.epochs, trial.values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["algorithm", "trial", "hash", "epochs", *setting.objectives])


def bands(progress: StudyProgress) -> pd.DataFrame:
    """Median, quartiles and range of the trials' hypervolumes by the evaluations made, as ``convergence.bands`` has it.

    Args:
        progress: of the study; a trial that has not come so far does not count.

    Returns:
        ``algorithm``, ``evaluation`` (how many were made), ``trials``, ``worst``, ``first_quartile``, ``median``,
        ``third_quartile``, ``best``.
    """
    parts = []
    for name, members in _by_algorithm(progress.trials).items():
        grid = np.unique([count for each in members for count in (*(at for at, _ in each.rises), each.evaluations)])
        heights = np.stack([_steps(each, grid) for each in members])
        part = pd.DataFrame(np.nanquantile(heights, list(QUANTILES.values()), axis=0).T, columns=list(QUANTILES))
        part.insert(0, "trials", (~np.isnan(heights)).sum(axis=0))
        part.insert(0, "evaluation", grid)
        part.insert(0, "algorithm", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_BANDS)


def published(bench: Benchmark, space: Space) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, list[float]]]:
    """The authors' published searches of a space, as ``points``, ``bands`` and ``reached`` have them.

    Energies are as EC-NAS stores them, hypervolumes below 1 kWh and an error of 0.2. The hash of a cell that is not
    identified is missing.
    """
    found = study_repository.published(bench, space)
    split = trials(found)
    spread = convergence.bands(split, PUBLISHED_REFERENCE)
    fronts = [
        found.iloc[each.rows[each.front]][["algorithm", "trial", "hash", "epochs"]].assign(
            **dict(zip(PUBLISHED_OBJECTIVES, each.points[each.front].T, strict=True))
        )
        for each in split
    ]
    ends = convergence.reached(split, PUBLISHED_REFERENCE).groupby("algorithm", sort=False)["hypervolume"].apply(list)
    return pd.concat(fronts, ignore_index=True), spread.assign(evaluation=spread["evaluation"] + 1), ends.to_dict()


def _by_algorithm(trials: Sequence[TrialProgress]) -> dict[str, list[TrialProgress]]:
    groups: dict[str, list[TrialProgress]] = {}
    for trial in trials:
        if trial.evaluations:
            groups.setdefault(trial.task.algorithm, []).append(trial)
    return groups


def _steps(
    trial: TrialProgress, grid: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The hypervolume of a trial after so many evaluations, NaN beyond those it has made."""
    counts = np.array([count for count, _ in trial.rises], np.int64)
    reached = np.array([0.0, *(height for _, height in trial.rises)])
    return np.where(grid <= trial.evaluations, reached[np.searchsorted(counts, grid, side="right")], np.nan)


def reached(progress: StudyProgress) -> dict[str, list[float]]:
    """The hypervolumes of each algorithm's finished trials, or where none has finished of those that run."""
    found = {}
    for name, members in _by_algorithm(progress.trials).items():
        finished = [each.hypervolume for each in members if each.state == "finished"]
        found[name] = finished or [each.hypervolume for each in members]
    return found


def headline(volumes: Mapping[str, Sequence[float]], whole: float | None) -> str:
    """Which algorithm is ahead, in plain words.

    Args:
        volumes: hypervolumes of each algorithm's trials, as ``reached`` gives them.
        whole: hypervolume of the true front; None where it is not known.
    """
    if not volumes:
        return "Nothing is found yet"
    medians = {name: statistics.median(each) for name, each in volumes.items()}
    leader, *others = sorted(medians, key=lambda name: -medians[name])
    told = {name: _height(height, whole) for name, height in medians.items()}
    count = len(volumes[leader])
    median = f" (median of {count} trials)" if count > 1 else ""
    has = f"has {told[leader]} of the true front's hypervolume" if whole else f"reaches a hypervolume of {told[leader]}"
    return f"{leader} {has}{median}" + "".join(f", {name} {told[name]}" for name in others)


def _height(height: float, whole: float | None) -> str:
    return format_percent(height / whole, 2) if whole else format_quantity(height, digits=4)


def provenance(setting: Setting) -> Provenance:
    """Where the energies of a space are from at its greatest budget: the shape of the points."""
    if setting.space == "7V":
        return "surrogate"
    return "measured" if setting.space == "4V" or setting.budgets == (4,) else "scaled"


def front(found: pd.DataFrame, metrics: Sequence[Metric], shape: Provenance, dark: bool) -> go.Figure:
    """The fronts of all trials as points, over them for two objectives each algorithm's median attainment surface.

    Args:
        found: as ``points`` gives it.
        metrics: the objectives; the first two are the axes.
        shape: where the energies are from.
        dark: whether the figure stands on the dark background.
    """
    x, y = metrics[:2]
    figure = go.Figure(layout=layout(dark, _FRONT))
    for name, members in found.groupby("algorithm", sort=False):
        own = color(str(name), dark)
        custom = np.column_stack(
            [
                members["hash"].fillna("unknown").str[:8],
                members["epochs"],
                members["trial"] + 1,
                *(members[each.key].map(lambda one, each=each: value(each, one)) for each in metrics),
            ]
        )
        told = "<br>".join(f"{each.label} %{{customdata[{3 + at}]}}" for at, each in enumerate(metrics))
        figure.add_trace(
            go.Scatter(
                x=members[x.key],
                y=members[y.key],
                mode="markers",
                name=str(name),
                legendgroup=str(name),
                marker=marker(shape, own, dark, 7) | {"opacity": 0.55},
                customdata=custom,
                showlegend=len(metrics) > 2,
                hovertemplate=f"{name}, trial %{{customdata[2]}}<br>%{{customdata[0]}}, %{{customdata[1]}} epochs"
                f"<br>{told}<extra></extra>",
            )
        )
        if len(metrics) == 2:
            figure.add_trace(_surface(str(name), members, x, y, own))
    figure.update_layout(
        margin={"l": 64, "r": 12, "t": 34, "b": 44},
        uirevision="front",
        showlegend=True,
        xaxis=axis(x.label, x.unit, x.log),
        yaxis=axis(y.label, y.unit, y.log),
    )
    if found.empty:
        _waiting(figure, "the first cells are being asked for", dark)
    return figure


def describe_front(found: pd.DataFrame, metrics: Sequence[Metric]) -> str:
    """The picture of ``front`` in words.

    Args:
        found: as ``points`` gives it.
        metrics: the objectives; the first two are the axes.
    """
    if found.empty:
        return "The fronts of the trials: no point yet"
    ends = ", ".join(
        f"{each.label[0].lower()}{each.label[1:]} from {value(each, found[each.key].min())} to "
        f"{value(each, found[each.key].max())}"
        for each in metrics[:2]
    )
    return f"The fronts of the trials, {len(found)} points: {ends}"


def _surface(name: str, members: pd.DataFrame, x: Metric, y: Metric, own: str) -> go.Scatter:
    trials = [one[[x.key, y.key]].to_numpy(np.float64) for _, one in members.groupby("trial")]
    corners = surface(trials, math.ceil(len(trials) / 2))
    return go.Scatter(
        x=corners[:, 0],
        y=corners[:, 1],
        mode="lines",
        name=name,
        legendgroup=name,
        hoverinfo="skip",
        line={"color": own, "width": 2, "shape": "hv"},
    )


def growth(spread: pd.DataFrame, whole: float | None, planned: Mapping[str, int], dark: bool) -> go.Figure:
    """The hypervolume by evaluations: each algorithm's median over its trials and the range of them.

    Args:
        spread: as ``bands`` gives it.
        whole: hypervolume of the true front, of which shares are shown; None where it is not known.
        planned: evaluations that a trial of each algorithm makes.
        dark: whether the figure stands on the dark background.
    """
    figure = go.Figure(layout=layout(dark, _GROWTH))
    unit = whole or 1.0
    lowest = []
    for name, rows in spread.groupby("algorithm", sort=False):
        own, across = color(str(name), dark), rows["evaluation"]
        if (rows["trials"] > 1).any():
            for level, fill in (("worst", "none"), ("best", "tonexty")):
                figure.add_trace(
                    go.Scatter(
                        x=across,
                        y=rows[level] / unit,
                        mode="lines",
                        line={"width": 0, "shape": "hv"},
                        fill=fill,
                        fillcolor=_faint(own),
                        hoverinfo="skip",
                        showlegend=False,
                        legendgroup=str(name),
                    )
                )
        figure.add_trace(
            go.Scatter(
                x=across,
                y=rows["median"] / unit,
                mode="lines",
                name=str(name),
                legendgroup=str(name),
                line={"color": own, "width": 2, "shape": "hv"},
                customdata=rows["trials"],
                hovertemplate=f"{name}: %{{y:{'.2%' if whole else '.4g'}}} after %{{x}} evaluations"
                ", median of %{customdata}<extra></extra>",
            )
        )
        early = rows[across <= max(1.0, _EARLY * planned[str(name)])]
        lowest.append(float((early if len(early) else rows)["median"].iloc[-1 if len(early) else 0] / unit))
    top = 1.0 if whole else float(spread["best"].max()) if len(spread) else 1.0
    low = max(0.0, min(lowest, default=0.0))
    pad = 0.04 * max(top - low, 0.01)
    most = max(planned.values())
    unlike = most >= _UNLIKE * min(planned.values())
    least = float(spread["evaluation"].min()) if len(spread) else 1.0
    across_range = [math.log10(least / 1.1), math.log10(1.1 * most)] if unlike else [0, 1.02 * most]
    title = "Hypervolume, share of the true front's" if whole else "Hypervolume"
    figure.update_layout(
        margin={"l": 64, "r": 12, "t": 34, "b": 44},
        uirevision="growth",
        showlegend=True,
        xaxis={**axis("Evaluations of a trial", log=unlike), "range": across_range, "showgrid": False},
        yaxis={**axis(title), "range": [low - pad, top + pad], "tickformat": ".4~p" if whole else "", "nticks": 6},
    )
    if whole:
        figure.add_hline(1.0, line={"color": palette(dark).muted, "width": 1, "dash": "dot"})
    if spread.empty:
        _waiting(figure, "it grows with every evaluation", dark)
    return figure


def _faint(own: str) -> str:
    red, green, blue = (int(own[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_BAND})"


def _waiting(figure: go.Figure, text: str, dark: bool) -> None:
    figure.update_xaxes(type="linear", range=[0, 1], showticklabels=False, ticks="", showgrid=False)
    figure.update_yaxes(type="linear", range=[0, 1], showticklabels=False, ticks="", showgrid=False)
    figure.add_annotation(
        text=text,
        showarrow=False,
        xref="paper",
        yref="paper",
        x=0.5,
        y=0.5,
        font={"color": palette(dark).muted, "size": 13},
    )


def energy(kwh: float | None, lens: Lens) -> str:
    """An energy for the eye, or the footprint where the lens is of one; see ``amount``.

    Args:
        kwh: the energy.
        lens: in which unit.
    """
    if lens.unit == "kgCO2eq":
        return amount(None if kwh is None else kwh * lens.intensity / 1000, "gCO2eq", 2)
    return amount(kwh, "Wh", 2)


def amount(thousands: float | None, unit: str = "Wh", digits: int = 3) -> str:
    """A number for the eye in thousands of a unit, a small one in the unit; no milli and mega to be mixed up.

    Args:
        thousands: the number, such as kWh.
        unit: without a prefix.
        digits: significant ones.
    """
    if thousands is None or thousands >= 0.1:
        return format_quantity(thousands, f"k{unit}", digits)
    return format_quantity(1000 * thousands, unit, digits)


def times(factor: float) -> str:
    """How many times, for the eye, in one significant digit: "about 20 000 times"."""
    return f"about {format_quantity(factor, digits=1)} times" if factor < 1e6 else f"{factor / 1e6:,.0f} million times"


def duration(seconds: float | None) -> str:
    """A time for the eye, from seconds to years."""
    for unit, length in (("years", 365.25 * 86_400), ("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds is not None and seconds >= 2 * length:
            return format_quantity(seconds / length, unit, 2 if seconds / length < 9.95 else 3)
    return format_quantity(seconds, "s", 2)
