"""The life cycle of runs: started, watched, cancelled, killed, removed, brought back, gone on with."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ecnas_core import files
from ecnas_core.errors import Cancelled, EcnasError
from ecnas_core.runs import Ended, RunError, RunRunning, RunStore, UnknownRun
from tests.runs.toy import TOY, Count, Counted
from tests.waiting import until


@pytest.fixture
def store(tmp_path: Path) -> RunStore[Count]:
    return RunStore(TOY, tmp_path / "data")


def numbers(run) -> list[int]:
    return [each.number for each in run.events if isinstance(each, Counted)]


def ended(store, run):
    until(lambda: not store.read(run.id).running)
    return store.read(run.id)


def process(run) -> psutil.Process:
    """The process that works at a run."""
    return next(each for each in psutil.process_iter(["cmdline"]) if str(run.folder) in (each.info["cmdline"] or ()))


class TestHere:
    def test_events_and_the_end_are_recorded_and_told(self, store):
        told = []
        run = store.run(Count(3), tell=told.append)
        assert (run.state, run.error, run.request, numbers(run)) == ("done", None, Count(3), [1, 2, 3])
        assert [type(each) for each in told] == [Counted, Counted, Counted, Ended]
        assert run.started <= run.events[0].at <= run.ended
        assert (TOY.title(run.request), TOY.progress(run).share) == ("Count to 3", 1.0)

    @pytest.mark.parametrize(
        ("then", "raised", "state", "error"),
        [
            ("fail", EcnasError, "failed", "five is too many; take four"),
            ("break", KeyError, "died", "its process was ended from outside"),
        ],
    )
    def test_what_hinders_it_is_raised_and_recorded(self, store, then, raised, state, error):
        with pytest.raises(raised):
            store.run(Count(1, then))
        (run,) = store.all()
        assert (run.state, numbers(run)) == (state, [1])
        assert error in run.error

    def test_a_cancel_ends_it(self, store):
        with pytest.raises(Cancelled):
            store.run(Count(1, "wait"), tell=lambda event: store.cancel(store.all()[0]))
        assert store.all()[0].state == "cancelled"


class TestInTheBackground:
    def test_it_outlives_its_start_and_is_listed(self, store):
        first, second = store.start(Count(2)), store.start(Count(3))
        assert [ended(store, first).state, ended(store, second).state] == ["done", "done"]
        assert [(run.id, numbers(run)) for run in store.all()] == [(first.id, [1, 2]), (second.id, [1, 2, 3])]

    @pytest.mark.parametrize(
        ("then", "state", "error"),
        [
            ("fail", "failed", "five is too many; take four"),
            ("break", "died", "its process broke down (KeyError: 'a defect'); start it again"),
            ("kill", "died", "its process was ended from outside (killed, for want of memory, or by a restart of the"),
        ],
    )
    def test_it_says_how_it_ended(self, store, then, state, error):
        run = ended(store, store.start(Count(1, then)))
        assert (run.state, numbers(run)) == (state, [1])
        assert error in run.error

    @pytest.mark.parametrize("way", ["cancel", "SIGTERM"])
    def test_it_stops_when_asked(self, store, way):
        run = store.start(Count(1, "wait"))
        until(lambda: numbers(store.read(run.id)) == [1])
        if way == "cancel":
            store.cancel(run)
        else:
            process(run).terminate()
        assert ended(store, run).state == "cancelled"

    def test_while_it_runs_nothing_else_touches_it(self, store):
        run = store.start(Count(1, "wait"))
        for change in (store.dismiss, store.remove, store.begin_again):
            with pytest.raises(RunRunning, match="wait for it or cancel it"):
                change(run.id)
        with pytest.raises(RunRunning):
            store.start(Count(1), run.id)
        store.cancel(run)
        assert store.read(run.id).cancelling or not store.read(run.id).running
        ended(store, run)

    def test_one_at_a_time_where_the_kind_says_so(self, tmp_path):
        store = RunStore(replace(TOY, one_at_a_time=True), tmp_path)
        run = store.start(Count(1, "wait"))
        with pytest.raises(RunRunning, match="a count is running; wait for it or cancel it"):
            store.start(Count(1))
        store.cancel(run)
        ended(store, run)
        assert ended(store, store.start(Count(1))).state == "done"

    def test_it_goes_on_where_it_was(self, store):
        run = ended(store, store.start(Count(2, "kill")))
        lock = store.begin_again(run.id)
        TOY.write(lock.folder, Count(4), started=1.0)
        again = ended(store, store.launch(lock))
        assert (again.state, numbers(again)) == ("done", [3, 4])

    def test_one_of_the_same_id_gives_way_to_the_next(self, store):
        run = ended(store, store.start(Count(2, "fail"), "named"))
        (run.folder / "work").mkdir()
        again = ended(store, store.start(Count(1), "named", prepare=lambda folder: (folder / "table").touch()))
        assert (again.state, numbers(again), len(store.all())) == ("done", [1], 1)
        assert sorted(each.name for each in again.folder.iterdir()) == [
            "events.jsonl",
            "lock",
            "log",
            "made",
            "request.json",
            "table",
        ]


class TestFolders:
    def test_a_run_is_removed_and_brought_back(self, store):
        run = store.run(Count(1))
        store.remove(run.id)
        assert (store.all(), store.removed()) == ([], [run.id])
        store.remove(run.id)
        assert store.restore(run.id) == run
        store.dismiss(run.id)
        store.dismiss(run.id)
        assert (store.all(), store.removed()) == ([], [])
        for look in (store.read, store.restore, store.begin_again):
            with pytest.raises(UnknownRun):
                look(run.id)

    @pytest.mark.parametrize(
        ("file", "content"),
        [
            ("request.json", "{"),
            ("request.json", "[" * 100_000),
            ("request.json", '{"to": "three"}'),
            ("events.jsonl", "[1]\n"),
            ("events.jsonl", '{"event": "counted"}\n'),
            ("events.jsonl", '{"event": "slept", "at": 1}\n'),
            ("events.jsonl", '{"event": "ended", "at": 1, "state": "weird"}\n'),
        ],
    )
    def test_a_damaged_one_is_named_and_passed_over(self, store, file, content):
        good, bad = store.run(Count(1)), store.run(Count(1))
        (bad.folder / file).write_text(content)
        found = {run.id: run for run in store.all()}
        assert found[good.id] == good
        assert (found[bad.id].state, found[bad.id].events) == ("unreadable", ())
        assert str(bad.folder) in found[bad.id].error
        if file == "request.json":
            with pytest.raises(RunError, match="cannot be read as a count"):
                store.begin_again(bad.id)
        else:
            assert store.execute(store.begin_again(bad.id)).state == "done"
        store.dismiss(bad.id)

    def test_a_line_that_is_being_written_is_left_for_later(self, store):
        run = store.run(Count(1))
        with (run.folder / "events.jsonl").open("a") as events:
            events.write('{"event": "coun')
        assert store.read(run.id) == run

    def test_one_that_goes_while_all_are_listed_is_left_out(self, store, monkeypatch):
        run, held = store.run(Count(1)), files.is_locked

        def goes(path: Path) -> bool:
            shutil.rmtree(run.folder)
            return held(path)

        monkeypatch.setattr(files, "is_locked", goes)
        assert store.all() == []

    def test_a_folder_that_cannot_be_written_to_is_named(self, store):
        store.data.write_text("a file")
        with pytest.raises(RunError, match="cannot be written to"):
            store.start(Count(1))
        assert store.all() == []

    def test_an_error_while_it_is_prepared_leaves_no_lock(self, store):
        def refuse(folder: Path) -> None:
            raise EcnasError("no")

        with pytest.raises(EcnasError, match="no"):
            store.start(Count(1), "named", prepare=refuse)
        assert store.all() == []
        assert ended(store, store.start(Count(1), "named")).state == "done"

    def test_the_state_of_before_it_was_started_anew_cancels_nothing(self, store):
        before = ended(store, store.start(Count(1), "named"))
        again = store.start(Count(1, "wait"), "named")
        store.cancel(before)
        assert not store.read(again.id).cancelling
        store.cancel(again)
        ended(store, again)

    def test_how_an_old_study_ended_is_still_read(self, store):
        run = store.run(Count(1))
        (run.folder / "events.jsonl").unlink()
        (run.folder / "ended.json").write_text(json.dumps({"state": "failed", "error": "why"}))
        assert (store.read(run.id).state, store.read(run.id).error) == ("failed", "why")


class TestFiles:
    def test_a_file_appears_whole_or_not_at_all(self, tmp_path):
        path = tmp_path / "new" / "file"
        files.write_bytes(path, b"one")
        with pytest.raises(KeyError), files.atomic(path) as part:
            part.write_bytes(b"half of tw")
            raise KeyError
        assert path.read_bytes() == b"one"
        assert [each.name for each in path.parent.iterdir()] == ["file"]

    def test_what_a_killed_writer_left_is_removed_and_what_is_being_written_stays(self, tmp_path):
        (tmp_path / ".old.0123456789ab.part").touch()
        with files.atomic(tmp_path / "file") as part:
            part.write_bytes(b"whole")
            files.remove_parts(tmp_path)
            assert [each.name for each in tmp_path.iterdir()] == [part.name]
        assert (tmp_path / "file").read_bytes() == b"whole"

    def test_a_lock_is_free_again_when_its_handle_is_closed(self, tmp_path):
        path = tmp_path / "lock"
        assert not files.is_locked(path)
        with files.try_lock(path):
            assert files.is_locked(path)
            assert files.try_lock(path) is None
        assert not files.is_locked(path)
        files.try_lock(path).close()
