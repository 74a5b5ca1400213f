"""Tokens: sessions from sign-in to their end, over restarts, and what ends them at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from host.contracts.contract import Service
from host.errors import AuthenticationError, InvalidRequestError, StoreUnavailableError
from host.model.security import Policy, PrincipalKind
from host.testing.clock import FakeClock
from host.testing.contracts.services import ServiceSuite
from host_rest.security.token_settings import TokenSettings
from host_rest.security.tokens import JwtTokenService
from plugins.rest.tests.security.desk import accounts_in, client, directory_in, guards, is_refused, principal, user

READ, START = Policy.READ_SYSTEM_JOBS.value, Policy.START_SYSTEM_JOB.value


class TestJwtTokenService(ServiceSuite):
    @pytest.fixture
    def new_service(self, tmp_path: Path) -> Callable[[], Service]:
        directory = directory_in(tmp_path)
        return lambda: JwtTokenService(directory, accounts_in(tmp_path), FakeClock(), TokenSettings())


def test_a_token_says_whose_it_is_and_what_it_may(tmp_path: Path) -> None:
    async def go() -> None:
        alice = user("alice", "operator")
        async with guards(tmp_path, alice) as desk:
            issued = await desk.tokens.issue(principal(alice, client="panel"), scopes=[READ])
            who = await desk.tokens.principal(issued.access_token)
            assert (who.name, who.kind, who.roles) == ("alice", PrincipalKind.USER, ("operator",))
            assert (who.scopes, who.client) == ((READ,), "panel")
            assert who.session
            assert who.expires_at == desk.clock.now() + timedelta(seconds=issued.expires_in)
            assert (issued.expires_in, issued.refresh_token, issued.scopes) == (3600, None, (READ,))

    asyncio.run(go())


def test_anybody_can_check_a_token_by_the_published_keys(tmp_path: Path) -> None:
    async def go() -> None:
        alice = user()
        settings = TokenSettings(issuer="https://jobs.example.org/auth", audience="jobs")
        async with guards(tmp_path, alice, settings=settings) as desk:
            issued = await desk.tokens.issue(principal(alice, client="panel"), nonce="n-1")
            published = desk.tokens.keys()
            assert not any("d" in key for key in published)
            keys = KeySet.import_key_set(json.loads(json.dumps({"keys": published})))
            access = jwt.decode(issued.access_token, keys, algorithms=["ES256"])
            assert access.header == {"alg": "ES256", "typ": "at+jwt", "kid": published[0]["kid"]}
            assert access.claims["iss"] == "https://jobs.example.org/auth"
            assert (access.claims["aud"], access.claims["sub"], access.claims["client_id"]) == (
                "jobs",
                "alice",
                "panel",
            )
            assert issued.id_token is not None
            identity = jwt.decode(issued.id_token, keys, algorithms=["ES256"])
            assert (identity.claims["aud"], identity.claims["nonce"]) == ("panel", "n-1")
            assert await is_refused(desk, issued.id_token)

    asyncio.run(go())


def test_a_program_gets_no_id_token(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, client()) as desk:
            issued = await desk.tokens.issue(principal(client()))
            assert issued.id_token is None
            assert (await desk.tokens.principal(issued.access_token)).client == "ci"

    asyncio.run(go())


def test_a_token_ends_with_its_time_though_it_was_asked_for_before(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()))
            desk.clock.move(3599)
            assert not await is_refused(desk, issued.access_token)
            desk.clock.move(1)
            assert await is_refused(desk, issued.access_token)

    asyncio.run(go())


CHANGES = {
    "removed": lambda book: book.removing("alice", PrincipalKind.USER),
    "disabled": lambda book: book.enabling("alice", PrincipalKind.USER, is_enabled=False),
    "disabled and enabled": lambda book: book.enabling("alice", PrincipalKind.USER, is_enabled=False).enabling(
        "alice", PrincipalKind.USER, is_enabled=True
    ),
    "another password": lambda book: book.with_secret("alice", PrincipalKind.USER, "x", at=book.accounts[0].created_at),
    "removed and added": lambda book: book.removing("alice", PrincipalKind.USER).adding(user()),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_an_account_that_changes_so_has_no_sessions_any_more(tmp_path: Path, change: str) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True)
            assert not await is_refused(desk, issued.access_token)
            desk.file.change(CHANGES[change])
            assert await is_refused(desk, issued.access_token)
            with pytest.raises(AuthenticationError):
                await desk.tokens.renew(issued.refresh_token or "", client=None)

    asyncio.run(go())


def test_roles_are_those_of_now(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()))
            assert (await desk.tokens.principal(issued.access_token)).roles == ("operator",)
            content = json.loads(desk.file.path.read_text())
            content["accounts"][0]["roles"] = ["reader"]
            desk.file.path.write_text(json.dumps(content))
            assert (await desk.tokens.principal(issued.access_token)).roles == ("reader",)

    asyncio.run(go())


def test_a_revoked_token_is_refused_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            kept = await desk.tokens.issue(principal(user()))
            ended = await desk.tokens.issue(principal(user()), is_renewable=True)
            other = await desk.tokens.issue(principal(user()), is_renewable=True)
            assert not await is_refused(desk, ended.access_token)
            await desk.tokens.revoke(ended.access_token)
            await desk.tokens.revoke(other.refresh_token or "")
            for nothing in ("", "x", "a.b.c", "." * 87, "\ud800", "x" * 1_000_000):
                await desk.tokens.revoke(nothing)
            assert await is_refused(desk, ended.access_token)
            assert await is_refused(desk, other.access_token)
        async with guards(tmp_path) as desk:
            assert await is_refused(desk, ended.access_token)
            assert await is_refused(desk, other.access_token)
            assert not await is_refused(desk, kept.access_token)

    asyncio.run(go())


def test_a_refresh_token_gives_new_tokens_once_and_is_used_up(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            first = await desk.tokens.issue(principal(user(), client="app"), is_renewable=True)
            second = await desk.tokens.renew(first.refresh_token or "", client="app")
            assert second.refresh_token not in {None, first.refresh_token}
            assert not await is_refused(desk, first.access_token)
            assert not await is_refused(desk, second.access_token)
            with pytest.raises(AuthenticationError, match="used before"):
                await desk.tokens.renew(first.refresh_token or "", client="app")
            assert await is_refused(desk, first.access_token)
            assert await is_refused(desk, second.access_token)
            with pytest.raises(AuthenticationError):
                await desk.tokens.renew(second.refresh_token or "", client="app")

    asyncio.run(go())


def test_a_refresh_token_renewed_many_times_at_once_is_renewed_once_at_most(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True)
            calls = [desk.tokens.renew(issued.refresh_token or "", client=None) for _ in range(10)]
            told = await asyncio.gather(*calls, return_exceptions=True)
            assert sum(not isinstance(each, AuthenticationError) for each in told) == 1

    asyncio.run(go())


def test_another_programs_refresh_token_is_refused_and_goes_on(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user(), client="app"), is_renewable=True)
            for stranger in ("other", None):
                with pytest.raises(AuthenticationError):
                    await desk.tokens.renew(issued.refresh_token or "", client=stranger)
            assert await desk.tokens.renew(issued.refresh_token or "", client="app")

    asyncio.run(go())


@pytest.mark.parametrize("nothing", ["", ".", "a" * 43 + "." + "b" * 43, "ä" * 87, "x" * 10_000])
def test_what_is_no_refresh_token_is_refused(tmp_path: Path, nothing: str) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            with pytest.raises(AuthenticationError):
                await desk.tokens.renew(nothing, client=None)

    asyncio.run(go())


def test_scopes_can_be_narrowed_and_not_widened(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), scopes=[READ, START], is_renewable=True)
            narrow = await desk.tokens.renew(issued.refresh_token or "", client=None, scopes=[READ])
            assert (await desk.tokens.principal(narrow.access_token)).scopes == (READ,)
            with pytest.raises(InvalidRequestError):
                await desk.tokens.renew(narrow.refresh_token or "", client=None, scopes=["1.3.6"])
            wide = await desk.tokens.renew(narrow.refresh_token or "", client=None)
            assert wide.scopes == (READ, START)
            who = await desk.tokens.principal(narrow.access_token)
            with pytest.raises(InvalidRequestError):
                await desk.tokens.issue(who, scopes=[START])
            assert (await desk.tokens.issue(who)).scopes == (READ,)

    asyncio.run(go())


def test_a_session_goes_on_while_it_is_used_and_no_longer_than_its_time(tmp_path: Path) -> None:
    settings = TokenSettings(refresh_lifetime=timedelta(hours=2), session_lifetime=timedelta(hours=4))

    async def go() -> None:
        async with guards(tmp_path, user(), settings=settings) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True)
            for _ in range(2):
                desk.clock.move(1.8 * 3600)
                issued = await desk.tokens.renew(issued.refresh_token or "", client=None)
            assert issued.expires_in == pytest.approx(0.4 * 3600, abs=2)
            desk.clock.move(0.5 * 3600)
            assert await is_refused(desk, issued.access_token)
            with pytest.raises(AuthenticationError):
                await desk.tokens.renew(issued.refresh_token or "", client=None)

    asyncio.run(go())


def test_a_session_that_is_not_used_ends(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True)
            desk.clock.move(24 * 3600)
            with pytest.raises(AuthenticationError):
                await desk.tokens.renew(issued.refresh_token or "", client=None)

    asyncio.run(go())


def test_nothing_is_issued_while_stopped_or_for_nobody(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            with pytest.raises(AuthenticationError):
                await desk.tokens.issue(principal(user("nobody")))
        with pytest.raises(StoreUnavailableError):
            await desk.tokens.issue(principal(user()))

    asyncio.run(go())


@pytest.mark.parametrize(
    "fields",
    [
        {"issuer": ""},
        {"audience": "a b"},
        {"access_lifetime": timedelta(seconds=5)},
        {"access_lifetime": timedelta(days=2)},
        {"refresh_lifetime": timedelta(minutes=30)},
        {"session_lifetime": timedelta(days=500)},
    ],
)
def test_settings_that_no_token_could_have_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TokenSettings(**fields)  # type: ignore[arg-type]
