"""Small pieces of HTML that Streamlit has no widget for: facts in a row, tables of quantities; foreign text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import streamlit as st

from ecnas_core.analysis import glossary
from ecnas_core.templating import render

_MARKED = re.compile(r"[\\`*\[\]<>$~&]|(?<![^\W_])_|_(?![^\W_])|^(?:[#+=-]|\d+(?=[.)](?: |$)))")
_NAMED = re.compile(r":(?=[A-Za-z_+-]|\d+:|//)|(?<=www)(?=\.)|@(?=[\w-])", re.IGNORECASE)
_BLANK = re.compile(r"[ \t\n\r\f\v\x85\u2028\u2029]+")
_JOINER = "\u2060"


def plain(text: str) -> str:
    """Text from a link, a file or a user for where Streamlit takes Markdown: shown as it is, on one line.

    No image, link, formula, tag, icon or coloured word comes of it. Icons' names and addresses are taken from the text
    once Markdown has been read, so no backslash protects them: an invisible joiner parts them.

    Args:
        text: any.
    """
    escaped = _MARKED.sub(lambda found: _escaped(found[0]), _BLANK.sub(" ", text).strip(" "))
    return _NAMED.sub(lambda found: f"{found[0]}{_JOINER}", escaped)


def sentence(text: str) -> str:
    """A message as a sentence, ``plain``: a word at its start is capitalised, the name of a file or an address is not.

    Args:
        text: any.
    """
    start = text[0].upper() + text[1:] if text.partition(" ")[0].isalpha() else text
    return plain(start if not start or start.endswith(".") else f"{start}.")


def code(text: str) -> str:
    """Text from a link, a file or a user as code in a line of Markdown, whatever backticks are in it.

    Args:
        text: any.
    """
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{_BLANK.sub(' ', text)}{pad}{fence}"


def _escaped(found: str) -> str:
    return f"{found}{_JOINER}" if found.isdigit() else f"\\{found}"


def meanings(terms: Iterable[str]) -> str:
    """What terms mean, as a list for the hover help of a control that offers them.

    Args:
        terms: of the glossary, as the control writes them.

    Raises:
        UnknownTerm: the glossary has none of that name.
    """
    return "\n".join(f"- **{plain(term)}**: {plain(glossary.help(term))}" for term in terms)


def _labelled(labels: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Labels as the term of the glossary that each begins with, its meaning, and the rest; explained once each."""
    explained = {""}
    for label in labels:
        term, meaning = glossary.leading(label) or ("", "")
        if meaning in explained:
            term = ""
        explained.add(meaning)
        yield term, meaning, label[len(term) :]


def facts(items: Sequence[tuple[str, str, str]]) -> None:
    """A row of labelled figures; labels that begin with a term of the glossary carry its meaning.

    Args:
        items: label, figure and a note under it, each plain text.
    """
    labels = _labelled(label for label, _, _ in items)
    shown = [(label, figure, note) for label, (_, figure, note) in zip(labels, items, strict=True)]
    st.html(render("pages/widgets/templates/facts.html.j2", items=shown))


def drawing(svg: str) -> None:
    """An inline SVG drawing; st.html would strip it."""
    st.markdown(f"<div>{svg}</div>", unsafe_allow_html=True)


def quantities(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, notes: bool = False, best: Sequence[int] = ()
) -> None:
    """A table whose first column names the quantities and whose figures are right-aligned.

    A term of the glossary that a head or a quantity begins with carries its meaning where it is first.

    Args:
        head: the column heads.
        rows: the rows, each plain text.
        notes: whether the last column holds words instead of figures.
        best: for each row the column to write in bold; -1 for none.
    """
    labels = list(_labelled([*head, *(row[0] for row in rows)]))
    marked = zip(labels[len(head) :], rows, best or [-1] * len(rows), strict=True)
    shown = {"head": labels[: len(head)], "rows": list(marked), "notes": notes}
    st.html(render("pages/widgets/templates/quantities.html.j2", **shown))
