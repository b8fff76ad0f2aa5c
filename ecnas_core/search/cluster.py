"""Trials on the workers of a Dask cluster."""

from __future__ import annotations

import queue
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ecnas_core.errors import EcnasError
from ecnas_core.search.pool import IDLE_S, Message, TrialFailed
from ecnas_core.search.study import StudyError
from ecnas_core.search.task import Beat, Figures, Finished, Order, carry_out, figures_of

_CONNECT_S = "10s"


class ClusterMissing(StudyError):
    """There is no cluster to be had."""


class Cluster:
    """Trials as tasks of a Dask scheduler; one whose worker dies is run again by another.

    The workers need this project of the same version and the same figures, not the same disk: what a trial finds comes
    back over the network.
    """

    def __init__(self, orders: Sequence[Order], address: str) -> None:
        """Connect and hand the trials in.

        Args:
            orders: the trials.
            address: of the scheduler, as ``tcp://host:8786``.

        Raises:
            ClusterMissing: dask.distributed is not installed, or nobody answers at the address.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise ClusterMissing(
                "dask.distributed is not installed; run `pip install -r requirements-cluster.txt`, or leave the "
                "scheduler out"
            ) from error
        self._said: queue.SimpleQueue[Message | EcnasError] = queue.SimpleQueue()
        self._left = len(orders)
        self._here = figures_of(orders[0].setting, orders[0].data, orders[0].bundled)
        try:
            self._client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterMissing(f"no Dask scheduler answers at {address}; start one with `dask scheduler`") from error
        topic = f"ecnas-{uuid.uuid4().hex}"
        self._client.subscribe_topic(topic, lambda event: self._said.put(event[1]))
        self._futures = [
            self._client.submit(_work, order, topic, key=f"{topic}-{order.task.algorithm}-{order.task.seed}")
            for order in orders
        ]
        for order, future in zip(orders, self._futures, strict=True):
            future.add_done_callback(self._taking(order))

    def messages(self) -> Iterator[Message | None]:
        """As of ``pool.Pool``."""
        while self._left:
            try:
                said = self._said.get(timeout=IDLE_S)
            except queue.Empty:
                yield None
                continue
            if isinstance(said, EcnasError):
                raise said
            self._left -= said.kind == "finished"
            yield said

    def close(self) -> None:
        """Take the trials back that are not finished, and leave the cluster."""
        self._client.cancel(self._futures, force=True)
        self._client.close(timeout=1)

    def _taking(self, order: Order) -> Callable[[Any], None]:
        def take(future: Any) -> None:
            if future.status == "finished":
                self._said.put(Message(order.task, "finished", future.result()))
            elif future.status == "error":
                error = future.exception()
                named = (
                    error
                    if isinstance(error, EcnasError)
                    else TrialFailed(
                        f"the trial of {order.task.algorithm} with seed {order.task.seed} broke down on the cluster "
                        f"({error!r}); see its workers' logs, then resume the study"
                    )
                )
                self._said.put(named)

        return take


def _work(order: Order, topic: str) -> Finished | None:
    """Run a trial on a worker of the cluster."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def begun(figures: Figures) -> None:
        worker.log_event(topic, Message(order.task, "begun", figures))

    def tell(beat: Beat) -> None:
        worker.log_event(topic, Message(order.task, "beat", beat))

    def given_up() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return carry_out(order, begun, tell, given_up)
