"""How a study is run again: as a command where the command line can say it, and always in Python."""

from __future__ import annotations

import shlex
from pprint import pformat

from ecnas_core.search.problem import Setting
from ecnas_core.search.study import Plan


def command_line(plan: Plan) -> str | None:
    """The command that runs a plan, or None where the command line cannot say it."""
    setting, counts = plan.setting, set(plan.evaluations.values())
    first = plan.seeds[0]
    said = Setting(
        space=setting.space,
        epochs=setting.epochs,
        accuracy=setting.accuracy,
        sampling=setting.sampling,
        charging=setting.charging,
    )
    if setting != said or len(counts) > 1 or plan.seeds != tuple(range(first, first + len(plan.seeds))):
        return None
    words = ["python", "-m", "ecnas_core", "search"]
    for name in plan.algorithms:
        words += ["--algorithm", name]
    words += ["--space", setting.space, "--evaluations", str(counts.pop()), "--trials", str(len(plan.seeds))]
    words += ["--seed", str(first), "--epochs", "all" if setting.epochs is None else str(setting.epochs)]
    words += ["--charge", setting.charging, "--accuracy", setting.accuracy, "--sampling", setting.sampling]
    return shlex.join(words)


def python(plan: Plan) -> str:
    """A script that runs a plan."""
    return (
        "from ecnas_core import Benchmark\n"
        "from ecnas_core.search import runner\n"
        "from ecnas_core.search.study import Plan\n\n"
        f"PLAN = {pformat(plan.to_document(), sort_dicts=False, width=100)}\n\n"
        'if __name__ == "__main__":\n'
        "    study = runner.run(Plan.from_document(PLAN), Benchmark.open().data)\n"
    )
