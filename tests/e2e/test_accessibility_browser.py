"""Every page by axe-core: contrast AA, names of controls, roles, order of headings; nothing may be found."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

PAGES = (
    "",
    "explore",
    "swaps",
    "hardware",
    "scaling",
    "search",
    "surrogate",
    "carbon",
    "choose",
    "measure",
    "learn",
    "data",
)
# Streamlit fades what it is about to draw again; contrast is judged of what is drawn.
STILL = "*, ::before, ::after { transition: none !important } [data-stale] { opacity: 1 !important }"

STREAMLIT_S_OWN = {"presentation-role-conflict"}  # of its file uploader


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path or "home")
def test_nothing_is_found(tab, path):
    found = []
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        tab.open(f"/{path}")
        tab.page.add_style_tag(content=STILL)
        expect(tab.page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
        tab.idle()
        found += [
            (scheme, violation["id"], node["html"][:200], node["failureSummary"])
            for violation in Axe().run(tab.page).response["violations"]
            if violation["id"] not in STREAMLIT_S_OWN
            for node in violation["nodes"]
        ]
    assert found == []
