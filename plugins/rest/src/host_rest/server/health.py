"""Whether the host lives and is ready: for whatever restarts it, or sends it work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from host.contracts.host import HostControl, HostState
from host.contracts.http import HttpRule, Receive, Scope, Send, call_of
from host.errors import HostError
from host.model.security import Access
from host.wire import to_json
from host_rest.server.answers import ProblemRefusals, send_answer

logger = structlog.get_logger(__name__)

LIVE, READY = "/live", "/ready"
KEPT_SECONDS = 1.0
"""How long one answer serves all who ask: anybody may."""


class HealthMount(ProblemRefusals):
    """``/health/live`` is 200 while the host's event loop turns; ``/health/ready`` while it can do its work, else 503.

    A provider's failing finding makes the host not ready. The answers say no more than that: anybody may read them.
    """

    def __init__(self, host: HostControl) -> None:
        self._host = host
        self._one_at_a_time = asyncio.Lock()
        self._checked_at, self._is_able = -KEPT_SECONDS, False

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return "/health"

    def rules(self) -> Sequence[HttpRule]:
        """Let anybody read both."""
        methods = frozenset({"GET", "HEAD"})
        return [
            HttpRule(methods=methods, path=LIVE, demand=Access.PUBLIC, name="live"),
            HttpRule(methods=methods, path=READY, demand=Access.PUBLIC, name="ready"),
        ]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if call_of(scope).rule.path == LIVE:
            status, word = 200, "live"
        else:
            status, word = await self._readiness()
        await send_answer(send, status, to_json({"status": word}), media_type="application/json")

    async def _readiness(self) -> tuple[int, str]:
        state = self._host.state
        if state is not HostState.READY:
            return 503, str(state)
        async with self._one_at_a_time:
            if time.monotonic() - self._checked_at >= KEPT_SECONDS:
                self._is_able = await self._look()
                self._checked_at = time.monotonic()
        return (200, "ready") if self._is_able else (503, "failing")

    async def _look(self) -> bool:
        try:
            status = await self._host.status()
        except HostError as error:
            logger.warning("host not ready", error=str(error))
            return False
        failures = [str(each.message) for info in status.providers for each in info.findings if each.is_failure]
        if failures and self._is_able:
            logger.warning("host not ready", findings=failures)
        return not failures
