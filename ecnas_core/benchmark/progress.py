"""How far a long piece of work is, and a bar for the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

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


def terminal_progress(stream: TextIO) -> Callable[[Progress], None]:
    """Return a callback that draws a bar in place, or does nothing where the stream is no terminal.

    Args:
        stream: usually `sys.stderr`.

    Returns:
        What to hand to `ingest` as `progress`; it ends the line when all bytes are done.
    """
    if not stream.isatty():
        return lambda progress: None
    drawn_at = float("-inf")

    def draw(progress: Progress) -> None:
        nonlocal drawn_at
        done = progress.bytes_done >= progress.bytes_total
        if not done and time.monotonic() - drawn_at < _REDRAW_SECONDS:
            return
        drawn_at = time.monotonic()
        stream.write(f"\r{_bar(progress)}\x1b[K" + "\n" * done)
        stream.flush()

    return draw


def _bar(progress: Progress) -> str:
    share = progress.bytes_done / max(progress.bytes_total, 1)
    full = int(share * _BAR_CELLS)
    left = progress.seconds * (1 - share) / share if share else 0.0
    return (
        f"{share:4.0%} [{'#' * full}{'.' * (_BAR_CELLS - full)}] "
        f"{progress.bytes_done / 1e6:.1f} of {progress.bytes_total / 1e6:.1f} MB, "
        f"{progress.records:,} records, {progress.seconds:.0f} s, {left:.0f} s left"
    )
