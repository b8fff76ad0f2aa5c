"""What a lesson is made of, and how an answer to one of its tasks is checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from msgspec import structs

from ecnas_core.analysis.lessons.told import Told, told
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.errors import EcnasError

if TYPE_CHECKING:
    import pandas as pd

MINUTES = 10


class NotTeachable(EcnasError):
    """A lesson's question has no answer under this lens."""


class InvalidAnswer(EcnasError):
    """What is given is no answer to the task."""


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and why, in one or several sentences."""

    right: bool
    why: tuple[Told, ...]


@dataclass(frozen=True)
class Link:
    """Another page in a certain state.

    Attributes:
        label: what is found there.
        page: its path, for example ``explore``.
        params: its URL parameters.
    """

    label: str
    page: str
    params: Mapping[str, str] = field(default_factory=dict)

    def url(self, base: str = "") -> str:
        """Its address.

        Args:
            base: of the app, with its last slash; empty for a relative address.
        """
        return f"{base}{self.page}" + (f"?{urlencode(self.params)}" if self.params else "")

    def under(self, lens: Lens) -> Link:
        """The same page under a lens, but for what of it the link sets itself."""
        return replace(self, params=lens.to_params() | dict(self.params))


@dataclass(frozen=True)
class Mistake:
    """A wrong number that a certain slip leads to, and what the slip is."""

    value: float
    why: Told


@dataclass(frozen=True)
class NumberTask:
    """A question whose answer is a positive number.

    Attributes:
        question: what is asked.
        unit: of the answer; empty for a count or a ratio.
        answer: from the data.
        within: how far an answer may be off: it is right where it and the answer are less than ``1 + within`` times
            each other.
        why: what the answer is and how it comes about.
        hint: how to get there.
        mistakes: slips to be told apart.
        least: of the range to answer in.
        most: of the range to answer in.
        step: between two answers.
        slider: whether a slider suits it better than a field.
        links: where the answer can be found.
    """

    question: Told
    unit: str
    answer: float
    within: float
    why: Told
    hint: str
    mistakes: tuple[Mistake, ...] = ()
    least: float = 0.0
    most: float = 1e6
    step: float = 1.0
    slider: bool = False
    links: tuple[Link, ...] = ()

    def check(self, given: float) -> Verdict:
        """Whether a number is right; if not, which slip it looks like, or how to get there.

        Raises:
            InvalidAnswer: it is not finite.
        """
        if not isfinite(given):
            raise InvalidAnswer(f"{given} is no number to check; give a finite one")
        if self._is(given, self.answer):
            return Verdict(True, (self.why,))
        near = [mistake for mistake in self.mistakes if self._is(given, mistake.value)]
        if near:
            return Verdict(False, (min(near, key=lambda mistake: abs(mistake.value - given)).why,))
        size = "much" if given > self.answer else "little"
        return Verdict(False, (told(f"That is too {size}. {self.hint}"),))

    def _is(self, given: float, expected: float) -> bool:
        return given > 0 and expected > 0 and max(given / expected, expected / given) <= 1 + self.within


@dataclass(frozen=True)
class ChoiceTask:
    """A question that is answered by choosing among options.

    Attributes:
        question: what is asked.
        options: what can be chosen, by key.
        answer: the keys of the right ones.
        why: what the answer is.
        whys: for each option why it is right or wrong.
        many: whether several can be chosen.
        links: where the answer can be found.
    """

    question: Told
    options: Mapping[str, Told]
    answer: frozenset[str]
    why: Told
    whys: Mapping[str, Told]
    many: bool = False
    links: tuple[Link, ...] = ()

    def check(self, given: Collection[str]) -> Verdict:
        """Whether the choice is the right one; if not, why for every option that is chosen or left out wrongly.

        Raises:
            InvalidAnswer: nothing is chosen, or what is no option.
        """
        unknown = [key for key in given if key not in self.options]
        if unknown or not given:
            raise InvalidAnswer(f"{', '.join(unknown) or 'nothing'} is no choice; take of {', '.join(self.options)}")
        if frozenset(given) == self.answer:
            return Verdict(True, (self.why,))
        wrong = [key for key in self.options if (key in given) != (key in self.answer)]
        explained = wrong if self.many else [key for key in wrong if key in given]
        return Verdict(False, tuple(self.whys[key] for key in explained))


Task = NumberTask | ChoiceTask


@dataclass(frozen=True)
class Control:
    """What a class can change in a picture.

    Attributes:
        key: name in the URL.
        label: what it is called.
        term: of the glossary, for its hover help.
        options: what can be chosen, by key; the first is the default.
        needs: another control and the values of it with which this one counts.
    """

    key: str
    label: str
    term: str
    options: Mapping[str, str]
    needs: tuple[str, tuple[str, ...]] | None = None

    @property
    def default(self) -> str:
        """The option that counts at first."""
        return next(iter(self.options))


@dataclass(frozen=True)
class Guide:
    """What helps to teach a lesson.

    Attributes:
        timing: what is done, and for how many minutes.
        ask: questions to the class.
        misread: what is often misunderstood.
        links: pages to show, in the right state.
    """

    timing: tuple[tuple[str, int], ...]
    ask: tuple[str, ...]
    misread: str
    links: tuple[Link, ...]


class Scene(Protocol):
    """What a picture shows."""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows behind the picture."""


@dataclass(frozen=True)
class Lesson:
    """A question to a class, answered from the data.

    Attributes:
        number: from 1.
        title: what it is about.
        question: that it answers.
        introduction: what to know before, in plain text.
        look: what to do with the picture before anything is answered.
        controls: of the picture.
        terms: of the glossary that it needs.
        deals: how many exercises of the same kind there are.
        scene: computes what the picture shows.
        prediction: the task to commit to before the answer is shown.
        exercise: the task after it, by its number from 0.
        guide: for the teacher.
        fixed: parts of the lens that it does not follow, and what counts instead.
    """

    number: int
    title: str
    question: str
    introduction: str
    look: str
    controls: tuple[Control, ...]
    terms: tuple[str, ...]
    deals: int
    scene: Callable[[Benchmark, Mapping[str, str], Lens], Scene]
    prediction: Callable[[Benchmark, Lens], Task]
    exercise: Callable[[Benchmark, Lens, int], Task]
    guide: Guide
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def lens(self, given: Lens) -> Lens:
        """What of a lens counts here."""
        return structs.replace(given, **self.fixed)

    def settings(self, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """The value of every control, its default where none is given.

        Raises:
            InvalidAnswer: a value is none of a control's options.
        """
        chosen = {control.key: (given or {}).get(control.key, control.default) for control in self.controls}
        for control in self.controls:
            if chosen[control.key] not in control.options:
                raise InvalidAnswer(
                    f"{control.key}={chosen[control.key][:20]!r} is no choice here; take one of "
                    f"{', '.join(control.options)}"
                )
        return chosen
