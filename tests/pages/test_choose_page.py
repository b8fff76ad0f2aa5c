"""The Choose page: what somebody says moves the answer, held against the figures in the Parquet files."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import hardware
from ecnas_core.analysis.needs import PRESETS
from ecnas_core.surrogates import devices

CLOSE = 6e-3


def choose(open_page, **params):
    return open_page("choose", **params).works()


def qualifying(truth, space="5V", **limits):
    cells = truth.cells(space)
    kept = cells[cells["validation_accuracy"] >= limits.get("accuracy", 0)]
    return kept[(kept["energy"] <= limits.get("energy", 9)) & (kept["parameters"] <= limits.get("parameters", 99))]


class TestAnswer:
    def test_opens_with_the_paper_s_knee(self, open_page, truth):
        page = choose(open_page)
        knee = truth.knee(truth.front(truth.cells()))
        assert page.headline.replace("\u202f", " ").startswith("All 423 615 cells qualify")
        assert f"take cell {knee['hash'][:8]}: accuracy {knee['validation_accuracy']:.4f}" in page.headline
        assert page.params == {}

    def test_limits_by_control_and_by_link_are_the_same(self, open_page, truth):
        by_link = choose(open_page, space="5V", max_energy_kwh="0.6", min_accuracy="0.92", max_parameters="8000000.0")
        page = choose(open_page, space="5V")
        for key, value in (("max_energy_kwh", 0.6), ("min_accuracy", 0.92), ("max_parameters", 8.0)):
            page.set(f"choose_{key}", value)
        assert page.works().headline == by_link.headline
        kept = qualifying(truth, energy=0.6, accuracy=0.92, parameters=8)
        assert page.headline.startswith(f"{len(kept)} of 2\u202f532 cells qualify")
        assert page.params == by_link.params
        best = kept.loc[kept["validation_accuracy"].idxmax()]
        assert f"cell `{best['hash'][:8]}`" in page.said

    def test_cards_say_why_what_and_how_sure(self, open_page):
        page = choose(open_page, space="5V")
        for part in ("Costs you least by your weights", "Takes the least energy", "Has the highest accuracy",
                     "**Gives up**", "**How sure**", "mean of 3 trainings"):  # fmt: skip
            assert part in page.said, part
        assert page.facts["Accuracy"][1] in ("published", "predicted")

    @pytest.mark.parametrize("name", PRESETS)
    def test_presets(self, open_page, name):
        page = choose(open_page, space="4V", min_accuracy="0.5").press(f"choose_preset_{name}").works()
        expected = PRESETS[name].to_params()
        found = page.params
        assert {key: value for key, value in found.items() if not key.startswith("weight_")} == {
            key: value for key, value in expected.items() if not key.startswith("weight_")
        }

    def test_weights_move_the_choice(self, open_page, truth):
        page = choose(open_page, space="5V")
        page.set("choose_weight_energy", 0.0).works()
        best = truth.cells("5V").loc[lambda cells: cells["validation_accuracy"].idxmax(), "hash"]
        assert f"take cell {best[:8]}" in page.headline
        assert page.params["weight_energy"] == "0.0"
        page.set("choose_weight_accuracy", 0.0).works()
        assert any("say nothing" in text for text in page.texts("warning"))

    @pytest.mark.parametrize("limit", [{"min_accuracy": "0.999999"}, {"max_energy_kwh": "1e-09"},
                                       {"max_parameters": "0.5"}])  # fmt: skip
    def test_a_link_s_limit_is_kept_however_strict(self, open_page, limit):
        page = choose(open_page, space="4V", **limit)
        assert page.headline == "No cell of 4V keeps all limits."
        assert {name: float(page.params[name]) for name in limit} == {
            name: pytest.approx(float(value), rel=1e-12) for name, value in limit.items()
        }

    def test_limits_below_a_millionth_for_tiny_tasks(self, open_page):
        page = choose(open_page, images="1", size="8", classes="2", max_energy_kwh="2e-07")
        assert " of 423\u202f615 cells qualify" in page.headline
        assert not page.headline.startswith("All")

    def test_cells_without_a_time_where_predictions_are_hidden(self, open_page):
        page = choose(open_page, epochs="4", predicted="0")
        assert "<small>unknown</small>" in page.said

    def test_without_an_energy_it_is_said(self, open_page):
        page = choose(open_page, scope="GPU")
        assert any("facility or IT" in text for text in page.texts("info"))
        page.set("choose_space", "4V").works()
        assert "All 91 cells qualify" in page.headline


class TestConflict:
    def test_what_binds_and_a_button_that_relaxes(self, open_page, truth):
        page = choose(open_page, space="4V", max_energy_kwh="0.2", min_accuracy="0.93")
        assert page.headline == "No cell of 4V keeps all limits."
        assert any("some each: energy of a training at most 0.200" in text for text in page.texts("warning"))
        labels = [text.value for text in page.app.markdown if text.value.endswith("more room)")]
        assert len(labels) == 3
        cells = truth.cells("4V")
        least = cells[cells["validation_accuracy"] >= 0.93]["energy"].min()
        number = next(at for at, label in enumerate(labels) if "ccuracy" not in label)
        page.press(f"choose_relax_{number}").works()
        assert "qualif" in page.headline
        assert float(page.params["max_energy_kwh"]) == pytest.approx(least, rel=CLOSE)

    def test_every_relaxation_lets_something_qualify(self, open_page):
        for number in range(3):
            page = choose(open_page, space="4V", max_energy_kwh="0.2", min_accuracy="0.93")
            assert "qualif" in page.press(f"choose_relax_{number}").works().headline


class TestChange:
    def test_where_the_choice_stays(self, open_page):
        page = choose(open_page, space="5V", max_energy_kwh="0.6")
        rows = {row[0]: row for row in page.tables[0]}
        assert rows["Weight of energy against accuracy"][2] == "now 50%"
        assert "at most 0.600" in rows["Energy of a training"][2]
        assert len(page.figure("choose_moved")["data"]) == 2
        page.set("choose_varied", "parameters").works()
        assert page.params["varied"] == "parameters"
        assert "As the limit on parameters moves" in page.said


class TestRather:
    def test_answers_set_the_weights(self, open_page):
        page = choose(open_page, space="5V")
        for _ in range(4):
            page.press("choose_rather_1").works()
        assert "4 answers" in page.said
        weights = {name: page.control(f"choose_weight_{name}").value for name in ("accuracy", "energy", "size")}
        assert max(weights.values()) == 2.0 and weights["size"] == 0
        page.press("choose_anew").works()
        assert "Three to five answers" in page.said


class TestCosts:
    def test_once_and_a_year_with_the_saving(self, open_page, truth, as_number):
        page = choose(open_page, space="5V", trainings="200")
        rows = next(table for table in page.tables if table[0][0] == "Cell")
        cells = truth.cells("5V").set_index(truth.cells("5V")["hash"].str[:8])
        for row in rows[1:]:
            cell = cells.loc[row[0][:8]]
            assert as_number(row[2]) == pytest.approx(cell["energy"], rel=CLOSE)
            assert as_number(row[5]) == pytest.approx(200 * cell["energy"], rel=CLOSE)
        assert "best, most accurate of all" in rows[-1][0]
        assert "Yours against the most accurate cell of all" in page.said
        assert "km in a new car" in page.facts

    def test_an_extrapolation_states_its_assumptions(self, open_page):
        page = choose(open_page, space="5V", images="5000", size="64")
        said = page.said
        for part in ("linear in the images", "linear in the multiply-adds", "accuracy is that on CIFAR-10"):
            assert part in said
        assert "linear in the images" not in choose(open_page, space="5V").said.split("How is this")[0].replace(
            "Energy and time are taken to be linear in them", ""
        )


class TestTaking:
    def test_the_zip_holds_the_first_of_the_list(self, open_page):
        page = choose(open_page, space="5V", min_accuracy="0.92")
        codes = page.texts("code")
        assert any("class Network(nn.Module)" in code for code in codes)
        made = next(code for code in codes if "bundle.write" in code)
        digest = made.split('Benchmark.open(), "')[1][:32]
        assert digest[:8] in page.headline
        namespace: dict = {}
        exec(compile(made.replace("bundle.write(files", "zipped = bundle.zipped(files").replace("Path(", "str("), "made",
                     "exec"), namespace)  # fmt: skip
        with zipfile.ZipFile(io.BytesIO(namespace["zipped"])) as archive:
            spec = json.loads(archive.read(f"ec-nas-{digest[:8]}/spec.json"))
        assert spec["hash"] == digest

    def test_a_card_opens_below(self, open_page):
        page = choose(open_page, space="4V")
        opened = next(key for key in page.button_keys if str(key).startswith("choose_open_"))
        page.press(opened).works()
        assert any("Cell " in text for text in page.texts("header"))


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


class TestLinks:
    @pytest.mark.parametrize("params", [{"min_accuracy": "2"}, {"size": "31"}, {"weight_energy": "x"}, {"varied": "y"}])
    def test_broken_ones_open_the_default_view(self, open_page, params):
        page = choose(open_page, **params)
        assert any("The link could not be opened as it is" in text for text in page.texts("warning"))

    def test_the_view_outlives_other_pages(self, open_page):
        page = choose(open_page, space="4V", trainings="7", min_accuracy="0.9").go("explore").go("choose").works()
        assert page.params == {"space": "4V", "trainings": "7", "min_accuracy": "0.9"}
