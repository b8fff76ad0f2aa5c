"""A search space of your own: a table uploaded, features and target chosen, a model trained, judged and used."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import streamlit as st

from ecnas_core.errors import EcnasError
from ecnas_core.figures import surrogate as figures
from ecnas_core.figures.surrogate import Shown
from ecnas_core.figures.theme import config, format_fixed, format_percent, format_quantity
from ecnas_core.runs import Run
from ecnas_core.surrogates import own_space, own_table, runs
from ecnas_core.surrogates.own_table import EXAMPLE, EXAMPLE_TARGET, EXAMPLE_UNIT, MOST_BYTES, Column, Spec
from ecnas_core.surrogates.runs import OwnPrediction, OwnTraining
from pages.widgets import downloads, html, problem, surrogate_runs
from pages.widgets.session import bench, dark

MODELS = {"best": "Gaussian process", "paper": "Paper's network"}
LIMIT_MB = MOST_BYTES // 1_000_000
state = st.session_state


def show(opened: str | None) -> str | None:
    """Show the section.

    Args:
        opened: id of the training that is looked at.

    Returns:
        The same, or None where it is not there.
    """
    _table()
    given: tuple[str, pa.Table] | None = state.get("surrogate_table")
    at_work = surrogate_runs.running()
    if given is not None:
        _choose(*given, at_work)
    if at_work is not None:
        surrogate_runs.live(at_work)
    found = surrogate_runs.stored(OwnTraining, OwnPrediction)
    latest = next((run for run in found if run.id == state.get("surrogate_started")), None)
    if latest is not None and not latest.running:
        surrogate_runs.outcome(latest)
        if latest.state == "done" and state.get("surrogate_seen") != latest.id:
            state.surrogate_seen = latest.id
            opened = state.surrogate_own = latest.id if isinstance(latest.request, OwnTraining) else opened
    chosen = next((run for run in found if run.id == opened and run.state == "done"), None)
    if chosen is not None:
        _result(chosen, at_work)
    surrogate_runs.listing(
        [run for run in found if isinstance(run.request, OwnTraining) or run.request is None],
        opened,
        _open,
        "No model of your own yet: upload a table, or take the example.",
    )
    return None if chosen is None else chosen.id


def _open(run: Run) -> None:
    state.surrogate_own = run.id


def _table() -> None:
    st.markdown("A table whose rows are designs: choose the column to predict and those to predict it from.")
    left, right = st.columns([3, 2], gap="large", vertical_alignment="bottom")
    with left:
        st.file_uploader(
            "CSV or Parquet of your search space",
            type=["csv", "parquet"],
            key="surrogate_file",
            on_change=problem.attempt,
            args=(_take,),
            max_upload_size=LIMIT_MB,
            help="A row a design, a column a property; one column holds what is to be predicted.",
        )
    with right:
        st.button(
            f"Take the example: {EXAMPLE}",
            key="surrogate_example",
            icon=":material/science:",
            on_click=problem.attempt,
            args=(_take_example,),
            help="Energy on one GPU from a cell's features and its energy on another, all measured.",
        )


def _take() -> None:
    sent = state.surrogate_file
    state.pop("surrogate_table", None)
    if sent is not None:
        state.surrogate_table = (sent.name, own_table.read(sent.name, sent, sent.size))
        _forget_choice()


def _take_example() -> None:
    state.surrogate_table = (EXAMPLE, own_table.example(bench()))
    _forget_choice()


def _forget_choice() -> None:
    for name in ("target", "features", "unit"):
        state.pop(f"surrogate_{name}", None)


def _choose(name: str, table: pa.Table, at_work: Run | None) -> None:
    found = own_table.columns(table)
    numeric = own_table.names(found, "numeric")
    usable = own_table.names(found, "numeric", "categorical")
    st.markdown(
        f"**{html.plain(name)}**: {format_quantity(table.num_rows, digits=None)} rows, {len(found)} columns, "
        f"{len(usable)} of them usable"
    )
    hindered = not numeric or len(usable) < 2
    _unusable(found, hindered)
    if hindered:
        st.error("A target that is a number and at least one other usable column are needed.", icon=":material/error:")
        return
    target, unit, features = _defaults(name, found, numeric, usable)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="surrogate_controls"):
        state.setdefault("surrogate_target", target)
        target = st.selectbox("Target", numeric, key="surrogate_target", width=260)
        state.setdefault("surrogate_unit", unit)
        unit = st.text_input("Unit", key="surrogate_unit", width=92, max_chars=20)
        model = st.segmented_control(
            "Model", MODELS, format_func=MODELS.get, default="best", required=True, key="surrogate_own_model"
        )
        seed = st.number_input("Seed", 0, step=1, key="surrogate_own_seed", width=92)
    state.setdefault("surrogate_features", features)
    state.surrogate_features = [each for each in state.surrogate_features if each in usable and each != target]
    chosen = st.multiselect("Features", [each for each in usable if each != target], key="surrogate_features")
    spec = Spec(target, tuple(chosen), unit.strip())
    hindrance = _hindrance(table, spec)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Train",
            key="surrogate_own_train",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(hindrance) or at_work is not None,
            on_click=problem.attempt,
            args=(surrogate_runs.start, OwnTraining(name, spec, model, int(seed)), table),
        )
        if at_work is not None:
            st.caption("A training is at work: wait for it, or cancel it.")
        elif hindrance:
            st.error(html.sentence(hindrance), icon=":material/error:")
        else:
            st.caption(
                "A fifth of the rows is held out to judge by. Seconds for a hundred rows, minutes for thousands."
            )


def _defaults(name: str, found: list[Column], numeric: list[str], usable: list[str]) -> tuple[str, str, list[str]]:
    """Target, unit and features to begin with."""
    if name == EXAMPLE:
        gaps = {each.name for each in found if each.missing}
        spare = {"energy_wh_rtx_3090", EXAMPLE_TARGET} | gaps
        return EXAMPLE_TARGET, EXAMPLE_UNIT, [each for each in usable if each not in spare]
    return numeric[-1], "", [each for each in usable if each != numeric[-1]]


def _unusable(found: list[Column], hindered: bool) -> None:
    wrong = [each for each in found if each.kind == "unusable"]
    gaps = [each for each in found if each.kind != "unusable" and each.missing]
    if wrong:
        with st.expander(
            f"{len(wrong)} column{'s' * (len(wrong) > 1)} cannot be used", icon=":material/info:", expanded=hindered
        ):
            st.markdown("\n".join(f"- {_called(each)}: {html.plain(each.why)}" for each in wrong))
    if gaps:
        told = ", ".join(f"{html.code(each.name)} in {each.missing}" for each in gaps[:8])
        st.caption(f":material/info: Rows without a value: {told}. They are left out where that column is chosen.")


def _called(column: Column) -> str:
    return html.code(column.name) if column.name.strip() else "A column"


def _hindrance(table: pa.Table, spec: Spec) -> str:
    try:
        own_table.prepare(table, spec)
    except EcnasError as error:
        return str(error)
    return ""


def _result(run: Run, at_work: Run | None) -> None:
    request = run.request
    assert isinstance(request, OwnTraining)
    spec = request.spec
    try:
        held_out, matters, curve = (runs.frame(run, name) for name in (runs.HELD_OUT, runs.IMPORTANCE, runs.CURVE))
    except EcnasError as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
        return
    told = pd.Series(own_space.figures(held_out) | {"judged": len(held_out)})
    shown = Shown(
        spec.target[:40], spec.unit, logarithmic=bool((held_out[["value", "predicted", "low"]] > 0).all(axis=None))
    )
    st.divider()
    headline = figures.headline(told, shown, f"{len(held_out)} rows")
    st.markdown(f"{html.code(spec.target)} of {html.code(request.name)}, {MODELS[request.model]}")
    st.markdown(f"**{html.plain(headline)}**")
    made = runs.made(run)
    for note in made.notes if made is not None else ():
        st.caption(f":material/info: {note}")
    scatter = figures.scatter(held_out, shown, dark(), [f"row {row + 1}" for row in held_out["row"]]).figure
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _figure(scatter, "predicted", "Predicted against found", headline, held_out, request)
    with right:
        _figure(
            figures.learning_curve(curve, spec.unit, dark(), "rows"),
            "curve",
            "Error by the number of rows learned from",
            figures.describe_learning_curve(curve, spec.unit, "rows"),
            curve,
            request,
        )
    html.facts(
        [
            ("Kendall's τ", format_fixed(told["tau"], 3), f"τ² {told['tau_squared']:.3f}"),
            ("Mean error", shown.told(told["mae"]), "absolute"),
            ("Median error", shown.told(told["median_error"]), "absolute"),
            ("In the 90 % interval", format_percent(told["coverage"]), f"of {len(held_out)} rows"),
            ("Width of the interval", shown.told(told["width"]), "median"),
        ]
    )
    left, right = st.columns(2, gap="medium")
    with left:
        _figure(
            figures.residuals(held_out, shown, dark()),
            "residuals",
            "Residuals",
            figures.describe_residuals(held_out, shown),
            held_out,
            request,
        )
    with right:
        _figure(
            figures.importances(matters, shown, dark(), {}),
            "importance",
            "What the predictions hang on",
            figures.describe_importances(matters, shown, {}),
            matters,
            request,
        )
    _take_along(run, at_work)


def _figure(figure: object, name: str, title: str, told: str, frame: pd.DataFrame, request: OwnTraining) -> None:
    st.markdown(title)
    st.plotly_chart(figure, theme=None, config=config(f"ec-nas-own-{name}"), key=f"surrogate_own_{name}", alt=told)
    downloads.row(f"ec-nas-own-{name}", lambda: frame, figure, _python(request), "The rows behind the figure")


def _python(request: OwnTraining) -> str:
    return (
        "import pyarrow.parquet as pq\n\n"
        "from ecnas_core.surrogates import own_space\n"
        "from ecnas_core.surrogates.own_table import Spec\n\n"
        'table = pq.read_table("table.parquet")  # yours\n'
        f"outcome = own_space.train(table, {request.spec!r}, {request.model!r}, {request.seed})\n"
        "print(own_space.figures(outcome.held_out))\n"
        'outcome.model.save(Path("model.safetensors"))\n'
    ).replace("import pyarrow", "from pathlib import Path\n\nimport pyarrow", 1)


def _take_along(run: Run, at_work: Run | None) -> None:
    """The model, and predictions of another table."""
    st.markdown("**Use the model**")
    path = runs.model(run)
    if path is not None:
        downloads.button(
            "Model",
            "ec-nas-own-model",
            ".safetensors",
            "application/octet-stream",
            path.read_bytes,
            "`own_space.load(path).predict(table)`",
        )
    with st.form("surrogate_predict", clear_on_submit=True, border=False):
        st.file_uploader(
            "Predict another table with the features' columns",
            type=["csv", "parquet"],
            key="surrogate_to_predict",
            max_upload_size=LIMIT_MB,
        )
        st.form_submit_button(
            "Predict",
            icon=":material/play_arrow:",
            key="surrogate_predict_start",
            disabled=at_work is not None,
            on_click=problem.attempt,
            args=(_predict, run.id),
        )
    made = [
        each
        for each in surrogate_runs.stored(OwnPrediction)
        if each.state == "done" and each.request is not None and each.request.run == run.id
    ]
    for each in made[:3]:
        _predicted(each)


def _predict(run_id: str) -> None:
    sent = state.surrogate_to_predict
    if sent is None:
        raise own_table.UnusableTable("no table was given; choose a file first")
    surrogate_runs.start(OwnPrediction(sent.name, run_id), own_table.read(sent.name, sent, sent.size))


def _predicted(run: Run) -> None:
    try:
        frame = runs.frame(run, runs.PREDICTIONS)
    except EcnasError as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
        return
    st.markdown(f"Predictions of {html.code(run.request.name)}: {format_quantity(len(frame), digits=None)} rows")
    st.dataframe(frame.iloc[:100, ::-1], hide_index=True, height=200, key=f"surrogate_predictions_{run.id}")
    with st.container(horizontal=True, gap="small"):
        downloads.table(f"ec-nas-own-predictions-{run.id}", lambda: frame, "Your table with prediction, low and high")
        st.button(
            "Delete",
            key=f"surrogate_delete_{run.id}",
            icon=":material/delete:",
            type="tertiary",
            on_click=problem.attempt,
            args=(surrogate_runs.delete, run),
        )
