"""Where a request really came from: what proxies in front say, believed only of those that are declared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

FORWARDED = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-real-ip"}
)
"""Headers that no mount sees: whoever is not declared could write anything there."""

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Origin:
    """The caller, as far as it is known for sure."""

    address: str
    scheme: str
    host: str
    """The authority by which the caller called, in lower case."""


class TrustedProxies:
    """Declared proxies; raises ValueError for what is no address or network, or is everybody."""

    def __init__(self, text: str) -> None:
        self._networks = tuple(map(_network, text.split()))
        self._trusts = lru_cache(maxsize=1024)(self._is_declared)

    def origin(self, peer: str, scheme: str, host: str, headers: Headers) -> Origin:
        """Give where a request came from, by the rightmost address that is no declared proxy's.

        Each proxy adds on the right; whatever a client wrote itself is on the left. What cannot be read ends the
        search: the nearest address that is sure counts.
        """
        if not self._networks or not self._trusts(peer):
            return Origin(peer, scheme, host)
        proto = _last(headers, b"x-forwarded-proto").lower()
        return Origin(
            address=self._caller(peer, _listed(headers, b"x-forwarded-for")),
            scheme=proto if proto in ("http", "https") else scheme,
            host=_last(headers, b"x-forwarded-host").lower() or host,
        )

    def _caller(self, peer: str, named: Iterable[str]) -> str:
        nearest = peer
        for entry in reversed(list(named)):
            address = _address(entry)
            if address is None:
                break
            nearest = address
            if not self._trusts(address):
                break
        return nearest

    def _is_declared(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(ip, "ipv4_mapped", None)
        return any((mapped or ip) in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"trustedProxies: expected addresses or networks like '10.0.0.0/24', not {text!r}") from None
    if network.prefixlen == 0:
        raise ValueError(f"trustedProxies: {text!r} is everybody, who could then pretend to be anybody")
    return network


def _listed(headers: Headers, name: bytes) -> list[str]:
    """Give the entries of a header and its repetitions, left to right."""
    text = b",".join(value for key, value in headers if key == name).decode("latin-1")
    return [entry.strip() for entry in text.split(",")] if text else []


def _last(headers: Headers, name: bytes) -> str:
    entries = _listed(headers, name)
    return entries[-1] if entries else ""


def _address(entry: str) -> str | None:
    """Give the address in ``1.2.3.4``, ``1.2.3.4:567``, ``::1`` or ``[::1]:80``; None if there is none."""
    text = entry.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
