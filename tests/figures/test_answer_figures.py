"""The chart of an answer: what is drawn by default, what can be chosen, what is left out and said so."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from ecnas_core import Benchmark
from ecnas_core.benchmark import sandbox
from ecnas_core.benchmark.catalogue import EXAMPLES
from ecnas_core.figures.answer import (
    BARS_AT_MOST,
    POINTS_AT_MOST,
    Chart,
    choices,
    draw,
    headline,
    suggest,
    table,
)
from ecnas_core.figures.theme import DARK, LIGHT
from ecnas_core.records import InvalidRecord

MEGABYTE = 1_000_000
CELLS = pd.DataFrame(
    {
        "hash": [f"{number:032x}" for number in range(40)],
        "energy_kwh": np.geomspace(0.01, 2.0, 40),
        "validation_accuracy": np.linspace(0.5, 0.95, 40),
        "provenance": ["measured", "scaled"] * 20,
    }
)
BUDGETS = pd.DataFrame({"space": ["4V"] * 4 + ["5V"] * 4, "epochs": [4, 12, 36, 108] * 2, "kwh": np.arange(8.0)})
DEVICES = pd.DataFrame({"device": ["a", "b", "c"], "mean": [3.0, 1.0, 2.0], "std": [0.1, 0.2, 0.3]})


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Benchmark(tmp_path_factory.mktemp("user"), Benchmark.open().bundled)


@pytest.fixture(scope="module")
def views(bench):
    """The views that an example is asked of, in this process."""
    with duckdb.connect() as connection:
        connection.execute(";\n".join(bench.layout.statements()))
        yield connection


class TestDefaults:
    def test_two_numbers_make_a_scatter(self):
        assert suggest(CELLS) == Chart("scatter", "energy_kwh", "validation_accuracy", "provenance")

    def test_budgets_make_lines_a_colour_each(self):
        assert suggest(BUDGETS) == Chart("line", "epochs", "kwh", "space")
        figure = draw(BUDGETS, suggest(BUDGETS), False)
        assert [(trace.name, list(trace.x), list(trace.y)) for trace in figure.data] == [
            ("4V", [4, 12, 36, 108], [0, 1, 2, 3]),
            ("5V", [4, 12, 36, 108], [4, 5, 6, 7]),
        ]

    def test_few_named_rows_make_bars_in_their_order(self):
        chart = suggest(DEVICES)
        assert chart == Chart("bar", "device", "mean", "")
        figure = draw(DEVICES, chart, False)
        assert list(figure.layout.xaxis.ticktext) == ["a", "b", "c"]
        assert list(figure.data[0].y) == [3.0, 1.0, 2.0]

    def test_nothing_to_draw(self):
        assert suggest(pd.DataFrame({"name": ["a", "b"]})) is None
        assert suggest(pd.DataFrame({"n": [np.nan, np.inf]})) is None
        assert suggest(pd.DataFrame({"list": [[1], [2]]})) is None

    def test_one_number_alone_is_bars_of_itself(self):
        chart = suggest(pd.DataFrame({"n": [3, 5, 5]}))
        assert (chart.kind, chart.x, chart.y) == ("bar", "n", "n")
        draw(pd.DataFrame({"n": [3, 5, 5]}), chart, False)

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_every_example_may_run_and_is_drawn(self, name, views):
        sandbox.check(views, EXAMPLES[name])
        frame = sandbox._frame(views.sql(EXAMPLES[name]).to_arrow_table())
        chart = suggest(frame)
        assert len(frame) > 1
        assert len(draw(frame, chart, False).to_json()) < MEGABYTE
        assert headline(frame, chart).startswith((chart.y, f"mean of {chart.y}"))

    def test_an_example_of_7v_runs_in_a_process_of_its_own(self, views, bench):
        text = EXAMPLES["Cells of 7V above 94 %"]
        answers = bench.sql(text), sandbox._frame(views.sql(text).to_arrow_table())
        pd.testing.assert_frame_equal(*(each.sort_values("hash", ignore_index=True) for each in answers))


class TestWishes:
    def test_are_kept_where_the_columns_allow_it(self):
        wish = Chart("bar", "provenance", "energy_kwh", "")
        assert suggest(CELLS, wish) == wish
        assert suggest(CELLS, Chart(y="energy_kwh")).x == "validation_accuracy"
        assert suggest(CELLS, Chart(color="")).color == ""

    def test_give_way_where_they_do_not(self):
        assert suggest(CELLS, Chart("scatter", "provenance", "hash", "gone")) == suggest(CELLS)
        assert suggest(pd.DataFrame({"a": ["x", "y"], "n": [1, 2]}), Chart("line")).kind == "line"
        assert suggest(pd.DataFrame({"a": ["x", "y"], "l": [[1], [2]], "n": [1, 2]}), Chart("scatter", "l")).x == "n"

    def test_what_columns_can_be(self):
        frame = CELLS.assign(day=pd.date_range("2024-01-01", periods=40), valid=True, parts=[[1]] * 40)
        can = choices(frame)
        assert can.y == ("energy_kwh", "validation_accuracy")
        assert can.x["scatter"] == can.x["line"] == ("energy_kwh", "validation_accuracy", "day")
        assert can.x["bar"] == ("hash", "energy_kwh", "validation_accuracy", "provenance", "day", "valid")
        assert can.color["bar"] == ("provenance", "valid")
        assert can.color["scatter"] == ("provenance", "valid", "energy_kwh", "validation_accuracy")

    def test_survive_a_link(self):
        for wish in (Chart(), Chart("bar", "a", "b", ""), Chart(color="c")):
            assert Chart.from_params(wish.to_params()) == wish
        with pytest.raises(InvalidRecord, match="take one of scatter, bar, line"):
            Chart.from_params({"chart": "pie"})


class TestDrawing:
    def test_points_are_the_rows(self):
        chart = Chart("scatter", "energy_kwh", "validation_accuracy", "")
        [trace] = draw(CELLS, chart, False).data
        assert list(trace.x) == list(CELLS["energy_kwh"])
        assert list(trace.y) == list(CELLS["validation_accuracy"])
        assert list(trace.customdata) == [digest[:8] for digest in CELLS["hash"]]

    def test_provenance_is_the_marker(self):
        frame = CELLS.rename(columns={"provenance": "energy_provenance"})
        frame.loc[0, "energy_provenance"] = "surrogate"
        figure = draw(frame, suggest(frame), False)
        assert {trace.name: trace.marker.symbol for trace in figure.data} == {
            "measured": "circle",
            "scaled": "circle",
            "surrogate": "diamond",
        }

    def test_numbers_are_told_by_shade(self):
        chart = Chart("scatter", "energy_kwh", "validation_accuracy", "energy_kwh")
        [trace] = draw(CELLS, chart, True).data
        assert list(trace.marker.color) == list(CELLS["energy_kwh"])
        assert trace.marker.colorbar.title.text == "energy_kwh"

    def test_repeated_places_show_their_mean_and_say_so(self):
        frame = pd.DataFrame({"device": ["b", "a", "b"], "kwh": [1.0, 5.0, 3.0]})
        chart = suggest(frame)
        figure = draw(frame, chart, False)
        assert list(figure.layout.xaxis.ticktext) == ["b", "a"]
        assert list(figure.data[0].y) == [2.0, 5.0]
        assert figure.layout.yaxis.title.text == "mean of kwh"
        assert headline(frame, chart) == "mean of kwh by device; 2 bars."

    def test_missing_values_are_left_out_and_counted(self):
        frame = CELLS.copy()
        frame.loc[:2, "energy_kwh"] = [np.nan, np.inf, -np.inf]
        chart = Chart("scatter", "energy_kwh", "validation_accuracy", "")
        assert len(draw(frame, chart, False).data[0].x) == 37
        assert headline(frame, chart).endswith("37 points; 3 rows lack a value.")

    def test_rows_without_a_colour_are_unknown(self):
        frame = CELLS.assign(provenance=[None, *["measured"] * 39])
        names = [trace.name for trace in draw(frame, suggest(frame, Chart(color="provenance")), False).data]
        assert names == ["measured", "unknown"]

    def test_wide_ranges_are_logarithmic(self):
        figure = draw(CELLS, suggest(CELLS), False)
        assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", None)

    def test_more_points_than_can_be_sent_are_sampled(self):
        frame = pd.DataFrame({"x": np.arange(100_000.0), "y": np.sqrt(np.arange(100_000.0)), "c": ["a", "b"] * 50_000})
        chart = suggest(frame)
        figure = draw(frame, chart, False)
        assert sum(len(trace.x) for trace in figure.data) == POINTS_AT_MOST
        assert figure.data[0].x[0] == 0.0
        assert max(trace.x.max() for trace in figure.data) == 99_999.0
        assert len(figure.to_json()) < MEGABYTE
        assert headline(frame, chart).endswith("a sample of 100\u202f000.")

    def test_more_bars_than_can_be_read_are_cut(self):
        frame = pd.DataFrame({"name": [f"{number:03d}" + "x" * 100 for number in range(500)], "n": range(500)})
        chart = suggest(frame, Chart("bar"))
        figure = draw(frame, chart, False)
        assert len(figure.data[0].x) == len(figure.layout.xaxis.ticktext) == BARS_AT_MOST
        assert all(len(text) <= 40 for text in figure.layout.xaxis.ticktext)
        assert headline(frame, chart).endswith("the first of 500.")

    def test_dates_are_drawn(self):
        frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=5), "n": [1, 2, 3, 4, 5]})
        figure = draw(frame, suggest(frame, Chart("line", "day", "n")), False)
        assert str(figure.data[0].x[0]).startswith("2024-01-01")

    @pytest.mark.parametrize("dark", [False, True])
    def test_table_of_what_cannot_be_drawn(self, dark):
        frame = duckdb.sql("select 'a' as name, [1, 2] as parts").df()
        [shown] = table(frame, dark).data
        assert list(shown.header.values) == ["name", "parts"]
        assert shown.cells.fill.color == (DARK if dark else LIGHT).paper
