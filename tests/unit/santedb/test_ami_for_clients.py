"""AMI's documents as a client needs them: typed values, schedules to send, answers and faults of any size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from host.errors import InvalidRequestError, UnsupportedOperationError
from host.model.schedules import JobSchedule, Weekday
from host.santedb.ami import json_form, xml_reading
from host.santedb.ami.arguments import write_arguments
from host.santedb.ami.json_form import write_json
from host.santedb.ami.schedules import MOST_SCHEDULES, UNSENDABLE, read_schedules, send_schedules
from host.santedb.ami.values import AmiCollection, AmiJob, AmiJobParameter, RestServiceFault
from host.santedb.ami.xml_reading import MAX_BYTES
from host.santedb.ami.xml_writing import write_xml


def written(kind: str | None, value: Any) -> bytes:
    """Give the element of a value of a declared type."""
    document = write_arguments([AmiJobParameter(key="p", value=value, type=kind)])
    return document.partition(b"<name>p</name>")[2].partition(b"</parameter>")[0]


@pytest.mark.parametrize(
    ("kind", "value", "element"),
    [
        ("String", "5", b"<string>5</string>"),
        ("Boolean", False, b"<bool>false</bool>"),
        ("SByte", -128, b'<other xsi:type="xsd:byte">-128</other>'),
        ("Byte", 255, b'<other xsi:type="xsd:unsignedByte">255</other>'),
        ("Int16", 5, b'<other xsi:type="xsd:short">5</other>'),
        ("UInt16", 5, b'<other xsi:type="xsd:unsignedShort">5</other>'),
        ("Int32", -(2**31), b"<int>-2147483648</int>"),
        ("UInt32", 5, b'<other xsi:type="xsd:unsignedInt">5</other>'),
        ("Int64", 5, b'<other xsi:type="xsd:long">5</other>'),
        ("UInt64", 2**64 - 1, b'<other xsi:type="xsd:unsignedLong">18446744073709551615</other>'),
        ("Single", 1.5, b'<other xsi:type="xsd:float">1.5</other>'),
        ("Double", 1e300, b'<other xsi:type="xsd:double">1e+300</other>'),
        ("Decimal", 1e-7, b'<other xsi:type="xsd:decimal">0.0000001</other>'),
        ("DateTime", "2026-02-01", b"<date>2026-02-01T00:00:00</date>"),
        ("DateTimeOffset", "2026-02-01T03:00:00+01:00", b"<date>2026-02-01T03:00:00+01:00</date>"),
        ("Guid", "B5D6A459C0FC4D2FA653733C849BEAB9", b"<uuid>b5d6a459-c0fc-4d2f-a653-733c849beab9</uuid>"),
        ("Int32", None, b""),
        ("Unheard", 5, b"<int>5</int>"),
        (None, "x", b"<string>x</string>"),
    ],
)
def test_a_value_has_the_element_of_its_declared_type(kind: str | None, value: Any, element: bytes) -> None:
    assert written(kind, value) == element


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Int32", 2**31),
        ("Byte", -1),
        ("Int64", 2**63),
        ("Int16", "5"),
        ("Double", "x"),
        ("Guid", "x"),
        ("DateTime", "soon"),
        ("Object", {"a": 1}),
        (None, [1]),
    ],
)
def test_a_value_that_its_type_does_not_hold_is_named(kind: str | None, value: Any) -> None:
    with pytest.raises(ValueError, match=r"parameter 'p' \("):
        written(kind, value)


def test_values_are_read_back_by_who_is_asked() -> None:
    values = {"Int64": 5, "Double": 0.5, "Decimal": 2.0, "Guid": "b5d6a459-c0fc-4d2f-a653-733c849beab9", "String": " "}
    document = write_arguments([AmiJobParameter(key=kind, value=value, type=kind) for kind, value in values.items()])
    read = xml_reading.read_parameters(document)
    assert {each.name: each.value for each in read.parameter} == values


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (datetime(2026, 1, 1, 4, tzinfo=UTC), "2026-01-01T04:00:00+00:00"),
        (datetime(2026, 1, 1, 4, tzinfo=timezone(timedelta(hours=-5))), "2026-01-01T04:00:00-05:00"),
        (datetime(2026, 1, 1, 4), "2026-01-01T04:00:00"),
    ],
)
def test_an_instant_is_sent_with_an_offset_and_wall_time_without(start: datetime, text: str) -> None:
    schedule = JobSchedule.weekly([Weekday.FRIDAY], start, stop=start)
    (sent,) = send_schedules([schedule])
    assert (sent.start, sent.stop, sent.repeat) == (text, text, ("Friday",))
    assert read_schedules([sent]) == (schedule,)


def test_everything_that_cannot_be_sent_is_told_at_once() -> None:
    schedules = [JobSchedule.every(timedelta(hours=1)), JobSchedule.cron("@daily", timezone="UTC", max_count=2)]
    with pytest.raises(UnsupportedOperationError) as caught:
        send_schedules(schedules)
    said = [UNSENDABLE[name][0] for name in ("cron", "timezone", "max_count")]
    assert [(each.where, each.message) for each in caught.value.problems] == [
        ("schedule 2", f"AMI has no word for {words}") for words in said
    ]
    with pytest.raises(UnsupportedOperationError, match="101 schedules"):
        send_schedules(schedules[:1] * (MOST_SCHEDULES + 1))


def test_a_listing_may_be_larger_than_what_somebody_sends() -> None:
    jobs = tuple(AmiJob(id=str(number), description="x" * 10_000) for number in range(110))
    document = write_xml(AmiCollection(resource=jobs, size=110))
    assert len(document) > MAX_BYTES
    assert xml_reading.read_collection(document).resource == jobs


def test_progress_that_is_no_number_is_none_in_an_answer_and_refused_in_a_request() -> None:
    for text in (b"NaN", b"INF", b"-INF"):
        document = b"<JobInfo><progress>" + text + b"</progress></JobInfo>"
        assert xml_reading.read_job(document).progress is None
        with pytest.raises(InvalidRequestError):
            xml_reading.read_resource(document)


def test_a_fault_is_written_and_read_with_its_causes() -> None:
    root = RestServiceFault(data=("d",), type="KeyNotFoundException", message="root", policy_outcome="Deny")
    inner = RestServiceFault(data=(), type="B", message="inner", policy_outcome="Deny", cause=root)
    outer = RestServiceFault(data=(), type="A", message="outer", policy_outcome="Deny", cause=inner)
    assert xml_reading.read_fault(write_xml(outer)) == outer
    assert json_form.read_fault(write_json(outer)) == outer
    assert outer.root == root == root.root
