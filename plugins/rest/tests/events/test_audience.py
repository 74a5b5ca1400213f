"""Many clients, slow ones, and how streams end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from host.contracts.bus import MessageBus
from host.model.messages import JobsChanged, PausesChanged, ScheduleChanged
from host.model.security import PrincipalKind
from host.testing.clock import FakeClock
from host_rest.events import audience, outlet
from host_rest.events.mount import EventsMount
from plugins.rest.tests.events.listener import EVENTS, PATIENCE_SECONDS, Quick, Wordy, listening
from plugins.rest.tests.resthost import Principal, RestHost, RoleAuthenticator, rest_host

pytestmark = pytest.mark.slow


async def eventually(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.005)


def streams(web: RestHost) -> int:
    """Give how many streams are open."""
    (mount,) = [mount for mount in web.server.mounts if isinstance(mount, EventsMount)]
    return len(mount._audience)


def test_every_one_of_many_clients_hears_of_every_run(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web, AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(listening(web)) for _ in range(60)]
            ids = {str(await web.kit.submit(Quick)) for _ in range(5)}

            async def heard(client: Any) -> set[str]:
                done: set[str] = set()
                while len(done) < 5:
                    done |= {event.data["id"] for event in await client.runs("completed")}
                return done

            for done in await asyncio.gather(*map(heard, clients)):
                assert done == ids

    asyncio.run(go())


def test_a_client_that_leaves_is_forgotten(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            run_id = await web.kit.submit(Wordy)
            async with listening(web), listening(web, f"/runs/{run_id}", woken=False) as stream:
                await stream.next()
                assert streams(web) == 2
            await eventually(lambda: streams(web) == 0)

    asyncio.run(go())


def test_a_slow_client_is_sent_gap_and_resumes_while_others_hear_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "MAX_WAITING_BYTES", 50_000)

    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web, listening(web) as quick:
            slow_reader, slow_writer = await raw_stream(web, receive_bytes=4096)
            submitted: set[str] = set()
            heard: set[str] = set()
            while not await is_behind(web):
                submitted |= {str(await web.kit.submit(Quick)) for _ in range(100)}
                while not submitted <= heard:
                    heard |= {event.data["id"] for event in await quick.runs("completed")}
            told = await until_end(slow_reader)
            slow_writer.close()
            await slow_writer.wait_closed()
            assert told.rstrip().endswith(b"event: gap\ndata: {}")
            ids = [line[4:].decode() for line in told.splitlines() if line.startswith(b"id: ")]
            async with listening(web, last_id=ids[-1], woken=False) as again:
                event = await again.next()
                assert event is not None
                page = await web.kit.runs.changes(int(ids[-1]), limit=1)
                assert int(event.id) == page[0].change

    async def is_behind(web: RestHost) -> bool:
        (mount,) = [mount for mount in web.server.mounts if isinstance(mount, EventsMount)]
        return any(each.closed_at is not None for each in mount._audience._streams)

    asyncio.run(go())


def test_a_client_that_takes_nothing_at_all_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MAX_WAITING_BYTES", 50_000)
    monkeypatch.setattr(audience, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(audience, "STALL_SECONDS", 0.1)

    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web:
            _, writer = await raw_stream(web, receive_bytes=4096)
            while streams(web):
                for _ in range(100):
                    await web.kit.submit(Quick)
            writer.close()
            await writer.wait_closed()

    asyncio.run(go())


def test_streams_end_with_bye_when_the_host_drains(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            run_id = await web.kit.submit(Wordy)
            async with listening(web) as stream, listening(web, f"/runs/{run_id}", woken=False) as follower:
                await follower.until("log")
                draining = asyncio.create_task(web.kit.finish_drain())
                told = [await each.rest() for each in (stream, follower)]
                for events in told:
                    assert (events[-1].kind, events[-1].data) == ("bye", {"reason": "stopping"})
                refused = await web.get(EVENTS, "reader")
                assert refused.status_code == 503
                Wordy.go_on.set()
                await draining

    asyncio.run(run_gated(go))


def test_a_host_that_stops_at_once_ends_streams_cleanly(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount) as web, listening(web) as stream:
            await web.kit.stop()
            assert [event.kind for event in await stream.rest()] == ["bye"]

    asyncio.run(go())


def test_a_stream_ends_when_its_token_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "TICK_SECONDS", 0.02)
    clock = FakeClock()
    guest = Principal(
        name="guest", kind=PrincipalKind.USER, roles=("reader",), expires_at=clock.now() + timedelta(minutes=5)
    )
    monkeypatch.setattr(RoleAuthenticator, "extra", {"guest": guest})

    async def go() -> None:
        async with (
            rest_host(tmp_path, EventsMount, jobs=[Quick], clock=clock) as web,
            listening(web, role="guest") as stream,
            listening(web) as lasting,
        ):
            clock.move(299)
            await web.kit.submit(Quick)
            await stream.runs("completed")
            clock.move(1)
            assert [(event.kind, event.data) for event in await stream.rest()] == [("bye", {"reason": "expired"})]
            await web.kit.submit(Quick)
            await lasting.runs("completed")

    asyncio.run(go())


def test_idle_streams_are_sent_something_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "TICK_SECONDS", 0.02)

    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Wordy]) as web:
            run_id = await web.kit.submit(Wordy)
            async with listening(web, f"/runs/{run_id}", woken=False) as follower:
                reading = asyncio.create_task(follower.rest())
                await eventually(lambda: follower.comments > 1)
                Wordy.go_on.set()
                assert (await reading)[-1].kind == "end"

    asyncio.run(run_gated(go))


def test_changes_of_jobs_schedules_and_pauses_are_hinted(tmp_path: Path) -> None:
    async def go() -> None:
        async with rest_host(tmp_path, EventsMount, jobs=[Quick]) as web, listening(web) as stream:
            bus = web.kit.get(MessageBus)
            for message in (ScheduleChanged(job_type="a:B"), JobsChanged(), PausesChanged()):
                bus.publish(message)
            told = [await stream.next() for _ in range(3)]
            assert [(event.kind, event.data) for event in told if event] == [
                ("schedule", {"job_type": "a:B"}),
                ("job", {}),
                ("host", {"changed": "pauses"}),
            ]

    asyncio.run(go())


def test_a_stream_too_many_is_refused_for_now(tmp_path: Path) -> None:
    async def go() -> None:
        sections = '<section xsi:type="EventsConfigurationSection" maxStreams="1" />'
        async with rest_host(tmp_path, EventsMount, sections=sections) as web, listening(web):
            answer = await web.get(EVENTS, "reader")
            assert answer.status_code == 503
            assert "maxStreams" in answer.text

    asyncio.run(go())


async def run_gated(go: Callable[[], Awaitable[None]]) -> None:
    Wordy.go_on = asyncio.Event()
    await go()


async def raw_stream(web: RestHost, *, receive_bytes: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a stream whose client takes little at a time, and nothing unless it is read."""
    host, _, port = web.url.removeprefix("http://").partition(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=raw, limit=receive_bytes)
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer reader\r\n\r\n".encode())
    await reader.readuntil(b"id: ")
    return reader, writer


async def until_end(reader: asyncio.StreamReader) -> bytes:
    """Give the whole body that is left, without the marks of its chunks."""
    told = b""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            line = await reader.readline()
            if line.strip() == b"0":
                return told
            told += line
