"""Stored studies and the published runs, to look at, rename, delete, bring back, sum up and take along."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec.structs import replace

from ecnas_core.analysis.pareto import extremes, knee
from ecnas_core.analysis.table1 import PUBLISHED
from ecnas_core.benchmark.store import Benchmark, check_space
from ecnas_core.carbon import Lens
from ecnas_core.cells import SPACES, Space
from ecnas_core.runs import RunError, State
from ecnas_core.search import runner
from ecnas_core.search import study as studies_
from ecnas_core.search.archive import nondominated
from ecnas_core.search.problem import Setting
from ecnas_core.search.runner import NameTaken, finished_trial, free_name, progress, studies
from ecnas_core.search.study import Study, TrialKey
from ecnas_core.search.task import trial_schema

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Summary:
    """A study in a list.

    Attributes:
        id: names it for good, in links; ``published-7V`` and the like for the authors' runs.
        name: what it is called.
        space: that it searched.
        objectives: what it minimised.
        algorithms: that it compares.
        trials: how many it has in all.
        finished: how many have finished.
        evaluations: charged so far.
        created: when, in s since 1970; None for the published runs.
        state: as of the study; ``done`` for the published runs.
        error: why it ended without success.
        published: whether it is the authors'.
    """

    id: str
    name: str
    space: Space
    objectives: tuple[str, ...]
    algorithms: tuple[str, ...]
    trials: int
    finished: int
    evaluations: int
    created: float | None
    state: State
    error: str | None
    published: bool


@dataclass(frozen=True)
class Training:
    """What it would take to train for real what a search asked the benchmark for.

    Attributes:
        cells: different cells that were asked for.
        trainings: different cells and budgets.
        unknown: those of the trainings without a known energy under the lens; the figures lack them.
        unidentified: evaluations of no known cell, invalid graphs among them; the figures lack them.
        energy_kwh: of all trainings, each once, kWh under the lens's scope, PUE and correction.
        training_time_s: of the trainings whose time is known, s.
        untimed: those of the trainings whose time is not known.
        predicted: those of the trainings whose time is predicted.
    """

    cells: int
    trainings: int
    unknown: int
    unidentified: int
    energy_kwh: float
    training_time_s: float
    untimed: int
    predicted: int


def listing(bench: Benchmark) -> list[Summary]:
    """All studies of the user's folder, the latest first, then the published runs by space."""
    own = [_summary(study) for study in reversed(studies(bench.data))]
    return own + [_published(bench, space) for space in SPACES]


def evaluations(study: Study) -> pd.DataFrame:
    """Every question of the finished trials of a study.

    Args:
        study: whose; files that are not of it are left out, ``file_problems`` tells which.

    Returns:
        The columns of ``task.trial_schema``, sorted by algorithm (in the study's order), trial and question; ``study``
        is the study's name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = trial_schema(study.plan.setting)
    order = sorted(study.plan.tasks, key=lambda task: study.plan.algorithms.index(task.algorithm))
    tables = [schema.empty_table()]
    for task in order:
        if _told(study, task) is not None:
            tables.append(pq.read_table(study.files[task], schema=schema).replace_schema_metadata())
    frame = pa.concat_tables(tables).to_pandas()
    frame["study"] = study.name
    return frame


def published(bench: Benchmark, space: Space) -> pd.DataFrame:
    """The authors' published searches of a space.

    Returns:
        The columns of EVALUATIONS, sorted by algorithm, trial and evaluation.

    Raises:
        UnknownSpace: no such space.
    """
    check_space(space)
    return bench.frame(
        "select * from evaluations where study = ? and space = ? order by algorithm, trial, evaluation, individual",
        [PUBLISHED, space],
    )


def trials(study: Study) -> pd.DataFrame:
    """The finished trials of a study.

    Returns:
        One row a trial: ``algorithm``, ``trial``, ``seed``, ``seconds``, ``evaluations``, ``asked``, ``front`` (its
        size), ``hypervolume``, ``share`` of the true front's hypervolume, ``ended``.
    """
    import pandas as pd

    columns = [
        "algorithm",
        "trial",
        "seed",
        "seconds",
        "evaluations",
        "asked",
        "front",
        "hypervolume",
        "share",
        "ended",
    ]
    rows = []
    for task in study.plan.tasks:
        told = _told(study, task)
        if told is not None:
            whole = told["figures"]["hypervolume"]
            rows.append(
                {name: told.get(name) for name in columns}
                | {
                    "trial": study.plan.seeds.index(task.seed),
                    "asked": sum(told["outcomes"].values()),
                    "share": told["hypervolume"] / whole if whole > 0 else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=columns)


def file_problems(study: Study) -> dict[Path, str]:
    """Files that stand where trials of the study should and are none, each with the reason."""
    found = {}
    for task, path in study.files.items():
        if path.is_file():
            try:
                finished_trial(path, study, task)
            except RunError as error:
                found[path] = str(error)
    return found


def rename(study: Study, name: str) -> Study:
    """Give a study another name; its id, and links to it, stay.

    Raises:
        NameTaken: another study has it.
        InvalidPlan: it is no name.
        UnknownRun: the study has been deleted.
    """
    name = studies_.checked_name(name)
    own = runner.store(study.data)
    with own.changing():
        if any(other.name == name and other.id != study.id for other in studies(study.data)):
            raise NameTaken(f"there is a study {name!r} already; give another name")
        own.rewrite(study.id, lambda request: msgspec.structs.replace(request, name=name))
    return runner.read(study.id, study.data)


def delete(study: Study) -> None:
    """Take a study and its trials out; ``restore`` brings them back.

    Raises:
        RunRunning: it has not ended.
        UnknownRun: it has been deleted.
    """
    own = runner.store(study.data)
    with own.hold(study.id) as lock:
        (lock.folder / studies_.RUNS).mkdir(exist_ok=True)
        for path in study.files.values():
            if path.is_file():
                path.replace(lock.folder / studies_.RUNS / path.name)
        own.set_aside(lock)


def removed(data: Path) -> dict[str, str]:
    """The studies that were deleted and can come back: their names by their ids, the one deleted last at the end."""
    own = runner.store(data)
    requests = {study_id: own.kind.read(own.aside / study_id).request for study_id in own.removed()}
    return {study_id: study_id if request is None else request.name for study_id, request in requests.items()}


def restore(study_id: str, data: Path) -> Study:
    """Bring back a study that was deleted; if its name has been given away since, with a number after it.

    Raises:
        UnknownRun: none of that id was deleted.
    """
    own = runner.store(data)
    with own.changing():
        run = own.restore(study_id)
        (own.data / studies_.RUNS).mkdir(exist_ok=True)
        for path in (run.folder / studies_.RUNS).glob("*.parquet"):
            path.replace(own.data / studies_.RUNS / path.name)
        shutil.rmtree(run.folder / studies_.RUNS, ignore_errors=True)
        study = runner.read(study_id, data)
        if any(other.name == study.name and other.id != study.id for other in studies(data)):
            name = free_name(study.name, data)
            own.rewrite(study_id, lambda request: msgspec.structs.replace(request, name=name))
    return runner.read(study_id, data)


def to_parquet(study: Study) -> bytes:
    """The evaluations of a study as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = trial_schema(study.plan.setting)
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(evaluations(study), schema, preserve_index=False), out, compression="zstd")
    return out.getvalue()


def document(study: Study) -> dict[str, Any]:
    """A study for JSON, as the command ``search`` prints it.

    Returns:
        ``study``, ``name``, ``state``, ``plan``, ``reference`` (of the hypervolumes), ``trials`` (each with
        ``algorithm``, ``seed``, ``seconds``, ``evaluations``, ``front``, ``hypervolume``, ``r0``, ``rk``, ``r1``) and
        ``summary``, for each algorithm the means and population standard deviations over its trials.
    """
    frame = evaluations(study)
    told = trials(study)
    figures = progress(study).figures
    objectives = list(study.plan.setting.objectives)
    listed = []
    groups = dict(iter(frame.groupby(["algorithm", "seed"])))
    for row in told.to_dict("records"):
        found = groups.get((row["algorithm"], row["seed"]))
        points = [] if found is None else _front(found, objectives)
        values = np.array([[point[name] for name in objectives] for point in points]).reshape(-1, len(objectives))
        listed.append(row | {"front": points} | _named(points, values))
    return {
        "study": study.id,
        "name": study.name,
        "state": study.state,
        "error": study.error,
        "plan": study.plan.to_document(),
        "reference": None if figures is None else list(figures.reference),
        "true_front": None if figures is None else {"size": figures.front, "hypervolume": figures.hypervolume},
        "trials": listed,
        "summary": {algorithm: _sums(rows) for algorithm, rows in told.groupby("algorithm", sort=False)},
    }


def training(evaluations: pd.DataFrame, space: Space, lens: Lens, bench: Benchmark) -> Training:
    """What it would take to train for real every cell and budget that a search asked for, each once.

    Args:
        evaluations: columns ``hash`` and ``epochs``; of one space.
        space: whose energy scale counts.
        lens: scope, PUE and correction; its unit does not matter.
        bench: where the energies are from.
    """
    kwh = replace(lens, unit="kWh")
    asked = evaluations[["hash", "epochs"]].dropna().drop_duplicates()
    row = bench.rows(
        "with asked as (select unnest(?::varchar[]) as hash, unnest(?::smallint[]) as epochs) "
        f"select count(*) as trainings, count(distinct hash) as cells, count({kwh.energy_sql()}) as known, "
        f"coalesce(sum({kwh.energy_sql()}), 0) as energy, count({kwh.time_sql()}) as timed, "
        "count(*) filter (where time_provenance = 'predicted') as predicted, "
        f"coalesce(sum({kwh.time_sql()}), 0) as seconds "
        f"from asked left join (select * from {kwh.table} where space = ?) using (hash, epochs)",
        [asked["hash"].tolist(), asked["epochs"].tolist(), space],
    )[0]
    return Training(
        row["cells"],
        row["trainings"],
        row["trainings"] - row["known"],
        int(evaluations["hash"].isna().sum()),
        float(row["energy"]),
        float(row["seconds"]),
        row["trainings"] - row["timed"],
        row["predicted"],
    )


def _told(study: Study, task: TrialKey) -> dict[str, Any] | None:
    try:
        return finished_trial(study.files[task], study, task) if study.files[task].is_file() else None
    except RunError:
        return None


def _summary(study: Study) -> Summary:
    told = progress(study)
    return Summary(
        study.id,
        study.name,
        study.plan.setting.space,
        study.plan.setting.objectives,
        study.plan.algorithms,
        len(study.plan.tasks),
        told.finished,
        told.evaluations,
        study.created,
        study.state,
        study.error,
        False,
    )


def _published(bench: Benchmark, space: Space) -> Summary:
    rows = bench.rows(
        "select algorithm, count(*) as trials, sum(evaluations)::bigint as evaluations from runs "
        "where study = ? and space = ? group by algorithm order by algorithm",
        [PUBLISHED, space],
    )
    total = sum(row["trials"] for row in rows)
    return Summary(
        f"published-{space}",
        f"Published runs, {space}",
        space,
        Setting().objectives,
        tuple(row["algorithm"] for row in rows),
        total,
        total,
        sum(row["evaluations"] for row in rows),
        None,
        "done",
        None,
        True,
    )


def _front(found: pd.DataFrame, objectives: list[str]) -> list[dict[str, Any]]:
    feasible = found[found["valid"]]
    chosen = feasible.iloc[nondominated(feasible[objectives].to_numpy(np.float64))]
    names = list(dict.fromkeys(["hash", "epochs", "energy_kwh", "validation_accuracy", *objectives]))
    points: list[dict[str, Any]] = chosen[names].to_dict("records")
    return points


def _named(points: list[dict[str, Any]], values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    """The extremes and the knee of a front: r0 has the least of the first objective, r1 of the second."""
    names: dict[str, Any] = {"r0": None, "rk": None, "r1": None}
    if not len(values):
        return names
    if values.shape[1] == 1:
        return names | {"r0": points[0]}
    names |= {f"r{place}": points[position] for place, position in enumerate(extremes(values))}
    middle = knee(values)
    return names | {"rk": None if middle is None else points[middle]}


def _sums(rows: pd.DataFrame) -> Mapping[str, Any]:
    numbers = ("evaluations", "asked", "front", "hypervolume", "share", "seconds")
    spread = {name: [float(rows[name].mean()), float(rows[name].std(ddof=0))] for name in numbers}
    return {"trials": len(rows), **spread}
