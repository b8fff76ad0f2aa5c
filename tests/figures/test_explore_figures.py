"""The figures of the Explore page: what is drawn, where, and what it is called."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from ecnas_core import Benchmark
from ecnas_core.analysis import explore
from ecnas_core.analysis.metrics import metric
from ecnas_core.analysis.view import Filters, View
from ecnas_core.carbon import Lens
from ecnas_core.figures import explore as figures
from ecnas_core.figures.explore import value
from ecnas_core.figures.theme import DARK, EXTREMES, FRONT, KNEE, LIGHT, SELECTION

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Benchmark(tmp_path_factory.mktemp("user"), Benchmark.open().bundled)


@pytest.fixture(scope="module")
def picture(bench, small):
    """The picture of a view, computed once; of 7V over all its cells."""
    computed: dict[View, explore.Picture] = {}

    def compute(**changes):
        view = View(**changes)
        if view not in computed:
            computed[view] = explore.picture(bench if view.space == "7V" else small, view)
        return computed[view]

    return compute


def trace(figure: go.Figure, name: str):
    return next(each for each in figure.data if (each.name or "").startswith(name))


def names(figure: go.Figure) -> list[str]:
    return [each.name for each in figure.data]


class TestHeadline:
    def test_knee_and_best(self, picture, truth):
        front = truth.front(truth.cells("4V"))
        knee, best = truth.knee(front), front.iloc[-1]
        assert figures.headline(picture(space="4V")) == (
            f"91 cells; the knee has validation error {knee['validation_error']:.4f} at {knee['energy']:.3f}\u00a0kWh, "
            f"the least validation error, {best['validation_error']:.4f}, takes "
            f"{best['energy'] / knee['energy']:.1f} times as much."
        )

    def test_how_many_are_known(self, picture):
        known = picture(lens=Lens(predicted=False))
        assert figures.headline(known).startswith("25\u202f822 of 423\u202f615 cells have a known accuracy; ")

    def test_how_many_are_predicted(self, picture):
        assert figures.headline(picture()).startswith(
            "423\u202f615 cells, 397\u202f793 of them predicted; the knee has "
        )

    @pytest.mark.parametrize(
        ("space", "x", "y", "words"),
        [
            ("5V", "parameters", "test_accuracy", "have a known test accuracy;"),
            ("5V", "parameters", "test_error", "have a known test accuracy;"),
            ("7V", "training_time", "parameters", "have a known training time;"),
            ("5V", "validation_accuracy", "energy", "have a known accuracy;"),
        ],
    )
    def test_what_the_others_lack(self, picture, space, x, y, words):
        few = Filters(counts=(("vertices", 2, 6), ("n_conv3x3", 0, 0)))
        assert words in figures.headline(picture(space=space, x=x, y=y, filters=few, lens=Lens(predicted=False)))

    def test_none_left(self, picture):
        nothing = picture(space="4V", filters=Filters(ranges=(("energy", 1e6, 2e6),)))
        assert figures.headline(nothing) == "No cell of 4V passes the filters."

    def test_none_with_both(self, picture):
        assert figures.headline(picture(lens=Lens(scope="GPU"))) == (
            "423\u202f615 cells of 7V, none with both energy and validation error at 108 epochs."
        )

    def test_one_cell(self, picture, truth):
        cheapest = truth.cells("4V")["energy"].min()
        one = picture(space="4V", filters=Filters(ranges=(("energy", 0, cheapest * 1.0000001),)))
        assert figures.headline(one).startswith("1 cell; one is best in both: ")

    def test_two_metrics_that_agree(self, picture):
        text = figures.headline(picture(space="4V", x="validation_error", y="validation_accuracy"))
        assert text.startswith("91 cells; one is best in both: 0.0558, validation accuracy 0.9442")


class TestWords:
    @pytest.mark.parametrize(
        ("role", "x", "y", "name"),
        [
            ("r0", "energy", "validation_error", "least energy"),
            ("r1", "energy", "validation_error", "least validation error"),
            ("r1", "energy", "test_accuracy", "best test accuracy"),
            ("r0", "validation_accuracy", "parameters", "best validation accuracy"),
            ("rk", "energy", "test_accuracy", "knee"),
        ],
    )
    def test_roles(self, role, x, y, name):
        assert figures.role_name(role, View(x=x, y=y)) == name

    @pytest.mark.parametrize(
        ("key", "number", "text"),
        [
            ("energy", 0.273068, "0.273\u00a0kWh"),
            ("energy", 1234.5, "1\u202f230\u00a0kWh"),
            ("validation_accuracy", 0.94, "0.9400"),
            ("parameters", 2.694282, "2.69\u00a0M"),
            ("energy", None, "–"),
            ("test_error", float("nan"), "–"),
        ],
    )
    def test_values(self, key, number, text):
        from ecnas_core.analysis.metrics import metric

        assert figures.value(metric(key, Lens()), number) == text

    def test_cells_in_words(self):
        assert [figures.cells(number) for number in (0, 1, 2, 423_624)] == [
            "0 cells",
            "1 cell",
            "2 cells",
            "423\u202f624 cells",
        ]


class TestPlane:
    def test_front_knee_and_extremes(self, picture, truth):
        figure = figures.plane(picture(space="4V"), dark=False).figure
        front = truth.front(truth.cells("4V"))
        drawn = trace(figure, "front")
        assert drawn.name == f"front, {len(front)} cells"
        assert list(drawn.x) == pytest.approx(list(front["energy"]))
        assert list(drawn.y) == pytest.approx(list(front["validation_error"]))
        assert drawn.line.color == FRONT
        assert drawn.line.shape == "hv"
        ends = trace(figure, "extremes and knee")
        assert list(ends.marker.color) == [EXTREMES, KNEE, EXTREMES]
        assert list(ends.text) == ["<b>r0</b> least energy", "<b>rk</b> knee", "<b>r1</b> least validation error"]
        knee = truth.knee(front)
        assert (ends.x[1], ends.y[1]) == pytest.approx((knee["energy"], knee["validation_error"]))

    def test_the_stairs_follow_the_better_side(self, picture):
        figure = figures.plane(picture(space="4V", x="test_accuracy", y="energy"), dark=False).figure
        assert trace(figure, "front").line.shape == "vh"

    def test_points_are_the_cells_said(self, picture, bench):
        shown = picture(space="5V")
        plane = figures.plane(shown, dark=False)
        checked = 0
        for number, hashes in plane.hashes.items():
            drawn = plane.figure.data[number]
            assert len(hashes) == len(drawn.x)
            cells = explore.cells(bench, shown.view, hashes=list(set(hashes))).set_index("hash").loc[list(hashes)]
            assert np.asarray(drawn.x, float) == pytest.approx(cells["x"].to_numpy(), rel=1e-6)
            assert np.asarray(drawn.y, float) == pytest.approx(cells["y"].to_numpy(), rel=1e-6)
            checked += len(hashes)
        assert checked > 1_500

    def test_every_known_cell_is_in_the_density(self, picture, truth):
        shown = picture()
        known = truth.cells().dropna(subset=["validation_error"])
        density = trace(figures.plane(shown, dark=False).figure, "density")
        counts = np.asarray(density.customdata)
        assert counts.sum() == len(known)
        columns = np.asarray(density.x, float)
        rows = np.asarray(density.y, float)
        assert counts.shape == (len(rows) - 1, len(columns) - 1)
        split = columns[80]
        assert counts[:, :80].sum() == pytest.approx((known["energy"] < split).sum(), abs=3)
        colours = np.asarray(density.z, float)
        assert np.isnan(colours[counts == 0]).all()
        assert colours[counts > 0] == pytest.approx(np.log10(counts[counts > 0]), abs=1e-6)

    def test_cells_of_unknown_accuracy_are_a_strip(self, picture, truth):
        unknown = truth.cells(predicted=False)["validation_error"].isna().sum()
        figure = figures.plane(picture(lens=Lens(predicted=False)), dark=False).figure
        strip = trace(figure, "unknown")
        assert np.asarray(strip.customdata).sum() == unknown
        assert strip.yaxis == "y2"
        (note,) = figure.layout.annotations
        assert note.text == f"accuracy unknown: {unknown:,} cells".replace(",", "\u202f")
        assert figure.layout.yaxis.domain[0] > figure.layout.yaxis2.domain[1]

    def test_no_strip_where_all_is_known(self, picture):
        figure = figures.plane(picture(space="4V"), dark=False).figure
        assert names(figure) == ["cells", "front, 14 cells", "extremes and knee"]
        assert figure.layout.yaxis.domain == (0, 1)
        assert not figure.layout.annotations

    def test_the_largest_view_is_light(self, picture):
        for accurate in ("validation_error", "test_accuracy"):
            assert len(figures.plane(picture(y=accurate), dark=False).figure.to_json()) < MEGABYTE / 2

    @pytest.mark.parametrize(
        ("space", "epochs", "symbol"),
        [("4V", 108, "square"), ("5V", 108, "circle"), ("7V", 108, "diamond")],
    )
    def test_the_marker_tells_the_weaker_provenance(self, picture, space, epochs, symbol):
        shown = picture(space=space, epochs=epochs, lens=Lens(predicted=False))
        front = trace(figures.plane(shown, dark=False).figure, "front")
        assert set(front.marker.symbol) == {symbol}

    def test_predicted_cells_of_the_front_are_open_with_whiskers(self, picture):
        shown = picture()
        drawn = trace(figures.plane(shown, dark=False).figure, "front")
        guessed = (shown.front["accuracy_provenance"] == "predicted").to_numpy()
        assert 0 < guessed.sum() < len(guessed)
        assert [symbol == "triangle-up-open" for symbol in drawn.marker.symbol] == guessed.tolist()
        up, down = np.asarray(drawn.error_y.array), np.asarray(drawn.error_y.arrayminus)
        assert np.isnan(up[~guessed]).all()
        middle, low, high = (shown.front[name].to_numpy()[guessed] for name in ("y", "y_low", "y_high"))
        assert middle + up[guessed] == pytest.approx(high, rel=1e-5)
        assert middle - down[guessed] == pytest.approx(low, rel=1e-5)
        assert drawn.error_x.array is None

    def test_what_the_front_rests_on_is_told(self, picture):
        shown = picture()
        count = (shown.front["accuracy_provenance"] == "predicted").sum()
        told = figures.predicted(shown)
        assert told.startswith(
            f"The front rests on predictions: of its {len(shown.front)} cells {count} have a predicted "
        )
        assert told.endswith("The knee is no prediction.")
        assert figures.predicted(picture(space="4V")) is None
        assert figures.predicted(picture(lens=Lens(predicted=False))) is None
        few = picture(space="5V", filters=Filters(accuracy_provenance=("predicted",)))
        knee = few.front.set_index("role").loc["rk"]
        assert (
            f"The knee's validation error between {knee['y_low']:.4f} and {knee['y_high']:.4f}."
            in figures.predicted(few)
        )

    def test_scaled_figures_are_half_tone(self, picture):
        scaled = trace(figures.plane(picture(space="5V"), dark=False).figure, "front")
        assert set(scaled.marker.line.color) == {FRONT}
        assert set(scaled.marker.color) != {FRONT}

    def test_open_and_pinned_cells(self, picture, bench):
        shown = picture(space="4V")
        digests = list(shown.front["hash"][:2])
        marked = explore.cells(bench, shown.view, hashes=digests)
        plane = figures.plane(shown, dark=False, selected=digests[1], marked=marked, names={digests[0]: "A"})
        drawn = trace(plane.figure, "selected and pinned")
        assert plane.hashes[len(plane.figure.data) - 1] == tuple(marked["hash"])
        by_hash = dict(zip(marked["hash"], zip(drawn.text, drawn.marker.size, strict=True), strict=True))
        assert by_hash[digests[0]][0] == "A"
        assert by_hash[digests[1]][0] == ""
        assert by_hash[digests[1]][1] > by_hash[digests[0]][1]
        assert all(symbol.endswith("open") for symbol in drawn.marker.symbol)

    def test_area_and_dragging(self, picture):
        box = (0.2, 0.5, 0.06, 0.08)
        figure = figures.plane(picture(space="4V"), dark=False, box=box, select_by_dragging=True).figure
        (shape,) = figure.layout.shapes
        assert (shape.x0, shape.x1, shape.y0, shape.y1) == box
        assert shape.line.color == SELECTION
        assert figure.layout.dragmode == "select"
        assert figures.plane(picture(space="4V"), dark=False).figure.layout.dragmode == "pan"

    def test_zoom_survives_filters_but_not_other_axes(self, picture):
        def revision(**changes):
            return figures.plane(picture(**changes), dark=False).figure.layout.uirevision

        filtered = revision(space="4V", filters=Filters(counts=(("n_conv3x3", 1, 5),)))
        assert filtered == revision(space="4V")
        assert len({revision(space="4V"), revision(space="5V"), revision(space="4V", x="parameters")}) == 3

    def test_axes_carry_unit_and_scale(self, picture):
        figure = figures.plane(picture(space="4V", lens=Lens(unit="Wh"), y_log=False), dark=False).figure
        assert figure.layout.xaxis.title.text == "Energy (Wh)"
        assert figure.layout.xaxis.type == "log"
        assert figure.layout.yaxis.title.text == "Validation error"
        assert figure.layout.yaxis.type == "linear"

    def test_hover_carries_values_and_units(self, picture):
        figure = figures.plane(picture(space="4V"), dark=False).figure
        assert trace(figure, "front").hovertemplate.startswith("Energy: %{x:.4g} kWh<br>Validation error: %{y:.4f}<br>")

    @pytest.mark.parametrize(("dark", "palette"), [(False, LIGHT), (True, DARK)])
    def test_both_themes(self, picture, dark, palette):
        figure = figures.plane(picture(space="5V"), dark=dark).figure
        assert trace(figure, "sample").marker.color == palette.text
        assert figure.layout.template.layout.font.color == palette.text
        assert figure.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"

    def test_nothing_to_draw(self, picture):
        plane = figures.plane(picture(space="4V", filters=Filters(ranges=(("energy", 1e6, 2e6),))), dark=False)
        assert len(plane.figure.data) == 0
        assert plane.hashes == {}

    def test_is_valid_json_everywhere(self, picture):
        for changes in ({}, {"space": "4V"}, {"lens": Lens(scope="GPU")}, {"y": "test_accuracy"}):
            text = figures.plane(picture(**changes), dark=True).figure.to_json()
            json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the figure"))


class TestBudgetCurve:
    @pytest.fixture
    def view(self):
        return View(space="4V", lens=Lens(scope="IT", unit="Wh"))

    def test_accuracy_against_energy_with_deviations(self, bench, view, truth):
        digest = truth.front(truth.cells("4V"))["hash"].iloc[4]
        budgets = explore.budgets(bench, view, digest)
        (drawn,) = figures.budget_curve(budgets, view, dark=False).data
        expected = [truth.cell(digest, "4V", epochs) for epochs in (4, 12, 36, 108)]
        assert list(drawn.text) == ["4", "12", "36", "108"]
        assert list(drawn.x) == pytest.approx([cell["energy"] / 1.59 * 1000 for cell in expected])
        assert list(drawn.y) == pytest.approx([cell["validation_accuracy"] for cell in expected])
        deviation = (
            pd.read_parquet(bench.bundled / "benchmark" / "4V.parquet").query("hash == @digest").sort_values("epochs")
        )
        assert list(drawn.error_x.array) == pytest.approx(list(deviation["energy_kwh_std"] / 1.59 * 1000))

    def test_in_words(self, bench, view, truth):
        digest = truth.front(truth.cells("4V"))["hash"].iloc[4]
        told = figures.describe_budgets(explore.budgets(bench, view, digest), view).replace("\u00a0", " ")
        for epochs in (4, 12, 36, 108):
            cell = truth.cell(digest, "4V", epochs)
            energy = value(metric("energy", view.lens), cell["energy"] / 1.59 * 1000).replace("\u00a0", " ")
            assert f"{cell['validation_accuracy']:.4f} for {energy} at {epochs} epochs" in told

    def test_budgets_without_accuracy_are_left_out(self, bench, truth):
        cells = truth.cells(predicted=False)
        digest = cells[cells["validation_accuracy"].isna()]["hash"].iloc[0]
        view = View(lens=Lens(predicted=False))
        (drawn,) = figures.budget_curve(explore.budgets(bench, view, digest), view, dark=False).data
        (published,) = pq.read_table(
            bench.bundled / "benchmark" / "7V.parquet", filters=[("hash", "=", digest)]
        ).to_pylist()
        known = [epochs for epochs in (4, 12, 36, 108) if published[f"validation_accuracy_{epochs}"] is not None]
        assert list(drawn.text) == [str(epochs) for epochs in known]


class TestParallel:
    def dimensions(self, frame, view):
        (drawn,) = figures.parallel(frame, view, dark=False).data
        return {dimension.label: dimension for dimension in drawn.dimensions}

    def test_counts_and_logarithms(self, bench, truth):
        view = View(space="4V")
        frame = explore.cells(bench, view)
        drawn = self.dimensions(frame, view)
        expected = truth.cells("4V").set_index("hash").loc[frame["hash"]]
        for label, column in (("conv3×3", "n_conv3x3"), ("conv1×1", "n_conv1x1"), ("maxpool", "n_maxpool3x3")):
            assert list(drawn[label].values) == list(expected[column])
        for label, column in (("Energy (kWh)", "energy"), ("Validation error", "validation_error")):
            assert list(drawn[label].values) == pytest.approx(list(np.log10(expected[column])))
        energy = drawn["Energy (kWh)"]
        assert [float(text.replace("\u202f", "")) for text in energy.ticktext] == pytest.approx(
            10 ** np.asarray(energy.tickvals), rel=6e-3
        )

    def test_unknown_values_stand_apart(self, bench):
        view = View(x="parameters", y="multiply_adds", lens=Lens(predicted=False))
        frame = explore.cells(bench, view, limit=200)
        unknown = frame["validation_error"].isna().to_numpy()
        assert 0 < unknown.sum() < 200
        error = self.dimensions(frame, view)["Validation error"]
        values = np.asarray(error.values)
        assert error.ticktext[0] == "unknown"
        assert set(values[unknown]) == {error.tickvals[0]}
        assert values[~unknown].min() > error.tickvals[0]

    def test_a_metric_that_nobody_knows_is_left_out(self, bench):
        view = View(x="parameters", y="multiply_adds", lens=Lens(scope="GPU"))
        frame = explore.cells(bench, view, limit=50)
        assert "Energy (kWh)" not in self.dimensions(frame, view)

    def test_one_cell(self, bench):
        view = View(space="4V")
        drawn = self.dimensions(explore.cells(bench, view, limit=1), view)
        assert len(drawn["Energy (kWh)"].tickvals) == 1

    def test_footprints_of_zero_are_no_logarithm(self, bench):
        view = View(space="4V", x="parameters", lens=replace(Lens(), country=None, g_per_kwh=0.0, unit="kgCO2eq"))
        assert "Footprint (kgCO2eq)" not in self.dimensions(explore.cells(bench, view, limit=20), view)
