"""Guards over a folder of the test, and accounts whose passwords are quick to check."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher

from host.errors import AuthenticationError
from host.local.directory import DataDirectorySettings, LocalDataDirectory
from host.model.security import Principal, PrincipalKind
from host.testing.clock import FakeClock
from host.testing.contracts.services import running
from host_rest.security.account_file import FILE_NAME, AccountFile
from host_rest.security.accounts import Account, new_account
from host_rest.security.authenticator import FileAuthenticator
from host_rest.security.client_secrets import hash_secret
from host_rest.security.file_accounts import FileAccounts
from host_rest.security.token_settings import TokenSettings
from host_rest.security.tokens import JwtTokenService

PASSWORD = "canary-password-of-alice"
SECRET = "canary-secret-of-ci"
AT = datetime(2026, 1, 1, tzinfo=UTC)
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def user(name: str = "alice", *roles: str, password: str = PASSWORD) -> Account:
    secret_hash = _QUICK.hash(password)
    return new_account(name, PrincipalKind.USER, secret_hash=secret_hash, roles=roles or ("operator",), at=AT)


def client(name: str = "ci", *roles: str, secret: str = SECRET) -> Account:
    secret_hash = hash_secret(secret)
    return new_account(name, PrincipalKind.CLIENT, secret_hash=secret_hash, roles=roles or ("reader",), at=AT)


def principal(account: Account, **fields: object) -> Principal:
    own = account.name if account.kind is PrincipalKind.CLIENT else None
    known = {"name": account.name, "kind": account.kind, "roles": account.roles, "client": own}
    return Principal(**{**known, **fields})  # type: ignore[arg-type]


def file_in(folder: Path) -> AccountFile:
    return AccountFile(folder / FILE_NAME)


def write_accounts(folder: Path, *accounts: Account) -> AccountFile:
    file = file_in(folder)
    for account in accounts:
        file.change(lambda book, account=account: book.adding(account))
    return file


def directory_in(folder: Path) -> LocalDataDirectory:
    return LocalDataDirectory(DataDirectorySettings(path=folder))


def accounts_in(folder: Path) -> FileAccounts:
    return FileAccounts(directory_in(folder), FakeClock(), None)


@dataclass
class Guards:
    """What guards a host, as its configuration would wire it."""

    folder: Path
    clock: FakeClock
    accounts: FileAccounts
    tokens: JwtTokenService
    authenticator: FileAuthenticator

    @property
    def file(self) -> AccountFile:
        return file_in(self.folder)


@asynccontextmanager
async def guards(
    folder: Path, *accounts: Account, settings: TokenSettings | None = None, clock: FakeClock | None = None
) -> AsyncIterator[Guards]:
    """Give started guards; accounts are added to those that the folder has."""
    write_accounts(folder, *accounts)
    directory, clock = directory_in(folder), clock or FakeClock()
    known = FileAccounts(directory, clock, None)
    tokens = JwtTokenService(directory, known, clock, settings or TokenSettings())
    authenticator = FileAuthenticator(known, tokens, clock)
    async with running(known), running(tokens), running(authenticator):
        yield Guards(folder=folder, clock=clock, accounts=known, tokens=tokens, authenticator=authenticator)


async def is_refused(desk: Guards, token: str) -> bool:
    try:
        await desk.tokens.principal(token)
    except AuthenticationError:
        return True
    return False
