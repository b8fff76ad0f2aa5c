"""The bundled surrogate: its weights give what data/ says, and what is published is never hidden by it."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from ecnas_core.benchmark.derive import PREDICTIONS
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.errors import Cancelled
from ecnas_core.surrogates import accuracy, bundled
from ecnas_core.surrogates.lookup import look_up

WIDE = BUNDLED / "benchmark" / "7V.parquet"
QUANTITIES = {
    "accuracy": ("validation_accuracy", 1e-4),
    "accuracy_low": ("low", 1e-4),
    "accuracy_high": ("high", 1e-4),
    "time_s": ("training_time_s", 1e-3),
    "time_s_low": ("time_low", 1e-3),
    "time_s_high": ("time_high", 1e-3),
}


def test_bundled_weights_give_the_bundled_predictions(bench):
    """To a unit of the last digit kept: sums of single-precision numbers differ between processors."""
    hashes = duckdb.sql(f"select hash from '{WIDE}' where hash < '0020' order by hash").df()["hash"].tolist()
    assert 150 < len(hashes) < 300
    found = bundled.load().predict_all(look_up(bench, hashes)[1])
    for epochs, frame in found.items():
        names = ", ".join(f"predicted_{name}_{epochs}::double as {name}" for name in QUANTITIES)
        stored = duckdb.sql(f"select {names} from '{WIDE}' where hash < '0020' order by hash").df()
        for name, (column, step) in QUANTITIES.items():
            tolerance = step * (frame[column] if "time" in name else 1)
            assert (np.abs(stored[name] - frame[column]) <= 1.2 * tolerance).all(), (epochs, name)


def test_it_learned_from_all_that_is_published(published):
    model = bundled.load()
    assert model.cells == len(published.hashes) == 25_959
    assert len(model.networks) == accuracy.MEMBERS


@pytest.mark.parametrize("epochs", [4, 108])
def test_the_benchmark_shows_what_is_published_and_else_what_is_predicted(bench, epochs):
    view = bench.frame(
        "select hash, validation_accuracy, validation_accuracy_low, validation_accuracy_high, accuracy_provenance, "
        "accuracy_source, training_time_s, training_time_s_low, training_time_s_high, time_provenance, test_accuracy "
        "from benchmark where space = '7V' and epochs = ? and hash < '3' order by hash",
        [epochs],
    )
    wide = duckdb.sql(
        f"select validation_accuracy_{epochs} as published, predicted_accuracy_{epochs}::double as predicted, "
        f"predicted_accuracy_low_{epochs}::double as low, predicted_accuracy_high_{epochs}::double as high, "
        f"published_time_s_{epochs} as seconds, predicted_time_s_{epochs}::double as predicted_s, "
        f"predicted_time_s_low_{epochs}::double as low_s, predicted_time_s_high_{epochs}::double as high_s, "
        f"test_accuracy_{epochs} as test from '{WIDE}' where hash < '3' order by hash"
    ).df()
    known = wide["published"].notna()
    assert 24_000 < known.sum() < 25_000
    assert (view["validation_accuracy"] == wide["published"].where(known, wide["predicted"])).all()
    assert (view["accuracy_provenance"][~known] == "predicted").all()
    assert (view["accuracy_source"][~known] == PREDICTIONS).all()
    assert set(view["accuracy_provenance"][known]) <= {"published", "measured"}
    for end in ("low", "high"):
        assert view[f"validation_accuracy_{end}"][known].isna().all()
        assert (view[f"validation_accuracy_{end}"][~known] == wide[end][~known]).all()
    assert (wide["low"] <= wide["predicted"]).all()
    assert (wide["predicted"] <= wide["high"]).all()
    timed = wide["seconds"].notna()
    assert (view["training_time_s"] == wide["seconds"].where(timed, wide["predicted_s"])).all()
    assert (view["time_provenance"] == np.where(timed, "published", "predicted")).all()
    for end in ("low", "high"):
        assert view[f"training_time_s_{end}"][timed].isna().all()
        assert (view[f"training_time_s_{end}"][~timed] == wide[f"{end}_s"][~timed]).all()
    assert (view["test_accuracy"].fillna(-1) == wide["test"].fillna(-1)).all()


@pytest.mark.parametrize("space", ["4V", "5V", "7V"])
def test_without_predictions_only_they_are_gone(bench, space):
    columns = (
        "hash, epochs, energy_kwh, validation_accuracy, accuracy_provenance, accuracy_source, test_accuracy, "
        "training_time_s, time_provenance, time_source, validation_accuracy_low, training_time_s_high"
    )
    every, known = (
        bench.frame(f"select {columns} from {view} where space = ? and hash < '1' order by hash, epochs", [space])
        for view in ("benchmark", "_known")
    )
    accuracy_gone, time_gone = every["accuracy_provenance"] == "predicted", every["time_provenance"] == "predicted"
    for names, gone in (
        (["validation_accuracy", "accuracy_provenance", "accuracy_source", "validation_accuracy_low"], accuracy_gone),
        (["training_time_s", "time_provenance", "time_source", "training_time_s_high"], time_gone),
    ):
        every[names] = every[names].mask(gone)
    for name in every:
        same = (every[name] == known[name]) | (every[name].isna() & known[name].isna())
        assert same.all(), name


def test_trained_where_the_figures_are(tmp_path, monkeypatch):
    """With a training that is stopped: the figures asked of are those of the folder, and each epoch is told."""
    told: list[str] = []

    def stop(bench, progress):
        assert bench.bundled == tmp_path
        assert bench.query("043721b9c7fe8c5fad811d47d83132ec").vertices == 2
        progress(accuracy.graph_network.Epoch("network 1 of 5", 2, 20, 0.5))
        raise Cancelled("stopped")

    for name in ("benchmark", "results", "runs"):
        (tmp_path / name).symlink_to(BUNDLED / name)
    monkeypatch.setattr(accuracy, "fit", stop)
    with pytest.raises(Cancelled):
        bundled.predict(tmp_path, told.append)
    assert told == ["predictions: network 1 of 5, epoch 2 of 20"]
