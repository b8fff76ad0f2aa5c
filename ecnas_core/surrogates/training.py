"""What every training of a surrogate has: its progress, to draw it live, and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ecnas_core.errors import Cancelled, EcnasError
from ecnas_core.runs import Event


class TooFewResults(EcnasError):
    """There are fewer results than a surrogate can be trained and judged by."""


class Epoch(Event, frozen=True, tag="epoch"):
    """A moment in a training.

    Attributes:
        part: what is being trained, for people.
        number: of the epoch or step that is done, from 1.
        of: how many this part has.
        loss: of training, in the unit of the part.
    """

    part: str
    number: int
    of: int
    loss: float

    def __post_init__(self) -> None:
        """Raise ValueError where there is no such epoch."""
        if not 1 <= self.number <= self.of:
            raise ValueError(f"there is no epoch {self.number} of {self.of}")


Progress = Callable[[Epoch], None] | None
Cancel = Callable[[], bool] | None


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in torch with one thread, as context or decorator.

    Sums are then taken in the same order on every machine; and matrices this small gain nothing from more threads, but
    lose much where a container is given fewer cores than it sees.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def tell(progress: Progress, cancel: Cancel, epoch: Epoch) -> None:
    """Report an epoch that is done.

    Args:
        progress: is given the epoch.
        cancel: polled; True stops the training.
        epoch: the epoch.

    Raises:
        Cancelled: it was to stop.
    """
    if progress is not None:
        progress(epoch)
    if cancel is not None and cancel():
        raise Cancelled(f"the training was stopped after {epoch.number} of {epoch.of}; start it again")
