"""Answers that do not end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from host.errors import RunNotFoundError, UpstreamRefusedError, UpstreamUnavailableError
from host_upstream.link import UpstreamRequest
from host_upstream.transport.http_link import HttpUpstreamLink
from plugins.upstream.tests.link.linkdesk import JOBS, run, until
from plugins.upstream.tests.link.rogue import TOKEN_PATH, Heard, Reply, Rogue, problem

EVENTS = UpstreamRequest(
    method="GET", path="/rest/v1/events", media_type="text/event-stream", headers={"Last-Event-ID": "7"}
)
SSE = {"content-type": "text/event-stream; charset=utf-8"}


async def all_of(link: HttpUpstreamLink, request: UpstreamRequest = EVENTS) -> bytes:
    return b"".join([piece async for piece in link.stream(request)])


def test_pieces_come_as_they_are_sent_and_end_with_the_stream() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        seen: asyncio.Queue[bytes] = asyncio.Queue()

        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"data: %d\n\n" % number
                assert await seen.get() == b"data: %d\n\n" % number  # was read before the next is sent

        rogue.otherwise = lambda _: Reply(pieces=pieces, headers=SSE)
        async with asyncio.timeout(60):
            async for piece in link.stream(EVENTS):
                seen.put_nowait(piece)

        (heard,) = rogue.calls()
        assert heard.headers["accept"] == "text/event-stream"
        assert heard.headers["last-event-id"] == "7"
        assert heard.headers["accept-encoding"] == "identity"
        assert heard.headers["authorization"] == "Bearer t1"

    run(check)


def test_closing_a_stream_closes_its_connection_and_streams_hold_up_no_calls() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        ended = 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal ended
            try:
                while True:
                    yield b"data: x\n\n"
                    await asyncio.sleep(0.05)
            finally:
                ended += 1

        await link.request(JOBS)
        rogue.answers["GET", EVENTS.path] = lambda _: Reply(pieces=pieces, headers=SSE)
        streams = [link.stream(EVENTS) for _ in range(110)]
        for stream in streams:
            await anext(stream)
        assert (await link.request(JOBS)).status == 200
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]  # a generator
        await until(lambda: ended == 110)

    run(check)


def test_a_stream_that_breaks_is_told() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"

        rogue.otherwise = lambda _: Reply(pieces=pieces, headers=SSE, is_cut=True)
        stream = link.stream(EVENTS)
        assert await anext(stream) == b"data: 1\n\n"
        with pytest.raises(UpstreamUnavailableError, match=r"the stream of the upstream .* broke: it closed"):
            await anext(stream)

    run(check)


def test_a_stream_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_upstream.transport.channel.STREAM_IDLE_SECONDS", 0.05)

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        never = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            await never.wait()

        rogue.otherwise = lambda _: Reply(pieces=pieces, headers=SSE)
        async with asyncio.timeout(60):
            with pytest.raises(UpstreamUnavailableError, match="broke: nothing more came"):
                await all_of(link)

    run(check)


def test_what_is_no_stream_is_raised_as_what_it_tells() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        for reply, kind, said in (
            (problem(404, "run-not-found"), RunNotFoundError, "told of run-not-found"),
            (Reply(status=503), UpstreamUnavailableError, "status 503"),
            (Reply(body="<html>hello"), UpstreamUnavailableError, "expected text/event-stream, it sent text/html"),
            (Reply(status=404, body="<html>hello"), UpstreamUnavailableError, "no problem document"),
            (Reply(status=302, headers={"location": "http://127.0.0.2/"}), UpstreamUnavailableError, "not followed"),
        ):
            rogue.otherwise = lambda _, reply=reply: reply  # type: ignore[misc]
            with pytest.raises(kind, match=said):
                await all_of(link)

    run(check)


def test_a_stream_gets_a_new_token_once() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        def only(token: str, heard: Heard) -> Reply:
            async def pieces() -> AsyncIterator[bytes]:
                yield b"data: 1\n\n"

            is_good = heard.headers["authorization"] == f"Bearer {token}"
            return Reply(pieces=pieces, headers=SSE) if is_good else Reply(status=401)

        rogue.otherwise = lambda heard: only("t2", heard)
        assert await all_of(link) == b"data: 1\n\n"
        rogue.otherwise = lambda heard: only("none", heard)
        with pytest.raises(UpstreamRefusedError):
            await all_of(link)
        assert len(rogue.calls(TOKEN_PATH)) == 3

    run(check)
