"""What others change about accounts is in the audit trail, once, and without secrets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from host.model.security import AuditEvent, PrincipalKind
from host.testing.clock import FakeClock
from host.testing.contracts.services import running
from host_rest.security.account_changes import changes_between
from host_rest.security.accounts import AccountBook
from host_rest.security.file_accounts import FileAccounts
from plugins.rest.tests.security.desk import client, directory_in, file_in, user
from plugins.rest.tests.server.probe import MemoryTrail

USER = PrincipalKind.USER


@asynccontextmanager
async def followed(folder: Path) -> AsyncIterator[FileAccounts]:
    clock = FakeClock()
    accounts = FileAccounts(directory_in(folder), clock, MemoryTrail(clock))
    async with running(accounts):
        yield accounts


async def events(count: int) -> list[AuditEvent]:
    async with asyncio.timeout(60):
        while len(MemoryTrail.events_) < count:
            await asyncio.sleep(0.01)
    return MemoryTrail.events_


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_rest.security.file_accounts.LOOK_SECONDS", 0.01)


def test_every_kind_of_change_has_its_words() -> None:
    alice, ci = user("alice", "operator"), client("ci")
    before = AccountBook((alice, ci, user("bob")))
    changed = replace(alice, roles=("administrator",), is_disabled=True, secret_hash="x")
    again = replace(ci, secret_hash="y")
    after = AccountBook((changed, again, user("carol", "reader", "operator")))

    assert [(each.action, each.target, dict(each.detail)) for each in changes_between(before, after)] == [
        ("account disabled", "user alice", {}),
        ("roles changed", "user alice", {"before": "operator", "after": "administrator"}),
        ("password changed", "user alice", {}),
        ("secret changed", "client ci", {}),
        ("account removed", "user bob", {}),
        ("account added", "user carol", {"roles": "reader, operator"}),
    ]
    assert not changes_between(after, after)


def test_what_another_process_changes_is_in_the_audit_trail_once(tmp_path: Path) -> None:
    async def go() -> None:
        file_in(tmp_path).change(lambda book: book.adding(user("old")))
        async with followed(tmp_path) as accounts:
            file_in(tmp_path).change(lambda book: book.adding(user("alice", "administrator")))
            (added,) = await events(1)
            assert (added.face, added.action, added.target, added.by) == (
                "accounts",
                "account added",
                "user alice",
                None,
            )
            secret = accounts.book().get("alice", USER)
            assert secret.secret_hash not in repr(added)
            assert secret.stamp not in repr(added)
            accounts.book()
            file_in(tmp_path).change(lambda book: book.enabling("alice", USER, is_enabled=False))
            assert [event.action for event in await events(2)] == ["account added", "account disabled"]

    asyncio.run(go())


def test_a_change_just_before_the_stop_is_told_too(tmp_path: Path) -> None:
    async def go() -> None:
        async with followed(tmp_path):
            file_in(tmp_path).change(lambda book: book.adding(user()))
        assert [event.target for event in MemoryTrail.events_] == ["user alice"]

    asyncio.run(go())


def test_what_the_host_itself_changes_is_left_to_whoever_does_it(tmp_path: Path) -> None:
    async def go() -> None:
        async with followed(tmp_path) as accounts:
            file_in(tmp_path).change(lambda book: book.adding(user("alice")))
            await accounts.change(lambda book: book.adding(user("bob")))
            file_in(tmp_path).change(lambda book: book.adding(user("carol")))
            assert [event.target for event in await events(2)] == ["user alice", "user carol"]

    asyncio.run(go())


def test_changes_that_the_trail_does_not_take_or_nobody_can_read_are_told_later(tmp_path: Path) -> None:
    async def go() -> None:
        async with followed(tmp_path) as accounts:
            MemoryTrail.is_broken = True
            file_in(tmp_path).change(lambda book: book.adding(user("alice")))
            await accounts.change(lambda book: book.adding(user("bob")))
            good = file_in(tmp_path).path.read_bytes()
            file_in(tmp_path).path.write_text("{")
            MemoryTrail.is_broken = False
            file_in(tmp_path).path.write_bytes(good)
            assert "user alice" in [event.target for event in await events(1)]

    asyncio.run(go())
