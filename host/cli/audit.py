"""``jobhost audit``: who did what, from a running host or from the trail that one left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import click

from host.cli.options import find_data_directory, json_option, located
from host.cli.output import Cell, failure, is_narrow, is_wide, print_json, print_line, print_table, warning
from host.cli.run_filters import Since
from host.errors import HostUnavailableError
from host.model.security import AuditEvent, AuditFilter, AuditOutcome, AuditPage

_Read: TypeAlias = Callable[[str | None, int], Awaitable[AuditPage]]
"""Gives a page after a cursor, of at most so many events."""


@click.command()
@click.option("--since", type=Since(), help="Only from then on: 2h (ago), 7d, 2026-03-01.")
@click.option("--until", type=Since(), help="Only from before then.")
@click.option("--by", help="Only what this person or program did.")
@click.option("--face", help="Only what came in this way: cli, rest, ami, auth, panel.")
@click.option("--outcome", type=click.Choice([outcome.value for outcome in AuditOutcome]), help="Only what ended so.")
@click.option("--text", help="Only with this in the action or the target.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@click.option("--cursor", help="Go on after a page, by the cursor it ended with.")
@json_option
@located
def audit(
    *,
    since: datetime | None,
    until: datetime | None,
    by: str | None,
    face: str | None,
    outcome: str | None,
    text: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
    data: Path | None,
    config: Path | None,
) -> None:
    """Show who did what.

    Newest first, from the running host; where none runs, from the trail that the last one left.
    """
    where = AuditFilter(
        since=since, until=until, by=by, face=face, outcome=AuditOutcome(outcome) if outcome else None, text=text
    )
    directory = find_data_directory(data, config)
    page = asyncio.run(_events(directory, where, cursor, limit))
    if as_json:
        print_json(page)
        return
    columns = _columns()
    rows = [[_cell(column, event) for column in columns] for event in page.events]
    empty = "no event" if cursor is None else "no more event"
    texts = [column for column in columns if column in {"ACTION", "TARGET", "DETAIL"}]
    print_table(columns, rows, empty=empty, texts=texts, is_cut=not is_narrow())
    if page.next_cursor:
        print_line(f"more: --cursor {page.next_cursor}")


async def _events(directory: Path, where: AuditFilter, cursor: str | None, limit: int) -> AuditPage:
    from host.cli.connect import connect
    from host.local.audit import FILE_NAME, kept_events

    async def kept(cursor: str | None, limit: int) -> AuditPage:
        return kept_events(directory, where, cursor=cursor, limit=limit)

    async with AsyncExitStack() as stack:
        try:
            host = await stack.enter_async_context(connect(directory))
        except HostUnavailableError:
            if not (directory / FILE_NAME).exists():
                raise
            return await _filled(kept, cursor, limit)
        return await _filled(lambda cursor, limit: host.audit.events(where, cursor=cursor, limit=limit), cursor, limit)


async def _filled(read: _Read, cursor: str | None, limit: int) -> AuditPage:
    """Give one page, also where the trail gives little at a time because a filter finds little."""
    events: list[AuditEvent] = []
    while True:
        page = await read(cursor, limit - len(events))
        events += page.events
        cursor = page.next_cursor
        if cursor is None or len(events) == limit:
            return AuditPage(events=tuple(events), next_cursor=cursor)


def _columns() -> Sequence[str]:
    if is_narrow():
        return ("WHEN", "BY", "OUTCOME", "ACTION", "TARGET")
    return ("WHEN", "BY", "FACE", "OUTCOME", "ACTION", "TARGET", *(("FROM", "DETAIL") if is_wide() else ()))


def _cell(column: str, event: AuditEvent) -> Cell:
    at = event.at.astimezone()
    values: dict[str, Cell] = {
        "WHEN": f"{at:%Y-%m-%d %H:%M}" if is_narrow() else f"{at:%Y-%m-%d %H:%M:%S}",
        "BY": event.by or "-",
        "FACE": event.face,
        "OUTCOME": _outcome(event),
        "ACTION": event.action,
        "TARGET": event.target or "-",
        "FROM": " ".join(part for part in (event.client, event.address) if part) or "-",
        "DETAIL": ", ".join(f"{name}={text}" for name, text in event.detail.items()) or "-",
    }
    return values[column]


def _outcome(event: AuditEvent) -> Cell:
    text = event.outcome.value if event.status is None else f"{event.outcome.value} {event.status}"
    if event.outcome is AuditOutcome.DENIED:
        return failure(text)
    return warning(text) if event.outcome is AuditOutcome.FAILED else text
