"""Fetch an official EC-NAS-Bench file: resumable, verified, cancellable at any time.

The bytes gather in ``<folder>/<file name>.part`` and take the final name only when size and SHA-256 are those in
``official.OFFICIAL``. Blocking network calls live in a thread, so cancelling never waits for a silent server.
"""

from __future__ import annotations

import contextlib
import difflib
import email.utils
import errno
import hashlib
import itertools
import math
import queue
import random
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import requests

from ecnas_core import files
from ecnas_core.benchmark.official import BASE_URL, OFFICIAL, OfficialFile
from ecnas_core.errors import Cancelled, EcnasError

CHUNK_BYTES = 1 << 16
DISK_MARGIN_BYTES = 64 << 20
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
LONGEST_BACKOFF_S = 30.0
LONGEST_RETRY_AFTER_S = 120.0
POLL_S = 0.1
REPORT_EVERY_S = 0.1
SMOOTHING_S = 3.0

_LFS_POINTER = b"version https://git-lfs"
_WEB_PAGE = (b"<!doctype html", b"<html")


class DownloadError(EcnasError):
    """A download did not come to its end."""

    exit_status = 1


class UnknownFile(DownloadError):
    """The name is none of the official files'."""

    exit_status = 2


class DownloadLocked(DownloadError):
    """Another process is downloading the same file into the same folder."""


class NotEnoughDisk(DownloadError):
    """The disk is too full for the rest of the file."""


class FolderNotWritable(DownloadError):
    """The folder cannot be read or written."""


class LfsPointer(DownloadError):
    """The address serves a Git LFS pointer, not the file behind it."""


class WrongSize(DownloadError):
    """The server offers or sends another number of bytes than the official file has."""


class WrongChecksum(DownloadError):
    """All bytes arrived, but they are not the official ones."""


class ServerRefused(DownloadError):
    """The server, or the address itself, gives an answer that trying again will not change."""


class RetriesExhausted(DownloadError):
    """The connection failed too often in a row; what has arrived is kept."""


class _Transient(Exception):
    """A failure worth another attempt, not before ``wait_s`` seconds."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Progress:
    """How far a download is.

    Attributes:
        bytes_done: bytes in the part file, those of earlier calls included.
        bytes_total: size of the official file.
        bytes_per_second: smoothed over the last seconds.
        seconds_left: estimate; None as long as nothing arrives.
    """

    bytes_done: int
    bytes_total: int
    bytes_per_second: float
    seconds_left: float | None


@dataclass(frozen=True)
class DownloadReport:
    """A file that is complete and verified.

    Attributes:
        path: where it lies.
        bytes: its size.
        sha256: its digest, hexadecimal.
        resumed_from: bytes that were there before this call; equal to ``bytes`` if nothing had to be fetched.
        seconds: wall-clock time of this call.
    """

    path: Path
    bytes: int
    sha256: str
    resumed_from: int
    seconds: float


def download(
    name: str,
    folder: Path,
    *,
    base_url: str = BASE_URL,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    retries: int = 5,
    backoff_s: float = 0.5,
) -> DownloadReport:
    """Fetch one official file into a folder, going on where an earlier call was stopped or killed.

    Args:
        name: a key of ``OFFICIAL``, for example ``hardware/energy_4V9E_rtx3060.tfrecord``.
        folder: where ``<file name>`` comes to lie; made if absent. A lock file stays in it.
        base_url: the address below which the names are served.
        progress: called at most ten times a second, and at the end.
        cancel: polled at least every 0.1 s; once it returns True, the call raises.
        retries: failed attempts in a row that are put up with; one that brought 1 % of the file starts a new row.
        backoff_s: wait after the first failure; doubles with every further one, with jitter.

    Returns:
        The report; the file at its path has the official size and SHA-256.

    Raises:
        DownloadError: by one of its subclasses, which name what went wrong.
    """
    started = time.monotonic()
    file = official_file(name)
    folder = Path(folder)
    target, part = folder / file.file_name, folder / f"{file.file_name}.part"
    monitor = _Monitor(file, progress, cancel)
    with _file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f".{file.file_name}.lock", name):
        resumed_from = file.bytes
        if not _is_official(target, file, monitor):
            transfer = _Transfer(file, f"{base_url.rstrip('/')}/{name}", part, monitor)
            resumed_from = _fetch_verified(transfer, retries, backoff_s)
            with _file_errors(folder):
                part.replace(target)
        monitor.report()
    return DownloadReport(target, file.bytes, file.sha256, resumed_from, time.monotonic() - started)


def official_file(name: str) -> OfficialFile:
    """The official file of that name.

    Raises:
        UnknownFile: there is none.
    """
    if name in OFFICIAL:
        return OFFICIAL[name]
    close = difflib.get_close_matches(name, OFFICIAL, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UnknownFile(f"no official file is called {name!r}; {hint}The files are: {', '.join(sorted(OFFICIAL))}")


def _fetch_verified(transfer: _Transfer, retries: int, backoff_s: float) -> int:
    """Complete the part file; one built on an earlier call's bytes that proves wrong is fetched anew, once.

    Returns:
        The number of bytes taken over from earlier calls.
    """
    while True:
        transfer.complete(retries, backoff_s)
        if _is_official(transfer.part, transfer.file, transfer.monitor):
            return transfer.resumed_from
        was_resumed = transfer.resumed_from > 0
        transfer.discard()
        if not was_resumed:
            raise WrongChecksum(
                f"{transfer.url} serves other bytes than the official {transfer.file.name} (SHA-256 differs); "
                "they were deleted: try again, or another base address"
            )


def _is_official(path: Path, file: OfficialFile, monitor: _Monitor) -> bool:
    if _size(path) != file.bytes:
        return False
    monitor.stand_at(file.bytes)
    digest = hashlib.sha256()
    with _file_errors(path.parent):
        handle = path.open("rb")
    with handle:
        while block := handle.read(1 << 20):
            digest.update(block)
            monitor.beat()
    return digest.hexdigest() == file.sha256


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@contextlib.contextmanager
def _file_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotEnoughDisk(f"the disk of {folder} is full; free some space, then go on with a new call") from error
        raise FolderNotWritable(f"cannot use {folder}: {error.strerror}; name a folder you may write to") from error


@contextlib.contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    """Hold an advisory lock; the system frees it when the process dies."""
    with _file_errors(path.parent):
        lock = files.try_lock(path)
    if lock is None:
        raise DownloadLocked(
            f"{name} is being downloaded into {path.parent} by another process; wait for it or stop it"
        )
    with lock:
        yield


class _Monitor:
    """Tells progress and asks for cancellation; whoever waits or works calls ``beat`` at least every POLL_S."""

    def __init__(
        self, file: OfficialFile, progress: Callable[[Progress], None] | None, cancel: Callable[[], bool] | None
    ) -> None:
        self._file, self._progress, self._cancel = file, progress, cancel
        self._rate: float | None = None
        self.stand_at(0)

    def stand_at(self, done: int) -> None:
        """Set the bytes that are there, without counting them as received."""
        self._done = self._sampled_done = done
        self._sampled_at = time.monotonic()

    def beat(self, received: int = 0) -> None:
        if self._cancel is not None and self._cancel():
            raise Cancelled(f"the download of {self._file.name} was cancelled; a new call goes on from there")
        self._done += received
        elapsed = time.monotonic() - self._sampled_at
        if elapsed >= REPORT_EVERY_S:
            self._sample(elapsed)
            self.report()

    def sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.beat()
            time.sleep(min(left, POLL_S))

    def report(self) -> None:
        if self._progress is not None:
            rate, left = self._rate or 0.0, self._file.bytes - self._done
            seconds_left = 0.0 if not left else left / rate if rate > 0 else None
            self._progress(Progress(self._done, self._file.bytes, rate, seconds_left))

    def _sample(self, elapsed: float) -> None:
        rate = (self._done - self._sampled_done) / elapsed
        weight = 1 - math.exp(-elapsed / SMOOTHING_S)
        self._rate = rate if self._rate is None else self._rate + weight * (rate - self._rate)
        self.stand_at(self._done)


class _Transfer:
    """The part file and how it grows."""

    def __init__(self, file: OfficialFile, url: str, part: Path, monitor: _Monitor) -> None:
        self.file, self.url, self.part, self.monitor = file, url, part, monitor
        self._use_ranges = True
        if _size(part) > file.bytes:
            self.discard()
        self.resumed_from = _size(part)

    def discard(self) -> None:
        with _file_errors(self.part.parent):
            self.part.unlink()
        self.resumed_from = 0

    def complete(self, retries: int, backoff_s: float) -> None:
        """Fetch what is missing, attempt after attempt."""
        self._check_disk()
        failures, reached = 0, _size(self.part)
        while (done := _size(self.part)) < self.file.bytes:
            self.monitor.stand_at(done)
            try:
                self._attempt(done if self._use_ranges else 0)
            except _Transient as error:
                if _size(self.part) - reached >= max(1, self.file.bytes // 100):
                    failures, reached = 0, _size(self.part)
                failures += 1
                if failures > retries or error.wait_s > LONGEST_RETRY_AFTER_S:
                    raise self._exhausted(error, failures) from error
                backoff = min(LONGEST_BACKOFF_S, backoff_s * 2 ** (failures - 1)) * random.uniform(0.5, 1.0)
                self.monitor.sleep(max(backoff, error.wait_s))

    def _check_disk(self) -> None:
        missing = self.file.bytes - _size(self.part)
        needed, free = missing + DISK_MARGIN_BYTES, shutil.disk_usage(self.part.parent).free
        if missing and free < needed:
            raise NotEnoughDisk(
                f"{self.file.name} needs {needed / 1e6:.0f} MB free (reserve included), {self.part.parent} has "
                f"{free / 1e6:.0f} MB; free some space or name another folder"
            )

    def _exhausted(self, error: _Transient, failures: int) -> RetriesExhausted:
        return RetriesExhausted(
            f"gave up on {self.url} after {failures} failed attempts in a row: {error}; {_size(self.part)} of "
            f"{self.file.bytes} bytes are kept, a new call goes on from there"
        )

    def _attempt(self, asked: int) -> None:
        with _get(self.url, asked, self.monitor) as (response, chunks):
            start = self._accepted_start(response, asked)
            if start == 0:
                first = next(chunks, b"")
                self._refuse_impostor(first, response)
                chunks = itertools.chain([first], chunks)
                self.resumed_from = 0
                self.monitor.stand_at(0)
            self._write(chunks, start)

    def _accepted_start(self, response: requests.Response, asked: int) -> int:
        """Offset in the file of the body's first byte, for an answer that can be used."""
        status = response.status_code
        if status == 200:
            return 0
        if status == 206:
            start, total = _content_range(response)
            if total not in (None, self.file.bytes):
                raise self._wrong_size(f"offers {total} bytes")
            if start == asked:
                return start
        if status in (206, 416) and asked:
            self._use_ranges = False
            raise _Transient(f"the server does not serve the rest of the file (status {status})")
        if status in (408, 429) or status >= 500:
            wait_s = _retry_after_s(response)
            wish = f" and asks to wait {wait_s:.0f} s" if wait_s else ""
            raise _Transient(f"the server answers {status} {response.reason}{wish}", wait_s)
        raise ServerRefused(f"{self.url} answers {status} {response.reason}; check the base address")

    def _refuse_impostor(self, first: bytes, response: requests.Response) -> None:
        if first.startswith(_LFS_POINTER):
            raise LfsPointer(
                f"{self.url} serves a Git LFS pointer instead of the file; use the default base address {BASE_URL}"
            )
        if first.lstrip()[:16].lower().startswith(_WEB_PAGE):
            raise self._wrong_size("sends a web page")
        length = response.headers.get("Content-Length")
        if response.status_code == 200 and length not in (None, str(self.file.bytes)):
            raise self._wrong_size(f"offers {length} bytes")

    def _write(self, chunks: Iterator[bytes], start: int) -> None:
        with _file_errors(self.part.parent):
            handle = FileIO(self.part, "a" if start else "w")
        with handle:
            done = start
            for chunk in chunks:
                done += len(chunk)
                if done > self.file.bytes:
                    raise self._wrong_size("sends more than it should")
                with _file_errors(self.part.parent):
                    _write_all(handle, chunk)
                self.monitor.beat(len(chunk))
        if done < self.file.bytes:
            raise _Transient("the connection ended early")

    def _wrong_size(self, what: str) -> WrongSize:
        return WrongSize(f"{self.url} {what}, the official file has {self.file.bytes} bytes; check the base address")


def _write_all(handle: FileIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[handle.write(view) :]


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """First byte and total size as the answer states them; None where it does not."""
    match = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _retry_after_s(response: requests.Response) -> float:
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


@contextlib.contextmanager
def _get(url: str, offset: int, monitor: _Monitor) -> Iterator[tuple[requests.Response, Iterator[bytes]]]:
    """One GET from an offset on: the answer and its body, received by a thread while this one watches the monitor."""
    items: queue.Queue[Any] = queue.Queue(maxsize=8)
    closed = threading.Event()
    threading.Thread(target=_receive, args=(url, offset, items, closed), daemon=True).start()

    def take() -> Any:
        while True:
            monitor.beat()
            with contextlib.suppress(queue.Empty):
                item = items.get(timeout=POLL_S)
                if isinstance(item, BaseException):
                    raise _translated(item, url) from item
                return item

    try:
        yield take(), iter(take, None)
    finally:
        closed.set()
        while not items.empty():  # a receiver blocked by the full queue goes on, sees `closed` and ends
            items.get_nowait()


def _receive(url: str, offset: int, items: queue.Queue[Any], closed: threading.Event) -> None:
    """Put the answer, its chunks and then None, or at any point the exception that ended it."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)) as response:
            items.put(response)
            for chunk in response.iter_content(CHUNK_BYTES):
                if closed.is_set():
                    return
                items.put(chunk)
        items.put(None)
    except Exception as error:  # noqa: BLE001 - raised again in the thread that waits for it
        items.put(error)


def _translated(error: BaseException, url: str) -> BaseException:
    if isinstance(error, requests.exceptions.SSLError):
        return _Transient("no secure connection: certificate or TLS failure")
    if isinstance(error, requests.Timeout):
        return _Transient("the server did not answer in time")
    if isinstance(error, requests.ConnectionError):
        return _Transient("the server cannot be reached, or fell silent")
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return _Transient("the connection broke")
    if isinstance(error, requests.RequestException):
        return ServerRefused(f"cannot fetch {url}: {error}; check the base address")
    return error
