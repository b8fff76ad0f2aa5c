"""What hindered the button that was pressed last, shown once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from ecnas_core.errors import EcnasError
from pages.widgets import html

state = st.session_state


def attempt(change: Callable[..., Any], *arguments: Any) -> None:
    """Do what a button is for; what hinders it is told.

    Args:
        change: may raise EcnasError.
        arguments: of it.
    """
    try:
        change(*arguments)
    except EcnasError as error:
        tell(str(error))


def tell(reason: str) -> None:
    """Let the page say why a button did nothing."""
    state.problem = reason


def show() -> None:
    """Show what hindered the last button, if anything did."""
    if "problem" in state:
        st.error(html.sentence(state.pop("problem")), icon=":material/error:")
