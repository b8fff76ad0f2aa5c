"""The command ``surrogate``: tables in, tables and figures out, and one line for whatever is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from ecnas_core import Benchmark
from ecnas_core.cli import main
from ecnas_core.surrogates import accuracy, energy, evaluation, graph_network, user_cells
from ecnas_core.surrogates.experiment import Experiment


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    return energy.measured(Benchmark.open()).sample(400, random_state=0)[["hash", "energy_kwh"]]


@pytest.fixture
def run(tmp_path: Path, capsys):
    """Run the command in a folder of its own; its JSON document, or its line on stderr."""

    def run(*arguments: object, status: int = 0):
        given = [str(each) for each in arguments]
        assert main(["surrogate", *given, "--data", str(tmp_path / "user"), "--json"]) == status
        out, err = capsys.readouterr()
        return json.loads(out) if status == 0 else err.strip().splitlines()[-1]

    return run


@pytest.fixture
def quick(monkeypatch):
    """Small accuracy networks that see each cell once."""
    monkeypatch.setattr(graph_network, "WIDTH", 24)
    monkeypatch.setattr(graph_network, "LAYERS", 3)
    monkeypatch.setattr(graph_network, "BATCH", 64)
    fit_to = accuracy.fit_to
    monkeypatch.setattr(
        accuracy, "fit_to", lambda found, seed, members, progress, cancel: fit_to(found, seed, members, 1)
    )


def parquet(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path, index=False)
    return path


class TestPredict:
    def test_the_bundled_energy_model_predicts_any_cell(self, run, tmp_path):
        hashes = Benchmark.open().frame("select hash from cells using sample 50 rows (reservoir, 3)")["hash"]
        cells = pd.DataFrame({"note": range(51), "hash": [*hashes, hashes[0]]})
        told = run(
            "predict",
            "--kind",
            "energy",
            "--input",
            parquet(cells, tmp_path / "x.parquet"),
            "--output",
            tmp_path / "y.parquet",
        )
        found = pd.read_parquet(tmp_path / "y.parquet")
        assert (told["n"], told["column"], told["by"]) == (51, "energy_kwh", "the bundled model")
        assert found.columns.tolist() == ["note", "hash", "energy_kwh", "low", "high"]
        assert found[["note", "hash"]].equals(cells)
        assert (found["low"] < found["energy_kwh"]).all()
        assert (found["energy_kwh"] < found["high"]).all()
        surrogate = Benchmark.open().lookup(cells["hash"], 4)["energy_kwh"]
        assert kendalltau(found["energy_kwh"], surrogate).statistic > 0.85

    def test_the_bundled_accuracy_model_says_what_the_view_says(self, run, tmp_path):
        known = Benchmark.open().frame(
            "select hash, epochs, validation_accuracy, validation_accuracy_low as low from benchmark "
            "where space = '7V' and accuracy_provenance = 'predicted' using sample 40 rows (reservoir, 5)"
        )
        path = parquet(known[["hash", "epochs"]], tmp_path / "x.parquet")
        run("predict", "--kind", "accuracy", "--input", path, "--output", tmp_path / "y.parquet")
        found = pd.read_parquet(tmp_path / "y.parquet")
        np.testing.assert_allclose(found["validation_accuracy"], known["validation_accuracy"].astype(float), atol=1e-4)
        np.testing.assert_allclose(found["low"], known["low"].astype(float), atol=2e-4)

    def test_what_fit_stored_is_used_until_another_is_named(self, run, tmp_path, measured):
        train = parquet(measured.assign(energy_kwh=1.0 + np.arange(400) / 4000), tmp_path / "t.parquet")
        fitted = run("fit", "--kind", "energy", "--train", train)
        assert fitted["n"] == 400
        cells = parquet(measured[["hash"]].head(5), tmp_path / "x.parquet")
        told = run("predict", "--kind", "energy", "--input", cells, "--output", tmp_path / "y.parquet")
        assert told["by"] == fitted["output"]
        assert pd.read_parquet(tmp_path / "y.parquet")["energy_kwh"].between(0.9, 1.3).all()
        told = run(
            "predict",
            "--kind",
            "energy",
            "--input",
            cells,
            "--output",
            tmp_path / "y.parquet",
            "--weights",
            Benchmark.open().bundled / evaluation.MODEL,
        )
        assert told["by"].endswith("models/energy.safetensors")
        assert pd.read_parquet(tmp_path / "y.parquet")["energy_kwh"].between(0.001, 0.2).all()

    def test_columns_of_the_predictions_names_are_replaced_and_that_is_told(self, run, tmp_path, measured):
        cells = parquet(measured.head(3).assign(energy_kwh=-1.0), tmp_path / "x.parquet")
        told = run("predict", "--kind", "energy", "--input", cells, "--output", tmp_path / "y.parquet")
        assert told["replaced"] == ["energy_kwh"]
        assert (pd.read_parquet(tmp_path / "y.parquet")["energy_kwh"] > 0).all()


class TestEvaluate:
    def test_a_model_of_given_cells_is_judged_by_others(self, run, tmp_path, measured):
        train, judged = measured.head(300), measured.tail(100)
        told = run(
            "evaluate",
            "--kind",
            "energy",
            "--train",
            parquet(train, tmp_path / "t.parquet"),
            "--input",
            parquet(judged, tmp_path / "x.parquet"),
        )
        bench = Benchmark.open()
        fitted = user_cells.fit(bench, Experiment(), train)
        predicted = user_cells.predict(bench, fitted, judged[["hash"]])["energy_kwh"]
        assert (told["n"], told["unit"]) == (100, "kWh")
        assert told["kendall_tau"] == pytest.approx(kendalltau(judged["energy_kwh"], predicted).statistic)
        assert told["kendall_tau_squared"] == pytest.approx(told["kendall_tau"] ** 2)
        assert told["mae"] == pytest.approx(np.abs(predicted - judged["energy_kwh"]).mean())
        assert told["kendall_tau"] > 0.93
        assert told["paper_kendall_tau_squared"] == 0.903

    def test_without_a_table_a_fifth_is_held_out(self, run, monkeypatch):
        learned = []
        fit, measured = energy.fit, energy.measured
        monkeypatch.setattr(
            energy,
            "measured",
            lambda bench, hashes=None: measured(bench, hashes).iloc[:: 1 if hashes is not None else 10],
        )
        monkeypatch.setattr(energy, "fit", lambda *given: learned.append(given[3]) or fit(*given))
        told = run("evaluate", "--kind", "energy")
        bench = Benchmark.open()
        every = energy.measured(bench).set_index("hash")["energy_kwh"]
        judged = every.drop(learned[0])
        assert told["n"] == len(judged) == len(every) // 5 == 70
        found = energy.predict(bench, fit(bench, "best", 0, learned[0]), judged.index)["energy_kwh"].to_numpy()
        assert told["kendall_tau"] == pytest.approx(kendalltau(judged, found).statistic)
        assert told["mae"] == pytest.approx(np.abs(found - judged.to_numpy()).mean())
        assert told["kendall_tau"] > 0.93

    def test_cells_that_are_learned_from_do_not_judge(self, run, tmp_path, measured):
        path = parquet(measured, tmp_path / "t.parquet")
        line = run("evaluate", "--kind", "energy", "--train", path, "--input", path, status=2)
        assert "400 of the cells to judge by are learned from" in line

    def test_accuracies_that_are_given(self, run, tmp_path, quick, monkeypatch):
        found = accuracy.published(Benchmark.open())
        monkeypatch.setattr(accuracy, "published", lambda *_: found)
        some = found.take(np.flatnonzero(found.sampled)[:1500])
        told = run(
            "evaluate",
            "--kind",
            "accuracy",
            "--networks",
            1,
            "--train",
            parquet(pd.DataFrame({"hash": some.hashes[:1000]}), tmp_path / "t.parquet"),
            "--input",
            parquet(pd.DataFrame({"hash": some.hashes[1000:]}), tmp_path / "x.parquet"),
        )
        assert "all budgets together" in told["judged"]
        frame = pd.DataFrame({"hash": some.hashes, "epochs": 108, "validation_accuracy": some.accuracy[:, 3]})
        told = run(
            "evaluate",
            "--kind",
            "accuracy",
            "--networks",
            1,
            "--train",
            parquet(frame.head(1000), tmp_path / "t.parquet"),
            "--input",
            parquet(frame.tail(500), tmp_path / "x.parquet"),
        )
        assert told["n"] == frame.tail(500)["validation_accuracy"].notna().sum()
        assert told["quantity"] == "validation_accuracy"
        assert told["kendall_tau"] > 0.2, "one look at a thousand cells tells something already"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, measured: pd.DataFrame) -> dict[str, Path]:
    """Tables of which each is wrong in one way, one that is right, and a file that is not there."""
    folder = tmp_path_factory.mktemp("tables")
    some = measured.head(3)[["hash"]]
    tables = {
        "t": measured.head(100),
        "few": measured.head(5),
        "wrong": measured.head(100).assign(energy_kwh=0.0),
        "nohash": pd.DataFrame({"cell": ["a"]}),
        "stranger": pd.DataFrame({"hash": ["0" * 32]}),
        "budget": some.assign(epochs=5),
        "words": some.assign(epochs="108"),
        "list": some.assign(epochs=[[108]] * 3),
    }
    found = {name: parquet(frame, folder / f"{name}.parquet") for name, frame in tables.items()}
    return found | {"out": folder / "out.parquet"}


class TestWrong:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["predict", "--kind", "energy"], "needs --input"),
            (["evaluate", "--kind", "energy", "--train", "{t}"], "needs --input"),
            (["fit", "--kind", "accuracy", "--model", "paper"], "no model of accuracy"),
            (["fit", "--kind", "energy", "--train", "nowhere.parquet"], "there is no such file"),
            (["fit", "--kind", "energy", "--train", "{few}"], "too few to learn from"),
            (["fit", "--kind", "energy", "--train", "{wrong}"], "must be positive"),
            (["predict", "--kind", "energy", "--input", "{nohash}", "--output", "{out}"], "no column 'hash'"),
            (["predict", "--kind", "accuracy", "--input", "{t}", "--output", "{out}"], "no column 'epochs'"),
            (["predict", "--kind", "energy", "--input", "{stranger}", "--output", "{out}"], "none of NAS-Bench-101's"),
            (["predict", "--kind", "accuracy", "--input", "{budget}", "--output", "{out}"], "no budget of 5 epochs"),
            (["predict", "--kind", "accuracy", "--input", "{list}", "--output", "{out}"], "'epochs' must hold numbers"),
            (
                ["predict", "--kind", "accuracy", "--input", "{words}", "--output", "{out}"],
                "'epochs' must hold numbers",
            ),
            (
                ["predict", "--kind", "energy", "--input", "{t}", "--output", "{out}", "--weights", "{t}"],
                "no readable model",
            ),
            (
                [
                    "predict",
                    "--kind",
                    "energy",
                    "--input",
                    "{t}",
                    "--output",
                    "{out}",
                    "--weights",
                    "{t}",
                    "--train",
                    "{t}",
                ],
                "give one of both",
            ),
            (["fit", "--kind", "energy", "--seed", "-1"], "0 or more"),
        ],
    )
    def test_each_is_one_line_that_says_what_would_be_right(self, run, paths, arguments, said):
        line = run(*(each.format(**paths) for each in arguments), status=2)
        assert said in line
        assert not paths["out"].exists()
