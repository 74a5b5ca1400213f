"""Schedule XML: each form is read as meant, written back the same, and refused with its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.errors import InvalidScheduleError
from host.model.schedules import (
    CronDialect,
    IntervalMode,
    JobSchedule,
    MisfirePolicy,
    ScheduleKind,
    Weekday,
)
from host.santedb.durations import format_duration, parse_duration
from host.santedb.schedules import read_schedules, write_schedule
from host.xmlfile import canonical, elements, local_name, parse_xml, serialize

FIXTURES = Path(__file__).parents[2] / "fixtures" / "santedb"
HEAD = '<schedule xmlns="http://santedb.org/configuration" xmlns:jh="urn:jobhost:xcron:1">'


def read(rows: str) -> tuple[JobSchedule, ...]:
    return read_schedules(parse_xml(f"{HEAD}\n{rows}\n</schedule>".encode(), name="x.xml"), name="x.xml")


def read_one(row: str) -> JobSchedule:
    (schedule,) = read(row)
    return schedule


def problems_of(rows: str) -> list[str]:
    with pytest.raises(InvalidScheduleError) as caught:
        read(rows)
    return [str(problem) for problem in caught.value.problems]


def write_and_read(schedule: JobSchedule) -> JobSchedule:
    parent = parse_xml(f"{HEAD}</schedule>".encode(), name="x.xml")
    parent.append(write_schedule(schedule))
    (back,) = read_schedules(parse_xml(serialize(parent), name="x.xml"), name="x.xml")
    return back


def text_of(schedule: JobSchedule) -> str:
    return serialize(write_schedule(schedule)).decode().partition("\n")[2].strip()


# What is read


def test_scheduled_with_days_is_a_calendar_schedule() -> None:
    assert read_one('<add type="scheduled" days="Monday Tuesday" start="2022-01-26T23:00:00-05:00"/>') == JobSchedule(
        kind=ScheduleKind.CALENDAR,
        days=(Weekday.MONDAY, Weekday.TUESDAY),
        start=datetime(2022, 1, 26, 23, tzinfo=timezone(timedelta(hours=-5))),
    )


@pytest.mark.parametrize("days", ["", 'days=""', 'days=" "'])
def test_scheduled_without_days_runs_once(days: str) -> None:
    schedule = read_one(f'<add type="scheduled" {days} start="2022-01-26T23:00:00Z"/>')
    assert schedule == JobSchedule.once(datetime(2022, 1, 26, 23, tzinfo=UTC))


def test_an_interval_in_year_one_has_no_start() -> None:
    schedule = read_one(
        '<add type="interval" start="0001-01-01T00:00:00" stop="2027-01-01T00:00:00" interval="86400"/>'
    )
    assert schedule == JobSchedule.every(timedelta(days=1), stop=datetime(2027, 1, 1))


def test_a_calendar_in_year_one_keeps_its_time_of_day() -> None:
    assert read_one('<add days="Friday" start="0001-01-01T04:30:00"/>').start == datetime(1, 1, 1, 4, 30)


def test_without_a_type_an_interval_attribute_decides() -> None:
    assert read_one('<add interval="5"/>').kind is ScheduleKind.INTERVAL
    assert read_one('<add start="2022-01-26T23:00:00"/>').kind is ScheduleKind.ONCE


@pytest.mark.parametrize(
    ("text", "offset"), [("", None), ("Z", timedelta(0)), ("+00:00", timedelta(0)), ("-05:30", -timedelta(hours=5.5))]
)
def test_the_form_of_a_start_is_kept(text: str, offset: timedelta | None) -> None:
    schedule = read_one(f'<add start="2022-01-26T23:00:00.5{text}"/>')
    assert schedule.start is not None
    assert schedule.start.utcoffset() == offset
    assert f'start="2022-01-26T23:00:00.5{text}"' in text_of(schedule)


def test_every_extension_is_read() -> None:
    row = """<add type="interval" interval="60" jh:id="nightly" jh:timezone="Europe/Prague" jh:mode="fixed_delay"
             jh:max-count="3" jh:jitter="PT5S" jh:misfire="all" jh:misfire-window="90" jh:parameters='{"days": 30}'/>"""
    assert read_one(row) == JobSchedule(
        kind=ScheduleKind.INTERVAL,
        interval=timedelta(minutes=1),
        id="nightly",
        timezone="Europe/Prague",
        mode=IntervalMode.FIXED_DELAY,
        max_count=3,
        jitter=timedelta(seconds=5),
        misfire=MisfirePolicy.ALL,
        misfire_window=timedelta(seconds=90),
        parameters={"days": 30},
    )


def test_cron_is_an_extension_element() -> None:
    row = '<jh:add type="cron" expression="0 3 * * *" timezone="Europe/Prague" dialect="cis"/>'
    assert read_one(row) == JobSchedule.cron("0 3 * * *", timezone="Europe/Prague", dialect=CronDialect.CIS)


def test_foreign_parts_are_ignored() -> None:
    rows = """<!-- why --><other:add xmlns:other="urn:other" type="x"/><?pi?>
              <add type="interval" interval="5" note="new in SanteDB 9" o:x="1" xmlns:o="urn:other"/>"""
    assert read(rows) == (JobSchedule.every(timedelta(seconds=5)),)


def test_attributes_santedb_would_not_look_at_are_ignored() -> None:
    assert read_one('<add type="scheduled" start="2022-01-26T23:00:00" interval="5"/>').kind is ScheduleKind.ONCE


def test_an_empty_schedule_has_no_rules() -> None:
    assert read("") == ()


# What is refused


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ('<add type="cron"/>', "x.xml:2: type='cron': expected scheduled or interval (SanteDB would lose"),
        ('<add type="Scheduled"/>', "expected scheduled or interval"),
        ('<jh:add type="weekly"/>', "expected one of interval, calendar, cron, once"),
        ("<jh:add/>", "expected one of interval"),
        ('<add type="scheduled" days="Monday"/>', "attribute start is missing: calendar schedules need it"),
        ('<add type="scheduled"/>', "attribute start is missing: once schedules need it"),
        ('<add type="interval"/>', "attribute interval is missing"),
        ('<jh:add type="cron"/>', "attribute expression is missing"),
        ('<jh:add type="calendar" days="" start="2022-01-26T23:00:00"/>', "attribute days is missing"),
        ('<add days="monday" start="2022-01-26T23:00:00"/>', "did you mean Monday?"),
        ('<add days="Monday,Friday" start="2022-01-26T23:00:00"/>', "with spaces between them"),
        ('<add start="2022-01-26"/>', "expected a date and time such as 2026-01-31T23:00:00"),
        ('<add start="2022-02-30T00:00:00"/>', "day is out of range"),
        ('<add start="20220126T230000"/>', "expected a date and time such as"),
        ('<add interval="PT5S"/>', 'interval="PT5S": expected whole seconds'),
        ('<add interval="2147483648"/>', "expected whole seconds, at most 2147483647"),
        ('<jh:add type="interval" interval="P1M"/>', "expected a duration such as PT30S"),
        ('<add interval="5" jh:jitter="-5"/>', 'jh:jitter="-5": expected a duration'),
        ('<add interval="5" jh:max-count="1.5"/>', "expected a whole number"),
        ('<add interval="5" jh:misfire="last"/>', "expected one of latest, skip, all"),
        ('<add interval="5" jh:timezone=""/>', 'jh:timezone="": expected some text'),
        ('<add interval="5" timezone="UTC"/>', "attribute timezone is not expected on <add> (write jh:timezone)"),
        ('<add interval="5" jh:time-zone="UTC"/>', "(did you mean jh:timezone?)"),
        ('<add interval="5" jh:start="2022-01-26T23:00:00"/>', "(write start)"),
        ('<add interval="5" expression="* * * * *"/>', '(write <jh:add type="cron"'),
        ('<jh:add type="interval" interval="5" jh:id="a"/>', "(write id)"),
        (
            '<jh:add type="interval" interval="5" nonsense="a"/>',
            "attribute nonsense is not expected on <jh:add> (known",
        ),
        ('<add start="2022-01-26T23:00:00" jh:mode="fixed_delay"/>', "jh:mode means nothing for once schedules"),
        ('<jh:add type="once" start="2022-01-26T23:00:00" days="Monday"/>', "days means nothing for once schedules"),
        ("<add interval='5' jh:parameters='[1]'/>", "expected a JSON object such as"),
        ("<add interval='5' jh:parameters='{\"a\": NaN}'/>", "NaN is no number of JSON"),
        ("<add interval='5' jh:parameters='{\"a\": 1e999}'/>", "1e999 is no number of JSON"),
        ("<add interval='5' jh:parameters='%s'/>" % ('{"a":' + "[" * 20000), "expected a JSON object"),
        ('<jh:cron expression="* * * * *"/>', "<cron> is not expected"),
        ('<ad interval="5"/>', "<ad> is not expected"),
        ('<add xmlns="" interval="5"/>', "<add> is not expected"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(row: str, expected: str) -> None:
    (problem,) = problems_of(row)
    assert problem.startswith("x.xml:2: ")
    assert expected in problem


def test_all_problems_are_told_at_once() -> None:
    rows = '<add interval="x" jh:jitter="y"/>\n<add interval="5"/>\n<jh:add type="cron"/>'
    assert [text.partition(": ")[0] for text in problems_of(rows)] == ["x.xml:2", "x.xml:2", "x.xml:4"]


def test_an_id_may_be_given_once() -> None:
    (problem,) = problems_of(
        '<add interval="5" jh:id="a"/>\n<add interval="6" jh:id="b"/>\n<add interval="7" jh:id="a"/>'
    )
    assert problem == "x.xml:4: jh:id='a' is taken by x.xml:2 (choose another)"


# What is written


def test_santedbs_kinds_are_written_as_santedb_writes_them() -> None:
    weekly = JobSchedule.weekly([Weekday.MONDAY], datetime(2022, 1, 26, 23, tzinfo=UTC), stop=datetime(2027, 1, 1))
    assert text_of(weekly) == (
        '<add xmlns="http://santedb.org/configuration" type="scheduled" days="Monday" '
        'start="2022-01-26T23:00:00Z" stop="2027-01-01T00:00:00"/>'
    )
    assert text_of(JobSchedule.every(timedelta(hours=1))) == (
        '<add xmlns="http://santedb.org/configuration" type="interval" start="0001-01-01T00:00:00" interval="3600"/>'
    )


def test_extensions_come_after_santedbs_attributes() -> None:
    text = text_of(JobSchedule.every(timedelta(hours=1), timezone="Europe/Prague", start=datetime(2022, 1, 1)))
    assert text.endswith('type="interval" start="2022-01-01T00:00:00" interval="3600" jh:timezone="Europe/Prague"/>')


@pytest.mark.parametrize(
    "schedule",
    [
        JobSchedule.cron("0 3 * * *"),
        JobSchedule.every(timedelta(milliseconds=1500)),
        JobSchedule.every(timedelta(days=30_000)),
        JobSchedule.every(timedelta(hours=1), start=datetime(1, 1, 1, 5)),
    ],
)
def test_what_santedb_cannot_read_never_stands_in_its_element(schedule: JobSchedule) -> None:
    assert text_of(schedule).startswith('<jh:add xmlns:jh="urn:jobhost:xcron:1" ')
    assert write_and_read(schedule) == schedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (JobSchedule(kind=ScheduleKind.CALENDAR, days=(Weekday.MONDAY,)), "start is missing"),
        (JobSchedule(kind=ScheduleKind.ONCE, start=datetime(2026, 1, 1), days=(Weekday.MONDAY,)), "days means nothing"),
        (JobSchedule(kind=ScheduleKind.CRON, expression=""), "expression cannot be stored"),
        (JobSchedule(kind=ScheduleKind.CRON, expression="\0"), "expression cannot be stored"),
        (JobSchedule.every(timedelta(seconds=-1)), "interval cannot be stored"),
        (JobSchedule(kind=ScheduleKind.CRON, expression="@daily", id="a\ud800"), "id cannot be stored"),
        (JobSchedule(kind=ScheduleKind.CRON, expression="@daily", parameters={"a": float("nan")}), "parameters cannot"),
        (JobSchedule(kind=ScheduleKind.CRON, expression="@daily", parameters={"a": object()}), "parameters cannot"),
    ],
)
def test_what_cannot_be_stored_is_refused(schedule: JobSchedule, expected: str) -> None:
    with pytest.raises(InvalidScheduleError, match=expected):
        write_schedule(schedule)


def test_parameters_in_any_language_stay_readable() -> None:
    schedule = JobSchedule(
        kind=ScheduleKind.CRON, expression="@daily", parameters={"město": "Žďár", "bell": "\a\ud800"}
    )
    assert write_and_read(schedule) == schedule
    assert "Žďár" in text_of(JobSchedule(kind=ScheduleKind.CRON, expression="@daily", parameters={"město": "Žďár"}))


def test_santedbs_own_file_is_written_back_canonically_equal() -> None:
    root = parse_xml((FIXTURES / "xcron.xml").read_bytes(), name="xcron.xml")
    rows = [row for row in root.iter("{http://santedb.org/configuration}add") if row.get("days") != ""]
    assert len(rows) == 2
    for row in rows:
        parent = row.getparent()
        assert parent is not None
        (schedule,) = read_schedules(parent, name="xcron.xml")
        assert canonical(write_schedule(schedule)) == canonical(row)
        assert list(write_schedule(schedule).attrib) == list(row.attrib)
    assert {local_name(child) for child in elements(root)} == {"JobItemConfiguration"}


# Round trips

_words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1
)
_offsets = st.none() | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_instants = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=_offsets)
_durations = st.timedeltas(timedelta(0), timedelta(days=100_000))
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_days = st.lists(st.sampled_from(Weekday), min_size=1, unique=True).map(tuple)


@st.composite
def schedules(draw: st.DrawFn) -> JobSchedule:
    kind = draw(st.sampled_from(ScheduleKind))
    is_bounded = kind in (ScheduleKind.CALENDAR, ScheduleKind.ONCE)
    fields: dict[str, Any] = {
        "start": draw(
            (_instants | st.times().map(lambda at: datetime.combine(datetime.min, at)))
            if is_bounded
            else st.none() | _instants
        ),
        "stop": draw(st.none() | _instants),
        "id": draw(st.none() | _words),
        "timezone": draw(st.none() | _words),
        "max_count": draw(st.none() | st.integers(1, 10**9)),
        "jitter": draw(_durations),
        "misfire": draw(st.sampled_from(MisfirePolicy)),
        "misfire_window": draw(st.none() | _durations),
        "parameters": draw(st.none() | st.dictionaries(st.text(), _json, max_size=3)),
    }
    match kind:
        case ScheduleKind.INTERVAL:
            whole = st.integers(1, 2**32).map(lambda seconds: timedelta(seconds=seconds))
            fields |= {"interval": draw(whole | _durations), "mode": draw(st.sampled_from(IntervalMode))}
        case ScheduleKind.CALENDAR:
            fields["days"] = draw(_days)
        case ScheduleKind.CRON:
            fields |= {"expression": draw(_words), "dialect": draw(st.sampled_from(CronDialect))}
        case ScheduleKind.ONCE:
            pass
    return JobSchedule(kind=kind, **fields)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(schedules())
def test_what_is_written_is_read_back_equal(schedule: JobSchedule) -> None:
    assert write_and_read(schedule) == schedule


@settings(max_examples=100, deadline=None)
@given(st.timedeltas(timedelta(0)))
def test_a_duration_survives_its_text(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("PT5S", timedelta(seconds=5)),
        ("P1W", timedelta(weeks=1)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("0.25", timedelta(milliseconds=250)),
        ("90", timedelta(seconds=90)),
    ],
)
def test_a_duration_is_iso_or_seconds(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1", "P1Y", "P1M", "PT1D", "-PT1S", "1e3", "P999999999DT24H", "5 s", "٣"]
)
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)
