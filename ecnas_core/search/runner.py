"""Studies carried out: here or in the background, watched, cancelled and resumed from any number of pages."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from ecnas_core import files
from ecnas_core.errors import Cancelled
from ecnas_core.files import BUNDLED
from ecnas_core.runs import Context, Event, Run, RunError, RunStore, UnknownRun
from ecnas_core.search import study as studies_
from ecnas_core.search.pool import Message, Pool
from ecnas_core.search.study import STUDY, Advance, FiguresChanged, Plan, Study, StudyRequest, TrialKey, study_of
from ecnas_core.search.task import METADATA, Figures, Finished, TrialJob, TrialStatus, trial_schema

if TYPE_CHECKING:
    import pyarrow as pa

Document = TypeVar("Document")

_TELL_EVERY_S = 0.2
_SILENT = TrialStatus(0, 0, 0, 0.0, (), (), (), (), 0.0)


class NameTaken(RunError):
    """Another study has that name."""

    exit_status = 2


@dataclass(frozen=True, kw_only=True)
class TrialProgress(TrialStatus):
    """How far one trial of a study is: what it told last, and what it is.

    Attributes:
        task: its algorithm and seed.
        trial: its number in the study, from 0.
        state: ``waiting``, ``running`` or ``finished``; one that was stopped half-way waits.
        planned: evaluations that it is to make.
    """

    task: TrialKey
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


def store(data: Path, bundled: Path = BUNDLED) -> RunStore[StudyRequest]:
    """The studies of a user's folder as runs."""
    return RunStore(STUDY, data, bundled)


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
        RunError: it cannot be started.
    """
    own = store(data, bundled)
    with own.changing():
        request = _request(plan, data, name, processes, scheduler)
        lock = own.create(request, _new_id(request.name))
    return _study(own.launch(lock))


def resume(study: Study, *, processes: int | None = None, scheduler: str | None = None) -> Study:
    """Run the trials of a study that are missing, in a process of its own.

    Args:
        study: one that has ended.
        processes: worker processes; by default one a core.
        scheduler: address of a Dask scheduler whose workers run the trials instead.

    Raises:
        RunRunning: it has not ended.
        UnknownRun: it has been deleted.
        RunError: it cannot be started.
    """
    own = store(study.data)
    return _study(own.launch(own.begin_again(study.id, _workers(processes, scheduler))))


def run(
    plan: Plan,
    data: Path,
    name: str | None = None,
    *,
    processes: int | None = None,
    scheduler: str | None = None,
    tell: Callable[[Advance], object] | None = None,
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
        tell: told how far it is a few times a second.
        bundled: folder of the bundled figures.

    Raises:
        NameTaken: another study with another plan has that name.
        RunRunning: it is being carried out elsewhere.
        Cancelled: a page cancelled it.
        EcnasError: a trial cannot be run; the finished ones are kept.
    """
    own = store(data, bundled)
    known = next((study for study in studies(data) if name is not None and study.name == name.strip()), None)
    if known is None:
        with own.changing():
            request = _request(plan, data, name, processes, scheduler)
            lock = own.create(request, _new_id(request.name))
    elif known.plan != plan:
        raise NameTaken(f"there is a study {name!r} with another plan; give another name")
    else:
        lock = own.begin_again(known.id, _workers(processes, scheduler))

    def heard(event: Event) -> None:
        if tell is not None and isinstance(event, Advance):
            tell(event)

    return _study(own.execute(lock, heard))


def cancel(study: Study) -> None:
    """Ask a study to stop; it does within half a second, and keeps the trials that have finished."""
    own = store(study.data)
    with suppress(UnknownRun):  # it has ended and was deleted meanwhile
        own.cancel(own.read(study.id))


def studies(data: Path) -> list[Study]:
    """Every readable study of a user's folder, the oldest first; ``problems`` tells of the others."""
    found = [study for run in store(data).all() if (study := study_of(run)) is not None]
    return sorted(found, key=lambda study: (study.created, study.id))


def problems(data: Path) -> dict[Path, str]:
    """Studies of a user's folder that cannot be read, each with the reason."""
    return {run.folder: run.error or "" for run in store(data).all() if run.request is None}


def read(study_id: str, data: Path) -> Study:
    """The study with an id as it is.

    Raises:
        UnknownRun: there is none.
        RunError: its file cannot be read.
    """
    return _study(store(data).read(study_id))


def find(name: str, data: Path) -> Study:
    """The study with an id or, if there is none, with a name.

    Raises:
        UnknownRun: neither.
    """
    found = studies(data)
    named = [study for study in found if study.id == name] or [study for study in found if study.name == name.strip()]
    if not named:
        raise UnknownRun(f"there is no study {name[:60]!r} in {data}; look at those there are")
    return named[0]


def progress(study: Study) -> StudyProgress:
    """How far a study is, whether or not it still runs; quick, for pages that look again and again."""
    told = {task: _document(_progress_path(study.folder, task), TrialStatus) for task in study.plan.tasks}
    figures = _document(study.folder / studies_.FIGURES, Figures)
    return StudyProgress(figures, tuple(_trial(study, task, told[task]) for task in study.plan.tasks))


def free_name(name: str, data: Path) -> str:
    """A name that no study has: the given one or, with a number after it, the next free one."""
    taken = {study.name for study in studies(data)}
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free


def work(request: StudyRequest, context: Context) -> None:
    """Run the missing trials of a study.

    Args:
        request: the study.
        context: of its run.

    Raises:
        Cancelled: somebody asked it to stop.
        EcnasError: a trial cannot be run.
    """
    study = read(context.folder.name, context.data)
    missing = [task for task in study.plan.tasks if not _is_finished(study, task)]
    evaluations = {each.task: each.evaluations for each in progress(study).trials if each.task not in missing}
    orders = [
        TrialJob(
            study.id,
            task,
            study.plan.seeds.index(task.seed),
            study.plan.evaluations[task.algorithm],
            study.plan.setting,
            study.data,
            None if context.bundled == BUNDLED else context.bundled,
        )
        for task in missing
    ]

    def tell() -> None:
        counts = study.plan.evaluations
        context.emit(
            Advance(
                finished=len(study.plan.tasks) - len(missing),
                trials=len(study.plan.tasks),
                evaluations=sum(evaluations.values()),
                planned=sum(counts[task.algorithm] for task in study.plan.tasks),
            )
        )

    (study.folder / studies_.PROGRESS).mkdir(exist_ok=True)
    told_at = 0.0
    if orders:
        workers: Any
        if request.scheduler is None:
            workers = Pool(orders, request.processes or os.cpu_count() or 1)
        else:
            from ecnas_core.search.cluster import Cluster

            workers = Cluster(orders, request.scheduler)
        with closing(workers), store(study.data).writing():
            for message in workers.messages():
                if message is not None:
                    beat = _record(study, message)
                    if beat is not None:
                        evaluations[message.task] = beat.evaluations
                    if isinstance(message.content, Finished):
                        missing.remove(message.task)
                if context.cancelled():
                    raise Cancelled(f"{study.name} was cancelled; its finished trials are kept, resume it to go on")
                if time.monotonic() - told_at >= _TELL_EVERY_S:
                    told_at = time.monotonic()
                    tell()
    tell()


def finished_trial(path: Path, study: Study, task: TrialKey) -> dict[str, Any]:
    """What the file of a trial tells about it.

    Args:
        path: the file.
        study: that it is to belong to.
        task: that it is to be.

    Returns:
        ``study``, ``algorithm``, ``seed``, ``seconds``, ``evaluations``, ``ended``, ``outcomes``, ``front``,
        ``hypervolume`` and ``figures``.

    Raises:
        RunError: it is no file of that trial, and why.
    """
    import pyarrow as pa

    try:
        status = path.stat()
        schema = _schema(path, (status.st_mtime_ns, status.st_size, status.st_ino))
        told: dict[str, Any] = json.loads((schema.metadata or {}).get(METADATA, b"null"))
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{path} is not a readable Parquet file ({reason}); resume the study") from error
    if not isinstance(told, dict) or (told.get("study"), told.get("algorithm"), told.get("seed")) != (study.id, *task):
        raise RunError(f"{path} is not of this trial; take it out and resume the study")
    if not schema.remove_metadata().equals(trial_schema(study.plan.setting)):
        raise RunError(f"{path} has not the columns of a trial; take it out and resume the study")
    return told


@lru_cache(maxsize=4096)
def _schema(path: Path, stamp: tuple[int, ...]) -> pa.Schema:
    """The schema of a Parquet file all of whose rows can be read; ``stamp`` changes with the file."""
    import pyarrow.parquet as pq

    return pq.read_table(path).schema


def _request(plan: Plan, data: Path, name: str | None, processes: int | None, scheduler: str | None) -> StudyRequest:
    """A new study under a name that no other has."""
    if name is None:
        name = free_name(f"{', '.join(plan.algorithms)} in {plan.setting.space}"[:70], data)
    name = studies_.checked_name(name)
    if any(study.name == name for study in studies(data)):
        raise NameTaken(f"there is a study {name!r} already; give another name, or resume that one")
    return StudyRequest(name, time.time(), plan.to_document(), processes, scheduler)


def _new_id(name: str) -> str:
    return f"{studies_.slug(name)}-{uuid.uuid4().hex[:8]}"


def _workers(processes: int | None, scheduler: str | None) -> Callable[[StudyRequest], StudyRequest]:
    return lambda request: msgspec.structs.replace(request, processes=processes, scheduler=scheduler)


def _study(run: Run[StudyRequest]) -> Study:
    study = study_of(run)
    if study is None:
        raise RunError(run.error)
    return study


def _is_finished(study: Study, task: TrialKey) -> bool:
    path = study.files[task]
    if not path.is_file():
        return False
    try:
        finished_trial(path, study, task)
    except RunError:
        return False
    return True


def _record(study: Study, message: Message) -> TrialStatus | None:
    """Write down what a worker says.

    Returns:
        How far its trial is; None if it did not say.
    """
    content = message.content
    if isinstance(content, Figures):
        _compare(study, content)
        return None
    beat = content.last if isinstance(content, Finished) else content
    files.write_json(_progress_path(study.folder, message.task), beat)
    if isinstance(content, Finished):
        from ecnas_core.benchmark.build import write_parquet

        write_parquet(content.table, study.files[message.task])
    return beat


def _compare(study: Study, figures: Figures) -> None:
    """Hold what the problem is measured by against what it was as the study began."""
    path = study.folder / studies_.FIGURES
    known = _document(path, Figures)
    if known is None:
        files.write_json(path, figures)
    elif known.fingerprint != figures.fingerprint:
        raise FiguresChanged(
            "the benchmark's figures are not those that this study began with; start a new one, or undo the change"
        )


def _trial(study: Study, task: TrialKey, told: TrialStatus | None) -> TrialProgress:
    state: Literal["waiting", "running", "finished"] = "waiting"
    if study.files[task].is_file():
        state = "finished"
    elif told is not None and study.running:
        state = "running"
    beat = told if told is not None and state != "waiting" else _SILENT
    return TrialProgress(
        **{each.name: getattr(beat, each.name) for each in fields(TrialStatus)},
        task=task,
        trial=study.plan.seeds.index(task.seed),
        state=state,
        planned=study.plan.evaluations[task.algorithm],
    )


def _progress_path(folder: Path, task: TrialKey) -> Path:
    return folder / studies_.PROGRESS / f"{task.algorithm}.{task.seed}.json"


def _document(path: Path, kind: type[Document]) -> Document | None:
    """What a file of this module tells; None if there is none, or it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None
