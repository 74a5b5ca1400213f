"""A browser at work on a host: one signed-in page, and all that must never happen on any page."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, StorageState, expect

from plugins.panel.tests.browser.demohost import PASSWORD, DemoHost

WAIT_MS = 30_000
LARGEST_SHIFT = 0.001
"""A relative time that grows by a digit moves the words after it by so much; a row that moves is far more."""
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 360, "height": 740}
SHOTS = os.environ.get("JOBHOST_SHOTS", "")
"""Folder that pictures of every page are written to; empty: none are made."""

_AXE_OF = {"exclude": [[".log .line:nth-of-type(n+30)"]]}
"""A log has thousands of lines that are all alike."""
_AXE_OPTIONS: dict[str, dict[str, object]] = {
    "light": {"resultTypes": ["violations"]},
    # The rest is the same as in light.
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]},
}
_AXE_RUN = "([context, options]) => axe.run(context, options).then((results) => results.violations)"
_AXE = Axe()

_SEEN = """
window.__seen = {violations: [], shift: 0, shifted: [], told: 0};
addEventListener("securitypolicyviolation", (event) =>
  __seen.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
    __seen.shift += entry.value;
    for (const {node} of entry.sources) __seen.shifted.push((node?.outerHTML ?? `${node?.textContent}`).slice(0, 120));
  }
}).observe({type: "layout-shift", buffered: true});
window.EventSource = class extends EventSource {
  constructor(...given) {
    super(...given);
    this.addEventListener("changed", () => { __seen.told += 1; });
  }
};
"""
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


@dataclass
class Watch:
    """What went wrong on one page, as far as the browser tells."""

    origin: str
    is_refusal_expected: bool = False
    """Whether an answer with an error status is what is wanted; the console tells of each."""
    problems: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        """Begin to watch."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("request", self._request)
        page.on("dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("crash", lambda _: self.problems.append("the page crashed"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        if not (self.is_refusal_expected and _REFUSED.match(message.text)):
            self.problems.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.problems.append(f"request to another origin: {request.url}")
        if parts.path == "/xss":
            self.problems.append("a canary's picture was asked for")


@dataclass
class Scene:
    """One page of somebody, on one host."""

    host: DemoHost
    page: Page
    watch: Watch
    paint: dict[str, float]
    """Milliseconds to the first contentful paint: ``{path: ms}``."""

    def go(self, path: str) -> None:
        """Open a page of the panel and wait until nothing of it is under way."""
        self.page.goto(self.host.url + self.path(path), wait_until="load")
        self.settle()

    def path(self, template: str) -> str:
        """Give a path with the ids of this host put in."""
        return template.format(**self.host.told, host=self.host.name)

    def settle(self) -> None:
        """Wait until the page is shown, live, and asks for nothing more."""
        self.page.wait_for_function(
            """() => document.readyState === "complete" && !document.querySelector(".htmx-request")
               && (!document.querySelector("[data-live]") || document.querySelector('[data-live-state="live"]'))""",
        )

    def wait_for_look(self, look: str) -> None:
        """Wait until the page is light, or dark."""
        expect(self.page.locator("html")).to_have_attribute("data-bs-theme", look)

    def wait_for_dialog(self, title: str | None) -> None:
        """Wait until a dialog is open; None: until none is."""
        dialogs = self.page.locator("dialog[open]")
        if title is None:
            expect(dialogs).to_have_count(0)
        else:
            expect(dialogs.get_by_role("heading")).to_have_text(title)

    def scroll(self, pixels: int) -> None:
        """Scroll down, and see that the page is there."""
        self.page.evaluate("(pixels) => scrollTo(0, pixels)", pixels)
        self.page.wait_for_function("(pixels) => scrollY === pixels", arg=pixels)

    def check(self, *, may_shift: bool = False) -> None:
        """Fail if anything happened that must not; what came later may have moved things."""
        seen = self.page.evaluate(
            "({...window.__seen, xss: window.__xss, made: document.querySelectorAll("
            "'[data-xss], img[src*=xss]').length})"
        )
        problems = list(self.watch.problems)
        problems += [f"content security policy: {each}" for each in seen["violations"]]
        if seen["shift"] > LARGEST_SHIFT and not may_shift:
            problems.append(f"layout shift of {seen['shift']:.4f}: {seen['shifted']}")
        if seen["xss"] is not None or seen["made"]:
            problems.append("a canary came to life")
        assert not problems, f"{self.page.url}\n" + "\n".join(problems)

    def note_paint(self, path: str) -> None:
        """Keep how long the first contentful paint took."""
        entries = self.page.evaluate("performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)")
        self.paint[path] = entries[0] if entries else float("nan")

    def axe(self, what: str) -> None:
        """Fail for what people with disabilities cannot use."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_AXE.axe_script)
        found = self.page.evaluate(_AXE_RUN, [_AXE_OF, {"preload": False, **_AXE_OPTIONS[what]}])
        told = [
            f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"][:5]
        ]
        assert not found, f"{self.page.url} ({what})\n" + "\n".join(told)

    def shoot(self, name: str) -> None:
        """Take a picture, if pictures are wanted."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


class Stage:
    """A browser and its scenes: one signed-in session a person."""

    def __init__(self, browser: Browser, host: DemoHost) -> None:
        self._browser, self.host = browser, host
        self._sessions: dict[str, StorageState] = {}
        self._kept: dict[tuple[str, bool], Scene] = {}
        self.paint: dict[str, float] = {}

    def scene(self, stack: ExitStack, who: str | None = "ada", *, scripts: bool = True) -> Scene:
        """Give a new page of somebody who is signed in (None: nobody), closed with the stack."""
        context = self._context(storage_state=self._session(who), java_script_enabled=scripts)
        stack.callback(context.close)
        return self._scene(context)

    def kept(self, who: str, *, scripts: bool = True) -> Scene:
        """Give somebody's page that is there for the whole walk, with nothing against it yet."""
        if (who, scripts) not in self._kept:
            context = self._context(storage_state=self._session(who), java_script_enabled=scripts)
            self._kept[who, scripts] = self._scene(context)
        scene = self._kept[who, scripts]
        scene.watch.problems.clear()
        scene.watch.is_refusal_expected = False
        return scene

    def _session(self, who: str | None) -> StorageState | None:
        if who is None:
            return None
        if who not in self._sessions:
            with ExitStack() as stack:
                context = self._context()
                stack.callback(context.close)
                sign_in(self._scene(context), who)
                self._sessions[who] = context.storage_state()
        return self._sessions[who]

    def _context(self, **options: object) -> BrowserContext:
        context = self._browser.new_context(
            viewport=WIDE,
            color_scheme="light",
            reduced_motion="reduce",
            locale="en-GB",
            **options,  # type: ignore[arg-type]
        )
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(_SEEN)
        return context

    def _scene(self, context: BrowserContext) -> Scene:
        page, watch = context.new_page(), Watch(self.host.url)
        watch.over(page)
        return Scene(self.host, page, watch, self.paint)


def sign_in(scene: Scene, who: str, password: str | None = None) -> None:
    """Sign in by the form, which is opened unless it is there."""
    if "/sign-in" not in scene.page.url:
        scene.page.goto(scene.host.url + "/sign-in")
    scene.page.get_by_label("Name").fill(who)
    scene.page.get_by_label("Password").fill(PASSWORD if password is None else password)
    scene.page.get_by_role("button", name="Sign in").click()
    if password is None:
        expect(scene.page.locator("details.menu > summary").filter(has_text=who)).to_be_visible()


def texts_missing(page: Page, texts: Sequence[str]) -> list[str]:
    """Give those texts that the page does not show; folded parts and what stands in fields count as shown."""
    whole = page.evaluate(
        """() => [document.body, ...document.querySelectorAll("input, textarea, select")]
             .map((each) => each.value ?? each.textContent).join("\\n")"""
    )
    return [each for each in texts if each not in whole]
