"""The figures of the Measure page, and its numbers in words."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from msgspec import structs
from plotly.subplots import make_subplots

from ecnas_core.analysis import benchmark_reference
from ecnas_core.analysis.hardware import IMAGES_PER_EPOCH, OFFICIAL_DEVICES
from ecnas_core.analysis.rank import kendall_tau
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.carbon import Lens, Scope
from ecnas_core.figures.hardware import DEVICES, OWN_DEVICES
from ecnas_core.figures.theme import (
    SELECTION,
    axis,
    format_fixed,
    format_percent,
    format_prefixed,
    format_quantity,
    layout,
    marker,
    mix,
    palette,
    template,
)
from ecnas_core.measure.counters import Component
from ecnas_core.measure.record import FLAGS, Measurement
from ecnas_core.measure.runs import Repeated, Status

PHASES: Final = {
    "build": "Start",
    "idle": "Idle before",
    "warm-up": "Warm up",
    "calibrate": "Calibrate",
    "repeat": "Repeats",
    "settle": "Settle",
    "idle after": "Idle after",
}
MODES: Final = {"train": "Training step", "inference": "Inference"}
SCOPES: Final[dict[Scope, str]] = {"facility": "Facility", "IT": "IT", "GPU": "GPU"}
_COMPONENTS: Final[dict[Component, str]] = {"gpu": "GPU", "cpu": "CPU"}
_LIVE, _REPEATS, _ROW, _DEVICE = 250, 250, 34, 360
_SPACE: Final = "\u00a0"
_LEAST_SHARE: Final = 0.04
_UNITS: Final = (("h", 3600.0), ("min", 60.0))
_ALIKE: Final = 0.5
_DOUBTS: Final = ("unstable", "busy", "slowed", "quick")


@dataclass(frozen=True)
class Stage:
    """One phase of the timeline.

    Attributes:
        label: its name for the eye.
        state: whether it is over.
        seconds: how long it took, has taken, or is to take, in words.
        share: which share of it is over, 0 to 1.
        weight: its planned share of the whole, for its width.
    """

    label: str
    state: Literal["done", "present", "to come"]
    seconds: str
    share: float
    weight: float


def stages(status: Status) -> list[Stage]:
    """The phases of the cell that is measured.

    Args:
        status: of the run.
    """
    total = sum(phase.planned_s for phase in status.phases)
    shown = []
    for phase in status.phases:
        weight = max(_LEAST_SHARE, phase.planned_s / total)
        label = PHASES[phase.name]
        if phase.began is None:
            shown.append(Stage(label, "to come", short(phase.planned_s) if phase.planned_s else "", 0.0, weight))
        elif phase.ended is not None:
            shown.append(Stage(label, "done", short(phase.ended - phase.began), 1.0, weight))
        else:
            passed = max(0.0, status.elapsed_s - phase.began)
            known = 0 < passed <= phase.planned_s
            told = f"{format_quantity(passed, digits=None)} of {short(phase.planned_s)}" if known else short(passed)
            share = min(1.0, passed / phase.planned_s) if phase.planned_s else 0.0
            shown.append(Stage(label, "present", told, share, weight))
    return shown


def short(seconds: float) -> str:
    """A length of a phase for the eye."""
    return f"{format_fixed(seconds, 1 if seconds < 9.95 else 0)}\u00a0s"


def wait(seconds: float) -> str:
    """A time for the eye: in h or min from two of them on, else in s."""
    unit, length = next(((unit, length) for unit, length in _UNITS if seconds >= 2 * length), ("s", 1.0))
    return format_quantity(seconds / length, unit, None if seconds / length >= 9.5 else 2)


def describe_live(status: Status) -> str:
    """What ``live`` shows at last, in one sentence.

    Args:
        status: of the run, with a sample at least.
    """
    last = status.samples[-1]
    parts = [
        f"{name} unknown" if value is None else f"{name} {value:.0f}\u00a0{unit}"
        for name, value, unit in (("power", last.power_w, "W"), ("temperature", last.temperature_c, "°C"))
    ]
    return f"The GPU after {last.t:.0f}\u00a0s: {', '.join(parts)}."


def live(status: Status, dark: bool) -> go.Figure:
    """Power and temperature of the GPU since the measurement of the cell began, the repeats shaded.

    Args:
        status: of the run.
        dark: whether the figure stands on the dark background.
    """
    colors = palette(dark)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.62, 0.38])
    times = [sample.t for sample in status.samples]
    for row, (name, unit, key, color) in enumerate(
        (("Power", "W", "power_w", colors.accent), ("Temp.", "°C", "temperature_c", OWN_DEVICES[3])), start=1
    ):
        figure.add_trace(
            go.Scatter(
                x=times,
                y=[getattr(sample, key) for sample in status.samples],
                mode="lines",
                name=name,
                line={"color": color, "width": 2},
                hovertemplate=f"%{{y:.0f}} {unit} at %{{x:.0f}} s<extra></extra>",
            ),
            row=row,
            col=1,
        )
        figure.update_yaxes(
            title_text=f"{name} ({unit})", nticks=4, rangemode="tozero" if row == 1 else "normal", row=row, col=1
        )
    _shade(figure, status, mix(colors.accent, colors.paper, 0.14))
    end = max(status.elapsed_s, *(phase.began or 0.0 for phase in status.phases), 1.0)
    figure.update_xaxes(range=[0, end], showgrid=False)
    figure.update_xaxes(title_text="s since the start", row=2, col=1)
    figure.update_layout(
        template=template(dark), height=_LIVE, showlegend=False, margin={"l": 56, "r": 8, "t": 8, "b": 40}
    )
    return figure


def _shade(figure: go.Figure, status: Status, color: str) -> None:
    for phase in status.phases:
        if phase.name == "repeat" and phase.began is not None:
            figure.add_vrect(
                x0=phase.began, x1=phase.ended or status.elapsed_s, fillcolor=color, line_width=0, layer="below"
            )


def repeats(rows: Sequence[Repeated], of: int, dark: bool) -> go.Figure:
    """The repeats as dots with their mean: J a step of every counter, or s a step where nothing counts.

    Args:
        rows: those that are over.
        of: how many there will be.
        dark: whether the figure stands on the dark background.
    """
    colors, figure = palette(dark), go.Figure()
    numbers = [row.repeat for row in rows]
    series, unit = _series(rows)
    for place, (name, values) in enumerate(series.items()):
        color = colors.accent if place == 0 else OWN_DEVICES[place % len(OWN_DEVICES)]
        mean = statistics.fmean(values)
        figure.add_trace(
            go.Scatter(
                x=[0.5, of + 0.5],
                y=[mean, mean],
                mode="lines",
                name=f"{name}, mean",
                showlegend=False,
                hoverinfo="skip",
                line={"color": color, "width": 1.5, "dash": "dot"},
            )
        )
        figure.add_trace(
            go.Scatter(
                x=numbers,
                y=values,
                mode="markers",
                name=name,
                marker=marker("measured", color, dark, 9),
                hovertemplate=f"{name}, repeat %{{x}}: %{{y:.4g}} {unit} a step<extra></extra>",
            )
        )
    figure.update_layout(
        **layout(dark, _REPEATS),
        showlegend=len(series) > 1,
        margin={"l": 64, "r": 8, "t": 32 if len(series) > 1 else 8, "b": 40},
        xaxis={
            **axis("Repeat"),
            "range": [0.5, of + 0.5],
            "dtick": 1 if of <= 12 else 5,
            "tick0": 0,
            "showgrid": False,
        },
        yaxis={**axis(f"{unit} a step"), "nticks": 5},
    )
    if not rows:
        figure.update_yaxes(showticklabels=False, ticks="", range=[0, 1])
        figure.add_annotation(
            text="one dot a repeat, after the warm-up",
            showarrow=False,
            xref="paper",
            yref="paper",
            x=0.5,
            y=0.5,
            font={"color": colors.muted, "size": 13},
        )
    return figure


def _series(rows: Sequence[Repeated]) -> tuple[dict[str, list[float]], str]:
    """What is plotted by name, and its unit."""
    counters = dict.fromkeys(name for row in rows for name in row.joules_per_step)
    if counters:
        return {name: [row.joules_per_step[name] for row in rows] for name in counters}, "J"
    return ({"time": [row.seconds_per_step for row in rows]} if rows else {}), "s"


def spread(rows: Sequence[Repeated]) -> str:
    """By how much the repeats vary so far: the coefficient of variation; nothing before there are two."""
    values = next(iter(_series(rows)[0].values()), [])
    if len(values) < 2:
        return ""
    return format_percent(statistics.stdev(values) / statistics.fmean(values))


def energy(measured: Measurement, lens: Lens, epochs: int) -> float | None:
    """The measured step's energy scaled up to a training, in the lens's unit; None where its scope is not known."""
    return benchmark_reference.value(measured, lens, epochs)


def nearest_supported_lens(lens: Lens, *measured: Measurement) -> Lens | None:
    """The lens, or the one nearest to it whose scope every measurement knows; None where there is none.

    Args:
        lens: as the page has it.
        measured: the measurements.
    """
    scopes: tuple[Scope, ...] = (lens.scope, "GPU", "IT")
    lenses = (structs.replace(lens, scope=scope) for scope in scopes)
    return next((each for each in lenses if all(energy(one, each, 1) is not None for one in measured)), None)


def unknown_scope(measured: Measurement, lens: Lens) -> str:
    """Why the lens's scope cannot be had, and what is shown instead; empty where it can."""
    shown = nearest_supported_lens(lens, measured)
    if shown is None:
        return "No counter told an energy here: the time alone is known."
    if shown.scope == lens.scope:
        return ""
    needed = "No GPU took part" if lens.scope == "GPU" else "The CPU's energy was not measured"
    return f"{needed}, so the scope {SCOPES[lens.scope]} of the lens is not known. Shown is {SCOPES[shown.scope]}."


def quantity(value: float | None, lens: Lens) -> str:
    """An energy or footprint under a lens for the eye: in Wh or gCO2eq, with a prefix where it is far from them."""
    unit, factor = {"kWh": ("Wh", 1000), "Wh": ("Wh", 1), "kgCO2eq": ("gCO2eq", 1000)}[lens.unit]
    number = None if value is None else factor * value
    write = format_quantity if number is not None and 0.01 <= number < 1000 else format_prefixed
    return write(number, unit)


def headline(measured: Measurement, entries: pd.DataFrame, lens: Lens) -> str:
    """What the cell takes on the device, in plain words, and where that lies among the benchmark's devices.

    Args:
        measured: the measurement.
        entries: as ``analysis.benchmark_reference.entries`` gives them under the same lens.
        lens: as ``nearest_supported_lens`` gives it, or any where no energy is known.
    """
    device = f"Your {measured.device}"
    needed = energy(measured, lens, 1)
    images = format_quantity(measured.images_per_epoch, digits=None)
    epoch = "an epoch" if measured.images_per_epoch == IMAGES_PER_EPOCH else f"an epoch of {images} images"
    about, varies = (
        ("", "") if measured.stable else ("about ", f"the repeats vary by {format_percent(variation(measured), 0)}")
    )
    if measured.mode == "inference":
        component: Component = "gpu" if measured.on_gpu else "cpu"
        joules = measured.per_image_j(component)
        seconds = format_prefixed(measured.seconds_per_step / measured.batch_size, "s")
        if joules is None:
            told = f"{device} needs {about}{seconds} to infer an image with this cell{_set_off(varies)}"
            return f"{told}; its energy could not be measured."
        part = "; ".join(filter(None, (f"{_COMPONENTS[component]} alone", varies)))
        told = f"{about}{format_prefixed(joules, 'J')} ({part}) and {seconds}"
        return f"{device} needs {told} to infer an image with this cell."
    if needed is None:
        seconds = wait(measured.seconds_per_epoch)
        told = f"{device} needs {about}{seconds} for {epoch} of this cell{_set_off(varies)}"
        return f"{told}; its energy could not be measured."
    verb = "emits" if lens.unit == "kgCO2eq" else "needs"
    parts = {
        "facility": f"facility energy, PUE {lens.pue:g}",
        "IT": "GPU and CPU" if measured.on_gpu else "CPU alone",
        "GPU": "GPU alone",
    }
    part = "; ".join(filter(None, (parts[lens.scope], varies)))
    told = f"{about}{quantity(needed, lens)} for {epoch} of this cell ({part})"
    return f"{device} {verb} {told}{_place(entries)}."


def _set_off(words: str) -> str:
    return words and f" ({words})"


def variation(measured: Measurement) -> float:
    """The coefficient of variation of what was measured: of the device's energy, of time where that is not known."""
    energy = measured.gpu_energy_cv if measured.on_gpu else measured.cpu_energy_cv
    return measured.seconds_cv if energy is None else energy


def own_epoch(measured: Measurement) -> str:
    """That the measurement's epochs are not the benchmark's, and which counts where; empty where they are alike."""
    if measured.images_per_epoch == IMAGES_PER_EPOCH:
        return ""
    own, common = (format_quantity(each, digits=None) for each in (measured.images_per_epoch, IMAGES_PER_EPOCH))
    return f"An epoch has {own} images here, as measured; beside the benchmark it is brought to the {common} there."


def _place(entries: pd.DataFrame) -> str:
    """Where the measured energy lies among the entries."""
    known = entries.dropna(subset=["ratio"])
    released = known[known["name"].isin(OFFICIAL_DEVICES)].sort_values("value", kind="stable")
    if released.empty:
        if known.empty:
            return ""
        first = known.iloc[0]
        return f", {format_quantity(first['ratio'])} times what the benchmark has ({first['name']})"
    lower, upper = (released[each]["name"] for each in (released["ratio"] >= 1, released["ratio"] < 1))
    if lower.empty:
        return f", less than on the {upper.iloc[0]}, the leanest of the benchmark's GPUs here"
    if upper.empty:
        return f", more than on the {lower.iloc[-1]}, the hungriest of the benchmark's GPUs here"
    return f", between {lower.iloc[-1]} and {upper.iloc[0]}"


def numbers(measured: Measurement) -> list[list[str]]:
    """The figures of a measurement as rows: name, value, 95 % interval, coefficient of variation."""
    rows = []
    for component, name in _COMPONENTS.items():
        column = f"{component}_energy"
        gross, cv = getattr(measured, f"{column}_j_per_step"), getattr(measured, f"{column}_cv")
        if cv is None:
            continue
        ends = [getattr(measured, f"{column}_j_per_step_{end}") for end in ("low", "high")]
        net, power, idle = (
            getattr(measured, f"{component}_{each}") for each in ("net_energy_j_per_step", "power_w", "idle_power_w")
        )
        rows += [
            [f"{name}, a step", format_prefixed(gross, "J"), _interval(ends, "J"), format_percent(cv)],
            [f"{name}, a step, above idle", format_prefixed(net, "J"), "", ""],
            [f"{name}, an image", format_prefixed(measured.per_image_j(component), "J"), "", ""],
            [f"{name}, mean power", format_quantity(power, "W"), "", ""],
            [f"{name}, idle power", format_quantity(idle, "W"), "", ""],
        ]
    if measured.dram_energy_j_per_step is not None:
        rows.append(["Memory (DRAM), a step", format_prefixed(measured.dram_energy_j_per_step, "J"), "", ""])
    ends = [measured.seconds_per_step_low, measured.seconds_per_step_high]
    images = format_quantity(measured.images_per_epoch, digits=None)
    return [
        *rows,
        [
            "Time, a step",
            format_prefixed(measured.seconds_per_step, "s"),
            _interval(ends, "s"),
            format_percent(measured.seconds_cv),
        ],
        [f"Time, an epoch of {images} images", wait(measured.seconds_per_epoch), "", ""],
    ]


def _interval(ends: Sequence[float], unit: str) -> str:
    """Both ends in one unit: with a prefix where they share it."""
    low, high = (format_prefixed(end, unit, 4) for end in ends)
    if low.rpartition(_SPACE)[2] != high.rpartition(_SPACE)[2]:
        low, high = (format_quantity(end, unit, 4) for end in ends)
    return _to(low, high)


def _to(low: str, high: str) -> str:
    """An interval, whose unit is named once where its ends share it."""
    number, space, unit = low.rpartition(_SPACE)
    return f"{number if space and high.endswith(f'{space}{unit}') else low} to {high}"


def trainings(measured: Measurement, lens: Lens | None) -> list[list[str]]:
    """A measured training step brought to whole trainings: epochs, energy under the lens with its interval, time.

    Args:
        measured: the measurement.
        lens: as ``nearest_supported_lens`` gives it; None where no energy is known, then time has the interval.
    """
    if lens is None:
        each = measured.seconds_per_epoch / measured.seconds_per_step
        ends = [measured.seconds_per_step_low, measured.seconds_per_step_high]
        return [
            [str(epochs), wait(epochs * measured.seconds_per_epoch), _to(*(wait(epochs * each * end) for end in ends))]
            for epochs in EPOCHS
        ]
    low, high = (_at_end(measured, end) for end in ("low", "high"))
    return [
        [
            str(epochs),
            format_quantity(energy(measured, lens, epochs), lens.unit),
            _between(energy(low, lens, epochs), energy(high, lens, epochs)),
            wait(epochs * measured.seconds_per_epoch),
        ]
        for epochs in EPOCHS
    ]


def _at_end(measured: Measurement, end: str) -> Measurement:
    """The measurement with every counted energy at that end of its interval."""
    names = (f"{component}_energy_j_per_step" for component in _COMPONENTS)
    ends = {name: getattr(measured, f"{name}_{end}") for name in names}
    return replace(measured, **{name: value for name, value in ends.items() if value is not None})


def _between(low: float | None, high: float | None) -> str:
    return f"{format_quantity(low)} to {format_quantity(high)}"


def fine_print(measured: Measurement) -> list[list[str]]:
    """What a measurement rests on, as rows of a name and words; what is not known is left out."""
    deviation = measured.tracker_deviation
    tracked = (
        None
        if deviation is None
        else (
            f"{format_prefixed(measured.carbontracker_j_per_step, 'J')} a step, its PUE undone; "
            f"{format_percent(deviation, signed=True)} against the counter"
        )
    )
    celsius = measured.temperature_c and (
        f"mean {measured.temperature_c:.0f} °C, at most {measured.temperature_max_c:.0f} °C in the repeats"
    )
    tick = measured.gpu_tick_s and f", changes every {format_prefixed(measured.gpu_tick_s, 's', 2)}"
    told = {
        "Device": measured.device,
        "Board": measured.device_uuid,
        "Driver": measured.driver,
        "Power limit": measured.power_limit_w and format_quantity(measured.power_limit_w, "W"),
        "Clock": measured.sm_clock_mhz and format_quantity(measured.sm_clock_mhz, "MHz", 4) + ", mean in the repeats",
        "Temperature": celsius,
        "GPU counter": measured.gpu_counter and f"{measured.gpu_counter}{tick or ''}",
        "CPU counter": measured.cpu_counter,
        "carbontracker": tracked,
        "Step": f"{MODES[measured.mode].lower()}, {measured.batch_size} images, {measured.precision}, "
        f"{measured.images} images",
        "Repeats": f"{measured.repeats} of {measured.steps_per_repeat} steps, {measured.effort}",
        "Software": measured.software,
        "Measured": f"{measured.measured_at:%Y-%m-%d %H:%M} UTC, {measured.measurement}",
    }
    return [[name, words] for name, words in told.items() if words]


def flag_messages(measured: Measurement) -> list[tuple[str, str]]:
    """The flags of a measurement with what each means."""
    return [(flag, FLAGS[flag]) for flag in measured.flags.split(",") if flag]


def beside_benchmark(measured: Measurement, entries: pd.DataFrame, lens: Lens, epochs: int, dark: bool) -> go.Figure:
    """The measured energy of a training among the benchmark's entries for the cell, with the ratios.

    Args:
        measured: the measurement.
        entries: as ``analysis.benchmark_reference.entries`` gives them under the same lens, at least one value known.
        lens: as ``nearest_supported_lens`` gives it.
        epochs: of the training.
        dark: whether the figure stands on the dark background.
    """
    colors = palette(dark)
    own = benchmark_reference.comparable(measured, lens, epochs)
    name = "<b>yours</b>"
    row = {"name": name, "value": own, "provenance": "scaled", "ratio": np.nan}
    shown = pd.concat([entries.dropna(subset=["value"]), pd.DataFrame([row])]).sort_values("value", kind="stable")
    marks = [
        marker(each.provenance, SELECTION if each.name == name else DEVICES.get(each.name, colors.accent), dark, 11)
        for each in shown.itertuples(index=False)
    ]
    figure = go.Figure(
        [
            go.Scatter(
                x=[each.value],
                y=[each.name],
                mode="markers",
                marker=mark,
                name=each.name,
                hovertemplate=f"{each.name}<br>{quantity(each.value, lens)}, {each.provenance}<extra></extra>",
            )
            for each, mark in zip(shown.itertuples(index=False), marks, strict=True)
        ],
        layout(dark, 84 + _ROW * len(shown)),
    )
    note = {"xref": "paper", "x": 1, "xanchor": "left", "xshift": 8, "showarrow": False, "font": {"size": 12}}
    figure.add_annotation(text="yours is", yref="paper", y=1, yanchor="bottom", **note)
    for each in shown.dropna(subset=["ratio"]).itertuples(index=False):
        figure.add_annotation(text=f"{format_quantity(each.ratio)} times it", y=each.name, **note)
    figure.add_vline(x=own, line={"color": SELECTION, "width": 1, "dash": "dot"})
    log = bool((shown["value"] > 0).all())
    figure.update_layout(
        showlegend=False,
        margin={"l": 8, "r": 88, "t": 24, "b": 44},
        xaxis={**axis(f"{lens.quantity} of {epochs} epochs", lens.unit, log), "showgrid": True},
        yaxis={
            "showline": False,
            "ticks": "",
            "showgrid": True,
            "tickfont": {"color": colors.text, "size": 13},
            "categoryorder": "array",
            "categoryarray": list(shown["name"])[::-1],
        },
    )
    return figure


def device_headline(
    device: str,
    predicted: pd.DataFrame,
    measured: pd.DataFrame,
    agreement: pd.DataFrame,
    *,
    excluded: Sequence[str] = (),
    doubtful: int = 0,
) -> str:
    """How the cells of 4V are known on a device, and whose ranking its own is most like.

    Args:
        device: what it is called.
        predicted: as ``surrogates.transfer.Transfer.predict`` gives it.
        measured: hash and energy of the measured cells.
        agreement: as ``agreement`` gives it.
        excluded: hashes of those that do not count.
        doubtful: how many of the measurements something is held against that bears on their energy.
    """
    width = float(((predicted["high"] - predicted["low"]) / 2 / predicted["energy"]).median())
    most = agreement.loc[agreement["kendall_tau"].idxmax()]
    tau = format_fixed(most["kendall_tau"], 3)
    ranks = (
        f"it ranks them most like the {most['device']} (Kendall's τ {tau})"
        if most["kendall_tau"] >= _ALIKE
        else f"it ranks them like none of the released devices (Kendall's τ at most {tau})"
    )
    doubt = f", though {doubtful} of the measurements {'is' if doubtful == 1 else 'are'} in doubt" if doubtful else ""
    counted = measured.loc[~measured["hash"].isin(excluded), "hash"].nunique()
    return (
        f"{counted} measured cells tell the energy of all {len(predicted)} cells of 4V on your {device} to about "
        f"± {format_percent(width, 0)}{doubt}; {ranks}."
    )


def doubts(measured: Sequence[Measurement]) -> tuple[int, str]:
    """How many measurements something is held against that bears on their energy, and how many of each, in words.

    Args:
        measured: the measurements that a device is known by.
    """
    flags = [set(each.flags.split(",")) for each in measured]
    numbers = {flag: sum(flag in each for each in flags) for flag in _DOUBTS}
    told = ", ".join(f"{number} {flag}" for flag, number in numbers.items() if number)
    doubtful = sum(bool(each & set(_DOUBTS)) for each in flags)
    return doubtful, told and f"Of the {len(measured)} measurements that it rests on: {told}."


def agreement(predicted: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """How far a device's ranking of the cells agrees with the released devices'.

    Args:
        predicted: hash and energy of each cell on the device.
        records: hash, device and energy of each cell on the released devices, as ``analysis.hardware.compare`` has it.

    Returns:
        One row a released device: ``device``, ``kendall_tau``, ``cells`` (in common).
    """
    energies = records.pivot(index="hash", columns="device", values="energy")
    own = predicted.set_index("hash")["energy"]
    rows = []
    for device in OFFICIAL_DEVICES:
        common = pd.concat([own, energies[device]], axis=1, join="inner").dropna()
        tau = kendall_tau(*common.to_numpy(float).T)[0]
        rows.append({"device": device, "kendall_tau": float(tau), "cells": len(common)})
    return pd.DataFrame(rows)


def device(
    predicted: pd.DataFrame, measured: pd.DataFrame, lens: Lens, dark: bool, excluded: Sequence[str] = ()
) -> go.Figure:
    """Every cell's predicted energy with its interval by rising energy, and the measured cells over them.

    Args:
        predicted: as ``surrogates.transfer.Transfer.predict`` gives it.
        measured: hash and energy of the measured cells, each once.
        lens: in whose unit they are.
        dark: whether the figure stands on the dark background.
        excluded: hashes of the measured cells that do not count, drawn hollow.
    """
    colors = palette(dark)
    by_energy = predicted.sort_values(["energy", "hash"], ignore_index=True)
    places = by_energy.index.to_numpy() + 1
    errors = {"array": by_energy["high"] - by_energy["energy"], "arrayminus": by_energy["energy"] - by_energy["low"]}
    known = measured.assign(place=measured["hash"].map(dict(zip(by_energy["hash"], places, strict=True)))).dropna()
    out = known["hash"].isin(excluded)
    figure = go.Figure(
        [
            go.Scatter(
                x=places,
                y=by_energy["energy"],
                mode="markers",
                name=f"predicted, 90 % interval ({len(by_energy)})",
                marker=marker("predicted", colors.accent, dark, 7),
                customdata=by_energy["hash"].str[:8],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "thickness": 1,
                    "width": 0,
                    "color": mix(colors.accent, colors.paper, 0.55),
                    **errors,
                },
                hovertemplate=f"%{{customdata}}: %{{y:.3g}} {lens.unit}, predicted<extra></extra>",
            ),
            *(
                go.Scatter(
                    x=cells["place"],
                    y=cells["energy"],
                    mode="markers",
                    name=f"{name} ({len(cells)})",
                    marker=mark,
                    customdata=cells["hash"].str[:8],
                    hovertemplate=f"%{{customdata}}: %{{y:.3g}} {lens.unit}, from a measured step<extra></extra>",
                )
                for name, cells, mark in (
                    ("measured step, scaled up", known[~out], marker("scaled", SELECTION, dark, 10)),
                    (
                        "does not count",
                        known[out],
                        {**marker("scaled", SELECTION, dark, 10), "symbol": "circle-open", "color": SELECTION},
                    ),
                )
                if len(cells)
            ),
        ],
        layout(dark, _DEVICE),
    )
    figure.update_layout(
        margin={"l": 64, "r": 12, "t": 34, "b": 44},
        xaxis={**axis("Cells of 4V by rising energy"), "range": [0, len(by_energy) + 1], "showgrid": False},
        yaxis=axis(f"{lens.quantity} of 4 epochs", lens.unit, bool((by_energy["low"] > 0).all())),
    )
    return figure
