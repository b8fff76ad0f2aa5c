"""Sentences whose numbers stay numbers: a text with names in braces, and what each name stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Form = Literal["significant", "fixed", "percent", "count"]


@dataclass(frozen=True)
class Amount:
    """A number in a sentence, and how it is written.

    Attributes:
        value: the number; of a percentage the share.
        unit: its unit; empty for none.
        digits: significant digits, or decimals where the form is fixed or a percentage.
        form: ``significant``, ``fixed``, ``percent`` or ``count`` (in full).
    """

    value: float
    unit: str = ""
    digits: int = 3
    form: Form = "significant"


@dataclass(frozen=True)
class Told:
    """A sentence, for example ``Told("It takes {energy}.", {"energy": kwh(2)})``.

    Attributes:
        text: plain text with names in braces.
        parts: what the names stand for: numbers, words, or sentences of the same kind.
    """

    text: str
    parts: Mapping[str, Amount | str | Told]


Part = Amount | str | Told


def told(text: str, **parts: Part) -> Told:
    """A sentence of a text and what its names stand for."""
    return Told(text, parts)


def kwh(energy: float) -> Amount:
    """An energy in kWh."""
    return Amount(energy, "kWh")


def count(number: float) -> Amount:
    """A whole number."""
    return Amount(number, form="count")


def percent(share: float, digits: int = 1) -> Amount:
    """A share as a percentage."""
    return Amount(share, digits=digits, form="percent")


def fixed(number: float, digits: int) -> Amount:
    """A number with fixed decimals."""
    return Amount(number, digits=digits, form="fixed")


def accuracy(value: float) -> Amount:
    """An accuracy from 0 to 1."""
    return fixed(value, 4)


def points(difference: float) -> Amount:
    """A difference of accuracies in points, hundredths."""
    return Amount(100 * difference, "points", 2, "fixed")
