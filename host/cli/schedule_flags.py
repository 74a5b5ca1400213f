"""The flags that describe one schedule, the same for setting it and for looking at its fire times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import wraps

import click

from host.cli.inputs import Days, Duration, Instant, TimeOfDay
from host.model.schedules import CronDialect, IntervalMode, JobSchedule, MisfirePolicy, Weekday

_KINDS = "--cron, --every, --weekly or --once"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFlags:
    """What was typed; names are the flags'."""

    cron: str | None
    every: timedelta | None
    fixed_delay: bool
    weekly: tuple[Weekday, ...] | None
    at: time | None
    once: datetime | None
    timezone: str | None
    start: datetime | None
    stop: datetime | None
    max_count: int | None
    jitter: timedelta | None
    misfire: str | None
    misfire_window: timedelta | None
    dialect: str | None

    def schedule(self) -> JobSchedule | None:
        """Build the schedule; None if none of its kinds was named. Raises click.UsageError for what contradicts."""
        named = [kind for kind in (self.cron, self.every, self.weekly, self.once) if kind is not None]
        if not named:
            return None
        if len(named) > 1:
            raise click.UsageError(f"give only one of {_KINDS}")
        if (self.at is not None) != (self.weekly is not None):
            raise click.UsageError("--weekly and --at go together")
        if self.fixed_delay and self.every is None:
            raise click.UsageError("--fixed-delay goes with --every")
        if self.dialect and self.cron is None:
            raise click.UsageError("--dialect goes with --cron")
        return replace(self._basic(), **self._policies())  # type: ignore[arg-type]  # names and types are the fields'

    def _basic(self) -> JobSchedule:
        if self.cron is not None:
            return JobSchedule.cron(self.cron, dialect=CronDialect(self.dialect or CronDialect.UNIX), start=self.start)
        if self.every is not None:
            mode = IntervalMode.FIXED_DELAY if self.fixed_delay else IntervalMode.FIXED_RATE
            return JobSchedule.every(self.every, mode=mode, start=self.start)
        if self.weekly is not None and self.at is not None:
            return JobSchedule.weekly(self.weekly, self._first_day(self.at))
        assert self.once is not None
        if self.start is not None:
            raise click.UsageError("--once is a start itself; leave out --start")
        return JobSchedule.once(self.once)

    def _first_day(self, at: time) -> datetime:
        """Give the time of day on the day of ``--start``: the form in which a weekly schedule keeps both."""
        if self.start is not None and (self.start.tzinfo is not None or self.start.time() not in {time.min, at}):
            raise click.UsageError("--start of a weekly schedule is a day; its time is --at")
        return datetime.combine(self.start.date() if self.start else date.min, at)

    def _policies(self) -> dict[str, object]:
        return {
            "timezone": self.timezone,
            "stop": self.stop,
            "max_count": self.max_count,
            "jitter": self.jitter or timedelta(0),
            "misfire": MisfirePolicy(self.misfire or MisfirePolicy.LATEST),
            "misfire_window": self.misfire_window,
        }


def schedule_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of a schedule, as its argument ``flags``."""

    @wraps(function)
    def command(**arguments: object) -> None:
        typed = {name: arguments.pop(name) for name in ScheduleFlags.__dataclass_fields__}
        function(flags=ScheduleFlags(**typed), **arguments)  # type: ignore[arg-type]  # click has converted each

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option("--cron", metavar="EXPR", help="When it matches, e.g. '0 3 * * *' or 'H H * * *'."),
    click.option("--every", type=Duration(), help="Again and again after this time, e.g. 15m."),
    click.option("--fixed-delay", is_flag=True, help="With --every: measured from the end of the last run."),
    click.option("--weekly", type=Days(), help="On these days, e.g. Mon,Tue or daily; with --at."),
    click.option("--at", type=TimeOfDay(), help="With --weekly: at this time of day."),
    click.option("--once", type=Instant(), help="One time, e.g. 2026-03-29T02:30."),
    click.option("--timezone", metavar="ZONE", help="Whose wall time, e.g. Europe/Prague.  [default: the host's]"),
    click.option("--start", type=Instant(), help="Not before; where an interval is counted from."),
    click.option("--stop", type=Instant(), help="Not at or after."),
    click.option("--max-count", type=click.IntRange(1), help="At most so many times."),
    click.option("--jitter", type=Duration(), help="Start up to so much later, always the same for one fire time."),
    click.option(
        "--misfire",
        type=click.Choice([policy.value for policy in MisfirePolicy]),
        help="What becomes of fire times that passed while no host ran.  [default: latest]",
    ),
    click.option("--misfire-window", type=Duration(), help="How far back passed fire times count."),
    click.option(
        "--dialect",
        type=click.Choice([dialect.value for dialect in CronDialect]),
        help="With --cron: whether either day field may match (unix) or both must (cis).  [default: unix]",
    ),
)
