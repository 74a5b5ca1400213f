"""How often somebody may try: a few failures are free, then each one costs a longer wait."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from host.contracts.clock import Clock

LONGEST_SECONDS = 60.0
FORGET_SECONDS = 15 * 60.0
"""How long after the last attempt it no longer counts."""
MAX_KEYS = 10_000
HOMES_PREFIX = 64
"""Bits of an IPv6 address that are one customer's at least (RFC 6177)."""


@dataclass(slots=True)
class _Count:
    failures: int
    last: float
    until: float


class Attempts:
    """Counts attempts by key: whose name, or from where.

    An attempt counts as failed from its beginning, so that many at once are no way around the limit. The keys least
    used are forgotten when there are too many of them.
    """

    def __init__(self, clock: Clock, *, free: int, forgives_seconds: float | None = None) -> None:
        """With ``forgives_seconds``, one failure is forgotten in each so long time without any."""
        self._clock = clock
        self._free = free
        self._forgives_seconds = forgives_seconds
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def wait_seconds(self, key: str) -> float:
        """Give how long the next attempt must wait; 0 if it may be made now."""
        count = self._counts.get(key)
        return 0.0 if count is None else max(0.0, count.until - self._clock.monotonic())

    def begin(self, key: str) -> None:
        """Count an attempt as failed until it is told to have succeeded."""
        now = self._clock.monotonic()
        count = self._counts.get(key)
        if count is None or now - count.last > FORGET_SECONDS:
            count = self._counts[key] = _Count(failures=0, last=now, until=0.0)
        if self._forgives_seconds is not None:
            count.failures = max(0, count.failures - int((now - count.last) // self._forgives_seconds))
        self._counts.move_to_end(key)
        count.failures += 1
        count.last = now
        if count.failures >= self._free:
            count.until = now + min(2.0 ** min(count.failures - self._free, 30), LONGEST_SECONDS)
        while len(self._counts) > MAX_KEYS:
            self._counts.popitem(last=False)

    def take_back(self, key: str) -> None:
        """Make the latest attempt uncounted; earlier failures stay."""
        count = self._counts.get(key)
        if count is not None:
            count.failures -= 1
            if count.failures < self._free:
                count.until = 0.0
            if count.failures <= 0:
                del self._counts[key]

    def forget(self, key: str) -> None:
        """Forget all attempts of a key: it has succeeded."""
        self._counts.pop(key, None)


def network_of(address: str) -> str:
    """Give what counts as one place: an IPv4 address, or the /64 of an IPv6 one, of which anybody has 2^64."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return f"{IPv6Address(int(ip) >> HOMES_PREFIX << HOMES_PREFIX)}/{HOMES_PREFIX}"
