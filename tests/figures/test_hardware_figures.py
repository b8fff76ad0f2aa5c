"""The figures of the Hardware page: what is drawn, where, and what it is called."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from ecnas_core.analysis import hardware
from ecnas_core.analysis.hardware import OFFICIAL_DEVICES, HardwareView
from ecnas_core.carbon import Lens
from ecnas_core.figures import hardware as figures
from ecnas_core.figures.theme import DARK, FRONT, LIGHT, SELECTION, contrast_ratio

BURNT, HOT = "256affa4b0191e323796f138db7b1164", "232b900e952d86a83b0ff85c0a22cca0"
KILOBYTE = 1_000


@pytest.fixture(scope="module")
def compare(small):
    """The comparison under a view, computed once: no test changes it."""
    compared = cache(lambda view: hardware.compare(small, view))
    return lambda **changes: compared(HardwareView(**changes))


def trace(figure: go.Figure, name: str) -> go.Scatter:
    return next(each for each in figure.data if (each.name or "").startswith(name))


def cells_of(drawn, name: str) -> tuple[str, ...]:
    number = next(place for place, each in enumerate(drawn.figure.data) if each.name.startswith(name))
    return drawn.hashes[number]


class TestColours:
    def test_released_devices_keep_theirs(self):
        assert figures.colors(["RTX 3090", "A (own)", "B (own)"]) | figures.DEVICES == figures.colors(
            ["A (own)", "B (own)"]
        )

    def test_stand_out_on_both_backgrounds_and_from_the_roles(self):
        own = list(figures.DEVICES.values())
        for color in own:
            assert contrast_ratio(color, LIGHT.paper) >= 2.9
            assert contrast_ratio(color, DARK.paper) >= 2.9
        assert {FRONT, SELECTION}.isdisjoint([*own, *figures.OWN_DEVICES])
        assert len({*own, *figures.OWN_DEVICES}) == 8

    def test_are_told_apart_by_the_colour_blind(self):
        """Differences in Oklab after Machado's simulation (2009) of full protanopia and deuteranopia."""
        protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
        deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
        for seen in (np.eye(3), np.array(protan), np.array(deutan)):
            places = [oklab(seen @ linear(color)) for color in figures.DEVICES.values()]
            assert min(np.linalg.norm(one - other) for one, other in combinations(places, 2)) > 0.08


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(color: np.ndarray) -> np.ndarray:
    cones = np.array(
        [[0.41222147, 0.53633254, 0.05144599], [0.2119035, 0.6806995, 0.10739696], [0.08830246, 0.28171884, 0.6299787]]
    )
    mixed = np.array(
        [
            [0.21045426, 0.79361779, -0.00407205],
            [1.9779985, -2.42859221, 0.45059371],
            [0.02590404, 0.78277177, -0.80867577],
        ]
    )
    return mixed @ np.cbrt(cones @ np.clip(color, 0, 1))


class TestEnergies:
    def test_one_point_a_cell_and_device(self, compare):
        compared = compare(lens=Lens(unit="Wh"))
        drawn = figures.energies(compared, dark=False)
        assert [each.name for each in drawn.figure.data] == [
            "Quadro RTX 6000 (91)",
            "Titan Xp (91)",
            "RTX 3060 (88)",
            "RTX 3090 (91)",
            "outlier (24)",
        ]
        for column, device in enumerate(OFFICIAL_DEVICES):
            points = trace(drawn.figure, device)
            known = ~np.isnan(compared.values[:, column])
            assert list(points.y) == list(compared.values[known, column])
            assert list(points.x) == list(np.arange(1, 92)[known])
            assert cells_of(drawn, device) == tuple(compared.cells["hash"][known])
            assert points.marker.symbol == "circle"
        layout = drawn.figure.layout
        assert layout.yaxis.title.text == "Energy (Wh)"
        assert layout.yaxis.type == "log"
        assert layout.xaxis.title.text == "Cells by rising mean of the devices"

    def test_rings_round_the_outliers_the_two_most_extreme_named(self, compare):
        compared = compare()
        drawn = figures.energies(compared, dark=False)
        rings = trace(drawn.figure, "outlier")
        named = {text.strip() for text in rings.text if text}
        assert named == {"256affa4, 0.179\u00a0kWh", "232b900e, 0.0499\u00a0kWh"}
        assert sorted(rings.y) == sorted(hardware.outlying(compared)["energy"])
        assert rings.marker.symbol == "circle-open"
        assert not any(figures.energies(compare(metric="time"), False).figure.data[-1].text or [])
        assert "outlier" not in " ".join(
            each.name for each in figures.energies(compare(outliers=False), False).figure.data
        )

    def test_hover_tells_the_cell_and_its_figure_on_each_device(self, compare):
        drawn = figures.energies(compare(lens=Lens(unit="Wh")), dark=False)
        place = cells_of(drawn, "RTX 3090").index(BURNT)
        assert trace(drawn.figure, "RTX 3090").hovertext[place].split("<br>") == [
            "<b>256affa4</b>",
            "1=conv3x3(0) 2=conv1x1(0,1) 3=output(0,2)",
            "Quadro RTX 6000: 32.4\u00a0Wh, measured",
            "Titan Xp: 32.1\u00a0Wh, measured",
            "RTX 3090: 179\u00a0Wh, measured, outlier: 9.1 times the expected energy",
        ]

    def test_the_browser_gets_positions_not_hashes(self, compare):
        text = figures.energies(compare(), dark=False).figure.to_json()
        assert HOT not in text
        assert len(text) < 150 * KILOBYTE

    def test_the_open_cell_is_marked_on_every_device(self, compare):
        compared = compare(sort="RTX 3090")
        drawn = figures.energies(compared, dark=True, selected=HOT)
        marked = trace(drawn.figure, "open cell")
        row = list(compared.cells["hash"]).index(HOT)
        assert list(marked.y) == list(compared.values[row])
        assert set(marked.x) == {row + 1}
        assert cells_of(drawn, "open cell") == (HOT,) * 4
        assert marked.marker.color == SELECTION
        assert drawn.figure.layout.xaxis.title.text == "Cells by rising value on the RTX 3090"

    def test_headline(self, compare):
        compared = compare()
        assert figures.energy_headline(compared, hardware.by_device(compared)) == (
            "91 cells on 4 devices: a typical cell takes the least energy on the RTX 3060; 1.09 times as much on the "
            "RTX 3090, 1.78 on the Quadro RTX 6000 and 1.80 on the Titan Xp."
        )
        share = compare(metric="gpu_share")
        assert figures.energy_headline(share, hardware.by_device(share)) == (
            "91 cells on 4 devices: the GPU takes 76.2\u00a0% of the recorded energy on the Quadro RTX 6000, 91.0\u00a0% on "
            "the RTX 3060."
        )

    def test_headline_of_many_and_of_one(self, compare):
        compared = compare()
        ratios = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
        devices = pd.DataFrame({"device": list("ABCDEF"), "ratio": ratios, "mean": ratios})
        assert figures.energy_headline(compared, devices).endswith(
            "on the A; 1.50 times as much on the B, up to 3.50 on the F."
        )
        assert figures.energy_headline(compared, devices.head(1)) == "91 cells on 1 device: the A."


class TestRanking:
    def test_map_of_tau_with_intervals(self, compare):
        compared = compare()
        pairs = hardware.ranking(compared)
        figure = figures.agreement(compared, pairs, dark=False)
        z = np.array(figure.data[0].z, float)
        for row in pairs.itertuples():
            place = OFFICIAL_DEVICES.index(row.b) - 1, OFFICIAL_DEVICES.index(row.a)
            assert z[place] == row.kendall_tau
        texts = {(note.y, note.x): note.text for note in figure.layout.annotations}
        assert texts[2, 0] == "<b>0.718</b><br>0.62 to 0.81"
        assert len(texts) == 6
        outline = figure.layout.shapes[0]
        assert (round(outline.x0), round(outline.y0 + 0.1)) == (0, 2)

    @pytest.mark.parametrize("dark", [False, True])
    def test_numbers_can_be_read_on_their_fields(self, compare, dark):
        compared = compare()
        pairs = hardware.ranking(compared)
        figure = figures.agreement(compared, pairs, dark)
        for note in figure.layout.annotations:
            share = (np.array(figure.data[0].z)[note.y][note.x] - figure.data[0].zmin) / 0.5
            assert contrast_ratio(note.font.color, figures._on_ramp(share, dark)) >= 4.2

    def test_pair(self, compare):
        compared = compare(a="RTX 3060", b="Titan Xp")
        drawn = figures.pair(compared, dark=False, selected=HOT)
        points = trace(drawn.figure, "cell (88)")
        hashes = list(cells_of(drawn, "cell (88)"))
        frame = hardware.records(compared).pivot(index="hash", columns="device", values="energy").loc[hashes]
        assert list(points.x) == list(frame["RTX 3060"])
        assert list(points.y) == list(frame["Titan Xp"])
        assert len(cells_of(drawn, "outlier")) == 3
        assert cells_of(drawn, "open cell") == (HOT,)
        line = trace(drawn.figure, f"{(frame['Titan Xp'] / frame['RTX 3060']).median():.2f} times")
        assert line.y[0] / line.x[0] == pytest.approx((frame["Titan Xp"] / frame["RTX 3060"]).median())

    def test_leaders_with_the_chosen_pair_and_chance(self, compare):
        compared = compare(k=12)
        shares = hardware.overlap(compared)
        figure = figures.leaders(compared, shares, dark=False)
        assert len(figure.data) == 7
        chosen = trace(figure, "Quadro RTX 6000 and RTX 3090")
        expected = shares[(shares["a"] == "Quadro RTX 6000") & (shares["b"] == "RTX 3090")]
        assert list(chosen.y) == list(expected["share"])
        assert list(trace(figure, "by chance").y) == list(expected["by_chance"])
        assert figure.layout.shapes[0].x0 == 12
        assert sum(each.showlegend is not False for each in figure.data) == 3

    def test_headline(self, compare):
        compared, without = compare(), compare(outliers=False)
        assert figures.ranking_headline(compared, hardware.ranking(compared), hardware.ranking(without)) == (
            "The Quadro RTX 6000 and the RTX 3090 put 86\u00a0% of all pairs of 91 cells in the same order (Kendall's τ "
            "0.718; all devices: 0.669 to 0.896). Without the 24 outliers τ is 0.916, on 70 cells."
        )

    def test_the_pair_and_the_leaders_in_words(self, compare):
        compared = compare(b="Titan Xp", k=12, lens=Lens(unit="Wh"))
        rows, columns = compared.common("Quadro RTX 6000", "Titan Xp")
        x, y = compared.values[np.ix_(rows, columns)].T
        told = figures.describe_pair(compared).replace("\u00a0", " ")
        assert told.startswith(
            f"Energy of {len(x)} cells on the Quadro RTX 6000, {x.min():.3g} Wh to {x.max():.3g} Wh,"
        )
        assert told.endswith(f" takes {np.median(y / x):.2f} times the first, the median.")
        shared = len(set(np.argsort(x)[:12]) & set(np.argsort(y)[:12]))
        told = figures.describe_leaders(compared, hardware.overlap(compared))
        assert told.startswith(
            f"{shared} of the 12 leanest cells are the same on the Quadro RTX 6000 and on the Titan Xp"
        )
        assert told.endswith(f"by chance it would be {144 / len(x):.1f}.")

    def test_headline_where_nothing_can_be_ranked(self, compare):
        compared = compare()
        pairs = hardware.ranking(compared).assign(cells=1, kendall_tau=np.nan)
        assert "too few to compare" in figures.ranking_headline(compared, pairs, pairs)


class TestRegret:
    def test_map(self, compare):
        compared = compare(section="regret")
        matrix = hardware.regret(compared)
        figure = figures.regrets(compared, matrix, dark=True)
        z = np.array(figure.data[0].z, float)
        assert np.isnan(np.diag(z)).all()
        for row in matrix.itertuples():
            assert z[OFFICIAL_DEVICES.index(row.a), OFFICIAL_DEVICES.index(row.b)] == row.mean_regret
        texts = {(note.y, note.x): note.text for note in figure.layout.annotations}
        assert texts[0, 3] == "<b>14\u00a0%</b><br>96\u00a0%"
        assert texts[1, 2] == "<b>0\u00a0%</b><br>0\u00a0%"

    @pytest.mark.parametrize("unit", ["kWh", "Wh"])
    def test_fronts_at_what_the_second_device_takes(self, compare, unit):
        compared = compare(section="regret", lens=Lens(unit=unit))
        both = hardware.fronts(compared)
        drawn = figures.fronts(compared, both, dark=False, selected=HOT)
        factor = 1000 if unit == "Wh" else 1
        for device in ("Quadro RTX 6000", "RTX 3090"):
            part = both[both["front"] == device]
            points = trace(drawn.figure, f"front of the {device}")
            assert list(points.x) == pytest.approx(list(factor * part["energy_b_kwh"]))
            assert list(points.y) == list(part["validation_error"])
            assert cells_of(drawn, f"front of the {device}") == tuple(part["hash"])
        assert trace(drawn.figure, "front of the RTX 3090").line.color == FRONT
        extra = both[both["regret"] > 0]
        line = np.array(trace(drawn.figure, "extra energy").x, float).reshape(-1, 3)
        assert line[:, 0] == pytest.approx(list(factor * extra["least_b_kwh"]))
        assert line[:, 1] == pytest.approx(list(factor * extra["energy_b_kwh"]))
        assert cells_of(drawn, "open cell") == (HOT,)
        assert drawn.figure.layout.xaxis.title.text == f"Energy on RTX 3090 ({unit})"

    def test_fronts_in_words(self, compare):
        compared = compare(section="regret")
        assert figures.describe_fronts(compared, hardware.fronts(compared)) == (
            "The front found on the Quadro RTX 6000, 17 cells, and that of the RTX 3090, 15 cells, both paid on the RTX "
            "3090: the first takes 14\u00a0% more than need be on average, at most 96\u00a0%."
        )

    def test_headline(self, compare):
        compared = compare(section="regret")
        matrix = hardware.regret(compared)
        without = hardware.regret(compare(section="regret", outliers=False))
        assert figures.regret_headline(compared, matrix, without) == (
            "The front found on the Quadro RTX 6000 costs on the RTX 3090 14\u00a0% more energy than need be on average, "
            "at most 96\u00a0%. Without the 24 outliers: 0\u00a0% and 0\u00a0%."
        )

    @pytest.mark.parametrize(
        ("number", "text"), [(0, "0 %"), (0.01, "below 0.05 %"), (1.34, "1.3 %"), (95.98, "96 %"), (np.nan, "–")]
    )
    def test_percentages(self, number, text):
        assert figures.percent(number).replace("\u00a0", " ") == text
