"""The Hardware page: every control's effect, held against the figures in the Parquet files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import kendalltau

from ecnas_core.analysis.explore import picture
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.schema import MEASUREMENTS
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from pages.widgets import html

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"
FILES = {
    "Quadro RTX 6000": "quadrortx6000",
    "Titan Xp": "titanxp",
    "RTX 3060": "rtx3060",
    "RTX 3090": "rtx3090",
}
BURNT, HOT = "256affa4b0191e323796f138db7b1164", "232b900e952d86a83b0ff85c0a22cca0"
OWN = "RTX 4090 (own)"
CLOSE = 6e-3


@pytest.fixture(scope="module")
def energies():
    """Energy in kWh by cell and device."""
    return {
        device: duckdb.sql(f"select hash, energy_kwh from '{RESULTS}/energy_4V9E_{file}.parquet' where epochs = 4")
        .df()
        .set_index("hash")["energy_kwh"]
        for device, file in FILES.items()
    }


@pytest.fixture
def own_measurements(user_folder, energies):
    """A device of the user's that needs half of the Quadro's energy; its CPU's share can be withheld."""
    written = []

    def write(with_cpu: bool = True, device: str = "RTX 4090") -> None:
        joules = energies["Quadro RTX 6000"] / 2 * 3.6e6 / 1.59 / 4 / 40_000 * 256
        rows = [
            {"measurement": "m", "measured_at": datetime(2026, 1, 2), "hash": digest, "device": device,
             "mode": "train", "batch_size": 256, "seconds_per_step": 0.1, "gpu_energy_j_per_step": 0.8 * each,
             "cpu_energy_j_per_step": 0.2 * each if with_cpu else None, "source": "here"}
            for digest, each in joules.items()
        ]  # fmt: skip
        table = {field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in MEASUREMENTS}
        path = user_folder / "measurements" / "here.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(table), path)
        written.append(path)

    yield write
    for path in written:
        path.unlink(missing_ok=True)


def figure(page, name: str) -> dict:
    return page.figure(f"hardware_{name}")


def trace(page, picture: str, name: str) -> dict:
    return next(each for each in figure(page, picture)["data"] if each.get("name", "").startswith(name))


class TestEnergy:
    def test_figure_3(self, open_page, energies, as_number):
        page = open_page("hardware").works()
        assert page.headline.startswith(
            "91 cells on 4 devices: a typical cell takes the least energy on the RTX 3060; "
        )
        for device, values in energies.items():
            points = trace(page, "energies", device)
            assert sorted(points["y"]) == pytest.approx(sorted(values))
            shown, note = page.facts[device]
            assert as_number(shown) == pytest.approx(values.mean(), rel=CLOSE)
            assert note.startswith(f"mean of {len(values)} cells")
        assert page.facts["RTX 3090"][1] == "mean of 91 cells, 21 outliers"
        assert page.params == {}

    def test_what_the_paper_shows_otherwise_is_told(self, open_page):
        page = open_page("hardware")
        text = " ".join(page.texts("caption") + page.texts("markdown"))
        for part in ("88 of the 91 cells", "swapped in its legend", "179 Wh", "one CPU socket of two", "arxiv.org"):
            assert part in text.replace("\n", " ")

    def test_sorted_by_a_device(self, open_page, energies):
        page = open_page("hardware").set("hardware_sort", "RTX 3060").works()
        values = trace(page, "energies", "RTX 3060")["y"]
        assert values == pytest.approx(sorted(energies["RTX 3060"]))
        assert page.params == {"sort": "RTX 3060"}

    @pytest.mark.parametrize(
        ("metric", "unit"), [("time", "s"), ("power", "W"), ("energy_per_image", "J"), ("gpu_share", "%")]
    )
    def test_other_metrics(self, open_page, metric, unit):
        page = open_page("hardware").set("hardware_metric", metric).works()
        assert figure(page, "energies")["layout"]["yaxis"]["title"]["text"].endswith(f"({unit})")
        assert page.facts["RTX 3060"][0].endswith(unit)
        assert page.params == {"metric": metric}

    def test_under_the_lens(self, open_page, energies, as_number):
        page = open_page("hardware", scope="IT", unit="Wh").works()
        expected = energies["Titan Xp"].mean() / 1.59 * 1000
        assert as_number(page.facts["Titan Xp"][0]) == pytest.approx(expected, rel=CLOSE)
        assert page.facts["Titan Xp"][0].endswith("Wh")
        page.set("lens_corrected", True).works()
        assert as_number(page.facts["Titan Xp"][0]) == pytest.approx(expected, rel=CLOSE)

    def test_outliers_by_name_and_left_out(self, open_page, energies, as_number):
        page = open_page("hardware").works()
        rows = page.tables[0]
        assert rows[1][:2] == [BURNT[:8], "RTX 3090"]
        assert rows[2][:2] == [HOT[:8], "RTX 3090"]
        assert as_number(rows[1][2]) == pytest.approx(0.179)
        assert len(rows) == 1 + 24
        assert "21 of the RTX 3090, 3 of the Titan Xp. 21 of them also trained over 10 % longer" in " ".join(
            page.texts("markdown")
        )
        page.set("hardware_outliers", False).works()
        assert page.params == {"outliers": "0"}
        assert page.facts["RTX 3090"][1].startswith("mean of 70 cells")
        assert max(trace(page, "energies", "RTX 3090")["y"]) < 0.03
        assert len(page.tables[0]) == 1 + 24

    def test_a_cell_of_the_link_has_its_card_and_its_marks(self, open_page, energies):
        page = open_page("hardware", cell=HOT).works()
        assert f"Cell {HOT[:8]}" in page.texts("header")
        assert sorted(trace(page, "energies", "open cell")["y"]) == pytest.approx(
            sorted(values[HOT] for values in energies.values())
        )
        assert page.params == {"cell": HOT}
        page.press(f"close_{HOT}").works()
        assert page.params == {}


class TestRanking:
    def test_pair_and_interval(self, open_page, as_number):
        page = open_page("hardware", section="ranking").works()
        assert "86\u00a0% of all pairs of 91 cells in the same order (Kendall's τ 0.718;" in page.headline
        figures, note = page.facts["Kendall's τ of the pair"]
        assert figures == "0.718"
        assert note.startswith("95 %: 0.62")
        assert page.facts["Common cells"][0] == "91"
        assert page.facts["In both 10 leanest"] == ("8 of 10", "1.1 by chance")
        assert page.facts["Most alike"] == ("0.896", "Quadro RTX 6000, RTX 3060")
        assert page.facts["Least alike"] == ("0.669", "RTX 3060, RTX 3090")

    def test_another_pair(self, open_page, energies):
        page = open_page("hardware", section="ranking").set("hardware_b", "Titan Xp").works()
        assert page.facts["Kendall's τ of the pair"][0] == "0.893"
        points = trace(page, "pair", "cell (91)")
        assert sorted(points["x"]) == pytest.approx(sorted(energies["Quadro RTX 6000"]))
        assert sorted(points["y"]) == pytest.approx(sorted(energies["Titan Xp"]))
        assert page.params == {"section": "ranking", "b": "Titan Xp"}

    def test_choosing_one_device_twice_swaps_the_two(self, open_page):
        page = open_page("hardware", section="ranking").set("hardware_a", "RTX 3090").works()
        assert page.control("hardware_b").value == "Quadro RTX 6000"
        assert page.params == {"section": "ranking", "a": "RTX 3090", "b": "Quadro RTX 6000"}
        assert page.facts["Kendall's τ of the pair"][0] == "0.718"

    def test_k(self, open_page, energies):
        page = open_page("hardware", section="ranking").set("hardware_k", 25).works()
        leanest = [set(energies[device].nsmallest(25).index) for device in ("Quadro RTX 6000", "RTX 3090")]
        assert page.facts["In both 25 leanest"][0] == f"{len(leanest[0] & leanest[1])} of 25"
        assert page.params == {"section": "ranking", "k": "25"}
        assert figure(page, "leaders")["layout"]["shapes"][0]["x0"] == 25

    def test_of_another_metric(self, open_page):
        page = open_page("hardware", section="ranking", metric="time", b="RTX 3060").works()
        frames = [
            duckdb.sql(
                f"select hash, training_time_s t from '{RESULTS}/energy_4V9E_{file}.parquet' where epochs = 4"
            ).df()
            for file in ("quadrortx6000", "rtx3060")
        ]
        both = frames[0].merge(frames[1], on="hash")
        expected = kendalltau(both["t_x"], both["t_y"]).statistic
        assert page.facts["Kendall's τ of the pair"][0] == f"{expected:.3f}"

    def test_without_outliers(self, open_page):
        page = open_page("hardware", section="ranking", outliers="0").works()
        assert page.facts["Kendall's τ of the pair"][0] == "0.916"
        assert page.facts["Common cells"][0] == "70"
        assert page.headline.endswith("With the 24 outliers τ is 0.718, on 91 cells.")


class TestRegret:
    def test_pair_and_matrix(self, open_page):
        page = open_page("hardware", section="regret").works()
        assert page.headline.startswith(
            "The front found on the Quadro RTX 6000 costs on the RTX 3090 14\u00a0% more energy"
        )
        assert page.facts["Mean extra energy"] == ("14\u00a0%", "over 17 cells of the front")
        assert page.facts["Largest extra energy"] == ("96\u00a0%", "3 cells cost more than need be")
        assert len(figure(page, "regrets")["layout"]["annotations"]) == 12
        assert len(trace(page, "fronts", "front of the RTX 3090")["x"]) == 15

    def test_controls(self, open_page):
        page = open_page("hardware").set("hardware_section", "regret").set("hardware_b", "Titan Xp")
        page.set("hardware_accuracy_epochs", 12).works()
        assert page.params == {"section": "regret", "b": "Titan Xp", "accuracy_epochs": "12"}
        assert "on the Titan Xp" in page.headline
        page.set("hardware_section", "energy").set("hardware_section", "regret").works()
        assert page.params == {"section": "regret", "b": "Titan Xp", "accuracy_epochs": "12"}


class TestOwnMeasurements:
    @pytest.mark.parametrize("section", ["energy", "ranking", "regret"])
    def test_are_a_further_device(self, open_page, own_measurements, energies, as_number, section):
        own_measurements()
        page = open_page("hardware", section=section).works()
        assert not [text for text in page.texts("caption") if "appear here" in text]
        if section == "energy":
            assert page.headline.startswith("91 cells on 5 devices")
            assert "from your measurements" in page.facts[OWN][1]
            expected = energies["Quadro RTX 6000"].mean() / 2
            assert as_number(page.facts[OWN][0]) == pytest.approx(expected, rel=CLOSE)
            assert len(trace(page, "energies", OWN)["y"]) == 91
        else:
            page.set("hardware_b", OWN).works()
            assert page.params["b"] == OWN
            if section == "ranking":
                assert page.facts["Kendall's τ of the pair"][0] == "1.000"
            else:
                assert page.facts["Mean extra energy"][0] == "0\u00a0%"

    def test_a_device_is_called_as_its_file_says_and_no_more(self, open_page, own_measurements):
        own_measurements(device="![a](http://127.0.0.1:9/x.png) $x$")
        page = open_page("hardware").works()
        assert f"the {html.plain('![a](http://127.0.0.1:9/x.png) $x$')} (own)" in page.headline
        own_measurements(with_cpu=False, device="![a](http://127.0.0.1:9/x.png)")
        (info,) = open_page("hardware").works().texts("info")
        assert info.startswith(f"{html.plain('![a](http://127.0.0.1:9/x.png)')} (own) is left out")

    def test_without_the_cpu_only_under_the_gpu_scope(self, open_page, own_measurements):
        own_measurements(with_cpu=False)
        page = open_page("hardware").works()
        assert OWN not in page.facts
        assert any(
            text.startswith(f"{OWN} is left out: the CPU's energy was not measured") for text in page.texts("info")
        )
        page.set("lens_scope", "GPU").works()
        assert OWN in page.facts
        assert not page.texts("info")

    def test_a_device_that_goes_is_missed_kindly(self, open_page, own_measurements, user_folder):
        own_measurements()
        page = open_page("hardware", sort=OWN, section="energy").works()
        assert page.params == {"sort": OWN}
        (user_folder / "measurements" / "here.parquet").unlink()
        page.set("hardware_metric", "time").works()
        assert any(OWN in text for text in page.texts("warning"))
        assert page.params == {"metric": "time"}


class TestLinks:
    @pytest.mark.parametrize(
        "params",
        [
            {"metric": "power", "sort": "Titan Xp", "outliers": "0"},
            {"section": "ranking", "a": "RTX 3060", "b": "Titan Xp", "k": "30", "scope": "GPU"},
            {"section": "regret", "a": "RTX 3090", "b": "RTX 3060", "accuracy_epochs": "36", "unit": "Wh"},
            {"cell": BURNT},
        ],
        ids=lambda params: "&".join(params),
    )
    def test_a_view_opens_as_it_was_left(self, open_page, params):
        page = open_page("hardware", **params).works()
        assert not page.app.warning
        assert page.params == params

    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"section": "prices"}, "there is no section 'prices'"),
            ({"metric": "joy"}, "devices are not compared by 'joy'"),
            ({"k": "99"}, "99 leanest cells cannot be compared"),
            ({"a": "RTX 3090"}, "cannot be compared with itself"),
            ({"sort": "RTX 9090"}, "no figures for the device 'RTX 9090'"),
        ],
    )
    def test_a_broken_one_says_so_and_shows_the_default(self, open_page, params, words):
        page = open_page("hardware", **params).works()
        assert any(words in text for text in page.texts("warning"))
        assert page.params == {}
        assert page.headline.startswith("91 cells on 4 devices")

    def test_zero_footprint_is_drawn_and_ranked(self, open_page):
        page = open_page("hardware", section="ranking", unit="kgCO2eq", grid="0").works()
        assert page.facts["Kendall's τ of the pair"][0] == "0.718"
        assert figure(page, "pair")["layout"]["xaxis"]["type"] == "linear"
        page.set("hardware_section", "regret").works()
        assert page.facts["Mean extra energy"][0] == "14\u00a0%"

    def test_comes_back_as_it_was_left(self, open_page):
        page = open_page("hardware", metric="time").set("hardware_section", "ranking").set("hardware_k", 30)
        page.set("hardware_a", "Titan Xp").go("explore").works()
        page.go("hardware").works()
        assert page.params == {"section": "ranking", "metric": "time", "k": "30", "a": "Titan Xp"}
        assert page.control("hardware_k").value == 30


class TestTakingAlong:
    @pytest.mark.parametrize("section", ["energy", "ranking", "regret"])
    def test_downloads_stand_under_every_figure(self, open_page, section):
        page = open_page("hardware", section=section).works()
        pictures = len(page.app.get("plotly_chart"))
        labels = [element.proto.label for element in page.app.get("download_button")]
        assert labels.count("CSV") == labels.count("Parquet") == labels.count("HTML") == pictures

    @pytest.mark.parametrize("section", ["energy", "ranking", "regret"])
    def test_python_of_the_view_runs(self, open_page, section, capsys):
        page = open_page("hardware", section=section, unit="Wh", outliers="0").works()
        source = next(code.value for code in page.app.code if "HardwareView(" in code.value)
        exec(source, {})
        assert "RTX 3090" in capsys.readouterr().out


class TestInTheLens:
    @pytest.fixture(autouse=True)
    def forgotten(self, user_folder):
        yield
        for path in (user_folder / "devices").glob("*.parquet"):
            path.unlink()

    def test_a_device_is_predicted_shown_everywhere_and_taken_out(self, open_page, user_folder):
        page = open_page("hardware").works()
        assert page.control("lens_device").options == ["The benchmark's own"]
        page.set("hardware_in_lens", "Titan Xp").press("lens_predict_Titan Xp").works()
        assert page.params == {"calibrated": "Titan Xp"}
        assert page.control("lens_device").value == "Titan Xp"
        assert any("The lens shows every energy in the app for Titan Xp" in text for text in page.texts("caption"))
        explore = open_page(space="4V", epochs="4", calibrated="Titan Xp").works()
        bench = Benchmark(user_folder, Benchmark.open().bundled)
        view = View("4V", 4, lens=Lens(device="Titan Xp"))
        front = picture(bench, view).front
        assert explore.on_front == len(front)
        assert any(text.startswith("The front rests on predictions: of its") for text in explore.texts("caption"))
        explore.open(front["hash"].iloc[0]).works()
        rows = {row[0]: row[1:] for row in explore.tables[0][1:]}
        assert rows["Energy"][1].startswith("predicted, 90 % interval ")
        assert rows["Energy"][1].endswith(" on Titan Xp")
        page.press("lens_forget_Titan Xp").works()
        assert page.params == {}
        assert page.control("lens_device").value == ""
        assert bench.devices() == []

    def test_a_link_to_a_device_that_is_not_here(self, open_page):
        page = open_page(space="4V", calibrated="<b>Nobody</b>").works()
        assert any("is not calibrated here" in text for text in page.texts("warning"))
        assert "<b>" not in " ".join(page.texts("warning"))
        assert page.params == {"space": "4V"}

    def test_predicted_anew_from_more(self, open_page, own_measurements, user_folder):
        own_measurements(with_cpu=False)
        page = open_page("hardware", scope="GPU").works()
        page.set("hardware_in_lens", OWN).press(f"lens_predict_{OWN}").works()
        bench = Benchmark(user_folder, Benchmark.open().bundled)
        own, quadro = (
            bench.frame(
                f"select sum(gpu_energy_j) as j from {Lens(device=device).table} where space = '4V' and epochs = 4"
            )
            for device in (OWN, None)
        )
        assert own["j"][0] / quadro["j"][0] == pytest.approx(0.5, rel=0.5)
        (path,) = (user_folder / "devices").glob("*.parquet")
        before = path.stat().st_mtime_ns
        page.press(f"lens_again_{OWN}").works()
        assert path.stat().st_mtime_ns > before
        assert page.params == {"scope": "GPU", "calibrated": OWN}
