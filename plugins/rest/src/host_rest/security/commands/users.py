"""``jobhost users``: the people who may sign in."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from host.errors import InvalidRequestError
from host.model.security import PrincipalKind
from host_rest.security.account_file import AccountFile
from host_rest.security.accounts import check_new_name, check_roles, new_account
from host_rest.security.commands.options import (
    list_accounts,
    on_accounts,
    roles_option,
    shown,
    tell,
    tell_unknown_roles,
)
from host_rest.security.passwords import MAX_LENGTH, check_password, hash_password, new_password

_USER = PrincipalKind.USER
_from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input: one line.")
_generated = click.option("--generate", is_flag=True, help="Make a password and print it, once.")


@click.group()
def users() -> None:
    """The people who may sign in; changes are in force at once, also in a running host."""


@users.command()
@click.argument("name")
@roles_option
@_from_stdin
@_generated
@on_accounts
def add(
    file: AccountFile, *, name: str, roles: tuple[str, ...], password_stdin: bool, generate: bool, as_json: bool
) -> None:
    """Add somebody; asks for the password unless told otherwise."""
    check_new_name(name)
    check_roles(roles)
    file.read().book.adding(new_account(name, _USER, secret_hash="", roles=roles, at=_now()))  # before asking
    password = _password(name, is_stdin=password_stdin, is_generated=generate)
    account = new_account(name, _USER, secret_hash=hash_password(password), roles=roles, at=_now())
    file.change(lambda book: book.adding(account))
    tell_unknown_roles(account.roles)
    told: dict[str, object] = {**shown(account), **({"password": password} if generate else {})}
    text = f"user {name!r} added to {file.path}" + (f"; the password, shown this once: {password}" if generate else "")
    tell(text, told, as_json=as_json)


@users.command("list")
@on_accounts
def list_(file: AccountFile, *, as_json: bool) -> None:
    """List them, by name."""
    list_accounts(file.read().book.of(_USER), empty="There are no users.", as_json=as_json)


@users.command()
@click.argument("name")
@on_accounts
def remove(file: AccountFile, *, name: str, as_json: bool) -> None:
    """Remove somebody, whose sessions end."""
    file.change(lambda book: book.removing(name, _USER))
    tell(f"user {name!r} removed", {"name": name, "removed": True}, as_json=as_json)


@users.command()
@click.argument("name")
@_from_stdin
@_generated
@on_accounts
def passwd(file: AccountFile, *, name: str, password_stdin: bool, generate: bool, as_json: bool) -> None:
    """Give somebody another password; their sessions end."""
    file.read().book.get(name, _USER)
    password = _password(name, is_stdin=password_stdin, is_generated=generate)
    secret_hash = hash_password(password)
    file.change(lambda book: book.with_secret(name, _USER, secret_hash, at=_now()))
    told: dict[str, object] = {"name": name, **({"password": password} if generate else {})}
    text = f"user {name!r} has another password" + (f", shown this once: {password}" if generate else "")
    tell(text, told, as_json=as_json)


@users.command()
@click.argument("name")
@on_accounts
def enable(file: AccountFile, *, name: str, as_json: bool) -> None:
    """Let somebody sign in again."""
    file.change(lambda book: book.enabling(name, _USER, is_enabled=True))
    tell(f"user {name!r} may sign in", {"name": name, "disabled": False}, as_json=as_json)


@users.command()
@click.argument("name")
@on_accounts
def disable(file: AccountFile, *, name: str, as_json: bool) -> None:
    """Let somebody not sign in; their sessions end."""
    file.change(lambda book: book.enabling(name, _USER, is_enabled=False))
    tell(f"user {name!r} may not sign in", {"name": name, "disabled": True}, as_json=as_json)


def _password(name: str, *, is_stdin: bool, is_generated: bool) -> str:
    if is_stdin and is_generated:
        raise click.UsageError("give --password-stdin or --generate, not both")
    if is_generated:
        return new_password()
    if is_stdin:
        password = sys.stdin.read(MAX_LENGTH + 3).removesuffix("\n").removesuffix("\r")
        if "\n" in password:
            raise InvalidRequestError("expected one line on standard input: the password")
    else:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    check_password(password, name=name)
    return password


def _now() -> datetime:
    return datetime.now(UTC)
