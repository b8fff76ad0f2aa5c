"""What the benchmark's figures tell together."""

from __future__ import annotations

import argparse
from typing import Any

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import SPACES
from ecnas_core.commands.base import Command, digest, table, with_data


def register(command: Command) -> None:
    """Add ``swaps``, ``hardware``, ``scaling``, ``footprint``, ``table1`` and ``table3``.

    Args:
        command: adds one.
    """
    swaps = command(
        "swaps",
        _swaps,
        "What one operation in the place of another changes (paper Figure 2)",
        "  python -m ecnas_core swaps --space 7V --epochs 108\n"
        "  python -m ecnas_core swaps --space 4V --epochs 4 --json",
    )
    swaps.add_argument("--space", choices=list(SPACES), default="7V", help="default: 7V, as in the paper")
    swaps.add_argument("--epochs", type=int, choices=EPOCHS, default=EPOCHS[-1], help="training budget (default: 108)")
    with_data(swaps)

    hardware = command(
        "hardware",
        _hardware,
        "The energy of the 4V cells on several GPUs, and how far their rankings agree",
        "  python -m ecnas_core hardware --space 4V\n  python -m ecnas_core hardware --space 4V --json",
    )
    hardware.add_argument("--space", choices=["4V"], default="4V", help="the space measured on several GPUs")
    with_data(hardware)

    scaling = command(
        "scaling",
        _scaling,
        "How good 4 epochs times 3, 9 and 27 is, from 4V's measurements",
        "  python -m ecnas_core scaling\n  python -m ecnas_core scaling --json",
    )
    with_data(scaling)

    footprint = command(
        "footprint",
        _footprint,
        "What training a cell emits in every country of carbontracker's table",
        "  python -m ecnas_core footprint rk --space 7V --epochs 108\n"
        "  python -m ecnas_core footprint 043721b9c7fe8c5fad811d47d83132ec --space 4V --trainings 50 --json",
    )
    footprint.add_argument("cell", metavar="CELL", help="r0, rk or r1 of the front; or a hash, a JSON file, JSON text")
    footprint.add_argument("--space", choices=list(SPACES), default="7V", help="energy scale (default: 7V)")
    footprint.add_argument("--epochs", type=int, choices=EPOCHS, default=EPOCHS[-1], help="budget (default: 108)")
    footprint.add_argument("--trainings", type=int, default=1, help="how often it is trained (default: 1)")
    footprint.add_argument(
        "--images", type=int, default=40_000, help="training images (default: the benchmark's 40000)"
    )
    with_data(footprint)

    table1 = command(
        "table1",
        _table1,
        "The paper's Table 1 from the authors' published searches, with the difference",
        "  python -m ecnas_core table1\n  python -m ecnas_core table1 --space 5V --json",
    )
    table1.add_argument("--space", choices=list(SPACES), default="7V", help="default: 7V, as in the paper")
    with_data(table1)

    table3 = command(
        "table3",
        _table3,
        "The paper's Table 3 recomputed, with the difference",
        "  python -m ecnas_core table3\n  python -m ecnas_core table3 --json",
    )
    with_data(table3)


def _swaps(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.swaps import summary

    document = summary(Benchmark.open(options.data), options.space, options.epochs)
    quantities = ("energy", "training_time", "trainable_parameters", "multiply_adds", "validation_accuracy")
    rows = [
        {
            "effect": f"{quantity}, {'difference' if quantity == 'validation_accuracy' else '%'}",
            "swap": swap,
            "here": here,
            "paper": document.get("paper", {}).get(quantity, {}).get(swap),
            "difference": document.get("difference", {}).get(quantity, {}).get(swap),
            "there": document["directed"][quantity][swap],
            "back": document["directed"][quantity]["_to_".join(reversed(swap.split("_to_")))],
            "pairs": document["pairs"][quantity][swap],
        }
        for quantity in quantities
        for swap, here in document[quantity].items()
    ]
    return document, f"{options.space}, {options.epochs} epochs\n\n{table(rows)}"


def _hardware(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.hardware import summary

    document = summary(Benchmark.open(options.data))
    taus = [
        {"Kendall's tau": device, **{other: 1.0 if other == device else row.get(other) for other in names}}
        for names in [list(document["kendall_tau"])]
        for device, row in document["kendall_tau"].items()
    ]
    lines = [
        f"{document['space']}, {document['epochs']} epochs, {document['scope']}",
        "",
        table(document["devices"]),
        "",
        table(taus),
    ]
    lines += [f"left out: {device}: {reason}" for device, reason in document["left_out"].items()]
    return document, "\n".join(lines)


def _scaling(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.scaling import document

    found = document(Benchmark.open(options.data))
    parts = [
        f"{quantity}, measured by scaled linearly\n{table(told['ratios'])}\n\n"
        f"{quantity}, error on a cell left out\n{table(told['leave_one_out'])}"
        for quantity, told in found.items()
    ]
    return found, "\n\n".join(parts)


def _footprint(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.footprint import ROLES, CarbonView, countries

    cell = options.cell if options.cell in ROLES else digest(options.cell)
    view = CarbonView(
        space=options.space, epochs=options.epochs, cell=cell, trainings=options.trainings, images=options.images
    )
    rows = countries(Benchmark.open(options.data), view).to_dict("records")
    asked = {name: getattr(view, name) for name in ("space", "epochs", "cell", "trainings", "images")}
    return asked | {"scope": view.lens.describe(), "countries": rows}, table(rows)


def _table1(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.table1 import as_text, document, table_1

    summary = table_1(Benchmark.open(options.data), options.space)
    return document(summary), table(as_text(summary))


def _table3(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.analysis.reduction import table_3

    rows = table_3(Benchmark.open(options.data)).to_dict("records")
    return {"rows": rows}, table(rows)
