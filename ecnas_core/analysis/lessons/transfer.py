"""Lesson 5: is it the same on another GPU, and are four epochs enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecnas_core.analysis import hardware, rank, scaling
from ecnas_core.analysis.hardware import OFFICIAL_DEVICES, HardwareView
from ecnas_core.analysis.lessons.lesson import ChoiceTask, Control, Guide, Lesson, Link, Mistake, NumberTask
from ecnas_core.analysis.lessons.pictures import in_kwh
from ecnas_core.analysis.lessons.told import Amount, Told, count, fixed, kwh, percent, told
from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark, Entry
from ecnas_core.carbon import Lens
from ecnas_core.carbon.lens import JOULES_PER_KWH, STORED_PUE

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

SPACE = "4V"
SHORT, LONGEST = EPOCHS[0], EPOCHS[-1]
HOME, *OTHERS = OFFICIAL_DEVICES
DEALS = 8
USUAL = 0.03
"""How far from the mean the ratio of an exercise's cell is at most: a cell that is out of line teaches nothing."""


@dataclass(frozen=True)
class Scene:
    """The cells of 4V in two orders.

    Attributes:
        what: ``energy`` or ``accuracy``.
        x_label: what the first order is by.
        y_label: what the second is by.
        hashes: of the cells with both values.
        x: values of the first.
        y: values of the second.
        tau: Kendall's tau-b of both.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    what: str
    x_label: str
    y_label: str
    hashes: tuple[str, ...]
    x: Floats
    y: Floats
    tau: float
    low: float
    high: float

    @property
    def kept(self) -> float:
        """The share of pairs in the same order, ties aside."""
        return (1 + self.tau) / 2

    @property
    def frame(self) -> pd.DataFrame:
        """One row a cell: ``hash``, ``x``, ``y``."""
        import pandas as pd

        return pd.DataFrame({"hash": self.hashes, "x": self.x, "y": self.y})


def scene(bench: Benchmark, settings: Mapping[str, str], lens: Lens) -> Scene:
    """What carries over, and what does not.

    Args:
        bench: the benchmark.
        settings: ``carry`` (device, energy or accuracy), ``gpu`` and ``epochs`` (of the short training).
        lens: how energy is counted.
    """
    if settings["carry"] == "device":
        return across_devices(bench, lens, settings["gpu"])
    return across_budgets(bench, lens, settings["carry"], int(settings["epochs"]))


def across_devices(bench: Benchmark, lens: Lens, other: str) -> Scene:
    """Energy of 4 epochs on the Quadro RTX 6000 and on another released device, outliers included."""
    compared = hardware.compare(bench, HardwareView(a=HOME, b=other, lens=in_kwh(lens)))
    rows, columns = compared.common(HOME, other)
    x, y = compared.values[np.ix_(rows, columns)].T
    hashes = compared.cells["hash"].iloc[rows]
    return _scene("energy", f"{HOME}, {SHORT} epochs", f"{other}, {SHORT} epochs", hashes, x, y)


def across_budgets(bench: Benchmark, lens: Lens, what: str, epochs: int) -> Scene:
    """Energy or validation accuracy after a short training and after one of 108 epochs."""
    shown = in_kwh(lens).energy_sql() if what == "energy" else "validation_accuracy"
    frame = bench.frame(
        f"select hash, max({shown}) filter (where epochs = $short) as x, "
        f"max({shown}) filter (where epochs = $longest) as y from benchmark where space = $space "
        "group by hash having x is not null and y is not null order by hash",
        {"short": epochs, "longest": LONGEST, "space": SPACE},
    )
    x, y = (frame[name].to_numpy(np.float64) for name in ("x", "y"))
    return _scene(what, f"{epochs} epochs", f"{LONGEST} epochs", frame["hash"], x, y)


def prediction(bench: Benchmark, lens: Lens) -> ChoiceTask:
    """Which order carries over worst: of another device, of another budget, of accuracies at another budget."""
    device = OTHERS[0]
    found = {
        "device": across_devices(bench, lens, device),
        "energy": across_budgets(bench, lens, "energy", SHORT),
        "accuracy": across_budgets(bench, lens, "accuracy", SHORT),
    }
    options = {
        "device": told("By energy, from the {home} to the {device}", home=HOME, device=device),
        "energy": told("By energy, from {short} to {longest} epochs", short=count(SHORT), longest=count(LONGEST)),
        "accuracy": told("By accuracy, from {short} to {longest} epochs", short=count(SHORT), longest=count(LONGEST)),
    }
    worst = min(found, key=lambda key: found[key].tau)
    order = sorted(found, key=lambda key: found[key].tau)
    return ChoiceTask(
        question=told(
            "The {cells} cells of {space} are put in order three times. Which order is of least use for the other "
            "side?",
            cells=count(len(found["energy"].x)),
            space=SPACE,
        ),
        options=options,
        answer=frozenset({worst}),
        why=told(
            "{first}. {second}. {third}.",
            **dict(zip(("first", "second", "third"), (_kept(options[key], found[key]) for key in order), strict=True)),
        ),
        whys={key: told("{kept}: that is not the worst.", kept=_kept(options[key], found[key])) for key in options},
    )


def exercise(bench: Benchmark, lens: Lens, deal: int) -> NumberTask:
    """What 108 epochs take, told from 4."""
    shown = in_kwh(lens)
    ratios = scaling.ratios(bench, "gpu_energy" if lens.scope == "GPU" else "energy")
    ratios = ratios[ratios["epochs"] == LONGEST]
    mean, spread = float(ratios["ratio"].mean()), float(ratios["ratio"].std())
    usual = ratios[(ratios["ratio"] - mean).abs() <= USUAL]
    digest = str(usual.iloc[deal % DEALS * (len(usual) // DEALS)]["hash"])
    short, longest = (bench.query(digest, epochs, SPACE) for epochs in (SHORT, LONGEST))
    start, measured = (shown.convert(entry.energy_kwh, entry.gpu_energy_j) for entry in (short, longest))
    assert start is not None and measured is not None
    factor = LONGEST / SHORT
    return NumberTask(
        question=told(
            "Four epochs of the cell {hash} took {start}. What will {longest} epochs take? Over the {cells} cells of "
            "{space}, measured is {mean} ± {spread} of {factor} times the short training.",
            hash=digest[:8],
            start=kwh(start),
            longest=count(LONGEST),
            cells=count(len(ratios)),
            space=SPACE,
            mean=fixed(mean, 3),
            spread=fixed(spread, 3),
            factor=count(factor),
        ),
        unit="kWh",
        answer=measured,
        within=0.06,
        why=told(
            "Measured were {measured}, which is {ratio} of {factor} times {start}. Scaled without the correction it "
            "would have been {scaled}. The short training drew a mean IT power of {before}, the long one {after}.",
            measured=kwh(measured),
            ratio=fixed(measured / start / factor, 3),
            factor=count(factor),
            start=kwh(start),
            scaled=kwh(factor * start),
            before=_power(short),
            after=_power(longest),
        ),
        hint="Epochs by epochs, and then what measurements say of such a product.",
        mistakes=(
            Mistake(
                factor * start,
                told(
                    "That is {factor} times the short training: it overstates, as it does for nearly every cell.",
                    factor=count(factor),
                ),
            ),
            Mistake(
                LONGEST * start,
                told(
                    "You multiplied by {longest}: but the short training had {short} epochs, not one.",
                    longest=count(LONGEST),
                    short=count(SHORT),
                ),
            ),
            Mistake(
                LONGEST * start * mean,
                told(
                    "The correction is right, but the short training had {short} epochs, not one.", short=count(SHORT)
                ),
            ),
            Mistake(
                factor * start / mean,
                told("The correction goes the other way: long trainings take less than the product."),
            ),
        ),
        most=1e4,
        step=0.001,
        links=(Link("What scaling overstates", "scaling").under(lens),),
    )


def _scene(what: str, x_label: str, y_label: str, hashes: pd.Series, x: Floats, y: Floats) -> Scene:
    low, high = rank.kendall_interval(x, y)
    return Scene(what, x_label, y_label, tuple(hashes), x, y, float(rank.kendall_tau(x, y)[0]), low, high)


def _power(entry: Entry) -> Amount:
    """The mean IT power of a training in W."""
    assert entry.energy_kwh is not None and entry.training_time_s is not None
    return Amount(entry.energy_kwh / STORED_PUE * JOULES_PER_KWH / entry.training_time_s, "W")


def _kept(option: Told, found: Scene) -> Told:
    return told(
        "{option}: {kept} of all pairs stay in order (Kendall's τ {tau}, 95 % interval {low} to {high})",
        option=option,
        kept=percent(found.kept, 0),
        tau=fixed(found.tau, 2),
        low=fixed(found.low, 2),
        high=fixed(found.high, 2),
    )


LESSON = Lesson(
    number=5,
    title="Does it carry over?",
    question="Is it the same on another GPU, and are four epochs enough?",
    introduction=(
        "Measuring is dear. So one measures once, on one device, for a few epochs, and hopes that the order of the "
        "networks is the same elsewhere. In 4V the rest was measured too."
    ),
    look="Compare what carries over: to another device, or from a short training to a long one.",
    controls=(
        Control(
            "carry",
            "Order by",
            "Kendall's tau",
            {
                "device": "Energy, another GPU",
                "energy": "Energy, longer training",
                "accuracy": "Accuracy, longer training",
            },
        ),
        Control("gpu", "Other GPU", "device", {name: name for name in OTHERS}, needs=("carry", ("device",))),
        Control(
            "epochs",
            "Short training",
            "training budget",
            {str(epochs): f"{epochs} epochs" for epochs in EPOCHS[:-1]},
            needs=("carry", ("energy", "accuracy")),
        ),
    ),
    terms=("device", "Kendall's tau", "scaled", "measured", "outlier", "trial"),
    deals=DEALS,
    scene=scene,
    prediction=prediction,
    exercise=exercise,
    fixed={"device": None},
    guide=Guide(
        timing=(
            ("Look: devices, then budgets", 2),
            ("Predict and commit", 1),
            ("The answer, and why", 2),
            ("Exercise: scale four epochs up", 4),
            ("What would you measure yourself?", 1),
        ),
        ask=(
            "The order stays, the values do not. For which question is the order enough?",
            "What would you do about the outliers of the RTX 3090?",
            "Why is accuracy after a few epochs a poor guide, and energy a good one?",
        ),
        misread=(
            "A high rank correlation over all cells says little about the best ten: look at how many of the leanest "
            "are shared."
        ),
        links=(
            Link("Rankings of four devices", "hardware", {"section": "ranking"}),
            Link("What a wrong front costs", "hardware", {"section": "regret"}),
            Link("Measured by scaled", "scaling"),
        ),
    ),
)
