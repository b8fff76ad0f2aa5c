"""What was done in a session as one HTML page that needs nothing else: cells, choices, studies, measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ecnas_core.analysis import benchmark_reference, candidates, choose, explore
from ecnas_core.analysis.metrics import METRICS, metric
from ecnas_core.analysis.needs import ChooseView, assumptions
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.errors import EcnasError
from ecnas_core.figures import choose as choices
from ecnas_core.figures import explore as planes
from ecnas_core.figures import measure, search
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.document import LICENCES, Plots
from ecnas_core.figures.explore import value
from ecnas_core.measure.record import Measurement
from ecnas_core.search.results import NothingFound, marked_front, plane_setting, results, true_front
from ecnas_core.search.study import Study
from ecnas_core.templating import render

if TYPE_CHECKING:
    import pandas as pd

TITLE: Final = "A session with EC-NAS Explorer"
LETTERS: Final = "ABCD"
_OTHER: Final = ("parameters", "multiply_adds")


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
    return render(
        "ecnas_core/figures/templates/session_report.html.j2",
        title=TITLE,
        made=(at or datetime.now(UTC)).strftime("%d %B %Y, %H:%M UTC"),
        session=session,
        cells=_cells(session, bench, plots) if session.cells else None,
        legend=operations_legend(False),
        choice=_choice(session.choice, bench, plots) if session.choice else None,
        studies=[_study(study, bench, plots) for study in session.studies],
        measurements=[_measurement(measured, session, bench, plots) for measured in session.measurements],
        sources=_sources(bench),
        licences=LICENCES,
    )


def _cells(session: Session, bench: Benchmark, plots: Plots) -> dict[str, Any]:
    view = session.view
    found = explore.cells(bench, view, hashes=session.cells)
    if len(found) < len(set(session.cells)):
        view = replace(view, space="7V")
        found = explore.cells(bench, view, hashes=session.cells)
    letters = dict(zip(session.cells, LETTERS, strict=False))
    shown = explore.picture(bench, view)
    known = found.dropna(subset=["x", "y"])
    by_hash = found.set_index("hash", drop=False)
    sure = {
        name: _intervals(bench, replace(view, x=name, y=_OTHER[name == _OTHER[0]]), session.cells) for name in METRICS
    }
    return {
        "view": view,
        "plane": plots.add(planes.plane(shown, False, marked=known, names=letters).figure, planes.headline(shown)),
        "predicted": planes.predicted(shown) or "",
        "cells": [_cell(by_hash.loc[each], letters[each], view, sure) for each in session.cells],
    }


def _intervals(bench: Benchmark, view: View, hashes: Sequence[str]) -> dict[str, str]:
    """The 90 % interval of each cell's horizontal value where it is predicted, else an empty text."""
    found = explore.cells(bench, view, hashes=hashes)
    return dict(zip(found["hash"], planes.intervals(found, "x", view.axes[0]), strict=True))


def _cell(row: pd.Series, letter: str, view: View, intervals: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
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
    return {
        "letter": letter,
        "hash": row["hash"],
        "drawing": cell_svg(cell, False, width=330, height=150),
        "text": cell.to_text(),
        "artefact": artefact if isinstance(artefact, str) else None,
        "rows": rows,
    }


def _choice(view: ChooseView, bench: Benchmark, plots: Plots) -> dict[str, Any]:
    try:
        found = choose.choose(bench, view)
    except EcnasError as error:
        return {"error": error}
    told = {"error": None, "headline": choices.headline(found)}
    if found.conflict is not None:
        return told | {"conflict": choices.describe_conflict(found.conflict, view.needs), "plane": None}
    front = candidates.details(bench, found.candidates, found.front)
    return told | {
        "conflict": [],
        "plane": plots.add(choices.plane(found, front, False).figure, choices.headline(found)),
        "rows": [
            [
                choices.named(row, found),
                choices.reasons(row),
                choices.gives_up(row, found),
                choices.how_sure(row, found),
            ]
            for _, row in found.shortlist.iterrows()
        ],
        "assumptions": assumptions(view.task),
    }


def _study(study: Study, bench: Benchmark, plots: Plots) -> dict[str, Any]:
    setting = study.plan.setting
    try:
        found = results(study, [], bench, true_front(bench, plane_setting(setting)))
    except NothingFound as error:
        return {"study": study, "error": error}
    names = [each.name for each in found.own]
    front = marked_front(found, names, bench)
    return {
        "study": study,
        "error": None,
        "headline": search.headline(found),
        "setting": setting,
        "plane": plots.add(
            search.plane(found, names, front, found.setting.objectives[:2], False).figure,
            search.front_headline(front, found.metrics),
        ),
        "provenance": search.provenance_note(front, found.metrics),
        "standing": search.standing_rows(found),
    }


def _measurement(measured: Measurement, session: Session, bench: Benchmark, plots: Plots) -> dict[str, Any]:
    lens = measure.nearest_supported_lens(session.view.lens, measured)
    entries = benchmark_reference.entries(bench, measured, lens or session.view.lens)
    told = measure.headline(measured, entries, lens or session.view.lens)
    return {
        "measured": measured,
        "headline": told,
        "flags": measure.flag_messages(measured),
        "drawing": cell_svg(bench.query(measured.hash, space="7V").cell, False, width=330, height=150),
        "numbers": measure.numbers(measured),
        "beside": plots.add(measure.beside_benchmark(measured, entries, lens, 4, False), told)
        if lens is not None and entries["value"].notna().any()
        else None,
    }


def _sources(bench: Benchmark) -> list[list[str]]:
    return [
        [row["source"], f"{row['records']}", row["energy"] or "–", row["accuracy"] or "–"] for row in bench.sources()
    ]
