"""What came of a study: values against moocore and the Parquet files, figures, words, and the report."""

from __future__ import annotations

import dataclasses
import json
import re
from html import unescape
from itertools import pairwise

import moocore
import numpy as np
import pandas as pd
import pytest
from msgspec import structs

from ecnas_core import Benchmark, cli
from ecnas_core.analysis.compare import compare
from ecnas_core.analysis.metrics import metric
from ecnas_core.analysis.radar import radar
from ecnas_core.analysis.replay import NoGenerations, Replay
from ecnas_core.benchmark.paper import printed
from ecnas_core.carbon import Lens
from ecnas_core.figures import replay as replay_figures
from ecnas_core.figures import search as figures
from ecnas_core.figures.study_report import report, table_1
from ecnas_core.figures.theme import EXTREMES, KNEE, palette
from ecnas_core.records import to_json
from ecnas_core.search import Setting, reproduce, runner, study_repository
from ecnas_core.search.results import (
    NothingFound,
    details,
    distance,
    knee_of,
    marked_front,
    plane_setting,
    pooled_front,
    results,
    true_front,
)
from ecnas_core.search.study import Plan
from tests.studies import Here, carried_out

OBJECTIVES = ["energy", "validation_error"]
REFERENCE = [1.0, 0.2]
KILOBYTE = 1_000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def bench(data):
    return Benchmark(data, Benchmark.open().bundled)


@pytest.fixture(scope="module")
def study(data):
    return carried_out(Plan.of(Setting(space="4V"), ("SEMOA", "RS"), 40, 5, seed=3), data, "Small <study> & co")


@pytest.fixture(scope="module")
def other(data):
    return carried_out(Plan.of(Setting(space="4V", epochs=None), ("RS",), 30, 2), data, "All budgets")


@pytest.fixture(scope="module")
def three(data):
    setting = Setting(space="4V", epochs=None, objectives=(*OBJECTIVES, "training_time"))
    return carried_out(Plan.of(setting, ("SEMOA-L",), 60, 2), data, "Three")


@pytest.fixture(scope="module")
def alone(data):
    setting = Setting(space="4V", objectives=("validation_error",))
    return carried_out(Plan.of(setting, ("RE",), 40, 2), data, "Alone")


@pytest.fixture(scope="module")
def guessed(data):
    return carried_out(Plan.of(Setting(space="5V", accuracy="any"), ("RS",), 60, 1), data, "Predicted")


@pytest.fixture(scope="module")
def of_three(three, bench):
    return results(three, [], bench, true_front(bench, three.plan.setting))


@pytest.fixture(scope="module")
def of_alone(alone, bench):
    return results(alone, [], bench, true_front(bench, plane_setting(alone.plan.setting)))


@pytest.fixture(scope="module")
def found(study, bench):
    return results(study, [], bench, true_front(bench, study.plan.setting))


@pytest.fixture(scope="module")
def table(found, bench):
    return table_1(found, bench)


@pytest.fixture(scope="module")
def front(found, bench):
    return marked_front(found, ["SEMOA", "RS"], bench)


@pytest.fixture(scope="module")
def fronts(study):
    """What each trial found, from the stored evaluations: algorithm to a list of arrays."""
    frame = study_repository.evaluations(study)
    frame = frame[frame["valid"]]
    return {
        name: [rows[OBJECTIVES].to_numpy() for _, rows in of.groupby("trial")]
        for name, of in frame.groupby("algorithm")
    }


def trace(figure, name):
    return next(each for each in figure.data if (each.name or "") == name)


def size(figure):
    return len(figure.to_json())


def corners(x, y):
    """The lower left corners of a step line that begins above and ends to the right."""
    points = np.column_stack([x, y])
    return points[1:-1:2]


class TestResults:
    def test_true_front_is_that_of_the_files(self, found, truth):
        expected = truth.front(truth.cells("4V", 108))
        assert found.truth.front["hash"].tolist() == expected["hash"].tolist()
        np.testing.assert_allclose(found.truth.front["energy"], expected["energy"])
        assert found.truth.hypervolume == pytest.approx(
            moocore.hypervolume(expected[["energy", "validation_error"]].to_numpy(), ref=REFERENCE)
        )

    def test_hypervolumes(self, found, fronts):
        for name, trials in fronts.items():
            expected = [moocore.hypervolume(points, ref=REFERENCE) for points in trials]
            np.testing.assert_allclose(found.volumes[name], expected)

    def test_standing(self, found, fronts, truth):
        best = {
            tuple(point)
            for point in truth.front(truth.cells("4V", 108))[["energy", "validation_error"]].to_numpy().tolist()
        }
        table = found.standing.set_index("name")
        for name, trials in fronts.items():
            shares = [len(best & {tuple(point) for point in points.tolist()}) / len(best) for points in trials]
            volumes = [moocore.hypervolume(points, ref=REFERENCE) for points in trials]
            row = table.loc[name]
            assert row["found"] == pytest.approx(np.mean(shares))
            assert (row["trials"], row["evaluations"], row["kind"]) == (5, 40, "own")
            assert row["median"] == pytest.approx(np.median(volumes))
            assert row["std"] == pytest.approx(np.std(volumes))
            assert row["share"] == pytest.approx(np.median(volumes) / found.truth.hypervolume)
            together = set().union(*({tuple(point) for point in points.tolist()} for points in trials))
            assert row["found_together"] == pytest.approx(len(best & together) / len(best))

    def test_published_runs_are_valued_as_the_study_values_cells(self, found, truth):
        """In 4V the published energies are 4-epoch ones scaled, the study's are measured at 108."""
        assert {each.algorithm for each in found.published} == {"SEMOA", "SH-EMOA", "MS-EHVI", "RS"}
        energies = truth.cells("4V", 108).set_index("hash")["energy"]
        told = found.frame.iloc[np.concatenate([trial.rows for each in found.published for trial in each.trials])]
        valid = told[told["valid"]]
        assert len(valid) > 100
        assert set(valid["epochs"]) == {108}
        np.testing.assert_allclose(valid["energy"], energies[valid["hash"]])
        everything = study_repository.published(Benchmark.open(), "4V")
        assert len(told) == len(everything)
        assert len(valid) == ((everything["epochs"] == 108) & everything["valid"]).sum()

    def test_studies_beside_each_other(self, study, other, three, bench, found):
        both = results(study, [other, three], bench, found.truth)
        assert [each.name for each in both.own] == [
            "SEMOA (Small <study> & co)",
            "RS (Small <study> & co)",
            "RS (All budgets)",
        ]
        assert both.named("RS (All budgets)").kind == "other"
        assert both.differences == {"All budgets": "training budgets"}
        assert both.left_out == {"Three": "it minimised energy and validation error and training time"}

    def test_one_objective_is_seen_beside_another(self, alone, of_alone):
        assert plane_setting(alone.plan.setting).objectives == ("energy", "validation_error")
        assert of_alone.added == "energy"
        rows = of_alone.frame[(of_alone.frame["study"] == alone.id) & of_alone.frame["valid"]]
        np.testing.assert_allclose(rows["energy"], rows["energy_kwh"])
        assert of_alone.ranking == ["RE"]

    def test_without_a_feasible_cell(self, data, bench):
        [best] = bench.rows(
            "select max(validation_accuracy) as most from benchmark where space = '4V' and epochs = 108"
        )
        setting = Setting(space="4V", bounds=(("validation_accuracy", best["most"], 1.0),))
        study = carried_out(Plan.of(setting, ("RS",), 1, 1), data, "Narrow")
        try:
            with pytest.raises(NothingFound, match="more evaluations, wider bounds"):
                results(study, [], bench, true_front(bench, setting))
        finally:
            study_repository.delete(study)

    @pytest.mark.parametrize("key", ["validation_accuracy", "training_time"])
    def test_published_runs_are_held_to_the_bounds(self, study, bench, found, key):
        """Bounds of a metric that the published runs have a column of, and of one that they do not."""
        least, most = {"validation_accuracy": (0.9, 0.93), "training_time": (0.0, 1000.0)}[key]
        bounded = structs.replace(study.plan.setting, bounds=((key, least, most),))
        held = dataclasses.replace(study, plan=dataclasses.replace(study.plan, setting=bounded))
        told = results(held, [], bench, true_front(bench, bounded)).frame
        rows = told[(told["study"] != study.id) & told["valid"]]
        assert len(rows)
        assert rows[key].between(least, most).all()
        free = found.frame
        assert len(rows) < (free["valid"] & (free["study"] != study.id)).sum()

    def test_without_a_finished_trial(self, study, bench, found):
        for path in (gone := {path: path.read_bytes() for path in study.files.values()}):
            path.unlink()
        try:
            with pytest.raises(NothingFound, match="has finished; wait for one"):
                results(study, [], bench, found.truth)
        finally:
            for path, content in gone.items():
                path.write_bytes(content)

    def test_pooled_front_and_its_roles(self, front, fronts):
        points = np.concatenate([points for trials in fronts.values() for points in trials])
        expected = moocore.filter_dominated(points, keep_weakly=False)
        expected = expected[expected[:, 0].argsort()]
        np.testing.assert_array_equal(front[OBJECTIVES].to_numpy(), expected)
        (ax, ay), (bx, by) = expected[0], expected[-1]
        below = np.abs((bx - ax) * (expected[:, 1] - ay) - (by - ay) * (expected[:, 0] - ax))
        assert front["role"].tolist()[0] == "r0"
        assert front["role"].tolist()[-1] == "r1"
        assert front["role"].tolist().index("rk") == below.argmax()

    def test_front_of_two_of_three(self, three, of_three):
        pair = pooled_front(of_three, ["SEMOA-L"], OBJECTIVES)
        frame = study_repository.evaluations(three)
        points = frame.loc[frame["valid"], OBJECTIVES].to_numpy()
        expected = moocore.filter_dominated(points, keep_weakly=False)
        np.testing.assert_array_equal(pair[OBJECTIVES].to_numpy(), expected[expected[:, 0].argsort()])

    def test_own_weights_choose_along_the_front(self):
        points = np.array([[0.0, 1.0], [0.2, 0.3], [0.5, 0.1], [1.0, 0.0]])
        assert knee_of(points, "weights", (1, 0)) == 0
        assert knee_of(points, "weights", (0, 1)) == 3
        assert knee_of(points, "weights", (1, 1)) == knee_of(points, "chord") == 1
        assert distance(points * [10, 2], 0, 3) == pytest.approx(np.sqrt(2))


class TestPlane:
    def test_median_surface_is_moocores(self, found, front, fronts):
        figure = figures.plane(found, ["SEMOA", "RS"], front, OBJECTIVES, False).figure
        for name, trials in fronts.items():
            sets = np.repeat(np.arange(len(trials)), [len(points) for points in trials])
            median = moocore.eaf(np.concatenate(trials), sets, percentiles=[50])[:, :2]
            line = trace(figure, name)
            drawn = np.unique(corners(np.asarray(line.x), np.asarray(line.y)), axis=0)
            inside = median[(median < [np.max(line.x), np.max(line.y)]).all(axis=1)]
            np.testing.assert_allclose(drawn, inside[inside[:, 0].argsort()])

    def test_marks(self, found, front):
        drawn = figures.plane(found, ["SEMOA"], front, OBJECTIVES, False, selected=front["hash"].iloc[0])
        marks = trace(drawn.figure, "marks")
        named = front[front["role"] != ""]
        assert [text.strip("</b>") for text in marks.text] == named["role"].tolist()
        assert list(marks.marker.color) == [KNEE if role == "rk" else EXTREMES for role in named["role"]]
        place = list(drawn.figure.data).index(marks)
        assert drawn.hashes[place] == tuple(named["hash"])
        ring = trace(drawn.figure, "open cell")
        assert ring.x[0] == front["energy"].iloc[0]

    def test_published_runs_are_dashed_in_the_same_hue(self, found, front):
        figure = figures.plane(found, ["SEMOA"], front, OBJECTIVES, False).figure
        own, theirs = trace(figure, "SEMOA").line, trace(figure, "SEMOA published").line
        assert (own.color, own.dash, theirs.dash) == (theirs.color, "solid", "dash")
        without = figures.plane(found, ["SEMOA"], front, OBJECTIVES, False, published=False).figure
        assert not [each.name for each in without.data if "published" in each.name]

    def test_best_and_worst_on_demand(self, found, front):
        names = [
            {each.name for each in figures.plane(found, ["RS"], front, OBJECTIVES, True, spread=spread).figure.data}
            for spread in (False, True)
        ]
        assert names[1] - names[0] == {"RS, best", "RS, worst"}

    @pytest.mark.parametrize("dark", [False, True])
    def test_units_and_size(self, found, front, dark):
        figure = figures.plane(found, ["SEMOA", "RS"], front, OBJECTIVES, dark).figure
        assert figure.layout.xaxis.title.text == "Energy (kWh)"
        assert figure.layout.yaxis.title.text == "Validation error"
        assert size(figure) < 150 * KILOBYTE

    def test_planes_of_three(self, of_three, bench):
        marked = marked_front(of_three, ["SEMOA-L"], bench)
        for pair in (OBJECTIVES, ["energy", "training_time"], ["validation_error", "training_time"]):
            figure = figures.plane(of_three, ["SEMOA-L"], marked, pair, False).figure
            assert figure.layout.xaxis.title.text == metric(pair[0], Lens()).axis
            np.testing.assert_array_equal(trace(figure, "marks").x, marked.loc[marked["role"] != "", pair[0]])

    def test_provenance_is_the_shape(self, front):
        x, y = (metric(key, Lens()) for key in OBJECTIVES)
        assert set(figures.weakest(front, (x, y))) == {"published"}
        told = front.assign(accuracy_provenance=["predicted", *["published"] * (len(front) - 1)])
        assert figures.weakest(told, (x, y))[0] == "predicted"
        note = figures.provenance_note(told, (x, y))
        assert f"accuracies {len(front) - 1} published and 1 predicted" in note
        assert "1 of its points rests on predictions: open triangles" in note
        assert "rest on predictions" not in figures.provenance_note(told, (x,))
        assert figures.hover(told, (x, y))[0].endswith("predicted")

    def test_intervals_of_what_is_predicted(self, guessed, bench):
        """5V has a prediction wherever nothing is published; the intervals are those of the view."""
        found = results(guessed, [], bench, true_front(bench, guessed.plan.setting))
        marked = marked_front(found, ["RS"], bench)
        rests = (marked["accuracy_provenance"] == "predicted").to_numpy(bool)
        assert rests.any()
        assert marked.loc[~rests, "validation_error_low"].isna().all()
        known = bench.lookup(marked["hash"].tolist(), 108, "5V")
        np.testing.assert_allclose(marked["validation_error_low"], 1 - known["validation_accuracy_high"])
        figure = figures.plane(found, ["RS"], marked, OBJECTIVES, False).figure
        ends = marked[marked["role"] != ""]
        whiskers = trace(figure, "marks").error_y
        np.testing.assert_allclose(whiskers.array, ends["validation_error_high"] - ends["validation_error"])
        np.testing.assert_allclose(whiskers.arrayminus, ends["validation_error"] - ends["validation_error_low"])
        assert "90 % interval" in figures.hover(marked[rests], found.metrics)[0]
        published = structs.replace(guessed.plan.setting, accuracy="published")
        told = details(marked, published, bench)
        assert told.loc[rests, ["validation_error", "validation_error_high"]].isna().all(axis=None)


class TestHostileNames:
    """Plotly takes tags in a text for tags, a link among them."""

    HOSTILE = '<a href="http://127.0.0.1/">SEMOA</a> & "co"'
    SHOWN = '&lt;a href="http://127.0.0.1/"&gt;SEMOA&lt;/a&gt; &amp; "co"'

    def test_are_shown_as_they_are(self, study, other, bench, front, found):
        named = dataclasses.replace(study, name=self.HOSTILE)
        both = results(named, [other], bench, found.truth)
        names = [each.name for each in both.own]
        drawn = [
            figures.plane(both, names, front, OBJECTIVES, False, spread=True).figure,
            figures.growth(both, names, False, False),
            figures.reached(both, both.volumes, False),
            figures.difference(both, *names[:2], OBJECTIVES, False),
            figures.radar(radar(table_1(both, bench)), names[:2], both.metrics, False),
        ]
        for figure in drawn:
            for each in figure.data:  # groups are not shown
                each.legendgroup = None
            text = json.dumps(json.loads(figure.to_json()), ensure_ascii=False).replace('\\"', '"')
            assert self.SHOWN in text
            assert "<a href" not in text


class TestHypervolume:
    def test_ends_at_the_median(self, found):
        figure = figures.growth(found, ["SEMOA", "RS"], True, False)
        for name in ("SEMOA", "RS"):
            assert trace(figure, name).y[-1] == pytest.approx(np.median(found.volumes[name]) / found.truth.hypervolume)
            assert trace(figure, name).x[-1] == 40
        assert max(trace(figure, "SEMOA published").x) <= 40

    def test_a_dot_a_trial(self, found):
        figure = figures.reached(found, found.volumes, True)
        np.testing.assert_allclose(trace(figure, "RS").x, found.volumes["RS"] / found.truth.hypervolume)
        assert list(trace(figure, "RS").customdata) == [1, 2, 3, 4, 5]
        told = figures.describe_reached({"RS": np.array([0.1, 0.2, 0.15])}, 0.2)
        assert told.replace("\u202f", "").endswith("as median: RS 75.00% (from 50.00% to 100.00%)")

    def test_headline_counts_evaluations(self, found, fronts, study):
        frame = study_repository.evaluations(study)
        headline = figures.growth_headline(found)
        share = int(re.search(r"has (\d+)", headline)[1]) / 100
        for name in fronts:
            told = re.search(rf"{name}(?:'s median trial has .*? after| after) (\d+)", headline)
            of = frame[frame["algorithm"] == name]

            def median(count, of=of):
                volumes = []
                for _, rows in of[of["evaluation"] < count].groupby("trial"):
                    points = rows.loc[rows["valid"], OBJECTIVES].to_numpy()
                    volumes.append(moocore.hypervolume(points, ref=REFERENCE) if len(points) else 0.0)
                return np.median(volumes) / found.truth.hypervolume

            if told is None:
                assert f"{name} never does" in headline
                assert median(40) < share
            else:
                assert median(int(told[1])) >= share > median(int(told[1]) - 1)


class TestWords:
    def test_headline(self, found):
        best, second = found.ranking
        headline = figures.headline(found)
        beyond = found.pairs["p_holm"].item() < 0.05
        assert headline.startswith(f"{best} {'finds the best fronts' if beyond else 'is ahead'}: a hypervolume of ")
        assert f"{np.median(found.volumes[best]):.4f}" in headline
        assert f"Its lead over {second} " in headline

    def test_beyond_chance_or_not(self):
        clear = compare({"A": [1.0, 1.1, 1.2, 1.3, 1.4], "B": [0.1, 0.2, 0.3, 0.4, 0.5]})
        assert figures.chance("A", "B", clear) == (
            "Its lead over B is beyond chance (p = 0.008, effect A12 = 1.00, large)."
        )
        assert "A12 = 1.00" in figures.chance("A", "B", compare({"B": [0.1, 0.2], "A": [1.0, 1.1]}))
        unclear = compare({"A": [1.0, 3.0, 5.0], "B": [2.0, 4.0, 6.0]})
        assert figures.chance("B", "A", unclear).startswith("Its lead over A may be chance (p = 0.7")
        single = compare({"A": [1.0], "B": [2.0]})
        assert figures.chance("B", "A", single) == "One trial tells nothing about chance, so A may be as good."
        assert figures.p_value(0.0001) == "below 0.001"

    def test_tables(self, found):
        head, rows = figures.standing_rows(found)
        assert head[3] == "Hypervolume (kWh)"
        assert [row[0] for row in rows] == [each.name for each in found.series]
        assert all(len(row) == len(head) for row in rows)
        head, ((names, *_, verdict),) = figures.pair_rows(found.pairs)
        assert names == "SEMOA, RS"
        assert verdict in ("may be chance", "SEMOA is better", "RS is better")

    def test_energy_beside_that_of_training(self):
        assert "2.00\u00a0kWh: about 2\u202f000 times" in figures.energy_headline(0.001, 2.0)
        bars = figures.energy_bars(0.001, 2.0, False)
        assert [bar.x[0] for bar in bars.data] == [2.0, 0.001]


class TestDifference:
    def test_areas_make_up_the_difference_of_mean_hypervolumes(self, found, fronts):
        areas, lines = figures.differences(found, "SEMOA", "RS", OBJECTIVES)
        window = [lines[0]["x"].max(), lines[0]["y"].max()]
        area = ((areas["x_high"] - areas["x_low"]) * (areas["y_high"] - areas["y_low"]) * areas["difference"]).sum()
        means = [
            np.mean([moocore.hypervolume(points, ref=window) for points in fronts[name]]) for name in ("SEMOA", "RS")
        ]
        assert area == pytest.approx(means[0] - means[1])

    def test_every_rectangle_is_drawn_once_in_the_colour_of_who_leads(self, found):
        areas, _ = figures.differences(found, "SEMOA", "RS", OBJECTIVES)
        figure = figures.difference(found, "SEMOA", "RS", OBJECTIVES, False)
        drawn = {"SEMOA": 0, "RS": 0}
        for each in figure.data:
            if each.fill == "toself":
                drawn[each.name.split(" by ")[0]] += int(np.isnan(each.x).sum())
        assert drawn == {"SEMOA": (areas["difference"] > 0).sum(), "RS": (areas["difference"] < 0).sum()}
        assert size(figure) < 150 * KILOBYTE

    def test_headline(self):
        told = figures.difference_headline
        assert told("A", "B", pd.DataFrame({"difference": [0.5, -0.2]})) == (
            "A reaches places in up to 50 percentage points more of its trials than B; elsewhere B leads by up to 20 "
            "percentage points."
        )
        assert told("A", "B", pd.DataFrame({"difference": [-0.2]})).startswith("B reaches places in up to 20")
        assert "same share" in told("A", "B", pd.DataFrame({"difference": []}))


class TestTable1:
    def test_printed_numbers_stand_beside_the_published_runs(self, bench, small, few, monkeypatch):
        """The study itself asks for few cells of 7V; the published runs are valued by all."""
        plan = Plan.of(Setting(space="7V", epochs=None), ("RS",), 20, 1)
        monkeypatch.setattr(runner, "Pool", Here)
        study = runner.run(plan, bench.data, "Seven", bundled=few)
        assert study.state == "done", study.error
        try:
            both = results(study, [], bench, true_front(small, plan.setting))
            table = table_1(both, bench)
        finally:
            study_repository.delete(study)
        row = table[(table["name"] == "RS published") & (table["point"] == "rk") & (table["metric"] == "energy_kwh")]
        assert row["printed_mean"].item() == printed("table_1")["RS rk"]["energy_kwh"]
        assert row["verdict"].item() == "agrees"
        head, rows = figures.table_rows(table)
        assert head[-1] == "Artefacts"
        names = [line[0].strip() for line in rows]
        assert names[names.index("RS published rk") + 1] == "in the paper"
        assert names[names.index("RS published rk") + 2] == "RS published r1"
        apart = rows[names.index("SEMOA published rk") + 2]
        assert [text.strip() for text in apart] == [
            "difference",
            "",
            "−5.18, +4.82",
            "−0.0056, −0.0034",
            "",
            "+0.02, −0.03",
            "",
        ]
        assert rows[names.index("RS published r0")][-1] == "10"
        note = figures.table_note(table)
        assert "Of the 48 numbers that the paper prints" in note
        assert "seven are published" in note
        assert "not to be compared" in figures.table_note(table, 108)
        assert "not to be compared" not in figures.table_note(table[table["study"] == study.id], 108)
        assert "Artefacts" in note

    def test_radar_is_scaled_to_the_largest(self, found, table):
        lengths = radar(table[table["name"].isin(["SEMOA", "RS"])])
        assert lengths.groupby("metric")["length"].max().eq(1).all()
        for row in lengths.itertuples():
            assert row.length == pytest.approx(row.mean / row.largest)
        figure = figures.radar(lengths, ["SEMOA", "RS"], found.metrics, False)
        assert len(figure.data) == 6
        assert trace(figure, "rk knee").line.color == KNEE
        told = figures.radar_axes(lengths)
        assert "could not be reproduced" in told
        assert f"{lengths['largest'][lengths['metric'] == 'energy_kwh'].iloc[0]:.3g}" in told

    def test_headline_compares_the_knee_with_the_best(self, table):
        mean = table[table["name"] == "SEMOA"].set_index(["point", "metric"])["mean"]
        share = mean["rk", "energy_kwh"] / mean["r1", "energy_kwh"]
        assert f"for {share:.0%}".replace("%", "\u202f%") in figures.radar_headline(table, "SEMOA")


class TestKneeGame:
    POINTS = np.array([[0.0, 1.0], [0.1, 0.3], [0.5, 0.1], [1.0, 0.0]])

    def test_front_has_no_marks_before(self, front):
        x, y = (metric(key, Lens()) for key in OBJECTIVES)
        figure = figures.guess(front, (x, y), False, False).figure
        assert len(figure.data) == 1
        assert figure.data[0].text is None
        assert figure.data[0].marker.color == palette(False).text

    def test_revealed(self, front):
        x, y = (metric(key, Lens()) for key in OBJECTIVES)
        figure = figures.revealed(front, 0, {"chord": 2, "bend": 2, "utility": None}, (x, y), False, False).figure
        assert trace(figure, "knees").x[0] == front["energy"].iloc[2]
        assert list(trace(figure, "knees").text) == ["<b>chord, bend angle</b>"]
        assert trace(figure, "your guess").x[0] == front["energy"].iloc[0]
        assert trace(figure, "chord").x[1] == front["energy"].iloc[-1]
        logarithmic = figures.revealed(front, 0, {"chord": 2}, (x, y), False, True).figure
        assert "chord" not in {each.name for each in logarithmic.data}

    def test_verdict(self):
        assert figures.verdict(1, {"chord": 1, "bend": 1, "utility": 2}, self.POINTS) == (
            "That is the knee by chord and by bend angle."
        )
        assert figures.verdict(3, {"chord": 1, "bend": 1, "utility": 2}, self.POINTS) == (
            f"The paper's knee is 2 points away, at a distance of {np.hypot(0.9, 0.3):.3f}: you would spend more."
        )
        assert "no knee" in figures.verdict(1, {"chord": None, "bend": None, "utility": None}, self.POINTS)


@pytest.fixture(scope="module")
def rows(study):
    """A trial of SEMOA."""
    frame = study_repository.evaluations(study)
    return frame[(frame["algorithm"] == "SEMOA") & (frame["trial"] == 1)].reset_index(drop=True)


@pytest.fixture(scope="module")
def played(rows):
    return Replay(rows, OBJECTIVES)


class TestReplay:
    def test_every_generation(self, rows, played):
        assert played.generations == rows["generation"].nunique()
        for number in range(played.generations):
            scene = played.at(number)
            now, before = rows[rows["generation"] == number], rows[rows["generation"] < number]
            assert scene.population.tolist() == now.index[now["valid"]].tolist()
            assert scene.infeasible == (~now["valid"]).sum()
            assert scene.before.tolist() == before.index[before["valid"]].tolist()
            so_far = rows[(rows["generation"] <= number) & rows["valid"]]
            best = moocore.filter_dominated(so_far[OBJECTIVES].to_numpy(), keep_weakly=False)
            np.testing.assert_array_equal(played.points[scene.front], best[best[:, 0].argsort()])
            assert scene.evaluations == rows.loc[rows["generation"] <= number, "charged"].sum()

    def test_children_descend_from_their_parents(self, rows, played):
        seen = 0
        for number in range(played.generations):
            for parent, child in played.at(number).descent.tolist():
                seen += 1
                assert parent < child
                assert rows["individual"][parent] in (rows["parent"][child], rows["second_parent"][child])
                assert rows["generation"][child] == number
                assert rows["valid"][parent]
        children = rows[rows["valid"] & rows["parent"].isin(rows.loc[rows["valid"], "individual"])]
        assert seen >= len(children) > 0

    def test_figure(self, played, found):
        scene = played.at(played.generations - 1)
        truth = found.truth.front[OBJECTIVES].to_numpy()
        shapes = [
            replay_figures.scene_figure(played, played.at(number), found.metrics, truth, "#D55E00", False)
            for number in range(played.generations)
        ]
        np.testing.assert_array_equal(trace(shapes[-1], "front so far").x, played.points[scene.front, 0])
        assert all(one.layout.xaxis.range == two.layout.xaxis.range for one, two in pairwise(shapes))
        assert max(map(size, shapes)) < 100 * KILOBYTE
        assert replay_figures.headline(scene, played).startswith(
            f"Generation {played.generations} of {played.generations}: "
        )

    def test_many_points_are_thinned(self, found):
        count = 5_000
        rows = pd.DataFrame(
            {
                "generation": np.repeat([0, 1], [count - 1, 1]),
                "individual": range(count),
                "parent": np.nan,
                "second_parent": np.nan,
                "charged": True,
                "valid": True,
                "energy": np.linspace(1, 2, count),
                "validation_error": np.linspace(0.9, 0.1, count),
            }
        )
        played = Replay(rows, OBJECTIVES)
        truth = found.truth.front[OBJECTIVES].to_numpy()
        figure = replay_figures.scene_figure(played, played.at(1), found.metrics, truth, "#D55E00", False)
        assert len(trace(figure, "before").x) == replay_figures.MOST_BEFORE

    def test_only_what_says_its_generation(self, rows):
        with pytest.raises(NoGenerations, match="no generation"):
            Replay(rows.drop(columns="generation"), OBJECTIVES)
        with pytest.raises(NoGenerations, match="no question"):
            Replay(rows.iloc[:0], OBJECTIVES)


class TestReproduce:
    def test_the_command_says_the_plan(self, study):
        words = reproduce.command_line(study.plan).split()
        assert words[:4] == ["python", "-m", "ecnas_core", "search"]
        options = cli._parser().parse_args(words[3:])
        setting = Setting(
            space=options.space,
            epochs=int(options.epochs),
            accuracy=options.accuracy,
            sampling=options.sampling,
            charging=options.charge,
        )
        assert (
            Plan.of(setting, tuple(options.algorithm), options.evaluations, options.trials, options.seed) == study.plan
        )

    def test_what_no_command_says(self, three, alone):
        for plan in (
            three.plan,
            alone.plan,
            Plan(Setting(), {"RS": 1, "SEMOA": 2}, (0,)),
            Plan(Setting(), {"RS": 1}, (0, 2)),
            Plan(Setting(lens=Lens(unit="Wh")), {"RS": 1}, (0,)),
        ):
            assert reproduce.command_line(plan) is None

    def test_python_says_any_plan(self, three):
        found = {"__name__": "copied"}
        exec(reproduce.python(three.plan), found)
        assert found["plan"] == three.plan


class TestReport:
    def test_has_the_numbers_and_needs_nothing_else(self, found, table, bench, study, front):
        page = report(found, bench)
        text = unescape(re.sub(r"<script.*?</script>", "", page, flags=re.S))
        assert "<h1>Small &lt;study&gt; &amp; co</h1>" in page
        assert figures.headline(found) in text
        for _, rows in (
            figures.standing_rows(found),
            figures.pair_rows(found.pairs),
            figures.table_rows(table),
        ):
            for row in rows:
                assert all(cell in text for cell in row)
        for digest in front.loc[front["role"] != "", "hash"]:
            assert digest in text
        assert reproduce.command_line(study.plan) in text
        assert "MIT (c) 2022 Pedram Bakh." in text
        assert page.count("plotly.js v") == 1
        assert not re.search(r'(src|href)="', text)
        assert not re.search(r"<script[^>]*\ssrc=", page)

    def test_other_kinds_of_study(self, of_three, of_alone, bench):
        for each in (of_three, of_alone):
            assert figures.headline(each) in unescape(report(each, bench))

    def test_json_has_no_missing_numbers(self, three):
        told = json.loads(
            to_json(study_repository.document(three) | {"nothing": float("nan"), "count": np.int64(3)}, indent=1)
        )
        assert (told["nothing"], told["count"]) == (None, 3)
        assert len(told["trials"]) == 2
