"""How far a long piece of work is, and a bar for the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TextIO

_BAR_CELLS = 24
_REDRAW_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment in the reading of a file.

    Attributes:
        bytes_done: bytes that are dealt with.
        bytes_total: size of the file in bytes.
        records: records that are dealt with.
        seconds: wall-clock time since the start.
    """

    bytes_done: int
    bytes_total: int
    records: int
    seconds: float


class Bytes(Protocol):
    """What the bar shows of any progress."""

    @property
    def bytes_done(self) -> int:
        """Bytes that are dealt with."""

    @property
    def bytes_total(self) -> int:
        """Bytes in all."""


@contextmanager
def terminal_progress(label: str, stream: TextIO) -> Iterator[Callable[[Bytes], None] | None]:
    """Draw a bar in place on a terminal, and end its line on leaving the context.

    Args:
        label: what stands before the bar.
        stream: usually `sys.stderr`.

    Yields:
        What is told the progress; None where the stream is no terminal.
    """
    if not stream.isatty():
        yield None
        return
    started = time.monotonic()
    drawn_at = float("-inf")

    def draw(progress: Bytes) -> None:
        nonlocal drawn_at
        now = time.monotonic()
        if progress.bytes_done < progress.bytes_total and now - drawn_at < _REDRAW_SECONDS:
            return
        drawn_at = now
        stream.write(f"\r{label} {_bar(progress, now - started)}\x1b[K")
        stream.flush()

    try:
        yield draw
    finally:
        if drawn_at > 0:
            stream.write("\n")
            stream.flush()


def _bar(progress: Bytes, seconds: float) -> str:
    share = progress.bytes_done / max(progress.bytes_total, 1)
    full = int(share * _BAR_CELLS)
    return (
        f"{share:4.0%} [{'#' * full}{'.' * (_BAR_CELLS - full)}] "
        f"{progress.bytes_done / 1e6:.1f} of {progress.bytes_total / 1e6:.1f} MB, {seconds:.0f} s"
    )
