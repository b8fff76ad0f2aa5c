"""The search problem: which cells are good by which objectives, and what a question costs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from ecnas_core.analysis.metrics import METRICS, Metric, MetricName, metric
from ecnas_core.benchmark.official import EPOCHS, PROVENANCES, Budget
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.cells import SPACES, CellTable, Space, labelled_graphs
from ecnas_core.errors import EcnasError
from ecnas_core.records import InvalidRecord, OneOf, Record
from ecnas_core.search.archive import nondominated
from ecnas_core.search.encoding import NO_CELL, Genomes, Rows, cell_lookup

Accuracy = Literal["published", "any"]
Charging = Literal["unique", "all"]
Sampling = Literal["uniform", "matrix"]
Values = NDArray[np.float64]
Budgets = NDArray[np.int8]
Outcomes = NDArray[np.int8]

MOST_OBJECTIVES = 3
ERRORS = ("validation_error", "test_error")
_OF_ACCURACY = (*ERRORS, "validation_accuracy", "test_accuracy")
_OBJECTIVES = tuple(key for key in METRICS if not key.endswith("accuracy"))
_WORST_ENERGY_KWH = 1.0
_WORST_ERROR = 0.2


class NothingFeasible(EcnasError):
    """No cell of the space has an answer within the bounds."""


class Outcome(IntEnum):
    """What came of a question."""

    FEASIBLE = 0
    INVALID_GRAPH = 1
    NO_ANSWER = 2
    ARTEFACT = 3
    OUT_OF_BOUNDS = 4


class Setting(Record, frozen=True):
    """What is searched for, where, and at what charge.

    Attributes:
        space: 4V, 5V or 7V; each has an energy scale of its own.
        objectives: one to three metrics, all minimised: energy, footprint, training_time, parameters, multiply_adds,
            validation_error, test_error.
        bounds: inclusive ranges (metric, least, most) of metrics in the unit that the lens shows them in; an end may be
            infinite. Cells out of bounds, or without a value there, are infeasible.
        epochs: the training budget, or None: all four, and the search chooses.
        accuracy: ``published`` takes NAS-Bench-101's accuracies only and no predicted times, ``any`` also measured and
            predicted accuracies and predicted times, as far as the lens shows them.
        artefacts: whether cells whose published surrogate energy is unphysical are feasible.
        sampling: how an algorithm draws at random: ``uniform`` over the space's cells, or ``matrix``, uniform bits and
            operations, as in the paper: many are invalid, and large cells are rare.
        charging: ``all`` counts every question (the paper); ``unique`` does not count invalid graphs, nor a cell at a
            budget that the trial asked for before.
        lens: scope, grid, unit and correction of energies and times.

    Raises:
        InvalidRecord: a part out of its range.
    """

    space: Space = "7V"
    objectives: tuple[Annotated[str, OneOf(_OBJECTIVES)], ...] = ("energy", "validation_error")
    bounds: tuple[tuple[MetricName, float, float], ...] = ()
    epochs: Budget | None = 108
    accuracy: Accuracy = "published"
    artefacts: bool = False
    sampling: Sampling = "uniform"
    charging: Charging = "unique"
    lens: Lens = Lens()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.objectives) <= MOST_OBJECTIVES:
            raise InvalidRecord(f"{len(self.objectives)} objectives given; give one to {MOST_OBJECTIVES}")
        if len(set(self.objectives)) < len(self.objectives):
            raise InvalidRecord(f"an objective is given twice in {', '.join(self.objectives)}; give each once")
        for key, least, most in self.bounds:
            if not least <= most:
                raise InvalidRecord(f"the bounds of {key} are empty, {least:g} to {most:g}; give the least first")

    @property
    def budgets(self) -> tuple[int, ...]:
        """The training budgets that may be asked for, in epochs, ascending."""
        return EPOCHS if self.epochs is None else (self.epochs,)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The objectives with their names and units."""
        return tuple(metric(key, self.lens) for key in self.objectives)


class Problem:
    """The answers of the benchmark to a setting, as arrays in memory.

    A budget is the place of a number of epochs in ``setting.budgets``, a row the place of a cell in ``lookup.cells``.

    Attributes:
        setting: what is asked.
        lookup: the way from genomes to rows.
        values: (budgets, cells, objectives), NaN where a cell is infeasible.
        outcomes: (budgets, cells), an ``Outcome`` each.
        raw: as values, but whatever the benchmark knows, feasible or not; NaN where it knows nothing.
        accuracy_provenances: (budgets, cells), where accuracies are from, as places in ``PROVENANCES``; -1 where none
            is known.

    Raises:
        NothingFeasible: no cell can be found at all.
    """

    def __init__(self, bench: Benchmark, setting: Setting) -> None:
        self.setting = setting
        self.lookup = cell_lookup(setting.space)
        columns = _columns(bench, setting)
        rows, budgets = _places(setting, *columns[:4])
        count = len(setting.objectives)
        shape = len(setting.budgets), len(self.lookup.cells)
        self.raw: Values = np.full((*shape, count), np.nan)
        self.raw[budgets, rows] = np.stack(columns[6 : 6 + count], axis=1)
        self.outcomes: Outcomes = np.full(shape, Outcome.NO_ANSWER, np.int8)
        self.outcomes[budgets, rows] = _outcomes(setting, columns[4], columns[6:])
        self.accuracy_provenances: NDArray[np.int8] = np.full(shape, -1, np.int8)
        self.accuracy_provenances[budgets, rows] = np.nan_to_num(columns[5]) - 1
        self.values: Values = np.where(self.outcomes[..., None] == Outcome.FEASIBLE, self.raw, np.nan)
        if not (self.outcomes == Outcome.FEASIBLE).any():
            raise NothingFeasible(_nothing(setting, self.outcomes))

    @property
    def vertices(self) -> int:
        """Number of vertices of a genome."""
        return self.lookup.vertices

    @property
    def size(self) -> int:
        """How many different questions there are: cells times budgets."""
        return self.outcomes.size

    def evaluate(self, genomes: Genomes, budgets: Budgets) -> tuple[Rows, Values, Outcomes]:
        """Answer questions.

        Args:
            genomes: (n,) of the problem's number of vertices.
            budgets: (n,) places in ``setting.budgets``.

        Returns:
            The cells' rows (``NO_CELL`` where the graph is invalid), (n, objectives) values (NaN where infeasible), and
            (n,) outcomes.
        """
        rows = self.lookup.rows(genomes)
        values, outcomes = self.values[budgets, rows], self.outcomes[budgets, rows]
        invalid = rows == NO_CELL
        if invalid.any():
            values[invalid] = np.nan
            outcomes[invalid] = Outcome.INVALID_GRAPH
        return rows, values, outcomes

    def front(self) -> tuple[Rows, Budgets, Values]:
        """The true front: rows, budgets and values of the feasible questions that none dominates, first of equals."""
        budgets, rows = np.nonzero(self.outcomes == Outcome.FEASIBLE)
        values = self.values[budgets, rows]
        chosen = nondominated(values)
        return rows[chosen].astype(np.int32), budgets[chosen].astype(np.int8), values[chosen]

    def reference(self) -> tuple[float, ...]:
        """The reference point of hypervolumes: 1 kWh at the facility, an error of 0.2, or the worst feasible value."""
        worst = np.nanmax(self.values, axis=(0, 1)).tolist()
        for place, key in enumerate(self.setting.objectives):
            if key in ERRORS:
                worst[place] = _WORST_ERROR
            elif key == "energy":
                worst[place] = self.setting.lens.convert(_WORST_ENERGY_KWH) or worst[place]
        return tuple(worst)


def _nothing(setting: Setting, outcomes: Outcomes) -> str:
    """Why nothing is feasible, and what to do."""
    excluded = int((outcomes == Outcome.OUT_OF_BOUNDS).sum())
    if excluded:
        return f"all {excluded} cells and budgets of {setting.space} that have an answer are out of bounds; widen them"
    wanted = ", ".join(metric(key, setting.lens).label.lower() for key in setting.objectives)
    return (
        f"no cell of {setting.space} has all of {wanted} under the lens; take another scope, other objectives or "
        "predicted values"
    )


def _columns(bench: Benchmark, setting: Setting) -> tuple[Values, ...]:
    """The cells' answers, one a budget.

    Returns:
        Vertices, edge bits, operations, epochs, whether it is an artefact, where in ``PROVENANCES`` (from 1) the
        accuracy is from; then the objectives, then what is bounded.
    """
    asked = [*setting.objectives, *(key for key, _, _ in setting.bounds)]
    expressions = [accepted_sql(key, setting) for key in asked]
    epochs = ", ".join(map(str, setting.budgets))
    return bench.arrays(
        "select vertices, edge_bits, coalesce(try_cast(ops as integer), 0) as ops, epochs, "
        "energy_artefact is not null as artefact, "
        f"list_position({list(PROVENANCES)}, accuracy_provenance) as provenance, "
        + ", ".join(f"({sql})::double as c{place}" for place, sql in enumerate(expressions))
        + f" from {setting.lens.table} where space = '{setting.space}' and epochs in ({epochs})"
    )


def accepted_sql(key: str, setting: Setting) -> str:
    """The SQL expression of a metric over the lens's table, null where the setting does not take what it rests on."""
    sql = metric(key, setting.lens).sql
    if setting.accuracy == "published" and key in _OF_ACCURACY:
        return f"case when accuracy_provenance = 'published' then {sql} end"
    if setting.accuracy == "published" and key == "training_time":
        return f"case when time_provenance <> 'predicted' then {sql} end"
    return sql


def _places(
    setting: Setting, vertices: Values, edge_bits: Values, ops: Values, epochs: Values
) -> tuple[Rows, NDArray[np.int64]]:
    """The row and the budget of each answer; operations are given as their digits read as a decimal number."""
    digits = ops.astype(np.int64)
    codes = sum((digits // 10**place % 10) << 2 * place for place in range(max(SPACES.values()) - 2))
    keys = CellTable(vertices.astype(np.int8), edge_bits.astype(np.int32), np.asarray(codes, np.int16)).keys
    return labelled_graphs(setting.space).find(keys), np.searchsorted(np.array(setting.budgets), epochs)


def _outcomes(setting: Setting, artefact: Values, columns: Sequence[Values]) -> Outcomes:
    count = len(setting.objectives)
    within = np.ones(len(artefact), bool)
    for (_, least, most), values in zip(setting.bounds, columns[count:], strict=True):
        within &= (values >= least) & (values <= most)
    unknown = np.isnan(np.stack(columns, axis=1)).any(axis=1)
    excluded = (artefact == 1) & (not setting.artefacts)
    return np.select(
        [excluded, unknown, ~within], [Outcome.ARTEFACT, Outcome.NO_ANSWER, Outcome.OUT_OF_BOUNDS], Outcome.FEASIBLE
    ).astype(np.int8)
