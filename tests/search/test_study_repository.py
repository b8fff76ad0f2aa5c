"""Stored studies: what is told of them, and that nothing is lost by renaming, deleting and bringing back."""

from __future__ import annotations

import io
import json

import moocore
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import trials as trials_
from ecnas_core.benchmark.store import UnknownSpace
from ecnas_core.carbon import Lens
from ecnas_core.runs import UnknownRun
from ecnas_core.search import Setting, runner, study_repository
from ecnas_core.search.runner import NameTaken
from ecnas_core.search.study import Plan, Study
from tests.studies import carried_out

PLAN = Plan(Setting(space="5V", sampling="matrix", charging="all"), {"SEMOA": 200, "RS": 100}, (7, 8))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return carried_out(PLAN, tmp_path_factory.mktemp("lab"), "Mine")


class TestListing:
    def test_own_studies_then_the_published_runs(self, study: Study) -> None:
        mine, *published = study_repository.listing(Benchmark.open(study.data))
        assert mine == study_repository.Summary(
            study.id,
            "Mine",
            "5V",
            ("energy", "validation_error"),
            ("SEMOA", "RS"),
            4,
            4,
            600,
            study.created,
            "done",
            None,
            False,
        )
        assert [(each.id, each.trials, each.published) for each in published] == [
            ("published-4V", 40, True),
            ("published-5V", 40, True),
            ("published-7V", 37, True),
        ]
        assert published[2].algorithms == ("MS-EHVI", "RS", "SEMOA", "SH-EMOA")
        assert published[2].evaluations == 109522

    def test_published_runs(self) -> None:
        bench = Benchmark.open()
        found = study_repository.published(bench, "7V")
        assert len(found) == 109522
        assert len(trials_.trials(found)) == 37
        with pytest.raises(UnknownSpace):
            study_repository.published(bench, "8V")


class TestEvaluations:
    def test_are_ready_for_the_analysis(self, study: Study) -> None:
        """The front of a trial by both names of its objectives, against moocore."""
        found = study_repository.evaluations(study)
        assert set(found["study"]) == {"Mine"}
        assert found.groupby("algorithm", sort=False).size().to_dict() == {"SEMOA": 400, "RS": 200}
        split = trials_.trials(found)
        again = trials_.trials(found, ("energy", "validation_error"))
        assert [(each.algorithm, each.trial) for each in split] == [("RS", 0), ("RS", 1), ("SEMOA", 0), ("SEMOA", 1)]
        told = study_repository.trials(study).set_index(["algorithm", "trial"])
        for one, other in zip(split, again, strict=True):
            assert np.allclose(one.points, other.points, equal_nan=True)
            row = told.loc[(one.algorithm, one.trial)]
            assert row["front"] == len(one.front)
            assert row["hypervolume"] == pytest.approx(moocore.hypervolume(one.points[one.front], ref=(1.0, 0.2)))
            assert (row["seed"], row["evaluations"], row["ended"]) == (7 + one.trial, len(one.points), "evaluations")
            assert 0 < row["share"] <= 1

    def test_document_is_json_and_means_are_means(self, study: Study) -> None:
        document = json.loads(json.dumps(study_repository.document(study), allow_nan=False))
        assert Plan.from_document(document["plan"]) == PLAN
        trials = [each for each in document["trials"] if each["algorithm"] == "SEMOA"]
        for each in trials:
            energies = [point["energy_kwh"] for point in each["front"]]
            accuracies = [point["validation_accuracy"] for point in each["front"]]
            assert each["r0"]["energy_kwh"] == min(energies)
            assert each["r1"]["validation_accuracy"] == max(accuracies)
        volumes = [each["hypervolume"] for each in trials]
        assert document["summary"]["SEMOA"]["hypervolume"] == pytest.approx([np.mean(volumes), np.std(volumes)])
        assert document["summary"]["SEMOA"]["trials"] == 2

    def test_taken_along_as_one_file(self, study: Study) -> None:
        taken = pq.read_table(io.BytesIO(study_repository.to_parquet(study)))
        assert taken.schema.names == pq.read_schema(next(iter(study.files.values()))).names
        kept = study_repository.evaluations(study)
        pd.testing.assert_frame_equal(taken.to_pandas(), kept, check_dtype=False, check_exact=True)


class TestTraining:
    @pytest.mark.parametrize(
        ("lens", "factor"), [(Lens(), 1.0), (Lens(unit="kgCO2eq"), 1.0), (Lens(scope="IT"), 1 / 1.59)]
    )
    def test_each_cell_and_budget_once(self, study: Study, truth, lens: Lens, factor: float) -> None:
        found = study_repository.evaluations(study)
        different = set(found["hash"].dropna())
        cells = truth.cells("5V", 108).set_index("hash").loc[sorted(different)]
        told = study_repository.training(found, "5V", lens, Benchmark.open())
        assert (told.cells, told.trainings, told.unknown, told.untimed) == (len(different), len(different), 0, 0)
        assert told.unidentified == (found["outcome"] == "invalid_graph").sum() > 0
        assert told.energy_kwh == pytest.approx(cells["energy"].sum() * factor)
        assert told.training_time_s == pytest.approx(cells["training_time"].sum())

    def test_what_is_unknown_is_counted_and_no_zero(self) -> None:
        bench = Benchmark.open()
        seven = bench.rows(
            "select hash from benchmark where space = '7V' and epochs = 108 and time_provenance = 'predicted' limit 1"
        )
        asked = pd.DataFrame({"hash": [seven[0]["hash"]] * 2 + [None], "epochs": [108, 108, 108]})
        told = study_repository.training(asked, "7V", Lens(predicted=False), bench)
        assert (told.trainings, told.unknown, told.untimed, told.predicted, told.unidentified) == (1, 0, 1, 0, 1)
        told = study_repository.training(asked, "7V", Lens(), bench)
        assert (told.untimed, told.predicted) == (0, 1)
        gpu = study_repository.training(asked, "7V", Lens(scope="GPU"), bench)
        assert (gpu.trainings, gpu.unknown, gpu.energy_kwh) == (1, 1, 0)


class TestChanges:
    def test_renamed(self, study: Study) -> None:
        other = study_repository.rename(study, "  Yours ")
        assert (other.name, other.id, other.state) == ("Yours", study.id, "done")
        assert runner.find("Yours", study.data).finished == study.finished
        with pytest.raises(UnknownRun):
            runner.find("Mine", study.data)
        assert set(study_repository.evaluations(other)["study"]) == {"Yours"}
        assert study_repository.rename(other, "Mine").name == "Mine"

    def test_deleted_and_brought_back(self, study: Study) -> None:
        bench = Benchmark.open(study.data)
        before = study_repository.evaluations(study)
        rows = bench.rows("select count(*) as n from evaluations where study = ?", [study.id])
        study_repository.delete(study)
        assert not runner.studies(study.data)
        assert not list((study.data / "runs").iterdir())
        assert bench.rows("select count(*) as n from evaluations where study = ?", [study.id]) == [{"n": 0}]
        assert study_repository.removed(study.data) == {study.id: "Mine"}
        with pytest.raises(UnknownRun):
            study_repository.delete(study)
        with pytest.raises(UnknownRun):
            runner.resume(study)
        runner.cancel(study)
        with pytest.raises(UnknownRun):
            study_repository.rename(study, "Else")
        back = study_repository.restore(study.id, study.data)
        assert back == study
        assert study_repository.removed(study.data) == {}
        pd.testing.assert_frame_equal(study_repository.evaluations(back), before, check_exact=True)
        assert bench.rows("select count(*) as n from evaluations where study = ?", [study.id]) == rows
        with pytest.raises(UnknownRun, match="was deleted"):
            study_repository.restore(study.id, study.data)
        with pytest.raises(UnknownRun):
            study_repository.restore("../" + study.id, study.data)

    def test_a_name_given_away_meanwhile(self, study: Study) -> None:
        study_repository.delete(study)
        plan = Plan.of(Setting(space="4V"), ("RS",), 5, 1)
        other = carried_out(plan, study.data, "Mine")
        try:
            back = study_repository.restore(study.id, study.data)
            assert back.name == "Mine 2"
            with pytest.raises(NameTaken):
                study_repository.rename(back, "Mine")
            assert runner.free_name("Mine", study.data) == "Mine 3"
        finally:
            study_repository.delete(other)
        assert study_repository.rename(back, "Mine") == study
