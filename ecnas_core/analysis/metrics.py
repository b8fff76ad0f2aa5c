"""The metrics that cells are compared by: names, units, direction, and how each is had from the benchmark view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ecnas_core.carbon import Lens
from ecnas_core.errors import EcnasError
from ecnas_core.records import OneOf


class UnknownMetric(EcnasError):
    """There is no metric of that name."""


@dataclass(frozen=True)
class Metric:
    """One metric of a cell at one training budget.

    Attributes:
        key: the name in URLs, in Python and on the command line.
        label: what it is called, without the unit.
        unit: the unit of the values as shown; empty for a ratio.
        better: whether less or more of it is wanted.
        log: whether its axis is logarithmic unless chosen otherwise.
        sql: expression over the columns of the view ``benchmark``, in that unit.
        provenance: the column that says where the values come from, or None for a property of the cell itself.
        digits: decimals for a ratio, significant digits otherwise.
        interval: expressions of the ends of the 90 % interval in that unit, null where the value is not predicted;
            None where values of the metric never are.
    """

    key: str
    label: str
    unit: str
    better: Literal["less", "more"]
    log: bool
    sql: str
    provenance: str | None
    digits: int
    interval: tuple[str, str] | None = None

    @property
    def axis(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


_FIXED = {
    metric.key: metric
    for metric in (
        Metric("parameters", "Parameters", "M", "less", True, "trainable_parameters / 1e6", None, 3),
        Metric("multiply_adds", "Multiply-adds", "G", "less", True, "multiply_adds / 1e9", None, 3),
        Metric(
            "validation_accuracy",
            "Validation accuracy",
            "",
            "more",
            False,
            "validation_accuracy",
            "accuracy_provenance",
            4,
            ("validation_accuracy_low", "validation_accuracy_high"),
        ),
        Metric(
            "validation_error",
            "Validation error",
            "",
            "less",
            True,
            "(1 - validation_accuracy)",
            "accuracy_provenance",
            4,
            ("(1 - validation_accuracy_high)", "(1 - validation_accuracy_low)"),
        ),
        Metric("test_accuracy", "Test accuracy", "", "more", False, "test_accuracy", "accuracy_provenance", 4),
        Metric("test_error", "Test error", "", "less", True, "(1 - test_accuracy)", "accuracy_provenance", 4),
    )
}

METRICS = ("energy", "footprint", "training_time", *_FIXED)
MetricName = Annotated[str, OneOf(METRICS)]


def metric(key: str, lens: Lens) -> Metric:
    """A metric as the lens shows it.

    Args:
        key: one of ``METRICS``.
        lens: decides scope, PUE, grid and unit of energy and footprint, and whether linear scaling is corrected.

    Raises:
        UnknownMetric: another name.
    """
    if key == "energy":
        return Metric(
            "energy",
            lens.quantity,
            lens.unit,
            "less",
            True,
            lens.energy_sql(),
            "energy_provenance",
            3,
            lens.energy_interval_sql(),
        )
    if key == "footprint":
        return Metric(
            "footprint",
            "Footprint",
            "kgCO2eq",
            "less",
            True,
            lens.footprint_sql(),
            "energy_provenance",
            3,
            lens.footprint_interval_sql(),
        )
    if key == "training_time":
        interval = "training_time_s_low", "training_time_s_high"
        return Metric(
            "training_time", "Training time", "s", "less", True, lens.time_sql(), "time_provenance", 3, interval
        )
    if key not in _FIXED:
        raise UnknownMetric(f"there is no metric {key!r}; take one of {', '.join(METRICS)}")
    return _FIXED[key]
