"""The paper's Table 1: extremes and knee of the fronts that searches find, over their trials."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecnas_core.analysis.pareto import ROUNDING, extremes, knee
from ecnas_core.analysis.trials import OBJECTIVES, by_algorithm, require, trials
from ecnas_core.benchmark.paper import printed
from ecnas_core.benchmark.store import Benchmark

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED = "ec-nas-published"
"""The study of the authors' searches in the view ``evaluations``."""
PRINTED_SPACE = "7V"
LAST_DIGIT = 0.01
METRICS = {"training_time_s": "s", "validation_accuracy": "", "energy_kwh": "kWh", "log10_parameters": ""}


def table_1(bench: Benchmark, space: str = PRINTED_SPACE) -> pd.DataFrame:
    """Table 1 from the authors' published searches, beside what the paper prints.

    All budgets and all valid evaluations of a trial are pooled. Of SEMOA in 7V seven of ten trials are published.

    Args:
        bench: the benchmark, for its view ``evaluations``.
        space: ``4V``, ``5V`` or ``7V``; the paper prints 7V alone.

    Returns:
        As ``summarise``, and ``printed_mean``, ``printed_std``, ``difference_mean``, ``difference_std`` (recomputed
        less printed, NaN where nothing is printed) and ``verdict``: agrees (to the printed digits), differs, or
        unknown.
    """
    evaluations = bench.frame(
        "select * from evaluations where study = ? and space = ? order by algorithm, trial, evaluation",
        [PUBLISHED, space],
    )
    return beside_printed(summarise(evaluations, artefacts=artefacts(bench, space)), space)


def summarise(
    evaluations: pd.DataFrame, objectives: Sequence[str] = OBJECTIVES, artefacts: Collection[str] = ()
) -> pd.DataFrame:
    """Extremes and knee of each trial's front, averaged over the trials of each algorithm.

    Args:
        evaluations: columns of the schema EVALUATIONS, of one space.
        objectives: the two or three columns that were minimised; ``validation_error`` is 1 - validation accuracy.
        artefacts: hashes of cells whose energy is not to be trusted.

    Returns:
        One row a study, algorithm, ``point`` (r0, the least in the first objective; rk, the chord's knee; r1, the least
        in the second; r2 in the third) and ``metric`` (training_time_s, validation_accuracy, energy_kwh,
        log10_parameters): ``unit``, ``trials`` (those that have the point), ``artefacts`` (those whose point is one),
        ``mean`` and ``std`` (population standard deviation) over the trials, NaN where none has the point or a
        value is unknown.

    Raises:
        InvalidEvaluations: a column is missing, there are several spaces, or another number of objectives.
    """
    import pandas as pd

    values = _metrics(evaluations)
    hashes = evaluations["hash"].to_numpy(object)
    names = ["r0", "rk", *(f"r{place}" for place in range(1, len(objectives)))]
    rows: list[dict[str, Any]] = []
    for (study, algorithm), members in by_algorithm(trials(evaluations, objectives)).items():
        chosen: dict[str, list[int]] = {name: [] for name in names}
        for trial in members:
            points = trial.points[trial.front]
            found = {f"r{place}": position for place, position in enumerate(extremes(points))} | {"rk": knee(points)}
            for name, position in found.items():
                if position is not None:
                    chosen[name].append(int(trial.rows[trial.front[position]]))
        for name, places in chosen.items():
            marked = sum(hashes[place] in artefacts for place in places)
            for metric, unit in METRICS.items():
                sample = values[metric][places]
                rows.append(
                    {
                        "study": study,
                        "algorithm": algorithm,
                        "point": name,
                        "metric": metric,
                        "unit": unit,
                        "trials": len(places),
                        "artefacts": marked,
                        "mean": float(sample.mean()) if places else np.nan,
                        "std": float(sample.std()) if places else np.nan,
                    }
                )
    columns = ["study", "algorithm", "point", "metric", "unit", "trials", "artefacts", "mean", "std"]
    return pd.DataFrame(rows, columns=columns)


def beside_printed(table: pd.DataFrame, space: str) -> pd.DataFrame:
    """The table with the paper's numbers for each algorithm that the paper has, and the differences.

    Args:
        table: as ``summarise`` returns it.
        space: the space that was searched; the paper prints 7V alone.

    Returns:
        The table with the columns that ``table_1`` adds.
    """
    paper = printed("table_1") if space == PRINTED_SPACE else {}
    rows = [paper.get(f"{row.algorithm} {row.point}", {}) for row in table.itertuples()]
    found = table.copy()
    for kind, suffix in (("mean", ""), ("std", "_std")):
        told = [row.get(f"{metric}{suffix}", np.nan) for row, metric in zip(rows, table["metric"], strict=True)]
        found[f"printed_{kind}"] = np.array(told, dtype=np.float64)
    for kind in ("mean", "std"):
        found[f"difference_{kind}"] = found[kind] - found[f"printed_{kind}"]
    found["verdict"] = [_verdict(*pair) for pair in zip(found["difference_mean"], found["difference_std"], strict=True)]
    return found


def artefacts(bench: Benchmark, space: str) -> frozenset[str]:
    """Hashes of the space's cells whose surrogate energy is an artefact."""
    rows = bench.rows("select distinct hash from benchmark where space = ? and energy_artefact is not null", [space])
    return frozenset(row["hash"] for row in rows)


def document(table: pd.DataFrame) -> dict[str, Any]:
    """Table 1 of one study as JSON: algorithm to r0, rk, r1 to metric to [mean, std].

    Each algorithm also has ``trials`` and ``artefacts`` by point, and, where the paper prints it, ``printed`` and
    ``difference`` in the form of the points.
    """
    found: dict[str, Any] = {}
    for row in table.to_dict("records"):
        algorithm = found.setdefault(row["algorithm"], {})
        algorithm.setdefault(row["point"], {})[row["metric"]] = [row["mean"], row["std"]]
        for name in ("trials", "artefacts"):
            algorithm.setdefault(name, {})[row["point"]] = row[name]
        if row["printed_mean"] == row["printed_mean"]:
            for name in ("printed", "difference"):
                points = algorithm.setdefault(name, {})
                points.setdefault(row["point"], {})[row["metric"]] = [row[f"{name}_mean"], row[f"{name}_std"]]
    return found


def as_text(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Table 1 in rows for people: an algorithm's point and metric, recomputed, printed and their difference."""
    return [
        {
            "algorithm": row["algorithm"],
            "point": row["point"],
            "metric": row["metric"],
            "trials": row["trials"],
            "artefacts": row["artefacts"],
            "here": _pair(row["mean"], row["std"], " ± ", 2),
            "paper": _pair(row["printed_mean"], row["printed_std"], " ± ", 2),
            "difference": _pair(row["difference_mean"], row["difference_std"], ", ", 4),
            "verdict": row["verdict"],
        }
        for row in table.to_dict("records")
    ]


def _pair(mean: float, std: float, between: str, decimals: int) -> str:
    return f"{mean:z.{decimals}f}{between}{std:z.{decimals}f}" if mean == mean else ""


def _metrics(evaluations: pd.DataFrame) -> dict[str, Any]:
    require(evaluations, ("hash", "trainable_parameters", *(name for name in METRICS if name != "log10_parameters")))
    parameters = evaluations["trainable_parameters"].to_numpy(np.float64, na_value=np.nan)
    logarithms = np.log10(parameters, out=np.full_like(parameters, np.nan), where=parameters > 0)
    return {
        name: logarithms if name == "log10_parameters" else evaluations[name].to_numpy(np.float64, na_value=np.nan)
        for name in METRICS
    }


def _verdict(mean: float, std: float) -> str:
    if mean != mean or std != std:
        return "unknown"
    return "agrees" if max(abs(mean), abs(std)) <= LAST_DIGIT / 2 + ROUNDING else "differs"
