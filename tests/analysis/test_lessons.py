"""Every answer of the lessons against queries of its own on the Parquet files, and how answers are checked."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import product
from math import inf, nan
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from scipy import stats

from ecnas_core import Benchmark, Cell
from ecnas_core.analysis.footprint import CarbonView
from ecnas_core.analysis.hardware import HardwareView
from ecnas_core.analysis.lessons import LESSONS, dominance, flattening, operations, scope, search_cost, transfer
from ecnas_core.analysis.lessons.lesson import (
    MINUTES,
    ChoiceTask,
    InvalidAnswer,
    Link,
    Mistake,
    NotTeachable,
    NumberTask,
)
from ecnas_core.analysis.lessons.told import Amount, Told, told
from ecnas_core.analysis.lessons.view import LearnView
from ecnas_core.analysis.scaling import ScalingView
from ecnas_core.analysis.swaps_view import SwapsView
from ecnas_core.analysis.view import View
from ecnas_core.carbon import Lens, grid
from ecnas_core.errors import EcnasError

DATA = Path(__file__).resolve().parents[2] / "data"
TRAININGS = f"'{DATA}/results/energy_4V9E_4epochs.parquet'"
BENCHMARK_4V = f"'{DATA}/benchmark/4V.parquet'"
RUNS = f"'{DATA}/runs/ec-nas-published-searches.parquet'"
LENS = Lens()
TASK = NumberTask(
    told("?"), "kWh", 100.0, 0.1, told("so"), "Think.", (Mistake(50.0, told("half")), Mistake(54.0, told("54")))
)


@pytest.fixture(scope="module")
def bench() -> Benchmark:
    return Benchmark.open()


@pytest.fixture(scope="module")
def prediction(bench, small):
    """A lesson's question before the picture, asked once; over all of 7V where it is of 7V."""
    return cache(lambda number: LESSONS[number].prediction(bench if number in (2, 4, 6) else small, LENS))


@pytest.fixture(scope="module")
def exercise(bench, small):
    """A lesson's exercise by its deal, asked once; over all of 7V where it is of 7V."""
    return cache(lambda number, deal: LESSONS[number].exercise(bench if number in (2, 6) else small, LENS, deal))


@pytest.fixture(scope="module")
def hand(small):
    """The cells of a deal of lesson 4."""
    return cache(lambda deal: dominance.hand(small, LENS, deal))


def one(query: str) -> tuple:
    return duckdb.sql(query).fetchall()[0]


def numbers(sentence: Told) -> dict[str, float | str]:
    """What the names of a sentence stand for."""
    return {name: part.value if isinstance(part, Amount) else part for name, part in sentence.parts.items()}


class TestScope:
    def test_the_facility_by_the_gpu(self, small, prediction):
        kwh, joules = one(f"select sum(energy_kwh), sum(gpu_energy_j) from {BENCHMARK_4V} where epochs = 108")
        assert prediction(1).answer == pytest.approx(kwh / (joules / 3.6e6))
        cold = scope.prediction(small, Lens(pue=1.1)).answer
        assert cold == pytest.approx(kwh / 1.59 * 1.1 / (joules / 3.6e6))

    @pytest.mark.parametrize("deal", range(6))
    def test_the_footprint_elsewhere(self, exercise, deal):
        task = exercise(1, deal)
        (stored, joules) = one(
            f"select arg_max(energy_kwh, validation_accuracy), arg_max(gpu_energy_j, validation_accuracy) "
            f"from {BENCHMARK_4V} where epochs = 108"
        )
        intensity = grid(scope.COUNTRIES[deal]).intensity
        assert task.answer == pytest.approx(stored / 1.59 * 1.2 * intensity)
        assert "twice" in task.check(stored * 1.2 * intensity).why[0].text
        assert "stored PUE" in task.check(stored * intensity).why[0].text
        assert "GPU alone" in task.check(joules / 3.6e6 * intensity).why[0].text
        assert "in grams" in task.check(task.answer / 1000).why[0].text

    def test_the_picture_follows_the_lens(self, small):
        settings = LESSONS[1].settings({"of": "r1"})
        as_stored = scope.scene(small, settings, LENS)
        efficient = scope.scene(small, settings, Lens(pue=1.0))
        assert efficient.kwh["facility"] == pytest.approx(efficient.kwh["IT"])
        assert efficient.kwh["IT"] == pytest.approx(as_stored.kwh["facility"] / 1.59)

    def test_a_gap_of_the_table_is_no_grid(self, small):
        with pytest.raises(NotTeachable, match="gap"):
            scope.scene(small, LESSONS[1].settings(), Lens(country="CF"))


class TestFlattening:
    @pytest.mark.parametrize("predicted", [True, False])
    def test_what_half_a_point_saves(self, bench, truth, predicted):
        cells = truth.cells(predicted=predicted).dropna(subset=["validation_accuracy"])
        best = cells.sort_values(["validation_accuracy", "energy"], ascending=[False, True]).iloc[0]
        enough = cells[cells["validation_accuracy"] >= best["validation_accuracy"] - 0.005]
        task = flattening.prediction(bench, Lens(predicted=predicted))
        assert task.answer == pytest.approx(100 * (1 - enough["energy"].min() / best["energy"]))
        assert numbers(task.why)["cells"] == len(cells)

    @pytest.mark.parametrize("deal", range(flattening.DEALS))
    def test_the_best_for_a_budget(self, exercise, truth, deal):
        task = exercise(2, deal)
        limit = numbers(task.question)["limit"]
        cells = truth.cells()
        within = cells[cells["energy"] <= limit]
        assert task.answer == pytest.approx(within["validation_accuracy"].max(), abs=1e-12)
        assert task.check(task.answer).right
        best = task.check(cells["validation_accuracy"].max())
        assert not best.right
        assert "best of all" in best.why[0].text
        view = View.from_params(task.links[0].params)
        assert view.filters.ranges == (("energy", -inf, limit),)

    def test_the_picture_gives_up_what_is_asked(self, small, truth):
        scene = flattening.scene(small, LESSONS[2].settings({"space": "4V", "given_up": "2"}), LENS)
        cells = truth.cells("4V")
        limit = cells["validation_accuracy"].max() - 0.02
        assert scene.enough["x"] == pytest.approx(cells.loc[cells["validation_accuracy"] >= limit, "energy"].min())


def swapped(ops: str, old: str, new: str) -> str:
    return ops.replace(old, new)


class TestOperations:
    def test_what_pooling_saves(self, prediction):
        """Figure 2 of 5V, every cell swapped and looked up by its hash."""
        rows = duckdb.sql(
            f"select hash, vertices, edge_bits, coalesce(ops, '') as ops, energy_kwh, trainable_parameters "
            f"from '{DATA}/benchmark/5V.parquet' where epochs = 108"
        ).fetchall()
        known = {row[0]: row[4:] for row in rows}
        effects = {}
        for old, new in (("0", "2"), ("2", "0")):
            found = [
                known[Cell.from_bits(vertices, bits, swapped(ops, old, new)).hash] if old in ops else known[digest]
                for digest, vertices, bits, ops, *_ in rows
            ]
            before = np.array([row[4:] for row in rows], dtype=float)
            effects[old] = (np.array(found, dtype=float) / before - 1).mean(axis=0)
        energy, parameters = (effects["0"] - effects["2"]) / 2
        task = prediction(3)
        assert task.answer == pytest.approx(-100 * energy)
        assert numbers(task.question)["parameters"] == pytest.approx(-parameters)

    def test_what_rests_on_predictions_is_said(self, small, prediction, exercise):
        for space, predicted, cells in (("5V", 910, 2532), ("4V", 0, 91)):
            deal = operations.DEALS.index((space, 108))
            resting = exercise(3, deal).why.parts["resting"]
            assert numbers(resting) == ({"predicted": predicted, "cells": cells} if predicted else {})
        for task in (prediction(3), exercise(3, 0)):
            assert numbers(task.why.parts["resting"])["predicted"] == 910
        without = operations.exercise(small, Lens(predicted=False), 0)
        assert numbers(without.why.parts["resting"]) == {}

    def test_the_best_exchange(self, exercise):
        """4V, every vertex swapped and looked up by its hash."""
        rows = duckdb.sql(
            f"select hash, vertices, edge_bits, coalesce(ops, '') as ops, energy_kwh, validation_accuracy "
            f"from {BENCHMARK_4V} where epochs = 108"
        ).fetchall()
        known = {row[0]: row[4:] for row in rows}
        names = ("conv3x3", "conv1x1", "maxpool3x3")
        worth = {}
        for old, new in product(range(3), repeat=2):
            if old == new:
                continue
            changes = []
            for _, vertices, bits, ops, energy, accuracy in rows:
                for place in [at for at, digit in enumerate(ops) if digit == str(old)]:
                    other = known[Cell.from_bits(vertices, bits, f"{ops[:place]}{new}{ops[place + 1 :]}").hash]
                    changes.append((other[0] / energy - 1, other[1] - accuracy))
            energy, accuracy = np.mean(changes, axis=0)
            worth[f"{names[old]}_to_{names[new]}"] = (
                -inf if energy >= 0 else inf if accuracy >= 0 else energy / accuracy
            )
        task = exercise(3, operations.DEALS.index(("4V", 108)))
        assert task.answer == {max(worth, key=worth.get)}
        for name in task.options:
            verdict = task.check([name])
            assert verdict.right == (name in task.answer)
            (why,) = verdict.why
            effect = why.parts["effect"]
            assert ("no energy at all" in effect.text) == (worth[name] == -inf)
            moved = numbers(effect.parts["change"])
            assert moved["energy"] > 0
            assert moved["energy_moves"] == ("rises" if worth[name] == -inf else "falls")


class TestDominance:
    @pytest.mark.parametrize("predicted", [True, False])
    def test_how_many_none_beats(self, bench, truth, predicted):
        cells = truth.cells(predicted=predicted)
        front = truth.front(cells)
        task = dominance.prediction(bench, Lens(predicted=predicted))
        told_ = numbers(task.why)
        assert task.answer == len(front)
        assert told_["predicted"] == (front["accuracy_provenance"] == "predicted").sum()
        assert told_["less"] == pytest.approx(truth.knee(front)["energy"])
        assert numbers(task.question)["cells"] == cells["validation_error"].notna().sum()

    @pytest.mark.parametrize("deal", range(dominance.DEALS))
    def test_the_front_of_a_hand(self, exercise, hand, truth, deal):
        cells = truth.cells("4V").set_index("hash").loc[hand(deal)["hash"]]
        points = cells[["energy", "validation_error"]].to_numpy()
        beaten = {
            dominance.LETTERS[a]
            for a, b in product(range(8), repeat=2)
            if (points[b] <= points[a]).all() and (points[b] < points[a]).any()
        }
        task = exercise(4, deal)
        assert task.answer == set(dominance.LETTERS) - beaten
        assert 2 <= len(task.answer) <= 5
        assert task.check(task.answer).right
        everything = task.check(dominance.LETTERS)
        assert [why.parts["letter"] for why in everything.why] == sorted(beaten)
        for why in everything.why:
            own, other = (dominance.LETTERS.index(why.parts[name]) for name in ("letter", "other"))
            assert (points[other] <= points[own]).all()
            assert why.parts["less"].value == pytest.approx(points[own, 0] - points[other, 0])

    def test_hands_differ(self, hand):
        assert len({tuple(hand(deal)["hash"]) for deal in range(dominance.DEALS)}) > 1


class TestTransfer:
    def test_the_three_orders(self, prediction):
        accuracy = duckdb.sql(
            f"select a.validation_accuracy as x, b.validation_accuracy as y, a.energy_kwh as kwh_x, "
            f"b.energy_kwh as kwh_y from {BENCHMARK_4V} a join {BENCHMARK_4V} b using (hash) "
            "where a.epochs = 4 and b.epochs = 108"
        ).df()
        device = duckdb.sql(
            f"select a.energy_kwh as x, b.energy_kwh as y from '{DATA}/results/energy_4V9E_quadrortx6000.parquet' a "
            f"join '{DATA}/results/energy_4V9E_titanxp.parquet' b using (hash, epochs) where epochs = 4"
        ).df()
        found = {
            "accuracy": stats.kendalltau(accuracy["x"], accuracy["y"]).statistic,
            "energy": stats.kendalltau(accuracy["kwh_x"], accuracy["kwh_y"]).statistic,
            "device": stats.kendalltau(device["x"], device["y"]).statistic,
        }
        task = prediction(5)
        assert task.answer == {min(found, key=found.get)} == {"accuracy"}
        for key, tau in found.items():
            told_ = task.whys[key].parts["kept"].parts
            assert told_["tau"].value == pytest.approx(tau)
            assert told_["kept"].value == pytest.approx((1 + tau) / 2)

    @pytest.mark.parametrize("deal", range(transfer.DEALS))
    def test_four_epochs_scaled_up(self, exercise, deal):
        task = exercise(5, deal)
        digest = numbers(task.question)["hash"]
        short, longest = (
            one(f"select avg(energy_kwh) from {TRAININGS} where hash[:8] = '{digest}' and epochs = {epochs}")[0]
            for epochs in (4, 108)
        )
        assert task.answer == pytest.approx(longest)
        assert task.check(longest).right
        assert "overstates" in task.check(27 * short).why[0].text
        assert "had {short} epochs" in task.check(108 * short).why[0].text

    def test_exercises_differ(self, exercise):
        asked = {numbers(exercise(5, deal).question)["hash"] for deal in range(transfer.DEALS)}
        assert len(asked) == transfer.DEALS


class TestSearchCost:
    def test_a_search_by_real_training(self, prediction, truth):
        (kwh, trainings) = one(
            f"with asked as (select distinct trial, hash, epochs from {RUNS} where space = '7V' and algorithm = 'SEMOA' "
            "and valid and hash is not null) select sum(round(abs(surrogate_energy_wh_4_epochs::double) / 1000 * epochs "
            "/ 4, 6)) / count(distinct trial), count(*) / count(distinct trial) "
            f"from asked join '{DATA}/benchmark/7V.parquet' using (hash)"
        )
        knee = truth.knee(truth.front(truth.cells()))["energy"]
        task = prediction(6)
        assert task.answer == pytest.approx(kwh / knee)
        assert numbers(task.question)["trainings"] == pytest.approx(trainings)

    @pytest.mark.parametrize(("space", "cells", "printed"), [("5V", 2532, 1970.495), ("4V", 91, None)])
    def test_table_3(self, exercise, space, cells, printed):
        task = exercise(6, search_cost.DEALS.index(space))
        short = one(
            f"select sum(energy_kwh) from '{DATA}/results/energy_{space}9E_4epochs.parquet' where epochs = 4 and repeat = 1"
        )[0]
        assert task.answer == pytest.approx(39 * short)
        assert numbers(task.question)["cells"] == cells
        if printed:
            assert task.answer == pytest.approx(printed, abs=0.001)
        assert "they were trained" in task.check(40 * short).why[0].text
        assert "one budget" in task.check(27 * short).why[0].text
        assert "not for one" in task.check(156 * short).why[0].text

    def test_the_whole_space(self, small):
        scene = search_cost.scene(small, {"space": "4V"}, LENS)
        everything, short = one(
            f"select sum(energy_kwh), sum(energy_kwh) filter (where epochs = 4) from {BENCHMARK_4V}"
        )
        assert scene.everything_kwh == pytest.approx(everything)
        assert scene.table_kwh == pytest.approx(short)


class TestUnderALens:
    ELSEWHERE = Lens(scope="IT", pue=1.2, country="FR", unit="Wh", device="Made up")

    @pytest.mark.parametrize("number", [1, 5])
    def test_what_was_measured_is_not_told_for_another_device(self, small, number):
        lesson = LESSONS[number]
        counted = lesson.lens(self.ELSEWHERE)
        assert counted.device is None
        for asked in (lesson.prediction, lambda *given: lesson.exercise(*given, 0)):
            assert repr(asked(small, self.ELSEWHERE).answer) == repr(asked(small, counted).answer)

    def test_the_first_lesson_counts_the_facility(self):
        assert LESSONS[1].lens(self.ELSEWHERE) == structs.replace(self.ELSEWHERE, scope="facility", device=None)

    @pytest.mark.parametrize("number", [2, 3, 4, 6])
    def test_the_others_follow_it(self, number):
        assert LESSONS[number].lens(self.ELSEWHERE) == self.ELSEWHERE

    def test_a_link_keeps_it_but_for_what_it_sets(self):
        link = Link("?", "explore", {"scope": "GPU", "space": "4V"}).under(self.ELSEWHERE)
        assert Lens.from_params(link.params) == structs.replace(self.ELSEWHERE, scope="GPU")
        assert link.params["space"] == "4V"

    @pytest.mark.parametrize("number", [1, 5, 6])
    def test_an_exercise_leads_to_a_page_under_it(self, bench, number):
        lens = structs.replace(self.ELSEWHERE, device=None)
        (link,) = LESSONS[number].exercise(bench, lens, 0).links
        assert Lens.from_params(link.params) == lens


class TestChecking:
    @given(st.floats(0.01, 0.99), st.floats(-1, 1))
    def test_within_the_margin_is_right(self, margin, share):
        task = replace(TASK, within=margin)
        assert task.check(100 * (1 + margin * 0.999) ** share).right

    @given(st.floats(0, 1e9))
    def test_right_is_only_what_is_near(self, number):
        near = number > 0 and max(number / 100, 100 / number) <= 1.1
        assert TASK.check(number).right == near

    @pytest.mark.parametrize(("number", "words"), [(49, "half"), (53.5, "54"), (10, "too little"), (900, "too much")])
    def test_a_wrong_number_is_told_why(self, number, words):
        verdict = TASK.check(number)
        assert not verdict.right
        assert words in verdict.why[0].text

    @pytest.mark.parametrize("number", [nan, inf, -inf])
    def test_no_number_is_refused(self, number):
        with pytest.raises(InvalidAnswer, match="finite"):
            TASK.check(number)

    def test_choices(self):
        whys = {key: told(f"why {key}") for key in "abc"}
        task = ChoiceTask(told("?"), {key: told(key) for key in "abc"}, frozenset("ab"), told("so"), whys, many=True)
        assert task.check(["b", "a"]).right
        assert [why.text for why in task.check(["a", "c"]).why] == ["why b", "why c"]
        single = replace(task, answer=frozenset("b"), many=False)
        assert [why.text for why in single.check(["c"]).why] == ["why c"]
        for wrong in ([], ["d"]):
            with pytest.raises(InvalidAnswer):
                task.check(wrong)


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda lesson: f"lesson {lesson.number}")
class TestEveryLesson:
    def test_its_own_answers_are_right(self, prediction, exercise, lesson):
        for task in (
            prediction(lesson.number),
            *(exercise(lesson.number, deal) for deal in range(lesson.deals)),
        ):
            assert task.check(task.answer).right
            if isinstance(task, NumberTask):
                assert task.least <= task.answer <= task.most
                assert not any(task.check(mistake.value).right for mistake in task.mistakes)

    def test_it_takes_ten_minutes(self, lesson):
        assert sum(minutes for _, minutes in lesson.guide.timing) == MINUTES == 10

    def test_its_links_open(self, prediction, exercise, lesson):
        parsers = {
            "explore": View,
            "swaps": SwapsView,
            "hardware": HardwareView,
            "scaling": ScalingView,
            "carbon": CarbonView,
        }
        links = [*lesson.guide.links, *prediction(lesson.number).links, *exercise(lesson.number, 0).links]
        assert links
        for link in links:
            if link.page in parsers:
                opened = parsers[link.page].from_params(link.params)
                assert opened.to_params() == dict(link.params)
            else:
                assert (link.page, dict(link.params)) == ("search", {})

    def test_no_number_of_the_data_is_in_a_text(self, prediction, exercise, lesson):
        """What a sentence says of the data stands in its parts; left are names and the interval's nine of ten."""

        def texts(part):
            if isinstance(part, Told):
                yield part.text
                for inner in part.parts.values():
                    yield from texts(inner)

        tasks = [prediction(lesson.number), exercise(lesson.number, 0)]
        sentences = [task.question for task in tasks] + [task.why for task in tasks]
        sentences += [mistake.why for task in tasks if isinstance(task, NumberTask) for mistake in task.mistakes]
        sentences += [why for task in tasks if isinstance(task, ChoiceTask) for why in task.whys.values()]
        for text in (text for sentence in sentences for text in texts(sentence)):
            left = re.sub(r"3×3|1×1|1 kWh|CO2|9[05] %|Figure 2|Table 3", "", text)
            assert not re.search(r"\d", left), text

    def test_every_setting_has_a_scene(self, bench, small, lesson):
        """But for 7V in lesson 3, which is in test_swaps.py; the searches of lesson 6 ask cells of all of 7V."""
        for control in lesson.controls:
            for option in control.options:
                if (lesson.number, option) == (3, "7V"):
                    continue
                settings = lesson.settings({control.key: option} | ({"space": "4V"} if control.key != "space" else {}))
                assert len(lesson.scene(bench if lesson.number == 6 else small, settings, LENS).frame)

    def test_its_settings_have_names_of_their_own_in_the_address(self, lesson):
        lens = Lens("IT", 1.2, "SE", None, "Wh", True, False, "H100").to_params()
        session = {"cell", "tray", "box", "section", "lesson", "exercise"}
        assert len(lens) == 7
        assert not {control.key for control in lesson.controls} & (lens.keys() | session)

    def test_a_setting_that_is_none_is_refused(self, lesson):
        with pytest.raises(InvalidAnswer, match="no choice"):
            lesson.settings({lesson.controls[0].key: "x"})


@pytest.mark.parametrize("number", [2, 4, 6])
def test_the_gpu_alone_is_not_known_in_7v(small, number):
    with pytest.raises(NotTeachable, match="Facility or IT"):
        LESSONS[number].prediction(small, Lens(scope="GPU"))


class TestView:
    @given(st.sampled_from(sorted(LESSONS)), st.data())
    def test_the_address_says_it_all(self, number, data):
        lesson = LESSONS[number]
        settings = tuple(
            (control.key, data.draw(st.sampled_from(sorted(control.options)))) for control in lesson.controls
        )
        section = data.draw(st.sampled_from(["lessons", "glossary", "teacher"]))
        view = LearnView(section, number, data.draw(st.integers(1, lesson.deals)), settings, Lens(pue=1.2))
        assert LearnView.from_params(view.to_params()) == view
        assert view.chosen == dict(settings)

    @pytest.mark.parametrize(
        "params",
        [
            {"lesson": "7"},
            {"lesson": "x"},
            {"exercise": "99"},
            {"section": "x"},
            {"lesson": "2", "space": "9V"},
            {"pue": "9"},
        ],
    )
    def test_what_is_out_of_range_is_refused(self, params):
        with pytest.raises(EcnasError):
            LearnView.from_params(params)

    def test_settings_of_another_lesson_are_not_read(self):
        assert LearnView.from_params({"lesson": "2", "swap": "x"}) == LearnView(number=2)
        with pytest.raises(InvalidAnswer):
            LearnView(number=2, settings=(("space", "9V"),))

    def test_python_computes_the_same(self, small, prediction):
        view = LearnView(number=1, settings=(("of", "r1"), ("epochs", "12")))
        names: dict = {}
        exec(view.to_python().replace("print(", "kept.append("), {"kept": (kept := [])}, names)
        assert kept[0].kwh == scope.scene(small, view.chosen, LENS).kwh
        assert kept[1].answer == pytest.approx(prediction(1).answer)


def test_links_have_addresses():
    link = Link("Front", "explore", {"space": "4V", "x": "parameters"})
    assert link.url() == "explore?space=4V&x=parameters"
    assert link.url("http://h/") == "http://h/explore?space=4V&x=parameters"
    assert Link("All", "scaling").url("/") == "/scaling"
