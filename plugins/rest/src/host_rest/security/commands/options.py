"""What the commands of accounts share: where the file is, and how they print."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from host.contracts.host import FIND_DATA_DIRECTORY
from host.wire import to_wire
from host_rest.security.account_file import FILE_NAME, AccountFile
from host_rest.security.accounts import Account
from host_rest.security.policies import BUILT_IN_ROLES

F = TypeVar("F", bound=Callable[..., object])

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

roles_option = click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    metavar="ROLE",
    help="reader, operator, administrator, or one of the configuration's; may be repeated.",
)


def on_accounts(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function that takes the accounts' file first, and ``as_json``."""

    @click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="JOBHOST_DATA",
        show_envvar=True,
        help="The host's data directory.",
    )
    @click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="JOBHOST_CONFIG",
        show_envvar=True,
        help="The host's configuration, instead of --data.  [default: config/santedb.config.xml]",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
    @functools.wraps(function)
    def command(*, data: Path | None, config: Path | None, **arguments: object) -> None:
        find: Callable[[Path | None, Path | None], Path] = click.get_current_context().meta[FIND_DATA_DIRECTORY]
        function(AccountFile(find(data, config) / FILE_NAME), **arguments)

    return command


def tell(text: str, values: dict[str, object], *, as_json: bool) -> None:
    """Print what was done: a sentence for people, or its values as JSON."""
    click.echo(json.dumps(to_wire(values), ensure_ascii=False) if as_json else _clean(text))


def tell_unknown_roles(roles: Iterable[str]) -> None:
    """Say which roles grant nothing by themselves, on stderr: the command line does not read what they may."""
    known = {role.name for role in BUILT_IN_ROLES}
    for role in roles:
        if role.casefold() not in known:
            click.echo(f"note: role {role!r} is not built in; a PolicyConfigurationSection must declare it", err=True)


def list_accounts(accounts: Sequence[Account], *, empty: str, as_json: bool) -> None:
    """Print accounts, by name; never what their passwords or secrets are checked by."""
    by_name = sorted(accounts, key=lambda account: account.name.casefold())
    if as_json:
        click.echo(json.dumps(to_wire([shown(account) for account in by_name]), indent=2, ensure_ascii=False))
    elif not by_name:
        click.echo(empty)
    else:
        rows = [("NAME", "ROLES", "STATE", "CREATED", "SECRET CHANGED"), *map(_row, by_name)]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        for row in rows:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def shown(account: Account) -> dict[str, object]:
    """Give what may be shown of an account."""
    return {
        "name": account.name,
        "kind": account.kind,
        "roles": account.roles,
        "disabled": account.is_disabled,
        "created_at": account.created_at,
        "secret_changed_at": account.secret_changed_at,
    }


def _row(account: Account) -> tuple[str, ...]:
    state = "disabled" if account.is_disabled else "enabled"
    instants = (f"{instant.astimezone():%Y-%m-%d %H:%M}" for instant in (account.created_at, account.secret_changed_at))
    return (account.name, ", ".join(account.roles), state, *instants)


def _clean(text: str) -> str:
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
