"""The Surrogate page without a browser: how good, one cell, trainings in every state, a space of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import kendalltau

from ecnas_core import Benchmark, files
from ecnas_core.runs import RunStore
from ecnas_core.surrogates import cell_prediction, evaluation, own_space, own_table
from ecnas_core.surrogates.experiment import Experiment
from ecnas_core.surrogates.own_table import Spec
from ecnas_core.surrogates.runs import TRAINING, Curve, OwnTraining

DRAWN = "1=conv1x1(0) 2=maxpool3x3(0,1) 3=output(1,2)"
SPEC = Spec("energy_wh_titan_xp", ("energy_wh_quadro_rtx_6000", "n_conv3x3"), "Wh")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's for one test alone."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("ECNAS_DATA", str(folder))
    return folder


@pytest.fixture
def started(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was asked to be trained; no process begins."""
    calls: list[object] = []

    def start(store, request, prepare=None):
        calls.append(request)
        return TRAINING.read(made_up(data, request, f"9-{len(calls)}", {"event": "ended", "state": "cancelled"}))

    monkeypatch.setattr(RunStore, "start", start)
    return calls


def made_up(data: Path, request: object, name: str, *events: dict) -> Path:
    """A run's folder as its process leaves it."""
    folder = data / TRAINING.folder / name
    folder.mkdir(parents=True)
    TRAINING.write(folder, request, started=100.0)
    (folder / "events.jsonl").write_text("".join(json.dumps({"at": 142.0} | event) + "\n" for event in events))
    return folder


def trained(data: Path, name: str = "1-a", wanted: Experiment | None = None) -> Path:
    """A finished training whose predictions are the bundled ones of the paper's network."""
    wanted = wanted or Experiment("energy", "paper", 3, 500)
    folder = made_up(
        data,
        wanted,
        name,
        {"event": "epoch", "part": "energy", "number": 1, "of": 200, "loss": 2.0},
        {"event": "made", "learned": 500, "notes": []},
        {"event": "ended", "state": "done"},
    )
    held_out = evaluation.table("held_out")
    held_out[(held_out["quantity"] == "energy_kwh") & (held_out["model"] == "paper")].to_parquet(
        folder / "held_out.parquet"
    )
    importance = evaluation.table("importance")
    importance[importance["model"] == "paper"].to_parquet(folder / "importance.parquet")
    (folder / "model.safetensors").write_bytes(b"a model")
    return folder


def own_trained(data: Path, name: str = "2-own") -> Path:
    """A finished training of the example."""
    folder = made_up(
        data,
        OwnTraining("4V", SPEC, "best"),
        name,
        {"event": "made", "learned": 73, "notes": ["Two rows are left out."]},
        {"event": "ended", "state": "done"},
    )
    outcome = own_space.train(own_table.example(Benchmark.open()), SPEC)
    outcome.held_out.to_parquet(folder / "held_out.parquet")
    outcome.importance.to_parquet(folder / "importance.parquet")
    outcome.curve.assign(model="best").to_parquet(folder / "learning_curve.parquet")
    outcome.model.save(folder / "model.safetensors")
    return folder


def bundled(quantity: str, model: str = "best") -> pd.DataFrame:
    found = evaluation.table("held_out")
    return found[(found["quantity"] == quantity) & (found["model"] == model)]


class TestHowGood:
    def test_opens_with_the_bundled_figures_beside_the_papers_number(self, open_page, data, as_number):
        page = open_page("surrogate").works()
        found = bundled("energy_kwh")
        tau = kendalltau(found["value"], found["predicted"]).statistic
        assert page.headline.startswith(f"Of {len(found)} measured cells")
        assert f"τ {tau:.3f}" in page.headline
        assert as_number(page.facts["Kendall's τ"][0]) == pytest.approx(tau, abs=6e-4)
        mae = (found["predicted"] - found["value"]).abs().mean() * 1000
        assert as_number(page.facts["Mean error"][0]) == pytest.approx(mae, rel=6e-3)
        inside = found["value"].between(found["low"], found["high"]).mean()
        assert as_number(page.facts["In the 90 % interval"][0]) == pytest.approx(100 * inside, abs=0.06)
        assert page.params == {}
        [table] = [table for table in page.tables if "Paper, printed" in table[0]]
        rows = {row[0]: row[1:] for row in table[1:]}
        told = evaluation.table("figures")
        told = told[told["kind"] == "energy"].groupby("model")[["tau", "tau_squared", "mae"]].mean()
        assert rows["τ²"][0] == "0.9030"
        assert float(rows["Kendall's τ"][0]) ** 2 == pytest.approx(0.9030, abs=1e-3)
        assert float(rows["Kendall's τ"][2].split(" ")[0]) == pytest.approx(told.loc["best", "tau"], abs=6e-5)
        assert float(rows["τ²"][1].split(" ")[0]) == pytest.approx(told.loc["paper", "tau_squared"], abs=6e-5)
        assert float(rows["Mean absolute error (Wh)"][2].split(" ")[0]) == pytest.approx(
            told.loc["best", "mae"], abs=6e-4
        )
        for key in ("surrogate_scatter", "surrogate_curve_figure", "surrogate_by_cell", "surrogate_importance"):
            assert page.figure(key)["data"]
            assert page.alt(key)
        specs = [chart.proto.spec for chart in page.app.get("plotly_chart")]
        assert sum(map(len, specs)) < 1_000_000

    def test_the_papers_network_accuracies_at_every_budget_and_times_in_seconds(self, open_page, data, as_number):
        page = open_page("surrogate", model="paper").works()
        found = bundled("energy_kwh", "paper")
        tau = kendalltau(found["value"], found["predicted"]).statistic
        assert as_number(page.facts["Kendall's τ"][0]) == pytest.approx(tau, abs=6e-4)
        assert page.params == {"model": "paper"}
        page.set("surrogate_quantity", "validation_accuracy").works()
        found = bundled("validation_accuracy")
        assert as_number(page.headline.removeprefix("Of")) == found["sampled"].sum()
        told = evaluation.table("figures").query("quantity == 'validation_accuracy' and cells == 'all'")
        [table] = [table for table in page.tables if "Median error" in table[0]]
        shown = {row[0]: float(row[1]) for row in table[1:]}
        for row in told.itertuples():
            assert shown[f"{row.epochs} epochs, all"] == pytest.approx(row.tau, abs=6e-4)
        assert page.params["quantity"] == "validation_accuracy"
        page.set("surrogate_quantity", "training_time_s").works()
        assert page.facts["Mean error"][0].endswith("s")

    def test_a_training_of_ones_own_is_offered_and_opened_by_a_link(self, open_page, data):
        trained(data)
        page = open_page("surrogate", model="1-a").works()
        assert page.control("surrogate_shown").value == "1-a"
        assert page.params == {"model": "1-a"}
        assert any(each.label == "Model" for each in page.app.get("download_button"))

    def test_a_damaged_result_is_told(self, open_page, data):
        (trained(data) / "held_out.parquet").write_text("no")
        page = open_page("surrogate", model="1-a").works()
        assert "train again" in page.texts("error")[0]

    def test_a_damaged_result_of_accuracies_is_told(self, open_page, data):
        (trained(data, wanted=Experiment("accuracy")) / "held_out.parquet").write_text("no")
        page = open_page("surrogate", quantity="validation_accuracy", model="1-a").works()
        assert "train again" in page.texts("error")[0]

    def test_a_damaged_learning_curve_is_told(self, open_page, data):
        folder = made_up(data, Curve("paper"), "1-c", {"event": "ended", "state": "done"})
        (folder / "learning_curve.parquet").write_text("no")
        page = open_page("surrogate", section="train").press("surrogate_open_1-c").works()
        assert "train again" in page.texts("error")[0]

    def test_a_broken_link_shows_the_default(self, open_page, data):
        for params in (
            {"section": "lunch"},
            {"quantity": "colour"},
            {"epochs": "5"},
            {"epochs": "9" * 5_000},
            {"draw": "nothing"},
        ):
            page = open_page("surrogate", **params).works()
            assert "Shown is the default view" in page.texts("warning")[0], params
            assert page.params == {}, params

    def test_a_training_that_is_gone_gives_way_to_the_bundled_model(self, open_page, data):
        page = open_page("surrogate", model="1-a").works()
        assert page.control("surrogate_shown").value == "best"


class TestPredictACell:
    def test_the_drawn_cell_is_predicted_beside_what_is_known(self, open_page, data, as_number):
        page = open_page("surrogate", section="cell", draw=DRAWN, unit="Wh").set("surrogate_cell_epochs", 4).works()
        bench = Benchmark.open()
        from ecnas_core.cells import Cell

        energy, accuracy, time = cell_prediction.of_cell(bench, Cell.from_text(DRAWN), 4)
        [table] = page.tables
        rows = {row[0]: row[1:] for row in table[1:]}
        assert as_number(rows["Energy"][0]) == pytest.approx(energy.predicted * 1000, rel=6e-3)
        assert as_number(rows["Energy"][2]) == pytest.approx(energy.known * 1000, rel=6e-3)
        assert rows["Validation accuracy"][0] == f"{accuracy.predicted:.4f}"
        assert rows["Validation accuracy"][1] == f"{accuracy.low:.4f} to {accuracy.high:.4f}"
        assert as_number(rows["Training time"][0]) == pytest.approx(time.predicted, rel=6e-3)
        assert page.params == {"section": "cell", "draw": DRAWN, "epochs": "4", "unit": "Wh"}

    def test_energy_of_the_gpu_alone_is_not_predicted(self, open_page, data):
        page = open_page("surrogate", section="cell", scope="GPU").works()
        assert page.tables[0][1][1] == "–"
        assert "Facility energy is predicted" in page.said


class TestTraining:
    @pytest.mark.usefixtures("whole_7v")
    def test_what_is_chosen_is_started_unless_it_cannot_be_trained(self, open_page, data, started):
        page = open_page("surrogate", section="train").works()
        page.set("surrogate_model", "paper").set("surrogate_seed", 4).set("surrogate_cells_energy", 300)
        page.press("surrogate_train").works()
        page.set("surrogate_what", "accuracy").set("surrogate_members", 3).press("surrogate_train").works()
        page.set("surrogate_what", "curve").press("surrogate_train").works()
        page.set("surrogate_what", "energy").press("surrogate_train").works()
        assert started == [
            Experiment("energy", "paper", 4, 300, 1),
            Experiment("accuracy", "best", 4, None, 3),
            Curve("paper"),
            Experiment("energy", "paper", 4, 300, 1),
        ]
        for cells, said in ((10, "at least 80"), (10_000, "ask for fewer")):
            page.set("surrogate_cells_energy", cells).works()
            assert said in page.texts("error")[0]
            assert page.button("surrogate_train").disabled

    def test_a_running_one_is_live_and_can_be_cancelled(self, open_page, data):
        epochs = [{"event": "epoch", "part": "energy", "number": n, "of": 40, "loss": 1 / n} for n in (1, 2, 3)]
        folder = made_up(data, Experiment(), "1-a", *epochs)
        lock = files.try_lock(folder / "lock")
        with lock:
            page = open_page("surrogate", section="train").works()
            assert page.figure("surrogate_loss")["data"][0]["y"] == [1, 0.5, pytest.approx(1 / 3)]
            assert page.button("surrogate_train").disabled
            page.press("surrogate_cancel")
            assert (folder / "cancel").exists()

    def test_one_is_deleted_brought_back_and_opened(self, open_page, data):
        trained(data)
        page = open_page("surrogate", section="train").works()
        assert "Energy, the paper's network, 500 cells, seed 3" in page.said
        assert "learned from 500 cells, 42 s" in page.said
        page.press("surrogate_delete_1-a").works()
        assert RunStore(TRAINING, data).all() == []
        page.press("surrogate_restore").works()
        assert [run.id for run in RunStore(TRAINING, data).all()] == ["1-a"]
        page.press("surrogate_open_1-a").works()
        assert page.params == {"model": "1-a"}
        assert page.headline.startswith("Of 707")

    def test_failures_are_told_with_their_reason(self, open_page, data):
        made_up(data, Experiment(), "1-a", {"event": "ended", "state": "failed", "error": "no _space_; free some"})
        (made_up(data, Experiment(), "2-b") / "request.json").write_text("{")
        page = open_page("surrogate", section="train").works()
        assert "failed" in page.said
        assert r"no \_space\_; free some" in page.said
        assert "A training that cannot be read" in page.said


class TestOwnSpace:
    def test_the_example_is_offered_with_a_choice_that_can_be_trained(self, open_page, data, started):
        page = open_page("surrogate", section="own").press("surrogate_example").works()
        assert page.control("surrogate_target").value == "energy_wh_titan_xp"
        assert "energy_wh_quadro_rtx_6000" in page.control("surrogate_features").value
        assert "hash" not in page.control("surrogate_features").options
        page.press("surrogate_own_train").works()
        [request] = started
        assert (request.name, request.spec.target, request.spec.unit) == ("4V on four GPUs", "energy_wh_titan_xp", "Wh")
        page.set("surrogate_target", "depth").works()
        assert "depth" not in page.control("surrogate_features").value
        page.set("surrogate_features", []).works()
        assert "no feature is chosen" in page.texts("error")[0].lower()
        assert page.button("surrogate_own_train").disabled

    def test_a_table_that_cannot_be_learned_says_at_once_what_is_wrong_with_it(self, open_page, data):
        page = open_page("surrogate", section="own")
        page.app.session_state["surrogate_table"] = ("x.csv", pa.table({"": [1, 2], "b": ["0,5", "0,5"]}))
        page.app.run()
        [reasons] = [each for each in page.works().app.expander if "cannot be used" in each.label]
        assert reasons.proto.expanded
        assert "A column: it has no name" in reasons.markdown[0].value
        assert "A target that is a number" in page.texts("error")[0]

    def test_a_trained_model_is_judged(self, open_page, data, as_number):
        folder = own_trained(data)
        page = open_page("surrogate", section="own", own="2-own").works()
        held_out = pd.read_parquet(folder / "held_out.parquet")
        tau = kendalltau(held_out["value"], held_out["predicted"]).statistic
        assert as_number(page.facts["Kendall's τ"][0]) == pytest.approx(tau, abs=6e-4)
        assert "Two rows are left out." in page.said
        assert "`energy_wh_titan_xp` of `4V`, Gaussian process" in page.said
        for key in ("predicted", "curve", "residuals", "importance"):
            assert page.figure(f"surrogate_own_{key}")["data"]
        assert page.params == {"section": "own", "own": "2-own"}

    def test_names_that_a_user_gave_are_shown_as_they_are(self, open_page, data):
        request = OwnTraining("**x**.csv", Spec(":red[t]", ("a",), "<b>"), "best")
        made_up(data, request, "3-c", {"event": "ended", "state": "done"})
        page = open_page("surrogate", section="own").works()
        assert "`:red[t]`" in page.said
        assert "`**x**.csv`" in page.said
