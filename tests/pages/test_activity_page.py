"""The Activity page: what runs, what ran, and what can be done about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ecnas_core import files
from ecnas_core.runs import activity

OLD = Path(__file__).resolve().parents[1] / "old_data"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shutil.copytree(OLD, tmp_path / "data")
    monkeypatch.setenv("ECNAS_DATA", str(folder))
    return folder


def said(page) -> str:
    return " ".join(page.texts("markdown") + page.texts("caption") + page.texts("header"))


def test_nothing_ran(open_page, tmp_path, monkeypatch):
    monkeypatch.setenv("ECNAS_DATA", str(tmp_path))
    page = open_page("activity").works()
    assert page.texts("header")[0] == "Nothing runs"
    assert "Downloads, ingests, searches, trainings and measurements show here" in said(page)


def test_one_that_runs_is_cancelled_and_opened(open_page, data):
    [study] = (each for each in activity.activities(data) if each.title == "Cut short")
    with files.try_lock(study.run.folder / "lock"):
        page = open_page("activity").works()
        assert page.texts("header")[0] == "1 running"
        assert "study, started 2026-12-01" in said(page)
        page.press(f"activity_cancel_{study.run.id}").works()
        assert (study.run.folder / "cancel").exists()
        assert page.button(f"activity_cancel_{study.run.id}").disabled
    page.app.run()
    assert page.texts("header")[0] == "Nothing runs"
    page.press(f"activity_open_{study.run.id}").works()
    assert page.app.session_state["search_section"] == "study"
    assert page.app.session_state["search_shown"] == [study.run.id]


def test_how_they_ended_is_said_and_what_is_stored_elsewhere_is_forgotten(open_page, data):
    (data / "jobs" / "bad-tfrecord-02816d685a45" / "log").write_text("a line\nthe last one")
    page = open_page("activity").works()
    words = said(page)
    assert "**Ingest own.tfrecord**" in words
    assert "**Both of 4V**" in words
    assert any("record 1, byte 0" in error.lower() for error in page.texts("error"))
    assert [block.value for block in page.app.code] == ["a line\nthe last one"]
    before = len(activity.activities(data))
    page.press("activity_forget").works()
    left = activity.activities(data)
    assert f"{before - len(left)} cleared." in said(page)
    assert {each.title for each in left} >= {"Both of 4V", "Cut short", "Stopped"}
    assert "Ingest own.tfrecord" not in said(page)
    assert list((data / "results").glob("*.parquet"))
