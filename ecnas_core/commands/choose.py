"""A short list of cells for what somebody needs, and a cell to take along."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecnas_core.analysis.needs import ANY, ChooseView, Needs, Task
from ecnas_core.analysis.preferences import Weights
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import SCOPES, Lens
from ecnas_core.cells import SPACES, Cell
from ecnas_core.commands.base import Command, digest, table, with_data

if TYPE_CHECKING:
    import pandas as pd

_TOP = 5


def register(command: Command) -> None:
    """Add ``choose`` and ``export``.

    Args:
        command: adds one.
    """
    choose = command(
        "choose",
        _choose,
        "A short list of cells for what you have, need and care for",
        "  python -m ecnas_core choose --space 7V --max-energy-kwh 0.3 --min-accuracy 0.93\n"
        "  python -m ecnas_core choose --images 5000 --size 64 --trainings 12 --country FR --max-time-h 1 --json\n"
        '  python -m ecnas_core choose --device "RTX 3090" --weights 2 1 0.5 --epochs any',
    )
    _with_task(choose, budgets=[ANY, *map(str, EPOCHS)])
    choose.add_argument("--max-energy-kwh", type=float, metavar="E", help="of one training")
    choose.add_argument("--max-footprint-kgco2eq", type=float, metavar="F", help="of a year's trainings")
    choose.add_argument("--max-time-h", type=float, metavar="H", help="of one training")
    choose.add_argument("--max-parameters", type=float, metavar="P", help="trainable parameters")
    choose.add_argument("--min-accuracy", type=float, metavar="A", help="validation accuracy on CIFAR-10, 0 to 1")
    choose.add_argument(
        "--weights",
        type=float,
        nargs=3,
        metavar=("ACCURACY", "ENERGY", "SIZE"),
        default=(1.0, 1.0, 0.0),
        help="what matters how much (default: 1 1 0)",
    )
    choose.add_argument("--top", type=int, default=_TOP, metavar="K", help=f"at most so many (default: {_TOP})")
    with_data(choose)

    export = command(
        "export",
        _export,
        "A cell to take along: PyTorch source, training script, specification, model card",
        "  python -m ecnas_core export 00de8414aa3cc7731dae2342197c33f2 --out my-network\n"
        "  python -m ecnas_core export cell.json --out my-network.zip --classes 5 --size 64 --epochs 36 --json",
    )
    export.add_argument("cell", metavar="CELL", help="a hash, a JSON file, or JSON text")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder, or a name ending in .zip")
    export.add_argument(
        "--onnx", action="store_true", help="with the untrained network in ONNX; needs onnx, onnxscript"
    )
    _with_task(export, budgets=[*map(str, EPOCHS)])
    with_data(export)


def _with_task(sub: argparse.ArgumentParser, budgets: list[str]) -> None:
    default = Task()
    sub.add_argument("--space", choices=list(SPACES), default=default.space, help="default: 7V")
    sub.add_argument("--epochs", choices=budgets, default=str(default.epochs), help="training budget (default: 108)")
    sub.add_argument("--images", type=int, default=default.images, metavar="N", help="in an epoch (default: 40000)")
    sub.add_argument("--size", type=int, default=default.image_size, metavar="S", help="pixels a side (default: 32)")
    sub.add_argument("--classes", type=int, default=default.classes, metavar="C", help="of images (default: 10)")
    sub.add_argument("--trainings", type=int, default=default.trainings, metavar="T", help="a year (default: 1)")
    sub.add_argument(
        "--device", metavar="NAME", help="a released GPU or a calibrated device (default: the benchmark's)"
    )
    sub.add_argument(
        "--scope", choices=SCOPES, default=default.lens.scope, help="what energy counts (default: facility)"
    )
    sub.add_argument("--country", metavar="CODE", default=default.lens.country, help="of the grid (default: DK)")
    sub.add_argument("--intensity", type=float, metavar="G", help="of the grid in gCO2eq/kWh, instead of a country")
    sub.add_argument("--pue", type=float, default=default.lens.pue, help="of the facility (default: 1.59)")
    sub.add_argument("--no-predicted", action="store_true", help="without predicted accuracies and times")


def _task(options: argparse.Namespace, bench: Benchmark) -> Task:
    from ecnas_core.analysis.hardware import OFFICIAL_DEVICES, measured_on

    device = options.device
    if device in OFFICIAL_DEVICES and device not in bench.devices():
        from ecnas_core.surrogates import devices

        print(f"{device}: predicting every cell, once and for all", file=sys.stderr, flush=True)
        devices.save(bench, device, measured_on(bench, device))
    by_hand = options.intensity is not None
    lens = Lens(
        scope=options.scope,
        pue=options.pue,
        country=None if by_hand else options.country,
        g_per_kwh=options.intensity,
        predicted=not options.no_predicted,
        device=device,
    )
    return Task(
        space=options.space,
        epochs=None if options.epochs == ANY else int(options.epochs),
        images=options.images,
        image_size=options.size,
        classes=options.classes,
        trainings=options.trainings,
        lens=lens,
    )


def _choose(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis import costs, sensitivity
    from ecnas_core.analysis.choose import choose
    from ecnas_core.analysis.needs import assumptions
    from ecnas_core.figures import choose as words

    bench = Benchmark.open(options.data)
    accuracy, energy, size = options.weights
    view = ChooseView(
        task=_task(options, bench),
        needs=Needs(
            options.max_energy_kwh,
            options.max_footprint_kgco2eq,
            options.max_time_h,
            options.max_parameters,
            options.min_accuracy,
        ),
        weights=Weights(accuracy, energy, size),
    )
    found = choose(bench, view, options.top)
    rows = [row for _, row in found.shortlist.iterrows()]
    document: dict[str, Any] = {
        "scope": view.task.lens.describe(),
        "headline": words.headline(found),
        "cells": int(found.candidates.known.sum()),
        "qualifying": int(found.qualifying.sum()),
        "candidates": [
            _candidate(row)
            | {
                "roles": [role for role in row["roles"].split(",") if role],
                "why": words.reasons(row),
                "gives_up": words.gives_up(row, found),
                "how_sure": words.how_sure(row, found),
            }
            for row in rows
        ],
        "most_accurate": _candidate(found.reference.iloc[0]),
        "costs": costs.table(found).to_dict("records"),
        "stays_while": {
            varied or "weight_of_energy": list(stretch)
            for varied, stretch in (sensitivity.robustness(found) if rows else {}).items()
        },
        "conflict": None,
        "assumptions": assumptions(view.task),
    }
    lines = [document["headline"], f"Counted: {document['scope']}.", ""]
    if found.conflict is None:
        shown = (
            "hash",
            "epochs",
            "validation_accuracy",
            "energy_kwh",
            "footprint_kgco2eq_year",
            "time_h",
            "trainable_parameters",
        )
        lines.append(table([{name: each[name] for name in shown} for each in document["candidates"]]))
        for each in document["candidates"]:
            lines += [
                "",
                f"{each['hash'][:8]}  {', '.join(each['roles'])}",
                f"  {each['why']}",
                f"  Gives up: {each['gives_up']}",
                f"  {each['how_sure']}",
            ]
    else:
        nearest = found.conflict.nearest
        document["conflict"] = {
            "binding": found.conflict.binding,
            "told": words.describe_conflict(found.conflict, view.needs),
            "nearest": None if nearest is None else {"limits": nearest.limits, "change": nearest.change},
            "alone": [{"limits": each.limits, "change": each.change} for each in found.conflict.alone],
        }
        lines += document["conflict"]["told"]
        if nearest is not None:
            lines.append(f"Nearest that can be had: {words.relaxed(nearest.limits)}.")
    lines += ["", *document["assumptions"]] if document["assumptions"] else []
    return document, "\n".join(lines)


def _candidate(row: pd.Series) -> dict[str, Any]:
    return {
        "hash": row["hash"],
        "cell": Cell.from_bits(int(row["vertices"]), int(row["edge_bits"]), row["ops"]).to_text(),
        "epochs": int(row["epochs"]),
        "energy_kwh": row["energy_kwh"],
        "energy_kwh_interval": [row["energy_kwh_low"], row["energy_kwh_high"]],
        "footprint_kgco2eq_year": row["footprint_kgco2eq"],
        "time_h": row["time_h"],
        "validation_accuracy": row["accuracy"],
        "validation_accuracy_interval": [row["accuracy_low"], row["accuracy_high"]],
        "trainable_parameters": int(row["parameters"]),
        "provenance": {name: row[f"{name}_provenance"] for name in ("energy", "accuracy", "time")},
    }


def _export(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.export import bundle

    bench = Benchmark.open(options.data)
    contents = bundle.files(bench, digest(options.cell), _task(options, bench), with_onnx=options.onnx)
    written = bundle.write(contents, options.out)
    return {"files": [str(path) for path in written]}, "\n".join(str(path) for path in written)
