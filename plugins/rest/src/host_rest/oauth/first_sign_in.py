"""Making the administrator of a host that nobody knows yet, by a link that only its operator can see."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from functools import partial
from hashlib import sha256

from host.contracts.clock import Clock
from host.errors import AuthenticationError
from host.model.security import PrincipalKind
from host_rest.security.accounts import Account, AccountBook, check_new_name, new_account
from host_rest.security.contracts import Accounts

VALID_SECONDS = 60 * 60.0
ROLE = "administrator"


class FirstSignIn:
    """Gives one token at a time; it makes one user, and nothing once there is any, however that came about."""

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._digest: bytes | None = None
        self._until = 0.0

    def open(self) -> str | None:
        """Give a new token, valid for an hour; None if there is a user."""
        if _has_user(self._accounts.book()):
            return None
        token = secrets.token_urlsafe(32)
        self._digest = _digest(token)
        self._until = self._clock.monotonic() + VALID_SECONDS
        return token

    def close(self) -> None:
        """Make the token void."""
        self._digest = None

    def is_valid(self, token: str) -> bool:
        """Say whether a token makes a user now."""
        is_open = self._digest is not None and self._clock.monotonic() < self._until
        if not is_open or _has_user(self._accounts.book()):
            self.close()
        return self._digest is not None and hmac.compare_digest(self._digest, _digest(token))

    async def create(self, token: str, *, name: str, password: str) -> Account:
        """Make the administrator; the token is used up then.

        Raises AuthenticationError for a token that is not valid, InvalidRequestError for a name or a password that
        cannot be one; both change nothing.
        """
        from host_rest.security.passwords import check_password, hash_password  # its library loads native code

        if not self.is_valid(token):
            raise AuthenticationError("the link is not valid any more")
        check_new_name(name)
        check_password(password, name=name)
        secret_hash = await asyncio.to_thread(hash_password, password)
        account = new_account(name, PrincipalKind.USER, secret_hash=secret_hash, roles=(ROLE,), at=self._clock.now())
        await self._accounts.change(partial(_adding_first, account=account))
        self.close()
        return account


def _adding_first(book: AccountBook, *, account: Account) -> AccountBook:
    if _has_user(book):
        raise AuthenticationError("the link is not valid any more")
    return book.adding(account)


def _has_user(book: AccountBook) -> bool:
    return bool(book.of(PrincipalKind.USER))


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
