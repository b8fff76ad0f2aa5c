"""Small pieces of HTML that Streamlit has no widget for: facts in a row, tables of quantities; foreign text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st

from ecnas_core.analysis import glossary

_STYLE = """\
<style>
.facts {display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: .35rem 1rem}
.facts div {display: flex; flex-direction: column}
.facts .label {font-size: .8rem; opacity: .72}
.facts .figure {font-size: 1.12rem; font-weight: 600; font-variant-numeric: tabular-nums}
.facts small {font-size: .8rem; opacity: .72; font-weight: 400}
.quantities {border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem}
.quantities th, .quantities td {padding: .22rem .5rem .22rem 0; border-bottom: 1px solid rgba(128, 128, 128, .25);
  text-align: right; vertical-align: baseline}
.quantities td {white-space: nowrap}
.quantities th:first-child, .quantities td:first-child {text-align: left; font-weight: 400; min-width: 7rem}
.quantities thead th {font-size: .8rem; opacity: .72; font-weight: 400}
.quantities .note {text-align: left; white-space: normal; min-width: 8rem;
  font-size: .8rem; opacity: .78; padding-left: .6rem}
.quantities .best {font-weight: 700}
.facts abbr, .quantities abbr {cursor: help; text-decoration: underline dotted 1px; text-underline-offset: .2em}
.scroll {overflow-x: auto}
</style>"""
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


def _labelled(label: str, explained: set[str]) -> str:
    """A label, with the meaning of the term that it begins with unless that is explained already."""
    found = glossary.leading(label)
    if found is None or found[1] in explained:
        return escape(label)
    term, meaning = found
    explained.add(meaning)
    return f'<abbr title="{escape(meaning)}">{escape(term)}</abbr>{escape(label[len(term) :])}'


def facts(items: Sequence[tuple[str, str, str]]) -> None:
    """A row of labelled figures; labels that begin with a term of the glossary carry its meaning.

    Args:
        items: label, figure and a note under it, each plain text.
    """
    explained: set[str] = set()
    body = "".join(
        f'<div><span class="label">{_labelled(label, explained)}</span><span class="figure">{escape(figure)}</span>'
        f"<small>{escape(note)}</small></div>"
        for label, figure, note in items
    )
    st.html(f'{_STYLE}<div class="facts">{body}</div>')


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
    explained: set[str] = set()
    heads = "".join(f"<th scope='col'>{_labelled(text, explained)}</th>" if text else "<td></td>" for text in head)
    lines = []
    for number, row in enumerate(rows):
        marked = best[number] if best else -1
        cells = []
        for column, text in enumerate(row):
            classes = "note" if notes and column == len(row) - 1 else "best" if column == marked else ""
            if column == 0:
                cells.append(f"<th scope='row' class='{classes}'>{_labelled(text, explained)}</th>")
            else:
                cells.append(f"<td class='{classes}'>{escape(text)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    st.html(
        f'{_STYLE}<div class="scroll"><table class="quantities"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
