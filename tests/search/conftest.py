from __future__ import annotations

from copy import copy
from functools import cache
from typing import Any

import pytest

from ecnas_core import Benchmark
from ecnas_core.search import Problem, Setting


@cache
def problem_of(**setting: Any) -> Problem:
    """A problem over the bundled figures, which are read once for all ways to sample and to charge."""
    wanted = Setting(**setting)
    plain = Setting(**{name: value for name, value in setting.items() if name not in ("sampling", "charging")})
    problem = copy(_read(plain))
    problem.setting = wanted
    return problem


@cache
def _read(setting: Setting) -> Problem:
    return Problem(Benchmark.open(), setting)


@pytest.fixture(scope="session")
def five() -> Problem:
    return problem_of(space="5V")


@pytest.fixture(scope="session")
def five_all_budgets() -> Problem:
    return problem_of(space="5V", epochs=None)
