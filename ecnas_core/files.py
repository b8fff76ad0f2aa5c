"""Files that appear whole or not at all, files of lines, and locks that the system frees with their process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import msgspec

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = ROOT / "data"
_ATTEMPTS = 20
_PAUSE_S = 0.02
_PARTS = ".*.part"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A file beside a destination to write to; it takes the destination's place once it is whole and on the disk.

    Args:
        path: the destination; its folder is made if absent.

    Yields:
        The file to write to. After an error it is removed, and the destination is as it was.

    Raises:
        OSError: the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")
    with part.open("xb") as handle:
        with suppress(OSError):  # not every shared file system has locks; this one serves remove_parts alone
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield part
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file as a whole; see ``atomic``."""
    with atomic(path) as part:
        part.write_bytes(content)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document as a whole, numbers that are not finite as null; see ``atomic``."""
    write_bytes(path, msgspec.json.encode(document))


def remove_parts(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; what is being written stays.

    On a file system without locks everything stays.
    """
    for part in folder.glob(_PARTS):
        with suppress(OSError):
            if not is_locked(part):
                part.unlink(missing_ok=True)


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that a process adds to; a last line that is not whole is left for later.

    Args:
        path: the file; without it there are none.
    """
    with suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield line


def try_lock(path: Path) -> IO[bytes] | None:
    """Take a lock; it is free again when the handle, and that of any process it was handed to, are closed.

    Args:
        path: the lock's file, made if absent.

    Returns:
        The handle, or None if another one holds the lock.

    Raises:
        OSError: the file cannot be opened.
    """
    for _ in range(_ATTEMPTS):  # who asks whether it is free holds it for a moment
        handle = _opened(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, path):
                return handle
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        handle.close()
    return None


@contextmanager
def wait_lock(path: Path) -> Iterator[None]:
    """Hold a lock that others have for moments only, waiting for them."""
    while (lock := try_lock(path)) is None:
        pass
    with lock:
        yield


def is_locked(path: Path) -> bool:
    """Whether somebody holds a lock."""
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _opened(path: Path) -> IO[bytes]:
    """The file of a lock, readable by every user, as each must be able to ask for it."""
    if not path.exists():
        path.touch()
        path.chmod(0o644)
    return path.open("rb")


def _is_at(handle: IO[bytes], path: Path) -> bool:
    """Whether a file still has its name; the folder of a lock may have been removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False
