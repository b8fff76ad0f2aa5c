"""The benchmark's figures read straight from the Parquet files, as the oracle for what pages and figures show."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb
import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

# The examples are the same in every run.
settings.register_profile("ci", settings.get_profile("ci"), max_examples=50)

BENCHMARK = Path(__file__).resolve().parents[1] / "data" / "benchmark"
COMMON = "hash, vertices, n_conv3x3, n_conv1x1, n_maxpool3x3"
COSTS = "trainable_parameters / 1e6 as parameters, multiply_adds / 1e9 as multiply_adds"
NARROW = """
    select {common}, energy_kwh as energy, gpu_energy_j, energy_provenance, false as artefact, validation_accuracy,
        1 - validation_accuracy as validation_error, test_accuracy, 1 - test_accuracy as test_error,
        accuracy_provenance, training_time_s as training_time, time_provenance, {costs}
    from '{folder}/{space}.parquet' where epochs = {epochs} order by hash
"""
WIDE = """
    select {common}, round(abs(surrogate_energy_wh_4_epochs::double) / 1000 * {epochs} / 4, 6) as energy,
        null::double as gpu_energy_j, 'surrogate' as energy_provenance, surrogate_energy_wh_4_epochs < 3.15 as artefact,
        coalesce(validation_accuracy_{epochs}, predicted_accuracy_{epochs}::double) as validation_accuracy,
        1 - coalesce(validation_accuracy_{epochs}, predicted_accuracy_{epochs}::double) as validation_error,
        test_accuracy_{epochs} as test_accuracy, 1 - test_accuracy_{epochs} as test_error,
        if(validation_accuracy_{epochs} is null, 'predicted', accuracy_provenance_{epochs}) as accuracy_provenance,
        coalesce(published_time_s_{epochs}, predicted_time_s_{epochs}::double) as training_time,
        if(published_time_s_{epochs} is null, 'predicted', 'published') as time_provenance, {costs}
    from '{folder}/7V.parquet' order by hash
"""


class Truth:
    """Every cell of a space at one budget, energies in kWh at the facility, parameters in M, multiply-adds in G."""

    @staticmethod
    @cache
    def every_cell(space: str, epochs: int) -> pd.DataFrame:
        query = WIDE if space == "7V" else NARROW
        return duckdb.sql(query.format(common=COMMON, costs=COSTS, folder=BENCHMARK, space=space, epochs=epochs)).df()

    def cells(self, space: str = "7V", epochs: int = 108, predicted: bool = True) -> pd.DataFrame:
        """The cells that a view without filters shows: all but the artefacts of the surrogate."""
        frame = self.every_cell(space, epochs)
        if not predicted:
            accuracy, time = frame["accuracy_provenance"] == "predicted", frame["time_provenance"] == "predicted"
            frame = frame.assign(
                **{name: frame[name].mask(accuracy) for name in ("validation_accuracy", "validation_error")},
                training_time=frame["training_time"].mask(time),
                accuracy_provenance=frame["accuracy_provenance"].mask(accuracy),
                time_provenance=frame["time_provenance"].mask(time),
            )
        return frame[~frame["artefact"]]

    def cell(self, digest: str, space: str = "7V", epochs: int = 108) -> pd.Series:
        frame = self.every_cell(space, epochs)
        return frame[frame["hash"] == digest].iloc[0]

    @staticmethod
    def front(cells: pd.DataFrame, x: str = "energy", y: str = "validation_error") -> pd.DataFrame:
        """The non-dominated cells from the best x to the best y, by moocore; equal cells count once."""
        known = cells.dropna(subset=[x, y])
        most = [name.endswith("accuracy") for name in (x, y)]
        chosen = known[moocore.is_nondominated(known[[x, y]].to_numpy(), maximise=most, keep_weakly=False)]
        return chosen.sort_values(x, ascending=not most[0], ignore_index=True)

    @staticmethod
    def knee(front: pd.DataFrame, x: str = "energy", y: str = "validation_error") -> pd.Series:
        """The point of a front farthest from the straight line between its ends."""
        points = front[[x, y]].to_numpy()
        (ax, ay), (bx, by) = points[0], points[-1]
        distances = np.abs((bx - ax) * (points[:, 1] - ay) - (by - ay) * (points[:, 0] - ax)) / np.hypot(
            bx - ax, by - ay
        )
        return front.iloc[int(distances.argmax())]


@pytest.fixture(scope="session")
def truth() -> Truth:
    return Truth()
