"""Following one run: its changes and its lines, to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from host.contracts.clock import Clock
from host.contracts.jobs import RunControl
from host.contracts.runs import JobRunReader, JobRunWriter
from host.model.runs import RunState
from host.model.submissions import RunSubmission
from host_rest.events import feed, lines
from host_rest.events.mount import EventsMount
from plugins.rest.tests.events.listener import EVENTS, Event, Quick, Wordy, listening
from plugins.rest.tests.resthost import rest_host

pytestmark = pytest.mark.slow
QUICK = f"{Quick.__module__}:{Quick.__qualname__}"
WORDY = [("before", 0), ("before", 1), ("before", 2), ("after", 0), ("after", 1), ("after", 2)]


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    Wordy.go_on = asyncio.Event()
    yield
    Wordy.lines = 3


def lines_of(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.data["event"], event.data["fields"]["number"]) for event in events if event.kind == "log"]


def states_of(events: list[Event]) -> list[str]:
    return [event.data["state"] for event in events if event.kind == "run"]


def test_a_run_is_followed_to_its_final_state_and_last_line(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            run_id = await web.kit.submit(Wordy)
            async with listening(web, f"/runs/{run_id}", woken=False) as stream:
                seen = await stream.until("log")
                Wordy.go_on.set()
                seen += await stream.rest()
            assert lines_of(seen) == WORDY
            assert states_of(seen)[-1] == "completed"
            assert seen[-1].kind == "end"

    asyncio.run(go())


def test_a_finished_run_is_told_whole_and_nothing_more_is_answered_by_204(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            Wordy.go_on.set()
            run = await web.kit.perform(Wordy)
            async with listening(web, f"/runs/{run.id}", woken=False) as stream:
                seen = await stream.rest()
                assert states_of(seen) == ["completed"]
                assert lines_of(seen) == WORDY
                again = await web.get(f"{EVENTS}/runs/{run.id}", "reader", headers={"Last-Event-ID": stream.last_id})
                assert (again.status_code, again.content) == (204, b"")

    asyncio.run(go())


def test_following_resumes_after_any_event_without_loss_or_repetition(tmp_path: Path) -> None:
    async def go() -> None:
        Wordy.lines = 40
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            run_id = await web.kit.submit(Wordy)
            seen: list[Event] = []
            last_id = None
            while not seen or seen[-1].kind != "end":
                async with listening(web, f"/runs/{run_id}", last_id=last_id, woken=False) as stream:
                    for _ in range(9):
                        event = await stream.next()
                        assert event is not None
                        seen.append(event)
                        if event.kind == "end":
                            break
                    last_id = stream.last_id
                if len(seen) > 30:
                    Wordy.go_on.set()
            words = [("before", number) for number in range(40)] + [("after", number) for number in range(40)]
            assert lines_of(seen) == words
            changes = [event.data["change"] for event in seen if event.kind == "run"]
            assert changes == sorted(set(changes))
            assert states_of(seen)[-1] == "completed"

    asyncio.run(go())


def test_a_flood_of_lines_comes_through_whole(tmp_path: Path) -> None:
    async def go() -> None:
        Wordy.lines = 3000
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            run_id = await web.kit.submit(Wordy)
            async with listening(web, f"/runs/{run_id}", woken=False) as stream:
                await stream.until("log")
                Wordy.go_on.set()
                seen = await stream.rest()
            assert lines_of(seen)[-1] == ("after", 2999)
            assert len(lines_of(seen)) == 5999
            assert seen[-1].kind == "end"

    asyncio.run(go())


def test_a_run_that_waits_is_followed_from_its_first_change_on(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            job = f"{Quick.__module__}:{Quick.__qualname__}"
            (run_id,) = await web.kit.control.submit([RunSubmission(job=job, hold=True)])
            async with listening(web, f"/runs/{run_id}", woken=False) as stream:
                first = await stream.next()
                assert first is not None
                assert first.data["state"] == RunState.PENDING
                await web.kit.control.release(run_id)
                seen = await stream.rest()
            assert (states_of(seen)[-1], seen[-1].kind) == ("completed", "end")

    asyncio.run(go())


@pytest.mark.parametrize("place", ["7", "7-", "x-1", "1-2-3"])
def test_what_is_no_place_is_refused(tmp_path: Path, place: str) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            run = await web.kit.perform(Quick)
            answer = await web.get(f"{EVENTS}/runs/{run.id}", "reader", headers={"Last-Event-ID": place})
            assert answer.status_code == 400
            assert "no place to resume from" in answer.text

    asyncio.run(go())


def test_a_run_that_is_deleted_before_anybody_looked_ends_its_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pump sees nothing meanwhile: as it is with a run that ends and is deleted between two looks.
    monkeypatch.setattr(feed, "SLOW_SECONDS", 3600.0)
    monkeypatch.setattr(lines, "LOOK_SECONDS", 0.05)

    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            writer, reader = web.kit.get(JobRunWriter), web.kit.get(JobRunReader)
            (run_id,) = await web.kit.get(RunControl).submit([RunSubmission(job=QUICK, hold=True)])
            async with listening(web, f"/runs/{run_id}", woken=False) as stream:
                first = await stream.next()
                assert first is not None
                assert first.data["state"] == "pending"
                await writer.request_cancel([run_id], by="somebody")
                assert await writer.prune(finished_before=web.kit.get(Clock).now() + timedelta(days=1)) == [run_id]
                assert await reader.run(run_id) is None
                assert (await stream.rest())[-1].kind == "end"
            again = await web.get(f"{EVENTS}/runs/{run_id}", "reader", headers={"Last-Event-ID": stream.last_id})
            assert again.status_code == 404

    asyncio.run(go())


def test_a_repeated_run_leaves_the_stream_of_the_first_ended(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            first = await web.kit.perform(Quick)
            again = await web.kit.get(RunControl).retry(first.id)
            await web.kit.run_due()
            async with listening(web, f"/runs/{first.id}", woken=False) as stream:
                seen = await stream.rest()
                assert [event.kind for event in seen] == ["run", "end"]
                assert seen[0].data["id"] == str(first.id)
            async with listening(web, f"/runs/{again}", woken=False) as stream:
                assert (await stream.rest())[0].data["origin_run_id"] == str(first.id)

    asyncio.run(go())
