"""Small studies, really carried out."""

from __future__ import annotations

import time
from pathlib import Path

from ecnas_core.search import runner
from ecnas_core.search.study import Plan, Study


def carried_out(plan: Plan, data: Path, name: str) -> Study:
    """A finished study; in a process of its own, for AppTest leaves a ``__main__`` that workers could not import."""
    study = runner.start(plan, data, name, processes=1)
    deadline = time.monotonic() + 120
    while study.running and time.monotonic() < deadline:
        time.sleep(0.05)
        study = runner.find(study.id, data)
    assert study.state == "done", study.error
    return study
