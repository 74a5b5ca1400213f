"""The lines of many runs on one stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from host.contracts.clock import Clock
from host.contracts.jobs import JobManagerService
from host.contracts.logs import RunLog
from host.model.logs import LogLevel, RunLogLine
from host.model.submissions import RunSubmission
from host_rest.events import feed, outlet
from host_rest.events.logs import MOST_RUNS
from host_rest.events.mount import EventsMount
from plugins.rest.tests.events.listener import EVENTS, Event, Listener, Quick, Wordy, listening
from plugins.rest.tests.resthost import RestHost, rest_host

pytestmark = pytest.mark.slow
QUICK = f"{Quick.__module__}:{Quick.__qualname__}"


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    Wordy.go_on = asyncio.Event()
    yield
    Wordy.lines = 3


def query_of(places: Mapping[UUID, int]) -> str:
    return "/logs?" + "&".join(f"run={run}:{number}" for run, number in places.items())


def take(event: Event, places: dict[UUID, int], seen: dict[UUID, list[int]]) -> None:
    """Note a line, which must be the one after the last of its run."""
    run, line = UUID(event.data["run_id"]), event.data["line"]
    assert line["number"] == places[run] + 1
    places[run] = line["number"]
    seen[run].append(line["fields"]["number"])


async def all_held(web: RestHost, number: int) -> list[UUID]:
    held = [RunSubmission(job=QUICK, hold=True)] * number
    return list(await web.kit.control.submit(held))


def write(web: RestHost, runs: list[UUID], number: int) -> None:
    at = web.kit.get(Clock).now()
    for run in runs:
        line = RunLogLine(at=at, level=LogLevel.INFO, event="line", fields={"number": number})
        web.kit.get(RunLog).append(run, [line])


async def until_taken(stream: Listener, places: dict[UUID, int], seen: dict[UUID, list[int]], *, count: int) -> None:
    while sum(map(len, seen.values())) < count:
        event = await stream.next()
        assert event is not None
        assert event.kind == "log"
        take(event, places, seen)


def test_a_hundred_runs_are_followed_over_one_stream_across_a_restart(tmp_path: Path) -> None:
    async def go() -> None:
        places: dict[UUID, int] = {}
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            runs = await all_held(web, MOST_RUNS)
            places = dict.fromkeys(runs, 0)
            seen: dict[UUID, list[int]] = {run: [] for run in runs}
            write(web, runs, 1)
            async with listening(web, query_of(places), woken=False) as stream:
                await until_taken(stream, places, seen, count=MOST_RUNS)
                write(web, runs, 2)
                await until_taken(stream, places, seen, count=MOST_RUNS + 30)
            write(web, runs, 3)
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            write(web, runs, 4)
            async with listening(web, query_of(places), woken=False) as stream:
                await until_taken(stream, places, seen, count=4 * MOST_RUNS)
                for run in runs:
                    await web.kit.control.release(run)
                rest = await stream.rest()
        assert set(map(tuple, seen.values())) == {(1, 2, 3, 4)}
        ended = [event.data.get("run_id") for event in rest if event.kind == "end"]
        assert (set(ended[:-1]), ended[-1]) == ({str(run) for run in runs}, None)
        assert len(rest) == MOST_RUNS + 1

    asyncio.run(go())


def test_a_flood_waits_for_its_reader_and_nothing_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MAX_WAITING_LINES", 2_000)

    async def go() -> None:
        Wordy.lines = 700
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            runs = [await web.kit.submit(Wordy) for _ in range(3)]
            places, seen = dict.fromkeys(runs, 0), {run: list[int]() for run in runs}
            Wordy.go_on.set()
            async with listening(web, query_of(places), woken=False) as stream:
                for event in await stream.rest():
                    if event.kind == "log":
                        take(event, places, seen)
            assert list(seen.values()) == [[*range(700), *range(700)]] * 3

    asyncio.run(go())


def test_a_run_that_nobody_knows_is_said_to_be_missing_and_the_others_are_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            Wordy.go_on.set()
            run, unknown = (await web.kit.perform(Wordy)).id, uuid4()
            async with listening(web, query_of({unknown: 0, run: 4}), woken=False) as stream:
                seen = await stream.rest()
            said = [(event.kind, event.data.get("run_id")) for event in seen]
            assert sorted(said[:-1]) == [("end", str(run)), *[("log", str(run))] * 2, ("missing", str(unknown))]
            assert said[-1] == ("end", None)

    asyncio.run(go())


def test_what_names_no_runs_is_refused(tmp_path: Path) -> None:
    run = uuid4()
    wrong = [
        "",
        "?run=x",
        "?run=",
        f"?run={run}&run={run}:3",
        f"?run={run}:x",
        f"?run={run}:-1",
        f"?run={run}:{'9' * 19}",
    ]
    many = "&".join(f"run={uuid4()}" for _ in range(MOST_RUNS + 1))

    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            for query in (*wrong, f"?after=3&run={run}", f"?{many}"):
                answer = await web.get(f"{EVENTS}/logs{query}", "reader")
                assert (answer.status_code, answer.json()["code"]) == (400, "request-invalid"), query
            assert (await web.get(f"{EVENTS}/logs?run={run}", "stranger")).status_code == 403

    asyncio.run(go())


def test_a_client_that_catches_up_is_told_of_jobs_and_schedules_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            for _ in range(3):
                await web.kit.perform(Quick)
            missed, waits, may_go = feed.RunFeed.missed, asyncio.Event(), asyncio.Event()

            async def slow(self: feed.RunFeed, *place: object) -> tuple[bytes, int]:
                waits.set()
                await may_go.wait()
                return await missed(self, *place)  # type: ignore[arg-type]

            monkeypatch.setattr(feed.RunFeed, "missed", slow)
            async with listening(web, "?after=0", woken=False) as stream:
                await waits.wait()
                await web.kit.get(JobManagerService).clear_job_schedule("Quick")
                may_go.set()
                seen = await stream.until("schedule")
                assert [event.kind for event in seen] == ["run"] * 3 + ["schedule"]

    asyncio.run(go())
