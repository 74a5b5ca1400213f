"""The streams at ``/rest/v1/events``: run changes as they happen, one run with its log, and the logs of many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from host.contracts.bus import MessageBus, Unsubscribe
from host.contracts.clock import Clock
from host.contracts.contract import Service, Settings
from host.contracts.http import HttpCall, HttpRule, Receive, Scope, Send, call_of
from host.contracts.jobs import JobManagerService
from host.contracts.logs import RunLog
from host.contracts.runs import JobRunReader
from host.errors import HostError, InvalidRequestError
from host.model.messages import HostStopping, JobsChanged, PausesChanged, RunsChanged, ScheduleChanged
from host.model.security import Policy
from host_rest.events.audience import Audience
from host_rest.events.feed import RunFeed
from host_rest.events.follow import Place, RunFollower, read_place
from host_rest.events.frames import GAP, MEDIA_TYPE, bye, mark, retry_after
from host_rest.events.logs import LogsFollower, read_places
from host_rest.events.outlet import Outlet
from host_rest.events.queries import last_event_id, read_selection, refuse_parameters
from host_rest.events.selection import Selection
from host_rest.events.shown import ShownRuns
from host_rest.server.answers import ProblemRefusals

RETRY_MILLISECONDS = 2000
_HEADERS = [
    (b"content-type", MEDIA_TYPE),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsSettings(Settings):
    """How many may listen."""

    section: ClassVar[str] = "EventsConfigurationSection"
    max_streams: int = 1000
    """Streams open at a time; one more is answered with 503."""

    def __post_init__(self) -> None:
        """Refuse what would let nobody listen."""
        if self.max_streams < 1:
            raise ValueError(f"maxStreams: expected 1 or more, not {self.max_streams}")


class EventsMount(ProblemRefusals, Service):
    """Server-sent events. Resuming with the id of the last event loses nothing and repeats nothing.

    A client that does not keep up is sent ``gap`` and its stream ends, as all do with ``bye`` when the host stops or
    the credentials expire; it connects again with ``Last-Event-ID``.
    """

    stop_seconds = 5

    def __init__(
        self,
        settings: EventsSettings,
        runs: JobRunReader,
        log: RunLog,
        jobs: JobManagerService,
        clock: Clock,
        bus: MessageBus | None = None,
    ) -> None:
        self._runs, self._log, self._jobs, self._bus = runs, log, jobs, bus
        self._shown = ShownRuns(jobs)
        self._feed = RunFeed(runs, self._shown, clock)
        self._audience = Audience(self._feed, clock, at_most=settings.max_streams)
        self._tasks: list[asyncio.Task[None]] = []
        self._subscriptions: list[Unsubscribe] = []

    @property
    def path(self) -> str:
        """``/rest/v1/events``."""
        return "/rest/v1/events"

    def rules(self) -> Sequence[HttpRule]:
        """All streams are for whoever may read jobs."""
        return [
            HttpRule(methods=frozenset({"GET"}), path=path, demand=Policy.READ_SYSTEM_JOBS, name=f"GET /events{path}")
            for path in ("", "/runs/{run_id}", "/logs")
        ]

    async def start(self) -> None:
        """Listen to the bus, and wait for clients."""
        if self._tasks:
            return
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._feed.run(), name="live events"),
            loop.create_task(self._audience.run(), name="live events' audience"),
        ]
        if self._bus is not None:
            self._subscriptions = self._subscribed(self._bus)

    async def stop(self) -> None:
        """End every stream."""
        for unsubscribe in self._subscriptions:
            unsubscribe()
        self._audience.dismiss("stopping")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks, self._subscriptions = [], []

    def background(self) -> Sequence[asyncio.Task[None]]:
        """Give what feeds the streams."""
        return self._tasks

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a stream; errors before it begins are raised."""
        call = call_of(scope)
        expires_at = call.principal.expires_at if call.principal else None
        outlet = Outlet(ends_at=expires_at, is_closing=call.closing.is_set)
        gone = asyncio.create_task(_until_disconnect(receive), name="events client")
        gone.add_done_callback(lambda _: outlet.close(at_once=True))
        try:
            with self._audience.admitted(outlet), self._feed.listening():
                if "run_id" in call.path_values:
                    await self._follow(call, scope, send, outlet)
                elif call.rule.path == "/logs":
                    await self._follow_logs(scope, send, outlet)
                else:
                    await self._stream(scope, send, outlet)
        except asyncio.CancelledError:
            # Cut off, for its client takes nothing; else somebody else wants the task to end.
            if outlet.closed_at is None:
                raise
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _stream(self, scope: Scope, send: Send, outlet: Outlet) -> None:
        selection, after = await read_selection(scope, self._jobs)
        with self._feed.told(outlet):
            await self._stream_selected(selection, after, send, outlet)

    async def _stream_selected(self, selection: Selection, after: int, send: Send, outlet: Outlet) -> None:
        newest = await self._feed.begin()
        head = retry_after(RETRY_MILLISECONDS)
        if after < 0:
            after = newest
            head += mark(str(after))
        elif after > newest and after > (newest := await self._feed.newest()):
            # The number is of another history: of a store that was put back to an older state since.
            after = newest
            head += mark(str(after)) + GAP
        await _begin(send, head)
        try:
            await self._catch_up(selection, after, send, outlet)
        except HostError:
            outlet.close(bye("unavailable"))
        try:
            await _pour(outlet, send)
        finally:
            self._feed.detach(selection, outlet)

    async def _catch_up(self, selection: Selection, after: int, send: Send, outlet: Outlet) -> None:
        """Send what the client has missed, and attach it where that ends."""
        while outlet.closed_at is None and not self._feed.attach(selection, outlet, after):
            piece, after = await self._feed.missed(selection, after)
            if piece:
                await _send(send, piece)

    async def _follow(self, call: HttpCall, scope: Scope, send: Send, outlet: Outlet) -> None:
        refuse_parameters(scope)
        last = last_event_id(scope)
        place = Place() if last is None else read_place(last)
        run_id = _run_id(call.path_values["run_id"])
        follower = RunFollower(run_id, place, outlet, reader=self._runs, log=self._log, shown=self._shown)
        run = await follower.find()
        if last is not None and not await follower.has_more(run):
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._pour_from(follower.follow, send, outlet)

    async def _follow_logs(self, scope: Scope, send: Send, outlet: Outlet) -> None:
        follower = LogsFollower(read_places(scope), outlet, reader=self._runs, log=self._log)
        await self._pour_from(follower.follow, send, outlet)

    async def _pour_from(
        self, follow: Callable[[RunFeed], Coroutine[object, object, None]], send: Send, outlet: Outlet
    ) -> None:
        """Begin a stream and send what is offered to the outlet meanwhile."""
        await self._feed.begin()
        await _begin(send, retry_after(RETRY_MILLISECONDS))
        following = asyncio.create_task(follow(self._feed), name="follow run")
        following.add_done_callback(lambda _: outlet.close())
        try:
            await _pour(outlet, send)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def _subscribed(self, bus: MessageBus) -> list[Unsubscribe]:
        def schedule_changed(message: ScheduleChanged) -> None:
            self._feed.tell("schedule", {"job_type": message.job_type})

        def jobs_changed(_: JobsChanged) -> None:
            self._shown.forget()
            self._feed.tell("job", {})

        return [
            bus.subscribe(RunsChanged, lambda _: self._feed.look()),
            bus.subscribe(ScheduleChanged, schedule_changed),
            bus.subscribe(JobsChanged, jobs_changed),
            bus.subscribe(PausesChanged, lambda _: self._feed.tell("host", {"changed": "pauses"})),
            bus.subscribe(HostStopping, lambda _: self._audience.dismiss("stopping")),
        ]


async def _begin(send: Send, head: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
    await _send(send, head)


async def _send(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _pour(outlet: Outlet, send: Send) -> None:
    """Send what comes until the outlet is closed and empty, then end the answer."""
    while (piece := await outlet.take()) is not None:
        await _send(send, piece)
    with suppress(OSError):  # the client has left
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _run_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequestError(f"{text[:40]!r} is no run id", hint="jobhost runs list shows them") from None
