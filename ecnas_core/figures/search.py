"""What a search found: its fronts, how often it reached them, its hypervolume, and its extremes and knee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecnas_core.analysis import attainment, convergence
from ecnas_core.analysis.metrics import Metric, metric
from ecnas_core.analysis.radar import AXES
from ecnas_core.analysis.table1 import METRICS, PUBLISHED
from ecnas_core.analysis.trials import Trial, reference_point
from ecnas_core.cells import Cell
from ecnas_core.figures.explore import Plane, value
from ecnas_core.figures.search_live import amount, color, times
from ecnas_core.figures.theme import (
    EXTREMES,
    KNEE,
    SELECTION,
    UNKNOWN,
    axis,
    format_fixed,
    format_percent,
    format_quantity,
    layout,
    marker,
    palette,
)
from ecnas_core.search.results import Results, Series, distance

RULES: Final = {
    "chord": "Chord (the paper's)",
    "bend": "Bend angle",
    "utility": "Utility",
    "weights": "Own weights",
}
_DIGITS: Final = {"energy_kwh": 4, "validation_accuracy": 4}
SOUGHT: Final = {
    "chord": "lies farthest from the straight line between the extremes",
    "bend": "has the sharpest bend, seen from both extremes",
    "utility": "would be missed most, on average over all ways to weigh the objectives",
    "weights": "has the least weighted sum of the scaled objectives",
}
METRIC_HEADS: Final = {
    "training_time_s": "Training time (s)",
    "validation_accuracy": "Validation accuracy",
    "energy_kwh": "Energy (kWh)",
    "log10_parameters": "log₁₀ parameters",
}
_ON_CARD: Final = ("energy", "validation_accuracy", "test_accuracy", "training_time", "parameters")
SIGNIFICANT: Final = 0.05
_DASHES: Final = ("solid", "dot", "dashdot", "longdashdot")
_PROVENANCES: Final = {
    "energy_provenance": "energies",
    "accuracy_provenance": "accuracies",
    "time_provenance": "times",
}
_WEAKEST_LAST: Final = ("measured", "published", "scaled", "surrogate", "predicted")
_PLANE, _LOW, _RADAR, _STRIP = 440, 380, 360, 34
_SETTLED: Final = 0.2
_TARGETS: Final = (0.99, 0.98, 0.95, 0.9, 0.8, 0.5)
_BAND: Final = 0.18
_STEPS: Final = 5
_MARGIN: Final = {"l": 64, "r": 16, "t": 40, "b": 44}


def headline(found: Results) -> str:
    """Which algorithm found the best fronts, how good they are, and whether that is beyond chance."""
    table = found.standing.set_index("name")
    name, *others = found.ranking
    best = table.loc[name]
    volume = format_quantity(best["median"], digits=4)
    if best["trials"] > 1:
        low, high = (format_quantity(best[f"{each}_quartile"], digits=4) for each in ("first", "third"))
        volume = f"{volume} (median of {best['trials']} trials, quartiles {low} and {high})"
    told = (
        f"a hypervolume of {volume}, {format_percent(best['share'])} of the true front's; a trial finds "
        f"{format_percent(best['found'], 0)} of its points"
    )
    if not others:
        return f"{name} reaches {told}."
    verdict_ = chance(name, others[0], found.pairs)
    return f"{name} {'finds the best fronts' if 'beyond chance' in verdict_ else 'is ahead'}: {told}. {verdict_}"


def chance(best: str, second: str, pairs: pd.DataFrame) -> str:
    """Whether the lead of one series over another is beyond chance, in a sentence."""
    row, turned = _pair(best, second, pairs)
    if min(row["trials_a"], row["trials_b"]) < 2:
        return f"One trial tells nothing about chance, so {second} may be as good."
    probability = 1 - row["a12"] if turned else row["a12"]
    test = f"p = {p_value(row['p_holm'])}, effect A12 = {format_fixed(probability, 2)}, {row['effect']}"
    if row["p_holm"] < SIGNIFICANT:
        return f"Its lead over {second} is beyond chance ({test})."
    return f"Its lead over {second} may be chance ({test})."


def p_value(number: float) -> str:
    """A p-value for the eye."""
    return "below 0.001" if number < 0.001 else format_fixed(number, 3)


def standing_rows(found: Results) -> tuple[list[str], list[list[str]]]:
    """The heads and the rows of a table of all series, all text."""
    unit = " × ".join(each.unit for each in found.metrics if each.unit)
    head = [
        "",
        "Trials",
        "Evaluations",
        f"Hypervolume ({unit})" if unit else "Hypervolume",
        "Median",
        "Of the true front's",
        "Its points found, a trial",
        "all together",
    ]
    return head, [
        [
            row.name,
            format_quantity(row.trials, digits=None),
            format_quantity(row.evaluations, digits=None),
            f"{format_quantity(row.mean, digits=4)} ± {format_quantity(row.std, digits=2)}",
            format_quantity(row.median, digits=4),
            format_percent(row.share),
            format_percent(row.found, 0),
            format_percent(row.found_together, 0),
        ]
        for row in found.standing.itertuples(index=False)
    ]


def pair_rows(pairs: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """The heads and the rows of a table of comparisons, all text; the last column is the verdict."""
    return ["", "Medians", "A12", "Effect", "p", "p, all pairs", ""], [
        [
            f"{row.a}, {row.b}",
            f"{format_quantity(row.median_a, digits=4)}, {format_quantity(row.median_b, digits=4)}",
            format_fixed(row.a12, 2),
            row.effect,
            p_value(row.p_value),
            p_value(row.p_holm),
            f"{row.a if row.a12 > 0.5 else row.b} is better" if row.p_holm < SIGNIFICANT else "may be chance",
        ]
        for row in pairs.itertuples(index=False)
    ]


def front_headline(front: pd.DataFrame, metrics: Sequence[Metric]) -> str:
    """What the front's knee and its last step cost.

    Args:
        front: as ``search.results.marked_front`` gives it.
        metrics: the objectives.
    """
    x, y = metrics[:2]
    by_role = {role: row for _, row in front.iterrows() for role in row["role"].split(", ") if role}
    points = f"{len(front)} point{'s' * (len(front) > 1)} on the front"
    if "rk" in by_role and by_role["rk"][x.key] > 0:
        knee, last = by_role["rk"], by_role["r1"]
        return (
            f"{points}: the knee has {y.label.lower()} {value(y, knee[y.key])} at {value(x, knee[x.key])}; the best, "
            f"{value(y, last[y.key])}, takes {format_quantity(last[x.key] / knee[x.key], digits=2)} times as much."
        )
    return f"{points}; no point of it is a knee by this rule."


def plane(
    found: Results,
    chosen: Sequence[str],
    front: pd.DataFrame,
    pair: Sequence[str],
    dark: bool,
    *,
    spread: bool = False,
    published: bool = True,
    selected: str | None = None,
) -> Plane:
    """The attainment surfaces of algorithms in the plane of two objectives, the true front, and a front's marks.

    Args:
        found: the results.
        chosen: names of the series that are drawn with median and quartiles.
        front: the points that are marked, as ``search.results.marked_front`` gives them.
        pair: the objectives of both axes.
        dark: whether the figure stands on the dark background.
        spread: whether the best and the worst surfaces are drawn.
        published: whether the published runs' medians are drawn.
        selected: hash of the cell whose card is open.
    """
    x, y = (_metric(found, key) for key in pair)
    places = [found.setting.objectives.index(key) for key in pair]
    series = [found.named(name) for name in chosen]
    window = _window(series, places)
    traces: list[go.Scatter] = []
    for each in series:
        traces += _surfaces(each, places, window, found, dark, spread)
    if published:
        for each in found.published:
            traces += _surfaces(each, places, window, found, dark, False)
    truth = found.truth.front[list(pair)].to_numpy(np.float64)
    border = attainment.surface([truth], 1)
    traces.append(
        go.Scatter(
            x=border[:, 0],
            y=border[:, 1],
            mode="lines",
            name=f"true front of {found.setting.space}",
            line={"color": palette(dark).muted, "width": 1.5, "dash": "2px,2px", "shape": "hv"},
            hoverinfo="skip",
        )
    )
    hashes: dict[int, tuple[str, ...]] = {}
    provenances = np.array(weakest(front, (x, y)), object)
    plain = (front["role"] == "").to_numpy(bool)
    hues = np.array([KNEE if "rk" in role else EXTREMES if role else palette(dark).text for role in front["role"]])
    for chosen_, size, name in ((plain, 7, f"front found ({len(front)})"), (~plain, 13, "marks")):
        rows = front[chosen_]
        if rows.empty:
            continue
        hashes[len(traces)] = tuple(rows["hash"])
        trace = go.Scatter(
            x=rows[x.key],
            y=rows[y.key],
            mode="markers",
            name=name,
            showlegend=bool(size < 10),
            marker=_markers(provenances[chosen_], hues[chosen_], size, dark),
            error_x=_whiskers(rows, x.key, dark),
            error_y=_whiskers(rows, y.key, dark),
            hovertext=hover(rows, found.metrics),
            hovertemplate="%{hovertext}<extra></extra>",
            unselected={"marker": {"opacity": 1}, "textfont": {"color": palette(dark).text}},
            cliponaxis=False,
        )
        if size > 10:
            trace.update(
                mode="markers+text",
                text=[f"<b>{role}</b>" for role in rows["role"]],
                textposition=["bottom left" if "r1" in role else "top right" for role in rows["role"]],
                textfont={"size": 13, "color": palette(dark).text},
            )
        traces.append(trace)
    opened = front[front["hash"] == selected]
    if len(opened):
        hashes[len(traces)] = tuple(opened["hash"])
        traces.append(_ring(opened[x.key], opened[y.key], "open cell"))
    figure = go.Figure(traces, layout(dark, _PLANE) | {"dragmode": "pan", "margin": _MARGIN})
    figure.update_layout(
        xaxis={**axis(x.label, x.unit, x.log), "showgrid": True},
        yaxis={**axis(y.label, y.unit, y.log), "showgrid": True},
    )
    return Plane(figure, hashes)


def growth_headline(found: Results) -> str:
    """How soon each algorithm's median reaches a share of the true front's hypervolume that the best one reaches."""
    medians = {each.name: convergence.bands(each.trials, found.truth.reference) for each in found.own}
    best = medians[found.ranking[0]]["median"].iloc[-1] / found.truth.hypervolume
    target = next((share for share in _TARGETS if share <= best), None)
    if target is None:
        return f"{found.ranking[0]} reaches {format_percent(best)} of the true front's hypervolume, the most of all."
    there = {}
    for name in found.ranking:
        rows = medians[name]
        made = rows.loc[rows["median"] >= target * found.truth.hypervolume, "evaluation"] + 1
        there[name] = int(made.iloc[0]) if len(made) else None
    (first, soonest), *others = sorted(there.items(), key=lambda item: (item[1] is None, item[1] or 0))
    told = [
        f"{name} never does" if count is None else f"{name} after {format_quantity(count, digits=None)}"
        for name, count in others
    ]
    return (
        f"{first}'s median trial has {format_percent(target, 0)} of the true front's hypervolume after "
        f"{format_quantity(soonest, digits=None)} evaluations{''.join(f', {each}' for each in told)}."
    )


def growth(found: Results, chosen: Sequence[str], published: bool, dark: bool) -> go.Figure:
    """The hypervolume after each evaluation, as a share of the true front's: medians, and quartiles as bands."""
    series = [found.named(name) for name in chosen]
    end = max(int(trial.evaluation.max()) + 1 for each in series for trial in each.trials)
    whole = found.truth.hypervolume
    figure = go.Figure(layout=layout(dark, _LOW) | {"margin": _MARGIN})
    lowest = 1.0
    for each in [*series, *(found.published if published else ())]:
        spread = convergence.bands([_until(trial, end) for trial in each.trials], found.truth.reference)
        made, own, shown = spread["evaluation"] + 1, color(each.algorithm, dark), _shown(each.name)
        if each.kind != "published":
            for level, fill in (("first_quartile", "none"), ("third_quartile", "tonexty")):
                figure.add_scatter(
                    x=made,
                    y=spread[level] / whole,
                    mode="lines",
                    line={"width": 0, "shape": "hv"},
                    fill=fill,
                    fillcolor=_faint(own),
                    hoverinfo="skip",
                    showlegend=False,
                    legendgroup=each.name,
                )
            early = spread[made >= _SETTLED * end]
            lowest = min(lowest, float((early if len(early) else spread)["first_quartile"].iloc[0]) / whole)
        figure.add_scatter(
            x=made,
            y=spread["median"] / whole,
            mode="lines",
            name=shown,
            legendgroup=each.name,
            line=_line(each, found, dark) | {"shape": "hv"},
            customdata=spread["trials"],
            hovertemplate=f"{shown}: %{{y:.2%}} after %{{x}} evaluations, median of %{{customdata}}<extra></extra>",
        )
    figure.add_hline(1.0, line={"color": palette(dark).muted, "width": 1, "dash": "dot"})
    pad = 0.05 * max(1 - lowest, 0.01)
    figure.update_layout(
        showlegend=True,
        xaxis={**axis("Evaluations of a trial"), "range": [0, 1.02 * end]},
        yaxis={
            **axis("Hypervolume, share of the true front's"),
            "range": [lowest - pad, 1 + pad],
            "tickformat": ".4~p",
            "showgrid": True,
        },
    )
    return figure


def reached(found: Results, volumes: Mapping[str, npt.NDArray[np.float64]], dark: bool) -> go.Figure:
    """The hypervolume that each trial reached, a dot a trial and a bar at the median, as shares of the true front's."""
    figure = go.Figure(layout=layout(dark, max(_LOW, 70 + _STRIP * len(volumes))) | {"margin": {**_MARGIN, "l": 8}})
    for name, reached_ in volumes.items():
        each = found.named(name)
        shares = reached_ / found.truth.hypervolume
        shown = _shown(name)
        own = color(each.algorithm, dark)
        mark = {
            "color": _faint(own, 0.6) if each.kind != "published" else "rgba(0,0,0,0)",
            "size": 9,
            "line": {"color": own, "width": 1},
        }
        figure.add_scatter(
            x=shares,
            y=[shown] * len(shares),
            mode="markers",
            marker=mark,
            showlegend=False,
            name=shown,
            customdata=[trial.trial + 1 for trial in each.trials],
            hovertemplate=f"{shown}, trial %{{customdata}}: %{{x:.2%}}<extra></extra>",
        )
        figure.add_scatter(
            x=[float(np.median(shares))],
            y=[shown],
            mode="markers",
            showlegend=False,
            name=f"median of {shown}",
            marker={"symbol": "line-ns", "size": 20, "line": {"color": own, "width": 3}},
            hovertemplate=f"{shown}, median: %{{x:.2%}}<extra></extra>",
        )
    figure.update_layout(
        xaxis={**axis("Reached hypervolume, share of the true front's"), "tickformat": ".4~p", "showgrid": True},
        yaxis={"autorange": "reversed", "showline": False, "ticks": "", "fixedrange": True},
    )
    return figure


def describe_reached(volumes: Mapping[str, npt.NDArray[np.float64]], whole: float) -> str:
    """The picture of ``reached`` in words.

    Args:
        volumes: hypervolumes of each algorithm's trials.
        whole: hypervolume of the true front.
    """
    told = [
        f"{name} {format_percent(float(np.median(each)) / whole, 2)} (from {format_percent(each.min() / whole, 2)} to "
        f"{format_percent(each.max() / whole, 2)})"
        for name, each in volumes.items()
    ]
    return f"Of the true front's hypervolume the trials reach, as median: {', '.join(told)}"


def differences(found: Results, a: str, b: str, pair: Sequence[str]) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Where the trials of two series differ in what they reach, in the plane of two objectives.

    Returns:
        The rectangles of ``analysis.attainment.difference`` and the attainment surfaces of each of the two.
    """
    places = [found.setting.objectives.index(key) for key in pair]
    both = [found.named(name) for name in (a, b)]
    window = _window(both, places)
    points = [[trial.points[trial.feasible][:, places] for trial in each.trials] for each in both]
    return attainment.difference(points[0], points[1], window), [attainment.surfaces(own, window) for own in points]


def difference(found: Results, a: str, b: str, pair: Sequence[str], dark: bool) -> go.Figure:
    """Where the trials of one series reach more often than those of another, in the plane of two objectives.

    Every place is in the colour of the series that reaches it more often, the stronger the greater the difference of
    the shares of trials; the medians of both are drawn over it.
    """
    x, y = (_metric(found, key) for key in pair)
    areas, lines = differences(found, a, b, pair)
    both = [found.named(name) for name in (a, b)]
    hues = _hues(both, dark)
    figure = go.Figure(layout=layout(dark, _PLANE) | {"margin": _MARGIN})
    for each, hue, sign in zip(both, hues, (1, -1), strict=True):
        lead = sign * areas["difference"].to_numpy(np.float64)
        for step in range(_STEPS):
            chosen = areas[(lead > step / _STEPS) & (lead <= (step + 1) / _STEPS)]
            if chosen.empty:
                continue
            figure.add_scatter(
                **_rectangles(chosen),
                mode="lines",
                fill="toself",
                line={"width": 0},
                hoverinfo="skip",
                fillcolor=_faint(hue, 0.1 + 0.8 * (step + 1) / _STEPS),
                showlegend=False,
                name=f"{_shown(each.name)} by {step * 100 // _STEPS} to {(step + 1) * 100 // _STEPS} %",
            )
    for each, hue, own in zip(both, hues, lines, strict=True):
        figure.add_scatter(
            **_level(own, "median"),
            mode="lines",
            hoverinfo="skip",
            name=f"{_shown(each.name)}, median",
            line={"color": hue, "width": 2.5},
        )
    figure.update_layout(
        xaxis={**axis(x.label, x.unit, x.log), "showgrid": False},
        yaxis={**axis(y.label, y.unit, y.log), "showgrid": False},
        showlegend=True,
    )
    return figure


def difference_headline(a: str, b: str, areas: pd.DataFrame) -> str:
    """Which of two series reaches more of the plane, and by how much at most.

    Args:
        a: one series.
        b: the other.
        areas: as ``differences`` gives them.
    """
    leads = areas["difference"]
    most, least = (max(0.0, leads.max()), max(0.0, -leads.min())) if len(leads) else (0.0, 0.0)
    parts = [
        f"{name} reaches places in up to {format_fixed(100 * lead, 0)} percentage points more of its trials than "
        f"{other}"
        for name, other, lead in ((a, b, most), (b, a, least))
        if lead > 0
    ]
    if not parts:
        return f"{a} and {b} reach every place with the same share of their trials."
    if len(parts) == 1:
        return f"{parts[0]}, which is nowhere ahead."
    return f"{parts[0]}; elsewhere {b} leads by up to {format_fixed(100 * least, 0)} percentage points."


def guess(front: pd.DataFrame, pair: Sequence[Metric], dark: bool, logarithmic: bool) -> Plane:
    """A front without any mark, to find its knee on.

    Args:
        front: as ``search.results.marked_front`` gives it.
        pair: the objectives of both axes.
        dark: whether the figure stands on the dark background.
        logarithmic: whether the axes are logarithmic; the rules look at linear ones.
    """
    x, y = pair
    trace = go.Scatter(
        x=front[x.key],
        y=front[y.key],
        mode="lines+markers",
        showlegend=False,
        name="front",
        line={"color": palette(dark).muted, "width": 1, "shape": "hv"},
        marker={"color": palette(dark).text, "size": 10, "line": {"color": palette(dark).paper, "width": 1}},
        unselected={"marker": {"opacity": 1}},
        hovertemplate=f"{x.label} %{{x:.4g}} {x.unit}<br>{y.label} %{{y:.4f}}<extra></extra>",
    )
    figure = go.Figure(trace, layout(dark, _PLANE) | {"margin": {**_MARGIN, "t": 16}, "dragmode": "pan"})
    figure.update_layout(
        xaxis={**axis(x.label, x.unit, logarithmic and x.log), "showgrid": True},
        yaxis={**axis(y.label, y.unit, logarithmic and y.log), "showgrid": True},
    )
    return Plane(figure, {0: tuple(front["hash"])})


def revealed(
    front: pd.DataFrame,
    guessed: int,
    answers: Mapping[str, int | None],
    pair: Sequence[Metric],
    dark: bool,
    logarithmic: bool,
) -> Plane:
    """The same front with the guess, each rule's knee and, on linear axes, the chord between the extremes.

    Args:
        front: as ``search.results.marked_front`` gives it.
        guessed: position of the point that was clicked.
        answers: rule to the position of its knee.
        pair: the objectives of both axes.
        dark: whether the figure stands on the dark background.
        logarithmic: whether the axes are logarithmic.
    """
    drawn = guess(front, pair, dark, logarithmic)
    figure, (x, y) = drawn.figure, pair
    if not logarithmic:
        ends = front.iloc[[0, -1]]
        figure.add_scatter(
            x=ends[x.key],
            y=ends[y.key],
            mode="lines",
            name="chord",
            hoverinfo="skip",
            line={"color": palette(dark).muted, "width": 1, "dash": "dash"},
        )
    named: dict[int, list[str]] = {}
    for rule, place in answers.items():
        if place is not None:
            named.setdefault(place, []).append(RULES[rule].split(" (")[0].lower())
    chosen = front.iloc[list(named)]
    figure.add_scatter(
        x=chosen[x.key],
        y=chosen[y.key],
        mode="markers+text",
        showlegend=False,
        name="knees",
        text=[f"<b>{', '.join(rules)}</b>" for rules in named.values()],
        textposition="top right",
        cliponaxis=False,
        textfont={"size": 13, "color": palette(dark).text},
        marker=marker("measured", KNEE, dark, 15),
        hoverinfo="skip",
    )
    figure.add_trace(_ring(front[x.key].iloc[[guessed]], front[y.key].iloc[[guessed]], "your guess"))
    figure.update_traces(
        selector={"name": "your guess"},
        mode="markers+text",
        text=["your guess"],
        cliponaxis=False,
        textposition="bottom right",
        textfont={"size": 13, "color": palette(dark).text},
    )
    return drawn


def role_names(metrics: Sequence[Metric]) -> dict[str, str]:
    """What the extremes and the knee of a front are, such as "least energy"."""
    named = {
        f"r{place}": f"best {each.label.lower().replace('error', 'accuracy')}"
        if each.key.endswith("error")
        else f"least {each.label.lower()}"
        for place, each in enumerate(metrics)
    }
    return {"r0": named["r0"], "rk": "knee"} | named


def radar(lengths: pd.DataFrame, names: Sequence[str], metrics: Sequence[Metric], dark: bool) -> go.Figure:
    """Extremes and knee on the axes of Table 1: one radar a series, from 0 at the centre to the largest at the rim.

    Args:
        lengths: as ``analysis.radar.radar`` gives it, with ``name`` for the series.
        names: the series that are drawn, one or two.
        metrics: the objectives, which the points are named by.
        dark: whether the figure stands on the dark background.
    """
    told = role_names(metrics)
    titles = [_shown(name) for name in names] if len(names) > 1 else None
    hues = {"r0": EXTREMES, "rk": KNEE, "r1": EXTREMES, "r2": palette(dark).muted}
    figure = make_subplots(
        rows=len(names),
        specs=[[{"type": "polar"}]] * len(names),
        subplot_titles=titles,
        vertical_spacing=0.24,
    )
    for row, name in enumerate(names, 1):
        own = lengths[lengths["name"] == name]
        for point, rows in sorted(own.groupby("point"), key=lambda group: list(told).index(str(group[0]))):
            hue = hues[str(point)]
            closed = pd.concat([rows, rows.iloc[:1]])
            figure.add_scatterpolar(
                r=closed["length"],
                theta=[_axis_name(key) for key in closed["metric"]],
                mode="lines+markers",
                name=f"{point} {told[str(point)]}",
                legendgroup=str(point),
                showlegend=row == 1,
                line={"color": hue, "width": 2, "dash": "dot" if point == "r0" else "solid"},
                marker={"size": 6},
                customdata=closed["mean"],
                hovertemplate=f"{point}: %{{theta}} %{{customdata:.4g}}<extra></extra>",
                row=row,
                col=1,
            )
    figure.update_layout(layout(dark, _RADAR * len(names)) | {"margin": {"l": 70, "r": 82, "t": 112, "b": 36}})
    figure.update_polars(
        bgcolor="rgba(0,0,0,0)",
        radialaxis={
            "range": [0, 1.02],
            "tickvals": [0.5, 1],
            "showticklabels": False,
            "gridcolor": palette(dark).grid,
            "showline": False,
            "ticks": "",
        },
        angularaxis={
            "rotation": 90,
            "direction": "clockwise",
            "categoryarray": [_axis_name(key) for key in AXES],
            "gridcolor": palette(dark).grid,
            "linecolor": palette(dark).muted,
            "tickfont": {"size": 12, "color": palette(dark).text},
        },
    )
    figure.update_annotations(yshift=34, font={"size": 14})
    return figure


def _axis_name(key: str) -> str:
    return AXES[key].replace(" (", "<br>(").replace("validation ", "validation<br>")


def radar_headline(table: pd.DataFrame, name: str) -> str:
    """What the knee keeps of the best accuracy, and for which share of its energy.

    Args:
        table: rows of one series, as ``analysis.table1.summarise`` gives them, with ``name``.
        name: of the series.
    """
    means = table[table["name"] == name].set_index(["point", "metric"])["mean"]
    kept = {
        metric: means.get(("rk", metric), np.nan) / means.get(("r1", metric), np.nan)
        for metric in ("validation_accuracy", "energy_kwh")
    }
    if any(np.isnan(share) for share in kept.values()):
        return f"{name}: no trial has a knee, so extremes alone are shown."
    return (
        f"{name}: the knee keeps {format_percent(kept['validation_accuracy'], 0)} of the best accuracy for "
        f"{format_percent(kept['energy_kwh'], 0)} of its energy, on average over the trials."
    )


def table_rows(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Table 1 for people: a row a series and point, below it what the paper prints and where that differs.

    Args:
        table: as ``analysis.table1.beside_printed`` gives it, with ``name``.

    Returns:
        The heads and the rows, all text.
    """
    marked = bool(table["artefacts"].any())
    head = ["", "Trials", *(METRIC_HEADS[key] for key in METRICS), *["Artefacts"] * marked]
    rows = []
    for (name, point), members in table.groupby(["name", "point"], sort=False):
        cells = {row["metric"]: row for row in members.to_dict("records")}
        first = cells["energy_kwh"]
        rows.append(
            [
                f"{name} {point}",
                str(first["trials"]),
                *(_spread(cells[key], "mean", "std", key) for key in METRICS),
                *[str(first["artefacts"] or "")] * marked,
            ]
        )
        if first["printed_mean"] == first["printed_mean"]:
            below = {"  in the paper": [_spread(cells[key], "printed_mean", "printed_std", "") for key in METRICS]}
            apart = [_apart(cells[key], key) for key in METRICS]
            if any(apart):
                below["  difference"] = apart
            rows += [[name, "", *texts, *[""] * marked] for name, texts in below.items()]
    return head, rows


def _apart(cell: Mapping[str, Any], metric: str) -> str:
    """How far a number is from the paper's, where they differ in the printed digits."""
    if cell["verdict"] != "differs":
        return ""
    mean, std = (format_fixed(cell[f"difference_{kind}"], _DIGITS.get(metric, 2), True) for kind in ("mean", "std"))
    return f"{mean}, {std}"


def _spread(cell: Mapping[str, Any], mean: str, std: str, metric: str) -> str:
    digits = _DIGITS.get(metric, 2)
    if cell[mean] != cell[mean]:
        return UNKNOWN
    return f"{format_fixed(cell[mean], digits)} ± {format_fixed(cell[std], digits)}"


def energy_bars(search_kwh: float, training_kwh: float, dark: bool) -> go.Figure:
    """What the search took beside what the trainings would take, on a logarithmic axis."""
    bars = [("Training for real", training_kwh, EXTREMES), ("This search, assumed", search_kwh, KNEE)]
    figure = go.Figure(layout=layout(dark, 170) | {"margin": {"l": 8, "r": 90, "t": 8, "b": 44}, "bargap": 0.35})
    for name, kwh, hue in bars:
        figure.add_bar(
            x=[kwh],
            y=[name],
            orientation="h",
            marker={"color": hue, "line": {"width": 0}},
            showlegend=False,
            name=name,
            text=[amount(kwh)],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    low = min(kwh for _, kwh, _ in bars)
    figure.update_layout(
        xaxis={
            **axis("Energy", "kWh", log=True),
            "nticks": 6,
            "range": [np.floor(np.log10(low)) - 0.5, np.log10(training_kwh) + 0.3],
        },
        yaxis={"autorange": "reversed", "showline": False, "ticks": "", "fixedrange": True},
    )
    return figure


def energy_headline(search_kwh: float, training_kwh: float) -> str:
    """How many times the search goes into the training of what it asked for."""
    return (
        f"Training for real what this study asked for would take {amount(training_kwh)}: "
        f"{times(training_kwh / search_kwh)} what the search took."
    )


def verdict(guessed: int, answers: Mapping[str, int | None], points: npt.NDArray[np.float64]) -> str:
    """How a guess of the knee compares with the rules.

    Args:
        guessed: position of the point.
        answers: rule to the position of its knee.
        points: the front, shape (n, 2).
    """
    hit = [RULES[rule].split(" (")[0].lower() for rule, place in answers.items() if place == guessed]
    if hit:
        return f"That is the knee by {' and by '.join(hit)}."
    chord = answers["chord"]
    if chord is None:
        return "This front has no knee: no point lies below the line between its extremes."
    apart = abs(chord - guessed)
    return (
        f"The paper's knee is {apart} point{'s' * (apart > 1)} away, at a distance of "
        f"{format_fixed(distance(points, guessed, chord), 3)}: you would spend {'more' if guessed > chord else 'less'}."
    )


def radar_axes(lengths: pd.DataFrame) -> str:
    """What the radar's axes are and how they are scaled."""
    rims = lengths.drop_duplicates("metric").set_index("metric")["largest"]
    told = [f"{AXES[key]} {format_quantity(rims[key], digits=3)}" for key in AXES if key in rims.index]
    return (
        f"Every axis runs linearly from 0 at the centre to the largest mean shown, at the rim: {', '.join(told)}. On "
        "all but accuracy less is better. How the paper scales the axes of its Figure 4 is not told and could not be "
        "reproduced, so the shapes are not comparable with it; the numbers are, those of Table 1."
    )


def table_note(table: pd.DataFrame, epochs: int | None = None) -> str:
    """What Table 1 holds, and how far it can be set beside the paper's.

    Args:
        table: as ``analysis.table1.beside_printed`` gives it.
        epochs: the only budget of the study in it; None for all.
    """
    told = ["Mean ± population standard deviation over the trials of each trial's own extremes and knee (chord)."]
    of_authors = table["study"] == PUBLISHED
    if epochs is not None and of_authors.any():
        told.append(
            f"The published searches and the paper pool all budgets, this study takes {epochs} epochs alone: their "
            "numbers are not to be compared with the study's."
        )
    checked = table[table["printed_mean"].notna() & of_authors]
    if len(checked):
        agree = int((checked["verdict"] == "agrees").sum())
        told.append(
            f"Of the {len(checked)} numbers that the paper prints for its searches {agree} are those of the published "
            "runs to the printed digits; of its ten trials of SEMOA seven are published."
        )
        told.append("Differences, of the mean and of the deviation, stand where a number is another.")
    if table["mean"].isna().any():
        told.append("A dash stands where a trial's point has no known value.")
    if (table["artefacts"] > 0).any():
        told.append(
            "Artefacts: in so many trials the point is a cell whose published surrogate energy no training can be "
            "believed to take; the paper's r0 is one of them."
        )
    return " ".join(told)


def card_metrics(found: Results) -> tuple[Metric, ...]:
    """What a small card of a cell tells: the objectives, then what else a user asks for."""
    more = (metric(key, found.setting.lens) for key in _ON_CARD)
    keys = {each.key for each in found.metrics}
    return (*found.metrics, *(each for each in more if each.key not in keys))


def weakest(points: pd.DataFrame, metrics: Sequence[Metric]) -> list[Any]:
    """For each point the provenance that its place rests on: the weakest of its metrics'."""
    columns = [each.provenance for each in metrics if each.provenance]
    return [
        max((told for told in row if isinstance(told, str)), key=_WEAKEST_LAST.index, default="measured")
        for row in points[columns].itertuples(index=False)
    ]


def hover(points: pd.DataFrame, metrics: Sequence[Metric]) -> list[str]:
    """What hovering over a cell tells: what it is, its objectives, and where they are from."""
    texts = []
    for row in points.to_dict("records"):
        lines = [f"<b>{row['hash'][:8]}</b>, {int(row['epochs'])} epochs"]
        lines.append(Cell.from_bits(row["vertices"], row["edge_bits"], row["ops"]).to_text())
        for each in metrics:
            source = row[each.provenance] if each.provenance else None
            between = (
                ""
                if pd.isna(low := row[f"{each.key}_low"])
                else (f", 90 % interval {value(each, low)} to {value(each, row[f'{each.key}_high'])}")
            )
            lines.append(f"{each.label} {value(each, row[each.key])}" + (f", {source}{between}" if source else ""))
        if row["artefact"]:
            lines.append("its surrogate energy is an artefact")
        texts.append("<br>".join(lines))
    return texts


def provenance_note(front: pd.DataFrame, metrics: Sequence[Metric]) -> str:
    """What the values of a front rest on, and how much of it on predictions.

    Args:
        front: as ``search.results.marked_front`` gives it.
        metrics: the objectives.
    """
    parts = []
    columns = {each.provenance: each for each in metrics if each.provenance}
    for column, what in _PROVENANCES.items():
        if column in columns:
            counts = front[column].dropna().value_counts()
            kinds = [name if len(counts) == 1 else f"{number} {name}" for name, number in counts.items()]
            parts.append(f"{what} {' and '.join(kinds)}")
    if not parts:
        return "The front's values are those of the cells themselves."
    note = f"The front's {', its '.join(parts)}."
    rests = front[list(columns)].eq("predicted").any(axis=1)
    if rests.any():
        verb = "rests" if rests.sum() == 1 else "rest"
        knee = ", the knee among them" if front.loc[rests, "role"].str.contains("rk").any() else ""
        note += f" {rests.sum()} of its points {verb} on predictions{knee}: open triangles, with their 90 % intervals."
    return note


def _surfaces(
    each: Series, places: Sequence[int], window: Sequence[float], found: Results, dark: bool, spread: bool
) -> list[go.Scatter]:
    lines = attainment.surfaces([trial.points[trial.feasible][:, places] for trial in each.trials], window)
    own = color(each.algorithm, dark)
    traces = []
    first, third = _level(lines, "first_quartile"), _level(lines, "third_quartile")
    if each.kind != "published" and len(each.trials) > 2 and len(first["x"]) and len(third["x"]):
        traces.append(
            go.Scatter(
                x=np.concatenate([first["x"], third["x"][::-1]]),
                y=np.concatenate([first["y"], third["y"][::-1]]),
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillcolor=_faint(own),
                hoverinfo="skip",
                showlegend=False,
                legendgroup=each.name,
                name=f"{_shown(each.name)}, quartiles",
            )
        )
    median = _level(lines, "median")
    if len(median["x"]):
        traces.append(
            go.Scatter(
                **median,
                mode="lines",
                name=_shown(each.name),
                legendgroup=each.name,
                hoverinfo="skip",
                line=_line(each, found, dark),
            )
        )
    if spread and len(each.trials) > 1:
        for level in ("best", "worst"):
            traces.append(
                go.Scatter(
                    **_level(lines, level),
                    mode="lines",
                    name=f"{_shown(each.name)}, {level}",
                    legendgroup=each.name,
                    showlegend=False,
                    hoverinfo="skip",
                    line={"color": own, "width": 1, "dash": "dot"},
                )
            )
    return traces


def _shown(name: str) -> str:
    """A name that a user may have chosen, for Plotly, which takes tags for tags."""
    return escape(name, quote=False)


def _until(trial: Trial, end: int) -> Trial:
    """The first evaluations of a trial."""
    kept = int(np.searchsorted(trial.evaluation, end))
    cut = {name: getattr(trial, name)[:kept] for name in ("evaluation", "points", "rows")}
    return replace(trial, **cut)


def _window(series: Sequence[Series], places: Sequence[int]) -> tuple[float, ...]:
    """Where the lines of a picture end: beyond the worst of any front."""
    worst = reference_point([trial for each in series for trial in each.trials])
    return tuple(worst[place] for place in places)


def _line(each: Series, found: Results, dark: bool) -> dict[str, Any]:
    """The hue is the algorithm's, the dash tells whose runs they are."""
    own = color(each.algorithm, dark)
    if each.kind == "published":
        return {"color": own, "width": 1.5, "dash": "dash"}
    studies = list(dict.fromkeys(other.study for other in found.own))
    return {"color": own, "width": 2, "dash": _DASHES[studies.index(each.study) % len(_DASHES)]}


def _hues(both: Sequence[Series], dark: bool) -> list[str]:
    hues = [color(each.algorithm, dark) for each in both]
    return hues if hues[0] != hues[1] else [hues[0], SELECTION]


def _level(lines: pd.DataFrame, level: str) -> dict[str, npt.NDArray[np.float64]]:
    chosen = lines[lines["level"] == level]
    return {name: chosen[name].to_numpy(np.float64) for name in ("x", "y")}


def _rectangles(areas: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """Rectangles as one closed line each, with gaps between them."""
    corners = {
        "x": ("x_low", "x_high", "x_high", "x_low", "x_low"),
        "y": ("y_low", "y_low", "y_high", "y_high", "y_low"),
    }
    gap = np.full(len(areas), np.nan)
    return {
        name: np.column_stack([*(areas[column].to_numpy(np.float64) for column in columns), gap]).ravel()
        for name, columns in corners.items()
    }


def _whiskers(rows: pd.DataFrame, key: str, dark: bool) -> dict[str, Any] | None:
    """The 90 % intervals of predicted values as error bars; None where nothing is predicted."""
    low, high = rows[f"{key}_low"], rows[f"{key}_high"]
    if low.isna().all():
        return None
    return {
        "array": high - rows[key],
        "arrayminus": rows[key] - low,
        "color": palette(dark).muted,
        "thickness": 1,
        "width": 2,
    }


def _markers(provenances: npt.NDArray[np.object_], hues: npt.NDArray[np.str_], size: int, dark: bool) -> dict[str, Any]:
    """Markers whose shapes tell where points are from, as ``theme.marker`` draws one of them."""
    each = [marker(provenance, str(hue), dark, size) for provenance, hue in zip(provenances, hues, strict=True)]
    lines = [one["line"] for one in each]
    return {
        "symbol": [one["symbol"] for one in each],
        "color": [one["color"] for one in each],
        "size": size,
        "line": {"color": [line["color"] for line in lines], "width": [line["width"] for line in lines]},
    }


def _ring(x: pd.Series, y: pd.Series, name: str) -> go.Scatter:
    ring = {"symbol": "circle-open", "size": 20, "color": SELECTION, "line": {"color": SELECTION, "width": 2.5}}
    return go.Scatter(x=x, y=y, mode="markers", name=name, marker=ring, hoverinfo="skip", showlegend=False)


def _metric(found: Results, key: str) -> Metric:
    return next(each for each in found.metrics if each.key == key)


def _pair(a: str, b: str, pairs: pd.DataFrame) -> tuple[pd.Series, bool]:
    """The comparison of two series, and whether it is the other way round."""
    straight = pairs[(pairs["a"] == a) & (pairs["b"] == b)]
    if len(straight):
        return straight.iloc[0], False
    return pairs[(pairs["a"] == b) & (pairs["b"] == a)].iloc[0], True


def _faint(own: str, opacity: float = _BAND) -> str:
    red, green, blue = (int(own[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
