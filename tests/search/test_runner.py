"""Studies in processes: the same results however many there are, whatever ends them, and however often they go on."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import moocore
import msgspec
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core import Benchmark
from ecnas_core.benchmark.layout import BUNDLED, ROOT
from ecnas_core.carbon import Lens
from ecnas_core.errors import Cancelled
from ecnas_core.runs import RunError, RunRunning, UnknownRun
from ecnas_core.search import ALGORITHMS, Setting, UnknownAlgorithm, make, run_trial, runner, study_repository
from ecnas_core.search.pool import ATTEMPTS, Pool, WorkerDied
from ecnas_core.search.runner import NameTaken
from ecnas_core.search.study import Advance, FiguresChanged, InvalidPlan, Plan, Study, TrialKey
from ecnas_core.search.task import TrialJob
from tests.search.conftest import problem_of
from tests.studies import Here, carried_out
from tests.waiting import BOUND_S, until

FIVE = Setting(space="5V", epochs=None, sampling="matrix")
QUICK = Plan.of(FIVE, ("SEMOA-L", "RS"), 120, 2)
LONG = Plan.of(Setting(space="5V"), ("RS", "MS-EHVI"), 600, 2)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "user"
    yield folder
    for study in runner.studies(folder):
        runner.cancel(study)
    until(lambda: not any(study.running for study in runner.studies(folder)))


def now(study: Study) -> Study:
    return runner.find(study.id, study.data)


def ended(study: Study) -> Study:
    until(lambda: not now(study).running)
    return now(study)


def process_of(study: Study) -> psutil.Process:
    """The child whose standard output is the study's log."""
    log = study.folder / "log"
    return next(child for child in psutil.Process().children() if Path(f"/proc/{child.pid}/fd/1").resolve() == log)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes that run trials: children of the server that forks them."""
    servers = [each for each in process.children() if "forkserver" in " ".join(each.cmdline())]
    return [worker for server in servers for worker in server.children()]


def stamps(study: Study) -> dict[TrialKey, int]:
    return {task: path.stat().st_mtime_ns for task, path in study.files.items() if path.is_file()}


def rows(study: Study) -> pd.DataFrame:
    return study_repository.evaluations(study).drop(columns="study")


def assert_as_alone(study: Study) -> None:
    """The study has exactly what its trials find in this process, one after the other."""
    setting = study.plan.setting
    problem = problem_of(space=setting.space, epochs=setting.epochs, sampling=setting.sampling)
    found = rows(study)
    assert len(found.groupby(["algorithm", "trial"])) == len(study.plan.tasks)
    for name, seed in study.plan.tasks:
        expected = run_trial(make(name, problem, seed), study.plan.evaluations[name]).frame(problem)
        stored = found[(found["algorithm"] == name) & (found["seed"] == seed)].reset_index(drop=True)
        assert (stored["trial"] == study.plan.seeds.index(seed)).all()
        for column in expected.columns.drop("row"):
            pd.testing.assert_series_equal(stored[column], expected[column], check_dtype=False, check_exact=True)


def told_at(study: Study, task: TrialKey) -> int:
    """When a trial last told how far it is."""
    return (study.folder / "progress" / f"{task.algorithm}.{task.seed}.json").stat().st_mtime_ns


def under_way(study: Study, task: TrialKey) -> bool:
    """Whether a trial is at work and has found something."""
    [told] = (each for each in runner.progress(now(study)).trials if each.task == task)
    return told.state == "running" and told.evaluations > 0


def assert_gone(processes: list[psutil.Process]) -> None:
    """The processes end by themselves."""
    assert processes
    _, alive = psutil.wait_procs(processes, timeout=BOUND_S)
    assert not alive


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return carried_out(QUICK, tmp_path_factory.mktemp("quick"), "quick")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials run one after the other here, without the second that a process takes to begin."""
    monkeypatch.setattr(runner, "Pool", Here)


class TestPlans:
    @pytest.mark.parametrize("trials", [-1, 0, 1001, 10**15])
    def test_trials_out_of_range_are_told_before_seeds_are_listed(self, trials: int) -> None:
        with pytest.raises(InvalidPlan, match=f"^{trials} trials given; give 1 to 1000$"):
            Plan.of(FIVE, ("RS",), 10, trials)


class TestResults:
    def test_are_those_of_the_trials_alone(self, quick: Study) -> None:
        assert_as_alone(quick)

    def test_depend_neither_on_the_number_of_processes_nor_on_the_main_file(
        self, quick: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A page's script or a notebook is main there, and must not run again in each of them."""
        main = ModuleType("__main__")
        main.__file__ = str(tmp_path / "gone.py")
        monkeypatch.setitem(sys.modules, "__main__", main)
        other = runner.run(QUICK, tmp_path, "other", processes=2)
        assert other.state == "done"
        assert sys.modules["__main__"] is main
        pd.testing.assert_frame_equal(rows(other), rows(quick), check_exact=True)

    def test_are_in_the_views(self, quick: Study) -> None:
        """Values against the benchmark; an evaluation that is not charged is no evaluation of its run."""
        bench = Benchmark.open(quick.data)
        found = bench.frame("select * from evaluations where study = ?", [quick.id])
        assert len(found) > 4 * 120
        assert found["evaluation"].min() == 0
        for row in found[found["valid"]].sample(30, random_state=0).itertuples():
            entry = bench.query(row.hash, row.epochs, "5V")
            assert (row.energy_kwh, row.validation_accuracy, row.test_accuracy, row.training_time_s) == (
                entry.energy_kwh,
                entry.validation_accuracy,
                entry.test_accuracy,
                entry.training_time_s,
            )
            assert row.trainable_parameters == entry.trainable_parameters
        values = ["trainable_parameters", "energy_kwh", "validation_accuracy", "test_accuracy", "training_time_s"]
        assert found.loc[~found["valid"], values].isna().all(axis=None)
        runs = bench.frame("select * from runs where study = ? order by algorithm, trial", [quick.id])
        assert runs["evaluations"].tolist() == [120] * 4
        assert runs["invalid"].sum() == (~found["valid"]).sum()
        assert not bench.layout.problems

    def test_accuracies_that_are_not_asked_for_are_not_stored(self, tmp_path: Path) -> None:
        """5V knows accuracies of its own at 4 epochs, which are not NAS-Bench-101's."""
        setting = Setting(space="5V", objectives=("energy", "parameters"), epochs=4)
        found = rows(carried_out(Plan.of(setting, ("RS",), 300, 1), tmp_path, "mine"))
        measured = found["accuracy_provenance"] == "measured"
        assert measured.any()
        assert found["valid"].all()
        assert (found["validation_accuracy"].isna() == measured).all()

    def test_single_objective(self, tmp_path: Path) -> None:
        setting = Setting(space="5V", objectives=("validation_error",))
        study = carried_out(Plan.of(setting, ("RE",), 100, 1), tmp_path, "mine")
        best = rows(study)["validation_accuracy"].max()
        (trial,) = runner.progress(study).trials
        assert trial.hypervolume == pytest.approx(0.2 - (1 - best))
        assert study_repository.document(study)["trials"][0]["r0"]["validation_accuracy"] == best


class TestProgress:
    def test_at_the_end(self, quick: Study) -> None:
        told = runner.progress(quick)
        assert (told.finished, told.evaluations, told.planned) == (4, 480, 480)
        assert [each.task for each in told.trials] == list(QUICK.tasks)
        found = rows(quick)
        problem = problem_of(space="5V", epochs=None, sampling="matrix")
        assert told.figures is not None
        assert told.figures.reference == problem.reference()
        assert told.figures.hypervolume == pytest.approx(
            moocore.hypervolume(problem.front()[2], ref=problem.reference())
        )
        for each in told.trials:
            mine = found[(found["algorithm"] == each.task.algorithm) & (found["seed"] == each.task.seed)]
            points = mine.loc[mine["valid"], ["energy", "validation_error"]].to_numpy()
            assert each.hypervolume == pytest.approx(moocore.hypervolume(points, ref=told.figures.reference))
            assert set(each.values) == set(map(tuple, points[moocore.is_nondominated(points, keep_weakly=True)]))
            assert each.asked == len(mine)
            known = {(row.hash, row.epochs): (row.energy, row.validation_error) for row in mine.itertuples()}
            assert [known[key] for key in zip(each.hashes, each.epochs, strict=True)] == list(each.values)
            counts, heights = zip(*each.rises, strict=True)
            assert list(heights) == sorted(set(heights))
            assert list(counts) == sorted(counts)
            assert heights[-1] == each.hypervolume

    def test_a_foreground_study_tells(self, tmp_path: Path, in_this_process: None) -> None:
        told: list[Advance] = []
        runner.run(Plan.of(FIVE, ("RS",), 50, 2), tmp_path, processes=1, tell=told.append)
        assert told[-1].finished == 2
        assert [each.evaluations for each in told] == sorted(each.evaluations for each in told)


class TestBackground:
    def test_two_studies_at_once_are_watched_and_found_under_their_names(
        self, data: Path, in_this_process: None
    ) -> None:
        plan = Plan.of(Setting(space="4V"), ("SEMOA-L",), 60, 2)
        first = runner.start(plan, data, "first", processes=1)
        second = runner.start(plan, data, processes=1)
        assert (first.state, second.state) == ("running", "running")
        assert second.name == "SEMOA-L in 4V"
        with pytest.raises(RunRunning):
            study_repository.delete(first)
        with pytest.raises(RunRunning):
            runner.resume(first)
        with pytest.raises(RunRunning):
            runner.run(plan, data, "first")
        with pytest.raises(NameTaken):
            runner.start(plan, data, "first")
        assert [study.name for study in runner.studies(data)] == ["first", "SEMOA-L in 4V"]
        done = ended(runner.find("first", data)), ended(runner.find("SEMOA-L in 4V", data))
        assert [(study.state, study.error, study.missing) for study in done] == [("done", None, ())] * 2
        pd.testing.assert_frame_equal(rows(done[0]), rows(done[1]))
        assert runner.run(plan, data).name == "SEMOA-L in 4V 2"

    def test_cancelled_killed_and_without_its_worker_it_goes_on_with_the_missing_trials_only(self, data: Path) -> None:
        plan = Plan(LONG.setting, {"RS": 100, "MS-EHVI": 150}, (3,))  # the slow one goes on for a second or more
        random, slow = plan.tasks
        study = runner.start(plan, data, "mine", processes=2)
        until(lambda: random in now(study).finished and under_way(study, slow))
        workers = process_of(study).children(recursive=True)
        runner.cancel(study)
        study = ended(study)
        assert (study.state, study.error, study.missing) == ("cancelled", None, (slow,))
        assert_gone(workers)
        assert [path.name for path in (data / "runs").iterdir()] == [study.files[random].name]
        assert [each.state for each in runner.progress(study).trials] == ["finished", "waiting"]
        before = stamps(study)

        told = told_at(study, slow)
        study = runner.resume(study, processes=2)
        assert study.running
        until(lambda: told_at(study, slow) != told and under_way(study, slow))
        process = process_of(study)
        workers = process.children(recursive=True)
        process.send_signal(signal.SIGKILL)
        study = ended(study)
        assert study.state == "died"
        assert "resume it" in (study.error or "")
        assert_gone(workers)
        assert stamps(study) == before

        told = told_at(study, slow)
        study = runner.resume(study, processes=1)
        until(lambda: told_at(study, slow) != told and under_way(study, slow))
        [searching] = workers_of(process_of(study))
        searching.kill()
        study = ended(study)
        assert (study.state, study.missing) == ("done", ())
        after = stamps(study)
        assert {task: after[task] for task in before} == before
        assert_as_alone(study)

    def test_outlives_who_started_it_and_tells_what_cannot_be_searched(self, data: Path) -> None:
        code = (
            "import sys\nfrom pathlib import Path\nfrom ecnas_core.search import Setting, runner\n"
            "from ecnas_core.search.study import Plan\n"
            "runner.start(Plan.of(Setting(space='4V'), ('RE',), 10, 1), Path(sys.argv[1]), 'left alone', processes=1)"
        )
        subprocess.run([sys.executable, "-c", code, str(data)], cwd=ROOT, check=True, timeout=60)
        study = ended(runner.find("left alone", data))
        assert study.state == "failed"
        assert "RE has one objective" in (study.error or "")

    def test_a_folder_that_is_none_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "user").write_text("")
        with pytest.raises(RunError, match="cannot be written to"):
            runner.start(QUICK, tmp_path / "user")


def test_a_trial_that_takes_every_process_down_is_given_up() -> None:
    order = TrialJob("s", TrialKey("MS-EHVI", 0), 0, 900, Setting(space="5V"), Path("/nowhere"), BUNDLED)
    pool = Pool([order], 1)
    deaths = 0
    try:
        with pytest.raises(WorkerDied, match="fewer processes"):
            for message in pool.messages():
                if message is not None and message.kind == "begun":
                    deaths += 1
                    [worker] = workers_of(psutil.Process())
                    worker.kill()
    finally:
        pool.close()
    assert deaths == ATTEMPTS


class TestForeground:
    def test_cancelled_from_a_page(self, data: Path) -> None:
        def tell(progress: Advance) -> None:
            if progress.evaluations:
                runner.cancel(runner.find("mine", data))

        with pytest.raises(Cancelled, match="resume it"):
            runner.run(LONG, data, "mine", processes=1, tell=tell)
        assert runner.find("mine", data).state == "cancelled"

    def test_files_that_are_no_trials_are_told_and_run_again(
        self, quick: Study, tmp_path: Path, in_this_process: None
    ) -> None:
        plan = Plan.of(FIVE, ("RS",), 60, 4)
        study = runner.run(plan, tmp_path, "mine", processes=1)
        wanted = rows(study)
        paths = list(study.files.values())
        paths[0].write_bytes(b"PAR1 no more")
        paths[1].write_bytes(paths[2].read_bytes())
        pq.write_table(pa.table({"hash": ["x"]}), paths[3])
        foreign = tmp_path / "runs" / "foreign.parquet"
        foreign.write_bytes(next(iter(quick.files.values())).read_bytes())
        found = study_repository.file_problems(study)
        assert [found[path].split(" ", 1)[1][:12] for path in (paths[0], paths[1], paths[3])] == [
            "is not a rea",
            "is not of th",
            "is not of th",
        ]
        assert paths[2] not in found
        assert set(study_repository.evaluations(study)["seed"]) == {2}
        assert {path.name for path in Benchmark.open(tmp_path).layout.problems} == {paths[0].name, paths[3].name}
        stamp = paths[2].stat().st_mtime_ns
        again = runner.run(plan, tmp_path, "mine", processes=1)
        assert paths[2].stat().st_mtime_ns == stamp
        assert not study_repository.file_problems(again)
        pd.testing.assert_frame_equal(rows(again), wanted, check_exact=True)
        assert foreign.is_file()

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "x", "created": 1, "plan": {"setting": {}}}', "\xff"])
    def test_a_study_that_cannot_be_read_hides_no_other(self, quick: Study, text: str) -> None:
        folder = quick.data / "studies" / "broken-1"
        folder.mkdir(exist_ok=True)
        (folder / "study.json").write_text(text, encoding="latin-1")
        try:
            assert [study.name for study in runner.studies(quick.data)] == ["quick"]
            assert list(runner.problems(quick.data)) == [folder]
            assert "cannot be read as a study" in runner.problems(quick.data)[folder]
        finally:
            (folder / "study.json").unlink()

    def test_other_figures_than_at_its_beginning_stop_a_study(self, tmp_path: Path, in_this_process: None) -> None:
        plan = Plan.of(FIVE, ("RS",), 20, 2)
        study = runner.run(plan, tmp_path, "mine", processes=1)
        study.files[plan.tasks[1]].unlink()
        path = study.folder / "figures.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "other"}))
        with pytest.raises(FiguresChanged, match="start a new one"):
            runner.run(plan, tmp_path, "mine", processes=1)
        assert now(study).state == "failed"
        assert len(now(study).finished) == 1

    def test_unknown_studies_and_names_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownRun, match="look at those there are"):
            runner.find("nobody", tmp_path)
        for name in ("", " ", "x" * 81, "a\nb"):
            with pytest.raises(InvalidPlan, match="is no name"):
                runner.run(QUICK, tmp_path, name)
        assert not runner.studies(tmp_path)


class TestPlan:
    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"evaluations": {}}, InvalidPlan),
            ({"evaluations": {"SEMOA-X": 10}}, UnknownAlgorithm),
            ({"evaluations": {"RS": 0}}, InvalidPlan),
            ({"seeds": ()}, InvalidPlan),
            ({"seeds": (1, 1)}, InvalidPlan),
            ({"seeds": (-1,)}, InvalidPlan),
        ],
    )
    def test_out_of_range(self, changes: dict[str, object], error: type[Exception]) -> None:
        with pytest.raises(error):
            dataclasses.replace(QUICK, **changes)

    @given(
        st.dictionaries(st.sampled_from(sorted(ALGORITHMS)), st.integers(1, 10**6), min_size=1),
        st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5, unique=True),
        st.sampled_from(["4V", "5V", "7V"]),
        st.sampled_from([None, 4, 108]),
        st.sampled_from([-math.inf, 0.0, 0.5]),
        st.sampled_from([math.inf, 0.9]),
        st.sampled_from([Lens(), Lens(scope="IT", country=None, g_per_kwh=10.0, unit="Wh", corrected=True)]),
    )
    def test_survives_json(self, evaluations, seeds, space, epochs, least, most, lens) -> None:
        setting = Setting(space=space, epochs=epochs, bounds=(("validation_accuracy", least, most),), lens=lens)
        plan = Plan(setting, evaluations, tuple(seeds))
        text = msgspec.json.encode(plan.to_document())
        again = Plan.from_document(json.loads(text))
        assert again == plan
        assert again.tasks == plan.tasks
        assert len(plan.tasks) == len(evaluations) * len(seeds)


@pytest.mark.parametrize("name", ["figures.json", "events.jsonl", "progress/RS.0.json"])
@pytest.mark.parametrize("text", ["", "[]\n", "{\n", '{"state": "odd"}\n'])
def test_damaged_notes_of_a_study_hide_nothing_that_is_stored(quick: Study, name: str, text: str) -> None:
    path = quick.folder / name
    before = path.read_text()
    path.write_text(text)
    try:
        study = now(quick)
        assert study.state == ("died" if name == "events.jsonl" else "done")
        assert study.missing == ()
        told = runner.progress(study)
        assert told.finished == 4
        assert (told.figures is None) == (name == "figures.json")
        assert len(study_repository.document(study)["trials"]) == 4
    finally:
        path.write_text(before)


def put(path: Path, content: object) -> None:
    """Write what does not belong there."""
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


class TestDamage:
    """What stands in a study's folder and was not written by it is told, or passed over; it breaks nothing."""

    @pytest.fixture
    def copy(self, quick: Study, tmp_path: Path) -> Study:
        shutil.copytree(quick.data, tmp_path, dirs_exist_ok=True)
        return runner.find(quick.id, tmp_path)

    @pytest.mark.parametrize(
        ("where", "value"),
        [
            ((), []),
            (("created",), "yesterday"),
            (("created",), math.nan),
            (("created",), 1e300),
            (("plan", "seeds"), [0.5, 1]),
            (("plan", "evaluations"), {"RS": "many"}),
            (("plan", "evaluations"), {"RS": 1.5}),
            (("plan", "setting", "bounds"), [["energy", "a", "b"]]),
        ],
    )
    def test_what_a_study_is(self, copy: Study, where: tuple[str, ...], value: object) -> None:
        path = copy.folder / "study.json"
        document = json.loads(path.read_text())
        inner = document
        for name in where[:-1]:
            inner = inner[name]
        if where:
            inner[where[-1]] = value
        put(path, document if where else value)
        assert runner.studies(copy.data) == []
        assert "repair or remove it" in runner.problems(copy.data)[copy.folder]

    def test_nesting(self, copy: Study) -> None:
        put(copy.folder / "study.json", b"[" * 100_000)
        assert copy.folder in runner.problems(copy.data)

    def test_a_folder_in_the_place_of_the_lock(self, copy: Study) -> None:
        (copy.folder / "lock").unlink(missing_ok=True)
        (copy.folder / "lock").mkdir()
        assert copy.folder in runner.problems(copy.data)

    @pytest.mark.parametrize("content", [b"{", b"[" * 100_000, {"evaluations": "x", "rises": 5}, [1], None])
    def test_what_a_trial_told(self, copy: Study, content: object) -> None:
        before = runner.progress(copy)
        put(copy.folder / "progress" / "RS.0.json", content)
        put(copy.folder / "figures.json", content)
        after = runner.progress(copy)
        assert (after.figures, after.finished) == (None, before.finished)
        assert after.evaluations == before.evaluations - 120

    def test_rows_of_a_trial(self, copy: Study, quick: Study, in_this_process: None) -> None:
        task = copy.plan.tasks[0]
        path = copy.files[task]
        content = path.read_bytes()
        path.write_bytes(content[:200] + bytes(400) + content[600:])
        assert list(study_repository.file_problems(copy)) == [path]
        assert len(study_repository.trials(copy)) == 3
        assert len(study_repository.evaluations(copy).groupby(["algorithm", "seed"])) == 3
        again = runner.run(QUICK, copy.data, "quick", processes=1)
        assert study_repository.file_problems(again) == {}
        pd.testing.assert_frame_equal(rows(again), rows(quick), check_exact=True)
