"""What an upstream speaks, and what is worth telling of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pytest

from host.contracts.contract import Finding
from host.errors import AccessDeniedError, UpstreamUnavailableError
from host.local.clock import SystemClock
from host.testing.clock import FakeClock
from host_upstream.link import UpstreamApi
from host_upstream.transport.http_link import HttpUpstreamLink
from plugins.upstream.tests.link.linkdesk import JOBS, START, link_to, run, settings_for
from plugins.upstream.tests.link.rogue import HOST, Reply, Rogue, problem, rogue_server

OPTIONS = b'<ServiceOptions xmlns="http://santedb.org/ami"><version>1</version></ServiceOptions>'
XML = {"content-type": "application/xml"}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def as_santedb(rogue: Rogue, *, is_ping: bool = False) -> None:
    """Let the server answer as SanteDB does."""
    rogue.answers.clear()
    rogue.otherwise = lambda _: Reply(status=404, body=b"<RestServiceFault/>", headers=XML)
    if is_ping:
        rogue.answers["PING", "/ami/"] = lambda _: Reply(status=204)
    else:
        rogue.answers["OPTIONS", "/ami/"] = lambda _: Reply(body=OPTIONS, headers=XML)


def test_a_jobhost_is_recognised_once_for_all_who_ask() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        found = await asyncio.gather(*(link.api() for _ in range(10)))

        assert set(found) == {await link.api()} == {UpstreamApi.JOBHOST}
        assert len(rogue.calls("/rest/v1/host")) == 1

    run(check)


@pytest.mark.parametrize("is_ping", [False, True])
def test_a_santedb_server_is_recognised(*, is_ping: bool) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        as_santedb(rogue, is_ping=is_ping)

        assert await link.api() is UpstreamApi.SANTEDB
        assert await link.api() is UpstreamApi.SANTEDB
        assert len(rogue.calls("/rest/v1/host")) == 1
        assert rogue.calls("/ami/")[0].headers["accept"] == "application/xml"

    run(check)


def test_what_the_settings_say_is_not_asked_of_santedb_and_made_sure_of_a_jobhost() -> None:
    async def says_santedb(rogue: Rogue, link: HttpUpstreamLink) -> None:
        assert await link.api() is UpstreamApi.SANTEDB
        assert rogue.heard == []

    async def says_jobhost(rogue: Rogue, link: HttpUpstreamLink) -> None:
        assert await link.api() is UpstreamApi.JOBHOST
        as_santedb(rogue)
        rogue.tokens = 0
        async with link_to(rogue.port, api=UpstreamApi.JOBHOST) as other:
            with pytest.raises(UpstreamUnavailableError, match="what answers there is no jobhost"):
                await other.api()
        assert rogue.calls("/ami/") == []

    run(says_santedb, api=UpstreamApi.SANTEDB)
    run(says_jobhost, api=UpstreamApi.JOBHOST)


@pytest.mark.parametrize("body", ["<html>nginx", {"version": "1"}, [1], b"\xff"])
def test_what_is_neither_is_told_with_what_was_found(body: object) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.answers.clear()
        rogue.otherwise = lambda _: Reply(body=body)
        for _ in range(2):
            with pytest.raises(UpstreamUnavailableError, match="neither a jobhost nor a SanteDB server") as error:
                await link.api()
        assert "GET /rest/v1/host gave status 200" in error.value.message
        assert "check the realm's domain" in str(error.value)

    run(check)


def test_a_jobhost_that_refuses_is_a_jobhost() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.answers["GET", "/rest/v1/host"] = lambda _: problem(403, "access-denied")
        with pytest.raises(AccessDeniedError, match="told of access-denied"):
            await link.api()

    run(check)


def test_an_upstream_that_was_away_is_asked_again_and_may_be_another() -> None:
    clock = FakeClock()

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        assert await link.api() is UpstreamApi.JOBHOST
        rogue.otherwise = rogue.answers["GET", "/rest/v1/host"] = lambda _: Reply(status=502)
        with pytest.raises(UpstreamUnavailableError):
            await link.request(START)
        with pytest.raises(UpstreamUnavailableError):
            await link.request(START)
        as_santedb(rogue)
        assert await link.api() is UpstreamApi.SANTEDB
        assert await link.api() is UpstreamApi.SANTEDB
        assert len(rogue.calls("/rest/v1/host")) == 2

    run(check, clock=clock)


def test_a_link_starts_while_the_upstream_is_down_and_asks_when_it_is_up() -> None:
    async def check() -> None:
        async with rogue_server() as rogue:
            await rogue.stop()
            async with link_to(rogue.port) as link:
                assert link.check() == []
                assert link.unavailable_since() is None
                with pytest.raises(UpstreamUnavailableError, match="connection refused"):
                    await link.api()
                (finding,) = link.check()
                assert "has not answered since" in finding.message
                await rogue.start(port=rogue.port)
                assert await link.api() is UpstreamApi.JOBHOST
                assert link.check() == []

    asyncio.run(check())


@pytest.mark.parametrize(("theirs", "is_told"), [("99.0.1", True), (f"{version('jobhost')}.post1", False)])
def test_a_jobhost_of_another_version_is_worth_a_look(theirs: str, *, is_told: bool) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.answers["GET", "/rest/v1/host"] = lambda _: Reply(body=HOST | {"version": theirs})
        await link.api()

        assert [finding.is_failure for finding in link.check()] == ([False] if is_told else [])
        assert not is_told or f"the upstream is jobhost {theirs}" in link.check()[0].message

    run(check)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(seconds=32.25), "at least 32 s ahead of"),
        (timedelta(seconds=-45.5), "at least 45 s behind"),
        (timedelta(seconds=30), None),
        (timedelta(0), None),
    ],
)
@pytest.mark.parametrize("header", ["date", "x-generatedon"])
def test_clocks_that_are_apart_are_worth_a_look(ahead: timedelta, said: str | None, header: str) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        if header == "date":
            rogue.clock = lambda: NOW + ahead
        else:
            local = (NOW + ahead).astimezone()
            rogue.otherwise = lambda _: Reply(body={}, headers={"X-GeneratedOn": local.isoformat()})
        await link.request(JOBS)

        found = [finding.message for finding in link.check()]
        assert found == [] if said is None else f"the upstream's clock is {said} this" in found[0]

    run(check, clock=FakeClock(NOW))


def test_what_is_no_time_is_no_drift() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        for text in ("yesterday", "Thu, 99 Jan 2026 00:00:00 GMT", "2026-01-01T00:00:00", ""):
            rogue.otherwise = lambda _, text=text: Reply(body={}, headers={"date": text, "x-generatedon": text})  # type: ignore[misc]
            await link.request(JOBS)
        assert link.check() == []

    run(check, clock=FakeClock(NOW))


@pytest.mark.parametrize(
    ("domain", "tls", "is_told"),
    [
        ("10.1.2.3", False, True),
        ("jobs.example.org", False, True),
        ("10.1.2.3", True, False),
        ("localhost", False, False),
    ],
)
def test_credentials_without_tls_are_said_loudly(domain: str, *, tls: bool, is_told: bool) -> None:
    link = HttpUpstreamLink(settings_for(80, domain=domain, tls=tls), SystemClock(), None)
    found: list[Finding] = list(link.check())

    assert ["without TLS" in finding.message for finding in found] == ([True] if is_told else [])
