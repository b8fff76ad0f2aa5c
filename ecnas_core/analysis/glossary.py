"""The terms of the app, each with its meaning in one line; those of the tables' columns are the catalogue's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ecnas_core.benchmark.catalogue import MEANINGS
from ecnas_core.errors import EcnasError


class UnknownTerm(EcnasError):
    """The glossary has no such term."""


@dataclass(frozen=True)
class Term:
    """A term of the app.

    Attributes:
        name: as the pages write it.
        meaning: one sentence.
        topic: one of ``TOPICS``.
    """

    name: str
    meaning: str
    topic: str


_BY_TOPIC = {
    "Networks": {
        "cell": "A small graph of operations that a network repeats nine times; what is searched for and compared.",
        "vertex": "A point of a cell's graph: its input, its output, or an operation between them; at most seven.",
        "edge": "A line of a cell's graph that carries numbers from one vertex to a later one; at most nine.",
        "operation": "What a vertex does: a 3×3 convolution, a 1×1 convolution or a 3×3 max-pooling.",
        "conv3x3": "A 3×3 convolution: every new pixel is a weighted sum of nine neighbours; most parameters are here.",
        "conv1x1": "A 1×1 convolution: every new pixel is a weighted sum of the channels of the same pixel.",
        "maxpool3x3": "A 3×3 max-pooling: every new pixel is the largest of nine neighbours; it has no parameters.",
        "matrix form": "A cell as NAS-Bench-101 writes it: which vertex feeds which, as 0 or 1, and the operations.",
        "projection": "A 1×1 convolution of the cell's input that gives it as many channels as a vertex has.",
        "channels": "How many numbers a pixel carries from one vertex to the next.",
        "parameters": "The numbers of a network that training sets; they say little of its energy.",
        "multiply-adds": "Multiplications with an addition in one forward pass of one image of 32 × 32 pixels.",
        "space": "All cells of at most 4, 5 or 7 vertices: 4V, 5V, 7V; each has an energy scale of its own.",
        "4V": "The cells of at most four vertices, all measured at every training budget, three times each.",
        "5V": "The cells of at most five vertices, measured at 4 epochs; longer trainings are scaled.",
        "7V": "All cells of NAS-Bench-101, of at most seven vertices; their energies are a published surrogate's.",
        "swap": "One operation put in the place of another, the rest of the cell unchanged.",
        "neighbour": "A cell one step away: one operation is another, or one edge is added or removed.",
    },
    "Training": {
        "epoch": "One pass of a training over all training images; the benchmark's are 40 000, of CIFAR-10.",
        "training budget": "How long a cell is trained: 4, 12, 36 or 108 epochs.",
        "step": "One batch of images through a network and back, after which its parameters change.",
        "batch size": "Images a step; the benchmark's is 256.",
        "CIFAR-10": "60 000 small pictures of ten kinds of things, the data that the benchmark trains on.",
        "validation accuracy": "The share of images kept from training that is told right; cells are chosen by it.",
        "validation error": "1 less the validation accuracy.",
        "test accuracy": "The share of images right that were kept from choosing as well; for the last word only.",
        "test error": "1 less the test accuracy.",
        "training time": "Seconds of a whole training, on the device that the figure is from.",
        "inference": "A network's use after training: images through it, nothing back.",
        "precision": "The number format that a network computes in: fp32, tf32 or bf16.",
        "device": "The hardware that trains: a GPU, or a CPU alone.",
    },
    "Energy and footprint": {
        "energy": "What a training takes; the lens sets what of it is counted, and in which unit.",
        "unit": "What energy is told in: kWh, Wh, or the footprint that it leaves, in kgCO2eq.",
        "scope": "What of the energy is counted: Facility, IT or GPU.",
        "facility energy": "IT energy times the PUE: what the building takes; what EC-NAS stores.",
        "IT energy": "The energy of the GPU and the CPUs.",
        "GPU energy": "The energy of the accelerator alone; recorded in 4V and 5V, unknown in 7V.",
        "PUE": "Power usage effectiveness: facility energy per IT energy, 1 at best; EC-NAS uses 1.59.",
        "lens": "How every page counts energy: scope, PUE, grid and unit, set in the sidebar.",
        "grid": "Where the electricity comes from: a country of carbontracker's table, or an intensity by hand.",
        "carbon intensity": "What electricity emits, in gCO2eq for a kWh; of a country and a year.",
        "footprint": "What a training emits, in kgCO2eq: energy times carbon intensity; making the hardware is not in.",
        "CO2eq": "The amount of carbon dioxide that warms as much as all gases emitted.",
        "kWh": "Kilowatt-hour, 3.6 million joules: a kilowatt for an hour.",
        "joule": "A watt for a second.",
        "power": "Energy by time, in watts.",
        "GPU day": "A GPU at work for a day.",
        "equivalent": "An everyday amount that emits as much, such as kilometres in a car.",
        "linear scaling": "A long training's energy taken as that of 4 epochs times 3, 9 or 27; it overstates.",
        "correction": "The factor by which linear scaling is brought to what 4V measured.",
    },
    "Where figures are from": {
        "provenance": "Where a figure is from: measured, scaled, surrogate, published or predicted.",
        "measured": "Read from a counter during a training.",
        "scaled": "A 4-epoch measurement times a factor.",
        "surrogate": "An energy of 7V told by the authors' published model instead of a training.",
        "published": "An accuracy or time of NAS-Bench-101.",
        "predicted": "Told by this project's own model, with an interval that holds nine of ten.",
        "interval": "A range that holds the true figure with a stated chance.",
        "artefact": "An energy of the surrogate that cannot be: negative, or below the smallest measured one.",
        "outlier": "A record that neither its cell nor its device explains.",
        "EC-NAS": "The benchmark of energies of NAS-Bench-101's cells that all of this rests on.",
        "NAS-Bench-101": "The table of 423 624 trained cells that the accuracies are from.",
        "tabular benchmark": "A table of trainings made beforehand, so that searches look up instead of training.",
    },
    "Choosing between goals": {
        "objective": "What is to be as small as possible, such as energy or validation error.",
        "constraint": "What a choice has to keep to, such as a most energy or a least accuracy.",
        "weight": "How much an objective counts in a choice.",
        "model card": "What a network is, what it takes and where its figures are from, to go with its code.",
        "ONNX": "A file format of networks that many programs read.",
        "dominance": "A cell dominates another when it is no worse in all objectives and better in one.",
        "front": "The cells that no other dominates: the Pareto front.",
        "extremes": "The ends of the front, each best in one objective: r0 the least energy, r1 the best accuracy.",
        "r0": "The end of the front that is best in its first objective, most often the least energy.",
        "r1": "The end of the front that is best in its second objective, most often the best accuracy.",
        "knee": "Where the front bends most: its point farthest below the straight line between its ends; rk.",
        "rk": "The knee of the front.",
        "hypervolume": "The area that a front dominates up to a reference point; more is better.",
        "attainment": "What a share of the trials of a search has reached or beaten.",
        "regret": "The extra energy paid when cells are chosen on one device and trained on another.",
    },
    "Searching": {
        "search": "Looking for good cells without asking for all of them.",
        "study": "One or several algorithms searching the same space in several trials each.",
        "trial": "One seeded run of a search.",
        "evaluation": "One question of a search for a cell at a budget, which it is charged for.",
        "charge": "What counts as an evaluation: every question of a search, or only those not asked before.",
        "seed": "The number that a trial's chance starts from: the same seed, the same trial.",
        "SEMOA": "The paper's simple evolutionary algorithm: an archive of non-dominated answers, ten children a turn.",
        "SEMOA-L": "SEMOA that asks only for valid cells that were not asked for before; the default.",
        "SH-EMOA": "Evolution with successive halving: many cells are trained briefly, few for long.",
        "MS-EHVI": "Bayesian search by the expected gain of hypervolume.",
        "RS": "Random search.",
        "NSGA-II": "A genetic algorithm that keeps fronts and spreads along them.",
        "SMS-EMOA": "A genetic algorithm that keeps what adds most hypervolume.",
        "RE": "Regularised evolution: the best of ten has a child, and the oldest leaves, for one objective.",
    },
    "Measuring": {
        "counter": "What counts joules: that of the GPU (NVML) or of the CPU (RAPL).",
        "NVML": "The library of NVIDIA's driver that tells a GPU's energy.",
        "RAPL": "The energy counter of a processor; often closed to virtual machines.",
        "carbontracker": "The tool that EC-NAS measured with; here it checks the counter.",
        "idle power": "What a device draws with nothing to do.",
        "net energy": "The energy above that of idling.",
        "repeat": "A window of steps that is measured; at least five make a figure.",
        "calibration": "Measuring some cells on your device to tell what the others take there.",
    },
    "Statistics": {
        "median": "The middle of sorted values.",
        "quartiles": "The values that a quarter and three quarters of all lie below.",
        "standard deviation": "How far values usually lie from their mean.",
        "coefficient of variation": "The standard deviation by the mean.",
        "Kendall's tau": "How far two orders agree: 1 the same, 0 none, −1 reversed.",
        "correlation": "How closely one figure follows another on a line: 1 at best, 0 not at all.",
        "mean absolute error": "How far predictions are off on average, in the unit of what is predicted.",
        "feature": "A number that describes a cell to a model, such as its count of 3×3 convolutions.",
        "learning curve": "How the error of a model falls as it learns from more cells.",
        "effect A12": "How often a trial of one algorithm beats one of another: 0.50 is chance, 1 always.",
        "p": "How often chance alone would give a difference at least as large.",
        "bootstrap": "Drawing from the data again and again to see how much a figure would vary.",
    },
}
TOPICS = (*_BY_TOPIC, "Columns of the tables")
TERMS: Mapping[str, Term] = MappingProxyType(
    {name: Term(name, meaning, topic) for topic, terms in _BY_TOPIC.items() for name, meaning in terms.items()}
)
"""The terms that pages write, by name."""
COLUMNS: Mapping[str, Term] = MappingProxyType(
    {
        name: Term(name, f"{meaning[0].upper()}{meaning[1:]}.", TOPICS[-1])
        for name, meaning in sorted(MEANINGS.items())
        if name not in TERMS
    }
)
"""The columns of the public views that are not terms themselves, by name."""


def help(term: str) -> str:
    """The meaning of a term, for the hover help of a widget.

    Args:
        term: its name, whatever the case, or that of a column.

    Raises:
        UnknownTerm: the glossary has none of that name.
    """
    found = TERMS.get(term) or COLUMNS.get(term) or _FOLDED.get(term.casefold())
    if found is None:
        raise UnknownTerm(f"the glossary has no term {term[:40]!r}; add it to ecnas_core/analysis/glossary.py")
    return found.meaning


def leading(label: str) -> tuple[str, str] | None:
    """The term that a label begins with, or is, as the label writes it, and its meaning; None where there is none.

    Args:
        label: of a figure or of a column, such as "Vertices", "Energy, a year" or "On the front".
    """
    found = _LEADING.match(label)
    if found is None:
        return None
    folded = found[0].casefold()
    return found[0], _FOLDED[_WRITTEN.get(folded, folded)].meaning


def search(text: str) -> list[Term]:
    """The terms and columns that a text is found in, those whose name has it first, then by topic.

    Args:
        text: any; an empty one finds everything.
    """
    wanted = text.strip().casefold()
    every = [*TERMS.values(), *COLUMNS.values()]
    named = [term for term in every if wanted in term.name.casefold()]
    return named + [term for term in every if term not in named and wanted in term.meaning.casefold()]


_FOLDED = {name.casefold(): term for name, term in TERMS.items()}
_WRITTEN = {
    "accuracy": "validation accuracy",
    "artefacts": "artefact",
    "cells": "cell",
    "devices": "device",
    "edges": "edge",
    "epochs": "epoch",
    "evaluations": "evaluation",
    "kendall's τ": "kendall's tau",
    "on the front": "front",
    "outliers": "outlier",
    "repeats": "repeat",
    "steps": "step",
    "swaps": "swap",
    "trials": "trial",
    "vertices": "vertex",
}
"""What labels write for terms, both casefolded."""
_LEADING = re.compile(
    rf"(?:{'|'.join(map(re.escape, sorted({*_FOLDED, *_WRITTEN}, key=len, reverse=True)))})(?![\w-])", re.IGNORECASE
)
