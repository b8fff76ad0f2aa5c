"""Kill every kind of run at random moments and go on: ``python -m tests.kills [TIMES [WORD]]``.

Of each kind TIMES runs (25 by default) are started, each in a folder of its own, killed at a random moment, and done
again. A run must be listed as died or done; what it stored must be nothing or whole; done again it must store what an
undisturbed run does and leave nothing half-written. Exits with 1 if one does not. WORD chooses kinds.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil

from ecnas_core import Cell
from ecnas_core.benchmark import jobs
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.runs import MeasureRequest
from ecnas_core.runs import Run, RunStore
from ecnas_core.search import Setting, runner, study_repository
from ecnas_core.search.study import Plan
from ecnas_core.surrogates import runs as trainings
from ecnas_core.surrogates.experiment import Experiment
from tests import stand_in
from tests.measure.short_phases import MEASUREMENT
from tests.waiting import until

TIMES = 25
PLAN = Plan.of(Setting(space="5V"), ("RS", "MS-EHVI"), 60, 2)


@dataclass(frozen=True)
class Subject:
    """A kind of runs to kill.

    Attributes:
        name: of the kind.
        store: of a user's folder.
        start: begins a run in a user's folder.
        again: goes on after a run that died.
        stored: what stands in a user's folder, to compare; None where there is nothing.
    """

    name: str
    store: Callable[[Path], RunStore[Any]]
    start: Callable[[Path], Run[Any]]
    again: Callable[[Path, Run[Any]], Run[Any]]
    stored: Callable[[Path], Any]


def rows(pattern: Path, columns: str = "*") -> list[tuple[Any, ...]] | None:
    """The rows of some Parquet files, in a fixed order."""
    if not list(pattern.parent.glob(pattern.name)):
        return None
    return duckdb.sql(f"select {columns} from '{pattern}' order by all").fetchall()


def study_rows(data: Path) -> list[tuple[Any, ...]] | None:
    """The evaluations of the one study, but for its name."""
    (study,) = runner.studies(data)
    found = study_repository.evaluations(study).drop(columns="study")
    return None if found.empty else duckdb.sql("select * from found order by all").fetchall()


def held_out(data: Path) -> list[tuple[Any, ...]] | None:
    """What the training that is done last has judged."""
    done = [run for run in trainings_of(data).all() if run.state == "done"]
    return rows(done[-1].folder / "held_out.parquet") if done else None


def trainings_of(data: Path) -> RunStore[Any]:
    return RunStore(trainings.TRAINING, data)


def subjects(folder: Path) -> list[Subject]:
    """Every kind, each with work of about two seconds."""
    file = stand_in.write_own(folder / "own.tfrecord", 450)
    ingest = jobs.Ingest(str(file))
    training = Experiment("energy", "best", seed=1, cells=300)
    cells = [Cell.from_text("1=output(0)"), Cell.from_text("1=conv1x1(0) 2=output(1)")]
    measurement = MeasureRequest.of(cells, Settings(effort="quick", device="cpu", batch_size=1, repeats=5))

    def measurements(data: Path) -> RunStore[Any]:
        return RunStore(MEASUREMENT, data)

    return [
        Subject(
            "job",
            jobs.store,
            lambda data: jobs.start(ingest, data),
            lambda data, _: jobs.start(ingest, data),
            lambda data: rows(data / "results" / "*.parquet"),
        ),
        Subject(
            "study",
            runner.store,
            lambda data: runner.store(data).read(runner.start(PLAN, data, "killed", processes=2).id),
            lambda data, run: runner.store(data).read(runner.resume(runner.read(run.id, data), processes=2).id),
            study_rows,
        ),
        Subject(
            "training",
            trainings_of,
            lambda data: trainings_of(data).start(training),
            lambda data, _: trainings_of(data).start(training),
            held_out,
        ),
        Subject(
            "measurement",
            measurements,
            lambda data: measurements(data).start(measurement),
            lambda data, _: measurements(data).start(measurement),
            lambda data: rows(data / "measurements" / "*.parquet", "distinct hash"),
        ),
    ]


def process_of(run: Run[Any]) -> psutil.Process | None:
    """The process that works at a run."""
    for each in psutil.process_iter(["cmdline"]):
        if str(run.folder) in (each.info["cmdline"] or ()):
            return each
    return None


def ended(subject: Subject, data: Path, run: Run[Any]) -> Run[Any]:
    until(lambda: not subject.store(data).read(run.id).running)
    return subject.store(data).read(run.id)


def left_over(data: Path) -> list[str]:
    """What nobody will ever read."""
    return [str(path.relative_to(data)) for path in data.rglob(".*") if path.name.endswith((".part", ".partial"))] + [
        str(path.relative_to(data)) for path in data.rglob(".intake-*") if path.is_dir()
    ]


def attempt(subject: Subject, data: Path, delay: float, whole: Any) -> str:
    """Kill one run after a while and go on; what went wrong, or how it was found."""
    run = subject.start(data)
    time.sleep(delay)
    process = process_of(run)
    if process is not None:
        os.kill(process.pid, signal.SIGKILL)
    run = ended(subject, data, run)
    if run.state not in ("died", "done"):
        return f"wrong: listed as {run.state}: {run.error}"
    stored = subject.stored(data)
    if stored is not None and not set(stored) <= set(whole):
        return "wrong: half of something counts"
    found = f"{run.state}, {'nothing' if stored is None else 'all' if stored == whole else 'a part'} stored"
    if run.state == "died" or subject.name == "job":
        again = ended(subject, data, subject.again(data, run))
        if again.state != "done":
            return f"wrong: {found}; then {again.state}: {again.error}"
    if subject.stored(data) != whole:
        return f"wrong: {found}; then other figures than undisturbed"
    return f"wrong: {found}; then left {left_over(data)}" if left_over(data) else found


def main() -> int:
    """Kill runs; the exit status."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    draw, failures = random.Random(), 0
    with tempfile.TemporaryDirectory(prefix="ecnas-kills-") as name:
        folder = Path(name)
        for subject in subjects(folder):
            if not all(word in subject.name for word in sys.argv[2:]):
                continue
            began = time.monotonic()
            first = ended(subject, folder / subject.name, subject.start(folder / subject.name))
            assert first.state == "done", first.error
            whole, length = subject.stored(folder / subject.name), time.monotonic() - began
            found: dict[str, int] = {}
            for number in range(times):
                data = folder / f"{subject.name}-{number}"
                outcome = attempt(subject, data, draw.uniform(0, length), whole)
                found[outcome] = found.get(outcome, 0) + 1
            failures += sum(count for outcome, count in found.items() if outcome.startswith("wrong"))
            print(f"{subject.name} ({length:.1f} s undisturbed): ", end="")
            print(", ".join(f"{count} times {outcome}" for outcome, count in sorted(found.items())), flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
