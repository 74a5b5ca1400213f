"""Cron on days when clocks change: every transition of every zone against a minute-by-minute oracle, and cronsim."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from host.model.schedules import JobSchedule
from host.triggers import Trigger, build_trigger

JOB = UUID(int=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
AROUND = 300
"""Minutes looked at on each side of a transition."""
PARTS = 4
"""All transitions are looked at in so many tests, for several workers to share."""

Matches = Callable[[datetime], bool]
Transition = tuple[datetime, timedelta | None, timedelta | None]
"""The instant, the offset before, the offset after."""

# (expression, whether its times are fixed, whether a wall time matches)
CORPUS: list[tuple[str, bool, Matches]] = [
    ("30 2 * * *", True, lambda w: (w.hour, w.minute) == (2, 30)),
    ("0 0 * * *", True, lambda w: (w.hour, w.minute) == (0, 0)),
    ("30 0 * * *", True, lambda w: (w.hour, w.minute) == (0, 30)),
    ("0 1 * * *", True, lambda w: (w.hour, w.minute) == (1, 0)),
    ("59 1 * * *", True, lambda w: (w.hour, w.minute) == (1, 59)),
    ("0 3 * * *", True, lambda w: (w.hour, w.minute) == (3, 0)),
    ("0,30 1,2,3 * * *", True, lambda w: w.hour in {1, 2, 3} and w.minute in {0, 30}),
    ("*/20 2 * * *", True, lambda w: w.hour == 2 and w.minute % 20 == 0),
    ("* 1 * * *", True, lambda w: w.hour == 1),
    ("15 0,23 * * 0,6", True, lambda w: w.hour in {0, 23} and w.minute == 15 and w.isoweekday() in {6, 7}),
    ("30 1 1-7 * 0", True, lambda w: (w.hour, w.minute) == (1, 30) and (w.day <= 7 or w.isoweekday() == 7)),
    ("* * * * *", False, lambda w: True),
    ("*/15 * * * *", False, lambda w: w.minute % 15 == 0),
    ("*/7 * * * *", False, lambda w: w.minute % 7 == 0),
    ("0 * * * *", False, lambda w: w.minute == 0),
    ("30 */2 * * *", False, lambda w: w.hour % 2 == 0 and w.minute == 30),
    ("15 1-3 * * *", False, lambda w: w.hour in {1, 2, 3} and w.minute == 15),
    ("40 0-23/3 * * *", False, lambda w: w.hour % 3 == 0 and w.minute == 40),
    ("5 0,2-3 * * *", False, lambda w: w.hour in {0, 2, 3} and w.minute == 5),
    ("0 22-1 * * *", False, lambda w: w.hour in {22, 23, 0, 1} and w.minute == 0),
    ("30 * * * 0", False, lambda w: w.minute == 30 and w.isoweekday() == 7),
]


def cron(expression: str, zone: str, effective_from: datetime = datetime(1990, 1, 1, tzinfo=UTC)) -> Trigger:
    schedule = JobSchedule.cron(expression, timezone=zone)
    return build_trigger(schedule, job_id=JOB, default_timezone="UTC", effective_from=effective_from)


def fires(trigger: Trigger, after: datetime) -> Iterator[datetime]:
    moment = trigger.next_after(after)
    while moment is not None:
        yield moment
        moment = trigger.next_after(moment)


def until(trigger: Trigger, after: datetime, last: datetime) -> list[datetime]:
    found = []
    for moment in fires(trigger, after):
        if moment > last:
            break
        found.append(moment)
    return found


class Oracle:
    """Walks the real minutes of a zone; for fixed times also the wall minutes, each of which is due once."""

    def __init__(self, zone: ZoneInfo, instants: list[datetime]) -> None:
        walls = [instant.astimezone(zone).replace(tzinfo=None, fold=0) for instant in instants]
        self._real = list(zip(instants, walls, strict=True))
        self._fixed: list[tuple[datetime, datetime]] = []
        reached = walls[0] - MINUTE
        for instant, wall in self._real:
            while reached < wall:  # in a pass that is repeated there is none that is new
                reached += MINUTE
                self._fixed.append((instant, reached))

    def due(self, is_fixed: bool, matches: Matches) -> list[datetime]:
        found = (instant for instant, wall in (self._fixed if is_fixed else self._real) if matches(wall))
        return list(dict.fromkeys(found))


def transitions(zone: ZoneInfo, first_year: int = 2020, last_year: int = 2037) -> list[Transition]:
    """Find the minutes at which a zone's offset changes, by looking once a day and then closer."""
    found: list[Transition] = []
    moment = datetime(first_year, 1, 1, tzinfo=UTC)
    offset = moment.astimezone(zone).utcoffset()
    while moment.year <= last_year:
        following = (moment + DAY).astimezone(zone).utcoffset()
        if following != offset:
            low, high = 0, 1440
            while high - low > 1:
                middle = (low + high) // 2
                if (moment + middle * MINUTE).astimezone(zone).utcoffset() == offset:
                    low = middle
                else:
                    high = middle
            found.append((moment + high * MINUTE, offset, following))
        moment, offset = moment + DAY, following
    return found


def check_around(zone: ZoneInfo, change: datetime, around: int = AROUND) -> None:
    """Compare all of the corpus with the oracle, from before the change and from instants near it."""
    instants = [change + MINUTE * step for step in range(-around, around + 1)]
    oracle = Oracle(zone, instants)
    chance = random.Random(change.timestamp())
    for expression, is_fixed, matches in CORPUS:
        trigger = cron(expression, zone.key)
        expected = oracle.due(is_fixed, matches)
        assert until(trigger, instants[0] - MINUTE / 2, instants[-1]) == expected, (expression, zone.key, change)
        for after in chance.choices(instants, k=3):
            following = [instant for instant in expected if instant > after][:1]
            found = trigger.next_after(after.astimezone(zone))  # a local instant keeps its fold
            assert [found][: len(following)] == following, (expression, zone.key, after)


@cache
def every_transition() -> list[tuple[Transition, ZoneInfo]]:
    """Give every transition once, with the first zone that has it."""
    found: dict[Transition, ZoneInfo] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for transition in transitions(zone):
            found.setdefault(transition, zone)
    return list(found.items())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_transition_of_every_zone_agrees_with_the_oracle(part: int) -> None:
    assert len(every_transition()) > 500
    for transition, zone in every_transition()[part::PARTS]:
        check_around(zone, transition[0])


@pytest.mark.parametrize(
    ("zone", "first_year"),
    [
        ("Australia/Lord_Howe", 2026),
        ("Antarctica/Troll", 2026),
        ("Africa/Casablanca", 2026),
        ("Europe/Dublin", 2026),
        ("Asia/Beirut", 2026),
        ("America/Santiago", 2026),
        ("America/St_Johns", 2006),
        ("Antarctica/Casey", 2020),
    ],
)
def test_peculiar_zones_agree_with_the_oracle(zone: str, first_year: int) -> None:
    found = transitions(ZoneInfo(zone), first_year, first_year)
    assert found
    for change, _, _ in found:
        check_around(ZoneInfo(zone), change)


def test_the_day_that_apia_skipped_fires_once_at_its_end() -> None:
    change = datetime(2011, 12, 30, 10, tzinfo=UTC)
    check_around(ZoneInfo("Pacific/Apia"), change, around=1500)
    daily = until(cron("0 9 * * *", "Pacific/Apia"), change - DAY, change + DAY)
    assert daily == [datetime(2011, 12, 29, 19, tzinfo=UTC), change, datetime(2011, 12, 30, 19, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("expression", "spring", "autumn"),
    [
        ("30 2 * * *", ["01:00"], ["00:30"]),
        ("0,30 2 * * *", ["01:00"], ["00:00", "00:30"]),
        ("0 2,3 * * *", ["01:00"], ["00:00", "02:00"]),
        ("*/30 * * * *", ["00:00", "00:30", "01:00", "01:30", "02:00"], ["00:00", "00:30", "01:00", "01:30", "02:00"]),
        ("30 1-3 * * *", ["00:30", "01:30"], ["00:30", "01:30"]),
        ("0 */2 * * *", ["02:00"], ["00:00", "01:00"]),
    ],
)
def test_prague_by_hand(expression: str, spring: list[str], autumn: list[str]) -> None:
    trigger = cron(expression, "Europe/Prague")
    for day, expected in ((datetime(2026, 3, 29, tzinfo=UTC), spring), (datetime(2026, 10, 25, tzinfo=UTC), autumn)):
        found = until(trigger, day - MINUTE / 2, day + timedelta(hours=2))
        assert [moment.strftime("%H:%M") for moment in found] == expected


def test_seconds_keep_the_rule_of_their_hour() -> None:
    fold = datetime(2026, 10, 25, 0, tzinfo=UTC)
    real = until(cron("*/10 30 * * * *", "Europe/Prague"), fold, fold + timedelta(hours=2))
    fixed = until(cron("*/10 30 2 * * *", "Europe/Prague"), fold, fold + timedelta(hours=2))
    assert len(real) == 12
    assert fixed == real[:6]
    gap = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
    collapsed = until(cron("*/10 * 2 * * *", "Europe/Prague"), gap, gap + timedelta(hours=3))
    assert collapsed == [datetime(2026, 3, 29, 1, tzinfo=UTC)]


@pytest.mark.parametrize("expression", ["*/20 * * * *", "30 2 * * *", "20,40 2-3 * * *", "15,45 10 2,5 * * *"])
def test_resuming_a_microsecond_on_loses_no_pass(expression: str) -> None:
    trigger = cron(expression, "Europe/Prague")
    zone = ZoneInfo("Europe/Prague")
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    straight = until(trigger, start, start + timedelta(hours=6))
    resumed: list[datetime] = []
    moment = trigger.next_after(start)
    while moment is not None and moment <= start + timedelta(hours=6):
        resumed.append(moment)
        local = (moment + timedelta(microseconds=1)).astimezone(zone)
        moment = trigger.next_after(local)
    assert resumed == straight
    assert straight


AGREED = ["0 0 * * *", "30 2 * * *", "45 1 * * *", "0 3 * * 1-5", "*/5 * * * *", "0 * * * *", "0 */2 * * *"]
AGREED += ["10 4 1,15 * *", "0 0 1 1 *", "0 12 * 2 MON", "0 0 L * *", "5 2 29 2 *", "0 5 * * 5#2", "*/30 */6 * * *"]
ZONES = ["Europe/Prague", "America/New_York", "America/Santiago", "Africa/Cairo", "America/St_Johns", "UTC"]


@given(
    expression=st.sampled_from(AGREED),
    zone=st.sampled_from(ZONES),
    after=st.datetimes(datetime(2020, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),
)
@settings(deadline=None, max_examples=60)
def test_cronsim_agrees_on_these_shapes(expression: str, zone: str, after: datetime) -> None:
    """cronsim follows Debian's cron, which looks at other marks than the hour field.

    It differs by design for ranges in the hour (``15 1-3``: fixed times there), ``*`` in the minute with
    single hours (``*/20 2``: left out in the gap there), six fields, and a day field such as ``*/2`` beside a
    day of week (both must match there). It steps by whole hours, so it is no oracle for Lord Howe.
    """
    theirs = (moment.astimezone(UTC) for moment in CronSim(expression, after.astimezone(ZoneInfo(zone))))
    assert list(islice(fires(cron(expression, zone), after), 8)) == list(islice(theirs, 8))


@pytest.mark.slow
@given(
    expression=st.sampled_from(AGREED),
    zone=st.sampled_from(ZONES[:-1]),
    year=st.integers(2020, 2036),
    index=st.integers(0, 1),
    minutes=st.integers(-900, -200),
)
@settings(deadline=None, max_examples=60)
def test_cronsim_agrees_near_transitions(expression: str, zone: str, year: int, index: int, minutes: int) -> None:
    """It starts well before the change: started in a second pass, cronsim takes it for the first."""
    found = transitions(ZoneInfo(zone), year, year)
    after = (found[index][0] if found else datetime(year, 5, 1, tzinfo=UTC)) + minutes * MINUTE
    theirs = (moment.astimezone(UTC) for moment in CronSim(expression, after.astimezone(ZoneInfo(zone))))
    assert list(islice(fires(cron(expression, zone), after), 12)) == list(islice(theirs, 12))
