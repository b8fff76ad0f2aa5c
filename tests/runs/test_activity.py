"""The list of everything that runs or ran, and its command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ecnas_core import files
from ecnas_core.cli import main
from ecnas_core.runs import activity

OLD = Path(__file__).resolve().parents[1] / "old_data"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return shutil.copytree(OLD, tmp_path / "data")


def told(capsys, *arguments: object) -> dict:
    assert main(["runs", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_kind_is_listed_the_running_first(data, capsys):
    [study] = (each for each in activity.activities(data) if each.title == "Cut short")
    with files.try_lock(study.run.folder / "lock"):
        rows = told(capsys, "--data", data)["runs"]
        assert [(row["kind"], row["title"], row["state"]) for row in rows[:1]] == [("study", "Cut short", "running")]
        assert (rows[0]["share"], rows[0]["started"]) == (0.0, "2026-12-01T03:35:12+00:00")
        assert {(row["kind"], row["title"], row["state"]) for row in rows[1:]} >= {
            ("job", "Ingest own.tfrecord", "done"),
            ("job", "Ingest bad.tfrecord", "failed"),
            ("study", "Both of 4V", "done"),
            ("study", "Stopped", "cancelled"),
        }
        assert main(["runs", "--data", str(data)]) == 0
        assert "cut-short-b2b22fa2  " in capsys.readouterr().out


def test_one_is_cancelled_by_its_id(data, capsys):
    [study] = (each for each in activity.activities(data) if each.title == "Cut short")
    with files.try_lock(study.run.folder / "lock"):
        [row] = told(capsys, "cancel", study.run.id, "--data", data)["runs"]
        assert row["id"] == study.run.id
        assert (study.run.folder / "cancel").exists()
    assert main(["runs", "cancel", study.run.id, "--data", str(data)]) == 1
    assert "the study 'Cut short' does not run: cancelled" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["cancel"], ["clean", "some"], ["cancel", "nobody"]])
def test_what_cannot_be_meant_is_refused(data, capsys, arguments):
    assert main(["runs", *arguments, "--data", str(data)]) == 2
    assert "see the command runs" in capsys.readouterr().err


def test_clean_keeps_results_and_what_runs(data, capsys):
    left = data / "results" / ".half.0123456789ab.part"
    left.touch()
    gone = told(capsys, "clean", "--data", data)["runs"]
    assert {row["kind"] for row in gone} <= {"job", "measurement"}
    assert {"Ingest own.tfrecord", "Ingest bad.tfrecord"} <= {row["title"] for row in gone}
    assert not left.exists()
    assert {each.title for each in activity.activities(data)} >= {"Both of 4V", "Cut short", "Stopped"}
    assert list((data / "results").glob("*.parquet"))
    assert told(capsys, "clean", "--data", data)["runs"] == []
