"""Which pauses a start still owes, should the host die between a rescue and the pauses that follow from it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

import structlog

from host.contracts.runs import JobRunReader
from host.errors import StoreUnavailableError
from host.model.runs import ACTIVE_STATES, MAX_CRASHES, JobRun, RunFilter, RunState
from host.xmlfile import write_atomically

logger = structlog.get_logger(__name__)

FILE_NAME = "quarantine"
"""In the data directory: ids of runs, one a line."""
PAGE = 1000


class QuarantineNotes:
    """Remembers, in a file, the runs that a rescue may quarantine, until their jobs are paused."""

    def __init__(self, folder: Path, reader: JobRunReader) -> None:
        self._path = folder / FILE_NAME
        self._reader = reader
        self._owed: set[UUID] = set()

    async def take(self) -> None:
        """Note, before a rescue, what it may quarantine; what an earlier start noted stays."""
        self._owed = await asyncio.to_thread(self._read)
        candidates = {run.id for run in await self._active() if run.crashes + 1 >= MAX_CRASHES}
        await self._keep(self._owed | candidates)

    async def owed(self) -> Sequence[JobRun]:
        """Give, after the rescue, the noted runs that are quarantined, and forget the others."""
        found = [await self._reader.run(run_id) for run_id in self._owed]
        quarantined = [run for run in found if run is not None and run.state is RunState.QUARANTINED]
        await self._keep({run.id for run in quarantined})
        return quarantined

    async def paid(self, run_id: UUID) -> None:
        """Forget a run whose job is paused: whoever ends that pause ends it for good."""
        await self._keep(self._owed - {run_id})

    async def _keep(self, run_ids: set[UUID]) -> None:
        if run_ids != self._owed:
            self._owed = run_ids
            await asyncio.to_thread(self._write, sorted(run_ids))

    async def _active(self) -> Sequence[JobRun]:
        found: list[JobRun] = []
        cursor: str | None = None
        while True:
            page = await self._reader.runs(RunFilter(states=ACTIVE_STATES), cursor=cursor, limit=PAGE)
            found += page.runs
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _read(self) -> set[UUID]:
        try:
            return set(_ids(self._path.read_text(encoding="ascii", errors="replace").split()))
        except OSError:
            return set()

    def _write(self, run_ids: Sequence[UUID]) -> None:
        try:
            if run_ids:
                write_atomically(self._path, "".join(f"{run_id}\n" for run_id in run_ids).encode())
            else:
                self._path.unlink(missing_ok=True)
        except (StoreUnavailableError, OSError) as error:
            # What it guards against is a second crash within milliseconds: no reason to keep the host down.
            logger.warning("quarantine not noted", file=str(self._path), error=str(error))


def _ids(words: Iterable[str]) -> Iterable[UUID]:
    for word in words:
        try:
            yield UUID(word)
        except ValueError:
            logger.warning("an entry that is no run id", file=FILE_NAME)
