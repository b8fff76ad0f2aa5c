"""Work that takes time: processes of their own, started, watched, cancelled and removed from anywhere."""

from ecnas_core.runs.run import Ended, Event, Progress, Run, RunError, RunRunning, State, UnknownRun
from ecnas_core.runs.store import Kind, RunStore
from ecnas_core.runs.worker import Context

__all__ = [
    "Context",
    "Ended",
    "Event",
    "Kind",
    "Progress",
    "Run",
    "RunError",
    "RunRunning",
    "RunStore",
    "State",
    "UnknownRun",
]
