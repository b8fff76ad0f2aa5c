"""Trials on the workers of a Dask cluster."""

from __future__ import annotations

import pickle
import queue
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ecnas_core.errors import EcnasError
from ecnas_core.runs import RunError
from ecnas_core.search.pool import IDLE_S, Message, TrialFailed
from ecnas_core.search.study import FiguresChanged, TrialKey
from ecnas_core.search.task import Figures, Finished, TrialJob, TrialStatus, figures_of, run_job

_PATIENCE_S = 10
_CLOSING_S = 1
_WORDS = 200
_ADDRESS = re.compile(r"tcp://[^\s/]+:\d{1,5}")


class ClusterMissing(RunError):
    """There is no cluster to be had."""


class InvalidAddress(RunError):
    """It is no address of a scheduler."""

    exit_status = 2


class Cluster:
    """Trials as tasks of a Dask scheduler; one whose worker dies is run again by another.

    The workers need this project in the same version and the same figures, but no common disk: what a trial finds comes
    back over the network.
    """

    def __init__(self, orders: Sequence[TrialJob], address: str) -> None:
        """Connect and hand the trials in.

        Args:
            orders: the trials.
            address: of the scheduler, as ``tcp://host:8786``.

        Raises:
            InvalidAddress: it is none.
            ClusterMissing: dask.distributed is not installed, or nobody answers at the address.
        """
        if not _ADDRESS.fullmatch(address):
            raise InvalidAddress(f"{address[:60]!r} is no address of a Dask scheduler; give it as tcp://host:8786")
        try:
            import distributed
        except ImportError as error:
            raise ClusterMissing(
                "dask.distributed is not installed; run `pip install -r requirements-cluster.txt`, or leave the "
                "scheduler out"
            ) from error
        self._address = address
        self._said: queue.SimpleQueue[Message | EcnasError] = queue.SimpleQueue()
        self._left = len(orders)
        self._here = figures_of(orders[0].setting, orders[0].data, orders[0].bundled)
        untyped: Any = distributed
        try:
            self._client = untyped.Client(address, timeout=_PATIENCE_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterMissing(f"no Dask scheduler answers at {address}; start one with `dask scheduler`") from error
        topic = f"ecnas-{uuid.uuid4().hex}"
        self._client.subscribe_topic(topic, lambda event: self._said.put(pickle.loads(event[1])))
        self._futures: list[Any] = [
            self._client.submit(_work, order, topic, key=f"{topic}-{order.task.algorithm}-{order.task.seed}")
            for order in orders
        ]
        for order, future in zip(orders, self._futures, strict=True):
            future.add_done_callback(self._taking(order.task))

    def messages(self) -> Iterator[Message | None]:
        """What the workers say, until every trial has finished; None whenever nothing is said for a moment.

        Raises:
            EcnasError: a trial cannot be run.
            TrialFailed: one broke down, or the workers that ran it died again and again.
            FiguresChanged: a worker has other figures than this machine.
            ClusterMissing: the scheduler has gone.
        """
        while self._left:
            try:
                said = self._said.get(timeout=IDLE_S)
            except queue.Empty:
                if self._client.status != "running":
                    raise ClusterMissing(f"the Dask scheduler at {self._address} has gone; resume the study") from None
                yield None
                continue
            if isinstance(said, EcnasError):
                raise said
            if isinstance(said.content, Figures) and said.content.fingerprint != self._here.fingerprint:
                raise FiguresChanged(
                    "a worker of the cluster has other figures than this machine; give it the same user's folder "
                    "(--data) and the same version of the project"
                )
            self._left -= said.kind == "finished"
            yield said

    def close(self) -> None:
        """Take the trials back that have not finished, and leave the cluster."""
        self._client.cancel(self._futures, force=True)
        self._client.close(timeout=_CLOSING_S)

    def _taking(self, task: TrialKey) -> Callable[[Any], None]:
        def take(future: Any) -> None:
            if future.status == "finished":
                self._said.put(Message(task, "finished", future.result()))
                return
            error = future.exception() if future.status == "error" else None
            if not isinstance(error, EcnasError):
                error = TrialFailed(
                    f"the trial of {task.algorithm} with seed {task.seed} broke down on the cluster "
                    f"({str(error or future.status)[:_WORDS]}); see the workers' logs, then resume the study"
                )
            self._said.put(error)

        return take


def _work(order: TrialJob, topic: str) -> Finished | None:
    """Run a trial on a worker of the cluster; it ends when nobody wants it any more."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def begun(figures: Figures) -> None:
        worker.log_event(topic, pickle.dumps(Message(order.task, "begun", figures)))

    def tell(beat: TrialStatus) -> None:
        worker.log_event(topic, pickle.dumps(Message(order.task, "beat", beat)))

    def given_up() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return run_job(order, begun, tell, given_up)
