"""A kind of runs for tests: it counts, and does what else its request says."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import msgspec

from ecnas_core.errors import Cancelled, EcnasError
from ecnas_core.runs import Context, Ended, Event, Kind, Progress, Run


class Count(msgspec.Struct, frozen=True):
    to: int
    then: str = "done"


class Counted(Event, frozen=True, tag="counted"):
    number: int


def work(request: Count, context: Context) -> None:
    path = context.folder / "made"
    made = int(path.read_text()) if path.is_file() else 0
    for number in range(made + 1, request.to + 1):
        context.emit(Counted(number=number))
        path.write_text(str(number))
    match request.then:
        case "fail":
            raise EcnasError("five is too many; take four")
        case "break":
            raise KeyError("a defect")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            while not context.cancelled():
                time.sleep(0.005)
            raise Cancelled("stopped; start it again")


def title(request: Count) -> str:
    return f"Count to {request.to}"


def progress(run: Run[Count]) -> Progress:
    numbers = [each.number for each in run.events if isinstance(each, Counted)]
    assert run.request is not None
    return Progress("Counting", len(numbers), run.request.to, "numbers")


TOY: Kind[Count] = Kind(
    "count",
    "tests.runs.toy:TOY",
    "tests.runs.toy:work",
    Path("counting") / "runs",
    Count,
    Counted | Ended,
    title,
    progress,
    set_aside=Path("counting") / "set-aside",
)
