"""The lens in the sidebar: scope, PUE, grid, unit and the correction of linear scaling for every page."""

from __future__ import annotations

import streamlit as st

from ecnas_core.analysis import glossary
from ecnas_core.carbon import SCOPES, UNITS, Lens, grids
from pages.widgets import html, session

BY_HAND = "by hand"
OWN = ""
"""The benchmark's own device; a selectbox takes None for no choice."""
_SCOPES = {"facility": "Facility", "IT": "IT", "GPU": "GPU"}


def control() -> None:
    """Show the lens and keep it in the session."""
    state = st.session_state
    lens: Lens = state.lens
    seeds = {
        "lens_scope": lens.scope,
        "lens_unit": lens.unit,
        "lens_pue": lens.pue,
        "lens_grid": lens.country or BY_HAND,
        "lens_intensity": lens.intensity,
        "lens_corrected": lens.corrected,
        "lens_predicted": lens.predicted,
        "lens_device": lens.device or OWN,
    }
    for key, value in seeds.items():
        state.setdefault(key, value)
    if "lens_device_next" in state:
        state.lens_device = state.pop("lens_device_next") or OWN
    calibrated = session.bench().devices()
    if state.lens_device not in (OWN, *calibrated):
        st.warning(
            f"{html.sentence(state.lens_device)} is not calibrated here; energies are the benchmark's own.",
            icon=":material/memory:",
        )
        state.lens_device = OWN
    st.header(
        "Lens",
        help="How every energy in the app is counted. EC-NAS stores facility energy: (GPU + CPU energy) × PUE 1.59.",
    )
    scope = st.segmented_control(
        "Scope",
        SCOPES,
        format_func=_SCOPES.get,
        key="lens_scope",
        required=True,
        help="Facility: IT energy times the PUE. IT: GPU and CPUs. GPU: the accelerator alone, known in 4V and 5V.",
    )
    unit = st.segmented_control("Unit", UNITS, key="lens_unit", required=True, help=glossary.help("unit"))
    pue = st.number_input(
        "PUE",
        1.0,
        3.0,
        step=0.01,
        key="lens_pue",
        disabled=scope != "facility",
        help="Power usage effectiveness: facility energy per IT energy. EC-NAS uses 1.59 (Uptime Institute, 2020).",
    )
    device = st.selectbox(
        "Device",
        [OWN, *calibrated],
        format_func=lambda name: name or "The benchmark's own",
        key="lens_device",
        help=(
            "The benchmark's own: Quadro RTX 6000. A device of which a few cells were measured can be calibrated on "
            "the page Measure or Hardware; the energy of every cell on it is then predicted, with a 90 % interval."
        ),
    )
    countries = grids()
    code = st.selectbox(
        "Electricity grid",
        [*countries, BY_HAND],
        format_func=lambda code: "Intensity by hand" if code == BY_HAND else countries[code].country,
        key="lens_grid",
        help="Carbon intensity of the electricity, from the table that carbontracker ships.",
    )
    by_hand = code == BY_HAND
    intensity = None
    if by_hand:
        intensity = st.number_input(
            "Intensity (gCO2eq/kWh)",
            0.0,
            2000.0,
            step=10.0,
            key="lens_intensity",
            help=glossary.help("carbon intensity"),
        )
    corrected = st.toggle(
        "Correct linear scaling",
        key="lens_corrected",
        help=(
            "5V beyond 4 epochs and the 7V surrogate are 4-epoch figures times 3, 9 or 27, which is too much. On: they "
            "are brought to what 4V, measured at every budget, lets expect: 5V's energies by their 4-epoch times, "
            "7V's by the mean ratio, an extrapolation to another energy scale. See the page Scaling."
        ),
    )
    predicted = st.toggle(
        "Predicted accuracies",
        key="lens_predicted",
        help=(
            "NAS-Bench-101's accuracy and training time are published for about 26 000 of the 423 624 cells. On: a "
            "model trained on them stands in for all others, marked as predicted and with a 90 % interval. Off: what "
            "is predicted is left out on every page."
        ),
    )
    state.lens = Lens(scope, pue, None if by_hand else code, intensity, unit, corrected, predicted, device or None)
    st.caption(state.lens.describe())
