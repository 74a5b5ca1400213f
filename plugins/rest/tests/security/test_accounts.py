"""Accounts: what can be one, how the file keeps them, and that two writers lose nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from host.errors import InvalidRequestError, StoreCorruptError, StoreUnavailableError
from host.model.security import PrincipalKind
from host_rest.security.account_file import AccountFile
from host_rest.security.accounts import AccountBook
from host_rest.security.errors import AccountExistsError, AccountNotFoundError
from host_rest.security.passwords import check_password
from plugins.rest.tests.security.desk import accounts_in, client, file_in, user, write_accounts

USER, CLIENT = PrincipalKind.USER, PrincipalKind.CLIENT


def test_an_account_is_found_in_whatever_case() -> None:
    book = AccountBook().adding(user("Alice"))

    assert book.find("aLICE", USER) is book.accounts[0]
    assert book.find("alice", CLIENT) is None


@pytest.mark.parametrize("other", [user("ALICE"), client("alice")])
def test_a_name_belongs_to_one_account_whatever_its_kind(other) -> None:
    with pytest.raises(AccountExistsError):
        AccountBook().adding(user("alice")).adding(other)


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "ä", "a\n", "a" * 65, "a/b", "anonymous", "SYSTEM", "a\u202e"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError):
        user(name)


@pytest.mark.parametrize("name", ["quarantine", "Start", "schedule", "SIGHUP"])
def test_how_the_host_itself_signs_is_no_name_of_a_new_account(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="the host itself"):
        user(name)
    before = replace(user(), name=name)
    with pytest.raises(InvalidRequestError, match="the host itself"):
        AccountBook().adding(before)
    file = file_in(tmp_path)
    file.change(lambda _: AccountBook((before,)))
    assert file.read().book.find(name, USER) is not None


@pytest.mark.parametrize("roles", [[""], ["a\tb"], ["x" * 65], ["-"], [f"r{number}" for number in range(40)]])
def test_what_are_no_roles_is_refused(roles: list[str]) -> None:
    with pytest.raises(InvalidRequestError):
        user("alice", *roles)


def test_who_is_missing_is_told() -> None:
    for change in (
        lambda: AccountBook().removing("bob", USER),
        lambda: AccountBook().enabling("bob", USER, is_enabled=False),
        lambda: AccountBook().replacing(user("bob")),
    ):
        with pytest.raises(AccountNotFoundError, match="bob"):
            change()


def test_a_stamp_changes_with_the_secret_and_when_disabled_and_not_when_enabled() -> None:
    old = user()
    book = AccountBook().adding(old)
    changed = book.with_secret("alice", USER, "x", at=old.created_at)
    disabled = changed.enabling("alice", USER, is_enabled=False)
    enabled = disabled.enabling("alice", USER, is_enabled=True)

    stamps = [each.get("alice", USER).stamp for each in (book, changed, disabled, enabled)]
    assert len(set(stamps)) == 3
    assert stamps[2] == stamps[3]
    assert enabled.enabling("alice", USER, is_enabled=True) is enabled


@pytest.mark.parametrize("password", ["", "hunter2", "eleven char", "x" * 1025, "Long.User.Name", "a" * 11 + "\ud800"])
def test_a_weak_password_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_password(password, name="long.user.name")
    assert not password or password not in str(caught.value)


def test_a_file_is_private_and_gives_back_what_it_was_given(tmp_path: Path) -> None:
    file = write_accounts(tmp_path / "data", user("alice", "operator", "clinical"), client())

    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    state = file.read()
    assert [account.name for account in state.book.accounts] == ["alice", "ci"]
    assert state.book.get("alice", USER).roles == ("operator", "clinical")
    assert file_in(tmp_path / "none").read().book == AccountBook()


def test_an_edit_that_raises_changes_nothing(tmp_path: Path) -> None:
    file = write_accounts(tmp_path, user())
    before = file.path.read_bytes()

    with pytest.raises(AccountExistsError):
        file.change(lambda book: book.adding(user()))
    assert file.path.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"accounts.json", "accounts.json.lock"}


DAMAGED = {
    "empty": b"",
    "no json": b"{",
    "another shape": b"[]",
    "another format": b'{"format": "x", "version": 1, "accounts": []}',
    "newer": b'{"format": "jobhost-accounts", "version": 2, "people": []}',
    "no accounts": b'{"format": "jobhost-accounts", "version": 1}',
    "binary": os.urandom(100),
}


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_a_damaged_file_is_told_and_left_untouched(tmp_path: Path, name: str) -> None:
    file = file_in(tmp_path)
    file.path.write_bytes(DAMAGED[name])

    for call in (file.read, lambda: file.change(lambda book: book.adding(user()))):
        with pytest.raises(StoreCorruptError, match=r"accounts\.json"):
            call()
    assert file.path.read_bytes() == DAMAGED[name]


def test_accounts_that_no_command_writes_are_told(tmp_path: Path) -> None:
    file = write_accounts(tmp_path, user())
    content = json.loads(file.path.read_text())
    for change in ({"name": "a b"}, {"roles": []}, {"kind": "robot"}, {"is_disabled": "no"}, {"stamp": None}):
        file.path.write_text(json.dumps({**content, "accounts": [{**content["accounts"][0], **change}]}))
        with pytest.raises(StoreCorruptError):
            file.read()
    file.path.write_text(json.dumps({**content, "accounts": content["accounts"] * 2}))
    with pytest.raises(StoreCorruptError, match="same name"):
        file.read()


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("{}")
    file_in(tmp_path).path.symlink_to(tmp_path / "target")
    with pytest.raises(StoreCorruptError, match="symbolic link"):
        file_in(tmp_path).read()

    (tmp_path / "sub" / "accounts.json").mkdir(parents=True)
    with pytest.raises(StoreCorruptError, match="no plain file"):
        file_in(tmp_path / "sub").read()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailableError):
        write_accounts(tmp_path / "file" / "data", user())


def _add_many(path: Path, prefix: str) -> None:
    for number in range(20):
        account = client(f"{prefix}{number}")
        AccountFile(path).change(lambda book, account=account: book.adding(account))


@pytest.mark.slow
def test_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "accounts.json"
    processes = [context.Process(target=_add_many, args=(path, prefix)) for prefix in ("a", "b", "c")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    names = {account.name for account in AccountFile(path).read().book.accounts}
    assert names == {f"{prefix}{number}" for prefix in "abc" for number in range(20)}


def test_a_host_sees_what_another_process_changes_at_once(tmp_path: Path) -> None:
    accounts = accounts_in(tmp_path)
    assert accounts.book() == AccountBook()

    write_accounts(tmp_path, user())
    book = accounts.book()
    assert book.find("alice", USER)
    assert accounts.book() is book

    file_in(tmp_path).change(lambda book: book.removing("alice", USER))
    assert accounts.book() == AccountBook()


def test_while_the_file_is_damaged_nobody_is_known(tmp_path: Path) -> None:
    file = write_accounts(tmp_path, user())
    accounts = accounts_in(tmp_path)
    good = file.path.read_bytes()
    assert accounts.book().accounts

    file.path.write_bytes(good[:-20])
    for _ in range(2):
        with pytest.raises(StoreCorruptError):
            accounts.book()
    (finding,) = accounts.check()
    assert finding.is_failure

    file.path.write_bytes(good)
    assert accounts.book().accounts
    assert not accounts.check()


def test_a_file_that_others_may_read_is_a_finding(tmp_path: Path) -> None:
    file = write_accounts(tmp_path, user())
    file.path.chmod(0o640)
    accounts = accounts_in(tmp_path)
    accounts.book()

    (finding,) = accounts.check()
    assert "chmod 600" in finding.message
    assert not finding.is_failure
