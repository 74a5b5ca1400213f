"""``jobhost clients``: the programs that may sign in."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from host.model.security import PrincipalKind
from host_rest.security.account_file import AccountFile
from host_rest.security.accounts import new_account
from host_rest.security.client_secrets import hash_secret, new_secret
from host_rest.security.commands.options import (
    list_accounts,
    on_accounts,
    roles_option,
    shown,
    tell,
    tell_unknown_roles,
)

_CLIENT = PrincipalKind.CLIENT


@click.group()
def clients() -> None:
    """The programs that may sign in; changes are in force at once, also in a running host."""


@clients.command()
@click.argument("id")
@roles_option
@on_accounts
def add(file: AccountFile, *, id: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Add a program, and print its secret, once."""
    secret = new_secret()
    account = new_account(id, _CLIENT, secret_hash=hash_secret(secret), roles=roles, at=datetime.now(UTC))
    file.change(lambda book: book.adding(account))
    tell_unknown_roles(account.roles)
    text = f"client {id!r} added to {file.path}; its secret, shown this once: {secret}"
    tell(text, {**shown(account), "secret": secret}, as_json=as_json)


@clients.command("list")
@on_accounts
def list_(file: AccountFile, *, as_json: bool) -> None:
    """List them, by id."""
    list_accounts(file.read().book.of(_CLIENT), empty="There are no clients.", as_json=as_json)


@clients.command()
@click.argument("id")
@on_accounts
def remove(file: AccountFile, *, id: str, as_json: bool) -> None:
    """Remove a program, whose sessions end."""
    file.change(lambda book: book.removing(id, _CLIENT))
    tell(f"client {id!r} removed", {"name": id, "removed": True}, as_json=as_json)


@clients.command()
@click.argument("id")
@on_accounts
def rotate(file: AccountFile, *, id: str, as_json: bool) -> None:
    """Give a program another secret, printed once; its sessions end."""
    secret = new_secret()
    file.change(lambda book: book.with_secret(id, _CLIENT, hash_secret(secret), at=datetime.now(UTC)))
    text = f"client {id!r} has another secret, shown this once: {secret}"
    tell(text, {"name": id, "secret": secret}, as_json=as_json)


@clients.command()
@click.argument("id")
@on_accounts
def enable(file: AccountFile, *, id: str, as_json: bool) -> None:
    """Let a program sign in again."""
    file.change(lambda book: book.enabling(id, _CLIENT, is_enabled=True))
    tell(f"client {id!r} may sign in", {"name": id, "disabled": False}, as_json=as_json)


@clients.command()
@click.argument("id")
@on_accounts
def disable(file: AccountFile, *, id: str, as_json: bool) -> None:
    """Let a program not sign in; its sessions end."""
    file.change(lambda book: book.enabling(id, _CLIENT, is_enabled=False))
    tell(f"client {id!r} may not sign in", {"name": id, "disabled": True}, as_json=as_json)
