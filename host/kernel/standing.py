"""How the engine stands that performs a host's jobs: its own, or that of the host it forwards to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from host.contracts.engine import Scheduler
from host.contracts.host import RemoteEngine
from host.contracts.registry import JobRegistry, Pause
from host.contracts.runs import JobRunReader
from host.errors import HostError
from host.kernel.container import Container

ANSWER_SECONDS = 5.0
"""How long an engine elsewhere may take: whoever asks for a status waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a host's status says of the engine."""

    timezone: str = "UTC"
    unfinished: Mapping[str, int] = field(default_factory=dict)
    pauses: tuple[Pause, ...] = ()
    is_known: bool = True
    """False where it could not be asked."""


class EngineStanding:
    """Asks whichever engine there is. One that is elsewhere may not answer; the zone it named last is remembered."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._timezone = ""

    async def ask(self) -> Standing:
        """Give how it stands; raises only what an engine of this host's own raises."""
        if (remote := self._elsewhere()) is not None:
            return await self._of(remote)
        scheduler = self._container.find(Scheduler)
        return Standing(
            timezone=scheduler.timezone() if scheduler else "UTC",
            unfinished=await self._unfinished(),
            pauses=tuple(await self.pauses()),
        )

    async def pauses(self) -> Sequence[Pause]:
        """Give what must not start, oldest first; raises what the engine raises, wherever it is."""
        if (remote := self._elsewhere()) is not None:
            return await remote.pauses()
        registry = self._container.find(JobRegistry)
        return await registry.pauses() if registry else ()

    def _elsewhere(self) -> RemoteEngine | None:
        """Give the engine that performs the jobs, unless it is this host's own."""
        return self._container.find(RemoteEngine) if self._container.find(Scheduler) is None else None

    async def _of(self, remote: RemoteEngine) -> Standing:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._timezone = await remote.timezone()
                unfinished, pauses = await self._unfinished(), tuple(await remote.pauses())
        except (HostError, TimeoutError):
            # The providers' findings say why: a status must be had above all when something is wrong.
            return Standing(timezone=self._timezone, is_known=False)
        return Standing(timezone=self._timezone, unfinished=unfinished, pauses=pauses)

    async def _unfinished(self) -> Mapping[str, int]:
        counters = await self._container.get(JobRunReader).counters()
        return {state.value: count for state, count in counters.by_state.items()}
