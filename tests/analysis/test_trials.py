"""Evaluations split into trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecnas_core.analysis.trials import InvalidEvaluations, by_algorithm, reference_point, trials
from ecnas_core.errors import EcnasError

RUNS = Path(__file__).resolve().parents[2] / "data" / "runs" / "ec-nas-published-searches.parquet"


def frame(**columns) -> pd.DataFrame:
    base = {
        "study": ["s"] * 4,
        "space": ["5V"] * 4,
        "algorithm": ["RS"] * 4,
        "trial": [0, 0, 0, 1],
        "evaluation": [2, 0, 1, 0],
        "valid": [True, True, False, True],
        "energy_kwh": [0.1, 0.2, 0.0, 0.3],
        "validation_accuracy": [0.9, 0.95, 0.0, np.nan],
        "training_time_s": [1.0, 2, 3, 4],
    }
    return pd.DataFrame(base | columns)


@pytest.fixture(scope="module")
def published():
    evaluations = pd.read_parquet(RUNS)
    return evaluations[evaluations["space"] == "7V"]


def test_trials_are_in_the_order_of_their_evaluations_with_nothing_for_what_is_infeasible():
    first, second = trials(frame())
    assert (first.study, first.algorithm, first.trial, second.trial) == ("s", "RS", 0, 1)
    assert first.evaluation.tolist() == [0, 1, 2]
    assert first.rows.tolist() == [1, 2, 0]
    np.testing.assert_allclose(first.points, [[0.2, 0.05], [np.nan, np.nan], [0.1, 0.1]])
    assert first.feasible.tolist() == [0, 2]
    assert first.front.tolist() == [2, 0]
    assert second.feasible.tolist() == second.front.tolist() == []


def test_individuals_that_share_a_number_stay_in_order_and_the_earliest_of_equals_counts():
    evaluations = frame(
        trial=[0] * 4,
        evaluation=[1, 0, 1, 1],
        valid=[True] * 4,
        energy_kwh=[0.5] * 4,
        validation_accuracy=[0.9, 0.8, 0.9, 0.7],
    )
    (only,) = trials(evaluations)
    assert only.rows.tolist() == [1, 0, 2, 3]
    assert only.rows[only.front].tolist() == [0]


def test_input_is_left_as_it_was():
    evaluations = frame()
    trials(evaluations)
    pd.testing.assert_frame_equal(evaluations, frame())


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        (("training_time_s", "validation_error"), [2, 0.05]),
        (("validation_error", "energy_kwh"), [0.05, 0.2]),
        (("energy_kwh", "validation_error", "training_time_s"), [0.2, 0.05, 2]),
        (("energy_kwh", "training_time_s"), [0.2, 2]),
    ],
)
def test_objectives_by_name(objectives, expected):
    assert trials(frame(), objectives)[0].points[0].tolist() == pytest.approx(expected)


def test_an_error_that_is_recorded_as_such_is_taken_as_it_is():
    evaluations = frame(validation_error=[0.3, 0.4, 0.5, 0.6])
    assert trials(evaluations)[0].points[0].tolist() == [0.2, 0.4]


def test_until_leaves_later_evaluations_out():
    assert [len(each.points) for each in trials(frame(), until=1)] == [1, 1]
    assert [len(each.points) for each in trials(frame(), until=0)] == [0, 0]


def test_published_searches(published):
    found = by_algorithm(trials(published, until=100))
    assert {key: len(members) for key, members in found.items()} == {
        ("ec-nas-published", "MS-EHVI"): 10,
        ("ec-nas-published", "RS"): 10,
        ("ec-nas-published", "SEMOA"): 7,
        ("ec-nas-published", "SH-EMOA"): 10,
    }
    assert all(len(each.points) == 100 for members in found.values() for each in members)
    for trial in found["ec-nas-published", "RS"]:
        rows = published.iloc[trial.rows]
        assert set(rows["trial"]) == {trial.trial}
        assert (rows["valid"].to_numpy() == ~np.isnan(trial.points[:, 0])).all()


def test_studies_of_one_algorithm_stay_apart():
    evaluations = pd.concat([frame(), frame(study=["other"] * 4)])
    assert list(by_algorithm(trials(evaluations))) == [("other", "RS"), ("s", "RS")]


@pytest.mark.parametrize(
    ("evaluations", "objectives", "reason"),
    [
        (frame().drop(columns=["valid", "trial"]), ("energy_kwh", "validation_error"), "lack trial, valid"),
        (frame(), ("energy_kwh", "carbon"), "lack carbon"),
        (frame(), ("energy_kwh",), "1 objectives"),
        (frame(), ("energy_kwh",) * 4, "4 objectives"),
        (frame(space=["5V", "5V", "7V", "7V"]), ("energy_kwh", "validation_error"), "5V, 7V mix"),
        (frame(study=["s", None, "s", "s"]), ("energy_kwh", "validation_error"), "without study"),
    ],
)
def test_what_makes_no_trials_is_a_named_error(evaluations, objectives, reason):
    with pytest.raises(InvalidEvaluations, match=reason) as raised:
        trials(evaluations, objectives)
    assert isinstance(raised.value, EcnasError)
    assert ";" in str(raised.value)


def test_no_evaluations_are_no_trials():
    assert trials(frame().iloc[:0]) == []


def test_reference_lies_a_tenth_of_the_range_beyond_the_fronts():
    evaluations = frame(valid=[True] * 4, energy_kwh=[0.1, 0.2, 9, 0.3], validation_accuracy=[0.9, 0.95, 0.2, 0.6])
    assert reference_point(trials(evaluations)) == pytest.approx((0.3 + 0.02, 0.4 + 0.035))


@pytest.mark.parametrize(("energy", "expected"), [(0.5, 0.55), (0.0, 0.1), (-2.0, -1.8)])
def test_reference_where_all_values_are_equal(energy, expected):
    evaluations = frame(valid=[True] * 4, energy_kwh=[energy] * 4, validation_accuracy=[0.9] * 4)
    assert reference_point(trials(evaluations)) == pytest.approx((expected, 0.11))


@pytest.mark.parametrize("evaluations", [frame(valid=[False] * 4), frame().iloc[:0]])
def test_no_reference_without_a_feasible_cell(evaluations):
    with pytest.raises(InvalidEvaluations, match="feasible"):
        reference_point(trials(evaluations))
