"""The cell card: drawing, metrics with provenance, standing, what dominates it, its four budgets, copies."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

import pandas as pd
import streamlit as st

from ecnas_core.analysis import explore
from ecnas_core.analysis.metrics import Metric, metric
from ecnas_core.analysis.view import View
from ecnas_core.benchmark.store import Entry
from ecnas_core.carbon import Lens
from ecnas_core.cells import Cell
from ecnas_core.figures.cell import cell_svg, operations_legend
from ecnas_core.figures.explore import budget_curve, describe_budgets, value
from ecnas_core.figures.theme import config, format_quantity
from pages.widgets import html, tray
from pages.widgets.session import bench, dark

_SHOWN = ("energy", "footprint", "validation_accuracy", "test_accuracy", "training_time", "parameters", "multiply_adds")


def show(view: View, digest: str, params: Mapping[str, str]) -> None:
    """Show the card of one cell.

    Args:
        view: whose energy scale, budget and lens count.
        digest: hash of the cell.
        params: the page's state, for the link to it.
    """
    row = explore.cells(bench(), view, hashes=[digest])
    if row.empty:
        cell = bench().query(digest, space="7V").cell
        st.info(
            f"The cell `{cell.to_text()}` has {cell.vertices} vertices and is not in the space {view.space}. "
            "Choose a larger space to see its figures.",
            icon=":material/filter_alt_off:",
        )
        return
    entry = bench().query(digest, view.epochs, view.space, predicted=view.lens.predicted, device=view.lens.device)
    cell = entry.cell
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Cell {digest[:8]}", anchor=False)
        _pin(digest)
        with st.popover("Copy", icon=":material/content_copy:", type="tertiary"):
            _copies(view, cell, digest, params)
        st.button("Close", icon=":material/close:", type="tertiary", on_click=_close, key=f"close_{digest}")
    if entry.energy_artefact:
        st.warning(
            f"The published surrogate's energy of this cell is an artefact ({entry.energy_artefact}, 3.15 Wh at 4 "
            "epochs): no training can be believed to cost so little.",
            icon=":material/warning:",
        )
    drawing, figures = st.columns([5, 6], gap="large")
    with drawing:
        html.drawing(cell_svg(cell, dark(), width=440))
        html.drawing(operations_legend(dark()))
        st.caption(f"`{cell.to_text()}`")
        st.markdown("**Its four training budgets**")
        _budgets(view, digest)
    with figures:
        html.quantities(["Quantity", "Value", ""], _rows(view, row.iloc[0], entry), notes=True)
        _standing(view, digest)
        _dominating(view, digest)


def open_cell(digest: str) -> None:
    """Make a cell the one whose card is shown."""
    st.session_state.cell = digest


def _close() -> None:
    st.session_state.cell = None


def _pin(digest: str) -> None:
    if digest in st.session_state.tray:
        st.button("Unpin", icon=":material/keep_off:", on_click=tray.toggle, args=(digest,), key="pin")
    else:
        full = tray.is_full()
        st.button(
            "Pin to compare",
            icon=":material/keep:",
            on_click=tray.toggle,
            args=(digest,),
            disabled=full,
            help="Four cells are pinned; unpin one first." if full else "Compare up to four cells side by side.",
            key="pin",
        )


def _copies(view: View, cell: Cell, digest: str, params: Mapping[str, str]) -> None:
    st.caption("JSON, as the command line takes it")
    st.code(cell.to_json(), language="json", wrap_lines=True)
    st.caption("Text")
    st.code(cell.to_text(), language=None)
    st.caption("Python")
    st.code(
        "from ecnas_core import Benchmark\n\n"
        f'entry = Benchmark.open().query("{digest}", epochs={view.epochs}, space="{view.space}")\n'
        "network = entry.cell.to_module()  # torch.nn.Module",
        language="python",
    )
    st.caption("Link to this view and cell")
    parts = urlsplit(st.context.url or "http://127.0.0.1:8501/")
    query = urlencode(dict(params) | {"cell": digest})
    st.code(urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, "")), language=None, wrap_lines=True)


def _budgets(view: View, digest: str) -> None:
    budgets = explore.budgets(bench(), view, digest)
    if budgets[["energy", "validation_accuracy"]].dropna().empty:
        st.caption("At none of them are both its energy and its accuracy known.")
        return
    st.plotly_chart(
        budget_curve(budgets, view, dark()),
        theme=None,
        config=config(f"budgets-{digest[:8]}"),
        key=f"budgets_{digest}",
        alt=describe_budgets(budgets, view),
    )


def _rows(view: View, row: pd.Series, entry: Entry) -> list[list[str]]:
    rows = []
    for name in _SHOWN if view.lens.unit != "kgCO2eq" else _SHOWN[1:]:
        shown = metric(name, view.lens)
        rows.append([shown.label, value(shown, row[name]), _note(name, entry, view)])
    rows.append(["Vertices, edges", f"{entry.vertices}, {entry.edges}", ""])
    return rows


def accuracy_note(entry: Entry, lens: Lens, name: str = "validation_accuracy") -> str:
    """Where a cell's accuracy is from and how sure it is.

    Args:
        entry: the cell, as the lens lets it be seen.
        lens: how figures are shown.
        name: validation_accuracy or test_accuracy.
    """
    if entry.accuracy_provenance is None:
        return "not published here for this cell"
    if entry.accuracy_provenance == "predicted":
        return _predicted(metric(name, lens), entry.validation_accuracy_low, entry.validation_accuracy_high)
    words = [
        entry.accuracy_provenance,
        f"mean of {entry.accuracy_repeats}" if (entry.accuracy_repeats or 0) > 1 else "one repeat",
    ]
    if name == "validation_accuracy" and entry.validation_accuracy_std is not None:
        words.append(f"± {entry.validation_accuracy_std:.4f}")
    return ", ".join(words)


def _note(name: str, entry: Entry, view: View) -> str:
    if name in ("energy", "footprint"):
        return _energy_note(name, entry, view.lens)
    if name == "test_accuracy" and entry.test_accuracy is None:
        return "not published here for this cell"
    if name in ("validation_accuracy", "test_accuracy"):
        return accuracy_note(entry, view.lens, name)
    if name == "training_time":
        if entry.time_provenance is None:
            return "not published here for this cell"
        if entry.time_provenance == "predicted":
            return _predicted(metric(name, view.lens), entry.training_time_s_low, entry.training_time_s_high)
        hardware = "NAS-Bench-101's TPU" if entry.time_provenance == "published" else "Quadro RTX 6000"
        return ", ".join([entry.time_provenance, *_corrected(view.lens, entry.time_correction), hardware])
    return "computed from the cell"


def _energy_note(name: str, entry: Entry, lens: Lens) -> str:
    if lens.convert(entry.energy_kwh, entry.gpu_energy_j) is None:
        return f"not measured on {lens.device}" if lens.device else "the GPU's share is not recorded for this space"
    correction = entry.gpu_energy_correction if lens.scope == "GPU" else entry.energy_correction
    if lens.device:
        convert = lens.convert if name == "energy" else lens.footprint
        factors = entry.energy_correction, entry.gpu_energy_correction
        low = convert(entry.energy_kwh_low, entry.gpu_energy_j_low, *factors)
        high = convert(entry.energy_kwh_high, entry.gpu_energy_j_high, *factors)
        words = [_predicted(metric(name, lens), low, high), *_corrected(lens, correction), f"on {lens.device}"]
        return ", ".join(words)
    words = [entry.energy_provenance or "", *_corrected(lens, correction)]
    if name == "energy" and entry.energy_kwh_std is not None and entry.energy_kwh:
        words.append(f"± {entry.energy_kwh_std / entry.energy_kwh:.1%} over {entry.energy_repeats} repeats")
    return ", ".join(words)


def _predicted(shown: Metric, low: float | None, high: float | None) -> str:
    return f"predicted, 90 % interval {value(shown, low)} to {value(shown, high)}"


def _corrected(lens: Lens, factor: float | None) -> list[str]:
    """A word for what the lens corrected, nothing where nothing was scaled."""
    return [f"corrected by {factor:.3f}"] if lens.corrected and factor not in (None, 1) else []


def _standing(view: View, digest: str) -> None:
    standing = explore.standing(bench(), view, digest)
    if standing.empty:
        return
    rows = [
        [
            metric(line.metric, view.lens).label,
            f"{format_quantity(line.rank, digits=None)} of {format_quantity(line.of, digits=None)}",
            "" if pd.isna(line.better_than) else f"better than {line.better_than:.1%}",
        ]
        for line in standing.itertuples()
    ]
    st.markdown("**Where it stands** among the cells that match")
    html.quantities(["Axis", "Rank", ""], rows, notes=True)


def _dominating(view: View, digest: str) -> None:
    x, y = view.axes
    better = explore.dominating(bench(), view, digest)
    st.markdown("**What dominates it**: the nearest cells that are no worse in both and better in one")
    if better.empty:
        st.caption("No matching cell with both values known does: it lies on the front, or it lacks a value itself.")
        return
    texts = {line.hash: f"{line.hash[:8]}: {value(x, line.x)}, {value(y, line.y)}" for line in better.itertuples()}
    key = f"dominating_{digest}"

    def opened() -> None:
        if st.session_state[key]:
            open_cell(st.session_state[key])

    st.pills(
        f"{x.label} and {y.label.lower()} of the nearest better cells; choose one to open its card",
        list(texts),
        format_func=texts.__getitem__,
        key=key,
        on_change=opened,
    )
