"""Trainings in the background: what can be asked for, what their files tell, and some for real."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ecnas_core.errors import Cancelled, EcnasError
from ecnas_core.runs import Progress, Run, RunStore, UnknownRun
from ecnas_core.surrogates import energy, experiment, own_space, own_table, runs
from ecnas_core.surrogates.experiment import Experiment, run_experiment
from ecnas_core.surrogates.own_table import Spec
from ecnas_core.surrogates.runs import TRAINING, Curve, OwnPrediction, OwnTraining, Request
from ecnas_core.surrogates.training import Epoch
from tests.waiting import until

REQUESTS = {
    "Energy, the paper's network, 1\u202f200 cells, seed 3": Experiment("energy", "paper", 3, 1200, 2),
    "Accuracy and time, 3 networks, seed 1": Experiment("accuracy", seed=1, members=3),
    "Learning curve, best model": Curve("best"),
    "Own space, the paper's network": OwnTraining("x.csv", Spec("t", ("a", "b"), "J"), "paper", 2),
    "Predictions": OwnPrediction("y.csv", "some-run"),
}


@pytest.fixture
def store(tmp_path: Path) -> RunStore[Request]:
    return RunStore(TRAINING, tmp_path)


def made_up(store: RunStore[Request], request: Request, *events: dict) -> Run[Request]:
    """A run as a process that has ended leaves it."""
    folder = store.folder / "1-a"
    folder.mkdir(parents=True)
    TRAINING.write(folder, request, started=100.0)
    (folder / "events.jsonl").write_text("".join(json.dumps({"at": 101.0} | event) + "\n" for event in events))
    return store.read("1-a")


def epoch(number: int, **changed: object) -> dict:
    return {"event": "epoch", "part": "energy", "number": number, "of": 40, "loss": 1.5} | changed


class TestFiles:
    @pytest.mark.parametrize("title", REQUESTS)
    def test_a_request_is_read_as_it_was_made(self, store, title):
        run = made_up(store, REQUESTS[title])
        assert (run.request, TRAINING.title(run.request)) == (REQUESTS[title], title)

    def test_epochs_notes_and_the_end_are_told(self, store):
        run = made_up(
            store,
            Curve(),
            epoch(1),
            epoch(2, loss=0.5),
            {"event": "made", "learned": 200, "notes": ["Three rows are left out."]},
            {"event": "ended", "state": "done", "at": 130.0},
        )
        assert (run.state, run.error, run.ended, TRAINING.progress(run)) == (
            "done",
            None,
            130.0,
            Progress("energy", 2, 40, "epochs"),
        )
        assert [(each.part, each.number, each.of, each.loss) for each in runs.epochs(run)] == [
            ("energy", 1, 40, 1.5),
            ("energy", 2, 40, 0.5),
        ]
        assert (runs.made(run).learned, runs.made(run).notes) == (200, ("Three rows are left out.",))

    def test_before_the_first_epoch_it_is_starting(self, store):
        run = made_up(store, Curve())
        assert (TRAINING.progress(run), runs.made(run)) == (Progress("Starting"), None)

    @pytest.mark.parametrize(
        "event",
        [
            {"event": "lunch"},
            epoch(0),
            epoch(41),
            epoch(1, loss="low"),
            epoch(True),
            {"event": "made", "learned": "many", "notes": []},
            {"event": "made", "learned": 3, "notes": [4]},
            {"event": "ended", "state": "happy"},
            {"event": "ended", "state": "failed", "error": 5},
            epoch(1, at="noon"),
        ],
    )
    def test_what_is_no_event_makes_it_unreadable(self, store, event):
        assert made_up(store, Curve(), event).state == "unreadable"

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"task": "sing", "started": 1}', '{"task": "curve", "model": "worst", "started": 1}']
    )
    def test_a_request_that_is_none_is_told(self, store, text):
        (made_up(store, Curve()).folder / "request.json").write_text(text)
        assert store.read("1-a").state == "unreadable"

    def test_a_damaged_table_is_told(self, store):
        run = made_up(store, Curve())
        (run.folder / "held_out.parquet").write_text("no")
        with pytest.raises(UnknownRun, match="train again"):
            runs.frame(run, runs.HELD_OUT)


def done_here(store: RunStore[Request], request: Request, table: pa.Table | None = None) -> Run[Request]:
    """A run without the seconds in which a process of its own loads torch."""
    with_table = None if table is None else lambda folder: own_table.save(table, folder / runs.TABLE)
    with store.changing():
        lock = store.create(request, prepare=with_table)
    return store.execute(lock)


class TestCarriedOut:
    def test_an_energy_model_is_trained_and_stored_with_what_it_says(self, bench, store, monkeypatch):
        made = []

        def recorded(bench, wanted, *more):
            made.append((wanted, run_experiment(bench, wanted, *more)))
            return made[-1][1]

        monkeypatch.setattr(experiment, "run_experiment", recorded)
        run = done_here(store, Experiment(cells=120, seed=2))
        assert (run.state, run.error, runs.made(run).learned) == ("done", None, 120)
        assert [each.number for each in runs.epochs(run)] == list(range(1, 41))
        [(wanted, here)] = made
        assert wanted == Experiment(cells=120, seed=2)
        pd.testing.assert_frame_equal(
            runs.frame(run, runs.HELD_OUT).drop(columns="model"), here.held_out, check_dtype=False
        )
        pd.testing.assert_frame_equal(runs.frame(run, runs.IMPORTANCE), here.importance, check_dtype=False)
        loaded = energy.load(runs.model(run))
        assert loaded.cells == 120
        some = runs.frame(run, runs.HELD_OUT).head(20)
        np.testing.assert_allclose(energy.predict(bench, loaded, some["hash"])["energy_kwh"], some["predicted"])

    def test_a_table_is_learned_and_another_is_predicted_in_its_order(self, bench, store, monkeypatch):
        monkeypatch.setattr(own_space, "DRAWS", 1)
        table = own_table.example(bench)
        spec = Spec("energy_wh_titan_xp", ("energy_wh_quadro_rtx_6000", "n_conv3x3"), "Wh")
        trained = done_here(store, OwnTraining("4V", spec, "paper"), table)
        assert (trained.state, runs.made(trained).learned) == ("done", 73)
        assert own_space.figures(runs.frame(trained, runs.HELD_OUT))["tau"] > 0.8
        assert runs.frame(trained, runs.CURVE)["cells"].unique().tolist() == [36, 73]
        backwards = table.take(list(range(90, -1, -1))).drop_columns(["energy_wh_titan_xp"])
        predicted = done_here(store, OwnPrediction("backwards", trained.id), backwards)
        assert (predicted.state, predicted.error) == ("done", None)
        found = runs.frame(predicted, runs.PREDICTIONS)
        assert found["hash"].tolist() == backwards["hash"].to_pylist()
        here = own_space.load(runs.model(trained)).predict(backwards)
        np.testing.assert_allclose(found["energy_wh_titan_xp predicted"], here["predicted"])

    def test_what_cannot_be_predicted_fails_with_its_reason(self, bench, store):
        with pytest.raises(EcnasError, match="no training 'nowhere'"):
            done_here(store, OwnPrediction("x", "nowhere"), own_table.example(bench))
        assert store.all()[0].state == "failed"


def test_a_process_of_its_own_trains_as_here_and_when_cancelled_leaves_nothing_but_its_loss(bench, store):
    wanted = Experiment("energy", "paper")
    run = store.start(wanted)
    until(lambda: runs.epochs(store.read(run.id)))
    store.cancel(run)
    until(lambda: not store.read(run.id).running)
    run = store.read(run.id)
    assert run.state == "cancelled"
    assert 0 < len(runs.epochs(run)) < 200
    assert runs.model(run) is None
    assert not list(run.folder.glob("*.parquet"))
    here: list[Epoch] = []
    with pytest.raises(Cancelled):
        run_experiment(bench, wanted, here.append, lambda: True)
    assert runs.epochs(run)[0].loss == pytest.approx(here[0].loss, rel=1e-4)
