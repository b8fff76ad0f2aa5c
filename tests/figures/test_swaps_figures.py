"""The figures of the Swaps page: what they draw and say."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import swaps, walk
from ecnas_core.analysis.swaps_view import SwapsView
from ecnas_core.analysis.view import View
from ecnas_core.carbon import Lens
from ecnas_core.figures import swaps as figures

START = "256affa4b0191e323796f138db7b1164"


@pytest.mark.parametrize(
    ("number", "told"),
    [(-0.1768, "−17.7\u202f%"), (0.5, "+50.0\u202f%"), (-0.0001, "0.0\u202f%"), (None, "–"), (math.nan, "–")],
)
def test_change(number, told):
    assert figures.change(number) == told


def test_points_are_hundredths():
    assert figures.points(-0.0311) == "−3.11\u202fpoints"
    assert figures.effect("validation_accuracy", 0.01) == "+1.00\u202fpoints"
    assert figures.effect("energy", 0.01) == "+1.0\u202f%"


@pytest.fixture(scope="module")
def known(small):
    """Figure 2 in 5V, of what is not predicted."""
    return swaps.figure_2(small, "5V", 108, Lens(predicted=False))


@pytest.fixture(scope="module")
def steps():
    bench = Benchmark.open()
    return walk.options(bench, View(), walk.start(bench, View()))


def test_heat_maps_write_every_number_where_it_is(known):
    energies = known[known["metric"] == "energy"].set_index("swap")["effect"]
    saved, gained = 100 * energies["conv3x3_to_conv1x1"], -100 * energies["conv3x3_to_maxpool3x3"]
    assert saved < -1
    assert gained > 1
    for dark in (False, True):
        figure = figures.heat_maps(known, dark)
        energy = [
            note
            for note in figure.layout.annotations
            if note.xref == "x" and note.x in ("conv3x3", "conv1x1", "maxpool3x3")
        ]
        written = {(note.y, note.x): note.text for note in energy}
        assert written["conv3x3", "conv1x1"] == f"−{-saved:.1f}"
        assert written["maxpool3x3", "conv3x3"] == f"+{gained:.1f}"
        assert written["conv1x1", "conv1x1"] == "0"
        assert len(written) == 9


def test_nothing_is_more_than_a_megabyte(small, known, steps):
    view = SwapsView(space="5V")
    for figure in (
        figures.heat_maps(known, False),
        figures.boxes(swaps.distribution(small, view), view, False),
        figures.trade(swaps.trade_off(small, view), view, False),
        figures.step_bars(steps, False),
    ):
        assert len(figure.to_json()) < 1_000_000


def test_trade_off_shows_few_pairs_open(small):
    view = SwapsView(space="4V", split="vertices")
    frame = swaps.trade_off(small, view)
    for trace in figures.trade(frame, view, False).data:
        counts = [row[1] for row in trace.customdata]
        assert [symbol == "circle-open" for symbol in trace.marker.symbol] == [n < 30 for n in counts]


def test_steps_mark_artefacts_and_write_unknown_accuracy(steps):
    energy, accuracy = figures.step_bars(steps, False).data
    artefacts = steps["energy_artefact"].notna()
    assert artefacts.any()
    assert [label.strip().endswith("(artefact)") for label in energy.y] == list(artefacts)
    assert [text == "–" for text in accuracy.text] == list(steps["d_accuracy"].isna())
    assert list(energy.x) == pytest.approx(list(100 * steps["d_energy"]))


def test_path_is_drawn_in_its_order(small):
    view = View(space="4V")
    second = walk.options(small, view, START).query("kind == 'operation'")["hash"].iloc[0]
    path = walk.path(small, view, (START, second, START))
    (line,) = figures.walked(path, view, False).data
    assert list(line.x) == pytest.approx(list(path["energy"]))
    assert list(line.y) == pytest.approx(list(1 - path["validation_accuracy"]))
    assert [int(text) for text in line.text] == [0, 1, 2]


class TestHeadlines:
    def test_all(self, known):
        told = figures.headline_all(known)
        effects = known[known["swap"] == "conv3x3_to_maxpool3x3"].set_index("metric")["effect"]
        assert effects["energy"] < 0 and effects["validation_accuracy"] < 0
        assert told == (
            f"Putting maxpool3x3 in the place of every conv3x3 saves {-100 * effects['energy']:.1f}\u202f% of the energy "
            f"and changes accuracy by −{-100 * effects['validation_accuracy']:.2f}\u202fpoints."
        )

    def test_no_exchange_known(self):
        empty = pd.DataFrame(columns=["n", "saved_per_point"])
        assert figures.headline_trade(empty) == "Too few pairs of cells have a known energy and accuracy to tell."

    def test_one_in_units(self, small):
        view = SwapsView(space="4V", split="none", absolute=True)
        frame = swaps.distribution(small, view)
        mean = frame.set_index("swap").loc[view.swap, "mean"]
        assert f"changes energy by −{abs(mean):.3g}" in figures.headline_one(frame, view)
