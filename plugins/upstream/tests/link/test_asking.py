"""What a request is made of, and what its answer may be."""

from __future__ import annotations

import asyncio
import gzip
from urllib.parse import unquote

import pytest

from host.contracts.security import CALLER
from host.errors import (
    HostError,
    HostUnavailableError,
    JobNotFoundError,
    StoreUnavailableError,
    UpstreamUnavailableError,
)
from host.local.clock import SystemClock
from host_upstream.link import UpstreamAnswer, UpstreamApi, UpstreamRequest
from host_upstream.transport.http_link import HttpUpstreamLink
from host_upstream.transport.problems import error_of
from plugins.upstream.tests.link.linkdesk import JOBS, START, run, settings_for
from plugins.upstream.tests.link.rogue import HANG_UP, Reply, Rogue, problem


def test_a_request_goes_out_as_it_is_given() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.prefix = "/jobs"
        rogue.otherwise = lambda _: Reply(status=201, body={"a": 1}, headers={"X-Two": "b", "x-two": "c"})
        answer = await link.request(
            UpstreamRequest(
                method="PUT",
                path="/rest/v1/jobs/a%2Fb",
                query=(("q", "ä &"), ("q", "2")),
                body=b"[]",
                headers={"Idempotency-Key": "k"},
            )
        )

        token, heard = rogue.heard
        assert token.path == "/jobs/auth/oauth2_token"
        assert (heard.method, heard.path) == ("PUT", "/jobs/rest/v1/jobs/a%2Fb?q=%C3%A4%20%26&q=2")
        assert heard.body == b"[]"
        assert heard.headers["authorization"] == "Bearer t1"
        assert heard.headers["content-type"] == heard.headers["accept"] == "application/json"
        assert heard.headers["idempotency-key"] == "k"
        assert heard.headers["user-agent"].startswith("jobhost/0.")
        assert heard.headers["host"] == f"127.0.0.1:{rogue.port}"
        assert (answer.status, answer.body) == (201, b'{"a": 1}')
        assert answer.headers["x-two"] == "b, c"

    run(check, path_prefix="/jobs/")


def test_an_xml_dialect_is_asked_for_in_xml() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.otherwise = lambda _: Reply(body=b"<a/>", headers={"content-type": "application/xml; charset=utf-8"})
        answer = await link.request(UpstreamRequest(method="GET", path="/ami/JobInfo", media_type="application/xml"))

        assert rogue.calls()[0].headers["accept"] == "application/xml"
        assert answer.body == b"<a/>"

    run(check)


def test_one_connection_serves_many_requests_and_packed_answers_are_unpacked() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        packed = gzip.compress(b'{"a": 1}')
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        rogue.otherwise = lambda _: Reply(body=packed, headers=headers)
        for _ in range(5):
            assert (await link.request(JOBS)).body == b'{"a": 1}'

        assert rogue.connections == 1
        assert rogue.calls()[0].headers["accept-encoding"] == "gzip"

    run(check)


def test_no_cookie_is_kept() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.otherwise = lambda _: Reply(body={}, headers={"set-cookie": "a=b; Path=/"})
        await link.request(JOBS)
        await link.request(JOBS)

        assert "cookie" not in rogue.calls()[1].headers

    run(check)


@pytest.mark.parametrize(
    ("caller", "heard"),
    [
        ("bob", "bob"),
        ("Žofie / ops%", "Žofie / ops%"),
        ("a\r\nX-Evil: b\u2028", "aX-Evil: b"),
        ("é" * 300, "é" * 200),
        ("\r\n", None),
    ],
)
def test_a_jobhost_is_told_for_whom_it_is_asked(caller: str, heard: str | None) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        CALLER.set(caller)
        await link.request(JOBS)

        told = rogue.calls()[0].headers.get("x-jobhost-caller")
        assert (None if told is None else unquote(told, errors="strict")) == heard
        assert told is None or (told.isascii() and " " not in told)
        assert "x-evil" not in rogue.calls()[0].headers

    run(check)


def test_the_caller_of_a_request_counts_more_and_santedb_is_told_none() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        CALLER.set("somebody")
        await link.request(UpstreamRequest(method="GET", path="/x", caller="bob"))
        expected = None if await link.api() is UpstreamApi.SANTEDB else "bob"
        assert rogue.calls()[-1].headers.get("x-jobhost-caller") == expected

    run(check)
    run(check, api=UpstreamApi.SANTEDB)


@pytest.mark.parametrize("status", [200, 204, 304, 400, 403, 404, 409, 422])
def test_what_the_upstream_says_is_an_answer(status: int) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.otherwise = lambda _: Reply(status=status, body=b"" if status in (204, 304) else {"x": 1})

        assert (await link.request(JOBS)).status == status
        assert link.unavailable_since() is None

    run(check)


def test_errors_of_the_upstream_are_raised_as_it_raised_them() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        problems = [{"message": "m", "where": "w"}]
        for reply, kind in (
            (problem(404, "job-not-found", hint="h", problems=problems), JobNotFoundError),
            (problem(500, "provider-failed"), HostError.by_code["provider-failed"]),
            (problem(501, "operation-unsupported"), HostError.by_code["operation-unsupported"]),
            (problem(503, "store-unavailable"), StoreUnavailableError),
        ):
            rogue.otherwise = lambda _, reply=reply: reply  # type: ignore[misc]
            error = error_of(await link.request(START))

            assert type(error) is kind
        assert len(rogue.calls()) == 4
        assert link.unavailable_since() is None

    run(check)


def test_an_error_of_an_unknown_code_keeps_it_and_fits_its_status() -> None:
    body = b'{"status":400,"code":"never-heard-of","detail":"d","hint":"h","where":"w","problems":[{"message":"p"}]}'
    for status, kind in ((400, "invalid"), (404, "missing"), (409, "conflict"), (403, "denied"), (500, "internal")):
        answer = UpstreamAnswer(status=status, headers={"content-type": "application/problem+json"}, body=body)
        error = error_of(answer)

        assert (type(error), error.code, error.kind) == (HostError, "never-heard-of", kind)
        assert (error.message, error.where, error.hint) == ("d", "w", "h")
        assert [each.message for each in error.problems] == ["p"]


@pytest.mark.parametrize("body", [b"<html>no</html>", b"{}", b"\xff", b""])
def test_an_answer_that_is_no_problem_document_is_quoted(body: bytes) -> None:
    kind = "application/problem+json" if body == b"{}" else "text/html"
    error = error_of(UpstreamAnswer(status=404, headers={"content-type": kind}, body=body))

    assert isinstance(error, UpstreamUnavailableError)
    assert f"status 404, {kind}" in error.message


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(body="<html>Welcome to nginx"), "expected application/json, it sent text/html: '<html>Welcome"),
        (Reply(status=500, body="<html>oops"), "status 500, text/html: '<html>oops'"),
        (Reply(status=302, headers={"location": "/login"}), "it answers with status 302 and another path"),
        (Reply(status=307, headers={"location": "https://elsewhere.example/"}), "on to https://elsewhere.example:443"),
        (Reply(status=301, headers={"location": "http://[bad"}), "what is no address"),
        (Reply(body=b"x" * 20, headers={"content-encoding": "gzip"}), "not compressed as it says"),
    ],
)
def test_what_is_no_answer_of_the_upstream_says_what_it_is(reply: Reply, said: str) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.otherwise = lambda _: reply
        with pytest.raises(UpstreamUnavailableError) as error:
            await link.request(START)

        assert said in str(error.value)
        assert len(rogue.calls()) == 1

    run(check)


def test_no_request_follows_a_redirection_to_another_origin() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        other = Rogue()
        await other.start()
        try:
            elsewhere = f"http://localhost:{other.port}/rest/v1/jobs"
            rogue.otherwise = lambda _: Reply(status=308, headers={"location": elsewhere})
            for request in (JOBS, START):
                with pytest.raises(UpstreamUnavailableError) as error:
                    await link.request(request)
                assert f"127.0.0.1:{rogue.port}" in error.value.message
                assert f"http://localhost:{other.port}" in error.value.message
            rogue.token = lambda _: Reply(status=307, headers={"location": elsewhere})
            link._tokens.drop("Bearer t1")
            with pytest.raises(UpstreamUnavailableError, match="not followed"):
                await link.request(JOBS)
        finally:
            await other.stop()

        assert other.heard == []

    run(check)


def test_an_answer_that_is_too_large_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_upstream.transport.channel.MAX_BODY_BYTES", 100_000)

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        packed = gzip.compress(b" " * 10_000_000)
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        for reply in (
            Reply(body=b" " * 200_000, headers=headers | {"content-encoding": "identity"}),
            Reply(body=packed, headers=headers),
        ):
            rogue.otherwise = lambda _, reply=reply: reply  # type: ignore[misc]
            with pytest.raises(UpstreamUnavailableError, match="larger than 100,000 bytes"):
                await link.request(JOBS)
        rogue.otherwise = lambda _: Reply(body={})
        assert (await link.request(JOBS)).status == 200

    run(check)


@pytest.mark.parametrize("reply", [HANG_UP, Reply(body={"a": 1}, length=100, is_cut=True)])
def test_half_an_answer_is_none(reply: Reply) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.otherwise = lambda _: reply
        with pytest.raises(UpstreamUnavailableError, match="it closed the connection"):
            await link.request(START)
        assert len(rogue.calls()) == 1
        assert link.unavailable_since() is not None

    run(check)


def test_a_link_that_is_not_started_or_stopped_says_so() -> None:
    async def check() -> None:
        link = HttpUpstreamLink(settings_for(1), SystemClock(), None)
        await link.stop()
        with pytest.raises(HostUnavailableError, match="not started"):
            await link.request(JOBS)
        await link.start()
        await link.start()
        await link.stop()
        await link.stop()
        with pytest.raises(HostUnavailableError, match="stopped"):
            await link.request(JOBS)

    asyncio.run(check())
