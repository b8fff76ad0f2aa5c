"""A user's folder as version 0.1 left it opens as it did then."""

from __future__ import annotations

import shutil
from math import inf
from pathlib import Path

import pytest

from ecnas_core.benchmark import jobs
from ecnas_core.benchmark.jobs import Ingest, Ingested
from ecnas_core.search import lab, runner
from ecnas_core.search.study import Task

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
            "Cut short": ("died", 1, (Task("RS", 1),)),
            "Stopped": ("cancelled", 0, (Task("RS", 0),)),
        }
        assert "resume it" in found["Cut short"].error
        assert found["Cut short"].plan.setting.bounds == (("energy", 0.0, inf),)
        told = runner.progress(found["Both of 4V"])
        assert (told.evaluations, told.figures.front) == (80, 14)
        assert len(lab.evaluations(found["Both of 4V"])) == 108
        assert runner.problems(data) == {}

    def test_go_on_where_they_were(self, data):
        study = runner.find("Cut short", data)
        before = lab.evaluations(study)
        again = runner.run(study.plan, data, "Cut short", processes=1)
        assert (again.state, again.missing, again.created) == ("done", (), study.created)
        after = lab.evaluations(again)
        assert after[after["seed"] == 0].equals(before)

    def test_a_deleted_one_is_brought_back(self, data):
        [(study_id, name)] = lab.removed(data).items()
        assert (study_id, name) == ("taken-out-1ead3645", "Taken out")
        study = lab.restore(study_id, data)
        assert (study.state, study.missing) == ("done", ())
        assert len(lab.evaluations(study)) == 10
