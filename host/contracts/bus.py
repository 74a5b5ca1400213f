"""Saying "look" to whoever listens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from host.contracts.contract import Contract

M = TypeVar("M")

Unsubscribe = Callable[[], None]


class MessageBus(Contract):
    """Delivers messages at most once, to subscribers of their exact type; losing one costs latency, never facts."""

    @abstractmethod
    def publish(self, message: object) -> None:
        """Hand the message to every subscriber; never waits for them and never raises for them."""

    @abstractmethod
    def subscribe(self, kind: type[M], handler: Callable[[M], None]) -> Unsubscribe:
        """Call ``handler`` on the event loop for each message of ``kind``; the result ends that.

        Handlers must be quick and must not block. One that raises is logged and stops nobody else.
        """
