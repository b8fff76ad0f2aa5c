"""A server, a browser, and tabs in which nothing may go wrong; a journey that fails says what was seen."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from ecnas_core.measure.doctor import BROWSERS, examine
from tests.journeys.server import Server, serving
from tests.journeys.tab import PATIENCE, WATCH, WIDE, Tab

HERE = Path(__file__).parent
SCREENSHOTS = HERE / "screenshots"
LOOPBACK = {"127.0.0.1", "localhost"}
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


class Visit:
    """The tabs of one journey, and what has gone wrong in them."""

    def __init__(self) -> None:
        self.pages: list[tuple[Page, Server]] = []
        self.problems: list[str] = []
        self.console: list[str] = []
        self._notes: dict[str, Callable[..., None]] = {
            "console": self._said,
            "pageerror": lambda error: self.problems.append(f"page error: {error}"),
            "request": lambda request: self._asked(request.url),
            "websocket": lambda socket: self._asked(socket.url),
        }

    def watch(self, page: Page, server: Server) -> None:
        """Note every error, and every request to another machine."""
        self.pages.append((page, server))
        for event, note in self._notes.items():
            page.on(event, note)

    def leave(self, page: Page) -> None:
        """End what the page does, and note nothing more of it."""
        for event, note in self._notes.items():
            page.remove_listener(event, note)
        page.goto("about:blank")

    def _said(self, message: ConsoleMessage) -> None:
        at = message.location["url"]
        self.console.append(f"{message.type}: {message.text} ({at})")
        if message.type == "error" and not LOOKS_FOR_ITS_SERVER.search(at):
            self.problems.append(f"console: {message.text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOOPBACK:
            self.problems.append(f"outside: {url}")

    def seen(self, name: str) -> str:
        """Every open tab, with a screenshot, and the ends of the console and of the servers' logs."""
        told = []
        for place, (page, _) in enumerate(self.pages):
            if page.is_closed():
                continue
            path = SCREENSHOTS / f"{name}-{place}.png"
            told.append(f"Tab {place}: {page.url}\n  screenshot: {path.relative_to(HERE.parents[1])}")
            try:
                page.screenshot(path=path, animations="disabled")
                alerts = page.get_by_test_id("stAlert").or_(page.get_by_test_id("stException"))
                told += [f"  alert: {alert.inner_text()}" for alert in alerts.all() if alert.is_visible()]
                told.append(f"  runs: {page.evaluate('JSON.stringify(window.runs)')}")
            except Error as error:
                told.append(f"  could not be looked at: {error.message}")
        told += ["Console:", *(f"  {line}" for line in self.console[-20:])]
        for server in dict.fromkeys(server for _, server in self.pages):
            told += [f"Log of {server.address}:", server.said()]
        return "\n".join(told)


VISIT = pytest.StashKey[Visit]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a journey that came to its end with an error on the way."""
    yield
    visit = item.stash.get(VISIT, None)
    if visit is not None:
        assert not visit.problems, visit.problems


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failure what was seen."""
    report = yield
    visit = item.stash.get(VISIT, None)
    if visit is not None and report.when == "call" and report.failed:
        report.sections.append(("Seen in the browser", visit.seen(re.sub(r"\W+", "-", item.name))))
    return report


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
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of the suite."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Visitor:
    """Someone who comes back: what the browser has compiled once stays compiled in the tabs that are kept open.

    Attributes:
        context: keeps the cache.
        kept: the tabs that no journey uses now.
    """

    context: BrowserContext
    kept: list[Page] = field(default_factory=list)

    def page(self) -> Page:
        """A tab, new only where no kept one is free."""
        return self.kept.pop(0) if self.kept else self.context.new_page()


@pytest.fixture(scope="session")
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Who goes on one journey after the other."""
    context = _watched(browser)
    yield Visitor(context)
    context.close()


def _watched(browser: Browser, **screen: bool) -> BrowserContext:
    """A context in whose tabs the runs of the script are counted."""
    context = browser.new_context(reduced_motion="reduce", **screen)
    context.add_init_script(WATCH)
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture
def visit(request: pytest.FixtureRequest) -> Visit:
    """What is noted of the journey."""
    visit = request.node.stash[VISIT] = Visit()
    return visit


@pytest.fixture
def open_tab(visit: Visit, browser: Browser, visitor: Visitor, server: Server) -> Iterator[Callable[..., Tab]]:
    """Open a tab of a screen in the light theme; in none may anything go wrong."""
    used: list[Page] = []
    touched: list[BrowserContext] = []

    def open_tab(at: Server = server, viewport: ViewportSize = WIDE, touch: bool = False) -> Tab:
        if touch:
            touched.append(_watched(browser, has_touch=True, is_mobile=True))
            page = touched[-1].new_page()
        else:
            page = visitor.page()
            used.append(page)
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme="light")
        visit.watch(page, at)
        return Tab(page, at.address)

    yield open_tab
    for page in used:
        if not page.is_closed():
            visit.leave(page)
            visitor.kept.append(page)
    for context in touched:
        context.close()


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    """One tab at 1280 x 800 in the light theme."""
    return open_tab()


@pytest.fixture
def open_file(visit: Visit, visitor: Visitor, server: Server) -> Iterator[Callable[[Path], Page]]:
    """Open a downloaded file in a tab of its own, with no server to ask."""
    opened: list[Page] = []

    def open_file(file: Path) -> Page:
        page = visitor.context.new_page()
        opened.append(page)
        visit.watch(page, server)
        page.goto(file.as_uri())
        return page

    yield open_file
    for page in opened:
        page.close()
