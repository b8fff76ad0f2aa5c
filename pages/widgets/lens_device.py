"""Taking a device into the lens: the energy of every cell on it, predicted from some that were measured."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ecnas_core.errors import EcnasError
from ecnas_core.figures.measure import SCOPES
from ecnas_core.surrogates import devices
from ecnas_core.surrogates.transfer import FEWEST
from pages.widgets import html
from pages.widgets.session import bench

state = st.session_state


def offer(name: str, measured: pd.DataFrame) -> None:
    """Show how every energy in the app can be seen for a device, or is.

    Args:
        name: of the device.
        measured: columns ``hash``, ``energy_kwh`` and ``gpu_energy_j`` of 4 epochs, NaN where not known.
    """
    if state.pop("lens_predict", None) == name:
        predict(name, measured)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if name not in bench().devices():
            st.button(
                "Predict every cell on it",
                icon=":material/visibility:",
                key=f"lens_predict_{name}",
                on_click=_ask,
                args=(name,),
                help="The lens can then show the energies of all spaces for this device.",
            )
        else:
            st.button(
                "Show it in the lens",
                icon=":material/visibility:",
                key=f"lens_show_{name}",
                on_click=_show,
                args=(name,),
                disabled=state.lens.device == name,
            )
            st.button(
                "Predict anew",
                icon=":material/refresh:",
                type="tertiary",
                key=f"lens_again_{name}",
                on_click=_ask,
                args=(name,),
                help="From all that has been measured since.",
            )
            st.button(
                "Take out of the lens",
                icon=":material/visibility_off:",
                type="tertiary",
                key=f"lens_forget_{name}",
                on_click=_forget,
                args=(name,),
                help="The measurements stay; it can be predicted again.",
            )
    if state.lens.device == name:
        st.caption(f":material/visibility: The lens shows every energy in the app for {html.plain(name)}.")
        gpu = state.lens.scope == "GPU"
        if measured.dropna(subset="gpu_energy_j" if gpu else "energy_kwh")["hash"].nunique() < FEWEST:
            st.warning(
                f"In the scope {SCOPES[state.lens.scope]} no page can show its energies: they are not known of "
                f"these measurements. Choose the scope {'Facility' if gpu else 'GPU'} in the lens.",
                icon=":material/tune:",
            )


def _ask(name: str) -> None:
    """Predict at the next run, which shows that it is at work."""
    state.lens_predict = name


def predict(name: str, measured: pd.DataFrame) -> None:
    """Predict every cell on a device, turn the lens to it, and run the page again; say so where it cannot be done.

    Args:
        name: of the device.
        measured: as for ``offer``.
    """
    try:
        with st.spinner(f"Predicting every cell of 4V, 5V and 7V from {measured['hash'].nunique()} measured ones"):
            devices.save(bench(), name, measured)
    except EcnasError as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
        return
    _show(name)
    st.rerun()


def _show(name: str) -> None:
    """Let the lens, whose widgets have been drawn already, turn to the device at its next run."""
    state.lens_device_next = name


def _forget(name: str) -> None:
    devices.remove(bench(), name)
    if state.lens.device == name:
        state.lens_device_next = None
