"""Runs in answers that stay small, whatever parameters the runs were given."""

from __future__ import annotations

from collections.abc import Sequence

from host.model.runs import JobRun, RunFilter, RunPage
from host.wire import to_json
from host_rest.api.services import Services
from host_rest.api.shown import shown_runs

MAX_BYTES = 4 * 1024 * 1024
"""An answer holds the runs that fit into so much, and one at least."""
CHUNK = 100
"""Runs read at a time."""


async def page_of_runs(host: Services, where: RunFilter, *, cursor: str | None, limit: int) -> RunPage:
    """Give a page as ``JobRunReader.runs`` does, secrets hidden; it ends where it is full, and its cursor goes on."""
    found: list[JobRun] = []
    room = MAX_BYTES
    while True:
        asked = min(CHUNK, limit - len(found))
        page = await host.runs.runs(where, cursor=cursor, limit=asked)
        held = fitting(page.runs, room)
        if len(held) < len(page.runs):
            if found and not held:
                return RunPage(runs=tuple(found), next_cursor=cursor)
            asked = max(1, len(held))
            page = await host.runs.runs(where, cursor=cursor, limit=asked)
        found += await shown_runs(host, page.runs)
        room -= sum(map(_size, page.runs))
        cursor = page.next_cursor
        if cursor is None or room <= 0 or len(found) == limit or asked < CHUNK or len(page.runs) < asked:
            return RunPage(runs=tuple(found), next_cursor=cursor)


def fitting(runs: Sequence[JobRun], room: int = MAX_BYTES) -> Sequence[JobRun]:
    """Give the first of these runs, as many as there is room for."""
    for number, run in enumerate(runs):
        room -= _size(run)
        if room < 0:
            return runs[:number]
    return runs


def _size(run: JobRun) -> int:
    return len(to_json(run)) + 1
