"""Telling people what an operator would want to be woken for, each thing once while it lasts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import ClassVar, TypeVar
from uuid import UUID

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Finding, Settings
from host.contracts.notices import Notifier
from host.contracts.runs import JobRunReader
from host.engine import notice_texts
from host.engine.alarm import Alarm
from host.engine.notice_delivery import Budget, Courier
from host.engine.notice_episodes import MAX_STREAK, Lateness, Streak
from host.engine.notice_texts import Words
from host.errors import HostError
from host.model.notices import Notice, NoticeKind
from host.model.runs import ClaimedRun, JobRun, RunOutcome, RunReason, RunState

logger = structlog.get_logger(__name__)
T = TypeVar("T")

LOOK_SECONDS = 30.0
"""How often waiting runs are looked at, and what may be told again."""
MAX_HEARD = 1000
"""What was heard and not decided yet; the newest beyond it is dropped, and counted."""
MAX_REMEMBERED = 1000
"""Runs of which something was told."""
GRAVEST_FIRST = (
    NoticeKind.QUARANTINED,
    NoticeKind.STUCK,
    NoticeKind.LATE,
    NoticeKind.FAILING,
    NoticeKind.RECOVERED,
)
IDLE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettings(Settings):
    """What is worth a notice."""

    section: ClassVar[str] = "NoticeConfigurationSection"
    failing_after: int = 3
    """So many failed runs of one job in a row are told; attempts that are tried again do not count."""
    repeat: timedelta = timedelta(hours=6)
    """A job that goes on failing is told of again after this long."""
    late_after: timedelta = timedelta(minutes=5)
    """Runs that start, or wait, this long after they were due are told; pauses and the host's absence do not count."""
    per_hour: int = 60
    """At most so many notices in any hour; of the others one tells how many were withheld."""

    def __post_init__(self) -> None:
        """Refuse what would tell nothing or never end."""
        if not 1 <= self.failing_after <= MAX_STREAK:
            raise ValueError(f"failingAfter: expected 1 to {MAX_STREAK}, not {self.failing_after}")
        if not 1 <= self.per_hour <= 1000:
            raise ValueError(f"perHour: expected 1 to 1000, not {self.per_hour}")
        for name, span in (("repeat", self.repeat), ("lateAfter", self.late_after)):
            if span < timedelta(seconds=1):
                raise ValueError(f"{name}: expected at least a second")


class NoticeDesk:
    """Hears what happens to runs and decides what is worth a notice; the hearing costs next to nothing.

    Called from the event loop, also before ``run`` begins. Judges by the runs of this node.
    """

    def __init__(
        self,
        settings: NoticeSettings,
        notifiers: Sequence[Notifier],
        reader: JobRunReader,
        clock: Clock,
        node: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._clock = clock
        self._node = node
        self._couriers = [Courier(notifier, clock) for notifier in notifiers]
        self._budget = Budget(settings.per_hour, clock)
        self._late_seconds = settings.late_after.total_seconds()
        self._alarm = Alarm()
        # Invariant: at most one entry a job, and jobs are as many as plugins offer.
        self._streaks: dict[UUID, Streak] = {}
        self._asked: set[UUID] = set()
        self._due: list[Streak] = []
        self._late: Lateness | None = None
        self._is_held = False
        self._free_since = clock.monotonic()
        self._told: dict[tuple[NoticeKind, UUID], None] = {}
        self._heard: deque[Callable[[], None]] = deque()
        self._dropped = 0
        self._is_time = False
        self._is_blind = False

    def ended(self, run: ClaimedRun, outcome: RunOutcome) -> None:
        """Hear that an outcome was written; called for every run."""
        if outcome.state is RunState.COMPLETED:
            if run.job_id in self._streaks:
                self._recover(run)
        elif outcome.state in (RunState.FAILED, RunState.QUARANTINED):
            self._fail(run, outcome)

    def started_late(self, run: ClaimedRun, seconds: float) -> None:
        """Hear that a run started this long after it was due; short delays are let pass."""
        if seconds > self._late_seconds:
            self._delay(run, seconds)

    def held(self, *, is_held: bool) -> None:
        """Hear whether anything is paused: what waits, or has waited, for the end of a pause is not late."""
        if self._is_held:
            self._free_since = self._clock.monotonic()
        self._is_held = is_held

    def stuck(self, run: ClaimedRun, reason: RunReason | None = RunReason.REQUESTED) -> None:
        """Hear that a run goes on although it was asked to stop for this reason; told once a run."""
        self._hear_once(NoticeKind.STUCK, run, partial(notice_texts.stuck, run, reason))

    def quarantined(self, run: JobRun | ClaimedRun) -> None:
        """Hear that a run killed its host or process too often, and its job was paused; told once a run."""
        self._hear_once(NoticeKind.QUARANTINED, run, partial(notice_texts.quarantined, run))

    def findings(self) -> Sequence[Finding]:
        """Name notifiers that lose notices, and say so if the run store cannot be read."""
        found = [finding for courier in self._couriers if (finding := courier.finding())]
        if self._is_blind:
            found.append(Finding(message="notices may be missing: the run store cannot be read"))
        return found

    async def run(self) -> None:
        """Decide and deliver for as long as the host runs; what is not delivered when it stops is lost."""
        try:
            async with asyncio.TaskGroup() as group:
                for courier in self._couriers:
                    group.create_task(courier.run(), name="notices")
                group.create_task(self._tick(), name="notice times")
                while True:
                    await self._decide()
                    await self._alarm.wait(IDLE_SECONDS)
        finally:
            left = sum(map(len, self._couriers)) + len(self._heard)
            if left:
                logger.warning("notices not delivered before the stop", count=left)

    def _fail(self, run: ClaimedRun, outcome: RunOutcome) -> None:
        streak = self._streaks.get(run.job_id)
        if streak is None:
            before = 0 if run.job_id in self._asked else None
            streak = self._streaks[run.job_id] = Streak(run, outcome, since=self._clock.now(), before=before)
        streak.add(run, outcome)
        if streak.before is None or (streak.told_at is None and streak.total >= self._settings.failing_after):
            self._make_due(streak)

    def _recover(self, run: ClaimedRun) -> None:
        streak = self._streaks.pop(run.job_id)
        if streak.told_at is not None:
            at, since = self._clock.now(), streak.known_since
            words = partial(notice_texts.recovered, run, at, count=streak.number, since=since)
            self._hear(NoticeKind.RECOVERED, run, words)

    def _delay(self, run: ClaimedRun | None, seconds: float) -> None:
        now = self._clock.monotonic()
        seconds = min(seconds, now - self._free_since)
        if seconds <= self._late_seconds:
            return
        late = self._late
        if late is None:
            late = self._late = Lateness(since=self._clock.now(), run=run)
            self._hear(NoticeKind.LATE, run, partial(self._words_of_lateness, late))
        late.add(run, seconds, now)

    def _make_due(self, streak: Streak) -> None:
        if not streak.is_due:
            streak.is_due = True
            self._due.append(streak)
            self._alarm.ring()

    def _hear_once(self, kind: NoticeKind, run: JobRun | ClaimedRun, words: Callable[[], Words]) -> None:
        if (kind, run.id) in self._told:
            return
        self._told[kind, run.id] = None
        if len(self._told) > MAX_REMEMBERED:
            del self._told[next(iter(self._told))]
        self._hear(kind, run, words)

    def _hear(self, kind: NoticeKind, run: JobRun | ClaimedRun | None, words: Callable[[], Words]) -> None:
        if len(self._heard) >= MAX_HEARD:
            self._dropped += 1
            return
        self._heard.append(lambda: self._tell(kind, run, words()))
        self._alarm.ring()

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            self._is_time = True
            self._alarm.ring()

    async def _decide(self) -> None:
        if self._is_time:
            self._is_time = False
            await self._look()
        self._tell_withheld()
        due, self._due = self._due, []
        await self._ask(due)
        for streak in due:
            await self._judge(streak)
        for _ in range(len(self._heard)):
            self._heard.popleft()()
        if self._dropped:
            logger.warning("notices dropped: too many at once", count=self._dropped)
            self._dropped = 0

    async def _look(self) -> None:
        counters = await self._read(self._reader.counters())
        if counters is not None and counters.oldest_due_at is not None and not self._is_held:
            self._delay(None, (self._clock.now() - counters.oldest_due_at).total_seconds())
        now = self._clock.monotonic()
        if self._late is not None and now - self._late.seen_at >= self._late_seconds:
            self._late = None
        for streak in self._streaks.values():
            if self._is_to_be_repeated(streak):
                self._make_due(streak)

    async def _ask(self, streaks: Sequence[Streak]) -> None:
        """Learn from the store what came before this node's start, once a job."""
        unknown = {streak.run.job_id: streak for streak in streaks if streak.before is None}
        if not unknown:
            return
        stored = await self._read(self._reader.failing(list(unknown), at_most=MAX_STREAK))
        for job_id, streak in unknown.items():
            streak.add_before(stored.get(job_id, 0) if stored else 0)
        if stored is not None:
            self._asked.update(unknown)

    async def _judge(self, streak: Streak) -> None:
        streak.is_due = False
        job_id = streak.run.job_id
        is_first = streak.told_at is None and streak.total >= self._settings.failing_after
        if self._streaks.get(job_id) is not streak or not (is_first or self._is_to_be_repeated(streak)):
            return
        streak.told_at, streak.told_count = self._clock.monotonic(), streak.count
        words = notice_texts.failing(
            streak.run,
            streak.outcome,
            count=streak.number,
            since=streak.known_since,
            completed=await self._last_completed(job_id),
            is_again=not is_first,
        )
        self._tell(NoticeKind.FAILING, streak.run, words)

    async def _last_completed(self, job_id: UUID) -> JobRun | None:
        if not self._budget.is_open:
            return None  # the notice is withheld anyway
        found = await self._read(self._reader.latest([job_id], [RunState.COMPLETED]))
        return found.get(job_id) if found else None

    def _is_to_be_repeated(self, streak: Streak) -> bool:
        if streak.told_at is None or streak.count == streak.told_count:
            return False
        return self._clock.monotonic() - streak.told_at >= self._settings.repeat.total_seconds()

    def _words_of_lateness(self, late: Lateness) -> Words:
        return notice_texts.late(
            late.run, late.seconds, count=late.count, since=late.since, quiet=self._settings.late_after
        )

    def _tell_withheld(self) -> None:
        withheld = self._budget.withheld()
        if withheld is not None:
            kinds, subjects = withheld
            words = notice_texts.withheld(kinds, subjects, per_hour=self._settings.per_hour)
            gravest = min(kinds, key=GRAVEST_FIRST.index)
            self._post(self._notice(gravest, None, words))

    def _tell(self, kind: NoticeKind, run: JobRun | ClaimedRun | None, words: Words) -> None:
        notice = self._notice(kind, run, words)
        if self._budget.spend(notice):
            self._post(notice)

    def _post(self, notice: Notice) -> None:
        for courier in self._couriers:
            courier.post(notice)

    def _notice(self, kind: NoticeKind, run: JobRun | ClaimedRun | None, words: Words) -> Notice:
        subject, text = words
        return Notice(
            kind=kind,
            at=self._clock.now(),
            host=self._node(),
            subject=subject,
            text=text,
            job_id=run.job_id if run else None,
            job_type=run.job_type if run else None,
            run_id=run.id if run else None,
        )

    async def _read(self, reading: Awaitable[T]) -> T | None:
        """Give the answer, or None while the store cannot be read, which is logged once."""
        try:
            answer = await reading
        except HostError as error:
            if not self._is_blind:
                logger.warning("notices may be missing: the run store cannot be read", error=str(error))
            self._is_blind = True
            return None
        self._is_blind = False
        return answer
