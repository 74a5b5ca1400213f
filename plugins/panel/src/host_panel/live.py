"""Telling open pages that something changed, so that they look; never the facts themselves."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from host.contracts.bus import MessageBus, Unsubscribe
from host.contracts.http import HttpCall, Receive, Send
from host.model.messages import JobsChanged, PausesChanged, RunsChanged, ScheduleChanged

PAUSE_SECONDS = 1.0
"""Between two tellings."""
HEARTBEAT_SECONDS = 15.0
MOST_LISTENERS = 500
SUBJECTS = ("jobs", "runs", "schedules")
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class LiveFeed:
    """One subscription to the bus, handed to every open page."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._ends: list[Unsubscribe] = []
        self._listeners: dict[asyncio.Event, set[str]] = {}
        self._incarnation, self._serial = secrets.token_hex(4), 0
        self._told: dict[str, int] = {}

    def mark(self) -> str:
        """Give a mark of this instant; a page that connects with it is told what changed since."""
        return f"{self._incarnation}-{self._serial}"

    def start(self) -> None:
        """Begin to hear."""
        if not self._ends:
            subscribe = self._bus.subscribe
            self._ends = [
                subscribe(RunsChanged, lambda _: self._tell("runs")),
                subscribe(ScheduleChanged, lambda _: self._tell("schedules")),
                subscribe(JobsChanged, lambda _: self._tell("jobs")),
                subscribe(PausesChanged, lambda _: self._tell("jobs")),
            ]

    def stop(self) -> None:
        """Hear no more."""
        ends, self._ends = self._ends, []
        for end in ends:
            end()

    async def serve(self, call: HttpCall, receive: Receive, send: Send, *, since: str = "") -> None:
        """Tell one page until it goes, the host stops, or its caller may no longer look.

        ``since`` is the mark of the instant that the page was made at.
        """
        if len(self._listeners) >= MOST_LISTENERS:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"30")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        await _send(send, b"retry: 2000\n\n")
        changed, subjects = asyncio.Event(), self._changed_since(since)
        if subjects:
            changed.set()
        self._listeners[changed] = subjects
        gone = asyncio.ensure_future(_until_gone(receive))
        closing = asyncio.ensure_future(_until_closing(call))
        try:
            await _tell_until(send, changed, subjects, gone, closing)
        finally:
            del self._listeners[changed]
            gone.cancel()
            closing.cancel()
            await asyncio.gather(gone, closing, return_exceptions=True)
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _changed_since(self, mark: str) -> set[str]:
        incarnation, _, serial = mark.partition("-")
        if not mark:
            return set()
        if incarnation != self._incarnation or not (serial.isascii() and serial.isdigit() and len(serial) < 20):
            return set(SUBJECTS)
        return {subject for subject, told in self._told.items() if told > int(serial)}

    def _tell(self, subject: str) -> None:
        self._serial += 1
        self._told[subject] = self._serial
        for changed, subjects in self._listeners.items():
            subjects.add(subject)
            changed.set()


async def _tell_until(
    send: Send,
    changed: asyncio.Event,
    subjects: set[str],
    gone: asyncio.Future[None],
    closing: asyncio.Future[None],
) -> None:
    while not (gone.done() or closing.done()):
        waiting = asyncio.ensure_future(_until_set(changed))
        try:
            await asyncio.wait({waiting, gone, closing}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        if gone.done():
            return
        if not changed.is_set():
            await _send(send, b": still here\n\n")
            continue
        changed.clear()
        told = " ".join(sorted(subjects))
        subjects.clear()
        await _send(send, f"event: changed\ndata: {told}\n\n".encode())
        await asyncio.wait({gone, closing}, timeout=PAUSE_SECONDS, return_when=asyncio.FIRST_COMPLETED)


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()


async def _until_closing(call: HttpCall) -> None:
    await call.closing.wait()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})
