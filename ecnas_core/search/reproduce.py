"""How a study is run again: as a command where the command line can say it, and always in Python."""

from __future__ import annotations

import shlex

from ecnas_core.records import script
from ecnas_core.search.problem import Setting
from ecnas_core.search.study import Plan


def command_line(plan: Plan, name: str = "") -> str | None:
    """The command that runs a plan, or None where the command line cannot say it.

    Args:
        plan: what the study does.
        name: of the study; without one it gets one from its algorithms.
    """
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
    if name:
        words += ["--name", name]
    return shlex.join(words)


def python(plan: Plan, name: str = "") -> str:
    """A script that runs a plan.

    Args:
        plan: what the study does.
        name: of the study; without one it gets one from its algorithms.
    """
    return script(
        f"plan = Plan(setting, {dict(plan.evaluations)!r}, seeds={_seeds(plan.seeds)})",
        'if __name__ == "__main__":  # its workers import this file',
        f"    study = runner.run(plan, Benchmark.open().data{f', {name!r}' if name else ''})",
        "    print(study_repository.trials(study))",
        uses=["ecnas_core.search:study_repository", "ecnas_core.search:runner", "ecnas_core.search.study:Plan"],
        setting=plan.setting,
    )


def _seeds(seeds: tuple[int, ...]) -> str:
    row = range(seeds[0], seeds[0] + len(seeds))
    return f"tuple({row!r})" if seeds == tuple(row) else repr(seeds)
