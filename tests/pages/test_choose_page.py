"""The Choose page: what somebody says moves the answer, held against the figures in the Parquet files."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from msgspec.structs import replace

from ecnas_core import Benchmark
from ecnas_core.analysis import hardware
from ecnas_core.analysis.needs import PRESETS
from ecnas_core.surrogates import devices
from pages.widgets import choose_needs

CLOSE = 6e-3


def choose(open_page, **params):
    return open_page("choose", **params).works()


def without_weights(params):
    return {key: value for key, value in params.items() if not key.startswith("weight_")}


def qualifying(truth, space, **limits):
    cells = truth.cells(space)
    kept = cells[cells["validation_accuracy"] >= limits.get("accuracy", 0)]
    return kept[(kept["energy"] <= limits.get("energy", 9)) & (kept["parameters"] <= limits.get("parameters", 99))]


class TestAnswer:
    @pytest.mark.usefixtures("whole_7v")
    def test_opens_with_the_paper_s_knee_whatever_a_broken_link_says(self, open_page, truth):
        page = choose(open_page, min_accuracy="2")
        knee = truth.knee(truth.front(truth.cells()))
        assert page.headline.replace("\u202f", " ").startswith("All 423 615 cells qualify")
        assert f"take cell {knee['hash'][:8]}: accuracy {knee['validation_accuracy']:.4f}" in page.headline
        assert any("The link could not be opened as it is" in text for text in page.texts("warning"))
        assert page.params == {}

    def test_limits_by_control_and_by_link_are_the_same_and_outlive_other_pages(self, open_page, truth):
        page = choose(open_page, space="4V", max_energy_kwh="0.6")
        page.set("choose_min_accuracy", 0.92).set("choose_max_parameters", 8.0)
        kept = qualifying(truth, "4V", energy=0.6, accuracy=0.92, parameters=8)
        assert page.works().headline.startswith(f"{len(kept)} of 91 cells qualify")
        params = page.params
        assert params == {"space": "4V", "max_energy_kwh": "0.6", "min_accuracy": "0.92", "max_parameters": "8000000.0"}
        best = kept.loc[kept["validation_accuracy"].idxmax()]
        assert f"cell `{best['hash'][:8]}`" in page.said
        by_link = choose(open_page, **params)
        assert (by_link.headline, by_link.params) == (page.headline, params)
        assert by_link.go("scaling").go("choose").works().params == params

    def test_presets(self, open_page, monkeypatch):
        """Each in 4V, where none of them takes seconds."""
        small = {name: replace(view, task=replace(view.task, space="4V")) for name, view in PRESETS.items()}
        monkeypatch.setattr(choose_needs, "PRESETS", small)
        page = choose(open_page, space="5V", min_accuracy="0.5")
        for name, view in small.items():
            found = page.press(f"choose_preset_{name}").works().params
            expected = view.to_params()
            assert without_weights(found) == without_weights(expected), name

    def test_weights_move_the_choice(self, open_page, truth):
        page = choose(open_page, space="5V").set("choose_weight_energy", 0.0).works()
        best = truth.cells("5V").loc[lambda cells: cells["validation_accuracy"].idxmax(), "hash"]
        assert f"take cell {best[:8]}" in page.headline
        assert page.params["weight_energy"] == "0.0"
        page.set("choose_weight_accuracy", 0.0).works()
        assert any("say nothing" in text for text in page.texts("warning"))

    def test_a_link_s_limits_are_kept_however_strict(self, open_page):
        limits = {"min_accuracy": "0.999999", "max_energy_kwh": "1e-09", "max_parameters": "0.5"}
        page = choose(open_page, space="4V", **limits)
        assert page.headline == "No cell of 4V keeps all limits."
        assert {name: float(page.params[name]) for name in limits} == {
            name: pytest.approx(float(value), rel=1e-12) for name, value in limits.items()
        }

    def test_limits_below_a_millionth_for_tiny_tasks(self, open_page, truth):
        page = choose(open_page, space="4V", images="1", size="8", classes="2", max_energy_kwh="6e-07")
        assert " of 91 cells qualify" in page.headline
        assert not page.headline.startswith("All")

    def test_an_unknown_energy_and_an_unknown_time_are_said(self, open_page):
        page = choose(open_page, epochs="4", predicted="0", scope="GPU")
        assert any("facility or IT" in text for text in page.texts("info"))
        page.set("lens_scope", "facility").works()
        assert "<small>unknown</small>" in page.said


class TestShortList:
    def test_is_told_priced_shaken_and_taken_along(self, open_page, truth, as_number):
        page = choose(open_page, space="5V", max_energy_kwh="0.6", min_accuracy="0.92", trainings="200")
        for part in (
            "Costs you least by your weights",
            "Takes the least energy",
            "Has the highest accuracy",
            "**Gives up**",
            "**How sure**",
            "mean of 3 trainings",
            "Yours against the most accurate cell of all",
        ):
            assert part in page.said, part
        assert page.facts["Accuracy"][1] in ("published", "predicted")
        assert "km in a new car" in page.facts
        assert "linear in the multiply-adds" not in page.said.split("How is this")[0]

        rows = next(table for table in page.tables if table[0][0] == "Cell")
        cells = truth.cells("5V").set_index(truth.cells("5V")["hash"].str[:8])
        for row in rows[1:]:
            cell = cells.loc[row[0][:8]]
            assert as_number(row[2]) == pytest.approx(cell["energy"], rel=CLOSE)
            assert as_number(row[5]) == pytest.approx(200 * cell["energy"], rel=CLOSE)
        assert rows[-1][0].endswith(", most accurate of all")

        codes = page.texts("code")
        assert any("class Network(nn.Module)" in code for code in codes)
        made = next(code for code in codes if "bundle.write" in code)
        digest = made.split('Benchmark.open(), "')[1][:32]
        assert digest[:8] in page.headline
        namespace: dict = {}
        exec(
            compile(
                made.replace("bundle.write(files", "zipped = bundle.zipped(files").replace("Path(", "str("),
                "made",
                "exec",
            ),
            namespace,
        )
        with zipfile.ZipFile(io.BytesIO(namespace["zipped"])) as archive:
            spec = json.loads(archive.read(f"ec-nas-{digest[:8]}/spec.json"))
        assert spec["hash"] == digest

        stays = {row[0]: row for row in page.tables[0]}
        assert stays["Weight of energy against accuracy"][2] == "now 50%"
        assert "at most 0.600" in stays["Energy of a training"][2]
        assert len(page.figure("choose_moved")["data"]) == 2
        page.set("choose_varied", "parameters").works()
        assert page.params["varied"] == "parameters"
        assert "As the limit on parameters moves" in page.said

    def test_of_another_task_states_its_assumptions_and_a_card_opens_below(self, open_page):
        page = choose(open_page, space="4V", images="5000", size="64")
        for part in ("linear in the images", "linear in the multiply-adds", "accuracy is that on CIFAR-10"):
            assert part in page.said
        opened = next(key for key in page.button_keys if str(key).startswith("choose_open_"))
        page.press(opened).works()
        assert any("Cell " in text for text in page.texts("header"))


class TestConflict:
    def test_what_binds_and_buttons_that_each_relax(self, open_page, truth):
        cells = truth.cells("4V")
        least = cells[cells["validation_accuracy"] >= 0.93]["energy"].min()
        for number in range(3):
            page = choose(open_page, space="4V", max_energy_kwh="0.2", min_accuracy="0.93")
            assert page.headline == "No cell of 4V keeps all limits."
            assert any("some each: energy of a training at most 0.200" in text for text in page.texts("warning"))
            labels = [text.value for text in page.app.markdown if text.value.endswith("more room)")]
            assert len(labels) == 3
            page.press(f"choose_relax_{number}").works()
            assert "qualif" in page.headline
            if "ccuracy" not in labels[number]:
                assert float(page.params["max_energy_kwh"]) == pytest.approx(least, rel=CLOSE)


class TestRather:
    def test_answers_set_the_weights(self, open_page):
        page = choose(open_page, space="4V")
        for _ in range(2):
            page.press("choose_rather_1").works()
        assert "2 answers" in page.said
        weights = {name: page.control(f"choose_weight_{name}").value for name in ("accuracy", "energy", "size")}
        assert max(weights.values()) == 2.0 and weights["size"] == 0
        page.press("choose_anew").works()
        assert "Three to five answers" in page.said


class TestDevice:
    def test_a_released_gpu_is_taken_into_the_lens_and_its_measured_cells_count(
        self, open_page, as_number, monkeypatch
    ):
        monkeypatch.setattr(devices, "SPACES", {"4V": 4})
        bench = Benchmark.open()
        try:
            page = choose(open_page, space="4V", epochs="4").set("choose_device", "Titan Xp").works()
            assert page.params["calibrated"] == "Titan Xp"
            assert page.control("lens_device").value == "Titan Xp"
            measured = hardware.measured_on(bench, "Titan Xp").set_index("hash")["energy_kwh"]
            digest = page.headline.split("cell ")[1][:8]
            (energy,) = measured[measured.index.str.startswith(digest)]
            assert as_number(page.headline.split(" for ")[1]) == pytest.approx(energy, rel=CLOSE)
            page.set("choose_device", "").works()
            assert "device" not in page.params
        finally:
            devices.remove(bench, "Titan Xp")
