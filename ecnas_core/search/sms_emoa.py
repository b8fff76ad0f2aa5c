"""SMS-EMOA (Beume, Naujoks and Emmerich 2007), pymoo's."""

from __future__ import annotations

from typing import Any

from ecnas_core.search.pymoo_search import PymooSearch


class SmsEmoa(PymooSearch):
    """Non-dominated sorting decides who survives, and in the last front the hypervolume contribution."""

    name = "SMS-EMOA"
    summary = "keeps the cells that cover the most hypervolume."
    colour = "#56B4E9"
    objectives = (2, 3)
    evaluation_s = 8e-4
    population = 20
    children = 20

    def _build(self) -> tuple[Any, Any]:
        from pymoo.algorithms.moo.sms import SMSEMOA, cv_and_dom_tournament
        from pymoo.operators.selection.tournament import TournamentSelection

        return SMSEMOA(pop_size=self.population), TournamentSelection(func_comp=cv_and_dom_tournament)
