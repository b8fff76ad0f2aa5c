"""Views through the URL and through Python, and hostile addresses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ecnas_core import Benchmark
from ecnas_core.analysis import explore
from ecnas_core.analysis.metrics import METRICS
from ecnas_core.analysis.view import COUNTED, Filters, View
from ecnas_core.benchmark import EPOCHS
from ecnas_core.benchmark.official import PROVENANCES
from ecnas_core.carbon import SCOPES, UNITS, Lens, grids
from ecnas_core.cells import SPACES
from ecnas_core.errors import EcnasError
from ecnas_core.records import InvalidRecord

UNHURRIED = settings(deadline=None)
MEASURES = st.floats(allow_nan=False)
KEYS = (
    "space",
    "epochs",
    "x",
    "y",
    "x_log",
    "y_log",
    "artefacts",
    "energy_provenance",
    "accuracy_provenance",
    "scope",
    "pue",
    "grid",
    "unit",
    *COUNTED,
    *(f"range_{name}" for name in METRICS),
    "cell",
    "box",
)
WORDS = (
    "4V",
    "7V",
    "108",
    "4",
    "energy",
    "parameters",
    "1",
    "0",
    "measured",
    "measured~surrogate",
    "0~3",
    "3~0",
    "~",
    "~1",
    "1~",
    "1~2~3",
    "nan~nan",
    "-inf~inf",
    "1e999~2",
    "²",
    "٤",
    "-0",
    "GPU",
    "kgCO2eq",
    "CF",
    "1_0",
    "+4",
    " 4",
    "0x4",
    "",
    "9" * 5000,
    "0~" + "9" * 5000,
    "0~" + "9" * 60,
    "'; drop table cells; --",
    "\0",
    "\n",
    "energy~energy",
)


@st.composite
def ranges(draw, names, numbers):
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=4))
    return tuple((name, *sorted((draw(numbers), draw(numbers)))) for name in chosen)


provenances = st.lists(st.sampled_from(PROVENANCES), unique=True, max_size=3).map(tuple)
filters = st.builds(
    Filters,
    counts=ranges(COUNTED, st.integers(0, 7)),
    ranges=ranges(METRICS, MEASURES),
    energy_provenance=provenances,
    accuracy_provenance=provenances,
    artefacts=st.booleans(),
)
lenses = st.builds(
    lambda scope, unit, pue, place: Lens(scope=scope, unit=unit, pue=pue, country=place[0], g_per_kwh=place[1]),
    st.sampled_from(SCOPES),
    st.sampled_from(UNITS),
    st.floats(1, 3),
    st.one_of(
        st.sampled_from(sorted(grids())).map(lambda code: (code, None)), st.floats(0, 2000).map(lambda g: (None, g))
    ),
)
scales = st.sampled_from([None, True, False])
views = st.builds(
    lambda axes, **rest: View(x=axes[0], y=axes[1], **rest),
    axes=st.permutations(METRICS),
    space=st.sampled_from(list(SPACES)),
    epochs=st.sampled_from(EPOCHS),
    x_log=scales,
    y_log=scales,
    filters=filters,
    lens=lenses,
)


def executed(source: str) -> dict[str, object]:
    """What the source defines up to where it computes."""
    head, found, _ = source.partition("print(")
    assert found
    namespace: dict[str, object] = {}
    exec(head, namespace)
    return namespace


@UNHURRIED
@given(views)
def test_url_round_trips_whatever_the_order_and_what_belongs_to_other_parts_of_the_page(view):
    params = view.to_params()
    assert all(isinstance(value, str) and value for value in params.values())
    assert View.from_params(params) == view
    assert View.from_params({"cell": "x", "tray": "y", **dict(reversed(params.items())), "box": "z"}) == view


def test_default_view_has_an_empty_url():
    assert View().to_params() == {}
    assert View.from_params({}) == View() == View("7V", 108, "energy", "validation_error")


def test_url_by_hand():
    view = View(
        "4V",
        12,
        "parameters",
        "test_accuracy",
        x_log=False,
        filters=Filters(
            counts=(("vertices", 3, 4),),
            ranges=(("energy", 0.1, math.inf),),
            energy_provenance=("measured", "scaled"),
            artefacts=True,
        ),
        lens=Lens(scope="IT"),
    )
    assert view.to_params() == {
        "space": "4V",
        "epochs": "12",
        "x": "parameters",
        "y": "test_accuracy",
        "x_log": "0",
        "vertices": "3~4",
        "range_energy": "0.1~inf",
        "energy_provenance": "measured~scaled",
        "artefacts": "1",
        "scope": "IT",
    }


@UNHURRIED
@given(views)
def test_python_source_evaluates_to_the_same_view(view):
    namespace = executed(view.to_python())
    assert namespace["view"] == view
    assert namespace["front"] is explore.front
    assert namespace["Benchmark"] is Benchmark


def test_python_source_runs_and_prints_the_front(small, monkeypatch, capsys):
    view = View(space="4V", filters=Filters(ranges=(("energy", -math.inf, 1.0),)))
    monkeypatch.setattr(Benchmark, "open", lambda: small)
    exec(view.to_python(), {})
    front = explore.picture(small, view).front
    assert len(front) > 3
    printed = capsys.readouterr().out
    assert f"[{len(front)} rows x" in printed
    assert front["hash"].iloc[0] in printed


def test_numbers_of_numpy_make_the_same_link_and_source():
    plain = View(filters=Filters(ranges=(("energy", 0.1, 2.0),)), lens=Lens(pue=1.2))
    other = View(
        filters=Filters(ranges=(("energy", np.float64(0.1), np.float64(2.0)),)), lens=Lens(pue=np.float64(1.2))
    )
    assert other.to_params() == plain.to_params()
    assert executed(other.to_python())["view"] == plain


@UNHURRIED
@given(filters)
def test_order_of_the_filters_does_not_matter(given_filters):
    turned = replace(given_filters, counts=given_filters.counts[::-1], ranges=given_filters.ranges[::-1])
    assert turned == given_filters
    assert hash(turned) == hash(given_filters)


@settings(UNHURRIED, max_examples=150)
@given(st.dictionaries(st.sampled_from(KEYS), st.one_of(st.sampled_from(WORDS), st.text(max_size=20)), max_size=6))
def test_any_url_is_a_view_or_a_named_error_of_one_line(params):
    try:
        view = View.from_params(params)
    except EcnasError as error:
        assert "\n" not in str(error)
        return
    assert View.from_params(view.to_params()) == view
    assert len(view.where()[1]) == view.where()[0].count("?")


@settings(UNHURRIED, max_examples=8)
@given(views, st.sampled_from(["043721b9c7fe8c5fad811d47d83132ec", "03d84046b0ce567b2b59e85903aa2f5f", "0" * 32]))
def test_every_query_takes_any_view(small, view, digest):
    view = replace(view, space="4V")
    shown = explore.picture(small, view)
    assert 0 <= shown.both <= shown.matching <= shown.in_space == 91
    assert len(explore.cells(small, view)) == shown.matching
    assert len(explore.dominating(small, view, digest)) <= 5
    assert len(explore.standing(small, view, digest)) <= 2
    assert len(explore.budgets(small, view, digest)) in (0, 4)


@pytest.mark.parametrize(
    "params",
    [
        {"space": "6V"},
        {"space": "7v"},
        {"epochs": "5"},
        {"epochs": "²"},
        {"epochs": "9" * 5000},
        {"epochs": "04"},
        {"x": "cost"},
        {"x": "validation_error"},
        {"x_log": "yes"},
        {"y_log": ""},
        {"artefacts": "true"},
        {"vertices": "3"},
        {"vertices": "4~3"},
        {"vertices": "-1~3"},
        {"vertices": "0~8"},
        {"vertices": "0.5~3"},
        {"n_conv3x3": "0~" + "9" * 60},
        {"range_energy": "2~1"},
        {"range_energy": "nan~1"},
        {"range_energy": "a~b"},
        {"range_energy": "1~2~3"},
        {"energy_provenance": "guessed"},
        {"accuracy_provenance": "measured~"},
        {"accuracy_provenance": ""},
    ],
)
def test_damaged_url_is_a_named_error(params):
    with pytest.raises(InvalidRecord) as raised:
        View.from_params(params)
    assert len(str(raised.value)) < 200


def test_a_line_end_in_a_url_is_no_damage():
    assert View.from_params({"range_energy": "1~2\n"}).filters.ranges == (("energy", 1.0, 2.0),)


@pytest.mark.parametrize(
    "make",
    [
        lambda: View(space="6V"),
        lambda: View(epochs=5),
        lambda: View(x="cost"),
        lambda: View(x="energy", y="energy"),
        lambda: Filters(counts=(("depth", 1, 2),)),
        lambda: Filters(counts=(("vertices", 3, 2),)),
        lambda: Filters(counts=(("vertices", 2, 3), ("vertices", 4, 5))),
        lambda: Filters(ranges=(("cost", 1, 2),)),
        lambda: Filters(ranges=(("energy", 2, 1),)),
        lambda: Filters(ranges=(("energy", 0, math.nan),)),
        lambda: Filters(ranges=(("energy", 0, 1), ("energy", 2, 3))),
        lambda: Filters(energy_provenance=("guessed",)),
        lambda: Filters(accuracy_provenance=("",)),
    ],
)
def test_invalid_view_is_a_named_error(make):
    with pytest.raises(InvalidRecord):
        make()


def test_view_cannot_be_changed():
    with pytest.raises(AttributeError):
        View().space = "4V"
    with pytest.raises(AttributeError):
        Filters().artefacts = True


def test_axes_take_the_metrics_own_scale_unless_chosen():
    assert View(x="energy", y="validation_accuracy").logarithmic == (True, False)
    assert View(x="energy", y="validation_accuracy", x_log=False, y_log=True).logarithmic == (False, True)
    assert View(x="test_error", y="parameters").logarithmic == (True, True)


@pytest.mark.parametrize(
    "lens", [Lens(country="CF"), Lens(country=None, g_per_kwh=0.0), Lens(country=None, g_per_kwh=1e-320)]
)
def test_footprint_without_emissions_has_no_logarithmic_axis(lens):
    assert lens.intensity == pytest.approx(0, abs=1e-300)
    assert View(x="footprint", y="energy", x_log=True, lens=lens).logarithmic == (False, True)
    assert View(x="energy", lens=replace(lens, unit="kgCO2eq")).logarithmic == (False, True)
    assert View(x="energy", lens=lens).logarithmic == (True, True)


def test_predicate_by_hand():
    view = View(
        "5V",
        12,
        filters=Filters(
            counts=(("vertices", 3, 4),),
            ranges=(("parameters", 1.0, 2.0),),
            energy_provenance=("scaled",),
            accuracy_provenance=("published", "measured"),
        ),
    )
    where, parameters = view.where()
    assert where == (
        "space = ? and epochs = ? and vertices between ? and ? and trainable_parameters / 1e6 between ? and ? "
        "and energy_provenance in (?) and accuracy_provenance in (?, ?) and energy_artefact is null"
    )
    assert parameters == ["5V", 12, 3, 4, 1.0, 2.0, "scaled", "published", "measured"]
    assert View(filters=Filters(artefacts=True)).where() == ("space = ? and epochs = ?", ["7V", 108])
