"""The Measure page without a browser: drawing, settings, a run in every state, results, a device's other cells."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from scipy.stats import kendalltau

from ecnas_core import Benchmark
from ecnas_core.benchmark import layout
from ecnas_core.cells import Cell
from ecnas_core.measure import doctor, store
from ecnas_core.measure.doctor import Device, Finding
from ecnas_core.measure.errors import DeviceFailed, MeasureError
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.runs import MEASUREMENT, START_S
from ecnas_core.runs import RunRunning, RunStore
from ecnas_core.surrogates import transfer
from tests.bundle import few_cells
from tests.made_up import CPU, GPU, KNEE, LEAN, NO_RAPL, MadeUpRun, measured, on_cpu, with_cpu

BEST = "ea9270f536a1f1094f446246dad4fe89"
DRAWN = "1=conv1x1(0) 2=maxpool3x3(0,1) 3=output(1,2)"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few_cells(tmp_path_factory.mktemp("small") / "data")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of the user's for all tests: the app keeps what it has read of the benchmark under it."""
    return tmp_path_factory.mktemp("user")


@pytest.fixture
def data(user: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder, empty before and after each test, over the small bundle."""
    monkeypatch.setenv("ECNAS_DATA", str(user))
    monkeypatch.setattr(layout, "BUNDLED", small)
    yield user
    for path in user.iterdir():
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def found_here() -> Iterator[tuple[list[Device], dict[str, Finding]]]:
    """What the machine has; the app keeps these very objects for a while, so tests change them in place."""
    devices: list[Device] = []
    findings: dict[str, Finding] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "devices", lambda: devices)
        patch.setattr(doctor, "examine", lambda: findings)
        st.cache_resource.clear()
        yield devices, findings
    st.cache_resource.clear()


@pytest.fixture
def machine(found_here: tuple[list[Device], dict[str, Finding]]) -> Callable[..., None]:
    """Give the machine other devices."""
    here, findings = found_here

    def has(*devices: Device, gpu: Finding | None = None) -> None:
        here[:] = devices
        findings["gpu"] = gpu or Finding(False, "no NVIDIA driver", "install it to measure a GPU")
        findings["cpu"] = Finding(False, f"{CPU}; no RAPL", "time can be measured all the same")

    has(Device("cpu", CPU, None, NO_RAPL))
    return has


@pytest.fixture
def with_gpu(machine) -> None:
    machine(Device("cuda:0", GPU, "counter"), Device("cpu", CPU, None, NO_RAPL), gpu=Finding(True, f"{GPU} (counter)"))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Settings, Path]]:
    """What was asked to be measured; no process begins."""
    calls: list[tuple[list[str], Settings, Path]] = []
    monkeypatch.setattr(
        RunStore, "start", lambda store, request: calls.append((list(request.hashes), request.settings, store.data))
    )
    return calls


def best(page, label: str) -> list[str]:
    """What is bold in the first row of that name."""
    row = next(row for block in page.blocks for row in block.split("<tr>") if f">{label}</th>" in row)
    return [cell.split("<")[0] for cell in row.split("class='best'>")[1:]]


def drawn_hash(page) -> str:
    return page.app.code[0].value


def load(page, template: str):
    """Draw a template."""
    next(each for each in page.app.menu_button if each.label == "Load").click(template)
    page.app.run()
    return page.works()


def choose(page, *names: str):
    """Choose measurements as in the table."""
    page.app.session_state["measure_chosen"] = list(names)
    page.app.run()
    return page.works()


@pytest.mark.usefixtures("machine")
class TestDrawing:
    def test_begins_with_the_knee_of_4v_and_what_the_benchmark_knows_of_it(self, open_page, data, truth, as_number):
        page = open_page("measure").works()
        cells = truth.cells("4V")
        knee = truth.knee(truth.front(cells))
        assert drawn_hash(page) == knee["hash"] == KNEE
        assert as_number(page.facts["Energy"][0]) == pytest.approx(knee["energy"], rel=6e-3)
        assert page.facts["Energy"][1] == "measured, 4V"
        assert page.facts["Validation accuracy"][0] == f"{knee['validation_accuracy']:.4f}"
        assert page.params == {}

    def test_templates_are_the_ends_and_the_knee_of_4v_and_7v(self, open_page, data, truth):
        page = open_page("measure").works()
        names = next(each for each in page.app.menu_button if each.label == "Load").options
        assert names == [
            f"{space} {role}"
            for space in ("4V", "7V")
            for role in ("rk, the knee", "r0, least energy", "r1, best accuracy")
        ]
        cells = truth.cells("7V")
        of_the_small_bundle = cells[cells["vertices"] <= 5]
        assert drawn_hash(load(page, "7V r1, best accuracy")) == truth.front(of_the_small_bundle).iloc[-1]["hash"]

    def test_the_answer_follows_the_budget_and_the_lens(self, open_page, data, truth, as_number):
        page = open_page("measure", unit="Wh").set("measure_epochs", 4).works()
        expected = truth.cell(KNEE, "4V", 4)["energy"] * 1000
        assert as_number(page.facts["Energy"][0]) == pytest.approx(expected, rel=6e-3)
        assert page.params == {"epochs": "4", "unit": "Wh"}

    def test_a_link_carries_drawing_list_and_settings(self, open_page, data):
        link = {
            "draw": DRAWN,
            "list": f"{LEAN}~{BEST}",
            "mode": "inference",
            "batch": "8",
            "precision": "bf16",
            "effort": "thorough",
            "repeats": "6",
            "images": "50000",
            "limit": "120.0",
            "epochs": "36",
        }
        page = open_page("measure", **link).works()
        assert drawn_hash(page) == Cell.from_text(DRAWN).hash
        assert page.app.multiselect(key="measure_cells").value == [LEAN, BEST]
        assert page.params == link

    def test_a_broken_link_opens_the_default_view_and_says_so(self, open_page, data):
        missed = []
        for wrong in (
            {"draw": "1=conv9x9(0) 2=output(1)"},
            {"list": "12"},
            {"batch": "many"},
            {"batch": "0"},
            {"section": "x"},
            {"epochs": "5"},
            {"device": "tpu"},
        ):
            page = open_page("measure", **wrong).works()
            told = [each for each in page.texts("warning") if each.startswith("The link could not be opened as it is")]
            if len(told) != 1 or drawn_hash(page) != KNEE or page.params != {}:
                missed.append((wrong, page.texts("warning"), page.params))
        assert not missed

    def test_no_cell_cannot_be_measured_and_that_is_said(self, open_page, data):
        page = open_page("measure", draw="1=conv3x3(0) 2=output()").works()
        assert "Not a cell yet: nothing reaches the output" in page.said
        assert page.button("measure_start").disabled
        assert page.button("measure_add").disabled
        assert "Draw a cell first." in page.texts("caption")
        assert page.params == {"draw": "1=conv3x3(0) 2=output()"}

    def test_what_is_too_long_to_be_pasted_is_told(self, open_page, data):
        page = open_page("measure").works()
        page.app.text_area(key="measure_editor_pasted").set_value("x" * 20_001)
        page.press("Draw it").works()
        assert page.texts("error") == ["This cannot be drawn: it is 20001 characters long; a cell takes at most 20000."]
        assert drawn_hash(page) == KNEE

    def test_the_cell_open_elsewhere_is_drawn(self, open_page, data):
        page = open_page("measure").go("explore").open(LEAN).go("measure").works()
        assert drawn_hash(page) == LEAN
        assert drawn_hash(page.press("Undo").works()) == KNEE
        page = open_page("learn").open(LEAN).go("measure").works()
        assert drawn_hash(page) == LEAN


class TestSettings:
    def test_without_a_gpu_the_cpu_is_offered_with_reason_and_remedy(self, open_page, data, machine, started):
        page = open_page("measure").works()
        said = page.said
        assert "**GPU** No NVIDIA driver. Install it to measure a GPU." in said
        assert "no RAPL. Time can be measured all the same." in said
        assert page.control("measure_device_key").options == [f"cpu, {CPU}"]
        assert page.control("measure_precision").options == ["fp32", "bf16"]
        page.press("measure_start").works()
        assert started == [([KNEE], Settings(effort="quick", device="cpu"), data)]

    @pytest.mark.usefixtures("with_gpu")
    def test_the_first_gpu_is_the_default(self, open_page, data, started):
        page = open_page("measure").works()
        assert page.control("measure_device_key").value == "cuda:0"
        assert page.control("measure_precision").options == ["fp32", "tf32", "bf16"]
        page.set("measure_precision", "tf32").set("measure_effort", "thorough").set("measure_batch", 64)
        page.press("measure_start").works()
        assert started[0][1] == Settings(precision="tf32", effort="thorough", batch_size=64, device="cuda:0")
        assert page.params == {"precision": "tf32", "effort": "thorough", "batch": "64"}
        page.set("measure_device_key", "cpu").works()
        assert page.control("measure_precision").value == "fp32"
        assert page.params["device"] == "cpu"

    def test_a_link_to_a_device_that_is_not_here_takes_the_one_that_is(self, open_page, data, machine):
        page = open_page("measure", device="cuda:3").works()
        assert page.control("measure_device_key").value == "cpu"
        assert page.texts("warning") == ["The link's device cuda:3 is not here; chosen is cpu."]
        assert not page.set("measure_epochs", 4).works().texts("warning")
        assert not open_page("measure").works().texts("warning")

    def test_impossible_settings_are_told_plainly(self, open_page, data, machine):
        page, missed = open_page("measure"), []
        for key, value, possible, reason in (
            ("batch", 5000, None, "batch=5000 is not possible; give a whole number, 1 to 4096."),
            ("repeats", 2, 8, "repeats=2 is not possible; give a whole number, 5 to 100."),
            ("limit", 0.0, 600.0, "limit=0.0 is not possible; give a number, 1 to 86400."),
        ):
            page.set(f"measure_{key}", value).works()
            told = page.texts("error"), page.texts("caption"), page.button("measure_start").disabled
            if reason not in told[0] or "The settings cannot be measured." not in told[1] or not told[2]:
                missed.append((key, told))
            page.set(f"measure_{key}", possible).works()
            assert not page.texts("error")
            assert not page.button("measure_start").disabled
        assert not missed

    def test_a_folder_of_images_is_measured_with_and_stays_out_of_the_link(self, open_page, data, machine, started):
        page = open_page("measure")
        page.app.text_input(key="measure_folder").set_value("/data/cifar")
        page.app.run()
        page.press("measure_start").works()
        assert started[0][1].images == Path("/data/cifar")
        assert page.params == {}

    def test_the_expected_duration_is_stated(self, open_page, data, machine):
        page = open_page("measure").works()
        assert "At least 18 s; longer where a step takes seconds, as on a CPU." in page.said
        page.set("measure_effort", "thorough").works()
        assert Settings(effort="thorough").seconds + START_S == 100
        assert "At least 100 s; longer where a step takes seconds, as on a CPU." in page.said
        page.press("measure_add").open(LEAN).press("measure_add").works()
        assert "At least 3.3 min; longer where a step takes seconds, as on a CPU." in page.said


@pytest.mark.usefixtures("machine")
class TestList:
    def test_cells_are_added_measured_in_order_and_taken_off(self, open_page, data, started):
        page = open_page("measure", draw=DRAWN).press("measure_add").works()
        assert page.button("measure_add").disabled
        load(page, "4V r1, best accuracy").press("measure_add").works()
        hashes = [Cell.from_text(DRAWN).hash, BEST]
        assert page.params["list"] == "~".join(hashes)
        page.press("measure_start").works()
        assert page.button("measure_start").label == "Measure 2 cells"
        assert started[0][0] == hashes
        page.app.multiselect(key="measure_cells").set_value([BEST])
        page.app.run()
        assert page.works().params["list"] == BEST
        page.app.multiselect(key="measure_cells").set_value([])
        page.app.run()
        assert "list" not in page.works().params
        assert page.button("measure_start").label == "Measure this cell"

    def test_survives_other_sections(self, open_page, data):
        page = open_page("measure", list=LEAN).set("measure_section", "results").works()
        assert page.params == {"section": "results", "list": LEAN}
        page.set("measure_section", "measure").works()
        assert page.app.multiselect(key="measure_cells").value == [LEAN]

    def test_starting_forgets_the_run_before(self, open_page, data, started):
        run = MadeUpRun(data).device().outcome("out_of_memory", reason="too large; try less").ended("done")
        open_page("measure").press("measure_start").works()
        assert len(started) == 1
        assert not run.folder.exists()

    def test_what_hinders_the_start_is_told(self, open_page, data, monkeypatch):
        def locked(*_):
            raise RunRunning("a measurement is running; wait for it or cancel it")

        monkeypatch.setattr(RunStore, "start", locked)
        page = open_page("measure").press("measure_start").works()
        assert "A measurement is running; wait for it or cancel it." in page.texts("error")


def timeline(page) -> str:
    return next(block.value for block in page.app.get("html") if "ol class='timeline'" in block.value)


def present(page) -> str:
    """The label of the phase that is marked as the present one."""
    return timeline(page).split("aria-current=step")[1].split("class='label'>")[1].split("<")[0]


@pytest.mark.usefixtures("with_gpu")
class TestLive:
    PHASES = (("idle", 4), ("warm-up", 11), ("calibrate", 24), ("repeat", 25), ("settle", 90), ("idle after", 95))
    LABELS = ("Start", "Idle before", "Warm up", "Calibrate", "Repeats", "Settle", "Idle after")

    def test_every_phase(self, open_page, data):
        """Of runs one after the other, each as far as the next phase."""
        page, missed = open_page("measure"), []
        for place, elapsed in enumerate((3, 8, 20, 24.5, 40, 92, 98)):
            run = MadeUpRun(data, elapsed=elapsed).device()
            for name, t in self.PHASES[:place]:
                run.phase(name, t, 6)
            with run.running():
                page.app.run()
            page.works()
            shown = [present(page), *(timeline(page).count(f"class='{state}'") for state in ("done", "waiting"))]
            if shown != [self.LABELS[place], place, 6 - place]:
                missed.append((place, shown))
            assert page.button("measure_start").disabled
            assert "A measurement is running: wait for it, or cancel it." in page.texts("caption")
            shutil.rmtree(run.folder)
        assert not missed

    def test_power_temperature_and_repeats(self, open_page, data):
        run = MadeUpRun(data, KNEE, LEAN).device().outcome("measured", measured(hash=KNEE))
        run.tell("device", 1, 1, name=GPU, power_limit_w=700.0).tell("phase", 30, 1, phase="repeat", seconds=64)
        run.tell("sample", 31, 1, power_w=412.0, temperature_c=51.0, sm_clock_mhz=1980.0, slowed_by=[])
        for number, joules in ((1, 9.0), (2, 11.0)):
            run.tell(
                "repeat",
                30 + 8 * number,
                1,
                repeat=number,
                of=8,
                seconds_per_step=0.02,
                joules_per_step={"nvml:0": joules},
            )
        with run.running():
            page = open_page("measure").works()
        assert page.headline == "Measuring cell 2 of 2** `043721b9` on Made-up H100: training step, fp32, thorough"
        assert page.facts["Power"] == ("412\u00a0W", "limit 700\u00a0W")
        assert page.facts["Temperature"][0] == "51.0\u00a0°C"
        assert page.facts["Repeats"][0] == "2 of 8"
        assert page.facts["Repeats"][1].startswith("vary by 14.1")
        assert page.facts["Time left"][1] == "for 2 cells"
        assert page.figure("measuring_power")["data"][0]["y"] == [412.0]
        assert page.figure("measuring_repeats")["data"][1]["y"] == [9.0, 11.0]

    def test_on_the_cpu_the_repeats_seconds_and_what_cannot_be_counted(self, open_page, data):
        run = MadeUpRun(data).device(CPU).tell("no counter", 4, component="cpu", state="no_counter", reason=NO_RAPL)
        run.tell("no counter", 4, component="dram", state="no_counter", reason=NO_RAPL).phase("warm-up", 4, 2)
        run.phase("repeat", 6, 3).repeat(1, 7, 0.25).repeat(2, 8, 0.25)
        with run.running():
            page = open_page("measure").works()
        assert page.figure("measuring_repeats")["data"][1]["y"] == [0.25, 0.25]
        assert not [chart for chart in page.app.get("plotly_chart") if chart.proto.id.endswith("-measuring_power")]
        assert sum("RAPL energy counter under" in caption for caption in page.texts("caption")) == 1

    def test_is_cancelled_from_any_tab(self, open_page, data):
        run = MadeUpRun(data).device()
        with run.running():
            page, other = open_page("measure").works(), open_page("measure").works()
            other.press("measure_cancel").works()
            assert (run.folder / "cancel").exists()
            page.app.run()
            assert page.button("measure_cancel").disabled
            assert page.facts["Time left"][0] == "cancelling"

    def test_the_page_is_drawn_anew_once_it_has_ended(self, open_page, data):
        run = MadeUpRun(data).device()
        with run.running():
            page = open_page("measure").works()
        run.outcome("measured", measured()).ended("done")
        page.app.run()
        assert "measure_cancel" not in page.works().button_keys
        assert not page.button("measure_start").disabled
        assert "**Done**: measured and stored." in page.texts("markdown")


@pytest.mark.usefixtures("with_gpu")
class TestEnds:
    def test_each_failure_is_named_with_reason_and_remedy(self, open_page, data):
        page, missed = open_page("measure"), []
        named = {error.state for error in MeasureError.__subclasses__()} - {"cancelled", "died", "unknown_measurement"}
        for state in sorted(named):
            run = MadeUpRun(data).device().outcome(state, reason="this was wrong; do that")
            run.ended("failed", "this was wrong; do that")
            page.app.run()
            errors = page.works().texts("error")
            if [error.split("** ")[1] for error in errors] != ["This was wrong; do that."] or errors[0].startswith(
                "**The measurement failed."
            ):
                missed.append((state, errors))
            assert {"measure_again", "measure_close"} <= page.button_keys
            shutil.rmtree(run.folder)
        assert not missed

    def test_cancelled(self, open_page, data):
        MadeUpRun(data).device().outcome("cancelled", reason="the measurement was cancelled").ended("cancelled")
        page = open_page("measure").works()
        assert page.texts("info") == ["Cancelled: the device is free again, and what was measured before is kept."]
        assert not page.texts("error")

    def test_died(self, open_page, data):
        MadeUpRun(data).device().phase("idle", 4)
        page = open_page("measure").works()
        assert page.texts("error") == [
            "**The measuring process died.** Its process was ended from outside (killed, for want of memory, or by a "
            "restart of the machine); start it again."
        ]

    def test_a_run_that_cannot_be_read_is_told_and_closed(self, open_page, data):
        page, missed = open_page("measure"), []
        for line in (
            "[1]",
            '{"x": 1}',
            '{"event": "ended", "state": "weird"}',
            f'{{"event": "outcome", "cell": 0, "at": 1, "hash": "{LEAN}", "state": "measured", "reason": null, '
            '"measurement": {"x": 1}}',
        ):
            run = MadeUpRun(data).device()
            with (run.folder / "events.jsonl").open("a") as events:
                events.write(line + "\n")
            page.set("measure_section", "results").works().set("measure_section", "measure").works()
            (told,) = page.texts("error")
            if not (
                told.startswith("**What became of a measurement is not known.** ")
                and "cannot be read as a measurement" in told
                and told.endswith("; repair or remove it.")
                and "died" not in page.said.lower()
            ):
                missed.append((line, told))
            page.press("measure_close").works()
            assert not run.folder.exists()
        assert not missed

    def test_closed_in_another_tab_is_closed(self, open_page, data):
        run = MadeUpRun(data).device().outcome("out_of_memory", reason="too large; try less").ended("done")
        page = open_page("measure").works()
        run.store.dismiss(run.folder.name)
        page.press("measure_close").works()
        assert "measure_close" not in page.button_keys
        assert not page.texts("error")

    def test_one_of_several_does_not_fit(self, open_page, data, started):
        run = MadeUpRun(data, KNEE, BEST, LEAN).device().outcome("measured", measured(hash=KNEE))
        run.outcome("out_of_memory", cell=1, reason="does not fit; try a batch of 128")
        run.outcome("measured", measured("d" * 12), cell=2).ended("done")
        page = open_page("measure").works()
        assert page.texts("error") == ["**Out of memory.** Cell `ea9270f5`: Does not fit; try a batch of 128."]
        assert "2 of 3 measured" in page.said
        rows = next(table for table in page.tables if table[0][0] == "Cell")
        assert [(row[0], row[3]) for row in rows[1:]] == [
            ("3407944b", "stable"),
            ("ea9270f5", "Out of memory"),
            ("043721b9", "stable"),
        ]
        page.press("measure_again").works()
        assert started[0][0] == [BEST]

    def test_closing_forgets_the_run_and_keeps_what_it_measured(self, open_page, data):
        store.save(measured(), data)
        run = MadeUpRun(data).device().outcome("measured", measured()).ended("done")
        page = open_page("measure").press("measure_close").works()
        assert not run.folder.exists()
        assert "measure_close" not in page.button_keys
        assert len(store.measurements(Benchmark.open(data))) == 1

    def test_several_go_on_to_be_compared(self, open_page, data):
        found = [measured("a" * 12, hash=KNEE), measured("d" * 12)]
        run = MadeUpRun(data, KNEE, LEAN).device()
        for number, each in enumerate(found):
            store.save(each, data)
            run.outcome("measured", each, cell=number)
        run.ended("done")
        page = open_page("measure").press("measure_compare").works()
        assert page.params == {"section": "results", "results": f"{'a' * 12}~{'d' * 12}"}
        assert "Side by side" in page.texts("header")

    def test_the_estimate_is_labelled_and_not_stored(self, open_page, data, machine):
        machine(Device("cpu", CPU, None, NO_RAPL))
        estimate = {
            "cpu": CPU,
            "cpu_power_w": 60.0,
            "cpu_energy_j_per_step": 30.0,
            "assumption": "carbontracker's: half of the CPU's TDP, whatever it does; an estimate",
        }
        store.save(on_cpu(), data)
        MadeUpRun(data).device(CPU).outcome("measured", on_cpu(), estimate=estimate).ended("done")
        page = open_page("measure").works()
        told = page.texts("warning")[0].replace("\u00a0", " ")
        assert told.startswith(
            "**An estimate, not measured and not stored**: 30.0 J a step, if the Made-up EPYC takes 60.0 W"
        )
        assert page.facts["An epoch"] == ("42\u00a0min", "energy unknown")
        stored = store.measurements(Benchmark.open(data))[0]
        assert stored.cpu_energy_j_per_step is None
        assert "its energy could not be measured" in page.said
        RunStore(MEASUREMENT, data).dismiss("1-madeup")
        page = open_page("measure", section="results").works()
        assert not page.texts("warning")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four measurements: of two cells, of inference, on the CPU; the latest last."""
    found = [
        measured("1" * 12),
        with_cpu("2" * 12, hash=KNEE, flags="quick,unstable", stable=False, effort="quick"),
        measured("3" * 12, mode="inference"),
        on_cpu("4" * 12),
    ]
    folder = tmp_path_factory.mktemp("kept")
    for number, each in enumerate(found):
        later = each.measured_at + timedelta(hours=number)
        store.save(type(each).from_document(each.to_document() | {"measured_at": later.isoformat()}), folder)
    return folder


@pytest.fixture
def stored(data: Path, kept: Path) -> Path:
    """The folder with the four, their times of change as well: to the app it is the same as in the test before."""
    shutil.copytree(kept, data, dirs_exist_ok=True)
    return data


def digits(data: Path) -> set[str]:
    """What the stored measurements are called, each by its first digit."""
    return {each.measurement[0] for each in store.measurements(Benchmark.open(data))}


def side_by_side(open_page, *names: str):
    """The results at a link to measurements, each named by its digit."""
    return open_page("measure", section="results", results="~".join(name * 12 for name in names)).works()


@pytest.mark.usefixtures("with_gpu", "stored")
class TestResults:
    def test_a_link_to_what_is_gone_shows_the_latest_and_lists_all(self, open_page):
        page = open_page("measure", section="results", results=f"{'f' * 12}~{'e' * 12}").works()
        assert page.texts("warning") == ["2 measurements of the link are not here."]
        assert page.params == {"section": "results"}
        table = page.app.dataframe[0].value
        assert list(table["Hash"]) == ["043721b9", "043721b9", "3407944b", "043721b9"]
        assert list(table["Mode"]) == ["Training step", "Inference", "Training step", "Training step"]
        assert table["J a step"].tolist()[1:] == [32.0, 32.0, 32.0]
        assert pd.isna(table["J a step"][0])
        assert list(table["CV"]) == [0.004, 0.006, 0.006, 0.006]
        assert table["Measured (UTC)"].iloc[0] == datetime(2026, 1, 2, 6, 4)
        assert f"Cell 043721b9 on {CPU}" in page.texts("header")

    def test_a_card_in_words_and_numbers(self, open_page):
        page = open_page("measure", section="results", results="1" * 12).works()
        assert page.headline.replace("\u00a0", " ") == (
            f"Your {GPU} needs 1.39 Wh for an epoch of this cell (GPU alone), more than on the RTX 3090, the hungriest of "
            "the benchmark's GPUs here."
        )
        assert page.facts["An epoch"] == ("1.39\u00a0Wh", "GPU")
        assert page.facts["An image"][0] == "125\u00a0mJ"
        assert page.facts["Mean power"][0] == "320\u00a0W"
        assert page.facts["Repeats"][0] == "stable"
        assert "The CPU's energy was not measured, so the scope Facility of the lens is not known." in page.said
        tables = {table[0][0]: table for table in page.tables}
        assert [row[0] for row in tables["Epochs"][1:]] == ["4", "12", "36", "108"]
        assert {"carbontracker", "Driver", "GPU, a step"} <= {row[0] for table in page.tables for row in table}
        assert page.params == {"section": "results", "results": "1" * 12}
        labels = [element.proto.label for element in page.app.get("download_button")]
        assert [labels.count(each) for each in ("CSV", "Parquet", "JSON", "HTML")] == [3, 3, 2, 1]

    def test_a_card_beside_the_benchmark_and_as_python(self, open_page, capsys):
        page = open_page("measure", section="results", results="2" * 12).works()
        values = {trace["y"][0]: trace["x"][0] for trace in page.figure("measure_beside_picture")["data"]}
        assert values["<b>yours</b>"] == pytest.approx(40 * 40_000 / 256 * 4 / 3.6e6 * 1.59)
        page.set("measure_beside", 108).works()
        values = {trace["y"][0]: trace["x"][0] for trace in page.figure("measure_beside_picture")["data"]}
        assert values["<b>yours</b>"] == pytest.approx(40 * 40_000 / 256 * 108 / 3.6e6 * 1.59)
        assert page.params["beside"] == "108"
        said = page.said
        assert "**Quick**: short windows: repeat it thoroughly before relying on it." in said
        assert "**Unstable**: the repeats vary by more than 3 %." in said
        assert page.facts["Repeats"][0] == "not stable"
        codes = [code.value for code in page.app.code]
        assert f"python -m ecnas_core measure {KNEE} --quick --batch-size 256" in codes
        source = next(code for code in codes if "import measure\n" in code)
        compile(source, "copied", "exec")
        assert "Settings(effort='quick', batch_size=256)" in source
        exec(next(code for code in codes if "benchmark_reference.entries" in code), {})
        assert "Quadro RTX 6000" in capsys.readouterr().out

    def test_the_lens_applies(self, open_page):
        page = open_page("measure", section="results", results="2" * 12, scope="IT", unit="kgCO2eq", grid="500").works()
        grams = 40 * 40_000 / 256 / 3.6e6 * 500
        assert page.facts["An epoch"] == (f"{grams:.3f}\u00a0gCO2eq", "IT")

    def test_time_alone_leads_with_the_time_of_an_epoch(self, open_page, stored):
        store.save(on_cpu("5" * 12, batch_size=1), stored)
        page = open_page("measure", section="results", results="5" * 12).works()
        assert page.facts["An epoch"] == ("5.6\u00a0h", "energy unknown")
        assert page.facts["An image"][0] == "500\u00a0ms"
        assert page.facts["A step"] == ("500\u00a0ms", "1 image")
        assert "Mean power" not in page.facts
        assert ["Epochs", "Time", "95 % interval"] in [table[0] for table in page.tables]

    def test_another_epoch_is_told_and_where_4v_was_measured(self, open_page, stored):
        store.save(with_cpu("5" * 12, images_per_epoch=10_000), stored)
        page = open_page("measure", section="results", results="5" * 12).works()
        said = page.said
        assert "An epoch has 10 000 images here, as measured; beside the benchmark it is brought to the 40 000" in said
        assert "4V's own measurements were made on the Quadro RTX 6000." in said
        values = {trace["y"][0]: trace["x"][0] for trace in page.figure("measure_beside_picture")["data"]}
        assert values["<b>yours</b>"] == pytest.approx(40 * 40_000 / 256 * 4 / 3.6e6 * 1.59)

    def test_inference_and_time_alone_have_nothing_beside_them(self, open_page):
        page = open_page("measure", section="results", results="3" * 12).works()
        assert any("The benchmark knows trainings alone" in info for info in page.texts("info"))
        assert "40\u202f000 images" in page.facts
        page = choose(page, "4" * 12)
        assert any("Without an energy there is nothing to set beside" in info for info in page.texts("info"))

    def test_several_side_by_side_the_least_in_bold(self, open_page):
        page = side_by_side(open_page, "1", "2")
        table = {row[0]: row[1:] for row in page.tables[0]}
        assert table[""] == ["043721b9", "3407944b"]
        assert table["Energy of an epoch, GPU"] == ["1.39\u00a0Wh", "1.39\u00a0Wh"]
        assert table["Precision"] == ["fp32", "fp32"]
        assert table["Effort"] == ["thorough", "quick, not stable"]
        page = choose(page, "1" * 12, "4" * 12)
        assert page.tables[0][1][0] == "Energy of an epoch"

    def test_scopes_that_differ_are_named_and_nothing_is_the_least(self, open_page, stored):
        store.save(on_cpu("5" * 12, cpu_energy_j_per_step=3.0, batch_size=256), stored)
        page = side_by_side(open_page, "1", "5")
        table = {row[0]: row[1:] for row in page.tables[0]}
        assert [each.rpartition(", ")[2] for each in table["Energy of an epoch"]] == ["GPU", "Facility"]
        assert any("No scope is known of all" in caption for caption in page.texts("caption"))
        assert best(page, "Energy of an epoch") == best(page, "Energy, a step") == []
        assert best(page, "Time, a step") == ["100\u00a0ms"]

    def test_the_least_is_bold_among_like_measurements_alone(self, open_page, stored):
        store.save(measured("5" * 12, gpu_energy_j_per_step=16.0), stored)
        store.save(measured("6" * 12, images_per_epoch=10_000), stored)
        store.save(measured("7" * 12, batch_size=128), stored)
        page = side_by_side(open_page, "1", "5")
        assert best(page, "Energy, a step") == ["16.0\u00a0J"]
        page = choose(page, "1" * 12, "6" * 12)
        assert best(page, "Energy of an epoch of its own, GPU") == best(page, "Time, an epoch of its own") == []
        assert any("These differ in images in an epoch" in caption for caption in page.texts("caption"))
        table = {row[0]: row[1:] for row in page.tables[0]}
        assert table["Images in an epoch"] == ["40\u202f000", "10\u202f000"]
        page = choose(page, "1" * 12, "7" * 12)
        assert best(page, "Energy, a step") == []
        assert any("These differ in batch size" in caption for caption in page.texts("caption"))

    def test_at_most_four_are_compared(self, open_page, stored):
        store.save(measured("5" * 12), stored)
        page = side_by_side(open_page, *"12345")
        assert len(page.tables[0][0]) == 5
        assert "5 are chosen; the first 4 are compared." in page.texts("caption")
        assert page.params["results"].count("~") == 3

    def test_deleted_and_brought_back_here_or_in_another_tab(self, open_page, stored):
        page = side_by_side(open_page, "1", "3").press("measure_delete").works()
        assert page.button("measure_delete").disabled
        assert digits(stored) == {"2", "4"}
        assert page.button("measure_restore").label == "Undo: bring back 2 measurements"
        page.press("measure_restore").works()
        assert digits(stored) == {"1", "2", "3", "4"}
        assert page.params["results"] == f"{'1' * 12}~{'3' * 12}"

        choose(page, "1" * 12, "2" * 12, "3" * 12)
        store.remove("2" * 12, stored)
        page.press("measure_delete").works()
        assert page.texts("error")[0].startswith("There is no measurement '222222222222'")
        assert page.button("measure_restore").label == "Undo: bring back 1 measurement"
        page.press("measure_restore").works()
        assert digits(stored) == {"1", "3", "4"}

        page.press("measure_delete").works()
        store.restore("1" * 12, stored)
        page.press("measure_restore").works()
        assert page.texts("error")[0].startswith("There is no measurement '111111111111'")
        assert "measure_restore" not in page.button_keys

    def test_foreign_and_broken_files_are_left_out_and_named(self, open_page, stored):
        store.save(measured("5" * 12, hash="0" * 32), stored)
        store.save(measured("6" * 12, mode="sleep"), stored)
        (stored / "measurements" / "odd.parquet").write_text("no Parquet")
        page = open_page("measure", section="results").works()
        assert "4 measurements" in page.texts("header")
        told = " ".join(page.texts("warning"))
        assert "The file 555555555555.parquet is left out: no cell has the hash" in told
        assert "The file 666666666666.parquet is left out: its mode is 'sleep'" in told
        assert "The file odd.parquet is left out: not a readable Parquet file" in told


@pytest.mark.usefixtures("with_gpu")
def test_with_nothing_measured_says_what_to_do_and_the_last_one_can_be_brought_back(open_page, data):
    store.save(measured(), data)
    page = side_by_side(open_page, "a").press("measure_delete").works()
    assert page.texts("info") == [
        "Nothing is measured yet. Draw a cell under Measure and start: every measurement is kept here."
    ]
    page.press("measure_restore").works()
    assert digits(data) == {"a"}


@pytest.mark.usefixtures("with_gpu")
class TestThisDevice:
    def test_the_cells_that_tell_most_fill_the_list(self, open_page, data):
        page = open_page("measure", section="device").works()
        assert f"measured on your {GPU}" in page.said
        for k in (5, 10):
            page.set("measure_section", "device").set("measure_k", k).press("measure_propose").works()
            expected = transfer.propose(Benchmark.open(data), "4V", k)
            assert page.app.multiselect(key="measure_cells").value == expected
            assert page.button("measure_start").label == f"Measure {k} cells"
            assert page.params["list"] == "~".join(expected)

    def test_too_few_are_told(self, open_page, data):
        store.save(measured(), data)
        store.save(measured("b" * 12), data)
        page = open_page("measure", section="device").works()
        assert page.texts("info")[0].startswith("1 of at least 3 cells are measured on this device, 5 are better.")

    def test_from_three_on_all_of_4v_are_predicted(self, open_page, data, capsys):
        """A device that needs half of the Titan Xp's GPU energy, whose five proposed cells are measured."""
        bench = Benchmark.open(data)
        cells = transfer.propose(bench, "4V", 5)
        joules = {
            row["hash"]: row["gpu_energy_j"] / 2 / 4 / 40_000 * 256
            for row in bench.rows(
                "select hash, gpu_energy_j from results where source = 'energy_4V9E_titanxp.tfrecord' and epochs = 4"
            )
        }
        for number, digest in enumerate(cells):
            store.save(measured(f"{number:012x}", hash=digest, gpu_energy_j_per_step=joules[digest]), data)
        store.save(measured("e" * 12, hash=LEAN, gpu_energy_j_per_step=900.0, precision="bf16"), data)
        store.save(measured("f" * 12, hash=LEAN, gpu_energy_j_per_step=900.0, mode="inference"), data)
        page = open_page("measure", section="device").works()
        assert page.control("measure_calibrated").options == [f"{GPU}, fp32, batch 256", f"{GPU}, bf16, batch 256"]
        predicted, known = page.figure("measure_device")["data"]
        truth = pd.DataFrame({"hash": cells, "energy": [joules[each] * 625 / 3.6e6 for each in cells]})
        expected = transfer.calibrate(bench, truth, "4V").predict().set_index("hash")["energy"]
        assert predicted["y"] == pytest.approx(sorted(expected))
        assert sorted(known["y"]) == pytest.approx(sorted(truth["energy"]))
        assert f"5 measured cells tell the energy of all 91 cells of 4V on your {GPU}" in page.said
        assert "The scope Facility is not known of these measurements. Shown is GPU." in page.said
        tau = kendalltau(expected, pd.Series(joules).reindex(expected.index)).statistic
        assert page.facts["Like the Titan Xp"] == (f"{tau:.3f}", "Kendall's τ, 91 cells")
        exec(next(code.value for code in page.app.code if "calibrate" in code.value), {})
        assert "predicted" in capsys.readouterr().out
        page.press("measure_propose").works()
        assert set(page.app.multiselect(key="measure_cells").value).isdisjoint(cells)

    def test_a_scope_that_is_not_known_of_a_device_in_the_lens_is_told(self, open_page, data):
        """Of a GPU beside a CPU that no counter counts."""
        for number, digest in enumerate(transfer.propose(Benchmark.open(data), "4V", 3)):
            store.save(measured(f"{number:012x}", hash=digest, gpu_energy_j_per_step=30.0 + number), data)
        page = open_page("measure", section="device").works()
        page.press(f"lens_predict_{GPU}, fp32, batch 256").works()
        [told] = page.texts("warning")
        assert "In the scope Facility no page can show its energies" in told
        assert "Choose the scope GPU" in told
        page.set("lens_scope", "GPU").works()
        assert not page.texts("warning")

    def test_what_is_held_against_the_measurements_is_told(self, open_page, data):
        """Whatever the images of an epoch."""
        bench = Benchmark.open(data)
        for number, digest in enumerate(transfer.propose(bench, "4V", 5)):
            flags = "unstable" if number == 0 else "quick,busy" if number == 1 else ""
            images = 40_000 if number else 10_000
            store.save(measured(f"{number:012x}", hash=digest, flags=flags, images_per_epoch=images), data)
        page = open_page("measure", section="device").works()
        said = page.said
        assert "Of the 5 measurements that it rests on: 1 unstable, 1 busy, 1 quick." in said
        assert "though 2 of the measurements are in doubt" in said
        assert "epochs of other lengths" in said
        energies = [each for trace in page.figure("measure_device")["data"][1:] for each in trace["y"]]
        assert energies == pytest.approx([32 * 40_000 / 256 * 4 / 3.6e6] * 5)

    def test_a_cell_that_does_not_fit_the_others_is_drawn_hollow_and_named(self, open_page, data):
        bench = Benchmark.open(data)
        cells = transfer.propose(bench, "4V", 10)
        rows = bench.rows(
            "select hash, gpu_energy_j from results where source = 'energy_4V9E_titanxp.tfrecord' and epochs = 4"
        )
        joules = {row["hash"]: row["gpu_energy_j"] / 625 for row in rows}
        for number, digest in enumerate(cells):
            step = joules[digest] * (30 if number == 4 else 1)
            store.save(measured(f"{number:012x}", hash=digest, gpu_energy_j_per_step=step), data)
        page = open_page("measure", section="device").works()
        assert f"Drawn hollow, and not counted: `{cells[4][:8]}`" in page.said
        assert page.headline.startswith("9 measured cells tell")
        assert page.figure("measure_device")["data"][2]["name"] == "does not count (1)"

    def test_without_energies_there_is_nothing_to_predict(self, open_page, data):
        for number, digest in enumerate((LEAN, KNEE, BEST)):
            store.save(on_cpu(f"{number:012x}", hash=digest), data)
        page = open_page("measure", section="device").works()
        assert page.texts("info")[0].startswith("The energy of too few of these measurements is known")


def test_stored_measurements_are_exported_as_they_are(open_page, stored, with_gpu):
    """What the JSON button writes is read back as the same measurements."""
    found = store.measurements(Benchmark.open(stored))
    document = json.loads(json.dumps([each.to_document() for each in found]))
    assert [type(each).from_document(row) for each, row in zip(found, document, strict=True)] == found


def test_a_gpu_that_does_not_answer_leaves_the_cpu(open_page, data, machine, monkeypatch):
    """The last one: what the app has found of the machine is forgotten for it."""

    def fails():
        raise DeviceFailed("it does not answer; see nvidia-smi")

    monkeypatch.setattr(doctor, "devices", fails)
    st.cache_resource.clear()
    page = open_page("measure").works()
    assert [option.partition(",")[0] for option in page.control("measure_device_key").options] == ["cpu"]
    st.cache_resource.clear()
