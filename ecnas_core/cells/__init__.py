"""What an architecture is: cells of NAS-Bench-101, their identity, their costs, and the spaces that they make up."""

from ecnas_core.cells.cell import Cell, InvalidCell, Reason
from ecnas_core.cells.draft import Draft, Dropped, History, InvalidEdit, Verdict
from ecnas_core.cells.enumeration import LabelledGraphs, enumerate_cells, labelled_graphs
from ecnas_core.cells.neighbours import Step, neighbours, steps
from ecnas_core.cells.spaces import MAX_EDGES, MAX_VERTICES, OPERATIONS, SPACES, Space
from ecnas_core.cells.table import CellTable

__all__ = [
    "MAX_EDGES",
    "MAX_VERTICES",
    "OPERATIONS",
    "SPACES",
    "Cell",
    "CellTable",
    "Draft",
    "Dropped",
    "History",
    "InvalidCell",
    "InvalidEdit",
    "LabelledGraphs",
    "Reason",
    "Space",
    "Step",
    "Verdict",
    "enumerate_cells",
    "labelled_graphs",
    "neighbours",
    "steps",
]
