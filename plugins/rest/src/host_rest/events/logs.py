"""The lines of many runs on one stream, each from where its reader has come, until all those runs have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl
from uuid import UUID

from host.contracts.http import Scope
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.errors import HostError, InvalidRequestError, Problem
from host.model.logs import RunLogLine
from host.model.runs import JobRun
from host_rest.events.feed import RunFeed
from host_rest.events.frames import bye, event
from host_rest.events.lines import RunLines
from host_rest.events.outlet import Outlet

MOST_RUNS = 100
MAX_DIGITS = 18


def read_places(scope: Scope) -> Mapping[UUID, int]:
    """Give ``{run id: number of the last line its reader has}`` of the query ``run=<id>:<number>``.

    Raises InvalidRequestError with every problem.
    """
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    problems = [
        Problem(message=f"unknown query parameter {name[:80]!r}", hint="known is run, which may be repeated")
        for name, _ in given
        if name != "run"
    ]
    places: dict[UUID, int] = {}
    for name, value in given:
        place = _place(value) if name == "run" else None
        if place is not None and place[0] not in places:
            places[place[0]] = place[1]
        elif name == "run":
            problems.append(_no_place(value))
    if not 1 <= len(given) <= MOST_RUNS:
        problems.append(Problem(message=f"{len(given)} runs are named; 1 to {MOST_RUNS} can be followed together"))
    if problems:
        raise InvalidRequestError("the lines asked for cannot be given", problems=problems[:MOST_RUNS])
    return places


class LogsFollower:
    """Brings lines of several runs to one outlet, as fast as they are taken; ``end`` says which run has no more."""

    def __init__(self, places: Mapping[UUID, int], outlet: Outlet, *, reader: JobRunReader, log: RunLog) -> None:
        self._places, self._outlet = places, outlet
        self._reader, self._log = reader, log

    async def follow(self, feed: RunFeed) -> None:
        """Tell of everything beyond the places, then close the outlet."""
        following = [asyncio.create_task(self._follow(feed, *each), name="run log") for each in self._places.items()]
        try:
            await asyncio.gather(*following)
        except HostError:
            self._outlet.close(bye("unavailable"))
        else:
            self._outlet.close(event("end", {}))
        finally:
            for each in following:
                each.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    async def _follow(self, feed: RunFeed, run_id: UUID, after: int) -> None:
        async def tell(line: RunLogLine) -> None:
            await self._tell("log", {"run_id": run_id, "line": line})

        def saw(run: JobRun, _: bytes) -> None:
            if run.state.is_final:
                lines.end()

        lines = RunLines(run_id, tell, after=after, reader=self._reader, log=self._log)
        with feed.watching(run_id, saw):
            run = await self._reader.run(run_id)
            if run is None:
                await self._tell("missing", {"run_id": run_id})
                return
            saw(run, b"")
            await lines.bring()
        await self._tell("end", {"run_id": run_id})

    async def _tell(self, kind: str, data: Mapping[str, object]) -> None:
        piece = event(kind, data)
        while not self._outlet.offer_line(piece):
            if not await self._outlet.drained():
                return


def _place(value: str) -> tuple[UUID, int] | None:
    text, _, number = value.partition(":")
    if not (number or "0").isdecimal() or not number.isascii() or len(number) > MAX_DIGITS:
        return None
    try:
        return UUID(text), int(number or "0")
    except ValueError:
        return None


def _no_place(value: str) -> Problem:
    hint = "give each run once, with the number of its last line that you have: run=<id>:31"
    return Problem(message=f"{value[:60]!r} is no run to follow", hint=hint)
