"""What the Learn page shows; its URL and Python forms."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta
from msgspec.structs import force_setattr

from ecnas_core.analysis.lessons import LESSONS, Lesson
from ecnas_core.carbon import Lens
from ecnas_core.records import InvalidRecord, Param, Record, script

Section = Literal["lessons", "glossary", "teacher"]
SECTIONS: tuple[Section, ...] = get_args(Section)
CONTROLS = tuple(dict.fromkeys(control.key for lesson in LESSONS.values() for control in lesson.controls))


class LearnView(Record, frozen=True):
    """What the Learn page shows.

    Attributes:
        section: the lessons, the glossary, or what helps a teacher.
        number: of the lesson, from 1.
        deal: number of its exercise, from 1.
        settings: values of its picture's controls that are not their defaults; those of other lessons are dropped.
        lens: how energy is counted.

    Raises:
        InvalidRecord: there is no such section, lesson or exercise.
        InvalidAnswer: a setting is none of a control's options.
    """

    section: Section = "lessons"
    number: Annotated[int, Meta(ge=1, le=len(LESSONS)), Param("lesson")] = 1
    deal: Annotated[int, Meta(ge=1), Param("exercise")] = 1
    settings: Annotated[tuple[tuple[str, str], ...], Param(keys=CONTROLS)] = ()
    lens: Lens = Lens()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.deal > self.lesson.deals:
            raise InvalidRecord(f"lesson {self.number} has no exercise {self.deal}; take 1 to {self.lesson.deals}")
        chosen = self.lesson.settings(dict(self.settings))
        told = [
            (control.key, chosen[control.key])
            for control in self.lesson.controls
            if chosen[control.key] != control.default
        ]
        force_setattr(self, "settings", tuple(told))

    @property
    def lesson(self) -> Lesson:
        """The lesson."""
        return LESSONS[self.number]

    @property
    def chosen(self) -> dict[str, str]:
        """The value of every control of the lesson's picture."""
        return self.lesson.settings(dict(self.settings))

    def to_python(self) -> str:
        """The source that computes the lesson's picture, its answer and its exercise."""
        return script(
            f"bench, lesson = Benchmark.open(), LESSONS[{self.number}]",
            f"print(lesson.scene(bench, {self.chosen!r}, lens))",
            "print(lesson.prediction(bench, lens))",
            f"print(lesson.exercise(bench, lens, {self.deal - 1}))",
            uses=["ecnas_core.analysis.lessons:LESSONS"],
            lens=self.lens,
        )
