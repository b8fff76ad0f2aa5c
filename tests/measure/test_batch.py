"""Many cells in turn: what becomes of each, what stops all, and what a second call leaves out."""

from __future__ import annotations

import sys

import pynvml
import pytest
from msgspec.structs import replace

from ecnas_core import Benchmark, Cell
from ecnas_core.benchmark import UnknownCell, catalogue
from ecnas_core.measure import batch, store
from ecnas_core.measure.batch import device_name, measure_all, read_cells
from ecnas_core.measure.errors import (
    Cancelled,
    DeviceBusy,
    DeviceFailed,
    InvalidSettings,
    NoDevice,
    NoDriver,
    NotStored,
    OutOfMemory,
    StandsStill,
    TimeLimit,
    WorkerDied,
)
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.runs import CpuEstimate, Outcome, PhaseBegan
from tests.made_up import CPU, measured
from tests.measure.fakes import Board, FakeNvml

CELLS = [Cell.from_text(text) for text in ("1=output(0)", "1=conv1x1(0) 2=output(1)", "1=conv3x3(0) 2=output(1)")]
SETTINGS = Settings(device="cpu", repeats=8)


@pytest.fixture
def bench(tmp_path):
    return Benchmark(tmp_path, Benchmark.open().bundled)


@pytest.fixture
def on_this_cpu(monkeypatch):
    monkeypatch.setattr(batch.doctor, "devices", lambda: [batch.doctor.Device("cpu", CPU, None)])


class Measuring:
    """Stands in for the runner: an error or a measurement a cell, in order."""

    def __init__(self, *script: Exception | None) -> None:
        self.script = list(script)
        self.asked: list[str] = []

    def __call__(self, cell, settings, emit, cancelled):
        self.asked.append(cell.hash)
        emit({"event": "phase", "phase": "warm-up", "seconds": 1, "t": 2.5})
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        return measured(f"{len(self.asked):012x}", hash=cell.hash, device=CPU, device_uuid=None, batch_size=32)


def test_each_cell_is_stored_and_told(bench):
    events = []
    outcomes = measure_all(CELLS, SETTINGS, bench, events.append, measure=Measuring())
    assert [each.state for each in outcomes] == ["measured"] * 3
    assert {each.hash for each in store.measurements(bench)} == {cell.hash for cell in CELLS}
    assert [(type(each), each.cell, each.hash) for each in events] == [
        (event, number, cell.hash) for number, cell in enumerate(CELLS) for event in (PhaseBegan, Outcome)
    ]
    assert events[1::2] == outcomes


def test_what_befalls_one_cell_does_not_stop_the_others(bench):
    errors = [OutOfMemory("full"), TimeLimit("late"), WorkerDied("gone"), DeviceFailed("broken")]
    outcomes = measure_all(2 * CELLS, SETTINGS, bench, measure=Measuring(None, *errors, None))
    assert [each.state for each in outcomes] == ["measured", *(error.state for error in errors), "measured"]
    assert [(each.measurement, each.reason) for each in outcomes[1:-1]] == [(None, str(error)) for error in errors]
    assert len(store.measurements(bench)) == 2


@pytest.mark.parametrize("error", [DeviceBusy("busy"), StandsStill("still")])
def test_what_befalls_the_device_stops_all_and_loses_nothing(bench, error):
    events = []
    outcomes = measure_all(CELLS, SETTINGS, bench, events.append, measure=Measuring(None, error))
    assert [each.state for each in outcomes] == ["measured", error.state]
    assert [each.ends_all for each in outcomes] == [False, True]
    assert [each.hash for each in store.measurements(bench)] == [CELLS[0].hash]
    assert (events[-1], events[-1].cell) == (outcomes[-1], 1)


@pytest.mark.parametrize("data", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path, data):
    (tmp_path / "file").touch()
    measuring = Measuring()
    with pytest.raises(NotStored, match="cannot be written to"):
        measure_all(CELLS, SETTINGS, Benchmark(tmp_path / data, Benchmark.open().bundled), measure=measuring)
    assert measuring.asked == []


def test_figures_that_cannot_be_stored_are_still_told(bench, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ecnas_core.benchmark.build.write_parquet", full)
    (outcome,) = measure_all(CELLS, SETTINGS, bench, measure=Measuring())
    assert (outcome.state, outcome.succeeded, outcome.ends_all) == ("not_stored", False, True)
    assert outcome.measurement.hash == CELLS[0].hash
    assert "No space left" in outcome.reason


def test_an_estimate_is_told_and_not_stored(bench):
    told = {"cpu": CPU, "cpu_power_w": 60.0, "cpu_energy_j_per_step": 30.0, "assumption": "half of its TDP"}

    def measure(cell, settings, emit, cancelled):
        emit({"event": "result", "measurement": "1" * 12, "estimate": told})
        return measured("1" * 12, hash=cell.hash)

    (outcome,) = measure_all(CELLS[:1], SETTINGS, bench, measure=measure)
    assert outcome.estimate == CpuEstimate(**told)
    assert "estimate" not in {each.name for each in catalogue.columns(bench, "measurements")}


def test_cancelling_ends_the_list(bench):
    measuring = Measuring(None, Cancelled("enough"))
    outcomes = measure_all(CELLS, SETTINGS, bench, measure=measuring)
    assert [each.state for each in outcomes] == ["measured", "cancelled"]
    assert len(measuring.asked) == 2


def test_a_second_call_measures_what_is_missing(bench, on_this_cpu):
    measure_all(CELLS, SETTINGS, bench, measure=Measuring(None, OutOfMemory("full")), again=False)
    measuring = Measuring()
    outcomes = measure_all(CELLS, SETTINGS, bench, measure=measuring, again=False)
    assert measuring.asked == [CELLS[1].hash]
    assert [each.state for each in outcomes] == ["skipped", "measured", "skipped"]
    assert outcomes[0].measurement.hash == CELLS[0].hash
    everything = Measuring()
    measure_all(CELLS, SETTINGS, bench, measure=everything)
    assert len(everything.asked) == 3, "again is the default"


def test_other_settings_are_measured_anew(bench, on_this_cpu):
    """What is measured here is stored as of the settings that came first, so each is compared with these alone."""
    measure_all(CELLS[:1], SETTINGS, bench, measure=Measuring())
    others = {
        "mode": "inference",
        "batch_size": 16,
        "precision": "bf16",
        "effort": "quick",
        "repeats": 9,
        "images_per_epoch": 50_000,
    }
    skipped = []
    for name, value in others.items():
        measuring = Measuring()
        measure_all(CELLS[:1], replace(SETTINGS, **{name: value}), bench, measure=measuring, again=False)
        if measuring.asked != [CELLS[0].hash]:
            skipped.append(name)
    assert skipped == []


def test_another_device_is_measured_anew(bench, monkeypatch):
    measure_all(CELLS[:1], SETTINGS, bench, measure=Measuring())
    monkeypatch.setattr(batch.doctor, "devices", lambda: [batch.doctor.Device("cpu", "Another CPU", None)])
    measuring = Measuring()
    measure_all(CELLS[:1], SETTINGS, bench, measure=measuring, again=False)
    assert measuring.asked == [CELLS[0].hash]


def test_auto_is_the_first_device(monkeypatch):
    there = [batch.doctor.Device("cuda:0", "H100", "counter"), batch.doctor.Device("cpu", CPU, None)]
    monkeypatch.setattr(batch.doctor, "devices", lambda: there)
    assert [device_name(Settings(device=key)) for key in ("auto", "cuda:0", "cpu")] == ["H100", "H100", CPU]
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(Board(name="H100")))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(NoDevice, match="no GPU cuda:1; there is cuda:0 H100"):
        device_name(Settings(device="cuda:1"))
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(init=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    with pytest.raises(NoDriver):
        device_name(Settings(device="cuda:1"))


class TestFiles:
    def test_cells_are_read_line_by_line(self, tmp_path):
        path = tmp_path / "cells.txt"
        path.write_text(f"# mine\n{CELLS[0].hash}\n\n  {CELLS[1].to_json()}  \n")
        asked = []
        assert read_cells(path, lambda text: asked.append(text) or CELLS[0]) == CELLS[:2]
        assert asked == [CELLS[0].hash]

    def test_what_is_no_cell_is_named(self, tmp_path):
        path = tmp_path / "cells.txt"
        path.write_text('# mine\n\n{"matrix": [[0, 1], [1, 0]], "ops": ["input", "output"]}')
        with pytest.raises(InvalidSettings, match=r"cells\.txt, line 3: "):
            read_cells(path, lambda text: CELLS[0])

        def unknown(text):
            raise UnknownCell(text)

        path.write_text("0" * 32)
        with pytest.raises(InvalidSettings, match="line 1: 0000"):
            read_cells(path, unknown)

    def test_each_cell_is_read_once_and_asked_for_once(self, tmp_path):
        path = tmp_path / "cells.txt"
        path.write_text(f"\ufeff{CELLS[0].hash}\n{CELLS[0].hash}\n{CELLS[0].to_json()}\n{CELLS[1].to_json()}\n")
        asked = []
        assert read_cells(path, lambda text: asked.append(text) or CELLS[0]) == CELLS[:2]
        assert asked == [CELLS[0].hash]

    @pytest.mark.parametrize("content", [b"", b"# nothing\n\n", b"\xff\xfe\x00"])
    def test_a_file_without_cells_is_refused(self, tmp_path, content):
        path = tmp_path / "cells.txt"
        path.write_bytes(content)
        with pytest.raises(InvalidSettings, match=r"cells\.txt"):
            read_cells(path, lambda text: CELLS[0])

    def test_a_missing_file_is_refused(self, tmp_path):
        with pytest.raises(InvalidSettings, match="cannot be read"):
            read_cells(tmp_path / "none.txt", lambda text: CELLS[0])
