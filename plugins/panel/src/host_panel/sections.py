"""The parts of the panel, in the order of its rail."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from host.model.security import Policy


class Section(NamedTuple):
    """One entry of the rail."""

    path: str
    word: str
    key: str | None
    """After ``g``, goes there."""
    policy: Policy | None
    """What it demands of who sees it; None: what every page demands."""


SECTIONS = (
    Section("/", "Overview", "o", None),
    Section("/jobs", "Jobs", "j", None),
    Section("/runs", "Runs", "r", None),
    Section("/providers", "Plugins", "p", None),
    Section("/audit", "Audit", "a", Policy.UNRESTRICTED_ADMINISTRATION),
)

_ICONS = {
    "/": "M4 13h6V4H4zm0 7h6v-5H4zm8 0h8v-9h-8zm0-16v5h8V4z",
    "/jobs": "M4 6h2v2H4zm4 0h12v2H8zM4 11h2v2H4zm4 0h12v2H8zM4 16h2v2H4zm4 0h12v2H8z",
    "/runs": "M7 4.5v15l13-7.5z",
    "/providers": "M9 2v5H7v4a5 5 0 0 0 4 4.9V22h2v-6.100a5 5 0 0 0 4-4.900V7h-2V2h-2v5h-2V2z",
    "/audit": "M6 2h9l4 4v16H6zm2 8v2h9v-2zm0 4v2h9v-2zm0-8v2h5V6z",
}


def section_of(path: str) -> str:
    """Give the path of the section that a page belongs to."""
    fitting = [each.path for each in SECTIONS if each.path != "/" and (path + "/").startswith(each.path + "/")]
    return fitting[0] if fitting else ("/" if path == "/" else "")


def icon_of(path: str) -> Markup:
    """Give the icon of a section."""
    return Markup('<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>').format(_ICONS[path])
