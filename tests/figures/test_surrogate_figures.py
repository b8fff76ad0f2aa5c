"""The figures of the Surrogate page: what is drawn where, and in which words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ecnas_core.figures import surrogate as figures
from ecnas_core.figures.surrogate import QUANTITIES, Shown
from ecnas_core.figures.theme import EXTREMES, FRONT
from ecnas_core.surrogates.training import Epoch

ENERGY, ERROR = QUANTITIES["energy_kwh"], QUANTITIES["validation_accuracy"]


@pytest.fixture
def held_out() -> pd.DataFrame:
    """Three cells in kWh, the last outside its interval."""
    return pd.DataFrame(
        {
            "hash": ["a" * 32, "b" * 32, "c" * 32],
            "vertices": [6, 7, 7],
            "value": [0.010, 0.020, 0.030],
            "predicted": [0.011, 0.019, 0.040],
            "low": [0.009, 0.018, 0.035],
            "high": [0.012, 0.021, 0.045],
            "n_conv3x3": [0, 1, 1],
            "n_conv1x1": [1, 1, 2],
            "n_maxpool3x3": [0, 0, 1],
        }
    )


def named(figure, name):
    return next(trace for trace in figure.data if (trace.name or "").startswith(name))


class TestScatter:
    def test_points_in_wh_with_their_intervals_as_whiskers(self, held_out):
        plane = figures.scatter(held_out, ENERGY, dark=False)
        inside = named(plane.figure, "within")
        np.testing.assert_allclose(inside.x, [10, 20])
        np.testing.assert_allclose(inside.y, [11, 19])
        assert inside.name == "within its interval (66.7\u202f%)"
        assert inside.marker.symbol == "triangle-up-open"
        assert (inside.marker.color, named(plane.figure, "outside").marker.color) == (EXTREMES, FRONT)
        whiskers = plane.figure.data[list(plane.figure.data).index(inside) - 1]
        np.testing.assert_allclose(whiskers.x, [10, 10, 10, 20, 20, 20])
        np.testing.assert_allclose(whiskers.y, [9, 12, np.nan, 18, 21, np.nan])
        assert plane.figure.layout.xaxis.type == "log"

    def test_a_point_is_a_cell(self, held_out):
        plane = figures.scatter(held_out, ENERGY, dark=True)
        assert sorted(plane.hashes.values()) == [("a" * 32, "b" * 32), ("c" * 32,)]
        for number, hashes in plane.hashes.items():
            assert len(plane.figure.data[number].x) == len(hashes)

    def test_the_difference_is_predicted_less_found(self, held_out):
        figure = figures.scatter(held_out, ENERGY, dark=False, difference=True).figure
        np.testing.assert_allclose(named(figure, "outside").y, [10])
        assert named(figure, "equal").y == (0, 0)
        assert figure.layout.yaxis.type == "linear"

    def test_of_an_accuracy_the_error_is_drawn_and_bounds_change_places(self):
        frame = pd.DataFrame({"hash": ["a"], "value": [0.93], "predicted": [0.94], "low": [0.92], "high": [0.95]})
        figure = figures.scatter(frame, ERROR, dark=False).figure
        np.testing.assert_allclose(named(figure, "within").x, [0.07])
        np.testing.assert_allclose(figure.data[1].y, [0.05, 0.08, np.nan])

    def test_many_are_drawn_evenly_by_value(self):
        value = np.linspace(1, 2, 5000)
        frame = pd.DataFrame({"hash": "x", "value": value, "predicted": value, "low": value - 1, "high": value + 1})
        points = named(figures.scatter(frame, Shown("x", "J"), dark=False).figure, "within")
        assert len(points.x) == figures.DRAWN_AT_MOST
        assert (points.x.min(), points.x.max()) == (1, 2)

    def test_what_a_user_wrote_is_no_markup(self, held_out):
        shown = Shown("<a href='x'>target</a>", "<b>J</b>")
        figure = figures.scatter(held_out, shown, dark=False).figure
        assert "<a" not in figure.layout.xaxis.title.text
        assert "<b>" not in figure.layout.xaxis.title.text
        assert "<b>" not in named(figure, "within").text[0]
        bars = figures.importances(
            pd.DataFrame({"feature": ["<i>x</i>"], "repeat": [0], "increase": [1.0]}), shown, False, {}
        )
        assert bars.layout.yaxis.ticktext == ("&lt;i&gt;x&lt;/i&gt;",)


def test_the_curve_is_mean_and_range_over_draws():
    curve = pd.DataFrame(
        {"model": "paper", "cells": [100, 100, 200, 200], "initialisation": [0, 1, 0, 1], "mae": [1.0, 3.0, 1.0, 1.0]}
    )
    figure = figures.learning_curve(curve, "Wh", dark=False)
    line = named(figure, "the paper's network")
    assert list(line.x) == [100, 200]
    assert list(line.y) == [2.0, 1.0]
    band = figure.data[0]
    assert list(band.y) == [3.0, 1.0, 1.0, 1.0]
    assert list(figure.layout.xaxis.tickvals) == [100, 200]
    assert figures.describe_learning_curve(curve, "Wh") == (
        "Mean absolute error by the number of cells learned from. the paper's network: 2.00\u00a0Wh from 100 cells, "
        "1.00\u00a0Wh from 200"
    )


def test_errors_by_vertices_and_operations(held_out):
    figure = figures.errors_by(held_out, ENERGY, dark=False)
    vertices = named(figure, "vertices")
    np.testing.assert_allclose(vertices.y, [1.0, 5.5])
    assert [text.split(":")[0] for text in vertices.text] == ["6 vertices", "7 vertices"]
    np.testing.assert_allclose(named(figure, "1×1").y, [1.0, 10.0])
    assert list(figure.layout.xaxis.ticktext) == ["6", "7", "0", "1", "1", "2", "0", "1"]
    assert "by vertices: 1.00\u00a0Wh at 6, 5.50\u00a0Wh at 7;" in figures.describe_errors_by(held_out, ENERGY)


def test_residuals_in_words(held_out):
    assert figures.describe_residuals(held_out, ENERGY) == (
        "Predicted less found: median 1.00\u00a0Wh, nine of ten from \u22120.800\u00a0Wh to 9.10\u00a0Wh"
    )


def test_importances_rise_and_are_in_the_unit():
    found = pd.DataFrame(
        {"feature": ["forks", "n_conv3x3"] * 2, "repeat": [0, 0, 1, 1], "increase": [0.001, 0.004, 0.001, 0.006]}
    )
    figure = figures.importances(found, ENERGY, dark=False)
    assert figure.layout.yaxis.ticktext == ("vertices that fork", "3×3 convolutions")
    np.testing.assert_allclose(figure.data[0].x, [1, 5])
    assert figures.describe_importances(found, ENERGY, most=1).endswith("the largest: 3×3 convolutions 5.00\u00a0Wh")


def test_each_feature_has_a_bar_whatever_it_is_called():
    """Numbers, and names that are cut to the same words."""
    names = ["2019", "1", f"{'a' * 60} first", f"{'a' * 60} second"]
    found = pd.DataFrame({"feature": names, "repeat": 0, "increase": [1.0, 2.0, 3.0, 4.0]})
    figure = figures.importances(found, Shown("target", ""), False, {})
    assert list(figure.data[0].y) == list(figure.layout.yaxis.tickvals) == [0, 1, 2, 3]
    assert figure.layout.yaxis.ticktext[:2] == ("2019", "1")


class TestLosses:
    def test_each_part_is_a_line_the_present_one_in_colour(self):
        epochs = [Epoch("one", 1, 2, 3.0), Epoch("one", 2, 2, 2.0), Epoch("two", 1, 4, 9.0)]
        first, second = figures.losses(epochs, dark=False).data
        assert (list(first.y), list(second.y)) == ([3.0, 2.0], [9.0])
        assert second.line.color == EXTREMES != first.line.color

    def test_a_part_of_the_same_name_begins_anew(self):
        epochs = [Epoch("energy", number, 2, 1.0) for _ in range(3) for number in (1, 2)]
        assert len(figures.losses(epochs, dark=False).data) == 3


def test_the_headline_of_values_that_are_all_alike_has_no_order():
    told = pd.Series({"tau": np.nan, "mae": 0.5, "median_error": 0.1, "judged": 16})
    said = figures.headline(told, Shown("target", "J"), "16 rows")
    assert "is on average 0.50\u00a0J off; in what order it puts them cannot be told" in said
    assert "nan" not in said


def test_the_headline_says_the_share_of_pairs_and_the_error():
    told = pd.Series({"tau": 0.97, "mae": 0.2091, "median_error": 0.00211, "judged": 707})
    assert figures.headline(told, ENERGY, "707 measured cells") == (
        "Of 707 measured cells, none of which the model has seen, it puts 98.5\u202f% of all pairs in the right order "
        "(Kendall's τ 0.970) and is on average 0.21\u00a0Wh off."
    )
    assert figures.headline(told, ERROR, "x").endswith("and is within 0.0021 for half of them.")
