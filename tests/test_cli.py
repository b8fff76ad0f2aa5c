import json

import pytest

from ecnas_core.cli import main

SMALLEST = "043721b9c7fe8c5fad811d47d83132ec"


def test_info_counts_the_cells_of_each_space(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    spaces = json.loads(capsys.readouterr().out)["spaces"]
    assert {name: space["cells"] for name, space in spaces.items()} == {"4V": 91, "5V": 2532, "7V": 423624}
    assert spaces["7V"]["energy_artefacts"] == 9


@pytest.mark.parametrize("cell", [SMALLEST, '{"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}'])
def test_query_of_the_smallest_cell(cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", cell, "--epochs", "108", "--space", "4V", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["hash"] == SMALLEST
    assert answer["trainable_parameters"] == 882570
    assert answer["provenance"] == {"energy": "measured", "accuracy": "published", "time": "measured"}


def test_sql_answers_with_columns_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["sql", "--json", "select vertices, count(*) as n from cells where vertices < 4 group by 1 order by 1"])
        == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert (answer["columns"], answer["rows"]) == (["vertices", "n"], [[2, 1], [3, 6]])


@pytest.mark.parametrize("arguments", [["query", "zzz"], ["sql", "drop view cells"], ["query", "0" * 32]])
def test_bad_input_is_one_line_and_exit_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
