"""Pictures, cells and standings against brute force in pandas over the whole benchmark."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from pathlib import Path

import moocore
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from ecnas_core import Benchmark
from ecnas_core.analysis import explore
from ecnas_core.analysis.metrics import METRICS
from ecnas_core.analysis.view import COUNTED, Filters, View
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.carbon import Lens

SMALLEST = "043721b9c7fe8c5fad811d47d83132ec"
LOG = {"energy", "footprint", "training_time", "parameters", "multiply_adds", "validation_error", "test_error"}
MORE = {"validation_accuracy", "test_accuracy"}


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Benchmark:
    return Benchmark(tmp_path_factory.mktemp("user"), BUNDLED)


@pytest.fixture(scope="module")
def all_of_7v(full) -> explore.Picture:
    return explore.picture(full, View())


@pytest.fixture(scope="module")
def bench(twelfth) -> Benchmark:
    return twelfth


class Whole:
    """All cells of a space at one budget under a lens, by hand from the Parquet files."""

    def __init__(self, bundled: Path) -> None:
        self._bundled = bundled
        self._frames: dict[tuple[str, int], pd.DataFrame] = {}

    def stored(self, space: str, epochs: int) -> pd.DataFrame:
        key = space, epochs
        if key not in self._frames:
            path = self._bundled / "benchmark" / f"{space}.parquet"
            common = ["hash", *COUNTED, "trainable_parameters", "multiply_adds"]
            if space == "7V":
                budget = [
                    f"{name}_{epochs}"
                    for name in (
                        "validation_accuracy",
                        "test_accuracy",
                        "accuracy_provenance",
                        "published_time_s",
                        "predicted_accuracy",
                        "predicted_time_s",
                    )
                ]
                frame = pq.read_table(path, columns=[*common, "surrogate_energy_wh_4_epochs", *budget]).to_pandas()
                frame = frame.rename(
                    columns=dict(
                        zip(
                            budget,
                            [
                                *(name.removesuffix(f"_{epochs}") for name in budget[:3]),
                                "training_time_s",
                                "predicted_accuracy",
                                "predicted_time_s",
                            ],
                            strict=True,
                        )
                    )
                )
                signed = frame["surrogate_energy_wh_4_epochs"].astype(float)
                frame["energy_kwh"] = (signed.abs() / 1000 * epochs / 4).round(6)
                frame["gpu_energy_j"] = np.nan
                frame["energy_provenance"] = "surrogate"
                for name, stand_in, provenance in (
                    ("validation_accuracy", "predicted_accuracy", "accuracy_provenance"),
                    ("training_time_s", "predicted_time_s", "time_provenance"),
                ):
                    unknown = frame[name].isna()
                    frame[name] = frame[name].where(~unknown, frame[stand_in].astype(float))
                    known = frame.get(provenance, "published")
                    frame[provenance] = np.where(unknown, "predicted", known)
                frame["artefact"] = signed < 3.15
            else:
                columns = [
                    "validation_accuracy",
                    "test_accuracy",
                    "accuracy_provenance",
                    "time_provenance",
                    "training_time_s",
                    "energy_kwh",
                    "gpu_energy_j",
                    "energy_provenance",
                ]
                frame = pq.read_table(path, columns=[*common, *columns], filters=[("epochs", "=", epochs)]).to_pandas()
                frame["artefact"] = False
            self._frames[key] = frame
        return self._frames[key]

    def seen(self, view: View) -> pd.DataFrame:
        frame = self.stored(view.space, view.epochs)
        if view.lens.predicted:
            return frame
        accuracy, time = frame["accuracy_provenance"] == "predicted", frame["time_provenance"] == "predicted"
        return frame.assign(
            validation_accuracy=frame["validation_accuracy"].mask(accuracy),
            accuracy_provenance=frame["accuracy_provenance"].mask(accuracy),
            training_time_s=frame["training_time_s"].mask(time),
        )

    def metrics(self, view: View) -> pd.DataFrame:
        frame = self.seen(view)
        lens = view.lens
        kwh = {
            "facility": frame["energy_kwh"] / 1.59 * lens.pue,
            "IT": frame["energy_kwh"] / 1.59,
            "GPU": frame["gpu_energy_j"] / 3.6e6,
        }[lens.scope]
        return pd.DataFrame(
            {
                "hash": frame["hash"],
                "energy": kwh * {"kWh": 1.0, "Wh": 1000.0, "kgCO2eq": lens.intensity / 1000}[lens.unit],
                "footprint": kwh * lens.intensity / 1000,
                "training_time": frame["training_time_s"],
                "parameters": frame["trainable_parameters"] / 1e6,
                "multiply_adds": frame["multiply_adds"] / 1e9,
                "validation_accuracy": frame["validation_accuracy"],
                "validation_error": 1 - frame["validation_accuracy"],
                "test_accuracy": frame["test_accuracy"],
                "test_error": 1 - frame["test_accuracy"],
                "artefact": frame["artefact"],
            }
        )

    def passing(self, view: View, *, artefacts: bool | None = None) -> pd.DataFrame:
        """The cells that pass the filters, with x and y; those of the artefact filter alone if asked for."""
        frame, metrics, filters = self.seen(view), self.metrics(view), view.filters
        keep = np.ones(len(frame), bool)
        for name, low, high in filters.counts:
            keep &= frame[name].between(low, high).to_numpy()
        for name, least, most in filters.ranges:
            keep &= ((metrics[name] >= least) & (metrics[name] <= most)).to_numpy()
        for column in ("energy_provenance", "accuracy_provenance"):
            if getattr(filters, column):
                keep &= frame[column].isin(getattr(filters, column)).to_numpy()
        if artefacts is None:
            keep &= filters.artefacts | ~metrics["artefact"].to_numpy()
        else:
            keep &= metrics["artefact"].to_numpy() == artefacts
        found = metrics[keep]
        return found.assign(x=found[view.x], y=found[view.y])


@pytest.fixture(scope="module")
def whole(bench) -> Whole:
    return Whole(bench.bundled)


def views() -> list[View]:
    """Views by hand, and random filters whose ends lie between the values that occur."""
    listed = [
        View(),
        View(filters=Filters(artefacts=True)),
        View("4V"),
        View("5V", 4, "training_time", "test_accuracy"),
        View("5V", 36, "multiply_adds", "validation_error", x_log=False, y_log=False),
        View("4V", 12, "validation_accuracy", "test_accuracy", x_log=True),
        View("4V", 4, "test_error", "validation_accuracy"),
        View("4V", lens=Lens(scope="GPU", unit="Wh")),
        View("7V", lens=Lens(scope="GPU")),
        View("7V", 4, "energy", "parameters", lens=Lens(scope="IT", unit="kgCO2eq", country="PL")),
        View("4V", x="footprint", lens=Lens(country="CF")),
        View("5V", x="energy", y="footprint", lens=Lens(unit="kgCO2eq", pue=1.1)),
        View(filters=Filters(counts=(("vertices", 0, 1),))),
        View("4V", filters=Filters(counts=(("vertices", 2, 2),))),
        View(filters=Filters(counts=(("vertices", 2, 3),))),
        View("4V", filters=Filters(accuracy_provenance=("measured",))),
        View("7V", 4, filters=Filters(accuracy_provenance=("measured",))),
        View("5V", 12, filters=Filters(energy_provenance=("measured",))),
        View("5V", 12, filters=Filters(energy_provenance=("measured", "scaled"))),
        View("7V", 12, filters=Filters(ranges=(("energy", 0.0, 0.0093123),), artefacts=True)),
        View("7V", 12, filters=Filters(ranges=(("energy", -math.inf, 0.0093123),))),
        View("7V", 108, "training_time", "test_error", filters=Filters(ranges=(("test_accuracy", 0.93005, math.inf),))),
    ]
    draw = random.Random(3)
    for number in range(12):
        x, y = draw.sample(METRICS, 2)
        space = "7V" if number % 3 == 0 else "5V"
        counts = tuple(
            (name, low, draw.randint(low, 7)) for name in draw.sample(COUNTED, 2) for low in [draw.randint(0, 3)]
        )
        ranges = tuple(
            {
                "parameters": ("parameters", 1.0000005, draw.uniform(5, 40)),
                "energy": ("energy", draw.uniform(0, 0.2), draw.uniform(0.5, 3)),
                "validation_error": ("validation_error", 0.0, draw.uniform(0.06, 0.6)),
            }[name]
            for name in draw.sample(("parameters", "energy", "validation_error"), draw.randint(0, 2))
        )
        listed.append(
            View(
                space,
                draw.choice((4, 12, 36, 108)),
                x,
                y,
                draw.choice((None, True, False)),
                draw.choice((None, True, False)),
                Filters(counts, ranges, artefacts=draw.random() < 0.3),
                Lens(pue=draw.choice((1.59, 1.2)), scope=draw.choice(("facility", "IT"))),
            )
        )
    return [
        *listed,
        View(lens=Lens(predicted=False)),
        View("7V", 36, "training_time", "validation_accuracy"),
        View("7V", 36, "training_time", "validation_accuracy", lens=Lens(predicted=False)),
        View("5V", filters=Filters(accuracy_provenance=("predicted",))),
    ]


VIEWS = views()


def drawn_log(view: View) -> list[bool]:
    """Whether the axes are logarithmic: as chosen, else as the metric has it, never for footprints that are 0."""
    zero = view.lens.intensity == 0
    return [
        not (zero and (name == "footprint" or (name == "energy" and view.lens.unit == "kgCO2eq")))
        and (name in LOG if chosen is None else chosen)
        for name, chosen in ((view.x, view.x_log), (view.y, view.y_log))
    ]


# The picture


@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_picture_is_that_of_brute_force(bench, whole, number):
    view = VIEWS[number]
    picture, expected = explore.picture(bench, view), whole.passing(view)
    counts_are_those_of_brute_force(view, picture, expected, whole)
    density_holds_every_cell_with_both_values_in_its_bin(view, picture, expected)
    cells_without_y_are_counted_by_column(picture, expected)
    front_is_that_of_moocore_from_the_best_x_to_the_best_y(view, picture, expected)
    equal_cells_on_the_front_are_told_by_the_smallest_hash(picture, expected)
    roles_of_the_front(view, picture)
    sample_is_of_matching_cells_with_both_values(picture, expected)
    if number % 3 == 0:
        pd.testing.assert_frame_equal(explore.front(bench, view), picture.front)


def counts_are_those_of_brute_force(view: View, picture: explore.Picture, expected: pd.DataFrame, whole: Whole) -> None:
    assert picture.view == view
    assert picture.in_space == len(whole.stored(view.space, view.epochs))
    assert picture.matching == len(expected)
    assert picture.both == expected[["x", "y"]].notna().all(axis=1).sum()
    assert picture.x_only == (expected["x"].notna() & expected["y"].isna()).sum()
    left_out = 0 if view.filters.artefacts else len(whole.passing(view, artefacts=True))
    assert picture.artefacts == left_out


def test_filters_of_the_views_leave_some_cells_and_take_some():
    """The brute force above would agree on anything if nothing or all matched."""
    assert sum(bool(view.filters.counts or view.filters.ranges) for view in VIEWS) > 15


def density_holds_every_cell_with_both_values_in_its_bin(
    view: View, picture: explore.Picture, expected: pd.DataFrame
) -> None:
    known = expected.dropna(subset=["x", "y"])
    assert picture.density.shape == (len(picture.y_edges) - 1, len(picture.x_edges) - 1)
    assert len(known) == 0 or picture.density.shape == (110, 160)
    assert picture.density.sum() == picture.both
    assert picture.density.min() >= 0
    logs = drawn_log(view)
    for edges, log in zip((picture.x_edges, picture.y_edges), logs, strict=True):
        steps = np.diff(np.log(edges) if log else edges)
        assert (steps > 0).all()
        assert np.allclose(steps, steps.mean(), rtol=1e-6)
    if known.empty:
        return
    for name, edges in (("x", picture.x_edges), ("y", picture.y_edges)):
        slack = 1e-12 * abs(edges[-1])
        assert edges[0] <= known[name].min() + slack
        assert edges[-1] >= known[name].max() - slack
    assert_same_bins(known, picture, logs)


def assert_same_bins(known: pd.DataFrame, picture: explore.Picture, logs: list[bool]) -> None:
    """By numpy's histogram over the same edges; a value on an edge, to rounding, may stand on either side."""
    on_edge = np.zeros(len(known), bool)
    for name, edges, log in zip(("x", "y"), (picture.x_edges, picture.y_edges), logs, strict=True):
        values = known[name].to_numpy()
        places = (
            np.log(values / edges[0]) / np.log(edges[-1] / edges[0])
            if log
            else (values - edges[0]) / (edges[-1] - edges[0])
        )
        places *= len(edges) - 1
        on_edge |= (np.abs(places - places.round()) < 1e-6) & (places > 0.5) & (places < len(edges) - 1.5)
    clipped = [
        np.clip(known[name], edges[0], edges[-1]) for name, edges in (("x", picture.x_edges), ("y", picture.y_edges))
    ]
    expected, _, _ = np.histogram2d(clipped[1], clipped[0], bins=(picture.y_edges, picture.x_edges))
    assert np.abs(picture.density - expected).sum() <= 2 * on_edge.sum()


def cells_without_y_are_counted_by_column(picture: explore.Picture, expected: pd.DataFrame) -> None:
    assert picture.x_alone.shape == (len(picture.x_edges) - 1,)
    assert picture.x_alone.sum() == picture.x_only
    alone = expected[expected["x"].notna() & expected["y"].isna()]["x"].clip(picture.x_edges[0], picture.x_edges[-1])
    counted, _ = np.histogram(alone, bins=picture.x_edges)
    assert np.abs(picture.x_alone - counted).sum() <= 0.001 * max(len(alone), 1)


def front_is_that_of_moocore_from_the_best_x_to_the_best_y(
    view: View, picture: explore.Picture, expected: pd.DataFrame
) -> None:
    known = expected.dropna(subset=["x", "y"]).sort_values("hash")
    front = picture.front
    if known.empty:
        assert front.empty
        return
    maximise = [view.x in MORE, view.y in MORE]
    points = np.column_stack([known["x"], known["y"]])
    best = points[moocore.is_nondominated(points, maximise=maximise, keep_weakly=False)]
    best = best[np.argsort(best[:, 0] * (-1 if maximise[0] else 1))]
    assert np.allclose(front[["x", "y"]].to_numpy(), best, rtol=1e-12)
    by_hash = known.set_index("hash")
    assert np.allclose(by_hash.loc[front["hash"], ["x", "y"]].to_numpy(), best, rtol=1e-12)


def equal_cells_on_the_front_are_told_by_the_smallest_hash(picture: explore.Picture, expected: pd.DataFrame) -> None:
    known = expected.dropna(subset=["x", "y"])
    for row in picture.front.head(30).itertuples():
        same = known[np.isclose(known["x"], row.x, rtol=1e-13) & np.isclose(known["y"], row.y, rtol=1e-13)]
        assert row.hash == same["hash"].min()


def roles_of_the_front(view: View, picture: explore.Picture) -> None:
    roles = picture.front["role"].tolist()
    if not roles:
        return
    assert roles[0] == "r0"
    if len(roles) == 1:
        return
    assert roles[-1] == "r1"
    assert set(roles[1:-1]) <= {"", "rk"}
    assert roles.count("rk") <= 1
    points = picture.front[["x", "y"]].to_numpy() * [-1 if view.x in MORE else 1, -1 if view.y in MORE else 1]
    points = (points - points[0]) / np.abs(points[-1] - points[0])
    below = (-points[:, 0] - points[:, 1]) / np.sqrt(2)
    if "rk" in roles:
        assert below[roles.index("rk")] == pytest.approx(below.max(), abs=1e-9)
        assert below.max() > 0
    else:
        assert below[1:-1].max(initial=-1) <= 1e-9


def sample_is_of_matching_cells_with_both_values(picture: explore.Picture, expected: pd.DataFrame) -> None:
    known = expected.dropna(subset=["x", "y"]).set_index("hash")
    sample = picture.sample
    assert sample["hash"].is_unique
    assert len(sample) <= explore.SAMPLE
    assert np.allclose(known.loc[sample["hash"], ["x", "y"]].to_numpy(), sample[["x", "y"]].to_numpy(), rtol=1e-12)
    if len(known) <= explore.SAMPLE:
        assert set(sample["hash"]) == set(known.index)
    else:
        assert len(sample) > 0.9 * explore.SAMPLE


def test_smallest_picture_by_hand(bench):
    """One cell: a bin around it, a front of it alone."""
    picture = explore.picture(bench, View("4V", filters=Filters(counts=(("vertices", 2, 2),))))
    entry = bench.query(SMALLEST, 108, "4V")
    assert (picture.matching, picture.both, picture.density.sum()) == (1, 1, 1)
    assert picture.front[["hash", "role"]].values.tolist() == [[SMALLEST, "r0"]]
    assert picture.x_edges[0] < entry.energy_kwh < picture.x_edges[-1]
    assert picture.y_edges[0] < 1 - entry.validation_accuracy < picture.y_edges[-1]
    assert picture.sample["hash"].tolist() == [SMALLEST]


def test_empty_pictures_have_edges_to_draw(full):
    for view in (View(filters=Filters(counts=(("vertices", 0, 1),))), View(lens=Lens(scope="GPU"))):
        picture = explore.picture(full, view)
        assert picture.both == picture.density.sum() == len(picture.front) == len(picture.sample) == 0
        assert picture.front.columns.tolist() == [*picture.sample.columns, "role"]
        assert (picture.x_edges > 0).all()
        assert (np.diff(picture.x_edges) > 0).all()
    assert picture.matching == 423_615


def test_predictions_are_counted_and_have_intervals(full, all_of_7v, bench):
    picture = all_of_7v
    assert (picture.both, picture.predicted) == (423_615, 397_793)
    guessed = picture.sample["accuracy_provenance"] == "predicted"
    assert 0.9 < guessed.mean() < 1
    inside = picture.sample["y"].between(picture.sample["y_low"], picture.sample["y_high"])
    assert (inside == guessed).all()
    assert picture.sample["y_low"].isna().eq(~guessed).all()
    assert picture.sample[["x_low", "x_high"]].isna().all(axis=None)
    known = explore.picture(full, View(lens=Lens(predicted=False)))
    assert (known.both, known.x_only, known.predicted) == (25_822, 397_793, 0)
    times = explore.picture(bench, View(x="training_time"))
    assert times.predicted > 0
    assert times.front["x_low"].isna().equals(times.front["time_provenance"] != "predicted")


def test_equal_values_on_an_axis_make_one_column(bench):
    """On a grid without emissions every footprint is 0."""
    picture = explore.picture(bench, View("4V", x="footprint", lens=Lens(country="CF")))
    assert picture.density.sum() == 91
    assert (picture.density.sum(axis=0) > 0).sum() == 1
    assert len(picture.front) == 1


def test_front_is_the_same_in_every_unit(bench):
    fronts = [
        explore.front(bench, View("5V", 36, lens=Lens(unit=unit, scope=scope)))
        for unit in ("kWh", "Wh", "kgCO2eq")
        for scope in ("facility", "IT")
    ]
    for front in fronts[1:]:
        assert front["hash"].tolist() == fronts[0]["hash"].tolist()
        assert front["role"].tolist() == fronts[0]["role"].tolist()


@pytest.mark.parametrize(
    "view", [View(), View("7V", 4, "parameters", "multiply_adds")], ids=["some known", "all known"]
)
def test_cells_stay_in_the_sample_as_the_filters_narrow(bench, whole, view):
    steps = [
        view,
        replace(view, filters=Filters(counts=(("n_maxpool3x3", 0, 1),))),
        replace(view, filters=Filters(counts=(("vertices", 0, 6), ("n_maxpool3x3", 0, 1), ("n_conv3x3", 1, 3)))),
    ]
    samples = [explore.picture(bench, step).sample for step in steps]
    for (wide, narrow), step in zip(pairwise(samples), steps[1:], strict=True):
        kept = set(wide["hash"]) & set(whole.passing(step)["hash"])
        assert kept
        assert kept <= set(narrow["hash"])


def test_sample_is_even_over_the_cells(all_of_7v):
    """The share of cells of 7 vertices in it is theirs in the space, to four standard deviations."""
    sample = all_of_7v.sample
    share = (423_624 - 64_542) / 423_624
    deviation = math.sqrt(share * (1 - share) / len(sample))
    assert abs((sample["vertices"] == 7).mean() - share) < 4 * deviation


# Cells, counts, standings


@pytest.mark.parametrize("view", [VIEWS[2], VIEWS[4], VIEWS[7], VIEWS[13], VIEWS[33]], ids=range(5))
def test_cells_have_every_metric_under_the_lens(bench, whole, view):
    found, expected = explore.cells(bench, view), whole.passing(view)
    assert set(found["hash"]) == set(expected["hash"])
    assert found["x"].dropna().is_monotonic_increasing
    expected = expected.set_index("hash").loc[found["hash"]]
    for name in (*METRICS, "x", "y"):
        assert np.allclose(found[name].to_numpy(float), expected[name].to_numpy(float), rtol=1e-12, equal_nan=True), (
            name
        )


def test_cells_by_hash_need_not_pass_the_filters_and_come_by_rising_x(bench):
    view = View("5V", 12, filters=Filters(counts=(("vertices", 5, 5),)))
    everything = explore.cells(bench, replace(view, filters=Filters()))
    chosen = everything["hash"].sample(20, random_state=1).tolist()
    found = explore.cells(bench, view, hashes=[*chosen, "0" * 32, chosen[0]])
    assert found["hash"].tolist() == everything[everything["hash"].isin(chosen)]["hash"].tolist()
    assert explore.cells(bench, view, hashes=[]).empty
    assert explore.cells(bench, view, hashes=["0" * 32]).empty
    artefact = explore.cells(bench, View(), hashes=[SMALLEST])
    assert artefact["energy_artefact"].tolist() == ["below the smallest measured"]


@pytest.mark.parametrize(
    "view", [View(), View("5V", 4, "training_time", "test_accuracy"), VIEWS[31]], ids=["7V", "5V", "filtered"]
)
def test_box_holds_the_cells_between_its_sides_borders_included(bench, whole, view):
    expected = whole.passing(view).dropna(subset=["x", "y"])
    draw = random.Random(5)
    for _ in range(2):
        x_low, x_high = sorted(draw.sample(explore.cells(bench, view, limit=400)["x"].dropna().tolist(), 2))
        y_low, y_high = sorted((expected["y"].quantile(draw.random()), expected["y"].quantile(draw.random())))
        box = (x_low, x_high, y_low, y_high)
        within = expected[
            expected["x"].between(x_low * (1 - 1e-13), x_high * (1 + 1e-13)) & expected["y"].between(y_low, y_high)
        ]
        found = explore.cells(bench, view, box=box)
        assert set(found["hash"]) == set(within["hash"])
        assert explore.count(bench, view, box) == len(within)
        limited = explore.cells(bench, view, box=box, limit=3)
        assert limited["hash"].tolist() == found["hash"].tolist()[:3]
    nothing = (1e9, 2e9, 0.0, 1.0)
    assert explore.count(bench, view, nothing) == 0
    assert explore.cells(bench, view, box=nothing).empty
    assert explore.cells(bench, view, limit=0).empty
    assert explore.count(bench, view, (-math.inf, math.inf, -math.inf, math.inf)) == len(expected)


def expected_standing(view: View, expected: pd.DataFrame, own: pd.Series) -> list[tuple[str, int, int, float]]:
    rows = []
    for axis, name in (("x", view.x), ("y", view.y)):
        if pd.isna(own[axis]):
            continue
        others = expected[expected["hash"] != own["hash"]][axis].dropna()
        sign = -1 if name in MORE else 1
        better, worse = (sign * others < sign * own[axis]).sum(), (sign * others > sign * own[axis]).sum()
        rows.append((name, better + 1, len(others) + 1, worse / len(others) if len(others) else math.nan))
    return rows


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View("5V", 12, "parameters", "validation_accuracy"),
        View("4V", 4, "multiply_adds", "parameters"),
        VIEWS[14],
        VIEWS[22],
    ],
    ids=["7V", "ties", "4V", "three", "filtered"],
)
def test_standing_is_that_of_brute_force_ties_included(bench, whole, view):
    expected, every = whole.passing(view), whole.passing(replace(view, filters=Filters(artefacts=True)))
    digests = [*expected["hash"].iloc[[len(expected) // 2]].tolist(), SMALLEST]
    digests += expected.nsmallest(1, "x")["hash"].tolist() + expected.nlargest(1, "y")["hash"].tolist()
    for digest in digests:
        own = every[every["hash"] == digest].iloc[0]
        found = explore.standing(bench, view, digest)
        wanted = expected_standing(view, expected, own)
        assert found["metric"].tolist() == [row[0] for row in wanted]
        assert found["rank"].tolist() == [row[1] for row in wanted]
        assert found["of"].tolist() == [row[2] for row in wanted]
        assert np.allclose(found["better_than"].to_numpy(float), [row[3] for row in wanted], equal_nan=True)


def test_equal_cells_share_the_better_rank(bench):
    view = View("4V", 4, "parameters", "energy")
    expected = explore.cells(bench, view)
    repeated = expected["parameters"].value_counts()
    value = repeated[repeated > 1].index[0]
    ranks = [
        explore.standing(bench, view, digest)["rank"][0] for digest in expected[expected["parameters"] == value]["hash"]
    ]
    assert len(ranks) > 1
    assert set(ranks) == {(expected["parameters"] < value).sum() + 1}


def test_standing_by_hand(bench):
    only = View("4V", filters=Filters(counts=(("vertices", 2, 2),)))
    found = explore.standing(bench, only, SMALLEST)
    assert found[["rank", "of"]].values.tolist() == [[1, 1], [1, 1]]
    assert found["better_than"].isna().all()
    assert explore.standing(bench, View(lens=Lens(scope="GPU")), SMALLEST)["metric"].tolist() == ["validation_error"]
    assert explore.standing(bench, View(), "0" * 32).empty


def expected_dominating(view: View, expected: pd.DataFrame, own: pd.Series) -> pd.Series:
    """Every dominating cell's distance in the plane as drawn, by its hash."""
    no_worse, better = np.ones(len(expected), bool), np.zeros(len(expected), bool)
    distance = np.zeros(len(expected))
    for axis, name, log in zip(("x", "y"), (view.x, view.y), drawn_log(view), strict=True):
        sign = -1 if name in MORE else 1
        values, at = expected[axis].to_numpy(), own[axis]
        no_worse &= sign * values <= sign * at
        better |= sign * values < sign * at
        scale = np.log if log else np.asarray
        known = scale(expected[axis].dropna().to_numpy())
        distance += ((scale(values) - scale(at)) / (np.ptp(known) or 1)) ** 2
    chosen = no_worse & better
    return pd.Series(distance[chosen], index=expected["hash"].to_numpy()[chosen])


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View("5V", 12, "parameters", "validation_accuracy"),
        View("4V", 4, "multiply_adds", "parameters"),
        View("5V", 108, "energy", "test_error", x_log=False, y_log=False, lens=Lens(scope="IT", unit="Wh")),
        View("7V", filters=Filters(counts=(("vertices", 0, 6),))),
    ],
    ids=["7V", "ties", "4V", "linear", "filtered"],
)
def test_dominating_cells_are_the_nearest_of_all_that_dominate(bench, whole, view):
    expected, every = whole.passing(view), whole.passing(replace(view, filters=Filters(artefacts=True)))
    known = every.dropna(subset=["x", "y"])
    for _, own in known.iloc[:: len(known) // 2].iterrows():
        distances = expected_dominating(view, expected, own)
        found = explore.dominating(bench, view, own["hash"])
        assert len(found) == min(5, len(distances))
        assert set(found["hash"]) <= set(distances.index)
        assert np.allclose(distances[found["hash"]], distances.nsmallest(5), rtol=1e-9)
        assert np.all(np.diff(distances[found["hash"]]) >= -1e-12)


def test_dominating_cell_may_be_equal_on_one_axis(bench):
    """Two cells with the same parameters of which one is better in the other metric."""
    view = View("4V", 108, "parameters", "validation_accuracy")
    frame = explore.cells(bench, view)
    pairs = [same for _, same in frame.groupby("parameters") if len(same) > 1][:3]
    assert len(pairs) == 3
    for same in pairs:
        worst, best = same.loc[same["y"].idxmin()], same.loc[same["y"].idxmax()]
        assert best["hash"] in explore.dominating(bench, view, worst["hash"], limit=91)["hash"].tolist()
        assert worst["hash"] not in explore.dominating(bench, view, best["hash"], limit=91)["hash"].tolist()


def test_nothing_dominates_the_front_and_something_all_others(bench):
    view = View("4V")
    front = explore.picture(bench, view).front["hash"].tolist()
    others = [digest for digest in explore.cells(bench, view)["hash"] if digest not in front]
    for digest in [*front[::3], *others[::16]]:
        assert explore.dominating(bench, view, digest, limit=1).empty == (digest in front)


def test_nothing_dominates_where_a_value_is_unknown(bench, whole):
    view = View(lens=Lens(predicted=False))
    unknown = whole.passing(view)
    digest = unknown[unknown["y"].isna()]["hash"].iloc[0]
    assert explore.dominating(bench, view, digest).empty
    assert len(explore.dominating(bench, View(), digest)) == 5
    assert explore.dominating(bench, View(lens=Lens(scope="GPU")), SMALLEST).empty
    assert explore.dominating(bench, View(), "0" * 32).empty
    assert explore.dominating(bench, View(filters=Filters(counts=(("vertices", 0, 1),))), SMALLEST).empty


@pytest.mark.parametrize("space", ["4V", "5V", "7V"])
def test_budgets_are_the_four_entries_under_the_lens(bench, space):
    entries = {epochs: bench.query(SMALLEST, epochs, space) for epochs in (4, 12, 36, 108)}
    for lens in (Lens(), Lens(scope="IT", unit="Wh"), Lens(unit="kgCO2eq", country="PL")):
        found = explore.budgets(bench, View(space, 12, lens=lens), SMALLEST)
        assert found["epochs"].tolist() == [4, 12, 36, 108]
        for row in found.itertuples():
            entry = entries[row.epochs]
            assert row.energy == pytest.approx(lens.convert(entry.energy_kwh), rel=1e-14)
            assert row.energy_kwh == entry.energy_kwh
            assert row.validation_accuracy == entry.validation_accuracy
            known = entry.energy_kwh_std
            assert row.energy_kwh_std == known if known else math.isnan(row.energy_kwh_std)


def test_budgets_do_not_depend_on_the_filters(bench):
    view = View("7V", filters=Filters(counts=(("vertices", 7, 7),)))
    assert len(explore.budgets(bench, view, SMALLEST)) == 4
    assert explore.budgets(bench, View("4V"), "0" * 32).empty
