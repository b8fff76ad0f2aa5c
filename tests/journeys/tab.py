"""The app in a tab of the browser: what a person does there, and the states that a journey waits for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Download, Locator, Page, ViewportSize, expect

PATIENCE = 60_000  # ms; a bound against hanging, for anything: nothing is expected to take so long
WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 390, "height": 844}
HEADINGS = {"Home": "EC-NAS Explorer"}
INK = {"light": "#1B2530", "dark": "#E2E8EE"}
SCROLLS_SIDEWAYS = """
[document.scrollingElement, document.querySelector("[data-testid=stMain]")]
  .some(each => each?.scrollWidth > each?.clientWidth)
"""
# Streamlit fades what it is about to draw again; contrast is judged of what is drawn.
STILL = "*, ::before, ::after { transition: none !important } [data-stale] { opacity: 1 !important }"
# The part of the page that asks for a run of the script when the theme changes comes to life after the page is at rest.
NOTICES_THEME = """
[...document.querySelectorAll(".st-key-theme *")].some(host => host.shadowRoot?.querySelector("i")?.ontransitionend)
"""
STREAMLIT_S_OWN = {"presentation-role-conflict"}  # of its file uploader
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}  # a list of all that is in order has megabytes and takes seconds

# Reads the messages between Streamlit's client and its server, so that a page which has just asked for a run of its
# script, and does not show it yet, is not taken for one at rest. `asked` counts what the page asked for; runs that a
# live part of the page asks for by itself are left out.
WATCH = """
(() => {
  const runs = window.runs = {asked: 0, pending: null};
  const RERUN = 11, IS_AUTO = 6, NEW_SESSION = 4, FINISHED = 6, EARLY_FOR_RERUN = 2;

  function* fields(bytes) {
    let at = 0;
    const varint = () => {
      let value = 0, scale = 1, byte;
      do { byte = bytes[at++]; value += (byte & 127) * scale; scale *= 128 } while (byte & 128);
      return value;
    };
    while (at < bytes.length) {
      const tag = varint(), kind = tag % 8, number = Math.floor(tag / 8);
      if (kind === 0) yield [number, varint()];
      else {
        const length = kind === 2 ? varint() : kind === 1 ? 8 : 4;
        yield [number, bytes.subarray(at, at + length)];
        at += length;
      }
    }
  }

  function sent(bytes) {
    const rerun = [...fields(bytes)].find(([number]) => number === RERUN);
    if (!rerun || [...fields(rerun[1])].some(([number, value]) => number === IS_AUTO && value)) return;
    runs.asked++;
    runs.pending = "asked";
  }

  function received(bytes) {
    for (const [number, value] of fields(bytes)) {
      if (number === NEW_SESSION && runs.pending === "asked") runs.pending = "runs";
      if (number === FINISHED && value !== EARLY_FOR_RERUN && runs.pending === "runs") {
        const asked = runs.asked;
        runs.pending = "ends";
        requestAnimationFrame(() => setTimeout(() => {  // drawn by now
          if (runs.asked === asked && runs.pending === "ends") runs.pending = null;
        }));
      }
    }
  }

  window.WebSocket = class extends window.WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({data}) => data instanceof ArrayBuffer && received(new Uint8Array(data)));
    }
    send(data) {
      if (ArrayBuffer.isView(data)) sent(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      super.send(data);
    }
  };

  runs.atRest = () => runs.asked > 0 && runs.pending === null
    && document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]") !== null
    && document.querySelector("[data-stale=true], [data-testid=stSkeleton]") === null;
})()
"""


class Tab:
    """The app in one tab."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.title = "Explore"

    # Going from page to page

    def open(self, path: str = "/explore", **params: str) -> Tab:
        """Follow a link to a page and wait until it is drawn."""
        self.title = path.strip("/").capitalize() or "Home"
        return self.follow(f"{self.address}{path}" + (f"?{urlencode(params)}" if params else ""))

    def follow(self, link: str) -> Tab:
        """Follow a link of the page whose title is known."""
        self.page.goto(link, wait_until="commit")
        return self.drawn()

    def reload(self) -> Tab:
        self.page.reload(wait_until="commit")
        return self.drawn()

    def go(self, title: str) -> Tab:
        """Choose a page in the navigation."""
        with self.running():
            self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
            self.title = title
        return self.drawn()

    def lead_on(self, name: str, title: str) -> Tab:
        """Take a link in the page to the page of that title."""
        with self.running():
            self.main.get_by_role("link", name=name).click()
            self.title = title
        return self.drawn()

    # Waiting

    def wait(self, holds: str, arg: object = None) -> None:
        """Wait until a JavaScript function of an argument gives true, in front: tabs behind another draw seldom."""
        self.page.bring_to_front()
        self.page.wait_for_function(holds, arg=arg)

    def rest(self) -> Tab:
        """Wait until the page is what its script has made of everything done so far."""
        self.wait("window.runs?.atRest()")
        expect(self.page.get_by_role("heading", name=HEADINGS.get(self.title, self.title), exact=True)).to_be_visible()
        return self

    def drawn(self) -> Tab:
        """Wait until the page is at rest, with a headline where it has one."""
        self.rest()
        if self.title == "Explore":
            expect(self.headline).to_be_visible()
        return self

    @contextmanager
    def running(self) -> Iterator[None]:
        """What is done in the context makes the script run: wait until it has, and the page is at rest again."""
        self.page.bring_to_front()
        before = self.page.evaluate("runs.asked")
        yield
        self.wait("before => runs.asked > before", before)
        self.rest()

    def until_params(self, **expected: str | None) -> Tab:
        """Wait until the address has these parameters; None stands for one that is not there."""
        self.wait(
            "expected => { const now = new URLSearchParams(location.search);"
            " return Object.entries(expected).every(([name, value]) => now.get(name) === value) }",
            expected,
        )
        return self.rest()

    def until_param(self, name: str, listed: int = 1) -> str:
        """Wait until the address has a parameter with so many parts, and give it."""
        self.wait(
            "([name, listed]) => new URLSearchParams(location.search).get(name)?.split('~').length === listed",
            [name, listed],
        )
        self.rest()
        return self.params[name]

    # Acting

    def press(self, name: str | re.Pattern[str], by_keyboard: bool = False) -> Tab:
        """Press the button of that name, and wait until the script has answered."""
        button = self.button(name)
        with self.running():
            if by_keyboard:
                button.press("Enter")
            else:
                button.click()
        return self

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    @contextmanager
    def popover(self, name: str) -> Iterator[Locator]:
        """Open what the button of that name shows, and close it at the end of the context."""
        self.button(name).click()
        body = self.page.get_by_test_id("stPopoverBody")
        expect(body).to_be_visible()
        yield body
        self.page.keyboard.press("Escape")
        expect(self.button(name)).to_be_focused()

    def choose(self, group: str, option: str) -> Tab:
        """Press one option of a segmented control."""
        with self.running():
            self.option(group, option).click()
        return self

    def option(self, group: str, option: str) -> Locator:
        return self.page.get_by_role("radiogroup", name=group).get_by_role("radio", name=option, exact=True)

    def pick(self, box: str | re.Pattern[str], option: str) -> Tab:
        """Pick an option of a drop-down list."""
        self.page.get_by_role("combobox", name=box).click()
        with self.running():
            self.page.get_by_role("option", name=option, exact=True).click()
        return self

    def type(self, label: str, text: str) -> Tab:
        """Fill a field and press Enter."""
        field = self.page.get_by_label(label, exact=True)
        with self.running():
            field.fill(text)
            field.press("Enter")
        return self

    def slide(self, name: str, *keys: str) -> Tab:
        """Move a slider by keys, and wait after each until the script has answered."""
        slider = self.page.get_by_role("slider", name=name)
        for key in keys:
            with self.running():
                slider.press(key)
        return self

    def look_in(self, scheme: str) -> Tab:
        """Change the theme of the system, and wait until all is drawn in it."""
        self.wait(NOTICES_THEME)
        with self.running():
            self.page.emulate_media(color_scheme=scheme)
        return self

    def save(self, label: str | Locator, name: str | None = None) -> Path:
        """Press a button that gives a file, and give the file."""
        button = self.button(label) if isinstance(label, str) else label
        with self.page.expect_download() as begun:
            button.click()
        download: Download = begun.value
        if name is not None:
            assert download.suggested_filename == name
        kept = Path(download.path())
        named = kept.with_name(f"{kept.name}-{download.suggested_filename}")
        kept.rename(named)
        return named

    def tab_to(self, selector: str) -> None:
        """Press Tab until an element that matches has the focus, going at most twice round the page."""
        passed = []
        for _ in range(80):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            passed.append(self.page.evaluate("document.activeElement.innerText"))
        pytest.fail(f"Tab never came to {selector}, but to {passed}")

    # Seeing

    @property
    def main(self) -> Locator:
        return self.page.get_by_test_id("stMain")

    @property
    def sidebar(self) -> Locator:
        return self.page.get_by_test_id("stSidebar")

    @property
    def headline(self) -> Locator:
        return self.page.get_by_test_id("stMarkdown").locator("strong").filter(has_text=re.compile("cell")).first

    @property
    def params(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    def fact(self, label: str) -> Locator:
        """The figure under a label of the row of numbers."""
        return self.page.locator(".facts div").filter(has=self.page.get_by_text(label, exact=True)).locator(".figure")

    def note(self, label: str) -> Locator:
        """The words under the figure of that label."""
        return self.fact(label).locator("xpath=following-sibling::small")

    def card(self, digest: str) -> Locator:
        """The headline of a cell's card."""
        return self.page.get_by_role("heading", name=f"Cell {digest[:8]}")

    def chart(self, key: str) -> Chart:
        return Chart(self, key)

    @property
    def picture(self) -> Chart:
        """The picture of Explore."""
        return Chart(self, "picture")

    def accessible(self) -> Tab:
        """Let axe judge the page as it stands, in its theme, with nothing hovered; nothing may be found."""
        return self._judged({})

    def legible(self) -> Tab:
        """Let axe judge the contrast, all that another theme can change of a page that it has judged in one."""
        return self._judged({"runOnly": ["color-contrast"]})

    def _judged(self, rules: dict[str, list[str]]) -> Tab:
        self.page.mouse.move(2, 2)
        self.rest()
        scheme = self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
        expect(self.page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
        still = self.page.add_style_tag(content=STILL)
        found = [
            (violation["id"], node["html"][:200], node["failureSummary"])
            for violation in Axe().run(self.page, options=ONLY_VIOLATIONS | rules).response["violations"]
            if violation["id"] not in STREAMLIT_S_OWN
            for node in violation["nodes"]
        ]
        still.evaluate("style => style.remove()")
        assert not found, f"in {scheme}: {found}"
        return self

    def is_on_first_screen(self, shown: Locator) -> bool:
        expect(shown).to_be_visible()
        box = shown.bounding_box()
        assert box is not None
        return box["y"] + box["height"] <= WIDE["height"]

    def fits(self, screen: ViewportSize) -> Tab:
        """Give the page a screen of that size, and wait until nothing of it is to be scrolled to sideways."""
        self.page.set_viewport_size(screen)
        self.wait(f"!({SCROLLS_SIDEWAYS})")
        return self.rest()


class Chart:
    """A plotly figure by its key."""

    def __init__(self, tab: Tab, key: str) -> None:
        self.tab = tab
        self.page = tab.page
        self.holder = tab.page.locator(f".st-key-{key}")
        self.plot = self.holder.locator(".js-plotly-plot")

    def shown(self) -> Chart:
        """Wait until it is drawn."""
        expect(self.plot.locator(".main-svg").first).to_be_visible()
        return self

    def points(self, trace: str) -> Locator:
        """The markers of the trace whose name begins so, as drawn."""
        self.shown()
        number = self.plot.evaluate(
            "(plot, name) => plot.data.filter(each => each.type === 'scatter')"
            ".findIndex(each => each.name.startsWith(name))",
            trace,
        )
        return self.plot.locator(".scatterlayer .trace").nth(number).locator(".points .point")

    def click(self, trace: str, number: int) -> None:
        """Click a marker where nothing of a later trace covers it, and wait until the script has answered."""
        self.point_at()
        self.press(self.points(trace).nth(number))

    def press(self, mark: Locator, up: float = 0.5) -> None:
        """Click what is drawn at a share of its height, and wait until the script has answered."""
        box = mark.bounding_box()
        assert box is not None
        self.press_at(box["x"] + box["width"] / 2, box["y"] + box["height"] * up)

    def press_at(self, x: float, y: float) -> None:
        with self.tab.running():
            self.page.mouse.move(x, y)
            self.page.mouse.click(x, y)

    def until_values(self, trace: str, expected: Iterable[float], axis: str = "x") -> Chart:
        """Wait until the points of the trace whose name begins so have these coordinates."""
        self._until(
            "(plot, [name, axis, expected]) => {"
            " const drawn = plot._fullData?.find(each => each.name.startsWith(name))?.[axis] ?? [];"
            " return drawn.length === expected.length"
            " && expected.every((value, at) => Math.abs(drawn[at] - value) <= 1e-6 * Math.abs(value)) }",
            [trace, axis, list(expected)],
        )
        return self

    def values(self, trace: str, axis: str = "x") -> list[float]:
        """The coordinates of the points of the trace whose name begins so."""
        self.shown()
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

    def until_drawn_in(self, scheme: str) -> None:
        """Wait until it has the ink of a theme."""
        self._until("(plot, ink) => plot._fullLayout?.font?.color === ink", INK[scheme])

    def until_dragging(self, mode: str) -> Chart:
        """Wait until dragging in it does so: pan, zoom or select."""
        self._until("(plot, mode) => plot._fullLayout?.dragmode === mode", mode)
        return self

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        drag(self.page, start, end)

    def point_at(self) -> Chart:
        """Bring it into sight, with no hover left from before."""
        self.page.mouse.move(2, 2)
        self.shown().plot.scroll_into_view_if_needed()
        return self

    def _until(self, holds: str, arg: object) -> None:
        """Wait until a JavaScript function of the plot and an argument gives true."""
        plot = self.shown().plot.element_handle()
        self.tab.wait(f"([plot, arg]) => ({holds})(plot, arg)", [plot, arg])


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the mouse from one place on the screen to another."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def number(text: str) -> float:
    """The first number of a text as the pages write it."""
    plain = text.replace("\u202f", "").replace("\u2212", "-")
    return float(re.search(r"-?\d+(\.\d+)?", plain)[0])


def grouped(count: int) -> str:
    """A count as the page writes it, its thin spaces as Playwright compares them."""
    return f"{count:,}".replace(",", " ")
