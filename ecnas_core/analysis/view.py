"""A view of the benchmark: which cells, on which two metrics, under which lens; its URL and Python forms."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec.structs import force_setattr

from ecnas_core.analysis.metrics import METRICS, Metric, MetricName, metric
from ecnas_core.benchmark.official import Budget, Provenance
from ecnas_core.carbon import Lens
from ecnas_core.cells import MAX_VERTICES, SPACES
from ecnas_core.records import InvalidRecord, OneOf, Param, Record, script

COUNTED = ("vertices", "n_conv3x3", "n_conv1x1", "n_maxpool3x3")
LEAST_INTENSITY = 1e-6


class Filters(Record, frozen=True):
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

    counts: Annotated[tuple[tuple[Annotated[str, OneOf(COUNTED)], int, int], ...], Param(keys=COUNTED)] = ()
    ranges: Annotated[tuple[tuple[MetricName, float, float], ...], Param("range_", keys=METRICS)] = ()
    energy_provenance: tuple[Provenance, ...] = ()
    accuracy_provenance: tuple[Provenance, ...] = ()
    artefacts: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in self.counts:
            if not 0 <= low <= high <= MAX_VERTICES:
                raise InvalidRecord(
                    f"the range of {name} is {low} to {high}; give two of 0 to {MAX_VERTICES}, in order"
                )
        for name, least, most in self.ranges:
            if not least <= most:
                raise InvalidRecord(f"the range of {name} is empty: {least:g} to {most:g}")
        for filtered, order in (("counts", COUNTED), ("ranges", METRICS)):
            names = [name for name, _, _ in getattr(self, filtered)]
            if len(set(names)) < len(names):
                raise InvalidRecord(f"two ranges of one kind in {', '.join(names)}; give one each")
            in_order = sorted(getattr(self, filtered), key=lambda each: order.index(each[0]))
            force_setattr(self, filtered, tuple(in_order))


class View(Record, frozen=True):
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

    space: Annotated[str, OneOf(SPACES)] = "7V"
    epochs: Budget = 108
    x: MetricName = "energy"
    y: MetricName = "validation_error"
    x_log: bool | None = None
    y_log: bool | None = None
    filters: Filters = Filters()
    lens: Lens = Lens()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.x == self.y:
            raise InvalidRecord(f"both axes show {self.x}; choose two different metrics")

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
        clauses: list[str] = ["space = ?", "epochs = ?"]
        parameters: list[Any] = [self.space, self.epochs]
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

    def to_python(self) -> str:
        """The source that computes this view's front in Python."""
        return script("print(front(Benchmark.open(), view))", uses=["ecnas_core.analysis.explore:front"], view=self)
