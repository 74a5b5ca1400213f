"""What somebody does in a browser, one act each: words for people, and the same act done with the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from plugins.panel.tests.browser.scene import Scene, sign_in

Act = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One act or one look."""

    words: str
    do: Act


def opens(path: str) -> Step:
    """Open an address."""
    return Step(f"open {path}", lambda scene: scene.go(path))


def presses(button: str, *, of: str | None = None) -> Step:
    """Press a button by its whole name; ``of`` is a text of the table row or list entry that it stands in."""

    def do(scene: Scene) -> None:
        _visible(_part(scene.page, of).get_by_role("button", name=button, exact=True)).click()
        scene.settle()

    return Step(f"press {button}{_of(of)}", do)


def follows(link: str, *, of: str | None = None) -> Step:
    """Follow a link by its whole name."""

    def do(scene: Scene) -> None:
        _visible(_part(scene.page, of).get_by_role("link", name=link, exact=True)).first.click()
        scene.settle()

    return Step(f"follow {link}{_of(of)}", do)


def unfolds(summary: str) -> Step:
    """Open a menu, or a part that is folded away."""

    def do(scene: Scene) -> None:
        _visible(scene.page.locator("summary").filter(has_text=summary)).first.click()

    return Step(f"unfold {summary}", do)


def fills(label: str, text: str) -> Step:
    """Write into a field, in place of what is there."""
    return Step(f"write {text!r} into {label}", lambda scene: _field(scene.page, label).fill(scene.path(text)))


def chooses(label: str, option: str) -> Step:
    """Choose an option by its words."""

    def do(scene: Scene) -> None:
        _field(scene.page, label).select_option(label=option)

    return Step(f"choose {option!r} for {label}", do)


def ticks(label: str) -> Step:
    """Tick a box, or choose one of several."""

    def do(scene: Scene) -> None:
        page = scene.page
        boxes = page.get_by_role("checkbox", name=label, exact=True)
        _visible(boxes.or_(page.get_by_role("radio", name=label, exact=True))).check()

    return Step(f"tick {label}", do)


def keys(*names: str) -> Step:
    """Press keys one after another, with the focus nowhere in particular."""

    def do(scene: Scene) -> None:
        for name in names:
            scene.page.keyboard.press(name)

    return Step(f"press the keys {' '.join(names)}", do)


def types(text: str) -> Step:
    """Type where the focus is, and press Enter."""

    def do(scene: Scene) -> None:
        scene.page.keyboard.type(scene.path(text))
        scene.page.keyboard.press("Enter")

    return Step(f"type {text!r} and press Enter", do)


def confirms(title: str, go: str, *, says: str = "") -> Step:
    """Be asked, with the focus on Cancel, and go on."""

    def do(scene: Scene) -> None:
        dialog = _asked(scene, title)
        expect(dialog).to_contain_text(says)
        dialog.get_by_role("button", name=go, exact=True).click()
        expect(dialog).to_be_hidden()
        scene.settle()

    told = f" that says {says!r}" if says else ""
    return Step(f"be asked {title!r}{told}, and press {go}", do)


def declines(title: str) -> Step:
    """Be asked, and press Escape."""

    def do(scene: Scene) -> None:
        dialog = _asked(scene, title)
        scene.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()

    return Step(f"be asked {title!r}, and press Escape", do)


def sees(text: str) -> Step:
    """See a text on the page, at once or when the host has told of it."""
    return Step(f"see {text!r}", lambda scene: expect(_main(scene.page)).to_contain_text(scene.path(text)))


def lacks(text: str) -> Step:
    """Not see a text, or no longer."""

    def do(scene: Scene) -> None:
        expect(_visible(_main(scene.page).get_by_text(text))).to_have_count(0)

    return Step(f"see no {text!r}", do)


def finds(label: str, text: str) -> Step:
    """Find a text in a field."""
    return Step(f"find {text!r} in {label}", lambda scene: expect(_field(scene.page, label)).to_have_value(text))


def is_told(text: str) -> Step:
    """Be told, above the page, what was done."""
    return Step(f"be told {text!r}", lambda scene: expect(scene.page.locator("[data-toast]")).to_contain_text(text))


def is_at(pattern: str) -> Step:
    """Be at an address; ``pattern`` is a regular expression for its path and query."""

    def do(scene: Scene) -> None:
        expect(scene.page).to_have_url(re.compile(re.escape(scene.host.url) + scene.path(pattern) + "$"))
        scene.settle()

    return Step(f"be at {pattern}", do)


def goes_back() -> Step:
    """Press the browser's Back."""

    def do(scene: Scene) -> None:
        scene.page.go_back(wait_until="load")
        scene.settle()

    return Step("go back", do)


def has_focus(name: str) -> Step:
    """Have the focus in a field."""
    return Step(f"have the focus in {name}", lambda scene: expect(scene.page.get_by_label(name)).to_be_focused())


def signs_in(who: str, password: str | None = None) -> Step:
    """Sign in by the form."""
    words = f"sign in as {who}" + ("" if password is None else " with a wrong password")
    return Step(words, lambda scene: sign_in(scene, who, password))


def hears_of(what: str, happens: Callable[[Scene], None]) -> Step:
    """Have something happen elsewhere, outside the browser."""
    return Step(f"elsewhere: {what}", happens)


def notices(what: str, look: Callable[[Scene], None]) -> Step:
    """See that something is so."""
    return Step(f"see that {what}", look)


def _asked(scene: Scene, title: str) -> Locator:
    dialog = scene.page.locator("dialog[open]")
    expect(dialog.get_by_role("heading")).to_have_text(scene.path(title))
    expect(dialog.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
    return dialog


def _of(of: str | None) -> str:
    return f" of {of}" if of else ""


def _part(page: Page, of: str | None) -> Locator:
    """Give where to look: the row or entry, else the dialog that is open, else the page."""
    if of is not None:
        return page.locator("tr, li").filter(has_text=of).first
    dialog = page.locator("dialog[open]")
    return dialog if dialog.count() else page.locator("body")


def _main(page: Page) -> Locator:
    return page.locator("main")


def _field(page: Page, label: str) -> Locator:
    return _visible(page.locator("main, header, dialog[open]").get_by_label(label, exact=True))


def _visible(found: Locator) -> Locator:
    return found.and_(found.page.locator(":visible"))
