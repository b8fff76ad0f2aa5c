"""Studies carried out: here or in the background, watched, cancelled and resumed from any number of pages."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from operator import index
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from ecnas_core.benchmark import background
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.errors import EcnasError
from ecnas_core.search import study as studies_
from ecnas_core.search.pool import Message, Pool
from ecnas_core.search.study import FiguresChanged, Plan, State, Study, StudyError, Task, UnknownStudy
from ecnas_core.search.task import METADATA, Beat, Figures, Finished, Order, trial_schema

if TYPE_CHECKING:
    import pyarrow as pa

_CREATING = ".lock"
_LOG = "log"
_TELL_EVERY_S = 0.2
_SILENT = Beat(0, 0, 0, 0.0, (), (), (), (), 0.0)


class NameTaken(StudyError):
    """Another study has that name."""

    exit_status = 2


class StudyRunning(StudyError):
    """The study is being carried out."""


class StudyCancelled(StudyError):
    """Somebody cancelled the study."""


@dataclass(frozen=True, kw_only=True)
class TrialProgress(Beat):
    """How far one trial of a study is: what it told last, and what it is.

    Attributes:
        task: its algorithm and seed.
        trial: its number in the study, from 0.
        state: ``waiting``, ``running`` or ``finished``; one that was stopped half-way waits.
        planned: evaluations that it is to make.
    """

    task: Task
    trial: int
    state: Literal["waiting", "running", "finished"]
    planned: int


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is.

    Attributes:
        figures: of the problem; None before the first worker has built it.
        trials: every one, in the order of ``plan.tasks``.
    """

    figures: Figures | None
    trials: tuple[TrialProgress, ...]

    @property
    def evaluations(self) -> int:
        """Charged so far, in all trials."""
        return sum(each.evaluations for each in self.trials)

    @property
    def planned(self) -> int:
        """Evaluations of all trials."""
        return sum(each.planned for each in self.trials)

    @property
    def finished(self) -> int:
        """Number of trials that have finished."""
        return sum(each.state == "finished" for each in self.trials)


def start(
    plan: Plan,
    data: Path,
    name: str | None = None,
    *,
    processes: int | None = None,
    scheduler: str | None = None,
    bundled: Path = BUNDLED,
) -> Study:
    """Carry out a study in a process of its own, which outlives this one.

    Args:
        plan: what it does.
        data: the user's folder.
        name: what it is called; by default its algorithms, its space and a number.
        processes: worker processes; by default one a core.
        scheduler: address of a Dask scheduler whose workers run the trials instead.
        bundled: folder of the bundled figures.

    Raises:
        NameTaken: another study has that name.
        InvalidPlan: it is no name.
        StudyError: it cannot be started.
    """
    data = data.expanduser().resolve()
    with _writing(data), _created(plan, data, name) as (folder, lock):
        _launch(folder, lock, processes, scheduler, bundled)
        return studies_.read(folder)


def resume(
    study: Study, *, processes: int | None = None, scheduler: str | None = None, bundled: Path = BUNDLED
) -> Study:
    """Run the trials of a study that are missing, in a process of its own.

    Args:
        study: one that has ended.
        processes: worker processes; by default one a core.
        scheduler: address of a Dask scheduler whose workers run the trials instead.
        bundled: folder of the bundled figures.

    Raises:
        StudyRunning: it has not ended.
        UnknownStudy: it has been deleted.
        StudyError: it cannot be started.
    """
    with _writing(study.data), held(study) as lock:
        _clear(study.folder)
        _launch(study.folder, lock, processes, scheduler, bundled)
        return studies_.read(study.folder)


def run(
    plan: Plan,
    data: Path,
    name: str | None = None,
    *,
    processes: int | None = None,
    scheduler: str | None = None,
    tell: Callable[[StudyProgress], object] | None = None,
    bundled: Path = BUNDLED,
) -> Study:
    """Carry out a study here, and return when it has ended.

    A study of that name and the same plan goes on with the trials that are missing.

    Args:
        plan: what it does.
        data: the user's folder.
        name: what it is called; by default its algorithms, its space and a number.
        processes: worker processes; by default one a core.
        scheduler: address of a Dask scheduler whose workers run the trials instead.
        tell: told the progress a few times a second.
        bundled: folder of the bundled figures.

    Raises:
        NameTaken: another study with another plan has that name.
        StudyRunning: it is being carried out elsewhere.
        StudyCancelled: a page cancelled it.
        EcnasError: a trial cannot be run; the finished ones are kept.
    """
    data = data.expanduser().resolve()
    known = next((study for study in studies(data) if name is not None and study.name == name.strip()), None)
    with _writing(data):
        if known is None:
            with _created(plan, data, name) as (folder, _):
                carry_out(folder, processes, scheduler, tell, bundled)
        elif known.plan != plan:
            raise NameTaken(f"there is a study {name!r} with another plan; give another name")
        else:
            folder = known.folder
            with held(known):
                _clear(folder)
                carry_out(folder, processes, scheduler, tell, bundled)
    return studies_.read(folder)


def cancel(study: Study) -> None:
    """Ask a study to stop; it does within half a second, and keeps the trials that have finished."""
    if study.running:
        with suppress(FileNotFoundError):  # it has ended and was deleted meanwhile
            (study.folder / studies_.CANCEL).touch()


def studies(data: Path) -> list[Study]:
    """Every readable study of a user's folder, the oldest first; ``problems`` tells of the others."""
    return sorted(_read_all(data)[0], key=lambda study: (study.created, study.id))


def problems(data: Path) -> dict[Path, str]:
    """Studies of a user's folder that cannot be read, each with the reason."""
    return _read_all(data)[1]


def find(name: str, data: Path) -> Study:
    """The study with an id or, if there is none, with a name.

    Raises:
        UnknownStudy: neither.
        StudyError: its file cannot be read.
    """
    found = studies(data)
    for study in found:
        if study.id == name:
            return study
    for study in found:
        if study.name == name.strip():
            return study
    raise UnknownStudy(f"there is no study {name[:60]!r} in {data}; look at those there are")


def progress(study: Study) -> StudyProgress:
    """How far a study is, whether or not it still runs; quick, for pages that look again and again."""
    told = {task: _beat(_document(_progress_path(study.folder, task))) for task in study.plan.tasks}
    figures = _document(study.folder / studies_.FIGURES)
    return StudyProgress(_figures(figures), tuple(_trial(study, task, told[task]) for task in study.plan.tasks))


def carry_out(
    folder: Path,
    processes: int | None,
    scheduler: str | None,
    tell: Callable[[StudyProgress], object] | None = None,
    bundled: Path = BUNDLED,
) -> None:
    """Run the missing trials of a study whose lock is held, and write down how it ended.

    Args:
        folder: of the study.
        processes: worker processes; None for one a core.
        scheduler: address of a Dask scheduler whose workers run the trials instead.
        tell: told the progress a few times a second.
        bundled: folder of the bundled figures.

    Raises:
        StudyCancelled: somebody asked it to stop.
        EcnasError: a trial cannot be run.
    """
    ended: State = "failed"
    reason: str | None = f"its process broke down, its last words are in {folder / _LOG}; resume it"
    try:
        _carry_out(folder, processes or os.cpu_count() or 1, scheduler, tell, bundled)
        ended, reason = "done", None
    except StudyCancelled:
        ended, reason = "cancelled", None
        raise
    except EcnasError as error:
        reason = str(error)
        raise
    except KeyboardInterrupt:
        ended, reason = "cancelled", None
        raise
    finally:
        background.write_json(folder / studies_.ENDED, {"state": ended, "error": reason})


@contextmanager
def held(study: Study) -> Iterator[IO[str]]:
    """Keep everybody else from carrying out, renaming or deleting a study.

    Raises:
        StudyRunning: somebody does.
        UnknownStudy: it has been deleted.
    """
    if not study.folder.is_dir():
        raise UnknownStudy(f"there is no study {study.name!r} any more; look at those there are")
    lock = background.take_lock(study.folder / studies_.LOCK)
    if lock is None:
        raise StudyRunning(f"{study.name} is running; wait for it or cancel it")
    with lock:
        yield lock


def free_name(name: str, data: Path) -> str:
    """A name that no study has: the given one or, with a number after it, the next free one."""
    taken = {study.name for study in studies(data)}
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free


@contextmanager
def naming(data: Path) -> Iterator[None]:
    """Keep everybody else from naming a study meanwhile.

    Raises:
        StudyError: somebody does, and does not come to an end.
    """
    (data / studies_.FOLDER).mkdir(parents=True, exist_ok=True)
    lock = background.take_lock(data / studies_.FOLDER / _CREATING)
    if lock is None:
        raise StudyError(f"another study is being named in {data}; try again")
    with lock:
        yield


def finished_trial(path: Path, study: Study, task: Task) -> dict[str, Any]:
    """What the file of a trial tells about it.

    Args:
        path: the file.
        study: that it is to belong to.
        task: that it is to be.

    Returns:
        ``study``, ``algorithm``, ``seed``, ``seconds``, ``evaluations``, ``ended``, ``outcomes``, ``front``,
        ``hypervolume`` and ``figures``.

    Raises:
        StudyError: it is no file of that trial, and why.
    """
    import pyarrow as pa

    try:
        status = path.stat()
        schema = _schema(path, (status.st_mtime_ns, status.st_size, status.st_ino))
        told: dict[str, Any] = json.loads((schema.metadata or {}).get(METADATA, b"null"))
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StudyError(f"{path} is not a readable Parquet file ({reason}); resume the study") from error
    if not isinstance(told, dict) or (told.get("study"), told.get("algorithm"), told.get("seed")) != (study.id, *task):
        raise StudyError(f"{path} is not of this trial; take it out and resume the study")
    if not schema.remove_metadata().equals(trial_schema(study.plan.setting)):
        raise StudyError(f"{path} has not the columns of a trial; take it out and resume the study")
    return told


@lru_cache(maxsize=4096)
def _schema(path: Path, stamp: tuple[int, ...]) -> pa.Schema:
    """The schema of a Parquet file all of whose rows can be read; ``stamp`` changes with the file."""
    import pyarrow.parquet as pq

    return pq.read_table(path).schema


def _carry_out(
    folder: Path, processes: int, scheduler: str | None, tell: Callable[[StudyProgress], object] | None, bundled: Path
) -> None:
    study = studies_.read(folder)
    pending = [task for task in study.plan.tasks if not _is_finished(study, task)]
    board = _Board(study)
    orders = [
        Order(
            study.id,
            task,
            study.plan.seeds.index(task.seed),
            study.plan.evaluations[task.algorithm],
            study.plan.setting,
            study.data,
            None if bundled == BUNDLED else bundled,
        )
        for task in pending
    ]
    if not orders:
        return
    workers: Any
    if scheduler is None:
        workers = Pool(orders, processes)
    else:
        from ecnas_core.search.cluster import Cluster

        workers = Cluster(orders, scheduler)
    told_at = 0.0
    with closing(workers):
        for message in workers.messages():
            if message is not None:
                with _writing(study.data):
                    board.take(message)
            if (folder / studies_.CANCEL).exists():
                raise StudyCancelled(f"{study.name} was cancelled; its finished trials are kept, resume it to go on")
            if tell is not None and time.monotonic() - told_at >= _TELL_EVERY_S:
                told_at = time.monotonic()
                tell(progress(study))
    if tell is not None:
        tell(progress(study))


def _is_finished(study: Study, task: Task) -> bool:
    path = study.files[task]
    if not path.is_file():
        return False
    try:
        finished_trial(path, study, task)
    except StudyError:
        return False
    return True


class _Board:
    """Writes down what the workers say."""

    def __init__(self, study: Study) -> None:
        self._study = study
        (study.folder / studies_.PROGRESS).mkdir(exist_ok=True)

    def take(self, message: Message) -> None:
        content = message.content
        if isinstance(content, Figures):
            self._compare(content)
        elif isinstance(content, Beat):
            self._tell(message.task, content)
        else:
            self._tell(message.task, content.last)
            self._store(message.task, content)

    def _tell(self, task: Task, beat: Beat) -> None:
        background.write_json(_progress_path(self._study.folder, task), asdict(beat))

    def _store(self, task: Task, finished: Finished) -> None:
        from ecnas_core.benchmark.build import write_parquet

        write_parquet(finished.table, self._study.files[task])

    def _compare(self, figures: Figures) -> None:
        path = self._study.folder / studies_.FIGURES
        known = _figures(_document(path))
        if known is None:
            background.write_json(path, asdict(figures))
        elif known.fingerprint != figures.fingerprint:
            raise FiguresChanged(
                "the benchmark's figures are not those that this study began with; start a new one, or undo the change"
            )


def _trial(study: Study, task: Task, told: Beat | None) -> TrialProgress:
    state: Literal["waiting", "running", "finished"] = "waiting"
    if study.files[task].is_file():
        state = "finished"
    elif told is not None and study.running:
        state = "running"
    beat = told if told is not None and state != "waiting" else _SILENT
    return TrialProgress(
        **{each.name: getattr(beat, each.name) for each in fields(Beat)},
        task=task,
        trial=study.plan.seeds.index(task.seed),
        state=state,
        planned=study.plan.evaluations[task.algorithm],
    )


def _beat(document: Mapping[str, Any] | None) -> Beat | None:
    """How far a trial told that it is; None if it told nothing, or its file is damaged."""
    if document is None:
        return None
    try:
        return Beat(
            index(document["generation"]),
            index(document["asked"]),
            index(document["evaluations"]),
            float(document["hypervolume"]),
            tuple((index(count), float(reached)) for count, reached in document["rises"]),
            tuple(tuple(map(float, point)) for point in document["values"]),
            tuple(map(str, document["hashes"])),
            tuple(map(index, document["epochs"])),
            float(document["seconds"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _figures(document: Mapping[str, Any] | None) -> Figures | None:
    """What a problem is measured by; None if nobody told, or the file is damaged."""
    if document is None:
        return None
    try:
        return Figures(
            str(document["fingerprint"]),
            tuple(map(float, document["reference"])),
            float(document["hypervolume"]),
            index(document["front"]),
            index(document["feasible"]),
            index(document["size"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _progress_path(folder: Path, task: Task) -> Path:
    return folder / studies_.PROGRESS / f"{task.algorithm}.{task.seed}.json"


def _document(path: Path) -> dict[str, Any] | None:
    """What a file of this module tells; None if there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _read_all(data: Path) -> tuple[list[Study], dict[Path, str]]:
    found, failed = [], {}
    for folder in studies_.folders(data.expanduser().resolve()):
        try:
            found.append(studies_.read(folder))
        except UnknownStudy:  # deleted meanwhile
            continue
        except StudyError as error:
            failed[folder] = str(error)
    return found, failed


@contextmanager
def _created(plan: Plan, data: Path, name: str | None) -> Iterator[tuple[Path, IO[str]]]:
    """A new study with its lock."""
    with naming(data):
        if name is None:
            name = free_name(f"{', '.join(plan.algorithms)} in {plan.setting.space}"[:70], data)
        name = studies_.checked_name(name)
        if any(study.name == name for study in studies(data)):
            raise NameTaken(f"there is a study {name!r} already; give another name, or resume that one")
        folder = data / studies_.FOLDER / f"{studies_.slug(name)}-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        lock = background.take_lock(folder / studies_.LOCK)
        assert lock is not None
        studies_.write(folder, name, plan, time.time())
    with lock:
        yield folder, lock


def _launch(folder: Path, lock: IO[str], processes: int | None, scheduler: str | None, bundled: Path) -> None:
    request = {"processes": processes, "scheduler": scheduler, "bundled": str(bundled.resolve())}
    background.launch("ecnas_core.search.study_worker", [str(folder), json.dumps(request)], lock, folder / _LOG)


def _clear(folder: Path) -> None:
    """Forget how a study ended the last time."""
    for name in (studies_.ENDED, studies_.CANCEL):
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _writing(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StudyError(f"{data} cannot be written to ({error.strerror}); check space and permissions") from error
