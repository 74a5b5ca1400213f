"""Messages inside one process, delivered on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from host.contracts.bus import MessageBus, Unsubscribe
from host.contracts.contract import Service

M = TypeVar("M")
_log = structlog.get_logger(__name__)


class LocalMessageBus(MessageBus, Service):
    """Delivers in the order of publishing, never inside ``publish``; both methods may be called from any thread.

    Belongs to the loop it meets first: in ``start``, ``subscribe`` or ``publish``. A message published while
    there is no loop, or for which nobody has subscribed, is dropped.
    """

    is_default = True

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard = threading.Lock()
        self._subscriptions: dict[type, tuple[_Subscription, ...]] = {}

    async def start(self) -> None:
        """Belong to the running loop."""
        self._bind()

    def publish(self, message: object) -> None:
        """Hand the message over; its handlers run in a later turn of the loop."""
        running = self._bind()
        if self._loop is None or type(message) not in self._subscriptions:
            return
        if running is self._loop:
            self._loop.call_soon(self._deliver, message)
            return
        with suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._deliver, message)

    def subscribe(self, kind: type[M], handler: Callable[[M], None]) -> Unsubscribe:
        """Call ``handler`` for each message of exactly this type; ending it twice does nothing."""
        self._bind()
        subscription = _Subscription(handler)
        with self._guard:
            self._subscriptions[kind] = (*self._subscriptions.get(kind, ()), subscription)
        return lambda: self._end(kind, subscription)

    def _end(self, kind: type, subscription: _Subscription) -> None:
        subscription.is_active = False
        with self._guard:
            left = tuple(other for other in self._subscriptions.get(kind, ()) if other is not subscription)
            if left:
                self._subscriptions[kind] = left
            else:
                self._subscriptions.pop(kind, None)

    def _bind(self) -> asyncio.AbstractEventLoop | None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return None
        if self._loop is None or self._loop.is_closed():
            self._loop = running
        return running

    def _deliver(self, message: object) -> None:
        for subscription in self._subscriptions.get(type(message), ()):
            if not subscription.is_active:
                continue
            try:
                subscription.handler(message)
            except (Exception, asyncio.CancelledError):  # a failing handler stops nobody else
                _log.exception(
                    "message handler failed",
                    kind=type(message).__name__,
                    handler=getattr(subscription.handler, "__qualname__", repr(subscription.handler)),
                )


class _Subscription:
    """One handler; inactive from the moment its owner ended it, also for messages on their way."""

    __slots__ = ("handler", "is_active")

    def __init__(self, handler: Callable[[Any], None]) -> None:
        self.handler = handler
        self.is_active = True
