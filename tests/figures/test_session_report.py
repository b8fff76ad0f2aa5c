"""The report of a session and the home page's picture, held against the Parquet files."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape

import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import choose, explore
from ecnas_core.analysis.needs import ChooseView, Task
from ecnas_core.analysis.view import View
from ecnas_core.carbon import Lens
from ecnas_core.figures import choose as choices
from ecnas_core.figures import home
from ecnas_core.figures.session_report import Session, report
from ecnas_core.measure.store import save
from ecnas_core.search import Setting
from ecnas_core.search.study import Plan
from tests.made_up import with_cpu
from tests.studies import carried_out

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)> & co"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def bench(data):
    return Benchmark(data, Benchmark.open().bundled)


@pytest.fixture(scope="module")
def own(data, few):
    """The user's folder over fewer cells of 7V."""
    return Benchmark(data, few)


def body(page: str) -> str:
    """The page without scripts, as read."""
    return re.sub(r"<script.*?</script>", "", page, flags=re.S)


def rows(page: str) -> list[list[str]]:
    return [
        [unescape(text).replace("\u202f", "").replace("\u00a0", " ") for text in re.findall(r"<td>(.*?)</td>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body(page))
    ]


def test_an_empty_session_says_so(own):
    session = Session(View())
    assert session.is_empty
    page = report(session, own, AT)
    assert "Nothing was pinned" in page
    assert "04 March 2026, 05:06 UTC" in page
    assert "energy_4V9E_4epochs.tfrecord" in page
    assert "Plotly.newPlot" not in page


def test_pinned_cells_have_their_figures_and_intervals(bench, truth):
    cells = truth.cells("4V")
    known = cells.iloc[5]
    every = truth.cells()
    guessed = every[every["accuracy_provenance"] == "predicted"].iloc[3]
    page = report(Session(View(space="4V"), (known["hash"], guessed["hash"])), bench, AT)
    assert "On the energy scale of 7V" in page, "a cell that is not in 4V is shown with the others in 7V"
    told = rows(page)
    accuracies = [row for row in told if row[:1] == ["Validation accuracy"]]
    assert accuracies[0][1] == f"{known['validation_accuracy']:.4f}"
    assert accuracies[0][2] == "published"
    entry = bench.query(guessed["hash"], 108, "7V")
    assert accuracies[1][1] == f"{guessed['validation_accuracy']:.4f}"
    assert accuracies[1][2] == (
        f"predicted, 90 % interval {entry.validation_accuracy_low:.4f} to {entry.validation_accuracy_high:.4f}"
    )
    assert body(page).count("<svg") >= 2
    for digest in (known["hash"], guessed["hash"]):
        assert digest in page


def test_a_session_in_its_own_space_and_lens(own, truth):
    cell = truth.cells("4V").iloc[7]
    page = report(Session(View(space="4V", lens=Lens(scope="IT", unit="Wh")), (cell["hash"],)), own, AT)
    assert "On the energy scale of 4V, at 108 epochs" in page
    energy = next(row for row in rows(page) if row[:1] == ["Energy"])
    assert float(energy[1].split()[0]) == pytest.approx(1000 * cell["energy"] / 1.59, rel=6e-3)
    assert energy[1].endswith(" Wh")
    assert energy[2] == "measured"


def test_studies_measurements_choices_and_notes(own, data):
    study = carried_out(Plan.of(Setting(space="4V"), ("RS",), 20, 2, seed=1), data, HOSTILE)
    measured = with_cpu()
    save(measured, data)
    session = Session(View(), (), None, (study,), (measured,), notes=f"{HOSTILE}\nsecond line")
    assert not session.is_empty
    page = report(session, own, AT)
    markup = body(page)
    assert "<img" not in markup
    assert markup.count("&lt;img src=x onerror=alert(1)&gt; &amp; co") == 2
    assert "<p>second line</p>" in markup
    assert f"id {study.id}" in markup
    assert "2 of 2 trials" in markup
    assert f"Measured: {measured.hash[:8]} on {measured.device}" in markup
    assert page.count("Plotly.newPlot(") == 2
    told = re.findall(r'<div class="plot" role="figure" aria-label="(.*?)">', page)
    assert len(told) == 2
    assert all(re.search(r"\d", each) for each in told)
    assert not re.search(r'(?:src|href)\s*=\s*"(?:https?:)?//', markup)


def test_a_choice_has_its_short_list(own):
    view = ChooseView(task=Task(space="4V"))
    page = report(Session(View(), choice=view), own, AT)
    found = choose.choose(own, view)
    text = unescape(body(page))
    assert choices.headline(found) in text
    for _, row in found.shortlist.iterrows():
        assert choices.named(row, found) in text
        assert choices.gives_up(row, found) in text
    assert page.count("Plotly.newPlot(") == 1


def test_a_study_that_found_nothing_is_named(own, data):
    study = carried_out(Plan.of(Setting(space="4V"), ("RS",), 20, 1, seed=2), data, "Nothing")
    empty = replace(study, finished=())
    for path in study.files.values():
        path.unlink(missing_ok=True)
    page = report(Session(View(), studies=(empty,)), own, AT)
    assert "no trial of Nothing has finished" in page


@pytest.fixture(scope="module")
def found(bench):
    return explore.picture(bench, View())


class TestHome:
    def test_the_headline_has_the_front_s_numbers(self, found, truth):
        front = truth.front(truth.cells())
        knee, best = truth.knee(front), front.iloc[-1]
        told = home.headline(found)
        gained = 100 * (best["validation_accuracy"] - knee["validation_accuracy"])
        assert told.startswith(
            f"From the knee on, {gained:.1f} points of accuracy cost {best['energy'] / knee['energy']:.1f} times"
        )

    def test_where_the_figures_are_from(self, found, truth):
        cells = truth.cells()
        told = home.provenance(found).replace("\u202f", "")
        assert told.startswith(f"{len(cells)} cells of 7V; energies: surrogate")
        assert f"{(cells['accuracy_provenance'] == 'predicted').sum()} that are predicted" in told

    @pytest.mark.parametrize("dark", [False, True])
    def test_the_picture_is_explore_s_lower_and_without_a_scale(self, found, dark):
        drawn = home.picture(found, dark)
        assert drawn.figure.layout.height == home.HEIGHT
        assert not any(trace.showscale for trace in drawn.figure.data if trace.type == "heatmap")
        assert any(trace.name.startswith("front") for trace in drawn.figure.data)
