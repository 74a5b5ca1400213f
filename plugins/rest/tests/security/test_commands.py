"""``jobhost users`` and ``jobhost clients``: what they change, print and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from host.cli.main import Root
from host.cli.options import find_data_directory
from host.contracts.host import FIND_DATA_DIRECTORY
from host.model.security import PrincipalKind
from host_rest.security.client_secrets import is_secret
from host_rest.security.commands.clients import clients
from host_rest.security.commands.users import users
from host_rest.security.passwords import is_password
from plugins.rest.tests.security.desk import client, file_in, user, write_accounts


@click.group(cls=Root, lazy={})
@click.pass_context
def root(ctx: click.Context) -> None:
    ctx.meta[FIND_DATA_DIRECTORY] = find_data_directory


root.add_command(users)
root.add_command(clients)


@pytest.fixture(autouse=True)
def _plain_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Root, "get_command", click.Group.get_command)
    for name in ("JOBHOST_DATA", "JOBHOST_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def run(folder: Path, *words: str, typed: str | None = None, status: int = 0) -> Result:
    done = CliRunner().invoke(root, [*words, "--data", str(folder)], input=typed)
    assert done.exit_code == status, done.output
    return done


@pytest.mark.slow
@pytest.mark.parametrize("command", ["users", "clients"])
def test_a_command_imports_no_web_framework_and_hashes_only_to_hash(tmp_path: Path, command: str) -> None:
    heavy = ("fastapi", "starlette", "pydantic", "uvicorn", "joserfc", "argon2", "cryptography")
    code = (
        f"import sys\nfrom host_rest.security.commands.{command} import {command}\n"
        f"try: {command}(['--help'])\nexcept SystemExit: pass\n"
        f"print(sorted(set(sys.modules) & set({heavy!r})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert done.stderr.strip() == "[]"


def run_json(folder: Path, *words: str) -> Any:
    return json.loads(run(folder, *words, "--json").stdout)


@pytest.mark.slow
def test_a_user_is_added_with_a_password_from_standard_input(tmp_path: Path) -> None:
    done = run(
        tmp_path / "new", "users", "add", "alice", "--role", "operator", "--password-stdin", typed="long enough one\n"
    )

    account = file_in(tmp_path / "new").read().book.get("alice", PrincipalKind.USER)
    assert account.roles == ("operator",)
    assert is_password("long enough one", account.secret_hash)
    assert "long enough one" not in done.output


@pytest.mark.slow
def test_a_password_is_asked_for_twice(tmp_path: Path) -> None:
    typed = "first long password\nanother long one\nright long password\nright long password\n"
    run(tmp_path, "users", "add", "alice", "--role", "reader", typed=typed)

    account = file_in(tmp_path).read().book.get("alice", PrincipalKind.USER)
    assert is_password("right long password", account.secret_hash)


@pytest.mark.slow
def test_a_generated_password_is_printed_once_and_works(tmp_path: Path) -> None:
    told = run_json(tmp_path, "users", "add", "alice", "--role", "reader", "--role", "clinical", "--generate")
    account = file_in(tmp_path).read().book.get("alice", PrincipalKind.USER)
    assert is_password(told["password"], account.secret_hash)
    assert told["roles"] == ["reader", "clinical"]
    assert "password" not in run(tmp_path, "users", "list").output

    other = run_json(tmp_path, "users", "passwd", "ALICE", "--generate")["password"]
    changed = file_in(tmp_path).read().book.get("alice", PrincipalKind.USER)
    assert is_password(other, changed.secret_hash)
    assert changed.stamp != account.stamp


def test_a_role_that_is_not_built_in_is_noted(tmp_path: Path) -> None:
    done = run(tmp_path, "clients", "add", "ci", "--role", "clinical", "--role", "reader")

    assert "'clinical' is not built in" in done.stderr
    assert "reader" not in done.stderr


def test_a_client_gets_a_secret_and_another_one(tmp_path: Path) -> None:
    first = run_json(tmp_path, "clients", "add", "ci", "--role", "reader")["secret"]
    before = file_in(tmp_path).read().book.get("ci", PrincipalKind.CLIENT)
    assert is_secret(first, before.secret_hash)
    assert len(first) == 43

    second = run_json(tmp_path, "clients", "rotate", "ci")["secret"]
    after = file_in(tmp_path).read().book.get("ci", PrincipalKind.CLIENT)
    assert is_secret(second, after.secret_hash)
    assert not is_secret(first, after.secret_hash)
    assert after.stamp != before.stamp
    assert first not in file_in(tmp_path).path.read_text()


def test_accounts_are_listed_by_name_without_what_checks_them(tmp_path: Path) -> None:
    accounts = [user("zoe"), user("Alice", "operator", "clinical"), client()]
    write_accounts(tmp_path, *accounts)
    run(tmp_path, "users", "disable", "zoe")

    table = run(tmp_path, "users", "list").output
    assert [line.split()[0] for line in table.splitlines()] == ["NAME", "Alice", "zoe"]
    assert "operator, clinical" in table
    assert "disabled" in table
    listed = run_json(tmp_path, "users", "list")
    assert [(each["name"], each["disabled"]) for each in listed] == [("Alice", False), ("zoe", True)]
    assert [each["name"] for each in run_json(tmp_path, "clients", "list")] == ["ci"]
    for account in accounts:
        assert account.secret_hash not in table + json.dumps(listed)
        assert account.stamp not in table + json.dumps(listed)


@pytest.mark.parametrize(("words", "account"), [("users", user("ann")), ("clients", client("ann"))])
def test_an_account_is_disabled_enabled_and_removed(tmp_path: Path, words: str, account: Any) -> None:
    write_accounts(tmp_path, account)

    run(tmp_path, words, "disable", "ann")
    assert file_in(tmp_path).read().book.accounts[0].is_disabled
    run(tmp_path, words, "enable", "ANN")
    assert not file_in(tmp_path).read().book.accounts[0].is_disabled
    run(tmp_path, words, "remove", "ann")
    assert file_in(tmp_path).read().book.accounts == ()
    assert "There are no" in run(tmp_path, words, "list").output


@pytest.mark.parametrize(
    ("words", "typed", "status", "told"),
    [
        (["users", "add", "alice", "--role", "x", "--generate"], None, 4, "there is a user 'alice' already"),
        (["clients", "add", "ALICE", "--role", "x"], None, 4, "there is a user 'alice' already"),
        (["users", "add", "b c", "--role", "x", "--generate"], None, 2, "cannot be the name of an account"),
        (["users", "add", "bob", "--role", "a/b", "--generate"], None, 2, "cannot be the name of a role"),
        (["users", "add", "bob", "--role", "x", "--password-stdin"], "hunter2\n", 2, "too short"),
        (["users", "add", "bob", "--role", "x", "--password-stdin"], "two long lines\nof password\n", 2, "one line"),
        (["users", "add", "bob", "--role", "x", "--password-stdin", "--generate"], None, 2, "not both"),
        (["users", "add", "bob", "--generate"], None, 2, "--role"),
        (["users", "passwd", "bob", "--generate"], None, 3, "there is no user 'bob'"),
        (["users", "remove", "ci"], None, 3, "there is no user 'ci'"),
        (["clients", "rotate", "alice"], None, 3, "there is no client 'alice'"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, words: list[str], typed: str | None, status: int, told: str
) -> None:
    file = write_accounts(tmp_path, user(), client())
    before = file.path.read_bytes()

    done = run(tmp_path, *words, typed=typed, status=status)

    assert told in done.output
    assert "hunter2" not in done.output
    assert file.path.read_bytes() == before


def test_a_damaged_file_ends_the_command_with_a_clear_error(tmp_path: Path) -> None:
    file = write_accounts(tmp_path, user())
    file.path.write_text("{")

    done = run(tmp_path, "users", "remove", "alice", status=1)

    assert "accounts.json" in done.output
    assert "left untouched" in done.output
    assert file.path.read_text() == "{"


@pytest.mark.slow
def test_the_commands_are_found_by_their_module_names() -> None:
    code = (
        "import tomllib, importlib, click, sys;"
        "points = tomllib.load(open(sys.argv[1], 'rb'))['project']['entry-points']['host.commands'];"
        "found = {n: getattr(importlib.import_module(v.split(':')[0]), v.split(':')[1]) for n, v in points.items()};"
        "assert all(isinstance(each, click.Group) for each in found.values()); print(sorted(found))"
    )
    declared = Path(__file__).parents[2] / "pyproject.toml"
    done = subprocess.run([sys.executable, "-c", code, declared], capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.stderr) == ("['clients', 'users']", "")
