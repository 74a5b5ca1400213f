"""The circuit breaker: an upstream that does not answer is left alone for a while, and callers are told at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import TracebackType

from host.contracts.clock import Clock
from host.errors import UpstreamUnavailableError
from host_upstream.transport.fault import Fault

FAULTS = 5
"""In a row, after which the circuit opens."""
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
"""How long it stays open: the shorter at first, twice as long after each attempt that fails."""


class Breaker:
    """Counts faults in a row over all requests; while open, it lets nothing through but one attempt at a time."""

    def __init__(self, upstream: str, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock
        self._faults = 0
        self._reason = ""
        self._hint: str | None = None
        self._since: datetime | None = None
        self._open_seconds = 0.0
        """0 while the circuit is closed."""
        self._until = 0.0
        self._is_probing = False
        self.outages = 0
        """How often the upstream has ceased to answer."""

    @property
    def since(self) -> datetime | None:
        """Since when it has not answered; None while it does."""
        return self._since

    @property
    def is_open(self) -> bool:
        """Say whether requests are refused, all or all but one."""
        return self._open_seconds > 0

    def attempt(self) -> Attempt:
        """Let one request through, for use in a ``with`` statement whose end says what became of it.

        Raises UpstreamUnavailableError while the circuit is open.
        """
        if not self._open_seconds:
            return Attempt(self, is_probe=False)
        if self._is_probing or self._clock.monotonic() < self._until:
            raise self.error(Fault(self._reason, hint=self._hint))
        self._is_probing = True
        return Attempt(self, is_probe=True)

    def error(self, fault: Fault) -> UpstreamUnavailableError:
        """Give the error for callers: what it is, since when, and when it is tried next."""
        if not fault.is_outage:
            message = f"the upstream {self._upstream} cannot be used: {fault.reason}"
            return UpstreamUnavailableError(message, hint=fault.hint)
        hints = [each for each in (fault.hint, self._next()) if each]
        return UpstreamUnavailableError(self._told(fault.reason), hint="; ".join(hints) or None)

    def summary(self) -> str:
        """Say that it does not answer, for people."""
        return "; ".join(each for each in (self._told(self._reason), self._next()) if each)

    def _told(self, reason: str) -> str:
        if self._since is None:
            return f"the upstream {self._upstream} gave no answer: {reason}"
        return f"the upstream {self._upstream} has not answered since {_shown(self._since)}: {reason}"

    def _next(self) -> str | None:
        if not self.is_open:
            return None
        wait = max(0.0, self._until - self._clock.monotonic())
        return f"it is asked again at {_shown(self._clock.now() + timedelta(seconds=wait))}"

    def answered(self, *, is_probe: bool) -> None:
        """Close the circuit."""
        self._is_probing &= not is_probe
        self._faults, self._since, self._open_seconds = 0, None, 0.0

    def failed(self, fault: Fault, *, is_probe: bool) -> None:
        """Count a fault, and open the circuit when there were too many."""
        self._is_probing &= not is_probe
        if self._since is None:
            self._since = self._clock.now()
            self.outages += 1
        self._reason, self._hint = fault.reason, fault.hint
        self._faults += 1
        # What was under way when the circuit opened says nothing new.
        if is_probe or (not self._open_seconds and self._faults >= FAULTS):
            self._open_seconds = min(LONGEST_SECONDS, self._open_seconds * 2 or SHORTEST_SECONDS)
            self._until = self._clock.monotonic() + self._open_seconds

    def abandoned(self, *, is_probe: bool) -> None:
        """Count nothing: nobody waited for the answer."""
        self._is_probing &= not is_probe


class Attempt:
    """One request through the breaker."""

    __slots__ = ("_breaker", "_is_probe")

    def __init__(self, breaker: Breaker, *, is_probe: bool) -> None:
        self._breaker = breaker
        self._is_probe = is_probe

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or (isinstance(error, Fault) and not error.is_outage):
            self._breaker.answered(is_probe=self._is_probe)
        elif isinstance(error, Fault):
            self._breaker.failed(error, is_probe=self._is_probe)
        else:
            self._breaker.abandoned(is_probe=self._is_probe)


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
