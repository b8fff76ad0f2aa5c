"""What a class works on and what its teacher holds: a lesson on paper, without and with the answers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ecnas_core.analysis import glossary
from ecnas_core.analysis.lessons import Lesson
from ecnas_core.analysis.lessons.lesson import ChoiceTask, NumberTask, Task
from ecnas_core.benchmark.paper import CITATION
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.carbon import Lens
from ecnas_core.figures.document import Plots, page, paragraph
from ecnas_core.figures.lessons import answer_text, headline, picture, resting, say

LINES = 4
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
    drawn = picture(lesson, scene, False, revealed=answers).figure
    drawn.update_layout(width=WIDTH)
    prediction, exercise = lesson.prediction(bench, lens), lesson.exercise(bench, lens, deal)
    title = f"{'Answers' if answers else 'Worksheet'}: lesson {lesson.number}, {lesson.title.lower()}"
    parts = [
        paragraph(lesson.question, "lead"),
        paragraph(lesson.introduction),
        "" if answers else paragraph("Name: ____________________________  Date: ________________", "note"),
        "<h2>Look</h2>",
        paragraph(lesson.look),
        Plots().add(drawn, headline(lesson, scene, revealed=answers)),
        paragraph(headline(lesson, scene, revealed=answers), "note"),
        paragraph(resting(scene), "note") if answers and resting(scene) else "",
        "<h2>Predict</h2>",
        _task(prediction, answers),
        "<h2>Exercise</h2>",
        _task(exercise, answers),
        *(_guide(lesson, lens, base) if answers else ["<h2>What I found out</h2>", _lines(LINES)]),
        "<h2>Words</h2>",
        "".join(f"<p><b>{escape(term)}</b>: {escape(glossary.help(term))}</p>" for term in lesson.terms),
        paragraph(f"{lesson.lens(lens).describe()}. Figures: EC-NAS-Bench and NAS-Bench-101; {CITATION}.", "note"),
    ]
    return page(title, parts)


def _task(task: Task, answers: bool) -> str:
    parts = [paragraph(say(task.question))]
    if isinstance(task, ChoiceTask):
        marks = {key: ' class="right"' if answers and key in task.answer else "" for key in task.options}
        listed = "".join(f"<li{marks[key]}>{escape(say(text))}</li>" for key, text in task.options.items())
        parts.append(f'<ul class="choices">{listed}</ul>')
    elif not answers:
        parts.append(paragraph(f"My answer: ________________ {task.unit}"))
    if not answers:
        parts += [paragraph("Because:"), _lines(2)]
    else:
        parts += [paragraph(f"Answer: {answer_text(task)}.", "lead"), paragraph(say(task.why))]
        if isinstance(task, NumberTask) and task.mistakes:
            slips = "".join(f"<li>{escape(say(mistake.why))}</li>" for mistake in task.mistakes)
            parts.append(f"<p>What went wrong where another number stands:</p><ul>{slips}</ul>")
    return f'<div class="task">{"".join(parts)}</div>'


def _guide(lesson: Lesson, lens: Lens, base: str) -> list[str]:
    guide = lesson.guide
    timing = "".join(f"<li>{escape(what)}: {minutes} min</li>" for what, minutes in guide.timing)
    asked = "".join(f"<li>{escape(question)}</li>" for question in guide.ask)
    links = "".join(
        f'<li><a href="{escape(link.under(lens).url(base))}">{escape(link.label)}</a></li>' for link in guide.links
    )
    return [
        "<h2>Timing</h2>",
        f"<ul>{timing}</ul>",
        "<h2>To ask</h2>",
        f"<ul>{asked}</ul>",
        "<h2>Often misread</h2>",
        paragraph(guide.misread),
        "<h2>Pages to show</h2>",
        f"<ul>{links}</ul>",
    ]


def _lines(number: int) -> str:
    return '<div class="line"></div>' * number
