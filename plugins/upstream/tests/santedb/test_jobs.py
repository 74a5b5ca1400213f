"""The jobs of a SanteDB server: listed whole, found by id, started with typed values, registered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from host.errors import InvalidParameterError, JobNotFoundError, JobRegisteredError, UpstreamUnavailableError
from host.model.jobs import ParameterType
from host.santedb.ami.values import AmiJobParameter
from plugins.upstream.tests.santedb.amikit import Upstream, before_icdr
from plugins.upstream.tests.santedb.icdr import STATE_CLASS, Asked, Icdr, Reply

VERIFIED = Path(__file__).parents[4] / "tests/fixtures/santedb/generated/AmiCollection.JobInfo.xml"
MATERIALIZE = UUID("b5d6a459-c0fc-4d2f-a653-733c849beab9")

Check = Callable[[Icdr, Upstream], Awaitable[None]]


def run(check: Check, **options: timedelta) -> None:
    async def go() -> None:
        async with before_icdr(**options) as (icdr, upstream):
            await check(icdr, upstream)

    asyncio.run(go())


def test_what_dotnet_writes_is_a_job_whose_type_is_not_the_class_of_its_state() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.hooks.append(lambda _: Reply(200, VERIFIED.read_bytes()))

        (job,) = await upstream.manager.jobs()

        assert (job.id, job.name, job.can_cancel) == (MATERIALIZE, "Refresh BI Materialized Views", True)
        assert job.job_type == f"santedb:{MATERIALIZE}"
        assert [(each.name, each.type, each.required) for each in job.parameters] == [
            ("viewName", ParameterType.STRING, False),
            ("n", ParameterType.INTEGER, False),
        ]
        assert job.source == "upstream"

    run(check)


def test_a_class_that_the_upstream_tells_is_the_jobs_type_without_version_unless_two_have_it() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, job_type="A.One, A, Version=1.0.0.0, Culture=neutral")
        icdr.add(2, job_type="A.Same, A")
        icdr.add(3, job_type="A.Same, A")
        icdr.add(4, job_type="SanteDB.AdoJobManager+Inner, B")
        icdr.add(5, job_type=None)

        types = [job.job_type for job in await upstream.manager.jobs()]

        assert types[0] == "A.One, A"
        assert types[1:] == [f"santedb:00000000-0000-0000-0000-{number:012}" for number in (2, 3, 4, 5)]

    run(check)


def test_more_jobs_than_a_page_are_all_listed_by_name_and_once() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        for number in range(250, 0, -1):
            icdr.add(number, name=f"Job {number:03}")

        jobs = await upstream.manager.jobs()

        assert [job.name for job in jobs] == [f"Job {number:03}" for number in range(1, 251)]
        assert [each.query["_offset"] for each in icdr.asked] == ["0", "100", "200"]
        assert {each.headers["accept"] for each in icdr.asked} == {"application/xml"}

    run(check)


def test_a_list_that_changes_while_it_is_paged_through_is_read_anew() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        for number in range(1, 151):
            icdr.add(number)

        def remove_one(asked: Asked) -> None:
            if asked.query.get("_offset") == "100" and len(icdr.jobs) == 150:
                del icdr.jobs["00000000-0000-0000-0000-000000000001"]

        icdr.hooks.append(remove_one)

        assert len(await upstream.manager.jobs()) == 149

    run(check)


def test_a_server_that_gives_the_same_page_for_ever_ends_the_listing() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        for number in range(100):
            icdr.add(number)
        icdr.hooks.append(lambda asked: asked.query.clear())

        assert len(await upstream.manager.jobs()) == 100
        assert len(icdr.asked) == 2

    run(check)


def test_a_job_is_found_by_id_type_and_unambiguous_name() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, name="Backup")
        icdr.add(2, name="Twice", job_type="A.B.Refresh, A")
        icdr.add(3, name="Twice")
        find = upstream.manager.get_job

        one = UUID(int=1)
        for name in (str(one), str(one).upper(), f"santedb:{one}", "backup"):
            assert (await find(name)).id == one, name
        for name in ("A.B.Refresh, A", "A.B.Refresh,A, Version=2.0", "refresh"):
            assert (await find(name)).id == UUID(int=2), name
        assert await upstream.manager.is_job_registered("Backup")
        assert not await upstream.manager.is_job_registered("Twice")
        with pytest.raises(JobNotFoundError, match=r"2 jobs .*say which: 0000"):
            await find("Twice")
        with pytest.raises(JobNotFoundError, match="did you mean 'Backup'"):
            await find("Bakcup")

    run(check)


def test_a_job_that_is_new_at_the_upstream_is_found_although_the_list_is_recent() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        await upstream.manager.jobs()
        icdr.add(2)

        assert (await upstream.manager.get_job("Job 2")).id == UUID(int=2)

    run(check)


def test_a_list_is_shown_again_for_as_long_as_the_settings_say() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        first = await upstream.manager.jobs()
        upstream.clock.move(0.9)
        assert await upstream.manager.jobs() is first
        assert len(icdr.asked) == 1
        upstream.clock.move(0.2)
        await upstream.manager.jobs()
        assert len(icdr.asked) == 2
        await upstream.manager.start_job("Job 1")
        await upstream.manager.jobs()
        assert icdr.paths("GET") == ["/ami/JobInfo"] * 3

    run(check)


def test_callers_at_the_same_time_share_one_request_and_one_that_gives_up_takes_nobody_along() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        icdr.before = asyncio.Event()
        callers = [asyncio.create_task(upstream.manager.jobs()) for _ in range(50)]
        async with asyncio.timeout(30):
            while not icdr.asked:
                await asyncio.sleep(0)
        callers[0].cancel()
        late = asyncio.create_task(upstream.runs.counters())  # wants what is acknowledged now: a reading of its own
        await asyncio.sleep(0)
        icdr.before.set()

        assert [len(jobs) for jobs in await asyncio.gather(*callers[1:])] == [1] * 49
        await late
        assert len(icdr.asked) == 2

    run(check, cache=timedelta(0))


def test_a_reading_that_began_before_a_change_is_shown_to_nobody_after_it() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        early = asyncio.create_task(upstream.manager.jobs())
        async with asyncio.timeout(30):
            while not icdr.asked:
                await asyncio.sleep(0)
        await upstream.client.start(UUID(int=1), (), by=None)
        icdr.add(2)

        assert len(await upstream.manager.jobs()) == 2
        await early

    run(check)


def test_a_failed_reading_is_told_to_all_who_wait_and_kept_for_nobody() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        icdr.hooks.append(lambda _: Reply(503))
        results = await asyncio.gather(*(upstream.manager.jobs() for _ in range(5)), return_exceptions=True)
        assert {type(each) for each in results} == {UpstreamUnavailableError}
        icdr.hooks.clear()
        assert len(await upstream.manager.jobs()) == 1

    run(check)


DECLARED = tuple(
    AmiJobParameter(key=name.lower(), type=name)
    for name in ("String", "Int32", "Int64", "Double", "Boolean", "Guid", "DateTime", "Decimal", "Object")
)
GIVEN: dict[str, Any] = {
    "string": "a <b>",
    "int32": 5,
    "int64": 5,
    "double": 0.5,
    "boolean": True,
    "guid": "{B5D6A459-C0FC-4D2F-A653-733C849BEAB9}",
    "datetime": "2026-02-01 03:00:00",
    "decimal": 1e-7,
    "object": ["x", "y"],
}
ELEMENTS = [
    b"<string>a &lt;b&gt;</string>",
    b"<int>5</int>",
    b'<other xsi:type="xsd:long">5</other>',
    b'<other xsi:type="xsd:double">0.5</other>',
    b"<bool>true</bool>",
    b"<uuid>b5d6a459-c0fc-4d2f-a653-733c849beab9</uuid>",
    b"<date>2026-02-01T03:00:00</date>",
    b'<other xsi:type="xsd:decimal">0.0000001</other>',
    b"<array><string>x</string><string>y</string></array>",
]


@pytest.mark.parametrize("given", [GIVEN, list(GIVEN.values())], ids=["by name", "by position"])
def test_a_job_starts_with_values_in_their_places_and_declared_types(given: Any) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, parameters=DECLARED)

        assert await upstream.manager.start_job("Job 1", given, by="me") is None

        (asked,) = [each for each in icdr.asked if each.method == "POST"]
        assert asked.path.endswith("000000000001/$start")
        assert asked.headers["content-type"] == "application/xml"
        places = [asked.body.find(element) for element in ELEMENTS]
        assert -1 not in places
        assert places == sorted(places)
        assert [each.name for each in icdr.arguments] == list(GIVEN)

    run(check)


def test_a_value_that_is_not_given_keeps_its_place_and_none_at_all_are_no_values() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, parameters=DECLARED)
        await upstream.manager.start_job("Job 1", {"int64": 7})
        assert [each.value for each in icdr.arguments] == [None, None, 7, *[None] * 6]
        await upstream.manager.start_job("Job 1")
        assert icdr.arguments == []

    run(check)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"int32": "five"}, "int32"),
        ({"int32": 2**31}, "Int32.*2147483647"),
        ({"guid": "no"}, "guid"),
        ({"unknown": 1}, "unknown"),
        ([1] * 10, "10 values"),
        ({"object": {"a": 1}}, "object"),
    ],
)
def test_a_value_that_does_not_fit_starts_nothing(given: Any, said: str) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, parameters=DECLARED)
        with pytest.raises(InvalidParameterError, match=said):
            await upstream.manager.start_job("Job 1", given)
        assert icdr.paths("POST") == []

    run(check)


def test_a_start_whose_answer_is_lost_is_sent_once() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1)
        icdr.hooks.append(lambda asked: Reply(502) if asked.method == "POST" else None)
        with pytest.raises(UpstreamUnavailableError):
            await upstream.manager.start_job("Job 1")
        assert len(icdr.paths("POST")) == 1

    run(check)


def test_what_may_be_registered_is_listed_by_name_also_when_it_is_more_than_a_page() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.offered += ["Z.First, A", *(f"A.Job{number:03}, A" for number in range(150))]

        found = await upstream.manager.get_available_jobs()

        assert len(found) == 151
        assert (found[0].name, found[1].name) == ("First", "Job000")
        assert found[0].job_type == "Z.First, A"
        assert found[0].source is None

    run(check)


@pytest.mark.parametrize("is_blind", [False, True])
@pytest.mark.parametrize("name", ["A.New, A", "A.New, A, Version=1.0", "new"])
def test_a_type_is_registered_by_type_or_class_name(name: str, *, is_blind: bool) -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.offered += ["A.New, A", "A.Other, A"]
        icdr.is_registering_blindly = is_blind

        job = await upstream.manager.register_job(name)

        assert job.name == "A.New"
        assert b'type="A.New, A"' in next(each.body for each in icdr.asked if each.method == "POST")
        assert [info.job_type for info in await upstream.manager.get_available_jobs()] == ["A.Other, A"]

    run(check)


def test_registering_what_is_registered_or_not_there_sends_nothing() -> None:
    async def check(icdr: Icdr, upstream: Upstream) -> None:
        icdr.add(1, job_type="A.Known, A")
        icdr.add(2, job_type=STATE_CLASS)
        with pytest.raises(JobRegisteredError):
            await upstream.manager.register_job("A.Known, A")
        with pytest.raises(JobNotFoundError, match="does not tell the classes"):
            await upstream.manager.register_job("A.Unknown, A")
        icdr.offered += ["A.Two, A", "B.Two, B"]
        with pytest.raises(JobNotFoundError, match=r"2 types .* A\.Two, A, B\.Two, B"):
            await upstream.manager.register_job("two")
        assert icdr.paths("POST") == []

    run(check)
