"""Which events of the audit trail a page shows: read from its address, shown as chips that can be removed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from host.model.security import AuditFilter, AuditOutcome
from host_panel.reading import read_instant
from host_panel.requests import PanelRequest
from host_panel.run_filter import Chip

FIELDS = ("by", "face", "outcome", "since", "until", "text")
_WORDS = {
    "by": "By {}",
    "face": "By way of {}",
    "outcome": "Outcome: {}",
    "since": "Since {}",
    "until": "Before {}",
    "text": "“{}”",
}
_ID = re.compile(r"\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAuditFilter:
    """A filter as a page shows it."""

    where: AuditFilter
    chips: Sequence[Chip]
    values: dict[str, str]
    """Of the form's fields."""
    problems: dict[str, str]
    """Of fields that make no sense, which then do not narrow: ``{field: what is expected}``."""


def read_audit_filter(request: PanelRequest, zone: str) -> ShownAuditFilter:
    """Read the filter of a request."""
    values = {name: request.query(name) for name in FIELDS}
    problems: dict[str, str] = {}
    instants = {name: _instant(name, values[name], zone, problems) for name in ("since", "until")}
    outcome = AuditOutcome(values["outcome"]) if values["outcome"] in set(AuditOutcome) else None
    if values["outcome"] and outcome is None:
        problems["outcome"] = f"one of {', '.join(AuditOutcome)}"
    return ShownAuditFilter(
        where=AuditFilter(
            by=values["by"] or None,
            face=values["face"] or None,
            outcome=outcome,
            since=instants["since"],
            until=instants["until"],
            text=values["text"] or None,
        ),
        chips=[
            Chip(text.format(values[name].replace("T", " ")), request.link(**{name: None, "cursor": None}))
            for name, text in _WORDS.items()
            if values[name] and name not in problems
        ],
        values=values,
        problems=problems,
    )


def with_links(text: str, *, url: Callable[[str], str]) -> Markup:
    """Give a text whose ids lead to the run or job that has them."""
    parts = _ID.split(text)  # every second one is an id
    link = Markup('<a href="{}">{}</a>')
    return Markup().join(
        link.format(url(f"/search?q={part}"), part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def _instant(name: str, text: str, zone: str, problems: dict[str, str]) -> datetime | None:
    try:
        return read_instant(text, zone) if text else None
    except ValueError as error:
        problems[name] = str(error)
        return None
