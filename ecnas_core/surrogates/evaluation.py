"""How well the surrogates predict, computed once and bundled: what a page shows before anybody has trained anything.

``data/surrogates/`` holds three tables and ``data/models/energy.safetensors`` the best energy model of all measured
cells; ``build`` writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecnas_core.benchmark.build import write_parquet
from ecnas_core.benchmark.layout import BUNDLED, MissingData
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.surrogates import accuracy, energy, evaluate
from ecnas_core.surrogates.energy import EnergyModel
from ecnas_core.surrogates.experiment import Experiment, figures, run_experiment
from ecnas_core.surrogates.training import Epoch

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "surrogates"
MODEL = Path("models") / "energy.safetensors"
HELD_OUT, FIGURES, CURVE, IMPORTANCE = "held_out", "figures", "learning_curve", "importance"
TABLES = (HELD_OUT, FIGURES, CURVE, IMPORTANCE)
EXPERIMENTS = (Experiment("energy", "best"), Experiment("energy", "paper"), Experiment("accuracy"))
PRINTED_TAU_SQUARED = 0.9030
"""The paper's Figure 1, which prints tau squared under the name of Kendall's tau."""
_DIGITS = {"value": 5, "predicted": 5, "low": 4, "high": 4}


def build(out: Path, progress: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Train every surrogate without a fifth of its cells, and write how well it predicts them.

    Args:
        out: folder of bundled figures, as ``build_data`` makes it, which is learned from and written to.
        progress: told one line an epoch.

    Returns:
        The files written: the tables of ``TABLES`` and ``MODEL``.
    """
    import pandas as pd

    with TemporaryDirectory() as nothing:
        bench = Benchmark(Path(nothing), out)
        told: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
        for wanted in EXPERIMENTS:
            outcome = run_experiment(bench, wanted, _telling(progress, f"{wanted.kind}, {wanted.model}"))
            about = {"kind": wanted.kind, "model": wanted.model}
            told[HELD_OUT].append(outcome.held_out.assign(model=wanted.model))
            told[IMPORTANCE].append(outcome.importance.assign(**about))
            if wanted.kind == "accuracy":
                told[FIGURES].append(figures(outcome.held_out).assign(seed=wanted.seed, **about))
        for model in get_args(energy.Model):
            found = evaluate.energy_figures(bench, model, progress=_telling(progress, f"energy, {model}, five splits"))
            found = found.assign(kind="energy", model=model, quantity="energy_kwh", epochs=energy.EPOCHS, cells="all")
            told[FIGURES].append(found)
            curve = evaluate.learning_curve(bench, model, progress=_telling(progress, f"learning curve, {model}"))
            told[CURVE].append(curve.assign(model=model))
        frames = {name: pd.concat(parts, ignore_index=True) for name, parts in told.items()}
        frames[HELD_OUT] = _small(frames[HELD_OUT])
        written = [
            write_parquet(pa.Table.from_pandas(frame, preserve_index=False), out / FOLDER / f"{name}.parquet")
            for name, frame in frames.items()
        ]
        return [*written, energy.fit(bench, progress=_telling(progress, "energy, best, of all")).save(out / MODEL)]


def table(name: str, bundled: Path = BUNDLED) -> pd.DataFrame:
    """One of the bundled tables.

    Args:
        name: of ``TABLES``. ``held_out``: as ``experiment.Outcome.held_out`` with ``model``, seed 0, accuracy
            and time at 108 epochs; ``figures``: as
            ``experiment.figures`` with ``kind``, ``model`` and ``seed``, of energy five splits; ``learning_curve``: as
            ``evaluate.learning_curve`` with ``model``; ``importance``: as ``experiment.Outcome.importance`` with
            ``kind`` and ``model``.
        bundled: folder of bundled figures.

    Raises:
        MissingData: it is not there.
    """
    path = bundled / FOLDER / f"{name}.parquet"
    if not path.is_file():
        raise MissingData(f"{path} is missing; restore the bundled figures or run build-data")
    frame: pd.DataFrame = pq.read_table(path).to_pandas()
    return frame


@lru_cache(maxsize=2)
def energy_model(bundled: Path = BUNDLED) -> EnergyModel:
    """The best energy model, which learned from all measured cells; it predicts without torch.

    Raises:
        UnreadableModel: it is not there or damaged.
        OtherFeatures: it is of another version of this project.
    """
    return energy.load(bundled / MODEL)


def _telling(progress: Callable[[str], None], what: str) -> Callable[[Epoch], None]:
    return lambda epoch: progress(f"surrogates: {what}: {epoch.part}, {epoch.number} of {epoch.of}")


def _small(held_out: pd.DataFrame) -> pd.DataFrame:
    """The predictions in as few bytes as do no harm: of accuracy and time those of 108 epochs, to few digits."""
    kept = held_out[(held_out["quantity"] == "energy_kwh") | (held_out["epochs"] == accuracy.LONGEST)]
    kept = kept.sort_values(["hash", "quantity", "model"])
    kept = kept.astype(dict.fromkeys(("quantity", "model", "hash"), "category") | {"epochs": "int16"})
    rounded: dict[str, Any] = {}
    for name, digits in _DIGITS.items():
        values = kept[name].to_numpy(np.float64)
        scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(values))))
        rounded[name] = (np.round(values * scale) / scale).astype(np.float32)
    return kept.assign(**rounded).reset_index(drop=True)
