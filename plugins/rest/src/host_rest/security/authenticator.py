"""Recognises persons by password, programs by secret, and both by token."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from host.contracts.clock import Clock
from host.contracts.contract import Service
from host.contracts.security import Authenticator, TokenService
from host.errors import AuthenticationError, TooManyAttemptsError
from host.model.security import (
    BearerToken,
    ClientCredentials,
    Credentials,
    PasswordCredentials,
    Principal,
    PrincipalKind,
)
from host_rest.security.accounts import Account
from host_rest.security.attempts import LONGEST_SECONDS, Attempts, network_of
from host_rest.security.client_secrets import is_secret
from host_rest.security.contracts import Accounts

CHECKS_AT_ONCE = 2
"""A check of a password takes 64 MiB and a whole core."""
MAX_WAITING = 20
"""Checks of passwords that may wait for their turn."""
LONGEST_NAME = 100
"""Characters of a name that count: more than any account's."""
FREE_BY_NAME = 5
"""For one name, from one place."""
FREE_BY_ADDRESS = 20
"""Several people may share an address."""
FREE_ANYWHERE = 100
"""For one name, from everywhere: so many that few places cannot lock anybody out, and a guess stays hopeless."""
FORGIVES_SECONDS = LONGEST_SECONDS
"""As often as one place may try at most."""

T = TypeVar("T")


class FileAuthenticator(Authenticator, Service):
    """Knows the accounts of ``Accounts``, and whoever has a token of the configured TokenService.

    Failures to give a password are counted by place and by name and place, so that nobody is locked out from elsewhere,
    and, above a limit that takes many places, by name alone; for names that nobody has as well. A place is an IPv4
    address or an IPv6 /64. A program's wrong secrets are counted by its id and place; its right one, which cannot be
    guessed, is never refused.
    """

    is_default = True

    def __init__(self, accounts: Accounts, tokens: TokenService, clock: Clock) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._by_name_and_place = Attempts(clock, free=FREE_BY_NAME)
        self._by_place = Attempts(clock, free=FREE_BY_ADDRESS)
        # Names of accounts are few: kept apart, they are not forgotten because somebody tries thousands of others.
        self._by_name = Attempts(clock, free=FREE_ANYWHERE, forgives_seconds=FORGIVES_SECONDS)
        self._by_nobodys_name = Attempts(clock, free=FREE_ANYWHERE, forgives_seconds=FORGIVES_SECONDS)
        self._programs = Attempts(clock, free=FREE_BY_NAME)
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def stop(self) -> None:
        """End the threads; checks under way are waited for."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Give who they belong to."""
        match credentials:
            case BearerToken():
                return await self._tokens.principal(credentials.token)
            case PasswordCredentials():
                return await self._person(credentials)
            case ClientCredentials():
                return self._program(credentials)

    async def _person(self, credentials: PasswordCredentials) -> Principal:
        account = self._accounts.book().find(credentials.name, PrincipalKind.USER)
        keys = self._keys_of(credentials, is_known=account is not None)
        _begin(keys)
        try:
            secret_hash = None if account is None else account.secret_hash
            is_right = await self._in_thread(lambda: _is_password(credentials.password, secret_hash))
        except TooManyAttemptsError:
            _take_back(keys)
            raise
        if account is None or account.is_disabled or not is_right:
            raise AuthenticationError("the name or the password is wrong")
        _take_back(keys)
        self._by_name_and_place.forget(keys[0][1])
        return _principal(account)

    def _keys_of(self, credentials: PasswordCredentials, *, is_known: bool) -> list[tuple[Attempts, str]]:
        name = credentials.name.casefold()[:LONGEST_NAME]
        place = network_of(credentials.address) if credentials.address else ""
        keys = [
            (self._by_name_and_place, f"{place} {name}"),
            (self._by_name if is_known else self._by_nobodys_name, name),
        ]
        return [*keys, (self._by_place, place)] if place else keys

    def _program(self, credentials: ClientCredentials) -> Principal:
        account = self._accounts.book().find(credentials.id, PrincipalKind.CLIENT)
        place = network_of(credentials.address) if credentials.address else ""
        key = f"{place} {credentials.id.casefold()[:LONGEST_NAME]}"
        is_right = is_secret(credentials.secret, None if account is None else account.secret_hash)
        if account is not None and not account.is_disabled and is_right:
            self._programs.forget(key)
            return _principal(account)
        _begin([(self._programs, key)])
        raise AuthenticationError("the client's id or secret is wrong")

    async def _in_thread(self, check: Callable[[], T]) -> T:
        if self._waiting >= CHECKS_AT_ONCE + MAX_WAITING:
            raise _too_many(1)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(CHECKS_AT_ONCE, "passwords")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, check)
        finally:
            self._waiting -= 1


def _is_password(password: str, secret_hash: str | None) -> bool:
    from host_rest.security.passwords import is_password  # its library loads native code that few commands need

    return is_password(password, secret_hash)


def _begin(keys: Sequence[tuple[Attempts, str]]) -> None:
    seconds = max(attempts.wait_seconds(key) for attempts, key in keys)
    if seconds > 0:
        raise _too_many(seconds)
    for attempts, key in keys:
        attempts.begin(key)


def _take_back(keys: Sequence[tuple[Attempts, str]]) -> None:
    for attempts, key in keys:
        attempts.take_back(key)


def _too_many(seconds: float) -> TooManyAttemptsError:
    error = TooManyAttemptsError("too many attempts to sign in", hint="wait a little, then try again")
    error.retry_after_seconds = max(1, math.ceil(seconds))
    return error


def _principal(account: Account) -> Principal:
    own = account.name if account.kind is PrincipalKind.CLIENT else None
    return Principal(name=account.name, kind=account.kind, roles=account.roles, client=own)
