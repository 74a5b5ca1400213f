"""Time, injected: nobody else asks the operating system."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime

from host.contracts.contract import Contract


class Clock(Contract):
    """Tells the time and waits for it."""

    @abstractmethod
    def now(self) -> datetime:
        """Give the present instant, aware, in UTC. May step either way when the system's clock is set."""

    @abstractmethod
    def monotonic(self) -> float:
        """Give seconds since an arbitrary point; never goes back. Use it for durations."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait this long by the monotonic clock; at once for zero or less."""
