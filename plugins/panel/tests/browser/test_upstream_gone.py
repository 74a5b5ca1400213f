"""What a host that forwards shows in a browser when its upstream has died."""

from __future__ import annotations

import time

import pytest

from plugins.panel.tests.browser.demohost import DemoHost
from plugins.panel.tests.browser.scene import Stage

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def forsaken(host: DemoHost, client_stage: Stage) -> Stage:
    """Pages of a host whose upstream has been seen and is no more."""
    scene = client_stage.kept("ada")
    scene.page.goto(scene.host.url + "/")
    scene.page.goto("about:blank")
    host.kill()
    return client_stage


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/providers", 200), ("/jobs", 503), ("/runs", 503)],
    ids=["overview", "providers", "jobs", "runs"],
)
def test_a_host_that_forwards_says_that_its_upstream_is_gone(forsaken: Stage, path: str, status: int) -> None:
    scene = forsaken.kept("ada")
    scene.watch.is_refusal_expected = True  # at first also of a page that then shows what it still knows
    end = time.monotonic() + 60
    while True:
        answer = scene.page.goto(scene.host.url + path)
        assert answer is not None
        if answer.status == status and "upstream" in scene.page.locator("main").inner_text():
            break
        assert time.monotonic() < end, (answer.status, scene.page.locator("main").inner_text())
        scene.page.wait_for_timeout(500)
    scene.axe("light")
    scene.shoot(f"client-gone{path.replace('/', '-')}-light")
    scene.page.goto("about:blank")  # pages that try again by themselves need not
    assert not scene.watch.problems, scene.watch.problems
