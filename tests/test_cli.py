import json
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ecnas_core import Benchmark, Cell
from ecnas_core.cli import main
from ecnas_core.files import ROOT
from ecnas_core.measure import batch, runner
from ecnas_core.measure.counters import cpu_name
from ecnas_core.measure.errors import Cancelled
from tests.made_up import measured, on_cpu
from tests.studies import Here

SMALLEST = "043721b9c7fe8c5fad811d47d83132ec"


def test_info_counts_the_cells_of_each_space(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    spaces = json.loads(capsys.readouterr().out)["spaces"]
    assert {name: space["cells"] for name, space in spaces.items()} == {"4V": 91, "5V": 2532, "7V": 423624}
    assert spaces["7V"]["energy_artefacts"] == 9


def test_a_process_of_its_own_prints_nothing_but_its_answer() -> None:
    """Neither errors nor what Python or DuckDB find left over at the end."""
    done = subprocess.run(
        [sys.executable, "-m", "ecnas_core", "choose", "--space", "4V", "--top", "1", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert len(json.loads(done.stdout)["candidates"]) == 1


def test_sql_prints_whatever_can_be_asked_or_says_what_cannot_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    sql = (
        "select equi_width_bins(0, 10, 5, true) as bins, 'nan'::double as n, 'inf'::double as i, [1.5, 'inf'::double] as list, "
        "{'a': 'nan'::double} as struct, map {'k': 2} as map, date '2024-01-02' as day, interval 1 day as span, "
        "time '10:00' as at, 'x'::blob as bytes, 2::hugeint as huge, 1.5::decimal(4, 1) as price, null as nothing"
    )
    assert main(["sql", "--json", sql]) == 0
    answer = json.loads(capsys.readouterr().out)
    [row] = (dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"])
    assert row["bins"] == [2, 4, 6, 8, 10]
    assert (row["n"], row["i"], row["nothing"], row["price"], row["huge"]) == (None, None, None, 1.5, 2.0)
    assert row["struct"] == {"a": None}
    assert row["day"].startswith("2024-01-02")
    for kind in ("date", "timestamp", "timestamptz"):
        assert main(["sql", "--json", f"select 'infinity'::{kind} as d"]) == 2
        assert "the column d holds an infinite date" in capsys.readouterr().err


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


def test_swaps_are_those_of_figure_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["swaps", "--space", "7V", "--epochs", "4", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    expected = {"conv3x3_to_conv1x1": -17.68, "conv3x3_to_maxpool3x3": -32.23, "conv1x1_to_maxpool3x3": -14.55}
    assert answer["energy"] == pytest.approx(expected, abs=0.02)
    assert {"training_time", "trainable_parameters", "validation_accuracy"} < answer.keys()
    assert main(["swaps", "--space", "5V"]) == 0
    assert "conv3x3_to_maxpool3x3" in capsys.readouterr().out


def test_hardware_tells_devices_and_rank_correlations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hardware", "--space", "4V", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {row["device"]: row["cells"] for row in answer["devices"]} == {
        "Quadro RTX 6000": 91,
        "Titan Xp": 91,
        "RTX 3060": 88,
        "RTX 3090": 91,
    }
    quadro = answer["kendall_tau"]["Quadro RTX 6000"]
    assert (quadro["Titan Xp"], quadro["RTX 3060"], quadro["RTX 3090"]) == pytest.approx(
        (0.893, 0.896, 0.718), abs=5e-4
    )
    assert len(answer["cells"]) == 91
    assert main(["hardware"]) == 0
    assert "0.893" in capsys.readouterr().out


def test_scaling_tells_ratios_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scaling", "--json"]) == 0
    energy = json.loads(capsys.readouterr().out)["energy"]
    assert [row["ratio"] for row in energy["ratios"]] == pytest.approx([0.907, 0.865, 0.863], abs=5e-4)
    assert main(["scaling"]) == 0
    assert "error on a cell left out" in capsys.readouterr().out


@pytest.mark.parametrize("cell", [SMALLEST, '{"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}'])
def test_footprint_of_a_cell_in_every_country(cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", SMALLEST, "--space", "4V", "--json"]) == 0
    energy_kwh = json.loads(capsys.readouterr().out)["energy_kwh"]
    assert main(["footprint", cell, "--space", "4V", "--trainings", "50", "--images", "20000", "--json"]) == 0
    countries = {row["code"]: row for row in json.loads(capsys.readouterr().out)["countries"]}
    assert len(countries) == 212
    for row in countries.values():
        assert row["kgco2eq"] == pytest.approx(25 * energy_kwh * row["intensity"] / 1000)


def test_footprint_of_the_knee(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["footprint", "rk", "--space", "4V"]) == 0
    assert "Denmark" in capsys.readouterr().out


def test_table_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"SEMOA", "RS", "SH-EMOA", "MS-EHVI"}
    assert answer["RS"]["rk"]["training_time_s"] == pytest.approx([310.93, 56.50], abs=5e-3)
    assert answer["RS"]["printed"]["rk"]["training_time_s"] == [310.93, 56.5]
    assert answer["SEMOA"]["trials"] == {"r0": 7, "rk": 7, "r1": 7}
    assert main(["table1"]) == 0
    assert "310.93 ± 56.50" in capsys.readouterr().out
    assert main(["table1", "--space", "4V", "--json"]) == 0
    assert "printed" not in json.loads(capsys.readouterr().out)["RS"]


def test_measure_many_cells_and_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measuring process tells what one on a CPU without a counter does."""
    found = on_cpu(hash=SMALLEST, device=cpu_name(), batch_size=1, repeats=5)
    estimate = {"cpu": "A CPU", "cpu_power_w": 60.0, "cpu_energy_j_per_step": 30.0, "assumption": "half of its TDP"}
    events = [
        {"event": "device", "name": found.device},
        {"event": "no counter", "component": "cpu", "state": "no_counter", "reason": "there is none"},
        {"event": "phase", "phase": "warm-up", "seconds": 2, "t": 1},
        {"event": "repeat", "repeat": 5, "of": 5, "seconds_per_step": 0.5, "joules_per_step": {}},
        {"event": "result", **found.to_document(), "estimate": estimate},
    ]
    worker = "-c", "\n".join(f"print({json.dumps(event)!r})" for event in events)
    monkeypatch.setitem(batch.measure_all.__kwdefaults__, "measure", partial(runner.measure, command=worker))
    cells = tmp_path / "cells.txt"
    cells.write_text(f"# the smallest\n{SMALLEST}\n")
    call = [
        "measure",
        "--cells",
        str(cells),
        "--device",
        "cpu",
        "--quick",
        "--batch-size",
        "1",
        "--repeats",
        "5",
        "--data",
        str(tmp_path / "data"),
        "--json",
    ]
    assert main(call) == 0
    told = capsys.readouterr()
    (cell,) = json.loads(told.out)["cells"]
    assert (cell["hash"], cell["state"], cell["reason"]) == (SMALLEST, "measured", None)
    assert (cell["measurement"], cell["estimate"]) == (found.to_document(), estimate)
    where = f"[1/1] {SMALLEST[:8]}"
    assert told.err.splitlines() == [
        f"{where} cpu: there is none",
        f"{where} warm-up, 2 s",
        f"{where} repeat 5/5: 0.5 s",
        f"{where} measured",
    ]
    assert main(call) == 0
    (again,) = json.loads(capsys.readouterr().out)["cells"]
    assert again == cell | {"state": "skipped", "estimate": None}
    assert len(list((tmp_path / "data" / "measurements").glob("*.parquet"))) == 1


def test_what_was_measured_is_printed_when_it_cannot_be_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").touch()
    assert main(["measure", SMALLEST, "--quick", "--data", str(tmp_path / "data")]) == 1
    told = capsys.readouterr()
    assert "cannot be written to" in told.err
    assert len(told.err.splitlines()) == 1, "nothing was measured in vain"


def test_a_batch_that_is_asked_to_stop_prints_what_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(cell: Cell, settings: object, emit: object, cancelled: Callable[[], bool]) -> object:
        if cell.hash == SMALLEST:
            return measured(hash=SMALLEST)
        signal.raise_signal(signal.SIGTERM)
        assert cancelled()
        raise Cancelled("the measurement was cancelled")

    monkeypatch.setitem(batch.measure_all.__kwdefaults__, "measure", measure)
    cells = tmp_path / "cells.txt"
    cells.write_text(
        f"{SMALLEST}\n" + '{"matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", "conv1x1-bn-relu", "output"]}'
    )
    before = signal.getsignal(signal.SIGTERM)
    assert main(["measure", "--cells", str(cells), "--again", "--data", str(tmp_path / "data"), "--json"]) == 1
    assert signal.getsignal(signal.SIGTERM) == before
    document = json.loads(capsys.readouterr().out)
    assert [cell["state"] for cell in document["cells"]] == ["measured", "cancelled"]
    assert document["cells"][0]["trainings"]["4"]["gpu_energy_j"] == pytest.approx(32 * 40_000 / 256 * 4)


def test_measuring_what_is_not_there_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", SMALLEST, "--device", "cuda:99", "--json"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("ecnas_core measure: ")


def test_table_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table3", "--json"]) == 0
    rows = {(row["space"], row["quantity"]): row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["5V", "kwh"]["recomputed"] == pytest.approx(1970.495, abs=5e-4)
    assert rows["7V", "gpu_days"]["recomputed"] is None
    assert main(["table3"]) == 0
    assert "agrees" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["measure"],
        ["measure", SMALLEST, "--repeats", "2"],
        ["measure", SMALLEST, "--device", "gpu"],
        ["query", "zzz"],
        ["footprint", "zzz"],
        ["footprint", "rk", "--trainings", "0"],
        ["sql", "drop view cells"],
        ["query", "0" * 32],
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1


def search(*arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["search", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_search_tells_the_trials_and_goes_on_under_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fronts against the benchmark and a quadratic check; the second call adds nothing, another plan is refused."""
    monkeypatch.setattr("ecnas_core.search.runner.Pool", Here)
    plan = [
        "--algorithm",
        "SEMOA-L",
        "--algorithm",
        "RS",
        "--space",
        "4V",
        "--evaluations",
        "30",
        "--trials",
        "2",
        "--seed",
        "5",
        "--epochs",
        "all",
        "--name",
        "mine",
        "--data",
        str(tmp_path),
    ]
    answer = search(*plan, capsys=capsys)
    trials = answer["trials"]
    assert [(each["algorithm"], each["seed"]) for each in trials] == [
        ("SEMOA-L", 5),
        ("RS", 5),
        ("SEMOA-L", 6),
        ("RS", 6),
    ]
    bench = Benchmark.open()
    for trial in trials:
        assert trial["evaluations"] == 30
        points = [(each["energy_kwh"], 1 - each["validation_accuracy"]) for each in trial["front"]]
        assert points == sorted(points)
        assert not [a for a in points for b in points if a != b and b[0] <= a[0] and b[1] <= a[1]]
        for each in trial["front"]:
            entry = bench.query(each["hash"], each["epochs"], "4V")
            assert (each["energy_kwh"], each["validation_accuracy"]) == (entry.energy_kwh, entry.validation_accuracy)
        area, top = 0.0, 0.2
        for energy, error in points:
            area += (1.0 - energy) * max(0.0, top - error)
            top = min(top, error)
        assert trial["hypervolume"] == pytest.approx(area)
        assert (trial["r0"], trial["r1"]) == (trial["front"][0], trial["front"][-1])
        assert trial["rk"] is None or trial["rk"] in trial["front"]
    assert set(answer["summary"]) == {"SEMOA-L", "RS"}
    mean = (trials[0]["hypervolume"] + trials[2]["hypervolume"]) / 2
    assert answer["summary"]["SEMOA-L"]["hypervolume"][0] == pytest.approx(mean)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert len(written) == 4
    again = search(*plan, capsys=capsys)
    assert again["study"] == answer["study"]
    assert again["trials"] == trials
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()} == written
    assert main(["search", *plan[4:], "--trials", "3"]) == 2
    assert "another plan; give another name" in capsys.readouterr().err
    assert main(["search", "--space", "4V", "--data", str(tmp_path), "--algorithm", "SEMOA-X"]) == 2
    assert "there is no algorithm 'SEMOA-X'" in capsys.readouterr().err
