"""The Scaling page's figures and sentences against the trainings in the Parquet file."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ecnas_core.analysis import scaling
from ecnas_core.analysis.scaling import MODELS, QUANTITIES
from ecnas_core.figures import scaling as figures
from ecnas_core.figures.theme import EXTREMES, SELECTION

TRAININGS = Path(__file__).resolve().parents[2] / "data" / "results" / "energy_4V9E_4epochs.parquet"
COLUMNS = {"energy": "energy_kwh", "gpu_energy": "gpu_energy_j", "time": "training_time_s"}


@pytest.fixture(scope="module")
def computed(small):
    """What a function of ``scaling`` answers, computed once: no test changes it."""
    return cache(lambda name, *asked: getattr(scaling, name)(small, *asked))


@pytest.fixture(scope="module")
def measured():
    """Quantity to a table of means, cells by budgets."""
    trainings = pq.read_table(TRAININGS).to_pandas()
    return {name: trainings.pivot_table(column, "hash", "epochs") for name, column in COLUMNS.items()}


def ratio(table, epochs=108):
    return table[epochs] / (table[4] * epochs / 4)


@pytest.fixture(scope="module")
def drawn(computed):
    frame, summary = computed("ratios", "energy"), computed("summary", "energy")
    return figures.ratios(frame, summary, "energy", dark=False, selected=frame["hash"].iloc[7])


class TestRatios:
    def test_one_line_a_cell_that_knows_its_cell(self, drawn, measured):
        assert len(drawn.hashes) == 91
        for trace, hashes in drawn.hashes.items():
            assert len(set(hashes)) == 1
            row = measured["energy"].loc[hashes[0]]
            expected = [row[epochs] / (row[4] * epochs / 4) for epochs in (4, 12, 36, 108)]
            assert list(drawn.figure.data[trace].y) == pytest.approx(expected)
            assert len(hashes) == len(drawn.figure.data[trace].y)

    def test_median_band_and_repeats(self, drawn, computed, measured):
        band, median = drawn.figure.data[0], drawn.figure.data[-1]
        for place, epochs in enumerate((12, 36, 108), start=1):
            low, middle, high = np.quantile(ratio(measured["energy"], epochs), [0.1, 0.5, 0.9])
            assert (band.y[place], median.y[place], band.y[-1 - place]) == pytest.approx((low, middle, high))
        noise = [np.sqrt((part["noise"] ** 2).mean()) for _, part in computed("ratios", "energy").groupby("epochs")]
        assert list(median.error_y.array) == pytest.approx([0, *noise])

    def test_the_open_cell_stands_out_alone_and_last(self, drawn, computed):
        chosen = [trace for trace in drawn.hashes if drawn.figure.data[trace].line.color == SELECTION]
        assert [drawn.hashes[trace][0] for trace in chosen] == [computed("ratios", "energy")["hash"].iloc[7]]
        assert chosen == [max(drawn.hashes)]
        assert [trace.showlegend for trace in drawn.figure.data if trace.name.startswith("cell ")].count(True) == 1

    @pytest.mark.parametrize("quantity", QUANTITIES)
    def test_is_light_to_send(self, computed, quantity):
        frame, summary = computed("ratios", quantity), computed("summary", quantity)
        for dark in (False, True):
            text = figures.ratios(frame, summary, quantity, dark, None).figure.to_json()
            assert len(text) < 200_000, dark
        assert json.loads(text)["layout"]["yaxis"]["title"]["text"].startswith(figures.QUANTITY_LABELS[quantity])


def test_power_of_the_short_training_and_one_power_for_all(computed, measured):
    frame = computed("ratios", "energy")
    chosen = frame["hash"].iloc[3]
    drawn = figures.by_power(frame, dark=True, selected=chosen)
    points, line = drawn.figure.data
    watts = measured["energy"][4] / 1.59 * 3.6e6 / measured["time"][4]
    assert list(points.x) == pytest.approx(list(watts[list(drawn.hashes[0])]))
    assert list(points.y) == pytest.approx(list(ratio(measured["energy"])[list(drawn.hashes[0])]))
    long = (measured["energy"][108] / 1.59 * 3.6e6 / (27 * measured["time"][4])).mean()
    assert np.array(line.x) * np.array(line.y) == pytest.approx(np.full(len(line.x), long))
    assert [
        digest for digest, color in zip(drawn.hashes[0], points.marker.color, strict=True) if color == SELECTION
    ] == [chosen]
    assert set(points.marker.color) == {SELECTION, EXTREMES}


def test_components_by_multiply_adds(computed):
    frame = computed("components")
    drawn = figures.components(frame, dark=False)
    assert [trace.name for trace in drawn.figure.data] == ["4 epochs", "4 epochs", "108 epochs", "108 epochs"]
    for trace, name, scale, epochs in ((0, "gpu_share_two_sockets", 100, 4), (3, "power_w", 1, 108)):
        part = frame[frame["epochs"] == epochs].set_index("hash").loc[list(drawn.hashes[trace])]
        assert list(drawn.figure.data[trace].y) == pytest.approx(list(part[name] * scale))
        assert list(drawn.figure.data[trace].x) == pytest.approx(list(part["multiply_adds"] / 1e9))
        assert len(part) == 91


class TestSentences:
    @pytest.mark.parametrize("quantity", QUANTITIES)
    def test_headline(self, computed, measured, quantity):
        of_cells = ratio(measured[quantity])
        told = figures.headline(computed("summary", quantity), quantity)
        assert f"by {100 * (1 / of_cells - 1).mean():.1f}\u202f%" in told
        assert f"{of_cells.mean():.3f} ± {of_cells.std():.3f} of 27 times" in told
        assert told.endswith("over 91 cells.")

    def test_why_cells_differ(self, computed, measured):
        told = figures.power_headline(computed("ratios", "energy"), computed("components"))
        watts = {epochs: measured["energy"][epochs] / 1.59 * 3.6e6 / measured["time"][epochs] for epochs in (4, 108)}
        assert f"4 epochs drew {watts[4].min():.0f} to {watts[4].max():.0f} W" in told
        assert f"108 epochs {watts[108].mean():.0f} ± {watts[108].std():.0f} W" in told
        assert f"{np.corrcoef(watts[4], ratio(measured['energy']))[0, 1]:.2f}".replace("-", "\u2212") in told

    @pytest.mark.parametrize("quantity", QUANTITIES)
    def test_verdict_says_what_the_lens_takes(self, computed, quantity):
        errors, apart = computed("leave_one_out", quantity), computed("leave_one_out", quantity, "5V")
        told = figures.verdict(errors, apart, quantity)
        last = errors.query("epochs == 108").set_index("model")["mean_absolute"]
        for model in ("linear", "constant", "by time", *(["power"] if quantity != "time" else [])):
            assert f"{100 * last[model]:.1f}\u202f%" in told
        assert ("takes the one ratio" in told) == (quantity == "time")

    def test_rows_of_errors(self, computed):
        errors, apart = computed("leave_one_out", "energy"), computed("leave_one_out", "energy", "5V")
        rows = figures.error_rows(errors, apart)
        assert [row[0] for row in rows] == list(MODELS.values())
        constant = errors[errors["model"] == "constant"].set_index("epochs").loc[36]
        assert rows[1][2] == f"{100 * constant['mean_absolute']:.1f}, {100 * constant['root_mean_square']:.1f}\u202f%"
        power = apart[apart["model"] == "power"].set_index("epochs").loc[108]
        assert rows[-1][-1] == f"{100 * power['mean_absolute']:.1f}, {100 * power['root_mean_square']:.1f}\u202f%"

    def test_rows_and_headline_of_components(self, computed):
        summary = scaling.components_summary(computed("components"))
        rows = figures.component_rows(summary)
        assert len(rows) == 5
        assert {len(row) for row in rows} == {7}
        power = summary[(summary["quantity"] == "power_w") & (summary["epochs"] == 4)].iloc[0]
        assert rows[2][1] == f"{power['mean']:.1f} ± {power['deviation']:.1f}\u00a0W"
        assert rows[2][5] == f"\u2212{-power['correlation']:.2f}"
        assert figures.components_headline(summary).startswith(
            "The GPU takes 62\u202f% of the run's energy in 4 epochs"
        )
