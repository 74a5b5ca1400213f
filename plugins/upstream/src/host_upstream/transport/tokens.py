"""The token by which this host is known to the upstream: asked for once for all callers, renewed before it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from host.contracts.clock import Clock
from host.errors import UpstreamRefusedError
from host_upstream.transport.fault import Fault
from host_upstream.transport.turn import turn

RENEW_BEFORE_SECONDS = 120.0
"""A token is renewed so long before it ends (SanteDB: AuthenticateAsDevice), or when half of its life is over."""
FIRST_HOLD_SECONDS, LONGEST_HOLD_SECONDS = 5.0, 60.0
"""How long credentials that were refused are not presented again, so that no storm of calls locks the account."""
AGAIN_SECONDS = 10.0
"""How long a token that could not be renewed, but has not ended, is used before another attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What the upstream gave."""

    authorization: str
    """Value of the header."""
    seconds: float
    """How long it lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    message: str
    hint: str | None
    proof: object
    until: float


class TokenKeeper:
    """Gives the present token; one caller fetches it, the others wait for that.

    ``fetch`` asks the upstream: it raises UpstreamRefusedError for credentials that are refused, and Fault. ``proof``
    gives what would be presented, so that credentials which were replaced are tried at once.
    """

    def __init__(self, fetch: Callable[[float], Awaitable[Token]], proof: Callable[[], object], clock: Clock) -> None:
        self._fetch = fetch
        self._proof = proof
        self._clock = clock
        self._renewal = asyncio.Lock()
        self._authorization: str | None = None
        self._renew_at = self._ends_at = 0.0
        self._refusal: _Refusal | None = None
        self._hold_seconds = 0.0
        self._busy_until = 0.0

    async def authorization(self, deadline: float) -> str:
        """Give the header's value. Raises UpstreamRefusedError, at once while refused credentials are held back; Fault.

        Nothing of a request has left then. The deadline is in the event loop's time.
        """
        if self._authorization is not None and self._clock.monotonic() < self._renew_at:
            return self._authorization
        async with turn(self._renewal, deadline):
            now = self._clock.monotonic()
            if self._authorization is not None and now < self._renew_at:
                return self._authorization
            self._check_holds(now)
            try:
                return self._taken(await self._fetch(deadline))
            except UpstreamRefusedError as error:
                self._refused(error.message, error.hint)
                raise
            except Fault as fault:
                return self._without(fault)

    def drop(self, authorization: str) -> None:
        """Forget this token, which the upstream does not take any more; a newer one stays."""
        if self._authorization == authorization:
            self._authorization = None

    def refuse(self, authorization: str, error: UpstreamRefusedError) -> None:
        """Forget a token that was refused though it was new, and hold back the credentials that gave it."""
        if self._authorization == authorization:
            self._authorization = None
            self._refused(error.message, error.hint)

    @property
    def refusal(self) -> str | None:
        """Why the upstream does not take this host's credentials; None if it does, as far as is known."""
        return self._refusal.message if self._refusal is not None else None

    def accept(self) -> None:
        """Take note that the token was good."""
        if self._refusal is not None:
            self._refusal, self._hold_seconds = None, 0.0

    def _taken(self, token: Token) -> str:
        now = self._clock.monotonic()
        self._renew_at = now + token.seconds - min(RENEW_BEFORE_SECONDS, token.seconds / 2)
        self._ends_at = now + token.seconds
        self._authorization = token.authorization
        return token.authorization

    def _without(self, fault: Fault) -> str:
        """Go on with a token that still lives; else raise the fault."""
        now = self._clock.monotonic()
        if fault.retry_after is not None:
            self._busy_until = now + fault.retry_after
        if self._authorization is not None and now < self._ends_at:
            self._renew_at = min(self._ends_at, now + AGAIN_SECONDS)
            return self._authorization
        raise Fault(
            fault.reason,
            hint=fault.hint,
            is_unsent=True,
            is_outage=fault.is_outage,
            retry_after=fault.retry_after,
        ) from fault

    def _refused(self, message: str, hint: str | None) -> None:
        self._authorization = None
        self._hold_seconds = min(LONGEST_HOLD_SECONDS, self._hold_seconds * 2 or FIRST_HOLD_SECONDS)
        until = self._clock.monotonic() + self._hold_seconds
        self._refusal = _Refusal(message=message, hint=hint, proof=self._proof(), until=until)

    def _check_holds(self, now: float) -> None:
        if now < self._busy_until:
            wait = self._busy_until - now
            hint = f"it is asked again at {self._shown(wait)}"
            raise Fault("it lets nobody sign in for now", hint=hint, is_unsent=True, is_outage=False, retry_after=wait)
        refusal = self._refusal
        if refusal is not None and now < refusal.until and refusal.proof == self._proof():
            again = f"they are tried again at {self._shown(refusal.until - now)}, or when they have changed"
            raise UpstreamRefusedError(refusal.message, hint=f"{refusal.hint}; {again}" if refusal.hint else again)

    def _shown(self, seconds: float) -> str:
        return f"{self._clock.now() + timedelta(seconds=seconds):%H:%M:%S} UTC"
