"""The figures and words of the Choose page."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ecnas_core import Benchmark
from ecnas_core.analysis import candidates, choose, sensitivity
from ecnas_core.analysis.costs import Saving
from ecnas_core.analysis.needs import PRESETS, ChooseView, Needs, Task
from ecnas_core.figures import choose as figures
from ecnas_core.figures.theme import FRONT, SELECTION

NEEDS = Needs(max_energy_kwh=0.6, min_accuracy=0.92)


@pytest.fixture(scope="module")
def bench():
    return Benchmark.open()


@pytest.fixture(scope="module")
def found(small):
    return choose.choose(small, ChooseView(Task("5V"), NEEDS))


@pytest.fixture(scope="module")
def whole(bench):
    """The choice among all cells of 7V."""
    return choose.choose(bench, ChooseView())


@pytest.fixture(scope="module")
def front(small, found):
    return candidates.details(small, found.candidates, found.front)


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


class TestPlane:
    def test_front_and_short_list_are_where_they_cost(self, found, front):
        plane = figures.plane(found, front, dark=False)
        drawn = {trace.name: (number, trace) for number, trace in enumerate(plane.figure.data)}
        number, line = drawn["front"]
        assert list(line.x) == list(front["energy_kwh"])
        assert list(line.y) == pytest.approx(list(1 - front["accuracy"]))
        assert line.line.color == FRONT
        assert plane.hashes[number] == tuple(front["hash"])
        labelled = {
            note.text.removeprefix("<b>").removesuffix("</b>"): note for note in plane.figure.layout.annotations
        }
        for row in found.shortlist.itertuples():
            label = ", ".join(figures.ROLE_NAMES[role] for role in figures.ROLE_NAMES if role in row.roles.split(","))
            number, trace = drawn[label]
            assert plane.hashes[number] == (row.hash,)
            assert (trace.x[0], trace.y[0]) == pytest.approx((row.energy_kwh, 1 - row.accuracy))
            assert labelled[label].x == pytest.approx(np.log10(row.energy_kwh))

    def test_every_candidate_within_the_picture_is_counted(self, found, front):
        density = figures.plane(found, front, dark=False).figure.data[0]
        counts = np.nansum(10 ** np.array(density.z, float))
        assert counts == pytest.approx(figures.SHOWN_SHARE * 2532, rel=0.02)

    def test_no_label_covers_another(self, bench, small, found, whole):
        smaller = [replace(view, task=replace(view.task, space="5V")) for view in PRESETS.values()]
        for where, here in ((small, found), (bench, whole), *((small, choose.choose(small, view)) for view in smaller)):
            figure = figures.plane(here, candidates.details(where, here.candidates, here.front), False).figure
            bottom, top = figure.layout.yaxis.range
            heights = sorted(note.y * -320 / (top - bottom) + note.ay for note in figure.layout.annotations)
            assert (np.diff(heights) > 21.9).all()

    def test_limits_close_off_what_breaks_them(self, found, front):
        energy, error = figures.plane(found, front, dark=True).figure.layout.shapes
        assert energy.x0 == 0.6
        assert error.y0 == pytest.approx(0.08)

    def test_the_open_cell_is_ringed(self, found, front):
        digest = front["hash"].iloc[2]
        plane = figures.plane(found, front, False, digest)
        assert plane.figure.data[-1].name == "open"
        assert plane.hashes[len(plane.figure.data) - 1] == (digest,)

    def test_predictions_have_intervals_and_open_markers(self, bench, whole):
        listed = candidates.details(bench, whole.candidates, whole.front)
        line = next(each for each in figures.plane(whole, listed, False).figure.data if each.name == "front")
        predicted = (listed["accuracy_provenance"] == "predicted").to_numpy()
        assert [symbol == "triangle-up-open" for symbol in line.marker.symbol] == predicted.tolist()
        assert np.array_equal(np.array(line.error_y.array) > 0, predicted)

    @pytest.mark.parametrize("dark", [False, True])
    def test_weight(self, found, front, dark):
        assert len(figures.plane(found, front, dark).figure.to_json()) < 400_000


class TestMoved:
    @pytest.mark.parametrize("varied", [None, "energy_kwh", "accuracy", "parameters"])
    def test_staircases_are_the_stretches(self, found, varied):
        sweep = sensitivity.sweep(found, varied)
        energy, accuracy = figures.moved(sweep, dark=False).data
        assert list(energy.y) == list(np.repeat(sweep.steps["energy_kwh"], 2))
        assert list(accuracy.y) == list(np.repeat(sweep.steps["accuracy"], 2))
        assert np.isfinite(np.array(energy.x, float)).all()
        assert (np.diff(energy.x) >= 0).all()

    def test_now_is_marked(self, found):
        (line,) = figures.moved(sensitivity.sweep(found, "energy_kwh"), dark=False).layout.shapes
        assert (line.x0, line.line.color) == (0.6, SELECTION)
        assert not figures.moved(sensitivity.sweep(found, "time_h"), dark=False).layout.shapes

    @pytest.mark.parametrize(
        ("low", "high", "told"),
        [
            (0.08, 1.05, ["0.1", "0.2", "0.5", "1"]),
            (0.255, 0.273, ["0.255", "0.26", "0.265", "0.27"]),
            (2e5, 2.7e6, ["0.2", "0.5", "1", "2"]),
            (0.3, 0.3, ["0.3"]),
            (0.002, 5, ["0.01", "0.1", "1"]),
        ],
    )
    def test_a_few_round_labels(self, low, high, told):
        per = 1e6 if low > 1e3 else 1
        found = figures._labelled(low, high, per)
        assert found["ticktext"] == told
        assert [float(text) * per for text in told] == pytest.approx(found["tickvals"])

    @given(st.floats(1e-9, 1e9), st.floats(1.0001, 1e12))
    def test_labels_are_within_the_axis_and_few(self, low, times):
        values = figures._labelled(low, low * times)["tickvals"]
        assert 2 <= len(values) <= 8 and values == sorted(values)
        assert low * (1 - 1e-9) <= values[0] and values[-1] <= low * times * (1 + 1e-9)

    def test_headline(self, found):
        sweep = sensitivity.sweep(found, None)
        told = plain(figures.moved_headline(sweep))
        assert f"{sweep.steps['position'].nunique()} cells are chosen in turn" in told
        low, high = sweep.current
        assert f"{100 * low:.0f} % to {100 * high:.0f} %" in told


class TestWords:
    def test_headline(self, found):
        row = found.shortlist.iloc[0]
        told = plain(figures.headline(found))
        assert told.startswith(f"{int(found.qualifying.sum())} of 2 532 cells qualify; by your weights take cell")
        assert row["hash"][:8] in told and f"{row['accuracy']:.4f}" in told
        best = found.reference.iloc[0]
        assert f"{100 * (best['accuracy'] - row['accuracy']):.2f} points of accuracy less" in told
        assert f"{100 * (1 - row['energy_kwh'] / best['energy_kwh']):.0f} % energy less" in told

    @pytest.mark.parametrize(
        ("saving", "told"),
        [
            (Saving(0.004, 0.89, 0, 1, 1), "0.40 points of accuracy less, 89 % energy less"),
            (Saving(0.0, 0.0, 0, 0, 0), "the same accuracy, the same energy"),
            (Saving(0.01, -0.2, 0, 0, 0), "1.00 points of accuracy less, 20 % energy more"),
        ],
    )
    def test_savings(self, saving, told):
        assert plain(figures.saved(saving)) == told

    def test_gives_up(self, found):
        values = found.candidates.values
        by_role = {role: found.shortlist[found.shortlist["position"] == at].iloc[0] for role, at in found.roles.items()}
        cheapest, best = by_role["cheapest"], by_role["best"]
        points = 100 * (values["accuracy"][found.roles["best"]] - cheapest["accuracy"])
        assert figures.gives_up(cheapest, found).startswith(f"{points:.2f} points of accuracy")
        times = best["energy_kwh"] / cheapest["energy_kwh"]
        assert figures.gives_up(best, found).startswith(f"{times:.1f} times the energy")
        little = best.copy()
        little["energy_kwh"] = 1.04 * cheapest["energy_kwh"]
        assert plain(figures.gives_up(little, found)) == "4 % more energy than the cheapest that qualifies."
        little["position"], little["accuracy"] = -1, best["accuracy"] - 0.00001
        assert figures.gives_up(little, found).startswith("less than 0.01 points of accuracy")

    def test_how_sure(self, bench, found, whole):
        assert "single training" in figures.how_sure(found.shortlist.iloc[0], found) or "mean of" in figures.how_sure(
            found.shortlist.iloc[0], found
        )
        needs = Needs(max_energy_kwh=0.1, min_accuracy=0.835)
        wide = choose.among(bench, whole.candidates, ChooseView(needs=needs))
        row = wide.shortlist[wide.shortlist["accuracy_provenance"] == "predicted"].iloc[0]
        told = figures.how_sure(row, wide)
        assert f"interval {row['accuracy_low']:.4f} to {row['accuracy_high']:.4f}" in told
        assert ("misses your limits" in told) == (row["accuracy_low"] < 0.835)

    def test_conflicts_and_relaxations(self, small):
        needs = Needs(max_energy_kwh=0.2, min_accuracy=0.93)
        lost = choose.choose(small, ChooseView(Task("4V"), needs))
        (told,) = figures.describe_conflict(lost.conflict, needs)
        assert plain(told) == (
            "No cell keeps all of these, but some each: energy of a training at most 0.200 kWh and accuracy at least "
            "0.9300."
        )
        assert figures.headline(lost) == "No cell of 4V keeps all limits."

    @pytest.mark.parametrize(
        ("quantity", "value", "written"),
        [
            ("energy_kwh", 0.27316, 0.274),
            ("energy_kwh", 0.273, 0.273),
            ("parameters", 2396618.0, 2400000.0),
            ("accuracy", 0.94176, 0.9417),
            ("accuracy", 0.9417, 0.9417),
            ("time_h", 12.0, 12.0),
        ],
    )
    def test_relaxed_limits_are_rounded_outward(self, quantity, value, written):
        assert figures.outward(quantity, value) == pytest.approx(written)
        assert figures.outward(quantity, value) <= value if quantity == "accuracy" else value <= written + 1e-12

    @pytest.mark.parametrize(
        ("quantity", "value", "told"),
        [
            ("time_h", 0.5, "30.0 min"),
            ("time_h", 2.0, "2.00 h"),
            ("parameters", 1_225_226, "1.23 M"),
            ("parameters", 1000, "1 000"),
            ("accuracy", 0.94176, "0.9418"),
            ("energy_kwh", float("nan"), "–"),
        ],
    )
    def test_amounts(self, quantity, value, told):
        assert plain(figures.amount(quantity, value)) == told
