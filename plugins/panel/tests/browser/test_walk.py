"""Goes the walk in a browser: every screen, then every action, on a host and on one that forwards to it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from host.model.security import Policy
from plugins.panel.tests.browser.demo.panel_demo import canary
from plugins.panel.tests.browser.demohost import SECRET, DemoHost
from plugins.panel.tests.browser.scene import NARROW, WIDE, Scene, Stage, texts_missing
from plugins.panel.tests.browser.walk import ACTIONS, CLIENT_ACTIONS, HOST_ACTIONS, SCREENS, Action, Screen

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
TABBED = ("overview", "jobs-failing", "job", "run-running", "runs-filtered", "schedules-edit", "providers")


@pytest.mark.parametrize("screen", SCREENS, ids=lambda each: each.name)
def test_a_screen_is_sound(stage: Stage, screen: Screen) -> None:
    _look_at(stage.kept("ada"), screen, screen.name)


def test_reading_needs_neither_scripts_nor_rights(stage: Stage) -> None:
    scene = stage.kept("rita", scripts=False)
    for screen in SCREENS:
        answer = scene.page.goto(stage.host.url + scene.path(screen.path), wait_until="domcontentloaded")
        assert answer is not None
        if screen.demands is not Policy.READ_SYSTEM_JOBS:
            assert answer.status == 403, screen.name
            continue
        assert answer.status == screen.status, screen.name
        assert texts_missing(scene.page, [*screen.shows, *map(_canary, screen.canaries)]) == [], screen.name
        forms = scene.page.locator("main form[method=post], main [hx-post]")
        assert forms.count() == 0, f"{screen.name}: {forms.first.inner_html()}"


@pytest.mark.parametrize("name", TABBED)
def test_the_tab_key_reaches_everything_and_shows_where_it_is(stage: Stage, name: str) -> None:
    scene = stage.kept("ada")
    scene.go(next(screen.path for screen in SCREENS if screen.name == name))
    wanted = set(scene.page.evaluate(_MARK_ALL))
    seen: set[str] = set()
    for _ in range(2 * len(wanted) + 20):
        scene.page.keyboard.press("Tab")
        mark, is_visible = scene.page.evaluate(_FOCUSED)
        assert is_visible, f"no mark of the focus on {mark}"
        seen.add(mark)
        if wanted <= seen:
            return
    raise AssertionError(f"never reached: {sorted(wanted - seen)}")


def test_a_run_that_starts_elsewhere_appears_by_itself(stage: Stage) -> None:
    scene = stage.kept("ada")
    scene.go("/runs?job=Chatter")
    scene.page.evaluate("window.__same = true")
    before = scene.page.locator("#runs tbody tr").count()
    scene.host.command("jobs", "start", "Chatter")
    expect(scene.page.locator("#runs tbody tr")).to_have_count(before + 1)
    assert scene.page.evaluate("window.__same") is True
    scene.check(may_shift=True)


def test_nothing_moves_while_a_dialog_is_open(stage: Stage) -> None:
    with ExitStack() as stack:
        scene = stage.scene(stack)
        scene.page.clock.install()
        scene.go("/runs?job=Chatter")
        scene.page.clock.pause_at("2100-01-01")
        before = scene.page.locator("#runs tbody tr").count()
        scene.page.keyboard.press("?")
        scene.wait_for_dialog("Keyboard")
        told = scene.page.evaluate("__seen.told")
        scene.host.command("jobs", "start", "Chatter", "--wait")
        scene.page.wait_for_function("(told) => __seen.told > told", arg=told, polling=50)
        asked: list[str] = []
        scene.page.on("request", lambda request: asked.append(request.url))
        scene.page.clock.run_for(10_000)
        assert asked == []
        assert scene.page.locator("#runs tbody tr").count() == before
        scene.page.keyboard.press("Escape")
        scene.wait_for_dialog(None)
        scene.page.clock.resume()
        expect(scene.page.locator("#runs tbody tr")).to_have_count(before + 1)


CLIENT_SCREENS = [screen for screen in SCREENS if not screen.is_local]


@pytest.mark.parametrize("screen", CLIENT_SCREENS, ids=lambda each: each.name)
def test_a_screen_of_a_host_that_forwards_is_sound(client_stage: Stage, screen: Screen) -> None:
    _look_at(client_stage.kept("ada"), screen, f"client-{screen.name}")


@pytest.mark.parametrize("action", CLIENT_ACTIONS, ids=lambda each: each.name)
def test_an_action_works_through_a_host_that_forwards(client_stage: Stage, action: Action) -> None:
    _act(client_stage, action)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda each: each.name)
def test_an_action_does_what_it_says(stage: Stage, action: Action) -> None:
    _act(stage, action)


@pytest.fixture
def idle(host: DemoHost) -> None:
    """Nothing runs that would hold up the end of the host."""
    for gate in ("never", "let-go", "gate", "client-gate"):
        host.open_gate(gate)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("action", HOST_ACTIONS, ids=lambda each: each.name)
def test_an_action_on_the_host_itself_does_what_it_says(stage: Stage, action: Action) -> None:
    _act(stage, action)


def _look_at(scene: Scene, screen: Screen, shot: str) -> None:
    scene.watch.is_refusal_expected = screen.status != 200
    scene.go(screen.path)
    scene.note_paint(screen.path)
    for text in screen.needs:
        expect(scene.page.locator("main")).to_contain_text(text)
    assert texts_missing(scene.page, [*screen.shows, *map(_canary, screen.canaries)]) == []
    assert SECRET not in scene.page.content()
    scene.check()
    scene.axe("light")
    scene.shoot(f"{shot}-light")
    scene.page.emulate_media(color_scheme="dark")
    if not shot.startswith("client-"):  # the same colours
        scene.axe("dark")
    scene.shoot(f"{shot}-dark")
    scene.page.emulate_media(color_scheme="light")
    scene.page.set_viewport_size(NARROW)
    assert scene.page.evaluate(_SIDEWAYS) == []
    scene.shoot(f"{shot}-360")
    scene.page.set_viewport_size(WIDE)
    assert not scene.watch.problems, scene.watch.problems


def _act(stage: Stage, action: Action) -> None:
    with ExitStack() as stack:
        scene = stage.scene(stack, None) if action.who is None else stage.kept(action.who)
        scene.watch.is_refusal_expected = action.is_refused
        for number, step in enumerate(action.steps, 1):
            try:
                step.do(scene)
            except Exception as error:
                told = str(error).split("Call log:")[0][:600]
                shown = scene.page.locator("main").inner_text()[:600].replace("\n", " ")
                raise AssertionError(f"step {number}, {step.words}: {told}\n{scene.page.url}\n{shown}") from None
        if not action.is_refused:
            scene.check(may_shift=True)


def _canary(field: str) -> str:
    return canary(field)[:60]


_SIDEWAYS = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [`${document.documentElement.scrollWidth} of ${innerWidth} pixels`,
   ...[...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
    .map((each) => each.outerHTML.slice(0, 150)).slice(0, 5)]"""

# Of radio buttons with one name only the chosen one is reached by Tab; the others by the arrow keys.
_MARK_ALL = """() => {
  const found = [...document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary)")]
    .filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.disabled && each.type !== "hidden"
                      && !(each.type === "radio" && !each.checked) && each.tabIndex >= 0);
  found.forEach((each, number) => { each.dataset.tab = `${number} ${each.outerHTML.slice(0, 100)}`; });
  return found.map((each) => each.dataset.tab);
}"""
_FOCUSED = """() => {
  const focused = document.activeElement;
  const shows = (each) => {
    const style = getComputedStyle(each);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  };
  const about = [focused, focused.parentElement ?? focused];
  return [focused.dataset.tab ?? focused.outerHTML.slice(0, 100), focused === document.body || about.some(shows)];
}"""
