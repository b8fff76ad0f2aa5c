"""A walk from neighbour to neighbour."""

from __future__ import annotations

import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis import walk
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.store import UnknownCell
from ecnas_core.cells import neighbours

START = "256affa4b0191e323796f138db7b1164"
BARE = "043721b9c7fe8c5fad811d47d83132ec"


@pytest.fixture(scope="module")
def bench():
    return Benchmark.open()


def test_start_is_the_most_accurate(bench, truth):
    assert walk.start(bench, View(space="5V")) == truth.cells("5V").nlargest(1, "validation_accuracy")["hash"].iloc[0]


@pytest.mark.parametrize("space", ["4V", "5V", "7V"])
def test_options_are_the_neighbours_with_their_changes(bench, truth, space):
    view = View(space=space)
    options = walk.options(bench, view, START).set_index("hash")
    cell = bench.query(START, space=space).cell
    assert sorted(options.index) == sorted(neighbour.hash for neighbour in neighbours(cell, space))
    own = truth.cell(START, space)
    for digest, row in options.iterrows():
        other = truth.cell(digest, space)
        assert row["d_energy"] == pytest.approx(other["energy"] / own["energy"] - 1)
        assert row["d_accuracy"] == pytest.approx(
            other["validation_accuracy"] - own["validation_accuracy"], nan_ok=True
        )
    assert list(options["d_energy"]) == sorted(options["d_energy"])


def test_steps_in_words(bench):
    words = set(walk.options(bench, View(space="4V"), START)["step"])
    assert {
        "edge 2-3 removed",
        "vertex 1: conv3x3 to maxpool3x3",
        "vertex 2: conv1x1 to conv3x3",
        "edge 1-3 added",
    } <= words


def test_the_bare_cell_leads_nowhere(bench):
    assert walk.options(bench, View(space="4V"), BARE).empty


def test_path_sums_up(bench, truth):
    view = View(space="4V", epochs=12)
    second = walk.options(bench, view, START)["hash"].iloc[3]
    path = walk.path(bench, view, (START, second, START))
    energies = [truth.cell(digest, "4V", 12)["energy"] for digest in (START, second, START)]
    assert list(path["energy"]) == pytest.approx(energies)
    assert list(path["d_energy"])[1:] == pytest.approx([energies[1] / energies[0] - 1, energies[0] / energies[1] - 1])
    assert path["sum_energy"].iloc[-1] == path["sum_accuracy"].iloc[-1] == 0
    assert path["step"].iloc[0] == ""
    assert path["step"].iloc[1] == walk.options(bench, view, START)["step"].iloc[3]


def test_single_trainings_are_not_compared_with_means(bench):
    """In 7V some accuracies are means of three trainings and some single ones of the random sample."""
    both = bench.rows(
        "select hash from benchmark where space = '7V' and epochs = 108 and accuracy_repeats = 1 order by hash limit 400"
    )
    for row in both:
        options = walk.options(bench, View(), row["hash"])
        mixed = options[options["accuracy_repeats"] == 3]
        if len(mixed):
            assert mixed["d_accuracy"].isna().all()
            assert mixed["validation_accuracy"].notna().all()
            return
    pytest.fail("no cell of the sample has a neighbour of the search logs")


def test_a_leap_is_no_step(bench):
    far = bench.rows("select hash from benchmark where space = '4V' and epochs = 4 and edges = 6 limit 1")[0]["hash"]
    with pytest.raises(walk.BrokenWalk, match="not one step away"):
        walk.path(bench, View(space="4V"), (BARE, far))


def test_a_cell_of_another_space(bench):
    with pytest.raises(UnknownCell):
        walk.path(bench, View(space="4V"), (walk.start(bench, View()),))
