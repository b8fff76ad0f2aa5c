"""The Scaling page, its numbers held against the trainings in the Parquet file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
COLUMNS = {"energy": "energy_kwh", "gpu_energy": "gpu_energy_j", "time": "training_time_s"}


@pytest.fixture(scope="module")
def ratios():
    """Quantity and budget to the ratio of each cell by its hash."""
    trainings = pq.read_table(DATA / "results" / "energy_4V9E_4epochs.parquet").to_pandas()
    tables = {name: trainings.pivot_table(column, "hash", "epochs") for name, column in COLUMNS.items()}
    return {
        (name, epochs): table[epochs] / (table[4] * epochs / 4)
        for name, table in tables.items()
        for epochs in (12, 36, 108)
    }


@pytest.fixture(scope="module")
def opened(open_page):
    return open_page("scaling").works()


def test_energy(opened, ratios):
    page = opened
    assert page.params == {}
    assert page.app.title[0].value == "Scaling"
    assert (
        page.headline
        == page.alt("scaling_ratios")
        == (
            "Linear scaling overstates energy at 108 epochs by 16.1\u202f%: measured is 0.863 ± 0.040 of 27 times the "
            "4-epoch figure, over 91 cells."
        )
    )
    found = {row[0]: row[1:] for row in page.tables[0][1:]}
    for epochs in (12, 36, 108):
        part = ratios["energy", epochs]
        row = found[f"{epochs} epochs"]
        assert row[:2] == [f"{part.mean():.3f}", f"± {part.std():.3f}"]
        assert row[-2:] == [f"{part.min():.3f} to {part.max():.3f}", "91"]
    assert found["108 epochs"][2:4] == ["± 0.016", "± 0.036"]
    assert [row[3] for row in page.tables[1][1:]] == [
        "16.1, 17.0\u202f%",
        "3.9, 4.8\u202f%",
        "3.5, 4.4\u202f%",
        "3.5, 4.4\u202f%",
        "5.7, 7.3\u202f%",
        "1.2, 1.5\u202f%",
    ]
    assert [row[4] for row in page.tables[1][1:3]] == ["12.5, 14.8\u202f%", "6.0, 7.8\u202f%"]
    assert page.tables[1][-1][4] == "1.3, 1.7\u202f%"
    assert {"Which way of scaling to trust", "Why cells differ", "Where the energy goes"} <= set(page.texts("header"))


def test_quantity_from_another_page_and_by_link(open_page):
    page = open_page("scaling").set("scaling_quantity", "gpu_energy").works()
    assert page.params == {"quantity": "gpu_energy"}
    assert "0.783 ± 0.037" in page.headline
    page.set("scaling_quantity", "time").works()
    assert page.params == {"quantity": "time"}
    assert "0.977 ± 0.013" in page.headline
    assert "Why cells differ" not in page.texts("header")
    page.go("learn").go("scaling").works()
    assert page.control("scaling_quantity").value == "time"
    assert page.params == {"quantity": "time"}
    linked = open_page("scaling", quantity="time").works()
    assert linked.headline == page.headline
    assert linked.control("scaling_quantity").value == "time"


def test_every_cell_is_a_line_and_the_open_one_stands_out(open_page, ratios):
    chosen = ratios["energy", 108].index[5]
    page = open_page("scaling", cell=chosen).works()
    lines = [trace for trace in page.figure("scaling_ratios")["data"] if trace["name"].startswith("cell ")]
    assert len(lines) == 91
    (shown,) = [trace for trace in lines if trace["showlegend"]]
    assert shown["name"] == f"cell {chosen[:8]}"
    assert shown["y"] == pytest.approx([1.0, *(ratios["energy", epochs][chosen] for epochs in (12, 36, 108))])
    assert f"Cell {chosen[:8]}" in page.texts("header")
    assert page.params == {"cell": chosen}


def test_a_cell_of_a_larger_space_has_its_card_with_the_correction(open_page):
    cells = pq.read_table(DATA / "benchmark" / "5V.parquet").to_pandas()
    row = cells[(cells["epochs"] == 108) & (cells["vertices"] == 5)].iloc[0]
    page = open_page("scaling", cell=row["hash"], corrected="1").works()
    trainings = pq.read_table(DATA / "results" / "energy_4V9E_4epochs.parquet").to_pandas()
    energy, time = (trainings.pivot_table(COLUMNS[name], "hash", "epochs") for name in ("energy", "time"))
    factor = (energy[108] / (27 * time[4])).mean() * row["training_time_s"] / row["energy_kwh"]
    table = next(table for table in page.tables if table[0][0] == "Quantity")
    assert table[1] == ["Energy", table[1][1], f"scaled, corrected by {factor:.3f}"]
    assert page.params == {"cell": row["hash"], "corrected": "1"}


def test_the_code_to_copy_runs(capsys, opened):
    sources = [code.value for code in opened.app.code if code.value.startswith("from ecnas_core")]
    assert len(sources) == 3
    with pd.option_context("display.max_columns", None):
        for source in sources:
            exec(compile(source, "copied", "exec"), {})
    printed = capsys.readouterr().out
    for column in ("power_at_4_w", "overstated", "root_mean_square", "gpu_share_two_sockets"):
        assert column in printed


def test_the_lens_leaves_the_ratios_as_they_are_and_a_broken_link_is_told(open_page, opened):
    page = open_page("scaling", quantity="carbon", corrected="1", unit="Wh", scope="GPU").works()
    (notice,) = page.texts("warning")
    assert "take one of energy, gpu_energy, time" in notice
    assert page.params == {"corrected": "1", "unit": "Wh", "scope": "GPU"}
    assert page.headline == opened.headline
    assert page.tables == opened.tables
