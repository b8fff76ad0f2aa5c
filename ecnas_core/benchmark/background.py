"""What work in processes of its own has in common: a lock held while it lives, and files that are read as they grow.

Whoever starts the work takes the lock and hands it to the process; the lock is free again when the process has ended,
however it ended, so no process number is ever relied upon.
"""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ecnas_core.benchmark.layout import ROOT

_ATTEMPTS = 20
_PAUSE_S = 0.02
_LAST_WORDS = 300
_PYTHON_ERROR = re.compile(r"^[\w.]*(?:Error|Exception)\b.*", re.MULTILINE)


def take_lock(path: Path) -> IO[str] | None:
    """Take a lock; it is free again when the handle, and that of any process it was handed to, are closed.

    Args:
        path: the lock's file, made if it is not there.

    Returns:
        The handle, or None if another one holds the lock.
    """
    handle = path.open("a")
    for _ in range(_ATTEMPTS):  # whoever looks whether it is free holds it for a moment
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            time.sleep(_PAUSE_S)
    handle.close()
    return None


def is_held(path: Path) -> bool:
    """Whether a lock is held."""
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def launch(module: str, arguments: Sequence[str], lock: IO[str], log: Path) -> None:
    """Run a module of the project in a session of its own that outlives this process.

    Args:
        module: its name.
        arguments: its command line.
        lock: held by the process until it ends.
        log: where what it prints goes.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=ROOT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie stays


def write_json(path: Path, document: Any) -> None:
    """Write a document beside its destination and rename it into place."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(document), encoding="utf-8")
    part.replace(path)


def read_events(path: Path) -> Iterator[Any]:
    """The documents of a file to which a process adds a line each; a last line that is not whole is left for later.

    Args:
        path: the file; without it there is none.

    Raises:
        ValueError: a whole line is no document.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def last_words(log: Path) -> str:
    """Why a process ended without a word, by what it printed.

    Args:
        log: the file that ``launch`` was given.
    """
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    errors = _PYTHON_ERROR.findall(text)
    if errors:
        return f"its process broke down ({errors[-1][:_LAST_WORDS]})"
    return "its process was ended from outside (killed, for want of memory, or by a restart of the machine)"
