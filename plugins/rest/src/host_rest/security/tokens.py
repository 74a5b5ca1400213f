"""Tokens: signed ones that say who calls, and opaque ones by which a session goes on."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import TypeVar

from host.contracts.clock import Clock
from host.contracts.contract import Finding, Service
from host.contracts.host import DataDirectory
from host.contracts.security import TokenService
from host.errors import AuthenticationError, InvalidRequestError, StoreCorruptError, StoreUnavailableError
from host.model.security import IssuedTokens, Principal, PrincipalKind
from host_rest.security import sessions, signing_keys
from host_rest.security.accounts import Account
from host_rest.security.contracts import Accounts
from host_rest.security.scopes import is_covered
from host_rest.security.sessions import Session, SessionStore
from host_rest.security.signing_keys import SigningKeys
from host_rest.security.token_settings import LONGEST_ACCESS, TokenSettings
from host_rest.security.token_texts import write_tokens
from host_rest.security.verification import MAX_TOKEN, AccessClaims, verify

CACHED_TOKENS = 10_000
_PART = 43
"""Characters of 256 bits in base64url."""

T = TypeVar("T")


@dataclass(slots=True)
class _Known:
    """A verified token, and whose it was when it was last asked for."""

    claims: AccessClaims
    session: Session | None = None
    account: Account | None = None
    principal: Principal | None = None


class JwtTokenService(TokenService, Service):
    """Signs access tokens with ES256 (RFC 9068) and keeps sessions in ``sessions.sqlite``.

    A token is refused as soon as its session has ended, its account is gone, disabled or has another password, or the
    program that it was issued to is disabled. The roles are the account's at the time of the request. Issuing, renewing
    and revoking are durable when they return.
    """

    is_default = True

    def __init__(self, directory: DataDirectory, accounts: Accounts, clock: Clock, settings: TokenSettings) -> None:
        self._accounts = accounts
        self._clock = clock
        self._settings = settings
        self._keys = SigningKeys(
            directory.path() / signing_keys.FILE_NAME, kept_for=LONGEST_ACCESS + timedelta(hours=1)
        )
        self._sessions = SessionStore(directory.path() / sessions.FILE_NAME)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._writer: ThreadPoolExecutor | None = None
        self._failure: str | None = None

    async def start(self) -> None:
        """Open the sessions and the keys, making what is missing."""
        if self._writer is not None:
            return
        self._writer = ThreadPoolExecutor(1, "tokens")
        try:
            await self._write(self._open)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the sessions; they go on with the next start."""
        writer, self._writer = self._writer, None
        self._known.clear()
        if writer is not None:
            writer.submit(self._sessions.close)
            await asyncio.to_thread(writer.shutdown)

    def check(self) -> Sequence[Finding]:
        """Say whether sessions could not be kept lately."""
        return [Finding(message=f"nobody can sign in: {self._failure}", is_failure=True)] if self._failure else []

    async def issue(
        self, principal: Principal, *, scopes: Sequence[str] = (), is_renewable: bool = False, nonce: str | None = None
    ) -> IssuedTokens:
        """Begin a session and give its tokens.

        Raises AuthenticationError if the principal has no account any more, InvalidRequestError for scopes that go
        beyond the principal's own.
        """
        account = self._accounts.book().find(principal.name, principal.kind)
        if account is None or account.is_disabled:
            raise AuthenticationError(f"there is no {principal.kind} of this name")
        _check_narrower(scopes, principal.scopes)
        granted = tuple(scopes) or principal.scopes
        return await self._write(
            lambda: self._begin(account, granted, principal.client, is_renewable=is_renewable, nonce=nonce)
        )

    async def renew(self, refresh_token: str, *, client: str | None, scopes: Sequence[str] = ()) -> IssuedTokens:
        """Give new tokens for a refresh token; InvalidRequestError for scopes the session does not have."""
        return await self._write(lambda: self._renew(refresh_token, client, tuple(scopes)))

    async def principal(self, access_token: str) -> Principal:
        """Give whose token it is."""
        known = self._verified(access_token)
        if known.claims.expires_at <= self._clock.now():
            raise AuthenticationError("the token has expired")
        session = self._sessions.get(known.claims.session)
        account = None if session is None else self._account_of(session)
        if session is None or account is None:
            raise AuthenticationError("the session has ended", hint="sign in again")
        if known.principal is None or known.session is not session or known.account is not account:
            known.session, known.account = session, account
            known.principal = _principal(account, session, known.claims)
        return known.principal

    async def revoke(self, token: str) -> None:
        """End the session of a token."""
        parts = _parts(token)
        if parts is not None:
            session = self._sessions.of_family(parts[0])
            id = None if session is None else session.id
        else:
            try:
                id = self._verified(token).claims.session
            except AuthenticationError:
                id = None
        await self._write(self._sessions.write_ends if id is None else partial(self._sessions.end, id))

    def keys(self) -> Sequence[dict[str, object]]:
        """Give the public keys, newest first."""
        return [key.public() for key in self._keys.all()]

    def _open(self) -> None:
        now = self._clock.now()
        self._keys.load()
        self._keys.current(now)
        self._sessions.open(now)

    async def _write(self, change: Callable[[], T]) -> T:
        # Invariant: one thread makes every change, each whole: a caller that goes away stops none half-way.
        if self._writer is None:
            raise StoreUnavailableError("the token service is stopped")
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._writer, change)
        except (StoreUnavailableError, StoreCorruptError) as error:
            self._failure = str(error)
            raise
        self._failure = None
        return result

    def _begin(
        self, account: Account, scopes: tuple[str, ...], client: str | None, *, is_renewable: bool, nonce: str | None
    ) -> IssuedTokens:
        now = self._clock.now()
        settings = self._settings
        lifetime = settings.refresh_lifetime if is_renewable else settings.access_lifetime
        family, secret = (secrets.token_urlsafe(32), secrets.token_urlsafe(32)) if is_renewable else (None, None)
        session = Session(
            id=secrets.token_urlsafe(16),
            account=account.name,
            kind=account.kind,
            stamp=account.stamp,
            client=client,
            scopes=scopes,
            began_at=now,
            ends_at=now + min(lifetime, settings.session_lifetime),
            family=_digest(family) if family else None,
            secret=_digest(secret) if secret else None,
        )
        key = self._keys.current(now)
        self._sessions.begin(session, now=now)
        refresh_token = f"{family}.{secret}" if family else None
        return write_tokens(settings, key, session, scopes, now=now, refresh_token=refresh_token, nonce=nonce)

    def _renew(self, refresh_token: str, client: str | None, scopes: tuple[str, ...]) -> IssuedTokens:
        now = self._clock.now()
        parts = _parts(refresh_token)
        session = None if parts is None else self._sessions.of_family(parts[0])
        if parts is None or session is None or session.ends_at <= now or session.client != client:
            raise AuthenticationError("the refresh token is not valid", hint="sign in again")
        if self._account_of(session) is None:
            self._sessions.end(session.id)
            raise AuthenticationError("the refresh token is not valid", hint="sign in again")
        _check_narrower(scopes, session.scopes)
        key = self._keys.current(now)
        secret = secrets.token_urlsafe(32)
        ends_at = min(now + self._settings.refresh_lifetime, session.began_at + self._settings.session_lifetime)
        session = self._sessions.renew(session, parts[1], _digest(secret), ends_at=ends_at)
        family = refresh_token[:_PART]
        return write_tokens(
            self._settings, key, session, scopes or session.scopes, now=now, refresh_token=f"{family}.{secret}"
        )

    def _verified(self, token: str) -> _Known:
        if len(token) > MAX_TOKEN:
            raise AuthenticationError("the token is not valid")
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known
        settings = self._settings
        now = self._clock.now()
        claims = verify(token, self._keys.find, issuer=settings.issuer, audience=settings.audience, now=now)
        known = self._known[digest] = _Known(claims)
        if len(self._known) > CACHED_TOKENS:
            self._known.popitem(last=False)
        return known

    def _account_of(self, session: Session) -> Account | None:
        book = self._accounts.book()
        account = book.find(session.account, session.kind)
        if account is None or account.is_disabled or account.stamp != session.stamp:
            return None
        program = None if session.client is None else book.find(session.client, PrincipalKind.CLIENT)
        return None if program is not None and program.is_disabled else account


def _check_narrower(asked: Sequence[str], held: Sequence[str]) -> None:
    if held and not all(is_covered(scope, held) for scope in asked):
        raise InvalidRequestError(
            "the scopes go beyond those that were granted", hint="ask for fewer, or sign in again"
        )


def _principal(account: Account, session: Session, claims: AccessClaims) -> Principal:
    return Principal(
        name=account.name,
        kind=account.kind,
        roles=account.roles,
        scopes=claims.scopes,
        client=session.client,
        session=session.id,
        expires_at=claims.expires_at,
    )


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _parts(token: str) -> tuple[bytes, bytes] | None:
    """Give the hashes of a refresh token's two parts; None for what is no refresh token."""
    family, dot, secret = token.partition(".")
    if len(token) != 2 * _PART + 1 or not dot or len(family) != _PART or not token.isascii():
        return None
    return _digest(family), _digest(secret)
