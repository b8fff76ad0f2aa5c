"""What was done in a session as one HTML page that needs nothing else: cells, choices, studies, measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ecnas_core.analysis import beside, candidates, choose, explore
from ecnas_core.analysis.metrics import METRICS, metric
from ecnas_core.analysis.needs import ChooseView, assumptions
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.paper import CITATION
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.errors import EcnasError
from ecnas_core.figures import choose as choices
from ecnas_core.figures import explore as planes
from ecnas_core.figures import measure, search
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.document import Plots, page, paragraph, table
from ecnas_core.figures.explore import value
from ecnas_core.measure.record import Measurement
from ecnas_core.search.results import NothingFound, marked_front, plane_setting, results, true_front
from ecnas_core.search.study import Study

if TYPE_CHECKING:
    import pandas as pd

TITLE: Final = "A session with EC-NAS Explorer"
LETTERS: Final = "ABCD"
_OTHER: Final = ("parameters", "multiply_adds")
LICENCES: Final = (
    "Figures: EC-NAS-Bench, MIT (c) 2022 Pedram Bakh.; its surrogate, MIT (c) 2022 Raghavendra Selvan; NAS-Bench-101, "
    f"Apache-2.0 (Ying and others 2019). {CITATION}."
)


@dataclass(frozen=True)
class Session:
    """What a report is of.

    Attributes:
        view: space, budget, axes and lens that cells are shown in.
        cells: hashes of the pinned cells, in their order.
        choice: what was asked for on the page Choose; None where nothing was.
        studies: searches; those without a finished trial are named only.
        measurements: what was measured.
        notes: the user's own words.
    """

    view: View
    cells: tuple[str, ...] = ()
    choice: ChooseView | None = None
    studies: tuple[Study, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    notes: str = field(default="")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.cells or self.choice or self.studies or self.measurements)


def report(session: Session, bench: Benchmark, at: datetime | None = None) -> str:
    """The page.

    Args:
        session: what it is of.
        bench: where the figures are from.
        at: when it was made; now if not given.

    Returns:
        HTML with plotly's library in it, some 5 MB, that asks for nothing outside.
    """
    plots = Plots()
    made = (at or datetime.now(UTC)).strftime("%d %B %Y, %H:%M UTC")
    parts = [paragraph(f"{made}. Energies are counted as {session.view.lens.describe()}.", "note")]
    if session.notes.strip():
        parts += ["<h2>Notes</h2>", *map(paragraph, filter(None, session.notes.splitlines()))]
    if session.is_empty:
        parts.append(paragraph("Nothing was pinned, chosen, searched or measured."))
    if session.cells:
        parts += _cells(session, bench, plots)
    if session.choice:
        parts += _choice(session.choice, bench, plots)
    for study in session.studies:
        parts += _study(study, bench, plots)
    for measured in session.measurements:
        parts += _measurement(measured, session, bench, plots)
    parts += [
        "<h2>Provenance</h2>",
        f'<div class="words">{table(["Source", "Records", "Energies", "Accuracies"], _sources(bench))}</div>',
        paragraph(LICENCES, "note"),
    ]
    return page(TITLE, parts)


def _cells(session: Session, bench: Benchmark, plots: Plots) -> list[str]:
    view = session.view
    found = explore.cells(bench, view, hashes=session.cells)
    if len(found) < len(set(session.cells)):
        view = replace(view, space="7V")
        found = explore.cells(bench, view, hashes=session.cells)
    letters = dict(zip(session.cells, LETTERS, strict=False))
    shown = explore.picture(bench, view)
    known = found.dropna(subset=["x", "y"])
    drawn = planes.plane(shown, False, marked=known, names=letters)
    by_hash = found.set_index("hash", drop=False)
    sure = {
        name: _intervals(bench, replace(view, x=name, y=_OTHER[name == _OTHER[0]]), session.cells) for name in METRICS
    }
    drawings = [_cell(by_hash.loc[each], letters[each], view, sure) for each in session.cells]
    return [
        "<h2>Pinned cells</h2>",
        paragraph(f"On the energy scale of {view.space}, at {view.epochs} epochs. {planes.headline(shown)}"),
        plots.add(drawn.figure, planes.headline(shown)),
        paragraph(planes.predicted(shown) or "", "note"),
        f"<div>{operations_legend(False)}</div>",
        f'<div class="cells">{"".join(drawings)}</div>',
    ]


def _intervals(bench: Benchmark, view: View, hashes: Sequence[str]) -> dict[str, str]:
    """The 90 % interval of each cell's horizontal value where it is predicted, else an empty text."""
    found = explore.cells(bench, view, hashes=hashes)
    return dict(zip(found["hash"], planes.intervals(found, "x", view.axes[0]), strict=True))


def _cell(row: pd.Series, letter: str, view: View, intervals: Mapping[str, Mapping[str, str]]) -> str:
    cell = Cell.from_bits(row["vertices"], row["edge_bits"], row["ops"] or "")
    rows = []
    for name in METRICS:
        shown = metric(name, view.lens)
        source = row.get(shown.provenance) if shown.provenance else None
        known = isinstance(source, str) and row[name] == row[name]
        between = intervals[name][row["hash"]]
        told = f"{source}, 90 % interval {between}" if between else str(source)
        rows.append([shown.label, value(shown, row[name]), told if known else ""])
    artefact = row["energy_artefact"]
    warning = paragraph(f"Its surrogate energy is an artefact: {artefact}.") if isinstance(artefact, str) else ""
    return (
        f"<div><p><b>{letter}</b> {escape(row['hash'])}</p>{cell_svg(cell, False, width=330, height=150)}"
        f"<p>{escape(cell.to_text())}</p>{warning}{table(['', '', ''], rows)}</div>"
    )


def _choice(view: ChooseView, bench: Benchmark, plots: Plots) -> list[str]:
    heading = "<h2>Chosen</h2>"
    try:
        found = choose.choose(bench, view)
    except EcnasError as error:
        return [heading, paragraph(f"{error}.")]
    parts = [heading, paragraph(choices.headline(found), "lead")]
    if found.conflict is not None:
        return parts + [paragraph(told) for told in choices.conflict_told(found.conflict, view.needs)]
    front = candidates.details(bench, found.candidates, found.front)
    rows = [
        [
            choices.named(row, found),
            choices.reasons(row, found),
            choices.gives_up(row, found),
            choices.how_sure(row, found),
        ]
        for _, row in found.shortlist.iterrows()
    ]
    shown = table(["Cell", "Why", "Gives up", "How sure"], rows)
    told = assumptions(view.task)
    return [
        *parts,
        plots.add(choices.plane(found, front, False).figure, choices.headline(found)),
        f'<div class="words">{shown}</div>',
        *(paragraph(each, "note") for each in told),
    ]


def _study(study: Study, bench: Benchmark, plots: Plots) -> list[str]:
    heading = f"<h2>Study: {escape(study.name)}</h2>"
    try:
        found = results(study, [], bench, true_front(bench, plane_setting(study.plan.setting)))
    except NothingFound as error:
        return [heading, paragraph(f"{error}.")]
    names = [each.name for each in found.own]
    front = marked_front(found, names, bench)
    setting = study.plan.setting
    return [
        heading,
        paragraph(search.headline(found), "lead"),
        paragraph(
            f"{setting.space}, minimising {', '.join(each.axis for each in setting.metrics)}; "
            f"{len(study.finished)} of {len(study.plan.tasks)} trials, {setting.lens.describe()}, id {study.id}.",
            "note",
        ),
        plots.add(
            search.plane(found, names, front, found.setting.objectives[:2], False).figure,
            search.front_headline(front, found.metrics),
        ),
        paragraph(
            f"{search.front_headline(front, found.metrics)} {search.provenance_note(front, found.metrics)}", "note"
        ),
        table(*search.standing_rows(found)),
    ]


def _measurement(measured: Measurement, session: Session, bench: Benchmark, plots: Plots) -> list[str]:
    lens = measure.seen_through(session.view.lens, measured)
    entries = beside.entries(bench, measured, lens or session.view.lens)
    cell = bench.query(measured.hash, space="7V").cell
    parts = [
        f"<h2>Measured: {escape(measured.hash[:8])} on {escape(measured.device)}</h2>",
        paragraph(measure.headline(measured, entries, lens or session.view.lens), "lead"),
        *(paragraph(f"{flag.capitalize()}: {meaning}.", "note") for flag, meaning in measure.held_against(measured)),
        cell_svg(cell, False, width=330, height=150),
        table(["", "Mean", "95 % interval", "Varies by"], measure.numbers(measured)),
    ]
    if lens is not None and entries["value"].notna().any():
        parts.append(
            plots.add(
                measure.beside_benchmark(measured, entries, lens, 4, False), measure.headline(measured, entries, lens)
            )
        )
    return parts


def _sources(bench: Benchmark) -> list[list[str]]:
    return [
        [row["source"], f"{row['records']}", row["energy"] or "–", row["accuracy"] or "–"] for row in bench.sources()
    ]
