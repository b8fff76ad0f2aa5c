"""Repeatability of the measuring protocol on this machine's GPU: ``python -m benchmarks.measure_gpu OUT.csv``.

Five cells of 4V, from the leanest to the hungriest on the published Quadro RTX 6000, are measured one after the other,
and then all of them again. It is no part of ``python -m benchmarks``, since it needs a GPU and 20 minutes;
``measured_gpu.csv`` beside it is what it wrote on an H100, without the columns that were empty.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from ecnas_core import Cell
from ecnas_core.measure.protocol import EFFORTS, Settings
from ecnas_core.measure.record import Measurement
from ecnas_core.measure.runner import measure

CELLS = (
    "1=output(0)",
    "1=conv1x1(0) 2=conv3x3(1) 3=output(1,2)",
    "1=maxpool3x3(0) 2=conv1x1(1) 3=output(0,2)",
    "1=maxpool3x3(0) 2=conv1x1(0,1) 3=output(0,2)",
    "1=conv3x3(0) 2=conv3x3(0,1) 3=output(0,2)",
)
OF_THE_BOARD = ("measurement", "device_uuid", "source")


def row(number: int, text: str, measured: Measurement) -> dict[str, object]:
    figures = {name: value for name, value in measured.to_document().items() if name not in OF_THE_BOARD}
    return {"pass": number, "cell": text, **figures, "tracker_deviation": measured.tracker_deviation}


def main() -> None:
    """Measure, rewriting the file as each cell is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--effort", choices=EFFORTS, default="thorough")
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    for number in range(1, options.passes + 1):
        for text in CELLS:
            measured = measure(Cell.from_text(text), Settings(effort=options.effort, device="cuda:0"))
            rows.append(row(number, text, measured))
            with options.out.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            shown = (
                "gpu_energy_j_per_step",
                "gpu_energy_cv",
                "gpu_idle_power_w",
                "seconds_per_step",
                "seconds_cv",
                "tracker_deviation",
                "flags",
            )
            print(number, text, {name: rows[-1][name] for name in shown}, flush=True)


if __name__ == "__main__":
    main()
