from __future__ import annotations

import moocore
import numpy as np
import pytest

from ecnas_core import Benchmark
from ecnas_core.analysis.hardware import measured_on
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.carbon import Lens
from ecnas_core.cells import InvalidCell
from ecnas_core.records import InvalidRecord
from ecnas_core.search import NothingFeasible, Outcome, Problem, Setting, study_repository
from ecnas_core.search.encoding import Genomes
from ecnas_core.search.operators import sample_matrix, sample_uniform
from ecnas_core.search.study import Plan
from ecnas_core.surrogates import devices
from tests.search.conftest import problem_of
from tests.studies import carried_out

ALL_OBJECTIVES = ("energy", "footprint", "training_time", "parameters", "multiply_adds", "validation_error")


def expected(entry, key: str) -> float:
    """An objective from the benchmark's own answer, in plain words."""
    known = {
        "energy": entry.energy_kwh,
        "footprint": None if entry.energy_kwh is None else entry.energy_kwh * Lens().intensity / 1000,
        "training_time": None if entry.time_provenance == "predicted" else entry.training_time_s,
        "parameters": entry.trainable_parameters / 1e6,
        "multiply_adds": entry.multiply_adds / 1e9,
        "validation_error": None if entry.accuracy_provenance != "published" else 1 - entry.validation_accuracy,
    }[key]
    return np.nan if known is None else known


@pytest.mark.parametrize(
    ("space", "epochs", "lots"),
    [(space, None, (ALL_OBJECTIVES[:3], ALL_OBJECTIVES[3:])) for space in ("4V", "5V")]
    + [("7V", 36, ((ALL_OBJECTIVES[0], *ALL_OBJECTIVES[4:]),))],
)
def test_values_are_the_benchmarks(space, epochs, lots):
    bench, rng = Benchmark.open(), np.random.default_rng(0)
    problems = [problem_of(space=space, objectives=asked, epochs=epochs) for asked in lots]
    lookup, asked_of = problems[0].lookup, problems[0].setting.budgets
    feasible = np.flatnonzero(problems[-1].outcomes[0] == Outcome.FEASIBLE)
    genomes = Genomes.joined(
        sample_uniform(lookup, 10, rng),
        sample_matrix(lookup, 10, rng),
        lookup.genomes(rng.choice(feasible, 5).astype(np.int32)),
    )
    budgets = rng.integers(0, len(asked_of), len(genomes), dtype=np.int8)
    answers = [problem.evaluate(genomes, budgets)[1:] for problem in problems]
    for place in range(len(genomes)):
        try:
            cell = next(genomes[place : place + 1].cells())
        except InvalidCell:
            cell = None
        entry = None if cell is None else bench.query(cell, asked_of[budgets[place]], space)
        for asked, (values, outcomes) in zip(lots, answers, strict=True):
            answer = np.array([np.nan if entry is None else expected(entry, key) for key in asked])
            if entry is None:
                assert outcomes[place] == Outcome.INVALID_GRAPH
            elif entry.energy_artefact:
                assert outcomes[place] == Outcome.ARTEFACT
            elif np.isnan(answer).any():
                assert outcomes[place] == Outcome.NO_ANSWER
            else:
                assert outcomes[place] == Outcome.FEASIBLE
            if outcomes[place] == Outcome.FEASIBLE:
                assert values[place] == pytest.approx(answer, rel=1e-12)
            else:
                assert np.isnan(values[place]).all()


@pytest.mark.parametrize("space", ["5V", "7V"])
def test_hundreds_of_values_are_those_of_lookup(space):
    problem, rng = problem_of(space=space), np.random.default_rng(2)
    feasible = np.flatnonzero(problem.outcomes[0] == Outcome.FEASIBLE)
    rows = rng.choice(feasible, 500, replace=False).astype(np.int32)
    frame = Benchmark.open().lookup(problem.lookup.hashes(rows), 108, space)
    _, values, _ = problem.evaluate(problem.lookup.genomes(rows), np.zeros(500, np.int8))
    assert values[:, 0] == pytest.approx(frame["energy_kwh"].to_numpy(), rel=1e-12)
    assert values[:, 1] == pytest.approx(1 - frame["validation_accuracy"].to_numpy(), rel=1e-12)
    assert set(frame["accuracy_provenance"]) == {"published"}


@pytest.mark.parametrize(("space", "epochs", "feasible"), [("4V", 108, 91), ("5V", 108, 1622), ("7V", 108, 25822)])
def test_counts_of_feasible_cells(space, epochs, feasible):
    assert (problem_of(space=space, epochs=epochs).outcomes == Outcome.FEASIBLE).sum() == feasible


def test_measured_accuracies_are_taken_when_any_will_do():
    """All 5V cells were trained for 4 epochs by the authors; NAS-Bench-101's figures are known for some of them."""
    published = problem_of(space="5V", epochs=4)
    either = problem_of(space="5V", epochs=4, accuracy="any")
    assert (published.outcomes == Outcome.FEASIBLE).sum() < (either.outcomes == Outcome.FEASIBLE).sum() == 2532
    both = published.outcomes == Outcome.FEASIBLE
    assert np.array_equal(published.values[both], either.values[both])


def test_artefacts_are_infeasible_unless_asked_for():
    without, with_them = problem_of(), problem_of(artefacts=True)
    excluded = without.outcomes == Outcome.ARTEFACT
    bench = Benchmark.open()
    marked = bench.rows(
        "select hash from benchmark where space = '7V' and epochs = 108 and energy_artefact is not null"
    )
    assert sorted(without.lookup.hashes(np.nonzero(excluded)[1])) == sorted(row["hash"] for row in marked)
    assert not (with_them.outcomes == Outcome.ARTEFACT).any()
    least = np.nanmin(with_them.values[..., 0])
    assert least == pytest.approx(0.784 / 1000 * 27, rel=1e-3), "the paper's r0 is an artefact"
    assert np.nanmin(without.values[..., 0]) > 3.15 / 1000 * 27


def test_bounds_are_constraints(five):
    bounds = (("energy", 0.2, 0.5), ("parameters", -np.inf, 5.0), ("validation_accuracy", 0.9, 1.0))
    bounded = problem_of(space="5V", bounds=bounds)
    frame = Benchmark.open().frame(
        "select hash from benchmark where space = '5V' and epochs = 108 and accuracy_provenance = 'published' "
        "and energy_kwh between 0.2 and 0.5 and trainable_parameters <= 5e6 and validation_accuracy >= 0.9"
    )
    inside = bounded.outcomes[0] == Outcome.FEASIBLE
    assert sorted(bounded.lookup.hashes(np.flatnonzero(inside))) == sorted(frame["hash"])
    outside = bounded.outcomes[0] == Outcome.OUT_OF_BOUNDS
    assert (inside | outside).sum() == (five.outcomes == Outcome.FEASIBLE).sum()
    assert np.isnan(bounded.values[0][outside]).all()


def test_a_bound_on_what_is_unknown_has_no_answer():
    """Two metrics of accuracy are unknown together, but a time is known for other cells than an accuracy."""
    bounded = problem_of(objectives=("energy", "parameters"), bounds=(("training_time", 0, 1e9),))
    known = Benchmark.open().rows(
        "select count(*) as n from benchmark where space = '7V' and epochs = 108 and time_provenance = 'published' "
        "and energy_artefact is null"
    )[0]["n"]
    assert (bounded.outcomes == Outcome.FEASIBLE).sum() == known < 423_624


def test_predictions_are_taken_when_any_will_do_and_the_lens_shows_them():
    """Every cell of 7V has a predicted accuracy and time where none is published; those unknown are no answer."""
    asked = {"objectives": ("training_time", "validation_error"), "accuracy": "any"}
    every, known = problem_of(**asked), problem_of(**asked, lens=Lens(predicted=False))
    artefacts = (every.outcomes == Outcome.ARTEFACT).sum()
    assert (every.outcomes == Outcome.FEASIBLE).sum() == 423_624 - artefacts
    [published] = Benchmark.open().rows(
        "select count(*) as n from benchmark where space = '7V' and epochs = 108 and time_provenance = 'published' "
        "and accuracy_provenance = 'published' and energy_artefact is null"
    )
    assert (known.outcomes == Outcome.FEASIBLE).sum() == published["n"]


def test_lens_changes_the_energies(five):
    other = problem_of(space="5V", lens=Lens(scope="IT", unit="Wh"))
    assert other.values[..., 0] == pytest.approx(five.values[..., 0] * 1000 / 1.59, nan_ok=True)
    assert other.reference() == pytest.approx((1000 / 1.59, 0.2))


def test_front_is_moocores(five_all_budgets):
    rows, budgets, values = five_all_budgets.front()
    feasible = five_all_budgets.values[five_all_budgets.outcomes == Outcome.FEASIBLE]
    best = feasible[moocore.is_nondominated(feasible, keep_weakly=False)]
    assert sorted(map(tuple, values)) == sorted(map(tuple, best))
    assert np.array_equal(five_all_budgets.values[budgets, rows], values)


def test_front_of_one_and_of_three_objectives():
    one = problem_of(space="5V", objectives=("validation_error",))
    assert one.front()[2].tolist() == [[np.nanmin(one.values)]]
    three = problem_of(space="5V", objectives=("energy", "validation_error", "parameters"))
    feasible = three.values[three.outcomes == Outcome.FEASIBLE]
    best = feasible[moocore.is_nondominated(feasible, keep_weakly=False)]
    assert sorted(map(tuple, three.front()[2])) == sorted(map(tuple, best))


def test_reference_point(five):
    assert five.reference() == (1.0, 0.2)
    other = problem_of(space="5V", objectives=("parameters", "training_time"))
    assert other.reference() == pytest.approx(tuple(np.nanmax(other.values, axis=(0, 1))))


@pytest.mark.parametrize(
    "setting",
    [
        {"objectives": ()},
        {"objectives": ("energy",) * 2},
        {"objectives": ("energy", "footprint", "parameters", "validation_error")},
        {"objectives": ("energy", "validation_accuracy")},
        {"objectives": ("joy",)},
        {"bounds": (("joy", 0, 1),)},
        {"bounds": (("energy", 2, 1),)},
        {"bounds": (("energy", float("nan"), 1),)},
        {"space": "6V"},
        {"epochs": 5},
        {"charging": "none"},
        {"sampling": "best"},
        {"accuracy": "guessed"},
    ],
)
def test_settings_out_of_range_are_named_errors(setting):
    with pytest.raises(InvalidRecord, match=r"take one|take some|give|write"):
        Setting(**setting)


def test_nothing_within_the_bounds_is_a_named_error():
    with pytest.raises(NothingFeasible, match=r"all 91 .* out of bounds; widen them"):
        Problem(Benchmark.open(), Setting(space="4V", bounds=(("energy", 5.0, 6.0),)))
    with pytest.raises(NothingFeasible, match=r"energy, validation error under the lens; take another scope"):
        Problem(Benchmark.open(), Setting(lens=Lens(scope="GPU")))


def test_a_calibrated_device_has_energies_of_its_own(tmp_path, monkeypatch):
    """A study of 4V with such a lens, against what the benchmark itself says of the device."""
    monkeypatch.setattr(devices, "SPACES", ("4V",))  # 7V takes seconds
    bench = Benchmark(tmp_path, BUNDLED)
    measured = measured_on(bench, "RTX 3060").assign(energy_kwh=np.nan).dropna(subset="gpu_energy_j")
    devices.save(bench, "Mine", measured)
    lens = Lens(scope="GPU", unit="Wh", device="Mine")
    found = study_repository.evaluations(
        carried_out(Plan.of(Setting(space="4V", lens=lens), ("RS",), 91, 1), tmp_path, "Mine")
    )
    assert found["hash"].nunique() == 91
    assert found["valid"].all()
    sql = "select hash, gpu_energy_j, energy_kwh from {} where space = '4V' and epochs = 108"
    told, stored = (bench.frame(sql.format(each)).set_index("hash") for each in (lens.table, "benchmark"))
    assert found["energy"].to_numpy() == pytest.approx(told.loc[found["hash"], "gpu_energy_j"].to_numpy() / 3600)
    assert found["energy_kwh"].to_numpy() == pytest.approx(stored.loc[found["hash"], "energy_kwh"].to_numpy())
