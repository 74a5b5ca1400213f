"""By which names a server is called: the guard against pages that make a browser call it by a name of their own."""

from __future__ import annotations

import re

from host_rest.server.errors import CrossSiteError, Refused, UnknownHostNameError, malformed

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PING"})
_AUTHORITY = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


class AllowedHosts:
    """Names by which clients may call this server, each with one port or any; ``*`` is any name.

    Raises ValueError for what is no name.
    """

    def __init__(self, names: str, *, address: str) -> None:
        listed = names.lower().split() or [*LOOPBACK_NAMES, f"[{address}]" if ":" in address else address]
        self._is_any = "*" in listed
        self._allowed = {name for name in listed if name != "*"}
        for name in self._allowed:
            if not _AUTHORITY.fullmatch(name):
                raise ValueError(f"allowedHosts: expected names like 'jobs.example.org' or '[::1]:8080', not {name!r}")

    @property
    def first(self) -> str | None:
        """Some name that is allowed whatever the port; None if any name is."""
        return next((name for name in sorted(self._allowed) if _AUTHORITY.fullmatch(name)[2] is None), None)  # type: ignore[index]  # checked above

    def check(self, authority: str) -> None:
        """Raise Refused for a name that is not ours (421), or none at all (400)."""
        if authority in self._allowed:
            return
        match = _AUTHORITY.fullmatch(authority)
        if match is None:
            raise malformed("the request's Host header is missing or no host name")
        if self._is_any or match[1].rstrip(".") in self._allowed or match[1] in self._allowed:
            return
        error = UnknownHostNameError(
            "this server is not called by the name in the request's Host header",
            hint="call it by a name it has, or add the name to allowedHosts",
        )
        raise Refused(421, error)


def check_same_site(method: str, headers: dict[bytes, bytes], authority: str) -> None:
    """Raise Refused (403) for a request that changes something and that another site's page sent.

    Programs send neither ``Sec-Fetch-Site`` nor ``Origin``; browsers send the one, or at least the other.
    """
    if method in SAFE_METHODS:
        return
    site = headers.get(b"sec-fetch-site")
    if site is not None and site.strip() not in (b"same-origin", b"none"):
        raise _cross_site()
    origin = headers.get(b"origin")
    if origin is not None:
        _, separator, ours = origin.decode("latin-1").strip().lower().partition("://")
        if not separator or ours != authority:
            raise _cross_site()


def _cross_site() -> Refused:
    return Refused(403, CrossSiteError("another site's page may not change anything here"))
