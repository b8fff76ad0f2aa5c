"""The work of a run, done here or in a process of its own, and the record of how it ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import IO, TYPE_CHECKING, Any

import msgspec

from ecnas_core.errors import Cancelled, EcnasError
from ecnas_core.runs.run import CANCEL, Ended, Event

if TYPE_CHECKING:
    from ecnas_core.runs.store import Kind

EVENTS = "events.jsonl"


class Context:
    """What the handler of a run knows of it besides its request.

    Attributes:
        folder: of the run; what it makes may stand there.
        data: the user's folder.
        bundled: folder of the bundled figures.
    """

    def __init__(
        self, folder: Path, data: Path, bundled: Path, out: IO[bytes], tell: Callable[[Any], object] | None
    ) -> None:
        self.folder, self.data, self.bundled = folder, data, bundled
        self._out, self._tell = out, tell

    def emit(self, event: Event) -> None:
        """Record what has happened; whoever watches the run reads it."""
        self._out.write(msgspec.json.encode(event) + b"\n")
        self._out.flush()
        if self._tell is not None:
            self._tell(event)

    def cancelled(self) -> bool:
        """Whether the run is to stop; its handler then raises ``Cancelled``."""
        return (self.folder / CANCEL).exists()


def execute(kind: Kind[Any], folder: Path, tell: Callable[[Any], object] | None = None) -> None:
    """Do what a run asks for and record how it ended; the caller holds the run's lock.

    Args:
        kind: of the run.
        folder: of the run.
        tell: told each event.

    Raises:
        EcnasError: it was cancelled or failed; that is recorded.
    """
    request, bundled = kind.asked(folder)
    with (folder / EVENTS).open("ab") as out:
        context = Context(folder, kind.data_of(folder), bundled, out, tell)
        handler: Callable[[Any, Context], object] = resolve_name(kind.handler)
        try:
            handler(request, context)
        except (Cancelled, KeyboardInterrupt):
            context.emit(Ended(state="cancelled"))
            raise
        except EcnasError as error:
            context.emit(Ended(state="failed", error=str(error)))
            raise
        context.emit(Ended(state="done"))


def main() -> None:
    """Do the run whose kind, folder and lock are the arguments."""
    kind: Kind[Any] = resolve_name(sys.argv[1])
    folder, lock = Path(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: (folder / CANCEL).touch())
    try:
        execute(kind, folder)
    except EcnasError as error:
        print(error, file=sys.stderr)
    finally:
        os.close(lock)  # the process may take a while to end


if __name__ == "__main__":
    main()
