"""How notices leave: a budget against floods, and one courier a notifier, so that none waits for another."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Finding
from host.contracts.notices import Notifier
from host.engine.alarm import Alarm
from host.engine.notice_texts import one_line
from host.model.notices import Notice, NoticeKind

logger = structlog.get_logger(__name__)

TRY_SECONDS = 30.0
PAUSES_SECONDS = (5.0, 30.0)
"""Between tries; one try more than pauses."""
MAX_WAITING = 1000
"""Notices that wait for one notifier; the newest beyond it are lost, and counted. An hour brings no more."""
HOUR_SECONDS = 3600.0
TOLD_SUBJECTS = 10
IDLE_SECONDS = 3600.0


class Budget:
    """At most so many notices in any hour; remembers what was withheld."""

    def __init__(self, per_hour: int, clock: Clock) -> None:
        self.per_hour = per_hour
        self._clock = clock
        self._spent: deque[float] = deque(maxlen=per_hour)
        self._withheld: Counter[NoticeKind] = Counter()
        self._subjects: list[str] = []
        self._summed_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether a notice may be sent now."""
        return len(self._spent) < self.per_hour or self._clock.monotonic() - self._spent[0] >= HOUR_SECONDS

    def spend(self, notice: Notice) -> bool:
        """Take one notice from the budget; False if it must be withheld."""
        if self.is_open:
            self._spent.append(self._clock.monotonic())
            return True
        if not self._withheld:
            logger.warning("notices withheld", per_hour=self.per_hour)
        self._withheld[notice.kind] += 1
        if len(self._subjects) < TOLD_SUBJECTS:
            self._subjects.append(notice.subject)
        return False

    def withheld(self) -> tuple[Mapping[NoticeKind, int], list[str]] | None:
        """Give, at most once an hour and once a notice may be sent, what was withheld since the last time.

        ``({kind: number}, the first subjects)``; forgotten then, and taken from the budget as one notice.
        """
        now = self._clock.monotonic()
        is_early = self._summed_at is not None and now - self._summed_at < HOUR_SECONDS
        if not self._withheld or is_early or not self.is_open:
            return None
        self._spent.append(now)
        self._summed_at = now
        answer = self._withheld, self._subjects
        self._withheld, self._subjects = Counter(), []
        return answer


class Courier:
    """Delivers to one notifier, one notice at a time and in order."""

    def __init__(self, notifier: Notifier, clock: Clock) -> None:
        self._notifier = notifier
        self._clock = clock
        self._name = f"{type(notifier).__module__}:{type(notifier).__qualname__}"
        self._waiting: deque[Notice] = deque()
        self._alarm = Alarm()
        self._lost = 0
        self._failing_since: datetime | None = None
        self._error = ""

    def __len__(self) -> int:
        """Give how many notices have not been delivered yet."""
        return len(self._waiting)

    def post(self, notice: Notice) -> None:
        """Take a notice; lost and counted while too many wait."""
        if len(self._waiting) >= MAX_WAITING:
            self._fail("too many notices wait")
            return
        self._waiting.append(notice)
        self._alarm.ring()

    def finding(self) -> Finding | None:
        """Say that notices are lost, until one is delivered again."""
        if self._failing_since is None:
            return None
        since = f"{self._failing_since:%Y-%m-%d %H:%M} UTC"
        return Finding(message=f"{self._name} has lost {self._lost} notices since {since}: {self._error}")

    async def run(self) -> None:
        """Deliver for as long as the host runs."""
        while True:
            while self._waiting:
                await self._deliver(self._waiting[0])
                self._waiting.popleft()
            await self._alarm.wait(IDLE_SECONDS)

    async def _deliver(self, notice: Notice) -> None:
        error = await self._try(notice)
        for pause in PAUSES_SECONDS:
            if error is None:
                break
            await self._clock.sleep(pause)
            error = await self._try(notice)
        if error is None:
            self._succeed()
        else:
            self._fail(error)

    async def _try(self, notice: Notice) -> str | None:
        """Give what went wrong."""
        limit = asyncio.timeout(TRY_SECONDS)
        try:
            async with limit:
                await self._notifier.notify(notice)
        except (Exception, asyncio.CancelledError) as error:  # a plugin's code, whose failing stops nobody else
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if limit.expired():
                return f"it took longer than {TRY_SECONDS:g} s"
            return one_line(f"{type(error).__name__}: {error}", 500)
        return None

    def _fail(self, error: str) -> None:
        self._lost += 1
        self._error = error
        if self._failing_since is None:
            self._failing_since = self._clock.now()
            logger.error("notices cannot be delivered", notifier=self._name, error=error)

    def _succeed(self) -> None:
        if self._failing_since is not None:
            logger.info("notices delivered again", notifier=self._name, lost=self._lost)
        self._failing_since, self._lost = None, 0
