"""Accounts as values: whose they are, by what names, and how a book of them changes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from host.errors import InvalidRequestError
from host.model.security import HOST_NAMES, PrincipalKind
from host_rest.security.errors import AccountExistsError, AccountNotFoundError

MAX_NAME = 64
MAX_ROLES = 32
RESERVED_NAMES = frozenset({"anonymous", "system"})
"""Names that logs and dialects use for nobody in particular."""

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@+-]{{0,{MAX_NAME - 1}}}")
_ROLE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._ -]{{0,{MAX_NAME - 1}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in: a person with a password, or a program with a secret."""

    name: str
    """Unique among all accounts, whatever the case: ``by`` and the audit show nothing else."""
    kind: PrincipalKind
    secret_hash: str = field(repr=False)
    """A person's: Argon2id of the password, in its PHC text. A program's: SHA-256 of the secret, in hexadecimal."""
    roles: tuple[str, ...] = ()
    is_disabled: bool = False
    created_at: datetime
    secret_changed_at: datetime
    stamp: str = field(repr=False)
    """Changes with the password or secret and when the account is disabled; sessions that began under another one
    have ended."""


@dataclass(frozen=True, slots=True)
class AccountBook:
    """All accounts, as they are at one time; changes give another book."""

    accounts: tuple[Account, ...] = ()
    """In the order they were added."""
    _by_name: Mapping[str, Account] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the accounts findable."""
        by_name = MappingProxyType({account.name.casefold(): account for account in self.accounts})
        object.__setattr__(self, "_by_name", by_name)

    def of(self, kind: PrincipalKind) -> Sequence[Account]:
        """Give the accounts of persons, or of programs, in the order they were added."""
        return [account for account in self.accounts if account.kind is kind]

    def find(self, name: str, kind: PrincipalKind) -> Account | None:
        """Give an account by its name, in whatever case."""
        account = self._by_name.get(name.casefold())
        return account if account is not None and account.kind is kind else None

    def get(self, name: str, kind: PrincipalKind) -> Account:
        """Give an account by its name, in whatever case; raises AccountNotFoundError."""
        account = self.find(name, kind)
        if account is None:
            raise AccountNotFoundError(f"there is no {kind} {name!r}", hint=f"`jobhost {kind}s list` shows them all")
        return account

    def adding(self, account: Account) -> AccountBook:
        """Give a book with one account more; raises AccountExistsError, InvalidRequestError."""
        check_new_name(account.name)
        check_roles(account.roles)
        known = self._by_name.get(account.name.casefold())
        if known is not None:
            raise AccountExistsError(f"there is a {known.kind} {known.name!r} already", hint="choose another name")
        return AccountBook((*self.accounts, account))

    def replacing(self, account: Account) -> AccountBook:
        """Give a book with another version of an account; raises AccountNotFoundError."""
        old = self.get(account.name, account.kind)
        return AccountBook(tuple(account if each is old else each for each in self.accounts))

    def removing(self, name: str, kind: PrincipalKind) -> AccountBook:
        """Give a book without an account; raises AccountNotFoundError."""
        gone = self.get(name, kind)
        return AccountBook(tuple(each for each in self.accounts if each is not gone))

    def enabling(self, name: str, kind: PrincipalKind, *, is_enabled: bool) -> AccountBook:
        """Give a book in which an account may sign in, or may not and has lost its sessions."""
        account = self.get(name, kind)
        if account.is_disabled is not is_enabled:
            return self
        stamp = account.stamp if is_enabled else new_stamp()
        return self.replacing(replace(account, is_disabled=not is_enabled, stamp=stamp))

    def with_secret(self, name: str, kind: PrincipalKind, secret_hash: str, *, at: datetime) -> AccountBook:
        """Give a book in which an account has another password or secret, and has lost its sessions."""
        account = self.get(name, kind)
        return self.replacing(replace(account, secret_hash=secret_hash, secret_changed_at=at, stamp=new_stamp()))


def new_account(name: str, kind: PrincipalKind, *, secret_hash: str, roles: Iterable[str], at: datetime) -> Account:
    """Make an account that begins now; raises InvalidRequestError for a name or a role that cannot be one."""
    check_new_name(name)
    unique = tuple(dict.fromkeys(roles))
    check_roles(unique)
    return Account(
        name=name,
        kind=kind,
        secret_hash=secret_hash,
        roles=unique,
        created_at=at,
        secret_changed_at=at,
        stamp=new_stamp(),
    )


def new_stamp() -> str:
    """Make a stamp that no account has had before."""
    return secrets.token_hex(16)


def check_new_name(name: str) -> None:
    """Raise InvalidRequestError for what cannot be a new account's name: also for what the host itself signs with.

    An account that was called so before it was reserved stays and may sign in.
    """
    check_name(name)
    if name.casefold() in HOST_NAMES:
        raise InvalidRequestError(f"{name!r} is how the host itself signs", hint="choose another one")


def check_name(name: str) -> None:
    """Raise InvalidRequestError for what cannot be an account's name."""
    if _NAME.fullmatch(name) is None:
        hint = f"letters and digits of ASCII, then also . _ @ + -, at most {MAX_NAME} characters"
        raise InvalidRequestError(f"{name[:MAX_NAME]!r} cannot be the name of an account", hint=hint)
    if name.casefold() in RESERVED_NAMES:
        raise InvalidRequestError(f"{name!r} is nobody's name", hint="choose another one")


def check_roles(roles: Sequence[str]) -> None:
    """Raise InvalidRequestError for what cannot be an account's roles; whether they grant anything is not asked."""
    for role in roles:
        if _ROLE.fullmatch(role) is None:
            hint = f"letters and digits of ASCII, then also . _ - and spaces, at most {MAX_NAME} characters"
            raise InvalidRequestError(f"{role[:MAX_NAME]!r} cannot be the name of a role", hint=hint)
    if not 1 <= len(roles) <= MAX_ROLES:
        raise InvalidRequestError(f"an account has 1 to {MAX_ROLES} roles, not {len(roles)}")
