"""What of the requests goes into the audit trail, before their answers go out."""

from __future__ import annotations

import structlog

from host.contracts.clock import Clock
from host.contracts.contract import Finding
from host.contracts.security import AuditTrail
from host.model.security import AuditEvent, AuditOutcome
from host_rest.server.exchange import Exchange
from host_rest.server.hosts import SAFE_METHODS

logger = structlog.get_logger(__name__)

DENIALS = frozenset({401, 403, 429})
MAX_UNKNOWN = 60
"""Failures of unknown callers that are kept a minute; the others are only counted."""


class RequestAudit:
    """Records audited requests, and refused ones that presented credentials; of unknown callers' failures only some.

    A trail that cannot be written stops nobody: it is told as an error and stays a finding until it can be.
    """

    def __init__(self, trail: AuditTrail | None, clock: Clock) -> None:
        self._trail, self._clock = trail, clock
        self._failure: str | None = None
        self._minute, self._unknown, self._left_out = 0, 0, 0

    async def tell(self, exchange: Exchange, status: int) -> None:
        """Record a request whose answer is about to begin."""
        if self._trail is None or not self._is_due(exchange, status):
            return
        if exchange.principal is None and status >= 400 and not self._has_room():
            return
        try:
            await self._trail.record([self._event(exchange, status)])
        except Exception as error:  # whatever a trail raises, the caller gets the answer
            self._failure = str(error)
            logger.error("audit trail not written", request_id=exchange.request_id, error=str(error))
        else:
            self._failure = None

    def check(self) -> list[Finding]:
        """Say whether the latest event is missing in the trail."""
        return [Finding(message=f"the audit trail is incomplete: {self._failure}")] if self._failure else []

    def _is_due(self, exchange: Exchange, status: int) -> bool:
        if exchange.call is None:
            return status in DENIALS and exchange.credentials is not None
        is_audited = exchange.call.rule.is_audited
        return exchange.method not in SAFE_METHODS if is_audited is None else is_audited

    def _has_room(self) -> bool:
        minute = int(self._clock.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._unknown = minute, 0
        self._unknown += 1
        if self._unknown > MAX_UNKNOWN:
            self._left_out += 1
            return False
        return True

    def _event(self, exchange: Exchange, status: int) -> AuditEvent:
        principal = exchange.principal
        detail = dict(exchange.call.audit) if exchange.call else {}
        if exchange.is_for_another:
            detail["for"] = str(exchange.caller)
        if principal is None and self._left_out:
            detail["left out before"], self._left_out = str(self._left_out), 0
        return AuditEvent(
            at=self._clock.now(),
            by=principal.name if principal else None,
            client=principal.client if principal else None,
            address=exchange.origin.address,
            face=exchange.face,
            action=exchange.action,
            target=exchange.path,
            outcome=_outcome(status),
            status=status,
            request_id=exchange.request_id,
            detail=detail,
        )


def _outcome(status: int) -> AuditOutcome:
    if status < 400:
        return AuditOutcome.SUCCESS
    return AuditOutcome.DENIED if status in DENIALS else AuditOutcome.FAILED
