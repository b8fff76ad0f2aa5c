"""A view of the benchmark: which cells, on which two metrics, under which lens; its URL and Python forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from math import isinf
from typing import Any, Self, TypeVar

from ecnas_core.analysis.metrics import METRICS, Metric, UnknownMetric, metric
from ecnas_core.benchmark.official import EPOCHS, PROVENANCES
from ecnas_core.benchmark.store import check_epochs, check_space
from ecnas_core.carbon import Lens
from ecnas_core.cells import MAX_VERTICES
from ecnas_core.errors import EcnasError

Number = TypeVar("Number", int, float)
COUNTED = ("vertices", "n_conv3x3", "n_conv1x1", "n_maxpool3x3")
LEAST_INTENSITY = 1e-6


class InvalidView(EcnasError):
    """A filter or an address does not describe a view."""


@dataclass(frozen=True)
class Filters:
    """Which cells are looked at; an empty tuple filters nothing.

    Attributes:
        counts: allowed values of ``vertices``, ``n_conv3x3``, ``n_conv1x1``, ``n_maxpool3x3`` as inclusive ranges,
            kept in the order of ``COUNTED``.
        ranges: inclusive ranges of metrics in the unit they are shown in, kept in the order of ``METRICS``; an end may
            be infinite; cells without a value fall out.
        energy_provenance: allowed provenances of the energy.
        accuracy_provenance: allowed provenances of the accuracy; cells without one fall out.
        artefacts: whether cells whose published surrogate energy is unphysical are kept.
    """

    counts: tuple[tuple[str, int, int], ...] = ()
    ranges: tuple[tuple[str, float, float], ...] = ()
    energy_provenance: tuple[str, ...] = ()
    accuracy_provenance: tuple[str, ...] = ()
    artefacts: bool = False

    def __post_init__(self) -> None:
        for name, low, high in self.counts:
            if name not in COUNTED:
                raise InvalidView(f"cells are not filtered by {name!r}; take one of {', '.join(COUNTED)}")
            if not 0 <= low <= high <= MAX_VERTICES:
                raise InvalidView(f"the range of {name} is {low} to {high}; give two of 0 to {MAX_VERTICES}, in order")
        for name, least, most in self.ranges:
            if name not in METRICS:
                raise UnknownMetric(f"there is no metric {name!r}; take one of {', '.join(METRICS)}")
            if not least <= most:
                raise InvalidView(f"the range of {name} is empty: {least:g} to {most:g}")
        for provenance in (*self.energy_provenance, *self.accuracy_provenance):
            if provenance not in PROVENANCES:
                raise InvalidView(f"unknown provenance {provenance!r}; take one of {', '.join(PROVENANCES)}")
        for filtered, order in (("counts", COUNTED), ("ranges", METRICS)):
            names = [name for name, _, _ in getattr(self, filtered)]
            if len(set(names)) < len(names):
                raise InvalidView(f"two ranges of one kind in {', '.join(names)}; give one each")
            in_order = sorted(getattr(self, filtered), key=lambda each: order.index(each[0]))
            object.__setattr__(self, filtered, tuple(in_order))


@dataclass(frozen=True)
class View:
    """Two metrics of the cells of one space at one training budget.

    Attributes:
        space: 4V, 5V or 7V; each has an energy scale of its own.
        epochs: 4, 12, 36 or 108.
        x: metric on the horizontal axis.
        y: metric on the vertical axis.
        filters: which cells are looked at.
        x_log: logarithmic horizontal axis; None takes the metric's own scale.
        y_log: logarithmic vertical axis; None takes the metric's own scale.
        lens: how energy is counted.
    """

    space: str = "7V"
    epochs: int = 108
    x: str = "energy"
    y: str = "validation_error"
    x_log: bool | None = None
    y_log: bool | None = None
    filters: Filters = field(default_factory=Filters)
    lens: Lens = field(default_factory=Lens)

    def __post_init__(self) -> None:
        check_space(self.space)
        check_epochs(self.epochs)
        if self.x == self.y:
            raise InvalidView(f"both axes show {self.x}; choose two different metrics")
        _ = self.axes

    @property
    def axes(self) -> tuple[Metric, Metric]:
        """The metrics of both axes as the lens shows them."""
        return metric(self.x, self.lens), metric(self.y, self.lens)

    @property
    def logarithmic(self) -> tuple[bool, bool]:
        """Whether each axis is logarithmic; where electricity emits nothing, footprints are 0 and their axis is not."""
        x, y = (
            not (axis.unit == "kgCO2eq" and self.lens.intensity < LEAST_INTENSITY)
            and (axis.log if chosen is None else chosen)
            for axis, chosen in zip(self.axes, (self.x_log, self.y_log), strict=True)
        )
        return x, y

    def where(self) -> tuple[str, list[Any]]:
        """The predicate over the view ``benchmark`` and its parameters: built once, used by every query."""
        clauses, parameters = ["space = ?", "epochs = ?"], [self.space, self.epochs]
        for name, low, high in self.filters.counts:
            clauses.append(f"{name} between ? and ?")
            parameters += [low, high]
        for name, least, most in self.filters.ranges:
            clauses.append(f"{metric(name, self.lens).sql} between ? and ?")
            parameters += [least, most]
        for column in ("energy_provenance", "accuracy_provenance"):
            allowed = getattr(self.filters, column)
            if allowed:
                clauses.append(f"{column} in ({', '.join('?' * len(allowed))})")
                parameters += allowed
        if not self.filters.artefacts:
            clauses.append("energy_artefact is null")
        return " and ".join(clauses), parameters

    def to_params(self) -> dict[str, str]:
        """The view as URL parameters, the lens included; defaults are left out."""
        params = {
            name: str(getattr(self, name))
            for name in ("space", "epochs", "x", "y")
            if getattr(self, name) != getattr(View, name)
        }
        for name in ("x_log", "y_log"):
            if getattr(self, name) is not None:
                params[name] = str(int(getattr(self, name)))
        params |= {name: f"{low}~{high}" for name, low, high in self.filters.counts}
        params |= {f"range_{name}": f"{least}~{most}" for name, least, most in self.filters.ranges}
        for column in ("energy_provenance", "accuracy_provenance"):
            if getattr(self.filters, column):
                params[column] = "~".join(getattr(self.filters, column))
        if self.filters.artefacts:
            params["artefacts"] = "1"
        return params | self.lens.to_params()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The view that ``to_params`` wrote; parameters of other parts of the page are ignored.

        Raises:
            InvalidView: a parameter does not have the form that ``to_params`` writes, or is out of range.
            EcnasError: an unknown space, budget, metric or lens.
        """
        counts = tuple((name, *_pair(params, name, int)) for name in COUNTED if name in params)
        ranges = tuple((name, *_pair(params, f"range_{name}", float)) for name in METRICS if f"range_{name}" in params)
        filters = Filters(
            counts=counts,
            ranges=ranges,
            energy_provenance=_words(params, "energy_provenance"),
            accuracy_provenance=_words(params, "accuracy_provenance"),
            artefacts=flag(params, "artefacts") or False,
        )
        return cls(
            space=params.get("space", View.space),
            epochs=budget(params, View.epochs),
            x=params.get("x", View.x),
            y=params.get("y", View.y),
            x_log=flag(params, "x_log"),
            y_log=flag(params, "y_log"),
            filters=filters,
            lens=Lens.from_params(params),
        )

    def to_python(self) -> str:
        """The source that computes this view's front in Python."""
        return (
            "from ecnas_core import Benchmark\n"
            "from ecnas_core.analysis.explore import front\n"
            "from ecnas_core.analysis.view import Filters, View\n"
            "from ecnas_core.carbon import Lens\n\n"
            f"view = {python_source(self)}\n"
            "print(front(Benchmark.open(), view))\n"
        )


def _pair(params: Mapping[str, str], name: str, number: type[Number]) -> tuple[Number, Number]:
    try:
        low, high = (number(part) for part in params[name].split("~"))
    except ValueError:
        raise InvalidView(f"{name}={params[name]!r} is no range; write it as LOW~HIGH") from None
    return low, high


def _words(params: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(params[name].split("~")) if name in params else ()


def budget(params: Mapping[str, str], default: int) -> int:
    """The training budget of an address, in epochs.

    Raises:
        InvalidView: it is none of the benchmark's.
    """
    budgets = {str(epochs): epochs for epochs in EPOCHS}
    epochs = params.get("epochs", str(default))
    if epochs not in budgets:
        raise InvalidView(f"there is no training budget of {epochs[:20]!r} epochs; take one of {', '.join(budgets)}")
    return budgets[epochs]


def flag(params: Mapping[str, str], name: str) -> bool | None:
    """A yes or no of an address; None where it is silent.

    Raises:
        InvalidView: it is neither 0 nor 1.
    """
    if name not in params:
        return None
    if params[name] not in ("0", "1"):
        raise InvalidView(f"{name}={params[name][:20]!r} is no choice; write 0 or 1")
    return params[name] == "1"


def python_source(value: Any) -> str:
    """Source of a value; of a dataclass with the fields that differ from their defaults."""
    if is_dataclass(value) and not isinstance(value, type):
        default = type(value)()
        changed = {
            each.name: python_source(getattr(value, each.name))
            for each in fields(value)
            if getattr(value, each.name) != getattr(default, each.name)
        }
        return f"{type(value).__name__}({', '.join(f'{name}={part}' for name, part in changed.items())})"
    if isinstance(value, tuple):
        return f"({', '.join(map(python_source, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, float):
        return f"float('{value}')" if isinf(value) else repr(float(value))
    return repr(value)
