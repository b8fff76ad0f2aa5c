"""A user's folder as version 0.1 left it: what it lists is still listed, and can still be used."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ecnas_core import Benchmark
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.runs import MEASUREMENT, status
from ecnas_core.runs import RunStore
from ecnas_core.surrogates import energy, runs
from ecnas_core.surrogates.experiment import Experiment
from ecnas_core.surrogates.runs import TRAINING
from tests.imports import ROOT
from tests.made_up import GPU, LEAN, measured


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT / "tests" / "old_data", tmp_path / "data")


class TestTrainings:
    DONE, CANCELLED = "1796096113368788251-d013d7dc", "1796096117503132468-140f8bc5"
    REMOVED = "1796096120412879778-d5ad3e68"

    @pytest.fixture
    def store(self, data):
        return RunStore(TRAINING, data)

    def test_they_are_listed_as_they_ended(self, store):
        done, cancelled = store.all()
        assert (done.id, done.state, done.error, done.request) == (
            self.DONE,
            "done",
            None,
            Experiment("energy", "best", 1, 200, 5),
        )
        assert (done.started, done.ended) == (1796096113.368979, 1796096117.4688115)
        assert (len(runs.epochs(done)), runs.made(done).learned, runs.made(done).notes) == (40, 200, ())
        assert (cancelled.id, cancelled.state, cancelled.error, cancelled.request) == (
            self.CANCELLED,
            "cancelled",
            None,
            Experiment("energy", "paper", 1, 200, 1),
        )
        assert (len(runs.epochs(cancelled)), runs.made(cancelled), runs.model(cancelled)) == (1, None, None)

    def test_what_was_made_can_be_used(self, store, data):
        run = store.read(self.DONE)
        held_out = runs.frame(run, runs.HELD_OUT).head(20)
        bench = Benchmark(data, Benchmark.open().bundled)
        predicted = energy.predict(bench, energy.load(runs.model(run)), held_out["hash"])
        assert predicted["energy_kwh"].tolist() == pytest.approx(held_out["predicted"].tolist())
        assert not runs.frame(run, runs.IMPORTANCE).empty

    def test_one_that_was_removed_can_be_brought_back(self, store):
        assert store.removed() == [self.REMOVED]
        run = store.restore(self.REMOVED)
        assert (run.state, run.request, runs.made(run).learned) == ("done", Experiment(seed=2, cells=100), 100)
        assert [each.id for each in store.all()] == [self.DONE, self.CANCELLED, self.REMOVED]


class TestMeasurements:
    def test_one_that_was_cut_short_is_listed_with_what_it_measured(self, data):
        (run,) = RunStore(MEASUREMENT, data).all()
        assert (run.id, run.state, run.started, len(run.events)) == ("1-madeup", "died", 1796096027.3096037, 9)
        assert run.error == (
            "its process was ended from outside (killed, for want of memory, or by a restart of the machine); "
            "start it again"
        )
        assert (run.request.hashes, run.request.settings) == ((LEAN,), Settings(device="cuda:0"))
        found = status(run)
        assert (found.device.name, found.device.power_limit_w) == (GPU, 700.0)
        (sample,), (repeat,), (outcome,) = found.samples, found.repeats, found.outcomes
        assert (sample.t, sample.power_w, repeat.t, repeat.seconds_per_step) == (16, 300.0, 40, 0.1)
        assert (outcome.state, outcome.measurement) == ("measured", measured())
