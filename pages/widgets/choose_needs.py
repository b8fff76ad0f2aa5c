"""What somebody has, needs and cares for: presets and controls of the Choose page."""

from __future__ import annotations

from math import nextafter

import streamlit as st
from msgspec.structs import fields, replace

from ecnas_core.analysis import glossary, hardware
from ecnas_core.analysis.needs import (
    LEAST_SIZE,
    MOST_CLASSES,
    MOST_SIZE,
    PRESETS,
    SIZE_STEP,
    ChooseView,
    Needs,
    Quantity,
    Task,
    field_of,
)
from ecnas_core.analysis.preferences import Weights
from ecnas_core.benchmark import EPOCHS
from ecnas_core.carbon.footprint import IMAGES_AT_MOST, TRAININGS_AT_MOST
from ecnas_core.cells import SPACES
from ecnas_core.figures import choose as figures
from ecnas_core.records import InvalidRecord
from pages.widgets import html, lens_device, session

PRESET_LABELS = {"paper": "As in the paper", "edge": "Edge", "lab": "Lab", "course": "Course"}
PRESET_TOLD = {
    "paper": "7V at 108 epochs, no limits, energy and accuracy weighed alike: the paper's knee.",
    "edge": "A small network: at most 1.5 M parameters, accuracy at least 0.92, size matters.",
    "lab": "Trained 50 times a year: at most 5 kgCO2eq in all, accuracy at least 0.935, accuracy matters more.",
    "course": "60 students train it once, on 10 000 images, 3 min each, with whatever budget fits.",
}
SHOWN_PER = {"max_parameters": 1e6}
"""What a number on the page is multiplied by to be that of the view."""

MOST_WEIGHT = 2.0
_ABOVE_NONE, _BELOW_ONE = 1e-300, nextafter(1.0, 0.0)
_OPEN = 0
_OWN = ""
_TASK = ("space", "images", "image_size", "classes", "trainings")
_LIMITS = {
    "max_energy_kwh": ("Energy of a training, at most (kWh)", 0.05, "%.4g", "energy"),
    "max_footprint_kgco2eq": ("Footprint of a year, at most (kgCO2eq)", 0.1, "%.4g", "footprint"),
    "max_time_h": ("Time of a training, at most (h)", 0.1, "%.4g", "training time"),
    "max_parameters": ("Parameters, at most (M)", 0.5, "%.4g", "parameters"),
    "min_accuracy": ("Accuracy on CIFAR-10, at least", 0.005, "%.4f", "validation accuracy"),
}
_WEIGHTS = {"accuracy": "Accuracy", "energy": "Little energy", "size": "Small network"}
state = st.session_state


def seed(view: ChooseView) -> None:
    """Give the widgets that have no value yet the values of a view."""
    for key, value in _values(view).items():
        state.setdefault(key, value)


def take(view: ChooseView) -> None:
    """Set the widgets to a view, before they are drawn."""
    for key, value in _values(view).items():
        state[key] = value


def relax(limits: dict[Quantity, float]) -> None:
    """Set some limits to what a cell keeps, before the widgets are drawn."""
    for quantity, value in limits.items():
        name = field_of(quantity)
        state[f"choose_{name}"] = figures.outward(quantity, value) / SHOWN_PER.get(name, 1)


def weigh(weights: Weights) -> None:
    """Set the weights, before the sliders are drawn."""
    most = max(getattr(weights, name) for name in _WEIGHTS)
    for name in _WEIGHTS:
        state[f"choose_weight_{name}"] = round(MOST_WEIGHT * getattr(weights, name) / most, 2)


def presets() -> None:
    """Starting points."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="choose_presets"):
        st.markdown("Start from", width="content")
        for name, view in PRESETS.items():
            st.button(
                PRESET_LABELS[name], key=f"choose_preset_{name}", on_click=take, args=(view,), help=PRESET_TOLD[name]
            )


def controls(view: ChooseView) -> tuple[ChooseView, st.delta_generator.DeltaGenerator]:
    """The controls in three tabs.

    Returns:
        What they say, and a place under the weights.
    """
    need, care, have = st.tabs(["You need", "You care", "You have"])
    with need:
        needs = _needs()
    with care:
        weights = _weights(view.weights)
        below = st.container()
    with have:
        task = _have()
    return replace(view, task=task, needs=needs, weights=weights), below


def _values(view: ChooseView) -> dict[str, object]:
    values: dict[str, object] = {f"choose_{name}": getattr(view.task, name) for name in _TASK}
    values["choose_epochs"] = view.task.epochs or _OPEN
    for each in fields(Needs):
        limit = getattr(view.needs, each.name)
        values[f"choose_{each.name}"] = None if limit is None else limit / SHOWN_PER.get(each.name, 1)
    most = max(MOST_WEIGHT, *(getattr(view.weights, name) for name in _WEIGHTS))
    scale = MOST_WEIGHT / most
    return values | {f"choose_weight_{name}": float(scale * getattr(view.weights, name)) for name in _WEIGHTS}


def _needs() -> Needs:
    given = {}
    for name, (label, step, form, term) in _LIMITS.items():
        most = _BELOW_ONE if name == "min_accuracy" else None
        shown = st.number_input(
            label,
            _ABOVE_NONE,
            most,
            step=step,
            format=form,
            key=f"choose_{name}",
            placeholder="no limit",
            help=glossary.help(term),
        )
        given[name] = None if shown is None else shown * SHOWN_PER.get(name, 1)
    return Needs(**given)


def _weights(before: Weights) -> Weights:
    given = {
        name: st.slider(label, 0.0, MOST_WEIGHT, step=0.05, key=f"choose_weight_{name}")
        for name, label in _WEIGHTS.items()
    }
    try:
        return Weights(**given)
    except InvalidRecord as error:
        st.warning(html.sentence(str(error)), icon=":material/balance:")
        return before


def _have() -> Task:
    st.segmented_control(
        "Space",
        list(SPACES),
        key="choose_space",
        required=True,
        help=(
            "Cells of at most 4, 5 or 7 vertices. Each space has an energy scale of its own: "
            "4V and 5V were measured, 7V is the published surrogate."
        ),
    )
    st.segmented_control(
        "Epochs",
        [*EPOCHS, _OPEN],
        key="choose_epochs",
        required=True,
        format_func=lambda epochs: str(epochs or "Any"),
        help=f"{glossary.help('training budget')} Any: a cell is chosen with its budget.",
    )
    st.number_input(
        "Training images",
        1,
        IMAGES_AT_MOST,
        step=10_000,
        key="choose_images",
        help=("In an epoch. Energy and time are taken to be linear in them; the benchmark has 40 000."),
    )
    st.number_input(
        "Image side (pixels)",
        LEAST_SIZE,
        MOST_SIZE,
        step=SIZE_STEP,
        key="choose_image_size",
        help=(
            "Energy and time are taken to be linear in the multiply-adds, which grow with the pixels; "
            "the benchmark has 32."
        ),
    )
    st.number_input("Classes", 2, MOST_CLASSES, step=1, key="choose_classes")
    st.number_input("Trainings a year", 1, TRAININGS_AT_MOST, step=1, key="choose_trainings")
    _device()
    lens = state.lens
    st.caption(f"Grid, PUE and scope are those of the lens in the sidebar: {html.plain(lens.describe())}.")
    size = state.choose_image_size - state.choose_image_size % SIZE_STEP
    given = {name: state[f"choose_{name}"] for name in _TASK} | {"image_size": size}
    return Task(**given, epochs=state.choose_epochs or None, lens=replace(lens, unit="kWh"))


def _device() -> None:
    """The device, which is the lens's; a released one is predicted from its measured cells when it is first chosen."""
    lens_has = state.lens.device or _OWN
    if state.get("choose_device_seen") != lens_has:
        state.choose_device = state.choose_device_seen = lens_has
    released = hardware.OFFICIAL_DEVICES[1:]
    known = session.bench().devices()
    device = st.selectbox(
        "Device",
        [_OWN, *released, *(name for name in known if name not in released)],
        format_func=lambda name: name or f"{hardware.OFFICIAL_DEVICES[0]} (own)",
        key="choose_device",
        help="The benchmark's own, its three other GPUs, and those you calibrated. It is the device of the lens.",
    )
    if device == lens_has:
        return
    if device == _OWN or device in known:
        state.lens_device_next = device or None
        st.rerun()
    lens_device.predict(device, hardware.measured_on(session.bench(), device))
