"""Trials in worker processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Literal

from ecnas_core.errors import EcnasError
from ecnas_core.runs import RunError
from ecnas_core.search.study import TrialKey
from ecnas_core.search.task import Figures, Finished, TrialJob, TrialStatus, run_job

IDLE_S = 0.05
ATTEMPTS = 3
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class WorkerDied(RunError):
    """Workers were ended from outside again and again."""


class TrialFailed(RunError):
    """A trial broke down."""


@dataclass(frozen=True)
class Message:
    """What a worker says.

    Attributes:
        task: the trial it is about.
        kind: ``begun`` (with figures), ``beat`` or ``finished``.
        content: that.
    """

    task: TrialKey
    kind: Literal["begun", "beat", "finished"]
    content: Figures | TrialStatus | Finished


class Pool:
    """Processes that run trials, one each at a time; a trial whose process dies is run again by another one."""

    def __init__(self, orders: Sequence[TrialJob], processes: int) -> None:
        """Start the processes.

        Args:
            orders: the trials.
            processes: how many at most; not more than there are trials.
        """
        self._waiting = deque(orders)
        self._deaths = dict.fromkeys((order.task for order in orders), 0)
        self._working: dict[Connection, tuple[BaseProcess, TrialJob]] = {}
        for _ in range(min(processes, len(orders))):
            self._start(self._waiting.popleft())

    def messages(self) -> Iterator[Message | None]:
        """What the workers say, until every trial has finished; None whenever nothing is said for ``IDLE_S``.

        Raises:
            EcnasError: a trial cannot be run.
            TrialFailed: one broke down.
            WorkerDied: the process of one died ``ATTEMPTS`` times.
        """
        while self._working:
            ready = wait(list(self._working), IDLE_S)
            if not ready:
                yield None
            for connection in ready:
                assert isinstance(connection, Connection)
                yield from self._hear(connection)

    def close(self) -> None:
        """End every process at once."""
        for connection, (process, _) in self._working.items():
            process.kill()
            process.join()
            connection.close()
        self._working.clear()

    def _hear(self, connection: Connection) -> Iterator[Message]:
        process, _ = self._working[connection]
        try:
            said = connection.recv()
        except (EOFError, OSError):  # the latter in the middle of a message
            self._bury(connection)
            return
        if isinstance(said, Exception):
            raise said
        yield said
        if said.kind == "finished":
            if self._waiting:
                following = self._waiting.popleft()
                self._working[connection] = process, following
                self._hand(connection, following)
            else:
                del self._working[connection]
                connection.close()
                process.join()

    def _bury(self, connection: Connection) -> None:
        process, order = self._working.pop(connection)
        connection.close()
        process.join()
        if process.exitcode is not None and process.exitcode > 0:
            raise TrialFailed(
                f"the trial of {order.task.algorithm} with seed {order.task.seed} broke down; its last words are on "
                "stderr, or in the study's log"
            )
        self._deaths[order.task] += 1
        if self._deaths[order.task] == ATTEMPTS:
            raise WorkerDied(
                f"the process of {order.task.algorithm} with seed {order.task.seed} was ended from outside "
                f"{ATTEMPTS} times (killed, or for want of memory); take fewer processes and resume the study"
            )
        self._start(order)

    def _start(self, order: TrialJob) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["ecnas_core.search.task"])
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _environment(_ONE_THREAD), _no_main():
            process.start()
        theirs.close()
        self._working[ours] = process, order
        self._hand(ours, order)

    @staticmethod
    def _hand(connection: Connection, order: TrialJob) -> None:
        with contextlib.suppress(BrokenPipeError):  # its process has died; hearing from it tells
            connection.send(order)


def _work(connection: Connection) -> None:
    """Run trials until there are no more, or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to answer
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            order = connection.recv()
            task = order.task

            def begun(figures: Figures, task: TrialKey = task) -> None:
                connection.send(Message(task, "begun", figures))

            def tell(beat: TrialStatus, task: TrialKey = task) -> None:
                connection.send(Message(task, "beat", beat))

            try:
                finished = run_job(order, begun, tell, lambda: False)
            except EcnasError as error:
                connection.send(error)
                return
            assert finished is not None
            connection.send(Message(task, "finished", finished))


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Keep processes that are started meanwhile from running the program's main file, of which they need nothing."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
