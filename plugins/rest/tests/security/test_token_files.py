"""What tokens leave on the disk: sessions over a restart, keys that are renewed, and nothing that is a token."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from host.errors import AuthenticationError, StoreCorruptError
from host.model.security import Policy
from host_rest.security import sessions, signing_keys
from host_rest.security.sessions import MAX_OF_ACCOUNT
from host_rest.security.signing_keys import RENEWED_AFTER
from plugins.rest.tests.security.desk import client, guards, is_refused, principal, user

READ = Policy.READ_SYSTEM_JOBS.value


def test_sessions_and_their_refresh_tokens_survive_a_restart(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True, scopes=[READ])
            used = await desk.tokens.renew(issued.refresh_token or "", client=None)
        async with guards(tmp_path) as desk:
            assert (await desk.tokens.principal(used.access_token)).scopes == (READ,)
            with pytest.raises(AuthenticationError, match="used before"):
                await desk.tokens.renew(issued.refresh_token or "", client=None)
            assert await is_refused(desk, used.access_token)

    asyncio.run(go())


def test_nothing_on_the_disk_is_a_token(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            issued = await desk.tokens.issue(principal(user()), is_renewable=True)
            texts = [issued.access_token, issued.id_token or "", *(issued.refresh_token or "").split(".")]
            assert not any(text in repr(issued) for text in texts)
            for path in tmp_path.iterdir():
                assert path.stat().st_mode & 0o077 == 0, path
                assert not any(text.encode() in path.read_bytes() for text in texts), path

    asyncio.run(go())


def test_an_account_has_a_bounded_number_of_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_OF_ACCOUNT == 1000
    monkeypatch.setattr(sessions, "MAX_OF_ACCOUNT", 3)

    async def go() -> None:
        async with guards(tmp_path, user(), client()) as desk:
            other = await desk.tokens.issue(principal(client()))
            issued = [await desk.tokens.issue(principal(user())) for _ in range(5)]
            refused = [await is_refused(desk, each.access_token) for each in [other, *issued]]
            assert refused == [False, True, True, False, False, False]

    asyncio.run(go())


def test_ended_sessions_leave_the_file(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            for _ in range(5):
                await desk.tokens.issue(principal(user()))
            desk.clock.move(3601)
            await desk.tokens.issue(principal(user()))
        connection = sqlite3.connect(tmp_path / sessions.FILE_NAME)
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (1,)
        connection.close()

    asyncio.run(go())


def test_a_new_key_signs_after_ninety_days_and_the_old_one_is_kept_while_its_tokens_last(tmp_path: Path) -> None:
    async def go() -> None:
        async with guards(tmp_path, user()) as desk:
            (old,) = desk.tokens.keys()
            desk.clock.move(RENEWED_AFTER.total_seconds() - 60)
            before = await desk.tokens.issue(principal(user()))
            desk.clock.move(60)
            after = await desk.tokens.issue(principal(user()))
            published = desk.tokens.keys()
            assert [key["kid"] == old["kid"] for key in published] == [False, True]
            assert not await is_refused(desk, before.access_token)
            assert not await is_refused(desk, after.access_token)
        async with guards(tmp_path, clock=desk.clock) as desk:
            assert not await is_refused(desk, before.access_token)
            desk.clock.move(RENEWED_AFTER.total_seconds())
            await desk.tokens.issue(principal(user()))
            published = desk.tokens.keys()
            assert len(published) == 2
            assert old["kid"] not in {key["kid"] for key in published}

    asyncio.run(go())


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b'{"format": "jobhost-signing-keys", "version": 2, "keys": []}', "one key", "public"],
)
def test_signing_keys_that_are_damaged_are_told_and_left_untouched(tmp_path: Path, data: bytes | str) -> None:
    async def go() -> None:
        path = tmp_path / signing_keys.FILE_NAME
        async with guards(tmp_path):
            content = json.loads(path.read_text())
        secret = content["keys"][0]["key"]["d"]
        if data == "one key":
            content["keys"][0]["key"]["d"] = secret[:-9]
        elif data == "public":
            del content["keys"][0]["key"]["d"]
        written = data if isinstance(data, bytes) else json.dumps(content).encode()
        path.write_bytes(written)
        with pytest.raises(StoreCorruptError, match=r"signing-keys\.json") as caught:
            async with guards(tmp_path):
                pass
        assert secret[:20] not in str(caught.value)
        assert path.read_bytes() == written

    asyncio.run(go())


def test_a_file_of_sessions_that_is_none_is_told_and_left_untouched(tmp_path: Path) -> None:
    async def go(written: bytes) -> None:
        path = tmp_path / sessions.FILE_NAME
        path.write_bytes(written)
        with pytest.raises(StoreCorruptError, match=r"sessions\.sqlite"):
            async with guards(tmp_path):
                pass
        assert path.read_bytes() == written

    connection = sqlite3.connect(tmp_path / "other.sqlite")
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    foreign = (tmp_path / "other.sqlite").read_bytes()
    connection = sqlite3.connect(tmp_path / "newer.sqlite")
    connection.executescript(
        f"CREATE TABLE s (x); PRAGMA application_id={sessions.APPLICATION_ID}; PRAGMA user_version=9"
    )
    connection.close()
    for written in (b"no database at all" * 100, foreign, (tmp_path / "newer.sqlite").read_bytes()):
        asyncio.run(go(written))
