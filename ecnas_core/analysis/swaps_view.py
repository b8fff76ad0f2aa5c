"""What the swaps page shows; its URL and Python forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

from ecnas_core.analysis.swap_table import SWAPS, swap_name
from ecnas_core.analysis.view import InvalidView, budget, flag, python_source
from ecnas_core.benchmark.store import check_epochs, check_space
from ecnas_core.carbon import Lens
from ecnas_core.cells.spaces import Space

SWAP_METRICS = ("energy", "training_time", "validation_accuracy", "parameters", "multiply_adds", "footprint")

Split = Literal["none", "vertices", "position", "before", "after"]
SPLITS: tuple[Split, ...] = get_args(Split)
Section = Literal["all", "one", "trade", "walk"]
SECTIONS: tuple[Section, ...] = get_args(Section)


class InvalidSwaps(InvalidView):
    """A view of the swaps, or its address, is out of range."""


@dataclass(frozen=True)
class SwapsView:
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
    epochs: int = 108
    metric: str = "energy"
    swap: str = "conv3x3_to_maxpool3x3"
    absolute: bool = False
    split: Split = "position"
    walk: tuple[str, ...] = ()
    lens: Lens = field(default_factory=Lens)

    def __post_init__(self) -> None:
        check_space(self.space)
        check_epochs(self.epochs)
        for name, value, choices in (
            ("section", self.section, SECTIONS),
            ("metric", self.metric, SWAP_METRICS),
            ("swap", self.swap, tuple(map(swap_name, SWAPS))),
            ("split", self.split, SPLITS),
        ):
            if value not in choices:
                raise InvalidSwaps(f"there is no {name} {value!r}; take one of {', '.join(choices)}")

    @property
    def is_difference(self) -> bool:
        """Whether changes are differences in the metric's own unit."""
        return self.absolute or self.metric == "validation_accuracy"

    def to_params(self) -> dict[str, str]:
        """The view as URL parameters, the lens included; defaults are left out."""
        params = {
            name: str(getattr(self, name))
            for name in ("section", "space", "epochs", "metric", "swap", "split")
            if getattr(self, name) != getattr(SwapsView, name)
        }
        if self.absolute:
            params["absolute"] = "1"
        if self.walk:
            params["walk"] = "~".join(self.walk)
        return params | self.lens.to_params()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The view that ``to_params`` wrote; other parameters are ignored.

        Raises:
            InvalidSwaps: a parameter is none of its choices.
            EcnasError: an unknown space, budget or lens.
        """
        named = {name: params[name] for name in ("section", "space", "metric", "swap", "split") if name in params}
        return cls(
            epochs=budget(params, cls.epochs),
            absolute=flag(params, "absolute") or False,
            walk=tuple(filter(None, params.get("walk", "").split("~"))),
            lens=Lens.from_params(params),
            **named,  # type: ignore[arg-type]
        )

    def to_python(self) -> str:
        """The source that computes what the section shows."""
        lens = python_source(self.lens)
        imports = ["from ecnas_core import Benchmark"]
        if self.section == "walk":
            call = f"options(Benchmark.open(), view, {self.walk[-1]!r})" if self.walk else "view"
            imports += ["from ecnas_core.analysis.view import View", "from ecnas_core.analysis.walk import options"]
            view = f"View(space={self.space!r}, epochs={self.epochs}, lens={lens})"
        elif self.section == "all":
            call = "figure_2(Benchmark.open(), view.space, view.epochs, view.lens)"
            imports.append("from ecnas_core.analysis.swaps import SwapsView, figure_2")
            view = python_source(self)
        else:
            name = {"one": "distribution", "trade": "trade_off"}[self.section]
            call = f"{name}(Benchmark.open(), view)"
            imports.append(f"from ecnas_core.analysis.swaps import SwapsView, {name}")
            view = python_source(self)
        imports.append("from ecnas_core.carbon import Lens")
        return "\n".join([*imports, "", f"view = {view}", f"print({call})", ""])
