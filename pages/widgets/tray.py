"""The tray: up to four pinned cells, on every page."""

from __future__ import annotations

import streamlit as st

from ecnas_core.cells import Cell
from pages.widgets.session import PINNED_AT_MOST, bench

LETTERS = "ABCD"


def letters() -> dict[str, str]:
    """The letters of the pinned cells by hash."""
    return dict(zip(st.session_state.tray, LETTERS, strict=False))


def toggle(digest: str) -> None:
    """Pin a cell, or unpin it."""
    tray = st.session_state.tray
    if digest in tray:
        tray.remove(digest)
    elif len(tray) < PINNED_AT_MOST:
        tray.append(digest)


def is_full() -> bool:
    """Whether no further cell can be pinned."""
    return len(st.session_state.tray) >= PINNED_AT_MOST


def clear() -> None:
    """Unpin every cell, remembering them for ``restore``."""
    st.session_state.tray_before = st.session_state.tray
    st.session_state.tray = []


def restore() -> None:
    """Pin again what ``clear`` unpinned."""
    st.session_state.tray = st.session_state.pop("tray_before")


def pinned() -> dict[str, Cell]:
    """The pinned cells by hash."""
    return {digest: bench().query(digest, space="7V").cell for digest in st.session_state.tray}


def sidebar() -> None:
    """The tray's cells by letter, each with a button that unpins it."""
    state = st.session_state
    if not state.tray and "tray_before" not in state:
        return
    st.header("Pinned cells")
    for digest, letter in letters().items():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{letter}** `{digest[:8]}`")
            st.button(
                "Unpin",
                key=f"unpin_{digest}",
                icon=":material/close:",
                type="tertiary",
                on_click=toggle,
                args=(digest,),
            )
    if state.tray:
        state.pop("tray_before", None)
        st.button("Unpin all", icon=":material/clear_all:", type="tertiary", on_click=clear)
    else:
        st.button("Undo: pin again", icon=":material/undo:", type="tertiary", on_click=restore)
