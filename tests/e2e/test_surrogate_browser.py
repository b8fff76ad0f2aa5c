"""The Surrogate page in a browser: opened at once, trained live, cancelled, deleted, a table of one's own."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from ecnas_core.cells import Draft

NARROW = {"width": 390, "height": 844}
TRAINED = 120_000  # ms: two busy cores, a process that loads torch


@pytest.fixture
def tab(open_own):
    return open_own()


def table(rows: int = 80) -> bytes:
    """Energy = width x depth in a made-up space."""
    generator = np.random.default_rng(0)
    width, depth = generator.integers(8, 64, rows), generator.integers(1, 9, rows)
    lines = [
        f"{w},{d},{'ab'[w % 2]},{w * d * (1 + n % 3 / 100)}" for n, (w, d) in enumerate(zip(width, depth, strict=True))
    ]
    return ("width,depth,kind,energy\n" + "\n".join(lines) + "\n").encode()


def upload(page, name: str, content: bytes) -> None:
    page.locator(".st-key-surrogate_file input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )


@pytest.mark.parametrize(("viewport", "scheme"), [(None, "light"), (NARROW, "dark")])
def test_how_good_is_shown_at_once(open_own, viewport, scheme):
    tab = open_own(color_scheme=scheme, **({"viewport": viewport} if viewport else {})).open("/surrogate")
    expect(tab.page.get_by_text("none of which the model has seen")).to_be_visible()
    expect(tab.page.locator(".st-key-surrogate_scatter .js-plotly-plot")).to_be_visible()
    expect(tab.page.locator(".st-key-surrogate_curve_figure .js-plotly-plot")).to_be_attached()
    sideways = tab.page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth")
    assert sideways <= 0
    tab.screenshot(f"surrogate-{'wide' if viewport is None else 'narrow'}-{scheme}")


def test_a_model_is_trained_live_opened_deleted_and_brought_back(tab):
    tab.open("/surrogate", section="train")
    tab.choose("Model", "Paper").idle()
    tab.type_number("Cells to learn from", "700").idle()
    tab.page.get_by_role("button", name="Train", exact=True).click()
    expect(tab.page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(tab.page.locator(".st-key-surrogate_loss .js-plotly-plot").first).to_be_visible(timeout=TRAINED)
    tab.page.get_by_role("button", name="See how good it is").click(timeout=TRAINED)
    tab.idle()
    expect(tab.page.get_by_role("button", name="Model", exact=True)).to_be_visible()  # the bundled ones have no file
    assert "model" in tab.params
    tab.choose("Section", "Train").idle()
    tab.page.get_by_role("button", name="Delete").click()
    expect(tab.page.get_by_role("button", name="Delete")).to_have_count(0)
    tab.page.get_by_role("button", name="Undo: bring back 1").click()
    expect(tab.page.get_by_role("button", name="Delete")).to_have_count(1)


def test_a_training_is_cancelled(tab):
    tab.open("/surrogate", section="train")
    tab.choose("Model", "Paper").idle()
    tab.page.get_by_role("button", name="Train", exact=True).click()
    tab.page.get_by_role("button", name="Cancel").click()
    expect(tab.page.get_by_text("cancelled, nothing is kept")).to_be_visible(timeout=TRAINED)


def test_a_cell_is_drawn_and_predicted(tab):
    draft = "1=conv3x3(0) 2=output(1)"
    tab.open("/surrogate", section="cell", draw=Draft.parse(draft, lambda _: None).to_text())
    first = tab.page.locator(".quantities td").first.inner_text()
    tab.page.get_by_role("button", name="Add vertex").click()
    expect(tab.page.get_by_text("Not a cell yet").or_(tab.page.get_by_text("A valid cell"))).to_be_visible()
    tab.page.get_by_role("button", name="Undo").click()
    tab.idle()
    expect(tab.page.locator(".quantities td").first).to_have_text(first)


def test_a_table_of_ones_own_is_learned(tab):
    tab.open("/surrogate", section="own")
    upload(tab.page, "bad.csv", b"a,b\n1,2,3\n")
    expect(tab.page.get_by_text("The file is no readable CSV")).to_be_visible()
    upload(tab.page, "space.csv", table())
    expect(tab.page.get_by_text("80 rows, 4 columns, 4 of them usable")).to_be_visible()
    tab.idle()
    tab.page.get_by_role("button", name="Train", exact=True).click()
    expect(tab.page.get_by_text("Of 16 rows, none of which the model has seen")).to_be_visible(timeout=TRAINED)
    expect(tab.page.get_by_text("Residuals")).to_be_visible()
    tab.screenshot("surrogate-own")
    assert "own" in tab.params
