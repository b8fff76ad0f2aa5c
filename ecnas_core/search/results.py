"""What a study found: its trials, beside those of other studies, the published runs and the true front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ecnas_core.analysis.compare import compare
from ecnas_core.analysis.convergence import reached
from ecnas_core.analysis.knees import RULES, weighted
from ecnas_core.analysis.metrics import METRICS, Metric, metric
from ecnas_core.analysis.pareto import Points, extremes, front, unit
from ecnas_core.analysis.table1 import PUBLISHED
from ecnas_core.analysis.trials import Trial, by_algorithm, trials
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.runs import RunError
from ecnas_core.search import study_repository
from ecnas_core.search.problem import Problem, Setting, accepted_sql
from ecnas_core.search.study import Study
from ecnas_core.search.task import volume

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["own", "other", "published"]
WEIGHTS = "weights"
KNEES = (*RULES, WEIGHTS)
_COUNSEL = "start one with more evaluations, wider bounds or other objectives"
_PROVENANCES = ("energy_provenance", "accuracy_provenance", "time_provenance")
_DIFFERENCES = {
    "epochs": "training budgets",
    "bounds": "bounds",
    "accuracy": "accepted accuracies",
    "artefacts": "treatment of artefacts",
    "sampling": "sampling",
    "charging": "charging",
}


class NothingFound(RunError):
    """No trial of a study has finished, or none has found a feasible cell."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The best that a setting has.

    Attributes:
        front: the true front, by rising first objective: ``hash``, ``epochs`` and the objectives.
        reference: the worst value of each objective for hypervolumes.
        hypervolume: of the front.
    """

    front: pd.DataFrame
    reference: tuple[float, ...]
    hypervolume: float


@dataclass(frozen=True, eq=False)
class Series:
    """The trials of one algorithm in one study.

    Attributes:
        study: the study's id; ``PUBLISHED`` for the authors' runs.
        algorithm: which.
        name: what it is called among the others.
        kind: of the study itself, of another study, or published.
        trials: its finished trials; their points are in the order of the objectives.
    """

    study: str
    algorithm: str
    name: str
    kind: Kind
    trials: tuple[Trial, ...]


@dataclass(frozen=True, eq=False)
class Results:
    """Finished trials that can be compared.

    Attributes:
        study: whose results these are.
        setting: its setting; with one objective alone, a second one is added to look at the cells by.
        added: the objective that was added, or None.
        truth: the best that the setting has.
        series: those of the study in its order, then of the other studies, then the published ones.
        frame: every evaluation; ``Trial.rows`` are positions in it.
        left_out: studies that cannot be compared, each with the reason.
        differences: studies that were set otherwise, each with what differs.
        unidentified: evaluations of published runs whose cell is not known, which are left out.
    """

    study: Study
    setting: Setting
    added: str | None
    truth: Truth
    series: tuple[Series, ...]
    frame: pd.DataFrame
    left_out: Mapping[str, str]
    differences: Mapping[str, str]
    unidentified: int

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The objectives with their names and units."""
        return self.setting.metrics

    @property
    def own(self) -> tuple[Series, ...]:
        """The series of the study and of those it is compared with, without the published ones."""
        return tuple(each for each in self.series if each.kind != "published")

    @property
    def published(self) -> tuple[Series, ...]:
        """The series of the authors' runs."""
        return tuple(each for each in self.series if each.kind == "published")

    @cached_property
    def volumes(self) -> dict[str, NDArray[np.float64]]:
        """The hypervolume that each trial reached, by the name of its series."""
        return {
            each.name: reached(each.trials, self.truth.reference)["hypervolume"].to_numpy(np.float64)
            for each in self.series
        }

    @cached_property
    def standing(self) -> pd.DataFrame:
        """How good each series is.

        One row a series, in their order: ``name``, ``kind``, ``trials``, ``evaluations`` (most that a trial made),
        ``median``, ``first_quartile`` and ``third_quartile`` of the trials' hypervolumes, ``mean`` and ``std``
        (population standard deviation), ``share`` (of the median in the true front's hypervolume), ``found`` (mean
        share of the true front's points that a trial found) and ``found_together`` (by all its trials).
        """
        import pandas as pd

        return pd.DataFrame([_standing(each, self.volumes[each.name], self) for each in self.series])

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Every two series but the published ones compared by hypervolume, as ``analysis.compare.compare`` does."""
        return compare({each.name: self.volumes[each.name] for each in self.own})

    @property
    def ranking(self) -> list[str]:
        """The names of the series but the published ones, the greatest median hypervolume first."""
        own = self.standing[(self.standing["kind"] != "published").to_numpy(bool)]
        names: list[str] = own.sort_values("median", ascending=False, kind="stable")["name"].tolist()
        return names

    def named(self, name: str) -> Series:
        """The series of a name."""
        return next(each for each in self.series if each.name == name)


def plane_setting(setting: Setting) -> Setting:
    """The setting whose objectives cells are looked at by: where there is one alone, energy or error beside it."""
    if len(setting.objectives) > 1:
        return setting
    (only,) = setting.objectives
    pair = ("energy", only) if only != "energy" else ("energy", "validation_error")
    return replace(setting, objectives=pair)


def true_front(bench: Benchmark, setting: Setting) -> Truth:
    """The best that a setting has, from all its cells.

    Args:
        bench: where the figures are from.
        setting: of two or three objectives.

    Raises:
        NothingFeasible: it has no cell at all.
    """
    import pandas as pd

    problem = Problem(bench, setting)
    rows, budgets, values = problem.front()
    columns = {"hash": problem.lookup.hashes(rows), "epochs": np.array(setting.budgets, np.int16)[budgets]}
    columns |= dict(zip(setting.objectives, values.T, strict=True))
    return Truth(pd.DataFrame(columns), problem.reference(), volume(values, problem.reference()))


def results(study: Study, others: Sequence[Study], bench: Benchmark, truth: Truth) -> Results:
    """The finished trials of a study, of others that can be compared with it, and of the published runs.

    Args:
        study: with at least one finished trial.
        others: studies to compare; those that cannot be are left out, with the reason.
        bench: where the figures and the published runs are from.
        truth: of ``plane_setting(study.plan.setting)``.

    Raises:
        NothingFound: no trial of the study has finished or found a feasible cell.
    """
    import pandas as pd

    setting = plane_setting(study.plan.setting)
    left_out: dict[str, str] = {}
    differences: dict[str, str] = {}
    frames = [_evaluations(study, setting, bench)]
    for other in others:
        reason = _incomparable(study.plan.setting, other.plan.setting)
        if reason is None and not (found := _evaluations(other, setting, bench))["valid"].any():
            reason = "it has no finished trial that found a feasible cell"
        if reason is None:
            frames.append(found)
            differences |= _differences(study.plan.setting, other)
        else:
            left_out[other.name] = reason
    told, unidentified = _published(setting, bench)
    frames.append(told)
    frame = pd.concat(frames, ignore_index=True)
    if not frames[0]["valid"].any():
        if not len(frames[0]):
            raise NothingFound(f"no trial of {study.name} has finished; wait for one, or resume it")
        counsel = "wait for the others" if study.missing else _COUNSEL
        raise NothingFound(f"no trial of {study.name} has found a feasible cell; {counsel}")
    groups = by_algorithm(trials(frame, setting.objectives))
    compared = [study, *(other for other in others if other.name not in left_out)]
    series = []
    for each in compared:
        for algorithm in each.plan.algorithms:
            members = groups.get((each.id, algorithm))
            if members:
                name = algorithm if len(compared) == 1 else f"{algorithm} ({each.name})"
                kind: Kind = "own" if each is study else "other"
                series.append(Series(each.id, algorithm, name, kind, tuple(members)))
    for (owner, algorithm), members in groups.items():
        if owner == PUBLISHED and any(len(trial.feasible) for trial in members):
            series.append(Series(owner, algorithm, f"{algorithm} published", "published", tuple(members)))
    added = next((key for key in setting.objectives if key not in study.plan.setting.objectives), None)
    return Results(study, setting, added, truth, tuple(series), frame, left_out, differences, unidentified)


def pooled_front(found: Results, names: Sequence[str], objectives: Sequence[str] | None = None) -> pd.DataFrame:
    """The front of everything that all trials of some series found.

    Args:
        found: the results.
        names: of the series.
        objectives: some of the results' objectives; None for all.

    Returns:
        Rows of ``found.frame``, by rising first objective; of equal points the first.
    """
    chosen = list(objectives or found.setting.objectives)
    places = [found.setting.objectives.index(key) for key in chosen]
    members = [trial for name in names for trial in found.named(name).trials]
    points = np.concatenate([trial.points[trial.feasible] for trial in members])[:, places]
    rows = np.concatenate([trial.rows[trial.feasible] for trial in members])
    return found.frame.iloc[rows[front(points)]].reset_index(drop=True)


def knee_of(points: Points, rule: str, weights: Sequence[float] = ()) -> int | None:
    """The knee of a front by one of ``KNEES``.

    Args:
        points: a front as ``pareto.front`` orders it, shape (n, objectives).
        rule: which.
        weights: what each objective matters, for the rule ``weights``.

    Raises:
        InvalidWeights, InvalidPoints: as the rules say.
    """
    return weighted(points, weights) if rule == WEIGHTS else RULES[rule](points)


def distance(points: Points, a: int, b: int) -> float:
    """How far two points of a front lie apart, the objectives scaled to [0, 1] over it."""
    scaled = unit(points)
    return float(np.linalg.norm(scaled[a] - scaled[b]))


def roles(points: Points, rule: str, weights: Sequence[float] = ()) -> dict[str, int]:
    """The positions of the extremes ``r0``, ``r1`` (and ``r2``) and of the knee ``rk``, where a front has one."""
    named = {f"r{place}": position for place, position in enumerate(extremes(points))}
    middle = knee_of(points, rule, weights)
    return named if middle is None else named | {"rk": middle}


def marked_front(
    found: Results, names: Sequence[str], bench: Benchmark, rule: str = "chord", weights: Sequence[float] = ()
) -> pd.DataFrame:
    """The pooled front of some series with all metrics, provenances and roles.

    Args:
        found: the results.
        names: of the series.
        bench: where the figures are from.
        rule: of the knee, one of ``KNEES``.
        weights: for the rule ``weights``.

    Returns:
        A row a point, by rising first objective: the columns of ``details``, ``algorithm``, ``trial``, ``evaluation``
        (of the first trial that found it) and ``role``, the names of ``roles`` that it has, else empty.
    """
    points = pooled_front(found, names)
    front_ = details(points, found.setting, bench)
    for column in ("algorithm", "trial", "evaluation"):
        front_[column] = points[column]
    told = roles(points[list(found.setting.objectives)].to_numpy(np.float64), rule, weights)
    front_["role"] = [
        ", ".join(sorted(role for role, at in told.items() if at == place)) for place in range(len(points))
    ]
    return front_


def details(points: pd.DataFrame, setting: Setting, bench: Benchmark) -> pd.DataFrame:
    """All metrics of cells under a setting's lens, with their provenances.

    Args:
        points: columns ``hash`` and ``epochs``.
        setting: whose space, lens and accuracies count.
        bench: where the figures are from.

    Returns:
        A row for each given one, in the same order: ``hash``, ``epochs``, ``vertices``, ``edge_bits``, ``ops``, a
        column for each of ``METRICS``, each with ``_low`` and ``_high`` for the ends of the 90 % interval where it is
        predicted, ``energy_provenance``, ``accuracy_provenance``, ``time_provenance`` and
        ``artefact``.
    """
    return points[["hash", "epochs"]].merge(
        _priced(points, setting, METRICS, bench, ends=True), on=["hash", "epochs"], how="left", validate="many_to_one"
    )


def _standing(each: Series, volumes: NDArray[np.float64], found: Results) -> dict[str, Any]:
    truth = set(_as_rows(found.truth.front[list(found.setting.objectives)].to_numpy(np.float64)))
    members = [truth.intersection(_as_rows(trial.points[trial.feasible])) for trial in each.trials]
    low, median, high = np.quantile(volumes, [0.25, 0.5, 0.75]).tolist()
    return {
        "name": each.name,
        "kind": each.kind,
        "trials": len(each.trials),
        "evaluations": max(int(trial.evaluation.max()) + 1 for trial in each.trials),
        "median": median,
        "first_quartile": low,
        "third_quartile": high,
        "mean": float(volumes.mean()),
        "std": float(volumes.std()),
        "share": median / found.truth.hypervolume if found.truth.hypervolume else np.nan,
        "found": float(np.mean([len(points) for points in members])) / len(truth),
        "found_together": len(set().union(*members)) / len(truth),
    }


def _evaluations(study: Study, setting: Setting, bench: Benchmark) -> pd.DataFrame:
    frame = study_repository.evaluations(study)
    frame["study"] = study.id
    missing = [key for key in setting.objectives if key not in frame.columns]
    if missing:
        prices = _priced(frame, setting, missing, bench)[["hash", "epochs", *missing]]
        frame = frame.merge(prices, on=["hash", "epochs"], how="left", validate="many_to_one")
        frame["valid"] &= frame[missing].notna().all(axis=1)
    return frame


def _published(setting: Setting, bench: Benchmark) -> tuple[pd.DataFrame, int]:
    """The published runs valued as the setting values cells, and how many evaluations are of no known cell."""
    frame = study_repository.published(bench, setting.space)
    frame["epochs"] = frame["epochs"].astype("float64")
    frame["valid"] &= frame["epochs"].isin(setting.budgets)
    unidentified = int((frame["valid"] & frame["hash"].isna()).sum())
    bounded = [key for key, _, _ in setting.bounds if key not in setting.objectives]
    prices = _priced(frame, setting, (*setting.objectives, *bounded), bench)
    frame = frame.drop(columns=frame.columns.intersection(bounded))
    frame = frame.merge(prices, on=["hash", "epochs"], how="left", validate="many_to_one")
    valid = frame["valid"].to_numpy(bool) & frame[list(setting.objectives)].notna().all(axis=1).to_numpy(bool)
    if not setting.artefacts:
        valid &= ~frame["artefact"].eq(True).to_numpy(bool)
    for key, least, most in setting.bounds:
        valid &= frame[key].between(least, most).to_numpy(bool)
    frame["valid"] = valid
    return frame, unidentified


def _priced(
    points: pd.DataFrame, setting: Setting, keys: Sequence[str], bench: Benchmark, ends: bool = False
) -> pd.DataFrame:
    """Metrics of different cells at budgets, with the ends of intervals if asked for: one row each that is known."""
    columns = [f"({accepted_sql(key, setting)})::double as {key}" for key in keys]
    if ends:
        columns += [
            f"(case when {accepted_sql(key, setting)} is not null then {sql} end)::double as {key}_{end}"
            for key in keys
            for end, sql in zip(("low", "high"), metric(key, setting.lens).interval or ("null", "null"), strict=True)
        ]
    asked = points[["hash", "epochs"]].dropna().drop_duplicates()
    return bench.frame(
        "with asked as (select unnest(?::varchar[]) as hash, unnest(?::smallint[]) as epochs) "
        f"select hash, epochs, vertices, edge_bits, coalesce(ops, '') as ops, {', '.join(columns)}, "
        f"{', '.join(_PROVENANCES)}, energy_artefact is not null as artefact "
        f"from asked join (select * from {setting.lens.table} where space = ?) using (hash, epochs)",
        [asked["hash"].tolist(), asked["epochs"].astype(int).tolist(), setting.space],
    )


def _incomparable(setting: Setting, other: Setting) -> str | None:
    if other.space != setting.space:
        return f"it searched {other.space}, whose energies are on another scale"
    if other.objectives != setting.objectives:
        return f"it minimised {' and '.join(each.label.lower() for each in other.metrics)}"
    if other.lens != setting.lens:
        return f"it counted energies otherwise ({other.lens.describe()})"
    return None


def _differences(setting: Setting, other: Study) -> dict[str, str]:
    theirs = other.plan.setting
    found = [words for name, words in _DIFFERENCES.items() if getattr(setting, name) != getattr(theirs, name)]
    return {other.name: ", ".join(found)} if found else {}


def _as_rows(points: Points) -> list[tuple[float, ...]]:
    return [tuple(point) for point in points.tolist()]
