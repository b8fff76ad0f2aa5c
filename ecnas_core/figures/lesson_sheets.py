"""What a class works on and what its teacher holds: a lesson on paper, without and with the answers."""

from __future__ import annotations

from collections.abc import Mapping

from ecnas_core.analysis import glossary
from ecnas_core.analysis.lessons import Lesson
from ecnas_core.benchmark.paper import CITATION
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.figures.document import Plots
from ecnas_core.figures.lessons import answer_text, headline, picture, resting, say
from ecnas_core.templating import render

WIDTH = 700


def sheet(
    lesson: Lesson, bench: Benchmark, settings: Mapping[str, str], lens: Lens, deal: int, base: str, *, answers: bool
) -> str:
    """A lesson as one page to print.

    Args:
        lesson: which.
        bench: where its numbers are from.
        settings: of its picture.
        lens: how energy is counted.
        deal: number of the exercise, from 0.
        base: the app's address, with its last slash, for the links.
        answers: whether it is the teacher's, with the answers and the guide.

    Returns:
        HTML with plotly's library in it, some 5 MB, that asks for nothing outside.
    """
    scene = lesson.scene(bench, settings, lens)
    told = headline(lesson, scene, revealed=answers)
    drawn = picture(lesson, scene, False, revealed=answers).figure
    drawn.update_layout(width=WIDTH)
    return render(
        "ecnas_core/figures/templates/lesson_sheet.html.j2",
        title=f"{'Answers' if answers else 'Worksheet'}: lesson {lesson.number}, {lesson.title.lower()}",
        lesson=lesson,
        answers=answers,
        drawn=Plots().add(drawn, told),
        resting=resting(scene),
        prediction=lesson.prediction(bench, lens),
        task=lesson.exercise(bench, lens, deal),
        say=say,
        answer_text=answer_text,
        links=[(link.label, link.under(lens).url(base)) for link in lesson.guide.links],
        words=[(term, glossary.help(term)) for term in lesson.terms],
        lens=lesson.lens(lens).describe(),
        citation=CITATION,
    )
