"""Trainings in the background: what their files tell at each moment, deleting and undo, and some for real."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecnas_core.benchmark import background
from ecnas_core.surrogates import energy, experiment, own_space, own_table, run_worker, runs
from ecnas_core.surrogates.experiment import Experiment, carry_out
from ecnas_core.surrogates.own_table import Spec
from ecnas_core.surrogates.runs import Curve, OwnPrediction, OwnTraining, RunRunning, UnknownRun
from ecnas_core.surrogates.training import Epoch, TrainingCancelled
from tests.waiting import until

REQUESTS = [
    Experiment("energy", "paper", 3, 200, 2),
    Experiment("accuracy", seed=1, members=3),
    Curve("best"),
    OwnTraining("x.csv", Spec("t", ("a", "b"), "J"), "paper", 2),
    OwnPrediction("y.csv", "some-run"),
]


def made_up(data: Path, request: object = REQUESTS[0], name: str = "1-a", *events: dict) -> Path:
    """A run's folder as a process that has ended leaves it."""
    folder = data / runs.FOLDER / name
    folder.mkdir(parents=True)
    task = next(task for task, kind in runs.TASKS.items() if isinstance(request, kind))
    from dataclasses import asdict

    told = {"task": task, **asdict(request), "started": 100.0, "data": str(data)}
    (folder / "request.json").write_text(json.dumps(told))
    (folder / "events.jsonl").write_text("".join(json.dumps({"at": 101.0} | event) + "\n" for event in events))
    return folder


def epoch(number: int, **changed: object) -> dict:
    return {"event": "epoch", "part": "energy", "number": number, "of": 40, "loss": 1.5} | changed


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    lock = background.take_lock(folder / "lock")
    with lock:
        yield


class TestFiles:
    @pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
    def test_a_request_is_read_as_it_was_made(self, tmp_path, request_):
        assert runs.read(made_up(tmp_path, request_)).request == request_

    def test_epochs_notes_and_the_end_are_told(self, tmp_path):
        folder = made_up(
            tmp_path,
            REQUESTS[0],
            "1-a",
            epoch(1),
            epoch(2, loss=0.5),
            {"event": "made", "learned": 200, "notes": ["Three rows are left out."]},
            {"event": "ended", "state": "done", "at": 130.0},
        )
        run = runs.read(folder)
        assert (run.state, run.error, run.learned, run.ended) == ("done", None, 200, 130.0)
        assert run.epochs == (Epoch("energy", 1, 40, 1.5), Epoch("energy", 2, 40, 0.5))
        assert run.notes == ("Three rows are left out.",)

    def test_while_the_lock_is_held_it_runs_and_can_be_asked_to_stop(self, tmp_path):
        folder = made_up(tmp_path, REQUESTS[0], "1-a", epoch(1))
        with at_work(folder):
            run = runs.read(folder)
            assert (run.running, run.cancelling) == (True, False)
            runs.cancel(run)
            assert runs.read(folder).cancelling
            with pytest.raises(RunRunning):
                runs.delete(run)
            with pytest.raises(RunRunning):
                runs.start(Curve(), tmp_path)
        assert runs.read(folder).state == "cancelled"

    def test_without_a_word_it_died_and_its_last_words_are_told(self, tmp_path):
        folder = made_up(tmp_path)
        assert runs.read(folder).state == "died"
        assert "killed" in runs.read(folder).error
        (folder / "log").write_text("Traceback ...\nValueError: no good\n")
        assert "no good" in runs.read(folder).error

    def test_a_half_written_line_is_not_read_yet(self, tmp_path):
        folder = made_up(tmp_path, REQUESTS[0], "1-a", epoch(1))
        with (folder / "events.jsonl").open("a") as file:
            file.write('{"event": "ep')
        assert len(runs.read(folder).epochs) == 1

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
    def test_what_is_no_event_makes_it_unreadable_and_deletable(self, tmp_path, event):
        made_up(tmp_path, REQUESTS[0], "1-a", event)
        (run,) = runs.runs(tmp_path)
        assert (run.state, run.request) == ("unreadable", None)
        runs.delete(run)
        assert runs.runs(tmp_path) == []

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"task": "sing", "started": 1}', '{"task": "curve", "model": "worst", "started": 1}']
    )
    def test_a_request_that_is_none_is_told(self, tmp_path, text):
        folder = made_up(tmp_path)
        (folder / "request.json").write_text(text)
        assert runs.read(folder).state == "unreadable"

    def test_a_damaged_table_is_told(self, tmp_path):
        folder = made_up(tmp_path)
        (folder / "held_out.parquet").write_text("no")
        with pytest.raises(UnknownRun, match="train again"):
            runs.read(folder).frame(runs.HELD_OUT)


class TestDeleting:
    def test_what_is_deleted_can_be_brought_back_as_it_was(self, tmp_path):
        folder = made_up(tmp_path, REQUESTS[0], "1-a", epoch(1))
        before = runs.read(folder)
        runs.delete(before)
        assert (runs.runs(tmp_path), runs.removed(tmp_path)) == ([], ["1-a"])
        runs.delete(before)  # it is gone already
        assert runs.restore("1-a", tmp_path) == before
        assert (runs.runs(tmp_path), runs.removed(tmp_path)) == ([before], [])

    def test_what_was_not_deleted_cannot_come_back(self, tmp_path):
        made_up(tmp_path)
        with pytest.raises(UnknownRun, match="1-a"):
            runs.restore("1-a", tmp_path)
        with pytest.raises(UnknownRun):
            runs.find("2-b", tmp_path)

    def test_the_oldest_comes_first(self, tmp_path):
        for name in ("2-b", "1-a", "3-c"):
            made_up(tmp_path, REQUESTS[0], name)
        assert [run.id for run in runs.runs(tmp_path)] == ["1-a", "2-b", "3-c"]


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run's process does is done here, without the seconds in which another one loads torch."""

    def launch(module: str, arguments: list[str], *_: object) -> None:
        assert module == run_worker.__name__
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [module, *arguments])
            run_worker.main()

    monkeypatch.setattr(background, "launch", launch)


@pytest.mark.usefixtures("in_this_process")
class TestCarriedOut:
    def test_an_energy_model_is_trained_and_stored_with_what_it_says(self, bench, tmp_path, monkeypatch):
        made = []

        def recorded(bench, wanted, *more):
            made.append((wanted, carry_out(bench, wanted, *more)))
            return made[-1][1]

        monkeypatch.setattr(experiment, "carry_out", recorded)
        run = runs.start(Experiment(cells=120, seed=2), tmp_path)
        assert (run.state, run.error, run.learned) == ("done", None, 120)
        assert [each.number for each in run.epochs] == list(range(1, 41))
        [(wanted, here)] = made
        assert wanted == Experiment(cells=120, seed=2)
        pd.testing.assert_frame_equal(run.frame(runs.HELD_OUT).drop(columns="model"), here.held_out, check_dtype=False)
        pd.testing.assert_frame_equal(run.frame(runs.IMPORTANCE), here.importance, check_dtype=False)
        loaded = energy.load(run.model)
        assert loaded.cells == 120
        some = run.frame(runs.HELD_OUT).head(20)
        np.testing.assert_allclose(energy.predict(bench, loaded, some["hash"])["energy_kwh"], some["predicted"])

    def test_a_table_is_learned_and_another_is_predicted_in_its_order(self, bench, tmp_path, monkeypatch):
        monkeypatch.setattr(own_space, "DRAWS", 1)
        table = own_table.example(bench)
        spec = Spec("energy_wh_titan_xp", ("energy_wh_quadro_rtx_6000", "n_conv3x3"), "Wh")
        trained = runs.start(OwnTraining("4V", spec, "paper"), tmp_path, table)
        assert (trained.state, trained.learned) == ("done", 73)
        assert own_space.figures(trained.frame(runs.HELD_OUT))["tau"] > 0.8
        assert trained.frame(runs.CURVE)["cells"].unique().tolist() == [36, 73]
        backwards = table.take(list(range(90, -1, -1))).drop_columns(["energy_wh_titan_xp"])
        predicted = runs.start(OwnPrediction("backwards", trained.id), tmp_path, backwards)
        assert (predicted.state, predicted.error) == ("done", None)
        found = predicted.frame(runs.PREDICTIONS)
        assert found["hash"].tolist() == backwards["hash"].to_pylist()
        here = own_space.load(trained.model).predict(backwards)
        np.testing.assert_allclose(found["energy_wh_titan_xp predicted"], here["predicted"])

    def test_what_cannot_be_predicted_fails_with_its_reason(self, bench, tmp_path):
        run = runs.start(OwnPrediction("x", "nowhere"), tmp_path, own_table.example(bench))
        assert run.state == "failed"
        assert "no training 'nowhere'" in run.error


def test_a_process_of_its_own_trains_as_here_and_when_cancelled_leaves_nothing_but_its_loss(bench, tmp_path):
    wanted = Experiment("energy", "paper")
    run = runs.start(wanted, tmp_path)
    until(lambda: runs.read(run.folder).epochs)
    runs.cancel(run)
    until(lambda: not runs.read(run.folder).running)
    run = runs.read(run.folder)
    assert run.state == "cancelled"
    assert 0 < len(run.epochs) < 200
    assert run.model is None
    assert not list(run.folder.glob("*.parquet"))
    here: list[Epoch] = []
    with pytest.raises(TrainingCancelled):
        carry_out(bench, wanted, here.append, lambda: True)
    assert run.epochs[0].loss == pytest.approx(here[0].loss, rel=1e-4)
