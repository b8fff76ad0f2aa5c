"""A surrogate trained live: what is trained, how, the loss as it moves, and what was trained before."""

from __future__ import annotations

import streamlit as st

from ecnas_core.errors import EcnasError
from ecnas_core.figures import surrogate as figures
from ecnas_core.figures.theme import config, format_quantity
from ecnas_core.runs import Run
from ecnas_core.surrogates import runs
from ecnas_core.surrogates.experiment import Experiment, Kind, to_learn_from
from ecnas_core.surrogates.runs import Curve, Request
from pages.widgets import downloads, html, problem, surrogate_runs
from pages.widgets.session import bench, dark

WHAT = {"energy": "Energy", "accuracy": "Accuracy and time", "curve": "Learning curve"}
MODELS = {"best": "Best", "paper": "Paper"}
NETWORKS = (1, 3, 5)
DEFAULTS = {
    "surrogate_model": "best",
    "surrogate_members": 1,
    "surrogate_seed": 0,
    "surrogate_cells_energy": None,
    "surrogate_cells_accuracy": None,
}
TAKES = {
    ("energy", "best"): "about 10 s",
    ("energy", "paper"): "about 15 s",
    ("curve", "best"): "about 5 min",
    ("curve", "paper"): "about 2 min",
}
state = st.session_state


@st.cache_resource(max_entries=8, show_spinner=False)
def available(kind: Kind, stamp: object) -> int:
    """How many cells there are to learn from; `stamp` changes with the data."""
    return to_learn_from(bench(), kind)


def show() -> None:
    """Choose, start, watch, look back."""
    request = _controls()
    at_work = surrogate_runs.running()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        hindrance = (
            "A training is at work: wait for it, or cancel it."
            if at_work is not None
            else ""
            if request is not None
            else "This cannot be trained."
        )
        st.button(
            "Train",
            key="surrogate_train",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(hindrance),
            on_click=problem.attempt,
            args=(surrogate_runs.start, request),
        )
        st.caption(hindrance or _takes(request))
    if at_work is not None:
        surrogate_runs.live(at_work)
    found = surrogate_runs.stored(Experiment, Curve)
    latest = next((run for run in found if run.id == state.get("surrogate_started")), None)
    if latest is not None and not latest.running:
        surrogate_runs.outcome(latest)
        if latest.state == "done":
            _done(latest)
    surrogate_runs.listing(
        found,
        None,
        open_run,
        "Nothing trained yet. What the app shows under “How good” was computed when it was built.",
    )


def _controls() -> Request | None:
    for key, default in DEFAULTS.items():
        state[key] = state.get(key, default)  # kept while the choice of another hides the control
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="surrogate_controls"):
        what = st.segmented_control(
            "Train", WHAT, format_func=WHAT.get, default="energy", required=True, key="surrogate_what"
        )
        model, members = "best", 1
        if what == "accuracy":
            members = st.segmented_control(
                "Networks",
                NETWORKS,
                required=True,
                key="surrogate_members",
                help="Their mean counts. The bundled model has five.",
            )
        else:
            model = st.segmented_control(
                "Model",
                MODELS,
                format_func=MODELS.get,
                required=True,
                key="surrogate_model",
                help=(
                    "Best: a sum of what a training's steps take, times a Gaussian process. Paper: EC-NAS's network."
                ),
            )
        if what == "curve":
            return Curve(model)
        most = available(what, bench().stamp)
        all_of_them = format_quantity(most, digits=None)
        seed = st.number_input(
            "Seed", 0, step=1, key="surrogate_seed", width=92, help="Of the split, of the cells drawn and of the model."
        )
        cells = st.number_input(
            "Cells to learn from",
            value=None,
            step=100,
            key=f"surrogate_cells_{what}",
            width=150,
            placeholder=f"all {all_of_them}",
            help=f"At most {all_of_them}: a fifth is held out.",
        )
    try:
        request = Experiment(what, model, int(seed), None if cells is None else int(cells), members)
    except EcnasError as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
        return None
    if cells is not None and cells > most:
        st.error(f"There are {all_of_them} cells to learn from; ask for fewer.", icon=":material/error:")
        return None
    return request


def _takes(request: Request | None) -> str:
    if isinstance(request, Experiment) and request.kind == "accuracy":
        return f"It takes about {request.members} min on an idle core. Leave the page, and it goes on."
    key = ("curve" if isinstance(request, Curve) else "energy", getattr(request, "model", "best"))
    return f"It takes {TAKES[key]} on an idle core. Leave the page, and it goes on."


def _done(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.success(f"{surrogate_runs.called(run.request)}: done, and stored.", icon=":material/check_circle:")
        st.button("See how good it is", key="surrogate_see", icon=":material/insights:", on_click=open_run, args=(run,))


def open_run(run: Run) -> None:
    """Turn to what a run made."""
    state.surrogate_section = "quality"
    if isinstance(run.request, Experiment):
        state.surrogate_quantity = "energy_kwh" if run.request.kind == "energy" else "validation_accuracy"
        state.surrogate_shown = run.id
    else:
        state.surrogate_quantity = "energy_kwh"
        state.surrogate_curve = run.id


def curve(run_id: str) -> None:
    """Show the learning curve that a run has computed."""
    try:
        run = surrogate_runs.store().read(run_id)
        frame = runs.frame(run, runs.CURVE)
    except EcnasError as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
        return
    figure = figures.learning_curve(frame, "Wh", dark())
    st.plotly_chart(
        figure,
        theme=None,
        config=config("ec-nas-own-curve"),
        key="surrogate_own_curve",
        alt=figures.describe_learning_curve(frame, "Wh"),
    )
    downloads.row(
        "ec-nas-own-curve",
        lambda: frame,
        figure,
        "from ecnas_core import Benchmark\nfrom ecnas_core.surrogates import evaluate\n\n"
        f'print(evaluate.learning_curve(Benchmark.open(), "{run.request.model}"))\n',
        "One row a size and initialisation: tau, mean absolute error in Wh",
    )
