"""The glossary holds every word that the app is built on, once."""

from __future__ import annotations

import pytest

from ecnas_core.analysis import glossary
from ecnas_core.analysis.lessons import LESSONS
from ecnas_core.analysis.metrics import METRICS, metric
from ecnas_core.benchmark.catalogue import MEANINGS
from ecnas_core.benchmark.official import PROVENANCES
from ecnas_core.carbon import Lens
from ecnas_core.cells import SPACES
from ecnas_core.search.catalogue import ALGORITHMS

NAMES = [
    "cell",
    "vertex",
    "edge",
    "operation",
    "space",
    "trial",
    "evaluation",
    "front",
    "extremes",
    "r0",
    "r1",
    "knee",
    "rk",
    "attainment",
    "scope",
    "lens",
    "PUE",
    "grid",
    "provenance",
    "hypervolume",
    "dominance",
    "study",
    "footprint",
    "artefact",
    "outlier",
    "regret",
    "swap",
    "step",
    "precision",
    "matrix form",
    "projection",
    "GPU day",
    "constraint",
    "weight",
    "model card",
    "ONNX",
    "charge",
    "quartiles",
    "mean absolute error",
    "feature",
    "learning curve",
    "effect A12",
    "p",
]


def test_words_of_the_app_have_a_meaning():
    words = [*NAMES, *PROVENANCES, *SPACES, *ALGORITHMS]
    assert [name for name in words if name not in glossary.TERMS] == []
    assert [name for name in words if glossary.help(name) != glossary.TERMS[name].meaning] == []


def test_metrics_have_a_meaning():
    labels = {metric(name, Lens()).label for name in METRICS}
    assert [label for label in labels if not glossary.help("facility energy" if label == "Energy" else label)] == []


def test_the_lessons_words_have_a_meaning():
    for lesson in LESSONS.values():
        assert all(glossary.help(term) for term in lesson.terms)


def test_columns_keep_the_catalogue_s_words():
    for name, meaning in MEANINGS.items():
        if name not in glossary.TERMS:
            assert glossary.help(name).casefold() == f"{meaning}.".casefold()
            assert glossary.COLUMNS[name].topic == glossary.TOPICS[-1]


def test_case_does_not_matter():
    assert glossary.help("Validation Accuracy") == glossary.help("validation accuracy")
    assert glossary.help("kendall's TAU") == glossary.help("Kendall's tau")


@pytest.mark.parametrize(
    ("label", "written", "term"),
    [
        ("Vertices", "Vertices", "vertex"),
        ("Energy, a year", "Energy", "energy"),
        ("Validation accuracy: 3×3 to 1×1", "Validation accuracy", "validation accuracy"),
        ("Accuracy now", "Accuracy", "validation accuracy"),
        ("On the front", "On the front", "front"),
        ("Kendall's τ of the pair", "Kendall's τ", "Kendall's tau"),
        ("rk knee", "rk", "rk"),
        ("7V in the lens's grid", "7V", "7V"),
    ],
)
def test_a_label_that_begins_with_a_term(label, written, term):
    assert glossary.leading(label) == (written, glossary.TERMS[term].meaning)


@pytest.mark.parametrize("label", ["", "Matching cells", "Cellular", "front-runner", "A knee", "4 epochs"])
def test_a_label_that_does_not(label):
    assert glossary.leading(label) is None


def test_an_unknown_term_is_an_error():
    with pytest.raises(glossary.UnknownTerm, match="'flux'"):
        glossary.help("flux")


def test_meanings_are_one_short_sentence():
    for term in glossary.TERMS.values():
        assert term.meaning.endswith(".")
        assert "\n" not in term.meaning
        assert len(term.meaning) < 130
        assert term.topic in glossary.TOPICS


def test_search_finds_names_before_meanings():
    found = glossary.search(" PUE ")
    assert found[0].name == "PUE"
    assert {"facility energy", "pue"} <= {term.name for term in found}
    assert glossary.search("no such words") == []
    assert len(glossary.search("")) == len(glossary.TERMS) + len(glossary.COLUMNS)
