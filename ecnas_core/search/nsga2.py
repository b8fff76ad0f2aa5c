"""NSGA-II (Deb et al. 2002), pymoo's."""

from __future__ import annotations

from typing import Any

from ecnas_core.search.pymoo_search import PymooSearch


class Nsga2(PymooSearch):
    """Non-dominated sorting and crowding distance decide who has children and who survives."""

    name = "NSGA-II"
    summary = "the classic: ranks by domination and keeps the cells apart from each other."
    colour = "#CC79A7"
    evaluation_s = 6e-4
    population = 50
    children = 25

    def _build(self) -> tuple[Any, Any]:
        from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
        from pymoo.operators.selection.tournament import TournamentSelection

        return NSGA2(pop_size=self.population), TournamentSelection(func_comp=binary_tournament)
