"""Run changes as they happen, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.contracts.runs import JobRunReader
from host.model.runs import JobRun
from host.wire import from_json, to_json
from host_rest.events import audience
from host_rest.events.mount import EventsMount
from plugins.rest.tests.events.listener import PATIENCE_SECONDS, Other, Quick, Secretive, listening
from plugins.rest.tests.resthost import RestHost, rest_host

pytestmark = pytest.mark.slow


async def all_changes(web: RestHost) -> dict[str, int]:
    """Give every run as the store has it: ``{id: change}``."""
    page = await web.kit.get(JobRunReader).changes(0, limit=1000)
    return {str(run.id): run.change for run in page}


def test_a_run_is_told_as_it_changes_in_the_form_of_the_api(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web, listening(web) as stream:
            run_id = await web.kit.submit(Quick)
            events = await stream.runs("completed")
            run = await web.kit.runs.run(run_id)
            assert events[-1].data == from_json(to_json(run), object)
            assert events[-1].id == str(run.change)
            assert from_json(to_json(events[-1].data), JobRun) == run
            assert stream.retry

    asyncio.run(go())


def test_without_a_place_only_what_changes_from_now_on_is_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            before = await web.kit.perform(Quick)
            async with listening(web) as stream:
                await web.kit.perform(Quick)
                events = await stream.runs("completed")
                assert str(before.id) not in {event.data["id"] for event in events}

    asyncio.run(go())


def test_connecting_again_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            seen: list[int] = []
            latest: dict[str, int] = {}
            last_id: str | None = "0"
            submitting = asyncio.create_task(submit_many(web, 120))
            while latest != await all_changes(web) or not submitting.done():
                async with asyncio.timeout(60), listening(web, last_id=last_id, woken=False) as stream:
                    for _ in range(7):
                        event = await stream.next()
                        assert event is not None
                        seen.append(int(event.id))
                        latest[event.data["id"]] = event.data["change"]
                        if submitting.done() and latest == await all_changes(web):
                            break
                    last_id = stream.last_id
            await submitting
            assert seen == sorted(set(seen))
            assert len(latest) == 120

    async def submit_many(web: RestHost, count: int) -> None:
        for _ in range(count // 20):
            for _ in range(20):
                await web.kit.submit(Quick)

    asyncio.run(go())


def test_after_resumes_and_the_header_counts_for_more(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            first, second = await web.kit.perform(Quick), await web.kit.perform(Quick)
            async with listening(web, f"?after={first.change}", woken=False) as stream:
                event = await stream.next()
                assert event is not None
                assert event.data["id"] == str(second.id)
            async with listening(web, f"?after={second.change}", last_id="0", woken=False) as stream:
                event = await stream.next()
                assert event is not None
                assert event.data["id"] == str(first.id)

    asyncio.run(go())


def test_a_place_of_another_history_begins_now_and_says_gap(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            run = await web.kit.perform(Quick)
            async with listening(web, last_id="987654321", woken=False) as stream:
                event = await stream.next()
                assert event is not None
                assert (event.kind, event.id) == ("gap", str(run.change))
                again = await web.kit.submit(Quick)
                assert (await stream.runs("completed"))[-1].data["id"] == str(again)

    asyncio.run(go())


def test_filters_narrow_by_job_state_and_tenant(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick, Other]) as web:
            job = f"{Quick.__module__}:{Quick.__qualname__}"
            async with (
                listening(web, f"?job={job}") as by_job,
                listening(web, "?state=completed&state=failed") as by_state,
                listening(web, "?tenant=nobody") as by_tenant,
            ):
                await web.kit.perform(Other)
                quick = await web.kit.perform(Quick)
                assert {event.data["job_type"] for event in await by_job.runs("completed")} == {quick.job_type}
                told = [*await by_state.runs("completed"), *await by_state.runs("completed")]
                assert [event.data["state"] for event in told] == ["completed", "completed"]
                await web.kit.stop()
                assert [event.kind for event in await by_tenant.rest()] == ["bye"]

    asyncio.run(go())


def test_an_idle_filtered_client_resumes_from_where_the_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "TICK_SECONDS", 0.02)

    async def go() -> None:
        async with (
            rest_host(tmp_path, EventsMount, jobs=[Quick]) as web,
            listening(web, "?tenant=nobody") as stream,
            listening(web) as other,
        ):
            begun = int(stream.last_id)
            run = await web.kit.perform(Quick)
            await other.runs("completed")
            reading = asyncio.create_task(stream.next())
            async with asyncio.timeout(PATIENCE_SECONDS):
                while int(stream.last_id) < run.change:
                    await asyncio.sleep(0.005)
            assert int(stream.last_id) > begun
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(go())


def test_secret_parameters_are_hidden(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Secretive]) as web, listening(web) as stream:
            await web.kit.submit(Secretive, {"password": "open sesame", "name": "Ali"})
            event = (await stream.runs("completed"))[-1]
            assert event.data["parameters"] == {"password": "***", "name": "Ali"}
            assert "open sesame" not in str(event.data)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?after=x", 400, "expected the number of a change"),
        ("?after=-2", 400, "expected the number of a change"),
        ("?state=done", 400, "unknown state 'done'"),
        ("?stat=failed", 400, "unknown query parameter 'stat'"),
        ("?tenant=a&tenant=b", 400, "more than once"),
        ("?job=nothing.here:Nope", 404, "nothing.here:Nope"),
        ("/runs/01a1fc14-c86a-7f06-9144-bf265aac8182", 404, "01a1fc14-c86a-7f06-9144-bf265aac8182"),
        ("/runs/seven", 400, "no run id"),
        ("/other", 404, "nothing answers"),
    ],
)
def test_bad_input_is_answered_by_a_problem(tmp_path: Path, query: str, status: int, said: str) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount) as web:
            answer = await web.get(f"/rest/v1/events{query}", "reader")
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert said in answer.text

    asyncio.run(go())


def test_who_may_not_read_jobs_gets_no_stream(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount) as web:
            assert (await web.get("/rest/v1/events")).status_code == 401
            assert (await web.get("/rest/v1/events", "stranger")).status_code == 403

    asyncio.run(go())
