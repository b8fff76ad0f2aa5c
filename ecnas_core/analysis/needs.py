"""What somebody who chooses a cell has, needs and cares for; its URL and Python forms, and presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from types import MappingProxyType
from typing import Any, Literal, Self, get_args

from ecnas_core.analysis.hardware import OFFICIAL_DEVICES
from ecnas_core.analysis.preferences import Weights
from ecnas_core.analysis.view import InvalidView, budget, python_source
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import check_epochs, check_space
from ecnas_core.carbon import Lens
from ecnas_core.carbon.footprint import TRAINING_IMAGES, Workload
from ecnas_core.cells.costs import CLASSES, IMAGE_SIZE

ANY = "any"
SIZE_STEP, LEAST_SIZE, MOST_SIZE = 4, 8, 512
MOST_CLASSES = 100_000

Quantity = Literal["energy_kwh", "footprint_kgco2eq", "time_h", "parameters", "accuracy"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
"""What a cell can be limited by: energy, time and parameters of one training, the footprint of a year of trainings."""


class InvalidTask(InvalidView):
    """A task, a need or its address is out of range."""


@dataclass(frozen=True)
class Task:
    """What is trained, how often, and where.

    Attributes:
        space: 4V, 5V or 7V, whose cells can be chosen and whose energy scale counts.
        epochs: the training budget, 4, 12, 36 or 108; None leaves it open, and a cell is chosen with its budget.
        images: training images in an epoch, 1 to a milliard; energy and time are taken to be linear in them.
        image_size: side of the images in pixels, 8 to 512 in steps of 4 (the network halves it twice); energy and time
            are taken to be linear in the multiply-adds, which it changes.
        classes: of images, 2 to 100,000.
        trainings: how often a year the network is trained, 1 to a million.
        lens: device, scope, PUE and grid.

    Raises:
        EcnasError: a part is out of range.
    """

    space: str = "7V"
    epochs: int | None = 108
    images: int = TRAINING_IMAGES
    image_size: int = IMAGE_SIZE
    classes: int = CLASSES
    trainings: int = 1
    lens: Lens = field(default_factory=Lens)

    def __post_init__(self) -> None:
        check_space(self.space)
        if self.epochs is not None:
            check_epochs(self.epochs)
        _ = self.workload
        if not LEAST_SIZE <= self.image_size <= MOST_SIZE or self.image_size % SIZE_STEP:
            raise InvalidTask(
                f"images of {self.image_size} pixels a side are not possible here; give {LEAST_SIZE} to {MOST_SIZE} in "
                f"steps of {SIZE_STEP}"
            )
        if not 2 <= self.classes <= MOST_CLASSES:
            raise InvalidTask(f"{self.classes} classes of images are out of range; give 2 to {MOST_CLASSES}")

    @property
    def workload(self) -> Workload:
        """The trainings of a year and their images."""
        return Workload(self.trainings, self.images)

    @property
    def budgets(self) -> tuple[int, ...]:
        """The training budgets to choose from."""
        return EPOCHS if self.epochs is None else (self.epochs,)

    @property
    def is_benchmark(self) -> bool:
        """Whether images, size and classes are those of the benchmark, so that nothing is extrapolated."""
        return (self.images, self.image_size, self.classes) == (TRAINING_IMAGES, IMAGE_SIZE, CLASSES)


@dataclass(frozen=True)
class Needs:
    """Limits that a cell must keep; None for no limit.

    Attributes:
        max_energy_kwh: of one training, in the lens's scope.
        max_footprint_kgco2eq: of a year's trainings, in the lens's grid.
        max_time_h: of one training.
        max_parameters: trainable parameters.
        min_accuracy: validation accuracy on CIFAR-10, above 0 and below 1.

    Raises:
        InvalidTask: a limit is not a positive number, or the accuracy not below 1.
    """

    max_energy_kwh: float | None = None
    max_footprint_kgco2eq: float | None = None
    max_time_h: float | None = None
    max_parameters: float | None = None
    min_accuracy: float | None = None

    def __post_init__(self) -> None:
        for quantity, limit in self.limits.items():
            if not (isfinite(limit) and limit > 0):
                raise InvalidTask(f"a limit of {limit:g} for {quantity} is none that a cell can keep; give more than 0")
        if self.min_accuracy is not None and self.min_accuracy >= 1:
            raise InvalidTask(f"an accuracy of {self.min_accuracy:g} is never reached; give a share below 1, as 0.93")

    @property
    def limits(self) -> dict[Quantity, float]:
        """The limits that are set, by quantity."""
        named = zip(QUANTITIES, (getattr(self, each.name) for each in fields(self)), strict=True)
        return {quantity: limit for quantity, limit in named if limit is not None}

    def having(self, quantity: Quantity, limit: float | None) -> Needs:
        """The same with another limit for one quantity."""
        return replace(self, **{field_of(quantity): limit})


@dataclass(frozen=True)
class ChooseView:
    """What a choice rests on.

    Attributes:
        task: what is had.
        needs: what is needed.
        weights: what matters how much.
        varied: whose limit the sensitivity picture moves; None moves the weight of energy against that of accuracy.
    """

    task: Task = field(default_factory=Task)
    needs: Needs = field(default_factory=Needs)
    weights: Weights = field(default_factory=Weights)
    varied: Quantity | None = None

    def __post_init__(self) -> None:
        if self.varied not in (None, *QUANTITIES):
            raise InvalidTask(f"there is no quantity {self.varied!r}; take one of {', '.join(QUANTITIES)}")

    def to_params(self) -> dict[str, str]:
        """The view as URL parameters, the lens included; defaults are left out."""
        params = {}
        for part in (self.task, self.needs, self.weights):
            for each in fields(part):
                value = getattr(part, each.name)
                if each.name != "lens" and value != getattr(type(part), each.name):
                    params[_PARAMETERS.get((type(part), each.name), each.name)] = _written(value)
        if self.varied is not None:
            params["varied"] = self.varied
        return params | self.task.lens.to_params()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The view that ``to_params`` wrote; other parameters are ignored.

        Raises:
            EcnasError: a parameter does not have the form that ``to_params`` writes, or is out of range.
        """
        default = Task()
        whole = {name: _whole(params, name, getattr(default, name)) for name in ("images", "classes", "trainings")}
        task = Task(
            space=params.get("space", default.space),
            epochs=None if params.get("epochs") == ANY else budget(params, default.epochs or EPOCHS[-1]),
            image_size=_whole(params, "size", default.image_size),
            lens=Lens.from_params(params),
            **whole,
        )
        needs = Needs(**{each.name: _number(params, each.name) for each in fields(Needs)})
        weights = {
            each.name: value
            for each in fields(Weights)
            if (value := _number(params, f"weight_{each.name}")) is not None
        }
        return cls(task, needs, Weights(**weights), params.get("varied"))  # type: ignore[arg-type]

    def to_python(self) -> str:
        """The source that makes the same choice in Python."""
        return (
            "from ecnas_core import Benchmark\n"
            "from ecnas_core.analysis.choose import choose\n"
            "from ecnas_core.analysis.needs import ChooseView, Needs, Task\n"
            "from ecnas_core.analysis.preferences import Weights\n"
            "from ecnas_core.analysis.sensitivity import sweep\n"
            "from ecnas_core.carbon import Lens\n\n"
            f"view = {python_source(self)}\n"
            "choice = choose(Benchmark.open(), view)\n"
            "print(choice.shortlist)\n"
            "print(sweep(choice, view.varied).steps)\n"
        )


_PARAMETERS: dict[tuple[type[Any], str], str] = {(Task, "image_size"): "size"} | {
    (Weights, each.name): f"weight_{each.name}" for each in fields(Weights)
}

PRESETS: Mapping[str, ChooseView] = MappingProxyType(
    {
        "paper": ChooseView(),
        "edge": ChooseView(
            needs=Needs(max_parameters=1_500_000.0, min_accuracy=0.92), weights=Weights(accuracy=1, energy=0.5, size=1)
        ),
        "lab": ChooseView(
            task=Task(trainings=50),
            needs=Needs(max_footprint_kgco2eq=5.0, min_accuracy=0.935),
            weights=Weights(accuracy=2, energy=1, size=0),
        ),
        "course": ChooseView(
            task=Task(epochs=None, images=10_000, trainings=60),
            needs=Needs(max_time_h=0.05, min_accuracy=0.75),
            weights=Weights(accuracy=1, energy=1, size=0),
        ),
    }
)
"""Starting points by name: ``paper``, ``edge``, ``lab`` and ``course``."""


def assumptions(task: Task) -> list[str]:
    """What the figures of a task take for granted, one sentence each; none for the benchmark's own."""
    told = []
    if task.images != TRAINING_IMAGES:
        told.append(
            f"Energy and time are taken to be linear in the images of an epoch: {task.images:,} by the benchmark's "
            f"{TRAINING_IMAGES:,}."
        )
    if (task.image_size, task.classes) != (IMAGE_SIZE, CLASSES):
        told.append(
            f"Energy and time are taken to be linear in the multiply-adds of an image of {task.image_size} pixels a "
            f"side and {task.classes:,} classes; the benchmark's have {IMAGE_SIZE} and {CLASSES}. No measurement "
            "backs this for other sizes."
        )
    if task.lens.device is not None:
        told.append(f"Times are those of {timed_on(task.space)}, whatever the device.")
    if not task.is_benchmark:
        told.append(
            "The accuracy is that on CIFAR-10. That cells come in the same order on other images is an assumption; "
            "train two or three of the list to see."
        )
    return told


def timed_on(space: str) -> str:
    """The hardware whose training times a space has."""
    return "NAS-Bench-101's hardware (TPUs)" if space == "7V" else OFFICIAL_DEVICES[0]


def field_of(quantity: Quantity) -> str:
    """The name of the limit of a quantity in ``Needs``."""
    return ("min_" if quantity == "accuracy" else "max_") + quantity


def _written(value: float | str | None) -> str:
    if value is None:
        return ANY
    return f"{value!r}" if isinstance(value, float) else str(value)


def _whole(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InvalidTask(f"{name}={text[:20]!r} is no whole number; write one")
    return int(text)


def _number(params: Mapping[str, str], name: str) -> float | None:
    if name not in params:
        return None
    try:
        return float(params[name])
    except ValueError:
        raise InvalidTask(f"{name}={params[name][:20]!r} is no number; write one") from None
