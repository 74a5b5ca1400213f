"""The token: asked for once, renewed in time, and credentials that are never tried in a storm."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from urllib.parse import unquote_plus

import pytest

from host.errors import (
    ConfigurationError,
    HostError,
    SecretNotFoundError,
    UpstreamRefusedError,
    UpstreamUnavailableError,
)
from host.local.clock import SystemClock
from host.testing.clock import FakeClock
from host_upstream.link import UpstreamAnswer, UpstreamApi
from host_upstream.settings import Conveyance, CredentialKind, UpstreamCredential
from host_upstream.transport.http_link import HttpUpstreamLink
from plugins.upstream.tests.link.linkdesk import (
    APPLICATION,
    JOBS,
    START,
    Secrets,
    link_to,
    run,
    settings_for,
    ticking,
)
from plugins.upstream.tests.link.rogue import TOKEN_PATH, Heard, Reply, Rogue, rogue_server

WRONG = Reply(status=401, body={"error": "invalid_client", "error_description": "unknown client"})


def credential(kind: str, convey: str, *, name: str = "a", secret: str | None = "s") -> UpstreamCredential:
    return UpstreamCredential(kind=CredentialKind(kind), convey=Conveyance(convey), name=name, secret=secret)


def test_callers_at_once_ask_for_one_token() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        await asyncio.gather(*(link.request(JOBS) for _ in range(30)))

        assert len(rogue.calls(TOKEN_PATH)) == 1
        assert {each.headers["authorization"] for each in rogue.calls()} == {"Bearer t1"}

    run(check)


@pytest.mark.parametrize(("seconds", "renewed_after"), [(3600, 3480), (100, 50), ("1000", 880)])
def test_a_token_is_renewed_two_minutes_or_half_its_life_before_it_ends(seconds: object, renewed_after: float) -> None:
    clock = FakeClock()

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.seconds = seconds
        for moved, tokens in ((0, 1), (renewed_after - 1, 1), (2, 2), (1, 2)):
            clock.move(moved)
            await link.request(JOBS)
            assert len(rogue.calls(TOKEN_PATH)) == tokens

    run(check, clock=clock)


@pytest.mark.parametrize("seconds", [None, 0, -5, "soon", "nan"])
def test_a_token_whose_life_is_not_told_is_not_asked_for_with_every_call(seconds: object) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.seconds = seconds
        await link.request(JOBS)
        await link.request(JOBS)

        assert len(rogue.calls(TOKEN_PATH)) == 1

    run(check, clock=FakeClock())


def test_a_token_that_is_refused_is_replaced_once_for_all_and_the_calls_are_repeated() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        def only_newest(heard: Heard) -> Reply:
            is_good = heard.headers["authorization"] == "Bearer t2"
            return Reply(body={}) if is_good else Reply(status=401, headers={"www-authenticate": "Bearer"})

        await link.request(JOBS)
        rogue.otherwise = only_newest
        answers = await asyncio.gather(*(link.request(START) for _ in range(10)))

        assert {answer.status for answer in answers} == {200}
        assert len(rogue.calls(TOKEN_PATH)) == 2

    run(check)


def test_a_new_token_that_is_refused_too_is_not_renewed_in_a_storm() -> None:
    clock = FakeClock()

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.otherwise = lambda _: Reply(status=401)
        for _ in range(5):
            with pytest.raises(UpstreamRefusedError, match="a token that it has just given"):
                await link.request(START)

        assert len(rogue.calls(TOKEN_PATH)) == 2
        assert len(rogue.calls()) == 2
        assert [finding.is_failure for finding in link.check()] == [True]

        rogue.otherwise = lambda _: Reply(body={})
        clock.move(6)
        assert (await link.request(START)).status == 200
        assert link.check() == []

    run(check, clock=clock)


def test_a_policy_that_lacks_is_no_refused_token() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        challenge = 'bearer realm="host" error="insufficient_scope" scope="1.3.6.1.4.1.33349.3.1.5.9.2.0.22.1"'
        rogue.otherwise = lambda _: Reply(status=401, headers={"www-authenticate": challenge})

        assert (await link.request(START)).status == 401
        assert len(rogue.calls()) == len(rogue.calls(TOKEN_PATH)) == 1

    run(check)


def test_wrong_credentials_are_presented_once_and_then_ever_more_seldom() -> None:
    clock = FakeClock()

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.token = lambda _: WRONG
        results = await asyncio.gather(*(link.request(JOBS) for _ in range(50)), return_exceptions=True)

        assert {type(each) for each in results} == {UpstreamRefusedError}
        assert "'host-b'" in str(results[0])
        assert "invalid_client: unknown client" in str(results[0])
        assert APPLICATION.secret not in str(results)  # type: ignore[operator]
        assert len(rogue.heard) == 1
        for moved, asked in ((4, 1), (2, 2), (6, 2), (5, 3), (19, 3), (2, 4)):
            clock.move(moved)
            with pytest.raises(UpstreamRefusedError):
                await link.request(JOBS)
            assert len(rogue.heard) == asked
        assert link.unavailable_since() is None

    run(check, clock=clock)


def test_a_secret_that_was_replaced_is_tried_at_once() -> None:
    secrets = Secrets(upstream="old")
    refers = credential("app", "secret", secret="secret:upstream")

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.token = lambda heard: rogue.give_token(heard) if heard.form["client_secret"] == "new" else WRONG
        for _ in range(3):
            with pytest.raises(UpstreamRefusedError, match=r"when they have changed|check name and secret"):
                await link.request(JOBS)
        assert len(rogue.heard) == 1
        secrets.secrets["upstream"] = "new"
        assert (await link.request(JOBS)).status == 200

    run(check, clock=FakeClock(), secrets=secrets, credentials=(refers,))


def test_a_reference_to_a_secret_that_nobody_has_is_told_at_the_start() -> None:
    async def check() -> None:
        refers = (credential("app", "secret", secret="secret:upstream"),)
        for secrets in (None, Secrets()):
            link = HttpUpstreamLink(settings_for(1, credentials=refers), SystemClock(), secrets)
            with pytest.raises(SecretNotFoundError, match="'upstream'"):
                await link.start()

    asyncio.run(check())


def test_settings_without_an_application_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no credentials of type 'app'"):
        HttpUpstreamLink(settings_for(1, credentials=()), SystemClock(), None)


def test_an_upstream_that_lets_nobody_sign_in_is_left_alone_for_as_long_as_it_asks() -> None:
    clock = FakeClock()

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        denied = {"error": "invalid_grant", "error_description": "too many attempts"}
        rogue.token = lambda _: Reply(status=429, body=denied, headers={"retry-after": "3600"})
        for _ in range(4):
            with pytest.raises(UpstreamUnavailableError, match=r"status 429|lets nobody sign in for now"):
                await link.request(START)
        assert len(rogue.heard) == 1
        rogue.token = rogue.give_token
        clock.move(3601)
        assert (await link.request(START)).status == 200

    run(check, clock=clock)


def test_a_living_token_is_used_while_it_cannot_be_renewed() -> None:
    clock = FakeClock()

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        await link.request(JOBS)
        rogue.token = lambda _: Reply(status=503)
        clock.move(3500)
        for _ in range(3):
            assert (await link.request(JOBS)).status == 200
        assert len(rogue.calls(TOKEN_PATH)) == 2
        clock.move(11)
        assert (await link.request(JOBS)).status == 200
        assert len(rogue.calls(TOKEN_PATH)) == 3
        clock.move(100)
        with pytest.raises(UpstreamUnavailableError, match="status 503"):
            await ticking(clock, link.request(JOBS))

    run(check, clock=clock)


def test_a_write_waits_for_a_token_endpoint_that_comes_back() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        replies = [Reply(status=503), Reply(status=502)]
        rogue.token = lambda heard: replies.pop() if replies else rogue.give_token(heard)

        assert (await link.request(START)).status == 200
        assert len(rogue.calls()) == 1

    run(check)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=404, body="<html>"), "answers with status 404, text/html: '<html>'"),
        (Reply(body={"token": "x"}), "holds no bearer token"),
        (Reply(body={"access_token": "canary", "token_type": "mac"}), "holds no bearer token"),
        (Reply(body={"access_token": "canary\r\nX-Evil: 1"}), "holds no bearer token"),
        (Reply(body="canary <html>"), "text/html that holds no bearer token"),
        (Reply(status=500, body={"error": "unspecified_error", "error_description": "d"}), "unspecified_error: d"),
    ],
)
def test_what_is_no_token_endpoint_says_what_it_is(reply: Reply, said: str) -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        rogue.token = lambda _: reply
        with pytest.raises(UpstreamUnavailableError) as error:
            await link.request(JOBS)
        assert said in str(error.value)
        assert "canary" not in str(error.value)
        assert rogue.calls() == []

    run(check)


@pytest.mark.parametrize(
    ("credentials", "api", "form", "basic"),
    [
        ([("app", "secret", "a+b", "c&d")], "auto", ("a+b", "c&d"), None),
        ([("app", "header", "a+b:", "c%d")], "auto", (None, None), ("a%2Bb%3A", "c%25d")),
        ([("app", "secret", "a", "s"), ("dev", "secret", "d+", "x:y")], "santedb", ("a", "s"), ("d+", "x:y")),
        ([("app", "secret", "a", "s"), ("dev", "header", "d+", "xy")], "jobhost", ("a", "s"), ("d%2B", "xy")),
    ],
)
def test_credentials_are_presented_as_the_upstream_takes_them(
    credentials: Sequence[tuple[str, str, str, str]],
    api: str,
    form: tuple[str | None, str | None],
    basic: tuple[str, str] | None,
) -> None:
    given = tuple(credential(kind, convey, name=name, secret=secret) for kind, convey, name, secret in credentials)

    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        await link.request(JOBS)

        (heard,) = rogue.calls(TOKEN_PATH)
        assert (heard.form.get("client_id"), heard.form.get("client_secret")) == form
        assert (heard.form["grant_type"], heard.form["scope"]) == ("client_credentials", "*")
        told = heard.headers.get("authorization")
        assert told is None if basic is None else told is not None
        if told is not None and basic is not None:
            assert b64decode(told.removeprefix("Basic ")).decode() == ":".join(basic)
            assert api == "santedb" or unquote_plus(basic[0]) in {each[2] for each in credentials}

    run(check, credentials=given, api=UpstreamApi(api))


def test_a_caller_who_gives_up_leaves_the_renewal_to_the_next() -> None:
    async def check(rogue: Rogue, link: HttpUpstreamLink) -> None:
        gate = asyncio.Event()
        rogue.token = lambda heard: Reply(wait=gate, body=rogue.give_token(heard).body)
        first, *others = [asyncio.ensure_future(link.request(JOBS)) for _ in range(4)]
        while not rogue.heard:
            await asyncio.sleep(0.001)
        first.cancel()
        gate.set()
        answers: list[UpstreamAnswer] = await asyncio.gather(*others)

        assert first.cancelled()
        assert {answer.status for answer in answers} == {200}

    run(check)


def test_no_secret_and_no_token_is_in_any_error() -> None:
    async def check() -> None:
        async with rogue_server() as rogue, link_to(rogue.port) as link:
            for reply in (WRONG, Reply(status=500), Reply(status=302, headers={"location": "/x"}), Reply(status=401)):
                rogue.otherwise = lambda _, reply=reply: reply  # type: ignore[misc]
                with pytest.raises(HostError) as error:
                    await link.request(START)
                told = f"{error.value} {error.value!r} {error.value.__cause__!r} {link.check()} {link!r}"
                assert "s3cret-Value" not in told
                assert "Bearer t" not in told

    asyncio.run(check())
