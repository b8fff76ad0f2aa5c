"""What every page opens with: its name, its purpose, and the questions it answers."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st


def header(title: str, purpose: str, questions: Sequence[str]) -> None:
    """Show the head of a page.

    Args:
        title: the name of the page.
        purpose: one sentence.
        questions: what can be found out here, each one sentence.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.title(title, anchor=False, width="content")
        st.markdown(purpose, width="content")
        with st.popover("Questions this page answers", icon=":material/help:", type="tertiary"):
            st.markdown("\n".join(f"- {question}" for question in questions))
