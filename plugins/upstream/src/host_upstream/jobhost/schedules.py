"""The upstream's store of schedules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from host.contracts.schedules import JobScheduleManager
from host.errors import InvalidScheduleError, ScheduleNotFoundError
from host.model.schedules import JobSchedule, ScheduleEntry
from host_upstream.jobhost.client import JobhostClient, Query, is_segment, segment
from host_upstream.jobhost.memory import Memory

STORED = "stored schedules"
PAGE = "200"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    entries: tuple[ScheduleEntry, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Removed:
    was_stored: bool


class RestScheduleManager(JobScheduleManager):
    """Stored schedules of a jobhost; they may be as old as the settings allow.

    Secret parameters are shown as ``***``; sent back so, they stay what they are.
    """

    def __init__(self, client: JobhostClient, memory: Memory) -> None:
        self._client, self._memory = client, memory

    async def all(self) -> Sequence[ScheduleEntry]:
        """Give every entry, in stored order."""
        return await self._memory.get(STORED, self._all)

    async def get(self, job_type: str) -> ScheduleEntry | None:
        """Give the entry of a job type, or None if it has none."""
        listed = self._memory.known(STORED)
        if listed is not None or not is_segment(job_type):
            return next((entry for entry in await self.all() if entry.job_type == job_type), None)
        return (await self._memory.get(("stored", job_type), lambda: self._one(job_type)))[0]

    async def replace(
        self, job_type: str, schedules: Sequence[JobSchedule], *, expected_version: str | None = None
    ) -> ScheduleEntry:
        """Store these schedules as the job's entry, all or nothing."""
        check_values(schedules)
        body = {"schedules": schedules, "expected_version": expected_version}
        try:
            return await self._client.send("PUT", _path(job_type), ScheduleEntry, body)
        finally:
            self._memory.forget()

    async def clear(self, job_type: str, *, expected_version: str | None = None) -> ScheduleEntry:
        """Store an empty entry."""
        return await self.replace(job_type, (), expected_version=expected_version)

    async def remove(self, job_type: str, *, expected_version: str | None = None) -> bool:
        """Forget the entry; False if there was none."""
        query = () if expected_version is None else (("expected_version", expected_version),)
        try:
            return (await self._client.send("DELETE", _path(job_type), _Removed, query=query)).was_stored
        finally:
            self._memory.forget()

    async def _all(self) -> tuple[ScheduleEntry, ...]:
        found: list[ScheduleEntry] = []
        query: Query = (("limit", PAGE),)
        while True:
            page = await self._client.get("/stored-schedules", _Page, query)
            found += page.entries
            if page.next_cursor is None:
                return tuple(found)
            query = (("limit", PAGE), ("cursor", page.next_cursor))

    async def _one(self, job_type: str) -> tuple[ScheduleEntry | None]:
        missing = ScheduleNotFoundError.code
        return (await self._client.find(_path(job_type), ScheduleEntry, missing=missing),)


def check_values(schedules: Sequence[JobSchedule]) -> None:
    """Raise InvalidScheduleError for parameters that JSON would carry as something else, or not at all."""
    for schedule in schedules:
        try:
            json.dumps(schedule.parameters, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            hint = "JSON has neither NaN nor infinity, and no half characters"
            raise InvalidScheduleError(f"parameters of a schedule are not JSON: {error}", hint=hint) from error


def _path(job_type: str) -> str:
    return f"/stored-schedules/{segment(job_type)}"
