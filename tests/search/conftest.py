from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from ecnas_core import Benchmark
from ecnas_core.search import Problem, Setting


@cache
def problem_of(**setting: Any) -> Problem:
    """A problem over the bundled figures, built once for each setting."""
    return Problem(Benchmark.open(), Setting(**setting))


@pytest.fixture(scope="session")
def five() -> Problem:
    return problem_of(space="5V")


@pytest.fixture(scope="session")
def five_all_budgets() -> Problem:
    return problem_of(space="5V", epochs=None)
