"""What the bundled surrogates say of one cell, beside what the benchmark knows of it."""

from __future__ import annotations

from dataclasses import dataclass

from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell, CellTable
from ecnas_core.surrogates import energy, evaluation
from ecnas_core.surrogates.experiment import Quantity

_PREDICTED = """
    select predicted_accuracy_{e}::double, predicted_accuracy_low_{e}::double, predicted_accuracy_high_{e}::double,
        predicted_time_s_{e}::double, predicted_time_s_low_{e}::double, predicted_time_s_high_{e}::double
    from read_parquet(?) where hash = ?
"""


@dataclass(frozen=True)
class CellPrediction:
    """One quantity of a cell.

    Attributes:
        quantity: energy_kwh (facility energy on the scale of 7V's measurements), validation_accuracy or
            training_time_s.
        predicted: what the surrogate says; ``low`` and ``high`` are the ends of its 90 % interval.
        known: what the benchmark has in 7V; None if nothing, or only this prediction.
        provenance: of that.
        seen: whether the surrogate learned from this cell.
    """

    quantity: Quantity
    predicted: float
    low: float
    high: float
    known: float | None
    provenance: str | None
    seen: bool


def of_cell(bench: Benchmark, cell: Cell, epochs: int) -> list[CellPrediction]:
    """Predict a cell; torch is not needed: accuracies and times of all cells are stored.

    Args:
        bench: the benchmark.
        cell: any cell of NAS-Bench-101.
        epochs: training budget; energies are predicted for 4 epochs and scaled linearly, as 7V's are.

    Returns:
        Energy, accuracy and time, in that order. Of a cell that was measured in 7V the energy at 4 epochs is known by
        that, else by the published surrogate.

    Raises:
        UnknownEpochs: the benchmark has no such budget.
    """
    entry = bench.query(cell, epochs, space="7V", predicted=False)
    measured = energy.measured(bench)
    own = measured[measured["hash"] == cell.hash]["energy_kwh"].tolist()
    table = CellTable.from_digits([cell.vertices], [cell.edge_bits], [cell.ops_digits])
    [said] = evaluation.energy_model(bench.bundled).predict(table).to_dict("records")
    factor = epochs / energy.EPOCHS
    known, provenance = (
        (own[0], "measured") if own and epochs == energy.EPOCHS else (entry.energy_kwh, entry.energy_provenance)
    )
    energies = CellPrediction(
        "energy_kwh",
        said["energy_kwh"] * factor,
        said["low"] * factor,
        said["high"] * factor,
        known,
        provenance,
        bool(own),
    )
    path = next(path for path in bench.layout.files["benchmark"] if path.stem == "7V")
    [row] = bench.rows(_PREDICTED.format(e=epochs), [str(path), cell.hash])
    a, a_low, a_high, t, t_low, t_high = row.values()
    published = entry.validation_accuracy, entry.training_time_s
    return [
        energies,
        CellPrediction(
            "validation_accuracy", a, a_low, a_high, published[0], entry.accuracy_provenance, published[0] is not None
        ),
        CellPrediction(
            "training_time_s", t, t_low, t_high, published[1], entry.time_provenance, published[1] is not None
        ),
    ]
