"""Text that is not ours: shown as it is wherever Streamlit takes Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.widgets.html import code, plain, sentence

IMAGE = "![a](http://127.0.0.1:9/x.png)"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (IMAGE, r"!\[a\](http://127.0.0.1:9/x.png)"),
        ("$x^2$", r"\$x^2\$"),
        (":material/home: :100:", ":\u2060material/home: :\u2060100:"),
        ("12.5\u00a0W of 1\u202f000", "12.5\u00a0W of 1\u202f000"),
        ("<b>it</b> & more", r"\<b\>it\</b\> \& more"),
        ("**a** _b_ ~c~ `d`", r"\*\*a\*\* \_b\_ \~c\~ \`d\`"),
        ("# head", r"\# head"),
        ("1. one", "1\u2060. one"),
        ("- a\n- b", r"\- a - b"),
        ("\\[x\\]", r"\\\[x\\\]"),
        ("max_pool, 12.5 W; give 1 to 4096 (or so)", "max_pool, 12.5 W; give 1 to 4096 (or so)"),
    ],
)
def test_marks_are_escaped_and_words_are_not(text, escaped):
    assert plain(text) == escaped


@given(st.text("ab:/$![](){}<>`*_~\\& 1.-#\n", max_size=30))
def test_no_mark_is_left_bare_and_nothing_is_lost(text):
    escaped = plain(text)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", escaped)
    assert not set(bare) & set("\\`*[]<>$~&")
    assert not re.search(r":[a-z]", escaped)
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped).replace("\u2060", "")
    assert shown == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("there is none; write one", "There is none; write one."),
        ("a.parquet is empty", "a.parquet is empty."),
        ("It ended.", "It ended."),
        (f"no study {IMAGE}", r"No study !\[a\](http://127.0.0.1:9/x.png)."),
        ("", ""),
    ],
)
def test_a_message_is_a_sentence_and_as_plain(text, told):
    assert sentence(text) == told


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a.parquet", "`a.parquet`"),
        ("a`b", "`` a`b ``"),
        ("``", "``` `` ```"),
        (IMAGE, f"`{IMAGE}`"),
        ("a\nb", "`a b`"),
    ],
)
def test_code_holds_whatever_backticks_are_in_it(text, written):
    assert code(text) == written
