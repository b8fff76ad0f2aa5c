"""A study as one HTML page that needs nothing else: figures, tables, provenance, settings, and how to run it again."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from ecnas_core.analysis import table1
from ecnas_core.analysis.radar import radar
from ecnas_core.benchmark.paper import CITATION
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.figures import document
from ecnas_core.figures import search as figures
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.explore import value
from ecnas_core.figures.search_live import amount, duration
from ecnas_core.figures.theme import format_quantity
from ecnas_core.search import lab, reproduce
from ecnas_core.search.results import Results, marked_front

if TYPE_CHECKING:
    import pandas as pd

LICENCES: Final = (
    "Figures: EC-NAS-Bench, MIT (c) 2022 Pedram Bakh.; its surrogate, MIT (c) 2022 Raghavendra Selvan; NAS-Bench-101, "
    "Apache-2.0 (Ying and others 2019). " + CITATION + "."
)


def report(found: Results, bench: Benchmark) -> str:
    """The page.

    Args:
        found: the results of a study.
        bench: where the figures are from.

    Returns:
        HTML with plotly's library in it, some 5 MB.
    """
    names = [each.name for each in found.own]
    front = marked_front(found, names, bench)
    table = table_1(found, bench)
    ranked = found.ranking
    pair = found.setting.objectives[:2]
    plots = document.Plots()
    parts = [
        f'<p class="note">{escape(_when(found))}</p>',
        f'<p class="lead">{escape(figures.headline(found))}</p>',
        "<h2>Fronts</h2>",
        plots.add(figures.plane(found, names, front, pair, False).figure, figures.front_headline(front, found.metrics)),
        f'<p class="note">{escape(figures.front_headline(front, found.metrics))} '
        f"{escape(figures.provenance_note(front, found.metrics))} Lines: median attainment surfaces, bands: quartiles; "
        "dashed: the authors' published searches; dotted: the true front of the table.</p>",
        document.table(*figures.standing_rows(found)),
        "<h2>Hypervolume</h2>",
        plots.add(figures.growth(found, names, True, False), figures.growth_headline(found)),
        plots.add(
            figures.reached(found, found.volumes, False), figures.reached_told(found.volumes, found.truth.hypervolume)
        ),
    ]
    if len(found.pairs):
        parts.append(document.table(*figures.pair_rows(found.pairs)))
    if len(ranked) > 1:
        a, b = ranked[:2]
        areas, _ = figures.differences(found, a, b, pair)
        parts += [
            f"<h2>Difference of {escape(a)} and {escape(b)}</h2>",
            f"<p>{escape(figures.difference_headline(a, b, areas))}</p>",
            plots.add(figures.difference(found, a, b, pair, False), figures.difference_headline(a, b, areas)),
        ]
    best = ranked[0]
    lengths = radar(table[table["name"] == best])
    parts += [
        "<h2>Extremes and knee</h2>",
        f"<div>{operations_legend(False)}</div>",
        f'<div class="cells">{"".join(_cell(row, found) for _, row in front.iterrows() if row["role"])}</div>',
        "<h2>Table 1 for this study</h2>",
        document.table(*figures.table_rows(table)),
        f'<p class="note">{escape(figures.table_note(table, found.setting.epochs))}</p>',
        f"<p>{escape(figures.radar_headline(table, best))}</p>",
        plots.add(figures.radar(lengths, [best], found.metrics, False), figures.radar_headline(table, best)),
        f'<p class="note">{escape(figures.radar_axes(lengths))}</p>',
        "<h2>Energy</h2>",
        f"<p>{escape(_energy(found, bench))}</p>",
        "<h2>Settings</h2>",
        f'<div class="words">{document.table(["", ""], _settings(found))}</div>',
        "<h2>Run it again</h2>",
        *_again(found),
        f'<p class="note">{escape(LICENCES)}</p>',
    ]
    return document.page(found.study.name, parts)


def table_1(found: Results, bench: Benchmark) -> pd.DataFrame:
    """Table 1 for a study, those beside it and, where it minimised what the paper does, the published runs.

    Returns:
        As ``analysis.table1.beside_printed`` gives it, with ``name`` for the series.
    """
    import pandas as pd

    own = found.frame[(found.frame["study"] != table1.PUBLISHED).to_numpy(bool)]
    summed = table1.summarise(own, found.setting.objectives, table1.artefacts(bench, found.setting.space))
    as_printed = found.setting.objectives == ("energy", "validation_error")
    parts = [table1.beside_printed(summed, found.setting.space if as_printed and found.setting.epochs is None else "")]
    if as_printed:
        parts.append(table1.table_1(bench, found.setting.space))
    table = pd.concat(parts, ignore_index=True)
    names = {(each.study, each.algorithm): each.name for each in found.series}
    table["name"] = [
        names.get((row.study, row.algorithm), f"{row.algorithm} published") for row in table.itertuples(index=False)
    ]
    order = {each.name: place for place, each in enumerate(found.series)}
    return table.sort_values("name", key=lambda column: column.map(order), kind="stable", ignore_index=True)


def _when(found: Results) -> str:
    study = found.study
    made = datetime.fromtimestamp(study.created, UTC).strftime("%d %B %Y, %H:%M UTC")
    done = f"{len(study.finished)} of {len(study.plan.tasks)} trials"
    return f"A study of EC-NAS Explorer, {made}, {done}, id {study.id}"


def _cell(row: pd.Series, found: Results) -> str:
    cell = Cell.from_bits(row["vertices"], row["edge_bits"], row["ops"])
    rows: list[list[str]] = []
    for each in figures.card_metrics(found):
        source = row[each.provenance] if each.provenance else None
        known = isinstance(source, str) and row[each.key] == row[each.key]
        rows.append([each.label, value(each, row[each.key]), str(source) if known else ""])
    return (
        f"<div><p><b>{escape(row['role'])}</b> {escape(row['hash'])}, {int(row['epochs'])} epochs</p>"
        f"{cell_svg(cell, False, width=330, height=150)}{document.table(['', '', ''], rows)}</div>"
    )


def _energy(found: Results, bench: Benchmark) -> str:
    study, lens = found.study, found.setting.lens
    own = found.frame[(found.frame["study"] == study.id).to_numpy(bool)]
    needed = lab.training(own, found.setting.space, lens, bench)
    seconds = float(lab.trials(study)["seconds"].sum())
    return (
        f"Training for real the {format_quantity(needed.trainings, digits=None)} cells and budgets that the study "
        f"asked for would take {amount(needed.energy_kwh)} ({lens.describe()}) and "
        f"{duration(needed.training_time_s)} on one GPU; the trials took {duration(seconds)}."
    )


def _settings(found: Results) -> list[list[str]]:
    plan = found.study.plan
    setting = plan.setting
    bounds = [f"{key} {least:g} to {most:g}" for key, least, most in setting.bounds]
    return [
        ["Space", setting.space],
        ["Minimised", ", ".join(each.axis for each in setting.metrics)],
        ["Training budgets (epochs)", ", ".join(map(str, setting.budgets))],
        ["Bounds", "; ".join(bounds) or "none"],
        ["Accuracies", setting.accuracy],
        ["Surrogate's artefacts", "feasible" if setting.artefacts else "excluded"],
        ["Sampling", setting.sampling],
        ["Charged", setting.charging],
        ["Lens", setting.lens.describe()],
        ["Evaluations of a trial", ", ".join(f"{name} {count}" for name, count in plan.evaluations.items())],
        ["Seeds", ", ".join(map(str, plan.seeds[:20])) + (" ..." if len(plan.seeds) > 20 else "")],
        ["Hypervolume's reference", ", ".join(f"{worst:.4g}" for worst in found.truth.reference)],
        ["True front", f"{len(found.truth.front)} points, hypervolume {format_quantity(found.truth.hypervolume)}"],
    ]


def _again(found: Results) -> list[str]:
    command = reproduce.command_line(found.study.plan)
    told = [] if command is None else [f"<p>On the command line:</p><pre>{escape(command)}</pre>"]
    return [*told, f"<p>In Python:</p><pre>{escape(reproduce.python(found.study.plan))}</pre>"]
