"""The model card of an export: Markdown with the metadata that Hugging Face's hub reads as YAML front matter."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ecnas_core import __version__
from ecnas_core.analysis import hardware
from ecnas_core.analysis.needs import Task, assumptions, timed_on
from ecnas_core.cells import Cell

LICENCES = (
    "The code in this folder: MIT, (c) 2026 The EC-NAS Explorer authors. Energies: EC-NAS-Bench, MIT, (c) 2022 Pedram "
    "Bakh.; its surrogate, MIT, (c) 2022 Raghavendra Selvan. Cells, accuracies and training times: NAS-Bench-101, "
    "Apache-2.0."
)
CITATIONS = """\
```bibtex
@inproceedings{bakhtiarifard2024ecnas,
  title = {EC-NAS: Energy Consumption Aware Tabular Benchmarks for Neural Architecture Search},
  author = {Bakhtiarifard, Pedram and Igel, Christian and Selvan, Raghavendra},
  booktitle = {ICASSP},
  year = {2024},
  note = {arXiv:2210.06015},
}
@inproceedings{ying2019nasbench,
  title = {{NAS-Bench-101}: Towards Reproducible Neural Architecture Search},
  author = {Ying, Chris and Klein, Aaron and Christiansen, Eric and Real, Esteban and Murphy, Kevin and Hutter, Frank},
  booktitle = {ICML},
  year = {2019},
  note = {arXiv:1902.09635},
}
```"""
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
    name = f"ec-nas-{cell.hash[:8]}"
    device = _device(task)
    lines = [
        "---",
        *_metadata(name, known, task, device),
        "---",
        "",
        f"# {name}",
        "",
        "An image classifier: the network of one cell of NAS-Bench-101, chosen by energy and accuracy. Untrained: this "
        "folder holds source and recipe, no weights. Train it with `python train.py --data FOLDER`.",
        "",
        f"- Cell `{cell.hash}`: `{cell.to_text()}`",
        f"- {int(row['parameters']):,} trainable parameters, {int(row['multiply_adds']):,} multiply-adds an image",
        f"- {task.classes:,} classes, images of {task.image_size} x {task.image_size} pixels, {task.epochs} epochs of "
        f"{task.images:,} images, trained {'once' if task.trainings == 1 else f'{task.trainings:,} times'} a year",
        "",
        "## What is known of it",
        "",
        "Figures of the benchmark for this architecture, not of weights in this folder.",
        "",
        "| quantity | value | 90 % interval | provenance |",
        "| --- | ---: | --- | --- |",
        *(
            f"| {label} | {_with_unit(known[key]['value'], unit)} | {_interval(known[key])} | {_origin(known[key])} |"
            for key, label, unit in _SHOWN
        ),
        "",
        f"Energy is {task.lens.describe()}. Device: {device}; time is that of {timed_on(task.space)}. Space "
        f"{task.space}. *measured*: on these; *scaled*: from 4 epochs, linearly; *surrogate*: the energy model "
        "published with EC-NAS-Bench; *published*: NAS-Bench-101; *predicted*: a model of EC-NAS Explorer, which alone "
        "comes with an interval.",
    ]
    if isinstance(row["energy_artefact"], str):
        lines += ["", f"Warning: the surrogate's energy of this cell is an artefact ({row['energy_artefact']})."]
    if assumptions(task):
        lines += ["", "## Assumptions", "", *(f"- {told}" for told in assumptions(task))]
    lines += [
        "",
        "## Files",
        "",
        "- `network.py`: the network, torch alone; `Network()` is it",
        "- `train.py`: NAS-Bench-101's recipe (RMSProp, cosine) on CIFAR-10 or a folder of images, with carbontracker",
        "- `spec.json`: cell, figures and recipe for programs",
        "- `requirements.txt`, `LICENSE`",
        "",
        "After training, put what carbontracker measured and the accuracy of your weights in the place of the figures "
        "above. Its total has a PUE of its own in it, without a location the world's mean intensity, and for a CPU "
        "without readable counters half of a guessed rating: its log names all three.",
        "",
        "## Licence and citation",
        "",
        LICENCES,
        "",
        CITATIONS,
        "",
        f"Made by EC-NAS Explorer {__version__}.",
        "",
    ]
    return "\n".join(lines)


def _metadata(name: str, known: dict[str, dict[str, Any]], task: Task, device: str) -> list[str]:
    """YAML; every text is written as JSON, which YAML reads."""
    emissions, accuracy = known["kgco2eq"], known["validation_accuracy"]
    where = task.lens.grid
    lines = [
        "license: mit",
        "library_name: pytorch",
        "pipeline_tag: image-classification",
        "tags: [image-classification, neural-architecture-search, nas-bench-101, ec-nas, energy-efficient]",
        "datasets: [cifar10]",
        "metrics: [accuracy]",
    ]
    if emissions["value"] is not None:
        by = "EC-NAS Explorer" if emissions["provenance"] == "predicted" else "EC-NAS-Bench"
        source = f"Estimate before training: energy by {by} ({emissions['provenance']}), {task.lens.describe()}"
        lines += [
            "co2_eq_emissions:",
            f"  emissions: {_rounded(emissions['value'] * 1000)}",
            f"  source: {json.dumps(source)}",
            '  training_type: "pre-training"',
            f"  geographical_location: {json.dumps(where.country if where else 'by hand')}",
            f"  hardware_used: {json.dumps(device)}",
        ]
    if accuracy["value"] is not None:
        told = f"Validation accuracy of the architecture ({accuracy['provenance']}), not of weights in this repository"
        if "interval_90" in accuracy:
            told += f"; 90 % interval {accuracy['interval_90'][0]} to {accuracy['interval_90'][1]}"
        lines += [
            "model-index:",
            f"- name: {name}",
            "  results:",
            "  - task:",
            "      type: image-classification",
            "    dataset:",
            "      type: cifar10",
            "      name: CIFAR-10",
            "      split: validation",
            "    metrics:",
            "    - type: accuracy",
            f"      value: {accuracy['value']}",
            f"      name: {json.dumps(told)}",
            "      verified: false",
        ]
    return lines


def _device(task: Task) -> str:
    return task.lens.device or hardware.OFFICIAL_DEVICES[0]


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
