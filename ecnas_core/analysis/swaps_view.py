"""What the swaps page shows; its URL and Python forms."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from ecnas_core.analysis.swap_table import SWAPS, swap_name
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.official import Budget
from ecnas_core.carbon import Lens
from ecnas_core.cells.spaces import Space
from ecnas_core.records import OneOf, Record, script

SWAP_METRICS = ("energy", "training_time", "validation_accuracy", "parameters", "multiply_adds", "footprint")

Split = Literal["none", "vertices", "position", "before", "after"]
SPLITS: tuple[Split, ...] = get_args(Split)
Section = Literal["all", "one", "trade", "walk"]
SECTIONS: tuple[Section, ...] = get_args(Section)


class SwapsView(Record, frozen=True):
    """What the swaps page shows.

    Attributes:
        section: all operations of a kind, one vertex, the trade-off, or the walk.
        space: 4V, 5V or 7V.
        epochs: 4, 12, 36 or 108.
        metric: one of ``SWAP_METRICS``.
        swap: which of ``SWAPS``, with its reverse, the distributions are of.
        absolute: whether a change is told in the metric's unit; otherwise in per cent of the value before. Accuracy
            always changes by a difference.
        split: by what the swaps of one vertex are told apart: nothing, the cell's vertices, the vertex's distance from
            the input, or the kind of operation before or after it.
        walk: hashes of the cells of a walk; the last is the one to go on from.
        lens: how energy is counted.
    """

    section: Section = "all"
    space: Space = "7V"
    epochs: Budget = 108
    metric: Annotated[str, OneOf(SWAP_METRICS)] = "energy"
    swap: Annotated[str, OneOf(tuple(map(swap_name, SWAPS)))] = "conv3x3_to_maxpool3x3"
    absolute: bool = False
    split: Split = "position"
    walk: tuple[str, ...] = ()
    lens: Lens = Lens()

    @property
    def is_difference(self) -> bool:
        """Whether changes are differences in the metric's own unit."""
        return self.absolute or self.metric == "validation_accuracy"

    def to_python(self) -> str:
        """The source that computes what the section shows."""
        if self.section == "walk":
            call = f"options(Benchmark.open(), view, {self.walk[-1]!r})" if self.walk else "view"
            view = View(space=self.space, epochs=self.epochs, lens=self.lens)
            return script(f"print({call})", uses=["ecnas_core.analysis.walk:options"], view=view)
        name, call = {
            "all": ("figure_2", "figure_2(Benchmark.open(), view.space, view.epochs, view.lens)"),
            "one": ("distribution", "distribution(Benchmark.open(), view)"),
            "trade": ("trade_off", "trade_off(Benchmark.open(), view)"),
        }[self.section]
        return script(f"print({call})", uses=[f"ecnas_core.analysis.swaps:{name}"], view=self)
