"""The browser and the hosts of the walk; all of them end with the module that asks for them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from plugins.panel.tests.browser.demohost import DemoHost, client_host, demo_host
from plugins.panel.tests.browser.scene import SHOTS, WAIT_MS, Stage

# Everything is on the loopback interface and in one process tree; chromium's own sandbox does not work as root.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, headless."""
    path = shutil.which("chromium")
    if path is None:
        told = "there is no chromium on the PATH; apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS), timeout=2 * WAIT_MS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoHost]:
    """A host with jobs in every state."""
    made = demo_host(tmp_path_factory.mktemp("host"))
    try:
        made.start()
        made.prepare()
        yield made
    finally:
        made.kill()


@pytest.fixture(scope="module")
def client(host: DemoHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoHost]:
    """A host that forwards to the other one."""
    made = client_host(tmp_path_factory.mktemp("client"), host)
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture(scope="module")
def stage(browser: Browser, host: DemoHost) -> Iterator[Stage]:
    """Pages of the host itself."""
    made = Stage(browser, host)
    yield made
    _tell_paint("host", made.paint)


@pytest.fixture(scope="module")
def client_stage(browser: Browser, client: DemoHost) -> Iterator[Stage]:
    """Pages of the host that forwards."""
    made = Stage(browser, client)
    yield made
    _tell_paint("client", made.paint)


def _tell_paint(which: str, paint: dict[str, float]) -> None:
    lines = [f"{milliseconds:7.0f} ms  {path}" for path, milliseconds in paint.items()]
    text = f"first contentful paint, {which}\n" + "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        (Path(SHOTS) / f"paint-{which}.txt").write_text(text)
