"""The app in a real browser: a server of its own, and pages that fail the test on any error or outside request."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from ecnas_core.measure.doctor import BROWSERS, examine

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(__file__).with_name("screenshots")
LOOPBACK = {"127.0.0.1", "localhost"}
PATIENCE = 30_000  # ms: two busy cores
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
# On a page's own path Streamlit's client asks below that path first and is answered 404.
LOOKS_FOR_ITS_SERVER = re.compile(r"/[a-z]+/_stcore/(health|host-config)$")
HEADINGS = {"Home": "EC-NAS Explorer"}
WIDE: ViewportSize = {"width": 1280, "height": 800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is; without one the tests are skipped, saying how to get it, but never where it is required."""
    path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if path is None:
        finding = examine()["browser"]
        reason = f"{finding.detail}; {finding.remedy}"
        if os.environ.get("ECNAS_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], AbstractContextManager[str]]:
    """Run the app on a free port while a context lasts, which is given its address."""

    @contextmanager
    def start() -> Iterator[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        folder = tmp_path_factory.mktemp("server")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
                cwd=ROOT,
                env=os.environ | {"ECNAS_DATA": str(folder / "user"), "TMPDIR": str(folder)},  # its own device locks
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_healthy(process, address, folder / "log")
            yield address
        finally:
            _end(process)

    return start


@pytest.fixture(scope="session")
def address(chromium: str, start_server: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Where the app runs during all tests."""
    with start_server() as address:
        yield address


@pytest.fixture(scope="module")
def own_address(chromium: str, start_server: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """A server of a module's own: what its tests measure and search is in its folder alone."""
    with start_server() as address:
        yield address


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for all tests; each page has a context of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """The app in one tab."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.title = "Explore"

    def open(self, path: str = "/explore", **params: str) -> Tab:
        """Go to a page and wait until it is drawn."""
        self.title = path.strip("/").capitalize() or "Home"
        self.page.goto(f"{self.address}{path}" + (f"?{urlencode(params)}" if params else ""))
        return self.drawn()

    def drawn(self) -> Tab:
        """Wait until the app has run and the page has a headline."""
        self.idle()
        if self.title == "Explore":
            expect(self.headline).to_be_visible()
        return self

    def idle(self) -> Tab:
        """Wait until no script runs."""
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()
        expect(self.page.locator("[data-stale=true]")).to_have_count(0)
        expect(self.page.get_by_role("heading", name=HEADINGS.get(self.title, self.title), exact=True)).to_be_visible()
        return self

    def tab_to(self, selector: str) -> None:
        """Press Tab until an element that matches has the focus, going at most twice round the page."""
        passed = []
        for _ in range(80):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            passed.append(self.page.evaluate("document.activeElement.innerText"))
        pytest.fail(f"Tab never came to {selector}, but to {passed}")

    @property
    def headline(self) -> Locator:
        return self.page.get_by_test_id("stMarkdown").locator("strong").filter(has_text=re.compile("cell")).first

    @property
    def main(self) -> Locator:
        return self.page.get_by_test_id("stMain")

    @property
    def params(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    def until_params(self, **expected: str | None) -> Tab:
        """Wait until the address has these parameters; None stands for one that is not there."""
        self.page.wait_for_function(
            "expected => { const now = new URLSearchParams(location.search);"
            " return Object.entries(expected).every(([name, value]) => now.get(name) === value) }",
            arg=expected,
        )
        return self.idle()

    def fact(self, label: str) -> Locator:
        """The figure under a label of the row of numbers."""
        return self.page.locator(".facts div").filter(has=self.page.get_by_text(label, exact=True)).locator(".figure")

    def choose(self, group: str, option: str) -> Tab:
        """Press one option of a segmented control."""
        self.page.get_by_role("radiogroup", name=group).get_by_role("radio", name=option, exact=True).click()
        return self

    def go(self, title: str) -> Tab:
        """Choose a page in the navigation."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
        self.title = title
        return self.drawn()

    def show_filters(self) -> Tab:
        self.page.locator(".st-key-explore_filters label").click()
        expect(self.page.get_by_test_id("stSlider").first).to_be_visible()
        return self.idle()

    def type_number(self, label: str, text: str) -> Tab:
        field = self.page.get_by_label(label, exact=True)
        field.fill(text)
        field.press("Enter")
        return self

    @property
    def plot(self) -> Locator:
        return self.page.locator(".st-key-picture .js-plotly-plot")

    def points(self, trace: str) -> Locator:
        """The markers of the trace with that name, as drawn."""
        number = self.plot.evaluate(
            "(plot, name) => plot.data.filter(each => each.type === 'scatter').findIndex(each => each.name.startsWith(name))",
            trace,
        )
        return self.plot.locator(".scatterlayer .trace").nth(number).locator(".points .point")

    def click_point(self, trace: str, number: int) -> Tab:
        """Click a marker where nothing of a later trace covers it."""
        box = self.points(trace).nth(number).bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        return self

    def drawn_values(self, trace: str, axis: str = "x") -> list[float]:
        """The coordinates of the points of the trace with that name."""
        return self.plot.evaluate(
            "(plot, [name, axis]) => Array.from(plot._fullData.find(each => each.name.startsWith(name))[axis])",
            [trace, axis],
        )

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the plane is on the screen."""
        across, up = self.plot.evaluate(
            "(plot, [x, y]) => { const {xaxis, yaxis, _size} = plot._fullLayout, box = plot.getBoundingClientRect();"
            " return [box.x + xaxis._offset + xaxis.d2p(x), box.y + yaxis._offset + yaxis.d2p(y)] }",
            [x, y],
        )
        return across, up

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> Tab:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
        mouse.move(*end, steps=4)
        mouse.up()
        return self

    def point_at_plot(self) -> Tab:
        """Bring the picture into sight, with no hover left from before."""
        self.page.mouse.move(2, 2)
        self.plot.scroll_into_view_if_needed()
        return self

    def screenshot(self, name: str) -> Path:
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled")
        return path


@pytest.fixture(scope="session")
def visited(browser: Browser) -> Iterator[BrowserContext]:
    """A browser context that keeps its cache from test to test, as a returning visitor's does."""
    context = browser.new_context(reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def open_tab(browser: Browser, visited: BrowserContext, address: str) -> Iterator[Callable[..., Tab]]:
    """Open a tab of a screen and a theme; in none may anything go wrong."""
    opened: list[Page | BrowserContext] = []
    problems: list[str] = []

    def outside(url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOOPBACK

    def is_error(message: ConsoleMessage) -> bool:
        return message.type == "error" and not LOOKS_FOR_ITS_SERVER.search(message.location["url"])

    def open_tab(
        at: str | None = None,
        viewport: ViewportSize = WIDE,
        color_scheme: Literal["light", "dark"] = "light",
        touch: bool = False,
    ) -> Tab:
        context = browser.new_context(reduced_motion="reduce", has_touch=True, is_mobile=True) if touch else visited
        page = context.new_page()
        opened.append(context if touch else page)
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=color_scheme)
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: is_error(message) and problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("request", lambda request: outside(request.url) and problems.append(f"outside: {request.url}"))
        page.on("websocket", lambda socket: outside(socket.url) and problems.append(f"outside: {socket.url}"))
        return Tab(page, at or address)

    expect.set_options(timeout=PATIENCE)
    yield open_tab
    for each in opened:
        each.close()
    assert not problems, problems


@pytest.fixture
def open_own(open_tab: Callable[..., Tab], own_address: str) -> Callable[..., Tab]:
    """Open a tab of a screen and a theme on the module's own server."""
    return lambda **special: open_tab(at=own_address, **special)


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    """One tab at 1280 x 800 in the light theme."""
    return open_tab()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"the app did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
