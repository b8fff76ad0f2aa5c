"""The figures of the Measure page: what is drawn, and what is said in words; energies by hand, ratios by the files."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from ecnas_core import Benchmark
from ecnas_core.analysis import benchmark_reference, hardware
from ecnas_core.analysis.hardware import OFFICIAL_DEVICES, HardwareView
from ecnas_core.carbon import Lens
from ecnas_core.figures import measure as figures
from ecnas_core.figures.hardware import DEVICES
from ecnas_core.figures.theme import SELECTION
from ecnas_core.measure.protocol import Settings
from ecnas_core.measure.runs import Repeated
from tests.made_up import CPU, GPU, LEAN, MadeUpRun, measured, on_cpu, with_cpu

EPOCH_GPU_WH = 32 * 40_000 / 256 / 3600  # 1.389
EPOCH_IT_WH = 40 * 40_000 / 256 / 3600  # 1.736
GPU_LENS = Lens(scope="GPU", unit="Wh")
SURROGATE_CELL = "00de8414aa3cc7731dae2342197c33f2"


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


class TestTimeline:
    @pytest.fixture
    def run(self, tmp_path):
        return MadeUpRun(tmp_path, settings=Settings(effort="thorough", device="cuda:0")).device()

    def test_phases_done_present_and_to_come(self, run):
        run.phase("idle", 4, 6).phase("warm-up", 10.5, 12)
        found = {stage.label: stage for stage in figures.stages(run.status(13.5))}
        assert list(found) == list(figures.PHASES.values())
        assert [stage.state for stage in found.values()] == ["done", "done", "present", *["to come"] * 4]
        assert plain(found["Start"].seconds) == "4.0 s"
        assert plain(found["Idle before"].seconds) == "6.5 s"
        assert plain(found["Warm up"].seconds) == "3 of 12 s"
        assert found["Warm up"].share == pytest.approx(3 / 12)
        assert plain(found["Repeats"].seconds) == "64 s"
        assert found["Calibrate"].seconds == ""

    def test_a_phase_that_takes_longer_is_full_and_says_how_long(self, run):
        run.phase("idle", 4, 6)
        stage = next(stage for stage in figures.stages(run.status(12)) if stage.state == "present")
        assert (stage.label, stage.share, plain(stage.seconds)) == ("Idle before", 1.0, "8.0 s")

    def test_without_a_counter_there_is_no_idle(self, run):
        run.phase("warm-up", 4, 2)
        assert [stage.label for stage in figures.stages(run.status(5))] == [
            "Start",
            "Warm up",
            "Calibrate",
            "Repeats",
        ]

    def test_power_and_temperature_over_time_with_the_repeats_shaded(self, run):
        run.phase("idle", 4, 6).sample(5, 70, 30).sample(6, 71, 31).phase("repeat", 20, 64).sample(25, 400, 52)
        figure = figures.live(run.status(30), dark=False)
        power, temperature = figure.data
        assert (list(power.x), list(power.y)) == ([5, 6, 25], [70, 71, 400])
        assert list(temperature.y) == [30, 31, 52]
        assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(20, 30)}
        assert figure.layout.yaxis.title.text == "Power (W)"
        assert plain(figures.describe_live(run.status(30))) == "The GPU after 25 s: power 400 W, temperature 52 °C."


class TestRepeats:
    ROWS = tuple(
        Repeated(number, 8, 0.1, {"nvml:0": joules, "rapl:package-0": 5.0}, cell=0, hash=LEAN)
        for number, joules in ((1, 9.0), (2, 11.0))
    )

    def test_a_dot_a_repeat_and_counter_with_the_mean(self):
        figure = figures.repeats(self.ROWS, 8, dark=False)
        dots = {trace.name: list(trace.y) for trace in figure.data if trace.mode == "markers"}
        means = {trace.name: list(trace.y) for trace in figure.data if trace.mode == "lines"}
        assert dots == {"nvml:0": [9, 11], "rapl:package-0": [5, 5]}
        assert means["nvml:0, mean"] == [10, 10]
        assert figure.layout.yaxis.title.text == "J a step"
        assert list(figure.layout.xaxis.range) == [0.5, 8.5]

    def test_time_where_nothing_counts(self):
        rows = [Repeated(number, 8, number / 10, {}, cell=0, hash=LEAN) for number in (1, 2)]
        figure = figures.repeats(rows, 8, dark=True)
        assert list(figure.data[1].y) == [0.1, 0.2]
        assert figure.layout.yaxis.title.text == "s a step"

    def test_spread_is_the_coefficient_of_variation(self):
        assert plain(figures.spread(self.ROWS)) == f"{100 * np.std([9, 11], ddof=1) / 10:.1f} %"
        assert figures.spread(self.ROWS[:1]) == figures.spread(()) == ""

    def test_before_the_first_it_says_what_will_come(self):
        assert figures.repeats((), 8, dark=False).layout.annotations[0].text.startswith("one dot a repeat")


class TestScope:
    @pytest.mark.parametrize(
        ("found", "scope", "seen"),
        [
            (measured(), "facility", "GPU"),
            (measured(), "GPU", "GPU"),
            (with_cpu(), "facility", "facility"),
            (with_cpu(), "IT", "IT"),
            (on_cpu(), "facility", None),
            (on_cpu(cpu_energy_j_per_step=3.0), "GPU", "IT"),
        ],
    )
    def test_the_nearest_scope_that_is_known(self, found, scope, seen):
        lens = figures.nearest_supported_lens(Lens(scope=scope), found)
        assert (lens and lens.scope) == seen
        assert (figures.unknown_scope(found, Lens(scope=scope)) == "") == (seen == scope)

    def test_of_several_the_one_known_of_all(self):
        assert figures.nearest_supported_lens(Lens(), measured(), with_cpu()).scope == "GPU"
        assert figures.nearest_supported_lens(Lens(), with_cpu(), on_cpu()) is None

    def test_what_is_missing_is_named(self):
        assert figures.unknown_scope(measured(), Lens()) == (
            "The CPU's energy was not measured, so the scope Facility of the lens is not known. Shown is GPU."
        )
        assert figures.unknown_scope(on_cpu(cpu_energy_j_per_step=3.0), Lens(scope="GPU")).startswith(
            "No GPU took part"
        )
        assert figures.unknown_scope(on_cpu(), Lens()).startswith("No counter told an energy")


class TestHeadline:
    def said(self, small, found, lens) -> str:
        return plain(figures.headline(found, benchmark_reference.entries(small, found, lens), lens))

    def test_between_two_devices(self, small):
        """Placed by the GPU joules of the released files: 6,325 RTX 3060, 9,449 Quadro, 12,885 Titan Xp, 18,033 RTX 3090."""
        files = [f"energy_4V9E_{name}.tfrecord" for name in ("rtx3060", "quadrortx6000", "titanxp", "rtx3090")]
        rows = small.rows(
            "select device, gpu_energy_j from results where hash = ? and epochs = 4 and source in (?, ?, ?, ?) order by 2",
            [LEAN, *files],
        )
        for lower, upper in pairwise(rows):
            between = (lower["gpu_energy_j"] + upper["gpu_energy_j"]) / 2
            told = self.said(small, measured(gpu_energy_j_per_step=between / 4 / 40_000 * 256), GPU_LENS)
            assert told == (
                f"Your {GPU} needs {between / 4 / 3600:.3g} Wh for an epoch of this cell (GPU alone), between "
                f"{lower['device']} and {upper['device']}."
            )

    def test_less_than_all_and_more_than_all(self, small):
        least = self.said(small, measured(gpu_energy_j_per_step=0.5), GPU_LENS)
        assert "less than on the " in least
        assert least.endswith(", the leanest of the benchmark's GPUs here.")
        assert "the hungriest of the benchmark's GPUs here." in self.said(
            small, measured(gpu_energy_j_per_step=900.0), GPU_LENS
        )

    def test_energy_by_hand_in_every_scope(self, small):
        found = with_cpu()
        assert f"needs {EPOCH_GPU_WH:.2f} Wh for an epoch of this cell (GPU alone)" in self.said(small, found, GPU_LENS)
        assert f"{EPOCH_IT_WH:.2f} Wh for an epoch of this cell (GPU and CPU)" in self.said(
            small, found, Lens(scope="IT")
        )
        assert f"{1.2 * EPOCH_IT_WH:.2f} Wh for an epoch of this cell (facility energy, PUE 1.2)" in self.said(
            small, found, Lens(pue=1.2)
        )
        emitted = EPOCH_IT_WH / 1000 * 500
        assert f"emits {emitted:.3f} gCO2eq for an epoch" in self.said(
            small, found, Lens(scope="IT", country=None, g_per_kwh=500, unit="kgCO2eq")
        )

    def test_beyond_4v_the_space_is_what_it_stands_beside(self):
        bench, found = Benchmark.open(), with_cpu(hash=SURROGATE_CELL)
        ratio = benchmark_reference.entries(bench, found, Lens())["ratio"].iloc[0]
        assert self.said(bench, found, Lens()).endswith(f", {ratio:.3g} times what the benchmark has (7V, surrogate).")

    def test_time_alone(self, small):
        assert self.said(small, on_cpu(), Lens()) == (
            f"Your {CPU} needs 42 min for an epoch of this cell; its energy could not be measured."
        )

    def test_inference(self, small):
        assert self.said(small, measured(mode="inference"), GPU_LENS) == (
            f"Your {GPU} needs 125 mJ (GPU alone) and 391 µs to infer an image with this cell."
        )
        assert self.said(small, on_cpu(mode="inference"), Lens()) == (
            f"Your {CPU} needs 62.5 ms to infer an image with this cell; its energy could not be measured."
        )

    def test_what_is_not_stable_is_said_to_be_about(self, small):
        """By what the energy varies; by what the time does where no energy is known."""
        loud = {"stable": False, "gpu_energy_cv": 0.7, "seconds_cv": 0.2}
        told = self.said(small, measured(**loud), GPU_LENS)
        assert (
            f"needs about {EPOCH_GPU_WH:.2f} Wh for an epoch of this cell (GPU alone; the repeats vary by 70 %)" in told
        )
        quiet = {"stable": False, "seconds_cv": 0.2}
        assert self.said(small, on_cpu(**quiet), Lens()) == (
            f"Your {CPU} needs about 42 min for an epoch of this cell (the repeats vary by 20 %); its energy could not be "
            "measured."
        )
        assert "about 125 mJ (GPU alone; the repeats vary by 70 %)" in self.said(
            small, measured(mode="inference", **loud), GPU_LENS
        )

    def test_its_place_does_not_depend_on_the_images_of_an_epoch(self, small):
        long, short = (
            self.said(small, measured(gpu_energy_j_per_step=12.0, images_per_epoch=images), GPU_LENS)
            for images in (40_000, 10_000)
        )
        assert "for an epoch of 10 000 images of this cell" in short
        assert long.partition("(GPU alone), ")[2] == short.partition("(GPU alone), ")[2] != ""


class TestNumbers:
    def test_every_component_with_interval_and_variation(self):
        rows = {row[0]: [plain(text) for text in row[1:]] for row in figures.numbers(with_cpu())}
        assert rows["GPU, a step"] == ["32.0 J", "31.80 to 32.20 J", "0.6 %"]
        assert rows["GPU, a step, above idle"][0] == "25.0 J"
        assert rows["GPU, an image"][0] == "125 mJ"
        assert rows["CPU, mean power"][0] == "80.0 W"
        assert rows["Memory (DRAM), a step"][0] == "500 mJ"
        assert rows["Time, a step"] == ["100 ms", "99.50 to 100.5 ms", "0.4 %"]
        assert [words[0] for name, words in rows.items() if name.startswith("Time, an epoch of 40")] == ["16 s"]

    def test_what_was_not_counted_has_no_row(self):
        assert [row[0] for row in figures.numbers(on_cpu())] == ["Time, a step", "Time, an epoch of 40\u202f000 images"]

    def test_whole_trainings(self):
        rows = [[plain(text) for text in row] for row in figures.trainings(with_cpu(), Lens(scope="IT", unit="Wh"))]
        low, high = ((gpu + cpu) * 156.25 / 3600 * 4 for gpu, cpu in ((31.8, 7.9), (32.2, 8.1)))
        assert rows[0] == ["4", f"{4 * EPOCH_IT_WH:.2f} Wh", f"{low:.2f} to {high:.2f}", "62 s"]
        assert rows[3] == ["108", f"{108 * EPOCH_IT_WH:.0f} Wh", f"{27 * low:.0f} to {27 * high:.0f}", "28 min"]

    def test_whole_trainings_of_time_alone(self):
        rows = [[plain(text) for text in row] for row in figures.trainings(on_cpu(), None)]
        assert rows[0] == ["4", "2.8 h", "2.7 to 2.8 h"]

    @pytest.mark.parametrize(
        ("low", "high", "told"),
        [(31.8, 32.2, "31.80 to 32.20 J"), (0.999, 1.002, "0.9990 to 1.002 J"), (-3.0, 9.0, "−3.000 to 9.000 J")],
    )
    def test_an_interval_has_one_unit(self, low, high, told):
        found = measured(gpu_energy_j_per_step_low=low, gpu_energy_j_per_step_high=high)
        assert plain(figures.numbers(found)[0][2]) == told

    def test_epochs_of_another_length_are_told(self):
        assert figures.own_epoch(measured()) == ""
        assert plain(figures.own_epoch(measured(images_per_epoch=10_000))) == (
            "An epoch has 10 000 images here, as measured; beside the benchmark it is brought to the 40 000 there."
        )

    def test_fine_print(self):
        told = dict(figures.fine_print(measured()))
        assert plain(told["carbontracker"]) == "33.6 J a step, its PUE undone; +5.0 % against the counter"
        assert plain(told["GPU counter"]) == "nvml:0 (counter), changes every 100 ms"
        assert told["Temperature"] == "mean 52 °C, at most 55 °C in the repeats"
        assert told["Measured"].startswith("2026-01-02 03:04 UTC")
        assert {"Driver", "Clock", "GPU counter", "carbontracker"}.isdisjoint(dict(figures.fine_print(on_cpu())))

    def test_flags_with_their_meaning(self):
        told = figures.flag_messages(measured(flags="quick,unstable"))
        assert [flag for flag, _ in told] == ["quick", "unstable"]
        assert "repeat it thoroughly" in told[0][1]
        assert figures.flag_messages(measured()) == []

    @pytest.mark.parametrize(
        ("seconds", "told"),
        [
            (0.33, "0.33 s"),
            (42, "42 s"),
            (119, "119 s"),
            (120, "2.0 min"),
            (1500, "25 min"),
            (7200, "2.0 h"),
            (90_000, "25 h"),
        ],
    )
    def test_times(self, seconds, told):
        assert plain(figures.wait(seconds)) == told


class TestBesideTheBenchmark:
    def test_own_among_the_entries_by_rising_energy_with_the_ratios(self, small):
        found = measured()
        entries = benchmark_reference.entries(small, found, GPU_LENS, 12)
        figure = figures.beside_benchmark(found, entries, GPU_LENS, 12, dark=False)
        values = {trace.y[0]: trace.x[0] for trace in figure.data}
        assert values["<b>yours</b>"] == pytest.approx(12 * EPOCH_GPU_WH)
        assert list(values.values()) == sorted(values.values())
        for entry in entries.dropna().itertuples():
            assert values[entry.name] == entry.value
            note = next(note for note in figure.layout.annotations if note.y == entry.name)
            assert plain(note.text) == f"{entry.ratio:#.3g} times it"
        colors = {trace.y[0]: trace.marker.line.color for trace in figure.data}
        assert colors["<b>yours</b>"] == SELECTION
        assert figure.layout.shapes[0].x0 == pytest.approx(12 * EPOCH_GPU_WH)
        assert figure.layout.xaxis.title.text == "Energy of 12 epochs (Wh)"
        assert figure.layout.xaxis.type == "log"
        assert {trace.marker.symbol for trace in figure.data} == {"circle"}

    def test_own_is_that_of_the_benchmarks_epochs(self, small):
        for images in (10_000, 40_000, 50_000):
            found = measured(images_per_epoch=images)
            figure = figures.beside_benchmark(
                found, benchmark_reference.entries(small, found, GPU_LENS), GPU_LENS, 4, dark=False
            )
            values = {trace.y[0]: trace.x[0] for trace in figure.data}
            assert values["<b>yours</b>"] == pytest.approx(4 * EPOCH_GPU_WH), images

    def test_released_devices_keep_their_colours(self, small):
        figure = figures.beside_benchmark(
            measured(), benchmark_reference.entries(small, measured(), GPU_LENS), GPU_LENS, 4, dark=True
        )
        colors = {trace.y[0]: trace.marker.color for trace in figure.data}
        assert {name: colors[name] for name in OFFICIAL_DEVICES if name in colors}.items() <= DEVICES.items()

    def test_the_surrogate_is_a_diamond(self):
        found = with_cpu(hash=SURROGATE_CELL)
        entries = benchmark_reference.entries(Benchmark.open(), found, Lens())
        figure = figures.beside_benchmark(found, entries, Lens(), 4, dark=False)
        assert [trace.marker.symbol for trace in figure.data if trace.y[0].startswith("7V")] == ["diamond"]

    def test_no_emission_is_drawn_on_a_linear_axis(self, small):
        lens = Lens(country=None, g_per_kwh=0, unit="kgCO2eq")
        found = with_cpu()
        figure = figures.beside_benchmark(found, benchmark_reference.entries(small, found, lens), lens, 4, dark=False)
        assert figure.layout.xaxis.type == "linear"


@pytest.fixture(scope="module")
def frame(small):
    """The records of the released devices."""
    return hardware.compare(small, HardwareView()).frame


class TestDevice:
    @pytest.fixture
    def predicted(self, frame):
        """As if the Titan Xp's energies were predicted."""
        own = frame[frame["device"] == "Titan Xp"][["hash", "energy"]].reset_index(drop=True)
        return own.assign(low=own["energy"] * 0.9, high=own["energy"] * 1.1, provenance="predicted")

    def test_agreement_is_kendalls_tau(self, frame, predicted):
        found = figures.agreement(predicted, frame).set_index("device")
        assert found.loc["Titan Xp", "kendall_tau"] == pytest.approx(1)
        other = frame[frame["device"] == "RTX 3060"].set_index("hash")["energy"]
        both = predicted.set_index("hash")["energy"].to_frame("own").join(other, how="inner")
        assert found.loc["RTX 3060", "kendall_tau"] == pytest.approx(kendalltau(both["own"], both["energy"]).statistic)
        assert found.loc["RTX 3060", "cells"] == 88

    def test_predictions_by_rising_energy_with_intervals_under_the_measured(self, predicted):
        known = predicted.iloc[[3, 40]][["hash", "energy"]]
        of_7v = pd.DataFrame({"hash": [SURROGATE_CELL], "energy": [1.0]})
        figure = figures.device(predicted, pd.concat([known, of_7v]), Lens(), dark=False)
        open_, filled = figure.data
        assert list(open_.y) == sorted(predicted["energy"])
        assert open_.marker.symbol == "triangle-up-open"
        assert np.allclose(open_.error_y.array, 0.1 * np.array(open_.y))
        assert sorted(filled.y) == sorted(known["energy"])
        for x, y in zip(filled.x, filled.y, strict=True):
            assert open_.y[int(x) - 1] == y

    def test_headline(self, frame, predicted):
        agreement = figures.agreement(predicted, frame)
        told = figures.device_headline(GPU, predicted, predicted.iloc[:5], agreement)
        assert plain(told) == (
            f"5 measured cells tell the energy of all 91 cells of 4V on your {GPU} to about ± 10 %; it ranks them most "
            "like the Titan Xp (Kendall's τ 1.000)."
        )

    def test_a_ranking_like_none_is_said_to_be_that(self, predicted):
        taus = pd.DataFrame({"device": list(OFFICIAL_DEVICES), "kendall_tau": [-0.3, -0.2, -0.4, -0.9], "cells": 91})
        told = figures.device_headline(GPU, predicted, predicted.iloc[:5], taus)
        assert told.endswith("it ranks them like none of the released devices (Kendall's τ at most −0.200).")

    def test_doubts_and_cells_that_do_not_count_are_in_the_headline(self, frame, predicted):
        agreement = figures.agreement(predicted, frame)
        known = predicted.iloc[:5]
        told = plain(figures.device_headline(GPU, predicted, known, agreement, excluded=[known["hash"][2]], doubtful=2))
        assert told.startswith("4 measured cells tell")
        assert "to about ± 10 %, though 2 of the measurements are in doubt; it ranks" in told

    def test_doubts(self):
        flags = ("quick,unstable", "quick", "idle drifted", "", "busy")
        assert figures.doubts([measured(flags=each) for each in flags]) == (
            3,
            "Of the 5 measurements that it rests on: 1 unstable, 1 busy, 2 quick.",
        )
        assert figures.doubts([measured(), measured(flags="carbontracker missing")]) == (0, "")

    def test_a_cell_that_does_not_count_is_hollow(self, predicted):
        known = predicted.iloc[[3, 40]][["hash", "energy"]]
        figure = figures.device(predicted, known, Lens(), dark=False, excluded=[known["hash"].iloc[1]])
        _, counted, hollow = figure.data
        assert list(counted.y) == [known["energy"].iloc[0]]
        assert (list(hollow.y), hollow.marker.symbol) == ([known["energy"].iloc[1]], "circle-open")
        assert hollow.name == "does not count (1)"
