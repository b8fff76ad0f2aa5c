"""The runs of one kind in a user's folder.

A run has a folder of its own: what it is asked for (``request.json``), what has happened (``events.jsonl``), and what
it made. Whoever does the work holds a lock on ``lock`` from before the request is written until the work has ended, so
a run whose lock is free has ended, whatever its files say, and no process number is ever relied upon. A file ``cancel``
asks it to stop.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Generic, Self

import msgspec

from ecnas_core import files
from ecnas_core.errors import EcnasError
from ecnas_core.runs import worker
from ecnas_core.runs.run import (
    CANCEL,
    Ended,
    Progress,
    Request,
    Run,
    RunError,
    RunRunning,
    State,
    UnknownRun,
)

LOCK, LOG = "lock", "log"
_ENDED_BEFORE = "ended.json"
"""How a study ended, as versions before 0.2 wrote it."""
_LAST_WORDS = 300
_PYTHON_ERROR = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt)\b.*", re.MULTILINE)


class _Envelope(msgspec.Struct):
    started: float = 0.0
    created: float = 0.0
    bundled: str = str(files.BUNDLED)


@dataclass(frozen=True)
class Kind(Generic[Request]):
    """What the runs of one kind have in common.

    Attributes:
        name: what one is called.
        path: where this is declared, as module:name; the process of a run looks it up there.
        handler: the function of a request and a ``Context`` that does the work, as module:name.
        folder: below the user's folder, where the runs live.
        requests: the type of what can be asked for.
        events: the type of what can happen, ``Ended`` included.
        title: says in a few words what a request asks for.
        progress: says how far a run is.
        set_aside: below the user's folder, where runs wait that were removed and can be brought back.
        file: what the file of the request is called.
        one_at_a_time: whether a run has to wait for the others of a user's folder.
        remedy: what to do about one that died.
        keeps_results: whether a run that is done holds what it made, so that nobody removes it unasked.
        read_old: reads the file ``<id>.json`` that a run of a version before 0.2 left instead of a folder.
        check: raises an EcnasError where the events of a run are not those of its request.
    """

    name: str
    path: str
    handler: str
    folder: Path
    requests: Any
    events: Any
    title: Callable[[Request], str]
    progress: Callable[[Run[Request]], Progress]
    set_aside: Path = Path("set-aside")
    file: str = "request.json"
    one_at_a_time: bool = False
    remedy: str = "start it again"
    keeps_results: bool = False
    read_old: Callable[[Path], Run[Request]] | None = None
    check: Callable[[Request, Sequence[Any]], object] = lambda request, events: None

    @cached_property
    def _decoders(self) -> tuple[msgspec.json.Decoder[Any], ...]:
        return tuple(msgspec.json.Decoder(each) for each in (self.requests, self.events, _Envelope, Ended))

    def data_of(self, folder: Path) -> Path:
        """The user's folder in which a run lives."""
        return folder.parents[len(self.folder.parts)]

    def asked(self, folder: Path) -> tuple[Request, Path]:
        """What the run of a folder is to do, and the folder of the bundled figures.

        Raises:
            FileNotFoundError, NotADirectoryError: there is none.
            msgspec.MsgspecError, EcnasError: it is no request of this kind.
        """
        requests, _, envelopes, _ = self._decoders
        content = (folder / self.file).read_bytes()
        return requests.decode(content), Path(envelopes.decode(content).bundled)

    def write(self, folder: Path, request: Request, **envelope: Any) -> None:
        """Write down what a run is to do."""
        files.write_json(folder / self.file, {**msgspec.to_builtins(request), **envelope})

    def read(self, folder: Path) -> Run[Request]:
        """The run of a folder as it is.

        Raises:
            UnknownRun: there is none.
        """
        requests, events, envelopes, ends = self._decoders
        request, started = None, 0.0
        try:
            held = files.is_locked(folder / LOCK)  # asked first: one that ends meanwhile is not taken for dead
            content = (folder / self.file).read_bytes()
            request, envelope = requests.decode(content), envelopes.decode(content)
            started = envelope.started or envelope.created
            happened = tuple(events.decode(line) for line in files.lines(folder / worker.EVENTS))
            if not happened and (folder / _ENDED_BEFORE).is_file():
                happened = (ends.decode((folder / _ENDED_BEFORE).read_bytes()),)
            self.check(request, happened)
        except (FileNotFoundError, NotADirectoryError):
            raise UnknownRun(f"there is no {self.name} {folder.name[:60]!r} in {folder.parent}") from None
        except (OSError, msgspec.MsgspecError, RecursionError, EcnasError) as error:
            reason = f"{folder} cannot be read as a {self.name} ({error}); repair or remove it"
            return Run(folder.name, folder, request, started, "unreadable", reason)
        state, error_message = self._state(folder, held, happened)
        return Run(folder.name, folder, request, started, state, error_message, happened)

    def _state(self, folder: Path, held: bool, events: tuple[Any, ...]) -> tuple[State, str | None]:
        last = events[-1] if events else None
        if isinstance(last, Ended):
            return last.state, last.error
        if held:
            return "running", None
        if (folder / CANCEL).exists():
            return "cancelled", None
        return "died", f"{_last_words(folder / LOG)}; {self.remedy}"


class RunLock:
    """The lock of a run that is this process's to begin or change; free again on leaving the context.

    Attributes:
        folder: of the run.
        handle: of the lock's file.
    """

    def __init__(self, folder: Path, handle: IO[bytes]) -> None:
        self.folder, self.handle = folder, handle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.handle.close()


class RunStore(Generic[Request]):
    """The runs of a kind in a user's folder.

    Args:
        kind: of the runs.
        data: the user's folder.
        bundled: folder of the bundled figures.
    """

    def __init__(self, kind: Kind[Request], data: Path, bundled: Path = files.BUNDLED) -> None:
        self.kind, self.data, self.bundled = kind, data.expanduser().resolve(), bundled.resolve()
        self.folder = self.data / kind.folder

    def start(
        self, request: Request, run_id: str | None = None, prepare: Callable[[Path], object] | None = None
    ) -> Run[Request]:
        """Begin a run in a process of its own, which outlives this one.

        Args:
            request: what it does.
            run_id: its id, by default a new one; one of that id that has ended gives way.
            prepare: puts into the run's folder what its handler needs.

        Raises:
            RunRunning: it has to wait for another one.
            RunError: it cannot be started.
        """
        with self.changing():
            lock = self.create(request, run_id, prepare)
        return self.launch(lock)

    def run(
        self, request: Request, run_id: str | None = None, tell: Callable[[Any], object] | None = None
    ) -> Run[Request]:
        """Do a run here, and return when it has ended.

        Args:
            request: what it does.
            run_id: as for ``start``.
            tell: told each event.

        Raises:
            RunRunning: it has to wait for another one.
            RunError: it cannot be started.
            EcnasError: it was cancelled or failed.
        """
        with self.changing():
            lock = self.create(request, run_id)
        return self.execute(lock, tell)

    def all(self) -> list[Run[Request]]:
        """Every run, readable or not, the oldest first."""
        found = {}
        for path in self.folder.glob(f"*/{self.kind.file}"):
            with suppress(UnknownRun):  # removed meanwhile
                found[path.parent.name] = self.kind.read(path.parent)
        if self.kind.read_old is not None:
            found |= {path.stem: self.kind.read_old(path) for path in self.folder.glob("*.json")}
        return sorted(found.values(), key=lambda run: (run.started, run.id))

    def read(self, run_id: str) -> Run[Request]:
        """The run of an id as it is.

        Raises:
            UnknownRun: there is none.
        """
        return self.kind.read(self.folder / run_id)

    def cancel(self, run: Run[Request]) -> None:
        """Ask a run to stop; one that has ended, or was started anew since, is left alone."""
        with suppress(FileNotFoundError, UnknownRun):
            now = self.read(run.id)
            if now.running and now.started == run.started:
                (run.folder / CANCEL).touch()

    def dismiss(self, run_id: str) -> None:
        """Remove a run that has ended for good; one that is gone already is no error.

        Raises:
            RunRunning: it has not ended.
            RunError: its folder cannot be removed.
        """
        with suppress(UnknownRun), self.hold(run_id) as lock, self.writing():
            shutil.rmtree(lock.folder)
        self._forget_old(run_id)

    def remove(self, run_id: str) -> None:
        """Set a run that has ended aside; ``restore`` brings it back, and one that is gone already is no error.

        Raises:
            RunRunning: it has not ended.
            RunError: its folder cannot be moved.
        """
        with suppress(UnknownRun), self.hold(run_id) as lock:
            self.set_aside(lock)

    def set_aside(self, lock: RunLock) -> None:
        """Set the run whose lock this is aside; see ``remove``."""
        with self.writing():
            self.aside.mkdir(parents=True, exist_ok=True)
            lock.folder.replace(self.aside / lock.folder.name)

    def restore(self, run_id: str) -> Run[Request]:
        """Bring a removed run back.

        Raises:
            UnknownRun: none of that id was removed.
            RunError: its folder cannot be moved.
        """
        if run_id not in self.removed():
            raise UnknownRun(f"no {self.kind.name} {run_id[:60]!r} was deleted in {self.data}; look at those there are")
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.aside / run_id).replace(self.folder / run_id)
        return self.read(run_id)

    def removed(self) -> list[str]:
        """The ids of the runs that can be brought back, the one removed last at the end."""
        return [each.name for each in sorted(self.aside.glob("*"), key=lambda each: each.stat().st_ctime_ns)]

    @property
    def aside(self) -> Path:
        """Where removed runs wait."""
        return self.data / self.kind.set_aside

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep everybody else from creating or naming a run meanwhile.

        Raises:
            RunError: somebody does and does not come to an end, or the folder cannot be written to.
        """
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = files.try_lock(self.folder / ".lock")
        if lock is None:
            raise RunError(f"another {self.kind.name} is being started in {self.data}; try again")
        with lock:
            yield

    def create(
        self, request: Request, run_id: str | None = None, prepare: Callable[[Path], object] | None = None
    ) -> RunLock:
        """Make the folder of a run, within ``changing``; arguments and errors as of ``start``.

        Returns:
            Its lock, for ``launch`` or ``execute``.
        """
        if self.kind.one_at_a_time and any(run.running for run in self.all()):
            raise RunRunning(f"a {self.kind.name} is running; wait for it or cancel it")
        folder = self.folder / (run_id or f"{time.time_ns()}-{uuid.uuid4().hex[:8]}")
        with ExitStack() as stack:
            with self.writing():
                folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(self._locked(folder))
                for each in folder.iterdir():
                    if each.name != LOCK:
                        shutil.rmtree(each) if each.is_dir() else each.unlink()
                if prepare is not None:
                    prepare(folder)
                for place in self.data.glob("*/"):
                    files.remove_parts(place)
                self.kind.write(folder, request, started=time.time(), bundled=str(self.bundled))
                self._forget_old(folder.name)
            stack.pop_all()
        return lock

    def begin_again(self, run_id: str, change: Callable[[Request], Request] = lambda request: request) -> RunLock:
        """Let a run that has ended go on; what it made stays.

        Args:
            run_id: its id.
            change: of what it is asked for.

        Returns:
            Its lock, for ``launch`` or ``execute``.

        Raises:
            UnknownRun: there is none of that id.
            RunRunning: it has not ended.
            RunError: its folder cannot be written to, or it is unreadable.
        """
        with ExitStack() as stack:
            lock = stack.enter_context(self.hold(run_id))
            run = self.read(run_id)
            if run.request is None:
                raise RunError(run.error)
            with self.writing():
                for name in (worker.EVENTS, _ENDED_BEFORE, CANCEL):
                    (lock.folder / name).unlink(missing_ok=True)
                for place in (lock.folder, *lock.folder.glob("*/")):
                    files.remove_parts(place)
                _, bundled = self.kind.asked(lock.folder)
                self.kind.write(lock.folder, change(run.request), started=time.time(), bundled=str(bundled))
            stack.pop_all()
        return lock

    def rewrite(self, run_id: str, change: Callable[[Request], Request]) -> None:
        """Change what a run is recorded to have been asked for, within ``changing``.

        Raises:
            UnknownRun: there is none of that id.
            RunError: it cannot be read or written.
        """
        run = self.read(run_id)
        if run.request is None:
            raise RunError(run.error)
        with self.writing():
            _, bundled = self.kind.asked(run.folder)
            self.kind.write(run.folder, change(run.request), started=run.started, bundled=str(bundled))

    def launch(self, lock: RunLock) -> Run[Request]:
        """Do the run whose lock this is in a process of its own, which takes the lock over."""
        with lock, self.writing(), (lock.folder / LOG).open("wb") as out:
            descriptor = lock.handle.fileno()
            process = subprocess.Popen(
                [sys.executable, "-m", worker.__name__, self.kind.path, str(lock.folder), str(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=files.ROOT,
                start_new_session=True,
                pass_fds=[descriptor],
            )
        threading.Thread(target=process.wait, daemon=True).start()  # no zombie stays
        return self.kind.read(lock.folder)

    def execute(self, lock: RunLock, tell: Callable[[Any], object] | None = None) -> Run[Request]:
        """Do the run whose lock this is here; raises what its handler raises."""
        with lock:
            worker.execute(self.kind, lock.folder, tell)
        return self.kind.read(lock.folder)

    def hold(self, run_id: str) -> RunLock:
        """Keep everybody else from starting, changing or removing a run that has ended.

        Raises:
            UnknownRun: there is none of that id.
            RunRunning: it has not ended.
        """
        folder = self.folder / run_id
        if not folder.is_dir():
            raise UnknownRun(f"there is no {self.kind.name} {run_id[:60]!r} any more; look at those there are")
        return self._locked(folder)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Report what the disk refuses as a ``RunError``."""
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self.data} cannot be written to ({error.strerror}); check space and permissions"
            ) from error

    def _forget_old(self, run_id: str) -> None:
        with self.writing():
            for name in (f"{run_id}.json", f".{run_id}.lock"):
                (self.folder / name).unlink(missing_ok=True)

    def _locked(self, folder: Path) -> RunLock:
        handle = files.try_lock(folder / LOCK)
        if handle is None:
            request = self.kind.read(folder).request
            title = folder.name if request is None else self.kind.title(request)
            raise RunRunning(f"the {self.kind.name} {title!r} is running; wait for it or cancel it")
        return RunLock(folder, handle)


def _last_words(log: Path) -> str:
    """Why a process ended without a word, by what it printed."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    errors = _PYTHON_ERROR.findall(text)
    if errors:
        return f"its process broke down ({errors[-1][:_LAST_WORDS]})"
    return "its process was ended from outside (killed, for want of memory, or by a restart of the machine)"
