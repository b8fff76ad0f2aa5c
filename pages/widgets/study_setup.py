"""The set-up of a study: presets, choices, what it will take, and the button that starts it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import streamlit as st
from msgspec import Meta
from msgspec.structs import fields

from ecnas_core.analysis.metrics import METRICS, MetricName, metric
from ecnas_core.benchmark import EPOCHS
from ecnas_core.carbon import Lens
from ecnas_core.cells import SPACES, Space
from ecnas_core.errors import EcnasError
from ecnas_core.figures import search_live as figures
from ecnas_core.figures.theme import format_percent, format_quantity
from ecnas_core.records import InvalidRecord, OneOf, Param, Record, distinct
from ecnas_core.search import ALGORITHMS, DEFAULT, Setting, outlook, reproduce, runner
from ecnas_core.search.problem import Accuracy, Charging, Sampling
from ecnas_core.search.study import InvalidPlan, Plan
from pages.widgets import html, problem
from pages.widgets.session import bench

ALL_BUDGETS = 0
LEAST_OBJECTIVES, MOST_OBJECTIVES = 2, 3
MOST_TRIALS, MOST_EVALUATIONS = 100, 100_000
LARGEST_SEED = 2**31 - 1 - MOST_TRIALS
WATTS = 15.0
STUDIES_TIMED = 6
OFFERED = tuple(name for name, each in ALGORITHMS.items() if max(each.objectives) >= LEAST_OBJECTIVES)
Offered = Annotated[str, OneOf(OFFERED)]
Evaluations = Annotated[int, Meta(ge=1, le=MOST_EVALUATIONS)]
OBJECTIVES = tuple(key for key in METRICS if not key.endswith("accuracy"))
CHOICES = {
    "charging": {"unique": "New questions", "all": "Every question"},
    "sampling": {"uniform": "Cells alike", "matrix": "As the paper"},
    "accuracy": {"published": "Published", "any": "Also predicted"},
}
state = st.session_state


class SetUp(Record, frozen=True):
    """What is chosen for a study.

    Attributes:
        algorithms: to be compared.
        space: that is searched.
        objectives: two or three, minimised.
        epochs: the training budget; ``ALL_BUDGETS`` stands for all four.
        evaluations: of each trial.
        own: algorithms with another number of evaluations, each with it.
        trials: of each algorithm.
        seed: of the first trial.
        charging, sampling, accuracy, artefacts, bounds: as in ``Setting``.
    """

    algorithms: Annotated[tuple[Offered, ...], Param(read=distinct)] = (DEFAULT,)
    space: Space = "5V"
    objectives: Annotated[tuple[str, ...], Param(read=distinct)] = ("energy", "validation_error")
    epochs: Annotated[int, OneOf((ALL_BUDGETS, *EPOCHS))] = EPOCHS[-1]
    evaluations: Evaluations = 1000
    own: tuple[tuple[Offered, Evaluations], ...] = ()
    trials: Annotated[int, Meta(ge=1, le=MOST_TRIALS)] = 5
    seed: Annotated[int, Meta(ge=0, le=LARGEST_SEED)] = 0
    charging: Charging = "unique"
    sampling: Sampling = "uniform"
    accuracy: Accuracy = "published"
    artefacts: bool = False
    bounds: tuple[tuple[MetricName, float, float], ...] = ()

    def plan(self, lens: Lens) -> Plan:
        """What the study does, under a lens.

        Raises:
            InvalidPlan, InvalidRecord: a choice is out of its range.
        """
        if len(self.objectives) < LEAST_OBJECTIVES:
            raise InvalidRecord("a front needs two objectives; choose two or three")
        for name in self.algorithms:
            if len(self.objectives) not in ALGORITHMS[name].objectives:
                raise InvalidPlan(f"{ALGORITHMS[name].supported('choose')}, or leave it out")
        setting = Setting(
            space=self.space,
            objectives=self.objectives,
            bounds=self.bounds,
            epochs=self.epochs or None,
            accuracy=self.accuracy,
            artefacts=self.artefacts,
            sampling=self.sampling,
            charging=self.charging,
            lens=lens,
        )
        own = dict(self.own)
        counts = {name: own.get(name, self.evaluations) for name in self.algorithms}
        return Plan(setting, counts, tuple(range(self.seed, self.seed + self.trials)))


class SearchView(Record, frozen=True):
    """What the page Search shows.

    Attributes:
        section: the set-up of a study, one study, or the list of all.
        setup: the choices for a new study.
        studies: ids of the study that is shown and of those beside it.
    """

    section: Literal["setup", "study", "studies"] = "setup"
    studies: Annotated[tuple[str, ...], Param("study", read=distinct)] = ()
    setup: SetUp = SetUp()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The view that ``to_params`` wrote; a link with a study alone opens it.

        Raises:
            EcnasError: a part is unknown or out of range.
        """
        view = super().from_params(({"section": "study"} if distinct(params.get("study", "")) else {}) | {**params})
        view.setup.plan(Lens())
        return view


PRESETS = {
    "Quick": SetUp(),
    "Class demo": SetUp(algorithms=("RS", "SEMOA-L"), space="4V", evaluations=40, trials=10),
    "The paper's setting": SetUp(
        algorithms=("SEMOA", "SH-EMOA", "MS-EHVI", "RS"),
        space="7V",
        epochs=ALL_BUDGETS,
        own=(("SEMOA", 1010), ("SH-EMOA", 143), ("MS-EHVI", 110)),
        trials=10,
        charging="all",
        sampling="matrix",
    ),
}
TOLD = {
    "Quick": "One search of 5V at 108 epochs, five times: done in a few seconds, and close to the true front.",
    "Class demo": "Chance against evolution on 91 cells: which finds the front with 40 trainings?",
    "The paper's setting": "Its four searches of 7V with ten trials each and the numbers of evaluations that the "
    "authors published: all budgets, every question charged, cells drawn as bits.",
}
OWN = "Your own choice of settings."


@dataclass(frozen=True)
class Chosen:
    """What the form says now.

    Attributes:
        setup: the choices.
        plan: of them; None where they make none.
        problem: why not.
    """

    setup: SetUp
    plan: Plan | None
    problem: str = ""


def _start(initial: SetUp) -> None:
    """Begin what the form says at this moment, and turn to it."""
    chosen = _chosen(initial)
    if chosen.plan is None:
        raise InvalidPlan(chosen.problem)
    study = runner.start(chosen.plan, bench().data, state.search_name.strip() or None)
    state.search_section = "study"
    state.search_shown = [study.id]
    state.search_name = ""


def show(initial: SetUp) -> SetUp:
    """Show the form.

    Args:
        initial: what is chosen as the page is opened.

    Returns:
        What is chosen now.
    """
    state.setdefault("search_watts", watts())
    chosen = _chosen(initial)
    _head(chosen, initial)
    if chosen.plan is None:
        st.error(html.sentence(chosen.problem), icon=":material/error:")
    else:
        _expected(chosen.plan)
    _choices(chosen.setup)
    if chosen.plan is not None:
        with st.popover("Copy as Python, command", icon=":material/code:", type="tertiary"):
            copies(chosen.plan, state.get("search_name", "").strip())
    return chosen.setup


def copies(plan: Plan, name: str = "") -> None:
    """The same study as Python and as a command."""
    st.code(reproduce.python(plan, name), language="python", wrap_lines=True)
    line = reproduce.command_line(plan, name)
    if line is None:
        st.caption(
            "The command line cannot say this study: it knows neither objectives, bounds, artefacts and the lens nor "
            "numbers of evaluations by algorithm."
        )
    else:
        st.code(line, language="bash", wrap_lines=True)


def _chosen(initial: SetUp) -> Chosen:
    """What the widgets, about to be shown, hold: their own values, or else the initial ones."""
    given = {
        each.name: state.setdefault(f"search_{each.name}", _as_widget(getattr(initial, each.name)))
        for each in fields(SetUp)
        if each.name not in ("own", "bounds")
    }
    own = dict(initial.own)
    counts = {name: state.setdefault(f"search_own_{name}", own.get(name)) for name in OFFERED}
    limits = {key: (least, most) for key, least, most in initial.bounds}
    bounded = state.setdefault("search_bounded", list(limits))
    ends = {
        key: [
            state.setdefault(f"search_{end}_{key}", value if math.isfinite(value) else None)
            for end, value in zip(("least", "most"), limits.get(key, (-math.inf, math.inf)), strict=True)
        ]
        for key in METRICS
    }
    setup = SetUp(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()},
        own=tuple((name, counts[name]) for name in given["algorithms"] if counts[name] is not None),
        bounds=tuple((key, *_range(*ends[key])) for key in bounded if ends[key] != [None, None]),
    )
    try:
        return Chosen(setup, setup.plan(state.lens))
    except EcnasError as error:
        return Chosen(setup, None, str(error))


def _range(least: float | None, most: float | None) -> tuple[float, float]:
    return -math.inf if least is None else least, math.inf if most is None else most


def _as_widget(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _apply_preset() -> None:
    """Put a preset into the widgets."""
    preset = PRESETS.get(state.search_preset)
    if preset is None:
        return
    for each in fields(SetUp):
        if each.name not in ("own", "bounds"):
            state[f"search_{each.name}"] = _as_widget(getattr(preset, each.name))
    own = dict(preset.own)
    for name in OFFERED:
        state[f"search_own_{name}"] = own.get(name)
    state.search_bounded = []
    for key in METRICS:
        state[f"search_least_{key}"] = state[f"search_most_{key}"] = None


def _head(chosen: Chosen, initial: SetUp) -> None:
    """The preset, the name and the button."""
    state.search_preset = next((name for name, preset in PRESETS.items() if preset == chosen.setup), None)
    hindrance = _hindrance(chosen)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="search_head"):
        st.segmented_control("Preset", list(PRESETS), key="search_preset", on_change=_apply_preset)
        st.text_input(
            "Name",
            key="search_name",
            placeholder="from its algorithms and space",
            width=240,
            help="Under this name, and under its link, the study is found again.",
        )
        st.button(
            "Start the search",
            key="search_start",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(hindrance),
            on_click=problem.attempt,
            args=(_start, initial),
            help=hindrance or "It runs in the background: leave the page or close the tab, and it goes on.",
        )
    st.caption(TOLD.get(state.search_preset, OWN))


@st.cache_data(max_entries=64, show_spinner=False)
def _means(stamp: object, setting: Setting) -> outlook.Means:  # stamp changes with the data
    return outlook.means(bench(), setting)


def averages(setting: Setting) -> outlook.Means:
    """What the average training of a space takes."""
    return _means(bench().stamp, setting)


@st.cache_data(ttl=10, show_spinner=False)
def speed(data: Path) -> float:
    """How much longer than expected the latest studies took on this machine."""
    return outlook.pace([runner.progress(study) for study in runner.studies(data)[-STUDIES_TIMED:]])


def watts() -> float:
    """The power that one busy core is assumed to draw, in W."""
    return state.get("search_assumed", WATTS)


def _hindrance(chosen: Chosen) -> str:
    if chosen.plan is None:
        return "These choices make no search."
    asked = {"energy", "footprint"} & {*chosen.setup.objectives, *(key for key, _, _ in chosen.setup.bounds)}
    if asked and averages(chosen.plan.setting).kwh is None:
        return "The lens's scope is not known in this space."
    return ""


def _expected(plan: Plan) -> None:
    """What the study will take, against the trainings it stands for."""
    average, lens = averages(plan.setting), plan.setting.lens
    told = outlook.outlook(plan, average, speed(bench().data), state.search_watts)
    count = len(plan.algorithms)
    less = f"{figures.times(told.times_less)} as much" if told.times_less else "unknown in this scope"
    html.facts(
        [
            (
                "Trials",
                format_quantity(told.trials, digits=None),
                f"{count} algorithm{'s' * (count > 1)}, {len(plan.seeds)} each",
            ),
            ("Evaluations", format_quantity(told.evaluations, digits=None), "in all, at most"),
            ("The search's time", figures.duration(told.seconds), "about, on this machine"),
            ("The search's energy", figures.energy(told.search_kwh, lens), f"assuming {state.search_watts:g} W a core"),
            ("Training them for real", figures.energy(told.training, lens), less),
            (
                "Time of that",
                figures.duration(told.training_s),
                "one training after the other"
                + (f", {format_percent(average.predicted, 0)} predicted" if average.predicted else ""),
            ),
        ]
    )
    if average.kwh is None:
        st.warning(
            f"The scope {lens.scope} of the lens is not known in {plan.setting.space}: its surrogate predicts facility "
            "energy. Choose Facility or IT in the lens, or another space.",
            icon=":material/info:",
        )


def _choices(setup: SetUp) -> None:
    """Everything that can be chosen."""
    st.pills(
        "Algorithms",
        OFFERED,
        selection_mode="multi",
        key="search_algorithms",
        help="One or several; each makes the same number of trials. Regularised evolution, for one objective, is "
        "to be had in Python.",
    )
    st.caption("  \n".join(f"**{name}**: {ALGORITHMS[name].summary}" for name in setup.algorithms))
    what, how = st.columns([5, 6], gap="large")
    with what:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.segmented_control(
                "Space",
                list(SPACES),
                key="search_space",
                required=True,
                help="4V: 91 cells, 5V: 2 532, 7V: 423 624, 26 000 of them with a published accuracy. "
                "Each has an energy scale of its own.",
            )
            st.segmented_control(
                "Epochs",
                [*EPOCHS, ALL_BUDGETS],
                key="search_epochs",
                required=True,
                format_func=lambda epochs: str(epochs or "All"),
                help="The training budget of every evaluation. All: the search chooses one for each "
                "cell, and the front has several.",
            )
        st.multiselect(
            "Objectives",
            OBJECTIVES,
            key="search_objectives",
            max_selections=MOST_OBJECTIVES,
            format_func=lambda key: metric(key, state.lens).axis,
            help="Two or three, all minimised; the first two are the axes of the picture.",
        )
    with how:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.number_input(
                "Evaluations",
                1,
                MOST_EVALUATIONS,
                step=100,
                key="search_evaluations",
                width=116,
                help="How many trainings each trial may ask the benchmark for.",
            )
            st.number_input(
                "Trials",
                1,
                MOST_TRIALS,
                step=1,
                key="search_trials",
                width=92,
                help="How often each algorithm starts afresh, with another seed: chance shows in their spread.",
            )
            st.number_input(
                "Seed",
                0,
                LARGEST_SEED,
                step=1,
                key="search_seed",
                width=92,
                help="Of the first trial; the others have the next ones. The same seed gives the same search.",
            )
            with st.popover("By algorithm", icon=":material/tune:"):
                st.caption("Evaluations of a trial of an algorithm that shall have a number of its own.")
                for name in OFFERED:
                    st.number_input(
                        name, 1, MOST_EVALUATIONS, step=10, key=f"search_own_{name}", placeholder=str(setup.evaluations)
                    )
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            _choice(
                "Charged",
                "charging",
                "New questions: invalid graphs, and a cell at a budget that the trial asked for before, are free. "
                "Every question: they count as well, as in the paper.",
            )
            _choice(
                "Drawn at random",
                "sampling",
                "Cells alike: every cell of the space has the same chance. As the paper: every bit has, so many "
                "graphs are invalid and large cells are rare.",
            )
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            _choice(
                "Accuracy",
                "accuracy",
                "Published: NAS-Bench-101's alone; a cell without one is infeasible. Also predicted: what you "
                "measured and what the accuracy model predicts count too, marked as such.",
            )
            _bounds()
        st.toggle(
            "Let artefacts of the surrogate in",
            key="search_artefacts",
            help="9 cells of 7V have an energy that no training can have, two of them below zero. One of "
            "them is the paper's least energy r0.",
        )
        told = "For the estimate of the search's own energy; nothing is measured. A server core takes 5 to 20 W."
        state.search_assumed = st.number_input(
            "Assumed power of a busy core (W)",
            1.0,
            100.0,
            step=5.0,
            format="%g",
            width=240,
            key="search_watts",
            help=told,
        )


def _choice(label: str, name: str, told: str) -> None:
    st.segmented_control(
        label, list(CHOICES[name]), format_func=CHOICES[name].get, key=f"search_{name}", required=True, help=told
    )


def _bounds() -> None:
    """Ranges that cells have to lie in."""
    bounded = state.search_bounded
    with st.popover(f"Bounds ({len(bounded)})" if bounded else "Bounds", icon=":material/filter_alt:"):
        st.caption("Cells outside are infeasible: asked for, charged, and never on the front.")
        st.multiselect(
            "Bounded",
            METRICS,
            format_func=lambda key: metric(key, state.lens).axis,
            key="search_bounded",
            placeholder="Choose what to bound",
        )
        for key in state.search_bounded:
            least, most = st.columns(2)
            name = metric(key, state.lens).axis
            least.number_input(f"{name}, at least", value=None, key=f"search_least_{key}", format="%g")
            most.number_input("at most", value=None, key=f"search_most_{key}", format="%g")
