"""Search for cells: the problem, the algorithms, and one trial of one of them."""

from ecnas_core.search.algorithm import Algorithm, Evaluations, Proposals, Unsupported
from ecnas_core.search.catalogue import ALGORITHMS, DEFAULT, UnknownAlgorithm, make
from ecnas_core.search.problem import NothingFeasible, Outcome, Problem, Setting
from ecnas_core.search.trial import Ended, Progress, Trial, run_trial

__all__ = [
    "ALGORITHMS",
    "DEFAULT",
    "Algorithm",
    "Ended",
    "Evaluations",
    "NothingFeasible",
    "Outcome",
    "Problem",
    "Progress",
    "Proposals",
    "Setting",
    "Trial",
    "UnknownAlgorithm",
    "Unsupported",
    "make",
    "run_trial",
]
