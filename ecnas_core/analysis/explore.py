"""All cells of a view in the plane of its two metrics: density, front, knee; and what lies around one cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from ecnas_core.analysis import pareto
from ecnas_core.analysis.metrics import METRICS, metric
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.store import Benchmark

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BINS = (160, 110)
SAMPLE = 2_500
_SCATTERED = "(row * 2654435761) % 4294967296"
"""Multiplicative hashing (Knuth) of a cell's place in its space's file."""
_IDENTITY = (
    "hash, vertices, edges, edge_bits, ops, energy_provenance, energy_source, energy_artefact, accuracy_provenance, "
    "accuracy_source, accuracy_repeats, time_provenance"
)


@dataclass(frozen=True)
class Picture:
    """A view, computed.

    Attributes:
        view: what was asked for.
        in_space: cells of the space.
        matching: cells that pass the filters.
        both: matching cells with a value on both axes.
        x_only: matching cells with a value on x alone.
        artefacts: cells that only the artefact filter leaves out.
        predicted: cells with both values, of which one is predicted.
        x_edges: borders of the columns, shape (columns + 1,), in the metric's unit.
        y_edges: borders of the rows, shape (rows + 1,).
        density: cells a bin, shape (rows, columns).
        x_alone: cells a column with no value on y, shape (columns,).
        front: the non-dominated cells from the best x to the best y, with the columns of ``cells`` and ``role``: r0
            and r1 for the extremes, rk for the knee; of equal cells the one with the smallest hash.
        sample: at most ``SAMPLE`` cells with both values, chosen by their places, with the columns of ``cells``; those
            of them that still match stay in it as the filters narrow, and others join them.
    """

    view: View
    in_space: int
    matching: int
    both: int
    x_only: int
    artefacts: int
    predicted: int
    x_edges: Floats
    y_edges: Floats
    density: Counts
    x_alone: Counts
    front: pd.DataFrame
    sample: pd.DataFrame


def picture(bench: Benchmark, view: View) -> Picture:
    """Compute the density, the front with its extremes and knee, and a sample of points of a view.

    Args:
        bench: the benchmark.
        view: cells, axes and lens.

    Returns:
        The picture; an empty one when no cell matches.
    """
    in_space, artefacts, predicted = _census(bench, view)
    x, y = _columns(bench, view)
    has_x, has_y = ~np.isnan(x), ~np.isnan(y)
    both = has_x & has_y
    x_log, y_log = view.logarithmic
    x_edges = _edges(x[has_x], BINS[0], x_log)
    y_edges = _edges(y[both], BINS[1], y_log)
    columns = _bins(x[both], x_edges, x_log)
    rows = _bins(y[both], y_edges, y_log)
    width, height = len(x_edges) - 1, len(y_edges) - 1
    density = np.bincount(rows * width + columns, minlength=width * height).reshape(height, width)
    x_alone = np.bincount(_bins(x[has_x & ~has_y], x_edges, x_log), minlength=width)
    return Picture(
        view=view,
        in_space=in_space,
        matching=len(x),
        both=int(both.sum()),
        x_only=int((has_x & ~has_y).sum()),
        artefacts=artefacts,
        predicted=predicted,
        x_edges=x_edges,
        y_edges=y_edges,
        density=density,
        x_alone=x_alone,
        front=_front_of(bench, view, np.column_stack([x[both], y[both]])),
        sample=_sample(bench, view, int(both.sum())),
    )


def front(bench: Benchmark, view: View) -> pd.DataFrame:
    """The front of a view alone, as ``picture`` has it, in less than half the time.

    Args:
        bench: the benchmark.
        view: cells, axes and lens.
    """
    points = np.column_stack(_columns(bench, view))
    return _front_of(bench, view, points[~np.isnan(points).any(axis=1)])


def cells(
    bench: Benchmark,
    view: View,
    *,
    hashes: Sequence[str] | None = None,
    box: tuple[float, float, float, float] | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Cells of a view with every metric under its lens.

    Args:
        bench: the benchmark.
        view: cells, axes and lens.
        hashes: only these cells, whether or not they pass the filters.
        box: only cells with x and y in (x low, x high, y low, y high), in the metrics' units.
        limit: at most so many rows.

    Returns:
        By rising x: identity, ``x``, ``y``, ``x_low`` to ``y_high`` (90 % intervals where predicted), one column a
        metric in the unit that the lens shows, provenances.
    """
    where, parameters = view.where()
    x, y = view.axes
    if hashes is not None:
        where = f"space = ? and epochs = ? and hash in ({', '.join('?' * len(hashes)) or 'null'})"
        parameters = [view.space, view.epochs, *hashes]
    if box is not None:
        where += f" and {x.sql} between ? and ? and {y.sql} between ? and ?"
        parameters += box
    limited = "" if limit is None else f" limit {int(limit)}"
    return bench.frame(
        f"select {_select(view)} from {view.lens.table} where {where} order by x, y, hash{limited}", parameters
    )


def count(bench: Benchmark, view: View, box: tuple[float, float, float, float]) -> int:
    """How many matching cells lie in a box (x low, x high, y low, y high)."""
    where, parameters = view.where()
    x, y = view.axes
    where += f" and {x.sql} between ? and ? and {y.sql} between ? and ?"
    return int(bench.rows(f"select count(*) as n from {view.lens.table} where {where}", [*parameters, *box])[0]["n"])


def standing(bench: Benchmark, view: View, digest: str) -> pd.DataFrame:
    """Where a cell stands among the matching cells, on each axis of the view.

    Args:
        bench: the benchmark.
        view: cells, axes and lens.
        digest: hash of the cell; it need not pass the filters itself.

    Returns:
        One row an axis: ``metric``, ``value``, ``rank`` (1 is best; equal values share the better rank), ``of``
        (cells with a value, this one included) and ``better_than`` (share of the others that are worse, in
        [0, 1]). An axis on which the cell has no value is left out.
    """
    own = cells(bench, view, hashes=[digest])
    rows = []
    where, parameters = view.where()
    for name, axis in zip(("x", "y"), view.axes, strict=True):
        value = float(own[name].iloc[0]) if len(own) else float("nan")
        if np.isnan(value):
            continue
        better, worse = ("<", ">") if axis.better == "less" else (">", "<")
        counted = bench.rows(
            f"select count({axis.sql}) as others, count(*) filter (where {axis.sql} {better} ?) as better, "
            f"count(*) filter (where {axis.sql} {worse} ?) as worse from {view.lens.table} where {where} and hash <> ?",
            [value, value, *parameters, digest],
        )[0]
        others = counted["others"]
        rows.append(
            {
                "metric": axis.key,
                "value": value,
                "rank": counted["better"] + 1,
                "of": others + 1,
                "better_than": counted["worse"] / others if others else float("nan"),
            }
        )
    import pandas as pd

    return pd.DataFrame(rows, columns=["metric", "value", "rank", "of", "better_than"])


def dominating(bench: Benchmark, view: View, digest: str, limit: int = 5) -> pd.DataFrame:
    """The matching cells nearest to a cell among those that dominate it.

    Args:
        bench: the benchmark.
        view: cells, axes and lens.
        digest: hash of the cell.
        limit: at most so many rows.

    Returns:
        As ``cells``, nearest first; distance is Euclidean in the plane as drawn, each axis scaled to the range of
        the matching cells. Empty when nothing dominates the cell or it lacks a value on an axis.
    """
    own = cells(bench, view, hashes=[digest])
    if own.empty or own[["x", "y"]].isna().any(axis=None):
        return own.iloc[:0]
    where, parameters = view.where()
    x, y = view.axes
    values = own[["x", "y"]].iloc[0].tolist()
    ends = bench.arrays(
        f"select unnest([min({x.sql}), max({x.sql})]) as x, unnest([min({y.sql}), max({y.sql})]) as y "
        f"from {view.lens.table} where {where}",
        parameters,
    )
    distances, scales = [], []
    for name, value, (low, high), log in zip(("x", "y"), values, ends, view.logarithmic, strict=True):
        drawn = np.log if log else float
        distances.append(f"pow(({f'ln({name})' if log else name} - ?) / ?, 2)")
        scales += [float(drawn(value)), float(drawn(high) - drawn(low)) or 1.0]
    no_worse, better = (
        [f"{axis.sql} {'<' if axis.better == 'less' else '>'}{equal} ?" for axis in (x, y)] for equal in ("=", "")
    )
    return bench.frame(
        f"select * from (select {_select(view)} from {view.lens.table} where {where} and {' and '.join(no_worse)} "
        f"and ({' or '.join(better)})) order by {' + '.join(distances)}, hash limit {int(limit)}",
        [*parameters, *values, *values, *scales],
    )


def budgets(bench: Benchmark, view: View, digest: str) -> pd.DataFrame:
    """A cell at all training budgets, on the view's energy scale and under its lens, by rising epochs."""
    return bench.frame(
        f"select epochs, {_select(view)}, energy_kwh, energy_kwh_std, energy_repeats, validation_accuracy_std "
        f"from {view.lens.table} where space = ? and hash = ? order by epochs",
        [view.space, digest],
    )


def _select(view: View) -> str:
    x, y = view.axes
    metrics = ", ".join(f"{metric(name, view.lens).sql} as {name}" for name in METRICS)
    ends = [
        f"({sql})::double as {name}_{end}"
        for name, axis in (("x", x), ("y", y))
        for end, sql in zip(("low", "high"), axis.interval or ("null", "null"), strict=True)
    ]
    return f"{_IDENTITY}, {x.sql} as x, {y.sql} as y, {', '.join(ends)}, {metrics}"


def _census(bench: Benchmark, view: View) -> tuple[int, int, int]:
    with_artefacts = replace(view, filters=replace(view.filters, artefacts=True))
    without, others = view.where()
    where, parameters = with_artefacts.where()
    known = " and ".join(f"{axis.sql} is not null" for axis in view.axes)
    sources = [f"{axis.provenance} = 'predicted'" for axis in view.axes if axis.provenance]
    row = bench.rows(
        f"select count(*) as cells, count(energy_artefact) filter (where {where}) as artefacts, "
        f"count(*) filter (where {without} and {known} and ({' or '.join(sources) or 'false'})) as predicted "
        f"from {view.lens.table} where space = ? and epochs = ?",
        [*parameters, *others, view.space, view.epochs],
    )[0]
    return row["cells"], 0 if view.filters.artefacts else row["artefacts"], row["predicted"]


def _columns(bench: Benchmark, view: View) -> tuple[Floats, Floats]:
    where, parameters = view.where()
    x, y = view.axes
    across, up = bench.arrays(
        f"select {x.sql}::double as x, {y.sql}::double as y from {view.lens.table} where {where}", parameters
    )
    return across, up


def _front_of(bench: Benchmark, view: View, points: Floats) -> pd.DataFrame:
    signs = np.array([1.0 if axis.better == "less" else -1.0 for axis in view.axes])
    chosen = pareto.front(points * signs)
    knee = pareto.knee(points[chosen] * signs)
    found = points[chosen]
    where, parameters = view.where()
    x, y = view.axes
    wanted = [f"{axis.sql}::double in ({', '.join('?' * len(found)) or 'null'})" for axis in (x, y)]
    frame = bench.frame(
        f"select {_select(view)} from {view.lens.table} where {where} and {' and '.join(wanted)} order by hash",
        [*parameters, *found[:, 0].tolist(), *found[:, 1].tolist()],
    )
    pairs = set(map(tuple, found.tolist()))
    on_front = np.array([pair in pairs for pair in zip(frame["x"], frame["y"], strict=True)], dtype=bool)
    frame = frame[on_front].drop_duplicates(["x", "y"])
    frame = frame.sort_values("x", ascending=signs[0] > 0, ignore_index=True)
    roles = [""] * len(frame)
    if knee is not None:
        roles[knee] = "rk"
    if roles:
        roles[0] = "r0"
    if len(roles) > 1:
        roles[-1] = "r1"
    return frame.assign(role=roles)


def _sample(bench: Benchmark, view: View, population: int) -> pd.DataFrame:
    """Cells whose place, scattered evenly, lies below a bound that rises as the filters narrow.

    The hash itself, a uniform random number, will not do: of cells with small hashes most accuracies are published.
    """
    where, parameters = view.where()
    x, y = view.axes
    share = min(1.0, SAMPLE / max(population, 1))
    return bench.frame(
        f"select {_select(view)} from {view.lens.table} where {where} and {_SCATTERED} <= ? and {x.sql} is not null "
        f"and {y.sql} is not null order by {_SCATTERED} limit {SAMPLE}",
        [*parameters, int(share * 2**32)],
    )


def _edges(values: Floats, bins: int, log: bool) -> Floats:
    if not len(values):
        return np.array([1.0, 10.0]) if log else np.array([0.0, 1.0])
    low, high = values.min(), values.max()
    if low == high:
        low, high = (low / 1.1, high * 1.1) if log else (low - 0.5, high + 0.5)
    return np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)


def _bins(values: Floats, edges: Floats, log: bool) -> Counts:
    low, high = edges[0], edges[-1]
    count = len(edges) - 1
    share: Floats = np.log(values / low) / np.log(high / low) if log else (values - low) / (high - low)
    return np.clip((share * count).astype(np.int64), 0, count - 1)
