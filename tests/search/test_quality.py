"""Fixed seeds: that the searches are as good as they were."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ecnas_core.analysis.pareto import hypervolume
from ecnas_core.benchmark.layout import BUNDLED
from ecnas_core.search import DEFAULT, make, run_trial
from tests.search.conftest import problem_of

REFERENCE = (1.0, 0.2)


def shares(name: str, seeds: range) -> tuple[float, float]:
    """Mean share of the true front's hypervolume, and of its cells, of 1,000 evaluations charged unique in 5V."""
    problem = problem_of(space="5V")
    true = problem.front()[2]
    volumes, found = [], []
    for seed in seeds:
        trial = run_trial(make(name, problem, seed), 1000)
        values = trial.answers.values[trial.front()]
        volumes.append(hypervolume(values, REFERENCE) / hypervolume(true, REFERENCE))
        found.append(len({*map(tuple, values)} & {*map(tuple, true)}) / len(true))
    return float(np.mean(volumes)), float(np.mean(found))


def test_default_finds_the_front_and_random_search_does_not():
    volume, found = shares(DEFAULT, range(1000, 1005))
    assert volume >= 0.998
    assert found >= 0.8
    by_chance, found_by_chance = shares("RS", range(1000, 1005))
    assert by_chance < volume - 0.005
    assert found_by_chance < found - 0.2


@pytest.mark.parametrize("artefacts", [False, True])
def test_default_is_not_below_the_published_runs_with_the_authors_charging(artefacts):
    """The first 1,000 evaluations in 7V; the artefacts of the surrogate count for both or for neither."""
    problem = problem_of(epochs=None, sampling="matrix", charging="all", artefacts=artefacts)
    runs = pd.read_parquet(BUNDLED / "runs" / "ec-nas-published-searches.parquet")
    runs = runs[(runs["space"] == "7V") & (runs["algorithm"] == "SEMOA") & runs["valid"] & (runs["evaluation"] < 1000)]
    if not artefacts:
        runs = runs[(runs["epochs"].isna()) | (runs["energy_kwh"] * 4 / runs["epochs"] > 0.00315)]
    published = [
        hypervolume(np.column_stack([run["energy_kwh"], 1 - run["validation_accuracy"]]), REFERENCE)
        for _, run in runs.groupby("trial")
    ]
    own = []
    for seed in range(3):
        trial = run_trial(make(DEFAULT, problem, seed), 1000)
        own.append(hypervolume(trial.answers.values[trial.front()], REFERENCE))
    assert len(published) == 7
    assert np.mean(own) >= np.mean(published)
