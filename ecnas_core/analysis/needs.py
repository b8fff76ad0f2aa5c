"""What somebody who chooses a cell has, needs and cares for; its URL and Python forms, and presets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from msgspec import Meta
from msgspec.structs import replace

from ecnas_core.analysis.hardware import OFFICIAL_DEVICES
from ecnas_core.analysis.preferences import Weights
from ecnas_core.benchmark.official import EPOCHS, Budget
from ecnas_core.carbon import Lens
from ecnas_core.carbon.footprint import TRAINING_IMAGES, Images, Trainings, Workload
from ecnas_core.cells import Space
from ecnas_core.cells.costs import CLASSES, IMAGE_SIZE
from ecnas_core.records import LARGEST, Param, Record, script

ANY = "any"
SIZE_STEP, LEAST_SIZE, MOST_SIZE = 4, 8, 512
MOST_CLASSES = 100_000

Quantity = Literal["energy_kwh", "footprint_kgco2eq", "time_h", "parameters", "accuracy"]
Limit = Annotated[float, Meta(gt=0, le=LARGEST)]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
"""What a cell can be limited by: energy, time and parameters of one training, the footprint of a year of trainings."""


class Task(Record, frozen=True):
    """What is trained, how often, and where.

    Attributes:
        space: 4V, 5V or 7V, whose cells can be chosen and whose energy scale counts.
        epochs: the training budget, 4, 12, 36 or 108; None leaves it open, and a cell is chosen with its budget.
        images: training images in an epoch, 1 to a billion; energy and time are taken to be linear in them.
        image_size: side of the images in pixels, 8 to 512 in steps of 4 (the network halves it twice); energy and time
            are taken to be linear in the multiply-adds, which it changes.
        classes: of images, 2 to 100,000.
        trainings: how often a year the network is trained, 1 to a million.
        lens: device, scope, PUE and grid.

    Raises:
        EcnasError: a part is out of range.
    """

    space: Space = "7V"
    epochs: Annotated[Budget | None, Param(none=ANY)] = 108
    images: Images = TRAINING_IMAGES
    image_size: Annotated[int, Meta(ge=LEAST_SIZE, le=MOST_SIZE, multiple_of=SIZE_STEP), Param("size")] = IMAGE_SIZE
    classes: Annotated[int, Meta(ge=2, le=MOST_CLASSES)] = CLASSES
    trainings: Trainings = 1
    lens: Lens = Lens()

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


class Needs(Record, frozen=True):
    """Limits that a cell must keep; None for no limit.

    Attributes:
        max_energy_kwh: of one training, in the lens's scope.
        max_footprint_kgco2eq: of a year's trainings, in the lens's grid.
        max_time_h: of one training.
        max_parameters: trainable parameters.
        min_accuracy: validation accuracy on CIFAR-10, above 0 and below 1.

    Raises:
        InvalidRecord: a limit is not a positive number, or the accuracy not below 1.
    """

    max_energy_kwh: Limit | None = None
    max_footprint_kgco2eq: Limit | None = None
    max_time_h: Limit | None = None
    max_parameters: Limit | None = None
    min_accuracy: Annotated[float, Meta(gt=0, lt=1)] | None = None

    @property
    def limits(self) -> dict[Quantity, float]:
        """The limits that are set, by quantity."""
        named = {quantity: getattr(self, field_of(quantity)) for quantity in QUANTITIES}
        return {quantity: limit for quantity, limit in named.items() if limit is not None}

    def having(self, quantity: Quantity, limit: float | None) -> Needs:
        """The same with another limit for one quantity."""
        return replace(self, **{field_of(quantity): limit})


class ChooseView(Record, frozen=True):
    """What a choice rests on.

    Attributes:
        task: what is had.
        needs: what is needed.
        weights: what matters how much.
        varied: whose limit the sensitivity picture moves; None moves the weight of energy against that of accuracy.
    """

    task: Task = Task()
    needs: Needs = Needs()
    weights: Weights = Weights()
    varied: Quantity | None = None

    def to_python(self) -> str:
        """The source that makes the same choice in Python."""
        return script(
            "choice = choose(Benchmark.open(), view)",
            "print(choice.shortlist)",
            "print(sweep(choice, view.varied).steps)",
            uses=["ecnas_core.analysis.choose:choose", "ecnas_core.analysis.sensitivity:sweep"],
            view=self,
        )


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
