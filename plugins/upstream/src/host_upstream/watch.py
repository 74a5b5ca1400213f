"""What changes at the upstream, said on this host's bus, so that what is shown here is live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from host.contracts.bus import MessageBus
from host.contracts.runs import JobRunReader
from host.errors import ErrorKind, HostError, UpstreamRefusedError, WireError
from host.model.messages import JobsChanged, PausesChanged, RunsChanged, ScheduleChanged
from host.wire import from_json
from host_upstream.faces import Upstream
from host_upstream.jobhost.client import JobhostClient
from host_upstream.jobhost.events import Event
from host_upstream.jobhost.waiting import Patience
from host_upstream.link import UpstreamApi, UpstreamLink

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""How often an upstream without events is asked what has changed."""
LOOKS = 300
"""After so many of these looks it is asked for events again: it may be another one by now."""
GATHERING_SECONDS = 0.02
"""Runs that change within it are told together."""
REFUSED_SECONDS = 30.0
"""How long to leave an upstream alone that refuses this host's credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChangedSchedule:
    job_type: str | None = None


class Watch:
    """Follows the changes of one upstream; after every gap it says that everything may have changed.

    A message only says "look", so that one after a gap tells as much as all that were missed.
    """

    def __init__(
        self,
        link: UpstreamLink,
        upstream: Upstream,
        client: JobhostClient,
        bus: MessageBus,
        *,
        forget: Callable[[], None],
    ) -> None:
        self._link, self._upstream, self._client, self._bus, self._forget = link, upstream, client, bus, forget
        self._patience = Patience()
        self._is_lost = False
        self._telling: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Follow, for ever; an upstream that does not answer is asked every few seconds."""
        try:
            while True:
                try:
                    await self._follow()
                except HostError as error:
                    await self._lost(error)
                await self._patience.wait()
        finally:
            if self._telling is not None:
                self._telling.cancel()

    async def _follow(self) -> None:
        if await self._link.api() is UpstreamApi.JOBHOST:
            try:
                await self._listen()
                return
            except HostError as error:
                if error.kind is not ErrorKind.MISSING:
                    raise  # else it has no mount that streams
        await self._look_again_and_again((await self._upstream.faces()).runs)

    async def _listen(self) -> None:
        is_first = True
        async with aclosing(self._client.events("/events")) as events:
            async for event in events:
                if is_first:
                    is_first = False
                    self._found()
                self._heard(event)

    async def _look_again_and_again(self, runs: JobRunReader) -> None:
        newest = await _newest(runs)
        self._found()
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_SECONDS)
            change = await _newest(runs)
            if change != newest:
                newest = change
                self._bus.publish(RunsChanged())

    def _heard(self, event: Event) -> None:
        match event.kind:
            case "run" | "gap":
                self._tell_of_runs()
            case "schedule":
                self._forget()
                self._bus.publish(ScheduleChanged(job_type=_job_type(event.data)))
            case "job":
                self._forget()
                self._bus.publish(JobsChanged())
            case "host":
                self._forget()
                self._bus.publish(PausesChanged())

    def _tell_of_runs(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(GATHERING_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._bus.publish(RunsChanged())

    def _found(self) -> None:
        """Say that all may have changed since the upstream was heard last."""
        if self._is_lost:
            self._is_lost = False
            logger.info("upstream found again")
        self._patience.restore()
        self._forget()
        for message in (JobsChanged(), ScheduleChanged(job_type=None), PausesChanged(), RunsChanged()):
            self._bus.publish(message)

    async def _lost(self, error: HostError) -> None:
        if not self._is_lost:
            self._is_lost = True
            logger.warning("upstream lost; what is shown here is not live", error=error.message)
        self._forget()
        if error.kind is ErrorKind.DENIED or isinstance(error, UpstreamRefusedError):
            await asyncio.sleep(REFUSED_SECONDS)


async def _newest(runs: JobRunReader) -> int:
    newest = await runs.changes(-1)
    return newest[-1].change if newest else 0


def _job_type(data: bytes) -> str | None:
    try:
        return from_json(data, _ChangedSchedule).job_type
    except WireError:
        return None
