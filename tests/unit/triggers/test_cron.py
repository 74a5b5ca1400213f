"""Cron expressions: what is understood, what is refused, and that equal ones cost nothing twice."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from croniter import croniter
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from host.errors import InvalidScheduleError
from host.model.schedules import CronDialect, JobSchedule
from host.triggers import Trigger, build_trigger, check_schedule
from host.triggers.walls import WallTrigger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = UUID("12345678-1234-5678-1234-567812345678")
JOBS = [UUID(int=number) for number in range(300)]


def cron(expression: str, *, dialect: CronDialect = CronDialect.UNIX, job: UUID = JOB) -> Trigger:
    schedule = JobSchedule.cron(expression, dialect=dialect)
    return build_trigger(schedule, job_id=job, default_timezone="UTC", effective_from=datetime(1900, 1, 1, tzinfo=UTC))


def take(trigger: Trigger, count: int, after: datetime = NOW - timedelta(seconds=1)) -> list[datetime]:
    found: list[datetime] = []
    moment = trigger.next_after(after)
    while moment is not None and len(found) < count:
        found.append(moment)
        moment = trigger.next_after(moment)
    return found


def days(expression: str, count: int = 4, dialect: CronDialect = CronDialect.UNIX) -> list[str]:
    return [moment.strftime("%m-%d") for moment in take(cron(expression, dialect=dialect), count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 L * *", ["01-31", "02-28", "03-31", "04-30"]),
        ("0 0 L,15 2 *", ["02-15", "02-28"]),
        ("0 0 15W * *", ["01-15", "02-16", "03-16", "04-15"]),
        ("0 0 1W * *", ["01-01", "02-02", "03-02", "04-01"]),
        ("0 0 1W 8 *", ["08-03"]),
        ("0 0 31W 1,2,5 *", ["01-30", "02-27", "05-29"]),
        ("0 0 * * 5#3", ["01-16", "02-20", "03-20", "04-17"]),
        ("0 0 * * MON#1,WED#5", ["01-05", "02-02", "03-02", "04-06"]),
        ("0 0 * * L5", ["01-30", "02-27", "03-27", "04-24"]),
        ("0 0 * * 7", ["01-04", "01-11", "01-18", "01-25"]),
        ("0 0 * * FRI-MON", ["01-02", "01-03", "01-04", "01-05"]),
        ("0 0 ? * 1", ["01-05", "01-12", "01-19", "01-26"]),
        ("0 0 31 * *", ["01-31", "03-31", "05-31", "07-31"]),
        ("0 0 1 NOV-FEB *", ["01-01", "02-01", "11-01", "12-01"]),
        ("0 0 29 2 *", ["02-29", "02-29", "02-29", "02-29"]),
    ],
)
def test_days(expression: str, expected: list[str]) -> None:
    assert days(expression, len(expected)) == expected


def test_unix_day_fields_are_alternatives_and_cis_ones_conditions() -> None:
    assert days("0 0 13 * FRI", 3) == ["01-02", "01-09", "01-13"]
    assert days("0 0 13 * FRI", 3, dialect=CronDialect.CIS) == ["02-13", "03-13", "11-13"]
    assert days("0 0 13 * *", 2, dialect=CronDialect.CIS) == ["01-13", "02-13"]
    assert days("0 0 */10 * FRI", 3) == ["01-01", "01-02", "01-09"]
    assert days("0 0 15W * MON", 3) == ["01-05", "01-12", "01-15"]


def test_the_rarest_day_is_found_and_then_no_more() -> None:
    trigger = cron("0 0 29 2 MON#5", dialect=CronDialect.CIS)
    assert [moment.year for moment in take(trigger, 4)] == [2044, 2072, 2112, 2140]
    assert trigger.next_after(datetime(9998, 6, 1, tzinfo=UTC)) is None


def test_six_fields_have_the_second_first() -> None:
    assert [moment.second for moment in take(cron("*/20 0 0 1 1 *"), 3)] == [0, 20, 40]
    assert take(cron("30 5 4 * * *"), 1) == [datetime(2026, 1, 1, 4, 5, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("macro", "same"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@ANNUALLY", "0 0 1 1 *"),
        ("  0 \t 3 *  *\n* ", "0 3 * * *"),
        ("0 3 * JAN mon-FRI", "0 3 * 1 1-5"),
    ],
)
def test_macros_case_and_spaces(macro: str, same: str) -> None:
    assert take(cron(macro), 5) == take(cron(same), 5)


numbers = {"minute": (0, 59), "hour": (0, 23), "day": (1, 28), "month": (1, 12), "weekday": (0, 6)}


def field(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    span = st.tuples(value, value).filter(lambda ends: ends[0] < ends[1]).map(lambda ends: f"{ends[0]}-{ends[1]}")
    step = st.integers(1, high)
    part = st.one_of(value.map(str), span, st.builds("{}/{}".format, span, step), step.map("*/{}".format))
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


EXPRESSIONS = st.tuples(*(field(*ends) for ends in numbers.values())).map(" ".join)


@pytest.mark.slow
@given(expression=EXPRESSIONS, after=st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)))
@settings(deadline=None, max_examples=80)
def test_croniter_agrees_in_utc(expression: str, after: datetime) -> None:
    _, _, day, _, weekday = expression.split()
    expanded = croniter.expand(expression)[0]
    # croniter takes a list of all values for *, though only beside some spellings of the other day field.
    assume((expanded[2] == ["*"], expanded[4] == ["*"]) == (day == "*", weekday == "*"))
    theirs = croniter(expression, after, ret_type=datetime)
    expected = [theirs.get_next().replace(tzinfo=UTC) for _ in range(5)]
    assert take(cron(expression), 5, after.replace(tzinfo=UTC)) == expected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("61 * * * *", "the minute field '61'"),
        ("* 24 * * *", "the hour field '24'"),
        ("* * 32 * *", "the day of month field '32'"),
        ("* * * 13 *", "the month field '13'"),
        ("* * * * 8", "the day of week field '8'"),
        ("60 * * * * *", "the second field '60'"),
        ("* * * *", "has 4 fields"),
        ("0 0 1 1 * 2026 *", "limit the years by start and stop"),
        ("", "needs an expression"),
        (" \t ", "needs an expression"),
        ("@reboot", "start type immediate"),
        ("@fortnightly", "expected one of @hourly"),
        ("5-5 * * * *", "write 5"),
        ("0 0 * JAN-jan *", "write jan"),
        ("R * * * *", "the minute field 'r'"),
        ("H(9-3) * * * *", "ascending range"),
        ("H(0-99) * * * *", "ascending range"),
        ("H/0 * * * *", "ascending range"),
        ("0 0 H(1-31) * *", "inside 1-28"),
        ("H,5 * * * *", "write H, H/5"),
        ("0 0 LW * *", "the day of month field 'lw'"),
        ("0 0 L-3 * *", "the day of month field 'l-3'"),
        ("0 0 1W,5 * *", "the day of month field '1w,5'"),
        ("0 0 * * MON,5#1", "the day of week field"),
        ("0 0 * * *,5#1", "do not mix"),
        ("*/0 * * * *", "the minute field '*/0'"),
        ("1,,2 * * * *", "the minute field '1,,2'"),
        ("\u0665 * * * *", "the minute field"),
        ("0 0 31 2 *", "matches no day"),
        ("0 0 30,31 2 *", "matches no day"),
        ("0 0 31 4,6,9,11 *", "matches no day"),
    ],
)
def test_what_can_never_work_is_refused(expression: str, said: str) -> None:
    with pytest.raises(InvalidScheduleError) as caught:
        cron(expression)
    assert said in str(caught.value)
    with pytest.raises(InvalidScheduleError):
        check_schedule(JobSchedule.cron(expression), default_timezone="UTC")


def test_an_impossible_date_beside_a_weekday_depends_on_the_dialect() -> None:
    assert days("0 0 31 2 MON", 1) == ["02-02"]
    with pytest.raises(InvalidScheduleError, match="matches no day"):
        cron("0 0 31 2 MON", dialect=CronDialect.CIS)


def test_cis_refuses_ranges_that_it_reads_otherwise() -> None:
    assert len(take(cron("0 22-2 * * *"), 5)) == 5
    with pytest.raises(InvalidScheduleError, match="two ways"):
        cron("0 22-2 * * *", dialect=CronDialect.CIS)


def test_a_huge_expression_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.triggers.cron.read_field", None)
    with pytest.raises(InvalidScheduleError, match="400,009 characters"):
        cron("0," * 200_000 + "0 * * * *")


@given(st.text(max_size=40) | st.text("0123456789*/,-#LWHRa?@ ()", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        trigger = cron(text)
    except InvalidScheduleError:
        return
    assert trigger.next_after(NOW) is not None


def test_hash_is_stable_for_good() -> None:
    assert take(cron("H H * * *"), 1) == [datetime(2026, 1, 1, 12, 50, tzinfo=UTC)]
    assert take(cron("H H H * *"), 1) == [datetime(2026, 1, 11, 12, 50, tzinfo=UTC)]
    assert take(cron("H/15 H(0-7) * * *"), 1) == [datetime(2026, 1, 1, 4, 5, tzinfo=UTC)]


def test_hash_spreads_jobs_and_stays_in_its_range() -> None:
    minutes = {take(cron("H * * * *", job=job), 1)[0].minute for job in JOBS}
    assert len(minutes) > 50
    hours = {take(cron("H H(1-4) * * *", job=job), 1)[0].hour for job in JOBS}
    assert hours == {1, 2, 3, 4}
    for job in JOBS[:40]:
        quarters = [moment.minute for moment in take(cron("H/15 * * * *", job=job), 4)]
        assert [later - earlier for earlier, later in pairwise(quarters)] == [15, 15, 15]
        assert 0 <= quarters[0] < 15
        ranged = [moment.minute for moment in take(cron("H(30-59)/10 * * * *", job=job), 3)]
        assert [minute // 10 for minute in ranged] == [3, 4, 5]


def test_hash_leaves_out_no_month() -> None:
    for job in JOBS:
        assert len({moment.month for moment in take(cron("H H H * *", job=job), 12)}) == 12


def test_a_hashed_step_runs_through_the_whole_month() -> None:
    seen = {tuple(moment.day for moment in take(cron("0 0 H/10 1 *", job=job), 3)) for job in JOBS}
    assert seen == {(first, first + 10, first + 20) for first in range(1, 11)}
    january = {moment.day for job in JOBS for moment in take(cron("0 0 H/10 1 *", job=job), 4) if moment.year == 2026}
    assert january == set(range(1, 32))


def test_hashed_hours_are_fixed_times_unless_they_step() -> None:
    for job in JOBS[:60]:
        for expression, expected in (("H H * * *", False), ("H H(0-7) * * *", False), ("H H/20 * * *", True)):
            trigger = cron(expression, job=job)
            assert isinstance(trigger, WallTrigger)
            assert trigger.rule.runs_every_hour is expected


def test_equal_expressions_share_one_rule() -> None:
    first, second = cron("7 3 * * MON"), cron(" 7  3 * * mon ", job=JOBS[1])
    assert isinstance(first, WallTrigger)
    assert isinstance(second, WallTrigger)
    assert first.rule is second.rule


@pytest.mark.slow
def test_ten_thousand_schedules_are_built_at_once() -> None:
    distinct = [f"{minute} {hour} * * *" for minute in range(50) for hour in range(20)]
    schedules = [JobSchedule.cron(expression, timezone="Europe/Prague") for expression in distinct * 10]
    started = time.process_time()
    for schedule, job in zip(schedules, JOBS * 40, strict=False):
        build_trigger(schedule, job_id=job, default_timezone="UTC", effective_from=NOW)
    assert time.process_time() - started < 1.5


def test_day_rules_agree_with_the_calendar_for_years() -> None:
    fifth = cron("0 0 * * TUE#5,L1")
    day, expected = date(2026, 1, 1), []
    while day.year < 2031:
        later = day + timedelta(days=7)
        if (day.isoweekday() == 2 and (day.day - 1) // 7 == 4) or (day.isoweekday() == 1 and later.month != day.month):
            expected.append(day)
        day += timedelta(days=1)
    assert [moment.date() for moment in take(fifth, len(expected))] == expected
