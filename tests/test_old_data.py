"""A user's folder as version 0.1 left it opens as it did then."""

from __future__ import annotations

import shutil
from math import inf
from pathlib import Path

import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark import jobs
from ecnas_core.benchmark.jobs import Ingest, Ingested
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.runs import MEASUREMENT, status
from ecnas_core.runs import RunStore
from ecnas_core.search import runner, study_repository
from ecnas_core.search.study import TrialKey
from ecnas_core.surrogates import energy, runs
from ecnas_core.surrogates.experiment import Experiment
from ecnas_core.surrogates.runs import TRAINING
from tests.made_up import GPU, LEAN, measured

OLD = Path(__file__).with_name("old_data")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return shutil.copytree(OLD, tmp_path / "data")


class TestJobs:
    def test_are_listed_with_how_they_ended(self, data):
        done, failed = jobs.store(data).all()
        assert (done.id, done.state, done.request) == (
            "own-tfrecord-678d7d8fb94c",
            "done",
            Ingest("/home/user/own.tfrecord"),
        )
        assert jobs.ingested(done) == Ingested(
            at=1796096111.1051702,
            file="/home/user/own.tfrecord",
            records=12,
            cells=3,
            official=False,
            seconds=0.27986702199996216,
            sha256="ecaae3be5b97f63a878c54ace493d1b72ae516dd107004e2e490d97e737370a2",
            output="own-ecaae3be.parquet",
        )
        assert (failed.id, failed.state) == ("bad-tfrecord-02816d685a45", "failed")
        assert "record 1, byte 0: the file ends 11 bytes into a record" in failed.error

    def test_one_that_was_running_died_and_one_that_is_damaged_is_named(self, data):
        for name, old, new in (("own", '"done"', '"running"'), ("bad", '"kind": "ingest"', '"kind": "wash"')):
            [path] = (data / "jobs").glob(f"{name}*.json")
            path.write_text(path.read_text().replace(old, new))
        damaged, died = jobs.store(data).all()
        assert (damaged.state, died.state) == ("unreadable", "died")
        assert "bad-tfrecord-02816d685a45.json cannot be read as a job" in damaged.error
        assert "start it again" in died.error

    def test_are_dismissed_for_good(self, data):
        for job in jobs.store(data).all():
            jobs.store(data).dismiss(job.id)
        assert jobs.store(data).all() == []
        assert [path.name for path in (data / "jobs").iterdir()] == []


class TestStudies:
    def test_are_listed_with_how_they_ended(self, data):
        found = {study.name: study for study in runner.studies(data)}
        assert {name: (study.state, len(study.finished), study.missing) for name, study in found.items()} == {
            "Both of 4V": ("done", 4, ()),
            "Cut short": ("died", 1, (TrialKey("RS", 1),)),
            "Stopped": ("cancelled", 0, (TrialKey("RS", 0),)),
        }
        assert "resume it" in found["Cut short"].error
        assert found["Cut short"].plan.setting.bounds == (("energy", 0.0, inf),)
        told = runner.progress(found["Both of 4V"])
        assert (told.evaluations, told.figures.front) == (80, 14)
        assert len(study_repository.evaluations(found["Both of 4V"])) == 108
        assert runner.problems(data) == {}

    def test_go_on_where_they_were(self, data):
        study = runner.find("Cut short", data)
        before = study_repository.evaluations(study)
        again = runner.run(study.plan, data, "Cut short", processes=1)
        assert (again.state, again.missing, again.created) == ("done", (), study.created)
        after = study_repository.evaluations(again)
        assert after[after["seed"] == 0].equals(before)

    def test_a_deleted_one_is_brought_back(self, data):
        [(study_id, name)] = study_repository.removed(data).items()
        assert (study_id, name) == ("taken-out-1ead3645", "Taken out")
        study = study_repository.restore(study_id, data)
        assert (study.state, study.missing) == ("done", ())
        assert len(study_repository.evaluations(study)) == 10


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
