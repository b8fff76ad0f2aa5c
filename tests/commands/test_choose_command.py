"""The commands ``choose`` and ``export``."""

from __future__ import annotations

import json

import pytest

from ecnas_core.cli import main


def answer(capsys, *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_candidates_keep_the_limits_and_say_why(capsys, truth):
    found = answer(
        capsys,
        "choose",
        "--space",
        "5V",
        "--max-energy-kwh",
        "0.6",
        "--min-accuracy",
        "0.92",
        "--max-parameters",
        "8e6",
        "--top",
        "6",
    )
    cells = truth.cells("5V")
    kept = cells[(cells["energy"] <= 0.6) & (cells["validation_accuracy"] >= 0.92) & (cells["parameters"] <= 8)]
    assert (found["cells"], found["qualifying"], len(found["candidates"])) == (2532, len(kept), 6)
    by_role = {role: each for each in found["candidates"] for role in each["roles"]}
    assert by_role["best"]["validation_accuracy"] == kept["validation_accuracy"].max()
    assert by_role["cheapest"]["energy_kwh"] == pytest.approx(kept["energy"].min())
    assert {each["hash"] for each in found["candidates"]} <= set(kept["hash"])
    for each in found["candidates"]:
        assert each["why"] and each["gives_up"] and each["how_sure"]
        assert each["provenance"]["energy"] == "scaled"
    assert found["most_accurate"]["validation_accuracy"] == cells["validation_accuracy"].max()
    assert {"weight_of_energy", "energy_kwh", "accuracy", "parameters"} == found["stays_while"].keys()
    assert found["conflict"] is None


def test_what_excludes_each_other_is_told_with_the_nearest(capsys, truth):
    arguments = ("choose", "--space", "4V", "--max-energy-kwh", "0.2", "--min-accuracy", "0.93")
    found = answer(capsys, *arguments)
    assert found["candidates"] == []
    assert found["conflict"]["binding"] == [["energy_kwh", "accuracy"]]
    assert found["conflict"]["nearest"]["limits"]
    cells = truth.cells("4V")
    accurate = cells[cells["validation_accuracy"] >= 0.93]
    alone = {tuple(each["limits"]): each["limits"] for each in found["conflict"]["alone"]}
    assert alone["energy_kwh",]["energy_kwh"] == pytest.approx(accurate["energy"].min())
    assert main([*arguments]) == 0
    assert "Nearest that can be had" in capsys.readouterr().out


def test_a_task_of_one_s_own_states_its_assumptions(capsys):
    found = answer(
        capsys,
        "choose",
        "--space",
        "4V",
        "--images",
        "5000",
        "--size",
        "64",
        "--trainings",
        "12",
        "--country",
        "FR",
        "--pue",
        "1.2",
        "--epochs",
        "any",
        "--weights",
        "2",
        "1",
        "0.5",
    )
    assert len(found["assumptions"]) == 3
    assert "PUE 1.2" in found["scope"] and "France" in found["scope"]
    assert main(["choose", "--space", "4V"]) == 0
    out = capsys.readouterr().out.replace("\u202f", " ")
    assert "All 91 cells qualify" in out and "Counted: facility energy, PUE 1.59; Denmark 2024, 143 gCO2eq/kWh." in out


@pytest.mark.parametrize(
    "wrong",
    [
        ["--min-accuracy", "1.2"],
        ["--top", "0"],
        ["--size", "31"],
        ["--country", "XX"],
        ["--weights", "0", "0", "0"],
        ["--device", "Abacus"],
        ["--scope", "GPU", "--space", "7V"],
    ],
)
def test_bad_input_is_one_line(capsys, wrong):
    assert main(["choose", *wrong]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ecnas_core choose: ") and error.count("\n") == 1


def test_export_to_a_folder_and_a_zip(capsys, tmp_path):
    cell = '{"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}'
    found = answer(capsys, "export", cell, "--out", str(tmp_path / "out"), "--classes", "3", "--epochs", "12")
    assert {path.rpartition("/")[2] for path in found["files"]} == {path.name for path in (tmp_path / "out").iterdir()}
    assert json.loads((tmp_path / "out" / "spec.json").read_text())["classes"] == 3
    assert answer(capsys, "export", cell, "--out", str(tmp_path / "a.zip"))["files"] == [str(tmp_path / "a.zip")]
    assert main(["export", cell, "--out", str(tmp_path / "out")]) == 1
    assert "new folder" in capsys.readouterr().err
