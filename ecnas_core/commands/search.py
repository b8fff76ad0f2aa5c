"""Studies of search algorithms."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.cells import SPACES
from ecnas_core.commands.base import Command, table, with_data
from ecnas_core.search.catalogue import ALGORITHMS, DEFAULT


def register(command: Command) -> None:
    """Add ``search``.

    Args:
        command: adds one.
    """
    search = command(
        "search",
        _search,
        "A study: trials of search algorithms, stored with all evaluations; the same name goes on",
        "  python -m ecnas_core search --space 5V --evaluations 1000 --trials 10\n"
        "  python -m ecnas_core search --algorithm SEMOA-L --algorithm RS --space 7V --epochs all --name mine --json\n"
        "  python -m ecnas_core search --algorithm SEMOA --charge all --sampling matrix --scheduler tcp://host:8786",
    )
    search.add_argument(
        "--algorithm",
        action="append",
        metavar="A",
        help=f"{', '.join(ALGORITHMS)} (default: {DEFAULT}); again for several",
    )
    search.add_argument("--space", choices=list(SPACES), default="7V", help="default: 7V")
    search.add_argument("--evaluations", type=int, default=1000, metavar="N", help="of each trial (default: 1000)")
    search.add_argument("--trials", type=int, default=10, metavar="T", help="of each algorithm (default: 10)")
    search.add_argument("--seed", type=int, default=0, metavar="K", help="of the first trial (default: 0)")
    search.add_argument(
        "--epochs", choices=["all", *map(str, EPOCHS)], default=str(EPOCHS[-1]), help="training budget (default: 108)"
    )
    search.add_argument(
        "--charge", choices=["unique", "all"], default="unique", help="what counts: new valid cells, or every query"
    )
    search.add_argument(
        "--accuracy", choices=["published", "any"], default="published", help="any: measured and predicted ones too"
    )
    search.add_argument(
        "--sampling", choices=["uniform", "matrix"], default="uniform", help="over cells, or bits as in the paper"
    )
    search.add_argument("--scheduler", metavar="ADDR", help="of a Dask cluster that runs the trials: tcp://host:8786")
    search.add_argument("--name", help="of the study (default: from its algorithms)")
    with_data(search)


def _search(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.search import Setting, runner, study_repository
    from ecnas_core.search.study import Advance, Plan

    setting = Setting(
        space=options.space,
        epochs=None if options.epochs == "all" else int(options.epochs),
        accuracy=options.accuracy,
        sampling=options.sampling,
        charging=options.charge,
    )
    algorithms = tuple(options.algorithm or [DEFAULT])
    plan = Plan.of(setting, algorithms, options.evaluations, options.trials, options.seed)
    told = ""

    def tell(advance: Advance) -> None:
        nonlocal told
        line = f"{advance.finished} of {advance.trials} trials, {advance.evaluations} evaluations"
        if line != told:
            told = line
            print(line, file=sys.stderr, flush=True)

    study = runner.run(plan, options.data, options.name, scheduler=options.scheduler, tell=tell)
    document = study_repository.document(study)
    rows = [
        {name: row[name] for name in ("algorithm", "seed", "evaluations", "seconds", "hypervolume", "share")}
        | {"front": len(row["front"])}
        for row in document["trials"]
    ]
    means = [
        {"algorithm": name, "trials": told["trials"]}
        | {quantity: told[quantity][0] for quantity in ("evaluations", "seconds", "hypervolume", "share", "front")}
        for name, told in document["summary"].items()
    ]
    return document, f"{study.name} ({study.id})\n\n{table(rows)}\n\nmeans\n{table(means)}"
