"""What a model's predictions hang on: permutation importance on things that it has not seen.

What a thing says of one feature is exchanged for what another thing says of it, at random, and the mean absolute error
grows by so much (Breiman 2001; Fisher, Rudin and Dominici 2019). It tells what the model uses, not what causes what:
of two features that say the same each may seem to matter little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecnas_core.cells import CellTable
from ecnas_core.surrogates.energy import BestEnergy, EnergyModel, PaperEnergy
from ecnas_core.surrogates.features import composition, encoding

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

REPEATS = 10
CELL_PARTS = ("operations", "place of the operations", "wiring")
_PAPER_GROUPS = {"edges": slice(0, 28), "operations": slice(28, 35), "trainable_parameters": slice(35, 36)}


def of_columns(
    predict: Callable[[Floats], Floats],
    inputs: Floats,
    values: Floats,
    columns: Mapping[str, Sequence[int] | slice],
    seed: int = 0,
    repeats: int = REPEATS,
) -> pd.DataFrame:
    """Importance of features that are columns of a model's inputs.

    Args:
        predict: from inputs to predictions in the unit of the values.
        inputs: shape (n, d), of things that the model has not seen.
        values: shape (n,), what was found.
        columns: by feature the columns that it stands in, which are exchanged together.
        seed: of the permutations.
        repeats: permutations of each feature.

    Returns:
        One row a feature and repeat: ``feature``, ``repeat``, ``increase`` of the mean absolute error.
    """

    def exchanged(feature: str, order: npt.NDArray[np.int64]) -> Floats:
        other = inputs.copy()
        other[:, columns[feature]] = inputs[order][:, columns[feature]]
        return predict(other)

    return _increases(exchanged, predict(inputs), values, list(columns), seed, repeats)


def of_cells(
    predict: Callable[[CellTable], Floats], table: CellTable, values: Floats, seed: int = 0, repeats: int = REPEATS
) -> pd.DataFrame:
    """Importance of the parts of a cell, for any model of cells; every cell that is predicted is a possible one.

    ``operations`` gives a cell the operations of another with as many vertices, ``place of the operations`` puts a
    cell's own in another order, ``wiring`` gives it the edges of another with as many vertices.

    Args:
        predict: from cells to predictions in the unit of the values.
        table: pruned cells that the model has not seen.
        values: shape (cells,), what was found.
        seed: of the permutations.
        repeats: permutations of each part.

    Returns:
        As ``of_columns``.
    """
    drawn = np.random.default_rng([seed, len(table)])

    def exchanged(part: str, order: npt.NDArray[np.int64]) -> Floats:
        if part == CELL_PARTS[1]:
            digits = ["".join(drawn.permutation(list(digits))) if digits else "" for digits in table.ops_digits]
            return predict(CellTable.from_digits(table.vertices, table.edge_bits, digits))
        alike = _within(table.vertices, order)
        ops, edges = (alike, slice(None)) if part == CELL_PARTS[0] else (slice(None), alike)
        return predict(CellTable(table.vertices, table.edge_bits[edges], table.ops[ops]))

    return _increases(exchanged, predict(table), values, list(CELL_PARTS), seed, repeats)


def of_inputs(
    model: EnergyModel, table: CellTable, values: Floats, seed: int = 0, repeats: int = REPEATS
) -> pd.DataFrame:
    """Importance of what an energy model is given: the counts of ``best``, the three kinds of ``paper``'s 36 inputs.

    A count that is exchanged alone may make a cell that cannot be; the model answers all the same.

    Args:
        model: the model.
        table: pruned cells that it has not seen.
        values: shape (cells,), their energies in kWh.
        seed: of the permutations.
        repeats: permutations of each input.

    Returns:
        As ``of_columns``.
    """
    if isinstance(model, BestEnergy):
        counts = composition(table)

        def from_counts(inputs: Floats) -> Floats:
            named = {name: inputs[:, column].astype(np.int64) for column, name in enumerate(counts)}
            found: Floats = model.predict_counts(named)["energy_kwh"].to_numpy(np.float64)
            return found

        each = {name: [column] for column, name in enumerate(counts)}
        return of_columns(
            from_counts, np.column_stack(list(counts.values())).astype(np.float64), values, each, seed, repeats
        )
    assert isinstance(model, PaperEnergy)
    return of_columns(
        lambda inputs: model.network.predict(inputs) / 1000, encoding(table), values, _PAPER_GROUPS, seed, repeats
    )


def _within(vertices: npt.NDArray[np.int8], order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A permutation that keeps cells among those with as many vertices."""
    places = np.empty(len(vertices), np.int64)
    for number in np.unique(vertices):
        own = np.flatnonzero(vertices == number)
        places[own] = order[vertices[order] == number]
    return places


def _increases(
    exchanged: Callable[[str, npt.NDArray[np.int64]], Floats],
    predicted: Floats,
    values: Floats,
    features: Sequence[str],
    seed: int,
    repeats: int,
) -> pd.DataFrame:
    import pandas as pd

    generator = np.random.default_rng(seed)
    error = np.abs(predicted - values).mean()
    rows: list[dict[str, Any]] = []
    for feature in features:
        for repeat in range(repeats):
            found = exchanged(feature, generator.permutation(len(values)))
            rows.append({"feature": feature, "repeat": repeat, "increase": np.abs(found - values).mean() - error})
    return pd.DataFrame(rows)
