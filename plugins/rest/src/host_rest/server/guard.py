"""Who sends a request, and may they: the Authenticator's and the PolicyService's word, as HTTP statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from host.contracts.http import HttpMount, HttpRule
from host.contracts.security import Authenticator, PolicyService
from host.errors import (
    AccessDeniedError,
    AuthenticationError,
    HostError,
    HostUnavailableError,
    TooManyAttemptsError,
)
from host.model.security import Access, BearerToken, Credentials, Decision, Policy, Principal
from host_rest.problems import status_of
from host_rest.server.errors import Refused
from host_rest.server.exchange import Exchange

logger = structlog.get_logger(__name__)

REALM = "jobhost"


class Guard:
    """Lets a request through, or says why not. Whatever it cannot be sure of is refused."""

    def __init__(self, authenticator: Authenticator, policies: PolicyService) -> None:
        self._authenticator, self._policies = authenticator, policies

    def presented(self, mount: HttpMount, headers: Mapping[bytes, bytes], address: str) -> Credentials | None:
        """Give the credentials of a request, None for none. Raises Refused for what is none of the mount's kinds."""
        try:
            credentials = mount.credentials(headers)
        except HostError as error:
            raise _unknown(error) from error
        if credentials is None or isinstance(credentials, BearerToken):
            return credentials
        return replace(credentials, address=address)

    async def recognise(self, credentials: Credentials | None) -> Principal | None:
        """Give who presents credentials; None without any. Raises Refused."""
        if credentials is None:
            return None
        try:
            return await self._authenticator.authenticate(credentials)
        except HostError as error:
            raise _unknown(error) from error

    async def admit(self, principal: Principal | None, rule: HttpRule) -> None:
        """Return if the rule lets the principal in. Raises Refused: 401 for nobody and ELEVATE, 403 for DENY."""
        demand = rule.demand
        if demand is Access.PUBLIC:
            return
        if principal is None:
            error = AuthenticationError("this needs a sign-in", hint="present an access token")
            policy = demand if isinstance(demand, Policy) else None
            raise Refused(401, error, headers=_challenge(), policy=policy)
        if demand is Access.AUTHENTICATED:
            return
        policy = Policy(demand)
        decision = await self._policies.decide(principal, policy)
        if decision is not Decision.GRANT:
            raise _refused(principal, policy, decision)

    async def still_admits(self, exchange: Exchange) -> bool:
        """Say whether a request that was let in would be let in now; of passwords, only the rights are looked at."""
        principal, rule = exchange.principal, exchange.rule
        if rule is None or rule.demand is Access.PUBLIC:
            return rule is not None
        try:
            if isinstance(exchange.credentials, BearerToken):
                principal = await self.recognise(exchange.credentials)
            await self.admit(principal, rule)
        except (Refused, HostError):
            return False
        return True


def _refused(principal: Principal, policy: Policy, decision: Decision) -> Refused:
    error = AccessDeniedError(f"{principal.name} may not do this", hint=f"it takes {policy.name} ({policy.value})")
    if decision is Decision.ELEVATE:
        headers = _challenge(error="insufficient_scope", scope=policy.value)
        return Refused(401, error, headers=headers, policy=policy, principal=principal)
    return Refused(403, error, policy=policy, principal=principal)


def _unknown(error: HostError) -> Refused:
    if isinstance(error, TooManyAttemptsError):
        return Refused(429, error, headers={"Retry-After": str(error.retry_after_seconds)})
    status = status_of(error)
    if status >= 500:
        # Whoever asks is nobody yet, and need not know what files the host keeps where.
        logger.error("nobody can be recognised", where=error.where, reason=error.message)
        return Refused(503, HostUnavailableError("nobody can be recognised now", hint="the host's log tells more"))
    return Refused(status, error, headers=_challenge(error="invalid_token") if status == 401 else {})


def _challenge(**parameters: str) -> dict[str, str]:
    """Give ``WWW-Authenticate`` (RFC 6750 §3)."""
    listed = ", ".join(f'{name}="{value}"' for name, value in {"realm": REALM, **parameters}.items())
    return {"WWW-Authenticate": f"Bearer {listed}"}
