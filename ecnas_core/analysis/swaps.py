"""What it does to a cell to put one operation in the place of another (paper section 2.2 and Figure 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis.metrics import metric
from ecnas_core.analysis.swap_table import DIRECTED, SHORT_NAMES, SWAPS, Pairs, Swap, SwapTable, swap_name, swap_table
from ecnas_core.analysis.swaps_view import SWAP_METRICS, Split, SwapsView
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.cells.spaces import Space
from ecnas_core.cells.surroundings import INPUT_OR_OUTPUT, SEVERAL

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

FEW_PAIRS = 30
"""Below so many pairs a mean says little."""
ACCURACY_KIND = """
    case
        when accuracy_provenance = 'predicted' then 0
        else 2 * accuracy_repeats + (accuracy_provenance = 'published')::integer
    end"""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Values:
    """The metrics of all cells of a space at one budget, in the order of the swap table, NaN where unknown.

    Attributes:
        by_metric: one array a metric of ``SWAP_METRICS``, in the unit that the lens shows.
        accuracy_kind: a number that is equal where accuracies can be compared: as many trainings averaged, and of
            one provenance.
        artefact: whether the surrogate's energy is unphysical.
    """

    by_metric: dict[str, Floats]
    accuracy_kind: Floats
    artefact: npt.NDArray[np.bool_]


def values(bench: Benchmark, space: Space, epochs: int, lens: Lens) -> Values:
    """Load the metrics of all cells of a space."""
    columns = ", ".join(f"({metric(name, lens).sql})::double as {name}" for name in SWAP_METRICS)
    *by_metric, kind, artefact = bench.arrays(
        f"select {columns}, {ACCURACY_KIND} as kind, energy_artefact is not null as artefact "
        f"from {lens.table} where space = ? and epochs = ? order by row",
        [space, epochs],
    )
    return Values(dict(zip(SWAP_METRICS, by_metric, strict=True)), kind, artefact.astype(bool))


def figure_2(bench: Benchmark, space: Space = "7V", epochs: int = 4, lens: Lens | None = None) -> pd.DataFrame:
    """The effect of replacing all operations of one kind by another in every cell of a space (paper Figure 2).

    f(A->B) is the mean over all cells of (new - old) / old, of new - old for accuracy; a cell without A counts as no
    change. The paper prints (f(A->B) - f(B->A)) / 2. Where a metric is known for some cells only, f is the share of
    all cells that have A times the mean over those of them whose value is known before and after.

    Args:
        bench: the benchmark.
        space: 4V, 5V or 7V.
        epochs: 4, 12, 36 or 108.
        lens: scope of energy and footprint; relative changes do not depend on its unit.

    Returns:
        One row a metric and swap: ``metric``, ``swap``, ``old``, ``new``, ``effect`` (antisymmetric), ``there``
        f(A->B), ``back`` f(B->A), ``standard_error`` of the effect as an estimate for the whole space (0 where all
        changing cells are known), ``n_there`` and ``n_back`` (known pairs of cells that change) and ``changing``
        (cells that have A). Effects are ratios; of accuracy, differences.
    """
    import pandas as pd

    table, known = swap_table(bench, space), values(bench, space, epochs, lens or Lens())
    rows = []
    for name in SWAP_METRICS:
        sides = {swap: _mean_effect(table, known, name, swap) for swap in DIRECTED}
        for swap in SWAPS:
            there, back = sides[swap], sides[swap[::-1]]
            rows.append(
                {
                    "metric": name,
                    "swap": swap_name(swap),
                    "old": SHORT_NAMES[swap[0]],
                    "new": SHORT_NAMES[swap[1]],
                    "effect": (there.mean - back.mean) / 2,
                    "there": there.mean,
                    "back": back.mean,
                    "standard_error": float(np.hypot(there.standard_error, back.standard_error) / 2),
                    "n_there": there.n,
                    "n_back": back.n,
                    "changing": there.changing,
                }
            )
    return pd.DataFrame(rows)


def distribution(bench: Benchmark, view: SwapsView) -> pd.DataFrame:
    """How one metric changes when one vertex changes its operation, and everything else stays.

    Args:
        bench: the benchmark.
        view: space, budget, metric, split and lens.

    Returns:
        One row a directed swap and group: ``swap``, ``old``, ``new``, ``group``, ``n`` (pairs with the metric known
        before and after), ``pairs`` (all of them), ``mean``, ``q05`` to ``q95``. Changes are ratios to the value
        before, or differences in the metric's unit where the view says so. Cells with an artefact are left out.
    """
    import pandas as pd

    table = swap_table(bench, view.space)
    known = values(bench, view.space, view.epochs, view.lens)
    rows = []
    for swap in DIRECTED:
        pairs = table.at_one_vertex(swap)
        change = _change(known, view.metric, pairs.before, pairs.after, difference=view.is_difference)
        groups = _groups(table, pairs, view.split)
        for group in np.unique(groups):
            inside = change[groups == group]
            found = inside[~np.isnan(inside)]
            quantiles = np.quantile(found, QUANTILES) if len(found) else np.full(len(QUANTILES), np.nan)
            rows.append(
                {
                    "swap": swap_name(swap),
                    "old": SHORT_NAMES[swap[0]],
                    "new": SHORT_NAMES[swap[1]],
                    "group": _group_name(view.split, int(group)),
                    "n": len(found),
                    "pairs": len(inside),
                    "mean": float(found.mean()) if len(found) else float("nan"),
                    **{f"q{100 * q:02.0f}": value for q, value in zip(QUANTILES, quantiles.tolist(), strict=True)},
                }
            )
    return pd.DataFrame(rows)


def trade_off(bench: Benchmark, view: SwapsView) -> pd.DataFrame:
    """Which swap of one vertex gives the most energy back for an accuracy point lost.

    Args:
        bench: the benchmark.
        view: space, budget, split and lens; the metric does not matter.

    Returns:
        One row a directed swap and group, over the pairs with both energy and accuracy known before and after:
        ``swap``, ``old``, ``new``, ``group``, ``n``, ``energy`` (mean relative change), ``accuracy`` (mean difference),
        ``accuracy_error`` (standard error of that mean), ``saved_per_point`` (relative energy saved per 0.01 of
        accuracy lost; infinite where energy is saved and no accuracy lost, NaN where no energy is saved); best first.
    """
    import pandas as pd

    table = swap_table(bench, view.space)
    known = values(bench, view.space, view.epochs, view.lens)
    rows = []
    for swap in DIRECTED:
        pairs = table.at_one_vertex(swap)
        energy = _change(known, "energy", pairs.before, pairs.after, difference=False)
        accuracy = _change(known, "validation_accuracy", pairs.before, pairs.after, difference=True)
        both = ~np.isnan(energy) & ~np.isnan(accuracy)
        groups = _groups(table, pairs, view.split)
        for group in np.unique(groups):
            inside = both & (groups == group)
            n = int(inside.sum())
            if not n:
                continue
            saved, lost = -float(energy[inside].mean()), -float(accuracy[inside].mean())
            rows.append(
                {
                    "swap": swap_name(swap),
                    "old": SHORT_NAMES[swap[0]],
                    "new": SHORT_NAMES[swap[1]],
                    "group": _group_name(view.split, int(group)),
                    "n": n,
                    "energy": -saved,
                    "accuracy": -lost,
                    "accuracy_error": float(accuracy[inside].std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"),
                    "saved_per_point": _saved_per_point(saved, lost),
                }
            )
    columns = ["swap", "old", "new", "group", "n", "energy", "accuracy", "accuracy_error", "saved_per_point"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values("saved_per_point", ascending=False, na_position="last", ignore_index=True)


def summary(bench: Benchmark, space: Space, epochs: int, lens: Lens | None = None) -> dict[str, Any]:
    """Figure 2 for programs: per cent for energy, time and parameters, a difference for accuracy.

    Returns:
        For each of energy, training_time, trainable_parameters, multiply_adds and validation_accuracy the printed
        swaps; under ``directed`` all six, under ``pairs`` the number of known pairs behind each, under ``paper`` what
        the paper prints and under ``difference`` ours less that, both for 7V only. An effect that no known pair
        stands behind is None.
    """
    from ecnas_core.benchmark.paper import printed

    frame = figure_2(bench, space, epochs, lens)
    document: dict[str, Any] = {"space": space, "epochs": epochs, "directed": {}, "pairs": {}}
    for name, rows in frame[frame["metric"] != "footprint"].groupby("metric", sort=False):
        key = "trainable_parameters" if name == "parameters" else str(name)
        scale = 1.0 if name == "validation_accuracy" else 100.0
        document[key] = {row.swap: _known(row.effect * scale) for row in rows.itertuples()}
        document["directed"][key] = {row.swap: _known(row.there * scale) for row in rows.itertuples()} | {
            f"{row.new}_to_{row.old}": _known(row.back * scale) for row in rows.itertuples()
        }
        document["pairs"][key] = {row.swap: int(row.n_there) for row in rows.itertuples()} | {
            f"{row.new}_to_{row.old}": int(row.n_back) for row in rows.itertuples()
        }
    if space == "7V":
        paper = printed("figure_2")
        quantities = list(next(iter(paper.values())))
        document["paper"] = {key: {swap: values[key] for swap, values in paper.items()} for key in quantities}
        document["difference"] = {
            key: {
                swap: None if document[key][swap] is None else round(document[key][swap] - value, 6)
                for swap, value in document["paper"][key].items()
            }
            for key in quantities
        }
    return document


@dataclass(frozen=True)
class _Mean:
    mean: float
    standard_error: float
    n: int
    changing: int


def _mean_effect(table: SwapTable, known: Values, name: str, swap: Swap) -> _Mean:
    has = np.flatnonzero(table.has(swap[0]))
    change = _change(
        known, name, has, table.everywhere(swap)[has], difference=name == "validation_accuracy", artefacts=True
    )
    found = change[~np.isnan(change)]
    n = len(found)
    if not n:
        return _Mean(float("nan"), float("nan"), 0, len(has))
    share = len(has) / len(table)
    error = share * float(found.std(ddof=1)) / np.sqrt(n) if n > 1 else float("nan")
    if n == len(has):
        error = 0.0
    return _Mean(share * float(found.mean()), error, n, len(has))


def _change(
    known: Values,
    name: str,
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
    *,
    difference: bool,
    artefacts: bool = False,
) -> Floats:
    """The change of a metric over pairs of rows; NaN where it is unknown, or the accuracies are not comparable."""
    numbers = known.by_metric[name]
    old, new = numbers[before], numbers[after]
    with np.errstate(invalid="ignore"):  # the footprint where electricity emits nothing has no relative change
        change = new - old if difference else new / old - 1
    left_out = np.zeros(len(change), bool)
    if name == "validation_accuracy":
        left_out = known.accuracy_kind[before] != known.accuracy_kind[after]
    elif name in ("energy", "footprint") and not artefacts:
        left_out = known.artefact[before] | known.artefact[after]
    return np.where(left_out, np.nan, change)


def _groups(table: SwapTable, pairs: Pairs, split: Split) -> npt.NDArray[np.int8]:
    if split == "vertices":
        return table.cells.vertices[pairs.before]
    if split == "none":
        return np.zeros(len(pairs.before), np.int8)
    return {"position": pairs.distance, "before": pairs.taken_from, "after": pairs.fed}[split]


def _group_name(split: Split, group: int) -> str:
    if split == "none":
        return "all"
    if split == "vertices":
        return f"{group} vertices"
    if split == "position":
        return f"{group} from input"
    ends = {INPUT_OR_OUTPUT: "input" if split == "before" else "output", SEVERAL: "several kinds"}
    return ends.get(group) or SHORT_NAMES[group]


def _saved_per_point(saved: float, lost: float) -> float:
    if saved <= 0:
        return float("nan")
    return saved / (100 * lost) if lost > 0 else float("inf")


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
