"""What the guards do while files cannot be read or written, and while the clock is wrong."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.errors import AuthenticationError, StoreCorruptError, StoreUnavailableError
from host.model.security import PrincipalKind
from host_rest.security import sessions
from plugins.rest.tests.security.desk import (
    Guards,
    accounts_in,
    client,
    guards,
    is_refused,
    principal,
    user,
    write_accounts,
)


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.open("/dev/null", os.O_RDONLY)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def full_disk(desk: Guards) -> Iterator[None]:
    """Let no session be written."""
    connection = desk.tokens._sessions._connection
    assert connection is not None
    connection.execute("PRAGMA query_only = ON")
    yield
    connection.execute("PRAGMA query_only = OFF")


def test_accounts_that_could_not_be_read_for_a_moment_are_read_again(tmp_path: Path) -> None:
    accounts = accounts_in(tmp_path)
    write_accounts(tmp_path, user())
    with no_more_files(), pytest.raises(StoreUnavailableError):
        accounts.book()

    assert accounts.book().accounts
    assert not accounts.check()


@pytest.mark.parametrize("fault", ["removed", "a folder", "a link", "damaged"])
def test_without_readable_accounts_nobody_keeps_access(tmp_path: Path, fault: str) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True)
            kept = desk.file.path.rename(tmp_path / "kept")
            if fault == "a folder":
                desk.file.path.mkdir()
            elif fault == "a link":
                desk.file.path.symlink_to(kept)
            elif fault == "damaged":
                desk.file.path.write_bytes(kept.read_bytes()[:-10])
            with pytest.raises((AuthenticationError, StoreCorruptError)):
                await desk.tokens.principal(issued.access_token)

    asyncio.run(go())


def test_a_sign_out_is_in_force_though_it_cannot_be_written_and_is_written_later(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True)
            with full_disk(desk):
                for token in (issued.access_token, issued.refresh_token or "", issued.access_token):
                    with pytest.raises(StoreUnavailableError):
                        await desk.tokens.revoke(token)
                assert await is_refused(desk, issued.access_token)
                assert desk.tokens.check()[0].is_failure
            await desk.tokens.revoke(issued.access_token)
            assert not desk.tokens.check()
        async with guards(tmp_path) as desk:
            assert await is_refused(desk, issued.access_token)

    asyncio.run(go())


def test_a_stolen_refresh_token_ends_its_session_though_that_cannot_be_written(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            first = await desk.tokens.issue(principal(user()), is_renewable=True)
            second = await desk.tokens.renew(first.refresh_token or "", client=None)
            with full_disk(desk), pytest.raises(StoreUnavailableError):
                await desk.tokens.renew(first.refresh_token or "", client=None)
            assert await is_refused(desk, second.access_token)
            await desk.tokens.issue(principal(user()))
        async with guards(tmp_path) as desk:
            with pytest.raises(AuthenticationError):
                await desk.tokens.renew(second.refresh_token or "", client=None)

    asyncio.run(go())


def test_nothing_is_issued_or_used_up_that_cannot_be_written(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True)
            with full_disk(desk):
                with pytest.raises(StoreUnavailableError):
                    await desk.tokens.issue(principal(user()))
                with pytest.raises(StoreUnavailableError):
                    await desk.tokens.renew(issued.refresh_token or "", client=None)
            again = await desk.tokens.renew(issued.refresh_token or "", client=None)
            assert not await is_refused(desk, again.access_token)

    asyncio.run(go())


def test_sessions_damaged_while_the_host_runs_are_told(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            await desk.tokens.issue(principal(user()))
            other = sqlite3.connect(tmp_path / sessions.FILE_NAME)
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            other.close()
            with open(tmp_path / sessions.FILE_NAME, "r+b") as file:
                file.seek(4096)
                file.write(os.urandom(100_000))
            with pytest.raises((StoreCorruptError, StoreUnavailableError)):
                await asyncio.gather(*(desk.tokens.issue(principal(user())) for _ in range(3)))
            assert desk.tokens.check()[0].is_failure

    asyncio.run(go())


def test_a_program_that_is_disabled_ends_the_sessions_of_people_who_signed_in_by_it(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user(), client("app")) as desk:
            by_app = await desk.tokens.issue(principal(user(), client="app"), is_renewable=True)
            other = await desk.tokens.issue(principal(user()))
            desk.file.change(lambda book: book.enabling("app", PrincipalKind.CLIENT, is_enabled=False))
            assert await is_refused(desk, by_app.access_token)
            assert not await is_refused(desk, other.access_token)

    asyncio.run(go())


@pytest.mark.parametrize("seconds", [-30, -3600, -86400 * 400])
def test_a_clock_set_back_gives_nobody_access_who_has_none(tmp_path: Path, seconds: float) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            ended = await desk.tokens.issue(principal(user()))
            await desk.tokens.revoke(ended.access_token)
            for _ in range(5):
                desk.authenticator._by_name_and_place.begin(" alice")
            desk.clock.step(seconds)
            assert await is_refused(desk, ended.access_token)
            assert desk.authenticator._by_name_and_place.wait_seconds(" alice") > 0
            issued = await desk.tokens.issue(principal(user()))
            assert not await is_refused(desk, issued.access_token)

    asyncio.run(go())
