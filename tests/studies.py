"""Small studies, really carried out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ecnas_core.search import runner
from ecnas_core.search.pool import Message
from ecnas_core.search.study import Plan, Study
from ecnas_core.search.task import TrialJob, run_job


class Here:
    """A pool that runs its trials in this process, one after the other."""

    def __init__(self, orders: Sequence[TrialJob], _: int) -> None:
        self._orders = orders

    def messages(self) -> Iterator[Message]:
        for order in self._orders:
            task, said = order.task, []
            finished = run_job(
                order,
                lambda figures, task=task, said=said: said.append(Message(task, "begun", figures)),
                lambda beat, task=task, said=said: said.append(Message(task, "beat", beat)),
                lambda: False,
            )
            yield from (*said, Message(task, "finished", finished))

    def close(self) -> None:
        """Nothing is left to end."""


def carried_out(plan: Plan, data: Path, name: str) -> Study:
    """A finished study, without the second that a process takes to begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "Pool", Here)
        study = runner.run(plan, data, name)
    assert study.state == "done", study.error
    return study
