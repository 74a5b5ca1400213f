"""Accounts and signing keys in the host's backups, and put back by a restore that lets no old session live."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.errors import StoreCorruptError
from host.model.security import PrincipalKind
from host_rest.security.account_store import AccountStore
from plugins.rest.tests.security.desk import guards, is_refused, principal, user, write_accounts

USER = PrincipalKind.USER


async def stored(data: Path, folder: Path) -> AccountStore:
    """Back up the accounts of a data directory into a folder."""
    folder.mkdir()
    store = AccountStore(data)
    await store.backup(folder)
    return store


def test_a_restore_revives_no_session_of_a_password_that_was_changed_since(tmp_path: Path) -> None:
    async def go() -> None:
        data = tmp_path / "data"
        async with guards(data, user()) as desk:
            store = await stored(data, tmp_path / "copy")
            stolen = await desk.tokens.issue(principal(user()), is_renewable=True)
            desk.file.change(lambda book: book.with_secret("alice", USER, "x", at=desk.clock.now()))
            assert await is_refused(desk, stolen.access_token)
        restored = store.restore(tmp_path / "copy")
        assert [path.name for path in restored] == ["signing-keys.json", "accounts.json"]
        assert all(path.stat().st_mode & 0o077 == 0 for path in data.iterdir())
        assert (data / "sessions.sqlite.before-restore").exists()
        async with guards(data) as desk:
            assert desk.accounts.book().get("alice", USER).secret_hash != "x"
            assert await is_refused(desk, stolen.access_token)
            await desk.tokens.issue(principal(user()))
        store.restore(tmp_path / "copy")

    asyncio.run(go())


@pytest.mark.parametrize("name", ["accounts.json", "signing-keys.json"])
def test_an_unsound_copy_changes_nothing(tmp_path: Path, name: str) -> None:
    async def go() -> None:
        data = tmp_path / "data"
        async with guards(data, user()):
            store = await stored(data, tmp_path / "copy")
        before = {path.name: path.read_bytes() for path in data.iterdir()}
        (tmp_path / "copy" / name).write_text("{}")
        with pytest.raises(StoreCorruptError):
            store.restore(tmp_path / "copy")
        assert {path.name: path.read_bytes() for path in data.iterdir()} == before

    asyncio.run(go())


def test_damaged_accounts_are_found_and_not_backed_up(tmp_path: Path) -> None:
    async def go() -> None:
        data, store = tmp_path / "data", AccountStore(tmp_path / "data")
        assert list(await store.verify()) == []
        assert (await store.size()).bytes == 0
        write_accounts(data, user())
        assert list(await store.verify()) == []
        assert (await store.size()).bytes > 100
        (data / "accounts.json").write_text("{")
        (finding,) = await store.verify()
        assert "accounts.json" in finding
        with pytest.raises(StoreCorruptError):
            await stored(data, tmp_path / "copy")

    asyncio.run(go())


def test_a_store_without_files_copies_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        (tmp_path / "data").mkdir()
        await stored(tmp_path / "data", tmp_path / "copy")
        assert list((tmp_path / "copy").iterdir()) == []

    asyncio.run(go())
