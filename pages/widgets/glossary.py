"""The glossary as a list to search."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from ecnas_core.analysis import glossary
from pages.widgets import html


def show() -> None:
    """Show the terms that the search finds, by topic."""
    text = st.text_input("Search", key="glossary_search", placeholder="a term, or a word of its meaning", width=360)
    found = glossary.search(text)
    if not found:
        st.info("No term has that. Try a shorter word, or clear the search.", icon=":material/search_off:")
        return
    count = f"{len(found)} term{'s' * (len(found) > 1)}"
    st.markdown(f"**{count}{f' with {html.code(text.strip())}' if text.strip() else ''}**")
    order = {topic: place for place, topic in enumerate(glossary.TOPICS)}
    for topic, terms in groupby(sorted(found, key=lambda term: order[term.topic]), key=lambda term: term.topic):
        is_column = topic == glossary.TOPICS[-1]
        st.header(topic, anchor=False)
        st.markdown(
            "\n".join(
                f"- {html.code(term.name) if is_column else f'**{term.name}**'}: {html.plain(term.meaning)}"
                for term in terms
            )
        )
