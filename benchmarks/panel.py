"""The panel: pages over a big store, what a browser loads first, and the host with everything that it has.

python benchmarks/panel.py big [N]   every page at 5 requests/s, N (1 000 000) runs, 10 000 jobs, 20 000 schedules
python benchmarks/panel.py first     bytes of the first load, first paint and layout shift (needs chromium)
python benchmarks/panel.py ready     the host with REST and the panel: seconds to ready, memory after a look at each page
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from common import Workspace, tell
from web import Client, fill_big, prepare

PASSWORD = "correct horse battery"
JOB = "20000000-0000-4000-8000-000000000001"
RATE = 5


class Browser:
    """A signed-in person's requests over one kept connection."""

    def __init__(self, space: Workspace) -> None:
        self.base = (space.folder / "data" / "http.url").read_text().strip()
        parts = urlsplit(self.base)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        self.cookies: dict[str, str] = {}
        command = [sys.executable, "-m", "host", "users", "add", "ada", "--role", "administrator", "--password-stdin"]
        command += ["--config", str(space.config)]
        subprocess.run(
            command, input=PASSWORD + "\n", text=True, check=True, env=space.environment, capture_output=True
        )
        self.get("/sign-in")
        token = next(value for name, value in self.cookies.items() if name.endswith("-form"))
        form = urlencode({"form_token": token, "name": "ada", "password": PASSWORD})
        status, body = self.send("POST", "/sign-in", form, {"Content-Type": "application/x-www-form-urlencoded"})
        assert status == 303, body

    def get(self, path: str) -> tuple[int, bytes]:
        return self.send("GET", path)

    def send(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.connection.request(method, path, body, {"Cookie": cookie, **(headers or {})})
        answer = self.connection.getresponse()
        for value in answer.headers.get_all("Set-Cookie") or ():
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer.status, answer.read()


def pages(run_id: str) -> dict[str, str]:
    """Give every page that can be looked at."""
    return {
        "overview": "/",
        "overview_7d": "/?span=7d",
        "jobs": "/jobs",
        "jobs_charts": "/jobs?charts=yes",
        "jobs_name": "/jobs?q=777",
        "jobs_failing": "/jobs?show=failing",
        "jobs_never": "/jobs?show=never",
        "jobs_unscheduled": "/jobs?show=unscheduled",
        "job": f"/jobs/{JOB}",
        "schedules": "/jobs/Job 5/schedules",
        "editor": "/jobs/Job 5/schedules?edit=0",
        "runs": "/runs",
        "runs_failed": "/runs?state=failed",
        "runs_text": "/runs?text=other+side",
        "runs_rare_text": "/runs?text=nothing+has+this",
        "run": f"/runs/{run_id}",
        "providers": "/providers",
        "audit": "/audit",
        "search": "/search?q=777",
    }


def spaced(count: int) -> Iterator[int]:
    """Give numbers, at most ``RATE`` a second."""
    began = time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        yield number


def big(space: Workspace, rows: int) -> dict[str, object]:
    """Time every page."""
    fill_big(space, rows)
    ready = space.start()
    api, browser = Client(space), Browser(space)
    failed = json.loads(api.get("/rest/v1/runs?limit=1&state=failed")[1])["runs"][0]["id"]
    figures = {}
    for name, path in pages(failed).items():
        path = path.replace("Job 5", "bench_jobs:Job5")
        times, first = [], 0.0
        for number in spaced(21):
            began = time.perf_counter()
            status, body = browser.get(path)
            took = time.perf_counter() - began
            assert status in {200, 303}, (path, status, body[-800:])
            if number:
                times.append(took)
            else:
                first = took
        times.sort()
        figures[name] = {
            "first": round(first * 1000),
            "p50": round(times[10] * 1000, 1),
            "p95": round(times[18] * 1000, 1),
            "kb": round(len(body) / 1000),
        }
    return {"runs": rows, "ready_s": round(ready, 2), "rss_mib": space.rss_mib(), "ms": figures}


def first(space: Workspace) -> dict[str, object]:
    """Load pages in a browser with an empty cache."""
    from playwright.sync_api import sync_playwright

    flags = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
    prepare(space, 20)
    space.start()
    browser = Browser(space)
    figures: dict[str, object] = {}
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=flags.split())
        for name, path in {"sign_in": "/sign-in", "overview": "/", "jobs": "/jobs", "runs": "/runs"}.items():
            context = chromium.new_context(viewport={"width": 1280, "height": 860})
            parts = urlsplit(browser.base)
            cookies = [
                {"name": k, "value": v, "domain": parts.hostname, "path": "/"} for k, v in browser.cookies.items()
            ]
            if name != "sign_in":
                context.add_cookies(cookies)
            page = context.new_page()
            page.add_init_script(
                "window.shift = 0; new PerformanceObserver((list) => { for (const each of list.getEntries()) window.shift += each.value; })"
                ".observe({type: 'layout-shift', buffered: true});"
            )
            page.goto(browser.base + path, wait_until="load")
            page.wait_for_timeout(1500)
            measured = page.evaluate(
                """() => ({
                  bytes: performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
                    .reduce((sum, each) => sum + each.transferSize, 0),
                  paint_ms: performance.getEntriesByName('first-contentful-paint')[0].startTime,
                  shift: window.shift})"""
            )
            again = []
            for _ in range(5):
                page.goto(browser.base + path, wait_until="load")
                page.wait_for_timeout(200)
                again.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            figures[name] = {
                "kb": round(measured["bytes"] / 1000, 1),
                "paint_ms": round(measured["paint_ms"]),
                "paint_again_ms": round(sorted(again)[2]),
                "layout_shift": measured["shift"],
            }
            context.close()
        chromium.close()
    return figures


def ready(space: Workspace) -> dict[str, object]:
    """Time the start, and weigh the host after every page was looked at."""
    prepare(space, 0)
    seconds = space.start()
    time.sleep(1)
    before = space.rss_mib()
    browser = Browser(space)
    _, body = browser.get("/runs")
    run = re.search(rb'href="/runs/([0-9a-f-]{36})"', body)
    for path in pages(run[1].decode() if run else "").values():
        browser.get(path.replace("Job 5", "bench_jobs:Noop"))
    return {"ready_s": round(seconds, 2), "rss_mib": before, "rss_mib_after_pages": space.rss_mib()}


def main() -> None:
    """Run one mode and print its line."""
    mode = sys.argv[1] if len(sys.argv) > 1 else "ready"
    with Workspace() as space:
        if mode == "big":
            tell("panel big", **big(space, int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000))
        else:
            tell(f"panel {mode}", **{"first": first, "ready": ready}[mode](space))


if __name__ == "__main__":
    main()
