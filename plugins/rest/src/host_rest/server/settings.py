"""What an operator may say about the HTTP server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import ClassVar

from host.contracts.contract import Settings
from host_rest.server.hosts import AllowedHosts
from host_rest.server.proxies import TrustedProxies

_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_MAX_TIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServerSettings(Settings):
    """Where the server listens, whom it believes, and what it takes."""

    section: ClassVar[str] = "HttpServerConfigurationSection"
    address: str = "127.0.0.1"
    """An IP address, or ``localhost``. One that others can reach needs a certificate or declared proxies."""
    port: int = 8080
    """0: any free one; ``<data directory>/http.url`` tells which."""
    certificate: Path | None = None
    """PEM file of the certificate and those between it and its root; with ``key``, the server speaks TLS."""
    key: Path | None = None
    """PEM file of the certificate's key, without a password."""
    trusted_proxies: str = ""
    """Addresses or networks, separated by spaces, of proxies whose ``X-Forwarded-`` headers are believed."""
    path_prefix: str = ""
    """What a proxy in front puts before every path, and passes on: ``/jobs``."""
    allowed_hosts: str = ""
    """Names, with or without port, by which clients call this server, separated by spaces; ``*``: any.

    Empty: the loopback names and ``address``.
    """
    max_body_bytes: int = 1024 * 1024
    max_header_bytes: int = 16 * 1024
    """Of all headers of a request together."""
    header_timeout: timedelta = timedelta(seconds=10)
    """How long a request's headers may take to arrive."""
    body_timeout: timedelta = timedelta(seconds=30)
    """How long a request's body may take to arrive."""
    keep_alive: timedelta = timedelta(seconds=15)
    """How long an idle connection stays open."""
    access_log: bool = True
    """Whether each request is a line in the host's log."""
    open_metrics: bool = False
    """Whether anybody may read the metrics; else those who may read jobs."""
    backlog: int = 1024
    """How many connections may wait to be accepted."""
    max_connections: int = 2000

    def __post_init__(self) -> None:
        """Refuse what cannot work, or would send secrets unprotected."""
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port: expected 0 to 65535, not {self.port}")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: expected both or neither")
        if self.path_prefix and not _PREFIX.fullmatch(self.path_prefix):
            raise ValueError(f"pathPrefix: expected a path like '/jobs', not {self.path_prefix!r}")
        TrustedProxies(self.trusted_proxies)
        self._check_address()
        AllowedHosts(self.allowed_hosts, address=self.address)
        self._check_limits()

    def _check_address(self) -> None:
        is_protected = self.certificate is not None or bool(self.trusted_proxies.split())
        if not self.is_loopback and not is_protected:
            raise ValueError(
                f"address: {self.address} can be reached by others, who would send passwords unprotected; give "
                "certificate and key, or listen on 127.0.0.1, or name the trustedProxies that speak TLS for it"
            )
        if self.is_wildcard and not self.allowed_hosts.split():
            raise ValueError(
                f"allowedHosts: with address {self.address} expected the names by which clients call this server"
            )

    def _check_limits(self) -> None:
        for name, value, least in (
            ("maxBodyBytes", self.max_body_bytes, 1024),
            ("maxHeaderBytes", self.max_header_bytes, 1024),
            ("backlog", self.backlog, 1),
            ("maxConnections", self.max_connections, 1),
        ):
            if value < least:
                raise ValueError(f"{name}: expected {least} or more, not {value}")
        for name, time in (
            ("headerTimeout", self.header_timeout),
            ("bodyTimeout", self.body_timeout),
            ("keepAlive", self.keep_alive),
        ):
            if not timedelta(0) < time <= _MAX_TIME:
                raise ValueError(f"{name}: expected more than nothing and at most an hour")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return self.address == "localhost" or self._ip.is_loopback

    @property
    def is_wildcard(self) -> bool:
        """Whether the address stands for all of this machine's."""
        return self.address != "localhost" and self._ip.is_unspecified

    @property
    def _ip(self) -> IPv4Address | IPv6Address:
        try:
            return ip_address(self.address)
        except ValueError as error:
            raise ValueError(f"address: expected an IP address or 'localhost', not {self.address!r}") from error
