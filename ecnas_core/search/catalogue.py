"""The algorithms by their names."""

from __future__ import annotations

from typing import Final

from ecnas_core.errors import EcnasError
from ecnas_core.search.algorithm import Algorithm
from ecnas_core.search.layered_semoa import LayeredSemoa
from ecnas_core.search.ms_ehvi import MsEhvi
from ecnas_core.search.nsga2 import Nsga2
from ecnas_core.search.problem import Problem
from ecnas_core.search.random_search import RandomSearch
from ecnas_core.search.regularised_evolution import RegularisedEvolution
from ecnas_core.search.semoa import Semoa
from ecnas_core.search.sh_emoa import ShEmoa
from ecnas_core.search.sms_emoa import SmsEmoa

ALGORITHMS: Final[dict[str, type[Algorithm]]] = {
    each.name: each
    for each in (LayeredSemoa, Semoa, ShEmoa, MsEhvi, RandomSearch, Nsga2, SmsEmoa, RegularisedEvolution)
}
DEFAULT: Final = LayeredSemoa.name


class UnknownAlgorithm(EcnasError):
    """There is no algorithm of that name."""


def make(name: str, problem: Problem, seed: int) -> Algorithm:
    """Start a search.

    Args:
        name: one of ``ALGORITHMS``.
        problem: what to search.
        seed: of all chance.

    Raises:
        UnknownAlgorithm: another name.
        Unsupported: the algorithm is not for such a problem.
    """
    if name not in ALGORITHMS:
        raise UnknownAlgorithm(f"there is no algorithm {name!r}; take one of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name](problem, seed)
