"""What the Learn page shows; its URL and Python forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

from ecnas_core.analysis.lessons import LESSONS, Lesson
from ecnas_core.analysis.lessons.lesson import InvalidAnswer
from ecnas_core.analysis.view import InvalidView, python_source
from ecnas_core.carbon import Lens

Section = Literal["lessons", "glossary", "teacher"]
SECTIONS: tuple[Section, ...] = get_args(Section)


@dataclass(frozen=True)
class LearnView:
    """What the Learn page shows.

    Attributes:
        section: the lessons, the glossary, or what helps a teacher.
        number: of the lesson, from 1.
        deal: number of its exercise, from 1.
        settings: values of its picture's controls that are not their defaults.
        lens: how energy is counted.

    Raises:
        InvalidView: there is no such section, lesson, exercise or setting.
    """

    section: Section = "lessons"
    number: int = 1
    deal: int = 1
    settings: tuple[tuple[str, str], ...] = ()
    lens: Lens = field(default_factory=Lens)

    def __post_init__(self) -> None:
        if self.section not in SECTIONS:
            raise InvalidView(f"there is no section {self.section!r}; take one of {', '.join(SECTIONS)}")
        if self.number not in LESSONS:
            raise InvalidView(f"there is no lesson {self.number}; take one of {', '.join(map(str, LESSONS))}")
        if not 1 <= self.deal <= self.lesson.deals:
            raise InvalidView(f"lesson {self.number} has no exercise {self.deal}; take 1 to {self.lesson.deals}")
        try:
            chosen = self.lesson.settings(dict(self.settings))
        except InvalidAnswer as error:
            raise InvalidView(str(error)) from None
        told = [
            (control.key, chosen[control.key])
            for control in self.lesson.controls
            if chosen[control.key] != control.default
        ]
        object.__setattr__(self, "settings", tuple(told))

    @property
    def lesson(self) -> Lesson:
        """The lesson."""
        return LESSONS[self.number]

    @property
    def chosen(self) -> dict[str, str]:
        """The value of every control of the lesson's picture."""
        return self.lesson.settings(dict(self.settings))

    def to_params(self) -> dict[str, str]:
        """The view as URL parameters, the lens included; defaults are left out."""
        params = {} if self.section == "lessons" else {"section": str(self.section)}
        if self.number != 1:
            params["lesson"] = str(self.number)
        if self.deal != 1:
            params["exercise"] = str(self.deal)
        return params | dict(self.settings) | self.lens.to_params()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The view that ``to_params`` wrote; other parameters are ignored.

        Raises:
            EcnasError: a parameter does not have the form that ``to_params`` writes, or is out of range.
        """
        number = _whole(params, "lesson")
        keys = [control.key for control in LESSONS[number].controls] if number in LESSONS else []
        return cls(
            section=params.get("section", cls.section),  # type: ignore[arg-type]
            number=number,
            deal=_whole(params, "exercise"),
            settings=tuple((key, params[key]) for key in keys if key in params),
            lens=Lens.from_params(params),
        )

    def to_python(self) -> str:
        """The source that computes the lesson's picture, its answer and its exercise."""
        return (
            "from ecnas_core import Benchmark\n"
            "from ecnas_core.analysis.lessons import LESSONS\n"
            "from ecnas_core.carbon import Lens\n\n"
            f"bench, lens, lesson = Benchmark.open(), {python_source(self.lens)}, LESSONS[{self.number}]\n"
            f"print(lesson.scene(bench, {self.chosen!r}, lens))\n"
            "print(lesson.prediction(bench, lens))\n"
            f"print(lesson.exercise(bench, lens, {self.deal - 1}))\n"
        )


def _whole(params: Mapping[str, str], name: str) -> int:
    text = params.get(name, "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise InvalidView(f"{name}={text[:20]!r} is no number; write a whole one")
    return int(text)
