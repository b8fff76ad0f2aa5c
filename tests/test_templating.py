"""Templates: what is escaped, what is an error, and that all of them can be read."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from ecnas_core import templating
from ecnas_core.templating import render
from tests.imports import ROOT

HOSTILE = '<img src=x onerror=alert(1)> & "co\'s"'
TEMPLATES = sorted(
    path.relative_to(ROOT).as_posix() for room in ("ecnas_core", "pages") for path in (ROOT / room).rglob("*.j2")
)


def test_html_is_escaped():
    html = render("pages/widgets/templates/facts.html.j2", items=[(("", "", HOSTILE), HOSTILE, HOSTILE)])
    assert html.count("&lt;img src=x onerror=alert(1)&gt; &amp; &#34;co&#39;s&#34;") == 3
    assert "<img" not in html


def test_source_is_not():
    assert f"EPOCHS = {HOSTILE}\n" in render("ecnas_core/export/templates/train.py.j2", epochs=HOSTILE, size=32)


def test_a_value_that_is_not_given_is_an_error():
    with pytest.raises(UndefinedError, match="items"):
        render("pages/widgets/templates/facts.html.j2")


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_can_be_read(name):
    assert templating._environment().get_template(name).name == name
