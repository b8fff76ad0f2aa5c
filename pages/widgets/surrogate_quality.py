"""How good predictions are: against what was found, by size, by cell, by feature, and beside the paper."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from ecnas_core.benchmark import EPOCHS
from ecnas_core.errors import EcnasError
from ecnas_core.figures import surrogate as figures
from ecnas_core.figures.surrogate import QUANTITIES, Shown
from ecnas_core.figures.theme import UNKNOWN, config, format_fixed, format_percent, format_quantity
from ecnas_core.runs import Run
from ecnas_core.surrogates import evaluation, experiment, runs
from ecnas_core.surrogates.experiment import Experiment, Kind, Quantity
from pages.widgets import chart, downloads, html, surrogate_runs, surrogate_training
from pages.widgets.session import bench, dark

LABELS: dict[Quantity, str] = {
    "energy_kwh": "Energy",
    "validation_accuracy": "Accuracy",
    "training_time_s": "Training time",
}
KINDS: dict[Quantity, Kind] = {
    "energy_kwh": "energy",
    "validation_accuracy": "accuracy",
    "training_time_s": "accuracy",
}
BUNDLED = {"best": "Bundled, best model", "paper": "Bundled, the paper's network"}
HEIGHTS = {"predicted": "Predicted", "difference": "Error"}
LEVELS = {"cell": "Parts of the cell", "input": "Inputs of the model"}
state = st.session_state


@dataclass(frozen=True, eq=False)
class Judged:
    """Predictions of one model, bundled or trained here.

    Attributes:
        held_out: as ``experiment.Outcome``.
        importance: likewise.
        wanted: what was trained.
        run: the run, if it was trained here.
    """

    held_out: pd.DataFrame
    importance: pd.DataFrame
    wanted: Experiment
    run: Run | None = None


@st.cache_resource(max_entries=8, show_spinner=False)
def bundled(name: str) -> pd.DataFrame:
    """A bundled table."""
    return evaluation.table(name)


@st.cache_resource(max_entries=8, show_spinner=False)
def with_operations(
    model: str, quantity: Quantity, epochs: int, stamp: object, _held_out: pd.DataFrame
) -> pd.DataFrame:
    """Predictions with the operations of their cells; `stamp` changes with the data."""
    return experiment.with_operations(bench(), _held_out)


def controls() -> tuple[Quantity, str, int]:
    """The row above the picture: quantity, model, budget."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="surrogate_controls"):
        quantity = st.segmented_control(
            "Predicted", LABELS, format_func=LABELS.get, required=True, key="surrogate_quantity"
        )
        offered = _offered(quantity)
        if state.get("surrogate_shown") not in offered:
            state.surrogate_shown = next(iter(offered))
        shown = st.selectbox("Model", list(offered), format_func=offered.get, key="surrogate_shown", width=320)
        epochs = 4
        if quantity != "energy_kwh":
            try:
                budgets = sorted(_held_out(quantity, shown)["epochs"].unique().tolist())
            except EcnasError:  # ``show`` tells it
                return quantity, shown, EPOCHS[-1]
            if state.get("surrogate_epochs") not in budgets:
                state.surrogate_epochs = budgets[-1]
            epochs = budgets[-1]
            if len(budgets) > 1:
                epochs = st.segmented_control(
                    "Epochs", budgets, required=True, key="surrogate_epochs", help="The training budget."
                )
    return quantity, shown, epochs


def _offered(quantity: Quantity) -> dict[str, str]:
    """The models to look at, with their labels."""
    offered = {name: label for name, label in BUNDLED.items() if quantity == "energy_kwh" or name == "best"}
    for run in surrogate_runs.stored(Experiment):
        if run.state == "done" and run.request.kind == KINDS[quantity]:
            offered[run.id] = f"Trained here: {surrogate_runs.called(run.request)}"
    return offered


def _held_out(quantity: Quantity, shown: str) -> pd.DataFrame:
    found = bundled(evaluation.HELD_OUT) if shown in BUNDLED else _frame(shown, runs.HELD_OUT)
    own = found[(found["quantity"] == quantity) & ((found["model"] == shown) | (shown not in BUNDLED))]
    return own.reset_index(drop=True).astype({"hash": "str"})


def _frame(run_id: str, name: str) -> pd.DataFrame:
    return runs.frame(surrogate_runs.store().read(run_id), name)


def _judged(quantity: Quantity, shown: str, epochs: int) -> Judged:
    held_out = _held_out(quantity, shown)
    held_out = held_out[held_out["epochs"] == epochs].reset_index(drop=True)
    kind = KINDS[quantity]
    if shown in BUNDLED:
        found = bundled(evaluation.IMPORTANCE)
        return Judged(held_out, found[(found["kind"] == kind) & (found["model"] == shown)], Experiment(kind, shown))
    run = surrogate_runs.store().read(shown)
    return Judged(held_out, runs.frame(run, runs.IMPORTANCE), run.request, run)


def show() -> tuple[Quantity, str, int]:
    """Show how good the chosen model is; what is chosen."""
    quantity, shown, epochs = controls()
    try:
        judged = _judged(quantity, shown, epochs)
    except EcnasError as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
        return quantity, shown, epochs
    drawn = QUANTITIES[quantity]
    fair = judged.held_out[judged.held_out["sampled"]] if quantity == "validation_accuracy" else judged.held_out
    fair = fair.reset_index(drop=True)
    told = figures.row_of(experiment.figures(fair), cells="all")
    headline = figures.headline(told, drawn, _what(quantity, len(fair), epochs))
    st.markdown(f"**{headline}**")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _scatter(judged, fair, drawn, headline)
    with right:
        if quantity == "energy_kwh":
            _curve()
        else:
            _by_cell(judged, fair, drawn, quantity, shown, epochs)
    _facts(told, drawn, quantity)
    if quantity == "energy_kwh":
        _beside_the_paper()
        below = st.columns(2, gap="medium")
        with below[0]:
            _by_cell(judged, fair, drawn, quantity, shown, epochs)
        with below[1]:
            _importance(judged, drawn)
    else:
        _by_budget(quantity, shown)
        if quantity == "validation_accuracy":
            _importance(judged, drawn)
    return quantity, shown, epochs


def _what(quantity: Quantity, count: int, epochs: int) -> str:
    number = format_quantity(count, digits=None)
    if quantity == "energy_kwh":
        return f"{number} measured cells"
    return f"{number} published cells at {epochs} epochs"


def _scatter(judged: Judged, fair: pd.DataFrame, drawn: Shown, headline: str) -> None:
    against = "measured" if judged.wanted.kind == "energy" else "published"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"Predicted against {against}", width="stretch")
        height = st.segmented_control(
            "Height",
            HEIGHTS,
            format_func=HEIGHTS.get,
            default="predicted",
            required=True,
            key="surrogate_height",
            label_visibility="collapsed",
        )
    picture = figures.scatter(fair, drawn, dark(), difference=height == "difference")
    chart.cells("surrogate_scatter", picture, headline)
    if len(fair) > figures.DRAWN_AT_MOST:
        count = format_quantity(len(fair), digits=None)
        st.caption(
            f"{format_quantity(figures.DRAWN_AT_MOST, digits=None)} of the {count} cells are drawn, evenly by "
            "value; figures are of all."
        )
    downloads.row(
        f"ec-nas-predicted-{judged.wanted.kind}",
        lambda: judged.held_out,
        picture.figure,
        _python(judged.wanted),
        "One row a held-out cell: found, predicted, 90 % interval, as stored (kWh, share, s)",
    )
    path = judged.run and runs.model(judged.run)
    if path is not None:
        downloads.button(
            "Model",
            "ec-nas-surrogate",
            ".safetensors",
            "application/octet-stream",
            path.read_bytes,
            "The trained model; `surrogate predict --weights` takes it",
        )


def _python(wanted: Experiment) -> str:
    return (
        "from ecnas_core import Benchmark\n"
        "from ecnas_core.surrogates.experiment import Experiment, run_experiment, figures\n\n"
        f"outcome = run_experiment(Benchmark.open(), {wanted!r})\n"
        "print(figures(outcome.held_out))\n"
    )


def _curve() -> None:
    own = state.get("surrogate_curve")
    st.markdown("Error by the number of cells learned from")
    if own is not None and own in {run.id for run in surrogate_runs.stored(runs.Curve)}:
        surrogate_training.curve(own)
        return
    frame = bundled(evaluation.CURVE)
    figure = figures.learning_curve(frame, "Wh", dark())
    st.plotly_chart(
        figure,
        theme=None,
        config=config("ec-nas-learning-curve"),
        key="surrogate_curve_figure",
        alt=figures.describe_learning_curve(frame, "Wh"),
    )
    st.caption("Ten initialisations with other cells each; line the mean, band their range.")
    downloads.row(
        "ec-nas-learning-curve",
        lambda: frame,
        figure,
        "from ecnas_core import Benchmark\nfrom ecnas_core.surrogates import evaluate\n\n"
        'print(evaluate.learning_curve(Benchmark.open(), "paper"))\n',
        "One row a model, size and initialisation: tau, mean absolute error in Wh",
    )


def _facts(told: pd.Series, drawn: Shown, quantity: Quantity) -> None:
    count = format_quantity(told["judged"], digits=None)
    facts = [
        ("Kendall's τ", format_fixed(told["tau"], 3), f"τ² {told['tau_squared']:.3f}"),
        ("Mean error", drawn.told(told["mae"]), "absolute"),
        (
            "Median error",
            drawn.told(told["median_error"]),
            f"{format_percent(told['median_relative_error'])} of it"
            if quantity != "validation_accuracy"
            else "says more: a few trainings fail, which no model foresees",
        ),
        ("In the 90 % interval", format_percent(told["coverage"]), f"of {count} cells"),
        ("Width of the interval", drawn.told(told["width"]), "median"),
    ]
    html.facts(facts)


def _beside_the_paper() -> None:
    found = bundled(evaluation.FIGURES)
    found = found[found["kind"] == "energy"]
    spread = found.groupby("model")[["tau", "tau_squared", "mae", "coverage", "width"]].agg(["mean", "std"])
    splits = found.groupby("model")["seed"].nunique().min()
    st.markdown("**Beside the paper**")

    def told(model: str, name: str, digits: int, percent: bool = False) -> str:
        mean, deviation = spread.loc[model, (name, "mean")], spread.loc[model, (name, "std")]
        if percent:
            return f"{format_percent(mean)} ± {format_fixed(100 * deviation, 1)}"
        return f"{format_fixed(mean, digits)} ± {format_fixed(deviation, digits)}"

    rows = [
        ["Kendall's τ", "0.950", told("paper", "tau", 4), told("best", "tau", 4), "the root of what is printed"],
        [
            "τ²",
            format_fixed(evaluation.PRINTED_TAU_SQUARED, 4),
            told("paper", "tau_squared", 4),
            told("best", "tau_squared", 4),
            "printed in Figure 1 as Kendall's tau",
        ],
        ["Mean absolute error (Wh)", UNKNOWN, told("paper", "mae", 3), told("best", "mae", 3), ""],
        [
            "In the 90 % interval",
            UNKNOWN,
            told("paper", "coverage", 3, True),
            told("best", "coverage", 3, True),
            "the paper has no interval",
        ],
        ["Median width (Wh)", UNKNOWN, told("paper", "width", 2), told("best", "width", 2), ""],
    ]
    html.quantities(["", "Paper, printed", "The paper's network", "Best model", ""], rows, notes=True)
    st.caption(
        f"Here: mean ± standard deviation over {splits} random splits of the measured cells that are published, "
        "bundled. The paper learned from 3 020 of 4 310 cells; a part of them is published."
    )


def _by_cell(judged: Judged, fair: pd.DataFrame, drawn: Shown, quantity: Quantity, shown: str, epochs: int) -> None:
    st.markdown("Error by vertices and by the number of each operation")
    frame = with_operations(shown, quantity, epochs, bench().stamp, fair)
    figure = figures.errors_by(frame, drawn, dark())
    st.plotly_chart(
        figure,
        theme=None,
        config=config("ec-nas-error-by-cell"),
        key="surrogate_by_cell",
        alt=figures.describe_errors_by(frame, drawn),
    )
    downloads.row(
        "ec-nas-error-by-cell",
        lambda: frame,
        figure,
        _python(judged.wanted),
        "One row a held-out cell: found, predicted, vertices, operations",
    )


def _importance(judged: Judged, drawn: Shown) -> None:
    levels = judged.importance["level"].unique().tolist()
    st.markdown("What the predictions hang on")
    level = levels[0]
    if len(levels) > 1:
        level = st.segmented_control(
            "Exchanged",
            levels,
            format_func=LEVELS.get,
            default=levels[-1],
            required=True,
            key="surrogate_level",
            label_visibility="collapsed",
        )
    frame = judged.importance[judged.importance["level"] == level]
    figure = figures.importances(frame, drawn, dark())
    st.plotly_chart(
        figure,
        theme=None,
        config=config("ec-nas-importance"),
        key="surrogate_importance",
        alt=figures.describe_importances(frame, drawn),
    )
    st.caption(
        "Permutation importance: by how much the mean error grows when this is taken from another cell at "
        "random. It says what the model uses, not what causes what."
    )
    downloads.row(
        "ec-nas-importance",
        lambda: frame,
        figure,
        _python(judged.wanted) + "print(outcome.importance)\n",
        "One row a feature and permutation: increase of the mean absolute error (kWh or share)",
    )


def _by_budget(quantity: Quantity, shown: str) -> None:
    if shown in BUNDLED:
        found = bundled(evaluation.FIGURES)
        found = found[found["quantity"] == quantity]
    else:
        found = experiment.figures(_held_out(quantity, shown))
    drawn = QUANTITIES[quantity]
    rows = [
        [
            f"{row.epochs} epochs, {row.cells}",
            format_fixed(row.tau, 3),
            format_fixed(row.tau_squared, 3),
            drawn.told(row.mae),
            drawn.told(row.median_error),
            format_percent(row.coverage),
            drawn.told(row.width),
            f"{format_quantity(row.judged, digits=None)} cells",
        ]
        for row in found.itertuples()
    ]
    html.quantities(["", "τ", "τ²", "Mean error", "Median error", "In interval", "Width", ""], rows, notes=True)
    if quantity == "validation_accuracy":
        st.caption(
            "Judged on the random sample alone, on the scale of the mean of three trainings: the other source "
            "was chosen by searches. A single training's noise keeps τ below about 0.92."
        )
