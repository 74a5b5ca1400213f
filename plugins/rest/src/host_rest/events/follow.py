"""Following one run: its changes and its lines, until both have ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.errors import HostError, InvalidRequestError, RunNotFoundError
from host.model.logs import RunLogLine
from host.model.runs import JobRun
from host_rest.events.feed import RunFeed
from host_rest.events.frames import GAP, bye, encoded_event, event
from host_rest.events.lines import RunLines
from host_rest.events.outlet import Outlet
from host_rest.events.shown import ShownRuns

_PLACE = re.compile(r"(0|[1-9][0-9]{0,17})-(0|[1-9][0-9]{0,17})")


@dataclass(slots=True)
class Place:
    """How far a client has come: the last change and the last line it has got."""

    change: int = 0
    line: int = 0

    def __str__(self) -> str:
        """Give it as an event's id."""
        return f"{self.change}-{self.line}"


def read_place(text: str) -> Place:
    """Read an event's id; raises InvalidRequestError for what is none."""
    match = _PLACE.fullmatch(text)
    if match is None:
        hint = "give the id of the last event of this run, as in '1207-31'"
        raise InvalidRequestError(f"{text[:40]!r} is no place to resume from", hint=hint)
    return Place(int(match[1]), int(match[2]))


class RunFollower:
    """Brings one run's changes and lines to one outlet, lines as fast as they are taken."""

    def __init__(
        self, run_id: UUID, place: Place, outlet: Outlet, *, reader: JobRunReader, log: RunLog, shown: ShownRuns
    ) -> None:
        self._run_id, self._place, self._outlet = run_id, place, outlet
        self._reader, self._log, self._shown = reader, log, shown
        self._lines = RunLines(run_id, self._tell, after=place.line, reader=reader, log=log)

    async def find(self) -> JobRun:
        """Give the run; raises RunNotFoundError."""
        run = await self._reader.run(self._run_id)
        if run is None:
            raise RunNotFoundError(f"no run has the id {self._run_id}")
        return run

    async def has_more(self, run: JobRun) -> bool:
        """Say whether there is, or will be, anything beyond the place."""
        if not run.state.is_final or run.change > self._place.change:
            return True
        return bool(await self._log.read(self._run_id, after=self._place.line, limit=1))

    async def follow(self, feed: RunFeed) -> None:
        """Tell of everything beyond the place, then close the outlet."""
        try:
            with feed.watching(self._run_id, self._saw):
                run = await self.find()
                self._saw(run, (await self._shown.encoded([run]))[0])
                await self._lines.bring()
            self._outlet.close(event("end", {}))
        except HostError:
            self._outlet.close(bye("unavailable"))

    def _saw(self, run: JobRun, data: bytes) -> None:
        if run.change > self._place.change:
            self._place.change = run.change
            if not self._outlet.offer(encoded_event("run", data, id=str(self._place))):
                self._outlet.close(GAP, at_once=True)
        if run.state.is_final:
            self._lines.end()

    async def _tell(self, line: RunLogLine) -> None:
        # Invariant: an id tells of no line that was not offered before it. While it waits, the run may change.
        while not self._outlet.offer_line(event("log", line, id=str(Place(self._place.change, line.number)))):
            if not await self._outlet.drained():
                return
        self._place.line = line.number
