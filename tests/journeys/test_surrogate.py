"""Surrogate: how good it is, a cell predicted, models trained, cancelled and deleted, a table of one's own learned."""

from __future__ import annotations

import re

import numpy as np
from playwright.sync_api import expect

from ecnas_core.cells import Draft
from tests.journeys.tab import NARROW, WIDE, Tab, number

STORED = re.compile(r"^\d+ trainings? stored$")


def table(rows: int = 80) -> bytes:
    """Energy = width x depth in a made-up space."""
    generator = np.random.default_rng(0)
    width, depth = generator.integers(8, 64, rows), generator.integers(1, 9, rows)
    lines = [
        f"{w},{d},{'ab'[w % 2]},{w * d * (1 + n % 3 / 100)}" for n, (w, d) in enumerate(zip(width, depth, strict=True))
    ]
    return ("width,depth,kind,energy\n" + "\n".join(lines) + "\n").encode()


def upload(tab: Tab, name: str, content: bytes) -> None:
    with tab.running():
        tab.page.locator(".st-key-surrogate_file input[type=file]").set_input_files(
            {"name": name, "mimeType": "text/csv", "buffer": content}
        )


def test_a_cell_is_predicted_and_predictions_are_judged(tab):
    draft = Draft.parse("1=conv3x3(0) 2=output(1)", lambda _: None)
    tab.open("/surrogate", section="cell", draw=draft.to_text())
    predicted = tab.page.locator(".quantities td").first
    before = predicted.inner_text()
    tab.press("Add vertex")
    expect(tab.page.get_by_text("Not a cell yet").or_(tab.page.get_by_text("A valid cell"))).to_be_visible()
    tab.press("Undo").until_params(draw=draft.to_text())
    expect(predicted).to_have_text(before)

    tab.choose("Section", "How good")
    expect(tab.page.get_by_text("none of which the model has seen")).to_be_visible()
    tab.chart("surrogate_scatter").shown()
    expect(tab.chart("surrogate_curve_figure").plot).to_be_attached()
    tab.fits(WIDE).accessible().look_in("dark").legible().fits(NARROW)


def test_models_are_trained(tab):
    tab.open("/surrogate", section="train")
    before = stored(tab)
    tab.choose("Train", "Learning curve").choose("Model", "Paper")
    tab.press("Train").press("Cancel")
    expect(tab.page.get_by_text("cancelled, nothing is kept")).to_be_visible()

    tab.rest().choose("Train", "Energy").type("Cells to learn from", "200")
    tab.press("Train")
    done = tab.button("See how good it is")
    expect(tab.chart("surrogate_loss").plot.or_(done).first).to_be_visible()
    expect(done).to_be_visible()
    tab.rest().press("See how good it is")
    tab.until_param("model")
    expect(tab.button("Model")).to_be_visible()
    tab.choose("Section", "Train")
    assert stored(tab) == before + 2
    with tab.running():
        tab.button("Delete").first.click()
    assert stored(tab) == before + 1
    tab.press("Undo: bring back 1")
    assert stored(tab) == before + 2

    tab.choose("Section", "Your own space")
    upload(tab, "bad.csv", b"a,b\n1,2,3\n")
    expect(tab.page.get_by_text("The file is no readable CSV")).to_be_visible()
    tab.press("Remove bad.csv")
    upload(tab, "space.csv", table())
    expect(tab.page.get_by_text("80 rows, 4 columns, 4 of them usable")).to_be_visible()
    tab.rest().press("Train")
    expect(tab.page.get_by_text("Of 16 rows, none of which the model has seen")).to_be_visible()
    expect(tab.page.get_by_text("Residuals")).to_be_visible()
    tab.rest().until_param("own")


def stored(tab: Tab) -> int:
    """How many trainings are kept."""
    headline = tab.page.get_by_role("heading", name=STORED)
    return int(number(headline.inner_text())) if headline.count() else 0
