"""How an upstream jobhost stands, as far as this host shows it: its zone, and what is paused there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from host.contracts.registry import Pause
from host_upstream.jobhost.client import JobhostClient
from host_upstream.jobhost.memory import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Host:
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pauses:
    pauses: tuple[Pause, ...]


class Standing:
    """Asks for it; it may be as old as the settings allow."""

    def __init__(self, client: JobhostClient, memory: Memory) -> None:
        self._client, self._memory = client, memory

    async def timezone(self) -> str:
        """Give the default zone of schedules."""
        return (await self._memory.get("host", lambda: self._client.get("/host", _Host))).timezone

    async def pauses(self) -> Sequence[Pause]:
        """Give what must not start, oldest first."""
        return (await self._memory.get("pauses", lambda: self._client.get("/pauses", _Pauses))).pauses
