"""Who is this, may they, and what did they do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import datetime

from host.contracts.contract import Contract
from host.model.security import (
    AuditEvent,
    AuditFilter,
    AuditPage,
    Credentials,
    Decision,
    IssuedTokens,
    Policy,
    Principal,
)

CALLER: ContextVar[str | None] = ContextVar("caller", default=None)
"""Name of whom the present call is made for, where a face knows it; a provider that asks another host passes it on."""


class Authenticator(Contract):
    """Recognises who presents credentials."""

    @abstractmethod
    async def authenticate(self, credentials: Credentials) -> Principal:
        """Give who they belong to.

        Raises AuthenticationError for wrong, expired or revoked ones, which never says which of name and password is
        wrong and takes as long for an unknown name; TooManyAttemptsError while attempts are refused unheard.
        """


class TokenService(Contract):
    """Issues, renews and revokes tokens (RFC 6749, RFC 7009)."""

    @abstractmethod
    async def issue(
        self, principal: Principal, *, scopes: Sequence[str] = (), is_renewable: bool = False, nonce: str | None = None
    ) -> IssuedTokens:
        """Begin a session and give its tokens."""

    @abstractmethod
    async def renew(self, refresh_token: str, *, client: str | None, scopes: Sequence[str] = ()) -> IssuedTokens:
        """Give new tokens for a refresh token, which is used up by that.

        A used one presented again ends its session. Raises AuthenticationError for one that is unknown, used, expired
        or another client's.
        """

    @abstractmethod
    async def principal(self, access_token: str) -> Principal:
        """Give whose token it is; raises AuthenticationError. Quick: asked with every request."""

    @abstractmethod
    async def revoke(self, token: str) -> None:
        """End the session of an access or refresh token; one that is none changes nothing."""

    @abstractmethod
    def keys(self) -> Sequence[dict[str, object]]:
        """Give the public keys by which tokens can be checked, newest first (RFC 7517)."""


class PolicyService(Contract):
    """Decides what principals may do."""

    @abstractmethod
    async def decide(self, principal: Principal, policy: Policy) -> Decision:
        """Say whether a principal may; the most specific of their grants counts, of equal ones the most restrictive.

        Without any grant, and for whatever is not known, DENY. Quick: asked with every request.
        """


class AuditTrail(Contract):
    """Keeps who did what. Suite: ``host.testing.contracts.audit``."""

    @abstractmethod
    async def record(self, events: Sequence[AuditEvent]) -> None:
        """Keep events, oldest first; durable when the call returns. Raises StoreUnavailableError."""

    @abstractmethod
    async def events(
        self, where: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> AuditPage:
        """List events, newest first, at most ``limit`` (1 to 1000) a page; keyset paging, no total.

        A page may be short, even empty, and still have a cursor to go on: a filter that few events pass is searched for
        a bounded time, well under a second.
        Raises InvalidRequestError for a cursor that no page gave.
        """

    @abstractmethod
    async def prune(self, *, before: datetime, limit: int = 500) -> int:
        """Delete at most ``limit`` events from before an instant, oldest first; returns how many."""
