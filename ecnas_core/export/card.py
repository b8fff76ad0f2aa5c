"""The model card of an export: Markdown with the metadata that Hugging Face's hub reads as YAML front matter."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecnas_core import __version__
from ecnas_core.analysis import hardware
from ecnas_core.analysis.needs import Task, assumptions, timed_on
from ecnas_core.cells import Cell
from ecnas_core.templating import render

_DIGITS = 4
_SHOWN = (
    ("energy_kwh", "Energy of one training", "kWh"),
    ("kgco2eq", "Footprint of one training", "kgCO2eq"),
    ("kgco2eq_year", "Footprint of a year", "kgCO2eq"),
    ("time_h", "Time of one training", "h"),
    ("validation_accuracy", "Validation accuracy on CIFAR-10", ""),
)


def figures(row: Any, task: Task) -> dict[str, dict[str, Any]]:
    """What is known of a cell for a task.

    Args:
        row: of ``analysis.candidates.details``.
        task: what it is for.

    Returns:
        By quantity ``value`` (None where unknown), ``unit``, ``provenance``; where it is predicted, ``interval_90``;
        of the accuracy ``repeats``, the trainings it is the mean of, where known.
    """
    import pandas as pd

    sources = {
        "energy_kwh": ("energy_kwh", 1.0, "energy_provenance"),
        "kgco2eq": ("footprint_kgco2eq", 1 / task.trainings, "energy_provenance"),
        "kgco2eq_year": ("footprint_kgco2eq", 1.0, "energy_provenance"),
        "time_h": ("time_h", 1.0, "time_provenance"),
        "validation_accuracy": ("accuracy", 1.0, "accuracy_provenance"),
    }
    found = {}
    for name, _, unit in _SHOWN:
        column, factor, provenance = sources[name]
        value, low, high = (_rounded(row[f"{column}{end}"] * factor) for end in ("", "_low", "_high"))
        found[name] = {"value": value, "unit": unit, "provenance": row[provenance] if value is not None else None} | (
            {"interval_90": [low, high]} if low is not None else {}
        )
    if pd.notna(row["accuracy_repeats"]):
        found["validation_accuracy"]["repeats"] = int(row["accuracy_repeats"])
    return found


def card(cell: Cell, row: Any, task: Task) -> str:
    """The model card.

    Args:
        cell: the cell.
        row: its row of ``analysis.candidates.details``.
        task: what it is for.

    Returns:
        Markdown.
    """
    known = figures(row, task)
    emissions, accuracy = known["kgco2eq"], known["validation_accuracy"]
    by = "EC-NAS Explorer" if emissions["provenance"] == "predicted" else "EC-NAS-Bench"
    interval = "; 90 % interval {} to {}".format(*accuracy["interval_90"]) if "interval_90" in accuracy else ""
    return render(
        "ecnas_core/export/templates/card.md.j2",
        name=f"ec-nas-{cell.hash[:8]}",
        cell=cell,
        task=task,
        parameters=int(row["parameters"]),
        multiply_adds=int(row["multiply_adds"]),
        emissions_g=None if emissions["value"] is None else _rounded(emissions["value"] * 1000),
        emissions_source=f"Estimate before training: energy by {by} ({emissions['provenance']}), "
        f"{task.lens.describe()}",
        location=task.lens.grid.country if task.lens.grid else "by hand",
        device=task.lens.device or hardware.OFFICIAL_DEVICES[0],
        timed_on=timed_on(task.space),
        accuracy=accuracy,
        accuracy_source=f"Validation accuracy of the architecture ({accuracy['provenance']}), not of weights in this "
        f"repository{interval}",
        rows=[
            (label, _with_unit(known[key]["value"], unit), _interval(known[key]), _origin(known[key]))
            for key, label, unit in _SHOWN
        ],
        artefact=row["energy_artefact"] if isinstance(row["energy_artefact"], str) else None,
        assumptions=assumptions(task),
        version=__version__,
    )


def _origin(figure: dict[str, Any]) -> str:
    repeats = figure.get("repeats")
    told = f", {'a single training' if repeats == 1 else f'mean of {repeats} trainings'}" if repeats else ""
    return f"{figure['provenance'] or 'unknown'}{told}"


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.{_DIGITS}g}")


def _with_unit(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:g} {unit}".rstrip()


def _interval(figure: dict[str, Any]) -> str:
    return " to ".join(f"{end:g}" for end in figure.get("interval_90", ()))
