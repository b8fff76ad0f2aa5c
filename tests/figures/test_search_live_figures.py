"""The figures of a running search against brute force and moocore, and what a study is expected to take."""

from __future__ import annotations

import math
from typing import Literal

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecnas_core import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.figures import search_live as figures
from ecnas_core.figures.theme import contrast_ratio, palette
from ecnas_core.search import ALGORITHMS, Setting, outlook, study_repository
from ecnas_core.search.outlook import Means
from ecnas_core.search.runner import StudyProgress, TrialProgress
from ecnas_core.search.study import Plan, TrialKey

SETTING = Setting(space="4V")
LEVELS = {"worst": 0.0, "first_quartile": 0.25, "median": 0.5, "third_quartile": 0.75, "best": 1.0}


def trial(
    algorithm: str = "RS",
    number: int = 0,
    state: Literal["waiting", "running", "finished"] = "running",
    *,
    evaluations: int = 10,
    planned: int = 20,
    rises: tuple[tuple[int, float], ...] = ((5, 0.1),),
    values: tuple[tuple[float, ...], ...] = (),
    seconds: float = 2.0,
) -> TrialProgress:
    height = rises[-1][1] if rises else 0.0
    hashes = tuple(f"{number}{place:031x}" for place in range(len(values)))
    return TrialProgress(
        task=TrialKey(algorithm, number),
        trial=number,
        state=state,
        planned=planned,
        generation=1,
        asked=evaluations,
        evaluations=evaluations,
        hypervolume=height,
        rises=rises,
        values=values,
        hashes=hashes,
        epochs=(108,) * len(values),
        seconds=seconds,
    )


def progress(*trials: TrialProgress) -> StudyProgress:
    return StudyProgress(None, trials)


def height_after(rises: list[tuple[int, float]], evaluations: int) -> float:
    return max((height for count, height in rises if count <= evaluations), default=0.0)


runs = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 99)), max_size=6), st.integers(0, 10)),
    min_size=1,
    max_size=5,
)


@given(runs)
def test_bands_are_quantiles_of_the_trials_that_have_come_so_far(drawn):
    trials, rises_of = [], []
    for number, (steps, more) in enumerate(drawn):
        counts = sorted({count for count, _ in steps})
        heights = sorted(height / 100 for _, height in steps)[: len(counts)]
        rises = list(zip(counts, heights, strict=True))
        last = max(counts, default=0) + more
        if last:
            rises_of.append((rises, last))
        trials.append(trial(number=number, evaluations=last, rises=tuple(rises)))
    found = figures.bands(progress(*trials))
    for row in found.to_dict("records"):
        there = [height_after(rises, row["evaluation"]) for rises, last in rises_of if last >= row["evaluation"]]
        assert row["trials"] == len(there)
        for name, level in LEVELS.items():
            assert row[name] == pytest.approx(np.quantile(there, level))
    drawn_at = {count for rises, _ in rises_of for count, _ in rises} | {last for _, last in rises_of}
    assert set(found["evaluation"]) == drawn_at


def test_algorithms_have_bands_of_their_own_in_the_order_of_the_study():
    found = figures.bands(progress(trial("SEMOA", rises=((1, 0.4),)), trial("RS", rises=((1, 0.2),))))
    assert found.groupby("algorithm", sort=False)["median"].last().to_dict() == {"SEMOA": 0.4, "RS": 0.2}


def test_nothing_found_yet_is_said_and_drawn():
    waiting = progress(trial(state="waiting", evaluations=0, rises=(), seconds=0.0))
    assert figures.bands(waiting).empty
    assert figures.points(waiting, SETTING).empty
    assert figures.headline(figures.reached(waiting), None) == "Nothing is found yet"
    assert outlook.rate(waiting) is None
    for figure in (
        figures.front(figures.points(waiting, SETTING), SETTING.metrics, "measured", dark=False),
        figures.growth(figures.bands(waiting), None, {"RS": 20}, dark=True),
    ):
        assert not figure.data
        assert len(figure.layout.annotations) == 1


def test_the_headline_counts_finished_trials_before_running_ones():
    found = figures.reached(
        progress(
            trial("RS", 0, "finished", rises=((1, 0.5),)),
            trial("RS", 1, "finished", rises=((1, 0.7),)),
            trial("RS", 2, rises=((1, 0.1),)),
            trial("SEMOA", 0, rises=((1, 0.8),)),
        )
    )
    assert found == {"RS": [0.5, 0.7], "SEMOA": [0.8]}
    plain = figures.headline(found, 1.0).replace("\u202f", " ")
    assert plain == "SEMOA has 80.00 % of the true front's hypervolume, RS 60.00 %"
    assert figures.headline({"RS": [0.5, 0.7]}, None) == "RS reaches a hypervolume of 0.6000 (median of 2 trials)"


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=8), min_size=1, max_size=5
    )
)
@settings(max_examples=40)
def test_the_line_is_the_median_attainment_surface(fronts):
    trials = [
        trial(number=number, values=tuple((x / 10, y / 10) for x, y in values)) for number, values in enumerate(fronts)
    ]
    figure = figures.front(figures.points(progress(*trials), SETTING), SETTING.metrics, "measured", dark=False)
    points, line = figure.data
    assert sorted(zip(points.x, points.y, strict=True)) == sorted((x / 10, y / 10) for each in fronts for x, y in each)
    rows = [(x / 10, y / 10, number) for number, each in enumerate(fronts) for x, y in each]
    data = np.array(rows)
    percent = 100 * math.ceil(len(fronts) / 2) / len(fronts)
    expected = moocore.eaf(data[:, :2], sets=data[:, 2], percentiles=[percent])[:, :2]
    expected = expected[np.lexsort((expected[:, 1], expected[:, 0]))]
    np.testing.assert_allclose(np.column_stack([line.x, line.y]), expected)
    assert line.line.shape == "hv"


def test_three_objectives_are_points_alone_with_the_third_on_hover():
    setting = Setting(space="4V", objectives=("energy", "validation_error", "parameters"))
    found = figures.points(progress(trial(values=((0.2, 0.1, 3.0), (0.3, 0.05, 4.0)))), setting)
    [points] = figures.front(found, setting.metrics, "measured", dark=True).data
    assert list(points.x) == [0.2, 0.3]
    assert [row[-1] for row in points.customdata] == ["3.00\u00a0M", "4.00\u00a0M"]


def test_growth_is_a_share_of_the_true_front_and_logarithmic_where_numbers_are_far_apart():
    spread = figures.bands(progress(trial("RS", 0, rises=((2, 0.2), (8, 0.4))), trial("RS", 1, rises=((4, 0.3),))))
    figure = figures.growth(spread, 0.5, {"RS": 20}, dark=False)
    median = next(trace for trace in figure.data if trace.name == "RS")
    assert dict(zip(median.x, median.y, strict=True)) == pytest.approx({2: 0.2, 4: 0.5, 8: 0.7, 10: 0.7})
    assert figure.layout.xaxis.type == "linear"
    assert figure.layout.yaxis.range[0] < 0.2 < 1 < figure.layout.yaxis.range[1]
    assert figures.growth(spread, 0.5, {"RS": 20, "SEMOA": 100}, dark=False).layout.xaxis.type == "log"


class TestOutlook:
    AVERAGE = Means(questions=91, kwh=0.4, seconds=3600.0, predicted=0.0)

    def test_means_are_those_of_the_space(self, truth):
        bench = Benchmark.open()
        for space in ("4V", "7V"):
            cells = truth.cells(space)
            found = outlook.means(bench, Setting(space=space))
            assert found.questions == len(cells)
            assert found.kwh == pytest.approx(cells["energy"].mean())
            assert found.seconds == pytest.approx(cells["training_time"].mean())
        every = outlook.means(bench, Setting(space="7V", artefacts=True))
        assert every.questions - outlook.means(bench, Setting(space="7V")).questions == 9

    def test_a_scope_that_is_not_known_has_no_mean(self):
        found = outlook.means(Benchmark.open(), Setting(space="7V", lens=Lens(scope="GPU")))
        assert found.kwh is None

    def test_trainings_are_the_evaluations_times_the_mean(self):
        plan = Plan.of(Setting(space="4V"), ("RS", "SEMOA"), 50, 3)
        told = outlook.outlook(plan, self.AVERAGE, speed=1.0, watts=10.0, cores=2)
        assert (told.trials, told.evaluations) == (6, 300)
        assert told.training == pytest.approx(120.0)
        assert told.training_s == pytest.approx(300 * 3600.0)
        assert told.times_less == pytest.approx(120.0 / told.search_kwh)

    def test_no_more_is_charged_than_there_are_new_questions(self):
        for charging, evaluations in (("unique", 91), ("all", 1000)):
            plan = Plan.of(Setting(space="4V", charging=charging), ("RS",), 1000, 1)
            assert outlook.outlook(plan, self.AVERAGE, 1.0, 10.0).evaluations == evaluations

    def test_the_search_takes_busy_cores_times_watts(self):
        plan = Plan.of(Setting(space="4V", charging="all"), ("RS",), 10_000, 4)
        one, two = (outlook.outlook(plan, self.AVERAGE, 1.0, 10.0, cores) for cores in (1, 4))
        work, start = 4 * ALGORITHMS["RS"].seconds(10_000), outlook.START_S["4V"]
        assert one.seconds == pytest.approx(start + work)
        assert two.seconds == pytest.approx(start + work / 4)
        assert one.search_kwh == pytest.approx((start + work) * 10 / 3.6e6)
        assert two.search_kwh == pytest.approx((4 * start + work) * 10 / 3.6e6)
        slow = outlook.outlook(plan, self.AVERAGE, 3.0, 10.0, 1)
        assert slow.seconds == pytest.approx(3 * one.seconds)

    def test_the_pace_is_that_of_finished_trials(self):
        expected = ALGORITHMS["RS"].seconds(10)
        watched = progress(trial(state="finished", seconds=2 * expected), trial(seconds=50 * expected))
        assert outlook.pace([watched]) == pytest.approx(2.0)
        assert outlook.pace([]) == 1.0

    def test_every_algorithm_takes_some_time(self):
        assert all(each.seconds(100) > 0 for each in ALGORITHMS.values())

    def test_time_left_falls_to_nothing(self):
        half = outlook.seconds_left(progress(trial(evaluations=10, planned=20, seconds=3.0)), 1.0, cores=1)
        assert half == pytest.approx(3.0)
        two = progress(trial(evaluations=10, planned=20, seconds=3.0), trial(number=1, evaluations=0, seconds=0.0))
        assert outlook.seconds_left(two, 1.0, cores=1) == pytest.approx(9.0)
        assert outlook.seconds_left(two, 1.0, cores=2) == pytest.approx(6.0)
        assert outlook.seconds_left(progress(trial(state="finished")), 1.0) == 0

    def test_the_rate_is_that_of_the_running_trials(self):
        found = progress(
            trial(evaluations=10, seconds=2.0), trial(evaluations=30, seconds=3.0), trial(state="finished")
        )
        assert outlook.rate(found) == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "0.40 s"),
        (90, "90 s"),
        (600, "10.0 min"),
        (8000, "2.2 h"),
        (400_000, "4.6 days"),
        (1e8, "3.2 years"),
        (None, "–"),
    ],
)
def test_durations_for_the_eye(seconds, told):
    assert figures.duration(seconds).replace("\u00a0", " ") == told


def test_energies_follow_the_lens():
    assert figures.energy(2.5, Lens()) == "2.5\u00a0kWh"
    assert figures.energy(2.3e-5, Lens()) == "0.023\u00a0Wh"
    assert figures.energy(2310.0, Lens(unit="Wh")) == "2\u202f300\u00a0kWh"
    carbon = Lens(country=None, g_per_kwh=100.0, unit="kgCO2eq")
    assert figures.energy(2.0, carbon) == "0.20\u00a0kgCO2eq"
    assert figures.energy(0.02, carbon) == "2.0\u00a0gCO2eq"
    assert figures.amount(0.00067) == "0.670\u00a0Wh"
    assert figures.energy(None, Lens()) == "–"
    assert figures.times(12_300).replace("\u202f", " ") == "about 10 000 times"
    assert figures.times(3.4e7) == "34 million times"


def test_algorithms_have_colours_of_their_own_on_both_backgrounds():
    for dark in (False, True):
        colors = [
            figures.color(name, dark)
            for name in ("SEMOA-L", "SEMOA", "SH-EMOA", "MS-EHVI", "RS", "NSGA-II", "SMS-EMOA")
        ]
        assert len(set(colors)) == len(colors)
        assert palette(dark).paper not in colors
        assert contrast_ratio(colors[0], palette(dark).paper) >= 3


@pytest.mark.parametrize(
    ("space", "epochs", "shape"),
    [("4V", 108, "measured"), ("5V", 4, "measured"), ("5V", None, "scaled"), ("7V", 4, "surrogate")],
)
def test_points_have_the_shape_of_the_energies(space, epochs, shape):
    assert figures.provenance(Setting(space=space, epochs=epochs)) == shape


def test_published_searches_against_moocore():
    bench = Benchmark.open()
    found, spread, volumes = figures.published(bench, "4V")
    rows = study_repository.published(bench, "4V")
    rows = rows[rows["valid"]].assign(validation_error=1 - rows["validation_accuracy"])
    assert set(volumes) == {"SEMOA", "SH-EMOA", "MS-EHVI", "RS"}
    for name, heights in volumes.items():
        expected = [
            moocore.hypervolume(each[["energy_kwh", "validation_error"]].to_numpy(float), ref=[1.0, 0.2])
            for _, each in rows[rows["algorithm"] == name].groupby("trial")
        ]
        assert heights == pytest.approx(expected)
        assert spread[spread["algorithm"] == name]["evaluation"].min() == 1
    pooled = found[["energy", "validation_error"]].to_numpy()
    assert np.isfinite(pooled).all()


def test_fronts_in_words():
    found = figures.points(progress(trial(values=((0.1, 0.2), (0.3, 0.05)))), SETTING)
    told = figures.describe_front(found, SETTING.metrics)
    assert told == (
        "The fronts of the trials, 2 points: energy from 0.100\u00a0kWh to 0.300\u00a0kWh, validation error from 0.0500 to "
        "0.2000"
    )
    assert figures.describe_front(found[:0], SETTING.metrics) == "The fronts of the trials: no point yet"
