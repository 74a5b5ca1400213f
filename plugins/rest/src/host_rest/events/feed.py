"""What changed, read once and handed to every client: one pump, whatever the number of clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import structlog

from host.contracts.clock import Clock
from host.contracts.runs import JobRunReader
from host.errors import HostError
from host.model.runs import JobRun
from host_rest.events.frames import GAP, bye, encoded_event, event, mark
from host_rest.events.outlet import Outlet
from host_rest.events.selection import Selection
from host_rest.events.shown import ShownRuns

logger = structlog.get_logger(__name__)

PAGE = 200
SLOW_SECONDS, FAST_SECONDS = 1.0, 0.2
"""How often the store is looked at while the bus says nothing: FAST where it says nothing of changes either."""
PAUSE_SECONDS = 0.05
"""Between two looks: what changes twice in it is told once."""
RETRY_SECONDS = 1.0
PAUSE_SECONDS_A_CLIENT = 0.0005
"""The same for many: so many clients are told less often, and each time of more."""
SLICE = 25
"""Clients that are told in one turn of the event loop, for nobody else has a turn meanwhile."""
MAX_SHARE = 1 / 3
"""Of the time, at most so much goes into looking when changes never end."""

Watcher = Callable[[JobRun, bytes], None]
"""Hears of one run: as it is now, and the same as JSON."""


class RunFeed:
    """Follows ``changes`` while somebody listens, and reads nothing otherwise."""

    def __init__(self, reader: JobRunReader, shown: ShownRuns, clock: Clock) -> None:
        self._reader, self._shown, self._clock = reader, shown, clock
        self._outlets: dict[Selection, set[Outlet]] = {}
        self._told: set[Outlet] = set()
        self._watchers: dict[UUID, set[Watcher]] = {}
        self._listeners = 0
        # Invariant: None whenever nobody listens; every change up to it has been handed, or is just being handed, to
        # each outlet that is attached, and none beyond it has.
        self._position: int | None = None
        self._handed = 0
        """Every attached outlet has been handed what changed up to here."""
        self._beginning = asyncio.Lock()
        self._wake = asyncio.Event()
        self._is_told = False
        self._is_bus_silent = False
        self._is_blind = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep the feed running."""
        self._listeners += 1
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._position = None

    async def begin(self) -> int:
        """Give the number of the newest change known here; for who listens. Raises StoreUnavailableError."""
        async with self._beginning:
            if self._position is None:
                self._position = self._handed = await self.newest()
                self._wake.set()
            return self._position

    async def newest(self) -> int:
        """Give the number of the newest change there is, 0 before the first."""
        newest = await self._reader.changes(-1)
        return newest[-1].change if newest else 0

    async def missed(self, selection: Selection, after: int) -> tuple[bytes, int]:
        """Give a page of what changed after a change, and the number to go on from."""
        known = self._position or 0
        page = await self._reader.changes(after, limit=PAGE)
        if not page:
            return b"", max(after, known)  # no row has any of these numbers: they have changed again, or are deleted
        runs = [run for run in page if selection.fits(run)]
        encoded = await self._shown.encoded(runs)
        frames = (encoded_event("run", data, id=str(run.change)) for run, data in zip(runs, encoded, strict=True))
        return b"".join(frames), page[-1].change

    def attach(self, selection: Selection, outlet: Outlet, after: int) -> bool:
        """Hand everything after a change to an outlet from now on; False if some of it has been told already."""
        assert self._position is not None
        if after < self._position:
            return False
        outlet.after, outlet.is_attached = after, True
        self._outlets.setdefault(selection, set()).add(outlet)
        return True

    def detach(self, selection: Selection, outlet: Outlet) -> None:
        """Hand it nothing more; safe for one that is not attached."""
        outlets = self._outlets.get(selection, set())
        outlets.discard(outlet)
        if not outlets:
            self._outlets.pop(selection, None)

    @contextmanager
    def watching(self, run_id: UUID, watcher: Watcher) -> Iterator[None]:
        """Tell of one run's changes."""
        watchers = self._watchers.setdefault(run_id, set())
        watchers.add(watcher)
        try:
            yield
        finally:
            watchers.discard(watcher)
            if not watchers:
                self._watchers.pop(run_id, None)

    @contextmanager
    def told(self, outlet: Outlet) -> Iterator[None]:
        """Tell an outlet of what has no number from now on, also while its client still catches up."""
        self._told.add(outlet)
        try:
            yield
        finally:
            self._told.discard(outlet)

    def tell(self, kind: str, data: object) -> None:
        """Send everybody who is ``told`` an event that has no number; one that does not keep up misses it."""
        piece = event(kind, data)
        for outlet in self._told:
            outlet.offer(piece)

    def mark(self, outlet: Outlet) -> bytes:
        """Give what tells an attached, idle outlet's client that it has everything up to here."""
        return mark(str(max(self._handed, outlet.after)))

    def look(self) -> None:
        """Look for changes now: the bus said so."""
        self._is_told, self._is_bus_silent = True, False
        self._wake.set()

    async def run(self) -> None:
        """Pump, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            if self._position is None:
                await self._wake.wait()
                continue
            began, self._is_told, was_told = loop.time(), False, self._is_told
            is_more, has_found = await self._look()
            self._is_bus_silent = self._is_bus_silent or (has_found and not was_told and not self._is_told)
            took = loop.time() - began
            clients = sum(map(len, self._outlets.values()))
            pause = max(PAUSE_SECONDS, clients * PAUSE_SECONDS_A_CLIENT)
            await asyncio.sleep(max(took * (1 / MAX_SHARE - 1) if is_more else 0.0, pause))
            if not is_more:
                await self._rest()

    async def _rest(self) -> None:
        handle = asyncio.get_running_loop().call_later(
            FAST_SECONDS if self._is_bus_silent else SLOW_SECONDS, self._wake.set
        )
        try:
            await self._wake.wait()
        finally:
            handle.cancel()

    async def _look(self) -> tuple[bool, bool]:
        """Hand out what has changed; gives whether there is more, and whether there was any."""
        after = self._position
        if after is None:
            return False, False
        try:
            page = await self._reader.changes(after, limit=PAGE)
            encoded = await self._shown.encoded(page)
        except HostError as error:
            self._tell_blind(error)
            await asyncio.sleep(RETRY_SECONDS)
            self._wake.set()
            return False, False
        self._is_blind = False
        # Whoever listened may have left meanwhile, and others come, who begin elsewhere.
        if not page or self._position != after:
            return False, False
        self._position = page[-1].change
        await self._hand_out(list(zip(page, encoded, strict=True)))
        if self._position == page[-1].change:
            self._handed = self._position
        return len(page) == PAGE, True

    async def _hand_out(self, page: Sequence[tuple[JobRun, bytes]]) -> None:
        for run, data in page:
            for watcher in tuple(self._watchers.get(run.id, ())):
                watcher(run, data)
        now, first = self._clock.now(), page[0][0].change
        frames = [(run, encoded_event("run", data, id=str(run.change))) for run, data in page]
        # Invariant: taken before the first wait. Whoever attaches from now on begins after this page.
        attached = [(selection, tuple(outlets)) for selection, outlets in self._outlets.items()]
        told = 0
        for selection, outlets in attached:
            chosen = [(run.change, frame) for run, frame in frames if selection.fits(run)]
            together = b"".join(frame for _, frame in chosen)
            for outlet in outlets if chosen else ():
                if outlet.has_expired(now):
                    outlet.close(bye("expired"), at_once=True)
                elif not outlet.offer(together if outlet.after < first else _newer(chosen, outlet.after)):
                    outlet.close(GAP, at_once=True)
                told += 1
                if told % SLICE == 0:
                    await asyncio.sleep(0)

    def _tell_blind(self, error: HostError) -> None:
        if not self._is_blind:
            logger.warning("live events wait: the runs cannot be read", error=str(error))
        self._is_blind = True


def _newer(chosen: Sequence[tuple[int, bytes]], after: int) -> bytes:
    return b"".join(frame for change, frame in chosen if change > after)
