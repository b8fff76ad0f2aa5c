"""Every link opens what it opened before: the state that it describes, or an error with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecnas_core.analysis.footprint import CarbonView
from ecnas_core.analysis.hardware import HardwareView
from ecnas_core.analysis.lessons.view import LearnView
from ecnas_core.analysis.needs import ChooseView
from ecnas_core.analysis.scaling import ScalingView
from ecnas_core.analysis.swaps_view import SwapsView
from ecnas_core.analysis.view import View
from ecnas_core.errors import EcnasError
from pages.widgets.measure_view import MeasureView
from pages.widgets.sql_box import DataView
from pages.widgets.study_setup import SearchView
from pages.widgets.surrogate_view import SurrogateView

LINKS = json.loads((Path(__file__).parent / "links.json").read_text(encoding="utf-8"))
VIEWS = {
    "explore": View,
    "hardware": HardwareView,
    "swaps": SwapsView,
    "scaling": ScalingView,
    "carbon": CarbonView,
    "choose": ChooseView,
    "learn": LearnView,
    "surrogate": SurrogateView,
    "search": SearchView,
    "data": DataView,
    "measure": MeasureView,
}


def opened(page: str, params: dict[str, str]) -> dict[str, str] | None:
    """The parameters that a page makes of a link's; None where it says that the link is wrong."""
    try:
        return VIEWS[page].from_params(params).to_params()
    except EcnasError:
        return None


@pytest.mark.parametrize("page", VIEWS)
def test_links_open_what_they_opened(page):
    links = [link for link in LINKS if link["page"] == page]
    assert len(links) > 20
    found = [link | {"opens": opened(page, link["params"])} for link in links]
    assert found == links


@pytest.mark.parametrize("page", VIEWS)
def test_what_a_page_writes_it_reads(page):
    written = [link["opens"] for link in LINKS if link["page"] == page and link["opens"] is not None]
    canonical = [params for params in written if page != "search" or "section" in params or "study" not in params]
    assert [opened(page, params) for params in canonical] == canonical
