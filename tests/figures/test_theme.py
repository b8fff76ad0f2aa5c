from __future__ import annotations

import math
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecnas_core.figures import theme

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())


@pytest.mark.parametrize(
    ("value", "unit", "digits", "written"),
    [
        (0, "kWh", 3, "0\u00a0kWh"),
        (-0.0, "", 3, "0"),
        (None, "kWh", 3, "–"),
        (math.nan, "kWh", 3, "–"),
        (pd.NA, "kWh", 3, "–"),
        (math.inf, "kWh", 3, "∞\u00a0kWh"),
        (-math.inf, "", 3, "−∞"),
        (0.12345, "kWh", 3, "0.123\u00a0kWh"),
        (0.9999, "", 3, "1.00"),
        (0.9446, "", 4, "0.9446"),
        (0.0001, "", 2, "0.00010"),
        (0.000012345, "kWh", 3, "1.23×10⁻⁵\u00a0kWh"),
        (-0.000012345, "", 2, "−1.2×10⁻⁵"),
        (-1234.5, "g", 3, "−1\u202f230\u00a0g"),
        (1234567, "kWh", 3, "1\u202f230\u202f000\u00a0kWh"),
        (999_600_000, "", 3, "1.00×10⁹"),
        (6.02214e23, "", 4, "6.022×10²³"),
        (423_624, "", None, "423\u202f624"),
        (12_345_678_901, "B", None, "12\u202f345\u202f678\u202f901\u00a0B"),
        (-0.3, "", None, "0"),
    ],
)
def test_format_quantity(value: float | None, unit: str, digits: int | None, written: str) -> None:
    assert theme.format_quantity(value, unit, digits) == written


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (2_694_282, "", "2.69\u00a0M"),
        (999_999, "", "1.00\u00a0M"),
        (1_550_000_000, "", "1.55\u00a0G"),
        (0.00078, "Wh", "780\u00a0µWh"),
        (-0.0123, "J", "−12.3\u00a0mJ"),
        (12, "W", "12.0\u00a0W"),
        (0, "J", "0\u00a0J"),
        (None, "J", "–"),
        (pd.NA, "J", "–"),
        (math.inf, "J", "∞\u00a0J"),
        (1e-11, "J", "0.0100\u00a0nJ"),
        (1e16, "B", "10\u202f000\u00a0TB"),
    ],
)
def test_format_prefixed(value: float | None, unit: str, written: str) -> None:
    assert theme.format_prefixed(value, unit) == written


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 12))
def test_a_written_quantity_reads_back_to_its_digits(value: float, digits: int) -> None:
    plain = theme.format_quantity(value, digits=digits).replace("\u202f", "").replace("−", "-")
    plain = plain.replace("×10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert float(plain) == pytest.approx(float(f"{value:.{digits - 1}e}"), rel=1e-15, abs=0)


def test_each_provenance_looks_different() -> None:
    looks = {p: theme.marker(p, theme.EXTREMES, dark=False) for p in theme.SYMBOLS}
    assert {p: look["symbol"] for p, look in looks.items()} == {
        "measured": "circle",
        "scaled": "circle",
        "published": "square",
        "surrogate": "diamond",
        "predicted": "triangle-up-open",
    }
    assert looks["measured"]["color"] == "#0072B2"
    assert looks["scaled"]["color"] == "#8CC0DC"
    assert looks["scaled"]["line"]["color"] == "#0072B2"
    for dark in (False, True):
        go.Figure(go.Scatter(marker=theme.marker("scaled", theme.FRONT, dark)))


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_marks_stand_out_from_the_background(dark: bool) -> None:
    colors = theme.palette(dark)
    for background in (colors.paper, colors.surface):
        assert theme.contrast_ratio(colors.text, background) >= 7
        assert theme.contrast_ratio(colors.muted, background) >= 4.5
    assert theme.contrast_ratio(colors.accent, colors.paper) >= 3, "a ground and a line, not text"
    assert theme.contrast_ratio("#FFFFFF", colors.accent) >= 4.5
    for color in theme.OPERATIONS.values():
        assert theme.contrast_ratio(theme.readable_on(color), color) >= 4.5
    visible = [theme.contrast_ratio(color, colors.paper) for color in colors.density]
    assert visible == sorted(visible)


def test_contrast_ratio_is_that_of_wcag() -> None:
    assert theme.contrast_ratio("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast_ratio("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize(("dark", "section"), [(False, "light"), (True, "dark")])
def test_the_app_has_the_colours_of_the_figures(dark: bool, section: str) -> None:
    colors, app = theme.palette(dark), CONFIG["theme"][section]
    assert app["backgroundColor"] == colors.paper
    assert app["secondaryBackgroundColor"] == colors.surface
    assert app["textColor"] == colors.text
    assert app["primaryColor"] == colors.accent
    assert theme.contrast_ratio(app["linkColor"], colors.paper) >= 4.5
    assert theme.contrast_ratio(app["primaryColor"], app["sidebar"]["backgroundColor"]) >= 3


def test_the_app_stays_on_this_machine() -> None:
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["server"]["headless"] is True
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert "://" not in (ROOT / ".streamlit/config.toml").read_text()


@pytest.mark.parametrize("dark", [False, True])
def test_layout_applies_the_template(dark: bool) -> None:
    figure = go.Figure(
        layout=theme.layout(dark, 400, "What is seen") | {"xaxis": theme.axis("Energy", "kWh", log=True)}
    )
    assert figure.layout.template.layout.font.color == theme.palette(dark).text
    assert figure.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.xaxis.title.text == "Energy (kWh)"
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.legend.y == pytest.approx(0.93)


def test_axis_without_unit_is_linear() -> None:
    assert theme.axis("Validation accuracy") == {"title": {"text": "Validation accuracy"}, "type": "linear"}


def test_config_offers_only_the_download_and_the_reset() -> None:
    config = theme.config("cells")
    assert config["modeBarButtons"] == [["toImage", "resetScale2d"]]
    dragging = theme.config(dragging=True)["modeBarButtons"]
    assert dragging == [["pan2d", "select2d", "zoom2d", "toImage", "resetScale2d"]]
    assert config["toImageButtonOptions"] == {"filename": "cells", "format": "png", "scale": 2}
    assert config["displaylogo"] is False


def test_importing_the_core_does_not_import_plotly() -> None:
    check = "import sys, ecnas_core, ecnas_core.cells; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("number", "digits", "signed", "written"),
    [
        (-0.1768, 2, True, "−0.18"),
        (0.1768, 2, True, "+0.18"),
        (0.1768, 2, False, "0.18"),
        (-0.0004, 2, True, "0.00"),
        (0.0, 1, True, "0.0"),
        (260193.1219, 3, False, "260\u202f193.122"),
        (-13.2674, 3, True, "−13.267"),
        (None, 1, False, "–"),
        (math.nan, 1, True, "–"),
    ],
)
def test_fixed_decimals(number, digits, signed, written):
    assert theme.format_fixed(number, digits, signed) == written


def test_percentages():
    assert theme.format_percent(-0.1768, signed=True) == "−17.7\u202f%"
    assert theme.format_percent(0.16066) == "16.1\u202f%"
    assert theme.format_percent(0.00135, 2) == "0.14\u202f%"
    assert theme.format_percent(None) == "–"
