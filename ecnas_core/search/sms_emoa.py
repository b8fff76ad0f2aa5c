"""SMS-EMOA (Beume, Naujoks and Emmerich 2007), pymoo's."""

from __future__ import annotations

from typing import Any

from ecnas_core.search.algorithm import Unsupported
from ecnas_core.search.problem import Problem
from ecnas_core.search.pymoo_search import PymooSearch


class SmsEmoa(PymooSearch):
    """Non-dominated sorting decides who survives, and in the last front the hypervolume contribution."""

    name = "SMS-EMOA"
    population = 20
    children = 20

    def __init__(self, problem: Problem, seed: int) -> None:
        if len(problem.setting.objectives) == 1:
            raise Unsupported(f"{self.name} has two objectives or three; give more, or choose another algorithm")
        super().__init__(problem, seed)

    def _build(self) -> tuple[Any, Any]:
        from pymoo.algorithms.moo.sms import SMSEMOA, cv_and_dom_tournament
        from pymoo.operators.selection.tournament import TournamentSelection

        return SMSEMOA(pop_size=self.population), TournamentSelection(func_comp=cv_and_dom_tournament)
