"""Every page by axe-core: contrast AA, names of controls, roles; nothing serious may be found."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

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
STILL = "*, ::before, ::after { transition: none !important; animation: none !important } [data-stale] { opacity: 1 !important }"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path or "home")
def test_nothing_serious(open_tab, path, scheme):
    tab = open_tab(color_scheme=scheme).open(f"/{path}")
    tab.page.add_style_tag(content=STILL)
    tab.idle()
    found = [
        (violation["id"], node["html"][:200], node["failureSummary"])
        for violation in Axe().run(tab.page).response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert found == []
