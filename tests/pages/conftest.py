"""The app without a browser: its controls by key, its numbers as numbers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test, local_script_runner

from ecnas_core.benchmark import layout
from tests.bundle import few_cells
from tests.conftest import COMMON, COSTS, WIDE, Truth

EVERY = 40
"""Of the largest cells of 7V the pages have every so many, but for tests of the whole 7V."""
WHOLE = layout.BUNDLED
APP = Path(__file__).resolve().parents[2] / "app.py"
FACT = re.compile(
    r'<span class="label">(?P<label>.*?)</span><span class="figure">(?P<figure>.*?)</span><small>(?P<note>.*?)</small>'
)
ROW = re.compile(r"<tr>(.*?)</tr>")
CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>")
TERM = re.compile(r"</?abbr[^>]*>")


def number(text: str) -> float:
    """The first number of a text as the pages write it, "1 230 kWh" being 1230."""
    plain = text.replace("\u202f", "").replace("\u2212", "-").replace("\u00a0", " ")
    return float(re.search(r"-?\d+(\.\d+)?", plain)[0])


class Page:
    """The app after its last run."""

    def __init__(self, page: str, **params: str) -> None:
        self.app = AppTest.from_file(str(APP), default_timeout=60)
        if page != "home":
            self.app.switch_page(f"pages/{page}.py")
        for name, value in params.items():
            self.app.query_params[name] = value
        self.app.run()

    def go(self, page: str) -> Page:
        """Choose a page in the navigation."""
        self.app.switch_page(f"pages/{page}.py")
        self.app.query_params.clear()
        self.app.run()
        return self

    def set(self, key: str, value: object) -> Page:
        """Give the control with that key a value, as a user does, and run."""
        self.control(key).set_value(value)
        self.app.run()
        return self

    def press(self, key: str) -> Page:
        """Press the button with that key or label."""
        matching = [button for button in self.app.button if key in (button.key, button.label)]
        assert matching, f"no button {key}; there are {[button.label for button in self.app.button]}"
        matching[0].click()
        self.app.run()
        return self

    def open(self, cell: str | None = None, box: tuple[float, float, float, float] | None = None) -> Page:
        """Choose a cell or an area as a click or a drag in the picture does."""
        self.app.session_state.cell = cell
        self.app.session_state.box = box
        self.app.run()
        return self

    def control(self, key: str):
        for widget in self._controls():
            if widget.key == key:
                return widget
        raise AssertionError(f"no control {key}")

    @property
    def control_keys(self) -> set[str]:
        return {widget.key for widget in self._controls()}

    def _controls(self) -> Iterator:
        kinds = ("button_group", "toggle", "slider", "selectbox", "checkbox", "multiselect", "number_input")
        return (widget for kind in kinds for widget in getattr(self.app, kind))

    def button(self, key: str):
        """The button with that key."""
        return next(each for each in self.app.button if each.key == key)

    @property
    def button_keys(self) -> set[str]:
        return {each.key for each in self.app.button}

    @property
    def said(self) -> str:
        """Everything that is said on the page, no-break spaces as plain ones."""
        kinds = ("markdown", "caption", "info", "error", "warning", "header")
        parts = [part for kind in kinds for part in self.texts(kind)] + self.blocks
        return " ".join(parts).replace("\u00a0", " ").replace("\u202f", " ")

    def buttons(self) -> dict[str, object]:
        return {button.label: button for button in self.app.button}

    @property
    def params(self) -> dict[str, str]:
        return dict(self.app.query_params)

    @property
    def facts(self) -> dict[str, tuple[str, str]]:
        """The numbers under the picture: label to figure and note."""
        return {
            unescape(fact["label"]): (unescape(fact["figure"]), unescape(fact["note"]))
            for block in self.blocks
            for fact in FACT.finditer(block)
        }

    @property
    def matching(self) -> int:
        return int(number(self.facts["Matching cells"][0]))

    @property
    def on_front(self) -> int:
        return int(number(self.facts["On the front"][0]))

    @property
    def blocks(self) -> list[str]:
        """Every piece of HTML, without the marks of terms."""
        return [TERM.sub("", block.value) for block in self.app.get("html")]

    @property
    def tables(self) -> list[list[list[str]]]:
        """Every table of quantities, row by row."""
        return [
            [[unescape(text) for text in CELL.findall(row)] for row in ROW.findall(block)]
            for block in self.blocks
            if 'table class="quantities"' in block
        ]

    @property
    def headline(self) -> str:
        """The sentence in bold above the picture."""
        return next(text.value for text in self.app.main.markdown if text.value.startswith("**")).strip("*")

    def figure(self, key: str = "picture") -> dict:
        """The plotly figure that the browser is sent."""
        charts = [chart.proto for chart in self.app.get("plotly_chart") if chart.proto.id.endswith(f"-{key}")]
        assert len(charts) == 1, f"{len(charts)} figures {key}"
        return json.loads(charts[0].spec, object_hook=_decoded)

    def alt(self, key: str) -> str:
        return next(chart.proto.alt for chart in self.app.get("plotly_chart") if chart.proto.id.endswith(f"-{key}"))

    def trace(self, name: str) -> dict:
        return next(trace for trace in self.figure()["data"] if trace.get("name", "").startswith(name))

    def texts(self, kind: str) -> list[str]:
        return [element.value for element in getattr(self.app, kind)]

    def works(self) -> Page:
        """Hold that the last run raised nothing."""
        assert not self.app.exception, [element.message for element in self.app.exception]
        return self


def _decoded(value: dict) -> object:
    """Plotly's typed arrays as lists."""
    if value.keys() - {"shape"} != {"dtype", "bdata"}:
        return value
    return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()


@pytest.fixture(scope="session", autouse=True)
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder of the user's, so that what lies in data/user does not count."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECNAS_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled figures with few cells of 7V."""
    return few_cells(tmp_path_factory.mktemp("bundled") / "data", EVERY)


@pytest.fixture(scope="module", autouse=True)
def few_of_7v(few: Path) -> Iterator[None]:
    """Lay the app over few cells of 7V; what it keeps of them is kept apart from what it keeps of others."""
    signature = layout.signature
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "BUNDLED", few)
        patch.setattr(layout, "signature", lambda data: (*signature(data), (str(layout.BUNDLED), 0, 0)))
        yield


@pytest.fixture
def whole_7v(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay the app over the bundled figures as they are."""
    monkeypatch.setattr(layout, "BUNDLED", WHOLE)


class BundledTruth(Truth):
    """The figures that the app lies over now."""

    @staticmethod
    def every_cell(space: str, epochs: int) -> pd.DataFrame:
        return _wide(layout.BUNDLED, epochs) if space == "7V" else Truth.every_cell(space, epochs)


@cache
def _wide(folder: Path, epochs: int) -> pd.DataFrame:
    query = WIDE.format(common=COMMON, costs=COSTS, folder=folder / "benchmark", epochs=epochs)
    return duckdb.sql(query).df()


@pytest.fixture(scope="session")
def truth() -> Truth:
    return BundledTruth()


@pytest.fixture(scope="session", autouse=True)
def lean_runs() -> Iterator[None]:
    """Spare each run of the app what does not change between them.

    The scripts are compiled once, no installed package is searched for Streamlit components (the app uses none), and
    the end of a run is waited for, not asked about a thousand times a second.
    """
    compiled = ScriptCache()
    tell_late = local_script_runner.require_widgets_deltas

    def wait(runner: local_script_runner.LocalScriptRunner, timeout: float) -> None:
        runner._script_thread.join(timeout)
        if not runner.script_stopped():
            tell_late(runner, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", list)
        patch.setattr(local_script_runner, "ScriptCache", lambda: compiled)
        patch.setattr(app_test, "ScriptCache", lambda: compiled)
        patch.setattr(local_script_runner, "require_widgets_deltas", wait)
        yield


@pytest.fixture(scope="session")
def open_page() -> type[Page]:
    """Open the app, at a link where parameters are given."""
    return Page


@pytest.fixture
def as_number():
    return number
