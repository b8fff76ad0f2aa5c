"""What the paper prints, to be shown beside what the data gives."""

from __future__ import annotations

from functools import cache

import pyarrow.parquet as pq

from ecnas_core.benchmark.layout import BUNDLED

CITATION = (
    "Bakhtiarifard, Igel, Selvan: EC-NAS: Energy Consumption Aware Tabular Benchmarks for Neural Architecture Search, "
    "ICASSP 2024"
)


@cache
def printed(exhibit: str) -> dict[str, dict[str, float]]:
    """The numbers of one figure or table of the paper.

    Args:
        exhibit: ``figure_2`` (subject: a swap such as ``conv3x3_to_conv1x1``; energy, training_time and
            trainable_parameters in %, validation_accuracy as a difference), ``figure_4`` (subject: an algorithm;
            hypervolume in Wh), ``table_1`` (subject: an algorithm and a point such as ``RS rk``; training_time_s,
            validation_accuracy, energy_kwh, log10_parameters, each the mean over the trials and with ``_std`` their
            deviation) or ``table_3`` (subject: a space; gpu_days in d, kwh in kWh, kgco2eq in kg).

    Returns:
        Subject to quantity to value; what the paper leaves out is left out.
    """
    found: dict[str, dict[str, float]] = {}
    for row in pq.read_table(BUNDLED / "paper.parquet").to_pylist():
        if row["exhibit"] == exhibit and row["value"] is not None:
            found.setdefault(row["subject"], {})[row["quantity"]] = row["value"]
    return found
