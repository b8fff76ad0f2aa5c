"""The process of a run, or without a folder that of a measurement: all of it but the length of the phases."""

from __future__ import annotations

import sys
from functools import partial

from ecnas_core.measure import batch, protocol, run_worker, runner, worker
from ecnas_core.measure.protocol import Durations

NAME = "tests.measure.short_phases"

if __name__ == "__main__":
    if len(sys.argv) > 1:
        batch.measure_all.__kwdefaults__["measure"] = partial(runner.measure, command=("-m", NAME))
        run_worker.main()
    else:
        protocol.DURATIONS = {"quick": Durations(idle=0.1, warm_up=0.1, window=0.1, settle=0.1)}
        worker.main()
