"""The record of what callers of the control socket change."""

from __future__ import annotations

import asyncio
import pwd
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog

from host.contracts.clock import Clock
from host.contracts.security import AuditTrail
from host.errors import AccessDeniedError, ErrorKind, HostError
from host.local.control_calls import CHANGES, READS, result_of, target_of, told_of
from host.model.security import AuditEvent, AuditOutcome

logger = structlog.get_logger(__name__)

FACE = "cli"
SETTLE_SECONDS = 1.0
NAMING_SECONDS = 1.0
"""How long a directory service may take to name an account before its calls are heard."""


class CallAudit:
    """Records each call that changes something, by the account that made the connection, whoever it says it is.

    A call is in the trail before it is answered. What cannot be written there is told in the host's log, and the
    call is answered all the same: a host whose disk is full must still be drained.
    """

    def __init__(self, trail: AuditTrail | None, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._recording: set[asyncio.Task[None]] = set()
        self._names: dict[int, str] = {}

    async def caller(self, uid: int) -> str:
        """Name an account, for providers that pass on who asks; by its number where nobody names it within a second."""
        if uid not in self._names:
            try:
                async with asyncio.timeout(NAMING_SECONDS):
                    name = await asyncio.to_thread(account_name, uid)
            except TimeoutError:
                return _numbered(uid)
            if name == _numbered(uid):
                return name  # perhaps it has one the next time
            self._names[uid] = name
        return self._names[uid]

    def guard(self, services: Mapping[type, object], uid: int) -> Mapping[str, tuple[type, object]]:
        """Give the services as an account may use them: ``{contract name: (contract, provider)}``."""
        return {kind.__name__: (kind, _Guarded(kind, provider, self, uid)) for kind, provider in services.items()}

    async def perform(
        self, action: str, method: Callable[..., Awaitable[object]], uid: int, /, **given: object
    ) -> object:
        """Make a call that may change something, and record how it ended; one that nobody may make is refused."""
        if given.get("dry_run"):
            return await method(**given)
        at, outcome, detail = self._clock.now(), AuditOutcome.FAILED, {"error": "the call was ended"}
        try:
            if action not in CHANGES:
                raise AccessDeniedError(f"{action} may not be called over the control socket")
            result = await method(**given)
            outcome, detail = AuditOutcome.SUCCESS, result_of(result)
        except Exception as error:
            outcome, detail = _failure(error)
            raise
        finally:
            event = AuditEvent(
                at=at,
                by=None,
                face=FACE,
                action=action,
                target=target_of(action, given),
                outcome=outcome,
                detail={**told_of(action, given), **detail},
            )
            await asyncio.shield(self._begin(event, uid))
        return result

    async def settle(self) -> None:
        """Wait, within a second, until what was done is in the trail and its callers are answered."""
        if self._recording:
            await asyncio.wait(set(self._recording), timeout=SETTLE_SECONDS)
            await asyncio.sleep(0)  # whoever waited for it goes on in the loop's next turn
            await asyncio.sleep(0)

    def _begin(self, event: AuditEvent, uid: int) -> asyncio.Task[None]:
        # A task of its own: what was done is recorded also when its caller leaves meanwhile.
        task = asyncio.get_running_loop().create_task(self._keep(event, uid), name="audit of the control socket")
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)
        return task

    async def _keep(self, event: AuditEvent, uid: int) -> None:
        if self._trail is None:
            return
        by = await asyncio.to_thread(account_name, uid)
        detail = {name: text for name, text in event.detail.items() if (name, text) != ("by", by)}
        try:
            await self._trail.record([replace(event, by=by, detail=detail)])
        except HostError as error:
            logger.error("call not audited", by=by, action=event.action, target=event.target, error=str(error))


class _Guarded:
    """A provider as a caller meets it."""

    def __init__(self, contract: type, provider: object, audit: CallAudit, uid: int) -> None:
        self._contract = contract
        self._provider = provider
        self._audit = audit
        self._uid = uid

    def __getattr__(self, name: str) -> object:
        """Give a method: itself if it only reads, else as it is recorded."""
        action = f"{self._contract.__name__}.{name}"
        method = getattr(self._provider, name)
        return method if action in READS else partial(self._audit.perform, action, method, self._uid)


def account_name(uid: int) -> str:
    """Name an account of this machine, ``uid 1000`` if it has no name; may wait for a directory service."""
    with suppress(KeyError, OSError):
        return pwd.getpwuid(uid).pw_name
    return _numbered(uid)


def _numbered(uid: int) -> str:
    return f"uid {uid}"


def _failure(error: Exception) -> tuple[AuditOutcome, dict[str, str]]:
    # Never the message: it may quote a parameter's value.
    is_denied = isinstance(error, HostError) and error.kind is ErrorKind.DENIED
    name = error.code if isinstance(error, HostError) else type(error).__name__
    return AuditOutcome.DENIED if is_denied else AuditOutcome.FAILED, {"error": name}
