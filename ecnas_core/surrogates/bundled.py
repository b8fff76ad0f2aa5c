"""The accuracy surrogate that is bundled: its weights in data/models/, what it predicts in the view ``benchmark``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.surrogates import accuracy
from ecnas_core.surrogates.accuracy import AccuracyModel
from ecnas_core.surrogates.training import Epoch

WEIGHTS = Path("models") / "accuracy.safetensors"


def predict(data: Path, progress: Callable[[str], None] = lambda _: None) -> pa.Table:
    """Train the surrogate on published accuracies and times, write its weights, predict every cell.

    Args:
        data: folder of bundled figures, as ``build_data`` makes it, which the weights are written to.
        progress: told one line an epoch.

    Returns:
        As ``accuracy.predictions``.
    """

    def tell(epoch: Epoch) -> None:
        progress(f"predictions: {epoch.part}, epoch {epoch.number} of {epoch.of}")

    with TemporaryDirectory() as nothing:
        bench = Benchmark(Path(nothing), data)
        model = accuracy.fit(bench, progress=tell)
        (data / WEIGHTS).parent.mkdir(exist_ok=True)
        model.save(data / WEIGHTS)
        progress("predictions: every cell")
        return accuracy.predictions(bench, model)


def load() -> AccuracyModel:
    """The bundled surrogate.

    Raises:
        UnreadableModel: its file is missing or damaged; restore the bundled figures.
        OtherFeatures: it is of another version of this project.
    """
    return accuracy.load(BUNDLED / WEIGHTS)
