"""A study as one HTML page that needs nothing else: figures, tables, provenance, settings, and how to run it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ecnas_core.analysis import table1
from ecnas_core.analysis.radar import radar
from ecnas_core.benchmark.store import Benchmark
from ecnas_core.cells import Cell
from ecnas_core.figures import search as figures
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.document import LICENCES, Plot, Plots
from ecnas_core.figures.explore import value
from ecnas_core.figures.search_live import amount, duration
from ecnas_core.figures.theme import format_quantity
from ecnas_core.search import reproduce, study_repository
from ecnas_core.search.results import Results, marked_front
from ecnas_core.templating import render

if TYPE_CHECKING:
    import pandas as pd


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
    plan = found.study.plan
    lengths = radar(table[table["name"] == ranked[0]])
    plots = Plots()
    return render(
        "ecnas_core/figures/templates/study_report.html.j2",
        title=found.study.name,
        study=found.study,
        made=datetime.fromtimestamp(found.study.created, UTC).strftime("%d %B %Y, %H:%M UTC"),
        headline=figures.headline(found),
        plane=plots.add(
            figures.plane(found, names, front, pair, False).figure, figures.front_headline(front, found.metrics)
        ),
        provenance=figures.provenance_note(front, found.metrics),
        standing=figures.standing_rows(found),
        growth=plots.add(figures.growth(found, names, True, False), figures.growth_headline(found)),
        reached=plots.add(
            figures.reached(found, found.volumes, False),
            figures.describe_reached(found.volumes, found.truth.hypervolume),
        ),
        pairs=figures.pair_rows(found.pairs) if len(found.pairs) else None,
        ranked=ranked,
        difference=_difference(found, ranked[0], ranked[1], plots) if len(ranked) > 1 else None,
        legend=operations_legend(False),
        cells=[_cell(row, found) for _, row in front.iterrows() if row["role"]],
        table_1=figures.table_rows(table),
        table_note=figures.table_note(table, found.setting.epochs),
        radar=plots.add(
            figures.radar(lengths, [ranked[0]], found.metrics, False), figures.radar_headline(table, ranked[0])
        ),
        radar_axes=figures.radar_axes(lengths),
        energy=_energy(found, bench),
        settings=_settings(found),
        command=reproduce.command_line(plan),
        python=reproduce.python(plan),
        licences=LICENCES,
    )


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


def _difference(found: Results, a: str, b: str, plots: Plots) -> Plot:
    pair = found.setting.objectives[:2]
    areas, _ = figures.differences(found, a, b, pair)
    return plots.add(figures.difference(found, a, b, pair, False), figures.difference_headline(a, b, areas))


def _cell(row: pd.Series, found: Results) -> dict[str, Any]:
    cell = Cell.from_bits(row["vertices"], row["edge_bits"], row["ops"])
    rows: list[list[str]] = []
    for each in figures.card_metrics(found):
        source = row[each.provenance] if each.provenance else None
        known = isinstance(source, str) and row[each.key] == row[each.key]
        rows.append([each.label, value(each, row[each.key]), str(source) if known else ""])
    drawing = cell_svg(cell, False, width=330, height=150)
    return {
        "role": row["role"],
        "hash": row["hash"],
        "epochs": int(row["epochs"]),
        "drawing": drawing,
        "rows": rows,
    }


def _energy(found: Results, bench: Benchmark) -> str:
    study, lens = found.study, found.setting.lens
    own = found.frame[(found.frame["study"] == study.id).to_numpy(bool)]
    needed = study_repository.training(own, found.setting.space, lens, bench)
    seconds = float(study_repository.trials(study)["seconds"].sum())
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
