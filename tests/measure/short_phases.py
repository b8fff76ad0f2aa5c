"""Measurements whose phases are short: the kind of their runs, and as a program the process that measures a cell."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ecnas_core.measure import batch, protocol, runner, worker
from ecnas_core.measure.protocol import Durations
from ecnas_core.measure.runs import MEASUREMENT as LONG
from ecnas_core.measure.runs import MeasureRequest
from ecnas_core.runs import Context

NAME = "tests.measure.short_phases"
MEASUREMENT = replace(LONG, path=f"{NAME}:MEASUREMENT", handler=f"{NAME}:work")


def work(request: MeasureRequest, context: Context) -> None:
    batch.measure_all.__kwdefaults__["measure"] = partial(runner.measure, command=("-m", NAME))
    batch.work(request, context)


if __name__ == "__main__":
    protocol.DURATIONS = {"quick": Durations(idle=0.1, warm_up=0.1, window=0.1, settle=0.1)}
    worker.main()
