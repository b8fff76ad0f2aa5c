"""What came of a study: fronts, hypervolume, differences, Table 1, knees, replay, energy, and files to take along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ecnas_core.analysis import convergence
from ecnas_core.analysis.radar import radar
from ecnas_core.analysis.view import View
from ecnas_core.benchmark import EPOCHS
from ecnas_core.carbon.equivalents import telling
from ecnas_core.cells import Cell
from ecnas_core.figures import search as figures
from ecnas_core.figures import study_report
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.explore import value
from ecnas_core.figures.search_live import amount, duration
from ecnas_core.figures.theme import config, format_quantity
from ecnas_core.records import to_json
from ecnas_core.search import Setting, outlook, runner, study_repository
from ecnas_core.search import results as results_
from ecnas_core.search.results import NothingFound, Results, Truth
from ecnas_core.search.study import Study, slug
from pages.widgets import card, chart, downloads, find_the_knee, html, replay, session, study_setup

SECTIONS = {
    "front": "Front",
    "hypervolume": "Hypervolume",
    "difference": "Difference",
    "table": "Table 1",
    "knee": "Knee and extremes",
    "replay": "Replay",
    "guess": "Find the knee",
    "energy": "Energy",
}
SHOWN_AT_FIRST = 5
PUBLISHED_AT_FIRST = 3
EXPLANATION = """\
**Attainment surface**: the median is the border of what at least half of an algorithm's trials have found or
bettered, the band lies between what a quarter and three quarters have (Grunert da Fonseca, Fonseca and Hall 2001).
**Front found**: what none of the shown algorithms' trials together dominates. **True front**: that of all cells of
the table that this study could have found. **Published**: the authors' searches, their cells valued as this study
values them and held to its budgets and bounds; cells that are not identified are left out.

**Hypervolume**: the area or volume that a trial's front dominates, up to 1 kWh at the facility and an error of 0.2,
or the worst feasible value of another objective. **p**: Mann and Whitney's two-sided test (1947), exact for up to 60
trials, corrected over all pairs (Holm 1979). **A12**: the chance that a trial of one is better than one of the other
(Vargha and Delaney 2000); from 0.56 small, 0.64 medium, 0.71 large. Published runs made other numbers of evaluations
and are not tested.

**Knees**, on the objectives scaled to [0, 1] over the front: *chord*, farthest from the line between the extremes (the
paper's section 3); *bend angle* (Deb and Gupta 2011); *utility* (Branke and others 2004); *own weights*, the least
weighted sum. **Table 1**: extremes and chord's knee of each trial's front, mean ± population standard deviation."""
state = st.session_state


def show(study: Study, others: Sequence[Study] = ()) -> dict[str, str]:
    """Show what came of a study.

    Args:
        study: with at least one finished trial; it may still run.
        others: up to three studies to compare it with; those that cannot be compared are named, with the reason.

    Returns:
        What is chosen here as URL parameters, for the page to publish.
    """
    if state.get("results_study") != study.id:
        state.results_study = study.id
        state.results_view = {name: st.query_params.get(f"result_{name}") for name in ("section", "rule")}
    try:
        found = compared(study, others)
    except NothingFound as error:
        st.info(html.sentence(str(error)), icon=":material/hourglass_empty:")
        return {}
    picked(
        "section",
        lambda key: st.segmented_control(
            "What came of it", SECTIONS, format_func=SECTIONS.get, key=key, required=True, label_visibility="collapsed"
        ),
        SECTIONS,
        "front",
    )
    section = state.results_view["section"]
    {
        "front": front,
        "hypervolume": hypervolume,
        "difference": difference,
        "table": table,
        "knee": knee,
        "replay": replayed,
        "guess": guess,
        "energy": energy_section,
    }[section](found)
    notes(found, section)
    take_along(study)
    if state.cell:
        st.divider()
        x, y = found.metrics[:2]
        view = View(
            space=found.setting.space,
            epochs=found.setting.epochs or EPOCHS[-1],
            x=x.key,
            y=y.key,
            lens=found.setting.lens,
        )
        card.show(view, state.cell, {"study": study.id})
    with st.expander("How are these results computed?", icon=":material/function:"):
        st.markdown(EXPLANATION)
    chosen = state.results_view
    defaults = {"section": "front", "rule": "chord"}
    return {f"result_{name}": chosen[name] for name, usual in defaults.items() if chosen.get(name) not in (None, usual)}


def report(study: Study) -> str:
    """The study as one HTML page that needs nothing else: figures, tables, provenance, how to run it again."""
    return study_report.report(compared(study, ()), session.bench())


@st.cache_resource(max_entries=8, show_spinner=False)
def truth_of(setting: Setting, fingerprint: str | None) -> Truth:
    """The best that a setting has; ``fingerprint`` changes with the figures."""
    return results_.true_front(session.bench(), setting)


@st.cache_resource(max_entries=4, show_spinner="Reading the trials")
def _compared(_studies: Sequence[Study], stamp: tuple[object, ...]) -> Results:
    study, *others = _studies
    figures_ = runner.progress(study).figures
    truth = truth_of(results_.plane_setting(study.plan.setting), figures_.fingerprint if figures_ else None)
    return results_.results(study, others, session.bench(), truth)


def compared(study: Study, others: Sequence[Study]) -> Results:
    """The results of studies as they stand."""
    stamp = tuple((each.id, each.name, len(each.finished), each.created) for each in (study, *others))
    return _compared((study, *others), (str(study.data), *stamp))


def picked(name: str, widget: Callable[[str], Any], options: Sequence[Any] | Mapping[Any, Any], usual: Any) -> Any:
    """Show a widget that keeps its value while another section is shown; one that is no option any more is the usual.

    Args:
        name: of the choice.
        widget: shows the widget with the key given.
        options: what can be chosen.
        usual: what is chosen at first; a list where several can be.
    """
    key = f"results_{name}"
    value_ = state[key] if key in state else state.results_view.get(name)
    if isinstance(usual, list):
        known = [each for each in value_ or () if each in options]
        state[key] = usual if value_ and not known else known if value_ is not None else usual
    else:
        state[key] = value_ if value_ in options else usual
    state.results_view[name] = widget(key)
    return state.results_view[name]


def switched(name: str, label: str, usual: bool, help_: str | None = None) -> bool:
    """A toggle that keeps its value while another section is shown."""
    return bool(picked(name, lambda key: st.toggle(label, key=key, help=help_), (True, False), usual))


def algorithms(found: Results, label: str = "Algorithms") -> list[str]:
    """Choose which series are shown; at first the best ones. None chosen shows the best alone."""
    names = [each.name for each in found.own]
    ranked = found.ranking
    usual = [name for name in names if name in ranked[:SHOWN_AT_FIRST]]
    chosen = usual
    if len(names) > 1:
        several = any(each.kind == "other" for each in found.own)  # whose names make long names, which pills cut off

        def widget(key: str) -> list[str]:
            if several:
                return st.multiselect(label, names, key=key)
            return st.pills(label, names, selection_mode="multi", key=key)

        chosen = picked("algorithms", widget, names, usual)
    return [name for name in names if name in chosen] or ranked[:1]


def objectives_of(found: Results) -> tuple[str, ...]:
    """Choose the two objectives of the plane where there are three."""
    keys = found.setting.objectives
    if len(keys) == 2:
        return keys
    labels = {each.key: each.label for each in found.metrics}
    pairs = {f"{a}~{b}": f"{labels[a]}, {labels[b].lower()}" for place, a in enumerate(keys) for b in keys[place + 1 :]}
    chosen = picked(
        "pair",
        lambda key: st.selectbox("Plane", list(pairs), format_func=pairs.get, key=key, width=240),
        pairs,
        next(iter(pairs)),
    )
    return tuple(chosen.split("~"))


def knee_rule(found: Results) -> tuple[str, tuple[float, ...]]:
    """Choose how the knee is found, and weights where they are the user's own."""
    rules = [rule for rule in results_.KNEES if rule != "bend" or len(found.metrics) == 2]
    told = "; ".join(f"*{figures.RULES[each]}*: the point that {figures.SOUGHT[each]}" for each in rules)
    rule = picked(
        "rule",
        lambda key: st.selectbox("Knee", rules, format_func=figures.RULES.get, key=key, width=200, help=f"{told}."),
        rules,
        "chord",
    )
    if rule != results_.WEIGHTS:
        return rule, ()
    weights = [
        picked(
            f"weight_{each.key}",
            lambda key, each=each: st.slider(f"Weight of {each.label.lower()}", 0, 100, step=5, key=key, width=180),
            range(101),
            50,
        )
        for each in found.metrics
    ]
    if not any(weights):
        st.caption("All weights are 0, so all count alike.")
        return rule, (1.0,) * len(weights)
    return rule, tuple(map(float, weights))


def front(found: Results) -> None:
    """The plane of the objectives: attainment surfaces, the true front, the published runs, extremes and knee."""
    st.markdown(f"**{html.plain(figures.headline(found))}**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = algorithms(found)
        pair = objectives_of(found)
        rule, weights = knee_rule(found)
        spread = switched("spread", "Best and worst", False, "The surfaces that at least one trial, and all, attain.")
        published = bool(found.published) and switched(
            "published",
            "Published runs",
            len(found.own) <= PUBLISHED_AT_FIRST,
            "Medians of the authors' searches, dashed in the algorithm's colour.",
        )
    marked = results_.marked_front(found, chosen, session.bench(), rule, weights)
    drawn = figures.plane(
        found, chosen, marked, pair, session.dark(), spread=spread, published=published, selected=state.cell
    )
    chart.cells("search_front", drawn, figures.headline(found), dragging=True)
    downloads.row(
        name_of(found, "front"),
        lambda: marked,
        drawn.figure,
        python(found, f'front = marked_front(found, {chosen!r}, bench, "{rule}", {weights!r})', "marked_front"),
        "One row a point of the front found: metrics, provenances, role",
    )
    st.caption(f"{figures.front_headline(marked, found.metrics)} {figures.provenance_note(marked, found.metrics)}")
    standing(found)


def standing(found: Results) -> None:
    """The table of all series."""
    html.quantities(*figures.standing_rows(found))


def hypervolume(found: Results) -> None:
    """How quickly the hypervolume grew, and what each trial reached."""
    pairs = found.pairs
    headline = figures.growth_headline(found)
    st.markdown(f"**{html.plain(headline)}**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = algorithms(found)
        published = bool(found.published) and switched(
            "published",
            "Published runs",
            len(found.own) <= PUBLISHED_AT_FIRST,
            "Medians of the authors' searches, dashed in the algorithm's colour.",
        )
    volumes = found.volumes
    shown = {
        name: reached
        for name, reached in volumes.items()
        if name in chosen or (published and found.named(name).kind == "published")
    }
    members = [trial for name in shown for trial in found.named(name).trials]
    left, right = st.columns([7, 6], gap="medium")
    with left:
        figure = figures.growth(found, chosen, published, session.dark())
        st.plotly_chart(figure, theme=None, config=config("ec-nas-search-growth"), key="search_growth", alt=headline)
        downloads.row(
            name_of(found, "growth"),
            lambda: convergence.bands(members, found.truth.reference),
            figure,
            python(
                found,
                "bands = convergence.bands([trial for each in found.series for trial in "
                "each.trials], found.truth.reference)",
                analysis="convergence",
            ),
            "Median, quartiles and range of the hypervolume wherever one changes",
        )
    with right:
        dots = figures.reached(found, shown, session.dark())
        st.plotly_chart(
            dots,
            theme=None,
            config=config("ec-nas-search-reached"),
            key="search_reached",
            alt=figures.describe_reached(shown, found.truth.hypervolume),
        )
        downloads.row(
            name_of(found, "reached"),
            lambda: convergence.reached(members, found.truth.reference),
            dots,
            python(found, "volumes = found.volumes"),
            "One row a trial",
        )
    st.header("Beyond chance?", anchor=False)
    if pairs.empty:
        st.caption("There is one algorithm only; compare it with another study, or run several in one.")
        return
    html.quantities(*figures.pair_rows(pairs), notes=True)


def difference(found: Results) -> None:
    """Where one algorithm's trials reach more often than another's."""
    names = [each.name for each in found.series]
    if len(names) < 2:
        st.info("There is one algorithm only; compare the study with another one above.", icon=":material/compare:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        a = picked("a", lambda key: st.selectbox("Where", names, key=key, width=220), names, names[0])
        rest = [name for name in names if name != a]
        b = picked("b", lambda key: st.selectbox("reaches more than", rest, key=key, width=220), rest, rest[0])
        pair = objectives_of(found)
    areas, _ = figures.differences(found, a, b, pair)
    headline = figures.difference_headline(a, b, areas)
    st.markdown(f"**{html.plain(headline)}**")
    figure = figures.difference(found, a, b, pair, session.dark())
    st.plotly_chart(
        figure, theme=None, config=config("ec-nas-search-difference"), key="search_difference", alt=headline
    )
    downloads.row(
        name_of(found, "difference"),
        lambda: areas,
        figure,
        python(
            found,
            f"a, b = ([trial.points[trial.feasible] for trial in found.named(name).trials]\n"
            f"        for name in {(a, b)!r})\n"
            "areas = attainment.difference(a, b, found.truth.reference)",
            analysis="attainment",
        ),
        "Rectangles of the plane with the difference of the shares of trials",
    )
    st.caption(
        "Each place has the colour of the algorithm more of whose trials find something at least as good; the "
        "strongest tint stands for 80 to 100 % more, the faintest for up to 20 %. Lines are the medians."
    )


def table(found: Results) -> None:
    """The paper's Table 1 for this study, and its radar picture."""
    whole = table_of(found)
    names = list(dict.fromkeys(whole["name"]))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        first = picked(
            "radar", lambda key: st.selectbox("Radar of", names, key=key, width=220), names, found.ranking[0]
        )
        rest = ["nothing", *(name for name in names if name != first)]
        second = picked("radar_beside", lambda key: st.selectbox("beside", rest, key=key, width=220), rest, "nothing")
    headline = figures.radar_headline(whole, first)
    st.markdown(f"**{html.plain(headline)}**")
    drawn = [first, *([second] if second != "nothing" else [])]
    lengths = radar(whole[whole["name"].isin(drawn)])
    left, right = st.columns([5, 9], gap="medium")
    with left:
        figure = figures.radar(lengths, drawn, found.metrics, session.dark())
        st.plotly_chart(figure, theme=None, config=config("ec-nas-search-radar"), key="search_radar", alt=headline)
        st.caption(figures.radar_axes(lengths))
    with right:
        html.quantities(*figures.table_rows(whole))
        st.caption(figures.table_note(whole, found.setting.epochs))
    downloads.row(
        name_of(found, "table-1"),
        lambda: whole,
        figure,
        python(found, "table = table1.summarise(found.frame, found.setting.objectives)", analysis="table1"),
        "One row an algorithm, point and metric, beside the paper's",
    )


def table_of(found: Results) -> pd.DataFrame:
    """Table 1 for the study and for the published runs of the space, each with its name."""
    return _table_of(found, stamp_of(found))


def stamp_of(found: Results) -> tuple[object, ...]:
    """What tells results apart."""
    return (found.study.id, tuple(each.name for each in found.series), len(found.frame))


@st.cache_resource(max_entries=4, show_spinner=False)
def _table_of(_found: Results, stamp: tuple[object, ...]) -> pd.DataFrame:
    return study_report.table_1(_found, session.bench())


def knee(found: Results) -> None:
    """The extremes and the knee of the front found, as small cards."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = algorithms(found, "Front of")
        rule, weights = knee_rule(found)
    marked = results_.marked_front(found, chosen, session.bench(), rule, weights)
    st.markdown(f"**{figures.front_headline(marked, found.metrics)}**")
    named = [
        (role, row)
        for role in figures.role_names(found.metrics)
        for _, row in marked.iterrows()
        if role in row["role"].split(", ")
    ]
    html.drawing(operations_legend(session.dark()))
    columns = st.columns(len(named), gap="medium")
    for column, (role, row) in zip(columns, named, strict=True):
        with column:
            small_card(role, row, found)
    st.caption(f"{figures.provenance_note(marked, found.metrics)}")
    downloads.row(
        name_of(found, "knee"),
        lambda: marked[marked["role"] != ""],
        figures.plane(found, chosen, marked, found.setting.objectives[:2], session.dark()).figure,
        python(found, f'front = marked_front(found, {chosen!r}, bench, "{rule}", {weights!r})', "marked_front"),
        "One row a marked cell: metrics, provenances, role",
    )


def small_card(role: str, row: pd.Series, found: Results) -> None:
    """One cell: its drawing, what it costs and gives, and from where that is known."""
    cell = Cell.from_bits(row["vertices"], row["edge_bits"], row["ops"])
    st.markdown(
        f"**{role}** {figures.role_names(found.metrics)[role]}: `{row['hash'][:8]}`, {int(row['epochs'])} epochs"
    )
    html.drawing(cell_svg(cell, session.dark(), width=330, height=150))
    rows = []
    for each in figures.card_metrics(found):
        source = row[each.provenance] if each.provenance else None
        known = isinstance(source, str) and not pd.isna(row[each.key])
        rows.append([each.label, value(each, row[each.key]), source if known else ""])
    rows.append(["Found by", "", f"{row['algorithm']}, trial {row['trial'] + 1}, evaluation {row['evaluation'] + 1}"])
    html.quantities(["Quantity", "Value", ""], rows, notes=True)
    if row["artefact"]:
        st.caption(":material/warning: Its surrogate energy is an artefact.")
    st.button(
        "Open its card",
        key=f"results_open_{role}",
        type="tertiary",
        icon=":material/open_in_full:",
        on_click=card.open_cell,
        args=(row["hash"],),
    )


def replayed(found: Results) -> None:
    """One trial, generation by generation."""
    names = [each.name for each in found.own]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = picked("replay", lambda key: st.selectbox("Algorithm", names, key=key, width=220), names, names[0])
        series = found.named(name)
        numbers = [trial.trial for trial in series.trials]
        number = picked(
            "replay_trial",
            lambda key: st.selectbox("Trial", numbers, format_func=lambda each: str(each + 1), key=key, width=90),
            numbers,
            numbers[0],
        )
        pair = objectives_of(found)
    replay.show(found, series, number, pair)


def guess(found: Results) -> None:
    """Find the knee yourself."""
    pair = found.setting.objectives[:2]
    names = [each.name for each in found.own]
    rows = results_.pooled_front(found, names, pair)
    find_the_knee.show(f"{found.study.id}~{len(rows)}", rows, found.metrics[:2])


def energy_section(found: Results) -> None:
    """What the search took, against training for real what it asked for."""
    lens = found.setting.lens
    needed, seconds = _needed(found, stamp_of(found))
    if needed.unknown == needed.trainings:
        st.info(
            f"The scope {lens.scope} of the lens is not known for these trainings, so their energy is not either. "
            "Choose Facility or IT in the lens, and search again.",
            icon=":material/info:",
        )
        return
    watts = study_setup.watts()
    taken = outlook.energy_kwh(seconds, watts)
    headline = figures.energy_headline(taken, needed.energy_kwh)
    st.markdown(f"**{html.plain(headline)}**")
    figure = figures.energy_bars(taken, needed.energy_kwh, session.dark())
    st.plotly_chart(figure, theme=None, config=config("ec-nas-search-energy"), key="search_energy", alt=headline)
    html.facts(
        [
            (
                "Trainings",
                format_quantity(needed.trainings, digits=None),
                f"of {format_quantity(needed.cells, digits=None)} different cells, each once a budget",
            ),
            (
                "Training them for real",
                amount(needed.energy_kwh),
                f"{duration(needed.training_time_s)} on one GPU"
                + (f", {needed.predicted} times predicted" if needed.predicted else "")
                + (f", the time of {needed.untimed} is not known" if needed.untimed else ""),
            ),
            ("The search", amount(taken), f"{duration(seconds)} of trials"),
            *(
                [
                    (
                        "As much as",
                        f"{format_quantity(alike.count(needed.energy_kwh * lens.intensity / 1000), digits=2)} "
                        f"{alike.plural}",
                        f"{amount(needed.energy_kwh)} at {lens.intensity:.0f} gCO2eq/kWh",
                    )
                ]
                if (alike := next(iter(telling(needed.energy_kwh * lens.intensity / 1000)), None))
                else []
            ),
        ]
    )
    downloads.row(
        name_of(found, "energy"),
        lambda: pd.DataFrame([vars(needed) | {"search_kwh": taken}]),
        figure,
        python(
            found,
            "evaluations = study_repository.evaluations(study)\n"
            "needed = study_repository.training(evaluations, found.setting.space, found.setting.lens, bench)",
            repository=True,
        ),
        "One row: what training would take",
    )
    st.caption(
        f"The search is not measured: the {duration(seconds)} of its trials × the {watts:g} W that Set up assumes of "
        f"a busy core. Training: the energies of the table, {lens.describe()}, a cell and budget that several trials "
        "asked for counted once." + (f" {needed.unknown} trainings have no known energy." if needed.unknown else "")
    )


@st.cache_resource(max_entries=8, show_spinner="Adding the trainings up")
def _needed(_found: Results, stamp: tuple[object, ...]) -> tuple[study_repository.Training, float]:
    """What training for real would take, and how long the trials took, in s."""
    own = _found.frame[(_found.frame["study"] == _found.study.id).to_numpy(bool)]
    needed = study_repository.training(own, _found.setting.space, _found.setting.lens, session.bench())
    return needed, float(study_repository.trials(_found.study)["seconds"].sum())


def notes(found: Results, section: str) -> None:
    """What is not comparable, and what was left out."""
    for name, reason in found.left_out.items():
        st.info(f"{html.plain(name)} is left out: {html.plain(reason)}.", icon=":material/compare_arrows:")
    for name, words in found.differences.items():
        st.caption(f":material/compare_arrows: {html.plain(name)} differs in {words}.")
    if found.added:
        alone = next(each.label.lower() for each in found.metrics if each.key != found.added)
        beside = next(each.label.lower() for each in found.metrics if each.key == found.added)
        st.caption(
            f":material/info: The study minimised {alone} alone; {beside} stands beside it to look at its cells."
        )
    broken = study_repository.file_problems(found.study)
    for path, reason in broken.items():
        st.warning(f"The file {html.code(path.name)} is left out: {html.plain(reason)}.", icon=":material/warning:")
    missing = len(found.study.missing)
    if missing:
        st.caption(f":material/hourglass_empty: {missing} of {len(found.study.plan.tasks)} trials have not finished.")
    if found.unidentified and section in ("front", "hypervolume", "difference"):
        st.caption(
            f"{format_quantity(found.unidentified, digits=None)} evaluations of published runs are left out: their "
            "cells are not identified."
        )


def take_along(study: Study) -> None:
    """The whole study as files."""
    name = f"ec-nas-{slug(study.name)}"
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown("**The whole study**", width="content")
        for label, ending, mime, content, what in (
            (
                "Evaluations, CSV",
                ".csv",
                "text/csv",
                lambda: study_repository.evaluations(study).to_csv(index=False).encode(),
                "One row a question of every finished trial",
            ),
            (
                "Evaluations, Parquet",
                ".parquet",
                "application/vnd.apache.parquet",
                lambda: study_repository.to_parquet(study),
                "One row a question of every finished trial",
            ),
            (
                "Summary, JSON",
                ".json",
                "application/json",
                lambda: to_json(study_repository.document(study), indent=1).encode(),
                "Plan, fronts, extremes and knees of all trials, as the command line prints it",
            ),
            (
                "Report, HTML",
                "-report.html",
                "text/html",
                lambda: report(study).encode(),
                "Figures, tables, settings and how to run it again, in one file",
            ),
        ):
            downloads.button(label, name, ending, mime, content, what)


def name_of(found: Results, what: str) -> str:
    """What a download of a section is called."""
    return f"ec-nas-{slug(found.study.name)}-{what}"


def python(found: Results, line: str, name: str = "", analysis: str = "", repository: bool = False) -> str:
    """Source that computes the same as a section."""
    names = ", ".join(sorted(filter(None, ("plane_setting", "results", "true_front", name))))
    return (
        (f"from ecnas_core.analysis import {analysis}\n" if analysis else "")
        + "from ecnas_core import Benchmark\n"
        + f"from ecnas_core.search import {'runner, study_repository' if repository else 'runner'}\n"
        + f"from ecnas_core.search.results import {names}\n\n"
        + "bench = Benchmark.open()\n"
        + f'study = runner.find("{found.study.id}", bench.data)\n'
        + "found = results(study, [], bench, true_front(bench, plane_setting(study.plan.setting)))\n"
        + line
    )
