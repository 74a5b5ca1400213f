"""People and programs that write xcron.xml without care, or at the same time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from host.cli.connect import connect
from host.model.schedules import JobSchedule
from host.xmlfile import parse_xml
from tests.chaos.desk import Desk
from tests.chaos.faults.fault import Fault

SEEN_SECONDS = 0.7
"""Longer than the host needs to look at the file again."""
EDITED = ("Free", "Exclusive", "Once")
EDITS = 8


class CarelessEditor(Fault):
    """Writes the file in place, in pieces, with rubbish in it; then as it was."""

    name = "xcron-torn"
    about = "xcron.xml is truncated at a random byte, filled with garbage or NUL, emptied, or written in two halves"
    same_for_all = True

    async def inject(self, desk: Desk) -> None:
        self._good = desk.xcron.read_bytes()
        half = desk.chance.randrange(1, len(self._good) - 1)
        harm = desk.chance.choice((self._good[:half], desk.chance.randbytes(500), b"\0" * 300, b"", b"<a><b></a>"))
        desk.xcron.write_bytes(harm)
        await asyncio.sleep(desk.chance.choice((0.01, SEEN_SECONDS)))

    async def heal(self, desk: Desk) -> None:
        half = desk.chance.randrange(1, len(self._good) - 1)
        with desk.xcron.open("wb", buffering=0) as file:
            file.write(self._good[:half])
            await asyncio.sleep(desk.chance.uniform(0, SEEN_SECONDS))
            file.write(self._good[half:])
        await asyncio.sleep(SEEN_SECONDS)


class ConcurrentEdits(Fault):
    """Several programs set schedules through the host while an editor replaces the file by hand."""

    name = "xcron-race"
    about = (
        "three clients set schedules of their jobs at once while an editor replaces xcron.xml; then without the editor"
    )
    same_for_all = True

    async def inject(self, desk: Desk) -> None:
        editor = asyncio.create_task(self._edit_by_hand(desk))
        await asyncio.gather(*(self._edit(desk, kind) for kind in EDITED))
        editor.cancel()
        await asyncio.wait([editor])

    async def heal(self, desk: Desk) -> None:
        await asyncio.sleep(SEEN_SECONDS)
        wanted = dict(zip(EDITED, await asyncio.gather(*(self._edit(desk, kind) for kind in EDITED)), strict=True))
        parse_xml(desk.xcron.read_bytes(), name=str(desk.xcron))
        async with connect(desk.host.data) as host:
            for kind, schedule in wanted.items():
                entry = await host.jobs.get_job_schedules(desk.job(kind))
                desk.expect(entry.schedules == (schedule,), f"the last schedule set for {kind} is not in force")

    async def _edit(self, desk: Desk, kind: str) -> JobSchedule:
        async with connect(desk.host.data) as host:
            for _ in range(EDITS):
                schedule = JobSchedule.every(timedelta(days=desk.chance.randint(100, 10_000)))
                await host.jobs.set_job_schedule(desk.job(kind), [schedule])
        return schedule

    async def _edit_by_hand(self, desk: Desk) -> None:
        fresh = desk.xcron.with_suffix(".mine")
        while True:
            text = desk.xcron.read_text()
            await asyncio.sleep(desk.chance.uniform(0, 0.02))
            fresh.write_text(f"{text.rstrip()}\n<!-- {desk.chance.random()} -->\n"[:20_000])
            fresh.rename(desk.xcron)
            await asyncio.sleep(desk.chance.uniform(0, 0.1))


EDITORS: tuple[type[Fault], ...] = (CarelessEditor, ConcurrentEdits)
