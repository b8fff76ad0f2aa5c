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
from ecnas_core.surrogates import devices
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
    """A device of the user's that needs half of the Quadro's energy; its CPU's share can be withheld, and cells."""
    written = []

    def write(with_cpu: bool = True, device: str = "RTX 4090", cells: int = 91) -> None:
        joules = energies["Quadro RTX 6000"].head(cells) / 2 * 3.6e6 / 1.59 / 4 / 40_000 * 256
        rows = [
            {
                "measurement": "m",
                "measured_at": datetime(2026, 1, 2),
                "hash": digest,
                "device": device,
                "mode": "train",
                "batch_size": 256,
                "seconds_per_step": 0.1,
                "gpu_energy_j_per_step": 0.8 * each,
                "cpu_energy_j_per_step": 0.2 * each if with_cpu else None,
                "source": "here",
            }
            for digest, each in joules.items()
        ]
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


def holds_what_to_take_along(page, capsys):
    """Hold that there are downloads under every figure, and that the Python of the view runs."""
    labels = [element.proto.label for element in page.app.get("download_button")]
    pictures = len(page.app.get("plotly_chart"))
    assert labels.count("CSV") == labels.count("Parquet") == labels.count("HTML") == pictures
    source = next(code.value for code in page.app.code if "HardwareView(" in code.value)
    exec(source, {})
    assert "RTX 3090" in capsys.readouterr().out


class TestEnergy:
    def test_figure_3_its_outliers_and_what_to_take_along(self, open_page, energies, as_number, capsys):
        page = open_page("hardware").works()
        assert page.params == {}
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
        text = " ".join(page.texts("caption") + page.texts("markdown")).replace("\n", " ")
        for part in (
            "88 of the 91 cells",
            "swapped in its legend",
            "179 Wh",
            "one CPU socket of two",
            "arxiv.org",
            "21 of the RTX 3090, 3 of the Titan Xp. 21 of them also trained over 10 % longer",
        ):
            assert part in text
        rows = page.tables[0]
        assert [row[:2] for row in rows[1:3]] == [[BURNT[:8], "RTX 3090"], [HOT[:8], "RTX 3090"]]
        assert as_number(rows[1][2]) == pytest.approx(0.179)
        assert len(rows) == 1 + 24
        holds_what_to_take_along(page, capsys)

        page.set("hardware_outliers", False).works()
        assert page.params == {"outliers": "0"}
        assert page.facts["RTX 3090"][1].startswith("mean of 70 cells")
        assert max(trace(page, "energies", "RTX 3090")["y"]) < 0.03
        assert len(page.tables[0]) == 1 + 24

    def test_sorted_of_another_metric_with_an_open_cell(self, open_page, energies):
        page = open_page("hardware", cell=HOT).set("hardware_sort", "RTX 3060").works()
        assert page.params == {"sort": "RTX 3060", "cell": HOT}
        assert trace(page, "energies", "RTX 3060")["y"] == pytest.approx(sorted(energies["RTX 3060"]))
        assert f"Cell {HOT[:8]}" in page.texts("header")
        assert sorted(trace(page, "energies", "open cell")["y"]) == pytest.approx(
            sorted(values[HOT] for values in energies.values())
        )
        page.press(f"close_{HOT}").works()
        assert page.params == {"sort": "RTX 3060"}
        page.set("hardware_metric", "gpu_share").works()
        assert figure(page, "energies")["layout"]["yaxis"]["title"]["text"].endswith("(%)")
        assert page.facts["RTX 3060"][0].endswith("%")
        assert page.params == {"sort": "RTX 3060", "metric": "gpu_share"}

    def test_under_the_lens(self, open_page, energies, as_number):
        page = open_page("hardware", scope="IT", unit="Wh").works()
        expected = energies["Titan Xp"].mean() / 1.59 * 1000
        as_shown = page.facts["Titan Xp"]
        assert as_number(as_shown[0]) == pytest.approx(expected, rel=CLOSE)
        assert as_shown[0].endswith("Wh")
        assert page.set("lens_corrected", True).works().facts["Titan Xp"] == as_shown


class TestTwoDevices:
    def test_their_ranking(self, open_page, energies, capsys):
        page = open_page("hardware", section="ranking").works()
        assert "86\u00a0% of all pairs of 91 cells in the same order (Kendall's τ 0.718;" in page.headline
        figures, note = page.facts["Kendall's τ of the pair"]
        assert figures == "0.718"
        assert note.startswith("95 %: 0.62")
        assert page.facts["Common cells"][0] == "91"
        assert page.facts["In both 10 leanest"] == ("8 of 10", "1.1 by chance")
        assert page.facts["Most alike"] == ("0.896", "Quadro RTX 6000, RTX 3060")
        assert page.facts["Least alike"] == ("0.669", "RTX 3060, RTX 3090")
        holds_what_to_take_along(page, capsys)

        page.set("hardware_k", 25).works()
        leanest = [set(energies[device].nsmallest(25).index) for device in ("Quadro RTX 6000", "RTX 3090")]
        assert page.facts["In both 25 leanest"][0] == f"{len(leanest[0] & leanest[1])} of 25"
        assert page.params == {"section": "ranking", "k": "25"}
        assert figure(page, "leaders")["layout"]["shapes"][0]["x0"] == 25

        page.set("hardware_a", "RTX 3090").works()
        assert page.control("hardware_b").value == "Quadro RTX 6000", "one device chosen twice swaps the two"
        assert page.params == {"section": "ranking", "k": "25", "a": "RTX 3090", "b": "Quadro RTX 6000"}
        assert page.facts["Kendall's τ of the pair"][0] == "0.718"

        page.set("hardware_a", "Titan Xp").works()
        assert page.facts["Kendall's τ of the pair"][0] == "0.893"
        points = trace(page, "pair", "cell (91)")
        assert sorted(points["x"]) == pytest.approx(sorted(energies["Titan Xp"]))
        assert sorted(points["y"]) == pytest.approx(sorted(energies["Quadro RTX 6000"]))

    def test_of_another_metric_without_outliers_and_back_from_another_page(self, open_page):
        page = open_page("hardware", section="ranking", metric="time", b="RTX 3060").works()
        first, second = (
            duckdb.sql(
                f"select hash, training_time_s t from '{RESULTS}/energy_4V9E_{file}.parquet' where epochs = 4"
            ).df()
            for file in ("quadrortx6000", "rtx3060")
        )
        both = first.merge(second, on="hash")
        expected = kendalltau(both["t_x"], both["t_y"]).statistic
        assert page.facts["Kendall's τ of the pair"][0] == f"{expected:.3f}"
        page.go("scaling").works()
        page.go("hardware").works()
        assert page.params == {"section": "ranking", "metric": "time", "b": "RTX 3060"}
        assert page.control("hardware_b").value == "RTX 3060"
        without = open_page("hardware", section="ranking", outliers="0").works()
        assert without.facts["Kendall's τ of the pair"][0] == "0.916"
        assert without.facts["Common cells"][0] == "70"
        assert without.headline.endswith("With the 24 outliers τ is 0.718, on 91 cells.")

    def test_regret(self, open_page, capsys):
        page = open_page("hardware", section="regret").works()
        assert page.headline.startswith(
            "The front found on the Quadro RTX 6000 costs on the RTX 3090 14\u00a0% more energy"
        )
        assert page.facts["Mean extra energy"] == ("14\u00a0%", "over 17 cells of the front")
        assert page.facts["Largest extra energy"] == ("96\u00a0%", "3 cells cost more than need be")
        assert len(figure(page, "regrets")["layout"]["annotations"]) == 12
        assert len(trace(page, "fronts", "front of the RTX 3090")["x"]) == 15
        holds_what_to_take_along(page, capsys)
        page.set("hardware_b", "Titan Xp").set("hardware_accuracy_epochs", 12).works()
        assert "on the Titan Xp" in page.headline
        assert page.params == {"section": "regret", "b": "Titan Xp", "accuracy_epochs": "12"}

    def test_zero_footprint_is_drawn_and_ranked(self, open_page):
        page = open_page("hardware", section="ranking", unit="kgCO2eq", grid="0").works()
        assert page.facts["Kendall's τ of the pair"][0] == "0.718"
        assert figure(page, "pair")["layout"]["xaxis"]["type"] == "linear"
        page.set("hardware_section", "regret").works()
        assert page.facts["Mean extra energy"][0] == "14\u00a0%"


class TestOwnMeasurements:
    def test_are_a_further_device_until_they_go(self, open_page, own_measurements, energies, as_number, user_folder):
        own_measurements()
        page = open_page("hardware", sort=OWN, b=OWN).works()
        assert page.params == {"sort": OWN, "b": OWN}
        assert not [text for text in page.texts("caption") if "appear here" in text]
        assert page.headline.startswith("91 cells on 5 devices")
        assert "from your measurements" in page.facts[OWN][1]
        assert as_number(page.facts[OWN][0]) == pytest.approx(energies["Quadro RTX 6000"].mean() / 2, rel=CLOSE)
        assert len(trace(page, "energies", OWN)["y"]) == 91
        page.set("hardware_section", "regret").works()
        assert page.facts["Mean extra energy"][0] == "0\u00a0%"
        page.set("hardware_section", "ranking").works()
        assert page.facts["Kendall's τ of the pair"][0] == "1.000"
        (user_folder / "measurements" / "here.parquet").unlink()
        page.set("hardware_metric", "time").works()
        assert any(OWN in text for text in page.texts("warning"))
        assert page.params == {"section": "ranking", "metric": "time"}

    def test_a_device_is_called_as_its_file_says_and_without_the_cpu_left_out_but_under_the_gpu_scope(
        self, open_page, own_measurements
    ):
        hostile = "![a](http://127.0.0.1:9/x.png) $x$"
        own_measurements(device=hostile)
        page = open_page("hardware").works()
        assert f"the {html.plain(hostile)} (own)" in page.headline
        own_measurements(with_cpu=False, device=hostile)
        page.app.run()
        (info,) = page.works().texts("info")
        assert info.startswith(f"{html.plain(hostile)} (own) is left out: the CPU's energy was not measured")
        assert f"{hostile} (own)" not in page.facts
        page.set("lens_scope", "GPU").works()
        assert f"{hostile} (own)" in page.facts
        assert not page.texts("info")


class TestLinks:
    def test_a_view_opens_as_it_was_left(self, open_page):
        params = {
            "section": "regret",
            "metric": "power",
            "sort": "Titan Xp",
            "outliers": "0",
            "k": "30",
            "a": "RTX 3090",
            "b": "RTX 3060",
            "accuracy_epochs": "36",
            "unit": "Wh",
            "scope": "GPU",
        }
        page = open_page("hardware", **params).works()
        assert not page.app.warning
        assert page.params == params
        for section in ("ranking", "energy"):
            page.set("hardware_section", section).works()
            left = {name: text for name, text in params.items() if name != "section"}
            assert page.params == left | ({"section": section} if section != "energy" else {})

    def test_a_broken_one_says_so_and_shows_the_default(self, open_page):
        said = {
            name: open_page("hardware", **{name: text}).works()
            for name, text in {"k": "99", "sort": "RTX 9090"}.items()
        }
        for name, words in {"k": "k=99 is not possible", "sort": "no figures for the device 'RTX 9090'"}.items():
            assert any(words in text for text in said[name].texts("warning"))
            assert said[name].params == {}
            assert said[name].headline.startswith("91 cells on 4 devices")


class TestInTheLens:
    @pytest.fixture(autouse=True)
    def small(self, user_folder, monkeypatch):
        """Devices predicted in 4V alone; the other spaces take seconds."""
        monkeypatch.setattr(devices, "SPACES", ("4V",))
        yield
        for path in (user_folder / "devices").glob("*.parquet"):
            path.unlink()

    def test_a_device_is_predicted_shown_everywhere_predicted_anew_and_taken_out(
        self, open_page, own_measurements, user_folder
    ):
        own_measurements(with_cpu=False, cells=12)
        page = open_page("hardware", scope="GPU").works()
        assert page.control("lens_device").options == ["The benchmark's own"]
        page.set("hardware_in_lens", OWN).press(f"lens_predict_{OWN}").works()
        assert page.params == {"scope": "GPU", "calibrated": OWN}
        assert page.control("lens_device").value == OWN
        assert any(f"The lens shows every energy in the app for {OWN}" in text for text in page.texts("caption"))
        bench = Benchmark(user_folder, Benchmark.open().bundled)
        own, quadro = (
            bench.frame(
                f"select sum(gpu_energy_j) as j from {Lens(device=device).table} where space = '4V' and epochs = 4"
            )
            for device in (OWN, None)
        )
        assert own["j"][0] / quadro["j"][0] == pytest.approx(0.5, rel=0.5)

        explore = open_page("explore", space="4V", epochs="4", scope="GPU", calibrated=OWN).works()
        front = picture(bench, View("4V", 4, lens=Lens("GPU", device=OWN))).front
        assert explore.on_front == len(front)
        assert any(text.startswith("The front rests on predictions: of its") for text in explore.texts("caption"))
        explore.open(front["hash"].iloc[0]).works()
        rows = {row[0]: row[1:] for row in explore.tables[0][1:]}
        assert rows["Energy"][1].startswith("predicted, 90 % interval ")
        assert rows["Energy"][1].endswith(f" on {OWN}")

        (path,) = (user_folder / "devices").glob("*.parquet")
        before = path.stat().st_mtime_ns
        page.press(f"lens_again_{OWN}").works()
        assert path.stat().st_mtime_ns > before
        assert page.params == {"scope": "GPU", "calibrated": OWN}
        page.press(f"lens_forget_{OWN}").works()
        assert page.params == {"scope": "GPU"}
        assert page.control("lens_device").value == ""
        assert bench.devices() == []

    def test_a_link_to_a_device_that_is_not_here(self, open_page):
        page = open_page("explore", space="4V", calibrated="<b>Nobody</b>").works()
        assert any("is not calibrated here" in text for text in page.texts("warning"))
        assert "<b>" not in " ".join(page.texts("warning"))
        assert page.params == {"space": "4V"}
