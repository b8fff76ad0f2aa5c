"""Text that is not ours: shown as it is wherever Streamlit takes Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from ecnas_core.analysis import glossary
from pages.widgets.html import code, meanings, plain, sentence

IMAGE = "![a](http://127.0.0.1:9/x.png)"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (IMAGE, "!\\[a\\](http:\u2060//127.0.0.1:9/x.png)"),
        ("$x^2$", r"\$x^2\$"),
        (":material/home: :100:", ":\u2060material/home: :\u2060100:"),
        ("12.5\u00a0W of 1\u202f000", "12.5\u00a0W of 1\u202f000"),
        ("https://a.b www.a.b WWW.c me@a.b", "https:\u2060//a.b www\u2060.a.b WWW\u2060.c me@\u2060a.b"),
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


@given(st.text("abw@:/$![](){}<>`*_~\\& 1.-#\n", max_size=30))
def test_no_mark_is_left_bare_and_nothing_is_lost(text):
    escaped = plain(text)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", escaped)
    assert not set(bare) & set("\\`*[]<>$~&")
    assert not re.search(r":[a-z]|://|www\\.|@[a-z0-9-]", escaped)
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped).replace("\u2060", "")
    assert shown == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("there is none; write one", "There is none; write one."),
        ("a.parquet is empty", "a.parquet is empty."),
        ("It ended.", "It ended."),
        (f"no study {IMAGE}", "No study !\\[a\\](http:\u2060//127.0.0.1:9/x.png)."),
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


def test_a_label_that_is_a_term_carries_its_meaning_where_it_is_first():
    def page() -> None:
        from pages.widgets import html

        html.facts([("Knee", "1", ""), ("Cleanest <grid>", "2", ""), ("Knee", "3", "")])
        html.quantities(["Hypervolume, lost", "<b>"], [["Footprint", "Knee"], ["Footprint", "7"]])

    facts, table = (block.value for block in AppTest.from_function(page).run().get("html"))
    knee = f'<abbr title="{glossary.help("knee")}">Knee</abbr>'
    assert re.findall('class="label">(.*?)</span>', facts) == [knee, "Cleanest &lt;grid&gt;", "Knee"]
    heads = re.findall(r"<th\b[^>]*>(.*?)</th>", table)
    assert heads == [
        f'<abbr title="{glossary.help("hypervolume")}">Hypervolume</abbr>, lost',
        "&lt;b&gt;",
        f'<abbr title="{glossary.help("footprint")}">Footprint</abbr>',
        "Footprint",
    ]
    assert re.findall("<td[^>]*>(.*?)</td>", table) == ["Knee", "7"]


def test_what_a_control_offers_is_a_list_of_meanings():
    assert meanings(("rk", "GPU energy")) == (
        f"- **rk**: {plain(glossary.help('rk'))}\n- **GPU energy**: {plain(glossary.help('GPU energy'))}"
    )
    with pytest.raises(glossary.UnknownTerm):
        meanings(("rk", "flux"))
