"""The operating system's clocks."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from host.contracts.clock import Clock


class SystemClock(Clock):
    """Wall time from the system clock, durations from its monotonic clock."""

    is_default = True
    process_safe = True

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds since an arbitrary point."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait this long."""
        await asyncio.sleep(seconds)
