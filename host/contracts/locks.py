"""Named locks across everything that shares a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta

from host.contracts.contract import Contract


class Lock(ABC):
    """A lock that is held."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name it was acquired by."""

    @property
    @abstractmethod
    def fencing_token(self) -> int:
        """A number that grows with each acquisition of the name; pass it to what the lock protects."""

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether the time it may be held has passed or it was released."""

    @abstractmethod
    async def renew(self, at_most_for: timedelta) -> bool:
        """Hold it for ``at_most_for`` from now; False if it was lost already."""

    @abstractmethod
    async def release(self) -> None:
        """Give it back; a second call, or one after it was lost, does nothing."""


class LockProvider(Contract):
    """Not getting a lock is an answer, not an error."""

    @abstractmethod
    async def acquire(self, name: str, *, at_most_for: timedelta, wait: timedelta = timedelta(0)) -> Lock | None:
        """Take the lock, waiting at most ``wait``; None if somebody else holds it.

        After ``at_most_for`` without renewal it is free again, whatever its holder does.
        """
